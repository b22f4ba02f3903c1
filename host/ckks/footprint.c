/* Device memory as it is allocated: tables (the backend), keys (keys.c), the arena and i of an evaluator
 * (eval_ckks.c), encoded vectors (plain.c), ciphertexts (cipher.c). */
#include "ckks/footprint.h"

#include "base/try.h"
#include "ckks/context.h"

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
    out->scratch = counts->peak_bytes + (n_q + 1) * row; /* and the values of i, made from its coefficients */
    out->plains = counts->plain_bytes;
    out->ciphers = cipher_rows * row;
    return MZV_OK;
}

uint64_t mzv_footprint_sum(const mzv_footprint *f) {
    return f->tables + f->keys + f->scratch + f->plains + f->ciphers;
}

/* Limbs of one key, as keys.c gives them: digits times both halves times the rows of a half. */
static uint64_t rows_of_key(const mzv_params *p, uint32_t level) {
    return 2 * (level / p->n_special + 1) * (uint64_t)(p->n_special + level + 1);
}

mzv_status mzv_footprint_keys(uint64_t *out, const mzv_params *params, const mzv_key_request *request) {
    uint64_t rows = 0;
    for (uint32_t i = 0; i < request->n; i++) {
        const mzv_key_need *need = &request->need[i];
        if (need->kind == MZV_NEED_SPARSE)
            rows += 2 * 2 + 2 * (uint64_t)(params->n_special + need->level +
                                           1); /* to it modulo q_0 p_0; one digit back */
        else if (need->kind != MZV_NEED_ROTATE || need->steps % (1 << (params->log_n - 1)) != 0)
            rows += rows_of_key(params, need->level);
    }
    *out = rows * (sizeof(uint64_t) << params->log_n);
    return MZV_OK;
}
