/* Chebyshev series on an interval: interpolation, evaluation, and the measured error of both.
 * A series on [a, b] is sum_k coeff[k] T_k(t), t = (2x - a - b) / (b - a) in [-1, 1]. */
#ifndef MZV_CHEBYSHEV_H
#define MZV_CHEBYSHEV_H
#include <stdint.h>
#include "mzv/status.h"
#ifdef __cplusplus
extern "C" {
#endif

#define MZV_CHEBYSHEV_MAX_DEGREE 1023

/* A real function on an interval a < b, evaluated in long double. */
typedef struct mzv_function {
    long double (*value)(void *user, long double x);
    void *user;
    double a, b;
} mzv_function;

/* coeff[0..degree]: the polynomial that interpolates f at the degree + 1 zeros of T_{degree+1} (within a
 * factor 2 + (2/pi) log(degree + 1) of the best polynomial of that degree [Tre13, theorems 15.2 and 16.1]).
 * Computed in long double, rounded to double; a coefficient below 2^-58 of the largest is set to 0, so that
 * odd and even functions give odd and even series. *max_error (NULL is allowed): see mzv_chebyshev_error.
 * MZV_ERR_ARGUMENT: degree above MZV_CHEBYSHEV_MAX_DEGREE, an interval not a < b; MZV_ERR_RANGE: f is not
 * finite. */
mzv_status mzv_chebyshev_fit(double *coeff, uint32_t degree, const mzv_function *f,
                             double *max_error) MZV_MUST_CHECK;

/* The smallest degree found whose fit has a measured error of at most `target`: the first 2^k - 1 that has
 * it, then bisection down to 2^(k-1). MZV_ERR_PRECISION names the best error when `max_degree` does not reach
 * it. */
mzv_status mzv_chebyshev_degree(uint32_t *degree, const mzv_function *f, double target,
                                uint32_t max_degree) MZV_MUST_CHECK;

/* max |f - series| over both ends and 24 (degree + 1) points, Chebyshev-spaced, which lie between and on the
 * nodes. The error of interpolation has its extrema about halfway between nodes; at 24 points for each node
 * the grid misses at most 1 - cos(pi/48) = 0.3 % of one. */
double mzv_chebyshev_error(const double *coeff, uint32_t degree, const mzv_function *f);

/* sum_k coeff[k] T_k(t) by Clenshaw's recurrence [Cle55]. Any t. */
long double mzv_chebyshev_value(const double *coeff, uint32_t degree, long double t);

/* Point i of the n of a grid that covers [-1, 1] with both ends: -cos(pi i / (n - 1)), n >= 2. */
long double mzv_chebyshev_point(uint32_t i, uint32_t n);

/* x in [a, b] for t in [-1, 1]; exact at the ends. */
long double mzv_chebyshev_map(const mzv_function *f, long double t);

#ifdef __cplusplus
}
#endif
#endif
