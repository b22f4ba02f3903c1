/* NEXUS's softmax [ZYH+25], right over the whole interval: QuickMax, a power for exp, Goldschmidt's 1/S. */
#include <math.h>

#include "base/arena.h"
#include "base/try.h"
#include "circuit/softmax_inside.h"

#define NEXUS_SQUARINGS 6
#define MAX_ERROR 0.25 /* of QuickMax, which probabilities do not see */

static mzv_status make_max(mzv_softmax *s) {
    const mzv_softmax_spec *spec = &s->spec;
    const mzv_quickmax_spec max = { .lo = spec->lo,
                                    .hi = spec->hi,
                                    .target = fmin(MAX_ERROR, (spec->hi - spec->lo) / 8),
                                    .noise = spec->noise > 0 ? spec->noise : 0x1p-26,
                                    .recipe = MZV_SIGN_NEXUS,
                                    .fold = s->groups.fold };
    MZV_TRY(mzv_quickmax_create(&s->max, &max));
    s->input = mzv_quickmax_affine(s->max);
    s->dead = s->input.scale * spec->lo + s->input.shift;
    return MZV_OK;
}

/* (1 + x / 2^r)^(2^r) = exp(x - x^2 / 2^(r+1) + ..), so a probability is off by about p (1 - p) times the
 * difference of x^2 / 2^(r+1) between the scores that share the sum. At its worst one is at the top and n - 1
 * at x, with q = (n - 1) exp(x) their share to its: 2^-r times the maximum over x of x^2 / 2 q / (1 + q)^2.
 */
static double power_error(const mzv_softmax *s, double raise) {
    const double width = s->spec.hi - s->spec.lo;
    double worst = 0;
    for (double x = 0; x <= width; x += 0x1p-6) {
        const double q = (s->spec.count - 1) * exp(-x), far = x + 2 * raise;
        worst = fmax(worst, far * far / 2 * q / ((1 + q) * (1 + q)));
    }
    return worst;
}

/* r: the base stays above 0 on the interval and two errors of the maximum; half the target is for the power.
 */
static void set_power(mzv_softmax *s, double raise) {
    const double width = s->spec.hi - s->spec.lo + 2 * raise, error = power_error(s, raise);
    uint32_t r = NEXUS_SQUARINGS;
    while (ldexp(1, (int)r) < width || error > ldexp(s->spec.target / 2, (int)r)) r++;
    const double scale = ldexp(mzv_quickmax_back(s->max).scale, -(int)r);
    s->base = (mzv_affine) { scale, 1 - ldexp(raise, -(int)r) };
    s->facts.squarings = r;
}

/* Sums: the largest score is off by at most twice the error of the maximum. */
static void set_division(mzv_softmax *s, double raise) {
    mzv_division *d = &s->division[0];
    const long double base = 1 - ldexpl(2 * (long double)raise, -(int)s->facts.squarings);
    d->gain = 1;
    d->boost = 1;
    d->lo = (double)powl(base, ldexpl(1, (int)s->facts.squarings));
    d->hi = (double)s->groups.room * s->spec.count;
    mzv_division_goldschmidt(d, s->spec.target / 4);
    s->facts.n_divisions = 1;
}

mzv_status mzv_softmax_plan_nexus(mzv_softmax *s) {
    MZV_TRY(make_max(s));
    const mzv_quickmax_facts *max = mzv_quickmax_about(s->max);
    set_power(s, max->error);
    set_division(s, max->error);
    s->facts.rounds = max->rounds;
    s->facts.exp_degree = 1;
    /* A squaring doubles relative noise; 1/S of Goldschmidt multiplies it by hi / lo. */
    s->facts.noise_gain = ldexp(1, (int)s->facts.squarings) + s->division[0].hi / s->division[0].lo;
    return MZV_OK;
}

/* ---- value ---- */

/* The maximum as position 0 of the group finds it, other groups' slots at lo. */
static mzv_status max_value(const mzv_softmax *s, long double *m, const double *x, const bool *alive) {
    const mzv_groups *g = &s->groups;
    const bool cyclic = g->room == 1 && !g->selects;
    const int64_t length = cyclic ? g->group : 4 * (int64_t)g->group,
                  zero = cyclic ? 0 : 2 * (int64_t)g->group;
    long double *v = NULL, *w = NULL;
    MZV_TRY(MZV_NEW(&v, 2 * (size_t)length, "softmax: maxima"));
    w = v + length;
    for (int64_t i = 0; i < length; i++) {
        const int64_t j = i - zero;
        v[i] = j >= 0 && j < g->count && (!alive || alive[j]) ? x[j] : s->spec.lo;
    }
    for (uint32_t r = 0; r < g->fold.n_rounds; r++) {
        const int64_t step = g->fold.steps[r][0] / (int64_t)g->stride;
        for (int64_t i = 0; i < length; i++)
            w[i] = mzv_max_value(mzv_quickmax_max(s->max), v[i], v[((i + step) % length + length) % length]);
        long double *const t = v;
        v = w;
        w = t;
    }
    *m = v[zero];
    mzv_free(v < w ? v : w);
    return MZV_OK;
}

mzv_status mzv_softmax_nexus_value(const mzv_softmax *s, long double *y, const double *x, const bool *alive) {
    long double m = 0;
    MZV_TRY(max_value(s, &m, x, alive));
    for (uint32_t j = 0; j < s->spec.count; j++) {
        y[j] = (long double)s->base.scale * s->input.scale * (x[j] - m) + s->base.shift;
        for (uint32_t i = 0; i < s->facts.squarings; i++) y[j] *= y[j];
        if (alive && !alive[j]) y[j] = 0;
    }
    return MZV_OK;
}

/* ---- run ---- */

/* *y = v - m, both at one level. */
static mzv_status below_max(mzv_evaluator *ev, mzv_cipher *y, const mzv_cipher *v, mzv_cipher *m,
                            const mzv_softmax *s) {
    const uint32_t need = s->spec.mask == MZV_SOFTMAX_HIDDEN ? 2 : 1;
    mzv_cipher room, low[2];
    const mzv_cipher *fresh, *a, *b;
    if (s->groups.selects) {
        MZV_TRY(mzv_softmax_fresh(ev, m, 1));
        MZV_TRY(mzv_groups_spread(ev, m, &s->groups, 1));
    }
    MZV_TRY(mzv_softmax_fresh(ev, m, need));
    MZV_TRY(mzv_circuit_fresh(ev, &fresh, &room, v, need));
    const uint32_t level = fresh->level < m->level ? fresh->level : m->level;
    MZV_TRY(mzv_circuit_at(ev, &a, &low[0], fresh, level));
    MZV_TRY(mzv_circuit_at(ev, &b, &low[1], m, level));
    return mzv_sub(ev, y, a, b);
}

static mzv_status run_base(mzv_evaluator *ev, mzv_cipher *y, const mzv_cipher *x,
                           const mzv_softmax_mask *mask, const mzv_softmax *s) {
    mzv_cipher v, m;
    MZV_TRY(mzv_ev_take(ev, &v, x->level, x->batch));
    MZV_TRY(mzv_ev_take(ev, &m, y->capacity - 1, x->batch));
    MZV_TRY(mzv_softmax_place(ev, &v, x, mask, s));
    MZV_TRY(mzv_quickmax_run(ev, &m, &v, s->max));
    MZV_TRY(below_max(ev, y, &v, &m, s));
    return mzv_softmax_keep(ev, y, y, s->base, mask, s);
}

mzv_status mzv_softmax_nexus_run(mzv_evaluator *ev, mzv_cipher *y, const mzv_cipher *x,
                                 const mzv_softmax_mask *mask, const mzv_softmax *s) {
    const size_t mark = mzv_ev_mark(ev);
    const mzv_status status = run_base(ev, y, x, mask, s);
    mzv_ev_release(ev, mark);
    MZV_TRY(status);
    for (uint32_t i = 0; i < s->facts.squarings; i++) {
        MZV_TRY(mzv_softmax_fresh(ev, y, 1));
        MZV_TRY(mzv_mul(ev, y, y, y));
    }
    return MZV_OK;
}
