// Evaluation keys: the equation of every digit, requests, look-up.
#include "ckks/keys.h"

#include <cstring>

#include "ckks/secret.h"
#include "lib/ckks_handles.h"

using namespace mzv_test;

namespace {

Keys make_keys(const Secret &secret, const Request &request) {
    mzv_keys *keys = nullptr;
    EXPECT_EQ(mzv_keys_create(&keys, secret.get(), request.get()), MZV_OK) << mzv_last_error();
    return Keys(keys);
}

using Poly = std::vector<int64_t>; // coefficients modulo X^N + 1

Poly secret_poly(const Secret &secret) {
    return Poly(secret->coeff, secret->coeff + ((size_t)1 << secret->ctx->params.log_n));
}

Poly square(const Poly &s) {
    const size_t n = s.size();
    Poly r(n);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) r[(i + j) % n] += (i + j < n ? 1 : -1) * s[i] * s[j];
    }
    return r;
}

// a(X^g)
Poly substitute(const Poly &a, uint64_t g) {
    const size_t n = a.size();
    Poly r(n);
    for (size_t i = 0; i < n; i++) {
        const size_t e = i * g % (2 * n);
        r[e % n] = e < n ? a[i] : -a[i];
    }
    return r;
}

// b_j + a_j s_to - P g_j s_from, whose coefficients must be centred binomial in every limb alike; digits and
// P g_j from the definition in context.h, by 128-bit remainders.
void check_digit(const Context &ctx, const mzv_ksk &key, uint32_t j, const Poly &to, const Poly &from) {
    const size_t n = to.size();
    const uint32_t n_p = ctx->params.n_special, n_rows = n_p + key.level + 1;
    mzv_stream *s = nullptr;
    MZV_OKAY(mzv_host_open(&s, ctx.get(), (2 * n_rows + 1) * n));
    mzv_poly sum, lifted;
    uint64_t *wide = nullptr;
    MZV_OKAY(mzv_take(s, &sum, 1, key.pair[0].basis));
    MZV_OKAY(mzv_take(s, &lifted, 1, key.pair[0].basis));
    MZV_OKAY(mzv_take_words(s, &wide, n));
    memcpy(wide, to.data(), 8 * n);
    MZV_OKAY(mzv_poly_lift(s, lifted, (const int64_t *)wide, 0));
    MZV_OKAY(mzv_poly_copy(s, sum, key.pair[2 * j]));
    MZV_OKAY(mzv_poly_mul_add(s, sum, key.pair[2 * j + 1], mzv_view(lifted)));
    MZV_OKAY(mzv_poly_intt(s, sum));
    std::vector<int64_t> noise(n);
    double square_sum = 0;
    for (uint32_t i = 0; i < n_rows; i++) {
        const uint64_t prime = ctx->facts.primes[i];
        const bool in_digit = i >= n_p && (i - n_p) / n_p == j; // alpha is K
        unsigned __int128 factor = in_digit ? 1 : 0;
        for (uint32_t k = 0; k < n_p; k++) factor = factor * ctx->facts.primes[k] % prime;
        for (size_t k = 0; k < n; k++) {
            const uint64_t f =
                (uint64_t)((__int128)from[k] % (__int128)prime + (from[k] < 0 ? (__int128)prime : 0)) % prime;
            const uint64_t expected = (uint64_t)(factor * f % prime);
            const uint64_t r = (sum.base[i * n + k] + prime - expected) % prime;
            const int64_t e = r > prime / 2 ? (int64_t)(r - prime) : (int64_t)r;
            ASSERT_LE(std::llabs(e), 21) << "row " << i << " coefficient " << k;
            if (i == 0) {
                noise[k] = e;
                square_sum += (double)(e * e);
            }
            ASSERT_EQ(e, noise[k]) << "row " << i << " coefficient " << k;
        }
    }
    EXPECT_NEAR(square_sum / (double)n, 10.5, 6 * 10.5 * std::sqrt(2.0 / (double)n));
    mzv_host_close(s);
}

TEST(Keys, EquationOfEveryDigit) {
    for (const uint32_t n_special : { 1u, 2u, 3u }) {
        const Context ctx = make_context(toy(10, 4, n_special));
        const Secret secret = make_secret(ctx);
        const Poly s = secret_poly(secret), s2 = square(s);
        const Request request = make_request();
        MZV_OKAY(mzv_request_relinearize(request.get(), 4));
        MZV_OKAY(mzv_request_rotate(request.get(), 1, 4));
        MZV_OKAY(mzv_request_rotate(request.get(), -3, 2));
        MZV_OKAY(mzv_request_rotate(request.get(), 256, 0));
        MZV_OKAY(mzv_request_conjugate(request.get(), 3));
        const Keys keys = make_keys(secret, request);
        ASSERT_EQ(mzv_keys_count(keys.get()), 5u);
        size_t words = 0;
        for (uint32_t i = 0; i < keys->n; i++) {
            const mzv_ksk &key = keys->key[i];
            SCOPED_TRACE(testing::Message() << "K " << n_special << " galois " << key.galois);
            EXPECT_EQ(key.n_digits, (key.level + n_special) / n_special);
            uint64_t inverse = 1;
            while (inverse * key.galois % 2048 != 1) inverse += 2;
            const Poly to = key.galois == 1 ? s : substitute(s, inverse);
            for (uint32_t j = 0; j < key.n_digits; j++)
                check_digit(ctx, key, j, to, key.galois == 1 ? s2 : s);
            words += 2 * key.n_digits * (n_special + key.level + 1) * 1024;
        }
        EXPECT_EQ(mzv_keys_bytes(keys.get()), 8 * words);
    }
}

TEST(Keys, UniformHalvesComeFromTheSeed) {
    const Context ctx = make_context(toy(10));
    const Secret secret = make_secret(ctx);
    const Request request = make_request();
    MZV_OKAY(mzv_request_rotate(request.get(), 1, 3));
    MZV_OKAY(mzv_request_rotate(request.get(), 2, 3));
    const Keys keys = make_keys(secret, request);
    EXPECT_NE(memcmp(keys->key[0].seed, keys->key[1].seed, 32), 0);
    EXPECT_NE(memcmp(keys->key[0].pair[1].base, keys->key[0].pair[3].base, 8192), 0);
    EXPECT_EQ(memcmp(keys->key_id, secret->key_id, MZV_ID_BYTES), 0);
}

TEST(Keys, GaloisElements) {
    EXPECT_EQ(mzv_galois_of(10, 0), 1u);
    EXPECT_EQ(mzv_galois_of(10, 512), 1u);
    EXPECT_EQ(mzv_galois_of(10, -512), 1u);
    uint64_t power = 1;
    for (int32_t steps = 0; steps < 512; steps++, power = 5 * power % 2048) {
        ASSERT_EQ(mzv_galois_of(10, steps), power);
        ASSERT_EQ(mzv_galois_of(10, steps - 512), power);
        ASSERT_EQ(mzv_galois_of(10, steps + 5 * 512), power);
    }
    EXPECT_EQ((uint64_t)mzv_galois_of(17, 65535) * 5 % 262144, 1u);
}

TEST(Keys, RequestsMergeAtTheHigherLevel) {
    const Request request = make_request();
    for (int32_t steps = 100; steps > -100; steps--) {
        MZV_OKAY(mzv_request_rotate(request.get(), steps, 1));
        MZV_OKAY(mzv_request_rotate(request.get(), steps, 3));
        MZV_OKAY(mzv_request_rotate(request.get(), steps, 2));
    }
    MZV_OKAY(mzv_request_conjugate(request.get(), 1));
    MZV_OKAY(mzv_request_relinearize(request.get(), 1));
    MZV_OKAY(mzv_request_relinearize(request.get(), 0));
    ASSERT_EQ(request->n, 202u);
    EXPECT_EQ(request->need[0].kind, MZV_NEED_RELINEARIZE);
    EXPECT_EQ(request->need[0].level, 1u);
    EXPECT_EQ(request->need[201].kind, MZV_NEED_CONJUGATE);
    for (uint32_t i = 1; i <= 200; i++) {
        EXPECT_EQ(request->need[i].steps, (int32_t)i - 100);
        EXPECT_EQ(request->need[i].level, 3u);
    }
    EXPECT_EQ(mzv_request_rotate(nullptr, 1, 1), MZV_ERR_ARGUMENT);
}

// Steps that are one rotation in this ring share a key; a full turn needs none.
TEST(Keys, RotationsAreTakenModuloTheSlots) {
    const Context ctx = make_context(toy(10));
    const Secret secret = make_secret(ctx);
    const Request request = make_request();
    MZV_OKAY(mzv_request_rotate(request.get(), 3, 1));
    MZV_OKAY(mzv_request_rotate(request.get(), 3 - 512, 2));
    MZV_OKAY(mzv_request_rotate(request.get(), 0, 3));
    MZV_OKAY(mzv_request_rotate(request.get(), 1024, 3));
    const Keys keys = make_keys(secret, request);
    ASSERT_EQ(mzv_keys_count(keys.get()), 1u);
    EXPECT_EQ(keys->key[0].galois, 125u);
    EXPECT_EQ(keys->key[0].level, 2u);
}

TEST(Keys, FindSaysWhatIsMissing) {
    const Context ctx = make_context(toy(10));
    const Secret secret = make_secret(ctx);
    const Request request = make_request();
    MZV_OKAY(mzv_request_rotate(request.get(), 3, 1));
    MZV_OKAY(mzv_request_conjugate(request.get(), 3));
    const Keys keys = make_keys(secret, request);
    const mzv_ksk *key = nullptr;
    MZV_OKAY(mzv_keys_find(&key, keys.get(), 125, 0));
    EXPECT_EQ(key->galois, 125u);
    MZV_OKAY(mzv_keys_find(&key, keys.get(), 2047, 3));
    EXPECT_EQ(key->galois, 2047u);
    const mzv_ksk *const before = key;
    EXPECT_EQ(mzv_keys_find(&key, keys.get(), 125, 2), MZV_ERR_KEY);
    EXPECT_NE(std::string(mzv_last_error()).find("rotation by 3 "), std::string::npos) << mzv_last_error();
    EXPECT_NE(std::string(mzv_last_error()).find("one of level 1"), std::string::npos) << mzv_last_error();
    EXPECT_EQ(mzv_keys_find(&key, keys.get(), 5, 0), MZV_ERR_KEY);
    EXPECT_NE(std::string(mzv_last_error()).find("rotation by 1 "), std::string::npos) << mzv_last_error();
    EXPECT_EQ(mzv_keys_find(&key, keys.get(), 1, 0), MZV_ERR_KEY);
    EXPECT_NE(std::string(mzv_last_error()).find("relinearisation"), std::string::npos) << mzv_last_error();
    EXPECT_EQ(mzv_keys_find(&key, nullptr, 1, 0), MZV_ERR_KEY);
    EXPECT_EQ(key, before);
}

TEST(Keys, RefusesWrongRequests) {
    const Context ctx = make_context(toy(10));
    const Secret secret = make_secret(ctx);
    const Request request = make_request();
    mzv_keys *keys = nullptr;
    EXPECT_EQ(mzv_keys_create(&keys, nullptr, request.get()), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_keys_create(&keys, secret.get(), nullptr), MZV_ERR_ARGUMENT);
    MZV_OKAY(mzv_request_relinearize(request.get(), 4));
    EXPECT_EQ(mzv_keys_create(&keys, secret.get(), request.get()), MZV_ERR_LEVEL);
    EXPECT_EQ(keys, nullptr);
    const Request nothing = make_request();
    const Keys empty = make_keys(secret, nothing);
    EXPECT_EQ(mzv_keys_count(empty.get()), 0u);
    EXPECT_EQ(mzv_keys_bytes(empty.get()), 0u);
}

} // namespace
