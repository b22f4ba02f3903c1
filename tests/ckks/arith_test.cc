// Every operation on ciphertexts against plain complex arithmetic, at every level, for single ciphertexts and
// batches, and with the output in the place of each operand.
#include "ckks/eval_fixture.h"

namespace eval {

class Arith : public Ckks {
  protected:
    void check(const Operation &op, uint32_t level, uint32_t batch) {
        const std::string what =
            op.name + " at level " + std::to_string(level) + ", batch " + std::to_string(batch);
        const Slots x = random_slots(batch * n, 1 + level), y = random_slots(batch * n, 100 + level);
        const auto a = encrypted(x, level), b = encrypted(y, level), out = cipher(params.n_levels, batch);
        EVAL_OK(op.run(ev, out.get(), a.get(), b.get())) << what;
        ASSERT_EQ(mzv_cipher_level(out.get()), level - op.spend) << what;
        ASSERT_EQ(mzv_cipher_scale(out.get()), mzv_context_facts(ctx)->scale[level - op.spend]) << what;
        const Noise e = noise(level);
        expect_near(decrypted(out.get()), each(x, y, n, op.meaning),
                    std::hypot(std::hypot(op.gain * e.fresh(), op.added(e)), rounding()), what);
        const std::vector<uint64_t> expected = words(out.get());
        const auto a2 = encrypted(x, level);
        EVAL_OK(mzv_copy(ev, a2.get(), a.get()));
        EVAL_OK(op.run(ev, a2.get(), a2.get(), b.get())) << what;
        EXPECT_EQ(words(a2.get()), expected) << what << ", output in place of the first operand";
        EVAL_OK(op.run(ev, b.get(), a.get(), b.get())) << what;
        EXPECT_EQ(words(b.get()), expected) << what << ", output in place of the second operand";
    }
};

TEST_F(Arith, EveryOperationAtEveryLevel) {
    for (const Operation &op : operations())
        for (uint32_t level = op.spend; level <= params.n_levels; level++) check(op, level, 1);
}

TEST_F(Arith, EveryOperationOnBatches) {
    for (const Operation &op : operations())
        for (const uint32_t level : { op.spend, params.n_levels }) check(op, level, 3);
}

TEST_F(Arith, MonomialOfAnyDegreeComesBack) {
    const uint32_t two_n = 4 * static_cast<uint32_t>(n);
    const Slots x = random_slots(n, 5);
    const auto a = encrypted(x, 2), b = cipher(2, 1);
    for (const uint32_t k : { 1u, 2u, 77u, two_n / 2 - 1, two_n / 2 + 5, two_n - 1 }) {
        EVAL_OK(mzv_mul_monomial(ev, b.get(), a.get(), k));
        // Slot j of X is zeta^(5^j), zeta = exp(i pi / N).
        Slots expected = x;
        uint64_t power = 1;
        for (size_t j = 0; j < n; j++, power = power * 5 % two_n)
            expected[j] *= std::polar(1.0, 2 * M_PI * static_cast<double>(power * k % two_n) / two_n);
        expect_near(decrypted(b.get()), expected, std::hypot(noise(2).fresh(), rounding()),
                    "X^" + std::to_string(k));
        EVAL_OK(mzv_mul_monomial(ev, b.get(), b.get(), two_n - k));
        EXPECT_EQ(words(b.get()), words(a.get())) << k;
    }
}

TEST_F(Arith, CombineCutsHigherOperandsExactly) {
    const Slots x = random_slots(n, 8), y = random_slots(n, 9), z = random_slots(n, 10);
    const auto a = encrypted(x, 5), b = encrypted(y, 2), c = encrypted(z, 3), out = cipher(5, 1);
    const mzv_cipher *const terms[] = { a.get(), b.get(), c.get() };
    const double factors[] = { 1.25, -0.5, 3 };
    EVAL_OK(mzv_combine(ev, out.get(), terms, factors, 3, -0.75));
    ASSERT_EQ(mzv_cipher_level(out.get()), 1u);
    Slots expected(n);
    for (size_t i = 0; i < n; i++) expected[i] = 1.25 * x[i] - 0.5 * y[i] + 3.0 * z[i] - 0.75;
    const double in =
        std::hypot(std::hypot(1.25 * noise(5).fresh(), 0.5 * noise(2).fresh()), 3 * noise(3).fresh());
    expect_near(decrypted(out.get()), expected, std::hypot(std::hypot(in, noise(2).rescale()), rounding()),
                "combine");
}

TEST_F(Arith, DropReachesEveryLevel) {
    const Slots x = random_slots(n, 8);
    const auto a = encrypted(x, params.n_levels), out = cipher(params.n_levels, 1);
    for (uint32_t level = 0; level < params.n_levels; level++) {
        EVAL_OK(mzv_drop(ev, out.get(), a.get(), level));
        ASSERT_EQ(mzv_cipher_level(out.get()), level);
        expect_near(
            decrypted(out.get()), x,
            std::hypot(std::hypot(noise(params.n_levels).fresh(), noise(level + 1).rescale()), rounding()),
            "drop");
    }
}

TEST_F(Arith, LargeConstants) {
    const Slots x = random_slots(n, 8);
    const auto a = encrypted(x, 4), out = cipher(4, 1);
    EVAL_OK(mzv_mul_const(ev, out.get(), a.get(), 0x1p30)); /* the factor of the residues is about 2^70 */
    Slots expected = x;
    for (auto &v : expected) v *= 0x1p30;
    expect_near(decrypted(out.get()), expected,
                std::hypot(0x1p30 * std::hypot(noise(4).fresh(), 0x1p-50), noise(4).rescale()), "2^30 a");
    EVAL_OK(mzv_add_const(ev, out.get(), a.get(), as_c(Slot(-0x1p40, 0x1p41))));
    for (size_t i = 0; i < n; i++) expected[i] = x[i] + Slot(-0x1p40, 0x1p41);
    expect_near(decrypted(out.get()), expected, std::hypot(noise(4).fresh(), 0x1p-10), "a + 2^40 (2i - 1)");
}

TEST_F(Arith, DotOfManyIsOneRelinearisation) {
    constexpr uint32_t kTerms = 9;
    std::vector<Owned<mzv_cipher>> held;
    std::vector<const mzv_cipher *> a, b;
    Slots expected(n);
    for (uint32_t i = 0; i < kTerms; i++) {
        const Slots x = random_slots(n, 20 + i), y = random_slots(n, 40 + i);
        for (size_t k = 0; k < n; k++) expected[k] += x[k] * y[k];
        held.push_back(encrypted(x, 3));
        a.push_back(held.back().get());
        held.push_back(encrypted(y, 3));
        b.push_back(held.back().get());
    }
    const auto out = cipher(3, 1);
    mzv_evaluator_counts_reset(ev);
    EVAL_OK(mzv_dot(ev, out.get(), a.data(), b.data(), kTerms));
    expect_near(decrypted(out.get()), expected,
                std::hypot(std::sqrt(2.0 * kTerms) * noise(3).fresh(), noise(3).mul()) + rounding(), "dot");
    EXPECT_EQ(mzv_evaluator_counts(ev)->n_key_switch, 1u);
    EXPECT_EQ(mzv_evaluator_counts(ev)->n_mul, kTerms);
    EXPECT_EQ(mzv_evaluator_counts(ev)->n_rescale, 1u);
}

// 128 bits of security, every operation at the top and at the bottom.
class SlowArith : public Arith {
  protected:
    SlowArith() { EXPECT_EQ(mzv_params_named(&params, "n14-leveled"), MZV_OK); }
};

TEST_F(SlowArith, At128Bits) {
    ASSERT_GE(mzv_context_facts(ctx)->security_bits, 128u);
    for (const Operation &op : operations())
        for (const uint32_t level : { op.spend, params.n_levels }) check(op, level, 1);
}

} // namespace eval
