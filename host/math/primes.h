/* Primes = 1 mod 2N and their 2N-th roots of unity. */
#ifndef MZV_PRIMES_H
#define MZV_PRIMES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "mzv/status.h"
#ifdef __cplusplus
extern "C" {
#endif

/* Deterministic for every 64-bit number: Miller-Rabin with the first twelve primes as bases, which no
 * composite below 2^64 passes [SW17]. */
bool mzv_is_prime(uint64_t n);

/* The largest prime = 1 mod two_n below `limit`, the smallest one above it. `limit` is excluded; primes
 * stay below 2^61. MZV_ERR_PARAMS when there is none. two_n: a power of two, 2 .. 2^32. */
mzv_status mzv_prime_below(uint64_t *out, uint64_t limit, uint64_t two_n) MZV_MUST_CHECK;
mzv_status mzv_prime_above(uint64_t *out, uint64_t limit, uint64_t two_n) MZV_MUST_CHECK;

/* The prime = 1 mod two_n closest to `target` (the smaller one of two as close) that is not among the
 * `n_taken` numbers `taken`. Primes stay below 2^61. MZV_ERR_PARAMS when there is none. */
mzv_status mzv_primes_near(uint64_t *out, uint64_t target, uint64_t two_n, const uint64_t *taken,
                           size_t n_taken) MZV_MUST_CHECK;

/* The rule for psi, the same on every backend, since the order of values depends on it: with g = 2, 3,
 * 4, ... psi is the first g^((p-1)/two_n) whose two_n/2-th power is -1. p: prime, = 1 mod two_n. */
uint64_t mzv_root_of_unity(uint64_t p, uint64_t two_n);

#ifdef __cplusplus
}
#endif
#endif
