/* Names and texts of statuses, and the message of the last failure on this thread. */
#include "try.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local char last_error[1024];

const char *mzv_status_name(mzv_status status) {
    switch (status) {
#define X(name, text) case MZV_##name: return "MZV_" #name;
        MZV_STATUS_MAP(X)
#undef X
    }
    return "MZV_?";
}

const char *mzv_status_text(mzv_status status) {
    switch (status) {
#define X(name, text) case MZV_##name: return text;
        MZV_STATUS_MAP(X)
#undef X
    }
    return "unknown status";
}

const char *mzv_last_error(void) { return last_error; }

mzv_status mzv_fail(mzv_status status, const char *format, ...) {
    char text[sizeof last_error]; /* the arguments may point into last_error */
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    snprintf(last_error, sizeof last_error, "%s", text);
    return status;
}
