/* Polynomials in the Chebyshev basis on ciphertexts, in the least depth and with few key switches.
 *
 * p(t) = sum_k coeff[k] T_k(t), t in [-1, 1] (outside, the value is still p(t), but grows like T_d).
 *
 * Plan: a variant of Paterson-Stockmeyer [PS73] that spends dot products. With block size b (a power of two),
 * 2^(D-1) <= d < 2^D and n = 2^(D-1) / b,
 *     p = q_0 + sum_{1 <= i <= n} q_i T_{ib},    deg q_i < b for i < n, deg q_n < 2^(D-1),
 * from T_{ib+j} = 2 T_ib T_j - T_{ib-j}. The sum is one mzv_dot: one relinearisation and one rescale for all
 * n products. q_n is split in the same way, down to degree 1; q_0 .. q_{n-1} are combinations of powers.
 * Depth of p is D = ceil(log2(d + 1)): T_ib, ib <= 2^(D-1), and q_i need depth D - 1 each. Key switches: one
 * for each power T_m, m >= 2, that is used, and one for each of about D - 1 dots; b is chosen to make their
 * number least. Odd and even polynomials use odd and even powers only. */
#ifndef MZV_CIRCUIT_POLYNOMIAL_H
#define MZV_CIRCUIT_POLYNOMIAL_H
#include "circuit/circuit.h"
#ifdef __cplusplus
extern "C" {
#endif

#define MZV_POLYNOMIAL_MAX_DEGREE 1023

typedef struct mzv_polynomial mzv_polynomial;

typedef struct mzv_polynomial_facts {
    uint32_t degree;       /* of the last coefficient that is not zero */
    uint32_t levels;       /* ceil(log2(degree + 1)) */
    uint32_t block;        /* b */
    uint32_t n_powers;     /* T_m, m >= 2 */
    uint32_t n_key_switch; /* all relinearisations */
    uint32_t n_products;   /* ciphertext products, inside dots too */
} mzv_polynomial_facts;

/* coeff[0..degree], copied. MZV_ERR_ARGUMENT: degree above MZV_POLYNOMIAL_MAX_DEGREE, a coefficient that is
 * not finite, or a constant polynomial, for which no circuit is needed. */
mzv_status mzv_polynomial_create(mzv_polynomial **out, const double *coeff, uint32_t degree) MZV_MUST_CHECK;
void mzv_polynomial_destroy(mzv_polynomial *p); /* NULL is allowed */

const mzv_polynomial_facts *mzv_polynomial_about(const mzv_polynomial *p);
uint32_t mzv_polynomial_levels(const mzv_polynomial *p);

/* Keys for an input at `level`: relinearisation. */
mzv_status mzv_polynomial_request(const mzv_polynomial *p, mzv_key_request *request,
                                  uint32_t level) MZV_MUST_CHECK;

/* out = p(t) in every slot, exactly mzv_polynomial_levels below t. */
mzv_status mzv_polynomial_run(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *t,
                              const mzv_polynomial *p) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
