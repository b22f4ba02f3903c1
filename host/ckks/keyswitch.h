/* Hybrid key switching [HK20] in its three steps, so that rotations share digits and sums share ModDown.
 * Inner functions: they take from the stream's scratch and leave it to the caller to release. */
#ifndef MZV_KEYSWITCH_H
#define MZV_KEYSWITCH_H
#include "ckks/context.h"
#ifdef __cplusplus
extern "C" {
#endif

/* q_0 .. q_level, and the same behind all special primes. */
static inline mzv_basis mzv_basis_q(uint32_t level) {
    const mzv_basis b = { 0, 0, (uint16_t)(level + 1) };
    return b;
}
static inline mzv_basis mzv_basis_qp(uint32_t n_special, uint32_t level) {
    const mzv_basis b = { (uint16_t)n_special, 0, (uint16_t)(level + 1) };
    return b;
}
/* The limbs q_0 .. q_level of a polynomial modulo Q P. */
static inline mzv_poly mzv_without_special(mzv_poly a, uint32_t log_n) {
    const mzv_poly q = {
        a.base + ((size_t)a.basis.n_p << log_n), a.stride, a.batch, { 0, a.basis.q_first, a.basis.n_q }
    };
    return q;
}
/* Digits at `level`, K limbs each, the last one maybe fewer. */
static inline uint32_t mzv_digits_at(uint32_t n_special, uint32_t level) {
    return (level + n_special) / n_special;
}

/* A polynomial of Q_l cut into digits, each lifted to Q_l P. */
typedef struct mzv_digits {
    uint32_t n;
    mzv_cpoly digit[MZV_MAX_DIGITS];
} mzv_digits;

/* Digit j of d, as a view: limbs q_{jK} .. q_{jK+K-1}, or as many as d has. */
mzv_cpoly mzv_digit_view(mzv_cpoly d, uint32_t j, uint32_t n_special, uint32_t log_n);

/* Step 1, ModUp: takes n digits modulo Q_l P. */
mzv_status mzv_keyswitch_mod_up(mzv_stream *s, mzv_digits *out, mzv_cpoly d,
                                uint32_t n_special) MZV_MUST_CHECK;
/* Step 2: acc[t] = sum_j digit_j . key_{j,t}, modulo Q_l P. The key may reach higher than the digits: its
 * rows for l are a prefix. */
mzv_status mzv_keyswitch_product(mzv_stream *s, mzv_poly acc[2], const mzv_digits *digits,
                                 const mzv_ksk *key) MZV_MUST_CHECK;
/* `key` cut to the basis of the digits, as step 2 and the backend's fold want it. */
void mzv_key_at(mzv_cpoly view[2 * MZV_MAX_DIGITS], const mzv_ksk *key, mzv_basis basis, uint32_t n_digits);
/* Step 3, ModDown: r[t] = acc[t] / P, or / (P q_l ..) where r has fewer limbs (ModDown and rescale merged).
 */
mzv_status mzv_keyswitch_mod_down(mzv_stream *s, mzv_poly r[2], const mzv_poly acc[2]) MZV_MUST_CHECK;
/* All steps in one: r[t] = sigma((sum_j digit_j . key_{j,t} + A[t]) / D), as mzv_poly_key_switch has it, the
 * digits those of d; r may be at a lower level than d, or modulo Q_l P. `with`: digits, add and galois; key
 * and n_digits are set here. */
mzv_status mzv_keyswitch(mzv_stream *s, mzv_poly r[2], mzv_cpoly d, const mzv_ksk *key,
                         mzv_switch with) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
