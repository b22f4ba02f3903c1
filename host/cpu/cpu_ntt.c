/* Level 2: transforms between coefficients and values, row by row. */
#include "cpu/cpu_backend.h"

mzv_status mzv_cpu_ntt(mzv_stream *s, mzv_poly r) {
    const uint32_t n_rows = mzv_basis_size(r.basis);
#pragma omp parallel for collapse(2) schedule(dynamic) if (mzv_cpu_worth(s, r.batch, n_rows, MZV_CPU_HEAVY))
    for (uint32_t b = 0; b < r.batch; b++)
        for (uint32_t i = 0; i < n_rows; i++) {
            const mzv_cpu_prime *prime = mzv_cpu_prime_of(s, r.basis, i);
            prime->kernels->ntt(mzv_cpu_row(r, b, i, s->log_n), prime);
        }
    return MZV_OK;
}

mzv_status mzv_cpu_intt(mzv_stream *s, mzv_poly r) {
    const uint32_t n_rows = mzv_basis_size(r.basis);
#pragma omp parallel for collapse(2) schedule(dynamic) if (mzv_cpu_worth(s, r.batch, n_rows, MZV_CPU_HEAVY))
    for (uint32_t b = 0; b < r.batch; b++)
        for (uint32_t i = 0; i < n_rows; i++) {
            const mzv_cpu_prime *prime = mzv_cpu_prime_of(s, r.basis, i);
            prime->kernels->intt(mzv_cpu_row(r, b, i, s->log_n), prime);
        }
    return MZV_OK;
}

mzv_status mzv_cpu_lift(mzv_stream *s, mzv_poly r, const int64_t *v, size_t stride) {
    const uint32_t n_rows = mzv_basis_size(r.basis);
#pragma omp parallel for collapse(2) schedule(dynamic) if (mzv_cpu_worth(s, r.batch, n_rows, MZV_CPU_HEAVY))
    for (uint32_t b = 0; b < r.batch; b++)
        for (uint32_t i = 0; i < n_rows; i++) {
            const mzv_cpu_prime *prime = mzv_cpu_prime_of(s, r.basis, i);
            prime->kernels->lift(mzv_cpu_row(r, b, i, s->log_n), v + b * stride, prime);
        }
    return MZV_OK;
}
