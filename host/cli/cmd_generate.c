/* mzv generate: text token by token, one module on ciphertexts. */
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/try.h"
#include "cli/encrypted.h"
#include "runtime/sample.h"

typedef struct generation {
    mzv_cli *cli;
    mzv_encrypted encrypted;
    mzv_gpt2_state *state;
    mzv_sampler sampler;
    uint32_t *ids; /* prompt, then what was generated */
    uint32_t n_prompt, n_ids, n_wanted;
    float *logits;   /* n_prompt x V; later steps use the first row */
    mzv_output text; /* prompt and generated text, as far as it goes */
    size_t prompt_bytes;
    uint64_t begin_ns, loop_ns, end_ns;
} generation;

static mzv_status check_model(const mzv_checkpoint *cp, const mzv_args *args) {
    if (cp->config.kind != MZV_MODEL_GPT2 || cp->config.module_only)
        return mzv_fail(MZV_ERR_ARGUMENT, "generate: %s is %s; need a whole gpt2 checkpoint", args->model,
                        cp->config.kind == MZV_MODEL_GPT2 ? "an attention module only" : "a bert checkpoint");
    return MZV_OK;
}

/* Prompt and limits, before any work. */
static mzv_status read_prompt(generation *g) {
    const mzv_checkpoint *cp = g->encrypted.checkpoint;
    const uint32_t n_new = g->cli->args.tokens;
    uint32_t *prompt = NULL;
    MZV_TRY(mzv_prompt_ids(&prompt, &g->n_prompt, cp, &g->cli->args));
    mzv_status status = MZV_OK;
    if ((uint64_t)g->n_prompt + n_new > cp->config.n_positions)
        status = mzv_fail(MZV_ERR_ARGUMENT,
                          "too many tokens: prompt %u + tokens %u > n_positions %u; shorten the prompt "
                          "or lower --tokens",
                          g->n_prompt, n_new, cp->config.n_positions);
    if (status == MZV_OK) status = MZV_NEW(&g->ids, (size_t)g->n_prompt + n_new, "token ids");
    if (status == MZV_OK) memcpy(g->ids, prompt, g->n_prompt * sizeof *prompt);
    g->n_ids = g->n_prompt;
    g->n_wanted = n_new;
    mzv_free(prompt);
    return status;
}

static void set_sampler(generation *g) {
    const mzv_args *args = &g->cli->args;
    const bool chosen = mzv_args_given(args, "temperature");
    g->sampler.top_k = args->top_k;
    g->sampler.state = args->seed;
    g->sampler.temperature = chosen ? args->temperature : args->top_k > 0 ? 1.0 : 0.0;
}

static mzv_status prepare(generation *g) {
    mzv_cli *cli = g->cli;
    MZV_TRY(mzv_encrypted_load(&g->encrypted, cli));
    const mzv_checkpoint *cp = g->encrypted.checkpoint;
    MZV_TRY(check_model(cp, &cli->args));
    MZV_TRY(read_prompt(g));
    if (g->sampler.top_k > cp->config.vocab_size)
        return mzv_fail(MZV_ERR_ARGUMENT, "--top-k: found %u, need at most the vocabulary's %u",
                        g->sampler.top_k, cp->config.vocab_size);
    const uint32_t n_context = g->n_prompt + g->n_wanted - 1; /* the last token is not fed back */
    MZV_TRY(mzv_encrypted_prepare(&g->encrypted, cli, n_context));
    MZV_TRY(mzv_gpt2_state_create(&g->state, &cp->gpt2, n_context));
    MZV_TRY(MZV_NEW(&g->logits, (size_t)g->n_prompt * cp->config.vocab_size, "logits"));
    return mzv_encrypted_start(&g->encrypted);
}

/* A token into the text; to the terminal at once where text is asked for. */
static mzv_status put_token(generation *g, uint32_t id) {
    char text[16];
    mzv_token_text(text, sizeof text, g->encrypted.checkpoint, id);
    MZV_TRY(mzv_output_bytes(&g->text, text, strlen(text)));
    if (g->cli->out.format != MZV_FORMAT_TEXT) return MZV_OK;
    mzv_progress_clear(&g->cli->progress);
    mzv_progress_text(&g->cli->progress, text, strlen(text));
    return mzv_output_stream(&g->cli->out, text, strlen(text));
}

static mzv_status put_prompt(generation *g) {
    for (uint32_t i = 0; i < g->n_prompt; i++) MZV_TRY(put_token(g, g->ids[i]));
    g->prompt_bytes = g->text.n_bytes;
    return MZV_OK;
}

/* Logits after the newest tokens: the prompt at once, later one at a time. */
static mzv_status advance(generation *g, const float **logits) {
    const uint32_t n_vocab = g->encrypted.checkpoint->config.vocab_size;
    const uint32_t n_done = mzv_gpt2_state_tokens(g->state);
    *logits = g->logits;
    if (n_done > 0) return mzv_gpt2_step(g->state, g->ids[g->n_ids - 1], &g->encrypted.hooks, g->logits);
    *logits = g->logits + (size_t)(g->n_prompt - 1) * n_vocab;
    return mzv_gpt2_extend(g->state, g->ids, g->n_prompt, &g->encrypted.hooks, g->logits);
}

static mzv_status generate(generation *g) {
    const uint32_t n_vocab = g->encrypted.checkpoint->config.vocab_size;
    const float *logits = NULL;
    uint32_t id = 0;
    for (uint32_t i = 0; i < g->n_wanted; i++) {
        if (mzv_interrupted()) return mzv_fail(MZV_ERR_CANCELLED, "generate: interrupted");
        mzv_progress_item(&g->cli->progress, "token", i, g->n_wanted);
        MZV_TRY(advance(g, &logits));
        MZV_TRY(mzv_sample(&g->sampler, logits, n_vocab, &id));
        if (i == 0) MZV_TRY(put_prompt(g));
        g->ids[g->n_ids++] = id;
        MZV_TRY(put_token(g, id));
    }
    return MZV_OK;
}

/* SIGINT ends with what is known so far. */
static mzv_status generate_or_stop(generation *g) {
    g->loop_ns = mzv_clock_ns();
    mzv_status status = generate(g);
    g->end_ns = mzv_clock_ns();
    if (status == MZV_ERR_CANCELLED && g->n_ids > g->n_prompt) {
        mzv_progress_clear(&g->cli->progress);
        mzv_report_warning("interrupted after %u of %u tokens", g->n_ids - g->n_prompt, g->n_wanted);
        g->cli->exit = MZV_EXIT_INTERRUPTED;
        status = MZV_OK;
    }
    return status;
}

static mzv_status put_ids(json_t *o, const char *key, const uint32_t *ids, uint32_t n) {
    json_t *list = json_array();
    MZV_TRY(mzv_json_set(o, key, list));
    for (uint32_t i = 0; i < n; i++) MZV_TRY(mzv_json_push(list, json_integer(ids[i])));
    return MZV_OK;
}

static mzv_status fill(const generation *g, json_t *o) {
    const char *text = g->text.bytes;
    const size_t n = g->prompt_bytes;
    const uint32_t n_new = g->n_ids - g->n_prompt;
    MZV_TRY(mzv_json_set(o, "text", mzv_json_text(text, g->text.n_bytes)));
    MZV_TRY(mzv_json_set(o, "prompt", mzv_json_text(text, n)));
    MZV_TRY(mzv_json_set(o, "generated", mzv_json_text(text + n, g->text.n_bytes - n)));
    MZV_TRY(put_ids(o, "generated_ids", g->ids + g->n_prompt, n_new));
    MZV_TRY(mzv_json_set(o, "interrupted", json_boolean(g->cli->exit == MZV_EXIT_INTERRUPTED)));
    MZV_TRY(mzv_encrypted_facts(&g->encrypted, o, &g->cli->args, n_new));
    MZV_TRY(mzv_json_set(o, "seconds_per_token",
                         mzv_json_number((double)(g->end_ns - g->loop_ns) * 1e-9 / n_new)));
    return mzv_encrypted_timings(&g->encrypted, o, (double)(g->end_ns - g->begin_ns) * 1e-9);
}

static mzv_status report(generation *g) {
    mzv_output *out = &g->cli->out;
    json_t *o = NULL;
    MZV_TRY(mzv_json_new(&o, "generate"));
    mzv_status status = fill(g, o);
    if (status == MZV_OK)
        status = out->format == MZV_FORMAT_TEXT ? mzv_output_stream(out, "\n", 1) : mzv_output_object(out, o);
    mzv_progress_clear(&g->cli->progress);
    if (status == MZV_OK && out->format == MZV_FORMAT_TEXT) mzv_encrypted_summary(&g->encrypted);
    if (status == MZV_OK && g->cli->args.timings) status = mzv_timings_print(o);
    json_decref(o);
    mzv_encrypted_judge(&g->encrypted, g->cli);
    return status;
}

mzv_status mzv_cmd_generate(mzv_cli *cli) {
    generation g = { .cli = cli, .begin_ns = mzv_clock_ns() };
    set_sampler(&g);
    mzv_status status = prepare(&g);
    if (status == MZV_OK) status = generate_or_stop(&g);
    if (status == MZV_OK) status = report(&g);
    mzv_gpt2_state_destroy(g.state);
    mzv_encrypted_close(&g.encrypted);
    mzv_output_close(&g.text);
    mzv_free(g.logits);
    mzv_free(g.ids);
    return status;
}
