// Runs the blocks of a kernel one after the other, each CUDA thread as a fiber of this OS thread. A fiber
// runs until it waits at a barrier or a shuffle or ends; the order in which fibers run is the test's choice,
// so that what depends on an order shows. Shared memory is poisoned before each block.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <type_traits>

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

namespace cuda_on_cpu {

enum class Order { kForward, kBackward, kShuffled };

struct Launch {
    dim3 grid, block;
    size_t shared_bytes;
};

struct Thread {
    dim3 index;
    unsigned number; // within the block
};

struct Block {
    dim3 index, dim, grid;
    unsigned char *shared; // 16-byte aligned and no more, and exactly as long as asked for
};

// Of the fiber that runs. Outside a kernel they must not be called.
const Thread &thread();
const Block &block();
inline unsigned lane() { return thread().number % 32; }

// __syncthreads. A block whose threads wait at different lines, or of which some ended while others wait, is
// a bug in the kernel: the process ends with a message.
void barrier(const char *file, int line);

// Meets the other lanes of `mask` and takes the 8 bytes of lane `from` (its own where `from` is not in mask).
uint64_t shuffle_bits(unsigned mask, uint64_t bits, int from);

template <class T> T shuffle(unsigned mask, T value, int from) {
    static_assert(sizeof(T) <= 8 && std::is_trivially_copyable<T>::value, "one register pair at most");
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof value);
    bits = shuffle_bits(mask, bits, from);
    memcpy(&value, &bits, sizeof value);
    return value;
}

// Runs `body` once for every thread of every block.
void run(const Launch &launch, Order order, const std::function<void()> &body);

} // namespace cuda_on_cpu
