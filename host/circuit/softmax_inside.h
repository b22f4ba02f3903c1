/* The inside of a softmax: its layout, its divisions, its methods. circuit/softmax*.c only. */
#ifndef MZV_CIRCUIT_SOFTMAX_INSIDE_H
#define MZV_CIRCUIT_SOFTMAX_INSIDE_H
#include "circuit/softmax.h"
#ifdef __cplusplus
extern "C" {
#endif

#define MZV_DIVISION_MAX_DOUBLINGS 20

/* Which slots meet. */
typedef struct mzv_groups {
    uint32_t n_slots, stride, count, group;
    mzv_fold fold; /* totals into every position with data; where `selects`, into position 0 */
    mzv_fold back; /* from position 0 into the others */
    bool selects;  /* a level more for every sum */
    uint32_t room; /* dead positions may hold the sums of so many groups: 1 or 2 */
} mzv_groups;

/* How the total S becomes the u = shift - slope S that a division takes. */
typedef struct mzv_sum_map {
    double slope, shift;
    bool integral; /* the slope is an integer, and no level is needed for it; not where groups.selects */
} mzv_sum_map;

typedef enum mzv_division_kind {
    MZV_DIVISION_PRODUCT,    /* y or y^2, times the factors of the optimal 1/S */
    MZV_DIVISION_ROOT,       /* (y r(S))^2, r ~ S^-1/2 a polynomial, S of y^2 */
    MZV_DIVISION_GOLDSCHMIDT /* y (1 + u)(1 + u^2)(1 + u^4) .., u = 1 - slope S */
} mzv_division_kind;

/* y <- gain y^e / S within each group, e = 1 or 2 (`squares`), S the sum of y^e; sums become gain (1 + d),
 * |d| <= residual. S lies in [lo, hi]. */
typedef struct mzv_division {
    mzv_division_kind kind;
    bool squares;
    double lo, hi, gain, residual;
    mzv_sum_map map;
    uint32_t boost;     /* y^2 is computed as (boost y) y; 1: not */
    uint32_t doublings; /* k: 2^k - 1 is the polynomial's degree */
    uint32_t levels, n_key_switch;
    /* PRODUCT: u + first, then w + factor[i] for w = U_{2^(i-1)}^2; U_{2^i} = 2 w - power[i - 1]. */
    double first, factor[MZV_DIVISION_MAX_DOUBLINGS], power[MZV_DIVISION_MAX_DOUBLINGS];
    double coeff[1u << 9]; /* ROOT: of r, in the Chebyshev basis of u */
    mzv_polynomial *root;
} mzv_division;

struct mzv_softmax {
    mzv_softmax_spec spec;
    mzv_softmax_facts facts;
    mzv_groups groups;
    mzv_affine input; /* of x, into what exp or QuickMax takes */
    double dead;      /* that in positions without data */
    mzv_exp *exp;
    double dead_value; /* of the exponential there */
    mzv_division division[MZV_SOFTMAX_MAX_ROUNDS + 1];
    /* MZV_SOFTMAX_NEXUS */
    mzv_quickmax *max;
    mzv_affine base; /* 1 + (x - m) / 2^r = base.scale (v_x - v_m) + base.shift */
};

/* ---- softmax_groups.c ---- */

mzv_status mzv_groups_make(mzv_groups *out, const mzv_softmax_spec *spec) MZV_MUST_CHECK;
mzv_status mzv_groups_request(const mzv_groups *g, mzv_key_request *request, uint32_t level) MZV_MUST_CHECK;
uint32_t mzv_groups_key_switches(const mzv_groups *g); /* of one sum */
/* *u = shift - slope (sum of a over its group), taken from the arena: at a's level, or one below. */
mzv_status mzv_groups_sum(mzv_evaluator *ev, mzv_cipher *u, const mzv_cipher *a, const mzv_groups *g,
                          const mzv_sum_map *map) MZV_MUST_CHECK;
/* a = a in position 0 of its group, in all others that hold data; one level below. */
mzv_status mzv_groups_spread(mzv_evaluator *ev, mzv_cipher *a, const mzv_groups *g,
                             double scale) MZV_MUST_CHECK;

/* out = scale x + shift where there is data, `dead` elsewhere; one level below x, or two (HIDDEN). */
mzv_status mzv_softmax_place(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *x,
                             const mzv_softmax_mask *mask, const mzv_softmax *s) MZV_MUST_CHECK;
/* a = a - dead_value where there is no data; a's level. */
mzv_status mzv_softmax_bury(mzv_evaluator *ev, mzv_cipher *a, const mzv_softmax_mask *mask,
                            const mzv_softmax *s) MZV_MUST_CHECK;
/* out = scale a + shift where there is data, 0 elsewhere; one level below a, or two (HIDDEN). */
mzv_status mzv_softmax_keep(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, mzv_affine u,
                            const mzv_softmax_mask *mask, const mzv_softmax *s) MZV_MUST_CHECK;
/* True where dead positions exist, so that place, bury and keep have work. */
bool mzv_softmax_masks(const mzv_softmax *s);

/* Brings a, which has room for it, to the level that a part needs: where the `rest` of the circuit does not
 * fit below that part, it leaves the level from which refreshing is possible. */
mzv_status mzv_softmax_fresh(mzv_evaluator *ev, mzv_cipher *a, uint32_t part, uint32_t rest) MZV_MUST_CHECK;

/* ---- softmax_division.c ---- */

/* 1 / T_D(t0), D = 2^k: the least residual of 1/S on [lo, hi]. */
long double mzv_division_residual(long double lo, long double hi, uint32_t k);
/* On [c a, c b], of the kind PRODUCT. slope > 0: c is what makes the map's slope that integer; 0: c is given
 * and the slope is what it comes to. */
void mzv_division_product(mzv_division *d, double a, double b, uint32_t slope, double c);
/* Of the kind ROOT, on [lo, hi]: the least k whose residual is within `target`. */
mzv_status mzv_division_root(mzv_division *d, double target) MZV_MUST_CHECK;
/* Of the kind GOLDSCHMIDT, on [lo, hi]. */
void mzv_division_goldschmidt(mzv_division *d, double target);
/* Levels and key switches, once all else is set. */
void mzv_division_cost(mzv_division *d, const mzv_groups *g);
void mzv_division_value(const mzv_division *d, long double *y, uint32_t n);
/* y is at d->levels or above. */
mzv_status mzv_division_run(mzv_evaluator *ev, mzv_cipher *y, const mzv_division *d,
                            const mzv_groups *g) MZV_MUST_CHECK;

/* ---- softmax.c ---- */

/* Of all divisions from number `first` on. */
uint32_t mzv_divisions_levels(const mzv_softmax *s, uint32_t first);

/* ---- softmax_plan.c, softmax_nexus.c ---- */

mzv_status mzv_softmax_plan_default(mzv_softmax *s) MZV_MUST_CHECK;
mzv_status mzv_softmax_plan_square(mzv_softmax *s) MZV_MUST_CHECK;
mzv_status mzv_softmax_plan_nexus(mzv_softmax *s) MZV_MUST_CHECK;
void mzv_softmax_nexus_value(const mzv_softmax *s, long double *y, const double *x, const bool *alive);
/* y = exp(x - m), 0 in dead positions; y has room for every level. */
mzv_status mzv_softmax_nexus_run(mzv_evaluator *ev, mzv_cipher *y, const mzv_cipher *x,
                                 const mzv_softmax_mask *mask, const mzv_softmax *s) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
