// The same keys and ciphertexts in a context on the CPU and in one on the CUDA backend, so that a run of any
// circuit can be made on both and compared word by word.
#pragma once
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "ckks/evaluator.h"
#include "lib/ckks_handles.h"
#include "observe.h"

namespace cuda_scheme {

using mzv_test::Slots;
using Evaluator = mzv_test::Handle<mzv_evaluator, mzv_evaluator_destroy>;

inline mzv_test::Context open(const mzv_params &params, const char *backend, size_t device_bytes_keys = 0) {
    mzv_context *ctx = nullptr;
    mzv_options options = {};
    options.backend = backend;
    options.device_bytes_keys = device_bytes_keys;
    EXPECT_EQ(mzv_context_create(&ctx, &params, &options), MZV_OK) << mzv_last_error();
    return mzv_test::Context(ctx);
}

// What travels from one context to the other goes through files, as between processes.
struct File {
    std::string path = testing::TempDir() + "mzv_cuda_scheme_" + std::to_string(getpid());
    ~File() { remove(path.c_str()); }
};

struct Side {
    mzv_test::Context ctx;
    mzv_test::Keys keys;
    Evaluator ev;
};

class Sides {
  public:
    Side cpu, cuda;
    mzv_test::Secret secret; // of the CPU's context

    // device_bytes_keys: what keys may take on the device; 0: all of it.
    Sides(const mzv_params &params, const mzv_key_request *request, size_t scratch_bytes,
          size_t device_bytes_keys = 0) {
        cpu.ctx = open(params, "cpu");
        cuda.ctx = open(params, "cuda", device_bytes_keys);
        secret = mzv_test::make_secret(cpu.ctx);
        mzv_keys *keys = nullptr, *loaded = nullptr;
        const File file;
        EXPECT_EQ(mzv_keys_create(&keys, secret.get(), request), MZV_OK) << mzv_last_error();
        cpu.keys.reset(keys);
        EXPECT_EQ(mzv_keys_save(keys, file.path.c_str()), MZV_OK) << mzv_last_error();
        EXPECT_EQ(mzv_keys_load(&loaded, cuda.ctx.get(), file.path.c_str()), MZV_OK) << mzv_last_error();
        cuda.keys.reset(loaded);
        for (Side *side : { &cpu, &cuda }) {
            mzv_evaluator *ev = nullptr;
            EXPECT_EQ(mzv_evaluator_create(&ev, side->ctx.get(), side->keys.get(), scratch_bytes), MZV_OK)
                << mzv_last_error();
            side->ev.reset(ev);
        }
    }

    struct Pair {
        mzv_test::Cipher cpu, cuda;
    };

    // Random slots in [-1, 1)^2, encrypted once. On both sides.
    Pair encrypted(uint32_t level, uint32_t batch, unsigned seed) {
        mzv_cipher *made = nullptr, *loaded = nullptr;
        Slots slots(batch * mzv_context_slots(cpu.ctx.get()));
        std::mt19937 random(seed);
        std::uniform_real_distribution<double> part(-1, 1);
        for (auto &z : slots) z = { part(random), part(random) };
        const File file;
        EXPECT_EQ(mzv_cipher_create(&made, cpu.ctx.get(), level, batch), MZV_OK) << mzv_last_error();
        EXPECT_EQ(mzv_encrypt(made, secret.get(), mzv_test::raw(slots), level), MZV_OK) << mzv_last_error();
        EXPECT_EQ(mzv_cipher_save(made, cpu.ctx.get(), file.path.c_str()), MZV_OK) << mzv_last_error();
        EXPECT_EQ(mzv_cipher_load(&loaded, cuda.ctx.get(), file.path.c_str()), MZV_OK) << mzv_last_error();
        return { mzv_test::Cipher(made), mzv_test::Cipher(loaded) };
    }
    Pair room(uint32_t level, uint32_t batch) {
        mzv_cipher *a = nullptr, *b = nullptr;
        EXPECT_EQ(mzv_cipher_create(&a, cpu.ctx.get(), level, batch), MZV_OK) << mzv_last_error();
        EXPECT_EQ(mzv_cipher_create(&b, cuda.ctx.get(), level, batch), MZV_OK) << mzv_last_error();
        return { mzv_test::Cipher(a), mzv_test::Cipher(b) };
    }
};

// A test that opens sides_, runs kernels and gives everything back.
class OnBothSides : public testing::Test {
  protected:
    void SetUp() override {
        cuda_on_cpu::restart_machine();
        cuda_on_cpu::kernels_ran_since_last();
    }
    void TearDown() override {
        EXPECT_TRUE(cuda_on_cpu::kernels_ran_since_last()) << "no kernel ran";
        sides_.reset();
        EXPECT_TRUE(cuda_on_cpu::all_given_back()) << "something on the device was not given back";
    }
    std::unique_ptr<Sides> sides_;
};

// Level, scale and every word in use.
inline void expect_equal(const Sides::Pair &pair) {
    const mzv_cipher *a = pair.cpu.get(), *b = pair.cuda.get();
    ASSERT_EQ(a->level, b->level);
    ASSERT_EQ(a->batch, b->batch);
    EXPECT_EQ(a->scale, b->scale);
    const uint32_t log_n = a->ctx->params.log_n;
    std::vector<uint64_t> x((a->level + 1) << log_n), y(x.size());
    for (uint32_t t = 0; t < 2; t++)
        for (uint32_t i = 0; i < a->batch; i++) {
            ASSERT_EQ(mzv_cipher_read(a, x.data(), t, i), MZV_OK) << mzv_last_error();
            ASSERT_EQ(mzv_cipher_read(b, y.data(), t, i), MZV_OK) << mzv_last_error();
            size_t n_wrong = 0;
            for (size_t k = 0; k < x.size(); k++) n_wrong += x[k] != y[k];
            EXPECT_EQ(n_wrong, 0u) << "of " << x.size() << " words, part " << t << ", ciphertext " << i;
        }
}

} // namespace cuda_scheme
