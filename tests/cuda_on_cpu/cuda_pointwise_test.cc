// Level 1 and the automorphism on the CUDA kernels: equal to the scalar CPU backend, and to the definition.
#include "observe.h"
#include "pair.h"

namespace cuda_on_cpu {
namespace {

__extension__ typedef unsigned __int128 u128;

using Binary = mzv_status (*mzv_backend_ops::*)(mzv_stream *, mzv_poly, mzv_cpoly, mzv_cpoly);
using Constant = mzv_status (*mzv_backend_ops::*)(mzv_stream *, mzv_poly, mzv_cpoly, const uint64_t *);

const Binary kBinary[] = { &mzv_backend_ops::add, &mzv_backend_ops::sub, &mzv_backend_ops::mul,
                           &mzv_backend_ops::mul_add };
const Constant kConstant[] = { &mzv_backend_ops::mul_const, &mzv_backend_ops::mul_const_add,
                               &mzv_backend_ops::add_const };
const std::vector<uint32_t> kBits = { 61, 48, 30, 60, 40, 49, 20 };

// Odd numbers of limbs, limbs of one kind only, a range that starts late; batches and gaps.
const Shape kShapes[] = { { 1, { 2, 0, 5 }, 0 },
                          { 3, { 2, 0, 5 }, 64 },
                          { 1, { 1, 2, 2 }, 0 },
                          { 3, { 0, 4, 1 }, 0 },
                          { 2, { 2, 0, 0 }, 8 } };

mzv_cpoly first_only(mzv_poly a) {
    mzv_cpoly view = mzv_view(a);
    view.batch = 1;
    return view;
}

void check_binary(Pair &pair, Binary op, const Shape &shape, Fill fill) {
    const Pair::Poly r = pair.poly(shape, fill), a = pair.poly(shape, fill), b = pair.poly(shape, fill);
    const auto run = [&](auto operands) {
        pair.expect_equal(r, [&](mzv_stream *s, bool cuda) {
            const mzv_poly z = cuda ? r.cuda : r.cpu;
            const mzv_cpoly x = mzv_view(cuda ? a.cuda : a.cpu), y = mzv_view(cuda ? b.cuda : b.cpu);
            return operands(s->ops->*op, s, z, x, y);
        });
    };
    run([](auto f, mzv_stream *s, mzv_poly z, mzv_cpoly x, mzv_cpoly y) { return f(s, z, x, y); });
    run([](auto f, mzv_stream *s, mzv_poly z, mzv_cpoly x, mzv_cpoly) { return f(s, z, mzv_view(z), x); });
    run([](auto f, mzv_stream *s, mzv_poly z, mzv_cpoly x, mzv_cpoly) { return f(s, z, x, mzv_view(z)); });
    run([](auto f, mzv_stream *s, mzv_poly z, mzv_cpoly, mzv_cpoly) {
        return f(s, z, mzv_view(z), mzv_view(z));
    });
}

TEST(CudaPointwise, BinaryEqualsScalarAlsoInPlace) {
    Pair pair(10, 2, 5, kBits, "integer");
    for (Binary op : kBinary)
        for (const Shape &shape : kShapes)
            for (Fill fill : { Fill::kUniform, Fill::kEdges, Fill::kLargest })
                check_binary(pair, op, shape, fill);
}

TEST(CudaPointwise, InputOfBatchOneServesAll) {
    Pair pair(10, 2, 5, kBits, "integer");
    for (Binary op : kBinary) {
        const Shape shape = { 3, { 2, 0, 5 }, 0 };
        const Pair::Poly r = pair.poly(shape), a = pair.poly(shape), b = pair.poly(shape);
        pair.expect_equal(r, [&](mzv_stream *s, bool cuda) {
            return (s->ops->*op)(s, cuda ? r.cuda : r.cpu, mzv_view(cuda ? a.cuda : a.cpu),
                                 first_only(cuda ? b.cuda : b.cpu));
        });
        pair.expect_equal(r, [&](mzv_stream *s, bool cuda) {
            return (s->ops->*op)(s, cuda ? r.cuda : r.cpu, first_only(cuda ? a.cuda : a.cpu),
                                 first_only(cuda ? b.cuda : b.cpu));
        });
    }
}

TEST(CudaPointwise, ConstantsEqualScalarAndAreReadBeforeTheCallReturns) {
    Pair pair(11, 2, 5, kBits, "integer");
    for (Constant op : kConstant)
        for (const Shape &shape : kShapes)
            for (Fill fill : { Fill::kUniform, Fill::kEdges }) {
                const Pair::Poly r = pair.poly(shape, fill), a = pair.poly(shape, fill);
                const std::vector<uint64_t> c = pair.constants(shape.basis, fill);
                pair.expect_equal(r, [&](mzv_stream *s, bool cuda) {
                    std::vector<uint64_t> mine = c;
                    const mzv_status status =
                        (s->ops->*op)(s, cuda ? r.cuda : r.cpu, mzv_view(cuda ? a.cuda : a.cpu), mine.data());
                    for (uint64_t &word : mine) word = ~uint64_t(0);
                    return status;
                });
                pair.expect_equal(r, [&](mzv_stream *s, bool cuda) {
                    const mzv_poly z = cuda ? r.cuda : r.cpu;
                    return (s->ops->*op)(s, z, mzv_view(z), c.data());
                });
            }
}

TEST(CudaPointwise, CopyEqualsScalar) {
    Pair pair(10, 2, 5, kBits, "integer");
    for (const Shape &shape : kShapes) {
        const Pair::Poly r = pair.poly(shape), a = pair.poly({ shape.batch, shape.basis, 0 });
        const auto copy = [&](mzv_stream *s, bool cuda, bool one) {
            const mzv_poly x = cuda ? a.cuda : a.cpu;
            return s->ops->copy(s, cuda ? r.cuda : r.cpu, one ? first_only(x) : mzv_view(x));
        };
        pair.expect_equal(r, [&](mzv_stream *s, bool cuda) { return copy(s, cuda, false); });
        pair.expect_equal(r, [&](mzv_stream *s, bool cuda) { return copy(s, cuda, true); });
    }
}

// The definition, by division, without the CPU backend.
TEST(CudaPointwise, MulAddIsTheDefinition) {
    Pair pair(10, 0, 7, kBits, "integer");
    for (Fill fill : { Fill::kUniform, Fill::kEdges, Fill::kLargest }) {
        const Shape shape = { 1, { 0, 0, 7 }, 0 };
        const Pair::Poly r = pair.poly(shape, fill), a = pair.poly(shape, fill), b = pair.poly(shape, fill);
        const std::vector<uint64_t> z = pair.download(pair.cuda, r.cuda),
                                    x = pair.download(pair.cuda, a.cuda),
                                    y = pair.download(pair.cuda, b.cuda);
        ASSERT_EQ(mzv_cuda_ops.mul_add(pair.cuda, r.cuda, mzv_view(a.cuda), mzv_view(b.cuda)), MZV_OK);
        const std::vector<uint64_t> found = pair.download(pair.cuda, r.cuda);
        for (size_t i = 0; i < found.size(); i++) {
            const uint64_t p = pair.prime(shape.basis, static_cast<uint32_t>(i >> 10));
            ASSERT_EQ(found[i], static_cast<uint64_t>(((u128)x[i] * y[i] + z[i]) % p)) << "word " << i;
        }
    }
}

TEST(CudaAutomorphism, EqualsScalarForManyExponents) {
    for (uint32_t log_n : { 10u, 13u }) {
        Pair pair(log_n, 1, 2, { 48, 60, 40 }, "integer");
        ASSERT_EQ(mzv_scratch_reserve(pair.cpu, size_t(9) << log_n), MZV_OK) << mzv_last_error();
        const Shape shape = { 3, { 1, 0, 2 }, 8 };
        const Pair::Poly r = pair.poly(shape), a = pair.poly(shape);
        const uint32_t two_n = 2u << log_n;
        for (uint32_t galois : { 1u, 3u, 5u, 25u, two_n / 2 + 1, two_n / 2 - 1, two_n - 5, two_n - 1 }) {
            const auto turn = [&](mzv_stream *s, bool cuda, bool one) {
                const mzv_poly x = cuda ? a.cuda : a.cpu;
                return s->ops->automorphism(s, cuda ? r.cuda : r.cpu, one ? first_only(x) : mzv_view(x),
                                            galois);
            };
            pair.expect_equal(r, [&](mzv_stream *s, bool cuda) { return turn(s, cuda, false); });
            pair.expect_equal(r, [&](mzv_stream *s, bool cuda) { return turn(s, cuda, true); });
        }
    }
}

} // namespace
} // namespace cuda_on_cpu
