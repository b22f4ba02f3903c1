/* Plain loops over float32 data with double accumulators. Sums run in the order of the inputs for in x out
 * weights and in LANES interleaved partial sums for out x in weights, whatever the number of rows or threads.
 */
#include "nn/float_ops.h"

#include <math.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/try.h"

enum {
    COLUMNS = 64,           /* outputs of one task: their accumulators stay in registers and L1 */
    LANES = 8,              /* partial sums of a dot product */
    PARALLEL_WORK = 1 << 20 /* products, half a millisecond: below, threads cost more than they bring */
};

mzv_float_linear mzv_float_linear_outputs(const mzv_float_linear *layer, uint32_t first, uint32_t n) {
    mzv_float_linear part = *layer;
    part.w += (size_t)first * layer->out_stride;
    if (part.bias) part.bias += first;
    part.n_out = n;
    return part;
}

/* n <= COLUMNS outputs from `first` of one row; consecutive outputs are adjacent in memory. */
static void row_in_by_out(float *out, const float *x, const mzv_float_linear *a, uint32_t first, uint32_t n) {
    double sum[COLUMNS] = { 0 };
    for (uint32_t i = 0; i < a->n_in; i++) {
        const float *w = a->w + i * a->in_stride + first;
        const double xi = x[i];
        for (uint32_t j = 0; j < n; j++) sum[j] += xi * (double)w[j];
    }
    for (uint32_t j = 0; j < n; j++)
        out[first + j] = (float)(sum[j] + (a->bias ? (double)a->bias[first + j] : 0.0));
}

static double dot(const float *a, const float *b, uint32_t n) {
    double lane[LANES] = { 0 };
    uint32_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (uint32_t l = 0; l < LANES; l++) lane[l] += (double)a[i + l] * (double)b[i + l];
    }
    for (uint32_t l = 0; i < n; i++, l++) lane[l] += (double)a[i] * (double)b[i];
    return ((lane[0] + lane[4]) + (lane[1] + lane[5])) + ((lane[2] + lane[6]) + (lane[3] + lane[7]));
}

/* The same where consecutive inputs are adjacent in memory. */
static void row_out_by_in(float *out, const float *x, const mzv_float_linear *a, uint32_t first, uint32_t n) {
    for (uint32_t j = first; j < first + n; j++) {
        const double sum = dot(x, a->w + j * a->out_stride, a->n_in);
        out[j] = (float)(sum + (a->bias ? (double)a->bias[j] : 0.0));
    }
}

void mzv_float_linear_run(float *out, const float *x, uint32_t rows, const mzv_float_linear *layer) {
    const uint32_t n_blocks = (layer->n_out + COLUMNS - 1) / COLUMNS;
    const size_t work = (size_t)rows * layer->n_in * layer->n_out;

#pragma omp parallel for collapse(2) if (work >= PARALLEL_WORK)
    for (uint32_t t = 0; t < rows; t++) {
        for (uint32_t b = 0; b < n_blocks; b++) {
            const uint32_t first = b * COLUMNS;
            const uint32_t n = layer->n_out - first < COLUMNS ? layer->n_out - first : COLUMNS;
            float *to = out + (size_t)t * layer->n_out;
            const float *from = x + (size_t)t * layer->n_in;
            if (layer->out_stride == 1) {
                row_in_by_out(to, from, layer, first, n);
            } else {
                row_out_by_in(to, from, layer, first, n);
            }
        }
    }
}

static void norm_row(float *out, const float *x, const mzv_float_norm *norm) {
    double mean = 0.0, variance = 0.0;
    for (uint32_t i = 0; i < norm->n; i++) mean += (double)x[i];
    mean /= norm->n;
    for (uint32_t i = 0; i < norm->n; i++) {
        const double d = (double)x[i] - mean;
        variance += d * d;
    }
    const double inverse = 1.0 / sqrt(variance / norm->n + norm->eps);
    for (uint32_t i = 0; i < norm->n; i++) {
        const double centred = ((double)x[i] - mean) * inverse;
        out[i] = (float)(centred * (double)norm->weight[i] + (double)norm->bias[i]);
    }
}

void mzv_float_norm_run(float *out, const float *x, uint32_t rows, const mzv_float_norm *norm) {
    for (uint32_t t = 0; t < rows; t++) {
        norm_row(out + (size_t)t * norm->n, x + (size_t)t * norm->n, norm);
    }
}

static double gelu_tanh(double x) { /* [HG16]: sqrt(2/pi) = 0.79788456080286535588 */
    return 0.5 * x * (1.0 + tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x)));
}

static double gelu(double x) { /* 1/sqrt(2) = 0.70710678118654752440 */
    return 0.5 * x * (1.0 + erf(x * 0.70710678118654752440));
}

void mzv_float_activate(float *x, size_t n, mzv_activation f) {
#pragma omp parallel for if (n >= PARALLEL_WORK / 16) /* erf and tanh cost about 16 products */
    for (size_t i = 0; i < n; i++) {
        switch (f) {
        case MZV_ACTIVATION_GELU:
            x[i] = (float)gelu((double)x[i]);
            break;
        case MZV_ACTIVATION_GELU_TANH:
            x[i] = (float)gelu_tanh((double)x[i]);
            break;
        case MZV_ACTIVATION_RELU:
            x[i] = x[i] > 0.0f ? x[i] : 0.0f;
            break;
        }
    }
}

void mzv_float_tanh(float *x, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] = (float)tanh((double)x[i]);
}

void mzv_float_add(float *x, const float *y, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] += y[i];
}

mzv_status mzv_float_alloc(float **out, size_t count, size_t width) {
    size_t n = 0;
    if (!mzv_size_mul(&n, count, width)) {
        return mzv_fail(MZV_ERR_MEMORY, "float: %zu x %zu values overflow the address space", count, width);
    }
    return MZV_NEW(out, n, "rows of the float model");
}
