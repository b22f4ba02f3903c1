/* GPT-2 [RWC+19] in float: the reference model, and the part of a hybrid run that stays in the clear.
 * Letters: T tokens, C = n_embd channels, V = vocab_size. */
#ifndef MZV_MODELS_GPT2_H
#define MZV_MODELS_GPT2_H
#include <stddef.h>
#include "models/float_hooks.h"
#include "models/model_config.h"
#ifdef __cplusplus
extern "C" {
#endif

/* Conv1D weights lie in x out. All pointers are borrowed from the checkpoint. */
typedef struct mzv_gpt2_layer {
    const float *norm1_weight, *norm1_bias;         /* C; ln_1 */
    const float *attention_weight, *attention_bias; /* C x 3C, 3C; c_attn: q, k, v side by side */
    const float *project_weight, *project_bias;     /* C x C, C; attn.c_proj */
    const float *norm2_weight, *norm2_bias;         /* C; ln_2 */
    const float *up_weight, *up_bias;               /* C x n_inner, n_inner; c_fc */
    const float *down_weight, *down_bias;           /* n_inner x C, C; mlp.c_proj */
} mzv_gpt2_layer;

typedef struct mzv_gpt2 {
    mzv_model_config config;
    mzv_gpt2_layer *layers; /* n_layer; of a module-only checkpoint some may be empty (all NULL) */
    const float *wte, *wpe; /* V x C, n_positions x C */
    const float *norm_weight, *norm_bias; /* C; ln_f */
    const float *head;                    /* V x C: lm_head, or wte where tied */
} mzv_gpt2;

/* Calls `visit` for every weight the configuration of `model` asks for, in a fixed order; model->layers has
 * n_layer entries. */
mzv_status mzv_gpt2_weights(mzv_gpt2 *model, mzv_weight_visit visit, void *user) MZV_MUST_CHECK;

/* The attention module of one layer, and the LayerNorm before it. MZV_ERR_ARGUMENT: no such layer, or it is
 * not in this checkpoint. */
mzv_status mzv_gpt2_attention(mzv_float_attention *out, const mzv_gpt2 *model, uint32_t layer) MZV_MUST_CHECK;
mzv_status mzv_gpt2_norm1(mzv_float_norm *out, const mzv_gpt2 *model, uint32_t layer) MZV_MUST_CHECK;

/* A text in progress: per layer the rows after ln_1, keys and values of the tokens so far. Borrows the model,
 * which must outlive it; one thread at a time. A layer that a hook replaced for some tokens and does not
 * replace for later ones catches up from the stored rows. */
typedef struct mzv_gpt2_state mzv_gpt2_state;

/* Room for `capacity` tokens, 1 .. n_positions. MZV_ERR_ARGUMENT (also for a module-only checkpoint),
 * MZV_ERR_MEMORY. */
mzv_status mzv_gpt2_state_create(mzv_gpt2_state **out, const mzv_gpt2 *model,
                                 uint32_t capacity) MZV_MUST_CHECK;
void mzv_gpt2_state_destroy(mzv_gpt2_state *state);
uint32_t mzv_gpt2_state_tokens(const mzv_gpt2_state *state);
/* Back to the first n_tokens tokens (0: empty); no more than there are. */
void mzv_gpt2_state_rewind(mzv_gpt2_state *state, uint32_t n_tokens);

/* Appends n_ids tokens; logits: n_ids x V, those after each of them (NULL: not wanted). With hooks, x holds
 * all rows so far and only the new ones are asked for. Bit for bit the same however a text is cut into calls.
 * MZV_ERR_ARGUMENT: an id not in the vocabulary, or more tokens than the capacity. */
mzv_status mzv_gpt2_extend(mzv_gpt2_state *state, const uint32_t *ids, uint32_t n_ids,
                           const mzv_float_hooks *hooks, float *logits) MZV_MUST_CHECK;
/* mzv_gpt2_extend by one token; logits: V. */
mzv_status mzv_gpt2_step(mzv_gpt2_state *state, uint32_t id, const mzv_float_hooks *hooks,
                         float *logits) MZV_MUST_CHECK;

/* A whole text at once: logits T x V. hooks may be NULL. Errors as above. */
mzv_status mzv_gpt2_forward(const mzv_gpt2 *model, const uint32_t *ids, uint32_t n_tokens,
                            const mzv_float_hooks *hooks, float *logits) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
