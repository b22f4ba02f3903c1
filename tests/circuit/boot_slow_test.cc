/* Bootstrapping at 128 bits, and a thousand times on the toy set. MZV_BOOT_RUNS: how many bootstraps of
 * n16-boot with full slots; unless set 20, or 3 where CI is set (one takes 10 to 20 seconds of one core). */
#include <chrono>
#include <cstdlib>

#include "base/temporary.h"
#include "circuit/boot_helpers.h"

using namespace boot_test;

namespace {

double seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

uint32_t runs_wanted() {
    const char *text = getenv("MZV_BOOT_RUNS");
    if (text == nullptr) return getenv("CI") == nullptr ? 20 : 3;
    return (uint32_t)std::max(1, atoi(text));
}

TEST(SlowBoot, AThousandOnTheToySetWithoutAFailure) {
    const mzv_params p = named("toy-boot");
    const mzv_boot_spec s = coeffs_first(true);
    const uint32_t n = circuit_test::slots_of(p), batch = 10;
    Boots b;
    b.ckks(p, s, batch);
    ASSERT_NE(b.boot, nullptr);
    double worst = 0, mean = 0;
    const double start = seconds();
    mzv_cipher *a = b.m.empty(1, batch), *out = b.m.empty(b.facts().out_level, batch);
    Slots got((size_t)batch * n);
    for (uint32_t round = 0; round < 100; round++) {
        const Slots z = complex_slots(got.size(), got.size(), 1, 1000 + round);
        const mzv_decrypt_check check = { 1 + 1e-5, 0 };
        ASSERT_EQ(mzv_encrypt(a, b.m.secret, reinterpret_cast<const mzv_complex *>(z.data()), 1), MZV_OK)
            << mzv_last_error();
        ASSERT_EQ(b.run(out, a), MZV_OK) << mzv_last_error();
        ASSERT_EQ(mzv_decrypt_bounded(reinterpret_cast<mzv_complex *>(got.data()), b.m.secret, out, &check),
                  MZV_OK)
            << mzv_last_error();
        const Error e = compare(got, z);
        worst = std::fmax(worst, e.worst);
        mean += e.mean / 100;
    }
    const mzv_boot_precision q = predicted(p, s, 1);
    printf("    1000 bootstraps: mean %.2f bits (predicted %.2f), worst of all %.2f, %.2f s each\n",
           -std::log2(mean), q.mean_bits, -std::log2(worst), (seconds() - start) / 1000);
    EXPECT_NEAR(-std::log2(mean), q.mean_bits, 0.5);
    // Of 2^21 normal parts the largest is 5.2 deviations, of the 2^11 predicted 3.5: 0.6 bits; and 2.
    EXPECT_GE(-std::log2(worst), q.worst_bits - 2.6);
}

/* A boot at 128 bits on all cores. */
struct Large : Boots {
    mzv_params params;
    mzv_boot_spec spec;

    Large(const char *name, const mzv_boot_spec &s) : params(named(name)), spec(s) {
        const double start = seconds();
        omp_set_num_threads(omp_get_num_procs());
        ckks(params, spec);
        printf("    %s, %s: %.2f GB of %u keys, %.2f GB of scratch; keys and diagonals made in %.1f s\n",
               name, name_of(spec).c_str(), 1e-9 * (double)mzv_keys_bytes(m.keys), mzv_keys_count(m.keys),
               1e-9 * (double)cost.counts.peak_bytes, seconds() - start);
    }
    /* Each run is a fresh random message. */
    void expect(uint32_t n_runs, double mean_bits, double worst_bits) {
        const uint32_t n = mzv_evaluator_slots(m.ev);
        mzv_cipher *a = m.empty(facts().in_level), *out = m.empty(facts().out_level);
        const mzv_boot_precision q = predicted(params, spec, 1);
        Slots got(n);
        for (uint32_t r = 0; r < n_runs; r++) {
            const Slots z = complex_slots(n, facts().n_slots, 1, 100 + r);
            const mzv_decrypt_check check = { 1.001, 0 };
            ASSERT_EQ(
                mzv_encrypt(a, m.secret, reinterpret_cast<const mzv_complex *>(z.data()), facts().in_level),
                MZV_OK);
            const double start = seconds();
            ASSERT_EQ(run(out, a), MZV_OK) << mzv_last_error();
            const double taken = seconds() - start;
            ASSERT_EQ(mzv_decrypt_bounded(reinterpret_cast<mzv_complex *>(got.data()), m.secret, out, &check),
                      MZV_OK)
                << mzv_last_error();
            const Error e = compare(got, z);
            printf("    run %u: mean %.2f bits (predicted %.2f), worst %.2f (%.2f), level %u, %.1f s\n", r,
                   e.mean_bits(), q.mean_bits, e.worst_bits(), q.worst_bits, mzv_cipher_level(out), taken);
            fflush(stdout);
            EXPECT_GE(e.mean_bits(), mean_bits);
            EXPECT_GE(e.worst_bits(), worst_bits);
            EXPECT_NEAR(e.mean_bits(), q.mean_bits, 2);
            EXPECT_NEAR(e.worst_bits(), q.worst_bits, 2);
        }
    }
};

void expect_secure(const mzv_params &p) {
    const mzv_param_facts f = facts_of(p);
    EXPECT_GE(f.security_bits, 128u);
    EXPECT_FALSE(p.insecure_toy);
}

TEST(SlowBoot128, FullSlotsSpread) {
    Large b("n16-boot", coeffs_first(true));
    ASSERT_NE(b.boot, nullptr);
    expect_secure(b.params);
    EXPECT_LE(b.facts().log2_failure, -128);
    EXPECT_GE(b.facts().out_level, 13u);
    EXPECT_LE(mzv_keys_bytes(b.m.keys), 6e9);
    b.expect(runs_wanted(), 18, 14);
}

TEST(SlowBoot128, FullSlotsSlotsFirst) {
    Large b("n16-boot", slots_first());
    ASSERT_NE(b.boot, nullptr);
    EXPECT_GE(b.facts().out_level, 13u);
    EXPECT_LE(mzv_keys_bytes(b.m.keys), 6e9);
    b.expect(1, 18, 14);
}

TEST(SlowBoot128, FewSlots) {
    for (const uint32_t m : { 1u << 8, 1u << 12 }) {
        Large b("n16-boot", coeffs_first(true, m));
        ASSERT_NE(b.boot, nullptr);
        EXPECT_GE(b.facts().out_level, 13u);
        b.expect(1, 18, 14);
    }
}

TEST(SlowBoot128, TwoIterationsOfTheFineSet) {
    mzv_boot_spec s = coeffs_first(true);
    s.iterations = 2;
    Large b("n16-fine", s);
    ASSERT_NE(b.boot, nullptr);
    expect_secure(b.params);
    EXPECT_LE(mzv_keys_bytes(b.m.keys), 6e9);
    b.expect(1, 27, 22);
}

// The uniform halves of keys are seeds in the file.
TEST(SlowBoot128, SavedKeysFit) {
    Temporary dir;
    if (std::filesystem::space(dir.dir()).available < (uintmax_t)5e9)
        GTEST_SKIP() << "less than 5 GB left in " << dir.dir();
    mzv_key_request *request = nullptr;
    mzv_circuit_cost cost;
    const mzv_params p = named("n16-boot");
    const mzv_boot_spec s = coeffs_first(true);
    Machine m;
    ASSERT_EQ(mzv_key_request_create(&request), MZV_OK);
    ASSERT_EQ(mzv_boot_measure(&cost, request, &p, &s), MZV_OK) << mzv_last_error();
    omp_set_num_threads(omp_get_num_procs());
    const double start = seconds();
    m.ckks(p, request, 0);
    mzv_key_request_destroy(request);
    const double made = seconds();
    ASSERT_EQ(mzv_keys_save(m.keys, dir.path("keys").c_str()), MZV_OK) << mzv_last_error();
    const double bytes = (double)std::filesystem::file_size(dir.path("keys"));
    printf("    keys: made in %.1f s, %.2f GB in memory, %.2f GB in a file written in %.1f s\n", made - start,
           1e-9 * (double)mzv_keys_bytes(m.keys), 1e-9 * bytes, seconds() - made);
    EXPECT_LE(bytes, 3.5e9);
}

} // namespace
