/* Composed signs on ciphertexts: one mzv_polynomial for each part. Their degrees come from sign_plan.c. */
#include "circuit/sign.h"

#include <math.h>

#include "base/arena.h"
#include "base/try.h"
#include "circuit/sign_plan.h"
#include "math/chebyshev.h"

#define MIN_GAP 0x1p-24
#define MIN_TARGET 0x1p-40
#define MAX_NOISE 0x1p-8

struct mzv_sign {
    mzv_sign_spec spec;
    mzv_sign_facts facts;
    mzv_affine affine;
    mzv_sign_plan plan;                   /* the last part without gain and shift */
    double last[MZV_SIGN_MAX_DEGREE + 1]; /* with them */
    mzv_polynomial *p[MZV_SIGN_MAX_PARTS];
};

/* What the parts give for gap <= x <= bound and for 0 <= x <= gap; they are odd. */
static mzv_status measure(mzv_sign *sign) {
    const mzv_sign_spec *s = &sign->spec;
    const long double reach = sign->plan.reach;
    long double low, high;
    mzv_sign_plan_image(&low, &high, &sign->plan, s->gap / reach, s->bound / reach);
    sign->facts.error = (double)fmaxl(1 - low, high - 1);
    mzv_sign_plan_image(&low, &high, &sign->plan, 0, s->gap / reach);
    sign->facts.inside = (double)fmaxl(-low, high);
    if (sign->facts.error <= s->target) return MZV_OK;
    return mzv_fail(MZV_ERR_PRECISION, "sign: error %.3g with double coefficients on [%g, %g], need %.3g",
                    sign->facts.error, s->gap, s->bound, s->target);
}

static mzv_status make_polynomials(mzv_sign *sign) {
    mzv_sign_facts *facts = &sign->facts;
    const uint32_t n = sign->plan.n_parts;
    const mzv_sign_part *const end = &sign->plan.part[n - 1];
    for (uint32_t k = 0; k <= end->degree; k++)
        sign->last[k] = sign->spec.gain * end->coeff[k] + (k == 0 ? sign->spec.shift : 0);
    for (uint32_t i = 0; i < n; i++) {
        const mzv_sign_part *const part = &sign->plan.part[i];
        MZV_TRY(mzv_polynomial_create(&sign->p[i], i + 1 == n ? sign->last : part->coeff, part->degree));
        const mzv_polynomial_facts *about = mzv_polynomial_about(sign->p[i]);
        facts->degree[i] = part->degree;
        facts->levels += about->levels;
        facts->n_key_switch += about->n_key_switch;
        facts->n_products += about->n_products;
    }
    facts->n_parts = n;
    return MZV_OK;
}

static mzv_status check(const mzv_sign_spec *s) {
    if (!(isfinite(s->bound) && s->bound > 0 && s->gap >= MIN_GAP * s->bound && s->gap < s->bound))
        return mzv_fail(MZV_ERR_ARGUMENT, "sign: gap %g, bound %g, need 2^-24 bound <= gap < bound", s->gap,
                        s->bound);
    if (!(s->target >= MIN_TARGET && s->target < 1))
        return mzv_fail(MZV_ERR_ARGUMENT, "sign: target %g, need 2^-40 <= target < 1", s->target);
    if (!(isfinite(s->gain) && s->gain != 0 && isfinite(s->shift)))
        return mzv_fail(MZV_ERR_ARGUMENT,
                        "sign: gain %g, shift %g, need finite ones, gain not 0 (1, 0: the sign)", s->gain,
                        s->shift);
    if (!(s->noise >= 0 && s->noise <= MAX_NOISE))
        return mzv_fail(MZV_ERR_ARGUMENT, "sign: noise %g, need 0 to %g", s->noise, MAX_NOISE);
    if (s->recipe != MZV_SIGN_MINIMAX && s->recipe != MZV_SIGN_NEXUS)
        return mzv_fail(MZV_ERR_ARGUMENT, "sign: recipe %d is none", (int)s->recipe);
    return MZV_OK;
}

mzv_status mzv_sign_create(mzv_sign **out, const mzv_sign_spec *spec) {
    mzv_sign *sign = NULL;
    MZV_TRY(check(spec));
    MZV_TRY(MZV_NEW(&sign, 1, "sign"));
    sign->spec = *spec;
    mzv_status status = mzv_sign_plan_make(&sign->plan, spec);
    sign->affine.scale = 1 / sign->plan.reach;
    if (status == MZV_OK) status = measure(sign);
    if (status == MZV_OK) status = make_polynomials(sign);
    if (status == MZV_OK)
        *out = sign;
    else
        mzv_sign_destroy(sign);
    return status;
}

void mzv_sign_destroy(mzv_sign *sign) {
    if (!sign) return;
    for (uint32_t i = 0; i < MZV_SIGN_MAX_PARTS; i++) mzv_polynomial_destroy(sign->p[i]);
    mzv_free(sign);
}

const mzv_sign_facts *mzv_sign_about(const mzv_sign *sign) { return &sign->facts; }
mzv_affine mzv_sign_affine(const mzv_sign *sign) { return sign->affine; }
uint32_t mzv_sign_levels(const mzv_sign *sign) { return sign->facts.levels; }

long double mzv_sign_value(const mzv_sign *sign, long double x) {
    const uint32_t last = sign->plan.n_parts - 1;
    long double t = (long double)sign->affine.scale * x;
    for (uint32_t i = 0; i < last; i++)
        t = mzv_chebyshev_value(sign->plan.part[i].coeff, sign->plan.part[i].degree, t);
    return mzv_chebyshev_value(sign->last, sign->plan.part[last].degree, t);
}

mzv_status mzv_sign_request(const mzv_sign *sign, mzv_key_request *request, uint32_t level) {
    for (uint32_t i = 0; i < sign->plan.n_parts; i++)
        if (level < mzv_polynomial_levels(sign->p[i]))
            return mzv_fail(MZV_ERR_LEVEL, "sign: level %u, part %u needs %u", level, i,
                            mzv_polynomial_levels(sign->p[i]));
    return mzv_request_relinearize(request, level);
}

/* What part i wants above its input's level: all that is left where that suffices or nothing refreshes, else
 * its own levels and those that the refreshing after it needs. */
static uint32_t need_of(const mzv_sign *sign, uint32_t i, uint32_t level, uint32_t floor,
                        const mzv_refresh *refresh) {
    const uint32_t own = mzv_polynomial_levels(sign->p[i]);
    uint32_t rest = floor;
    for (uint32_t j = i; j < sign->plan.n_parts; j++) rest += mzv_polynomial_levels(sign->p[j]);
    const bool last = i + 1 == sign->plan.n_parts;
    return refresh == NULL || level >= rest || last ? rest : own + refresh->in_level;
}

mzv_status mzv_sign_end(uint32_t *end, const mzv_sign *sign, uint32_t level, uint32_t floor,
                        const mzv_refresh *refresh) {
    for (uint32_t i = 0; i < sign->plan.n_parts; i++) {
        const uint32_t need = need_of(sign, i, level, floor, refresh);
        if (level < need) {
            if (refresh == NULL || level < refresh->in_level || refresh->out_level < need)
                return mzv_fail(MZV_ERR_LEVEL, "sign: part %u at level %u, need %u; %s", i, level, need,
                                refresh ? "refreshing does not reach it" : "no refreshing is attached");
            level = refresh->out_level;
        }
        level -= mzv_polynomial_levels(sign->p[i]);
    }
    *end = level;
    return MZV_OK;
}

static mzv_status run_parts(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *u, const mzv_sign *sign,
                            uint32_t floor) {
    const mzv_cipher *from = u, *view;
    mzv_cipher room[MZV_SIGN_MAX_PARTS], fresh[MZV_SIGN_MAX_PARTS];
    for (uint32_t i = 0; i < sign->plan.n_parts; i++) {
        const uint32_t need = need_of(sign, i, from->level, floor, ev->refresh);
        MZV_TRY(mzv_circuit_fresh(ev, &view, &fresh[i], from, need));
        if (i + 1 == sign->plan.n_parts) return mzv_polynomial_run(ev, out, view, sign->p[i]);
        MZV_TRY(mzv_ev_take(ev, &room[i], view->level - mzv_polynomial_levels(sign->p[i]), view->batch));
        MZV_TRY(mzv_polynomial_run(ev, &room[i], view, sign->p[i]));
        from = &room[i];
    }
    return MZV_OK;
}

mzv_status mzv_sign_run_above(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *u, const mzv_sign *sign,
                              uint32_t floor) {
    uint32_t end = 0;
    MZV_TRY(mzv_sign_end(&end, sign, u->level, floor, ev->refresh));
    const size_t mark = mzv_ev_mark(ev);
    const mzv_status status = run_parts(ev, out, u, sign, floor);
    mzv_ev_release(ev, mark);
    return status;
}

mzv_status mzv_sign_run(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *u, const mzv_sign *sign) {
    return mzv_sign_run_above(ev, out, u, sign, 0);
}
