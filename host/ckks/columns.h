/* Matrices for ciphertexts of one column each (mzv_mul_columns). */
#ifndef MZV_COLUMNS_H
#define MZV_COLUMNS_H
#include "ckks/evaluator.h"
#ifdef __cplusplus
extern "C" {
#endif

/* weight[o][i] = step w[o][i] for integers w of at most 18 bits. The sums of integers times residues are
 * multiplied by `factor` = step q_l S_{l-1} / S_l, an integer, and rescaled: the scale is exact, whatever the
 * step. On ckks the matrix is on the backend too. */
struct mzv_columns {
    mzv_evaluator *ev;
    uint32_t level;
    mzv_matrix matrix; /* its w: owned */
    int32_t *w;
    double *bias; /* n_out, zeros where none was given */
    double step;
    uint64_t factor;
    size_t n_bytes; /* as ckks takes them on the backend */
};

#ifdef __cplusplus
}
#endif
#endif
