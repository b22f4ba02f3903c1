#include "math/bilinear_fit.h"

#include <string.h>

#include "base/arena.h"
#include "base/try.h"

/* Rows are summed in so many parts of fixed bounds, whatever the number of threads. */
enum { PARTS = 16 };

/* out[j] += a x[j] */
static inline void axpy(float *restrict out, float a, const float *restrict x, uint32_t n) {
    for (uint32_t j = 0; j < n; j++) out[j] += a * x[j];
}

static inline double dot(const float *a, const float *b, size_t n) {
    double s = 0;
    for (size_t j = 0; j < n; j++) s += (double)a[j] * b[j];
    return s;
}

/* q_r' m x_r; t: c floats of work. */
__attribute__((target_clones("avx2", "default")))
static float row_value(const float *m, const float *q, const float *x, uint32_t d, uint32_t c) {
    float s = 0;
    for (uint32_t i = 0; i < d; i++) {
        float t = 0;
#pragma omp simd reduction(+ : t)
        for (uint32_t j = 0; j < c; j++) t += m[(size_t)i * c + j] * x[j];
        s += q[i] * t;
    }
    return s;
}

/* g += r q x' */
__attribute__((target_clones("avx2", "default")))
static void row_gradient(float *g, float r, const float *q, const float *x, uint32_t d, uint32_t c) {
    for (uint32_t i = 0; i < d; i++) axpy(g + (size_t)i * c, r * q[i], x, c);
}

void mzv_bilinear_apply(float *value, const float *m, const mzv_bilinear_rows *rows) {
    const uint32_t d = rows->d, c = rows->c;
#pragma omp parallel for
    for (uint32_t r = 0; r < rows->n; r++)
        value[r] = row_value(m, rows->q + (size_t)r * d, rows->x + (size_t)r * c, d, c);
}

/* g = sum_r residual_r q_r x_r'; parts: PARTS x (d c). */
static void gradient(float *g, float *parts, const float *residual, const mzv_bilinear_rows *rows) {
    const uint32_t d = rows->d, c = rows->c;
    const size_t size = (size_t)d * c;
    memset(parts, 0, PARTS * size * sizeof *parts);
#pragma omp parallel for schedule(dynamic)
    for (uint32_t p = 0; p < PARTS; p++) {
        const uint32_t first = (uint32_t)((uint64_t)rows->n * p / PARTS);
        const uint32_t last = (uint32_t)((uint64_t)rows->n * (p + 1) / PARTS);
        for (uint32_t r = first; r < last; r++)
            row_gradient(parts + p * size, residual[r], rows->q + (size_t)r * d, rows->x + (size_t)r * c, d, c);
    }
    memset(g, 0, size * sizeof *g);
    for (uint32_t p = 0; p < PARTS; p++) axpy(g, 1, parts + p * size, (uint32_t)size);
}

typedef struct work {
    float *residual, *image; /* n */
    float *g, *direction;    /* d c */
    float *parts;
} work;

static void iterate(float *m, work *w, const mzv_bilinear_rows *rows, uint32_t n_iterations) {
    const size_t size = (size_t)rows->d * rows->c;
    memcpy(w->residual, rows->y, rows->n * sizeof *w->residual);
    gradient(w->g, w->parts, w->residual, rows);
    memcpy(w->direction, w->g, size * sizeof *w->g);
    double gg = dot(w->g, w->g, size);
    const double enough = gg * 1e-12;
    for (uint32_t i = 0; i < n_iterations && gg > enough; i++) {
        mzv_bilinear_apply(w->image, w->direction, rows);
        const float step = (float)(gg / dot(w->image, w->image, rows->n));
        axpy(m, step, w->direction, (uint32_t)size);
        axpy(w->residual, -step, w->image, rows->n);
        gradient(w->g, w->parts, w->residual, rows);
        const double next = dot(w->g, w->g, size);
        for (size_t j = 0; j < size; j++) w->direction[j] = w->g[j] + (float)(next / gg) * w->direction[j];
        gg = next;
    }
}

mzv_status mzv_bilinear_fit(float *m, const mzv_bilinear_rows *rows, uint32_t n_iterations) {
    const size_t size = (size_t)rows->d * rows->c;
    mzv_arena arena = { 0 };
    work w;
    mzv_status status;
    MZV_TRY_GOTO(MZV_TAKE(&arena, &w.residual, rows->n), done);
    MZV_TRY_GOTO(MZV_TAKE(&arena, &w.image, rows->n), done);
    MZV_TRY_GOTO(MZV_TAKE(&arena, &w.g, size), done);
    MZV_TRY_GOTO(MZV_TAKE(&arena, &w.direction, size), done);
    MZV_TRY_GOTO(MZV_TAKE(&arena, &w.parts, PARTS * size), done);
    memset(m, 0, size * sizeof *m);
    iterate(m, &w, rows, n_iterations);
done:
    mzv_arena_clear(&arena);
    return status;
}
