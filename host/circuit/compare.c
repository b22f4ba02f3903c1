/* max, QuickMax and argmax. Everything is planned in r = (x - lo) / (hi - lo); v = r / reach, where reach is
 * how far differences of r go, so that a difference of v is the sign's input as it is. */
#include "circuit/compare.h"

#include <math.h>

#include "base/arena.h"
#include "base/try.h"
#include "math/chebyshev.h"
#include "math/remez.h"

#define MIN_TARGET 0x1p-24 /* of hi - lo */
#define MAX_TARGET 0.25
#define MAX_NOISE 0x1p-8
#define WIDEST_GAP 16.0   /* in units of the target of max, where the search begins; of NEXUS twice that */
#define NARROWEST_GAP 2.0 /* inside it a max cannot be off by more than half of it */
#define GAP_STEPS 4096u
#define BERNSTEIN 0.2801694990 /* d E_d of |x| on [-1, 1] grows to it with d, even [VC85] */
#define TOLERANCE 0x1p-12      /* of the polynomial: its error is within that of the least */

struct mzv_max {
    mzv_max_spec spec;
    mzv_max_facts facts;
    mzv_affine affine, back;
    double reach;         /* how far differences go, in r */
    double scale;         /* v = scale r */
    mzv_sign *sign;       /* or ramp, not both */
    mzv_polynomial *ramp; /* (u + |u|) / 2 on [-1, 1] */
    double coeff[MZV_MAX_DEGREE + 1];
};

struct mzv_quickmax {
    mzv_quickmax_spec spec;
    mzv_quickmax_facts facts;
    mzv_max *max;
    double *mask; /* NULL: none */
};

struct mzv_argmax {
    mzv_argmax_spec spec;
    mzv_argmax_facts facts;
    mzv_quickmax *quickmax;
    mzv_sign *sign;
    double lift; /* m + gap, in r */
};

/* ---- max: plan ---- */

/* Largest |1 - s(d)| d / 2, 0 <= d <= reach. On a step inside the gap s, which grows until it is within the
 * error, is farthest from 1 at one of the ends. */
static double error_of_max(const mzv_sign *sign, double gap, double reach) {
    long double worst = 0.5L * reach * mzv_sign_about(sign)->error, before = 1;
    for (uint32_t i = 1; i <= GAP_STEPS; i++) {
        const long double d = gap * (long double)i / GAP_STEPS;
        const long double miss = 2 * fabsl(1 - mzv_sign_value(sign, d)); /* the sign has gain and shift 1/2 */
        worst = fmaxl(worst, 0.5L * d * fmaxl(miss, before));
        before = miss;
    }
    return (double)worst;
}

/* The widest gap whose sign keeps within the target; wide gaps take fewest levels. */
static mzv_status choose_sign(mzv_max *max) {
    const mzv_max_spec *s = &max->spec;
    const double width = s->hi - s->lo, target = s->target / width;
    mzv_sign_spec spec = { .bound = max->reach,
                           .target = 2 * target / max->reach,
                           .gain = 0.5,
                           .shift = 0.5,
                           .noise = s->noise,
                           .recipe = s->recipe };
    for (double times = s->recipe == MZV_SIGN_NEXUS ? 2 * WIDEST_GAP : WIDEST_GAP; !max->sign;
         times /= sqrt(2)) {
        mzv_sign *sign = NULL;
        const bool last = times < NARROWEST_GAP * sqrt(2);
        spec.gap = (last ? NARROWEST_GAP : times) * target;
        if (!last && spec.gap > 0.5 * max->reach) continue;
        MZV_TRY(mzv_sign_create(&sign, &spec));
        const double error = error_of_max(sign, spec.gap, max->reach);
        if (error <= target || last)
            max->sign = sign;
        else
            mzv_sign_destroy(sign);
        max->facts.error = error * width;
    }
    const mzv_sign_facts *about = mzv_sign_about(max->sign);
    max->facts.gap = spec.gap * width;
    max->facts.levels = about->levels + 1;
    max->facts.n_key_switch = about->n_key_switch + 1;
    max->facts.n_products = about->n_products + 1;
    return MZV_OK;
}

static long double half_of(void *user, long double x) {
    (void)user;
    return x / 2;
}

/* The polynomial that keeps within the target, of the least degree by the bound. */
static mzv_status make_ramp(mzv_max *max, uint32_t degree) {
    const double width = max->spec.hi - max->spec.lo;
    const mzv_interval on = { 0, 1 };
    const mzv_remez_spec spec = { .value = half_of,
                                  .on = &on,
                                  .n_on = 1,
                                  .a = -1,
                                  .b = 1,
                                  .degree = degree,
                                  .parity = MZV_PARITY_EVEN,
                                  .tolerance = TOLERANCE };
    mzv_remez_facts found;
    MZV_TRY(mzv_remez(max->coeff, &found, &spec));
    max->coeff[1] = 0.5;
    MZV_TRY(mzv_polynomial_create(&max->ramp, max->coeff, degree));
    const mzv_polynomial_facts *about = mzv_polynomial_about(max->ramp);
    max->facts = (mzv_max_facts) {
        about->levels, about->n_key_switch, about->n_products, degree, 0, found.error / max->scale * width
    };
    return MZV_OK;
}

/* One polynomial where the recipe allows it and its degree is not too high, else a sign. */
static mzv_status choose_way(mzv_max *max) {
    const mzv_max_spec *s = &max->spec;
    max->scale = 1 / (max->reach * (1 + s->noise));
    const double target = s->target / (s->hi - s->lo) * max->scale;
    const double degree = 2 * ceil(BERNSTEIN / (4 * target) * (1 + TOLERANCE));
    if (s->recipe == MZV_SIGN_MINIMAX && degree <= MZV_MAX_DEGREE) return make_ramp(max, (uint32_t)degree);
    MZV_TRY(choose_sign(max));
    max->scale = mzv_sign_affine(max->sign).scale;
    return MZV_OK;
}

static mzv_status check_max(const mzv_max_spec *s) {
    const double width = s->hi - s->lo;
    if (!(isfinite(s->lo) && isfinite(width) && width > 0))
        return mzv_fail(MZV_ERR_ARGUMENT, "max: interval [%g, %g], need finite ends, lo < hi", s->lo, s->hi);
    if (!(s->target >= MIN_TARGET * width && s->target <= MAX_TARGET * width))
        return mzv_fail(MZV_ERR_ARGUMENT, "max: target %g, need %g to %g on [%g, %g]", s->target,
                        MIN_TARGET * width, MAX_TARGET * width, s->lo, s->hi);
    if (s->rounds == 0 || s->rounds > MZV_FOLD_MAX_ROUNDS)
        return mzv_fail(MZV_ERR_ARGUMENT, "max: %u rounds, need 1 to %u", s->rounds, MZV_FOLD_MAX_ROUNDS);
    if (!(s->noise >= 0 && s->noise <= MAX_NOISE))
        return mzv_fail(MZV_ERR_ARGUMENT, "max: noise %g, need 0 to %g", s->noise, MAX_NOISE);
    return MZV_OK;
}

mzv_status mzv_max_create(mzv_max **out, const mzv_max_spec *spec) {
    mzv_max *max = NULL;
    MZV_TRY(check_max(spec));
    MZV_TRY(MZV_NEW(&max, 1, "max"));
    const double width = spec->hi - spec->lo;
    max->spec = *spec;
    max->reach =
        1 + 2 * (spec->rounds - 1) * spec->target / width; /* inputs of the last round are off both ways */
    const mzv_status status = choose_way(max);
    max->affine = (mzv_affine) { max->scale / width, -max->scale * spec->lo / width };
    max->back = (mzv_affine) { width / max->scale, spec->lo };
    if (status == MZV_OK)
        *out = max;
    else
        mzv_max_destroy(max);
    return status;
}

void mzv_max_destroy(mzv_max *max) {
    if (!max) return;
    mzv_sign_destroy(max->sign);
    mzv_polynomial_destroy(max->ramp);
    mzv_free(max);
}

const mzv_max_facts *mzv_max_about(const mzv_max *max) { return &max->facts; }
const mzv_sign_facts *mzv_max_sign(const mzv_max *max) {
    return max->sign ? mzv_sign_about(max->sign) : NULL;
}
mzv_affine mzv_max_affine(const mzv_max *max) { return max->affine; }
mzv_affine mzv_max_back(const mzv_max *max) { return max->back; }
uint32_t mzv_max_levels(const mzv_max *max) { return max->facts.levels; }

long double mzv_max_value(const mzv_max *max, long double a, long double b) {
    const long double width = (long double)max->spec.hi - max->spec.lo, d = (a - b) / width;
    if (max->sign) return b + (a - b) * mzv_sign_value(max->sign, d);
    return b + mzv_chebyshev_value(max->coeff, max->facts.degree, d * max->scale) / max->scale * width;
}

/* ---- max: run ---- */

mzv_status mzv_max_request(const mzv_max *max, mzv_key_request *request, uint32_t level) {
    if (!max->sign) return mzv_polynomial_request(max->ramp, request, level);
    if (level < 1) return mzv_fail(MZV_ERR_LEVEL, "max: level %u, need 1", level);
    return mzv_sign_request(max->sign, request, level);
}

/* The level below which nothing may come before the next refreshing. */
static uint32_t floor_of(const mzv_evaluator *ev) { return ev->refresh ? ev->refresh->in_level : 0; }

/* out = b + (a - b) step(a - b); a and b lie at least one level above the floor. */
static mzv_status run_sign(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *difference,
                           const mzv_cipher *b, const mzv_max *max) {
    mzv_cipher step, room[3];
    const mzv_cipher *d, *s, *base;
    uint32_t end = 0;
    MZV_TRY(mzv_sign_end(&end, max->sign, b->level, floor_of(ev) + 1, ev->refresh));
    const uint32_t level = end < b->level ? end : b->level;
    MZV_TRY(mzv_ev_take(ev, &step, end, b->batch));
    MZV_TRY(mzv_sign_run_above(ev, &step, difference, max->sign, floor_of(ev) + 1));
    MZV_TRY(mzv_circuit_at(ev, &d, &room[0], difference, level));
    MZV_TRY(mzv_circuit_at(ev, &s, &room[1], &step, level));
    MZV_TRY(mzv_circuit_at(ev, &base, &room[2], b, level - 1));
    MZV_TRY(mzv_mul(ev, &step, d, s));
    return mzv_add(ev, out, base, &step);
}

/* out = b + ramp(a - b); a and b have its levels. */
static mzv_status run_ramp(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *difference,
                           const mzv_cipher *b, const mzv_max *max) {
    const uint32_t level = b->level - max->facts.levels;
    mzv_cipher ramp, room;
    const mzv_cipher *base;
    MZV_TRY(mzv_ev_take(ev, &ramp, level, b->batch));
    MZV_TRY(mzv_polynomial_run(ev, &ramp, difference, max->ramp));
    MZV_TRY(mzv_circuit_at(ev, &base, &room, b, level));
    return mzv_add(ev, out, base, &ramp);
}

static mzv_status run_max(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_cipher *b,
                          const mzv_max *max) {
    mzv_cipher difference;
    MZV_TRY(mzv_ev_take(ev, &difference, a->level, a->batch));
    MZV_TRY(mzv_sub(ev, &difference, a, b));
    return max->sign ? run_sign(ev, out, &difference, b, max) : run_ramp(ev, out, &difference, b, max);
}

static mzv_status run_max_fresh(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_cipher *b,
                                const mzv_max *max) {
    const uint32_t least = ev->refresh && max->sign ? 1 : max->facts.levels, need = least + floor_of(ev);
    const mzv_cipher *from[2];
    mzv_cipher room[2];
    MZV_TRY(mzv_circuit_fresh(ev, &from[0], &room[0], a, need));
    MZV_TRY(mzv_circuit_fresh(ev, &from[1], &room[1], b, need));
    return run_max(ev, out, from[0], from[1], max);
}

mzv_status mzv_max_run(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_cipher *b,
                       const mzv_max *max) {
    if (a->level != b->level)
        return mzv_fail(MZV_ERR_LEVEL, "max: levels %u and %u, need one: mzv_drop the higher", a->level,
                        b->level);
    const size_t mark = mzv_ev_mark(ev);
    const mzv_status status = run_max_fresh(ev, out, a, b, max);
    mzv_ev_release(ev, mark);
    return status;
}

/* ---- QuickMax ---- */

static mzv_status check_quickmax(const mzv_quickmax_spec *s) {
    const mzv_fold *fold = &s->fold;
    if (fold->n_rounds == 0 || fold->n_rounds > MZV_FOLD_MAX_ROUNDS)
        return mzv_fail(MZV_ERR_ARGUMENT, "quickmax: a fold of %u rounds, need 1 to %u", fold->n_rounds,
                        MZV_FOLD_MAX_ROUNDS);
    for (uint32_t r = 0; r < fold->n_rounds; r++)
        if (fold->n_steps[r] != 1)
            return mzv_fail(MZV_ERR_ARGUMENT, "quickmax: round %u of the fold has %u steps, need 1 (radix 2)",
                            r, fold->n_steps[r]);
    if (s->mask == NULL) return MZV_OK;
    if (s->n_mask == 0 || (s->n_mask & (s->n_mask - 1)))
        return mzv_fail(MZV_ERR_ARGUMENT, "quickmax: a mask of %u slots, need a power of two", s->n_mask);
    for (uint32_t i = 0; i < s->n_mask; i++)
        if (s->mask[i] != 0 && s->mask[i] != 1)
            return mzv_fail(MZV_ERR_ARGUMENT, "quickmax: mask %g in slot %u, need 0 or 1", s->mask[i], i);
    return MZV_OK;
}

static mzv_status make_quickmax(mzv_quickmax *q, const mzv_quickmax_spec *s) {
    const uint32_t n = s->fold.n_rounds;
    const mzv_max_spec spec = { s->lo, s->hi, s->target / n, n, s->noise, s->recipe };
    q->spec = *s;
    q->spec.mask = NULL;
    MZV_TRY(mzv_max_create(&q->max, &spec));
    const mzv_max_facts *each = mzv_max_about(q->max);
    q->facts = (mzv_quickmax_facts) {
        n, n * each->levels, n * (each->n_key_switch + 1), n * each->n_products, each->gap, n * each->error
    };
    if (s->mask == NULL) return MZV_OK;
    MZV_TRY(MZV_NEW(&q->mask, s->n_mask, "quickmax: mask"));
    for (uint32_t i = 0; i < s->n_mask; i++) q->mask[i] = s->mask[i];
    return MZV_OK;
}

mzv_status mzv_quickmax_create(mzv_quickmax **out, const mzv_quickmax_spec *spec) {
    mzv_quickmax *q = NULL;
    MZV_TRY(check_quickmax(spec));
    MZV_TRY(MZV_NEW(&q, 1, "quickmax"));
    const mzv_status status = make_quickmax(q, spec);
    if (status == MZV_OK)
        *out = q;
    else
        mzv_quickmax_destroy(q);
    return status;
}

void mzv_quickmax_destroy(mzv_quickmax *q) {
    if (!q) return;
    mzv_max_destroy(q->max);
    mzv_free(q->mask);
    mzv_free(q);
}

const mzv_quickmax_facts *mzv_quickmax_about(const mzv_quickmax *q) { return &q->facts; }
const mzv_max *mzv_quickmax_max(const mzv_quickmax *q) { return q->max; }
mzv_affine mzv_quickmax_affine(const mzv_quickmax *q) { return q->max->affine; }
mzv_affine mzv_quickmax_back(const mzv_quickmax *q) { return q->max->back; }
uint32_t mzv_quickmax_levels(const mzv_quickmax *q) { return q->facts.levels; }

mzv_status mzv_quickmax_request(const mzv_quickmax *q, mzv_key_request *request, uint32_t level) {
    MZV_TRY(mzv_max_request(q->max, request, level));
    return mzv_fold_request(&q->spec.fold, request, level);
}

/* Slots value where the mask is 1, 0 elsewhere, encoded. */
static mzv_status mask_plain(mzv_plain **out, mzv_evaluator *ev, const mzv_quickmax *q, double value,
                             uint32_t level, mzv_plain_use use) {
    mzv_complex *slots = NULL;
    MZV_TRY(MZV_NEW(&slots, ev->n_slots, "quickmax: mask"));
    for (uint32_t i = 0; i < ev->n_slots; i++) slots[i] = value * q->mask[i % q->spec.n_mask];
    const mzv_status status = mzv_plain_create(out, ev, slots, level, use);
    mzv_free(slots);
    return status;
}

static mzv_status run_masked(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *x, const mzv_quickmax *q) {
    mzv_plain *scale = NULL, *shift = NULL;
    mzv_cipher scaled;
    mzv_status status = mask_plain(&scale, ev, q, q->max->affine.scale, x->level, MZV_PLAIN_MUL);
    if (status == MZV_OK)
        status = mask_plain(&shift, ev, q, q->max->affine.shift, x->level - 1, MZV_PLAIN_ADD);
    if (status == MZV_OK) status = mzv_ev_take(ev, &scaled, x->level - 1, x->batch);
    if (status == MZV_OK) status = mzv_mul_plain(ev, &scaled, x, scale);
    if (status == MZV_OK) status = mzv_add_plain(ev, out, &scaled, shift);
    mzv_plain_destroy(scale);
    mzv_plain_destroy(shift);
    return status;
}

mzv_status mzv_quickmax_prepare(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *x,
                                const mzv_quickmax *q) {
    MZV_TRY(mzv_circuit_need("quickmax", x, 1));
    if (q->mask == NULL) return mzv_affine_run(ev, out, x, q->max->affine);
    if (q->spec.n_mask > ev->n_slots)
        return mzv_fail(MZV_ERR_ARGUMENT, "quickmax: a mask of %u slots, at most %u", q->spec.n_mask,
                        ev->n_slots);
    const size_t mark = mzv_ev_mark(ev);
    const mzv_status status = run_masked(ev, out, x, q);
    mzv_ev_release(ev, mark);
    return status;
}

/* out = max(a, a rotated), refreshed before where it has not the levels of a max, by a sign that is deeper
 * than one refreshing where it has not as many as that gives. */
static mzv_status run_round(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, int32_t step,
                            const mzv_quickmax *q) {
    const uint32_t levels = q->max->facts.levels + floor_of(ev);
    const bool deeper = ev->refresh && q->max->sign && ev->refresh->out_level < levels;
    const uint32_t need = deeper ? ev->refresh->out_level : levels;
    const mzv_cipher *from;
    mzv_cipher room, rotated;
    MZV_TRY(mzv_circuit_fresh(ev, &from, &room, a, need));
    MZV_TRY(mzv_ev_take(ev, &rotated, from->level, from->batch));
    MZV_TRY(mzv_rotate(ev, &rotated, from, step));
    return run_max(ev, out, from, &rotated, q->max);
}

static mzv_status run_rounds(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *v, const mzv_quickmax *q) {
    const mzv_fold *fold = &q->spec.fold;
    const mzv_cipher *from = v;
    mzv_cipher value[2];
    for (uint32_t i = 0; i < 2 && i + 1 < fold->n_rounds; i++) {
        const bool higher = ev->refresh && ev->refresh->out_level > v->level;
        MZV_TRY(mzv_ev_take(ev, &value[i], higher ? ev->refresh->out_level : v->level, v->batch));
    }
    for (uint32_t r = 0; r < fold->n_rounds; r++) {
        mzv_cipher *const to = r + 1 == fold->n_rounds ? out : &value[r % 2];
        const size_t mark = mzv_ev_mark(ev);
        MZV_TRY(run_round(ev, to, from, fold->steps[r][0], q));
        mzv_ev_release(ev, mark);
        from = to;
    }
    return MZV_OK;
}

mzv_status mzv_quickmax_run(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *v, const mzv_quickmax *q) {
    if (!ev->refresh) MZV_TRY(mzv_circuit_need("quickmax, without refreshing", v, q->facts.levels));
    const size_t mark = mzv_ev_mark(ev);
    const mzv_status status = run_rounds(ev, out, v, q);
    mzv_ev_release(ev, mark);
    return status;
}

/* ---- argmax ---- */

static mzv_status check_argmax(const mzv_argmax_spec *s) {
    const double width = s->hi - s->lo;
    if (!(s->distance > 0 && s->distance <= width))
        return mzv_fail(MZV_ERR_ARGUMENT, "argmax: distance %g, need more than 0, at most %g", s->distance,
                        width);
    if (!(s->target > 0 && s->target < 0.5))
        return mzv_fail(MZV_ERR_ARGUMENT, "argmax: target %g, need 0 < target < 1/2", s->target);
    return MZV_OK;
}

/* Slots without data stand at lo - distance, below any data by that. Half the distance is shared by the error
 * m of the maximum and the gap g of the last comparison. Levels grow about as k log(k / m) of the k rounds
 * and as log(1 / g) of the comparison, least where m is k / (k + 1) of it. */
static mzv_status make_argmax(mzv_argmax *a, const mzv_argmax_spec *s) {
    const double lo = s->lo - s->distance, width = s->hi - lo;
    const double k = s->fold.n_rounds, share = 0.5 * k / (k + 1);
    const mzv_quickmax_spec under = { lo,      s->hi,    share * s->distance, s->noise, s->recipe, s->fold,
                                      s->mask, s->n_mask };
    a->spec = *s;
    a->spec.mask = NULL;
    MZV_TRY(mzv_quickmax_create(&a->quickmax, &under));
    const mzv_quickmax_facts *max = mzv_quickmax_about(a->quickmax);
    a->lift = 0.5 * s->distance / width;
    const double gap = a->lift - max->error / width;
    const mzv_sign_spec spec = { gap, a->quickmax->max->reach, 2 * s->target, 0.5, 0.5, s->noise, s->recipe };
    MZV_TRY(mzv_sign_create(&a->sign, &spec));
    const mzv_sign_facts *last = mzv_sign_about(a->sign);
    a->facts = (mzv_argmax_facts) { max->rounds,
                                    max->levels + last->levels,
                                    max->n_key_switch + last->n_key_switch,
                                    max->n_products + last->n_products,
                                    max->error,
                                    gap * width,
                                    0.5 * last->error };
    return MZV_OK;
}

mzv_status mzv_argmax_create(mzv_argmax **out, const mzv_argmax_spec *spec) {
    mzv_argmax *a = NULL;
    MZV_TRY(check_argmax(spec));
    MZV_TRY(MZV_NEW(&a, 1, "argmax"));
    const mzv_status status = make_argmax(a, spec);
    if (status == MZV_OK)
        *out = a;
    else
        mzv_argmax_destroy(a);
    return status;
}

void mzv_argmax_destroy(mzv_argmax *a) {
    if (!a) return;
    mzv_quickmax_destroy(a->quickmax);
    mzv_sign_destroy(a->sign);
    mzv_free(a);
}

const mzv_argmax_facts *mzv_argmax_about(const mzv_argmax *a) { return &a->facts; }
const mzv_quickmax *mzv_argmax_quickmax(const mzv_argmax *a) { return a->quickmax; }
mzv_affine mzv_argmax_affine(const mzv_argmax *a) { return mzv_quickmax_affine(a->quickmax); }
uint32_t mzv_argmax_levels(const mzv_argmax *a) { return a->facts.levels; }

long double mzv_argmax_value(const mzv_argmax *a, long double x, long double m) {
    const long double width = (long double)a->spec.hi - a->spec.lo + a->spec.distance;
    return mzv_sign_value(a->sign, (x - m) / width + a->lift);
}

mzv_status mzv_argmax_request(const mzv_argmax *a, mzv_key_request *request, uint32_t level) {
    MZV_TRY(mzv_sign_request(a->sign, request, level));
    return mzv_quickmax_request(a->quickmax, request, level);
}

mzv_status mzv_argmax_prepare(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *x, const mzv_argmax *a) {
    return mzv_quickmax_prepare(ev, out, x, a->quickmax);
}

static mzv_status run_argmax(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *v, const mzv_argmax *a) {
    const uint32_t top = ev->refresh && ev->refresh->out_level > v->level ? ev->refresh->out_level : v->level;
    const double lift = a->lift * a->quickmax->max->scale;
    const mzv_cipher *x, *m;
    mzv_cipher room[2], max, u;
    MZV_TRY(mzv_ev_take(ev, &max, top, v->batch));
    MZV_TRY(mzv_quickmax_run(ev, &max, v, a->quickmax));
    const uint32_t level = max.level < v->level ? max.level : v->level;
    MZV_TRY(mzv_circuit_at(ev, &x, &room[0], v, level));
    MZV_TRY(mzv_circuit_at(ev, &m, &room[1], &max, level));
    MZV_TRY(mzv_ev_take(ev, &u, level, v->batch));
    MZV_TRY(mzv_sub(ev, &u, x, m));
    MZV_TRY(mzv_add_const(ev, &u, &u, lift));
    return mzv_sign_run(ev, out, &u, a->sign);
}

mzv_status mzv_argmax_run(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *v, const mzv_argmax *a) {
    if (!ev->refresh) MZV_TRY(mzv_circuit_need("argmax, without refreshing", v, a->facts.levels));
    const size_t mark = mzv_ev_mark(ev);
    const mzv_status status = run_argmax(ev, out, v, a);
    mzv_ev_release(ev, mark);
    return status;
}
