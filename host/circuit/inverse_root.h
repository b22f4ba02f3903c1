/* x^-1/2 on an interval [lo, hi], 0 < lo < hi, to a relative error: a polynomial, then cubic steps.
 *
 * With d(x) = sqrt(x) y(x) / gain, the relative error is |d - 1|.
 *
 * Polynomial. p of degree n interpolates x^-1/2 at the n + 1 points where the phase of a weighted Chebyshev
 * polynomial crosses (k + 1/2) pi (inverse_root.c); d - 1 then alternates n + 1 times with nearly equal
 * sizes, at most about a fifth above the least possible. The error falls like exp(-2 n sqrt(lo / hi)): a
 * doubled degree, for one level, squares it.
 *
 * Steps. From |d - 1| <= e a step takes d to alpha d - beta d^3, in two levels. Newton's has alpha = 3/2,
 * beta = 1/2 and leaves 3/2 e^2, all on one side; here alpha and beta make the largest deviation least, about
 * 3/4 e^2 for small e, and for e near 1 they still multiply the lower end by 2.6 where Newton has 1.5. A step
 * takes one level more than a polynomial of double degree, but only three key switches; the plan with the
 * fewest levels, then the fewest key switches, is chosen. Where a product N y follows, mzv_inverse_root_apply
 * makes the last step and the product together in the two levels of the step.
 *
 * Constants cost no level: with w = c y the step is w' = w - (X w) w^2, X = beta / (alpha c^2) x, c' = c /
 * alpha.
 *
 * MZV_INVERSE_ROOT_NEXUS is the method of [QX23, ZYH+25]: a line as first guess, Newton's steps, then
 * Goldschmidt's. NEXUS runs 4 and 2 of them, whatever the interval; here the two Goldschmidt steps stay and
 * the number of Newton's is the least that meets the target on the whole interval. Two levels each, and one.
 *
 * Outside. d is q(sqrt x), q an odd polynomial whose critical points all lie between the first and the last
 * zero of d - 1: for 0 <= x <= lo, y is positive, falls from facts.below at x = 0, and stays under gain /
 * sqrt(x). x < 0 or x > hi: no use, p grows like T_degree.
 *
 * Noise. t is x less a constant, so an error e of t is one of e (hi / lo) / 4 of y, relative, at x = lo.
 *
 * Refreshing. Where levels do not suffice and the evaluator refreshes, t is refreshed once where that carries
 * all the rest, else before the polynomial, and w before steps; each is left at the refresh's in_level or
 * above as long as it may be refreshed again. Their values are at most facts.largest. */
#ifndef MZV_CIRCUIT_INVERSE_ROOT_H
#define MZV_CIRCUIT_INVERSE_ROOT_H
#include "circuit/polynomial.h"
#ifdef __cplusplus
extern "C" {
#endif

#define MZV_INVERSE_ROOT_AUTO UINT32_MAX
#define MZV_INVERSE_ROOT_MAX_STEPS 20

typedef struct mzv_inverse_root mzv_inverse_root;

typedef enum mzv_inverse_root_recipe {
    MZV_INVERSE_ROOT_BEST,
    MZV_INVERSE_ROOT_NEXUS
} mzv_inverse_root_recipe;

typedef struct mzv_inverse_root_spec {
    double lo, hi;  /* interval of x; hi / lo up to 2^20 */
    double target;  /* largest |sqrt(x) y / gain - 1| on it */
    double gain;    /* y = gain x^-1/2; positive. gain = sqrt(lo) keeps y in (0, 1] */
    uint32_t steps; /* cubic ones, or MZV_INVERSE_ROOT_AUTO; Newton's with the NEXUS recipe */
    bool apply;     /* mzv_inverse_root_apply will follow: choose for its levels */
    mzv_inverse_root_recipe recipe;
} mzv_inverse_root_spec;

typedef struct mzv_inverse_root_facts {
    uint32_t degree;               /* of the polynomial */
    uint32_t steps;                /* cubic or Newton's */
    uint32_t goldschmidt;          /* steps of that kind after them; 0 but with the NEXUS recipe */
    uint32_t levels, n_key_switch; /* of mzv_inverse_root_run */
    uint32_t apply_levels, apply_n_key_switch; /* of mzv_inverse_root_apply */
    uint32_t apply_needs; /* level of n: 1, 2 with Goldschmidt's steps, 3 merged with a cubic step */
    double error;         /* largest |sqrt(x) y / gain - 1|, measured on a grid */
    double below;         /* y at x = 0 */
    double largest;       /* bound of every value that may be refreshed, for x in [0, hi] */
} mzv_inverse_root_facts;

/* MZV_ERR_ARGUMENT names the member out of its range; MZV_ERR_PRECISION: the target needs more than degree
 * MZV_POLYNOMIAL_MAX_DEGREE with the steps allowed, or is below 2^-40. */
mzv_status mzv_inverse_root_create(mzv_inverse_root **out, const mzv_inverse_root_spec *spec) MZV_MUST_CHECK;
void mzv_inverse_root_destroy(mzv_inverse_root *root); /* NULL is allowed */

const mzv_inverse_root_facts *mzv_inverse_root_about(const mzv_inverse_root *root);
mzv_affine mzv_inverse_root_affine(const mzv_inverse_root *root); /* t of x, in [-1, 1] */
uint32_t mzv_inverse_root_levels(const mzv_inverse_root *root);
/* What mzv_inverse_root_run computes at x, without the noise of CKKS. */
long double mzv_inverse_root_value(const mzv_inverse_root *root, long double x);

/* Relinearisation, for run and apply with t at `level`; where the evaluator refreshes, at the higher of that
 * and the level that refreshing gives. */
mzv_status mzv_inverse_root_request(const mzv_inverse_root *root, mzv_key_request *request,
                                    uint32_t level) MZV_MUST_CHECK;

/* out = y ~ gain x^-1/2 from t, facts.levels below unless refreshed; from x itself, mzv_affine_run first. */
mzv_status mzv_inverse_root_run(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *t,
                                const mzv_inverse_root *root) MZV_MUST_CHECK;

/* out = n y ~ gain n x^-1/2, facts.apply_levels below t unless refreshed or n is lower: n is at level
 * facts.apply_needs or above. */
mzv_status mzv_inverse_root_apply(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *n,
                                  const mzv_cipher *t, const mzv_inverse_root *root) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
