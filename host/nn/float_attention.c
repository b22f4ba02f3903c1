/* Scaled dot-product attention [VSP+17, 3.2], row by row: scores, softmax with the row's maximum taken off,
 * weighted sum of values. Sums are double and in the order of the tokens. */
#include "nn/float_attention.h"

#include <math.h>
#include "base/arena.h"
#include "base/try.h"

enum {
    COLUMNS = 128,          /* values of one row summed together: heads are rarely wider, so exp runs once */
    PARALLEL_WORK = 1 << 20 /* products below which threads cost more than they bring */
};

/* One head over its rows. q, out: R rows; k, v: T rows; all `stride` floats apart; scores: R x T. */
typedef struct head_task {
    const float *q, *k, *v;
    float *scores, *out;
    size_t stride;
    uint32_t head_dim, n_tokens, first_row;
    bool causal;
} head_task;

static void score_row(const head_task *h, uint32_t r) {
    const double scale = 1.0 / sqrt(h->head_dim);
    const uint32_t n_seen = h->causal ? h->first_row + r + 1 : h->n_tokens;
    const float *q = h->q + r * h->stride;
    float *scores = h->scores + (size_t)r * h->n_tokens;
    for (uint32_t s = 0; s < n_seen; s++) {
        double sum = 0.0;
        for (uint32_t i = 0; i < h->head_dim; i++) sum += (double)q[i] * (double)h->k[s * h->stride + i];
        scores[s] = (float)(sum * scale);
    }
    for (uint32_t s = n_seen; s < h->n_tokens; s++) scores[s] = -INFINITY;
}

/* Values `first` .. `first` + n - 1 of one row's output; max: of its scores. */
static void value_columns(const head_task *h, uint32_t r, uint32_t first, uint32_t n, double max) {
    const uint32_t n_seen = h->causal ? h->first_row + r + 1 : h->n_tokens;
    const float *scores = h->scores + (size_t)r * h->n_tokens;
    double sum[COLUMNS] = { 0 }, total = 0.0;
    for (uint32_t s = 0; s < n_seen; s++) {
        const double p = exp((double)scores[s] - max);
        const float *v = h->v + s * h->stride + first;
        total += p;
        for (uint32_t i = 0; i < n; i++) sum[i] += p * (double)v[i];
    }
    for (uint32_t i = 0; i < n; i++) h->out[r * h->stride + first + i] = (float)(sum[i] / total);
}

static void value_row(const head_task *h, uint32_t r) {
    const uint32_t n_seen = h->causal ? h->first_row + r + 1 : h->n_tokens;
    const float *scores = h->scores + (size_t)r * h->n_tokens;
    double max = (double)scores[0];
    for (uint32_t s = 1; s < n_seen; s++) max = fmax(max, (double)scores[s]);
    for (uint32_t first = 0; first < h->head_dim; first += COLUMNS) {
        const uint32_t left = h->head_dim - first;
        value_columns(h, r, first, left < COLUMNS ? left : COLUMNS, max);
    }
}

static void run_head(const head_task *h) {
    const uint32_t n_rows = h->n_tokens - h->first_row;

#pragma omp parallel for if ((size_t)n_rows * h->n_tokens * h->head_dim >= PARALLEL_WORK)
    for (uint32_t r = 0; r < n_rows; r++) {
        score_row(h, r);
        value_row(h, r);
    }
}

static void observe(const mzv_float_observer *observer, const head_task *h, uint32_t head) {
    if (!observer || !observer->see) return;
    const mzv_float_attention_view view = {
        .layer = observer->layer,
        .head = head,
        .head_dim = h->head_dim,
        .n_tokens = h->n_tokens,
        .first_row = h->first_row,
        .row_stride = h->stride,
        .q = h->q,
        .k = h->k,
        .v = h->v,
        .scores = h->scores,
    };
    observer->see(observer->user, &view);
}

mzv_status mzv_float_attention_heads(const mzv_float_attention *m, const float *x, uint32_t n_tokens,
                                     uint32_t first_row, mzv_float_kv *kv, const mzv_float_observer *observer,
                                     float *out) {
    const size_t width = m->n_embd;
    const uint32_t n_rows = n_tokens - first_row, head_dim = m->n_embd / m->n_head;
    float *scratch = NULL; /* q: R x C, then scores of one head: R x T */
    MZV_TRY(mzv_float_alloc(&scratch, n_rows, width + n_tokens));

    if (kv->n_rows < n_tokens) {
        const uint32_t n_new = n_tokens - kv->n_rows;
        mzv_float_linear_run(kv->k + kv->n_rows * width, x + kv->n_rows * width, n_new, &m->k);
        mzv_float_linear_run(kv->v + kv->n_rows * width, x + kv->n_rows * width, n_new, &m->v);
        kv->n_rows = n_tokens;
    }
    mzv_float_linear_run(scratch, x + first_row * width, n_rows, &m->q);
    for (uint32_t head = 0; head < m->n_head; head++) {
        const size_t column = (size_t)head * head_dim;
        const head_task task = { scratch + column, kv->k + column, kv->v + column, scratch + n_rows * width,
                                 out + column,     width,          head_dim,       n_tokens,
                                 first_row,        m->causal };
        run_head(&task);
        observe(observer, &task, head);
    }
    mzv_free(scratch);
    return MZV_OK;
}

static mzv_status check(const mzv_float_attention *m, uint32_t n_tokens, uint32_t first_row) {
    if (m->n_head == 0 || m->n_embd % m->n_head != 0) {
        return mzv_fail(MZV_ERR_ARGUMENT, "attention: %u heads do not divide %u channels", m->n_head,
                        m->n_embd);
    }
    if (first_row >= n_tokens) {
        return mzv_fail(MZV_ERR_ARGUMENT, "attention: first row %u of %u tokens", first_row, n_tokens);
    }
    return MZV_OK;
}

mzv_status mzv_float_attention_run(const mzv_float_attention *m, const float *x, uint32_t n_tokens,
                                   uint32_t first_row, const mzv_float_observer *observer, float *out) {
    MZV_TRY(check(m, n_tokens, first_row));
    const size_t width = m->n_embd, n_rows = n_tokens - first_row;
    mzv_status status;
    float *scratch = NULL; /* k, v: T x C each; heads: R x C */
    MZV_TRY(mzv_float_alloc(&scratch, 2 * (size_t)n_tokens + n_rows, width));
    mzv_float_kv kv = { scratch, scratch + n_tokens * width, 0 };
    float *heads = scratch + 2 * n_tokens * width;

    MZV_TRY_GOTO(mzv_float_attention_heads(m, x, n_tokens, first_row, &kv, observer, heads), done);
    mzv_float_linear_run(out, heads, (uint32_t)n_rows, &m->o);
done:
    mzv_free(scratch);
    return status;
}

mzv_status mzv_float_attention_head(const mzv_float_attention *m, uint32_t head, const float *x,
                                    uint32_t n_tokens, uint32_t first_row, float *out) {
    MZV_TRY(check(m, n_tokens, first_row));
    if (head >= m->n_head) return mzv_fail(MZV_ERR_ARGUMENT, "attention: head %u of %u", head, m->n_head);
    const uint32_t head_dim = m->n_embd / m->n_head, n_rows = n_tokens - first_row;
    float *scratch = NULL; /* k, v: T x d; q: R x d; scores: R x T */
    MZV_TRY(mzv_float_alloc(&scratch, 2 * (size_t)n_tokens + n_rows + n_rows, (size_t)head_dim + n_tokens));

    float *k = scratch, *v = k + (size_t)n_tokens * head_dim, *q = v + (size_t)n_tokens * head_dim;
    const mzv_float_linear part[3] = { mzv_float_linear_outputs(&m->q, head * head_dim, head_dim),
                                       mzv_float_linear_outputs(&m->k, head * head_dim, head_dim),
                                       mzv_float_linear_outputs(&m->v, head * head_dim, head_dim) };
    mzv_float_linear_run(q, x + (size_t)first_row * m->n_embd, n_rows, &part[0]);
    mzv_float_linear_run(k, x, n_tokens, &part[1]);
    mzv_float_linear_run(v, x, n_tokens, &part[2]);
    const head_task task = { q,         k,        v,        q + (size_t)n_rows * head_dim,
                             out,       head_dim, head_dim, n_tokens,
                             first_row, m->causal };
    run_head(&task);
    mzv_free(scratch);
    return MZV_OK;
}
