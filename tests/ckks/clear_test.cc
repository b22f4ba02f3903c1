// The clear evaluator against ckks, slot by slot, and its noise against the analytic deviation.
#include "ckks/circuits.h"

namespace eval {

class Clear : public Ckks {
  protected:
    Owned<mzv_evaluator> clear(uint64_t noise_seed, size_t scratch_bytes = 0) {
        mzv_evaluator *made = nullptr;
        EXPECT_EQ(mzv_evaluator_create_clear(&made, &params, noise_seed, scratch_bytes), MZV_OK)
            << mzv_last_error();
        return { made, mzv_evaluator_destroy };
    }
    static Owned<mzv_cipher> slots_of(mzv_evaluator *on, const Slots &x, uint32_t level) {
        mzv_cipher *ct = nullptr;
        const uint32_t batch = static_cast<uint32_t>(x.size() / mzv_evaluator_slots(on));
        EXPECT_EQ(mzv_evaluator_cipher(&ct, on, level, batch), MZV_OK);
        EXPECT_EQ(mzv_clear_set(on, ct, as_c(x), level), MZV_OK) << mzv_last_error();
        return { ct, mzv_cipher_destroy };
    }
    Slots values(mzv_evaluator *on, const mzv_cipher *ct) {
        Slots x(ct->batch * n);
        EXPECT_EQ(mzv_clear_get(on, as_c(x), ct), MZV_OK) << mzv_last_error();
        return x;
    }
    static double rms(const Slots &x, const Slots &y) {
        double sum = 0;
        for (size_t i = 0; i < x.size(); i++) sum += std::norm(x[i] - y[i]);
        return std::sqrt(sum / 2 / static_cast<double>(x.size()));
    }
};

// Without noise: what the operation means, to the rounding of doubles.
TEST_F(Clear, ExactOperations) {
    const auto on = clear(0);
    for (const Operation &op : operations()) {
        const Slots x = random_slots(3 * n, 1), y = random_slots(3 * n, 2);
        const auto a = slots_of(on.get(), x, 3), b = slots_of(on.get(), y, 3), out = slots_of(on.get(), x, 3);
        EVAL_OK(op.run(on.get(), out.get(), a.get(), b.get())) << op.name;
        EXPECT_EQ(mzv_cipher_level(out.get()), 3 - op.spend) << op.name;
        EXPECT_EQ(mzv_cipher_scale(out.get()), mzv_context_facts(ctx)->scale[3 - op.spend]) << op.name;
        const Slots expected = each(x, y, n, op.meaning);
        EXPECT_LT(rms(values(on.get(), out.get()), expected), 0x1p-46) << op.name;
        EVAL_OK(op.run(on.get(), b.get(), a.get(), b.get())) << op.name;
        EXPECT_EQ(values(on.get(), b.get()), values(on.get(), out.get())) << op.name << ", in place of b";
        EVAL_OK(op.run(on.get(), a.get(), a.get(), slots_of(on.get(), y, 3).get())) << op.name;
        EXPECT_EQ(values(on.get(), a.get()), values(on.get(), out.get())) << op.name << ", in place of a";
    }
}

// With noise: the error of ckks and of clear have the same deviation. 3N values of a Laplace law each: the
// ratio of two of their root mean squares has a deviation of 0.03; `inputs are fresh` in both.
TEST_F(Clear, NoiseOfOperationsIsThatOfCkks) {
    const auto on = clear(1234);
    for (const Operation &op : operations()) {
        const uint32_t level = 4;
        const Slots x = random_slots(3 * n, 1), y = random_slots(3 * n, 2),
                    expected = each(x, y, n, op.meaning);
        const auto a = slots_of(on.get(), x, level), b = slots_of(on.get(), y, level),
                   out = slots_of(on.get(), x, level);
        EVAL_OK(op.run(on.get(), out.get(), a.get(), b.get()));
        const auto ea = encrypted(x, level), eb = encrypted(y, level), eout = cipher(level, 3);
        EVAL_OK(op.run(ev, eout.get(), ea.get(), eb.get()));
        const double simulated = rms(values(on.get(), out.get()), expected);
        const double measured = rms(decrypted(eout.get()), expected);
        EXPECT_NEAR(simulated / measured, 1, 0.2) << op.name << ": " << simulated << " against " << measured;
    }
}

// Whole circuits: same levels and scales, slots equal within the noise that clear itself measures.
TEST_F(Clear, CircuitsAgreeWithCkks) {
    mzv_evaluator *roomy = nullptr;
    EVAL_OK(mzv_evaluator_create(&roomy, ctx, keys, size_t { 8 } * 2000 << params.log_n));
    const auto exact = clear(0), noisy = clear(99);
    for (const Circuit &circuit : circuits()) {
        const Slots x = random_slots(2 * n, 1), y = random_slots(2 * n, 2);
        Slots result[2];
        uint32_t level = 0;
        for (int i = 0; i < 2; i++) {
            mzv_evaluator *on = i == 0 ? exact.get() : noisy.get();
            const auto a = slots_of(on, x, params.n_levels), b = slots_of(on, y, params.n_levels);
            const auto out = slots_of(on, x, params.n_levels);
            EVAL_OK(circuit.run(on, out.get(), a.get(), b.get())) << circuit.name;
            result[i] = values(on, out.get());
            level = mzv_cipher_level(out.get());
        }
        const auto a = encrypted(x, params.n_levels), b = encrypted(y, params.n_levels),
                   out = cipher(params.n_levels, 2);
        EVAL_OK(circuit.run(roomy, out.get(), a.get(), b.get())) << circuit.name;
        EXPECT_EQ(mzv_cipher_level(out.get()), level) << circuit.name;
        const double simulated = rms(result[1], result[0]), measured = rms(decrypted(out.get()), result[0]);
        EXPECT_LT(std::fabs(std::log2(measured / simulated)), 0.5)
            << circuit.name << ": " << measured << ", simulated " << simulated;
        expect_near(decrypted(out.get()), result[0], std::hypot(simulated, rounding()), circuit.name);
    }
    mzv_evaluator_destroy(roomy);
}

TEST_F(Clear, NoiseRepeatsWithItsSeed) {
    const Slots x = random_slots(2 * n, 1);
    Slots result[3];
    const uint64_t seeds[] = { 7, 7, 8 };
    for (int i = 0; i < 3; i++) {
        const auto on = clear(seeds[i]);
        const auto a = slots_of(on.get(), x, 3);
        EVAL_OK(mzv_mul(on.get(), a.get(), a.get(), a.get()));
        EVAL_OK(mzv_rotate(on.get(), a.get(), a.get(), 5));
        result[i] = values(on.get(), a.get());
    }
    EXPECT_EQ(result[0], result[1]);
    EXPECT_NE(result[0], result[2]);
}

TEST_F(Clear, FreshNoise) {
    const auto on = clear(5);
    const Slots x = random_slots(3 * n, 1);
    for (uint32_t level = 0; level <= params.n_levels; level++) {
        const double found = rms(values(on.get(), slots_of(on.get(), x, level).get()), x);
        EXPECT_NEAR(found / noise(level).fresh(), 1, 0.1) << level; // 3N Gaussians: 1/sqrt(6N) = 0.013
    }
}

// The same refusals as on ckks.
TEST_F(Clear, Refusals) {
    const auto on = clear(0);
    const Slots x = random_slots(n, 1);
    const auto low = slots_of(on.get(), x, 0), a = slots_of(on.get(), x, 3), out = slots_of(on.get(), x, 3);
    EXPECT_EQ(mzv_mul(on.get(), out.get(), low.get(), low.get()), MZV_ERR_LEVEL);
    EXPECT_EQ(mzv_add(on.get(), out.get(), low.get(), a.get()), MZV_ERR_LEVEL);
    EXPECT_EQ(mzv_mul_monomial(on.get(), out.get(), a.get(), 3), MZV_ERR_ARGUMENT);
    Slots bad = x;
    bad[5] = NAN;
    EXPECT_EQ(mzv_clear_set(on.get(), out.get(), as_c(bad), 2), MZV_ERR_RANGE);
    mzv_plain *p = nullptr;
    EXPECT_EQ(mzv_plain_create(&p, on.get(), as_c(bad), 2, MZV_PLAIN_MUL), MZV_ERR_RANGE);
    EXPECT_EQ(values(on.get(), out.get()), x);
    const auto tiny = clear(0, 64);
    mzv_cipher t;
    EXPECT_EQ(mzv_ev_take(tiny.get(), &t, 1, 1), MZV_ERR_MEMORY);
    EXPECT_EQ(std::string(mzv_last_error()),
              "clear evaluator: " + std::to_string(16 * n) +
                  " bytes wanted, 64 of 64 left; create it with more scratch_bytes");
}

// A peak that count predicts is enough for clear, whose slots take less.
TEST_F(Clear, CountedScratchIsEnough) {
    for (const Circuit &circuit : circuits()) {
        mzv_evaluator *count = nullptr;
        EVAL_OK(mzv_evaluator_create_count(&count, &params));
        const Slots x = random_slots(n, 1);
        {
            const auto a = slots_of(count, x, params.n_levels), b = slots_of(count, x, params.n_levels);
            const auto out = slots_of(count, x, params.n_levels);
            EVAL_OK(circuit.run(count, out.get(), a.get(), b.get()));
        }
        const auto on = clear(0, mzv_evaluator_counts(count)->peak_bytes);
        const auto a = slots_of(on.get(), x, params.n_levels), b = slots_of(on.get(), x, params.n_levels);
        const auto out = slots_of(on.get(), x, params.n_levels);
        EXPECT_EQ(circuit.run(on.get(), out.get(), a.get(), b.get()), MZV_OK) << mzv_last_error();
        EXPECT_EQ(mzv_ev_mark(on.get()), 0u);
        mzv_evaluator_destroy(count);
    }
}

} // namespace eval
