/* Base conversion on vectors, a tile at a time: the digits of a tile stay close while every target prime
 * takes its sum from them and does its outer pass. Three targets at once share what is loaded of the digits.
 */
#ifndef MZV_CPU_SIMD_BASIS_H
#define MZV_CPU_SIMD_BASIS_H
#include "cpu/cpu_simd_ntt.h"

#define MAX_TARGETS 3
#define VECTORS 2 /* of each target; six independent sums hide the latency of an addition */

/* What a sum for one target needs. */
typedef struct summation {
    reducer r;
    const mzv_cpu_target *target;
    double *to;
} summation;

/* to[t][0 .. 2 LANES) = sum over j < n of digit[j stride ..] constant[t][j], within p. */
VEC_INLINE void convert_vectors(const summation *t, int n_targets, const uint64_t *digit, size_t stride,
                                uint32_t n, size_t at) {
    product_sum sum[MAX_TARGETS][VECTORS];
    for (int i = 0; i < n_targets; i++)
        for (int v = 0; v < VECTORS; v++) sum[i][v] = sum_of_target(t[i].target);
    for (uint32_t first = 0; first < n; first += SUM_DIGIT_TERMS) {
        const uint32_t end = first + SUM_DIGIT_TERMS < n ? first + SUM_DIGIT_TERMS : n;
        for (int i = 0; i < n_targets && first > 0; i++)
            for (int v = 0; v < VECTORS; v++) sum_settle(&sum[i][v], &t[i].r);
        for (uint32_t j = first; j < end; j++)
            for (int i = 0; i < n_targets; i++)
                for (int v = 0; v < VECTORS; v++)
                    sum_add(&sum[i][v], digit_load(digit + j * stride + v * LANES),
                            constant_of(t[i].target, j));
    }
    for (int i = 0; i < n_targets; i++)
        for (int v = 0; v < VECTORS; v++)
            vd_store(t[i].to + at + (size_t)v * LANES, sum_doubles(&sum[i][v], &t[i].r));
}

VEC_INLINE void convert_targets(const mzv_cpu_target *target, int n_targets, const uint64_t *digits,
                                uint32_t n_digits, size_t column) {
    _Alignas(64) double buffer[MAX_TARGETS][TILE << MAX_OUTER];
    const uint32_t log_n = target->prime->log_n, bits = mzv_cpu_tile_bits(log_n);
    summation t[MAX_TARGETS];
    for (int i = 0; i < n_targets; i++) {
        t[i].r = reducer_of(target[i].prime);
        t[i].target = &target[i];
        t[i].to = bits == 0 ? (double *)target[i].r + column : buffer[i];
    }
    for (int i = 0; bits != 0 && i < n_targets; i++)
        prefetch_tile((strided) { (double *)target[i].r + column, (size_t)1 << log_n >> bits },
                      (size_t)1 << bits);
    for (size_t k = 0; k < (size_t)TILE << bits; k += VECTORS * LANES)
        convert_vectors(t, n_targets, digits + k, mzv_cpu_tile_words(log_n), n_digits, k);
    for (int i = 0; bits != 0 && i < n_targets; i++)
        forward_outer(target[i].r, (strided) { buffer[i], TILE }, column, RAW, target[i].prime, &t[i].r.f);
}

static void convert_tile(const mzv_cpu_target *target, uint32_t n_targets, const uint64_t *digits,
                         uint32_t n_digits, size_t column) {
    uint32_t i = 0;
    for (; i + 3 <= n_targets; i += 3) convert_targets(target + i, 3, digits, n_digits, column);
    if (i + 2 == n_targets) convert_targets(target + i, 2, digits, n_digits, column);
    if (i + 1 == n_targets) convert_targets(target + i, 1, digits, n_digits, column);
}

#endif
