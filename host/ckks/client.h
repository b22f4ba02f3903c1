/* What encryption, decryption and key generation share: work space on the host's backend, wiped after use. */
#ifndef MZV_CKKS_CLIENT_H
#define MZV_CKKS_CLIENT_H
#include "ckks/context.h"
#ifdef __cplusplus
extern "C" {
#endif

struct mzv_public {
    const mzv_context *ctx; /* borrowed */
    uint8_t key_id[MZV_ID_BYTES];
    uint8_t seed[32];   /* of a */
    mzv_stream *stream; /* of the host's backend; owns the words */
    mzv_poly b, a;      /* b = -a s + e, over q_0 .. q_L, in host memory */
};

/* A public key without values. */
mzv_status mzv_public_open(mzv_public **out, const mzv_context *ctx) MZV_MUST_CHECK;

/* A stream of the host's backend with n_words of scratch; closing wipes all that was taken from it. */
mzv_status mzv_host_open(mzv_stream **out, const mzv_context *ctx, size_t n_words) MZV_MUST_CHECK;
void mzv_host_close(mzv_stream *s); /* NULL is allowed */

/* MZV_ERR_ARGUMENT, MZV_ERR_LEVEL, MZV_ERR_MISMATCH: `out` cannot take an encryption at `level`. */
mzv_status mzv_encrypt_check(const mzv_cipher *out, const mzv_context *ctx, const mzv_complex *slots,
                             uint32_t level) MZV_MUST_CHECK;
/* v[b*N ..]: encoding of the b-th n_slots slots at the scale of `level`, b < batch, in parallel. `work`:
 * batch times N/2. */
mzv_status mzv_encode_batch(const mzv_context *ctx, int64_t *v, mzv_complex *work, const mzv_complex *slots,
                            uint32_t batch, uint32_t level) MZV_MUST_CHECK;
/* Level, scale and key of a ciphertext just encrypted. seed NULL: made with the public key. */
void mzv_cipher_stamp(mzv_cipher *ct, uint32_t level, const uint8_t key_id[MZV_ID_BYTES],
                      const uint8_t *seed);

#ifdef __cplusplus
}
#endif
#endif
