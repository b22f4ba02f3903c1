/* What a context takes of a GPU's memory, before it is made. */
#ifndef MZV_CKKS_FOOTPRINT_H
#define MZV_CKKS_FOOTPRINT_H
#include "backend/backend.h"
#include "mzv/eval.h"
#ifdef __cplusplus
extern "C" {
#endif

typedef struct mzv_footprint {
    uint64_t tables, keys, scratch, plains, ciphers; /* bytes */
} mzv_footprint;

/* For one evaluator with scratch and encoded vectors as counted (mzv_counts of a run on `count`), these bytes
 * of keys, and `cipher_rows` limbs of ciphertexts in handles. All zero where the backend computes in the
 * host's memory. */
mzv_status mzv_footprint_of(mzv_footprint *out, const mzv_backend_ops *ops, const mzv_params *params,
                            const mzv_counts *counts, uint64_t key_bytes,
                            uint64_t cipher_rows) MZV_MUST_CHECK;
uint64_t mzv_footprint_sum(const mzv_footprint *f);

/* Bytes of the keys that a request asks for, where they may take `device_bytes` of the device: there, and in
 * pinned memory of the host (mzv_options.device_bytes_keys). */
typedef struct mzv_keys_footprint {
    uint64_t device, pinned;
} mzv_keys_footprint;
mzv_status mzv_footprint_keys(mzv_keys_footprint *out, const mzv_params *params,
                              const mzv_key_request *request, uint64_t device_bytes) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
