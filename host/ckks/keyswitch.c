/* Hybrid key switching [HK20, 3.2], digits of K limbs. */
#include "ckks/keyswitch.h"

#include "base/try.h"

mzv_cpoly mzv_digit_view(mzv_cpoly d, uint32_t j, uint32_t n_special, uint32_t log_n) {
    const uint32_t first = j * n_special;
    const uint32_t left = d.basis.n_q - first;
    mzv_cpoly view = d;
    view.base += (size_t)first << log_n;
    view.basis.q_first = (uint16_t)(d.basis.q_first + first);
    view.basis.n_q = (uint16_t)(left < n_special ? left : n_special);
    return view;
}

mzv_status mzv_keyswitch_mod_up(mzv_stream *s, mzv_digits *out, mzv_cpoly d, uint32_t n_special) {
    const uint32_t level = d.basis.n_q - 1u;
    const mzv_basis extended = mzv_basis_qp(n_special, level);
    out->n = mzv_digits_at(n_special, level);
    for (uint32_t j = 0; j < out->n; j++) {
        mzv_poly up;
        MZV_TRY(mzv_take(s, &up, d.batch, extended));
        MZV_TRY(mzv_poly_mod_up(s, up, mzv_digit_view(d, j, n_special, s->log_n)));
        out->digit[j] = mzv_view(up);
    }
    return MZV_OK;
}

void mzv_key_at(mzv_cpoly view[2 * MZV_MAX_DIGITS], const mzv_ksk *key, mzv_basis basis, uint32_t n_digits) {
    for (uint32_t i = 0; i < 2 * n_digits; i++) {
        view[i] = key->pair[i];
        view[i].basis = basis; /* special primes first: a lower level is a prefix */
    }
}

mzv_status mzv_keyswitch_product(mzv_stream *s, mzv_poly acc[2], const mzv_digits *digits,
                                 const mzv_ksk *key) {
    mzv_cpoly view[2 * MZV_MAX_DIGITS];
    mzv_key_at(view, key, acc[0].basis, digits->n);
    return mzv_poly_key_product(s, acc, digits->digit, view, digits->n);
}

mzv_status mzv_keyswitch_mod_down(mzv_stream *s, mzv_poly r[2], const mzv_poly acc[2]) {
    for (uint32_t t = 0; t < 2; t++) MZV_TRY(mzv_poly_mod_down(s, r[t], mzv_view(acc[t])));
    return MZV_OK;
}

mzv_status mzv_keyswitch(mzv_stream *s, mzv_poly r[2], mzv_cpoly d, const mzv_ksk *key, mzv_switch with) {
    const uint32_t n_special = key->pair[0].basis.n_p;
    const mzv_basis extended = { (uint16_t)n_special, d.basis.q_first, d.basis.n_q };
    mzv_cpoly view[2 * MZV_MAX_DIGITS];
    with.key = view;
    with.n_digits = mzv_digits_at(n_special, d.basis.n_q - 1u);
    mzv_key_at(view, key, extended, with.n_digits);
    return mzv_poly_key_switch(s, r, d, &with);
}
