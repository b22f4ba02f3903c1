/* The security gate: the one function that key generation, loaders and planning ask. Ternary secret, sigma
 * >= 3.19, classical attacks [BCC+24, table 5.2]. */
#ifndef MZV_SECURITY_H
#define MZV_SECURITY_H
#include "mzv/params.h"
#ifdef __cplusplus
extern "C" {
#endif

#define MZV_SECURITY_BITS 128   /* what the gate demands */
#define MZV_SPARSE_WEIGHT 32    /* h of the ephemeral secret of bootstrapping */
#define MZV_SPARSE_LOG_N_MIN 15 /* its smallest ring */
#define MZV_SPARSE_LOG2_CAP 121 /* and largest log2(q_0 p_0) */
#define MZV_BOOT_LOG2_FAILURE_MAX (-128.0)

typedef struct mzv_security {
    uint32_t log_n;
    double log2_qp; /* sum of exact log2 of every prime of Q and P */
    double cap;     /* largest log2(QP) at 128 bits; 0 where the table has no row */
    double margin;  /* cap - log2_qp; negative below 128 bits */
    uint32_t bits;  /* 256, 192, 128, or 0: below 128 */
    bool insecure_toy;
} mzv_security;

/* Measures the chain; MZV_ERR_PARAMS with numbers and the next step below 128 bits, unless insecure_toy. */
mzv_status mzv_security_gate(mzv_security *out, uint32_t log_n, const uint64_t *primes, uint32_t n_primes,
                             bool insecure_toy) MZV_MUST_CHECK;
/* "128-bit secure: log2(QP) 848.00 of 868 at N = 2^15, margin 20.00", or the warning for a toy set. */
void mzv_security_text(char *text, size_t n, const mzv_security *security);

/* The ephemeral sparse secret of weight h under modulus q_0 p_0 (bits given as log2). MZV_ERR_PARAMS unless
 * h = 32, N >= 2^15 and log2(q_0 p_0) <= 121, or insecure_toy. */
mzv_status mzv_security_sparse(uint32_t log_n, uint32_t weight, double log2_q0p0,
                               bool insecure_toy) MZV_MUST_CHECK;
/* log2 Pr[some coefficient of I(X) exceeds k], full packing, secret of weight h: I is a sum of h + 1 uniforms
 * on
 * [-1/2, 1/2], taken over N coefficients by the union bound [BTH22]. */
double mzv_security_boot_failure(uint32_t log_n, uint32_t weight, uint32_t k);
/* MZV_ERR_PARAMS where that exceeds 2^-128, unless insecure_toy. */
mzv_status mzv_security_boot(uint32_t log_n, uint32_t weight, uint32_t k, bool insecure_toy) MZV_MUST_CHECK;

/* Whether the chain has a bootstrapping segment. */
bool mzv_params_boots(const mzv_params *params);

/* The smallest secure set that offers what is needed. */
typedef struct mzv_params_need {
    uint32_t n_levels, log_scale, log_q0, log_special;
    uint32_t n_slots; /* at least so many; 0: any */
} mzv_params_need;

/* Smallest log_n, then fewest digits, then fewest special primes, at 128 bits. MZV_ERR_PARAMS says by how
 * many bits the largest ring misses, MZV_ERR_ARGUMENT which number is out of range. */
mzv_status mzv_params_smallest(mzv_params *out, const mzv_params_need *need) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
