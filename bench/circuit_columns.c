/* Linear layers over columns: a batch of ciphertexts, one feature each, times a random matrix. */
#include <math.h>

#include "base/arena.h"
#include "base/try.h"
#include "bench/circuit.h"

#define LEVEL 2 /* of the columns: what a layer has whose result is multiplied once more */

typedef struct layer_size {
    uint32_t n_out, n_in;
} layer_size;

typedef struct layer {
    layer_size size;
    mzv_params params;
    mzv_context *ctx;
    mzv_secret *secret;
    mzv_evaluator *ev;
    mzv_columns *columns;
    mzv_cipher *in, *out;
    double *weight, *bias;
    mzv_complex *x; /* the columns */
} layer;

static mzv_status fill(layer *l) {
    const size_t n_weights = (size_t)l->size.n_out * l->size.n_in,
                 n_values = (size_t)l->size.n_in * mzv_context_slots(l->ctx);
    uint64_t state = 1;
    MZV_TRY(MZV_NEW(&l->weight, n_weights, "weights"));
    MZV_TRY(MZV_NEW(&l->bias, l->size.n_out, "biases"));
    MZV_TRY(MZV_NEW(&l->x, n_values, "columns"));
    for (size_t k = 0; k < n_weights; k++)
        l->weight[k] = (2 * mzv_circuit_random(&state) - 1) / sqrt(l->size.n_in);
    for (uint32_t o = 0; o < l->size.n_out; o++) l->bias[o] = mzv_circuit_random(&state);
    for (size_t k = 0; k < n_values; k++) l->x[k] = 2 * mzv_circuit_random(&state) - 1;
    return MZV_OK;
}

static mzv_status columns_of(mzv_columns **out, mzv_evaluator *ev, const layer *l) {
    return mzv_columns_create(out, ev, l->weight, l->bias, l->size.n_out, l->size.n_in, LEVEL);
}

static mzv_status count_layer(mzv_evaluator *count, mzv_cipher *in, mzv_cipher *out, const layer *l) {
    mzv_columns *columns = NULL;
    MZV_TRY(mzv_clear_set(count, in, NULL, LEVEL));
    MZV_TRY(columns_of(&columns, count, l));
    const mzv_status status = mzv_mul_columns(count, out, in, columns);
    mzv_columns_destroy(columns);
    return status;
}

/* The scratch of one product. */
static mzv_status measure(size_t *scratch_bytes, const layer *l) {
    mzv_evaluator *count = NULL;
    mzv_cipher *in = NULL, *out = NULL;
    mzv_status status;
    MZV_TRY(mzv_evaluator_create_count(&count, &l->params));
    MZV_TRY_GOTO(mzv_evaluator_cipher(&in, count, LEVEL, l->size.n_in), done);
    MZV_TRY_GOTO(mzv_evaluator_cipher(&out, count, LEVEL - 1, l->size.n_out), done);
    MZV_TRY_GOTO(count_layer(count, in, out, l), done);
    *scratch_bytes = mzv_evaluator_counts(count)->peak_bytes;
done:
    mzv_cipher_destroy(in);
    mzv_cipher_destroy(out);
    mzv_evaluator_destroy(count);
    return status;
}

static mzv_status set_up(layer *l, const char *backend) {
    const mzv_options options = { .backend = backend };
    size_t scratch_bytes = 0;
    MZV_TRY(mzv_context_create(&l->ctx, &l->params, &options));
    MZV_TRY(fill(l));
    MZV_TRY(measure(&scratch_bytes, l));
    MZV_TRY(mzv_secret_create(&l->secret, l->ctx));
    MZV_TRY(mzv_evaluator_create(&l->ev, l->ctx, NULL, scratch_bytes));
    MZV_TRY(columns_of(&l->columns, l->ev, l));
    MZV_TRY(mzv_evaluator_cipher(&l->in, l->ev, LEVEL, l->size.n_in));
    MZV_TRY(mzv_evaluator_cipher(&l->out, l->ev, LEVEL - 1, l->size.n_out));
    return mzv_encrypt(l->in, l->secret, l->x, LEVEL);
}

static mzv_status open(void **state, const mzv_circuit_case *self, const mzv_circuit_site *site) {
    layer *l = NULL;
    if (site->params.n_levels < LEVEL)
        return mzv_fail(MZV_ERR_LEVEL, "bench circuit: the set has %u levels, need %u", site->params.n_levels,
                        LEVEL);
    MZV_TRY(MZV_NEW(&l, 1, "bench circuit"));
    *state = l;
    l->size = *(const layer_size *)self->recipe;
    l->params = site->params;
    return set_up(l, site->backend);
}

static mzv_status run(void *state) {
    layer *l = state;
    return mzv_mul_columns(l->ev, l->out, l->in, l->columns);
}

static mzv_circuit_handles handles(const void *state) {
    const layer *l = state;
    return (mzv_circuit_handles) { .ev = l->ev, .in = { l->in }, .out = l->out, .n_in = 1 };
}

/* Errors of output o: their sum is added to *sum, the largest goes to *worst. */
static void compare(const layer *l, const mzv_complex *found, uint32_t o, double *sum, double *worst) {
    const uint32_t n = mzv_evaluator_slots(l->ev);
    for (uint32_t k = 0; k < n; k++) {
        long double exact = l->bias[o];
        for (uint32_t i = 0; i < l->size.n_in; i++)
            exact += (long double)l->weight[(size_t)o * l->size.n_in + i] * __real__ l->x[(size_t)i * n + k];
        const double e = hypot((double)(__real__ found[k] - exact), __imag__ found[k]);
        *sum += e;
        *worst = fmax(*worst, e);
    }
}

static mzv_status verify(void *state, mzv_circuit_report *report) {
    layer *l = state;
    const size_t n = mzv_evaluator_slots(l->ev);
    mzv_complex *found = NULL;
    double sum = 0, worst = 0;
    MZV_TRY(MZV_NEW(&found, n * l->size.n_out, "slots"));
    const mzv_status status = mzv_decrypt(found, l->secret, l->out);
    for (uint32_t o = 0; o < l->size.n_out && status == MZV_OK; o++)
        compare(l, found + o * n, o, &sum, &worst);
    *report = (mzv_circuit_report) { .log_n = l->params.log_n,
                                     .n_slots = (uint32_t)n,
                                     .levels = 1,
                                     .levels_left = mzv_cipher_level(l->out),
                                     .backend = mzv_context_backend(l->ctx),
                                     .mean_error = sum / (double)(n * l->size.n_out),
                                     .worst_error = worst };
    mzv_free(found);
    return status;
}

static void close(void *state) {
    layer *l = state;
    mzv_free(l->weight);
    mzv_free(l->bias);
    mzv_free(l->x);
    mzv_columns_destroy(l->columns);
    mzv_cipher_destroy(l->in);
    mzv_cipher_destroy(l->out);
    mzv_evaluator_destroy(l->ev);
    mzv_secret_destroy(l->secret);
    mzv_context_destroy(l->ctx);
    mzv_free(l);
}

static const layer_size square = { 128, 128 }, widening = { 512, 128 };

const mzv_circuit_case mzv_columns_cases[] = {
    { "columns 128 to 128", open, run, verify, close, &square, handles },
    { "columns 128 to 512", open, run, verify, close, &widening, handles },
    { 0 },
};
