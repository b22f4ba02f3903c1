/* The tables of docs/functions.md are what the code does: generated here, compared with the file.
 * MZV_UPDATE_DOCS=1 writes the file instead. Sections come from the test files that register them
 * (functions_table.h); those of polynomials, exp and 1/S are here. */
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "circuit/circuit_fixture.h"
#include "circuit/exp.h"
#include "circuit/functions_table.h"
#include "circuit/inverse.h"
#include "circuit/polynomial.h"
#include "math/chebyshev.h"

namespace {

using functions_table::print;

struct Row {
    const char *name;
    long double (*value)(void *, long double);
    double a, b;
    uint32_t degree;
};

long double gelu(void *, long double x) { return x * (1 + std::erf(x / std::sqrt(2.0L))) / 2; }
long double tanh_of(void *, long double x) { return std::tanh(x); }
long double exp_of(void *, long double x) { return std::exp(x); }
long double inverse_of(void *, long double x) { return 1 / x; }
long double root_of(void *, long double x) { return 1 / std::sqrt(x); }
long double silu(void *, long double x) { return x / (1 + std::exp(-x)); }

const Row rows[] = {
    { "GELU", gelu, -8, 8, 31 },         { "GELU", gelu, -8, 8, 47 },
    { "GELU", gelu, -12, 12, 59 },       { "GELU", gelu, -20, 20, 127 },
    { "SiLU", silu, -12, 12, 63 },       { "tanh", tanh_of, -4, 4, 31 },
    { "tanh", tanh_of, -8, 8, 63 },      { "exp", exp_of, -16, 0, 15 },
    { "exp", exp_of, -64, 0, 31 },       { "1/x", inverse_of, 1, 16, 31 },
    { "1/x", inverse_of, 1, 128, 63 },   { "1/x", inverse_of, 1, 128, 127 },
    { "x^-1/2", root_of, 0.1, 100, 31 }, { "x^-1/2", root_of, 0.1, 100, 63 },
    { "x^-1/2", root_of, 0.01, 6, 63 },
};

std::string polynomials() {
    std::string text =
        "Interpolants at Chebyshev nodes, evaluated by `mzv_polynomial_run`. Levels are "
        "ceil(log2(degree + 1)). Errors are\n"
        "absolute. A key switch is one relinearisation; products inside one dot product share it.\n\n"
        "| function | interval | degree | levels | key switches | products | max error |\n"
        "|---|---|---|---|---|---|---|\n";
    for (const Row &r : rows) {
        std::vector<double> c(r.degree + 1);
        double error = 0;
        const mzv_function f = { r.value, nullptr, r.a, r.b };
        mzv_polynomial *p = nullptr;
        EXPECT_EQ(mzv_chebyshev_fit(c.data(), r.degree, &f, &error), MZV_OK);
        EXPECT_EQ(mzv_polynomial_create(&p, c.data(), r.degree), MZV_OK);
        const mzv_polynomial_facts *about = mzv_polynomial_about(p);
        text += print("| %s | [%g, %g] | %u | %u | %u | %u | %.2e |\n", r.name, r.a, r.b, r.degree,
                      about->levels, about->n_key_switch, about->n_products, error);
        mzv_polynomial_destroy(p);
    }
    return text;
}

std::string exps() {
    const mzv_exp_spec specs[] = {
        { -16, 0, 0, 1e-6, 0, MZV_EXP_AUTO },
        { -64, 0, 0, 1e-5, 0, MZV_EXP_AUTO },
        { -64, 0, -12, 1e-3, 0, MZV_EXP_AUTO },
        { -150, 6, 6, 1e-4, 0, MZV_EXP_AUTO },
        { -150, 6, 6, 1e-4, 0, 1 },
        { -150, 6, 6, 1e-4, 0, 3 },
        { -150, 6, 6, 1e-4, 0, 5 },
        { -150, 6, 6, 1e-6, 0, MZV_EXP_AUTO },
        { -150, 6, -6, 1e-3, 0, MZV_EXP_AUTO },
        { -150, 6, -6, 1e-3, 0, 4 },
        { -150, 6, -18, 1e-2, 0, MZV_EXP_AUTO },
    };
    std::string text =
        "`mzv_exp_run`: a polynomial for exp(x / 2^r), squared r times. The error at x is measured against\n"
        "max(exp(x), exp(\"relative from\")); with the upper end there, against the largest value only. "
        "\"auto\" "
        "takes the fewest\n"
        "levels, then the fewest key switches.\n\n"
        "| interval | relative from | target | squarings | degree | levels | key switches | max error |\n"
        "|---|---|---|---|---|---|---|---|\n";
    for (const mzv_exp_spec &s : specs) {
        mzv_exp *e = nullptr;
        EXPECT_EQ(mzv_exp_create(&e, &s), MZV_OK) << mzv_last_error();
        if (!e) continue;
        const mzv_exp_facts *f = mzv_exp_about(e);
        text += print("| [%g, %g] | %g | %.0e | %u%s | %u | %u | %u | %.2e |\n", s.a, s.b, s.floor, s.target,
                      f->squarings, s.squarings == MZV_EXP_AUTO ? " (auto)" : "", f->degree, f->levels,
                      f->n_key_switch, f->error);
        mzv_exp_destroy(e);
    }
    return text;
}

std::string inverses() {
    std::string text =
        "`mzv_inverse_run`, with `mzv_inverse_refine` where refined (two levels, two key switches; they are "
        "counted). The error\n"
        "is the largest |S y / gain - 1| on [lo, hi]. Below lo the result stays positive and under y(0), "
        "given "
        "in units of\n"
        "gain / lo, before refinement.\n\n"
        "| hi / lo | target | refined | doublings | levels | key switches | max residual | y(0) lo / gain |\n"
        "|---|---|---|---|---|---|---|---|\n";
    for (double ratio : { 0x1p4, 0x1p7, 0x1p10, 0x1p12, 0x1p14, 0x1p20 })
        for (double target : { 1e-3, 1e-5 })
            for (bool refine : { false, true }) {
                const mzv_inverse_spec s = { 1, ratio, target, 1, refine };
                mzv_inverse *inverse = nullptr;
                EXPECT_EQ(mzv_inverse_create(&inverse, &s), MZV_OK) << mzv_last_error();
                if (!inverse) continue;
                const mzv_inverse_facts *f = mzv_inverse_about(inverse);
                text += print("| 2^%g | %.0e | %s | %u | %u | %u | %.2e | %.2f |\n", std::log2(ratio), target,
                              refine ? "yes" : "no", f->doublings, f->levels + (refine ? 2 : 0),
                              f->n_key_switch + (refine ? 2 : 0),
                              refine ? f->residual * f->residual : f->residual, f->below);
                mzv_inverse_destroy(inverse);
            }
    return text;
}

const functions_table::Entry entries[] = {
    { 100, "Chebyshev polynomials", polynomials },
    { 200, "exp", exps },
    { 300, "1/S", inverses },
};

std::string page() {
    std::string text =
        "# Functions on ciphertexts: errors and costs\n\n"
        "Generated and checked by `tests/circuit/functions_test.cc` (`MZV_UPDATE_DOCS=1 mzv_test_circuit\n"
        "--gtest_filter='Functions.*'` writes this page). Errors are measured in long double with "
        "coefficients "
        "rounded to\n"
        "double, at 24 points for each node and at both ends; the noise of CKKS comes on top. Levels count "
        "from "
        "an input\n"
        "already mapped to [-1, 1]; the map costs nothing when merged into the operation before, one level "
        "otherwise.\n";
    for (const functions_table::Section &s : functions_table::ordered())
        text += print("\n## %s\n\n", s.title) + s.text();
    return text;
}

bool is_measured(const std::string &token) {
    return token.find("e-") != std::string::npos && isdigit(token[0]);
}

/* Word by word; measured errors to 2 %, since long double functions differ in their last bits between C
 * libraries. */
TEST(Functions, PageIsWhatTheCodeDoes) {
    const char *path = MZV_SOURCE_DIR "/docs/functions.md";
    const std::string expected = page();
    if (std::getenv("MZV_UPDATE_DOCS")) {
        std::ofstream(path) << expected;
        GTEST_SKIP() << "wrote " << path;
    }
    std::ifstream file(path);
    ASSERT_TRUE(file.is_open()) << path;
    std::istringstream words(expected);
    std::string a, b;
    uint32_t n = 0, n_measured = 0;
    while (words >> a) {
        ASSERT_TRUE(file >> b) << "the page ends before word " << n << ", " << a;
        n++;
        if (is_measured(a) && is_measured(b)) {
            EXPECT_NEAR(std::stod(b) / std::stod(a), 1, 0.02) << "word " << n << ": " << a << " " << b;
            n_measured++;
        } else {
            ASSERT_EQ(a, b) << "word " << n << "; MZV_UPDATE_DOCS=1 writes the page anew";
        }
    }
    EXPECT_FALSE(file >> b) << "the page goes on after its end: " << b;
    EXPECT_GE(n_measured, 40u);
}

} // namespace
