/* Roots of unity of one prime, in the order that Cooley-Tukey reads them: psi^rev(k). [LN16] */
#include "base/arena.h"
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

static mzv_status make_factors(mzv_factor **out, const uint64_t *power, uint32_t log_n, mzv_modulus mod) {
    const size_t n = (size_t)1 << log_n;
    MZV_TRY(MZV_NEW(out, n, "roots of unity"));
    for (size_t k = 0; k < n; k++) (*out)[k] = mzv_factor_make(power[k], mod);
    return MZV_OK;
}

static mzv_status make_doubles(double **out, const uint64_t *power, uint32_t log_n, uint64_t p) {
    const size_t n = (size_t)1 << log_n;
    MZV_TRY(MZV_NEW(out, n, "roots of unity"));
    for (size_t k = 0; k < n; k++) (*out)[k] = power[k] > p / 2 ? -(double)(p - power[k]) : (double)power[k];
    return MZV_OK;
}

static mzv_status open_roots(mzv_cpu_prime *out, uint64_t *power, uint64_t psi) {
    const uint64_t inverse = mzv_mod_inverse(psi, out->mod);
    fill_powers(power, psi, out->log_n, out->mod);
    if (out->kernels->fp64) {
        MZV_TRY(make_doubles(&out->fp_roots, power, out->log_n, out->mod.p));
        fill_powers(power, inverse, out->log_n, out->mod);
        return make_doubles(&out->fp_inverse_roots, power, out->log_n, out->mod.p);
    }
    MZV_TRY(make_factors(&out->roots, power, out->log_n, out->mod));
    fill_powers(power, inverse, out->log_n, out->mod);
    return make_factors(&out->inverse_roots, power, out->log_n, out->mod);
}

mzv_status mzv_cpu_prime_open(mzv_cpu_prime *out, uint64_t p, uint32_t log_n,
                              const mzv_cpu_kernels *variant) {
    const bool fits = log_n >= variant->min_log_n && (!variant->fp64 || mzv_cpu_fp64_fits(p, log_n));
    uint64_t *power = NULL;
    out->kernels = fits ? variant : &mzv_cpu_scalar;
    out->mod = mzv_modulus_make(p);
    out->log_n = log_n;
    out->n_inverse = mzv_mod_inverse(mzv_mod_reduce((uint64_t)1 << log_n, out->mod), out->mod);
    MZV_TRY(MZV_NEW(&power, (size_t)1 << log_n, "powers of psi"));
    const mzv_status status = open_roots(out, power, mzv_root_of_unity(p, (uint64_t)2 << log_n));
    mzv_free(power);
    return status;
}

void mzv_cpu_prime_close(mzv_cpu_prime *prime) {
    mzv_free(prime->roots);
    mzv_free(prime->inverse_roots);
    mzv_free(prime->fp_roots);
    mzv_free(prime->fp_inverse_roots);
}
