/* Evaluation keys as a server holds them: memory, look-up. */
#include "ckks/keys.h"

#include <stdio.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/try.h"

uint32_t mzv_key_digits(const mzv_context *ctx, mzv_key_shape shape) {
    return mzv_key_sparse(shape.galois) ? 1 : shape.level / ctx->params.n_special + 1;
}

mzv_basis mzv_key_basis(const mzv_context *ctx, mzv_key_shape shape) {
    const bool low = shape.galois == MZV_KEY_TO_SPARSE;
    const mzv_basis basis = { (uint16_t)(low ? 1 : ctx->params.n_special), 0,
                              (uint16_t)(low ? 1 : shape.level + 1) };
    return basis;
}

size_t mzv_key_words(const mzv_context *ctx, mzv_key_shape shape) {
    return (size_t)mzv_basis_size(mzv_key_basis(ctx, shape)) << ctx->params.log_n;
}

mzv_status mzv_keys_words(size_t *out, const mzv_context *ctx, const mzv_key_shape *shapes, uint32_t n) {
    size_t sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        const size_t words = 2 * mzv_key_digits(ctx, shapes[i]) * mzv_key_words(ctx, shapes[i]);
        if (!mzv_size_add(&sum, sum, words) || sum > SIZE_MAX / 8) {
            return mzv_fail(MZV_ERR_MEMORY, "keys: %u keys need more than 2^64 bytes", n);
        }
    }
    *out = sum;
    return MZV_OK;
}

bool mzv_keys_in_place(const mzv_context *ctx) { return ctx->backend == ctx->host; }

static void place(mzv_keys *keys, const mzv_key_shape *shapes) {
    const mzv_context *ctx = keys->ctx;
    uint64_t *at = keys->words;
    for (uint32_t i = 0; i < keys->n; i++) {
        mzv_ksk *key = &keys->key[i];
        const size_t words = mzv_key_words(ctx, shapes[i]);
        key->galois = shapes[i].galois;
        key->level = shapes[i].level;
        key->n_digits = mzv_key_digits(ctx, shapes[i]);
        for (uint32_t j = 0; j < 2 * key->n_digits; j++, at += words) {
            key->pair[j] = (mzv_cpoly) { at, words, 1, mzv_key_basis(ctx, shapes[i]) };
        }
    }
}

void mzv_keys_destroy(mzv_keys *keys) {
    if (keys == NULL) return;
    if (keys->stream != NULL) {
        keys->ctx->ops->free(keys->stream, keys->words);
        keys->ctx->ops->stream_close(keys->stream);
    }
    mzv_free(keys->key);
    mzv_free(keys);
}

mzv_status mzv_keys_open(mzv_keys **out, const mzv_context *ctx, const mzv_key_shape *shapes, uint32_t n) {
    mzv_status status = MZV_OK;
    mzv_keys *keys = NULL;
    size_t n_words = 0;
    MZV_TRY(mzv_keys_words(&n_words, ctx, shapes, n));
    MZV_TRY(MZV_NEW(&keys, 1, "keys"));
    keys->ctx = ctx;
    keys->n = n;
    keys->n_words = n_words;
    MZV_TRY_GOTO(MZV_NEW(&keys->key, n, "keys"), failed);
    MZV_TRY_GOTO(ctx->ops->stream_open(&keys->stream, ctx->backend), failed);
    if (n_words > 0) MZV_TRY_GOTO(ctx->ops->alloc(keys->stream, &keys->words, n_words), failed);
    place(keys, shapes);
    *out = keys;
    return MZV_OK;
failed:
    mzv_keys_destroy(keys);
    return status;
}

/* Offset of polynomial j of key i; key memory is ours to write while keys are made. */
static uint64_t *words_of(const mzv_keys *keys, uint32_t i, uint32_t j) {
    return keys->words + (keys->key[i].pair[j].base - keys->words);
}

mzv_poly mzv_keys_target(const mzv_keys *keys, uint32_t i, uint32_t j, uint64_t *staging) {
    const mzv_cpoly p = keys->key[i].pair[j];
    const mzv_poly target = { mzv_keys_in_place(keys->ctx) ? words_of(keys, i, j) : staging, p.stride, 1,
                              p.basis };
    return target;
}

mzv_status mzv_keys_store(mzv_keys *keys, uint32_t i, uint32_t j, const uint64_t *staging) {
    const mzv_backend_ops *ops = keys->ctx->ops;
    if (mzv_keys_in_place(keys->ctx)) return MZV_OK;
    MZV_TRY(ops->upload(keys->stream, words_of(keys, i, j), staging, keys->key[i].pair[j].stride));
    return ops->synchronize(keys->stream);
}

mzv_status mzv_keys_fetch(const uint64_t **out, const mzv_keys *keys, uint32_t i, uint32_t j,
                          uint64_t *staging) {
    const mzv_backend_ops *ops = keys->ctx->ops;
    const mzv_cpoly p = keys->key[i].pair[j];
    mzv_stream *s = NULL;
    if (mzv_keys_in_place(keys->ctx)) {
        *out = p.base;
        return MZV_OK;
    }
    MZV_TRY(ops->stream_open(&s, keys->ctx->backend)); /* keys are shared by threads, their stream is not */
    mzv_status status = ops->download(s, staging, p.base, p.stride);
    if (status == MZV_OK) status = ops->synchronize(s);
    ops->stream_close(s);
    if (status == MZV_OK) *out = staging;
    return status;
}

size_t mzv_keys_bytes(const mzv_keys *keys) { return keys->n_words * sizeof *keys->words; }
uint32_t mzv_keys_count(const mzv_keys *keys) { return keys->n; }

uint32_t mzv_galois_of(uint32_t log_n, int32_t steps) {
    const uint32_t mask = (2u << log_n) - 1;
    uint32_t exponent = (uint32_t)steps & ((1u << (log_n - 1)) - 1); /* two's complement: modulo N/2 */
    uint32_t power = 5, g = 1;
    for (; exponent != 0; exponent >>= 1, power = (power * power) & mask) {
        if (exponent & 1) g = (g * power) & mask;
    }
    return g;
}

/* MZV_ERR_KEY, naming the use of `galois`: found by trying all steps, which only failures pay for. */
static mzv_status refuse(const mzv_keys *keys, uint32_t galois, uint32_t level, const mzv_ksk *lower) {
    const uint32_t log_n = keys->ctx->params.log_n, two_n = 2u << log_n;
    char use[40] = "relinearisation";
    char found[40] = "none";
    if (galois == two_n - 1) snprintf(use, sizeof use, "conjugation");
    if (mzv_key_sparse(galois)) snprintf(use, sizeof use, "bootstrapping's sparse secret");
    for (uint32_t steps = 1, g = 5; galois % 2 == 1 && galois != 1 && steps < two_n / 4;
         steps++, g = 5 * g & (two_n - 1)) {
        if (g == galois) snprintf(use, sizeof use, "rotation by %u", steps);
    }
    if (lower != NULL) snprintf(found, sizeof found, "one of level %u", lower->level);
    return mzv_fail(MZV_ERR_KEY, "keys: %s (galois %u) at level %u needs a key, found %s; request it", use,
                    galois, level, found);
}

mzv_status mzv_keys_find(const mzv_ksk **out, const mzv_keys *keys, uint32_t galois, uint32_t level) {
    uint32_t low = 0, high = keys == NULL ? 0 : keys->n;
    if (keys == NULL) {
        return mzv_fail(MZV_ERR_KEY, "keys: galois %u at level %u needs a key, the evaluator has none",
                        galois, level);
    }
    while (low < high) {
        const uint32_t mid = low + (high - low) / 2;
        if (keys->key[mid].galois < galois) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    const mzv_ksk *key = low < keys->n && keys->key[low].galois == galois ? &keys->key[low] : NULL;
    if (key == NULL || key->level < level) return refuse(keys, galois, level, key);
    *out = key;
    return MZV_OK;
}
