/* What tests of max, QuickMax and argmax share: owners of plans, folds, and a job's refresher. */
#ifndef MZV_TEST_COMPARE_HELPERS_H
#define MZV_TEST_COMPARE_HELPERS_H
#include "circuit/compare.h"
#include "circuit/deep_helpers.h"

namespace circuit_test {

const double quiet = 0x1p-24;
const uint32_t n_slots = slots_of(toy(1));

struct Max {
    mzv_max_spec spec;
    mzv_max *max = nullptr;
    explicit Max(const mzv_max_spec &s) : spec(s) {
        EXPECT_EQ(mzv_max_create(&max, &s), MZV_OK) << mzv_last_error();
    }
    ~Max() { mzv_max_destroy(max); }
    const mzv_max_facts &facts() const { return *mzv_max_about(max); }
};

inline double apply(mzv_affine u, double x) { return u.scale * x + u.shift; }

struct QuickMax {
    mzv_quickmax_spec spec;
    std::vector<double> mask;
    mzv_quickmax *q = nullptr;
    QuickMax(const mzv_fold &fold, double lo, double hi, double target, const std::vector<double> &m = {},
             mzv_sign_recipe recipe = MZV_SIGN_MINIMAX)
        : spec { lo, hi, target, quiet, recipe, fold, nullptr, 0 }, mask(m) {
        spec.mask = mask.empty() ? nullptr : mask.data();
        spec.n_mask = (uint32_t)mask.size();
        EXPECT_EQ(mzv_quickmax_create(&q, &spec), MZV_OK) << mzv_last_error();
    }
    ~QuickMax() { mzv_quickmax_destroy(q); }
    const mzv_quickmax_facts &facts() const { return *mzv_quickmax_about(q); }
};

inline mzv_fold cyclic(uint32_t stride, uint32_t count) {
    mzv_fold fold = {};
    EXPECT_EQ(mzv_fold_cyclic(&fold, stride, count, MZV_FOLD_RADIX_2), MZV_OK) << mzv_last_error();
    return fold;
}

inline mzv_fold window(uint32_t stride, uint32_t used, uint32_t group) {
    mzv_fold fold = {};
    EXPECT_EQ(mzv_fold_window(&fold, stride, used, group, MZV_FOLD_RADIX_2), MZV_OK) << mzv_last_error();
    return fold;
}

/* The job with that refresher attached, which counts its runs on `clear` only. */
inline Job refreshed(Job job, ClearRefresher &r) {
    const auto run = job.run;
    job.run = [run, &r](mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *in) {
        ev->refresh = &r.refresh;
        const mzv_status status = run(ev, out, in);
        if (std::string(mzv_evaluator_kind(ev)) == "count") r.n_runs = 0;
        return status;
    };
    return job;
}

} // namespace circuit_test
#endif
