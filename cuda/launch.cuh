/* The one place that launches kernels. Every kernel takes one struct, so that nothing is uploaded for it, and
 * everything here also compiles with a host compiler against a stand-in for cuda_runtime.h, which defines
 * MZV_CUDA_LAUNCH and MZV_CUDA_SHARED itself. */
#ifndef MZV_CUDA_LAUNCH_CUH
#define MZV_CUDA_LAUNCH_CUH
#include <cuda_runtime.h>
#include "cuda_check.h"

#ifndef MZV_CUDA_LAUNCH
#define MZV_CUDA_LAUNCH(kernel, grid, block, shared_bytes, queue, args)                                      \
    kernel<<<grid, block, shared_bytes, queue>>>(args)
/* Declares `name`, the dynamic shared memory of the block as an array of `type`. */
#define MZV_CUDA_SHARED(type, name)                                                                          \
    extern __shared__ __align__(16) unsigned char mzv_shared[];                                              \
    type *const name = reinterpret_cast<type *>(mzv_shared)
#endif

namespace mzv_cuda {

struct Shape {
    dim3 grid;
    uint32_t threads;
    size_t shared_bytes;
};

/* As `fail`, naming the operation and the shape. */
mzv_status fail_launch(const char *op, const Shape &shape, cudaError_t error) MZV_MUST_CHECK;

/* Lets blocks of a kernel have so much shared memory, more than the 48 KiB that they have without asking. The
 * limit is the kernel's, for all threads and streams of the device, so that it is set once, to what the
 * device has, and never lowered. */
template <class Args> mzv_status allow_shared(void (*kernel)(Args), size_t bytes) {
    MZV_CUDA_TRY(cudaFuncSetAttribute(reinterpret_cast<const void *>(kernel),
                                      cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes)));
    return MZV_OK;
}

/* Queues kernel(args); nothing to do where the grid is empty. */
template <class Args>
mzv_status launch(const char *op, void (*kernel)(Args), const Shape &shape, cudaStream_t queue,
                  const Args &args) {
    if (shape.grid.x == 0 || shape.grid.y == 0 || shape.grid.z == 0) return MZV_OK;
    MZV_CUDA_LAUNCH(kernel, shape.grid, dim3(shape.threads), shape.shared_bytes, queue, args);
    const cudaError_t error = cudaGetLastError();
    if (error != cudaSuccess) return fail_launch(op, shape, error);
    return MZV_OK;
}

} // namespace mzv_cuda
#endif
