/* The optimal residual polynomial of 1/S in product form; see inverse.h for the derivation. */
#include "circuit/inverse.h"

#include <math.h>

#include "base/arena.h"
#include "base/try.h"

#define MAX_RATIO 0x1p20
#define MAX_GAIN 0x1p20 /* of gain / lo, both ways */
#define MIN_TARGET 0x1p-40

struct mzv_inverse {
    mzv_inverse_spec spec;
    mzv_inverse_facts facts;
    mzv_affine affine;
    double first_scale, first_shift;             /* R_1 = first_scale u + first_shift */
    double factor[MZV_INVERSE_MAX_DOUBLINGS];    /* factor i = U_{2^(i-1)}^2 + factor[i], i >= 1 */
    double power[MZV_INVERSE_MAX_DOUBLINGS + 1]; /* g^(2^i) */
};

static long double eta_of(const mzv_inverse_spec *s) { return 2 * atanhl(sqrtl((long double)s->lo / s->hi)); }

/* k: the least with 1 / cosh(2^k eta), squared by a refinement, within the target. */
static mzv_status choose_doublings(mzv_inverse *inverse) {
    const mzv_inverse_spec *s = &inverse->spec;
    const long double eta = eta_of(s);
    long double residual = 0;
    for (uint32_t k = 1; k <= MZV_INVERSE_MAX_DOUBLINGS; k++) {
        residual = 1 / coshl(ldexpl(eta, (int)k));
        if ((s->refine ? residual * residual : residual) > s->target) continue;
        inverse->facts.doublings = inverse->facts.levels = k;
        inverse->facts.n_key_switch = 2 * (k - 1);
        inverse->facts.residual = (double)residual;
        return MZV_OK;
    }
    return mzv_fail(MZV_ERR_PRECISION, "inverse: error %.3Lg with %u doublings on [%g, %g], need %.3g",
                    residual, MZV_INVERSE_MAX_DOUBLINGS, s->lo, s->hi, s->target);
}

/* prod_i g^(2^i) = g^(D-1) makes the product of the k factors gain / S:
 *     g^(D-1) 2^-k prod_i (T_{2^i}(t0) + T_{2^i}(t)) = gain (2 / (hi - lo)) 2^k / T_D(t0) prod_i (the same).
 * g is rounded to a double; the constants of the first factor make up for it. */
static void set_constants(mzv_inverse *inverse) {
    const mzv_inverse_spec *s = &inverse->spec;
    const uint32_t k = inverse->facts.doublings;
    const long double eta = eta_of(s), size = ldexpl(1, (int)k), width = (long double)s->hi - s->lo;
    const long double product = ldexpl(2 * s->gain / width, 2 * (int)k) / coshl(size * eta);
    const double g = (double)expl(logl(product) / (size - 1));
    long double power = g, exact = 1;
    for (uint32_t i = 0; i < k; i++, power *= power) {
        const long double half_sinh = sinhl(ldexpl(eta, (int)i - 1));
        inverse->power[i] = (double)power;
        inverse->factor[i] = (double)(power * half_sinh * half_sinh);
        exact *= power;
    }
    inverse->affine.scale = (double)(-2 * g / width);
    inverse->affine.shift = (double)(g * ((long double)s->hi + s->lo) / width);
    inverse->first_scale = (double)(0.5L * product / exact);
    inverse->first_shift = (double)(0.5L * product / exact * g * coshl(eta));
    inverse->facts.below = (double)(2 * s->gain / width * size * tanhl(size * eta) / sinhl(eta));
}

static mzv_status check(const mzv_inverse_spec *s) {
    if (!(s->lo > 0 && s->hi > s->lo && s->hi <= MAX_RATIO * s->lo && isfinite(s->hi)))
        return mzv_fail(MZV_ERR_ARGUMENT, "inverse: interval [%g, %g], need 0 < lo < hi <= 2^20 lo", s->lo,
                        s->hi);
    if (!(s->gain >= s->lo / MAX_GAIN && s->gain <= s->lo * MAX_GAIN))
        return mzv_fail(MZV_ERR_ARGUMENT, "inverse: gain %g, need 2^-20 lo to 2^20 lo, lo = %g", s->gain,
                        s->lo);
    if (!(s->target < 1)) return mzv_fail(MZV_ERR_ARGUMENT, "inverse: target %g, need below 1", s->target);
    if (s->target < MIN_TARGET)
        return mzv_fail(MZV_ERR_PRECISION, "inverse: target %g, need at least %g", s->target, MIN_TARGET);
    return MZV_OK;
}

mzv_status mzv_inverse_create(mzv_inverse **out, const mzv_inverse_spec *spec) {
    mzv_inverse *inverse = NULL;
    MZV_TRY(check(spec));
    MZV_TRY(MZV_NEW(&inverse, 1, "inverse"));
    inverse->spec = *spec;
    const mzv_status status = choose_doublings(inverse);
    if (status != MZV_OK) {
        mzv_free(inverse);
        return status;
    }
    set_constants(inverse);
    *out = inverse;
    return MZV_OK;
}

void mzv_inverse_destroy(mzv_inverse *inverse) { mzv_free(inverse); }

const mzv_inverse_facts *mzv_inverse_about(const mzv_inverse *inverse) { return &inverse->facts; }
mzv_affine mzv_inverse_affine(const mzv_inverse *inverse) { return inverse->affine; }
uint32_t mzv_inverse_levels(const mzv_inverse *inverse) { return inverse->facts.levels; }

long double mzv_inverse_value(const mzv_inverse *inverse, long double s) {
    long double u = (long double)inverse->affine.scale * s + (long double)inverse->affine.shift;
    long double y = (long double)inverse->first_scale * u + (long double)inverse->first_shift;
    for (uint32_t i = 1; i < inverse->facts.doublings; i++) {
        y *= u * u + (long double)inverse->factor[i];
        u = 2 * u * u - (long double)inverse->power[i];
    }
    return y;
}

mzv_status mzv_inverse_request(const mzv_inverse *inverse, mzv_key_request *request, uint32_t level,
                               bool with_refine) {
    const uint32_t k = inverse->facts.doublings, need = k + (with_refine ? 2 : 0);
    if (level < need) return mzv_fail(MZV_ERR_LEVEL, "inverse: level %u, need %u", level, need);
    if (k > 1) return mzv_request_relinearize(request, level);
    return with_refine ? mzv_request_relinearize(request, level - k) : MZV_OK;
}

/* u, then W_i = U_{2^(i-1)}^2 at depth i; y is the product of the factors so far, at the same depth. */
static mzv_status run_product(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *u,
                              const mzv_inverse *inverse) {
    const uint32_t k = inverse->facts.doublings;
    mzv_cipher y, square, factor;
    MZV_TRY(mzv_ev_take(ev, &y, u->level - 1, u->batch));
    MZV_TRY(mzv_ev_take(ev, &square, u->level - 1, u->batch));
    MZV_TRY(mzv_ev_take(ev, &factor, u->level - 1, u->batch));
    MZV_TRY(mzv_combine(ev, &y, &u, &inverse->first_scale, 1, inverse->first_shift));
    MZV_TRY(mzv_mul(ev, &square, u, u));
    for (uint32_t i = 1; i < k; i++) {
        MZV_TRY(mzv_add_const(ev, &factor, &square, inverse->factor[i]));
        MZV_TRY(mzv_mul(ev, i + 1 == k ? out : &y, &y, &factor));
        if (i + 1 == k) break;
        MZV_TRY(mzv_mul_integer(ev, &square, &square, 2));
        MZV_TRY(mzv_add_const(ev, &square, &square, -inverse->power[i]));
        MZV_TRY(mzv_mul(ev, &square, &square, &square));
    }
    return MZV_OK;
}

mzv_status mzv_inverse_run(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *u,
                           const mzv_inverse *inverse) {
    MZV_TRY(mzv_circuit_need("inverse", u, inverse->facts.levels));
    if (inverse->facts.doublings == 1)
        return mzv_combine(ev, out, &u, &inverse->first_scale, 1, inverse->first_shift);
    const size_t mark = mzv_ev_mark(ev);
    const mzv_status status = run_product(ev, out, u, inverse);
    mzv_ev_release(ev, mark);
    return status;
}

/* out = 2 - S y / gain, one level below y. */
static mzv_status correction(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *y, const mzv_cipher *s,
                             const mzv_inverse *inverse) {
    const double gain = inverse->spec.gain;
    mzv_cipher room, scaled;
    const mzv_cipher *view;
    MZV_TRY(mzv_circuit_at(ev, &view, &room, s, gain == 1 ? y->level : y->level + 1));
    if (gain != 1) {
        MZV_TRY(mzv_ev_take(ev, &scaled, y->level, y->batch));
        MZV_TRY(mzv_mul_const(ev, &scaled, view, 1 / gain));
        view = &scaled;
    }
    MZV_TRY(mzv_mul(ev, out, view, y));
    MZV_TRY(mzv_negate(ev, out, out));
    return mzv_add_const(ev, out, out, 2.0);
}

/* n NULL: the refinement alone. */
static mzv_status run_quotient(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *n, const mzv_cipher *y,
                               const mzv_cipher *s, const mzv_inverse *inverse) {
    mzv_cipher left, right, room;
    const mzv_cipher *view;
    MZV_TRY(mzv_ev_take(ev, &left, y->level - 1, y->batch));
    MZV_TRY(mzv_ev_take(ev, &right, y->level - 1, y->batch));
    MZV_TRY(correction(ev, &right, y, s, inverse));
    if (n) {
        MZV_TRY(mzv_circuit_at(ev, &view, &room, n, y->level));
        MZV_TRY(mzv_mul(ev, &left, view, y));
    } else {
        MZV_TRY(mzv_drop(ev, &left, y, y->level - 1));
    }
    return mzv_mul(ev, out, &left, &right);
}

static mzv_status quotient(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *n, const mzv_cipher *y,
                           const mzv_cipher *s, const mzv_inverse *inverse) {
    const uint32_t above = inverse->spec.gain == 1 ? 0 : 1;
    MZV_TRY(mzv_circuit_need("inverse refine: y", y, 2));
    MZV_TRY(mzv_circuit_need("inverse refine: S", s, y->level + above));
    if (n) MZV_TRY(mzv_circuit_need("inverse divide: N", n, y->level));
    const size_t mark = mzv_ev_mark(ev);
    const mzv_status status = run_quotient(ev, out, n, y, s, inverse);
    mzv_ev_release(ev, mark);
    return status;
}

mzv_status mzv_inverse_refine(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *y, const mzv_cipher *s,
                              const mzv_inverse *inverse) {
    return quotient(ev, out, NULL, y, s, inverse);
}

mzv_status mzv_inverse_divide(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *n, const mzv_cipher *y,
                              const mzv_cipher *s, const mzv_inverse *inverse) {
    return quotient(ev, out, n, y, s, inverse);
}
