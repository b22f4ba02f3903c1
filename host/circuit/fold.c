/* Rotate-and-add. Steps are powers of two; fold.h proves which slots their windows reach. */
#include "circuit/fold.h"

#include "base/try.h"

/* Rounds of one step, or of two at a time: s, t, s + t. An odd number leaves one round of radix 2, the first,
 * where it costs nothing to have it early. */
static void pack(mzv_fold *out, const int32_t *step, uint32_t n, mzv_fold_radix radix) {
    mzv_fold fold = { 0 };
    for (uint32_t i = 0; i < n;) {
        const bool pair = radix != MZV_FOLD_RADIX_2 && (n - i) % 2 == 0;
        int32_t *const round = fold.steps[fold.n_rounds];
        round[0] = step[i];
        if (pair) {
            round[1] = step[i + 1];
            round[2] = step[i] + step[i + 1];
        }
        fold.n_steps[fold.n_rounds++] = pair ? 3 : 1;
        i += pair ? 2 : 1;
    }
    *out = fold;
}

static mzv_status check(const char *name, uint32_t stride, uint32_t positions, mzv_fold_radix radix) {
    const uint64_t slots = (uint64_t)stride * positions;
    if (slots == 0 || slots > 1u << (MZV_FOLD_MAX_ROUNDS - 1))
        return mzv_fail(MZV_ERR_ARGUMENT, "%s: %u positions of stride %u, need 1 to %u slots", name,
                        positions, stride, 1u << (MZV_FOLD_MAX_ROUNDS - 1));
    if (radix != MZV_FOLD_CHEAPEST && radix != MZV_FOLD_RADIX_2 && radix != MZV_FOLD_RADIX_4)
        return mzv_fail(MZV_ERR_ARGUMENT, "%s: radix %d, need 0, 2 or 4", name, (int)radix);
    return MZV_OK;
}

/* stride, 2 stride, .. up to, not including, count * stride; returns how many. */
static uint32_t doubling(int32_t *step, uint32_t stride, uint32_t count) {
    uint32_t n = 0;
    for (uint32_t w = 1; w < count; w *= 2) step[n++] = (int32_t)(w * stride);
    return n;
}

mzv_status mzv_fold_cyclic(mzv_fold *out, uint32_t stride, uint32_t count, mzv_fold_radix radix) {
    int32_t step[MZV_FOLD_MAX_ROUNDS];
    MZV_TRY(check("fold cyclic", stride, count, radix));
    if (count & (count - 1))
        return mzv_fail(MZV_ERR_ARGUMENT, "fold cyclic: count %u, need a power of two", count);
    pack(out, step, doubling(step, stride, count), radix);
    return MZV_OK;
}

mzv_status mzv_fold_window(mzv_fold *out, uint32_t stride, uint32_t used, uint32_t group,
                           mzv_fold_radix radix) {
    int32_t step[MZV_FOLD_MAX_ROUNDS];
    uint32_t h = 1;
    MZV_TRY(check("fold window", stride, group, radix));
    while (h < used && h < group) h *= 2;
    if (used == 0 || (used > 1 && (uint64_t)h + used > group))
        return mzv_fail(MZV_ERR_ARGUMENT, "fold window: %u of %u positions used, need %u or a larger group",
                        used, group, h + used);
    uint32_t n = doubling(step, stride, h);
    if (used > 1) step[n++] = -(int32_t)(h * stride);
    pack(out, step, n, radix);
    return MZV_OK;
}

mzv_status mzv_fold_first(mzv_fold *out, uint32_t stride, uint32_t used, uint32_t group,
                          mzv_fold_radix radix) {
    int32_t step[MZV_FOLD_MAX_ROUNDS];
    uint32_t h = 1;
    MZV_TRY(check("fold first", stride, group, radix));
    while (h < used && h < group) h *= 2;
    if (used == 0 || used > group || h > group)
        return mzv_fail(MZV_ERR_ARGUMENT, "fold first: %u of %u positions used, need a group of %u", used,
                        group, h);
    pack(out, step, doubling(step, stride, h), radix);
    return MZV_OK;
}

mzv_status mzv_fold_request(const mzv_fold *fold, mzv_key_request *request, uint32_t level) {
    for (uint32_t r = 0; r < fold->n_rounds; r++)
        for (uint32_t i = 0; i < fold->n_steps[r]; i++)
            MZV_TRY(mzv_request_rotate(request, fold->steps[r][i], level));
    return MZV_OK;
}

static mzv_status run_rounds(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_fold *fold) {
    mzv_cipher sum[2];
    const mzv_cipher *from = a;
    for (uint32_t i = 0; i < 2 && i + 1 < fold->n_rounds; i++)
        MZV_TRY(mzv_ev_take(ev, &sum[i], a->level, a->batch));
    for (uint32_t r = 0; r < fold->n_rounds; r++) {
        mzv_cipher *const to = r + 1 == fold->n_rounds ? out : &sum[r % 2];
        MZV_TRY(mzv_rotate_sum(ev, to, from, fold->steps[r], fold->n_steps[r]));
        from = to;
    }
    return MZV_OK;
}

mzv_status mzv_fold_run(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_fold *fold) {
    if (fold->n_rounds == 0) return mzv_copy(ev, out, a);
    const size_t mark = mzv_ev_mark(ev);
    const mzv_status status = run_rounds(ev, out, a, fold);
    mzv_ev_release(ev, mark);
    return status;
}
