/* The CUDA backend's table. Plain C, so that the entries can be named. Each operation is an NVTX range, which
 * shows in Nsight Systems and costs nothing without it; builds without NVTX's headers leave the ranges out.
 */
#include "cuda_ops.h"

#if defined(__has_include)
#if __has_include(<nvtx3/nvToolsExt.h>)
#include <nvtx3/nvToolsExt.h>
#define RANGE_BEGIN(text) (void)nvtxRangePushA(text)
#define RANGE_END() (void)nvtxRangePop()
#endif
#endif
#ifndef RANGE_BEGIN
#define RANGE_BEGIN(text) (void)(text)
#define RANGE_END() (void)0
#endif

/* static mzv_status name(mzv_stream *s, parameters): mzv_cuda_name(s, arguments) in a range. */
#define PARAMETERS(...) (mzv_stream * s, __VA_ARGS__)
#define ARGUMENTS(...) (s, __VA_ARGS__)
#define RANGED(name, parameters, arguments)                                                                  \
    static mzv_status name parameters {                                                                      \
        RANGE_BEGIN("mzv " #name);                                                                           \
        const mzv_status status = mzv_cuda_##name arguments;                                                 \
        RANGE_END();                                                                                         \
        return status;                                                                                       \
    }

RANGED(replay, PARAMETERS(const mzv_graph *graph), ARGUMENTS(graph))
RANGED(copy, PARAMETERS(mzv_poly r, mzv_cpoly a), ARGUMENTS(r, a))
RANGED(add, PARAMETERS(mzv_poly r, mzv_cpoly a, mzv_cpoly b), ARGUMENTS(r, a, b))
RANGED(sub, PARAMETERS(mzv_poly r, mzv_cpoly a, mzv_cpoly b), ARGUMENTS(r, a, b))
RANGED(mul, PARAMETERS(mzv_poly r, mzv_cpoly a, mzv_cpoly b), ARGUMENTS(r, a, b))
RANGED(mul_add, PARAMETERS(mzv_poly r, mzv_cpoly a, mzv_cpoly b), ARGUMENTS(r, a, b))
RANGED(mul_const, PARAMETERS(mzv_poly r, mzv_cpoly a, const uint64_t *c), ARGUMENTS(r, a, c))
RANGED(mul_const_add, PARAMETERS(mzv_poly r, mzv_cpoly a, const uint64_t *c), ARGUMENTS(r, a, c))
RANGED(add_const, PARAMETERS(mzv_poly r, mzv_cpoly a, const uint64_t *c), ARGUMENTS(r, a, c))
RANGED(ntt, PARAMETERS(mzv_poly r), ARGUMENTS(r))
RANGED(intt, PARAMETERS(mzv_poly r), ARGUMENTS(r))
RANGED(automorphism, PARAMETERS(mzv_poly r, mzv_cpoly a, uint32_t galois), ARGUMENTS(r, a, galois))
RANGED(lift, PARAMETERS(mzv_poly r, const int64_t *v, size_t stride), ARGUMENTS(r, v, stride))
RANGED(mod_up, PARAMETERS(mzv_poly r, mzv_cpoly a), ARGUMENTS(r, a))
RANGED(mod_down, PARAMETERS(mzv_poly r, mzv_cpoly a), ARGUMENTS(r, a))
RANGED(tensor, PARAMETERS(mzv_poly d[3], const mzv_cpoly a[2], const mzv_cpoly b[2]), ARGUMENTS(d, a, b))
RANGED(dot, PARAMETERS(mzv_poly r, const mzv_cpoly *a, const mzv_cpoly *w, uint32_t n), ARGUMENTS(r, a, w, n))
RANGED(key_product, PARAMETERS(mzv_poly r[2], const mzv_cpoly *d, const mzv_cpoly *key, uint32_t n),
       ARGUMENTS(r, d, key, n))
RANGED(fold,
       PARAMETERS(mzv_poly r[2], const mzv_cpoly *d, const mzv_cpoly *const *key, const uint32_t *galois,
                  uint32_t n_digits, uint32_t n_rotations),
       ARGUMENTS(r, d, key, galois, n_digits, n_rotations))
RANGED(key_switch, PARAMETERS(mzv_poly r[2], mzv_cpoly d, const mzv_switch *with), ARGUMENTS(r, d, with))
RANGED(matmul, PARAMETERS(mzv_poly r, mzv_cpoly a, const mzv_matrix *w), ARGUMENTS(r, a, w))
RANGED(rotation_sums, PARAMETERS(mzv_poly *r, const mzv_rotations *of), ARGUMENTS(r, of))

const mzv_backend_ops mzv_cuda_ops = {
    .name = "cuda",
    .probe = mzv_cuda_probe,
    .look = mzv_cuda_look,
    .table_bytes = mzv_cuda_table_bytes,
    .open = mzv_cuda_open,
    .close = mzv_cuda_close,
    .describe = mzv_cuda_describe,
    .limit = mzv_cuda_limit,
    .memory = mzv_cuda_memory,
    .stream_open = mzv_cuda_stream_open,
    .stream_close = mzv_cuda_stream_close,
    .stream_wait = mzv_cuda_stream_wait,
    .synchronize = mzv_cuda_synchronize,
    .alloc = mzv_cuda_alloc,
    .free = mzv_cuda_free,
    .alloc_pinned = mzv_cuda_alloc_pinned,
    .free_pinned = mzv_cuda_free_pinned,
    .upload = mzv_cuda_upload,
    .download = mzv_cuda_download,
    .record_begin = mzv_cuda_record_begin,
    .record_end = mzv_cuda_record_end,
    .replay = replay,
    .graph_close = mzv_cuda_graph_close,
    .copy = copy,
    .add = add,
    .sub = sub,
    .mul = mul,
    .mul_add = mul_add,
    .mul_const = mul_const,
    .mul_const_add = mul_const_add,
    .add_const = add_const,
    .ntt = ntt,
    .intt = intt,
    .automorphism = automorphism,
    .lift = lift,
    .mod_up = mod_up,
    .mod_down = mod_down,
    .tensor = tensor,
    .dot = dot,
    .key_product = key_product,
    .fold = fold,
    .key_switch = key_switch,
    .rotation_sums = rotation_sums,
    .matmul = matmul,
};
