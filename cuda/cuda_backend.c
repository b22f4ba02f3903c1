/* The CUDA backend's table. Plain C, so that the entries can be named; complete at level 3, level 4 is
 * composed by backend/fused.c. */
#include "cuda_ops.h"

const mzv_backend_ops mzv_cuda_ops = {
    .name = "cuda",
    .probe = mzv_cuda_probe,
    .open = mzv_cuda_open,
    .close = mzv_cuda_close,
    .describe = mzv_cuda_describe,
    .stream_open = mzv_cuda_stream_open,
    .stream_close = mzv_cuda_stream_close,
    .stream_wait = mzv_cuda_stream_wait,
    .synchronize = mzv_cuda_synchronize,
    .alloc = mzv_cuda_alloc,
    .free = mzv_cuda_free,
    .upload = mzv_cuda_upload,
    .download = mzv_cuda_download,
    .copy = mzv_cuda_copy,
    .add = mzv_cuda_add,
    .sub = mzv_cuda_sub,
    .mul = mzv_cuda_mul,
    .mul_add = mzv_cuda_mul_add,
    .mul_const = mzv_cuda_mul_const,
    .mul_const_add = mzv_cuda_mul_const_add,
    .add_const = mzv_cuda_add_const,
    .ntt = mzv_cuda_ntt,
    .intt = mzv_cuda_intt,
    .automorphism = mzv_cuda_automorphism,
    .lift = mzv_cuda_lift,
    .mod_up = mzv_cuda_mod_up,
    .mod_down = mzv_cuda_mod_down,
};
