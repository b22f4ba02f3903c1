// Devices, streams and memory of the CUDA backend: what is reported when there is no device, when a call
// fails (each in turn), and that everything is given back.
#include <string>

#include "base/arena.h"
#include "base/fault.h"
#include "fake_device.h"
#include "pair.h"

namespace cuda_on_cpu {
namespace {

const uint32_t kLogN = 10;
const size_t kN = size_t(1) << kLogN;

class CudaDevice : public testing::Test {
  protected:
    void SetUp() override {
        reset();
        primes_ = make_primes(kLogN, 3, { 49, 48, 61 });
        chain_ = { kLogN, 1, 2, primes_.data() };
    }
    void TearDown() override { EXPECT_EQ(n_live(), 0u) << "something on the device was not given back"; }

    mzv_status open_and_close(int device = 0, const char *variant = nullptr) {
        mzv_backend *backend = nullptr;
        const mzv_status status = mzv_cuda_ops.open(&backend, &chain_, device, variant);
        EXPECT_EQ(backend != nullptr, status == MZV_OK);
        mzv_cuda_ops.close(backend);
        return status;
    }

    std::vector<uint64_t> primes_;
    mzv_chain chain_;
};

bool last_error_has(const char *text) {
    return std::string(mzv_last_error()).find(text) != std::string::npos;
}

TEST_F(CudaDevice, NoDriverAndNoDeviceAreNoDevice) {
    for (cudaError_t error : { cudaErrorInsufficientDriver, cudaErrorNoDevice }) {
        device().fail_call = "cudaGetDeviceCount";
        device().fail_with = error;
        EXPECT_EQ(open_and_close(), MZV_ERR_NO_DEVICE);
        EXPECT_TRUE(last_error_has("no device")) << mzv_last_error();
        device().fail_call = "cudaGetDeviceCount";
        EXPECT_EQ(mzv_cuda_ops.probe(0), MZV_ERR_NO_DEVICE);
    }
    device().fail_call = "cudaGetDeviceCount";
    device().fail_with = cudaErrorLaunchFailure;
    EXPECT_EQ(open_and_close(), MZV_ERR_DEVICE);
}

TEST_F(CudaDevice, DeviceThatIsNotThere) {
    device().n_devices = 2;
    EXPECT_EQ(open_and_close(1), MZV_OK) << mzv_last_error();
    for (int index : { -1, 2, 7 }) {
        EXPECT_EQ(open_and_close(index), MZV_ERR_NO_DEVICE);
        EXPECT_TRUE(last_error_has("2 present")) << mzv_last_error();
    }
}

TEST_F(CudaDevice, DeviceTooOld) {
    device().major = 7;
    device().minor = 5;
    EXPECT_EQ(open_and_close(), MZV_ERR_NO_DEVICE);
    EXPECT_TRUE(last_error_has("7.5")) << mzv_last_error();
}

TEST_F(CudaDevice, DescribesArchitecture) {
    const struct {
        int major, minor;
        const char *name;
    } cases[] = {
        { 8, 0, "cuda/sm_80" }, { 8, 9, "cuda/sm_89" }, { 9, 0, "cuda/sm_90" }, { 12, 0, "cuda/sm_120" }
    };
    for (const auto &c : cases) {
        device().major = c.major;
        device().minor = c.minor;
        mzv_backend *backend = nullptr;
        ASSERT_EQ(mzv_cuda_ops.open(&backend, &chain_, 0, nullptr), MZV_OK) << mzv_last_error();
        EXPECT_STREQ(mzv_cuda_ops.describe(backend), c.name);
        mzv_cuda_ops.close(backend);
    }
}

TEST_F(CudaDevice, UnknownVariant) {
    EXPECT_EQ(open_and_close(0, "avx2"), MZV_ERR_ARGUMENT);
    EXPECT_TRUE(last_error_has("\"avx2\"")) << mzv_last_error();
    EXPECT_EQ(open_and_close(0, "integer"), MZV_OK);
    EXPECT_EQ(open_and_close(0, "fp64"), MZV_ERR_ARGUMENT); // a prime of 61 bits
    EXPECT_TRUE(last_error_has("28 to 49 bits")) << mzv_last_error();
    primes_ = make_primes(kLogN, 3, { 49, 48, 28 });
    chain_.primes = primes_.data();
    EXPECT_EQ(open_and_close(0, "fp64"), MZV_OK) << mzv_last_error();
}

TEST_F(CudaDevice, ChainsThatAreNotChains) {
    const std::vector<uint64_t> good = primes_;
    for (uint32_t log_n : { 0u, 9u, 18u, 64u }) {
        chain_.log_n = log_n;
        EXPECT_EQ(open_and_close(), MZV_ERR_ARGUMENT) << log_n;
    }
    chain_.log_n = kLogN;
    for (uint64_t bad :
         { uint64_t(0), uint64_t(1), good[0], good[1] + 2, uint64_t(4097) * 4097, (uint64_t(1) << 61) + 1 }) {
        primes_[1] = bad;
        EXPECT_EQ(open_and_close(), MZV_ERR_ARGUMENT) << bad;
    }
    primes_ = good;
    chain_.n_p = chain_.n_q = 0;
    EXPECT_EQ(open_and_close(), MZV_ERR_ARGUMENT);
    chain_.n_q = MZV_MAX_PRIMES + 1;
    EXPECT_EQ(open_and_close(), MZV_ERR_ARGUMENT);
}

// One of everything the backend does, to its end; the first failure is returned, and everything is given
// back.
struct Scenario {
    const mzv_chain *chain;
    mzv_backend *backend = nullptr;
    mzv_stream *a = nullptr, *b = nullptr;
    uint64_t *words = nullptr, *more = nullptr, *pinned = nullptr;
    long calls_before_close = 0;

    // Until the stream has passed all that its work reads: a second time if the first was made to fail.
    static mzv_status drain(mzv_stream *s) {
        const mzv_status status = s->ops->synchronize(s);
        if (status != MZV_OK) {
            EXPECT_EQ(s->ops->synchronize(s), MZV_OK) << mzv_last_error();
        }
        return status;
    }

    mzv_status compute() {
        const mzv_basis all = { 1, 0, 2 }, q = { 0, 0, 2 };
        const mzv_poly x = { words, 3 * kN, 1, all }, y = { words + 3 * kN, 2 * kN, 1, q };
        const std::vector<uint64_t> zeros(8 * kN, 0), c(3, 1);
        std::vector<uint64_t> out(3 * kN, 1);
        mzv_status status = a->ops->upload(a, words, zeros.data(), zeros.size());
        // Queued work reads `zeros` later: it may not go before the stream has passed it.
        const mzv_status passed = drain(a);
        if (status == MZV_OK) status = passed;
        if (status == MZV_OK) status = a->ops->mul_add(a, x, mzv_view(x), mzv_view(x));
        if (status == MZV_OK) status = a->ops->add_const(a, x, mzv_view(x), c.data());
        if (status == MZV_OK) status = a->ops->ntt(a, x);
        if (status == MZV_OK) status = a->ops->intt(a, x);
        if (status == MZV_OK) status = a->ops->mod_down(a, y, mzv_view(x));
        if (status == MZV_OK) status = a->ops->mod_up(a, x, mzv_view(y));
        if (status == MZV_OK) status = a->ops->stream_wait(b, a);
        if (status == MZV_OK) status = b->ops->lift(b, x, reinterpret_cast<int64_t *>(y.base), 0);
        if (status == MZV_OK) status = b->ops->stream_wait(a, b);
        if (status == MZV_OK) status = a->ops->download(a, out.data(), words, out.size());
        const mzv_status last = drain(a);
        return status == MZV_OK ? last : status;
    }

    // One rotation without a key; its weight has to be lifted.
    mzv_status rotate(const mzv_cpoly *x, mzv_cpoly limb) {
        const mzv_cpoly parts[2] = { limb, limb }, *key = nullptr;
        const uint64_t one = 1;
        const uint32_t galois = 1;
        mzv_poly r[2] = { { words + 4 * kN, 0, 1, x[0].basis }, { words + 6 * kN, 0, 1, x[0].basis } };
        mzv_diagonal weight = {};
        weight.integers = reinterpret_cast<const int64_t *>(words + 2 * kN);
        mzv_rotations of = {};
        of.d = x;
        of.a = parts;
        of.c = &one;
        of.key = &key;
        of.galois = &galois;
        of.w = &weight;
        of.n_digits = of.n_rotations = of.n_sums = 1;
        return a->ops->rotation_sums(a, r, &of);
    }

    // Level 4, on polynomials modulo p_0 and q_0.
    mzv_status compute_fused() {
        const mzv_basis basis = { 1, 0, 1 };
        const mzv_poly one = { words, 2 * kN, 1, basis };
        const mzv_cpoly x[2] = { mzv_view(one), mzv_view(one) }, *keys[1] = { x };
        mzv_poly r[3] = { one, one, one };
        for (int t = 0; t < 3; t++) r[t].base += (2 + 2 * t) * kN;
        const uint32_t galois = 3;
        const mzv_switch with = { x, 1, nullptr, nullptr, galois, false };
        const mzv_poly low[2] = { { r[0].base, kN, 1, { 0, 0, 1 } }, { r[1].base, kN, 1, { 0, 0, 1 } } };
        mzv_poly out[2] = { low[0], low[1] };
        const mzv_cpoly d = { words + kN, kN, 1, { 0, 0, 1 } };
        mzv_status status = a->ops->tensor(a, r, x, x);
        if (status == MZV_OK) status = a->ops->dot(a, r[0], x, x, 2);
        if (status == MZV_OK) status = a->ops->key_product(a, r, x, x, 1);
        if (status == MZV_OK) status = a->ops->fold(a, r, x, keys, &galois, 1, 1);
        if (status == MZV_OK) status = a->ops->key_switch(a, out, d, &with);
        if (status == MZV_OK) status = rotate(x, d);
        const mzv_status last = drain(a);
        return status == MZV_OK ? last : status;
    }

    mzv_status prepare() {
        mzv_status status = mzv_cuda_ops.open(&backend, chain, 0, nullptr);
        if (status == MZV_OK) status = mzv_cuda_ops.stream_open(&a, backend);
        if (status == MZV_OK) status = mzv_cuda_ops.stream_open(&b, backend);
        if (status == MZV_OK) status = mzv_scratch_reserve(a, 8 * kN);
        if (status == MZV_OK) status = a->ops->alloc(a, &words, 8 * kN);
        return status;
    }

    mzv_status run() {
        mzv_status status = prepare();
        if (status == MZV_OK) status = a->ops->alloc_pinned(a, &pinned, kN);
        if (status == MZV_OK) status = compute();
        if (status == MZV_OK) status = compute_fused();
        if (words != nullptr) {
            const mzv_status drained = drain(b); // it reads `words`
            if (status == MZV_OK) status = drained;
            if (pinned != nullptr) a->ops->free_pinned(a, pinned, kN);
            a->ops->free(a, words); // both reported by the next call
            const mzv_status last = a->ops->synchronize(a);
            if (status == MZV_OK) status = last;
        }
        calls_before_close = device().n_calls;
        mzv_cuda_ops.stream_close(b);
        mzv_cuda_ops.stream_close(a);
        mzv_cuda_ops.close(backend);
        return status;
    }
};

TEST_F(CudaDevice, EveryCallMadeToFailInTurn) {
    Scenario whole { &chain_ };
    ASSERT_EQ(whole.run(), MZV_OK) << mzv_last_error();
    ASSERT_EQ(n_live(), 0u);
    const long n_calls = device().n_calls;
    EXPECT_GT(n_calls, 60);
    EXPECT_EQ(device().n_kernels, 14 + 12); // 1 + 1 + 2 + 2 + 3 + 3 + 2, and 4 times 1, 5 and 3
    for (long i = 0; i < n_calls; i++) {
        reset();
        device().fail_at = i;
        Scenario scenario { &chain_ };
        const mzv_status status = scenario.run();
        ASSERT_FALSE(device().failed.empty()) << "call " << i;
        if (i < whole.calls_before_close) {
            EXPECT_EQ(status, MZV_ERR_DEVICE) << "call " << i << ", " << device().failed;
            EXPECT_TRUE(last_error_has("719"))
                << "call " << i << ", " << device().failed << ": " << mzv_last_error();
        } else {
            EXPECT_EQ(status, MZV_OK) << "call " << i << ", " << device().failed;
        }
        ASSERT_EQ(n_live(), 0u) << "call " << i << ", " << device().failed;
    }
}

TEST_F(CudaDevice, EveryHostAllocationMadeToFailInTurn) {
    const int64_t live = mzv_alloc_live();
    int64_t n = 0;
    for (;; n++) {
        mzv_test_fail_alloc_after(n);
        Scenario scenario { &chain_ };
        const mzv_status status = scenario.run();
        mzv_test_fail_alloc_after(-1);
        EXPECT_EQ(mzv_alloc_live(), live);
        EXPECT_EQ(n_live(), 0u);
        if (status == MZV_OK) break;
        EXPECT_EQ(status, MZV_ERR_MEMORY) << "allocation " << n;
        ASSERT_LT(n, 100);
    }
    EXPECT_GE(n, 4); // backend, twiddles, two streams
}

TEST_F(CudaDevice, OutOfMemorySaysHowMuch) {
    Scenario scenario { &chain_ };
    ASSERT_EQ(scenario.prepare(), MZV_OK) << mzv_last_error();
    for (bool huge : { false, true }) {
        uint64_t *more = nullptr;
        device().fail_call = huge ? "" : "cudaMallocFromPoolAsync";
        device().fail_with = cudaErrorMemoryAllocation;
        EXPECT_EQ(mzv_cuda_ops.alloc(scenario.a, &more, huge ? SIZE_MAX / 4 : 1000), MZV_ERR_MEMORY);
        EXPECT_EQ(more, nullptr);
        EXPECT_EQ(last_error_has("8000 bytes"), !huge) << mzv_last_error();
    }
    mzv_cuda_ops.free(scenario.a, scenario.words);
    mzv_cuda_ops.stream_close(scenario.a);
    mzv_cuda_ops.stream_close(scenario.b);
    mzv_cuda_ops.close(scenario.backend);
}

TEST_F(CudaDevice, BatchThatNoGridHolds) {
    Scenario scenario { &chain_ };
    ASSERT_EQ(scenario.prepare(), MZV_OK) << mzv_last_error();
    const mzv_poly r = { scenario.words, 0, 65536, { 0, 0, 1 } };
    EXPECT_EQ(mzv_cuda_ops.add(scenario.a, r, mzv_view(r), mzv_view(r)), MZV_ERR_DEVICE);
    EXPECT_TRUE(last_error_has("65536")) << mzv_last_error();
    mzv_cuda_ops.free(scenario.a, scenario.words);
    mzv_cuda_ops.stream_close(scenario.a);
    mzv_cuda_ops.stream_close(scenario.b);
    mzv_cuda_ops.close(scenario.backend);
}

// A strip of five sources in a ring of 2^15 takes more shared memory than a kernel has without asking.
TEST_F(CudaDevice, SharedMemoryIsAskedFor) {
    const uint32_t log_n = 15;
    const std::vector<uint64_t> primes = make_primes(log_n, 14, { 49, 48 });
    chain_ = { log_n, 0, 14, primes.data() };
    mzv_backend *backend = nullptr;
    mzv_stream *s = nullptr;
    uint64_t *words = nullptr;
    device().fail_call = "cudaFuncSetAttribute";
    EXPECT_EQ(mzv_cuda_ops.open(&backend, &chain_, 0, nullptr), MZV_ERR_DEVICE);
    EXPECT_TRUE(last_error_has("cudaFuncSetAttribute")) << mzv_last_error();
    ASSERT_EQ(backend, nullptr);
    ASSERT_EQ(mzv_cuda_ops.open(&backend, &chain_, 0, nullptr), MZV_OK) << mzv_last_error();
    ASSERT_EQ(mzv_cuda_ops.stream_open(&s, backend), MZV_OK) << mzv_last_error();
    ASSERT_EQ(mzv_scratch_reserve(s, size_t(5) << log_n), MZV_OK) << mzv_last_error();
    ASSERT_EQ(mzv_cuda_ops.alloc(s, &words, size_t(19) << log_n), MZV_OK) << mzv_last_error();
    const std::vector<uint64_t> zeros(size_t(19) << log_n, 0);
    ASSERT_EQ(mzv_cuda_ops.upload(s, words, zeros.data(), zeros.size()), MZV_OK) << mzv_last_error();
    const mzv_cpoly a = { words, 0, 1, { 0, 0, 5 } };
    const mzv_poly r = { words + (size_t(5) << log_n), 0, 1, { 0, 0, 14 } };
    EXPECT_EQ(mzv_cuda_ops.mod_up(s, r, a), MZV_OK) << mzv_last_error();
    EXPECT_EQ(mzv_cuda_ops.synchronize(s), MZV_OK) << mzv_last_error();
    mzv_cuda_ops.free(s, words);
    mzv_cuda_ops.stream_close(s);
    mzv_cuda_ops.close(backend);
}

// Two devices in turn from one thread: every call has to make its own device current.
TEST_F(CudaDevice, StreamsOfTwoDevicesInTurn) {
    device().n_devices = 2;
    mzv_backend *backend[2] = {};
    mzv_stream *s[2] = {};
    uint64_t *words[2] = {};
    for (int i = 0; i < 2; i++) {
        ASSERT_EQ(mzv_cuda_ops.open(&backend[i], &chain_, i, nullptr), MZV_OK) << mzv_last_error();
        ASSERT_EQ(mzv_cuda_ops.stream_open(&s[i], backend[i]), MZV_OK) << mzv_last_error();
        ASSERT_EQ(mzv_cuda_ops.alloc(s[i], &words[i], 3 * kN), MZV_OK) << mzv_last_error();
    }
    const std::vector<uint64_t> zeros(3 * kN, 0);
    for (int i = 0; i < 2; i++)
        ASSERT_EQ(mzv_cuda_ops.upload(s[i], words[i], zeros.data(), zeros.size()), MZV_OK)
            << mzv_last_error();
    for (int i = 0; i < 4; i++) {
        const mzv_poly r = { words[i % 2], 3 * kN, 1, { 1, 0, 2 } };
        const uint64_t c[] = { 1, 2, 3 };
        EXPECT_EQ(mzv_cuda_ops.add_const(s[i % 2], r, mzv_view(r), c), MZV_OK) << mzv_last_error();
    }
    for (int i = 0; i < 2; i++) {
        std::vector<uint64_t> out(3 * kN);
        EXPECT_EQ(mzv_cuda_ops.download(s[i], out.data(), words[i], out.size()), MZV_OK) << mzv_last_error();
        EXPECT_EQ(mzv_cuda_ops.synchronize(s[i]), MZV_OK) << mzv_last_error();
        for (size_t k = 0; k < out.size(); k++) ASSERT_EQ(out[k], 2 * (k / kN + 1));
        mzv_cuda_ops.free(s[i], words[i]);
        mzv_cuda_ops.stream_close(s[i]);
        mzv_cuda_ops.close(backend[i]);
    }
}

TEST_F(CudaDevice, WorkOfOneStreamWaitsForTheOther) {
    Scenario scenario { &chain_ };
    ASSERT_EQ(scenario.prepare(), MZV_OK) << mzv_last_error();
    const std::vector<uint64_t> ones(kN, 1);
    std::vector<uint64_t> out(kN);
    const uint64_t c[] = { 41 };
    const mzv_poly r = { scenario.words, kN, 1, { 0, 0, 1 } };
    ASSERT_EQ(mzv_cuda_ops.upload(scenario.a, scenario.words, ones.data(), kN), MZV_OK);
    ASSERT_EQ(mzv_cuda_ops.add_const(scenario.a, r, mzv_view(r), c), MZV_OK);
    ASSERT_EQ(mzv_cuda_ops.stream_wait(scenario.b, scenario.a), MZV_OK);
    ASSERT_EQ(mzv_cuda_ops.download(scenario.b, out.data(), scenario.words, kN), MZV_OK);
    ASSERT_EQ(mzv_cuda_ops.synchronize(scenario.b), MZV_OK);
    EXPECT_EQ(out, std::vector<uint64_t>(kN, 42));
    mzv_cuda_ops.free(scenario.a, scenario.words);
    mzv_cuda_ops.stream_close(scenario.a);
    mzv_cuda_ops.stream_close(scenario.b);
    mzv_cuda_ops.close(scenario.backend);
}

} // namespace
} // namespace cuda_on_cpu
