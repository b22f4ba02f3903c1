/* The float operations against their definitions in long double. */
#include "nn/float_ops.h"

#include <gtest/gtest.h>
#include <cmath>
#include <random>
#include <vector>

#include "base/arena.h"

namespace {

std::vector<float> normal(size_t n, unsigned seed, float deviation = 1.0f) {
    std::mt19937 generator(seed);
    std::normal_distribution<float> draw(0.0f, deviation);
    std::vector<float> out(n);
    for (float &x : out) x = draw(generator);
    return out;
}

/* Float rounding of a value that was computed in double: half an ulp of float, and room for the double sum.
 */
void expect_rounded(float found, long double expected) {
    EXPECT_NEAR(found, static_cast<double>(expected),
                6.1e-8 * std::fabs(static_cast<double>(expected)) + 1e-12);
}

struct Sizes {
    uint32_t rows, n_in, n_out;
};

class FloatLinear : public testing::TestWithParam<Sizes> {};

TEST_P(FloatLinear, BothLayoutsMatchTheDefinition) {
    const auto [rows, n_in, n_out] = GetParam();
    const std::vector<float> x = normal(rows * n_in, 1), w = normal(n_in * n_out, 2), bias = normal(n_out, 3);
    std::vector<float> transposed(w.size()), a(rows * n_out), b(rows * n_out);
    for (uint32_t i = 0; i < n_in; i++) {
        for (uint32_t j = 0; j < n_out; j++) transposed[j * n_in + i] = w[i * n_out + j];
    }
    const mzv_float_linear in_by_out = { w.data(), bias.data(), n_in, n_out, n_out, 1 };
    const mzv_float_linear out_by_in = { transposed.data(), bias.data(), n_in, n_out, 1, n_in };
    mzv_float_linear_run(a.data(), x.data(), rows, &in_by_out);
    mzv_float_linear_run(b.data(), x.data(), rows, &out_by_in);
    for (uint32_t t = 0; t < rows; t++) {
        for (uint32_t j = 0; j < n_out; j++) {
            long double sum = bias[j];
            for (uint32_t i = 0; i < n_in; i++)
                sum += static_cast<long double>(x[t * n_in + i]) * w[i * n_out + j];
            expect_rounded(a[t * n_out + j], sum);
            expect_rounded(b[t * n_out + j], sum);
        }
    }
}

TEST_P(FloatLinear, RowsTogetherOrAloneGiveTheSameBits) {
    const auto [rows, n_in, n_out] = GetParam();
    const std::vector<float> x = normal(rows * n_in, 4), w = normal(n_in * n_out, 5);
    for (const bool conv1d : { true, false }) {
        const mzv_float_linear layer = {
            w.data(), nullptr, n_in, n_out, conv1d ? n_out : 1, conv1d ? 1 : n_in
        };
        std::vector<float> all(rows * n_out), one(n_out);
        mzv_float_linear_run(all.data(), x.data(), rows, &layer);
        for (uint32_t t = 0; t < rows; t++) {
            mzv_float_linear_run(one.data(), x.data() + t * n_in, 1, &layer);
            for (uint32_t j = 0; j < n_out; j++) EXPECT_EQ(one[j], all[t * n_out + j]);
        }
    }
}

TEST_P(FloatLinear, ColumnsOfALayerAreALayer) {
    const auto [rows, n_in, n_out] = GetParam();
    const std::vector<float> x = normal(rows * n_in, 6), w = normal(n_in * n_out, 7), bias = normal(n_out, 8);
    for (const bool conv1d : { true, false }) {
        const mzv_float_linear layer = { w.data(), bias.data(),        n_in,
                                         n_out,    conv1d ? n_out : 1, conv1d ? 1 : n_in };
        const uint32_t first = n_out / 3, n = n_out - first;
        const mzv_float_linear part = mzv_float_linear_outputs(&layer, first, n);
        std::vector<float> all(rows * n_out), some(rows * n);
        mzv_float_linear_run(all.data(), x.data(), rows, &layer);
        mzv_float_linear_run(some.data(), x.data(), rows, &part);
        for (uint32_t t = 0; t < rows; t++) {
            for (uint32_t j = 0; j < n; j++) EXPECT_EQ(some[t * n + j], all[t * n_out + first + j]);
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Shapes, FloatLinear,
                         testing::Values(Sizes { 1, 1, 1 }, Sizes { 3, 7, 5 }, Sizes { 2, 64, 64 },
                                         Sizes { 5, 65, 129 }, Sizes { 1, 1, 70 }, Sizes { 4, 100, 1 },
                                         Sizes { 17, 96, 288 }));

TEST(FloatOps, NormMatchesTheDefinition) {
    const uint32_t n = 37, rows = 3;
    const std::vector<float> x = normal(n * rows, 9, 5.0f), weight = normal(n, 10), bias = normal(n, 11);
    for (const double eps : { 1e-5, 1e-12, 0.5 }) {
        const mzv_float_norm norm = { weight.data(), bias.data(), n, eps };
        std::vector<float> out(n * rows), in_place = x;
        mzv_float_norm_run(out.data(), x.data(), rows, &norm);
        mzv_float_norm_run(in_place.data(), in_place.data(), rows, &norm);
        EXPECT_EQ(out, in_place);
        for (uint32_t t = 0; t < rows; t++) {
            long double mean = 0, variance = 0;
            for (uint32_t i = 0; i < n; i++) mean += x[t * n + i];
            mean /= n;
            for (uint32_t i = 0; i < n; i++) variance += (x[t * n + i] - mean) * (x[t * n + i] - mean);
            const long double inverse = 1 / std::sqrt(variance / n + static_cast<long double>(eps));
            for (uint32_t i = 0; i < n; i++) {
                expect_rounded(out[t * n + i], (x[t * n + i] - mean) * inverse * weight[i] + bias[i]);
            }
        }
    }
}

/* GELU from Phi by its definition, and its tanh form; values at large |x| where 1 + erf cancels. */
TEST(FloatOps, ActivationsMatchTheirDefinitions) {
    std::vector<float> x;
    for (float v = -12.0f; v <= 12.0f; v += 0.37f) x.push_back(v);
    std::vector<float> gelu = x, tanh_form = x, relu = x, squashed = x;
    mzv_float_activate(gelu.data(), x.size(), MZV_ACTIVATION_GELU);
    mzv_float_activate(tanh_form.data(), x.size(), MZV_ACTIVATION_GELU_TANH);
    mzv_float_activate(relu.data(), x.size(), MZV_ACTIVATION_RELU);
    mzv_float_tanh(squashed.data(), x.size());
    const long double pi = std::acos(-1.0L);
    for (size_t i = 0; i < x.size(); i++) {
        const long double v = x[i];
        EXPECT_NEAR(gelu[i], static_cast<double>(v * std::erfc(-v / std::sqrt(2.0L)) / 2), 1e-6 * 12);
        expect_rounded(squashed[i], std::tanh(v));
        const long double inner = std::sqrt(2 / pi) * (v + 0.044715L * v * v * v);
        EXPECT_NEAR(tanh_form[i], static_cast<double>(v / 2 * (1 + std::tanh(inner))), 1e-6 * 12);
        EXPECT_EQ(relu[i], x[i] > 0 ? x[i] : 0.0f);
    }
    EXPECT_EQ(gelu[0], 0.0f); /* GELU(-12) is below 1e-30 */
}

TEST(FloatOps, AddAndAlloc) {
    float a[3] = { 1, 2, 3 };
    const float b[3] = { 10, 20, 30 };
    mzv_float_add(a, b, 3);
    EXPECT_EQ(a[2], 33.0f);
    float *p = nullptr;
    EXPECT_EQ(mzv_float_alloc(&p, SIZE_MAX / 2, 3), MZV_ERR_MEMORY);
    EXPECT_EQ(p, nullptr);
    ASSERT_EQ(mzv_float_alloc(&p, 5, 7), MZV_OK);
    EXPECT_EQ(p[34], 0.0f);
    mzv_free(p);
}

} // namespace
