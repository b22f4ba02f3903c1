// Operations against Python, at N = 8 and N = 32, and properties that do not need an oracle.
#include <gtest/gtest.h>

#include <vector>

#include "backend/backend.h"
#include "backend/fused.h"
#include "vectors/math_vectors.h"

namespace {

struct Known {
    uint32_t log_n;
    const uint64_t *chain, *a, *b, *values, *product, *substituted, *mod_up, *mod_down, *rescaled, *integers,
        *lifted;
};
const Known kKnown8 = { 3,       kChain8,   kA8,        kB8,      kValues8, kProduct8, kSubstituted8,
                        kModUp8, kModDown8, kRescaled8, kSigned8, kLifted8 };
const Known kKnown32 = { 5,        kChain32,   kA32,        kB32,      kValues32, kProduct32, kSubstituted32,
                         kModUp32, kModDown32, kRescaled32, kSigned32, kLifted32 };

constexpr uint32_t kPrimes = 6;
const mzv_basis kAll = { 2, 0, 4 };

class Operations : public ::testing::TestWithParam<const Known *> {
  protected:
    void SetUp() override {
        known_ = GetParam();
        n_ = size_t { 1 } << known_->log_n;
        const mzv_chain chain = { known_->log_n, 2, 4, known_->chain };
        ASSERT_EQ(mzv_cpu_ops.open(&backend_, &chain, 0, nullptr), MZV_OK) << mzv_last_error();
        ASSERT_EQ(mzv_cpu_ops.stream_open(&s_, backend_), MZV_OK);
        ASSERT_EQ(mzv_scratch_reserve(s_, 200 * kPrimes * n_), MZV_OK);
    }
    void TearDown() override {
        mzv_cpu_ops.stream_close(s_);
        mzv_cpu_ops.close(backend_);
    }
    mzv_poly take(mzv_basis basis, uint32_t batch = 1) {
        mzv_poly r;
        EXPECT_EQ(mzv_take(s_, &r, batch, basis), MZV_OK) << mzv_last_error();
        return r;
    }
    // A polynomial with these coefficients, in NTT form.
    mzv_poly load(const uint64_t *coefficients, mzv_basis basis = kAll) {
        const mzv_poly r = take(basis);
        const size_t words = mzv_basis_size(basis) * n_;
        EXPECT_EQ(mzv_cpu_ops.upload(s_, r.base, coefficients, words), MZV_OK);
        EXPECT_EQ(mzv_poly_ntt(s_, r), MZV_OK) << mzv_last_error();
        return r;
    }
    void expect_words(mzv_poly r, const uint64_t *expected) {
        for (size_t k = 0; k < mzv_basis_size(r.basis) * n_; k++)
            ASSERT_EQ(r.base[k], expected[k]) << "row " << k / n_ << " word " << k % n_;
    }
    void expect_coefficients(mzv_poly r, const uint64_t *expected) {
        ASSERT_EQ(mzv_poly_intt(s_, r), MZV_OK);
        expect_words(r, expected);
    }
    const Known *known_ = nullptr;
    size_t n_ = 0;
    mzv_backend *backend_ = nullptr;
    mzv_stream *s_ = nullptr;
};

TEST_P(Operations, NttIsTheDefinition) { expect_words(load(known_->a), known_->values); }

TEST_P(Operations, InttUndoesIt) { expect_coefficients(load(known_->a), known_->a); }

TEST_P(Operations, MulIsTheNegacyclicProduct) {
    const mzv_poly a = load(known_->a), b = load(known_->b), r = take(kAll);
    ASSERT_EQ(mzv_poly_mul(s_, r, mzv_view(a), mzv_view(b)), MZV_OK);
    expect_coefficients(r, known_->product);
}

TEST_P(Operations, AutomorphismSubstitutes) {
    const mzv_poly a = load(known_->a), r = take(kAll);
    ASSERT_EQ(mzv_poly_automorphism(s_, r, mzv_view(a), 5), MZV_OK);
    expect_coefficients(r, known_->substituted);
}

TEST_P(Operations, AutomorphismsCompose) {
    const mzv_poly a = load(known_->a), once = take(kAll), twice = take(kAll), direct = take(kAll);
    const uint32_t two_n = 2u << known_->log_n;
    for (uint32_t g = 1; g < two_n; g += 2) {
        ASSERT_EQ(mzv_poly_automorphism(s_, once, mzv_view(a), g), MZV_OK);
        ASSERT_EQ(mzv_poly_automorphism(s_, twice, mzv_view(once), 3), MZV_OK);
        ASSERT_EQ(mzv_poly_automorphism(s_, direct, mzv_view(a), 3 * g % two_n), MZV_OK);
        expect_words(twice, direct.base);
    }
}

TEST_P(Operations, ModUpIsTheFormula) {
    const mzv_basis source = { 0, 1, 2 }; // rows 3 and 4 of the chain
    const mzv_poly a = load(known_->a), r = take(kAll);
    const mzv_cpoly digit = { a.base + 3 * n_, 0, 1, source };
    ASSERT_EQ(mzv_poly_mod_up(s_, r, digit), MZV_OK);
    expect_coefficients(r, known_->mod_up);
}

TEST_P(Operations, ModDownIsTheFormula) {
    const mzv_poly a = load(known_->a), r = take({ 0, 0, 4 });
    ASSERT_EQ(mzv_poly_mod_down(s_, r, mzv_view(a)), MZV_OK);
    expect_coefficients(r, known_->mod_down);
}

TEST_P(Operations, ModDownWithRescaleIsTheFormula) {
    const mzv_poly a = load(known_->a), r = take({ 0, 0, 3 });
    ASSERT_EQ(mzv_poly_mod_down(s_, r, mzv_view(a)), MZV_OK);
    expect_coefficients(r, known_->rescaled);
}

TEST_P(Operations, ChangeToTheSameBasisCopies) {
    const mzv_poly a = load(known_->a), r = take(kAll);
    ASSERT_EQ(mzv_poly_mod_up(s_, r, mzv_view(a)), MZV_OK);
    expect_words(r, a.base);
    ASSERT_EQ(mzv_poly_mod_down(s_, r, mzv_view(a)), MZV_OK);
    expect_words(r, a.base);
}

TEST_P(Operations, LiftReducesSignedCoefficients) {
    const mzv_poly r = take(kAll);
    uint64_t *v = nullptr;
    ASSERT_EQ(mzv_take_words(s_, &v, n_), MZV_OK);
    ASSERT_EQ(mzv_cpu_ops.upload(s_, v, known_->integers, n_), MZV_OK);
    ASSERT_EQ(mzv_poly_lift(s_, r, reinterpret_cast<const int64_t *>(v), 0), MZV_OK);
    expect_coefficients(r, known_->lifted);
}

TEST_P(Operations, AddSubAndConstants) {
    const mzv_poly a = load(known_->a), b = load(known_->b), r = take(kAll), t = take(kAll);
    ASSERT_EQ(mzv_poly_add(s_, r, mzv_view(a), mzv_view(b)), MZV_OK);
    ASSERT_EQ(mzv_poly_sub(s_, r, mzv_view(r), mzv_view(b)), MZV_OK);
    expect_words(r, a.base);
    uint64_t one[kPrimes], minus_one[kPrimes];
    for (uint32_t i = 0; i < kPrimes; i++) one[i] = 1, minus_one[i] = known_->chain[i] - 1;
    ASSERT_EQ(mzv_poly_mul_const(s_, t, mzv_view(a), minus_one), MZV_OK);
    ASSERT_EQ(mzv_poly_mul_const_add(s_, t, mzv_view(a), one), MZV_OK);
    for (size_t k = 0; k < kPrimes * n_; k++) ASSERT_EQ(t.base[k], 0u);
    ASSERT_EQ(mzv_poly_add_const(s_, t, mzv_view(t), minus_one), MZV_OK); // the polynomial -1
    ASSERT_EQ(mzv_poly_intt(s_, t), MZV_OK);
    for (uint32_t i = 0; i < kPrimes; i++) {
        EXPECT_EQ(t.base[i * n_], known_->chain[i] - 1);
        for (size_t k = 1; k < n_; k++) ASSERT_EQ(t.base[i * n_ + k], 0u);
    }
}

// The fused operations of the backend and their composition give the same bytes.
TEST_P(Operations, FusedEqualsComposed) {
    const uint32_t batch = 2;
    std::vector<mzv_cpoly> d, key[2];
    for (int j = 0; j < 3; j++) {
        const mzv_poly x = take(kAll, batch);
        for (uint32_t k = 0; k < batch; k++)
            for (size_t w = 0; w < kPrimes * n_; w++)
                x.base[k * x.stride + w] = (known_->a[w] + j + k) % known_->chain[w / n_];
        d.push_back(mzv_view(x));
    }
    for (auto &one : key)
        for (int j = 0; j < 6; j++) one.push_back(mzv_view(load(j % 2 ? known_->a : known_->b)));
    const mzv_cpoly *keys[2] = { key[0].data(), key[1].data() };
    const uint32_t galois[2] = { 5, 3 };
    mzv_poly r[3], e[3];
    for (int t = 0; t < 3; t++) r[t] = take(kAll, batch), e[t] = take(kAll, batch);
    const auto expect_same = [&](int n_outputs) {
        for (int t = 0; t < n_outputs; t++)
            for (size_t w = 0; w < batch * kPrimes * n_; w++) ASSERT_EQ(r[t].base[w], e[t].base[w]);
    };
    ASSERT_EQ(mzv_poly_tensor(s_, r, d.data(), d.data() + 1), MZV_OK);
    ASSERT_EQ(mzv_fused_tensor(s_, e, d.data(), d.data() + 1), MZV_OK);
    expect_same(3);
    ASSERT_EQ(mzv_poly_dot(s_, r[0], d.data(), keys[0], 3), MZV_OK);
    ASSERT_EQ(mzv_fused_dot(s_, e[0], d.data(), keys[0], 3), MZV_OK);
    expect_same(1);
    ASSERT_EQ(mzv_poly_key_product(s_, r, d.data(), keys[0], 3), MZV_OK);
    ASSERT_EQ(mzv_fused_key_product(s_, e, d.data(), keys[0], 3), MZV_OK);
    expect_same(2);
    ASSERT_EQ(mzv_poly_fold(s_, r, d.data(), keys, galois, 3, 2), MZV_OK);
    ASSERT_EQ(mzv_fused_fold(s_, e, d.data(), keys, galois, 3, 2), MZV_OK);
    expect_same(2);
}

// Eleven rotations, more than a backend keeps at a time, two of them without a key; three sums, with weights
// of both kinds, some missing, and one sum of nothing.
TEST_P(Operations, RotationSumsEqualTheirComposition) {
    const uint32_t batch = 2, n_rotations = 11, n_sums = 3;
    const mzv_basis q = { 0, 0, 4 };
    const auto any = [&](mzv_basis basis, uint32_t size, uint64_t salt) {
        const mzv_poly x = take(basis, size);
        for (uint32_t k = 0; k < size; k++)
            for (size_t w = 0; w < mzv_basis_size(basis) * n_; w++)
                x.base[k * x.stride + w] =
                    (known_->a[w] * (salt + k)) % known_->chain[(basis.n_p == 0 ? 2 : 0) + w / n_];
        return mzv_view(x);
    };
    const std::vector<mzv_cpoly> d = { any(kAll, batch, 3), any(kAll, batch, 5) };
    const mzv_cpoly a[2] = { any(q, batch, 7), any(q, batch, 9) };
    const uint64_t c[4] = { 11, 12, 13, 14 };
    std::vector<std::vector<mzv_cpoly>> keys(n_rotations);
    std::vector<const mzv_cpoly *> key(n_rotations, nullptr);
    std::vector<uint32_t> galois(n_rotations, 1);
    uint64_t *v = nullptr;
    ASSERT_EQ(mzv_take_words(s_, &v, n_), MZV_OK);
    ASSERT_EQ(mzv_cpu_ops.upload(s_, v, known_->integers, n_), MZV_OK);
    std::vector<mzv_diagonal> w(n_sums * n_rotations, mzv_diagonal { nullptr, nullptr, 0 });
    for (uint32_t i = 0; i < n_rotations; i++) {
        for (uint32_t j = 0; j < 4; j++) keys[i].push_back(any(kAll, 1, 20 + i * j));
        if (i % 7 != 3) key[i] = keys[i].data();
        galois[i] = (2 * i + 3) % (2u << known_->log_n);
        if (i % 3 != 1) w[i].rows = any(kAll, 1, 90 + i).base;
        if (i > 8) w[n_rotations + i].integers = reinterpret_cast<const int64_t *>(v);
    }
    mzv_rotations of = { d.data(), a, c, key.data(), galois.data(), w.data(), 2, n_rotations, n_sums, false };
    mzv_poly r[2 * n_sums], e[2 * n_sums];
    for (uint32_t k = 0; k < 2 * n_sums; k++) r[k] = take(kAll, batch), e[k] = take(kAll, batch);
    const size_t mark = mzv_mark(s_);
    ASSERT_EQ(mzv_poly_rotation_sums(s_, r, &of), MZV_OK) << mzv_last_error();
    ASSERT_EQ(mzv_fused_rotation_sums(s_, e, &of), MZV_OK) << mzv_last_error();
    EXPECT_EQ(mzv_mark(s_), mark);
    of.accumulate = true; // all of it once more
    ASSERT_EQ(mzv_poly_rotation_sums(s_, r, &of), MZV_OK) << mzv_last_error();
    for (uint32_t k = 0; k < 2 * n_sums; k++)
        ASSERT_EQ(mzv_poly_add(s_, e[k], mzv_view(e[k]), mzv_view(e[k])), MZV_OK);
    of.accumulate = false;
    for (uint32_t k = 0; k < 2 * n_sums; k++)
        for (size_t word = 0; word < batch * kPrimes * n_; word++)
            ASSERT_EQ(r[k].base[word], e[k].base[word]) << "output " << k << " word " << word;
    // The one rotation without a key, alone: c a in the limbs q, 0 in the special ones.
    const mzv_diagonal alone = { any(kAll, 1, 1).base, nullptr, 0 };
    of.key = key.data() + 3, of.galois = galois.data() + 3, of.w = &alone, of.n_rotations = of.n_sums = 1;
    ASSERT_EQ(mzv_poly_rotation_sums(s_, r, &of), MZV_OK) << mzv_last_error();
    for (size_t word = 0; word < kPrimes * n_; word++) {
        const uint64_t p = known_->chain[word / n_], x = word < 2 * n_ ? 0 : a[1].base[word - 2 * n_];
        const uint64_t scaled = word < 2 * n_ ? 0 : (unsigned __int128)x * c[word / n_ - 2] % p;
        ASSERT_EQ(r[1].base[word], (unsigned __int128)scaled * alone.rows[word] % p) << word;
    }
    // Values kept once need their integers, and may not lie in a sum.
    mzv_diagonal compact = { alone.rows, nullptr, 3 };
    of.w = &compact;
    EXPECT_EQ(mzv_poly_rotation_sums(s_, r, &of), MZV_ERR_ARGUMENT);
    EXPECT_STREQ(mzv_last_error(), ("rotation_sums: w repeats 2^3 times, need at most 2^" +
                                    std::to_string(known_->log_n) + ", and its integers")
                                       .c_str());
    const std::vector<int64_t> zeros(n_, 0);
    compact = { r[0].base, zeros.data(), 3 };
    EXPECT_EQ(mzv_poly_rotation_sums(s_, r, &of), MZV_ERR_ARGUMENT);
    EXPECT_STREQ(mzv_last_error(), "rotation_sums: w overlaps a sum");
}

// A key without noise or mask: digit j of it is P in the rows of digit j and 0 elsewhere, so the switch gives
// back d, exactly; and d / q_3 where r lacks the last limb.
TEST_P(Operations, KeySwitchWithTheGadgetIsTheIdentity) {
    const mzv_basis q = { 0, 0, 4 };
    std::vector<mzv_cpoly> key, digits;
    for (int j = 0; j < 4; j++) { // digit j / 2, half j % 2: the second half is 0
        const mzv_poly k = take(kAll);
        for (size_t w = 0; w < kPrimes * n_; w++) {
            const uint64_t p = known_->chain[w / n_];
            const bool mine = j % 2 == 0 && w / n_ / 2 == static_cast<size_t>(j / 2 + 1);
            k.base[w] = mine ? (unsigned __int128)known_->chain[0] * known_->chain[1] % p : 0;
        }
        key.push_back(mzv_view(k));
    }
    const mzv_poly d = load(known_->a + 2 * n_, q), b = load(known_->b + 2 * n_, q), e = take(q);
    for (uint16_t j = 0; j < 2; j++) {
        const mzv_poly up = take(kAll);
        ASSERT_EQ(mzv_poly_mod_up(s_, up, mzv_fused_digit(mzv_view(d), j, 2, known_->log_n)), MZV_OK);
        digits.push_back(mzv_view(up));
    }
    mzv_poly r[2] = { take(q), take(q) }, low[2] = { take({ 0, 0, 3 }), take({ 0, 0, 3 }) };
    const mzv_cpoly add[2] = { mzv_view(b), mzv_view(d) };
    const size_t mark = mzv_mark(s_);
    for (const mzv_cpoly *kept : { (const mzv_cpoly *)nullptr, (const mzv_cpoly *)digits.data() }) {
        mzv_switch with = { key.data(), 2, kept, nullptr, 1, false };
        ASSERT_EQ(mzv_poly_key_switch(s_, r, mzv_view(d), &with), MZV_OK) << mzv_last_error();
        expect_words(r[0], d.base);
        for (size_t w = 0; w < 4 * n_; w++) ASSERT_EQ(r[1].base[w], 0u);
        with.add = add;
        with.galois = 5;
        ASSERT_EQ(mzv_poly_key_switch(s_, r, mzv_view(d), &with), MZV_OK) << mzv_last_error();
        ASSERT_EQ(mzv_poly_automorphism(s_, e, mzv_view(d), 5), MZV_OK);
        expect_words(r[1], e.base);
        ASSERT_EQ(mzv_poly_sub(s_, r[0], mzv_view(r[0]), mzv_view(r[1])), MZV_OK);
        ASSERT_EQ(mzv_poly_automorphism(s_, e, mzv_view(b), 5), MZV_OK);
        expect_words(r[0], e.base);
        with = { key.data(), 2, kept, nullptr, 1, false };
        ASSERT_EQ(mzv_poly_key_switch(s_, low, mzv_view(d), &with), MZV_OK) << mzv_last_error();
        const mzv_poly rescaled = { e.base, e.stride, 1, { 0, 0, 3 } };
        ASSERT_EQ(mzv_poly_mod_down(s_, rescaled, mzv_view(d)), MZV_OK);
        expect_words(low[0], rescaled.base);
    }
    EXPECT_EQ(mzv_mark(s_), mark);
}

TEST_P(Operations, NothingOfTheScratchStaysTaken) {
    const mzv_poly a = load(known_->a), up = take(kAll), down = take({ 0, 0, 4 });
    const size_t before = mzv_mark(s_);
    ASSERT_EQ(mzv_poly_mod_up(s_, up, { a.base + 2 * n_, 0, 1, { 0, 0, 4 } }), MZV_OK);
    ASSERT_EQ(mzv_poly_mod_down(s_, down, mzv_view(a)), MZV_OK);
    ASSERT_EQ(mzv_poly_automorphism(s_, up, mzv_view(a), 3), MZV_OK);
    EXPECT_EQ(mzv_mark(s_), before);
    EXPECT_GT(s_->scratch.peak, before);
}

INSTANTIATE_TEST_SUITE_P(Known, Operations, ::testing::Values(&kKnown8, &kKnown32));

} // namespace
