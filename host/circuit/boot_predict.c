/* What a bootstrap takes, and how precise it will be: runs on `count` and `clear`. */
#include <math.h>

#include "base/arena.h"
#include "base/random.h"
#include "base/try.h"
#include "circuit/boot.h"

#define CLEAR_CIPHERS 64 /* temporaries of one run on clear */

static mzv_status run_boot(void *user, mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *in) {
    mzv_boot *boot = NULL;
    MZV_TRY(mzv_boot_create(&boot, ev, (const mzv_boot_spec *)user));
    const mzv_status status = mzv_boot_run(ev, out, in[0], boot);
    mzv_boot_destroy(boot);
    return status;
}

mzv_status mzv_boot_measure(mzv_circuit_cost *cost, mzv_key_request *request, const mzv_params *params,
                            const mzv_boot_spec *spec) {
    mzv_boot_spec copy = *spec;
    mzv_param_facts facts;
    MZV_TRY(mzv_params_check(params, &facts));
    const mzv_circuit_call call = { run_boot, &copy, 1, { facts.message_levels } };
    return mzv_circuit_measure(cost, request, params, &call);
}

/* Uniform parts in [-magnitude, magnitude], with the message's period. */
static void fill(mzv_complex *slots, uint32_t n, uint32_t period, double magnitude, uint64_t draw) {
    const uint8_t seed[MZV_SEED_BYTES] = { 1 };
    mzv_rng rng;
    mzv_rng_init(&rng, seed, "mzv bootstrapping prediction", draw);
    for (uint32_t i = 0; i < period; i++) {
        __real__ slots[i] = magnitude * ((double)(mzv_rng_u64(&rng) >> 11) * 0x1p-52 - 1);
        __imag__ slots[i] = magnitude * ((double)(mzv_rng_u64(&rng) >> 11) * 0x1p-52 - 1);
    }
    for (uint32_t i = period; i < n; i++) slots[i] = slots[i - period];
}

static void compare(mzv_boot_precision *p, const mzv_complex *got, const mzv_complex *expected, uint32_t n) {
    double sum = 0, worst = 0;
    for (uint32_t i = 0; i < n; i++) {
        const mzv_complex d = got[i] - expected[i];
        const double error = hypot(__real__ d, __imag__ d);
        sum += error;
        worst = fmax(worst, error);
    }
    p->mean_bits = -log2(sum / n);
    p->worst_bits = -log2(worst);
}

typedef struct trial {
    mzv_evaluator *ev;
    mzv_boot *boot;
    mzv_cipher *a, *out;
    mzv_complex *slots; /* message, then result */
} trial;

static mzv_status run_trial(trial *t, mzv_boot_precision *p, const mzv_params *params,
                            const mzv_boot_spec *spec, uint64_t seed) {
    const size_t n = (size_t)1 << (params->log_n - 1);
    MZV_TRY(mzv_evaluator_create_clear(&t->ev, params, seed, CLEAR_CIPHERS * n * sizeof(mzv_complex)));
    MZV_TRY(mzv_boot_create(&t->boot, t->ev, spec));
    const mzv_boot_facts *f = mzv_boot_about(t->boot);
    MZV_TRY(mzv_evaluator_cipher(&t->a, t->ev, f->in_level, 1));
    MZV_TRY(mzv_evaluator_cipher(&t->out, t->ev, f->out_level, 1));
    MZV_TRY(MZV_NEW(&t->slots, 2 * n, "slots of a prediction"));
    fill(t->slots, (uint32_t)n, f->n_slots, spec->magnitude == 0 ? 1 : spec->magnitude, seed);
    MZV_TRY(mzv_clear_set(t->ev, t->a, t->slots, f->in_level));
    MZV_TRY(mzv_boot_run(t->ev, t->out, t->a, t->boot));
    MZV_TRY(mzv_clear_get(t->ev, t->slots + n, t->out));
    compare(p, t->slots + n, t->slots, (uint32_t)n);
    return MZV_OK;
}

mzv_status mzv_boot_predict(mzv_boot_precision *out, const mzv_params *params, const mzv_boot_spec *spec,
                            uint64_t seed) {
    trial t = { 0 };
    mzv_boot_precision p = { 0, 0 };
    const mzv_status status = run_trial(&t, &p, params, spec, seed);
    mzv_free(t.slots);
    mzv_cipher_destroy(t.a);
    mzv_cipher_destroy(t.out);
    mzv_boot_destroy(t.boot);
    mzv_evaluator_destroy(t.ev);
    if (status == MZV_OK) *out = p;
    return status;
}
