/* Evaluation keys as files: a table of what each key is for and the seed of its uniform halves, then the
 * other halves. */
#include <string.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/try.h"
#include "ckks/expand.h"
#include "ckks/keys.h"
#include "ckks/object_file.h"
#include "ckks/security.h"

#define KEYS_MAX 4000 /* sections of one container, less the table */
#define RECORD_BYTES (4 * 4 + MZV_SEED_BYTES)

static const char *const fields[] = { "log_n", "n_keys", NULL };
static const mzv_section_rule sections[] = { { "table", 0, 1 }, { "b", 0, KEYS_MAX }, { NULL, 0, 0 } };
static const mzv_schema schema = { MZV_KIND_KEYS, fields, sections };

static mzv_status write_record(mzv_container_out *c, const mzv_ksk *key) {
    uint8_t record[RECORD_BYTES];
    mzv_writer w = { record, sizeof record, 0 };
    MZV_TRY(mzv_write_u32(&w, key->galois));
    MZV_TRY(mzv_write_u32(&w, key->level));
    MZV_TRY(mzv_write_u32(&w, key->n_digits));
    MZV_TRY(mzv_write_u32(&w, 0));
    MZV_TRY(mzv_write_bytes(&w, key->seed, sizeof key->seed));
    return mzv_container_write(c, record, sizeof record);
}

static uint64_t half_bytes(const mzv_context *ctx, mzv_key_shape shape) {
    return (uint64_t)mzv_key_digits(&ctx->params, shape) * mzv_key_words(&ctx->params, shape) * 8;
}

static mzv_key_shape shape_of(const mzv_ksk *key) {
    const mzv_key_shape shape = { key->galois, key->level, 0 };
    return shape;
}

static mzv_status write_all(mzv_container_out *c, const mzv_keys *keys, uint64_t *staging) {
    const mzv_context *ctx = keys->ctx;
    MZV_TRY(mzv_container_put_u64(c, "n_keys", keys->n));
    if (keys->n > 0) MZV_TRY(mzv_container_add(c, "table", 0, (uint64_t)keys->n * RECORD_BYTES));
    for (uint32_t i = 0; i < keys->n; i++) {
        MZV_TRY(mzv_container_add(c, "b", i, half_bytes(ctx, shape_of(&keys->key[i]))));
    }
    for (uint32_t i = 0; i < keys->n; i++) MZV_TRY(write_record(c, &keys->key[i]));
    for (uint32_t i = 0; i < keys->n; i++) {
        const mzv_ksk *key = &keys->key[i];
        for (uint32_t j = 0; j < key->n_digits; j++) {
            const uint64_t *rows = NULL;
            MZV_TRY(mzv_keys_fetch(&rows, keys, i, 2 * j, staging));
            MZV_TRY(mzv_object_write_rows(c, rows, &ctx->chain, key->pair[0].basis));
        }
    }
    return MZV_OK;
}

static mzv_status staging_new(uint64_t **out, const mzv_context *ctx) {
    const mzv_key_shape largest = { 1, ctx->params.n_levels, 0 };
    return MZV_NEW(out, mzv_key_words(&ctx->params, largest), "rows of a key");
}

mzv_status mzv_keys_save(const mzv_keys *keys, const char *path) {
    mzv_container_out *c = NULL;
    uint64_t *staging = NULL;
    if (keys == NULL || path == NULL) return mzv_fail(MZV_ERR_ARGUMENT, "save: keys or path are NULL");
    if (keys->n > KEYS_MAX)
        return mzv_fail(MZV_ERR_ARGUMENT, "save: %u keys, a file holds %d", keys->n, KEYS_MAX);
    MZV_TRY(staging_new(&staging, keys->ctx));
    mzv_status status = mzv_object_create(&c, path, keys->ctx, MZV_KIND_KEYS, keys->key_id);
    if (status == MZV_OK) status = mzv_object_finish(c, write_all(c, keys, staging));
    mzv_free(staging);
    return status;
}

/* What the table says of one key. */
typedef struct record {
    uint32_t galois, level, n_digits, reserved;
    uint8_t seed[MZV_SEED_BYTES];
} record;

static mzv_status parse_record(mzv_container_in *c, record *r) {
    uint8_t bytes[RECORD_BYTES];
    MZV_TRY(mzv_container_read(c, bytes, sizeof bytes));
    mzv_reader reader = { bytes, sizeof bytes, 0, "table" };
    MZV_TRY(mzv_read_u32(&reader, &r->galois));
    MZV_TRY(mzv_read_u32(&reader, &r->level));
    MZV_TRY(mzv_read_u32(&reader, &r->n_digits));
    MZV_TRY(mzv_read_u32(&reader, &r->reserved));
    return mzv_read_bytes(&reader, r->seed, sizeof r->seed);
}

static mzv_status check_record(const mzv_container_in *c, const mzv_context *ctx, const record *r, uint32_t i,
                               uint32_t previous) {
    const uint32_t two_n = 2u << ctx->params.log_n;
    const mzv_key_shape shape = { r->galois, r->level, 0 };
    const bool sparse = mzv_key_sparse(r->galois) && mzv_params_boots(&ctx->params);
    if ((r->galois % 2 == 0 && !sparse) || r->galois >= two_n) {
        return mzv_container_fail(
            c, 63, "section table[0], key %u: expected an odd galois element below %u, found %u", i, two_n,
            r->galois);
    }
    if (r->galois <= previous) {
        return mzv_container_fail(
            c, 63,
            "section table[0], key %u: expected a galois element above %u (each once, in "
            "order), found %u",
            i, previous, r->galois);
    }
    const uint32_t highest = r->galois == MZV_KEY_TO_SPARSE ? 0 : ctx->params.n_levels;
    if (r->level > highest) {
        return mzv_container_fail(c, 66, "section table[0], key %u: expected level at most %u, found %u", i,
                                  highest, r->level);
    }
    if (r->n_digits != mzv_key_digits(&ctx->params, shape)) {
        return mzv_container_fail(c, 65, "section table[0], key %u: expected %u digits, found %u", i,
                                  mzv_key_digits(&ctx->params, shape), r->n_digits);
    }
    if (r->reserved != 0) {
        return mzv_container_fail(c, 8, "section table[0], key %u: expected 0 reserved, found %u", i,
                                  r->reserved);
    }
    return MZV_OK;
}

/* The whole table, and the length of every section that follows from it. */
static mzv_status read_table(mzv_container_in *c, const mzv_context *ctx, record *table,
                             mzv_key_shape *shapes, uint32_t n) {
    if (n > 0) MZV_TRY(mzv_container_section(c, "table", 0, (uint64_t)n * RECORD_BYTES));
    for (uint32_t i = 0; i < n; i++) {
        MZV_TRY(parse_record(c, &table[i]));
        MZV_TRY(check_record(c, ctx, &table[i], i, i == 0 ? 0 : table[i - 1].galois));
        shapes[i] = (mzv_key_shape) { table[i].galois, table[i].level, 0 };
    }
    for (uint32_t i = 0; i < n; i++) MZV_TRY(mzv_container_section(c, "b", i, half_bytes(ctx, shapes[i])));
    return MZV_OK;
}

static mzv_status read_key(mzv_container_in *c, mzv_keys *keys, uint32_t i, uint64_t *staging) {
    const mzv_context *ctx = keys->ctx;
    const mzv_ksk *key = &keys->key[i];
    MZV_TRY(mzv_container_section(c, "b", i, half_bytes(ctx, shape_of(key))));
    for (uint32_t j = 0; j < key->n_digits; j++) {
        const mzv_poly b = mzv_keys_target(keys, i, 2 * j, staging);
        MZV_TRY(mzv_object_read_rows(c, b.base, &ctx->chain, b.basis));
        MZV_TRY(mzv_keys_store(keys, i, 2 * j, b.base));
        const mzv_poly a = mzv_keys_target(keys, i, 2 * j + 1, staging);
        mzv_expand(a, &ctx->chain, key->seed, MZV_LABEL_KEY, j);
        MZV_TRY(mzv_keys_store(keys, i, 2 * j + 1, a.base));
    }
    return MZV_OK;
}

static mzv_status fill_keys(mzv_container_in *c, mzv_keys *keys, const record *table) {
    mzv_status status = MZV_OK;
    uint64_t *staging = NULL;
    MZV_TRY(staging_new(&staging, keys->ctx));
    memcpy(keys->key_id, mzv_container_head_of(c)->key_id, sizeof keys->key_id);
    for (uint32_t i = 0; i < keys->n && status == MZV_OK; i++) {
        memcpy(keys->key[i].seed, table[i].seed, sizeof keys->key[i].seed);
        status = read_key(c, keys, i, staging);
    }
    mzv_free(staging);
    return status;
}

static mzv_status read_all(mzv_container_in *c, mzv_keys **out, const mzv_context *ctx) {
    mzv_status status = MZV_OK;
    mzv_keys *keys = NULL;
    record *table = NULL;
    mzv_key_shape *shapes = NULL;
    uint32_t n = 0;
    mzv_keys_words words;
    MZV_TRY(mzv_container_get_u32(c, "n_keys", 0, KEYS_MAX, &n));
    if (mzv_container_count(c, "b") != n) {
        return mzv_container_fail(c, 70, "section b: expected %u of them, found %u", n,
                                  mzv_container_count(c, "b"));
    }
    MZV_TRY_GOTO(MZV_NEW(&table, n, "table of keys"), done);
    MZV_TRY_GOTO(MZV_NEW(&shapes, n, "table of keys"), done);
    MZV_TRY_GOTO(read_table(c, ctx, table, shapes, n), done);
    MZV_TRY_GOTO(mzv_keys_split_for(&words, NULL, ctx, shapes, n), done);
    const uint64_t on_host = words.pinned + (mzv_keys_in_place(ctx) ? words.device : 0);
    MZV_TRY_GOTO(mzv_container_need(c, 8 * on_host), done);
    MZV_TRY_GOTO(mzv_keys_open(&keys, ctx, shapes, n), done);
    MZV_TRY_GOTO(fill_keys(c, keys, table), done);
    *out = keys;
    keys = NULL;
done:
    mzv_keys_destroy(keys);
    mzv_free(table);
    mzv_free(shapes);
    return status;
}

mzv_status mzv_keys_load(mzv_keys **out, const mzv_context *ctx, const char *path) {
    mzv_container_in *c = NULL;
    if (out == NULL || ctx == NULL || path == NULL)
        return mzv_fail(MZV_ERR_ARGUMENT, "load: out, context or path is NULL");
    MZV_TRY(mzv_object_open(&c, path, ctx, &schema));
    const mzv_status status = read_all(c, out, ctx);
    mzv_container_close(c);
    return status;
}
