/* mzv inspect: what a file or a checkpoint folder is, after checking all of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "mzv/mzv.h"
#include "base/bytes.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/try.h"
#include "ckks/container.h"
#include "cli/cli.h"
#include "runtime/calibrate.h"
#include "runtime/checkpoint.h"
#include "runtime/config.h"

static mzv_status set_id(json_t *o, const char *key, const uint8_t id[MZV_ID_BYTES]) {
    static const uint8_t none[MZV_ID_BYTES];
    char hex[2 * MZV_ID_BYTES + 1];
    mzv_hex(hex, id, MZV_ID_BYTES);
    return mzv_json_set(o, key, memcmp(id, none, MZV_ID_BYTES) == 0 ? json_null() : json_string(hex));
}

/* Checkpoints */

static mzv_status fill_config(json_t *o, const mzv_model_config *c) {
    MZV_TRY(mzv_json_set(o, "architecture", json_string(mzv_model_kind_name(c->kind))));
    MZV_TRY(mzv_json_set(o, "module_only", json_boolean(c->module_only)));
    MZV_TRY(mzv_json_set(o, "layers", json_integer(c->n_layer)));
    MZV_TRY(mzv_json_set(o, "heads", json_integer(c->n_head)));
    MZV_TRY(mzv_json_set(o, "channels", json_integer(c->n_embd)));
    MZV_TRY(mzv_json_set(o, "inner", json_integer(c->n_inner)));
    MZV_TRY(mzv_json_set(o, "positions", json_integer(c->n_positions)));
    MZV_TRY(mzv_json_set(o, "vocabulary", json_integer(c->vocab_size)));
    if (c->n_labels > 0) MZV_TRY(mzv_json_set(o, "labels", json_integer(c->n_labels)));
    return mzv_json_set(o, "activation", json_string(mzv_activation_name(c->activation)));
}

static mzv_status inspect_checkpoint(json_t *o, const char *path) {
    mzv_checkpoint *cp = NULL;
    char file[4096];
    struct stat info;
    MZV_TRY(mzv_checkpoint_load(&cp, path));
    snprintf(file, sizeof file, "%s/" MZV_CALIBRATION_FILE, path);
    mzv_status status = mzv_json_set(o, "kind", json_string("checkpoint"));
    if (status == MZV_OK) status = fill_config(o, &cp->config);
    if (status == MZV_OK) status = mzv_json_set(o, "weights", json_integer((json_int_t)cp->n_weights));
    if (status == MZV_OK)
        status = mzv_json_set(o, "tokenizer", json_string(cp->tokenizer != NULL ? "characters" : "ids"));
    if (status == MZV_OK) status = mzv_json_set(o, "calibrated", json_boolean(stat(file, &info) == 0));
    if (status == MZV_OK) status = set_id(o, "model_id", cp->id);
    mzv_checkpoint_destroy(cp);
    return status;
}

/* Calibrations: beside their model, or with --model */

static mzv_status fill_calibration(json_t *o, const mzv_calibration *cal) {
    MZV_TRY(mzv_json_set(o, "kind", json_string("calibration")));
    MZV_TRY(mzv_json_set(o, "layers", json_integer(cal->n_layers)));
    MZV_TRY(mzv_json_set(o, "heads", json_integer(cal->n_heads)));
    MZV_TRY(mzv_json_set(o, "head_channels", json_integer(cal->head_dim)));
    MZV_TRY(mzv_json_set(o, "channels", json_integer(cal->n_channels)));
    MZV_TRY(mzv_json_set(o, "queries_per_layer", json_integer(cal->n_rows)));
    return set_id(o, "model_id", cal->model_id);
}

static mzv_status inspect_calibration(json_t *o, const char *path, const mzv_args *args) {
    mzv_checkpoint *cp = NULL;
    mzv_calibration *cal = NULL;
    char folder[4096];
    mzv_status status = MZV_OK;
    const char *slash = strrchr(path, '/');
    const int n = slash != NULL ? (int)(slash - path) : 0;
    if (args->model != NULL)
        snprintf(folder, sizeof folder, "%s", args->model);
    else
        snprintf(folder, sizeof folder, "%.*s",
                 slash == NULL ? 1
                 : n > 0       ? n
                               : 1,
                 slash == NULL ? "." : path);
    MZV_TRY_GOTO(mzv_checkpoint_load(&cp, folder), done);
    MZV_TRY_GOTO(mzv_calibration_load(&cal, cp, path), done);
    MZV_TRY_GOTO(fill_calibration(o, cal), done);
done:
    mzv_calibration_destroy(cal);
    mzv_checkpoint_destroy(cp);
    return status;
}

/* Containers */

static mzv_status fill_fields(json_t *o, const mzv_container_in *c) {
    mzv_field f;
    json_t *fields = json_object();
    MZV_TRY(mzv_json_set(o, "fields", fields));
    for (uint32_t i = 0; mzv_container_field_at(c, i, &f); i++) {
        char hex[2 * MZV_FIELD_BYTES_MAX + 1];
        double real = 0;
        const uint64_t word = f.type != MZV_FIELD_BYTES ? mzv_load_le64(f.value) : 0;
        memcpy(&real, &word, sizeof real);
        mzv_hex(hex, f.value, f.n_bytes <= MZV_FIELD_BYTES_MAX ? f.n_bytes : MZV_FIELD_BYTES_MAX);
        json_t *value = f.type == MZV_FIELD_U64   ? json_integer((json_int_t)word)
                        : f.type == MZV_FIELD_F64 ? mzv_json_number(real)
                                                  : json_string(hex);
        MZV_TRY(mzv_json_set(fields, f.name, value));
    }
    return MZV_OK;
}

static mzv_status fill_sections(json_t *o, const mzv_container_in *c) {
    mzv_section s;
    uint64_t n_bytes = 0;
    uint32_t n = 0;
    for (; mzv_container_section_at(c, n, &s); n++) n_bytes += s.n_bytes;
    MZV_TRY(mzv_json_set(o, "sections", json_integer(n)));
    return mzv_json_set(o, "content_bytes", json_integer((json_int_t)n_bytes));
}

static mzv_status fill_container(json_t *o, mzv_container_in *c) {
    const mzv_container_head *head = mzv_container_head_of(c);
    MZV_TRY(mzv_container_verify(c));
    MZV_TRY(mzv_json_set(o, "kind", json_string(mzv_kind_name(head->kind))));
    MZV_TRY(
        mzv_json_set(o, "security",
                     json_string(head->insecure_toy ? "insecure toy: for tests only" : "128 bits or more")));
    MZV_TRY(set_id(o, "id", mzv_container_id(c)));
    MZV_TRY(set_id(o, "params_id", head->params_id));
    MZV_TRY(set_id(o, "key_id", head->key_id));
    MZV_TRY(set_id(o, "model_id", head->model_id));
    MZV_TRY(fill_sections(o, c));
    return fill_fields(o, c);
}

/* --expect-params: a named set, or a file of one. */
static mzv_status expected_id(uint8_t id[MZV_ID_BYTES], const mzv_args *args) {
    mzv_params p;
    mzv_param_facts facts;
    struct stat info;
    if (stat(args->expect_params, &info) == 0)
        MZV_TRY(mzv_params_load(&p, args->expect_params, args->insecure_toy));
    else
        MZV_TRY(mzv_params_named(&p, args->expect_params));
    MZV_TRY(mzv_params_check(&p, &facts));
    memcpy(id, facts.id, MZV_ID_BYTES);
    return MZV_OK;
}

static mzv_status inspect_container(json_t *o, const char *path, const mzv_args *args) {
    uint8_t id[MZV_ID_BYTES];
    mzv_container_in *c = NULL;
    mzv_expect expect = { .allow_insecure = args->insecure_toy };
    if (args->expect_params != NULL) {
        MZV_TRY(expected_id(id, args));
        expect.params_id = id;
    }
    MZV_TRY(mzv_container_open(&c, path, NULL, &expect));
    const mzv_status status = fill_container(o, c);
    mzv_container_close(c);
    return status;
}

/* What is it? */

static bool has_suffix(const char *text, const char *suffix) {
    const size_t n = strlen(text);
    const size_t m = strlen(suffix);
    return n >= m && strcmp(text + n - m, suffix) == 0;
}

static mzv_status inspect(json_t *o, const mzv_args *args) {
    const char *path = args->positional[0];
    struct stat info;
    MZV_TRY(mzv_json_set(o, "path", mzv_json_text(path, strlen(path))));
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) return inspect_checkpoint(o, path);
    if (has_suffix(path, ".safetensors")) return inspect_calibration(o, path, args);
    return inspect_container(o, path, args);
}

static mzv_status put_text(mzv_output *out, const json_t *object, const char *indent) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value) {
        if (strcmp(key, "schema") == 0 || strcmp(key, "command") == 0 || json_is_null(value)) continue;
        if (json_is_object(value)) {
            MZV_TRY(mzv_output_print(out, "%s%s\n", indent, key));
            MZV_TRY(put_text(out, value, "  "));
            continue;
        }
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
        if (text == NULL) return mzv_fail(MZV_ERR_MEMORY, "result: no memory for '%s'", key);
        const mzv_status status = mzv_output_print(out, "%s%-18s %s\n", indent, key,
                                                   json_is_string(value) ? json_string_value(value) : text);
        free(text);
        MZV_TRY(status);
    }
    return MZV_OK;
}

mzv_status mzv_cmd_inspect(mzv_cli *cli) {
    json_t *o = NULL;
    MZV_TRY(mzv_json_new(&o, "inspect"));
    mzv_status status = inspect(o, &cli->args);
    if (status == MZV_OK)
        status =
            cli->out.format == MZV_FORMAT_TEXT ? put_text(&cli->out, o, "") : mzv_output_object(&cli->out, o);
    json_decref(o);
    return status;
}
