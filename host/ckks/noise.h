/* How much error each operation adds (docs/noise.md derives every line). All values are the standard
 * deviation of the real part of one slot, and of its imaginary part; independent errors add by hypot(). For
 * error coefficients of variance V at scale S that is sqrt(V N/2) / S. */
#ifndef MZV_CKKS_NOISE_H
#define MZV_CKKS_NOISE_H
#include "mzv/params.h"
#ifdef __cplusplus
extern "C" {
#endif

/* Rounding of an encoding at `scale`. */
double mzv_noise_encode(const mzv_params *params, double scale);
/* A fresh ciphertext, encoding included, by the secret key or by the public key. */
double mzv_noise_fresh(const mzv_params *params, const mzv_param_facts *facts, uint32_t level);
double mzv_noise_fresh_public(const mzv_params *params, const mzv_param_facts *facts, uint32_t level);
/* Dividing both parts by the product of n_dropped primes at once; `scale` is that of the result. One prime is
 * a rescale, K special primes a ModDown, K + 1 the two merged. */
double mzv_noise_mod_down(const mzv_params *params, uint32_t n_dropped, double scale);
/* Rescale to `level`. */
double mzv_noise_rescale(const mzv_params *params, const mzv_param_facts *facts, uint32_t level);
/* What the key's own noise contributes to one key switch at `level`, before ModDown: it is divided by P
 * already, and `scale` is that of the ciphertext switched. A sum of n switches before one ModDown: times
 * sqrt(n). */
double mzv_noise_key_product(const mzv_params *params, const mzv_param_facts *facts, uint32_t level,
                             double scale);
/* A whole key switch of a ciphertext at `level`: key product and ModDown. Rotation, conjugation. */
double mzv_noise_key_switch(const mzv_params *params, const mzv_param_facts *facts, uint32_t level);
/* Product of two ciphertexts at `level`, relinearised and rescaled by one merged ModDown, at `level - 1`:
 * what the operation itself adds (the operands' errors come through the values). */
double mzv_noise_mul(const mzv_params *params, const mzv_param_facts *facts, uint32_t level);
/* ModRaise through the sparse secret, at the scale of the highest level: both key switches. */
double mzv_noise_mod_raise(const mzv_params *params, const mzv_param_facts *facts);

#ifdef __cplusplus
}
#endif
#endif
