/* What tests of deep circuits share: a refresher for `clear` and `count`, and allocations made to fail. */
#ifndef MZV_TEST_DEEP_HELPERS_H
#define MZV_TEST_DEEP_HELPERS_H
#include "base/arena.h"
#include "base/fault.h"
#include "circuit/circuit_fixture.h"

namespace circuit_test {

/* Reads the slots and sets them again at out_level; remembers the largest and how often it was asked. */
struct ClearRefresher {
    mzv_refresh refresh = {}; /* first member */
    double largest = 0;
    uint32_t n_runs = 0;

    ClearRefresher(uint32_t in_level, uint32_t out_level) {
        refresh.run = run;
        refresh.in_level = in_level;
        refresh.out_level = out_level;
        refresh.magnitude = 1;
    }
    static mzv_status run(const mzv_refresh *self, mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a) {
        auto *r = reinterpret_cast<ClearRefresher *>(const_cast<mzv_refresh *>(self));
        Slots slots((size_t)mzv_evaluator_slots(ev) * a->batch);
        r->n_runs++;
        if (std::string(mzv_evaluator_kind(ev)) == "count")
            return mzv_clear_set(ev, out, nullptr, self->out_level);
        auto *z = reinterpret_cast<mzv_complex *>(slots.data());
        const mzv_status status = mzv_clear_get(ev, z, a);
        for (const auto &slot : slots) r->largest = std::fmax(r->largest, std::abs(slot));
        return status == MZV_OK ? mzv_clear_set(ev, out, z, self->out_level) : status;
    }
};

/* Runs `make` with its first, second, ... allocation failing until one passes; nothing may be left over. */
template <class Make> void fail_allocations(Make make) {
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

} // namespace circuit_test
#endif
