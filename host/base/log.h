/* Log lines, handed to the caller's function; the library itself writes nothing. */
#ifndef MZV_LOG_H
#define MZV_LOG_H
#include "mzv/context.h"
#ifdef __cplusplus
extern "C" {
#endif

/* All zero: silent. */
typedef struct mzv_log {
    void (*write)(void *user, mzv_log_level level, const char *message);
    void *user;
    mzv_log_level level_max; /* the most talkative level passed on */
} mzv_log;

/* One line of at most 1023 bytes, without newline. NULL `log` is silent. */
void mzv_log_print(const mzv_log *log, mzv_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#ifdef __cplusplus
}
#endif
#endif
