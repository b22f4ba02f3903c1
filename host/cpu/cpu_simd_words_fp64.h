/* Products of canonical words, sums of them, and digits, by way of doubles. cpu_simd_words_ifma.h is the same
 * with integer multiply-add. */
#ifndef MZV_CPU_SIMD_WORDS_H
#define MZV_CPU_SIMD_WORDS_H
#include "cpu/cpu_simd_arith.h"

/* What sums of products are reduced with. */
typedef struct reducer {
    field f;
    vd factor; /* 2^49 mod p, over 2^49 */
} reducer;

/* Sums of products, reduced once. `high` starts at a large number whose last place is 2^49 and takes each
 * product rounded to it; `low` starts at a residue and takes what rounding left, integers of at most 2^48:
 *     high' = high + xw rounded;  low' = low + (xw - (high' - high)).
 * Both stay exact while |sum| < 2^100 and |low| <= 2^53: 16 products of a residue with a centred digit
 * (below 2^96), 8 of two canonical residues (below 2^97), and a residue below p. */
#define SUM_MAGIC 0x1.8p101
#define SUM_UNIT 0x1p49
#define SUM_DIGIT_TERMS 16
#define SUM_TERMS 8

typedef struct product_sum {
    vd high, low;
} product_sum;

/* A factor of a product, ready for sum_add. */
typedef vd operand;
VEC_INLINE operand operand_load(const uint64_t *x) { return load_words(x); }
VEC_INLINE operand digit_load(const uint64_t *x) { return vd_load((const double *)x); }
VEC_INLINE operand constant_of(const mzv_cpu_target *target, uint32_t j) {
    return vd_set(target->balanced[j]);
}

/* 2^49 mod p, over 2^49: times `high` it is a product of an integer below 2^51 with a balanced residue. */
VEC_INLINE reducer reducer_of(const mzv_cpu_prime *prime) {
    const uint64_t residue = mzv_mod_reduce(UINT64_C(1) << 49, prime->mod);
    const reducer r = { field_of(prime), vd_set(balanced(residue, prime->mod.p) / SUM_UNIT) };
    return r;
}

VEC_INLINE product_sum sum_at(vd low) {
    const product_sum s = { vd_set(SUM_MAGIC), low };
    return s;
}
VEC_INLINE product_sum sum_zero(void) { return sum_at(vd_set(0.0)); }
VEC_INLINE product_sum sum_from(const uint64_t *residues) { return sum_at(load_words(residues)); }
/* Where the sum for a target starts. */
VEC_INLINE product_sum sum_of_target(const mzv_cpu_target *target) {
    (void)target;
    return sum_zero();
}

VEC_INLINE void sum_add(product_sum *s, operand x, operand w) {
    const vd high = vd_fma(x, w, s->high);
    s->low = vd_add(s->low, vd_fms(x, w, vd_sub(high, s->high)));
    s->high = high;
}

/* The sum modulo p, as mul_mod with `low` inside the quotient, which adds a third rounding to its error: with
 * high below X p / 2^49 of a canonical sum, X p < 2^51, the result is within (1/2 + 3/2 2^-2) p. high factor
 * - cp is below p + |low|, and that with the rest of the product below 2^53. */
VEC_INLINE vd sum_doubles(const product_sum *s, const reducer *r) {
    const vd high = vd_sub(s->high, vd_set(SUM_MAGIC));
    const vd h = vd_mul(high, r->factor);
    const vd l = vd_fms(high, r->factor, h);
    const vd c = quotient(vd_add(h, s->low), &r->f);
    return vd_add(vd_fnma(c, r->f.p, h), vd_add(l, s->low));
}
/* Makes room for as many terms again. */
VEC_INLINE void sum_settle(product_sum *s, const reducer *r) { *s = sum_at(sum_doubles(s, r)); }
VEC_INLINE vu sum_words(const product_sum *s, const reducer *r) { return to_words(sum_doubles(s, r), &r->f); }

/* Both operands canonical: one is below p, the other below 2 p/2, so X = 2. */
VEC_INLINE vu mul_words(vu a, vu b, const reducer *r) {
    return to_words(mul_mod(from_words(a), from_words(b), &r->f), &r->f);
}
/* x + a b */
VEC_INLINE vu mul_add_words(vu x, vu a, vu b, const reducer *r) {
    return to_words_lazy(vd_add(from_words(x), mul_mod(from_words(a), from_words(b), &r->f)), &r->f);
}

/* A constant that many words are multiplied by. */
typedef multiplier scaler;
VEC_INLINE scaler scaler_of(uint64_t c, const mzv_cpu_prime *prime, const reducer *r) {
    return multiplier_of(vd_set(balanced(c, prime->mod.p)), &r->f);
}
VEC_INLINE vu scale_words(vu a, scaler c, const reducer *r) {
    return to_words(mul_by(from_words(a), c, &r->f), &r->f);
}
/* x + c a */
VEC_INLINE vu scale_add_words(vu x, vu a, scaler c, const reducer *r) {
    return to_words_lazy(vd_add(from_words(x), mul_by(from_words(a), c, &r->f)), &r->f);
}

/* |x| < p to the digit, |digit| <= `half` = (p - 1) / 2. */
VEC_INLINE vd to_digit(vd x, vd half, const field *f) {
    const vd down = vd_sub(x, vd_if_less(half, x, f->p));
    return vd_add(down, vd_if_less(down, vd_sub(vd_set(0.0), half), f->p));
}

#endif
