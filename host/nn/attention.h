/* Multi-head attention on ciphertexts: projections, scores, causal mask, softmax and the product with V of one
 * module, without bootstrapping.
 *
 * For the alive pairs (i, j) of docs/attention.md, per head, with S the calibrated interval of sums:
 *   1  A = (K + iV) x_j / 2,  B = (-sqrt(d) M + iQ) x_i / 2      two complex BSGS transforms      1 level
 *      k_ij = K x_j - sqrt(d)(M x_i + m),  v_j,  q_i             by two conjugations
 *   2  t_ij = sum_e q_i k_ij + offset                            total fold over e                1 level
 *      an affine image in [-1, 1] of the shifted score; dead pairs, whose q is zero, are set to -1
 *   3  e_ij = w exp(s_ij); w makes step 5 free of an affine map   circuit/exp.h
 *   4  S_i = sum_j e_ij by a window sum, less the dead pairs' e,
 *      n_i = sum_j e_ij v_j                                      one-sided fold
 *   5  y ~ 1 / S_i; for wide sums w = 1 and the map of step 5     circuit/inverse.h
 *      takes a level, so that small sums are not lost in noise
 *   6  o_i = (n_i y)(2 - S_i y)                                  one Newton step for the quotient 2 levels
 *   7  O o_i + bias                                              whole module only                1 level
 * The shift of step 2 costs no level: softmax does not change when q_i . (M x_i + m) + c is subtracted from all
 * scores of query i, and it comes out of the same product (runtime/calibrate.h fits M, m, c). */
#ifndef MZV_NN_ATTENTION_H
#define MZV_NN_ATTENTION_H
#include "ckks/evaluator.h"
#include "nn/float_attention.h"
#include "nn/pair_layout.h"
#ifdef __cplusplus
extern "C" {
#endif

/* What is known of one head beforehand; see runtime/calibrate.h. Borrowed arrays. */
typedef struct mzv_head_shift {
    const float *bilinear; /* M [head_dim x n_channels] */
    const float *linear;   /* m [head_dim] */
    double constant;       /* c */
} mzv_head_shift;

typedef struct mzv_attention_range {
    double score_low, score_high; /* shifted scores */
    double lse_low, lse_high;     /* shifted log-sum-exp */
    double value_max, output_max; /* bounds of |v| and of |result| */
} mzv_attention_range;

/* Results come out at most this large: at level 0 a modulus of one bit above the scale holds values below 1. */
#define MZV_ATTENTION_RESULT 0.125

typedef struct mzv_attention_spec {
    mzv_float_attention weights; /* borrowed by mzv_attention_create only */
    int32_t head;                /* -1: all heads and the output projection */
    const mzv_head_shift *shift; /* of each head computed */
    mzv_attention_range range;   /* union over those heads */
    mzv_pair_layout layout;
    double target_error;         /* relative, of each of exp and the quotient */
} mzv_attention_spec;

typedef struct mzv_attention_facts {
    uint32_t levels; /* from the inputs to the result */
    uint32_t exp_degree, exp_squarings, inverse_doublings;
    double exp_error, quotient_error; /* relative, of the approximations */
} mzv_attention_facts;

typedef struct mzv_attention mzv_attention; /* one module's weights, encoded for inputs at one level; immutable */
typedef struct mzv_attention_mask mzv_attention_mask; /* the plaintexts that depend on which pairs are alive */

/* What the circuits will be; no weights are encoded. */
mzv_status mzv_attention_about(mzv_attention_facts *out, const mzv_attention_spec *spec) MZV_MUST_CHECK;

/* Encodes for inputs at `level`. Borrows nothing afterwards. */
mzv_status mzv_attention_create(mzv_attention **out, mzv_evaluator *ev, const mzv_attention_spec *spec,
                                uint32_t level) MZV_MUST_CHECK;
void mzv_attention_destroy(mzv_attention *a); /* NULL is allowed */
/* Keeps the values of all weights (circuit/linear.h): faster runs for mzv_attention_kept_bytes of memory. */
mzv_status mzv_attention_keep(mzv_attention *a) MZV_MUST_CHECK;
size_t mzv_attention_kept_bytes(const mzv_attention_spec *spec, const mzv_params *params, uint32_t level);
const mzv_attention_facts *mzv_attention_get_facts(const mzv_attention *a);

mzv_status mzv_attention_mask_create(mzv_attention_mask **out, mzv_evaluator *ev, const mzv_attention *a,
                                     const mzv_pair_span *span) MZV_MUST_CHECK;
void mzv_attention_mask_destroy(mzv_attention_mask *mask); /* NULL is allowed */

/* Told before each part; false stops the run with MZV_ERR_CANCELLED. */
typedef struct mzv_attention_watch {
    bool (*part)(void *user, const char *part, uint32_t step, uint32_t n_steps);
    void *user;
} mzv_attention_watch;

/* out = the module for the pairs packed in keys and queries (nn/pair_layout.h), divided by mzv_attention_scale, in
 * the slots j = 0. out: capacity for the level of the inputs less facts.levels. watch may be NULL. */
mzv_status mzv_attention_run(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *keys,
                             const mzv_cipher *queries, const mzv_attention *a, const mzv_attention_mask *mask,
                             const mzv_attention_watch *watch) MZV_MUST_CHECK;
/* What the client multiplies the result by. */
double mzv_attention_scale(const mzv_attention *a);
/* The channel of each output value: n_channels of the whole module, head_dim of a head. */
uint32_t mzv_attention_outputs(const mzv_attention *a);
uint32_t mzv_attention_channel(const mzv_attention *a, uint32_t output);

#ifdef __cplusplus
}
#endif
#endif
