/* The backend object, its streams, and what every operation needs to address rows. */
#ifndef MZV_CUDA_DEVICE_CUH
#define MZV_CUDA_DEVICE_CUH
#include <cuda_runtime.h>
#include "cuda_ops.h"
#include "cuda_tables.h"
#include "launch.cuh"

namespace mzv_cuda {

struct Backend {
    int device;
    bool device_set; /* false until the device answered: nothing to release on it before */
    char name[24];   /* "cuda/sm_90" */
    cudaMemPool_t pool;
    const mzv_cuda_prime *primes; /* device, one per prime of the chain */
    const uint64_t *inverse;      /* device copy of tables.inverse */
    void *twiddles;               /* device, all tables in one block */
    mzv_cuda_tables tables;
};

struct Stream {
    mzv_stream head; /* must be first */
    cudaStream_t queue;
    cudaEvent_t event; /* for stream_wait */
    cudaError_t late;  /* of `free`, which cannot report: given by the next call */
};

/* Which rows a kernel works on: blockIdx.y is the entry, src and dst the rows, prime the index in the chain.
 */
struct Rows {
    uint32_t n;
    uint8_t src[MZV_MAX_PRIMES], dst[MZV_MAX_PRIMES], prime[MZV_MAX_PRIMES];
};

/* One word pair per entry of a Rows: constants travel as kernel parameters. */
struct Factors {
    mzv_factor f[MZV_MAX_PRIMES];
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

inline void append_row(Rows &rows, uint32_t src, uint32_t dst, uint32_t prime) {
    rows.src[rows.n] = static_cast<uint8_t>(src);
    rows.dst[rows.n] = static_cast<uint8_t>(dst);
    rows.prime[rows.n] = static_cast<uint8_t>(prime);
    rows.n++;
}

/* Index in the chain of row i of basis b. */
inline uint32_t prime_of(const mzv_cuda_tables &tables, mzv_basis b, uint32_t i) {
    return i < b.n_p ? i : tables.n_p + b.q_first + (i - b.n_p);
}

inline Rows rows_of(const mzv_cuda_tables &tables, mzv_basis b) {
    Rows rows = {};
    for (uint32_t i = 0; i < mzv_basis_size(b); i++) append_row(rows, i, i, prime_of(tables, b, i));
    return rows;
}

/* Makes the stream's device current and reports what an earlier `free` could not. Starts every operation. */
mzv_status enter(mzv_stream *s) MZV_MUST_CHECK;

/* ntt.cu. Rows of src (residues, or values) become values (or coefficients times scale[i]) in dst, which may
 * be src. `scale` includes N^-1. */
mzv_status transform_forward(mzv_stream *s, Target r, const Rows &rows, uint32_t batch) MZV_MUST_CHECK;
mzv_status transform_inverse(mzv_stream *s, Target r, Source a, const Rows &rows, const Factors &scale,
                             uint32_t batch) MZV_MUST_CHECK;

/* pointwise.cu. Copies rows src of a to rows dst of r. */
mzv_status copy_rows(mzv_stream *s, Target r, Source a, const Rows &rows, uint32_t batch) MZV_MUST_CHECK;

} // namespace mzv_cuda
#endif
