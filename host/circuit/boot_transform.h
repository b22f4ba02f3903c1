/* CoeffToSlot and SlotToCoeff: the special FFT of the encoding as a few linear transforms of the slots, radix
 * steps of consecutive FFT stages [CHKKS18a], [CHH18], [BMTH21].
 *
 * For m slots (repeated with period m where m < n_slots) decoding is z = F_m ... F_4 F_2 R w: R reverses
 * bits, the stage of 2h points takes (a, b), h slots apart, to (a + r_j b, a - r_j b), j = position modulo h,
 * r_j = exp(2 pi i (5^j mod 8h) / 8h). R is left out on both ways, since all between them is done slot by
 * slot:
 *
 *     CoeffToSlot   F_2^-1 ... F_m^-1 z = R w
 *     SlotToCoeff   F_m ... F_2 (R w) = z
 *
 * A group of g stages, the smallest of h slots, has 2^(g+1) - 1 diagonals h apart, or 2^g where it holds the
 * largest stage, whose offsets close on themselves. */
#ifndef MZV_CIRCUIT_BOOT_TRANSFORM_H
#define MZV_CIRCUIT_BOOT_TRANSFORM_H
#include "circuit/linear.h"
#ifdef __cplusplus
extern "C" {
#endif

#define MZV_BOOT_MAX_GROUPS 8
#define MZV_BOOT_MAX_RADIX 256 /* 2^stages of a group */

typedef struct mzv_boot_transform {
    uint32_t n_groups;
    mzv_transform *group[MZV_BOOT_MAX_GROUPS]; /* in the order of their runs */
} mzv_boot_transform;

typedef enum mzv_boot_direction { MZV_COEFF_TO_SLOT, MZV_SLOT_TO_COEFF } mzv_boot_direction;

typedef struct mzv_boot_transform_spec {
    mzv_boot_direction direction;
    uint32_t n_slots;  /* m, a power of two, 2 <= m <= the evaluator's slots */
    uint32_t level;    /* of the input; every group takes one */
    uint32_t n_groups; /* <= log2(m), <= MZV_BOOT_MAX_GROUPS */
    double factor;     /* the whole is multiplied by it, spread evenly over the groups */
    /* NULL, or a factor for every slot, period 2m at most: of the result of CoeffToSlot or SlotToCoeff... */
    const mzv_complex *after;
    /* ...and of the input, before everything else. */
    const mzv_complex *before;
} mzv_boot_transform_spec;

/* Encodes all diagonals on ev's kind. `out` is all zero before; destroy it also after a failure. */
mzv_status mzv_boot_transform_create(mzv_boot_transform *out, mzv_evaluator *ev,
                                     const mzv_boot_transform_spec *spec) MZV_MUST_CHECK;
void mzv_boot_transform_destroy(mzv_boot_transform *t);
/* The values of all diagonals; or of those that repeat, which are all but those of the largest stages' group.
 */
mzv_status mzv_boot_transform_keep(mzv_boot_transform *t) MZV_MUST_CHECK;
mzv_status mzv_boot_transform_keep_compact(mzv_boot_transform *t) MZV_MUST_CHECK;

/* out = transform of a, n_groups levels below spec.level. */
mzv_status mzv_boot_transform_run(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a,
                                  const mzv_boot_transform *t) MZV_MUST_CHECK;
/* out = 2 Re of it, and behind that 2 Im where out has twice the batch of a (mzv_linear_split). */
mzv_status mzv_boot_transform_split(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a,
                                    const mzv_boot_transform *t) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
