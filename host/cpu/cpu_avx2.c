/* Kernels for AVX2 and FMA. */
#include "cpu/vec_avx2.h"

#include "cpu/cpu_simd_kernels.h"
