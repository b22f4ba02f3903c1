/* Level 3: changes of basis. [HPS18, 2.2], [CHKKS18b, 3.1]
 *
 * With y_f = [a (F/f)^-1]_f centred, the conversion is
 *     conv_t = sum_f y_f (F/f) = F (sum_f y_f f^-1)   mod t.
 * The bracket needs one table of f^-1 mod t that serves every basis. mod_up multiplies by F; in mod_down D
 * cancels: r = (a - D (...)) D^-1 = a D^-1 - (...)   mod t. Kernels hold digits shifted to be unsigned: z_f =
 * y_f + (f - 1)/2, and start their sums with - sum_f (f - 1)/2 f^-1.
 *
 * Both are three kernels: the inverse pass along the rows of the sources, strips of columns (strip.cuh), and
 * the forward pass along the rows, which finishes. Where a strip does not fit in shared memory, whole
 * transforms go before and after a conversion word by word. */
#include "modarith.cuh"
#include "strip.cuh"

using namespace mzv_cuda;

namespace {

constexpr uint32_t kThreads = 256;
constexpr uint32_t kOutputs = 4; /* rows of output a thread computes from one reading of the inputs */

struct ConvertArgs {
    Target r;
    Source y; /* rows 0 .. from.n-1 */
    DeviceTables tables;
    uint32_t log_n;
    Rows from, to;
    Factors scale; /* per entry of `to` */
};

__device__ __forceinline__ size_t row_start(size_t stride, uint32_t row, uint32_t log_n) {
    return blockIdx.z * stride + (static_cast<size_t>(row) << log_n);
}

/* r = scale (sum_f y_f f^-1 - c), y_f in [0, f), c the number of them above f/2. At most 64 products below
 * 2^122: the sum stays below 2^128. */
__global__ void convert_kernel(const __grid_constant__ ConvertArgs args) {
    const uint32_t k = blockIdx.x * blockDim.x + threadIdx.x, first = blockIdx.y * kOutputs;
    u128 sum[kOutputs] = {};
    uint32_t n_negative = 0; /* c */
    for (uint32_t i = 0; i < args.from.n; i++) {
        const uint32_t f = args.from.prime[i];
        const uint64_t y = args.y.base[row_start(args.y.stride, i, args.log_n) + k];
        n_negative += y > args.tables.primes[f].p >> 1;
        const uint64_t *inverse = args.tables.inverse + static_cast<size_t>(f) * args.tables.n_primes;
#pragma unroll
        for (uint32_t o = 0; o < kOutputs; o++)
            if (first + o < args.to.n) sum[o] += static_cast<u128>(y) * inverse[args.to.prime[first + o]];
    }
#pragma unroll
    for (uint32_t o = 0; o < kOutputs; o++) {
        const uint32_t i = first + o;
        if (i >= args.to.n) continue;
        const Prime &m = args.tables.primes[args.to.prime[i]];
        const uint64_t bracket = sub_mod(reduce_wide(sum[o], m), n_negative, m.p); /* c <= 64 < 2N < p */
        args.r.base[row_start(args.r.stride, args.to.dst[i], args.log_n) + k] =
            mul_factor(bracket, args.scale.f[i], m.p);
    }
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

Factors ones(const mzv_cuda_tables &tables, const Rows &rows) {
    Factors out = {};
    for (uint32_t i = 0; i < rows.n; i++) out.f[i] = tables.prime[rows.prime[i]].one;
    return out;
}

mzv_basis rows_only(uint32_t n) { return { 0, 0, static_cast<uint16_t>(n) }; }

/* The sources in y, after the inverse pass along the rows, to rows `to` of r, before the forward one. */
mzv_status convert_whole_rows(mzv_stream *s, mzv_poly r, mzv_poly y, const Rows &from, const Rows &to,
                              bool multiplies) {
    const Backend *be = backend_of(s);
    const Ranges sources = runs_of(from);
    const ConvertArgs args = { target(r),
                               { y.base, y.stride },
                               be->device_tables,
                               s->log_n,
                               from,
                               to,
                               multiplies ? products(be->tables, to, sources, mzv_cuda_range_product)
                                          : ones(be->tables, to) };
    const Shape shape = { dim3((1u << s->log_n) / kThreads, (to.n + kOutputs - 1) / kOutputs, r.batch),
                          kThreads, 0 };
    MZV_TRY(inverse_columns(s, target(y), from, hat_inverses(be->tables, from, sources), r.batch));
    MZV_TRY(launch("convert", convert_kernel, shape, stream_of(s)->queue, args));
    return forward_columns(s, target(r), { r.base, r.stride }, false, in_place(to), r.batch);
}

/* Rows `from` of a to rows `to` of r: words before the forward pass along the rows. `multiplies`: by F. */
mzv_status convert(mzv_stream *s, mzv_poly r, mzv_cpoly a, const Rows &from, const Rows &to,
                   bool multiplies) {
    mzv_poly y;
    MZV_TRY(mzv_take(s, &y, r.batch, rows_only(from.n)));
    MZV_TRY(inverse_rows(s, target(y), source(a), from, r.batch));
    if (!strip_fits(backend_of(s), from.n)) return convert_whole_rows(s, r, y, from, to, multiplies);
    StripArgs args = { target(r), { y.base, y.stride }, 0, multiplies, 1, {} };
    args.conversion[0] = { runs_of(from), runs_of(to) };
    return convert_strips(s, args, r.batch);
}

mzv_status mod_up(mzv_stream *s, mzv_poly r, mzv_cpoly a) {
    Rows kept, made;
    split_rows(tables_of(s), r.basis, a.basis, &kept, &made);
    if (made.n == 0) return copy_rows(s, target(r), source(a), kept, r.batch);
    MZV_TRY(convert(s, r, a, rows_of(tables_of(s), a.basis), made, true));
    return forward_rows(s, target(r), made, kept, source(a), r.batch);
}

/* The conversion is built in r, which does not overlap a. */
mzv_status mod_down(mzv_stream *s, mzv_poly r, mzv_cpoly a) {
    const mzv_cuda_tables &tables = tables_of(s);
    Rows kept, dropped;
    split_rows(tables, a.basis, r.basis, &kept, &dropped); /* kept: src in r, dst in a */
    const Rows from = packed(dropped);
    Rows to = rows_of(tables, r.basis);
    if (from.n == 0) return copy_rows(s, target(r), source(a), to, r.batch);
    MZV_TRY(convert(s, r, a, from, to, false));
    for (uint32_t i = 0; i < to.n; i++) to.src[i] = kept.dst[i];
    Finish finish = {};
    finish.x = { r.base, r.stride };
    finish.r[0] = target(r);
    finish.a[0] = source(a);
    finish.n_halves = finish.galois = 1;
    finish.rows = to;
    finish.scale = products(tables, to, runs_of(from), mzv_cuda_range_inverse);
    return finish_rows(s, finish, r.batch);
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
