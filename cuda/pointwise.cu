/* Level 1: word by word. Two words a thread, read and written as 16 bytes; grid: x over a row, y over rows,
 * z over the batch. */
#include "device.cuh"
#include "modarith.cuh"

using namespace mzv_cuda;

namespace {

constexpr uint32_t kThreads = 256;

struct Add {
    static constexpr bool kReadsResult = false;
    __device__ static uint64_t word(uint64_t, uint64_t a, uint64_t b, const Prime &m) {
        return add_mod(a, b, m.p);
    }
};
struct Sub {
    static constexpr bool kReadsResult = false;
    __device__ static uint64_t word(uint64_t, uint64_t a, uint64_t b, const Prime &m) {
        return sub_mod(a, b, m.p);
    }
};
struct Mul {
    static constexpr bool kReadsResult = false;
    __device__ static uint64_t word(uint64_t, uint64_t a, uint64_t b, const Prime &m) {
        return mul_mod(a, b, m);
    }
};
struct MulAdd {
    static constexpr bool kReadsResult = true;
    __device__ static uint64_t word(uint64_t r, uint64_t a, uint64_t b, const Prime &m) {
        return reduce_product(static_cast<u128>(a) * b + r, m); /* <= (p-1)^2 + p-1 < 2^(2k) */
    }
};
struct Copy {
    static constexpr bool kReadsResult = false;
    __device__ static uint64_t word(uint64_t, uint64_t a, const Factor &, uint64_t) { return a; }
};
struct MulConst {
    static constexpr bool kReadsResult = false;
    __device__ static uint64_t word(uint64_t, uint64_t a, const Factor &c, uint64_t p) {
        return mul_factor(a, c, p);
    }
};
struct MulConstAdd {
    static constexpr bool kReadsResult = true;
    __device__ static uint64_t word(uint64_t r, uint64_t a, const Factor &c, uint64_t p) {
        return add_mod(r, mul_factor(a, c, p), p);
    }
};
/* The constant polynomial c is c in every value. */
struct AddConst {
    static constexpr bool kReadsResult = false;
    __device__ static uint64_t word(uint64_t, uint64_t a, const Factor &c, uint64_t p) {
        return add_mod(a, c.w, p);
    }
};

struct BinaryArgs {
    Target r;
    Source a, b;
    const Prime *primes;
    uint32_t log_n;
    Rows rows;
};

struct ConstantArgs {
    Target r;
    Source a;
    const Prime *primes;
    uint32_t log_n;
    Rows rows;
    Factors c;
};

/* This thread's pair of words in row `row` of polynomial blockIdx.z. */
__device__ __forceinline__ size_t pair_index(size_t stride, uint32_t row, uint32_t log_n) {
    const uint32_t pair = blockIdx.x * blockDim.x + threadIdx.x;
    return blockIdx.z * stride + (static_cast<size_t>(row) << log_n) + 2 * static_cast<size_t>(pair);
}
__device__ __forceinline__ ulonglong2 load_pair(const uint64_t *at) {
    return *reinterpret_cast<const ulonglong2 *>(at);
}

template <class Op> __global__ void binary_kernel(const __grid_constant__ BinaryArgs args) {
    const uint32_t i = blockIdx.y;
    const Prime &m = args.primes[args.rows.prime[i]];
    uint64_t *r = args.r.base + pair_index(args.r.stride, args.rows.dst[i], args.log_n);
    const ulonglong2 a = load_pair(args.a.base + pair_index(args.a.stride, args.rows.src[i], args.log_n));
    const ulonglong2 b = load_pair(args.b.base + pair_index(args.b.stride, args.rows.src[i], args.log_n));
    ulonglong2 z = { 0, 0 };
    if (Op::kReadsResult) z = load_pair(r);
    z.x = Op::word(z.x, a.x, b.x, m);
    z.y = Op::word(z.y, a.y, b.y, m);
    *reinterpret_cast<ulonglong2 *>(r) = z;
}

template <class Op> __global__ void constant_kernel(const __grid_constant__ ConstantArgs args) {
    const uint32_t i = blockIdx.y;
    const uint64_t p = args.primes[args.rows.prime[i]].p;
    const Factor c = args.c.f[i];
    uint64_t *r = args.r.base + pair_index(args.r.stride, args.rows.dst[i], args.log_n);
    const ulonglong2 a = load_pair(args.a.base + pair_index(args.a.stride, args.rows.src[i], args.log_n));
    ulonglong2 z = { 0, 0 };
    if (Op::kReadsResult) z = load_pair(r);
    z.x = Op::word(z.x, a.x, c, p);
    z.y = Op::word(z.y, a.y, c, p);
    *reinterpret_cast<ulonglong2 *>(r) = z;
}

Shape shape_of(uint32_t log_n, const Rows &rows, uint32_t batch) {
    return { dim3((1u << log_n) / (2 * kThreads), rows.n, batch), kThreads, 0 };
}
static_assert((1u << MZV_CUDA_MIN_LOG_N) % (2 * kThreads) == 0, "a row is a whole number of blocks");

template <class Op> mzv_status binary(const char *op, mzv_stream *s, mzv_poly r, mzv_cpoly a, mzv_cpoly b) {
    MZV_TRY(enter(s));
    const BinaryArgs args = { target(r), source(a),
                              source(b), backend_of(s)->device_tables.primes,
                              s->log_n,  rows_of(tables_of(s), r.basis) };
    return launch(op, binary_kernel<Op>, shape_of(s->log_n, args.rows, r.batch), stream_of(s)->queue, args);
}

/* c: one canonical constant per row of r, or NULL where the operation has none. */
template <class Op>
mzv_status constant(const char *op, mzv_stream *s, mzv_poly r, mzv_cpoly a, const uint64_t *c) {
    MZV_TRY(enter(s));
    const mzv_cuda_tables &tables = tables_of(s);
    ConstantArgs args = {
        target(r), source(a), backend_of(s)->device_tables.primes, s->log_n, rows_of(tables, r.basis), {}
    };
    for (uint32_t i = 0; c != nullptr && i < args.rows.n; i++)
        args.c.f[i] = mzv_factor_make(c[i], tables.modulus[args.rows.prime[i]]);
    return launch(op, constant_kernel<Op>, shape_of(s->log_n, args.rows, r.batch), stream_of(s)->queue, args);
}

} // namespace

mzv_status mzv_cuda::copy_rows(mzv_stream *s, Target r, Source a, const Rows &rows, uint32_t batch) {
    const ConstantArgs args = { r, a, backend_of(s)->device_tables.primes, s->log_n, rows, {} };
    return launch("copy", constant_kernel<Copy>, shape_of(s->log_n, rows, batch), stream_of(s)->queue, args);
}

mzv_status mzv_cuda_copy(mzv_stream *s, mzv_poly r, mzv_cpoly a) {
    return constant<Copy>("copy", s, r, a, nullptr);
}
mzv_status mzv_cuda_add(mzv_stream *s, mzv_poly r, mzv_cpoly a, mzv_cpoly b) {
    return binary<Add>("add", s, r, a, b);
}
mzv_status mzv_cuda_sub(mzv_stream *s, mzv_poly r, mzv_cpoly a, mzv_cpoly b) {
    return binary<Sub>("sub", s, r, a, b);
}
mzv_status mzv_cuda_mul(mzv_stream *s, mzv_poly r, mzv_cpoly a, mzv_cpoly b) {
    return binary<Mul>("mul", s, r, a, b);
}
mzv_status mzv_cuda_mul_add(mzv_stream *s, mzv_poly r, mzv_cpoly a, mzv_cpoly b) {
    return binary<MulAdd>("mul_add", s, r, a, b);
}
mzv_status mzv_cuda_mul_const(mzv_stream *s, mzv_poly r, mzv_cpoly a, const uint64_t *c) {
    return constant<MulConst>("mul_const", s, r, a, c);
}
mzv_status mzv_cuda_mul_const_add(mzv_stream *s, mzv_poly r, mzv_cpoly a, const uint64_t *c) {
    return constant<MulConstAdd>("mul_const_add", s, r, a, c);
}
mzv_status mzv_cuda_add_const(mzv_stream *s, mzv_poly r, mzv_cpoly a, const uint64_t *c) {
    return constant<AddConst>("add_const", s, r, a, c);
}
