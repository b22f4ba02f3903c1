// Device memory of the CUDA backend: the limit a user sets, what is counted, what errors say; and what `look`
// tells of devices.
#include <string>

#include "fake_device.h"
#include "pair.h"

namespace cuda_on_cpu {
namespace {

const uint32_t kLogN = 10;

class CudaMemory : public testing::Test {
  protected:
    void SetUp() override {
        reset();
        primes_ = make_primes(kLogN, 3, { 49, 48 });
        chain_ = { kLogN, 1, 2, primes_.data() };
        ASSERT_EQ(mzv_cuda_ops.open(&backend_, &chain_, 0, nullptr), MZV_OK) << mzv_last_error();
        ASSERT_EQ(mzv_cuda_ops.stream_open(&s_, backend_), MZV_OK) << mzv_last_error();
    }
    void TearDown() override {
        mzv_cuda_ops.stream_close(s_);
        mzv_cuda_ops.close(backend_);
        EXPECT_EQ(n_live(), 0u) << "something on the device was not given back";
    }
    mzv_device_memory memory() const {
        mzv_device_memory m = {};
        EXPECT_EQ(mzv_cuda_ops.memory(&m, backend_), MZV_OK) << mzv_last_error();
        return m;
    }

    std::vector<uint64_t> primes_;
    mzv_chain chain_;
    mzv_backend *backend_ = nullptr;
    mzv_stream *s_ = nullptr;
};

bool last_error_has(const std::string &text) {
    return std::string(mzv_last_error()).find(text) != std::string::npos;
}

TEST_F(CudaMemory, CountsTablesAndAllocations) {
    const uint64_t tables = memory().used_bytes;
    EXPECT_GE(tables, 3u * 2 * 8 * 1024); // twiddles, both ways
    uint64_t *a = nullptr, *b = nullptr;
    ASSERT_EQ(mzv_cuda_ops.alloc(s_, &a, 1000), MZV_OK);
    ASSERT_EQ(mzv_cuda_ops.alloc(s_, &b, 500), MZV_OK);
    EXPECT_EQ(memory().used_bytes, tables + 12000);
    mzv_cuda_ops.free(s_, a);
    ASSERT_EQ(mzv_cuda_ops.synchronize(s_), MZV_OK);
    EXPECT_EQ(memory().used_bytes, tables + 4000);
    EXPECT_EQ(memory().peak_bytes, tables + 12000);
    EXPECT_EQ(memory().max_bytes, 0u);
    mzv_cuda_ops.free(s_, b);
}

TEST_F(CudaMemory, LimitHoldsToTheByteAndNamesTheKnob) {
    const uint64_t tables = memory().used_bytes;
    uint64_t *a = nullptr, *b = nullptr;
    ASSERT_EQ(mzv_cuda_ops.limit(backend_, tables + 8000), MZV_OK) << mzv_last_error();
    EXPECT_EQ(mzv_cuda_ops.alloc(s_, &a, 1001), MZV_ERR_MEMORY);
    EXPECT_EQ(a, nullptr);
    EXPECT_TRUE(last_error_has("8008 bytes needed, 8000 of")) << mzv_last_error();
    EXPECT_TRUE(last_error_has("--device-memory")) << mzv_last_error();
    ASSERT_EQ(mzv_cuda_ops.alloc(s_, &a, 1000), MZV_OK) << mzv_last_error();
    EXPECT_EQ(mzv_cuda_ops.alloc(s_, &b, 1), MZV_ERR_MEMORY);
    mzv_cuda_ops.free(s_, a); // queued: the next allocation waits for it
    ASSERT_EQ(mzv_cuda_ops.alloc(s_, &b, 1000), MZV_OK) << mzv_last_error();
    mzv_cuda_ops.free(s_, b);
}

TEST_F(CudaMemory, LimitBelowTheTablesIsRefusedAndTheOldOneStays) {
    const uint64_t tables = memory().used_bytes;
    EXPECT_EQ(mzv_cuda_ops.limit(backend_, tables - 1), MZV_ERR_MEMORY);
    EXPECT_TRUE(last_error_has(std::to_string(tables) + " bytes needed")) << mzv_last_error();
    EXPECT_EQ(memory().max_bytes, 0u);
    ASSERT_EQ(mzv_cuda_ops.limit(backend_, tables), MZV_OK);
    EXPECT_EQ(memory().max_bytes, tables);
    uint64_t *a = nullptr;
    EXPECT_EQ(mzv_cuda_ops.alloc(s_, &a, 1), MZV_ERR_MEMORY);
    ASSERT_EQ(mzv_cuda_ops.limit(backend_, 0), MZV_OK);
    ASSERT_EQ(mzv_cuda_ops.alloc(s_, &a, 1), MZV_OK);
    mzv_cuda_ops.free(s_, a);
}

// CUDA keeps the status of a failed call for whoever asks for the last one: the next launch, which is well.
TEST_F(CudaMemory, AFailedCallDoesNotFailTheNext) {
    const size_t n = size_t(1) << kLogN;
    const std::vector<uint64_t> zeros(n);
    uint64_t *a = nullptr, *more = nullptr;
    ASSERT_EQ(mzv_cuda_ops.alloc(s_, &a, n), MZV_OK) << mzv_last_error();
    const mzv_poly r = { a, n, 1, { 0, 0, 1 } };
    const auto expect_one_failure = [&](const char *call, const std::function<mzv_status()> &run) {
        device().fail_call = call;
        device().fail_with = cudaErrorInvalidValue;
        EXPECT_EQ(run(), MZV_ERR_DEVICE) << call;
        EXPECT_TRUE(last_error_has("invalid argument")) << mzv_last_error();
        EXPECT_EQ(mzv_cuda_ops.add(s_, r, mzv_view(r), mzv_view(r)), MZV_OK)
            << call << ": " << mzv_last_error();
        EXPECT_EQ(more, nullptr) << call;
    };
    expect_one_failure("cudaMallocFromPoolAsync", [&] { return mzv_cuda_ops.alloc(s_, &more, 1); });
    expect_one_failure("cudaStreamSynchronize", [&] { return mzv_cuda_ops.alloc(s_, &more, 1); });
    expect_one_failure("cudaHostAlloc", [&] { return mzv_cuda_ops.alloc_pinned(s_, &more, 1); });
    expect_one_failure("cudaMemcpyAsync", [&] { return mzv_cuda_ops.upload(s_, a, zeros.data(), n); });
    expect_one_failure("cudaFreeAsync", [&] {
        uint64_t *freed = nullptr;
        EXPECT_EQ(mzv_cuda_ops.alloc(s_, &freed, 1), MZV_OK);
        mzv_cuda_ops.free(s_, freed);
        return mzv_cuda_ops.synchronize(s_); // the next call reports it
    });
    mzv_cuda_ops.free(s_, a);
}

// A fault inside a kernel is met by the next call that waits: the message says that the device is gone.
TEST_F(CudaMemory, LostDeviceIsNamed) {
    for (int code : { 700, 719, 214 }) {
        device().fail_call = "cudaStreamSynchronize";
        device().fail_with = static_cast<cudaError_t>(code);
        EXPECT_EQ(mzv_cuda_ops.synchronize(s_), MZV_ERR_DEVICE);
        EXPECT_TRUE(last_error_has("error " + std::to_string(code))) << mzv_last_error();
        EXPECT_TRUE(last_error_has("the device is lost")) << mzv_last_error();
    }
    device().fail_call = "cudaStreamSynchronize";
    device().fail_with = cudaErrorInvalidValue;
    EXPECT_EQ(mzv_cuda_ops.synchronize(s_), MZV_ERR_DEVICE);
    EXPECT_FALSE(last_error_has("lost")) << mzv_last_error();
}

TEST_F(CudaMemory, NoRoomForTablesIsOutOfMemory) {
    mzv_backend *other = nullptr;
    device().fail_call = "cudaMalloc";
    device().fail_with = cudaErrorMemoryAllocation;
    EXPECT_EQ(mzv_cuda_ops.open(&other, &chain_, 0, nullptr), MZV_ERR_MEMORY);
    EXPECT_TRUE(last_error_has("are free")) << mzv_last_error();
    EXPECT_EQ(other, nullptr);
}

// Operands in pinned memory: copied to and from, read by kernels, not counted as the device's.
TEST_F(CudaMemory, PinnedMemoryIsReadInPlace) {
    const size_t n = size_t(1) << kLogN;
    const mzv_basis basis = { 0, 0, 1 };
    const uint64_t used = memory().used_bytes;
    uint64_t *a = nullptr, *r = nullptr;
    ASSERT_EQ(mzv_cuda_ops.alloc_pinned(s_, &a, n), MZV_OK) << mzv_last_error();
    EXPECT_EQ(memory().used_bytes, used);
    EXPECT_EQ(memory().pinned_bytes, 8 * n);
    EXPECT_EQ(n_pinned_bytes(), 8 * n);
    ASSERT_EQ(mzv_cuda_ops.alloc(s_, &r, n), MZV_OK);
    std::vector<uint64_t> x(n), back(n), sum(n);
    for (size_t k = 0; k < n; k++) x[k] = k * k % primes_[1];
    ASSERT_EQ(mzv_cuda_ops.upload(s_, a, x.data(), n), MZV_OK) << mzv_last_error();
    const mzv_cpoly view = { a, n, 1, basis };
    ASSERT_EQ(mzv_cuda_ops.add(s_, { r, n, 1, basis }, view, view), MZV_OK) << mzv_last_error();
    ASSERT_EQ(mzv_cuda_ops.download(s_, back.data(), a, n), MZV_OK) << mzv_last_error();
    ASSERT_EQ(mzv_cuda_ops.download(s_, sum.data(), r, n), MZV_OK) << mzv_last_error();
    mzv_cuda_ops.free(s_, r);
    mzv_cuda_ops.free_pinned(s_, a, n); // after what is queued
    EXPECT_EQ(back, x);
    for (size_t k = 0; k < n; k++) ASSERT_EQ(sum[k], 2 * x[k] % primes_[1]) << k;
    EXPECT_EQ(memory().pinned_bytes, 0u);
}

TEST_F(CudaMemory, PinnedMemoryThatIsRefused) {
    uint64_t *a = nullptr;
    device().fail_call = "cudaHostAlloc";
    device().fail_with = cudaErrorMemoryAllocation;
    EXPECT_EQ(mzv_cuda_ops.alloc_pinned(s_, &a, 1000), MZV_ERR_MEMORY);
    EXPECT_TRUE(last_error_has("8000 bytes of pinned host memory")) << mzv_last_error();
    EXPECT_TRUE(last_error_has("device_bytes_keys")) << mzv_last_error();
    device().fail_call = "cudaHostGetDevicePointer";
    device().fail_with = cudaErrorInvalidValue;
    EXPECT_EQ(mzv_cuda_ops.alloc_pinned(s_, &a, 1000), MZV_ERR_DEVICE);
    device().pinned_offset = 4096;
    EXPECT_EQ(mzv_cuda_ops.alloc_pinned(s_, &a, 1000), MZV_ERR_DEVICE);
    EXPECT_TRUE(last_error_has("another address on the device")) << mzv_last_error();
    EXPECT_EQ(a, nullptr);
    EXPECT_EQ(memory().pinned_bytes, 0u);
    EXPECT_EQ(n_pinned_bytes(), 0u);
}

TEST_F(CudaMemory, LookTellsOfEachDevice) {
    device().n_devices = 3;
    device().major = 8;
    device().minor = 9;
    mzv_device_facts facts = {};
    int n = 0;
    ASSERT_EQ(mzv_cuda_ops.look(&facts, &n, 2), MZV_OK) << mzv_last_error();
    EXPECT_EQ(n, 3);
    EXPECT_STREQ(facts.architecture, "sm_89");
    EXPECT_STREQ(facts.arithmetic, "integer"); // FP64 at 1/64 of the rate of FP32
    EXPECT_EQ(facts.fp64_per_s, 0);
    EXPECT_GT(facts.free_bytes, 0u);
    EXPECT_GT(facts.total_bytes, facts.free_bytes); // the tables are there
    device().minor = 0;
    ASSERT_EQ(mzv_cuda_ops.look(&facts, &n, 0), MZV_OK) << mzv_last_error();
    EXPECT_STREQ(facts.arithmetic, "fp64");
    EXPECT_EQ(facts.fp64_per_s, 4 * 32 * 1e9); // multiprocessors, a clock, clocks
    device().major = 7;
    ASSERT_EQ(mzv_cuda_ops.look(&facts, &n, 0), MZV_OK) << mzv_last_error();
    EXPECT_STREQ(facts.arithmetic, "none");
    EXPECT_EQ(mzv_cuda_ops.look(&facts, &n, 3), MZV_ERR_NO_DEVICE);
    device().fail_call = "cudaGetDeviceCount";
    device().fail_with = cudaErrorNoDevice;
    EXPECT_EQ(mzv_cuda_ops.look(nullptr, &n, 0), MZV_ERR_NO_DEVICE);
}

} // namespace
} // namespace cuda_on_cpu
