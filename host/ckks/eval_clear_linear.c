/* clear: linear transforms, and ModRaise. */
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/try.h"
#include "ckks/eval_clear.h"
#include "ckks/noise.h"
#include "ckks/security.h"

/* What a linear transform works with, all from the arena. */
typedef struct clear_linear {
    const mzv_cipher *a;
    const mzv_bsgs *t;
    mzv_complex *sum, *inner;
    double *weight; /* per slot: how much the diagonals of one giant step raise the noise of rotations */
} clear_linear;

/* inner = sum_b diagonal[giant][b] . rot(a, (first + b) baby_step) */
static void clear_inner(mzv_evaluator *ev, clear_linear *l, uint32_t giant) {
    const uint32_t n = ev->n_slots;
    memset(l->inner, 0, mzv_clear_values(ev, l->a) * sizeof *l->inner);
    memset(l->weight, 0, n * sizeof *l->weight);
    for (uint32_t b = 0; b < l->t->n_baby; b++) {
        if (!mzv_bsgs_has(l->t, giant, b)) continue;
        const mzv_complex *d = mzv_clear_plain_slots(l->t->diagonal[(size_t)giant * l->t->n_baby + b]);
        const mzv_complex *a = mzv_clear_slots(l->a);
        const uint32_t by = (uint32_t)mzv_bsgs_baby_steps(ev, l->t, b);
#pragma omp parallel for
        for (size_t i = 0; i < mzv_clear_values(ev, l->a); i++)
            l->inner[i] +=
                mzv_clear_product(d[i & (n - 1)], a[(i & ~(size_t)(n - 1)) | ((i + by) & (n - 1))]);
        for (uint32_t i = 0; by != 0 && i < n; i++)
            l->weight[i] += __real__ d[i] * __real__ d[i] + __imag__ d[i] * __imag__ d[i];
    }
    for (uint32_t i = 0; i < n; i++) l->weight[i] = sqrt(l->weight[i]);
    mzv_clear_noise(ev, l->inner, l->a->batch,
                    mzv_noise_key_product(&ev->params, &ev->facts, l->t->level, ev->facts.scale[l->t->level]),
                    l->weight);
}

/* What one key switch within the transform adds: digits are divided by P, at the scale of the products. */
static double giant_noise(const mzv_evaluator *ev, uint32_t level) {
    const double scale = ev->facts.scale[level] * mzv_factor_scale(ev, level);
    return hypot(mzv_noise_key_product(&ev->params, &ev->facts, level, scale),
                 mzv_noise_mod_down(&ev->params, ev->params.n_special, scale));
}

/* Horner's scheme, as on ckks, so that noise passes the same steps. What is taken stays taken. */
static mzv_status transform(mzv_evaluator *ev, clear_linear *l) {
    const size_t n_words = 2 * mzv_clear_values(ev, l->a);
    const double noise = giant_noise(ev, l->t->level);
    uint64_t *words = NULL;
    MZV_TRY(mzv_ev_take_words(ev, &words, 2 * n_words + ev->n_slots));
    l->sum = (mzv_complex *)words;
    l->inner = (mzv_complex *)(words + n_words);
    l->weight = (double *)(words + 2 * n_words);
    memset(l->sum, 0, 8 * n_words);
    for (uint32_t g = mzv_bsgs_giants(l->t); g-- > 0;) {
        clear_inner(ev, l, g);
        mzv_clear_rotate(ev, l->inner, l->sum, l->a->batch, l->t->giant_step, true);
        if (g + 1 < mzv_bsgs_giants(l->t)) mzv_clear_noise(ev, l->inner, l->a->batch, noise, NULL);
        mzv_complex *swap = l->sum;
        l->sum = l->inner;
        l->inner = swap;
    }
    return MZV_OK;
}

static void add_division_noise(mzv_evaluator *ev, mzv_cipher *out, uint32_t level) {
    mzv_clear_noise(ev, mzv_clear_slots(out), out->batch,
                    mzv_noise_mod_down(&ev->params, ev->params.n_special + 1, ev->facts.scale[level]), NULL);
}

mzv_status mzv_clear_linear(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_bsgs *t) {
    const size_t mark = mzv_ev_mark(ev);
    clear_linear l = { .a = a, .t = t };
    MZV_TRY(transform(ev, &l));
    memcpy(out->words, l.sum, mzv_clear_values(ev, a) * sizeof *l.sum);
    add_division_noise(ev, out, t->level - 1);
    mzv_ev_release(ev, mark);
    return MZV_OK;
}

mzv_status mzv_clear_linear_split(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a,
                                  const mzv_bsgs *t) {
    const size_t mark = mzv_ev_mark(ev), n = mzv_clear_values(ev, a);
    clear_linear l = { .a = a, .t = t };
    MZV_TRY(transform(ev, &l));
    mzv_complex *turned = l.inner, *re = mzv_clear_slots(out);
#pragma omp parallel for
    for (size_t i = 0; i < n; i++) turned[i] = ~l.sum[i];
    mzv_clear_noise(ev, turned, a->batch, giant_noise(ev, t->level), NULL);
#pragma omp parallel for
    for (size_t i = 0; i < n; i++) re[i] = l.sum[i] + turned[i];
    if (out->batch != a->batch) {
        mzv_complex *im = re + n;
#pragma omp parallel for
        for (size_t i = 0; i < n; i++) {
            const mzv_complex difference = l.sum[i] - turned[i];
            __real__ im[i] = __imag__ difference;
            __imag__ im[i] = -__real__ difference;
        }
    }
    add_division_noise(ev, out, t->level - 1);
    mzv_ev_release(ev, mark);
    return MZV_OK;
}

/* round of a sum of h + 1 uniforms on [-1/2, 1/2]: c0 and h signed coefficients of c1, divided by q_0 [BTH22,
 * 4].
 */
static double draw_overflow(mzv_rng *rng) {
    double sum = 0;
    for (uint32_t i = 0; i <= MZV_SPARSE_WEIGHT; i++) sum += (double)(mzv_rng_u64(rng) >> 11) * 0x1p-53 - 0.5;
    return rint(sum);
}

/* Coefficients of the slots, as numbers of one ciphertext; then each with its multiple of q_0. */
static mzv_status raise_one(mzv_evaluator *ev, mzv_complex *out, const mzv_complex *a, uint64_t draw,
                            uint64_t *words) {
    const mzv_clear *clear = (const mzv_clear *)ev;
    const size_t n = 2 * (size_t)ev->n_slots;
    const double q0 = (double)ev->facts.primes[ev->params.n_special];
    int64_t *coefficient = (int64_t *)words;
    double *value = (double *)words;
    mzv_complex *work = (mzv_complex *)(words + n);
    mzv_rng rng;
    MZV_TRY(mzv_encode(clear->embedding, coefficient, a, ev->facts.scale[0], work));
    mzv_rng_init(&rng, clear->seed, "mzv clear overflow", draw);
    for (size_t k = 0; k < n; k++) {
        const double centred = remainder((double)coefficient[k], q0);
        value[k] = centred + q0 * draw_overflow(&rng);
    }
    mzv_decode(clear->embedding, out, value, ev->facts.scale[ev->max_level], work);
    return MZV_OK;
}

mzv_status mzv_clear_mod_raise(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a) {
    mzv_clear *clear = (mzv_clear *)ev;
    const size_t mark = mzv_ev_mark(ev);
    mzv_status status = MZV_OK;
    uint64_t *words = NULL;
    MZV_TRY(mzv_ev_take_words(ev, &words, 4 * (size_t)ev->n_slots));
    for (uint32_t b = 0; b < a->batch && status == MZV_OK; b++) {
        const size_t at = (size_t)b * ev->n_slots;
        status = raise_one(ev, mzv_clear_slots(out) + at, mzv_clear_slots(a) + at, clear->n_draws + b, words);
    }
    mzv_ev_release(ev, mark);
    clear->n_draws += a->batch;
    MZV_TRY(status);
    mzv_clear_noise(ev, mzv_clear_slots(out), a->batch, mzv_noise_mod_raise(&ev->params, &ev->facts), NULL);
    return MZV_OK;
}
