/* Device side of the tables: twiddles, and the constants of the changes of basis. */
#include "device.cuh"
#include "base/arena.h"

#include <string.h>

using namespace mzv_cuda;

namespace {

/* Computes and uploads the twiddles prime by prime through `staging`, and notes where they lie. */
mzv_status upload_twiddles(Backend *be, unsigned char *staging) {
    const size_t bytes = mzv_cuda_twiddle_bytes(&be->tables);
    unsigned char *at = static_cast<unsigned char *>(be->twiddles);
    for (uint32_t t = 0; t < be->tables.n_primes; t++) {
        mzv_cuda_twiddles(&be->tables, t, staging, staging + bytes);
        MZV_CUDA_TRY(cudaMemcpy(at, staging, 2 * bytes, cudaMemcpyHostToDevice));
        be->tables.prime[t].forward = at;
        be->tables.prime[t].inverse = at + bytes;
        at += 2 * bytes;
    }
    return MZV_OK;
}

mzv_status create_twiddles(Backend *be) {
    const size_t bytes = 2 * mzv_cuda_twiddle_bytes(&be->tables);
    MZV_CUDA_TRY(cudaMalloc(&be->twiddles, be->tables.n_primes * bytes));
    be->table_bytes += be->tables.n_primes * bytes;
    unsigned char *staging = nullptr;
    MZV_TRY(MZV_NEW(&staging, bytes, "cuda: twiddles"));
    const mzv_status status = upload_twiddles(be, staging);
    mzv_free(staging);
    return status;
}

/* The constants as they lie in one block of device memory. */
struct Constants {
    mzv_cuda_prime prime[MZV_MAX_PRIMES];
    double weights[2 * MZV_MAX_PRIMES * MZV_MAX_PRIMES]; /* of the FP64 arithmetic */
    uint64_t inverse[MZV_MAX_PRIMES * MZV_MAX_PRIMES];
    uint64_t prefix[MZV_MAX_PRIMES + 1][MZV_MAX_PRIMES];
    uint64_t prefix_inverse[MZV_MAX_PRIMES + 1][MZV_MAX_PRIMES];
};
static_assert(sizeof(mzv_cuda_prime) * MZV_MAX_PRIMES % 16 == 0, "weights are read as pairs");

mzv_status upload_constants(Backend *be, Constants *staging) {
    const mzv_cuda_tables &tables = be->tables;
    memcpy(staging->prime, tables.prime, sizeof staging->prime);
    memcpy(staging->inverse, tables.inverse, sizeof staging->inverse);
    memcpy(staging->prefix, tables.prefix, sizeof staging->prefix);
    memcpy(staging->prefix_inverse, tables.prefix_inverse, sizeof staging->prefix_inverse);
    if (tables.fp64) mzv_cuda_weights(&tables, staging->weights);
    MZV_CUDA_TRY(cudaMemcpy(be->constants, staging, sizeof *staging, cudaMemcpyHostToDevice));
    return MZV_OK;
}

mzv_status create_constants(Backend *be) {
    MZV_CUDA_TRY(cudaMalloc(&be->constants, sizeof(Constants)));
    be->table_bytes += sizeof(Constants);
    const Constants *at = static_cast<const Constants *>(be->constants);
    const void *weights = be->tables.fp64 ? static_cast<const void *>(at->weights) : at->inverse;
    be->device_tables = { at->prime, at->inverse,        at->prefix[0], at->prefix_inverse[0],
                          weights,   be->tables.n_primes };
    Constants *staging = nullptr;
    MZV_TRY(MZV_NEW(&staging, 1, "cuda: constants"));
    const mzv_status status = upload_constants(be, staging);
    mzv_free(staging);
    return status;
}

} // namespace

mzv_status mzv_cuda::create_tables(Backend *be) {
    MZV_TRY(create_twiddles(be)); /* before the constants, which hold their addresses */
    MZV_TRY(create_constants(be));
    /* A copy from pageable memory may return before it has arrived, and our streams do not wait for the
     * default one [CUDA Runtime API, API synchronization behavior]. */
    MZV_CUDA_TRY(cudaStreamSynchronize(nullptr)); /* not the device: another thread may be recording on it */
    return MZV_OK;
}

cudaError_t mzv_cuda::destroy_tables(Backend *be) {
    const cudaError_t first = cudaFree(be->constants), second = cudaFree(be->twiddles);
    return first != cudaSuccess ? first : second;
}

uint64_t mzv_cuda_table_bytes(const mzv_chain *chain) {
    const uint64_t twiddle = mzv_cuda_fp64_fits(chain) ? sizeof(double) : sizeof(mzv_factor);
    return sizeof(Constants) + (chain->n_p + chain->n_q) * (2 * twiddle << chain->log_n);
}
