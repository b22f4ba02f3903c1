// Each rule of backend.h that dispatch tests, broken once; nothing is written when one is.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "backend/backend.h"
#include "math/primes.h"

namespace {

const mzv_basis kAll = { 2, 0, 3 }, kQ = { 0, 0, 3 }, kLow = { 0, 0, 2 }, kTop = { 0, 1, 2 };

class Dispatch : public ::testing::Test {
  protected:
    static constexpr uint32_t kLogN = 5, kN = 32;
    void SetUp() override {
        uint64_t limit = UINT64_C(1) << 48;
        for (auto &p : primes_) {
            ASSERT_EQ(mzv_prime_below(&p, limit, 2 * kN), MZV_OK);
            limit = p;
        }
        const mzv_chain chain = { kLogN, 2, 3, primes_ };
        ASSERT_EQ(mzv_cpu_ops.open(&backend_, &chain, 0, nullptr), MZV_OK);
        ASSERT_EQ(mzv_cpu_ops.stream_open(&s_, backend_), MZV_OK);
        ASSERT_EQ(mzv_scratch_reserve(s_, 100 * 5 * kN), MZV_OK);
        r_ = take(kAll), a_ = take(kAll), b_ = take(kAll), c_ = take(kAll);
    }
    void TearDown() override {
        mzv_cpu_ops.stream_close(s_);
        mzv_cpu_ops.close(backend_);
    }
    mzv_poly take(mzv_basis basis, uint32_t batch = 1) {
        mzv_poly p;
        EXPECT_EQ(mzv_take(s_, &p, batch, basis), MZV_OK);
        for (size_t k = 0; k < batch * p.stride; k++) p.base[k] = 1;
        return p;
    }
    static mzv_cpoly in(mzv_poly p) { return mzv_view(p); }
    // The call failed with these words in its message, and every word is still 1.
    void expect(mzv_status status, const std::string &words) {
        EXPECT_EQ(status, MZV_ERR_ARGUMENT);
        EXPECT_NE(std::string(mzv_last_error()).find(words), std::string::npos) << mzv_last_error();
        for (size_t k = 0; k < s_->scratch.used; k++) ASSERT_EQ(s_->scratch.base[k], 1u);
    }
    uint64_t primes_[5] = {};
    mzv_backend *backend_ = nullptr;
    mzv_stream *s_ = nullptr;
    mzv_poly r_, a_, b_, c_;
};

TEST_F(Dispatch, BasisMustBeThatOfTheOutput) {
    expect(mzv_poly_add(s_, r_, in(a_), in(take(kQ))),
           "add: the basis of b is [0 p, q0 + 3], need [2 p, q0 + 3]");
    expect(mzv_poly_copy(s_, r_, in(take(kQ))), "copy: the basis of a");
}

TEST_F(Dispatch, BasisMustLieInTheChain) {
    mzv_poly wide = r_;
    wide.basis = { 3, 0, 3 };
    expect(mzv_poly_ntt(s_, wide), "the chain has 2 p and 3 q");
    wide.basis = { 0, 1, 3 };
    expect(mzv_poly_ntt(s_, wide), "the chain has 2 p and 3 q");
    wide.basis = { 0, 0, 0 };
    expect(mzv_poly_intt(s_, wide), "the basis of r is empty");
}

TEST_F(Dispatch, BatchesMustMatch) {
    const mzv_poly two = take(kAll, 2), three = take(kAll, 3);
    expect(mzv_poly_sub(s_, three, in(two), in(a_)), "sub: the batch of a is 2, need 1 or 3");
    mzv_poly none = three;
    none.batch = 0;
    expect(mzv_poly_ntt(s_, none), "the batch of r is 0");
    expect(mzv_poly_mod_down(s_, take(kQ, 3), in(two)), "the batch of a is 2, need 1 or 3");
}

TEST_F(Dispatch, OverlapsAreRefused) {
    mzv_cpoly shifted = in(r_);
    shifted.base += kN;
    expect(mzv_poly_add(s_, r_, shifted, in(b_)), "overlaps a");
    mzv_poly many = take(kAll, 2);
    mzv_cpoly first = in(many);
    first.batch = 1; // read for both, written by the first
    expect(mzv_poly_add(s_, many, first, in(b_)), "overlaps a");
    expect(mzv_poly_automorphism(s_, r_, in(r_), 3), "overlaps a");
    mzv_poly low = r_;
    low.basis = kLow;
    expect(mzv_poly_mod_up(s_, r_, in(low)), "overlaps a");
}

TEST_F(Dispatch, InterleavedPolynomialsDoNotOverlap) {
    const mzv_poly pair = take(kAll, 4);
    const mzv_poly c0 = { pair.base, 2 * pair.stride, 2, kAll },
                   c1 = { pair.base + pair.stride, 2 * pair.stride, 2, kAll };
    EXPECT_EQ(mzv_poly_add(s_, c0, in(c0), in(c1)), MZV_OK) << mzv_last_error();
    EXPECT_EQ(c0.base[0], 2u);
    EXPECT_EQ(c1.base[0], 1u);
}

TEST_F(Dispatch, ViewsMustBeAlignedAndApart) {
    mzv_poly odd = r_;
    odd.base += 1;
    expect(mzv_poly_ntt(s_, odd), "need rows aligned to 64 bytes");
    mzv_poly missing = r_;
    missing.base = nullptr;
    expect(mzv_poly_ntt(s_, missing), "no memory");
    mzv_poly tight = take(kAll, 2);
    tight.stride = 4 * kN;
    expect(mzv_poly_ntt(s_, tight), "the stride of r is 128 words, need 160");
    tight.stride = 5 * kN + 4;
    expect(mzv_poly_ntt(s_, tight), "need rows aligned to 64 bytes");
}

TEST_F(Dispatch, ConstantsMustBeCanonical) {
    uint64_t c[5] = { 0, 0, 0, primes_[3], 0 };
    expect(mzv_poly_mul_const(s_, r_, in(a_), c), "mul_const: constant 3 is");
    expect(mzv_poly_mul_const_add(s_, r_, in(a_), c), "mul_const_add: constant 3");
    expect(mzv_poly_add_const(s_, r_, in(a_), c), "add_const: constant 3");
}

TEST_F(Dispatch, GaloisMustBeOddAndSmall) {
    expect(mzv_poly_automorphism(s_, r_, in(a_), 4), "automorphism: galois 4 is even");
    expect(mzv_poly_automorphism(s_, r_, in(a_), 65), "galois 65, need less than 2N = 64");
}

TEST_F(Dispatch, LiftNeedsAlignedMemoryApart) {
    const auto *v = reinterpret_cast<const int64_t *>(a_.base);
    expect(mzv_poly_lift(s_, r_, nullptr, 0), "lift: v has no memory");
    expect(mzv_poly_lift(s_, r_, v + 1, 0), "lift: v at");
    expect(mzv_poly_lift(s_, take(kAll, 2), v, 16), "lift: v at");
    expect(mzv_poly_lift(s_, r_, reinterpret_cast<const int64_t *>(r_.base), 0), "lift: the output");
}

TEST_F(Dispatch, ChangeOfBasisNeedsOneInsideTheOther) {
    expect(mzv_poly_mod_up(s_, take(kLow), in(take(kTop))), "mod_up: a has 0 p and q1 + 2");
    expect(mzv_poly_mod_down(s_, take(kLow), in(take(kTop))), "need that of r inside");
    expect(mzv_poly_mod_down(s_, r_, in(take(kQ))), "mod_down");
}

TEST_F(Dispatch, FusedOperationsCheckEveryOperand) {
    mzv_poly d[3] = { r_, a_, b_ };
    const mzv_cpoly x[2] = { in(c_), in(take(kAll)) }, wrong[2] = { in(c_), in(take(kQ)) },
                    same[2] = { in(c_), in(b_) };
    expect(mzv_poly_tensor(s_, d, x, wrong), "tensor: the basis of b");
    expect(mzv_poly_tensor(s_, d, same, x), "tensor: the output");
    mzv_poly twice[3] = { r_, r_, b_ };
    expect(mzv_poly_tensor(s_, twice, x, x), "overlaps d[0]");
    mzv_poly uneven[3] = { r_, take(kQ), b_ };
    expect(mzv_poly_tensor(s_, uneven, x, x), "differ from those of d[0]");
    expect(mzv_poly_dot(s_, r_, x, x, 0), "dot: no terms");
    expect(mzv_poly_dot(s_, r_, x, wrong, 2), "dot: the basis of w");
    expect(mzv_poly_dot(s_, b_, x, same, 2), "dot: the output");
}

TEST_F(Dispatch, KeyOperationsCheckEveryOperand) {
    mzv_poly r[2] = { r_, a_ };
    const mzv_cpoly d[1] = { in(b_) }, key[2] = { in(c_), in(c_) }, wrong[2] = { in(c_), in(take(kQ)) },
                    bad[1] = { in(a_) };
    const mzv_cpoly *keys[1] = { key };
    const uint32_t odd = 3, even = 2;
    expect(mzv_poly_key_product(s_, r, d, key, 0), "key_product: no digits");
    expect(mzv_poly_key_product(s_, r, d, wrong, 1), "key_product: the basis of key");
    expect(mzv_poly_key_product(s_, r, bad, key, 1), "key_product: the output");
    expect(mzv_poly_fold(s_, r, d, keys, &odd, 1, 0), "fold: no rotations");
    expect(mzv_poly_fold(s_, r, d, keys, &even, 1, 1), "fold: galois 2 is even");
    EXPECT_EQ(mzv_poly_fold(s_, r, d, keys, &odd, 1, 1), MZV_OK) << mzv_last_error();
}

TEST_F(Dispatch, KeySwitchChecksEveryOperand) {
    mzv_poly r[2] = { take(kQ), take(kQ) }, low[2] = { take(kLow), take(kLow) };
    const mzv_cpoly d = in(take(kQ)), few = in(take(kLow));
    const mzv_cpoly key[4] = { in(a_), in(b_), in(c_), in(a_) }, wrong[4] = { in(a_), in(b_), in(c_), d };
    const mzv_cpoly digits[2] = { in(a_), in(b_) }, bad_digits[2] = { in(a_), d };
    const mzv_cpoly add[2] = { d, d }, bad_add[2] = { d, few };
    const auto run = [&](mzv_poly *out, mzv_cpoly x, mzv_switch with) {
        return mzv_poly_key_switch(s_, out, x, &with);
    };
    expect(run(r, d, { key, 0, nullptr, nullptr, 1, false }), "key_switch: no digits");
    expect(run(r, d, { key, 1, nullptr, nullptr, 1, false }), "1 digits, need 2 for 3 limbs by 2");
    expect(run(r, d, { wrong, 2, nullptr, nullptr, 1, false }), "key 3 has 0 p and q0 + 3, need 2 p");
    expect(run(r, in(c_), { key, 2, nullptr, nullptr, 1, false }), "d has 2 special primes");
    expect(run(r, d, { add, 2, nullptr, nullptr, 1, false }), "d has 0 special primes and key 0");
    expect(run(r, d, { key, 2, bad_digits, nullptr, 1, false }), "digit 1 has 0 p");
    expect(run(r, d, { key, 2, digits, bad_add, 1, false }), "add 1 has 0 p and q0 + 2");
    mzv_cpoly part = in(a_);
    part.basis.n_p = 1;
    const mzv_cpoly bad_extended[2] = { in(a_), part };
    expect(run(r, d, { key, 2, digits, bad_extended, 1, false }), "add 1 has 1 p and q0 + 3, need 2 p");
    mzv_poly few_limbs[2] = { b_, c_ }; // special primes, but not all limbs
    for (mzv_poly &some : few_limbs) some.basis.n_q = 1;
    expect(run(few_limbs, d, { key, 2, digits, nullptr, 1, false }), "need that of r inside");
    expect(run(r, d, { key, 2, nullptr, nullptr, 6, false }), "galois 6 is even");
    expect(run(low, few, { key, 1, nullptr, nullptr, 1, false }), "key 0 has 2 p and q0 + 3");
    expect(run(r, in(r[0]), { key, 2, nullptr, nullptr, 1, false }), "overlaps a");
    mzv_poly twice[2] = { r[0], r[0] };
    expect(run(twice, d, { key, 2, nullptr, nullptr, 1, false }), "overlaps r[0]");
    EXPECT_EQ(run(r, d, { key, 2, nullptr, add, 3, false }), MZV_OK) << mzv_last_error();
    EXPECT_EQ(run(low, d, { key, 2, digits, nullptr, 1, false }), MZV_OK) << mzv_last_error();
    const mzv_cpoly first_only[2] = { d, { nullptr, 0, 0, {} } };
    EXPECT_EQ(run(r, d, { key, 2, digits, first_only, 3, false }), MZV_OK) << mzv_last_error();
    const size_t mark = mzv_mark(s_), total = s_->scratch.n_words;
    s_->scratch.n_words = s_->scratch.used;
    EXPECT_EQ(run(r, d, { key, 2, nullptr, add, 3, false }), MZV_ERR_MEMORY);
    s_->scratch.n_words = total;
    EXPECT_EQ(mzv_mark(s_), mark);
}

TEST_F(Dispatch, ScratchKnowsItsPeakAndLimits) {
    const size_t before = mzv_mark(s_), total = s_->scratch.n_words;
    mzv_poly p = {};
    uint64_t *words = nullptr;
    EXPECT_EQ(mzv_take_words(s_, &words, 3), MZV_OK);
    EXPECT_EQ(s_->scratch.used, before + 8); // aligned for the next one
    EXPECT_EQ(s_->scratch.peak, before + 8);
    mzv_release(s_, before);
    EXPECT_EQ(s_->scratch.peak, before + 8);
    EXPECT_EQ(mzv_take(s_, &p, 1000, kAll), MZV_ERR_MEMORY);
    EXPECT_NE(std::string(mzv_last_error()).find("scratch: 160000 words wanted"), std::string::npos);
    EXPECT_EQ(p.base, nullptr);
    EXPECT_EQ(mzv_scratch_reserve(s_, total), MZV_OK); // large enough already
    EXPECT_EQ(mzv_scratch_reserve(s_, total + 1), MZV_ERR_ARGUMENT);
    mzv_release(s_, 0);
    EXPECT_EQ(mzv_scratch_reserve(s_, total + 1), MZV_OK);
    EXPECT_EQ(s_->scratch.n_words, total + 1);
}

TEST_F(Dispatch, FoldWithoutScratchSaysSo) {
    mzv_poly r[2] = { r_, a_ };
    const mzv_cpoly d[1] = { in(b_) }, key[2] = { in(c_), in(c_) };
    const mzv_cpoly *keys[1] = { key };
    const uint32_t odd = 3;
    s_->scratch.n_words = s_->scratch.used;
    EXPECT_EQ(mzv_poly_fold(s_, r, d, keys, &odd, 1, 1), MZV_ERR_MEMORY);
    EXPECT_EQ(mzv_poly_automorphism(s_, r_, in(c_), 3), MZV_ERR_MEMORY);
    EXPECT_EQ(mzv_poly_mod_down(s_, r_, in(c_)), MZV_OK); // nothing to convert
    EXPECT_EQ(mzv_mark(s_), s_->scratch.n_words);
}

TEST(Registry, FindsByNameAndBest) {
    const mzv_backend_ops *ops = nullptr;
    EXPECT_EQ(mzv_backend_find(&ops, "cpu"), MZV_OK);
    EXPECT_EQ(ops, &mzv_cpu_ops);
    ops = nullptr;
    EXPECT_EQ(mzv_backend_find(&ops, nullptr), MZV_OK);
    EXPECT_NE(ops, nullptr);
    EXPECT_EQ(mzv_backend_find(&ops, "auto"), MZV_OK);
    EXPECT_EQ(mzv_backend_find(&ops, "abacus"), MZV_ERR_ARGUMENT);
    EXPECT_NE(std::string(mzv_last_error()).find("abacus"), std::string::npos);
}

} // namespace
