/* BERT [DCLT19] in float: encoder, pooler and sequence classifier. Letters: T tokens, C = n_embd channels. */
#ifndef MZV_MODELS_BERT_H
#define MZV_MODELS_BERT_H
#include "models/float_hooks.h"
#include "models/model_config.h"
#ifdef __cplusplus
extern "C" {
#endif

/* Linear weights lie out x in. All pointers are borrowed from the checkpoint. */
typedef struct mzv_bert_layer {
    const float *query_weight, *query_bias; /* C x C, C */
    const float *key_weight, *key_bias;
    const float *value_weight, *value_bias;
    const float *project_weight, *project_bias; /* attention.output.dense */
    const float *norm1_weight, *norm1_bias;     /* attention.output.LayerNorm */
    const float *up_weight, *up_bias;           /* n_inner x C, n_inner; intermediate.dense */
    const float *down_weight, *down_bias;       /* C x n_inner, C; output.dense */
    const float *norm2_weight, *norm2_bias;     /* output.LayerNorm */
} mzv_bert_layer;

typedef struct mzv_bert {
    mzv_model_config config;
    mzv_bert_layer *layers;
    const float *words, *positions, *types;           /* vocab_size x C, n_positions x C, n_types x C */
    const float *norm_weight, *norm_bias;             /* of the embeddings */
    const float *pooler_weight, *pooler_bias;         /* C x C, C; NULL without a pooler */
    const float *classifier_weight, *classifier_bias; /* n_labels x C, n_labels; NULL without one */
} mzv_bert;

/* Calls `visit` for every weight the configuration of `model` asks for, in a fixed order; model->layers has
 * n_layer entries. */
mzv_status mzv_bert_weights(mzv_bert *model, mzv_weight_visit visit, void *user) MZV_MUST_CHECK;

/* The attention module of one layer: attention.self and attention.output.dense, before the residual and its
 * LayerNorm. MZV_ERR_ARGUMENT: no such layer. */
mzv_status mzv_bert_attention(mzv_float_attention *out, const mzv_bert *model, uint32_t layer) MZV_MUST_CHECK;

/* x[t] = LayerNorm(words[id] + positions[t] + types[type]), T x C. types NULL: all 0. MZV_ERR_ARGUMENT. */
mzv_status mzv_bert_embed(const mzv_bert *model, const uint32_t *ids, const uint32_t *types,
                          uint32_t n_tokens, float *x) MZV_MUST_CHECK;

/* What a run may give; NULL where not wanted. */
typedef struct mzv_bert_outputs {
    float *hidden; /* T x C: what leaves the last layer */
    float *pooled; /* C: tanh(dense(hidden[0])) */
    float *logits; /* n_labels */
} mzv_bert_outputs;

/* One text. Every token attends to every other: pass no padding. Stages seen by hooks: EMBEDDING, ATTENTION,
 * NORM1_IN, NORM1, ACTIVATION, NORM2_IN, NORM2 of each layer (NORM2 is also its output) and POOLER.
 * MZV_ERR_ARGUMENT: an id, a type or a length outside the model, or an output that this model has not. */
mzv_status mzv_bert_forward(const mzv_bert *model, const uint32_t *ids, const uint32_t *types,
                            uint32_t n_tokens, const mzv_float_hooks *hooks,
                            const mzv_bert_outputs *out) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
