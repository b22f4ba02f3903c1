/* r(X) = a(X^galois): a permutation of the values of a row, the same for all rows. */
#include "device.cuh"
#include "permute.cuh"

using namespace mzv_cuda;

namespace {

constexpr uint32_t kThreads = 256;

struct AutomorphismArgs {
    Target r;
    Source a;
    uint32_t log_n, galois;
};

__global__ void automorphism_kernel(const __grid_constant__ AutomorphismArgs args) {
    const uint32_t k = blockIdx.x * blockDim.x + threadIdx.x;
    const size_t row = static_cast<size_t>(blockIdx.y) << args.log_n;
    args.r.base[blockIdx.z * args.r.stride + row + k] =
        args.a.base[blockIdx.z * args.a.stride + row + permuted(k, args.log_n, args.galois)];
}

} // namespace

mzv_status mzv_cuda_automorphism(mzv_stream *s, mzv_poly r, mzv_cpoly a, uint32_t galois) {
    MZV_TRY(enter(s));
    const AutomorphismArgs args = { target(r), source(a), s->log_n, galois };
    const Shape shape = { dim3((1u << s->log_n) / kThreads, mzv_basis_size(r.basis), r.batch), kThreads, 0 };
    return launch("automorphism", automorphism_kernel, shape, stream_of(s)->queue, args);
}
