/* Bootstrapping of random complex slots: whole, with few slots, SlotToCoeff first, with two iterations. */
#include <math.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/try.h"
#include "bench/circuit.h"
#include "circuit/boot.h"
#include "ckks/security.h"

/* Everything a case needs. */
typedef struct booting {
    mzv_boot_spec spec;
    mzv_params params;
    mzv_context *ctx;
    mzv_secret *secret;
    mzv_keys *keys;
    mzv_evaluator *ev;
    mzv_boot *boot;
    mzv_cipher *in, *out;
    mzv_complex *slots; /* the message, then room for the result */
    mzv_circuit_cost cost;
    double keys_s;
} booting;

/* Uniform on [-1, 1). */
static double next(uint64_t *state) { return 2 * mzv_circuit_random(state) - 1; }

static mzv_status encrypt(booting *b) {
    const mzv_boot_facts *f = mzv_boot_about(b->boot);
    const uint32_t n = mzv_evaluator_slots(b->ev);
    uint64_t state = 1;
    MZV_TRY(MZV_NEW(&b->slots, 2 * (size_t)n, "slots"));
    for (uint32_t i = 0; i < n; i++) {
        __real__ b->slots[i] = i < f->n_slots ? next(&state) : __real__ b->slots[i - f->n_slots];
        __imag__ b->slots[i] = i < f->n_slots ? next(&state) : __imag__ b->slots[i - f->n_slots];
    }
    MZV_TRY(mzv_evaluator_cipher(&b->in, b->ev, f->in_level, 1));
    MZV_TRY(mzv_evaluator_cipher(&b->out, b->ev, f->out_level, 1));
    return mzv_encrypt(b->in, b->secret, b->slots, f->in_level);
}

static mzv_status set_up(booting *b, mzv_key_request *request, const char *backend) {
    const mzv_options options = { .backend = backend };
    MZV_TRY(mzv_boot_measure(&b->cost, request, &b->params, &b->spec));
    MZV_TRY(mzv_context_create(&b->ctx, &b->params, &options));
    MZV_TRY(mzv_secret_create(&b->secret, b->ctx));
    const uint64_t begin = mzv_clock_ns();
    MZV_TRY(mzv_keys_create(&b->keys, b->secret, request));
    b->keys_s = (double)(mzv_clock_ns() - begin) * 1e-9;
    MZV_TRY(mzv_evaluator_create(&b->ev, b->ctx, b->keys, b->cost.counts.peak_bytes));
    MZV_TRY(mzv_boot_create(&b->boot, b->ev, &b->spec));
    return encrypt(b);
}

static mzv_status open(void **state, const mzv_circuit_case *self, const mzv_circuit_site *site) {
    mzv_key_request *request = NULL;
    booting *b = NULL;
    if (!mzv_params_boots(&site->params))
        return mzv_fail(MZV_ERR_LEVEL, "bench circuit: the set has no levels for bootstrapping");
    MZV_TRY(MZV_NEW(&b, 1, "bench circuit"));
    *state = b;
    b->spec = *(const mzv_boot_spec *)self->recipe;
    b->params = site->params;
    if (b->spec.n_slots > 1u << (b->params.log_n - 1))
        return mzv_fail(MZV_ERR_LEVEL, "bench circuit: %u slots, the set has %u", b->spec.n_slots,
                        1u << (b->params.log_n - 1));
    MZV_TRY(mzv_key_request_create(&request));
    const mzv_status status = set_up(b, request, site->backend);
    mzv_key_request_destroy(request);
    return status;
}

static mzv_status run(void *state) {
    booting *b = state;
    return mzv_boot_run(b->ev, b->out, b->in, b->boot);
}

static mzv_circuit_handles handles(const void *state) {
    const booting *b = state;
    return (mzv_circuit_handles) { .ev = b->ev, .in = { b->in }, .out = b->out, .n_in = 1 };
}

static mzv_status verify(void *state, mzv_circuit_report *report) {
    booting *b = state;
    const uint32_t n = mzv_evaluator_slots(b->ev);
    const mzv_complex *found = b->slots + n;
    mzv_boot_precision predicted;
    double sum = 0, worst = 0;
    MZV_TRY(mzv_decrypt(b->slots + n, b->secret, b->out));
    MZV_TRY(mzv_boot_predict(&predicted, &b->params, &b->spec, 1));
    for (uint32_t i = 0; i < n; i++) {
        const double e =
            hypot(__real__ found[i] - __real__ b->slots[i], __imag__ found[i] - __imag__ b->slots[i]);
        sum += e;
        worst = fmax(worst, e);
    }
    *report = (mzv_circuit_report) { .log_n = b->params.log_n,
                                     .n_slots = mzv_boot_about(b->boot)->n_slots,
                                     .levels_left = mzv_cipher_level(b->out),
                                     .n_bootstraps = b->spec.iterations == 2 ? 2 : 1,
                                     .backend = mzv_context_backend(b->ctx),
                                     .mean_error = sum / n,
                                     .worst_error = worst,
                                     .predicted_mean_bits = predicted.mean_bits,
                                     .predicted_worst_bits = predicted.worst_bits,
                                     .n_keys = mzv_keys_count(b->keys),
                                     .key_bytes = mzv_keys_bytes(b->keys),
                                     .keys_s = b->keys_s };
    return MZV_OK;
}

static void close(void *state) {
    booting *b = state;
    mzv_free(b->slots);
    mzv_cipher_destroy(b->in);
    mzv_cipher_destroy(b->out);
    mzv_boot_destroy(b->boot);
    mzv_evaluator_destroy(b->ev);
    mzv_keys_destroy(b->keys);
    mzv_secret_destroy(b->secret);
    mzv_context_destroy(b->ctx);
    mzv_free(b);
}

static const mzv_boot_spec full = { .spread = true }, slots_first = { .order = MZV_BOOT_SLOTS_FIRST },
                           twice = { .spread = true, .iterations = 2 },
                           few_12 = { .spread = true, .n_slots = 1 << 12 },
                           few_8 = { .spread = true, .n_slots = 1 << 8 },
                           few_first = { .order = MZV_BOOT_SLOTS_FIRST, .n_slots = 1 << 12 };

#define BOOT(name, spec)                                                                                     \
    { name, open, run, verify, close, &(spec), handles }

const mzv_circuit_case mzv_boot_cases[] = {
    BOOT("bootstrap full", full),
    BOOT("bootstrap slots first", slots_first),
    BOOT("bootstrap twice", twice),
    BOOT("bootstrap 2^12 slots", few_12),
    BOOT("bootstrap 2^8 slots", few_8),
    BOOT("bootstrap 2^12 slots first", few_first),
    { 0 },
};
