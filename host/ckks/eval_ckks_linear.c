/* ckks: linear transforms by baby and giant steps with double hoisting [BMTH21, 4], giant steps by Horner's
 * scheme: one key for all of them, for one ModUp and half a ModDown each.
 *
 * Everything between the digits of the operand and the last division stays modulo Q_l P, where a ciphertext
 * (u_0, u_1) stands for P times its message. */
#include "base/try.h"
#include "ckks/eval_ckks.h"

/* A pair of polynomials modulo Q P. The unrotated operand is kept modulo Q only: P times it is 0 modulo P. */
typedef struct pair {
    mzv_poly part[2];
    bool without_special, empty;
} pair;

typedef struct linear {
    mzv_ckks *ck;
    mzv_cipher *out;
    bool splits; /* into real parts and, where out has room for them, imaginary ones */
    const mzv_bsgs *t;
    const mzv_cipher *a;
    mzv_basis extended;
    uint32_t n_giant;
    uint64_t *words; /* of all pairs taken at once */
    mzv_digits digits;
    mzv_poly product[2];
} linear;

/* Pair number i of those at l->words. */
static pair pair_at(const linear *l, uint32_t i) {
    const size_t stride = (size_t)mzv_basis_size(l->extended) << l->ck->ev.log_n;
    pair p = { .empty = true };
    for (uint32_t t = 0; t < 2; t++) {
        const mzv_poly part = { l->words + (2 * (size_t)i + t) * l->a->batch * stride, stride, l->a->batch,
                                l->extended };
        p.part[t] = part;
    }
    return p;
}

static mzv_status take_pairs(linear *l, uint32_t n) {
    const size_t stride = (size_t)mzv_basis_size(l->extended) << l->ck->ev.log_n;
    return mzv_take_words(l->ck->ev.stream, &l->words, 2 * (size_t)n * l->a->batch * stride);
}

static uint32_t baby_galois(const linear *l, uint32_t baby) {
    return mzv_galois_of(l->ck->ev.log_n, mzv_bsgs_baby_steps(&l->ck->ev, l->t, baby));
}

static uint32_t giant_galois(const linear *l) {
    return mzv_galois_of(l->ck->ev.log_n, (int32_t)mzv_steps_reduced(l->ck->ev.n_slots, l->t->giant_step));
}

static uint32_t conjugation(const linear *l) { return (2u << l->ck->ev.log_n) - 1; }

/* Every key there? Does any baby step move? */
static mzv_status find_keys(const linear *l, bool *any_moves) {
    const mzv_ksk *key = NULL;
    *any_moves = false;
    for (uint32_t b = 0; b < l->t->n_baby; b++) {
        if (!mzv_bsgs_has_baby(l->t, b) || baby_galois(l, b) == 1) continue;
        MZV_TRY(mzv_ckks_key(l->ck, &key, l->a, baby_galois(l, b)));
        *any_moves = true;
    }
    if (l->n_giant > 1 && giant_galois(l) != 1) MZV_TRY(mzv_ckks_key(l->ck, &key, l->a, giant_galois(l)));
    if (l->splits) MZV_TRY(mzv_ckks_key(l->ck, &key, l->a, conjugation(l)));
    return MZV_OK;
}

/* The operand's digits, and room for their products with a key. */
static mzv_status hoist(linear *l, bool any_moves) {
    mzv_stream *s = l->ck->ev.stream;
    if (!any_moves) return MZV_OK;
    for (uint32_t t = 0; t < 2; t++) MZV_TRY(mzv_take(s, &l->product[t], l->a->batch, l->extended));
    return mzv_keyswitch_mod_up(s, &l->digits, mzv_view(mzv_ckks_part(l->ck, l->a, 1, l->a->level)),
                                l->extended.n_p);
}

/* u = P rot_b(a). */
static mzv_status baby_step(linear *l, pair *u, uint32_t baby) {
    mzv_ckks *ck = l->ck;
    mzv_stream *s = ck->ev.stream;
    const uint32_t galois = baby_galois(l, baby);
    const mzv_ksk *key = NULL;
    u->without_special = galois == 1;
    if (u->without_special) {
        for (uint32_t t = 0; t < 2; t++) {
            u->part[t] = mzv_without_special(u->part[t], ck->ev.log_n);
            MZV_TRY(mzv_poly_mul_const(s, u->part[t], mzv_view(mzv_ckks_part(ck, l->a, t, l->a->level)),
                                       ck->special));
        }
        return MZV_OK;
    }
    MZV_TRY(mzv_ckks_key(ck, &key, l->a, galois));
    MZV_TRY(mzv_keyswitch_product(s, l->product, &l->digits, key));
    MZV_TRY(mzv_poly_mul_const_add(s, mzv_without_special(l->product[0], ck->ev.log_n),
                                   mzv_view(mzv_ckks_part(ck, l->a, 0, l->a->level)), ck->special));
    for (uint32_t t = 0; t < 2; t++)
        MZV_TRY(mzv_poly_automorphism(s, u->part[t], mzv_view(l->product[t]), galois));
    return MZV_OK;
}

static mzv_poly special_rows(mzv_poly a) {
    const mzv_basis special = { a.basis.n_p, 0, 0 };
    a.basis = special;
    return a;
}

/* sum += w . u, or sum = w . u where it is empty; w modulo Q P. */
static mzv_status add_product(linear *l, pair *sum, mzv_cpoly w, const pair *u) {
    mzv_stream *s = l->ck->ev.stream;
    mzv_poly r[2] = { sum->part[0], sum->part[1] };
    if (u->without_special) {
        mzv_poly rows = { (uint64_t *)(uintptr_t)w.base, w.stride, w.batch, w.basis };
        const mzv_cpoly special = mzv_view(special_rows(rows));
        for (uint32_t t = 0; t < 2; t++) {
            if (sum->empty) MZV_TRY(mzv_poly_sub(s, special_rows(sum->part[t]), special, special)); /* zero */
            r[t] = mzv_without_special(sum->part[t], l->ck->ev.log_n);
        }
        w = mzv_view(mzv_without_special(rows, l->ck->ev.log_n));
    }
    for (uint32_t t = 0; t < 2; t++)
        MZV_TRY(sum->empty ? mzv_poly_mul(s, r[t], mzv_view(u->part[t]), w)
                           : mzv_poly_mul_add(s, r[t], mzv_view(u->part[t]), w));
    sum->empty = false;
    return MZV_OK;
}

/* sum += diagonal . u */
static mzv_status add_diagonal(linear *l, pair *sum, uint32_t giant, uint32_t baby, const pair *u) {
    mzv_stream *s = l->ck->ev.stream;
    const size_t mark = mzv_mark(s);
    mzv_cpoly w;
    MZV_TRY(mzv_ckks_values(l->ck, &w, l->t->diagonal[(size_t)giant * l->t->n_baby + baby], l->extended));
    MZV_TRY(add_product(l, sum, w, u));
    mzv_release(s, mark);
    return MZV_OK;
}

/* r = (or +=) sigma(sum) modulo Q P: part 1 is divided by P, cut into digits and switched; part 0 stays. */
static mzv_status turn(linear *l, mzv_poly r[2], const pair *sum, uint32_t galois, bool accumulate) {
    mzv_stream *s = l->ck->ev.stream;
    const size_t mark = mzv_mark(s);
    const mzv_ksk *key = NULL;
    mzv_poly second;
    MZV_TRY(mzv_ckks_key(l->ck, &key, l->a, galois));
    MZV_TRY(mzv_take(s, &second, l->a->batch, mzv_basis_q(l->a->level)));
    MZV_TRY(mzv_poly_mod_down(s, second, mzv_view(sum->part[1])));
    const mzv_cpoly add[2] = { mzv_view(sum->part[0]), { .base = NULL } };
    const mzv_switch with = { .add = add, .galois = galois, .accumulate = accumulate };
    MZV_TRY(mzv_keyswitch(s, r, mzv_view(second), key, with));
    mzv_release(s, mark);
    return MZV_OK;
}

/* sum = more + rot_giant(sum), in the place of `more`. */
static mzv_status giant_step(linear *l, pair *sum, pair more) {
    mzv_stream *s = l->ck->ev.stream;
    if (giant_galois(l) == 1) {
        for (uint32_t t = 0; t < 2 && !more.empty; t++)
            MZV_TRY(mzv_poly_add(s, sum->part[t], mzv_view(sum->part[t]), mzv_view(more.part[t])));
        return MZV_OK;
    }
    MZV_TRY(turn(l, more.part, sum, giant_galois(l), !more.empty));
    more.empty = false;
    *sum = more;
    return MZV_OK;
}

static mzv_status take_pair(linear *l, pair *out) {
    out->without_special = false;
    out->empty = true;
    for (uint32_t t = 0; t < 2; t++)
        MZV_TRY(mzv_take(l->ck->ev.stream, &out->part[t], l->a->batch, l->extended));
    return MZV_OK;
}

/* Entries first .. of the result, as many as the operand has, part t. */
static mzv_poly result(const linear *l, uint32_t t, uint32_t first) {
    mzv_poly part = mzv_ckks_part(l->ck, l->out, t, l->a->level - 1);
    part.base += first * part.stride;
    part.batch = l->a->batch;
    return part;
}

static mzv_status divide(linear *l, uint32_t first, const mzv_poly sum[2]) {
    for (uint32_t t = 0; t < 2; t++)
        MZV_TRY(mzv_poly_mod_down(l->ck->ev.stream, result(l, t, first), mzv_view(sum[t])));
    return MZV_OK;
}

/* Real parts sum + conj(sum), imaginary parts i (conj(sum) - sum), each divided once. */
static mzv_status split(linear *l, const pair *sum) {
    mzv_stream *s = l->ck->ev.stream;
    const uint32_t behind = l->a->batch;
    pair both, turned;
    MZV_TRY(take_pair(l, &both));
    MZV_TRY(take_pair(l, &turned));
    MZV_TRY(turn(l, turned.part, sum, conjugation(l), false));
    for (uint32_t t = 0; t < 2; t++)
        MZV_TRY(mzv_poly_add(s, both.part[t], mzv_view(turned.part[t]), mzv_view(sum->part[t])));
    MZV_TRY(divide(l, 0, both.part));
    if (l->out->batch == behind) return MZV_OK;
    for (uint32_t t = 0; t < 2; t++)
        MZV_TRY(mzv_poly_sub(s, both.part[t], mzv_view(turned.part[t]), mzv_view(sum->part[t])));
    MZV_TRY(divide(l, behind, both.part));
    for (uint32_t t = 0; t < 2; t++) {
        const mzv_poly r = result(l, t, behind);
        MZV_TRY(mzv_poly_mul(s, r, mzv_view(r), mzv_ckks_imaginary(l->ck, l->a->level - 1)));
    }
    return MZV_OK;
}

static mzv_status finish(linear *l, const pair *sum) {
    return l->splits ? split(l, sum) : divide(l, 0, sum->part);
}

/* sum += sum_b diagonal[giant][b] . u_b; pair i is the rotation by the i-th baby that has a diagonal. */
static mzv_status add_giant(linear *l, pair *sum, uint32_t giant) {
    for (uint32_t b = 0, i = 0; b < l->t->n_baby; b++) {
        if (!mzv_bsgs_has_baby(l->t, b)) continue;
        pair u = pair_at(l, i++);
        u.without_special = baby_galois(l, b) == 1;
        for (uint32_t t = 0; u.without_special && t < 2; t++)
            u.part[t] = mzv_without_special(u.part[t], l->ck->ev.log_n);
        if (mzv_bsgs_has(l->t, giant, b)) MZV_TRY(add_diagonal(l, sum, giant, b, &u));
    }
    return MZV_OK;
}

/* All rotations are kept, the sum comes behind them. */
static mzv_status run_keeping_babies(linear *l, bool any_moves) {
    mzv_stream *s = l->ck->ev.stream;
    const uint32_t n_kept = mzv_bsgs_babies(l->t);
    MZV_TRY(take_pairs(l, n_kept + 1));
    pair sum = pair_at(l, n_kept);
    const size_t mark = mzv_mark(s);
    MZV_TRY(hoist(l, any_moves));
    for (uint32_t b = 0, i = 0; b < l->t->n_baby; b++) {
        if (!mzv_bsgs_has_baby(l->t, b)) continue;
        pair u = pair_at(l, i++);
        MZV_TRY(baby_step(l, &u, b));
    }
    mzv_release(s, mark);
    pair room[2] = { sum, sum }; /* Horner's scheme goes from one to the other */
    if (l->n_giant > 1) MZV_TRY(take_pair(l, &room[1]));
    for (uint32_t g = l->n_giant; g-- > 0;) {
        if (g + 1 < l->n_giant) MZV_TRY(giant_step(l, &sum, room[(l->n_giant - 1 - g) % 2]));
        MZV_TRY(add_giant(l, &sum, g));
    }
    return finish(l, &sum);
}

/* Whether giant step g has a diagonal at a baby below `end`. */
static bool has_before(const mzv_bsgs *t, uint32_t giant, uint32_t end) {
    for (uint32_t b = 0; b < end; b++) {
        if (mzv_bsgs_has(t, giant, b)) return true;
    }
    return false;
}

/* Rotations and sums that one call of the backend takes: views of their keys lie on the stack. */
enum { MOST_ROTATIONS = 8, MOST_SUMS = 32 };

/* The weight of a giant's sum for one baby. */
static mzv_diagonal weight_of(const linear *l, uint32_t giant, uint32_t baby) {
    mzv_diagonal w = { NULL, NULL, 0 };
    if (!mzv_bsgs_has(l->t, giant, baby)) return w;
    const mzv_plain *p = l->t->diagonal[(size_t)giant * l->t->n_baby + baby];
    if (p->rows_basis.n_q >= l->extended.n_q && p->rows_basis.n_p >= l->extended.n_p) {
        w.rows = p->rows;
        return w;
    }
    w.integers = (const int64_t *)p->words;
    if (p->compact_basis.n_q >= l->extended.n_q && p->compact_basis.n_p >= l->extended.n_p) {
        w.rows = p->compact;
        w.log_repeat = p->log_repeat;
    }
    return w;
}

/* The next babies from *baby on that have a diagonal: how many, and the first one behind them. */
static uint32_t next_babies(const linear *l, uint32_t babies[MOST_ROTATIONS], uint32_t *baby) {
    uint32_t n = 0;
    for (; *baby < l->t->n_baby && n < MOST_ROTATIONS; ++*baby)
        if (mzv_bsgs_has_baby(l->t, *baby)) babies[n++] = *baby;
    return n;
}

/* Sums `first` .. of giants take their part of n babies. */
static mzv_status add_babies(linear *l, uint32_t first, const uint32_t *babies, uint32_t n, bool accumulate) {
    const uint32_t left = l->n_giant - first, n_sums = left < MOST_SUMS ? left : MOST_SUMS;
    mzv_cpoly view[MOST_ROTATIONS][2 * MZV_MAX_DIGITS], a[2];
    const mzv_cpoly *key[MOST_ROTATIONS] = { NULL };
    uint32_t galois[MOST_ROTATIONS];
    mzv_diagonal w[MOST_SUMS * MOST_ROTATIONS];
    mzv_poly r[2 * MOST_SUMS];
    for (uint32_t i = 0; i < n; i++) {
        const mzv_ksk *ksk = NULL;
        galois[i] = baby_galois(l, babies[i]);
        if (galois[i] == 1) continue;
        MZV_TRY(mzv_ckks_key(l->ck, &ksk, l->a, galois[i]));
        mzv_key_at(view[i], ksk, l->extended, l->digits.n);
        key[i] = view[i];
    }
    for (uint32_t g = 0; g < n_sums; g++)
        for (uint32_t i = 0; i < n; i++) w[g * n + i] = weight_of(l, first + g, babies[i]);
    for (uint32_t t = 0; t < 2; t++) a[t] = mzv_view(mzv_ckks_part(l->ck, l->a, t, l->a->level));
    for (uint32_t k = 0; k < 2 * n_sums; k++) r[k] = pair_at(l, first + k / 2).part[k % 2];
    const mzv_rotations of = { l->digits.digit, a, l->ck->special, key,       galois, w,
                               l->digits.n,     n, n_sums,         accumulate };
    return mzv_poly_rotation_sums(l->ck->ev.stream, r, &of);
}

/* Every rotation is used on all giants at once and given up. */
static mzv_status sum_all_giants(linear *l) {
    uint32_t babies[MOST_ROTATIONS];
    MZV_TRY(mzv_keyswitch_mod_up(l->ck->ev.stream, &l->digits,
                                 mzv_view(mzv_ckks_part(l->ck, l->a, 1, l->a->level)), l->extended.n_p));
    for (uint32_t first = 0; first < l->n_giant; first += MOST_SUMS)
        for (uint32_t baby = 0; baby < l->t->n_baby;) {
            const bool accumulate = baby > 0;
            const uint32_t n = next_babies(l, babies, &baby);
            if (n != 0) MZV_TRY(add_babies(l, first, babies, n, accumulate));
        }
    return MZV_OK;
}

/* Pair g is the sum of giant step g. */
static mzv_status run_keeping_giants(linear *l) {
    mzv_stream *s = l->ck->ev.stream;
    MZV_TRY(take_pairs(l, l->n_giant));
    const size_t mark = mzv_mark(s);
    MZV_TRY(sum_all_giants(l));
    mzv_release(s, mark);
    pair sum = pair_at(l, l->n_giant - 1);
    for (uint32_t g = l->n_giant - 1; g-- > 0;) {
        pair more = pair_at(l, g);
        more.empty = !has_before(l->t, g, l->t->n_baby);
        MZV_TRY(giant_step(l, &sum, more));
    }
    return finish(l, &sum);
}

static mzv_status run(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_bsgs *t,
                      bool splits) {
    mzv_ckks *ck = (mzv_ckks *)ev;
    const mzv_shape shape = mzv_shape_of(ev, a->level, a->batch);
    const size_t mark = mzv_mark(ev->stream);
    linear l = { .ck = ck,
                 .out = out,
                 .splits = splits,
                 .t = t,
                 .a = a,
                 .extended = mzv_basis_qp(ev->params.n_special, a->level),
                 .n_giant = mzv_bsgs_giants(t) };
    bool any_moves = false;
    MZV_TRY(find_keys(&l, &any_moves));
    MZV_TRY(mzv_ckks_room(ck, "linear",
                          splits ? mzv_words_linear_split(&shape, t) : mzv_words_linear(&shape, t)));
    const mzv_status status =
        mzv_linear_keeps_babies(t) ? run_keeping_babies(&l, any_moves) : run_keeping_giants(&l);
    mzv_release(ev->stream, mark);
    return status;
}

mzv_status mzv_ckks_linear(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_bsgs *t) {
    return run(ev, out, a, t, false);
}

mzv_status mzv_ckks_linear_split(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_bsgs *t) {
    return run(ev, out, a, t, true);
}
