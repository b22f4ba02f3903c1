// Distributions of the samplers, from fixed seeds, by chi-square; and what expansion promises to files.
#include "ckks/sample.h"

#include <map>

#include "base/sha256.h"
#include "ckks/expand.h"
#include "lib/ckks_handles.h"

using namespace mzv_test;

namespace {

mzv_rng make_rng(uint8_t first) {
    uint8_t seed[MZV_SEED_BYTES] = { first };
    mzv_rng rng;
    mzv_rng_init(&rng, seed, "test", 0);
    return rng;
}

// Sum of (found - expected)^2 / expected. With f degrees of freedom it exceeds f + 6 sqrt(2f) with
// probability below 10^-6 (for f >= 10; and the seed is fixed).
double chi_square(const std::vector<double> &found, const std::vector<double> &expected) {
    double sum = 0;
    for (size_t i = 0; i < found.size(); i++) sum += std::pow(found[i] - expected[i], 2) / expected[i];
    return sum;
}

double limit(double freedom) { return freedom + 6 * std::sqrt(2 * freedom) + 10; }

TEST(Sample, TernaryIsUniform) {
    mzv_rng rng = make_rng(1);
    const size_t n = 300000;
    std::vector<int8_t> s(n);
    mzv_sample_ternary(&rng, s.data(), n);
    std::vector<double> found(3), pairs(9);
    for (size_t k = 0; k < n; k++) {
        ASSERT_LE(std::abs(s[k]), 1);
        found[s[k] + 1]++;
        if (k % 2 == 1) pairs[3 * (s[k - 1] + 1) + s[k] + 1]++;
    }
    EXPECT_LT(chi_square(found, std::vector<double>(3, n / 3.0)), limit(2));
    EXPECT_LT(chi_square(pairs, std::vector<double>(9, n / 18.0)), limit(8));
}

TEST(Sample, TernaryOfEveryLength) {
    for (const size_t n : { 1, 2, 511, 512, 513, 1024 }) {
        mzv_rng rng = make_rng(2);
        std::vector<int8_t> s(n + 1, 99);
        mzv_sample_ternary(&rng, s.data(), n);
        for (size_t k = 0; k < n; k++) ASSERT_LE(std::abs(s[k]), 1) << n;
        EXPECT_EQ(s[n], 99) << n;
    }
}

TEST(Sample, NoiseIsCentredBinomial) {
    mzv_rng rng = make_rng(3);
    const size_t n = 1000000;
    std::vector<int64_t> e(n, 1000);
    mzv_sample_noise_add(&rng, e.data(), n);
    std::map<int64_t, double> found;
    double sum = 0, square = 0;
    for (const int64_t shifted : e) {
        const int64_t v = shifted - 1000;
        ASSERT_LE(std::llabs(v), 21);
        found[v]++;
        sum += (double)v;
        square += (double)(v * v);
    }
    EXPECT_NEAR(sum / n, 0, 6 * std::sqrt(10.5 / n));
    // Kurtosis 3 - 2/42: variance of the mean square is about 2 sigma^4 / n.
    EXPECT_NEAR(square / n, MZV_NOISE_VARIANCE, 6 * 10.5 * std::sqrt(2.0 / n));
    std::vector<double> counted, expected;
    for (int v = -12; v <= 12; v++) { // expected counts above 80
        counted.push_back(found[v]);
        expected.push_back(n * std::exp(std::lgamma(43) - std::lgamma(22 + v) - std::lgamma(22 - v)) *
                           0x1p-42);
    }
    EXPECT_LT(chi_square(counted, expected), limit((double)counted.size()));
}

TEST(Sample, NoiseAddsWhatItDraws) {
    std::vector<int64_t> zero(100), five(100, 5);
    mzv_rng a = make_rng(4), b = make_rng(4);
    mzv_sample_noise_add(&a, zero.data(), 100);
    mzv_sample_noise_add(&b, five.data(), 100);
    for (size_t k = 0; k < 100; k++) EXPECT_EQ(zero[k] + 5, five[k]);
}

TEST(Expand, UniformModuloThePrime) {
    const uint8_t seed[MZV_SEED_BYTES] = { 9 };
    const size_t n = 1 << 17;
    // One far below a power of two, so that a modular reduction of short words would show.
    for (const uint64_t prime : { UINT64_C(65537), UINT64_C(281474976317441), (UINT64_C(3) << 59) + 1 }) {
        std::vector<uint64_t> row(n);
        mzv_expand_row(row.data(), n, prime, seed, "test", 3);
        std::vector<double> found(64);
        for (const uint64_t v : row) {
            ASSERT_LT(v, prime);
            found[(size_t)((unsigned __int128)v * 64 / prime)]++;
        }
        EXPECT_LT(chi_square(found, std::vector<double>(64, n / 64.0)), limit(63)) << prime;
    }
}

// By the words of its doc comment.
TEST(Expand, IsItsDefinition) {
    const uint8_t seed[MZV_SEED_BYTES] = { 7, 7 };
    const uint64_t prime =
        (UINT64_C(3) << 59) + 1; // 2^64 mod prime is near prime / 3: many words are rejected
    const size_t n = 500;
    std::vector<uint64_t> row(n), want(n);
    mzv_expand_row(row.data(), n, prime, seed, "label", 11);
    mzv_rng rng;
    mzv_rng_init(&rng, seed, "label", 11);
    for (auto &v : want) v = mzv_rng_u64(&rng);
    const uint64_t threshold = (uint64_t)(((unsigned __int128)1 << 64) % prime);
    size_t rejected = 0;
    for (auto &v : want) {
        while ((uint64_t)((unsigned __int128)v * prime) < threshold) {
            v = mzv_rng_u64(&rng);
            rejected++;
        }
        v = (uint64_t)(((unsigned __int128)v * prime) >> 64);
    }
    EXPECT_GT(rejected, 10u);
    EXPECT_EQ(row, want);
}

TEST(Expand, PrefixesAndLimbsAgree) {
    const Context ctx = make_context(toy(10, 4, 2));
    const uint8_t seed[MZV_SEED_BYTES] = { 1, 2, 3 };
    const size_t n = 1024;
    std::vector<uint64_t> all(7 * n), low(2 * n);
    const mzv_poly top = { all.data(), 7 * n, 1, { 2, 0, 5 } };
    const mzv_poly part = { low.data(), 2 * n, 1, { 0, 1, 2 } };
    mzv_expand(top, &ctx->chain, seed, MZV_LABEL_KEY, 5);
    mzv_expand(part, &ctx->chain, seed, MZV_LABEL_KEY, 5);
    EXPECT_TRUE(std::equal(low.begin(), low.end(), all.begin() + 3 * n)); // rows p0 p1 q0 | q1 q2
    mzv_expand(part, &ctx->chain, seed, MZV_LABEL_KEY, 6);
    EXPECT_FALSE(std::equal(low.begin(), low.end(), all.begin() + 3 * n));
    mzv_expand(part, &ctx->chain, seed, MZV_LABEL_CIPHER, 5);
    EXPECT_FALSE(std::equal(low.begin(), low.end(), all.begin() + 3 * n));
}

// Files hold seeds: the expansion may never change. Recomputed by tests/vectors/ckks_expand.py.
TEST(Expand, Golden) {
    uint8_t seed[MZV_SEED_BYTES], digest[MZV_SHA256_BYTES];
    char text[2 * MZV_SHA256_BYTES + 1];
    for (size_t i = 0; i < sizeof seed; i++) seed[i] = (uint8_t)i;
    std::vector<uint64_t> row(1000);
    mzv_expand_row(row.data(), row.size(), 281474976317441, seed, MZV_LABEL_CIPHER, (UINT64_C(3) << 32) + 2);
    MZV_OKAY(mzv_sha256(digest, row.data(), 8 * row.size()));
    mzv_hex(text, digest, sizeof digest);
    EXPECT_STREQ(text, "217bbf810e5534ca278b6aa2397135154503ceee6205f1750af78af321b41dc5");
}

} // namespace
