/* The two arithmetics of the transforms. Each has a Word (8 bytes, one residue in its own form), a Twiddle,
 * and: load and canonical between residues and Words; pack and unpack between Words and the bits that wait
 * in memory between two passes; the butterflies; settle, called where the bounds below say so. Their
 * results are the same canonical residues. */
#ifndef MZV_CUDA_ARITH_CUH
#define MZV_CUDA_ARITH_CUH
#include "modarith.cuh"

namespace mzv_cuda {

/* Lazy Shoup butterflies on words. Forward: Words in [0, 4p); inverse: in [0, 2p). 4p < 2^63. [Har14] */
struct IntegerArith {
    using Word = uint64_t;
    using Twiddle = ulonglong2; /* the two words of a Factor, read at once */

    uint64_t p;

    __device__ __forceinline__ explicit IntegerArith(const Prime &m) : p(m.p) {}

    __device__ __forceinline__ Word load(uint64_t residue) const { return residue; }
    __device__ __forceinline__ Word unpack(uint64_t bits) const { return bits; }
    __device__ __forceinline__ uint64_t pack(Word x) const { return x; }
    __device__ __forceinline__ uint64_t canonical(Word x) const {
        return reduce_once(reduce_once(x, 2 * p), p);
    }
    __device__ __forceinline__ Word settle(Word x) const { return x; }

    __device__ __forceinline__ Word twist(Word x, const Twiddle &w) const {
        const Factor f = { w.x, w.y };
        return mul_lazy(x, f, p);
    }
    /* x, y in [0, 4p) -> x + w y, x - w y in [0, 4p). */
    __device__ __forceinline__ void forward(Word &x, Word &y, const Twiddle &w) const {
        const Word a = reduce_once(x, 2 * p);
        const Word b = twist(y, w);
        x = a + b;
        y = a - b + 2 * p;
    }
    /* x, y in [0, 2p) -> x + y, w (x - y) in [0, 2p). */
    __device__ __forceinline__ void inverse(Word &x, Word &y, const Twiddle &w) const {
        const Word difference = x - y + 2 * p;
        x = reduce_once(x + y, 2 * p);
        y = twist(difference, w);
    }
    __device__ __forceinline__ Word scale(Word x, const Factor &f) const { return mul_lazy(x, f, p); }
};

/* FP64 butterflies with explicit FMA, on residues balanced around 0; p < 2^49, p of b bits. [HLQ16]
 *
 * y w mod p: h = round(y w), c = rint(h / p), l = y w - h and h - c p exact, result (h - c p) + l. For
 * |y| <= Y p and |w| <= p/2 the quotient is at most Y p / 2 and wrong by at most 1/2 + (Y/2) p 2^-52, which
 * bounds the result by (1/2 + Y 2^(b-53)) p. The rounding constant needs |quotient| < 2^51.
 *
 * Forward, X_0 = 1/2, X_k = X_(k-1) + 1/2 + X_(k-1) / 16 at b = 49: X_8 = 5.9, X_9 = 6.7. A pass has at most
 * 9 stages: the largest quotient is 5.9 p / 2 < 2^50.6 and the largest Word 6.7 p < 2^52; `settle` between
 * the passes brings X back to 1/2. Inverse: sums double, so `settle` follows every third stage: X = 1/2, 1,
 * 2, and 4 before it. The largest quotient, of a difference of two Words below 2 p, is 2 p < 2^50. */
struct Fp64Arith {
    using Word = double;
    using Twiddle = double;

    double p, p_inv;

    __device__ __forceinline__ explicit Fp64Arith(const Prime &m) : p(m.p_fp), p_inv(m.p_fp_inv) {}

    static constexpr double kRound = 6755399441055744.0; /* 1.5 2^52: adding it rounds to an integer */
    static constexpr double kTwo52 = 4503599627370496.0; /* 2^52, */
    static constexpr unsigned long long kTwo52Bits = 0x4330000000000000ull; /* and its bits */

    __device__ __forceinline__ Word load(uint64_t residue) const {
        const double x = __longlong_as_double(static_cast<long long>(residue | kTwo52Bits)) - kTwo52;
        return x > 0.5 * p ? x - p : x;
    }
    __device__ __forceinline__ Word unpack(uint64_t bits) const {
        return __longlong_as_double(static_cast<long long>(bits));
    }
    __device__ __forceinline__ uint64_t pack(Word x) const {
        return static_cast<uint64_t>(__double_as_longlong(x));
    }
    __device__ __forceinline__ uint64_t canonical(Word x) const {
        const double r = settle(x);
        const double positive = r < 0.0 ? r + p : r;
        return static_cast<uint64_t>(__double_as_longlong(positive + kTwo52)) ^ kTwo52Bits;
    }
    /* x - p rint(x / p), for |x| < 2^52: exact. */
    __device__ __forceinline__ Word settle(Word x) const {
        const double c = __dadd_rn(__fma_rn(x, p_inv, kRound), -kRound);
        return __fma_rn(-c, p, x);
    }
    __device__ __forceinline__ Word twist(Word y, Twiddle w) const {
        const double h = __dmul_rn(y, w);
        const double c = __dadd_rn(__fma_rn(h, p_inv, kRound), -kRound);
        const double l = __fma_rn(y, w, -h);
        return __dadd_rn(__fma_rn(-c, p, h), l);
    }
    __device__ __forceinline__ void forward(Word &x, Word &y, Twiddle w) const {
        const double b = twist(y, w);
        y = __dadd_rn(x, -b);
        x = __dadd_rn(x, b);
    }
    __device__ __forceinline__ void inverse(Word &x, Word &y, Twiddle w) const {
        const double difference = __dadd_rn(x, -y);
        x = __dadd_rn(x, y);
        y = twist(difference, w);
    }
    __device__ __forceinline__ Word scale(Word x, const Factor &f) const { return twist(x, load(f.w)); }
};

} // namespace mzv_cuda
#endif
