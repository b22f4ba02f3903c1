/* How bootstrapping fails, and that it is noticed: the distribution of I, its bound, overflows that are
 * forced. */
#include "circuit/boot_helpers.h"
#include "ckks/encode.h"
#include "ckks/security.h"

using namespace boot_test;

namespace {

const uint32_t n = 1024;

/* Slots at the highest level, as numbers of S_L, of the coefficients q_0 (e + I). */
Slots raised_slots(const Machine &m, const std::vector<double> &e, const std::vector<double> &overflow) {
    const mzv_param_facts &f = m.ev->facts;
    const double q0 = (double)f.primes[m.ev->params.n_special];
    std::vector<double> coeff(2 * (size_t)n);
    Slots slots(n), work(n);
    for (size_t k = 0; k < coeff.size(); k++) coeff[k] = q0 * (e[k] + overflow[k]);
    mzv_decode(m.ctx->embedding, reinterpret_cast<mzv_complex *>(slots.data()), coeff.data(),
               f.scale[m.ev->max_level], reinterpret_cast<mzv_complex *>(work.data()));
    return slots;
}

/* Coefficients of slots, in units of the slots. */
std::vector<double> coefficients(const Machine &m, const Slots &z) {
    std::vector<int64_t> c(2 * (size_t)n);
    Slots work(n);
    std::vector<double> r(c.size());
    EXPECT_EQ(mzv_encode(m.ctx->embedding, c.data(), reinterpret_cast<const mzv_complex *>(z.data()), 0x1p40,
                         reinterpret_cast<mzv_complex *>(work.data())),
              MZV_OK);
    for (size_t k = 0; k < c.size(); k++) r[k] = std::ldexp((double)c[k], -40);
    return r;
}

/* The part of bootstrapping after ModRaise on a fresh encryption of q_0 (m / ratio + I), decrypted with a
 * check. */
struct Forced {
    Boots b;
    Slots message = complex_slots(n, n, 1, 4), got = Slots(n);
    std::vector<double> overflow = std::vector<double>(2 * (size_t)n);

    Forced() {
        b.ckks(named("toy-boot"), coeffs_first());
        for (size_t k = 0; k < overflow.size(); k++) overflow[k] = (double)(k % 7) - 3;
    }
    mzv_status run() {
        std::vector<double> e = coefficients(b.m, message);
        for (double &x : e) x /= b.facts().ratio;
        const mzv_cipher *a = b.m.put(raised_slots(b.m, e, overflow), b.m.ev->max_level);
        mzv_cipher *out = b.m.empty(b.facts().out_level);
        EXPECT_EQ(mzv_boot_run_raised(b.m.ev, out, a, b.boot), MZV_OK) << mzv_last_error();
        const mzv_decrypt_check check = { 1.01, 0 };
        return mzv_decrypt_bounded(reinterpret_cast<mzv_complex *>(got.data()), b.m.secret, out, &check);
    }
};

TEST(BootFailure, OverflowsUpToKAreNone) {
    Forced forced;
    EXPECT_EQ(forced.run(), MZV_OK) << mzv_last_error();
    forced.overflow[5] = 16;
    forced.overflow[1500] = -16;
    EXPECT_EQ(forced.run(), MZV_OK) << mzv_last_error();
    EXPECT_GT(compare(forced.got, forced.message).worst_bits(), 15);
}

TEST(BootFailure, AForcedOverflowIsNoticedAtDecryption) {
    for (const double i : { -17.0, -20.0, -24.0, -40.0, 30.0, 40.0 }) {
        Forced forced;
        forced.overflow[77] = i;
        EXPECT_EQ(forced.run(), MZV_ERR_RANGE) << "I = " << i;
        EXPECT_NE(strstr(mzv_last_error(), "slot "), nullptr) << mzv_last_error();
    }
}

// The series is centred on 6 1/4: beyond K on that side it still holds, up to K + 12.
TEST(BootFailure, TheSeriesReachesFurtherUp) {
    Forced forced;
    forced.overflow[77] = 24;
    EXPECT_EQ(forced.run(), MZV_OK) << mzv_last_error();
    EXPECT_GT(compare(forced.got, forced.message).worst_bits(), 15);
}

TEST(BootFailure, HonestBootstrapsAreNotNoticed) {
    const mzv_params p = named("toy-boot");
    const mzv_boot_spec s = coeffs_first(true);
    const uint32_t batch = 10;
    Boots b;
    b.ckks(p, s, batch);
    for (uint32_t round = 0; round < 2; round++) { // SlowBoot has a thousand
        const mzv_cipher *a = b.m.put(complex_slots((size_t)batch * n, (size_t)batch * n, 1, 50 + round), 1);
        mzv_cipher *out = b.m.empty(b.facts().out_level, batch);
        Slots got((size_t)batch * n);
        const mzv_decrypt_check check = { 1 + 1e-4, 0 };
        ASSERT_EQ(b.run(out, a), MZV_OK) << mzv_last_error();
        EXPECT_EQ(mzv_decrypt_bounded(reinterpret_cast<mzv_complex *>(got.data()), b.m.secret, out, &check),
                  MZV_OK)
            << mzv_last_error();
    }
}

/* Pr[round(sum of 33 uniforms on [-1/2, 1/2]) = i]: the closed form of Irwin and Hall, long double, for small
 * |i|. */
long double irwin_hall(long double x, int terms) { // Pr[sum of `terms` uniforms on [0, 1] < x]
    long double sum = 0, binomial = 1;
    for (int k = 0; k <= (int)std::floor(x); k++) {
        sum += (k % 2 ? -1 : 1) * binomial * std::exp(terms * std::log(x - k) - std::lgamma(terms + 1.0L));
        binomial = binomial * (terms - k) / (k + 1);
    }
    return sum;
}

long double probability(int i) {
    i = -std::abs(i); // the lower tail, where little cancels
    return irwin_hall(16.5L + i + 0.5L, 33) - irwin_hall(16.5L + i - 0.5L, 33);
}

// I as it decrypts after ModRaise under fresh secrets, against the model: chi-square.
TEST(BootFailure, OverflowsFollowTheModel) {
    const mzv_params p = named("toy-boot");
    const mzv_param_facts f = facts_of(p);
    const double q0 = (double)f.primes[p.n_special];
    const int most = 5; // beyond is one class on each side
    std::vector<double> found(2 * most + 3), expected(found.size());
    double total = 0, largest = 0;
    // Coefficients of one ciphertext share parts of the same polynomial: 16 of each are as good as
    // independent (any two share one part of 33 with probability 1/2), and ciphertexts are.
    const uint32_t batch = 40, taken = 16;
    for (uint32_t round = 0; round < 2; round++) {
        Machine m;
        mzv_key_request *request = nullptr;
        ASSERT_EQ(mzv_key_request_create(&request), MZV_OK);
        ASSERT_EQ(mzv_request_sparse(request, p.n_levels), MZV_OK);
        const size_t room = 6 * sizeof(uint64_t) * 2 * n * (p.n_special + p.n_levels + 1) * batch;
        m.ckks(p, request, room);
        mzv_key_request_destroy(request);
        mzv_cipher *out = m.empty(p.n_levels, batch);
        for (uint32_t c = 0; c < 10; c++) {
            ASSERT_EQ(mzv_mod_raise(m.ev, out, m.put(complex_slots((size_t)batch * n, n, 1, round), 0)),
                      MZV_OK)
                << mzv_last_error();
            const Slots all = m.get(out);
            for (uint32_t b = 0; b < batch; b++) {
                Slots z(all.begin() + b * n, all.begin() + (b + 1) * n);
                for (auto &slot : z) slot *= f.scale[p.n_levels] / q0;
                const std::vector<double> v = coefficients(m, z);
                for (uint32_t k = 0; k < taken; k++) {
                    const int i = (int)std::rint(v[k * 2 * n / taken]);
                    found[(size_t)(std::clamp(i, -most - 1, most + 1) + most + 1)]++;
                    largest = std::fmax(largest, std::abs(i));
                    total++;
                }
            }
        }
    }
    double chi = 0, rest = 1;
    for (int i = -most; i <= most; i++) {
        expected[(size_t)(i + most + 1)] = total * (double)probability(i);
        rest -= (double)probability(i);
    }
    expected.front() = expected.back() = total * rest / 2;
    for (size_t i = 0; i < found.size(); i++) chi += std::pow(found[i] - expected[i], 2) / expected[i];
    const double freedom = (double)found.size() - 1;
    printf("    I of %.0f coefficients: chi-square %.2f of %.0f, largest %.0f\n", total, chi, freedom,
           largest);
    // Beyond freedom + 6 sqrt(2 freedom) + 20 with probability below 2^-30 [Pearson's, by its exponential
    // tail].
    EXPECT_LT(chi, freedom + 6 * std::sqrt(2 * freedom) + 20);
    EXPECT_LE(largest, 16);
}

TEST(BootFailure, ProbabilityIsThatOfTheGate) {
    EXPECT_NEAR(mzv_security_boot_failure(16, 32, 16), -138.7, 0.05);
    for (const auto &[name, log_n] :
         { std::pair<const char *, uint32_t> { "toy-boot", 11 }, { "n16-boot", 16 } }) {
        mzv_evaluator *ev = nullptr;
        mzv_boot *boot = nullptr;
        const mzv_params p = named(name);
        const mzv_boot_spec s = coeffs_first(true);
        ASSERT_EQ(mzv_evaluator_create_count(&ev, &p), MZV_OK);
        ASSERT_EQ(mzv_boot_create(&boot, ev, &s), MZV_OK) << mzv_last_error();
        EXPECT_EQ(mzv_boot_about(boot)->log2_failure, mzv_security_boot_failure(log_n, 32, 16));
        mzv_boot_destroy(boot);
        mzv_evaluator_destroy(ev);
    }
}

// The sparse secret's modulus is checked with the parameters.
TEST(BootFailure, ATooLargeModulusOfTheSparseSecretIsRefused) {
    mzv_params p = named("n16-boot");
    mzv_param_facts f;
    p.n_levels = 28;
    p.n_special = 8;
    p.log_special = 60;
    p.log_q0 = 61;
    EXPECT_EQ(mzv_params_check(&p, &f), MZV_OK) << mzv_last_error(); // 121 bits
    p.log_special = 61;
    p.n_special = 7;
    EXPECT_EQ(mzv_params_check(&p, &f), MZV_ERR_PARAMS);
    EXPECT_NE(strstr(mzv_last_error(), "sparse secret under log2(q_0 p_0) = 122.00, cap 121"), nullptr)
        << mzv_last_error();
    p = named("toy-boot");
    p.insecure_toy = false;
    EXPECT_EQ(mzv_params_check(&p, &f), MZV_ERR_PARAMS);
}

} // namespace
