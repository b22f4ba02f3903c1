/* Log lines. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

void mzv_log_print(const mzv_log *log, mzv_log_level level, const char *format, ...) {
    if (!log || !log->write || level > log->level_max) return;
    char message[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    log->write(log->user, level, message);
}
