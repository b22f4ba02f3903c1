/* What a model is made of: read from config.json and checked before any weight is looked at. */
#ifndef MZV_MODELS_MODEL_CONFIG_H
#define MZV_MODELS_MODEL_CONFIG_H
#include <stdbool.h>
#include <stdint.h>
#include "nn/float_ops.h"
#ifdef __cplusplus
extern "C" {
#endif

typedef enum mzv_model_kind { MZV_MODEL_GPT2, MZV_MODEL_BERT } mzv_model_kind;

typedef struct mzv_model_config {
    mzv_model_kind kind;
    bool module_only; /* GPT2Attention: ln_1 and attention of some layers, no embeddings and no MLP */
    bool tied;        /* GPT-2: lm_head is wte */
    bool classifier;  /* BertForSequenceClassification */
    uint32_t n_layer, n_head, n_embd; /* n_head divides n_embd */
    uint32_t n_inner;                 /* width of the MLP; 0 if module_only */
    uint32_t n_positions;
    uint32_t vocab_size; /* 0 if module_only */
    uint32_t n_types;    /* BERT: token types */
    uint32_t n_labels;   /* BERT: outputs of the classifier, 0 without one */
    double eps;          /* of every LayerNorm */
    mzv_activation activation;
} mzv_model_config;

/* One weight that a model needs: its name in a checkpoint, without the prefix that the framework may put
 * before it, its shape, and the pointer that the loader sets. Weights of one group other than 0 follow one
 * another and are all there or all absent (their pointers then stay NULL). */
typedef struct mzv_weight {
    char name[96];
    uint32_t rank;     /* 1 or 2 */
    uint32_t shape[2]; /* shape[1] is 1 at rank 1 */
    uint32_t group;
    const float **data;
} mzv_weight;

typedef mzv_status (*mzv_weight_visit)(void *user, const mzv_weight *weight);

#ifdef __cplusplus
}
#endif
#endif
