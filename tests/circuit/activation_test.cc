/* GELU, tanh, sigmoid, SiLU: plans against mpmath, circuits on count, clear and ckks; their section of the
 * page. */
#include "circuit/activation.h"

#include <fstream>
#include <map>

#include "circuit/deep_helpers.h"
#include "circuit/functions_table.h"

using namespace circuit_test;

namespace {

struct Activation {
    mzv_activation_spec spec;
    mzv_activation *f = nullptr;
    explicit Activation(const mzv_activation_spec &s) : spec(s) {
        EXPECT_EQ(mzv_activation_create(&f, &s), MZV_OK) << mzv_last_error();
    }
    ~Activation() { mzv_activation_destroy(f); }
    const mzv_activation_facts &facts() const { return *mzv_activation_about(f); }
    double u(double x) const { return mzv_activation_affine(f).scale * x + mzv_activation_affine(f).shift; }
    /* what the circuit gives at x, gain taken out */
    double at(double x) const { return (double)(mzv_activation_value(f, x) / spec.gain); }
};

const uint32_t any = MZV_ACTIVATION_AUTO;

struct Vector {
    double x, y;
};

/* Known answers on [a, b], by mpmath. */
std::vector<Vector> known(const std::string &function, double a, double b) {
    std::ifstream in(MZV_SOURCE_DIR "/tests/vectors/circuit_activation.txt");
    std::string name;
    double from, to;
    size_t n;
    while (in >> name >> from >> to >> n) {
        std::vector<Vector> all(n);
        for (Vector &v : all) in >> v.x >> v.y;
        if (name == function && from == a && to == b) return all;
    }
    ADD_FAILURE() << "no vectors of " << function << " on " << a << " " << b;
    return {};
}

const std::map<mzv_activation_function, const char *> names = { { MZV_GELU, "gelu" },
                                                                { MZV_GELU_TANH, "gelu_tanh" },
                                                                { MZV_TANH, "tanh" },
                                                                { MZV_SIGMOID, "sigmoid" },
                                                                { MZV_SILU, "silu" } };

/* Intervals narrow, lopsided, wide, and wider than degree 1023 reaches; both gains; extensions asked for. */
std::vector<mzv_activation_spec> all_specs() {
    std::vector<mzv_activation_spec> specs;
    for (const auto &name : names) {
        specs.push_back({ name.first, -8, 8, 1e-4, 1, any });
        specs.push_back({ name.first, -3, 11, 1e-5, 0.25, any });
        specs.push_back({ name.first, -60, 60, 1e-3, -1, any });
        /* with one extension SiLU is 60 exp(-9.8) off: the fold-back of 60 is 9.8 */
        specs.push_back({ name.first, -60, 60, name.first == MZV_SILU ? 4e-3 : 1e-3, 1, 1 });
        if (name.first == MZV_GELU || name.first == MZV_SIGMOID) /* plans of this width take a second */
            specs.push_back({ name.first, -1000, 1000, 2e-3, 1, any });
    }
    return specs;
}

/* Created once: wide intervals take a second to plan. */
const std::vector<std::unique_ptr<Activation>> &all() {
    static const std::vector<std::unique_ptr<Activation>> made = [] {
        std::vector<std::unique_ptr<Activation>> list;
        for (const mzv_activation_spec &s : all_specs()) list.push_back(std::make_unique<Activation>(s));
        return list;
    }();
    return made;
}

std::string title(const Activation &a) {
    return std::string(names.at(a.spec.function)) + " on " + std::to_string(a.spec.a) + ", " +
           std::to_string(a.spec.b);
}

TEST(Activation, MeetsItsTargetAtKnownAnswers) {
    for (const auto &a : all()) {
        EXPECT_LE(a->facts().error, a->spec.target) << title(*a);
        EXPECT_LE(a->facts().a, a->spec.a);
        EXPECT_GE(a->facts().b, a->spec.b);
        uint32_t n = 0;
        for (const Vector &v : known(names.at(a->spec.function), a->spec.a, a->spec.b)) {
            if (v.x < a->spec.a || v.x > a->spec.b) continue;
            ASSERT_NEAR(a->at(v.x), v.y, a->facts().error * 1.01 + 1e-15) << title(*a) << " at " << v.x;
            n++;
        }
        EXPECT_GE(n, 33u);
    }
}

/* Long double references on a grid that is not the planner's: the error is as reported. */
TEST(Activation, ErrorIsAsReported) {
    for (const auto &a : all()) {
        const auto f = [&a](long double x) -> long double {
            const long double c = std::sqrt(2 / std::acos(-1.0L));
            switch (a->spec.function) {
            case MZV_GELU:
                return x * std::erfc(-x / std::sqrt(2.0L)) / 2;
            case MZV_GELU_TANH:
                return x * (1 + std::tanh(c * (x + 0.044715L * x * x * x))) / 2;
            case MZV_TANH:
                return std::tanh(x);
            case MZV_SIGMOID:
                return 1 / (1 + std::exp(-x));
            default:
                return x / (1 + std::exp(-x));
            }
        };
        double found = 0;
        for (double x : grid(30011, a->facts().a, a->facts().b))
            found = std::fmax(found, std::fabs(a->at(x) - (double)f(x)));
        EXPECT_LE(found, a->facts().error * 1.01) << title(*a);
        EXPECT_GE(found, a->facts().error * 0.8) << title(*a);
    }
}

/* x/2 is all of the odd part, so odd powers cost nothing: fewer key switches than the plain interpolant. */
TEST(Activation, SymmetrySavesKeySwitches) {
    const Activation even({ MZV_GELU, -8, 8, 1e-4, 1, any }), odd({ MZV_TANH, -8, 8, 1e-4, 1, any });
    for (const double x : { 0.3, 1.7, 5.0, 8.0 }) {
        EXPECT_NEAR(even.at(x) - even.at(-x), x, 1e-14);
        EXPECT_NEAR(odd.at(x) + odd.at(-x), 0, 1e-15);
    }
    const Activation lopsided({ MZV_GELU, -8, 7.5, 1e-4, 1, any });
    EXPECT_EQ(lopsided.facts().a, -8); /* widened: as many levels, fewer key switches */
    EXPECT_EQ(lopsided.facts().b, 8);
    EXPECT_EQ(lopsided.facts().n_key_switch, even.facts().n_key_switch);
    const Activation skew({ MZV_GELU, -1, 30, 1e-4, 1, any }); /* not worth a level */
    EXPECT_EQ(skew.facts().a, -1);
    EXPECT_LT(skew.facts().levels, Activation({ MZV_GELU, -30, 30, 1e-4, 1, any }).facts().levels);
}

TEST(Activation, AutoHasFewestLevels) {
    for (const mzv_activation_function f : { MZV_GELU, MZV_TANH }) {
        const Activation best({ f, -60, 60, 1e-3, 1, any });
        uint32_t n_plans = 0;
        for (uint32_t n = 0; n <= 4; n++) {
            const mzv_activation_spec spec = { f, -60, 60, 1e-3, 1, n };
            mzv_activation *given = nullptr;
            if (mzv_activation_create(&given, &spec) != MZV_OK) continue; /* stretched too far */
            const mzv_activation_facts &facts = *mzv_activation_about(given);
            EXPECT_EQ(facts.extensions, n);
            EXPECT_TRUE(
                best.facts().levels < facts.levels ||
                (best.facts().levels == facts.levels && best.facts().n_key_switch <= facts.n_key_switch));
            mzv_activation_destroy(given);
            n_plans++;
        }
        EXPECT_GE(n_plans, 2u);
    }
}

/* A target just under the error of a plan takes a higher degree. */
TEST(Activation, DegreeIsTheLeast) {
    for (const mzv_activation_function f : { MZV_GELU, MZV_SIGMOID }) {
        const Activation plan({ f, -12, 12, 1e-5, 1, 0 });
        const Activation next({ f, -12, 12, plan.facts().error * 0.999, 1, 0 });
        EXPECT_GT(next.facts().degree, plan.facts().degree);
    }
}

Job job_of(const Activation &a, const std::vector<double> &x, const mzv_params &params) {
    Job job;
    const uint32_t level = params.n_levels;
    job.params = params;
    std::vector<double> u;
    for (double v : x) u.push_back(a.u(v));
    job.add_input(u, level);
    job.run = [&a](mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *in) {
        return mzv_activation_run(ev, out, in[0], a.f);
    };
    job.request = [&a, level](mzv_key_request *r) { return mzv_activation_request(a.f, r, level); };
    return job;
}

TEST(Activation, CircuitHasTheLevelsAndCountsItSays) {
    for (const auto &a : all()) {
        const mzv_circuit_cost cost = measure(job_of(*a, { 0 }, toy(a->facts().levels)));
        EXPECT_EQ(cost.levels, a->facts().levels) << title(*a);
        EXPECT_EQ(cost.levels, mzv_activation_levels(a->f));
        EXPECT_EQ(cost.counts.n_key_switch, a->facts().n_key_switch) << title(*a);
    }
}

/* Doubles: rounding of T_m grows with m^2; extensions stretch theirs by 2.4 each; a value of the size of b.
 */
TEST(Activation, ClearIsThePlan) {
    for (const auto &a : all()) {
        const mzv_params params = toy(a->facts().levels);
        const std::vector<double> x = grid(slots_of(params), a->spec.a, a->spec.b);
        const Slots y = run_clear(job_of(*a, x, params));
        const double d = a->facts().degree + 1, stretch = std::pow(2.4, a->facts().extensions);
        const double rounding = 8 * d * d * stretch * 0x1p-53 * a->facts().b * std::fabs(a->spec.gain);
        for (size_t i = 0; i < x.size(); i++)
            ASSERT_NEAR(y[i].real(), (double)mzv_activation_value(a->f, x[i]), rounding)
                << title(*a) << " " << x[i];
    }
}

TEST(Activation, TakesXWithOneLevelMore) {
    const Activation a({ MZV_SILU, -6, 7, 1e-3, 1, any });
    Machine m;
    const mzv_params params = toy(a.facts().levels + 1);
    m.clear(params, 0, 0);
    const std::vector<double> x = grid(slots_of(params), -6, 7);
    mzv_cipher *c = m.put(Slots(x.begin(), x.end()), params.n_levels);
    ASSERT_EQ(mzv_affine_run(m.ev, c, c, mzv_activation_affine(a.f)), MZV_OK);
    ASSERT_EQ(mzv_activation_run(m.ev, c, c, a.f), MZV_OK);
    EXPECT_EQ(mzv_cipher_level(c), 0u);
    const Slots y = m.get(c);
    for (size_t i = 0; i < x.size(); i++)
        ASSERT_NEAR(y[i].real(), x[i] / (1 + std::exp(-x[i])), a.spec.target * 1.01);
}

TEST(Activation, EncryptedNoiseIsPredicted) {
    for (const mzv_activation_spec &s : { mzv_activation_spec { MZV_GELU, -8, 8, 1e-4, 1, any },
                                          { MZV_TANH, -5, 9, 1e-3, 1, any },
                                          { MZV_SIGMOID, -200, 200, 1e-3, 1, 2 },
                                          { MZV_GELU_TANH, -60, 60, 1e-3, 0.1, 1 } }) {
        const Activation a(s);
        const mzv_params params = toy(a.facts().levels);
        expect_predicted(job_of(a, uniform(slots_of(params), s.a, s.b, 8), params));
    }
}

TEST(Activation, RejectsWhatItCannotDo) {
    mzv_activation *f = nullptr;
    const struct {
        mzv_activation_spec spec;
        mzv_status status;
        const char *says;
    } cases[] = {
        { { MZV_GELU, 1, 1, 1e-3, 1, any }, MZV_ERR_ARGUMENT, "interval [1, 1]" },
        { { MZV_GELU, -NAN, 1, 1e-3, 1, any }, MZV_ERR_ARGUMENT, "interval" },
        { { MZV_GELU, -1, 2e6, 1e-3, 1, any }, MZV_ERR_ARGUMENT, "within" },
        { { MZV_GELU, -1, 1, 0, 1, any }, MZV_ERR_ARGUMENT, "target 0" },
        { { MZV_GELU, -1, 1, INFINITY, 1, any }, MZV_ERR_ARGUMENT, "target" },
        { { MZV_GELU, -1, 1, 1e-3, 0, any }, MZV_ERR_ARGUMENT, "gain 0" },
        { { MZV_GELU, -1, 1, 1e-3, 1, 9 }, MZV_ERR_ARGUMENT, "9 extensions, at most 8" },
        { { (mzv_activation_function)5, -1, 1, 1e-3, 1, any }, MZV_ERR_ARGUMENT, "function 5" },
        { { MZV_TANH, -1000, 1000, 1e-3, 1, 0 }, MZV_ERR_PRECISION, "raise the target" },
        { { MZV_SIGMOID, -8, 8, 1e-19, 1, 0 }, MZV_ERR_PRECISION, "at best" },
    };
    for (const auto &c : cases) {
        EXPECT_EQ(mzv_activation_create(&f, &c.spec), c.status) << c.says;
        EXPECT_NE(std::string(mzv_last_error()).find(c.says), std::string::npos) << mzv_last_error();
    }
    EXPECT_EQ(f, nullptr);
    mzv_activation_destroy(f);
    const Activation good({ MZV_GELU, -8, 8, 1e-4, 1, any });
    Machine m;
    m.clear(toy(2), 0, 0);
    mzv_cipher *t = m.put(Slots(slots_of(toy(2))), 2);
    EXPECT_EQ(mzv_activation_run(m.ev, t, t, good.f), MZV_ERR_LEVEL);
    EXPECT_EQ(mzv_cipher_level(t), 2u);
    mzv_key_request *request = nullptr;
    ASSERT_EQ(mzv_key_request_create(&request), MZV_OK);
    EXPECT_EQ(mzv_activation_request(good.f, request, 2), MZV_ERR_LEVEL);
    mzv_key_request_destroy(request);
}

TEST(Activation, PlansSurviveEveryFailedAllocation) {
    fail_allocations([] {
        const mzv_activation_spec spec = { MZV_GELU, -3, 2, 1e-2, 1, any };
        mzv_activation *f = nullptr;
        const mzv_status status = mzv_activation_create(&f, &spec);
        EXPECT_EQ(f == nullptr, status != MZV_OK);
        mzv_activation_destroy(f);
        return status;
    });
}

/* 128 bits, N = 2^15: GELU to the edge of what calibration finds in BERT. */
TEST(SlowActivation, At128Bits) {
    mzv_params params;
    ASSERT_EQ(mzv_params_named(&params, "n15-leveled"), MZV_OK);
    const Activation a({ MZV_GELU, -60, 60, 1e-3, 1, any });
    ASSERT_GE(params.n_levels, a.facts().levels);
    expect_predicted(job_of(a, uniform(slots_of(params), -60, 60, 8), params));
}

TEST(SlowActivation, EveryFunctionAt128Bits) {
    for (const mzv_activation_function f : { MZV_GELU_TANH, MZV_TANH, MZV_SIGMOID, MZV_SILU }) {
        mzv_params params;
        ASSERT_EQ(mzv_params_named(&params, "n15-leveled"), MZV_OK);
        const Activation a({ f, -12, 12, 1e-4, 1, any });
        params.n_levels = a.facts().levels; /* a prefix of the chain: still 128 bits */
        expect_predicted(job_of(a, uniform(slots_of(params), -12, 12, 8), params));
    }
}

std::string section() {
    std::string text =
        "`mzv_activation_run`. The polynomial takes the function's symmetry; intervals too wide for degree "
        "1023 "
        "get domain\n"
        "extensions (two levels and two key switches each, and for GELU and SiLU one of each for the product "
        "with x). Errors\n"
        "are absolute, on the whole interval. \"auto\" takes the fewest levels, then the fewest key "
        "switches.\n\n"
        "| function | interval | target | extensions | degree | levels | key switches | products | max error "
        "|\n"
        "|---|---|---|---|---|---|---|---|---|\n";
    const char *shown[] = { "GELU", "GELU (tanh)", "tanh", "sigmoid", "SiLU" };
    std::vector<mzv_activation_spec> specs;
    for (const mzv_activation_function f : { MZV_GELU, MZV_GELU_TANH, MZV_TANH, MZV_SIGMOID, MZV_SILU }) {
        specs.push_back({ f, -8, 8, 1e-3, 1, any });
        specs.push_back({ f, -12, 12, 1e-5, 1, any });
        specs.push_back({ f, -60, 60, 1e-3, 1, any });
    }
    specs.push_back({ MZV_GELU, -60, 60, 1e-3, 1, 1 });
    specs.push_back({ MZV_TANH, -60, 60, 1e-3, 1, 0 });
    specs.push_back({ MZV_TANH, -60, 60, 1e-3, 1, 2 });
    specs.push_back({ MZV_GELU, -1000, 1000, 1e-3, 1, any });
    specs.push_back({ MZV_SIGMOID, -1000, 1000, 1e-3, 1, any });
    for (const mzv_activation_spec &s : specs) {
        const Activation a(s);
        const mzv_activation_facts &f = a.facts();
        text += functions_table::print("| %s | [%g, %g] | %.0e | %u%s | %u | %u | %u | %u | %.2e |\n",
                                       shown[s.function], s.a, s.b, s.target, f.extensions,
                                       s.extensions == any ? " (auto)" : "", f.degree, f.levels,
                                       f.n_key_switch, f.n_products, f.error);
    }
    return text;
}

const functions_table::Entry entry(500, "GELU, tanh, sigmoid, SiLU", section);

} // namespace
