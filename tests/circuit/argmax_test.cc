/* argmax as a one-hot vector: every slot against plain comparisons, on every kind. */
#include "circuit/compare_helpers.h"
#include "circuit/functions_table.h"

using namespace circuit_test;

namespace {

struct Argmax {
    mzv_argmax_spec spec;
    std::vector<double> mask;
    mzv_argmax *a = nullptr;
    Argmax(const mzv_fold &fold, double lo, double hi, double distance, double target,
           const std::vector<double> &m = {}, mzv_sign_recipe recipe = MZV_SIGN_MINIMAX)
        : spec { lo, hi, distance, target, quiet, recipe, fold, nullptr, 0 }, mask(m) {
        spec.mask = mask.empty() ? nullptr : mask.data();
        spec.n_mask = (uint32_t)mask.size();
        EXPECT_EQ(mzv_argmax_create(&a, &spec), MZV_OK) << mzv_last_error();
    }
    ~Argmax() { mzv_argmax_destroy(a); }
    const mzv_argmax_facts &facts() const { return *mzv_argmax_about(a); }
};

Job job_of(const Argmax &a, const std::vector<double> &x, const mzv_params &params) {
    Job job;
    const uint32_t level = params.n_levels;
    job.params = params;
    job.add_input(x, level);
    job.run = [&a](mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *in) {
        const size_t mark = mzv_ev_mark(ev);
        mzv_cipher v;
        mzv_status status = mzv_ev_take(ev, &v, in[0]->level - 1, in[0]->batch);
        if (status == MZV_OK) status = mzv_argmax_prepare(ev, &v, in[0], a.a);
        if (status == MZV_OK) status = mzv_argmax_run(ev, out, &v, a.a);
        mzv_ev_release(ev, mark);
        return status;
    };
    job.request = [&a, level](mzv_key_request *r) { return mzv_argmax_request(a.a, r, level - 1); };
    return job;
}

/* One-hot where all others are `distance` below; otherwise what the header says: the largest gives 1, so do
 * equal ones, and nearer ones lie between, in order but for the errors of their maxima. */
void expect_argmax(const Argmax &a, const std::vector<double> &x, const Slots &y, uint32_t stride,
                   uint32_t count, double slack) {
    const mzv_argmax_spec &s = a.spec;
    for (uint32_t start = 0; start < stride; start++) {
        double top = s.lo;
        for (uint32_t j = 0; j < count; j++) top = std::fmax(top, x[start + j * stride]);
        for (uint32_t j = 0; j < count; j++) {
            const uint32_t i = start + j * stride;
            const double found = y[i].real();
            ASSERT_GE(found, -s.target - slack) << i;
            ASSERT_LE(found, 1 + s.target + slack) << i;
            if (x[i] == top) {
                ASSERT_NEAR(found, 1, s.target + slack) << i;
            }
            if (x[i] <= top - s.distance) {
                ASSERT_NEAR(found, 0, s.target + slack) << i;
            }
            for (uint32_t k = 0; k < count; k++)
                if (x[start + k * stride] < x[i] - 2 * a.facts().max_error) {
                    ASSERT_LE(y[start + k * stride].real(), found + 2 * s.target + slack) << i;
                }
        }
    }
}

TEST(Argmax, IsOneHotAndOrdered) {
    const uint32_t count = 4, stride = n_slots / count;
    std::vector<double> x = uniform(n_slots, -1, 1, 77);
    x[0] = x[stride] = x[2 * stride] = x[3 * stride] = -1; /* all equal, at the lower end */
    x[1] = x[1 + stride] = 1;                              /* two equal, at the upper end */
    x[2] = 0.5, x[2 + stride] = 0.2,
    x[2 + 2 * stride] = x[2 + 3 * stride] = 0.1; /* exactly the distance below */
    for (mzv_sign_recipe recipe : { MZV_SIGN_MINIMAX, MZV_SIGN_NEXUS }) {
        const Argmax a(cyclic(stride, count), -1, 1, 0.3, 1e-2, {}, recipe);
        EXPECT_LE(a.facts().error, 1e-2);
        EXPECT_LE(a.facts().max_error, 0.3 / 3 + 1e-12); /* two rounds: two thirds of the half */
        EXPECT_NEAR(2 * (a.facts().max_error + a.facts().gap), 0.3, 1e-9);
        if (recipe == MZV_SIGN_NEXUS) continue; /* 50 levels: below, refreshed */
        const Slots y = run_clear(job_of(a, x, toy(a.facts().levels + 1)));
        expect_argmax(a, x, y, stride, count, 1e-9);
        EXPECT_NEAR(y[1].real(), 1, 1e-2);
        EXPECT_NEAR(y[1 + stride].real(), 1, 1e-2);
        EXPECT_NEAR(y[2 + stride].real(), 0, 1e-2);
    }
}

TEST(Argmax, AllSlotsWithRefreshing) {
    std::vector<double> x = uniform(n_slots, 0, 0.8, 5);
    x[700] = 0.95;
    for (mzv_sign_recipe recipe : { MZV_SIGN_MINIMAX, MZV_SIGN_NEXUS }) {
        const Argmax a(cyclic(1, n_slots), 0, 1, 0.1, 1e-2, {}, recipe);
        ClearRefresher r(3, 13);
        const Slots y = run_clear(refreshed(job_of(a, x, toy(13)), r));
        expect_argmax(a, x, y, 1, n_slots, 1e-9);
        EXPECT_NEAR(y[700].real(), 1, 1e-2);
        EXPECT_LE(r.largest, 1 + 1e-12);
    }
}

/* Slots without data give 0 even where all data lie at the lower end. */
TEST(Argmax, MaskedSlotsGiveZero) {
    const uint32_t count = 4, stride = n_slots / count;
    std::vector<double> mask(n_slots, 1.0), x(n_slots, 0.0);
    for (uint32_t i = 3 * stride; i < n_slots; i++) {
        mask[i] = 0;
        x[i] = 1;
    }
    const Argmax a(cyclic(stride, count), 0, 1, 0.4, 1e-2, mask);
    const Slots y = run_clear(job_of(a, x, toy(a.facts().levels + 1)));
    for (uint32_t i = 0; i < n_slots; i++) ASSERT_NEAR(y[i].real(), i < 3 * stride ? 1 : 0, 1e-2) << i;
}

TEST(Argmax, ValueAndCountsAreThoseOfTheCircuit) {
    const Argmax a(cyclic(n_slots / 2, 2), -2, 2, 0.5, 1e-3);
    const std::vector<double> x = uniform(n_slots, -2, 2, 12);
    const Job job = job_of(a, x, toy(a.facts().levels + 1));
    const mzv_circuit_cost cost = measure(job);
    EXPECT_EQ(cost.levels, a.facts().levels + 1);
    EXPECT_EQ(cost.levels, mzv_argmax_levels(a.a) + 1);
    EXPECT_EQ(cost.counts.n_key_switch, a.facts().n_key_switch);
    const Slots y = run_clear(job);
    const mzv_max *max = mzv_quickmax_max(mzv_argmax_quickmax(a.a));
    for (uint32_t i = 0; i < n_slots; i++) {
        const long double m = mzv_max_value(max, x[i], x[(i + n_slots / 2) % n_slots]);
        ASSERT_NEAR(y[i].real(), (double)mzv_argmax_value(a.a, x[i], m), 1e-9) << i;
    }
}

TEST(Argmax, EncryptedNoiseIsPredicted) {
    const Argmax a(cyclic(n_slots / 4, 4), -1, 1, 0.3, 1e-2);
    expect_predicted(job_of(a, uniform(n_slots, -1, 1, 31), toy(a.facts().levels + 1)));
}

/* Two ciphertexts in one, and the output in place of the input. */
TEST(Argmax, BatchesInPlace) {
    const Argmax a(cyclic(n_slots / 2, 2), 0, 1, 0.4, 1e-2);
    const mzv_params params = toy(a.facts().levels);
    const std::vector<double> x = uniform(2 * n_slots, 0, 1, 3);
    const mzv_affine u = mzv_argmax_affine(a.a);
    Slots v;
    for (double value : x) v.push_back(apply(u, value));
    Machine m;
    m.clear(params, 0, size_t { 64 } << 20);
    mzv_cipher *c = m.put(v, params.n_levels), *top = m.put(v, params.n_levels);
    ASSERT_EQ(mzv_argmax_run(m.ev, c, c, a.a), MZV_OK) << mzv_last_error();
    ASSERT_EQ(mzv_quickmax_run(m.ev, top, top, mzv_argmax_quickmax(a.a)), MZV_OK) << mzv_last_error();
    const Slots y = m.get(c), t = m.get(top);
    const mzv_affine back = mzv_quickmax_back(mzv_argmax_quickmax(a.a));
    for (uint32_t i = 0; i < 2 * n_slots; i++) {
        const double other = x[i ^ (n_slots / 2)];
        ASSERT_NEAR(apply(back, t[i].real()), std::fmax(x[i], other), a.facts().max_error + 1e-9) << i;
        if (x[i] >= other) {
            ASSERT_NEAR(y[i].real(), 1, 1e-2) << i;
        }
        if (x[i] <= other - 0.4) {
            ASSERT_NEAR(y[i].real(), 0, 1e-2) << i;
        }
    }
    const Max pair({ 0, 1, 0.05, 1, quiet, MZV_SIGN_MINIMAX });
    mzv_cipher *low = m.put(Slots(n_slots, 0.25), 4), *high = m.put(Slots(n_slots, 0.75), 4);
    ASSERT_EQ(mzv_max_run(m.ev, high, low, high, pair.max), MZV_OK) << mzv_last_error();
    EXPECT_NEAR(m.get(high)[9].real(), 0.75, 0.05);
}

TEST(Argmax, RejectsWhatItCannotDo) {
    mzv_argmax *a = nullptr;
    for (double distance : { 0.0, -1.0, 1.5, (double)NAN }) {
        const mzv_argmax_spec s = { 0, 1, distance, 0.1, 0, MZV_SIGN_MINIMAX, cyclic(1, 4), nullptr, 0 };
        EXPECT_EQ(mzv_argmax_create(&a, &s), MZV_ERR_ARGUMENT) << distance;
    }
    for (double target : { 0.0, 0.5, (double)NAN }) {
        const mzv_argmax_spec s = { 0, 1, 0.5, target, 0, MZV_SIGN_MINIMAX, cyclic(1, 4), nullptr, 0 };
        EXPECT_EQ(mzv_argmax_create(&a, &s), MZV_ERR_ARGUMENT) << target;
    }
    EXPECT_EQ(a, nullptr);
}

TEST(Argmax, PlansSurviveEveryFailedAllocation) {
    for (mzv_sign_recipe recipe : { MZV_SIGN_MINIMAX, MZV_SIGN_NEXUS })
        fail_allocations([recipe] {
            const std::vector<double> mask(4, 1.0);
            const mzv_argmax_spec spec = { 0, 1, 1, 0.2, 0, recipe, cyclic(1, 2), mask.data(), 4 };
            mzv_argmax *a = nullptr;
            const mzv_status status = mzv_argmax_create(&a, &spec);
            EXPECT_EQ(a == nullptr, status != MZV_OK);
            mzv_argmax_destroy(a);
            return status;
        });
}

/* 128 bits, N = 2^16. */
TEST(SlowArgmax, At128Bits) {
    mzv_params params;
    ASSERT_EQ(mzv_params_named(&params, "n16-leveled"), MZV_OK);
    const uint32_t slots = slots_of(params), stride = slots / 4;
    const Argmax a(cyclic(stride, 4), -8, 8, 1, 1e-3);
    ASSERT_LE(a.facts().levels + 1, params.n_levels);
    params.n_levels = a.facts().levels + 1;
    const std::vector<double> x = uniform(slots, -8, 8, 65);
    expect_argmax(a, x, run_ckks(job_of(a, x, params)), stride, 4, 1e-4);
}

/* ---- docs/functions.md ---- */

std::string wholes() {
    std::string text =
        "`mzv_quickmax_run` and `mzv_argmax_run`, over so many slots of scores in [-8, 8]. The error of "
        "QuickMax "
        "is that of all rounds;\n"
        "that of argmax is of its ones and zeros, where the largest score is ahead by \"distance\". Levels "
        "and "
        "key switches, rotations\n"
        "among them, are all, without refreshing.\n\n"
        "| function | slots | distance | target | rounds | levels | key switches | products | max error |\n"
        "|---|---|---|---|---|---|---|---|---|\n";
    for (const uint32_t count : { 16u, 128u }) {
        const mzv_fold fold = cyclic(slots_of(toy(1)) / count, count);
        for (const double target : { 0.25, 0.03 }) {
            const QuickMax q(fold, -8, 8, target);
            text += functions_table::print("| QuickMax | %u | | %g | %u | %u | %u | %u | %.2e |\n", count,
                                           target, q.facts().rounds, q.facts().levels, q.facts().n_key_switch,
                                           q.facts().n_products, q.facts().error);
        }
        for (const double distance : { 1.0, 0.25 }) {
            const Argmax a(fold, -8, 8, distance, 1e-2);
            text += functions_table::print("| argmax | %u | %g | 1e-02 | %u | %u | %u | %u | %.2e |\n", count,
                                           distance, a.facts().rounds, a.facts().levels,
                                           a.facts().n_key_switch, a.facts().n_products, a.facts().error);
        }
    }
    return text;
}

const functions_table::Entry entry(620, "QuickMax, argmax", wholes);

} // namespace
