/* The two arithmetics of transforms and changes of basis. Each has a Word (8 bytes, one residue in its own
 * form), a Twiddle (a factor of a butterfly), a Weight (a factor of a basis conversion) and a Sum (of
 * products of digits and weights). A chain uses one of them for all its primes; their results are the same
 * canonical residues. */
#ifndef MZV_CUDA_ARITH_CUH
#define MZV_CUDA_ARITH_CUH
#include "modarith.cuh"

namespace mzv_cuda {

/* Lazy Shoup butterflies on words. Forward: Words in [0, 4p); inverse: in [0, 2p). 4p < 2^63. [Har14] */
struct IntegerArith {
    using Word = uint64_t;
    using Twiddle = ulonglong2; /* the two words of a Factor, read at once */
    using Weight = uint64_t;
    using Sum = u128;

    const Prime &m;
    uint64_t p;

    __device__ __forceinline__ explicit IntegerArith(const Prime &prime) : m(prime), p(prime.p) {}

    __device__ __forceinline__ Word load(uint64_t residue) const { return residue; }
    __device__ __forceinline__ Word unpack(uint64_t bits) const { return bits; }
    __device__ __forceinline__ uint64_t pack(Word x) const { return x; }
    __device__ __forceinline__ uint64_t canonical(Word x) const {
        return reduce_once(reduce_once(x, 2 * p), p);
    }
    __device__ __forceinline__ Word settle(Word x) const { return x; }
    __device__ __forceinline__ Word constant(uint64_t residue) const { return residue; }

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

    /* Products by a residue, sums of them and differences, in [0, p). x in [0, 4p), k and c in [0, p). */
    __device__ __forceinline__ Word times(Word x, Word k) const { return mul_mod(canonical(x), k, m); }
    __device__ __forceinline__ Word plus(Word a, Word b) const { return add_mod(a, b, p); }
    __device__ __forceinline__ Word minus(Word a, Word x) const { return sub_mod(a, canonical(x), p); }

    __device__ __forceinline__ Twiddle factor(const Factor &f) const { return { f.w, f.quotient }; }

    /* x + (p - 1)/2 mod p for x in [0, p). */
    __device__ __forceinline__ uint64_t digit(Word x) const { return reduce_once(x + (p >> 1), p); }
    /* Digits below 2^61, weights below p: at most kMaxSources products below 2^122. */
    __device__ __forceinline__ Sum start_sum(Word x) const { return x; }
    static __device__ __forceinline__ void add_product(Sum &sum, uint64_t digit, Weight w) {
        sum += static_cast<u128>(digit) * w;
    }
    __device__ __forceinline__ Word reduce(const Sum &sum) const { return reduce_wide(sum, m); }
};

/* FP64 arithmetic with explicit FMA, on residues balanced around 0; p of b bits, 28 <= b <= 49. [HLQ16]
 *
 * y w mod p: h = round(y w), c = rint(h / p), l = y w - h and h - c p exact, result (h - c p) + l. For
 * |y| <= Y p and |w| <= W p the quotient is at most Y W p and wrong by at most 1/2 + Y W p 2^-52, which
 * bounds the result by (1/2 + Y W 2^(b-52)) p. The rounding constant needs |quotient| < 2^51. Twiddles have
 * W = 1/2.
 *
 * Forward, X_0 = 1, X_k = X_(k-1) + 1/2 + X_(k-1) / 16 at b = 49: X_8 = 6.7, X_9 = 7.6. A pass has at most 9
 * stages: the largest quotient is 6.7 p / 2 < 2^50.8 and the largest Word 7.6 p < 2^52; `settle` between the
 * passes brings X back to 1/2.
 *
 * Inverse: of two stages on Words of at most X, the words that are sums twice reach 4 X and are settled, the
 * others stay below 1 + X / 4. A step settles its last sums: twice two stages from X = 1 reach 4 (quotient 2
 * p), then 1.25, 5 (2.5 p) and leave 0.82; so do steps of one, three and five stages. The largest Word is
 * 5.2 p < 2^51.4, the largest quotient 2.6 p < 2^50.4.
 *
 * Conversion of a basis: digits of 49 bits are cut into 24 and 25, weights (balanced) into two of 25 with
 * sign, and the products summed in three exact accumulators: 14 products below 2^49 and a start of 2^48 stay
 * below 2^53. The halves of a digit are used as the denormal numbers that their bits are, times 2^-1074,
 * which costs no instruction; weights hold 2^998, and sums their value times 2^-76. */
struct Fp64Arith {
    using Word = double;
    using Twiddle = double;
    using Weight = double2; /* high and low half, times 2^998 */
    struct Sum {
        double high, middle, low; /* times 2^50, 2^25, 1 and 2^-76 */
    };

    double p, p_inv;

    __device__ __forceinline__ explicit Fp64Arith(const Prime &m) : p(m.p_fp), p_inv(m.p_fp_inv) {}

    static constexpr double kRound = 6755399441055744.0; /* 1.5 2^52: adding it rounds to an integer */
    static constexpr double kTwo52 = 4503599627370496.0; /* 2^52, */
    static constexpr unsigned long long kTwo52Bits = 0x4330000000000000ull; /* and its bits */
    static constexpr double kTwo25 = 33554432.0;
    static constexpr double kTwo76 = 75557863725914323419136.0;
    static constexpr double kTwo101 = kTwo76 * kTwo25;

    /* In [0, p). */
    __device__ __forceinline__ Word load(uint64_t residue) const {
        return __dadd_rn(__longlong_as_double(static_cast<long long>(residue | kTwo52Bits)), -kTwo52);
    }
    __device__ __forceinline__ Word unpack(uint64_t bits) const {
        return __longlong_as_double(static_cast<long long>(bits));
    }
    __device__ __forceinline__ uint64_t pack(Word x) const {
        return static_cast<uint64_t>(__double_as_longlong(x));
    }
    __device__ __forceinline__ uint64_t canonical(Word x) const {
        const double r = settle(x);
        const double positive = r < 0.0 ? __dadd_rn(r, p) : r;
        return static_cast<uint64_t>(__double_as_longlong(__dadd_rn(positive, kTwo52))) ^ kTwo52Bits;
    }
    __device__ __forceinline__ double rounded_quotient(double x) const {
        return __dadd_rn(__fma_rn(x, p_inv, kRound), -kRound);
    }
    /* x - p rint(x / p), exact for an integer x, |x| <= 2^53. */
    __device__ __forceinline__ Word settle(Word x) const { return __fma_rn(-rounded_quotient(x), p, x); }
    /* In [-p/2, p/2]. */
    __device__ __forceinline__ Word constant(uint64_t residue) const {
        const double x = load(residue);
        return x > 0.5 * p ? __dadd_rn(x, -p) : x;
    }

    __device__ __forceinline__ Word twist(Word y, Twiddle w) const {
        const double h = __dmul_rn(y, w);
        const double c = rounded_quotient(h);
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

    /* |times| <= (1/2 + Y / 8) p for k in [0, p). `plus` and `minus` only add. */
    __device__ __forceinline__ Word times(Word x, Word k) const { return twist(x, k); }
    __device__ __forceinline__ Word plus(Word a, Word b) const { return __dadd_rn(a, b); }
    __device__ __forceinline__ Word minus(Word a, Word x) const { return __dadd_rn(a, -x); }

    __device__ __forceinline__ Twiddle factor(const Factor &f) const { return constant(f.w); }

    /* x + (p - 1)/2 mod p, its halves in the two halves of a word. */
    __device__ __forceinline__ uint64_t digit(Word x) const {
        const double shifted = __dadd_rn(settle(x), 0.5 * (p - 1.0)); /* in [-1, p] */
        const double positive = shifted < 0.0 ? __dadd_rn(shifted, p) : shifted;
        const double below = positive >= p ? __dadd_rn(positive, -p) : positive;
        const uint64_t bits = static_cast<uint64_t>(__double_as_longlong(__dadd_rn(below, kTwo52)));
        return (((bits ^ kTwo52Bits) >> 25) << 32) | (bits & ((1u << 25) - 1));
    }
    __device__ __forceinline__ Sum start_sum(Word x) const { return { 0.0, 0.0, x * (1.0 / kTwo76) }; }
    static __device__ __forceinline__ void add_product(Sum &sum, uint64_t digit, Weight w) {
        const double high = __longlong_as_double(static_cast<long long>(digit >> 32));
        const double low = __longlong_as_double(static_cast<long long>(digit & 0xffffffffu));
        sum.high = __fma_rn(high, w.x, sum.high);
        sum.middle = __fma_rn(high, w.y, __fma_rn(low, w.x, sum.middle));
        sum.low = __fma_rn(low, w.y, sum.low);
    }
    /* x mod p for an integer x of at most 53 bits times a power of two, |x| < 2^50 p, within 0.63 p. */
    __device__ __forceinline__ double reduce_scaled(double x) const {
        return __fma_rn(-rounded_quotient(x), p, x);
    }
    __device__ __forceinline__ Word reduce(const Sum &sum) const {
        const double high = reduce_scaled(__dmul_rn(sum.high, kTwo101)); /* |sum.high| 2^101 < 2^76 */
        const double middle = __fma_rn(sum.middle, kTwo76, high);        /* < 14.6 2^49 */
        return settle(__fma_rn(sum.low, kTwo76, reduce_scaled(__dmul_rn(middle, kTwo25)))); /* < 15.2 2^49 */
    }
};

/* Sources of one conversion that the bounds above allow. */
constexpr uint32_t kMaxSources = 14;

} // namespace mzv_cuda
#endif
