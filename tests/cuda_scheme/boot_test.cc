// A whole bootstrap: ModRaise through the sparse secret, CoeffToSlot, EvalMod, SlotToCoeff.
#include <unistd.h>

#include "circuit/boot.h"
#include "cuda_scheme/sides.h"
#include "observe.h"

namespace cuda_scheme {
namespace {

// Everything of the two backends is compared: what they were given, and what came out.
TEST(SlowCudaBoot, ToyBootIsTheCpusWordByWord) {
    cuda_on_cpu::restart_machine();
    cuda_on_cpu::kernels_ran_since_last();
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
    {
        Sides sides(params, request, cost.counts.peak_bytes);
        mzv_boot *cpu = nullptr, *cuda = nullptr;
        MZV_OKAY(mzv_boot_create(&cpu, sides.cpu.ev.get(), &spec));
        MZV_OKAY(mzv_boot_create(&cuda, sides.cuda.ev.get(), &spec));
        const mzv_boot_facts *facts = mzv_boot_about(cpu);
        const Sides::Pair a = sides.encrypted(facts->in_level, 1, 7), out = sides.room(facts->out_level, 1);
        MZV_OKAY(mzv_boot_run(sides.cpu.ev.get(), out.cpu.get(), a.cpu.get(), cpu));
        MZV_OKAY(mzv_boot_run(sides.cuda.ev.get(), out.cuda.get(), a.cuda.get(), cuda));
        expect_equal(out);
        EXPECT_EQ(out.cuda->level, facts->out_level);
        mzv_boot_destroy(cuda);
        mzv_boot_destroy(cpu);
    }
    EXPECT_TRUE(cuda_on_cpu::kernels_ran_since_last()) << "no kernel ran";
    EXPECT_TRUE(cuda_on_cpu::all_given_back()) << "something on the device was not given back";
}

} // namespace
} // namespace cuda_scheme
