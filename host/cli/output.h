/* Results: to stdout, or whole to a file; as text, JSON, CSV or Markdown. Nothing else is written there. */
#ifndef MZV_CLI_OUTPUT_H
#define MZV_CLI_OUTPUT_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "mzv/status.h"
#ifdef __cplusplus
extern "C" {
#endif

#define MZV_OUTPUT_SCHEMA "mzv/1" /* of every JSON object; units are in the key names: _s, _bytes */

typedef enum mzv_format {
    MZV_FORMAT_TEXT,
    MZV_FORMAT_JSON,
    MZV_FORMAT_JSONL,
    MZV_FORMAT_CSV,
    MZV_FORMAT_MD
} mzv_format;

/* Collects a result until commit, so that a failure leaves stdout and the file untouched; only streamed text
 * goes out at once. */
typedef struct mzv_output {
    mzv_format format;
    const char *path; /* NULL: stdout */
    char *bytes;
    size_t n_bytes, capacity;
    bool failed; /* the last error was about writing */
} mzv_output;

/* `format`: "text", "json", ... Where `path` is given, checks now that its folder can be written, before
 * minutes of work: MZV_ERR_IO. */
mzv_status mzv_output_open(mzv_output *out, const char *format, const char *path) MZV_MUST_CHECK;
void mzv_output_close(mzv_output *out);
/* Writes what was collected. */
mzv_status mzv_output_commit(mzv_output *out) MZV_MUST_CHECK;

mzv_status mzv_output_print(mzv_output *out, const char *format, ...)
    __attribute__((format(printf, 2, 3), warn_unused_result));
mzv_status mzv_output_bytes(mzv_output *out, const void *bytes, size_t n) MZV_MUST_CHECK;
/* Text as it comes into being: to stdout at once, to a file at commit. */
mzv_status mzv_output_stream(mzv_output *out, const void *bytes, size_t n) MZV_MUST_CHECK;
/* One object: indented for json, one line for jsonl. */
mzv_status mzv_output_object(mzv_output *out, const json_t *object) MZV_MUST_CHECK;
/* `rows`: an array of objects with the same keys, those of the first row in its order. text, csv, md: a
 * table; jsonl: a row per line; json: `head` with the rows under "rows". */
mzv_status mzv_output_table(mzv_output *out, const json_t *head, const json_t *rows) MZV_MUST_CHECK;
/* The same table, aligned, as lines on stderr. */
mzv_status mzv_output_table_stderr(const json_t *rows) MZV_MUST_CHECK;

/* Building objects. Each set takes over `value`, which may be NULL where memory ran out (MZV_ERR_MEMORY). */
mzv_status mzv_json_new(json_t **out, const char *command) MZV_MUST_CHECK; /* with "schema" and "command" */
mzv_status mzv_json_set(json_t *object, const char *key, json_t *value) MZV_MUST_CHECK;
mzv_status mzv_json_push(json_t *array, json_t *value) MZV_MUST_CHECK;
json_t *mzv_json_number(double value); /* null where it is not finite */
/* Any bytes as a string: what is not UTF-8 becomes U+FFFD. */
json_t *mzv_json_text(const void *bytes, size_t n);

/* 1536 -> "1.5 KiB" into text[n]. Returns text. */
const char *mzv_size_text(char *text, size_t n, double bytes);

#ifdef __cplusplus
}
#endif
#endif
