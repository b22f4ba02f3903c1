/* Vectors of four lanes. What the kernels of cpu_simd_*.h need, and no more; vec_avx512.h is the same for
 * eight lanes. */
#ifndef MZV_VEC_H
#define MZV_VEC_H
#include <immintrin.h>
#include <stdint.h>

#define VARIANT avx2
#define LANES 4
#define VEC_INLINE static inline __attribute__((always_inline))

typedef __m256d vd; /* doubles */
typedef __m256i vu; /* words */

VEC_INLINE vd vd_load(const double *x) { return _mm256_load_pd(x); }
VEC_INLINE void vd_store(double *x, vd v) { _mm256_store_pd(x, v); }
VEC_INLINE vd vd_set(double x) { return _mm256_set1_pd(x); }
VEC_INLINE vd vd_add(vd a, vd b) { return _mm256_add_pd(a, b); }
VEC_INLINE vd vd_sub(vd a, vd b) { return _mm256_sub_pd(a, b); }
VEC_INLINE vd vd_mul(vd a, vd b) { return _mm256_mul_pd(a, b); }
VEC_INLINE vd vd_fma(vd a, vd b, vd c) { return _mm256_fmadd_pd(a, b, c); }   /* ab + c */
VEC_INLINE vd vd_fms(vd a, vd b, vd c) { return _mm256_fmsub_pd(a, b, c); }   /* ab - c */
VEC_INLINE vd vd_fnma(vd a, vd b, vd c) { return _mm256_fnmadd_pd(a, b, c); } /* c - ab */
/* v where a < b, else 0. */
VEC_INLINE vd vd_if_less(vd a, vd b, vd v) { return _mm256_and_pd(_mm256_cmp_pd(a, b, _CMP_LT_OQ), v); }
/* v, of which the compiler knows nothing: that all lanes are the same leads it to compute with one and spread
 * the result, which costs more. */
VEC_INLINE vd vd_opaque(vd v) {
    __asm__("" : "+x"(v));
    return v;
}
VEC_INLINE vu vd_bits(vd a) { return _mm256_castpd_si256(a); }

VEC_INLINE vu vu_load(const uint64_t *x) { return _mm256_load_si256((const __m256i *)x); }
VEC_INLINE void vu_store(uint64_t *x, vu v) { _mm256_store_si256((__m256i *)x, v); }
VEC_INLINE void vu_stream(uint64_t *x, vu v) { _mm256_stream_si256((__m256i *)x, v); }
VEC_INLINE vu vu_set(uint64_t x) { return _mm256_set1_epi64x((long long)x); }
VEC_INLINE vu vu_add(vu a, vu b) { return _mm256_add_epi64(a, b); }
VEC_INLINE vu vu_sub(vu a, vu b) { return _mm256_sub_epi64(a, b); }
VEC_INLINE vu vu_or(vu a, vu b) { return _mm256_or_si256(a, b); }
VEC_INLINE vu vu_xor(vu a, vu b) { return _mm256_xor_si256(a, b); }
VEC_INLINE vu vu_and(vu a, vu b) { return _mm256_and_si256(a, b); }
VEC_INLINE vu vu_shift_right_32(vu a) { return _mm256_srli_epi64(a, 32); }
VEC_INLINE vd vu_as_double(vu a) { return _mm256_castsi256_pd(a); }
/* Lane by lane: b where the top bit of a is set, else a. */
VEC_INLINE vu vu_if_negative(vu a, vu b) {
    const __m256d x = _mm256_castsi256_pd(a);
    return _mm256_castpd_si256(_mm256_blendv_pd(x, _mm256_castsi256_pd(b), x));
}

/* A line of eight words in another order: word k of it is word order[k] of x. An automorphism takes each half
 * of a line from one half. */
typedef struct line_order {
    __m256i half[2];
    int from[2];
} line_order;
VEC_INLINE line_order line_order_of(const uint8_t order[8]) {
    line_order r;
    for (int h = 0; h < 2; h++) {
        const uint8_t *o = order + 4 * h;
        r.from[h] = o[0] & 4;
        r.half[h] = _mm256_setr_epi32(2 * (o[0] & 3), 2 * (o[0] & 3) + 1, 2 * (o[1] & 3), 2 * (o[1] & 3) + 1,
                                      2 * (o[2] & 3), 2 * (o[2] & 3) + 1, 2 * (o[3] & 3), 2 * (o[3] & 3) + 1);
    }
    return r;
}
VEC_INLINE vu vu_load_ordered(const uint64_t *x, const line_order *order, int k) {
    return _mm256_permutevar8x32_epi32(vu_load(x + order->from[k / LANES]), order->half[k / LANES]);
}

/* With lanes in groups of 2k: x takes the lower halves of the groups of both, y the upper halves. Its own
 * inverse. */
VEC_INLINE void vd_exchange(int k, vd *x, vd *y) {
    const vd a = *x, b = *y;
    *x = k == 2 ? _mm256_permute2f128_pd(a, b, 0x20) : _mm256_unpacklo_pd(a, b);
    *y = k == 2 ? _mm256_permute2f128_pd(a, b, 0x31) : _mm256_unpackhi_pd(a, b);
}

/* LANES / k doubles, each k times. */
VEC_INLINE vd vd_load_repeated(int k, const double *x) {
    return k == 2 ? _mm256_permute4x64_pd(_mm256_castpd128_pd256(_mm_loadu_pd(x)), 0x50) : _mm256_loadu_pd(x);
}

#endif
