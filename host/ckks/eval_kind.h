/* What the three kinds of evaluator share beneath the public functions. */
#ifndef MZV_EVAL_KIND_H
#define MZV_EVAL_KIND_H
#include "ckks/evaluator.h"
#include "ckks/plain.h"
#ifdef __cplusplus
extern "C" {
#endif

/* Fills the head of a new evaluator. MZV_ERR_PARAMS. */
mzv_status mzv_evaluator_init(mzv_evaluator *ev, const mzv_evaluator_ops *ops,
                              const mzv_params *params) MZV_MUST_CHECK;
/* The arena of temporaries. */
static inline mzv_scratch *mzv_ev_temporaries(mzv_evaluator *ev) {
    return ev->stream != NULL ? &ev->stream->scratch : &ev->arena;
}
/* Records that an operation takes n_words above what is taken now. */
void mzv_evaluator_peak(mzv_evaluator *ev, size_t n_words);
/* Counts n_bytes more of encoded vectors and matrices; whoever destroys them takes them from ev->plain_alive. */
void mzv_evaluator_plain_bytes(mzv_evaluator *ev, size_t n_bytes);
/* Temporaries that are no ciphertext; released like those. 64-byte aligned when n_words is a multiple of 8.
 */
mzv_status mzv_ev_take_words(mzv_evaluator *ev, uint64_t **out, size_t n_words) MZV_MUST_CHECK;

/* steps modulo n_slots, in [0, n_slots). */
static inline uint32_t mzv_steps_reduced(uint32_t n_slots, int64_t steps) {
    return (uint32_t)(((steps % n_slots) + n_slots) % n_slots);
}

/* The scale of a factor for products at `level` >= 1: q_l S_{l-1} / S_l. */
double mzv_factor_scale(const mzv_evaluator *ev, uint32_t level);

/* The lowest level of a[0..n-1]. */
uint32_t mzv_lowest_level(const mzv_cipher *const *a, uint32_t n);

/* Which diagonals of a transform are there. Every kind reads a transform through these, so that keys, counts
 * and scratch agree. */
bool mzv_bsgs_has(const mzv_bsgs *t, uint32_t giant, uint32_t baby);
bool mzv_bsgs_has_baby(const mzv_bsgs *t, uint32_t baby);
/* One more than the last giant step with a diagonal; 0: the transform has none. */
uint32_t mzv_bsgs_giants(const mzv_bsgs *t);
/* The rotation of a baby step, in [0, n_slots). */
int32_t mzv_bsgs_baby_steps(const mzv_evaluator *ev, const mzv_bsgs *t, uint32_t baby);
/* How many babies have a diagonal, the one of step 0 included. */
uint32_t mzv_bsgs_babies(const mzv_bsgs *t);

#ifdef __cplusplus
}
#endif
#endif
