/* Calibration: run the float model over text, collect what enters each attention, fit the shift of each head, and
 * take the intervals. */
#include "runtime/calibrate.h"

#include <math.h>
#include <string.h>

#include "base/try.h"
#include "math/bilinear_fit.h"

enum {
    WINDOWS_MAX = 320,    /* windows used of a long text */
    WINDOWS_MIN = 10,
    HELD_OUT_EVERY = 5,   /* every fifth window does not enter the fit */
    SAMPLE_TOKENS = 16, /* of a causal model; else a whole window is taken */
    ROWS_BYTES_MAX = 1 << 30
};
static const double margin_relative = 0.10; /* of an interval's width, on each side */
static const double margin_absolute = 0.25; /* in units of the natural logarithm */
static const uint32_t fit_iterations[] = { 0, 25, 50, 100, 200 };

/* What one head's rows leave behind. */
typedef struct head_rows {
    float *q;              /* n x head_dim */
    float *lse, *low;      /* n: log-sum-exp and least score of the row */
    double raw_low, raw_high, value_max;
} head_rows;

typedef struct layer_rows {
    float *x; /* n x n_channels */
    head_rows *head;
    uint32_t n; /* rows so far */
    double input_max, output_max;
} layer_rows;

typedef struct collector {
    const mzv_model_config *config;
    uint32_t n_layers, n_heads, head_dim, n_channels;
    uint32_t n_fit; /* rows of windows that enter the fit come first */
    layer_rows *layer;
    mzv_arena arena;
} collector;

typedef struct windows {
    const uint32_t *ids;
    size_t n_ids;
    uint32_t n_window, n;
    uint32_t *first, *length;
    mzv_arena arena;
} windows;

static double largest(const float *x, size_t n, double so_far) {
    for (size_t i = 0; i < n; i++) so_far = fmax(so_far, fabs((double)x[i]));
    return so_far;
}

/* Rows of x enter layer `layer`'s attention. */
static void see_input(layer_rows *l, const float *x, uint32_t rows, uint32_t columns) {
    memcpy(l->x + (size_t)l->n * columns, x, (size_t)rows * columns * sizeof *x);
    l->input_max = largest(x, (size_t)rows * columns, l->input_max);
    l->n += rows;
}

static void see_stage(void *user, mzv_stage stage, uint32_t layer, const float *x, uint32_t rows,
                      uint32_t columns) {
    collector *c = user;
    const bool gpt2 = c->config->kind == MZV_MODEL_GPT2;
    if (stage == MZV_STAGE_ATTENTION)
        c->layer[layer].output_max = largest(x, (size_t)rows * columns, c->layer[layer].output_max);
    if (gpt2 && stage == MZV_STAGE_NORM1) see_input(&c->layer[layer], x, rows, columns);
    if (!gpt2 && stage == MZV_STAGE_EMBEDDING) see_input(&c->layer[0], x, rows, columns);
    if (!gpt2 && stage == MZV_STAGE_NORM2 && layer + 1 < c->n_layers)
        see_input(&c->layer[layer + 1], x, rows, columns);
}

/* log-sum-exp and least of one row of scores; -INFINITY where the pair is masked. */
static void row_statistics(const float *scores, uint32_t n, double *lse, double *low, double *high) {
    double sum = 0;
    *low = INFINITY, *high = -INFINITY;
    for (uint32_t j = 0; j < n; j++) {
        if (scores[j] == -INFINITY) continue;
        *low = fmin(*low, (double)scores[j]);
        *high = fmax(*high, (double)scores[j]);
    }
    for (uint32_t j = 0; j < n; j++)
        if (scores[j] != -INFINITY) sum += exp(scores[j] - *high);
    *lse = *high + log(sum);
}

static void see_head(void *user, const mzv_float_attention_view *v) {
    const collector *c = user;
    const layer_rows *l = &c->layer[v->layer];
    head_rows *h = &l->head[v->head];
    const uint32_t n_rows = v->n_tokens - v->first_row, at = l->n - n_rows; /* see_input came first */
    for (uint32_t r = 0; r < n_rows; r++) {
        double lse, low, high;
        row_statistics(v->scores + (size_t)r * v->n_tokens, v->n_tokens, &lse, &low, &high);
        memcpy(h->q + (size_t)(at + r) * c->head_dim, v->q + r * v->row_stride, c->head_dim * sizeof *h->q);
        h->lse[at + r] = (float)lse;
        h->low[at + r] = (float)low;
        h->raw_low = fmin(h->raw_low, low);
        h->raw_high = fmax(h->raw_high, high);
    }
    for (uint32_t t = 0; t < v->n_tokens; t++)
        h->value_max = largest(v->v + t * v->row_stride, c->head_dim, h->value_max);
}

static mzv_status collector_create(collector *c, const mzv_checkpoint *cp, uint32_t n_rows) {
    const mzv_model_config *config = &cp->config;
    *c = (collector){ .config = config, .n_layers = config->n_layer, .n_heads = config->n_head,
                      .head_dim = config->n_embd / config->n_head, .n_channels = config->n_embd };
    MZV_TRY(MZV_TAKE(&c->arena, &c->layer, c->n_layers));
    for (uint32_t i = 0; i < c->n_layers; i++) {
        layer_rows *l = &c->layer[i];
        MZV_TRY(MZV_TAKE(&c->arena, &l->x, (size_t)n_rows * c->n_channels));
        MZV_TRY(MZV_TAKE(&c->arena, &l->head, c->n_heads));
        for (uint32_t h = 0; h < c->n_heads; h++) {
            MZV_TRY(MZV_TAKE(&c->arena, &l->head[h].q, (size_t)n_rows * c->head_dim));
            MZV_TRY(MZV_TAKE(&c->arena, &l->head[h].lse, n_rows));
            MZV_TRY(MZV_TAKE(&c->arena, &l->head[h].low, n_rows));
            l->head[h].raw_low = INFINITY, l->head[h].raw_high = -INFINITY;
        }
    }
    return MZV_OK;
}

/* Cuts the text: equal pieces spread over it, or for bert one window for each sentence. */
static mzv_status windows_cut(windows *w, const mzv_checkpoint *cp) {
    const mzv_model_config *config = &cp->config;
    const size_t row_bytes = (size_t)config->n_layer * config->n_embd * 2 * sizeof(float);
    size_t most = ROWS_BYTES_MAX / row_bytes / w->n_window;
    if (most > WINDOWS_MAX) most = WINDOWS_MAX;
    MZV_TRY(MZV_TAKE(&w->arena, &w->first, most));
    MZV_TRY(MZV_TAKE(&w->arena, &w->length, most));
    if (config->kind == MZV_MODEL_GPT2) {
        const size_t fit = w->n_ids / w->n_window;
        w->n = (uint32_t)(fit < most ? fit : most);
        for (uint32_t i = 0; i < w->n; i++) {
            w->first[i] = (uint32_t)(i * (w->n_ids - w->n_window) / (w->n > 1 ? w->n - 1 : 1));
            w->length[i] = w->n_window;
        }
    } else {
        for (size_t i = 0; i < w->n_ids && w->n < most; i++) {
            if (w->ids[i] != w->ids[0]) continue;
            size_t end = i + 1;
            while (end < w->n_ids && w->ids[end] != w->ids[0]) end++;
            w->first[w->n] = (uint32_t)i;
            w->length[w->n++] = (uint32_t)(end - i < w->n_window ? end - i : w->n_window);
        }
    }
    if (w->n < WINDOWS_MIN)
        return mzv_fail(MZV_ERR_ARGUMENT, "calibrate: the text gives %u windows of up to %u tokens, need %d; use a longer text",
                        w->n, w->n_window, WINDOWS_MIN);
    return MZV_OK;
}

static bool held_out(uint32_t window) { return window % HELD_OUT_EVERY == HELD_OUT_EVERY - 1; }

/* The shortest window held out: its length, and the held-out rows before it. */
static void choose_sample(const windows *w, uint32_t *length, uint32_t *row) {
    uint32_t before = 0;
    *length = UINT32_MAX, *row = 0;
    for (uint32_t i = 0; i < w->n; i++) {
        if (!held_out(i)) continue;
        if (w->length[i] < *length) *length = w->length[i], *row = before;
        before += w->length[i];
    }
}

static mzv_status run_window(collector *c, const mzv_checkpoint *cp, const uint32_t *ids, uint32_t n) {
    const mzv_float_hooks hooks = { .user = c, .see = see_head, .stage = see_stage };
    if (c->config->kind == MZV_MODEL_GPT2) return mzv_gpt2_forward(&cp->gpt2, ids, n, &hooks, NULL);
    const mzv_bert_outputs none = { 0 };
    return mzv_bert_forward(&cp->bert, ids, NULL, n, &hooks, &none);
}

/* First the windows of the fit, then those held out. */
static mzv_status collect(collector *c, const mzv_checkpoint *cp, const windows *w,
                          bool (*progress)(void *, const char *, uint32_t, uint32_t), void *user) {
    uint32_t step = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < w->n; i++) {
            if (held_out(i) != (pass == 1)) continue;
            MZV_TRY(run_window(c, cp, w->ids + w->first[i], w->length[i]));
            if (progress && !progress(user, "text", ++step, w->n))
                return mzv_fail(MZV_ERR_CANCELLED, "calibrate: stopped at window %u of %u", step, w->n);
        }
        if (pass == 0) c->n_fit = c->layer[0].n;
    }
    return MZV_OK;
}

/* The fit of one head: rows with a constant beside the hidden state, so that m comes out beside M. */
typedef struct shift_fit {
    mzv_bilinear_rows rows; /* of the fit */
    uint32_t n_all;
    float *x, *y, *value, *m, *best;
    double mean, unit; /* of y; the constant's size */
    double low, high, score_low;
    mzv_arena arena;
} shift_fit;

static mzv_status shift_fit_create(shift_fit *f, const collector *c, const layer_rows *l) {
    const uint32_t columns = c->n_channels + 1;
    double square = 0;
    MZV_TRY(MZV_TAKE(&f->arena, &f->x, (size_t)l->n * columns));
    MZV_TRY(MZV_TAKE(&f->arena, &f->y, l->n));
    MZV_TRY(MZV_TAKE(&f->arena, &f->value, l->n));
    MZV_TRY(MZV_TAKE(&f->arena, &f->m, (size_t)c->head_dim * columns));
    MZV_TRY(MZV_TAKE(&f->arena, &f->best, (size_t)c->head_dim * columns));
    for (size_t i = 0; i < (size_t)l->n * c->n_channels; i++) square += (double)l->x[i] * l->x[i];
    f->unit = 2 * sqrt(square / ((double)l->n * c->n_channels));
    for (uint32_t r = 0; r < l->n; r++) {
        memcpy(f->x + (size_t)r * columns, l->x + (size_t)r * c->n_channels, c->n_channels * sizeof *f->x);
        f->x[(size_t)r * columns + c->n_channels] = (float)f->unit;
    }
    f->n_all = l->n;
    f->rows = (mzv_bilinear_rows){ .x = f->x, .y = f->y, .n = c->n_fit, .d = c->head_dim, .c = columns };
    return MZV_OK;
}

/* Interval of the shifted log-sum-exp, and the least shifted score, over all rows. */
static void shift_extremes(const shift_fit *f, const head_rows *h, double *low, double *high, double *score_low) {
    *low = INFINITY, *high = -INFINITY, *score_low = INFINITY;
    for (uint32_t r = 0; r < f->n_all; r++) {
        const double shift = f->mean + f->value[r];
        *low = fmin(*low, h->lse[r] - shift);
        *high = fmax(*high, h->lse[r] - shift);
        *score_low = fmin(*score_low, h->low[r] - shift);
    }
}

/* The number of iterations that leaves the narrowest interval over fitted and held-out rows wins. */
static mzv_status shift_search(shift_fit *f, const head_rows *h) {
    const size_t size = (size_t)f->rows.d * f->rows.c;
    f->rows.q = h->q;
    f->mean = 0;
    for (uint32_t r = 0; r < f->rows.n; r++) f->mean += h->lse[r];
    f->mean /= f->rows.n;
    for (uint32_t r = 0; r < f->rows.n; r++) f->y[r] = (float)(h->lse[r] - f->mean);
    f->low = -INFINITY, f->high = INFINITY;
    for (size_t i = 0; i < sizeof fit_iterations / sizeof *fit_iterations; i++) {
        double low, high, score_low;
        mzv_bilinear_rows all = f->rows;
        all.n = f->n_all;
        MZV_TRY(mzv_bilinear_fit(f->m, &f->rows, fit_iterations[i]));
        mzv_bilinear_apply(f->value, f->m, &all);
        shift_extremes(f, h, &low, &high, &score_low);
        if (high - low >= f->high - f->low) continue;
        f->low = low, f->high = high, f->score_low = score_low;
        memcpy(f->best, f->m, size * sizeof *f->m);
    }
    return MZV_OK;
}

static void head_range_set(mzv_head_range *out, const shift_fit *f, const head_rows *h, uint32_t n_channels) {
    const double margin = margin_relative * (f->high - f->low) + margin_absolute;
    for (uint32_t e = 0; e < f->rows.d; e++) {
        const float *row = f->best + (size_t)e * f->rows.c;
        memcpy(out->bilinear + (size_t)e * n_channels, row, n_channels * sizeof *row);
        out->linear[e] = row[n_channels] * (float)f->unit;
    }
    out->constant = f->mean;
    out->lse_low = f->low - margin;
    out->lse_high = f->high + margin;
    out->score_high = out->lse_high; /* a score is at most its row's log-sum-exp */
    out->score_low = f->score_low - margin_relative * (out->score_high - f->score_low);
    out->raw_low = h->raw_low, out->raw_high = h->raw_high;
    out->value_max = h->value_max * (1 + margin_relative);
}

/* sample_row: where the sample begins among the rows. */
static mzv_status fit_layer(mzv_calibration *cal, const collector *c, uint32_t layer, uint32_t sample_row) {
    const layer_rows *l = &c->layer[layer];
    mzv_layer_range *out = &cal->layer[layer];
    shift_fit f = { 0 };
    mzv_status status = shift_fit_create(&f, c, l);
    for (uint32_t h = 0; h < c->n_heads && status == MZV_OK; h++) {
        status = shift_search(&f, &l->head[h]);
        if (status == MZV_OK) head_range_set(&out->head[h], &f, &l->head[h], c->n_channels);
    }
    mzv_arena_clear(&f.arena);
    out->input_max = l->input_max * (1 + margin_relative);
    out->output_max = l->output_max * (1 + margin_relative);
    memcpy(out->sample, l->x + (size_t)sample_row * c->n_channels,
           (size_t)cal->n_sample * c->n_channels * sizeof *out->sample);
    return status;
}

mzv_status mzv_calibration_create(mzv_calibration **out, const mzv_checkpoint *cp, uint32_t n_sample) {
    const mzv_model_config *config = &cp->config;
    mzv_calibration *cal;
    mzv_status status;
    MZV_TRY(MZV_NEW(&cal, 1, "calibration"));
    memcpy(cal->model_id, cp->id, sizeof cal->model_id);
    cal->n_layers = config->n_layer, cal->n_heads = config->n_head;
    cal->n_channels = config->n_embd, cal->head_dim = config->n_embd / config->n_head;
    cal->n_sample = n_sample;
    MZV_TRY_GOTO(MZV_TAKE(&cal->arena, &cal->layer, cal->n_layers), failed);
    for (uint32_t i = 0; i < cal->n_layers; i++) {
        mzv_layer_range *l = &cal->layer[i];
        MZV_TRY_GOTO(MZV_TAKE(&cal->arena, &l->head, cal->n_heads), failed);
        MZV_TRY_GOTO(MZV_TAKE(&cal->arena, &l->sample, (size_t)n_sample * cal->n_channels), failed);
        for (uint32_t h = 0; h < cal->n_heads; h++) {
            MZV_TRY_GOTO(MZV_TAKE(&cal->arena, &l->head[h].linear, cal->head_dim), failed);
            MZV_TRY_GOTO(MZV_TAKE(&cal->arena, &l->head[h].bilinear, (size_t)cal->head_dim * cal->n_channels), failed);
        }
    }
    *out = cal;
    return MZV_OK;
failed:
    mzv_calibration_destroy(cal);
    return status;
}

void mzv_calibration_destroy(mzv_calibration *cal) {
    if (!cal) return;
    mzv_arena_clear(&cal->arena);
    mzv_free(cal);
}

mzv_status mzv_calibrate(mzv_calibration **out, const mzv_checkpoint *cp, const uint32_t *ids, size_t n_ids,
                         uint32_t n_window, bool (*progress)(void *, const char *, uint32_t, uint32_t),
                         void *user) {
    const mzv_model_config *config = &cp->config;
    windows w = { .ids = ids, .n_ids = n_ids, .n_window = n_window < config->n_positions ? n_window : config->n_positions };
    collector c = { 0 };
    mzv_calibration *cal = NULL;
    mzv_status status;
    if (config->module_only || n_ids == 0 || w.n_window == 0)
        return mzv_fail(MZV_ERR_ARGUMENT, "calibrate: needs a whole model and a text; this has %s",
                        config->module_only ? "attention modules only" : "no tokens");
    uint32_t n_rows = 0, sample, sample_row;
    MZV_TRY_GOTO(windows_cut(&w, cp), done);
    for (uint32_t i = 0; i < w.n; i++) n_rows += w.length[i];
    choose_sample(&w, &sample, &sample_row);
    if (config->kind == MZV_MODEL_GPT2 && sample > SAMPLE_TOKENS) sample = SAMPLE_TOKENS;
    MZV_TRY_GOTO(collector_create(&c, cp, n_rows), done);
    MZV_TRY_GOTO(collect(&c, cp, &w, progress, user), done);
    MZV_TRY_GOTO(mzv_calibration_create(&cal, cp, sample), done);
    cal->n_rows = n_rows;
    for (uint32_t i = 0; i < c.n_layers; i++) {
        MZV_TRY_GOTO(fit_layer(cal, &c, i, c.n_fit + sample_row), done);
        if (progress && !progress(user, "fit", i + 1, c.n_layers))
            MZV_TRY_GOTO(mzv_fail(MZV_ERR_CANCELLED, "calibrate: stopped at layer %u of %u", i + 1, c.n_layers), done);
    }
    *out = cal;
    cal = NULL;
done:
    mzv_calibration_destroy(cal);
    mzv_arena_clear(&c.arena);
    mzv_arena_clear(&w.arena);
    return status;
}
