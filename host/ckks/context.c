/* Contexts: parameters checked, backends opened, roots of the embedding. */
#include "ckks/context.h"

#include <omp.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/try.h"
#include "ckks/security.h"

static mzv_status copy_options(mzv_context *ctx, const mzv_options *options) {
    if (options == NULL) return MZV_OK;
    ctx->options = *options;
    ctx->options.backend = NULL; /* the caller's string; ctx->ops says what was chosen */
    if (options->n_threads > 4096) {
        return mzv_fail(MZV_ERR_ARGUMENT, "context: %u threads, need 0 (all) .. 4096", options->n_threads);
    }
    /* OpenMP counts threads per thread: this holds for the one that creates the context. */
    if (options->n_threads > 0) omp_set_num_threads((int)options->n_threads);
    return MZV_OK;
}

static mzv_status open_backends(mzv_context *ctx, const char *name) {
    MZV_TRY(mzv_backend_find(&ctx->ops, name));
    MZV_TRY(ctx->ops->open(&ctx->backend, &ctx->chain, ctx->options.device, NULL));
    if (ctx->ops->limit != NULL) MZV_TRY(ctx->ops->limit(ctx->backend, ctx->options.device_bytes_max));
    snprintf(ctx->backend_name, sizeof ctx->backend_name, "%s", ctx->ops->describe(ctx->backend));
    if (ctx->ops == &mzv_cpu_ops) {
        ctx->host = ctx->backend;
        return MZV_OK;
    }
    return mzv_cpu_ops.open(&ctx->host, &ctx->chain, 0, NULL);
}

static mzv_status describe(const mzv_context *ctx) {
    const mzv_log log = { ctx->options.log, ctx->options.log_user, MZV_LOG_DEBUG };
    char text[160];
    mzv_security security;
    MZV_TRY(mzv_security_gate(&security, ctx->params.log_n, ctx->facts.primes, ctx->facts.n_primes,
                              ctx->params.insecure_toy));
    mzv_security_text(text, sizeof text, &security);
    mzv_log_print(&log, ctx->params.insecure_toy ? MZV_LOG_WARN : MZV_LOG_INFO, "context on %s: %s",
                  ctx->backend_name, text);
    return MZV_OK;
}

static mzv_status fill(mzv_context *ctx, const mzv_params *params, const mzv_options *options) {
    MZV_TRY(mzv_params_check(params, &ctx->facts));
    MZV_TRY(copy_options(ctx, options));
    ctx->params = *params;
    ctx->chain = (mzv_chain) { params->log_n, params->n_special, params->n_levels + 1, ctx->facts.primes };
    MZV_TRY(mzv_embedding_create(&ctx->embedding, params->log_n));
    MZV_TRY(open_backends(ctx, options == NULL ? NULL : options->backend));
    return describe(ctx);
}

void mzv_context_destroy(mzv_context *ctx) {
    if (ctx == NULL) return;
    if (ctx->host != NULL && ctx->host != ctx->backend) mzv_cpu_ops.close(ctx->host);
    if (ctx->backend != NULL) ctx->ops->close(ctx->backend);
    mzv_embedding_destroy(ctx->embedding);
    mzv_free(ctx);
}

mzv_status mzv_context_create(mzv_context **out, const mzv_params *params, const mzv_options *options) {
    mzv_context *ctx = NULL;
    if (out == NULL || params == NULL) return mzv_fail(MZV_ERR_ARGUMENT, "context: out or params is NULL");
    MZV_TRY(MZV_NEW(&ctx, 1, "context"));
    const mzv_status status = fill(ctx, params, options);
    if (status != MZV_OK) {
        mzv_context_destroy(ctx);
        return status;
    }
    *out = ctx;
    return MZV_OK;
}

const mzv_params *mzv_context_params(const mzv_context *ctx) { return &ctx->params; }
const mzv_param_facts *mzv_context_facts(const mzv_context *ctx) { return &ctx->facts; }
uint32_t mzv_context_slots(const mzv_context *ctx) { return 1u << (ctx->params.log_n - 1); }
const char *mzv_context_backend(const mzv_context *ctx) { return ctx->backend_name; }
