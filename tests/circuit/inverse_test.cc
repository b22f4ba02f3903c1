/* 1/S: the product form against the polynomial's definition (mpmath), its bounds, and circuits on every kind.
 */
#include "circuit/inverse.h"

#include <fstream>

#include "ckks/noise.h"
#include "circuit/circuit_fixture.h"

using namespace circuit_test;

namespace {

struct Inverse {
    mzv_inverse_spec spec;
    mzv_inverse *inverse = nullptr;
    explicit Inverse(const mzv_inverse_spec &s) : spec(s) {
        EXPECT_EQ(mzv_inverse_create(&inverse, &s), MZV_OK) << mzv_last_error();
    }
    ~Inverse() { mzv_inverse_destroy(inverse); }
    const mzv_inverse_facts &facts() const { return *mzv_inverse_about(inverse); }
    double u(double s) const {
        return mzv_inverse_affine(inverse).scale * s + mzv_inverse_affine(inverse).shift;
    }
    double residual(double s, long double y) const { return (double)(1 - s * y / spec.gain); }
};

/* Values of S, spread by their logarithm, ends included. */
std::vector<double> spread(size_t n, double lo, double hi) {
    std::vector<double> s;
    for (double x : grid(n, std::log(lo), std::log(hi)))
        s.push_back(std::fmin(hi, std::fmax(lo, std::exp(x))));
    return s;
}

/* u is a double near 1 where S is near lo: its rounding counts hi / lo times; so does that of T_m, 4/3 times.
 */
double rounding(const mzv_inverse_spec &s) { return 8 * s.hi / s.lo * 0x1p-53; }

TEST(Inverse, IsTheOptimalResidualPolynomial) {
    std::ifstream in(MZV_SOURCE_DIR "/tests/vectors/circuit_inverse.txt");
    double lo, hi, gain, s, expected;
    uint32_t k, n, cases = 0;
    while (in >> lo >> hi >> gain >> k >> n) {
        const double eta = 2 * std::atanh(std::sqrt(lo / hi));
        const Inverse inverse({ lo, hi, 1.000001 / std::cosh(std::ldexp(eta, (int)k)), gain, false });
        EXPECT_EQ(inverse.facts().doublings, k);
        for (uint32_t i = 0; i < n; i++) {
            ASSERT_TRUE(in >> s >> expected);
            /* at S = hi + lo/2 the value is a difference of numbers up to twice as large */
            EXPECT_NEAR(mzv_inverse_value(inverse.inverse, s), expected,
                        4 * std::fabs(expected) * rounding(inverse.spec))
                << lo << " " << hi << " at " << s;
        }
        cases++;
    }
    EXPECT_EQ(cases, 6u);
}

const mzv_inverse_spec specs[] = {
    { 1, 2, 1e-6, 1, false },
    { 0.5, 64, 1e-4, 0.5, false },
    { 1, 128, 1e-3, 1, true },
    { 1, 1024, 1e-3, 1, true },
    { 0x1p-10, 64, 1e-3, 0x1p-10, false },
    { 1, 0x1p20, 1e-2, 1, true },
    { 0x1p-10, 0x1p10, 1e-2, 1, true },
    { 2, 300, 1e-5, 8, true },
    { 1, 16, 0.7, 4, false },
};

TEST(Inverse, ResidualIsWithinTheTargetAndAsReported) {
    for (const mzv_inverse_spec &spec : specs) {
        const Inverse inverse(spec);
        double largest = 0;
        for (double s : spread(20011, spec.lo, spec.hi))
            largest =
                std::fmax(largest, std::fabs(inverse.residual(s, mzv_inverse_value(inverse.inverse, s))));
        const double r = inverse.facts().residual;
        EXPECT_LE(spec.refine ? r * r : r, spec.target);
        EXPECT_NEAR(largest, r, 0.001 * r + rounding(spec));
    }
}

TEST(Inverse, OneDoublingLessMissesTheTarget) {
    for (const mzv_inverse_spec &spec : specs) {
        const Inverse inverse(spec);
        const double eta = 2 * std::atanh(std::sqrt(spec.lo / spec.hi));
        const double before = 1 / std::cosh(std::ldexp(eta, (int)inverse.facts().doublings - 1));
        if (inverse.facts().doublings > 1) {
            EXPECT_GT(spec.refine ? before * before : before, spec.target);
        }
    }
}

/* Below the interval: falls from `below`, and stays under gain / S; just above it, at most twice gain / S. */
TEST(Inverse, IsBoundedOutside) {
    for (const mzv_inverse_spec &spec : specs) {
        const Inverse inverse(spec);
        const double slack = rounding(spec), below = inverse.facts().below;
        EXPECT_NEAR(mzv_inverse_value(inverse.inverse, 0), below, below * slack);
        double last = below * (1 + slack);
        for (double s : grid(1001, 0, spec.lo)) {
            const double y = (double)mzv_inverse_value(inverse.inverse, s);
            EXPECT_LE(y, last * (1 + slack)) << s;
            EXPECT_GT(y, 0);
            if (s > 0) {
                EXPECT_LE(y, spec.gain / s * (1 + inverse.facts().residual + slack)) << s;
            }
            last = y;
        }
        for (double s : grid(101, spec.hi, spec.hi + spec.lo))
            EXPECT_LE(std::fabs(inverse.residual(s, mzv_inverse_value(inverse.inverse, s))), 1 + slack) << s;
    }
}

Job job_of(const Inverse &inverse, const std::vector<double> &s, const mzv_params &params) {
    Job job;
    const uint32_t level = params.n_levels;
    job.params = params;
    std::vector<double> u;
    for (double v : s) u.push_back(inverse.u(v));
    job.add_input(u, level);
    job.run = [&inverse](mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *in) {
        return mzv_inverse_run(ev, out, in[0], inverse.inverse);
    };
    job.request = [&inverse, level](mzv_key_request *r) {
        return mzv_inverse_request(inverse.inverse, r, level, false);
    };
    return job;
}

/* Inputs u, S and, where n is not empty, N; out = gain/S or gain N/S. */
Job refined_job_of(const Inverse &inverse, const std::vector<double> &s, const std::vector<double> &n,
                   const mzv_params &params) {
    Job job = job_of(inverse, s, params);
    const uint32_t level = params.n_levels;
    job.add_input(s, level);
    if (!n.empty()) job.add_input(n, level);
    const bool divide = !n.empty();
    job.run = [&inverse, divide](mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *in) {
        const size_t mark = mzv_ev_mark(ev);
        mzv_cipher y;
        mzv_status status = mzv_ev_take(ev, &y, in[0]->level - inverse.facts().levels, in[0]->batch);
        if (status == MZV_OK) status = mzv_inverse_run(ev, &y, in[0], inverse.inverse);
        if (status == MZV_OK)
            status = divide ? mzv_inverse_divide(ev, out, in[2], &y, in[1], inverse.inverse)
                            : mzv_inverse_refine(ev, out, &y, in[1], inverse.inverse);
        mzv_ev_release(ev, mark);
        return status;
    };
    job.request = [&inverse, level](mzv_key_request *r) {
        return mzv_inverse_request(inverse.inverse, r, level, true);
    };
    return job;
}

TEST(Inverse, CircuitHasTheLevelsAndCountsItSays) {
    for (const mzv_inverse_spec &spec : specs) {
        const Inverse inverse(spec);
        const uint32_t k = inverse.facts().doublings;
        const mzv_circuit_cost plain = measure(job_of(inverse, { 1 }, toy(k)));
        EXPECT_EQ(plain.levels, k);
        EXPECT_EQ(plain.levels, inverse.facts().levels);
        EXPECT_EQ(plain.counts.n_key_switch, inverse.facts().n_key_switch);
        const mzv_circuit_cost refined = measure(refined_job_of(inverse, { 1 }, {}, toy(k + 2)));
        const mzv_circuit_cost divided = measure(refined_job_of(inverse, { 1 }, { 1 }, toy(k + 2)));
        EXPECT_EQ(refined.levels, k + 2);
        EXPECT_EQ(divided.levels, k + 2);
        EXPECT_EQ(refined.counts.n_key_switch, inverse.facts().n_key_switch + 2);
        EXPECT_EQ(divided.counts.n_key_switch, inverse.facts().n_key_switch + 3);
    }
}

TEST(Inverse, ClearIsThePolynomial) {
    for (const mzv_inverse_spec &spec : specs) {
        const Inverse inverse(spec);
        const mzv_params params = toy(inverse.facts().levels + 2);
        const std::vector<double> s = spread(slots_of(params), spec.lo, spec.hi),
                                  n = uniform(s.size(), -1, 1, 4);
        const Slots y = run_clear(job_of(inverse, s, params));
        const Slots refined = run_clear(refined_job_of(inverse, s, {}, params));
        const Slots divided = run_clear(refined_job_of(inverse, s, n, params));
        for (size_t i = 0; i < s.size(); i++) {
            const double exact = (double)mzv_inverse_value(inverse.inverse, s[i]), slack = 4 * rounding(spec);
            const double residual = inverse.residual(s[i], exact);
            ASSERT_NEAR(y[i].real(), exact, exact * slack) << s[i];
            ASSERT_NEAR(inverse.residual(s[i], refined[i].real()), residual * residual, slack) << s[i];
            ASSERT_NEAR(divided[i].real(), n[i] * spec.gain / s[i] * (1 - residual * residual),
                        spec.gain / s[i] * slack)
                << s[i];
        }
    }
}

/* First-order bound of inverse.h at S, exactly: an error of e in U_m is one of e / g^m in T_m = cos(m a),
 * which F = (P(T_m(t0)) - P(T_m)) / (T_m(t0) - T_m), P = T_{D/m}, multiplies by at most |d ln F| <= 1 /
 * (T_m(t0) - T_m) + (D/m)^2 / (T_D(t0) - 1); an error of e in the product of the first j factors is one of e
 * / product, relative. */
double noise_bound(const Inverse &inverse, double s, double fresh, double e) {
    const mzv_inverse_spec &spec = inverse.spec;
    const uint32_t k = inverse.facts().doublings;
    const double eta = 2 * std::atanh(std::sqrt(spec.lo / spec.hi)), size = std::ldexp(1.0, (int)k);
    const double angle = std::acos((spec.hi + spec.lo - 2 * s) / (spec.hi - spec.lo));
    const double g = -mzv_inverse_affine(inverse.inverse).scale * (spec.hi - spec.lo) / 2;
    double bound = 0, product = 1;
    for (uint32_t i = 0; i < k; i++) {
        const double m = std::ldexp(1.0, (int)i), power = std::pow(g, m), at = std::cos(m * angle);
        const double slope =
            1 / (std::cosh(m * eta) - at) + size * size / (m * m) / (std::cosh(size * eta) - 1);
        product *= power * (std::cosh(m * eta) + at) / 2;
        bound +=
            (i == 0 ? fresh : 2 * e) / power * slope + e / product; /* U_2m doubles the error of the square */
    }
    return bound;
}

/* Gaussian errors, both parts, stay below 6 sqrt 2 deviations but once in e^36 slots. Second-order terms are
 * below the square of the bound. */
TEST(Inverse, NoiseIsWithinItsBound) {
    for (const mzv_inverse_spec &spec : specs) {
        const Inverse inverse(spec);
        const uint32_t k = inverse.facts().doublings;
        const mzv_params params = toy(k, 45);
        mzv_param_facts facts;
        ASSERT_EQ(mzv_params_check(&params, &facts), MZV_OK);
        const double deviations = 6 * std::sqrt(2.0);
        const double fresh = deviations * mzv_noise_fresh(&params, &facts, k);
        const double e =
            deviations * std::fmax(mzv_noise_mul(&params, &facts, k), mzv_noise_rescale(&params, &facts, 0));
        for (const double at : { spec.lo, std::sqrt(spec.lo * spec.hi), spec.hi }) {
            const Job job = job_of(inverse, std::vector<double>(1, at), params);
            const Slots noisy = run_clear(job, 11), exact = run_clear(job);
            const double bound = noise_bound(inverse, at, fresh, e),
                         found = worst(noisy, exact) * at / spec.gain;
            EXPECT_LE(found, bound + bound * bound) << spec.lo << " " << spec.hi << " at " << at;
            /* The largest of 1,024 slots is 3.7 deviations, of 8.5 allowed, and independent errors add by
             * squares: the bound is not to be empty where its first terms rule (one doubling has no product).
             */
            if (at == spec.lo && k > 1) {
                EXPECT_GE(found, bound / 20) << spec.lo << " " << spec.hi;
            }
        }
    }
}

/* Sums of padding are 0: y stays at its bound, refined at twice that, whatever the noise. */
TEST(Inverse, ZeroStaysBounded) {
    for (const mzv_inverse_spec &spec : specs) {
        const Inverse inverse(spec);
        const mzv_params params = toy(inverse.facts().levels + 2);
        const std::vector<double> zero(1, 0.0);
        const double below = inverse.facts().below;
        for (const auto &y : run_clear(job_of(inverse, zero, params), 3))
            ASSERT_NEAR(y.real(), below, 0.01 * below) << spec.lo << " " << spec.hi;
        for (const auto &y : run_clear(refined_job_of(inverse, zero, {}, params), 3))
            ASSERT_NEAR(y.real(), 2 * below, 0.02 * below) << spec.lo << " " << spec.hi;
    }
}

/* What the refinement is for: at the lower end it leaves the noise of its own two products. */
TEST(Inverse, RefinementRemovesTheNoiseAtTheLowerEnd) {
    const Inverse inverse({ 1, 1024, 1e-6, 1, true });
    const mzv_params params = toy(inverse.facts().levels + 2, 40);
    const std::vector<double> s(1, 1.0);
    const Job plain = job_of(inverse, s, params), refined = refined_job_of(inverse, s, {}, params);
    const double before = rms(run_clear(plain, 7), run_clear(plain));
    const double after = rms(run_clear(refined, 7), run_clear(refined));
    EXPECT_LT(after, before / 16);
}

TEST(Inverse, EncryptedNoiseIsPredicted) {
    for (const mzv_inverse_spec &spec : { specs[0], specs[1], specs[3] }) {
        const Inverse inverse(spec);
        const mzv_params params = toy(inverse.facts().levels);
        expect_predicted(job_of(inverse, spread(slots_of(params), spec.lo, spec.hi), params));
    }
}

TEST(Inverse, EncryptedQuotientIsPredicted) {
    for (const mzv_inverse_spec &spec : { specs[2], specs[7] }) {
        const Inverse inverse(spec);
        const mzv_params params = toy(inverse.facts().levels + 2);
        const std::vector<double> s = spread(slots_of(params), spec.lo, spec.hi);
        expect_predicted(refined_job_of(inverse, s, {}, params));
        expect_predicted(refined_job_of(inverse, s, uniform(s.size(), -1, 1, 4), params));
    }
}

TEST(Inverse, RejectsWhatItCannotDo) {
    mzv_inverse *inverse = nullptr;
    const struct {
        mzv_inverse_spec spec;
        mzv_status status;
    } cases[] = {
        { { 0, 1, 1e-3, 1, false }, MZV_ERR_ARGUMENT },
        { { 1, 1, 1e-3, 1, false }, MZV_ERR_ARGUMENT },
        { { 1, 0x1p21, 1e-3, 1, false }, MZV_ERR_ARGUMENT },
        { { 1, INFINITY, 1e-3, 1, false }, MZV_ERR_ARGUMENT },
        { { 1, 2, 1e-3, 0, false }, MZV_ERR_ARGUMENT },
        { { 1, 2, 1e-3, 0x1p21, false }, MZV_ERR_ARGUMENT },
        { { 1, 2, 1, 1, false }, MZV_ERR_ARGUMENT },
        { { 1, 2, 1e-13, 1, false }, MZV_ERR_PRECISION },
        { { 1, 2, NAN, 1, false }, MZV_ERR_ARGUMENT },
    };
    for (const auto &c : cases)
        EXPECT_EQ(mzv_inverse_create(&inverse, &c.spec), c.status) << mzv_last_error();
    EXPECT_EQ(inverse, nullptr);
    mzv_inverse_destroy(inverse);
}

TEST(Inverse, TooLowALevelLeavesTheOutputAsItWas) {
    const Inverse inverse(specs[7]); /* gain 8: S one level above y */
    Machine m;
    m.clear(toy(4), 0, 0);
    const Slots half(slots_of(toy(4)), 0.5);
    mzv_cipher *y = m.put(half, 2), *s = m.put(half, 2), *high = m.put(half, 4), *out = m.put(half, 3);
    EXPECT_EQ(mzv_inverse_run(m.ev, out, y, inverse.inverse), MZV_ERR_LEVEL);
    EXPECT_EQ(mzv_inverse_refine(m.ev, out, y, s, inverse.inverse), MZV_ERR_LEVEL);
    EXPECT_EQ(mzv_inverse_divide(m.ev, out, s, high, high, inverse.inverse), MZV_ERR_LEVEL);
    EXPECT_EQ(mzv_cipher_level(out), 3u);
    EXPECT_EQ(m.get(out)[7], 0.5);
    mzv_key_request *request = nullptr;
    ASSERT_EQ(mzv_key_request_create(&request), MZV_OK);
    EXPECT_EQ(mzv_inverse_request(inverse.inverse, request, inverse.facts().levels + 1, true), MZV_ERR_LEVEL);
    mzv_key_request_destroy(request);
}

/* 128 bits, N = 2^15: the sums of a softmax. */
TEST(SlowInverse, At128Bits) {
    mzv_params params;
    ASSERT_EQ(mzv_params_named(&params, "n15-leveled"), MZV_OK);
    const Inverse inverse({ 1, 1024, 1e-4, 1, true });
    ASSERT_GE(params.n_levels, inverse.facts().levels + 2);
    expect_predicted(refined_job_of(inverse, spread(slots_of(params), 1, 1024), {}, params));
}

} // namespace
