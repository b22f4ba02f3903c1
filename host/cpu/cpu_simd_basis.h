/* Base conversion on vectors, a tile at a time: the digits of a tile stay close while every target prime takes
 * its sum from them and does its outer pass. Two targets at once share what is loaded of the digits. */
#ifndef MZV_CPU_SIMD_BASIS_H
#define MZV_CPU_SIMD_BASIS_H
#include "cpu/cpu_simd_ntt.h"

#define MAX_TARGETS 2
#define SUMS 4 /* independent sums, to hide the latency of an addition */

/* What a sum for one target needs. */
typedef struct summation {
    field f;
    vd factor;
    const double *constant;
    double *to;
} summation;

/* to[t][0 .. SUMS / n_targets LANES) = sum over j < n of digit[j stride ..] constant[t][j], within p/2. */
VEC_INLINE void convert_vectors(const summation *t, int n_targets, const double *digit, size_t stride,
                                uint32_t n, size_t at) {
    const int n_vectors = SUMS / n_targets;
    vd total[SUMS] = { vd_set(0.0), vd_set(0.0), vd_set(0.0), vd_set(0.0) };
    for (uint32_t first = 0; first < n; first += SUM_CENTRED_TERMS) {
        product_sum sum[SUMS];
        for (int i = 0; i < SUMS; i++) sum[i] = sum_start();
        for (uint32_t j = first; j < first + SUM_CENTRED_TERMS && j < n; j++)
            for (int i = 0; i < SUMS; i++)
                sum_add(&sum[i], vd_load(digit + j * stride + i % n_vectors * LANES),
                        vd_set(t[i / n_vectors].constant[j]));
        for (int i = 0; i < SUMS; i++) {
            const summation *one = &t[i / n_vectors];
            const vd part = sum_finish(&sum[i], one->factor, &one->f);
            total[i] = first == 0 ? part : normalise(vd_add(total[i], part), &one->f);
        }
    }
    for (int i = 0; i < SUMS; i++)
        vd_store(t[i / n_vectors].to + at + (size_t)(i % n_vectors) * LANES, total[i]);
}

VEC_INLINE void convert_targets(const mzv_cpu_target *target, int n_targets, const double *digits,
                                uint32_t n_digits, size_t column) {
    _Alignas(64) double buffer[MAX_TARGETS][TILE << MAX_OUTER];
    const uint32_t log_n = target->prime->log_n, bits = mzv_cpu_tile_bits(log_n);
    summation t[MAX_TARGETS];
    for (int i = 0; i < n_targets; i++) {
        t[i].f = field_of(target[i].prime);
        t[i].factor = vd_set(sum_factor(target[i].prime));
        t[i].constant = target[i].constant;
        t[i].to = bits == 0 ? (double *)target[i].r + column : buffer[i];
    }
    for (size_t k = 0; k < (size_t)TILE << bits; k += (size_t)(SUMS / n_targets) * LANES)
        convert_vectors(t, n_targets, digits + k, mzv_cpu_tile_words(log_n), n_digits, k);
    for (int i = 0; bits != 0 && i < n_targets; i++)
        forward_outer(target[i].r, (strided) { buffer[i], TILE }, column, RAW, target[i].prime, &t[i].f);
}

static void convert_tile(const mzv_cpu_target *target, uint32_t n_targets, const double *digits,
                         uint32_t n_digits, size_t column) {
    uint32_t i = 0;
    for (; i + 2 <= n_targets; i += 2) convert_targets(target + i, 2, digits, n_digits, column);
    if (i < n_targets) convert_targets(target + i, 1, digits, n_digits, column);
}

#endif
