/* From a folder to a model: the configuration says which weights there must be; a first pass over that list
 * finds each in the file and measures, a second reads. Nothing large is allocated before the first pass is
 * through. */
#include "runtime/checkpoint.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/arena.h"
#include "base/bytes.h"
#include "base/memory.h"
#include "base/sha256.h"
#include "base/try.h"
#include "runtime/config.h"
#include "runtime/safetensors.h"

enum { ALIGN_FLOATS = 16, PATH_BYTES = PATH_MAX, NAME_BYTES = 128 };

typedef struct loader {
    mzv_checkpoint *to;
    mzv_safetensors *file;
    bool *used; /* per tensor of the file */
    uint64_t n_floats;
    uint32_t group; /* of the last weight */
    bool group_present;
    mzv_sha256_stream hash;
} loader;

static const char *prefix_of(mzv_model_kind kind) {
    return kind == MZV_MODEL_GPT2 ? "transformer." : "bert.";
}

static mzv_status visit(mzv_checkpoint *c, mzv_weight_visit each, void *user) {
    return c->config.kind == MZV_MODEL_GPT2 ? mzv_gpt2_weights(&c->gpt2, each, user)
                                            : mzv_bert_weights(&c->bert, each, user);
}

/* The tensor `name`, with the prefix or without. */
static const mzv_tensor *find(const loader *l, const char *name) {
    char prefixed[NAME_BYTES];
    snprintf(prefixed, sizeof prefixed, "%s%s", prefix_of(l->to->config.kind), name);
    const mzv_tensor *t = mzv_safetensors_find(l->file, prefixed);
    return t ? t : mzv_safetensors_find(l->file, name);
}

/* [2, 3] */
static void print_shape(char *out, size_t size, uint32_t rank, const uint64_t *shape) {
    size_t at = (size_t)snprintf(out, size, "[");
    for (uint32_t i = 0; i < rank && at < size; i++) {
        at += (size_t)snprintf(out + at, size - at, "%s%llu", i ? ", " : "", (unsigned long long)shape[i]);
    }
    if (at < size) snprintf(out + at, size - at, "]");
}

static mzv_status check_tensor(const loader *l, const mzv_tensor *t, const mzv_weight *w) {
    const uint64_t shape[2] = { w->shape[0], w->shape[1] };
    char expected[64], found[192];
    if (!mzv_tensor_is_float(t)) {
        return mzv_fail(MZV_ERR_FORMAT,
                        "%s: rule 72: tensor '%s': dtype: expected F32, F16 or BF16, found %s",
                        mzv_safetensors_path(l->file), t->name, t->dtype);
    }
    if (t->rank == w->rank && t->shape[0] == shape[0] && (w->rank == 1 || t->shape[1] == shape[1]))
        return MZV_OK;
    print_shape(expected, sizeof expected, w->rank, shape);
    print_shape(found, sizeof found, t->rank, t->shape);
    return mzv_fail(MZV_ERR_FORMAT, "%s: rule 76: tensor '%s': expected shape %s by config.json, found %s",
                    mzv_safetensors_path(l->file), t->name, expected, found);
}

/* First pass: finds and measures one weight. */
static mzv_status measure(void *user, const mzv_weight *w) {
    loader *l = user;
    const mzv_tensor *t = find(l, w->name);
    const bool first_of_group = w->group == 0 || w->group != l->group;
    l->group = w->group;
    if (first_of_group) l->group_present = t != NULL;
    if (!t && w->group != 0 && !l->group_present) return MZV_OK;
    if (!t || !l->group_present) {
        return mzv_fail(MZV_ERR_FORMAT, "%s: rule 76: tensor '%s': expected by config.json, found %s",
                        mzv_safetensors_path(l->file), w->name,
                        t ? "it, but not the ones of the same module before it" : "none");
    }
    MZV_TRY(check_tensor(l, t, w));
    l->used[t - mzv_safetensors_tensor(l->file, 0)] = true;
    l->to->n_weights += t->n_items;
    l->n_floats += (t->n_items + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
    return MZV_OK;
}

static mzv_status hash_floats(mzv_sha256_stream *hash, const float *x, size_t n) {
    uint8_t bytes[4096];
    for (size_t at = 0; at < n;) {
        const size_t left = n - at, some = left < sizeof bytes / 4 ? left : sizeof bytes / 4;
        for (size_t i = 0; i < some; i++) {
            uint32_t bits;
            memcpy(&bits, &x[at + i], sizeof bits);
            mzv_store_le32(bytes + 4 * i, bits);
        }
        MZV_TRY(mzv_sha256_update(hash, bytes, 4 * some));
        at += some;
    }
    return MZV_OK;
}

/* Second pass: reads one weight behind those before it. */
static mzv_status fill(void *user, const mzv_weight *w) {
    loader *l = user;
    const mzv_tensor *t = find(l, w->name);
    uint8_t shape[12];
    if (!t) return MZV_OK; /* an absent group: the first pass allowed it */
    float *at = l->to->weights + l->n_floats;
    l->n_floats += (t->n_items + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
    MZV_TRY(mzv_safetensors_read(l->file, t, at));
    *w->data = at;
    mzv_store_le32(shape, w->rank);
    mzv_store_le32(shape + 4, w->shape[0]);
    mzv_store_le32(shape + 8, w->shape[1]);
    MZV_TRY(mzv_sha256_update(&l->hash, w->name, strlen(w->name) + 1));
    MZV_TRY(mzv_sha256_update(&l->hash, shape, sizeof shape));
    return hash_floats(&l->hash, at, (size_t)t->n_items);
}

/* "h.N." with N a layer of the model; the rest of the name. */
static const char *after_layer(const char *name, uint32_t n_layer) {
    const size_t n_digits = strncmp(name, "h.", 2) == 0 ? strspn(name + 2, "0123456789") : 0;
    if (n_digits == 0 || n_digits > 6 || name[2 + n_digits] != '.') return "";
    return strtoul(name + 2, NULL, 10) < n_layer ? name + 3 + n_digits : "";
}

/* Tensors that frameworks save beside the weights and that hold no weight. */
static bool is_buffer(const mzv_model_config *c, const char *name) {
    const char *prefix = prefix_of(c->kind);
    if (strncmp(name, prefix, strlen(prefix)) == 0) name += strlen(prefix);
    if (c->kind == MZV_MODEL_BERT) {
        return strcmp(name, "embeddings.position_ids") == 0 || strcmp(name, "embeddings.token_type_ids") == 0;
    }
    const char *rest = after_layer(name, c->n_layer);
    return strcmp(rest, "attn.bias") == 0 || strcmp(rest, "attn.masked_bias") == 0;
}

/* A tied head that is stored all the same must be the embedding itself. Reads it into `scratch`. */
static mzv_status check_tied_head(const loader *l, const mzv_tensor *head) {
    const mzv_gpt2 *model = &l->to->gpt2;
    const mzv_model_config *c = &model->config;
    const mzv_weight expected = { "lm_head.weight", 2, { c->vocab_size, c->n_embd }, 0, NULL };
    float *values = NULL;
    mzv_status status;
    MZV_TRY(check_tensor(l, head, &expected));
    MZV_TRY(MZV_NEW(&values, head->n_items, "lm_head"));
    MZV_TRY_GOTO(mzv_safetensors_read(l->file, head, values), done);
    for (uint64_t i = 0; i < head->n_items; i++) {
        if (values[i] == model->wte[i]) continue;
        status = mzv_fail(MZV_ERR_FORMAT,
                          "%s: rule 76: tensor 'lm_head.weight': value %llu: expected %g as in wte.weight "
                          "(tied), found %g; set \"tie_word_embeddings\": false if it is its own",
                          mzv_safetensors_path(l->file), (unsigned long long)i, (double)model->wte[i],
                          (double)values[i]);
        break;
    }
done:
    mzv_free(values);
    return status;
}

static const mzv_tensor *stored_tied_head(const loader *l) {
    const mzv_model_config *c = &l->to->config;
    return c->kind == MZV_MODEL_GPT2 && c->tied ? mzv_safetensors_find(l->file, "lm_head.weight") : NULL;
}

static mzv_status check_extra(const loader *l) {
    const mzv_tensor *head = stored_tied_head(l);
    for (uint32_t i = 0; i < mzv_safetensors_count(l->file); i++) {
        const mzv_tensor *t = mzv_safetensors_tensor(l->file, i);
        if (l->used[i] || t == head || is_buffer(&l->to->config, t->name)) continue;
        return mzv_fail(MZV_ERR_FORMAT,
                        "%s: rule 76: tensor '%s': expected no such tensor by config.json (%s, %u layers), "
                        "found one",
                        mzv_safetensors_path(l->file), t->name, mzv_model_kind_name(l->to->config.kind),
                        l->to->config.n_layer);
    }
    return MZV_OK;
}

/* A module-only checkpoint has the attention of some layer. */
static mzv_status check_modules(const loader *l) {
    const mzv_model_config *c = &l->to->config;
    for (uint32_t i = 0; c->module_only && i < c->n_layer; i++) {
        if (l->to->gpt2.layers[i].attention_weight) return MZV_OK;
    }
    if (!c->module_only) return MZV_OK;
    return mzv_fail(MZV_ERR_FORMAT,
                    "%s: rule 76: expected ln_1 and attn of at least one of %u layers, found none",
                    mzv_safetensors_path(l->file), c->n_layer);
}

static mzv_status hash_config(mzv_sha256_stream *hash, const mzv_model_config *c) {
    uint8_t bytes[13 * 4 + 8];
    mzv_writer w = { bytes, sizeof bytes, 0 };
    const uint32_t fields[13] = { 1 /* version of this list */,
                                  (uint32_t)c->kind,
                                  c->module_only,
                                  c->tied,
                                  c->classifier,
                                  c->n_layer,
                                  c->n_head,
                                  c->n_embd,
                                  c->n_inner,
                                  c->n_positions,
                                  c->vocab_size,
                                  c->n_types,
                                  (uint32_t)c->activation };
    for (size_t i = 0; i < 13; i++) MZV_TRY(mzv_write_u32(&w, fields[i]));
    MZV_TRY(mzv_write_f64(&w, c->eps));
    return mzv_sha256_update(hash, bytes, sizeof bytes);
}

static mzv_status new_layers(mzv_checkpoint *c) {
    const size_t size = c->config.kind == MZV_MODEL_GPT2 ? sizeof(mzv_gpt2_layer) : sizeof(mzv_bert_layer);
    MZV_TRY(mzv_alloc(&c->layers, c->config.n_layer, size, "layers"));
    c->gpt2.config = c->bert.config = c->config;
    if (c->config.kind == MZV_MODEL_GPT2) c->gpt2.layers = c->layers;
    if (c->config.kind == MZV_MODEL_BERT) c->bert.layers = c->layers;
    return MZV_OK;
}

static mzv_status read_weights(loader *l) {
    mzv_checkpoint *c = l->to;
    uint8_t digest[MZV_SHA256_BYTES];
    MZV_TRY(new_layers(c));
    MZV_TRY(visit(c, measure, l));
    MZV_TRY(check_extra(l));
    const mzv_tensor *head = stored_tied_head(l);
    MZV_TRY(mzv_memory_check(mzv_safetensors_path(l->file),
                             (l->n_floats + (head ? head->n_items : 0)) * sizeof(float)));
    MZV_TRY(MZV_NEW(&c->weights, l->n_floats, "weights"));
    l->n_floats = 0;
    MZV_TRY(mzv_sha256_open(&l->hash));
    MZV_TRY(hash_config(&l->hash, &c->config));
    MZV_TRY(visit(c, fill, l));
    MZV_TRY(check_modules(l));
    if (c->gpt2.config.tied) c->gpt2.head = c->gpt2.wte;
    if (head) MZV_TRY(check_tied_head(l, head));
    MZV_TRY(mzv_sha256_finish(&l->hash, digest));
    memcpy(c->id, digest, sizeof c->id);
    return MZV_OK;
}

static mzv_status join(char out[PATH_BYTES], const char *folder, const char *name) {
    const int n = snprintf(out, PATH_BYTES, "%s/%s", folder, name);
    if (n > 0 && n < PATH_BYTES) return MZV_OK;
    return mzv_fail(MZV_ERR_ARGUMENT,
                    "checkpoint: rule 28: path of %s: expected less than %d bytes, found %d", name,
                    PATH_BYTES, n);
}

static bool exists(const char *folder, const char *name) {
    char path[PATH_BYTES];
    const int n = snprintf(path, sizeof path, "%s/%s", folder, name);
    return n > 0 && n < PATH_BYTES && access(path, F_OK) == 0;
}

/* Opens model.safetensors, or says what is there instead. */
static mzv_status open_weights(mzv_safetensors **out, const char *folder) {
    char path[PATH_BYTES];
    MZV_TRY(join(path, folder, "model.safetensors"));
    if (!exists(folder, "model.safetensors") && exists(folder, "model.safetensors.index.json")) {
        return mzv_fail(MZV_ERR_FORMAT,
                        "%s: rule 78: expected one file, found model.safetensors.index.json: sharded "
                        "checkpoints are not read; save it as a single file",
                        path);
    }
    if (!exists(folder, "model.safetensors") && exists(folder, "pytorch_model.bin")) {
        return mzv_fail(MZV_ERR_FORMAT,
                        "%s: rule 4: expected safetensors, found pytorch_model.bin: pickles are never "
                        "read; convert it",
                        path);
    }
    return mzv_safetensors_open(out, path);
}

static mzv_status load_model(mzv_checkpoint *c, const char *folder) {
    char path[PATH_BYTES];
    loader l = { .to = c };
    mzv_status status;
    MZV_TRY(join(path, folder, "config.json"));
    MZV_TRY(mzv_config_load(&c->config, path));
    MZV_TRY(open_weights(&l.file, folder));
    MZV_TRY_GOTO(MZV_NEW(&l.used, mzv_safetensors_count(l.file), "list of tensors"), done);
    status = read_weights(&l);
done:
    mzv_sha256_close(&l.hash);
    mzv_free(l.used);
    mzv_safetensors_close(l.file);
    return status;
}

static mzv_status load_vocabulary(mzv_checkpoint *c, const char *folder) {
    char path[PATH_BYTES];
    if (c->config.vocab_size == 0 || !exists(folder, "vocab.json")) return MZV_OK;
    MZV_TRY(join(path, folder, "vocab.json"));
    MZV_TRY(mzv_tokenizer_load(&c->tokenizer, path, c->config.vocab_size));
    c->subwords = c->tokenizer == NULL;
    return MZV_OK;
}

mzv_status mzv_checkpoint_load(mzv_checkpoint **out, const char *folder) {
    mzv_checkpoint *c = NULL;
    mzv_status status;
    MZV_TRY(MZV_NEW(&c, 1, "checkpoint"));
    MZV_TRY_GOTO(load_model(c, folder), failed);
    MZV_TRY_GOTO(load_vocabulary(c, folder), failed);
    *out = c;
    return MZV_OK;
failed:
    mzv_checkpoint_destroy(c);
    return status;
}

void mzv_checkpoint_destroy(mzv_checkpoint *checkpoint) {
    if (!checkpoint) return;
    mzv_tokenizer_destroy(checkpoint->tokenizer);
    mzv_free(checkpoint->weights);
    mzv_free(checkpoint->layers);
    mzv_free(checkpoint);
}

mzv_status mzv_checkpoint_encode(const mzv_checkpoint *checkpoint, const char *text, size_t n, uint32_t *ids,
                                 uint32_t capacity, uint32_t *n_ids) {
    if (!checkpoint->tokenizer) {
        return mzv_fail(MZV_ERR_ARGUMENT,
                        "checkpoint: no vocabulary of single characters (%s); give token ids, such as "
                        "--ids 1,2,3",
                        checkpoint->subwords ? "vocab.json holds subwords" : "there is no vocab.json");
    }
    const uint32_t n_positions = checkpoint->config.n_positions;
    return mzv_tokenizer_encode(checkpoint->tokenizer, text, n, ids,
                                capacity < n_positions ? capacity : n_positions, n_ids);
}
