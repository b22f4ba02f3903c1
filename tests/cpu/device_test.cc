// Opening the CPU backend, its memory, and which kernels it picks.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "base/arena.h"
#include "base/fault.h"
#include "cpu/cpu_backend.h"
#include "math/primes.h"

namespace {

struct Chain {
    explicit Chain(uint32_t log_n, uint64_t limit = UINT64_C(1) << 48) {
        for (auto &p : primes) {
            EXPECT_EQ(mzv_prime_below(&p, limit, UINT64_C(2) << log_n), MZV_OK);
            limit = p;
        }
        chain = { log_n, 1, 2, primes };
    }
    uint64_t primes[3];
    mzv_chain chain;
};

mzv_status try_open(const mzv_chain &chain, int device, const char *variant,
                    std::string *described = nullptr) {
    mzv_backend *backend = nullptr;
    const mzv_status status = mzv_cpu_ops.open(&backend, &chain, device, variant);
    if (status == MZV_OK && described != nullptr) *described = mzv_cpu_ops.describe(backend);
    if (status != MZV_OK) {
        EXPECT_EQ(backend, nullptr);
    }
    mzv_cpu_ops.close(backend);
    return status;
}

TEST(CpuDevice, ScalarIsAlwaysThere) {
    std::string name;
    ASSERT_EQ(try_open(Chain(10).chain, 0, "scalar", &name), MZV_OK);
    EXPECT_EQ(name, "cpu/scalar");
}

TEST(CpuDevice, EnvironmentForcesAVariant) {
    const char *saved = getenv("MZV_CPU");
    const std::string before = saved == nullptr ? "" : saved;
    std::string name;
    setenv("MZV_CPU", "scalar", 1);
    EXPECT_EQ(try_open(Chain(10).chain, 0, nullptr, &name), MZV_OK);
    EXPECT_EQ(name, "cpu/scalar");
    setenv("MZV_CPU", "mmx", 1);
    EXPECT_EQ(try_open(Chain(10).chain, 0, nullptr), MZV_ERR_ARGUMENT);
    if (saved == nullptr) {
        unsetenv("MZV_CPU");
    } else {
        setenv("MZV_CPU", before.c_str(), 1);
    }
}

TEST(CpuDevice, UnknownVariantListsThoseOfTheMachine) {
    EXPECT_EQ(try_open(Chain(10).chain, 0, "sse9"), MZV_ERR_ARGUMENT);
    const std::string message = mzv_last_error();
    EXPECT_NE(message.find("\"sse9\" is not available, this machine has scalar"), std::string::npos)
        << message;
}

TEST(CpuDevice, BadChainsAreRefused) {
    Chain good(10);
    EXPECT_EQ(try_open(good.chain, 1, nullptr), MZV_ERR_NO_DEVICE);
    mzv_chain chain = good.chain;
    chain.log_n = 2;
    EXPECT_EQ(try_open(chain, 0, nullptr), MZV_ERR_ARGUMENT);
    chain.log_n = 18;
    EXPECT_EQ(try_open(chain, 0, nullptr), MZV_ERR_ARGUMENT);
    chain = good.chain;
    chain.n_q = MZV_MAX_PRIMES;
    EXPECT_EQ(try_open(chain, 0, nullptr), MZV_ERR_ARGUMENT);
    chain.n_p = chain.n_q = 0;
    EXPECT_EQ(try_open(chain, 0, nullptr), MZV_ERR_ARGUMENT);
    Chain twin(10), tall(10), off(10);
    twin.primes[2] = twin.primes[1];
    EXPECT_EQ(try_open(twin.chain, 0, nullptr), MZV_ERR_ARGUMENT);
    tall.primes[0] = (UINT64_C(1) << 61) + 1;
    EXPECT_EQ(try_open(tall.chain, 0, nullptr), MZV_ERR_ARGUMENT);
    off.primes[1] += 2;
    EXPECT_EQ(try_open(off.chain, 0, nullptr), MZV_ERR_ARGUMENT);
}

TEST(CpuDevice, EveryAllocationMayFail) {
    const Chain chain(10);
    const int64_t live = mzv_alloc_live();
    int64_t n_failed = 0;
    for (bool failed = true; failed; n_failed += failed) {
        mzv_backend *backend = nullptr;
        mzv_stream *s = nullptr;
        uint64_t *words = nullptr;
        mzv_test_fail_alloc_after(n_failed);
        mzv_status status = mzv_cpu_ops.open(&backend, &chain.chain, 0, nullptr);
        if (status == MZV_OK) status = mzv_cpu_ops.stream_open(&s, backend);
        if (status == MZV_OK) status = mzv_scratch_reserve(s, 100);
        if (status == MZV_OK) status = mzv_cpu_ops.alloc(s, &words, 100);
        failed = mzv_test_passes(MZV_FAULT_ALLOC) > n_failed;
        EXPECT_EQ(status, failed ? MZV_ERR_MEMORY : MZV_OK);
        mzv_test_fail_alloc_after(-1);
        if (s != nullptr) {
            mzv_cpu_ops.free(s, words);
            mzv_cpu_ops.stream_close(s);
        }
        mzv_cpu_ops.close(backend);
        ASSERT_EQ(mzv_alloc_live(), live);
        ASSERT_LT(n_failed, 1000);
    }
    EXPECT_GE(n_failed, 3 * 3 + 4); // three tables a prime; backend, pool, stream, scratch
}

class CpuMemory : public ::testing::Test {
  protected:
    void SetUp() override {
        const Chain chain(10);
        ASSERT_EQ(mzv_cpu_ops.open(&backend_, &chain.chain, 0, nullptr), MZV_OK);
        ASSERT_EQ(mzv_cpu_ops.stream_open(&s_, backend_), MZV_OK);
    }
    void TearDown() override {
        mzv_cpu_ops.stream_close(s_);
        mzv_cpu_ops.close(backend_);
    }
    mzv_backend *backend_ = nullptr;
    mzv_stream *s_ = nullptr;
};

TEST_F(CpuMemory, IsAlignedAndWritable) {
    for (const size_t n_words : { size_t { 1 }, size_t { 8 }, size_t { 1000 }, size_t { 1 } << 18,
                                  (size_t { 1 } << 18) + 1, size_t { 3 } << 19 }) {
        uint64_t *words = nullptr;
        ASSERT_EQ(mzv_cpu_ops.alloc(s_, &words, n_words), MZV_OK);
        EXPECT_EQ(reinterpret_cast<uintptr_t>(words) % (n_words >= size_t { 1 } << 18 ? 2 << 20 : 64), 0u)
            << n_words;
        memset(words, 0xff, n_words * sizeof *words);
        mzv_cpu_ops.free(s_, words);
    }
    mzv_cpu_ops.free(s_, nullptr);
}

TEST_F(CpuMemory, FreedBlocksServeAgain) {
    uint64_t *first = nullptr, *second = nullptr, *third = nullptr;
    ASSERT_EQ(mzv_cpu_ops.alloc(s_, &first, size_t { 1 } << 18), MZV_OK);
    mzv_cpu_ops.free(s_, first);
    ASSERT_EQ(mzv_cpu_ops.alloc(s_, &second, size_t { 1 } << 18), MZV_OK);
    EXPECT_EQ(first, second);
    ASSERT_EQ(mzv_cpu_ops.alloc(s_, &third, size_t { 1 } << 18), MZV_OK);
    EXPECT_NE(second, third);
    mzv_cpu_ops.free(s_, second);
    mzv_cpu_ops.free(s_, third);
}

TEST_F(CpuMemory, TooMuchIsAnError) {
    uint64_t *words = nullptr;
    EXPECT_EQ(mzv_cpu_ops.alloc(s_, &words, SIZE_MAX / 8), MZV_ERR_MEMORY);
    EXPECT_EQ(mzv_cpu_ops.alloc(s_, &words, size_t { 1 } << 55), MZV_ERR_MEMORY);
    EXPECT_EQ(words, nullptr);
}

TEST_F(CpuMemory, TransfersCopy) {
    const std::vector<uint64_t> from = { 1, 2, 3, 4 };
    std::vector<uint64_t> to(4);
    uint64_t *words = nullptr;
    ASSERT_EQ(mzv_cpu_ops.alloc(s_, &words, 4), MZV_OK);
    ASSERT_EQ(mzv_cpu_ops.upload(s_, words, from.data(), 4), MZV_OK);
    ASSERT_EQ(mzv_cpu_ops.download(s_, to.data(), words, 4), MZV_OK);
    EXPECT_EQ(mzv_cpu_ops.synchronize(s_), MZV_OK);
    EXPECT_EQ(mzv_cpu_ops.stream_wait(s_, s_), MZV_OK);
    EXPECT_EQ(from, to);
    mzv_cpu_ops.free(s_, words);
}

// The limits that cpu_bound.c states, and that the kernels follow them.
TEST(CpuBound, LimitsAreThoseOfTheProof) {
    const auto p = [](double bits) { return static_cast<uint64_t>(__builtin_exp2(bits)); };
    for (uint32_t log_n = 10; log_n <= 16; log_n++) {
        EXPECT_TRUE(mzv_cpu_fp64_fits(p(48.40), log_n)) << log_n;
        EXPECT_FALSE(mzv_cpu_fp64_fits(p(48.43), log_n)) << log_n;
    }
    EXPECT_TRUE(mzv_cpu_fp64_fits(p(48.32), 17));
    EXPECT_FALSE(mzv_cpu_fp64_fits(p(48.35), 17));
    EXPECT_FALSE(mzv_cpu_fp64_fits(UINT64_C(1) << 60, 10));
}

} // namespace
