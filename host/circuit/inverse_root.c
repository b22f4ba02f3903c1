/* Plans and runs of x^-1/2; see inverse_root.h for the method.
 *
 * Nodes. The error of interpolating x^-1/2 = (1/pi) int_0^inf ds / (sqrt(s) (s + x)) at the zeros of W is
 *     (1/pi) int W(x) / W(-s) ds / (sqrt(s) (s + x)),
 * and 1/W(-s) leaves little but small s: about W(x) / (x + r) for some r of the size of lo. Its relative size
 * sqrt(x) W(x) / (x + r) has equal extrema where W is the weighted Chebyshev polynomial of that weight, which
 * crosses zero where the phase m z - 2 arg(1 + b_r e^iz) + arg(1 + b_0 e^iz) is (k + 1/2) pi, x the point of
 * cos z on [lo, hi], m = degree + 1, b_r = (R - 1) / (R + 1), R = sqrt((hi + r) / (lo + r)) [Ach56]. We take
 * r = 0.3 lo; measured over degrees 3 to 200, ratios 16 to 4096, the error is 2 to 18 % above the least. */
#include "circuit/inverse_root.h"

#include <math.h>

#include "base/arena.h"
#include "base/try.h"
#include "math/chebyshev.h"

#define PI_L 3.14159265358979323846264338327950288L
#define POINTS_PER_NODE 24u
#define SEARCH_POINTS 8u        /* for each node, while a degree of many nodes is searched */
#define SMALL_SEARCH_POINTS 64u /* of few */
#define SMALL_DEGREE 63u
#define MAX_NODES (MZV_POLYNOMIAL_MAX_DEGREE + 1)
#define SHIFT_OF_WEIGHT 0.3L
#define BISECTIONS 70u
#define MAX_RATIO 0x1p20
#define MIN_TARGET 0x1p-40
#define NEXUS_GOLDSCHMIDT 2u

struct mzv_inverse_root {
    mzv_inverse_root_spec spec;
    mzv_inverse_root_facts facts;
    mzv_affine affine;
    mzv_polynomial *p;
    double *coeff;                                     /* of p, degree + 1 */
    mzv_affine negative_x[MZV_INVERSE_ROOT_MAX_STEPS]; /* -X of t, for each step */
    mzv_affine half_x;                                 /* x / (2 gain^2) of t, for Goldschmidt's */
};

/* ------------------------------------------------------------------ the polynomial */

/* An interpolation under way; arrays of MAX_NODES. */
typedef struct fit {
    const mzv_inverse_root_spec *spec;
    uint32_t n; /* nodes */
    long double *node, *weight, *value;
    double *coeff;
    double error; /* largest |d - 1| */
} fit;

/* b of the weight at -r. */
static long double pole(const mzv_inverse_root_spec *s, long double r) {
    const long double root = sqrtl((s->hi + r) / (s->lo + r));
    return (root - 1) / (root + 1);
}

static long double phase(uint32_t n, long double b_r, long double b_0, long double z) {
    const long double c = cosl(z), s = sinl(z);
    return (long double)n * z - 2 * atan2l(b_r * s, 1 + b_r * c) + atan2l(b_0 * s, 1 + b_0 * c);
}

/* The phase grows from 0 to n pi: its slope is n - 2 P_r + P_0 where P, parts of Poisson kernels, are at most
 * b / (1 + b) < 1/2 each. */
static void place_nodes(fit *f) {
    const mzv_inverse_root_spec *s = f->spec;
    const mzv_function on = { NULL, NULL, s->lo, s->hi };
    const long double b_r = pole(s, SHIFT_OF_WEIGHT * s->lo), b_0 = pole(s, 0);
    for (uint32_t k = 0; k < f->n; k++) {
        const long double wanted = ((long double)k + 0.5L) * PI_L;
        long double a = 0, b = PI_L;
        for (uint32_t i = 0; i < BISECTIONS; i++) {
            const long double middle = 0.5L * (a + b);
            if (phase(f->n, b_r, b_0, middle) < wanted)
                a = middle;
            else
                b = middle;
        }
        f->node[k] = mzv_chebyshev_map(&on, cosl(a));
        f->value[k] = 1 / sqrtl(f->node[k]);
    }
}

/* Barycentric weights [BT04]; distances in units of a quarter of the interval, its capacity, so that products
 * stay in range. */
static void weigh_nodes(fit *f) {
    const long double unit = 4 / ((long double)f->spec->hi - f->spec->lo);
    for (uint32_t k = 0; k < f->n; k++) {
        long double product = 1;
        for (uint32_t j = 0; j < f->n; j++)
            if (j != k) product *= unit * (f->node[k] - f->node[j]);
        f->weight[k] = 1 / product;
    }
}

static long double interpolant(void *user, long double x) {
    const fit *f = user;
    long double above = 0, below = 0;
    for (uint32_t k = 0; k < f->n; k++) {
        if (x == f->node[k]) return f->value[k];
        const long double q = f->weight[k] / (x - f->node[k]);
        above += q * f->value[k];
        below += q;
    }
    return above / below;
}

/* alpha and beta of least max |alpha s - beta s^3 - 1| on [a, b]: both ends give the same, and the maximum
 * between them is as much above 1. */
static void best_cubic(long double *alpha, long double *beta, long double a, long double b) {
    const long double s = a * a + a * b + b * b;
    const long double top = 2 * s / 3 * sqrtl(s / 3), ends = a * b * (a + b);
    *beta = 2 / (top + ends);
    *alpha = *beta * s;
}

/* The line: sqrt(x) p(x) is a cubic of sqrt(x), 1 - error at both ends of the interval. */
static mzv_status fit_line(fit *f) {
    const long double lo = f->spec->lo, hi = f->spec->hi;
    long double alpha, beta;
    best_cubic(&alpha, &beta, sqrtl(lo), sqrtl(hi));
    f->coeff[0] = (double)(alpha - beta * (hi + lo) / 2);
    f->coeff[1] = (double)(-beta * (hi - lo) / 2);
    f->error = (double)(1 - sqrtl(lo) * (alpha - beta * lo));
    return MZV_OK;
}

/* With k points for each node the grid misses at most 1 - cos(pi / 2k) of an extremum. */
static mzv_status fit_nodes(fit *f, uint32_t degree) {
    const mzv_function g = { interpolant, f, f->spec->lo, f->spec->hi };
    const uint32_t per_node = degree <= SMALL_DEGREE ? SMALL_SEARCH_POINTS : SEARCH_POINTS;
    const uint32_t n = per_node * (degree + 1) + 1;
    long double worst = 0;
    place_nodes(f);
    weigh_nodes(f);
    MZV_TRY(mzv_chebyshev_fit(f->coeff, degree, &g, NULL));
    for (uint32_t i = 0; i < n; i++) {
        const long double t = mzv_chebyshev_point(i, n);
        const long double d = sqrtl(mzv_chebyshev_map(&g, t)) * mzv_chebyshev_value(f->coeff, degree, t);
        worst = fmaxl(worst, fabsl(d - 1));
    }
    f->error = (double)(worst / cosl(PI_L / (2 * per_node)));
    return MZV_OK;
}

/* coeff and error for a degree. */
static mzv_status fit_degree(fit *f, uint32_t degree) {
    f->n = degree + 1;
    return degree == 1 ? fit_line(f) : fit_nodes(f, degree);
}

/* ------------------------------------------------------------------ the steps */

typedef struct steps {
    uint32_t n, goldschmidt;
    long double alpha[MZV_INVERSE_ROOT_MAX_STEPS], beta[MZV_INVERSE_ROOT_MAX_STEPS];
    long double first; /* what the polynomial is multiplied by so that d starts well */
    long double error; /* bound of |d - 1| after the last */
} steps;

/* The best cubic on [1 - e, 1 + e]; *e = what it leaves, (top - ends) / (top + ends) of best_cubic without
 * cancellation: there s = 3 + e^2, ends = 2 - 2 e^2. */
static void best_step(long double *alpha, long double *beta, long double *e) {
    const long double square = *e * *e;
    best_cubic(alpha, beta, 1 - *e, 1 + *e);
    *e = *beta * (expm1l(1.5L * log1pl(square / 3)) + square);
}

static void best_steps(steps *list, double start) {
    list->first = 1;
    list->error = start;
    for (uint32_t k = 0; k < list->n; k++) best_step(&list->alpha[k], &list->beta[k], &list->error);
}

/* From d in [1 - e, 1 + e], scaled so that the first step takes both ends to the same value below 1 and
 * nothing above; then d in [m, 1]. */
static void nexus_steps(steps *list, double start) {
    const long double a = 1 - (long double)start, b = 1 + (long double)start;
    list->first = sqrtl(3 / (a * a + a * b + b * b));
    long double off = 1 - list->first * a; /* 1 - m, m -> m (3 - m^2) / 2 takes it to off^2 (3 - off) / 2 */
    for (uint32_t k = 0; k < list->n + list->goldschmidt; k++) off = off * off * (3 - off) / 2;
    for (uint32_t k = 0; k < list->n; k++) {
        list->alpha[k] = 1.5L;
        list->beta[k] = 0.5L;
    }
    list->error = off;
}

static bool is_nexus(const mzv_inverse_root_spec *s) { return s->recipe == MZV_INVERSE_ROOT_NEXUS; }

static void take_steps(steps *list, const mzv_inverse_root_spec *s, double start) {
    if (is_nexus(s))
        nexus_steps(list, start);
    else
        best_steps(list, start);
}

/* ------------------------------------------------------------------ planning */

static mzv_inverse_root_facts facts_of(const mzv_polynomial *p, const steps *list) {
    const mzv_polynomial_facts *about = mzv_polynomial_about(p);
    const uint32_t g = list->goldschmidt, k = list->n, start = about->levels;
    mzv_inverse_root_facts facts = { .degree = about->degree, .steps = k, .goldschmidt = g };
    facts.levels = start + 2 * k + (g > 0 ? 1 + 2 * g : 0);
    facts.n_key_switch = about->n_key_switch + 3 * k + (g > 0 ? 3 * g : 0);
    /* a product of its own; merged into the last cubic step, which then needs X two levels above w; merged
     * into Goldschmidt's last, which has room beside s w */
    const bool merged = g > 0 || k > 0;
    facts.apply_levels = facts.levels + (!merged || (g == 0 && k == 1 && start == 1) ? 1 : 0);
    facts.apply_n_key_switch = facts.n_key_switch + 1;
    facts.apply_needs = g > 0 ? 2 : k > 0 ? 3 : 1;
    return facts;
}

static uint32_t levels_for(const mzv_inverse_root_spec *s, const mzv_inverse_root_facts *f) {
    return s->apply ? f->apply_levels : f->levels;
}

static uint32_t switches_for(const mzv_inverse_root_spec *s, const mzv_inverse_root_facts *f) {
    return s->apply ? f->apply_n_key_switch : f->n_key_switch;
}

/* c (x of t) as an affine form of t. */
static mzv_affine multiple_of_x(const mzv_inverse_root *r, long double c) {
    const long double scale = r->affine.scale, shift = r->affine.shift;
    const mzv_affine u = { (double)(c / scale), (double)(-c * shift / scale) };
    return u;
}

/* w = g x^-1/2 d: g is the gain at the end and alpha times as large before each step. */
static void set_steps(mzv_inverse_root *r, const steps *list) {
    long double g = r->spec.gain;
    r->half_x = multiple_of_x(r, 0.5L / (g * g));
    for (uint32_t k = list->n; k > 0; k--) {
        g *= list->alpha[k - 1];
        r->negative_x[k - 1] = multiple_of_x(r, -list->beta[k - 1] / (list->alpha[k - 1] * g * g));
    }
    for (uint32_t j = 0; j <= r->facts.degree; j++) r->coeff[j] = (double)(g * list->first * r->coeff[j]);
}

/* Takes the fit and its steps if they are the first or better than those held. */
static mzv_status offer(mzv_inverse_root *r, const fit *f, const steps *list) {
    mzv_polynomial *p = NULL;
    MZV_TRY(mzv_polynomial_create(&p, f->coeff, f->n - 1));
    const mzv_inverse_root_facts facts = facts_of(p, list);
    const uint32_t levels = levels_for(&r->spec, &facts), held = levels_for(&r->spec, &r->facts);
    const bool better =
        !r->p || levels < held ||
        (levels == held && switches_for(&r->spec, &facts) < switches_for(&r->spec, &r->facts));
    mzv_polynomial_destroy(better ? r->p : p);
    if (!better) return MZV_OK;
    r->p = p;
    r->facts = facts;
    for (uint32_t j = 0; j < f->n; j++) r->coeff[j] = f->coeff[j];
    set_steps(r, list);
    return MZV_OK;
}

static mzv_status try_degree(bool *meets, fit *f, steps *list, uint32_t degree, double *best) {
    MZV_TRY(fit_degree(f, degree));
    take_steps(list, f->spec, f->error);
    if (list->error < *best) *best = (double)list->error;
    *meets = list->error <= f->spec->target;
    return MZV_OK;
}

/* The least degree up to max for so many steps, by doubling and bisection; *found says if there is one. */
static mzv_status find_degree(bool *found, fit *f, steps *list, uint32_t max, double *best) {
    uint32_t low = 0, high = 1;
    bool meets = false;
    for (*found = false; high <= max; low = high, high = 2 * high + 1) {
        MZV_TRY(try_degree(&meets, f, list, high, best));
        if (meets) break;
    }
    if (!meets) return MZV_OK;
    while (high - low > 1) {
        const uint32_t middle = low + (high - low) / 2;
        MZV_TRY(try_degree(&meets, f, list, middle, best));
        if (meets)
            high = middle;
        else
            low = middle;
    }
    *found = true;
    return try_degree(&meets, f, list, high, best);
}

/* The highest degree worth a look with k steps: that of as many levels as are left in the best plan held. */
static uint32_t degree_limit(const mzv_inverse_root *r, uint32_t k) {
    uint32_t limit = is_nexus(&r->spec) ? 1 : MZV_POLYNOMIAL_MAX_DEGREE;
    if (!r->p) return limit;
    const uint32_t held = levels_for(&r->spec, &r->facts), around = 2 * k + (r->spec.apply && k == 0 ? 1 : 0);
    if (held <= around) return 0;
    while (limit > 0 && held - around < 10 && limit >= 1u << (held - around)) limit /= 2;
    return limit;
}

static mzv_status consider_all(mzv_inverse_root *r, fit *f, double *best) {
    const bool given = r->spec.steps != MZV_INVERSE_ROOT_AUTO;
    steps list = { .goldschmidt = is_nexus(&r->spec) ? NEXUS_GOLDSCHMIDT : 0 };
    for (list.n = given ? r->spec.steps : 0; list.n <= MZV_INVERSE_ROOT_MAX_STEPS; list.n++) {
        bool found = false;
        MZV_TRY(find_degree(&found, f, &list, degree_limit(r, list.n), best));
        if (found) MZV_TRY(offer(r, f, &list));
        if (given || (r->p && degree_limit(r, list.n + 1) == 0) || (r->p && is_nexus(&r->spec))) break;
    }
    return MZV_OK;
}

static mzv_status plan(mzv_inverse_root *r) {
    const mzv_inverse_root_spec *s = &r->spec;
    double best = INFINITY;
    fit f = { .spec = s };
    MZV_TRY(MZV_NEW(&f.node, 3 * (size_t)MAX_NODES, "inverse root: nodes"));
    f.weight = f.node + MAX_NODES;
    f.value = f.weight + MAX_NODES;
    mzv_status status = MZV_NEW(&f.coeff, MAX_NODES, "inverse root: coefficients");
    if (status == MZV_OK) status = consider_all(r, &f, &best);
    mzv_free(f.coeff);
    mzv_free(f.node);
    if (status == MZV_OK && !r->p)
        return mzv_fail(
            MZV_ERR_PRECISION,
            "inverse root: error %.3g at best on [%g, %g], need %.3g: allow more steps or raise the "
            "target",
            best, s->lo, s->hi, s->target);
    return status;
}

/* The error of the whole, on as many points as the polynomial's degree asks for: steps move no extremum, and
 * add one at each zero of d - 1. */
static void measure(mzv_inverse_root *r) {
    const mzv_function on = { NULL, NULL, r->spec.lo, r->spec.hi };
    const uint32_t n = 2 * POINTS_PER_NODE * (r->facts.degree + 1) + 1;
    long double worst = 0;
    for (uint32_t i = 0; i < n; i++) {
        const long double x = mzv_chebyshev_map(&on, mzv_chebyshev_point(i, n));
        const long double off = fabsl(sqrtl(x) * mzv_inverse_root_value(r, x) / r->spec.gain - 1);
        if (!(off <= worst)) worst = off;
    }
    r->facts.error = (double)worst;
    r->facts.below = (double)mzv_inverse_root_value(r, 0);
    r->facts.largest = fmax(r->facts.below, fabs(r->affine.shift));
}

static mzv_status check(const mzv_inverse_root_spec *s) {
    if (!(s->lo > 0 && s->hi > s->lo && s->hi <= MAX_RATIO * s->lo && isfinite(s->hi)))
        return mzv_fail(MZV_ERR_ARGUMENT, "inverse root: interval [%g, %g], need 0 < lo < hi <= 2^20 lo",
                        s->lo, s->hi);
    if (!(s->gain > 0 && isfinite(s->gain)))
        return mzv_fail(MZV_ERR_ARGUMENT, "inverse root: gain %g, need a positive one", s->gain);
    if (!(s->target < 1))
        return mzv_fail(MZV_ERR_ARGUMENT, "inverse root: target %g, need below 1", s->target);
    if (s->target < MIN_TARGET)
        return mzv_fail(MZV_ERR_PRECISION, "inverse root: target %g, need at least %g", s->target,
                        MIN_TARGET);
    if (s->steps != MZV_INVERSE_ROOT_AUTO && s->steps > MZV_INVERSE_ROOT_MAX_STEPS)
        return mzv_fail(MZV_ERR_ARGUMENT, "inverse root: %u steps, at most %u", s->steps,
                        MZV_INVERSE_ROOT_MAX_STEPS);
    if (s->recipe != MZV_INVERSE_ROOT_BEST && s->recipe != MZV_INVERSE_ROOT_NEXUS)
        return mzv_fail(MZV_ERR_ARGUMENT, "inverse root: recipe %d, need %d or %d", (int)s->recipe,
                        (int)MZV_INVERSE_ROOT_BEST, (int)MZV_INVERSE_ROOT_NEXUS);
    return MZV_OK;
}

mzv_status mzv_inverse_root_create(mzv_inverse_root **out, const mzv_inverse_root_spec *spec) {
    mzv_inverse_root *r = NULL;
    MZV_TRY(check(spec));
    MZV_TRY(MZV_NEW(&r, 1, "inverse root"));
    r->spec = *spec;
    r->affine = mzv_affine_unit(spec->lo, spec->hi);
    mzv_status status = MZV_NEW(&r->coeff, MAX_NODES, "inverse root: coefficients");
    if (status == MZV_OK) status = plan(r);
    /* the plan holds for the coefficients as scaled: they decide nothing but values */
    if (status == MZV_OK) {
        mzv_polynomial_destroy(r->p);
        r->p = NULL;
        status = mzv_polynomial_create(&r->p, r->coeff, r->facts.degree);
    }
    if (status != MZV_OK) {
        mzv_inverse_root_destroy(r);
        return status;
    }
    measure(r);
    *out = r;
    return MZV_OK;
}

void mzv_inverse_root_destroy(mzv_inverse_root *root) {
    if (!root) return;
    mzv_polynomial_destroy(root->p);
    mzv_free(root->coeff);
    mzv_free(root);
}

const mzv_inverse_root_facts *mzv_inverse_root_about(const mzv_inverse_root *root) { return &root->facts; }
mzv_affine mzv_inverse_root_affine(const mzv_inverse_root *root) { return root->affine; }
uint32_t mzv_inverse_root_levels(const mzv_inverse_root *root) { return root->facts.levels; }

static long double at(mzv_affine u, long double t) { return (long double)u.scale * t + (long double)u.shift; }

long double mzv_inverse_root_value(const mzv_inverse_root *r, long double x) {
    const long double t = at(r->affine, x);
    long double w = mzv_chebyshev_value(r->coeff, r->facts.degree, t);
    for (uint32_t k = 0; k < r->facts.steps; k++) w += at(r->negative_x[k], t) * w * w * w;
    long double s = at(r->half_x, t) * w;
    for (uint32_t k = 0; k < r->facts.goldschmidt; k++) {
        const long double f = 1.5L - s * w;
        w *= f;
        s *= f;
    }
    return w;
}

/* ------------------------------------------------------------------ runs */

mzv_status mzv_inverse_root_request(const mzv_inverse_root *root, mzv_key_request *request, uint32_t level) {
    if (level == 0) return mzv_fail(MZV_ERR_LEVEL, "inverse root: level 0, need %u", root->facts.levels);
    return mzv_request_relinearize(request, level);
}

/* A run: t, refreshed at most once, and w, which has room for `top`. */
typedef struct run {
    mzv_evaluator *ev;
    const mzv_inverse_root *root;
    const mzv_cipher *t, *n; /* n NULL: no product */
    mzv_cipher fresh_t, w;
} run;

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* What a value wants above a part of `own` levels: all of the `rest`, the part included, or as much as leaves
 * it where refreshing takes it. */
static uint32_t need_of(const run *r, uint32_t own, uint32_t rest) {
    return r->ev->refresh ? least(rest, own + r->ev->refresh->in_level) : rest;
}

/* w at `need` or above, refreshed in place. */
static mzv_status lift(run *r, uint32_t need) {
    mzv_cipher room;
    const mzv_cipher *view;
    const size_t mark = mzv_ev_mark(r->ev);
    MZV_TRY(mzv_circuit_fresh(r->ev, &view, &room, &r->w, need));
    if (view != &r->w) MZV_TRY(mzv_copy(r->ev, &r->w, view));
    mzv_ev_release(r->ev, mark);
    return MZV_OK;
}

/* t at `need` or above. */
static mzv_status lift_t(run *r, uint32_t need) {
    return mzv_circuit_fresh(r->ev, &r->t, &r->fresh_t, r->t, need);
}

/* w dropped to `level` in place, where it is higher. */
static mzv_status cap(run *r, uint32_t level) {
    return r->w.level <= level ? MZV_OK : mzv_drop(r->ev, &r->w, &r->w, level);
}

/* out, taken at `level`, = u of t. */
static mzv_status x_at(run *r, mzv_cipher *out, mzv_affine u, uint32_t level) {
    mzv_cipher room;
    const mzv_cipher *view;
    MZV_TRY(mzv_ev_take(r->ev, out, level, r->t->batch));
    const size_t mark = mzv_ev_mark(r->ev);
    MZV_TRY(mzv_circuit_at(r->ev, &view, &room, r->t, level + 1));
    MZV_TRY(mzv_combine(r->ev, out, &view, &u.scale, 1, u.shift));
    mzv_ev_release(r->ev, mark);
    return MZV_OK;
}

/* out = a b at the lower level of both, one down; taken. */
static mzv_status product(run *r, mzv_cipher *out, const mzv_cipher *a, const mzv_cipher *b) {
    const uint32_t level = least(a->level, b->level);
    mzv_cipher room[2];
    const mzv_cipher *x, *y;
    MZV_TRY(mzv_ev_take(r->ev, out, level - 1, a->batch));
    const size_t mark = mzv_ev_mark(r->ev);
    MZV_TRY(mzv_circuit_at(r->ev, &x, &room[0], a, level));
    MZV_TRY(mzv_circuit_at(r->ev, &y, &room[1], b, level));
    MZV_TRY(mzv_mul(r->ev, out, x, y));
    mzv_ev_release(r->ev, mark);
    return MZV_OK;
}

/* w = w + (-X w) w^2, two levels of the `rest` that w still needs. */
static mzv_status step(run *r, uint32_t k, uint32_t rest) {
    const uint32_t need = need_of(r, 2, rest);
    mzv_cipher x, xw, square;
    MZV_TRY(lift(r, need));
    MZV_TRY(lift_t(r, need + 1));
    MZV_TRY(cap(r, r->t->level - 1));
    const size_t mark = mzv_ev_mark(r->ev);
    MZV_TRY(x_at(r, &x, r->root->negative_x[k], r->w.level));
    MZV_TRY(product(r, &xw, &x, &r->w));
    MZV_TRY(product(r, &square, &r->w, &r->w));
    MZV_TRY(mzv_mul(r->ev, &xw, &xw, &square));
    MZV_TRY(mzv_drop(r->ev, &r->w, &r->w, xw.level));
    MZV_TRY(mzv_add(r->ev, &r->w, &r->w, &xw));
    mzv_ev_release(r->ev, mark);
    return MZV_OK;
}

/* out = n w + (-X n w) w^2 = n (w - X w^3). */
static mzv_status last_step_and_product(run *r, mzv_cipher *out) {
    mzv_cipher x, xn, xnw, square, room[2];
    const mzv_cipher *left[2], *right[2];
    MZV_TRY(lift(r, 2));
    MZV_TRY(lift_t(r, 4));
    MZV_TRY(cap(r, least(r->t->level - 2, r->n->level - 1)));
    MZV_TRY(x_at(r, &x, r->root->negative_x[r->root->facts.steps - 1], r->w.level + 1));
    MZV_TRY(product(r, &xn, &x, r->n));
    MZV_TRY(product(r, &xnw, &xn, &r->w));
    MZV_TRY(product(r, &square, &r->w, &r->w));
    MZV_TRY(mzv_circuit_at(r->ev, &left[0], &room[0], r->n, square.level));
    MZV_TRY(mzv_circuit_at(r->ev, &right[0], &room[1], &r->w, square.level));
    left[1] = &xnw;
    right[1] = &square;
    return mzv_dot(r->ev, out, left, right, 2);
}

/* f = 3/2 - s w, w <- w f, s <- s f, from s = x w / (2 gain^2); the last w f, or (n w) f, goes to out. */
static mzv_status goldschmidt(run *r, mzv_cipher *out) {
    const uint32_t count = r->root->facts.goldschmidt, need = 1 + 2 * count;
    mzv_cipher s, f, nw;
    MZV_TRY(lift(r, need));
    MZV_TRY(lift_t(r, need + 1));
    MZV_TRY(cap(r, r->t->level - 1));
    MZV_TRY(x_at(r, &f, r->root->half_x, r->w.level));
    MZV_TRY(product(r, &s, &f, &r->w));
    for (uint32_t k = 0; k < count; k++) {
        const bool last = k + 1 == count;
        const size_t mark = mzv_ev_mark(r->ev);
        if (last && r->n) MZV_TRY(cap(r, r->n->level));
        MZV_TRY(product(r, &f, &s, &r->w));
        MZV_TRY(mzv_negate(r->ev, &f, &f));
        MZV_TRY(mzv_add_const(r->ev, &f, &f, 1.5));
        const uint32_t level = f.level;
        if (last && r->n) {
            MZV_TRY(cap(r, level + 1));
            MZV_TRY(product(r, &nw, &r->w, r->n));
            return mzv_mul(r->ev, out, &nw, &f);
        }
        MZV_TRY(cap(r, level));
        if (last) return mzv_mul(r->ev, out, &r->w, &f);
        MZV_TRY(mzv_mul(r->ev, &r->w, &r->w, &f));
        MZV_TRY(mzv_drop(r->ev, &s, &s, level));
        MZV_TRY(mzv_mul(r->ev, &s, &s, &f));
        mzv_ev_release(r->ev, mark);
    }
    return MZV_OK;
}

static mzv_status run_all(run *r, mzv_cipher *out) {
    const mzv_inverse_root_facts *facts = &r->root->facts;
    const mzv_refresh *refresh = r->ev->refresh;
    const uint32_t start = mzv_polynomial_levels(r->root->p), cubic = facts->steps;
    const bool merge = r->n && facts->goldschmidt == 0 && cubic > 0;
    mzv_cipher ny;
    /* one refresh of t that carries everything, or one for each part */
    const uint32_t whole = r->n ? facts->apply_levels : facts->levels;
    uint32_t rest = whole - start;
    MZV_TRY(lift_t(r, refresh && refresh->out_level < whole ? need_of(r, start, whole) : whole));
    const uint32_t top = refresh && refresh->out_level > r->t->level ? refresh->out_level : r->t->level;
    MZV_TRY(mzv_ev_take(r->ev, &r->w, top, r->t->batch));
    MZV_TRY(mzv_polynomial_run(r->ev, &r->w, r->t, r->root->p));
    for (uint32_t k = 0; k < (merge ? cubic - 1 : cubic); k++, rest -= 2) MZV_TRY(step(r, k, rest));
    if (facts->goldschmidt > 0) return goldschmidt(r, out);
    if (merge) return last_step_and_product(r, out);
    if (!r->n) return mzv_copy(r->ev, out, &r->w);
    MZV_TRY(lift(r, 1));
    MZV_TRY(product(r, &ny, &r->w, r->n));
    return mzv_copy(r->ev, out, &ny);
}

static mzv_status run_with(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *n, const mzv_cipher *t,
                           const mzv_inverse_root *root) {
    const uint32_t need = n ? root->facts.apply_levels : root->facts.levels;
    run r = { .ev = ev, .root = root, .t = t, .n = n };
    if (!ev->refresh) MZV_TRY(mzv_circuit_need("inverse root", t, need));
    if (n) MZV_TRY(mzv_circuit_need("inverse root: n", n, root->facts.apply_needs));
    const size_t mark = mzv_ev_mark(ev);
    const mzv_status status = run_all(&r, out);
    mzv_ev_release(ev, mark);
    return status;
}

mzv_status mzv_inverse_root_run(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *t,
                                const mzv_inverse_root *root) {
    return run_with(ev, out, NULL, t, root);
}

mzv_status mzv_inverse_root_apply(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *n,
                                  const mzv_cipher *t, const mzv_inverse_root *root) {
    return run_with(ev, out, n, t, root);
}
