/* LayerNorm and RMSNorm over the channels of every token in a ciphertext:
 *     LAYER  y_c = gamma_c (x_c - mean) / sqrt(variance + epsilon) + beta_c
 *     RMS    y_c = gamma_c x_c / sqrt(mean of squares + epsilon) + beta_c
 *
 * Layout. A token's C channels lie `stride` slots apart; which slots they are, the fold of the spec says: it
 * brings the sum over a token's channels to each of them (fold.h). mzv_fold_cyclic where a power of two of
 * positions closes on itself, mzv_fold_window for any C and for groups with room beside. Tokens share a
 * ciphertext as the fold lets them. All other slots of x must hold zero.
 *
 * Masks. With a mask, slots where it is 0 hold zero afterwards, whatever gamma and beta say. A window fold
 * needs one: what it leaves beside the data is no variance, and the polynomial would explode on it. Without a
 * mask every slot is taken for data; padding in a cyclic fold gives gamma (0 - mean) y + beta, and tokens
 * that are absent, all zero, give beta.
 *
 * Variance = sum x^2 / C - (sum x / C)^2. From centred values it would be more precise where the mean exceeds
 * the deviation, but those are not zero beside the data, and masking them costs a level: here the mask and
 * the constants share one product. An error e in each slot of x^2 and in the mean's square is one of about e
 * (1 / sqrt(C) + 1) of the variance, e as large as the noise at values of the size of x^2: keep x of the size
 * of 1 to 100, and mind that mean^2 far above hi loses as many bits as it is larger.
 *
 * Levels, from x: one for squares, one for the variance's form t in [-1, 1] with 1/C, epsilon, mask and the
 * map of [lo, hi] merged in, then those of mzv_inverse_root_apply, whose product with gamma (x - mean) is
 * merged with the last step. gamma, its mask and 1/C cost none: that product is ready levels before. beta is
 * added. RMS without a mask saves the second level where x comes times mzv_norm_free_gain, merged into what
 * makes x. A LAYER whose inputs were centred by the weights before it (W - its column means) is an RMS.
 *
 * MZV_INVERSE_ROOT_NEXUS gives the LayerNorm of [ZYH+25]: first guess, Newton's and Goldschmidt's steps of
 * inverse_root.h, in the number that the whole interval needs; the mean, which the public code leaves out, is
 * subtracted, and epsilon is there.
 *
 * Refreshing. t is refreshed where the inverse root has too few levels (and its values on the way), gamma (x
 * - mean) never: the result ends at least two levels below x, and x needs facts.needs. |t| is at most 1 on
 * the interval, 0 beside a mask, and (hi + lo) / (hi - lo) for a token of zeros, epsilon included. */
#ifndef MZV_CIRCUIT_NORM_H
#define MZV_CIRCUIT_NORM_H
#include "circuit/fold.h"
#include "circuit/inverse_root.h"
#ifdef __cplusplus
extern "C" {
#endif

typedef struct mzv_norm mzv_norm;

typedef enum mzv_norm_kind { MZV_NORM_LAYER, MZV_NORM_RMS } mzv_norm_kind;

typedef struct mzv_norm_spec {
    mzv_norm_kind kind;
    uint32_t n_channels; /* C */
    mzv_fold fold;
    /* Slot patterns, n_pattern numbers each, repeated over the slots; n_pattern divides their number. */
    uint32_t n_pattern;
    const double *mask;  /* of 0 and 1, or NULL: all 1 */
    const double *gamma; /* or NULL: all 1 */
    const double *beta;  /* or NULL: all 0 */
    double epsilon;      /* 0 or more */
    double lo, hi;       /* interval of the variance (RMS: mean of squares), without epsilon; 0 <= lo */
    double target;       /* largest relative error of the inverse root on it, hence of y - beta */
    double input_gain;   /* the ciphertext holds input_gain x; 1 for x itself */
    uint32_t steps;      /* of the inverse root, or MZV_INVERSE_ROOT_AUTO */
    mzv_inverse_root_recipe recipe;
} mzv_norm_spec;

typedef struct mzv_norm_facts {
    uint32_t level;              /* of x, as created */
    uint32_t end;                /* level of the result */
    uint32_t levels;             /* without refreshing */
    uint32_t needs;              /* least level of x: levels, or less where values are refreshed */
    mzv_inverse_root_facts root; /* largest and below in units of its own gain */
} mzv_norm_facts;

/* input_gain for which RMS without a mask takes a level less. MZV_ERR_ARGUMENT as mzv_norm_create. */
mzv_status mzv_norm_free_gain(double *gain, const mzv_norm_spec *spec) MZV_MUST_CHECK;

/* For x at `level` or above; encodes its patterns on ev's kind, copies nothing else. Where ev refreshes, it
 * must do so already. MZV_ERR_ARGUMENT names the member out of its range; MZV_ERR_LEVEL: `level` does not
 * suffice; MZV_ERR_PRECISION as mzv_inverse_root_create. */
mzv_status mzv_norm_create(mzv_norm **out, mzv_evaluator *ev, uint32_t level,
                           const mzv_norm_spec *spec) MZV_MUST_CHECK;
void mzv_norm_destroy(mzv_norm *norm); /* NULL is allowed; before the evaluator */

const mzv_norm_facts *mzv_norm_about(const mzv_norm *norm);
/* What the circuit makes of one token, without the noise of CKKS: y[c] of x[c], gamma = 1 and beta = 0. */
void mzv_norm_value(const mzv_norm *norm, long double *y, const long double *x);

/* Rotations and relinearisation, at the level of creation (or the one refreshing gives, where higher). */
mzv_status mzv_norm_request(const mzv_norm *norm, mzv_key_request *request) MZV_MUST_CHECK;

/* out = the norm of x at facts.end; x is at facts.level or higher. */
mzv_status mzv_norm_run(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *x,
                        const mzv_norm *norm) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
