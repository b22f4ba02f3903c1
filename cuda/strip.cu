/* See strip.cuh; the formula is that of basis.cu. A block has several groups of threads, each of which
 * transforms the columns of the strip for one row at a time. */
#include "strip.cuh"
#include "pass.cuh"

using namespace mzv_cuda;

namespace {

constexpr uint32_t kMaxGroups = 8, kMaxParts = 4;
/* A thread that holds 16 words may have 168 registers, one with 32 words 255. */
constexpr uint32_t max_threads(int log_column) { return log_column < 7 ? 512 : log_column < 9 ? 384 : 256; }
constexpr int kSumsAtOnce = 8; /* words whose sums a thread holds */

struct KernelArgs {
    StripArgs strip;
    DeviceTables tables;
    uint32_t log_n, log_columns; /* columns of a strip, log2 */
    uint32_t n_groups, n_parts;  /* parts: blocks that share the targets of one conversion */
};

/* Row and prime of entry i. */
struct Entry {
    uint32_t row, prime;
};
__device__ __forceinline__ Entry entry_of(const Ranges &ranges, uint32_t i) {
    uint32_t k = 0;
    while (i >= ranges.size[k]) i -= ranges.size[k++];
    return { ranges.row[k] + i, ranges.begin[k] + i };
}

/* What targets need, in the form of the arithmetic: where sums start, and F. */
template <class A> struct TargetConstants { typename A::Word start, factor; };

/* The block's shared memory, from its start. */
template <class A, int kLog> struct Memory {
    TargetConstants<A> *targets;
    typename A::Word *scales; /* N^-1 (F/f)^-1 of the sources */
    uint64_t *digits;         /* [source][point][column] */
    typename A::Word *exchange;

    __device__ __forceinline__ Memory(uint64_t *words, const KernelArgs &args, const Conversion &c)
        : targets(reinterpret_cast<TargetConstants<A> *>(words)),
          scales(reinterpret_cast<typename A::Word *>(words + 2 * c.to.n_rows)),
          digits(words + 2 * c.to.n_rows + c.from.n_rows),
          exchange(reinterpret_cast<typename A::Word *>(
              digits + (static_cast<size_t>(c.from.n_rows) << (kLog + args.log_columns)))) {}
};

/* A thread's place in the strip. */
template <int kLog> struct StripPlace {
    uint32_t log_columns, group, column, j, first; /* first: word of point 0 within the row of N */

    __device__ __forceinline__ explicit StripPlace(uint32_t log_columns_)
        : log_columns(log_columns_), group(threadIdx.x >> (log_columns + Line<kLog>::kLow)),
          column(threadIdx.x & ((1u << log_columns) - 1)),
          j((threadIdx.x >> log_columns) & (Line<kLog>::kThreads - 1)),
          first((blockIdx.x << log_columns) + column) {}

    template <class Word> __device__ __forceinline__ Place<Word> place(Word *exchange) const {
        return { exchange + ((group * Line<kLog>::kShared) << log_columns) + column, 1u << log_columns, j };
    }
    /* Strided word u of this thread in the digits of a source. */
    __device__ __forceinline__ uint32_t digit_index(uint32_t source, uint32_t u) const {
        return (((source << kLog) + Line<kLog>::strided(j, u)) << log_columns) + column;
    }
};

/* N^-1 (F/f)^-1 mod f, F/f by prefixes that leave f out. */
__device__ __forceinline__ uint64_t source_scale(const DeviceTables &t, const Ranges &from, uint32_t f) {
    const Prime &m = t.primes[f];
    uint64_t scale = m.n_inv.w;
    for (uint32_t k = 0; k < from.n; k++) {
        const uint32_t begin = from.begin[k], end = begin + from.size[k];
        scale = mul_mod(scale, t.prefix[begin * MZV_MAX_PRIMES + f], m);
        scale = mul_mod(scale, t.prefix_inverse[end * MZV_MAX_PRIMES + f], m);
    }
    return scale;
}

/* F mod t. */
__device__ __forceinline__ uint64_t target_factor(const DeviceTables &t, const Ranges &from, uint32_t prime) {
    const Prime &m = t.primes[prime];
    uint64_t factor = 1;
    for (uint32_t k = 0; k < from.n; k++) {
        const uint32_t begin = from.begin[k], end = begin + from.size[k];
        factor = mul_mod(factor, t.prefix[end * MZV_MAX_PRIMES + prime], m);
        factor = mul_mod(factor, t.prefix_inverse[begin * MZV_MAX_PRIMES + prime], m);
    }
    return factor;
}

/* - sum_f (f - 1)/2 f^-1 mod t: what digits shifted by (f - 1)/2 add. At most 14 products below 2^122. */
__device__ __forceinline__ uint64_t target_start(const DeviceTables &t, const Ranges &from, uint32_t prime) {
    u128 sum = 0;
    for (uint32_t k = 0; k < from.n; k++)
        for (uint32_t i = 0; i < from.size[k]; i++) {
            const uint32_t f = from.begin[k] + i;
            sum += static_cast<u128>(t.primes[f].p >> 1) * t.inverse[f * t.n_primes + prime];
        }
    const Prime &m = t.primes[prime];
    return sub_mod(0, reduce_wide(sum, m), m.p);
}

template <class A, int kLog>
__device__ __forceinline__ void fill_constants(const KernelArgs &args, const Conversion &c,
                                               const Memory<A, kLog> &memory) {
    const DeviceTables &t = args.tables;
    for (uint32_t i = threadIdx.x; i < c.from.n_rows + c.to.n_rows; i += blockDim.x) {
        if (i < c.from.n_rows) {
            const uint32_t f = entry_of(c.from, i).prime;
            memory.scales[i] = A(t.primes[f]).constant(source_scale(t, c.from, f));
            continue;
        }
        const uint32_t o = i - c.from.n_rows, prime = entry_of(c.to, o).prime;
        const A arith(t.primes[prime]);
        memory.targets[o].start = arith.constant(target_start(t, c.from, prime));
        memory.targets[o].factor =
            arith.constant(args.strip.multiplies ? target_factor(t, c.from, prime) : 1);
    }
}

/* The sources: down the columns, and cut into digits. Groups beyond the last source repeat it in vain, so
 * that all meet at the same barriers. */
template <class A, int kLog>
__device__ __forceinline__ void gather_digits(const KernelArgs &args, const Conversion &c,
                                              const Memory<A, kLog> &memory, const StripPlace<kLog> &at) {
    using L = Line<kLog>;
    const uint64_t *y = args.strip.y.base + blockIdx.z * args.strip.y.stride + at.first;
    for (uint32_t begin = 0; begin < c.from.n_rows; begin += args.n_groups) {
        const uint32_t mine = begin + at.group, i = mine < c.from.n_rows ? mine : c.from.n_rows - 1;
        const Entry from = entry_of(c.from, i);
        const Prime &m = args.tables.primes[from.prime];
        const A arith(m);
        const uint64_t *row = y + (static_cast<size_t>(from.row) << args.log_n);
        typename A::Word x[L::kWords];
#pragma unroll
        for (int u = 0; u < L::kWords; u++) x[u] = arith.unpack(row[L::consecutive(at.j, u) << kLogRow]);
        inverse_line<A, kLog, false>(arith, x, at.place(memory.exchange), inverse_twiddles<A>(m), 1);
        if (mine != i) continue;
        const typename A::Word scale = memory.scales[i];
#pragma unroll
        for (int u = 0; u < L::kWords; u++)
            memory.digits[at.digit_index(i, u)] = arith.digit(arith.times(x[u], scale));
    }
}

/* n of this thread's words of one target, from word `first` on. */
template <class A, int kLog, int n>
__device__ __forceinline__ void convert_words(const KernelArgs &args, const Conversion &c,
                                              const Memory<A, kLog> &memory, const StripPlace<kLog> &at,
                                              uint32_t o, int first, typename A::Word *x) {
    const uint32_t prime = entry_of(c.to, o).prime;
    const A arith(args.tables.primes[prime]);
    const auto *weights = static_cast<const typename A::Weight *>(args.tables.weights) + prime;
    const TargetConstants<A> constants = memory.targets[o];
    typename A::Sum sum[n];
#pragma unroll
    for (int u = 0; u < n; u++) sum[u] = arith.start_sum(constants.start);
    uint32_t source = 0;
    for (uint32_t k = 0; k < c.from.n; k++)
        for (uint32_t f = 0; f < c.from.size[k]; f++, source++) {
            const typename A::Weight w = __ldg(weights + (c.from.begin[k] + f) * args.tables.n_primes);
#pragma unroll
            for (int u = 0; u < n; u++)
                A::add_product(sum[u], memory.digits[at.digit_index(source, first + u)], w);
        }
#pragma unroll
    for (int u = 0; u < n; u++) {
        x[u] = arith.reduce(sum[u]);
        if (args.strip.multiplies) x[u] = arith.times(x[u], constants.factor);
    }
}

/* The targets begin .. end-1: converted, and down the columns. */
template <class A, int kLog>
__device__ __forceinline__ void make_targets(const KernelArgs &args, const Conversion &c, uint64_t *r,
                                             const Memory<A, kLog> &memory, const StripPlace<kLog> &at) {
    using L = Line<kLog>;
    constexpr int n = L::kWords < kSumsAtOnce ? L::kWords : kSumsAtOnce;
    const uint32_t part = blockIdx.y % args.n_parts;
    const uint32_t end = c.to.n_rows * (part + 1) / args.n_parts;
    for (uint32_t begin = c.to.n_rows * part / args.n_parts; begin < end; begin += args.n_groups) {
        const uint32_t mine = begin + at.group, o = mine < end ? mine : end - 1;
        const Entry to = entry_of(c.to, o);
        const Prime &m = args.tables.primes[to.prime];
        const A arith(m);
        typename A::Word x[L::kWords];
#pragma unroll
        for (int first = 0; first < L::kWords; first += n)
            convert_words<A, kLog, n>(args, c, memory, at, o, first, x + first);
        forward_line<A, kLog, false>(arith, x, at.place(memory.exchange), forward_twiddles<A>(m), 1);
        if (mine != o) continue;
        uint64_t *row = r + (static_cast<size_t>(to.row) << args.log_n);
#pragma unroll
        for (int u = 0; u < L::kWords; u++)
            row[L::consecutive(at.j, u) << kLogRow] = arith.pack(arith.settle(x[u]));
    }
}

template <class A, int kLog>
__global__ __launch_bounds__(max_threads(kLog),
                             1) void strip_kernel(const __grid_constant__ KernelArgs args) {
    MZV_CUDA_SHARED(uint64_t, shared);
    const uint32_t number = blockIdx.y / args.n_parts;
    const Conversion &c = args.strip.conversion[number];
    const Memory<A, kLog> memory(shared, args, c);
    const StripPlace<kLog> at(args.log_columns);
    fill_constants(args, c, memory);
    __syncthreads();
    gather_digits(args, c, memory, at);
    __syncthreads();
    make_targets(args, c,
                 args.strip.r.base + blockIdx.z * args.strip.r.stride + number * args.strip.r_step + at.first,
                 memory, at);
}

template <int kLog> void (*kernel_of(const Backend *be))(KernelArgs) {
    return be->tables.fp64 ? strip_kernel<Fp64Arith, kLog> : strip_kernel<IntegerArith, kLog>;
}

/* How the threads of a block are shared out. */
struct Layout {
    uint32_t log_columns, n_groups;
    size_t shared_bytes; /* with n_groups */
};

/* `n_groups` 0: it does not fit. */
template <int kLog> Layout layout_of(const Backend *be, uint32_t n_sources, uint32_t n_targets) {
    using L = Line<kLog>;
    Layout layout = { L::kLow >= 3 ? 2u : 5u - L::kLow, 0, 0 }; /* 4 columns, and a warp */
    const uint32_t log_threads = layout.log_columns + L::kLow;
    const size_t exchange = static_cast<size_t>(L::kShared) << layout.log_columns;
    const size_t fixed =
        2 * n_targets + n_sources + (static_cast<size_t>(n_sources) << (kLog + layout.log_columns));
    const uint32_t most = n_targets > n_sources ? n_targets : n_sources;
    while (layout.n_groups < kMaxGroups && layout.n_groups < most &&
           (layout.n_groups + 1) << log_threads <= max_threads(kLog) &&
           (fixed + (layout.n_groups + 1) * exchange) * sizeof(uint64_t) <= be->shared_bytes)
        layout.n_groups++;
    layout.shared_bytes = (fixed + layout.n_groups * exchange) * sizeof(uint64_t);
    return layout;
}

/* The largest conversion decides. */
void largest(const StripArgs &args, uint32_t *n_sources, uint32_t *n_targets) {
    *n_sources = *n_targets = 0;
    for (uint32_t i = 0; i < args.n; i++) {
        const Conversion &c = args.conversion[i];
        if (c.from.n_rows > *n_sources) *n_sources = c.from.n_rows;
        if (c.to.n_rows > *n_targets) *n_targets = c.to.n_rows;
    }
}

/* Two blocks for every processor, if that takes no more than kMaxParts times the work on sources. */
uint32_t parts_of(const Backend *be, uint32_t n_blocks, uint32_t n_targets, uint32_t n_groups) {
    uint32_t n = 1;
    while (n < kMaxParts && n * n_blocks < 2 * be->n_processors && n_targets >= 2 * n * n_groups) n *= 2;
    return n;
}

template <int kLog> mzv_status launch_strips(mzv_stream *s, const StripArgs &strip, uint32_t batch) {
    if (s->log_n != kLog + kLogRow) {
        if constexpr (kLog < kMaxLogColumn) return launch_strips<kLog + 1>(s, strip, batch);
    }
    const Backend *be = backend_of(s);
    uint32_t n_sources = 0, n_targets = 0;
    largest(strip, &n_sources, &n_targets);
    const Layout layout = layout_of<kLog>(be, n_sources, n_targets);
    const uint32_t n_strips = 1u << (kLogRow - layout.log_columns);
    const uint32_t n_parts = parts_of(be, n_strips * strip.n * batch, n_targets, layout.n_groups);
    const KernelArgs args = {
        strip, be->device_tables, s->log_n, layout.log_columns, layout.n_groups, n_parts
    };
    const Shape shape = { dim3(n_strips, strip.n * n_parts, batch),
                          layout.n_groups << (layout.log_columns + Line<kLog>::kLow), layout.shared_bytes };
    return launch("convert", kernel_of<kLog>(be), shape, stream_of(s)->queue, args);
}

template <int kLog> mzv_status allow(const Backend *be) {
    if (be->tables.log_n != kLog + kLogRow) {
        if constexpr (kLog < kMaxLogColumn) return allow<kLog + 1>(be);
    }
    return allow_shared(kernel_of<kLog>(be), be->shared_bytes);
}

template <int kLog> bool fits(const Backend *be, uint32_t n_sources) {
    if (be->tables.log_n != kLog + kLogRow) {
        if constexpr (kLog < kMaxLogColumn) return fits<kLog + 1>(be, n_sources);
    }
    return layout_of<kLog>(be, n_sources, MZV_MAX_PRIMES).n_groups > 0;
}

} // namespace

bool mzv_cuda::strip_fits(const Backend *be, uint32_t n_sources) {
    return n_sources <= kMaxSources && fits<kMinLogColumn>(be, n_sources);
}

mzv_status mzv_cuda::allow_strips(const Backend *be) { return allow<kMinLogColumn>(be); }

mzv_status mzv_cuda::convert_strips(mzv_stream *s, const StripArgs &args, uint32_t batch) {
    return launch_strips<kMinLogColumn>(s, args, batch);
}
