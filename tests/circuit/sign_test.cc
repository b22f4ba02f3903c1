/* Composed signs: parts against linear programming and exact fractions (tests/vectors/circuit_sign.py), their
 * bounds in and outside the gap, and circuits on every kind. */
#include "circuit/sign.h"

#include <fstream>

#include "circuit/deep_helpers.h"
#include "circuit/functions_table.h"
#include "math/remez.h"

using namespace circuit_test;

namespace {

struct Sign {
    mzv_sign_spec spec;
    mzv_sign *sign = nullptr;
    explicit Sign(const mzv_sign_spec &s) : spec(s) {
        EXPECT_EQ(mzv_sign_create(&sign, &s), MZV_OK) << mzv_last_error();
    }
    ~Sign() { mzv_sign_destroy(sign); }
    const mzv_sign_facts &facts() const { return *mzv_sign_about(sign); }
    double u(double x) const { return mzv_sign_affine(sign).scale * x; }
    /* The composition, without gain and shift. */
    long double plain(long double x) const { return (mzv_sign_value(sign, x) - spec.shift) / spec.gain; }
};

const double quiet = 0x1p-24;
const mzv_sign_spec specs[] = {
    { 0.5, 1, 0.3, 1, 0, 0, MZV_SIGN_MINIMAX },
    { 0x1p-3, 1, 1e-4, 1, 0, quiet, MZV_SIGN_MINIMAX },
    { 0x1p-6, 1, 1e-3, 0.5, 0.5, quiet, MZV_SIGN_MINIMAX },
    { 0.25, 20, 1e-5, -3, 1, quiet, MZV_SIGN_MINIMAX },
    { 0x1p-10, 1, 1e-2, 1, 0, quiet, MZV_SIGN_MINIMAX },
    { 0x1p-8, 1, 1e-2, 1, 0, 0x1p-12, MZV_SIGN_MINIMAX },
    { 0x1p-16, 1, 1e-3, 1, 0, quiet, MZV_SIGN_MINIMAX },
    { 0x1p-5, 1, 1e-6, 1, 0, 0, MZV_SIGN_NEXUS },
    { 0x1p-8, 2, 1e-3, 0.5, 0.5, 0, MZV_SIGN_NEXUS },
};

/* Spread by their logarithm, ends included. */
std::vector<double> spread(size_t n, double lo, double hi) {
    std::vector<double> x;
    for (double v : grid(n, std::log(lo), std::log(hi)))
        x.push_back(std::fmin(hi, std::fmax(lo, std::exp(v))));
    return x;
}

TEST(Sign, ErrorIsWithinTheTargetAndAsReported) {
    for (const mzv_sign_spec &spec : specs) {
        const Sign s(spec);
        EXPECT_LE(s.facts().error, spec.target);
        long double found = 0;
        for (double x : spread(100001, spec.gap, spec.bound))
            found = std::fmax(found, std::fabs(1 - s.plain(x)));
        for (double x : grid(50001, spec.gap, spec.bound))
            found = std::fmax(found, std::fabs(1 - s.plain(x)));
        EXPECT_LE(found, s.facts().error * (1 + 1e-4) + 1e-14) << spec.gap;
        EXPECT_GE(found, s.facts().error * 0.99) << spec.gap;
    }
}

TEST(Sign, IsOddAboutTheShift) {
    for (const mzv_sign_spec &spec : specs) {
        const Sign s(spec);
        EXPECT_EQ((double)s.plain(0), 0);
        for (double x : spread(101, spec.gap / 100, spec.bound))
            EXPECT_NEAR((double)s.plain(-x), -(double)s.plain(x), 1e-15);
    }
}

/* From 0 to the gap the result grows until it is within the error, and then stays; nowhere is it above 1 +
 * error. f and g of NEXUS stay within 1. */
TEST(Sign, IsBoundedInsideTheGap) {
    for (const mzv_sign_spec &spec : specs) {
        const Sign s(spec);
        const double error = s.facts().error, slack = 1e-15;
        long double before = 0, largest = 0;
        for (double x : grid(50001, 0, spec.gap)) {
            const long double y = s.plain(x);
            largest = std::fmax(largest, std::fabs(y));
            ASSERT_LE(y, 1 + error + slack) << x;
            if (spec.recipe == MZV_SIGN_NEXUS) continue;
            ASSERT_GE(y, std::fmin(before, 1 - error) - slack) << x << " of " << spec.gap;
            before = std::fmax(before, y);
        }
        EXPECT_LE(largest, s.facts().inside + 1e-4 * error + slack) << spec.gap; /* its grid misses extrema */
        EXPECT_GE(largest, s.facts().inside * 0.999) << spec.gap;
        EXPECT_LE(s.facts().inside, 1 + error + slack);
    }
}

TEST(Sign, LevelsAreTheFewest) {
    std::ifstream in(MZV_SOURCE_DIR "/tests/vectors/circuit_sign_levels.txt");
    double gap, target;
    uint32_t levels, n = 0;
    while (in >> gap >> target >> levels) {
        const Sign s({ gap, 1, target, 1, 0, 0, MZV_SIGN_MINIMAX });
        EXPECT_EQ(s.facts().levels, levels) << gap << " " << target;
        n++;
    }
    EXPECT_EQ(n, 21u);
}

/* Fewest key switches of all sequences of as many levels, each tried. */
struct Exhaustive {
    double target;
    uint32_t best = UINT32_MAX;
    void search(double e, uint32_t levels, uint32_t spent) {
        for (uint32_t degree = 3; degree <= MZV_SIGN_MAX_DEGREE; degree += 2) {
            double coeff[MZV_SIGN_MAX_DEGREE + 1];
            mzv_remez_facts found;
            const mzv_interval on = { e, 1 };
            mzv_remez_spec spec = {};
            spec.value = [](void *, long double) { return 1.0L; };
            spec.on = &on;
            spec.n_on = 1;
            spec.a = -1;
            spec.b = 1;
            spec.degree = degree;
            spec.parity = MZV_PARITY_ODD;
            spec.tolerance = 1e-6;
            ASSERT_EQ(mzv_remez(coeff, &found, &spec), MZV_OK) << mzv_last_error();
            mzv_polynomial *p = nullptr;
            ASSERT_EQ(mzv_polynomial_create(&p, coeff, degree), MZV_OK);
            const mzv_polynomial_facts about = *mzv_polynomial_about(p);
            mzv_polynomial_destroy(p);
            if (about.levels > levels) return;
            const uint32_t total = spent + about.n_key_switch;
            if (found.error <= target && total < best) best = total;
            if (about.levels + 2 <= levels && total < best)
                search((1 - found.error) / (1 + found.error), levels - about.levels, total);
        }
    }
};

TEST(Sign, KeySwitchesAreTheFewest) {
    for (const mzv_sign_spec &spec : { mzv_sign_spec { 0x1p-2, 1, 1e-6, 1, 0, 0, MZV_SIGN_MINIMAX },
                                       mzv_sign_spec { 0x1p-4, 1, 1e-2, 1, 0, 0, MZV_SIGN_MINIMAX },
                                       mzv_sign_spec { 0x1p-5, 1, 1e-2, 1, 0, 0, MZV_SIGN_MINIMAX } }) {
        const Sign s(spec);
        Exhaustive all = { spec.target };
        all.search(spec.gap, s.facts().levels, 0);
        EXPECT_EQ(s.facts().n_key_switch, all.best) << spec.gap;
    }
}

/* f o f o g o g as published, in exact fractions. On a gap of 2^-16 it is not a sign: 0.003 at 2^-16. With
 * its four parts it is one from about 1/80 on; for 2^-16 it takes eight. */
TEST(Sign, NexusAsPublishedAndCorrected) {
    const Sign published({ 0x1p-16, 1, 0.999, 1, 0, 0, MZV_SIGN_NEXUS });
    ASSERT_EQ(published.facts().n_parts, 4u);
    EXPECT_EQ(published.facts().levels, 16u);
    std::ifstream in(MZV_SOURCE_DIR "/tests/vectors/circuit_sign_nexus.txt");
    std::string hexadecimal;
    double y, below, n = 0;
    while (in >> hexadecimal >> y >> below) {
        EXPECT_NEAR((double)published.plain(std::strtod(hexadecimal.c_str(), nullptr)), y, 1e-15)
            << hexadecimal;
        if (n++ == 0) {
            EXPECT_NEAR(published.facts().error, below, 1e-12); /* at 2^-16 */
        }
    }
    EXPECT_EQ(n, 10);
    EXPECT_GT(published.facts().error, 0.99);
    const Sign corrected({ 0x1p-16, 1, 1e-3, 1, 0, 0, MZV_SIGN_NEXUS });
    EXPECT_EQ(corrected.facts().n_parts, 8u);
    EXPECT_LE(corrected.facts().error, 1e-3);
    const Sign wide({ 0x1p-6, 1, 2e-4, 1, 0, 0, MZV_SIGN_NEXUS });
    EXPECT_EQ(wide.facts().n_parts, 4u);
    EXPECT_NEAR(wide.facts().error, 1.0307630767e-4, 1e-12); /* at 2^-6, the vector */
}

Job job_of(const Sign &s, const std::vector<double> &x, const mzv_params &params) {
    Job job;
    const uint32_t level = params.n_levels;
    job.params = params;
    std::vector<double> u;
    for (double v : x) u.push_back(s.u(v));
    job.add_input(u, level);
    job.run = [&s](mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *in) {
        return mzv_sign_run(ev, out, in[0], s.sign);
    };
    job.request = [&s, level](mzv_key_request *r) { return mzv_sign_request(s.sign, r, level); };
    return job;
}

TEST(Sign, CircuitHasTheLevelsAndCountsItSays) {
    for (const mzv_sign_spec &spec : specs) {
        const Sign s(spec);
        const mzv_circuit_cost cost = measure(job_of(s, { 0 }, toy(s.facts().levels)));
        EXPECT_EQ(cost.levels, s.facts().levels);
        EXPECT_EQ(cost.levels, mzv_sign_levels(s.sign));
        EXPECT_EQ(cost.counts.n_key_switch, s.facts().n_key_switch);
        uint32_t end = 99;
        EXPECT_EQ(mzv_sign_end(&end, s.sign, s.facts().levels + 3, 0, nullptr), MZV_OK);
        EXPECT_EQ(end, 3u);
    }
}

/* x on both sides, outside the gap and, for one in four, inside it. */
std::vector<double> sides(size_t n, const mzv_sign_spec &spec) {
    std::vector<double> x = spread(n, spec.gap, spec.bound);
    for (size_t i = 0; i < n; i++) {
        if (i % 4 == 3) x[i] = spec.gap * (double)i / (double)n;
        if (i % 2) x[i] = -x[i];
    }
    return x;
}

TEST(Sign, ClearIsTheValue) {
    for (const mzv_sign_spec &spec : specs) {
        const Sign s(spec);
        const mzv_params params = toy(s.facts().levels);
        const std::vector<double> x = sides(slots_of(params), spec);
        const Slots y = run_clear(job_of(s, x, params));
        /* T_m collects m^2 < 1,024 roundings; the slope of the composition is below 8 bound / gap. */
        const double slack = 8 * 1024 * 0x1p-53 * spec.bound / spec.gap * std::fabs(spec.gain);
        for (size_t i = 0; i < x.size(); i++)
            ASSERT_NEAR(y[i].real(), (double)mzv_sign_value(s.sign, x[i]), slack) << x[i];
    }
}

/* Errors below the spec's noise leave the bounds as they are, but for their own size at the end. */
TEST(Sign, NoiseStaysWithinTheBounds) {
    for (const mzv_sign_spec &spec : specs) {
        if (spec.noise == 0) continue;
        const Sign s(spec);
        const mzv_params params = toy(s.facts().levels, 45);
        const std::vector<double> x = sides(slots_of(params), spec);
        const Slots y = run_clear(job_of(s, x, params), 5);
        for (size_t i = 0; i < x.size(); i++) {
            const double found = (y[i].real() - spec.shift) / spec.gain, sign = x[i] < 0 ? -1 : 1;
            ASSERT_LE(std::fabs(found), 1 + spec.target + spec.noise) << x[i];
            if (std::fabs(x[i]) >= spec.gap) {
                ASSERT_NEAR(found, sign, spec.target + spec.noise) << x[i];
            }
        }
    }
}

TEST(Sign, EncryptedNoiseIsPredicted) {
    for (const mzv_sign_spec &spec : { specs[0], specs[1], specs[2], specs[3], specs[4], specs[7] }) {
        const Sign s(spec);
        const mzv_params params = toy(s.facts().levels);
        expect_predicted(job_of(s, sides(slots_of(params), spec), params));
    }
}

TEST(Sign, RefreshesOnTheWay) {
    const Sign s(specs[4]);
    const uint32_t depth = s.facts().levels;
    ASSERT_GE(depth, 12u);
    for (uint32_t start = 1; start <= 8; start++)
        for (uint32_t in_level = 0; in_level <= 1; in_level++)
            for (uint32_t floor = 0; floor <= 2; floor += 2) {
                ClearRefresher r(in_level, 7);
                uint32_t end = 0;
                ASSERT_EQ(mzv_sign_end(&end, s.sign, start, floor, &r.refresh), MZV_OK) << mzv_last_error();
                const mzv_params params = toy(8);
                Job job = job_of(s, sides(slots_of(params), s.spec), params);
                job.level[0] = start;
                job.run = [&](mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *in) {
                    ev->refresh = &r.refresh;
                    const mzv_status status = mzv_sign_run_above(ev, out, in[0], s.sign, floor);
                    EXPECT_EQ(mzv_cipher_level(out), end);
                    r.n_runs = std::string(mzv_evaluator_kind(ev)) == "count" ? 0 : r.n_runs;
                    return status;
                };
                const Slots y = run_clear(job);
                EXPECT_GE(end, floor);
                EXPECT_GE(start + 7 * r.n_runs, depth + floor);
                EXPECT_LE(r.n_runs, 4u);
                EXPECT_LE(r.largest, 1);
                const std::vector<double> x = sides(slots_of(params), s.spec);
                for (size_t i = 0; i < x.size(); i++)
                    ASSERT_NEAR(y[i].real(), (double)mzv_sign_value(s.sign, x[i]), 1e-8) << x[i];
            }
    ClearRefresher low(0, 3); /* a part needs more than three levels */
    uint32_t end = 77;
    EXPECT_EQ(mzv_sign_end(&end, s.sign, 8, 0, &low.refresh), MZV_ERR_LEVEL);
    EXPECT_EQ(end, 77u);
}

TEST(Sign, TooLowALevelLeavesTheOutputAsItWas) {
    const Sign s(specs[1]);
    Machine m;
    m.clear(toy(5), 0, 0);
    mzv_cipher *u = m.put(Slots(slots_of(toy(5)), 0.5), 5), *out = m.put(Slots(slots_of(toy(5)), 0.25), 3);
    EXPECT_EQ(mzv_sign_run(m.ev, out, u, s.sign), MZV_ERR_LEVEL);
    EXPECT_EQ(mzv_cipher_level(out), 3u);
    EXPECT_EQ(m.get(out)[7], 0.25);
    mzv_key_request *request = nullptr;
    ASSERT_EQ(mzv_key_request_create(&request), MZV_OK);
    EXPECT_EQ(mzv_sign_request(s.sign, request, 1), MZV_ERR_LEVEL);
    mzv_key_request_destroy(request);
}

TEST(Sign, RejectsWhatItCannotDo) {
    mzv_sign *sign = nullptr;
    const struct {
        mzv_sign_spec spec;
        mzv_status status;
    } cases[] = {
        { { 0, 1, 1e-2, 1, 0, 0, MZV_SIGN_MINIMAX }, MZV_ERR_ARGUMENT },
        { { 1, 1, 1e-2, 1, 0, 0, MZV_SIGN_MINIMAX }, MZV_ERR_ARGUMENT },
        { { 0x1p-25, 1, 1e-2, 1, 0, 0, MZV_SIGN_MINIMAX }, MZV_ERR_ARGUMENT },
        { { 1, INFINITY, 1e-2, 1, 0, 0, MZV_SIGN_MINIMAX }, MZV_ERR_ARGUMENT },
        { { 0.1, 1, 1, 1, 0, 0, MZV_SIGN_MINIMAX }, MZV_ERR_ARGUMENT },
        { { 0.1, 1, 1e-13, 1, 0, 0, MZV_SIGN_MINIMAX }, MZV_ERR_ARGUMENT },
        { { 0.1, 1, 1e-2, 0, 0, 0, MZV_SIGN_MINIMAX }, MZV_ERR_ARGUMENT },
        { { 0.1, 1, 1e-2, 1, NAN, 0, MZV_SIGN_MINIMAX }, MZV_ERR_ARGUMENT },
        { { 0.1, 1, 1e-2, 1, 0, -1, MZV_SIGN_MINIMAX }, MZV_ERR_ARGUMENT },
        { { 0.1, 1, 1e-2, 1, 0, 0.1, MZV_SIGN_MINIMAX }, MZV_ERR_ARGUMENT },
        { { 0.1, 1, 1e-2, 1, 0, 0, (mzv_sign_recipe)2 }, MZV_ERR_ARGUMENT },
        { { 0x1p-10, 1, 1e-2, 1, 0, 0x1p-10, MZV_SIGN_MINIMAX },
          MZV_ERR_PRECISION }, /* the noise is the gap */
        { { 0x1p-3, 1, 1e-12, 1, 0, 0, MZV_SIGN_NEXUS }, MZV_OK },
    };
    for (const auto &c : cases) {
        EXPECT_EQ(mzv_sign_create(&sign, &c.spec), c.status) << &c - cases << ": " << mzv_last_error();
        EXPECT_EQ(sign == nullptr, c.status != MZV_OK);
    }
    mzv_sign_destroy(sign);
}

TEST(Sign, PlansSurviveEveryFailedAllocation) {
    for (mzv_sign_recipe recipe : { MZV_SIGN_MINIMAX, MZV_SIGN_NEXUS })
        fail_allocations([recipe] {
            const mzv_sign_spec spec = { 0.25, 1, 0.1, 1, 0, 0, recipe };
            mzv_sign *sign = nullptr;
            const mzv_status status = mzv_sign_create(&sign, &spec);
            EXPECT_EQ(sign == nullptr, status != MZV_OK);
            mzv_sign_destroy(sign);
            return status;
        });
}

/* N = 2^16, every slot. */
void expect_at_128_bits(const mzv_sign_spec &spec) {
    mzv_params params;
    ASSERT_EQ(mzv_params_named(&params, "n16-leveled"), MZV_OK);
    const Sign s(spec);
    ASSERT_LE(s.facts().levels, params.n_levels);
    params.n_levels = s.facts().levels; /* a prefix of the chain: still 128 bits */
    const std::vector<double> x = sides(slots_of(params), s.spec);
    const Slots y = run_ckks(job_of(s, x, params));
    for (size_t i = 0; i < x.size(); i++) {
        ASSERT_LE(std::fabs(y[i].real()), 1 + s.spec.target + s.spec.noise) << x[i];
        if (std::fabs(x[i]) >= s.spec.gap) {
            ASSERT_NEAR(y[i].real(), x[i] < 0 ? -1 : 1, s.spec.target + s.spec.noise) << x[i];
        }
    }
}

TEST(SlowSign, At128Bits) { expect_at_128_bits({ 0x1p-12, 1, 1e-4, 1, 0, 0x1p-20, MZV_SIGN_MINIMAX }); }

TEST(SlowSign, NexusAt128Bits) { expect_at_128_bits({ 0x1p-5, 1, 1e-6, 1, 0, 0x1p-20, MZV_SIGN_NEXUS }); }

/* ---- docs/functions.md ---- */

std::string row(const mzv_sign_spec &spec, const char *recipe) {
    const Sign s(spec);
    std::string degrees;
    for (uint32_t i = 0; i < s.facts().n_parts; i++)
        degrees += (i ? ", " : "") + std::to_string(s.facts().degree[i]);
    return functions_table::print("| %s | 2^%g | %.0e | %s | %u | %u | %u | %.2e |\n", recipe,
                                  std::log2(spec.gap), spec.target, degrees.c_str(), s.facts().levels,
                                  s.facts().n_key_switch, s.facts().n_products, s.facts().error);
}

std::string signs() {
    std::string text = "`mzv_sign_run`: composed odd polynomials on gap <= |x| <= 1, for an input at that "
                       "scale. \"minimax\": each part\n"
                       "the nearest to the sign on what the one before leaves [LLNK22], degrees up to 31 of "
                       "fewest levels, then of "
                       "fewest\n"
                       "key switches. \"nexus\": g and f of degree 9, two of each as NEXUS says, or more "
                       "where those miss the target; "
                       "with\n"
                       "two of each the error at its gap of 2^-16 is 0.997. Between -gap and gap minimax "
                       "results grow with x and stay "
                       "within\n"
                       "1 + error; a gain and a shift cost nothing.\n\n"
                       "| recipe | gap | target | degrees | levels | key switches | products | max error |\n"
                       "|---|---|---|---|---|---|---|---|\n";
    for (double gap : { 0x1p-4, 0x1p-6, 0x1p-8, 0x1p-10, 0x1p-12, 0x1p-16 })
        for (double target : { 1e-2, 1e-4, 1e-6 })
            text += row({ gap, 1, target, 1, 0, 0x1p-30, MZV_SIGN_MINIMAX }, "minimax");
    for (double gap : { 0x1p-5, 0x1p-6, 0x1p-8, 0x1p-12, 0x1p-16 })
        text += row({ gap, 1, 1e-3, 1, 0, 0, MZV_SIGN_NEXUS }, "nexus");
    return text;
}

const functions_table::Entry entry(600, "Signs", signs);

} // namespace
