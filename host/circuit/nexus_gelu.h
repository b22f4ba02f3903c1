/* GELU in four pieces selected by signs, as NEXUS computes it [ZYH+25], right on the whole interval [-B, B].
 *
 * The recipe: 0 below -c, a polynomial P up to -1.95, a polynomial Q up to c, x above; each times the
 * difference of two signs. As published (c of 4 and 3, degrees 3 and 6) and as coded it is not within 1e-3
 * anywhere near: the best Q of degree 6 on [-1.95, 3] is 7.5e-3 off, x - GELU(x) is 4e-3 at 3, and outside
 * the pieces P and Q grow like x^3 and x^6, which no sign's error holds down. Here instead
 *
 * - the argument is clamped first: z = x - s_c (x - c) - (1 - s_-c) (x + c), s_b = (1 + sgn(x - b)) / 2, so
 * that pieces are evaluated on [-W, W], W little above c, alone;
 *
 * - GELU(x) = P(z) + s_-1.95 (Q - P)(z) + s_c (x - c). About c the clamp and the last term cancel, since Q
 * has slope 1 there, about -c P has slope 0, and both pieces hold on both sides of -1.95: so signs may be
 * anything between 0 and 1 within a gap of about 1/2 of their point, and need few parts;
 *
 * - c and the degrees are the least that the target asks for, and the error is measured on the whole
 * interval.
 *
 * The polynomial of circuit/activation.h does the same at a fraction of the levels; this is here to compare.
 */
#ifndef MZV_CIRCUIT_NEXUS_GELU_H
#define MZV_CIRCUIT_NEXUS_GELU_H
#include "circuit/sign.h"
#ifdef __cplusplus
extern "C" {
#endif

typedef struct mzv_nexus_gelu mzv_nexus_gelu;

typedef struct mzv_nexus_gelu_spec {
    double bound;         /* B: |x| is at most that; 8 to 2^10 */
    double target;        /* largest |y - GELU(x)|; 2^-20 to 1/8 */
    double noise;         /* of the sign's values on the way, see sign.h */
    mzv_sign_recipe sign; /* MZV_SIGN_NEXUS, or MZV_SIGN_MINIMAX with its fewer levels */
} mzv_nexus_gelu_spec;

typedef struct mzv_nexus_gelu_facts {
    double clamp; /* c */
    double gap;   /* of the signs, in units of x: 1/2 or, where that misses the target, less */
    uint32_t degree_p, degree_q;
    mzv_sign_facts sign;   /* of each of three */
    uint32_t levels;       /* from v, without refreshing */
    uint32_t n_key_switch; /* without refreshing */
    double error;          /* measured on a grid, coefficients rounded to double */
} mzv_nexus_gelu_facts;

/* MZV_ERR_ARGUMENT names the member out of its range; MZV_ERR_PRECISION: the signs or the degrees do not
 * reach the target. */
mzv_status mzv_nexus_gelu_create(mzv_nexus_gelu **out, const mzv_nexus_gelu_spec *spec) MZV_MUST_CHECK;
void mzv_nexus_gelu_destroy(mzv_nexus_gelu *gelu); /* NULL is allowed */

const mzv_nexus_gelu_facts *mzv_nexus_gelu_about(const mzv_nexus_gelu *gelu);
mzv_affine mzv_nexus_gelu_affine(const mzv_nexus_gelu *gelu); /* v of x, |v| < 1; its shift is 0 */
uint32_t mzv_nexus_gelu_levels(const mzv_nexus_gelu *gelu);
/* What the circuit computes at x, without the noise of CKKS. */
long double mzv_nexus_gelu_value(const mzv_nexus_gelu *gelu, long double x);

/* Relinearisation for v at `level` or, where the evaluator refreshes, at the level which that gives: pass the
 * higher of both. */
mzv_status mzv_nexus_gelu_request(const mzv_nexus_gelu *gelu, mzv_key_request *request,
                                  uint32_t level) MZV_MUST_CHECK;

/* out = GELU(x) from v, facts.levels below. Where levels do not suffice and the evaluator refreshes, it does
 * so for v, within the signs and for z / W, all about 1 in size at most; refreshing must give one level more
 * than the deeper piece has, and the result then ends at level 0 or above. */
mzv_status mzv_nexus_gelu_run(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *v,
                              const mzv_nexus_gelu *gelu) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
