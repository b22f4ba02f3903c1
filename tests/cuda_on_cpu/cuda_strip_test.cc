// Changes of basis in strips, for every length of a column, every machine they adapt to, and as many sources
// as they take and more: equal to the scalar CPU backend. How many kernels each operation launches.
#include "observe.h"
#include "pair.h"

namespace cuda_on_cpu {
namespace {

const char *const kFp64 = "fp64", *const kVariants[] = { "integer", kFp64 };
const Order kOrders[] = { Order::kForward, Order::kBackward, Order::kShuffled };

std::vector<uint32_t> bits_for(const char *variant) {
    if (variant == kFp64) return { 49, 48, 47, 44, 43 };
    return { 61, 49, 48, 44, 60 };
}

void reserve(Pair &pair, uint32_t log_n, size_t n_rows) {
    ASSERT_EQ(mzv_scratch_reserve(pair.cpu, n_rows << log_n), MZV_OK) << mzv_last_error();
    ASSERT_EQ(mzv_scratch_reserve(pair.cuda, n_rows << log_n), MZV_OK) << mzv_last_error();
}

// Launches of the operation on the CUDA side; -1 on a real device, which does not say.
long check(Pair &pair, const Shape &to, const Shape &from, Fill fill = Fill::kUniform) {
    const bool up = mzv_basis_size(to.basis) > mzv_basis_size(from.basis);
    const Pair::Poly r = pair.poly(to), a = pair.poly(from, fill);
    long n_launches = -1;
    pair.expect_equal(r, [&](mzv_stream *s, bool cuda) {
        const long before = kernels_launched();
        const mzv_status status = (up ? s->ops->mod_up : s->ops->mod_down)(s, cuda ? r.cuda : r.cpu,
                                                                           mzv_view(cuda ? a.cuda : a.cpu));
        if (cuda && before >= 0) n_launches = kernels_launched() - before;
        return status;
    });
    return n_launches;
}

TEST(CudaStrips, EqualScalarForEveryRing) {
    for (const char *variant : kVariants)
        for (uint32_t log_n = 10; log_n <= 17; log_n++) {
            SCOPED_TRACE(testing::Message() << variant << ", 2^" << log_n);
            Pair pair(log_n, 2, 3, bits_for(variant), variant);
            reserve(pair, log_n, 24);
            use_order(kOrders[log_n % 3]);
            check(pair, { 1, { 2, 0, 3 } }, { 1, { 0, 0, 2 } });
            check(pair, { 1, { 0, 0, 2 } }, { 1, { 2, 0, 3 } });
        }
}

// From one block that does everything in turn to four parts of every strip; from room for whole strips to
// none.
TEST(CudaStrips, EqualScalarOnEveryMachine) {
    const Limits machines[] = {
        { 227 << 10, 132 }, { 99 << 10, 1 }, { 14 << 10, 132 }, { 9 << 10, 1 }, { 1 << 10, 4 }
    };
    for (const char *variant : kVariants)
        for (const Limits &machine : machines) {
            SCOPED_TRACE(testing::Message() << machine.shared_bytes << " bytes, " << machine.n_processors);
            Pair pair(12, 3, 8, bits_for(variant), variant, &machine);
            reserve(pair, 12, 24);
            for (uint32_t batch : { 1u, 2u }) {
                const long n_up = check(pair, { batch, { 3, 0, 8 } }, { batch, { 0, 3, 3 } });
                const long n_down = check(pair, { batch, { 0, 0, 7 } }, { batch, { 3, 0, 8 } });
                if (n_up < 0) continue;
                EXPECT_EQ(n_up, machine.shared_bytes > 8192 ? 3 : 5);
                EXPECT_EQ(n_down, machine.shared_bytes > 8192 ? 3 : 5);
            }
        }
}

TEST(CudaStrips, EqualScalarForAsManySourcesAsThereMayBe) {
    for (const char *variant : kVariants) {
        Pair pair(10, 2, 34, bits_for(variant), variant);
        reserve(pair, 10, 80);
        for (uint16_t n : { 13, 14, 15, 33 })
            for (Fill fill : { Fill::kUniform, Fill::kHalfUp, Fill::kLargest }) {
                SCOPED_TRACE(testing::Message() << variant << ", " << n << " sources");
                const long n_up = check(pair, { 1, { 2, 0, 34 } }, { 1, { 0, 1, n } }, fill);
                const long n_down =
                    check(pair, { 1, { 0, 0, static_cast<uint16_t>(36 - n) } }, { 1, { 2, 0, 34 } }, fill);
                if (n_up < 0) continue;
                EXPECT_EQ(n_up, n <= 14 ? 3 : 5);
                EXPECT_EQ(n_down, n <= 14 ? 3 : 5);
            }
    }
}

// What the design promises: a device that launched nothing, or fell back on something composed, shows here.
TEST(CudaLaunches, AreAsFewAsDesigned) {
    Pair pair(10, 1, 2, { 49, 48, 40 }, kFp64);
    reserve(pair, 10, 64);
    const Shape all = { 2, { 1, 0, 2 } };
    const Pair::Poly a = pair.poly(all), b = pair.poly(all), c = pair.poly(all), d = pair.poly(all),
                     e = pair.poly(all);
    mzv_poly r[3] = { c.cuda, d.cuda, e.cuda };
    const mzv_cpoly x[2] = { mzv_view(a.cuda), mzv_view(b.cuda) }, *keys[3] = { x, x, x };
    const uint32_t galois[3] = { 1, 3, 5 };
    const uint64_t one[3] = { 1, 1, 1 };
    const mzv_backend_ops &ops = mzv_cuda_ops;
    long before = kernels_launched();
    if (before < 0) GTEST_SKIP() << "a real device does not count launches";
    const auto expect = [&](long n, mzv_status status) {
        EXPECT_EQ(status, MZV_OK) << mzv_last_error();
        EXPECT_EQ(kernels_launched() - before, n);
        before = kernels_launched();
    };
    expect(1, ops.copy(pair.cuda, r[0], x[0]));
    expect(1, ops.add(pair.cuda, r[0], x[0], x[1]));
    expect(1, ops.mul_add(pair.cuda, r[0], x[0], x[1]));
    expect(1, ops.mul_const_add(pair.cuda, r[0], x[0], one));
    expect(1, ops.automorphism(pair.cuda, r[0], x[0], 5));
    expect(2, ops.ntt(pair.cuda, r[0]));
    expect(2, ops.intt(pair.cuda, r[0]));
    expect(2, ops.lift(pair.cuda, r[0], reinterpret_cast<const int64_t *>(x[0].base), 0));
    expect(1, ops.tensor(pair.cuda, r, x, x));
    expect(1, ops.dot(pair.cuda, r[0], x, x, 2));
    expect(1, ops.key_product(pair.cuda, r, x, x, 1));
    expect(1, ops.fold(pair.cuda, r, x, keys, galois, 1, 3));
    const mzv_cpoly limbs[2] = { { x[0].base, x[0].stride, 2, { 0, 0, 2 } },
                                 { x[1].base, x[1].stride, 2, { 0, 0, 2 } } };
    mzv_diagonal w[3] = {};
    for (mzv_diagonal &one_weight : w) one_weight.rows = x[1].base;
    mzv_rotations of = {};
    of.d = x;
    of.a = limbs;
    of.c = one;
    of.key = keys;
    of.galois = galois;
    of.w = w;
    of.n_digits = of.n_sums = 1;
    of.n_rotations = 3;
    expect(1, ops.rotation_sums(pair.cuda, r, &of));
}

} // namespace
} // namespace cuda_on_cpu
