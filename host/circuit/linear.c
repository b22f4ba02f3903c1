/* Plans of linear transforms: which baby steps, which diagonals. [HS18, section 5], [BMTH21, section 4] */
#include "circuit/linear.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/try.h"
#include "ckks/plain.h"

#define BABY_COST 0.3

struct mzv_transform {
    mzv_bsgs bsgs;
    mzv_transform_facts facts;
    uint32_t n_plain; /* n_baby * n_giant */
};

double mzv_transform_cost(uint32_t n_rotations, uint32_t n_giant) {
    return BABY_COST * n_rotations + (double)(n_giant - 1);
}

static bool is_zero(const mzv_complex *slots, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        if (__real__ slots[i] != 0 || __imag__ slots[i] != 0) return false;
    return true;
}

static void clear(mzv_complex *slots, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) slots[i] = 0;
}

/* Baby steps in use, giant steps up to the last in use, diagonals that are not zero. */
static void survey(mzv_transform_facts *facts, const bool *used, const mzv_transform_spec *spec,
                   uint32_t n_baby) {
    const uint32_t n_diagonals = spec->n_diagonals;
    uint32_t n_rotations = 0, last = 0, n = 0;
    for (uint32_t b = 0; b < n_baby; b++) {
        bool any = false;
        for (uint32_t d = b; d < n_diagonals; d += n_baby) any |= used[d];
        n_rotations += any && (int32_t)b != -spec->first;
    }
    for (uint32_t d = 0; d < n_diagonals; d++) {
        n += used[d];
        if (used[d]) last = d;
    }
    facts->n_baby = n_baby;
    facts->n_giant = last / n_baby + 1;
    facts->n_diagonals = n;
    facts->n_rotations = n_rotations;
    facts->n_keys = n_rotations + (facts->n_giant > 1);
    facts->cost = mzv_transform_cost(n_rotations, facts->n_giant);
}

/* The cheapest power of two; of equals, the one with fewer keys. */
static void choose(mzv_transform_facts *facts, const bool *used, const mzv_transform_spec *spec) {
    mzv_transform_facts tried = *facts;
    survey(facts, used, spec, 1);
    for (uint32_t b = 2; b / 2 < spec->n_diagonals; b *= 2) {
        survey(&tried, used, spec, b);
        if (tried.cost < facts->cost || (tried.cost == facts->cost && tried.n_keys < facts->n_keys))
            *facts = tried;
    }
}

static mzv_status find_zeros(bool *used, mzv_complex *slots, uint32_t n_slots,
                             const mzv_transform_spec *spec) {
    bool any = false;
    for (uint32_t d = 0; d < spec->n_diagonals; d++) {
        clear(slots, n_slots);
        MZV_TRY(spec->diagonal(spec->user, slots, d));
        used[d] = !is_zero(slots, n_slots);
        any |= used[d];
    }
    return any ? MZV_OK
               : mzv_fail(MZV_ERR_ARGUMENT, "transform: all %u diagonals are zero", spec->n_diagonals);
}

/* Diagonal d = g n_baby + b, rotated by -g giant_step: slot j holds entry j - g giant_step. */
static mzv_status encode(mzv_transform *t, mzv_evaluator *ev, uint32_t d, mzv_complex *slots,
                         const mzv_transform_spec *spec) {
    const uint32_t n_slots = mzv_evaluator_slots(ev);
    mzv_complex *const turned = slots + n_slots;
    const int64_t by = (int64_t)(d / t->bsgs.n_baby) * t->bsgs.giant_step;
    clear(slots, n_slots);
    MZV_TRY(spec->diagonal(spec->user, slots, d));
    for (uint32_t j = 0; j < n_slots; j++)
        turned[j] = slots[(uint64_t)((int64_t)j - by) & (n_slots - 1)]; /* n_slots is a power of two */
    return mzv_plain_create(&t->bsgs.diagonal[d], ev, turned, t->bsgs.level, MZV_PLAIN_MUL);
}

/* work: room for 2 n_slots complex; used: n_diagonals. */
static mzv_status build(mzv_transform *t, mzv_evaluator *ev, mzv_complex *work, bool *used,
                        const mzv_transform_spec *spec) {
    MZV_TRY(find_zeros(used, work, mzv_evaluator_slots(ev), spec));
    if (spec->n_baby)
        survey(&t->facts, used, spec, spec->n_baby);
    else
        choose(&t->facts, used, spec);
    t->bsgs.n_baby = t->facts.n_baby;
    t->bsgs.n_giant = t->facts.n_giant;
    t->bsgs.baby_step = spec->step;
    t->bsgs.first = spec->first;
    t->bsgs.giant_step = (int32_t)t->facts.n_baby * spec->step;
    t->n_plain = t->bsgs.n_baby * t->bsgs.n_giant;
    MZV_TRY(MZV_NEW(&t->bsgs.diagonal, t->n_plain, "transform: diagonals"));
    for (uint32_t d = 0; d < spec->n_diagonals; d++)
        if (used[d]) MZV_TRY(encode(t, ev, d, work, spec));
    return MZV_OK;
}

static mzv_status check(const mzv_evaluator *ev, uint32_t level, const mzv_transform_spec *spec) {
    const uint32_t n_slots = mzv_evaluator_slots(ev);
    if (level == 0 || level > mzv_evaluator_max_level(ev))
        return mzv_fail(MZV_ERR_LEVEL, "transform: level %u, need 1 to %u", level,
                        mzv_evaluator_max_level(ev));
    if (spec->n_diagonals == 0 || spec->step == 0 ||
        (uint64_t)spec->n_diagonals * (uint64_t)llabs(spec->step) > n_slots)
        return mzv_fail(MZV_ERR_ARGUMENT, "transform: %u diagonals of step %d, need 1 to %u slots in all",
                        spec->n_diagonals, spec->step, n_slots);
    if (spec->n_baby & (spec->n_baby - 1) || spec->n_baby > n_slots)
        return mzv_fail(MZV_ERR_ARGUMENT, "transform: %u baby steps, need a power of two up to %u",
                        spec->n_baby, n_slots);
    return MZV_OK;
}

mzv_status mzv_transform_create(mzv_transform **out, mzv_evaluator *ev, uint32_t level,
                                const mzv_transform_spec *spec) {
    mzv_transform *t = NULL;
    mzv_complex *work = NULL;
    bool *used = NULL;
    mzv_status status = MZV_OK;
    MZV_TRY(check(ev, level, spec));
    MZV_TRY(MZV_NEW(&t, 1, "transform"));
    t->bsgs.level = t->facts.level = level;
    MZV_TRY_GOTO(MZV_NEW(&work, 2 * (size_t)mzv_evaluator_slots(ev), "transform: slots"), done);
    MZV_TRY_GOTO(MZV_NEW(&used, spec->n_diagonals, "transform: diagonals in use"), done);
    MZV_TRY_GOTO(build(t, ev, work, used, spec), done);
    *out = t;
    t = NULL;
done:
    mzv_free(used);
    mzv_free(work);
    mzv_transform_destroy(t);
    return status;
}

void mzv_transform_destroy(mzv_transform *t) {
    if (!t) return;
    for (uint32_t i = 0; i < t->n_plain && t->bsgs.diagonal; i++) mzv_plain_destroy(t->bsgs.diagonal[i]);
    mzv_free(t->bsgs.diagonal);
    mzv_free(t);
}

mzv_status mzv_transform_keep(mzv_transform *t) {
    for (uint32_t d = 0; d < t->n_plain; d++)
        if (t->bsgs.diagonal[d]) MZV_TRY(mzv_plain_keep(t->bsgs.diagonal[d], true));
    return MZV_OK;
}

mzv_status mzv_transform_keep_compact(mzv_transform *t) {
    for (uint32_t d = 0; d < t->n_plain; d++)
        if (t->bsgs.diagonal[d]) MZV_TRY(mzv_plain_keep_compact(t->bsgs.diagonal[d]));
    return MZV_OK;
}

const mzv_transform_facts *mzv_transform_about(const mzv_transform *t) { return &t->facts; }

mzv_status mzv_transform_request(const mzv_transform *t, mzv_key_request *request) {
    const mzv_bsgs *m = &t->bsgs;
    for (uint32_t b = 0; b < m->n_baby; b++) {
        const int32_t steps = (m->first + (int32_t)b) * m->baby_step;
        bool any = false;
        for (uint32_t g = 0; g < m->n_giant; g++) any |= m->diagonal[g * m->n_baby + b] != NULL;
        if (any && steps != 0) MZV_TRY(mzv_request_rotate(request, steps, m->level));
    }
    return m->n_giant > 1 ? mzv_request_rotate(request, m->giant_step, m->level) : MZV_OK;
}

const mzv_bsgs *mzv_transform_bsgs(const mzv_transform *t) { return &t->bsgs; }

mzv_status mzv_transform_run(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a,
                             const mzv_transform *t) {
    return mzv_linear(ev, out, a, &t->bsgs);
}
