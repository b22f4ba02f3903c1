/* X -> X^galois as a permutation of the values of a row. */
#ifndef MZV_CUDA_PERMUTE_CUH
#define MZV_CUDA_PERMUTE_CUH
#include <cuda_runtime.h>
#include <cstdint>

namespace mzv_cuda {

__device__ __forceinline__ uint32_t bit_reverse(uint32_t x, uint32_t bits) {
    return __brev(x) >> (32 - bits);
}

/* Where value k of a(X^galois) lies in a. Value k is a(psi^e) with e = 2 rev(k) + 1, so it is the value of a
 * with exponent e galois mod 2N. Neighbours stay in one aligned block of any power of two, so a warp reads
 * whole sectors. */
__device__ __forceinline__ uint32_t permuted(uint32_t k, uint32_t log_n, uint32_t galois) {
    const uint32_t exponent = (2 * bit_reverse(k, log_n) + 1) * galois; /* mod 2^32, a multiple of 2N */
    return bit_reverse((exponent >> 1) & ((1u << log_n) - 1), log_n);
}

/* x with x a = 1 mod 2^32, a odd: each step doubles the bits that hold. */
inline uint32_t odd_inverse(uint32_t a) {
    uint32_t x = a; /* 3 bits */
    for (int i = 0; i < 4; i++) x *= 2 - a * x;
    return x;
}

} // namespace mzv_cuda
#endif
