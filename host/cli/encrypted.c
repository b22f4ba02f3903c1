/* A module on ciphertexts inside a float model. */
#include "cli/encrypted.h"

#include <omp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "backend/backend.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/try.h"
#include "base/utf8.h"

/* Loading */

mzv_status mzv_encrypted_load(mzv_encrypted *e, mzv_cli *cli) {
    memset(e, 0, sizeof *e);
    if (cli->args.model == NULL)
        return mzv_fail(MZV_ERR_ARGUMENT, "`mzv %s`: no checkpoint; name its folder with --model DIR",
                        cli->command->name);
    if (cli->args.threads > 0) omp_set_num_threads((int)cli->args.threads);
    const uint64_t begin = mzv_clock_ns();
    MZV_TRY(mzv_checkpoint_load(&e->checkpoint, cli->args.model));
    e->load_s = (double)(mzv_clock_ns() - begin) * 1e-9;
    return MZV_OK;
}

/* A backend that is known but not in this build, or has no device here, is a missing device. A plan needs none. */
static mzv_status check_backend(const mzv_cli *cli) {
    const char *name = cli->args.backend;
    const mzv_backend_ops *ops = NULL;
    if (mzv_backend_find(&ops, name) != MZV_OK)
        return mzv_fail(MZV_ERR_NO_DEVICE,
                        "backend %s is not in this build; use --backend cpu, or build where nvcc is", name);
    if (ops->probe == NULL || cli->command->bit == MZV_CMD_PLAN) return MZV_OK;
    return ops->probe((int)cli->args.device);
}

static mzv_status load_calibration(mzv_encrypted *e, const mzv_args *args) {
    char path[4096];
    struct stat info;
    if (args->calibration != NULL)
        snprintf(path, sizeof path, "%s", args->calibration);
    else
        snprintf(path, sizeof path, "%s/" MZV_CALIBRATION_FILE, args->model);
    if (stat(path, &info) != 0)
        return mzv_fail(MZV_ERR_IO,
                        "calibration: no file %s; make it with `mzv calibrate --model %s --text FILE`", path,
                        args->model);
    return mzv_calibration_load(&e->calibration, e->checkpoint, path);
}

static mzv_mode mode_of(const char *name) {
    if (strcmp(name, "simulate") == 0) return MZV_MODE_SIMULATE;
    return strcmp(name, "clear") == 0 ? MZV_MODE_CLEAR : MZV_MODE_EXECUTE;
}

static void fill_options(mzv_hybrid_options *o, mzv_cli *cli, uint32_t n_tokens_max) {
    const mzv_args *args = &cli->args;
    memset(o, 0, sizeof *o);
    o->mode = mode_of(args->mode);
    o->n_tokens_max = n_tokens_max;
    o->target_error = args->target_error;
    o->backend = args->backend;
    o->device = (int)args->device;
    o->device_bytes_max = (size_t)args->device_memory;
    o->n_threads = args->threads;
    o->noise_seed = args->noise_seed;
    o->memory_bytes_max = (size_t)args->memory_max;
    o->progress = mzv_progress_step;
    o->progress_user = &cli->progress;
}

mzv_status mzv_encrypted_prepare(mzv_encrypted *e, mzv_cli *cli, uint32_t n_tokens_max) {
    MZV_TRY(check_backend(cli));
    if (cli->args.encrypt == NULL) return MZV_OK;
    e->on = true;
    fill_options(&e->options, cli, n_tokens_max);
    MZV_TRY(mzv_module_parse(&e->module, e->checkpoint, cli->args.encrypt));
    return load_calibration(e, &cli->args);
}

void mzv_encrypted_close(mzv_encrypted *e) {
    mzv_hybrid_destroy(e->hybrid);
    mzv_calibration_destroy(e->calibration);
    mzv_checkpoint_destroy(e->checkpoint);
    memset(e, 0, sizeof *e);
}

/* Hooks */

static bool selects(void *user, uint32_t layer, int32_t head) {
    const mzv_encrypted *e = user;
    return layer == e->module.layer && head == e->module.head;
}

static mzv_status call_attention(void *user, uint32_t layer, const float *x, uint32_t n_tokens,
                                 uint32_t first_row, float *out) {
    const mzv_encrypted *e = user;
    (void)layer;
    return mzv_hybrid_call(e->hybrid, x, n_tokens, first_row, out);
}

static mzv_status call_head(void *user, uint32_t layer, uint32_t head, const float *x, uint32_t n_tokens,
                            uint32_t first_row, float *out) {
    (void)head;
    return call_attention(user, layer, x, n_tokens, first_row, out);
}

mzv_status mzv_plan_status(mzv_status status) {
    return status == MZV_ERR_PARAMS ? MZV_ERR_PRECISION : status;
}

mzv_status mzv_encrypted_start(mzv_encrypted *e) {
    if (!e->on) return MZV_OK;
    MZV_TRY(mzv_plan_status(
        mzv_hybrid_create(&e->hybrid, e->checkpoint, e->calibration, &e->module, &e->options)));
    e->hooks = (mzv_float_hooks) { .user = e, .selects = selects };
    if (e->module.head < 0)
        e->hooks.attention = call_attention;
    else
        e->hooks.head = call_head;
    return MZV_OK;
}

/* Reporting */

static json_int_t threads_of(const mzv_args *args) {
    return args->threads > 0 ? (json_int_t)args->threads : (json_int_t)omp_get_max_threads();
}

static mzv_status plain_facts(json_t *object, const mzv_args *args) {
    static const char *const absent[] = {
        "module",     "relative_error",         "log_n",
        "log2_qp",    "security_bits",          "levels",
        "keys_bytes", "upload_bytes_per_token", "download_bytes_per_token"
    };
    for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++)
        MZV_TRY(mzv_json_set(object, absent[i], json_null()));
    MZV_TRY(mzv_json_set(object, "mode", json_string("float")));
    MZV_TRY(mzv_json_set(object, "backend", json_string("float")));
    MZV_TRY(mzv_json_set(object, "threads", json_integer(threads_of(args))));
    return mzv_json_set(object, "peak_rss_bytes", json_integer((json_int_t)mzv_memory_peak()));
}

mzv_status mzv_encrypted_facts(const mzv_encrypted *e, json_t *object, const mzv_args *args,
                               uint32_t n_tokens) {
    if (!e->on) return plain_facts(object, args);
    const mzv_hybrid_plan *plan = mzv_hybrid_get_plan(e->hybrid);
    const mzv_param_facts *facts = mzv_hybrid_facts(e->hybrid);
    const uint64_t passes = mzv_hybrid_get_timings(e->hybrid)->n_passes;
    const uint64_t n = n_tokens > 0 ? n_tokens : 1;
    MZV_TRY(mzv_json_set(object, "module", json_string(plan->module.text)));
    MZV_TRY(mzv_json_set(object, "mode", json_string(args->mode)));
    MZV_TRY(mzv_json_set(object, "relative_error", mzv_json_number(mzv_hybrid_worst_error(e->hybrid))));
    MZV_TRY(mzv_json_set(object, "log_n", json_integer(plan->params.log_n)));
    MZV_TRY(mzv_json_set(object, "log2_qp", mzv_json_number(facts->log2_qp)));
    MZV_TRY(mzv_json_set(object, "security_bits", json_integer(facts->security_bits)));
    MZV_TRY(mzv_json_set(object, "levels", json_integer(plan->levels)));
    MZV_TRY(mzv_json_set(object, "keys_bytes", json_integer((json_int_t)plan->keys_bytes)));
    MZV_TRY(mzv_json_set(object, "upload_bytes_per_token",
                         json_integer((json_int_t)(plan->upload_bytes * passes / n))));
    MZV_TRY(mzv_json_set(object, "download_bytes_per_token",
                         json_integer((json_int_t)(plan->download_bytes * passes / n))));
    MZV_TRY(mzv_json_set(object, "peak_rss_bytes", json_integer((json_int_t)mzv_memory_peak())));
    MZV_TRY(mzv_json_set(object, "backend", json_string(mzv_hybrid_backend(e->hybrid))));
    return mzv_json_set(object, "threads", json_integer(threads_of(args)));
}

static mzv_status hybrid_timings(const mzv_hybrid_timings *t, json_t *o) {
    const struct {
        const char *key;
        double seconds;
    } rows[] = {
        { "plan_s", t->plan_s },
        { "context_s", t->context_s },
        { "keygen_s", t->keygen_s },
        { "weights_s", t->weights_s },
        { "encrypt_s", t->encrypt_s },
        { "evaluate_s", t->evaluate_s },
        { "projections_s", t->projections_s },
        { "scores_s", t->scores_s },
        { "softmax_s", t->softmax_s },
        { "values_s", t->values_s },
        { "output_s", t->output_s },
        { "decrypt_s", t->decrypt_s },
        { "reference_s", t->reference_s },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        MZV_TRY(mzv_json_set(o, rows[i].key, mzv_json_number(rows[i].seconds)));
    MZV_TRY(mzv_json_set(o, "calls", json_integer(t->n_calls)));
    return mzv_json_set(o, "passes", json_integer(t->n_passes));
}

mzv_status mzv_encrypted_timings(const mzv_encrypted *e, json_t *object, double total_s) {
    json_t *o = json_object();
    MZV_TRY(mzv_json_set(object, "timings", o));
    MZV_TRY(mzv_json_set(o, "load_s", mzv_json_number(e->load_s)));
    if (e->on) MZV_TRY(hybrid_timings(mzv_hybrid_get_timings(e->hybrid), o));
    return mzv_json_set(o, "total_s", mzv_json_number(total_s));
}

mzv_status mzv_timings_print(const json_t *object) {
    json_t *rows = json_array();
    const char *key;
    json_t *value;
    mzv_status status = MZV_OK;
    json_object_foreach(json_object_get(object, "timings"), key, value) {
        json_t *row = json_pack("{s:s,s:O}", "stage", key, "value", value);
        if (status == MZV_OK)
            status = mzv_json_push(rows, row);
        else
            json_decref(row);
    }
    if (status == MZV_OK) status = mzv_output_table_stderr(rows);
    json_decref(rows);
    return status;
}

void mzv_encrypted_summary(const mzv_encrypted *e) {
    char keys[32];
    char peak[32];
    if (!e->on) return;
    const mzv_hybrid_plan *plan = mzv_hybrid_get_plan(e->hybrid);
    const mzv_param_facts *facts = mzv_hybrid_facts(e->hybrid);
    mzv_report_note("%s: relative error %.3g against float, on %s", plan->module.text,
                    mzv_hybrid_worst_error(e->hybrid), mzv_hybrid_backend(e->hybrid));
    mzv_report_note("ring N = 2^%u, log2(QP) = %.2f of %.0f allowed, %u-bit secure, %u levels used",
                    plan->params.log_n, facts->log2_qp, facts->log2_qp_cap, facts->security_bits,
                    plan->levels);
    mzv_report_note("keys %s, peak memory %s", mzv_size_text(keys, sizeof keys, (double)plan->keys_bytes),
                    mzv_size_text(peak, sizeof peak, (double)mzv_memory_peak()));
}

void mzv_encrypted_judge(const mzv_encrypted *e, mzv_cli *cli) {
    if (!e->on || cli->exit != MZV_EXIT_OK) return;
    const double error = mzv_hybrid_worst_error(e->hybrid);
    if (error <= cli->args.max_error) return;
    mzv_report_warning("relative error %.3g of %s is above --max-error %g; ask for a smaller --target-error",
                       error, e->module.text, cli->args.max_error);
    cli->exit = MZV_EXIT_PRECISION;
}

/* Prompts */

static mzv_status encode(uint32_t *ids, uint32_t *n_ids, uint32_t capacity, const mzv_checkpoint *cp,
                         const char *text) {
    size_t bad_at = 0;
    const size_t n = strlen(text);
    if (!mzv_utf8_valid(text, n, &bad_at))
        return mzv_fail(MZV_ERR_ARGUMENT,
                        "prompt: byte %zu is not UTF-8; check the locale and encoding of the shell", bad_at);
    if (cp->tokenizer == NULL) return mzv_checkpoint_encode(cp, text, n, ids, capacity, n_ids);
    return mzv_tokenizer_encode(cp->tokenizer, text, n, ids, capacity, n_ids);
}

mzv_status mzv_prompt_ids(uint32_t **ids, uint32_t *n_ids, const mzv_checkpoint *cp, const mzv_args *args) {
    const char *text = args->n_positional > 0 ? args->positional[0] : NULL;
    uint32_t *list = NULL;
    uint32_t n = 0;
    if ((text == NULL) == (args->ids == NULL))
        return mzv_fail(MZV_ERR_ARGUMENT, "prompt: found %s, need one of a text and --ids LIST",
                        text == NULL ? "none" : "both");
    const size_t n_bytes = strlen(text != NULL ? text : args->ids);
    if (n_bytes > (size_t)1 << 24)
        return mzv_fail(MZV_ERR_ARGUMENT, "prompt: %zu bytes, need at most 16 MiB", n_bytes);
    const uint32_t capacity = (uint32_t)n_bytes + 1; /* a token takes a byte at least */
    MZV_TRY(MZV_NEW(&list, capacity, "prompt"));
    mzv_status status = text != NULL ? encode(list, &n, capacity, cp, text)
                                     : mzv_ids_parse(args->ids, cp->config.vocab_size, list, capacity, &n);
    if (status == MZV_OK && n == 0)
        status = mzv_fail(MZV_ERR_ARGUMENT, "prompt: empty, need one token at least");
    if (status != MZV_OK) {
        mzv_free(list);
        return status;
    }
    *ids = list;
    *n_ids = n;
    return MZV_OK;
}

const char *mzv_token_text(char *text, size_t n, const mzv_checkpoint *cp, uint32_t id) {
    char letter[5] = "\xef\xbf\xbd"; /* U+FFFD for an id without a character */
    if (cp->tokenizer == NULL) {
        snprintf(text, n, "%u,", id);
        return text;
    }
    if (mzv_tokenizer_decode(cp->tokenizer, id, letter) != MZV_OK)
        snprintf(letter, sizeof letter, "\xef\xbf\xbd");
    snprintf(text, n, "%s", letter);
    return text;
}
