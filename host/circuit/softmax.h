/* Softmax over a dimension of the slots: p_j = exp(x_j) / sum_i exp(x_i) within each group, in the slots of
 * its data.
 *
 * Layout. Position j of a group is j * stride slots from its start; groups of `group` positions follow each
 * other over n_slots; positions j < count hold data. Sums go by the plans of fold.h:
 *
 *   one group, full, a power of two:  mzv_fold_cyclic
 *   at least half of a group empty:   mzv_fold_window
 *   else mzv_fold_first, a product that selects position 0 (a level), and the same steps back
 *
 * Masks. Positions without data, x arbitrary there (but of the size of data), do not count and give 0: those
 * beyond `count` always, others where a mask says so. A mask costs no level in the clear: the map of x to the
 * exponential's input becomes a product by a vector that sends dead positions to the lower end, and what the
 * exponential is there, a known number, is taken off. From the client, as a ciphertext of zeros and ones, it
 * takes one level (MZV_SOFTMAX_NEXUS: two). A group that is masked altogether gives 0 everywhere.
 *
 * Methods. W = hi - lo, n = count; every method holds on all of [lo, hi] and knows no maximum but its own.
 *
 * MZV_SOFTMAX_DEFAULT. y = exp((x - hi) / 2^j), y <- y / S, then j times y <- y^2 / S, S the group's sum of
 * what it divides: the exponents double each time, and after the first division S lies in [1/n, 1], whatever
 * the scores (the normalise-and-square of [CHKPS24], with these differences).
 *
 * - All divisions but the last may be wrong by a common factor, which the next one takes off again. So they
 * use the least number of doublings of the optimal 1/S of inverse.h that keeps sums within a few tenths: 4 or
 * 5 for n = 128, where a division of full accuracy takes 7.
 *
 * - y^2 / S, not (y S^-1/2)^2: y^2 goes as one more factor into the product that 1/S is, u = shift - S is the
 * first factor, and sums are kept at a size at which the map of S to u is a subtraction. A round of k
 * doublings takes 1 + k levels; with an inverse square root of as many, k + 3, or k + 4 where its map is not
 * merged.
 *
 * - Small y^2 would be lost in noise, which [CHKPS24] avoid by the root: (n y) y is, at no level, n times as
 * large.
 *
 * - j and the doublings are those of fewest levels whose predicted error by noise leaves the target alone; j
 * = 0 is exp and one division, as nn/attention has it.
 *
 * It is the default because it takes the fewest levels and key switches of the three: 36 and 111 at W = 128,
 * n = 128, target 1e-3, against 46 and 123, 173 and 228 (docs/functions.md).
 *
 * MZV_SOFTMAX_SQUARE. [CHKPS24]: y = exp((x - hi) / 2^j), then j times y <- (y S^-1/2)^2, S = sum y^2, the
 * root a polynomial; 2^j is at least W / ln n, twice that where there are masks. Intermediate roots may be
 * off here too.
 *
 * MZV_SOFTMAX_NEXUS. [ZYH+25]: m by QuickMax; exp(x - m) ~ (1 + (x - m) / 2^r)^(2^r), r = 6; the sum; its
 * inverse by Goldschmidt's iteration [Gol64]. Corrected: r grows until 2^r reaches beyond W, below which the
 * power comes up again (at x - m = -128 it is 1 for r = 6), and until the target is met (of exp(x - m) the
 * power is off by up to 0.27 / 2^r, 4.2e-3 for r = 6; of a probability by up to 3.2 / 2^r for n = 128); m is
 * raised by QuickMax's error, so that no base exceeds 1; the iteration starts at 2 / (lowest + highest sum)
 * and runs for as long as the target asks at both ends, where NEXUS's own code is off by 72 % at a sum of 1.
 *
 * Levels. Each part (mzv_softmax_facts.deepest is that of most levels) begins with mzv_circuit_fresh: any
 * depth works with an evaluator that refreshes, all refreshed slots being at most 1 in size; MZV_ERR_LEVEL
 * without. Refreshing y adds its error to values that may be as small as 2 / n and are then doubled in every
 * round left: plans of few rounds suffer least. With errors of deviation 2^-17, refreshed to 16 levels, [-64,
 * 64] and n = 128, probabilities are off by 2^-8.8 at worst and 2^-15.8 on average. */
#ifndef MZV_CIRCUIT_SOFTMAX_H
#define MZV_CIRCUIT_SOFTMAX_H
#include "circuit/compare.h"
#include "circuit/exp.h"
#ifdef __cplusplus
extern "C" {
#endif

#define MZV_SOFTMAX_MAX_ROUNDS 12

typedef struct mzv_softmax mzv_softmax;

typedef enum mzv_softmax_method {
    MZV_SOFTMAX_DEFAULT,
    MZV_SOFTMAX_SQUARE,
    MZV_SOFTMAX_NEXUS
} mzv_softmax_method;

typedef enum mzv_softmax_mask_kind {
    MZV_SOFTMAX_ALL,   /* positions j < count of every group are data */
    MZV_SOFTMAX_CLEAR, /* mzv_softmax_mask.alive says which are */
    MZV_SOFTMAX_HIDDEN /* mzv_softmax_mask.cipher says it, encrypted */
} mzv_softmax_mask_kind;

typedef struct mzv_softmax_spec {
    double lo, hi;                 /* interval of the scores; hi - lo up to 512 */
    uint32_t n_slots;              /* of the ciphertexts */
    uint32_t stride, count, group; /* the layout above; group * stride divides n_slots, 2 <= count <= 4096 */
    double target;                 /* largest error of a probability, before noise; 2^-30 <= target <= 1/4 */
    double noise; /* deviation of a slot's error after a product (mzv_noise_mul), for plans; 0: 2^-26 */
    uint32_t part_levels; /* no part is to be deeper; 0: no limit. MZV_SOFTMAX_DEFAULT only */
    mzv_softmax_method method;
    mzv_softmax_mask_kind mask;
} mzv_softmax_spec;

typedef struct mzv_softmax_facts {
    uint32_t rounds;     /* j; of QuickMax for MZV_SOFTMAX_NEXUS */
    uint32_t exp_degree; /* of the polynomial; 1 for MZV_SOFTMAX_NEXUS */
    uint32_t squarings;  /* of the exponential; r of MZV_SOFTMAX_NEXUS */
    uint32_t
        doublings[MZV_SOFTMAX_MAX_ROUNDS + 1]; /* of each division: log2 of its polynomial's degree plus 1 */
    uint32_t n_divisions;
    uint32_t levels;       /* from x, without refreshing */
    uint32_t deepest;      /* levels of the deepest part; QuickMax, which refreshes on its way, not counted */
    uint32_t n_key_switch; /* without refreshing */
    double noise_gain; /* predicted error of a probability for an error of 1 in each slot, at its worst row */
    double error; /* largest error of a probability, measured by mzv_softmax_value on rows chosen to be hard;
                   * at most the target */
} mzv_softmax_facts;

/* Which slots hold data; what the kind of the spec needs, else NULL. */
typedef struct mzv_softmax_mask {
    const bool *alive; /* n_slots */
    const mzv_cipher
        *cipher; /* 1 or 0 in every slot, 0 in the positions from `count` on; at x's level or above */
} mzv_softmax_mask;

/* MZV_ERR_ARGUMENT names the member out of its range; MZV_ERR_PRECISION: the target cannot be met. Takes some
 * tenths of a second. */
mzv_status mzv_softmax_create(mzv_softmax **out, const mzv_softmax_spec *spec) MZV_MUST_CHECK;
void mzv_softmax_destroy(mzv_softmax *s); /* NULL is allowed */

const mzv_softmax_facts *mzv_softmax_about(const mzv_softmax *s);
uint32_t mzv_softmax_levels(const mzv_softmax *s);
/* What the circuit computes from one group's scores x[0 .. count-1], without the noise of CKKS. alive[j] says
 * which are data; NULL: all. */
void mzv_softmax_value(const mzv_softmax *s, long double *p, const double *x, const bool *alive);

/* Rotations and relinearisation for x at `level`; where the evaluator refreshes, for the level that this
 * gives: pass the higher of both. */
mzv_status mzv_softmax_request(const mzv_softmax *s, mzv_key_request *request, uint32_t level) MZV_MUST_CHECK;

/* out = softmax of x, mzv_softmax_levels below x where nothing is refreshed. `mask` is NULL for
 * MZV_SOFTMAX_ALL. x lies at level 1 (MZV_SOFTMAX_HIDDEN: 2) or above; where the evaluator has to refresh, as
 * many levels higher as that needs. */
mzv_status mzv_softmax_run(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *x,
                           const mzv_softmax_mask *mask, const mzv_softmax *s) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
