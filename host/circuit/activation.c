/* Plans and runs of activations; see activation.h for the structure and the domain extension. */
#include "circuit/activation.h"

#include <math.h>

#include "base/arena.h"
#include "base/try.h"
#include "math/chebyshev.h"

#define POINTS_PER_NODE 24u
#define SEARCH_POINTS 8u            /* for each node, while a degree is searched */
#define MISSED 0.98078528040323045L /* cos(pi / (2 SEARCH_POINTS)), of an extremum at least is seen */
#define OUTER_POINTS 8192u
#define MAX_END 0x1p20
#define STRETCH 2.38110157795229998L /* 3 2^(-1/3) */
#define SINE 1.25992104989487316L    /* 2^(1/3) */

struct mzv_activation {
    mzv_activation_spec spec;
    mzv_activation_facts facts;
    mzv_affine affine;
    mzv_polynomial *p;
    double *coeff; /* of p, degree + 1 */
};

/* ------------------------------------------------------------------ the functions, in long double */

static long double sigmoid(long double x) { return 1 / (1 + expl(-x)); }

/* f(x) = x gate(x) for GELU and SiLU. */
static bool is_gated(mzv_activation_function f) { return f != MZV_TANH && f != MZV_SIGMOID; }

static long double gate(mzv_activation_function f, long double x) {
    switch (f) {
    case MZV_GELU:
        return 0.5L * erfcl(-x * sqrtl(0.5L));
    case MZV_GELU_TANH:
        return sigmoid(2 * sqrtl(2 / acosl(-1)) * (x + 0.044715L * x * x * x));
    default:
        return sigmoid(x);
    }
}

static long double exact(mzv_activation_function f, long double x) {
    if (is_gated(f)) return x * gate(f, x);
    return f == MZV_TANH ? tanhl(x) : sigmoid(x);
}

static long double extend(uint32_t n, long double v) {
    for (uint32_t i = 0; i < n; i++) v *= STRETCH - 2 * v * v;
    return v;
}

/* The branch of D^-1 through 0, n times: |t| <= 1. */
static long double extend_back(uint32_t n, long double t) {
    for (uint32_t i = 0; i < n; i++) t = SINE * sinl(asinl(fminl(1, fmaxl(-1, t))) / 3);
    return t;
}

/* ------------------------------------------------------------------ fitting */

/* A candidate: f on [a, b] behind n extensions, by a series of the given degree. */
typedef struct fit {
    const mzv_activation_spec *spec;
    double a, b;
    uint32_t extensions, degree;
    double *coeff; /* MZV_POLYNOMIAL_MAX_DEGREE + 1 */
    double error;
} fit;

static bool is_symmetric(const fit *f) { return f->a == -f->b; }

/* On [-b, b] the series is constant + slope t + a part of one parity. */
static long double constant_of(const fit *f) {
    const bool gated = is_gated(f->spec->function);
    if (gated && f->extensions == 0) return 0;
    if (gated) return 0.5L * f->b * f->spec->gain;
    return f->spec->function == MZV_SIGMOID ? 0.5L * f->spec->gain : 0;
}

static bool part_is_even(const fit *f) { return is_gated(f->spec->function) && f->extensions == 0; }

static long double slope_of(const fit *f) { return part_is_even(f) ? 0.5L * f->b * f->spec->gain : 0; }

/* What the series is to be at x (no extensions) or at t in [-1, 1]. */
static long double wanted(const fit *f, long double x) {
    const mzv_activation_function name = f->spec->function;
    if (f->extensions == 0) return f->spec->gain * exact(name, x);
    const long double at = f->b * extend_back(f->extensions, x);
    return f->spec->gain * (is_gated(name) ? f->b * gate(name, at) : exact(name, at));
}

static long double part(void *user, long double x) {
    const fit *f = user;
    return wanted(f, x) - constant_of(f) - slope_of(f) * x / f->b;
}

static long double whole(void *user, long double x) { return wanted(user, x); }

/* u at x, and the value of the circuit there. */
static long double value_at(const fit *f, long double x, mzv_affine u) {
    const long double v = (long double)u.scale * x + (long double)u.shift;
    const long double y = mzv_chebyshev_value(f->coeff, f->degree, extend(f->extensions, v));
    return f->extensions > 0 && is_gated(f->spec->function) ? v * y : y;
}

static mzv_affine affine_of(const fit *f) { return mzv_affine_unit(f->a, f->b); }

/* The largest error over the points where the series has its extrema, on the inner branch where there are
 * extensions, and then over equal steps too, which see the outside. On [-b, b] the error is even or odd: its
 * upper half will do. */
static double measured(const fit *f, uint32_t per_node) {
    const uint32_t n = per_node * (f->degree + 1) + 1, n_outer = f->extensions > 0 ? OUTER_POINTS : 0;
    const mzv_function interval = { NULL, NULL, f->a, f->b };
    const mzv_affine u = affine_of(f);
    long double worst = 0;
    for (uint32_t i = is_symmetric(f) ? n / 2 : 0; i < n + n_outer; i++) {
        const long double t = i < n ? extend_back(f->extensions, mzv_chebyshev_point(i, n))
                                    : (long double)(i - n) / (OUTER_POINTS - 1);
        const long double x = mzv_chebyshev_map(&interval, t);
        const long double off = fabsl(value_at(f, x, u) / f->spec->gain - exact(f->spec->function, x));
        if (!(off <= worst)) worst = off;
    }
    return (double)worst;
}

/* What the extensions alone are off by, with g for its series: f at x against f where the inner branch has
 * the same value. */
static double folded(const fit *f) {
    long double worst = 0;
    for (uint32_t i = 0; i < OUTER_POINTS; i++) {
        const long double v = (long double)i / (OUTER_POINTS - 1), x = v * f->b;
        const long double inner = f->b * extend_back(f->extensions, extend(f->extensions, v));
        const mzv_activation_function name = f->spec->function;
        const long double y = is_gated(name) ? x * gate(name, inner) : exact(name, inner);
        worst = fmaxl(worst, fabsl(y - exact(name, x)));
    }
    return (double)worst;
}

static mzv_status try_degree(fit *f, uint32_t degree) {
    const bool symmetric = is_symmetric(f), inner = f->extensions > 0;
    const mzv_function g = { symmetric ? part : whole, f, inner ? -1 : f->a, inner ? 1 : f->b };
    MZV_TRY(mzv_chebyshev_fit(f->coeff, degree, &g, NULL));
    if (symmetric) {
        for (uint32_t k = part_is_even(f) ? 1 : 0; k <= degree; k += 2) f->coeff[k] = 0;
        f->coeff[0] += (double)constant_of(f);
        f->coeff[1] += (double)slope_of(f);
    }
    f->degree = degree;
    f->error = measured(f, SEARCH_POINTS) / (double)MISSED;
    return MZV_OK;
}

/* The least degree up to `max` that reaches the target, by doubling and bisection; *found says if one does.
 * *best: the least error seen. */
static mzv_status find_degree(bool *found, double *best, fit *f, uint32_t max) {
    uint32_t low = 0, high = 1;
    *found = false;
    for (; high <= max; low = high, high = 2 * high + 1) {
        MZV_TRY(try_degree(f, high));
        if (f->error < *best) *best = f->error;
        if (f->error <= f->spec->target) break;
    }
    if (high > max) return MZV_OK;
    while (high - low > 1) {
        const uint32_t middle = low + (high - low) / 2;
        MZV_TRY(try_degree(f, middle));
        if (f->error <= f->spec->target)
            high = middle;
        else
            low = middle;
    }
    *found = true;
    MZV_TRY(try_degree(f, high));
    f->error = measured(f, POINTS_PER_NODE);
    return MZV_OK;
}

/* ------------------------------------------------------------------ planning */

static uint32_t levels_around(const fit *f) {
    return 2 * f->extensions + (f->extensions > 0 && is_gated(f->spec->function) ? 1 : 0);
}

static mzv_activation_facts facts_of(const fit *f, const mzv_polynomial *p) {
    const mzv_polynomial_facts *about = mzv_polynomial_about(p);
    const uint32_t around = levels_around(f); /* one product each */
    const mzv_activation_facts facts = {
        f->a,
        f->b,
        f->extensions,
        about->degree,
        about->levels + around,
        about->n_key_switch + around,
        about->n_products + around,
        f->error,
    };
    return facts;
}

static bool is_better(const mzv_activation_facts *x, const mzv_activation_facts *held) {
    if (x->levels != held->levels) return x->levels < held->levels;
    return x->n_key_switch < held->n_key_switch;
}

static void take(mzv_activation *a, const fit *f, mzv_polynomial *p) {
    mzv_polynomial_destroy(a->p);
    a->facts = facts_of(f, p);
    a->affine = affine_of(f);
    a->p = p;
    for (uint32_t k = 0; k <= a->facts.degree; k++) a->coeff[k] = f->coeff[k];
}

/* Takes the candidate if it is the first or better than the one held. */
static mzv_status consider(mzv_activation *a, fit *f, double *best) {
    uint32_t bits = 31 - (uint32_t)__builtin_clz(MZV_POLYNOMIAL_MAX_DEGREE + 1);
    const uint32_t around = levels_around(f);
    bool found = false;
    mzv_polynomial *p = NULL;
    if (a->p && a->facts.levels <= around) return MZV_OK;
    if (a->p && a->facts.levels - around < bits) bits = a->facts.levels - around;
    if (f->extensions > 0) {
        const double least = folded(f);
        if (least > f->spec->target) {
            *best = fmin(*best, least);
            return MZV_OK;
        }
    }
    MZV_TRY(find_degree(&found, best, f, (1u << bits) - 1));
    if (!found) return MZV_OK;
    MZV_TRY(mzv_polynomial_create(&p, f->coeff, f->degree));
    const mzv_activation_facts facts = facts_of(f, p);
    if (!a->p || is_better(&facts, &a->facts))
        take(a, f, p);
    else
        mzv_polynomial_destroy(p);
    return MZV_OK;
}

/* The interval as given, then the symmetric one, then extensions of that. */
static mzv_status consider_all(mzv_activation *a, fit *f, double *best) {
    const mzv_activation_spec *s = &a->spec;
    const bool given = s->extensions != MZV_ACTIVATION_AUTO;
    const uint32_t first = given ? s->extensions : 0, last = given ? first : MZV_ACTIVATION_MAX_EXTENSIONS;
    const double end = fmax(fabs(s->a), fabs(s->b));
    if (first == 0 && -s->a != s->b) MZV_TRY(consider(a, f, best));
    f->a = -end;
    f->b = end;
    for (f->extensions = first; f->extensions <= last; f->extensions++) MZV_TRY(consider(a, f, best));
    return MZV_OK;
}

static mzv_status plan(mzv_activation *a) {
    const mzv_activation_spec *s = &a->spec;
    double best = INFINITY;
    fit f = { .spec = s, .a = s->a, .b = s->b };
    MZV_TRY(MZV_NEW(&f.coeff, MZV_POLYNOMIAL_MAX_DEGREE + 1, "activation: coefficients"));
    const mzv_status status = consider_all(a, &f, &best);
    mzv_free(f.coeff);
    if (status == MZV_OK && !a->p)
        return mzv_fail(
            MZV_ERR_PRECISION,
            "activation: error %.3g at best on [%g, %g], need %.3g: raise the target or narrow the "
            "interval",
            best, s->a, s->b, s->target);
    return status;
}

static mzv_status check(const mzv_activation_spec *s) {
    if ((unsigned)s->function > MZV_SILU)
        return mzv_fail(MZV_ERR_ARGUMENT, "activation: function %d, need 0 to %d", (int)s->function,
                        (int)MZV_SILU);
    if (!(s->a < s->b && s->a >= -MAX_END && s->b <= MAX_END))
        return mzv_fail(MZV_ERR_ARGUMENT, "activation: interval [%g, %g], need a < b within +-%g", s->a, s->b,
                        MAX_END);
    if (!(s->target > 0 && isfinite(s->target)))
        return mzv_fail(MZV_ERR_ARGUMENT, "activation: target %g, need a positive one", s->target);
    if (!(isfinite(s->gain) && s->gain != 0))
        return mzv_fail(MZV_ERR_ARGUMENT, "activation: gain %g, need finite and not 0", s->gain);
    if (s->extensions != MZV_ACTIVATION_AUTO && s->extensions > MZV_ACTIVATION_MAX_EXTENSIONS)
        return mzv_fail(MZV_ERR_ARGUMENT, "activation: %u extensions, at most %u", s->extensions,
                        MZV_ACTIVATION_MAX_EXTENSIONS);
    return MZV_OK;
}

mzv_status mzv_activation_create(mzv_activation **out, const mzv_activation_spec *spec) {
    mzv_activation *a = NULL;
    MZV_TRY(check(spec));
    MZV_TRY(MZV_NEW(&a, 1, "activation"));
    a->spec = *spec;
    mzv_status status = MZV_NEW(&a->coeff, MZV_POLYNOMIAL_MAX_DEGREE + 1, "activation: coefficients");
    if (status == MZV_OK) status = plan(a);
    if (status == MZV_OK)
        *out = a;
    else
        mzv_activation_destroy(a);
    return status;
}

void mzv_activation_destroy(mzv_activation *f) {
    if (!f) return;
    mzv_polynomial_destroy(f->p);
    mzv_free(f->coeff);
    mzv_free(f);
}

const mzv_activation_facts *mzv_activation_about(const mzv_activation *f) { return &f->facts; }
mzv_affine mzv_activation_affine(const mzv_activation *f) { return f->affine; }
uint32_t mzv_activation_levels(const mzv_activation *f) { return f->facts.levels; }

long double mzv_activation_value(const mzv_activation *a, long double x) {
    const fit f = { .spec = &a->spec,
                    .a = a->facts.a,
                    .b = a->facts.b,
                    .extensions = a->facts.extensions,
                    .degree = a->facts.degree,
                    .coeff = a->coeff };
    return value_at(&f, x, a->affine);
}

/* ------------------------------------------------------------------ runs */

mzv_status mzv_activation_request(const mzv_activation *f, mzv_key_request *request, uint32_t level) {
    if (level < f->facts.levels)
        return mzv_fail(MZV_ERR_LEVEL, "activation: level %u, need %u", level, f->facts.levels);
    return f->facts.n_key_switch == 0 ? MZV_OK : mzv_request_relinearize(request, level);
}

/* out = v (STRETCH - 2 v^2), two levels below v; out may be v. */
static mzv_status run_extension(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *v) {
    mzv_cipher square, lower;
    const size_t mark = mzv_ev_mark(ev);
    MZV_TRY(mzv_ev_take(ev, &square, v->level - 1, v->batch));
    MZV_TRY(mzv_ev_take(ev, &lower, v->level - 1, v->batch));
    MZV_TRY(mzv_mul(ev, &square, v, v));
    MZV_TRY(mzv_mul_integer(ev, &square, &square, -2));
    MZV_TRY(mzv_add_const(ev, &square, &square, (double)STRETCH));
    MZV_TRY(mzv_drop(ev, &lower, v, v->level - 1));
    MZV_TRY(mzv_mul(ev, out, &lower, &square));
    mzv_ev_release(ev, mark);
    return MZV_OK;
}

static mzv_status run_extended(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *u,
                               const mzv_activation *f) {
    const bool gated = is_gated(f->spec.function);
    mzv_cipher t, y, lower;
    MZV_TRY(mzv_ev_take(ev, &t, u->level - 2, u->batch));
    MZV_TRY(run_extension(ev, &t, u));
    for (uint32_t i = 1; i < f->facts.extensions; i++) MZV_TRY(run_extension(ev, &t, &t));
    if (!gated) return mzv_polynomial_run(ev, out, &t, f->p);
    const uint32_t level = t.level - mzv_polynomial_levels(f->p);
    MZV_TRY(mzv_ev_take(ev, &y, level, u->batch));
    MZV_TRY(mzv_polynomial_run(ev, &y, &t, f->p));
    MZV_TRY(mzv_ev_take(ev, &lower, level, u->batch));
    MZV_TRY(mzv_drop(ev, &lower, u, level));
    return mzv_mul(ev, out, &y, &lower);
}

mzv_status mzv_activation_run(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *u,
                              const mzv_activation *f) {
    MZV_TRY(mzv_circuit_need("activation", u, f->facts.levels));
    if (f->facts.extensions == 0) return mzv_polynomial_run(ev, out, u, f->p);
    const size_t mark = mzv_ev_mark(ev);
    const mzv_status status = run_extended(ev, out, u, f);
    mzv_ev_release(ev, mark);
    return status;
}
