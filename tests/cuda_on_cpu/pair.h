// The same chain opened on the scalar CPU backend and on the CUDA backend, and operands that are the same
// words on both, so that an operation can be run on both and the results compared byte for byte.
#pragma once
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <random>
#include <vector>

#include "backend/backend.h"

namespace cuda_on_cpu {

// n distinct primes = 1 mod 2^(log_n + 1), number i the next one down from 2^bits[i] (bits, all different, in
// turn).
std::vector<uint64_t> make_primes(uint32_t log_n, uint32_t n, const std::vector<uint32_t> &bits);

struct Shape {
    uint32_t batch;
    mzv_basis basis;
    size_t gap = 0; // words between polynomials
};

// What fills a row: uniform residues, or one of a few words that sit on the edges of the arithmetic.
enum class Fill { kUniform, kEdges, kHalfDown, kHalfUp, kLargest };

// Shared memory of a block and multiprocessors of the machine.
struct Limits {
    int shared_bytes, n_processors;
};

class Pair {
  public:
    Pair(uint32_t log_n, uint32_t n_p, uint32_t n_q, const std::vector<uint32_t> &bits, const char *variant,
         const Limits *limits = nullptr);
    ~Pair();
    Pair(const Pair &) = delete;
    Pair &operator=(const Pair &) = delete;

    // A polynomial on both sides.
    struct Poly {
        mzv_poly cpu, cuda;
    };
    Poly poly(const Shape &shape, Fill fill = Fill::kUniform);
    // The same words on both sides; the address on the CPU is returned.
    uint64_t *words(const std::vector<uint64_t> &values, uint64_t **on_cuda);
    // One per row, canonical.
    std::vector<uint64_t> constants(mzv_basis basis, Fill fill);

    using Operation = std::function<mzv_status(mzv_stream *, bool cuda)>;
    // Runs the operation on both sides and expects success, kernels launched, and equal words in `r`, of
    // which the gaps between polynomials must be as they were.
    void expect_equal(const Poly &r, const Operation &operation);

    std::vector<uint64_t> download(mzv_stream *s, mzv_poly r);
    uint64_t prime(mzv_basis basis, uint32_t row) const {
        return primes_[mzv_prime_index(&chain_, basis, row)];
    }

    mzv_stream *cpu = nullptr, *cuda = nullptr;

  private:
    uint64_t word(Fill fill, uint64_t prime);
    uint64_t *place(mzv_stream *s, const std::vector<uint64_t> &values);

    std::vector<uint64_t> primes_;
    mzv_chain chain_;
    mzv_backend *cpu_backend_ = nullptr, *cuda_backend_ = nullptr;
    std::vector<uint64_t *> cpu_blocks_, cuda_blocks_;
    std::mt19937_64 random_ { 20240817 };
};

} // namespace cuda_on_cpu
