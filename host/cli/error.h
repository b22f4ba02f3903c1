/* What the command line says when something fails, and with which exit code it ends. */
#ifndef MZV_CLI_ERROR_H
#define MZV_CLI_ERROR_H
#include "mzv/status.h"
#ifdef __cplusplus
extern "C" {
#endif

typedef enum mzv_exit {
    MZV_EXIT_OK = 0,
    MZV_EXIT_FAILURE = 1,
    MZV_EXIT_PRECISION = 2, /* a result outside its certified precision */
    MZV_EXIT_INPUT = 3,     /* a bad input file */
    MZV_EXIT_MEMORY = 4,
    MZV_EXIT_DEVICE = 5, /* the device asked for is not present */
    MZV_EXIT_USAGE = 64,
    MZV_EXIT_BUG = 70,
    MZV_EXIT_INTERRUPTED = 130
} mzv_exit;

/* The one place where a status becomes an exit code, and where its stable id stands ("E-format"). */
mzv_exit mzv_exit_of(mzv_status status);
const char *mzv_error_id(mzv_status status);

/* One line on stderr: `mzv: error[E-xxx]: ` and mzv_last_error(), with a next step where the message names
 * none. Returns the exit code. */
mzv_exit mzv_report_error(mzv_status status);
/* The same for a result that could not be written: E-output, exit 1. */
mzv_exit mzv_report_output_error(void);
/* One line on stderr: `mzv: warning: ...`, `mzv: ...`. */
void mzv_report_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void mzv_report_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Control characters, which could end the line or steer a terminal, become '?'. In place. */
void mzv_plain_line(char *text);

#ifdef __cplusplus
}
#endif
#endif
