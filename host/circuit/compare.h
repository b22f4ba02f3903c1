/* The larger of two values, the largest of many slots (QuickMax), and where it is (argmax, one-hot).
 *
 * All on v = scale x + shift (mzv_max_affine and its likes), which maps [lo, hi] to [0, 1] but for a margin,
 * so that differences are what a polynomial takes, and results are inputs again. Two ways:
 *
 * - max(a, b) = b + p(a - b), p(u) - u/2 the even polynomial nearest to |u| / 2: of degree d it is off by at
 *   most 0.1401 / d times the widest difference [VC85], and no composition of that degree by less, so that it
 *   takes the fewest levels. MZV_SIGN_MINIMAX up to degree MZV_MAX_DEGREE, about 1/3600 of the interval.
 *
 * - max(a, b) = b + (a - b) (1 + sgn(a - b)) / 2, one product above a sign whose gain and shift are 1/2. With
 *   |a - b| in the gap the result lies between mean and maximum, too low by at most (1 - s) |a - b| / 2 with
 *   the sign's value s >= 0; outside it is off by at most error |a - b| / 2. The gap is as wide as the target
 *   allows. MZV_SIGN_NEXUS, and targets that are smaller.
 *
 * Levels. Each max takes mzv_max_levels. Where they do not suffice and the evaluator refreshes
 * (mzv_circuit_fresh), the input of a round is refreshed, and the sign's values on the way where one
 * refreshing is not enough for it; else the run fails with MZV_ERR_LEVEL. Values that are refreshed are at
 * most 1. */
#ifndef MZV_CIRCUIT_COMPARE_H
#define MZV_CIRCUIT_COMPARE_H
#include "circuit/fold.h"
#include "circuit/sign.h"
#ifdef __cplusplus
extern "C" {
#endif

/* ---- max ---- */

#define MZV_MAX_DEGREE 510

typedef struct mzv_max mzv_max;

typedef struct mzv_max_spec {
    double lo, hi;   /* interval of the inputs */
    double target;   /* largest error of one max, in units of x; 2^-24 <= target / (hi - lo) <= 1/4 */
    uint32_t rounds; /* one after the other, results being inputs again; the margin is for as many. 1 .. 17 */
    double noise;    /* of differences of v and of the sign's values on the way, see sign.h */
    mzv_sign_recipe recipe; /* MZV_SIGN_NEXUS: always by its sign */
} mzv_max_spec;

typedef struct mzv_max_facts {
    uint32_t levels, n_key_switch, n_products; /* of one max */
    uint32_t degree;                           /* of the one polynomial; 0: by a sign */
    double gap;                                /* of the sign, in units of x; 0 without */
    double error; /* of one max at most, in units of x: from the measured error of the polynomial, or of the
                   * sign outside the gap and on 4,096 steps inside it; n in a row are off by at most n times
                   * it */
} mzv_max_facts;

/* MZV_ERR_ARGUMENT names the member out of its range; MZV_ERR_PRECISION as mzv_sign_create. */
mzv_status mzv_max_create(mzv_max **out, const mzv_max_spec *spec) MZV_MUST_CHECK;
void mzv_max_destroy(mzv_max *max); /* NULL is allowed */

const mzv_max_facts *mzv_max_about(const mzv_max *max);
const mzv_sign_facts *mzv_max_sign(const mzv_max *max); /* NULL where one polynomial does it */
mzv_affine mzv_max_affine(const mzv_max *max);          /* v of x */
mzv_affine mzv_max_back(const mzv_max *max);            /* x of v */
uint32_t mzv_max_levels(const mzv_max *max);
/* What the circuit computes from a and b, in units of x, without the noise of CKKS. */
long double mzv_max_value(const mzv_max *max, long double a, long double b);

/* Relinearisation for inputs at `level` (or the level that refreshing gives, where higher). */
mzv_status mzv_max_request(const mzv_max *max, mzv_key_request *request, uint32_t level) MZV_MUST_CHECK;
/* out = v of the maximum, from a and b in the form v and at one level. Where the evaluator refreshes and
 * levels do not suffice, it does so inside the sign, and with a and b where that is not enough. */
mzv_status mzv_max_run(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_cipher *b,
                       const mzv_max *max) MZV_MUST_CHECK;

/* ---- QuickMax ---- */

typedef struct mzv_quickmax mzv_quickmax;

typedef struct mzv_quickmax_spec {
    double lo, hi; /* interval of the data */
    double target; /* largest error of the result, in units of x */
    double noise;
    mzv_sign_recipe recipe;
    mzv_fold fold;      /* which slots meet: mzv_fold_cyclic, _window or _first, MZV_FOLD_RADIX_2 */
    const double *mask; /* n_mask slots, copied: 1 where there is data, 0 where lo is to stand; or NULL */
    uint32_t n_mask;    /* the mask repeats with this period; it divides the number of slots */
} mzv_quickmax_spec;

typedef struct mzv_quickmax_facts {
    uint32_t rounds;
    uint32_t levels; /* of mzv_quickmax_run without refreshing */
    uint32_t n_key_switch, n_products;
    double gap;   /* of the sign of each round, in units of x; 0 without a sign */
    double error; /* of the result at most, in units of x: rounds times that of one max */
} mzv_quickmax_facts;

/* As mzv_max_create; a fold of no rounds or not of radix 2, a mask that is not of zeros and ones:
 * MZV_ERR_ARGUMENT. */
mzv_status mzv_quickmax_create(mzv_quickmax **out, const mzv_quickmax_spec *spec) MZV_MUST_CHECK;
void mzv_quickmax_destroy(mzv_quickmax *q); /* NULL is allowed */

const mzv_quickmax_facts *mzv_quickmax_about(const mzv_quickmax *q);
const mzv_max *mzv_quickmax_max(const mzv_quickmax *q); /* that of each round */
mzv_affine mzv_quickmax_affine(const mzv_quickmax *q);  /* v of x */
mzv_affine mzv_quickmax_back(const mzv_quickmax *q);    /* x of v */
uint32_t mzv_quickmax_levels(const mzv_quickmax *q);

/* Rotations and relinearisation for v at `level` (or the level that refreshing gives, where higher). */
mzv_status mzv_quickmax_request(const mzv_quickmax *q, mzv_key_request *request,
                                uint32_t level) MZV_MUST_CHECK;
/* out = v of x, one level below x: the affine form and the mask in one product. Without a mask a caller may
 * merge mzv_quickmax_affine into what makes x instead. */
mzv_status mzv_quickmax_prepare(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *x,
                                const mzv_quickmax *q) MZV_MUST_CHECK;
/* out = v of the maximum over the slots that the fold brings together, in the slots where that fold has its
 * total; from v. */
mzv_status mzv_quickmax_run(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *v,
                            const mzv_quickmax *q) MZV_MUST_CHECK;

/* ---- argmax ---- */

typedef struct mzv_argmax mzv_argmax;

typedef struct mzv_argmax_spec {
    double lo, hi;   /* interval of the data */
    double distance; /* slots at least that far below the maximum give 0, in units of x */
    double target;   /* largest error of those zeros and of the ones; before noise */
    double noise;
    mzv_sign_recipe recipe;
    mzv_fold fold; /* as for QuickMax; cyclic or window, so that every slot has its maximum to compare with */
    const double
        *mask; /* as for QuickMax; slots without data that the fold brings together with data give 0 */
    uint32_t n_mask;
} mzv_argmax_spec;

typedef struct mzv_argmax_facts {
    uint32_t rounds;
    uint32_t levels; /* of mzv_argmax_run without refreshing */
    uint32_t n_key_switch, n_products;
    double max_error; /* largest error of the maximum compared with, in units of x */
    double gap;       /* of the last comparison, in units of x */
    double error;     /* largest of the zeros and ones, measured */
} mzv_argmax_facts;

/* The maximum M is known to max_error = m; a slot gives (1 + sgn(x - M + m + gap)) / 2, 1 for the largest and
 * 0 below it by 2 (m + gap) = distance. Slots nearer to the largest give a value between, which grows with
 * x - M, M differing from slot to slot by its errors; of two equal ones both give 1. MZV_ERR_ARGUMENT and
 * MZV_ERR_PRECISION as mzv_quickmax_create. */
mzv_status mzv_argmax_create(mzv_argmax **out, const mzv_argmax_spec *spec) MZV_MUST_CHECK;
void mzv_argmax_destroy(mzv_argmax *a); /* NULL is allowed */

const mzv_argmax_facts *mzv_argmax_about(const mzv_argmax *a);
const mzv_quickmax *mzv_argmax_quickmax(const mzv_argmax *a);
mzv_affine mzv_argmax_affine(const mzv_argmax *a); /* v of x */
uint32_t mzv_argmax_levels(const mzv_argmax *a);
/* What a slot with x gives where the maximum was found as m, in units of x. */
long double mzv_argmax_value(const mzv_argmax *a, long double x, long double m);

mzv_status mzv_argmax_request(const mzv_argmax *a, mzv_key_request *request, uint32_t level) MZV_MUST_CHECK;
/* out = v of x, as mzv_quickmax_prepare. */
mzv_status mzv_argmax_prepare(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *x,
                              const mzv_argmax *a) MZV_MUST_CHECK;
/* out = the one-hot vector, from v. */
mzv_status mzv_argmax_run(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *v,
                          const mzv_argmax *a) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
