/* What the files of keys and ciphertexts share. */
#ifndef MZV_CKKS_OBJECT_FILE_H
#define MZV_CKKS_OBJECT_FILE_H
#include "ckks/container.h"
#include "ckks/context.h"
#ifdef __cplusplus
extern "C" {
#endif

/* Creates the file of an object of `ctx` and puts its log_n. */
mzv_status mzv_object_create(mzv_container_out **out, const char *path, const mzv_context *ctx, mzv_kind kind,
                             const uint8_t key_id[MZV_ID_BYTES]) MZV_MUST_CHECK;
/* Commits after MZV_OK, discards otherwise; the status of the whole. */
mzv_status mzv_object_finish(mzv_container_out *c, mzv_status status) MZV_MUST_CHECK;
/* Opens one, of these parameters, insecure only if they are; checks log_n (rule 54) and that it names a key
 * (rule 34). */
mzv_status mzv_object_open(mzv_container_in **out, const char *path, const mzv_context *ctx,
                           const mzv_schema *schema) MZV_MUST_CHECK;

/* Rows of one polynomial of `basis`, to and from the current section. */
mzv_status mzv_object_write_rows(mzv_container_out *c, const uint64_t *rows, const mzv_chain *chain,
                                 mzv_basis basis) MZV_MUST_CHECK;
mzv_status mzv_object_read_rows(mzv_container_in *c, uint64_t *rows, const mzv_chain *chain,
                                mzv_basis basis) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
