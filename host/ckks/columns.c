/* Matrices for ciphertexts of one column each: making and destroying. */
#include "ckks/columns.h"

#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/try.h"
#include "ckks/eval_kind.h"

#define WEIGHT_MAX (MZV_MATRIX_BOUND - 1)
#define SLACK 0x1p-45L
#define MAGNITUDE_MAX 0x1p20 /* of weights and biases: with the scale below 2^60, factors below 2^62 */

static mzv_status largest_weight(double *out, const double *x, size_t n, const char *what) {
    *out = 0;
    for (size_t k = 0; k < n; k++) {
        if (!(fabs(x[k]) <= MAGNITUDE_MAX))
            return mzv_fail(MZV_ERR_RANGE, "columns: %s %zu is %g, need at most 2^20 in size", what, k, x[k]);
        *out = fmax(*out, fabs(x[k]));
    }
    return MZV_OK;
}

/* The smallest integer factor that leaves weights of at most WEIGHT_MAX, and the weights. Doubles that are
 * multiples of a step already keep it: what they lack of being exact is below SLACK. */
static void round_weights(mzv_columns *c, const double *weight, double largest) {
    const long double unit = (long double)mzv_factor_scale(c->ev, c->level);
    const size_t n = (size_t)c->matrix.n_out * c->matrix.n_in;
    c->factor = (uint64_t)ceill(largest * unit / WEIGHT_MAX * (1 - SLACK));
    if (c->factor == 0) c->factor = 1;
    c->step = (double)((long double)c->factor / unit);
    for (size_t k = 0; k < n; k++) {
        const long w = lrintl(weight[k] * unit / (long double)c->factor);
        c->w[k] = (int32_t)(w > WEIGHT_MAX ? WEIGHT_MAX : w < -WEIGHT_MAX ? -WEIGHT_MAX : w);
    }
}

static mzv_status fill(mzv_columns *c, const double *weight, const double *bias) {
    const size_t n_out = c->matrix.n_out;
    size_t n = 0;
    double largest, largest_bias;
    if (!mzv_size_mul(&n, n_out, c->matrix.n_in))
        return mzv_fail(MZV_ERR_MEMORY, "columns: a matrix of %zu x %u does not fit", n_out, c->matrix.n_in);
    MZV_TRY(largest_weight(&largest, weight, n, "weight"));
    if (bias != NULL) MZV_TRY(largest_weight(&largest_bias, bias, n_out, "bias"));
    MZV_TRY(MZV_NEW(&c->w, n, "weights of columns"));
    MZV_TRY(MZV_NEW(&c->bias, n_out, "biases of columns"));
    c->matrix.w = c->w;
    round_weights(c, weight, largest);
    if (bias != NULL) memcpy(c->bias, bias, n_out * sizeof *bias);
    return c->ev->stream != NULL ? mzv_matrix_upload(c->ev->stream, &c->matrix) : MZV_OK;
}

mzv_status mzv_columns_create(mzv_columns **out, mzv_evaluator *ev, const double *weight, const double *bias,
                              uint32_t n_out, uint32_t n_in, uint32_t level) {
    mzv_columns *c = NULL;
    if (out == NULL || ev == NULL || weight == NULL || n_out == 0 || n_in == 0)
        return mzv_fail(MZV_ERR_ARGUMENT, "columns: a matrix of %u x %u, need one that is not empty", n_out,
                        n_in);
    if (level == 0 || level > ev->max_level)
        return mzv_fail(MZV_ERR_LEVEL, "columns: level %u, need 1 to %u", level, ev->max_level);
    MZV_TRY(MZV_NEW(&c, 1, "columns"));
    c->ev = ev;
    c->level = level;
    c->matrix.n_out = n_out;
    c->matrix.n_in = n_in;
    const mzv_status status = fill(c, weight, bias);
    if (status != MZV_OK) {
        mzv_columns_destroy(c);
        return status;
    }
    c->n_bytes = (size_t)n_out * n_in * sizeof(double);
    mzv_evaluator_plain_bytes(ev, c->n_bytes);
    *out = c;
    return MZV_OK;
}

void mzv_columns_destroy(mzv_columns *c) {
    if (c == NULL) return;
    c->ev->plain_alive -= c->n_bytes;
    if (c->matrix.doubles != NULL)
        c->ev->stream->ops->free(c->ev->stream, (uint64_t *)(uintptr_t)c->matrix.doubles);
    mzv_free(c->bias);
    mzv_free(c->w);
    mzv_free(c);
}

double mzv_columns_step(const mzv_columns *c) { return c->step; }
