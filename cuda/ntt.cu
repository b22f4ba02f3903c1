/* Negacyclic transforms of rows of N words in two passes over memory: see pass.cuh. Between the passes the
 * words stay in their arithmetic's own form. */
#include "device.cuh"
#include "pass.cuh"
#include "permute.cuh"

using namespace mzv_cuda;

namespace {

struct ColumnArgs {
    Target r;
    Source a;
    const Prime *primes;
    uint32_t log_n, log_columns; /* columns a block, log2 */
    bool lifts;                  /* forward only: words of `a` are signed coefficients, not residues */
    Rows rows;
    Factors scale; /* inverse only */
};

struct RowArgs {
    Target r;
    Source a;
    const Prime *primes;
    uint32_t log_n;
    Rows rows;
};

struct ForwardRowArgs {
    RowArgs pass;
    Rows copied; /* rows copied from `extra` by the blocks after those of `pass` */
    Source extra;
};

struct FinishArgs {
    Finish finish;
    const Prime *primes;
    uint32_t log_n, batch;
    uint32_t inverse; /* of galois modulo 2N */
};

__device__ __forceinline__ size_t row_start(size_t stride, uint32_t row, uint32_t log_n) {
    return blockIdx.z * stride + (static_cast<size_t>(row) << log_n);
}

/* This thread's column of a block of the matrix. */
struct ColumnPlace {
    uint32_t column, j, first; /* first: word of point 0 within the row of N */

    __device__ __forceinline__ explicit ColumnPlace(uint32_t log_columns)
        : column(threadIdx.x & ((1u << log_columns) - 1)), j(threadIdx.x >> log_columns),
          first((blockIdx.x << log_columns) + column) {}
};

__device__ __forceinline__ uint64_t lifted_residue(int64_t v, const Prime &m) {
    const uint64_t magnitude = v < 0 ? 0 - static_cast<uint64_t>(v) : static_cast<uint64_t>(v);
    const uint64_t x = mul_factor(magnitude, m.one, m.p);
    return v < 0 ? sub_mod(0, x, m.p) : x;
}

/* The first pass: reads residues, or reduces signed coefficients. */
template <class A, int kLog> __global__ void forward_columns_kernel(const __grid_constant__ ColumnArgs args) {
    using L = Line<kLog>;
    MZV_CUDA_SHARED(typename A::Word, shared);
    const uint32_t i = blockIdx.y;
    const Prime &m = args.primes[args.rows.prime[i]];
    const A arith(m);
    const ColumnPlace at(args.log_columns);
    const uint64_t *a = args.a.base + row_start(args.a.stride, args.rows.src[i], args.log_n) + at.first;
    uint64_t *r = args.r.base + row_start(args.r.stride, args.rows.dst[i], args.log_n) + at.first;
    typename A::Word x[L::kWords];
#pragma unroll
    for (int u = 0; u < L::kWords; u++) {
        const uint64_t word = a[L::strided(at.j, u) << kLogRow];
        x[u] = arith.load(args.lifts ? lifted_residue(static_cast<int64_t>(word), m) : word);
    }
    forward_line<A, kLog, false>(arith, x, { shared + at.column, 1u << args.log_columns, at.j },
                                 forward_twiddles<A>(m), 1);
#pragma unroll
    for (int u = 0; u < L::kWords; u++)
        r[L::consecutive(at.j, u) << kLogRow] = arith.pack(arith.settle(x[u]));
}

/* The last pass: writes residues times scale, which includes N^-1. */
template <class A, int kLog> __global__ void inverse_columns_kernel(const __grid_constant__ ColumnArgs args) {
    using L = Line<kLog>;
    MZV_CUDA_SHARED(typename A::Word, shared);
    const uint32_t i = blockIdx.y;
    const Prime &m = args.primes[args.rows.prime[i]];
    const A arith(m);
    const ColumnPlace at(args.log_columns);
    const uint64_t *a = args.a.base + row_start(args.a.stride, args.rows.src[i], args.log_n) + at.first;
    uint64_t *r = args.r.base + row_start(args.r.stride, args.rows.dst[i], args.log_n) + at.first;
    typename A::Word x[L::kWords];
#pragma unroll
    for (int u = 0; u < L::kWords; u++) x[u] = arith.unpack(a[L::consecutive(at.j, u) << kLogRow]);
    inverse_line<A, kLog, false>(arith, x, { shared + at.column, 1u << args.log_columns, at.j },
                                 inverse_twiddles<A>(m), 1);
    const typename A::Twiddle scale = arith.factor(args.scale.f[i]);
#pragma unroll
    for (int u = 0; u < L::kWords; u++)
        r[L::strided(at.j, u) << kLogRow] = arith.canonical(arith.twist(x[u], scale));
}

template <class A>
__global__ __launch_bounds__(kRowThreads) void inverse_rows_kernel(const __grid_constant__ RowArgs args) {
    MZV_CUDA_SHARED(typename A::Word, shared);
    const uint32_t i = blockIdx.y;
    const Prime &m = args.primes[args.rows.prime[i]];
    const A arith(m);
    const RowPlace at;
    const uint64_t *a = args.a.base + row_start(args.a.stride, args.rows.src[i], args.log_n);
    uint64_t *r = args.r.base + row_start(args.r.stride, args.rows.dst[i], args.log_n);
    typename A::Word x[Row::kWords];
#pragma unroll
    for (int u = 0; u < Row::kWords; u++) x[u] = arith.load(a[at.word(u)]);
    inverse_row<A>(arith, x, at.place(shared), m, at.root(args.log_n));
#pragma unroll
    for (int u = 0; u < Row::kWords; u++) r[at.word(u)] = arith.pack(x[u]);
}

/* The words of a row of the matrix that this thread would transform, copied. */
__device__ __forceinline__ void copy_row(uint64_t *r, const uint64_t *a, const RowPlace &at) {
    uint64_t x[Row::kWords];
#pragma unroll
    for (int u = 0; u < Row::kWords; u++) x[u] = a[at.word(u)];
#pragma unroll
    for (int u = 0; u < Row::kWords; u++) r[at.word(u)] = x[u];
}

/* To residues, in place. */
template <class A>
__global__
__launch_bounds__(kRowThreads) void forward_rows_kernel(const __grid_constant__ ForwardRowArgs args) {
    MZV_CUDA_SHARED(typename A::Word, shared);
    const RowArgs &pass = args.pass;
    const uint32_t i = blockIdx.y;
    const RowPlace at;
    if (i >= pass.rows.n) {
        const uint32_t c = i - pass.rows.n;
        copy_row(pass.r.base + row_start(pass.r.stride, args.copied.dst[c], pass.log_n),
                 args.extra.base + row_start(args.extra.stride, args.copied.src[c], pass.log_n), at);
        return;
    }
    const Prime &m = pass.primes[pass.rows.prime[i]];
    const A arith(m);
    uint64_t *r = pass.r.base + row_start(pass.r.stride, pass.rows.dst[i], pass.log_n);
    typename A::Word x[Row::kWords];
#pragma unroll
    for (int u = 0; u < Row::kWords; u++) x[u] = arith.unpack(r[at.word(u)]);
    forward_row<A>(arith, x, at.place(shared), m, at.root(pass.log_n));
#pragma unroll
    for (int u = 0; u < Row::kWords; u++) r[at.word(u)] = arith.canonical(x[u]);
}

/* Value m of the result goes to value k with permuted(k) = m: permuted by the inverse. */
template <class A>
__global__ __launch_bounds__(kRowThreads) void finish_rows_kernel(const __grid_constant__ FinishArgs args) {
    MZV_CUDA_SHARED(typename A::Word, shared);
    const Finish &f = args.finish;
    const uint32_t i = blockIdx.y, half = blockIdx.z / args.batch, b = blockIdx.z % args.batch;
    const Prime &m = args.primes[f.rows.prime[i]];
    const A arith(m);
    const RowPlace at;
    const uint64_t *in = f.x.base + row_start(f.x.stride, f.rows.dst[i], args.log_n);
    const uint64_t *a =
        f.a[half].base + b * f.a[half].stride + (static_cast<size_t>(f.rows.src[i]) << args.log_n);
    uint64_t *r = f.r[half].base + b * f.r[half].stride + (static_cast<size_t>(f.rows.dst[i]) << args.log_n);
    typename A::Word x[Row::kWords];
#pragma unroll
    for (int u = 0; u < Row::kWords; u++) x[u] = arith.unpack(in[at.word(u)]);
    forward_row<A>(arith, x, at.place(shared), m, at.root(args.log_n));
    const typename A::Word scale = arith.constant(f.scale.f[i].w);
#pragma unroll
    for (int u = 0; u < Row::kWords; u++)
        x[u] = arith.minus(arith.times(arith.load(a[at.word(u)]), scale), x[u]);
#pragma unroll
    for (int u = 0; u < Row::kWords; u++) {
        uint64_t *to = r + permuted(at.word(u), args.log_n, args.inverse);
        const uint64_t word = arith.canonical(x[u]);
        *to = f.accumulates ? add_mod(*to, word, m.p) : word;
    }
}

/* Threads of the kernels along columns: as many columns as 256 threads and 4096 words allow. */
template <class A, int kLog> struct ColumnShape {
    using L = Line<kLog>;
    static constexpr int kLogByWords = 12 - kLog, kLogByThreads = 8 - L::kLow;
    static constexpr int kLogColumns = kLogByWords < kLogByThreads ? kLogByWords : kLogByThreads;
    static_assert(kLogColumns <= kLogRow && L::kShared << kLogColumns <= 48 << 7, "fits everywhere");

    static Shape shape(uint32_t n_rows, uint32_t batch) {
        return { dim3(1u << (kLogRow - kLogColumns), n_rows, batch), 1u << (kLogColumns + L::kLow),
                 (static_cast<size_t>(L::kShared) << kLogColumns) * sizeof(uint64_t) };
    }
};

template <class A, bool kInverse, int kLog>
mzv_status launch_columns(mzv_stream *s, ColumnArgs args, uint32_t batch) {
    if (args.log_n != kLog + kLogRow) {
        if constexpr (kLog < kMaxLogColumn) return launch_columns<A, kInverse, kLog + 1>(s, args, batch);
    }
    using S = ColumnShape<A, kLog>;
    args.log_columns = S::kLogColumns;
    if constexpr (kInverse)
        return launch("intt", inverse_columns_kernel<A, kLog>, S::shape(args.rows.n, batch),
                      stream_of(s)->queue, args);
    else
        return launch("ntt", forward_columns_kernel<A, kLog>, S::shape(args.rows.n, batch),
                      stream_of(s)->queue, args);
}

template <bool kInverse> mzv_status columns(mzv_stream *s, const ColumnArgs &args, uint32_t batch) {
    return tables_of(s).fp64 ? launch_columns<Fp64Arith, kInverse, kMinLogColumn>(s, args, batch)
                             : launch_columns<IntegerArith, kInverse, kMinLogColumn>(s, args, batch);
}

} // namespace

Shape mzv_cuda::row_shape(uint32_t log_n, uint32_t n_rows, uint32_t batch) {
    const uint32_t n_lines = 1u << (log_n - kLogRow);
    const uint32_t per_block = n_lines < kRowsPerBlock ? n_lines : kRowsPerBlock;
    return { dim3(n_lines / per_block, n_rows, batch), per_block * Row::kThreads,
             static_cast<size_t>(per_block) * Row::kShared * sizeof(uint64_t) };
}

mzv_status mzv_cuda::forward_rows(mzv_stream *s, Target r, const Rows &rows, const Rows &copied, Source extra,
                                  uint32_t batch) {
    const RowArgs pass = { r, {}, backend_of(s)->device_tables.primes, s->log_n, rows };
    const ForwardRowArgs args = { pass, copied, extra };
    return launch("ntt",
                  tables_of(s).fp64 ? forward_rows_kernel<Fp64Arith> : forward_rows_kernel<IntegerArith>,
                  row_shape(s->log_n, rows.n + copied.n, batch), stream_of(s)->queue, args);
}

mzv_status mzv_cuda::finish_rows(mzv_stream *s, const Finish &finish, uint32_t batch) {
    const FinishArgs args = { finish, backend_of(s)->device_tables.primes, s->log_n, batch,
                              odd_inverse(finish.galois) };
    return launch("mod_down",
                  tables_of(s).fp64 ? finish_rows_kernel<Fp64Arith> : finish_rows_kernel<IntegerArith>,
                  row_shape(s->log_n, finish.rows.n, finish.n_halves * batch), stream_of(s)->queue, args);
}

mzv_status mzv_cuda::inverse_rows(mzv_stream *s, Target r, Source a, const Rows &rows, uint32_t batch) {
    const RowArgs args = { r, a, backend_of(s)->device_tables.primes, s->log_n, rows };
    return launch("intt",
                  tables_of(s).fp64 ? inverse_rows_kernel<Fp64Arith> : inverse_rows_kernel<IntegerArith>,
                  row_shape(s->log_n, rows.n, batch), stream_of(s)->queue, args);
}

mzv_status mzv_cuda::forward_columns(mzv_stream *s, Target r, Source a, bool lifts, const Rows &rows,
                                     uint32_t batch) {
    const ColumnArgs args = { r, a, backend_of(s)->device_tables.primes, s->log_n, 0, lifts, rows, {} };
    return columns<false>(s, args, batch);
}

mzv_status mzv_cuda::inverse_columns(mzv_stream *s, Target r, const Rows &rows, const Factors &scale,
                                     uint32_t batch) {
    const ColumnArgs args = {
        r,    { r.base, r.stride }, backend_of(s)->device_tables.primes, s->log_n, 0, false, in_place(rows),
        scale
    };
    return columns<true>(s, args, batch);
}

mzv_status mzv_cuda_ntt(mzv_stream *s, mzv_poly r) {
    MZV_TRY(enter(s));
    const Rows rows = rows_of(tables_of(s), r.basis);
    MZV_TRY(forward_columns(s, target(r), { r.base, r.stride }, false, rows, r.batch));
    return forward_rows(s, target(r), rows, {}, {}, r.batch);
}

mzv_status mzv_cuda_intt(mzv_stream *s, mzv_poly r) {
    MZV_TRY(enter(s));
    const mzv_cuda_tables &tables = tables_of(s);
    const Rows rows = rows_of(tables, r.basis);
    Factors n_inverse = {};
    for (uint32_t i = 0; i < rows.n; i++) n_inverse.f[i] = tables.prime[rows.prime[i]].n_inv;
    MZV_TRY(inverse_rows(s, target(r), { r.base, r.stride }, rows, r.batch));
    return inverse_columns(s, target(r), rows, n_inverse, r.batch);
}

mzv_status mzv_cuda_lift(mzv_stream *s, mzv_poly r, const int64_t *v, size_t stride) {
    MZV_TRY(enter(s));
    const Rows rows = rows_of(tables_of(s), r.basis);
    Rows from_one = rows;
    for (uint32_t i = 0; i < rows.n; i++) from_one.src[i] = 0; /* v serves every row */
    const Source coefficients = { reinterpret_cast<const uint64_t *>(v), stride };
    MZV_TRY(forward_columns(s, target(r), coefficients, true, from_one, r.batch));
    return forward_rows(s, target(r), rows, {}, {}, r.batch);
}
