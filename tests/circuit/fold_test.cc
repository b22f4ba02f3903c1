/* Folds against plain sums, every stride and radix, and the borders of their proofs. */
#include "circuit/fold.h"

#include "circuit/circuit_fixture.h"

using namespace circuit_test;

namespace {

const mzv_fold_radix radices[] = { MZV_FOLD_CHEAPEST, MZV_FOLD_RADIX_2, MZV_FOLD_RADIX_4 };

Job job_of(const mzv_fold &fold, const std::vector<double> &x) {
    Job job;
    job.params = toy(1);
    job.add_input(x, 1);
    job.run = [fold](mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *in) {
        return mzv_fold_run(ev, out, in[0], &fold);
    };
    job.request = [fold](mzv_key_request *r) { return mzv_fold_request(&fold, r, 1); };
    return job;
}

/* Slots of an exact run. */
std::vector<double> folded(const mzv_fold &fold, const std::vector<double> &x) {
    const Slots s = run_clear(job_of(fold, x));
    std::vector<double> real;
    for (const auto &z : s) real.push_back(z.real());
    return real;
}

const uint32_t n_slots = slots_of(toy(1));
const double tolerance = 1024 * 1024 * 0x1p-53; /* 1,024 values below 1 and as many roundings */

/* Data in positions below `used` of groups; position j at stride j. */
std::vector<double> grouped(uint32_t stride, uint32_t used, uint32_t group) {
    std::vector<double> x = uniform(n_slots, -1, 1, stride + used);
    for (uint32_t i = 0; i < n_slots; i++)
        if (i / stride % group >= used) x[i] = 0;
    return x;
}

/* The sum over the group of slot i. */
double total(const std::vector<double> &x, uint32_t i, uint32_t stride, uint32_t group) {
    const uint32_t start = i - i / stride % group * stride;
    double sum = 0;
    for (uint32_t j = 0; j < group; j++) sum += x[start + j * stride];
    return sum;
}

TEST(Fold, CyclicGivesEverySlotTheTotal) {
    for (uint32_t stride = 1; stride <= n_slots; stride *= 2) {
        for (mzv_fold_radix radix : radices) {
            mzv_fold fold;
            ASSERT_EQ(mzv_fold_cyclic(&fold, stride, n_slots / stride, radix), MZV_OK);
            const std::vector<double> x = uniform(n_slots, -1, 1, stride), y = folded(fold, x);
            std::vector<double> sum(stride);
            for (uint32_t i = 0; i < n_slots; i++) sum[i % stride] += x[i];
            for (uint32_t i = 0; i < n_slots; i++)
                ASSERT_NEAR(y[i], sum[i % stride], tolerance) << stride << " " << i;
        }
    }
}

TEST(Fold, CyclicOverAPeriod) {
    mzv_fold fold;
    ASSERT_EQ(mzv_fold_cyclic(&fold, 4, 16, MZV_FOLD_RADIX_4), MZV_OK);
    std::vector<double> x = uniform(64, -1, 1, 3); /* add_input repeats it */
    const std::vector<double> y = folded(fold, x);
    for (uint32_t i = 0; i < n_slots; i++) {
        double sum = 0;
        for (uint32_t j = 0; j < 16; j++) sum += x[(i + 4 * j) % 64];
        ASSERT_NEAR(y[i], sum, tolerance);
    }
}

void expect_window(uint32_t stride, uint32_t used, uint32_t group, mzv_fold_radix radix) {
    mzv_fold fold;
    ASSERT_EQ(mzv_fold_window(&fold, stride, used, group, radix), MZV_OK) << mzv_last_error();
    const std::vector<double> x = grouped(stride, used, group), y = folded(fold, x);
    for (uint32_t i = 0; i < n_slots; i++)
        if (i / stride % group < used) {
            ASSERT_NEAR(y[i], total(x, i, stride, group), tolerance)
                << "stride " << stride << ", " << used << " of " << group << ", radix " << radix << ", slot "
                << i;
        }
}

TEST(Fold, WindowGivesEveryPositionInUseTheTotal) {
    for (uint32_t stride : { 1u, 4u, 64u })
        for (uint32_t group = 1; group * stride <= n_slots && group <= 64; group *= 2)
            for (uint32_t used = 1; 2 * used <= group || (used == 1 && group == 1); used++)
                for (mzv_fold_radix radix : radices) expect_window(stride, used, group, radix);
}

TEST(Fold, WindowOfOneGroupThatFillsTheSlots) {
    for (uint32_t used : { 1u, 2u, 3u, 100u, 128u, 300u, 511u, 512u })
        expect_window(1, used, n_slots, MZV_FOLD_CHEAPEST);
    expect_window(8, 64, 128, MZV_FOLD_RADIX_2);
}

/* One position more than the proof allows is refused, and would be wrong. */
TEST(Fold, WindowRefusesGroupsThatMeet) {
    mzv_fold fold = {};
    fold.n_rounds = 99;
    EXPECT_EQ(mzv_fold_window(&fold, 1, 5, 12, MZV_FOLD_CHEAPEST), MZV_ERR_ARGUMENT); /* 8 + 5 > 12 */
    EXPECT_NE(std::string(mzv_last_error()).find("need 13"), std::string::npos) << mzv_last_error();
    EXPECT_EQ(mzv_fold_window(&fold, 1, 9, 16, MZV_FOLD_CHEAPEST), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_fold_window(&fold, 1, 0, 16, MZV_FOLD_CHEAPEST), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_fold_window(&fold, 0, 1, 16, MZV_FOLD_CHEAPEST), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_fold_first(&fold, 1, 9, 15, MZV_FOLD_CHEAPEST), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_fold_first(&fold, 1, 17, 16, MZV_FOLD_CHEAPEST), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_fold_cyclic(&fold, 1, 12, MZV_FOLD_CHEAPEST), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_fold_cyclic(&fold, 1u << 17, 2, MZV_FOLD_CHEAPEST), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_fold_cyclic(&fold, 1, 16, (mzv_fold_radix)3), MZV_ERR_ARGUMENT);
    EXPECT_EQ(fold.n_rounds, 99u);
}

TEST(Fold, FirstGivesPositionZeroTheTotal) {
    for (uint32_t stride : { 1u, 16u })
        for (uint32_t group = 1; group <= 64; group *= 2)
            for (uint32_t used = 1; used <= group; used++)
                for (mzv_fold_radix radix : radices) {
                    mzv_fold fold;
                    ASSERT_EQ(mzv_fold_first(&fold, stride, used, group, radix), MZV_OK);
                    const std::vector<double> x = grouped(stride, used, group), y = folded(fold, x);
                    for (uint32_t i = 0; i < n_slots; i++)
                        if (i / stride % group == 0) {
                            ASSERT_NEAR(y[i], total(x, i, stride, group), tolerance)
                                << used << " of " << group;
                        }
                }
}

TEST(Fold, RotationsAndModUps) {
    const struct {
        mzv_fold_radix radix;
        uint32_t rotations, mod_ups;
    } cases[] = { { MZV_FOLD_RADIX_2, 7, 7 }, { MZV_FOLD_RADIX_4, 10, 4 }, { MZV_FOLD_CHEAPEST, 10, 4 } };
    for (const auto &c : cases) {
        mzv_fold fold;
        ASSERT_EQ(mzv_fold_window(&fold, 8, 64, 128, c.radix), MZV_OK);
        const mzv_circuit_cost cost = measure(job_of(fold, { 0 }));
        EXPECT_EQ(cost.counts.n_rotate, c.rotations);
        EXPECT_EQ(cost.counts.n_mod_up, c.mod_ups);
        EXPECT_EQ(cost.levels, 0u);
    }
    mzv_fold first;
    ASSERT_EQ(mzv_fold_first(&first, 8, 64, 128, MZV_FOLD_RADIX_2), MZV_OK);
    EXPECT_EQ(first.n_rounds, 6u);
}

TEST(Fold, EncryptedNoiseIsPredicted) {
    for (mzv_fold_radix radix : { MZV_FOLD_RADIX_2, MZV_FOLD_RADIX_4 }) {
        mzv_fold cyclic, window;
        ASSERT_EQ(mzv_fold_cyclic(&cyclic, 32, n_slots / 32, radix), MZV_OK);
        ASSERT_EQ(mzv_fold_window(&window, 4, 50, 256, radix), MZV_OK);
        expect_predicted(job_of(cyclic, uniform(n_slots, -1, 1, 1)));
        expect_predicted(job_of(window, grouped(4, 50, 256)));
    }
}

} // namespace
