/* Integer arithmetic modulo one prime p of k bits, p < 2^61, on canonical residues. The same formulas as
 * math/modarith.h; no division. */
#ifndef MZV_CUDA_MODARITH_CUH
#define MZV_CUDA_MODARITH_CUH
#include <cuda_runtime.h>
#include "cuda_tables.h"

namespace mzv_cuda {

using Prime = mzv_cuda_prime;
using Factor = mzv_factor;
using u128 = mzv_u128;

/* x mod bound for x < 2 bound. */
__device__ __forceinline__ uint64_t reduce_once(uint64_t x, uint64_t bound) {
    return x >= bound ? x - bound : x;
}

__device__ __forceinline__ uint64_t add_mod(uint64_t a, uint64_t b, uint64_t p) {
    return reduce_once(a + b, p);
}
__device__ __forceinline__ uint64_t sub_mod(uint64_t a, uint64_t b, uint64_t p) {
    return a >= b ? a - b : a - b + p;
}

/* x mod p for x < 2^(2k). With x1 = floor(x / 2^(k-2)) < 2^(k+2) <= 2^63 and mu = floor(2^(k+62) / p) <=
 * 2^63, floor(x1 mu / 2^64) is below x / p by less than 1/2 + 1/2 + 1: one correction. */
__device__ __forceinline__ uint64_t reduce_product(u128 x, const Prime &m) {
    const uint64_t x1 = static_cast<uint64_t>(x >> m.shift);
    const uint64_t quotient = __umul64hi(x1, m.mu);
    return reduce_once(static_cast<uint64_t>(x) - quotient * m.p, m.p);
}

__device__ __forceinline__ uint64_t mul_mod(uint64_t a, uint64_t b, const Prime &m) {
    return reduce_product(static_cast<u128>(a) * b, m);
}

/* a w mod p in [0, 2p), for any word a. [Har14, Alg. 2 without its correction] */
__device__ __forceinline__ uint64_t mul_lazy(uint64_t a, const Factor &f, uint64_t p) {
    return a * f.w - __umul64hi(a, f.quotient) * p;
}

__device__ __forceinline__ uint64_t mul_factor(uint64_t a, const Factor &f, uint64_t p) {
    return reduce_once(mul_lazy(a, f, p), p);
}

/* x mod p for any x: x = high 2^64 + low. */
__device__ __forceinline__ uint64_t reduce_wide(u128 x, const Prime &m) {
    const uint64_t high = mul_lazy(static_cast<uint64_t>(x >> 64), m.carry, m.p); /* < 2p */
    const uint64_t low = mul_lazy(static_cast<uint64_t>(x), m.one, m.p);          /* < 2p */
    return reduce_once(reduce_once(high + low, 2 * m.p), m.p);                    /* high + low < 4p < 2^63 */
}

} // namespace mzv_cuda
#endif
