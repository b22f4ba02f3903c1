/* A calibration as a safetensors file: model_id U8 [16], rows F32 [1], and for each layer N
 *     layer.N.bilinear F32 [heads, head_dim, channels]   layer.N.linear F32 [heads, head_dim]
 *     layer.N.ranges   F32 [heads, 8]   in the order of range_fields
 *     layer.N.extent   F32 [2]          input_max, output_max
 *     layer.N.sample   F32 [n_sample, channels] */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/try.h"
#include "runtime/calibrate.h"
#include "runtime/safetensors.h"

enum { N_RANGES = 8, NAME_BYTES = 64 };

static void range_fields(double **field, mzv_head_range *h) {
    double *all[N_RANGES] = { &h->score_low, &h->score_high, &h->lse_low,   &h->lse_high,
                                    &h->raw_low,   &h->raw_high,   &h->value_max, &h->constant };
    memcpy(field, all, sizeof all);
}

/* ---- writing: the header is built first, from the shapes; the tensors follow in its order ---- */

typedef struct writer {
    json_t *header;
    uint64_t offset;
    mzv_file_out file;
} writer;

static mzv_status declare(writer *w, const char *name, const char *dtype, size_t item, const uint64_t *shape,
                          uint32_t rank) {
    json_t *dims = json_array();
    uint64_t bytes = item;
    for (uint32_t i = 0; i < rank; i++) {
        json_array_append_new(dims, json_integer((json_int_t)shape[i]));
        bytes *= shape[i];
    }
    json_t *entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", dtype, "shape", dims, "data_offsets",
                              (json_int_t)w->offset, (json_int_t)(w->offset + bytes));
    if (!entry || json_object_set_new(w->header, name, entry))
        return mzv_fail(MZV_ERR_MEMORY, "calibration: header");
    w->offset += bytes;
    return MZV_OK;
}

static void layer_name(char name[NAME_BYTES], uint32_t layer, const char *what) {
    snprintf(name, NAME_BYTES, "layer.%u.%s", layer, what);
}

/* The shapes of one layer's tensors, in the order of the file. */
typedef struct layer_shape {
    const char *what;
    uint32_t rank;
    uint64_t shape[3];
} layer_shape;
enum { LAYER_TENSORS = 5 };

static void layer_shapes(layer_shape out[LAYER_TENSORS], const mzv_calibration *c) {
    const layer_shape all[LAYER_TENSORS] = {
        { "bilinear", 3, { c->n_heads, c->head_dim, c->n_channels } },
        { "linear", 2, { c->n_heads, c->head_dim } },
        { "ranges", 2, { c->n_heads, N_RANGES } },
        { "extent", 1, { 2 } },
        { "sample", 2, { c->n_sample, c->n_channels } },
    };
    memcpy(out, all, sizeof all);
}

static mzv_status declare_all(writer *w, const mzv_calibration *c) {
    layer_shape shapes[LAYER_TENSORS];
    char name[NAME_BYTES];
    MZV_TRY(declare(w, "model_id", "U8", 1, (const uint64_t[]){ MZV_ID_BYTES }, 1));
    MZV_TRY(declare(w, "rows", "F32", sizeof(float), (const uint64_t[]){ 1 }, 1));
    layer_shapes(shapes, c);
    for (uint32_t i = 0; i < c->n_layers; i++)
        for (int k = 0; k < LAYER_TENSORS; k++) {
            layer_name(name, i, shapes[k].what);
            MZV_TRY(declare(w, name, "F32", sizeof(float), shapes[k].shape, shapes[k].rank));
        }
    return MZV_OK;
}

static mzv_status write_layer(mzv_file_out *f, const mzv_calibration *c, const mzv_layer_range *l) {
    for (uint32_t h = 0; h < c->n_heads; h++)
        MZV_TRY(mzv_file_append(f, l->head[h].bilinear, (size_t)c->head_dim * c->n_channels * sizeof(float)));
    for (uint32_t h = 0; h < c->n_heads; h++)
        MZV_TRY(mzv_file_append(f, l->head[h].linear, c->head_dim * sizeof(float)));
    for (uint32_t h = 0; h < c->n_heads; h++) {
        double *field[N_RANGES];
        float value[N_RANGES];
        range_fields(field, &l->head[h]);
        for (int k = 0; k < N_RANGES; k++) value[k] = (float)*field[k];
        MZV_TRY(mzv_file_append(f, value, sizeof value));
    }
    const float extent[2] = { (float)l->input_max, (float)l->output_max };
    MZV_TRY(mzv_file_append(f, extent, sizeof extent));
    return mzv_file_append(f, l->sample, (size_t)c->n_sample * c->n_channels * sizeof(float));
}

static mzv_status write_header(writer *w) {
    char *text = json_dumps(w->header, JSON_COMPACT | JSON_PRESERVE_ORDER);
    if (!text) return mzv_fail(MZV_ERR_MEMORY, "calibration: header");
    const uint64_t n = strlen(text), padded = (n + 7) / 8 * 8;
    uint8_t length[8];
    for (int i = 0; i < 8; i++) length[i] = (uint8_t)(padded >> 8 * i);
    mzv_status status = mzv_file_append(&w->file, length, sizeof length);
    if (status == MZV_OK) status = mzv_file_append(&w->file, text, n);
    if (status == MZV_OK) status = mzv_file_append(&w->file, "       ", padded - n);
    free(text);
    return status;
}

static mzv_status write_all(writer *w, const mzv_calibration *c) {
    const float rows = (float)c->n_rows;
    MZV_TRY(declare_all(w, c));
    MZV_TRY(write_header(w));
    MZV_TRY(mzv_file_append(&w->file, c->model_id, sizeof c->model_id));
    MZV_TRY(mzv_file_append(&w->file, &rows, sizeof rows));
    for (uint32_t i = 0; i < c->n_layers; i++) MZV_TRY(write_layer(&w->file, c, &c->layer[i]));
    return mzv_file_commit(&w->file);
}

mzv_status mzv_calibration_save(const mzv_calibration *cal, const char *path) {
    writer w = { .header = json_object() };
    if (!w.header) return mzv_fail(MZV_ERR_MEMORY, "calibration: header");
    mzv_status status = mzv_file_create(&w.file, path, false);
    if (status == MZV_OK) status = write_all(&w, cal);
    mzv_file_discard(&w.file);
    json_decref(w.header);
    return status;
}

/* ---- reading ---- */

static mzv_status find(const mzv_tensor **out, const mzv_safetensors *f, const char *name, const char *dtype,
                       const uint64_t *shape, uint32_t rank) {
    const mzv_tensor *t = mzv_safetensors_find(f, name);
    if (!t) return mzv_fail(MZV_ERR_FORMAT, "%s: tensor %s is missing", mzv_safetensors_path(f), name);
    if (strcmp(t->dtype, dtype) != 0 || t->rank != rank || memcmp(t->shape, shape, rank * sizeof *shape) != 0)
        return mzv_fail(MZV_ERR_FORMAT, "%s: tensor %s is %s of rank %u, expected %s of rank %u in the model's shape",
                        mzv_safetensors_path(f), name, t->dtype, t->rank, dtype, rank);
    *out = t;
    return MZV_OK;
}

static mzv_status check_range(const char *path, uint32_t layer, uint32_t head, const mzv_head_range *h) {
    if (!(h->score_low < h->score_high) || !(h->lse_low < h->lse_high) || !(h->value_max > 0))
        return mzv_fail(MZV_ERR_FORMAT, "%s: layer %u head %u: scores [%g, %g], sums [%g, %g], values up to %g",
                        path, layer, head, h->score_low, h->score_high, h->lse_low, h->lse_high, h->value_max);
    return MZV_OK;
}

/* buffer: room for the largest tensor of a layer. */
static mzv_status read_layer(mzv_calibration *c, uint32_t layer, const mzv_safetensors *f, float *buffer) {
    mzv_layer_range *l = &c->layer[layer];
    layer_shape shapes[LAYER_TENSORS];
    const mzv_tensor *t[LAYER_TENSORS];
    const size_t per_head = (size_t)c->head_dim * c->n_channels;
    layer_shapes(shapes, c);
    for (int k = 0; k < LAYER_TENSORS; k++) {
        char name[NAME_BYTES];
        layer_name(name, layer, shapes[k].what);
        MZV_TRY(find(&t[k], f, name, "F32", shapes[k].shape, shapes[k].rank));
    }
    MZV_TRY(mzv_safetensors_read(f, t[0], buffer));
    for (uint32_t h = 0; h < c->n_heads; h++)
        memcpy(l->head[h].bilinear, buffer + h * per_head, per_head * sizeof *buffer);
    MZV_TRY(mzv_safetensors_read(f, t[1], buffer));
    for (uint32_t h = 0; h < c->n_heads; h++)
        memcpy(l->head[h].linear, buffer + (size_t)h * c->head_dim, c->head_dim * sizeof *buffer);
    MZV_TRY(mzv_safetensors_read(f, t[2], buffer));
    for (uint32_t h = 0; h < c->n_heads; h++) {
        double *field[N_RANGES];
        range_fields(field, &l->head[h]);
        for (int k = 0; k < N_RANGES; k++) *field[k] = buffer[h * N_RANGES + (uint32_t)k];
        MZV_TRY(check_range(mzv_safetensors_path(f), layer, h, &l->head[h]));
    }
    MZV_TRY(mzv_safetensors_read(f, t[3], buffer));
    l->input_max = buffer[0], l->output_max = buffer[1];
    if (!(l->input_max > 0) || !(l->output_max > 0))
        return mzv_fail(MZV_ERR_FORMAT, "%s: layer %u: extents %g, %g", mzv_safetensors_path(f), layer,
                        l->input_max, l->output_max);
    return mzv_safetensors_read(f, t[4], l->sample);
}

static mzv_status read_all(mzv_calibration **out, const mzv_checkpoint *cp, const mzv_safetensors *f) {
    const char *path = mzv_safetensors_path(f);
    const mzv_tensor *id, *rows, *sample = mzv_safetensors_find(f, "layer.0.sample");
    uint8_t model_id[MZV_ID_BYTES];
    float n_rows, *buffer = NULL;
    mzv_calibration *c = NULL;
    mzv_status status;
    MZV_TRY(find(&id, f, "model_id", "U8", (const uint64_t[]){ MZV_ID_BYTES }, 1));
    MZV_TRY(find(&rows, f, "rows", "F32", (const uint64_t[]){ 1 }, 1));
    MZV_TRY(mzv_safetensors_read_raw(f, id, model_id));
    if (memcmp(model_id, cp->id, sizeof model_id) != 0)
        return mzv_fail(MZV_ERR_MISMATCH, "%s: made for another model; run mzv calibrate for this one", path);
    if (!sample || sample->rank != 2 || sample->shape[0] > 4096)
        return mzv_fail(MZV_ERR_FORMAT, "%s: tensor layer.0.sample is missing or not a matrix", path);
    MZV_TRY(mzv_safetensors_read(f, rows, &n_rows));
    MZV_TRY(mzv_calibration_create(&c, cp, (uint32_t)sample->shape[0]));
    c->n_rows = n_rows > 0 ? (uint32_t)n_rows : 0;
    MZV_TRY_GOTO(MZV_NEW(&buffer, (size_t)c->n_heads * c->head_dim * (c->n_channels + N_RANGES), "calibration"), done);
    for (uint32_t i = 0; i < c->n_layers; i++) MZV_TRY_GOTO(read_layer(c, i, f, buffer), done);
    *out = c;
    c = NULL;
done:
    mzv_free(buffer);
    mzv_calibration_destroy(c);
    return status;
}

mzv_status mzv_calibration_load(mzv_calibration **out, const mzv_checkpoint *cp, const char *path) {
    mzv_safetensors *file;
    MZV_TRY(mzv_safetensors_open(&file, path));
    const mzv_status status = read_all(out, cp, file);
    mzv_safetensors_close(file);
    return status;
}
