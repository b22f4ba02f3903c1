/* The only way this backend calls CUDA: every status becomes one of ours. */
#ifndef MZV_CUDA_CHECK_H
#define MZV_CUDA_CHECK_H
#include <cuda_runtime.h>
#include "base/try.h"

/* Turns a CUDA status into ours, with the call's text. */
#define MZV_CUDA_TRY(call)                                                                                   \
    do {                                                                                                     \
        const cudaError_t mzv_cuda_ = (call);                                                                \
        if (mzv_cuda_ != cudaSuccess)                                                                        \
            return mzv_fail(MZV_ERR_DEVICE, "cuda: %s: error %d, %s", #call, (int)mzv_cuda_,                 \
                            cudaGetErrorString(mzv_cuda_));                                                  \
    } while (0)

#endif
