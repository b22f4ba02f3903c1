/* mzv calibrate: ranges of a checkpoint from text, for its encrypted modules. */
#include <omp.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/try.h"
#include "cli/cli.h"
#include "runtime/calibrate.h"
#include "runtime/tokenizer.h"

enum { TEXT_BYTES_MAX = 256 << 20 };

static mzv_status encode(uint32_t *ids, uint32_t *n_ids, const mzv_checkpoint *cp, const char *text, size_t n,
                         const char *path) {
    if (cp->tokenizer == NULL)
        return mzv_fail(MZV_ERR_ARGUMENT,
                        "%s: this checkpoint has no character vocabulary; give ids with --ids-file", path);
    return mzv_tokenizer_encode(cp->tokenizer, text, n, ids, (uint32_t)n, n_ids);
}

/* Ids of --text or --ids-file; *ids is for mzv_free. */
static mzv_status read_ids(uint32_t **ids, uint32_t *n_ids, const mzv_checkpoint *cp, const mzv_args *args) {
    const bool as_text = args->text != NULL;
    const char *path = as_text ? args->text : args->ids_file;
    uint8_t *bytes = NULL;
    size_t n = 0;
    uint32_t *list = NULL;
    MZV_TRY(mzv_file_read(&bytes, &n, path, TEXT_BYTES_MAX));
    while (!as_text && n > 0 && strchr(" \r\n,", bytes[n - 1]) != NULL) bytes[--n] = '\0';
    for (size_t i = 0; !as_text && i < n; i++)
        if (bytes[i] == '\n' || bytes[i] == '\r') bytes[i] = bytes[i] == '\n' ? ',' : ' ';
    mzv_status status = MZV_NEW(&list, n + 1, "token ids");
    if (status == MZV_OK)
        status =
            as_text ? encode(list, n_ids, cp, (const char *)bytes, n, path)
                    : mzv_ids_parse((const char *)bytes, cp->config.vocab_size, list, (uint32_t)n + 1, n_ids);
    mzv_free(bytes);
    if (status == MZV_OK)
        *ids = list;
    else
        mzv_free(list);
    return status;
}

static mzv_status fill_row(json_t *row, uint32_t layer, uint32_t head, const mzv_layer_range *l) {
    const mzv_head_range *h = &l->head[head];
    MZV_TRY(mzv_json_set(row, "layer", json_integer(layer)));
    MZV_TRY(mzv_json_set(row, "head", json_integer(head)));
    MZV_TRY(mzv_json_set(row, "raw_score_low", mzv_json_number(h->raw_low)));
    MZV_TRY(mzv_json_set(row, "raw_score_high", mzv_json_number(h->raw_high)));
    MZV_TRY(mzv_json_set(row, "score_low", mzv_json_number(h->score_low)));
    MZV_TRY(mzv_json_set(row, "score_high", mzv_json_number(h->score_high)));
    MZV_TRY(mzv_json_set(row, "log_sum_low", mzv_json_number(h->lse_low)));
    MZV_TRY(mzv_json_set(row, "log_sum_high", mzv_json_number(h->lse_high)));
    MZV_TRY(mzv_json_set(row, "value_max", mzv_json_number(h->value_max)));
    return mzv_json_set(row, "input_max", mzv_json_number(l->input_max));
}

static mzv_status put_ranges(mzv_output *out, const mzv_calibration *cal, json_t *head, json_t *rows,
                             const char *path) {
    MZV_TRY(mzv_json_set(head, "file", mzv_json_text(path, strlen(path))));
    MZV_TRY(mzv_json_set(head, "queries_per_layer", json_integer(cal->n_rows)));
    for (uint32_t l = 0; l < cal->n_layers; l++) {
        for (uint32_t h = 0; h < cal->n_heads; h++) {
            json_t *row = json_object();
            MZV_TRY(mzv_json_push(rows, row));
            MZV_TRY(fill_row(row, l, h, &cal->layer[l]));
        }
    }
    return mzv_output_table(out, head, rows);
}

static mzv_status print_ranges(mzv_output *out, const mzv_calibration *cal, const char *path) {
    json_t *head = NULL;
    MZV_TRY(mzv_json_new(&head, "calibrate"));
    json_t *rows = json_array();
    const mzv_status status = put_ranges(out, cal, head, rows, path);
    json_decref(rows);
    json_decref(head);
    return status;
}

typedef struct work {
    mzv_checkpoint *cp;
    uint32_t *ids;
    mzv_calibration *cal;
} work;

static mzv_status calibrate(mzv_cli *cli, work *w) {
    const mzv_args *args = &cli->args;
    char path[4096];
    uint32_t n_ids = 0;
    if (args->calibration != NULL)
        snprintf(path, sizeof path, "%s", args->calibration);
    else
        snprintf(path, sizeof path, "%s/" MZV_CALIBRATION_FILE, args->model);
    MZV_TRY(mzv_checkpoint_load(&w->cp, args->model));
    if (args->window > w->cp->config.n_positions)
        return mzv_fail(MZV_ERR_ARGUMENT, "--window: found %u, need at most the model's n_positions %u",
                        args->window, w->cp->config.n_positions);
    MZV_TRY(read_ids(&w->ids, &n_ids, w->cp, args));
    const uint32_t n_window = args->window > 0 ? args->window : w->cp->config.n_positions;
    MZV_TRY(mzv_calibrate(&w->cal, w->cp, w->ids, n_ids, n_window, mzv_progress_step, &cli->progress));
    const mzv_status status = mzv_calibration_save(w->cal, path);
    cli->out.failed = status != MZV_OK;
    MZV_TRY(status);
    return print_ranges(&cli->out, w->cal, path);
}

mzv_status mzv_cmd_calibrate(mzv_cli *cli) {
    work w = { .cp = NULL };
    const mzv_args *args = &cli->args;
    if (args->model == NULL)
        return mzv_fail(MZV_ERR_ARGUMENT, "`mzv calibrate`: no checkpoint; use --model DIR");
    if ((args->text == NULL) == (args->ids_file == NULL))
        return mzv_fail(MZV_ERR_ARGUMENT,
                        "`mzv calibrate`: found %s, need one of --text FILE and --ids-file FILE",
                        args->text == NULL ? "none" : "both");
    if (args->threads > 0) omp_set_num_threads((int)args->threads);
    const mzv_status status = calibrate(cli, &w);
    mzv_calibration_destroy(w.cal);
    mzv_free(w.ids);
    mzv_checkpoint_destroy(w.cp);
    return status;
}
