/* Sums over slots by rotate-and-add in logarithmic steps ("QuickSum"). A fold takes no level.
 *
 * A fold by the steps s_1, s_2, ... adds to every slot i the slots i + o for all sums o of a subset of the
 * steps: with steps e_k 2^k stride, e_k = 1 or -1, k < m, each offset of a window of 2^m positions exactly
 * once. */
#ifndef MZV_CIRCUIT_FOLD_H
#define MZV_CIRCUIT_FOLD_H
#include "circuit/circuit.h"
#ifdef __cplusplus
extern "C" {
#endif

#define MZV_FOLD_MAX_ROUNDS 17

/* A plan; a plain value. Round r: a += sum of a rotated by each of steps[r][0 .. n_steps[r]-1]. */
typedef struct mzv_fold {
    uint32_t n_rounds;
    uint32_t n_steps[MZV_FOLD_MAX_ROUNDS]; /* 1 (radix 2) or 3 (radix 4) */
    int32_t steps[MZV_FOLD_MAX_ROUNDS][3];
} mzv_fold;

/* Radix of a round. Radix 4 takes two steps s, t at once as the rotations s, t, s + t, which share a ModUp
 * and a ModDown: about 1.6 key switches instead of 2, and three keys instead of two. 0 stands for 4. */
typedef enum mzv_fold_radix {
    MZV_FOLD_CHEAPEST = 0,
    MZV_FOLD_RADIX_2 = 2,
    MZV_FOLD_RADIX_4 = 4
} mzv_fold_radix;

/* Total over a dimension that closes on itself: count positions, `stride` slots apart, where count * stride
 * is n_slots, or the slots repeat with that period. Every slot gets its total. count: a power of two. */
mzv_status mzv_fold_cyclic(mzv_fold *out, uint32_t stride, uint32_t count,
                           mzv_fold_radix radix) MZV_MUST_CHECK;

/* Total over a group, into every slot that has data. Position j of a group is j * stride slots from its
 * start; groups of `group` positions follow each other and close on themselves over n_slots (one group may be
 * all). Only positions j < used hold data, the rest is zero. Afterwards every position j < used holds the sum
 * of its group; positions from `used` on hold partial sums of no meaning.
 *
 * With T = used and h the least power of two >= T it needs h + T <= group (or T = 1): group >= 2 T suffices
 * when group is a power of two. For T > 1 the steps 1, 2, .., h/2 and -h reach the offsets [-h, h - 1], each
 * once, and that window
 *
 * - covers the group: from j < T its data lie at offsets [-j, T-1-j], inside [-(T-1), T-1], and T <= h;
 *
 * - meets no other data: that of the next group starts at offset group - j >= group - T + 1 >= h + 1, that of
 *   the last group ends at (T - 1) - group - j <= T - 1 - group <= -h - 1. */
mzv_status mzv_fold_window(mzv_fold *out, uint32_t stride, uint32_t used, uint32_t group,
                           mzv_fold_radix radix) MZV_MUST_CHECK;

/* Total over a group into its position 0 only, with one step less: the window [0, h - 1]. Needs h <= group,
 * by the same argument; all other positions hold partial sums of no meaning. */
mzv_status mzv_fold_first(mzv_fold *out, uint32_t stride, uint32_t used, uint32_t group,
                          mzv_fold_radix radix) MZV_MUST_CHECK;

mzv_status mzv_fold_request(const mzv_fold *fold, mzv_key_request *request, uint32_t level) MZV_MUST_CHECK;

/* out = fold of a, at a's level. */
mzv_status mzv_fold_run(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a,
                        const mzv_fold *fold) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
