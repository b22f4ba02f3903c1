// The device behind cuda_runtime.h: what a test can set and ask.
#pragma once
#include <cstddef>
#include <functional>
#include <string>
#include "cuda_runtime.h"

namespace cuda_on_cpu {

struct Device {
    int n_devices = 1;
    int major = 9, minor = 0;
    int shared_bytes = 227 << 10, n_processors = 4; // of an H100, and so few that small rings fill them
    size_t pinned_offset = 0; // of pinned memory's address on the device from that on the host
    Order order = Order::kForward;
    // Call number `fail_at` of the runtime since reset() returns `fail_with`; -1: none does.
    long fail_at = -1;
    // The next call of this name returns `fail_with`, once.
    std::string fail_call;
    cudaError_t fail_with = cudaErrorLaunchFailure;

    // Sees every copy from the host as it is made; may be empty.
    std::function<void(const void *from, size_t bytes)> on_upload = {};

    long n_calls = 0;    // runtime calls since reset()
    long n_launches = 0; // kernels queued since reset(), those of graphs not among them,
    long n_kernels = 0;  // and kernels that ran
    std::string failed;  // the name of the call that was made to fail
};

// The one machine of this process.
Device &device();
void reset();

// Allocations, pinned memory, streams, events, pools, graphs and their executable forms not yet given back.
size_t n_live();
// Bytes of pinned memory.
size_t n_pinned_bytes();

} // namespace cuda_on_cpu
