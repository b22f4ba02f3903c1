/* SHA-256 [FIPS180] by libcrypto. */
#ifndef MZV_SHA256_H
#define MZV_SHA256_H
#include <stddef.h>
#include <stdint.h>
#include "mzv/params.h"
#ifdef __cplusplus
extern "C" {
#endif

#define MZV_SHA256_BYTES 32

mzv_status mzv_sha256(uint8_t out[MZV_SHA256_BYTES], const void *bytes, size_t n) MZV_MUST_CHECK;
/* Its first 16 bytes: the identity of parameters, keys, models. */
mzv_status mzv_sha256_id(uint8_t id[MZV_ID_BYTES], const void *bytes, size_t n) MZV_MUST_CHECK;

/* In pieces. All zero is allowed in close; `finish` closes too, whether it succeeds or not. */
typedef struct mzv_sha256_stream {
    void *context;
} mzv_sha256_stream;

mzv_status mzv_sha256_open(mzv_sha256_stream *h) MZV_MUST_CHECK;
mzv_status mzv_sha256_update(mzv_sha256_stream *h, const void *bytes, size_t n) MZV_MUST_CHECK;
mzv_status mzv_sha256_finish(mzv_sha256_stream *h, uint8_t out[MZV_SHA256_BYTES]) MZV_MUST_CHECK;
void mzv_sha256_close(mzv_sha256_stream *h);

/* Lower-case hexadecimal and a zero: 2n + 1 characters. */
void mzv_hex(char *out, const uint8_t *bytes, size_t n);

#ifdef __cplusplus
}
#endif
#endif
