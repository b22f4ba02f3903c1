/* Recipes of norms over rows. A norm encodes its constants on the evaluator that it runs on. */
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/try.h"
#include "bench/circuit.h"
#include "circuit/norm.h"

#define EPSILON 1e-5

/* The spec, and the norm made from it for `ev`. */
typedef struct bound_norm {
    mzv_norm_spec spec;
    mzv_evaluator *ev;
    mzv_norm *norm;
} bound_norm;

/* Inputs are uniform: their variance is a third of the square of the interval's half, with room for rows. */
static mzv_status norm_make(void **out, const mzv_function_recipe *r, const mzv_function_setup *setup) {
    const double variance = r->hi * r->hi / 3;
    bound_norm *b = NULL;
    MZV_TRY(MZV_NEW(&b, 1, "norm"));
    *out = b;
    b->spec = (mzv_norm_spec) { .kind = r->variant == MZV_NORM_RMS ? MZV_NORM_RMS : MZV_NORM_LAYER,
                                .n_channels = r->count,
                                .epsilon = EPSILON,
                                .lo = variance / 16,
                                .hi = variance * 4,
                                .target = 1e-5,
                                .input_gain = 1,
                                .steps = MZV_INVERSE_ROOT_AUTO,
                                .recipe = r->nexus ? MZV_INVERSE_ROOT_NEXUS : MZV_INVERSE_ROOT_BEST };
    return mzv_fold_cyclic(&b->spec.fold, setup->n_slots / r->count, r->count, MZV_FOLD_CHEAPEST);
}

static void norm_destroy(void *circuit) {
    bound_norm *b = circuit;
    mzv_norm_destroy(b->norm);
    mzv_free(b);
}

/* Once, on an evaluator that does not stay. */
static mzv_status run_once(const bound_norm *b, mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *x) {
    mzv_norm *norm = NULL;
    MZV_TRY(mzv_norm_create(&norm, ev, mzv_cipher_level(x), &b->spec));
    const mzv_status status = mzv_norm_run(ev, out, x, norm);
    mzv_norm_destroy(norm);
    return status;
}

static mzv_status norm_run(void *circuit, mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *in) {
    bound_norm *b = circuit;
    if (strcmp(mzv_evaluator_kind(ev), "ckks") != 0) return run_once(b, ev, out, in[0]);
    if (b->ev != ev) {
        mzv_norm_destroy(b->norm);
        b->norm = NULL;
        b->ev = ev;
        MZV_TRY(mzv_norm_create(&b->norm, ev, mzv_cipher_level(in[0]), &b->spec));
    }
    return mzv_norm_run(ev, out, in[0], b->norm);
}

static void norm_exact(const mzv_function_recipe *r, long double *y, const double *x) {
    const bool rms = r->variant == MZV_NORM_RMS;
    long double mean = 0, squares = 0;
    for (uint32_t c = 0; c < r->count; c++) mean += rms ? 0 : (long double)x[c] / r->count;
    for (uint32_t c = 0; c < r->count; c++) squares += (x[c] - mean) * (x[c] - mean) / r->count;
    for (uint32_t c = 0; c < r->count; c++) y[c] = (x[c] - mean) / sqrtl(squares + EPSILON);
}

#define NORM(kind, by_nexus)                                                                                 \
    {                                                                                                        \
        .lo = -4, .hi = 4, .n_in = 1, .count = 128, .variant = (kind), .nexus = (by_nexus),                  \
        .make = norm_make, .destroy = norm_destroy, .run = norm_run, .exact = norm_exact                     \
    }

const mzv_function_recipe mzv_recipe_layernorm = NORM(MZV_NORM_LAYER, false);
const mzv_function_recipe mzv_recipe_layernorm_nexus = NORM(MZV_NORM_LAYER, true);
const mzv_function_recipe mzv_recipe_rmsnorm = NORM(MZV_NORM_RMS, false);
