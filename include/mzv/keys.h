/* Secrets, the request of a circuit for evaluation keys, and those keys. */
#ifndef MZV_KEYS_H
#define MZV_KEYS_H
#include "mzv/cipher.h"
#ifdef __cplusplus
extern "C" {
#endif

typedef struct mzv_secret mzv_secret;           /* client only; never on a device; wiped on destroy */
typedef struct mzv_public mzv_public;           /* encryption key: anyone may hold it */
typedef struct mzv_keys mzv_keys;               /* evaluation keys: what a server holds */
typedef struct mzv_key_request mzv_key_request; /* the set of keys that a circuit needs */

/* Requests. A key asked for twice is made once, at the higher level. Levels are the level of the
 * ciphertext the key is used on: the key is cut to that level. */
MZV_API mzv_status mzv_key_request_create(mzv_key_request **out) MZV_MUST_CHECK;
MZV_API void mzv_key_request_destroy(mzv_key_request *request);
MZV_API mzv_status mzv_request_relinearize(mzv_key_request *request, uint32_t level) MZV_MUST_CHECK;
MZV_API mzv_status mzv_request_rotate(mzv_key_request *request, int32_t steps, uint32_t level) MZV_MUST_CHECK;
MZV_API mzv_status mzv_request_conjugate(mzv_key_request *request, uint32_t level) MZV_MUST_CHECK;
/* The pair of keys through an ephemeral sparse secret that bootstrapping's ModRaise takes [BTH22]; level: that
 * of the raised ciphertext. */
MZV_API mzv_status mzv_request_sparse(mzv_key_request *request, uint32_t level) MZV_MUST_CHECK;

/* Client side. Fresh uniform ternary secret from getrandom(2). */
MZV_API mzv_status mzv_secret_create(mzv_secret **out, const mzv_context *ctx) MZV_MUST_CHECK;
MZV_API void mzv_secret_destroy(mzv_secret *secret);
MZV_API mzv_status mzv_public_create(mzv_public **out, const mzv_secret *secret) MZV_MUST_CHECK;
MZV_API void mzv_public_destroy(mzv_public *key);
MZV_API mzv_status mzv_keys_create(mzv_keys **out, const mzv_secret *secret,
                                   const mzv_key_request *request) MZV_MUST_CHECK;
MZV_API void mzv_keys_destroy(mzv_keys *keys);
MZV_API size_t mzv_keys_bytes(const mzv_keys *keys); /* in memory */
MZV_API uint32_t mzv_keys_count(const mzv_keys *keys);

/* Encrypts slots[b*n_slots + i], b < ct's batch, at `level` with that level's scale. Values must be
 * finite and below the bound of encoding (MZV_ERR_RANGE otherwise). The secret-key form has less noise and its
 * uniform half is a 32-byte seed when saved. */
MZV_API mzv_status mzv_encrypt(mzv_cipher *out, const mzv_secret *secret, const mzv_complex *slots,
                               uint32_t level) MZV_MUST_CHECK;
MZV_API mzv_status mzv_encrypt_public(mzv_cipher *out, const mzv_public *key, const mzv_complex *slots,
                                      uint32_t level) MZV_MUST_CHECK;
/* Writes batch * n_slots values. */
MZV_API mzv_status mzv_decrypt(mzv_complex *slots, const mzv_secret *secret, const mzv_cipher *ct) MZV_MUST_CHECK;

/* What the client knows of a result. A bootstrap that failed (docs/bootstrapping.md), or a
 * message that outgrew its modulus, comes back as values far beyond any magnitude; NaN is out of every range. */
typedef struct mzv_decrypt_check {
    double magnitude; /* largest |real part| and |imaginary part|; 0: not checked */
    double imaginary; /* largest |imaginary part|, where messages are real; 0: as the real part */
} mzv_decrypt_check;
/* As mzv_decrypt, then the check. MZV_ERR_RANGE names the first slot beyond it and its size, and how many there are;
 * the slots are written all the same, and must not be sent to anyone. MZV_ERR_ARGUMENT: limits below 0 or NaN. */
MZV_API mzv_status mzv_decrypt_bounded(mzv_complex *slots, const mzv_secret *secret, const mzv_cipher *ct,
                                       const mzv_decrypt_check *check) MZV_MUST_CHECK;

/* Files in the container of docs/container.md; written to a temporary name, synced, renamed. Saving
 * never leaves a partial file; loading checks every rule and the ids before it allocates. */
MZV_API mzv_status mzv_secret_save(const mzv_secret *secret, const char *path) MZV_MUST_CHECK;
MZV_API mzv_status mzv_secret_load(mzv_secret **out, const mzv_context *ctx, const char *path) MZV_MUST_CHECK;
MZV_API mzv_status mzv_public_save(const mzv_public *key, const char *path) MZV_MUST_CHECK;
MZV_API mzv_status mzv_public_load(mzv_public **out, const mzv_context *ctx, const char *path) MZV_MUST_CHECK;
MZV_API mzv_status mzv_keys_save(const mzv_keys *keys, const char *path) MZV_MUST_CHECK;
MZV_API mzv_status mzv_keys_load(mzv_keys **out, const mzv_context *ctx, const char *path) MZV_MUST_CHECK;
MZV_API mzv_status mzv_cipher_save(const mzv_cipher *ct, const mzv_context *ctx, const char *path) MZV_MUST_CHECK;
MZV_API mzv_status mzv_cipher_load(mzv_cipher **out, const mzv_context *ctx, const char *path) MZV_MUST_CHECK;
MZV_API mzv_status mzv_params_save(const mzv_params *params, const char *path) MZV_MUST_CHECK;
/* `allow_insecure`: accept a set marked insecure_toy. */
MZV_API mzv_status mzv_params_load(mzv_params *out, const char *path, bool allow_insecure) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
