/* What circuits share: affine forms, levels, measuring; and every allocation of every plan made to fail. */
#include "circuit/circuit.h"

#include "base/arena.h"
#include "base/fault.h"
#include "circuit/circuit_fixture.h"
#include "circuit/exp.h"
#include "circuit/inverse.h"
#include "circuit/linear.h"
#include "circuit/polynomial.h"

using namespace circuit_test;

namespace {

TEST(Circuit, AffineMapsTheIntervalToTheUnitOne) {
    const mzv_affine u = mzv_affine_unit(-3, 5);
    EXPECT_DOUBLE_EQ(u.scale * -3 + u.shift, -1);
    EXPECT_DOUBLE_EQ(u.scale * 5 + u.shift, 1);
    EXPECT_DOUBLE_EQ(u.scale * 1 + u.shift, 0);
    Machine m;
    m.clear(toy(2), 0, 0);
    const std::vector<double> x = grid(slots_of(toy(2)), -3, 5);
    mzv_cipher *c = m.put(Slots(x.begin(), x.end()), 2);
    ASSERT_EQ(mzv_affine_run(m.ev, c, c, u), MZV_OK);
    EXPECT_EQ(mzv_cipher_level(c), 1u);
    const Slots t = m.get(c);
    for (size_t i = 0; i < x.size(); i++) ASSERT_NEAR(t[i].real(), (x[i] - 1) / 4, 0x1p-50);
    ASSERT_EQ(mzv_affine_run(m.ev, c, c, u), MZV_OK);
    EXPECT_EQ(mzv_affine_run(m.ev, c, c, u), MZV_ERR_LEVEL);
}

TEST(Circuit, LowersToALevelOrCopies) {
    Machine m;
    m.clear(toy(3), 0, 0);
    mzv_cipher *a = m.put(Slots(slots_of(toy(3)), 0.5), 3), *b = m.empty(3), *c = m.empty(3);
    ASSERT_EQ(mzv_circuit_lower(m.ev, b, a, 1), MZV_OK);
    ASSERT_EQ(mzv_circuit_lower(m.ev, c, a, 3), MZV_OK);
    EXPECT_EQ(mzv_cipher_level(b), 1u);
    EXPECT_EQ(mzv_cipher_level(c), 3u);
    EXPECT_EQ(m.get(b)[5], 0.5);
    EXPECT_EQ(m.get(c)[5], 0.5);
    mzv_cipher room;
    const mzv_cipher *view = nullptr;
    ASSERT_EQ(mzv_circuit_at(m.ev, &view, &room, a, 3), MZV_OK);
    EXPECT_EQ(view, a);
    ASSERT_EQ(mzv_circuit_at(m.ev, &view, &room, a, 2), MZV_OK);
    EXPECT_EQ(view, &room);
    EXPECT_EQ(view->level, 2u);
    EXPECT_EQ(mzv_circuit_lower(m.ev, b, b, 2), MZV_ERR_LEVEL);
}

Job product_job() {
    Job job;
    job.params = toy(5);
    job.add_input({ 0.5 }, 5);
    job.add_input({ 0.25 }, 3);
    job.run = [](mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *x) {
        const mzv_status status = mzv_circuit_lower(ev, out, x[0], x[1]->level);
        return status == MZV_OK ? mzv_mul(ev, out, out, x[1]) : status;
    };
    return job;
}

TEST(Circuit, MeasuresLevelsCountsAndKeys) {
    const Job job = product_job();
    const mzv_circuit_call call = job.call();
    mzv_circuit_cost cost = {};
    mzv_key_request *request = nullptr;
    ASSERT_EQ(mzv_key_request_create(&request), MZV_OK);
    ASSERT_EQ(mzv_circuit_measure(&cost, request, &job.params, &call), MZV_OK);
    EXPECT_EQ(cost.levels, 1u); /* from the lower input, at 3, to 2 */
    EXPECT_EQ(cost.counts.n_mul, 1u);
    EXPECT_EQ(cost.counts.n_key_switch, 1u);
    EXPECT_GT(cost.counts.peak_bytes, 0u);
    ASSERT_EQ(request->n, 1u);
    EXPECT_EQ(request->need[0].level, 3u);
    mzv_key_request_destroy(request);
}

TEST(Circuit, MeasureFailsAsTheCircuitDoes) {
    Job job = product_job();
    mzv_circuit_call call = job.call();
    mzv_circuit_cost cost = {};
    cost.levels = 77;
    call.n_in = 0;
    EXPECT_EQ(mzv_circuit_measure(&cost, nullptr, &job.params, &call), MZV_ERR_ARGUMENT);
    call.n_in = MZV_CIRCUIT_INPUTS + 1;
    EXPECT_EQ(mzv_circuit_measure(&cost, nullptr, &job.params, &call), MZV_ERR_ARGUMENT);
    call = job.call();
    call.in_level[1] = 6;
    EXPECT_EQ(mzv_circuit_measure(&cost, nullptr, &job.params, &call), MZV_ERR_ARGUMENT);
    call.in_level[1] = 0; /* no level left for the product */
    EXPECT_EQ(mzv_circuit_measure(&cost, nullptr, &job.params, &call), MZV_ERR_LEVEL);
    EXPECT_EQ(cost.levels, 77u);
}

/* Runs `make` with its first, second, ... allocation failing until one passes; nothing may be left over. */
template <class Make> void fail_each_allocation(Make make) {
    const int64_t live = mzv_alloc_live();
    mzv_status status = MZV_ERR_MEMORY;
    uint32_t n = 0;
    for (; status != MZV_OK && n < 1000; n++) {
        mzv_test_fail_alloc_after(n);
        status = make();
        mzv_test_fail_alloc_after(-1);
        ASSERT_TRUE(status == MZV_OK || status == MZV_ERR_MEMORY) << mzv_last_error();
        ASSERT_EQ(mzv_alloc_live(), live) << "after failure of allocation " << n;
    }
    EXPECT_EQ(status, MZV_OK);
    EXPECT_GT(n, 1u);
}

TEST(Circuit, PlansSurviveEveryFailedAllocation) {
    fail_each_allocation([] {
        const double c[] = { 1, 2, 3, 4 };
        mzv_polynomial *p = nullptr;
        const mzv_status status = mzv_polynomial_create(&p, c, 3);
        EXPECT_EQ(p == nullptr, status != MZV_OK);
        mzv_polynomial_destroy(p);
        return status;
    });
    fail_each_allocation([] {
        const mzv_exp_spec spec = { -2, 0, 0, 1e-2, 0, 1 };
        mzv_exp *e = nullptr;
        const mzv_status status = mzv_exp_create(&e, &spec);
        EXPECT_EQ(e == nullptr, status != MZV_OK);
        mzv_exp_destroy(e);
        return status;
    });
    fail_each_allocation([] {
        const mzv_inverse_spec spec = { 1, 2, 1e-2, 1, false };
        mzv_inverse *inverse = nullptr;
        const mzv_status status = mzv_inverse_create(&inverse, &spec);
        EXPECT_EQ(inverse == nullptr, status != MZV_OK);
        mzv_inverse_destroy(inverse);
        return status;
    });
    Machine m;
    m.clear(toy(1), 0, 0);
    fail_each_allocation([&m] {
        mzv_transform_spec spec = {};
        spec.diagonal = [](void *, mzv_complex *slots, uint32_t d) {
            slots[d] = 1;
            return MZV_OK;
        };
        spec.n_diagonals = 4;
        spec.step = 1;
        mzv_transform *t = nullptr;
        const mzv_status status = mzv_transform_create(&t, m.ev, 1, &spec);
        EXPECT_EQ(t == nullptr, status != MZV_OK);
        mzv_transform_destroy(t);
        return status;
    });
    fail_each_allocation([] {
        const Job job = product_job();
        const mzv_circuit_call call = job.call();
        mzv_circuit_cost cost = {};
        return mzv_circuit_measure(&cost, nullptr, &job.params, &call);
    });
}

} // namespace
