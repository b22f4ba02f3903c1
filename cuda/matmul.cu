/* Matrices of integers times columns of residues, exactly, in double precision: a residue below 2^50 is two
 * halves of 25 bits, a weight has 18, and sums have at most 1024 terms: 25 + 18 + 10 = 53 bits. Limb by limb:
 *   1. halves of all residues of one limb of `a`, as doubles: row i of x is low a_i, high a_i;
 *   2. c = w x by cuBLAS, both halves in one product;
 *   3. r_o = low c_o + 2^25 high c_o modulo the prime, added to what terms before the last 1024 gave. */
#include "blas.cuh"
#include "device.cuh"
#include "modarith.cuh"

using namespace mzv_cuda;

namespace {

constexpr uint32_t kThreads = 256;
constexpr uint32_t kHalfBits = 25;
constexpr size_t kWorkspaceBytes = 4 << 20; /* cuBLAS asks for 16 KiB at least */
constexpr uint32_t kMaxTerms = MZV_MATRIX_TERMS;

struct MatmulArgs {
    const uint64_t *a; /* the limb of polynomial 0 */
    size_t a_stride;
    uint64_t *r;
    size_t r_stride;
    double *x, *c; /* 2N doubles for each polynomial */
    const Prime *prime;
    uint32_t log_n;
    bool adds;
};

__device__ __forceinline__ uint32_t word() { return blockIdx.x * blockDim.x + threadIdx.x; }

/* v < 2^52, by its place under an exponent of 2^52. */
__device__ __forceinline__ double to_double(uint64_t v) {
    return __dadd_rn(__longlong_as_double(static_cast<long long>(v | 0x4330000000000000u)), -0x1p52);
}

__global__ void halves_kernel(const __grid_constant__ MatmulArgs args) {
    const uint64_t v = args.a[blockIdx.y * args.a_stride + word()];
    double *x = args.x + (static_cast<size_t>(2 * blockIdx.y) << args.log_n) + word();
    x[0] = to_double(v & ((1u << kHalfBits) - 1));
    x[size_t(1) << args.log_n] = to_double(v >> kHalfBits);
}

/* |low|, |high| <= 2^53: their sum in 128 bits. */
__global__ void combine_kernel(const __grid_constant__ MatmulArgs args) {
    const Prime &m = *args.prime;
    const double *c = args.c + (static_cast<size_t>(2 * blockIdx.y) << args.log_n) + word();
    const long long low = static_cast<long long>(c[0]),
                    high = static_cast<long long>(c[size_t(1) << args.log_n]);
    const __int128 sum = static_cast<__int128>(high) * (1 << kHalfBits) + low;
    const uint64_t size = reduce_wide(static_cast<u128>(sum < 0 ? -sum : sum), m);
    uint64_t *r = args.r + blockIdx.y * args.r_stride + word();
    const uint64_t before = args.adds ? *r : 0;
    *r = sum < 0 ? sub_mod(before, size, m.p) : add_mod(before, size, m.p);
}

Shape shape_of(uint32_t log_n, uint32_t n) { return { dim3((1u << log_n) / kThreads, n, 1), kThreads, 0 }; }

/* Terms first .. first + n - 1 of one limb. */
mzv_status add_terms(mzv_stream *s, MatmulArgs args, const mzv_matrix &w, uint32_t first, uint32_t n) {
    Stream *stream = stream_of(s);
    const size_t two_n = size_t(2) << s->log_n;
    args.a += first * args.a_stride;
    args.adds = first != 0;
    MZV_TRY(launch("matmul", halves_kernel, shape_of(s->log_n, n), stream->queue, args));
    /* By columns: x is 2N x n, the part of w is n x n_out. */
    const Gemm gemm = { static_cast<uint32_t>(two_n),
                        w.n_out,
                        n,
                        w.n_in,
                        args.x,
                        reinterpret_cast<const double *>(w.doubles) + first,
                        args.c };
    MZV_TRY(blas_gemm(stream->blas, gemm));
    return launch("matmul", combine_kernel, shape_of(s->log_n, w.n_out), stream->queue, args);
}

mzv_status matmul(mzv_stream *s, mzv_poly r, mzv_cpoly a, const mzv_matrix &w) {
    const mzv_cuda_tables &tables = tables_of(s);
    const uint32_t n_at_once = w.n_in < kMaxTerms ? w.n_in : kMaxTerms;
    const size_t two_n = size_t(2) << s->log_n;
    uint64_t *x = nullptr, *c = nullptr;
    MZV_TRY(mzv_take_words(s, &x, n_at_once * two_n));
    MZV_TRY(mzv_take_words(s, &c, w.n_out * two_n));
    for (uint32_t i = 0; i < mzv_basis_size(r.basis); i++) {
        const size_t row = static_cast<size_t>(i) << s->log_n;
        const MatmulArgs args = { a.base + row,
                                  a.stride,
                                  r.base + row,
                                  r.stride,
                                  reinterpret_cast<double *>(x),
                                  reinterpret_cast<double *>(c),
                                  backend_of(s)->device_tables.primes + prime_of(tables, r.basis, i),
                                  s->log_n,
                                  false };
        for (uint32_t first = 0; first < w.n_in; first += kMaxTerms)
            MZV_TRY(add_terms(s, args, w, first, w.n_in - first < kMaxTerms ? w.n_in - first : kMaxTerms));
    }
    return MZV_OK;
}

/* cuBLAS, and room for it from the pool, where it counts. */
mzv_status open_blas(mzv_stream *s) {
    Stream *stream = stream_of(s);
    MZV_TRY(refuse_recording(s, "the first matmul of a stream"));
    if (stream->workspace == nullptr) MZV_TRY(mzv_cuda_alloc(s, &stream->workspace, kWorkspaceBytes / 8));
    return blas_open(&stream->blas, stream->queue, stream->workspace, kWorkspaceBytes);
}

bool halves_fit(const mzv_cuda_tables &tables, mzv_basis basis) {
    for (uint32_t i = 0; i < mzv_basis_size(basis); i++)
        if (tables.primes[prime_of(tables, basis, i)] >> (2 * kHalfBits)) return false;
    return true;
}

} // namespace

mzv_status mzv_cuda_matmul(mzv_stream *s, mzv_poly r, mzv_cpoly a, const mzv_matrix *w) {
    MZV_TRY(enter(s));
    if (!halves_fit(tables_of(s), r.basis)) return mzv_matmul_composed(s, r, a, w);
    if (stream_of(s)->blas == nullptr) MZV_TRY(open_blas(s));
    const size_t mark = mzv_mark(s);
    const mzv_status status = matmul(s, r, a, *w);
    mzv_release(s, mark);
    return status;
}
