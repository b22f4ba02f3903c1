/* Residues as doubles: exact arithmetic modulo p with fused multiply-add [HLQ16].
 *
 * A residue x is an integer held in a double, balanced around 0 and lazy: |x| <= X p for a small X that
 * each function states. A product costs six operations and no branch:
 *     h = xw rounded, l = xw - h, c = x w / p rounded, r = (h - cp) + l = xw - cp.
 * With |x| <= X p and |w| <= p/2 the quotient is off by 1/2 and by the roundings of h, of 1/p and of
 * their product, X p 2^-53 in all, so |r| <= (1/2 + X p 2^-53) p. Rounding to an integer by adding
 * 1.5 2^52 needs |h/p| < 2^51, that is X p < 2^52; then h - cp and r are integers below 2^53, and every
 * step is exact. mzv_cpu_fp64_fits follows X through the transforms. */
#ifndef MZV_CPU_SIMD_ARITH_H
#define MZV_CPU_SIMD_ARITH_H
#include "cpu/cpu_backend.h"

#define ROUND_MAGIC 0x1.8p52                    /* adding it rounds to an integer */
#define ROUND_BITS UINT64_C(0x4338000000000000) /* its bits */
#define WORD_MAGIC 0x1p52                       /* bits of 2^52 + x, 0 <= x < 2^52, are x under these: */
#define WORD_BITS UINT64_C(0x4330000000000000)

typedef struct field {
    vd p, p_inverse, magic, two_32; /* 2^32 mod p */
} field;

/* A canonical constant as a double in (-p/2, p/2), and back. */
static inline double balanced(uint64_t c, uint64_t p) { return mzv_cpu_balanced(c, p); }
static inline uint64_t residue_of(double c, uint64_t p) { return c < 0 ? p - (uint64_t)-c : (uint64_t)c; }

VEC_INLINE field field_of(const mzv_cpu_prime *prime) {
    const double p = (double)prime->mod.p;
    const double two_32 = balanced(mzv_mod_reduce(UINT64_C(1) << 32, prime->mod), prime->mod.p);
    const field f = { vd_set(p), vd_opaque(vd_set(1.0 / p)), vd_set(ROUND_MAGIC), vd_set(two_32) };
    return f;
}

/* c with h / p = c + fraction. */
VEC_INLINE vd quotient(vd h, const field *f) { return vd_sub(vd_fma(h, f->p_inverse, f->magic), f->magic); }

/* x w, within (1/2 + X p 2^-53) p. */
VEC_INLINE vd mul_mod(vd x, vd w, const field *f) {
    const vd h = vd_mul(x, w);
    const vd l = vd_fms(x, w, h);
    return vd_add(vd_fnma(quotient(h, f), f->p, h), l);
}

/* A factor w with w / p: the quotient no longer waits for the product. Its error is the same: the rounding
 * of w / p takes the place of that of h. */
typedef struct multiplier {
    vd w, quotient;
} multiplier;

VEC_INLINE multiplier multiplier_of(vd w, const field *f) {
    const multiplier r = { w, vd_mul(w, f->p_inverse) };
    return r;
}

VEC_INLINE vd mul_by(vd x, multiplier w, const field *f) {
    const vd c = vd_sub(vd_fma(x, w.quotient, f->magic), f->magic);
    const vd h = vd_mul(x, w.w);
    const vd l = vd_fms(x, w.w, h);
    return vd_add(vd_fnma(c, f->p, h), l);
}

/* x within p/2, or one rounding above; |x| < 2^53. */
VEC_INLINE vd normalise(vd x, const field *f) { return vd_fnma(quotient(x, f), f->p, x); }

VEC_INLINE vd from_words(vu x) {
    return vd_sub(vu_as_double(vu_or(x, vu_set(WORD_BITS))), vd_set(WORD_MAGIC));
}
VEC_INLINE vd load_words(const uint64_t *x) { return from_words(vu_load(x)); }

/* Canonical words of |x| < p. */
VEC_INLINE vu to_words(vd x, const field *f) {
    const vd positive = vd_add(x, vd_if_less(x, vd_set(0.0), f->p));
    return vu_xor(vd_bits(vd_add(positive, vd_set(WORD_MAGIC))), vu_set(WORD_BITS));
}

/* Canonical words of |x| < 2^53. */
VEC_INLINE vu to_words_lazy(vd x, const field *f) { return to_words(normalise(x, f), f); }

#endif
