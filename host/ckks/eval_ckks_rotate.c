/* ckks: rotations, conjugation and sums of rotations, with hoisting [HS18]: the digits of one polynomial
 * serve all its rotations, since a Galois key is applied before its automorphism (see mzv_ksk). */
#include "base/try.h"
#include "ckks/eval_ckks.h"

/* out = sigma(part 0 + key switch of part 1), out apart from a; digits: those of part 1 where they are kept.
 */
static mzv_status rotate_to(mzv_ckks *ck, mzv_poly out[2], const mzv_cipher *a, const mzv_ksk *key,
                            const mzv_digits *digits) {
    const mzv_cpoly add[2] = { mzv_view(mzv_ckks_part(ck, a, 0, a->level)), { .base = NULL } };
    const mzv_switch with = { .digits = digits == NULL ? NULL : digits->digit,
                              .add = add,
                              .galois = key->galois };
    return mzv_keyswitch(ck->ev.stream, out, mzv_view(mzv_ckks_part(ck, a, 1, a->level)), key, with);
}

/* One rotation, which may be in place: then by way of scratch. */
static mzv_status rotate_one(mzv_ckks *ck, mzv_cipher *out, const mzv_cipher *a, const mzv_ksk *key) {
    mzv_stream *s = ck->ev.stream;
    mzv_poly r[2];
    for (uint32_t t = 0; t < 2; t++) {
        r[t] = mzv_ckks_part(ck, out, t, a->level);
        if (out == a) MZV_TRY(mzv_take(s, &r[t], a->batch, mzv_basis_q(a->level)));
    }
    MZV_TRY(rotate_to(ck, r, a, key, NULL));
    for (uint32_t t = 0; out == a && t < 2; t++)
        MZV_TRY(mzv_poly_copy(s, mzv_ckks_part(ck, out, t, a->level), mzv_view(r[t])));
    return MZV_OK;
}

static uint32_t galois_of(const mzv_evaluator *ev, int32_t steps) {
    return mzv_galois_of(ev->log_n, (int32_t)mzv_steps_reduced(ev->n_slots, steps));
}

/* Every key there? How many steps move anything? */
static mzv_status find_keys(const mzv_ckks *ck, uint32_t *n_moving, const mzv_cipher *a, const int32_t *steps,
                            uint32_t n) {
    const mzv_ksk *key = NULL;
    *n_moving = 0;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t galois = galois_of(&ck->ev, steps[i]);
        if (galois == 1) continue;
        MZV_TRY(mzv_ckks_key(ck, &key, a, galois));
        ++*n_moving;
    }
    return MZV_OK;
}

/* Several move: they share the digits. */
static mzv_status rotate_all(mzv_ckks *ck, mzv_cipher *const *out, const mzv_cipher *a, const int32_t *steps,
                             uint32_t n, uint32_t n_moving) {
    const mzv_ksk *key = NULL;
    mzv_digits digits;
    if (n_moving > 1)
        MZV_TRY(mzv_keyswitch_mod_up(ck->ev.stream, &digits, mzv_view(mzv_ckks_part(ck, a, 1, a->level)),
                                     ck->ev.params.n_special));
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t galois = galois_of(&ck->ev, steps[i]);
        mzv_poly r[2] = { mzv_ckks_part(ck, out[i], 0, a->level), mzv_ckks_part(ck, out[i], 1, a->level) };
        if (galois == 1) {
            MZV_TRY(mzv_ckks_copy(&ck->ev, out[i], a, 0));
            continue;
        }
        MZV_TRY(mzv_ckks_key(ck, &key, a, galois));
        MZV_TRY(n_moving > 1 ? rotate_to(ck, r, a, key, &digits) : rotate_one(ck, out[i], a, key));
    }
    return MZV_OK;
}

mzv_status mzv_ckks_rotate_many(mzv_evaluator *ev, mzv_cipher *const *out, const mzv_cipher *a,
                                const int32_t *steps, uint32_t n) {
    mzv_ckks *ck = (mzv_ckks *)ev;
    const mzv_shape shape = mzv_shape_of(ev, a->level, a->batch);
    const size_t mark = mzv_mark(ev->stream);
    uint32_t n_moving = 0;
    MZV_TRY(find_keys(ck, &n_moving, a, steps, n));
    if (n_moving != 0) MZV_TRY(mzv_ckks_room(ck, "rotate", mzv_words_rotate(&shape)));
    const mzv_status status = rotate_all(ck, out, a, steps, n, n_moving);
    mzv_release(ev->stream, mark);
    return status;
}

mzv_status mzv_ckks_conjugate(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a) {
    mzv_ckks *ck = (mzv_ckks *)ev;
    const mzv_shape shape = mzv_shape_of(ev, a->level, a->batch);
    const size_t mark = mzv_mark(ev->stream);
    const mzv_ksk *key = NULL;
    MZV_TRY(mzv_ckks_key(ck, &key, a, 4 * ev->n_slots - 1));
    MZV_TRY(mzv_ckks_room(ck, "conjugate", mzv_words_rotate(&shape)));
    const mzv_status status = rotate_one(ck, out, a, key);
    mzv_release(ev->stream, mark);
    return status;
}

/* One group of at most MZV_FOLD_MAX rotations: r[t] = sum_i sigma_i(sum_j digit_j . key_{i,j,t}). */
static mzv_status fold_group(mzv_ckks *ck, mzv_poly r[2], const mzv_digits *digits,
                             const mzv_ksk *const *keys, uint32_t n) {
    mzv_cpoly view[MZV_FOLD_MAX][2 * MZV_MAX_DIGITS];
    const mzv_cpoly *key[MZV_FOLD_MAX];
    uint32_t galois[MZV_FOLD_MAX];
    for (uint32_t i = 0; i < n; i++) {
        mzv_key_at(view[i], keys[i], r[0].basis, digits->n);
        key[i] = view[i];
        galois[i] = keys[i]->galois;
    }
    return mzv_poly_fold(ck->ev.stream, r, digits->digit, key, galois, digits->n, n);
}

/* sum[t] modulo Q P = P times the key switches of all moving rotations of a. */
static mzv_status fold_all(mzv_ckks *ck, mzv_poly sum[2], const mzv_cipher *a, const int32_t *steps,
                           uint32_t n) {
    mzv_stream *s = ck->ev.stream;
    const mzv_ksk *keys[MZV_FOLD_MAX];
    mzv_poly more[2];
    mzv_digits digits;
    uint32_t n_keys = 0, n_groups = 0, n_moving = 0;
    MZV_TRY(find_keys(ck, &n_moving, a, steps, n));
    for (uint32_t t = 0; n_moving > MZV_FOLD_MAX && t < 2; t++)
        MZV_TRY(mzv_take(s, &more[t], a->batch, sum[t].basis));
    MZV_TRY(mzv_keyswitch_mod_up(s, &digits, mzv_view(mzv_ckks_part(ck, a, 1, a->level)),
                                 ck->ev.params.n_special));
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t galois = galois_of(&ck->ev, steps[i]);
        if (galois == 1) continue;
        MZV_TRY(mzv_ckks_key(ck, &keys[n_keys++], a, galois));
        if (--n_moving != 0 && n_keys < MZV_FOLD_MAX) continue;
        MZV_TRY(fold_group(ck, n_groups == 0 ? sum : more, &digits, keys, n_keys));
        for (uint32_t t = 0; n_groups != 0 && t < 2; t++)
            MZV_TRY(mzv_poly_add(s, sum[t], mzv_view(sum[t]), mzv_view(more[t])));
        n_groups++;
        n_keys = 0;
    }
    return MZV_OK;
}

/* kept[0] = a_0 + sum_i sigma_i(a_0), kept[1] = a_1 + a_1 for each step that moves nothing; `row` is
 * overwritten. */
static mzv_status sum_unswitched(mzv_ckks *ck, const mzv_poly kept[2], mzv_poly row, const mzv_cipher *a,
                                 const int32_t *steps, uint32_t n) {
    mzv_stream *s = ck->ev.stream;
    mzv_cpoly part[2];
    for (uint32_t t = 0; t < 2; t++) {
        part[t] = mzv_view(mzv_ckks_part(ck, a, t, a->level));
        MZV_TRY(mzv_poly_copy(s, kept[t], part[t]));
    }
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t galois = galois_of(&ck->ev, steps[i]);
        if (galois == 1) {
            for (uint32_t t = 0; t < 2; t++) MZV_TRY(mzv_poly_add(s, kept[t], mzv_view(kept[t]), part[t]));
            continue;
        }
        MZV_TRY(mzv_poly_automorphism(s, row, part[0], galois));
        MZV_TRY(mzv_poly_add(s, kept[0], mzv_view(kept[0]), mzv_view(row)));
    }
    return MZV_OK;
}

static mzv_status rotate_sum_in_scratch(mzv_ckks *ck, mzv_cipher *out, const mzv_cipher *a,
                                        const int32_t *steps, uint32_t n, uint32_t n_moving) {
    mzv_stream *s = ck->ev.stream;
    const mzv_basis extended = mzv_basis_qp(ck->ev.params.n_special, a->level);
    mzv_poly kept[2], sum[2], row;
    for (uint32_t t = 0; t < 2; t++) MZV_TRY(mzv_take(s, &kept[t], a->batch, mzv_basis_q(a->level)));
    for (uint32_t t = 0; n_moving != 0 && t < 2; t++) MZV_TRY(mzv_take(s, &sum[t], a->batch, extended));
    row = n_moving != 0 ? mzv_without_special(sum[0], ck->ev.log_n) : kept[0]; /* free until the fold */
    MZV_TRY(sum_unswitched(ck, kept, row, a, steps, n));
    if (n_moving != 0) {
        const size_t mark = mzv_mark(s);
        MZV_TRY(fold_all(ck, sum, a, steps, n));
        mzv_release(s, mark);
    }
    for (uint32_t t = 0; t < 2; t++) {
        const mzv_poly r = mzv_ckks_part(ck, out, t, a->level);
        if (n_moving == 0) {
            MZV_TRY(mzv_poly_copy(s, r, mzv_view(kept[t])));
            continue;
        }
        MZV_TRY(mzv_poly_mod_down(s, r, mzv_view(sum[t])));
        MZV_TRY(mzv_poly_add(s, r, mzv_view(r), mzv_view(kept[t])));
    }
    return MZV_OK;
}

mzv_status mzv_ckks_rotate_sum(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const int32_t *steps,
                               uint32_t n) {
    mzv_ckks *ck = (mzv_ckks *)ev;
    const mzv_shape shape = mzv_shape_of(ev, a->level, a->batch);
    const size_t mark = mzv_mark(ev->stream);
    uint32_t n_moving = 0;
    MZV_TRY(find_keys(ck, &n_moving, a, steps, n));
    MZV_TRY(mzv_ckks_room(ck, "rotate_sum", mzv_words_rotate_sum(&shape, n_moving)));
    const mzv_status status = rotate_sum_in_scratch(ck, out, a, steps, n, n_moving);
    mzv_release(ev->stream, mark);
    return status;
}
