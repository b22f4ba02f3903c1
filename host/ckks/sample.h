/* Secret randomness: ternary coefficients and noise. Client code; constant time. */
#ifndef MZV_CKKS_SAMPLE_H
#define MZV_CKKS_SAMPLE_H
#include "base/random.h"
#ifdef __cplusplus
extern "C" {
#endif

#define MZV_NOISE_PAIRS 21
#define MZV_NOISE_VARIANCE (MZV_NOISE_PAIRS / 2.0) /* sigma 3.24 */
#define MZV_TERNARY_VARIANCE (2.0 / 3.0)
#define MZV_LABEL_SECRET "mzv ternary secret"
#define MZV_LABEL_NOISE "mzv noise"
#define MZV_LABEL_SPARSE "mzv sparse secret of bootstrapping"
#define MZV_LABEL_EPHEMERAL "mzv ternary of public encryption"

/* A generator seeded by getrandom(2). MZV_ERR_RANDOM. Wipe it with mzv_rng_wipe. */
mzv_status mzv_sample_open(mzv_rng *rng, const char *label) MZV_MUST_CHECK;

/* out[k] uniform on -1, 0, 1, exactly. Which bytes of the stream are rejected shows in the time; it says
 * nothing about those accepted. */
void mzv_sample_ternary(mzv_rng *rng, int8_t *out, size_t n);

/* out: exactly `weight` <= n entries of -1 or 1, the rest 0; every such vector equally often. Which words of the
 * stream are rejected shows in the time, as above. */
void mzv_sample_sparse(mzv_rng *rng, int8_t *out, size_t n, uint32_t weight);

/* v[k] += the centred binomial of 21 pairs, |.| <= 21. */
void mzv_sample_noise_add(mzv_rng *rng, int64_t *v, size_t n);

#ifdef __cplusplus
}
#endif
#endif
