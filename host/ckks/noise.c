/* The formulas of docs/noise.md. */
#include "ckks/noise.h"

#include <math.h>

#include "ckks/security.h"

#define NOISE_VARIANCE 10.5            /* centred binomial of 21 pairs: sample.h */
#define SECRET_VARIANCE (2.0 / 3.0)    /* uniform ternary */
#define ROUNDING_VARIANCE (1.0 / 12.0) /* uniform on [-1/2, 1/2] */

static double degree(const mzv_params *params) { return ldexp(1, (int)params->log_n); }

/* From the variance of coefficients to the deviation of a slot's part. */
static double slot(const mzv_params *params, double variance, double scale) {
    return sqrt(variance * degree(params) / 2) / scale;
}

double mzv_noise_encode(const mzv_params *params, double scale) {
    return slot(params, ROUNDING_VARIANCE, scale);
}

double mzv_noise_fresh(const mzv_params *params, const mzv_param_facts *facts, uint32_t level) {
    return slot(params, NOISE_VARIANCE + ROUNDING_VARIANCE, facts->scale[level]);
}

double mzv_noise_fresh_public(const mzv_params *params, const mzv_param_facts *facts, uint32_t level) {
    /* e u + e1 s + e0 */
    const double variance = NOISE_VARIANCE * (2 * degree(params) * SECRET_VARIANCE + 1);
    return slot(params, variance + ROUNDING_VARIANCE, facts->scale[level]);
}

double mzv_noise_mod_down(const mzv_params *params, uint32_t n_dropped, double scale) {
    const double parts = 1 + degree(params) * SECRET_VARIANCE; /* of c0, and of c1 times s */
    return slot(params, n_dropped * ROUNDING_VARIANCE * parts, scale);
}

double mzv_noise_rescale(const mzv_params *params, const mzv_param_facts *facts, uint32_t level) {
    return mzv_noise_mod_down(params, 1, facts->scale[level]);
}

double mzv_noise_key_product(const mzv_params *params, const mzv_param_facts *facts, uint32_t level,
                             double scale) {
    const uint32_t alpha = params->n_special;
    double sum = 0, log2_p = 0;
    for (uint32_t k = 0; k < alpha; k++) log2_p += log2((double)facts->primes[k]);
    for (uint32_t first = 0; first <= level; first += alpha) {
        double log2_digit = 0;
        uint32_t count = 0;
        for (; count < alpha && first + count <= level; count++) {
            log2_digit += log2((double)facts->primes[alpha + first + count]);
        }
        sum += count * ROUNDING_VARIANCE * exp2(2 * (log2_digit - log2_p));
    }
    return slot(params, sum * degree(params) * NOISE_VARIANCE, scale);
}

double mzv_noise_key_switch(const mzv_params *params, const mzv_param_facts *facts, uint32_t level) {
    const double scale = facts->scale[level];
    return hypot(mzv_noise_key_product(params, facts, level, scale),
                 mzv_noise_mod_down(params, params->n_special, scale));
}

double mzv_noise_mul(const mzv_params *params, const mzv_param_facts *facts, uint32_t level) {
    const double product_scale = facts->scale[level] * facts->scale[level];
    return hypot(mzv_noise_key_product(params, facts, level, product_scale),
                 mzv_noise_mod_down(params, params->n_special + 1, facts->scale[level - 1]));
}

double mzv_noise_mod_raise(const mzv_params *params, const mzv_param_facts *facts) {
    const double q0_over_p0 = (double)facts->primes[params->n_special] / (double)facts->primes[0];
    const double product = degree(params) * NOISE_VARIANCE * ROUNDING_VARIANCE * q0_over_p0 * q0_over_p0;
    const double sparse = ROUNDING_VARIANCE * (1 + MZV_SPARSE_WEIGHT);
    const double scale = facts->scale[params->n_levels];
    return hypot(slot(params, product + sparse, scale), mzv_noise_mod_down(params, params->n_special, scale));
}
