/* The float executor's operations: float32 in memory, double inside. Every output row depends on its own
 * input row only and is summed in a fixed order, so that computing rows together or one by one gives the same
 * bits. */
#ifndef MZV_NN_FLOAT_OPS_H
#define MZV_NN_FLOAT_OPS_H
#include <stddef.h>
#include <stdint.h>
#include "mzv/status.h"
#ifdef __cplusplus
extern "C" {
#endif

/* A linear layer as it lies in a checkpoint: the weight from input i to output j is
 * w[i * in_stride + j * out_stride], and one of the strides is 1. Borrowed pointers; bias may be NULL.
 * GPT-2's Conv1D (in x out) has out_stride 1; PyTorch's Linear (out x in) has in_stride 1. */
typedef struct mzv_float_linear {
    const float *w;
    const float *bias;
    uint32_t n_in, n_out;
    size_t in_stride, out_stride;
} mzv_float_linear;

/* LayerNorm's scale and shift, n values each. */
typedef struct mzv_float_norm {
    const float *weight, *bias;
    uint32_t n;
    double eps;
} mzv_float_norm;

typedef enum mzv_activation {
    MZV_ACTIVATION_GELU,      /* x Phi(x), by erf: "gelu" */
    MZV_ACTIVATION_GELU_TANH, /* the tanh form [HG16]: "gelu_new", "gelu_pytorch_tanh" */
    MZV_ACTIVATION_RELU
} mzv_activation;

/* The columns first .. first + n - 1 of a layer's outputs (of q, k, v: one head), as a layer. */
mzv_float_linear mzv_float_linear_outputs(const mzv_float_linear *layer, uint32_t first, uint32_t n);

/* out[t][j] = sum_i x[t][i] w[i][j] + bias[j], t < rows. x: rows x n_in, out: rows x n_out. No overlap. */
void mzv_float_linear_run(float *out, const float *x, uint32_t rows, const mzv_float_linear *layer);

/* out[t] = (x[t] - mean) / sqrt(variance + eps) * weight + bias. In place is allowed. */
void mzv_float_norm_run(float *out, const float *x, uint32_t rows, const mzv_float_norm *norm);

/* x[i] = f(x[i]) */
void mzv_float_activate(float *x, size_t n, mzv_activation f);

/* x[i] = tanh(x[i]) */
void mzv_float_tanh(float *x, size_t n);

/* x[i] += y[i] */
void mzv_float_add(float *x, const float *y, size_t n);

/* *out = count x width zeros; mzv_free it. MZV_ERR_MEMORY says how many bytes were asked. */
mzv_status mzv_float_alloc(float **out, size_t count, size_t width) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
