/* Kernels for AVX-512 (F, DQ, VL, BW) and IFMA. */
#define MZV_VEC_IFMA
#include "cpu/vec_avx512.h"

#include "cpu/cpu_simd_kernels.h"
