/* Memory of evaluation keys: what key generation and loading share. Nothing here sees a secret. */
#ifndef MZV_CKKS_KEYS_H
#define MZV_CKKS_KEYS_H
#include "ckks/context.h"
#ifdef __cplusplus
extern "C" {
#endif

typedef struct mzv_key_shape {
    uint32_t galois, level;
    uint64_t n_uses; /* of a request: the keys used most go to the device first; 0: not known */
} mzv_key_shape;

/* Whether it is one of the encapsulation. */
static inline bool mzv_key_sparse(uint32_t galois) {
    return galois == MZV_KEY_TO_SPARSE || galois == MZV_KEY_FROM_SPARSE;
}

/* Digits of a key, its rows, and words of one of its polynomials. */
uint32_t mzv_key_digits(const mzv_params *params, mzv_key_shape shape);
mzv_basis mzv_key_basis(const mzv_params *params, mzv_key_shape shape);
size_t mzv_key_words(const mzv_params *params, mzv_key_shape shape);

/* request.c: the keys that a request comes to in this ring: distinct, sorted by galois; a rotation by a
 * multiple of N/2 needs none. Freed by mzv_free. MZV_ERR_PARAMS, MZV_ERR_LEVEL. */
mzv_status mzv_key_shapes(mzv_key_shape **out, uint32_t *n, const mzv_params *params,
                          const mzv_key_request *request) MZV_MUST_CHECK;

/* Words of keys: on the device, and beyond the bytes that they may take there. Those used most come first,
 * relinearisation before others, a smaller key where a larger one does not fit. on_device[i]: key i; NULL is
 * allowed. MZV_ERR_MEMORY where all together are beyond 2^64. */
typedef struct mzv_keys_words {
    size_t device, pinned;
} mzv_keys_words;
mzv_status mzv_keys_split(mzv_keys_words *out, bool *on_device, const mzv_params *params,
                          const mzv_key_shape *shapes, uint32_t n, uint64_t device_bytes) MZV_MUST_CHECK;
/* The same for a context: by its options, or all on its backend where that is the host. */
mzv_status mzv_keys_split_for(mzv_keys_words *out, bool *on_device, const mzv_context *ctx,
                              const mzv_key_shape *shapes, uint32_t n) MZV_MUST_CHECK;

/* Keys of these shapes (sorted by galois, distinct, checked) on the context's backend, without values. */
mzv_status mzv_keys_open(mzv_keys **out, const mzv_context *ctx, const mzv_key_shape *shapes,
                         uint32_t n) MZV_MUST_CHECK;

/* Where polynomial j (b_0, a_0, b_1, ...) of key i is to be made in host memory: in place on the host's
 * backend, in `staging` otherwise; and the step that brings it to the backend. It waits. */
mzv_poly mzv_keys_target(const mzv_keys *keys, uint32_t i, uint32_t j, uint64_t *staging);
mzv_status mzv_keys_store(mzv_keys *keys, uint32_t i, uint32_t j, const uint64_t *staging) MZV_MUST_CHECK;

/* A backend's polynomial j of key i in host memory: in place, or downloaded to `staging`. It waits. */
mzv_status mzv_keys_fetch(const uint64_t **out, const mzv_keys *keys, uint32_t i, uint32_t j,
                          uint64_t *staging) MZV_MUST_CHECK;

/* Host staging words: 0 where keys live in host memory. */
bool mzv_keys_in_place(const mzv_context *ctx);

#ifdef __cplusplus
}
#endif
#endif
