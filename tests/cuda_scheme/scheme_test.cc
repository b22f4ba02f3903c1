// Operations and circuits on ciphertexts: the CUDA backend gives the words that the CPU gives.
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <iterator>

#include "circuit/polynomial.h"
#include "ckks/footprint.h"
#include "cuda_scheme/sides.h"
#include "observe.h"

namespace cuda_scheme {
namespace {

const uint32_t kTop = 6;

mzv_test::Request request_all() {
    mzv_key_request *request = nullptr;
    EXPECT_EQ(mzv_key_request_create(&request), MZV_OK);
    EXPECT_EQ(mzv_request_relinearize(request, kTop), MZV_OK);
    EXPECT_EQ(mzv_request_conjugate(request, kTop), MZV_OK);
    for (int32_t steps : { 1, 5, -3 }) EXPECT_EQ(mzv_request_rotate(request, steps, kTop), MZV_OK);
    return mzv_test::Request(request);
}

class CudaScheme : public OnBothSides {
  protected:
    using Run =
        std::function<mzv_status(mzv_evaluator *, mzv_cipher *out, const mzv_cipher *a, const mzv_cipher *b)>;
    // out from two ciphertexts at `level`, on both sides.
    void check(const char *name, const Run &run, uint32_t level = kTop) {
        SCOPED_TRACE(std::string(name) + " at level " + std::to_string(level));
        const Sides::Pair a = sides_->encrypted(level, 1, 1), b = sides_->encrypted(level, 1, 2);
        const Sides::Pair out = sides_->room(level, 1);
        MZV_OKAY(run(sides_->cpu.ev.get(), out.cpu.get(), a.cpu.get(), b.cpu.get()));
        MZV_OKAY(run(sides_->cuda.ev.get(), out.cuda.get(), a.cuda.get(), b.cuda.get()));
        expect_equal(out);
    }
};

TEST_F(CudaScheme, OperationsAtEveryLevelWithKeys) {
    const mzv_test::Request request = request_all();
    sides_ = std::make_unique<Sides>(mzv_test::toy(10, kTop, 2), request.get(), 0);
    for (uint32_t level : { kTop, 4u, 3u, 1u }) {
        check(
            "mul", [](auto *ev, auto *out, auto *a, auto *b) { return mzv_mul(ev, out, a, b); }, level);
        check(
            "rotate", [](auto *ev, auto *out, auto *a, auto *) { return mzv_rotate(ev, out, a, -3); }, level);
    }
    check("conjugate", [](auto *ev, auto *out, auto *a, auto *) { return mzv_conjugate(ev, out, a); });
    check("mul_const", [](auto *ev, auto *out, auto *a, auto *) { return mzv_mul_const(ev, out, a, 0.37); });
    check("mul_i", [](auto *ev, auto *out, auto *a, auto *) { return mzv_mul_i(ev, out, a); });
    check("drop", [](auto *ev, auto *out, auto *a, auto *) { return mzv_drop(ev, out, a, 2); });
    check("add, sub", [](auto *ev, auto *out, auto *a, auto *b) {
        const mzv_status status = mzv_add(ev, out, a, b);
        return status == MZV_OK ? mzv_sub(ev, out, out, b) : status;
    });
    check("rotate_sum", [](auto *ev, auto *out, auto *a, auto *) {
        const int32_t steps[] = { 1, 5, -3 };
        return mzv_rotate_sum(ev, out, a, steps, 3);
    });
}

std::string bytes_of(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    return { std::istreambuf_iterator<char>(file), {} };
}

// No key on the device, some, all: the same words, and the same file.
TEST_F(CudaScheme, KeysInPinnedMemoryOfTheHost) {
    const mzv_test::Request request = request_all();
    const mzv_params params = mzv_test::toy(10, kTop, 2);
    mzv_keys_footprint all = {}, split = {};
    MZV_OKAY(mzv_footprint_keys(&all, &params, request.get(), UINT64_MAX));
    for (const size_t budget :
         { size_t(1), size_t(all.device / 2), size_t(all.device - 1), size_t(all.device) }) {
        SCOPED_TRACE(budget);
        sides_ = std::make_unique<Sides>(params, request.get(), 0, budget);
        const Side &cuda = sides_->cuda;
        mzv_device_memory memory = {};
        MZV_OKAY(mzv_footprint_keys(&split, &params, request.get(), budget));
        MZV_OKAY(cuda.ctx->ops->memory(&memory, cuda.ctx->backend));
        EXPECT_EQ(memory.pinned_bytes, split.pinned);
        EXPECT_LE(split.device, budget);
        EXPECT_EQ(split.device + split.pinned, all.device);
        EXPECT_EQ(split.pinned == 0, budget == all.device);
        EXPECT_EQ(mzv_keys_bytes(cuda.keys.get()), all.device);
        check("mul", [](auto *ev, auto *out, auto *a, auto *b) { return mzv_mul(ev, out, a, b); });
        check(
            "conjugate", [](auto *ev, auto *out, auto *a, auto *) { return mzv_conjugate(ev, out, a); }, 3);
        check("rotate_sum", [](auto *ev, auto *out, auto *a, auto *) {
            const int32_t steps[] = { 1, 5, -3 };
            return mzv_rotate_sum(ev, out, a, steps, 3);
        });
        const File one, other;
        MZV_OKAY(mzv_keys_save(sides_->cpu.keys.get(), (one.path + "a").c_str()));
        MZV_OKAY(mzv_keys_save(cuda.keys.get(), other.path.c_str()));
        EXPECT_TRUE(bytes_of(one.path + "a") == bytes_of(other.path));
        remove((one.path + "a").c_str());
        sides_.reset();
    }
}

TEST_F(CudaScheme, ProductOfABatch) {
    const mzv_test::Request request = request_all();
    sides_ = std::make_unique<Sides>(mzv_test::toy(10, kTop, 2), request.get(), 0);
    const Sides::Pair a = sides_->encrypted(kTop, 3, 1), out = sides_->room(kTop, 3);
    MZV_OKAY(mzv_mul(sides_->cpu.ev.get(), out.cpu.get(), a.cpu.get(), a.cpu.get()));
    MZV_OKAY(mzv_mul(sides_->cuda.ev.get(), out.cuda.get(), a.cuda.get(), a.cuda.get()));
    expect_equal(out);
}

mzv_status mul_columns(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, uint32_t n_out) {
    std::vector<double> weight(n_out * a->batch), bias(n_out);
    for (size_t k = 0; k < weight.size(); k++) weight[k] = std::sin(static_cast<double>(3 * k + 1));
    for (size_t o = 0; o < n_out; o++) bias[o] = static_cast<double>(o) - 0.5;
    mzv_columns *columns = nullptr;
    mzv_status status =
        mzv_columns_create(&columns, ev, weight.data(), bias.data(), n_out, a->batch, mzv_cipher_level(a));
    if (status == MZV_OK) status = mzv_mul_columns(ev, out, a, columns);
    mzv_columns_destroy(columns);
    return status;
}

TEST_F(CudaScheme, ColumnsTimesAMatrix) {
    const mzv_test::Request request = request_all();
    sides_ = std::make_unique<Sides>(mzv_test::toy(10, kTop, 2), request.get(), 0);
    const Sides::Pair a = sides_->encrypted(kTop, 5, 1), out = sides_->room(kTop, 3);
    MZV_OKAY(mul_columns(sides_->cpu.ev.get(), out.cpu.get(), a.cpu.get(), 3));
    MZV_OKAY(mul_columns(sides_->cuda.ev.get(), out.cuda.get(), a.cuda.get(), 3));
    expect_equal(out);
}

TEST_F(CudaScheme, PolynomialOfDegree31) {
    const mzv_test::Request request = request_all();
    sides_ = std::make_unique<Sides>(mzv_test::toy(11, kTop, 3), request.get(), 16 << 20);
    double coeff[32];
    for (int k = 0; k < 32; k++) coeff[k] = (k % 3 - 1) / (1.0 + k);
    mzv_polynomial *p = nullptr;
    MZV_OKAY(mzv_polynomial_create(&p, coeff, 31));
    check("polynomial",
          [p](auto *ev, auto *out, auto *a, auto *) { return mzv_polynomial_run(ev, out, a, p); });
    mzv_polynomial_destroy(p);
}

} // namespace
} // namespace cuda_scheme
