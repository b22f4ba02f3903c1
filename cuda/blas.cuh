/* The one product that cuBLAS makes. */
#ifndef MZV_CUDA_BLAS_CUH
#define MZV_CUDA_BLAS_CUH
#include "cuda_check.h"

#include <stdint.h>

namespace mzv_cuda {

/* c = a b, by columns: a is m x k, b is k x n with columns b_step apart, c is m x n. In double precision:
 * exact where all partial sums are integers below 2^53, in whatever order they are taken. */
struct Gemm {
    uint32_t m, n, k, b_step;
    const double *a, *b;
    double *c;
};

/* cuBLAS for one stream, with memory of ours to work in, 256-byte aligned, so that it takes none of its own;
 * it is loaded when the first is opened. MZV_ERR_DEVICE where it is not installed, or told to emulate double
 * precision. */
mzv_status blas_open(void **out, cudaStream_t queue, void *workspace, size_t n_bytes) MZV_MUST_CHECK;
mzv_status blas_gemm(void *blas, const Gemm &gemm) MZV_MUST_CHECK;
void blas_close(void *blas);

} // namespace mzv_cuda
#endif
