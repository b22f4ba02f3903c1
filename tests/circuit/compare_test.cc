/* max and QuickMax: plans against plain comparisons, and circuits on every kind, with refreshing and without.
 */
#include "circuit/compare.h"

#include <algorithm>

#include "circuit/boot.h"
#include "circuit/compare_helpers.h"
#include "circuit/functions_table.h"

using namespace circuit_test;

namespace {

const mzv_max_spec specs[] = {
    { 0, 1, 0.25, 1, quiet, MZV_SIGN_MINIMAX },    { 0, 1, 1e-2, 3, quiet, MZV_SIGN_MINIMAX },
    { -8, 24, 0.05, 10, quiet, MZV_SIGN_MINIMAX }, { -1, 1, 1e-3, 1, 0, MZV_SIGN_MINIMAX },
    { 5, 6, 1e-4, 2, quiet, MZV_SIGN_MINIMAX },    { -100, 0, 2e-3, 4, quiet, MZV_SIGN_MINIMAX },
    { 0, 1, 1e-2, 3, 0, MZV_SIGN_NEXUS },          { -8, 8, 2e-3, 1, quiet, MZV_SIGN_NEXUS },
};

/* Pairs whose differences cover the interval evenly and by their logarithm, both signs. */
std::vector<std::pair<double, double>> pairs(const mzv_max_spec &s, size_t n) {
    std::vector<std::pair<double, double>> list;
    const double width = s.hi - s.lo;
    for (size_t i = 0; i < n; i++) {
        const double share = (double)(i / 2) / (double)((n - 1) / 2);
        const double d = i % 2 ? width * share : width * std::pow(1e-5, 1 - share);
        const double low = s.lo + (width - d) * (double)(i % 7) / 6;
        list.push_back(i % 3 ? std::make_pair(low, low + d) : std::make_pair(low + d, low));
    }
    return list;
}

TEST(Max, ErrorIsWithinTheTargetAndAsReported) {
    for (const mzv_max_spec &spec : specs) {
        const Max m(spec);
        EXPECT_LE(m.facts().error, spec.target);
        double found = 0;
        for (const auto &p : pairs(spec, 100001)) {
            const double y = (double)mzv_max_value(m.max, p.first, p.second);
            found = std::fmax(found, std::fabs(y - std::fmax(p.first, p.second)));
        }
        EXPECT_LE(found, m.facts().error * (1 + 1e-9) + 1e-12) << spec.target;
        EXPECT_GE(found, m.facts().error * 0.8) << spec.target;
    }
}

TEST(Max, IsSymmetric) {
    for (const mzv_max_spec &spec : specs) {
        const Max m(spec);
        for (const auto &p : pairs(spec, 1001)) {
            const double y = (double)mzv_max_value(m.max, p.first, p.second);
            EXPECT_NEAR(y, (double)mzv_max_value(m.max, p.second, p.first), 1e-13 * (spec.hi - spec.lo));
            if (m.facts().degree ==
                0) { /* by a sign: not below the mean, nor above but by the sign's error */
                EXPECT_GE(y, (p.first + p.second) / 2 - 1e-12);
            }
        }
    }
}

/* The one polynomial wherever it exists; a sign for NEXUS and small targets. */
TEST(Max, TakesTheWayItSays) {
    for (const mzv_max_spec &spec : specs) {
        const Max m(spec);
        const bool one = spec.recipe == MZV_SIGN_MINIMAX && spec.target / (spec.hi - spec.lo) > 2.9e-4;
        EXPECT_EQ(m.facts().degree > 0, one) << spec.target;
        EXPECT_EQ(mzv_max_sign(m.max) == nullptr, one);
        EXPECT_EQ(m.facts().gap == 0, one);
        mzv_max_spec strict = spec;
        strict.target *= 0.9;
        EXPECT_GE(Max(strict).facts().levels, m.facts().levels);
    }
    /* [VC85]: 2 E_2 = 0.25, 4 E_4 = 0.2705; degree 2 reaches 1/16 of the interval, degree 4 0.0338 */
    EXPECT_EQ(Max({ 0, 1, 0.0340, 1, 0, MZV_SIGN_MINIMAX }).facts().degree, 6u); /* bound 0.1401 / 4 */
    EXPECT_EQ(Max({ 0, 1, 0.0351, 1, 0, MZV_SIGN_MINIMAX }).facts().degree, 4u);
    EXPECT_NEAR(Max({ 0, 1, 0.0351, 1, 0, MZV_SIGN_MINIMAX }).facts().error, 0.0676209 / 2, 2e-5);
}

Job job_of(const Max &m, const std::vector<double> &a, const std::vector<double> &b,
           const mzv_params &params) {
    Job job;
    const uint32_t level = params.n_levels;
    job.params = params;
    std::vector<double> v[2];
    for (double x : a) v[0].push_back(apply(mzv_max_affine(m.max), x));
    for (double x : b) v[1].push_back(apply(mzv_max_affine(m.max), x));
    job.add_input(v[0], level);
    job.add_input(v[1], level);
    job.run = [&m](mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *in) {
        return mzv_max_run(ev, out, in[0], in[1], m.max);
    };
    job.request = [&m, level](mzv_key_request *r) { return mzv_max_request(m.max, r, level); };
    return job;
}

Job pair_job(const Max &m, const mzv_params &params) {
    std::vector<double> a, b;
    for (const auto &p : pairs(m.spec, slots_of(params))) {
        a.push_back(p.first);
        b.push_back(p.second);
    }
    return job_of(m, a, b, params);
}

TEST(Max, CircuitHasTheLevelsAndCountsItSays) {
    for (const mzv_max_spec &spec : specs) {
        const Max m(spec);
        const mzv_circuit_cost cost = measure(pair_job(m, toy(m.facts().levels)));
        EXPECT_EQ(cost.levels, m.facts().levels);
        EXPECT_EQ(cost.levels, mzv_max_levels(m.max));
        EXPECT_EQ(cost.counts.n_key_switch, m.facts().n_key_switch);
    }
}

TEST(Max, ClearIsTheValue) {
    for (const mzv_max_spec &spec : specs) {
        const Max m(spec);
        const mzv_params params = toy(m.facts().levels);
        const Slots v = run_clear(pair_job(m, params));
        const auto list = pairs(spec, v.size());
        for (size_t i = 0; i < v.size(); i++)
            ASSERT_NEAR(apply(mzv_max_back(m.max), v[i].real()),
                        (double)mzv_max_value(m.max, list[i].first, list[i].second),
                        1e-9 * (spec.hi - spec.lo)) /* slopes up to 2^10, T_m with m^2 = 2^18 roundings */
                << list[i].first << " " << list[i].second;
    }
}

TEST(Max, EncryptedNoiseIsPredicted) {
    for (const mzv_max_spec &spec : { specs[0], specs[1], specs[2], specs[3], specs[4], specs[6] }) {
        const Max m(spec);
        expect_predicted(pair_job(m, toy(m.facts().levels)));
    }
}

/* ---- refreshing ---- */

TEST(Max, RefreshesWhereLevelsEnd) {
    for (const mzv_max_spec &spec : { specs[1], specs[4], specs[6] }) {
        const Max m(spec);
        for (uint32_t in_level : { 0u, 1u, 3u })
            for (uint32_t level : { 3u, 5u, 9u }) {
                ClearRefresher r(in_level, 9);
                const mzv_params params = toy(9);
                Job job = refreshed(pair_job(m, params), r);
                job.level[0] = job.level[1] = level;
                const Slots v = run_clear(job);
                EXPECT_GE(r.n_runs, level < m.facts().levels ? 1u : 0u);
                EXPECT_LE(r.largest, 1 + 1e-12);
                const auto list = pairs(spec, v.size());
                for (size_t i = 0; i < v.size(); i++)
                    ASSERT_NEAR(apply(mzv_max_back(m.max), v[i].real()),
                                std::fmax(list[i].first, list[i].second), spec.target + 1e-9);
            }
    }
}

/* ---- QuickMax ---- */

/* From x itself, by prepare. */
Job job_of(const QuickMax &q, const std::vector<double> &x, const mzv_params &params) {
    Job job;
    const uint32_t level = params.n_levels;
    job.params = params;
    job.add_input(x, level);
    job.run = [&q](mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *in) {
        const size_t mark = mzv_ev_mark(ev);
        mzv_cipher v;
        mzv_status status = mzv_ev_take(ev, &v, in[0]->level - 1, in[0]->batch);
        if (status == MZV_OK) status = mzv_quickmax_prepare(ev, &v, in[0], q.q);
        if (status == MZV_OK) status = mzv_quickmax_run(ev, out, &v, q.q);
        mzv_ev_release(ev, mark);
        return status;
    };
    job.request = [&q, level](mzv_key_request *r) { return mzv_quickmax_request(q.q, r, level - 1); };
    return job;
}

TEST(QuickMax, CyclicGivesEverySlotItsMaximum) {
    for (uint32_t count : { 2u, 8u }) {
        const uint32_t stride = n_slots / count;
        const QuickMax q(cyclic(stride, count), -3, 5, 0.2);
        const std::vector<double> x = uniform(n_slots, -3, 5, count);
        const Slots v = run_clear(job_of(q, x, toy(q.facts().levels + 1)));
        for (uint32_t i = 0; i < n_slots; i++) {
            double top = -3;
            for (uint32_t j = 0; j < count; j++) top = std::fmax(top, x[i % stride + j * stride]);
            ASSERT_NEAR(apply(mzv_quickmax_back(q.q), v[i].real()), top, q.facts().error + 1e-9) << i;
        }
    }
}

/* Data in the first three of each 16 positions; what lies elsewhere is large and must not count. */
TEST(QuickMax, MaskedWindowAndFirst) {
    const uint32_t stride = 4, used = 3, group = 16;
    std::vector<double> mask(stride * group), x = uniform(n_slots, -3, 1, 9);
    for (uint32_t i = 0; i < mask.size(); i++) mask[i] = i / stride < used;
    for (uint32_t i = 0; i < n_slots; i++)
        if (mask[i % mask.size()] == 0) x[i] = 4;
    mzv_fold first = {};
    ASSERT_EQ(mzv_fold_first(&first, stride, used, group, MZV_FOLD_RADIX_2), MZV_OK);
    const std::pair<mzv_fold, uint32_t> folds[] = { { window(stride, used, group), used }, { first, 1 } };
    for (const auto &fold : folds) {
        const QuickMax q(fold.first, -3, 1, 0.1, mask);
        const Slots v = run_clear(job_of(q, x, toy(q.facts().levels + 1)));
        for (uint32_t i = 0; i < n_slots; i++) {
            const uint32_t position = i / stride % group, start = i - position * stride;
            if (position >= fold.second) continue;
            double top = -3;
            for (uint32_t j = 0; j < used; j++) top = std::fmax(top, x[start + j * stride]);
            ASSERT_NEAR(apply(mzv_quickmax_back(q.q), v[i].real()), top, q.facts().error + 1e-9) << i;
        }
    }
}

TEST(QuickMax, CircuitHasTheLevelsAndCountsItSays) {
    for (mzv_sign_recipe recipe : { MZV_SIGN_MINIMAX, MZV_SIGN_NEXUS }) {
        const QuickMax q(cyclic(n_slots / 4, 4), 0, 1, 0.02, {}, recipe);
        EXPECT_EQ(q.facts().rounds, 2u);
        const mzv_circuit_cost cost = measure(job_of(q, { 0 }, toy(q.facts().levels + 1)));
        EXPECT_EQ(cost.levels, q.facts().levels + 1); /* prepare */
        EXPECT_EQ(cost.levels, mzv_quickmax_levels(q.q) + 1);
        EXPECT_EQ(cost.counts.n_key_switch, q.facts().n_key_switch);
        EXPECT_EQ(cost.counts.n_rotate, 2u);
    }
}

/* All 1,024 slots in ten rounds, by one polynomial and by signs deeper than one refreshing reaches. */
TEST(QuickMax, TenRoundsWithRefreshing) {
    const std::vector<double> x = uniform(n_slots, 2, 7, 21);
    const double top = *std::max_element(x.begin(), x.end());
    for (mzv_sign_recipe recipe : { MZV_SIGN_MINIMAX, MZV_SIGN_NEXUS })
        for (uint32_t in_level : { 0u, 1u, 3u }) {
            const QuickMax q(cyclic(1, n_slots), 2, 7, 0.05, {}, recipe);
            EXPECT_EQ(q.facts().rounds, 10u);
            ClearRefresher r(in_level, 11);
            const Slots v = run_clear(refreshed(job_of(q, x, toy(11)), r));
            const uint32_t per_round = recipe == MZV_SIGN_MINIMAX ? 1 : 3;
            EXPECT_GE(r.n_runs, 9 * (per_round - 1));
            EXPECT_LE(r.n_runs, 10 * per_round);
            EXPECT_LE(r.largest, 1 + 1e-12);
            for (const auto &z : v)
                ASSERT_NEAR(apply(mzv_quickmax_back(q.q), z.real()), top, q.facts().error + 1e-9);
        }
}

TEST(QuickMax, FailsWhereLevelsEnd) {
    const QuickMax q(cyclic(1, 8), 0, 1, 0.1);
    Machine m;
    m.clear(toy(q.facts().levels), 0, 0);
    const Slots half(n_slots, 0.5);
    mzv_cipher *v = m.put(half, q.facts().levels - 1), *out = m.put(half, 1), *low = m.put(half, 0);
    EXPECT_EQ(mzv_quickmax_run(m.ev, out, v, q.q), MZV_ERR_LEVEL);
    EXPECT_NE(std::string(mzv_last_error()).find("refreshing"), std::string::npos) << mzv_last_error();
    EXPECT_EQ(mzv_quickmax_prepare(m.ev, out, low, q.q), MZV_ERR_LEVEL);
    ClearRefresher shallow(0, 2);
    m.ev->refresh = &shallow.refresh;
    EXPECT_EQ(mzv_quickmax_run(m.ev, out, low, q.q), MZV_ERR_LEVEL);
    EXPECT_EQ(mzv_max_run(m.ev, out, v, low, mzv_quickmax_max(q.q)), MZV_ERR_LEVEL); /* not one level */
    EXPECT_EQ(mzv_cipher_level(out), 1u);
    EXPECT_EQ(m.get(out)[7], 0.5);
}

TEST(QuickMax, EncryptedNoiseIsPredicted) {
    std::vector<double> mask(64);
    for (uint32_t i = 0; i < mask.size(); i++) mask[i] = i % 16 < 3;
    const QuickMax plain(cyclic(n_slots / 4, 4), 0, 1, 0.02), masked(window(1, 3, 16), -1, 1, 0.2, mask);
    expect_predicted(job_of(plain, uniform(n_slots, 0, 1, 3), toy(plain.facts().levels + 1)));
    expect_predicted(job_of(masked, uniform(n_slots, -1, 1, 3), toy(masked.facts().levels + 1)));
}

/* ---- what is refused ---- */

TEST(Compare, RejectsWhatItCannotDo) {
    const mzv_max_spec max_specs[] = {
        { 1, 1, 0.1, 1, 0, MZV_SIGN_MINIMAX },   { 0, INFINITY, 0.1, 1, 0, MZV_SIGN_MINIMAX },
        { 0, 1, 0.3, 1, 0, MZV_SIGN_MINIMAX },   { 0, 1, 1e-8, 1, 0, MZV_SIGN_MINIMAX },
        { 0, 1, 0.1, 0, 0, MZV_SIGN_MINIMAX },   { 0, 1, 0.1, 18, 0, MZV_SIGN_MINIMAX },
        { 0, 1, 0.1, 1, -1, MZV_SIGN_MINIMAX },  { 0, 1, 0.1, 1, 0.5, MZV_SIGN_MINIMAX },
        { 0, 1, 0.1, 1, 0, (mzv_sign_recipe)7 },
    };
    mzv_max *max = nullptr;
    for (const mzv_max_spec &s : max_specs)
        EXPECT_EQ(mzv_max_create(&max, &s), MZV_ERR_ARGUMENT) << &s - max_specs;
    EXPECT_EQ(max, nullptr);

    mzv_fold none = {}, four = {};
    ASSERT_EQ(mzv_fold_cyclic(&four, 1, 4, MZV_FOLD_RADIX_4), MZV_OK);
    const double half[2] = { 0.5, 1 }, good[3] = { 1, 0, 1 };
    const mzv_quickmax_spec base = { 0, 1, 0.1, 0, MZV_SIGN_MINIMAX, cyclic(1, 4), nullptr, 0 };
    std::vector<mzv_quickmax_spec> bad(5, base);
    bad[0].fold = none;
    bad[1].fold = four;
    bad[2].mask = half;
    bad[2].n_mask = 2;
    bad[3].mask = good;
    bad[3].n_mask = 3;
    bad[4].target = 2; /* each round's share is too large */
    mzv_quickmax *q = nullptr;
    for (const mzv_quickmax_spec &s : bad)
        EXPECT_EQ(mzv_quickmax_create(&q, &s), MZV_ERR_ARGUMENT) << &s - bad.data();
    EXPECT_EQ(q, nullptr);
}

TEST(Compare, MaskWiderThanTheSlotsIsRefused) {
    const QuickMax q(cyclic(1, 4), 0, 1, 0.1, std::vector<double>(2 * n_slots, 1.0));
    Machine m;
    m.clear(toy(2), 0, 0);
    mzv_cipher *x = m.put(Slots(n_slots, 0.5), 2);
    EXPECT_EQ(mzv_quickmax_prepare(m.ev, x, x, q.q), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_cipher_level(x), 2u);
}

/* ---- 128 bits ---- */

/* N = 2^15: by one polynomial and by a sign. */
TEST(SlowCompare, MaxAt128Bits) {
    for (const mzv_max_spec &spec : { specs[2], specs[4] }) {
        mzv_params params;
        ASSERT_EQ(mzv_params_named(&params, "n15-leveled"), MZV_OK);
        const Max m(spec);
        ASSERT_LE(m.facts().levels, params.n_levels);
        params.n_levels = m.facts().levels;
        expect_predicted(pair_job(m, params));
    }
}

/* N = 2^16. Four rounds, over 16 positions: what 29 levels hold at 1.5 % of the interval. */
TEST(SlowCompare, QuickMaxAt128Bits) {
    mzv_params params;
    ASSERT_EQ(mzv_params_named(&params, "n16-leveled"), MZV_OK);
    const uint32_t slots = slots_of(params), stride = slots / 16;
    const QuickMax q(cyclic(stride, 16), -8, 8, 0.25);
    ASSERT_EQ(q.facts().rounds, 4u);
    ASSERT_LE(q.facts().levels + 1, params.n_levels);
    ASSERT_GT(q.facts().levels + q.facts().levels / 4, params.n_levels - 1); /* a fifth round would not fit */
    params.n_levels = q.facts().levels + 1;
    const std::vector<double> x = uniform(slots, -8, 8, 64);
    const Slots v = run_ckks(job_of(q, x, params));
    for (uint32_t i = 0; i < slots; i++) {
        double top = -8;
        for (uint32_t j = 0; j < 16; j++) top = std::fmax(top, x[i % stride + j * stride]);
        ASSERT_NEAR(apply(mzv_quickmax_back(q.q), v[i].real()), top, 0.25 * (1 + 1e-3)) << i;
    }
}

/* Ten rounds over all slots, each refreshed by bootstrapping ciphertexts: once for one polynomial, twice for
 * NEXUS's sign, which is deeper than one bootstrap gives. A small ring; noise of 2^-12 is that of its
 * bootstraps in single slots. */
TEST(SlowCompare, QuickMaxOnBootstraps) {
    mzv_params params;
    ASSERT_EQ(mzv_params_named(&params, "toy-boot"), MZV_OK);
    mzv_boot_spec boots = {};
    boots.order = MZV_BOOT_SLOTS_FIRST;
    const std::vector<double> x = uniform(slots_of(params), 2, 7, 5);
    for (mzv_sign_recipe recipe : { MZV_SIGN_MINIMAX, MZV_SIGN_NEXUS }) {
        QuickMax q(cyclic(1, slots_of(params)), 2, 7, 0.1, {}, recipe);
        mzv_key_request *request = nullptr;
        mzv_circuit_cost cost = {};
        ASSERT_EQ(mzv_key_request_create(&request), MZV_OK);
        ASSERT_EQ(mzv_boot_measure(&cost, request, &params, &boots), MZV_OK) << mzv_last_error();
        ASSERT_EQ(mzv_quickmax_request(q.q, request, 16), MZV_OK) << mzv_last_error();
        Machine m;
        m.ckks(params, request, cost.counts.peak_bytes + (size_t { 64 } << 20));
        mzv_key_request_destroy(request);
        mzv_boot *boot = nullptr;
        ASSERT_EQ(mzv_boot_create(&boot, m.ev, &boots), MZV_OK) << mzv_last_error();
        const uint32_t level = mzv_boot_about(boot)->out_level;
        EXPECT_LE(level, 16u);
        m.ev->refresh = mzv_boot_refresh(boot);
        Slots v;
        for (double value : x) v.push_back(apply(mzv_quickmax_affine(q.q), value));
        mzv_cipher *c = m.put(v, level);
        EXPECT_EQ(mzv_quickmax_run(m.ev, c, c, q.q), MZV_OK) << mzv_last_error();
        const double top = *std::max_element(x.begin(), x.end());
        for (const auto &z : m.get(c)) ASSERT_NEAR(apply(mzv_quickmax_back(q.q), z.real()), top, 0.1);
        mzv_boot_destroy(boot);
    }
}

/* ---- docs/functions.md ---- */

std::string maxima() {
    std::string text = "`mzv_max_run`: max(a, b) for inputs in an interval of width 1. \"one polynomial\": b "
                       "+ (u + |u|) / 2 at u = a - "
                       "b, the\n"
                       "best even polynomial for |u|, which takes the fewest levels. Else b + (a - b) (1 + "
                       "sgn(a - b)) / 2 with a sign\n"
                       "composed as above. QuickMax over n slots takes log2(n) of these and as many "
                       "rotations; their errors add up.\n\n"
                       "| by | target | degrees | levels | key switches | products | max error |\n"
                       "|---|---|---|---|---|---|---|\n";
    for (mzv_sign_recipe recipe : { MZV_SIGN_MINIMAX, MZV_SIGN_NEXUS })
        for (double target : { 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 1e-5 }) {
            const Max m({ 0, 1, target, 1, 0, recipe });
            const mzv_sign_facts *sign = mzv_max_sign(m.max);
            std::string degrees = sign ? "" : std::to_string(m.facts().degree);
            for (uint32_t i = 0; sign && i < sign->n_parts; i++)
                degrees += (i ? ", " : "") + std::to_string(sign->degree[i]);
            text += functions_table::print("| %s | %.0e | %s | %u | %u | %u | %.2e |\n",
                                           !sign                      ? "one polynomial"
                                           : recipe == MZV_SIGN_NEXUS ? "nexus sign"
                                                                      : "minimax sign",
                                           target, degrees.c_str(), m.facts().levels, m.facts().n_key_switch,
                                           m.facts().n_products, m.facts().error);
        }
    return text;
}

const functions_table::Entry entry(610, "Maxima", maxima);

} // namespace
