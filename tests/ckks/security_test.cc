#include "ckks/security.h"

#include <cmath>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>
#include <string>

#include "math/primes.h"

static bool message_has(const std::string &text) {
    return std::string(mzv_last_error()).find(text) != std::string::npos;
}

/* [BCC+24, table 5.2] as published, less one for the two entries that the estimator refused. */
TEST(Security, Table) {
    const double published[7][3] = { { 53, 36, 27 },      { 106, 73, 56 },   { 214, 147, 114 },
                                     { 430, 297, 230 },   { 868, 597, 462 }, { 1747, 1199, 929 },
                                     { 3523, 2411, 1866 } };
    for (uint32_t i = 0; i < 7; i++) {
        for (uint32_t j = 0; j < 3; j++) {
            const bool lowered = (i == 4 && j == 1) || (i == 6 && j == 2);
            EXPECT_EQ(mzv_params_cap(11 + i, 128 + 64 * j), published[i][j] - lowered);
        }
    }
    for (uint32_t log_n : { 0u, 10u, 18u, UINT32_MAX }) EXPECT_EQ(mzv_params_cap(log_n, 128), 0);
    for (uint32_t bits : { 0u, 80u, 127u, 129u, 320u, UINT32_MAX }) EXPECT_EQ(mzv_params_cap(13, bits), 0);
}

/* N = 2^13, caps 214, 147 and 114: chains of k primes just below 2^b, and one bit more. */
TEST(Security, GateGivesTheBitsOfTheTable) {
    const struct {
        uint32_t n_primes, log_prime, bits;
    } cases[] = { { 2, 57, 256 }, { 3, 38, 256 }, { 3, 39, 192 },
                  { 3, 49, 192 }, { 3, 50, 128 }, { 4, 53, 128 } };
    for (const auto &c : cases) {
        uint64_t primes[4], limit = UINT64_C(1) << c.log_prime;
        double sum = 0;
        for (uint32_t i = 0; i < c.n_primes; i++) {
            ASSERT_EQ(mzv_prime_below(&limit, limit, 1 << 14), MZV_OK);
            primes[i] = limit;
            sum += log2((double)limit);
        }
        mzv_security s;
        ASSERT_EQ(mzv_security_gate(&s, 13, primes, c.n_primes, false), MZV_OK) << mzv_last_error();
        EXPECT_EQ(s.bits, c.bits) << c.n_primes << " primes of " << c.log_prime;
        EXPECT_NEAR(s.log2_qp, sum, 1e-10);
        EXPECT_EQ(s.cap, 214);
        EXPECT_NEAR(s.margin, 214 - sum, 1e-10);
    }
}

/* Exact logarithms, not bit counts: four numbers of 54 bits, 4 * 53.5 = 214 bits in all, pass only from
 * below. */
TEST(Security, GateWeighsExactLogarithms) {
    const uint64_t root = (uint64_t)(exp2(53.5)); /* 2^53.5, floor */
    uint64_t below[4] = { root, root, root, root }, above[4] = { root, root, root, root + 4096 };
    mzv_security s;
    EXPECT_EQ(mzv_security_gate(&s, 13, below, 4, false), MZV_OK);
    EXPECT_GT(s.log2_qp, 213.999999);
    EXPECT_EQ(mzv_security_gate(&s, 13, above, 4, false), MZV_ERR_PARAMS);
}

TEST(Security, RefusalHasNumbersAndTheNextStep) {
    const uint64_t primes[5] = { UINT64_C(1) << 50, UINT64_C(1) << 50, UINT64_C(1) << 50, UINT64_C(1) << 50,
                                 1 << 20 };
    mzv_security s = {};
    EXPECT_EQ(mzv_security_gate(&s, 13, primes, 5, false), MZV_ERR_PARAMS);
    EXPECT_STREQ(mzv_last_error(),
                 "security: log2(QP) is 220.00, the cap for 128 bits at N = 2^13 is 214: drop 6.00 bits of "
                 "primes, or take log_n 14");
    EXPECT_EQ(s.log_n, 0u);
    EXPECT_EQ(mzv_security_gate(&s, 10, primes, 1, false), MZV_ERR_PARAMS);
    EXPECT_TRUE(message_has("no parameters at N = 2^10 are 128-bit secure; take log_n 11"))
        << mzv_last_error();
    EXPECT_EQ(mzv_security_gate(&s, 13, primes, 5, true), MZV_OK);
    EXPECT_EQ(s.bits, 0u);
    EXPECT_NEAR(s.margin, -6, 1e-9);
    uint64_t many[80];
    for (uint64_t &p : many) p = UINT64_C(1) << 50;
    EXPECT_EQ(mzv_security_gate(&s, 17, many, 80, false), MZV_ERR_PARAMS);
    EXPECT_TRUE(message_has("no ring in the table takes it")) << mzv_last_error();
}

TEST(Security, TextSaysWhatHolds) {
    char text[160];
    const uint64_t primes[4] = { UINT64_C(1) << 50, UINT64_C(1) << 50, UINT64_C(1) << 50, UINT64_C(1) << 50 };
    mzv_security s;
    ASSERT_EQ(mzv_security_gate(&s, 13, primes, 4, false), MZV_OK);
    mzv_security_text(text, sizeof text, &s);
    EXPECT_STREQ(text, "128-bit secure: log2(QP) 200.00 of 214 at N = 2^13, margin 14.00");
    ASSERT_EQ(mzv_security_gate(&s, 11, primes, 4, true), MZV_OK);
    mzv_security_text(text, sizeof text, &s);
    EXPECT_STREQ(text,
                 "INSECURE TOY SET, below 128 bits: log2(QP) 200.00, cap 53 at N = 2^11, margin -147.00");
}

TEST(Security, SparseSecretRules) {
    EXPECT_EQ(mzv_security_sparse(15, 32, 96, false), MZV_OK);
    EXPECT_EQ(mzv_security_sparse(16, 32, 121, false), MZV_OK);
    EXPECT_EQ(mzv_security_sparse(16, 32, 121.01, false), MZV_ERR_PARAMS);
    EXPECT_TRUE(message_has("cap 121")) << mzv_last_error();
    EXPECT_EQ(mzv_security_sparse(14, 32, 96, false), MZV_ERR_PARAMS);
    EXPECT_EQ(mzv_security_sparse(16, 31, 96, false), MZV_ERR_PARAMS);
    EXPECT_EQ(mzv_security_sparse(16, 192, 96, true), MZV_ERR_PARAMS);
    EXPECT_EQ(mzv_security_sparse(16, 32, NAN, false), MZV_ERR_PARAMS);
    EXPECT_EQ(mzv_security_sparse(11, 32, 500, true), MZV_OK);
}

/* Against the closed form in exact rationals. */
TEST(Security, BootFailureAgreesWithExactRationals) {
    std::ifstream file(MZV_SOURCE_DIR "/tests/vectors/params.txt");
    std::string line, word, value;
    size_t n = 0;
    while (std::getline(file, line)) {
        std::istringstream in(line);
        uint32_t log_n = 0, h = 0, k = 0;
        if (!(in >> word) || word != "boot") continue;
        in >> log_n >> h >> k >> value;
        const double found = mzv_security_boot_failure(log_n, h, k);
        if (value == "-inf")
            EXPECT_EQ(found, -INFINITY);
        else
            EXPECT_NEAR(found, std::stod(value), 1e-6) << line;
        n++;
    }
    EXPECT_EQ(n, 10u);
    EXPECT_EQ(mzv_security_boot_failure(16, 1025, 500), 0) << "no bound is offered there";
}

TEST(Security, BootGate) {
    EXPECT_EQ(mzv_security_boot(16, 32, 16, false), MZV_OK);
    EXPECT_EQ(mzv_security_boot(16, 32, 12, false), MZV_ERR_PARAMS);
    EXPECT_TRUE(message_has("2^-34.1") && message_has("larger K")) << mzv_last_error();
    EXPECT_EQ(mzv_security_boot(16, 32, 12, true), MZV_OK);
    EXPECT_EQ(mzv_security_boot(16, 192, 25, false), MZV_ERR_PARAMS);
}

/* The answer passes, and no smaller ring nor fewer digits would. */
TEST(Security, SmallestIsSmallest) {
    for (uint32_t levels = 0; levels <= 40; levels += 5) {
        const mzv_params_need need = { levels, 40, 48, 48, 0 };
        mzv_params p;
        mzv_param_facts f, g;
        ASSERT_EQ(mzv_params_smallest(&p, &need), MZV_OK) << mzv_last_error();
        ASSERT_EQ(mzv_params_check(&p, &f), MZV_OK);
        EXPECT_GE(f.security_bits, 128u);
        EXPECT_EQ(p.n_levels, levels);
        EXPECT_FALSE(p.insecure_toy);
        for (uint32_t k = 1; k <= levels + 1; k++) {
            mzv_params other = p;
            other.n_special = k;
            if (mzv_params_check(&other, &g) == MZV_OK) {
                EXPECT_TRUE(g.dnum > f.dnum || (g.dnum == f.dnum && k >= p.n_special));
            }
            other.log_n = p.log_n - 1;
            EXPECT_NE(mzv_params_check(&other, &g), MZV_OK) << levels << " levels, " << k;
        }
    }
}

TEST(Security, SmallestHonoursSlots) {
    mzv_params p;
    mzv_params_need need = { 1, 40, 48, 48, 1 << 15 };
    ASSERT_EQ(mzv_params_smallest(&p, &need), MZV_OK);
    EXPECT_EQ(p.log_n, 16u);
    need.n_slots = (1 << 15) + 1;
    ASSERT_EQ(mzv_params_smallest(&p, &need), MZV_OK);
    EXPECT_EQ(p.log_n, 17u);
    need.n_slots = (1 << 16) + 1;
    p = {};
    EXPECT_EQ(mzv_params_smallest(&p, &need), MZV_ERR_ARGUMENT);
    EXPECT_EQ(p.log_n, 0u);
}

TEST(Security, SmallestSaysWhatDoesNotFit) {
    mzv_params p;
    mzv_params_need need = { 58, 59, 60, 60, 0 };
    EXPECT_EQ(mzv_params_smallest(&p, &need), MZV_ERR_PARAMS);
    EXPECT_TRUE(message_has("the cap at N = 2^17 is 3523") && message_has("bits too many"))
        << mzv_last_error();
    need = { 5, 40, 40, 48, 0 };
    EXPECT_EQ(mzv_params_smallest(&p, &need), MZV_ERR_PARAMS);
    EXPECT_TRUE(message_has("no room for a message")) << mzv_last_error();
    need = { 5, 40, 48, 38, 0 };
    EXPECT_EQ(mzv_params_smallest(&p, &need), MZV_ERR_PARAMS);
    EXPECT_TRUE(message_has("P has")) << mzv_last_error();
    need = { 63, 40, 48, 48, 0 };
    EXPECT_EQ(mzv_params_smallest(&p, &need), MZV_ERR_ARGUMENT);
    need = { 5, UINT32_MAX, 48, 48, 0 };
    EXPECT_EQ(mzv_params_smallest(&p, &need), MZV_ERR_ARGUMENT);
}
