/* x = sum_i y_i (Q/q_i) - v Q with y_i = [x (Q/q_i)^-1]_{q_i} and v = round(sum_i y_i / q_i) [HPS18, 2.1], in
 * big integers of 64-bit words, two's complement, least significant word first. */
#include "ckks/crt.h"

#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/random.h"
#include "base/try.h"
#include "math/modarith.h"
#include "mzv/params.h"

#define MAX_WORDS (MZV_MAX_PRIMES + 1) /* 61 bits a prime, and a sign */

struct mzv_crt {
    uint32_t n, n_words;
    uint64_t q[MAX_WORDS];
    uint64_t prime[MZV_MAX_PRIMES];
    double inverse[MZV_MAX_PRIMES];    /* 1 / q_i */
    mzv_factor factor[MZV_MAX_PRIMES]; /* (Q/q_i)^-1 modulo q_i */
    uint64_t *cofactor;                /* Q/q_i, n_words each */
};

/* acc += y a over n words; what leaves the top is lost (arithmetic modulo 2^(64 n)). */
static inline void add_multiple(uint64_t *acc, const uint64_t *a, uint64_t y, uint32_t n) {
    uint64_t carry = 0;
    for (uint32_t w = 0; w < n; w++) {
        const mzv_u128 t = (mzv_u128)a[w] * y + acc[w] + carry; /* < 2^128 */
        acc[w] = (uint64_t)t;
        carry = (uint64_t)(t >> 64);
    }
}

static inline void subtract_multiple(uint64_t *acc, const uint64_t *a, uint64_t y, uint32_t n) {
    uint64_t borrow = 0;
    for (uint32_t w = 0; w < n; w++) {
        const mzv_u128 t = (mzv_u128)a[w] * y + borrow; /* < 2^128 */
        const uint64_t low = (uint64_t)t;
        borrow = (uint64_t)(t >> 64) + (acc[w] < low);
        acc[w] -= low;
    }
}

/* Product of the primes except number `skip`, over n_words words. */
static void product_without(uint64_t *out, const mzv_crt *crt, uint32_t skip) {
    uint64_t old[MAX_WORDS];
    memset(out, 0, crt->n_words * sizeof *out);
    out[0] = 1;
    for (uint32_t i = 0; i < crt->n; i++) {
        if (i == skip) continue;
        memcpy(old, out, crt->n_words * sizeof *out);
        memset(out, 0, crt->n_words * sizeof *out);
        add_multiple(out, old, crt->prime[i], crt->n_words);
    }
}

static uint64_t cofactor_modulo(const mzv_crt *crt, uint32_t i, mzv_modulus m) {
    uint64_t r = 1;
    for (uint32_t j = 0; j < crt->n; j++) {
        if (j != i) r = mzv_mod_mul(r, crt->prime[j] % m.p, m);
    }
    return r;
}

mzv_status mzv_crt_create(mzv_crt **out, const uint64_t *primes, uint32_t n) {
    double bits = 2; /* room for v Q and the sign while summing */
    mzv_crt *crt = NULL;
    if (n < 1 || n > MZV_MAX_PRIMES) {
        return mzv_fail(MZV_ERR_ARGUMENT, "crt: %u primes, need 1 .. %d", n, MZV_MAX_PRIMES);
    }
    MZV_TRY(MZV_NEW(&crt, 1, "constants of decoding"));
    crt->n = n;
    for (uint32_t i = 0; i < n; i++) {
        crt->prime[i] = primes[i];
        crt->inverse[i] = 1 / (double)primes[i];
        bits += log2((double)primes[i]);
    }
    crt->n_words = (uint32_t)(bits / 64) + 1;
    const mzv_status status = MZV_NEW(&crt->cofactor, (size_t)n * crt->n_words, "cofactors of decoding");
    if (status != MZV_OK) {
        mzv_free(crt);
        return status;
    }
    product_without(crt->q, crt, n);
    for (uint32_t i = 0; i < n; i++) {
        const mzv_modulus m = mzv_modulus_make(primes[i]);
        product_without(crt->cofactor + (size_t)i * crt->n_words, crt, i);
        crt->factor[i] = mzv_factor_make(mzv_mod_inverse(cofactor_modulo(crt, i, m), m), m);
    }
    *out = crt;
    return MZV_OK;
}

void mzv_crt_destroy(mzv_crt *crt) {
    if (crt == NULL) return;
    mzv_free(crt->cofactor);
    mzv_free(crt);
}

/* The double nearest to a, but for two roundings: sign and magnitude under a mask, then the words in turn. A
 * word past the range of double counts 2^1023, so that zero times it stays zero. */
static double to_double(const uint64_t *a, uint32_t n) {
    const uint64_t negative = a[n - 1] >> 63;
    uint64_t carry = negative;
    double sum = 0, unit = 1;
    for (uint32_t w = 0; w < n; w++) {
        const uint64_t word = (a[w] ^ (0 - negative)) + carry;
        carry &= word == 0;
        sum += (double)word * unit;
        unit = w < 15 ? unit * 0x1p64 : 0x1p1023;
    }
    return sum * (1 - 2 * (double)negative);
}

static double centre_one(const mzv_crt *crt, const uint64_t *rows, size_t n) {
    uint64_t acc[MAX_WORDS] = { 0 };
    double quotient = 0.5; /* sum of n fractions: off by less than 2^-46 */
    for (uint32_t i = 0; i < crt->n; i++) {
        const uint64_t y = mzv_mod_mul_factor(rows[i * n], crt->factor[i], crt->prime[i]);
        quotient += (double)y * crt->inverse[i];
        add_multiple(acc, crt->cofactor + (size_t)i * crt->n_words, y, crt->n_words);
    }
    subtract_multiple(acc, crt->q, (uint64_t)quotient, crt->n_words);
    const double value = to_double(acc, crt->n_words);
    mzv_wipe(acc, sizeof acc);
    return value;
}

void mzv_crt_centre(const mzv_crt *crt, double *out, const uint64_t *rows, size_t n) {
#pragma omp parallel for schedule(static) if (n >= 4096)
    for (size_t k = 0; k < n; k++) out[k] = centre_one(crt, rows + k, n);
}
