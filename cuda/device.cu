/* Devices, streams and memory. Tables belong to the backend object, memory comes from a pool of its own. */
#include "device.cuh"
#include "base/arena.h"

#include <stdio.h>
#include <string.h>

namespace mzv_cuda {

mzv_status enter(mzv_stream *s) {
    MZV_CUDA_TRY(cudaSetDevice(backend_of(s)->device));
    Stream *stream = stream_of(s);
    const cudaError_t late = stream->late;
    stream->late = cudaSuccess;
    if (late != cudaSuccess)
        return mzv_fail(MZV_ERR_DEVICE, "cuda: an earlier free failed: error %d, %s", static_cast<int>(late),
                        cudaGetErrorString(late));
    return MZV_OK;
}

} // namespace mzv_cuda

using namespace mzv_cuda;

namespace {

enum class Variant { kBest, kInteger, kFp64 };

mzv_status parse_variant(Variant *out, const char *name) {
    if (name == nullptr)
        *out = Variant::kBest;
    else if (strcmp(name, "integer") == 0)
        *out = Variant::kInteger;
    else if (strcmp(name, "fp64") == 0)
        *out = Variant::kFp64;
    else
        return mzv_fail(MZV_ERR_ARGUMENT, "cuda: no arithmetic \"%s\"; there are \"integer\" and \"fp64\"",
                        name);
    return MZV_OK;
}

mzv_status select_device(int device) {
    int n_devices = 0;
    const cudaError_t error = cudaGetDeviceCount(&n_devices);
    if (error == cudaErrorInsufficientDriver || error == cudaErrorNoDevice)
        return mzv_fail(MZV_ERR_NO_DEVICE, "cuda: no device: error %d, %s; use the backend \"cpu\"",
                        static_cast<int>(error), cudaGetErrorString(error));
    if (error != cudaSuccess)
        return mzv_fail(MZV_ERR_DEVICE, "cuda: cudaGetDeviceCount: error %d, %s", static_cast<int>(error),
                        cudaGetErrorString(error));
    if (device < 0 || device >= n_devices)
        return mzv_fail(MZV_ERR_NO_DEVICE, "cuda: device %d asked for, %d present (numbered from 0)", device,
                        n_devices);
    MZV_CUDA_TRY(cudaSetDevice(device));
    return MZV_OK;
}

/* FP64 runs at half the rate of FP32 on these, at 1/32 or less elsewhere. */
bool fp64_is_fast(int major, int minor) { return minor == 0 && (major == 8 || major == 9 || major == 10); }

mzv_status read_capability(int device, int *major, int *minor) {
    MZV_CUDA_TRY(cudaDeviceGetAttribute(major, cudaDevAttrComputeCapabilityMajor, device));
    MZV_CUDA_TRY(cudaDeviceGetAttribute(minor, cudaDevAttrComputeCapabilityMinor, device));
    if (*major < 8)
        return mzv_fail(MZV_ERR_NO_DEVICE, "cuda: device %d has compute capability %d.%d, need 8.0", device,
                        *major, *minor);
    return MZV_OK;
}

mzv_status read_limits(Backend *be) {
    int shared_bytes = 0, n_processors = 0;
    MZV_CUDA_TRY(cudaDeviceGetAttribute(&shared_bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, be->device));
    MZV_CUDA_TRY(cudaDeviceGetAttribute(&n_processors, cudaDevAttrMultiProcessorCount, be->device));
    be->shared_bytes = static_cast<size_t>(shared_bytes);
    be->n_processors = static_cast<uint32_t>(n_processors);
    return MZV_OK;
}

mzv_status create_pool(Backend *be) {
    cudaMemPoolProps properties = {};
    properties.allocType = cudaMemAllocationTypePinned;
    properties.location.type = cudaMemLocationTypeDevice;
    properties.location.id = be->device;
    MZV_CUDA_TRY(cudaMemPoolCreate(&be->pool, &properties));
    uint64_t keep = UINT64_MAX; /* freed memory stays in the pool: no trip to the driver in a run */
    MZV_CUDA_TRY(cudaMemPoolSetAttribute(be->pool, cudaMemPoolAttrReleaseThreshold, &keep));
    return MZV_OK;
}

mzv_status build(Backend *be, const mzv_chain *chain, Variant variant) {
    int major = 0, minor = 0;
    MZV_TRY(select_device(be->device));
    be->device_set = true;
    MZV_TRY(read_capability(be->device, &major, &minor));
    snprintf(be->name, sizeof be->name, "cuda/sm_%d%d", major, minor);
    const bool fp64 = variant == Variant::kFp64 || (variant == Variant::kBest && fp64_is_fast(major, minor));
    MZV_TRY(mzv_cuda_tables_fill(&be->tables, chain, fp64));
    if (variant == Variant::kFp64 && !be->tables.fp64)
        return mzv_fail(MZV_ERR_ARGUMENT,
                        "cuda: the arithmetic \"fp64\" needs primes of %d to %d bits; use \"integer\"",
                        MZV_CUDA_FP64_MIN_BITS, MZV_CUDA_FP64_MAX_BITS);
    MZV_TRY(read_limits(be));
    MZV_TRY(create_pool(be));
    return create_tables(be);
}

/* What close-like functions may not report: the fault is in the device's state and the next call gives it. */
void drop(cudaError_t) {}

mzv_status create_queue(Stream *stream, int device) {
    MZV_CUDA_TRY(cudaSetDevice(device));
    MZV_CUDA_TRY(cudaStreamCreateWithFlags(&stream->queue, cudaStreamNonBlocking));
    MZV_CUDA_TRY(cudaEventCreateWithFlags(&stream->event, cudaEventDisableTiming));
    return MZV_OK;
}

mzv_status out_of_memory(size_t n_words) {
    size_t bytes_free = 0, bytes_total = 0;
    drop(cudaGetLastError()); /* clears the status, which is ours now */
    MZV_CUDA_TRY(cudaMemGetInfo(&bytes_free, &bytes_total));
    return mzv_fail(MZV_ERR_MEMORY,
                    "cuda: %zu bytes asked for, %zu of %zu free; use a smaller batch or fewer keys",
                    n_words * sizeof(uint64_t), bytes_free, bytes_total);
}

} // namespace

mzv_status mzv_cuda_probe(int device) {
    int major = 0, minor = 0;
    MZV_TRY(select_device(device));
    return read_capability(device, &major, &minor);
}

mzv_status mzv_cuda_open(mzv_backend **out, const mzv_chain *chain, int device, const char *variant) {
    Variant parsed = Variant::kBest;
    MZV_TRY(parse_variant(&parsed, variant));
    Backend *be = nullptr;
    MZV_TRY(MZV_NEW(&be, 1, "cuda: backend"));
    be->device = device;
    const mzv_status status = build(be, chain, parsed);
    if (status != MZV_OK) {
        mzv_cuda_close(reinterpret_cast<mzv_backend *>(be));
        return status;
    }
    *out = reinterpret_cast<mzv_backend *>(be);
    return MZV_OK;
}

void mzv_cuda_close(mzv_backend *backend) {
    Backend *be = reinterpret_cast<Backend *>(backend);
    if (be == nullptr) return;
    if (be->device_set) {
        drop(cudaSetDevice(be->device));
        drop(destroy_tables(be));
        if (be->pool != nullptr) drop(cudaMemPoolDestroy(be->pool));
    }
    mzv_free(be);
}

const char *mzv_cuda_describe(const mzv_backend *backend) {
    return reinterpret_cast<const Backend *>(backend)->name;
}

mzv_status mzv_cuda_stream_open(mzv_stream **out, mzv_backend *backend) {
    Backend *be = reinterpret_cast<Backend *>(backend);
    Stream *stream = nullptr;
    MZV_TRY(MZV_NEW(&stream, 1, "cuda: stream"));
    stream->head.ops = &mzv_cuda_ops;
    stream->head.backend = backend;
    stream->head.chain = &be->tables.chain;
    stream->head.log_n = be->tables.log_n;
    const mzv_status status = create_queue(stream, be->device);
    if (status != MZV_OK) {
        mzv_cuda_stream_close(&stream->head);
        return status;
    }
    *out = &stream->head;
    return MZV_OK;
}

void mzv_cuda_stream_close(mzv_stream *s) {
    Stream *stream = reinterpret_cast<Stream *>(s);
    if (stream == nullptr) return;
    drop(cudaSetDevice(backend_of(s)->device));
    if (stream->queue != nullptr) {
        if (s->scratch.base != nullptr) drop(cudaFreeAsync(s->scratch.base, stream->queue));
        drop(cudaStreamSynchronize(stream->queue));
        drop(cudaStreamDestroy(stream->queue));
    }
    if (stream->event != nullptr) drop(cudaEventDestroy(stream->event));
    mzv_free(stream);
}

mzv_status mzv_cuda_stream_wait(mzv_stream *s, mzv_stream *earlier) {
    MZV_TRY(enter(s));
    MZV_CUDA_TRY(cudaEventRecord(stream_of(earlier)->event, stream_of(earlier)->queue));
    MZV_CUDA_TRY(cudaStreamWaitEvent(stream_of(s)->queue, stream_of(earlier)->event, 0));
    return MZV_OK;
}

mzv_status mzv_cuda_synchronize(mzv_stream *s) {
    MZV_TRY(enter(s));
    MZV_CUDA_TRY(cudaStreamSynchronize(stream_of(s)->queue));
    return MZV_OK;
}

mzv_status mzv_cuda_alloc(mzv_stream *s, uint64_t **out, size_t n_words) {
    MZV_TRY(enter(s));
    void *words = nullptr;
    if (n_words > SIZE_MAX / sizeof **out) return out_of_memory(SIZE_MAX / sizeof **out);
    const size_t bytes = (n_words == 0 ? 1 : n_words) * sizeof **out;
    const cudaError_t error =
        cudaMallocFromPoolAsync(&words, bytes, backend_of(s)->pool, stream_of(s)->queue);
    if (error == cudaErrorMemoryAllocation) return out_of_memory(n_words);
    if (error != cudaSuccess)
        return mzv_fail(MZV_ERR_DEVICE, "cuda: cudaMallocFromPoolAsync of %zu bytes: error %d, %s", bytes,
                        static_cast<int>(error), cudaGetErrorString(error));
    *out = static_cast<uint64_t *>(words);
    return MZV_OK;
}

void mzv_cuda_free(mzv_stream *s, uint64_t *words) {
    if (words == nullptr) return;
    const cudaError_t selected = cudaSetDevice(backend_of(s)->device);
    const cudaError_t freed = cudaFreeAsync(words, stream_of(s)->queue); /* whatever came before */
    const cudaError_t error = selected != cudaSuccess ? selected : freed;
    if (error != cudaSuccess) stream_of(s)->late = error;
}

mzv_status mzv_cuda_upload(mzv_stream *s, uint64_t *dst, const uint64_t *host_src, size_t n_words) {
    MZV_TRY(enter(s));
    MZV_CUDA_TRY(
        cudaMemcpyAsync(dst, host_src, n_words * sizeof *dst, cudaMemcpyHostToDevice, stream_of(s)->queue));
    return MZV_OK;
}

mzv_status mzv_cuda_download(mzv_stream *s, uint64_t *host_dst, const uint64_t *src, size_t n_words) {
    MZV_TRY(enter(s));
    MZV_CUDA_TRY(
        cudaMemcpyAsync(host_dst, src, n_words * sizeof *src, cudaMemcpyDeviceToHost, stream_of(s)->queue));
    return MZV_OK;
}
