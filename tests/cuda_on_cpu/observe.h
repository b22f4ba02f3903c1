// What the tests of the kernels see of the machine: the fake device, or a real one where the same tests run
// on it (observe_fake.cc, observe_real.cc).
#pragma once

#include "fibers.h"

namespace cuda_on_cpu {

void restart_machine(); // forgets orders, failures and counts
// What the machine opened next has, until it is restarted; a real device has what it has.
void use_limits(int shared_bytes, int n_processors);
void use_order(Order order);   // in which threads run from now on; a real device chooses itself
long kernels_launched();       // in all; -1: a real device cannot say
bool kernels_ran_since_last(); // whether any kernel ran since the last call; a real device cannot say no
bool all_given_back();         // whether nothing of the device is held; a real device cannot say no

} // namespace cuda_on_cpu
