/* Devices and streams. Tables belong to the backend object; memory.cu has what they allocate. */
#include "device.cuh"
#include "blas.cuh"
#include "strip.cuh"
#include "base/arena.h"

#include <stdio.h>
#include <string.h>

namespace mzv_cuda {

namespace {

/* After these a process can do nothing more on the device: CUDA answers every call with the same error. */
bool is_lost(cudaError_t error) {
    static const int codes[] = { 214, 220, 226, 700, 702, 710, 714, 715, 716, 717, 718, 719, 721 };
    for (int code : codes)
        if (static_cast<int>(error) == code) return true;
    return false;
}

const char *next_step(cudaError_t error) {
    return is_lost(error)
               ? "; the device is lost to this process and what it held is gone: run again, and see "
                 "`mzv doctor` if it stays so"
               : "";
}

} // namespace

mzv_status fail(const char *call, cudaError_t error) {
    size_t bytes_free = 0, bytes_total = 0;
    drop(error); /* it is ours now */
    if (error != cudaErrorMemoryAllocation)
        return mzv_fail(MZV_ERR_DEVICE, "cuda: %s: error %d, %s%s", call, static_cast<int>(error),
                        cudaGetErrorString(error), next_step(error));
    drop(cudaMemGetInfo(&bytes_free, &bytes_total));
    return mzv_fail(MZV_ERR_MEMORY,
                    "cuda: %s: error %d, %s: %zu of %zu bytes of the device are free; use another "
                    "device or a smaller set of parameters",
                    call, static_cast<int>(error), cudaGetErrorString(error), bytes_free, bytes_total);
}

mzv_status fail_launch(const char *op, const Shape &shape, cudaError_t error) {
    return mzv_fail(MZV_ERR_DEVICE, "cuda: %s: launch of %u x %u x %u blocks of %u threads: error %d, %s%s",
                    op, shape.grid.x, shape.grid.y, shape.grid.z, shape.threads, static_cast<int>(error),
                    cudaGetErrorString(error), next_step(error));
}

mzv_status enter(mzv_stream *s) {
    Stream *stream = stream_of(s);
    if (stream->refused != nullptr) return fail_recording(stream->refused);
    MZV_CUDA_TRY(cudaSetDevice(backend_of(s)->device));
    const cudaError_t late = stream->late;
    stream->late = cudaSuccess;
    return late == cudaSuccess ? MZV_OK : fail("an earlier free", late);
}

} // namespace mzv_cuda

using namespace mzv_cuda;

namespace {

enum class Variant { kBest, kInteger, kFp64 };

constexpr int kMinMajor = 8; /* compute capability: what the kernels are built for */

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

mzv_status select_device(int *out, int device) {
    int n_devices = 0;
    const cudaError_t error = cudaGetDeviceCount(&n_devices);
    if (error == cudaErrorInsufficientDriver || error == cudaErrorNoDevice)
        return mzv_fail(MZV_ERR_NO_DEVICE, "cuda: no device: error %d, %s; use the backend \"cpu\"",
                        static_cast<int>(error), cudaGetErrorString(error));
    if (error != cudaSuccess) return fail("cudaGetDeviceCount", error);
    *out = n_devices;
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
    if (*major < kMinMajor)
        return mzv_fail(MZV_ERR_NO_DEVICE, "cuda: device %d has compute capability %d.%d, need %d.0", device,
                        *major, *minor, kMinMajor);
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

mzv_status build(Backend *be, const mzv_chain *chain, Variant variant) {
    int major = 0, minor = 0, n_devices = 0;
    MZV_TRY(select_device(&n_devices, be->device));
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
    MZV_TRY(allow_strips(be));
    MZV_TRY(create_pool(be));
    return create_tables(be);
}

mzv_status create_queue(Stream *stream, int device) {
    MZV_CUDA_TRY(cudaSetDevice(device));
    MZV_CUDA_TRY(cudaStreamCreateWithFlags(&stream->queue, cudaStreamNonBlocking));
    MZV_CUDA_TRY(cudaEventCreateWithFlags(&stream->event, cudaEventDisableTiming));
    return MZV_OK;
}

} // namespace

mzv_status mzv_cuda_probe(int device) {
    int major = 0, minor = 0, n_devices = 0;
    MZV_TRY(select_device(&n_devices, device));
    return read_capability(device, &major, &minor);
}

/* FP64 instructions per second: 32 a clock and multiprocessor on compute capability 8.0, 64 later [CUDA C++
 * Programming Guide, throughput of native arithmetic instructions]. */
static mzv_status read_fp64_rate(double *out, int device, int major, int minor) {
    int n_processors = 0, clock_khz = 0;
    MZV_CUDA_TRY(cudaDeviceGetAttribute(&n_processors, cudaDevAttrMultiProcessorCount, device));
    MZV_CUDA_TRY(cudaDeviceGetAttribute(&clock_khz, cudaDevAttrClockRate, device));
    *out = fp64_is_fast(major, minor) ? (major == 8 ? 32e3 : 64e3) * n_processors * clock_khz : 0;
    return MZV_OK;
}

mzv_status mzv_cuda_look(mzv_device_facts *out, int *n_devices, int device) {
    cudaDeviceProp properties;
    size_t bytes_free = 0, bytes_total = 0;
    MZV_TRY(select_device(n_devices, device));
    if (out == nullptr) return MZV_OK;
    MZV_CUDA_TRY(cudaGetDeviceProperties(&properties, device));
    MZV_CUDA_TRY(cudaMemGetInfo(&bytes_free, &bytes_total));
    MZV_TRY(read_fp64_rate(&out->fp64_per_s, device, properties.major, properties.minor));
    snprintf(out->name, sizeof out->name, "%.127s", properties.name);
    snprintf(out->architecture, sizeof out->architecture, "sm_%d%d", properties.major, properties.minor);
    out->arithmetic = properties.major < kMinMajor                       ? "none"
                      : fp64_is_fast(properties.major, properties.minor) ? "fp64"
                                                                         : "integer";
    out->total_bytes = bytes_total;
    out->free_bytes = bytes_free;
    return MZV_OK;
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
    break_recording(s, "stream_close");
    drop(cudaSetDevice(backend_of(s)->device));
    blas_close(stream->blas);
    if (stream->queue != nullptr) {
        if (s->scratch.base != nullptr) drop(cudaFreeAsync(s->scratch.base, stream->queue));
        if (stream->workspace != nullptr) drop(cudaFreeAsync(stream->workspace, stream->queue));
        drop(cudaStreamSynchronize(stream->queue));
        drop(cudaStreamDestroy(stream->queue));
    }
    if (stream->event != nullptr) drop(cudaEventDestroy(stream->event));
    mzv_free(stream);
}

mzv_status mzv_cuda_stream_wait(mzv_stream *s, mzv_stream *earlier) {
    MZV_TRY(refuse_recording(s, "stream_wait"));
    MZV_TRY(refuse_recording(earlier, "stream_wait"));
    MZV_TRY(enter(s));
    MZV_CUDA_TRY(cudaEventRecord(stream_of(earlier)->event, stream_of(earlier)->queue));
    MZV_CUDA_TRY(cudaStreamWaitEvent(stream_of(s)->queue, stream_of(earlier)->event, 0));
    return MZV_OK;
}

mzv_status mzv_cuda_synchronize(mzv_stream *s) {
    MZV_TRY(refuse_recording(s, "synchronize"));
    MZV_TRY(enter(s));
    MZV_CUDA_TRY(cudaStreamSynchronize(stream_of(s)->queue));
    return MZV_OK;
}

mzv_status mzv_cuda_upload(mzv_stream *s, uint64_t *dst, const uint64_t *host_src, size_t n_words) {
    MZV_TRY(refuse_recording(s, "upload"));
    MZV_TRY(enter(s));
    MZV_CUDA_TRY(
        cudaMemcpyAsync(dst, host_src, n_words * sizeof *dst, cudaMemcpyDefault, stream_of(s)->queue));
    return MZV_OK;
}

mzv_status mzv_cuda_download(mzv_stream *s, uint64_t *host_dst, const uint64_t *src, size_t n_words) {
    MZV_TRY(refuse_recording(s, "download"));
    MZV_TRY(enter(s));
    MZV_CUDA_TRY(
        cudaMemcpyAsync(host_dst, src, n_words * sizeof *src, cudaMemcpyDefault, stream_of(s)->queue));
    return MZV_OK;
}
