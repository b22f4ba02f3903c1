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
using mzv_cuda::kMaxSources;
__extension__ typedef unsigned __int128 u128;
__extension__ typedef __int128 i128;

constexpr int kTrials = 200000;

mzv_cuda_prime prime_below(uint32_t bits) {
    static mzv_cuda_tables tables;
    const std::vector<uint64_t> primes = make_primes(17, 1, { bits });
    const mzv_chain chain = { 17, 0, 1, primes.data() };
    EXPECT_EQ(mzv_cuda_tables_fill(&tables, &chain, true), MZV_OK) << mzv_last_error();
    EXPECT_EQ(tables.fp64, bits >= 28 && bits <= 49);
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

// The largest |y| of a forward pass (6.7 p, before its last stage) and of an inverse one (5.2 p) times any
// twiddle: congruent, and within the bound of the result.
TEST(CudaArith, Fp64ProductIsExactUpToTheBound) {
    std::mt19937_64 random(1);
    for (uint32_t bits : { 49u, 48u, 40u, 30u }) {
        const mzv_cuda_prime m = prime_below(bits);
        const Fp64Arith arith(m);
        const double p = m.p_fp;
        for (double growth : { 0.5, 5.2, 6.7 })
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
    for (uint32_t bits : { 49u, 41u, 28u }) {
        const mzv_cuda_prime m = prime_below(bits);
        const Fp64Arith arith(m);
        for (int i = 0; i < kTrials; i++) {
            const double x = some_integer(random, 15.9 * m.p_fp);
            const uint64_t expected = residue(static_cast<i128>(x), m.p);
            ASSERT_LE(std::fabs(arith.settle(x)), 0.5 * m.p_fp + 1) << x;
            ASSERT_EQ(residue(static_cast<i128>(arith.settle(x)), m.p), expected) << x;
            ASSERT_EQ(arith.canonical(x), expected) << x;
            ASSERT_EQ(arith.unpack(arith.pack(x)), x);
            ASSERT_EQ(arith.canonical(arith.load(expected)), expected);
            ASSERT_EQ(arith.load(expected), static_cast<double>(expected));
            ASSERT_LE(std::fabs(arith.constant(expected)), 0.5 * m.p_fp) << expected;
            ASSERT_EQ(arith.canonical(arith.constant(expected)), expected);
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

// Digits shifted by (p - 1)/2, and sums of as many of their products with weights as there may be.
template <class A>
void check_digit(const mzv_cuda_prime &m, uint64_t residue_in, uint64_t (*unpacked)(uint64_t)) {
    const A arith(m);
    const uint64_t digit = unpacked(arith.digit(arith.constant(residue_in)));
    ASSERT_EQ(digit, (residue_in + (m.p - 1) / 2) % m.p) << residue_in << " mod " << m.p;
}

uint64_t whole(uint64_t digit) { return digit; }
uint64_t joined(uint64_t digit) { return ((digit >> 32) << 25) | (digit & 0xffffffffu); }

TEST(CudaArith, DigitsAreShiftedResidues) {
    std::mt19937_64 random(5);
    for (uint32_t bits : { 49u, 48u, 28u }) {
        const mzv_cuda_prime m = prime_below(bits);
        for (uint64_t x : { uint64_t(0), uint64_t(1), m.p / 2, m.p / 2 + 1, m.p - 1 }) {
            check_digit<Fp64Arith>(m, x, joined);
            check_digit<IntegerArith>(m, x, whole);
        }
        for (int i = 0; i < kTrials; i++) {
            check_digit<Fp64Arith>(m, random() % m.p, joined);
            check_digit<IntegerArith>(m, random() % m.p, whole);
        }
    }
}

// The halves of a weight w mod p, as cuda_tables.c stores them.
double2 halves(uint64_t w, uint64_t p) {
    const double centred = w > p / 2 ? -static_cast<double>(p - w) : static_cast<double>(w);
    const double high = std::rint(centred * 0x1p-25);
    return { high * MZV_CUDA_FP64_WEIGHT_SCALE, (centred - high * 0x1p25) * MZV_CUDA_FP64_WEIGHT_SCALE };
}

TEST(CudaArith, SumsOfDigitsTimesWeightsAreExactUpToTheBound) {
    std::mt19937_64 random(6);
    for (uint32_t bits : { 49u, 48u, 40u, 28u }) {
        const mzv_cuda_prime m = prime_below(bits);
        const Fp64Arith fp64(m);
        const IntegerArith integer(m);
        for (int i = 0; i < kTrials; i++) {
            const uint64_t start = some_word(random, m.p);
            Fp64Arith::Sum sum = fp64.start_sum(fp64.constant(start));
            IntegerArith::Sum sum_integer = integer.start_sum(start);
            u128 expected = start;
            for (uint32_t f = 0; f < kMaxSources; f++) {
                const uint64_t digit = some_word(random, uint64_t(1) << 49);
                const uint64_t w = i % 3 == 0 ? m.p / 2 : some_word(random, m.p);
                Fp64Arith::add_product(sum, (digit >> 25) << 32 | (digit & 0x1ffffff), halves(w, m.p));
                IntegerArith::add_product(sum_integer, digit, w);
                expected = (expected + static_cast<u128>(digit) * w) % m.p;
            }
            ASSERT_LE(std::fabs(fp64.reduce(sum)), 0.5 * m.p_fp + 1);
            ASSERT_EQ(fp64.canonical(fp64.reduce(sum)), static_cast<uint64_t>(expected));
            ASSERT_EQ(integer.reduce(sum_integer), static_cast<uint64_t>(expected));
        }
    }
}

TEST(CudaArith, ProductsByResiduesKeepTheirBounds) {
    std::mt19937_64 random(7);
    for (uint32_t bits : { 49u, 40u, 28u }) {
        const mzv_cuda_prime m = prime_below(bits);
        const Fp64Arith fp64(m);
        const IntegerArith integer(m);
        for (int i = 0; i < kTrials; i++) {
            const uint64_t x = some_word(random, m.p), k = some_word(random, m.p);
            const uint64_t expected = static_cast<uint64_t>(static_cast<u128>(x) * k % m.p);
            const double product = fp64.times(fp64.load(x), fp64.load(k));
            ASSERT_LE(std::fabs(product), 0.625 * m.p_fp);
            ASSERT_EQ(fp64.canonical(product), expected);
            ASSERT_EQ(integer.times(x + m.p * (random() % 4), k), expected);
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
