// Primes and roots of unity against Python.
#include "math/primes.h"

#include <gtest/gtest.h>

#include <vector>

#include "vectors/math_vectors.h"

namespace {

template <typename T, size_t n> constexpr size_t count(const T (&)[n]) { return n; }

TEST(Primes, IsPrimeAgrees) {
    ASSERT_EQ(count(kPrimeCandidates), count(kPrimeAnswers));
    for (size_t i = 0; i < count(kPrimeCandidates); i++)
        EXPECT_EQ(mzv_is_prime(kPrimeCandidates[i]), kPrimeAnswers[i] != 0) << kPrimeCandidates[i];
}

TEST(Primes, IsPrimeAgreesWithSieve) {
    std::vector<bool> composite(20000);
    for (size_t n = 2; n < composite.size(); n++) {
        EXPECT_EQ(mzv_is_prime(n), !composite[n]) << n;
        for (size_t k = 2 * n; k < composite.size(); k += n) composite[k] = true;
    }
}

TEST(Primes, BelowAndAbove) {
    for (size_t i = 0; i < count(kPrimeBounds); i += 4) {
        uint64_t below = 0, above = 0;
        ASSERT_EQ(mzv_prime_below(&below, kPrimeBounds[i], kPrimeBounds[i + 1]), MZV_OK);
        ASSERT_EQ(mzv_prime_above(&above, kPrimeBounds[i], kPrimeBounds[i + 1]), MZV_OK);
        EXPECT_EQ(below, kPrimeBounds[i + 2]);
        EXPECT_EQ(above, kPrimeBounds[i + 3]);
    }
}

TEST(Primes, NearSkipsThoseTaken) {
    std::vector<uint64_t> taken;
    for (size_t i = 0; i < count(kPrimesNear); i += 2) {
        uint64_t p = 0;
        ASSERT_EQ(mzv_primes_near(&p, kPrimesNear[i], 8192, taken.data(), taken.size()), MZV_OK);
        EXPECT_EQ(p, kPrimesNear[i + 1]);
        taken.push_back(p);
    }
}

TEST(Primes, NoPrimeLeavesOutputAlone) {
    uint64_t p = 99;
    EXPECT_EQ(mzv_prime_below(&p, 2048, 2048), MZV_ERR_PARAMS);
    EXPECT_EQ(mzv_prime_above(&p, (UINT64_C(1) << 61) - 1, 2048), MZV_ERR_PARAMS);
    EXPECT_EQ(mzv_prime_below(&p, 1, 2), MZV_ERR_PARAMS);
    EXPECT_EQ(p, 99u);
}

TEST(Primes, OrderMustBeAPowerOfTwo) {
    uint64_t p = 99;
    EXPECT_EQ(mzv_prime_below(&p, 1 << 20, 0), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_prime_above(&p, 1 << 20, 48), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_primes_near(&p, 1 << 20, UINT64_C(1) << 33, nullptr, 0), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_primes_near(&p, UINT64_C(1) << 61, 2, nullptr, 0), MZV_ERR_ARGUMENT);
    EXPECT_EQ(p, 99u);
}

TEST(Primes, RootFollowsTheRule) {
    for (size_t i = 0; i < count(kRoots); i += 3)
        EXPECT_EQ(mzv_root_of_unity(kRoots[i], kRoots[i + 1]), kRoots[i + 2]);
}

} // namespace
