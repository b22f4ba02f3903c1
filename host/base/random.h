/* Randomness: the operating system's, and a ChaCha20 generator with domain-separated streams. */
#ifndef MZV_RANDOM_H
#define MZV_RANDOM_H
#include <stddef.h>
#include <stdint.h>
#include "mzv/status.h"
#ifdef __cplusplus
extern "C" {
#endif

#define MZV_SEED_BYTES 32
#define MZV_CHACHA_BLOCK_BYTES 64
#define MZV_CHACHA_LANES 8 /* blocks computed side by side */

/* n bytes from getrandom(2). On MZV_ERR_RANDOM `out` is all zero. */
mzv_status mzv_random_bytes(void *out, size_t n) MZV_MUST_CHECK;

/* Overwrites n bytes; no compiler removes it. NULL is allowed where n is 0. */
void mzv_wipe(void *p, size_t n);

/* One stream of pseudo-random bytes. Holds key material: wipe it. */
typedef struct mzv_rng {
    uint32_t state[16]; /* ChaCha20: constants, key, 64-bit block counter, zero nonce */
    uint8_t buffer[MZV_CHACHA_LANES * MZV_CHACHA_BLOCK_BYTES];
    size_t n_left; /* unread bytes, at the end of buffer */
} mzv_rng;

/* Stream number `index` of purpose `label` (any length) under `seed`. Streams that differ in any of the three
 * are independent: the ChaCha20 key is the cascade of HChaCha20 over (index, length of label) and the label.
 */
void mzv_rng_init(mzv_rng *rng, const uint8_t seed[MZV_SEED_BYTES], const char *label, uint64_t index);
/* The next n bytes of the stream, however they are divided into calls. */
void mzv_rng_bytes(mzv_rng *rng, void *out, size_t n);
/* The next 8 bytes, little-endian. */
uint64_t mzv_rng_u64(mzv_rng *rng);
void mzv_rng_wipe(mzv_rng *rng);

/* n_blocks blocks of ChaCha20 [RFC8439, 2.3] from `state`, whose words 12 and 13 are the block counter, low
 * word first, and are advanced. Byte-identical on every machine. */
void mzv_chacha20(uint32_t state[16], uint8_t *out, size_t n_blocks);
/* The same without vector instructions beyond the baseline: what the former is compared with. */
void mzv_chacha20_portable(uint32_t state[16], uint8_t *out, size_t n_blocks);
/* HChaCha20 [draft-irtf-cfrg-xchacha, 2.2]. `key` and `out` may be the same. */
void mzv_hchacha20(uint8_t out[32], const uint8_t key[32], const uint8_t input[16]);

#ifdef __cplusplus
}
#endif
#endif
