/* Sampling: order, ties, determinism and distribution. */
#include "runtime/sample.h"

#include <gtest/gtest.h>
#include <cmath>
#include <limits>
#include <vector>

#include "base/arena.h"
#include "base/fault.h"

namespace {

/* The first outputs of SplitMix64 for the seed 1234567, as published with reference implementations. */
TEST(Sample, GeneratorIsSplitMix64) {
    mzv_sampler s = { 1.0, 0, 1234567 };
    const uint64_t expected[5] = { UINT64_C(6457827717110365317), UINT64_C(3203168211198807973),
                                   UINT64_C(9817491932198370423), UINT64_C(4593380528125082431),
                                   UINT64_C(16408922859458223821) };
    for (const uint64_t e : expected) EXPECT_EQ(mzv_sampler_next(&s), e);
}

TEST(Sample, GreedyTakesTheLargestAndTheLowestIdAmongEquals) {
    mzv_sampler s = { 0.0, 0, 5 };
    const float logits[5] = { -1.0f, 3.0f, 2.0f, 3.0f, -7.0f };
    uint32_t id = 99;
    ASSERT_EQ(mzv_sample(&s, logits, 5, &id), MZV_OK);
    EXPECT_EQ(id, 1u);
    EXPECT_EQ(s.state, 5u);
    uint32_t top[5];
    ASSERT_EQ(mzv_top_k(top, 5, logits, 5), MZV_OK);
    EXPECT_EQ(std::vector<uint32_t>(top, top + 5), (std::vector<uint32_t> { 1, 3, 2, 0, 4 }));
    ASSERT_EQ(mzv_top_k(top, 1, logits, 5), MZV_OK);
    EXPECT_EQ(top[0], 1u);
}

/* Draws by softmax over the candidates: counts within 5 standard deviations of their expectation. */
void expect_distribution(double temperature, uint32_t top_k, const std::vector<float> &logits,
                         const std::vector<bool> &allowed) {
    const int n_draws = 40000;
    mzv_sampler s = { temperature, top_k, 42 };
    std::vector<int> count(logits.size());
    for (int i = 0; i < n_draws; i++) {
        uint32_t id = 0;
        ASSERT_EQ(mzv_sample(&s, logits.data(), static_cast<uint32_t>(logits.size()), &id), MZV_OK);
        count[id]++;
    }
    long double total = 0;
    for (size_t i = 0; i < logits.size(); i++)
        total += allowed[i] ? std::exp(logits[i] / static_cast<long double>(temperature)) : 0;
    for (size_t i = 0; i < logits.size(); i++) {
        const double p =
            allowed[i]
                ? static_cast<double>(std::exp(logits[i] / static_cast<long double>(temperature)) / total)
                : 0;
        EXPECT_NEAR(count[i], n_draws * p, 5 * std::sqrt(n_draws * p * (1 - p))) << i;
    }
}

TEST(Sample, DrawsFollowTheSoftmax) {
    const std::vector<float> logits = { 0.5f, -1.0f, 2.0f, 1.9f, 0.5f, -9.0f };
    const std::vector<bool> all(6, true);
    expect_distribution(1.0, 0, logits, all);
    expect_distribution(2.5, 0, logits, all);
    expect_distribution(0.3, 0, logits, all);
    expect_distribution(1.0, 100, logits, all);
    expect_distribution(1.0, 2, logits, { false, false, true, true, false, false });
    expect_distribution(1.0, 3, logits,
                        { true, false, true, true, false, false }); /* of the two 0.5 the lower id */
}

/* Ids for one seed, computed by tests/vectors/sample.py. */
TEST(Sample, OneSeedOneText) {
    const float logits[4] = { 0.0f, 1.0f, 2.0f, 3.0f };
    mzv_sampler s = { 1.5, 3, 2024 };
    std::vector<uint32_t> ids(16);
    for (uint32_t &id : ids) ASSERT_EQ(mzv_sample(&s, logits, 4, &id), MZV_OK);
    EXPECT_EQ(ids, (std::vector<uint32_t> { 2, 3, 3, 3, 2, 3, 3, 2, 3, 3, 3, 2, 2, 2, 3, 2 }));
}

TEST(Sample, TopOneIsGreedyAndSmallTemperaturesNearlySo) {
    const float logits[3] = { 1.0f, 1.5f, 1.25f };
    mzv_sampler one = { 3.0, 1, 1 }, cold = { 1e-300, 0, 1 };
    for (int i = 0; i < 50; i++) {
        uint32_t a = 9, b = 9;
        ASSERT_EQ(mzv_sample(&one, logits, 3, &a), MZV_OK);
        ASSERT_EQ(mzv_sample(&cold, logits, 3, &b), MZV_OK);
        EXPECT_EQ(a, 1u);
        EXPECT_EQ(b, 1u);
    }
}

TEST(Sample, ArgumentsAreChecked) {
    const float inf = std::numeric_limits<float>::infinity();
    const float good[2] = { 1.0f, 2.0f }, bad[2] = { 1.0f, inf }, nan[2] = { NAN, 1.0f };
    uint32_t id = 99, top[3] = { 99, 99, 99 };
    for (const double t : { 0.0, 1.0 }) {
        mzv_sampler s = { t, 0, 1 };
        EXPECT_EQ(mzv_sample(&s, good, 0, &id), MZV_ERR_ARGUMENT);
        EXPECT_EQ(mzv_sample(&s, bad, 2, &id), MZV_ERR_RANGE);
        EXPECT_EQ(mzv_sample(&s, nan, 2, &id), MZV_ERR_RANGE);
        EXPECT_EQ(s.state, 1u);
    }
    for (const double t : { -1.0, static_cast<double>(inf), std::nan("") }) {
        mzv_sampler s = { t, 0, 1 };
        EXPECT_EQ(mzv_sample(&s, good, 2, &id), MZV_ERR_ARGUMENT);
    }
    EXPECT_EQ(mzv_top_k(top, 0, good, 2), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_top_k(top, 3, good, 2), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_top_k(top, 1, nan, 2), MZV_ERR_RANGE);
    mzv_sampler s = { 1.0, 0, 1 };
    mzv_test_fail_alloc_after(0);
    EXPECT_EQ(mzv_sample(&s, good, 2, &id), MZV_ERR_MEMORY);
    mzv_test_fail_alloc_after(-1);
    EXPECT_EQ(id, 99u);
    EXPECT_EQ(top[0], 99u);
}

} // namespace
