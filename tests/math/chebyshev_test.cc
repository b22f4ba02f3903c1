/* Chebyshev interpolation against mpmath (tests/vectors/circuit_vectors.py), and its measured errors. */
#include "math/chebyshev.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <string>
#include <vector>

namespace {

typedef long double (*Function)(void *, long double);

const std::map<std::string, Function> functions = {
    { "exp", [](void *, long double x) { return std::exp(x); } },
    { "erf", [](void *, long double x) { return std::erf(x); } },
    { "inverse", [](void *, long double x) { return 1 / x; } },
    { "gelu", [](void *, long double x) { return x * (1 + std::erf(x / std::sqrt(2.0L))) / 2; } },
};

mzv_function function(const std::string &name, double a, double b) {
    return { functions.at(name), nullptr, a, b };
}

TEST(Chebyshev, AgreesWithMpmath) {
    std::ifstream in(MZV_SOURCE_DIR "/tests/vectors/circuit_chebyshev.txt");
    std::string name;
    double a, b, worst;
    uint32_t degree, n = 0;
    while (in >> name >> a >> b >> degree >> worst) {
        std::vector<double> coeff(degree + 1);
        double error = -1;
        const mzv_function f = function(name, a, b);
        ASSERT_EQ(mzv_chebyshev_fit(coeff.data(), degree, &f, &error), MZV_OK);
        double largest = 0;
        for (double c : coeff) largest = std::fmax(largest, std::fabs(c));
        for (uint32_t k = 0; k <= degree; k++) {
            double expected;
            ASSERT_TRUE(in >> expected);
            /* Long double sums of degree + 1 terms, one rounding to double, zeros below 2^-58 of the largest.
             */
            EXPECT_NEAR(coeff[k], expected, std::fabs(expected) * 0x1p-53 + largest * 0x1p-57)
                << name << " c" << k;
        }
        /* The grid may miss 0.3 % of an extremum; double coefficients add degree roundings of 2^-53. */
        EXPECT_NEAR(error, worst, 0.01 * worst + largest * degree * 0x1p-53) << name << " " << degree;
        n++;
    }
    EXPECT_EQ(n, 7u);
}

TEST(Chebyshev, InterpolatesPolynomialsExactly) {
    const mzv_function f = { [](void *, long double x) { return 4 * x * x * x - 3 * x + 2; }, nullptr, -1,
                             1 };
    double coeff[8], error = -1;
    ASSERT_EQ(mzv_chebyshev_fit(coeff, 7, &f, &error), MZV_OK);
    const double expected[8] = { 2, 0, 0, 1, 0, 0, 0, 0 };
    for (int k = 0; k < 8; k++) EXPECT_DOUBLE_EQ(coeff[k], expected[k]) << k;
    EXPECT_LT(error, 1e-17);
}

TEST(Chebyshev, OddAndEvenFunctionsGiveOddAndEvenSeries) {
    double coeff[32];
    const mzv_function odd = function("erf", -3, 3);
    ASSERT_EQ(mzv_chebyshev_fit(coeff, 31, &odd, nullptr), MZV_OK);
    for (int k = 0; k < 32; k++) EXPECT_EQ(coeff[k] == 0, k % 2 == 0) << k;
    const mzv_function even = { [](void *, long double x) { return std::exp(-x * x); }, nullptr, -3, 3 };
    ASSERT_EQ(mzv_chebyshev_fit(coeff, 31, &even, nullptr), MZV_OK);
    for (int k = 0; k < 32; k++) EXPECT_EQ(coeff[k] == 0, k % 2 == 1) << k;
}

TEST(Chebyshev, ValueIsTheSeries) {
    const double coeff[] = { 0.5, -1, 0.25, 3, -0.125, 0.75 };
    for (long double t = -1; t <= 1; t += 0.125L) {
        long double sum = 0;
        for (int k = 0; k < 6; k++) sum += coeff[k] * std::cos(k * std::acos(t));
        EXPECT_NEAR(mzv_chebyshev_value(coeff, 5, t), sum, 1e-17L);
    }
    EXPECT_DOUBLE_EQ(mzv_chebyshev_value(coeff, 2, 2), 0.5 - 2 + 0.25 * 7); /* T_2(2) = 7 */
}

TEST(Chebyshev, ErrorIsTheLargestDifference) {
    const double zero[] = { 0 };
    const mzv_function f = { [](void *, long double x) { return 1 - x * x; }, nullptr, -1, 3 };
    EXPECT_DOUBLE_EQ(mzv_chebyshev_error(zero, 0, &f), 8); /* at x = 3 */
}

TEST(Chebyshev, DegreeIsTheLeastThatReachesTheTarget) {
    for (double target : { 1e-2, 1e-4, 1e-7, 1e-10 }) {
        const mzv_function f = function("exp", -16, 0);
        uint32_t degree = 0;
        ASSERT_EQ(mzv_chebyshev_degree(&degree, &f, target, 127), MZV_OK);
        std::vector<double> coeff(degree + 1);
        double error = 1, shorter = 0;
        ASSERT_EQ(mzv_chebyshev_fit(coeff.data(), degree, &f, &error), MZV_OK);
        ASSERT_EQ(mzv_chebyshev_fit(coeff.data(), degree - 1, &f, &shorter), MZV_OK);
        EXPECT_LE(error, target);
        EXPECT_GT(shorter, target) << degree;
    }
}

TEST(Chebyshev, RejectsWhatItCannotDo) {
    double coeff[64], error = 7;
    uint32_t degree = 99;
    mzv_function f = function("exp", 2, 2);
    EXPECT_EQ(mzv_chebyshev_fit(coeff, 3, &f, &error), MZV_ERR_ARGUMENT);
    f = function("exp", 0, INFINITY);
    EXPECT_EQ(mzv_chebyshev_fit(coeff, 3, &f, &error), MZV_ERR_ARGUMENT);
    f = function("exp", 0, 1);
    EXPECT_EQ(mzv_chebyshev_fit(coeff, MZV_CHEBYSHEV_MAX_DEGREE + 1, &f, &error), MZV_ERR_ARGUMENT);
    f = { [](void *, long double x) { return std::sqrt(x); }, nullptr, -1, 1 };
    EXPECT_EQ(mzv_chebyshev_fit(coeff, 3, &f, &error), MZV_ERR_RANGE);
    EXPECT_NE(std::string(mzv_last_error()).find("not finite"), std::string::npos);
    f = { [](void *, long double x) { return std::fabs(x); }, nullptr, -1, 1 };
    EXPECT_EQ(mzv_chebyshev_degree(&degree, &f, 1e-6, 63), MZV_ERR_PRECISION);
    EXPECT_EQ(mzv_chebyshev_degree(&degree, &f, 0, 63), MZV_ERR_ARGUMENT);
    EXPECT_EQ(degree, 99u);
    EXPECT_EQ(error, 7);
}

} // namespace
