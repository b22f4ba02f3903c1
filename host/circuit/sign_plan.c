/* Degrees by a search over what parts leave [LLNK22, section 5]: after the change of scale a part sees the
 * sign on [e, 1] only, so that one number says how far a sequence has come, and of two sequences of equal
 * levels the one with fewer key switches and larger e is better. We keep all that are not worse in both; the
 * paper's tables hold the same optimum, with a bound on multiplications in place of our key switches. */
#include "circuit/sign_plan.h"

#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/try.h"
#include "math/chebyshev.h"
#include "math/remez.h"

#define PI_L 3.14159265358979323846264338327950288L
#define TOLERANCE 0x1p-12                         /* of each part: it is within that of the best polynomial */
#define N_DEGREES ((MZV_SIGN_MAX_DEGREE - 1) / 2) /* 3, 5, .. */
#define MAX_STATES 4096u
#define MAX_LEVELS 60u
#define POINTS_PER_DEGREE 256u
#define NEXUS_PARTS 2u /* of f and of g, at least */

/* ---- what values a plan takes ---- */

static void part_image(long double *low, long double *high, const mzv_sign_part *p, long double a,
                       long double b) {
    const uint32_t n = POINTS_PER_DEGREE * p->degree + 1;
    *low = INFINITY;
    *high = -INFINITY;
    for (uint32_t i = 0; i < n; i++) {
        const long double half = sinl(PI_L * (long double)i / (long double)(2 * (n - 1)));
        const long double y = mzv_chebyshev_value(p->coeff, p->degree, a + (b - a) * half * half);
        *low = fminl(*low, y);
        *high = fmaxl(*high, y);
    }
}

void mzv_sign_plan_image(long double *low, long double *high, const mzv_sign_plan *plan, long double a,
                         long double b) {
    *low = a;
    *high = b;
    for (uint32_t i = 0; i < plan->n_parts; i++) {
        part_image(low, high, &plan->part[i], a, b);
        a = *low;
        b = *high;
    }
}

/* ---- minimax ---- */

typedef struct candidate {
    uint32_t degree, levels, n_key_switch;
} candidate;

/* A sequence of parts: its last one and, by index, what comes before. */
typedef struct state {
    double e;
    uint32_t levels, n_key_switch, degree, parent;
} state;

typedef struct search {
    const mzv_sign_spec *spec;
    candidate candidates[N_DEGREES];
    uint32_t n_candidates;
    state *states; /* MAX_STATES, by levels */
    uint32_t n_states, first[MAX_LEVELS + 2];
    state best; /* reaches the target; degree 0: none yet */
} search;

static long double one(void *user, long double x) {
    (void)user;
    (void)x;
    return 1;
}

/* The odd polynomial nearest to 1 on [e, 1], and its error. */
static mzv_status best_part(double *error, mzv_sign_part *part, double e, uint32_t degree) {
    const mzv_interval on = { e, 1 };
    const mzv_remez_spec spec = { .value = one,
                                  .on = &on,
                                  .n_on = 1,
                                  .a = -1,
                                  .b = 1,
                                  .degree = degree,
                                  .parity = MZV_PARITY_ODD,
                                  .tolerance = TOLERANCE };
    mzv_remez_facts facts;
    part->degree = degree;
    MZV_TRY(mzv_remez(part->coeff, &facts, &spec));
    *error = facts.error;
    return MZV_OK;
}

/* What a part of this error leaves to the next: [1 - E, 1 + E], wider by the noise, divided by its top. */
static double left_by(double error, double noise) { return (1 - error - noise) / (1 + error + noise); }

/* Levels and key switches of all odd degrees; one that costs as much as a higher one is left out. They follow
 * from which coefficients are zero after division: those of sign's parts, which are 1/k in size, are not. */
static mzv_status list_candidates(search *s) {
    double coeff[MZV_SIGN_MAX_DEGREE + 1] = { 0, 1 };
    for (uint32_t degree = 3; degree <= MZV_SIGN_MAX_DEGREE; degree += 2) {
        mzv_polynomial *p = NULL;
        coeff[degree] = 1.0 / degree;
        MZV_TRY(mzv_polynomial_create(&p, coeff, degree));
        const mzv_polynomial_facts f = *mzv_polynomial_about(p);
        mzv_polynomial_destroy(p);
        candidate *last = s->n_candidates > 0 ? &s->candidates[s->n_candidates - 1] : NULL;
        while (last && last->levels == f.levels && last->n_key_switch >= f.n_key_switch) {
            s->n_candidates--;
            last = s->n_candidates > 0 ? last - 1 : NULL;
        }
        s->candidates[s->n_candidates++] = (candidate) { degree, f.levels, f.n_key_switch };
    }
    return MZV_OK;
}

/* Whether a sequence costs no more than another one of its levels and leaves as much. */
static bool beats(const state *a, const state *b) {
    return a->n_key_switch <= b->n_key_switch && a->e >= b->e;
}

static mzv_status keep(search *s, const state *made) {
    for (uint32_t i = s->first[made->levels]; i < s->n_states; i++)
        if (beats(&s->states[i], made)) return MZV_OK;
    uint32_t n = s->first[made->levels];
    for (uint32_t i = n; i < s->n_states; i++)
        if (!beats(made, &s->states[i])) s->states[n++] = s->states[i];
    if (n == MAX_STATES)
        return mzv_fail(MZV_ERR_PRECISION, "sign: more than %u sequences of degrees: widen the gap %g",
                        MAX_STATES, s->spec->gap);
    s->states[n] = *made;
    s->n_states = n + 1;
    return MZV_OK;
}

static mzv_status extend(search *s, uint32_t parent, const candidate *c) {
    const state from = s->states[parent];
    state made = { 0, from.levels + c->levels, from.n_key_switch + c->n_key_switch, c->degree, parent };
    mzv_sign_part part;
    double error = 0;
    const bool costs_more = s->best.degree && made.n_key_switch >= s->best.n_key_switch;
    if (costs_more) return MZV_OK;
    MZV_TRY(best_part(&error, &part, from.e, c->degree));
    made.e = left_by(error, s->spec->noise);
    if (error <= s->spec->target) {
        s->best = made;
        return MZV_OK;
    }
    return made.e > from.e ? keep(s, &made) : MZV_OK;
}

/* All sequences of `levels` levels. */
static mzv_status extend_to(search *s, uint32_t levels) {
    s->first[levels] = s->n_states;
    for (uint32_t c = 0; c < s->n_candidates; c++) {
        const candidate *with = &s->candidates[c];
        if (with->levels > levels) continue;
        const uint32_t before = levels - with->levels;
        for (uint32_t i = s->first[before]; i < s->first[before + 1]; i++) MZV_TRY(extend(s, i, with));
    }
    s->first[levels + 1] = s->n_states;
    return MZV_OK;
}

static mzv_status find_degrees(search *s, double e) {
    s->states[0].e = e;
    s->n_states = s->first[1] = 1;
    for (uint32_t levels = 1; levels <= MAX_LEVELS && !s->best.degree; levels++)
        MZV_TRY(extend_to(s, levels));
    if (s->best.degree) return MZV_OK;
    return mzv_fail(MZV_ERR_PRECISION,
                    "sign: error %g on [%g, %g] not within %u levels with noise %g: raise the target",
                    s->spec->target, s->spec->gap, s->spec->bound, MAX_LEVELS, s->spec->noise);
}

/* The parts of the sequence found; each but the last divided by the top of what it gives. */
static mzv_status make_parts(mzv_sign_plan *plan, const search *s, double e) {
    uint32_t degree[MAX_LEVELS], n = 0;
    degree[n++] = s->best.degree;
    for (uint32_t i = s->best.parent; i != 0; i = s->states[i].parent) degree[n++] = s->states[i].degree;
    if (n > MZV_SIGN_MAX_PARTS)
        return mzv_fail(MZV_ERR_PRECISION, "sign: %u parts for the gap %g, at most %u", n, s->spec->gap,
                        MZV_SIGN_MAX_PARTS);
    plan->n_parts = n;
    for (uint32_t i = 0; i < n; i++) {
        mzv_sign_part *const part = &plan->part[i];
        double error = 0;
        MZV_TRY(best_part(&error, part, e, degree[n - 1 - i]));
        e = left_by(error, s->spec->noise);
        for (uint32_t k = 1; i + 1 < n && k <= part->degree; k += 2)
            part->coeff[k] /= 1 + error + s->spec->noise;
    }
    return MZV_OK;
}

static mzv_status plan_minimax(mzv_sign_plan *plan, const mzv_sign_spec *spec) {
    const double e = (spec->gap / spec->bound - spec->noise) / (1 + spec->noise);
    search s = { .spec = spec };
    plan->reach = spec->bound * (1 + spec->noise);
    if (!(e > 0))
        return mzv_fail(MZV_ERR_PRECISION, "sign: noise %g hides the gap %g of %g", spec->noise, spec->gap,
                        spec->bound);
    MZV_TRY(list_candidates(&s));
    MZV_TRY(MZV_NEW(&s.states, MAX_STATES, "sign: sequences of degrees"));
    mzv_status status = find_degrees(&s, e);
    if (status == MZV_OK) status = make_parts(plan, &s, e);
    mzv_free(s.states);
    return status;
}

/* ---- f o .. o f o g o .. o g ---- */

/* sum_k a[k] x^(2k+1) / 1024, k < 5, in the Chebyshev basis: x^n = 2^(1-n) sum_j binomial(n, j) T_{n-2j}, 2j
 * < n, n odd. */
static void from_powers(mzv_sign_part *part, const int32_t a[5]) {
    memset(part, 0, sizeof *part);
    part->degree = 9;
    for (uint32_t n = 1; n <= 9; n += 2) {
        double binomial = 1;
        for (uint32_t j = 0; 2 * j < n; j++) {
            part->coeff[n - 2 * j] += ldexp(a[n / 2] * binomial, -9 - (int)n); /* 2^(1-n) / 1024 */
            binomial = binomial * (n - j) / (j + 1);
        }
    }
}

/* g_4 n_g times, then f_4 n_f times [CKK20]; f_4 is stated over 128 there. */
static void compose(mzv_sign_plan *plan, uint32_t n_g, uint32_t n_f) {
    static const int32_t f[5] = { 8 * 315, -8 * 420, 8 * 378, -8 * 180, 8 * 35 };
    static const int32_t g[5] = { 5850, -34974, 97015, -113492, 46623 };
    plan->n_parts = n_g + n_f;
    for (uint32_t i = 0; i < plan->n_parts; i++) from_powers(&plan->part[i], i < n_g ? g : f);
}

static double error_of(const mzv_sign_plan *plan, double e) {
    long double low, high;
    mzv_sign_plan_image(&low, &high, plan, e, 1);
    return (double)fmaxl(1 - low, high - 1);
}

static mzv_status plan_nexus(mzv_sign_plan *plan, const mzv_sign_spec *spec) {
    double best = INFINITY;
    plan->reach = spec->bound;
    for (uint32_t n = 2 * NEXUS_PARTS; n <= MZV_SIGN_MAX_PARTS; n++)
        for (uint32_t n_g = NEXUS_PARTS; n_g + NEXUS_PARTS <= n; n_g++) {
            compose(plan, n_g, n - n_g);
            const double error = error_of(plan, spec->gap / spec->bound);
            if (error <= spec->target) return MZV_OK;
            if (error < best) best = error;
        }
    return mzv_fail(MZV_ERR_PRECISION, "sign: %u parts f and g leave an error of %.3g on [%g, %g], need %.3g",
                    MZV_SIGN_MAX_PARTS, best, spec->gap, spec->bound, spec->target);
}

mzv_status mzv_sign_plan_make(mzv_sign_plan *plan, const mzv_sign_spec *spec) {
    return spec->recipe == MZV_SIGN_NEXUS ? plan_nexus(plan, spec) : plan_minimax(plan, spec);
}
