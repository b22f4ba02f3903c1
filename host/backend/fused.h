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
/* Digit j of d: limbs jK .. jK+K-1, or as many as d has; K special primes. */
mzv_cpoly mzv_fused_digit(mzv_cpoly d, uint32_t j, uint32_t n_special, uint32_t log_n);
/* Scratch: n_digits + 2 polynomials modulo P and the primes of d (2 where digits are kept), and what mod_up
 * and mod_down take. */
mzv_status mzv_fused_key_switch(mzv_stream *s, mzv_poly r[2], mzv_cpoly d,
                                const mzv_switch *with) MZV_MUST_CHECK;
/* Scratch: four polynomials like r, and the rows of one weight. */
mzv_status mzv_fused_rotation_sums(mzv_stream *s, mzv_poly *r, const mzv_rotations *of) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
