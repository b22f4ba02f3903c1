/* Negacyclic transforms of rows of N = 2^log_n words in two passes over memory: a row is a matrix of 2^c rows
 * by 2^r columns, c = log_n / 2, r = log_n - c. The forward transform does the first c stages of [LN16, Alg.
 * 1] down the columns and the last r along the rows; the inverse [LN16, Alg. 2] does the opposite. Each block
 * takes a tile of whole lines (columns or rows) into shared memory and works in register steps of up to three
 * stages (radix 8). Between the passes the words stay in their arithmetic's own form, not reduced. */
#include "arith.cuh"
#include "device.cuh"

using namespace mzv_cuda;

namespace {

constexpr uint32_t kLogTile = 11;          /* words of a tile, log2; less when a row is shorter */
constexpr uint32_t kLogWordsPerThread = 3; /* a radix-8 step is one group a thread */

struct NttArgs {
    Target r;
    Source a;
    const Prime *primes;
    uint32_t log_n, log_columns; /* log2 of the columns of the matrix, r above */
    uint32_t log_tile;
    Rows rows;
    Factors scale; /* inverse only */
};

/* Where the words of a tile lie. Line l, point x of the tile is word (x << point_shift) + (l << line_shift)
 * in shared memory, before padding. kAlongRows: lines are rows of the matrix, else columns. */
template <bool kAlongRows> struct Tile {
    uint32_t log_line, log_n_lines, first_line, log_columns;

    __device__ explicit Tile(const NttArgs &args)
        : log_line(kAlongRows ? args.log_columns : args.log_n - args.log_columns),
          log_n_lines(args.log_tile - log_line), first_line(blockIdx.x << log_n_lines),
          log_columns(args.log_columns) {}

    __device__ __forceinline__ uint32_t shared_index(uint32_t line, uint32_t point) const {
        const uint32_t i = kAlongRows ? (line << log_line) + point : (point << log_n_lines) + line;
        return i + (i >> 4); /* one word of padding per 128 bytes spreads strides over the banks */
    }
    /* Word e of the tile in the order of addresses in memory: its line and point, and its place in the row.
     */
    __device__ __forceinline__ uint32_t line_of(uint32_t e) const {
        return kAlongRows ? e >> log_line : e & ((1u << log_n_lines) - 1);
    }
    __device__ __forceinline__ uint32_t point_of(uint32_t e) const {
        return kAlongRows ? e & ((1u << log_line) - 1) : e >> log_n_lines;
    }
    __device__ __forceinline__ uint32_t row_index(uint32_t e) const {
        const uint32_t line = first_line + line_of(e);
        return kAlongRows ? (line << log_columns) + point_of(e) : (point_of(e) << log_columns) + line;
    }
    /* Stage s of block b of a line has twiddle number (root(line) << s) + b. */
    __device__ __forceinline__ uint32_t root(uint32_t line, uint32_t log_n) const {
        return kAlongRows ? (1u << (log_n - log_columns)) + first_line + line : 1;
    }
};

/* The words of one register step: stages first .. first+kStages-1 of a line join points that differ in
 * kStages bits; `group` numbers the other bits. */
template <int kStages> struct Step {
    uint32_t low_bits, base, block; /* point of word u: base + (u << low_bits) */

    __device__ Step(uint32_t log_line, uint32_t first, uint32_t group)
        : low_bits(log_line - first - kStages), base(0), block(group >> low_bits) {
        base = (block << (low_bits + kStages)) | (group & ((1u << low_bits) - 1));
    }
};

template <class A, int kStages>
__device__ __forceinline__ void forward_butterflies(const A &arith, typename A::Word *x,
                                                    const typename A::Twiddle *twiddles, uint32_t root) {
#pragma unroll
    for (int k = 0; k < kStages; k++) {
        const int half = 1 << (kStages - 1 - k);
#pragma unroll
        for (int u = 0; u < 1 << kStages; u++)
            if ((u & half) == 0)
                arith.forward(x[u], x[u + half], twiddles[(root << k) + (u >> (kStages - k))]);
    }
}

template <class A, int kStages>
__device__ __forceinline__ void inverse_butterflies(const A &arith, typename A::Word *x,
                                                    const typename A::Twiddle *twiddles, uint32_t root) {
#pragma unroll
    for (int k = kStages - 1; k >= 0; k--) {
        const int half = 1 << (kStages - 1 - k);
#pragma unroll
        for (int u = 0; u < 1 << kStages; u++)
            if ((u & half) == 0)
                arith.inverse(x[u], x[u + half], twiddles[(root << k) + (u >> (kStages - k))]);
    }
#pragma unroll
    for (int u = 0; u < 1 << kStages; u++) x[u] = arith.settle(x[u]);
}

/* Stages first .. first+kStages-1 of every line of the tile. */
template <class A, bool kAlongRows, bool kInverse, int kStages>
__device__ __forceinline__ void step(const A &arith, const Tile<kAlongRows> &tile, typename A::Word *shared,
                                     const typename A::Twiddle *twiddles, uint32_t first, uint32_t log_n) {
    const uint32_t n_groups = 1u << (tile.log_line + tile.log_n_lines - kStages);
    for (uint32_t g = threadIdx.x; g < n_groups; g += blockDim.x) {
        const uint32_t log_groups = tile.log_line - kStages; /* of one line */
        const uint32_t line = kAlongRows ? g >> log_groups : g & ((1u << tile.log_n_lines) - 1);
        const uint32_t group = kAlongRows ? g & ((1u << log_groups) - 1) : g >> tile.log_n_lines;
        const Step<kStages> s(tile.log_line, first, group);
        const uint32_t root = (tile.root(line, log_n) << first) + s.block;
        typename A::Word x[1 << kStages];
#pragma unroll
        for (int u = 0; u < 1 << kStages; u++)
            x[u] = shared[tile.shared_index(line, s.base + (u << s.low_bits))];
        if (kInverse)
            inverse_butterflies<A, kStages>(arith, x, twiddles, root);
        else
            forward_butterflies<A, kStages>(arith, x, twiddles, root);
#pragma unroll
        for (int u = 0; u < 1 << kStages; u++)
            shared[tile.shared_index(line, s.base + (u << s.low_bits))] = x[u];
    }
    __syncthreads();
}

template <class A, bool kAlongRows, bool kInverse>
__device__ __forceinline__ void steps(const A &arith, const Tile<kAlongRows> &tile, typename A::Word *shared,
                                      const Prime &m, uint32_t log_n) {
    using Twiddle = typename A::Twiddle;
    const Twiddle *twiddles = static_cast<const Twiddle *>(kInverse ? m.inverse : m.forward);
    for (uint32_t done = 0; done < tile.log_line;) {
        const uint32_t left = tile.log_line - done;
        const uint32_t n = left >= 3 ? 3 : left;
        const uint32_t first = kInverse ? left - n : done;
        if (n == 3)
            step<A, kAlongRows, kInverse, 3>(arith, tile, shared, twiddles, first, log_n);
        else if (n == 2)
            step<A, kAlongRows, kInverse, 2>(arith, tile, shared, twiddles, first, log_n);
        else
            step<A, kAlongRows, kInverse, 1>(arith, tile, shared, twiddles, first, log_n);
        done += n;
    }
}

/* One pass. The first pass reads residues, the last writes them. */
template <class A, bool kAlongRows, bool kInverse>
__global__ void ntt_pass_kernel(const __grid_constant__ NttArgs args) {
    MZV_CUDA_SHARED(typename A::Word, shared);
    constexpr bool kFirst = kAlongRows == kInverse;
    const uint32_t i = blockIdx.y;
    const Prime &m = args.primes[args.rows.prime[i]];
    const A arith(m);
    const Tile<kAlongRows> tile(args);
    const uint64_t *a =
        args.a.base + blockIdx.z * args.a.stride + (static_cast<size_t>(args.rows.src[i]) << args.log_n);
    uint64_t *r =
        args.r.base + blockIdx.z * args.r.stride + (static_cast<size_t>(args.rows.dst[i]) << args.log_n);

    for (uint32_t e = threadIdx.x; e < 1u << args.log_tile; e += blockDim.x) {
        const uint64_t word = a[tile.row_index(e)];
        shared[tile.shared_index(tile.line_of(e), tile.point_of(e))] =
            kFirst ? arith.load(word) : arith.unpack(word);
    }
    __syncthreads();
    steps<A, kAlongRows, kInverse>(arith, tile, shared, m, args.log_n);
    for (uint32_t e = threadIdx.x; e < 1u << args.log_tile; e += blockDim.x) {
        const typename A::Word x = shared[tile.shared_index(tile.line_of(e), tile.point_of(e))];
        uint64_t word;
        if (kFirst)
            word = arith.pack(arith.settle(x));
        else if (kInverse)
            word = arith.canonical(arith.scale(x, args.scale.f[i]));
        else
            word = arith.canonical(x);
        r[tile.row_index(e)] = word;
    }
}

Shape shape_of(const NttArgs &args, uint32_t batch) {
    const uint32_t tile = 1u << args.log_tile;
    return { dim3(1u << (args.log_n - args.log_tile), args.rows.n, batch), tile >> kLogWordsPerThread,
             (tile + tile / 16) * sizeof(uint64_t) };
}

template <class A, bool kInverse> mzv_status two_passes(mzv_stream *s, NttArgs args, uint32_t batch) {
    const char *op = kInverse ? "intt" : "ntt";
    const Shape shape = shape_of(args, batch);
    MZV_TRY(launch(op, ntt_pass_kernel<A, kInverse, kInverse>, shape, stream_of(s)->queue, args));
    args.a = { args.r.base, args.r.stride }; /* the second pass works in place */
    for (uint32_t i = 0; i < args.rows.n; i++) args.rows.src[i] = args.rows.dst[i];
    return launch(op, ntt_pass_kernel<A, !kInverse, kInverse>, shape, stream_of(s)->queue, args);
}

/* The entries of args whose prime uses the arithmetic `fp64`. */
NttArgs entries_with(const NttArgs &args, const mzv_cuda_tables &tables, uint32_t fp64) {
    NttArgs out = args;
    out.rows.n = 0;
    for (uint32_t i = 0; i < args.rows.n; i++) {
        if (tables.prime[args.rows.prime[i]].fp64 != fp64) continue;
        out.scale.f[out.rows.n] = args.scale.f[i];
        append_row(out.rows, args.rows.src[i], args.rows.dst[i], args.rows.prime[i]);
    }
    return out;
}

template <bool kInverse> mzv_status transform(mzv_stream *s, const NttArgs &args, uint32_t batch) {
    const mzv_cuda_tables &tables = tables_of(s);
    MZV_TRY((two_passes<Fp64Arith, kInverse>(s, entries_with(args, tables, 1), batch)));
    return two_passes<IntegerArith, kInverse>(s, entries_with(args, tables, 0), batch);
}

NttArgs arguments(const mzv_stream *s, Target r, Source a, const Rows &rows, const Factors &scale) {
    const uint32_t log_tile = s->log_n < kLogTile ? s->log_n : kLogTile;
    return { r, a, backend_of(s)->primes, s->log_n, s->log_n - s->log_n / 2, log_tile, rows, scale };
}

} // namespace

mzv_status mzv_cuda::transform_forward(mzv_stream *s, Target r, const Rows &rows, uint32_t batch) {
    return transform<false>(s, arguments(s, r, { r.base, r.stride }, rows, Factors()), batch);
}

mzv_status mzv_cuda::transform_inverse(mzv_stream *s, Target r, Source a, const Rows &rows,
                                       const Factors &scale, uint32_t batch) {
    return transform<true>(s, arguments(s, r, a, rows, scale), batch);
}

mzv_status mzv_cuda_ntt(mzv_stream *s, mzv_poly r) {
    MZV_TRY(enter(s));
    return transform_forward(s, target(r), rows_of(tables_of(s), r.basis), r.batch);
}

mzv_status mzv_cuda_intt(mzv_stream *s, mzv_poly r) {
    MZV_TRY(enter(s));
    const mzv_cuda_tables &tables = tables_of(s);
    const Rows rows = rows_of(tables, r.basis);
    Factors scale = {};
    for (uint32_t i = 0; i < rows.n; i++) scale.f[i] = tables.prime[rows.prime[i]].n_inv;
    return transform_inverse(s, target(r), { r.base, r.stride }, rows, scale, r.batch);
}
