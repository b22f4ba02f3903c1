// Modular arithmetic against Python and at the edges of its ranges.
#include "math/modarith.h"

#include <gtest/gtest.h>

#include <random>

#include "vectors/math_vectors.h"

namespace {

TEST(Modarith, AgreesWithPython) {
    for (size_t i = 0; i < sizeof kModular / sizeof kModular[0]; i += 7) {
        const uint64_t *row = kModular + i, p = row[0], a = row[1], b = row[2];
        const mzv_modulus m = mzv_modulus_make(p);
        EXPECT_EQ(mzv_mod_add(a, b, p), row[3]);
        EXPECT_EQ(mzv_mod_sub(a, b, p), row[4]);
        EXPECT_EQ(mzv_mod_mul(a, b, m), row[5]);
        EXPECT_EQ(mzv_mod_mul_factor(a, mzv_factor_make(b, m), p), row[5]);
        EXPECT_EQ(mzv_mod_pow(a, b, m), row[6]);
        EXPECT_EQ(mzv_mod_add(a, mzv_mod_neg(a, p), p), 0u);
        if (a != 0) {
            EXPECT_EQ(mzv_mod_mul(a, mzv_mod_inverse(a, m), m), 1u % p);
        }
    }
}

class ModarithRange : public ::testing::TestWithParam<uint64_t> {};

// The whole range of mzv_mod_reduce, k bits of p: 0 <= x < 2^(k+63).
TEST_P(ModarithRange, ReduceIsExactUpToItsLimit) {
    const uint64_t p = GetParam();
    const mzv_modulus m = mzv_modulus_make(p);
    const mzv_u128 limit = (mzv_u128)1 << (mzv_bit_length(p) + 63);
    std::mt19937_64 random(3);
    for (int i = 0; i < 20000; i++) {
        const mzv_u128 any = ((mzv_u128)random() << 64 | random()) & (limit - 1);
        const mzv_u128 multiple = any - any % p;
        for (const mzv_u128 x :
             { any, multiple, multiple == 0 ? multiple : multiple - 1, limit - 1 - (any & 63) })
            ASSERT_EQ(mzv_mod_reduce(x, m), (uint64_t)(x % p));
    }
}

TEST_P(ModarithRange, FactorsTakeAnyWord) {
    const uint64_t p = GetParam();
    const mzv_modulus m = mzv_modulus_make(p);
    std::mt19937_64 random(4);
    for (int i = 0; i < 20000; i++) {
        const uint64_t w = i == 0 ? p - 1 : random() % p, a = i < 2 ? UINT64_MAX : random();
        const mzv_factor f = mzv_factor_make(w, m);
        ASSERT_EQ(f.quotient, (uint64_t)(((mzv_u128)w << 64) / p));
        ASSERT_EQ(mzv_mod_mul_factor(a, f, p), (uint64_t)((mzv_u128)a * w % p));
        ASSERT_LT(mzv_mod_mul_lazy(a, f, p), 2 * p);
    }
}

TEST_P(ModarithRange, SignedWords) {
    const uint64_t p = GetParam();
    const mzv_modulus m = mzv_modulus_make(p);
    for (const int64_t x : { INT64_C(0), INT64_C(-1), INT64_MAX, -INT64_MAX, (int64_t)p, -(int64_t)p }) {
        const mzv_i128 r = (mzv_i128)x % (mzv_i128)p;
        EXPECT_EQ(mzv_mod_signed(x, m), (uint64_t)(r < 0 ? r + p : r));
    }
}

INSTANTIATE_TEST_SUITE_P(Moduli, ModarithRange,
                         ::testing::Values(3, 5, 12289, 4294967291, UINT64_C(281474976317441),
                                           (UINT64_C(1) << 60) - 93, (UINT64_C(1) << 61) - 1,
                                           (UINT64_C(1) << 60) + 33));

} // namespace
