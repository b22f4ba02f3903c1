/* Level 4 composed from levels 1 and 2, for backends that do not fuse it. */
#include "backend/fused.h"

#include "base/try.h"

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
