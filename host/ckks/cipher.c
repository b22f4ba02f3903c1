/* Ciphertext handles and their words. */
#include <string.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/try.h"
#include "ckks/context.h"

static size_t row_words(const mzv_cipher *ct) { return (size_t)1 << ct->ctx->params.log_n; }

static mzv_status allocate(mzv_cipher *ct) {
    const mzv_context *ctx = ct->ctx;
    size_t n_words = 0;
    if (!mzv_size_mul(&n_words, (size_t)2 * ct->capacity * row_words(ct), ct->batch)) {
        return mzv_fail(MZV_ERR_MEMORY, "ciphertext: a batch of %u at level %u needs more than 2^64 words",
                        ct->batch, ct->level);
    }
    MZV_TRY(ctx->ops->stream_open(&ct->owner, ctx->backend));
    return ctx->ops->alloc(ct->owner, &ct->words, n_words);
}

void mzv_cipher_destroy(mzv_cipher *ct) {
    if (ct == NULL) return;
    if (ct->owner != NULL) {
        const mzv_backend_ops *ops = ct->owner->ops;
        ops->free(ct->owner, ct->words);
        ops->stream_close(ct->owner);
    } else {
        mzv_free(ct->words);
    }
    mzv_free(ct);
}

mzv_status mzv_cipher_create(mzv_cipher **out, const mzv_context *ctx, uint32_t level, uint32_t batch) {
    mzv_cipher *ct = NULL;
    if (out == NULL || ctx == NULL) return mzv_fail(MZV_ERR_ARGUMENT, "ciphertext: out or context is NULL");
    if (level > ctx->params.n_levels) {
        return mzv_fail(MZV_ERR_LEVEL, "ciphertext: level %u, the chain has %u", level, ctx->params.n_levels);
    }
    if (batch == 0) return mzv_fail(MZV_ERR_ARGUMENT, "ciphertext: batch 0, need 1 or more");
    MZV_TRY(MZV_NEW(&ct, 1, "ciphertext"));
    ct->level = level;
    ct->batch = batch;
    ct->capacity = level + 1;
    ct->ctx = ctx;
    ct->insecure = ctx->params.insecure_toy;
    memcpy(ct->params_id, ctx->facts.id, sizeof ct->params_id);
    const mzv_status status = allocate(ct);
    if (status != MZV_OK) {
        mzv_cipher_destroy(ct);
        return status;
    }
    *out = ct;
    return MZV_OK;
}

uint32_t mzv_cipher_level(const mzv_cipher *ct) { return ct->level; }
uint32_t mzv_cipher_batch(const mzv_cipher *ct) { return ct->batch; }
double mzv_cipher_scale(const mzv_cipher *ct) { return ct->scale; }

mzv_poly mzv_cipher_part(const mzv_cipher *ct, uint32_t log_n, uint32_t t) {
    const size_t stride = (size_t)ct->capacity << log_n;
    const mzv_basis basis = { 0, 0, (uint16_t)(ct->level + 1) };
    const mzv_poly part = { ct->words + (size_t)t * ct->batch * stride, stride, ct->batch, basis };
    return part;
}

mzv_status mzv_cipher_check(const mzv_cipher *ct, const mzv_context *ctx, const char *op) {
    if (ct == NULL) return mzv_fail(MZV_ERR_ARGUMENT, "%s: the ciphertext is NULL", op);
    if (ct->ctx == NULL) {
        return mzv_fail(MZV_ERR_ARGUMENT, "%s: not a ciphertext but a handle of the clear or count evaluator",
                        op);
    }
    if (memcmp(ct->params_id, ctx->facts.id, sizeof ct->params_id) != 0) {
        return mzv_fail(MZV_ERR_MISMATCH, "%s: the ciphertext was made under another parameter set", op);
    }
    if (!(ct->scale > 0)) return mzv_fail(MZV_ERR_ARGUMENT, "%s: the ciphertext holds no value yet", op);
    return MZV_OK;
}

/* One transfer on a stream of its own, waited for. */
static mzv_status transfer(const mzv_cipher *ct, uint64_t *to_host, const uint64_t *from_host, uint32_t t,
                           uint32_t b) {
    const mzv_backend_ops *ops = ct->ctx->ops;
    const mzv_poly part = mzv_cipher_part(ct, ct->ctx->params.log_n, t);
    const size_t n_words = (ct->level + 1) * row_words(ct);
    mzv_stream *s = NULL;
    MZV_TRY(ops->stream_open(&s, ct->ctx->backend));
    mzv_status status = to_host != NULL ? ops->download(s, to_host, part.base + b * part.stride, n_words)
                                        : ops->upload(s, part.base + b * part.stride, from_host, n_words);
    if (status == MZV_OK) status = ops->synchronize(s);
    ops->stream_close(s);
    return status;
}

mzv_status mzv_cipher_read(const mzv_cipher *ct, uint64_t *host, uint32_t t, uint32_t b) {
    return transfer(ct, host, NULL, t, b);
}

mzv_status mzv_cipher_write(mzv_cipher *ct, const uint64_t *host, uint32_t t, uint32_t b) {
    return transfer(ct, NULL, host, t, b);
}
