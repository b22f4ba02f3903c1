/* ckks: products of ciphertexts of one column each with a matrix. */
#include "base/try.h"
#include "ckks/columns.h"
#include "ckks/eval_ckks.h"

/* sum[o] += the constant whose slots are bias[o], at the scale of the product. */
static mzv_status add_biases(mzv_ckks *ck, mzv_poly sum, const mzv_columns *columns) {
    const uint32_t level = columns->level;
    const long double scale = (long double)ck->modulus[level].p * ck->ev.facts.scale[level - 1];
    uint64_t k[MZV_MAX_PRIMES];
    for (uint32_t o = 0; o < sum.batch; o++) {
        const mzv_poly one = { sum.base + o * sum.stride, sum.stride, 1, sum.basis };
        if (columns->bias[o] == 0.0) continue;
        mzv_ckks_residues(ck, k, level, columns->bias[o] * scale);
        MZV_TRY(mzv_poly_add_const(ck->ev.stream, one, mzv_view(one), k));
    }
    return MZV_OK;
}

static mzv_status mul_part(mzv_ckks *ck, mzv_poly sum, const mzv_cipher *a, const mzv_columns *columns,
                           uint32_t t) {
    uint64_t k[MZV_MAX_PRIMES];
    mzv_ckks_residues(ck, k, columns->level, (long double)columns->factor);
    MZV_TRY(mzv_poly_matmul(ck->ev.stream, sum, mzv_view(mzv_ckks_part(ck, a, t, columns->level)),
                            &columns->matrix));
    MZV_TRY(mzv_poly_mul_const(ck->ev.stream, sum, mzv_view(sum), k));
    return t == 0 ? add_biases(ck, sum, columns) : MZV_OK;
}

mzv_status mzv_ckks_mul_columns(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a,
                                const mzv_columns *columns) {
    mzv_ckks *ck = (mzv_ckks *)ev;
    const uint32_t n_out = columns->matrix.n_out;
    const mzv_shape shape = mzv_shape_of(ev, a->level, a->batch);
    const size_t mark = mzv_mark(ev->stream);
    mzv_poly sum;
    mzv_status status;
    MZV_TRY(mzv_ckks_room(ck, "mul_columns", mzv_words_mul_columns(&shape, n_out)));
    MZV_TRY_GOTO(mzv_take(ev->stream, &sum, n_out, mzv_basis_q(a->level)), done);
    for (uint32_t t = 0; t < 2; t++) {
        MZV_TRY_GOTO(mul_part(ck, sum, a, columns, t), done);
        MZV_TRY_GOTO(mzv_poly_mod_down(ev->stream, mzv_ckks_part(ck, out, t, a->level - 1), mzv_view(sum)),
                     done);
    }
done:
    mzv_release(ev->stream, mark);
    return status;
}
