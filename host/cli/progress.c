/* Bar, lines and JSON lines on stderr; SIGINT. */
#include "cli/progress.h"

#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"

static const uint64_t second_ns = 1000000000u;

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number) {
    (void)signal_number;
    interrupted = 1;
}

void mzv_interrupt_catch(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_interrupt;
    action.sa_flags = (int)SA_RESETHAND; /* a second one ends the process */
    sigaction(SIGINT, &action, NULL);
}

bool mzv_interrupted(void) { return interrupted != 0; }

static mzv_progress_kind kind_of(const char *mode, bool terminal) {
    if (strcmp(mode, "never") == 0) return MZV_PROGRESS_NEVER;
    if (strcmp(mode, "json") == 0) return MZV_PROGRESS_JSON;
    if (strcmp(mode, "always") == 0) return MZV_PROGRESS_BAR;
    return terminal ? MZV_PROGRESS_BAR : MZV_PROGRESS_LINES;
}

void mzv_progress_open(mzv_progress *p, const char *mode, bool shares_line) {
    struct winsize size;
    memset(p, 0, sizeof *p);
    p->kind = kind_of(mode, isatty(STDERR_FILENO) == 1);
    p->file = stderr;
    p->now_ns = mzv_clock_ns;
    p->width = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
    p->shares_line = shares_line;
    p->start_ns = p->drawn_ns = p->now_ns();
}

void mzv_progress_item(mzv_progress *p, const char *item, uint32_t i_item, uint32_t n_items) {
    if (p->n_items == 0) p->items_ns = p->now_ns();
    p->item = item;
    p->i_item = i_item;
    p->n_items = n_items;
}

double mzv_progress_left_s(const mzv_progress *p, uint64_t now_ns) {
    if (p->i_item == 0 || p->n_items == 0) return -1;
    const double spent_s = (double)(now_ns - p->items_ns) / (double)second_ns;
    return spent_s / p->i_item * (p->n_items - p->i_item);
}

void mzv_progress_line(char *text, size_t n, const mzv_progress *p, const char *stage, uint32_t step,
                       uint32_t n_steps, uint64_t now_ns) {
    const double spent_s = (double)(now_ns - p->start_ns) / (double)second_ns;
    const double left_s = mzv_progress_left_s(p, now_ns);
    size_t at = 0;
    if (p->n_items > 0) at += (size_t)snprintf(text, n, "%s %u/%u, ", p->item, p->i_item + 1, p->n_items);
    if (at < n) at += (size_t)snprintf(text + at, n - at, "%s %u/%u, %.0f s", stage, step, n_steps, spent_s);
    if (at < n && left_s >= 0) snprintf(text + at, n - at, ", about %.0f s left", left_s);
}

void mzv_progress_clear(mzv_progress *p) {
    if (p->drawn_columns == 0) return;
    if (p->shares_line)
        fputs("\033[K", p->file); /* the cursor stands before the bar */
    else
        fputs("\r\033[K", p->file);
    fflush(p->file);
    p->drawn_columns = 0;
}

/* [#####.....] of 20 and the line, cut to the terminal. Behind streamed text the cursor goes back to its
 * place. */
static void draw_bar(mzv_progress *p, const char *line, uint32_t step, uint32_t n_steps) {
    enum { BAR = 20 };
    char text[256];
    const double part = n_steps > 0 ? (double)step / n_steps : 0;
    const double whole = p->n_items > 0 ? (p->i_item + part) / p->n_items : part;
    const int full = (int)(whole * BAR + 0.5);
    snprintf(text, sizeof text, "[%.*s%.*s] %s", full, "####################", BAR - full,
             "....................", line);
    const size_t used = p->shares_line ? p->text_column : 0;
    const size_t room = p->width > used + 2 ? p->width - used - 2 : 0;
    mzv_progress_clear(p);
    if (room < 10) return;
    if (strlen(text) > room) text[room] = '\0';
    p->drawn_columns = strlen(text);
    if (p->shares_line)
        fprintf(p->file, " %s\033[%zuD", text, p->drawn_columns + 1);
    else
        fprintf(p->file, "\r%s", text);
    fflush(p->file);
}

static void draw_json(const mzv_progress *p, const char *stage, uint32_t step, uint32_t n_steps,
                      uint64_t now_ns) {
    const double left_s = mzv_progress_left_s(p, now_ns);
    fprintf(
        p->file,
        "{\"progress\": {\"stage\": \"%s\", \"step\": %u, \"n_steps\": %u, \"item\": %u, \"n_items\": %u, "
        "\"elapsed_s\": %.3f",
        stage, step, n_steps, p->n_items > 0 ? p->i_item + 1 : 0, p->n_items,
        (double)(now_ns - p->start_ns) / (double)second_ns);
    if (left_s >= 0) fprintf(p->file, ", \"left_s\": %.1f", left_s);
    fputs("}}\n", p->file);
    fflush(p->file);
}

bool mzv_progress_step(void *user, const char *stage, uint32_t step, uint32_t n_steps) {
    mzv_progress *p = user;
    const uint64_t now = p->now_ns();
    const uint64_t wait_ns = p->kind == MZV_PROGRESS_LINES  ? 30 * second_ns
                             : p->kind == MZV_PROGRESS_JSON ? second_ns / 2
                                                            : second_ns / 10;
    char line[200];
    if (p->kind == MZV_PROGRESS_NEVER || now - p->drawn_ns < wait_ns) return !mzv_interrupted();
    p->drawn_ns = now;
    mzv_progress_line(line, sizeof line, p, stage, step, n_steps, now);
    if (p->kind == MZV_PROGRESS_BAR)
        draw_bar(p, line, step, n_steps);
    else if (p->kind == MZV_PROGRESS_LINES)
        fprintf(p->file, "mzv: %s\n", line);
    else
        draw_json(p, stage, step, n_steps, now);
    return !mzv_interrupted();
}

void mzv_progress_text(mzv_progress *p, const char *text, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\n' || text[i] == '\r')
            p->text_column = 0;
        else if (((unsigned char)text[i] & 0xc0) != 0x80)
            p->text_column++;
        if (p->text_column >= p->width) p->text_column = 0;
    }
}
