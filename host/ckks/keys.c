/* Evaluation keys as a server holds them: memory, look-up. */
#include "ckks/keys.h"

#include <stdio.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/try.h"

uint32_t mzv_key_digits(const mzv_params *params, mzv_key_shape shape) {
    return mzv_key_sparse(shape.galois) ? 1 : shape.level / params->n_special + 1;
}

mzv_basis mzv_key_basis(const mzv_params *params, mzv_key_shape shape) {
    const bool low = shape.galois == MZV_KEY_TO_SPARSE;
    const mzv_basis basis = { (uint16_t)(low ? 1 : params->n_special), 0,
                              (uint16_t)(low ? 1 : shape.level + 1) };
    return basis;
}

size_t mzv_key_words(const mzv_params *params, mzv_key_shape shape) {
    return (size_t)mzv_basis_size(mzv_key_basis(params, shape)) << params->log_n;
}

/* Both halves of all digits. */
static size_t words_of_key(const mzv_params *params, mzv_key_shape shape) {
    return 2 * mzv_key_digits(params, shape) * mzv_key_words(params, shape);
}

/* The key that goes to the device next: the one used most of those that are not there and fit; n: none. */
static uint32_t next_key(const bool *placed, const mzv_params *params, const mzv_key_shape *shapes,
                         uint32_t n, size_t n_words) {
    uint32_t best = n;
    for (uint32_t i = 0; i < n; i++) {
        if (placed[i] || words_of_key(params, shapes[i]) > n_words) continue;
        if (best == n || shapes[i].n_uses > shapes[best].n_uses) best = i; /* sorted: galois 1 is the first */
    }
    return best;
}

/* Places keys until none fits; the words of those placed. */
static size_t place_some(bool *placed, const mzv_params *params, const mzv_key_shape *shapes, uint32_t n,
                         size_t n_words) {
    size_t used = 0;
    for (uint32_t i = next_key(placed, params, shapes, n, n_words); i < n;
         i = next_key(placed, params, shapes, n, n_words - used)) {
        placed[i] = true;
        used += words_of_key(params, shapes[i]);
    }
    return used;
}

mzv_status mzv_keys_split(mzv_keys_words *out, bool *on_device, const mzv_params *params,
                          const mzv_key_shape *shapes, uint32_t n, uint64_t device_bytes) {
    size_t sum = 0;
    bool *placed = NULL;
    for (uint32_t i = 0; i < n; i++)
        if (!mzv_size_add(&sum, sum, words_of_key(params, shapes[i])) || sum > SIZE_MAX / 8)
            return mzv_fail(MZV_ERR_MEMORY, "keys: %u keys need more than 2^64 bytes", n);
    MZV_TRY(MZV_NEW(&placed, (size_t)n + 1, "places of keys"));
    const size_t device = place_some(placed, params, shapes, n, device_bytes / sizeof(uint64_t));
    for (uint32_t i = 0; on_device != NULL && i < n; i++) on_device[i] = placed[i];
    *out = (mzv_keys_words) { device, sum - device };
    mzv_free(placed);
    return MZV_OK;
}

bool mzv_keys_in_place(const mzv_context *ctx) { return ctx->backend == ctx->host; }

mzv_status mzv_keys_split_for(mzv_keys_words *out, bool *on_device, const mzv_context *ctx,
                              const mzv_key_shape *shapes, uint32_t n) {
    const bool all = ctx->options.device_bytes_keys == 0 || ctx->ops->alloc_pinned == NULL;
    return mzv_keys_split(out, on_device, &ctx->params, shapes, n,
                          all ? UINT64_MAX : ctx->options.device_bytes_keys);
}

static void place(mzv_keys *keys, const mzv_key_shape *shapes, const bool *on_device) {
    const mzv_params *params = &keys->ctx->params;
    uint64_t *at[2] = { keys->pinned, keys->words };
    for (uint32_t i = 0; i < keys->n; i++) {
        mzv_ksk *key = &keys->key[i];
        const size_t words = mzv_key_words(params, shapes[i]);
        uint64_t **from = &at[on_device[i]];
        key->galois = shapes[i].galois;
        key->level = shapes[i].level;
        key->n_digits = mzv_key_digits(params, shapes[i]);
        for (uint32_t j = 0; j < 2 * key->n_digits; j++, *from += words) {
            key->pair[j] = (mzv_cpoly) { *from, words, 1, mzv_key_basis(params, shapes[i]) };
        }
    }
}

void mzv_keys_destroy(mzv_keys *keys) {
    if (keys == NULL) return;
    if (keys->stream != NULL) {
        const mzv_backend_ops *ops = keys->ctx->ops;
        if (keys->pinned != NULL) ops->free_pinned(keys->stream, keys->pinned, keys->n_pinned);
        ops->free(keys->stream, keys->words);
        ops->stream_close(keys->stream);
    }
    mzv_free(keys->key);
    mzv_free(keys);
}

static mzv_status allocate(mzv_keys *keys, mzv_keys_words words) {
    const mzv_backend_ops *ops = keys->ctx->ops;
    MZV_TRY(ops->stream_open(&keys->stream, keys->ctx->backend));
    if (words.device > 0) MZV_TRY(ops->alloc(keys->stream, &keys->words, words.device));
    if (words.pinned > 0) MZV_TRY(ops->alloc_pinned(keys->stream, &keys->pinned, words.pinned));
    keys->n_words = words.device;
    keys->n_pinned = words.pinned;
    return MZV_OK;
}

mzv_status mzv_keys_open(mzv_keys **out, const mzv_context *ctx, const mzv_key_shape *shapes, uint32_t n) {
    mzv_status status = MZV_OK;
    mzv_keys *keys = NULL;
    bool *on_device = NULL;
    mzv_keys_words words;
    MZV_TRY(MZV_NEW(&on_device, (size_t)n + 1, "places of keys"));
    MZV_TRY_GOTO(mzv_keys_split_for(&words, on_device, ctx, shapes, n), done);
    MZV_TRY_GOTO(MZV_NEW(&keys, 1, "keys"), done);
    keys->ctx = ctx;
    keys->n = n;
    MZV_TRY_GOTO(MZV_NEW(&keys->key, n, "keys"), done);
    MZV_TRY_GOTO(allocate(keys, words), done);
    place(keys, shapes, on_device);
    *out = keys;
    keys = NULL;
done:
    mzv_keys_destroy(keys);
    mzv_free(on_device);
    return status;
}

/* Polynomial j of key i; key memory is ours to write while keys are made. */
static uint64_t *words_of(const mzv_keys *keys, uint32_t i, uint32_t j) {
    return (uint64_t *)(uintptr_t)keys->key[i].pair[j].base;
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

size_t mzv_keys_bytes(const mzv_keys *keys) { return (keys->n_words + keys->n_pinned) * sizeof *keys->words; }
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
