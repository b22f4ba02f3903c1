/* Best polynomials: least largest weighted error over a union of intervals, by Remez's exchange, in long
 * double and in the Chebyshev basis.
 *
 * p of degree d is best on a compact set of more than d + 1 points if and only if w (f - p) takes its largest
 * size, with alternating signs, at d + 2 points of it; and whatever p is, where the error alternates at d + 2
 * points with sizes of at least L, no polynomial of that degree has an error below L [Che66, chapter 3]. Odd
 * and even polynomials have the same two properties on x > 0, with as many points as coefficients and one.
 * The exchange solves for p and L on d + 2 points, moves them to the extrema of the error, and stops when the
 * largest error is L but for a tolerance: both bounds are then known. */
#ifndef MZV_REMEZ_H
#define MZV_REMEZ_H
#include <stdint.h>
#include "mzv/status.h"
#ifdef __cplusplus
extern "C" {
#endif

#define MZV_REMEZ_MAX_DEGREE 511
#define MZV_REMEZ_MAX_INTERVALS 8

typedef struct mzv_interval {
    double a, b; /* a < b */
} mzv_interval;

typedef enum mzv_parity { MZV_PARITY_NONE, MZV_PARITY_ODD, MZV_PARITY_EVEN } mzv_parity;

typedef struct mzv_remez_spec {
    long double (*value)(void *user, long double x);  /* f, finite on the intervals */
    long double (*weight)(void *user, long double x); /* w > 0 there; NULL: 1 */
    void *user;
    const mzv_interval *on; /* on[0 .. n_on-1], ascending, one after the other with gaps between */
    uint32_t n_on;
    double a, b; /* the basis is T_k((2x - a - b) / (b - a)); holds the intervals */
    uint32_t degree;
    mzv_parity parity; /* not NONE: a = -b, the intervals lie in [0, b] and stand for their mirror images
                        * too, to which f is continued as an odd or even function */
    double tolerance;  /* (error - lower) / error when it may stop; 2^-40 to 1/2 */
} mzv_remez_spec;

typedef struct mzv_remez_facts {
    double error; /* largest w |f - p| with coefficients rounded to double, on 16 points for each point of the
                   * reference, refined at the extrema */
    double lower; /* no polynomial of the degree and parity has a smaller one */
    uint32_t n_points;     /* of the reference: coefficients and one */
    uint32_t n_iterations; /* references solved */
} mzv_remez_facts;

/* coeff[0..degree] = the best polynomial, zeros where parity says so. A polynomial that is f itself, to 2^-56
 * of the largest |w f|, is found as such, with `lower` 0. MZV_ERR_ARGUMENT names the member out of its range;
 * MZV_ERR_RANGE: f or w is not finite, or w not positive; MZV_ERR_PRECISION: long double does not carry the
 * error to the tolerance, or the grid does not see the alternation. */
mzv_status mzv_remez(double *coeff, mzv_remez_facts *facts, const mzv_remez_spec *spec) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
