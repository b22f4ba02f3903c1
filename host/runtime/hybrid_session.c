/* Client and server of a hybrid session. */
#include "runtime/hybrid_session.h"

#include <math.h>

#include "base/arena.h"
#include "base/random.h"
#include "base/try.h"

/* ---- server ---- */

mzv_status mzv_hybrid_server_open(mzv_hybrid_server *out, const mzv_attention_spec *spec, const mzv_context *ctx,
                                  const mzv_keys *keys, const mzv_hybrid_plan *plan,
                                  const mzv_hybrid_options *options) {
    mzv_hybrid_server s = { .level = plan->levels };
    mzv_status status;
    if (options->mode == MZV_MODE_EXECUTE)
        MZV_TRY(mzv_evaluator_create(&s.ev, ctx, keys, plan->counts.peak_bytes));
    else
        MZV_TRY(mzv_evaluator_create_clear(&s.ev, &plan->params,
                                           options->mode == MZV_MODE_SIMULATE ? options->noise_seed : 0, 0));
    status = mzv_attention_create(&s.attention, s.ev, spec, s.level);
    if (status == MZV_OK && plan->keeps_weights) status = mzv_attention_keep(s.attention);
    if (status != MZV_OK) mzv_hybrid_server_close(&s);
    else *out = s;
    return status;
}

void mzv_hybrid_server_close(mzv_hybrid_server *server) {
    mzv_attention_destroy(server->attention);
    mzv_evaluator_destroy(server->ev);
    *server = (mzv_hybrid_server){ 0 };
}

mzv_status mzv_hybrid_server_run(mzv_hybrid_server *server, mzv_cipher *out, const mzv_cipher *keys,
                                 const mzv_cipher *queries, const mzv_pair_span *span,
                                 const mzv_attention_watch *watch) {
    mzv_attention_mask *mask;
    MZV_TRY(mzv_attention_mask_create(&mask, server->ev, server->attention, span));
    const mzv_status status = mzv_attention_run(server->ev, out, keys, queries, server->attention, mask, watch);
    mzv_attention_mask_destroy(mask);
    return status;
}

/* ---- client ---- */

/* Results are at most MZV_ATTENTION_RESULT by calibration; beyond this they are not results. */
static const double result_bound = 4 * MZV_ATTENTION_RESULT;
/* A result is real; a larger imaginary part is an overflow or another key. */
static const double imaginary_bound = MZV_ATTENTION_RESULT / 16;

mzv_status mzv_hybrid_client_open(mzv_hybrid_client *out, const mzv_context *ctx, mzv_evaluator *slots_ev,
                                  const mzv_attention_spec *spec, uint32_t level) {
    mzv_hybrid_client c = { .slots_ev = slots_ev, .layout = spec->layout, .n_channels = spec->weights.n_embd,
                            .level = level };
    MZV_TRY(MZV_NEW(&c.slots, 2 * (size_t)spec->layout.n_slots, "client: slots"));
    const mzv_status status = slots_ev ? MZV_OK : mzv_secret_create(&c.secret, ctx);
    if (status != MZV_OK) {
        mzv_free(c.slots);
        return status;
    }
    *out = c;
    return MZV_OK;
}

void mzv_hybrid_client_close(mzv_hybrid_client *client) {
    if (client->slots) mzv_wipe(client->slots, 2 * (size_t)client->layout.n_slots * sizeof *client->slots);
    mzv_free(client->slots);
    mzv_secret_destroy(client->secret);
    *client = (mzv_hybrid_client){ 0 };
}

static mzv_status encrypt(mzv_hybrid_client *c, mzv_cipher *out, const mzv_complex *slots) {
    if (c->slots_ev) return mzv_clear_set(c->slots_ev, out, slots, c->level);
    return mzv_encrypt(out, c->secret, slots, c->level);
}

mzv_status mzv_hybrid_client_send(mzv_hybrid_client *client, mzv_cipher *keys, mzv_cipher *queries,
                                  const float *x, const mzv_pair_span *span) {
    mzv_complex *const q = client->slots, *const k = client->slots + client->layout.n_slots;
    mzv_pair_pack(q, k, &client->layout, span, x, client->n_channels, 1);
    MZV_TRY(encrypt(client, keys, k));
    return encrypt(client, queries, q);
}

/* Every slot that holds a result. */
static mzv_status check_result(const mzv_hybrid_client *c, const mzv_attention *shape, uint32_t n_rows) {
    double size = 0, imaginary = 0;
    for (uint32_t k = 0; k < mzv_attention_outputs(shape); k++)
        for (uint32_t i = 0; i < n_rows; i++) {
            const mzv_complex z = c->slots[(size_t)mzv_attention_channel(shape, k) * c->layout.pairs +
                                           (size_t)i * c->layout.group];
            if (!isfinite(__real__ z) || !isfinite(__imag__ z)) size = INFINITY;
            size = fmax(size, fabs(__real__ z));
            imaginary = fmax(imaginary, fabs(__imag__ z));
        }
    if (size > result_bound || imaginary > imaginary_bound)
        return mzv_fail(MZV_ERR_RANGE,
                        "decrypt: a result of size %.3g with imaginary part %.3g (bounds %g, %g): a value left its calibrated range; calibrate on text like this",
                        size, imaginary, result_bound, imaginary_bound);
    return MZV_OK;
}

mzv_status mzv_hybrid_client_receive(mzv_hybrid_client *client, float *out, const mzv_cipher *result,
                                     const mzv_attention *shape, uint32_t n_rows) {
    const uint32_t n_out = mzv_attention_outputs(shape);
    uint32_t *channel;
    if (client->slots_ev) MZV_TRY(mzv_clear_get(client->slots_ev, client->slots, result));
    else MZV_TRY(mzv_decrypt(client->slots, client->secret, result));
    MZV_TRY(check_result(client, shape, n_rows));
    MZV_TRY(MZV_NEW(&channel, n_out, "client: channels"));
    for (uint32_t k = 0; k < n_out; k++) channel[k] = mzv_attention_channel(shape, k);
    mzv_pair_unpack(out, &client->layout, n_rows, client->slots, n_out, channel, mzv_attention_scale(shape));
    mzv_free(channel);
    return MZV_OK;
}
