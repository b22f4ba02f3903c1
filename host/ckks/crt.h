/* From residues to centred numbers, exactly: what decryption hands to decoding. */
#ifndef MZV_CKKS_CRT_H
#define MZV_CKKS_CRT_H
#include <stddef.h>
#include <stdint.h>
#include "mzv/status.h"
#ifdef __cplusplus
extern "C" {
#endif

typedef struct mzv_crt mzv_crt; /* constants of q_0 .. q_{n-1}; immutable */

/* primes: distinct, below 2^61; n: 1 .. MZV_MAX_PRIMES. */
mzv_status mzv_crt_create(mzv_crt **out, const uint64_t *primes, uint32_t n) MZV_MUST_CHECK;
void mzv_crt_destroy(mzv_crt *crt);

/* out[k] = the x with |x| < Q/2 and x = rows[i*n + k] modulo q_i, for k < n, as a double within 2^-52 of it
 * relatively (infinite above 2^1023). Within 2^-40 Q of +-Q/2 the other sign may come out. Rows are
 * coefficients, not values. Constant time, parallel. */
void mzv_crt_centre(const mzv_crt *crt, double *out, const uint64_t *rows, size_t n);

#ifdef __cplusplus
}
#endif
#endif
