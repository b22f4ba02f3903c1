/* Level 4: sums of products, summed in 128 bits and reduced once. Two words a thread; the batch innermost, so
 * that a key or weight is read once for up to four polynomials. */
#include "device.cuh"
#include "modarith.cuh"
#include "permute.cuh"

using namespace mzv_cuda;

namespace {

constexpr uint32_t kThreads = 256;
constexpr uint32_t kMaxTerms = 48; /* of one launch: with a word of r below 2^122 48 + 2^61 < 2^128 */

/* r[t] = [r[t] +] sum_i sigma_i(sum_j d[j] . w[(i n_digits + j) kOutputs + t]) */
struct SumArgs {
    Target r[2];
    const Prime *primes;
    uint32_t log_n, batch, n_digits, n_rotations;
    bool adds;
    Rows rows;
    uint32_t galois[kMaxTerms];
    Source d[kMaxTerms], w[2 * kMaxTerms];
};

struct TensorArgs {
    Target d[3];
    Source a[2], b[2];
    const Prime *primes;
    uint32_t log_n;
    Rows rows;
};

__device__ __forceinline__ uint32_t word_index() { return 2 * (blockIdx.x * blockDim.x + threadIdx.x); }
__device__ __forceinline__ ulonglong2 load_pair(const uint64_t *at) {
    return __ldg(reinterpret_cast<const ulonglong2 *>(at));
}
__device__ __forceinline__ void store_pair(uint64_t *at, uint64_t x, uint64_t y) {
    *reinterpret_cast<ulonglong2 *>(at) = { x, y };
}

/* The sums at this thread's two words, of polynomials first .. first + kBatch - 1. */
template <int kOutputs, int kBatch>
__device__ __forceinline__ void sum_terms(u128 (&sum)[kBatch][kOutputs][2], const SumArgs &args,
                                          const uint32_t (&poly)[kBatch]) {
    const size_t row = static_cast<size_t>(blockIdx.y) << args.log_n;
    for (uint32_t i = 0; i < args.n_rotations; i++) {
        /* A permutation takes an aligned pair to an aligned pair. */
        const uint32_t from = permuted(word_index(), args.log_n, args.galois[i]);
        const size_t at = row + (from & ~1u);
        const bool swapped = from & 1;
        for (uint32_t j = 0; j < args.n_digits; j++) {
            const Source &d = args.d[j];
            const Source *w = args.w + (i * args.n_digits + j) * kOutputs;
#pragma unroll
            for (int b = 0; b < kBatch; b++) {
                const ulonglong2 x = load_pair(d.base + poly[b] * d.stride + at);
#pragma unroll
                for (int t = 0; t < kOutputs; t++) {
                    const ulonglong2 y = load_pair(w[t].base + poly[b] * w[t].stride + at);
                    const u128 first = static_cast<u128>(x.x) * y.x, second = static_cast<u128>(x.y) * y.y;
                    sum[b][t][0] += swapped ? second : first;
                    sum[b][t][1] += swapped ? first : second;
                }
            }
        }
    }
}

template <int kOutputs, int kBatch>
__global__ __launch_bounds__(kThreads, 1) void sum_kernel(const __grid_constant__ SumArgs args) {
    const Prime &m = args.primes[args.rows.prime[blockIdx.y]];
    const size_t at = (static_cast<size_t>(blockIdx.y) << args.log_n) + word_index();
    u128 sum[kBatch][kOutputs][2] = {};
    uint32_t poly[kBatch]; /* beyond the batch the last one again, in vain */
#pragma unroll
    for (int b = 0; b < kBatch; b++) {
        const uint32_t number = blockIdx.z * kBatch + b;
        poly[b] = number < args.batch ? number : args.batch - 1;
    }
    sum_terms<kOutputs, kBatch>(sum, args, poly);
#pragma unroll
    for (int b = 0; b < kBatch; b++)
#pragma unroll
        for (int t = 0; t < kOutputs; t++) {
            if (blockIdx.z * kBatch + b >= args.batch) continue;
            uint64_t *r = args.r[t].base + poly[b] * args.r[t].stride + at;
            if (args.adds) {
                const ulonglong2 before = *reinterpret_cast<const ulonglong2 *>(r);
                sum[b][t][0] += before.x;
                sum[b][t][1] += before.y;
            }
            store_pair(r, reduce_wide(sum[b][t][0], m), reduce_wide(sum[b][t][1], m));
        }
}

__global__ void tensor_kernel(const __grid_constant__ TensorArgs args) {
    const Prime &m = args.primes[args.rows.prime[blockIdx.y]];
    const size_t at = (static_cast<size_t>(blockIdx.y) << args.log_n) + word_index();
    ulonglong2 a[2], b[2];
#pragma unroll
    for (int t = 0; t < 2; t++) {
        a[t] = load_pair(args.a[t].base + blockIdx.z * args.a[t].stride + at);
        b[t] = load_pair(args.b[t].base + blockIdx.z * args.b[t].stride + at);
    }
    const u128 x = static_cast<u128>(a[0].x) * b[1].x + static_cast<u128>(a[1].x) * b[0].x;
    const u128 y = static_cast<u128>(a[0].y) * b[1].y + static_cast<u128>(a[1].y) * b[0].y;
    uint64_t *d[3];
#pragma unroll
    for (int i = 0; i < 3; i++) d[i] = args.d[i].base + blockIdx.z * args.d[i].stride + at;
    store_pair(d[0], mul_mod(a[0].x, b[0].x, m), mul_mod(a[0].y, b[0].y, m));
    store_pair(d[1], reduce_wide(x, m), reduce_wide(y, m));
    store_pair(d[2], mul_mod(a[1].x, b[1].x, m), mul_mod(a[1].y, b[1].y, m));
}

Shape shape_of(uint32_t log_n, uint32_t n_rows, uint32_t n_polys) {
    return { dim3((1u << log_n) / (2 * kThreads), n_rows, n_polys), kThreads, 0 };
}

template <int kOutputs> mzv_status launch_sum(mzv_stream *s, const char *op, const SumArgs &args) {
    constexpr uint32_t kBatch = 4;
    if (args.batch == 1)
        return launch(op, sum_kernel<kOutputs, 1>, shape_of(s->log_n, args.rows.n, 1), stream_of(s)->queue,
                      args);
    return launch(op, sum_kernel<kOutputs, kBatch>,
                  shape_of(s->log_n, args.rows.n, (args.batch + kBatch - 1) / kBatch), stream_of(s)->queue,
                  args);
}

/* The operands of a fold; a dot product and a key product are folds of one rotation that moves nothing. */
struct Fold {
    const mzv_cpoly *d;
    const mzv_cpoly *const *w;
    const uint32_t *galois;
    uint32_t n_digits, n_rotations;
};

/* Digits j .. j + n_digits - 1 of rotations i .. i + n_rotations - 1, as many as `args` says. */
void fill_terms(SumArgs *args, const Fold &fold, uint32_t n_outputs, uint32_t i, uint32_t j) {
    for (uint32_t y = 0; y < args->n_digits; y++) args->d[y] = source(fold.d[j + y]);
    for (uint32_t x = 0; x < args->n_rotations; x++) {
        args->galois[x] = fold.galois[i + x];
        for (uint32_t y = 0; y < args->n_digits * n_outputs; y++)
            args->w[x * args->n_digits * n_outputs + y] = source(fold.w[i + x][j * n_outputs + y]);
    }
}

uint32_t smaller(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* As few launches as kMaxTerms allows; those after the first add. */
template <int kOutputs>
mzv_status sum_fold(mzv_stream *s, const char *op, const mzv_poly *r, const Fold &fold) {
    SumArgs args = {};
    for (int t = 0; t < kOutputs; t++) args.r[t] = target(r[t]);
    args.primes = backend_of(s)->device_tables.primes;
    args.log_n = s->log_n;
    args.batch = r[0].batch;
    args.rows = rows_of(tables_of(s), r[0].basis);
    for (uint32_t j = 0; j < fold.n_digits; j += args.n_digits) {
        args.n_digits = smaller(fold.n_digits - j, kMaxTerms);
        for (uint32_t i = 0; i < fold.n_rotations; i += args.n_rotations) {
            args.n_rotations = smaller(fold.n_rotations - i, kMaxTerms / args.n_digits);
            fill_terms(&args, fold, kOutputs, i, j);
            MZV_TRY(launch_sum<kOutputs>(s, op, args));
            args.adds = true;
        }
    }
    return MZV_OK;
}

const uint32_t kUnmoved = 1;

} // namespace

mzv_status mzv_cuda_tensor(mzv_stream *s, mzv_poly d[3], const mzv_cpoly a[2], const mzv_cpoly b[2]) {
    MZV_TRY(enter(s));
    TensorArgs args = {};
    for (int i = 0; i < 3; i++) args.d[i] = target(d[i]);
    for (int t = 0; t < 2; t++) {
        args.a[t] = source(a[t]);
        args.b[t] = source(b[t]);
    }
    args.primes = backend_of(s)->device_tables.primes;
    args.log_n = s->log_n;
    args.rows = rows_of(tables_of(s), d[0].basis);
    return launch("tensor", tensor_kernel, shape_of(s->log_n, args.rows.n, d[0].batch), stream_of(s)->queue,
                  args);
}

mzv_status mzv_cuda_dot(mzv_stream *s, mzv_poly r, const mzv_cpoly *a, const mzv_cpoly *w, uint32_t n) {
    MZV_TRY(enter(s));
    return sum_fold<1>(s, "dot", &r, { a, &w, &kUnmoved, n, 1 });
}

mzv_status mzv_cuda_key_product(mzv_stream *s, mzv_poly r[2], const mzv_cpoly *d, const mzv_cpoly *key,
                                uint32_t n) {
    MZV_TRY(enter(s));
    return sum_fold<2>(s, "key_product", r, { d, &key, &kUnmoved, n, 1 });
}

mzv_status mzv_cuda_fold(mzv_stream *s, mzv_poly r[2], const mzv_cpoly *d, const mzv_cpoly *const *key,
                         const uint32_t *galois, uint32_t n_digits, uint32_t n_rotations) {
    MZV_TRY(enter(s));
    return sum_fold<2>(s, "fold", r, { d, key, galois, n_digits, n_rotations });
}
