// ModRaise and the keys through the sparse secret: equations, what decrypts, files, refusals.
#include <cmath>
#include <cstring>

#include "base/random.h"
#include "base/temporary.h"
#include "ckks/encode.h"
#include "ckks/evaluator.h"
#include "ckks/keys.h"
#include "ckks/noise.h"
#include "ckks/sample.h"
#include "ckks/secret.h"
#include "ckks/security.h"
#include "lib/ckks_handles.h"

using namespace mzv_test;

namespace {

mzv_params small_boot(uint32_t log_n = 11) {
    mzv_params p = {};
    EXPECT_EQ(mzv_params_named(&p, "toy-boot"), MZV_OK);
    p.log_n = log_n;
    return p;
}

Keys boot_keys(const Secret &secret, const mzv_params &p) {
    const Request request = make_request();
    mzv_keys *keys = nullptr;
    EXPECT_EQ(mzv_request_sparse(request.get(), p.n_levels), MZV_OK);
    EXPECT_EQ(mzv_keys_create(&keys, secret.get(), request.get()), MZV_OK) << mzv_last_error();
    return Keys(keys);
}

TEST(Sample, SparseHasItsWeightAndIsUniform) {
    const uint8_t seed[MZV_SEED_BYTES] = { 7 };
    mzv_rng rng;
    mzv_rng_init(&rng, seed, "test", 0);
    const size_t n = 64, rounds = 20000;
    const uint32_t weight = 8;
    std::vector<double> found(n), signs(2);
    std::vector<int8_t> s(n);
    for (size_t r = 0; r < rounds; r++) {
        mzv_sample_sparse(&rng, s.data(), n, weight);
        uint32_t count = 0;
        for (size_t k = 0; k < n; k++) {
            ASSERT_LE(std::abs(s[k]), 1);
            found[k] += s[k] != 0;
            if (s[k] != 0) signs[s[k] > 0]++;
            count += s[k] != 0;
        }
        ASSERT_EQ(count, weight);
    }
    // Each position is binomial: expectation rounds weight / n; 6 deviations.
    const double mean = (double)rounds * weight / n, deviation = std::sqrt(mean * (1 - (double)weight / n));
    for (const double f : found) EXPECT_NEAR(f, mean, 6 * deviation);
    EXPECT_NEAR(signs[0], signs[1], 6 * std::sqrt((double)rounds * weight));
}

// The integers behind decrypted slots at the highest level: message + q_0 I. Precise to the noise.
struct Raised {
    std::vector<double> low;      // modulo q_0, centred, in units of S_0
    std::vector<double> overflow; // I
};

Raised coefficients(const Context &ctx, const Slots &slots) {
    const size_t n = 2 * slots.size();
    const double q0 = (double)ctx->facts.primes[ctx->params.n_special];
    std::vector<int64_t> c(n);
    std::vector<std::complex<double>> work(n / 2);
    EXPECT_EQ(mzv_encode(ctx->embedding, c.data(), raw(slots), ctx->facts.scale[ctx->params.n_levels],
                         reinterpret_cast<mzv_complex *>(work.data())),
              MZV_OK);
    Raised r;
    for (const int64_t v : c) {
        const double i = std::rint((double)v / q0);
        r.overflow.push_back(i);
        r.low.push_back(((double)v - i * q0) / ctx->facts.scale[0]);
    }
    return r;
}

void check_raised(const Context &ctx, const Slots &z, const Slots &raised) {
    const Raised r = coefficients(ctx, raised);
    const mzv_param_facts &f = ctx->facts;
    const size_t n = r.low.size();
    std::vector<int64_t> m(n);
    std::vector<std::complex<double>> work(n / 2);
    MZV_OKAY(mzv_encode(ctx->embedding, m.data(), raw(z), f.scale[0],
                        reinterpret_cast<mzv_complex *>(work.data())));
    // A slot's part of deviation d is a coefficient of deviation d / sqrt(N/2); 8 of them, and the rounding
    // of doubles.
    const double d =
        std::hypot(mzv_noise_mod_raise(&ctx->params, &f) * f.scale[ctx->params.n_levels] / f.scale[0],
                   mzv_noise_fresh(&ctx->params, &f, 0));
    const double limit = 8 * d / std::sqrt((double)n / 2) + 0x1p-52 * 64 * 0x1p10;
    double squares = 0;
    for (size_t k = 0; k < n; k++) {
        ASSERT_NEAR(r.low[k], (double)m[k] / f.scale[0], limit) << k;
        ASSERT_LE(std::fabs(r.overflow[k]), 16) << k;
        squares += r.overflow[k] * r.overflow[k];
    }
    // A sum of 33 uniforms, rounded: variance 33/12 + 1/12.
    EXPECT_NEAR(squares / (double)n, 34.0 / 12, 6 * 34.0 / 12 * std::sqrt(2.0 / (double)n));
}

TEST(Raise, CiphertextsDecryptToMessagePlusMultiplesOfQ0) {
    const mzv_params p = small_boot();
    const Context ctx = make_context(p);
    const Secret secret = make_secret(ctx);
    const Keys keys = boot_keys(secret, p);
    mzv_evaluator *ev = nullptr;
    MZV_OKAY(mzv_evaluator_create(&ev, ctx.get(), keys.get(), 0));
    const uint32_t n_slots = mzv_context_slots(ctx.get()), batch = 2;
    const Slots z = random_slots((size_t)batch * n_slots, 5);
    mzv_cipher *a = nullptr, *out = nullptr;
    MZV_OKAY(mzv_cipher_create(&a, ctx.get(), 0, batch));
    MZV_OKAY(mzv_cipher_create(&out, ctx.get(), p.n_levels, batch));
    const Cipher own_a(a), own_out(out);
    MZV_OKAY(mzv_encrypt(a, secret.get(), raw(z), 0));
    MZV_OKAY(mzv_mod_raise(ev, out, a));
    EXPECT_EQ(mzv_cipher_level(out), p.n_levels);
    Slots got((size_t)batch * n_slots);
    MZV_OKAY(mzv_decrypt(raw(got), secret.get(), out));
    for (uint32_t b = 0; b < batch; b++) {
        const auto at = [&](const Slots &all) {
            return Slots(all.begin() + b * n_slots, all.begin() + (b + 1) * n_slots);
        };
        check_raised(ctx, at(z), at(got));
    }
    mzv_evaluator_destroy(ev);
}

TEST(Raise, ClearDrawsTheSameDistribution) {
    const mzv_params p = small_boot();
    const Context ctx = make_context(p);
    for (const uint64_t seed : { 0, 3 }) {
        mzv_evaluator *ev = nullptr;
        MZV_OKAY(mzv_evaluator_create_clear(&ev, &p, seed, 0));
        const Slots z = random_slots(mzv_evaluator_slots(ev), 5);
        Slots got(z.size());
        mzv_cipher *a = nullptr, *out = nullptr;
        MZV_OKAY(mzv_evaluator_cipher(&a, ev, 0, 1));
        MZV_OKAY(mzv_evaluator_cipher(&out, ev, p.n_levels, 1));
        const Cipher own_a(a), own_out(out);
        MZV_OKAY(mzv_clear_set(ev, a, raw(z), 0));
        MZV_OKAY(mzv_mod_raise(ev, out, a));
        MZV_OKAY(mzv_clear_get(ev, raw(got), out));
        check_raised(ctx, z, got);
        mzv_evaluator_destroy(ev);
    }
}

// The sparse secret exists modulo q_0 p_0 only: rows of its key.
TEST(Raise, KeyToTheSparseSecretHasTwoRows) {
    const mzv_params p = small_boot();
    const Context ctx = make_context(p);
    const Secret secret = make_secret(ctx);
    const Keys keys = boot_keys(secret, p);
    ASSERT_EQ(mzv_keys_count(keys.get()), 2u);
    const mzv_ksk *low = nullptr, *high = nullptr;
    MZV_OKAY(mzv_keys_find(&low, keys.get(), MZV_KEY_TO_SPARSE, 0));
    MZV_OKAY(mzv_keys_find(&high, keys.get(), MZV_KEY_FROM_SPARSE, p.n_levels));
    EXPECT_EQ(mzv_basis_size(low->pair[0].basis), 2u);
    EXPECT_EQ(low->n_digits, 1u);
    EXPECT_EQ(mzv_basis_size(high->pair[0].basis), p.n_special + p.n_levels + 1);
    EXPECT_EQ(high->n_digits, 1u);
    const double log2_q0p0 =
        std::log2((double)ctx->facts.primes[0]) + std::log2((double)ctx->facts.primes[p.n_special]);
    MZV_OKAY(mzv_security_sparse(16, MZV_SPARSE_WEIGHT, log2_q0p0, false));
}

TEST(Raise, KeysSurviveAFile) {
    const mzv_params p = small_boot();
    const Context ctx = make_context(p);
    const Secret secret = make_secret(ctx);
    const Keys keys = boot_keys(secret, p);
    Temporary dir;
    mzv_keys *loaded = nullptr;
    MZV_OKAY(mzv_keys_save(keys.get(), dir.path("keys").c_str()));
    MZV_OKAY(mzv_keys_load(&loaded, ctx.get(), dir.path("keys").c_str()));
    const Keys back(loaded);
    ASSERT_EQ(back->n, keys->n);
    for (uint32_t i = 0; i < keys->n; i++) {
        EXPECT_EQ(back->key[i].galois, keys->key[i].galois);
        for (uint32_t t = 0; t < 2; t++)
            EXPECT_EQ(
                memcmp(back->key[i].pair[t].base, keys->key[i].pair[t].base, 8 * keys->key[i].pair[t].stride),
                0);
    }
}

TEST(Raise, Refusals) {
    const mzv_params p = small_boot(), leveled = toy(10);
    const Context ctx = make_context(p), plain = make_context(leveled);
    const Secret secret = make_secret(ctx), other = make_secret(plain);
    const Request request = make_request();
    mzv_keys *none = nullptr;
    MZV_OKAY(mzv_request_sparse(request.get(), 1));
    EXPECT_EQ(mzv_keys_create(&none, other.get(), request.get()), MZV_ERR_PARAMS);
    mzv_evaluator *ev = nullptr;
    MZV_OKAY(mzv_evaluator_create(&ev, ctx.get(), nullptr, 0));
    mzv_cipher *a = nullptr, *out = nullptr;
    MZV_OKAY(mzv_cipher_create(&a, ctx.get(), 1, 1));
    MZV_OKAY(mzv_cipher_create(&out, ctx.get(), p.n_levels, 1));
    const Cipher own_a(a), own_out(out);
    const Slots z = random_slots(mzv_context_slots(ctx.get()), 5);
    MZV_OKAY(mzv_encrypt(a, secret.get(), raw(z), 1));
    EXPECT_EQ(mzv_mod_raise(ev, out, a), MZV_ERR_LEVEL);
    MZV_OKAY(mzv_encrypt(a, secret.get(), raw(z), 0));
    EXPECT_EQ(mzv_mod_raise(ev, out, a), MZV_ERR_KEY);
    EXPECT_EQ(mzv_mod_raise(ev, a, a), MZV_ERR_ARGUMENT);
    mzv_evaluator_destroy(ev);
}

// Levels of CoeffToSlot and the bridge refuse products of ciphertexts.
TEST(Raise, LinearLevelsRefuseProducts) {
    const mzv_params p = small_boot();
    mzv_evaluator *ev = nullptr;
    MZV_OKAY(mzv_evaluator_create_count(&ev, &p));
    mzv_param_facts f;
    MZV_OKAY(mzv_params_check(&p, &f));
    for (uint32_t level = 1; level <= p.n_levels; level++) {
        mzv_cipher *a = nullptr;
        MZV_OKAY(mzv_evaluator_cipher(&a, ev, level, 1));
        const Cipher own(a);
        MZV_OKAY(mzv_clear_set(ev, a, nullptr, level));
        const bool linear = level == f.message_levels + 1 || level > p.n_levels - p.n_coeff_to_slot;
        EXPECT_EQ(mzv_mul(ev, a, a, a), linear ? MZV_ERR_LEVEL : MZV_OK) << level;
    }
    mzv_evaluator_destroy(ev);
}

} // namespace
