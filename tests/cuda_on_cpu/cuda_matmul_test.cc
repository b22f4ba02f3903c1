// Matrices of integers times residues: against the composition on the CPU, and at the worst operands against
// 128-bit integers.
#include "observe.h"
#include "pair.h"

namespace cuda_on_cpu {
namespace {

const uint32_t kLogN = 10;
const size_t kN = size_t(1) << kLogN;
const int32_t kTop = (1 << 18) - 1;

// The same matrix on both sides.
struct Weights {
    std::vector<int32_t> w;
    mzv_matrix cpu, cuda;
    Pair &pair;

    Weights(Pair &pair_, uint32_t n_out, uint32_t n_in,
            const std::function<int32_t(uint32_t, uint32_t)> &weight)
        : w(n_out * n_in), pair(pair_) {
        for (uint32_t o = 0; o < n_out; o++)
            for (uint32_t i = 0; i < n_in; i++) w[o * n_in + i] = weight(o, i);
        cpu = cuda = { n_out, n_in, w.data(), nullptr };
        EXPECT_EQ(mzv_matrix_upload(pair.cuda, &cuda), MZV_OK) << mzv_last_error();
        EXPECT_EQ(mzv_scratch_reserve(pair.cuda, 2 * kN * (n_out + n_in)), MZV_OK) << mzv_last_error();
    }
    ~Weights() { mzv_cuda_ops.free(pair.cuda, const_cast<uint64_t *>(cuda.doubles)); }
};

void expect_product(Pair &pair, const Pair::Poly &r, const Pair::Poly &a, const Weights &weights) {
    pair.expect_equal(r, [&](mzv_stream *s, bool cuda) {
        return cuda ? mzv_poly_matmul(s, r.cuda, mzv_view(a.cuda), &weights.cuda)
                    : mzv_poly_matmul(s, r.cpu, mzv_view(a.cpu), &weights.cpu);
    });
}

TEST(CudaMatmul, EqualsTheComposition) {
    for (const char *variant : { "fp64", "integer" }) {
        Pair pair(kLogN, 1, 2, { 49, 48 }, variant);
        for (const auto &size : std::vector<std::pair<uint32_t, uint32_t>> { { 1, 1 }, { 3, 5 }, { 7, 2 } }) {
            Weights weights(pair, size.first, size.second, [](uint32_t o, uint32_t i) {
                return static_cast<int32_t>((o * 7919u + i * 104729u) * 2654435761u) >>
                       14; // 18 bits and sign
            });
            const mzv_basis basis = { 1, 0, 2 };
            const Pair::Poly a = pair.poly({ size.second, basis, 8 }),
                             r = pair.poly({ size.first, basis, 16 });
            expect_product(pair, r, a, weights);
        }
    }
}

// All residues p - 1 and all weights of one sign and the largest size: the sums reach (2^25 - 1) (2^18 - 1)
// 1024.
TEST(CudaMatmul, WorstOperandsAgainstIntegersOf128Bits) {
    Pair pair(kLogN, 0, 1, { 49 }, "fp64");
    const mzv_basis basis = { 0, 0, 1 };
    const uint64_t p = pair.prime(basis, 0);
    for (uint32_t n_in : { 1024u, 1500u }) { // one sum of cuBLAS, and two
        Weights weights(pair, 3, n_in, [](uint32_t o, uint32_t i) {
            return o == 0 ? kTop : o == 1 ? -kTop : i % 2 ? kTop : -kTop;
        });
        const Pair::Poly a = pair.poly({ n_in, basis }, Fill::kLargest), r = pair.poly({ 3, basis });
        ASSERT_EQ(mzv_poly_matmul(pair.cuda, r.cuda, mzv_view(a.cuda), &weights.cuda), MZV_OK)
            << mzv_last_error();
        const std::vector<uint64_t> found = pair.download(pair.cuda, r.cuda);
        for (uint32_t o = 0; o < 3; o++) {
            __int128 sum = 0;
            for (uint32_t i = 0; i < n_in; i++) sum += static_cast<__int128>(p - 1) * weights.w[o * n_in + i];
            const __int128 rest = sum % static_cast<__int128>(p);
            const uint64_t expected =
                static_cast<uint64_t>(rest < 0 ? rest + static_cast<__int128>(p) : rest);
            for (size_t k = 0; k < kN; k++)
                ASSERT_EQ(found[o * kN + k], expected) << "row " << o << ", word " << k;
        }
    }
}

// Halves at their largest, 2^25 - 1 low and high: 2^50 - 1 is no residue of a prime below it, but 2^49 - 1
// and the words with a full low half are.
TEST(CudaMatmul, FullHalves) {
    Pair pair(kLogN, 0, 1, { 50 }, "integer");
    const mzv_basis basis = { 0, 0, 1 };
    const uint64_t p = pair.prime(basis, 0), full = (((p - 1) >> 25) << 25) - 1; // below p, low half full
    const uint32_t n_in = 1024;
    Weights weights(pair, 1, n_in, [](uint32_t, uint32_t) { return kTop; });
    uint64_t *on_cuda = nullptr;
    (void)pair.words(std::vector<uint64_t>(n_in * kN, full), &on_cuda);
    const Pair::Poly r = pair.poly({ 1, basis });
    const mzv_cpoly a = { on_cuda, kN, n_in, basis };
    ASSERT_EQ(mzv_poly_matmul(pair.cuda, r.cuda, a, &weights.cuda), MZV_OK) << mzv_last_error();
    const unsigned __int128 sum = static_cast<unsigned __int128>(full) * kTop * n_in;
    for (uint64_t word : pair.download(pair.cuda, r.cuda)) ASSERT_EQ(word, static_cast<uint64_t>(sum % p));
}

TEST(CudaMatmul, PrimesAboveTheHalvesAreComposed) {
    Pair pair(kLogN, 0, 2, { 61, 48 }, nullptr);
    Weights weights(pair, 2, 3,
                    [](uint32_t o, uint32_t i) { return o ? kTop - static_cast<int32_t>(i) : -5; });
    const mzv_basis basis = { 0, 0, 2 };
    const Pair::Poly a = pair.poly({ 3, basis }), r = pair.poly({ 2, basis });
    expect_product(pair, r, a, weights);
}

TEST(CudaMatmul, RefusesWhatDoesNotFit) {
    Pair pair(kLogN, 0, 1, { 49 }, nullptr);
    const mzv_basis basis = { 0, 0, 1 };
    const Pair::Poly a = pair.poly({ 2, basis }), r = pair.poly({ 3, basis });
    std::vector<int32_t> w(6, 1);
    mzv_matrix m = { 3, 2, w.data(), nullptr };
    ASSERT_EQ(mzv_poly_matmul(pair.cpu, r.cpu, mzv_view(a.cpu), &m), MZV_OK) << mzv_last_error();
    m.n_out = 2;
    EXPECT_EQ(mzv_poly_matmul(pair.cpu, r.cpu, mzv_view(a.cpu), &m), MZV_ERR_ARGUMENT);
    m.n_out = 3;
    for (int32_t bad : { kTop + 1, -kTop - 1 }) {
        w[5] = bad;
        EXPECT_EQ(mzv_poly_matmul(pair.cpu, r.cpu, mzv_view(a.cpu), &m), MZV_ERR_ARGUMENT);
        EXPECT_EQ(mzv_matrix_upload(pair.cuda, &m), MZV_ERR_ARGUMENT);
        EXPECT_EQ(m.doubles, nullptr);
    }
}

} // namespace
} // namespace cuda_on_cpu
