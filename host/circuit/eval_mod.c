/* The cosine's series, its degree, and the doublings after it. */
#include "circuit/eval_mod.h"

#include <math.h>

#include "base/arena.h"
#include "base/try.h"
#include "math/chebyshev.h"

#define TWO_PI 6.283185307179586476925286766559L
/* u = v - shift. An error of T_2 at t = u / width reaches v as width^2 / (4 |u|) of it: most where t is near
 * 0. I is mostly near 0 and hardly ever near 6, so t = 0 is put there. Deviation of v by EvalMod's own
 * divisions, in units of one, I as from a sparse secret of weight 32 (the input's counts width of them):
 * shift 1/4: 142, 4 + 1/4: 78, 6 + 1/4: 25, 8 + 1/4: 24; how many doublings does not matter. With the last
 * four levels at a scale of 2^44 under 2^48 it is 37 for 6 + 1/4. */
#define SHIFT 6.25
#define CORRECTION_LEVELS 2
#define PROBES 33 /* points in [-reach, reach] around each integer */

struct mzv_eval_mod {
    mzv_eval_mod_facts facts;
    bool corrected;
    mzv_polynomial *cosine;
    double *coeff; /* facts.degree + 1 */
};

static double argument(const mzv_eval_mod_facts *f) { return ldexp(2 * M_PI * f->width, -(int)f->doublings); }

/* The smallest even degree whose rest is below `rest`; 0: none that fits in the levels. A doubling multiplies
 * an error by at most 4. */
static uint32_t find_degree(const mzv_eval_mod_facts *f, const mzv_eval_mod_spec *spec) {
    const double a = argument(f), rest = ldexp(spec->target, -2 * (int)f->doublings);
    const uint32_t others = f->doublings + (spec->corrected ? CORRECTION_LEVELS : 0);
    if (others >= spec->levels) return 0;
    const uint32_t depth = spec->levels - others;
    const uint32_t most = depth >= 10 ? MZV_POLYNOMIAL_MAX_DEGREE - 1 : (1u << depth) - 2;
    for (uint32_t d = 2; d <= most; d += 2) {
        double sum = 0;
        if (d + 2 < a) continue;
        for (uint32_t k = d + 2; k < d + 32; k += 2) sum += 2 * fabs(jn((int)k, a));
        if (sum <= rest) return d;
    }
    return 0;
}

static mzv_status make(mzv_eval_mod *e) {
    const mzv_eval_mod_facts *f = &e->facts;
    const double a = argument(f);
    MZV_TRY(MZV_NEW(&e->coeff, f->degree + 1, "EvalMod's series"));
    e->coeff[0] = jn(0, a);
    for (uint32_t k = 2; k <= f->degree; k += 2) e->coeff[k] = (k % 4 == 0 ? 2 : -2) * jn((int)k, a);
    MZV_TRY(mzv_polynomial_create(&e->cosine, e->coeff, f->degree));
    const uint32_t more = f->doublings + (e->corrected ? CORRECTION_LEVELS : 0);
    e->facts.levels = mzv_polynomial_levels(e->cosine) + more;
    e->facts.n_key_switch = mzv_polynomial_about(e->cosine)->n_key_switch + more;
    e->facts.slope = (double)(e->corrected ? 6 * TWO_PI : TWO_PI);
    return MZV_OK;
}

void mzv_eval_mod_destroy(mzv_eval_mod *e) {
    if (e == NULL) return;
    mzv_polynomial_destroy(e->cosine);
    mzv_free(e->coeff);
    mzv_free(e);
}

long double mzv_eval_mod_value(const mzv_eval_mod *e, long double v) {
    long double c = mzv_chebyshev_value(e->coeff, e->facts.degree, (v - e->facts.shift) / e->facts.width);
    for (uint32_t i = 0; i < e->facts.doublings; i++) c = 2 * c * c - 1;
    return e->corrected ? c * (6 + c * c) : c;
}

/* At every integer, over [-reach, reach]. */
static double measure(const mzv_eval_mod *e, const mzv_eval_mod_spec *spec) {
    long double worst = 0;
    for (int32_t i = -(int32_t)spec->k; i <= (int32_t)spec->k; i++)
        for (uint32_t p = 0; p < PROBES; p++) {
            const long double x = spec->reach * mzv_chebyshev_point(p, PROBES);
            const long double error = fabsl(mzv_eval_mod_value(e, i + x) / e->facts.slope - x);
            if (error > worst) worst = error;
        }
    return (double)worst;
}

static mzv_status attempt(mzv_eval_mod **best, const mzv_eval_mod_spec *spec, uint32_t doublings) {
    mzv_eval_mod *e = NULL;
    mzv_eval_mod_facts facts = { .doublings = doublings,
                                 .shift = SHIFT,
                                 .width = spec->k + SHIFT + spec->reach };
    facts.degree = find_degree(&facts, spec);
    if (facts.degree == 0) return MZV_OK;
    MZV_TRY(MZV_NEW(&e, 1, "EvalMod"));
    e->facts = facts;
    e->corrected = spec->corrected;
    const mzv_status status = make(e);
    const bool better =
        status == MZV_OK &&
        (*best == NULL || e->facts.levels < (*best)->facts.levels ||
         (e->facts.levels == (*best)->facts.levels && e->facts.n_key_switch < (*best)->facts.n_key_switch));
    if (better) {
        mzv_eval_mod *const swap = *best;
        *best = e;
        e = swap;
    }
    mzv_eval_mod_destroy(e);
    return status;
}

static mzv_status check(const mzv_eval_mod_spec *spec) {
    if (spec->k == 0 || spec->k > 512)
        return mzv_fail(MZV_ERR_ARGUMENT, "EvalMod: K is %u, need 1 to 512", spec->k);
    if (!(spec->reach > 0 && spec->reach < 0.25))
        return mzv_fail(MZV_ERR_ARGUMENT, "EvalMod: reach is %g, need more than 0 and less than 1/4",
                        spec->reach);
    if (!(spec->target > 0 && spec->target < 1))
        return mzv_fail(MZV_ERR_ARGUMENT, "EvalMod: target is %g, need 0 to 1", spec->target);
    return MZV_OK;
}

mzv_status mzv_eval_mod_create(mzv_eval_mod **out, const mzv_eval_mod_spec *spec) {
    mzv_eval_mod *best = NULL;
    MZV_TRY(check(spec));
    for (uint32_t r = 0; r <= MZV_EVAL_MOD_MAX_DOUBLINGS; r++) {
        const mzv_status status = attempt(&best, spec, r);
        if (status != MZV_OK) {
            mzv_eval_mod_destroy(best);
            return status;
        }
    }
    if (best == NULL)
        return mzv_fail(MZV_ERR_PRECISION, "EvalMod: no series of %u levels has an error of %g for K = %u",
                        spec->levels, spec->target, spec->k);
    best->facts.bend = measure(best, spec);
    *out = best;
    return MZV_OK;
}

const mzv_eval_mod_facts *mzv_eval_mod_about(const mzv_eval_mod *e) { return &e->facts; }

/* out = (2 a) a - 1, doubled before the division, whose noise then stays single. */
static mzv_status double_angle(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, mzv_cipher *twice) {
    MZV_TRY(mzv_add(ev, twice, a, a));
    MZV_TRY(mzv_mul(ev, out, twice, a));
    return mzv_add_const(ev, out, out, -1);
}

/* out = s (6 + s^2), two levels below s. */
static mzv_status correct(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *s, mzv_cipher *square) {
    const size_t mark = mzv_ev_mark(ev);
    mzv_cipher low;
    MZV_TRY(mzv_mul(ev, square, s, s));
    MZV_TRY(mzv_add_const(ev, square, square, 6));
    MZV_TRY(mzv_ev_take(ev, &low, s->level - 1, s->batch));
    MZV_TRY(mzv_drop(ev, &low, s, s->level - 1));
    const mzv_status status = mzv_mul(ev, out, &low, square);
    mzv_ev_release(ev, mark);
    return status;
}

mzv_status mzv_eval_mod_run(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *t, const mzv_eval_mod *e) {
    const size_t mark = mzv_ev_mark(ev);
    mzv_status status = MZV_OK;
    mzv_cipher c, twice;
    MZV_TRY(mzv_circuit_need("EvalMod", t, e->facts.levels));
    MZV_TRY_GOTO(mzv_ev_take(ev, &c, t->level, t->batch), done);
    MZV_TRY_GOTO(mzv_ev_take(ev, &twice, t->level, t->batch), done);
    MZV_TRY_GOTO(mzv_polynomial_run(ev, &c, t, e->cosine), done);
    for (uint32_t i = 0; i < e->facts.doublings; i++) MZV_TRY_GOTO(double_angle(ev, &c, &c, &twice), done);
    status = e->corrected ? correct(ev, out, &c, &twice) : mzv_copy(ev, out, &c);
done:
    mzv_ev_release(ev, mark);
    return status;
}
