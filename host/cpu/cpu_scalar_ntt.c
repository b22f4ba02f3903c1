/* Negacyclic transforms with Shoup's multiplication and lazy residues: Cooley-Tukey from natural to
 * bit-reversed order, Gentleman-Sande back. [LN16], [Har14, Alg. 3 and 4] */
#include "cpu/cpu_scalar.h"

/* One stage of NTT: groups of 2 `length` words, residues in [0, 4p). */
static void forward_stage(uint64_t *row, size_t n_groups, size_t length, const mzv_cpu_prime *prime) {
    const uint64_t p = prime->mod.p;
    for (size_t i = 0; i < n_groups; i++) {
        const mzv_factor root = prime->roots[n_groups + i];
        uint64_t *x = row + 2 * i * length, *y = x + length;
        for (size_t j = 0; j < length; j++) {
            const uint64_t u = x[j] >= 2 * p ? x[j] - 2 * p : x[j]; /* < 2p */
            const uint64_t v = mzv_mod_mul_lazy(y[j], root, p);     /* < 2p */
            x[j] = u + v;
            y[j] = u + 2 * p - v;
        }
    }
}

void mzv_cpu_scalar_ntt(uint64_t *row, const mzv_cpu_prime *prime) {
    const size_t n = (size_t)1 << prime->log_n;
    const uint64_t p = prime->mod.p;
    for (size_t n_groups = 1; n_groups < n; n_groups *= 2)
        forward_stage(row, n_groups, n / n_groups / 2, prime);
    for (size_t k = 0; k < n; k++) {
        const uint64_t x = row[k] >= 2 * p ? row[k] - 2 * p : row[k];
        row[k] = x >= p ? x - p : x;
    }
}

/* One stage of INTT, residues in [0, 2p). */
static void inverse_stage(uint64_t *row, size_t n_groups, size_t length, const mzv_cpu_prime *prime) {
    const uint64_t p = prime->mod.p;
    for (size_t i = 0; i < n_groups; i++) {
        const mzv_factor root = prime->inverse_roots[n_groups + i];
        uint64_t *x = row + 2 * i * length, *y = x + length;
        for (size_t j = 0; j < length; j++) {
            const uint64_t sum = x[j] + y[j];                /* < 4p */
            const uint64_t difference = x[j] + 2 * p - y[j]; /* < 4p */
            x[j] = sum >= 2 * p ? sum - 2 * p : sum;
            y[j] = mzv_mod_mul_lazy(difference, root, p);
        }
    }
}

void mzv_cpu_scalar_intt(uint64_t *row, mzv_factor factor, const mzv_cpu_prime *prime) {
    const size_t n = (size_t)1 << prime->log_n;
    for (size_t n_groups = n / 2; n_groups >= 1; n_groups /= 2)
        inverse_stage(row, n_groups, n / n_groups / 2, prime);
    for (size_t k = 0; k < n; k++) row[k] = mzv_mod_mul_factor(row[k], factor, prime->mod.p);
}
