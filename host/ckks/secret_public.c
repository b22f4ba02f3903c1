/* The public encryption key of a secret: b = -a s + e over q_0 .. q_L. */
#include <string.h>

#include "base/random.h"
#include "base/try.h"
#include "ckks/expand.h"
#include "ckks/sample.h"
#include "ckks/secret.h"

static mzv_status fill(mzv_stream *s, mzv_public *key, const mzv_secret *secret) {
    const size_t n = (size_t)1 << s->log_n;
    uint64_t *noise = NULL;
    mzv_poly product;
    mzv_rng rng;
    MZV_TRY(mzv_take_words(s, &noise, n));
    MZV_TRY(mzv_take(s, &product, 1, key->b.basis));
    memset(noise, 0, n * sizeof *noise);
    MZV_TRY(mzv_random_bytes(key->seed, sizeof key->seed));
    MZV_TRY(mzv_sample_open(&rng, MZV_LABEL_NOISE));
    mzv_sample_noise_add(&rng, (int64_t *)noise, n);
    mzv_rng_wipe(&rng);
    mzv_expand(key->a, &secret->ctx->chain, key->seed, MZV_LABEL_PUBLIC, 0);
    MZV_TRY(mzv_poly_mul(s, product, mzv_view(key->a), mzv_secret_view(secret, key->b.basis)));
    MZV_TRY(mzv_poly_lift(s, key->b, (const int64_t *)noise, 0));
    return mzv_poly_sub(s, key->b, mzv_view(key->b), mzv_view(product));
}

mzv_status mzv_public_create(mzv_public **out, const mzv_secret *secret) {
    mzv_status status = MZV_OK;
    mzv_public *key = NULL;
    mzv_stream *s = NULL;
    if (out == NULL || secret == NULL) return mzv_fail(MZV_ERR_ARGUMENT, "public key: out or secret is NULL");
    MZV_TRY(mzv_public_open(&key, secret->ctx));
    memcpy(key->key_id, secret->key_id, sizeof key->key_id);
    const size_t n_words = (1 + (size_t)mzv_basis_size(key->b.basis)) << secret->ctx->params.log_n;
    MZV_TRY_GOTO(mzv_host_open(&s, secret->ctx, n_words), failed);
    MZV_TRY_GOTO(fill(s, key, secret), failed);
    mzv_host_close(s);
    *out = key;
    return MZV_OK;
failed:
    mzv_host_close(s);
    mzv_public_destroy(key);
    return status;
}
