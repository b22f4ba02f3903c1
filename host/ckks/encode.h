/* Slots to coefficients and back: the canonical embedding of CKKS by the special FFT [CHKKS18a, CHKKS18b]. */
#ifndef MZV_CKKS_ENCODE_H
#define MZV_CKKS_ENCODE_H
#include <stdint.h>
#include "mzv/cipher.h"
#ifdef __cplusplus
extern "C" {
#endif

typedef struct mzv_embedding mzv_embedding; /* roots of one ring; immutable */

mzv_status mzv_embedding_create(mzv_embedding **out, uint32_t log_n) MZV_MUST_CHECK;
void mzv_embedding_destroy(mzv_embedding *e);

/* coeff[0..N-1] = round(scale * embedding^-1(slots)), slot j at the root zeta^(5^j). `work`: N/2 complex.
 * MZV_ERR_RANGE when a slot is not finite or a coefficient would reach 2^62. The absolute error of a slot,
 * before noise, is at most sqrt(N/2)/scale in the mean and is bounded in docs/noise.md. */
mzv_status mzv_encode(const mzv_embedding *e, int64_t *coeff, const mzv_complex *slots, double scale,
                      mzv_complex *work) MZV_MUST_CHECK;
/* slots = embedding(coeff) / scale. coeff are the centred coefficients as long double or double pairs;
 * see encode.c for how large ones keep their precision. */
mzv_status mzv_decode(const mzv_embedding *e, mzv_complex *slots, const double *coeff_high,
                      const double *coeff_low, double scale) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
