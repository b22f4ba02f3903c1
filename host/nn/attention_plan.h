/* The inside of an encrypted attention: numbers chosen from the ranges, and the matrices they give. nn/ only. */
#ifndef MZV_NN_ATTENTION_PLAN_H
#define MZV_NN_ATTENTION_PLAN_H
#include "circuit/exp.h"
#include "circuit/fold.h"
#include "circuit/inverse.h"
#include "circuit/linear.h"
#include "nn/attention.h"
#ifdef __cplusplus
extern "C" {
#endif

typedef struct mzv_attention_plan {
    mzv_pair_layout layout;
    mzv_float_attention weights;
    const mzv_head_shift *shift;
    bool whole;
    uint32_t n_channels, n_heads, head_dim, first_head;
    double gamma;        /* of q and of k: gamma^2 = exp_input.scale / sqrt(head_dim) */
    double value_scale;  /* v is divided by it, */
    double output_scale; /* and the result of the whole module by this */
    mzv_affine exp_input;
    mzv_exp *exp;
    mzv_inverse *inverse;
    double dead_value;   /* e of a dead pair */
    bool weighted;       /* e carries the weight that makes sum_input.scale -1 */
    mzv_affine sum_input; /* the input of `inverse` from S */
    mzv_fold channels;   /* the rest of a transform with fewer outputs than channels */
    mzv_fold head, window, first; /* over e, over j into every key, over j into j = 0 */
    mzv_attention_facts facts;
} mzv_attention_plan;

typedef enum mzv_attention_matrix_kind { MZV_KEY_VALUE, MZV_QUERY, MZV_OUTPUT, MZV_ATTENTION_MATRICES } mzv_attention_matrix_kind;

typedef struct mzv_attention_matrix {
    const mzv_attention_plan *plan;
    mzv_complex (*entry)(const mzv_attention_plan *p, uint32_t channel, uint32_t in);
    uint32_t n_diagonals; /* fewer than channels: the transform is completed by the fold `channels` */
} mzv_attention_matrix;

void mzv_attention_matrices(mzv_attention_matrix out[MZV_ATTENTION_MATRICES], const mzv_attention_plan *p);
/* For mzv_transform_spec; user is a mzv_attention_matrix. */
mzv_status mzv_attention_diagonal(void *user, mzv_complex *slots, uint32_t d) MZV_MUST_CHECK;

/* Constants added in steps 1, 2, 4 and 7; n_slots values each, all written. */
void mzv_attention_key_bias(const mzv_attention_plan *p, mzv_complex *slots);
void mzv_attention_query_bias(const mzv_attention_plan *p, const mzv_pair_span *span, mzv_complex *slots);
void mzv_attention_offset(const mzv_attention_plan *p, const mzv_pair_span *span, mzv_complex *slots);
/* Less the dead pairs: the window of every key's slot covers one group's worth of them and the query's alive pairs. */
void mzv_attention_dead_weight(const mzv_attention_plan *p, const mzv_pair_span *span, mzv_complex *slots);
void mzv_attention_output_bias(const mzv_attention_plan *p, mzv_complex *slots);

mzv_status mzv_attention_plan_make(mzv_attention_plan *out, const mzv_attention_spec *spec) MZV_MUST_CHECK;
void mzv_attention_plan_clear(mzv_attention_plan *p);

#ifdef __cplusplus
}
#endif
#endif
