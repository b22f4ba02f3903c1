// The bilinear least squares: a known matrix is found again, and early stopping only helps the residual.
#include "math/bilinear_fit.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <random>
#include <vector>

namespace {

struct Rows {
    uint32_t n, d, c;
    std::vector<float> q, x, y, m;
    Rows(uint32_t n_, uint32_t d_, uint32_t c_, float noise) : n(n_), d(d_), c(c_), q(n * d), x(n * c), y(n), m(d * c) {
        std::minstd_rand rng(7);
        std::normal_distribution<float> normal;
        for (float *p : {q.data(), x.data(), m.data()}) {
            const size_t size = p == q.data() ? q.size() : p == x.data() ? x.size() : m.size();
            for (size_t i = 0; i < size; i++) p[i] = normal(rng);
        }
        for (uint32_t r = 0; r < n; r++) { // the definition, in double
            double s = noise * normal(rng);
            for (uint32_t i = 0; i < d; i++)
                for (uint32_t j = 0; j < c; j++) s += double(q[r * d + i]) * m[i * c + j] * x[r * c + j];
            y[r] = static_cast<float>(s);
        }
    }
    mzv_bilinear_rows view() const { return {q.data(), x.data(), y.data(), n, d, c}; }
};

double residual(const Rows &r, const std::vector<float> &m) {
    std::vector<float> value(r.n);
    const mzv_bilinear_rows rows = r.view();
    mzv_bilinear_apply(value.data(), m.data(), &rows);
    double s = 0;
    for (uint32_t i = 0; i < r.n; i++) s += (r.y[i] - value[i]) * (r.y[i] - value[i]);
    return std::sqrt(s / r.n);
}

TEST(BilinearFit, FindsTheMatrixThatMadeTheRows) {
    const Rows r(600, 5, 7, 0);
    std::vector<float> m(r.d * r.c);
    const mzv_bilinear_rows rows = r.view();
    ASSERT_EQ(mzv_bilinear_fit(m.data(), &rows, 200), MZV_OK);
    for (size_t i = 0; i < m.size(); i++) EXPECT_NEAR(m[i], r.m[i], 2e-4) << i;
}

TEST(BilinearFit, MoreIterationsFitTheRowsBetter) {
    const Rows r(400, 8, 16, 1);
    const mzv_bilinear_rows rows = r.view();
    double before = INFINITY;
    for (uint32_t n : {0u, 2u, 10u, 80u}) {
        std::vector<float> m(r.d * r.c);
        ASSERT_EQ(mzv_bilinear_fit(m.data(), &rows, n), MZV_OK);
        const double now = residual(r, m);
        EXPECT_LT(now, before) << n;
        before = now;
    }
    EXPECT_LT(before, 1.0); // 128 unknowns take their share of the noise's 400
}

TEST(BilinearFit, DoesNotDependOnTheNumberOfThreads) {
    const Rows r(333, 4, 9, 1);
    const mzv_bilinear_rows rows = r.view();
    std::vector<float> one(r.d * r.c), two(r.d * r.c);
    const int threads = omp_get_max_threads();
    omp_set_num_threads(1);
    ASSERT_EQ(mzv_bilinear_fit(one.data(), &rows, 20), MZV_OK);
    omp_set_num_threads(2);
    ASSERT_EQ(mzv_bilinear_fit(two.data(), &rows, 20), MZV_OK);
    omp_set_num_threads(threads);
    EXPECT_EQ(one, two);
}

} // namespace
