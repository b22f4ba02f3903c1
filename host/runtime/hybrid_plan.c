/* Planning a hybrid session: the circuit from the calibration, then the smallest secure ring whose predicted
 * error meets the target, then keys and memory from a run that only counts. */
#include "runtime/hybrid_plan.h"

#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/memory.h"
#include "base/try.h"
#include "ckks/context.h"
#include "ckks/footprint.h"
#include "ckks/security.h"
#include "runtime/hybrid_session.h"

enum {
    LOG_N_FIRST = 12,
    LOG_N_LAST = 16,
    LOG_SCALE_FIRST = 47, /* q_0 = scale + 1 bit stays on the hot path, below 2^48.4 */
    LOG_SCALE_LAST = 30,
    LOG_Q0_ROOM = 1, /* values below 1 fit; results are below MZV_ATTENTION_RESULT */
    LOG_SPECIAL = 48,
    PREDICTION_PASSES = 4,
    FIXED_BYTES = 96 << 20 /* program, buffers of slots, decoding */
};
/* Weights are kept transformed where the session stays below this. */
static const size_t keep_bytes_max = (size_t)7 << 29; /* 3.5 GiB */
/* Of the target error: exp and the quotient take so much each, noise may take the rest. */
static const double approximation_share = 0.25;

mzv_status mzv_hybrid_defaults(mzv_hybrid_options *out, const mzv_hybrid_options *options,
                               const mzv_checkpoint *cp) {
    mzv_hybrid_options o = options ? *options : (mzv_hybrid_options) { 0 };
    if (o.target_error == 0) o.target_error = 3e-4;
    if (o.n_tokens_max == 0) o.n_tokens_max = cp->config.n_positions;
    if (o.noise_seed == 0) o.noise_seed = 1;
    if (!(o.target_error > 1e-9 && o.target_error < 1))
        return mzv_fail(MZV_ERR_ARGUMENT, "hybrid: target error %g, expected between 1e-9 and 1",
                        o.target_error);
    if (o.n_tokens_max > cp->config.n_positions)
        return mzv_fail(MZV_ERR_ARGUMENT, "hybrid: too many tokens: %u, the model has %u positions",
                        o.n_tokens_max, cp->config.n_positions);
    *out = o;
    return MZV_OK;
}

double mzv_relative_l2(const float *a, const float *b, size_t n) {
    double difference = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        difference += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        size += (double)b[i] * b[i];
    }
    return size > 0 ? sqrt(difference / size) : sqrt(difference);
}

mzv_status mzv_hybrid_reference(float *out, const mzv_float_attention *weights, int32_t head, const float *x,
                                uint32_t n_tokens, uint32_t first_row) {
    if (head < 0) return mzv_float_attention_run(weights, x, n_tokens, first_row, NULL, out);
    return mzv_float_attention_head(weights, (uint32_t)head, x, n_tokens, first_row, out);
}

/* ---- the circuit ---- */

/* Heads share one interval: each is moved by a constant that centres its sums on 0. */
static double centre(const mzv_head_range *h) { return (h->lse_low + h->lse_high) / 2; }

static void widen(mzv_attention_range *r, const mzv_head_range *h) {
    r->score_low = fmin(r->score_low, h->score_low - centre(h));
    r->score_high = fmax(r->score_high, h->score_high - centre(h));
    r->lse_low = fmin(r->lse_low, h->lse_low - centre(h));
    r->lse_high = fmax(r->lse_high, h->lse_high - centre(h));
    r->value_max = fmax(r->value_max, h->value_max);
}

mzv_status mzv_hybrid_spec_make(mzv_hybrid_spec *out, const mzv_checkpoint *cp, const mzv_calibration *cal,
                                const mzv_module_name *module, uint32_t n_slots, uint32_t n_tokens,
                                double target_error) {
    const mzv_layer_range *l = &cal->layer[module->layer];
    const uint32_t n_heads = module->head < 0 ? cal->n_heads : 1;
    const uint32_t first = module->head < 0 ? 0 : (uint32_t)module->head;
    mzv_hybrid_spec s = { .attention = { .head = module->head,
                                         .target_error = target_error * approximation_share } };
    mzv_attention_range *r = &s.attention.range;
    *r = (mzv_attention_range) { INFINITY, -INFINITY, INFINITY, -INFINITY, 0, l->output_max };
    MZV_TRY(mzv_module_attention(&s.attention.weights, cp, module->layer));
    MZV_TRY(mzv_pair_layout_make(&s.attention.layout, n_slots, cal->n_channels, n_heads, cal->head_dim,
                                 n_tokens));
    MZV_TRY(MZV_NEW(&s.shift, n_heads, "hybrid: heads"));
    for (uint32_t h = 0; h < n_heads; h++) {
        const mzv_head_range *range = &l->head[first + h];
        s.shift[h] = (mzv_head_shift) { range->bilinear, range->linear, range->constant + centre(range) };
        widen(r, range);
    }
    s.attention.shift = s.shift;
    *out = s;
    return MZV_OK;
}

void mzv_hybrid_spec_clear(mzv_hybrid_spec *spec) {
    mzv_free(spec->shift);
    *spec = (mzv_hybrid_spec) { 0 };
}

/* ---- counting ---- */

static mzv_status count_run(mzv_evaluator *ev, const mzv_attention_spec *spec, uint32_t level) {
    const mzv_pair_span span = { .n_tokens = 1, .first_row = 0, .n_rows = 1, .causal = spec->weights.causal };
    mzv_attention *a = NULL;
    mzv_attention_mask *mask = NULL;
    mzv_cipher *in = NULL, *out = NULL;
    mzv_status status;
    MZV_TRY_GOTO(mzv_attention_create(&a, ev, spec, level), done);
    MZV_TRY_GOTO(mzv_attention_mask_create(&mask, ev, a, &span), done);
    MZV_TRY_GOTO(mzv_evaluator_cipher(&in, ev, level, 1), done);
    MZV_TRY_GOTO(mzv_evaluator_cipher(&out, ev, level, 1), done);
    MZV_TRY_GOTO(mzv_clear_set(ev, in, NULL, level), done);
    MZV_TRY_GOTO(mzv_attention_run(ev, out, in, in, a, mask, NULL), done);
done:
    mzv_cipher_destroy(in);
    mzv_cipher_destroy(out);
    mzv_attention_mask_destroy(mask);
    mzv_attention_destroy(a);
    return status;
}

mzv_status mzv_hybrid_count(mzv_counts *counts, mzv_key_request *request, const mzv_attention_spec *spec,
                            const mzv_params *params, uint32_t level) {
    mzv_evaluator *ev;
    MZV_TRY(mzv_evaluator_create_count(&ev, params));
    mzv_status status = count_run(ev, spec, level);
    *counts = *mzv_evaluator_counts(ev);
    if (status == MZV_OK && request) status = mzv_evaluator_request(ev, request);
    mzv_evaluator_destroy(ev);
    return status;
}

/* ---- predicting ---- */

/* The ends of a session on slots with the noise that ciphertexts would have. */
typedef struct prediction {
    mzv_hybrid_server server;
    mzv_hybrid_client client;
    mzv_cipher *keys, *queries, *result;
    float *got, *want;
} prediction;

static mzv_status prediction_open(prediction *p, const mzv_attention_spec *spec, const mzv_hybrid_plan *plan,
                                  uint64_t noise_seed) {
    const mzv_hybrid_options simulate = { .mode = MZV_MODE_SIMULATE, .noise_seed = noise_seed };
    MZV_TRY(mzv_hybrid_server_open(&p->server, spec, NULL, NULL, plan, &simulate));
    MZV_TRY(mzv_hybrid_client_open(&p->client, NULL, p->server.ev, spec, plan->levels));
    MZV_TRY(mzv_evaluator_cipher(&p->keys, p->server.ev, plan->levels, 1));
    MZV_TRY(mzv_evaluator_cipher(&p->queries, p->server.ev, plan->levels, 1));
    MZV_TRY(mzv_evaluator_cipher(&p->result, p->server.ev, 0, 1));
    const size_t n = (size_t)spec->layout.rows * mzv_attention_outputs(p->server.attention);
    MZV_TRY(MZV_NEW(&p->got, n, "hybrid: prediction"));
    const size_t n_want = (size_t)spec->layout.tokens * mzv_attention_outputs(p->server.attention);
    return MZV_NEW(&p->want, n_want, "hybrid: prediction"); /* float gives every row from the first on */
}

static void prediction_close(prediction *p) {
    mzv_free(p->got);
    mzv_free(p->want);
    mzv_cipher_destroy(p->keys);
    mzv_cipher_destroy(p->queries);
    mzv_cipher_destroy(p->result);
    mzv_hybrid_client_close(&p->client);
    mzv_hybrid_server_close(&p->server);
}

static mzv_status predict_pass(prediction *p, const mzv_attention_spec *spec, const float *x,
                               const mzv_pair_span *span, double *error) {
    MZV_TRY(mzv_hybrid_client_send(&p->client, p->keys, p->queries, x, span));
    MZV_TRY(mzv_hybrid_server_run(&p->server, p->result, p->keys, p->queries, span, NULL));
    MZV_TRY(mzv_hybrid_client_receive(&p->client, p->got, p->result, p->server.attention, span->n_rows));
    MZV_TRY(mzv_hybrid_reference(p->want, &spec->weights, spec->head, x, span->n_tokens, span->first_row));
    *error =
        mzv_relative_l2(p->got, p->want, (size_t)span->n_rows * mzv_attention_outputs(p->server.attention));
    return MZV_OK;
}

/* The worst of PREDICTION_PASSES passes over spread rows of the calibration's sample. A causal pass sees the
 * tokens up to its last row; one in both directions sees the whole sample, as the calibration did. */
static mzv_status predict(double *error, const mzv_attention_spec *spec, const mzv_hybrid_plan *plan,
                          const mzv_layer_range *l, uint32_t n_sample, const mzv_hybrid_options *options) {
    const uint32_t most = n_sample < spec->layout.tokens ? n_sample : spec->layout.tokens;
    prediction p = { 0 };
    double worst = 0;
    mzv_status status = prediction_open(&p, spec, plan, options->noise_seed);
    for (uint32_t i = 1; i <= PREDICTION_PASSES && status == MZV_OK; i++) {
        const uint32_t end = (most * i + PREDICTION_PASSES - 1) / PREDICTION_PASSES;
        const uint32_t n_rows = end < spec->layout.rows ? end : spec->layout.rows;
        const mzv_pair_span span = { spec->weights.causal ? end : most, end - n_rows, n_rows,
                                     spec->weights.causal };
        double now = 0;
        status = predict_pass(&p, spec, l->sample, &span, &now);
        worst = fmax(worst, now);
    }
    prediction_close(&p);
    if (status == MZV_OK) *error = worst;
    return status;
}

/* ---- choosing the ring ---- */

/* A set of parameters for one ring, and what a key switch costs with it. */
typedef struct candidate {
    mzv_params params;
    double cost; /* rows transformed by one key switch at the top */
} candidate;

/* The largest scale that is secure with n_special special primes; false when none is. */
static bool candidate_make(candidate *out, uint32_t log_n, uint32_t levels, uint32_t n_special) {
    const uint32_t n_q = levels + 1, digits = (n_q + n_special - 1) / n_special;
    const double room =
        mzv_params_cap(log_n, MZV_SECURITY_BITS) - (double)LOG_SPECIAL * n_special - LOG_Q0_ROOM;
    double log_scale = fmin(floor(room / n_q), LOG_SCALE_FIRST);
    for (; log_scale >= LOG_SCALE_LAST; log_scale--) {
        const mzv_params p = { .log_n = log_n,
                               .n_levels = levels,
                               .log_scale = (uint32_t)log_scale,
                               .log_q0 = (uint32_t)log_scale + LOG_Q0_ROOM,
                               .n_special = n_special,
                               .log_special = LOG_SPECIAL };
        mzv_param_facts facts;
        if (mzv_params_check(&p, &facts) != MZV_OK) continue;
        *out = (candidate) { p, (double)n_q + (digits + 2.0) * (n_special + n_q) };
        return true;
    }
    return false;
}

/* Fills what the circuit decides. */
static mzv_status describe(mzv_hybrid_plan *plan, const mzv_attention_spec *spec) {
    mzv_attention_facts facts;
    MZV_TRY(mzv_attention_about(&facts, spec));
    plan->rows_per_pass = spec->layout.rows;
    plan->n_channels = spec->weights.n_embd;
    plan->levels = facts.levels;
    plan->exp_low = spec->range.score_low, plan->exp_high = spec->range.score_high;
    plan->sum_low = exp(spec->range.lse_low), plan->sum_high = exp(spec->range.lse_high);
    plan->exp_degree = facts.exp_degree, plan->exp_squarings = facts.exp_squarings;
    plan->inverse_doublings = facts.inverse_doublings;
    return MZV_OK;
}

/* The cheapest candidate that costs more than `above`. */
static bool next_candidate(candidate *out, uint32_t log_n, uint32_t levels, double above) {
    bool found = false;
    for (uint32_t k = 1; k <= levels + 1; k++) {
        candidate c;
        if (!candidate_make(&c, log_n, levels, k) || c.cost <= above || (found && c.cost >= out->cost))
            continue;
        *out = c;
        found = true;
    }
    return found;
}

/* The most precise parameters of a ring: the largest scale; of equals, the cheapest. */
static bool finest_candidate(candidate *out, uint32_t log_n, uint32_t levels) {
    candidate c = { .cost = 0 };
    bool found = false;
    while (next_candidate(&c, log_n, levels, c.cost)) {
        if (!found || c.params.log_scale > out->params.log_scale) *out = c;
        found = true;
    }
    return found;
}

/* plan->counts and plan->predicted_error for plan->params; infinite where noise drowns the result. */
static mzv_status assess(mzv_hybrid_plan *plan, const mzv_attention_spec *spec, const mzv_calibration *cal,
                         const mzv_hybrid_options *options) {
    MZV_TRY(mzv_hybrid_count(&plan->counts, NULL, spec, &plan->params, plan->levels));
    const mzv_status status =
        predict(&plan->predicted_error, spec, plan, &cal->layer[plan->module.layer], cal->n_sample, options);
    if (status != MZV_ERR_RANGE) return status;
    plan->predicted_error = INFINITY;
    return MZV_OK;
}

/* On one ring: if its finest parameters meet the target, the cheapest that do. plan->predicted_error is above
 * the target when none does. */
static mzv_status try_ring(mzv_hybrid_plan *plan, uint32_t log_n, const mzv_checkpoint *cp,
                           const mzv_calibration *cal, const mzv_hybrid_options *options) {
    mzv_hybrid_spec spec;
    candidate finest, c = { .cost = 0 };
    mzv_status status;
    plan->n_slots = 1u << (log_n - 1);
    plan->predicted_error = INFINITY;
    MZV_TRY(mzv_hybrid_spec_make(&spec, cp, cal, &plan->module, plan->n_slots, options->n_tokens_max,
                                 options->target_error));
    MZV_TRY_GOTO(describe(plan, &spec.attention), done);
    if (!finest_candidate(&finest, log_n, plan->levels)) goto done;
    plan->params = finest.params;
    MZV_TRY_GOTO(assess(plan, &spec.attention, cal, options), done);
    if (plan->predicted_error > options->target_error) goto done;
    while (next_candidate(&c, log_n, plan->levels, c.cost) && c.cost < finest.cost) {
        plan->params = c.params;
        MZV_TRY_GOTO(assess(plan, &spec.attention, cal, options), done);
        if (plan->predicted_error <= options->target_error) goto done;
    }
    plan->params = finest.params;
    status = assess(plan, &spec.attention, cal, options);
done:
    mzv_hybrid_spec_clear(&spec);
    return status;
}

/* ---- memory ---- */

/* What a session may take: the user's limit, or what the machine has. */
static mzv_status memory_limit(uint64_t *have, const mzv_hybrid_options *options) {
    *have = options->memory_bytes_max;
    return *have ? MZV_OK : mzv_memory_available(have);
}

#define FREE_SHARE 0.95 /* of a GPU's free memory, where the user sets no limit: the rest is the driver's */

/* Bytes of the GPU that a session may take; UINT64_MAX: nobody says. */
static uint64_t device_limit(const mzv_backend_ops *ops, const mzv_hybrid_options *options) {
    mzv_device_facts facts;
    int n_devices = 0;
    if (options->device_bytes_max > 0) return options->device_bytes_max;
    if (ops->look == NULL || ops->look(&facts, &n_devices, options->device) != MZV_OK) return UINT64_MAX;
    return (uint64_t)(FREE_SHARE * (double)facts.free_bytes);
}

static mzv_status fail_device(const mzv_hybrid_plan *plan, uint64_t others, uint64_t limit, bool by_user) {
    return mzv_fail(
        MZV_ERR_MEMORY,
        "hybrid: %s at N = 2^%u needs %llu MiB of the GPU without any key, %s %llu MiB; %sallow fewer "
        "tokens or encrypt one head",
        plan->module.text, plan->params.log_n, (unsigned long long)(others >> 20),
        by_user ? "allowed" : "which has free", (unsigned long long)(limit >> 20),
        by_user ? "raise --device-memory, " : "");
}

/* Where the GPU has no room for all of it, weights are not kept; then keys that have no room beside the rest
 * stay in pinned memory of the host. `kept`: bytes of the weights. */
static mzv_status place(mzv_hybrid_plan *plan, const mzv_key_request *request, uint64_t others, size_t kept,
                        uint64_t limit, bool by_user) {
    mzv_keys_footprint keys;
    if (plan->keeps_weights && others + kept + plan->keys_bytes <= limit) {
        plan->device_bytes = others + kept + plan->keys_bytes;
        return MZV_OK;
    }
    if (plan->keeps_weights) plan->memory_bytes -= kept;
    plan->keeps_weights = false;
    plan->device_bytes = others + plan->keys_bytes;
    if (plan->device_bytes <= limit) return MZV_OK;
    if (others > limit) return fail_device(plan, others, limit, by_user);
    plan->device_bytes_keys = limit > others ? (size_t)(limit - others) : 1; /* 0 would be no limit */
    MZV_TRY(mzv_footprint_keys(&keys, &plan->params, request, plan->device_bytes_keys));
    plan->device_bytes = others + keys.device;
    plan->pinned_bytes = keys.pinned;
    return MZV_OK;
}

/* plan->device_bytes. In handles: two ciphertexts at the top level, one of a single limb. */
static mzv_status device_size(mzv_hybrid_plan *plan, const mzv_key_request *request, size_t kept,
                              const mzv_hybrid_options *options) {
    const mzv_backend_ops *ops;
    mzv_footprint f;
    plan->device_bytes = plan->pinned_bytes = plan->device_bytes_keys = 0;
    MZV_TRY(mzv_backend_find(&ops, options->backend));
    if (ops->table_bytes == NULL) return MZV_OK;
    MZV_TRY(mzv_footprint_of(&f, ops, &plan->params, &plan->counts, 0, 4 * (plan->levels + 1) + 2));
    const uint64_t limit = options->mode == MZV_MODE_EXECUTE ? device_limit(ops, options) : UINT64_MAX;
    return place(plan, request, mzv_footprint_sum(&f), kept, limit, options->device_bytes_max > 0);
}

static void host_size(mzv_hybrid_plan *plan, size_t kept, uint64_t have) {
    const size_t row = sizeof(uint64_t) << plan->params.log_n;
    const size_t n_primes = plan->params.n_special + plan->params.n_levels + 1;
    plan->upload_bytes = 2 * (plan->levels + 1) * row;
    plan->download_bytes = 2 * row;
    plan->memory_bytes = plan->keys_bytes + plan->counts.peak_bytes + plan->counts.plain_bytes +
                         5 * n_primes * row + 2 * (2 * (plan->levels + 1) * row) + FIXED_BYTES;
    plan->keeps_weights = plan->memory_bytes + kept <= keep_bytes_max && plan->memory_bytes + kept <= have;
    if (plan->keeps_weights) plan->memory_bytes += kept;
}

/* `request`: empty, to be filled. */
static mzv_status sizes_with(mzv_hybrid_plan *plan, mzv_key_request *request, const mzv_hybrid_spec *spec,
                             const mzv_hybrid_options *options) {
    mzv_keys_footprint keys;
    uint64_t have;
    MZV_TRY(memory_limit(&have, options));
    MZV_TRY(mzv_hybrid_count(&plan->counts, request, &spec->attention, &plan->params, plan->levels));
    MZV_TRY(mzv_footprint_keys(&keys, &plan->params, request, UINT64_MAX));
    plan->keys_bytes = keys.device;
    const size_t kept = mzv_attention_kept_bytes(&spec->attention, &plan->params, plan->levels);
    host_size(plan, kept, have);
    return device_size(plan, request, kept, options);
}

static mzv_status sizes(mzv_hybrid_plan *plan, const mzv_checkpoint *cp, const mzv_calibration *cal,
                        const mzv_hybrid_options *options) {
    mzv_key_request *request;
    mzv_hybrid_spec spec;
    MZV_TRY(mzv_key_request_create(&request));
    mzv_status status = mzv_hybrid_spec_make(&spec, cp, cal, &plan->module, plan->n_slots, plan->n_tokens_max,
                                             options->target_error);
    if (status == MZV_OK) {
        status = sizes_with(plan, request, &spec, options);
        mzv_hybrid_spec_clear(&spec);
    }
    mzv_key_request_destroy(request);
    return status;
}

static mzv_status check_memory(const mzv_hybrid_plan *plan, const mzv_hybrid_options *options) {
    uint64_t have;
    if (options->mode != MZV_MODE_EXECUTE) return MZV_OK;
    MZV_TRY(memory_limit(&have, options));
    if (plan->memory_bytes > have)
        return mzv_fail(
            MZV_ERR_MEMORY,
            "hybrid: %s at N = 2^%u needs %zu MiB, had %llu MiB; allow fewer tokens or encrypt one head",
            plan->module.text, plan->params.log_n, plan->memory_bytes >> 20,
            (unsigned long long)(have >> 20));
    return MZV_OK;
}

mzv_status mzv_hybrid_plan_make(mzv_hybrid_plan *out, const mzv_checkpoint *cp, const mzv_calibration *cal,
                                const mzv_module_name *module, const mzv_hybrid_options *options) {
    mzv_hybrid_options o = { 0 };
    double best = INFINITY;
    MZV_TRY(mzv_hybrid_defaults(&o, options, cp));
    mzv_hybrid_plan plan = { .module = *module, .n_tokens_max = o.n_tokens_max };
    for (uint32_t log_n = LOG_N_FIRST; log_n <= LOG_N_LAST; log_n++) {
        const uint64_t slots = mzv_pair_layout_slots(cal->n_channels, module->head < 0 ? cal->n_heads : 1,
                                                     cal->head_dim, o.n_tokens_max);
        if (slots > 1u << (log_n - 1)) {
            if (log_n == LOG_N_LAST)
                return mzv_fail(MZV_ERR_ARGUMENT,
                                "hybrid: %u tokens of %u channels take %llu slots, the largest ring has %u; "
                                "use at most %llu tokens",
                                o.n_tokens_max, cal->n_channels, (unsigned long long)slots, 1u << (log_n - 1),
                                (unsigned long long)o.n_tokens_max * (1u << (log_n - 1)) / slots);
            continue;
        }
        MZV_TRY(try_ring(&plan, log_n, cp, cal, &o));
        best = fmin(best, plan.predicted_error);
        if (plan.predicted_error > o.target_error) continue;
        MZV_TRY(sizes(&plan, cp, cal, &o));
        MZV_TRY(check_memory(&plan, &o));
        *out = plan;
        return MZV_OK;
    }
    return mzv_fail(MZV_ERR_PARAMS,
                    "hybrid: %s takes %u levels; no ring up to 2^%d is secure with a predicted error of %.2g "
                    "(best %.2g); narrow the calibration or raise the target",
                    module->text, plan.levels, LOG_N_LAST, o.target_error, best);
}
