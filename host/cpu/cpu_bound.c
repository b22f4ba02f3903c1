/* Which primes the FP64 kernels take: the growth of lazy residues through the transforms, followed step by
 * step. X is a bound in units of p; see cpu_simd_arith.h for the product and cpu_simd_ntt.h for the
 * transforms. The limits come to p < 2^48.41 for log_n <= 16 (the inverse decides) and p < 2^48.33 for
 * log_n = 17 (the forward one does). */
#include "cpu/cpu_backend.h"

#define PRODUCT_LIMIT 0x1p52 /* X p below this keeps a product exact */
#define SUM_LIMIT 0x1p53     /* and below this a sum */

/* One stage: x +- r with |r| <= (1/2 + X p 2^-53) p. Canonical input has X = 1. */
static bool forward_fits(double p, uint32_t log_n) {
    double x = 1;
    for (uint32_t stage = 0; stage < log_n; stage++) {
        if (x * p >= PRODUCT_LIMIT) return false;
        x += 0.5 + x * p * 0x1p-53;
    }
    return (x + 1) * p < SUM_LIMIT; /* + 1: mod_down adds a product before the last reduction */
}

/* Three stages double twice before the last product; what is not normalised afterwards is at most the
 * sum of two products. */
static bool inverse_fits(double p, uint32_t log_n) {
    double x = 1;
    for (uint32_t stage = 0; stage < log_n; stage += 2) {
        if (8 * x * p >= PRODUCT_LIMIT) return false;
        x = 1 + 8 * x * p * 0x1p-53;
    }
    return true;
}

bool mzv_cpu_fp64_fits(uint64_t p, uint32_t log_n) {
    return p < UINT64_C(1) << 52 && forward_fits((double)p, log_n) && inverse_fits((double)p, log_n);
}
