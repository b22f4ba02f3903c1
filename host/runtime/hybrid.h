/* Hybrid inference: a transformer on the client with one attention module computed by a server on
 * ciphertexts, inside the token loop (Zama's hybrid GPT-2, without PBS).
 *
 * Client and server are separate objects that share no secret: the client holds the secret key and the hidden
 * states, the server the module's weights and the evaluation keys. A session here owns both, in one
 * process, and passes them only what would travel: parameters, key request, keys, ciphertexts. */
#ifndef MZV_RUNTIME_HYBRID_H
#define MZV_RUNTIME_HYBRID_H
#include <stdbool.h>
#include "mzv/mzv.h"
#include "runtime/calibrate.h"
#include "runtime/module.h"
#ifdef __cplusplus
extern "C" {
#endif

/* execute: ciphertexts. simulate: the same circuit on slots with CKKS's noise. clear: without noise. */
typedef enum mzv_mode { MZV_MODE_EXECUTE, MZV_MODE_SIMULATE, MZV_MODE_CLEAR } mzv_mode;

typedef struct mzv_hybrid_options {
    mzv_mode mode;
    uint32_t n_tokens_max;   /* longest context of the session; 0: the model's n_positions */
    double target_error;     /* relative l2 of the module's output against float; 0: 3e-4 */
    const char *backend;     /* as mzv_options */
    int device;              /* as mzv_options */
    size_t device_bytes_max; /* as mzv_options */
    uint32_t n_threads;
    uint64_t noise_seed;     /* simulate; 0: 1 */
    size_t memory_bytes_max; /* 0: what the machine has available */
    /* stage such as "keys", "encrypt", "softmax"; step of n_steps; return false to stop. May be NULL. */
    bool (*progress)(void *user, const char *stage, uint32_t step, uint32_t n_steps);
    void *progress_user;
} mzv_hybrid_options;

/* The plan: all that is known before any key is made. */
typedef struct mzv_hybrid_plan {
    mzv_module_name module;
    mzv_params params;
    uint32_t n_slots, n_channels, n_tokens_max, rows_per_pass;
    uint32_t levels;          /* used by the circuit */
    double exp_low, exp_high; /* interval of the shifted scores, calibrated with margin */
    double sum_low, sum_high; /* interval of the softmax sums, likewise */
    uint32_t exp_degree, exp_squarings, inverse_doublings;
    double predicted_error; /* relative l2, by the noise model on calibration rows */
    mzv_counts counts;      /* one pass */
    bool keeps_weights;     /* encoded weights are kept modulo all primes: faster, more memory */
    size_t keys_bytes, upload_bytes, download_bytes, memory_bytes; /* memory: predicted peak of the session */
    uint64_t device_bytes;    /* of it on the GPU; 0 where the backend has none */
    uint64_t pinned_bytes;    /* keys that the GPU has no room for, in pinned memory of the host */
    size_t device_bytes_keys; /* as mzv_options: what makes it so */
} mzv_hybrid_plan;

typedef struct mzv_hybrid_timings {                /* seconds, summed over calls except where said */
    double plan_s, context_s, keygen_s, weights_s; /* once */
    double encrypt_s, evaluate_s, decrypt_s, reference_s;
    double projections_s, scores_s, softmax_s, values_s, output_s; /* parts of evaluate_s */
    uint32_t n_calls, n_passes;
} mzv_hybrid_timings;

typedef struct mzv_hybrid mzv_hybrid;

/* Chooses circuit and the smallest secure ring. Borrows nothing. No keys, little memory. */
mzv_status mzv_hybrid_plan_make(mzv_hybrid_plan *out, const mzv_checkpoint *cp, const mzv_calibration *cal,
                                const mzv_module_name *module,
                                const mzv_hybrid_options *options) MZV_MUST_CHECK;
/* Plans, makes context, secret, keys (once; reused by every call), and the server's encoded weights.
 * Borrows cp and cal. */
mzv_status mzv_hybrid_create(mzv_hybrid **out, const mzv_checkpoint *cp, const mzv_calibration *cal,
                             const mzv_module_name *module, const mzv_hybrid_options *options) MZV_MUST_CHECK;
void mzv_hybrid_destroy(mzv_hybrid *h);

/* Rows first_row .. n_tokens-1 of the module's output from the hidden states x [n_tokens x n_channels] (for
 * gpt2 after ln_1, for bert the layer's input). out [n_tokens - first_row x width], width n_channels, or
 * head_dim for one head. Compares with float and keeps the relative l2 error of this call.
 * MZV_ERR_RANGE when a value left its calibrated interval and the result cannot be trusted. */
mzv_status mzv_hybrid_call(mzv_hybrid *h, const float *x, uint32_t n_tokens, uint32_t first_row,
                           float *out) MZV_MUST_CHECK;

const mzv_hybrid_plan *mzv_hybrid_get_plan(const mzv_hybrid *h);
const mzv_param_facts *mzv_hybrid_facts(const mzv_hybrid *h);
const mzv_hybrid_timings *mzv_hybrid_get_timings(const mzv_hybrid *h);
double mzv_hybrid_last_error(const mzv_hybrid *h);  /* relative l2 of the last call */
double mzv_hybrid_worst_error(const mzv_hybrid *h); /* over all calls */
const char *mzv_hybrid_backend(const mzv_hybrid *h);

#ifdef __cplusplus
}
#endif
#endif
