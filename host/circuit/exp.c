/* exp by a polynomial and squarings; the degree is the least that measures within the target. */
#include "circuit/exp.h"

#include <math.h>

#include "base/arena.h"
#include "base/try.h"
#include "math/chebyshev.h"

#define POINTS_PER_NODE 24u
#define RELATIVE_POINTS 2000u
#define MAX_LOG 600.0 /* exp of it, and products of two, are doubles */

struct mzv_exp {
    mzv_exp_spec spec;
    mzv_exp_facts facts;
    mzv_affine affine;
    mzv_polynomial *p;
    double *coeff; /* of p, degree + 1 */
};

/* A fit under way: exp((x + log_gain) / 2^r). */
typedef struct fit {
    const mzv_exp_spec *spec;
    uint32_t squarings;
    double *coeff; /* MZV_POLYNOMIAL_MAX_DEGREE + 1 */
} fit;

static long double root(void *user, long double x) {
    const fit *f = user;
    return expl(ldexpl(x + (long double)f->spec->log_gain, -(int)f->squarings));
}

static mzv_function function_of(fit *f) {
    const mzv_function g = { root, f, f->spec->a, f->spec->b };
    return g;
}

static long double powered(const double *coeff, uint32_t degree, uint32_t squarings, long double t) {
    long double y = mzv_chebyshev_value(coeff, degree, t);
    for (uint32_t i = 0; i < squarings; i++) y *= y;
    return y;
}

/* |p^(2^r) - g exp| / (g max(exp(x), exp(floor))) at t, g = exp(log_gain). */
static long double error_at(const fit *f, uint32_t degree, long double t, long double x) {
    const long double y = powered(f->coeff, degree, f->squarings, t) / expl((long double)f->spec->log_gain);
    return fabsl(y - expl(x)) / expl(fmaxl(x, (long double)f->spec->floor));
}

/* The largest over the grid of mzv_chebyshev_error, and over equal steps from the floor, where the measure
 * has its kink, to the top: at most (b - floor) / RELATIVE_POINTS apart, on a scale of 1 of the exponential.
 */
static double measured(fit *f, uint32_t degree) {
    const mzv_function g = function_of(f);
    const uint32_t n = POINTS_PER_NODE * (degree + 1) + 1;
    const long double floor = f->spec->floor, width = (long double)f->spec->b - f->spec->a;
    long double worst = 0;
    for (uint32_t i = 0; i < n; i++) {
        const long double t = mzv_chebyshev_point(i, n);
        worst = fmaxl(worst, error_at(f, degree, t, mzv_chebyshev_map(&g, t)));
    }
    for (uint32_t i = 0; i <= RELATIVE_POINTS; i++) {
        const long double x = floor + (f->spec->b - floor) * i / RELATIVE_POINTS;
        worst = fmaxl(worst, error_at(f, degree, (2 * x - f->spec->a - f->spec->b) / width, x));
    }
    return (double)worst;
}

static mzv_status try_degree(double *error, fit *f, uint32_t degree) {
    const mzv_function g = function_of(f);
    MZV_TRY(mzv_chebyshev_fit(f->coeff, degree, &g, NULL));
    *error = measured(f, degree);
    return MZV_OK;
}

/* The least degree up to `max` that reaches the target, by doubling and bisection; found 0 when none does. */
static mzv_status find_degree(uint32_t *found, double *error, fit *f, uint32_t max) {
    uint32_t low = 0, high = 1;
    *found = 0;
    for (; high <= max; low = high, high = 2 * high + 1) {
        MZV_TRY(try_degree(error, f, high));
        if (*error <= f->spec->target) break;
    }
    if (high > max) return MZV_OK;
    while (high - low > 1) {
        const uint32_t middle = low + (high - low) / 2;
        MZV_TRY(try_degree(error, f, middle));
        if (*error <= f->spec->target)
            high = middle;
        else
            low = middle;
    }
    *found = high;
    return try_degree(error, f, high);
}

/* Takes the plan for r squarings if it has fewer levels than the one held, or as many and fewer key switches.
 */
static mzv_status consider(mzv_exp *e, fit *f, double *best_error) {
    uint32_t degree = 0, bits = 31 - (uint32_t)__builtin_clz(MZV_POLYNOMIAL_MAX_DEGREE + 1);
    double error = 0;
    mzv_polynomial *p = NULL;
    if (e->p && e->facts.levels - f->squarings < bits) bits = e->facts.levels - f->squarings;
    MZV_TRY(find_degree(&degree, &error, f, (1u << bits) - 1));
    if (error < *best_error) *best_error = error;
    if (degree == 0) return MZV_OK;
    MZV_TRY(mzv_polynomial_create(&p, f->coeff, degree));
    const mzv_polynomial_facts *about = mzv_polynomial_about(p);
    const mzv_exp_facts facts = { f->squarings, degree, about->levels + f->squarings,
                                  about->n_key_switch + f->squarings, error };
    const bool better = !e->p || facts.levels < e->facts.levels ||
                        (facts.levels == e->facts.levels && facts.n_key_switch < e->facts.n_key_switch);
    if (better) {
        mzv_polynomial_destroy(e->p);
        e->p = p;
        e->facts = facts;
        for (uint32_t k = 0; k <= degree; k++) e->coeff[k] = f->coeff[k];
    } else {
        mzv_polynomial_destroy(p);
    }
    return MZV_OK;
}

static mzv_status plan(mzv_exp *e) {
    const mzv_exp_spec *s = &e->spec;
    const bool given = s->squarings != MZV_EXP_AUTO;
    double best = INFINITY;
    fit f = { s, 0, NULL };
    MZV_TRY(MZV_NEW(&f.coeff, MZV_POLYNOMIAL_MAX_DEGREE + 1, "exp: coefficients"));
    mzv_status status = MZV_OK;
    for (uint32_t r = given ? s->squarings : 0; status == MZV_OK; r++) {
        const bool useful = !e->p || r < e->facts.levels; /* a polynomial takes a level at least */
        if (!useful || r > (given ? s->squarings : MZV_EXP_MAX_SQUARINGS)) break;
        f.squarings = r;
        status = consider(e, &f, &best);
    }
    mzv_free(f.coeff);
    if (status == MZV_OK && !e->p)
        return mzv_fail(MZV_ERR_PRECISION,
                        "exp: error %.3g at best on [%g, %g], need %.3g: raise the target or the floor", best,
                        s->a, s->b, s->target);
    return status;
}

static mzv_status check(const mzv_exp_spec *s) {
    if (!(isfinite(s->a) && isfinite(s->b) && s->a < s->b && s->a <= s->floor && s->floor <= s->b))
        return mzv_fail(MZV_ERR_ARGUMENT, "exp: interval [%g, %g], floor %g, need a <= floor <= b, a < b",
                        s->a, s->b, s->floor);
    if (!(fabs(s->log_gain) <= MAX_LOG && s->b <= MAX_LOG && s->b + s->log_gain <= MAX_LOG &&
          s->floor >= -MAX_LOG))
        return mzv_fail(MZV_ERR_ARGUMENT, "exp: top %g, gain exp(%g), floor %g: logarithms beyond %g", s->b,
                        s->log_gain, s->floor, MAX_LOG);
    if (!(s->target > 0 && s->target < 1))
        return mzv_fail(MZV_ERR_ARGUMENT, "exp: target %g, need 0 < target < 1", s->target);
    if (s->squarings != MZV_EXP_AUTO && s->squarings > MZV_EXP_MAX_SQUARINGS)
        return mzv_fail(MZV_ERR_ARGUMENT, "exp: %u squarings, at most %u", s->squarings,
                        MZV_EXP_MAX_SQUARINGS);
    return MZV_OK;
}

mzv_status mzv_exp_create(mzv_exp **out, const mzv_exp_spec *spec) {
    mzv_exp *e = NULL;
    MZV_TRY(check(spec));
    MZV_TRY(MZV_NEW(&e, 1, "exp"));
    e->spec = *spec;
    e->affine = mzv_affine_unit(spec->a, spec->b);
    mzv_status status = MZV_NEW(&e->coeff, MZV_POLYNOMIAL_MAX_DEGREE + 1, "exp: coefficients");
    if (status == MZV_OK) status = plan(e);
    if (status == MZV_OK)
        *out = e;
    else
        mzv_exp_destroy(e);
    return status;
}

void mzv_exp_destroy(mzv_exp *e) {
    if (!e) return;
    mzv_polynomial_destroy(e->p);
    mzv_free(e->coeff);
    mzv_free(e);
}

const mzv_exp_facts *mzv_exp_about(const mzv_exp *e) { return &e->facts; }
mzv_affine mzv_exp_affine(const mzv_exp *e) { return e->affine; }
uint32_t mzv_exp_levels(const mzv_exp *e) { return e->facts.levels; }

long double mzv_exp_value(const mzv_exp *e, long double x) {
    const long double t = (long double)e->affine.scale * x + (long double)e->affine.shift;
    return powered(e->coeff, e->facts.degree, e->facts.squarings, t);
}

mzv_status mzv_exp_request(const mzv_exp *e, mzv_key_request *request, uint32_t level) {
    if (level < e->facts.levels)
        return mzv_fail(MZV_ERR_LEVEL, "exp: level %u, need %u", level, e->facts.levels);
    if (mzv_polynomial_about(e->p)->n_key_switch > 0) return mzv_polynomial_request(e->p, request, level);
    return e->facts.squarings > 0 ? mzv_request_relinearize(request, level - 1) : MZV_OK;
}

static mzv_status run_squarings(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *t, const mzv_exp *e) {
    mzv_cipher y;
    MZV_TRY(mzv_ev_take(ev, &y, t->level - mzv_polynomial_levels(e->p), t->batch));
    MZV_TRY(mzv_polynomial_run(ev, &y, t, e->p));
    for (uint32_t i = 1; i < e->facts.squarings; i++) MZV_TRY(mzv_mul(ev, &y, &y, &y));
    return mzv_mul(ev, out, &y, &y);
}

mzv_status mzv_exp_run(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *t, const mzv_exp *e) {
    MZV_TRY(mzv_circuit_need("exp", t, e->facts.levels));
    if (e->facts.squarings == 0) return mzv_polynomial_run(ev, out, t, e->p);
    const size_t mark = mzv_ev_mark(ev);
    const mzv_status status = run_squarings(ev, out, t, e);
    mzv_ev_release(ev, mark);
    return status;
}
