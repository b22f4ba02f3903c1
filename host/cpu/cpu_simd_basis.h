/* Base conversion on vectors, a strip of 8 columns at a time: the digits of a strip stay in the second-level
 * cache while every target prime takes its sum from them and does its column pass. */
#ifndef MZV_CPU_SIMD_BASIS_H
#define MZV_CPU_SIMD_BASIS_H
#include "cpu/cpu_simd_ntt.h"

#define VECTORS 4 /* independent sums, to hide the latency of an addition */

static void load_strip(double *work, const int64_t *const *digit, uint32_t n_digits, size_t column,
                       uint32_t log_n) {
    const size_t n_rows = (size_t)1 << log_n >> 8, stride = MZV_CPU_STRIP_WORDS(log_n);
    for (uint32_t j = 0; j < n_digits; j++)
        for (size_t i = 0; i < n_rows; i++)
            for (int k = 0; k < STRIP; k += LANES)
                vd_store(work + j * stride + i * STRIP + k,
                         load_centred(digit[j] + i * ROW + column + (size_t)k));
}

/* to[0 .. 4 LANES) = sum over j < n of work[j stride ..] constant[j], within p/2. */
VEC_INLINE void convert_vectors(double *to, const double *work, size_t stride, const double *constant,
                                uint32_t n, const field *f, vd factor) {
    vd total[VECTORS] = { vd_set(0.0), vd_set(0.0), vd_set(0.0), vd_set(0.0) };
    for (uint32_t first = 0; first < n; first += SUM_CENTRED_TERMS) {
        product_sum sum[VECTORS];
        for (int v = 0; v < VECTORS; v++) sum[v] = sum_start();
        for (uint32_t j = first; j < first + SUM_CENTRED_TERMS && j < n; j++) {
            const vd w = vd_set(constant[j]);
            for (int v = 0; v < VECTORS; v++) sum_add(&sum[v], vd_load(work + j * stride + v * LANES), w);
        }
        for (int v = 0; v < VECTORS; v++) {
            const vd part = sum_finish(&sum[v], factor, f);
            total[v] = first == 0 ? part : normalise(vd_add(total[v], part), f);
        }
    }
    for (int v = 0; v < VECTORS; v++) vd_store(to + v * LANES, total[v]);
}

static void convert_strip(uint64_t *row, double *work, const uint64_t *constant, uint32_t n_digits,
                          size_t column, const mzv_cpu_prime *prime) {
    const field f = field_of(prime);
    const vd factor = vd_set(sum_factor(prime));
    const size_t n_words = (size_t)STRIP << prime->log_n >> 8;
    const size_t stride = MZV_CPU_STRIP_WORDS(prime->log_n);
    double *buffer = work + n_digits * stride;
    double constants[MZV_MAX_PRIMES];
    for (uint32_t j = 0; j < n_digits; j++) constants[j] = balanced(constant[j], prime->mod.p);
    for (size_t k = 0; k < n_words; k += VECTORS * LANES)
        convert_vectors(buffer + k, work + k, stride, constants, n_digits, &f, factor);
    const strided memory = { (double *)row + column, ROW }, filled = { buffer, STRIP };
    forward_strip(memory, filled, buffer, RAW, prime);
}

#endif
