/* The clear evaluator's inside: slots as complex numbers, and the noise that operations add to them. */
#ifndef MZV_EVAL_CLEAR_H
#define MZV_EVAL_CLEAR_H
#include "base/random.h"
#include "ckks/eval_kind.h"
#ifdef __cplusplus
extern "C" {
#endif

typedef struct mzv_clear {
    mzv_evaluator ev; /* first */
    bool noisy;
    uint8_t seed[MZV_SEED_BYTES];
    uint64_t n_draws;
    mzv_embedding *embedding; /* where the chain bootstraps: for ModRaise */
} mzv_clear;

static inline mzv_complex *mzv_clear_slots(const mzv_cipher *ct) { return (mzv_complex *)ct->words; }
static inline const mzv_complex *mzv_clear_plain_slots(const mzv_plain *p) {
    return (const mzv_complex *)p->words;
}
static inline size_t mzv_clear_values(const mzv_evaluator *ev, const mzv_cipher *ct) {
    return (size_t)ct->batch * ev->n_slots;
}

/* Without the tests for infinities that C asks of its own product. */
static inline mzv_complex mzv_clear_product(mzv_complex a, mzv_complex b) {
    mzv_complex r;
    __real__ r = __real__ a * __real__ b - __imag__ a * __imag__ b;
    __imag__ r = __real__ a * __imag__ b + __imag__ a * __real__ b;
    return r;
}

/* v[b n_slots + i] += noise of `deviation`, times weight[i] unless NULL; each b has its own stream. */
void mzv_clear_noise(mzv_evaluator *ev, mzv_complex *v, uint32_t batch, double deviation,
                     const double *weight);
/* r = x rotated by steps, or r += that. */
void mzv_clear_rotate(const mzv_evaluator *ev, mzv_complex *r, const mzv_complex *x, uint32_t batch,
                      int64_t steps, bool adding);

mzv_status mzv_clear_linear(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a,
                            const mzv_bsgs *t) MZV_MUST_CHECK;
mzv_status mzv_clear_linear_split(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a,
                                  const mzv_bsgs *t) MZV_MUST_CHECK;
mzv_status mzv_clear_mod_raise(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
