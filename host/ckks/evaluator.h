/* One interface, three evaluators: what circuits are written against. See include/mzv/eval.h for what each
 * operation means; the public functions check levels, batches and ids once and call the table. */
#ifndef MZV_CKKS_EVALUATOR_H
#define MZV_CKKS_EVALUATOR_H
#include "mzv/eval.h"
#include "ckks/context.h"
#ifdef __cplusplus
extern "C" {
#endif

/* A linear transform by baby and giant steps:
 *     out = sum_{g < n_giant} rot( sum_{b < n_baby} diagonal[g*n_baby + b] . rot(a, (first + b)*baby_step),
 * g*giant_step )
 * Diagonals are encoded for products at `level` and already rotated by -g*giant_step; NULL
 * means zero. ckks: baby steps hoisted in the basis Q P, and giant steps by Horner with the one key of
 * giant_step, the accumulator staying in Q P (double hoisting [BMTH21], with n_baby keys instead of n_baby +
 * n_giant). */
typedef struct mzv_bsgs {
    uint32_t level;
    uint32_t n_baby, n_giant;
    int32_t baby_step, giant_step;
    int32_t
        first; /* added to every baby step, in units of it: b stands for the rotation (first + b) baby_step */
    mzv_plain **diagonal; /* n_giant * n_baby, owned by whoever made this */
} mzv_bsgs;

/* What a kind provides. Operands were checked; functions write the words of `out` only, the public functions
 * set its level, scale and ids after success. Results go to out->words at the level the operation ends on. */
typedef struct mzv_evaluator_ops {
    const char *kind;
    void (*destroy)(mzv_evaluator *ev);
    /* encrypt and decrypt for `clear` and `count`; NULL on ckks. */
    mzv_status (*set)(mzv_evaluator *ev, mzv_cipher *out, const mzv_complex *slots, uint32_t level);
    mzv_status (*get)(mzv_evaluator *ev, mzv_complex *slots, const mzv_cipher *ct);
    /* A handle with its own memory; NULL where words are host memory. */
    mzv_status (*cipher_create)(mzv_cipher **out, mzv_evaluator *ev, uint32_t level, uint32_t batch);
    /* words of one batch entry at `level` (both parts). */
    size_t (*cipher_words)(const mzv_evaluator *ev, uint32_t level);
    mzv_status (*plain_create)(mzv_plain **out, mzv_evaluator *ev, const mzv_complex *slots, uint32_t level,
                               double scale);
    /* Entries first .. of a's batch, as many as out has. */
    mzv_status (*copy)(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, uint32_t first);
    mzv_status (*add)(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_cipher *b);
    mzv_status (*sub)(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_cipher *b);
    mzv_status (*add_const)(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, mzv_complex c);
    mzv_status (*add_plain)(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_plain *p);
    mzv_status (*mul_plain)(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_plain *p);
    mzv_status (*combine)(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *a, const double *c,
                          uint32_t n, double constant);
    mzv_status (*mul_integer)(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, int64_t k);
    mzv_status (*mul_monomial)(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, uint32_t k);
    mzv_status (*dot)(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *a,
                      const mzv_cipher *const *b, uint32_t n);
    mzv_status (*drop)(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, uint32_t level);
    mzv_status (*rotate_many)(mzv_evaluator *ev, mzv_cipher *const *out, const mzv_cipher *a,
                              const int32_t *steps, uint32_t n);
    mzv_status (*rotate_sum)(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const int32_t *steps,
                             uint32_t n);
    mzv_status (*conjugate)(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a);
    mzv_status (*mul_columns)(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a,
                              const mzv_columns *columns);
    mzv_status (*linear)(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_bsgs *t);
    mzv_status (*linear_split)(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_bsgs *t);
    mzv_status (*mod_raise)(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a);
} mzv_evaluator_ops;

/* Brings a ciphertext back up: what circuits deeper than the chain ask for (circuit/circuit.h). */
typedef struct mzv_refresh {
    /* out = a at out_level, out_level + 1 limbs of room and a's batch; a is at in_level or above. */
    mzv_status (*run)(const struct mzv_refresh *self, mzv_evaluator *ev, mzv_cipher *out,
                      const mzv_cipher *a);
    uint32_t in_level, out_level;
    double magnitude; /* largest |slot| that may be refreshed */
} mzv_refresh;

/* First member of every evaluator. */
struct mzv_evaluator {
    const mzv_evaluator_ops *ops;
    const mzv_refresh *refresh; /* borrowed; NULL: circuits that run out of levels fail with MZV_ERR_LEVEL */
    mzv_params params;
    mzv_param_facts facts;
    uint32_t log_n, n_slots, max_level;
    mzv_counts counts;
    mzv_scratch arena;              /* temporaries of circuits on clear; on count sizes only */
    const mzv_context *ctx;         /* ckks, borrowed; NULL on clear and count */
    mzv_stream *stream;             /* ckks: its scratch holds the temporaries; NULL on clear and count */
    size_t plain_alive;             /* bytes of encoded vectors not yet destroyed */
    const mzv_recording *recording; /* whose call runs while it is made; else NULL */
};

/* Temporaries of a circuit: taken in order, released together. A taken cipher has level `level`, no value. */
mzv_status mzv_ev_take(mzv_evaluator *ev, mzv_cipher *out, uint32_t level, uint32_t batch) MZV_MUST_CHECK;
size_t mzv_ev_mark(const mzv_evaluator *ev);
void mzv_ev_release(mzv_evaluator *ev, size_t mark);

/* out = transform of a, one level lower than t->level; a is first cut to t->level if it is higher. */
mzv_status mzv_linear(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a,
                      const mzv_bsgs *t) MZV_MUST_CHECK;

/* out = T + conj(T), and behind it, where out has twice the batch of a, -i (T - conj(T)): twice the real and
 * the imaginary parts of the transform T of a, each with the noise of one division: the conjugation happens
 * modulo Q P. Keys: those of mzv_linear, and conjugation at t->level. out is not a. */
mzv_status mzv_linear_split(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a,
                            const mzv_bsgs *t) MZV_MUST_CHECK;

/* out = entries first .. first + m - 1 of a's batch, m that of out, which is not a. */
mzv_status mzv_slice(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, uint32_t first) MZV_MUST_CHECK;

/* out, at the highest level L: the polynomial of a with its coefficients, integers modulo q_0, read as
 * integers in (-q_0/2, q_0/2): S_0 m + q_0 I for the polynomial m of a's slots, at scale S_L. I is a sum of a
 * sparse secret's 32 + 1 parts; clear draws it so. a at level 0, out is not a. Keys: mzv_request_sparse.
 * MZV_ERR_PARAMS: a chain without bootstrapping. */
mzv_status mzv_mod_raise(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
