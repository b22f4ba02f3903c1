// Calls recorded on the CUDA backend and replayed on other ciphertexts: the words, levels and counts that
// calls give on the CPU.
#include <unistd.h>

#include "base/try.h"
#include "circuit/linear.h"
#include "circuit/polynomial.h"
#include "cuda_scheme/sides.h"
#include "observe.h"

namespace cuda_scheme {
namespace {

const uint32_t kTop = 6;

using Recording = mzv_test::Handle<mzv_recording, mzv_recording_destroy>;
using Body = std::function<mzv_status(mzv_evaluator *, mzv_cipher *out, const mzv_cipher *a)>;

// A call with one input and one output.
struct Call {
    Body body;
    mzv_cipher *out;
    const mzv_cipher *a;
    const mzv_cipher *in[1];
    mzv_cipher *to[1];

    Call(Body body_, mzv_cipher *out_, const mzv_cipher *a_)
        : body(std::move(body_)), out(out_), a(a_), in { a_ }, to { out_ } {}
    mzv_status record(Recording *rec, mzv_evaluator *ev) {
        mzv_recording *made = nullptr;
        const auto run = [](mzv_evaluator *e, void *arg) {
            const Call *call = static_cast<const Call *>(arg);
            return call->body(e, call->out, call->a);
        };
        const mzv_call call = { run, this, in, to, 1, 1 };
        const mzv_status status = mzv_recording_create(&made, ev, &call);
        rec->reset(made);
        return status;
    }
};

mzv_status diagonal(void *, mzv_complex *slots, uint32_t d) {
    for (uint32_t i = 0; i < 16; i++) __real__ slots[i] = 1.0 / (1 + i + d);
    return MZV_OK;
}

class CudaRecording : public OnBothSides {
  protected:
    void open_sides(uint32_t log_n, size_t scratch_bytes) {
        mzv_key_request *request = nullptr;
        MZV_OKAY(mzv_key_request_create(&request));
        const mzv_test::Request owned(request);
        MZV_OKAY(mzv_request_relinearize(request, kTop));
        MZV_OKAY(mzv_request_conjugate(request, kTop));
        for (int32_t steps = 1; steps < 8; steps++) MZV_OKAY(mzv_request_rotate(request, steps, kTop));
        sides_ = std::make_unique<Sides>(mzv_test::toy(log_n, kTop, 2), request, scratch_bytes);
    }

    // The words of b in the place of a.
    static void replace(const Sides::Pair &a, const Sides::Pair &b, Sides &sides) {
        MZV_OKAY(mzv_copy(sides.cpu.ev.get(), a.cpu.get(), b.cpu.get()));
        MZV_OKAY(mzv_copy(sides.cuda.ev.get(), a.cuda.get(), b.cuda.get()));
    }

    // Recorded on one ciphertext, replayed on others. `cpu` and `cuda` are the same call, with what belongs
    // to each side's evaluator.
    static void check(Sides &sides, const Body &cpu, const Body &cuda, uint32_t in_level, uint32_t out_level,
                      unsigned n_replays) {
        const Sides::Pair a = sides.encrypted(in_level, 1, 1), out = sides.room(out_level, 1);
        Call call(cuda, out.cuda.get(), a.cuda.get());
        Recording rec;
        MZV_OKAY(cpu(sides.cpu.ev.get(), out.cpu.get(), a.cpu.get()));
        MZV_OKAY(call.record(&rec, sides.cuda.ev.get()));
        expect_equal(out); // creating is a call
        for (unsigned i = 0; i < n_replays; i++) {
            replace(a, sides.encrypted(in_level, 1, 10 + i), sides);
            const long n_launches = cuda_on_cpu::kernels_launched();
            mzv_evaluator_counts_reset(sides.cpu.ev.get());
            mzv_evaluator_counts_reset(sides.cuda.ev.get());
            MZV_OKAY(cpu(sides.cpu.ev.get(), out.cpu.get(), a.cpu.get()));
            MZV_OKAY(mzv_recording_run(rec.get()));
            EXPECT_EQ(cuda_on_cpu::kernels_launched(), n_launches) << "kernels were launched one by one";
            EXPECT_EQ(memcmp(mzv_evaluator_counts(sides.cpu.ev.get()),
                             mzv_evaluator_counts(sides.cuda.ev.get()), sizeof(mzv_counts)),
                      0);
            expect_equal(out);
        }
    }
    void check(const Body &body, uint32_t in_level, uint32_t out_level) {
        check(*sides_, body, body, in_level, out_level, 2);
    }

    void expect_refused(mzv_status expected, const std::string &text, const Body &body) {
        const Sides::Pair a = sides_->encrypted(3, 1, 1), out = sides_->room(3, 1);
        Call call(body, out.cuda.get(), a.cuda.get());
        Recording rec;
        EXPECT_EQ(call.record(&rec, sides_->cuda.ev.get()), expected);
        EXPECT_NE(std::string(mzv_last_error()).find(text), std::string::npos) << mzv_last_error();
        EXPECT_EQ(rec, nullptr);
        EXPECT_FALSE(sides_->cuda.ev->stream->records);
        MZV_OKAY(mzv_mul(sides_->cpu.ev.get(), out.cpu.get(), a.cpu.get(), a.cpu.get()));
        MZV_OKAY(mzv_mul(sides_->cuda.ev.get(), out.cuda.get(), a.cuda.get(), a.cuda.get()));
        expect_equal(out); // the evaluator is as before
    }
};

TEST_F(CudaRecording, ProductsAndRotations) {
    open_sides(10, 16 << 20);
    check(
        [](mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a) {
            MZV_TRY(mzv_mul(ev, out, a, a));
            MZV_TRY(mzv_rotate(ev, out, out, 3));
            mzv_complex c;
            __real__ c = 0.5;
            __imag__ c = -0.25;
            MZV_TRY(mzv_add_const(ev, out, out, c));
            MZV_TRY(mzv_mul_monomial(ev, out, out, 77));
            MZV_TRY(mzv_mul_i(ev, out, out));
            return mzv_conjugate(ev, out, out);
        },
        kTop, kTop);
}

TEST_F(CudaRecording, EvaluatorWhoseScratchGrew) {
    open_sides(10, 0);
    check(
        [](mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a) {
            const int32_t steps[] = { 1, 2, 3, 4, 5 };
            return mzv_rotate_sum(ev, out, a, steps, 5);
        },
        kTop, kTop);
}

TEST_F(CudaRecording, LinearTransform) {
    open_sides(10, 64 << 20);
    mzv_transform *cpu = nullptr, *cuda = nullptr;
    mzv_transform_spec spec = {};
    spec.diagonal = diagonal;
    spec.n_diagonals = 8;
    spec.step = 1;
    spec.n_baby = 4;
    MZV_OKAY(mzv_transform_create(&cpu, sides_->cpu.ev.get(), 4, &spec));
    MZV_OKAY(mzv_transform_create(&cuda, sides_->cuda.ev.get(), 4, &spec));
    const auto with = [](const mzv_transform *t) {
        return [t](mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a) {
            return mzv_transform_run(ev, out, a, t);
        };
    };
    check(*sides_, with(cpu), with(cuda), 5, 3, 2);
    mzv_transform_destroy(cuda);
    mzv_transform_destroy(cpu);
}

TEST_F(CudaRecording, Polynomial) {
    open_sides(11, 16 << 20);
    double coeff[32];
    for (int k = 0; k < 32; k++) coeff[k] = (k % 3 - 1) / (1.0 + k);
    mzv_polynomial *p = nullptr;
    MZV_OKAY(mzv_polynomial_create(&p, coeff, 31));
    check([p](mzv_evaluator *ev, mzv_cipher *out,
              const mzv_cipher *a) { return mzv_polynomial_run(ev, out, a, p); },
          kTop, kTop);
    mzv_polynomial_destroy(p);
}

TEST_F(CudaRecording, WhatChangedIsNamedAndNothingDone) {
    open_sides(10, 16 << 20);
    const Sides::Pair a = sides_->encrypted(4, 1, 1), out = sides_->room(4, 1);
    Call call([](auto *ev, auto *to, auto *x) { return mzv_mul(ev, to, x, x); }, out.cuda.get(),
              a.cuda.get());
    Recording rec;
    mzv_evaluator *ev = sides_->cuda.ev.get();
    MZV_OKAY(call.record(&rec, ev));
    MZV_OKAY(mzv_mul(sides_->cpu.ev.get(), out.cpu.get(), a.cpu.get(), a.cpu.get()));
    mzv_evaluator_counts_reset(ev);
    MZV_OKAY(mzv_drop(ev, a.cuda.get(), a.cuda.get(), 3));
    EXPECT_EQ(mzv_recording_run(rec.get()), MZV_ERR_MISMATCH);
    EXPECT_NE(std::string(mzv_last_error()).find("input 0 has level 3 instead of 4"), std::string::npos);
    mzv_cipher taken;
    MZV_OKAY(mzv_copy(ev, a.cuda.get(), sides_->encrypted(4, 1, 1).cuda.get()));
    MZV_OKAY(mzv_ev_take(ev, &taken, 1, 1));
    EXPECT_EQ(mzv_recording_run(rec.get()), MZV_ERR_MISMATCH);
    mzv_ev_release(ev, 0);
    EXPECT_EQ(mzv_evaluator_counts(ev)->n_mul, 0u);
    expect_equal(out);
    MZV_OKAY(mzv_recording_run(rec.get()));
    EXPECT_EQ(mzv_evaluator_counts(ev)->n_mul, 1u);
}

TEST_F(CudaRecording, CallsThatCannotBeRecorded) {
    open_sides(10, 16 << 20);
    const auto encodes = [](mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a) {
        const Slots slots(mzv_evaluator_slots(ev), { 0.5, 0.0 });
        mzv_plain *p = nullptr;
        MZV_TRY(mzv_plain_create(&p, ev, mzv_test::raw(slots), a->level, MZV_PLAIN_MUL));
        const mzv_status status = mzv_mul_plain(ev, out, a, p);
        mzv_plain_destroy(p);
        return status;
    };
    expect_refused(MZV_ERR_ARGUMENT, "cuda: alloc inside a recording", encodes);
    // A plaintext of the first call that the second gives back: the recording would outlive it.
    const auto forgets = [](mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a) {
        static mzv_plain *kept = nullptr;
        const Slots slots(mzv_evaluator_slots(ev), { 0.5, 0.0 });
        if (kept == nullptr) {
            MZV_TRY(mzv_plain_create(&kept, ev, mzv_test::raw(slots), a->level, MZV_PLAIN_MUL));
            return mzv_mul_plain(ev, out, a, kept);
        }
        const mzv_status status = mzv_mul_plain(ev, out, a, kept);
        mzv_plain_destroy(kept);
        return status;
    };
    expect_refused(MZV_ERR_ARGUMENT, "cuda: free inside a recording", forgets);
    int n_calls = 0;
    expect_refused(MZV_ERR_ARGUMENT, "level 2 instead of 3 the second time",
                   [&n_calls](mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a) {
                       return n_calls++ == 0 ? mzv_negate(ev, out, a) : mzv_mul(ev, out, a, a);
                   });
    n_calls = 0;
    expect_refused(MZV_ERR_LEVEL, "drop: from level 3 up to 5",
                   [&n_calls](mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a) {
                       return n_calls++ == 0 ? mzv_negate(ev, out, a) : mzv_drop(ev, out, a, 5);
                   });
}

} // namespace
} // namespace cuda_scheme
