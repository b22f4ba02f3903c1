/* EvalMod against sin in long double, the choice of its degree against Bessel functions of the standard
 * library, its noise against the figures in eval_mod.c. Adds its section to docs/functions.md. */
#include "circuit/eval_mod.h"

#include "circuit/boot_helpers.h"
#include "circuit/deep_helpers.h"
#include "circuit/functions_table.h"
#include "ckks/noise.h"

using namespace boot_test;

namespace {

const long double turn = 2 * 3.14159265358979323846264338327950288L;

struct EvalMod {
    mzv_eval_mod *e = nullptr;
    mzv_eval_mod_spec spec = {};

    EvalMod(uint32_t k, double reach, double target, bool corrected, uint32_t levels = 20) {
        spec.k = k;
        spec.reach = reach;
        spec.target = target;
        spec.corrected = corrected;
        spec.levels = levels;
        EXPECT_EQ(mzv_eval_mod_create(&e, &spec), MZV_OK) << mzv_last_error();
    }
    EvalMod(const EvalMod &) = delete;
    EvalMod &operator=(const EvalMod &) = delete;
    ~EvalMod() { mzv_eval_mod_destroy(e); }
    const mzv_eval_mod_facts &facts() const { return *mzv_eval_mod_about(e); }
    /* Multiple of the fraction by the definition. */
    long double ideal(long double v) const {
        const long double s = std::sin(turn * v);
        return spec.corrected ? s * (6 + s * s) : s;
    }
};

const struct Case {
    uint32_t k;
    double reach, target;
    bool corrected;
} cases[] = {
    { 16, 0.06, 1e-6, false },  { 16, 0.004, 1e-9, false }, { 16, 0.06, 1e-9, true },
    { 16, 0.02, 1e-12, true },  { 12, 0.01, 1e-8, true },   { 1, 0.2, 1e-7, true },
    { 25, 0.03, 1e-10, false },
};

std::string name_of(const Case &c) {
    return "K " + std::to_string(c.k) + ", reach " + std::to_string(c.reach) +
           (c.corrected ? ", corrected" : "");
}

TEST(EvalMod, IsTheSineAtAllIntegers) {
    for (const Case &c : cases) {
        const EvalMod e(c.k, c.reach, c.target, c.corrected);
        // Coefficients are doubles, a doubling multiplies an error by up to 4.
        const long double rounding = std::ldexp(8.0L, 2 * (int)e.facts().doublings - 53);
        const long double limit =
            (c.corrected ? 9 : 1) * (c.target + rounding); // |d (s (6 + s^2))| <= 9 |ds|
        for (int i = -(int)c.k; i <= (int)c.k; i++)
            for (int p = -100; p <= 100; p++) {
                const long double v = i + c.reach * p / 100.0L;
                ASSERT_LE(std::fabs(mzv_eval_mod_value(e.e, v) - e.ideal(v)), limit)
                    << name_of(c) << " v " << (double)v;
            }
    }
}

// The identity, but for the bend: at the ends and between the points that made the figure.
TEST(EvalMod, BendHoldsAndIsTheOneOfTheSeries) {
    for (const Case &c : cases) {
        const EvalMod e(c.k, c.reach, c.target, c.corrected);
        long double worst = 0;
        for (int i = -(int)c.k; i <= (int)c.k; i++)
            for (int p = -1000; p <= 1000; p++) {
                const long double x = c.reach * p / 1000.0L;
                worst = std::fmax(worst, std::fabs(mzv_eval_mod_value(e.e, i + x) / e.facts().slope - x));
            }
        // The outermost of 33 Chebyshev points is at cos(pi / 66) = 0.9989 of the reach.
        EXPECT_LE(worst, 1.006L * e.facts().bend) << name_of(c);
        EXPECT_GE(worst, 0.999L * e.facts().bend) << name_of(c);
        const long double r = c.reach, bend = std::fabs(e.ideal(r) / e.facts().slope - r);
        EXPECT_LE(worst, bend + 1.5L * c.target / turn) << name_of(c);
        const long double leading =
            c.corrected ? 3 * std::pow(turn, 4) * std::pow(r, 5) / 40 : turn * turn * std::pow(r, 3) / 6;
        if (c.reach <= 0.06) {
            EXPECT_NEAR((double)(bend / leading), 1, 0.1) << name_of(c);
        }
    }
}

// What is left of the cosine's series beyond degree d, for r doublings.
double tail(const EvalMod &e, uint32_t d, uint32_t r) {
    const double a = std::ldexp((double)turn * e.facts().width, -(int)r);
    double sum = 0;
    for (uint32_t k = d + 2; k <= d + 40; k += 2) sum += 2 * std::fabs(std::cyl_bessel_j((double)k, a));
    return sum;
}

uint32_t levels_of(uint32_t degree) {
    uint32_t n = 0;
    while (1u << n < degree + 1) n++;
    return n;
}

TEST(EvalMod, TakesTheFewestLevels) {
    for (const Case &c : cases) {
        const EvalMod e(c.k, c.reach, c.target, c.corrected);
        const mzv_eval_mod_facts &f = e.facts();
        const uint32_t others = c.corrected ? 2 : 0;
        EXPECT_EQ(f.levels, levels_of(f.degree) + f.doublings + others) << name_of(c);
        EXPECT_EQ(f.degree % 2, 0u);
        EXPECT_EQ(f.width, c.k + f.shift + c.reach);
        EXPECT_EQ(f.shift - std::floor(f.shift), 0.25);
        EXPECT_NEAR(f.slope, (double)turn * (c.corrected ? 6 : 1), 1e-12);
        for (uint32_t r = 0; r <= MZV_EVAL_MOD_MAX_DOUBLINGS; r++) {
            uint32_t d = 2;
            while (d < 512 &&
                   (d + 2 < turn * f.width / (1 << r) || tail(e, d, r) > std::ldexp(c.target, -2 * (int)r)))
                d += 2;
            EXPECT_GE(levels_of(d) + r + others, f.levels)
                << name_of(c) << ", " << r << " doublings, degree " << d;
            if (r == f.doublings) {
                EXPECT_EQ(d, f.degree) << name_of(c);
            }
        }
    }
}

TEST(EvalMod, TooFewLevelsAreRefused) {
    const EvalMod whole(16, 0.02, 1e-9, true);
    mzv_eval_mod_spec spec = whole.spec;
    for (spec.levels = 0; spec.levels <= whole.facts().levels; spec.levels++) {
        mzv_eval_mod *e = nullptr;
        const mzv_status expected = spec.levels < whole.facts().levels ? MZV_ERR_PRECISION : MZV_OK;
        EXPECT_EQ(mzv_eval_mod_create(&e, &spec), expected) << spec.levels;
        mzv_eval_mod_destroy(e);
    }
}

TEST(EvalMod, Refusals) {
    const mzv_eval_mod_spec good = { 16, 0.02, 1e-9, true, 10 };
    const std::function<void(mzv_eval_mod_spec *)> spoils[] = {
        [](mzv_eval_mod_spec *s) { s->k = 0; },       [](mzv_eval_mod_spec *s) { s->k = 513; },
        [](mzv_eval_mod_spec *s) { s->reach = 0; },   [](mzv_eval_mod_spec *s) { s->reach = 0.25; },
        [](mzv_eval_mod_spec *s) { s->reach = NAN; }, [](mzv_eval_mod_spec *s) { s->target = 0; },
        [](mzv_eval_mod_spec *s) { s->target = 1; },  [](mzv_eval_mod_spec *s) { s->target = NAN; },
    };
    for (const auto &spoil : spoils) {
        mzv_eval_mod_spec s = good;
        mzv_eval_mod *e = nullptr;
        spoil(&s);
        EXPECT_EQ(mzv_eval_mod_create(&e, &s), MZV_ERR_ARGUMENT);
        EXPECT_EQ(e, nullptr);
    }
    mzv_eval_mod_destroy(nullptr);
}

TEST(EvalMod, FailedAllocationsLeaveNothing) {
    circuit_test::fail_allocations([] {
        const mzv_eval_mod_spec spec = { 16, 0.02, 1e-9, true, 10 };
        mzv_eval_mod *e = nullptr;
        const mzv_status status = mzv_eval_mod_create(&e, &spec);
        mzv_eval_mod_destroy(e);
        return status;
    });
}

/* Round of a sum of 33 uniforms: I of a sparse secret of weight 32. */
double overflow(std::mt19937_64 *engine) {
    std::uniform_real_distribution<double> part(-0.5, 0.5);
    double sum = 0;
    for (int i = 0; i < 33; i++) sum += part(*engine);
    return std::rint(sum);
}

/* A run on slots t = (v - shift) / width, v = I + e; with the v. */
struct Input {
    std::vector<double> v;
    circuit_test::Job job;

    Input(const EvalMod &e, const mzv_params &params, uint32_t level, uint32_t batch) {
        std::mt19937_64 engine(11);
        std::uniform_real_distribution<double> part(-e.spec.reach, e.spec.reach);
        const size_t n = (size_t)batch * circuit_test::slots_of(params);
        Slots t(n);
        for (size_t i = 0; i < n; i++) {
            v.push_back(overflow(&engine) + part(engine));
            t[i] = (v[i] - e.facts().shift) / e.facts().width;
        }
        job.params = params;
        job.in.push_back(t);
        job.level.push_back(level);
        job.run = [&e](mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *x) {
            return mzv_eval_mod_run(ev, out, x[0], e.e);
        };
        job.request = [this](mzv_key_request *request) {
            mzv_circuit_cost cost;
            const mzv_circuit_call call = job.call();
            return mzv_circuit_measure(&cost, request, &job.params, &call);
        };
    }
};

uint32_t top_of_eval_mod(const mzv_params &p) { return p.n_levels - p.n_coeff_to_slot; }

// eval_mod.c: 25 divisions with I of a sparse secret and all levels at one scale, 37 where the last four are
// at 2^44.
TEST(EvalMod, NoiseInUnitsOfOneDivision) {
    for (const bool low : { false, true }) {
        mzv_params p = named("toy-boot");
        p.log_special = 48;
        if (!low) p.n_eval_mod_low = p.log_eval_mod_low = 0;
        const double division = mzv_noise_mod_down(&p, p.n_special + 1, facts_of(p).scale[p.n_levels]);
        for (const bool corrected : { false, true }) {
            const EvalMod e(16, 0.004, 1e-10, corrected, p.n_eval_mod);
            const Input input(e, p, top_of_eval_mod(p), 8);
            const Slots exact = circuit_test::run_clear(input.job),
                        noisy = circuit_test::run_clear(input.job, 77);
            double squares = 0;
            for (size_t i = 0; i < exact.size(); i++)
                squares += std::pow((noisy[i] - exact[i]).real() / e.facts().slope, 2);
            const double found = std::sqrt(squares / (double)exact.size()) / division;
            printf("    %s%s: %.2f divisions\n", corrected ? "corrected" : "plain", low ? ", low levels" : "",
                   found);
            EXPECT_NEAR(found / (low ? 37 : 25), 1, 0.2) << corrected << low;
        }
    }
}

TEST(EvalMod, ClearIsTheValueSlotBySlot) {
    const mzv_params p = named("toy-boot");
    for (const bool corrected : { false, true }) {
        const EvalMod e(16, 0.02, 1e-9, corrected, p.n_eval_mod);
        const Input input(e, p, top_of_eval_mod(p), 1);
        const Slots got = circuit_test::run_clear(input.job);
        for (size_t i = 0; i < got.size(); i++)
            ASSERT_NEAR(got[i].real(), (double)mzv_eval_mod_value(e.e, input.v[i]), 1e-11) << input.v[i];
    }
}

TEST(EvalMod, EncryptedSlotBySlot) {
    const mzv_params p = named("toy-boot");
    for (const bool corrected : { false, true }) {
        const EvalMod e(16, 0.02, 1e-9, corrected, p.n_eval_mod);
        const Input input(e, p, top_of_eval_mod(p), 2);
        circuit_test::expect_predicted(input.job);
        const Slots got = circuit_test::run_ckks(input.job);
        // Of e itself: bend, and 8 of the largest deviation, where t = 0 (I = 6): four divisions' error there
        // counts width^2 / 4 of one.
        const double division = mzv_noise_mod_down(&p, p.n_special + 1, facts_of(p).scale[p.n_levels]);
        const double limit = e.facts().bend + 8 * division * e.facts().width * e.facts().width;
        for (size_t i = 0; i < got.size(); i++)
            ASSERT_NEAR(got[i].real() / e.facts().slope, input.v[i] - std::rint(input.v[i]), limit)
                << input.v[i];
    }
}

TEST(EvalMod, TooLowAnInputIsRefused) {
    const mzv_params p = named("toy-boot");
    const EvalMod e(16, 0.02, 1e-9, true, p.n_eval_mod);
    Machine m;
    m.clear(p, 0, 1 << 20);
    mzv_cipher *a = m.put(Slots(circuit_test::slots_of(p)), e.facts().levels - 1);
    EXPECT_EQ(mzv_eval_mod_run(m.ev, a, a, e.e), MZV_ERR_LEVEL);
}

std::string table() {
    using functions_table::print;
    const Case rows[] = {
        { 16, 0.06, 1e-6, false }, { 16, 0.02, 1e-8, false }, { 16, 0.004, 1e-10, false },
        { 16, 0.06, 1e-8, true },  { 16, 0.02, 1e-10, true }, { 16, 0.004, 1e-12, true },
        { 12, 0.02, 1e-10, true }, { 25, 0.02, 1e-10, true },
    };
    std::string text =
        "`mzv_eval_mod_run`: the fraction e of v = I + e, |I| <= K, |e| <= reach, as a sine: a cosine's even "
        "series, then\n"
        "doublings of the angle; corrected by two levels of the arcsine's series. The target is the error of "
        "the sine by\n"
        "its series; the bend is the largest error of e, all integers included, without the noise of CKKS\n"
        "(docs/bootstrapping.md).\n\n"
        "| K | reach | corrected | target | degree | doublings | levels | key switches | bend |\n"
        "|---|---|---|---|---|---|---|---|---|\n";
    for (const Case &c : rows) {
        const EvalMod e(c.k, c.reach, c.target, c.corrected);
        const mzv_eval_mod_facts &f = e.facts();
        text += print("| %u | %g | %s | %.0e | %u | %u | %u | %u | %.2e |\n", c.k, c.reach,
                      c.corrected ? "yes" : "no", c.target, f.degree, f.doublings, f.levels, f.n_key_switch,
                      f.bend);
    }
    return text;
}

const functions_table::Entry entry(1000, "EvalMod", table);

} // namespace
