/* NEXUS's softmax [ZYH+25], right over the whole interval: QuickMax, a power for exp, Goldschmidt's 1/S. */
#include <math.h>

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

typedef struct row {
    const mzv_softmax *s;
    const double *x;
    const bool *alive;
} row;

/* Position j, counted from the start of its group; other groups' slots are taken to hold lo. */
static long double score(const row *w, int64_t j) {
    const mzv_groups *g = &w->s->groups;
    if (g->room == 1 && !g->selects) j &= (int64_t)g->count - 1; /* cyclic: a power of two */
    const bool data = j >= 0 && j < g->count && (!w->alive || w->alive[j]);
    return data ? w->x[j] : w->s->spec.lo;
}

/* What position j holds after n_rounds of the fold. */
static long double folded(const row *w, uint32_t n_rounds, int64_t j) {
    if (n_rounds == 0) return score(w, j);
    const int64_t step = w->s->groups.fold.steps[n_rounds - 1][0] / (int64_t)w->s->groups.stride;
    return mzv_max_value(mzv_quickmax_max(w->s->max), folded(w, n_rounds - 1, j),
                         folded(w, n_rounds - 1, j + step));
}

/* Position 0's maximum stands for those of all. */
void mzv_softmax_nexus_value(const mzv_softmax *s, long double *y, const double *x, const bool *alive) {
    const row w = { s, x, alive };
    const long double m = folded(&w, s->groups.fold.n_rounds, 0);
    for (uint32_t j = 0; j < s->spec.count; j++) {
        y[j] = (long double)s->base.scale * s->input.scale * (x[j] - m) + s->base.shift;
        for (uint32_t i = 0; i < s->facts.squarings; i++) y[j] *= y[j];
        if (alive && !alive[j]) y[j] = 0;
    }
}

/* ---- run ---- */

/* *y = v - m, both at one level. */
static mzv_status below_max(mzv_evaluator *ev, mzv_cipher *y, const mzv_cipher *v, mzv_cipher *m,
                            const mzv_softmax *s) {
    const uint32_t base = s->spec.mask == MZV_SOFTMAX_HIDDEN ? 2 : 1;
    const uint32_t rest = s->facts.squarings + mzv_divisions_levels(s, 0);
    const uint32_t need = base + (ev->refresh && m->level < base + rest ? ev->refresh->in_level : 0);
    mzv_cipher room, low[2];
    const mzv_cipher *fresh, *a, *b;
    if (s->groups.selects) {
        MZV_TRY(mzv_softmax_fresh(ev, m, 1, base + rest));
        MZV_TRY(mzv_groups_spread(ev, m, &s->groups, 1));
    }
    MZV_TRY(mzv_softmax_fresh(ev, m, base, rest));
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
        MZV_TRY(mzv_softmax_fresh(ev, y, 1, s->facts.squarings - i - 1 + mzv_divisions_levels(s, 0)));
        MZV_TRY(mzv_mul(ev, y, y, y));
    }
    return MZV_OK;
}
