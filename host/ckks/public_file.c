/* Public encryption keys as files: b, and the seed of a. */
#include <string.h>

#include "base/random.h"
#include "base/try.h"
#include "ckks/client.h"
#include "ckks/expand.h"
#include "ckks/object_file.h"

static const char *const fields[] = { "log_n", "seed", NULL };
static const mzv_section_rule sections[] = { { "b", 1, 1 }, { NULL, 0, 0 } };
static const mzv_schema schema = { MZV_KIND_PUBLIC, fields, sections };

static mzv_status write_all(mzv_container_out *c, const mzv_public *key) {
    MZV_TRY(mzv_container_put_bytes(c, "seed", key->seed, sizeof key->seed));
    MZV_TRY(mzv_container_add(c, "b", 0, key->b.stride * sizeof *key->b.base));
    return mzv_object_write_rows(c, key->b.base, &key->ctx->chain, key->b.basis);
}

mzv_status mzv_public_save(const mzv_public *key, const char *path) {
    mzv_container_out *c = NULL;
    if (key == NULL || path == NULL) return mzv_fail(MZV_ERR_ARGUMENT, "save: public key or path is NULL");
    MZV_TRY(mzv_object_create(&c, path, key->ctx, MZV_KIND_PUBLIC, key->key_id));
    return mzv_object_finish(c, write_all(c, key));
}

static mzv_status read_all(mzv_container_in *c, mzv_public **out, const mzv_context *ctx) {
    const uint64_t n_bytes = ((uint64_t)ctx->chain.n_q << ctx->params.log_n) * 8;
    mzv_status status = MZV_OK;
    mzv_public *key = NULL;
    uint8_t seed[MZV_SEED_BYTES];
    MZV_TRY(mzv_container_get_bytes(c, "seed", seed, sizeof seed));
    MZV_TRY(mzv_container_section(c, "b", 0, n_bytes));
    MZV_TRY(mzv_container_need(c, 2 * n_bytes));
    MZV_TRY(mzv_public_open(&key, ctx));
    memcpy(key->seed, seed, sizeof key->seed);
    memcpy(key->key_id, mzv_container_head_of(c)->key_id, sizeof key->key_id);
    MZV_TRY_GOTO(mzv_object_read_rows(c, key->b.base, &ctx->chain, key->b.basis), failed);
    mzv_expand(key->a, &ctx->chain, key->seed, MZV_LABEL_PUBLIC, 0);
    *out = key;
    return MZV_OK;
failed:
    mzv_public_destroy(key);
    return status;
}

mzv_status mzv_public_load(mzv_public **out, const mzv_context *ctx, const char *path) {
    mzv_container_in *c = NULL;
    if (out == NULL || ctx == NULL || path == NULL)
        return mzv_fail(MZV_ERR_ARGUMENT, "load: out, context or path is NULL");
    MZV_TRY(mzv_object_open(&c, path, ctx, &schema));
    const mzv_status status = read_all(c, out, ctx);
    mzv_container_close(c);
    return status;
}
