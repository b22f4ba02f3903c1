/* Products of canonical words, sums of them, and digits, by the 52-bit multiply-add of AVX-512 IFMA:
 *     madd_low(s, x, w) = s + (xw mod 2^52),  madd_high(s, x, w) = s + (xw div 2^52)
 * of the low 52 bits of x and w. Two instructions a term, where doubles take four and conversions. */
#ifndef MZV_CPU_SIMD_WORDS_H
#define MZV_CPU_SIMD_WORDS_H
#include "cpu/cpu_simd_arith.h"

#define MASK_52 ((UINT64_C(1) << 52) - 1)

/* What sums of products are reduced with. Primes are below 2^50 (mzv_cpu_fp64_fits). */
typedef struct reducer {
    field f;
    vu p, two_p, minus_p;   /* minus_p = 2^52 - p */
    vu wide, wide_quotient; /* 2^52 mod p; that 2^52 / p, rounded down */
    vu quotient;            /* 2^52 / p, rounded down */
} reducer;

VEC_INLINE reducer reducer_of(const mzv_cpu_prime *prime) {
    const uint64_t p = prime->mod.p, wide = mzv_mod_reduce(UINT64_C(1) << 52, prime->mod);
    const reducer r = { field_of(prime),
                        vu_set(p),
                        vu_set(2 * p),
                        vu_set((UINT64_C(1) << 52) - p),
                        vu_set(wide),
                        vu_set((uint64_t)(((mzv_u128)wide << 52) / p)),
                        vu_set((UINT64_C(1) << 52) / p) };
    return r;
}

/* Sums of products: high 2^52 + low. Of 64 products below 2^97 `high` and `low` stay below 2^58, and the sum
 * below 2^104. */
#define SUM_DIGIT_TERMS 64
#define SUM_TERMS 64

typedef struct product_sum {
    vu high, low;
} product_sum;

/* A factor of a product, ready for sum_add. */
typedef vu operand;
VEC_INLINE operand operand_load(const uint64_t *x) { return vu_load(x); }
VEC_INLINE operand digit_load(const uint64_t *x) { return vu_load(x); }
VEC_INLINE operand constant_of(const mzv_cpu_target *target, uint32_t j) {
    return vu_set(target->constant[j]);
}

VEC_INLINE product_sum sum_at(vu low) {
    const product_sum s = { vu_set(0), low };
    return s;
}
VEC_INLINE product_sum sum_zero(void) { return sum_at(vu_set(0)); }
VEC_INLINE product_sum sum_from(const uint64_t *residues) { return sum_at(vu_load(residues)); }
/* Where the sum for a target starts: at what takes back the shift of the digits. */
VEC_INLINE product_sum sum_of_target(const mzv_cpu_target *target) { return sum_at(vu_set(target->start)); }

VEC_INLINE void sum_add(product_sum *s, operand x, operand w) {
    s->low = vu_madd_low(s->low, x, w);
    s->high = vu_madd_high(s->high, x, w);
}

/* The sum modulo p, in [0, 4p). With h = high + low div 2^52, below 2^52, and l = low mod 2^52 the quotient
 * of h (2^52 mod p) + l by p is taken of each part: each is rounded down twice, less than 2 too small. The
 * result is below 2^52, so it suffices to compute it modulo 2^52. */
VEC_INLINE vu reduce(vu high, vu low, const reducer *r) {
    const vu h = vu_add(high, vu_shift_right_52(low));
    const vu q = vu_madd_high(vu_madd_high(vu_set(0), h, r->wide_quotient), low, r->quotient);
    const vu x = vu_madd_low(vu_madd_low(low, h, r->wide), q, r->minus_p);
    return vu_and(x, vu_set(MASK_52));
}
/* [0, 2m) to [0, m): the difference is huge where x < m. */
VEC_INLINE vu less_once(vu x, vu m) { return vu_min(x, vu_sub(x, m)); }
VEC_INLINE vu to_canonical(vu x, const reducer *r) { return less_once(less_once(x, r->two_p), r->p); }

VEC_INLINE vu sum_words(const product_sum *s, const reducer *r) {
    return to_canonical(reduce(s->high, s->low, r), r);
}
/* In [-p, p). */
VEC_INLINE vd sum_doubles(const product_sum *s, const reducer *r) {
    const vu x = less_once(reduce(s->high, s->low, r), r->two_p);
    return vd_sub(vu_as_double(vu_or(x, vu_set(WORD_BITS))), vd_add(r->f.p, vd_set(WORD_MAGIC)));
}
/* Makes room for as many terms again. */
VEC_INLINE void sum_settle(product_sum *s, const reducer *r) { *s = sum_at(reduce(s->high, s->low, r)); }

VEC_INLINE vu mul_words(vu a, vu b, const reducer *r) {
    const vu zero = vu_set(0);
    return to_canonical(reduce(vu_madd_high(zero, a, b), vu_madd_low(zero, a, b), r), r);
}
/* x + a b */
VEC_INLINE vu mul_add_words(vu x, vu a, vu b, const reducer *r) {
    return to_canonical(reduce(vu_madd_high(vu_set(0), a, b), vu_madd_low(x, a, b), r), r);
}

/* A constant that many words are multiplied by, and 2^52 times it over p, rounded down: the product is in
 * [0, 2p). [Har14] */
typedef struct scaler {
    vu c, quotient;
} scaler;
VEC_INLINE scaler scaler_of(uint64_t c, const mzv_cpu_prime *prime, const reducer *r) {
    (void)r;
    const scaler s = { vu_set(c), vu_set((uint64_t)(((mzv_u128)c << 52) / prime->mod.p)) };
    return s;
}
VEC_INLINE vu scale_lazy(vu a, scaler c, const reducer *r) {
    const vu zero = vu_set(0), q = vu_madd_high(zero, a, c.quotient);
    return vu_and(vu_madd_low(vu_madd_low(zero, a, c.c), q, r->minus_p), vu_set(MASK_52));
}
VEC_INLINE vu scale_words(vu a, scaler c, const reducer *r) { return less_once(scale_lazy(a, c, r), r->p); }
/* x + c a */
VEC_INLINE vu scale_add_words(vu x, vu a, scaler c, const reducer *r) {
    return to_canonical(vu_add(x, scale_lazy(a, c, r)), r);
}

/* |x| < p to the digit, shifted by (p - 1)/2 into [0, p): targets begin with what takes it back. */
VEC_INLINE vd to_digit(vd x, vd half, const field *f) {
    const vd shifted = vd_add(x, half); /* in (-p/2, 3p/2) */
    const vd positive = vd_add(shifted, vd_if_less(shifted, vd_set(0.0), f->p));
    const vd below = vd_sub(positive, vd_if_less(vd_add(half, half), positive, f->p));
    return vu_as_double(vu_xor(vd_bits(vd_add(below, vd_set(WORD_MAGIC))), vu_set(WORD_BITS)));
}

#endif
