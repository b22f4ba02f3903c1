/* Level 1 and sums of products on vectors. Rows are 64-byte aligned and a multiple of 8 words long. */
#ifndef MZV_CPU_SIMD_POINTWISE_H
#define MZV_CPU_SIMD_POINTWISE_H
#include "cpu/cpu_simd_ntt.h"

VEC_INLINE vu add_words(vu a, vu b, vu p) {
    const vu sum = vu_add(a, b);
    return vu_if_negative(vu_sub(sum, p), sum);
}

VEC_INLINE vu sub_words(vu a, vu b, vu p) {
    const vu difference = vu_sub(a, b);
    return vu_if_negative(difference, vu_add(difference, p));
}

static void add(uint64_t *r, const uint64_t *a, const uint64_t *b, size_t n, const mzv_cpu_prime *prime) {
    const vu p = vu_set(prime->mod.p);
    for (size_t k = 0; k < n; k += LANES) vu_store(r + k, add_words(vu_load(a + k), vu_load(b + k), p));
}

static void add_stream(uint64_t *r, const uint64_t *a, const uint64_t *b, size_t n,
                       const mzv_cpu_prime *prime) {
    const vu p = vu_set(prime->mod.p);
    for (size_t k = 0; k < n; k += LANES) vu_stream(r + k, add_words(vu_load(a + k), vu_load(b + k), p));
    _mm_sfence();
}

static void sub(uint64_t *r, const uint64_t *a, const uint64_t *b, size_t n, const mzv_cpu_prime *prime) {
    const vu p = vu_set(prime->mod.p);
    for (size_t k = 0; k < n; k += LANES) vu_store(r + k, sub_words(vu_load(a + k), vu_load(b + k), p));
}

static void sub_stream(uint64_t *r, const uint64_t *a, const uint64_t *b, size_t n,
                       const mzv_cpu_prime *prime) {
    const vu p = vu_set(prime->mod.p);
    for (size_t k = 0; k < n; k += LANES) vu_stream(r + k, sub_words(vu_load(a + k), vu_load(b + k), p));
    _mm_sfence();
}

static void mul(uint64_t *r, const uint64_t *a, const uint64_t *b, size_t n, const mzv_cpu_prime *prime) {
    const reducer by = reducer_of(prime);
    for (size_t k = 0; k < n; k += LANES) vu_store(r + k, mul_words(vu_load(a + k), vu_load(b + k), &by));
}

static void mul_add(uint64_t *r, const uint64_t *a, const uint64_t *b, size_t n, const mzv_cpu_prime *prime) {
    const reducer by = reducer_of(prime);
    for (size_t k = 0; k < n; k += LANES)
        vu_store(r + k, mul_add_words(vu_load(r + k), vu_load(a + k), vu_load(b + k), &by));
}

static void mul_const(uint64_t *r, const uint64_t *a, uint64_t c, size_t n, const mzv_cpu_prime *prime) {
    const reducer by = reducer_of(prime);
    const scaler factor = scaler_of(c, prime, &by);
    for (size_t k = 0; k < n; k += LANES) vu_store(r + k, scale_words(vu_load(a + k), factor, &by));
}

static void mul_const_add(uint64_t *r, const uint64_t *a, uint64_t c, size_t n, const mzv_cpu_prime *prime) {
    const reducer by = reducer_of(prime);
    const scaler factor = scaler_of(c, prime, &by);
    for (size_t k = 0; k < n; k += LANES)
        vu_store(r + k, scale_add_words(vu_load(r + k), vu_load(a + k), factor, &by));
}

static void add_const(uint64_t *r, const uint64_t *a, uint64_t c, size_t n, const mzv_cpu_prime *prime) {
    const vu p = vu_set(prime->mod.p), word = vu_set(c);
    for (size_t k = 0; k < n; k += LANES) vu_store(r + k, add_words(vu_load(a + k), word, p));
}

static void sub_from_scale(uint64_t *r, const uint64_t *a, uint64_t c, size_t n, const mzv_cpu_prime *prime) {
    const field f = field_of(prime);
    const vd w = vd_set(balanced(c, prime->mod.p));
    for (size_t k = 0; k < n; k += LANES) {
        const vd difference = vd_sub(load_words(a + k), load_words(r + k));
        vu_store(r + k, to_words(mul_mod(difference, w, &f), &f));
    }
}

/* Two vectors of each of n_sums sums side by side, for independent chains of additions; what is loaded of b
 * serves all of them. */
VEC_INLINE void sum_vectors(const mzv_cpu_products *products, int n_sums, size_t k, const reducer *by) {
    product_sum sum[2][2];
    for (int t = 0; t < n_sums; t++)
        for (int v = 0; v < 2; v++)
            sum[t][v] = products->accumulate ? sum_from(products->r[t] + k + v * LANES) : sum_zero();
    for (uint32_t i = 0; i < products->n_terms; i += SUM_TERMS) {
        for (int t = 0; t < n_sums && i > 0; t++)
            for (int v = 0; v < 2; v++) sum_settle(&sum[t][v], by);
        for (uint32_t j = i; j < i + SUM_TERMS && j < products->n_terms; j++)
            for (int v = 0; v < 2; v++) {
                const operand b = operand_load(products->b[j] + k + v * LANES);
                for (int t = 0; t < n_sums; t++)
                    sum_add(&sum[t][v], operand_load(products->a[t][j] + k + v * LANES), b);
            }
    }
    for (int t = 0; t < n_sums; t++)
        for (int v = 0; v < 2; v++) vu_store(products->r[t] + k + v * LANES, sum_words(&sum[t][v], by));
}

static void sum_products(const mzv_cpu_products *products, size_t n, const mzv_cpu_prime *prime) {
    const reducer by = reducer_of(prime);
    if (products->n_sums == 2) {
        for (size_t k = 0; k < n; k += 2 * LANES) sum_vectors(products, 2, k, &by);
    } else {
        for (size_t k = 0; k < n; k += 2 * LANES) sum_vectors(products, 1, k, &by);
    }
}

static void repeat(uint64_t *r, const uint64_t *a, uint32_t log_repeat, size_t n) {
    const size_t each = (size_t)1 << log_repeat;
    if (each < LANES) {
        for (size_t k = 0; k < n; k++) r[k] = a[k >> log_repeat];
        return;
    }
    for (size_t k = 0; k < n; k += each, a++) {
        const vu word = vu_set(*a);
        for (size_t i = 0; i < each && k + i < n; i += LANES) vu_store(r + k + i, word);
    }
}

#define AHEAD 24 /* lines: the gathers of an automorphism are known long before, but not to the processor */

VEC_INLINE void permute_lines(uint64_t *r, const uint64_t *a, const mzv_cpu_permutation *permutation,
                              mzv_cpu_lines lines, bool accumulate, const mzv_cpu_prime *prime) {
    const vu p = vu_set(prime->mod.p);
    const uint32_t *const sources = permutation->source + lines.first;
    line_order order[MZV_CPU_LINE];
    for (int i = 0; i < MZV_CPU_LINE; i++) order[i] = line_order_of(permutation->order[i]);
    for (size_t line = 0; line < lines.n; line++) {
        const uint32_t source = sources[line];
        const uint64_t *from = a + (source / MZV_CPU_LINE - lines.origin) * MZV_CPU_LINE;
        uint64_t *to = r + line * MZV_CPU_LINE;
        if (line + AHEAD < lines.n)
            __builtin_prefetch(a + (sources[line + AHEAD] / MZV_CPU_LINE - lines.origin) * MZV_CPU_LINE);
        for (int k = 0; k < MZV_CPU_LINE; k += LANES) {
            const vu x = vu_load_ordered(from, &order[source % MZV_CPU_LINE], k);
            vu_store(to + k, accumulate ? add_words(vu_load(to + k), x, p) : x);
        }
    }
}

static void permute(uint64_t *r, const uint64_t *a, const mzv_cpu_permutation *permutation,
                    mzv_cpu_lines lines, bool accumulate, const mzv_cpu_prime *prime) {
    if (accumulate) {
        permute_lines(r, a, permutation, lines, true, prime);
    } else {
        permute_lines(r, a, permutation, lines, false, prime);
    }
}

#endif
