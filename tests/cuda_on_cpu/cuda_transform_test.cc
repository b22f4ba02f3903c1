// Transforms, lift and changes of basis on the CUDA kernels, with both arithmetics: equal to the scalar CPU
// backend at every level, and the transform equal to its definition.
#include "observe.h"
#include "pair.h"

#include "math/modarith.h"
#include "math/primes.h"

namespace cuda_on_cpu {
namespace {

const char *const kFp64 = "fp64", *const kVariants[] = { "integer", kFp64 };
const Order kOrders[] = { Order::kForward, Order::kBackward, Order::kShuffled };
const Fill kFills[] = { Fill::kUniform, Fill::kEdges, Fill::kHalfDown, Fill::kHalfUp, Fill::kLargest };
// One arithmetic for a chain: FP64 takes 28 to 49 bits.
std::vector<uint32_t> bits_for(const char *variant) {
    if (variant == kFp64) return { 49, 48, 47, 40, 28, 45 };
    return { 49, 48, 61, 40, 30, 50 };
}

void check_transforms(Pair &pair, const Shape &shape, Fill fill) {
    const Pair::Poly r = pair.poly(shape, fill);
    pair.expect_equal(r, [&](mzv_stream *s, bool cuda) { return s->ops->ntt(s, cuda ? r.cuda : r.cpu); });
    const Pair::Poly v = pair.poly(shape, fill);
    pair.expect_equal(v, [&](mzv_stream *s, bool cuda) { return s->ops->intt(s, cuda ? v.cuda : v.cpu); });
}

TEST(CudaTransform, EqualsScalarForEveryRingAndOrderOfThreads) {
    for (const char *variant : kVariants)
        for (uint32_t log_n = 10; log_n <= 15; log_n++) {
            Pair pair(log_n, 1, 5, bits_for(variant), variant);
            use_order(kOrders[log_n % 3]);
            check_transforms(pair, { 1, { 1, 0, 5 }, 0 }, Fill::kUniform);
        }
}

TEST(CudaTransform, EqualsScalarInTheLargestRings) {
    for (const char *variant : kVariants)
        for (uint32_t log_n : { 16u, 17u }) {
            Pair pair(log_n, 0, 2, { 49, variant == kFp64 ? 48u : 61u }, variant);
            for (Fill fill : { Fill::kUniform, Fill::kHalfUp })
                check_transforms(pair, { 1, { 0, 0, 2 }, 0 }, fill);
        }
}

TEST(CudaTransform, EqualsScalarOnEdgesInEveryOrderOfThreads) {
    for (const char *variant : kVariants) {
        Pair pair(11, 1, 5, bits_for(variant), variant);
        for (Order order : kOrders) {
            use_order(order);
            for (Fill fill : kFills) {
                check_transforms(pair, { 1, { 1, 0, 5 }, 0 }, fill);
                check_transforms(pair, { 3, { 0, 1, 3 }, 40 }, fill);
            }
        }
    }
}

// Word k is a(psi^(2 rev(k) + 1)), by Horner's rule, without the CPU backend.
TEST(CudaTransform, IsEvaluationAtTheRoots) {
    constexpr uint32_t kLogN = 10, kN = 1u << kLogN;
    for (const char *variant : kVariants) {
        Pair pair(kLogN, 0, 2, { 49, variant == kFp64 ? 48u : 61u }, variant);
        const mzv_basis basis = { 0, 0, 2 };
        const Pair::Poly r = pair.poly({ 1, basis, 0 });
        const std::vector<uint64_t> a = pair.download(pair.cuda, r.cuda);
        ASSERT_EQ(mzv_cuda_ops.ntt(pair.cuda, r.cuda), MZV_OK) << mzv_last_error();
        const std::vector<uint64_t> values = pair.download(pair.cuda, r.cuda);
        for (uint32_t i = 0; i < 2; i++) {
            const mzv_modulus m = mzv_modulus_make(pair.prime(basis, i));
            const uint64_t psi = mzv_root_of_unity(m.p, 2 * kN);
            for (uint32_t k : { 0u, 1u, 2u, 511u, 700u, 1023u }) {
                uint32_t reversed = 0;
                for (uint32_t b = 0; b < kLogN; b++) reversed |= (k >> b & 1) << (kLogN - 1 - b);
                const uint64_t x = mzv_mod_pow(psi, 2 * reversed + 1, m);
                uint64_t sum = 0;
                for (uint32_t j = kN; j-- > 0;) sum = mzv_mod_add(mzv_mod_mul(sum, x, m), a[i * kN + j], m.p);
                EXPECT_EQ(values[i * kN + k], sum) << variant << ": row " << i << ", word " << k;
            }
        }
    }
}

TEST(CudaTransform, LiftEqualsScalar) {
    constexpr uint64_t kLimit = (uint64_t(1) << 62) - 1;
    for (const char *variant : kVariants) {
        Pair pair(11, 1, 5, bits_for(variant), variant);
        std::mt19937_64 random(7);
        std::vector<uint64_t> v(3 * 2048 + 16);
        for (size_t i = 0; i < v.size(); i++) {
            const uint64_t size = i % 5 == 0 ? kLimit - i % 2 : random() >> (2 + random() % 60);
            v[i] = i % 2 ? size : 0 - size;
        }
        uint64_t *on_cuda = nullptr, *on_cpu = pair.words(v, &on_cuda);
        const Pair::Poly r = pair.poly({ 3, { 1, 0, 5 }, 0 });
        for (size_t stride : { size_t(0), size_t(2048), size_t(2056) })
            pair.expect_equal(r, [&](mzv_stream *s, bool cuda) {
                const int64_t *coefficients = reinterpret_cast<const int64_t *>(cuda ? on_cuda : on_cpu);
                return s->ops->lift(s, cuda ? r.cuda : r.cpu, coefficients, stride);
            });
    }
}

struct Change {
    mzv_basis from, to;
};

// Chain: 3 special primes, 6 others.
std::vector<Change> ups() {
    std::vector<Change> changes;
    for (uint16_t level = 1; level <= 6; level++)
        for (uint16_t first = 0; first < level; first = static_cast<uint16_t>(first + 3)) {
            const uint16_t n = static_cast<uint16_t>(std::min(3, level - first));
            changes.push_back({ { 0, first, n }, { 3, 0, level } }); // a digit of key switching
        }
    changes.push_back({ { 0, 0, 1 }, { 0, 0, 6 } }); // ModRaise
    changes.push_back({ { 2, 0, 0 }, { 3, 0, 5 } }); // from special primes only
    changes.push_back({ { 1, 2, 3 }, { 2, 1, 5 } }); // from both kinds, the output on both sides
    changes.push_back({ { 3, 0, 6 }, { 3, 0, 6 } }); // nothing to add
    return changes;
}

std::vector<Change> downs() {
    std::vector<Change> changes;
    for (uint16_t level = 1; level <= 6; level++) {
        changes.push_back({ { 3, 0, level }, { 0, 0, level } }); // ModDown
        if (level == 1) continue;
        const uint16_t less = static_cast<uint16_t>(level - 1);
        changes.push_back({ { 0, 0, level }, { 0, 0, less } }); // Rescale
        changes.push_back({ { 3, 0, level }, { 0, 0, less } }); // both
    }
    changes.push_back({ { 3, 0, 6 }, { 1, 2, 2 } }); // drops primes on every side
    changes.push_back({ { 3, 0, 4 }, { 2, 0, 0 } }); // keeps special primes only
    changes.push_back({ { 2, 1, 3 }, { 2, 1, 3 } }); // drops nothing
    return changes;
}

using ChangeOp = mzv_status (*mzv_backend_ops::*)(mzv_stream *, mzv_poly, mzv_cpoly);

void check_changes(const char *variant, ChangeOp op, const std::vector<Change> &changes) {
    const uint32_t large = variant == kFp64 ? 46 : 61, small = variant == kFp64 ? 44 : 20;
    Pair pair(10, 3, 6, { large, 49, 48, 40, small, 45, 47, 30, 36 }, variant);
    ASSERT_EQ(mzv_scratch_reserve(pair.cpu, size_t(64) << 10), MZV_OK) << mzv_last_error();
    ASSERT_EQ(mzv_scratch_reserve(pair.cuda, size_t(64) << 10), MZV_OK) << mzv_last_error();
    for (const Change &change : changes)
        for (uint32_t batch : { 1u, 3u }) {
            SCOPED_TRACE(testing::Message()
                         << change.from.n_p << " p, q" << change.from.q_first << " + " << change.from.n_q
                         << " to " << change.to.n_p << " p, q" << change.to.q_first << " + " << change.to.n_q
                         << ", batch " << batch);
            const Pair::Poly r = pair.poly({ batch, change.to, 8 }), a = pair.poly({ batch, change.from, 0 });
            for (uint32_t batch_in : { batch, 1u })
                pair.expect_equal(r, [&](mzv_stream *s, bool cuda) {
                    mzv_cpoly x = mzv_view(cuda ? a.cuda : a.cpu);
                    x.batch = batch_in;
                    return (s->ops->*op)(s, cuda ? r.cuda : r.cpu, x);
                });
        }
    EXPECT_EQ(pair.cuda->scratch.used, 0u);
}

TEST(CudaBasis, ModUpEqualsScalarAtEveryLevel) {
    for (const char *variant : kVariants) check_changes(variant, &mzv_backend_ops::mod_up, ups());
}

TEST(CudaBasis, ModDownEqualsScalarAtEveryLevel) {
    for (const char *variant : kVariants) check_changes(variant, &mzv_backend_ops::mod_down, downs());
}

// y = [a (F/f)^-1]_f at the edges of (-f/2, f/2): a is built from y.
TEST(CudaBasis, DigitsOnTheEdges) {
    for (const char *variant : kVariants) {
        Pair pair(10, 2, 4, bits_for(variant), variant);
        ASSERT_EQ(mzv_scratch_reserve(pair.cpu, size_t(32) << 10), MZV_OK) << mzv_last_error();
        ASSERT_EQ(mzv_scratch_reserve(pair.cuda, size_t(32) << 10), MZV_OK) << mzv_last_error();
        const mzv_basis from = { 1, 0, 3 }, to = { 2, 0, 4 };
        std::vector<uint64_t> hat(4, 1);
        for (uint32_t f = 0; f < 4; f++)
            for (uint32_t g = 0; g < 4; g++) {
                const mzv_modulus m = mzv_modulus_make(pair.prime(from, f));
                if (g != f) hat[f] = mzv_mod_mul(hat[f], pair.prime(from, g) % m.p, m);
            }
        for (Fill fill : { Fill::kEdges, Fill::kHalfDown, Fill::kHalfUp, Fill::kLargest }) {
            const Pair::Poly a = pair.poly({ 1, from, 0 }, fill), r = pair.poly({ 1, to, 0 });
            pair.expect_equal(a, [&](mzv_stream *s, bool cuda) {
                const mzv_poly x = cuda ? a.cuda : a.cpu;
                const mzv_status status = s->ops->mul_const(s, x, mzv_view(x), hat.data());
                return status != MZV_OK ? status : s->ops->ntt(s, x);
            });
            pair.expect_equal(r, [&](mzv_stream *s, bool cuda) {
                return s->ops->mod_up(s, cuda ? r.cuda : r.cpu, mzv_view(cuda ? a.cuda : a.cpu));
            });
        }
    }
}

TEST(CudaBasis, TooLittleScratchIsAnErrorAndLeavesTheOutput) {
    Pair pair(10, 1, 2, { 49, 48, 40 }, "integer");
    const Pair::Poly r = pair.poly({ 1, { 1, 0, 2 }, 0 }), a = pair.poly({ 1, { 0, 0, 1 }, 0 });
    const std::vector<uint64_t> before = pair.download(pair.cuda, r.cuda);
    EXPECT_EQ(mzv_cuda_ops.mod_up(pair.cuda, r.cuda, mzv_view(a.cuda)), MZV_ERR_MEMORY);
    EXPECT_EQ(pair.download(pair.cuda, r.cuda), before);
}

} // namespace
} // namespace cuda_on_cpu
