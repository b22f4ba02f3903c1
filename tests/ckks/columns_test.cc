// Linear layers over columns: against sums in long double.
#include <algorithm>
#include <cmath>

#include "ckks/columns.h"
#include "ckks/eval_fixture.h"

namespace eval {

struct Layer {
    uint32_t n_out, n_in;
    std::vector<double> weight, bias;
};

Layer random_layer(uint32_t n_out, uint32_t n_in, double size = 1.5) {
    std::mt19937_64 rng(n_out * 1000 + n_in);
    std::uniform_real_distribution<double> unit(-size, size);
    Layer layer = { n_out, n_in, std::vector<double>(n_out * n_in), std::vector<double>(n_out) };
    for (auto &w : layer.weight) w = unit(rng);
    for (auto &b : layer.bias) b = unit(rng);
    return layer;
}

class Columns : public Ckks {
  protected:
    using Ckks::Ckks;

    Owned<mzv_columns> made(mzv_evaluator *on, const Layer &layer, uint32_t level) {
        mzv_columns *columns = nullptr;
        EXPECT_EQ(mzv_columns_create(&columns, on, layer.weight.data(),
                                     layer.bias.empty() ? nullptr : layer.bias.data(), layer.n_out,
                                     layer.n_in, level),
                  MZV_OK)
            << mzv_last_error();
        return { columns, mzv_columns_destroy };
    }

    // The same with weights that are multiples of the step, which rounding leaves alone.
    Layer on_the_grid(Layer layer, uint32_t level) {
        const double step = mzv_columns_step(made(ev, layer, level).get());
        const double most = (1 << 18) - 1;
        double &largest = *std::max_element(layer.weight.begin(), layer.weight.end(),
                                            [](double a, double b) { return std::fabs(a) < std::fabs(b); });
        if (std::fabs(largest) > most / 2 * step) largest = std::copysign(most * step, largest);
        for (auto &w : layer.weight) w = std::nearbyint(w / step) * step;
        EXPECT_EQ(mzv_columns_step(made(ev, layer, level).get()), step);
        return layer;
    }

    Slots meaning(const Layer &layer, const Slots &x) const {
        Slots r(layer.n_out * n);
        for (uint32_t o = 0; o < layer.n_out; o++)
            for (size_t k = 0; k < n; k++) {
                std::complex<long double> sum = layer.bias.empty() ? 0 : layer.bias[o];
                for (uint32_t i = 0; i < layer.n_in; i++)
                    sum += static_cast<long double>(layer.weight[o * layer.n_in + i]) *
                           std::complex<long double>(x[i * n + k]);
                r[o * n + k] = { static_cast<double>(sum.real()), static_cast<double>(sum.imag()) };
            }
        return r;
    }

    Slots run(const Layer &layer, const Slots &x, uint32_t level) {
        const auto columns = made(ev, layer, level);
        const auto a = encrypted(x, level), out = cipher(level, layer.n_out);
        const std::vector<uint64_t> before = words(a.get());
        EXPECT_EQ(mzv_mul_columns(ev, out.get(), a.get(), columns.get()), MZV_OK) << mzv_last_error();
        EXPECT_EQ(mzv_cipher_level(out.get()), level - 1);
        EXPECT_EQ(words(a.get()), before);
        return decrypted(out.get());
    }

    void expect_other_context_refused(mzv_cipher *out, const mzv_cipher *a);

    // The largest |row of weights| in the Euclidean norm, which the operands' errors are multiplied by.
    static double gain(const Layer &layer) {
        double largest = 0;
        for (uint32_t o = 0; o < layer.n_out; o++) {
            double sum = 0;
            for (uint32_t i = 0; i < layer.n_in; i++) sum += std::pow(layer.weight[o * layer.n_in + i], 2);
            largest = std::max(largest, std::sqrt(sum));
        }
        return largest;
    }

    double deviation(const Layer &layer, uint32_t level) const {
        return std::hypot(gain(layer) * noise(level).fresh(), noise(level).rescale()) + rounding();
    }

    void check(const Layer &layer, uint32_t level) {
        const Slots x = random_slots(layer.n_in * n, 3 + layer.n_in);
        expect_near(run(layer, x, level), meaning(layer, x), deviation(layer, level),
                    std::to_string(layer.n_out) + " x " + std::to_string(layer.n_in) + " at level " +
                        std::to_string(level));
    }
};

TEST_F(Columns, EveryLevelAndShape) {
    for (uint32_t level = 1; level <= params.n_levels; level++)
        for (const auto &size : std::vector<std::pair<uint32_t, uint32_t>> { { 1, 1 }, { 3, 5 }, { 6, 2 } })
            check(on_the_grid(random_layer(size.first, size.second), level), level);
}

// More columns than one sum of the backends takes.
TEST_F(Columns, MoreColumnsThanOneSum) { check(on_the_grid(random_layer(2, 1100, 0.1), 1), 1); }

TEST_F(Columns, WithoutBias) {
    Layer layer = on_the_grid(random_layer(3, 4), 2);
    layer.bias.clear();
    check(layer, 2);
}

// Weights between two steps: half a step off at most, in every term.
TEST_F(Columns, WeightsAreRoundedToTheStep) {
    const uint32_t level = 3;
    const Layer layer = random_layer(4, 7);
    const double step = mzv_columns_step(made(ev, layer, level).get());
    const double largest =
        std::fabs(*std::max_element(layer.weight.begin(), layer.weight.end(),
                                    [](double a, double b) { return std::fabs(a) < std::fabs(b); }));
    EXPECT_GE(step * ((1 << 18) - 1), largest * (1 - 1e-12));
    EXPECT_LE(step * ((1 << 18) - 1), largest * (1 + 1e-4)); // the factor is an integer above 2^20 here
    const Slots x = random_slots(layer.n_in * n, 9);
    const Slots found = run(layer, x, level), exact = meaning(layer, x);
    double worst = 0;
    for (size_t k = 0; k < found.size(); k++) worst = std::max(worst, std::abs(found[k] - exact[k]));
    EXPECT_LE(worst, step / 2 * layer.n_in + kDeviations * deviation(layer, level));
    EXPECT_GT(worst, step / 100); // that is what limits it
}

// Where the scale allows no 18 bits, where it overflows a double's integers, and where there is nothing.
TEST_F(Columns, SmallLargeAndZeroWeights) {
    for (const double size : { 1e-7, 1e-4, 1000.0, 0x1p20 }) {
        Layer layer = on_the_grid(random_layer(2, 3, size), 2);
        layer.bias = { size, -size };
        const Slots x = random_slots(3 * n, 4);
        const Slots found = run(layer, x, 2), exact = meaning(layer, x);
        // Doubles and constants of 2^-52 beside the noise.
        expect_near(found, exact, deviation(layer, 2) + size * 0x1p-40, std::to_string(size));
    }
    const Layer zero = { 2, 2, { 0, 0, 0, 0 }, { 0.5, 0 } };
    check(zero, 1);
}

TEST_F(Columns, ClearIsTheSame) {
    const uint32_t level = 3;
    const Layer layer = random_layer(3, 5);
    const Slots x = random_slots(5 * n, 6), found = run(layer, x, level);
    for (const uint64_t seed : { 0, 5 }) {
        mzv_evaluator *clear = nullptr;
        EVAL_OK(mzv_evaluator_create_clear(&clear, &params, seed, 0));
        mzv_cipher *a = nullptr, *out = nullptr;
        EVAL_OK(mzv_evaluator_cipher(&a, clear, level, 5));
        EVAL_OK(mzv_evaluator_cipher(&out, clear, level, 3));
        EVAL_OK(mzv_clear_set(clear, a, as_c(x), level));
        {
            const auto columns = made(clear, layer, level);
            EVAL_OK(mzv_mul_columns(clear, out, a, columns.get()));
        }
        Slots slots(3 * n);
        EVAL_OK(mzv_clear_get(clear, as_c(slots), out));
        EXPECT_EQ(mzv_cipher_level(out), level - 1);
        expect_near(found, slots, (seed ? std::sqrt(2) : 1) * deviation(layer, level), "ckks and clear");
        mzv_cipher_destroy(a);
        mzv_cipher_destroy(out);
        mzv_evaluator_destroy(clear);
    }
}

TEST_F(Columns, Counts) {
    const Layer layer = random_layer(3, 5);
    const auto columns = made(ev, layer, 2);
    const auto a = encrypted(random_slots(5 * n, 1), 2), out = cipher(2, 3);
    EXPECT_EQ(mzv_evaluator_counts(ev)->plain_bytes, 3u * 5u * 8u);
    mzv_evaluator_counts_reset(ev);
    EVAL_OK(mzv_mul_columns(ev, out.get(), a.get(), columns.get()));
    EXPECT_EQ(mzv_evaluator_counts(ev)->n_mul_const, 15u);
    EXPECT_EQ(mzv_evaluator_counts(ev)->n_rescale, 3u);
    EXPECT_EQ(mzv_evaluator_counts(ev)->n_key_switch, 0u);
    EXPECT_EQ(mzv_evaluator_counts(ev)->min_level, 1u);
}

// The peak that count predicts is enough, and a row less is not.
TEST_F(Columns, CountPredictsTheScratch) {
    for (const auto &size : std::vector<std::pair<uint32_t, uint32_t>> { { 1, 1 }, { 2, 9 }, { 6, 1 } }) {
        const Layer layer = random_layer(size.first, size.second);
        mzv_evaluator *count = nullptr;
        mzv_cipher *a = nullptr, *out = nullptr;
        EVAL_OK(mzv_evaluator_create_count(&count, &params));
        EVAL_OK(mzv_evaluator_cipher(&a, count, 4, layer.n_in));
        EVAL_OK(mzv_evaluator_cipher(&out, count, 4, layer.n_out));
        EVAL_OK(mzv_clear_set(count, a, nullptr, 4));
        {
            const auto columns = made(count, layer, 4);
            EVAL_OK(mzv_mul_columns(count, out, a, columns.get()));
        }
        const mzv_counts counts = *mzv_evaluator_counts(count);
        EXPECT_EQ(counts.plain_bytes, 8 * layer.weight.size());
        mzv_cipher_destroy(a);
        mzv_cipher_destroy(out);
        mzv_evaluator_destroy(count);
        for (const size_t less : { size_t { 0 }, size_t { 8 } << params.log_n }) {
            mzv_evaluator *exact = nullptr;
            EVAL_OK(mzv_evaluator_create(&exact, ctx, nullptr, counts.peak_bytes - less));
            auto columns = made(exact, layer, 4);
            const auto x = encrypted(random_slots(layer.n_in * n, 1), 4), r = cipher(4, layer.n_out);
            EXPECT_EQ(mzv_mul_columns(exact, r.get(), x.get(), columns.get()), less ? MZV_ERR_MEMORY : MZV_OK)
                << mzv_last_error();
            EXPECT_EQ(exact->stream->scratch.used, 0u);
            if (less == 0) {
                EXPECT_EQ(mzv_evaluator_counts(exact)->peak_bytes, counts.peak_bytes);
            }
            columns.reset();
            mzv_evaluator_destroy(exact);
        }
    }
}

// A matrix or a plaintext in the memory of another context, of the same parameters.
void Columns::expect_other_context_refused(mzv_cipher *out, const mzv_cipher *a) {
    mzv_context *other = nullptr;
    mzv_evaluator *there = nullptr;
    mzv_plain *plain = nullptr;
    EVAL_OK(mzv_context_create(&other, &params, nullptr));
    EVAL_OK(mzv_evaluator_create(&there, other, nullptr, 0));
    EVAL_OK(mzv_plain_create(&plain, there, as_c(weights(n)), mzv_cipher_level(a), MZV_PLAIN_MUL));
    {
        const auto columns = made(there, random_layer(2, 3), mzv_cipher_level(a));
        EXPECT_EQ(mzv_mul_columns(ev, out, a, columns.get()), MZV_ERR_MISMATCH);
    }
    const auto wide = cipher(mzv_cipher_level(a), mzv_cipher_batch(a));
    EXPECT_EQ(mzv_mul_plain(ev, wide.get(), a, plain), MZV_ERR_MISMATCH);
    mzv_plain_destroy(plain);
    mzv_evaluator_destroy(there);
    mzv_context_destroy(other);
}

TEST_F(Columns, Refusals) {
    mzv_columns *none = nullptr;
    const double nan = std::nan(""), one = 1, huge = 0x1p21;
    EXPECT_EQ(mzv_columns_create(&none, ev, &one, nullptr, 0, 1, 1), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_columns_create(&none, ev, nullptr, nullptr, 1, 1, 1), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_columns_create(&none, nullptr, &one, nullptr, 1, 1, 1), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_columns_create(&none, ev, &one, nullptr, 1, 1, 0), MZV_ERR_LEVEL);
    EXPECT_EQ(mzv_columns_create(&none, ev, &one, nullptr, 1, 1, 6), MZV_ERR_LEVEL);
    EXPECT_EQ(mzv_columns_create(&none, ev, &nan, nullptr, 1, 1, 1), MZV_ERR_RANGE);
    EXPECT_EQ(mzv_columns_create(&none, ev, &huge, nullptr, 1, 1, 1), MZV_ERR_RANGE);
    EXPECT_EQ(mzv_columns_create(&none, ev, &one, &nan, 1, 1, 1), MZV_ERR_RANGE);
    EXPECT_NE(std::string(mzv_last_error()).find("bias 0 is nan"), std::string::npos) << mzv_last_error();
    EXPECT_EQ(none, nullptr);
    const auto columns = made(ev, random_layer(2, 3), 2);
    const auto a = encrypted(random_slots(3 * n, 1), 2), out = cipher(2, 2), wide = cipher(2, 3);
    const auto higher = encrypted(random_slots(3 * n, 1), 3), two = encrypted(random_slots(2 * n, 1), 2);
    EXPECT_EQ(mzv_mul_columns(ev, out.get(), higher.get(), columns.get()), MZV_ERR_LEVEL);
    EXPECT_EQ(mzv_mul_columns(ev, out.get(), two.get(), columns.get()), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_mul_columns(ev, wide.get(), a.get(), columns.get()), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_mul_columns(ev, out.get(), a.get(), nullptr), MZV_ERR_ARGUMENT);
    const auto square = made(ev, random_layer(3, 3), 2);
    EXPECT_EQ(mzv_mul_columns(ev, a.get(), a.get(), square.get()), MZV_ERR_ARGUMENT);
    mzv_evaluator *clear = nullptr;
    EVAL_OK(mzv_evaluator_create_clear(&clear, &params, 0, 0));
    {
        const auto other = made(clear, random_layer(2, 3), 2);
        EXPECT_EQ(mzv_mul_columns(ev, out.get(), a.get(), other.get()), MZV_ERR_MISMATCH);
    }
    mzv_evaluator_destroy(clear);
    expect_other_context_refused(out.get(), a.get());
    mzv_columns_destroy(nullptr);
    EVAL_OK(mzv_mul_columns(ev, out.get(), a.get(), columns.get()));
}

// 128 bits of security.
class SlowColumns : public Columns {
  protected:
    SlowColumns() { EXPECT_EQ(mzv_params_named(&params, "n14-leveled"), MZV_OK); }
};

TEST_F(SlowColumns, At128Bits) {
    ASSERT_GE(mzv_context_facts(ctx)->security_bits, 128u);
    check(on_the_grid(random_layer(16, 48, 0.3), params.n_levels), params.n_levels);
}

} // namespace eval
