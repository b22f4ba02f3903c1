/* Polynomials: the plan on count, values on clear against cosines in long double, noise on ckks. */
#include "circuit/polynomial.h"

#include "circuit/circuit_fixture.h"

using namespace circuit_test;

namespace {

typedef std::vector<double> Coefficients;

struct Polynomial {
    mzv_polynomial *p = nullptr;
    explicit Polynomial(const Coefficients &c) {
        EXPECT_EQ(mzv_polynomial_create(&p, c.data(), (uint32_t)c.size() - 1), MZV_OK) << mzv_last_error();
    }
    ~Polynomial() { mzv_polynomial_destroy(p); }
    const mzv_polynomial_facts &facts() const { return *mzv_polynomial_about(p); }
};

enum Parity { BOTH, EVEN, ODD };

Coefficients random_coefficients(uint32_t degree, Parity parity = BOTH) {
    Coefficients c = uniform(degree + 1, -1, 1, 77 + degree);
    for (uint32_t k = 0; k <= degree; k++)
        if ((parity == EVEN && k % 2) || (parity == ODD && k % 2 == 0)) c[k] = 0;
    return c;
}

uint32_t depth_of(uint32_t degree) { return (uint32_t)std::ceil(std::log2(degree + 1.0)); }

double norm1(const Coefficients &c) {
    double sum = 0;
    for (double x : c) sum += std::fabs(x);
    return sum;
}

/* By the definition T_k(cos a) = cos(k a). */
double reference(const Coefficients &c, double t) {
    const long double angle = std::acos((long double)t);
    long double sum = 0;
    for (size_t k = 0; k < c.size(); k++) sum += c[k] * std::cos((long double)k * angle);
    return (double)sum;
}

Job job_of(const Polynomial &p, const std::vector<double> &t, uint32_t spare = 0) {
    Job job;
    const uint32_t level = p.facts().levels + spare;
    job.params = toy(level);
    job.add_input(t, level);
    job.run = [&p](mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *x) {
        return mzv_polynomial_run(ev, out, x[0], p.p);
    };
    job.request = [&p, level](mzv_key_request *r) { return mzv_polynomial_request(p.p, r, level); };
    return job;
}

TEST(Polynomial, DepthIsLeastForEveryDegree) {
    for (uint32_t degree = 1; degree <= 127; degree++) {
        for (Parity parity : { BOTH, EVEN, ODD }) {
            if (parity != BOTH && (degree % 2 == 1) != (parity == ODD)) continue;
            const Polynomial p(random_coefficients(degree, parity));
            const mzv_circuit_cost cost = measure(job_of(p, { 0 }, 1));
            EXPECT_EQ(p.facts().degree, degree);
            EXPECT_EQ(p.facts().levels, depth_of(degree)) << degree;
            EXPECT_EQ(cost.levels, depth_of(degree)) << degree << " parity " << parity;
            EXPECT_EQ(cost.counts.n_key_switch, p.facts().n_key_switch) << degree;
            EXPECT_EQ(cost.counts.n_mul, p.facts().n_products) << degree;
            EXPECT_EQ(cost.counts.min_level, 1u) << degree;
        }
    }
}

TEST(Polynomial, DepthIsLeastForHighDegrees) {
    for (uint32_t degree : { 128u, 200u, 255u, 256u, 500u, 511u, 512u, 767u, 1022u, 1023u }) {
        const Polynomial p(random_coefficients(degree));
        const mzv_circuit_cost cost = measure(job_of(p, { 0 }));
        EXPECT_EQ(cost.levels, depth_of(degree)) << degree;
        EXPECT_EQ(cost.counts.n_key_switch, p.facts().n_key_switch) << degree;
    }
}

/* Paterson-Stockmeyer by single products, with blocks of b and the least depth: T_2 .. T_b, the doublings of
 * T_b below d + 1, one product to join every two neighbours, and the last block halved down to degree 1. */
uint32_t plain_key_switches(uint32_t log_n) {
    uint32_t best = UINT32_MAX;
    for (uint32_t log_b = 1; log_b < log_n; log_b++)
        best = std::min(best,
                        (1u << log_b) - 1 + (log_n - log_b - 1) + (1u << (log_n - log_b)) - 1 + (log_b - 1));
    return best;
}

TEST(Polynomial, KeySwitchesAreFew) {
    const struct {
        uint32_t log_n, both, odd; /* degree 2^log_n - 1 */
    } cases[] = { { 2, 2, 2 }, { 3, 4, 4 }, { 4, 7, 7 }, { 5, 10, 10 }, { 6, 15, 14 }, { 7, 20, 19 } };
    for (const auto &c : cases) {
        const uint32_t degree = (1u << c.log_n) - 1;
        EXPECT_EQ(Polynomial(random_coefficients(degree)).facts().n_key_switch, c.both) << degree;
        EXPECT_EQ(Polynomial(random_coefficients(degree, ODD)).facts().n_key_switch, c.odd) << degree;
        EXPECT_LE(c.both, plain_key_switches(c.log_n)) << degree;
    }
    EXPECT_EQ(plain_key_switches(7), 27u);
}

/* Doubling T_2m = 2 T_m^2 - 1 multiplies an error by up to 4 |T_m|: T_m collects at most m^2 roundings;
 * divided coefficients are below 2 norm1. */
double rounding(const Coefficients &c) {
    const double d = (double)c.size();
    return 4 * d * d * norm1(c) * 0x1p-53;
}

void expect_values(const Coefficients &c) {
    const Polynomial p(c);
    const std::vector<double> t = grid(slots_of(toy(1)), -1, 1);
    const Slots got = run_clear(job_of(p, t));
    const double tolerance = rounding(c);
    for (size_t i = 0; i < got.size(); i++)
        ASSERT_NEAR(got[i].real(), reference(c, t[i]), tolerance)
            << "degree " << c.size() - 1 << " t " << t[i];
}

TEST(Polynomial, ValuesForEveryDegree) {
    for (uint32_t degree = 1; degree <= 127; degree++) expect_values(random_coefficients(degree));
    for (uint32_t degree = 1; degree <= 63; degree++)
        expect_values(random_coefficients(degree, degree % 2 ? ODD : EVEN));
}

TEST(Polynomial, ValuesForHighAndSparseDegrees) {
    for (uint32_t degree : { 128u, 255u, 300u, 511u, 1023u }) expect_values(random_coefficients(degree));
    for (uint32_t degree : { 2u, 6u, 11u, 32u, 64u, 100u, 127u, 512u, 1023u }) {
        Coefficients c(degree + 1, 0.0);
        c[degree] = 1; /* T_d alone */
        expect_values(c);
        c[0] = -0.5;
        expect_values(c);
    }
}

TEST(Polynomial, TrailingZerosCostNothing) {
    Coefficients c = random_coefficients(15);
    c.resize(64, 0.0);
    const Polynomial p(c);
    EXPECT_EQ(p.facts().degree, 15u);
    EXPECT_EQ(p.facts().levels, 4u);
}

TEST(Polynomial, OutMayBeTheInputAndABatch) {
    const Coefficients c = random_coefficients(21);
    const Polynomial p(c);
    Job job = job_of(p, { 0 });
    const std::vector<double> t = uniform(3 * slots_of(job.params), -1, 1, 5);
    job.in[0] = Slots(t.begin(), t.end());
    Machine m;
    m.clear(job.params, 0, 3 * measure(job).counts.peak_bytes);
    mzv_cipher *x = m.put(job.in[0], p.facts().levels);
    ASSERT_EQ(mzv_polynomial_run(m.ev, x, x, p.p), MZV_OK) << mzv_last_error();
    EXPECT_EQ(mzv_cipher_level(x), 0u);
    const Slots got = m.get(x);
    for (size_t i = 0; i < got.size(); i++) ASSERT_NEAR(got[i].real(), reference(c, t[i]), rounding(c));
}

TEST(Polynomial, EncryptedNoiseIsPredicted) {
    for (uint32_t degree : { 1u, 2u, 3u, 5u, 8u, 15u, 31u, 47u, 63u }) {
        SCOPED_TRACE(degree);
        Coefficients c = random_coefficients(degree);
        for (uint32_t k = 1; k <= degree; k++) c[k] /= k;
        const Polynomial p(c);
        expect_predicted(job_of(p, uniform(slots_of(toy(1)), -1, 1, degree), degree % 3));
    }
}

TEST(Polynomial, EncryptedBatch) {
    const Polynomial p(random_coefficients(7));
    Job job = job_of(p, { 0 });
    const std::vector<double> t = uniform(2 * slots_of(job.params), -1, 1, 6);
    job.in[0] = Slots(t.begin(), t.end());
    expect_predicted(job);
}

TEST(Polynomial, RejectsWhatItCannotDo) {
    mzv_polynomial *p = nullptr;
    const double constant[] = { 3, 0, 0 }, bad[] = { 1, NAN };
    const Coefficients long_one(MZV_POLYNOMIAL_MAX_DEGREE + 2, 1.0);
    EXPECT_EQ(mzv_polynomial_create(&p, constant, 2), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_polynomial_create(&p, bad, 1), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_polynomial_create(&p, long_one.data(), MZV_POLYNOMIAL_MAX_DEGREE + 1), MZV_ERR_ARGUMENT);
    EXPECT_EQ(p, nullptr);
    mzv_polynomial_destroy(p);
}

TEST(Polynomial, TooLowALevelLeavesTheOutputAsItWas) {
    const Polynomial p(random_coefficients(8));
    Machine m;
    m.clear(toy(4), 0, 0);
    mzv_cipher *t = m.put(Slots(slots_of(toy(4)), 0.5), 3), *out = m.put(Slots(slots_of(toy(4)), 0.25), 2);
    EXPECT_EQ(mzv_polynomial_run(m.ev, out, t, p.p), MZV_ERR_LEVEL);
    EXPECT_NE(std::string(mzv_last_error()).find("level 3, need 4"), std::string::npos) << mzv_last_error();
    EXPECT_EQ(mzv_cipher_level(out), 2u);
    EXPECT_EQ(m.get(out)[0], 0.25);
    mzv_key_request *request = nullptr;
    ASSERT_EQ(mzv_key_request_create(&request), MZV_OK);
    EXPECT_EQ(mzv_polynomial_request(p.p, request, 3), MZV_ERR_LEVEL);
    mzv_key_request_destroy(request);
}

} // namespace
