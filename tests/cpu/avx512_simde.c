/* The AVX-512 kernels by way of SIMDe, for machines that do not have AVX-512: the same source, its
 * intrinsics made of AVX2. */
#define MZV_SIMDE
#define mzv_cpu_avx512 mzv_cpu_avx512_simde
extern const struct mzv_cpu_kernels mzv_cpu_avx512_simde;
#include "cpu/cpu_avx512.c"
