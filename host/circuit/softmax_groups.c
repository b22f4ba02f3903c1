/* Sums within groups of slots, and what happens in slots without data. */
#include <math.h>

#include "base/arena.h"
#include "base/try.h"
#include "circuit/softmax_inside.h"

/* ---- sums ---- */

static void reverse(mzv_fold *fold) {
    for (uint32_t r = 0; r < fold->n_rounds; r++)
        for (uint32_t i = 0; i < fold->n_steps[r]; i++) fold->steps[r][i] = -fold->steps[r][i];
}

/* QuickMax has only rounds of one step. */
mzv_status mzv_groups_make(mzv_groups *out, const mzv_softmax_spec *spec) {
    const mzv_fold_radix radix = spec->method == MZV_SOFTMAX_NEXUS ? MZV_FOLD_RADIX_2 : MZV_FOLD_CHEAPEST;
    const uint32_t count = spec->count, group = spec->group;
    uint32_t h = 1;
    mzv_groups g = { spec->n_slots, spec->stride, count, group, { 0 }, { 0 }, false, 1 };
    while (h < count) h *= 2;
    if (group == count && h == count && (uint64_t)group * spec->stride == spec->n_slots) {
        MZV_TRY(mzv_fold_cyclic(&g.fold, spec->stride, count, radix));
    } else if (h + count <= group) {
        g.room = 2;
        MZV_TRY(mzv_fold_window(&g.fold, spec->stride, count, group, radix));
    } else {
        g.selects = true;
        MZV_TRY(mzv_fold_first(&g.fold, spec->stride, count, group, radix));
        MZV_TRY(mzv_fold_first(&g.back, spec->stride, count, group, MZV_FOLD_CHEAPEST));
        reverse(&g.back);
    }
    *out = g;
    return MZV_OK;
}

mzv_status mzv_groups_request(const mzv_groups *g, mzv_key_request *request, uint32_t level) {
    MZV_TRY(mzv_fold_request(&g->fold, request, level));
    return g->selects ? mzv_fold_request(&g->back, request, level) : MZV_OK;
}

static uint32_t steps_of(const mzv_fold *fold) {
    uint32_t n = 0;
    for (uint32_t r = 0; r < fold->n_rounds; r++) n += fold->n_steps[r];
    return n;
}

uint32_t mzv_groups_key_switches(const mzv_groups *g) {
    return steps_of(&g->fold) + (g->selects ? steps_of(&g->back) : 0);
}

/* Position of slot i in its group. */
static uint32_t position(const mzv_groups *g, uint32_t i) { return i / g->stride % g->group; }

static mzv_status select_first(mzv_evaluator *ev, mzv_cipher *a, const mzv_groups *g, double scale) {
    mzv_complex *slots = NULL;
    mzv_plain *plain = NULL;
    MZV_TRY(MZV_NEW(&slots, g->n_slots, "softmax: selector"));
    for (uint32_t i = 0; i < g->n_slots; i++) slots[i] = position(g, i) == 0 ? scale : 0;
    mzv_status status = mzv_plain_create(&plain, ev, slots, a->level, MZV_PLAIN_MUL);
    if (status == MZV_OK) status = mzv_mul_plain(ev, a, a, plain);
    mzv_plain_destroy(plain);
    mzv_free(slots);
    return status;
}

mzv_status mzv_groups_spread(mzv_evaluator *ev, mzv_cipher *a, const mzv_groups *g, double scale) {
    MZV_TRY(select_first(ev, a, g, scale));
    return mzv_fold_run(ev, a, a, &g->back);
}

mzv_status mzv_groups_sum(mzv_evaluator *ev, mzv_cipher *u, const mzv_cipher *a, const mzv_groups *g,
                          const mzv_sum_map *map) {
    MZV_TRY(mzv_ev_take(ev, u, a->level, a->batch));
    MZV_TRY(mzv_fold_run(ev, u, a, &g->fold));
    if (g->selects) {
        MZV_TRY(mzv_groups_spread(ev, u, g, -map->slope));
        return mzv_add_const(ev, u, u, map->shift);
    }
    if (map->integral) {
        MZV_TRY(mzv_mul_integer(ev, u, u, -(int64_t)map->slope));
        return mzv_add_const(ev, u, u, map->shift);
    }
    const mzv_affine form = { -map->slope, map->shift };
    return mzv_affine_run(ev, u, u, form);
}

/* ---- slots without data ---- */

bool mzv_softmax_masks(const mzv_softmax *s) {
    return s->spec.mask != MZV_SOFTMAX_ALL || s->spec.group > s->spec.count;
}

static bool alive(const mzv_softmax *s, const mzv_softmax_mask *mask, uint32_t i) {
    if (position(&s->groups, i) >= s->spec.count) return false;
    return s->spec.mask != MZV_SOFTMAX_CLEAR || mask->alive[i];
}

/* a times (use MUL) or plus (use ADD) `there` where there is data, `elsewhere` where not. */
static mzv_status apply(mzv_evaluator *ev, mzv_cipher *a, const mzv_softmax *s, const mzv_softmax_mask *mask,
                        mzv_plain_use use, const double there_elsewhere[2]) {
    mzv_complex *slots = NULL;
    mzv_plain *plain = NULL;
    MZV_TRY(MZV_NEW(&slots, s->spec.n_slots, "softmax: mask"));
    for (uint32_t i = 0; i < s->spec.n_slots; i++) slots[i] = there_elsewhere[alive(s, mask, i) ? 0 : 1];
    mzv_status status = mzv_plain_create(&plain, ev, slots, a->level, use);
    if (status == MZV_OK)
        status = use == MZV_PLAIN_MUL ? mzv_mul_plain(ev, a, a, plain) : mzv_add_plain(ev, a, a, plain);
    mzv_plain_destroy(plain);
    mzv_free(slots);
    return status;
}

/* out = (scale a + shift) m: two levels below a. */
static mzv_status times_hidden(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, mzv_affine u,
                               const mzv_cipher *m) {
    mzv_cipher value, room, low;
    const mzv_cipher *fresh, *view;
    MZV_TRY(mzv_ev_take(ev, &value, a->level, a->batch));
    MZV_TRY(mzv_affine_run(ev, &value, a, u));
    MZV_TRY(mzv_circuit_fresh(ev, &fresh, &room, m, value.level));
    MZV_TRY(mzv_circuit_at(ev, &view, &low, fresh, value.level));
    return mzv_mul(ev, out, &value, view);
}

/* scale a + shift where there is data, `dead` elsewhere. */
typedef struct placement {
    mzv_affine u;
    double dead;
} placement;

static mzv_status masked(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const placement *p,
                         const mzv_softmax_mask *mask, const mzv_softmax *s) {
    const double factors[2] = { p->u.scale, 0 }, terms[2] = { p->u.shift, p->dead };
    if (s->spec.mask == MZV_SOFTMAX_HIDDEN) {
        const mzv_affine above = { p->u.scale, p->u.shift - p->dead };
        MZV_TRY(times_hidden(ev, out, a, above, mask->cipher));
        return mzv_add_const(ev, out, out, p->dead);
    }
    MZV_TRY(mzv_copy(ev, out, a));
    MZV_TRY(apply(ev, out, s, mask, MZV_PLAIN_MUL, factors));
    return apply(ev, out, s, mask, MZV_PLAIN_ADD, terms);
}

static mzv_status place(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const placement *p,
                        const mzv_softmax_mask *mask, const mzv_softmax *s) {
    if (!mzv_softmax_masks(s)) return mzv_affine_run(ev, out, a, p->u);
    const size_t mark = mzv_ev_mark(ev);
    const mzv_status status = masked(ev, out, a, p, mask, s);
    mzv_ev_release(ev, mark);
    return status;
}

mzv_status mzv_softmax_place(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *x,
                             const mzv_softmax_mask *mask, const mzv_softmax *s) {
    const placement p = { s->input, s->dead };
    return place(ev, out, x, &p, mask, s);
}

mzv_status mzv_softmax_keep(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, mzv_affine u,
                            const mzv_softmax_mask *mask, const mzv_softmax *s) {
    const placement p = { u, 0 };
    return place(ev, out, a, &p, mask, s);
}

/* a + dead_value m - dead_value */
static mzv_status bury_hidden(mzv_evaluator *ev, mzv_cipher *a, const mzv_cipher *m, const mzv_softmax *s) {
    mzv_cipher room, scaled, low;
    const mzv_cipher *fresh, *view;
    MZV_TRY(mzv_circuit_fresh(ev, &fresh, &room, m, a->level + 1));
    MZV_TRY(mzv_circuit_at(ev, &view, &low, fresh, a->level + 1));
    MZV_TRY(mzv_ev_take(ev, &scaled, a->level, a->batch));
    MZV_TRY(mzv_combine(ev, &scaled, &view, &s->dead_value, 1, -s->dead_value));
    return mzv_add(ev, a, a, &scaled);
}

mzv_status mzv_softmax_bury(mzv_evaluator *ev, mzv_cipher *a, const mzv_softmax_mask *mask,
                            const mzv_softmax *s) {
    const double terms[2] = { 0, -s->dead_value };
    if (!mzv_softmax_masks(s)) return MZV_OK;
    if (s->spec.mask != MZV_SOFTMAX_HIDDEN) return apply(ev, a, s, mask, MZV_PLAIN_ADD, terms);
    const size_t mark = mzv_ev_mark(ev);
    const mzv_status status = bury_hidden(ev, a, mask->cipher, s);
    mzv_ev_release(ev, mark);
    return status;
}

mzv_status mzv_softmax_fresh(mzv_evaluator *ev, mzv_cipher *a, uint32_t part, uint32_t rest) {
    mzv_cipher room;
    const mzv_cipher *view;
    const bool again = rest > 0 && ev->refresh && a->level < part + rest;
    const size_t mark = mzv_ev_mark(ev);
    mzv_status status = mzv_circuit_fresh(ev, &view, &room, a, part + (again ? ev->refresh->in_level : 0));
    if (status == MZV_OK && view != a) status = mzv_copy(ev, a, view);
    mzv_ev_release(ev, mark);
    return status;
}
