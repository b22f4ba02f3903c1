/* GELU by NEXUS's recipe: the whole interval against mpmath and long double, circuits on every kind,
 * refreshed runs; its section of the page. */
#include "circuit/nexus_gelu.h"

#include <fstream>

#include "circuit/activation.h"
#include "circuit/deep_helpers.h"
#include "circuit/functions_table.h"

using namespace circuit_test;

namespace {

struct Gelu {
    mzv_nexus_gelu_spec spec;
    mzv_nexus_gelu *g = nullptr;
    explicit Gelu(const mzv_nexus_gelu_spec &s) : spec(s) {
        EXPECT_EQ(mzv_nexus_gelu_create(&g, &s), MZV_OK) << mzv_last_error();
    }
    ~Gelu() { mzv_nexus_gelu_destroy(g); }
    const mzv_nexus_gelu_facts &facts() const { return *mzv_nexus_gelu_about(g); }
    double v(double x) const { return mzv_nexus_gelu_affine(g).scale * x; }
    double at(double x) const { return (double)mzv_nexus_gelu_value(g, x); }
};

const double quiet = 0x1p-24;
const mzv_nexus_gelu_spec specs[] = {
    { 60, 1e-3, 0, MZV_SIGN_NEXUS },  { 60, 1e-3, quiet, MZV_SIGN_MINIMAX }, { 8, 1e-2, 0, MZV_SIGN_NEXUS },
    { 8, 1e-4, 0, MZV_SIGN_MINIMAX }, { 250, 1e-4, 0, MZV_SIGN_NEXUS },
};

double gelu(double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); }

TEST(NexusGelu, HoldsOnTheWholeInterval) {
    for (const mzv_nexus_gelu_spec &spec : specs) {
        const Gelu g(spec);
        EXPECT_LE(g.facts().error, spec.target);
        double found = 0;
        for (double x : grid(60013, -spec.bound, spec.bound))
            found = std::fmax(found, std::fabs(g.at(x) - gelu(x)));
        for (double x : grid(60013, -6, 6)) found = std::fmax(found, std::fabs(g.at(x) - gelu(x)));
        EXPECT_LE(found, g.facts().error * 1.01) << spec.bound;
        EXPECT_GE(found, g.facts().error * 0.9) << spec.bound;
    }
}

TEST(NexusGelu, MeetsKnownAnswers) {
    std::ifstream in(MZV_SOURCE_DIR "/tests/vectors/circuit_activation.txt");
    const Gelu g(specs[0]);
    std::string name;
    double a, b, x, y;
    size_t n, seen = 0;
    while (in >> name >> a >> b >> n)
        for (size_t i = 0; i < n; i++) {
            in >> x >> y;
            if (name != "gelu" || std::fabs(x) > 60) continue;
            EXPECT_NEAR(g.at(x), y, g.facts().error * 1.01) << x;
            seen++;
        }
    EXPECT_GE(seen, 100u);
}

/* What the published pieces cannot do: the best of degree 6 misses; past 5.05 nothing explodes here. */
TEST(NexusGelu, TakesTheDegreesThatTheTargetNeeds) {
    const Gelu g(specs[0]);
    EXPECT_GT(g.facts().degree_q, 6u);
    EXPECT_GE(g.facts().degree_p, 3u);
    EXPECT_GT(g.facts().clamp, 3.5);
    for (double x : { 5.0, 5.05, 5.1, 6.0, 12.0, 59.99 }) {
        EXPECT_NEAR(g.at(x), x, 1e-3);
        EXPECT_NEAR(g.at(-x), 0, 1e-3);
    }
}

Job job_of(const Gelu &g, const std::vector<double> &x, const mzv_params &params) {
    Job job;
    const uint32_t level = params.n_levels;
    job.params = params;
    std::vector<double> v;
    for (double y : x) v.push_back(g.v(y));
    job.add_input(v, level);
    job.run = [&g](mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *in) {
        return mzv_nexus_gelu_run(ev, out, in[0], g.g);
    };
    job.request = [&g, level](mzv_key_request *r) { return mzv_nexus_gelu_request(g.g, r, level); };
    return job;
}

TEST(NexusGelu, CircuitHasTheLevelsAndCountsItSays) {
    for (const mzv_nexus_gelu_spec &spec : specs) {
        const Gelu g(spec);
        const mzv_circuit_cost cost = measure(job_of(g, { 0 }, toy(g.facts().levels)));
        EXPECT_EQ(cost.levels, g.facts().levels);
        EXPECT_EQ(cost.levels, mzv_nexus_gelu_levels(g.g));
        EXPECT_EQ(cost.counts.n_key_switch, g.facts().n_key_switch);
    }
}

/* Signs have slopes up to 2^12 near their points; roundings of values of the size of the bound grow by that.
 */
TEST(NexusGelu, ClearIsThePlan) {
    for (const mzv_nexus_gelu_spec &spec : specs) {
        const Gelu g(spec);
        const mzv_params params = toy(g.facts().levels);
        const std::vector<double> x = grid(slots_of(params), -spec.bound, spec.bound);
        const Slots y = run_clear(job_of(g, x, params));
        for (size_t i = 0; i < x.size(); i++)
            ASSERT_NEAR(y[i].real(), g.at(x[i]), spec.bound * 0x1p-53 * 4096 * 16) << x[i];
    }
}

/* Encrypted values are within the target and ten times the noise that each of them is predicted. */
TEST(NexusGelu, EncryptedIsWithinTheTarget) {
    for (const mzv_nexus_gelu_spec &spec : { specs[1], specs[2] }) {
        const Gelu g(spec);
        const mzv_params params = toy(g.facts().levels, 45);
        const std::vector<double> x = uniform(slots_of(params), -spec.bound, spec.bound, 8);
        const Job job = job_of(g, x, params);
        const Slots y = run_ckks(job), exact = run_clear(job), noisy = run_clear(job, 5);
        const double predicted = rms(noisy, exact);
        EXPECT_LE(rms(y, exact), 4 * predicted);
        for (size_t i = 0; i < x.size(); i++)
            ASSERT_NEAR(y[i].real(), gelu(x[i]), spec.target + 40 * predicted) << x[i];
    }
}

TEST(NexusGelu, RunsOnRefreshes) {
    const struct { uint32_t in_level, start; } cases[] = { { 0, 1 }, { 0, 9 }, { 3, 3 }, { 3, 9 } };
    for (const mzv_nexus_gelu_spec &spec : { specs[0], specs[1] }) {
        const Gelu g(spec);
        for (const auto &[in_level, start] : cases) {
            ClearRefresher refresher(in_level, 9);
            Machine m;
            const mzv_params params = toy(9);
            m.clear(params, 0, size_t(64) << 20);
            m.ev->refresh = &refresher.refresh;
            const std::vector<double> x = grid(slots_of(params), -60, 60);
            std::vector<double> v;
            for (double y : x) v.push_back(g.v(y));
            mzv_cipher *c = m.put(Slots(v.begin(), v.end()), start), *out = m.empty(9);
            ASSERT_EQ(mzv_nexus_gelu_run(m.ev, out, c, g.g), MZV_OK) << mzv_last_error();
            EXPECT_EQ(mzv_ev_mark(m.ev), 0u);
            EXPECT_GE(refresher.n_runs, 4u);
            EXPECT_LE(refresher.largest, 1.001); /* a sign's error above 1 */
            const Slots y = m.get(out);
            for (size_t i = 0; i < x.size(); i++) ASSERT_NEAR(y[i].real(), gelu(x[i]), 1.01e-3) << x[i];
        }
    }
    const Gelu g(specs[0]);
    ClearRefresher low(0, 4);
    Machine m;
    m.clear(toy(4), 0, size_t(64) << 20);
    m.ev->refresh = &low.refresh;
    mzv_cipher *c = m.put(Slots(slots_of(toy(4))), 4);
    EXPECT_EQ(mzv_nexus_gelu_run(m.ev, c, c, g.g), MZV_ERR_LEVEL);
}

TEST(NexusGelu, RejectsWhatItCannotDo) {
    mzv_nexus_gelu *g = nullptr;
    const struct {
        mzv_nexus_gelu_spec spec;
        mzv_status status;
        const char *says;
    } cases[] = {
        { { 4, 1e-3, 0, MZV_SIGN_NEXUS }, MZV_ERR_ARGUMENT, "bound 4" },
        { { NAN, 1e-3, 0, MZV_SIGN_NEXUS }, MZV_ERR_ARGUMENT, "bound" },
        { { 60, 0.5, 0, MZV_SIGN_NEXUS }, MZV_ERR_ARGUMENT, "target 0.5" },
        { { 60, 1e-9, 0, MZV_SIGN_NEXUS }, MZV_ERR_ARGUMENT, "target 1e-09" },
        { { 60, 1e-3, 1, MZV_SIGN_MINIMAX }, MZV_ERR_ARGUMENT, "noise" },
        { { 8, 1e-6, 0, MZV_SIGN_MINIMAX }, MZV_ERR_PRECISION, "raise the target" },
    };
    for (const auto &c : cases) {
        EXPECT_EQ(mzv_nexus_gelu_create(&g, &c.spec), c.status) << c.says;
        EXPECT_NE(std::string(mzv_last_error()).find(c.says), std::string::npos) << mzv_last_error();
    }
    EXPECT_EQ(g, nullptr);
    mzv_nexus_gelu_destroy(g);
    const Gelu good(specs[0]);
    Machine m;
    m.clear(toy(5), 0, 0);
    mzv_cipher *v = m.put(Slots(slots_of(toy(5))), 5);
    EXPECT_EQ(mzv_nexus_gelu_run(m.ev, v, v, good.g), MZV_ERR_LEVEL);
    EXPECT_EQ(mzv_cipher_level(v), 5u);
    mzv_key_request *request = nullptr;
    ASSERT_EQ(mzv_key_request_create(&request), MZV_OK);
    EXPECT_EQ(mzv_nexus_gelu_request(good.g, request, 2), MZV_ERR_LEVEL);
    mzv_key_request_destroy(request);
}

TEST(NexusGelu, PlansSurviveEveryFailedAllocation) {
    fail_allocations([] {
        const mzv_nexus_gelu_spec spec = { 8, 0.1, 0, MZV_SIGN_NEXUS };
        mzv_nexus_gelu *g = nullptr;
        const mzv_status status = mzv_nexus_gelu_create(&g, &spec);
        EXPECT_EQ(g == nullptr, status != MZV_OK);
        mzv_nexus_gelu_destroy(g);
        return status;
    });
}

/* 128 bits, N = 2^16: the whole recipe in one chain. */
TEST(SlowNexusGelu, At128Bits) {
    mzv_params params;
    ASSERT_EQ(mzv_params_named(&params, "n16-leveled"), MZV_OK);
    const Gelu g(specs[0]);
    ASSERT_GE(params.n_levels, g.facts().levels);
    const std::vector<double> x = uniform(slots_of(params), -60, 60, 8);
    const Slots y = run_ckks(job_of(g, x, params));
    for (size_t i = 0; i < x.size(); i++) ASSERT_NEAR(y[i].real(), gelu(x[i]), 1e-3) << x[i];
}

std::string section() {
    std::string text = "`mzv_nexus_gelu_run`: four pieces selected by three signs, with the argument clamped "
                       "before them; right "
                       "on the whole\n"
                       "interval. \"by\": the signs. Degrees of the two polynomials are the least that the "
                       "target asks for. The "
                       "last rows are\n"
                       "`mzv_activation_run` for the same task.\n\n"
                       "| by | interval | target | degrees | levels | key switches | max error |\n"
                       "|---|---|---|---|---|---|---|\n";
    for (const double target : { 1e-2, 1e-3, 1e-4 })
        for (const auto sign : { MZV_SIGN_NEXUS, MZV_SIGN_MINIMAX }) {
            const Gelu g({ 60, target, 0, sign });
            text += functions_table::print("| %s sign | [-60, 60] | %.0e | %u, %u | %u | %u | %.2e |\n",
                                           sign == MZV_SIGN_NEXUS ? "NEXUS" : "minimax", target,
                                           g.facts().degree_p, g.facts().degree_q, g.facts().levels,
                                           g.facts().n_key_switch, g.facts().error);
        }
    for (const double target : { 1e-2, 1e-3, 1e-4 }) {
        const mzv_activation_spec spec = { MZV_GELU, -60, 60, target, 1, 0 };
        mzv_activation *a = nullptr;
        EXPECT_EQ(mzv_activation_create(&a, &spec), MZV_OK) << mzv_last_error();
        const mzv_activation_facts *f = mzv_activation_about(a);
        text += functions_table::print("| one polynomial | [-60, 60] | %.0e | %u | %u | %u | %.2e |\n",
                                       target, f->degree, f->levels, f->n_key_switch, f->error);
        mzv_activation_destroy(a);
    }
    return text;
}

const functions_table::Entry entry(510, "GELU as in NEXUS", section);

} // namespace
