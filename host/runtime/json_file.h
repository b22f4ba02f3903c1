/* JSON that others wrote, taken strictly, and what all parsers of checkpoints share. Messages name the rule
 * of docs on hostile files that was broken: "PATH: rule 71: ...". */
#ifndef MZV_RUNTIME_JSON_FILE_H
#define MZV_RUNTIME_JSON_FILE_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "mzv/status.h"
#ifdef __cplusplus
extern "C" {
#endif

enum {
    MZV_JSON_DEPTH = 8,        /* nested objects and arrays */
    MZV_JSON_VALUES = 1 << 17, /* about 300 bytes of memory each at worst: 40 MiB */
    MZV_JSON_BYTES = 16 << 20
};

/* Parses text[0 .. n-1]: one object, no duplicate keys, no text after it, at most MZV_JSON_DEPTH deep and
 * MZV_JSON_VALUES values. `path` is for messages. *out is a new reference. MZV_ERR_FORMAT. */
mzv_status mzv_json_parse(json_t **out, const char *path, const char *text, size_t n) MZV_MUST_CHECK;

/* The same for a whole file of at most `cap` bytes. MZV_ERR_IO, MZV_ERR_FORMAT, MZV_ERR_MEMORY. */
mzv_status mzv_json_load(json_t **out, const char *path, size_t cap) MZV_MUST_CHECK;

/* A name from a file, fit for a message: cut after about 80 bytes; control characters and bytes above ASCII
 * as \xNN. */
typedef struct mzv_printable {
    char text[96];
} mzv_printable;
mzv_printable mzv_printable_name(const char *name);

#ifdef __cplusplus
}
#endif
#endif
