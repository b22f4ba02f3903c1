/* Recipes of functions over rows: positions n_slots / count apart, as many rows as there are slots between.
 */
#include <math.h>

#include "base/try.h"
#include "bench/circuit.h"
#include "circuit/compare.h"
#include "circuit/softmax.h"

/* ---- QuickMax ---- */

static mzv_status cyclic(mzv_fold *out, const mzv_function_recipe *r, const mzv_function_setup *setup) {
    return mzv_fold_cyclic(out, setup->n_slots / r->count, r->count, MZV_FOLD_RADIX_2);
}

static mzv_status quickmax_make(void **out, const mzv_function_recipe *r, const mzv_function_setup *setup) {
    mzv_quickmax_spec spec = { .lo = r->lo,
                               .hi = r->hi,
                               .target = (r->hi - r->lo) / 1024,
                               .noise = setup->noise,
                               .recipe = MZV_SIGN_MINIMAX };
    mzv_quickmax *max = NULL;
    MZV_TRY(cyclic(&spec.fold, r, setup));
    MZV_TRY(mzv_quickmax_create(&max, &spec));
    *out = max;
    return MZV_OK;
}

static void quickmax_destroy(void *circuit) { mzv_quickmax_destroy(circuit); }
static mzv_affine quickmax_affine(const void *circuit) { return mzv_quickmax_affine(circuit); }
static mzv_affine quickmax_back(const void *circuit) { return mzv_quickmax_back(circuit); }

static mzv_status quickmax_run(void *circuit, mzv_evaluator *ev, mzv_cipher *out,
                               const mzv_cipher *const *in) {
    return mzv_quickmax_run(ev, out, in[0], circuit);
}

static double largest(const mzv_function_recipe *r, const double *x) {
    double top = x[0];
    for (uint32_t j = 1; j < r->count; j++) top = fmax(top, x[j]);
    return top;
}

static void quickmax_exact(const mzv_function_recipe *r, long double *y, const double *x) {
    for (uint32_t j = 0; j < r->count; j++) y[j] = largest(r, x);
}

const mzv_function_recipe mzv_recipe_quickmax = { .lo = -1,
                                                  .hi = 1,
                                                  .n_in = 1,
                                                  .count = 2,
                                                  .make = quickmax_make,
                                                  .destroy = quickmax_destroy,
                                                  .affine = quickmax_affine,
                                                  .run = quickmax_run,
                                                  .back = quickmax_back,
                                                  .exact = quickmax_exact };

/* ---- argmax ---- */

#define DISTANCE 0.5 /* of the largest from the others, in halves of the interval */

static mzv_status argmax_make(void **out, const mzv_function_recipe *r, const mzv_function_setup *setup) {
    mzv_argmax_spec spec = { .lo = r->lo,
                             .hi = r->hi,
                             .distance = DISTANCE * (r->hi - r->lo) / 2,
                             .target = 1e-2,
                             .noise = setup->noise,
                             .recipe = MZV_SIGN_MINIMAX };
    mzv_argmax *argmax = NULL;
    MZV_TRY(cyclic(&spec.fold, r, setup));
    MZV_TRY(mzv_argmax_create(&argmax, &spec));
    *out = argmax;
    return MZV_OK;
}

static void argmax_destroy(void *circuit) { mzv_argmax_destroy(circuit); }
static mzv_affine argmax_affine(const void *circuit) { return mzv_argmax_affine(circuit); }

static mzv_status argmax_run(void *circuit, mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *in) {
    return mzv_argmax_run(ev, out, in[0], circuit);
}

/* The first of the largest stays, the others go below it by the distance. */
static void argmax_fill(const mzv_function_recipe *r, double *row) {
    const double low = DISTANCE * (r->hi - r->lo) / 2;
    uint32_t top = 0;
    for (uint32_t j = 1; j < r->count; j++)
        if (row[j] > row[top]) top = j;
    row[top] = fmax(row[top], r->lo + low);
    for (uint32_t j = 0; j < r->count; j++)
        if (j != top) row[j] = fmin(row[j], row[top] - low);
}

static void argmax_exact(const mzv_function_recipe *r, long double *y, const double *x) {
    const double top = largest(r, x);
    for (uint32_t j = 0; j < r->count; j++) y[j] = x[j] == top ? 1 : 0;
}

const mzv_function_recipe mzv_recipe_argmax = { .lo = -1,
                                                .hi = 1,
                                                .n_in = 1,
                                                .count = 2,
                                                .make = argmax_make,
                                                .destroy = argmax_destroy,
                                                .affine = argmax_affine,
                                                .run = argmax_run,
                                                .exact = argmax_exact,
                                                .fill = argmax_fill };

/* ---- softmax ---- */

static mzv_status softmax_make(void **out, const mzv_function_recipe *r, const mzv_function_setup *setup) {
    const mzv_softmax_spec spec = { .lo = r->lo,
                                    .hi = r->hi,
                                    .n_slots = setup->n_slots,
                                    .stride = setup->n_slots / r->count,
                                    .count = r->count,
                                    .group = r->count,
                                    .target = r->variant == MZV_SOFTMAX_NEXUS ? 1e-2 : 1e-3,
                                    .noise = setup->noise,
                                    .method = (mzv_softmax_method)r->variant };
    mzv_softmax *softmax = NULL;
    MZV_TRY(mzv_softmax_create(&softmax, &spec));
    *out = softmax;
    return MZV_OK;
}

static void softmax_destroy(void *circuit) { mzv_softmax_destroy(circuit); }

static mzv_status softmax_run(void *circuit, mzv_evaluator *ev, mzv_cipher *out,
                              const mzv_cipher *const *in) {
    return mzv_softmax_run(ev, out, in[0], NULL, circuit);
}

static void softmax_exact(const mzv_function_recipe *r, long double *y, const double *x) {
    const double top = largest(r, x);
    long double sum = 0;
    for (uint32_t j = 0; j < r->count; j++) sum += y[j] = expl((long double)x[j] - top);
    for (uint32_t j = 0; j < r->count; j++) y[j] /= sum;
}

#define SOFTMAX(half, n, method)                                                                             \
    {                                                                                                        \
        .lo = -(half), .hi = (half), .n_in = 1, .count = (n), .variant = (method), .make = softmax_make,     \
        .destroy = softmax_destroy, .run = softmax_run, .exact = softmax_exact                               \
    }

const mzv_function_recipe mzv_recipe_softmax_narrow = SOFTMAX(4, 128, MZV_SOFTMAX_DEFAULT);
const mzv_function_recipe mzv_recipe_softmax = SOFTMAX(16, 128, MZV_SOFTMAX_DEFAULT);
const mzv_function_recipe mzv_recipe_softmax_wide = SOFTMAX(64, 128, MZV_SOFTMAX_DEFAULT);
const mzv_function_recipe mzv_recipe_softmax_square = SOFTMAX(4, 128, MZV_SOFTMAX_SQUARE);
const mzv_function_recipe mzv_recipe_softmax_square_wide = SOFTMAX(64, 128, MZV_SOFTMAX_SQUARE);
const mzv_function_recipe mzv_recipe_softmax_nexus = SOFTMAX(2, 2, MZV_SOFTMAX_NEXUS);
const mzv_function_recipe mzv_recipe_softmax_nexus_wide = SOFTMAX(64, 128, MZV_SOFTMAX_NEXUS);
