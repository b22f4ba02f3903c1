// Stands in for cuBLAS: a product in double precision, in stream order, that sums in an order of its own.
#include "cuda/blas.cuh"
#include "fake_device.h"

namespace mzv_cuda {

namespace {

// Sums from the last term to the first, two at a time; every partial sum has to be an integer below 2^53 in
// size.
double sum(const Gemm &g, size_t row, size_t column) {
    double even = 0, odd = 0;
    for (size_t i = g.k; i-- > 0;) {
        double &part = i % 2 ? odd : even;
        part = __builtin_fma(g.a[i * g.m + row], g.b[column * g.b_step + i], part);
    }
    return even + odd;
}

void multiply(const Gemm &g) {
    for (size_t column = 0; column < g.n; column++)
        for (size_t row = 0; row < g.m; row++) g.c[column * g.m + row] = sum(g, row, column);
}

} // namespace

mzv_status blas_open(void **out, cudaStream_t queue, void *workspace, size_t n_bytes) {
    if (reinterpret_cast<uintptr_t>(workspace) % 256 != 0 || n_bytes < 16384) // what cuBLAS asks for
        return mzv_fail(MZV_ERR_DEVICE, "stand-in for cuBLAS: a workspace that it would refuse");
    *out = queue;
    return MZV_OK;
}

mzv_status blas_gemm(void *blas, const Gemm &gemm) {
    const cuda_on_cpu::Launch one_thread = { dim3(), dim3(), 0 };
    cuda_on_cpu::queue_kernel(reinterpret_cast<const void *>(multiply), one_thread,
                              static_cast<cudaStream_t>(blas), [gemm] { multiply(gemm); });
    MZV_CUDA_TRY(cudaGetLastError());
    return MZV_OK;
}

void blas_close(void *) {}

} // namespace mzv_cuda
