// Rotations that share work against rotations one by one.
#include "ckks/eval_fixture.h"

namespace eval {

class Rotate : public Ckks {};

TEST_F(Rotate, HoistedEqualsIndividual) {
    const std::vector<int32_t> steps = { 3, -1, 0, 2, -5, 1 };
    for (const uint32_t batch : { 1u, 3u }) {
        for (uint32_t level = 0; level <= params.n_levels; level++) {
            const auto a = encrypted(random_slots(batch * n, level), level), one = cipher(level, batch);
            std::vector<Owned<mzv_cipher>> held;
            std::vector<mzv_cipher *> out;
            for (size_t i = 0; i < steps.size(); i++) {
                held.push_back(cipher(params.n_levels, batch));
                out.push_back(held.back().get());
            }
            EVAL_OK(
                mzv_rotate_many(ev, out.data(), a.get(), steps.data(), static_cast<uint32_t>(steps.size())));
            for (size_t i = 0; i < steps.size(); i++) {
                EVAL_OK(mzv_rotate(ev, one.get(), a.get(), steps[i]));
                EXPECT_EQ(words(out[i]), words(one.get())) << "step " << steps[i] << " at level " << level;
            }
        }
    }
}

TEST_F(Rotate, StepsCountModuloSlots) {
    const int32_t slots = static_cast<int32_t>(n);
    const auto a = encrypted(random_slots(n, 3), 2), x = cipher(2, 1), y = cipher(2, 1);
    EVAL_OK(mzv_rotate(ev, x.get(), a.get(), -1));
    for (const int32_t same : { slots - 1, -slots - 1, 5 * slots - 1 }) {
        EVAL_OK(mzv_rotate(ev, y.get(), a.get(), same));
        EXPECT_EQ(words(x.get()), words(y.get())) << same;
    }
    EVAL_OK(mzv_rotate(ev, y.get(), a.get(), 3 * slots));
    EXPECT_EQ(words(a.get()), words(y.get()));
}

TEST_F(Rotate, RotatesRight) {
    Slots x(n);
    for (size_t i = 0; i < n; i++) x[i] = static_cast<double>(i) / static_cast<double>(n);
    const auto a = encrypted(x, 1);
    EVAL_OK(mzv_rotate(ev, a.get(), a.get(), 3));
    const Slots y = decrypted(a.get());
    for (size_t i = 0; i < n; i++) EXPECT_NEAR(y[i].real(), x[(i + 3) % n].real(), 1e-6) << i;
}

TEST_F(Rotate, SumCountsOneModUpAndSharesModDown) {
    const auto a = encrypted(random_slots(n, 3), 4), out = cipher(4, 1);
    const std::vector<int32_t> steps = many_steps();
    mzv_evaluator_counts_reset(ev);
    EVAL_OK(mzv_rotate_sum(ev, out.get(), a.get(), steps.data(), static_cast<uint32_t>(steps.size())));
    EXPECT_EQ(mzv_evaluator_counts(ev)->n_mod_up, 1u);
    EXPECT_EQ(mzv_evaluator_counts(ev)->n_rotate, steps.size() - 1); // one step is 0
}

TEST_F(Rotate, OutputsMustBeApart) {
    const auto a = encrypted(random_slots(n, 3), 2), out = cipher(2, 1);
    const int32_t steps[] = { 1, 2 };
    mzv_cipher *const twice[] = { out.get(), out.get() };
    mzv_cipher *const own[] = { out.get(), a.get() };
    EXPECT_EQ(mzv_rotate_many(ev, twice, a.get(), steps, 2), MZV_ERR_ARGUMENT);
    EXPECT_STREQ(mzv_last_error(), "rotate_many: outputs 0 and 1 are the same");
    EXPECT_EQ(mzv_rotate_many(ev, own, a.get(), steps, 2), MZV_ERR_ARGUMENT);
    EXPECT_STREQ(mzv_last_error(), "rotate_many: output 1 is the operand");
}

} // namespace eval
