/* Encryption by whoever holds the public key. */
#include <string.h>

#include "base/arena.h"
#include "base/random.h"
#include "base/try.h"
#include "ckks/client.h"
#include "ckks/sample.h"

void mzv_public_destroy(mzv_public *key) {
    if (key == NULL) return;
    if (key->stream != NULL) {
        mzv_cpu_ops.free(key->stream, key->b.base);
        mzv_cpu_ops.stream_close(key->stream);
    }
    mzv_free(key);
}

mzv_status mzv_public_open(mzv_public **out, const mzv_context *ctx) {
    const mzv_basis basis = { 0, 0, (uint16_t)ctx->chain.n_q };
    const size_t n_words = (size_t)ctx->chain.n_q << ctx->params.log_n;
    mzv_status status = MZV_OK;
    mzv_public *key = NULL;
    uint64_t *words = NULL;
    MZV_TRY(MZV_NEW(&key, 1, "public key"));
    key->ctx = ctx;
    MZV_TRY_GOTO(mzv_cpu_ops.stream_open(&key->stream, ctx->host), failed);
    MZV_TRY_GOTO(mzv_cpu_ops.alloc(key->stream, &words, 2 * n_words), failed);
    key->b = (mzv_poly) { words, n_words, 1, basis };
    key->a = (mzv_poly) { words + n_words, n_words, 1, basis };
    *out = key;
    return MZV_OK;
failed:
    mzv_public_destroy(key);
    return status;
}

static mzv_cpoly cut(mzv_poly p, mzv_basis basis) {
    const mzv_cpoly lower = { p.base, p.stride, 1, basis };
    return lower;
}

/* c0 = b u + v, c1 = a u + e1: u ternary, v message and noise. `rows`: u and e1 as N words each. */
static mzv_status encrypt_one(mzv_stream *s, const mzv_public *key, mzv_cipher *out, uint32_t b,
                              uint32_t level, const int64_t *const small[3]) {
    const mzv_basis basis = { 0, 0, (uint16_t)(level + 1) };
    mzv_poly u, c;
    MZV_TRY(mzv_take(s, &u, 1, basis));
    MZV_TRY(mzv_take(s, &c, 1, basis));
    MZV_TRY(mzv_poly_lift(s, u, small[2], 0));
    for (uint32_t t = 0; t < 2; t++) {
        MZV_TRY(mzv_poly_lift(s, c, small[t], 0));
        MZV_TRY(mzv_poly_mul_add(s, c, mzv_view(u), cut(t == 0 ? key->b : key->a, basis)));
        MZV_TRY(mzv_cipher_write(out, c.base, t, b));
    }
    return MZV_OK;
}

static void draw_ternary(mzv_rng *rng, int64_t *out, size_t n) {
    int8_t small[256];
    for (size_t k = 0; k < n; k += sizeof small) {
        mzv_sample_ternary(rng, small, sizeof small);
        for (size_t i = 0; i < sizeof small; i++) out[k + i] = small[i];
    }
    mzv_wipe(small, sizeof small);
}

static mzv_status encrypt_batch(mzv_stream *s, const mzv_public *key, mzv_cipher *out,
                                const mzv_complex *slots, uint32_t level) {
    const size_t n = (size_t)1 << s->log_n;
    const uint32_t batch = out->batch;
    uint64_t *v = NULL, *e = NULL, *u = NULL;
    mzv_rng noise, ternary;
    MZV_TRY(mzv_take_words(s, &v, batch * n));
    MZV_TRY(mzv_take_words(s, &e, batch * n));
    MZV_TRY(mzv_take_words(s, &u, n));
    MZV_TRY(mzv_encode_batch(key->ctx, (int64_t *)v, (mzv_complex *)e, slots, batch, level));
    MZV_TRY(mzv_sample_open(&noise, MZV_LABEL_NOISE));
    MZV_TRY(mzv_sample_open(&ternary, MZV_LABEL_EPHEMERAL));
    memset(e, 0, batch * n * sizeof *e);
    mzv_sample_noise_add(&noise, (int64_t *)v, batch * n);
    mzv_sample_noise_add(&noise, (int64_t *)e, batch * n);
    mzv_rng_wipe(&noise);
    out->level = level;
    mzv_status status = MZV_OK;
    for (uint32_t b = 0; b < batch && status == MZV_OK; b++) {
        const size_t mark = mzv_mark(s);
        const int64_t *const small[3] = { (int64_t *)v + b * n, (int64_t *)e + b * n, (int64_t *)u };
        draw_ternary(&ternary, (int64_t *)u, n);
        status = encrypt_one(s, key, out, b, level, small);
        mzv_release(s, mark);
    }
    mzv_rng_wipe(&ternary);
    if (status == MZV_OK) mzv_cipher_stamp(out, level, key->key_id, NULL);
    return status;
}

mzv_status mzv_encrypt_public(mzv_cipher *out, const mzv_public *key, const mzv_complex *slots,
                              uint32_t level) {
    mzv_stream *s = NULL;
    if (key == NULL) return mzv_fail(MZV_ERR_ARGUMENT, "encrypt: the public key is NULL");
    MZV_TRY(mzv_encrypt_check(out, key->ctx, slots, level));
    const size_t n = (size_t)1 << key->ctx->params.log_n;
    MZV_TRY(mzv_host_open(&s, key->ctx, n * (2 * out->batch + 1 + 2 * ((size_t)level + 1))));
    const mzv_status status = encrypt_batch(s, key, out, slots, level);
    mzv_host_close(s);
    return status;
}
