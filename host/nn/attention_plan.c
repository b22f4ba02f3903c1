/* From ranges to circuits: the numbers of an encrypted attention. */
#include "nn/attention_plan.h"

#include <math.h>

#include "base/try.h"

static mzv_status check(const mzv_attention_spec *s) {
    const mzv_attention_range *r = &s->range;
    const uint32_t n_head = s->weights.n_head;
    if (s->head >= 0 && (uint32_t)s->head >= n_head)
        return mzv_fail(MZV_ERR_ARGUMENT, "attention: head %d, the module has %u", s->head, n_head);
    if (!(r->score_low < r->score_high) || !(r->lse_low < r->lse_high) || !(r->value_max > 0) ||
        !(r->output_max > 0) || !(s->target_error > 0))
        return mzv_fail(MZV_ERR_ARGUMENT, "attention: empty range: scores [%g, %g], sums [%g, %g], values %g, outputs %g",
                        r->score_low, r->score_high, r->lse_low, r->lse_high, r->value_max, r->output_max);
    return MZV_OK;
}

/* The largest value the circuit of 1/S meets: the slots of the zero half of a group hold the end of one query's terms and
 * the beginning of the next one's, up to two sums; beyond its interval the circuit would explode there. */
static double largest_sum(const mzv_attention_spec *s) { return 2 * exp(s->range.lse_high); }

/* 1/S with one Newton step for the quotient, S = weight times the sum. */
static mzv_status make_inverse(mzv_attention_plan *p, const mzv_attention_spec *s, double weight) {
    const mzv_inverse_spec spec = { .lo = weight * exp(s->range.lse_low), .hi = weight * largest_sum(s),
                                    .target = s->target_error, .gain = 1, .refine = true };
    mzv_inverse_destroy(p->inverse);
    p->inverse = NULL;
    MZV_TRY(mzv_inverse_create(&p->inverse, &spec));
    const mzv_inverse_facts *about = mzv_inverse_about(p->inverse);
    p->sum_input = mzv_inverse_affine(p->inverse);
    p->facts.inverse_doublings = about->doublings;
    p->facts.quotient_error = about->residual * about->residual;
    return MZV_OK;
}

/* Sums of a ratio up to e^10 are weighted so that the circuit's input is shift - S, which costs no level: the scale of its
 * affine map depends on the weight only through the slowly varying g of circuit/inverse.h, so that the fixed point is
 * reached in a few rounds. The least of them is then the ratio's inverse in size, and noise counts against it; wider
 * sums stay as they are and take a level for the map. */
static const double widest_weighted = 10;
static const double widest_sums = 13.8; /* circuit/inverse.h takes a ratio of 2^20 */

/* Rounds towards the weight that leaves the factor -1; p->weighted says whether they settled. */
static mzv_status settle_weight(mzv_attention_plan *p, const mzv_attention_spec *s, double *weight) {
    *weight = 2 / (largest_sum(s) - exp(s->range.lse_low));
    for (int round = 0; round < 100; round++) {
        MZV_TRY(make_inverse(p, s, *weight));
        p->weighted = fabs(p->sum_input.scale + 1) < 1e-12;
        if (p->weighted) break;
        *weight *= -p->sum_input.scale;
    }
    return MZV_OK;
}

static mzv_status plan_quotient(mzv_attention_plan *p, const mzv_attention_spec *s, double *weight) {
    const double width = log(largest_sum(s)) - s->range.lse_low;
    if (width > widest_sums)
        return mzv_fail(MZV_ERR_PRECISION, "attention: sums of a ratio up to e^%.1f, at most e^%.1f are divided; calibrate on more text",
                        width, widest_sums);
    if (width <= widest_weighted) MZV_TRY(settle_weight(p, s, weight));
    if (p->weighted) return MZV_OK;
    *weight = 1;
    return make_inverse(p, s, 1);
}

/* Noise of a direct exp is absolute, so relative to the least sum it grows as the ratio of the sums; a squaring leaves the
 * square root of that ratio. Up to a ratio of e^6 the direct form is good enough. */
static const double widest_direct = 6;

/* w exp(s) on the shifted scores. Errors count relative to the least sum: terms far below it may be off by as much as
 * those near it. Dead pairs sit at the low end of the interval, where the circuit's value is known and is taken off the
 * sums again; that end is put so low that a whole group of them is small beside the least sum. */
static mzv_status plan_exp(mzv_attention_plan *p, const mzv_attention_spec *s, double weight) {
    const mzv_attention_range *r = &s->range;
    const double dead_low = r->lse_low + log(s->target_error / s->layout.group);
    mzv_exp_spec spec = { .a = fmin(r->score_low, dead_low),
                                .b = r->score_high,
                                .floor = r->lse_low,
                                .target = s->target_error,
                                .log_gain = log(weight),
                                .squarings = MZV_EXP_AUTO };
    MZV_TRY(mzv_exp_create(&p->exp, &spec));
    if (mzv_exp_about(p->exp)->squarings == 0 && r->lse_high - r->lse_low > widest_direct) {
        mzv_exp_destroy(p->exp);
        p->exp = NULL;
        spec.squarings = 1;
        MZV_TRY(mzv_exp_create(&p->exp, &spec));
    }
    p->exp_input = mzv_exp_affine(p->exp);
    p->dead_value = (double)mzv_exp_value(p->exp, spec.a);
    p->facts.exp_degree = mzv_exp_about(p->exp)->degree;
    p->facts.exp_squarings = mzv_exp_about(p->exp)->squarings;
    p->facts.exp_error = mzv_exp_about(p->exp)->error;
    return MZV_OK;
}

static mzv_status plan_folds(mzv_attention_plan *p) {
    const mzv_pair_layout *l = &p->layout;
    const uint32_t outputs = l->heads * l->dim;
    if (l->copies > 1)
        MZV_TRY(mzv_fold_cyclic(&p->channels, outputs * l->pairs, l->copies, MZV_FOLD_RADIX_2));
    MZV_TRY(mzv_fold_cyclic(&p->head, l->heads * l->pairs, l->dim * l->copies, MZV_FOLD_RADIX_2));
    MZV_TRY(mzv_fold_window(&p->window, 1, l->tokens, l->group, MZV_FOLD_RADIX_2));
    return mzv_fold_first(&p->first, 1, l->tokens, l->group, MZV_FOLD_RADIX_2);
}

static uint32_t count_levels(const mzv_attention_plan *p) {
    const uint32_t projections = 1, scores = 1, sum = !p->weighted, quotient = 2, output = p->whole;
    return projections + scores + mzv_exp_levels(p->exp) + sum + mzv_inverse_levels(p->inverse) + quotient + output;
}

void mzv_attention_plan_clear(mzv_attention_plan *p) {
    mzv_exp_destroy(p->exp);
    mzv_inverse_destroy(p->inverse);
    *p = (mzv_attention_plan){ 0 };
}

mzv_status mzv_attention_plan_make(mzv_attention_plan *out, const mzv_attention_spec *s) {
    MZV_TRY(check(s));
    mzv_attention_plan p = { .layout = s->layout, .weights = s->weights, .shift = s->shift, .whole = s->head < 0 };
    double weight;
    mzv_status status;
    p.n_channels = s->weights.n_embd;
    p.head_dim = s->weights.n_embd / s->weights.n_head;
    p.n_heads = p.whole ? s->weights.n_head : 1;
    p.first_head = p.whole ? 0 : (uint32_t)s->head;
    p.value_scale = s->range.value_max / (p.whole ? 1 : MZV_ATTENTION_RESULT);
    p.output_scale = s->range.output_max / MZV_ATTENTION_RESULT;
    MZV_TRY_GOTO(plan_quotient(&p, s, &weight), failed);
    MZV_TRY_GOTO(plan_exp(&p, s, weight), failed);
    MZV_TRY_GOTO(plan_folds(&p), failed);
    p.gamma = sqrt(p.exp_input.scale / sqrt(p.head_dim));
    p.facts.levels = count_levels(&p);
    *out = p;
    return MZV_OK;
failed:
    mzv_attention_plan_clear(&p);
    return status;
}

mzv_status mzv_attention_about(mzv_attention_facts *out, const mzv_attention_spec *spec) {
    mzv_attention_plan p;
    MZV_TRY(mzv_attention_plan_make(&p, spec));
    *out = p.facts;
    mzv_attention_plan_clear(&p);
    return MZV_OK;
}
