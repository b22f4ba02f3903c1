// Predicted device bytes against what the stand-in's allocator counted.
#include <unistd.h>

#include "circuit/boot.h"
#include "circuit/polynomial.h"
#include "ckks/footprint.h"
#include "cuda_scheme/sides.h"
#include "fake_device.h"

namespace cuda_scheme {
namespace {

uint64_t counted(const mzv_context *ctx) {
    mzv_device_memory memory = {};
    EXPECT_EQ(ctx->ops->memory(&memory, ctx->backend), MZV_OK) << mzv_last_error();
    return memory.peak_bytes;
}

uint64_t predicted(const mzv_params &params, const mzv_counts &counts, const mzv_key_request *request,
                   uint64_t cipher_rows) {
    mzv_footprint f = {};
    mzv_keys_footprint keys = {};
    EXPECT_EQ(mzv_footprint_keys(&keys, &params, request, UINT64_MAX), MZV_OK) << mzv_last_error();
    EXPECT_EQ(keys.pinned, 0u);
    EXPECT_EQ(mzv_footprint_of(&f, &mzv_cuda_ops, &params, &counts, keys.device, cipher_rows), MZV_OK)
        << mzv_last_error();
    EXPECT_GT(f.tables, 0u);
    EXPECT_GT(f.scratch, counts.peak_bytes);
    EXPECT_EQ(f.keys, keys.device);
    return mzv_footprint_sum(&f);
}

void expect_near(uint64_t found, uint64_t expected) {
    EXPECT_GE(found, expected - expected / 10) << "predicted " << expected;
    EXPECT_LE(found, expected + expected / 10) << "predicted " << expected;
}

class CudaFootprint : public testing::Test {
  protected:
    void SetUp() override {
        cuda_on_cpu::reset();
        mzv_key_request *request = nullptr;
        ASSERT_EQ(mzv_key_request_create(&request), MZV_OK);
        request_.reset(request);
    }
    // Context, keys and evaluator on the stand-in.
    void open_all(const mzv_params &params, size_t scratch_bytes) {
        mzv_keys *keys = nullptr;
        mzv_evaluator *ev = nullptr;
        ctx_ = open(params, "cuda");
        secret_ = mzv_test::make_secret(ctx_);
        MZV_OKAY(mzv_keys_create(&keys, secret_.get(), request_.get()));
        keys_.reset(keys);
        MZV_OKAY(mzv_evaluator_create(&ev, ctx_.get(), keys, scratch_bytes));
        ev_.reset(ev);
    }

    mzv_test::Request request_;
    mzv_test::Context ctx_;
    mzv_test::Secret secret_;
    mzv_test::Keys keys_;
    Evaluator ev_;
};

TEST_F(CudaFootprint, PolynomialThatRan) {
    const mzv_params params = mzv_test::toy(11, 6, 3);
    double coeff[16];
    for (int k = 0; k < 16; k++) coeff[k] = 1 / (1.0 + k);
    mzv_polynomial *p = nullptr;
    MZV_OKAY(mzv_polynomial_create(&p, coeff, 15));
    mzv_circuit_call call = {};
    call.run = [](void *user, mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *in) {
        return mzv_polynomial_run(ev, out, in[0], static_cast<const mzv_polynomial *>(user));
    };
    call.user = p;
    call.n_in = 1;
    call.in_level[0] = 6;
    mzv_circuit_cost cost;
    MZV_OKAY(mzv_circuit_measure(&cost, request_.get(), &params, &call));
    const uint64_t expected = predicted(params, cost.counts, request_.get(), 2 * (7 + 3));
    open_all(params, cost.counts.peak_bytes);
    mzv_cipher *a = nullptr, *out = nullptr;
    MZV_OKAY(mzv_cipher_create(&a, ctx_.get(), 6, 1));
    const mzv_test::Cipher owned_a(a);
    MZV_OKAY(mzv_cipher_create(&out, ctx_.get(), 2, 1));
    const mzv_test::Cipher owned_out(out);
    const Slots slots(1024, { 0.5, 0.0 });
    MZV_OKAY(mzv_encrypt(a, secret_.get(), mzv_test::raw(slots), 6));
    MZV_OKAY(mzv_polynomial_run(ev_.get(), out, a, p));
    expect_near(counted(ctx_.get()), expected);
    mzv_polynomial_destroy(p);
}

// All that a bootstrap takes is there before it runs: tables, keys, the arena, the diagonals. Kept values are
// most of it.
TEST_F(CudaFootprint, BootstrapMadeReady) {
    for (bool keep : { false, true }) {
        mzv_params params;
        mzv_boot_spec spec = {};
        mzv_circuit_cost cost;
        spec.keep = keep;
        MZV_OKAY(mzv_params_named(&params, "toy-boot"));
        MZV_OKAY(mzv_boot_measure(&cost, request_.get(), &params, &spec));
        const uint64_t expected = predicted(params, cost.counts, request_.get(), 0);
        open_all(params, cost.counts.peak_bytes);
        mzv_boot *boot = nullptr;
        MZV_OKAY(mzv_boot_create(&boot, ev_.get(), &spec));
        expect_near(counted(ctx_.get()), expected);
        mzv_keys_footprint keys = {};
        MZV_OKAY(mzv_footprint_keys(&keys, &params, request_.get(), UINT64_MAX));
        EXPECT_EQ(mzv_keys_bytes(keys_.get()), keys.device);
        mzv_boot_destroy(boot);
        ev_.reset();
        keys_.reset();
        secret_.reset();
        ctx_.reset();
    }
}

// The keys used most are on the device: of four of one size the one used three times, then the one used
// twice.
TEST_F(CudaFootprint, KeysUsedMostComeFirst) {
    const mzv_params params = mzv_test::toy(11, 6, 3);
    for (int32_t steps : { 1, 2, 2, 3, 3, 3, 4 }) MZV_OKAY(mzv_request_rotate(request_.get(), steps, 6));
    mzv_keys_footprint all = {};
    MZV_OKAY(mzv_footprint_keys(&all, &params, request_.get(), UINT64_MAX));
    mzv_options options = {};
    options.backend = "cuda";
    options.device_bytes_keys = all.device / 2 + 8;
    mzv_context *ctx = nullptr;
    MZV_OKAY(mzv_context_create(&ctx, &params, &options));
    ctx_.reset(ctx);
    secret_ = mzv_test::make_secret(ctx_);
    mzv_keys *keys = nullptr;
    MZV_OKAY(mzv_keys_create(&keys, secret_.get(), request_.get()));
    keys_.reset(keys);
    for (int32_t steps : { 1, 2, 3, 4 }) {
        const mzv_ksk *key = nullptr;
        MZV_OKAY(mzv_keys_find(&key, keys, mzv_galois_of(11, steps), 6));
        const uint64_t *at = key->pair[0].base;
        EXPECT_EQ(at >= keys->words && at < keys->words + keys->n_words, steps == 2 || steps == 3) << steps;
    }
    EXPECT_EQ(keys->n_pinned * 8, all.device / 2);
}

TEST_F(CudaFootprint, NothingOnAGpuWhereTheCpuComputes) {
    const mzv_params params = mzv_test::toy(11, 6, 3);
    const mzv_counts counts = {};
    mzv_footprint f = { 1, 1, 1, 1, 1 };
    MZV_OKAY(mzv_footprint_of(&f, &mzv_cpu_ops, &params, &counts, 1000, 10));
    EXPECT_EQ(mzv_footprint_sum(&f), 0u);
}

} // namespace
} // namespace cuda_scheme
