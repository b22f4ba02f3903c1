/* Host side of the CUDA backend's tables: moduli, products of ranges of primes, twiddles. */
#include "cuda_tables.h"

#include <math.h>
#include <string.h>

#include "base/try.h"
#include "math/primes.h"

static mzv_status check_chain(const mzv_chain *chain) {
    const uint32_t n_primes = chain->n_p + chain->n_q;
    if (chain->log_n < MZV_CUDA_MIN_LOG_N || chain->log_n > MZV_CUDA_MAX_LOG_N)
        return mzv_fail(MZV_ERR_ARGUMENT, "cuda: log_n is %u, supported: %u to %u", chain->log_n,
                        MZV_CUDA_MIN_LOG_N, MZV_CUDA_MAX_LOG_N);
    if (n_primes == 0 || n_primes > MZV_MAX_PRIMES)
        return mzv_fail(MZV_ERR_ARGUMENT, "cuda: %u special and %u ciphertext primes, need 1 to %d in all",
                        chain->n_p, chain->n_q, MZV_MAX_PRIMES);
    for (uint32_t i = 0; i < n_primes; i++) {
        const uint64_t p = chain->primes[i];
        if (p >> MZV_MAX_PRIME_BITS || (p & ((2ull << chain->log_n) - 1)) != 1 || !mzv_is_prime(p))
            return mzv_fail(MZV_ERR_ARGUMENT,
                            "cuda: number %u of the chain, %llu, is not a prime = 1 mod 2N below 2^61", i,
                            (unsigned long long)p);
        for (uint32_t j = 0; j < i; j++)
            if (chain->primes[j] == p)
                return mzv_fail(MZV_ERR_ARGUMENT, "cuda: numbers %u and %u of the chain are both %llu", j, i,
                                (unsigned long long)p);
    }
    return MZV_OK;
}

static void fill_prime(mzv_cuda_prime *out, mzv_modulus m, uint32_t log_n) {
    const uint32_t k = m.shift + 1;
    const uint64_t n_inv = mzv_mod_inverse((uint64_t)1 << log_n, m);
    *out = (mzv_cuda_prime) {
        .p = m.p,
        .mu = m.mu >> 1, /* floor(floor(2^(k+63) / p) / 2) = floor(2^(k+62) / p) */
        .shift = k - 2,
        .one = mzv_factor_make(1, m),
        .carry = mzv_factor_make(mzv_mod_reduce((mzv_u128)1 << 64, m), m),
        .n_inv = mzv_factor_make(n_inv, m),
        .p_fp = (double)m.p,
        .p_fp_inv = 1.0 / (double)m.p,
    };
}

/* Column t of `inverse`, `prefix` and `prefix_inverse`. */
static void fill_products(mzv_cuda_tables *out, uint32_t t) {
    const mzv_modulus m = out->modulus[t];
    out->prefix[0][t] = out->prefix_inverse[0][t] = 1;
    for (uint32_t f = 0; f < out->n_primes; f++) {
        const uint64_t p = mzv_mod_reduce(out->prime[f].p, m);
        const uint64_t inverse = f == t ? 0 : mzv_mod_inverse(p, m);
        out->inverse[f * out->n_primes + t] = inverse;
        out->prefix[f + 1][t] = f == t ? out->prefix[f][t] : mzv_mod_mul(out->prefix[f][t], p, m);
        out->prefix_inverse[f + 1][t] =
            f == t ? out->prefix_inverse[f][t] : mzv_mod_mul(out->prefix_inverse[f][t], inverse, m);
    }
}

bool mzv_cuda_fp64_fits(const mzv_chain *chain) {
    for (uint32_t i = 0; i < chain->n_p + chain->n_q; i++) {
        const uint32_t bits = mzv_bit_length(chain->primes[i]);
        if (bits < MZV_CUDA_FP64_MIN_BITS || bits > MZV_CUDA_FP64_MAX_BITS) return false;
    }
    return true;
}

mzv_status mzv_cuda_tables_fill(mzv_cuda_tables *out, const mzv_chain *chain, bool fp64) {
    MZV_TRY(check_chain(chain));
    out->log_n = chain->log_n;
    out->n_p = chain->n_p;
    out->n_primes = chain->n_p + chain->n_q;
    out->fp64 = fp64 && mzv_cuda_fp64_fits(chain);
    memcpy(out->primes, chain->primes, out->n_primes * sizeof out->primes[0]);
    out->chain = (mzv_chain) { chain->log_n, chain->n_p, chain->n_q, out->primes };
    for (uint32_t i = 0; i < out->n_primes; i++) {
        out->modulus[i] = mzv_modulus_make(chain->primes[i]);
        fill_prime(&out->prime[i], out->modulus[i], chain->log_n);
    }
    for (uint32_t t = 0; t < out->n_primes; t++) fill_products(out, t);
    return MZV_OK;
}

size_t mzv_cuda_twiddle_bytes(const mzv_cuda_tables *tables) {
    return (tables->fp64 ? sizeof(double) : sizeof(mzv_factor)) << tables->log_n;
}

static double centred(uint64_t x, uint64_t p) { return x > p / 2 ? -(double)(p - x) : (double)x; }

static uint32_t bit_reverse(uint32_t x, uint32_t bits) {
    uint32_t r = 0;
    for (uint32_t i = 0; i < bits; i++) r |= ((x >> i) & 1) << (bits - 1 - i);
    return r;
}

/* out[rev(i)] = root^i. */
static void fill_powers(const mzv_cuda_tables *tables, uint32_t t, uint64_t root, void *out) {
    const mzv_modulus m = tables->modulus[t];
    mzv_factor *factors = out;
    double *doubles = out;
    uint64_t power = 1;
    for (uint32_t i = 0; i < 1u << tables->log_n; i++) {
        const uint32_t at = bit_reverse(i, tables->log_n);
        if (tables->fp64)
            doubles[at] = centred(power, m.p);
        else
            factors[at] = mzv_factor_make(power, m);
        power = mzv_mod_mul(power, root, m);
    }
}

void mzv_cuda_twiddles(const mzv_cuda_tables *tables, uint32_t t, void *forward, void *inverse) {
    const mzv_modulus m = tables->modulus[t];
    const uint64_t psi = mzv_root_of_unity(m.p, (uint64_t)2 << tables->log_n);
    fill_powers(tables, t, psi, forward);
    fill_powers(tables, t, mzv_mod_inverse(psi, m), inverse);
}

void mzv_cuda_weights(const mzv_cuda_tables *tables, double *out) {
    const uint32_t n = tables->n_primes;
    for (uint32_t i = 0; i < n * n; i++) {
        const double w = centred(tables->inverse[i], tables->primes[i % n]);
        const double high = rint(w * 0x1p-25);
        out[2 * i] = high * MZV_CUDA_FP64_WEIGHT_SCALE;
        out[2 * i + 1] = (w - high * 0x1p25) * MZV_CUDA_FP64_WEIGHT_SCALE;
    }
}

uint64_t mzv_cuda_range_product(const mzv_cuda_tables *tables, uint32_t t, uint32_t begin, uint32_t end) {
    return mzv_mod_mul(tables->prefix[end][t], tables->prefix_inverse[begin][t], tables->modulus[t]);
}

uint64_t mzv_cuda_range_inverse(const mzv_cuda_tables *tables, uint32_t t, uint32_t begin, uint32_t end) {
    return mzv_mod_mul(tables->prefix_inverse[end][t], tables->prefix[begin][t], tables->modulus[t]);
}
