/* Arithmetic modulo one word-sized number: Barrett with a 128-bit product, and Shoup's multiplication
 * by a constant. Moduli are odd, 3 <= p < 2^61; residues are canonical, in [0, p), unless a name says
 * lazy. No division by a 128-bit value outside mzv_modulus_make. */
#ifndef MZV_MODARITH_H
#define MZV_MODARITH_H
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

#define MZV_MAX_PRIME_BITS 61

__extension__ typedef unsigned __int128 mzv_u128;
__extension__ typedef __int128 mzv_i128;

/* p of k bits with mu = floor(2^(k+63) / p), 2^63 < mu < 2^64, and shift = k - 1. */
typedef struct mzv_modulus {
    uint64_t p;
    uint64_t mu;
    uint32_t shift;
} mzv_modulus;

/* A constant factor and its quotient floor(w 2^64 / p). */
typedef struct mzv_factor {
    uint64_t w, quotient;
} mzv_factor;

static inline uint32_t mzv_bit_length(uint64_t x) { return x == 0 ? 0 : 64 - (uint32_t)__builtin_clzll(x); }

static inline mzv_modulus mzv_modulus_make(uint64_t p) {
    const uint32_t k = mzv_bit_length(p);
    const mzv_modulus m = { p, (uint64_t)(((mzv_u128)1 << (k + 63)) / p), k - 1 };
    return m;
}

static inline uint64_t mzv_mod_add(uint64_t a, uint64_t b, uint64_t p) {
    const uint64_t sum = a + b;
    return sum >= p ? sum - p : sum;
}

static inline uint64_t mzv_mod_sub(uint64_t a, uint64_t b, uint64_t p) { return a >= b ? a - b : a + p - b; }

static inline uint64_t mzv_mod_neg(uint64_t a, uint64_t p) { return a == 0 ? 0 : p - a; }

/* floor(x / p) less at most 2, for x < 2^(k+63). With x1 = floor(x / 2^(k-1)) < 2^64 the estimate
 * floor(x1 mu / 2^64) loses below 1 for each of the three floors. */
static inline uint64_t mzv_mod_quotient(mzv_u128 x, mzv_modulus m) {
    const uint64_t x1 = (uint64_t)(x >> m.shift);
    return (uint64_t)(((mzv_u128)x1 * m.mu) >> 64);
}

/* x mod p for x < 2^(k+63), k the bits of p: a sum of up to 2^(63-b) products of a residue mod p with
 * a number below 2^b. */
static inline uint64_t mzv_mod_reduce(mzv_u128 x, mzv_modulus m) {
    uint64_t r = (uint64_t)x - mzv_mod_quotient(x, m) * m.p; /* < 3p < 2^63 */
    if (r >= 2 * m.p) r -= 2 * m.p;
    return r >= m.p ? r - m.p : r;
}

static inline uint64_t mzv_mod_mul(uint64_t a, uint64_t b, mzv_modulus m) {
    return mzv_mod_reduce((mzv_u128)a * b, m);
}

/* x mod p for |x| < 2^63. */
static inline uint64_t mzv_mod_signed(int64_t x, mzv_modulus m) {
    const uint64_t r = mzv_mod_reduce(x < 0 ? 0 - (uint64_t)x : (uint64_t)x, m);
    return x < 0 ? mzv_mod_neg(r, m.p) : r;
}

static inline uint64_t mzv_mod_pow(uint64_t base, uint64_t exponent, mzv_modulus m) {
    uint64_t result = 1;
    for (; exponent != 0; exponent >>= 1) {
        if (exponent & 1) result = mzv_mod_mul(result, base, m);
        base = mzv_mod_mul(base, base, m);
    }
    return result;
}

/* a^-1 mod p for prime p and a not divisible by it (Fermat). */
static inline uint64_t mzv_mod_inverse(uint64_t a, mzv_modulus m) { return mzv_mod_pow(a, m.p - 2, m); }

/* The factor w: floor(w 2^64 / p) from the Barrett quotient of w 2^63, whose bound it meets. */
static inline mzv_factor mzv_factor_make(uint64_t w, mzv_modulus m) {
    const mzv_u128 x = (mzv_u128)w << 63; /* < 2^(k+63) */
    uint64_t quotient = mzv_mod_quotient(x, m);
    uint64_t r = (uint64_t)x - quotient * m.p;
    while (r >= m.p) {
        r -= m.p;
        quotient++;
    }
    const mzv_factor f = { w, 2 * quotient + (2 * r >= m.p) };
    return f;
}

/* a w mod p, in [0, 2p), for any word a. [Har14, Alg. 2 without its correction] */
static inline uint64_t mzv_mod_mul_lazy(uint64_t a, mzv_factor f, uint64_t p) {
    const uint64_t quotient = (uint64_t)(((mzv_u128)a * f.quotient) >> 64);
    return a * f.w - quotient * p;
}

static inline uint64_t mzv_mod_mul_factor(uint64_t a, mzv_factor f, uint64_t p) {
    const uint64_t r = mzv_mod_mul_lazy(a, f, p);
    return r >= p ? r - p : r;
}

#ifdef __cplusplus
}
#endif
#endif
