/* mzv run: one inference in float and one with a module on ciphertexts, side by side. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/try.h"
#include "cli/encrypted.h"
#include "runtime/json_file.h"
#include "runtime/sample.h"

enum { TOP = 5 };

typedef struct inference {
    mzv_cli *cli;
    mzv_encrypted encrypted;
    uint32_t *ids;
    uint32_t n_ids, n_logits; /* labels, or the vocabulary */
    float *all;               /* of every token, for gpt2 */
    float *exact, *logits;    /* in float, and with the module encrypted */
    json_t *labels;           /* id2label of config.json, or NULL */
    double seconds;
    uint64_t begin_ns;
} inference;

static mzv_status check_model(inference *r) {
    const mzv_model_config *c = &r->encrypted.checkpoint->config;
    if (c->module_only)
        return mzv_fail(MZV_ERR_ARGUMENT, "run: %s is an attention module only; need a whole model",
                        r->cli->args.model);
    if (c->kind == MZV_MODEL_BERT && !c->classifier)
        return mzv_fail(MZV_ERR_ARGUMENT,
                        "run: %s has no classifier; need BertForSequenceClassification or gpt2",
                        r->cli->args.model);
    if (r->n_ids > c->n_positions)
        return mzv_fail(MZV_ERR_ARGUMENT, "too many tokens: input %u > n_positions %u; shorten the text",
                        r->n_ids, c->n_positions);
    return MZV_OK;
}

/* The names of BERT's labels; without them numbers are shown. */
static mzv_status load_labels(inference *r) {
    char path[4096];
    json_t *config = NULL;
    snprintf(path, sizeof path, "%s/config.json", r->cli->args.model);
    MZV_TRY(mzv_json_load(&config, path, MZV_JSON_BYTES));
    r->labels = json_incref(json_object_get(config, "id2label"));
    json_decref(config);
    return MZV_OK;
}

static mzv_status prepare(inference *r) {
    MZV_TRY(mzv_encrypted_load(&r->encrypted, r->cli));
    const mzv_checkpoint *cp = r->encrypted.checkpoint;
    const bool bert = cp->config.kind == MZV_MODEL_BERT;
    MZV_TRY(mzv_prompt_ids(&r->ids, &r->n_ids, cp, &r->cli->args));
    MZV_TRY(check_model(r));
    if (bert) MZV_TRY(load_labels(r));
    r->n_logits = bert ? cp->config.n_labels : cp->config.vocab_size;
    MZV_TRY(MZV_NEW(&r->exact, r->n_logits, "logits"));
    MZV_TRY(MZV_NEW(&r->logits, r->n_logits, "logits"));
    if (!bert) MZV_TRY(MZV_NEW(&r->all, (size_t)r->n_ids * r->n_logits, "logits"));
    MZV_TRY(mzv_encrypted_prepare(&r->encrypted, r->cli, r->n_ids));
    return mzv_encrypted_start(&r->encrypted);
}

static mzv_status forward(inference *r, const mzv_float_hooks *hooks, float *logits) {
    const mzv_checkpoint *cp = r->encrypted.checkpoint;
    if (cp->config.kind == MZV_MODEL_BERT)
        return mzv_bert_forward(&cp->bert, r->ids, NULL, r->n_ids, hooks,
                                &(mzv_bert_outputs) { .logits = logits });
    MZV_TRY(mzv_gpt2_forward(&cp->gpt2, r->ids, r->n_ids, hooks, r->all));
    memcpy(logits, r->all + (size_t)(r->n_ids - 1) * r->n_logits, r->n_logits * sizeof *logits);
    return MZV_OK;
}

static mzv_status infer(inference *r) {
    MZV_TRY(forward(r, NULL, r->exact));
    const uint64_t begin = mzv_clock_ns();
    mzv_status status = forward(r, &r->encrypted.hooks, r->logits);
    r->seconds = (double)(mzv_clock_ns() - begin) * 1e-9;
    return status;
}

/* Results */

static const char *name_of(const inference *r, uint32_t id, char *text, size_t n) {
    char key[16];
    snprintf(key, sizeof key, "%u", id);
    const char *label = json_string_value(json_object_get(r->labels, key));
    if (r->encrypted.checkpoint->config.kind == MZV_MODEL_GPT2 && r->encrypted.checkpoint->tokenizer != NULL)
        return mzv_token_text(text, n, r->encrypted.checkpoint, id);
    snprintf(text, n, "%s", label != NULL ? label : key);
    mzv_plain_line(text);
    return text;
}

static double probability(const float *logits, uint32_t n, uint32_t id) {
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) sum += exp((double)logits[i] - (double)logits[id]);
    return 1 / sum;
}

static double logit_error(const inference *r) { /* largest difference */
    double worst = 0;
    for (uint32_t i = 0; i < r->n_logits; i++)
        worst = fmax(worst, fabs((double)r->logits[i] - (double)r->exact[i]));
    return worst;
}

static mzv_status put_choices(const inference *r, json_t *o) {
    uint32_t best[TOP];
    const uint32_t k = r->n_logits < TOP ? r->n_logits : TOP;
    json_t *list = json_array();
    MZV_TRY(mzv_json_set(o, "top", list));
    MZV_TRY(mzv_top_k(best, k, r->logits, r->n_logits));
    for (uint32_t i = 0; i < k; i++) {
        char text[64];
        json_t *row = json_object();
        MZV_TRY(mzv_json_push(list, row));
        name_of(r, best[i], text, sizeof text);
        MZV_TRY(mzv_json_set(row, "name", mzv_json_text(text, strlen(text))));
        MZV_TRY(mzv_json_set(row, "id", json_integer(best[i])));
        MZV_TRY(mzv_json_set(row, "logit", mzv_json_number((double)r->logits[best[i]])));
        MZV_TRY(mzv_json_set(row, "float_logit", mzv_json_number((double)r->exact[best[i]])));
        MZV_TRY(
            mzv_json_set(row, "probability", mzv_json_number(probability(r->logits, r->n_logits, best[i]))));
    }
    return MZV_OK;
}

static mzv_status fill(const inference *r, json_t *o) {
    uint32_t exact = 0;
    uint32_t found = 0;
    char text[64];
    MZV_TRY(mzv_top_k(&exact, 1, r->exact, r->n_logits));
    MZV_TRY(mzv_top_k(&found, 1, r->logits, r->n_logits));
    name_of(r, found, text, sizeof text);
    MZV_TRY(mzv_json_set(o, "result", mzv_json_text(text, strlen(text))));
    MZV_TRY(mzv_json_set(o, "agrees_with_float", json_boolean(exact == found)));
    MZV_TRY(put_choices(r, o));
    MZV_TRY(mzv_json_set(o, "logit_error", mzv_json_number(logit_error(r))));
    MZV_TRY(mzv_json_set(o, "tokens", json_integer(r->n_ids)));
    MZV_TRY(mzv_encrypted_facts(&r->encrypted, o, &r->cli->args, r->n_ids));
    MZV_TRY(mzv_json_set(o, "inference_s", mzv_json_number(r->seconds)));
    return mzv_encrypted_timings(&r->encrypted, o, (double)(mzv_clock_ns() - r->begin_ns) * 1e-9);
}

static mzv_status put_text(mzv_output *out, const json_t *o) {
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(o, "top"), i, row) {
        const char *name = json_string_value(json_object_get(row, "name"));
        const json_t *shown = json_object_get(row, "name");
        char *quoted = json_dumps(shown, JSON_ENCODE_ANY); /* a space or line end stays visible */
        if (quoted == NULL) return mzv_fail(MZV_ERR_MEMORY, "result: no memory for '%s'", name);
        const mzv_status status = mzv_output_print(out, "%-14s %10.5f  float %10.5f  p %.4f\n", quoted,
                                                   json_number_value(json_object_get(row, "logit")),
                                                   json_number_value(json_object_get(row, "float_logit")),
                                                   json_number_value(json_object_get(row, "probability")));
        free(quoted);
        MZV_TRY(status);
    }
    return mzv_output_print(out, "largest difference of a logit to float: %.3g\n",
                            json_number_value(json_object_get(o, "logit_error")));
}

static mzv_status report(inference *r) {
    mzv_output *out = &r->cli->out;
    json_t *o = NULL;
    MZV_TRY(mzv_json_new(&o, "run"));
    mzv_status status = fill(r, o);
    if (status == MZV_OK)
        status = out->format == MZV_FORMAT_TEXT ? put_text(out, o) : mzv_output_object(out, o);
    mzv_progress_clear(&r->cli->progress);
    if (status == MZV_OK && out->format == MZV_FORMAT_TEXT) mzv_encrypted_summary(&r->encrypted);
    if (status == MZV_OK && r->cli->args.timings) status = mzv_timings_print(o);
    json_decref(o);
    mzv_encrypted_judge(&r->encrypted, r->cli);
    return status;
}

mzv_status mzv_cmd_run(mzv_cli *cli) {
    inference r = { .cli = cli, .begin_ns = mzv_clock_ns() };
    mzv_status status = prepare(&r);
    if (status == MZV_OK) status = infer(&r);
    if (status == MZV_OK) status = report(&r);
    mzv_encrypted_close(&r.encrypted);
    json_decref(r.labels);
    mzv_free(r.all);
    mzv_free(r.logits);
    mzv_free(r.exact);
    mzv_free(r.ids);
    return status;
}
