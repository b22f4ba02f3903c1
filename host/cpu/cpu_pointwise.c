/* Level 1: copy, and operations word by word. */
#include <string.h>

#include "cpu/cpu_backend.h"

static size_t n_words(const mzv_stream *s, mzv_poly r) {
    return (size_t)r.batch * mzv_basis_size(r.basis) << s->log_n;
}

mzv_status mzv_cpu_copy(mzv_stream *s, mzv_poly r, mzv_cpoly a) {
    const uint32_t n_rows = mzv_basis_size(r.basis);
    if (r.base == a.base) return MZV_OK;
#pragma omp parallel for collapse(2) if (mzv_cpu_worth(s, r.batch, n_rows, MZV_CPU_LIGHT))
    for (uint32_t b = 0; b < r.batch; b++)
        for (uint32_t i = 0; i < n_rows; i++)
            memcpy(mzv_cpu_row(r, b, i, s->log_n), mzv_cpu_crow(a, b, i, s->log_n),
                   sizeof(uint64_t) << s->log_n);
    return MZV_OK;
}

static mzv_status apply_binary(mzv_stream *s, mzv_poly r, mzv_cpoly a, mzv_cpoly b, uint32_t op) {
    const uint32_t n_rows = mzv_basis_size(r.basis);
#pragma omp parallel for collapse(2) if (mzv_cpu_worth(s, r.batch, n_rows, MZV_CPU_LIGHT))
    for (uint32_t k = 0; k < r.batch; k++)
        for (uint32_t i = 0; i < n_rows; i++) {
            const mzv_cpu_prime *prime = mzv_cpu_prime_of(s, r.basis, i);
            prime->kernels->binary[op](mzv_cpu_row(r, k, i, s->log_n), mzv_cpu_crow(a, k, i, s->log_n),
                                       mzv_cpu_crow(b, k, i, s->log_n), (size_t)1 << s->log_n, prime);
        }
    return MZV_OK;
}

/* Operands larger than this together do not fit in the caches that a core may count on. */
#define STREAM_WORDS ((size_t)2 << 20)

static bool streams(const mzv_stream *s, mzv_poly r, mzv_cpoly a, mzv_cpoly b) {
    return 3 * n_words(s, r) > STREAM_WORDS && r.base != a.base && r.base != b.base;
}

static mzv_status apply_with_const(mzv_stream *s, mzv_poly r, mzv_cpoly a, const uint64_t *c, uint32_t op) {
    const uint32_t n_rows = mzv_basis_size(r.basis);
#pragma omp parallel for collapse(2) if (mzv_cpu_worth(s, r.batch, n_rows, MZV_CPU_LIGHT))
    for (uint32_t k = 0; k < r.batch; k++)
        for (uint32_t i = 0; i < n_rows; i++) {
            const mzv_cpu_prime *prime = mzv_cpu_prime_of(s, r.basis, i);
            prime->kernels->with_const[op](mzv_cpu_row(r, k, i, s->log_n), mzv_cpu_crow(a, k, i, s->log_n),
                                           c[i], (size_t)1 << s->log_n, prime);
        }
    return MZV_OK;
}

mzv_status mzv_cpu_add(mzv_stream *s, mzv_poly r, mzv_cpoly a, mzv_cpoly b) {
    return apply_binary(s, r, a, b, streams(s, r, a, b) ? MZV_CPU_ADD_STREAM : MZV_CPU_ADD);
}
mzv_status mzv_cpu_sub(mzv_stream *s, mzv_poly r, mzv_cpoly a, mzv_cpoly b) {
    return apply_binary(s, r, a, b, streams(s, r, a, b) ? MZV_CPU_SUB_STREAM : MZV_CPU_SUB);
}
mzv_status mzv_cpu_mul(mzv_stream *s, mzv_poly r, mzv_cpoly a, mzv_cpoly b) {
    return apply_binary(s, r, a, b, MZV_CPU_MUL);
}
mzv_status mzv_cpu_mul_add(mzv_stream *s, mzv_poly r, mzv_cpoly a, mzv_cpoly b) {
    return apply_binary(s, r, a, b, MZV_CPU_MUL_ADD);
}
mzv_status mzv_cpu_mul_const(mzv_stream *s, mzv_poly r, mzv_cpoly a, const uint64_t *c) {
    return apply_with_const(s, r, a, c, MZV_CPU_MUL_CONST);
}
mzv_status mzv_cpu_mul_const_add(mzv_stream *s, mzv_poly r, mzv_cpoly a, const uint64_t *c) {
    return apply_with_const(s, r, a, c, MZV_CPU_MUL_CONST_ADD);
}
/* c X^0 has the value c everywhere. */
mzv_status mzv_cpu_add_const(mzv_stream *s, mzv_poly r, mzv_cpoly a, const uint64_t *c) {
    return apply_with_const(s, r, a, c, MZV_CPU_ADD_CONST);
}
