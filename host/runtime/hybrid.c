/* A hybrid session: plan, keys, one call after another. */
#include "runtime/hybrid.h"

#include <math.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/try.h"
#include "runtime/hybrid_plan.h"
#include "runtime/hybrid_session.h"

struct mzv_hybrid {
    mzv_hybrid_options options;
    mzv_hybrid_plan plan;
    mzv_param_facts facts;
    mzv_hybrid_spec spec;
    mzv_context *ctx; /* execute only, as the keys */
    mzv_keys *keys;
    mzv_hybrid_client client;
    mzv_hybrid_server server;
    mzv_cipher *key_tokens, *query_tokens, *result;
    mzv_hybrid_timings timings;
    double *part_time; /* the part of evaluate_s that runs now, and since when */
    uint64_t part_start;
    double last_error, worst_error;
};

static double seconds_since(uint64_t start) { return (double)(mzv_clock_ns() - start) * 1e-9; }

/* ---- making ---- */

static mzv_status report(mzv_hybrid *h, const char *stage, uint32_t step, uint32_t n_steps) {
    const mzv_hybrid_options *o = &h->options;
    if (o->progress && !o->progress(o->progress_user, stage, step, n_steps))
        return mzv_fail(MZV_ERR_CANCELLED, "hybrid: stopped at %s, step %u of %u", stage, step, n_steps);
    return MZV_OK;
}

static mzv_status make_keys(mzv_hybrid *h) {
    mzv_key_request *request;
    mzv_counts counts;
    MZV_TRY(mzv_key_request_create(&request));
    mzv_status status =
        mzv_hybrid_count(&counts, request, &h->spec.attention, &h->plan.params, h->plan.levels);
    if (status == MZV_OK) status = mzv_keys_create(&h->keys, h->client.secret, request);
    mzv_key_request_destroy(request);
    return status;
}

static mzv_status open_execute(mzv_hybrid *h) {
    const mzv_options options = { .backend = h->options.backend,
                                  .device = h->options.device,
                                  .n_threads = h->options.n_threads,
                                  .device_bytes_max = h->options.device_bytes_max,
                                  .device_bytes_keys = h->plan.device_bytes_keys };
    uint64_t start = mzv_clock_ns();
    MZV_TRY(report(h, "context", 2, 4));
    MZV_TRY(mzv_context_create(&h->ctx, &h->plan.params, &options));
    MZV_TRY(mzv_hybrid_client_open(&h->client, h->ctx, NULL, &h->spec.attention, h->plan.levels));
    h->timings.context_s = seconds_since(start);
    MZV_TRY(report(h, "keys", 3, 4));
    start = mzv_clock_ns();
    MZV_TRY(make_keys(h));
    h->timings.keygen_s = seconds_since(start);
    h->plan.keys_bytes = mzv_keys_bytes(h->keys);
    return MZV_OK;
}

static mzv_status open_ends(mzv_hybrid *h) {
    if (h->options.mode == MZV_MODE_EXECUTE) MZV_TRY(open_execute(h));
    MZV_TRY(report(h, "weights", 4, 4));
    const uint64_t start = mzv_clock_ns();
    MZV_TRY(mzv_hybrid_server_open(&h->server, &h->spec.attention, h->ctx, h->keys, &h->plan, &h->options));
    h->timings.weights_s = seconds_since(start);
    if (h->options.mode != MZV_MODE_EXECUTE)
        MZV_TRY(mzv_hybrid_client_open(&h->client, NULL, h->server.ev, &h->spec.attention, h->plan.levels));
    MZV_TRY(mzv_evaluator_cipher(&h->key_tokens, h->server.ev, h->plan.levels, 1));
    MZV_TRY(mzv_evaluator_cipher(&h->query_tokens, h->server.ev, h->plan.levels, 1));
    return mzv_evaluator_cipher(&h->result, h->server.ev, 0, 1);
}

static mzv_status open_all(mzv_hybrid *h, const mzv_checkpoint *cp, const mzv_calibration *cal,
                           const mzv_module_name *module) {
    const uint64_t start = mzv_clock_ns();
    MZV_TRY(report(h, "plan", 1, 4));
    MZV_TRY(mzv_hybrid_plan_make(&h->plan, cp, cal, module, &h->options));
    MZV_TRY(mzv_params_check(&h->plan.params, &h->facts));
    MZV_TRY(mzv_hybrid_spec_make(&h->spec, cp, cal, module, h->plan.n_slots, h->plan.n_tokens_max,
                                 h->options.target_error));
    h->timings.plan_s = seconds_since(start);
    return open_ends(h);
}

mzv_status mzv_hybrid_create(mzv_hybrid **out, const mzv_checkpoint *cp, const mzv_calibration *cal,
                             const mzv_module_name *module, const mzv_hybrid_options *options) {
    mzv_hybrid *h;
    MZV_TRY(MZV_NEW(&h, 1, "hybrid session"));
    mzv_status status = mzv_hybrid_defaults(&h->options, options, cp);
    if (status == MZV_OK) status = open_all(h, cp, cal, module);
    if (status != MZV_OK) {
        mzv_hybrid_destroy(h);
        return status;
    }
    *out = h;
    return MZV_OK;
}

void mzv_hybrid_destroy(mzv_hybrid *h) {
    if (!h) return;
    mzv_cipher_destroy(h->key_tokens);
    mzv_cipher_destroy(h->query_tokens);
    mzv_cipher_destroy(h->result);
    mzv_hybrid_client_close(&h->client);
    mzv_hybrid_server_close(&h->server);
    mzv_keys_destroy(h->keys);
    mzv_context_destroy(h->ctx);
    mzv_hybrid_spec_clear(&h->spec);
    mzv_free(h);
}

/* ---- calling ---- */

/* Closes the part that runs and opens number `step` (0: none). */
static void switch_part(mzv_hybrid *h, uint32_t step) {
    mzv_hybrid_timings *t = &h->timings;
    double *const part[] = {
        NULL, &t->projections_s, &t->scores_s, &t->softmax_s, &t->values_s, &t->output_s
    };
    if (h->part_time) *h->part_time += seconds_since(h->part_start);
    h->part_time = part[step];
    h->part_start = mzv_clock_ns();
}

static bool watch_part(void *user, const char *name, uint32_t step, uint32_t n_steps) {
    mzv_hybrid *h = user;
    switch_part(h, step);
    return !h->options.progress || h->options.progress(h->options.progress_user, name, step, n_steps);
}

static mzv_status run_pass(mzv_hybrid *h, const float *x, const mzv_pair_span *span, float *out) {
    const mzv_attention_watch watch = { watch_part, h };
    uint64_t start = mzv_clock_ns();
    MZV_TRY(mzv_hybrid_client_send(&h->client, h->key_tokens, h->query_tokens, x, span));
    h->timings.encrypt_s += seconds_since(start);
    start = mzv_clock_ns();
    const mzv_status status =
        mzv_hybrid_server_run(&h->server, h->result, h->key_tokens, h->query_tokens, span, &watch);
    switch_part(h, 0);
    h->timings.evaluate_s += seconds_since(start);
    MZV_TRY(status);
    start = mzv_clock_ns();
    MZV_TRY(mzv_hybrid_client_receive(&h->client, out, h->result, h->server.attention, span->n_rows));
    h->timings.decrypt_s += seconds_since(start);
    h->timings.n_passes++;
    return MZV_OK;
}

static mzv_status compare(mzv_hybrid *h, const float *x, uint32_t n_tokens, uint32_t first_row,
                          const float *got) {
    const size_t n = (size_t)(n_tokens - first_row) * mzv_attention_outputs(h->server.attention);
    const uint64_t start = mzv_clock_ns();
    float *want;
    MZV_TRY(MZV_NEW(&want, n, "hybrid: reference"));
    const mzv_status status = mzv_hybrid_reference(want, &h->spec.attention.weights, h->spec.attention.head,
                                                   x, n_tokens, first_row);
    if (status == MZV_OK) {
        h->last_error = mzv_relative_l2(got, want, n);
        h->worst_error = fmax(h->worst_error, h->last_error);
    }
    mzv_free(want);
    h->timings.reference_s += seconds_since(start);
    return status;
}

mzv_status mzv_hybrid_call(mzv_hybrid *h, const float *x, uint32_t n_tokens, uint32_t first_row, float *out) {
    const uint32_t width = mzv_attention_outputs(h->server.attention), rows = h->plan.rows_per_pass;
    if (n_tokens > h->plan.n_tokens_max || first_row >= n_tokens)
        return mzv_fail(MZV_ERR_ARGUMENT, "hybrid: rows %u..%u, the session holds %u tokens", first_row,
                        n_tokens, h->plan.n_tokens_max);
    for (uint32_t r = first_row; r < n_tokens; r += rows) {
        const uint32_t n = n_tokens - r < rows ? n_tokens - r : rows;
        const mzv_pair_span span = {
            .n_tokens = n_tokens, .first_row = r, .n_rows = n, .causal = h->spec.attention.weights.causal
        };
        MZV_TRY(run_pass(h, x, &span, out + (size_t)(r - first_row) * width));
    }
    h->timings.n_calls++;
    return compare(h, x, n_tokens, first_row, out);
}

const mzv_hybrid_plan *mzv_hybrid_get_plan(const mzv_hybrid *h) { return &h->plan; }
const mzv_param_facts *mzv_hybrid_facts(const mzv_hybrid *h) { return &h->facts; }
const mzv_hybrid_timings *mzv_hybrid_get_timings(const mzv_hybrid *h) { return &h->timings; }
double mzv_hybrid_last_error(const mzv_hybrid *h) { return h->last_error; }
double mzv_hybrid_worst_error(const mzv_hybrid *h) { return h->worst_error; }
const char *mzv_hybrid_backend(const mzv_hybrid *h) { return h->ctx ? mzv_context_backend(h->ctx) : "clear"; }
