/* Products with matrices of small integers: checks, weights in backend memory, and the composition from
 * level 1. */
#include "backend/check.h"
#include "base/arena.h"
#include "base/try.h"
#include "math/modarith.h"

#include <string.h>

static mzv_status check_matrix(const mzv_matrix *w) {
    if (w->n_out == 0 || w->n_in == 0 || w->w == NULL)
        return mzv_fail(MZV_ERR_ARGUMENT, "matmul: a matrix of %u x %u, need one that is not empty", w->n_out,
                        w->n_in);
    for (size_t k = 0; k < (size_t)w->n_out * w->n_in; k++)
        if (w->w[k] <= -MZV_MATRIX_BOUND || w->w[k] >= MZV_MATRIX_BOUND)
            return mzv_fail(MZV_ERR_ARGUMENT, "matmul: weight %zu is %d, need |w| below %d", k, w->w[k],
                            MZV_MATRIX_BOUND);
    return MZV_OK;
}

mzv_status mzv_matrix_upload(mzv_stream *s, mzv_matrix *w) {
    MZV_TRY(check_matrix(w));
    const size_t n = (size_t)w->n_out * w->n_in;
    uint64_t *bits = NULL, *words = NULL;
    mzv_status status;
    MZV_TRY(MZV_NEW(&bits, n, "matrix"));
    for (size_t k = 0; k < n; k++) {
        const double x = w->w[k];
        memcpy(&bits[k], &x, sizeof x);
    }
    MZV_TRY_GOTO(s->ops->alloc(s, &words, n), done);
    status = s->ops->upload(s, words, bits, n);
    const mzv_status waited = s->ops->synchronize(s); /* `bits` is read until then */
    if (status == MZV_OK) status = waited;
    if (status == MZV_OK)
        w->doubles = words;
    else
        s->ops->free(s, words);
done:
    mzv_free(bits);
    return status;
}

static mzv_poly one(mzv_poly a, uint32_t b) {
    a.base += b * a.stride;
    a.batch = 1;
    return a;
}

/* Row by row of the matrix: r_o = w[o][0] a_0, then += w[o][i] a_i. */
mzv_status mzv_matmul_composed(mzv_stream *s, mzv_poly r, mzv_cpoly a, const mzv_matrix *w) {
    uint64_t c[MZV_MAX_PRIMES];
    for (uint32_t o = 0; o < w->n_out; o++)
        for (uint32_t i = 0; i < w->n_in; i++) {
            const int32_t weight = w->w[(size_t)o * w->n_in + i];
            const mzv_cpoly term = { a.base + i * a.stride, a.stride, 1, a.basis };
            for (uint32_t k = 0; k < mzv_basis_size(a.basis); k++) {
                const mzv_modulus m =
                    mzv_modulus_make(s->chain->primes[mzv_prime_index(s->chain, a.basis, k)]);
                const uint64_t size = mzv_mod_reduce((uint64_t)(weight < 0 ? -weight : weight), m);
                c[k] = weight < 0 ? mzv_mod_neg(size, m.p) : size;
            }
            MZV_TRY(i == 0 ? mzv_poly_mul_const(s, one(r, o), term, c)
                           : mzv_poly_mul_const_add(s, one(r, o), term, c));
        }
    return MZV_OK;
}

mzv_status mzv_poly_matmul(mzv_stream *s, mzv_poly r, mzv_cpoly a, const mzv_matrix *w) {
    MZV_TRY(check_matrix(w));
    MZV_TRY(mzv_check_view(s, "matmul", "r", mzv_view(r)));
    MZV_TRY(mzv_check_view(s, "matmul", "a", a));
    if (!mzv_basis_equal(r.basis, a.basis) || r.batch != w->n_out || a.batch != w->n_in)
        return mzv_fail(MZV_ERR_ARGUMENT,
                        "matmul: %u polynomials to %u by a matrix of %u x %u; need the same basis too",
                        a.batch, r.batch, w->n_out, w->n_in);
    MZV_TRY(mzv_check_apart(s, "matmul", "a", mzv_view(r), a));
    if (s->ops->matmul != NULL && w->doubles != NULL) return s->ops->matmul(s, r, a, w);
    return mzv_matmul_composed(s, r, a, w);
}
