/* Plan and run of the four pieces; see nexus_gelu.h. Units: v = x / unit, t = z / W = times v's clamped
 * value, times being a whole number, so that no constant takes a level. */
#include "circuit/nexus_gelu.h"

#include <math.h>

#include "base/arena.h"
#include "base/try.h"
#include "math/chebyshev.h"
#include "math/remez.h"

#define SPLIT (-1.95)  /* between P and Q [ZYH+25] */
#define WIDEST_GAP 0.5 /* of the signs, in units of x */
#define NARROWEST_GAP 0.0625
#define MAX_DEGREE 63u
#define MIN_DEGREE_P 3u /* those published */
#define MIN_DEGREE_Q 6u
#define TAIL_SHARE 0.4 /* of the target: what is cut off beyond the clamp */
#define FIT_SHARE 0.3  /* what each piece may be off by */
#define SIGN_SHARE 0.1 /* what the signs' errors may add, at the far end */
#define TOLERANCE 1e-3
#define GRID 16001u
#define LARGEST_CLAMP 16.0

struct mzv_nexus_gelu {
    mzv_nexus_gelu_spec spec;
    mzv_nexus_gelu_facts facts;
    double unit;                /* v = x / unit */
    int64_t times;              /* t = times v where z = x */
    mzv_sign *sign;             /* gain and shift 1/2, of v */
    mzv_polynomial *p;          /* P of t */
    mzv_polynomial *difference; /* Q - P of t */
    double coeff_p[MAX_DEGREE + 1], coeff_difference[MAX_DEGREE + 1];
    uint32_t degree; /* of the difference */
};

static long double gelu(void *user, long double x) {
    (void)user;
    return 0.5L * x * erfcl(-x * sqrtl(0.5L));
}

/* ------------------------------------------------------------------ planning */

/* The least c with c - GELU(c) = -GELU(-c) within its share; GELU(-c) rises to 0 beyond c = 0.76. */
static double choose_clamp(double target) {
    double low = 1, high = LARGEST_CLAMP;
    while (high - low > 1e-6) {
        const double middle = 0.5 * (low + high);
        if (-gelu(NULL, -middle) <= TAIL_SHARE * target)
            high = middle;
        else
            low = middle;
    }
    return fmax(high, -SPLIT + 2 * WIDEST_GAP); /* pieces that do not vanish */
}

/* The best polynomial on [a, b], of the least degree that meets its share. */
static mzv_status fit_piece(double *coeff, uint32_t *degree, mzv_interval on, double width, double share) {
    mzv_remez_facts facts = { 0 };
    for (uint32_t d = *degree; d <= MAX_DEGREE; d++) {
        const mzv_remez_spec spec = { .value = gelu,
                                      .on = &on,
                                      .n_on = 1,
                                      .a = -width,
                                      .b = width,
                                      .degree = d,
                                      .parity = MZV_PARITY_NONE,
                                      .tolerance = TOLERANCE };
        MZV_TRY(mzv_remez(coeff, &facts, &spec));
        *degree = d;
        if (facts.error <= share) return MZV_OK;
    }
    return mzv_fail(MZV_ERR_PRECISION, "nexus gelu: error %.3g of degree %u on [%g, %g], need %.3g",
                    facts.error, MAX_DEGREE, on.a, on.b, share);
}

/* z leaves [-c, c] by half the gap at most, where signs are 1/2 or on their side of it, and by the signs'
 * error times the distance from the far end. */
static mzv_status fit_pieces(mzv_nexus_gelu *g) {
    const double c = g->facts.clamp, share = FIT_SHARE * g->spec.target;
    const double width = c + g->facts.gap / 2 + SIGN_SHARE * g->spec.target;
    const mzv_interval on_p = { -width, SPLIT + g->facts.gap }, on_q = { SPLIT - g->facts.gap, width };
    g->times = (int64_t)ceil((g->spec.bound + c) / width);
    g->unit = (double)g->times * width;
    g->facts.degree_p = MIN_DEGREE_P;
    g->facts.degree_q = MIN_DEGREE_Q;
    MZV_TRY(fit_piece(g->coeff_p, &g->facts.degree_p, on_p, width, share));
    MZV_TRY(fit_piece(g->coeff_difference, &g->facts.degree_q, on_q, width, share));
    g->degree = g->facts.degree_p > g->facts.degree_q ? g->facts.degree_p : g->facts.degree_q;
    for (uint32_t k = 0; k <= g->facts.degree_p; k++) g->coeff_difference[k] -= g->coeff_p[k];
    MZV_TRY(mzv_polynomial_create(&g->p, g->coeff_p, g->facts.degree_p));
    return mzv_polynomial_create(&g->difference, g->coeff_difference, g->degree);
}

static mzv_status make_sign(mzv_nexus_gelu *g) {
    const double far_end = g->spec.bound + g->facts.clamp;
    const mzv_sign_spec spec = { .gap = g->facts.gap / g->unit,
                                 .bound = 1,
                                 .gain = 0.5,
                                 .shift = 0.5,
                                 .target = 2 * SIGN_SHARE * g->spec.target / far_end,
                                 .noise = g->spec.noise,
                                 .recipe = g->spec.sign };
    MZV_TRY(mzv_sign_create(&g->sign, &spec));
    g->facts.sign = *mzv_sign_about(g->sign);
    return MZV_OK;
}

static uint32_t deeper(const mzv_nexus_gelu *g) {
    const uint32_t p = mzv_polynomial_levels(g->p), q = mzv_polynomial_levels(g->difference);
    return p > q ? p : q;
}

/* Whether the sign takes v - b as it is. */
static bool takes_v(const mzv_nexus_gelu *g) { return mzv_sign_affine(g->sign).scale == 1; }

/* The largest error on equal steps of the interval and of what lies about the points of the signs. */
static double measured(const mzv_nexus_gelu *g) {
    const double c = g->facts.clamp, gap = g->facts.gap;
    const mzv_interval parts[] = { { -g->spec.bound, g->spec.bound },
                                   { -c - gap, -c + gap },
                                   { SPLIT - gap, SPLIT + gap },
                                   { c - gap, c + gap } };
    long double worst = 0;
    for (uint32_t j = 0; j < sizeof parts / sizeof parts[0]; j++)
        for (uint32_t i = 0; i < GRID; i++) {
            const long double x = parts[j].a + ((long double)parts[j].b - parts[j].a) * i / (GRID - 1);
            const long double off = fabsl(mzv_nexus_gelu_value(g, x) - gelu(NULL, x));
            if (!(off <= worst)) worst = off;
        }
    return (double)worst;
}

static void release(mzv_nexus_gelu *g) {
    mzv_sign_destroy(g->sign);
    mzv_polynomial_destroy(g->p);
    mzv_polynomial_destroy(g->difference);
    g->sign = NULL;
    g->p = g->difference = NULL;
}

static mzv_status plan_with(mzv_nexus_gelu *g, double gap) {
    g->facts.gap = gap;
    MZV_TRY(fit_pieces(g));
    MZV_TRY(make_sign(g));
    g->facts.levels = (takes_v(g) ? 0 : 1) + g->facts.sign.levels + 1 + deeper(g) + 1;
    g->facts.n_key_switch = 3 * g->facts.sign.n_key_switch + 2 + mzv_polynomial_about(g->p)->n_key_switch +
                            mzv_polynomial_about(g->difference)->n_key_switch + 1;
    g->facts.error = measured(g);
    return MZV_OK;
}

/* The widest gap that meets the target. */
static mzv_status plan(mzv_nexus_gelu *g) {
    g->facts.clamp = choose_clamp(g->spec.target);
    for (double gap = WIDEST_GAP; gap >= NARROWEST_GAP; gap /= 2) {
        release(g);
        MZV_TRY(plan_with(g, gap));
        if (g->facts.error <= g->spec.target) return MZV_OK;
    }
    return mzv_fail(MZV_ERR_PRECISION, "nexus gelu: error %.3g on [-%g, %g], need %.3g: raise the target",
                    g->facts.error, g->spec.bound, g->spec.bound, g->spec.target);
}

static mzv_status check(const mzv_nexus_gelu_spec *s) {
    if (!(s->bound >= 8 && s->bound <= 1024))
        return mzv_fail(MZV_ERR_ARGUMENT, "nexus gelu: bound %g, need 8 to 1024", s->bound);
    if (!(s->target >= 0x1p-20 && s->target <= 0.125))
        return mzv_fail(MZV_ERR_ARGUMENT, "nexus gelu: target %g, need 2^-20 to 1/8", s->target);
    return MZV_OK;
}

mzv_status mzv_nexus_gelu_create(mzv_nexus_gelu **out, const mzv_nexus_gelu_spec *spec) {
    mzv_nexus_gelu *g = NULL;
    MZV_TRY(check(spec));
    MZV_TRY(MZV_NEW(&g, 1, "nexus gelu"));
    g->spec = *spec;
    const mzv_status status = plan(g);
    if (status == MZV_OK)
        *out = g;
    else
        mzv_nexus_gelu_destroy(g);
    return status;
}

void mzv_nexus_gelu_destroy(mzv_nexus_gelu *gelu) {
    if (!gelu) return;
    release(gelu);
    mzv_free(gelu);
}

const mzv_nexus_gelu_facts *mzv_nexus_gelu_about(const mzv_nexus_gelu *gelu) { return &gelu->facts; }
uint32_t mzv_nexus_gelu_levels(const mzv_nexus_gelu *gelu) { return gelu->facts.levels; }

mzv_affine mzv_nexus_gelu_affine(const mzv_nexus_gelu *gelu) {
    const mzv_affine u = { 1 / gelu->unit, 0 };
    return u;
}

long double mzv_nexus_gelu_value(const mzv_nexus_gelu *g, long double x) {
    const long double v = x / g->unit, c = g->facts.clamp / g->unit;
    const long double above = mzv_sign_value(g->sign, v - c) * (v - c);
    const long double below = (1 - mzv_sign_value(g->sign, v + c)) * (v + c);
    const long double t = (long double)g->times * (v - above - below);
    const long double s = mzv_sign_value(g->sign, v - (long double)SPLIT / g->unit);
    return mzv_chebyshev_value(g->coeff_p, g->facts.degree_p, t) +
           s * mzv_chebyshev_value(g->coeff_difference, g->degree, t) + g->unit * above;
}

/* ------------------------------------------------------------------ runs */

mzv_status mzv_nexus_gelu_request(const mzv_nexus_gelu *gelu, mzv_key_request *request, uint32_t level) {
    if (level <= deeper(gelu))
        return mzv_fail(MZV_ERR_LEVEL, "nexus gelu: level %u, need %u", level, deeper(gelu) + 1);
    return mzv_request_relinearize(request, level);
}

static uint32_t lower(const mzv_cipher *a, const mzv_cipher *b) {
    return a->level < b->level ? a->level : b->level;
}

/* out = a b at the lower level of both, one down. */
static mzv_status product(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_cipher *b) {
    const uint32_t level = lower(a, b);
    mzv_cipher room[2];
    const mzv_cipher *x, *y;
    const size_t mark = mzv_ev_mark(ev);
    MZV_TRY(mzv_circuit_at(ev, &x, &room[0], a, level));
    MZV_TRY(mzv_circuit_at(ev, &y, &room[1], b, level));
    MZV_TRY(mzv_mul(ev, out, x, y));
    mzv_ev_release(ev, mark);
    return MZV_OK;
}

/* a = a + b at the lower level of both. */
static mzv_status add_to(mzv_evaluator *ev, mzv_cipher *a, const mzv_cipher *b) {
    const uint32_t level = lower(a, b);
    mzv_cipher room;
    const mzv_cipher *view;
    const size_t mark = mzv_ev_mark(ev);
    MZV_TRY(mzv_circuit_at(ev, &view, &room, b, level));
    if (a->level > level) MZV_TRY(mzv_drop(ev, a, a, level));
    MZV_TRY(mzv_add(ev, a, a, view));
    mzv_ev_release(ev, mark);
    return MZV_OK;
}

/* out, taken, = (1 + sgn(x - b)) / 2 at `floor` or above. */
static mzv_status run_sign(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *v, double b, uint32_t floor,
                           const mzv_nexus_gelu *g) {
    const double scale = mzv_sign_affine(g->sign).scale, shift = -b / g->unit;
    const uint32_t level = v->level - (takes_v(g) ? 0 : 1);
    mzv_cipher u;
    uint32_t end = 0;
    MZV_TRY(mzv_sign_end(&end, g->sign, level, floor, ev->refresh));
    MZV_TRY(mzv_ev_take(ev, out, end, v->batch));
    const size_t mark = mzv_ev_mark(ev);
    MZV_TRY(mzv_ev_take(ev, &u, level, v->batch));
    if (takes_v(g))
        MZV_TRY(mzv_add_const(ev, &u, v, shift));
    else
        MZV_TRY(mzv_combine(ev, &u, &v, &scale, 1, scale * shift));
    MZV_TRY(mzv_sign_run_above(ev, out, &u, g->sign, floor));
    mzv_ev_release(ev, mark);
    return MZV_OK;
}

/* out, taken, = s (v - b). */
static mzv_status excess(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *s, const mzv_cipher *v,
                         double b, const mzv_nexus_gelu *g) {
    mzv_cipher shifted;
    MZV_TRY(mzv_ev_take(ev, out, lower(s, v) - 1, v->batch));
    const size_t mark = mzv_ev_mark(ev);
    MZV_TRY(mzv_ev_take(ev, &shifted, v->level, v->batch));
    MZV_TRY(mzv_add_const(ev, &shifted, v, -b / g->unit));
    MZV_TRY(product(ev, out, s, &shifted));
    mzv_ev_release(ev, mark);
    return MZV_OK;
}

/* t, taken, of the clamped x, and above = s_c (v - c), taken; floor: where signs are to end. */
static mzv_status run_clamp(mzv_evaluator *ev, mzv_cipher *t, mzv_cipher *above, const mzv_cipher *v,
                            uint32_t floor, const mzv_nexus_gelu *g) {
    const double c = g->facts.clamp;
    mzv_cipher s, below;
    MZV_TRY(run_sign(ev, &s, v, c, floor, g));
    MZV_TRY(excess(ev, above, &s, v, c, g));
    MZV_TRY(run_sign(ev, &s, v, -c, floor, g));
    MZV_TRY(mzv_negate(ev, &s, &s)); /* s_-c - 1 */
    MZV_TRY(mzv_add_const(ev, &s, &s, 1));
    MZV_TRY(excess(ev, &below, &s, v, -c, g));
    MZV_TRY(add_to(ev, &below, above));
    MZV_TRY(mzv_ev_take(ev, t, below.level, v->batch));
    MZV_TRY(mzv_circuit_lower(ev, t, v, below.level));
    MZV_TRY(mzv_sub(ev, t, t, &below));
    return mzv_mul_integer(ev, t, t, g->times);
}

/* out = P(t) + s (Q - P)(t) + unit above. */
static mzv_status run_pieces(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *t, const mzv_cipher *s,
                             const mzv_cipher *above, const mzv_nexus_gelu *g) {
    mzv_cipher p, q, chosen, rest;
    MZV_TRY(mzv_ev_take(ev, &p, t->level - mzv_polynomial_levels(g->p), t->batch));
    MZV_TRY(mzv_ev_take(ev, &q, t->level - mzv_polynomial_levels(g->difference), t->batch));
    MZV_TRY(mzv_polynomial_run(ev, &p, t, g->p));
    MZV_TRY(mzv_polynomial_run(ev, &q, t, g->difference));
    MZV_TRY(mzv_ev_take(ev, &chosen, lower(s, &q) - 1, t->batch));
    MZV_TRY(product(ev, &chosen, s, &q));
    MZV_TRY(add_to(ev, &chosen, &p));
    MZV_TRY(mzv_ev_take(ev, &rest, above->level - 1, t->batch));
    MZV_TRY(mzv_mul_const(ev, &rest, above, g->unit));
    MZV_TRY(add_to(ev, &chosen, &rest));
    return mzv_copy(ev, out, &chosen);
}

/* v is refreshed once for all signs. Where values are refreshed these end at 2 or above (one level for the
 * clamp, one for what lies above) and leave t where refreshing takes it; else at what the pieces need. */
static mzv_status run_all(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *v, const mzv_nexus_gelu *g) {
    const mzv_refresh *refresh = ev->refresh;
    const bool lacks = refresh && v->level < g->facts.levels;
    const uint32_t end_of_t = lacks && refresh->in_level > 1 ? refresh->in_level : 1;
    const uint32_t floor = lacks ? end_of_t + 1 : deeper(g) + 2;
    mzv_cipher t, above, s, room[2];
    MZV_TRY(mzv_circuit_fresh(ev, &v, &room[0], v, lacks ? refresh->out_level : g->facts.levels));
    if (lacks && refresh->out_level <= deeper(g))
        return mzv_fail(MZV_ERR_LEVEL, "nexus gelu: bootstrapping gives level %u, need %u",
                        refresh->out_level, deeper(g) + 1);
    const mzv_cipher *view;
    MZV_TRY(run_clamp(ev, &t, &above, v, floor, g));
    MZV_TRY(run_sign(ev, &s, v, SPLIT, floor, g));
    MZV_TRY(mzv_circuit_fresh(ev, &view, &room[1], &t, deeper(g) + 1));
    return run_pieces(ev, out, view, &s, &above, g);
}

mzv_status mzv_nexus_gelu_run(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *v,
                              const mzv_nexus_gelu *gelu) {
    if (!ev->refresh) MZV_TRY(mzv_circuit_need("nexus gelu", v, gelu->facts.levels));
    const size_t mark = mzv_ev_mark(ev);
    const mzv_status status = run_all(ev, out, v, gelu);
    mzv_ev_release(ev, mark);
    return status;
}
