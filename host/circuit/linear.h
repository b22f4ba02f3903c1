/* Linear transforms of the slots by diagonals, baby and giant steps [HS18, BMTH21]:
 *     out_i = sum_{d < n_diagonals} diagonal_d[i] a_{i + (first + d) step}    (slots modulo n_slots).
 * A matrix M on n_slots slots has diagonal_d[i] = M[i][i + d] with step 1; a matrix on the channel index of a
 * packed tensor has the stride of that index as its step. */
#ifndef MZV_CIRCUIT_LINEAR_H
#define MZV_CIRCUIT_LINEAR_H
#include "circuit/circuit.h"
#ifdef __cplusplus
extern "C" {
#endif

typedef struct mzv_transform mzv_transform;

typedef struct mzv_transform_spec {
    /* slots[0 .. n_slots-1] = diagonal d; they come as zeros. Called twice for each d < n_diagonals (zeros
     * are found before baby steps are chosen) and must answer the same. */
    mzv_status (*diagonal)(void *user, mzv_complex *slots, uint32_t d);
    void *user;
    uint32_t n_diagonals;
    int32_t step;    /* slots between neighbouring diagonals, 1 <= |step| */
    uint32_t n_baby; /* a power of two, or 0: the cheapest */
    int32_t first;   /* 0 unless diagonals lie on both sides of the main one */
} mzv_transform_spec;

typedef struct mzv_transform_facts {
    uint32_t level, n_baby, n_giant;
    uint32_t n_diagonals; /* not all zero, hence encoded */
    uint32_t n_rotations; /* baby steps used, the one that does not move excluded */
    uint32_t n_keys;      /* of rotations, the giant one included */
    double cost;          /* in key switches, by mzv_transform_cost */
} mzv_transform_facts;

/* What a transform costs in key switches: a hoisted baby step shares its ModUp and ModDown with the others
 * and is about 0.3 of one; each giant step of Horner's scheme is one. */
double mzv_transform_cost(uint32_t n_rotations, uint32_t n_giant);

/* Encodes every diagonal that is not zero for products at `level` >= 1, on ev's kind. MZV_ERR_ARGUMENT: no
 * diagonals, diagonals that meet (n_diagonals |step| > n_slots), n_baby not a power of two, or all diagonals
 * zero. */
mzv_status mzv_transform_create(mzv_transform **out, mzv_evaluator *ev, uint32_t level,
                                const mzv_transform_spec *spec) MZV_MUST_CHECK;
void mzv_transform_destroy(mzv_transform *t); /* NULL is allowed; before the evaluator */

const mzv_transform_facts *mzv_transform_about(const mzv_transform *t);

/* Keeps every diagonal's values modulo all primes, so that runs skip their transforms: 8N bytes for each limb
 * and special prime of each diagonal. Does nothing on clear and count. */
mzv_status mzv_transform_keep(mzv_transform *t) MZV_MUST_CHECK;

/* Keeps those whose slots repeat (mzv_plain_keep_compact): a small part of that memory. */
mzv_status mzv_transform_keep_compact(mzv_transform *t) MZV_MUST_CHECK;

/* Rotations by the baby steps used and by the giant step, at the transform's level. */
mzv_status mzv_transform_request(const mzv_transform *t, mzv_key_request *request) MZV_MUST_CHECK;

/* The plan itself, for mzv_linear_split. Valid as long as t. */
const mzv_bsgs *mzv_transform_bsgs(const mzv_transform *t);

/* out = transform of a, one level below the transform's; a is at that level or higher. */
mzv_status mzv_transform_run(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a,
                             const mzv_transform *t) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
