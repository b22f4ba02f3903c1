/* Level 3: changes of basis, and lift. [HPS18, 2.2], [CHKKS18b, 3.1]
 *
 * With y_f = [a (F/f)^-1]_f in [0, f) and c the number of f with y_f > f/2, the centred conversion is
 *     conv_t = sum_f (y_f - f [y_f > f/2]) (F/f) = F (sum_f y_f f^-1 - c)   mod t.
 * The kernel computes the bracket from one table of f^-1 mod t that serves every basis: one 128-bit sum and
 * one reduction per output. mod_up multiplies by F; in mod_down D cancels: r = (a - D (...)) D^-1 = a D^-1 -
 * (...)   mod t. */
#include "device.cuh"
#include "modarith.cuh"

using namespace mzv_cuda;

namespace {

constexpr uint32_t kThreads = 256;
constexpr uint32_t kOutputs = 4; /* rows of output a thread computes from one reading of the inputs */

struct ConvertArgs {
    Target r;
    Source y; /* rows 0 .. from.n-1 */
    const Prime *primes;
    const uint64_t *inverse; /* [f][t], n_primes apart */
    uint32_t n_primes, log_n;
    Rows from, to;
    Factors scale; /* per entry of `to` */
};

struct FinishArgs {
    Target r;
    Source a;
    const Prime *primes;
    uint32_t log_n;
    Rows rows;
    Factors scale;
};

struct LiftArgs {
    Target r;
    const int64_t *v;
    size_t stride;
    const Prime *primes;
    uint32_t log_n;
    Rows rows;
};

__device__ __forceinline__ uint32_t word_index() { return blockIdx.x * blockDim.x + threadIdx.x; }
__device__ __forceinline__ size_t row_start(size_t stride, uint32_t row, uint32_t log_n) {
    return blockIdx.z * stride + (static_cast<size_t>(row) << log_n);
}

/* r = scale (sum_f y_f f^-1 - c). At most 64 products below 2^122: the sum stays below 2^128. */
__global__ void convert_kernel(const __grid_constant__ ConvertArgs args) {
    const uint32_t k = word_index(), first = blockIdx.y * kOutputs;
    u128 sum[kOutputs] = {};
    uint32_t n_negative = 0; /* c */
    for (uint32_t i = 0; i < args.from.n; i++) {
        const uint32_t f = args.from.prime[i];
        const uint64_t y = args.y.base[row_start(args.y.stride, i, args.log_n) + k];
        n_negative += y > args.primes[f].p >> 1;
        const uint64_t *inverse = args.inverse + static_cast<size_t>(f) * args.n_primes;
#pragma unroll
        for (uint32_t o = 0; o < kOutputs; o++)
            if (first + o < args.to.n) sum[o] += static_cast<u128>(y) * inverse[args.to.prime[first + o]];
    }
#pragma unroll
    for (uint32_t o = 0; o < kOutputs; o++) {
        const uint32_t i = first + o;
        if (i >= args.to.n) continue;
        const Prime &m = args.primes[args.to.prime[i]];
        const uint64_t bracket = sub_mod(reduce_wide(sum[o], m), n_negative, m.p); /* c <= 64 < 2N < p */
        args.r.base[row_start(args.r.stride, args.to.dst[i], args.log_n) + k] =
            mul_factor(bracket, args.scale.f[i], m.p);
    }
}

/* r = scale a - r. */
__global__ void finish_kernel(const __grid_constant__ FinishArgs args) {
    const uint32_t i = blockIdx.y, k = word_index();
    const uint64_t p = args.primes[args.rows.prime[i]].p;
    const uint64_t a = args.a.base[row_start(args.a.stride, args.rows.src[i], args.log_n) + k];
    uint64_t *r = args.r.base + row_start(args.r.stride, args.rows.dst[i], args.log_n) + k;
    *r = sub_mod(mul_factor(a, args.scale.f[i], p), *r, p);
}

__global__ void lift_kernel(const __grid_constant__ LiftArgs args) {
    const uint32_t i = blockIdx.y, k = word_index();
    const Prime &m = args.primes[args.rows.prime[i]];
    const int64_t v = args.v[blockIdx.z * args.stride + k];
    const uint64_t magnitude = v < 0 ? 0 - static_cast<uint64_t>(v) : static_cast<uint64_t>(v);
    const uint64_t x = mul_factor(magnitude, m.one, m.p);
    args.r.base[row_start(args.r.stride, args.rows.dst[i], args.log_n) + k] = v < 0 ? sub_mod(0, x, m.p) : x;
}

Shape shape_of(uint32_t log_n, uint32_t n_rows, uint32_t batch) {
    return { dim3((1u << log_n) / kThreads, n_rows, batch), kThreads, 0 };
}

/* A set of primes as up to three ranges of indices in the chain. */
struct Ranges {
    uint32_t n, begin[3], end[3];
};

void append_range(Ranges &ranges, uint32_t begin, uint32_t end) {
    if (begin == end) return;
    ranges.begin[ranges.n] = begin;
    ranges.end[ranges.n] = end;
    ranges.n++;
}

Ranges ranges_of(const mzv_cuda_tables &tables, mzv_basis b) {
    Ranges ranges = {};
    append_range(ranges, 0, b.n_p);
    append_range(ranges, tables.n_p + b.q_first, tables.n_p + b.q_first + b.n_q);
    return ranges;
}

/* The primes of `from` that `to`, inside it, lacks. */
Ranges ranges_dropped(const mzv_cuda_tables &tables, mzv_basis from, mzv_basis to) {
    Ranges ranges = {};
    const uint32_t q = tables.n_p;
    if (to.n_q == 0) { /* wherever an empty range of q says it starts */
        append_range(ranges, to.n_p, from.n_p);
        append_range(ranges, q + from.q_first, q + from.q_first + from.n_q);
        return ranges;
    }
    append_range(ranges, to.n_p, from.n_p);
    append_range(ranges, q + from.q_first, q + to.q_first);
    append_range(ranges, q + to.q_first + to.n_q, q + from.q_first + from.n_q);
    return ranges;
}

using RangeFunction = uint64_t (*)(const mzv_cuda_tables *, uint32_t, uint32_t, uint32_t);

/* `start` times the product of f over all ranges, modulo prime t. */
mzv_factor product(const mzv_cuda_tables &tables, uint32_t t, const Ranges &ranges, RangeFunction f,
                   uint64_t start) {
    const mzv_modulus m = tables.modulus[t];
    for (uint32_t i = 0; i < ranges.n; i++)
        start = mzv_mod_mul(start, f(&tables, t, ranges.begin[i], ranges.end[i]), m);
    return mzv_factor_make(start, m);
}

/* N^-1 (F/f)^-1 mod f for every entry. */
Factors hat_inverses(const mzv_cuda_tables &tables, const Rows &rows, const Ranges &ranges) {
    Factors out = {};
    for (uint32_t i = 0; i < rows.n; i++) {
        const uint32_t f = rows.prime[i];
        out.f[i] = product(tables, f, ranges, mzv_cuda_range_inverse, tables.prime[f].n_inv.w);
    }
    return out;
}

Factors products(const mzv_cuda_tables &tables, const Rows &rows, const Ranges &ranges, RangeFunction f) {
    Factors out = {};
    for (uint32_t i = 0; i < rows.n; i++) out.f[i] = product(tables, rows.prime[i], ranges, f, 1);
    return out;
}

Factors ones(const mzv_cuda_tables &tables, const Rows &rows) {
    Factors out = {};
    for (uint32_t i = 0; i < rows.n; i++) out.f[i] = tables.prime[rows.prime[i]].one;
    return out;
}

mzv_status convert(mzv_stream *s, Target r, mzv_cpoly y, const Rows &from, const Rows &to,
                   const Factors &scale) {
    const Backend *be = backend_of(s);
    const ConvertArgs args = { r,        source(y), be->primes, be->inverse, be->tables.n_primes,
                               s->log_n, from,      to,         scale };
    const Shape shape = shape_of(s->log_n, (to.n + kOutputs - 1) / kOutputs, y.batch);
    return launch("convert", convert_kernel, shape, stream_of(s)->queue, args);
}

/* Row of basis b that holds prime t, or the size of b. */
uint32_t find_row(const mzv_cuda_tables &tables, mzv_basis b, uint32_t t) {
    uint32_t i = 0;
    while (i < mzv_basis_size(b) && prime_of(tables, b, i) != t) i++;
    return i;
}

/* Rows of `wide` in both bases (src: row in narrow, dst: row in wide), and those in `wide` only (src = dst =
 * row in wide). */
void split_rows(const mzv_cuda_tables &tables, mzv_basis wide, mzv_basis narrow, Rows *both, Rows *rest) {
    *both = *rest = Rows();
    for (uint32_t i = 0; i < mzv_basis_size(wide); i++) {
        const uint32_t t = prime_of(tables, wide, i);
        const uint32_t row = find_row(tables, narrow, t);
        if (row < mzv_basis_size(narrow))
            append_row(*both, row, i, t);
        else
            append_row(*rest, i, i, t);
    }
}

/* The same entries, with rows numbered 0, 1, ... in the destination. */
Rows packed(const Rows &rows) {
    Rows out = rows;
    for (uint32_t i = 0; i < rows.n; i++) out.dst[i] = static_cast<uint8_t>(i);
    return out;
}

mzv_basis rows_only(uint32_t n) { return { 0, 0, static_cast<uint16_t>(n) }; }

mzv_status mod_up(mzv_stream *s, mzv_poly r, mzv_cpoly a) {
    const mzv_cuda_tables &tables = tables_of(s);
    const Rows from = rows_of(tables, a.basis);
    const Ranges ranges = ranges_of(tables, a.basis);
    Rows kept, made;
    split_rows(tables, r.basis, a.basis, &kept, &made);
    mzv_poly y;
    MZV_TRY(mzv_take(s, &y, r.batch, rows_only(from.n)));
    MZV_TRY(copy_rows(s, target(r), source(a), kept, r.batch));
    MZV_TRY(transform_inverse(s, target(y), source(a), from, hat_inverses(tables, from, ranges), r.batch));
    MZV_TRY(convert(s, target(r), mzv_view(y), from, made,
                    products(tables, made, ranges, mzv_cuda_range_product)));
    return transform_forward(s, target(r), made, r.batch);
}

/* The conversion is built in r, which does not overlap a. */
mzv_status mod_down(mzv_stream *s, mzv_poly r, mzv_cpoly a) {
    const mzv_cuda_tables &tables = tables_of(s);
    const Ranges dropped = ranges_dropped(tables, a.basis, r.basis);
    Rows kept, rest;
    split_rows(tables, a.basis, r.basis, &kept, &rest); /* kept: src in r, dst in a */
    const Rows from = packed(rest), to = rows_of(tables, r.basis);
    mzv_poly y;
    MZV_TRY(mzv_take(s, &y, r.batch, rows_only(from.n)));
    MZV_TRY(transform_inverse(s, target(y), source(a), from, hat_inverses(tables, from, dropped), r.batch));
    MZV_TRY(convert(s, target(r), mzv_view(y), from, to, ones(tables, to)));
    MZV_TRY(transform_forward(s, target(r), to, r.batch));
    FinishArgs args = { target(r), source(a), backend_of(s)->primes,
                        s->log_n,  to,        products(tables, to, dropped, mzv_cuda_range_inverse) };
    for (uint32_t i = 0; i < to.n; i++) args.rows.src[i] = kept.dst[i];
    return launch("mod_down", finish_kernel, shape_of(s->log_n, to.n, r.batch), stream_of(s)->queue, args);
}

} // namespace

mzv_status mzv_cuda_mod_up(mzv_stream *s, mzv_poly r, mzv_cpoly a) {
    MZV_TRY(enter(s));
    const size_t mark = mzv_mark(s);
    const mzv_status status = mod_up(s, r, a);
    mzv_release(s, mark);
    return status;
}

mzv_status mzv_cuda_mod_down(mzv_stream *s, mzv_poly r, mzv_cpoly a) {
    MZV_TRY(enter(s));
    const size_t mark = mzv_mark(s);
    const mzv_status status = mod_down(s, r, a);
    mzv_release(s, mark);
    return status;
}

mzv_status mzv_cuda_lift(mzv_stream *s, mzv_poly r, const int64_t *v, size_t stride) {
    MZV_TRY(enter(s));
    const LiftArgs args = { target(r), v,
                            stride,    backend_of(s)->primes,
                            s->log_n,  rows_of(tables_of(s), r.basis) };
    MZV_TRY(launch("lift", lift_kernel, shape_of(s->log_n, args.rows.n, r.batch), stream_of(s)->queue, args));
    return transform_forward(s, args.r, args.rows, r.batch);
}
