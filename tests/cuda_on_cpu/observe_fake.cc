#include "fake_device.h"
#include "observe.h"

namespace cuda_on_cpu {

void restart_machine() { reset(); }

void use_limits(int shared_bytes, int n_processors) {
    device().shared_bytes = shared_bytes;
    device().n_processors = n_processors;
}

void use_order(Order order) { device().order = order; }

long kernels_launched() { return device().n_launches; }

bool kernels_ran_since_last() {
    static long before = 0;
    const long now = device().n_kernels;
    const bool ran = now != before;
    before = now;
    return ran;
}

bool all_given_back() { return n_live() == 0; }

} // namespace cuda_on_cpu
