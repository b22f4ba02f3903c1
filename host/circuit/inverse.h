/* 1/S on an interval [lo, hi], 0 < lo < hi, by the polynomial of degree D - 1 = 2^k - 1 whose relative error
 * is least.
 *
 * The residual 1 - S y(S) is a polynomial of degree D that is 1 at S = 0. The least on [lo, hi] is
 *     T_D(t) / T_D(t0),  t = (hi + lo - 2S) / (hi - lo) in [-1, 1],  t0 = (hi + lo) / (hi - lo) = cosh(eta),
 * with maximum 1 / cosh(D eta), eta = 2 atanh(sqrt(lo / hi)) [Saa03, theorem 6.25]. From
 *     T_2m(t0) - T_2m(t) = 2 (T_m(t0) - T_m(t)) (T_m(t0) + T_m(t))  and  t0 - t = 2S / (hi - lo)
 * it comes as a product, one squaring and one product for each doubling, at depth k:
 *     1/S ~ (2 / (hi - lo)) / T_D(t0) * prod_{i < k} 2 (T_{2^i}(t0) + T_{2^i}(t)).
 *
 * Sizes. The circuit works on u = g t and U_m = g^m T_m(t), from U_2m = 2 U_m^2 - g^2m, with factors
 * (U_m + g^m T_m(t0)) / 2 = U_{m/2}^2 + g^m sinh(m eta / 2)^2. The real g is chosen so that their product is
 * gain / S: no constant costs a level, and intermediate values stay of the order of 1 and gain / lo (T_m(t0)
 * exceeds 2 only once m passes about sqrt(hi / lo), when g^m, near 1 / T_m(t0), holds it down).
 *
 * Outside. 0 <= S <= lo: y falls from mzv_inverse_facts.below at S = 0 (every factor grows with t >= 1) and
 * stays under gain / S: residual in (0, 1]. hi < S <= hi + lo: 0 <= y <= 2 gain / S. S < 0 or S > hi + lo: no
 * use, T_D(t) explodes.
 *
 * Noise. To first order the relative error of y is at most, over i < k with m = 2^i,
 *     sum e_i / g^m (1 / (T_m(t0) - T_m(t)) + (D/m)^2 / (T_D(t0) - 1)) + sum r_i / R_i,
 * e_i an error of U_m (e_0 that of u), r_i one of the product of the first i + 1 factors, R_i that product.
 * Since T_m(t0) - 1 = 2 sinh(m eta / 2)^2 >= 2 m^2 lo / hi, an error e in each costs (2/3) (hi/lo) e at S =
 * lo where g^m ~ 1, of which u has (1/2) (hi/lo) e, as with any method: t has only that much left of S. R_i
 * falls to about lo / hi at S = hi: there the products cost about k (hi/lo) e, e to each in absolute terms.
 * mzv_inverse_refine squares the errors at the lower end away, with S at its own precision. */
#ifndef MZV_CIRCUIT_INVERSE_H
#define MZV_CIRCUIT_INVERSE_H
#include "circuit/circuit.h"
#ifdef __cplusplus
extern "C" {
#endif

#define MZV_INVERSE_MAX_DOUBLINGS 20

typedef struct mzv_inverse mzv_inverse;

typedef struct mzv_inverse_spec {
    double lo, hi; /* interval of S; hi / lo up to 2^20 */
    double target; /* largest |S y / gain - 1| on it, after the refinement where there is one */
    double gain;   /* y = gain / S; 2^-20 <= gain / lo <= 2^20. gain = lo keeps y in (0, 1] */
    bool refine; /* mzv_inverse_refine or mzv_inverse_divide will follow: residual^2 is to meet the target */
} mzv_inverse_spec;

typedef struct mzv_inverse_facts {
    uint32_t doublings;    /* k */
    uint32_t levels;       /* k, of mzv_inverse_run */
    uint32_t n_key_switch; /* 2 (k - 1), of mzv_inverse_run */
    double residual;       /* 1 / T_D(t0): largest |S y / gain - 1|, reached k + 1 .. D + 1 times */
    double below;          /* y at S = 0: (2 gain / (hi - lo)) D tanh(D eta) / sinh(eta) */
} mzv_inverse_facts;

/* MZV_ERR_ARGUMENT names the member out of its range; MZV_ERR_PRECISION: more than MZV_INVERSE_MAX_DOUBLINGS,
 * or a target below 2^-40 that doubles do not carry. */
mzv_status mzv_inverse_create(mzv_inverse **out, const mzv_inverse_spec *spec) MZV_MUST_CHECK;
void mzv_inverse_destroy(mzv_inverse *inverse); /* NULL is allowed */

const mzv_inverse_facts *mzv_inverse_about(const mzv_inverse *inverse);
mzv_affine mzv_inverse_affine(const mzv_inverse *inverse); /* u of S */
uint32_t mzv_inverse_levels(const mzv_inverse *inverse);
/* What mzv_inverse_run computes at S, without the noise of CKKS. */
long double mzv_inverse_value(const mzv_inverse *inverse, long double s);

/* Relinearisation, for u at `level`; `with_refine`: for the two levels of refine or divide as well. */
mzv_status mzv_inverse_request(const mzv_inverse *inverse, mzv_key_request *request, uint32_t level,
                               bool with_refine) MZV_MUST_CHECK;

/* out = y ~ gain / S from u, k levels below; from S itself, mzv_affine_run first, one level more. */
mzv_status mzv_inverse_run(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *u,
                           const mzv_inverse *inverse) MZV_MUST_CHECK;

/* out = y (2 - S y / gain), two levels below y: one Newton step, the residual squared. S lies above y's level
 * (at y's level where gain is 1). */
mzv_status mzv_inverse_refine(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *y, const mzv_cipher *s,
                              const mzv_inverse *inverse) MZV_MUST_CHECK;

/* out = (N y) (2 - S y / gain) ~ gain N / S, two levels below y: refinement and quotient in the levels of the
 * first. N lies at y's level or above. */
mzv_status mzv_inverse_divide(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *n, const mzv_cipher *y,
                              const mzv_cipher *s, const mzv_inverse *inverse) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
