/* GELU, tanh, sigmoid and SiLU on an interval [a, b]: a polynomial in the Chebyshev basis, of the degree that
 * the interval and the target ask for, behind domain extensions where the interval is too wide for one.
 *
 * Structure. On an interval [-B, B] the polynomial takes the function's symmetry: GELU and SiLU are x/2 plus
 * an even function, tanh is odd, sigmoid is 1/2 plus an odd function. Half of the powers are then not needed,
 * so an interval that is nearly symmetric is widened where that takes fewer key switches and no more levels.
 *
 * Domain extension [CKP22], here with the constants of the triple angle: v = 2^(1/3) sin(z) gives
 *     D(v) = v (3 2^(-1/3) - 2 v^2) = sin(3 z),
 * which maps [-1, 1] into itself, stretches the middle by 3 2^(-1/3) = 2.38 and sends the outside, |v| >
 * 0.17, to |D(v)| >= 0.38. A function that is constant out there, up to the target, is g(D(v)) with g =
 * f(D^-1), D^-1 the branch through 0: each extension takes two levels and two key switches, and leaves g an
 * interval shorter by 2.38. We fit g, not f, so nothing has to undo D's bend in the middle (there the paper
 * adds a correction). GELU(x) and SiLU(x) are x times such a function, one level more. A doubled degree takes
 * one level, so extensions never save levels; they replace degrees that are too high, and on request save key
 * switches.
 *
 * Outside [a, b] the polynomial grows like T_degree: calibrate with a margin. */
#ifndef MZV_CIRCUIT_ACTIVATION_H
#define MZV_CIRCUIT_ACTIVATION_H
#include "circuit/polynomial.h"
#ifdef __cplusplus
extern "C" {
#endif

#define MZV_ACTIVATION_AUTO UINT32_MAX
#define MZV_ACTIVATION_MAX_EXTENSIONS 8

typedef enum mzv_activation_function {
    MZV_GELU,      /* x (1 + erf(x / sqrt 2)) / 2 [HG16] */
    MZV_GELU_TANH, /* x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2, as GPT-2 has it */
    MZV_TANH,
    MZV_SIGMOID, /* 1 / (1 + exp(-x)) */
    MZV_SILU     /* x / (1 + exp(-x)) */
} mzv_activation_function;

typedef struct mzv_activation mzv_activation;

typedef struct mzv_activation_spec {
    mzv_activation_function function;
    double a, b;         /* interval of x, within [-2^20, 2^20] */
    double target;       /* largest |y / gain - f(x)| on it */
    double gain;         /* y = gain f(x), for nothing; not 0 */
    uint32_t extensions; /* of the domain, or MZV_ACTIVATION_AUTO: fewest levels, then fewest key switches */
} mzv_activation_spec;

typedef struct mzv_activation_facts {
    double a, b; /* where the error holds: the interval of the spec or the least symmetric one around it */
    uint32_t extensions, degree;
    uint32_t levels; /* from the affine form */
    uint32_t n_key_switch, n_products;
    double error; /* measured on a grid, as in the spec, coefficients rounded to double */
} mzv_activation_facts;

/* MZV_ERR_ARGUMENT: not a < b, ends beyond 2^20, no such function, gain 0, target not positive, too many
 * extensions; MZV_ERR_PRECISION: the target needs more than degree MZV_POLYNOMIAL_MAX_DEGREE with every
 * number of extensions allowed, or more than double coefficients. */
mzv_status mzv_activation_create(mzv_activation **out, const mzv_activation_spec *spec) MZV_MUST_CHECK;
void mzv_activation_destroy(mzv_activation *f); /* NULL is allowed */

const mzv_activation_facts *mzv_activation_about(const mzv_activation *f);
mzv_affine mzv_activation_affine(const mzv_activation *f); /* u of x, in [-1, 1] */
uint32_t mzv_activation_levels(const mzv_activation *f);
/* What the circuit computes at x, without the noise of CKKS. */
long double mzv_activation_value(const mzv_activation *f, long double x);

/* Relinearisation, for u at `level`. */
mzv_status mzv_activation_request(const mzv_activation *f, mzv_key_request *request,
                                  uint32_t level) MZV_MUST_CHECK;
/* out = gain f(x) from u, exactly mzv_activation_levels below; from x itself, mzv_affine_run first, one level
 * more. */
mzv_status mzv_activation_run(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *u,
                              const mzv_activation *f) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
