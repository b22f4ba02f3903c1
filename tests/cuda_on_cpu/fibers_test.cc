// The stand-in itself: it finds what it is there to find.
#include <gtest/gtest.h>

#include <vector>

#include "cuda_runtime.h"

namespace cuda_on_cpu {
namespace {

const Order kOrders[] = { Order::kForward, Order::kBackward, Order::kShuffled };

TEST(Fibers, EveryThreadOfEveryBlockRunsOnce) {
    for (Order order : kOrders) {
        std::vector<int> n(3 * 2 * 2 * 64);
        run({ dim3(3, 2, 2), dim3(16, 4), 0 }, order, [&] {
            const unsigned number = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
            n[number * 64 + threadIdx.y * blockDim.x + threadIdx.x]++;
        });
        EXPECT_EQ(n, std::vector<int>(n.size(), 1));
    }
}

// Each thread reads what another wrote before the barrier.
void reverse_through_shared(std::vector<unsigned> &out, bool with_barrier) {
    MZV_CUDA_SHARED(unsigned, shared);
    shared[threadIdx.x] = threadIdx.x;
    if (with_barrier) __syncthreads();
    out[threadIdx.x] = shared[blockDim.x - 1 - threadIdx.x];
}

TEST(Fibers, BarrierOrdersSharedMemory) {
    for (Order order : kOrders) {
        std::vector<unsigned> out(256);
        run({ dim3(2), dim3(256), 1024 }, order, [&] { reverse_through_shared(out, true); });
        for (unsigned i = 0; i < 256; i++) EXPECT_EQ(out[i], 255 - i);
    }
}

TEST(Fibers, MissingBarrierShows) {
    for (Order order : kOrders) {
        std::vector<unsigned> out(256);
        unsigned n_wrong = 0;
        run({ dim3(1), dim3(256), 1024 }, order, [&] { reverse_through_shared(out, false); });
        for (unsigned i = 0; i < 256; i++) n_wrong += out[i] != 255 - i;
        EXPECT_GT(n_wrong, 50u);
    }
}

TEST(Fibers, SharedMemoryStartsPoisoned) {
    std::vector<unsigned char> seen(2);
    run({ dim3(2), dim3(1), 16 }, Order::kForward, [&] {
        MZV_CUDA_SHARED(unsigned char, shared);
        seen[blockIdx.x] = shared[5];
        shared[5] = 0;
    });
    EXPECT_EQ(seen, std::vector<unsigned char>(2, 0xA5));
}

TEST(Fibers, ShufflesExchange) {
    for (Order order : kOrders) {
        std::vector<uint64_t> sums(64), turned(64), down(64);
        run({ dim3(1), dim3(64), 0 }, order, [&] {
            uint64_t sum = threadIdx.x;
            for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, step);
            sums[threadIdx.x] = sum;
            turned[threadIdx.x] = __shfl_sync(0xffffffffu, threadIdx.x, 3);
            down[threadIdx.x] = __shfl_down_sync(0xffffffffu, threadIdx.x, 1);
        });
        for (unsigned i = 0; i < 64; i++) {
            EXPECT_EQ(sums[i], i < 32 ? 496u : 1520u);
            EXPECT_EQ(turned[i], i < 32 ? 3u : 35u);
            EXPECT_EQ(down[i], i % 32 == 31 ? i : i + 1);
        }
    }
}

// Outside EXPECT_DEATH, which puts its arguments on one line.
void diverge() {
    if (threadIdx.x == 0) __syncthreads();
    if (threadIdx.x == 1) __syncthreads();
}
void leave() {
    if (threadIdx.x == 0) __syncthreads();
}
void miss_shuffle() {
    if (threadIdx.x != 7) __shfl_sync(0xffffffffu, threadIdx.x, 0);
}

TEST(FibersDeathTest, BugsOfKernelsAreFatal) {
    const Launch warp = { dim3(1), dim3(32), 0 }, two = { dim3(1), dim3(2), 0 };
    EXPECT_DEATH(run(two, Order::kForward, diverge), "different barriers");
    EXPECT_DEATH(run(two, Order::kForward, leave), "ended while others wait");
    EXPECT_DEATH(run(warp, Order::kForward, miss_shuffle), "never meet");
}

} // namespace
} // namespace cuda_on_cpu
