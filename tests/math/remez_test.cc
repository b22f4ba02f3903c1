/* Best polynomials against closed forms, mpmath (tests/vectors/math_remez.py) and the theorem of alternation.
 */
#include "math/remez.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "base/arena.h"
#include "base/fault.h"
#include "math/chebyshev.h"

namespace {

typedef long double (*Function)(void *, long double);

const mzv_interval unit = { -1, 1 };

long double one(void *, long double) { return 1; }
long double step(void *, long double x) { return x < 0 ? -1 : 1; }
long double size(void *, long double x) { return std::fabs(x); }
long double power(void *n, long double x) { return std::pow(x, (long double)*static_cast<int *>(n)); }
long double exponential(void *, long double x) { return std::exp(x); }

/* T_k's on [-1, 1], weight 1. */
mzv_remez_spec plain(Function f, const mzv_interval *on, uint32_t n_on, uint32_t degree,
                     mzv_parity parity = MZV_PARITY_NONE) {
    mzv_remez_spec s = {};
    s.value = f;
    s.on = on;
    s.n_on = n_on;
    s.a = -1;
    s.b = 1;
    s.degree = degree;
    s.parity = parity;
    s.tolerance = 1e-9;
    return s;
}

struct Best {
    std::vector<double> coeff;
    mzv_remez_facts facts = {};
    explicit Best(const mzv_remez_spec &s) : coeff(s.degree + 1, 7.0) {
        EXPECT_EQ(mzv_remez(coeff.data(), &facts, &s), MZV_OK) << mzv_last_error();
    }
};

/* The measured error is the best one, within the tolerance and the rounding of n coefficients of this size.
 */
void expect_error(const Best &best, long double expected, double largest = 2) {
    const double rounding = (double)best.coeff.size() * largest * 0x1p-53;
    EXPECT_NEAR(best.facts.error, expected, 1.01e-9L * expected + rounding) << best.coeff.size() - 1;
    EXPECT_LE(best.facts.lower, expected * (1 + 1e-15L) + rounding / 256) << best.coeff.size() - 1;
}

/* x^n by degree n - 1: x^n - T_n / 2^(n-1). */
TEST(Remez, PowersLeaveChebyshevPolynomials) {
    for (int n = 1; n <= 24; n++) {
        mzv_remez_spec s = plain(power, &unit, 1, (uint32_t)n - 1);
        s.user = &n;
        const Best best(s);
        expect_error(best, std::ldexp(1.0L, 1 - n), 1);
        double value = 0; /* x^n - p at 1 is 2^(1-n) */
        for (double c : best.coeff) value += c;
        EXPECT_NEAR(1 - value, std::ldexp(1.0, 1 - n), 1e-6 * std::ldexp(1.0, 1 - n) + n * 0x1p-52);
    }
}

/* x^2n by degree 2n - 1 on two intervals [-1, -e] and [e, 1]: the polynomial 2 ((1-e^2)/4)^n T_n in x^2,
 * which maps both on [-1, 1]. */
TEST(Remez, PowersOnTwoIntervals) {
    for (double e : { 0.5, 0.125 })
        for (int n = 1; n <= 8; n++) {
            int twice = 2 * n;
            const mzv_interval on[2] = { { -1, -e }, { e, 1 } };
            mzv_remez_spec s = plain(power, on, 2, 2 * (uint32_t)n - 1);
            s.user = &twice;
            const long double expected = 2 * std::pow((1 - (long double)e * e) / 4, (long double)n);
            expect_error(Best(s), expected, 1);
            s.on = &on[1];
            s.n_on = 1;
            s.degree--;
            s.parity = MZV_PARITY_EVEN;
            expect_error(Best(s), expected, 1);
        }
}

/* 1/(x - c), c > 1: (c - sqrt(c^2 - 1))^n / (c^2 - 1), Chebyshev's own example [Che66, chapter 3]. */
TEST(Remez, SimplePole) {
    static long double c;
    for (long double at : { 1.25L, 2.0L, 5.0L }) {
        c = at;
        const Function pole = [](void *, long double x) { return 1 / (x - c); };
        for (uint32_t n = 0; n <= 8; n++)
            expect_error(Best(plain(pole, &unit, 1, n)),
                         std::pow(c - std::sqrt(c * c - 1), (long double)n) / (c * c - 1), 5);
    }
}

/* Weighted: 1/x with weight x leaves T_D(t) / T_D(t0), see circuit/inverse.h. */
TEST(Remez, WeightedInverse) {
    for (double lo : { 0.5, 0.0625, 0.0078125 })
        for (uint32_t size_of : { 1u, 2u, 4u, 7u, 16u, 31u }) {
            const mzv_interval on = { lo, 1 };
            mzv_remez_spec s = plain([](void *, long double x) { return 1 / x; }, &on, 1, size_of - 1);
            s.weight = [](void *, long double x) { return x; };
            s.a = lo;
            const long double eta = 2 * std::atanh(std::sqrt((long double)lo));
            const long double expected = 1 / std::cosh(size_of * eta);
            if (expected < 1e-8L) continue; /* long double does not carry 1e-9 of it */
            expect_error(Best(s), expected, 1 / lo);
        }
}

/* Of high degree, where a bad start never recovers. */
TEST(Remez, WeightedInverseOfDegree255) {
    const mzv_interval on = { 0x1p-14, 1 };
    mzv_remez_spec s = plain([](void *, long double x) { return 1 / x; }, &on, 1, 255);
    s.weight = [](void *, long double x) { return x; };
    s.a = on.a;
    s.tolerance = 1e-6;
    const double expected = (double)(1 / std::cosh(256 * 2 * std::atanh(0x1p-7L)));
    EXPECT_NEAR(Best(s).facts.error / expected, 1, 1e-6);
}

/* The sign on [-1, -e] and [e, 1]: degree 1 is 2x / (1 + e); degree 3, b (1 + e + e^2) x - b x^3, takes 1 - E
 * at e and 1, and 1 + E = 2 b c^3 at c = sqrt((1 + e + e^2) / 3), between. */
TEST(Remez, SignOfLowDegree) {
    for (long double e : { 0.5L, 0.1L, 0x1p-8L, 0x1p-20L }) {
        const mzv_interval on = { (double)e, 1 }, both[2] = { { -1, -(double)e }, { (double)e, 1 } };
        e = on.a;
        const Best first(plain(one, &on, 1, 1, MZV_PARITY_ODD));
        expect_error(first, (1 - e) / (1 + e));
        EXPECT_NEAR(first.coeff[1], 2 / (1 + e), 1e-9);
        EXPECT_EQ(first.coeff[0], 0);
        const long double c = std::sqrt((1 + e + e * e) / 3), cube = 2 * c * c * c, chord = e * (1 + e);
        const Best third(plain(one, &on, 1, 3, MZV_PARITY_ODD));
        expect_error(third, (cube - chord) / (cube + chord));
        EXPECT_EQ(third.facts.n_points, 3u);
        EXPECT_EQ(third.coeff[2], 0);
        const long double b = 2 / (cube + chord);
        EXPECT_NEAR(third.coeff[1], b * (1 + e + e * e) - 0.75L * b, 1e-6L);
        EXPECT_NEAR(third.coeff[3], -b / 4, 1e-6L);
        expect_error(Best(plain(step, both, 2, 3)), (cube - chord) / (cube + chord));
    }
}

/* Degree 2m + 1: E sqrt(m) ((1 + e) / (1 - e))^m tends to (1 - e) / sqrt(pi e) [EY07, theorem 1]; what is
 * missing falls as 1 / (m e), of which it has less than a quarter. */
TEST(Remez, SignOfHighDegree) {
    for (long double e : { 0.25L, 0.125L, 0.0625L }) {
        const mzv_interval on = { (double)e, 1 };
        long double before = 1;
        for (uint32_t m = 8; m <= 64; m *= 2) {
            if (m * e > 8) continue; /* below 1e-8: not to 1e-9 of it */
            const Best best(plain(one, &on, 1, 2 * m + 1, MZV_PARITY_ODD));
            const long double limit = (1 - e) / std::sqrt(3.14159265358979323846L * e);
            const long double scaled =
                best.facts.error * std::sqrt((long double)m) * std::pow((1 + e) / (1 - e), (long double)m);
            const long double off = std::fabs(scaled / limit - 1);
            EXPECT_LT(off, 0.75L * before) << (double)e << " " << m;
            EXPECT_LT(off, 0.25L / (m * e)) << (double)e << " " << m;
            before = off;
        }
    }
}

/* |x|: 1/2, 1/8, and 0.0676209 at degree 4; 2m E_2m grows to 0.2801694990.. [VC85]. */
TEST(Remez, AbsoluteValue) {
    expect_error(Best(plain(size, &unit, 1, 0)), 0.5L);
    expect_error(Best(plain(size, &unit, 1, 1)), 0.5L);
    const Best second(plain(size, &unit, 1, 2));
    expect_error(second, 0.125L);
    EXPECT_NEAR(second.coeff[0], 0.125 + 0.5, 1e-9); /* x^2 + 1/8 */
    EXPECT_NEAR(second.coeff[2], 0.5, 1e-9);
    EXPECT_NEAR(Best(plain(size, &unit, 1, 4)).facts.error, 0.0676209, 5e-8);
    double before = 0;
    for (uint32_t degree = 2; degree <= 64; degree *= 2) {
        const Best best(plain(size, &unit, 1, degree));
        EXPECT_GT(degree * best.facts.error, before);
        before = degree * best.facts.error;
        const mzv_interval half = { 0, 1 };
        EXPECT_NEAR(Best(plain(size, &half, 1, degree, MZV_PARITY_EVEN)).facts.error, best.facts.error,
                    2e-9 * best.facts.error);
    }
    EXPECT_LT(before, 0.2801694990);
    EXPECT_GT(before, 0.2800);
}

/* e^x on [0, 1] by a line: slope e - 1; 2E = the chord's distance from the tangent that is parallel to it. */
TEST(Remez, LineThroughTheExponential) {
    const mzv_interval on = { 0, 1 };
    mzv_remez_spec s = plain(exponential, &on, 1, 1);
    s.a = 0;
    const Best best(s);
    const long double slope = std::exp(1.0L) - 1;
    expect_error(best, (1 - slope + slope * std::log(slope)) / 2);
    EXPECT_NEAR(2 * best.coeff[1], slope, 1e-9);
}

TEST(Remez, AgreesWithMpmath) {
    const std::map<std::string, Function> functions = {
        { "exp", exponential },
        { "abs", size },
        { "gelu", [](void *, long double x) { return x * (1 + std::erf(x / std::sqrt(2.0L))) / 2; } },
        { "sqrt_relative", [](void *, long double x) { return std::sqrt(x); } },
    };
    std::ifstream in(MZV_SOURCE_DIR "/tests/vectors/math_remez.txt");
    std::string name;
    double a, b, error;
    uint32_t degree, n = 0;
    while (in >> name >> a >> b >> degree >> error) {
        const mzv_interval on = { a, b };
        mzv_remez_spec s = plain(functions.at(name), &on, 1, degree);
        s.a = a;
        s.b = b;
        if (name == "sqrt_relative") s.weight = [](void *, long double x) { return 1 / std::sqrt(x); };
        const Best best(s);
        expect_error(best, error);
        /* Near the best polynomial p*, w |p - p*| is at most a multiple of error - lower, which is 1e-9 of
         * the error [Che66, strong unicity]; 1,000 allows for each. */
        for (uint32_t k = 0; k <= degree; k++) {
            double expected;
            ASSERT_TRUE(in >> expected);
            EXPECT_NEAR(best.coeff[k], expected, 1e-6 * error + 2 * std::fabs(expected) * 0x1p-53)
                << name << " c" << k;
        }
        n++;
    }
    EXPECT_EQ(n, 8u);
}

/* The definition, on three intervals, with a weight and a basis wider than they: the error takes +-E at
 * degree + 2 points at least, in turn, and is nowhere larger. */
TEST(Remez, ErrorAlternates) {
    const mzv_interval on[3] = { { -0.9, -0.5 }, { -0.1, 0.05 }, { 0.4, 0.95 } };
    for (uint32_t degree : { 0u, 1u, 3u, 8u, 20u }) {
        mzv_remez_spec s =
            plain([](void *, long double x) { return std::cos(9 * x) + std::fabs(x - 0.2L); }, on, 3, degree);
        s.weight = [](void *, long double x) { return 2 + x; };
        const Best best(s);
        EXPECT_EQ(best.facts.n_points, degree + 2);
        uint32_t n = 0;
        int last = 0;
        for (const mzv_interval &i : on)
            for (uint32_t k = 0; k <= 20000; k++) {
                const long double x = i.a + ((long double)i.b - i.a) * k / 20000;
                const long double p = mzv_chebyshev_value(best.coeff.data(), degree, x);
                const long double e = s.weight(nullptr, x) * (s.value(nullptr, x) - p) / best.facts.error;
                ASSERT_LE(std::fabs(e), 1 + 1e-12L) << (double)x;
                const int sign = std::fabs(e) < 1 - 1e-4L ? 0 : e < 0 ? -1 : 1;
                if (sign && sign != last) n++;
                if (sign) last = sign;
            }
        EXPECT_GE(n, degree + 2);
        EXPECT_GE(best.facts.lower, best.facts.error * (1 - 1.01e-9));
        EXPECT_LE(best.facts.lower, best.facts.error * (1 + 1e-12));
    }
}

TEST(Remez, FindsPolynomialsThemselves) {
    int three = 3;
    mzv_remez_spec s = plain(power, &unit, 1, 7);
    s.user = &three;
    const Best best(s);
    EXPECT_EQ(best.facts.lower, 0);
    EXPECT_LT(best.facts.error, 1e-16);
    EXPECT_DOUBLE_EQ(best.coeff[1], 0.75);
    EXPECT_DOUBLE_EQ(best.coeff[3], 0.25);
    const mzv_interval half = { 0, 1 };
    s.on = &half;
    s.parity = MZV_PARITY_ODD;
    EXPECT_DOUBLE_EQ(Best(s).coeff[3], 0.25);
}

TEST(Remez, SaysWhatItCannotReach) {
    double coeff[64] = { 5 };
    mzv_remez_facts facts = { 9, 9, 9, 9 };
    mzv_remez_spec s = plain(exponential, &unit, 1, 15); /* 1.5e-18 from e^x */
    EXPECT_EQ(mzv_remez(coeff, &facts, &s), MZV_OK);     /* which is e^x itself to 2^-56 */
    EXPECT_EQ(facts.lower, 0);
    s.degree = 12; /* 4e-14, of which long double holds 1e-6 */
    facts.error = 9;
    coeff[0] = 5;
    EXPECT_EQ(mzv_remez(coeff, &facts, &s), MZV_ERR_PRECISION);
    EXPECT_NE(std::string(mzv_last_error()).find("bound"), std::string::npos) << mzv_last_error();
    EXPECT_EQ(facts.error, 9);
    EXPECT_EQ(coeff[0], 5);
    s.tolerance = 1e-3;
    EXPECT_EQ(mzv_remez(coeff, &facts, &s), MZV_OK) << mzv_last_error();
}

TEST(Remez, RejectsWhatItCannotDo) {
    double coeff[MZV_REMEZ_MAX_DEGREE + 2] = { 5 };
    mzv_remez_facts facts = { 9, 9, 9, 9 };
    const mzv_interval empty = { 0.5, 0.5 }, wide = { -1, 2 }, meet[2] = { { -1, 0 }, { 0, 1 } };
    const mzv_remez_spec good = plain(one, &unit, 1, 3);
    std::vector<mzv_remez_spec> bad(11, good);
    bad[0].n_on = 0;
    bad[1].n_on = MZV_REMEZ_MAX_INTERVALS + 1;
    bad[2].on = &empty;
    bad[3].on = &wide;
    bad[4].on = meet;
    bad[4].n_on = 2;
    bad[5].parity = MZV_PARITY_ODD; /* on [-1, 1] instead of a part of [0, 1] */
    bad[6].a = -2;
    bad[6].parity = MZV_PARITY_EVEN;
    bad[7].degree = MZV_REMEZ_MAX_DEGREE + 1;
    bad[8].tolerance = 0;
    bad[9].b = INFINITY;
    bad[10].tolerance = NAN;
    for (const mzv_remez_spec &s : bad)
        EXPECT_EQ(mzv_remez(coeff, &facts, &s), MZV_ERR_ARGUMENT) << &s - bad.data();
    mzv_remez_spec s = good;
    s.value = [](void *, long double x) { return 1 / (x + 1); };
    EXPECT_EQ(mzv_remez(coeff, &facts, &s), MZV_ERR_RANGE);
    s = good;
    s.weight = [](void *, long double x) { return x; };
    EXPECT_EQ(mzv_remez(coeff, &facts, &s), MZV_ERR_RANGE);
    EXPECT_EQ(coeff[0], 5);
    EXPECT_EQ(facts.n_points, 9u);
}

TEST(Remez, SurvivesEveryFailedAllocation) {
    const int64_t live = mzv_alloc_live();
    const mzv_remez_spec s = plain(exponential, &unit, 1, 3);
    double coeff[4];
    mzv_remez_facts facts;
    mzv_status status = MZV_ERR_MEMORY;
    uint32_t n = 0;
    for (; status != MZV_OK && n < 10; n++) {
        mzv_test_fail_alloc_after(n);
        status = mzv_remez(coeff, &facts, &s);
        mzv_test_fail_alloc_after(-1);
        ASSERT_TRUE(status == MZV_OK || status == MZV_ERR_MEMORY) << mzv_last_error();
        ASSERT_EQ(mzv_alloc_live(), live);
    }
    EXPECT_EQ(n, 3u);
}

} // namespace
