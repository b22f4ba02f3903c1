/* Choosing tokens. */
#include "runtime/sample.h"

#include <math.h>
#include <stdlib.h>
#include "base/arena.h"
#include "base/try.h"

typedef struct candidate {
    float logit;
    uint32_t id;
} candidate;

uint64_t mzv_sampler_next(mzv_sampler *sampler) { /* [SLF14, fig. 14] */
    uint64_t z = (sampler->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* exp(x), x <= 0, to about 1e-15 relative: x = k ln 2 + r with |r| <= ln(2)/2, Taylor to degree 13 in r.
 * libm's exp differs between machines by an ulp; this is the same wherever doubles are IEEE. */
static double exp_portable(double x) {
    if (x < -700.0) return 0.0;
    const double k = floor(x * 1.4426950408889634074 + 0.5); /* 1/ln 2 */
    /* ln 2 in two parts: the first has 32 bits, so that k times it is exact */
    const double r = (x - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10;
    double sum = 1.0;
    for (int i = 13; i >= 1; i--) sum = 1.0 + sum * r / i;
    return ldexp(sum, (int)k);
}

static int larger_first(const void *a, const void *b) {
    const candidate *x = a, *y = b;
    if (x->logit != y->logit) return x->logit > y->logit ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static mzv_status check_logits(const float *logits, uint32_t n) {
    if (n == 0) return mzv_fail(MZV_ERR_ARGUMENT, "sample: expected at least 1 logit, found 0");
    for (uint32_t i = 0; i < n; i++) {
        if (!isfinite(logits[i])) {
            return mzv_fail(MZV_ERR_RANGE, "sample: logit %u of %u: expected a finite number, found %g", i, n,
                            (double)logits[i]);
        }
    }
    return MZV_OK;
}

static mzv_status sorted(candidate **out, const float *logits, uint32_t n) {
    candidate *all = NULL;
    MZV_TRY(check_logits(logits, n));
    MZV_TRY(MZV_NEW(&all, n, "candidates"));
    for (uint32_t i = 0; i < n; i++) all[i] = (candidate) { logits[i], i };
    qsort(all, n, sizeof *all, larger_first);
    *out = all;
    return MZV_OK;
}

mzv_status mzv_top_k(uint32_t *ids, uint32_t k, const float *logits, uint32_t n) {
    candidate *all = NULL;
    if (k == 0 || k > n) return mzv_fail(MZV_ERR_ARGUMENT, "top-k: k: expected 1 to %u, found %u", n, k);
    MZV_TRY(sorted(&all, logits, n));
    for (uint32_t i = 0; i < k; i++) ids[i] = all[i].id;
    mzv_free(all);
    return MZV_OK;
}

static mzv_status greedy(const float *logits, uint32_t n, uint32_t *id) {
    uint32_t best = 0;
    MZV_TRY(check_logits(logits, n));
    for (uint32_t i = 1; i < n; i++) {
        if (logits[i] > logits[best]) best = i;
    }
    *id = best;
    return MZV_OK;
}

/* Inverse transform over the first k candidates: the first whose cumulated weight exceeds u times the total.
 */
static uint32_t draw(mzv_sampler *sampler, const candidate *all, uint32_t k) {
    const double max = (double)all[0].logit;
    const double u = (double)(mzv_sampler_next(sampler) >> 11) * 0x1p-53; /* [0, 1) */
    double total = 0.0, sum = 0.0;
    for (uint32_t i = 0; i < k; i++)
        total += exp_portable(((double)all[i].logit - max) / sampler->temperature);
    for (uint32_t i = 0; i + 1 < k; i++) {
        sum += exp_portable(((double)all[i].logit - max) / sampler->temperature);
        if (sum > u * total) return all[i].id;
    }
    return all[k - 1].id;
}

mzv_status mzv_sample(mzv_sampler *sampler, const float *logits, uint32_t n, uint32_t *id) {
    candidate *all = NULL;
    if (!(sampler->temperature >= 0.0) || isinf(sampler->temperature)) {
        return mzv_fail(MZV_ERR_ARGUMENT, "sample: temperature: expected 0 or more, found %g",
                        sampler->temperature);
    }
    if (sampler->temperature == 0.0) return greedy(logits, n, id);
    MZV_TRY(sorted(&all, logits, n));
    *id = draw(sampler, all, sampler->top_k > 0 && sampler->top_k < n ? sampler->top_k : n);
    mzv_free(all);
    return MZV_OK;
}
