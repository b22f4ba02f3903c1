#include "fibers.h"

#include <ucontext.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#define ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ASAN 1
#endif
#endif
#ifdef ASAN
#include <sanitizer/common_interface_defs.h>
#endif

namespace cuda_on_cpu {
namespace {

constexpr size_t kStackBytes = 64 << 10;
constexpr unsigned char kPoison = 0xA5;
constexpr unsigned kWarp = 32;

// A stack and what resumes it. Stacks are swapped by hand on x86-64 and by ucontext elsewhere, which makes
// two system calls per switch.
struct Context {
#if defined(__x86_64__)
    void *stack_pointer = nullptr;
#else
    ucontext_t machine;
#endif
    void *fake_stack = nullptr; // AddressSanitizer's, while the context is not running
};

enum class State { kNew, kReady, kAtBarrier, kAtShuffle, kDone };

struct Fiber {
    Context context;
    std::unique_ptr<unsigned char[]> stack;
    Thread thread;
    State state;
    const char *file; // of the barrier
    int line;
    unsigned mask; // of the shuffle
    uint64_t bits; // offered to the shuffle
};

struct Scheduler {
    std::vector<std::unique_ptr<Fiber>> fibers;
    std::vector<Fiber *> order;
    Context context;
    Fiber *current = nullptr;
    Block block;
    const std::function<void()> *body = nullptr;
    std::mt19937 random { 12345 };
    const void *stack_bottom = nullptr; // of the OS thread, for AddressSanitizer
    size_t stack_size = 0;
};

Scheduler scheduler; // kernels run on one OS thread

[[noreturn]] void die(const char *what, const Fiber &fiber) {
    fprintf(stderr, "cuda_on_cpu: %s: block %u,%u,%u thread %u\n", what, scheduler.block.index.x,
            scheduler.block.index.y, scheduler.block.index.z, fiber.thread.number);
    abort();
}

#if defined(__x86_64__)
extern "C" void mzv_test_swap_stacks(void **save, void *load);
// Saves what the System V ABI has callees keep, changes stacks, takes the other side's back.
asm(".text\n"
    ".type mzv_test_swap_stacks, @function\n"
    "mzv_test_swap_stacks:\n"
    "  push %rbx\n  push %rbp\n  push %r12\n  push %r13\n  push %r14\n  push %r15\n"
    "  mov %rsp, (%rdi)\n"
    "  mov %rsi, %rsp\n"
    "  pop %r15\n  pop %r14\n  pop %r13\n  pop %r12\n  pop %rbp\n  pop %rbx\n"
    "  ret\n"
    ".size mzv_test_swap_stacks, . - mzv_test_swap_stacks\n");

void swap_contexts(Context &save, Context &load) {
    mzv_test_swap_stacks(&save.stack_pointer, load.stack_pointer);
}

// A stack that, when first taken, "returns" into `entry` as if called: 8 bytes off 16-byte alignment.
void prepare(Context &context, unsigned char *stack, void (*entry)()) {
    const uintptr_t top = (reinterpret_cast<uintptr_t>(stack) + kStackBytes) & ~uintptr_t(15);
    void **at = reinterpret_cast<void **>(top);
    *--at = nullptr; // where entry would return to; it does not
    *--at = reinterpret_cast<void *>(entry);
    for (int i = 0; i < 6; i++) *--at = nullptr;
    context.stack_pointer = at;
}
#else
void swap_contexts(Context &save, Context &load) { swapcontext(&save.machine, &load.machine); }

void prepare(Context &context, unsigned char *stack, void (*entry)()) {
    getcontext(&context.machine);
    context.machine.uc_stack.ss_sp = stack;
    context.machine.uc_stack.ss_size = kStackBytes;
    context.machine.uc_link = nullptr;
    makecontext(&context.machine, entry, 0);
}
#endif

void to_scheduler(Fiber &fiber) {
#ifdef ASAN
    void **keep = fiber.state == State::kDone ? nullptr : &fiber.context.fake_stack;
    __sanitizer_start_switch_fiber(keep, scheduler.stack_bottom, scheduler.stack_size);
#endif
    swap_contexts(fiber.context, scheduler.context);
#ifdef ASAN
    __sanitizer_finish_switch_fiber(fiber.context.fake_stack, &scheduler.stack_bottom, &scheduler.stack_size);
#endif
}

void to_fiber(Fiber &fiber) {
    scheduler.current = &fiber;
    fiber.state = State::kReady;
#ifdef ASAN
    __sanitizer_start_switch_fiber(&scheduler.context.fake_stack, fiber.stack.get(), kStackBytes);
#endif
    swap_contexts(scheduler.context, fiber.context);
#ifdef ASAN
    __sanitizer_finish_switch_fiber(scheduler.context.fake_stack, nullptr, nullptr);
#endif
}

void fiber_main() {
    Fiber &fiber = *scheduler.current;
#ifdef ASAN
    __sanitizer_finish_switch_fiber(nullptr, &scheduler.stack_bottom, &scheduler.stack_size);
#endif
    (*scheduler.body)();
    fiber.state = State::kDone;
    to_scheduler(fiber);
    die("a thread that ended was resumed", fiber);
}

void start_threads(const dim3 &dim, Order order) {
    const unsigned n = dim.x * dim.y * dim.z;
    while (scheduler.fibers.size() < n) {
        scheduler.fibers.push_back(std::make_unique<Fiber>());
        scheduler.fibers.back()->stack = std::make_unique<unsigned char[]>(kStackBytes);
    }
    scheduler.order.clear();
    for (unsigned i = 0; i < n; i++) {
        Fiber &fiber = *scheduler.fibers[i];
        fiber.thread = { dim3(i % dim.x, i / dim.x % dim.y, i / dim.x / dim.y), i };
        fiber.state = State::kNew;
        prepare(fiber.context, fiber.stack.get(), fiber_main);
        scheduler.order.push_back(&fiber);
    }
    if (order == Order::kBackward) std::reverse(scheduler.order.begin(), scheduler.order.end());
}

// Lets every thread at the barrier go, if all are there.
bool open_barrier() {
    const Fiber *first = nullptr;
    for (Fiber *fiber : scheduler.order) {
        if (fiber->state == State::kAtShuffle) return false;
        if (fiber->state == State::kAtBarrier && first == nullptr) first = fiber;
    }
    if (first == nullptr) return false;
    for (Fiber *fiber : scheduler.order) {
        if (fiber->state == State::kDone) die("a thread ended while others wait at a barrier", *fiber);
        if (fiber->line != first->line || strcmp(fiber->file, first->file) != 0)
            die("threads wait at different barriers", *fiber);
    }
    for (Fiber *fiber : scheduler.order) fiber->state = State::kReady;
    return true;
}

// The fibers of the warp of `fiber` that its mask names, by lane; nullptr for the others.
void warp_of(const Fiber &fiber, Fiber *lanes[kWarp]) {
    const unsigned first = fiber.thread.number / kWarp * kWarp;
    for (unsigned i = 0; i < kWarp; i++) {
        const bool named = fiber.mask >> i & 1;
        lanes[i] = named && first + i < scheduler.order.size() ? scheduler.fibers[first + i].get() : nullptr;
    }
}

// Lets the lanes of one shuffle go once all that its mask names have come to it.
bool open_shuffle() {
    for (Fiber *fiber : scheduler.order) {
        if (fiber->state != State::kAtShuffle) continue;
        Fiber *lanes[kWarp];
        warp_of(*fiber, lanes);
        bool complete = true;
        for (const Fiber *other : lanes)
            complete &= other == nullptr || (other->state == State::kAtShuffle && other->mask == fiber->mask);
        if (!complete) continue;
        for (Fiber *other : lanes)
            if (other != nullptr) other->state = State::kReady;
        return true;
    }
    return false;
}

// Each waiting shuffle reads the offers of its lanes when it goes on, so a lane may not offer again before
// all have read: that takes a second meeting, in shuffle_bits.
void run_block(Order order) {
    start_threads(scheduler.block.dim, order);
    for (;;) {
        if (order == Order::kShuffled)
            std::shuffle(scheduler.order.begin(), scheduler.order.end(), scheduler.random);
        size_t n_done = 0;
        for (Fiber *fiber : scheduler.order) {
            if (fiber->state == State::kNew || fiber->state == State::kReady) to_fiber(*fiber);
            n_done += fiber->state == State::kDone;
        }
        if (n_done == scheduler.order.size()) return;
        if (!open_shuffle() && !open_barrier()) die("lanes never meet at a shuffle", *scheduler.order[0]);
    }
}

void meet(Fiber &fiber, unsigned mask) {
    fiber.mask = mask;
    fiber.state = State::kAtShuffle;
    to_scheduler(fiber);
}

} // namespace

const Thread &thread() { return scheduler.current->thread; }
const Block &block() { return scheduler.block; }

void barrier(const char *file, int line) {
    Fiber &fiber = *scheduler.current;
    fiber.file = file;
    fiber.line = line;
    fiber.state = State::kAtBarrier;
    to_scheduler(fiber);
}

uint64_t shuffle_bits(unsigned mask, uint64_t bits, int from) {
    Fiber &fiber = *scheduler.current;
    if (!(mask >> (fiber.thread.number % kWarp) & 1)) die("a lane shuffles with a mask it is not in", fiber);
    fiber.bits = bits;
    meet(fiber, mask);
    Fiber *lanes[kWarp];
    warp_of(fiber, lanes);
    const Fiber *giver = from >= 0 && from < static_cast<int>(kWarp) ? lanes[from] : nullptr;
    const uint64_t taken = giver == nullptr ? bits : giver->bits;
    meet(fiber, mask);
    return taken;
}

void run(const Launch &launch, Order order, const std::function<void()> &body) {
    scheduler.body = &body;
    scheduler.block.dim = launch.block;
    scheduler.block.grid = launch.grid;
    // malloc gives 16-byte alignment, and AddressSanitizer knows where it ends.
    std::unique_ptr<unsigned char, void (*)(void *)> shared(
        static_cast<unsigned char *>(malloc(launch.shared_bytes)), free);
    scheduler.block.shared = shared.get();
    for (unsigned z = 0; z < launch.grid.z; z++)
        for (unsigned y = 0; y < launch.grid.y; y++)
            for (unsigned x = 0; x < launch.grid.x; x++) {
                scheduler.block.index = dim3(x, y, z);
                if (launch.shared_bytes != 0) memset(shared.get(), kPoison, launch.shared_bytes);
                run_block(order);
            }
}

} // namespace cuda_on_cpu
