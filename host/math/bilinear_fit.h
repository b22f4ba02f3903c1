/* Least squares for a bilinear form: min over M of sum_r (y_r - q_r' M x_r)^2, by conjugate gradients on the
 * normal equations (CGNR [Bjo96, 7.4]), which never forms the (d c) x (d c) matrix. */
#ifndef MZV_MATH_BILINEAR_FIT_H
#define MZV_MATH_BILINEAR_FIT_H
#include <stdint.h>
#include "mzv/status.h"
#ifdef __cplusplus
extern "C" {
#endif

typedef struct mzv_bilinear_rows {
    const float *q; /* n x d */
    const float *x; /* n x c */
    const float *y; /* n */
    uint32_t n, d, c;
} mzv_bilinear_rows;

/* m [d x c] after n_iterations from zero, or earlier once the residual's gradient has fallen 10^6 times.
 * Stopping early regularises. The result does not depend on the number of threads. MZV_ERR_MEMORY. */
mzv_status mzv_bilinear_fit(float *m, const mzv_bilinear_rows *rows, uint32_t n_iterations) MZV_MUST_CHECK;

/* value[r] = q_r' m x_r */
void mzv_bilinear_apply(float *value, const float *m, const mzv_bilinear_rows *rows);

#ifdef __cplusplus
}
#endif
#endif
