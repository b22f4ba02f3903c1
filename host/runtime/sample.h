/* The next token from logits: greedy, top-k, temperature. Given the same logits and seed, the same token on
 * every machine: the generator is SplitMix64 [SLF14], and exp is computed from additions and multiplications
 * only. */
#ifndef MZV_RUNTIME_SAMPLE_H
#define MZV_RUNTIME_SAMPLE_H
#include <stdint.h>
#include "mzv/status.h"
#ifdef __cplusplus
extern "C" {
#endif

typedef struct mzv_sampler {
    double temperature; /* 0: greedy; else logits are divided by it */
    uint32_t top_k;     /* choose among the k largest; 0: all */
    uint64_t state;     /* of the generator; set it to the seed */
} mzv_sampler;

/* *id = the chosen token of logits[0 .. n-1]. Among equal logits the lower id comes first. Greedy does not
 * touch the generator, sampling draws one number. MZV_ERR_ARGUMENT: n is 0 or the temperature negative or not
 * finite; MZV_ERR_RANGE: a logit that is not finite; MZV_ERR_MEMORY. */
mzv_status mzv_sample(mzv_sampler *sampler, const float *logits, uint32_t n, uint32_t *id) MZV_MUST_CHECK;

/* ids[0 .. k-1]: the k largest logits, largest first, the lower id first among equals. 1 <= k <= n. Errors as
 * above. */
mzv_status mzv_top_k(uint32_t *ids, uint32_t k, const float *logits, uint32_t n) MZV_MUST_CHECK;

/* The next number of the generator: SplitMix64. */
uint64_t mzv_sampler_next(mzv_sampler *sampler);

#ifdef __cplusplus
}
#endif
#endif
