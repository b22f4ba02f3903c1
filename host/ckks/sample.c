/* Secret samplers. No branch, index or division depends on a value that is kept. */
#include "ckks/sample.h"

#include <endian.h>

#include "base/try.h"

#define DRAW_BYTES 512

mzv_status mzv_sample_open(mzv_rng *rng, const char *label) {
    uint8_t seed[MZV_SEED_BYTES];
    MZV_TRY(mzv_random_bytes(seed, sizeof seed));
    mzv_rng_init(rng, seed, label, 0);
    mzv_wipe(seed, sizeof seed);
    return MZV_OK;
}

/* Bytes 0 .. 254 hold each residue modulo 3 equally often: 85 times. */
void mzv_sample_ternary(mzv_rng *rng, int8_t *out, size_t n) {
    uint8_t bytes[DRAW_BYTES];
    size_t k = 0;
    while (k < n) {
        mzv_rng_bytes(rng, bytes, sizeof bytes);
        for (size_t i = 0; i < sizeof bytes && k < n; i++) {
            const uint32_t third = (bytes[i] * 171u) >> 9; /* floor(b / 3) for b < 256 */
            out[k] = (int8_t)((int32_t)(bytes[i] - 3 * third) - 1);
            k += bytes[i] != 255;
        }
    }
    mzv_wipe(bytes, sizeof bytes);
}

/* Uniform below `bound`, by multiplication and rejection. */
static uint64_t draw_below(mzv_rng *rng, uint64_t bound) {
    const uint64_t threshold = (0 - bound) % bound; /* 2^64 mod bound */
    for (;;) {
        const unsigned __int128 product = (unsigned __int128)mzv_rng_u64(rng) * bound;
        if ((uint64_t)product >= threshold) return (uint64_t)(product >> 64);
    }
}

/* Selection sampling: entry k is taken with probability (still to take) / (n - k) [Knu97, algorithm S]. */
void mzv_sample_sparse(mzv_rng *rng, int8_t *out, size_t n, uint32_t weight) {
    uint64_t left = weight;
    for (size_t k = 0; k < n; k++) {
        const uint64_t take = (draw_below(rng, n - k) - left) >> 63; /* 1 where the draw is below */
        const int64_t sign = 1 - 2 * (int64_t)(mzv_rng_u64(rng) & 1);
        out[k] = (int8_t)(sign * (int64_t)take);
        left -= take;
    }
}

/* Ones among the 64 bits of x, without a table. [HD12, figure 5-2] */
static uint64_t count_ones(uint64_t x) {
    x -= (x >> 1) & 0x5555555555555555u;
    x = (x & 0x3333333333333333u) + ((x >> 2) & 0x3333333333333333u);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (x * 0x0101010101010101u) >> 56;
}

/* A pair's difference a - b is a + (1 - b) - 1: the sum over 21 pairs is the ones of 42 bits, less 21. */
void mzv_sample_noise_add(mzv_rng *rng, int64_t *v, size_t n) {
    const uint64_t mask = ((uint64_t)1 << (2 * MZV_NOISE_PAIRS)) - 1;
    uint64_t words[DRAW_BYTES / 8];
    for (size_t done = 0; done < n;) {
        const size_t left = n - done, m = left < DRAW_BYTES / 8 ? left : DRAW_BYTES / 8;
        mzv_rng_bytes(rng, words, 8 * m);
        for (size_t k = 0; k < m; k++) {
            v[done + k] += (int64_t)count_ones(le64toh(words[k]) & mask) - MZV_NOISE_PAIRS;
        }
        done += m;
    }
    mzv_wipe(words, sizeof words);
}
