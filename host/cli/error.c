/* Statuses as lines on stderr and exit codes. */
#include "cli/error.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

typedef struct meaning {
    mzv_exit code;
    const char *id;
    const char *next; /* the next step, for messages that name none */
} meaning;

static const char *const report_bug = "this is a bug in mzv: please report it with the command line";

/* Indexed by mzv_status; a status that is missing here reads as a bug. */
static const meaning meanings[] = {
    [MZV_OK] = { MZV_EXIT_OK, "E-none", NULL },
    [MZV_ERR_ARGUMENT] = { MZV_EXIT_USAGE, "E-usage", "see `mzv help`" },
    [MZV_ERR_PARAMS] = { MZV_EXIT_INPUT, "E-params", "`mzv params` lists the secure sets" },
    [MZV_ERR_LEVEL] = { MZV_EXIT_BUG, "E-level", report_bug },
    [MZV_ERR_SCALE] = { MZV_EXIT_BUG, "E-scale", report_bug },
    [MZV_ERR_KEY] = { MZV_EXIT_BUG, "E-key", report_bug },
    [MZV_ERR_FORMAT] = { MZV_EXIT_INPUT, "E-format", "`mzv inspect` shows what a file holds" },
    [MZV_ERR_MISMATCH] = { MZV_EXIT_INPUT, "E-mismatch",
                           "use objects made for the same parameters and model" },
    [MZV_ERR_PRECISION] = { MZV_EXIT_PRECISION, "E-precision", "ask for a smaller --target-error" },
    [MZV_ERR_RANGE] = { MZV_EXIT_PRECISION, "E-range", "calibrate on text like yours: `mzv calibrate`" },
    [MZV_ERR_MEMORY] = { MZV_EXIT_MEMORY, "E-memory",
                         "use a shorter context (--tokens) or one head instead of the whole attention" },
    [MZV_ERR_IO] = { MZV_EXIT_INPUT, "E-file", "check the path and its permissions" },
    [MZV_ERR_RANDOM] = { MZV_EXIT_FAILURE, "E-random", "check that getrandom(2) is allowed here" },
    [MZV_ERR_NO_DEVICE] = { MZV_EXIT_DEVICE, "E-no-device",
                            "`mzv doctor` shows what is present; or use --backend cpu" },
    [MZV_ERR_DEVICE] = { MZV_EXIT_FAILURE, "E-device",
                         "`mzv doctor` shows the device; or use --backend cpu" },
    [MZV_ERR_CANCELLED] = { MZV_EXIT_INTERRUPTED, "E-interrupted", "run it again" },
    [MZV_ERR_INTERNAL] = { MZV_EXIT_BUG, "E-internal", report_bug },
};

static const meaning *meaning_of(mzv_status status) {
    const size_t n = sizeof meanings / sizeof meanings[0];
    const bool known = (size_t)status < n && meanings[status].id != NULL;
    return &meanings[known ? status : MZV_ERR_INTERNAL];
}

mzv_exit mzv_exit_of(mzv_status status) { return meaning_of(status)->code; }

const char *mzv_error_id(mzv_status status) { return meaning_of(status)->id; }

void mzv_plain_line(char *text) {
    for (char *p = text; *p != '\0'; p++) {
        const unsigned char c = (unsigned char)*p;
        if (c < 0x20 || c == 0x7f) *p = '?';
    }
}

static void line(const char *prefix, const char *text, const char *next) {
    char copy[2048];
    snprintf(copy, sizeof copy, "%s%s%s", text, next != NULL ? "; " : "", next != NULL ? next : "");
    mzv_plain_line(copy);
    fprintf(stderr, "mzv: %s%s\n", prefix, copy);
}

mzv_exit mzv_report_error(mzv_status status) {
    const meaning *m = meaning_of(status);
    const char *text = mzv_last_error();
    char prefix[64];
    if (text[0] == '\0') text = mzv_status_text(status);
    snprintf(prefix, sizeof prefix, "error[%s]: ", m->id);
    line(prefix, text, strchr(text, ';') == NULL ? m->next : NULL);
    return m->code;
}

mzv_exit mzv_report_output_error(void) {
    line("error[E-output]: ", mzv_last_error(), "choose a place that can be written with -O FILE");
    return MZV_EXIT_FAILURE;
}

void mzv_report_warning(const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    line("warning: ", text, NULL);
}

void mzv_report_note(const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    line("", text, NULL);
}
