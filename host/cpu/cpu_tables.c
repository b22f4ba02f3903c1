/* Roots of unity of one prime, in the order that Cooley-Tukey reads them: psi^rev(k). [LN16] */
#include <stdlib.h>

#include "base/try.h"
#include "cpu/cpu_backend.h"
#include "math/primes.h"

/* power[rev(k)] = base^k for k < N, as words. */
static void fill_powers(uint64_t *power, uint64_t base, uint32_t log_n, mzv_modulus mod) {
    const mzv_factor factor = mzv_factor_make(base, mod);
    uint64_t value = 1;
    uint32_t reversed = 0;
    for (uint32_t k = 0; k < 1u << log_n; k++) {
        power[reversed] = value;
        value = mzv_mod_mul_factor(value, factor, mod.p);
        uint32_t bit = 1u << log_n >> 1; /* reversed += 1, carrying downwards */
        for (; reversed & bit; bit >>= 1) reversed ^= bit;
        reversed ^= bit;
    }
}

static mzv_factor *make_factors(const uint64_t *power, uint32_t log_n, mzv_modulus mod) {
    const size_t n = (size_t)1 << log_n;
    mzv_factor *factors = aligned_alloc(64, n * sizeof *factors);
    if (factors == NULL) return NULL;
    for (size_t k = 0; k < n; k++) factors[k] = mzv_factor_make(power[k], mod);
    return factors;
}

static mzv_status open_factors(mzv_cpu_prime *out, uint64_t *power, uint64_t psi) {
    fill_powers(power, psi, out->log_n, out->mod);
    out->roots = make_factors(power, out->log_n, out->mod);
    fill_powers(power, mzv_mod_inverse(psi, out->mod), out->log_n, out->mod);
    out->inverse_roots = make_factors(power, out->log_n, out->mod);
    if (out->roots == NULL || out->inverse_roots == NULL)
        return mzv_fail(MZV_ERR_MEMORY, "cpu: no memory for the roots of prime %llu",
                        (unsigned long long)out->mod.p);
    return MZV_OK;
}

static double *make_doubles(const uint64_t *power, uint32_t log_n, uint64_t p) {
    const size_t n = (size_t)1 << log_n;
    double *doubles = aligned_alloc(64, n * sizeof *doubles);
    if (doubles == NULL) return NULL;
    for (size_t k = 0; k < n; k++)
        doubles[k] = power[k] > p / 2 ? -(double)(p - power[k]) : (double)power[k];
    return doubles;
}

static mzv_status open_doubles(mzv_cpu_prime *out, uint64_t *power, uint64_t psi) {
    fill_powers(power, psi, out->log_n, out->mod);
    out->fp_roots = make_doubles(power, out->log_n, out->mod.p);
    fill_powers(power, mzv_mod_inverse(psi, out->mod), out->log_n, out->mod);
    out->fp_inverse_roots = make_doubles(power, out->log_n, out->mod.p);
    if (out->fp_roots == NULL || out->fp_inverse_roots == NULL)
        return mzv_fail(MZV_ERR_MEMORY, "cpu: no memory for the roots of prime %llu",
                        (unsigned long long)out->mod.p);
    return MZV_OK;
}

mzv_status mzv_cpu_prime_open(mzv_cpu_prime *out, uint64_t p, uint32_t log_n, const mzv_cpu_kernels *variant) {
    const bool fits = log_n >= variant->min_log_n && (!variant->fp64 || mzv_cpu_fp64_fits(p, log_n));
    out->kernels = fits ? variant : &mzv_cpu_scalar;
    out->mod = mzv_modulus_make(p);
    out->log_n = log_n;
    out->n_inverse = mzv_mod_inverse(mzv_mod_reduce((uint64_t)1 << log_n, out->mod), out->mod);
    uint64_t *power = malloc(sizeof *power << log_n);
    if (power == NULL) return mzv_fail(MZV_ERR_MEMORY, "cpu: no %zu bytes", sizeof *power << log_n);
    const uint64_t psi = mzv_root_of_unity(p, (uint64_t)2 << log_n);
    const mzv_status status =
        out->kernels->fp64 ? open_doubles(out, power, psi) : open_factors(out, power, psi);
    free(power);
    return status;
}

void mzv_cpu_prime_close(mzv_cpu_prime *prime) {
    free(prime->roots);
    free(prime->inverse_roots);
    free(prime->fp_roots);
    free(prime->fp_inverse_roots);
}
