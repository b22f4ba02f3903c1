/* Hybrid key switching [HK20, 3.2] in five launches for all digits, both halves and the whole batch:
 *   1. inverse pass along the rows of d;
 *   2. strips (strip.cu): digits lifted to P Q_l, before the forward pass along the rows;
 *   3. forward pass along the rows of all digits, inner product with the key, plus P add; the primes that are
 *      dropped go straight on into the inverse pass along the rows;
 *   4. strips: what is dropped, converted to the primes that stay;
 *   5. forward pass along the rows, the division, the automorphism on the way to memory.
 * Digits that are kept start at 3; where r has all primes of the key 3 is the last. */
#include "pass.cuh"
#include "permute.cuh"
#include "strip.cuh"
#include "backend/fused.h"

using namespace mzv_cuda;

namespace {

constexpr uint32_t kSettleEvery = 8; /* products: see times in Fp64Arith; 8 of 0.63 p and 0.5 p before */

struct KeyArgs {
    Target kept[2]; /* residues of half t; they are results where nothing is dropped */
    Target dropped; /* polynomial t * batch + b: words after the inverse pass */
    Source d;
    Source lifted; /* digit j at j * lifted_step: words before the forward pass */
    size_t lifted_step;
    Source digits[MZV_MAX_DIGITS]; /* of values, in place of d and lifted where they are kept */
    Source key[2 * MZV_MAX_DIGITS];
    Source add[2];         /* no base: zero */
    bool adds_extended[2]; /* over the rows of P Q_l, as it is; else over those of Q_l, times P */
    const Prime *primes;
    uint32_t log_n, batch, n_digits, n_special;
    uint32_t inverse; /* of galois modulo 2N, for results */
    bool has_digits, accumulates;
    uint64_t is_dropped; /* bit i: row i */
    Rows rows;           /* of P Q_l; dst: the row in `kept` or `dropped` */
    Factors special;     /* P modulo the primes */
};

__device__ __forceinline__ size_t row_start(size_t stride, uint32_t number, uint32_t row, uint32_t log_n) {
    return number * stride + (static_cast<size_t>(row) << log_n);
}

/* Values of digit j of polynomial b in row i, settled or residues. */
template <class A>
__device__ __forceinline__ void load_digit(const A &arith, typename A::Word (&x)[Row::kWords],
                                           const KeyArgs &args, const Prime &m, uint32_t j, uint32_t b,
                                           const RowPlace &at, typename A::Word *shared) {
    const uint32_t i = blockIdx.y, own = args.n_special * (j + 1); /* row of the digit's first limb */
    if (args.has_digits || (i >= own && i < own + args.n_special)) {
        const Source &values = args.has_digits ? args.digits[j] : args.d;
        const uint32_t row = args.has_digits ? i : i - args.n_special;
        const uint64_t *a = values.base + row_start(values.stride, b, row, args.log_n);
#pragma unroll
        for (int u = 0; u < Row::kWords; u++) x[u] = arith.load(a[at.word(u)]);
        return;
    }
    const uint64_t *a =
        args.lifted.base + j * args.lifted_step + row_start(args.lifted.stride, b, i, args.log_n);
#pragma unroll
    for (int u = 0; u < Row::kWords; u++) x[u] = arith.unpack(a[at.word(u)]);
    forward_row<A>(arith, x, at.place(shared), m, at.root(args.log_n));
#pragma unroll
    for (int u = 0; u < Row::kWords; u++) x[u] = arith.settle(x[u]);
}

/* sum[t] += x . key[t] */
template <class A>
__device__ __forceinline__ void add_products(const A &arith, typename A::Word (&sum)[2][Row::kWords],
                                             const typename A::Word (&x)[Row::kWords], const Source *key,
                                             size_t row, uint32_t b, const RowPlace &at) {
#pragma unroll
    for (int t = 0; t < 2; t++) {
        const uint64_t *k = key[t].base + b * key[t].stride + row;
#pragma unroll
        for (int u = 0; u < Row::kWords; u++)
            sum[t][u] = arith.plus(sum[t][u], arith.times(x[u], arith.load(__ldg(k + at.word(u)))));
    }
}

/* sum += A[t] */
template <class A>
__device__ __forceinline__ void add_other(const A &arith, typename A::Word (&sum)[Row::kWords],
                                          const KeyArgs &args, uint32_t t, uint32_t b, const RowPlace &at) {
    const uint32_t i = blockIdx.y;
    const Source &add = args.add[t];
    if (add.base == nullptr || (!args.adds_extended[t] && i < args.n_special)) return;
    const uint32_t row = args.adds_extended[t] ? i : i - args.n_special;
    const uint64_t *a = add.base + row_start(add.stride, b, row, args.log_n);
    const typename A::Word special = arith.constant(args.special.f[i].w);
#pragma unroll
    for (int u = 0; u < Row::kWords; u++) {
        const typename A::Word x = arith.load(a[at.word(u)]);
        sum[u] = arith.plus(sum[u], args.adds_extended[t] ? x : arith.times(x, special));
    }
}

/* sum + A[t], to memory. */
template <class A>
__device__ __forceinline__ void store_sum(const A &arith, typename A::Word (&sum)[Row::kWords],
                                          const KeyArgs &args, const Prime &m, uint32_t t, uint32_t b,
                                          const RowPlace &at, typename A::Word *shared) {
    const uint32_t i = blockIdx.y, number = t * args.batch + b, row = args.rows.dst[i];
    add_other(arith, sum, args, t, b, at);
    if (args.is_dropped >> i & 1) {
        uint64_t *r = args.dropped.base + row_start(args.dropped.stride, number, row, args.log_n);
#pragma unroll
        for (int u = 0; u < Row::kWords; u++) sum[u] = arith.settle(sum[u]);
        inverse_row<A>(arith, sum, at.place(shared), m, at.root(args.log_n));
#pragma unroll
        for (int u = 0; u < Row::kWords; u++) r[at.word(u)] = arith.pack(sum[u]);
        return;
    }
    uint64_t *r = args.kept[t].base + row_start(args.kept[t].stride, b, row, args.log_n);
#pragma unroll
    for (int u = 0; u < Row::kWords; u++) {
        uint64_t *to = r + permuted(at.word(u), args.log_n, args.inverse);
        const uint64_t x = arith.canonical(sum[u]);
        *to = args.accumulates ? add_mod(*to, x, m.p) : x;
    }
}

/* The batch is innermost, so that its polynomials find twiddles and key in the caches. */
template <class A>
__global__ __launch_bounds__(kRowThreads, 3) void key_rows_kernel(const __grid_constant__ KeyArgs args) {
    MZV_CUDA_SHARED(typename A::Word, shared);
    const Prime &m = args.primes[args.rows.prime[blockIdx.y]];
    const A arith(m);
    const RowPlace at;
    const size_t row = static_cast<size_t>(blockIdx.y) << args.log_n;
    for (uint32_t b = 0; b < args.batch; b++) {
        typename A::Word sum[2][Row::kWords] = {};
#pragma unroll 1
        for (uint32_t j = 0; j < args.n_digits; j++) {
            typename A::Word x[Row::kWords];
            load_digit(arith, x, args, m, j, b, at, shared);
            if (j != 0 && j % kSettleEvery == 0) {
#pragma unroll
                for (int u = 0; u < 2 * Row::kWords; u++)
                    sum[u / Row::kWords][u % Row::kWords] =
                        arith.settle(sum[u / Row::kWords][u % Row::kWords]);
            }
            add_products(arith, sum, x, args.key + 2 * j, row, b, at);
        }
        store_sum(arith, sum[0], args, m, 0, b, at, shared);
        store_sum(arith, sum[1], args, m, 1, b, at, shared);
    }
}

/* The operation as its steps see it. */
struct Switch {
    const mzv_poly *r;
    mzv_cpoly d;
    const mzv_switch *with;
    mzv_basis extended;
    uint32_t batch;
    Rows dropped; /* src: row modulo P Q_l, dst: 0, 1, ... */
    Target kept[2], y, lifted;
    size_t lifted_step;
};

mzv_status take_polys(mzv_stream *s, Target *out, uint32_t n, uint32_t n_rows) {
    const size_t stride = static_cast<size_t>(n_rows) << s->log_n;
    out->stride = stride;
    return mzv_take_words(s, &out->base, n * stride);
}

Source read(Target a) { return { a.base, a.stride }; }

/* Steps 1 and 2. */
mzv_status lift_digits(mzv_stream *s, Switch *k) {
    const mzv_cuda_tables &tables = tables_of(s);
    Target y;
    MZV_TRY(take_polys(s, &y, k->batch, k->d.basis.n_q));
    MZV_TRY(take_polys(s, &k->lifted, k->with->n_digits * k->batch, mzv_basis_size(k->extended)));
    k->lifted_step = k->batch * k->lifted.stride;
    StripArgs args = { k->lifted, read(y), k->lifted_step, true, k->with->n_digits, {} };
    for (uint32_t j = 0; j < args.n; j++) {
        const mzv_basis digit = mzv_fused_digit(k->d, j, k->extended.n_p, s->log_n).basis;
        Rows from = rows_of(tables, digit), own, made;
        for (uint32_t i = 0; i < from.n; i++) from.dst[i] += static_cast<uint8_t>(j * k->extended.n_p);
        split_rows(tables, k->extended, digit, &own, &made);
        args.conversion[j] = { runs_of(from), runs_of(made) };
    }
    MZV_TRY(inverse_rows(s, y, source(k->d), rows_of(tables, k->d.basis), k->batch));
    return convert_strips(s, args, k->batch);
}

void fill_operands(KeyArgs *args, const Switch &k) {
    const mzv_switch &with = *k.with;
    args->has_digits = with.digits != nullptr;
    args->d = source(k.d);
    for (uint32_t j = 0; j < with.n_digits; j++) {
        if (args->has_digits) args->digits[j] = source(with.digits[j]);
        for (uint32_t t = 0; t < 2; t++) args->key[2 * j + t] = source(with.key[2 * j + t]);
    }
    for (uint32_t t = 0; with.add != nullptr && t < 2; t++) {
        args->add[t] = source(with.add[t]);
        args->adds_extended[t] = with.add[t].basis.n_p != 0;
    }
}

/* Step 3. */
mzv_status multiply(mzv_stream *s, const Switch &k) {
    const mzv_cuda_tables &tables = tables_of(s);
    KeyArgs args = {};
    fill_operands(&args, k);
    for (uint32_t t = 0; t < 2; t++) args.kept[t] = k.kept[t];
    args.inverse = odd_inverse(k.dropped.n == 0 ? k.with->galois : 1);
    args.accumulates = k.dropped.n == 0 && k.with->accumulate;
    args.dropped = k.y;
    args.lifted = read(k.lifted);
    args.lifted_step = k.lifted_step;
    args.primes = backend_of(s)->device_tables.primes;
    args.log_n = s->log_n;
    args.batch = k.batch;
    args.n_digits = k.with->n_digits;
    args.n_special = k.extended.n_p;
    args.rows = rows_of(tables, k.extended);
    for (uint32_t i = 0; i < args.rows.n; i++)
        args.rows.dst[i] = static_cast<uint8_t>(find_row(tables, k.r[0].basis, args.rows.prime[i]));
    for (uint32_t i = 0; i < k.dropped.n; i++) {
        args.rows.dst[k.dropped.src[i]] = k.dropped.dst[i];
        args.is_dropped |= uint64_t(1) << k.dropped.src[i];
    }
    const mzv_basis special = { k.extended.n_p, 0, 0 };
    args.special = products(tables, args.rows, runs_of(rows_of(tables, special)), mzv_cuda_range_product);
    return launch("key_switch", tables.fp64 ? key_rows_kernel<Fp64Arith> : key_rows_kernel<IntegerArith>,
                  row_shape(s->log_n, args.rows.n, 1), stream_of(s)->queue, args);
}

/* Steps 4 and 5. */
mzv_status divide(mzv_stream *s, const Switch &k) {
    const mzv_cuda_tables &tables = tables_of(s);
    const Rows to = rows_of(tables, k.r[0].basis);
    const Ranges sources = runs_of(k.dropped);
    Target x;
    MZV_TRY(take_polys(s, &x, 2 * k.batch, to.n));
    StripArgs strips = { x, read(k.y), 0, false, 1, {} };
    strips.conversion[0] = { sources, runs_of(to) };
    MZV_TRY(convert_strips(s, strips, 2 * k.batch));
    Finish finish = {};
    finish.x = read(x);
    for (uint32_t t = 0; t < 2; t++) {
        finish.r[t] = target(k.r[t]);
        finish.a[t] = read(k.kept[t]);
    }
    finish.n_halves = 2;
    finish.galois = k.with->galois;
    finish.accumulates = k.with->accumulate;
    finish.rows = to;
    finish.scale = products(tables, to, sources, mzv_cuda_range_inverse);
    return finish_rows(s, finish, k.batch);
}

mzv_status key_switch(mzv_stream *s, Switch *k) {
    const bool divides = k->dropped.n != 0;
    for (uint32_t t = 0; t < 2; t++) {
        k->kept[t] = target(k->r[t]);
        if (divides) MZV_TRY(take_polys(s, &k->kept[t], k->batch, mzv_basis_size(k->r[0].basis)));
    }
    if (divides) MZV_TRY(take_polys(s, &k->y, 2 * k->batch, k->dropped.n));
    const size_t mark = mzv_mark(s);
    if (k->with->digits == nullptr) MZV_TRY(lift_digits(s, k));
    MZV_TRY(multiply(s, *k));
    mzv_release(s, mark); /* the stream has passed the digits when it comes to what is taken next */
    return divides ? divide(s, *k) : MZV_OK;
}

} // namespace

mzv_status mzv_cuda_key_switch(mzv_stream *s, mzv_poly r[2], mzv_cpoly d, const mzv_switch *with) {
    MZV_TRY(enter(s));
    Switch k = {};
    k.r = r;
    k.d = d;
    k.with = with;
    k.extended = with->key[0].basis;
    k.batch = r[0].batch;
    Rows kept, dropped;
    split_rows(tables_of(s), k.extended, r[0].basis, &kept, &dropped);
    k.dropped = packed(dropped);
    const uint32_t n_special = k.extended.n_p, n_sources = k.dropped.n > n_special ? k.dropped.n : n_special;
    if (!strip_fits(backend_of(s), n_sources)) /* digits have as many as there are special primes */
        return mzv_fused_key_switch(s, r, d, with);
    const size_t mark = mzv_mark(s);
    const mzv_status status = key_switch(s, &k);
    mzv_release(s, mark);
    return status;
}
