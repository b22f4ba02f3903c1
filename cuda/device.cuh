/* The backend object, its streams, and what every operation needs to address rows. */
#ifndef MZV_CUDA_DEVICE_CUH
#define MZV_CUDA_DEVICE_CUH
#include <cuda_runtime.h>
#include "cuda_ops.h"
#include "cuda_tables.h"
#include "launch.cuh"
#include "rows.cuh"

namespace mzv_cuda {

/* What kernels read of the tables, in device memory. */
struct DeviceTables {
    const mzv_cuda_prime *primes;            /* one per prime of the chain */
    const uint64_t *inverse;                 /* [f][t]: f^-1 mod t, n_primes apart */
    const uint64_t *prefix, *prefix_inverse; /* as in mzv_cuda_tables, MZV_MAX_PRIMES apart */
    const void *weights; /* `inverse` in the form of the arithmetic: [f][t], n_primes apart */
    uint32_t n_primes;
};

struct Backend {
    int device;
    bool device_set;       /* false until the device answered: nothing to release on it before */
    char name[24];         /* "cuda/sm_90" */
    size_t shared_bytes;   /* shared memory that one block may have */
    uint32_t n_processors; /* multiprocessors */
    cudaMemPool_t pool;
    uint64_t max_bytes, table_bytes; /* what the user allows, 0: all there is; tables, not of the pool */
    uint64_t pinned_bytes;           /* of the host; changed by several threads */
    void *twiddles, *constants;      /* device, the blocks of device_tables */
    DeviceTables device_tables;
    mzv_cuda_tables tables;
};

struct Stream {
    mzv_stream head; /* must be first */
    cudaStream_t queue;
    cudaEvent_t event;   /* for stream_wait */
    void *blas;          /* of blas.cuh; NULL until the first matmul */
    uint64_t *workspace; /* of it */
    cudaError_t late;    /* of `free`, which cannot report: given by the next call */
    bool captures;       /* CUDA notes what `queue` is given */
    const char *refused; /* while head.records: what could not be recorded; NULL: nothing yet */
};

/* Rows in memory: row i of polynomial b at base + b * stride + i * N; stride 0 serves every b. */
struct Source {
    const uint64_t *base;
    size_t stride;
};
struct Target {
    uint64_t *base;
    size_t stride;
};

inline Backend *backend_of(const mzv_stream *s) { return reinterpret_cast<Backend *>(s->backend); }
inline Stream *stream_of(mzv_stream *s) { return reinterpret_cast<Stream *>(s); }
inline const mzv_cuda_tables &tables_of(const mzv_stream *s) { return backend_of(s)->tables; }
inline Source source(mzv_cpoly a) { return { a.base, a.batch == 1 ? 0 : a.stride }; }
inline Target target(mzv_poly r) { return { r.base, r.stride }; }

/* Makes the stream's device current and reports what an earlier `free` could not. Starts every operation. */
mzv_status enter(mzv_stream *s) MZV_MUST_CHECK;

/* CUDA keeps the status of a failed call for cudaGetLastError, where the next launch would find it. */
inline cudaError_t cleared(cudaError_t error) {
    if (error != cudaSuccess) (void)cudaGetLastError();
    return error;
}
/* What close-like functions may not report: a fault of the device the next call gives again. */
inline void drop(cudaError_t error) { (void)cleared(error); }

/* graph.cu. What cannot be recorded begins with `refuse_recording`, or, where it cannot report, with
 * `break_recording`, after which it may do its work: nothing is captured any more. */
mzv_status refuse_recording(mzv_stream *s, const char *op) MZV_MUST_CHECK; /* MZV_OK where none is made */
void break_recording(mzv_stream *s, const char *op);
/* MZV_ERR_ARGUMENT, naming what broke the recording. */
mzv_status fail_recording(const char *op) MZV_MUST_CHECK;

/* memory.cu */
mzv_status create_pool(Backend *be) MZV_MUST_CHECK;

/* tables.cu. `destroy_tables` also takes what `create_tables` left when it failed. */
mzv_status create_tables(Backend *be) MZV_MUST_CHECK;
cudaError_t destroy_tables(Backend *be);

/* ntt.cu: the passes of a transform along the columns and along the rows of the matrix of pass.cuh. Between
 * them words have the form of the arithmetic. The second pass works in place, on rows dst of r. */
/* Residues in rows src of a, or, if `lifts`, signed coefficients below 2^62. */
mzv_status forward_columns(mzv_stream *s, Target r, Source a, bool lifts, const Rows &rows,
                           uint32_t batch) MZV_MUST_CHECK;
/* To residues; also copies rows `copied` of `extra` to r. */
mzv_status forward_rows(mzv_stream *s, Target r, const Rows &rows, const Rows &copied, Source extra,
                        uint32_t batch) MZV_MUST_CHECK;
/* r[h] = (or +=) sigma(scale a[h] - x), in residues, sigma: X -> X^galois. */
struct Finish {
    Source x; /* polynomial h * batch + b: words before the pass, in rows dst */
    Target r[2];
    Source a[2]; /* residues, in rows src */
    uint32_t n_halves, galois;
    bool accumulates;
    Rows rows;
    Factors scale;
};
mzv_status finish_rows(mzv_stream *s, const Finish &finish, uint32_t batch) MZV_MUST_CHECK;
/* From residues in rows src of a. */
mzv_status inverse_rows(mzv_stream *s, Target r, Source a, const Rows &rows, uint32_t batch) MZV_MUST_CHECK;
/* To residues times scale, which includes N^-1. */
mzv_status inverse_columns(mzv_stream *s, Target r, const Rows &rows, const Factors &scale,
                           uint32_t batch) MZV_MUST_CHECK;
/* Blocks of the kernels along the rows. */
Shape row_shape(uint32_t log_n, uint32_t n_rows, uint32_t batch);

/* pointwise.cu. Copies rows src of a to rows dst of r. */
mzv_status copy_rows(mzv_stream *s, Target r, Source a, const Rows &rows, uint32_t batch) MZV_MUST_CHECK;

} // namespace mzv_cuda
#endif
