// A real device. Outputs start as random words, so an operation that did nothing still differs. Without a
// device every test is skipped, and says so.
#include <gtest/gtest.h>

#include "backend/backend.h"
#include "observe.h"

namespace cuda_on_cpu {

void restart_machine() {}
void use_limits(int, int) {}
void use_order(Order) {}
long kernels_launched() { return -1; }
bool kernels_ran_since_last() { return true; }
bool all_given_back() { return true; }

namespace {

class NeedsDevice : public testing::Environment {
  public:
    void SetUp() override {
        const mzv_status status = mzv_cuda_ops.probe(0);
        if (status == MZV_ERR_NO_DEVICE)
            GTEST_SKIP() << "[  SKIPPED ] " << mzv_last_error(); // as ctest looks for it
        ASSERT_EQ(status, MZV_OK) << mzv_last_error();
    }
};

const testing::Environment *const kNeedsDevice = testing::AddGlobalTestEnvironment(new NeedsDevice);

} // namespace
} // namespace cuda_on_cpu
