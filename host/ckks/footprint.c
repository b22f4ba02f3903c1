/* Device memory as it is allocated: tables (the backend), keys (keys.c), the arena and i of an evaluator
 * (eval_ckks.c), encoded vectors (plain.c), ciphertexts (cipher.c). */
#include "ckks/footprint.h"

#include "base/arena.h"
#include "base/try.h"
#include "ckks/keys.h"

mzv_status mzv_footprint_of(mzv_footprint *out, const mzv_backend_ops *ops, const mzv_params *params,
                            const mzv_counts *counts, uint64_t key_bytes, uint64_t cipher_rows) {
    const uint64_t row = sizeof(uint64_t) << params->log_n;
    mzv_param_facts facts;
    *out = (mzv_footprint) { 0 };
    if (ops->table_bytes == NULL) return MZV_OK;
    MZV_TRY(mzv_params_check(params, &facts));
    const uint32_t n_q = facts.n_primes - params->n_special;
    const mzv_chain chain = { params->log_n, params->n_special, n_q, facts.primes };
    out->tables = ops->table_bytes(&chain);
    out->keys = key_bytes;
    out->scratch = counts->peak_bytes + (n_q + 1) * row; /* and X, and the values of i */
    out->plains = counts->plain_bytes;
    out->ciphers = cipher_rows * row;
    return MZV_OK;
}

uint64_t mzv_footprint_sum(const mzv_footprint *f) {
    return f->tables + f->keys + f->scratch + f->plains + f->ciphers;
}

mzv_status mzv_footprint_keys(mzv_keys_footprint *out, const mzv_params *params,
                              const mzv_key_request *request, uint64_t device_bytes) {
    mzv_key_shape *shapes = NULL;
    mzv_keys_words words = { 0 };
    uint32_t n = 0;
    MZV_TRY(mzv_key_shapes(&shapes, &n, params, request));
    const mzv_status status = mzv_keys_split(&words, NULL, params, shapes, n, device_bytes);
    mzv_free(shapes);
    if (status == MZV_OK)
        *out = (mzv_keys_footprint) { words.device * sizeof(uint64_t), words.pinned * sizeof(uint64_t) };
    return status;
}
