// Level 4 on the CUDA kernels: sums of products, and the key switch, equal to the scalar CPU backend at every
// level, for every number of digits, in every order of threads; a second call gives the same.
#include "observe.h"
#include "pair.h"

#include <algorithm>

namespace cuda_on_cpu {
namespace {

const char *const kFp64 = "fp64", *const kVariants[] = { "integer", kFp64 };
const Order kOrders[] = { Order::kForward, Order::kBackward, Order::kShuffled };

std::vector<uint32_t> bits_for(const char *variant) {
    if (variant == kFp64) return { 49, 48, 47, 40, 28, 45, 44, 43, 42 };
    return { 61, 49, 48, 40, 20, 45, 60, 30, 36 };
}

// n polynomials, and their views on one side.
struct Polys {
    std::vector<Pair::Poly> poly;
    std::vector<mzv_cpoly> views(bool cuda) const {
        std::vector<mzv_cpoly> out;
        for (const Pair::Poly &p : poly) out.push_back(mzv_view(cuda ? p.cuda : p.cpu));
        return out;
    }
};

Polys polys(Pair &pair, uint32_t n, const Shape &shape, Fill fill = Fill::kUniform) {
    Polys out;
    for (uint32_t i = 0; i < n; i++) out.poly.push_back(pair.poly(shape, fill));
    return out;
}

// Runs an operation that writes both halves twice, and compares each half once.
void expect_halves_equal(Pair &pair, const Polys &r,
                         const std::function<mzv_status(mzv_stream *, mzv_poly *, bool)> &operation) {
    for (const Pair::Poly &half : r.poly)
        pair.expect_equal(half, [&](mzv_stream *s, bool cuda) {
            std::vector<mzv_poly> out;
            for (const Pair::Poly &p : r.poly) out.push_back(cuda ? p.cuda : p.cpu);
            return operation(s, out.data(), cuda);
        });
}

TEST(CudaProducts, TensorEqualsScalar) {
    Pair pair(10, 2, 5, { 61, 48, 30, 60, 40, 49, 20 }, "integer");
    for (uint16_t level : { 1, 4, 5 })
        for (uint32_t batch : { 1u, 3u })
            for (Fill fill : { Fill::kUniform, Fill::kLargest }) {
                const Shape shape = { batch, { 0, 0, level }, 8 };
                const Polys d = polys(pair, 3, shape), a = polys(pair, 2, shape, fill),
                            b = polys(pair, 2, { 1, shape.basis }, fill);
                use_order(kOrders[level % 3]);
                for (bool square : { false, true })
                    expect_halves_equal(pair, d, [&](mzv_stream *s, mzv_poly *r, bool cuda) {
                        return s->ops->tensor(s, r, a.views(cuda).data(),
                                              (square ? a : b).views(cuda).data());
                    });
            }
}

// 48 terms are one launch; 61 bits and largest residues, so that sums come close to 2^128.
TEST(CudaProducts, DotEqualsScalarForManyTerms) {
    Pair pair(10, 1, 2, { 61, 60, 20 }, "integer");
    for (uint32_t n : { 1u, 2u, 47u, 48u, 49u, 100u })
        for (uint32_t batch : { 1u, 3u, 5u }) {
            const mzv_basis basis = { 1, 0, 2 };
            const Polys a = polys(pair, n, { batch, basis, 0 }, n % 2 ? Fill::kLargest : Fill::kUniform),
                        w = polys(pair, n, { 1, basis, 0 }, n % 2 ? Fill::kLargest : Fill::kEdges);
            const Pair::Poly r = pair.poly({ batch, basis, 16 });
            for (int call = 0; call < 2; call++)
                pair.expect_equal(r, [&](mzv_stream *s, bool cuda) {
                    return s->ops->dot(s, cuda ? r.cuda : r.cpu, a.views(cuda).data(), w.views(cuda).data(),
                                       n);
                });
        }
}

TEST(CudaProducts, KeyProductEqualsScalar) {
    Pair pair(11, 2, 3, { 61, 48, 30, 60, 40 }, "integer");
    for (uint32_t n : { 1u, 3u, 16u })
        for (uint32_t batch : { 1u, 3u, 4u, 5u })
            for (Order order : kOrders) {
                const mzv_basis basis = { 2, 0, static_cast<uint16_t>(1 + n % 3) };
                const Polys r = polys(pair, 2, { batch, basis, 8 }),
                            d = polys(pair, n, { n == 1 ? 1 : batch, basis, 0 }, Fill::kLargest),
                            key = polys(pair, 2 * n, { 1, basis, 0 });
                use_order(order);
                expect_halves_equal(pair, r, [&](mzv_stream *s, mzv_poly *out, bool cuda) {
                    return s->ops->key_product(s, out, d.views(cuda).data(), key.views(cuda).data(), n);
                });
            }
}

// 16 rotations of 3 digits are one launch; 60 digits are two for each rotation.
TEST(CudaProducts, FoldEqualsScalar) {
    const struct {
        uint32_t n_digits, n_rotations, batch;
    } cases[] = { { 3, 1, 1 }, { 3, 4, 3 }, { 3, 17, 1 }, { 1, 50, 2 }, { 60, 2, 1 } };
    Pair pair(10, 1, 1, { 61, 48 }, "integer");
    ASSERT_EQ(mzv_scratch_reserve(pair.cpu, size_t(256) << 10), MZV_OK) << mzv_last_error();
    for (const auto &c : cases) {
        const mzv_basis basis = { 1, 0, 1 };
        const Polys r = polys(pair, 2, { c.batch, basis, 0 }),
                    d = polys(pair, c.n_digits, { c.batch, basis, 8 });
        std::vector<Polys> keys;
        std::vector<uint32_t> galois;
        for (uint32_t i = 0; i < c.n_rotations; i++) {
            keys.push_back(polys(pair, 2 * c.n_digits, { 1, basis, 0 }, Fill::kEdges));
            galois.push_back(i % 5 == 4 ? 2047 : (2 * i * i + 6 * i + 1) % 2048);
        }
        expect_halves_equal(pair, r, [&](mzv_stream *s, mzv_poly *out, bool cuda) {
            std::vector<std::vector<mzv_cpoly>> views;
            std::vector<const mzv_cpoly *> at;
            for (const Polys &key : keys) views.push_back(key.views(cuda));
            for (const auto &view : views) at.push_back(view.data());
            return s->ops->fold(s, out, d.views(cuda).data(), at.data(), galois.data(), c.n_digits,
                                c.n_rotations);
        });
    }
}

// A weight of every kind in turn: rows, some of which hold each value once, integers (if any), none; and a
// rotation without a key now and then.
struct Rotations {
    uint32_t n_digits, n_rotations, n_sums, batch;
    bool integers, accumulates;
};

struct RotationOperands {
    Polys r, d, a, w;
    std::vector<Polys> keys;
    std::vector<uint64_t> c;
    std::vector<uint32_t> galois;
    uint64_t *v_cpu, *v_cuda;       // coefficients of a polynomial in X^4,
    uint64_t *once_cpu, *once_cuda; // and its values, each of four once
};

// Values of v over the basis, every fourth of them.
std::vector<uint64_t> fourth_values(Pair &pair, mzv_basis basis, const uint64_t *v, uint32_t log_n) {
    const Pair::Poly values = pair.poly({ 1, basis, 0 });
    EXPECT_EQ(mzv_cpu_ops.lift(pair.cpu, values.cpu, reinterpret_cast<const int64_t *>(v), 0), MZV_OK);
    std::vector<uint64_t> once;
    for (size_t k = 0; k < size_t(mzv_basis_size(basis)) << log_n; k += 4) once.push_back(values.cpu.base[k]);
    return once;
}

RotationOperands rotation_operands(Pair &pair, const Rotations &c, mzv_basis basis, uint32_t log_n) {
    const mzv_basis q = { 0, basis.q_first, basis.n_q };
    const Shape one = { 1, basis, 0 }, whole = { c.batch, basis, 8 };
    RotationOperands o = {};
    o.r = polys(pair, 2 * c.n_sums, whole);
    o.d = polys(pair, c.n_digits, whole, Fill::kLargest);
    o.a = polys(pair, 2, { c.batch, q, 0 });
    o.w = polys(pair, c.n_sums * c.n_rotations, one, Fill::kEdges);
    o.c = pair.constants(q, Fill::kUniform);
    for (uint32_t i = 0; i < c.n_rotations; i++) {
        o.keys.push_back(polys(pair, 2 * c.n_digits, one));
        o.galois.push_back((6 * i + 5) % (2u << log_n));
    }
    std::vector<uint64_t> v(size_t(1) << log_n);
    for (size_t k = 0; k < v.size(); k += 4) v[k] = k % 8 ? k * 0x123456789ab : 0 - k * 0xfedcba98;
    o.v_cpu = pair.words(v, &o.v_cuda);
    o.once_cpu = pair.words(fourth_values(pair, basis, o.v_cpu, log_n), &o.once_cuda);
    return o;
}

mzv_status run_rotations(mzv_stream *s, mzv_poly *r, bool cuda, const Rotations &c,
                         const RotationOperands &o) {
    std::vector<std::vector<mzv_cpoly>> views;
    std::vector<const mzv_cpoly *> key;
    std::vector<mzv_diagonal> w;
    const std::vector<mzv_cpoly> rows = o.w.views(cuda), d = o.d.views(cuda), a = o.a.views(cuda);
    for (const Polys &one : o.keys) views.push_back(one.views(cuda));
    for (uint32_t i = 0; i < c.n_rotations; i++) key.push_back(i % 5 == 2 ? nullptr : views[i].data());
    for (uint32_t k = 0; k < c.n_sums * c.n_rotations; k++) {
        const bool none = k % 4 == 3 || k / c.n_rotations == 1; // the second sum is of nothing
        const bool integers = c.integers && k % 4 == 1;
        const uint64_t *v = cuda ? o.v_cuda : o.v_cpu;
        mzv_diagonal one = {};
        if (!none && !integers) one.rows = rows[k].base;
        if (!none && (integers || k % 4 == 2)) one.integers = reinterpret_cast<const int64_t *>(v);
        if (!none && k % 4 == 2) {
            one.rows = cuda ? o.once_cuda : o.once_cpu;
            one.log_repeat = 2;
        }
        w.push_back(one);
    }
    mzv_rotations of = {};
    of.d = d.data();
    of.a = a.data();
    of.c = o.c.data();
    of.key = key.data();
    of.galois = o.galois.data();
    of.w = w.data();
    of.n_digits = c.n_digits;
    of.n_rotations = c.n_rotations;
    of.n_sums = c.n_sums;
    of.accumulate = c.accumulates;
    return mzv_poly_rotation_sums(s, r, &of);
}

// 24 rotations and 8 sums are one launch; integers come one rotation at a time.
TEST(CudaProducts, RotationSumsEqualScalar) {
    const Rotations cases[] = { { 1, 1, 1, 1, false, false }, { 2, 3, 2, 3, false, true },
                                { 2, 3, 9, 1, true, false },  { 1, 26, 2, 1, false, false },
                                { 3, 17, 5, 2, false, true }, { 2, 4, 3, 3, true, true } };
    for (const char *variant : kVariants) {
        Pair pair(10, 2, 2, bits_for(variant), variant);
        for (const Rotations &c : cases) {
            SCOPED_TRACE(testing::Message() << c.n_digits << " digits, " << c.n_rotations << " rotations, "
                                            << c.n_sums << " sums, batch " << c.batch);
            const mzv_basis basis = { 2, 0, static_cast<uint16_t>(1 + c.n_sums % 2) };
            const RotationOperands o = rotation_operands(pair, c, basis, 10);
            const size_t n_rows = mzv_basis_size(basis);
            ASSERT_EQ(mzv_scratch_reserve(pair.cpu, size_t(1024) << 10), MZV_OK) << mzv_last_error();
            ASSERT_EQ(mzv_scratch_reserve(pair.cuda, (4 * c.batch + 1) * n_rows << 10), MZV_OK);
            use_order(kOrders[c.n_sums % 3]);
            expect_halves_equal(pair, o.r, [&](mzv_stream *s, mzv_poly *r, bool cuda) {
                return run_rotations(s, r, cuda, c, o);
            });
            EXPECT_EQ(mzv_mark(pair.cuda), 0u);
        }
    }
}

// What a key switch adds: nothing, polynomials in the basis of d, one for the first half only, in that of the
// key.
enum class Adds { kNothing, kBoth, kFirst, kExtended };

// One way to switch keys: K special primes, `level` limbs of d, `drop` of which r lacks, beside the special
// ones unless it is extended.
struct Case {
    uint16_t n_special, level, drop;
    uint32_t batch, galois;
    bool kept_digits;
    Adds adds;
    bool extended = false, accumulates = false;
};

struct Operands {
    Polys r, key, digits, add;
    Pair::Poly d;
    uint32_t n_digits;
};

Operands operands(Pair &pair, const Case &c, Fill fill) {
    const mzv_basis extended = { c.n_special, 0, c.level }, q = { 0, 0, c.level },
                    low = { 0, 0, static_cast<uint16_t>(c.level - c.drop) };
    const uint32_t n = (c.level + c.n_special - 1u) / c.n_special;
    return { polys(pair, 2, { c.batch, c.extended ? extended : low, 8 }, fill),
             polys(pair, 2 * n, { 1, extended, 0 }, fill),
             polys(pair, c.kept_digits ? n : 0, { c.batch, extended, 16 }, fill),
             polys(pair, c.adds == Adds::kNothing ? 0 : 2,
                   { c.batch, c.adds == Adds::kExtended ? extended : q, 0 }, fill),
             pair.poly({ c.batch, q, 24 }, fill),
             n };
}

mzv_status run(mzv_stream *s, mzv_poly *r, bool cuda, const Case &c, const Operands &o) {
    const std::vector<mzv_cpoly> key = o.key.views(cuda), digits = o.digits.views(cuda);
    std::vector<mzv_cpoly> add = o.add.views(cuda);
    if (c.adds == Adds::kFirst) add[1].base = nullptr;
    const mzv_switch with = { key.data(),
                              o.n_digits,
                              c.kept_digits ? digits.data() : nullptr,
                              c.adds == Adds::kNothing ? nullptr : add.data(),
                              c.galois,
                              c.accumulates };
    return mzv_poly_key_switch(s, r, mzv_view(cuda ? o.d.cuda : o.d.cpu), &with);
}

void check_switch(Pair &pair, const Case &c, Fill fill) {
    SCOPED_TRACE(testing::Message() << c.n_special << " special, " << c.level << " limbs, " << c.drop
                                    << " dropped, batch " << c.batch << ", galois " << c.galois
                                    << (c.kept_digits ? ", digits" : "") << ", adds "
                                    << static_cast<int>(c.adds) << (c.extended ? ", extended" : "")
                                    << (c.accumulates ? ", accumulates" : ""));
    const Operands o = operands(pair, c, fill);
    const size_t mark = mzv_mark(pair.cuda);
    expect_halves_equal(pair, o.r, [&](mzv_stream *s, mzv_poly *r, bool cuda) {
        const long before = kernels_launched();
        const mzv_status status = run(s, r, cuda, c, o);
        if (cuda && before >= 0) {
            const int n_kernels = (c.kept_digits ? 1 : 3) + (c.extended ? 0 : 2);
            EXPECT_EQ(kernels_launched() - before, n_kernels); // none of them composed
        }
        return status;
    });
    EXPECT_EQ(mzv_mark(pair.cuda), mark);
}

TEST(CudaKeySwitch, EqualsComposedScalarAtEveryLevel) {
    for (const char *variant : kVariants) {
        Pair pair(10, 3, 6, bits_for(variant), variant);
        ASSERT_EQ(mzv_scratch_reserve(pair.cpu, size_t(256) << 10), MZV_OK) << mzv_last_error();
        ASSERT_EQ(mzv_scratch_reserve(pair.cuda, size_t(256) << 10), MZV_OK) << mzv_last_error();
        for (uint16_t level = 1; level <= 6; level++)
            for (uint16_t drop = 0; drop < std::min<uint16_t>(level, 3); drop++)
                for (uint32_t batch : { 1u, 3u }) {
                    use_order(kOrders[(level + drop) % 3]);
                    const bool odd = (level + drop + batch) % 2;
                    const Adds some = drop == 0 ? Adds::kBoth : drop == 1 ? Adds::kFirst : Adds::kNothing;
                    const Adds other = drop == 1 ? Adds::kBoth : drop == 0 ? Adds::kExtended : Adds::kNothing;
                    check_switch(pair, { 3, level, drop, batch, odd ? 5u : 1u, false, some }, Fill::kUniform);
                    check_switch(pair, { 3, level, drop, batch, odd ? 1u : 2047u, true, other, false, odd },
                                 Fill::kUniform);
                    if (drop != 0) continue;
                    check_switch(pair,
                                 { 3, level, 0, batch, odd ? 2047u : 1u, false, Adds::kExtended, true, odd },
                                 Fill::kUniform);
                    check_switch(pair, { 3, level, 0, batch, odd ? 5u : 1u, true, Adds::kFirst, true, !odd },
                                 Fill::kUniform);
                }
    }
}

TEST(CudaKeySwitch, EqualsComposedScalarInEveryOrderOfThreadsOnEdges) {
    for (const char *variant : kVariants) {
        Pair pair(12, 2, 3, bits_for(variant), variant);
        ASSERT_EQ(mzv_scratch_reserve(pair.cpu, size_t(64) << 12), MZV_OK) << mzv_last_error();
        ASSERT_EQ(mzv_scratch_reserve(pair.cuda, size_t(64) << 12), MZV_OK) << mzv_last_error();
        for (Order order : kOrders)
            for (Fill fill : { Fill::kEdges, Fill::kHalfUp, Fill::kLargest }) {
                use_order(order);
                check_switch(pair, { 2, 3, 1, 1, 25, false, Adds::kBoth }, fill);
                check_switch(pair, { 2, 3, 0, 1, 25, false, Adds::kExtended, true, true }, fill);
            }
    }
}

// One special prime and 16 digits: sums of 16 products, the most there are.
TEST(CudaKeySwitch, EqualsComposedScalarForSixteenDigits) {
    for (const char *variant : kVariants) {
        const std::vector<uint32_t> bits =
            variant == kFp64 ? std::vector<uint32_t> { 49, 48 } : std::vector<uint32_t> { 61, 60 };
        Pair pair(10, 1, 16, bits, variant);
        ASSERT_EQ(mzv_scratch_reserve(pair.cpu, size_t(400) << 10), MZV_OK) << mzv_last_error();
        ASSERT_EQ(mzv_scratch_reserve(pair.cuda, size_t(400) << 10), MZV_OK) << mzv_last_error();
        for (bool kept_digits : { false, true })
            for (Fill fill : { Fill::kUniform, Fill::kLargest }) {
                check_switch(pair, { 1, 16, 1, 1, 3, kept_digits, Adds::kBoth }, fill);
                check_switch(pair, { 1, 16, 0, 1, 3, kept_digits, Adds::kExtended, true, true }, fill);
            }
    }
}

TEST(CudaKeySwitch, TooLittleScratchIsAnErrorAndLeavesTheOutput) {
    Pair pair(10, 1, 2, { 49, 48, 40 }, kFp64);
    const Case c = { 1, 2, 0, 1, 3, false, Adds::kNothing };
    const Operands o = operands(pair, c, Fill::kUniform);
    mzv_poly r[2] = { o.r.poly[0].cuda, o.r.poly[1].cuda };
    const std::vector<uint64_t> before = pair.download(pair.cuda, r[0]);
    for (size_t n_rows : { 3u, 6u, 8u, 12u }) {
        ASSERT_EQ(mzv_scratch_reserve(pair.cuda, n_rows << 10), MZV_OK) << mzv_last_error();
        EXPECT_EQ(run(pair.cuda, r, true, c, o), MZV_ERR_MEMORY) << n_rows;
        EXPECT_EQ(pair.download(pair.cuda, r[0]), before);
        EXPECT_EQ(mzv_mark(pair.cuda), 0u);
    }
    ASSERT_EQ(mzv_scratch_reserve(pair.cuda, size_t(14) << 10), MZV_OK) << mzv_last_error();
    EXPECT_EQ(run(pair.cuda, r, true, c, o), MZV_OK) << mzv_last_error();
}

} // namespace
} // namespace cuda_on_cpu
