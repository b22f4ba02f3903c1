/* The tables of docs/functions.md are what the code does: generated here, compared with the file.
 * MZV_UPDATE_DOCS=1 writes the file instead. Sections come from the test files that register them
 * (functions_table.h); those of polynomials, exp and 1/S are here. */
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "circuit/circuit_fixture.h"
#include "circuit/exp.h"
#include "circuit/activation.h"
#include "circuit/functions_table.h"
#include "circuit/inverse.h"
#include "circuit/inverse_root.h"
#include "circuit/nexus_gelu.h"
#include "circuit/sign.h"
#include "circuit/softmax.h"
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

/* ---- NEXUS beside the defaults ---- */

std::string beside(const char *name, const char *recipe, uint32_t levels, uint32_t n_key_switch,
                   double error) {
    return print("| %s | %s | %u | %u | %.2e |\n", name, recipe, levels, n_key_switch, error);
}

std::string both_signs() {
    std::string text;
    for (const mzv_sign_recipe recipe : { MZV_SIGN_NEXUS, MZV_SIGN_MINIMAX }) {
        const mzv_sign_spec spec = { 0x1p-8, 1, 1e-3, 1, 0, 0x1p-30, recipe };
        mzv_sign *sign = nullptr;
        EXPECT_EQ(mzv_sign_create(&sign, &spec), MZV_OK) << mzv_last_error();
        const mzv_sign_facts *f = mzv_sign_about(sign);
        text += beside("Sgn, gap 2^-8, 1e-03", recipe == MZV_SIGN_NEXUS ? "NEXUS" : "minimax parts",
                       f->levels, f->n_key_switch, f->error);
        mzv_sign_destroy(sign);
    }
    return text;
}

std::string both_gelus() {
    const char name[] = "GELU, [-60, 60], 1e-03";
    const mzv_nexus_gelu_spec pieces = { 60, 1e-3, 0, MZV_SIGN_NEXUS };
    const mzv_activation_spec one = { MZV_GELU, -60, 60, 1e-3, 1, MZV_ACTIVATION_AUTO };
    mzv_nexus_gelu *nexus = nullptr;
    mzv_activation *ours = nullptr;
    EXPECT_EQ(mzv_nexus_gelu_create(&nexus, &pieces), MZV_OK) << mzv_last_error();
    EXPECT_EQ(mzv_activation_create(&ours, &one), MZV_OK) << mzv_last_error();
    const mzv_nexus_gelu_facts *n = mzv_nexus_gelu_about(nexus);
    const mzv_activation_facts *f = mzv_activation_about(ours);
    const std::string text = beside(name, "NEXUS", n->levels, n->n_key_switch, n->error) +
                             beside(name, "one polynomial", f->levels, f->n_key_switch, f->error);
    mzv_nexus_gelu_destroy(nexus);
    mzv_activation_destroy(ours);
    return text;
}

std::string both_roots() {
    std::string text;
    for (const mzv_inverse_root_recipe recipe : { MZV_INVERSE_ROOT_NEXUS, MZV_INVERSE_ROOT_BEST }) {
        const mzv_inverse_root_spec spec = { 0.1, 100, 1e-3, 1, MZV_INVERSE_ROOT_AUTO, true, recipe };
        mzv_inverse_root *root = nullptr;
        EXPECT_EQ(mzv_inverse_root_create(&root, &spec), MZV_OK) << mzv_last_error();
        const mzv_inverse_root_facts *f = mzv_inverse_root_about(root);
        text += beside("LayerNorm's (x - mean) v^-1/2, v in [0.1, 100], 1e-03",
                       recipe == MZV_INVERSE_ROOT_NEXUS ? "NEXUS" : "polynomial, cubic steps",
                       f->apply_levels, f->apply_n_key_switch, f->error);
        mzv_inverse_root_destroy(root);
    }
    return text;
}

std::string both_softmaxes() {
    std::string text;
    for (const mzv_softmax_method method : { MZV_SOFTMAX_NEXUS, MZV_SOFTMAX_DEFAULT }) {
        mzv_softmax_spec spec = {};
        spec.lo = -64;
        spec.hi = 64;
        spec.n_slots = 1024;
        spec.stride = 8;
        spec.count = spec.group = 128;
        spec.target = 1e-3;
        spec.noise = 0x1p-28;
        spec.method = method;
        mzv_softmax *softmax = nullptr;
        EXPECT_EQ(mzv_softmax_create(&softmax, &spec), MZV_OK) << mzv_last_error();
        const mzv_softmax_facts *f = mzv_softmax_about(softmax);
        text += beside("Softmax, [-64, 64], 128 scores, 1e-03",
                       method == MZV_SOFTMAX_NEXUS ? "NEXUS" : "halved exponents, squared again", f->levels,
                       f->n_key_switch, f->error);
        mzv_softmax_destroy(softmax);
    }
    return text;
}

std::string nexus_beside_defaults() {
    return "The recipes of NEXUS [ZYH+25], made to hold on the whole interval, and what runs here unless "
           "they are "
           "asked for.\n\n"
           "| function, target | recipe | levels | key switches | max error |\n"
           "|---|---|---|---|---|\n" +
           both_signs() + both_gelus() + both_roots() + both_softmaxes() +
           "\nWhat was corrected, and why:\n\n"
           "* **Sgn**: as many parts g and f as the gap needs. Two of each leave an error of 0.997 at "
           "NEXUS's own "
           "gap of 2^-16.\n"
           "* **GELU**: the argument is clamped before the pieces, which otherwise grow like x^3 and x^6 "
           "outside "
           "where no sign's error\n"
           "  holds them down; their ends and degrees follow from the target. As published the best "
           "polynomial of "
           "degree 6 is 7.5e-3 off\n"
           "  on [-1.95, 3], and cutting at 3 costs 4e-3.\n"
           "* **LayerNorm**: the mean, which the public code leaves out, is subtracted, and epsilon is "
           "added; the "
           "number of Newton's\n"
           "  steps follows from the interval instead of being four. Two of Goldschmidt's stay.\n"
           "* **Softmax**: (1 + x / 2^r)^(2^r) comes up again below -2^r, to 1 at x = -128 for r = 6, and is "
           "off "
           "by up to 4.2e-3: r grows\n"
           "  with the interval and the target. The maximum is raised by QuickMax's error, so that no base "
           "exceeds 1. Goldschmidt's\n"
           "  iteration starts at 2 / (lowest + highest sum) and runs until both ends are right, where "
           "NEXUS's is "
           "off by 72 % at a sum of 1.\n";
}

const functions_table::Entry entries[] = {
    { 100, "Chebyshev polynomials", polynomials },
    { 200, "exp", exps },
    { 300, "1/S", inverses },
    { 900, "NEXUS beside the defaults", nexus_beside_defaults },
};

std::string head() {
    return "# Functions on ciphertexts: errors and costs\n\n"
           "Generated and checked by `tests/circuit/functions_test.cc` (`MZV_UPDATE_DOCS=1 mzv_test_circuit\n"
           "--gtest_filter='Functions.*'` writes this page). Errors are measured in long double with "
           "coefficients rounded to\n"
           "double, at 24 points for each node and at both ends; the noise of CKKS comes on top. Levels "
           "count "
           "from an input\n"
           "already mapped to [-1, 1]; the map costs nothing when merged into the operation before, one "
           "level "
           "otherwise.\n"
           "Bounds are proven too for 1/S, 1 / T_D at the point that S = 0 is mapped to, D = 2^doublings, "
           "and "
           "for maxima by one\n"
           "polynomial, 0.1401 / degree times the width [VC85].\n";
}

const char path[] = MZV_SOURCE_DIR "/docs/functions.md";

/* The page in parts that begin with "## ", the head first. */
std::vector<std::string> parts_of_page() {
    std::ifstream file(path);
    EXPECT_TRUE(file.is_open()) << path;
    std::vector<std::string> parts(1);
    for (std::string line; std::getline(file, line);) {
        if (line.rfind("## ", 0) == 0) parts.emplace_back();
        parts.back() += line + "\n";
    }
    return parts;
}

bool is_measured(const std::string &token) {
    return token.find("e-") != std::string::npos && isdigit(token[0]);
}

/* Word by word; measured errors to 2 %, since long double functions differ in their last bits between C
 * libraries. Returns how many of those there are. */
uint32_t compare(const std::string &code, const std::string &page) {
    std::istringstream words(code), written(page);
    std::string a, b;
    uint32_t n = 0, n_measured = 0;
    while (words >> a) {
        if (!(written >> b)) {
            ADD_FAILURE() << "the page ends before word " << n << ", " << a;
            return n_measured;
        }
        n++;
        if (is_measured(a) && is_measured(b)) {
            EXPECT_NEAR(std::stod(b) / std::stod(a), 1, 0.02) << "word " << n << ": " << a << " " << b;
            n_measured++;
        } else if (a != b) {
            ADD_FAILURE() << "word " << n << ": " << a << ", the page has " << b
                          << "; MZV_UPDATE_DOCS=1 writes it anew";
            return n_measured;
        }
    }
    EXPECT_FALSE(written >> b) << "the page goes on after its end: " << b;
    return n_measured;
}

TEST(Functions, PageHasAllSections) {
    const std::vector<functions_table::Section> sections = functions_table::ordered();
    if (std::getenv("MZV_UPDATE_DOCS")) {
        std::string text = head();
        for (const auto &s : sections) text += print("\n## %s\n\n", s.title) + s.text();
        std::ofstream(path) << text;
        GTEST_SKIP() << "wrote " << path;
    }
    const std::vector<std::string> parts = parts_of_page();
    compare(head(), parts[0]);
    ASSERT_EQ(parts.size(), sections.size() + 1);
    for (size_t i = 0; i < sections.size(); i++)
        EXPECT_EQ(parts[i + 1].find(print("## %s\n", sections[i].title)), 0u) << parts[i + 1];
}

/* A test each: together they take long. */
class FunctionsSection : public testing::TestWithParam<functions_table::Section> {};

TEST_P(FunctionsSection, IsWhatTheCodeDoes) {
    if (std::getenv("MZV_UPDATE_DOCS")) GTEST_SKIP() << "Functions.PageHasAllSections writes the page";
    const functions_table::Section &s = GetParam();
    const std::string title = print("## %s\n", s.title);
    for (const std::string &part : parts_of_page()) {
        if (part.rfind(title, 0) != 0) continue;
        EXPECT_GE(compare(title + s.text(), part), 7u);
        return;
    }
    FAIL() << "the page has no section " << s.title;
}

std::string name_of(const testing::TestParamInfo<functions_table::Section> &info) {
    std::string name;
    for (const char *c = info.param.title; *c; c++)
        if (isalnum(*c)) name += *c;
    return name;
}

INSTANTIATE_TEST_SUITE_P(Page, FunctionsSection, testing::ValuesIn(functions_table::ordered()), name_of);

} // namespace
