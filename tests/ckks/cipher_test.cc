// Ciphertext handles and contexts.
#include <cstring>

#include "lib/ckks_handles.h"

using namespace mzv_test;

namespace {

TEST(CipherHandle, ShapesAndFacts) {
    const Context ctx = make_context(toy(10));
    const Cipher ct = make_cipher(ctx, 2, 5);
    EXPECT_EQ(mzv_cipher_level(ct.get()), 2u);
    EXPECT_EQ(mzv_cipher_batch(ct.get()), 5u);
    EXPECT_EQ(mzv_cipher_scale(ct.get()), 0.0); // no value
    EXPECT_TRUE(ct->insecure);
    EXPECT_EQ(memcmp(ct->params_id, mzv_context_facts(ctx.get())->id, MZV_ID_BYTES), 0);
    const mzv_poly a = mzv_cipher_part(ct.get(), 10, 0), b = mzv_cipher_part(ct.get(), 10, 1);
    EXPECT_EQ(a.batch, 5u);
    EXPECT_EQ(mzv_basis_size(a.basis), 3u);
    EXPECT_EQ(a.stride, 3u * 1024);
    EXPECT_EQ(b.base - a.base, 5 * 3 * 1024);
}

// A handle used below its capacity keeps its strides.
TEST(CipherHandle, WordsAtALowerLevel) {
    const Context ctx = make_context(toy(10));
    const Cipher ct = make_cipher(ctx, 3, 2);
    ct->level = 1;
    std::vector<uint64_t> in(2048), out(2048);
    for (uint32_t t = 0; t < 2; t++) {
        for (uint32_t b = 0; b < 2; b++) {
            for (size_t k = 0; k < in.size(); k++) in[k] = 4096 * (2 * t + b) + k;
            MZV_OKAY(mzv_cipher_write(ct.get(), in.data(), t, b));
        }
    }
    for (uint32_t t = 0; t < 2; t++) {
        for (uint32_t b = 0; b < 2; b++) {
            MZV_OKAY(mzv_cipher_read(ct.get(), out.data(), t, b));
            for (size_t k = 0; k < out.size(); k++) ASSERT_EQ(out[k], 4096 * (2 * t + b) + k);
            EXPECT_EQ(mzv_cipher_part(ct.get(), 10, t).base[b * 4096 + 5], 4096 * (2 * t + b) + 5);
        }
    }
}

TEST(CipherHandle, RefusesOtherShapes) {
    const Context ctx = make_context(toy(10));
    mzv_cipher *ct = nullptr;
    EXPECT_EQ(mzv_cipher_create(&ct, ctx.get(), 4, 1), MZV_ERR_LEVEL);
    EXPECT_EQ(mzv_cipher_create(&ct, ctx.get(), 3, 0), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_cipher_create(&ct, nullptr, 3, 1), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_cipher_create(&ct, ctx.get(), 3, UINT32_MAX), MZV_ERR_MEMORY);
    EXPECT_EQ(ct, nullptr);
    mzv_cipher_destroy(nullptr);
}

struct Log {
    std::vector<std::string> lines;
    mzv_log_level last = MZV_LOG_DEBUG;
    static void write(void *user, mzv_log_level level, const char *message) {
        static_cast<Log *>(user)->lines.push_back(message);
        static_cast<Log *>(user)->last = level;
    }
};

TEST(ContextHandle, SaysWhatItIs) {
    Log log;
    mzv_options options = {};
    options.backend = "cpu";
    options.log = Log::write;
    options.log_user = &log;
    const mzv_params params = toy(11);
    mzv_context *made = nullptr;
    MZV_OKAY(mzv_context_create(&made, &params, &options));
    const Context ctx(made);
    EXPECT_EQ(mzv_context_slots(made), 1024u);
    EXPECT_EQ(std::string(mzv_context_backend(made)).substr(0, 4), "cpu/");
    EXPECT_EQ(mzv_context_params(made)->n_levels, 3u);
    EXPECT_EQ(mzv_context_facts(made)->n_primes, 6u);
    EXPECT_EQ(made->host, made->backend);
    ASSERT_EQ(log.lines.size(), 1u);
    EXPECT_EQ(log.last, MZV_LOG_WARN); // a toy set
}

TEST(ContextHandle, RefusesWhatIsNotThere) {
    mzv_context *ctx = nullptr;
    mzv_params params = toy(11);
    mzv_options options = {};
    EXPECT_EQ(mzv_context_create(&ctx, nullptr, nullptr), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_context_create(nullptr, &params, nullptr), MZV_ERR_ARGUMENT);
    options.backend = "abacus";
    EXPECT_EQ(mzv_context_create(&ctx, &params, &options), MZV_ERR_ARGUMENT);
    options.backend = "cpu";
    options.device = 7;
    EXPECT_EQ(mzv_context_create(&ctx, &params, &options), MZV_ERR_NO_DEVICE);
    options.device = 0;
    options.n_threads = 5000;
    EXPECT_EQ(mzv_context_create(&ctx, &params, &options), MZV_ERR_ARGUMENT);
    options.n_threads = 0;
    params.insecure_toy = false;
    EXPECT_EQ(mzv_context_create(&ctx, &params, &options), MZV_ERR_PARAMS);
    EXPECT_EQ(ctx, nullptr);
}

} // namespace
