/* Ciphertexts and plaintexts. A ciphertext handle holds a batch of ciphertexts of one shape. */
#ifndef MZV_CIPHER_H
#define MZV_CIPHER_H
#include "mzv/context.h"
#ifdef __cplusplus
extern "C" {
#endif

/* One slot. GCC and clang take _Complex in C++ too. */
typedef __complex__ double mzv_complex;

typedef struct mzv_cipher mzv_cipher;

/* An empty handle with room for `batch` ciphertexts of level `level` (level + 1 limbs). */
MZV_API mzv_status mzv_cipher_create(mzv_cipher **out, const mzv_context *ctx, uint32_t level,
                                     uint32_t batch) MZV_MUST_CHECK;
MZV_API void mzv_cipher_destroy(mzv_cipher *ct); /* NULL is allowed */
MZV_API uint32_t mzv_cipher_level(const mzv_cipher *ct);
MZV_API uint32_t mzv_cipher_batch(const mzv_cipher *ct);
MZV_API double mzv_cipher_scale(const mzv_cipher *ct);

#ifdef __cplusplus
}
#endif
#endif
