/* Level 4 composed from levels 1 and 2: what the fused operations mean. */
#ifndef MZV_FUSED_H
#define MZV_FUSED_H
#include "backend/backend.h"
#ifdef __cplusplus
extern "C" {
#endif

mzv_status mzv_fused_tensor(mzv_stream *s, mzv_poly d[3], const mzv_cpoly a[2],
                            const mzv_cpoly b[2]) MZV_MUST_CHECK;
mzv_status mzv_fused_dot(mzv_stream *s, mzv_poly r, const mzv_cpoly *a, const mzv_cpoly *w,
                         uint32_t n) MZV_MUST_CHECK;
mzv_status mzv_fused_key_product(mzv_stream *s, mzv_poly r[2], const mzv_cpoly *d, const mzv_cpoly *key,
                                 uint32_t n) MZV_MUST_CHECK;
/* Scratch: three polynomials like r. */
mzv_status mzv_fused_fold(mzv_stream *s, mzv_poly r[2], const mzv_cpoly *d, const mzv_cpoly *const *key,
                          const uint32_t *galois, uint32_t n_digits, uint32_t n_rotations) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
