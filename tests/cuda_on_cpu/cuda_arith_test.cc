// The arithmetics of the transforms, called directly, at the bounds that arith.cuh derives.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "cuda/arith.cuh"
#include "pair.h"

namespace cuda_on_cpu {
namespace {

using mzv_cuda::Fp64Arith;
using mzv_cuda::IntegerArith;
__extension__ typedef unsigned __int128 u128;
__extension__ typedef __int128 i128;

constexpr int kTrials = 200000;

mzv_cuda_prime prime_below(uint32_t bits) {
    static mzv_cuda_tables tables;
    const std::vector<uint64_t> primes = make_primes(17, 1, { bits });
    const mzv_chain chain = { 17, 0, 1, primes.data() };
    EXPECT_EQ(mzv_cuda_tables_fill(&tables, &chain, true), MZV_OK) << mzv_last_error();
    EXPECT_EQ(tables.prime[0].fp64, bits <= 49 ? 1u : 0u);
    return tables.prime[0];
}

// x mod p in [0, p).
uint64_t residue(i128 x, uint64_t p) {
    const i128 r = x % static_cast<i128>(p);
    return static_cast<uint64_t>(r < 0 ? r + static_cast<i128>(p) : r);
}

// An integer within [-bound, bound], often at its ends.
double some_integer(std::mt19937_64 &random, double bound) {
    const double limit = std::floor(bound);
    switch (random() % 4) {
    case 0:
        return limit - static_cast<double>(random() % 8);
    case 1:
        return static_cast<double>(random() % 8) - limit;
    default:
        return std::rint((2.0 * (static_cast<double>(random() >> 11) * 0x1p-53) - 1.0) * limit);
    }
}

// The largest |y| of a forward pass (5.9 p, before its last stage) and of an inverse one (4 p) times any
// twiddle: congruent, and within the bound of the result.
TEST(CudaArith, Fp64ProductIsExactUpToTheBound) {
    std::mt19937_64 random(1);
    for (uint32_t bits : { 49u, 48u, 40u, 30u }) {
        const mzv_cuda_prime m = prime_below(bits);
        const Fp64Arith arith(m);
        const double p = m.p_fp;
        for (double growth : { 0.5, 4.0, 5.9 })
            for (int i = 0; i < kTrials; i++) {
                const double y = some_integer(random, growth * p), w = some_integer(random, p / 2);
                const double r = arith.twist(y, w);
                const i128 exact = static_cast<i128>(y) * static_cast<i128>(w);
                ASSERT_EQ(residue(static_cast<i128>(r), m.p), residue(exact, m.p)) << y << " times " << w;
                ASSERT_LE(std::fabs(r), (0.5 + growth / 16) * p) << y << " times " << w;
            }
    }
}

TEST(CudaArith, Fp64SettlesAndStoresAnyWordOfAPass) {
    std::mt19937_64 random(2);
    for (uint32_t bits : { 49u, 41u, 20u }) {
        const mzv_cuda_prime m = prime_below(bits);
        const Fp64Arith arith(m);
        for (int i = 0; i < kTrials; i++) {
            const double x = some_integer(random, 6.7 * m.p_fp);
            const uint64_t expected = residue(static_cast<i128>(x), m.p);
            ASSERT_LE(std::fabs(arith.settle(x)), 0.5 * m.p_fp + 1) << x;
            ASSERT_EQ(residue(static_cast<i128>(arith.settle(x)), m.p), expected) << x;
            ASSERT_EQ(arith.canonical(x), expected) << x;
            ASSERT_EQ(arith.unpack(arith.pack(x)), x);
            ASSERT_EQ(arith.canonical(arith.load(expected)), expected);
            ASSERT_LE(std::fabs(arith.load(expected)), 0.5 * m.p_fp) << expected;
        }
    }
}

uint64_t some_word(std::mt19937_64 &random, uint64_t bound) {
    switch (random() % 4) {
    case 0:
        return bound - 1 - random() % 4;
    case 1:
        return random() % 4;
    default:
        return random() % bound;
    }
}

TEST(CudaArith, IntegerButterfliesKeepTheirRanges) {
    std::mt19937_64 random(3);
    for (uint32_t bits : { 61u, 49u, 20u }) {
        const mzv_cuda_prime m = prime_below(bits);
        const IntegerArith arith(m);
        const uint64_t p = m.p;
        for (int i = 0; i < kTrials; i++) {
            const mzv_factor f = mzv_factor_make(some_word(random, p), mzv_modulus_make(p));
            const ulonglong2 w = { f.w, f.quotient };
            const uint64_t a = some_word(random, 4 * p), b = some_word(random, 4 * p);
            uint64_t x = a, y = b;
            arith.forward(x, y, w);
            ASSERT_LT(x, 4 * p);
            ASSERT_LT(y, 4 * p);
            const i128 product = static_cast<i128>(b % p) * static_cast<i128>(f.w);
            ASSERT_EQ(arith.canonical(x), residue(static_cast<i128>(a) + product, p));
            ASSERT_EQ(arith.canonical(y), residue(static_cast<i128>(a) - product, p));
            const uint64_t c = some_word(random, 2 * p), d = some_word(random, 2 * p);
            x = c, y = d;
            arith.inverse(x, y, w);
            ASSERT_LT(x, 2 * p);
            ASSERT_LT(y, 2 * p);
            ASSERT_EQ(x % p, (c + d) % p);
            ASSERT_EQ(y % p,
                      residue(static_cast<i128>(residue(static_cast<i128>(c) - static_cast<i128>(d), p)) *
                                  static_cast<i128>(f.w),
                              p));
        }
    }
}

TEST(CudaArith, ReductionsAreRemainders) {
    std::mt19937_64 random(4);
    for (uint32_t bits : { 61u, 60u, 49u, 20u }) {
        const mzv_cuda_prime m = prime_below(bits);
        for (int i = 0; i < kTrials; i++) {
            const u128 wide = (static_cast<u128>(some_word(random, ~uint64_t(0))) << 64) | random();
            ASSERT_EQ(mzv_cuda::reduce_wide(wide, m), static_cast<uint64_t>(wide % m.p));
            const uint64_t a = some_word(random, m.p), b = some_word(random, m.p), c = some_word(random, m.p);
            const u128 product = static_cast<u128>(a) * b + c;
            ASSERT_EQ(mzv_cuda::reduce_product(product, m), static_cast<uint64_t>(product % m.p));
        }
        ASSERT_EQ(mzv_cuda::reduce_wide(~u128(0), m), static_cast<uint64_t>(~u128(0) % m.p));
    }
}

} // namespace
} // namespace cuda_on_cpu
