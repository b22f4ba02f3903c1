/* Divisions by the sum of a group: y or y^2 times 1/S, of as little accuracy as a later division allows. */
#include <math.h>

#include "base/try.h"
#include "circuit/softmax_inside.h"
#include "math/chebyshev.h"

/* ---- the optimal 1/S, its numerator as one more factor ----
 *
 * inverse.h gives 1/S on [lo, hi] as a product of k = log2(D) factors T_{2^i}(t0) + T_{2^i}(t), from
 * t = (hi + lo - 2S) / (hi - lo). With u = g t = shift - slope S, slope = 2g / (hi - lo), shift = g t0,
 *     F = (u + g t0) prod_{1 <= i < k} (U_{2^i} + g^{2^i} T_{2^i}(t0)) / 2 = gain (1 - residual) / S,
 *     gain = cosh(D eta) g^{D-1} (hi - lo) / D^2:
 * the first factor has no constant in front, so y F takes k levels from u and y.
 *
 * Either g is chosen for the gain wanted, or, on [c a, c b] with the slope fixed, g = slope c (b - a) / 2 and
 *     c^D = gain D^2 / (cosh(D eta) (slope (b - a) / 2)^{D-1} (b - a)).
 * A boosted y^2 takes that much off the gain where S is the sum of plain squares. */

static long double eta_of(long double lo, long double hi) { return 2 * atanhl(sqrtl(lo / hi)); }

long double mzv_division_residual(long double lo, long double hi, uint32_t k) {
    return 1 / coshl(ldexpl(eta_of(lo, hi), (int)k));
}

static void set_factors(mzv_division *d, long double g, long double eta) {
    long double power = g;
    d->first = (double)(g * coshl(eta));
    for (uint32_t i = 0; i < d->doublings; i++, power *= power) {
        const long double half_sinh = sinhl(ldexpl(eta, (int)i - 1));
        d->power[i] = (double)power;
        d->factor[i] = (double)(power * half_sinh * half_sinh);
    }
    d->map.shift = d->first;
}

void mzv_division_product(mzv_division *d, double a, double b, uint32_t slope, double c) {
    const long double eta = eta_of(a, b), size = ldexpl(1, (int)d->doublings), width = (long double)b - a;
    const long double gain = (long double)d->gain / (slope > 0 ? d->boost : 1);
    const long double log_top = logl(gain) + 2 * logl(size) - logl(coshl(size * eta)) - logl(width);
    long double g;
    if (slope > 0) {
        c = (double)expl((log_top - (size - 1) * logl(slope * width / 2)) / size);
        g = slope * c * width / 2;
        d->map.slope = slope;
    } else {
        g = expl((log_top - logl(c)) / (size - 1));
        d->map.slope = (double)(2 * g / (c * width));
    }
    d->kind = MZV_DIVISION_PRODUCT;
    d->map.integral = slope > 0;
    d->lo = c * a;
    d->hi = c * b;
    d->residual = (double)(1 / coshl(size * eta));
    set_factors(d, g, eta);
}

static void product_value(const mzv_division *d, long double *y, uint32_t n, long double sum) {
    const long double u = (long double)d->map.shift - d->map.slope * sum;
    long double f = u + d->first, w = u * u;
    for (uint32_t i = 1; i < d->doublings; i++) {
        f *= w + d->factor[i];
        w = 2 * w - d->power[i];
        w *= w;
    }
    for (uint32_t j = 0; j < n; j++) y[j] *= f;
}

/* y <- y^2, boosted; *sum is what is added up: y itself, or, where the map's slope is an integer, the plain
 * square, at the size for which that integer was chosen. */
static mzv_status square(mzv_evaluator *ev, mzv_cipher *y, mzv_cipher *room, const mzv_cipher **sum,
                         const mzv_division *d) {
    mzv_cipher boosted;
    *sum = y;
    if (d->boost == 1) return mzv_mul(ev, y, y, y);
    MZV_TRY(mzv_ev_take(ev, &boosted, y->level, y->batch));
    if (d->map.integral) {
        MZV_TRY(mzv_ev_take(ev, room, y->level, y->batch));
        MZV_TRY(mzv_mul(ev, room, y, y));
        *sum = room;
    }
    MZV_TRY(mzv_mul_integer(ev, &boosted, y, d->boost));
    return mzv_mul(ev, y, &boosted, y);
}

static mzv_status run_factors(mzv_evaluator *ev, mzv_cipher *y, mzv_cipher *u, const mzv_division *d) {
    mzv_cipher f;
    MZV_TRY(mzv_ev_take(ev, &f, u->level, u->batch));
    MZV_TRY(mzv_add_const(ev, &f, u, d->first));
    MZV_TRY(mzv_mul(ev, y, y, &f));
    for (uint32_t i = 1; i < d->doublings; i++) {
        MZV_TRY(mzv_mul(ev, u, u, u));
        MZV_TRY(mzv_add_const(ev, &f, u, d->factor[i]));
        MZV_TRY(mzv_mul(ev, y, y, &f));
        if (i + 1 == d->doublings) break;
        MZV_TRY(mzv_mul_integer(ev, u, u, 2));
        MZV_TRY(mzv_add_const(ev, u, u, -d->power[i]));
    }
    return MZV_OK;
}

static mzv_status run_product(mzv_evaluator *ev, mzv_cipher *y, const mzv_division *d, const mzv_groups *g) {
    mzv_cipher room, u;
    const mzv_cipher *sum = y;
    if (d->squares) MZV_TRY(square(ev, y, &room, &sum, d));
    MZV_TRY(mzv_groups_sum(ev, &u, sum, g, &d->map));
    if (u.level < y->level) MZV_TRY(mzv_drop(ev, y, y, u.level));
    return run_factors(ev, y, &u, d);
}

/* ---- the inverse square root, a polynomial ---- */

typedef struct root_fit {
    double lo, hi, gain;
} root_fit;

/* sqrt(gain / S) for u in [-1, 1], S = (hi + lo - u (hi - lo)) / 2. */
static long double root_of(void *user, long double u) {
    const root_fit *f = user;
    return sqrtl(2 * (long double)f->gain / ((long double)f->hi + f->lo - u * ((long double)f->hi - f->lo)));
}

/* max |S r^2 / gain - 1|: r equals the root at its nodes, the errors lie between. */
static double root_residual(const mzv_division *d, root_fit *f, uint32_t degree) {
    const uint32_t n = 24 * (degree + 1) + 1;
    long double worst = 0;
    for (uint32_t i = 0; i < n; i++) {
        const long double u = mzv_chebyshev_point(i, n);
        const long double ratio = mzv_chebyshev_value(d->coeff, degree, u) / root_of(f, u);
        worst = fmaxl(worst, fabsl(ratio * ratio - 1));
    }
    return (double)worst;
}

mzv_status mzv_division_root(mzv_division *d, double target) {
    root_fit f = { d->lo, d->hi, d->gain };
    const mzv_function function = { root_of, &f, -1, 1 };
    d->kind = MZV_DIVISION_ROOT;
    d->squares = true;
    d->map.slope = 2 / (d->hi - d->lo);
    if (d->map.integral) d->map.slope = nearbyint(d->map.slope);
    d->map.shift = (d->hi + d->lo) / (d->hi - d->lo);
    for (d->doublings = 1; d->doublings <= 9; d->doublings++) {
        const uint32_t degree = (1u << d->doublings) - 1;
        MZV_TRY(mzv_chebyshev_fit(d->coeff, degree, &function, NULL));
        d->residual = root_residual(d, &f, degree);
        if (d->residual <= target) return mzv_polynomial_create(&d->root, d->coeff, degree);
    }
    return mzv_fail(MZV_ERR_PRECISION,
                    "softmax: inverse root on [%g, %g] off by %.3g at degree 511, need %.3g", d->lo, d->hi,
                    d->residual, target);
}

static void root_value(const mzv_division *d, long double *y, uint32_t n, long double sum) {
    const uint32_t degree = (1u << d->doublings) - 1;
    const long double u = (long double)d->map.shift - d->map.slope * sum;
    const long double r = mzv_chebyshev_value(d->coeff, degree, u);
    for (uint32_t j = 0; j < n; j++) y[j] *= r * r; /* y came squared */
}

static mzv_status run_root(mzv_evaluator *ev, mzv_cipher *y, const mzv_division *d, const mzv_groups *g) {
    mzv_cipher squares, u;
    MZV_TRY(mzv_ev_take(ev, &squares, y->level, y->batch));
    MZV_TRY(mzv_mul(ev, &squares, y, y));
    MZV_TRY(mzv_groups_sum(ev, &u, &squares, g, &d->map));
    MZV_TRY(mzv_polynomial_run(ev, &u, &u, d->root));
    MZV_TRY(mzv_drop(ev, y, y, u.level));
    MZV_TRY(mzv_mul(ev, y, y, &u));
    return mzv_mul(ev, y, y, y);
}

/* ---- Goldschmidt's iteration [Gol64] ---- */

/* 1/S = slope / (1 - u) ~ slope (1 + u)(1 + u^2) .. (1 + u^(2^(k-1))), off by u^(2^k). */
void mzv_division_goldschmidt(mzv_division *d, double target) {
    d->kind = MZV_DIVISION_GOLDSCHMIDT;
    d->map.slope = 2 / (d->lo + d->hi);
    d->map.shift = 1;
    d->map.integral = false;
    const long double largest = ((long double)d->hi - d->lo) / ((long double)d->hi + d->lo);
    long double power = largest;
    for (d->doublings = 0; power > target; power *= power) d->doublings++;
    d->residual = (double)power;
}

static void goldschmidt_value(const mzv_division *d, long double *y, uint32_t n, long double sum) {
    long double u = (long double)d->map.shift - d->map.slope * sum, f = d->gain * d->map.slope;
    for (uint32_t i = 0; i < d->doublings; i++, u *= u) f *= 1 + u;
    for (uint32_t j = 0; j < n; j++) y[j] *= f;
}

static mzv_status run_goldschmidt(mzv_evaluator *ev, mzv_cipher *y, const mzv_division *d,
                                  const mzv_groups *g) {
    mzv_cipher u, f;
    MZV_TRY(mzv_groups_sum(ev, &u, y, g, &d->map));
    MZV_TRY(mzv_mul_const(ev, y, y, d->gain * d->map.slope));
    MZV_TRY(mzv_ev_take(ev, &f, u.level, u.batch));
    for (uint32_t i = 0; i < d->doublings; i++) {
        if (i > 0) MZV_TRY(mzv_mul(ev, &u, &u, &u));
        MZV_TRY(mzv_add_const(ev, &f, &u, 1));
        MZV_TRY(mzv_mul(ev, y, y, &f));
    }
    return MZV_OK;
}

/* ---- all kinds ---- */

void mzv_division_cost(mzv_division *d, const mzv_groups *g) {
    const uint32_t k = d->doublings, map = d->map.integral && !g->selects ? 0 : 1;
    d->n_key_switch = mzv_groups_key_switches(g);
    if (d->kind == MZV_DIVISION_PRODUCT) {
        d->levels = (d->squares ? 1 : 0) + map + k;
        d->n_key_switch += 2 * k - 1 + (d->squares ? (d->map.integral && d->boost > 1 ? 2 : 1) : 0);
    } else if (d->kind == MZV_DIVISION_ROOT) {
        d->levels = 1 + map + k + 2;
        d->n_key_switch += 3 + mzv_polynomial_about(d->root)->n_key_switch;
    } else {
        d->levels = 1 + k;
        d->n_key_switch += k > 0 ? 2 * k - 1 : 0;
    }
}

void mzv_division_value(const mzv_division *d, long double *y, uint32_t n) {
    const long double boost = d->kind == MZV_DIVISION_PRODUCT ? d->boost : 1;
    long double sum = 0;
    for (uint32_t j = 0; j < n; j++) {
        if (d->squares) y[j] *= boost * y[j];
        sum += y[j];
    }
    if (d->squares && d->map.integral) sum /= boost;
    if (d->kind == MZV_DIVISION_PRODUCT)
        product_value(d, y, n, sum);
    else if (d->kind == MZV_DIVISION_ROOT)
        root_value(d, y, n, sum);
    else
        goldschmidt_value(d, y, n, sum);
}

mzv_status mzv_division_run(mzv_evaluator *ev, mzv_cipher *y, const mzv_division *d, const mzv_groups *g) {
    const size_t mark = mzv_ev_mark(ev);
    mzv_status status;
    if (d->kind == MZV_DIVISION_PRODUCT)
        status = run_product(ev, y, d, g);
    else if (d->kind == MZV_DIVISION_ROOT)
        status = run_root(ev, y, d, g);
    else
        status = run_goldschmidt(ev, y, d, g);
    mzv_ev_release(ev, mark);
    return status;
}
