/* The IFMA kernels by way of SIMDe, which lacks the 52-bit multiply-add itself: vec_avx512.h has it, lane by
 * lane. */
#define MZV_SIMDE
#define mzv_cpu_avx512ifma mzv_cpu_avx512ifma_simde
extern const struct mzv_cpu_kernels mzv_cpu_avx512ifma_simde;
#include "cpu/cpu_ifma.c"
