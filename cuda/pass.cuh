/* One pass of a transform: 2^kLog words of a line, in the registers of the threads that share the line.
 *
 * A row of N words is a matrix with rows of 2^8 words. The forward transform does its first stages down the
 * columns and the last 8 along the rows [LN16, Alg. 1]; the inverse does the opposite [LN16, Alg. 2]. Each
 * pass is two register steps (radix 16 for 2^8) with one exchange through shared memory. */
#ifndef MZV_CUDA_PASS_CUH
#define MZV_CUDA_PASS_CUH
#include "arith.cuh"

namespace mzv_cuda {

constexpr int kLogRow = 8;
constexpr uint32_t kMinLogColumn = MZV_CUDA_MIN_LOG_N - kLogRow, kMaxLogColumn = MZV_CUDA_MAX_LOG_N - kLogRow;

/* kThreads threads hold kWords words each: thread j the strided points j + u kThreads in the first forward
 * step, the consecutive points j kWords + u in the second. */
template <int kLog> struct Line {
    static constexpr int kHigh = (kLog + 1) / 2; /* stages of the first forward step */
    static constexpr int kLow = kLog - kHigh;    /* and of the second */
    static constexpr int kWords = 1 << kHigh, kThreads = 1 << kLow;
    static constexpr int kShared = (1 << kLog) + kThreads; /* words of shared memory, padded */

    static __device__ __forceinline__ uint32_t strided(uint32_t j, uint32_t u) { return j + (u << kLow); }
    static __device__ __forceinline__ uint32_t consecutive(uint32_t j, uint32_t u) {
        return (j << kHigh) + u;
    }
    /* Where a point lies in shared memory: one word of padding per thread spreads both orders over banks. */
    static __device__ __forceinline__ uint32_t shared_index(uint32_t point) {
        return point + (point >> kHigh);
    }
};

/* A thread's place: its number within the line, and the line's shared memory, of which every `stride`-th
 * word is the line's. */
template <class Word> struct Place {
    Word *shared;
    uint32_t stride, j;
};

/* The threads of a row are half a warp; those of a column are spread over the block. */
template <bool kRow> __device__ __forceinline__ void meet() {
    if constexpr (kRow)
        __syncwarp();
    else
        __syncthreads();
}

template <int kLog, bool kRow, class Word>
__device__ __forceinline__ void make_consecutive(Word (&x)[Line<kLog>::kWords], const Place<Word> &at) {
    using L = Line<kLog>;
#pragma unroll
    for (int u = 0; u < L::kWords; u++) at.shared[L::shared_index(L::strided(at.j, u)) * at.stride] = x[u];
    meet<kRow>();
#pragma unroll
    for (int u = 0; u < L::kWords; u++)
        x[u] = at.shared[L::shared_index(L::consecutive(at.j, u)) * at.stride];
    meet<kRow>();
}

template <int kLog, bool kRow, class Word>
__device__ __forceinline__ void make_strided(Word (&x)[Line<kLog>::kWords], const Place<Word> &at) {
    using L = Line<kLog>;
#pragma unroll
    for (int u = 0; u < L::kWords; u++)
        at.shared[L::shared_index(L::consecutive(at.j, u)) * at.stride] = x[u];
    meet<kRow>();
#pragma unroll
    for (int u = 0; u < L::kWords; u++) x[u] = at.shared[L::shared_index(L::strided(at.j, u)) * at.stride];
    meet<kRow>();
}

/* n neighbours of a table, n a power of two that divides their place in it. */
template <int n> __device__ __forceinline__ void load_twiddles(double (&w)[n], const double *at) {
    if constexpr (n == 1) {
        w[0] = __ldg(at);
    } else {
#pragma unroll
        for (int i = 0; i < n; i += 2) {
            const double2 pair = __ldg(reinterpret_cast<const double2 *>(at + i));
            w[i] = pair.x;
            w[i + 1] = pair.y;
        }
    }
}
template <int n> __device__ __forceinline__ void load_twiddles(ulonglong2 (&w)[n], const ulonglong2 *at) {
#pragma unroll
    for (int i = 0; i < n; i++) w[i] = __ldg(at + i);
}

/* Stage k of a step of kStages on 2^kStages words, and those after it; block b of stage k takes twiddle
 * (root << k) + b. */
template <class A, int kStages, int k = 0>
__device__ __forceinline__ void forward_step(const A &arith, typename A::Word *x,
                                             const typename A::Twiddle *twiddles, uint32_t root) {
    if constexpr (k < kStages) {
        constexpr int kHalf = 1 << (kStages - 1 - k);
        typename A::Twiddle w[1 << k];
        load_twiddles(w, twiddles + (root << k));
#pragma unroll
        for (int u = 0; u < 1 << kStages; u++)
            if ((u & kHalf) == 0) arith.forward(x[u], x[u + kHalf], w[u >> (kStages - k)]);
        forward_step<A, kStages, k + 1>(arith, x, twiddles, root);
    }
}

/* The stages in the opposite order, s = 0 the first. Sums of two stages, and those of the last, are settled:
 * see Fp64Arith. */
template <class A, int kStages, int s = 0>
__device__ __forceinline__ void inverse_step(const A &arith, typename A::Word *x,
                                             const typename A::Twiddle *twiddles, uint32_t root) {
    if constexpr (s < kStages) {
        constexpr int kHalf = 1 << s, k = kStages - 1 - s;
        constexpr int kSums = s == kStages - 1 ? kHalf : s % 2 == 1 ? kHalf | kHalf / 2 : -1;
        typename A::Twiddle w[1 << k];
        load_twiddles(w, twiddles + (root << k));
#pragma unroll
        for (int u = 0; u < 1 << kStages; u++)
            if ((u & kHalf) == 0) {
                arith.inverse(x[u], x[u + kHalf], w[u >> (kStages - k)]);
                if ((u & kSums) == 0 && kSums != -1) x[u] = arith.settle(x[u]);
            }
        inverse_step<A, kStages, s + 1>(arith, x, twiddles, root);
    }
}

/* Strided words -> consecutive words; stage s of block b takes twiddle (root << s) + b. */
template <class A, int kLog, bool kRow>
__device__ __forceinline__ void forward_line(const A &arith, typename A::Word (&x)[Line<kLog>::kWords],
                                             const Place<typename A::Word> &at,
                                             const typename A::Twiddle *twiddles, uint32_t root) {
    using L = Line<kLog>;
    forward_step<A, L::kHigh>(arith, x, twiddles, root);
    make_consecutive<kLog, kRow>(x, at);
#pragma unroll
    for (int v = 0; v < 1 << (L::kHigh - L::kLow); v++)
        forward_step<A, L::kLow>(arith, x + (v << L::kLow), twiddles,
                                 (((root << L::kLow) + at.j) << (L::kHigh - L::kLow)) + v);
}

/* Consecutive words -> strided words. */
template <class A, int kLog, bool kRow>
__device__ __forceinline__ void inverse_line(const A &arith, typename A::Word (&x)[Line<kLog>::kWords],
                                             const Place<typename A::Word> &at,
                                             const typename A::Twiddle *twiddles, uint32_t root) {
    using L = Line<kLog>;
#pragma unroll
    for (int v = 0; v < 1 << (L::kHigh - L::kLow); v++)
        inverse_step<A, L::kLow>(arith, x + (v << L::kLow), twiddles,
                                 (((root << L::kLow) + at.j) << (L::kHigh - L::kLow)) + v);
    make_strided<kLog, kRow>(x, at);
    inverse_step<A, L::kHigh>(arith, x, twiddles, root);
}

template <class A> __device__ __forceinline__ const typename A::Twiddle *forward_twiddles(const Prime &m) {
    return static_cast<const typename A::Twiddle *>(m.forward);
}
template <class A> __device__ __forceinline__ const typename A::Twiddle *inverse_twiddles(const Prime &m) {
    return static_cast<const typename A::Twiddle *>(m.inverse);
}

/* Kernels along the rows: up to kRowsPerBlock rows of the matrix a block, 16 threads each. */
using Row = Line<kLogRow>;
constexpr uint32_t kRowsPerBlock = 8;
constexpr uint32_t kRowThreads = kRowsPerBlock * Row::kThreads;

/* This thread's row of the matrix. */
struct RowPlace {
    uint32_t line, j;

    __device__ __forceinline__ RowPlace()
        : line((blockIdx.x * blockDim.x + threadIdx.x) / Row::kThreads), j(threadIdx.x % Row::kThreads) {}

    template <class Word> __device__ __forceinline__ Place<Word> place(Word *shared) const {
        return { shared + threadIdx.x / Row::kThreads * Row::kShared, 1, j };
    }
    __device__ __forceinline__ uint32_t root(uint32_t log_n) const {
        return (1u << (log_n - kLogRow)) + line;
    }
    /* Word u of this thread, strided, within the row of N. */
    __device__ __forceinline__ uint32_t word(uint32_t u) const {
        return (line << kLogRow) + Row::strided(j, u);
    }
};

/* Strided words of a row of the matrix, to strided words. */
template <class A>
__device__ __forceinline__ void forward_row(const A &arith, typename A::Word (&x)[Row::kWords],
                                            const Place<typename A::Word> &at, const Prime &m,
                                            uint32_t root) {
    forward_line<A, kLogRow, true>(arith, x, at, forward_twiddles<A>(m), root);
    make_strided<kLogRow, true>(x, at);
}
template <class A>
__device__ __forceinline__ void inverse_row(const A &arith, typename A::Word (&x)[Row::kWords],
                                            const Place<typename A::Word> &at, const Prime &m,
                                            uint32_t root) {
    make_consecutive<kLogRow, true>(x, at);
    inverse_line<A, kLogRow, true>(arith, x, at, inverse_twiddles<A>(m), root);
}

} // namespace mzv_cuda
#endif
