/* A circuit of the library on encrypted random inputs of its interval: keys and scratch from a run on
 * `count`. */
#include <math.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/try.h"
#include "bench/circuit.h"
#include "circuit/boot.h"
#include "ckks/noise.h"
#include "ckks/security.h"

/* Counts what passes through it. */
typedef struct counted_refresh {
    mzv_refresh refresh; /* first */
    const mzv_refresh *inner;
    uint32_t n;
} counted_refresh;

/* Everything one case needs. Nothing but the circuit's own temporaries is allocated while time is taken. */
typedef struct workshop {
    const mzv_function_recipe *recipe;
    mzv_params params;
    mzv_param_facts facts;
    uint32_t n_slots, top; /* the level of the inputs */
    void *circuit;
    mzv_circuit_cost cost;
    uint32_t n_bootstraps; /* of one run */
    mzv_boot *boot;        /* where there are some */
    mzv_context *ctx;
    mzv_secret *secret;
    mzv_keys *keys;
    mzv_evaluator *ev;
    mzv_cipher *in[2], *out;
    double *x[2];
} workshop;

static mzv_status mapped(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *in, const workshop *w) {
    const mzv_affine u = w->recipe->affine(w->circuit);
    mzv_cipher room[2];
    const mzv_cipher *view[2] = { NULL };
    for (uint32_t i = 0; i < w->recipe->n_in; i++) {
        MZV_TRY(mzv_circuit_need("bench circuit", in[i], 1));
        MZV_TRY(mzv_ev_take(ev, &room[i], in[i]->level - 1, 1));
        MZV_TRY(mzv_affine_run(ev, &room[i], in[i], u));
        view[i] = &room[i];
    }
    return w->recipe->run(w->circuit, ev, out, view);
}

static mzv_status compute(void *user, mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *in) {
    const workshop *w = user;
    if (!w->recipe->affine) return w->recipe->run(w->circuit, ev, out, in);
    const size_t mark = mzv_ev_mark(ev);
    const mzv_status status = mapped(ev, out, in, w);
    mzv_ev_release(ev, mark);
    return status;
}

/* ---- what a run takes ---- */

/* Real slots of any structure, at most 1 in size. */
static const mzv_boot_spec boot_spec = { .order = MZV_BOOT_SLOTS_FIRST, .magnitude = 1 };

static mzv_status refresh_counted(const mzv_refresh *self, mzv_evaluator *ev, mzv_cipher *out,
                                  const mzv_cipher *a) {
    counted_refresh *c = (counted_refresh *)self; /* its first member */
    c->n++;
    return c->inner->run(c->inner, ev, out, a);
}

static mzv_status measure_with(workshop *w, mzv_key_request *request, const mzv_refresh *refresh) {
    mzv_circuit_call call = { compute, w, w->recipe->n_in, { 0 } };
    for (uint32_t i = 0; i < w->recipe->n_in; i++) call.in_level[i] = w->top;
    return mzv_circuit_measure_refreshed(&w->cost, request, &w->params, &call, refresh);
}

static mzv_status measure_booting(workshop *w, mzv_key_request *request) {
    mzv_evaluator *count = NULL;
    mzv_boot *boot = NULL;
    MZV_TRY(mzv_evaluator_create_count(&count, &w->params));
    mzv_status status = mzv_boot_create(&boot, count, &boot_spec);
    if (status == MZV_OK) {
        const mzv_refresh *inner = mzv_boot_refresh(boot);
        counted_refresh c = { *inner, inner, 0 };
        c.refresh.run = refresh_counted;
        status = measure_with(w, request, &c.refresh);
        w->n_bootstraps = c.n;
    }
    mzv_boot_destroy(boot);
    mzv_evaluator_destroy(count);
    return status;
}

/* Without bootstrapping where the levels suffice. */
static mzv_status measure(workshop *w, mzv_key_request *request) {
    const mzv_status status = measure_with(w, request, NULL);
    if (status != MZV_ERR_LEVEL || !mzv_params_boots(&w->params)) return status;
    return measure_booting(w, request);
}

/* ---- inputs ---- */

double mzv_circuit_random(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static double draw(const mzv_function_recipe *r, uint64_t *state) {
    double x = r->lo + (r->hi - r->lo) * mzv_circuit_random(state);
    while (fabs(x) < r->gap) x = r->lo + (r->hi - r->lo) * mzv_circuit_random(state);
    return x;
}

static mzv_status fill_rows(const workshop *w) {
    const uint32_t count = w->recipe->count, stride = w->n_slots / count;
    double *row = NULL;
    MZV_TRY(MZV_NEW(&row, count, "row"));
    for (uint32_t i = 0; i < stride; i++) {
        for (uint32_t j = 0; j < count; j++) row[j] = w->x[0][i + j * stride];
        w->recipe->fill(w->recipe, row);
        for (uint32_t j = 0; j < count; j++) w->x[0][i + j * stride] = row[j];
    }
    mzv_free(row);
    return MZV_OK;
}

static mzv_status encrypt(workshop *w) {
    uint64_t state = 1;
    mzv_complex *slots = NULL;
    mzv_status status = MZV_OK;
    for (uint32_t i = 0; i < w->recipe->n_in; i++) {
        MZV_TRY(MZV_NEW(&w->x[i], w->n_slots, "inputs"));
        for (uint32_t k = 0; k < w->n_slots; k++) w->x[i][k] = draw(w->recipe, &state);
    }
    if (w->recipe->fill) MZV_TRY(fill_rows(w));
    MZV_TRY(MZV_NEW(&slots, w->n_slots, "slots"));
    for (uint32_t i = 0; status == MZV_OK && i < w->recipe->n_in; i++) {
        for (uint32_t k = 0; k < w->n_slots; k++) slots[k] = w->x[i][k];
        status = mzv_evaluator_cipher(&w->in[i], w->ev, w->top, 1);
        if (status == MZV_OK) status = mzv_encrypt(w->in[i], w->secret, slots, w->top);
    }
    mzv_free(slots);
    return status;
}

/* ---- the case ---- */

static mzv_status set_up(workshop *w, mzv_key_request *request, const mzv_options *options) {
    const mzv_function_setup setup = { w->n_slots, mzv_noise_mul(&w->params, &w->facts, 1) };
    MZV_TRY(w->recipe->make(&w->circuit, w->recipe, &setup));
    MZV_TRY(measure(w, request));
    MZV_TRY(mzv_context_create(&w->ctx, &w->params, options));
    MZV_TRY(mzv_secret_create(&w->secret, w->ctx));
    MZV_TRY(mzv_keys_create(&w->keys, w->secret, request));
    MZV_TRY(mzv_evaluator_create(&w->ev, w->ctx, w->keys, w->cost.counts.peak_bytes));
    if (w->n_bootstraps > 0) {
        MZV_TRY(mzv_boot_create(&w->boot, w->ev, &boot_spec));
        w->ev->refresh = mzv_boot_refresh(w->boot);
    }
    MZV_TRY(mzv_evaluator_cipher(&w->out, w->ev, w->top, 1));
    return encrypt(w);
}

mzv_status mzv_function_open(void **state, const mzv_circuit_case *self, const mzv_circuit_site *site) {
    const mzv_options options = { .backend = site->backend };
    mzv_key_request *request = NULL;
    workshop *w = NULL;
    MZV_TRY(MZV_NEW(&w, 1, "bench circuit"));
    *state = w;
    w->recipe = self->recipe;
    w->params = site->params;
    w->n_slots = 1u << (site->params.log_n - 1);
    MZV_TRY(mzv_params_check(&w->params, &w->facts));
    w->top = w->facts.message_levels;
    MZV_TRY(mzv_key_request_create(&request));
    const mzv_status status = set_up(w, request, &options);
    mzv_key_request_destroy(request);
    return status;
}

mzv_status mzv_function_run(void *state) {
    workshop *w = state;
    return compute(w, w->ev, w->out, (const mzv_cipher *const *)w->in);
}

mzv_circuit_handles mzv_function_handles(const void *state) {
    const workshop *w = state;
    return (mzv_circuit_handles) {
        .ev = w->ev, .in = { w->in[0], w->in[1] }, .out = w->out, .n_in = w->recipe->n_in
    };
}

void mzv_function_close(void *state) {
    workshop *w = state;
    if (w->circuit) w->recipe->destroy(w->circuit); /* it may hold what was encoded on the evaluator */
    for (uint32_t i = 0; i < 2; i++) {
        mzv_free(w->x[i]);
        mzv_cipher_destroy(w->in[i]);
    }
    mzv_cipher_destroy(w->out);
    mzv_boot_destroy(w->boot);
    mzv_evaluator_destroy(w->ev);
    mzv_keys_destroy(w->keys);
    mzv_secret_destroy(w->secret);
    mzv_context_destroy(w->ctx);
    mzv_free(w);
}

/* ---- errors ---- */

static long double error_of(const workshop *w, mzv_complex found, long double exact) {
    const mzv_affine back = w->recipe->back ? w->recipe->back(w->circuit) : (mzv_affine) { 1, 0 };
    const long double re = __real__ found * (long double)back.scale + back.shift - exact;
    const long double im = __imag__ found * (long double)back.scale;
    return hypotl(re, im);
}

/* Row number i, or slot number i. */
static long double add_errors(const workshop *w, const mzv_complex *slots, uint32_t i, long double *row,
                              mzv_circuit_report *report) {
    const uint32_t count = w->recipe->count ? w->recipe->count : 1, stride = w->n_slots / count;
    double *x = (double *)(row + count); /* both inputs of a slot, or a row of the only one */
    long double sum = 0;
    for (uint32_t j = 0; j < count; j++) x[j] = w->x[0][i + j * stride];
    if (w->recipe->n_in == 2) x[1] = w->x[1][i];
    w->recipe->exact(w->recipe, row, x);
    for (uint32_t j = 0; j < count; j++) {
        const long double e = error_of(w, slots[i + j * stride], row[j]);
        sum += e;
        report->worst_error = fmax(report->worst_error, (double)e);
    }
    return sum;
}

static mzv_status compare(const workshop *w, const mzv_complex *slots, mzv_circuit_report *report) {
    const uint32_t count = w->recipe->count ? w->recipe->count : 1;
    long double *row = NULL, sum = 0;
    MZV_TRY(MZV_NEW(&row, 2 * (size_t)count + 1, "row"));
    for (uint32_t i = 0; i < w->n_slots / count; i++) sum += add_errors(w, slots, i, row, report);
    report->mean_error = (double)(sum / w->n_slots);
    mzv_free(row);
    return MZV_OK;
}

mzv_status mzv_function_verify(void *state, mzv_circuit_report *report) {
    workshop *w = state;
    mzv_complex *slots = NULL;
    *report = (mzv_circuit_report) { .log_n = w->params.log_n,
                                     .n_slots = w->n_slots,
                                     .levels = w->cost.levels,
                                     .n_bootstraps = w->n_bootstraps,
                                     .levels_left = mzv_cipher_level(w->out),
                                     .backend = mzv_context_backend(w->ctx) };
    MZV_TRY(MZV_NEW(&slots, w->n_slots, "slots"));
    mzv_status status = mzv_decrypt(slots, w->secret, w->out);
    if (status == MZV_OK) status = compare(w, slots, report);
    mzv_free(slots);
    return status;
}
