/* Work space and common steps of the client's operations. */
#include "ckks/client.h"

#include <string.h>

#include "base/random.h"
#include "base/try.h"

mzv_status mzv_host_open(mzv_stream **out, const mzv_context *ctx, size_t n_words) {
    mzv_stream *s = NULL;
    MZV_TRY(mzv_cpu_ops.stream_open(&s, ctx->host));
    const mzv_status status = mzv_scratch_reserve(s, n_words);
    if (status != MZV_OK) {
        mzv_cpu_ops.stream_close(s);
        return status;
    }
    *out = s;
    return MZV_OK;
}

void mzv_host_close(mzv_stream *s) {
    if (s == NULL) return;
    if (s->scratch.base != NULL) mzv_wipe(s->scratch.base, s->scratch.peak * sizeof *s->scratch.base);
    mzv_cpu_ops.stream_close(s);
}

mzv_status mzv_encrypt_check(const mzv_cipher *out, const mzv_context *ctx, const mzv_complex *slots,
                             uint32_t level) {
    if (out == NULL || slots == NULL)
        return mzv_fail(MZV_ERR_ARGUMENT, "encrypt: the output or the slots are NULL");
    if (out->ctx == NULL || memcmp(out->params_id, ctx->facts.id, sizeof out->params_id) != 0) {
        return mzv_fail(MZV_ERR_MISMATCH, "encrypt: the output was made under another parameter set");
    }
    if (level >= out->capacity) {
        return mzv_fail(MZV_ERR_LEVEL, "encrypt: level %u, the output has room for level %u", level,
                        out->capacity - 1);
    }
    return MZV_OK;
}

mzv_status mzv_encode_batch(const mzv_context *ctx, int64_t *v, mzv_complex *work, const mzv_complex *slots,
                            uint32_t batch, uint32_t level) {
    const size_t n = (size_t)1 << ctx->params.log_n;
    const double scale = ctx->facts.scale[level];
    uint32_t failed = batch;
#pragma omp parallel for schedule(dynamic) reduction(min : failed) if (batch > 1)
    for (uint32_t b = 0; b < batch; b++) {
        if (mzv_encode(ctx->embedding, v + b * n, slots + b * (n / 2), scale, work + b * (n / 2)) != MZV_OK &&
            b < failed) {
            failed = b;
        }
    }
    if (failed == batch) return MZV_OK;
    /* Once more, for its message on this thread. */
    return mzv_encode(ctx->embedding, v + failed * n, slots + failed * (n / 2), scale, work);
}

void mzv_cipher_stamp(mzv_cipher *ct, uint32_t level, const uint8_t key_id[MZV_ID_BYTES],
                      const uint8_t *seed) {
    ct->level = level;
    ct->scale = ct->ctx->facts.scale[level];
    ct->insecure = ct->ctx->params.insecure_toy;
    ct->public_seeded = seed != NULL;
    memset(ct->seed, 0, sizeof ct->seed);
    if (seed != NULL) memcpy(ct->seed, seed, sizeof ct->seed);
    memcpy(ct->key_id, key_id, sizeof ct->key_id);
}
