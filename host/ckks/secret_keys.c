/* Evaluation keys to a request. Key material is computed on the host; only the finished keys, which are
 * public, go to the context's backend. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/random.h"
#include "base/try.h"
#include "ckks/expand.h"
#include "ckks/keys.h"
#include "ckks/sample.h"
#include "ckks/secret.h"
#include "ckks/security.h"
#include "math/modarith.h"

/* g^-1 modulo 2N: Newton's iteration doubles the number of right bits, of which g itself has three. */
static uint32_t inverse_galois(uint32_t log_n, uint32_t g) {
    uint32_t x = g;
    for (int i = 0; i < 4; i++) x *= 2 - g * x;
    return x & ((2u << log_n) - 1);
}

/* One key in the making. */
typedef struct maker {
    const mzv_secret *secret;
    mzv_secret *sparse; /* of bootstrapping, where keys of it are asked for; forgotten with the maker */
    mzv_stream *s;
    mzv_rng noise;
    uint64_t *staging[2];
} maker;

/* -s_to and s_from over all rows of a key. */
typedef struct endpoint {
    mzv_poly minus_to;
    mzv_cpoly from;
} endpoint;

/* The rows of `basis`, which may have fewer special primes than the chain: then they are taken and copied. */
static mzv_status rows_of(maker *m, mzv_cpoly *out, const mzv_secret *secret, mzv_basis basis) {
    const mzv_basis special = { basis.n_p, 0, 0 }, rest = { 0, 0, basis.n_q };
    const mzv_cpoly all = mzv_secret_view(secret, basis);
    const size_t n = (size_t)1 << m->s->log_n;
    mzv_poly rows;
    if (basis.n_p == secret->ctx->chain.n_p) {
        *out = all;
        return MZV_OK;
    }
    MZV_TRY(mzv_take(m->s, &rows, 1, basis));
    *out = mzv_view(rows);
    const mzv_poly low = { rows.base, rows.stride, 1, special };
    const mzv_poly high = { rows.base + basis.n_p * n, rows.stride, 1, rest };
    const mzv_cpoly all_low = { all.base, all.stride, 1, special };
    MZV_TRY(mzv_poly_copy(m->s, low, all_low));
    return mzv_poly_copy(m->s, high, mzv_secret_view(secret, rest));
}

/* -s_to = s_to (-1). */
static mzv_status set_to(maker *m, endpoint *ends, mzv_cpoly to) {
    const mzv_context *ctx = m->secret->ctx;
    uint64_t minus_one[MZV_MAX_PRIMES];
    for (uint32_t i = 0; i < mzv_basis_size(to.basis); i++)
        minus_one[i] = ctx->facts.primes[mzv_prime_index(&ctx->chain, to.basis, i)] - 1;
    return mzv_poly_mul_const(m->s, ends->minus_to, to, minus_one);
}

static mzv_status take_endpoints(maker *m, endpoint *ends, mzv_basis basis, uint32_t galois) {
    mzv_cpoly secret, other;
    mzv_poly square;
    MZV_TRY(mzv_take(m->s, &ends->minus_to, 1, basis));
    MZV_TRY(rows_of(m, &secret, m->secret, basis));
    if (mzv_key_sparse(galois)) {
        const bool to_sparse = galois == MZV_KEY_TO_SPARSE;
        MZV_TRY(rows_of(m, &other, m->sparse, basis));
        ends->from = to_sparse ? secret : other;
        return set_to(m, ends, to_sparse ? other : secret);
    }
    ends->from = secret;
    if (galois == 1) {
        MZV_TRY(mzv_take(m->s, &square, 1, basis));
        MZV_TRY(mzv_poly_mul(m->s, square, secret, secret));
        ends->from = mzv_view(square);
        return set_to(m, ends, secret);
    }
    MZV_TRY(mzv_poly_automorphism(m->s, ends->minus_to, secret, inverse_galois(m->s->log_n, galois)));
    return set_to(m, ends, mzv_view(ends->minus_to));
}

/* The limbs of digit j, all of them where there is but one digit by design. */
static mzv_basis digit_basis(const mzv_context *ctx, const mzv_ksk *key, uint32_t j) {
    const uint32_t alpha = ctx->params.n_special, first = j * alpha;
    const uint32_t left = key->pair[0].basis.n_q - first;
    const bool all = mzv_key_sparse(key->galois) || left < alpha;
    const mzv_basis basis = { 0, (uint16_t)first, (uint16_t)(all ? left : alpha) };
    return basis;
}

/* P of the key modulo the primes of `basis`. */
static void special_product(uint64_t *out, const mzv_context *ctx, uint32_t n_special, mzv_basis basis) {
    for (uint32_t i = 0; i < basis.n_q; i++) {
        const mzv_modulus q = mzv_modulus_make(ctx->facts.primes[mzv_prime_index(&ctx->chain, basis, i)]);
        out[i] = 1;
        for (uint32_t k = 0; k < n_special; k++) {
            out[i] = mzv_mod_mul(out[i], ctx->facts.primes[k] % q.p, q);
        }
    }
}

/* b_j = -a_j s_to + e_j + P g_j s_from. */
static mzv_status make_digit(maker *m, mzv_poly b, mzv_poly a, const endpoint *ends, const mzv_ksk *key,
                             uint32_t j) {
    const mzv_context *ctx = m->secret->ctx;
    const size_t n = (size_t)1 << m->s->log_n, mark = mzv_mark(m->s);
    const mzv_basis basis = digit_basis(ctx, key, j);
    const size_t offset = (b.basis.n_p + (size_t)basis.q_first) * n;
    const mzv_poly rows = { b.base + offset, b.stride, 1, basis };
    const mzv_cpoly from = { ends->from.base + offset, ends->from.stride, 1, basis };
    uint64_t factor[MZV_MAX_PRIMES];
    uint64_t *noise = NULL;
    MZV_TRY(mzv_take_words(m->s, &noise, n));
    memset(noise, 0, n * sizeof *noise);
    mzv_sample_noise_add(&m->noise, (int64_t *)noise, n);
    mzv_expand(a, &ctx->chain, key->seed, MZV_LABEL_KEY, j);
    MZV_TRY(mzv_poly_lift(m->s, b, (const int64_t *)noise, 0));
    MZV_TRY(mzv_poly_mul_add(m->s, b, mzv_view(a), mzv_view(ends->minus_to)));
    special_product(factor, ctx, b.basis.n_p, basis);
    MZV_TRY(mzv_poly_mul_const_add(m->s, rows, from, factor));
    mzv_release(m->s, mark);
    return MZV_OK;
}

static mzv_status make_key(maker *m, mzv_keys *keys, uint32_t i) {
    mzv_ksk *key = &keys->key[i];
    const size_t mark = mzv_mark(m->s);
    endpoint ends;
    MZV_TRY(mzv_random_bytes(key->seed, sizeof key->seed));
    MZV_TRY(take_endpoints(m, &ends, key->pair[0].basis, key->galois));
    for (uint32_t j = 0; j < key->n_digits; j++) {
        const mzv_poly b = mzv_keys_target(keys, i, 2 * j, m->staging[0]);
        const mzv_poly a = mzv_keys_target(keys, i, 2 * j + 1, m->staging[1]);
        MZV_TRY(make_digit(m, b, a, &ends, key, j));
        MZV_TRY(mzv_keys_store(keys, i, 2 * j, b.base));
        MZV_TRY(mzv_keys_store(keys, i, 2 * j + 1, a.base));
    }
    mzv_release(m->s, mark);
    return MZV_OK;
}

/* The ephemeral secret, where one of the keys is of it. */
static mzv_status make_sparse(maker *m, const mzv_keys *keys) {
    bool any = false;
    mzv_rng rng;
    for (uint32_t i = 0; i < keys->n; i++) any |= mzv_key_sparse(keys->key[i].galois);
    if (!any) return MZV_OK;
    MZV_TRY(mzv_secret_open(&m->sparse, keys->ctx));
    MZV_TRY(mzv_sample_open(&rng, MZV_LABEL_SPARSE));
    mzv_sample_sparse(&rng, m->sparse->coeff, (size_t)1 << keys->ctx->params.log_n, MZV_SPARSE_WEIGHT);
    mzv_rng_wipe(&rng);
    return mzv_secret_spread(m->sparse);
}

static mzv_status make_all(mzv_keys *keys, const mzv_secret *secret) {
    const mzv_context *ctx = secret->ctx;
    const size_t n = (size_t)1 << ctx->params.log_n;
    maker m = { .secret = secret };
    mzv_status status = MZV_OK;
    size_t words = 0;
    for (uint32_t i = 0; i < keys->n; i++) {
        if (keys->key[i].pair[0].stride > words) words = keys->key[i].pair[0].stride;
    }
    MZV_TRY(mzv_host_open(&m.s, ctx, n + (mzv_keys_in_place(ctx) ? 2 : 4) * words));
    for (uint32_t t = 0; t < 2 && !mzv_keys_in_place(ctx); t++) {
        MZV_TRY_GOTO(mzv_take_words(m.s, &m.staging[t], words), done);
    }
    MZV_TRY_GOTO(make_sparse(&m, keys), done);
    MZV_TRY_GOTO(mzv_sample_open(&m.noise, MZV_LABEL_NOISE), done);
    for (uint32_t i = 0; i < keys->n && status == MZV_OK; i++) status = make_key(&m, keys, i);
done:
    mzv_rng_wipe(&m.noise);
    mzv_secret_destroy(m.sparse);
    mzv_host_close(m.s);
    return status;
}

mzv_status mzv_keys_create(mzv_keys **out, const mzv_secret *secret, const mzv_key_request *request) {
    mzv_status status = MZV_OK;
    mzv_keys *keys = NULL;
    mzv_key_shape *shapes = NULL;
    uint32_t n = 0;
    if (out == NULL || secret == NULL || request == NULL) {
        return mzv_fail(MZV_ERR_ARGUMENT, "keys: out, secret or request is NULL");
    }
    MZV_TRY(mzv_key_shapes(&shapes, &n, &secret->ctx->params, request));
    MZV_TRY_GOTO(mzv_keys_open(&keys, secret->ctx, shapes, n), failed);
    memcpy(keys->key_id, secret->key_id, sizeof keys->key_id);
    MZV_TRY_GOTO(make_all(keys, secret), failed);
    mzv_free(shapes);
    *out = keys;
    return MZV_OK;
failed:
    mzv_keys_destroy(keys);
    mzv_free(shapes);
    return status;
}
