/* Softmax: what the methods share. */
#include "circuit/softmax.h"

#include <math.h>

#include "base/arena.h"
#include "base/try.h"
#include "circuit/softmax_inside.h"

#define MAX_WIDTH 512.0
#define MAX_COUNT 4096u

/* ---- specification ---- */

static mzv_status check_layout(const mzv_softmax_spec *s) {
    const uint64_t period = (uint64_t)s->stride * s->group;
    if (s->count < 2 || s->count > MAX_COUNT || s->group < s->count)
        return mzv_fail(MZV_ERR_ARGUMENT, "softmax: %u positions in groups of %u, need 2 to %u in as many",
                        s->count, s->group, MAX_COUNT);
    if (s->stride == 0 || s->n_slots == 0 || s->n_slots % period != 0)
        return mzv_fail(MZV_ERR_ARGUMENT, "softmax: groups of %u, %u slots apart, do not divide %u slots",
                        s->group, s->stride, s->n_slots);
    return MZV_OK;
}

static mzv_status check(const mzv_softmax_spec *s) {
    MZV_TRY(check_layout(s));
    if (!(isfinite(s->lo) && isfinite(s->hi) && s->lo < s->hi && s->hi - s->lo <= MAX_WIDTH))
        return mzv_fail(MZV_ERR_ARGUMENT, "softmax: scores in [%g, %g], need lo < hi <= lo + %g", s->lo,
                        s->hi, MAX_WIDTH);
    if (!(s->target >= 0x1p-30 && s->target <= 0.25))
        return mzv_fail(MZV_ERR_ARGUMENT, "softmax: target %g, need 2^-30 to 1/4", s->target);
    if (!(s->noise >= 0 && s->noise <= 0x1p-8))
        return mzv_fail(MZV_ERR_ARGUMENT, "softmax: noise %g, need 0 to 2^-8", s->noise);
    if (s->mask != MZV_SOFTMAX_ALL && s->mask != MZV_SOFTMAX_CLEAR && s->mask != MZV_SOFTMAX_HIDDEN)
        return mzv_fail(MZV_ERR_ARGUMENT, "softmax: mask kind %d, need 0 to 2", (int)s->mask);
    return MZV_OK;
}

static mzv_status plan(mzv_softmax *s) {
    switch (s->spec.method) {
    case MZV_SOFTMAX_DEFAULT:
        return mzv_softmax_plan_default(s);
    case MZV_SOFTMAX_SQUARE:
        return mzv_softmax_plan_square(s);
    case MZV_SOFTMAX_NEXUS:
        return mzv_softmax_plan_nexus(s);
    }
    return mzv_fail(MZV_ERR_ARGUMENT, "softmax: method %d, need 0 to 2", (int)s->spec.method);
}

/* ---- facts ---- */

static uint32_t larger(uint32_t a, uint32_t b) { return a > b ? a : b; }

/* Levels and key switches of what comes before the divisions. */
static void front_cost(mzv_softmax *s) {
    mzv_softmax_facts *f = &s->facts;
    const uint32_t hidden = s->spec.mask == MZV_SOFTMAX_HIDDEN ? 1 : 0;
    f->levels = 1 + hidden; /* place */
    f->n_key_switch = hidden;
    if (s->exp) {
        f->deepest = mzv_exp_levels(s->exp);
        f->levels += f->deepest;
        f->n_key_switch += mzv_exp_about(s->exp)->n_key_switch;
        return;
    }
    const mzv_quickmax_facts *max = mzv_quickmax_about(s->max);
    const uint32_t spread = s->groups.selects ? 1 : 0;
    f->deepest = 1 + hidden;
    f->levels += max->levels + spread + 1 + hidden + f->squarings;
    f->n_key_switch += max->n_key_switch + f->squarings + hidden;
    if (spread) f->n_key_switch += mzv_groups_key_switches(&s->groups) - max->rounds;
}

static void set_cost(mzv_softmax *s) {
    mzv_softmax_facts *f = &s->facts;
    front_cost(s);
    for (uint32_t i = 0; i < f->n_divisions; i++) {
        mzv_division *d = &s->division[i];
        mzv_division_cost(d, &s->groups);
        f->doublings[i] = d->doublings;
        f->levels += d->levels;
        f->deepest = larger(f->deepest, d->levels);
        f->n_key_switch += d->n_key_switch;
    }
}

/* ---- what the circuit computes ---- */

static void exp_value(const mzv_softmax *s, long double *y, const double *x, const bool *alive) {
    const double halved = ldexp(1, -(int)s->facts.rounds);
    for (uint32_t j = 0; j < s->spec.count; j++) {
        const long double z = ((long double)x[j] - s->spec.hi) * halved;
        y[j] = !alive || alive[j] ? mzv_exp_value(s->exp, z) : 0;
    }
}

void mzv_softmax_value(const mzv_softmax *s, long double *p, const double *x, const bool *alive) {
    if (s->exp)
        exp_value(s, p, x, alive);
    else
        mzv_softmax_nexus_value(s, p, x, alive);
    for (uint32_t i = 0; i < s->facts.n_divisions; i++) mzv_division_value(&s->division[i], p, s->spec.count);
}

static void exact(long double *p, const double *x, const bool *alive, uint32_t n) {
    long double top = -INFINITY, sum = 0;
    for (uint32_t j = 0; j < n; j++)
        if ((!alive || alive[j]) && x[j] > top) top = x[j];
    for (uint32_t j = 0; j < n; j++) {
        p[j] = !alive || alive[j] ? expl(x[j] - top) : 0;
        sum += p[j];
    }
    for (uint32_t j = 0; j < n; j++) p[j] /= sum;
}

/* ---- the measured error ---- */

/* Rows that are hard: `many` scores at the height `v` of the interval, from 0 to 1, the others lower by
 * `gap`, or at the lower end; and all of them spread evenly below v. */
typedef struct hard_row {
    double v, gap;
    uint32_t many;
    bool spread;
} hard_row;

static void fill_row(double *x, const mzv_softmax_spec *s, const hard_row *row) {
    const double top = s->lo + row->v * (s->hi - s->lo);
    for (uint32_t j = 0; j < s->count; j++) {
        const double down = row->spread ? row->gap * j / (s->count - 1) : j < row->many ? 0 : row->gap;
        x[j] = fmax(s->lo, top - down);
    }
}

/* p, q: what the circuit computes and the exact probabilities, of x. */
typedef struct measurement {
    double *x;
    long double *p, *q;
    bool *alive;
} measurement;

static void measure_row(mzv_softmax *s, const hard_row *row, const measurement *m, const bool *alive) {
    fill_row(m->x, &s->spec, row);
    mzv_softmax_value(s, m->p, m->x, alive);
    exact(m->q, m->x, alive, s->spec.count);
    for (uint32_t j = 0; j < s->spec.count; j++)
        s->facts.error = fmax(s->facts.error, (double)fabsl(m->p[j] - m->q[j]));
}

/* Fewer than all are alive: one row of each number, at heights across the interval. */
static void measure_masked(mzv_softmax *s, const measurement *m) {
    for (uint32_t kept = 1; kept < s->spec.count; kept *= 2)
        for (uint32_t v = 0; v <= 8; v++) {
            const hard_row row = { v / 8.0, 1, 1, false };
            for (uint32_t j = 0; j < s->spec.count; j++) m->alive[j] = j < kept;
            measure_row(s, &row, m, m->alive);
        }
}

static void measure_rows(mzv_softmax *s, const measurement *m) {
    static const double gaps[] = { 0, 0.25, 0.5, 1, 1.5, 2, 3, 4, 6, 10, 20, MAX_WIDTH };
    for (uint32_t v = 0; v <= 16; v++)
        for (size_t g = 0; g < sizeof gaps / sizeof gaps[0]; g++) {
            hard_row row = { v / 16.0, gaps[g], 1, false };
            for (; row.many < s->spec.count; row.many *= 4) measure_row(s, &row, m, NULL);
            row.spread = true;
            measure_row(s, &row, m, NULL);
        }
    if (s->spec.mask != MZV_SOFTMAX_ALL) measure_masked(s, m);
}

static mzv_status measure(mzv_softmax *s) {
    const size_t n = s->spec.count;
    measurement m = { NULL, NULL, NULL, NULL };
    mzv_status status = MZV_NEW(&m.x, n, "softmax: scores");
    if (status == MZV_OK) status = MZV_NEW(&m.p, n, "softmax: probabilities");
    if (status == MZV_OK) status = MZV_NEW(&m.q, n, "softmax: probabilities");
    if (status == MZV_OK) status = MZV_NEW(&m.alive, n, "softmax: mask");
    if (status == MZV_OK) measure_rows(s, &m);
    mzv_free(m.alive);
    mzv_free(m.q);
    mzv_free(m.p);
    mzv_free(m.x);
    return status;
}

/* ---- life ---- */

static mzv_status create(mzv_softmax *s) {
    MZV_TRY(mzv_groups_make(&s->groups, &s->spec));
    MZV_TRY(plan(s));
    set_cost(s);
    MZV_TRY(measure(s));
    if (s->facts.error <= s->spec.target) return MZV_OK;
    return mzv_fail(MZV_ERR_PRECISION, "softmax: error %.3g on [%g, %g], need %.3g: raise the target",
                    s->facts.error, s->spec.lo, s->spec.hi, s->spec.target);
}

mzv_status mzv_softmax_create(mzv_softmax **out, const mzv_softmax_spec *spec) {
    mzv_softmax *s = NULL;
    MZV_TRY(check(spec));
    MZV_TRY(MZV_NEW(&s, 1, "softmax"));
    s->spec = *spec;
    const mzv_status status = create(s);
    if (status == MZV_OK)
        *out = s;
    else
        mzv_softmax_destroy(s);
    return status;
}

void mzv_softmax_destroy(mzv_softmax *s) {
    if (!s) return;
    for (uint32_t i = 0; i <= MZV_SOFTMAX_MAX_ROUNDS; i++) mzv_polynomial_destroy(s->division[i].root);
    mzv_quickmax_destroy(s->max);
    mzv_exp_destroy(s->exp);
    mzv_free(s);
}

const mzv_softmax_facts *mzv_softmax_about(const mzv_softmax *s) { return &s->facts; }
uint32_t mzv_softmax_levels(const mzv_softmax *s) { return s->facts.levels; }

/* ---- running ---- */

uint32_t mzv_divisions_levels(const mzv_softmax *s, uint32_t first) {
    uint32_t n = 0;
    for (uint32_t i = first; i < s->facts.n_divisions; i++) n += s->division[i].levels;
    return n;
}

/* Where the levels suffice nothing is refreshed, and the first sum lies below the exponential. */
static uint32_t first_sum_level(const mzv_softmax *s, uint32_t level) {
    const uint32_t hidden = s->spec.mask == MZV_SOFTMAX_HIDDEN ? 1 : 0;
    if (level < s->facts.levels) return level;
    return s->exp ? level - 1 - hidden - mzv_exp_levels(s->exp) : level - 1 - hidden;
}

mzv_status mzv_softmax_request(const mzv_softmax *s, mzv_key_request *request, uint32_t level) {
    const uint32_t hidden = s->spec.mask == MZV_SOFTMAX_HIDDEN ? 1 : 0;
    if (level < 1 + hidden) return mzv_fail(MZV_ERR_LEVEL, "softmax: level %u, need %u", level, 1 + hidden);
    if (s->max) MZV_TRY(mzv_quickmax_request(s->max, request, first_sum_level(s, level)));
    MZV_TRY(mzv_request_relinearize(request, level));
    return mzv_groups_request(&s->groups, request, first_sum_level(s, level));
}

static mzv_status run_exp(mzv_evaluator *ev, mzv_cipher *y, const mzv_cipher *x, const mzv_softmax_mask *mask,
                          const mzv_softmax *s) {
    MZV_TRY(mzv_softmax_place(ev, y, x, mask, s));
    MZV_TRY(mzv_softmax_fresh(ev, y, mzv_exp_levels(s->exp), mzv_divisions_levels(s, 0)));
    MZV_TRY(mzv_exp_run(ev, y, y, s->exp));
    return mzv_softmax_bury(ev, y, mask, s);
}

/* y has room for every level that it may come to. */
static mzv_status run(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *x, const mzv_softmax_mask *mask,
                      const mzv_softmax *s) {
    mzv_cipher y;
    const uint32_t up = ev->refresh ? ev->refresh->out_level : 0;
    MZV_TRY(mzv_ev_take(ev, &y, larger(x->level, up), x->batch));
    if (s->exp)
        MZV_TRY(run_exp(ev, &y, x, mask, s));
    else
        MZV_TRY(mzv_softmax_nexus_run(ev, &y, x, mask, s));
    for (uint32_t i = 0; i < s->facts.n_divisions; i++) {
        MZV_TRY(mzv_softmax_fresh(ev, &y, s->division[i].levels, mzv_divisions_levels(s, i + 1)));
        MZV_TRY(mzv_division_run(ev, &y, &s->division[i], &s->groups));
    }
    return mzv_copy(ev, out, &y);
}

static mzv_status check_run(const mzv_evaluator *ev, const mzv_cipher *x, const mzv_softmax_mask *mask,
                            const mzv_softmax *s) {
    const bool hidden = s->spec.mask == MZV_SOFTMAX_HIDDEN;
    if (ev->n_slots != s->spec.n_slots)
        return mzv_fail(MZV_ERR_ARGUMENT, "softmax: planned for %u slots, found %u", s->spec.n_slots,
                        ev->n_slots);
    if (hidden && (!mask || !mask->cipher))
        return mzv_fail(MZV_ERR_ARGUMENT, "softmax: the mask's ciphertext is missing");
    if (s->spec.mask == MZV_SOFTMAX_CLEAR && (!mask || !mask->alive))
        return mzv_fail(MZV_ERR_ARGUMENT, "softmax: the mask's slots are missing");
    if (hidden) MZV_TRY(mzv_circuit_need("softmax: mask", mask->cipher, x->level));
    return mzv_circuit_need("softmax", x, hidden ? 2 : 1);
}

mzv_status mzv_softmax_run(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *x,
                           const mzv_softmax_mask *mask, const mzv_softmax *s) {
    MZV_TRY(check_run(ev, x, mask, s));
    const size_t mark = mzv_ev_mark(ev);
    const mzv_status status = run(ev, out, x, mask, s);
    mzv_ev_release(ev, mark);
    return status;
}
