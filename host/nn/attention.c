/* The encrypted attention: encoded weights, and the run, step by step as in the header. */
#include "nn/attention.h"

#include "base/arena.h"
#include "base/try.h"
#include "nn/attention_plan.h"

struct mzv_attention {
    mzv_attention_plan plan;
    uint32_t level; /* of the inputs */
    mzv_transform *matrix[MZV_ATTENTION_MATRICES]; /* MZV_OUTPUT: NULL for one head */
    mzv_plain *key_bias, *output_bias;
};

struct mzv_attention_mask {
    mzv_plain *query_bias, *offset, *dead_weight;
};

enum { N_PARTS = 5 };

static mzv_status part(const mzv_attention_watch *w, const char *name, uint32_t step) {
    if (w && !w->part(w->user, name, step, N_PARTS))
        return mzv_fail(MZV_ERR_CANCELLED, "attention: stopped before %s, part %u of %u", name, step, N_PARTS);
    return MZV_OK;
}

/* ---- encoding ---- */

static uint32_t exp_level(const mzv_attention *a) { return a->level - 2 - mzv_exp_levels(a->plan.exp); }
static uint32_t output_level(const mzv_attention *a) { return a->level - a->plan.facts.levels; }

static mzv_status encode_matrices(mzv_attention *a, mzv_evaluator *ev) {
    mzv_attention_matrix matrix[MZV_ATTENTION_MATRICES];
    mzv_attention_matrices(matrix, &a->plan);
    for (int i = 0; i < MZV_ATTENTION_MATRICES; i++) {
        if (i == MZV_OUTPUT && !a->plan.whole) continue;
        const mzv_transform_spec spec = { .diagonal = mzv_attention_diagonal, .user = &matrix[i],
                                          .n_diagonals = matrix[i].n_diagonals,
                                          .step = (int32_t)a->plan.layout.pairs };
        MZV_TRY(mzv_transform_create(&a->matrix[i], ev, i == MZV_OUTPUT ? output_level(a) + 1 : a->level, &spec));
    }
    return MZV_OK;
}

static mzv_status encode_biases(mzv_attention *a, mzv_evaluator *ev) {
    mzv_complex *slots;
    mzv_status status;
    MZV_TRY(MZV_NEW(&slots, a->plan.layout.n_slots, "attention: slots"));
    mzv_attention_key_bias(&a->plan, slots);
    MZV_TRY_GOTO(mzv_plain_create(&a->key_bias, ev, slots, a->level - 1, MZV_PLAIN_ADD), done);
    mzv_attention_output_bias(&a->plan, slots);
    MZV_TRY_GOTO(mzv_plain_create(&a->output_bias, ev, slots, output_level(a), MZV_PLAIN_ADD), done);
done:
    mzv_free(slots);
    return status;
}

mzv_status mzv_attention_create(mzv_attention **out, mzv_evaluator *ev, const mzv_attention_spec *spec,
                                uint32_t level) {
    mzv_attention *a;
    mzv_status status;
    MZV_TRY(MZV_NEW(&a, 1, "attention"));
    MZV_TRY_GOTO(mzv_attention_plan_make(&a->plan, spec), failed);
    a->level = level;
    if (level < a->plan.facts.levels || level > mzv_evaluator_max_level(ev))
        MZV_TRY_GOTO(mzv_fail(MZV_ERR_LEVEL, "attention: inputs at level %u, the circuit takes %u, the chain has %u",
                              level, a->plan.facts.levels, mzv_evaluator_max_level(ev)), failed);
    if (spec->layout.n_slots != mzv_evaluator_slots(ev))
        MZV_TRY_GOTO(mzv_fail(MZV_ERR_ARGUMENT, "attention: the layout has %u slots, the evaluator %u",
                              spec->layout.n_slots, mzv_evaluator_slots(ev)), failed);
    MZV_TRY_GOTO(encode_matrices(a, ev), failed);
    MZV_TRY_GOTO(encode_biases(a, ev), failed);
    *out = a;
    return MZV_OK;
failed:
    mzv_attention_destroy(a);
    return status;
}

void mzv_attention_destroy(mzv_attention *a) {
    if (!a) return;
    for (int i = 0; i < MZV_ATTENTION_MATRICES; i++) mzv_transform_destroy(a->matrix[i]);
    mzv_plain_destroy(a->key_bias);
    mzv_plain_destroy(a->output_bias);
    mzv_attention_plan_clear(&a->plan);
    mzv_free(a);
}

mzv_status mzv_attention_keep(mzv_attention *a) {
    for (int i = 0; i < MZV_ATTENTION_MATRICES; i++)
        if (a->matrix[i]) MZV_TRY(mzv_transform_keep(a->matrix[i]));
    return MZV_OK;
}

size_t mzv_attention_kept_bytes(const mzv_attention_spec *spec, const mzv_params *params, uint32_t level) {
    const mzv_pair_layout *l = &spec->layout;
    const size_t inputs = 2 * (size_t)l->heads * l->dim * (params->n_special + level + 1);
    const size_t output = spec->head < 0 ? (size_t)l->channels * (params->n_special + 2) : 0;
    return (inputs + output) * (sizeof(uint64_t) << params->log_n);
}

const mzv_attention_facts *mzv_attention_get_facts(const mzv_attention *a) { return &a->plan.facts; }

mzv_status mzv_attention_mask_create(mzv_attention_mask **out, mzv_evaluator *ev, const mzv_attention *a,
                                     const mzv_pair_span *span) {
    const mzv_pair_layout *l = &a->plan.layout;
    mzv_complex *slots = NULL;
    mzv_attention_mask *m;
    mzv_status status;
    if (span->n_rows > l->rows || span->n_tokens > l->tokens || span->first_row + span->n_rows > span->n_tokens)
        return mzv_fail(MZV_ERR_ARGUMENT, "attention: rows %u..%u of %u tokens, the layout holds %u rows of %u tokens",
                        span->first_row, span->first_row + span->n_rows, span->n_tokens, l->rows, l->tokens);
    MZV_TRY(MZV_NEW(&m, 1, "attention: mask"));
    MZV_TRY_GOTO(MZV_NEW(&slots, l->n_slots, "attention: slots"), failed);
    mzv_attention_query_bias(&a->plan, span, slots);
    MZV_TRY_GOTO(mzv_plain_create(&m->query_bias, ev, slots, a->level - 1, MZV_PLAIN_ADD), failed);
    mzv_attention_offset(&a->plan, span, slots);
    MZV_TRY_GOTO(mzv_plain_create(&m->offset, ev, slots, a->level - 2, MZV_PLAIN_ADD), failed);
    mzv_attention_dead_weight(&a->plan, span, slots);
    MZV_TRY_GOTO(mzv_plain_create(&m->dead_weight, ev, slots, exp_level(a), MZV_PLAIN_ADD), failed);
    mzv_free(slots);
    *out = m;
    return MZV_OK;
failed:
    mzv_free(slots);
    mzv_attention_mask_destroy(m);
    return status;
}

void mzv_attention_mask_destroy(mzv_attention_mask *m) {
    if (!m) return;
    mzv_plain_destroy(m->query_bias);
    mzv_plain_destroy(m->offset);
    mzv_plain_destroy(m->dead_weight);
    mzv_free(m);
}

double mzv_attention_scale(const mzv_attention *a) {
    return a->plan.whole ? a->plan.output_scale : a->plan.value_scale;
}
uint32_t mzv_attention_outputs(const mzv_attention *a) {
    return a->plan.whole ? a->plan.n_channels : a->plan.head_dim;
}
uint32_t mzv_attention_channel(const mzv_attention *a, uint32_t output) {
    return a->plan.whole ? output : mzv_pair_channel(&a->plan.layout, 0, output, 0);
}

/* ---- the run ---- */

/* out = matrix times a, in every copy of the outputs. */
static mzv_status project(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *in, const mzv_attention *a, int i) {
    MZV_TRY(mzv_transform_run(ev, out, in, a->matrix[i]));
    if (i != MZV_OUTPUT && a->plan.layout.copies > 1) MZV_TRY(mzv_fold_run(ev, out, out, &a->plan.channels));
    return MZV_OK;
}

/* imaginary := -i (z - conj z) = 2 Im z */
static mzv_status imaginary_part(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *z, const mzv_cipher *conj) {
    const uint32_t minus_i = 3 * mzv_evaluator_slots(ev);
    MZV_TRY(mzv_sub(ev, out, z, conj));
    return mzv_mul_monomial(ev, out, out, minus_i);
}

/* Step 1: k, q, v at one level below the inputs. */
static mzv_status projections(mzv_evaluator *ev, mzv_cipher *k, mzv_cipher *q, mzv_cipher *v,
                              const mzv_cipher *keys, const mzv_cipher *queries, const mzv_attention *a,
                              const mzv_attention_mask *mask) {
    const size_t mark = mzv_ev_mark(ev);
    mzv_cipher z, conj;
    MZV_TRY(mzv_ev_take(ev, &z, a->level - 1, keys->batch));
    MZV_TRY(mzv_ev_take(ev, &conj, a->level - 1, keys->batch));
    MZV_TRY(project(ev, &z, keys, a, MZV_KEY_VALUE));
    MZV_TRY(mzv_conjugate(ev, &conj, &z));
    MZV_TRY(mzv_add(ev, k, &z, &conj));
    MZV_TRY(imaginary_part(ev, v, &z, &conj));
    MZV_TRY(project(ev, &z, queries, a, MZV_QUERY));
    MZV_TRY(mzv_conjugate(ev, &conj, &z));
    MZV_TRY(mzv_add(ev, k, k, &z));
    MZV_TRY(mzv_add(ev, k, k, &conj));
    MZV_TRY(imaginary_part(ev, q, &z, &conj));
    MZV_TRY(mzv_add_plain(ev, k, k, a->key_bias));
    MZV_TRY(mzv_add_plain(ev, q, q, mask->query_bias));
    mzv_ev_release(ev, mark);
    return MZV_OK;
}

/* Step 2. */
static mzv_status scores(mzv_evaluator *ev, mzv_cipher *t, const mzv_cipher *q, const mzv_cipher *k,
                         const mzv_attention *a, const mzv_attention_mask *mask) {
    MZV_TRY(mzv_mul(ev, t, q, k));
    MZV_TRY(mzv_fold_run(ev, t, t, &a->plan.head));
    return mzv_add_plain(ev, t, t, mask->offset);
}

/* Steps 4 to 6: out = sum_j e_j v_j / sum_j e_j in the slots j = 0. v is overwritten. */
static mzv_status weighted_mean(mzv_evaluator *ev, mzv_cipher *out, mzv_cipher *e, mzv_cipher *v,
                                const mzv_attention *a, const mzv_attention_mask *mask,
                                const mzv_attention_watch *watch) {
    const mzv_attention_plan *p = &a->plan;
    const size_t mark = mzv_ev_mark(ev);
    mzv_cipher s, n, y;
    MZV_TRY(mzv_ev_take(ev, &s, e->level, e->batch));
    MZV_TRY(mzv_ev_take(ev, &n, e->level, e->batch));
    MZV_TRY(mzv_ev_take(ev, &y, e->level, e->batch));
    MZV_TRY(mzv_fold_run(ev, &s, e, &p->window));
    MZV_TRY(mzv_add_plain(ev, &s, &s, mask->dead_weight));
    if (p->weighted) {
        MZV_TRY(mzv_negate(ev, &y, &s));
        MZV_TRY(mzv_add_const(ev, &y, &y, p->sum_input.shift));
    } else {
        MZV_TRY(mzv_affine_run(ev, &y, &s, p->sum_input));
    }
    MZV_TRY(mzv_inverse_run(ev, &y, &y, p->inverse));
    MZV_TRY(part(watch, "values", 4));
    MZV_TRY(mzv_drop(ev, &n, v, e->level));
    MZV_TRY(mzv_mul(ev, &n, &n, e));
    MZV_TRY(mzv_fold_run(ev, &n, &n, &p->first));
    MZV_TRY(mzv_inverse_divide(ev, out, &n, &y, &s, p->inverse));
    mzv_ev_release(ev, mark);
    return MZV_OK;
}

static mzv_status check_inputs(const mzv_cipher *keys, const mzv_cipher *queries, const mzv_attention *a) {
    if (mzv_cipher_level(keys) != a->level || mzv_cipher_level(queries) != a->level)
        return mzv_fail(MZV_ERR_LEVEL, "attention: inputs at levels %u and %u, the weights are for %u",
                        mzv_cipher_level(keys), mzv_cipher_level(queries), a->level);
    return MZV_OK;
}

static mzv_status run(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *keys, const mzv_cipher *queries,
                      const mzv_attention *a, const mzv_attention_mask *mask, const mzv_attention_watch *watch) {
    const uint32_t batch = mzv_cipher_batch(keys), t_level = a->level - 2;
    mzv_cipher k, q, v, t;
    MZV_TRY(mzv_ev_take(ev, &v, a->level - 1, batch));
    MZV_TRY(mzv_ev_take(ev, &t, t_level, batch));
    const size_t mark = mzv_ev_mark(ev);
    MZV_TRY(mzv_ev_take(ev, &k, a->level - 1, batch));
    MZV_TRY(mzv_ev_take(ev, &q, a->level - 1, batch));
    MZV_TRY(part(watch, "projections", 1));
    MZV_TRY(projections(ev, &k, &q, &v, keys, queries, a, mask));
    MZV_TRY(part(watch, "scores", 2));
    MZV_TRY(scores(ev, &t, &q, &k, a, mask));
    mzv_ev_release(ev, mark);
    MZV_TRY(part(watch, "softmax", 3));
    MZV_TRY(mzv_exp_run(ev, &t, &t, a->plan.exp));
    MZV_TRY(weighted_mean(ev, &t, &t, &v, a, mask, watch));
    MZV_TRY(part(watch, "output", 5));
    if (a->plan.whole) MZV_TRY(project(ev, &t, &t, a, MZV_OUTPUT));
    return mzv_add_plain(ev, out, &t, a->output_bias);
}

mzv_status mzv_attention_run(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *keys,
                             const mzv_cipher *queries, const mzv_attention *a, const mzv_attention_mask *mask,
                             const mzv_attention_watch *watch) {
    MZV_TRY(check_inputs(keys, queries, a));
    const size_t mark = mzv_ev_mark(ev);
    const mzv_status status = run(ev, out, keys, queries, a, mask, watch);
    mzv_ev_release(ev, mark);
    return status;
}
