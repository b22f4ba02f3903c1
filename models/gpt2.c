/* GPT-2 [RWC+19] in float: pre-LayerNorm decoder blocks, learned positions, tanh GELU unless the
 * configuration says otherwise. */
#include "models/gpt2.h"

#include <stdio.h>
#include <string.h>
#include "base/arena.h"
#include "base/try.h"

struct mzv_gpt2_state {
    const mzv_gpt2 *model;
    uint32_t capacity, n_tokens;
    float *rows;      /* n_layer x capacity x C: inputs of the attention modules */
    mzv_float_kv *kv; /* n_layer, in `cache` */
    float *cache;     /* n_layer x 2 x capacity x C */
};

/* Rows of the tokens that one call adds. C wide but for `inner`. */
typedef struct workspace {
    float *base;
    float *x;     /* the residual stream */
    float *h;     /* what goes into or comes out of a module */
    float *heads; /* heads side by side */
    float *inner; /* n_inner wide */
} workspace;

static mzv_status visit_one(mzv_weight_visit visit, void *user, mzv_weight weight, int32_t layer,
                            const char *name) {
    if (layer < 0) {
        snprintf(weight.name, sizeof weight.name, "%s", name);
    } else {
        snprintf(weight.name, sizeof weight.name, "h.%d.%s", layer, name);
    }
    return visit(user, &weight);
}

static mzv_status visit_layer(mzv_gpt2 *model, uint32_t i, mzv_weight_visit visit, void *user) {
    const mzv_model_config *c = &model->config;
    const uint32_t n = c->n_embd, group = c->module_only ? i + 1 : 0;
    mzv_gpt2_layer *l = &model->layers[i];
    const struct {
        const char *name;
        mzv_weight weight;
    } all[] = {
        { "ln_1.weight", { "", 1, { n, 1 }, group, &l->norm1_weight } },
        { "ln_1.bias", { "", 1, { n, 1 }, group, &l->norm1_bias } },
        { "attn.c_attn.weight", { "", 2, { n, 3 * n }, group, &l->attention_weight } },
        { "attn.c_attn.bias", { "", 1, { 3 * n, 1 }, group, &l->attention_bias } },
        { "attn.c_proj.weight", { "", 2, { n, n }, group, &l->project_weight } },
        { "attn.c_proj.bias", { "", 1, { n, 1 }, group, &l->project_bias } },
        { "ln_2.weight", { "", 1, { n, 1 }, 0, &l->norm2_weight } },
        { "ln_2.bias", { "", 1, { n, 1 }, 0, &l->norm2_bias } },
        { "mlp.c_fc.weight", { "", 2, { n, c->n_inner }, 0, &l->up_weight } },
        { "mlp.c_fc.bias", { "", 1, { c->n_inner, 1 }, 0, &l->up_bias } },
        { "mlp.c_proj.weight", { "", 2, { c->n_inner, n }, 0, &l->down_weight } },
        { "mlp.c_proj.bias", { "", 1, { n, 1 }, 0, &l->down_bias } },
    };
    const size_t n_module = 6, n_all = sizeof all / sizeof all[0];
    for (size_t j = 0; j < (c->module_only ? n_module : n_all); j++) {
        MZV_TRY(visit_one(visit, user, all[j].weight, (int32_t)i, all[j].name));
    }
    return MZV_OK;
}

mzv_status mzv_gpt2_weights(mzv_gpt2 *model, mzv_weight_visit visit, void *user) {
    const mzv_model_config *c = &model->config;
    const uint32_t n = c->n_embd, positions_group = c->module_only ? c->n_layer + 1 : 0;
    const mzv_weight wte = { "", 2, { c->vocab_size, n }, 0, &model->wte };
    const mzv_weight wpe = { "", 2, { c->n_positions, n }, positions_group, &model->wpe };
    const mzv_weight norm_weight = { "", 1, { n, 1 }, 0, &model->norm_weight };
    const mzv_weight norm_bias = { "", 1, { n, 1 }, 0, &model->norm_bias };
    const mzv_weight head = { "", 2, { c->vocab_size, n }, 0, &model->head };

    if (!c->module_only) MZV_TRY(visit_one(visit, user, wte, -1, "wte.weight"));
    MZV_TRY(visit_one(visit, user, wpe, -1, "wpe.weight"));
    for (uint32_t i = 0; i < c->n_layer; i++) MZV_TRY(visit_layer(model, i, visit, user));
    if (c->module_only) return MZV_OK;
    MZV_TRY(visit_one(visit, user, norm_weight, -1, "ln_f.weight"));
    MZV_TRY(visit_one(visit, user, norm_bias, -1, "ln_f.bias"));
    return c->tied ? MZV_OK : visit_one(visit, user, head, -1, "lm_head.weight");
}

/* Conv1D: in x out. */
static mzv_float_linear conv1d(const float *w, const float *bias, uint32_t n_in, uint32_t n_out) {
    return (mzv_float_linear) { w, bias, n_in, n_out, n_out, 1 };
}

static mzv_float_attention attention_of(const mzv_gpt2 *model, const mzv_gpt2_layer *l) {
    const uint32_t n = model->config.n_embd;
    const mzv_float_linear qkv = conv1d(l->attention_weight, l->attention_bias, n, 3 * n);
    return (mzv_float_attention) { .q = mzv_float_linear_outputs(&qkv, 0, n),
                                   .k = mzv_float_linear_outputs(&qkv, n, n),
                                   .v = mzv_float_linear_outputs(&qkv, 2 * n, n),
                                   .o = conv1d(l->project_weight, l->project_bias, n, n),
                                   .n_embd = n,
                                   .n_head = model->config.n_head,
                                   .causal = true };
}

static mzv_float_norm norm_of(const mzv_gpt2 *model, const float *weight, const float *bias) {
    return (mzv_float_norm) { weight, bias, model->config.n_embd, model->config.eps };
}

static mzv_status check_layer(const mzv_gpt2 *model, uint32_t layer) {
    if (layer >= model->config.n_layer) {
        return mzv_fail(MZV_ERR_ARGUMENT, "gpt2: layer %u of %u", layer, model->config.n_layer);
    }
    if (!model->layers[layer].attention_weight) {
        return mzv_fail(MZV_ERR_ARGUMENT, "gpt2: layer %u is not in this checkpoint", layer);
    }
    return MZV_OK;
}

mzv_status mzv_gpt2_attention(mzv_float_attention *out, const mzv_gpt2 *model, uint32_t layer) {
    MZV_TRY(check_layer(model, layer));
    *out = attention_of(model, &model->layers[layer]);
    return MZV_OK;
}

mzv_status mzv_gpt2_norm1(mzv_float_norm *out, const mzv_gpt2 *model, uint32_t layer) {
    MZV_TRY(check_layer(model, layer));
    *out = norm_of(model, model->layers[layer].norm1_weight, model->layers[layer].norm1_bias);
    return MZV_OK;
}

mzv_status mzv_gpt2_state_create(mzv_gpt2_state **out, const mzv_gpt2 *model, uint32_t capacity) {
    const mzv_model_config *c = &model->config;
    if (c->module_only) {
        return mzv_fail(MZV_ERR_ARGUMENT,
                        "gpt2: this checkpoint holds attention modules only, not a whole model");
    }
    if (capacity == 0 || capacity > c->n_positions) {
        return mzv_fail(MZV_ERR_ARGUMENT, "gpt2: room for %u tokens asked, the model has 1 to %u positions",
                        capacity, c->n_positions);
    }
    mzv_status status;
    const size_t layer_words = (size_t)capacity * c->n_embd;
    mzv_gpt2_state *state = NULL;
    MZV_TRY(MZV_NEW(&state, 1, "gpt2 state"));
    MZV_TRY_GOTO(mzv_float_alloc(&state->rows, c->n_layer, layer_words), failed);
    MZV_TRY_GOTO(mzv_float_alloc(&state->cache, c->n_layer, 2 * layer_words), failed);
    MZV_TRY_GOTO(MZV_NEW(&state->kv, c->n_layer, "gpt2 state"), failed);
    for (uint32_t i = 0; i < c->n_layer; i++) {
        state->kv[i].k = state->cache + 2 * i * layer_words;
        state->kv[i].v = state->kv[i].k + layer_words;
    }
    state->model = model;
    state->capacity = capacity;
    *out = state;
    return MZV_OK;
failed:
    mzv_gpt2_state_destroy(state);
    return status;
}

void mzv_gpt2_state_destroy(mzv_gpt2_state *state) {
    if (!state) return;
    mzv_free(state->rows);
    mzv_free(state->cache);
    mzv_free(state->kv);
    mzv_free(state);
}

uint32_t mzv_gpt2_state_tokens(const mzv_gpt2_state *state) { return state->n_tokens; }

void mzv_gpt2_state_rewind(mzv_gpt2_state *state, uint32_t n_tokens) {
    if (n_tokens >= state->n_tokens) return;
    state->n_tokens = n_tokens;
    for (uint32_t i = 0; i < state->model->config.n_layer; i++) {
        if (state->kv[i].n_rows > n_tokens) state->kv[i].n_rows = n_tokens;
    }
}

/* x[t] = wte[id] + wpe[position] */
static void embed(float *x, const mzv_gpt2 *model, const uint32_t *ids, uint32_t n_ids, uint32_t position) {
    const size_t width = model->config.n_embd;
    for (size_t t = 0; t < n_ids; t++) {
        const float *token = model->wte + ids[t] * width, *place = model->wpe + (position + t) * width;
        for (size_t i = 0; i < width; i++) x[t * width + i] = token[i] + place[i];
    }
}

/* x += mlp(norm2(x)) */
static void mlp(const mzv_gpt2 *model, uint32_t layer, uint32_t rows, const mzv_float_hooks *hooks,
                const workspace *w) {
    const mzv_model_config *c = &model->config;
    const mzv_gpt2_layer *l = &model->layers[layer];
    const mzv_float_norm norm = norm_of(model, l->norm2_weight, l->norm2_bias);
    const mzv_float_linear up = conv1d(l->up_weight, l->up_bias, c->n_embd, c->n_inner);
    const mzv_float_linear down = conv1d(l->down_weight, l->down_bias, c->n_inner, c->n_embd);

    mzv_float_stage(hooks, MZV_STAGE_NORM2_IN, layer, w->x, rows, c->n_embd);
    mzv_float_norm_run(w->h, w->x, rows, &norm);
    mzv_float_stage(hooks, MZV_STAGE_NORM2, layer, w->h, rows, c->n_embd);
    mzv_float_linear_run(w->inner, w->h, rows, &up);
    mzv_float_stage(hooks, MZV_STAGE_ACTIVATION, layer, w->inner, rows, c->n_inner);
    mzv_float_activate(w->inner, (size_t)rows * c->n_inner, c->activation);
    mzv_float_linear_run(w->h, w->inner, rows, &down);
    mzv_float_add(w->x, w->h, (size_t)rows * c->n_embd);
    mzv_float_stage(hooks, MZV_STAGE_BLOCK, layer, w->x, rows, c->n_embd);
}

/* One block: x += attention(norm1(x)); x += mlp(norm2(x)). */
static mzv_status block(mzv_gpt2_state *state, uint32_t layer, uint32_t rows, const mzv_float_hooks *hooks,
                        const workspace *w) {
    const mzv_gpt2 *model = state->model;
    const mzv_gpt2_layer *l = &model->layers[layer];
    const uint32_t n_embd = model->config.n_embd, first = state->n_tokens;
    const mzv_float_norm norm = norm_of(model, l->norm1_weight, l->norm1_bias);
    const mzv_float_attention attention = attention_of(model, l);
    float *all = state->rows + (size_t)layer * state->capacity * n_embd,
          *fresh = all + (size_t)first * n_embd;

    mzv_float_stage(hooks, MZV_STAGE_NORM1_IN, layer, w->x, rows, n_embd);
    mzv_float_norm_run(fresh, w->x, rows, &norm);
    mzv_float_stage(hooks, MZV_STAGE_NORM1, layer, fresh, rows, n_embd);
    MZV_TRY(mzv_float_attention_hooked(&attention, layer, all, first + rows, first, &state->kv[layer], hooks,
                                       w->heads, w->h));
    mzv_float_stage(hooks, MZV_STAGE_ATTENTION, layer, w->h, rows, n_embd);
    mzv_float_add(w->x, w->h, (size_t)rows * n_embd);
    mlp(model, layer, rows, hooks, w);
    return MZV_OK;
}

static mzv_status workspace_take(workspace *w, const mzv_model_config *c, uint32_t rows) {
    const size_t width = c->n_embd;
    MZV_TRY(mzv_float_alloc(&w->base, rows, 3 * width + c->n_inner));
    w->x = w->base;
    w->h = w->x + rows * width;
    w->heads = w->h + rows * width;
    w->inner = w->heads + rows * width;
    return MZV_OK;
}

static mzv_status check_ids(const mzv_gpt2_state *state, const uint32_t *ids, uint32_t n_ids) {
    const uint32_t vocab_size = state->model->config.vocab_size;
    if (n_ids == 0 || n_ids > state->capacity - state->n_tokens) {
        return mzv_fail(MZV_ERR_ARGUMENT, "gpt2: %u tokens after %u, there is room for 1 to %u", n_ids,
                        state->n_tokens, state->capacity - state->n_tokens);
    }
    for (uint32_t t = 0; t < n_ids; t++) {
        if (ids[t] >= vocab_size) {
            return mzv_fail(MZV_ERR_ARGUMENT, "gpt2: token %u has id %u, the vocabulary has %u", t, ids[t],
                            vocab_size);
        }
    }
    return MZV_OK;
}

mzv_status mzv_gpt2_extend(mzv_gpt2_state *state, const uint32_t *ids, uint32_t n_ids,
                           const mzv_float_hooks *hooks, float *logits) {
    const mzv_gpt2 *model = state->model;
    const mzv_model_config *c = &model->config;
    const mzv_float_norm norm = norm_of(model, model->norm_weight, model->norm_bias);
    const mzv_float_linear head = { model->head, NULL, c->n_embd, c->vocab_size, 1, c->n_embd };
    const uint32_t n_before = state->n_tokens;
    mzv_status status;
    workspace w;
    MZV_TRY(check_ids(state, ids, n_ids));
    MZV_TRY(workspace_take(&w, c, n_ids));

    embed(w.x, model, ids, n_ids, n_before);
    mzv_float_stage(hooks, MZV_STAGE_EMBEDDING, 0, w.x, n_ids, c->n_embd);
    for (uint32_t i = 0; i < c->n_layer; i++) MZV_TRY_GOTO(block(state, i, n_ids, hooks, &w), done);
    mzv_float_stage(hooks, MZV_STAGE_FINAL_IN, c->n_layer, w.x, n_ids, c->n_embd);
    if (logits) {
        mzv_float_norm_run(w.h, w.x, n_ids, &norm);
        mzv_float_linear_run(logits, w.h, n_ids, &head);
    }
    state->n_tokens = n_before + n_ids;
done:
    if (status != MZV_OK) {
        for (uint32_t i = 0; i < c->n_layer; i++) {
            if (state->kv[i].n_rows > n_before) state->kv[i].n_rows = n_before;
        }
    }
    mzv_free(w.base);
    return status;
}

mzv_status mzv_gpt2_step(mzv_gpt2_state *state, uint32_t id, const mzv_float_hooks *hooks, float *logits) {
    return mzv_gpt2_extend(state, &id, 1, hooks, logits);
}

mzv_status mzv_gpt2_forward(const mzv_gpt2 *model, const uint32_t *ids, uint32_t n_tokens,
                            const mzv_float_hooks *hooks, float *logits) {
    mzv_gpt2_state *state = NULL;
    MZV_TRY(mzv_gpt2_state_create(&state, model, n_tokens));
    const mzv_status status = mzv_gpt2_extend(state, ids, n_tokens, hooks, logits);
    mzv_gpt2_state_destroy(state);
    return status;
}
