/* The sign of x by composed odd polynomials, p_k( .. p_2(p_1(x))), for comparisons.
 *
 * Known where gap <= |x| <= bound: there |result - sgn(x)| <= error. Two recipes.
 *
 * MZV_SIGN_MINIMAX [LLNK22]: every part is the odd polynomial of its degree that is nearest to the sign on
 * what the part before it leaves, [-1 - E, -1 + E] and [1 - E, 1 + E] (the first: gap to bound). Degrees are
 * those of fewest levels, then of fewest key switches, of all sequences up to degree MZV_SIGN_MAX_DEGREE. The
 * (d - 1) / 2 zeros of a part's derivative at x > 0 all lie above its gap e, one at each inner point where
 * its error alternates, so that it grows on [0, e], from 0 to 1 - E: from 0 to the gap the result grows with
 * x until it is within the error, and stays so.
 *
 * MZV_SIGN_NEXUS [ZYH+25]: f o .. o f o g o .. o g with the polynomials f_4 and g_4 of degree 9 of [CKK20],
 * which map [-1, 1] into itself. NEXUS names two of each, for which facts.error on the gap asked for says
 * what they do; where that misses the target, parts are added, of g or of f, in the fewest number that meets
 * it.
 *
 * Noise. The spec's `noise` widens the interval of every minimax part, so that an error of that size on the
 * way leaves the bounds as stated. Near 0 the slope is that of the composition, 1/gap and more: what noise
 * does to the result inside the gap is no larger than the bounds, but may be all of them. */
#ifndef MZV_CIRCUIT_SIGN_H
#define MZV_CIRCUIT_SIGN_H
#include "circuit/polynomial.h"
#ifdef __cplusplus
extern "C" {
#endif

#define MZV_SIGN_MAX_PARTS 16
#define MZV_SIGN_MAX_DEGREE 31

typedef struct mzv_sign mzv_sign;

typedef enum mzv_sign_recipe { MZV_SIGN_MINIMAX, MZV_SIGN_NEXUS } mzv_sign_recipe;

typedef struct mzv_sign_spec {
    double gap, bound;  /* |x| in [gap, bound]; 2^-24 <= gap / bound < 1 */
    double target;      /* largest |p - sgn(x)| there, before gain; 2^-40 <= target < 1 */
    double gain, shift; /* computes gain sgn(x) + shift, for nothing: 1, 0 the sign; 1/2, 1/2 a step */
    double noise;       /* of values on the way, where 1 is the sign's; 0 where there is none; at most 2^-8 */
    mzv_sign_recipe recipe;
} mzv_sign_spec;

typedef struct mzv_sign_facts {
    uint32_t n_parts;
    uint32_t degree[MZV_SIGN_MAX_PARTS];
    uint32_t levels;       /* from u: the sum of ceil(log2(degree + 1)) */
    uint32_t n_key_switch; /* all relinearisations */
    uint32_t n_products;
    double error;  /* largest |p - sgn(x)|, gap <= |x| <= bound: part by part, each measured on what the one
                    * before it gives, with coefficients rounded to double */
    double inside; /* largest |p|, |x| <= gap, measured in the same way; at most 1 + error */
} mzv_sign_facts;

/* MZV_ERR_ARGUMENT names the member out of its range; MZV_ERR_PRECISION: more than MZV_SIGN_MAX_PARTS, or
 * more than double coefficients or the noise allow. Takes some milliseconds to some hundreds (gap 2^-16). */
mzv_status mzv_sign_create(mzv_sign **out, const mzv_sign_spec *spec) MZV_MUST_CHECK;
void mzv_sign_destroy(mzv_sign *sign); /* NULL is allowed */

const mzv_sign_facts *mzv_sign_about(const mzv_sign *sign);
mzv_affine mzv_sign_affine(const mzv_sign *sign); /* u of x; its shift is 0 */
uint32_t mzv_sign_levels(const mzv_sign *sign);
/* What the circuit computes at x, gain and shift included, without the noise of CKKS. */
long double mzv_sign_value(const mzv_sign *sign, long double x);

/* Relinearisation for u at `level` and, where the evaluator refreshes, for the level that this gives: pass
 * the higher of both. */
mzv_status mzv_sign_request(const mzv_sign *sign, mzv_key_request *request, uint32_t level) MZV_MUST_CHECK;

/* The level at which mzv_sign_run_above ends with u at `level`; MZV_ERR_LEVEL where it fails. refresh: the
 * evaluator's, or NULL. */
mzv_status mzv_sign_end(uint32_t *end, const mzv_sign *sign, uint32_t level, uint32_t floor,
                        const mzv_refresh *refresh) MZV_MUST_CHECK;

/* out = gain sgn(x) + shift from u, mzv_sign_levels below; from x itself, mzv_affine_run first, one level
 * more. Where levels do not suffice and the evaluator refreshes, it does so before the parts that need it, as
 * late as it can. */
mzv_status mzv_sign_run(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *u,
                        const mzv_sign *sign) MZV_MUST_CHECK;

/* The same, ending at level `floor` or above. */
mzv_status mzv_sign_run_above(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *u, const mzv_sign *sign,
                              uint32_t floor) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
