/* What circuits share. A circuit is made from its mathematics, is immutable, and then says which keys it
 * needs (request), how many levels it takes (levels), and runs on any evaluator (run).
 *
 * All runs: `out` may be an input, has room for the result's level and the inputs' batch, and is left as it
 * was on failure; temporaries come from the evaluator's arena. MZV_ERR_LEVEL when the input is too low. */
#ifndef MZV_CIRCUIT_H
#define MZV_CIRCUIT_H
#include "ckks/evaluator.h"
#ifdef __cplusplus
extern "C" {
#endif

/* u = scale x + shift: the form in which a circuit wants its input. A caller merges it into the constants of
 * the operation that makes x (weights and bias of a linear layer, coefficients of mzv_combine), or spends a
 * level. */
typedef struct mzv_affine {
    double scale, shift;
} mzv_affine;

/* From [a, b] to [-1, 1]. */
mzv_affine mzv_affine_unit(double a, double b);

/* out = scale x + shift, one level below x. */
mzv_status mzv_affine_run(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *x,
                          mzv_affine u) MZV_MUST_CHECK;

/* MZV_ERR_LEVEL unless a is at level `need` or higher; `name` is the circuit. */
mzv_status mzv_circuit_need(const char *name, const mzv_cipher *a, uint32_t need) MZV_MUST_CHECK;

/* out = a at `level`, which is not above a's: a copy where they are equal. */
mzv_status mzv_circuit_lower(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a,
                             uint32_t level) MZV_MUST_CHECK;

/* *view = a where a is at `level`, else `room`, taken from the arena at `level`, with a dropped into it. */
mzv_status mzv_circuit_at(mzv_evaluator *ev, const mzv_cipher **view, mzv_cipher *room, const mzv_cipher *a,
                          uint32_t level) MZV_MUST_CHECK;

/* *view = a where a is at level `need` or above, else `room`, taken from the arena, holding a refreshed by
 * the evaluator's refresh. Circuits deeper than the chain call it before each of their parts, where few slots
 * are large: every |slot| of a must be at most ev->refresh->magnitude. MZV_ERR_LEVEL: no refresh, or it
 * reaches less than `need`. */
mzv_status mzv_circuit_fresh(mzv_evaluator *ev, const mzv_cipher **view, mzv_cipher *room,
                             const mzv_cipher *a, uint32_t need) MZV_MUST_CHECK;

/* One run of a circuit on inputs at levels in_level[0 .. n_in-1]: out = circuit(in[0 .. n_in-1]). */
#define MZV_CIRCUIT_INPUTS 8
typedef struct mzv_circuit_call {
    mzv_status (*run)(void *user, mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *in);
    void *user;
    uint32_t n_in; /* 1 .. MZV_CIRCUIT_INPUTS */
    uint32_t in_level[MZV_CIRCUIT_INPUTS];
} mzv_circuit_call;

typedef struct mzv_circuit_cost {
    mzv_counts counts; /* of one run, batch 1 */
    uint32_t levels;   /* from the lowest input to the output; 0 where the output is refreshed above it */
} mzv_circuit_cost;

/* Runs the call on a `count` evaluator of `params` with that refresh (NULL is allowed). */
mzv_status mzv_circuit_measure_refreshed(mzv_circuit_cost *cost, mzv_key_request *request,
                                         const mzv_params *params, const mzv_circuit_call *call,
                                         const mzv_refresh *refresh) MZV_MUST_CHECK;

/* Runs the call on a `count` evaluator of `params`; `request` (NULL is allowed) receives the keys it used. */
mzv_status mzv_circuit_measure(mzv_circuit_cost *cost, mzv_key_request *request, const mzv_params *params,
                               const mzv_circuit_call *call) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
