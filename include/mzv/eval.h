/* The evaluator: one stream, its scratch and borrowed keys. The same operations run on three kinds:
 *   ckks   ciphertexts, on the context's backend;
 *   clear  the same slots, levels and scales as doubles, with an optional noise model;
 *   count  no data: levels, keys, operation counts and peak scratch.
 *
 * Levels and scales. A ciphertext at level l has l + 1 limbs and the one scale of that level
 * (mzv_param_facts.scale[l]). Operands of add, sub, mul and dot must be at the same level: a mismatch is
 * an error, never patched; mzv_drop lowers a level exactly. Products end rescaled, one level lower.
 *
 * Every `out` may be one of the inputs unless it says otherwise, and on failure is left as it was. `out`
 * must have room for the result's level and the same batch; its level and scale are set. */
#ifndef MZV_EVAL_H
#define MZV_EVAL_H
#include "mzv/keys.h"
#ifdef __cplusplus
extern "C" {
#endif

typedef struct mzv_evaluator mzv_evaluator; /* one thread at a time */
typedef struct mzv_plain mzv_plain;         /* an encoded vector of slots */
typedef struct mzv_columns mzv_columns;     /* a matrix for ciphertexts of one column each */

/* Evaluates ciphertexts. Borrows both; keys may be NULL where no key is needed. `scratch_bytes`: what a
 * run takes at most (mzv_counts.peak_bytes of the same circuit); 0 picks room for single operations. */
MZV_API mzv_status mzv_evaluator_create(mzv_evaluator **out, const mzv_context *ctx, const mzv_keys *keys,
                                        size_t scratch_bytes) MZV_MUST_CHECK;
/* Slots as doubles. noise_seed 0: exact; otherwise each operation adds the noise that CKKS would, from
 * this seed (std deviations in docs/noise.md). */
MZV_API mzv_status mzv_evaluator_create_clear(mzv_evaluator **out, const mzv_params *params,
                                              uint64_t noise_seed, size_t scratch_bytes) MZV_MUST_CHECK;
/* No data. Ciphertexts start at whatever level they are made with; `params` gives ring, digits, primes. */
MZV_API mzv_status mzv_evaluator_create_count(mzv_evaluator **out, const mzv_params *params) MZV_MUST_CHECK;
MZV_API void mzv_evaluator_destroy(mzv_evaluator *ev); /* NULL is allowed */

MZV_API uint32_t mzv_evaluator_slots(const mzv_evaluator *ev);
MZV_API uint32_t mzv_evaluator_max_level(const mzv_evaluator *ev);
MZV_API const char *mzv_evaluator_kind(const mzv_evaluator *ev); /* "ckks", "clear", "count" */

/* What a run needed, or did. On `ckks` the operation counts are kept too. */
typedef struct mzv_counts {
    uint64_t n_add, n_mul_plain, n_mul_const, n_mul, n_rotate, n_conjugate, n_linear, n_rescale;
    uint64_t n_key_switch;   /* relinearisations, rotations and conjugations, also inside linear */
    uint64_t n_mod_up;       /* digit decompositions: key switches that shared one count once */
    uint32_t min_level;      /* lowest level reached */
    size_t peak_bytes;       /* scratch at its fullest */
    size_t plain_bytes;      /* encoded vectors alive at once */
} mzv_counts;
MZV_API const mzv_counts *mzv_evaluator_counts(const mzv_evaluator *ev);
MZV_API void mzv_evaluator_counts_reset(mzv_evaluator *ev);
/* Adds every key that the run on a `count` evaluator used to `request`. MZV_ERR_ARGUMENT on other kinds. */
MZV_API mzv_status mzv_evaluator_request(const mzv_evaluator *ev, mzv_key_request *request) MZV_MUST_CHECK;

/* A ciphertext handle of this evaluator's kind with its own memory (mzv_cipher_create makes ckks ones). */
MZV_API mzv_status mzv_evaluator_cipher(mzv_cipher **out, mzv_evaluator *ev, uint32_t level,
                                        uint32_t batch) MZV_MUST_CHECK;
/* Stands for encrypt and decrypt on `clear` (fresh noise included when on) and `count`. */
MZV_API mzv_status mzv_clear_set(mzv_evaluator *ev, mzv_cipher *out, const mzv_complex *slots,
                                 uint32_t level) MZV_MUST_CHECK;
MZV_API mzv_status mzv_clear_get(mzv_evaluator *ev, mzv_complex *slots, const mzv_cipher *ct) MZV_MUST_CHECK;

/* Encodes slots[0 .. n_slots-1] for products with ciphertexts at `level` (the scale is then
 * q_l S_{l-1} / S_l) or for sums with them (scale S_l). Owned by the caller. */
typedef enum mzv_plain_use { MZV_PLAIN_MUL, MZV_PLAIN_ADD } mzv_plain_use;
MZV_API mzv_status mzv_plain_create(mzv_plain **out, mzv_evaluator *ev, const mzv_complex *slots, uint32_t level,
                                    mzv_plain_use use) MZV_MUST_CHECK;
MZV_API void mzv_plain_destroy(mzv_plain *plain); /* NULL is allowed */

MZV_API mzv_status mzv_copy(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a) MZV_MUST_CHECK;
MZV_API mzv_status mzv_add(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_cipher *b) MZV_MUST_CHECK;
MZV_API mzv_status mzv_sub(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_cipher *b) MZV_MUST_CHECK;
MZV_API mzv_status mzv_negate(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a) MZV_MUST_CHECK;
/* out = a + c in every slot; any complex c. */
MZV_API mzv_status mzv_add_const(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, mzv_complex c) MZV_MUST_CHECK;
MZV_API mzv_status mzv_add_plain(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_plain *p) MZV_MUST_CHECK;
/* out = a . p, one level lower. p was made for a's level. */
MZV_API mzv_status mzv_mul_plain(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_plain *p) MZV_MUST_CHECK;
/* out = c a, one level lower, c real. */
MZV_API mzv_status mzv_mul_const(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, double c) MZV_MUST_CHECK;
/* out = sum_i c[i] a[i] + constant, one level below the lowest a[i]; a[i] above it are cut to it (their
 * scale difference goes into the constants, exactly). n >= 1. One rescale. */
MZV_API mzv_status mzv_combine(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *a, const double *c,
                               uint32_t n, double constant) MZV_MUST_CHECK;
/* out = k a for a small signed integer, no level. */
MZV_API mzv_status mzv_mul_integer(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, int64_t k) MZV_MUST_CHECK;
/* out = i a; no key, no level. */
MZV_API mzv_status mzv_mul_i(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a) MZV_MUST_CHECK;
/* out(X) = a(X) X^k, 0 <= k < 2N; no key, no level. On clear: only k = N/2, N, 3N/2 (i, -1, -i). */
MZV_API mzv_status mzv_mul_monomial(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, uint32_t k) MZV_MUST_CHECK;
/* Product, relinearised and rescaled by one merged ModDown: one level. Same level for both. */
MZV_API mzv_status mzv_mul(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_cipher *b) MZV_MUST_CHECK;
/* out = sum_i a[i] b[i]: one relinearisation, one rescale. All at one level, n >= 1. */
MZV_API mzv_status mzv_dot(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *a,
                           const mzv_cipher *const *b, uint32_t n) MZV_MUST_CHECK;
/* To a lower level, exactly the same message: limbs are cut, then one rescale by an exact constant. */
MZV_API mzv_status mzv_drop(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, uint32_t level) MZV_MUST_CHECK;
/* Slot i of out is slot i + steps of a, cyclically over all n_slots. */
MZV_API mzv_status mzv_rotate(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, int32_t steps) MZV_MUST_CHECK;
/* out[i] = a rotated by steps[i], with one ModUp (hoisting) [HS18]. out[i] distinct, none may be a. */
MZV_API mzv_status mzv_rotate_many(mzv_evaluator *ev, mzv_cipher *const *out, const mzv_cipher *a,
                                   const int32_t *steps, uint32_t n) MZV_MUST_CHECK;
/* out = a + a rotated by each of steps[0..n-1]: one ModUp and one ModDown (the fused slot folding). */
MZV_API mzv_status mzv_rotate_sum(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a,
                                  const int32_t *steps, uint32_t n) MZV_MUST_CHECK;
/* A linear layer over columns: entry i of a batch holds column i of a table, its rows in the slots, and the layer
 * is one product with a matrix, modulo each prime, without rotation, key or encoded weight. weight: n_out times
 * n_in, row by row; bias: n_out, or NULL. For operands at `level`, which is at least 1. Weights become multiples
 * of one step, the largest of them 2^18 - 1 steps or as many as the scale of that level allows:
 * mzv_columns_step. Read before the call returns; owned by the caller, the evaluator outlives it.
 * MZV_ERR_RANGE: a weight or bias that is not finite, or beyond 2^20. */
MZV_API mzv_status mzv_columns_create(mzv_columns **out, mzv_evaluator *ev, const double *weight, const double *bias,
                                      uint32_t n_out, uint32_t n_in, uint32_t level) MZV_MUST_CHECK;
MZV_API void mzv_columns_destroy(mzv_columns *columns); /* NULL is allowed */
/* Twice the largest error of a weight. */
MZV_API double mzv_columns_step(const mzv_columns *columns);
/* out_o = sum_i weight[o][i] a_i + bias[o], one level lower, with one rescale each. a: batch n_in at the layer's
 * level; out: batch n_out, not a. */
MZV_API mzv_status mzv_mul_columns(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a,
                                   const mzv_columns *columns) MZV_MUST_CHECK;
MZV_API mzv_status mzv_conjugate(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a) MZV_MUST_CHECK;

/* A recording of a call, which does it again on what its ciphertexts then hold. On a GPU all operations of the
 * call are launched at once, as a graph; where the backend does not record, `run` is called again, with the
 * same results and under the same rules.
 *
 * What is recorded is operations of this evaluator, at the addresses, levels and constants they have. Hence `run`
 * does the same each time, and of ciphertext handles it uses only those it names: `in` hold values when it
 * begins, and have the same level, scale and keys when it ends; `out` it writes, before it reads any of them. One
 * that is in both is a result in place. Anything else it does (encrypting, decrypting) is not repeated; what
 * would encode, allocate or wait cannot be recorded on a GPU. */
typedef struct mzv_recording mzv_recording;
typedef struct mzv_call {
    mzv_status (*run)(mzv_evaluator *ev, void *arg);
    void *arg;
    const mzv_cipher *const *in;
    mzv_cipher *const *out;
    uint32_t n_in, n_out;
} mzv_call;

/* Calls `run` once, as if it were called without a recording: results and counts are there after it. Where the
 * backend records, it then calls `run` a second time and computes nothing. Borrows the evaluator, the
 * ciphertexts and all that `run` uses, such as keys and plaintexts. MZV_ERR_ARGUMENT: `run` does what cannot be
 * repeated or recorded. Where it fails, outputs that `run` had written hold what it wrote. */
MZV_API mzv_status mzv_recording_create(mzv_recording **out, mzv_evaluator *ev, const mzv_call *call) MZV_MUST_CHECK;
/* The call again. MZV_ERR_MISMATCH, and nothing done, where an input has another level, scale or key than when it
 * was recorded, or the evaluator other scratch (one created with scratch_bytes 0 may replace it). */
MZV_API mzv_status mzv_recording_run(mzv_recording *rec) MZV_MUST_CHECK;
MZV_API void mzv_recording_destroy(mzv_recording *rec); /* before what it borrows; NULL is allowed */

#ifdef __cplusplus
}
#endif
#endif
