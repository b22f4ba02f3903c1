/* The count evaluator: no data. Levels and operation counts come from the public functions; here, the keys
 * that ckks would need, and the scratch that it would take. */
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/try.h"
#include "ckks/columns.h"
#include "ckks/eval_ckks.h"

typedef struct mzv_count {
    mzv_evaluator ev; /* first */
    mzv_key_request *request;
} mzv_count;

static mzv_key_request *request_of(const mzv_evaluator *ev) { return ((const mzv_count *)ev)->request; }

/* Rotations are asked for by the shorter way round. */
static mzv_status need_rotation(const mzv_evaluator *ev, int64_t steps, uint32_t level, uint64_t n_uses) {
    const uint32_t by = mzv_steps_reduced(ev->n_slots, steps);
    if (by == 0) return MZV_OK;
    const int32_t shorter = (int32_t)by - (by > ev->n_slots / 2 ? (int32_t)ev->n_slots : 0);
    return mzv_request_need(request_of(ev), (mzv_key_need) { MZV_NEED_ROTATE, shorter, level, n_uses });
}

static void room(mzv_evaluator *ev, const mzv_cipher *a, size_t (*words)(const mzv_shape *)) {
    const mzv_shape shape = mzv_shape_of(ev, a->level, a->batch);
    mzv_evaluator_peak(ev, words(&shape));
}

static mzv_status count_set(mzv_evaluator *ev, mzv_cipher *out, const mzv_complex *slots, uint32_t level) {
    (void)ev, (void)out, (void)slots, (void)level;
    return MZV_OK;
}

static mzv_status count_get(mzv_evaluator *ev, mzv_complex *slots, const mzv_cipher *ct) {
    (void)slots, (void)ct;
    return mzv_fail(MZV_ERR_ARGUMENT, "clear_get: a %s evaluator has no data", ev->ops->kind);
}

static mzv_status count_plain_create(mzv_plain **out, mzv_evaluator *ev, const mzv_complex *slots,
                                     uint32_t level, double scale) {
    (void)slots;
    return mzv_plain_new(out, ev, level, scale);
}

static mzv_status count_copy(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, uint32_t first) {
    (void)ev, (void)out, (void)a, (void)first;
    return MZV_OK;
}

static mzv_status count_binary(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_cipher *b) {
    (void)ev, (void)out, (void)a, (void)b;
    return MZV_OK;
}

static mzv_status count_add_const(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, mzv_complex c) {
    (void)ev, (void)out, (void)a, (void)c;
    return MZV_OK;
}

static mzv_status count_mul_integer(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, int64_t k) {
    (void)ev, (void)out, (void)a, (void)k;
    return MZV_OK;
}

static mzv_status count_add_plain(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a,
                                  const mzv_plain *p) {
    const mzv_shape shape = mzv_shape_of(ev, a->level, a->batch);
    (void)out;
    mzv_evaluator_peak(ev, mzv_words_add_plain(&shape, p));
    return MZV_OK;
}

static mzv_status count_mul_plain(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a,
                                  const mzv_plain *p) {
    const mzv_shape shape = mzv_shape_of(ev, a->level, a->batch);
    (void)out;
    mzv_evaluator_peak(ev, mzv_words_mul_plain(&shape, p));
    return MZV_OK;
}

static mzv_status count_combine(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *a,
                                const double *c, uint32_t n, double constant) {
    const mzv_shape shape = mzv_shape_of(ev, mzv_lowest_level(a, n), a[0]->batch);
    (void)out, (void)c, (void)constant;
    mzv_evaluator_peak(ev, mzv_words_combine(&shape));
    return MZV_OK;
}

static mzv_status count_mul_columns(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a,
                                    const mzv_columns *columns) {
    const mzv_shape shape = mzv_shape_of(ev, a->level, a->batch);
    (void)out;
    mzv_evaluator_peak(ev, mzv_words_mul_columns(&shape, columns->matrix.n_out));
    return MZV_OK;
}

static mzv_status count_drop(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, uint32_t level) {
    const mzv_shape shape = mzv_shape_of(ev, level + 1, a->batch);
    (void)out;
    mzv_evaluator_peak(ev, mzv_words_combine(&shape));
    return MZV_OK;
}

static mzv_status count_mul_monomial(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, uint32_t k) {
    const mzv_shape shape = mzv_shape_of(ev, a->level, a->batch);
    (void)out;
    mzv_evaluator_peak(ev, mzv_words_mul_monomial(&shape, k));
    return MZV_OK;
}

static mzv_status count_dot(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *a,
                            const mzv_cipher *const *b, uint32_t n) {
    (void)out, (void)b, (void)n;
    MZV_TRY(mzv_request_relinearize(request_of(ev), a[0]->level));
    room(ev, a[0], mzv_words_dot);
    return MZV_OK;
}

static mzv_status need_rotations(mzv_evaluator *ev, uint32_t *n_moving, const mzv_cipher *a,
                                 const int32_t *steps, uint32_t n) {
    *n_moving = 0;
    for (uint32_t i = 0; i < n; i++) {
        MZV_TRY(need_rotation(ev, steps[i], a->level, 1));
        *n_moving += mzv_steps_reduced(ev->n_slots, steps[i]) != 0;
    }
    return MZV_OK;
}

static mzv_status count_rotate_many(mzv_evaluator *ev, mzv_cipher *const *out, const mzv_cipher *a,
                                    const int32_t *steps, uint32_t n) {
    uint32_t n_moving = 0;
    (void)out;
    MZV_TRY(need_rotations(ev, &n_moving, a, steps, n));
    if (n_moving != 0) room(ev, a, mzv_words_rotate);
    return MZV_OK;
}

static mzv_status count_rotate_sum(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a,
                                   const int32_t *steps, uint32_t n) {
    const mzv_shape shape = mzv_shape_of(ev, a->level, a->batch);
    uint32_t n_moving = 0;
    (void)out;
    MZV_TRY(need_rotations(ev, &n_moving, a, steps, n));
    mzv_evaluator_peak(ev, mzv_words_rotate_sum(&shape, n_moving));
    return MZV_OK;
}

static mzv_status count_conjugate(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a) {
    (void)out;
    MZV_TRY(mzv_request_conjugate(request_of(ev), a->level));
    room(ev, a, mzv_words_rotate);
    return MZV_OK;
}

static mzv_status count_linear(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_bsgs *t) {
    const mzv_shape shape = mzv_shape_of(ev, a->level, a->batch);
    (void)out;
    for (uint32_t b = 0; b < t->n_baby; b++) {
        if (mzv_bsgs_has_baby(t, b)) MZV_TRY(need_rotation(ev, mzv_bsgs_baby_steps(ev, t, b), a->level, 1));
    }
    if (mzv_bsgs_giants(t) > 1) MZV_TRY(need_rotation(ev, t->giant_step, a->level, mzv_bsgs_giants(t) - 1));
    mzv_evaluator_peak(ev, mzv_words_linear(&shape, t));
    return MZV_OK;
}

static mzv_status count_linear_split(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a,
                                     const mzv_bsgs *t) {
    const mzv_shape shape = mzv_shape_of(ev, a->level, a->batch);
    MZV_TRY(count_linear(ev, out, a, t));
    MZV_TRY(mzv_request_conjugate(request_of(ev), a->level));
    mzv_evaluator_peak(ev, mzv_words_linear_split(&shape, t));
    return MZV_OK;
}

static mzv_status count_mod_raise(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a) {
    const mzv_shape shape = mzv_shape_of(ev, ev->max_level, a->batch);
    (void)out;
    MZV_TRY(mzv_request_sparse(request_of(ev), ev->max_level));
    mzv_evaluator_peak(ev, mzv_words_mod_raise(&shape));
    return MZV_OK;
}

static size_t count_cipher_words(const mzv_evaluator *ev, uint32_t level) {
    const mzv_shape shape = mzv_shape_of(ev, level, 1);
    return mzv_words_cipher(&shape);
}

static void count_destroy(mzv_evaluator *ev) {
    mzv_key_request_destroy(request_of(ev));
    mzv_free(ev);
}

static const mzv_evaluator_ops count_ops = {
    .kind = "count",
    .destroy = count_destroy,
    .set = count_set,
    .get = count_get,
    .cipher_words = count_cipher_words,
    .plain_create = count_plain_create,
    .copy = count_copy,
    .add = count_binary,
    .sub = count_binary,
    .add_const = count_add_const,
    .add_plain = count_add_plain,
    .mul_plain = count_mul_plain,
    .combine = count_combine,
    .mul_integer = count_mul_integer,
    .mul_monomial = count_mul_monomial,
    .dot = count_dot,
    .drop = count_drop,
    .rotate_many = count_rotate_many,
    .rotate_sum = count_rotate_sum,
    .conjugate = count_conjugate,
    .mul_columns = count_mul_columns,
    .linear = count_linear,
    .linear_split = count_linear_split,
    .mod_raise = count_mod_raise,
};

mzv_status mzv_evaluator_create_count(mzv_evaluator **out, const mzv_params *params) {
    mzv_count *count = NULL;
    mzv_status status;
    if (out == NULL || params == NULL)
        return mzv_fail(MZV_ERR_ARGUMENT, "count evaluator: params or out is NULL");
    MZV_TRY(MZV_NEW(&count, 1, "count evaluator"));
    MZV_TRY_GOTO(mzv_evaluator_init(&count->ev, &count_ops, params), fail);
    MZV_TRY_GOTO(mzv_key_request_create(&count->request), fail);
    count->ev.arena.n_words = SIZE_MAX / 16; /* without memory: it only counts */
    *out = &count->ev;
    return MZV_OK;
fail:
    mzv_free(count);
    return status;
}

mzv_status mzv_evaluator_request(const mzv_evaluator *ev, mzv_key_request *request) {
    if (ev == NULL || request == NULL)
        return mzv_fail(MZV_ERR_ARGUMENT, "request: evaluator or request is NULL");
    if (ev->ops != &count_ops)
        return mzv_fail(MZV_ERR_ARGUMENT, "request: a %s evaluator records no keys, run on count",
                        ev->ops->kind);
    const mzv_key_request *own = request_of(ev);
    for (uint32_t i = 0; i < own->n; i++) MZV_TRY(mzv_request_need(request, own->need[i]));
    return MZV_OK;
}
