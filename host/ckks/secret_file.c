/* Secrets as files, readable by their owner only: one byte a coefficient. */
#include <string.h>

#include "base/random.h"
#include "base/try.h"
#include "ckks/object_file.h"
#include "ckks/secret.h"

static const char *const fields[] = { "log_n", NULL };
static const mzv_section_rule sections[] = { { "s", 1, 1 }, { NULL, 0, 0 } };
static const mzv_schema schema = { MZV_KIND_SECRET, fields, sections };

static mzv_status write_all(mzv_container_out *c, const mzv_secret *secret) {
    const size_t n = (size_t)1 << secret->ctx->params.log_n;
    MZV_TRY(mzv_container_add(c, "s", 0, n));
    return mzv_container_write(c, secret->coeff, n);
}

mzv_status mzv_secret_save(const mzv_secret *secret, const char *path) {
    mzv_container_out *c = NULL;
    if (secret == NULL || path == NULL) return mzv_fail(MZV_ERR_ARGUMENT, "save: secret or path is NULL");
    MZV_TRY(mzv_object_create(&c, path, secret->ctx, MZV_KIND_SECRET, secret->key_id));
    return mzv_object_finish(c, write_all(c, secret));
}

/* Every coefficient is -1, 0 or 1 and not all are 0. Which one is wrong stays unsaid: it is secret. */
static mzv_status check_ternary(const mzv_container_in *c, const int8_t *coeff, size_t n) {
    uint8_t outside = 0, any = 0;
    for (size_t k = 0; k < n; k++) {
        outside |= (uint8_t)(coeff[k] + 1) > 2;
        any |= (uint8_t)coeff[k];
    }
    if (outside != 0 || any == 0) {
        return mzv_container_fail(c, 43, "section s[0]: expected coefficients -1, 0 and 1, found %s",
                                  outside != 0 ? "others" : "zeros only");
    }
    return MZV_OK;
}

static mzv_status read_all(mzv_container_in *c, mzv_secret **out, const mzv_context *ctx) {
    const size_t n = (size_t)1 << ctx->params.log_n;
    mzv_status status = MZV_OK;
    mzv_secret *secret = NULL;
    MZV_TRY(mzv_container_section(c, "s", 0, n));
    MZV_TRY(mzv_secret_open(&secret, ctx));
    memcpy(secret->key_id, mzv_container_head_of(c)->key_id, sizeof secret->key_id);
    MZV_TRY_GOTO(mzv_container_read(c, secret->coeff, n), failed);
    MZV_TRY_GOTO(check_ternary(c, secret->coeff, n), failed);
    MZV_TRY_GOTO(mzv_secret_spread(secret), failed);
    *out = secret;
    return MZV_OK;
failed:
    mzv_secret_destroy(secret);
    return status;
}

mzv_status mzv_secret_load(mzv_secret **out, const mzv_context *ctx, const char *path) {
    mzv_container_in *c = NULL;
    if (out == NULL || ctx == NULL || path == NULL)
        return mzv_fail(MZV_ERR_ARGUMENT, "load: out, context or path is NULL");
    MZV_TRY(mzv_object_open(&c, path, ctx, &schema));
    const mzv_status status = read_all(c, out, ctx);
    mzv_container_close(c);
    return status;
}
