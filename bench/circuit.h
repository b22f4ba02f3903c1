/* Whole circuits on encrypted inputs: what `mzv bench circuit` runs. */
#ifndef MZV_BENCH_CIRCUIT_H
#define MZV_BENCH_CIRCUIT_H
#include "circuit/circuit.h"
#ifdef __cplusplus
extern "C" {
#endif

/* What a case found out about itself. Errors are against long double, over all slots with a result. */
typedef struct mzv_circuit_report {
    uint32_t log_n, n_slots;
    uint32_t levels, levels_left; /* between inputs and result (0 where it is higher); those of the result */
    uint32_t n_bootstraps;        /* of one run */
    const char *backend;
    double mean_error, worst_error;
    double predicted_mean_bits, predicted_worst_bits; /* 0: none */
    uint32_t n_keys;                                  /* 0: not told */
    size_t key_bytes;
    double keys_s; /* to make them */
} mzv_circuit_report;

/* Where cases run: parameters chosen with --set, and the backend. */
typedef struct mzv_circuit_site {
    mzv_params params;
    const char *backend;
} mzv_circuit_site;

/* What `run` of a case works with: as for a mzv_call. */
typedef struct mzv_circuit_handles {
    mzv_evaluator *ev;
    const mzv_cipher *in[2];
    mzv_cipher *out;
    uint32_t n_in;
} mzv_circuit_handles;

/* One case: open -> run, as often as it is timed -> verify -> close. `open` makes everything that `run`
 * needs, keys and encrypted inputs included, from the site or from parameters of its own; MZV_ERR_LEVEL: the
 * set is not deep enough, and the case is passed over. Whatever it returns, `close` follows where *state is
 * set. */
typedef struct mzv_circuit_case {
    const char *name;
    mzv_status (*open)(void **state, const struct mzv_circuit_case *self, const mzv_circuit_site *site);
    mzv_status (*run)(void *state);
    mzv_status (*verify)(void *state, mzv_circuit_report *report);
    void (*close)(void *state);
    const void *recipe; /* what `open` reads */
    mzv_circuit_handles (*handles)(const void *state);
} mzv_circuit_case;

/* All cases: functions in circuit_cases.c, linear layers in
 * circuit_columns.c, bootstraps in circuit_boot.c; ended by a NULL name. */
extern const mzv_circuit_case mzv_circuit_cases[], mzv_columns_cases[], mzv_boot_cases[];

/* Uniform on [0, 1): splitmix64 [SLF14]. Inputs are the same in every run. */
double mzv_circuit_random(uint64_t *state);

/* ---- circuits with random inputs, one result for each slot (circuit_function.c) ---- */

/* What a function is planned for. */
typedef struct mzv_function_setup {
    uint32_t n_slots;
    double noise; /* of a product */
} mzv_function_setup;

typedef struct mzv_function_recipe {
    double lo, hi;  /* inputs are uniform on it, */
    double gap;     /* but at least that far from 0 */
    uint32_t n_in;  /* 1 or 2 inputs */
    uint32_t count; /* rows of so many positions n_slots / count apart; 0: every slot for itself */
    int variant;    /* for `make` */
    bool nexus;     /* the same */
    mzv_status (*make)(void **circuit, const struct mzv_function_recipe *r, const mzv_function_setup *setup);
    void (*destroy)(void *circuit);
    mzv_affine (*affine)(
        const void *circuit); /* of the inputs, spends a level first; NULL: takes them as they are */
    mzv_status (*run)(void *circuit, mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *in);
    mzv_affine (*back)(const void *circuit); /* of the decrypted result; NULL: as it is */
    /* The exact result: of one slot (x[0], x[1] the inputs), or of a row (x[0 .. count-1]). */
    void (*exact)(const struct mzv_function_recipe *r, long double *y, const double *x);
    void (*fill)(const struct mzv_function_recipe *r, double *row); /* changes a random row; NULL: no */
} mzv_function_recipe;

mzv_status mzv_function_open(void **state, const mzv_circuit_case *self,
                             const mzv_circuit_site *site) MZV_MUST_CHECK;
mzv_status mzv_function_run(void *state) MZV_MUST_CHECK;
mzv_status mzv_function_verify(void *state, mzv_circuit_report *report) MZV_MUST_CHECK;
void mzv_function_close(void *state);
mzv_circuit_handles mzv_function_handles(const void *state);

/* The recipes: circuit_elementwise.c, circuit_rows.c, circuit_norms.c. */
extern const mzv_function_recipe mzv_recipe_exp, mzv_recipe_inverse, mzv_recipe_root, mzv_recipe_root_nexus,
    mzv_recipe_gelu, mzv_recipe_gelu_wide, mzv_recipe_gelu_nexus, mzv_recipe_gelu_tanh, mzv_recipe_tanh,
    mzv_recipe_sigmoid, mzv_recipe_silu, mzv_recipe_sign, mzv_recipe_sign_nexus, mzv_recipe_max;
extern const mzv_function_recipe mzv_recipe_quickmax, mzv_recipe_argmax, mzv_recipe_softmax_narrow,
    mzv_recipe_softmax, mzv_recipe_softmax_wide, mzv_recipe_softmax_square, mzv_recipe_softmax_square_wide,
    mzv_recipe_softmax_nexus, mzv_recipe_softmax_nexus_wide;
extern const mzv_function_recipe mzv_recipe_layernorm, mzv_recipe_layernorm_nexus, mzv_recipe_rmsnorm;

#ifdef __cplusplus
}
#endif
#endif
