// Encryption and decryption: noise against its analytic deviation, ids, levels, batches, failures.
#include "ckks/secret.h"

#include <cstring>

#include "base/fault.h"
#include "base/arena.h"
#include "ckks/noise.h"
#include "lib/ckks_handles.h"

using namespace mzv_test;

namespace {

class Ring : public testing::TestWithParam<uint32_t> {};

// The mean square over 2^log_n parts that are nearly independent: 6 deviations of it.
double spread(uint32_t log_n, uint32_t batch = 1) {
    return 6 / std::sqrt(2.0 * std::ldexp(batch, (int)log_n));
}

TEST_P(Ring, SecretKeyNoise) {
    const Context ctx = make_context(toy(GetParam()));
    const Secret secret = make_secret(ctx);
    for (uint32_t level = 0; level <= 3; level++) {
        const Slots in = random_slots(mzv_context_slots(ctx.get()), level);
        Slots out(in.size());
        const Cipher ct = make_cipher(ctx, level);
        MZV_OKAY(mzv_encrypt(ct.get(), secret.get(), raw(in), level));
        EXPECT_EQ(mzv_cipher_scale(ct.get()), mzv_context_facts(ctx.get())->scale[level]);
        MZV_OKAY(mzv_decrypt(raw(out), secret.get(), ct.get()));
        const double expected = mzv_noise_fresh(&ctx->params, &ctx->facts, level);
        EXPECT_NEAR(part_deviation(out, in) / expected, 1, spread(GetParam())) << "level " << level;
    }
}

TEST_P(Ring, PublicKeyNoise) {
    const Context ctx = make_context(toy(GetParam()));
    const Secret secret = make_secret(ctx);
    mzv_public *made = nullptr;
    MZV_OKAY(mzv_public_create(&made, secret.get()));
    const Public key(made);
    for (const uint32_t level : { 0u, 2u, 3u }) {
        const Slots in = random_slots(mzv_context_slots(ctx.get()), level);
        Slots out(in.size());
        const Cipher ct = make_cipher(ctx, level);
        MZV_OKAY(mzv_encrypt_public(ct.get(), key.get(), raw(in), level));
        EXPECT_FALSE(ct->public_seeded);
        MZV_OKAY(mzv_decrypt(raw(out), secret.get(), ct.get()));
        // The deviation of a slot depends on |s| and |e| at its root, which vary: mean square over slots of a
        // sum of two products of complex normals has twice the relative variance of one.
        const double expected = mzv_noise_fresh_public(&ctx->params, &ctx->facts, level);
        EXPECT_NEAR(part_deviation(out, in) / expected, 1, 2 * spread(GetParam())) << "level " << level;
    }
}

INSTANTIATE_TEST_SUITE_P(Secret, Ring, testing::Values(10, 11, 12, 13, 14, 16));

TEST(Secret, BatchesAtEveryLevel) {
    const Context ctx = make_context(toy(10));
    const Secret secret = make_secret(ctx);
    const size_t n_slots = mzv_context_slots(ctx.get());
    for (uint32_t level = 0; level <= 3; level++) {
        const Slots in = random_slots(3 * n_slots, 40 + level);
        Slots out(in.size());
        const Cipher ct = make_cipher(ctx, 3, 3); // room for more than is used
        MZV_OKAY(mzv_encrypt(ct.get(), secret.get(), raw(in), level));
        EXPECT_EQ(mzv_cipher_level(ct.get()), level);
        MZV_OKAY(mzv_decrypt(raw(out), secret.get(), ct.get()));
        EXPECT_NEAR(part_deviation(out, in) / mzv_noise_fresh(&ctx->params, &ctx->facts, level), 1,
                    spread(10, 3));
    }
}

TEST(Secret, TwoEncryptionsDiffer) {
    const Context ctx = make_context(toy(10));
    const Secret secret = make_secret(ctx);
    const Slots in(2 * mzv_context_slots(ctx.get()));
    const Cipher a = make_cipher(ctx, 1, 2), b = make_cipher(ctx, 1, 2);
    MZV_OKAY(mzv_encrypt(a.get(), secret.get(), raw(in), 1));
    MZV_OKAY(mzv_encrypt(b.get(), secret.get(), raw(in), 1));
    EXPECT_NE(memcmp(a->seed, b->seed, sizeof a->seed), 0);
    std::vector<uint64_t> rows[4];
    for (int i = 0; i < 4; i++) {
        rows[i].resize(2 * 1024);
        MZV_OKAY(mzv_cipher_read(i < 2 ? a.get() : b.get(), rows[i].data(), 1, (uint32_t)i % 2));
        for (int j = 0; j < i; j++) EXPECT_NE(rows[i], rows[j]); // no two share their uniform half
    }
}

TEST(Secret, CoefficientsAndRowsAgree) {
    const Context ctx = make_context(toy(10));
    const Secret secret = make_secret(ctx);
    int counts[3] = { 0, 0, 0 };
    for (size_t k = 0; k < 1024; k++) counts[secret->coeff[k] + 1]++;
    for (const int c : counts) EXPECT_NEAR(c, 1024 / 3.0, 6 * std::sqrt(1024 * 2 / 9.0));
    mzv_stream *s = nullptr;
    MZV_OKAY(mzv_host_open(&s, ctx.get(), 6 * 1024));
    mzv_poly p;
    MZV_OKAY(mzv_take(s, &p, 1, mzv_basis { 2, 0, 4 }));
    MZV_OKAY(mzv_poly_copy(s, p, mzv_secret_view(secret.get(), p.basis)));
    MZV_OKAY(mzv_poly_intt(s, p));
    for (size_t i = 0; i < 6; i++) {
        for (size_t k = 0; k < 1024; k++) {
            const int64_t v = secret->coeff[k];
            ASSERT_EQ(p.base[i * 1024 + k], v < 0 ? ctx->facts.primes[i] - 1 : (uint64_t)v);
        }
    }
    mzv_host_close(s);
}

TEST(Secret, RefusesWrongArguments) {
    const Context ctx = make_context(toy(10)), other = make_context(toy(10, 2));
    const Secret secret = make_secret(ctx), stranger = make_secret(ctx), foreign = make_secret(other);
    const Cipher ct = make_cipher(ctx, 1);
    Slots in(512, { 1, 0 }), out(512);
    EXPECT_EQ(mzv_decrypt(raw(out), secret.get(), ct.get()), MZV_ERR_ARGUMENT); // no value yet
    EXPECT_EQ(mzv_encrypt(ct.get(), secret.get(), raw(in), 2), MZV_ERR_LEVEL);
    EXPECT_EQ(mzv_encrypt(ct.get(), foreign.get(), raw(in), 1), MZV_ERR_MISMATCH);
    EXPECT_EQ(mzv_encrypt(nullptr, secret.get(), raw(in), 1), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_encrypt(ct.get(), nullptr, raw(in), 1), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_encrypt(ct.get(), secret.get(), nullptr, 1), MZV_ERR_ARGUMENT);
    MZV_OKAY(mzv_encrypt(ct.get(), secret.get(), raw(in), 1));
    EXPECT_EQ(mzv_decrypt(raw(out), stranger.get(), ct.get()), MZV_ERR_MISMATCH);
    EXPECT_EQ(mzv_decrypt(raw(out), foreign.get(), ct.get()), MZV_ERR_MISMATCH);
    EXPECT_EQ(mzv_decrypt(nullptr, secret.get(), ct.get()), MZV_ERR_ARGUMENT);
    EXPECT_EQ(out, Slots(512)); // untouched by all of these
}

// A value out of range leaves the old ciphertext as it was.
TEST(Secret, FailureLeavesTheOutput) {
    const Context ctx = make_context(toy(10));
    const Secret secret = make_secret(ctx);
    const Cipher ct = make_cipher(ctx, 1, 2);
    const Slots in = random_slots(1024, 3);
    MZV_OKAY(mzv_encrypt(ct.get(), secret.get(), raw(in), 1));
    Slots bad = in, out(1024);
    bad[700] = { std::nan(""), 0 };
    EXPECT_EQ(mzv_encrypt(ct.get(), secret.get(), raw(bad), 0), MZV_ERR_RANGE);
    EXPECT_NE(std::string(mzv_last_error()).find("slot 188"), std::string::npos) << mzv_last_error();
    EXPECT_EQ(mzv_encrypt(ct.get(), secret.get(), raw(Slots(1024, { 0x1p24, 0 })), 0), MZV_ERR_RANGE);
    EXPECT_EQ(mzv_cipher_level(ct.get()), 1u);
    MZV_OKAY(mzv_decrypt(raw(out), secret.get(), ct.get()));
    EXPECT_LT(largest_part(out, in), 1e-6);
}

TEST(Secret, EveryAllocationAndDrawMayFail) {
    const Context ctx = make_context(toy(10));
    const Slots in = random_slots(512, 8);
    Slots out(512);
    for (const mzv_fault_point point : { MZV_FAULT_ALLOC, MZV_FAULT_RANDOM }) {
        mzv_status status = MZV_ERR_INTERNAL;
        int64_t failures = 0;
        for (; failures < 100 && status != MZV_OK; failures++) {
            const int64_t live = mzv_alloc_live();
            mzv_secret *secret = nullptr;
            mzv_public *key = nullptr;
            mzv_cipher *ct = nullptr;
            mzv_test_fail_after(point, failures, 12);
            status = mzv_secret_create(&secret, ctx.get());
            if (status == MZV_OK) status = mzv_public_create(&key, secret);
            if (status == MZV_OK) status = mzv_cipher_create(&ct, ctx.get(), 1, 1);
            if (status == MZV_OK) status = mzv_encrypt_public(ct, key, raw(in), 1);
            if (status == MZV_OK) status = mzv_encrypt(ct, secret, raw(in), 1);
            if (status == MZV_OK) status = mzv_decrypt(raw(out), secret, ct);
            mzv_test_fail_after(point, -1, 0);
            mzv_cipher_destroy(ct);
            mzv_public_destroy(key);
            mzv_secret_destroy(secret);
            EXPECT_TRUE(status == MZV_OK ||
                        status == (point == MZV_FAULT_ALLOC ? MZV_ERR_MEMORY : MZV_ERR_RANDOM));
            EXPECT_EQ(mzv_alloc_live(), live);
        }
        EXPECT_EQ(status, MZV_OK);
        EXPECT_GT(failures, 4);
    }
}

} // namespace
