/* Multi-head attention in float: the reference of an encrypted module, and the attention of the float models.
 * Letters: T tokens (n_tokens), C channels (n_embd), H heads, d = C / H; R = n_tokens - first_row rows
 * wanted. */
#ifndef MZV_NN_FLOAT_ATTENTION_H
#define MZV_NN_FLOAT_ATTENTION_H
#include <stdbool.h>
#include "nn/float_ops.h"
#ifdef __cplusplus
extern "C" {
#endif

/* The weights of one module; borrowed. q, k, v: C to C, head h in outputs h*d .. h*d + d - 1; o: C to C. */
typedef struct mzv_float_attention {
    mzv_float_linear q, k, v, o;
    uint32_t n_embd, n_head;
    bool causal; /* row t attends to tokens 0 .. t; else to all */
} mzv_float_attention;

/* What an observer sees of one head: pointers that hold during the call only.
 * scores[r * n_tokens + s] = q_{first_row + r} . k_s / sqrt(d), before softmax. In a causal module the scores
 * of s > first_row + r are not used by the module; they hold -INFINITY. */
typedef struct mzv_float_attention_view {
    uint32_t layer, head, head_dim, n_tokens, first_row;
    size_t row_stride;  /* floats between rows of q, k and v */
    const float *q;     /* rows first_row .. n_tokens - 1 */
    const float *k, *v; /* rows 0 .. n_tokens - 1 */
    const float *scores;
} mzv_float_attention_view;

/* Called once per head in order of the heads, from the calling thread. `see` may be NULL. */
typedef struct mzv_float_observer {
    void (*see)(void *user, const mzv_float_attention_view *view);
    void *user;
    uint32_t layer; /* written into the view */
} mzv_float_observer;

/* Keys and values of the tokens 0 .. n_rows - 1, each row C floats; the arrays have room for all tokens. */
typedef struct mzv_float_kv {
    float *k, *v;
    uint32_t n_rows;
} mzv_float_kv;

/* The rows first_row .. T-1 of softmax(q k^T / sqrt(d)) v, heads side by side, before o.
 * x: T x C. out: R x C. kv: rows already computed are used, missing ones are added. observer may be NULL.
 * MZV_ERR_MEMORY. */
mzv_status mzv_float_attention_heads(const mzv_float_attention *m, const float *x, uint32_t n_tokens,
                                     uint32_t first_row, mzv_float_kv *kv, const mzv_float_observer *observer,
                                     float *out) MZV_MUST_CHECK;

/* The whole module: o of the above. x: T x C, out: R x C. MZV_ERR_ARGUMENT, MZV_ERR_MEMORY. */
mzv_status mzv_float_attention_run(const mzv_float_attention *m, const float *x, uint32_t n_tokens,
                                   uint32_t first_row, const mzv_float_observer *observer,
                                   float *out) MZV_MUST_CHECK;

/* One head before o. x: T x C, out: R x d. MZV_ERR_ARGUMENT, MZV_ERR_MEMORY. */
mzv_status mzv_float_attention_head(const mzv_float_attention *m, uint32_t head, const float *x,
                                    uint32_t n_tokens, uint32_t first_row, float *out) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
