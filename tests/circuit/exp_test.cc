/* exp: plans against long double expl, circuits on count, clear and ckks. */
#include "circuit/exp.h"

#include "circuit/circuit_fixture.h"

using namespace circuit_test;

namespace {

struct Exp {
    mzv_exp_spec spec;
    mzv_exp *e = nullptr;
    explicit Exp(const mzv_exp_spec &s) : spec(s) {
        EXPECT_EQ(mzv_exp_create(&e, &s), MZV_OK) << mzv_last_error();
    }
    ~Exp() { mzv_exp_destroy(e); }
    const mzv_exp_facts &facts() const { return *mzv_exp_about(e); }
    double t(double x) const { return mzv_exp_affine(e).scale * x + mzv_exp_affine(e).shift; }
};

const mzv_exp_spec specs[] = {
    { -1, 1, 1, 1e-6, 0, 0 },
    { -16, 0, 0, 1e-6, 0, 0 },
    { -64, 0, 0, 1e-5, 0, MZV_EXP_AUTO },
    { -150, 6, 6, 1e-4, 0, MZV_EXP_AUTO },
    { -150, 6, 6, 1e-4, 0, 3 },
    { -150, 6, -4, 1e-3, 0, MZV_EXP_AUTO },
    { -150, 6, 6, 1e-4, -6, 5 },
    { -30, 2, -8, 1e-3, 1, 2 },
    { -8, -2, -8, 1e-5, 2, 1 },
};

/* The circuit's error where the spec measures it, on a grid that is not the planner's. */
long double error_at(const Exp &e, long double x, long double y) {
    const long double gain = std::exp((long double)e.spec.log_gain);
    return std::fabs(y / gain - std::exp(x)) / std::exp(std::fmax(x, (long double)e.spec.floor));
}

TEST(Exp, ErrorIsWithinTheTargetAndAsReported) {
    for (const mzv_exp_spec &spec : specs) {
        const Exp e(spec);
        long double found = 0;
        for (double x : grid(20011, spec.a, spec.b))
            found = std::fmax(found, error_at(e, x, mzv_exp_value(e.e, x)));
        EXPECT_LE(e.facts().error, spec.target);
        EXPECT_LE(found, e.facts().error * 1.005) << spec.a << " " << spec.b;
        EXPECT_GE(found, e.facts().error * 0.9) << spec.a << " " << spec.b;
    }
}

TEST(Exp, OneDegreeLessMissesTheTarget) {
    for (const mzv_exp_spec &spec : specs) {
        const Exp e(spec);
        mzv_exp_spec stricter = spec;
        stricter.squarings = e.facts().squarings;
        stricter.target = e.facts().error * 0.999;
        const Exp next(stricter);
        EXPECT_GT(next.facts().degree, e.facts().degree);
        stricter.target = spec.target;
        EXPECT_EQ(Exp(stricter).facts().degree, e.facts().degree);
    }
}

TEST(Exp, AutoHasFewestLevels) {
    for (mzv_exp_spec spec : specs) {
        spec.squarings = MZV_EXP_AUTO;
        const Exp best(spec);
        for (uint32_t r = 0; r <= 6; r++) {
            spec.squarings = r;
            mzv_exp *e = nullptr;
            if (mzv_exp_create(&e, &spec) != MZV_OK) continue;
            const mzv_exp_facts *f = mzv_exp_about(e);
            EXPECT_LE(best.facts().levels, f->levels);
            if (best.facts().levels == f->levels) {
                EXPECT_LE(best.facts().n_key_switch, f->n_key_switch);
            }
            mzv_exp_destroy(e);
        }
    }
}

Job job_of(const Exp &e, const std::vector<double> &x, const mzv_params &params) {
    Job job;
    const uint32_t level = params.n_levels;
    job.params = params;
    std::vector<double> t;
    for (double v : x) t.push_back(e.t(v));
    job.add_input(t, level);
    job.run = [&e](mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *in) {
        return mzv_exp_run(ev, out, in[0], e.e);
    };
    job.request = [&e, level](mzv_key_request *r) { return mzv_exp_request(e.e, r, level); };
    return job;
}

TEST(Exp, CircuitHasTheLevelsAndCountsItSays) {
    for (const mzv_exp_spec &spec : specs) {
        const Exp e(spec);
        const mzv_circuit_cost cost = measure(job_of(e, { 0 }, toy(e.facts().levels)));
        EXPECT_EQ(cost.levels, e.facts().levels);
        EXPECT_EQ(cost.levels, mzv_exp_levels(e.e));
        EXPECT_EQ(cost.counts.n_key_switch, e.facts().n_key_switch);
    }
}

TEST(Exp, ClearIsWithinTheTarget) {
    for (const mzv_exp_spec &spec : specs) {
        const Exp e(spec);
        const mzv_params params = toy(e.facts().levels);
        const std::vector<double> x = grid(slots_of(params), spec.a, spec.b);
        const Slots y = run_clear(job_of(e, x, params));
        /* Doubles: T_m collects m^2 roundings, of p's coefficients' sum (below 2 max p), r squarings double
         * them. */
        const double d = e.facts().degree + 1;
        const double rounding = 8 * d * d * std::ldexp(0x1p-53, (int)e.facts().squarings) *
                                std::exp(spec.b - std::fmin(spec.b, spec.floor));
        for (size_t i = 0; i < x.size(); i++)
            ASSERT_LE(error_at(e, x[i], y[i].real()), e.facts().error * 1.005 + rounding) << x[i];
    }
}

TEST(Exp, TakesXWithOneLevelMore) {
    const Exp e({ -16, 0, 0, 1e-4, 0, 1 });
    Machine m;
    const mzv_params params = toy(e.facts().levels + 1);
    m.clear(params, 0, 0);
    const std::vector<double> x = grid(slots_of(params), -16, 0);
    mzv_cipher *c = m.put(Slots(x.begin(), x.end()), params.n_levels);
    ASSERT_EQ(mzv_affine_run(m.ev, c, c, mzv_exp_affine(e.e)), MZV_OK);
    ASSERT_EQ(mzv_exp_run(m.ev, c, c, e.e), MZV_OK);
    EXPECT_EQ(mzv_cipher_level(c), 0u);
    const Slots y = m.get(c);
    for (size_t i = 0; i < x.size(); i++) ASSERT_NEAR(y[i].real(), std::exp(x[i]), 1.01e-4);
}

TEST(Exp, EncryptedNoiseIsPredicted) {
    for (const mzv_exp_spec &spec : { specs[0], specs[1], specs[4], specs[7] }) {
        const Exp e(spec);
        const mzv_params params = toy(e.facts().levels);
        expect_predicted(job_of(e, uniform(slots_of(params), spec.a, spec.b, 8), params));
    }
}

TEST(Exp, RejectsWhatItCannotDo) {
    mzv_exp *e = nullptr;
    const struct {
        mzv_exp_spec spec;
        mzv_status status;
    } cases[] = {
        { { 1, 1, 1, 1e-3, 0, 0 }, MZV_ERR_ARGUMENT },    { { -1, 1, 2, 1e-3, 0, 0 }, MZV_ERR_ARGUMENT },
        { { -1, 1, -2, 1e-3, 0, 0 }, MZV_ERR_ARGUMENT },  { { -1, NAN, 0, 1e-3, 0, 0 }, MZV_ERR_ARGUMENT },
        { { -1, 700, 0, 1e-3, 0, 0 }, MZV_ERR_ARGUMENT }, { { -1, 1, 0, 1e-3, 601, 0 }, MZV_ERR_ARGUMENT },
        { { -1, 1, 0, 0, 0, 0 }, MZV_ERR_ARGUMENT },      { { -1, 1, 0, 1, 0, 0 }, MZV_ERR_ARGUMENT },
        { { -1, 1, 0, 1e-3, 0, 13 }, MZV_ERR_ARGUMENT },  { { -60, 6, -60, 1e-3, 0, 0 }, MZV_ERR_PRECISION },
    };
    for (const auto &c : cases) EXPECT_EQ(mzv_exp_create(&e, &c.spec), c.status) << mzv_last_error();
    EXPECT_EQ(e, nullptr);
    mzv_exp_destroy(e);
    const Exp good(specs[1]);
    Machine m;
    m.clear(toy(2), 0, 0);
    mzv_cipher *t = m.put(Slots(slots_of(toy(2))), 2);
    EXPECT_EQ(mzv_exp_run(m.ev, t, t, good.e), MZV_ERR_LEVEL);
    EXPECT_EQ(mzv_cipher_level(t), 2u);
}

/* 128 bits, N = 2^15: the interval of a softmax. */
TEST(SlowExp, At128Bits) {
    mzv_params params;
    ASSERT_EQ(mzv_params_named(&params, "n15-leveled"), MZV_OK);
    const Exp e(specs[4]);
    ASSERT_GE(params.n_levels, e.facts().levels);
    expect_predicted(job_of(e, uniform(slots_of(params), -150, 6, 8), params));
}

} // namespace
