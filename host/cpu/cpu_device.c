/* Opening the CPU backend, its streams and its memory. Everything runs at once, so a stream has nothing
 * to wait for. */
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/try.h"
#include "cpu/cpu_backend.h"

static mzv_status check_prime(const mzv_chain *chain, uint32_t i) {
    const uint64_t p = chain->primes[i];
    if (p >> MZV_MAX_PRIME_BITS != 0 || (p & ((UINT64_C(2) << chain->log_n) - 1)) != 1)
        return mzv_fail(MZV_ERR_ARGUMENT, "cpu: prime %u is %llu, need 1 mod 2N = 2^%u and below 2^%d", i,
                        (unsigned long long)p, chain->log_n + 1, MZV_MAX_PRIME_BITS);
    for (uint32_t j = 0; j < i; j++) {
        if (chain->primes[j] == p)
            return mzv_fail(MZV_ERR_ARGUMENT, "cpu: primes %u and %u are both %llu", j, i,
                            (unsigned long long)p);
    }
    return MZV_OK;
}

static mzv_status check_chain(const mzv_chain *chain) {
    const uint32_t n_primes = chain->n_p + chain->n_q;
    if (chain->log_n < MZV_CPU_MIN_LOG_N || chain->log_n > MZV_CPU_MAX_LOG_N)
        return mzv_fail(MZV_ERR_ARGUMENT, "cpu: log_n is %u, need %d to %d", chain->log_n, MZV_CPU_MIN_LOG_N,
                        MZV_CPU_MAX_LOG_N);
    if (n_primes == 0 || n_primes > MZV_MAX_PRIMES)
        return mzv_fail(MZV_ERR_ARGUMENT, "cpu: %u primes, need 1 to %d", n_primes, MZV_MAX_PRIMES);
    for (uint32_t i = 0; i < n_primes; i++) MZV_TRY(check_prime(chain, i));
    return MZV_OK;
}

static void open_pairs(mzv_backend *backend, uint32_t n_primes) {
    for (uint32_t j = 0; j < n_primes; j++) {
        const mzv_modulus mod = backend->primes[j].mod;
        for (uint32_t i = 0; i < n_primes; i++) {
            backend->residue[i][j] = mzv_mod_reduce(backend->prime_values[i], mod);
            backend->inverse[i][j] = mzv_mod_inverse(backend->residue[i][j], mod);
        }
    }
}

mzv_status mzv_cpu_open_with(mzv_backend **out, const mzv_chain *chain, const mzv_cpu_kernels *kernels) {
    mzv_status status;
    MZV_TRY(check_chain(chain));
    const uint32_t n_primes = chain->n_p + chain->n_q;
    mzv_backend *backend = NULL;
    MZV_TRY(MZV_NEW(&backend, 1, "the CPU backend"));
    memcpy(backend->prime_values, chain->primes, n_primes * sizeof *chain->primes);
    backend->chain = *chain;
    backend->chain.primes = backend->prime_values;
    snprintf(backend->description, sizeof backend->description, "cpu/%s", kernels->name);
    MZV_TRY_GOTO(mzv_cpu_pool_open(&backend->pool), fail);
    for (uint32_t i = 0; i < n_primes; i++)
        MZV_TRY_GOTO(mzv_cpu_prime_open(&backend->primes[i], chain->primes[i], chain->log_n, kernels), fail);
    open_pairs(backend, n_primes);
    *out = backend;
    return MZV_OK;
fail:
    mzv_cpu_close(backend);
    return status;
}

mzv_status mzv_cpu_open(mzv_backend **out, const mzv_chain *chain, int device, const char *variant) {
    const mzv_cpu_kernels *kernels = NULL;
    if (device != 0) return mzv_fail(MZV_ERR_NO_DEVICE, "cpu: device %d, there is only device 0", device);
    MZV_TRY(mzv_cpu_variant_find(&kernels, variant));
    return mzv_cpu_open_with(out, chain, kernels);
}

void mzv_cpu_close(mzv_backend *backend) {
    if (backend == NULL) return;
    for (uint32_t i = 0; i < backend->chain.n_p + backend->chain.n_q; i++)
        mzv_cpu_prime_close(&backend->primes[i]);
    mzv_cpu_pool_close(backend->pool);
    mzv_free(backend);
}

const char *mzv_cpu_describe(const mzv_backend *backend) { return backend->description; }

mzv_status mzv_cpu_stream_open(mzv_stream **out, mzv_backend *backend) {
    mzv_stream *s = NULL;
    MZV_TRY(MZV_NEW(&s, 1, "a stream"));
    s->ops = &mzv_cpu_ops;
    s->backend = backend;
    s->chain = &backend->chain;
    s->log_n = backend->chain.log_n;
    *out = s;
    return MZV_OK;
}

void mzv_cpu_stream_close(mzv_stream *s) {
    if (s == NULL) return;
    mzv_cpu_free(s, s->scratch.base);
    mzv_free(s);
}

mzv_status mzv_cpu_stream_wait(mzv_stream *s, mzv_stream *earlier) {
    (void)s, (void)earlier;
    return MZV_OK;
}

mzv_status mzv_cpu_synchronize(mzv_stream *s) {
    (void)s;
    return MZV_OK;
}

mzv_status mzv_cpu_alloc(mzv_stream *s, uint64_t **out, size_t n_words) {
    void *block = NULL;
    if (n_words > SIZE_MAX / 16) return mzv_fail(MZV_ERR_MEMORY, "cpu: %zu words wanted", n_words);
    MZV_TRY(mzv_cpu_pool_take(s->backend->pool, &block, n_words * sizeof **out));
    *out = block;
    return MZV_OK;
}

void mzv_cpu_free(mzv_stream *s, uint64_t *words) { mzv_cpu_pool_give(s->backend->pool, words); }

mzv_status mzv_cpu_upload(mzv_stream *s, uint64_t *dst, const uint64_t *host_src, size_t n_words) {
    (void)s;
    memcpy(dst, host_src, n_words * sizeof *dst);
    return MZV_OK;
}

mzv_status mzv_cpu_download(mzv_stream *s, uint64_t *host_dst, const uint64_t *src, size_t n_words) {
    (void)s;
    memcpy(host_dst, src, n_words * sizeof *host_dst);
    return MZV_OK;
}
