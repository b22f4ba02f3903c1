/* Scratch of the ckks operations. Each function replays the takes of the operation of the same name in
 * eval_ckks_arith.c, eval_ckks_columns.c, eval_ckks_rotate.c, eval_ckks_linear.c or eval_ckks_raise.c: change
 * them together.
 *
 * Backend temporaries, as an allowance that every backend keeps to: a change of basis takes, for each
 * polynomial of the batch, a row for each source prime, as much again and a row for strips that threads work
 * on, and one row for tables; an automorphism takes one row for its tables; fold and rotation_sums of eight
 * rotations take what their compositions take (backend/fused.c), the rows of a weight included, and one and
 * two such rows. */
#include "ckks/eval_ckks.h"

/* Rows of N words. */
typedef struct tally {
    size_t used, peak;
} tally;

static void take(tally *t, size_t n_rows) {
    t->used += n_rows;
    if (t->used > t->peak) t->peak = t->used;
}

/* Taken and given back within one backend operation. */
static void borrow(tally *t, size_t n_rows) {
    if (t->used + n_rows > t->peak) t->peak = t->used + n_rows;
}

static size_t words_of(const tally *t, const mzv_shape *shape) { return t->peak << shape->log_n; }

/* Limbs of Q_l and of Q_l P, over the batch. */
static size_t rows_q(const mzv_shape *s) { return (size_t)s->batch * (s->level + 1); }
static size_t rows_qp(const mzv_shape *s) { return (size_t)s->batch * (s->level + 1 + s->n_special); }

/* mod_up or mod_down from n_source limbs. */
static void change_basis(tally *t, const mzv_shape *s, uint32_t n_source) {
    borrow(t, (size_t)s->batch * (2 * n_source + 1) + 1);
}

/* mzv_keyswitch_mod_up */
static void mod_up(tally *t, const mzv_shape *s) {
    for (uint32_t j = 0; j < mzv_digits_at(s->n_special, s->level); j++) {
        const uint32_t left = s->level + 1 - j * s->n_special;
        take(t, rows_qp(s));
        change_basis(t, s, left < s->n_special ? left : s->n_special);
    }
}

size_t mzv_words_cipher(const mzv_shape *s) { return 2 * rows_q(s) << s->log_n; }

/* Whether the values modulo `basis` have to be made. */
static bool lifts(const mzv_plain *p, mzv_basis basis) {
    return p->rows_basis.n_q < basis.n_q || p->rows_basis.n_p < basis.n_p;
}

size_t mzv_words_add_plain(const mzv_shape *s, const mzv_plain *p) {
    tally t = { 0 };
    if (lifts(p, mzv_basis_q(s->level))) take(&t, s->level + 1);
    return words_of(&t, s);
}

size_t mzv_words_mul_plain(const mzv_shape *s, const mzv_plain *p) {
    tally t = { 0 };
    if (lifts(p, mzv_basis_q(s->level))) take(&t, s->level + 1);
    take(&t, rows_q(s));
    change_basis(&t, s, 1);
    return words_of(&t, s);
}

size_t mzv_words_mul_monomial(const mzv_shape *s, uint32_t k) {
    tally t = { 0 };
    if (k % (1u << (s->log_n - 1)) != 0) {
        take(&t, 2 * ((size_t)s->level + 1));
        borrow(&t, 1);
    }
    return words_of(&t, s);
}

size_t mzv_words_combine(const mzv_shape *s) {
    tally t = { 0 };
    take(&t, rows_q(s));
    change_basis(&t, s, 1);
    return words_of(&t, s);
}

/* mzv_keyswitch to `drops` limbs less than Q_l P: its composition (mzv_fused_key_switch), as much as d again,
 * and what backends have for threads. */
static void key_switch(tally *t, const mzv_shape *s, bool hoisted, uint32_t drops) {
    const size_t mark = t->used;
    take(t, 2 * rows_qp(s) + MZV_SWITCH_ROWS);
    const size_t sums = t->used;
    if (!hoisted) {
        take(t, rows_q(s));
        mod_up(t, s);
    }
    t->used = sums;
    if (drops != 0) {
        take(t, rows_q(s));
        change_basis(t, s, drops);
    }
    t->used = mark;
}

/* The backend's matmul holds two rows for each operand of a sum, of which it takes at most
 * MZV_MATRIX_TERMS at once, and for each
 * result. */
size_t mzv_words_mul_columns(const mzv_shape *s, uint32_t n_out) {
    const mzv_shape sums = { s->log_n, s->n_special, s->level, n_out };
    tally t = { 0 };
    take(&t, rows_q(&sums));
    borrow(&t, 2 * ((size_t)(s->batch < MZV_MATRIX_TERMS ? s->batch : MZV_MATRIX_TERMS) + n_out));
    change_basis(&t, &sums, 1);
    return words_of(&t, s);
}

size_t mzv_words_dot(const mzv_shape *s) {
    tally t = { 0 };
    take(&t, 3 * rows_q(s));
    key_switch(&t, s, false, s->n_special + 1);
    return words_of(&t, s);
}

size_t mzv_words_rotate(const mzv_shape *s) {
    tally t = { 0 };
    take(&t, 2 * rows_q(s)); /* in place */
    key_switch(&t, s, false, s->n_special);
    t.used = 0;
    mod_up(&t, s);
    key_switch(&t, s, true, s->n_special);
    return words_of(&t, s);
}

size_t mzv_words_rotate_sum(const mzv_shape *s, uint32_t n_moving) {
    tally t = { 0 };
    take(&t, 2 * rows_q(s));
    if (n_moving == 0) return words_of(&t, s);
    take(&t, 2 * rows_qp(s));
    const size_t mark = t.used;
    if (n_moving > MZV_FOLD_MAX) take(&t, 2 * rows_qp(s));
    mod_up(&t, s);
    borrow(&t, 3 * rows_qp(s) + 1);
    t.used = mark;
    change_basis(&t, s, s->n_special);
    return words_of(&t, s);
}

/* Giants go faster (the backend's rotation_sums): copies are kept where that takes less than half of the
 * room. */
bool mzv_linear_keeps_babies(const mzv_bsgs *t) {
    return mzv_bsgs_babies(t) == 1 || 2 * mzv_bsgs_babies(t) < mzv_bsgs_giants(t);
}

/* One plaintext modulo Q_l P; kept values are not lifted, but a transform may mix both. */
static void diagonal(tally *t, const mzv_shape *s) { borrow(t, s->level + 1 + s->n_special); }

/* turn in eval_ckks_linear.c */
static void turn(tally *t, const mzv_shape *s) {
    const size_t mark = t->used;
    take(t, rows_q(s));
    change_basis(t, s, s->n_special);
    key_switch(t, s, false, 0);
    t->used = mark;
}

/* split in eval_ckks_linear.c, where the sums lie behind `t`. */
static void split(tally *t, const mzv_shape *s) {
    take(t, 4 * rows_qp(s));
    turn(t, s);
    change_basis(t, s, s->n_special + 1);
}

static tally linear(const mzv_shape *s, const mzv_bsgs *transform) {
    const uint32_t n_baby = mzv_bsgs_babies(transform), n_giant = mzv_bsgs_giants(transform);
    const bool keeps_babies = mzv_linear_keeps_babies(transform);
    tally t = { 0 };
    take(&t, 2 * rows_qp(s) * (keeps_babies ? n_baby + 1 : n_giant));
    const size_t mark = t.used;
    if (keeps_babies) take(&t, 2 * rows_qp(s));
    mod_up(&t, s);
    if (!keeps_babies) borrow(&t, 4 * rows_qp(s) + s->level + 1 + s->n_special + 2); /* rotation_sums */
    t.used = mark;
    if (keeps_babies && n_giant > 1) take(&t, 2 * rows_qp(s));
    if (keeps_babies) diagonal(&t, s);
    if (n_giant > 1) turn(&t, s);
    change_basis(&t, s, s->n_special + 1);
    return t;
}

size_t mzv_words_linear(const mzv_shape *s, const mzv_bsgs *transform) {
    const tally t = linear(s, transform);
    return words_of(&t, s);
}

size_t mzv_words_linear_split(const mzv_shape *s, const mzv_bsgs *transform) {
    tally t = linear(s, transform);
    split(&t, s);
    return words_of(&t, s);
}

size_t mzv_words_mod_raise(const mzv_shape *s) {
    tally t = { 0 };
    take(&t, (size_t)s->batch * 8); /* at level 0: two parts, a digit and two sums modulo q_0 p_0 */
    change_basis(&t, s, 1);
    take(&t, 3 * rows_qp(s) + rows_q(s));
    change_basis(&t, s, s->n_special);
    return words_of(&t, s);
}
