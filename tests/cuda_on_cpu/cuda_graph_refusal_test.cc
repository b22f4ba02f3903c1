// Recordings that do not come about: what cannot be recorded is refused and named, and whatever fails, the
// stream can be used again and everything is given back.
#include <string>

#include "base/fault.h"
#include "base/try.h"
#include "fake_device.h"
#include "pair.h"

namespace cuda_on_cpu {
namespace {

const uint32_t kLogN = 10;
const size_t kN = size_t(1) << kLogN;

bool last_error_has(const std::string &text) {
    return std::string(mzv_last_error()).find(text) != std::string::npos;
}

class CudaGraphRefusals : public testing::Test {
  protected:
    void SetUp() override {
        reset();
        primes_ = make_primes(kLogN, 3, { 49, 48 });
        chain_ = { kLogN, 1, 2, primes_.data() };
        ASSERT_EQ(ops.open(&backend_, &chain_, 0, nullptr), MZV_OK) << mzv_last_error();
        ASSERT_EQ(ops.stream_open(&s, backend_), MZV_OK) << mzv_last_error();
        ASSERT_EQ(ops.stream_open(&other, backend_), MZV_OK) << mzv_last_error();
        ASSERT_EQ(ops.alloc(s, &words, 3 * kN), MZV_OK) << mzv_last_error();
        r = { words, 3 * kN, 1, { 1, 0, 2 } };
        ASSERT_EQ(ops.upload(s, words, zeros.data(), 3 * kN), MZV_OK) << mzv_last_error();
        ASSERT_EQ(ops.synchronize(s), MZV_OK) << mzv_last_error();
    }
    void TearDown() override {
        ops.free(s, words);
        ops.stream_close(s);
        ops.stream_close(other);
        ops.close(backend_);
        EXPECT_EQ(n_live(), 0u) << "something on the device was not given back";
    }

    mzv_status add_one() { return ops.add_const(s, r, mzv_view(r), ones.data()); }

    // The stream computes: words are so many times 1.
    void expect_sum(uint64_t sum) {
        std::vector<uint64_t> out(3 * kN);
        ASSERT_EQ(ops.download(s, out.data(), words, out.size()), MZV_OK) << mzv_last_error();
        ASSERT_EQ(ops.synchronize(s), MZV_OK) << mzv_last_error();
        EXPECT_EQ(out, std::vector<uint64_t>(3 * kN, sum));
    }

    // `call` within a recording, which fails from there on and names it; then the stream is as before.
    void expect_broken(const std::string &name, const std::function<mzv_status()> &call) {
        SCOPED_TRACE(name);
        mzv_graph *graph = nullptr;
        ASSERT_EQ(ops.record_begin(s), MZV_OK) << mzv_last_error();
        ASSERT_EQ(add_one(), MZV_OK) << mzv_last_error();
        if (call() != MZV_OK) {
            EXPECT_TRUE(last_error_has("cuda: " + name + " inside a recording; do it before"))
                << mzv_last_error();
        }
        EXPECT_EQ(add_one(), MZV_ERR_ARGUMENT);
        EXPECT_TRUE(last_error_has(name)) << mzv_last_error();
        EXPECT_EQ(ops.record_end(s, &graph), MZV_ERR_ARGUMENT);
        EXPECT_TRUE(last_error_has(name)) << mzv_last_error();
        EXPECT_EQ(graph, nullptr);
        EXPECT_FALSE(s->records);
        ASSERT_EQ(ops.upload(s, words, zeros.data(), 3 * kN), MZV_OK) << mzv_last_error();
        ASSERT_EQ(add_one(), MZV_OK) << mzv_last_error();
        expect_sum(1);
    }
    void expect_refused(const std::string &name, const std::function<mzv_status()> &call) {
        expect_broken(name, [&] {
            EXPECT_EQ(call(), MZV_ERR_ARGUMENT);
            return MZV_ERR_ARGUMENT;
        });
    }

    const mzv_backend_ops &ops = mzv_cuda_ops;
    const std::vector<uint64_t> zeros = std::vector<uint64_t>(3 * kN, 0), ones = { 1, 1, 1 };
    std::vector<uint64_t> primes_;
    mzv_chain chain_;
    mzv_backend *backend_ = nullptr;
    mzv_stream *s = nullptr, *other = nullptr;
    uint64_t *words = nullptr;
    mzv_poly r;
};

TEST_F(CudaGraphRefusals, WhatCannotBeRecordedIsNamed) {
    std::vector<uint64_t> out(3 * kN);
    uint64_t *more = nullptr;
    expect_refused("upload", [&] { return ops.upload(s, words, zeros.data(), kN); });
    expect_refused("download", [&] { return ops.download(s, out.data(), words, kN); });
    expect_refused("synchronize", [&] { return ops.synchronize(s); });
    expect_refused("stream_wait", [&] { return ops.stream_wait(s, other); });
    expect_refused("stream_wait", [&] { return ops.stream_wait(other, s); });
    expect_refused("record_begin", [&] { return ops.record_begin(s); });
    expect_refused("alloc", [&] { return ops.alloc(s, &more, kN); });
    expect_refused("alloc_pinned", [&] { return ops.alloc_pinned(s, &more, kN); });
    expect_refused("alloc", [&] { return mzv_scratch_reserve(s, kN); });
    EXPECT_EQ(more, nullptr);
}

// Under a limit, an allocation may wait for the stream.
TEST_F(CudaGraphRefusals, AllocationUnderALimit) {
    uint64_t *more = nullptr;
    ASSERT_EQ(ops.limit(backend_, uint64_t(1) << 20), MZV_OK) << mzv_last_error();
    expect_refused("alloc", [&] { return ops.alloc(s, &more, kN); });
}

TEST_F(CudaGraphRefusals, FirstMatmulOfAStream) {
    const int32_t one = 1;
    mzv_matrix w = { 1, 1, &one, nullptr };
    const mzv_poly row = { words, kN, 1, { 0, 0, 1 } }, product = { words + kN, kN, 1, { 0, 0, 1 } };
    ASSERT_EQ(mzv_matrix_upload(s, &w), MZV_OK) << mzv_last_error();
    ASSERT_EQ(mzv_scratch_reserve(s, 8 * kN), MZV_OK) << mzv_last_error();
    const auto multiply = [&] { return ops.matmul(s, product, mzv_view(row), &w); };
    expect_refused("the first matmul of a stream", multiply);
    ASSERT_EQ(multiply(), MZV_OK) << mzv_last_error();
    mzv_graph *graph = nullptr;
    ASSERT_EQ(ops.record_begin(s), MZV_OK) << mzv_last_error();
    EXPECT_EQ(multiply(), MZV_OK) << mzv_last_error();
    EXPECT_EQ(ops.record_end(s, &graph), MZV_OK) << mzv_last_error();
    ops.graph_close(s, graph);
    ops.free(s, const_cast<uint64_t *>(w.doubles));
}

TEST_F(CudaGraphRefusals, ReplayInsideARecording) {
    mzv_graph *graph = nullptr;
    ASSERT_EQ(ops.record_begin(s), MZV_OK) << mzv_last_error();
    ASSERT_EQ(add_one(), MZV_OK) << mzv_last_error();
    ASSERT_EQ(ops.record_end(s, &graph), MZV_OK) << mzv_last_error();
    expect_refused("replay", [&] { return ops.replay(s, graph); });
    ASSERT_EQ(ops.replay(s, graph), MZV_OK) << mzv_last_error();
    expect_sum(2);
    ops.graph_close(s, graph);
}

// They cannot fail: they do their work, and the recording fails.
TEST_F(CudaGraphRefusals, WhatGivesBackBreaksARecording) {
    uint64_t *more = nullptr, *pinned = nullptr;
    mzv_graph *graph = nullptr;
    ASSERT_EQ(ops.alloc(s, &more, kN), MZV_OK) << mzv_last_error();
    ASSERT_EQ(ops.alloc_pinned(s, &pinned, kN), MZV_OK) << mzv_last_error();
    ASSERT_EQ(ops.record_begin(s), MZV_OK) << mzv_last_error();
    ASSERT_EQ(ops.record_end(s, &graph), MZV_OK) << mzv_last_error();
    const size_t before = n_live();
    expect_broken("free", [&] {
        ops.free(s, more);
        return MZV_OK;
    });
    expect_broken("free_pinned", [&] {
        ops.free_pinned(s, pinned, kN);
        return MZV_OK;
    });
    expect_broken("graph_close", [&] {
        ops.graph_close(s, graph);
        return MZV_OK;
    });
    EXPECT_EQ(n_live(), before - 3);
}

TEST_F(CudaGraphRefusals, WhatWasNotedCanBeDropped) {
    ASSERT_EQ(ops.record_begin(s), MZV_OK) << mzv_last_error();
    ASSERT_EQ(add_one(), MZV_OK) << mzv_last_error();
    EXPECT_EQ(ops.record_end(s, nullptr), MZV_OK) << mzv_last_error();
    ASSERT_EQ(ops.record_begin(s), MZV_OK) << mzv_last_error();
    EXPECT_EQ(ops.synchronize(s), MZV_ERR_ARGUMENT);
    EXPECT_EQ(ops.record_end(s, nullptr), MZV_OK) << mzv_last_error();
    mzv_graph *graph = nullptr;
    EXPECT_EQ(ops.record_end(s, &graph), MZV_ERR_ARGUMENT);
    EXPECT_TRUE(last_error_has("without record_begin")) << mzv_last_error();
    expect_sum(0);
    ASSERT_EQ(ops.record_begin(other), MZV_OK) << mzv_last_error();
    ops.stream_close(other);
    other = nullptr;
}

// Somebody else's call on this thread, which CUDA does not allow while a stream captures.
TEST_F(CudaGraphRefusals, CapturesThatCudaInvalidates) {
    void *block = nullptr;
    for (const bool goes_on : { false, true }) {
        mzv_graph *graph = nullptr;
        ASSERT_EQ(ops.record_begin(s), MZV_OK) << mzv_last_error();
        EXPECT_EQ(cudaMalloc(&block, 8), cudaErrorStreamCaptureUnsupported);
        if (goes_on) {
            EXPECT_EQ(add_one(), MZV_ERR_DEVICE);
            EXPECT_TRUE(last_error_has("error 90")) << mzv_last_error();
        }
        EXPECT_EQ(ops.record_end(s, &graph), MZV_ERR_DEVICE);
        EXPECT_TRUE(last_error_has("cudaStreamEndCapture: error 901")) << mzv_last_error();
        EXPECT_EQ(graph, nullptr);
        ASSERT_EQ(ops.upload(s, words, zeros.data(), 3 * kN), MZV_OK) << mzv_last_error();
        ASSERT_EQ(add_one(), MZV_OK) << mzv_last_error();
        expect_sum(1);
    }
}

TEST_F(CudaGraphRefusals, NoHostMemoryForTheRecording) {
    mzv_graph *graph = nullptr;
    ASSERT_EQ(ops.record_begin(s), MZV_OK) << mzv_last_error();
    ASSERT_EQ(add_one(), MZV_OK) << mzv_last_error();
    mzv_test_fail_alloc_after(0);
    EXPECT_EQ(ops.record_end(s, &graph), MZV_ERR_MEMORY);
    mzv_test_fail_alloc_after(-1);
    EXPECT_EQ(graph, nullptr);
    ASSERT_EQ(add_one(), MZV_OK) << mzv_last_error();
    expect_sum(1);
}

// A recording and its replay, from an open stream to the end; the first failure is returned.
struct Scenario {
    mzv_stream *s;
    mzv_poly r;
    const uint64_t *ones;

    mzv_status record(mzv_graph **graph) const {
        MZV_TRY(s->ops->record_begin(s));
        mzv_status status = s->ops->mul_add(s, r, mzv_view(r), mzv_view(r));
        if (status == MZV_OK) status = s->ops->ntt(s, r);
        if (status == MZV_OK) status = s->ops->intt(s, r);
        if (status == MZV_OK) status = s->ops->add_const(s, r, mzv_view(r), ones);
        if (status == MZV_OK) return s->ops->record_end(s, graph);
        EXPECT_EQ(s->ops->record_end(s, nullptr), MZV_OK);
        return status;
    }
    mzv_status run() const {
        mzv_graph *graph = nullptr;
        mzv_status status = record(&graph);
        EXPECT_EQ(graph != nullptr, status == MZV_OK);
        if (status == MZV_OK) status = s->ops->replay(s, graph);
        const mzv_status passed = s->ops->synchronize(s);
        s->ops->graph_close(s, graph);
        const mzv_status last = s->ops->synchronize(s); // says what closing could not
        if (status == MZV_OK) status = passed;
        return status == MZV_OK ? last : status;
    }
};

TEST_F(CudaGraphRefusals, EveryCallMadeToFailInTurn) {
    const Scenario scenario = { s, r, ones.data() };
    const size_t before = n_live();
    const long start = device().n_calls;
    ASSERT_EQ(scenario.run(), MZV_OK) << mzv_last_error();
    const long n_calls = device().n_calls - start;
    EXPECT_GT(n_calls, 20);
    ASSERT_EQ(n_live(), before);
    std::string seen;
    for (long i = 0; i < n_calls; i++) {
        device().failed.clear();
        device().fail_at = device().n_calls + i;
        EXPECT_EQ(scenario.run(), MZV_ERR_DEVICE) << "call " << i << ", " << device().failed;
        EXPECT_TRUE(last_error_has("719"))
            << "call " << i << ", " << device().failed << ": " << mzv_last_error();
        seen += device().failed + " ";
        device().fail_at = -1;
        ASSERT_FALSE(s->records);
        ASSERT_EQ(n_live(), before) << "call " << i << ", " << device().failed;
        ASSERT_EQ(ops.upload(s, words, zeros.data(), 3 * kN), MZV_OK) << mzv_last_error();
        ASSERT_EQ(add_one(), MZV_OK) << mzv_last_error();
        expect_sum(1);
    }
    for (const char *call :
         { "cudaStreamBeginCapture", "cudaStreamEndCapture", "cudaGraphInstantiateWithFlags",
           "cudaGraphDestroy", "cudaGraphLaunch", "cudaGraphExecDestroy" })
        EXPECT_NE(seen.find(call), std::string::npos) << call;
}

} // namespace
} // namespace cuda_on_cpu
