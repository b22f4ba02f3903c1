/* The only way this backend calls CUDA: every status becomes one of ours. */
#ifndef MZV_CUDA_CHECK_H
#define MZV_CUDA_CHECK_H
#include <cuda_runtime.h>
#include "base/try.h"

namespace mzv_cuda {
/* Our status for CUDA's, which is no success: MZV_ERR_MEMORY with what is free, or MZV_ERR_DEVICE, which says
 * where the device is lost to this process. `call` is what failed, as text. */
mzv_status fail(const char *call, cudaError_t error) MZV_MUST_CHECK;
} // namespace mzv_cuda

/* Turns a CUDA status into ours, with the call's text. */
#define MZV_CUDA_TRY(call)                                                                                   \
    do {                                                                                                     \
        const cudaError_t mzv_cuda_ = (call);                                                                \
        if (mzv_cuda_ != cudaSuccess) return mzv_cuda::fail(#call, mzv_cuda_);                               \
    } while (0)

#endif
