/* The ckks evaluator: operations on a backend, and the scratch each of them takes. */
#ifndef MZV_EVAL_CKKS_H
#define MZV_EVAL_CKKS_H
#include "math/modarith.h"
#include "ckks/eval_kind.h"
#include "ckks/keyswitch.h"
#ifdef __cplusplus
extern "C" {
#endif

#define MZV_FOLD_MAX 16 /* rotations of one backend fold; longer sums take several */

typedef struct mzv_ckks {
    struct mzv_evaluator ev; /* first */
    const mzv_keys *keys;    /* NULL: operations that need one fail with MZV_ERR_KEY */
    bool grows; /* created with scratch_bytes 0: scratch not in use is replaced where too small */
    mzv_modulus modulus[MZV_MAX_PRIMES]; /* of q_0 .. q_L */
    uint64_t special[MZV_MAX_PRIMES];    /* P modulo them */
    uint64_t *imaginary;                 /* values of X^(N/2) modulo q_0 .. q_L: i in every slot */
    uint64_t *monomial;                  /* N coefficients: those of X */
} mzv_ckks;

/* What one operation takes of the scratch, in words, the backend's temporaries included. Both ckks (which
 * asks for that room before it begins) and count read these, so that a counted peak is enough. */
typedef struct mzv_shape {
    uint32_t log_n, n_special, level, batch; /* of the operand */
} mzv_shape;

static inline mzv_shape mzv_shape_of(const mzv_evaluator *ev, uint32_t level, uint32_t batch) {
    const mzv_shape shape = { ev->log_n, ev->params.n_special, level, batch };
    return shape;
}

size_t mzv_words_cipher(const mzv_shape *shape); /* both parts, the whole batch */
size_t mzv_words_add_plain(const mzv_shape *shape, const mzv_plain *p);
size_t mzv_words_mul_plain(const mzv_shape *shape, const mzv_plain *p);
size_t mzv_words_mul_monomial(const mzv_shape *shape, uint32_t k);
size_t
mzv_words_combine(const mzv_shape *shape); /* level: the lowest of the operands; drop: one above the target */
size_t mzv_words_mul_columns(const mzv_shape *shape, uint32_t n_out); /* batch: n_in */
size_t mzv_words_dot(const mzv_shape *shape);
size_t mzv_words_rotate(const mzv_shape *shape); /* rotate, rotate_many, conjugate */
size_t mzv_words_rotate_sum(const mzv_shape *shape, uint32_t n_moving);
size_t mzv_words_linear(const mzv_shape *shape, const mzv_bsgs *t);
size_t mzv_words_linear_split(const mzv_shape *shape, const mzv_bsgs *t);
size_t mzv_words_mod_raise(const mzv_shape *shape); /* level: that of the result */

/* Linear transforms keep either all rotated copies of the operand or all giant accumulators: true for the
 * copies. */
bool mzv_linear_keeps_babies(const mzv_bsgs *t);

/* Inside of eval_ckks*.c */

/* Room for n_words, or MZV_ERR_MEMORY with the numbers; counts the peak. Every operation begins with it. */
mzv_status mzv_ckks_room(mzv_ckks *ck, const char *op, size_t n_words) MZV_MUST_CHECK;
/* Part t of ct as if it were at `level`, which is not above its capacity. */
mzv_poly mzv_ckks_part(const mzv_ckks *ck, const mzv_cipher *ct, uint32_t t, uint32_t level);
/* The key for `galois` at `level` under which `ct` is encrypted. MZV_ERR_KEY, MZV_ERR_MISMATCH. */
mzv_status mzv_ckks_key(const mzv_ckks *ck, const mzv_ksk **out, const mzv_cipher *ct,
                        uint32_t galois) MZV_MUST_CHECK;
/* X^(N/2), which is i in every slot, modulo q_0 .. q_level. */
mzv_cpoly mzv_ckks_imaginary(const mzv_ckks *ck, uint32_t level);
/* rows = values of X^(2^log_power): X lifted, then squared. */
mzv_status mzv_ckks_power_of_x(const mzv_ckks *ck, mzv_poly rows, uint32_t log_power) MZV_MUST_CHECK;
/* c[i] = the integer nearest to x, modulo q_i, i <= level. */
void mzv_ckks_residues(const mzv_ckks *ck, uint64_t *c, uint32_t level, long double x);

mzv_status mzv_ckks_copy(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a,
                         uint32_t first) MZV_MUST_CHECK;
mzv_status mzv_ckks_add(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a,
                        const mzv_cipher *b) MZV_MUST_CHECK;
mzv_status mzv_ckks_sub(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a,
                        const mzv_cipher *b) MZV_MUST_CHECK;
mzv_status mzv_ckks_add_const(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a,
                              mzv_complex c) MZV_MUST_CHECK;
mzv_status mzv_ckks_add_plain(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a,
                              const mzv_plain *p) MZV_MUST_CHECK;
mzv_status mzv_ckks_mul_plain(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a,
                              const mzv_plain *p) MZV_MUST_CHECK;
mzv_status mzv_ckks_combine(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *a, const double *c,
                            uint32_t n, double constant) MZV_MUST_CHECK;
mzv_status mzv_ckks_mul_integer(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a,
                                int64_t k) MZV_MUST_CHECK;
mzv_status mzv_ckks_mul_monomial(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a,
                                 uint32_t k) MZV_MUST_CHECK;
mzv_status mzv_ckks_dot(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *a,
                        const mzv_cipher *const *b, uint32_t n) MZV_MUST_CHECK;
mzv_status mzv_ckks_drop(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a,
                         uint32_t level) MZV_MUST_CHECK;
mzv_status mzv_ckks_rotate_many(mzv_evaluator *ev, mzv_cipher *const *out, const mzv_cipher *a,
                                const int32_t *steps, uint32_t n) MZV_MUST_CHECK;
mzv_status mzv_ckks_rotate_sum(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const int32_t *steps,
                               uint32_t n) MZV_MUST_CHECK;
mzv_status mzv_ckks_conjugate(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a) MZV_MUST_CHECK;
mzv_status mzv_ckks_mul_columns(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a,
                                const mzv_columns *columns) MZV_MUST_CHECK;
mzv_status mzv_ckks_linear(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a,
                           const mzv_bsgs *t) MZV_MUST_CHECK;
mzv_status mzv_ckks_linear_split(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a,
                                 const mzv_bsgs *t) MZV_MUST_CHECK;
mzv_status mzv_ckks_mod_raise(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a) MZV_MUST_CHECK;
/* Values of p modulo `basis`: those it keeps, or lifted into fresh scratch. */
mzv_status mzv_ckks_values(mzv_ckks *ck, mzv_cpoly *out, const mzv_plain *p, mzv_basis basis) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
