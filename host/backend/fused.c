/* Level 4 composed from levels 1 and 2, for backends that do not fuse it. */
#include "backend/fused.h"

#include <stdbool.h>

#include "base/try.h"
#include "math/modarith.h"

mzv_status mzv_fused_tensor(mzv_stream *s, mzv_poly d[3], const mzv_cpoly a[2], const mzv_cpoly b[2]) {
    MZV_TRY(mzv_poly_mul(s, d[0], a[0], b[0]));
    MZV_TRY(mzv_poly_mul(s, d[1], a[0], b[1]));
    MZV_TRY(mzv_poly_mul_add(s, d[1], a[1], b[0]));
    return mzv_poly_mul(s, d[2], a[1], b[1]);
}

mzv_status mzv_fused_dot(mzv_stream *s, mzv_poly r, const mzv_cpoly *a, const mzv_cpoly *w, uint32_t n) {
    MZV_TRY(mzv_poly_mul(s, r, a[0], w[0]));
    for (uint32_t i = 1; i < n; i++) MZV_TRY(mzv_poly_mul_add(s, r, a[i], w[i]));
    return MZV_OK;
}

mzv_status mzv_fused_key_product(mzv_stream *s, mzv_poly r[2], const mzv_cpoly *d, const mzv_cpoly *key,
                                 uint32_t n) {
    for (uint32_t t = 0; t < 2; t++) {
        MZV_TRY(mzv_poly_mul(s, r[t], d[0], key[t]));
        for (uint32_t j = 1; j < n; j++) MZV_TRY(mzv_poly_mul_add(s, r[t], d[j], key[2 * j + t]));
    }
    return MZV_OK;
}

/* r[t] = sigma_0(sum[t]), or r[t] += sigma_i(sum[t]) by way of `turned`. */
static mzv_status add_turned(mzv_stream *s, mzv_poly r[2], const mzv_poly sum[2], const mzv_poly *turned,
                             uint32_t galois) {
    for (uint32_t t = 0; t < 2; t++) {
        MZV_TRY(mzv_poly_automorphism(s, turned == NULL ? r[t] : *turned, mzv_view(sum[t]), galois));
        if (turned != NULL) MZV_TRY(mzv_poly_add(s, r[t], mzv_view(r[t]), mzv_view(*turned)));
    }
    return MZV_OK;
}

mzv_status mzv_fused_fold(mzv_stream *s, mzv_poly r[2], const mzv_cpoly *d, const mzv_cpoly *const *key,
                          const uint32_t *galois, uint32_t n_digits, uint32_t n_rotations) {
    const size_t mark = mzv_mark(s);
    mzv_status status;
    mzv_poly sum[2], turned;
    MZV_TRY_GOTO(mzv_take(s, &sum[0], r[0].batch, r[0].basis), done);
    MZV_TRY_GOTO(mzv_take(s, &sum[1], r[0].batch, r[0].basis), done);
    MZV_TRY_GOTO(mzv_take(s, &turned, r[0].batch, r[0].basis), done);
    for (uint32_t i = 0; i < n_rotations; i++) {
        MZV_TRY_GOTO(mzv_poly_key_product(s, sum, d, key[i], n_digits), done);
        MZV_TRY_GOTO(add_turned(s, r, sum, i == 0 ? NULL : &turned, galois[i]), done);
    }
done:
    mzv_release(s, mark);
    return status;
}

mzv_cpoly mzv_fused_digit(mzv_cpoly d, uint32_t j, uint32_t n_special, uint32_t log_n) {
    const uint32_t first = j * n_special, left = d.basis.n_q - first;
    d.base += (size_t)first << log_n;
    d.basis.q_first = (uint16_t)(d.basis.q_first + first);
    d.basis.n_q = (uint16_t)(left < n_special ? left : n_special);
    return d;
}

/* sum += P a, a lacks the special primes of sum. */
static mzv_status add_times_special(mzv_stream *s, mzv_poly sum, mzv_cpoly a) {
    const uint32_t n_special = sum.basis.n_p;
    uint64_t special[MZV_MAX_PRIMES];
    for (uint32_t i = 0; i < a.basis.n_q; i++) {
        const mzv_modulus m = mzv_modulus_make(s->chain->primes[mzv_prime_index(s->chain, a.basis, i)]);
        special[i] = 1;
        for (uint32_t k = 0; k < n_special; k++)
            special[i] = mzv_mod_mul(special[i], mzv_mod_reduce(s->chain->primes[k], m), m);
    }
    sum.base += (size_t)n_special << s->log_n;
    sum.basis.n_p = 0;
    return mzv_poly_mul_const_add(s, sum, a, special);
}

/* r = sigma(sum / D). */
static mzv_status divide_and_turn(mzv_stream *s, mzv_poly r, mzv_cpoly sum, uint32_t galois) {
    const size_t mark = mzv_mark(s);
    const bool divides = mzv_basis_size(r.basis) != mzv_basis_size(sum.basis);
    mzv_status status;
    mzv_poly row;
    if (!divides) return galois == 1 ? mzv_poly_copy(s, r, sum) : mzv_poly_automorphism(s, r, sum, galois);
    if (galois == 1) return mzv_poly_mod_down(s, r, sum);
    MZV_TRY(mzv_take(s, &row, r.batch, r.basis));
    MZV_TRY_GOTO(mzv_poly_mod_down(s, row, sum), done);
    status = mzv_poly_automorphism(s, r, mzv_view(row), galois);
done:
    mzv_release(s, mark);
    return status;
}

/* r += sigma(sum / D). */
static mzv_status divide_turn_and_add(mzv_stream *s, mzv_poly r, mzv_cpoly sum, uint32_t galois) {
    const size_t mark = mzv_mark(s);
    mzv_status status;
    mzv_poly row;
    MZV_TRY(mzv_take(s, &row, r.batch, r.basis));
    MZV_TRY_GOTO(divide_and_turn(s, row, sum, galois), done);
    status = mzv_poly_add(s, r, mzv_view(r), mzv_view(row));
done:
    mzv_release(s, mark);
    return status;
}

/* In scratch that the caller gives back. */
static mzv_status switch_in_scratch(mzv_stream *s, mzv_poly r[2], mzv_cpoly d, const mzv_switch *with) {
    const mzv_basis extended = with->key[0].basis;
    mzv_cpoly digits[MZV_MAX_DIGITS];
    mzv_poly sum[2];
    for (uint32_t t = 0; t < 2; t++) MZV_TRY(mzv_take(s, &sum[t], r[0].batch, extended));
    const size_t mark = mzv_mark(s);
    for (uint32_t j = 0; with->digits == NULL && j < with->n_digits; j++) {
        mzv_poly up;
        MZV_TRY(mzv_take(s, &up, d.batch, extended));
        MZV_TRY(mzv_poly_mod_up(s, up, mzv_fused_digit(d, j, extended.n_p, s->log_n)));
        digits[j] = mzv_view(up);
    }
    MZV_TRY(mzv_poly_key_product(s, sum, with->digits != NULL ? with->digits : digits, with->key,
                                 with->n_digits));
    mzv_release(s, mark);
    for (uint32_t t = 0; t < 2; t++) {
        if (with->add != NULL && with->add[t].base != NULL)
            MZV_TRY(with->add[t].basis.n_p == 0 ? add_times_special(s, sum[t], with->add[t])
                                                : mzv_poly_add(s, sum[t], mzv_view(sum[t]), with->add[t]));
        MZV_TRY(with->accumulate ? divide_turn_and_add(s, r[t], mzv_view(sum[t]), with->galois)
                                 : divide_and_turn(s, r[t], mzv_view(sum[t]), with->galois));
    }
    return MZV_OK;
}

mzv_status mzv_fused_key_switch(mzv_stream *s, mzv_poly r[2], mzv_cpoly d, const mzv_switch *with) {
    const size_t mark = mzv_mark(s);
    const mzv_status status = switch_in_scratch(s, r, d, with);
    mzv_release(s, mark);
    return status;
}

static mzv_poly rows_of(mzv_poly a, uint32_t first, mzv_basis basis, uint32_t log_n) {
    a.base += (size_t)first << log_n;
    a.basis = basis;
    return a;
}

/* The limbs q of a, and its special ones. */
static mzv_poly chain_part(mzv_poly a, uint32_t log_n) {
    return rows_of(a, a.basis.n_p, (mzv_basis) { 0, a.basis.q_first, a.basis.n_q }, log_n);
}
static mzv_poly special_part(mzv_poly a) { return rows_of(a, 0, (mzv_basis) { a.basis.n_p, 0, 0 }, 0); }

static mzv_status set_zero(mzv_stream *s, mzv_poly r, mzv_cpoly any) {
    any.basis = r.basis;
    return mzv_poly_sub(s, r, any, any);
}

/* u_i; `sum` is overwritten. */
static mzv_status rotation(mzv_stream *s, mzv_poly u[2], mzv_poly sum[2], const mzv_rotations *of,
                           uint32_t i) {
    for (uint32_t t = 0; t < 2 && of->key[i] == NULL; t++) {
        if (u[t].basis.n_p != 0) MZV_TRY(set_zero(s, special_part(u[t]), of->d[0]));
        MZV_TRY(mzv_poly_mul_const(s, chain_part(u[t], s->log_n), of->a[t], of->c));
    }
    if (of->key[i] == NULL) return MZV_OK;
    MZV_TRY(mzv_poly_key_product(s, sum, of->d, of->key[i], of->n_digits));
    MZV_TRY(mzv_poly_mul_const_add(s, chain_part(sum[0], s->log_n), of->a[0], of->c));
    for (uint32_t t = 0; t < 2; t++) MZV_TRY(mzv_poly_automorphism(s, u[t], mzv_view(sum[t]), of->galois[i]));
    return MZV_OK;
}

static bool has_weight(const mzv_diagonal *w) { return w->rows != NULL || w->integers != NULL; }

/* r += w . u, or r = w . u for the first weight of a sum. */
static mzv_status add_weighted(mzv_stream *s, mzv_poly *r, const mzv_poly u[2], const mzv_diagonal *w,
                               bool first) {
    const size_t mark = mzv_mark(s);
    mzv_cpoly rows = { w->rows, 0, 1, r[0].basis };
    mzv_status status = MZV_OK;
    if (w->rows == NULL || w->log_repeat > 0) {
        mzv_poly lifted;
        MZV_TRY_GOTO(mzv_take(s, &lifted, 1, r[0].basis), done);
        MZV_TRY_GOTO(mzv_poly_lift(s, lifted, w->integers, 0), done);
        rows = mzv_view(lifted);
    }
    for (uint32_t t = 0; t < 2; t++)
        MZV_TRY_GOTO(first ? mzv_poly_mul(s, r[t], mzv_view(u[t]), rows)
                           : mzv_poly_mul_add(s, r[t], mzv_view(u[t]), rows),
                     done);
done:
    mzv_release(s, mark);
    return status;
}

/* All sums take their part of rotation i. */
static mzv_status add_rotation(mzv_stream *s, mzv_poly *r, const mzv_poly u[2], const mzv_rotations *of,
                               uint32_t i) {
    for (uint32_t g = 0; g < of->n_sums; g++) {
        const mzv_diagonal *w = of->w + (size_t)g * of->n_rotations;
        bool first = !of->accumulate;
        for (uint32_t k = 0; k < i; k++) first = first && !has_weight(&w[k]);
        if (has_weight(&w[i])) MZV_TRY(add_weighted(s, r + 2 * (size_t)g, u, &w[i], first));
        if (has_weight(&w[i]) || !first || i + 1 < of->n_rotations) continue;
        for (uint32_t t = 0; t < 2; t++) MZV_TRY(set_zero(s, r[2 * (size_t)g + t], of->d[0]));
    }
    return MZV_OK;
}

mzv_status mzv_fused_rotation_sums(mzv_stream *s, mzv_poly *r, const mzv_rotations *of) {
    const size_t mark = mzv_mark(s);
    mzv_poly u[2], sum[2];
    mzv_status status = MZV_OK;
    for (uint32_t t = 0; t < 2; t++) {
        MZV_TRY_GOTO(mzv_take(s, &u[t], r[0].batch, r[0].basis), done);
        MZV_TRY_GOTO(mzv_take(s, &sum[t], r[0].batch, r[0].basis), done);
    }
    for (uint32_t i = 0; i < of->n_rotations; i++) {
        MZV_TRY_GOTO(rotation(s, u, sum, of, i), done);
        MZV_TRY_GOTO(add_rotation(s, r, u, of, i), done);
    }
done:
    mzv_release(s, mark);
    return status;
}
