/* Primality, search for primes = 1 mod 2N, and the rule for psi. Nothing here is on a hot path. */
#include "math/primes.h"

#include "base/try.h"
#include "math/modarith.h"

#define MAX_PRIME ((UINT64_C(1) << MZV_MAX_PRIME_BITS) - 1)

/* For numbers of up to 64 bits, which mzv_modulus does not take. */
static uint64_t mul_mod(uint64_t a, uint64_t b, uint64_t n) { return (uint64_t)((mzv_u128)a * b % n); }

static uint64_t pow_mod(uint64_t base, uint64_t exponent, uint64_t n) {
    uint64_t result = 1;
    for (; exponent != 0; exponent >>= 1) {
        if (exponent & 1) result = mul_mod(result, base, n);
        base = mul_mod(base, base, n);
    }
    return result;
}

/* n - 1 = odd 2^twos. True: n is prime or a strong pseudoprime to this base. */
static bool passes(uint64_t n, uint64_t base, uint64_t odd, uint32_t twos) {
    uint64_t x = pow_mod(base, odd, n);
    if (x == 1 || x == n - 1) return true;
    for (uint32_t i = 1; i < twos; i++) {
        x = mul_mod(x, x, n);
        if (x == n - 1) return true;
    }
    return false;
}

bool mzv_is_prime(uint64_t n) {
    static const uint64_t bases[] = { 2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37 };
    const size_t n_bases = sizeof bases / sizeof bases[0];
    if (n < 2) return false;
    for (size_t i = 0; i < n_bases; i++)
        if (n % bases[i] == 0) return n == bases[i];
    const uint32_t twos = (uint32_t)__builtin_ctzll(n - 1);
    for (size_t i = 0; i < n_bases; i++)
        if (!passes(n, bases[i], (n - 1) >> twos, twos)) return false;
    return true;
}

static mzv_status check_order(uint64_t two_n) {
    if (two_n < 2 || two_n > (UINT64_C(1) << 32) || (two_n & (two_n - 1)) != 0)
        return mzv_fail(MZV_ERR_ARGUMENT, "prime: 2N is %llu, need a power of two from 2 to 2^32",
                        (unsigned long long)two_n);
    return MZV_OK;
}

static bool is_taken(uint64_t p, const uint64_t *taken, size_t n_taken) {
    for (size_t i = 0; i < n_taken; i++)
        if (taken[i] == p) return true;
    return false;
}

/* First free prime at start, start - step, ...; 0 if there is none. `start` is = 1 mod step. */
static uint64_t search_down(uint64_t start, uint64_t step, const uint64_t *taken, size_t n_taken) {
    for (uint64_t p = start; p > step; p -= step)
        if (mzv_is_prime(p) && !is_taken(p, taken, n_taken)) return p;
    return 0;
}

static uint64_t search_up(uint64_t start, uint64_t step, const uint64_t *taken, size_t n_taken) {
    for (uint64_t p = start; p <= MAX_PRIME; p += step)
        if (mzv_is_prime(p) && !is_taken(p, taken, n_taken)) return p;
    return 0;
}

/* The largest number = 1 mod two_n that is at most x, which is at least 1. */
static uint64_t round_down(uint64_t x, uint64_t two_n) { return (x - 1) / two_n * two_n + 1; }

mzv_status mzv_prime_below(uint64_t *out, uint64_t limit, uint64_t two_n) {
    MZV_TRY(check_order(two_n));
    const uint64_t top = limit > MAX_PRIME ? MAX_PRIME : limit - 1;
    const uint64_t p = limit < 2 ? 0 : search_down(round_down(top, two_n), two_n, NULL, 0);
    if (p == 0)
        return mzv_fail(MZV_ERR_PARAMS, "prime: none = 1 mod %llu below %llu", (unsigned long long)two_n,
                        (unsigned long long)limit);
    *out = p;
    return MZV_OK;
}

mzv_status mzv_prime_above(uint64_t *out, uint64_t limit, uint64_t two_n) {
    MZV_TRY(check_order(two_n));
    const uint64_t start = limit == 0 ? 1 : limit >= MAX_PRIME ? MAX_PRIME : round_down(limit, two_n);
    const uint64_t p = limit >= MAX_PRIME ? 0 : search_up(start + two_n, two_n, NULL, 0);
    if (p == 0)
        return mzv_fail(MZV_ERR_PARAMS, "prime: none = 1 mod %llu above %llu and below 2^%d",
                        (unsigned long long)two_n, (unsigned long long)limit, MZV_MAX_PRIME_BITS);
    *out = p;
    return MZV_OK;
}

mzv_status mzv_primes_near(uint64_t *out, uint64_t target, uint64_t two_n, const uint64_t *taken,
                           size_t n_taken) {
    MZV_TRY(check_order(two_n));
    if (target < 2 || target > MAX_PRIME)
        return mzv_fail(MZV_ERR_ARGUMENT, "prime: target is %llu, need 2 to 2^%d - 1",
                        (unsigned long long)target, MZV_MAX_PRIME_BITS);
    uint64_t below = round_down(target, two_n);
    uint64_t above = below + two_n;
    while (below > two_n || above <= MAX_PRIME) {
        const bool down = below > two_n && (above > MAX_PRIME || target - below <= above - target);
        const uint64_t p = down ? below : above;
        if (mzv_is_prime(p) && !is_taken(p, taken, n_taken)) {
            *out = p;
            return MZV_OK;
        }
        below -= down ? two_n : 0;
        above += down ? 0 : two_n;
    }
    return mzv_fail(MZV_ERR_PARAMS, "prime: none = 1 mod %llu near %llu is free (%zu taken)",
                    (unsigned long long)two_n, (unsigned long long)target, n_taken);
}

uint64_t mzv_root_of_unity(uint64_t p, uint64_t two_n) {
    for (uint64_t g = 2;; g++) {
        const uint64_t psi = pow_mod(g % p, (p - 1) / two_n, p);
        if (pow_mod(psi, two_n / 2, p) == p - 1) return psi;
    }
}
