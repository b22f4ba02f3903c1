/* Files: whole or streamed, read by pread (never mapped: a file that shrinks is an error, not a SIGBUS) and
 * written under a temporary name that becomes the real one only when complete and synced. */
#ifndef MZV_FILE_H
#define MZV_FILE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "mzv/status.h"
#ifdef __cplusplus
extern "C" {
#endif

/* Errors here: MZV_ERR_IO with path and errno text; MZV_ERR_FORMAT where the file is not a regular one,
 * is larger than the cap, or ends early; MZV_ERR_MEMORY. */

typedef struct mzv_file_in {
    int fd;
    uint64_t n_bytes; /* when opened */
    char *path;
} mzv_file_in;

/* Opens a regular file. Directories, FIFOs, devices and sockets are refused without blocking on them. */
mzv_status mzv_file_open(mzv_file_in *in, const char *path) MZV_MUST_CHECK;
/* n bytes at `offset`, all or an error (then `out` is unspecified). */
mzv_status mzv_file_read_at(const mzv_file_in *in, uint64_t offset, void *out, size_t n) MZV_MUST_CHECK;
void mzv_file_close(mzv_file_in *in); /* all zero is allowed */

/* A whole file of at most `cap` bytes, followed by a zero byte that is not counted; mzv_free it. */
mzv_status mzv_file_read(uint8_t **out, size_t *n_bytes, const char *path, size_t cap) MZV_MUST_CHECK;

typedef struct mzv_file_out {
    int fd;
    uint64_t at; /* bytes appended */
    char *path, *temporary;
} mzv_file_out;

/* A temporary file beside `path`. `secret`: readable by the owner only. */
mzv_status mzv_file_create(mzv_file_out *out, const char *path, bool secret) MZV_MUST_CHECK;
mzv_status mzv_file_append(mzv_file_out *out, const void *bytes, size_t n) MZV_MUST_CHECK;
/* Rewrites bytes already appended: a header whose checksums are known last. */
mzv_status mzv_file_patch(mzv_file_out *out, uint64_t offset, const void *bytes, size_t n) MZV_MUST_CHECK;
/* Syncs and renames; replaces an older file. Whether it succeeds or not, `out` is closed and empty. */
mzv_status mzv_file_commit(mzv_file_out *out) MZV_MUST_CHECK;
/* Closes and removes the temporary file. Safe after commit and on all zero; errno and the last error stay. */
void mzv_file_discard(mzv_file_out *out);

/* The three above at once. */
mzv_status mzv_file_write(const char *path, const void *bytes, size_t n) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
