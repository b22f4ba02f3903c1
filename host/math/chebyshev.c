/* Chebyshev interpolation at the zeros of T_n, in long double, by the discrete cosine sum itself: n is at
 * most 1024, plans are made once. [Tre13, chapters 3 and 15] */
#include "math/chebyshev.h"

#include <math.h>
#include <stdbool.h>

#include "base/arena.h"
#include "base/try.h"

#define PI_L 3.14159265358979323846264338327950288L
#define POINTS_PER_NODE 24u

long double mzv_chebyshev_point(uint32_t i, uint32_t n) {
    if (i == 0) return -1.0L;
    if (i + 1 == n) return 1.0L;
    return -cosl(PI_L * (long double)i / (long double)(n - 1));
}

long double mzv_chebyshev_map(const mzv_function *f, long double t) {
    return 0.5L * ((1.0L - t) * (long double)f->a + (1.0L + t) * (long double)f->b);
}

long double mzv_chebyshev_value(const double *coeff, uint32_t degree, long double t) {
    long double b1 = 0, b2 = 0;
    for (uint32_t k = degree; k > 0; k--) {
        const long double b0 = (long double)coeff[k] + 2 * t * b1 - b2;
        b2 = b1;
        b1 = b0;
    }
    return (long double)coeff[0] + t * b1 - b2;
}

double mzv_chebyshev_error(const double *coeff, uint32_t degree, const mzv_function *f) {
    const uint32_t n = POINTS_PER_NODE * (degree + 1) + 1;
    long double worst = 0;
    for (uint32_t i = 0; i < n; i++) {
        const long double t = mzv_chebyshev_point(i, n);
        const long double error =
            fabsl(mzv_chebyshev_value(coeff, degree, t) - f->value(f->user, mzv_chebyshev_map(f, t)));
        if (!(error <= worst)) worst = error; /* a NaN stays */
    }
    return (double)worst;
}

/* Values of f at the n zeros of T_n, cos(pi (i + 1/2) / n). */
static mzv_status sample(long double *value, uint32_t n, const mzv_function *f) {
    for (uint32_t i = 0; i < n; i++) {
        const long double x = mzv_chebyshev_map(f, cosl(PI_L * ((long double)i + 0.5L) / (long double)n));
        value[i] = f->value(f->user, x);
        if (!isfinite(value[i]))
            return mzv_fail(MZV_ERR_RANGE, "chebyshev: the function is not finite at %.6Lg", x);
    }
    return MZV_OK;
}

/* c_k = (2 - [k = 0])/n sum_i value_i cos(pi k (2i + 1) / 2n); cosine[j] = cos(pi j / 2n), j < 4n. */
static void transform(double *coeff, const long double *value, const long double *cosine, uint32_t n) {
    long double largest = 0;
    for (uint32_t k = 0; k < n; k++) {
        long double sum = 0;
        for (uint32_t i = 0; i < n; i++) sum += value[i] * cosine[(k * (2 * i + 1)) % (4 * n)];
        sum *= (k == 0 ? 1.0L : 2.0L) / (long double)n;
        coeff[k] = (double)sum;
        largest = fmaxl(largest, fabsl(sum));
    }
    for (uint32_t k = 0; k < n; k++)
        if (fabsl((long double)coeff[k]) < ldexpl(largest, -58)) coeff[k] = 0;
}

static mzv_status check(const mzv_function *f, uint32_t degree) {
    if (degree > MZV_CHEBYSHEV_MAX_DEGREE)
        return mzv_fail(MZV_ERR_ARGUMENT, "chebyshev: degree %u, at most %u", degree,
                        MZV_CHEBYSHEV_MAX_DEGREE);
    if (!(isfinite(f->a) && isfinite(f->b) && f->a < f->b))
        return mzv_fail(MZV_ERR_ARGUMENT, "chebyshev: interval [%g, %g] needs finite ends, a < b", f->a,
                        f->b);
    return MZV_OK;
}

mzv_status mzv_chebyshev_fit(double *coeff, uint32_t degree, const mzv_function *f, double *max_error) {
    MZV_TRY(check(f, degree));
    const uint32_t n = degree + 1;
    long double *work = NULL;
    MZV_TRY(MZV_NEW(&work, 5 * (size_t)n, "chebyshev: samples"));
    for (uint32_t j = 0; j < 4 * n; j++) work[n + j] = cosl(PI_L * (long double)j / (long double)(2 * n));
    const mzv_status status = sample(work, n, f);
    if (status == MZV_OK) {
        transform(coeff, work, work + n, n);
        if (max_error) *max_error = mzv_chebyshev_error(coeff, degree, f);
    }
    mzv_free(work);
    return status;
}

/* Smallest degree in (low, high] that reaches `target`, high being known to. */
static mzv_status bisect(uint32_t *degree, double *coeff, const mzv_function *f, double target,
                         uint32_t low) {
    uint32_t high = *degree;
    while (high - low > 1) {
        const uint32_t middle = low + (high - low) / 2;
        double error = 0;
        MZV_TRY(mzv_chebyshev_fit(coeff, middle, f, &error));
        if (error <= target)
            high = middle;
        else
            low = middle;
    }
    *degree = high;
    return MZV_OK;
}

static mzv_status search(uint32_t *degree, double *coeff, const mzv_function *f, double target,
                         uint32_t max) {
    double error = 0, best = INFINITY;
    uint32_t tried = 0;
    for (uint32_t d = 1; tried < max; d = 2 * d + 1) {
        const uint32_t low = tried;
        tried = d < max ? d : max;
        MZV_TRY(mzv_chebyshev_fit(coeff, tried, f, &error));
        if (error < best) best = error;
        if (error <= target) {
            *degree = tried;
            return bisect(degree, coeff, f, target, low);
        }
    }
    return mzv_fail(MZV_ERR_PRECISION,
                    "chebyshev: error %.3g at degree %u on [%g, %g], need %.3g: narrow the interval", best,
                    max, f->a, f->b, target);
}

mzv_status mzv_chebyshev_degree(uint32_t *degree, const mzv_function *f, double target, uint32_t max_degree) {
    MZV_TRY(check(f, max_degree));
    if (!(target > 0) || max_degree == 0)
        return mzv_fail(MZV_ERR_ARGUMENT, "chebyshev: target %g and degree %u must be positive", target,
                        max_degree);
    double *coeff = NULL;
    uint32_t found = 0;
    MZV_TRY(MZV_NEW(&coeff, (size_t)max_degree + 1, "chebyshev: coefficients"));
    const mzv_status status = search(&found, coeff, f, target, max_degree);
    mzv_free(coeff);
    if (status == MZV_OK) *degree = found;
    return status;
}
