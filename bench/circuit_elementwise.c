/* Recipes of functions that take every slot for itself. */
#include <math.h>

#include "base/try.h"
#include "bench/circuit.h"
#include "circuit/activation.h"
#include "circuit/compare.h"
#include "circuit/exp.h"
#include "circuit/inverse.h"
#include "circuit/inverse_root.h"
#include "circuit/nexus_gelu.h"
#include "circuit/sign.h"

/* ---- exp ---- */

static mzv_status exp_make(void **out, const mzv_function_recipe *r, const mzv_function_setup *setup) {
    const mzv_exp_spec spec = { r->lo, r->hi, r->hi, 1e-6, 0, MZV_EXP_AUTO };
    mzv_exp *e = NULL;
    (void)setup;
    MZV_TRY(mzv_exp_create(&e, &spec));
    *out = e;
    return MZV_OK;
}

static void exp_destroy(void *circuit) { mzv_exp_destroy(circuit); }
static mzv_affine exp_affine(const void *circuit) { return mzv_exp_affine(circuit); }

static mzv_status exp_run(void *circuit, mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *in) {
    return mzv_exp_run(ev, out, in[0], circuit);
}

static void exp_exact(const mzv_function_recipe *r, long double *y, const double *x) {
    (void)r;
    *y = expl(x[0]);
}

const mzv_function_recipe mzv_recipe_exp = { .lo = -16,
                                             .hi = 0,
                                             .n_in = 1,
                                             .make = exp_make,
                                             .destroy = exp_destroy,
                                             .affine = exp_affine,
                                             .run = exp_run,
                                             .exact = exp_exact };

/* ---- 1/x ---- */

static mzv_status inverse_make(void **out, const mzv_function_recipe *r, const mzv_function_setup *setup) {
    const mzv_inverse_spec spec = { r->lo, r->hi, 1e-6, r->lo, false };
    mzv_inverse *inverse = NULL;
    (void)setup;
    MZV_TRY(mzv_inverse_create(&inverse, &spec));
    *out = inverse;
    return MZV_OK;
}

static void inverse_destroy(void *circuit) { mzv_inverse_destroy(circuit); }
static mzv_affine inverse_affine(const void *circuit) { return mzv_inverse_affine(circuit); }

static mzv_status inverse_run(void *circuit, mzv_evaluator *ev, mzv_cipher *out,
                              const mzv_cipher *const *in) {
    return mzv_inverse_run(ev, out, in[0], circuit);
}

static void inverse_exact(const mzv_function_recipe *r, long double *y, const double *x) {
    *y = r->lo / (long double)x[0];
}

const mzv_function_recipe mzv_recipe_inverse = { .lo = 1,
                                                 .hi = 128,
                                                 .n_in = 1,
                                                 .make = inverse_make,
                                                 .destroy = inverse_destroy,
                                                 .affine = inverse_affine,
                                                 .run = inverse_run,
                                                 .exact = inverse_exact };

/* ---- sign ---- */

static mzv_status sign_make(void **out, const mzv_function_recipe *r, const mzv_function_setup *setup) {
    const mzv_sign_spec spec = { .gap = r->gap,
                                 .bound = r->hi,
                                 .target = 1e-3,
                                 .gain = 1,
                                 .noise = setup->noise,
                                 .recipe = (mzv_sign_recipe)r->variant };
    mzv_sign *sign = NULL;
    MZV_TRY(mzv_sign_create(&sign, &spec));
    *out = sign;
    return MZV_OK;
}

static void sign_destroy(void *circuit) { mzv_sign_destroy(circuit); }
static mzv_affine sign_affine(const void *circuit) { return mzv_sign_affine(circuit); }

static mzv_status sign_run(void *circuit, mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *in) {
    return mzv_sign_run(ev, out, in[0], circuit);
}

static void sign_exact(const mzv_function_recipe *r, long double *y, const double *x) {
    (void)r;
    *y = x[0] < 0 ? -1 : 1;
}

const mzv_function_recipe mzv_recipe_sign = { .lo = -1,
                                              .hi = 1,
                                              .gap = 0x1p-4,
                                              .n_in = 1,
                                              .variant = MZV_SIGN_MINIMAX,
                                              .make = sign_make,
                                              .destroy = sign_destroy,
                                              .affine = sign_affine,
                                              .run = sign_run,
                                              .exact = sign_exact };
const mzv_function_recipe mzv_recipe_sign_nexus = { .lo = -1,
                                                    .hi = 1,
                                                    .gap = 0x1p-4,
                                                    .n_in = 1,
                                                    .variant = MZV_SIGN_NEXUS,
                                                    .make = sign_make,
                                                    .destroy = sign_destroy,
                                                    .affine = sign_affine,
                                                    .run = sign_run,
                                                    .exact = sign_exact };

/* ---- max of two ---- */

static mzv_status max_make(void **out, const mzv_function_recipe *r, const mzv_function_setup *setup) {
    const mzv_max_spec spec = { r->lo, r->hi, (r->hi - r->lo) / 2048, 1, setup->noise, MZV_SIGN_MINIMAX };
    mzv_max *max = NULL;
    MZV_TRY(mzv_max_create(&max, &spec));
    *out = max;
    return MZV_OK;
}

static void max_destroy(void *circuit) { mzv_max_destroy(circuit); }
static mzv_affine max_affine(const void *circuit) { return mzv_max_affine(circuit); }
static mzv_affine max_back(const void *circuit) { return mzv_max_back(circuit); }

static mzv_status max_run(void *circuit, mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *in) {
    return mzv_max_run(ev, out, in[0], in[1], circuit);
}

static void max_exact(const mzv_function_recipe *r, long double *y, const double *x) {
    (void)r;
    *y = fmax(x[0], x[1]);
}

const mzv_function_recipe mzv_recipe_max = { .lo = -1,
                                             .hi = 1,
                                             .n_in = 2,
                                             .make = max_make,
                                             .destroy = max_destroy,
                                             .affine = max_affine,
                                             .run = max_run,
                                             .back = max_back,
                                             .exact = max_exact };

/* ---- x^-1/2 ---- */

static mzv_status root_make(void **out, const mzv_function_recipe *r, const mzv_function_setup *setup) {
    const mzv_inverse_root_spec spec = { .lo = r->lo,
                                         .hi = r->hi,
                                         .target = 1e-5,
                                         .gain = sqrt(r->lo),
                                         .steps = MZV_INVERSE_ROOT_AUTO,
                                         .recipe = (mzv_inverse_root_recipe)r->variant };
    mzv_inverse_root *root = NULL;
    (void)setup;
    MZV_TRY(mzv_inverse_root_create(&root, &spec));
    *out = root;
    return MZV_OK;
}

static void root_destroy(void *circuit) { mzv_inverse_root_destroy(circuit); }
static mzv_affine root_affine(const void *circuit) { return mzv_inverse_root_affine(circuit); }

static mzv_status root_run(void *circuit, mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *in) {
    return mzv_inverse_root_run(ev, out, in[0], circuit);
}

static void root_exact(const mzv_function_recipe *r, long double *y, const double *x) {
    *y = sqrtl(r->lo / (long double)x[0]);
}

#define ROOT(method)                                                                                         \
    {                                                                                                        \
        .lo = 0.1, .hi = 100, .n_in = 1, .variant = (method), .make = root_make, .destroy = root_destroy,    \
        .affine = root_affine, .run = root_run, .exact = root_exact                                          \
    }

const mzv_function_recipe mzv_recipe_root = ROOT(MZV_INVERSE_ROOT_BEST);
const mzv_function_recipe mzv_recipe_root_nexus = ROOT(MZV_INVERSE_ROOT_NEXUS);

/* ---- activations ---- */

static mzv_status activation_make(void **out, const mzv_function_recipe *r, const mzv_function_setup *setup) {
    const mzv_activation_spec spec = {
        (mzv_activation_function)r->variant, r->lo, r->hi, 1e-4, 1, MZV_ACTIVATION_AUTO
    };
    mzv_activation *f = NULL;
    (void)setup;
    MZV_TRY(mzv_activation_create(&f, &spec));
    *out = f;
    return MZV_OK;
}

static void activation_destroy(void *circuit) { mzv_activation_destroy(circuit); }
static mzv_affine activation_affine(const void *circuit) { return mzv_activation_affine(circuit); }

static mzv_status activation_run(void *circuit, mzv_evaluator *ev, mzv_cipher *out,
                                 const mzv_cipher *const *in) {
    return mzv_activation_run(ev, out, in[0], circuit);
}

static void activation_exact(const mzv_function_recipe *r, long double *y, const double *in) {
    const long double x = in[0], pi = acosl(-1);
    switch ((mzv_activation_function)r->variant) {
    case MZV_GELU:
        *y = x * erfcl(-x / sqrtl(2)) / 2;
        break;
    case MZV_GELU_TANH:
        *y = x * (1 + tanhl(sqrtl(2 / pi) * (x + 0.044715L * x * x * x))) / 2;
        break;
    case MZV_TANH:
        *y = tanhl(x);
        break;
    case MZV_SIGMOID:
        *y = 1 / (1 + expl(-x));
        break;
    case MZV_SILU:
        *y = x / (1 + expl(-x));
        break;
    }
}

#define ACTIVATION(function, half)                                                                           \
    {                                                                                                        \
        .lo = -(half), .hi = (half), .n_in = 1, .variant = (function), .make = activation_make,              \
        .destroy = activation_destroy, .affine = activation_affine, .run = activation_run,                   \
        .exact = activation_exact                                                                            \
    }

/* NEXUS's GELU, in pieces selected by signs. */
static mzv_status nexus_gelu_make(void **out, const mzv_function_recipe *r, const mzv_function_setup *setup) {
    const mzv_nexus_gelu_spec spec = { r->hi, 1e-3, setup->noise, MZV_SIGN_NEXUS };
    mzv_nexus_gelu *gelu = NULL;
    MZV_TRY(mzv_nexus_gelu_create(&gelu, &spec));
    *out = gelu;
    return MZV_OK;
}

static void nexus_gelu_destroy(void *circuit) { mzv_nexus_gelu_destroy(circuit); }
static mzv_affine nexus_gelu_affine(const void *circuit) { return mzv_nexus_gelu_affine(circuit); }

static mzv_status nexus_gelu_run(void *circuit, mzv_evaluator *ev, mzv_cipher *out,
                                 const mzv_cipher *const *in) {
    return mzv_nexus_gelu_run(ev, out, in[0], circuit);
}

const mzv_function_recipe mzv_recipe_gelu_nexus = { .lo = -60,
                                                    .hi = 60,
                                                    .n_in = 1,
                                                    .variant = MZV_GELU,
                                                    .make = nexus_gelu_make,
                                                    .destroy = nexus_gelu_destroy,
                                                    .affine = nexus_gelu_affine,
                                                    .run = nexus_gelu_run,
                                                    .exact = activation_exact };
const mzv_function_recipe mzv_recipe_gelu = ACTIVATION(MZV_GELU, 8);
const mzv_function_recipe mzv_recipe_gelu_wide = ACTIVATION(MZV_GELU, 60);
const mzv_function_recipe mzv_recipe_gelu_tanh = ACTIVATION(MZV_GELU_TANH, 8);
const mzv_function_recipe mzv_recipe_tanh = ACTIVATION(MZV_TANH, 8);
const mzv_function_recipe mzv_recipe_sigmoid = ACTIVATION(MZV_SIGMOID, 12);
const mzv_function_recipe mzv_recipe_silu = ACTIVATION(MZV_SILU, 12);
