/* Runs one attention module in float, or hands it to whoever replaces it. */
#include "models/float_hooks.h"

#include <string.h>
#include "base/arena.h"
#include "base/try.h"

static bool replaces(const mzv_float_hooks *hooks, uint32_t layer, int32_t head) {
    return !hooks->selects || hooks->selects(hooks->user, layer, head);
}

/* Lets the hooks replace heads: columns head*d .. of `heads` (R x C). */
static mzv_status replace_heads(const mzv_float_attention *m, uint32_t layer, const float *x,
                                uint32_t n_tokens, uint32_t first_row, const mzv_float_hooks *hooks,
                                float *heads) {
    const uint32_t head_dim = m->n_embd / m->n_head, n_rows = n_tokens - first_row;
    mzv_status status = MZV_OK;
    float *one = NULL;
    MZV_TRY(mzv_float_alloc(&one, n_rows, head_dim));
    for (uint32_t head = 0; head < m->n_head; head++) {
        if (!replaces(hooks, layer, (int32_t)head)) continue;
        MZV_TRY_GOTO(hooks->head(hooks->user, layer, head, x, n_tokens, first_row, one), done);
        for (uint32_t r = 0; r < n_rows; r++) {
            memcpy(heads + (size_t)r * m->n_embd + head * head_dim, one + (size_t)r * head_dim,
                   head_dim * sizeof(float));
        }
    }
done:
    mzv_free(one);
    return status;
}

mzv_status mzv_float_attention_hooked(const mzv_float_attention *m, uint32_t layer, const float *x,
                                      uint32_t n_tokens, uint32_t first_row, mzv_float_kv *kv,
                                      const mzv_float_hooks *hooks, float *heads, float *out) {
    if (hooks && hooks->attention && replaces(hooks, layer, -1)) {
        return hooks->attention(hooks->user, layer, x, n_tokens, first_row, out);
    }
    const mzv_float_observer observer = { hooks ? hooks->see : NULL, hooks ? hooks->user : NULL, layer };
    MZV_TRY(mzv_float_attention_heads(m, x, n_tokens, first_row, kv, &observer, heads));
    if (hooks && hooks->head) MZV_TRY(replace_heads(m, layer, x, n_tokens, first_row, hooks, heads));
    mzv_float_linear_run(out, heads, n_tokens - first_row, &m->o);
    return MZV_OK;
}

void mzv_float_stage(const mzv_float_hooks *hooks, mzv_stage stage, uint32_t layer, const float *x,
                     uint32_t rows, uint32_t columns) {
    if (hooks && hooks->stage) hooks->stage(hooks->user, stage, layer, x, rows, columns);
}
