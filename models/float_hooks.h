/* How a run of a float model is watched and changed: any attention module, or any head of one, can be
 * computed elsewhere (encrypted, simulated, quantised), and every stage can be looked at. Same for all
 * models. Letters: T tokens, C channels, d head dimension, R = n_tokens - first_row rows. */
#ifndef MZV_MODELS_FLOAT_HOOKS_H
#define MZV_MODELS_FLOAT_HOOKS_H
#include "nn/float_attention.h"
#ifdef __cplusplus
extern "C" {
#endif

/* Stages that `stage` sees, in the order of a GPT-2 block; BERT says which it has. rows x columns floats. */
typedef enum mzv_stage {
    MZV_STAGE_EMBEDDING, /* what enters layer 0 */
    MZV_STAGE_NORM1_IN,  /* what the first LayerNorm of the layer normalises */
    MZV_STAGE_NORM1,     /* its result: GPT-2's attention input */
    MZV_STAGE_ATTENTION, /* the attention module's result, before the residual sum */
    MZV_STAGE_NORM2_IN,
    MZV_STAGE_NORM2,
    MZV_STAGE_ACTIVATION, /* what enters the activation function; n_inner columns */
    MZV_STAGE_BLOCK,      /* what leaves the layer */
    MZV_STAGE_FINAL_IN,   /* what GPT-2's last LayerNorm normalises; layer = n_layer */
    MZV_STAGE_POOLER      /* what enters BERT's tanh; one row; layer = n_layer */
} mzv_stage;

/* All zero: the plain model. A callback that does not return MZV_OK ends the run with its status; the
 * model's outputs and state are then as they were. */
typedef struct mzv_float_hooks {
    void *user;
    /* Replaces the attention module of `layer`. x: the T x C rows that enter it (GPT-2: after ln_1; BERT: the
     * layer's input); out: its R x C result for the rows first_row .. n_tokens - 1, with the output
     * projection, without the residual. */
    mzv_status (*attention)(void *user, uint32_t layer, const float *x, uint32_t n_tokens, uint32_t first_row,
                            float *out);
    /* Replaces one head's R x d result before the output projection. */
    mzv_status (*head)(void *user, uint32_t layer, uint32_t head, const float *x, uint32_t n_tokens,
                       uint32_t first_row, float *out);
    /* Which modules the two callbacks replace: asked with head = -1 for `attention`, head >= 0 for `head`.
     * NULL: all of them. */
    bool (*selects)(void *user, uint32_t layer, int32_t head);
    /* Sees every head that is computed in float (also one that `head` then replaces). */
    void (*see)(void *user, const mzv_float_attention_view *view);
    /* Sees every stage, for the rows that are new in this call. */
    void (*stage)(void *user, mzv_stage stage, uint32_t layer, const float *x, uint32_t rows,
                  uint32_t columns);
} mzv_float_hooks;

/* One attention module under `hooks` (may be NULL). kv as in mzv_float_attention_heads; heads: R x C scratch;
 * out: R x C. */
mzv_status mzv_float_attention_hooked(const mzv_float_attention *m, uint32_t layer, const float *x,
                                      uint32_t n_tokens, uint32_t first_row, mzv_float_kv *kv,
                                      const mzv_float_hooks *hooks, float *heads, float *out) MZV_MUST_CHECK;

/* Shows a stage to the hooks, if they look. */
void mzv_float_stage(const mzv_float_hooks *hooks, mzv_stage stage, uint32_t layer, const float *x,
                     uint32_t rows, uint32_t columns);

#ifdef __cplusplus
}
#endif
#endif
