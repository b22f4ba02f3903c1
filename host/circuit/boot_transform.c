/* Groups of FFT stages as diagonals. A matrix on m slots is kept as its diagonals, offset by offset. */
#include "circuit/boot_transform.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/arena.h"
#include "base/try.h"

#define MAX_OFFSETS (2 * MZV_BOOT_MAX_RADIX - 1)

/* value[(o + reach) m + i]: entry (i, i + o h) of the matrix, -reach <= o <= reach. */
typedef struct diagonals {
    uint32_t m, h, reach;
    bool used[MAX_OFFSETS]; /* [o + reach]; the others are zero */
    mzv_complex *value;
} diagonals;

/* Without the tests for infinities that C asks of its own product. */
static inline mzv_complex product(mzv_complex a, mzv_complex b) {
    mzv_complex r;
    __real__ r = __real__ a * __real__ b - __imag__ a * __imag__ b;
    __imag__ r = __real__ a * __imag__ b + __imag__ a * __real__ b;
    return r;
}

static mzv_complex *row_of(const diagonals *d, int32_t o) {
    return d->value + (size_t)(o + (int32_t)d->reach) * d->m;
}

static mzv_complex polar(double angle) {
    mzv_complex r;
    __real__ r = cos(angle);
    __imag__ r = sin(angle);
    return r;
}

/* Root j of the stage of 2h points. */
static mzv_complex root(uint32_t j, uint32_t h) {
    uint64_t power = 1;
    for (uint64_t base = 5, e = j; e != 0; e >>= 1, base = base * base % (8 * (uint64_t)h))
        if (e & 1) power = power * base % (8 * (uint64_t)h);
    return polar(2 * M_PI * (double)power / (8.0 * h));
}

/* One stage: its entries at offsets 0 (main), +h (up) and -h (down) for slot i. */
typedef struct stage_row {
    mzv_complex main, up, down;
} stage_row;

static stage_row stage_at(mzv_boot_direction direction, uint32_t i, uint32_t h) {
    const bool low = i % (2 * h) < h;
    const mzv_complex r = root(i % h, h);
    stage_row row = { 0, 0, 0 };
    if (direction == MZV_SLOT_TO_COEFF) {
        row.main = low ? 1 : -r;
        row.up = low ? r : 0;
        row.down = low ? 0 : 1;
    } else {
        row.main = low ? 0.5 : -0.5 * ~r;
        row.up = low ? 0.5 : 0;
        row.down = low ? 0 : 0.5 * ~r;
    }
    return row;
}

/* to = stage . from, the stage of half size from->h * s. `from` reaches s less than `to` at most. */
static void apply_stage(diagonals *to, const diagonals *from, mzv_boot_direction direction, uint32_t s) {
    const uint32_t m = from->m, h = from->h * s, n = 2 * from->reach + 1;
    memset(to->value, 0, (size_t)n * m * sizeof *to->value);
    memset(to->used, 0, sizeof to->used);
    for (uint32_t o = 0; o < n; o++) {
        if (from->used[o]) to->used[o] = to->used[o + s] = to->used[o - s] = true;
    }
#pragma omp parallel for
    for (uint32_t i = 0; i < m; i++) {
        const stage_row row = stage_at(direction, i, h);
        const uint32_t above = (i + h) & (m - 1), below = (i - h) & (m - 1);
        for (uint32_t o = 0; o < n; o++) {
            const mzv_complex *x = from->value + (size_t)o * m;
            if (!from->used[o]) continue;
            to->value[(size_t)o * m + i] += product(row.main, x[i]);
            to->value[(size_t)(o + s) * m + i] += product(row.up, x[above]);
            to->value[(size_t)(o - s) * m + i] += product(row.down, x[below]);
        }
    }
}

/* A group as the caller of mzv_transform_create sees it. */
typedef struct group {
    diagonals d;
    double factor;
    const mzv_complex *after, *before; /* NULL: none here */
    uint32_t period, n_slots;
    bool closed; /* offsets o and o - reach - 1 are the same */
} group;

/* Diagonal number d: offset first + d; entries repeat with period m, times the factors of both sides. */
static mzv_status diagonal(void *user, mzv_complex *slots, uint32_t d) {
    const group *g = (const group *)user;
    const int32_t n_half = (int32_t)g->d.reach + 1, o = g->closed ? (int32_t)d : (int32_t)d - n_half;
    const mzv_complex *a = o >= -(int32_t)g->d.reach ? row_of(&g->d, o) : NULL;
    const mzv_complex *b = g->closed && o > 0 ? row_of(&g->d, o - n_half) : NULL;
    const uint32_t by = (uint32_t)(o * (int32_t)g->d.h);
    for (uint32_t i = 0; a != NULL && i < g->n_slots; i++) {
        const uint32_t at = i & (g->d.m - 1);
        mzv_complex x = g->factor * (a[at] + (b != NULL ? b[at] : 0));
        if (g->after != NULL) x = product(x, g->after[i & (g->period - 1)]);
        if (g->before != NULL) x = product(x, g->before[(i + by) & (g->period - 1)]);
        slots[i] = x;
    }
    return MZV_OK;
}

/* stages[0 .. n-1] are half sizes; h the smallest of them. */
static mzv_status fill(group *g, const mzv_boot_transform_spec *spec, uint32_t h, uint32_t n) {
    diagonals even = { .m = spec->n_slots, .h = h, .reach = (1u << n) - 1 }, odd = even;
    const size_t n_values = (2 * (size_t)even.reach + 1) * spec->n_slots;
    MZV_TRY(MZV_NEW(&even.value, n_values, "stages of a bootstrapping transform"));
    const mzv_status status = MZV_NEW(&odd.value, n_values, "stages of a bootstrapping transform");
    if (status != MZV_OK) {
        mzv_free(even.value);
        return status;
    }
    even.used[even.reach] = true;
    for (uint32_t i = 0; i < spec->n_slots; i++) row_of(&even, 0)[i] = 1;
    for (uint32_t k = 0; k < n; k++) {
        const uint32_t s = spec->direction == MZV_SLOT_TO_COEFF ? k : n - 1 - k;
        apply_stage(&odd, &even, spec->direction, 1u << s);
        const diagonals swap = even;
        even = odd;
        odd = swap;
    }
    mzv_free(odd.value);
    g->d = even;
    g->closed = h << n == spec->n_slots;
    return MZV_OK;
}

static mzv_status create_group(mzv_transform **out, mzv_evaluator *ev, const mzv_boot_transform_spec *spec,
                               group *g, uint32_t position) {
    const uint32_t half = g->d.reach + 1;
    const mzv_transform_spec transform = { .diagonal = diagonal,
                                           .user = g,
                                           .n_diagonals = g->closed ? half : 2 * half,
                                           .step = (int32_t)g->d.h,
                                           .first = g->closed ? 0 : -(int32_t)half };
    g->n_slots = mzv_evaluator_slots(ev);
    g->period = 2 * spec->n_slots < g->n_slots ? 2 * spec->n_slots : g->n_slots;
    g->factor = pow(spec->factor, 1.0 / spec->n_groups);
    g->before = position == 0 ? spec->before : NULL;
    g->after = position + 1 == spec->n_groups ? spec->after : NULL;
    return mzv_transform_create(out, ev, spec->level - position, &transform);
}

/* Stages of group `position` of n over `log_m` in all: as even as can be, larger ones first. */
static uint32_t stages_of(uint32_t log_m, uint32_t n_groups, uint32_t position) {
    return log_m / n_groups + (position < log_m % n_groups ? 1 : 0);
}

static mzv_status check(const mzv_evaluator *ev, const mzv_boot_transform_spec *spec, uint32_t *log_m) {
    const uint32_t m = spec->n_slots;
    for (*log_m = 0; 1u << *log_m < m; ++*log_m) continue;
    if (m < 2 || 1u << *log_m != m || m > mzv_evaluator_slots(ev))
        return mzv_fail(MZV_ERR_ARGUMENT, "bootstrapping: %u slots, need a power of two, 2 to %u", m,
                        mzv_evaluator_slots(ev));
    if (spec->n_groups == 0 || spec->n_groups > *log_m || spec->n_groups > MZV_BOOT_MAX_GROUPS ||
        1u << stages_of(*log_m, spec->n_groups, 0) > MZV_BOOT_MAX_RADIX)
        return mzv_fail(MZV_ERR_ARGUMENT,
                        "bootstrapping: %u groups for %u stages, need 1 to %u, of at most %u stages each",
                        spec->n_groups, *log_m, *log_m < MZV_BOOT_MAX_GROUPS ? *log_m : MZV_BOOT_MAX_GROUPS,
                        (uint32_t)__builtin_ctz(MZV_BOOT_MAX_RADIX));
    if (spec->level < spec->n_groups || spec->level > mzv_evaluator_max_level(ev))
        return mzv_fail(MZV_ERR_LEVEL, "bootstrapping: a transform of %u levels from level %u of %u",
                        spec->n_groups, spec->level, mzv_evaluator_max_level(ev));
    return MZV_OK;
}

mzv_status mzv_boot_transform_create(mzv_boot_transform *out, mzv_evaluator *ev,
                                     const mzv_boot_transform_spec *spec) {
    uint32_t log_m = 0, done = 0;
    MZV_TRY(check(ev, spec, &log_m));
    for (uint32_t p = 0; p < spec->n_groups; p++) {
        const uint32_t n = stages_of(log_m, spec->n_groups, p);
        const uint32_t first = spec->direction == MZV_SLOT_TO_COEFF ? done : log_m - done - n;
        group g = { .factor = 1 };
        MZV_TRY(fill(&g, spec, 1u << first, n));
        const mzv_status status = create_group(&out->group[p], ev, spec, &g, p);
        mzv_free(g.d.value);
        MZV_TRY(status);
        out->n_groups = p + 1;
        done += n;
    }
    return MZV_OK;
}

void mzv_boot_transform_destroy(mzv_boot_transform *t) {
    for (uint32_t i = 0; i < t->n_groups; i++) mzv_transform_destroy(t->group[i]);
    t->n_groups = 0;
}

mzv_status mzv_boot_transform_keep(mzv_boot_transform *t) {
    for (uint32_t i = 0; i < t->n_groups; i++) MZV_TRY(mzv_transform_keep(t->group[i]));
    return MZV_OK;
}

mzv_status mzv_boot_transform_keep_compact(mzv_boot_transform *t) {
    for (uint32_t i = 0; i < t->n_groups; i++) MZV_TRY(mzv_transform_keep_compact(t->group[i]));
    return MZV_OK;
}

/* *last = a after all groups but the last. Temporaries stay taken. */
static mzv_status run_but_last(mzv_evaluator *ev, const mzv_cipher **last, mzv_cipher room[2],
                               const mzv_cipher *a, const mzv_boot_transform *t) {
    *last = a;
    for (uint32_t i = 0; i + 1 < t->n_groups; i++) {
        mzv_cipher *const to = &room[i % 2];
        if (i < 2) MZV_TRY(mzv_ev_take(ev, to, mzv_transform_about(t->group[i])->level - 1, a->batch));
        MZV_TRY(mzv_transform_run(ev, to, *last, t->group[i]));
        *last = to;
    }
    return MZV_OK;
}

mzv_status mzv_boot_transform_run(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a,
                                  const mzv_boot_transform *t) {
    const size_t mark = mzv_ev_mark(ev);
    const mzv_cipher *last = NULL;
    mzv_cipher room[2];
    mzv_status status = run_but_last(ev, &last, room, a, t);
    if (status == MZV_OK) status = mzv_transform_run(ev, out, last, t->group[t->n_groups - 1]);
    mzv_ev_release(ev, mark);
    return status;
}

mzv_status mzv_boot_transform_split(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a,
                                    const mzv_boot_transform *t) {
    const size_t mark = mzv_ev_mark(ev);
    const mzv_cipher *last = NULL;
    mzv_cipher room[2];
    mzv_status status = run_but_last(ev, &last, room, a, t);
    if (status == MZV_OK)
        status = mzv_linear_split(ev, out, last, mzv_transform_bsgs(t->group[t->n_groups - 1]));
    mzv_ev_release(ev, mark);
    return status;
}
