/* Slots to coefficients and back: the canonical embedding of CKKS by the special FFT [CHKKS18a, CHKKS18b].
 *
 * A real polynomial m of N coefficients has slots z_j = m(zeta^(5^j)), j < N/2, zeta = exp(i pi / N); the
 * other N/2 roots give their conjugates. zeta^(N/2) = i, so with w_k = m_k + i m_{k + N/2}
 *     z_j = sum_{k < N/2} w_k zeta^(5^j k),
 * an FFT of N/2 points whose stage of 2h points uses the roots exp(2 pi i (5^j mod 8h) / 8h), j < h. */
#ifndef MZV_CKKS_ENCODE_H
#define MZV_CKKS_ENCODE_H
#include <stdint.h>
#include "mzv/cipher.h"
#ifdef __cplusplus
extern "C" {
#endif

#define MZV_ENCODE_LOG_MAX 61 /* encoded coefficients stay below 2^61: noise may be added before a lift */

typedef struct mzv_embedding mzv_embedding; /* roots of one ring; immutable */

/* log_n: 2 .. 17. */
mzv_status mzv_embedding_create(mzv_embedding **out, uint32_t log_n) MZV_MUST_CHECK;
void mzv_embedding_destroy(mzv_embedding *e);

/* coeff[0..N-1] = round(scale * embedding^-1(slots)). `work`: N/2 complex. MZV_ERR_RANGE when a slot is not
 * finite or a coefficient would reach 2^61; coeff then holds nothing of use.
 * Error of a coefficient: 1/2 by rounding, and less than 7 log2(N/2) 2^-53 |w|_2 by the FFT in double
 * [Hig02, theorem 24.2], |w|_2 = scale |slots|_2 / sqrt(N/2). */
mzv_status mzv_encode(const mzv_embedding *e, int64_t *coeff, const mzv_complex *slots, double scale,
                      mzv_complex *work) MZV_MUST_CHECK;

/* slots[0..N/2-1] = embedding(coeff) / scale. coeff: centred coefficients, rounded to double (crt.h does it
 * from residues, exactly); `work`: N/2 complex, may not overlap the others.
 * Error, in 2-norm over all slots: below 7 log2(N/2) 2^-53 times their norm. */
void mzv_decode(const mzv_embedding *e, mzv_complex *slots, const double *coeff, double scale,
                mzv_complex *work);

#ifdef __cplusplus
}
#endif
#endif
