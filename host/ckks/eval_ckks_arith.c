/* ckks: sums, products and constants. */
#include <string.h>

#include "base/try.h"
#include "ckks/eval_ckks.h"

/* Both parts of ct as one batch: they lie at one stride. */
static mzv_poly both_parts(const mzv_ckks *ck, const mzv_cipher *ct, uint32_t level) {
    mzv_poly all = mzv_ckks_part(ck, ct, 0, level);
    all.batch *= 2;
    return all;
}

mzv_status mzv_ckks_copy(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, uint32_t first) {
    const mzv_ckks *ck = (const mzv_ckks *)ev;
    if (out->batch == a->batch)
        return mzv_poly_copy(ev->stream, both_parts(ck, out, a->level),
                             mzv_view(both_parts(ck, a, a->level)));
    for (uint32_t t = 0; t < 2; t++) {
        mzv_cpoly part = mzv_view(mzv_ckks_part(ck, a, t, a->level));
        part.base += first * part.stride;
        part.batch = out->batch;
        MZV_TRY(mzv_poly_copy(ev->stream, mzv_ckks_part(ck, out, t, a->level), part));
    }
    return MZV_OK;
}

mzv_status mzv_ckks_add(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_cipher *b) {
    const mzv_ckks *ck = (const mzv_ckks *)ev;
    return mzv_poly_add(ev->stream, both_parts(ck, out, a->level), mzv_view(both_parts(ck, a, a->level)),
                        mzv_view(both_parts(ck, b, a->level)));
}

mzv_status mzv_ckks_sub(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_cipher *b) {
    const mzv_ckks *ck = (const mzv_ckks *)ev;
    return mzv_poly_sub(ev->stream, both_parts(ck, out, a->level), mzv_view(both_parts(ck, a, a->level)),
                        mzv_view(both_parts(ck, b, a->level)));
}

/* Part 1 of out = part 1 of a, where only part 0 changes. */
static mzv_status copy_second(mzv_ckks *ck, mzv_cipher *out, const mzv_cipher *a) {
    if (out == a) return MZV_OK;
    return mzv_poly_copy(ck->ev.stream, mzv_ckks_part(ck, out, 1, a->level),
                         mzv_view(mzv_ckks_part(ck, a, 1, a->level)));
}

mzv_cpoly mzv_ckks_imaginary(const mzv_ckks *ck, uint32_t level) {
    const mzv_cpoly rows = { ck->imaginary, 0, 1, mzv_basis_q(level) };
    return rows;
}

mzv_status mzv_ckks_add_const(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, mzv_complex c) {
    mzv_ckks *ck = (mzv_ckks *)ev;
    const mzv_poly r = mzv_ckks_part(ck, out, 0, a->level);
    uint64_t constant[MZV_MAX_PRIMES];
    mzv_ckks_residues(ck, constant, a->level, (long double)a->scale * __real__ c);
    MZV_TRY(mzv_poly_add_const(ev->stream, r, mzv_view(mzv_ckks_part(ck, a, 0, a->level)), constant));
    if (__imag__ c != 0.0) {
        mzv_ckks_residues(ck, constant, a->level, (long double)a->scale * __imag__ c);
        MZV_TRY(mzv_poly_mul_const_add(ev->stream, r, mzv_ckks_imaginary(ck, a->level), constant));
    }
    return copy_second(ck, out, a);
}

mzv_status mzv_ckks_add_plain(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_plain *p) {
    mzv_ckks *ck = (mzv_ckks *)ev;
    mzv_stream *s = ev->stream;
    const mzv_shape shape = mzv_shape_of(ev, a->level, a->batch);
    const size_t mark = mzv_mark(s);
    mzv_cpoly values;
    mzv_status status;
    MZV_TRY(mzv_ckks_room(ck, "add_plain", mzv_words_add_plain(&shape, p)));
    MZV_TRY_GOTO(mzv_ckks_values(ck, &values, p, mzv_basis_q(a->level)), done);
    MZV_TRY_GOTO(mzv_poly_add(s, mzv_ckks_part(ck, out, 0, a->level),
                              mzv_view(mzv_ckks_part(ck, a, 0, a->level)), values),
                 done);
    status = copy_second(ck, out, a);
done:
    mzv_release(s, mark);
    return status;
}

mzv_status mzv_ckks_mul_plain(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_plain *p) {
    mzv_ckks *ck = (mzv_ckks *)ev;
    mzv_stream *s = ev->stream;
    const mzv_shape shape = mzv_shape_of(ev, a->level, a->batch);
    const mzv_basis basis = mzv_basis_q(a->level);
    const size_t mark = mzv_mark(s);
    mzv_cpoly values;
    mzv_poly product;
    mzv_status status;
    MZV_TRY(mzv_ckks_room(ck, "mul_plain", mzv_words_mul_plain(&shape, p)));
    MZV_TRY_GOTO(mzv_ckks_values(ck, &values, p, basis), done);
    MZV_TRY_GOTO(mzv_take(s, &product, a->batch, basis), done);
    for (uint32_t t = 0; t < 2; t++) {
        MZV_TRY_GOTO(mzv_poly_mul(s, product, mzv_view(mzv_ckks_part(ck, a, t, a->level)), values), done);
        MZV_TRY_GOTO(mzv_poly_mod_down(s, mzv_ckks_part(ck, out, t, a->level - 1), mzv_view(product)), done);
    }
done:
    mzv_release(s, mark);
    return status;
}

/* sum = sum_i k_i a[i] of part t, limbs cut to `level`. a[i] at scale S_i has k_i = c_i q_l S_{l-1} / S_i. */
static mzv_status weighted_sum(mzv_ckks *ck, mzv_poly sum, const mzv_cipher *const *a, const double *c,
                               uint32_t n, uint32_t t) {
    const uint32_t level = sum.basis.n_q - 1u;
    const long double target = (long double)ck->modulus[level].p * ck->ev.facts.scale[level - 1];
    uint64_t k[MZV_MAX_PRIMES];
    for (uint32_t i = 0; i < n; i++) {
        const mzv_cpoly part = mzv_view(mzv_ckks_part(ck, a[i], t, level));
        mzv_ckks_residues(ck, k, level, c[i] * (target / a[i]->scale));
        MZV_TRY(i == 0 ? mzv_poly_mul_const(ck->ev.stream, sum, part, k)
                       : mzv_poly_mul_const_add(ck->ev.stream, sum, part, k));
    }
    return MZV_OK;
}

/* `level` is that of the sum, before its rescale. */
static mzv_status combine_at(mzv_ckks *ck, mzv_cipher *out, const mzv_cipher *const *a, const double *c,
                             uint32_t n, double constant, uint32_t level) {
    mzv_stream *s = ck->ev.stream;
    const size_t mark = mzv_mark(s);
    uint64_t k[MZV_MAX_PRIMES];
    mzv_poly sum;
    mzv_status status;
    MZV_TRY_GOTO(mzv_take(s, &sum, a[0]->batch, mzv_basis_q(level)), done);
    mzv_ckks_residues(ck, k, level,
                      constant * ((long double)ck->modulus[level].p * ck->ev.facts.scale[level - 1]));
    for (uint32_t t = 0; t < 2; t++) {
        MZV_TRY_GOTO(weighted_sum(ck, sum, a, c, n, t), done);
        if (t == 0 && constant != 0.0) MZV_TRY_GOTO(mzv_poly_add_const(s, sum, mzv_view(sum), k), done);
        MZV_TRY_GOTO(mzv_poly_mod_down(s, mzv_ckks_part(ck, out, t, level - 1), mzv_view(sum)), done);
    }
done:
    mzv_release(s, mark);
    return status;
}

mzv_status mzv_ckks_combine(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *a, const double *c,
                            uint32_t n, double constant) {
    const uint32_t level = mzv_lowest_level(a, n);
    const mzv_shape shape = mzv_shape_of(ev, level, a[0]->batch);
    MZV_TRY(mzv_ckks_room((mzv_ckks *)ev, "combine", mzv_words_combine(&shape)));
    return combine_at((mzv_ckks *)ev, out, a, c, n, constant, level);
}

/* Limbs above level + 1 are cut, and the factor q_{level+1} S_level / S_a makes the scale exact. */
mzv_status mzv_ckks_drop(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, uint32_t level) {
    const mzv_shape shape = mzv_shape_of(ev, level + 1, a->batch);
    const double one = 1.0;
    MZV_TRY(mzv_ckks_room((mzv_ckks *)ev, "drop", mzv_words_combine(&shape)));
    return combine_at((mzv_ckks *)ev, out, &a, &one, 1, 0.0, level + 1);
}

mzv_status mzv_ckks_mul_integer(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, int64_t k) {
    mzv_ckks *ck = (mzv_ckks *)ev;
    uint64_t constant[MZV_MAX_PRIMES];
    for (uint32_t i = 0; i <= a->level; i++) {
        const mzv_modulus m = ck->modulus[i];
        const uint64_t size = mzv_mod_reduce(k < 0 ? 0 - (uint64_t)k : (uint64_t)k, m);
        constant[i] = k < 0 ? mzv_mod_neg(size, m.p) : size;
    }
    return mzv_poly_mul_const(ev->stream, both_parts(ck, out, a->level),
                              mzv_view(both_parts(ck, a, a->level)), constant);
}

/* Takes the values of X^k modulo q_0 .. q_level, k = 2^i g with g odd: those of X^(2^i), then X -> X^g. */
static mzv_status monomial_values(mzv_ckks *ck, mzv_cpoly *out, uint32_t k, uint32_t level) {
    mzv_stream *s = ck->ev.stream;
    const uint32_t log_power = (uint32_t)__builtin_ctz(k);
    mzv_poly power, turned;
    MZV_TRY(mzv_take(s, &power, 1, mzv_basis_q(level)));
    MZV_TRY(mzv_take(s, &turned, 1, mzv_basis_q(level)));
    MZV_TRY(mzv_ckks_power_of_x(ck, power, log_power));
    MZV_TRY(mzv_poly_automorphism(s, turned, mzv_view(power), k >> log_power));
    *out = mzv_view(turned);
    return MZV_OK;
}

static mzv_status times_values(mzv_ckks *ck, mzv_cipher *out, const mzv_cipher *a, mzv_cpoly values) {
    return mzv_poly_mul(ck->ev.stream, both_parts(ck, out, a->level), mzv_view(both_parts(ck, a, a->level)),
                        values);
}

mzv_status mzv_ckks_mul_monomial(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, uint32_t k) {
    mzv_ckks *ck = (mzv_ckks *)ev;
    const uint32_t half = ev->n_slots;
    if (k % half == 0) { /* 1, i, -1, -i */
        if (k / half % 2 == 1) {
            MZV_TRY(times_values(ck, out, a, mzv_ckks_imaginary(ck, a->level)));
            const mzv_cipher turned = {
                .level = a->level, .batch = out->batch, .capacity = out->capacity, .words = out->words
            };
            return k / half == 1 ? MZV_OK : mzv_ckks_mul_integer(ev, out, &turned, -1);
        }
        return mzv_ckks_mul_integer(ev, out, a, k == 0 ? 1 : -1);
    }
    const mzv_shape shape = mzv_shape_of(ev, a->level, a->batch);
    const size_t mark = mzv_mark(ev->stream);
    mzv_cpoly values;
    mzv_status status;
    MZV_TRY(mzv_ckks_room(ck, "mul_monomial", mzv_words_mul_monomial(&shape, k)));
    MZV_TRY_GOTO(monomial_values(ck, &values, k, a->level), done);
    status = times_values(ck, out, a, values);
done:
    mzv_release(ev->stream, mark);
    return status;
}

/* d = sum_i a[i] (x) b[i], degree 2 in the secret. */
static mzv_status sum_of_tensors(mzv_ckks *ck, mzv_poly d[3], const mzv_cipher *const *a,
                                 const mzv_cipher *const *b, uint32_t n) {
    mzv_stream *s = ck->ev.stream;
    const uint32_t level = a[0]->level;
    for (uint32_t i = 0; i < n; i++) {
        mzv_cpoly x[2], y[2];
        for (uint32_t t = 0; t < 2; t++) {
            x[t] = mzv_view(mzv_ckks_part(ck, a[i], t, level));
            y[t] = mzv_view(mzv_ckks_part(ck, b[i], t, level));
        }
        if (i == 0) {
            MZV_TRY(mzv_poly_tensor(s, d, x, y));
            continue;
        }
        MZV_TRY(mzv_poly_mul_add(s, d[0], x[0], y[0]));
        MZV_TRY(mzv_poly_mul_add(s, d[1], x[0], y[1]));
        MZV_TRY(mzv_poly_mul_add(s, d[1], x[1], y[0]));
        MZV_TRY(mzv_poly_mul_add(s, d[2], x[1], y[1]));
    }
    return MZV_OK;
}

/* One division by P q_l serves the product and the key switch of d[2]. */
static mzv_status dot_in_scratch(mzv_ckks *ck, mzv_cipher *out, const mzv_cipher *const *a,
                                 const mzv_cipher *const *b, uint32_t n, const mzv_ksk *key) {
    mzv_stream *s = ck->ev.stream;
    const uint32_t level = a[0]->level;
    mzv_poly d[3], r[2];
    for (uint32_t t = 0; t < 3; t++) MZV_TRY(mzv_take(s, &d[t], a[0]->batch, mzv_basis_q(level)));
    for (uint32_t t = 0; t < 2; t++) r[t] = mzv_ckks_part(ck, out, t, level - 1);
    MZV_TRY(sum_of_tensors(ck, d, a, b, n));
    const mzv_cpoly add[2] = { mzv_view(d[0]), mzv_view(d[1]) };
    return mzv_keyswitch(s, r, mzv_view(d[2]), key, (mzv_switch) { .add = add, .galois = 1 });
}

mzv_status mzv_ckks_dot(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *a,
                        const mzv_cipher *const *b, uint32_t n) {
    mzv_ckks *ck = (mzv_ckks *)ev;
    const mzv_shape shape = mzv_shape_of(ev, a[0]->level, a[0]->batch);
    const size_t mark = mzv_mark(ev->stream);
    const mzv_ksk *key = NULL;
    MZV_TRY(mzv_ckks_key(ck, &key, a[0], 1));
    MZV_TRY(mzv_ckks_room(ck, "mul", mzv_words_dot(&shape)));
    const mzv_status status = dot_in_scratch(ck, out, a, b, n, key);
    mzv_release(ev->stream, mark);
    return status;
}
