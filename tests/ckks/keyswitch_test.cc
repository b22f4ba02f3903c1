// Key switching by its definition, r_0 + r_1 s_to - d s_from small, with the analytic size of "small".
#include "ckks/eval_fixture.h"
#include "ckks/keyswitch.h"
#include "ckks/secret.h"

namespace eval {

class KeySwitch : public Ckks {
  protected:
    void SetUp() override {
        Ckks::SetUp();
        EVAL_OK(ctx->ops->stream_open(&s, ctx->backend));
        EVAL_OK(mzv_scratch_reserve(s, size_t { 600 } << params.log_n));
    }
    void TearDown() override {
        s->ops->stream_close(s);
        Ckks::TearDown();
    }

    // Uniform rows in [0, prime).
    mzv_poly uniform(uint32_t level, uint32_t batch, uint32_t seed) {
        mzv_poly d = {};
        EXPECT_EQ(mzv_take(s, &d, batch, mzv_basis_q(level)), MZV_OK);
        std::mt19937_64 rng(seed);
        const size_t degree = size_t { 1 } << params.log_n;
        std::vector<uint64_t> row(degree);
        for (uint32_t i = 0; i < batch * (level + 1); i++) {
            const uint64_t prime = mzv_context_facts(ctx)->primes[params.n_special + i % (level + 1)];
            for (auto &w : row) w = rng() % prime;
            EXPECT_EQ(s->ops->upload(s, d.base + i * degree, row.data(), degree), MZV_OK);
            EXPECT_EQ(s->ops->synchronize(s), MZV_OK);
        }
        return d;
    }

    // Coefficients of the error r_0 + r_1 s_to - d s_from, which every limb has to agree on.
    void measure(double *deviation, const mzv_poly r[2], mzv_cpoly d, mzv_cpoly from, mzv_cpoly to) {
        const size_t degree = size_t { 1 } << params.log_n;
        mzv_poly e, t;
        EVAL_OK(mzv_take(s, &e, d.batch, d.basis));
        EVAL_OK(mzv_take(s, &t, d.batch, d.basis));
        EVAL_OK(mzv_poly_mul(s, t, d, from));
        EVAL_OK(mzv_poly_sub(s, e, mzv_view(r[0]), mzv_view(t)));
        EVAL_OK(mzv_poly_mul_add(s, e, mzv_view(r[1]), to));
        EVAL_OK(mzv_poly_intt(s, e));
        std::vector<uint64_t> words(d.batch * d.basis.n_q * degree);
        EVAL_OK(s->ops->download(s, words.data(), e.base, words.size()));
        EVAL_OK(s->ops->synchronize(s));
        double squares = 0;
        for (size_t i = 0; i < words.size(); i++) {
            const size_t limb = i / degree % d.basis.n_q;
            const size_t first = i - limb * degree; // the same coefficient modulo q_0
            const uint64_t q0 = mzv_context_facts(ctx)->primes[params.n_special];
            const uint64_t prime = mzv_context_facts(ctx)->primes[params.n_special + limb];
            const int64_t x = words[first] > q0 / 2 ? -static_cast<int64_t>(q0 - words[first])
                                                    : static_cast<int64_t>(words[first]);
            ASSERT_EQ(words[i], x < 0 ? prime - static_cast<uint64_t>(-x) : static_cast<uint64_t>(x))
                << "limb " << limb;
            squares += static_cast<double>(x) * static_cast<double>(x);
        }
        *deviation = std::sqrt(squares / static_cast<double>(words.size()));
    }

    // Of a coefficient, from that of a slot: times S / sqrt(N / 2).
    double predicted(uint32_t level) const {
        return noise(level).key_switch() * mzv_context_facts(ctx)->scale[level] /
               std::sqrt(static_cast<double>(n));
    }

    void check(uint32_t galois, uint32_t level, uint32_t batch) {
        const size_t mark = mzv_mark(s);
        const mzv_ksk *key = nullptr;
        const mzv_basis basis = mzv_basis_q(level);
        mzv_poly r[2], from, to;
        double deviation = 0;
        EVAL_OK(mzv_keys_find(&key, keys, galois, level));
        const mzv_poly d = uniform(level, batch, galois + level);
        EVAL_OK(mzv_take(s, &from, 1, basis));
        EVAL_OK(mzv_take(s, &to, 1, basis));
        for (auto &part : r) EVAL_OK(mzv_take(s, &part, batch, basis));
        const mzv_cpoly secret_rows = mzv_secret_view(secret, basis);
        if (galois == 1) {
            EVAL_OK(mzv_poly_mul(s, from, secret_rows, secret_rows));
            EVAL_OK(mzv_poly_copy(s, to, secret_rows));
        } else {
            uint64_t inverse =
                galois; // modulo the power of two 2N: each step doubles the bits that are right
            for (int i = 0; i < 6; i++) inverse *= 2 - galois * inverse;
            EVAL_OK(mzv_poly_copy(s, from, secret_rows));
            EVAL_OK(mzv_poly_automorphism(s, to, secret_rows, static_cast<uint32_t>(inverse % (4 * n))));
        }
        EVAL_OK(mzv_keyswitch(s, r, mzv_view(d), key, { nullptr, 0, nullptr, nullptr, 1, false }));
        measure(&deviation, r, mzv_view(d), mzv_view(from), mzv_view(to));
        // Coefficients are sums of many terms: N of them show the deviation to 1/sqrt(2N) = 0.022; seven of
        // those, and as much for the secret's own norm.
        EXPECT_NEAR(deviation / predicted(level), 1, 0.3) << "galois " << galois << ", level " << level;
        mzv_release(s, mark);
    }

    mzv_stream *s = nullptr;
};

TEST_F(KeySwitch, NoiseIsAsPredictedAtEveryLevel) {
    for (uint32_t level = 0; level <= params.n_levels; level++) {
        for (const uint32_t batch : { 1u, 3u }) {
            check(1, level, batch);
            check(mzv_galois_of(params.log_n, 3), level, batch);
            check(4 * static_cast<uint32_t>(n) - 1, level, batch);
        }
    }
}

TEST_F(KeySwitch, DigitsCoverTheLimbsInOrder) {
    mzv_poly d;
    EVAL_OK(mzv_take(s, &d, 1, mzv_basis_q(4)));
    ASSERT_EQ(mzv_digits_at(params.n_special, 4), 3u);
    uint32_t next = 0;
    for (uint32_t j = 0; j < 3; j++) {
        const mzv_cpoly view = mzv_digit_view(mzv_view(d), j, params.n_special, params.log_n);
        EXPECT_EQ(view.basis.q_first, next);
        EXPECT_EQ(view.basis.n_p, 0);
        EXPECT_EQ(view.base, d.base + (size_t { next } << params.log_n));
        next += view.basis.n_q;
    }
    EXPECT_EQ(next, 5u);
}

// The steps one by one, and all at once.
TEST_F(KeySwitch, ComposedEqualsItsSteps) {
    const mzv_ksk *key = nullptr;
    EVAL_OK(mzv_keys_find(&key, keys, 1, 3));
    const mzv_poly d = uniform(3, 2, 9);
    const size_t words_each = size_t { 2 } * 4 << params.log_n;
    mzv_poly r[2], steps[2], acc[2];
    mzv_digits digits;
    for (uint32_t t = 0; t < 2; t++) {
        EVAL_OK(mzv_take(s, &r[t], 2, mzv_basis_q(3)));
        EVAL_OK(mzv_take(s, &steps[t], 2, mzv_basis_q(3)));
        EVAL_OK(mzv_take(s, &acc[t], 2, mzv_basis_qp(params.n_special, 3)));
    }
    EVAL_OK(mzv_keyswitch(s, r, mzv_view(d), key, { nullptr, 0, nullptr, nullptr, 1, false }));
    EVAL_OK(mzv_keyswitch_mod_up(s, &digits, mzv_view(d), params.n_special));
    EXPECT_EQ(digits.n, 2u);
    EVAL_OK(mzv_keyswitch_product(s, acc, &digits, key));
    EVAL_OK(mzv_keyswitch_mod_down(s, steps, acc));
    for (uint32_t t = 0; t < 2; t++) {
        std::vector<uint64_t> x(words_each), y(words_each);
        EVAL_OK(s->ops->download(s, x.data(), r[t].base, words_each));
        EVAL_OK(s->ops->download(s, y.data(), steps[t].base, words_each));
        EVAL_OK(s->ops->synchronize(s));
        EXPECT_EQ(x, y);
    }
}

// A key made for level 3 works there and below, and at level 4 it is missing.
TEST_F(KeySwitch, KeysReachTheirLevelOnly) {
    mzv_key_request *low = nullptr;
    mzv_keys *low_keys = nullptr;
    EVAL_OK(mzv_key_request_create(&low));
    EVAL_OK(mzv_request_rotate(low, 3, 3));
    EVAL_OK(mzv_keys_create(&low_keys, secret, low));
    std::swap(keys, low_keys);
    for (uint32_t level = 0; level <= 3; level++) check(mzv_galois_of(params.log_n, 3), level, 1);
    std::swap(keys, low_keys);
    const mzv_ksk *key = nullptr;
    EXPECT_EQ(mzv_keys_find(&key, low_keys, mzv_galois_of(params.log_n, 3), 4), MZV_ERR_KEY);
    mzv_keys_destroy(low_keys);
    mzv_key_request_destroy(low);
}

} // namespace eval
