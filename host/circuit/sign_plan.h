/* Which polynomials a composed sign consists of; sign.h evaluates them. */
#ifndef MZV_CIRCUIT_SIGN_PLAN_H
#define MZV_CIRCUIT_SIGN_PLAN_H
#include "circuit/sign.h"
#ifdef __cplusplus
extern "C" {
#endif

/* Part i maps t in [-1, 1] to the next part's t; the last one to the sign. Odd, in the Chebyshev basis. */
typedef struct mzv_sign_part {
    uint32_t degree;
    double coeff[MZV_SIGN_MAX_DEGREE + 1];
} mzv_sign_part;

/* t of the first part is x / reach. */
typedef struct mzv_sign_plan {
    double reach;
    uint32_t n_parts;
    mzv_sign_part part[MZV_SIGN_MAX_PARTS];
} mzv_sign_plan;

/* The parts for a spec that was checked: its gap, bound, target, noise and recipe. MZV_ERR_PRECISION where no
 * sequence of parts reaches the target. */
mzv_status mzv_sign_plan_make(mzv_sign_plan *plan, const mzv_sign_spec *spec) MZV_MUST_CHECK;

/* The values that the plan's parts take, one after the other, for t of the first in [a, b], 0 <= a <= b: the
 * image of an interval is the interval between its extrema, each found on 256 points for each degree. */
void mzv_sign_plan_image(long double *low, long double *high, const mzv_sign_plan *plan, long double a,
                         long double b);

#ifdef __cplusplus
}
#endif
#endif
