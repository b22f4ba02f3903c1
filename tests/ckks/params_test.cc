#include "mzv/params.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <gtest/gtest.h>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "base/temporary.h"
#include "math/primes.h"

static bool message_has(const std::string &text) {
    return std::string(mzv_last_error()).find(text) != std::string::npos;
}

/* One set of tests/vectors/params.txt. */
struct Known {
    std::string name, id;
    mzv_params params;
    double log2_qp;
    std::vector<uint64_t> primes;
    std::vector<double> scale;
};

static std::vector<Known> known_sets() {
    std::ifstream file(MZV_SOURCE_DIR "/tests/vectors/params.txt");
    std::vector<Known> sets;
    std::string line, word;
    while (std::getline(file, line)) {
        std::istringstream in(line);
        in >> word;
        if (word == "set") {
            Known k = {};
            in >> k.name >> k.params.log_n >> k.params.n_levels >> k.params.log_q0 >> k.params.log_scale >>
                k.params.n_special >> k.params.log_special >> k.params.insecure_toy >> k.params.n_eval_mod >>
                k.params.log_eval_mod >> k.params.n_eval_mod_low >> k.params.log_eval_mod_low >>
                k.params.n_coeff_to_slot >> k.params.log_coeff_to_slot >> k.params.log_bridge >> k.id >>
                k.log2_qp;
            sets.push_back(k);
        } else if (word == "prime") {
            sets.back().primes.push_back(0);
            in >> sets.back().primes.back();
        } else if (word == "scale") {
            sets.back().scale.push_back(0);
            in >> sets.back().scale.back();
        }
    }
    return sets;
}

TEST(Params, AgreesWithTheDefinitionInPython) {
    const std::vector<Known> sets = known_sets();
    ASSERT_EQ(sets.size(), 14u);
    for (const Known &k : sets) {
        SCOPED_TRACE(k.name);
        mzv_param_facts f;
        ASSERT_EQ(mzv_params_check(&k.params, &f), MZV_OK) << mzv_last_error();
        EXPECT_EQ(std::vector<uint64_t>(f.primes, f.primes + f.n_primes), k.primes);
        EXPECT_EQ(hex(f.id, MZV_ID_BYTES), k.id);
        EXPECT_NEAR(f.log2_qp, k.log2_qp, 1e-9);
        EXPECT_EQ(std::vector<double>(f.scale, f.scale + k.params.n_levels + 1), k.scale);
        EXPECT_EQ(f.dnum, (k.params.n_levels + k.params.n_special) / k.params.n_special);
    }
}

/* Levels of CoeffToSlot and the bridge are linear: their scales do not follow from squares. */
static bool multiplies(const mzv_params &p, const mzv_param_facts &f, uint32_t level) {
    return level <= p.n_levels - p.n_coeff_to_slot &&
           (level == 0 || level != f.message_levels + 1 || !p.n_eval_mod);
}

/* Levels bridge .. bridge + n_low are low; above, log2 of the scale comes nearer to the top by halves. */
static double nominal_scale(const mzv_params &p, const mzv_param_facts &f, uint32_t level) {
    if (level <= f.message_levels) return ldexp(1, (int)p.log_scale);
    const uint32_t above = level - f.message_levels - 1;
    double low = p.n_eval_mod_low ? p.log_eval_mod_low : p.log_eval_mod;
    for (uint32_t i = p.n_eval_mod_low; i < above; i++)
        low = std::min<double>(p.log_eval_mod, (p.log_eval_mod + log2(1.25) + low) / 2);
    return exp2(low);
}

/* In particular scale[l]^2 / q_l is scale[l-1] within the two roundings of that step: what a product followed
 * by a rescale may rely on. */
TEST(Params, ChainsKeepTheirPromises) {
    for (const Known &k : known_sets()) {
        SCOPED_TRACE(k.name);
        mzv_param_facts f;
        ASSERT_EQ(mzv_params_check(&k.params, &f), MZV_OK);
        const uint64_t two_n = UINT64_C(2) << k.params.log_n;
        EXPECT_EQ(std::set<uint64_t>(f.primes, f.primes + f.n_primes).size(), f.n_primes) << "distinct";
        for (uint32_t i = 0; i < f.n_primes; i++) {
            EXPECT_TRUE(mzv_is_prime(f.primes[i]));
            EXPECT_EQ(f.primes[i] % two_n, 1u);
            EXPECT_LT(f.primes[i], UINT64_C(1) << 61);
        }
        const uint64_t *q = f.primes + k.params.n_special;
        EXPECT_LT(q[0], UINT64_C(1) << k.params.log_q0);
        for (uint32_t i = 0; i < k.params.n_special; i++)
            EXPECT_LT(f.primes[i], UINT64_C(1) << k.params.log_special);
        for (uint32_t l = 0; l <= k.params.n_levels; l++) {
            EXPECT_LE(fabs(f.scale[l] / nominal_scale(k.params, f, l) - 1), 0x1p-8) << l;
            if (l == 0 || !multiplies(k.params, f, l)) continue;
            const long double product = (long double)f.scale[l] * f.scale[l] / q[l];
            EXPECT_NEAR((double)(product / f.scale[l - 1] - 1), 0, 3 * 0x1p-53);
            EXPECT_LT((double)q[l], exp2(std::max(48u, k.params.log_scale) + 0.4)) << "hot path";
        }
    }
}

TEST(Params, NamedSetsKeepTheirScaleWithin2ToTheMinus15) {
    for (size_t i = 0; mzv_params_name(i); i++) {
        mzv_params p;
        mzv_param_facts f;
        ASSERT_EQ(mzv_params_named(&p, mzv_params_name(i)), MZV_OK);
        ASSERT_EQ(mzv_params_check(&p, &f), MZV_OK) << mzv_last_error();
        for (uint32_t l = 0; l <= p.n_levels; l++) {
            EXPECT_LE(fabs(f.scale[l] / nominal_scale(p, f, l) - 1), 0x1p-15) << mzv_params_name(i) << l;
        }
    }
}

TEST(Params, NamedSetsAreSecureOrSaySo) {
    size_t n = 0;
    for (; mzv_params_name(n); n++) {
        mzv_params p;
        mzv_param_facts f;
        const std::string name = mzv_params_name(n);
        ASSERT_EQ(mzv_params_named(&p, name.c_str()), MZV_OK);
        ASSERT_EQ(mzv_params_check(&p, &f), MZV_OK);
        EXPECT_EQ(p.insecure_toy, name.rfind("toy", 0) == 0);
        EXPECT_EQ(f.security_bits, p.insecure_toy ? 0u : 128u) << name;
        EXPECT_EQ(f.log2_qp <= f.log2_qp_cap, !p.insecure_toy);
        EXPECT_EQ(f.log2_qp_cap, mzv_params_cap(p.log_n, 128));
    }
    EXPECT_EQ(n, 8u);
    mzv_params p = {};
    EXPECT_EQ(mzv_params_named(&p, "n99"), MZV_ERR_ARGUMENT);
    EXPECT_TRUE(message_has(
        "n13-leveled, n14-leveled, n15-leveled, n16-leveled, n16-boot, n16-fine, toy-leveled, toy-boot"))
        << mzv_last_error();
    EXPECT_EQ(mzv_params_named(&p, nullptr), MZV_ERR_ARGUMENT);
    EXPECT_EQ(p.log_n, 0u);
}

TEST(Params, IdDependsOnEveryNumber) {
    const mzv_params base = { 11, 6, 45, 35, 3, 45, true, 0, 0, 0, 0, 0, 0, 0 };
    std::set<std::string> ids;
    mzv_params all[8];
    for (mzv_params &p : all) p = base;
    all[1].log_n = 12;
    all[2].n_levels = 5;
    all[3].log_q0 = 46;
    all[4].log_scale = 36;
    all[5].n_special = 4;
    all[6].log_special = 46;
    all[7] = { 13, 3, 48, 38, 1, 48, true, 0, 0, 0, 0, 0, 0, 0 };
    for (const mzv_params &p : all) {
        mzv_param_facts f;
        ASSERT_EQ(mzv_params_check(&p, &f), MZV_OK) << mzv_last_error();
        ids.insert(hex(f.id, MZV_ID_BYTES));
    }
    mzv_params secure = all[7];
    mzv_param_facts f;
    secure.insecure_toy = false;
    ASSERT_EQ(mzv_params_check(&secure, &f), MZV_OK);
    ids.insert(hex(f.id, MZV_ID_BYTES));
    EXPECT_EQ(ids.size(), 9u);
}

/* Each rule, with the words of its message; facts stay as they were. */
TEST(Params, EveryRuleHasItsRefusal) {
    const mzv_params base = { 12, 6, 45, 35, 3, 45, true, 0, 0, 0, 0, 0, 0, 0 };
    const struct {
        void (*spoil)(mzv_params *);
        const char *message;
    } cases[] = {
        { [](mzv_params *p) { p->log_n = 9; }, "log_n is 9, need 10 to 17" },
        { [](mzv_params *p) { p->log_n = 18; }, "log_n is 18, need 10 to 17" },
        { [](mzv_params *p) { p->log_n = UINT32_MAX; }, "need 10 to 17" },
        { [](mzv_params *p) { p->log_q0 = 62; }, "log_q0 is 62, need 20 to 61" },
        { [](mzv_params *p) { p->log_q0 = 19; }, "log_q0 is 19" },
        { [](mzv_params *p) { p->log_scale = 61; }, "log_scale is 61, need 20 to 60" },
        { [](mzv_params *p) { p->log_scale = 0; }, "log_scale is 0" },
        { [](mzv_params *p) { p->log_special = 62; }, "log_special is 62" },
        { [](mzv_params *p) { p->log_special = 10; }, "log_special is 10" },
        { [](mzv_params *p) { p->n_special = 0; }, "n_special is 0, need 1 to 63" },
        { [](mzv_params *p) { p->n_special = 64; }, "n_special is 64" },
        { [](mzv_params *p) { p->n_levels = 61; }, "n_levels is 61, need 0 to 60" },
        { [](mzv_params *p) { p->n_levels = UINT32_MAX; }, "n_levels is 4294967295" },
        { [](mzv_params *p) { p->n_levels = 48; }, "49 limbs by n_special 3 are 17 digits, need at most 16" },
        { [](mzv_params *p) { p->log_q0 = 35; },
          "q_0 of 35 bits leaves no room for a message of scale 2^35" },
        { [](mzv_params *p) { p->log_special = 35; }, "digit 0 has 115.00" },
        { [](mzv_params *p) { p->log_n = 17, p->log_scale = 20; }, "prime" },
        { [](mzv_params *p) { p->insecure_toy = false; },
          "log2(QP) is 390.00, the cap for 128 bits at N = 2^12 is 106" },
    };
    mzv_param_facts f, before;
    memset(&f, 0xA5, sizeof f);
    memset(&before, 0xA5, sizeof before);
    ASSERT_EQ(mzv_params_check(&base, &f), MZV_OK) << mzv_last_error();
    memset(&f, 0xA5, sizeof f);
    for (const auto &c : cases) {
        mzv_params p = base;
        c.spoil(&p);
        EXPECT_EQ(mzv_params_check(&p, &f), MZV_ERR_PARAMS) << c.message;
        EXPECT_TRUE(message_has(c.message)) << mzv_last_error();
    }
    EXPECT_EQ(memcmp(&f, &before, sizeof f), 0);
}

TEST(Params, SparsePrimesThatWouldBendTheScaleAreRefused) {
    const mzv_params p = { 15, 12, 25, 24, 6, 25, true, 0, 0, 0, 0, 0, 0, 0 };
    mzv_param_facts f;
    EXPECT_EQ(mzv_params_check(&p, &f), MZV_ERR_PARAMS);
    EXPECT_TRUE(message_has("too sparse")) << mzv_last_error();
}
