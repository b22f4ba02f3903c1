/* BERT [DCLT19] in float: post-LayerNorm encoder layers, every token attends to every token. */
#include "models/bert.h"

#include <stdio.h>
#include <string.h>
#include "base/arena.h"
#include "base/try.h"

enum { POOLER_GROUP = 1 };

typedef struct workspace {
    float *base;
    float *x;     /* T x C: input of the layer */
    float *h;     /* T x C: result of a module */
    float *heads; /* T x C; without need in the second half of a layer */
    float *kv;    /* 2 x T x C */
    float *inner; /* T x n_inner */
} workspace;

static mzv_status visit_one(mzv_weight_visit visit, void *user, mzv_weight weight, int32_t layer,
                            const char *name) {
    if (layer < 0) {
        snprintf(weight.name, sizeof weight.name, "%s", name);
    } else {
        snprintf(weight.name, sizeof weight.name, "encoder.layer.%d.%s", layer, name);
    }
    return visit(user, &weight);
}

static mzv_status visit_layer(mzv_bert *model, uint32_t i, mzv_weight_visit visit, void *user) {
    const uint32_t n = model->config.n_embd, n_inner = model->config.n_inner;
    mzv_bert_layer *l = &model->layers[i];
    const struct {
        const char *name;
        mzv_weight weight;
    } all[] = {
        { "attention.self.query.weight", { "", 2, { n, n }, 0, &l->query_weight } },
        { "attention.self.query.bias", { "", 1, { n, 1 }, 0, &l->query_bias } },
        { "attention.self.key.weight", { "", 2, { n, n }, 0, &l->key_weight } },
        { "attention.self.key.bias", { "", 1, { n, 1 }, 0, &l->key_bias } },
        { "attention.self.value.weight", { "", 2, { n, n }, 0, &l->value_weight } },
        { "attention.self.value.bias", { "", 1, { n, 1 }, 0, &l->value_bias } },
        { "attention.output.dense.weight", { "", 2, { n, n }, 0, &l->project_weight } },
        { "attention.output.dense.bias", { "", 1, { n, 1 }, 0, &l->project_bias } },
        { "attention.output.LayerNorm.weight", { "", 1, { n, 1 }, 0, &l->norm1_weight } },
        { "attention.output.LayerNorm.bias", { "", 1, { n, 1 }, 0, &l->norm1_bias } },
        { "intermediate.dense.weight", { "", 2, { n_inner, n }, 0, &l->up_weight } },
        { "intermediate.dense.bias", { "", 1, { n_inner, 1 }, 0, &l->up_bias } },
        { "output.dense.weight", { "", 2, { n, n_inner }, 0, &l->down_weight } },
        { "output.dense.bias", { "", 1, { n, 1 }, 0, &l->down_bias } },
        { "output.LayerNorm.weight", { "", 1, { n, 1 }, 0, &l->norm2_weight } },
        { "output.LayerNorm.bias", { "", 1, { n, 1 }, 0, &l->norm2_bias } },
    };
    for (size_t j = 0; j < sizeof all / sizeof all[0]; j++) {
        MZV_TRY(visit_one(visit, user, all[j].weight, (int32_t)i, all[j].name));
    }
    return MZV_OK;
}

mzv_status mzv_bert_weights(mzv_bert *model, mzv_weight_visit visit, void *user) {
    const mzv_model_config *c = &model->config;
    const uint32_t n = c->n_embd, pooler = c->classifier ? 0 : POOLER_GROUP;
    const struct {
        const char *name;
        mzv_weight weight;
    } before[] = {
        { "embeddings.word_embeddings.weight", { "", 2, { c->vocab_size, n }, 0, &model->words } },
        { "embeddings.position_embeddings.weight", { "", 2, { c->n_positions, n }, 0, &model->positions } },
        { "embeddings.token_type_embeddings.weight", { "", 2, { c->n_types, n }, 0, &model->types } },
        { "embeddings.LayerNorm.weight", { "", 1, { n, 1 }, 0, &model->norm_weight } },
        { "embeddings.LayerNorm.bias", { "", 1, { n, 1 }, 0, &model->norm_bias } },
    }, after[] = {
        { "pooler.dense.weight", { "", 2, { n, n }, pooler, &model->pooler_weight } },
        { "pooler.dense.bias", { "", 1, { n, 1 }, pooler, &model->pooler_bias } },
        { "classifier.weight", { "", 2, { c->n_labels, n }, 0, &model->classifier_weight } },
        { "classifier.bias", { "", 1, { c->n_labels, 1 }, 0, &model->classifier_bias } },
    };
    for (size_t j = 0; j < sizeof before / sizeof before[0]; j++) {
        MZV_TRY(visit_one(visit, user, before[j].weight, -1, before[j].name));
    }
    for (uint32_t i = 0; i < c->n_layer; i++) MZV_TRY(visit_layer(model, i, visit, user));
    for (size_t j = 0; j < (c->classifier ? 4 : 2); j++) {
        MZV_TRY(visit_one(visit, user, after[j].weight, -1, after[j].name));
    }
    return MZV_OK;
}

/* PyTorch's Linear: out x in. */
static mzv_float_linear linear(const float *w, const float *bias, uint32_t n_in, uint32_t n_out) {
    return (mzv_float_linear) { w, bias, n_in, n_out, 1, n_in };
}

static mzv_float_norm norm_of(const mzv_bert *model, const float *weight, const float *bias) {
    return (mzv_float_norm) { weight, bias, model->config.n_embd, model->config.eps };
}

mzv_status mzv_bert_attention(mzv_float_attention *out, const mzv_bert *model, uint32_t layer) {
    const uint32_t n = model->config.n_embd;
    if (layer >= model->config.n_layer) {
        return mzv_fail(MZV_ERR_ARGUMENT, "bert: layer %u of %u", layer, model->config.n_layer);
    }
    const mzv_bert_layer *l = &model->layers[layer];
    *out = (mzv_float_attention) { .q = linear(l->query_weight, l->query_bias, n, n),
                                   .k = linear(l->key_weight, l->key_bias, n, n),
                                   .v = linear(l->value_weight, l->value_bias, n, n),
                                   .o = linear(l->project_weight, l->project_bias, n, n),
                                   .n_embd = n,
                                   .n_head = model->config.n_head,
                                   .causal = false };
    return MZV_OK;
}

static mzv_status check_tokens(const mzv_bert *model, const uint32_t *ids, const uint32_t *types,
                               uint32_t n) {
    const mzv_model_config *c = &model->config;
    if (n == 0 || n > c->n_positions) {
        return mzv_fail(MZV_ERR_ARGUMENT, "bert: %u tokens, the model has 1 to %u positions", n,
                        c->n_positions);
    }
    for (uint32_t t = 0; t < n; t++) {
        if (ids[t] >= c->vocab_size) {
            return mzv_fail(MZV_ERR_ARGUMENT, "bert: token %u has id %u, the vocabulary has %u", t, ids[t],
                            c->vocab_size);
        }
        if (types && types[t] >= c->n_types) {
            return mzv_fail(MZV_ERR_ARGUMENT, "bert: token %u has type %u, the model has %u", t, types[t],
                            c->n_types);
        }
    }
    return MZV_OK;
}

mzv_status mzv_bert_embed(const mzv_bert *model, const uint32_t *ids, const uint32_t *types,
                          uint32_t n_tokens, float *x) {
    MZV_TRY(check_tokens(model, ids, types, n_tokens));
    const size_t width = model->config.n_embd;
    const mzv_float_norm norm = norm_of(model, model->norm_weight, model->norm_bias);
    for (size_t t = 0; t < n_tokens; t++) {
        const float *word = model->words + ids[t] * width, *position = model->positions + t * width;
        const float *type = model->types + (types ? types[t] : 0) * width;
        for (size_t i = 0; i < width; i++) x[t * width + i] = word[i] + type[i] + position[i];
    }
    mzv_float_norm_run(x, x, n_tokens, &norm);
    return MZV_OK;
}

/* x = norm2(x + mlp(x)) */
static void mlp(const mzv_bert *model, uint32_t layer, uint32_t n_tokens, const mzv_float_hooks *hooks,
                const workspace *w) {
    const mzv_model_config *c = &model->config;
    const mzv_bert_layer *l = &model->layers[layer];
    const mzv_float_linear up = linear(l->up_weight, l->up_bias, c->n_embd, c->n_inner);
    const mzv_float_linear down = linear(l->down_weight, l->down_bias, c->n_inner, c->n_embd);
    const mzv_float_norm norm = norm_of(model, l->norm2_weight, l->norm2_bias);

    mzv_float_linear_run(w->inner, w->x, n_tokens, &up);
    mzv_float_stage(hooks, MZV_STAGE_ACTIVATION, layer, w->inner, n_tokens, c->n_inner);
    mzv_float_activate(w->inner, (size_t)n_tokens * c->n_inner, c->activation);
    mzv_float_linear_run(w->h, w->inner, n_tokens, &down);
    mzv_float_add(w->x, w->h, (size_t)n_tokens * c->n_embd);
    mzv_float_stage(hooks, MZV_STAGE_NORM2_IN, layer, w->x, n_tokens, c->n_embd);
    mzv_float_norm_run(w->x, w->x, n_tokens, &norm);
    mzv_float_stage(hooks, MZV_STAGE_NORM2, layer, w->x, n_tokens, c->n_embd);
}

/* One layer: x = norm1(x + attention(x)); x = norm2(x + mlp(x)). */
static mzv_status block(const mzv_bert *model, uint32_t layer, uint32_t n_tokens,
                        const mzv_float_hooks *hooks, const workspace *w) {
    const mzv_bert_layer *l = &model->layers[layer];
    const uint32_t n_embd = model->config.n_embd;
    const mzv_float_norm norm = norm_of(model, l->norm1_weight, l->norm1_bias);
    mzv_float_kv kv = { w->kv, w->kv + (size_t)n_tokens * n_embd, 0 };
    mzv_float_attention attention;

    MZV_TRY(mzv_bert_attention(&attention, model, layer));
    MZV_TRY(mzv_float_attention_hooked(&attention, layer, w->x, n_tokens, 0, &kv, hooks, w->heads, w->h));
    mzv_float_stage(hooks, MZV_STAGE_ATTENTION, layer, w->h, n_tokens, n_embd);
    mzv_float_add(w->x, w->h, (size_t)n_tokens * n_embd);
    mzv_float_stage(hooks, MZV_STAGE_NORM1_IN, layer, w->x, n_tokens, n_embd);
    mzv_float_norm_run(w->x, w->x, n_tokens, &norm);
    mzv_float_stage(hooks, MZV_STAGE_NORM1, layer, w->x, n_tokens, n_embd);
    mlp(model, layer, n_tokens, hooks, w);
    return MZV_OK;
}

static mzv_status workspace_take(workspace *w, const mzv_model_config *c, uint32_t n_tokens) {
    const size_t rows = (size_t)n_tokens * c->n_embd;
    MZV_TRY(mzv_float_alloc(&w->base, n_tokens, 5 * (size_t)c->n_embd + c->n_inner));
    w->x = w->base;
    w->h = w->x + rows;
    w->heads = w->h + rows;
    w->kv = w->heads + rows;
    w->inner = w->kv + 2 * rows;
    return MZV_OK;
}

static mzv_status check_outputs(const mzv_bert *model, const mzv_bert_outputs *out) {
    if (out->logits && !model->classifier_weight) {
        return mzv_fail(MZV_ERR_ARGUMENT, "bert: logits asked, this checkpoint has no classifier");
    }
    if (out->pooled && !model->pooler_weight) {
        return mzv_fail(MZV_ERR_ARGUMENT, "bert: the pooled vector asked, this checkpoint has no pooler");
    }
    return MZV_OK;
}

/* Writes the outputs from the last layer's x; the first row of h serves as the pooled vector. */
static void write_outputs(const mzv_bert *model, uint32_t n_tokens, const mzv_float_hooks *hooks,
                          const workspace *w, const mzv_bert_outputs *out) {
    const mzv_model_config *c = &model->config;
    if (out->hidden) memcpy(out->hidden, w->x, (size_t)n_tokens * c->n_embd * sizeof(float));
    if (!out->pooled && !out->logits) return;
    const mzv_float_linear pooler = linear(model->pooler_weight, model->pooler_bias, c->n_embd, c->n_embd);
    mzv_float_linear_run(w->h, w->x, 1, &pooler);
    mzv_float_stage(hooks, MZV_STAGE_POOLER, c->n_layer, w->h, 1, c->n_embd);
    mzv_float_tanh(w->h, c->n_embd);
    if (out->pooled) memcpy(out->pooled, w->h, c->n_embd * sizeof(float));
    if (!out->logits) return;
    const mzv_float_linear classifier =
        linear(model->classifier_weight, model->classifier_bias, c->n_embd, c->n_labels);
    mzv_float_linear_run(out->logits, w->h, 1, &classifier);
}

mzv_status mzv_bert_forward(const mzv_bert *model, const uint32_t *ids, const uint32_t *types,
                            uint32_t n_tokens, const mzv_float_hooks *hooks, const mzv_bert_outputs *out) {
    const mzv_model_config *c = &model->config;
    mzv_status status;
    workspace w;
    MZV_TRY(check_outputs(model, out));
    MZV_TRY(check_tokens(model, ids, types, n_tokens));
    MZV_TRY(workspace_take(&w, c, n_tokens));
    MZV_TRY_GOTO(mzv_bert_embed(model, ids, types, n_tokens, w.x), done);
    mzv_float_stage(hooks, MZV_STAGE_EMBEDDING, 0, w.x, n_tokens, c->n_embd);
    for (uint32_t i = 0; i < c->n_layer; i++) MZV_TRY_GOTO(block(model, i, n_tokens, hooks, &w), done);
    write_outputs(model, n_tokens, hooks, &w, out);
done:
    mzv_free(w.base);
    return status;
}
