/* The clear evaluator: slots as complex numbers, at the same levels and scales as ciphertexts. With noise,
 * each operation adds to every slot an independent Gaussian of the deviation that ckks/noise.h gives for it,
 * drawn from ChaCha20 under the seed and the number of the operation: a run repeats exactly, whatever the
 * threads.
 *
 * Not modelled: rounding of constants (below 2^-log_scale of the value), wrap-around at q_0, and that errors
 * of the slots of one ciphertext are not quite independent. */
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/random.h"
#include "base/try.h"
#include "ckks/columns.h"
#include "ckks/eval_clear.h"
#include "ckks/noise.h"
#include "ckks/security.h"

#define DEFAULT_CIPHERS 64 /* room for temporaries where the caller names none */

/* Both coordinates N(0, 1) [BM58]. */
static mzv_complex gaussian(mzv_rng *rng) {
    const double u = ((double)(mzv_rng_u64(rng) >> 11) + 1) * 0x1p-53; /* (0, 1] */
    const double angle = (double)(mzv_rng_u64(rng) >> 11) * 0x1p-53 * (2 * M_PI);
    const double radius = sqrt(-2 * log(u));
    mzv_complex r;
    __real__ r = radius * cos(angle);
    __imag__ r = radius * sin(angle);
    return r;
}

void mzv_clear_noise(mzv_evaluator *ev, mzv_complex *v, uint32_t batch, double deviation,
                     const double *weight) {
    mzv_clear *clear = (mzv_clear *)ev;
    if (!clear->noisy) return;
#pragma omp parallel for
    for (uint32_t b = 0; b < batch; b++) {
        mzv_rng rng;
        mzv_rng_init(&rng, clear->seed, "mzv clear noise", clear->n_draws + b);
        for (uint32_t i = 0; i < ev->n_slots; i++)
            v[(size_t)b * ev->n_slots + i] +=
                (weight == NULL ? deviation : deviation * weight[i]) * gaussian(&rng);
    }
    clear->n_draws += batch;
}

static void add_rescale_noise(mzv_evaluator *ev, mzv_cipher *out, uint32_t level) {
    mzv_clear_noise(ev, mzv_clear_slots(out), out->batch, mzv_noise_rescale(&ev->params, &ev->facts, level),
                    NULL);
}

static mzv_status check_finite(const char *op, const mzv_complex *slots, size_t n) {
    if (slots == NULL) return mzv_fail(MZV_ERR_ARGUMENT, "%s: slots are NULL", op);
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(__real__ slots[i]) || !isfinite(__imag__ slots[i]))
            return mzv_fail(MZV_ERR_RANGE, "%s: slot %zu is %g + %gi, need a finite number", op, i,
                            __real__ slots[i], __imag__ slots[i]);
    }
    return MZV_OK;
}

static mzv_status clear_set(mzv_evaluator *ev, mzv_cipher *out, const mzv_complex *slots, uint32_t level) {
    MZV_TRY(check_finite("clear_set", slots, mzv_clear_values(ev, out)));
    memcpy(out->words, slots, mzv_clear_values(ev, out) * sizeof *slots);
    mzv_clear_noise(ev, mzv_clear_slots(out), out->batch, mzv_noise_fresh(&ev->params, &ev->facts, level),
                    NULL);
    return MZV_OK;
}

static mzv_status clear_get(mzv_evaluator *ev, mzv_complex *slots, const mzv_cipher *ct) {
    if (slots == NULL) return mzv_fail(MZV_ERR_ARGUMENT, "clear_get: slots are NULL");
    memcpy(slots, ct->words, mzv_clear_values(ev, ct) * sizeof *slots);
    return MZV_OK;
}

/* An encoding errs the same at every use, so its noise is added here. */
static mzv_status clear_plain_create(mzv_plain **out, mzv_evaluator *ev, const mzv_complex *slots,
                                     uint32_t level, double scale) {
    mzv_plain *p = NULL;
    mzv_complex *values = NULL;
    MZV_TRY(check_finite("encode", slots, ev->n_slots));
    MZV_TRY(MZV_NEW(&values, ev->n_slots, "plaintext slots"));
    const mzv_status status = mzv_plain_new(&p, ev, level, scale);
    if (status != MZV_OK) {
        mzv_free(values);
        return status;
    }
    memcpy(values, slots, ev->n_slots * sizeof *values);
    mzv_clear_noise(ev, values, 1, mzv_noise_encode(&ev->params, scale), NULL);
    p->words = (uint64_t *)values;
    *out = p;
    return MZV_OK;
}

static mzv_status clear_copy(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, uint32_t first) {
    memcpy(out->words, mzv_clear_slots(a) + (size_t)first * ev->n_slots,
           mzv_clear_values(ev, out) * sizeof(mzv_complex));
    return MZV_OK;
}

static mzv_status clear_add(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_cipher *b) {
    mzv_complex *r = mzv_clear_slots(out);
    const mzv_complex *x = mzv_clear_slots(a), *y = mzv_clear_slots(b);
#pragma omp parallel for
    for (size_t i = 0; i < mzv_clear_values(ev, a); i++) r[i] = x[i] + y[i];
    return MZV_OK;
}

static mzv_status clear_sub(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_cipher *b) {
    mzv_complex *r = mzv_clear_slots(out);
    const mzv_complex *x = mzv_clear_slots(a), *y = mzv_clear_slots(b);
#pragma omp parallel for
    for (size_t i = 0; i < mzv_clear_values(ev, a); i++) r[i] = x[i] - y[i];
    return MZV_OK;
}

static mzv_status clear_add_const(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, mzv_complex c) {
    mzv_complex *r = mzv_clear_slots(out);
    const mzv_complex *x = mzv_clear_slots(a);
#pragma omp parallel for
    for (size_t i = 0; i < mzv_clear_values(ev, a); i++) r[i] = x[i] + c;
    return MZV_OK;
}

static mzv_status clear_add_plain(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a,
                                  const mzv_plain *p) {
    mzv_complex *r = mzv_clear_slots(out);
    const mzv_complex *x = mzv_clear_slots(a), *y = mzv_clear_plain_slots(p);
#pragma omp parallel for
    for (size_t i = 0; i < mzv_clear_values(ev, a); i++) r[i] = x[i] + y[i & (ev->n_slots - 1)];
    return MZV_OK;
}

static mzv_status clear_mul_plain(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a,
                                  const mzv_plain *p) {
    mzv_complex *r = mzv_clear_slots(out);
    const mzv_complex *x = mzv_clear_slots(a), *y = mzv_clear_plain_slots(p);
#pragma omp parallel for
    for (size_t i = 0; i < mzv_clear_values(ev, a); i++)
        r[i] = mzv_clear_product(x[i], y[i & (ev->n_slots - 1)]);
    add_rescale_noise(ev, out, a->level - 1);
    return MZV_OK;
}

static mzv_status clear_combine(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *a,
                                const double *c, uint32_t n, double constant) {
    mzv_complex *r = mzv_clear_slots(out);
    const uint32_t level = mzv_lowest_level(a, n);
#pragma omp parallel for
    for (size_t i = 0; i < mzv_clear_values(ev, a[0]); i++) {
        mzv_complex sum = constant;
        for (uint32_t k = 0; k < n; k++) sum += c[k] * mzv_clear_slots(a[k])[i];
        r[i] = sum;
    }
    add_rescale_noise(ev, out, level - 1);
    return MZV_OK;
}

static mzv_status clear_mul_columns(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a,
                                    const mzv_columns *columns) {
    const mzv_matrix *m = &columns->matrix;
    const mzv_complex *x = mzv_clear_slots(a);
    mzv_complex *r = mzv_clear_slots(out);
#pragma omp parallel for
    for (size_t i = 0; i < (size_t)m->n_out * ev->n_slots; i++) {
        const int32_t *w = m->w + i / ev->n_slots * m->n_in;
        mzv_complex sum = 0;
        for (uint32_t k = 0; k < m->n_in; k++) sum += w[k] * x[(size_t)k * ev->n_slots + i % ev->n_slots];
        r[i] = columns->step * sum + columns->bias[i / ev->n_slots];
    }
    add_rescale_noise(ev, out, a->level - 1);
    return MZV_OK;
}

static mzv_status clear_mul_integer(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, int64_t k) {
    mzv_complex *r = mzv_clear_slots(out);
    const mzv_complex *x = mzv_clear_slots(a);
#pragma omp parallel for
    for (size_t i = 0; i < mzv_clear_values(ev, a); i++) r[i] = (double)k * x[i];
    return MZV_OK;
}

static mzv_status clear_mul_monomial(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, uint32_t k) {
    mzv_complex *r = mzv_clear_slots(out);
    const mzv_complex *x = mzv_clear_slots(a);
    mzv_complex factor = 0;
    if (k % ev->n_slots != 0)
        return mzv_fail(MZV_ERR_ARGUMENT,
                        "mul_monomial: X^%u mixes slots; on clear k is a multiple of N/2 = %u", k,
                        ev->n_slots);
    __real__ factor = k == 0 ? 1 : k == 2 * ev->n_slots ? -1 : 0;
    __imag__ factor = k == ev->n_slots ? 1 : k == 3 * ev->n_slots ? -1 : 0;
#pragma omp parallel for
    for (size_t i = 0; i < mzv_clear_values(ev, a); i++) r[i] = mzv_clear_product(factor, x[i]);
    return MZV_OK;
}

static mzv_status clear_dot(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *a,
                            const mzv_cipher *const *b, uint32_t n) {
    mzv_complex *r = mzv_clear_slots(out);
    const uint32_t level = a[0]->level;
#pragma omp parallel for
    for (size_t i = 0; i < mzv_clear_values(ev, a[0]); i++) {
        mzv_complex sum = 0;
        for (uint32_t k = 0; k < n; k++)
            sum += mzv_clear_product(mzv_clear_slots(a[k])[i], mzv_clear_slots(b[k])[i]);
        r[i] = sum;
    }
    mzv_clear_noise(ev, r, out->batch, mzv_noise_mul(&ev->params, &ev->facts, level), NULL);
    return MZV_OK;
}

static mzv_status clear_drop(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, uint32_t level) {
    memmove(out->words, a->words, mzv_clear_values(ev, a) * sizeof(mzv_complex));
    add_rescale_noise(ev, out, level);
    return MZV_OK;
}

/* r[b][i] = a[b][i + steps] or, adding, r += that; r and a apart. */
void mzv_clear_rotate(const mzv_evaluator *ev, mzv_complex *r, const mzv_complex *a, uint32_t batch,
                      int64_t steps, bool adding) {
    const uint32_t n = ev->n_slots, by = mzv_steps_reduced(n, steps);
#pragma omp parallel for
    for (size_t i = 0; i < (size_t)batch * n; i++) {
        const mzv_complex x = a[(i & ~(size_t)(n - 1)) | ((i + by) & (n - 1))];
        r[i] = adding ? r[i] + x : x;
    }
}

static mzv_status clear_rotate_many(mzv_evaluator *ev, mzv_cipher *const *out, const mzv_cipher *a,
                                    const int32_t *steps, uint32_t n) {
    const size_t mark = mzv_ev_mark(ev), n_bytes = mzv_clear_values(ev, a) * sizeof(mzv_complex);
    uint64_t *words = NULL;
    MZV_TRY(mzv_ev_take_words(ev, &words, n_bytes / 8));
    memcpy(words, a->words, n_bytes); /* with n = 1, out[0] may be a */
    for (uint32_t i = 0; i < n; i++) {
        mzv_clear_rotate(ev, mzv_clear_slots(out[i]), (mzv_complex *)words, a->batch, steps[i], false);
        if (mzv_steps_reduced(ev->n_slots, steps[i]) != 0)
            mzv_clear_noise(ev, mzv_clear_slots(out[i]), a->batch,
                            mzv_noise_key_switch(&ev->params, &ev->facts, a->level), NULL);
    }
    mzv_ev_release(ev, mark);
    return MZV_OK;
}

static mzv_status clear_rotate_sum(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a,
                                   const int32_t *steps, uint32_t n) {
    const size_t mark = mzv_ev_mark(ev), n_bytes = mzv_clear_values(ev, a) * sizeof(mzv_complex);
    const double scale = ev->facts.scale[a->level];
    uint64_t *words = NULL;
    uint32_t n_moving = 0;
    MZV_TRY(mzv_ev_take_words(ev, &words, n_bytes / 8));
    memcpy(words, a->words, n_bytes);
    for (uint32_t i = 0; i < n; i++) {
        mzv_clear_rotate(ev, (mzv_complex *)words, mzv_clear_slots(a), a->batch, steps[i], true);
        n_moving += mzv_steps_reduced(ev->n_slots, steps[i]) != 0;
    }
    if (n_moving != 0) {
        const double product_noise = mzv_noise_key_product(&ev->params, &ev->facts, a->level, scale);
        mzv_clear_noise(ev, (mzv_complex *)words, a->batch,
                        hypot(sqrt(n_moving) * product_noise,
                              mzv_noise_mod_down(&ev->params, ev->params.n_special, scale)),
                        NULL);
    }
    memcpy(out->words, words, n_bytes);
    mzv_ev_release(ev, mark);
    return MZV_OK;
}

static mzv_status clear_conjugate(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a) {
    mzv_complex *r = mzv_clear_slots(out);
    const mzv_complex *x = mzv_clear_slots(a);
#pragma omp parallel for
    for (size_t i = 0; i < mzv_clear_values(ev, a); i++) r[i] = ~x[i];
    mzv_clear_noise(ev, r, a->batch, mzv_noise_key_switch(&ev->params, &ev->facts, a->level), NULL);
    return MZV_OK;
}

static size_t clear_cipher_words(const mzv_evaluator *ev, uint32_t level) {
    (void)level;
    return 2 * (size_t)ev->n_slots;
}

static void clear_destroy(mzv_evaluator *ev) {
    mzv_embedding_destroy(((mzv_clear *)ev)->embedding);
    mzv_free(ev->arena.base);
    mzv_free(ev);
}

static const mzv_evaluator_ops clear_ops = {
    .kind = "clear",
    .destroy = clear_destroy,
    .set = clear_set,
    .get = clear_get,
    .cipher_words = clear_cipher_words,
    .plain_create = clear_plain_create,
    .copy = clear_copy,
    .add = clear_add,
    .sub = clear_sub,
    .add_const = clear_add_const,
    .add_plain = clear_add_plain,
    .mul_plain = clear_mul_plain,
    .combine = clear_combine,
    .mul_integer = clear_mul_integer,
    .mul_monomial = clear_mul_monomial,
    .dot = clear_dot,
    .drop = clear_drop,
    .rotate_many = clear_rotate_many,
    .rotate_sum = clear_rotate_sum,
    .conjugate = clear_conjugate,
    .mul_columns = clear_mul_columns,
    .linear = mzv_clear_linear,
    .linear_split = mzv_clear_linear_split,
    .mod_raise = mzv_clear_mod_raise,
};

mzv_status mzv_evaluator_create_clear(mzv_evaluator **out, const mzv_params *params, uint64_t noise_seed,
                                      size_t scratch_bytes) {
    mzv_clear *clear = NULL;
    mzv_status status;
    if (out == NULL || params == NULL)
        return mzv_fail(MZV_ERR_ARGUMENT, "clear evaluator: params or out is NULL");
    MZV_TRY(MZV_NEW(&clear, 1, "clear evaluator"));
    mzv_evaluator *ev = &clear->ev;
    MZV_TRY_GOTO(mzv_evaluator_init(ev, &clear_ops, params), fail);
    ev->arena.n_words =
        scratch_bytes != 0 ? (scratch_bytes + 7) / 8 : (size_t)DEFAULT_CIPHERS * 2 * ev->n_slots;
    MZV_TRY_GOTO(MZV_NEW(&ev->arena.base, ev->arena.n_words, "clear evaluator's scratch"), fail);
    if (mzv_params_boots(params)) MZV_TRY_GOTO(mzv_embedding_create(&clear->embedding, params->log_n), fail);
    clear->noisy = noise_seed != 0;
    memcpy(clear->seed, &noise_seed, sizeof noise_seed);
    *out = ev;
    return MZV_OK;
fail:
    mzv_free(ev->arena.base);
    mzv_free(clear);
    return status;
}
