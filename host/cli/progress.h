/* Progress on stderr: a bar with an estimate on a terminal, otherwise a line every 30 s, or JSON lines. And
 * SIGINT, which progress callbacks hand on as "stop". */
#ifndef MZV_CLI_PROGRESS_H
#define MZV_CLI_PROGRESS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#ifdef __cplusplus
extern "C" {
#endif

typedef enum mzv_progress_kind {
    MZV_PROGRESS_NEVER,
    MZV_PROGRESS_BAR,
    MZV_PROGRESS_LINES,
    MZV_PROGRESS_JSON
} mzv_progress_kind;

typedef struct mzv_progress {
    mzv_progress_kind kind;
    FILE *file;
    uint64_t (*now_ns)(void);
    const char *item;                      /* "token" */
    uint32_t i_item, n_items;              /* 0 of 0: no items */
    uint64_t start_ns, items_ns, drawn_ns; /* begun; first item begun; last drawn */
    size_t drawn_columns;                  /* of the bar now on the screen */
    size_t text_column, width;             /* where streamed text stands, columns of the terminal */
    bool shares_line;                      /* streamed text goes to the same terminal */
} mzv_progress;

/* `mode`: auto, always, never, json. `shares_line`: stdout streams text to a terminal. */
void mzv_progress_open(mzv_progress *p, const char *mode, bool shares_line);
/* What is counted from now on: item i_item of n_items begins. */
void mzv_progress_item(mzv_progress *p, const char *item, uint32_t i_item, uint32_t n_items);
/* The callback of runtime/hybrid.h and runtime/calibrate.h: false once SIGINT has come. user: mzv_progress.
 */
bool mzv_progress_step(void *user, const char *stage, uint32_t step, uint32_t n_steps);
/* Takes the bar away; before anything else is written to the terminal. */
void mzv_progress_clear(mzv_progress *p);
/* Streamed text was written: the bar goes behind it. */
void mzv_progress_text(mzv_progress *p, const char *text, size_t n);

/* Seconds still to go, from items done and the time they took; negative: not known yet. */
double mzv_progress_left_s(const mzv_progress *p, uint64_t now_ns);
/* The line as a bar shows it. */
void mzv_progress_line(char *text, size_t n, const mzv_progress *p, const char *stage, uint32_t step,
                       uint32_t n_steps, uint64_t now_ns);

/* SIGINT: the first asks to stop, the second ends the process at once. */
void mzv_interrupt_catch(void);
bool mzv_interrupted(void);

#ifdef __cplusplus
}
#endif
#endif
