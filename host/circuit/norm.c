/* LayerNorm and RMSNorm; see norm.h for the layout and for where the levels go. */
#include "circuit/norm.h"

#include <math.h>

#include "base/arena.h"
#include "base/try.h"

#define FREE_GAIN_SLACK 1e-12 /* relative: what the square root and its square round */

struct mzv_norm {
    mzv_norm_spec spec; /* patterns are NULL: they live as plaintexts */
    mzv_norm_facts facts;
    mzv_inverse_root *root;
    uint32_t refreshed;         /* level that refreshing gives, or 0 */
    bool is_free;               /* t = sum x^2 + shift */
    double square, mean, shift; /* t = square sum x^2 - (mean sum x)^2 + shift */
    double data;                /* gamma (x - mean) / gain of the root = data gamma (x - sum x / C) */
    /* square, mean and shift times the mask, so that t is 0 beside the data; NULL without a mask */
    mzv_plain *square_mask, *mean_mask, *shift_mask;
    mzv_plain *gamma, *gamma_mean; /* data gamma mask, and that / C; NULL without gamma and mask */
    mzv_plain *beta;               /* beta mask */
};

/* ------------------------------------------------------------------ planning */

static mzv_affine unit_of(const mzv_norm_spec *s) {
    return mzv_affine_unit(s->lo + s->epsilon, s->hi + s->epsilon);
}

static mzv_status check(const mzv_norm_spec *s) {
    if (s->kind != MZV_NORM_LAYER && s->kind != MZV_NORM_RMS)
        return mzv_fail(MZV_ERR_ARGUMENT, "norm: kind %d, need %d or %d", (int)s->kind, (int)MZV_NORM_LAYER,
                        (int)MZV_NORM_RMS);
    if (s->n_channels == 0) return mzv_fail(MZV_ERR_ARGUMENT, "norm: 0 channels, need 1 or more");
    if (!(s->epsilon >= 0 && s->lo >= 0 && s->lo + s->epsilon > 0 && s->hi > s->lo && isfinite(s->hi)))
        return mzv_fail(MZV_ERR_ARGUMENT,
                        "norm: variance in [%g, %g], epsilon %g, need 0 <= lo < hi and lo + epsilon > 0",
                        s->lo, s->hi, s->epsilon);
    if (!(s->input_gain > 0 && isfinite(s->input_gain)))
        return mzv_fail(MZV_ERR_ARGUMENT, "norm: input gain %g, need a positive one", s->input_gain);
    return MZV_OK;
}

static mzv_status check_patterns(const mzv_norm_spec *s, uint32_t n_slots) {
    const bool any = s->mask || s->gamma || s->beta;
    if (any && (s->n_pattern == 0 || n_slots % s->n_pattern != 0))
        return mzv_fail(MZV_ERR_ARGUMENT, "norm: patterns of %u slots, need a divisor of %u", s->n_pattern,
                        n_slots);
    for (uint32_t i = 0; s->mask && i < s->n_pattern; i++)
        if (s->mask[i] != 0 && s->mask[i] != 1)
            return mzv_fail(MZV_ERR_ARGUMENT, "norm: mask %g at slot %u, need 0 or 1", s->mask[i], i);
    return MZV_OK;
}

mzv_status mzv_norm_free_gain(double *gain, const mzv_norm_spec *spec) {
    MZV_TRY(check(spec));
    *gain = sqrt(unit_of(spec).scale / spec->n_channels);
    return MZV_OK;
}

/* With v = variance + epsilon, t = scale v + shift, sums over u x: variance = sum / (u^2 C) - (sum / (u
 * C))^2. */
static void set_constants(mzv_norm *n) {
    const mzv_norm_spec *s = &n->spec;
    const mzv_affine unit = unit_of(s);
    const double per_channel = 1.0 / s->n_channels;
    n->square = unit.scale * per_channel / (s->input_gain * s->input_gain);
    n->mean = sqrt(unit.scale) * per_channel / s->input_gain;
    n->shift = unit.scale * s->epsilon + unit.shift;
    n->is_free = s->kind == MZV_NORM_RMS && !s->mask && fabs(n->square - 1) <= FREE_GAIN_SLACK;
}

/* The root's values are largest at its smallest argument, the data at its largest: a gain at the geometric
 * mean of both ends of v^1/2 makes each off by the same factor from 1. Where values on the way are refreshed
 * the gain is what keeps them within the refresh's magnitude. */
static mzv_status make_root(mzv_norm *n, const mzv_refresh *refresh) {
    const mzv_norm_spec *s = &n->spec;
    const double lo = s->lo + s->epsilon, hi = s->hi + s->epsilon;
    mzv_inverse_root_spec spec = { .lo = lo,
                                   .hi = hi,
                                   .target = s->target,
                                   .gain = pow(lo * hi, 0.25),
                                   .steps = s->steps,
                                   .apply = true,
                                   .recipe = s->recipe };
    MZV_TRY(mzv_inverse_root_create(&n->root, &spec));
    const mzv_inverse_root_facts *facts = mzv_inverse_root_about(n->root);
    if (refresh && facts->apply_levels > refresh->out_level && facts->below > refresh->magnitude) {
        spec.gain *= refresh->magnitude / facts->below;
        mzv_inverse_root_destroy(n->root);
        n->root = NULL;
        MZV_TRY(mzv_inverse_root_create(&n->root, &spec));
    }
    n->data = 1 / (spec.gain * s->input_gain);
    n->facts.root = *mzv_inverse_root_about(n->root);
    n->facts.needs = 1 + n->facts.root.apply_needs;
    n->facts.levels = (n->is_free ? 1 : 2) + n->facts.root.apply_levels;
    return MZV_OK;
}

/* factor pattern mask, encoded for that level and use. */
typedef struct encoding {
    const double *pattern;
    double factor;
    uint32_t level;
    mzv_plain_use use;
} encoding;

static mzv_status encode(mzv_plain **out, mzv_evaluator *ev, const mzv_norm_spec *s, encoding e) {
    mzv_complex *slots = NULL;
    MZV_TRY(MZV_NEW(&slots, ev->n_slots, "norm: pattern"));
    for (uint32_t i = 0; i < ev->n_slots; i++) {
        const uint32_t at = s->n_pattern ? i % s->n_pattern : 0;
        slots[i] = e.factor * (e.pattern ? e.pattern[at] : 1) * (s->mask ? s->mask[at] : 1);
    }
    const mzv_status status = mzv_plain_create(out, ev, slots, e.level, e.use);
    mzv_free(slots);
    return status;
}

static mzv_status encode_all(mzv_norm *n, mzv_evaluator *ev, const mzv_norm_spec *s) {
    const uint32_t level = n->facts.level;
    const bool centre = s->kind == MZV_NORM_LAYER;
    if (s->mask)
        MZV_TRY(encode(&n->square_mask, ev, s, (encoding) { NULL, n->square, level - 1, MZV_PLAIN_MUL }));
    if (s->mask)
        MZV_TRY(encode(&n->shift_mask, ev, s, (encoding) { NULL, n->shift, level - 2, MZV_PLAIN_ADD }));
    if (s->mask && centre)
        MZV_TRY(encode(&n->mean_mask, ev, s, (encoding) { NULL, n->mean, level, MZV_PLAIN_MUL }));
    if (s->beta) MZV_TRY(encode(&n->beta, ev, s, (encoding) { s->beta, 1, n->facts.end, MZV_PLAIN_ADD }));
    if (!s->mask && !s->gamma) return MZV_OK;
    MZV_TRY(encode(&n->gamma, ev, s, (encoding) { s->gamma, n->data, level, MZV_PLAIN_MUL }));
    if (!centre) return MZV_OK;
    return encode(&n->gamma_mean, ev, s,
                  (encoding) { s->gamma, n->data / s->n_channels, level, MZV_PLAIN_MUL });
}

static mzv_status run_root(void *user, mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *in) {
    return mzv_inverse_root_apply(ev, out, in[0], in[1], user);
}

/* What refreshing does to levels: all that a run on `count` asks of it. Plaintexts of ev's own refresh are of
 * ev's kind. */
static mzv_status refresh_levels(const mzv_refresh *self, mzv_evaluator *ev, mzv_cipher *out,
                                 const mzv_cipher *a) {
    (void)a;
    return mzv_clear_set(ev, out, NULL, self->out_level);
}

/* Level of x: t, `above` below it, either carries all or is refreshed. */
static uint32_t need_of(const mzv_norm *n, uint32_t above, const mzv_refresh *refresh) {
    uint32_t need = n->facts.needs;
    if (!refresh) return n->facts.levels;
    if (need < above + refresh->in_level) need = above + refresh->in_level;
    return need < n->facts.levels ? need : n->facts.levels;
}

/* Where the result ends: a run of the inverse root on `count`. It is at most at the data's level less one,
 * never above t's. */
static mzv_status find_end(mzv_norm *n, mzv_evaluator *ev) {
    const uint32_t level = n->facts.level, above = n->is_free ? 1 : 2;
    mzv_refresh refresh = ev->refresh ? *ev->refresh : (mzv_refresh) { 0 };
    mzv_circuit_cost cost;
    n->facts.needs = need_of(n, above, ev->refresh);
    if (level < n->facts.needs)
        return mzv_fail(MZV_ERR_LEVEL, "norm: level %u, need %u%s", level, n->facts.needs,
                        ev->refresh ? "" : ", or 2 to 4 where values are refreshed");
    refresh.run = refresh_levels;
    const mzv_circuit_call call = { run_root, n->root, 2, { level - 1, level - above } };
    MZV_TRY(mzv_circuit_measure_refreshed(&cost, NULL, &ev->params, &call, ev->refresh ? &refresh : NULL));
    n->facts.end = level - above - cost.levels;
    n->refreshed = ev->refresh ? ev->refresh->out_level : 0;
    return MZV_OK;
}

static mzv_status plan(mzv_norm *n, mzv_evaluator *ev, const mzv_norm_spec *spec) {
    set_constants(n);
    MZV_TRY(make_root(n, ev->refresh));
    MZV_TRY(find_end(n, ev));
    return encode_all(n, ev, spec);
}

mzv_status mzv_norm_create(mzv_norm **out, mzv_evaluator *ev, uint32_t level, const mzv_norm_spec *spec) {
    mzv_norm *n = NULL;
    MZV_TRY(check(spec));
    MZV_TRY(check_patterns(spec, ev->n_slots));
    MZV_TRY(MZV_NEW(&n, 1, "norm"));
    n->spec = *spec;
    n->facts.level = level;
    const mzv_status status = plan(n, ev, spec);
    n->spec.gamma = n->spec.beta = NULL;
    if (status == MZV_OK)
        *out = n;
    else
        mzv_norm_destroy(n);
    return status;
}

void mzv_norm_destroy(mzv_norm *norm) {
    if (!norm) return;
    mzv_plain_destroy(norm->square_mask);
    mzv_plain_destroy(norm->mean_mask);
    mzv_plain_destroy(norm->shift_mask);
    mzv_plain_destroy(norm->gamma);
    mzv_plain_destroy(norm->gamma_mean);
    mzv_plain_destroy(norm->beta);
    mzv_inverse_root_destroy(norm->root);
    mzv_free(norm);
}

const mzv_norm_facts *mzv_norm_about(const mzv_norm *norm) { return &norm->facts; }

void mzv_norm_value(const mzv_norm *norm, long double *y, const long double *x) {
    const mzv_norm_spec *s = &norm->spec;
    const uint32_t n = s->n_channels;
    const bool centre = s->kind == MZV_NORM_LAYER;
    long double sum = 0, squares = 0;
    for (uint32_t c = 0; c < n; c++) {
        sum += x[c];
        squares += x[c] * x[c];
    }
    const long double mean = centre ? sum / n : 0;
    const long double root = mzv_inverse_root_value(norm->root, squares / n - mean * mean + s->epsilon);
    for (uint32_t c = 0; c < n; c++) y[c] = (x[c] - mean) * (long double)norm->data * s->input_gain * root;
}

/* ------------------------------------------------------------------ runs */

mzv_status mzv_norm_request(const mzv_norm *norm, mzv_key_request *request) {
    const uint32_t level = norm->facts.level;
    MZV_TRY(mzv_fold_request(&norm->spec.fold, request, level));
    return mzv_request_relinearize(request, level > norm->refreshed ? level : norm->refreshed);
}

/* out = sum x of every token, at x's level; taken. */
static mzv_status sum(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *x, const mzv_norm *n) {
    MZV_TRY(mzv_ev_take(ev, out, x->level, x->batch));
    return mzv_fold_run(ev, out, x, &n->spec.fold);
}

/* t = t - (mean total)^2. */
static mzv_status subtract_mean(mzv_evaluator *ev, mzv_cipher *t, const mzv_cipher *total,
                                const mzv_norm *n) {
    mzv_cipher mean, square;
    const size_t mark = mzv_ev_mark(ev);
    MZV_TRY(mzv_ev_take(ev, &mean, total->level - 1, total->batch));
    MZV_TRY(mzv_ev_take(ev, &square, t->level, total->batch));
    if (n->mean_mask)
        MZV_TRY(mzv_mul_plain(ev, &mean, total, n->mean_mask));
    else
        MZV_TRY(mzv_mul_const(ev, &mean, total, n->mean));
    MZV_TRY(mzv_mul(ev, &square, &mean, &mean));
    MZV_TRY(mzv_sub(ev, t, t, &square));
    mzv_ev_release(ev, mark);
    return MZV_OK;
}

/* t of the variance, taken; total: sum x, NULL for RMS. */
static mzv_status run_variance(mzv_evaluator *ev, mzv_cipher *t, const mzv_cipher *x, const mzv_cipher *total,
                               const mzv_norm *n) {
    const uint32_t level = x->level - (n->is_free ? 1 : 2);
    mzv_cipher square, squares;
    const mzv_cipher *view = &squares;
    MZV_TRY(mzv_ev_take(ev, t, level, x->batch));
    const size_t mark = mzv_ev_mark(ev);
    MZV_TRY(mzv_ev_take(ev, &square, x->level - 1, x->batch));
    MZV_TRY(mzv_mul(ev, &square, x, x));
    MZV_TRY(sum(ev, &squares, &square, n));
    if (n->is_free) {
        MZV_TRY(mzv_add_const(ev, t, &squares, n->shift));
    } else if (n->square_mask) {
        MZV_TRY(mzv_mul_plain(ev, t, &squares, n->square_mask));
        MZV_TRY(mzv_add_plain(ev, t, t, n->shift_mask));
    } else {
        MZV_TRY(mzv_combine(ev, t, &view, &n->square, 1, n->shift));
    }
    if (total) MZV_TRY(subtract_mean(ev, t, total, n));
    mzv_ev_release(ev, mark);
    return MZV_OK;
}

/* out = gamma (x - mean) over the root's gain, one level below x; taken. */
static mzv_status run_data(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *x, const mzv_cipher *total,
                           const mzv_norm *n) {
    const mzv_cipher *const both[2] = { x, total };
    const double c[2] = { n->data, -n->data / n->spec.n_channels };
    mzv_cipher mean;
    MZV_TRY(mzv_ev_take(ev, out, x->level - 1, x->batch));
    if (!n->gamma) return mzv_combine(ev, out, both, c, total ? 2 : 1, 0);
    MZV_TRY(mzv_mul_plain(ev, out, x, n->gamma));
    if (!total) return MZV_OK;
    const size_t mark = mzv_ev_mark(ev);
    MZV_TRY(mzv_ev_take(ev, &mean, x->level - 1, x->batch));
    MZV_TRY(mzv_mul_plain(ev, &mean, total, n->gamma_mean));
    MZV_TRY(mzv_sub(ev, out, out, &mean));
    mzv_ev_release(ev, mark);
    return MZV_OK;
}

static mzv_status run_all(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *x, const mzv_norm *n) {
    const bool centre = n->spec.kind == MZV_NORM_LAYER;
    mzv_cipher room, total, t, data, y;
    const mzv_cipher *at;
    MZV_TRY(mzv_circuit_at(ev, &at, &room, x, n->facts.level));
    if (centre) MZV_TRY(sum(ev, &total, at, n));
    MZV_TRY(run_data(ev, &data, at, centre ? &total : NULL, n));
    MZV_TRY(run_variance(ev, &t, at, centre ? &total : NULL, n));
    if (!n->beta) return mzv_inverse_root_apply(ev, out, &data, &t, n->root);
    MZV_TRY(mzv_ev_take(ev, &y, n->facts.end, x->batch));
    MZV_TRY(mzv_inverse_root_apply(ev, &y, &data, &t, n->root));
    return mzv_add_plain(ev, out, &y, n->beta);
}

mzv_status mzv_norm_run(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *x, const mzv_norm *norm) {
    MZV_TRY(mzv_circuit_need("norm", x, norm->facts.level));
    const size_t mark = mzv_ev_mark(ev);
    const mzv_status status = run_all(ev, out, x, norm);
    mzv_ev_release(ev, mark);
    return status;
}
