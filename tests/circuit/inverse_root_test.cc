/* x^-1/2: plans against long double and Remez's bounds (mpmath), circuits on every kind, refreshed runs; and
 * 1/S at hi / lo = 2^12. Their section of the page. */
#include "circuit/inverse_root.h"

#include <fstream>
#include <memory>

#include "circuit/deep_helpers.h"
#include "circuit/functions_table.h"
#include "circuit/inverse.h"

using namespace circuit_test;

namespace {

const uint32_t any = MZV_INVERSE_ROOT_AUTO;
const mzv_inverse_root_recipe best = MZV_INVERSE_ROOT_BEST, nexus = MZV_INVERSE_ROOT_NEXUS;

struct Root {
    mzv_inverse_root_spec spec;
    mzv_inverse_root *root = nullptr;
    explicit Root(const mzv_inverse_root_spec &s) : spec(s) {
        EXPECT_EQ(mzv_inverse_root_create(&root, &s), MZV_OK) << mzv_last_error();
    }
    ~Root() { mzv_inverse_root_destroy(root); }
    const mzv_inverse_root_facts &facts() const { return *mzv_inverse_root_about(root); }
    double t(double x) const {
        return mzv_inverse_root_affine(root).scale * x + mzv_inverse_root_affine(root).shift;
    }
    long double value(long double x) const { return mzv_inverse_root_value(root, x); }
    double off(double x) const { return (double)(std::sqrt((long double)x) * value(x) / spec.gain - 1); }
};

const mzv_inverse_root_spec specs[] = {
    { 1, 2, 1e-6, 1, any, false, best },
    { 0.5, 32, 1e-3, 0.7, any, true, best },
    { 1, 256, 1e-5, 1, any, true, best },
    { 0x1p-6, 64, 1e-3, 0x1p-3, any, false, best },
    { 0x1p-6, 64, 1e-3, 0x1p-3, any, true, best },
    { 1, 4096, 1e-4, 1, 2, false, best },
    { 1, 300, 1e-3, 3, 3, true, best },
    { 1, 100, 0.01, 1, 1, false, best },
    { 1, 256, 1e-3, 1, any, true, nexus },
    { 0.25, 1, 1e-3, 1, any, false, nexus },
    { 0x1p-6, 64, 1e-3, 0x1p-3, any, true, nexus },
};

/* Values of x, spread by their logarithm, ends included. */
std::vector<double> spread(size_t n, double lo, double hi) {
    std::vector<double> x;
    for (double v : grid(n, std::log(lo), std::log(hi)))
        x.push_back(std::fmin(hi, std::fmax(lo, std::exp(v))));
    return x;
}

/* t is a double near 1: its rounding is one of x, hi / lo / 4 times at lo. */
double rounding(const mzv_inverse_root_spec &s) { return 64 * s.hi / s.lo * 0x1p-53; }

TEST(InverseRoot, ErrorIsWithinTheTargetAndAsReported) {
    for (const mzv_inverse_root_spec &spec : specs) {
        const Root r(spec);
        double found = 0;
        for (double x : spread(40009, spec.lo, spec.hi)) found = std::fmax(found, std::fabs(r.off(x)));
        EXPECT_LE(r.facts().error, spec.target * 1.0001) << spec.hi / spec.lo;
        EXPECT_LE(found, r.facts().error * 1.01 + rounding(spec));
        EXPECT_GE(found, r.facts().error * 0.95);
    }
}

/* With no steps the degree is at most what 1.21 times the least error needs, by mpmath's Remez: 18 % for the
 * nodes, 2 % for the grid of the search. */
TEST(InverseRoot, PolynomialIsNearlyTheBest) {
    std::ifstream in(MZV_SOURCE_DIR "/tests/vectors/circuit_inverse_root.txt");
    double ratio, least;
    uint32_t degree, n = 0;
    while (in >> ratio >> degree >> least) {
        const Root r({ 1, ratio, least * 1.21, 1, 0, false, best });
        EXPECT_LE(r.facts().degree, degree) << ratio;
        if (r.facts().degree == degree) {
            EXPECT_GE(r.facts().error, least * 0.999) << ratio << ", degree " << degree;
        }
        n++;
    }
    EXPECT_EQ(n, 9u);
}

/* Below the interval y is positive, falls from `below` and stays under gain / sqrt(x). */
TEST(InverseRoot, IsBoundedBelow) {
    for (const mzv_inverse_root_spec &spec : specs) {
        const Root r(spec);
        const double slack = rounding(spec), below = r.facts().below;
        EXPECT_NEAR((double)r.value(0), below, below * slack);
        EXPECT_LE(below, r.facts().largest * (1 + slack));
        double last = below * (1 + slack);
        for (double x : grid(1001, 0, spec.lo)) {
            const double y = (double)r.value(x);
            EXPECT_LE(y, last * (1 + slack)) << x << " of " << spec.lo;
            EXPECT_GT(y, 0);
            if (x > 0) {
                EXPECT_LE(y, spec.gain / std::sqrt(x) * (1 + r.facts().error * 1.001 + slack)) << x;
            }
            last = y;
        }
    }
}

TEST(InverseRoot, AutoHasFewestLevels) {
    for (const bool apply : { false, true })
        for (const double ratio : { 16.0, 256.0 }) {
            mzv_inverse_root_spec spec = { 1, ratio, 1e-4, 1, any, apply, best };
            const mzv_inverse_root_facts chosen = Root(spec).facts();
            for (spec.steps = 0; spec.steps <= 4; spec.steps++) {
                const mzv_inverse_root_facts f = Root(spec).facts();
                EXPECT_EQ(f.steps, spec.steps);
                const uint32_t mine = apply ? chosen.apply_levels : chosen.levels,
                               other = apply ? f.apply_levels : f.levels;
                EXPECT_LE(mine, other);
                if (mine == other) {
                    EXPECT_LE(chosen.n_key_switch, f.n_key_switch);
                }
            }
        }
}

/* NEXUS's 4 and 2 steps hold to hi / lo = 256 at 1e-3, no further; then the number grows. */
TEST(InverseRoot, NexusTakesTheStepsItNeeds) {
    const Root own({ 1, 256, 1e-3, 1, any, true, nexus }), wide({ 1, 4096, 1e-3, 1, any, true, nexus });
    EXPECT_EQ(own.facts().steps, 4u);
    EXPECT_EQ(own.facts().goldschmidt, 2u);
    EXPECT_EQ(own.facts().degree, 1u);
    EXPECT_EQ(wide.facts().steps, 8u);
    EXPECT_EQ(Root({ 1, 0x1p20, 1e-3, 1, any, true, nexus }).facts().steps, 14u); /* the line is 0.9974 off */
    mzv_inverse_root *root = nullptr;
    const mzv_inverse_root_spec four = { 1, 300, 1e-3, 1, 4, true, nexus };
    EXPECT_EQ(mzv_inverse_root_create(&root, &four), MZV_ERR_PRECISION);
    EXPECT_EQ(root, nullptr);
}

Job job_of(const Root &r, const std::vector<double> &x, const mzv_params &params) {
    Job job;
    const uint32_t level = params.n_levels;
    job.params = params;
    std::vector<double> t;
    for (double v : x) t.push_back(r.t(v));
    job.add_input(t, level);
    job.run = [&r](mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *in) {
        return mzv_inverse_root_run(ev, out, in[0], r.root);
    };
    job.request = [&r, level](mzv_key_request *k) { return mzv_inverse_root_request(r.root, k, level); };
    return job;
}

/* out = n y; n starts at `n_level`. */
Job apply_job_of(const Root &r, const std::vector<double> &x, const std::vector<double> &n, uint32_t n_level,
                 const mzv_params &params) {
    Job job = job_of(r, x, params);
    job.add_input(n, n_level);
    job.run = [&r](mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *in) {
        return mzv_inverse_root_apply(ev, out, in[1], in[0], r.root);
    };
    return job;
}

TEST(InverseRoot, CircuitHasTheLevelsAndCountsItSays) {
    for (const mzv_inverse_root_spec &spec : specs) {
        const Root r(spec);
        const mzv_circuit_cost run = measure(job_of(r, { 1 }, toy(r.facts().levels)));
        EXPECT_EQ(run.levels, r.facts().levels);
        EXPECT_EQ(run.counts.n_key_switch, r.facts().n_key_switch);
        const uint32_t level = r.facts().apply_levels;
        const mzv_circuit_cost apply = measure(apply_job_of(r, { 1 }, { 1 }, level, toy(level)));
        EXPECT_EQ(apply.levels, level) << spec.hi / spec.lo << " steps " << r.facts().steps;
        EXPECT_EQ(apply.counts.n_key_switch, r.facts().apply_n_key_switch)
            << spec.hi / spec.lo << " steps " << r.facts().steps;
    }
}

TEST(InverseRoot, ClearIsThePlan) {
    for (const mzv_inverse_root_spec &spec : specs) {
        const Root r(spec);
        const uint32_t level = std::max(r.facts().levels, r.facts().apply_levels);
        const mzv_params params = toy(level);
        const std::vector<double> x = spread(slots_of(params), spec.lo, spec.hi),
                                  n = uniform(x.size(), -1, 1, 4);
        const Slots y = run_clear(job_of(r, x, params));
        const Slots ny = run_clear(apply_job_of(r, x, n, level, params));
        for (size_t i = 0; i < x.size(); i++) {
            const double exact = (double)r.value(x[i]), slack = exact * rounding(spec);
            ASSERT_NEAR(y[i].real(), exact, slack) << x[i];
            ASSERT_NEAR(ny[i].real(), n[i] * exact, slack) << x[i];
        }
    }
}

/* n far below t: w is lowered to it, the value stays. */
TEST(InverseRoot, AppliesToALowN) {
    for (const mzv_inverse_root_spec &spec : { specs[1], specs[4], specs[8] }) {
        const Root r(spec);
        const mzv_params params = toy(r.facts().apply_levels + 2);
        const std::vector<double> x = spread(slots_of(params), spec.lo, spec.hi),
                                  n = uniform(x.size(), -1, 1, 5);
        const Slots ny = run_clear(apply_job_of(r, x, n, r.facts().apply_needs, params));
        for (size_t i = 0; i < x.size(); i++)
            ASSERT_NEAR(ny[i].real(), n[i] * (double)r.value(x[i]), (double)r.value(x[i]) * rounding(spec));
    }
}

TEST(InverseRoot, EncryptedNoiseIsPredicted) {
    for (const mzv_inverse_root_spec &spec : { specs[1], specs[2], specs[4], specs[6], specs[9] }) {
        const Root r(spec);
        const uint32_t level = std::max(r.facts().levels, r.facts().apply_levels);
        const mzv_params params = toy(level, 45);
        const std::vector<double> x = uniform(slots_of(params), spec.lo, spec.hi, 8);
        expect_predicted(job_of(r, x, params));
        expect_predicted(apply_job_of(r, x, uniform(x.size(), -1, 1, 9), level, params));
    }
}

/* Chains shorter than the circuit: each part asks for a refresh, from a level where that is possible. */
TEST(InverseRoot, RunsOnRefreshes) {
    const struct {
        uint32_t spec, in_level;
    } cases[] = {
        { 4, 0 }, { 5, 0 }, { 8, 0 }, { 10, 0 }, { 5, 2 }, { 8, 1 }, { 8, 3 }, { 10, 2 }, { 10, 3 }
    };
    for (const auto &c : cases) {
        const mzv_inverse_root_spec &spec = specs[c.spec];
        mzv_inverse_root_spec small = spec;
        small.gain = std::sqrt(spec.lo) / 5; /* values on the way below 1 */
        const Root r(small);
        uint32_t chain = 6 + c.in_level; /* Goldschmidt's part needs 5, t one more */
        while ((1u << (chain - c.in_level - 1)) <= r.facts().degree) chain++;
        ASSERT_LT(chain, r.facts().levels) << c.spec << " " << c.in_level;
        ClearRefresher refresher(c.in_level, chain);
        Machine m;
        const mzv_params params = toy(chain);
        m.clear(params, 0, size_t(64) << 20);
        m.ev->refresh = &refresher.refresh;
        const std::vector<double> x = spread(slots_of(params), spec.lo, spec.hi);
        std::vector<double> t;
        for (double v : x) t.push_back(r.t(v));
        const mzv_cipher *in = m.put(Slots(t.begin(), t.end()), std::max(1u, c.in_level));
        mzv_cipher *out = m.empty(chain);
        ASSERT_EQ(mzv_inverse_root_run(m.ev, out, in, r.root), MZV_OK) << mzv_last_error();
        EXPECT_EQ(mzv_ev_mark(m.ev), 0u);
        EXPECT_GE(refresher.n_runs, 2u);
        EXPECT_LE(refresher.largest, 1 + 1e-9);
        Slots y = m.get(out);
        for (size_t i = 0; i < x.size(); i++)
            ASSERT_NEAR(y[i].real(), (double)r.value(x[i]), (double)r.value(x[i]) * rounding(spec)) << x[i];
        const std::vector<double> n = uniform(x.size(), -1, 1, 6);
        const mzv_cipher *factor = m.put(Slots(n.begin(), n.end()), 3);
        ASSERT_EQ(mzv_inverse_root_apply(m.ev, out, factor, in, r.root), MZV_OK) << mzv_last_error();
        y = m.get(out);
        for (size_t i = 0; i < x.size(); i++)
            ASSERT_NEAR(y[i].real(), n[i] * (double)r.value(x[i]), (double)r.value(x[i]) * rounding(spec));
    }
}

TEST(InverseRoot, RejectsWhatItCannotDo) {
    mzv_inverse_root *r = nullptr;
    const struct {
        mzv_inverse_root_spec spec;
        mzv_status status;
        const char *says;
    } cases[] = {
        { { 0, 1, 1e-3, 1, any, false, best }, MZV_ERR_ARGUMENT, "interval [0, 1]" },
        { { 2, 1, 1e-3, 1, any, false, best }, MZV_ERR_ARGUMENT, "interval" },
        { { 1, 0x1p21, 1e-3, 1, any, false, best }, MZV_ERR_ARGUMENT, "2^20 lo" },
        { { 1, NAN, 1e-3, 1, any, false, best }, MZV_ERR_ARGUMENT, "interval" },
        { { 1, 2, 1, 1, any, false, best }, MZV_ERR_ARGUMENT, "target 1" },
        { { 1, 2, 1e-13, 1, any, false, best }, MZV_ERR_PRECISION, "target" },
        { { 1, 2, 1e-3, 0, any, false, best }, MZV_ERR_ARGUMENT, "gain 0" },
        { { 1, 2, 1e-3, 1, 21, false, best }, MZV_ERR_ARGUMENT, "21 steps, at most 20" },
        { { 1, 2, 1e-3, 1, any, false, (mzv_inverse_root_recipe)2 }, MZV_ERR_ARGUMENT, "recipe 2" },
        { { 1, 1024, 1e-3, 1, 2, false, nexus }, MZV_ERR_PRECISION, "allow more steps" },
    };
    for (const auto &c : cases) {
        EXPECT_EQ(mzv_inverse_root_create(&r, &c.spec), c.status) << c.says;
        EXPECT_NE(std::string(mzv_last_error()).find(c.says), std::string::npos) << mzv_last_error();
    }
    EXPECT_EQ(r, nullptr);
    mzv_inverse_root_destroy(r);
    const Root good(specs[4]);
    Machine m;
    m.clear(toy(3), 0, 0);
    mzv_cipher *t = m.put(Slots(slots_of(toy(3))), 3);
    EXPECT_EQ(mzv_inverse_root_run(m.ev, t, t, good.root), MZV_ERR_LEVEL);
    EXPECT_EQ(mzv_inverse_root_apply(m.ev, t, t, t, good.root), MZV_ERR_LEVEL);
    EXPECT_EQ(mzv_cipher_level(t), 3u);
    const Root merged(specs[6]);
    Machine deep;
    deep.clear(toy(20), 0, 0);
    mzv_cipher *high = deep.put(Slots(slots_of(toy(20))), 20), *low = deep.put(Slots(slots_of(toy(20))), 2);
    EXPECT_EQ(mzv_inverse_root_apply(deep.ev, low, low, high, merged.root), MZV_ERR_LEVEL);
    EXPECT_NE(std::string(mzv_last_error()).find("n: level 2, need 3"), std::string::npos)
        << mzv_last_error();
}

TEST(InverseRoot, PlansSurviveEveryFailedAllocation) {
    fail_allocations([] {
        const mzv_inverse_root_spec spec = { 1, 9, 1e-2, 1, any, false, best };
        mzv_inverse_root *r = nullptr;
        const mzv_status status = mzv_inverse_root_create(&r, &spec);
        EXPECT_EQ(r == nullptr, status != MZV_OK);
        mzv_inverse_root_destroy(r);
        return status;
    });
}

/* 128 bits, N = 2^15, hi / lo = 2^12. */
TEST(SlowInverseRoot, At128Bits) {
    mzv_params params;
    ASSERT_EQ(mzv_params_named(&params, "n15-leveled"), MZV_OK);
    const Root r(specs[4]);
    ASSERT_GE(params.n_levels, r.facts().apply_levels);
    const std::vector<double> x = uniform(slots_of(params), specs[4].lo, specs[4].hi, 8);
    expect_predicted(apply_job_of(r, x, uniform(x.size(), -1, 1, 9), params.n_levels, params));
}

/* NEXUS's steps fill the chain: hi / lo = 2^8. */
TEST(SlowInverseRoot, NexusAt128Bits) {
    mzv_params params;
    ASSERT_EQ(mzv_params_named(&params, "n15-leveled"), MZV_OK);
    const Root r(specs[8]);
    ASSERT_GE(params.n_levels, r.facts().apply_levels);
    const std::vector<double> x = uniform(slots_of(params), specs[8].lo, specs[8].hi, 8);
    expect_predicted(apply_job_of(r, x, uniform(x.size(), -1, 1, 9), params.n_levels, params));
}

/* What "1/x, hi / lo up to 2^12" needs of circuit/inverse.h: the least S on the interval, encrypted. */
TEST(InverseRoot, InverseCovers2To12) {
    const mzv_inverse_spec spec = { 0x1p-6, 64, 1e-4, 0x1p-6, false };
    mzv_inverse *inverse = nullptr;
    ASSERT_EQ(mzv_inverse_create(&inverse, &spec), MZV_OK) << mzv_last_error();
    EXPECT_EQ(mzv_inverse_levels(inverse), 9u);
    const mzv_affine u = mzv_inverse_affine(inverse);
    const mzv_params params = toy(9, 45);
    Job job;
    job.params = params;
    const std::vector<double> s = spread(slots_of(params), spec.lo, spec.hi);
    std::vector<double> in;
    for (double v : s) in.push_back(u.scale * v + u.shift);
    job.add_input(in, 9);
    job.run = [&](mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *c) {
        return mzv_inverse_run(ev, out, c[0], inverse);
    };
    job.request = [&](mzv_key_request *k) { return mzv_inverse_request(inverse, k, 9, false); };
    expect_predicted(job);
    const Slots y = run_clear(job);
    for (size_t i = 0; i < s.size(); i++) ASSERT_NEAR(y[i].real() * s[i] / spec.gain, 1, 1.001e-4);
    mzv_inverse_destroy(inverse);
}

std::string section() {
    std::string text =
        "`mzv_inverse_root_run`; \"N y\" is `mzv_inverse_root_apply`, the product with another ciphertext "
        "included. \"run\" and\n"
        "\"N y\" are planned for the fewest levels of each, then the fewest key switches. The error is the "
        "largest\n"
        "|sqrt(x) y / gain - 1| on [lo, hi]. Below lo the result stays positive and under y(0), given in "
        "units "
        "of gain /\n"
        "sqrt(lo). NEXUS: a line, Newton's steps, two of Goldschmidt's.\n\n"
        "| hi / lo | target | recipe | planned for | degree | steps | levels | key switches | max error | "
        "y(0) "
        "sqrt(lo) / gain |\n"
        "|---|---|---|---|---|---|---|---|---|---|\n";
    for (const double ratio : { 0x1p4, 0x1p8, 0x1p12, 0x1p16 })
        for (const double target : { 1e-3, 1e-5 }) {
            if (ratio > 0x1p12 && target < 1e-3) continue; /* plans of a second or more */
            for (const auto recipe : { best, nexus })
                for (const bool apply : { false, true }) {
                    if (recipe == nexus && !apply) continue;
                    const Root r({ 1, ratio, target, 1, any, apply, recipe });
                    const mzv_inverse_root_facts &f = r.facts();
                    text += functions_table::print(
                        "| 2^%g | %.0e | %s | %s | %u | %u | %u | %u | %.2e | %.2f |\n", std::log2(ratio),
                        target, recipe == best ? "cubic" : "NEXUS", apply ? "N y" : "run", f.degree,
                        f.steps + f.goldschmidt, apply ? f.apply_levels : f.levels,
                        apply ? f.apply_n_key_switch : f.n_key_switch, f.error, f.below);
                }
        }
    return text;
}

const functions_table::Entry entry(520, "x^-1/2", section);

} // namespace
