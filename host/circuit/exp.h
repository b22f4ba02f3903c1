/* exp on an interval [a, b], a far below 0: (p(t))^(2^r), p ~ exp(x / 2^r) in the Chebyshev basis.
 *
 * t = scale x + shift in [-1, 1]. With a uniform error e of p, the result is off by about 2^r e exp(x (1 -
 * 2^-r)): more squarings make small values relatively better, at one level each, and p shorter. Below a the
 * result stays bounded by (max |p|)^(2^r) only where |p| is; p grows like T_degree outside [-1, 1]. */
#ifndef MZV_CIRCUIT_EXP_H
#define MZV_CIRCUIT_EXP_H
#include "circuit/polynomial.h"
#ifdef __cplusplus
extern "C" {
#endif

#define MZV_EXP_AUTO UINT32_MAX
#define MZV_EXP_MAX_SQUARINGS 12

typedef struct mzv_exp mzv_exp;

typedef struct mzv_exp_spec {
    double a, b;     /* interval of x */
    double floor;    /* the error at x is measured against max(exp(x), exp(floor)); b: against the top only */
    double target;   /* largest error so measured */
    double log_gain; /* computes exp(x + log_gain), for nothing; 0 for exp(x) */
    uint32_t squarings; /* r, or MZV_EXP_AUTO: fewest levels, then fewest key switches */
} mzv_exp_spec;

typedef struct mzv_exp_facts {
    uint32_t squarings, degree;
    uint32_t levels; /* from t: ceil(log2(degree + 1)) + r */
    uint32_t n_key_switch;
    double error; /* measured on a grid, as in spec, coefficients rounded to double */
} mzv_exp_facts;

/* MZV_ERR_ARGUMENT: not a < b, floor outside [a, b], values beyond the range of double, a target not in (0,
 * 1); MZV_ERR_PRECISION: the target needs more than degree MZV_POLYNOMIAL_MAX_DEGREE or more than double
 * coefficients. */
mzv_status mzv_exp_create(mzv_exp **out, const mzv_exp_spec *spec) MZV_MUST_CHECK;
void mzv_exp_destroy(mzv_exp *e); /* NULL is allowed */

const mzv_exp_facts *mzv_exp_about(const mzv_exp *e);
mzv_affine mzv_exp_affine(const mzv_exp *e); /* t of x */
uint32_t mzv_exp_levels(const mzv_exp *e);
/* What the circuit computes at x, without the noise of CKKS. */
long double mzv_exp_value(const mzv_exp *e, long double x);

/* Keys for t at `level`. */
mzv_status mzv_exp_request(const mzv_exp *e, mzv_key_request *request, uint32_t level) MZV_MUST_CHECK;
/* out = exp(x) from t; from x itself, mzv_affine_run first, one level more. */
mzv_status mzv_exp_run(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *t,
                       const mzv_exp *e) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
