/* Making and unmaking secrets. */
#include "ckks/secret.h"

#include "base/arena.h"
#include "base/try.h"
#include "ckks/sample.h"

static size_t n_coeff(const mzv_secret *secret) { return (size_t)1 << secret->ctx->params.log_n; }

void mzv_secret_destroy(mzv_secret *secret) {
    if (secret == NULL) return;
    const size_t n = n_coeff(secret);
    if (secret->coeff != NULL) mzv_wipe(secret->coeff, n);
    if (secret->values != NULL)
        mzv_wipe(secret->values, n * secret->ctx->facts.n_primes * sizeof *secret->values);
    if (secret->stream != NULL) {
        mzv_cpu_ops.free(secret->stream, secret->values);
        mzv_cpu_ops.stream_close(secret->stream);
    }
    mzv_free(secret->coeff);
    mzv_free(secret);
}

mzv_status mzv_secret_open(mzv_secret **out, const mzv_context *ctx) {
    const size_t n = (size_t)1 << ctx->params.log_n;
    mzv_status status = MZV_OK;
    mzv_secret *secret = NULL;
    MZV_TRY(MZV_NEW(&secret, 1, "secret"));
    secret->ctx = ctx;
    MZV_TRY_GOTO(MZV_NEW(&secret->coeff, n, "secret"), failed);
    MZV_TRY_GOTO(mzv_cpu_ops.stream_open(&secret->stream, ctx->host), failed);
    MZV_TRY_GOTO(mzv_cpu_ops.alloc(secret->stream, &secret->values, n * ctx->facts.n_primes), failed);
    *out = secret;
    return MZV_OK;
failed:
    mzv_secret_destroy(secret);
    return status;
}

mzv_status mzv_secret_spread(mzv_secret *secret) {
    const size_t n = n_coeff(secret);
    const mzv_chain *chain = &secret->ctx->chain;
    const mzv_basis all = { (uint16_t)chain->n_p, 0, (uint16_t)chain->n_q };
    const mzv_poly rows = { secret->values, n * secret->ctx->facts.n_primes, 1, all };
    mzv_stream *s = NULL;
    uint64_t *words = NULL;
    MZV_TRY(mzv_host_open(&s, secret->ctx, n));
    mzv_status status = mzv_take_words(s, &words, n);
    if (status == MZV_OK) {
        int64_t *wide = (int64_t *)words;
        for (size_t k = 0; k < n; k++) wide[k] = secret->coeff[k];
        status = mzv_poly_lift(s, rows, wide, 0);
    }
    mzv_host_close(s);
    return status;
}

mzv_cpoly mzv_secret_view(const mzv_secret *secret, mzv_basis basis) {
    const size_t n = n_coeff(secret);
    const uint32_t skipped = basis.n_p == 0 ? secret->ctx->chain.n_p : 0;
    const mzv_cpoly view = { secret->values + skipped * n, n * secret->ctx->facts.n_primes, 1, basis };
    return view;
}

mzv_status mzv_secret_create(mzv_secret **out, const mzv_context *ctx) {
    mzv_status status = MZV_OK;
    mzv_secret *secret = NULL;
    mzv_rng rng;
    if (out == NULL || ctx == NULL) return mzv_fail(MZV_ERR_ARGUMENT, "secret: out or context is NULL");
    MZV_TRY(mzv_secret_open(&secret, ctx));
    MZV_TRY_GOTO(mzv_random_bytes(secret->key_id, sizeof secret->key_id), failed);
    MZV_TRY_GOTO(mzv_sample_open(&rng, MZV_LABEL_SECRET), failed);
    mzv_sample_ternary(&rng, secret->coeff, n_coeff(secret));
    mzv_rng_wipe(&rng);
    MZV_TRY_GOTO(mzv_secret_spread(secret), failed);
    *out = secret;
    return MZV_OK;
failed:
    mzv_secret_destroy(secret);
    return status;
}
