/* ckks: ModRaise through an ephemeral sparse secret [BTH22, 3]: the ciphertext modulo q_0 is switched to the
 * sparse secret modulo q_0 p_0, its coefficients are read as integers and taken modulo the whole chain, where
 * they decrypt to message + q_0 I(X) with small I, and a last switch brings back the dense secret. */
#include <string.h>

#include "base/try.h"
#include "ckks/eval_ckks.h"

/* The two keys, both under the secret of `a`. */
static mzv_status find_keys(const mzv_ckks *ck, const mzv_ksk *key[2], const mzv_cipher *a) {
    if (ck->keys == NULL) return mzv_fail(MZV_ERR_KEY, "mod_raise: the evaluator was created without keys");
    if (memcmp(ck->keys->key_id, a->key_id, MZV_ID_BYTES) != 0)
        return mzv_fail(MZV_ERR_MISMATCH,
                        "the ciphertext and the evaluation keys belong to different secrets");
    MZV_TRY(mzv_keys_find(&key[0], ck->keys, MZV_KEY_TO_SPARSE, 0));
    return mzv_keys_find(&key[1], ck->keys, MZV_KEY_FROM_SPARSE, ck->ev.max_level);
}

/* r[t] = acc[t] / P, acc = up . key: the digit is one polynomial already. */
static mzv_status product_and_down(mzv_stream *s, mzv_poly r[2], mzv_poly acc[2], mzv_poly up,
                                   const mzv_ksk *key) {
    mzv_digits digits = { .n = 1 };
    digits.digit[0] = mzv_view(up);
    MZV_TRY(mzv_keyswitch_product(s, acc, &digits, key));
    return mzv_keyswitch_mod_down(s, r, acc);
}

static mzv_status to_sparse(mzv_ckks *ck, mzv_poly r[2], const mzv_cipher *a, const mzv_ksk *key) {
    mzv_stream *s = ck->ev.stream;
    const mzv_basis extended = { 1, 0, 1 };
    mzv_poly up, acc[2];
    MZV_TRY(mzv_take(s, &up, a->batch, extended));
    for (uint32_t t = 0; t < 2; t++) MZV_TRY(mzv_take(s, &acc[t], a->batch, extended));
    MZV_TRY(mzv_poly_mod_up(s, up, mzv_view(mzv_ckks_part(ck, a, 1, 0))));
    MZV_TRY(product_and_down(s, r, acc, up, key));
    return mzv_poly_add(s, r[0], mzv_view(r[0]), mzv_view(mzv_ckks_part(ck, a, 0, 0)));
}

static mzv_status from_sparse(mzv_ckks *ck, mzv_cipher *out, const mzv_poly low[2], const mzv_ksk *key) {
    mzv_stream *s = ck->ev.stream;
    const uint32_t level = ck->ev.max_level;
    const mzv_basis extended = mzv_basis_qp(ck->ev.params.n_special, level);
    mzv_poly raised, up, acc[2], r[2];
    for (uint32_t t = 0; t < 2; t++) {
        r[t] = mzv_ckks_part(ck, out, t, level);
        MZV_TRY(mzv_take(s, &acc[t], out->batch, extended));
    }
    MZV_TRY(mzv_take(s, &raised, out->batch, mzv_basis_q(level)));
    MZV_TRY(mzv_take(s, &up, out->batch, extended));
    MZV_TRY(mzv_poly_mod_up(s, raised, mzv_view(low[0])));
    MZV_TRY(mzv_poly_mod_up(s, up, mzv_view(low[1])));
    MZV_TRY(product_and_down(s, r, acc, up, key));
    return mzv_poly_add(s, r[0], mzv_view(r[0]), mzv_view(raised));
}

mzv_status mzv_ckks_mod_raise(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a) {
    mzv_ckks *ck = (mzv_ckks *)ev;
    mzv_stream *s = ev->stream;
    const size_t mark = mzv_mark(s);
    const mzv_shape shape = mzv_shape_of(ev, ev->max_level, a->batch);
    const mzv_ksk *key[2];
    mzv_poly low[2];
    mzv_status status;
    MZV_TRY(find_keys(ck, key, a));
    MZV_TRY(mzv_ckks_room(ck, "mod_raise", mzv_words_mod_raise(&shape)));
    for (uint32_t t = 0; t < 2; t++) MZV_TRY_GOTO(mzv_take(s, &low[t], a->batch, mzv_basis_q(0)), done);
    MZV_TRY_GOTO(to_sparse(ck, low, a, key[0]), done);
    status = from_sparse(ck, out, low, key[1]);
done:
    mzv_release(s, mark);
    return status;
}
