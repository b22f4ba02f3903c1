/* Files of parameters: what a loader refuses beyond the rules of the container. */
#include <cerrno>
#include <cstring>
#include <gtest/gtest.h>
#include <string>

#include "base/arena.h"
#include "base/fault.h"
#include "base/temporary.h"
#include "ckks/container.h"
#include "mzv/keys.h"

static bool message_has(const std::string &text) {
    return std::string(mzv_last_error()).find(text) != std::string::npos;
}

/* Values of a parameter file, written through the container: each may be wrong. */
struct Literal {
    uint64_t log_n = 11, n_levels = 3, log_q0 = 45, log_scale = 35, n_special = 2, log_special = 45,
             n_eval_mod = 0, log_eval_mod = 0, n_mod_low = 0, log_mod_low = 0, n_cts = 0, log_cts = 0,
             log_bridge = 0, security_bits = 0;
    mzv_param_facts facts = {};
    bool toy = true;
    uint32_t n_primes = 6;
    Literal() {
        const mzv_params p = { 11, 3, 45, 35, 2, 45, true, 0, 0, 0, 0, 0, 0, 0 };
        EXPECT_EQ(mzv_params_check(&p, &facts), MZV_OK) << mzv_last_error();
        EXPECT_EQ(facts.n_primes, 6u);
    }
};

static void write_literal(const Literal &v, const std::string &path) {
    mzv_container_head head = {};
    mzv_container_out *c = nullptr;
    head.kind = MZV_KIND_PARAMS;
    head.insecure_toy = v.toy;
    memcpy(head.params_id, v.facts.id, MZV_ID_BYTES);
    ASSERT_EQ(mzv_container_create(&c, path.c_str(), &head), MZV_OK);
    const std::pair<const char *, uint64_t> fields[] = {
        { "log_n", v.log_n },           { "n_levels", v.n_levels },
        { "log_q0", v.log_q0 },         { "log_scale", v.log_scale },
        { "n_special", v.n_special },   { "log_special", v.log_special },
        { "n_eval_mod", v.n_eval_mod }, { "log_eval_mod", v.log_eval_mod },
        { "n_mod_low", v.n_mod_low },   { "log_mod_low", v.log_mod_low },
        { "n_cts", v.n_cts },           { "log_cts", v.log_cts },
        { "log_bridge", v.log_bridge }, { "security_bits", v.security_bits }
    };
    for (const auto &f : fields) ASSERT_EQ(mzv_container_put_u64(c, f.first, f.second), MZV_OK);
    ASSERT_EQ(mzv_container_add(c, "primes", 0, 8 * (uint64_t)v.n_primes), MZV_OK);
    ASSERT_EQ(mzv_container_write_words(c, v.facts.primes, v.n_primes), MZV_OK);
    ASSERT_EQ(mzv_container_commit(c), MZV_OK) << mzv_last_error();
}

static void expect_refused(const Literal &v, mzv_status status, const std::string &words) {
    Temporary dir;
    mzv_params p, before;
    const int64_t live = mzv_alloc_live();
    memset(&p, 0xA5, sizeof p);
    memset(&before, 0xA5, sizeof before);
    write_literal(v, dir.path("p"));
    EXPECT_EQ(mzv_params_load(&p, dir.path("p").c_str(), true), status) << words;
    EXPECT_TRUE(message_has(words)) << words << " wanted; " << mzv_last_error();
    EXPECT_EQ(memcmp(&p, &before, sizeof p), 0) << "the output stays";
    EXPECT_EQ(mzv_alloc_live(), live);
}

TEST(ParamsFile, TheUnspoiledLiteralLoads) {
    Temporary dir;
    mzv_params p;
    write_literal(Literal(), dir.path("p"));
    ASSERT_EQ(mzv_params_load(&p, dir.path("p").c_str(), true), MZV_OK) << mzv_last_error();
    EXPECT_EQ(p.n_levels, 3u);
    EXPECT_TRUE(p.insecure_toy);
}

TEST(ParamsFile, R32_ToySetsMustBeAllowed) {
    Temporary dir;
    mzv_params p = {};
    write_literal(Literal(), dir.path("p"));
    EXPECT_EQ(mzv_params_load(&p, dir.path("p").c_str(), false), MZV_ERR_PARAMS);
    EXPECT_TRUE(message_has("rule 32"));
    EXPECT_EQ(p.log_n, 0u);
}

TEST(ParamsFile, R33_IdIsRecomputed) {
    Literal v;
    v.facts.id[0] ^= 1;
    expect_refused(v, MZV_ERR_MISMATCH, "rule 33");
}

TEST(ParamsFile, R40_NumbersOutOfRange) {
    uint64_t Literal::*const members[] = { &Literal::log_n,     &Literal::n_levels,  &Literal::log_q0,
                                           &Literal::log_scale, &Literal::n_special, &Literal::log_special };
    const char *const names[] = { "log_n", "n_levels", "log_q0", "log_scale", "n_special", "log_special" };
    for (size_t i = 0; i < 6; i++) {
        for (uint64_t value :
             { (uint64_t)64, UINT64_C(1) << 31, UINT64_C(1) << 32, UINT64_C(1) << 63, UINT64_MAX }) {
            Literal v;
            v.*members[i] = value;
            expect_refused(v, MZV_ERR_FORMAT, std::string("rule 40: field ") + names[i]);
        }
    }
    Literal v;
    v.log_n = 9;
    expect_refused(v, MZV_ERR_FORMAT, "expected 10 to 17, found 9");
    v = Literal();
    v.n_special = 0;
    expect_refused(v, MZV_ERR_FORMAT, "expected 1 to 63, found 0");
}

TEST(ParamsFile, R41_PrimesMustFollowFromTheLiteral) {
    for (uint32_t i = 0; i < 6; i++) {
        for (uint64_t delta :
             { UINT64_C(1), UINT64_C(4096), UINT64_C(1) << 63 }) { /* even, composite, huge */
            Literal v;
            v.facts.primes[i] += delta;
            expect_refused(v, MZV_ERR_FORMAT, "rule 41: section primes[0], prime " + std::to_string(i));
        }
    }
    Literal v;
    v.facts.primes[1] = v.facts.primes[0];
    expect_refused(v, MZV_ERR_FORMAT, "rule 41");
}

TEST(ParamsFile, R42_InconsistentOrInsecure) {
    Literal v;
    v.toy = false;
    expect_refused(v, MZV_ERR_PARAMS,
                   "rule 42: security: log2(QP) is 240.00, the cap for 128 bits at N = 2^11 is 53");
    v = Literal();
    v.log_q0 = 35;
    expect_refused(v, MZV_ERR_PARAMS, "rule 42: params: q_0 of 35 bits");
    v = Literal();
    v.n_special = 1, v.n_levels = 20;
    expect_refused(v, MZV_ERR_PARAMS, "21 digits, need at most 16");
}

TEST(ParamsFile, R50_SecurityIsRecomputed) {
    for (uint64_t bits : { 128u, 256u, 1u }) {
        Literal v;
        v.security_bits = bits;
        expect_refused(v, MZV_ERR_FORMAT, "rule 50: field security_bits: expected 0");
    }
    Literal v;
    v.security_bits = 257;
    expect_refused(v, MZV_ERR_FORMAT, "rule 40: field security_bits");
}

TEST(ParamsFile, R52_NumberOfPrimes) {
    for (uint32_t n : { 1u, 5u, 7u }) {
        Literal v;
        v.n_primes = n;
        expect_refused(v, MZV_ERR_FORMAT, "rule 52: section primes[0]");
    }
}

TEST(ParamsFile, InsecureSetsAreNotSavedUnmarked) {
    Temporary dir;
    const mzv_params p = { 11, 3, 45, 35, 2, 45, false, 0, 0, 0, 0, 0, 0, 0 };
    EXPECT_EQ(mzv_params_save(&p, dir.path("p").c_str()), MZV_ERR_PARAMS);
    EXPECT_EQ(dir.entries(), 0u);
}

TEST(ParamsFile, FailedSaveLeavesNothing) {
    const mzv_params p = { 11, 3, 45, 35, 2, 45, true, 0, 0, 0, 0, 0, 0, 0 };
    for (mzv_fault_point point : { MZV_FAULT_ALLOC, MZV_FAULT_WRITE, MZV_FAULT_SYNC, MZV_FAULT_RENAME }) {
        mzv_status status = MZV_ERR_IO;
        for (int64_t n = 0; status != MZV_OK && n < 30; n++) {
            Temporary dir;
            const int64_t live = mzv_alloc_live();
            mzv_test_fail_after(point, n, ENOSPC);
            status = mzv_params_save(&p, dir.path("p").c_str());
            EXPECT_EQ(dir.entries(), status == MZV_OK ? 1u : 0u);
            EXPECT_EQ(mzv_alloc_live(), live);
        }
        mzv_test_fail_after(point, -1, 0);
        EXPECT_EQ(status, MZV_OK);
    }
}
