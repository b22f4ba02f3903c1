/* The scalar transforms. */
#ifndef MZV_CPU_SCALAR_H
#define MZV_CPU_SCALAR_H
#include <string.h>

#include "cpu/cpu_backend.h"

/* row = NTT(row), canonical. */
void mzv_cpu_scalar_ntt(uint64_t *row, const mzv_cpu_prime *prime);
/* row = N INTT(row) factor, canonical. */
void mzv_cpu_scalar_intt(uint64_t *row, mzv_factor factor, const mzv_cpu_prime *prime);

#endif
