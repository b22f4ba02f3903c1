/* Uniform residues by multiplication and rejection, one generator stream per limb. */
#include "ckks/expand.h"

#include <endian.h>

#include "math/modarith.h"

#define PARALLEL_WORDS 32768 /* below, waking threads costs more */

/* The first word from the stream that is accepted. */
static uint64_t draw(mzv_rng *rng, uint64_t prime, uint64_t threshold) {
    for (;;) {
        const mzv_u128 product = (mzv_u128)mzv_rng_u64(rng) * prime;
        if ((uint64_t)product >= threshold) return (uint64_t)(product >> 64);
    }
}

void mzv_expand_row(uint64_t *row, size_t n, uint64_t prime, const uint8_t seed[MZV_SEED_BYTES],
                    const char *label, uint64_t stream) {
    const uint64_t threshold = (0 - prime) % prime; /* 2^64 mod prime */
    mzv_rng rng;
    mzv_rng_init(&rng, seed, label, stream);
    mzv_rng_bytes(&rng, row, n * sizeof *row);
    for (size_t k = 0; k < n; k++) {
        const mzv_u128 product = (mzv_u128)le64toh(row[k]) * prime;
        row[k] = (uint64_t)product >= threshold ? (uint64_t)(product >> 64) : draw(&rng, prime, threshold);
    }
}

void mzv_expand(mzv_poly r, const mzv_chain *chain, const uint8_t seed[MZV_SEED_BYTES], const char *label,
                uint32_t polynomial) {
    const uint32_t n_rows = mzv_basis_size(r.basis);
    const size_t n = (size_t)1 << chain->log_n;
#pragma omp parallel for schedule(dynamic) if (n_rows * n >= PARALLEL_WORDS)
    for (uint32_t i = 0; i < n_rows; i++) {
        const uint32_t prime = mzv_prime_index(chain, r.basis, i);
        mzv_expand_row(r.base + i * n, n, chain->primes[prime], seed, label,
                       ((uint64_t)polynomial << 32) + prime);
    }
}
