/* Device memory: a pool of the backend object, in stream order, below a limit that the user sets. Operations
 * do not allocate: what they need is in the arena of their stream (backend/scratch.c). */
#include "device.cuh"

using namespace mzv_cuda;

namespace {

mzv_status read_pool(uint64_t *out, const Backend *be, cudaMemPoolAttr attribute) {
    MZV_CUDA_TRY(cudaMemPoolGetAttribute(be->pool, attribute, out));
    return MZV_OK;
}

/* Freed memory stays in the pool, up to the limit: no trip to the driver in a run. */
mzv_status keep_freed(const Backend *be) {
    uint64_t keep = be->max_bytes == 0 ? UINT64_MAX : be->max_bytes;
    MZV_CUDA_TRY(cudaMemPoolSetAttribute(be->pool, cudaMemPoolAttrReleaseThreshold, &keep));
    return MZV_OK;
}

mzv_status out_of_memory(size_t bytes) {
    size_t bytes_free = 0, bytes_total = 0;
    drop(cudaErrorMemoryAllocation); /* it is ours now */
    MZV_CUDA_TRY(cudaMemGetInfo(&bytes_free, &bytes_total));
    return mzv_fail(
        MZV_ERR_MEMORY,
        "cuda: %zu bytes needed, %zu of %zu free on the device; use a smaller batch or fewer keys", bytes,
        bytes_free, bytes_total);
}

mzv_status above_limit(const Backend *be, uint64_t bytes, uint64_t used) {
    return mzv_fail(
        MZV_ERR_MEMORY,
        "cuda: %llu bytes needed, %llu of the %llu allowed on the device are free; raise --device-memory "
        "(device_bytes_max), or use a smaller batch or fewer keys",
        static_cast<unsigned long long>(bytes),
        static_cast<unsigned long long>(used < be->max_bytes ? be->max_bytes - used : 0),
        static_cast<unsigned long long>(be->max_bytes));
}

mzv_status no_pinned(size_t bytes) {
    drop(cudaErrorMemoryAllocation); /* it is ours now */
    return mzv_fail(
        MZV_ERR_MEMORY,
        "cuda: %zu bytes of pinned host memory needed for keys, refused; free memory, raise the limit of "
        "locked memory (ulimit -l), or allow more on the device (device_bytes_keys)",
        bytes);
}

/* What was freed counts until the stream has passed it: where room is short, that is waited for. */
mzv_status check_limit(mzv_stream *s, uint64_t bytes) {
    const Backend *be = backend_of(s);
    uint64_t used = 0;
    if (be->max_bytes == 0) return MZV_OK;
    for (int waited = 0; waited < 2; waited++) {
        if (waited) MZV_CUDA_TRY(cudaStreamSynchronize(stream_of(s)->queue));
        MZV_TRY(read_pool(&used, be, cudaMemPoolAttrUsedMemCurrent));
        used += be->table_bytes;
        if (used <= be->max_bytes && bytes <= be->max_bytes - used) return MZV_OK;
    }
    return above_limit(be, bytes, used);
}

} // namespace

mzv_status mzv_cuda::create_pool(Backend *be) {
    cudaMemPoolProps properties = {};
    properties.allocType = cudaMemAllocationTypePinned;
    properties.location.type = cudaMemLocationTypeDevice;
    properties.location.id = be->device;
    MZV_CUDA_TRY(cudaMemPoolCreate(&be->pool, &properties));
    return keep_freed(be);
}

mzv_status mzv_cuda_limit(mzv_backend *backend, uint64_t n_bytes) {
    Backend *be = reinterpret_cast<Backend *>(backend);
    uint64_t used = 0;
    MZV_TRY(read_pool(&used, be, cudaMemPoolAttrUsedMemCurrent));
    used += be->table_bytes;
    const uint64_t before = be->max_bytes;
    be->max_bytes = n_bytes;
    mzv_status status = n_bytes != 0 && used > n_bytes ? above_limit(be, used, 0) : keep_freed(be);
    if (status != MZV_OK) be->max_bytes = before;
    return status;
}

mzv_status mzv_cuda_memory(mzv_device_memory *out, const mzv_backend *backend) {
    const Backend *be = reinterpret_cast<const Backend *>(backend);
    uint64_t used = 0, peak = 0;
    MZV_TRY(read_pool(&used, be, cudaMemPoolAttrUsedMemCurrent));
    MZV_TRY(read_pool(&peak, be, cudaMemPoolAttrUsedMemHigh));
    const uint64_t pinned = __atomic_load_n(&be->pinned_bytes, __ATOMIC_RELAXED);
    *out = { used + be->table_bytes, peak + be->table_bytes, be->max_bytes, pinned };
    return MZV_OK;
}

mzv_status mzv_cuda_alloc(mzv_stream *s, uint64_t **out, size_t n_words) {
    MZV_TRY(refuse_recording(s, "alloc"));
    MZV_TRY(enter(s));
    void *words = nullptr;
    if (n_words > SIZE_MAX / sizeof **out) return out_of_memory(SIZE_MAX);
    const size_t bytes = (n_words == 0 ? 1 : n_words) * sizeof **out;
    MZV_TRY(check_limit(s, bytes));
    const cudaError_t error =
        cudaMallocFromPoolAsync(&words, bytes, backend_of(s)->pool, stream_of(s)->queue);
    if (error == cudaErrorMemoryAllocation) return out_of_memory(bytes);
    if (error != cudaSuccess) return fail("cudaMallocFromPoolAsync", error);
    const cudaError_t there = cudaStreamSynchronize(stream_of(s)->queue); /* for other streams too */
    if (there != cudaSuccess) {
        drop(cudaFreeAsync(words, stream_of(s)->queue));
        return fail("cudaStreamSynchronize", there);
    }
    *out = static_cast<uint64_t *>(words);
    return MZV_OK;
}

/* Mapped: kernels read it where it is, at the address that the host has (unified addressing). Each word of a
 * key is read in order, by one block, which goes through a batch with it in the caches: the bus is kept as
 * busy as by a copy, without room for one. */
mzv_status mzv_cuda_alloc_pinned(mzv_stream *s, uint64_t **out, size_t n_words) {
    MZV_TRY(refuse_recording(s, "alloc_pinned"));
    MZV_TRY(enter(s));
    void *words = nullptr, *on_device = nullptr;
    const size_t bytes = (n_words == 0 ? 1 : n_words) * sizeof **out;
    if (n_words > SIZE_MAX / sizeof **out) return no_pinned(SIZE_MAX);
    cudaError_t error = cudaHostAlloc(&words, bytes, cudaHostAllocPortable | cudaHostAllocMapped);
    if (error == cudaErrorMemoryAllocation) return no_pinned(bytes);
    if (error != cudaSuccess) return fail("cudaHostAlloc", error);
    error = cudaHostGetDevicePointer(&on_device, words, 0);
    if (error != cudaSuccess || on_device != words) {
        drop(cudaFreeHost(words));
        if (error != cudaSuccess) return fail("cudaHostGetDevicePointer", error);
        return mzv_fail(MZV_ERR_DEVICE,
                        "cuda: pinned memory has another address on the device; keys cannot be "
                        "read from it: leave device_bytes_keys at 0");
    }
    __atomic_add_fetch(&backend_of(s)->pinned_bytes, bytes, __ATOMIC_RELAXED);
    *out = static_cast<uint64_t *>(words);
    return MZV_OK;
}

void mzv_cuda_free_pinned(mzv_stream *s, uint64_t *words, size_t n_words) {
    if (words == nullptr) return;
    break_recording(s, "free_pinned");
    const cudaError_t selected = cudaSetDevice(backend_of(s)->device);
    const cudaError_t passed = cudaStreamSynchronize(stream_of(s)->queue);
    const cudaError_t freed = cudaFreeHost(words); /* whatever came before */
    const cudaError_t error = selected != cudaSuccess ? selected : passed != cudaSuccess ? passed : freed;
    if (cleared(error) != cudaSuccess) stream_of(s)->late = error;
    __atomic_sub_fetch(&backend_of(s)->pinned_bytes, (n_words == 0 ? 1 : n_words) * sizeof *words,
                       __ATOMIC_RELAXED);
}

void mzv_cuda_free(mzv_stream *s, uint64_t *words) {
    if (words == nullptr) return;
    break_recording(s, "free");
    const cudaError_t selected = cudaSetDevice(backend_of(s)->device);
    const cudaError_t freed = cudaFreeAsync(words, stream_of(s)->queue); /* whatever came before */
    const cudaError_t error = selected != cudaSuccess ? selected : freed;
    if (cleared(error) != cudaSuccess) stream_of(s)->late = error;
}
