/* The scalar transforms. */
#ifndef MZV_CPU_SCALAR_H
#define MZV_CPU_SCALAR_H
#include <string.h>

#include "cpu/cpu_backend.h"

/* row = NTT(row), canonical. */
void mzv_cpu_scalar_ntt(uint64_t *row, const mzv_cpu_prime *prime);
/* row = N INTT(row) factor, canonical. */
void mzv_cpu_scalar_intt(uint64_t *row, mzv_factor factor, const mzv_cpu_prime *prime);
/* r = sum over i < n_digits of digit[i] constant[i] mod p: digits below 2^60 in absolute value, constants
 * canonical. */
void mzv_cpu_scalar_convert(uint64_t *r, const int64_t *const *digit, const uint64_t *constant,
                            uint32_t n_digits, const mzv_cpu_prime *prime);

#endif
