#include "fake_device.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <set>
#include <vector>

enum class Capture { kNone, kActive, kInvalid };

struct FakeStream {
    int device;
    long n_queued = 0, n_run = 0;
    std::deque<std::function<void()>> work = {};
    Capture capture = Capture::kNone;
    std::vector<std::function<void()>> captured = {};
};
struct FakeGraph {
    std::vector<std::function<void()>> work;
};
struct FakeGraphExec {
    std::vector<std::function<void()>> work;
};
struct FakeEvent {
    FakeStream *stream = nullptr; // nullptr: not recorded
    long position = 0;            // the first n pieces of work of the stream come before it
};
struct FakePool {
    int device;
    uint64_t used = 0, high = 0; // bytes
};

namespace {

constexpr size_t kMaxSharedBytes = 48 << 10;
constexpr unsigned kMaxThreads = 1024, kMaxGridYZ = 65535;
constexpr size_t kTotalBytes = size_t(8) << 30;
constexpr cudaError_t kInvalidHandle = static_cast<cudaError_t>(400);

cuda_on_cpu::Device machine;
std::map<unsigned char *, size_t> memory;
std::map<unsigned char *, size_t> pinned; // memory of the host that the device reads
std::map<void *, FakePool *> pool_of;     // blocks that came from a pool
std::set<FakeStream *> streams;
std::set<FakeEvent *> events;
std::set<FakePool *> pools;
std::set<FakeGraph *> graphs;
std::set<FakeGraphExec *> execs;
std::map<const void *, size_t> shared_limits; // of kernels that asked for more
int current_device = 0;
cudaError_t last_error = cudaSuccess;

[[noreturn]] void die(const char *what) {
    fprintf(stderr, "cuda_on_cpu: %s\n", what);
    abort();
}

// Counts a call; what it must return if it is to fail, else cudaSuccess.
cudaError_t count_call(const char *name) {
    const bool fails = machine.n_calls++ == machine.fail_at || machine.fail_call == name;
    if (!fails) return cudaSuccess;
    machine.fail_call.clear();
    machine.failed = name;
    return machine.fail_with;
}

#define FAIL_ON_DEMAND()                                                                                     \
    do {                                                                                                     \
        const cudaError_t error_ = count_call(__func__);                                                     \
        if (error_ != cudaSuccess) return last_error = error_;                                               \
    } while (0)

#define REFUSE(refusal)                                                                                      \
    do {                                                                                                     \
        const cudaError_t refused_ = (refusal);                                                              \
        if (refused_ != cudaSuccess) return refused_;                                                        \
    } while (0)

bool usable(const FakeStream *stream) { return streams.count(const_cast<FakeStream *>(stream)) != 0; }

void run_until(FakeStream *stream, long position) {
    while (usable(stream) && stream->n_run < position) {
        const std::function<void()> work = std::move(stream->work.front());
        stream->work.pop_front();
        stream->n_run++;
        work();
    }
}

void queue(FakeStream *stream, std::function<void()> work) {
    if (stream->capture != Capture::kNone) {
        stream->captured.push_back(std::move(work));
        return;
    }
    stream->work.push_back(std::move(work));
    stream->n_queued++;
}

// As CUDA, keeps the status of a failed call of a capture for cudaGetLastError.
cudaError_t fail_capture(cudaError_t error) { return last_error = error; }

// What may not be called for a stream that captures; it makes the capture invalid. Some of these CUDA would
// capture (copies of pinned memory, allocations from pools, events): no part of a recording here.
cudaError_t refuse_capture(FakeStream *stream) {
    if (!usable(stream) || stream->capture == Capture::kNone) return cudaSuccess;
    stream->capture = Capture::kInvalid;
    return fail_capture(cudaErrorStreamCaptureUnsupported);
}

// What may not be called by a thread that has a stream capturing.
cudaError_t refuse_any_capture() {
    cudaError_t error = cudaSuccess;
    for (FakeStream *stream : streams)
        if (refuse_capture(stream) != cudaSuccess) error = cudaErrorStreamCaptureUnsupported;
    return error;
}

// Whether [at, at + bytes) lies within one block.
bool within(const std::map<unsigned char *, size_t> &blocks, const void *at, size_t bytes) {
    unsigned char *p = static_cast<unsigned char *>(const_cast<void *>(at));
    auto after = blocks.upper_bound(p);
    if (after == blocks.begin()) return false;
    const auto block = std::prev(after);
    return p + bytes <= block->first + block->second;
}
bool on_device(const void *at, size_t bytes) { return within(memory, at, bytes); }

// Between what the device can read, on it or pinned, and memory that only the host knows. A kind says which
// is which; the default one finds out.
bool copy_allowed(const void *to, const void *from, size_t bytes, cudaMemcpyKind kind) {
    const bool default_kind = kind == cudaMemcpyDefault;
    const bool to_ours = on_device(to, bytes) || (default_kind && within(pinned, to, bytes));
    const bool from_ours = on_device(from, bytes) || (default_kind && within(pinned, from, bytes));
    const bool to_host = !on_device(to, 1) && !within(pinned, to, 1);
    const bool from_host = !on_device(from, 1) && !within(pinned, from, 1);
    if (kind == cudaMemcpyHostToDevice) return to_ours && from_host;
    if (kind == cudaMemcpyDeviceToHost) return from_ours && to_host;
    return (to_ours && from_host) || (from_ours && to_host);
}

void copy(void *to, const void *from, size_t bytes) {
    const bool uploads = within(memory, to, 1) || within(pinned, to, 1);
    if (uploads && machine.on_upload) machine.on_upload(from, bytes);
    memcpy(to, from, bytes);
}

cudaError_t allocate(void **out, size_t bytes) {
    void *block = nullptr;
    if (posix_memalign(&block, 256, bytes) != 0) return cudaErrorMemoryAllocation;
    memset(block, 0xA5, bytes);
    memory[static_cast<unsigned char *>(block)] = bytes;
    *out = block;
    return cudaSuccess;
}

void release(void *block) {
    const auto from = pool_of.find(block);
    if (from != pool_of.end()) {
        from->second->used -= memory[static_cast<unsigned char *>(block)];
        pool_of.erase(from);
    }
    if (memory.erase(static_cast<unsigned char *>(block)) == 0) die("free of what was not allocated");
    free(block);
}

size_t shared_limit(const void *kernel) {
    const auto limit = shared_limits.find(kernel);
    return limit == shared_limits.end() ? kMaxSharedBytes : limit->second;
}

bool shape_allowed(const void *kernel, const cuda_on_cpu::Launch &launch) {
    const dim3 &grid = launch.grid, &block = launch.block;
    const unsigned n_threads = block.x * block.y * block.z;
    return n_threads >= 1 && n_threads <= kMaxThreads && grid.x >= 1 && grid.y >= 1 && grid.z >= 1 &&
           grid.y <= kMaxGridYZ && grid.z <= kMaxGridYZ && launch.shared_bytes <= shared_limit(kernel);
}

} // namespace

namespace cuda_on_cpu {

Device &device() { return machine; }

void reset() {
    machine = Device();
    shared_limits.clear();
    current_device = 0;
    last_error = cudaSuccess;
}

size_t n_live() {
    return memory.size() + pinned.size() + streams.size() + events.size() + pools.size() + graphs.size() +
           execs.size();
}

size_t n_pinned_bytes() {
    size_t sum = 0;
    for (const auto &block : pinned) sum += block.second;
    return sum;
}

void queue_kernel(const void *kernel, const Launch &launch, cudaStream_t stream, std::function<void()> body) {
    if (!usable(stream) || stream->device != current_device)
        last_error = kInvalidHandle;
    else if (stream->capture == Capture::kInvalid)
        last_error = cudaErrorStreamCaptureInvalidated;
    else if (!shape_allowed(kernel, launch))
        last_error = cudaErrorInvalidConfiguration;
    else {
        machine.n_launches += stream->capture == Capture::kNone;
        queue(stream, [launch, body] {
            run(launch, machine.order, body);
            machine.n_kernels++;
        });
    }
}

} // namespace cuda_on_cpu

const char *cudaGetErrorString(cudaError_t error) {
    switch (error) {
    case cudaSuccess:
        return "no error";
    case cudaErrorInvalidValue:
        return "invalid argument";
    case cudaErrorMemoryAllocation:
        return "out of memory";
    case cudaErrorInvalidConfiguration:
        return "invalid configuration argument";
    case cudaErrorInsufficientDriver:
        return "CUDA driver version is insufficient for CUDA runtime version";
    case cudaErrorNoDevice:
        return "no CUDA-capable device is detected";
    case cudaErrorLaunchFailure:
        return "unspecified launch failure";
    case cudaErrorStreamCaptureUnsupported:
        return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureInvalidated:
        return "operation failed due to a previous error during capture";
    default:
        return "another error";
    }
}

cudaError_t cudaGetLastError() {
    const cudaError_t demanded = count_call(__func__),
                      error = demanded == cudaSuccess ? last_error : demanded;
    last_error = cudaSuccess;
    return error;
}

cudaError_t cudaGetDeviceCount(int *count) {
    FAIL_ON_DEMAND();
    *count = machine.n_devices;
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
    FAIL_ON_DEMAND();
    if (device < 0 || device >= machine.n_devices) return last_error = cudaErrorInvalidDevice;
    current_device = device;
    return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int device) {
    FAIL_ON_DEMAND();
    if (device < 0 || device >= machine.n_devices) return last_error = cudaErrorInvalidDevice;
    switch (attribute) {
    case cudaDevAttrClockRate:
        *value = 1000000; // kHz
        return cudaSuccess;
    case cudaDevAttrMultiProcessorCount:
        *value = machine.n_processors;
        return cudaSuccess;
    case cudaDevAttrComputeCapabilityMajor:
        *value = machine.major;
        return cudaSuccess;
    case cudaDevAttrComputeCapabilityMinor:
        *value = machine.minor;
        return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
        *value = machine.shared_bytes;
        return cudaSuccess;
    }
    return last_error = cudaErrorInvalidValue;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *out, int device) {
    FAIL_ON_DEMAND();
    if (device < 0 || device >= machine.n_devices) return last_error = cudaErrorInvalidDevice;
    *out = cudaDeviceProp { "stand-in for a GPU, on the CPU", machine.major, machine.minor };
    return cudaSuccess;
}

cudaError_t cudaFuncSetAttribute(const void *kernel, cudaFuncAttribute attribute, int value) {
    FAIL_ON_DEMAND();
    if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize || value < 0 || value > machine.shared_bytes)
        return last_error = cudaErrorInvalidValue;
    shared_limits[kernel] = static_cast<size_t>(value);
    return cudaSuccess;
}

cudaError_t cudaMemPoolCreate(cudaMemPool_t *pool, const cudaMemPoolProps *properties) {
    FAIL_ON_DEMAND();
    if (properties->location.type != cudaMemLocationTypeDevice) return last_error = cudaErrorInvalidValue;
    *pool = new FakePool { properties->location.id, 0, 0 };
    pools.insert(*pool);
    return cudaSuccess;
}

cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr, void *) {
    FAIL_ON_DEMAND();
    return pools.count(pool) != 0 ? cudaSuccess : cudaErrorInvalidValue;
}

cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void *value) {
    FAIL_ON_DEMAND();
    if (pools.count(pool) == 0 || attribute == cudaMemPoolAttrReleaseThreshold)
        return last_error = cudaErrorInvalidValue;
    *static_cast<uint64_t *>(value) = attribute == cudaMemPoolAttrUsedMemHigh ? pool->high : pool->used;
    return cudaSuccess;
}

cudaError_t cudaMemPoolDestroy(cudaMemPool_t pool) {
    if (pools.erase(pool) == 0) die("destroys a pool that is not there");
    delete pool;
    FAIL_ON_DEMAND();
    return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t *bytes_free, size_t *bytes_total) {
    FAIL_ON_DEMAND();
    *bytes_total = kTotalBytes;
    *bytes_free = kTotalBytes;
    for (const auto &block : memory) *bytes_free -= block.second;
    return cudaSuccess;
}

cudaError_t cudaMalloc(void **out, size_t bytes) {
    FAIL_ON_DEMAND();
    REFUSE(refuse_any_capture());
    return allocate(out, bytes);
}

cudaError_t cudaFree(void *block) {
    REFUSE(refuse_any_capture());
    if (block != nullptr) release(block);
    FAIL_ON_DEMAND();
    return cudaSuccess;
}

cudaError_t cudaMallocFromPoolAsync(void **out, size_t bytes, cudaMemPool_t pool, cudaStream_t stream) {
    FAIL_ON_DEMAND();
    REFUSE(refuse_capture(stream));
    if (!usable(stream) || pools.count(pool) == 0 || pool->device != stream->device)
        return last_error = kInvalidHandle;
    const cudaError_t error = allocate(out, bytes);
    if (error != cudaSuccess) return error;
    pool_of[*out] = pool;
    pool->used += bytes;
    pool->high = pool->used > pool->high ? pool->used : pool->high;
    return cudaSuccess;
}

cudaError_t cudaFreeAsync(void *block, cudaStream_t stream) {
    if (!usable(stream)) return last_error = kInvalidHandle;
    REFUSE(refuse_capture(stream));
    queue(stream, [block] { release(block); });
    FAIL_ON_DEMAND();
    return cudaSuccess;
}

cudaError_t cudaHostAlloc(void **out, size_t bytes, unsigned flags) {
    FAIL_ON_DEMAND();
    REFUSE(refuse_any_capture());
    if ((flags & cudaHostAllocMapped) == 0) return last_error = cudaErrorInvalidValue;
    void *block = nullptr;
    if (posix_memalign(&block, 4096, bytes) != 0) return last_error = cudaErrorMemoryAllocation;
    memset(block, 0xA5, bytes);
    pinned[static_cast<unsigned char *>(block)] = bytes;
    *out = block;
    return cudaSuccess;
}

cudaError_t cudaHostGetDevicePointer(void **out, void *host, unsigned) {
    FAIL_ON_DEMAND();
    if (!within(pinned, host, 1)) return last_error = cudaErrorInvalidValue;
    *out = static_cast<unsigned char *>(host) + machine.pinned_offset;
    return cudaSuccess;
}

cudaError_t cudaFreeHost(void *block) {
    REFUSE(refuse_any_capture());
    if (pinned.erase(static_cast<unsigned char *>(block)) == 0) die("frees pinned memory that is not there");
    free(block);
    FAIL_ON_DEMAND();
    return cudaSuccess;
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, cudaMemcpyKind kind) {
    FAIL_ON_DEMAND();
    REFUSE(refuse_any_capture());
    if (!copy_allowed(to, from, bytes, kind)) return last_error = cudaErrorInvalidValue;
    copy(to, from, bytes);
    return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
    FAIL_ON_DEMAND();
    REFUSE(refuse_capture(stream));
    if (!usable(stream)) return last_error = kInvalidHandle;
    if (!copy_allowed(to, from, bytes, kind)) return last_error = cudaErrorInvalidValue;
    queue(stream, [to, from, bytes] { copy(to, from, bytes); });
    return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *out, unsigned) {
    FAIL_ON_DEMAND();
    *out = new FakeStream { current_device };
    streams.insert(*out);
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    if (!usable(stream)) die("destroys a stream that is not there");
    if (stream->capture != Capture::kNone) die("destroys a stream that captures");
    run_until(stream, stream->n_queued);
    streams.erase(stream);
    delete stream;
    FAIL_ON_DEMAND();
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    FAIL_ON_DEMAND();
    if (stream == nullptr) return cudaSuccess; // the default one, whose copies are done when they return
    REFUSE(refuse_capture(stream));
    if (!usable(stream)) return last_error = kInvalidHandle;
    run_until(stream, stream->n_queued);
    return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
    FAIL_ON_DEMAND();
    REFUSE(refuse_capture(stream));
    if (!usable(stream) || events.count(event) == 0) return last_error = kInvalidHandle;
    if (event->stream == nullptr) return cudaSuccess;
    queue(stream, [earlier = event->stream, position = event->position] { run_until(earlier, position); });
    return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
    FAIL_ON_DEMAND();
    if (!usable(stream)) return last_error = kInvalidHandle;
    if (stream->capture != Capture::kNone) return fail_capture(cudaErrorIllegalState);
    stream->capture = Capture::kActive;
    return cudaSuccess;
}

// The capture ends whatever is returned.
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *out) {
    if (!usable(stream)) return last_error = kInvalidHandle;
    if (stream->capture == Capture::kNone) return fail_capture(cudaErrorIllegalState);
    const bool valid = stream->capture == Capture::kActive;
    std::vector<std::function<void()>> work;
    work.swap(stream->captured);
    stream->capture = Capture::kNone;
    *out = nullptr;
    FAIL_ON_DEMAND();
    if (!valid) return fail_capture(cudaErrorStreamCaptureInvalidated);
    *out = new FakeGraph { std::move(work) };
    graphs.insert(*out);
    return cudaSuccess;
}

cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t *out, cudaGraph_t graph, unsigned long long) {
    FAIL_ON_DEMAND();
    if (graphs.count(graph) == 0) return last_error = cudaErrorInvalidValue;
    *out = new FakeGraphExec { graph->work };
    execs.insert(*out);
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
    FAIL_ON_DEMAND();
    REFUSE(refuse_capture(stream));
    if (!usable(stream) || execs.count(exec) == 0) return last_error = kInvalidHandle;
    for (const std::function<void()> &work : exec->work) queue(stream, work);
    return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    if (graphs.erase(graph) == 0) die("destroys a graph that is not there");
    delete graph;
    FAIL_ON_DEMAND();
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
    if (execs.erase(exec) == 0) die("destroys an executable graph that is not there");
    delete exec;
    FAIL_ON_DEMAND();
    return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *out, unsigned) {
    FAIL_ON_DEMAND();
    *out = new FakeEvent;
    events.insert(*out);
    return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
    if (events.erase(event) == 0) die("destroys an event that is not there");
    delete event;
    FAIL_ON_DEMAND();
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    FAIL_ON_DEMAND();
    REFUSE(refuse_capture(stream));
    if (!usable(stream) || events.count(event) == 0) return last_error = kInvalidHandle;
    event->stream = stream;
    event->position = stream->n_queued;
    return cudaSuccess;
}
