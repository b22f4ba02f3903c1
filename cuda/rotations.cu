/* Level 4: weighted sums of hoisted rotations, the baby steps of BSGS. A thread has one word of up to eight
 * sums, both halves: it makes each rotation at that word from the digits and the key and gives it to every
 * sum at once, so that keys and weights are read once and rotations are never stored. */
#include "device.cuh"
#include "modarith.cuh"
#include "permute.cuh"
#include "backend/fused.h"

using namespace mzv_cuda;

namespace {

constexpr uint32_t kThreads = 256;
/* Of one launch. Sums of rotations: at most 24 products below 2^122 and a word of r. */
constexpr uint32_t kMaxSums = 8, kMaxRotations = 24, kMaxKeys = 96;

struct RotationArgs {
    Target r[2 * kMaxSums];
    Source d[MZV_MAX_DIGITS], a[2];
    Source key[kMaxKeys];                         /* [rotation][digit][half] */
    const uint64_t *w[kMaxRotations * kMaxSums];  /* [rotation][sum]; NULL: 0 */
    uint8_t log_repeat[kMaxRotations * kMaxSums]; /* a word of w serves 2^log_repeat words of its row */
    uint32_t galois[kMaxRotations];
    uint64_t c[MZV_MAX_PRIMES]; /* of the row; 0 modulo the special primes */
    const Prime *primes;
    uint32_t log_n, batch, n_digits, n_rotations, n_sums, n_special;
    uint32_t has_key; /* bit i: rotation i */
    bool adds;        /* to what is in r */
    Rows rows;
};

/* u_i[t] at word `at` of row blockIdx.y. */
__device__ __forceinline__ void rotate(uint64_t (&u)[2], const RotationArgs &args, const Prime &m, uint32_t i,
                                       uint32_t b, size_t at) {
    const bool has_key = args.has_key >> i & 1;
    u128 sum[2] = {};
    for (uint32_t j = 0; has_key && j < args.n_digits; j++) {
        const Source *key = args.key + 2 * (i * args.n_digits + j);
        const uint64_t x = __ldg(args.d[j].base + b * args.d[j].stride + at);
#pragma unroll
        for (int t = 0; t < 2; t++)
            sum[t] += static_cast<u128>(x) * __ldg(key[t].base + b * key[t].stride + at);
    }
    if (blockIdx.y >= args.n_special) {
        const size_t word = at - (static_cast<size_t>(args.n_special) << args.log_n);
        const uint64_t c = args.c[blockIdx.y];
        sum[0] += static_cast<u128>(c) * __ldg(args.a[0].base + b * args.a[0].stride + word);
        if (!has_key) sum[1] += static_cast<u128>(c) * __ldg(args.a[1].base + b * args.a[1].stride + word);
    }
#pragma unroll
    for (int t = 0; t < 2; t++) u[t] = reduce_wide(sum[t], m);
}

/* Blocks of one tile and all polynomials are neighbours, so that its keys and weights come from memory once.
 */
template <int kSums>
__global__ __launch_bounds__(kThreads, 1) void rotation_kernel(const __grid_constant__ RotationArgs args) {
    const Prime &m = args.primes[args.rows.prime[blockIdx.y]];
    const uint32_t b = blockIdx.x % args.batch, k = blockIdx.x / args.batch * kThreads + threadIdx.x;
    const size_t row = static_cast<size_t>(blockIdx.y) << args.log_n;
    u128 sum[kSums][2] = {};
    for (uint32_t i = 0; i < args.n_rotations; i++) {
        uint64_t u[2];
        rotate(u, args, m, i, b, row + permuted(k, args.log_n, args.galois[i]));
#pragma unroll
        for (int g = 0; g < kSums; g++) {
            const uint64_t *w = args.w[i * kMaxSums + g];
            if (w == nullptr) continue;
            const uint64_t weight = __ldg(w + ((row + k) >> args.log_repeat[i * kMaxSums + g]));
            sum[g][0] += static_cast<u128>(u[0]) * weight;
            sum[g][1] += static_cast<u128>(u[1]) * weight;
        }
    }
#pragma unroll
    for (int g = 0; g < kSums; g++)
#pragma unroll
        for (int t = 0; t < 2; t++) {
            if (static_cast<uint32_t>(g) >= args.n_sums) continue;
            uint64_t *r = args.r[2 * g + t].base + b * args.r[2 * g + t].stride + row + k;
            if (args.adds) sum[g][t] += *r;
            *r = reduce_wide(sum[g][t], m);
        }
}

bool has_weight(const mzv_diagonal &w) { return w.rows != nullptr || w.integers != nullptr; }

uint32_t smaller(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* Sums first .. first + n - 1, and the rotations one launch makes for them. */
struct Group {
    const mzv_rotations *of;
    const mzv_poly *r;
    uint32_t first, n;
    bool lifts; /* some weights are integers: one rotation at a time, its weights in scratch */
};

const mzv_diagonal &weight_of(const Group &group, uint32_t i, uint32_t g) {
    return group.of->w[static_cast<size_t>(group.first + g) * group.of->n_rotations + i];
}

bool is_used(const Group &group, uint32_t i) {
    bool used = false;
    for (uint32_t g = 0; g < group.n; g++) used = used || has_weight(weight_of(group, i, g));
    return used;
}

/* Appends rotation i; weights that are integers are lifted into scratch. */
mzv_status append_rotation(mzv_stream *s, RotationArgs *args, const Group &group, uint32_t i) {
    const uint32_t at = args->n_rotations;
    const mzv_cpoly *key = group.of->key[i];
    for (uint32_t g = 0; g < kMaxSums; g++) {
        uint64_t const *&rows = args->w[at * kMaxSums + g];
        rows = g < group.n ? weight_of(group, i, g).rows : nullptr;
        args->log_repeat[at * kMaxSums + g] =
            rows != nullptr ? static_cast<uint8_t>(weight_of(group, i, g).log_repeat) : 0;
        if (g >= group.n || rows != nullptr || weight_of(group, i, g).integers == nullptr) continue;
        mzv_poly lifted;
        MZV_TRY(mzv_take(s, &lifted, 1, group.r[0].basis));
        MZV_TRY(mzv_cuda_lift(s, lifted, weight_of(group, i, g).integers, 0));
        rows = lifted.base;
    }
    for (uint32_t j = 0; key != nullptr && j < 2 * args->n_digits; j++)
        args->key[2 * at * args->n_digits + j] = source(key[j]);
    args->galois[at] = key != nullptr ? group.of->galois[i] : 1;
    args->has_key |= (key != nullptr ? 1u : 0u) << at;
    args->n_rotations++;
    return MZV_OK;
}

mzv_status launch_group(mzv_stream *s, RotationArgs *args) {
    const Shape shape = { dim3(((1u << s->log_n) / kThreads) * args->batch, args->rows.n, 1), kThreads, 0 };
    MZV_TRY(launch("rotation_sums", args->n_sums > 4 ? rotation_kernel<8> : rotation_kernel<4>, shape,
                   stream_of(s)->queue, *args));
    args->adds = true;
    args->n_rotations = args->has_key = 0;
    return MZV_OK;
}

/* What one launch may hold of rotations. */
uint32_t rotations_at_once(const Group &group, uint32_t n_digits) {
    return group.lifts ? 1 : smaller(kMaxRotations, kMaxKeys / (2 * n_digits));
}

mzv_status sum_group(mzv_stream *s, RotationArgs *args, const Group &group) {
    const size_t mark = mzv_mark(s);
    args->n_sums = group.n;
    args->n_rotations = args->has_key = 0;
    args->adds = group.of->accumulate;
    for (uint32_t g = 0; g < 2 * group.n; g++) args->r[g] = target(group.r[2 * group.first + g]);
    for (uint32_t i = 0; i < group.of->n_rotations; i++) {
        if (!is_used(group, i)) continue;
        MZV_TRY(append_rotation(s, args, group, i));
        if (args->n_rotations < rotations_at_once(group, args->n_digits)) continue;
        MZV_TRY(launch_group(s, args));
        mzv_release(s, mark); /* the stream has passed the weights when it comes to the next ones */
    }
    const bool is_rest = args->n_rotations != 0 || !args->adds; /* a sum of nothing is 0 */
    if (is_rest) MZV_TRY(launch_group(s, args));
    mzv_release(s, mark);
    return MZV_OK;
}

bool any_integers(const mzv_rotations *of) {
    bool any = false;
    for (size_t i = 0; i < static_cast<size_t>(of->n_sums) * of->n_rotations; i++)
        any = any || (of->w[i].rows == nullptr && of->w[i].integers != nullptr);
    return any;
}

mzv_status sum_all(mzv_stream *s, const mzv_poly *r, const mzv_rotations *of) {
    RotationArgs args = {};
    args.primes = backend_of(s)->device_tables.primes;
    args.log_n = s->log_n;
    args.batch = r[0].batch;
    args.n_digits = of->n_digits;
    args.n_special = r[0].basis.n_p;
    args.rows = rows_of(tables_of(s), r[0].basis);
    for (uint32_t i = args.n_special; i < args.rows.n; i++) args.c[i] = of->c[i - args.n_special];
    for (uint32_t j = 0; j < of->n_digits; j++) args.d[j] = source(of->d[j]);
    for (uint32_t t = 0; t < 2; t++) args.a[t] = source(of->a[t]);
    const bool lifts = any_integers(of);
    /* Scratch: four polynomials like r and one of a batch of 1, as the composition takes. */
    const uint32_t n_at_once = lifts ? smaller(kMaxSums, 4 * args.batch + 1) : kMaxSums;
    for (uint32_t first = 0; first < of->n_sums; first += n_at_once)
        MZV_TRY(sum_group(s, &args, { of, r, first, smaller(n_at_once, of->n_sums - first), lifts }));
    return MZV_OK;
}

} // namespace

mzv_status mzv_cuda_rotation_sums(mzv_stream *s, mzv_poly *r, const mzv_rotations *of) {
    if (of->n_digits > MZV_MAX_DIGITS) return mzv_fused_rotation_sums(s, r, of);
    MZV_TRY(enter(s));
    const size_t mark = mzv_mark(s);
    const mzv_status status = sum_all(s, r, of);
    mzv_release(s, mark);
    return status;
}
