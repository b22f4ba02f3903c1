/* Affine forms, levels, and the measurement of a circuit on the `count` evaluator. */
#include "circuit/circuit.h"

#include "base/try.h"

mzv_affine mzv_affine_unit(double a, double b) {
    const mzv_affine u = { 2.0 / (b - a), -(a + b) / (b - a) };
    return u;
}

mzv_status mzv_affine_run(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *x, mzv_affine u) {
    MZV_TRY(mzv_circuit_need("affine", x, 1));
    return mzv_combine(ev, out, &x, &u.scale, 1, u.shift);
}

mzv_status mzv_circuit_need(const char *name, const mzv_cipher *a, uint32_t need) {
    if (a->level >= need) return MZV_OK;
    return mzv_fail(MZV_ERR_LEVEL, "%s: level %u, need %u", name, a->level, need);
}

mzv_status mzv_circuit_lower(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, uint32_t level) {
    return a->level == level ? mzv_copy(ev, out, a) : mzv_drop(ev, out, a, level);
}

mzv_status mzv_circuit_at(mzv_evaluator *ev, const mzv_cipher **view, mzv_cipher *room, const mzv_cipher *a,
                          uint32_t level) {
    if (a->level == level) {
        *view = a;
        return MZV_OK;
    }
    MZV_TRY(mzv_ev_take(ev, room, level, a->batch));
    MZV_TRY(mzv_drop(ev, room, a, level));
    *view = room;
    return MZV_OK;
}

mzv_status mzv_circuit_fresh(mzv_evaluator *ev, const mzv_cipher **view, mzv_cipher *room,
                             const mzv_cipher *a, uint32_t need) {
    const mzv_refresh *r = ev->refresh;
    if (a->level >= need) {
        *view = a;
        return MZV_OK;
    }
    if (r == NULL)
        return mzv_fail(MZV_ERR_LEVEL, "circuit: level %u, need %u, and no bootstrapping is attached",
                        a->level, need);
    if (r->out_level < need || a->level < r->in_level)
        return mzv_fail(MZV_ERR_LEVEL,
                        "circuit: level %u, need %u: bootstrapping takes level %u or above and gives %u",
                        a->level, need, r->in_level, r->out_level);
    MZV_TRY(mzv_ev_take(ev, room, r->out_level, a->batch));
    MZV_TRY(r->run(r, ev, room, a));
    *view = room;
    return MZV_OK;
}

/* Inputs, then the output, which gets room for every level. */
static mzv_status run_once(mzv_circuit_cost *cost, mzv_evaluator *ev, mzv_cipher **cipher,
                           const mzv_circuit_call *call) {
    uint32_t lowest = UINT32_MAX;
    for (uint32_t i = 0; i < call->n_in; i++) {
        MZV_TRY(mzv_evaluator_cipher(&cipher[i], ev, call->in_level[i], 1));
        MZV_TRY(mzv_clear_set(ev, cipher[i], NULL, call->in_level[i]));
        if (call->in_level[i] < lowest) lowest = call->in_level[i];
    }
    mzv_cipher **out = &cipher[call->n_in];
    MZV_TRY(mzv_evaluator_cipher(out, ev, mzv_evaluator_max_level(ev), 1));
    mzv_evaluator_counts_reset(ev);
    MZV_TRY(call->run(call->user, ev, *out, (const mzv_cipher *const *)cipher));
    cost->counts = *mzv_evaluator_counts(ev);
    const uint32_t level = mzv_cipher_level(*out);
    cost->levels = lowest > level ? lowest - level : 0;
    return MZV_OK;
}

mzv_status mzv_circuit_measure(mzv_circuit_cost *cost, mzv_key_request *request, const mzv_params *params,
                               const mzv_circuit_call *call) {
    return mzv_circuit_measure_refreshed(cost, request, params, call, NULL);
}

mzv_status mzv_circuit_measure_refreshed(mzv_circuit_cost *cost, mzv_key_request *request,
                                         const mzv_params *params, const mzv_circuit_call *call,
                                         const mzv_refresh *refresh) {
    mzv_cipher *cipher[MZV_CIRCUIT_INPUTS + 1] = { NULL };
    mzv_circuit_cost found = { { 0 }, 0 };
    mzv_evaluator *ev = NULL;
    if (call->n_in == 0 || call->n_in > MZV_CIRCUIT_INPUTS)
        return mzv_fail(MZV_ERR_ARGUMENT, "measure: %u inputs, need 1 to %u", call->n_in, MZV_CIRCUIT_INPUTS);
    MZV_TRY(mzv_evaluator_create_count(&ev, params));
    ev->refresh = refresh;
    mzv_status status = run_once(&found, ev, cipher, call);
    if (status == MZV_OK && request) status = mzv_evaluator_request(ev, request);
    for (uint32_t i = 0; i <= call->n_in; i++) mzv_cipher_destroy(cipher[i]);
    mzv_evaluator_destroy(ev);
    if (status == MZV_OK) *cost = found;
    return status;
}
