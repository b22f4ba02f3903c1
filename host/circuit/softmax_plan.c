/* Plans of the two methods that normalise and square: how often to halve, how accurate each division has to
 * be, and at what size values are kept. */
#include <math.h>

#include "base/try.h"
#include "circuit/softmax_inside.h"

/* Of an exponential over [-w, 0], for halvings 2^j with w = (hi - lo) / 2^j. */
static double width_of(const mzv_softmax *s, uint32_t rounds) {
    return ldexp(s->spec.hi - s->spec.lo, -(int)rounds);
}

/* The least number of data in a group. */
static double fewest(const mzv_softmax *s) { return s->spec.mask == MZV_SOFTMAX_ALL ? s->spec.count : 1; }

/* A relative error e of exp(x / 2^j) is one of 2^j e of its power, and of a probability at most half of that:
 * this much leaves half the target to the division. Everything counts relatively, down to the lower end. */
static mzv_status make_exp(mzv_exp **out, const mzv_softmax *s, uint32_t rounds, double weight) {
    const double w = width_of(s, rounds), target = ldexp(s->spec.target, -(int)rounds);
    const mzv_exp_spec spec = { -w, 0, -w, fmin(target, 0.25), log(weight), MZV_EXP_AUTO };
    return mzv_exp_create(out, &spec);
}

static mzv_status adopt_exp(mzv_softmax *s, uint32_t rounds, double weight) {
    MZV_TRY(make_exp(&s->exp, s, rounds, weight));
    s->input = mzv_affine_unit(s->spec.lo, s->spec.hi);
    s->dead = -1;
    s->dead_value = (double)mzv_exp_value(s->exp, -(long double)width_of(s, rounds));
    s->facts.rounds = rounds;
    s->facts.exp_degree = mzv_exp_about(s->exp)->degree;
    s->facts.squarings = mzv_exp_about(s->exp)->squarings;
    return MZV_OK;
}

/* ---- the default ---- */

/* How large a common error of sums may be before the next division; all of them are tried. */
static const double tolerances[] = { 0.05, 0.1, 0.2, 0.3, 0.4, 0.5 };

typedef struct plan {
    uint32_t rounds, exp_levels;
    bool weighted; /* y carries the weight that makes the first map's slope 1: no level, but small values */
    uint32_t doublings[MZV_SOFTMAX_MAX_ROUNDS + 1];
    double low[MZV_SOFTMAX_MAX_ROUNDS + 1],
        high[MZV_SOFTMAX_MAX_ROUNDS + 1]; /* sums of y or y^2, y of sum 1 */
    double residual[MZV_SOFTMAX_MAX_ROUNDS + 1];
    uint32_t levels, deepest;
    double noise_gain;
} plan;

static bool set_doublings(plan *p, uint32_t i, double target) {
    for (uint32_t k = 1; k < MZV_DIVISION_MAX_DOUBLINGS; k++) {
        p->residual[i] = (double)mzv_division_residual(p->low[i], p->high[i], k);
        p->doublings[i] = k;
        if (p->residual[i] <= target) return true;
    }
    return false;
}

/* Intervals and doublings, first to last. By Cauchy and Schwarz (sum y)^2 / n <= sum y^2 <= (sum y)^2. */
static bool set_divisions(plan *p, const mzv_softmax *s, double tolerance) {
    const double room = s->groups.room, last = s->spec.target / 2;
    p->low[0] = fewest(s) * exp(-width_of(s, p->rounds));
    p->high[0] = room * s->spec.count;
    if (!set_doublings(p, 0, p->rounds == 0 ? last : tolerance)) return false;
    for (uint32_t i = 1; i <= p->rounds; i++) {
        const double d = p->residual[i - 1];
        p->low[i] = (1 - d) * (1 - d) / s->spec.count;
        p->high[i] = room * (1 + d) * (1 + d);
        if (!set_doublings(p, i, i == p->rounds ? last : tolerance)) return false;
    }
    return true;
}

static uint32_t first_map_levels(const plan *p, const mzv_softmax *s) {
    return p->weighted && !s->groups.selects ? 0 : 1;
}

static void set_levels(plan *p, const mzv_softmax *s) {
    const uint32_t map = s->groups.selects ? 1 : 0;
    uint32_t part = first_map_levels(p, s) + p->doublings[0];
    p->levels = 1 + (s->spec.mask == MZV_SOFTMAX_HIDDEN ? 1 : 0) + p->exp_levels + part;
    p->deepest = p->exp_levels > part ? p->exp_levels : part;
    for (uint32_t i = 1; i <= p->rounds; i++) {
        part = 1 + map + p->doublings[i];
        p->levels += part;
        if (part > p->deepest) p->deepest = part;
    }
}

/* Three ways for noise to reach a probability: relative to the least y of the first exponential, then doubled
 * each round; in a round, n / 2 relative to the least y that matters, then doubled about three times on the
 * way to a probability that matters; and in the last 1/S, (k + 2/3) hi / lo of inverse.h at its lower end.
 * There S ~ 2 / n at a probability of 1/2, hence the 1/4 after a round. */
static void set_noise(plan *p, const mzv_softmax *s) {
    const double ratio = p->high[p->rounds] / p->low[p->rounds];
    const double weight = p->weighted ? 2 / p->high[0] : 1;
    const double first = ldexp(exp(width_of(s, p->rounds)), (int)p->rounds) / (2 * weight);
    const double rounds = p->rounds > 0 ? 4.0 * s->spec.count : 0;
    p->noise_gain = first + rounds + (p->doublings[p->rounds] + 1) * ratio / (p->rounds > 0 ? 4 : 1);
}

static double noise_of(const mzv_softmax *s) { return s->spec.noise > 0 ? s->spec.noise : 0x1p-26; }

/* Within the limits first, then by levels, then by noise. */
static bool better(const plan *a, const plan *b, const mzv_softmax *s) {
    const uint32_t limit = s->spec.part_levels ? s->spec.part_levels : UINT32_MAX;
    if (b->levels == 0) return true;
    const bool fits[2] = { a->deepest <= limit, b->deepest <= limit };
    if (fits[0] != fits[1]) return fits[0];
    const double bound = s->spec.target / (2 * noise_of(s));
    const bool clean[2] = { a->noise_gain <= bound, b->noise_gain <= bound };
    if (clean[0] != clean[1]) return clean[0];
    if (!clean[0] && a->noise_gain != b->noise_gain) return a->noise_gain < b->noise_gain;
    return a->levels != b->levels ? a->levels < b->levels : a->noise_gain < b->noise_gain;
}

static void consider(plan *best, plan *p, const mzv_softmax *s) {
    for (size_t i = 0; i < sizeof tolerances / sizeof tolerances[0]; i++)
        for (uint32_t weighted = 0; weighted < (s->groups.selects ? 1 : 2); weighted++) {
            p->weighted = weighted;
            if (!set_divisions(p, s, tolerances[i])) continue;
            set_levels(p, s);
            set_noise(p, s);
            if (better(p, best, s)) *best = *p;
        }
}

/* Whether halving so often can be better than `best` at all, with an exponential of one level. */
static bool promises(const plan *best, uint32_t rounds, const mzv_softmax *s) {
    plan p = { .rounds = rounds, .exp_levels = 1 }, trial = *best;
    consider(&trial, &p, s);
    return trial.levels > 0 && (best->levels == 0 || trial.rounds == rounds);
}

/* exp itself may be out of reach for few halvings. */
static mzv_status search(plan *best, const mzv_softmax *s) {
    for (uint32_t rounds = 0; rounds <= MZV_SOFTMAX_MAX_ROUNDS; rounds++) {
        plan p = { .rounds = rounds };
        mzv_exp *e = NULL;
        if (width_of(s, rounds) > 60) continue;
        if (rounds > 0 && width_of(s, rounds) < 0.5) break;
        if (!promises(best, rounds, s)) continue;
        const mzv_status status = make_exp(&e, s, rounds, 1);
        if (status == MZV_ERR_PRECISION) continue;
        MZV_TRY(status);
        p.exp_levels = mzv_exp_levels(e);
        mzv_exp_destroy(e);
        consider(best, &p, s);
    }
    if (best->levels > 0) return MZV_OK;
    return mzv_fail(MZV_ERR_PRECISION,
                    "softmax: no plan for scores in [%g, %g] and target %.3g: raise the target", s->spec.lo,
                    s->spec.hi, s->spec.target);
}

/* The size c of the sums of a round, and its slope: the least integer for which every y is at most 1. */
static void set_round(mzv_division *d, const plan *p, uint32_t i, const mzv_groups *g) {
    const double largest = 1 + p->residual[i - 1];
    d->squares = true;
    for (d->boost = 1; 2 * d->boost <= g->count; d->boost *= 2) continue;
    d->doublings = p->doublings[i];
    if (g->selects) {
        mzv_division_product(d, p->low[i], p->high[i], 0, d->boost / (largest * largest));
        return;
    }
    for (uint32_t slope = 1;; slope++) {
        mzv_division_product(d, p->low[i], p->high[i], slope, 0);
        if (d->hi <= g->room * 1.0) return; /* hi = room (largest sigma)^2 */
    }
}

/* Last to first: the sums that a division leaves are of the size that the next one wants. */
static void set_sizes(mzv_softmax *s, const plan *p, double *weight) {
    double gain = 1;
    for (uint32_t i = p->rounds; i >= 1; i--) {
        mzv_division *d = &s->division[i];
        d->gain = gain;
        set_round(d, p, i, &s->groups);
        gain = sqrt(d->lo / p->low[i] / (s->groups.selects ? d->boost : 1));
    }
    mzv_division *d = &s->division[0];
    d->gain = gain;
    d->boost = 1;
    d->doublings = p->doublings[0];
    mzv_division_product(d, p->low[0], p->high[0], p->weighted ? 1 : 0, 1);
    *weight = p->weighted ? d->lo / p->low[0] : 1;
}

mzv_status mzv_softmax_plan_default(mzv_softmax *s) {
    plan best = { 0 };
    double weight = 1;
    MZV_TRY(search(&best, s));
    set_sizes(s, &best, &weight);
    s->facts.n_divisions = best.rounds + 1;
    s->facts.noise_gain = best.noise_gain;
    return adopt_exp(s, best.rounds, weight);
}

/* ---- normalise and square as published ---- */

#define ROOT_TOLERANCE 0.25

/* Sums of y^2 of a round, y of sum 1 + d: at the size c for which the map's slope is the least integer that
 * keeps y within 1. *size: the sum of y that this means. */
static void place_root(mzv_division *d, const mzv_groups *g, double residual, double *size) {
    const double largest = 1 + residual, least = 1 - residual;
    const double a = least * least / g->count, b = g->room * largest * largest;
    double c = 1 / (largest * largest);
    if (!g->selects) {
        const double slope = ceil(2 / (c * (b - a)));
        c = 2 / (slope * (b - a));
        d->map.integral = true;
    }
    d->lo = c * a;
    d->hi = c * b;
    *size = sqrt(c);
}

/* Sizes depend on the next round, residuals on the one before; a residual does not depend on the gain. So:
 * residuals at gain 1 first, then all again with the sizes known. */
static mzv_status set_roots(mzv_softmax *s, uint32_t rounds, const double *gain, double *size) {
    const double w = width_of(s, rounds);
    double residual = 0;
    for (uint32_t i = 0; i < rounds; i++) {
        mzv_division *d = &s->division[i];
        mzv_polynomial_destroy(d->root);
        *d = (mzv_division) { .gain = gain[i], .boost = 1 };
        if (i == 0) {
            d->lo = fewest(s) * exp(-2 * w);
            d->hi = s->groups.room * s->spec.count;
            size[0] = 1;
        } else {
            place_root(d, &s->groups, residual, &size[i]);
        }
        MZV_TRY(mzv_division_root(d, i + 1 == rounds ? s->spec.target / 2 : ROOT_TOLERANCE));
        residual = d->residual;
    }
    return MZV_OK;
}

mzv_status mzv_softmax_plan_square(mzv_softmax *s) {
    double gain[MZV_SOFTMAX_MAX_ROUNDS + 1], size[MZV_SOFTMAX_MAX_ROUNDS + 1];
    const double n = s->spec.count, least = fewest(s);
    uint32_t rounds = 1;
    /* The first sum's interval is to be no wider than n^2, its logarithm 2w + log(n / least). */
    while (2 * width_of(s, rounds) > log(n * least) && rounds < MZV_SOFTMAX_MAX_ROUNDS) rounds++;
    for (uint32_t i = 0; i <= rounds; i++) gain[i] = 1;
    MZV_TRY(set_roots(s, rounds, gain, size));
    for (uint32_t i = 0; i + 1 < rounds; i++) gain[i] = size[i + 1];
    MZV_TRY(set_roots(s, rounds, gain, size));
    s->facts.n_divisions = rounds;
    s->facts.noise_gain = ldexp(exp(width_of(s, rounds)), (int)rounds) / 2 + 4 * s->spec.count;
    return adopt_exp(s, rounds, 1);
}
