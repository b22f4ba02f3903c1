/* The secret key. Only ckks/secret*.c include this header: what they do runs on the host's backend, in time
 * that does not depend on secrets, and leaves no copy behind. */
#ifndef MZV_CKKS_SECRET_H
#define MZV_CKKS_SECRET_H
#include "ckks/client.h"
#ifdef __cplusplus
extern "C" {
#endif

struct mzv_secret {
    const mzv_context *ctx;       /* borrowed */
    uint8_t key_id[MZV_ID_BYTES]; /* random, not derived from the secret */
    int8_t *coeff;                /* N of -1, 0, 1 */
    mzv_stream *stream;           /* of the host's backend; owns the words */
    uint64_t *values;             /* every row of the chain, NTT form */
};

/* Memory for a secret, and the rows that follow from its coefficients. */
mzv_status mzv_secret_open(mzv_secret **out, const mzv_context *ctx) MZV_MUST_CHECK;
mzv_status mzv_secret_spread(mzv_secret *secret) MZV_MUST_CHECK;

/* The rows of `basis`, which starts with all special primes or none, and with q_0. */
mzv_cpoly mzv_secret_view(const mzv_secret *secret, mzv_basis basis);

#ifdef __cplusplus
}
#endif
#endif
