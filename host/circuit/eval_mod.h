/* EvalMod: from v = I + e with an integer |I| <= K and a small e to a multiple of e.
 *
 * sin(2 pi v) = cos(2 pi (v - shift)), shift = 1/4 plus an integer. With u = v - shift, t = u / width in
 * [-1, 1] for |u| <= K + shift + |e|:
 *
 *     cos(2 pi u / 2^r) = J_0(a) + 2 sum_k (-1)^k J_2k(a) T_2k(t),  a = 2 pi width / 2^r  [AS64, 9.1.44-45]
 *
 * an even Chebyshev series cut at the degree where the rest is below the target, then r times
 * c -> 2 c^2 - 1 [HK20, 3]. That is s = sin(2 pi e) = 2 pi e (1 - (2 pi e)^2 / 6 + ..). Corrected, two levels
 * more: s (6 + s^2), 6 times the arcsine but for (3/40) s^5 [BMTH21, 5.3]. The argument stays real: for
 * complex slots it runs once for each part. */
#ifndef MZV_CIRCUIT_EVAL_MOD_H
#define MZV_CIRCUIT_EVAL_MOD_H
#include "circuit/polynomial.h"
#ifdef __cplusplus
extern "C" {
#endif

#define MZV_EVAL_MOD_MAX_DOUBLINGS 6

typedef struct mzv_eval_mod mzv_eval_mod;

typedef struct mzv_eval_mod_spec {
    uint32_t k;    /* K */
    double reach;  /* largest |e|, in (0, 1/4) */
    double target; /* largest error of sin, by the series */
    bool corrected;
    uint32_t levels; /* it may take */
} mzv_eval_mod_spec;

typedef struct mzv_eval_mod_facts {
    uint32_t degree, doublings, levels, n_key_switch;
    double shift, width; /* t = (v - shift) / width */
    double slope;        /* the result is about slope e: 2 pi, corrected 12 pi */
    double bend;         /* largest |result / slope - e|, without CKKS's noise: measured in long double over
                            |e| <= reach at all integers |I| <= K, coefficients rounded */
} mzv_eval_mod_facts;

/* Fewest levels, then fewest key switches, over the number of doublings. MZV_ERR_ARGUMENT; MZV_ERR_PRECISION:
 * no choice meets the target in spec->levels. */
mzv_status mzv_eval_mod_create(mzv_eval_mod **out, const mzv_eval_mod_spec *spec) MZV_MUST_CHECK;
void mzv_eval_mod_destroy(mzv_eval_mod *e); /* NULL is allowed */
const mzv_eval_mod_facts *mzv_eval_mod_about(const mzv_eval_mod *e);

/* What it computes at v, without the noise of CKKS. */
long double mzv_eval_mod_value(const mzv_eval_mod *e, long double v);

/* out from t, facts.levels below. */
mzv_status mzv_eval_mod_run(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *t,
                            const mzv_eval_mod *e) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
