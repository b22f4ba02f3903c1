#include "runtime/module.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/try.h"

static mzv_status refuse(const mzv_checkpoint *cp, const char *text) {
    const bool gpt2 = cp->config.kind == MZV_MODEL_GPT2;
    return mzv_fail(MZV_ERR_ARGUMENT,
                    "module \"%.80s\" is not in this model; it has %s.N.%s and %s.N.%s.head.M with N = 0..%u, M = 0..%u",
                    text, gpt2 ? "h" : "layer", gpt2 ? "attn" : "attention", gpt2 ? "h" : "layer",
                    gpt2 ? "attn" : "attention", cp->config.n_layer - 1, cp->config.n_head - 1);
}

/* Steps over `prefix` where text starts with it. */
static bool skip(const char **text, const char *prefix) {
    const size_t n = strlen(prefix);
    if (strncmp(*text, prefix, n) != 0) return false;
    *text += n;
    return true;
}

/* A decimal number below `limit`, without sign or leading zeros. */
static bool number(const char **text, uint32_t limit, uint32_t *out) {
    char *end;
    if (**text < '0' || **text > '9' || (**text == '0' && (*text)[1] >= '0' && (*text)[1] <= '9')) return false;
    const unsigned long n = strtoul(*text, &end, 10);
    *text = end;
    *out = (uint32_t)n;
    return n < limit;
}

mzv_status mzv_module_parse(mzv_module_name *out, const mzv_checkpoint *cp, const char *text) {
    const bool gpt2 = cp->config.kind == MZV_MODEL_GPT2;
    const char *at = text;
    mzv_module_name name = { .head = -1 };
    uint32_t head;
    if (gpt2) (void)skip(&at, "transformer.");
    else if (!skip(&at, "bert.encoder.")) (void)skip(&at, "encoder.");
    if (!skip(&at, gpt2 ? "h." : "layer.") || !number(&at, cp->config.n_layer, &name.layer) ||
        !skip(&at, gpt2 ? ".attn" : ".attention"))
        return refuse(cp, text);
    int n = snprintf(name.text, sizeof name.text, gpt2 ? "h.%u.attn" : "layer.%u.attention", name.layer);
    if (skip(&at, ".head.")) {
        if (!number(&at, cp->config.n_head, &head)) return refuse(cp, text);
        name.head = (int32_t)head;
        snprintf(name.text + n, sizeof name.text - (size_t)n, ".head.%u", head);
    }
    if (*at) return refuse(cp, text);
    *out = name;
    return MZV_OK;
}

mzv_status mzv_module_attention(mzv_float_attention *out, const mzv_checkpoint *cp, uint32_t layer) {
    return cp->config.kind == MZV_MODEL_GPT2 ? mzv_gpt2_attention(out, &cp->gpt2, layer)
                                             : mzv_bert_attention(out, &cp->bert, layer);
}
