// Recordings of the CUDA backend: replays give the bytes of calls, on other words in the same places.
#include "base/try.h"
#include "observe.h"
#include "pair.h"

namespace cuda_on_cpu {
namespace {

const uint32_t kLogN = 10;
const size_t kN = size_t(1) << kLogN;

// Operands of one side.
struct Operands {
    mzv_poly a, b, c, d, e, low, t[3], r[2], x, y;
    const int64_t *integers;
    const mzv_matrix *matrix;
};

mzv_status level_1(mzv_stream *s, const Operands &o) {
    const uint64_t k[] = { 3, 5, 7, 11 };
    MZV_TRY(mzv_poly_add(s, o.c, mzv_view(o.a), mzv_view(o.b)));
    MZV_TRY(mzv_poly_copy(s, o.d, mzv_view(o.c)));
    MZV_TRY(mzv_poly_mul(s, o.d, mzv_view(o.c), mzv_view(o.a)));
    MZV_TRY(mzv_poly_sub(s, o.d, mzv_view(o.d), mzv_view(o.b)));
    MZV_TRY(mzv_poly_mul_add(s, o.c, mzv_view(o.d), mzv_view(o.a)));
    MZV_TRY(mzv_poly_mul_const(s, o.c, mzv_view(o.c), k));
    MZV_TRY(mzv_poly_mul_const_add(s, o.c, mzv_view(o.d), k));
    return mzv_poly_add_const(s, o.c, mzv_view(o.c), k);
}

mzv_status levels_2_and_3(mzv_stream *s, const Operands &o) {
    MZV_TRY(mzv_poly_intt(s, o.c));
    MZV_TRY(mzv_poly_ntt(s, o.c));
    MZV_TRY(mzv_poly_automorphism(s, o.d, mzv_view(o.c), 5));
    MZV_TRY(mzv_poly_lift(s, o.e, o.integers, 0));
    MZV_TRY(mzv_poly_mod_down(s, o.low, mzv_view(o.d)));
    return mzv_poly_mod_up(s, o.c, mzv_view(o.low));
}

// Key switches of o.low, whose digits have one limb each.
mzv_status key_switches(mzv_stream *s, const Operands &o) {
    const mzv_cpoly key[] = { mzv_view(o.a), mzv_view(o.b), mzv_view(o.c),
                              mzv_view(o.d), mzv_view(o.e), mzv_view(o.a) };
    const mzv_cpoly *const keys[] = { key, key };
    const uint32_t galois[] = { 5, 25 };
    const mzv_cpoly digits[] = { key[3], key[4], key[2] };
    mzv_poly r[2] = { o.r[0], o.r[1] };
    MZV_TRY(mzv_poly_key_product(s, r, digits, key, 3));
    MZV_TRY(mzv_poly_fold(s, r, digits, keys, galois, 3, 2));
    const mzv_switch with = { key, 3, nullptr, nullptr, 25, true };
    MZV_TRY(mzv_poly_key_switch(s, r, mzv_view(o.low), &with));
    const mzv_diagonal w[] = { { nullptr, o.integers, 0 }, { o.a.base, nullptr, 0 } };
    const uint64_t c[] = { 2, 3, 4 };
    const mzv_cpoly of_a[] = { mzv_view(o.low), mzv_view(o.low) };
    const mzv_rotations of = { digits, of_a, c, keys, galois, w, 3, 2, 1, true };
    return mzv_poly_rotation_sums(s, r, &of);
}

mzv_status all_levels(mzv_stream *s, const Operands &o) {
    mzv_poly t[3] = { o.t[0], o.t[1], o.t[2] };
    MZV_TRY(level_1(s, o));
    MZV_TRY(levels_2_and_3(s, o));
    MZV_TRY(key_switches(s, o));
    const mzv_cpoly x[] = { mzv_view(o.c), mzv_view(o.d) }, y[] = { mzv_view(o.a), mzv_view(o.e) };
    MZV_TRY(mzv_poly_tensor(s, t, x, y));
    MZV_TRY(mzv_poly_dot(s, o.c, y, y, 2));
    return mzv_poly_matmul(s, o.y, mzv_view(o.x), o.matrix);
}

// The operands of both sides, and what a run leaves in them.
class Both {
  public:
    Pair pair;
    Operands cpu, cuda;

    Both() : pair(kLogN, 1, 3, { 49, 48 }, nullptr) {
        const Shape all = { 1, { 1, 0, 3 } }, q = { 1, { 0, 0, 3 } }, columns = { 2, { 0, 0, 2 } };
        place(&Operands::a, all);
        place(&Operands::b, all);
        place(&Operands::c, all);
        place(&Operands::d, all);
        place(&Operands::e, all);
        place(&Operands::low, q);
        place(&Operands::x, columns);
        place(&Operands::y, columns);
        for (int t = 0; t < 3; t++) place(t, cpu.t, cuda.t, all);
        for (int t = 0; t < 2; t++) place(t, cpu.r, cuda.r, all);
        uint64_t *on_cuda = nullptr;
        std::vector<uint64_t> v(kN);
        for (size_t k = 0; k < kN; k++) v[k] = k % 2 ? k * k : ~uint64_t(0) - k;
        cpu.integers = reinterpret_cast<int64_t *>(pair.words(v, &on_cuda));
        cuda.integers = reinterpret_cast<int64_t *>(on_cuda);
        cpu_matrix_ = cuda_matrix_ = { 2, 2, weights_, nullptr };
        EXPECT_EQ(mzv_matrix_upload(pair.cuda, &cuda_matrix_), MZV_OK) << mzv_last_error();
        cpu.matrix = &cpu_matrix_;
        cuda.matrix = &cuda_matrix_;
        for (mzv_stream *s : { pair.cpu, pair.cuda })
            EXPECT_EQ(mzv_scratch_reserve(s, 400 * kN), MZV_OK) << mzv_last_error();
    }
    ~Both() { mzv_cuda_ops.free(pair.cuda, const_cast<uint64_t *>(cuda_matrix_.doubles)); }

    // Other words in the places of the inputs.
    void change_inputs() {
        for (mzv_poly Operands::*input : { &Operands::a, &Operands::b, &Operands::x }) {
            const mzv_poly at = cpu.*input;
            const Pair::Poly fresh = pair.poly({ at.batch, at.basis });
            EXPECT_EQ(mzv_poly_copy(pair.cpu, at, mzv_view(fresh.cpu)), MZV_OK);
            EXPECT_EQ(mzv_poly_copy(pair.cuda, cuda.*input, mzv_view(fresh.cuda)), MZV_OK);
        }
        EXPECT_EQ(pair.cuda->ops->synchronize(pair.cuda), MZV_OK) << mzv_last_error();
    }
    void expect_equal() {
        for (mzv_poly Operands::*each :
             { &Operands::c, &Operands::d, &Operands::e, &Operands::low, &Operands::y })
            EXPECT_TRUE(pair.download(pair.cpu, cpu.*each) == pair.download(pair.cuda, cuda.*each));
        for (int t = 0; t < 3; t++)
            EXPECT_TRUE(pair.download(pair.cpu, cpu.t[t]) == pair.download(pair.cuda, cuda.t[t])) << t;
        for (int t = 0; t < 2; t++)
            EXPECT_TRUE(pair.download(pair.cpu, cpu.r[t]) == pair.download(pair.cuda, cuda.r[t])) << t;
    }

  private:
    void place(mzv_poly Operands::*at, const Shape &shape) {
        const Pair::Poly p = pair.poly(shape);
        cpu.*at = p.cpu;
        cuda.*at = p.cuda;
    }
    void place(int t, mzv_poly *on_cpu, mzv_poly *on_cuda, const Shape &shape) {
        const Pair::Poly p = pair.poly(shape);
        on_cpu[t] = p.cpu;
        on_cuda[t] = p.cuda;
    }

    const int32_t weights_[4] = { 1, -2, 131071, -131071 };
    mzv_matrix cpu_matrix_, cuda_matrix_;
};

TEST(CudaGraph, ReplaysGiveTheBytesOfCalls) {
    Both both;
    mzv_stream *const s = both.pair.cuda;
    mzv_graph *graph = nullptr;
    ASSERT_EQ(all_levels(both.pair.cpu, both.cpu), MZV_OK) << mzv_last_error();
    ASSERT_EQ(all_levels(s, both.cuda), MZV_OK) << mzv_last_error(); // opens cuBLAS
    both.expect_equal();
    both.change_inputs();
    const std::vector<uint64_t> before = both.pair.download(s, both.cuda.c);
    ASSERT_EQ(s->ops->record_begin(s), MZV_OK) << mzv_last_error();
    EXPECT_TRUE(s->records);
    ASSERT_EQ(all_levels(s, both.cuda), MZV_OK) << mzv_last_error();
    ASSERT_EQ(s->ops->record_end(s, &graph), MZV_OK) << mzv_last_error();
    EXPECT_FALSE(s->records);
    EXPECT_TRUE(both.pair.download(s, both.cuda.c) == before) << "a recording is not a call";
    for (int i = 0; i < 3; i++) {
        both.change_inputs();
        const long n_launches = kernels_launched();
        ASSERT_EQ(all_levels(both.pair.cpu, both.cpu), MZV_OK) << mzv_last_error();
        ASSERT_EQ(s->ops->replay(s, graph), MZV_OK) << mzv_last_error();
        EXPECT_EQ(kernels_launched(), n_launches) << "a replay is one launch of a graph";
        both.expect_equal();
    }
    s->ops->graph_close(s, graph);
    s->ops->graph_close(s, nullptr);
}

} // namespace
} // namespace cuda_on_cpu
