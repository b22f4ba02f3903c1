/* cuBLAS, loaded when it is first needed: half a gigabyte of library that most runs do without. */
#include "blas.cuh"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

namespace mzv_cuda {

namespace {

constexpr int kNoTranspose = 0; /* CUBLAS_OP_N */
constexpr int kPedantic = 2;    /* CUBLAS_PEDANTIC_MATH: IEEE double precision, nothing emulated */
constexpr int kAllocFailed = 3; /* CUBLAS_STATUS_ALLOC_FAILED */

/* As in cublas_v2.h; a status of 0 is success. */
struct Library {
    int (*create)(void **handle);
    int (*destroy)(void *handle);
    int (*set_stream)(void *handle, cudaStream_t stream);
    int (*set_workspace)(void *handle, void *workspace, size_t n_bytes);
    int (*set_math_mode)(void *handle, int mode);
    int (*dgemm)(void *handle, int transpose_a, int transpose_b, int m, int n, int k, const double *alpha,
                 const double *a, int lda, const double *b, int ldb, const double *beta, double *c, int ldc);
};

template <class Function> bool find(Function *out, void *library, const char *name) {
    *out = reinterpret_cast<Function>(dlsym(library, name));
    return *out != nullptr;
}

Library load() {
    Library all = {}, none = {};
    for (const char *name : { "libcublas.so.13", "libcublas.so.12", "libcublas.so.11", "libcublas.so" }) {
        void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
        if (library != nullptr && find(&all.create, library, "cublasCreate_v2") &&
            find(&all.destroy, library, "cublasDestroy_v2") &&
            find(&all.set_stream, library, "cublasSetStream_v2") &&
            find(&all.set_workspace, library, "cublasSetWorkspace_v2") &&
            find(&all.set_math_mode, library, "cublasSetMathMode") &&
            find(&all.dgemm, library, "cublasDgemm_v2"))
            return all;
    }
    return none;
}

const Library &library() {
    static const Library loaded = load();
    return loaded;
}

mzv_status check(const char *call, int status) {
    if (status == kAllocFailed) return fail(call, cudaErrorMemoryAllocation);
    return status == 0 ? MZV_OK : mzv_fail(MZV_ERR_DEVICE, "cuda: %s: cuBLAS status %d", call, status);
}

/* The workspace comes after the stream, which sets it back to one of cuBLAS's own. */
mzv_status prepare(void *blas, cudaStream_t queue, void *workspace, size_t n_bytes) {
    MZV_TRY(check("cublasSetStream", library().set_stream(blas, queue)));
    MZV_TRY(check("cublasSetWorkspace", library().set_workspace(blas, workspace, n_bytes)));
    return check("cublasSetMathMode", library().set_math_mode(blas, kPedantic));
}

/* Emulated products of doubles are not exact for all integers below 2^53 [cuBLAS, floating point emulation].
 */
mzv_status check_emulation() {
    const char *asked = getenv("CUBLAS_EMULATE_DOUBLE_PRECISION");
    if (asked == nullptr || strcmp(asked, "0") == 0) return MZV_OK;
    return mzv_fail(MZV_ERR_DEVICE,
                    "cuda: CUBLAS_EMULATE_DOUBLE_PRECISION is %s; matmul is exact in native double "
                    "precision only: unset it",
                    asked);
}

} // namespace

mzv_status blas_open(void **out, cudaStream_t queue, void *workspace, size_t n_bytes) {
    void *blas = nullptr;
    MZV_TRY(check_emulation());
    if (library().create == nullptr)
        return mzv_fail(MZV_ERR_DEVICE,
                        "cuda: no libcublas.so.11 to .13 was found; install cuBLAS, or put its folder "
                        "into LD_LIBRARY_PATH");
    MZV_TRY(check("cublasCreate", library().create(&blas)));
    const mzv_status status = prepare(blas, queue, workspace, n_bytes);
    if (status == MZV_OK)
        *out = blas;
    else
        blas_close(blas);
    return status;
}

mzv_status blas_gemm(void *blas, const Gemm &g) {
    const double one = 1, zero = 0;
    const int m = static_cast<int>(g.m), n = static_cast<int>(g.n), k = static_cast<int>(g.k);
    return check("cublasDgemm", library().dgemm(blas, kNoTranspose, kNoTranspose, m, n, k, &one, g.a, m, g.b,
                                                static_cast<int>(g.b_step), &zero, g.c, m));
}

void blas_close(void *blas) {
    if (blas != nullptr) (void)library().destroy(blas);
}

} // namespace mzv_cuda
