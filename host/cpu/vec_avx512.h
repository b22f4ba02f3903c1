/* Vectors of eight lanes; see vec_avx2.h. MZV_VEC_IFMA: with 52-bit multiply-add. Tests on machines without
 * AVX-512 take the intrinsics from SIMDe (MZV_SIMDE). */
#ifndef MZV_VEC_H
#define MZV_VEC_H
#ifdef MZV_SIMDE
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#include <simde/x86/fma.h>
#else
#include <immintrin.h>
#endif
#include <stdint.h>

#ifdef MZV_VEC_IFMA
#define VARIANT avx512ifma
#else
#define VARIANT avx512
#endif
#define LANES 8
#define VEC_INLINE static inline __attribute__((always_inline))

typedef __m512d vd; /* doubles */
typedef __m512i vu; /* words */

VEC_INLINE vd vd_load(const double *x) { return _mm512_load_pd(x); }
VEC_INLINE void vd_store(double *x, vd v) { _mm512_store_pd(x, v); }
VEC_INLINE vd vd_set(double x) { return _mm512_set1_pd(x); }
VEC_INLINE vd vd_add(vd a, vd b) { return _mm512_add_pd(a, b); }
VEC_INLINE vd vd_sub(vd a, vd b) { return _mm512_sub_pd(a, b); }
VEC_INLINE vd vd_mul(vd a, vd b) { return _mm512_mul_pd(a, b); }
VEC_INLINE vd vd_fma(vd a, vd b, vd c) { return _mm512_fmadd_pd(a, b, c); }   /* ab + c */
VEC_INLINE vd vd_fms(vd a, vd b, vd c) { return _mm512_fmsub_pd(a, b, c); }   /* ab - c */
VEC_INLINE vd vd_fnma(vd a, vd b, vd c) { return _mm512_fnmadd_pd(a, b, c); } /* c - ab */
/* v where a < b, else 0. */
VEC_INLINE vd vd_if_less(vd a, vd b, vd v) {
    return _mm512_maskz_mov_pd(_mm512_cmp_pd_mask(a, b, _CMP_LT_OQ), v);
}
/* v, of which the compiler knows nothing; see vec_avx2.h. */
VEC_INLINE vd vd_opaque(vd v) {
#ifndef MZV_SIMDE
    __asm__("" : "+v"(v));
#endif
    return v;
}
VEC_INLINE vu vd_bits(vd a) { return _mm512_castpd_si512(a); }

VEC_INLINE vu vu_load(const uint64_t *x) { return _mm512_load_si512((const __m512i *)x); }
VEC_INLINE void vu_store(uint64_t *x, vu v) { _mm512_store_si512((__m512i *)x, v); }
#ifdef MZV_SIMDE
VEC_INLINE void vu_stream(uint64_t *x, vu v) { _mm512_store_si512((__m512i *)x, v); }
#else
VEC_INLINE void vu_stream(uint64_t *x, vu v) { _mm512_stream_si512((__m512i *)x, v); }
#endif
VEC_INLINE vu vu_set(uint64_t x) { return _mm512_set1_epi64((long long)x); }
VEC_INLINE vu vu_add(vu a, vu b) { return _mm512_add_epi64(a, b); }
VEC_INLINE vu vu_sub(vu a, vu b) { return _mm512_sub_epi64(a, b); }
VEC_INLINE vu vu_or(vu a, vu b) { return _mm512_or_si512(a, b); }
VEC_INLINE vu vu_xor(vu a, vu b) { return _mm512_xor_si512(a, b); }
VEC_INLINE vu vu_and(vu a, vu b) { return _mm512_and_si512(a, b); }
VEC_INLINE vu vu_shift_right_32(vu a) { return _mm512_srli_epi64(a, 32); }
VEC_INLINE vu vu_shift_right_52(vu a) { return _mm512_srli_epi64(a, 52); }
VEC_INLINE vu vu_min(vu a, vu b) { return _mm512_min_epu64(a, b); }
VEC_INLINE vd vu_as_double(vu a) { return _mm512_castsi512_pd(a); }
/* Lane by lane: b where the top bit of a is set, else a. */
VEC_INLINE vu vu_if_negative(vu a, vu b) { return _mm512_mask_mov_epi64(a, _mm512_movepi64_mask(a), b); }

#ifdef MZV_VEC_IFMA
#ifdef MZV_SIMDE /* which lacks these */
typedef uint64_t vu_lanes __attribute__((vector_size(64)));
VEC_INLINE vu vu_madd(vu s, vu a, vu b, int shift) {
    vu_lanes sum = (vu_lanes)s;
    for (int i = 0; i < LANES; i++) {
        const uint64_t mask = (UINT64_C(1) << 52) - 1;
        const unsigned __int128 product =
            (unsigned __int128)(((vu_lanes)a)[i] & mask) * (((vu_lanes)b)[i] & mask);
        sum[i] += (uint64_t)(product >> shift) & mask;
    }
    return (vu)sum;
}
VEC_INLINE vu vu_madd_low(vu s, vu a, vu b) { return vu_madd(s, a, b, 0); }
VEC_INLINE vu vu_madd_high(vu s, vu a, vu b) { return vu_madd(s, a, b, 52); }
#else
VEC_INLINE vu vu_madd_low(vu s, vu a, vu b) { return _mm512_madd52lo_epu64(s, a, b); }
VEC_INLINE vu vu_madd_high(vu s, vu a, vu b) { return _mm512_madd52hi_epu64(s, a, b); }
#endif
#endif

/* A line of eight words in another order: word k of it is word order[k] of x. */
typedef struct line_order {
    __m512i order;
} line_order;
VEC_INLINE line_order line_order_of(const uint8_t order[8]) {
    const line_order r = { _mm512_set_epi64(order[7], order[6], order[5], order[4], order[3], order[2],
                                            order[1], order[0]) };
    return r;
}
VEC_INLINE vu vu_load_ordered(const uint64_t *x, const line_order *order, int k) {
    return _mm512_permutexvar_epi64(order->order, vu_load(x + k));
}

/* With lanes in groups of 2k: x takes the lower halves of the groups of both, y the upper halves. Its own
 * inverse. */
VEC_INLINE void vd_exchange(int k, vd *x, vd *y) {
    const vd a = *x, b = *y;
    if (k == 4) {
        *x = _mm512_permutex2var_pd(a, _mm512_set_epi64(11, 10, 9, 8, 3, 2, 1, 0), b);
        *y = _mm512_permutex2var_pd(a, _mm512_set_epi64(15, 14, 13, 12, 7, 6, 5, 4), b);
    } else if (k == 2) {
        *x = _mm512_permutex2var_pd(a, _mm512_set_epi64(13, 12, 5, 4, 9, 8, 1, 0), b);
        *y = _mm512_permutex2var_pd(a, _mm512_set_epi64(15, 14, 7, 6, 11, 10, 3, 2), b);
    } else {
        *x = _mm512_unpacklo_pd(a, b);
        *y = _mm512_unpackhi_pd(a, b);
    }
}

/* LANES / k doubles, each k times. */
VEC_INLINE vd vd_load_repeated(int k, const double *x) {
    if (k == 4)
        return _mm512_permutexvar_pd(_mm512_set_epi64(1, 1, 1, 1, 0, 0, 0, 0),
                                     _mm512_castpd128_pd512(_mm_loadu_pd(x)));
    if (k == 2)
        return _mm512_permutexvar_pd(_mm512_set_epi64(3, 3, 2, 2, 1, 1, 0, 0),
                                     _mm512_castpd256_pd512(_mm256_loadu_pd(x)));
    return _mm512_loadu_pd(x);
}

#endif
