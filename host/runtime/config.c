/* config.json. The upper limits only bound later sizes: they are far above any model of these families. */
#include "runtime/config.h"

#include <stdio.h>
#include <string.h>
#include "base/try.h"
#include "runtime/json_file.h"

enum {
    CONFIG_BYTES = 1 << 20,
    MAX_LAYERS = 1024,
    MAX_WIDTH = 1 << 16,
    MAX_POSITIONS = 1 << 20,
    MAX_VOCABULARY = 1 << 24,
    MAX_LABELS = 1 << 16
};

typedef struct source {
    const json_t *root;
    const char *path;
} source;

static const struct {
    const char *name;
    mzv_activation activation;
} activations[] = {
    { "gelu", MZV_ACTIVATION_GELU },
    { "gelu_new", MZV_ACTIVATION_GELU_TANH },
    { "gelu_pytorch_tanh", MZV_ACTIVATION_GELU_TANH },
    { "relu", MZV_ACTIVATION_RELU },
};

const char *mzv_model_kind_name(mzv_model_kind kind) { return kind == MZV_MODEL_GPT2 ? "gpt2" : "bert"; }

const char *mzv_activation_name(mzv_activation activation) {
    size_t i = 0;
    while (activations[i].activation != activation) i++;
    return activations[i].name;
}

/* What a value is, for messages. */
static mzv_printable describe(const json_t *value) {
    mzv_printable out = { "" };
    switch (value ? json_typeof(value) : JSON_NULL) {
    case JSON_STRING:
        return mzv_printable_name(json_string_value(value));
    case JSON_INTEGER:
        snprintf(out.text, sizeof out.text, "%lld", (long long)json_integer_value(value));
        break;
    case JSON_REAL:
        snprintf(out.text, sizeof out.text, "%g", json_real_value(value));
        break;
    case JSON_TRUE:
        snprintf(out.text, sizeof out.text, "true");
        break;
    case JSON_FALSE:
        snprintf(out.text, sizeof out.text, "false");
        break;
    case JSON_NULL:
        snprintf(out.text, sizeof out.text, value ? "null" : "nothing");
        break;
    default:
        snprintf(out.text, sizeof out.text, "an object or array");
        break;
    }
    return out;
}

/* *out = a field that must be an integer from 1 to `most`. */
static mzv_status size_field(uint32_t *out, const source *s, const char *field, uint32_t most) {
    const json_t *value = json_object_get(s->root, field);
    const json_int_t x = json_is_integer(value) ? json_integer_value(value) : 0;
    if (x < 1 || x > most) {
        return mzv_fail(MZV_ERR_FORMAT, "%s: rule 79: %s: expected an integer from 1 to %u, found %s",
                        s->path, field, most, describe(value).text);
    }
    *out = (uint32_t)x;
    return MZV_OK;
}

/* *out = a field that may be true, false or absent. */
static mzv_status bool_field(bool *out, const source *s, const char *field, bool if_absent) {
    const json_t *value = json_object_get(s->root, field);
    if (value && !json_is_boolean(value)) {
        return mzv_fail(MZV_ERR_FORMAT, "%s: rule 79: %s: expected true or false, found %s", s->path, field,
                        describe(value).text);
    }
    *out = value ? json_is_true(value) : if_absent;
    return MZV_OK;
}

/* A field that changes the computation and is supported in one state only, which is also its default. */
static mzv_status fixed_field(const source *s, const char *field, bool only) {
    bool found = only;
    MZV_TRY(bool_field(&found, s, field, only));
    if (found == only) return MZV_OK;
    return mzv_fail(MZV_ERR_FORMAT, "%s: rule 79: %s: expected %s (the other is not supported), found %s",
                    s->path, field, only ? "true" : "false", found ? "true" : "false");
}

static mzv_status epsilon_field(double *out, const source *s, const char *field, double if_absent) {
    const json_t *value = json_object_get(s->root, field);
    const double eps = value ? json_number_value(value) : if_absent;
    if (!(eps > 0.0 && eps < 1.0)) {
        return mzv_fail(MZV_ERR_FORMAT, "%s: rule 79: %s: expected a number above 0 and below 1, found %s",
                        s->path, field, describe(value).text);
    }
    *out = eps;
    return MZV_OK;
}

static mzv_status activation_field(mzv_activation *out, const source *s, const char *field,
                                   const char *if_absent) {
    const json_t *value = json_object_get(s->root, field);
    const char *name = value ? json_string_value(value) : if_absent;
    for (size_t i = 0; name && i < sizeof activations / sizeof activations[0]; i++) {
        if (strcmp(name, activations[i].name) != 0) continue;
        *out = activations[i].activation;
        return MZV_OK;
    }
    return mzv_fail(MZV_ERR_FORMAT,
                    "%s: rule 79: %s: expected gelu, gelu_new, gelu_pytorch_tanh or relu, found %s", s->path,
                    field, describe(value).text);
}

static mzv_status check_heads(const source *s, const mzv_model_config *c) {
    if (c->n_embd % c->n_head == 0) return MZV_OK;
    return mzv_fail(MZV_ERR_FORMAT,
                    "%s: rule 79: heads: expected a number that divides the %u channels, found %u", s->path,
                    c->n_embd, c->n_head);
}

static mzv_status read_gpt2(mzv_model_config *c, const source *s) {
    MZV_TRY(size_field(&c->n_layer, s, "n_layer", MAX_LAYERS));
    MZV_TRY(size_field(&c->n_head, s, "n_head", MAX_WIDTH));
    MZV_TRY(size_field(&c->n_embd, s, "n_embd", MAX_WIDTH));
    MZV_TRY(size_field(&c->n_positions, s, "n_positions", MAX_POSITIONS));
    MZV_TRY(check_heads(s, c));
    MZV_TRY(epsilon_field(&c->eps, s, "layer_norm_epsilon", 1e-5));
    MZV_TRY(activation_field(&c->activation, s, "activation_function", "gelu_new"));
    MZV_TRY(fixed_field(s, "scale_attn_weights", true));
    MZV_TRY(fixed_field(s, "scale_attn_by_inverse_layer_idx", false));
    MZV_TRY(fixed_field(s, "add_cross_attention", false));
    if (c->module_only) return MZV_OK;
    const json_t *inner = json_object_get(s->root, "n_inner");
    c->n_inner = 4 * c->n_embd;
    if (inner && !json_is_null(inner)) MZV_TRY(size_field(&c->n_inner, s, "n_inner", 4 * MAX_WIDTH));
    MZV_TRY(bool_field(&c->tied, s, "tie_word_embeddings", true));
    return size_field(&c->vocab_size, s, "vocab_size", MAX_VOCABULARY);
}

/* Labels by id2label, else num_labels, else the framework's default of 2. */
static mzv_status read_labels(mzv_model_config *c, const source *s) {
    const json_t *labels = json_object_get(s->root, "id2label");
    c->n_labels = 2;
    if (labels) {
        const size_t n = json_object_size(labels);
        if (n < 1 || n > MAX_LABELS) {
            return mzv_fail(MZV_ERR_FORMAT,
                            "%s: rule 79: id2label: expected an object of 1 to %d labels, found %zu", s->path,
                            MAX_LABELS, n);
        }
        c->n_labels = (uint32_t)n;
        return MZV_OK;
    }
    return json_object_get(s->root, "num_labels") ? size_field(&c->n_labels, s, "num_labels", MAX_LABELS)
                                                  : MZV_OK;
}

static mzv_status read_bert(mzv_model_config *c, const source *s) {
    MZV_TRY(size_field(&c->n_layer, s, "num_hidden_layers", MAX_LAYERS));
    MZV_TRY(size_field(&c->n_head, s, "num_attention_heads", MAX_WIDTH));
    MZV_TRY(size_field(&c->n_embd, s, "hidden_size", MAX_WIDTH));
    MZV_TRY(size_field(&c->n_inner, s, "intermediate_size", 4 * MAX_WIDTH));
    MZV_TRY(size_field(&c->n_positions, s, "max_position_embeddings", MAX_POSITIONS));
    MZV_TRY(size_field(&c->vocab_size, s, "vocab_size", MAX_VOCABULARY));
    MZV_TRY(size_field(&c->n_types, s, "type_vocab_size", MAX_LABELS));
    MZV_TRY(check_heads(s, c));
    MZV_TRY(epsilon_field(&c->eps, s, "layer_norm_eps", 1e-12));
    MZV_TRY(activation_field(&c->activation, s, "hidden_act", "gelu"));
    MZV_TRY(fixed_field(s, "is_decoder", false));
    MZV_TRY(fixed_field(s, "add_cross_attention", false));
    const json_t *place = json_object_get(s->root, "position_embedding_type");
    if (place && (!json_is_string(place) || strcmp(json_string_value(place), "absolute") != 0)) {
        return mzv_fail(MZV_ERR_FORMAT, "%s: rule 79: position_embedding_type: expected absolute, found %s",
                        s->path, describe(place).text);
    }
    return c->classifier ? read_labels(c, s) : MZV_OK;
}

static mzv_status unsupported(const source *s, const char *field, const json_t *found) {
    return mzv_fail(MZV_ERR_FORMAT,
                    "%s: rule 79: %s: expected model_type gpt2 (GPT2LMHeadModel, GPT2Attention) or bert "
                    "(BertModel, BertForSequenceClassification), found %s",
                    s->path, field, describe(found).text);
}

static mzv_status read_architecture(mzv_model_config *c, const source *s) {
    const json_t *type = json_object_get(s->root, "model_type");
    const json_t *all = json_object_get(s->root, "architectures");
    const json_t *first = json_array_get(all, 0);
    const char *kind = json_string_value(type), *name = json_string_value(first);
    if (!kind || (strcmp(kind, "gpt2") != 0 && strcmp(kind, "bert") != 0))
        return unsupported(s, "model_type", type);
    c->kind = strcmp(kind, "gpt2") == 0 ? MZV_MODEL_GPT2 : MZV_MODEL_BERT;
    if (!all || json_is_null(all)) name = c->kind == MZV_MODEL_GPT2 ? "GPT2LMHeadModel" : "BertModel";
    if (!name) return unsupported(s, "architectures", first ? first : all);

    c->module_only = strcmp(name, "GPT2Attention") == 0;
    c->classifier = strcmp(name, "BertForSequenceClassification") == 0;
    const bool known = c->kind == MZV_MODEL_GPT2 ? c->module_only || strcmp(name, "GPT2LMHeadModel") == 0
                                                 : c->classifier || strcmp(name, "BertModel") == 0;
    return known ? MZV_OK : unsupported(s, "architectures", first);
}

static mzv_status read_config(mzv_model_config *out, const source *s) {
    mzv_model_config c = { 0 };
    MZV_TRY(read_architecture(&c, s));
    MZV_TRY(c.kind == MZV_MODEL_GPT2 ? read_gpt2(&c, s) : read_bert(&c, s));
    *out = c;
    return MZV_OK;
}

mzv_status mzv_config_parse(mzv_model_config *out, const char *path, const char *text, size_t n) {
    json_t *root = NULL;
    MZV_TRY(mzv_json_parse(&root, path, text, n));
    const mzv_status status = read_config(out, &(source) { root, path });
    json_decref(root);
    return status;
}

mzv_status mzv_config_load(mzv_model_config *out, const char *path) {
    json_t *root = NULL;
    MZV_TRY(mzv_json_load(&root, path, CONFIG_BYTES));
    const mzv_status status = read_config(out, &(source) { root, path });
    json_decref(root);
    return status;
}
