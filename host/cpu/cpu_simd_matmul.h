/* Sums of residues times integers on vectors: four rows of the matrix at a time share what is loaded of the
 * residues. A residue is two halves, so that every sum is an integer that a double holds. */
#ifndef MZV_CPU_SIMD_MATMUL_H
#define MZV_CPU_SIMD_MATMUL_H
#include "cpu/cpu_simd_arith.h"

#define MATMUL_ROWS 4
#define MATMUL_VECTORS (LANES / 4) /* of each row: sixteen sums in registers of AVX-512, eight of AVX2 */
#define HALF_UNIT 0x1p25

/* x = low + 2^25 high, |low| <= 2^24, and high <= 2^24 for p < 2^49. */
VEC_INLINE void split_words(double *low, double *high, const uint64_t *a) {
    const vd x = load_words(a), magic = vd_set(ROUND_MAGIC);
    const vd top = vd_sub(vd_fma(x, vd_set(1 / HALF_UNIT), magic), magic);
    vd_store(high, top);
    vd_store(low, vd_fnma(top, vd_set(HALF_UNIT), x));
}

/* Term i: n_words low halves, then as many high ones. */
VEC_INLINE void split_terms(const mzv_cpu_matmul_tile *of) {
    double *to = of->halves;
    for (uint32_t i = 0; i < of->n_terms; i++, to += 2 * of->n_words)
        for (uint32_t k = 0; k < of->n_words; k += LANES)
            split_words(to + k, to + of->n_words + k, of->a + i * of->a_stride + k);
}

/* low + 2^25 high, and what is at r where it adds: |low|, |high| < 2^24 2^18 2^10 = 2^52, and after
 * normalise all three terms are within p. */
VEC_INLINE void store_sum(uint64_t *r, vd low, vd high, bool accumulate, const field *f) {
    const vd product = mul_mod(normalise(high, f), vd_set(HALF_UNIT), f);
    const vd sum = vd_add(product, normalise(low, f));
    vu_store(r, to_words_lazy(accumulate ? vd_add(sum, load_words(r)) : sum, f));
}

/* Rows first .. first + n_rows - 1 of the matrix, words k .. */
VEC_INLINE void matmul_vectors(const mzv_cpu_matmul_tile *of, uint32_t first, int n_rows, uint32_t k,
                               const field *f) {
    const double *w = of->w + (size_t)first * of->w_stride, *x = of->halves + k;
    vd low[MATMUL_ROWS][MATMUL_VECTORS], high[MATMUL_ROWS][MATMUL_VECTORS];
    for (int o = 0; o < n_rows; o++)
        for (int v = 0; v < MATMUL_VECTORS; v++) low[o][v] = high[o][v] = vd_set(0.0);
    for (uint32_t i = 0; i < of->n_terms; i++, x += 2 * of->n_words)
        for (int o = 0; o < n_rows; o++) {
            const vd weight = vd_set(w[(size_t)o * of->w_stride + i]);
            for (int v = 0; v < MATMUL_VECTORS; v++) {
                low[o][v] = vd_fma(vd_load(x + v * LANES), weight, low[o][v]);
                high[o][v] = vd_fma(vd_load(x + of->n_words + v * LANES), weight, high[o][v]);
            }
        }
    for (int o = 0; o < n_rows; o++)
        for (int v = 0; v < MATMUL_VECTORS; v++)
            store_sum(of->r + (first + (uint32_t)o) * of->r_stride + k + v * LANES, low[o][v], high[o][v],
                      of->accumulate, f);
}

static void matmul(const mzv_cpu_matmul_tile *of, const mzv_cpu_prime *prime) {
    const field f = field_of(prime);
    uint32_t o = 0;
    split_terms(of);
    for (; o + MATMUL_ROWS <= of->n_out; o += MATMUL_ROWS)
        for (uint32_t k = 0; k < of->n_words; k += MATMUL_VECTORS * LANES)
            matmul_vectors(of, o, MATMUL_ROWS, k, &f);
    for (; o < of->n_out; o++)
        for (uint32_t k = 0; k < of->n_words; k += MATMUL_VECTORS * LANES) matmul_vectors(of, o, 1, k, &f);
}

#endif
