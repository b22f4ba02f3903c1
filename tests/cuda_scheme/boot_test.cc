// A whole bootstrap: ModRaise through the sparse secret, CoeffToSlot, EvalMod, SlotToCoeff.
#include <unistd.h>

#include "circuit/boot.h"
#include "cuda_scheme/sides.h"

namespace cuda_scheme {
namespace {

using Boot = mzv_test::Handle<mzv_boot, mzv_boot_destroy>;
using Recording = mzv_test::Handle<mzv_recording, mzv_recording_destroy>;

class SlowCudaBoot : public OnBothSides {
  protected:
    void SetUp() override {
        OnBothSides::SetUp();
        mzv_params params;
        mzv_boot_spec spec = {};
        mzv_circuit_cost cost;
        mzv_key_request *request = nullptr;
        MZV_OKAY(mzv_params_named(&params, "toy-boot"));
        MZV_OKAY(mzv_key_request_create(&request));
        const mzv_test::Request owned(request);
        spec.n_slots = 1u << (params.log_n - 1);
        spec.order = MZV_BOOT_SLOTS_FIRST;
        MZV_OKAY(mzv_boot_measure(&cost, request, &params, &spec));
        sides_ = std::make_unique<Sides>(params, request, cost.counts.peak_bytes);
        cpu_ = made(sides_->cpu.ev.get(), spec);
        cuda_ = made(sides_->cuda.ev.get(), spec);
        facts_ = mzv_boot_about(cpu_.get());
    }
    void TearDown() override {
        cpu_.reset();
        cuda_.reset();
        OnBothSides::TearDown();
    }
    Sides::Pair room() { return sides_->room(facts_->out_level, 1); }
    Sides::Pair input(unsigned seed) { return sides_->encrypted(facts_->in_level, 1, seed); }

    Boot cpu_, cuda_;
    const mzv_boot_facts *facts_ = nullptr;

  private:
    static Boot made(mzv_evaluator *ev, const mzv_boot_spec &spec) {
        mzv_boot *boot = nullptr;
        EXPECT_EQ(mzv_boot_create(&boot, ev, &spec), MZV_OK) << mzv_last_error();
        return Boot(boot);
    }
};

// Everything of the two backends is compared: what they were given, and what came out.
TEST_F(SlowCudaBoot, ToyBootIsTheCpusWordByWord) {
    const Sides::Pair a = input(7), out = room();
    MZV_OKAY(mzv_boot_run(sides_->cpu.ev.get(), out.cpu.get(), a.cpu.get(), cpu_.get()));
    MZV_OKAY(mzv_boot_run(sides_->cuda.ev.get(), out.cuda.get(), a.cuda.get(), cuda_.get()));
    expect_equal(out);
    EXPECT_EQ(out.cuda->level, facts_->out_level);
}

// As one graph, replayed on another ciphertext than it was recorded with.
TEST_F(SlowCudaBoot, ToyBootRecorded) {
    const Sides::Pair a = input(7), other = input(8), out = room();
    const std::function<mzv_status(mzv_evaluator *)> run = [&](mzv_evaluator *ev) {
        return mzv_boot_run(ev, out.cuda.get(), a.cuda.get(), cuda_.get());
    };
    const mzv_cipher *in = a.cuda.get();
    mzv_cipher *to = out.cuda.get();
    mzv_call call = {};
    call.run = [](mzv_evaluator *ev, void *arg) { return (*static_cast<decltype(run) *>(arg))(ev); };
    call.arg = const_cast<std::function<mzv_status(mzv_evaluator *)> *>(&run);
    call.in = &in;
    call.out = &to;
    call.n_in = call.n_out = 1;
    mzv_recording *made = nullptr;
    MZV_OKAY(mzv_recording_create(&made, sides_->cuda.ev.get(), &call));
    const Recording recording(made);
    MZV_OKAY(mzv_copy(sides_->cuda.ev.get(), a.cuda.get(), other.cuda.get()));
    MZV_OKAY(mzv_boot_run(sides_->cpu.ev.get(), out.cpu.get(), other.cpu.get(), cpu_.get()));
    MZV_OKAY(mzv_recording_run(recording.get()));
    expect_equal(out);
    EXPECT_EQ(out.cuda->level, facts_->out_level);
}

} // namespace
} // namespace cuda_scheme
