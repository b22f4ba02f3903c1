/* Ciphertexts as files. Part 1 of a fresh one is the seed that it expands from. */
#include <string.h>

#include "base/arena.h"
#include "base/try.h"
#include "ckks/expand.h"
#include "ckks/object_file.h"

#define BATCH_MAX (1u << 20)
#define PARTS 2

static const char *const fields[] = { "log_n", "parts", "level", "batch", "scale", NULL };
static const mzv_section_rule sections[] = {
    { "c0", 1, 1 }, { "c1", 0, 1 }, { "seed", 0, 1 }, { NULL, 0, 0 }
};
static const mzv_schema schema = { MZV_KIND_CIPHER, fields, sections };
static const char *const section_name[PARTS] = { "c0", "c1" };

static mzv_basis basis_of(uint32_t level) {
    const mzv_basis basis = { 0, 0, (uint16_t)(level + 1) };
    return basis;
}

static mzv_status write_all(mzv_container_out *c, const mzv_cipher *ct, uint64_t *rows) {
    const mzv_context *ctx = ct->ctx;
    const size_t n_words = ((size_t)ct->level + 1) << ctx->params.log_n;
    const uint32_t n_parts = ct->public_seeded ? 1 : 2;
    MZV_TRY(mzv_container_put_u64(c, "parts", PARTS));
    MZV_TRY(mzv_container_put_u64(c, "level", ct->level));
    MZV_TRY(mzv_container_put_u64(c, "batch", ct->batch));
    MZV_TRY(mzv_container_put_f64(c, "scale", ct->scale));
    if (ct->public_seeded) MZV_TRY(mzv_container_add(c, "seed", 0, sizeof ct->seed));
    for (uint32_t t = 0; t < n_parts; t++) {
        MZV_TRY(mzv_container_add(c, section_name[t], 0, ct->batch * n_words * sizeof *rows));
    }
    if (ct->public_seeded) MZV_TRY(mzv_container_write(c, ct->seed, sizeof ct->seed));
    for (uint32_t t = 0; t < n_parts; t++) {
        for (uint32_t b = 0; b < ct->batch; b++) {
            MZV_TRY(mzv_cipher_read(ct, rows, t, b));
            MZV_TRY(mzv_object_write_rows(c, rows, &ctx->chain, basis_of(ct->level)));
        }
    }
    return MZV_OK;
}

mzv_status mzv_cipher_save(const mzv_cipher *ct, const mzv_context *ctx, const char *path) {
    mzv_container_out *c = NULL;
    uint64_t *rows = NULL;
    if (ctx == NULL || path == NULL) return mzv_fail(MZV_ERR_ARGUMENT, "save: context or path is NULL");
    MZV_TRY(mzv_cipher_check(ct, ctx, "save"));
    MZV_TRY(MZV_NEW(&rows, ((size_t)ct->level + 1) << ctx->params.log_n, "rows of a ciphertext"));
    mzv_status status = mzv_object_create(&c, path, ctx, MZV_KIND_CIPHER, ct->key_id);
    if (status == MZV_OK) status = mzv_object_finish(c, write_all(c, ct, rows));
    mzv_free(rows);
    return status;
}

typedef struct shape {
    uint32_t level, batch;
    double scale;
    bool seeded;
    uint8_t seed[MZV_SEED_BYTES];
} shape;

/* Fields and section lengths, before anything is allocated for them. */
static mzv_status read_shape(mzv_container_in *c, shape *s, const mzv_context *ctx) {
    uint32_t parts = 0;
    MZV_TRY(mzv_container_get_u32(c, "parts", 0, UINT32_MAX, &parts));
    if (parts != PARTS) return mzv_container_fail(c, 53, "field parts: expected %d, found %u", PARTS, parts);
    MZV_TRY(mzv_container_get_u32(c, "level", 0, UINT32_MAX, &s->level));
    if (s->level > ctx->params.n_levels) {
        return mzv_container_fail(c, 51, "field level: expected at most %u, found %u", ctx->params.n_levels,
                                  s->level);
    }
    MZV_TRY(mzv_container_get_u32(c, "batch", 0, UINT32_MAX, &s->batch));
    if (s->batch == 0 || s->batch > BATCH_MAX) {
        return mzv_container_fail(c, 62, "field batch: expected 1 to %u, found %u", BATCH_MAX, s->batch);
    }
    const double scale = ctx->facts.scale[s->level];
    MZV_TRY(mzv_container_get_f64(c, "scale", scale, scale, &s->scale));
    s->seeded = mzv_container_count(c, "seed") != 0;
    if (s->seeded == (mzv_container_count(c, "c1") != 0)) {
        return mzv_container_fail(c, 57, "section c1: expected either it or a seed, found %s",
                                  s->seeded ? "both" : "neither");
    }
    if (s->seeded) {
        MZV_TRY(mzv_container_section(c, "seed", 0, sizeof s->seed));
        MZV_TRY(mzv_container_read(c, s->seed, sizeof s->seed));
    }
    const uint64_t n_bytes = (uint64_t)s->batch * (s->level + 1) * 8 << ctx->params.log_n; /* < 2^47 */
    for (uint32_t t = s->seeded ? 1 : 2; t-- > 0;)
        MZV_TRY(mzv_container_section(c, section_name[t], 0, n_bytes));
    return mzv_container_need(c, 2 * n_bytes);
}

/* A part 1 that is zero modulo some prime shows the message modulo it. */
static mzv_status check_opaque(const mzv_container_in *c, const uint64_t *rows, size_t n, const shape *s,
                               uint32_t b) {
    for (uint32_t i = 0; i <= s->level; i++) {
        uint64_t any = 0;
        for (size_t k = 0; k < n; k++) any |= rows[i * n + k];
        if (any == 0) {
            return mzv_container_fail(
                c, 58,
                "section c1[0], ciphertext %u, limb %u: expected ciphertext, found zeros "
                "(transparent)",
                b, i);
        }
    }
    return MZV_OK;
}

static mzv_status read_part(mzv_container_in *c, mzv_cipher *ct, const shape *s, uint64_t *rows, uint32_t t) {
    const mzv_context *ctx = ct->ctx;
    const size_t n = (size_t)1 << ctx->params.log_n;
    const mzv_basis basis = basis_of(s->level);
    const mzv_poly expanded = { rows, (s->level + 1) * n, 1, basis };
    const bool from_seed = t == 1 && s->seeded;
    if (!from_seed) MZV_TRY(mzv_container_section(c, section_name[t], 0, s->batch * (s->level + 1) * n * 8));
    for (uint32_t b = 0; b < s->batch; b++) {
        if (from_seed) {
            mzv_expand(expanded, &ctx->chain, s->seed, MZV_LABEL_CIPHER, b);
        } else {
            MZV_TRY(mzv_object_read_rows(c, rows, &ctx->chain, basis));
        }
        if (t == 1) MZV_TRY(check_opaque(c, rows, n, s, b));
        MZV_TRY(mzv_cipher_write(ct, rows, t, b));
    }
    return MZV_OK;
}

static mzv_status read_all(mzv_container_in *c, mzv_cipher **out, const mzv_context *ctx) {
    mzv_status status = MZV_OK;
    mzv_cipher *ct = NULL;
    uint64_t *rows = NULL;
    shape s = { 0 };
    MZV_TRY(read_shape(c, &s, ctx));
    MZV_TRY(MZV_NEW(&rows, ((size_t)s.level + 1) << ctx->params.log_n, "rows of a ciphertext"));
    MZV_TRY_GOTO(mzv_cipher_create(&ct, ctx, s.level, s.batch), done);
    for (uint32_t t = 0; t < PARTS; t++) MZV_TRY_GOTO(read_part(c, ct, &s, rows, t), done);
    ct->scale = s.scale;
    ct->public_seeded = s.seeded;
    memcpy(ct->seed, s.seed, sizeof ct->seed);
    memcpy(ct->key_id, mzv_container_head_of(c)->key_id, sizeof ct->key_id);
    *out = ct;
    ct = NULL;
done:
    mzv_cipher_destroy(ct);
    mzv_free(rows);
    return status;
}

mzv_status mzv_cipher_load(mzv_cipher **out, const mzv_context *ctx, const char *path) {
    mzv_container_in *c = NULL;
    if (out == NULL || ctx == NULL || path == NULL)
        return mzv_fail(MZV_ERR_ARGUMENT, "load: out, context or path is NULL");
    MZV_TRY(mzv_object_open(&c, path, ctx, &schema));
    const mzv_status status = read_all(c, out, ctx);
    mzv_container_close(c);
    return status;
}
