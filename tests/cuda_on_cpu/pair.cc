#include "pair.h"

#include "observe.h"
#include "math/primes.h"

namespace cuda_on_cpu {

std::vector<uint64_t> make_primes(uint32_t log_n, uint32_t n, const std::vector<uint32_t> &bits) {
    std::vector<uint64_t> primes;
    std::vector<uint64_t> limit;
    for (uint32_t b : bits) limit.push_back(uint64_t(1) << b);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t &at = limit[i % limit.size()];
        EXPECT_EQ(mzv_prime_below(&at, at, uint64_t(2) << log_n), MZV_OK) << mzv_last_error();
        primes.push_back(at);
    }
    return primes;
}

Pair::Pair(uint32_t log_n, uint32_t n_p, uint32_t n_q, const std::vector<uint32_t> &bits, const char *variant,
           const Limits *limits)
    : primes_(make_primes(log_n, n_p + n_q, bits)), chain_ { log_n, n_p, n_q, primes_.data() } {
    restart_machine();
    if (limits != nullptr) use_limits(limits->shared_bytes, limits->n_processors);
    EXPECT_EQ(mzv_cpu_ops.open(&cpu_backend_, &chain_, 0, "scalar"), MZV_OK) << mzv_last_error();
    EXPECT_EQ(mzv_cuda_ops.open(&cuda_backend_, &chain_, 0, variant), MZV_OK) << mzv_last_error();
    EXPECT_EQ(mzv_cpu_ops.stream_open(&cpu, cpu_backend_), MZV_OK) << mzv_last_error();
    EXPECT_EQ(mzv_cuda_ops.stream_open(&cuda, cuda_backend_), MZV_OK) << mzv_last_error();
}

Pair::~Pair() {
    for (uint64_t *block : cpu_blocks_) mzv_cpu_ops.free(cpu, block);
    for (uint64_t *block : cuda_blocks_) mzv_cuda_ops.free(cuda, block);
    mzv_cpu_ops.stream_close(cpu);
    mzv_cuda_ops.stream_close(cuda);
    mzv_cpu_ops.close(cpu_backend_);
    mzv_cuda_ops.close(cuda_backend_);
    EXPECT_TRUE(all_given_back()) << "something on the device was not given back";
}

uint64_t Pair::word(Fill fill, uint64_t p) {
    const uint64_t edges[] = { 0, 1, p / 2, p / 2 + 1, p - 2, p - 1 };
    switch (fill) {
    case Fill::kUniform:
        return random_() % p;
    case Fill::kEdges:
        return edges[random_() % 6];
    case Fill::kHalfDown:
        return p / 2;
    case Fill::kHalfUp:
        return p / 2 + 1;
    case Fill::kLargest:
        return p - 1;
    }
    return 0;
}

uint64_t *Pair::place(mzv_stream *s, const std::vector<uint64_t> &values) {
    uint64_t *block = nullptr;
    EXPECT_EQ(s->ops->alloc(s, &block, values.size()), MZV_OK) << mzv_last_error();
    EXPECT_EQ(s->ops->upload(s, block, values.data(), values.size()), MZV_OK) << mzv_last_error();
    EXPECT_EQ(s->ops->synchronize(s), MZV_OK) << mzv_last_error();
    (s == cpu ? cpu_blocks_ : cuda_blocks_).push_back(block);
    return block;
}

Pair::Poly Pair::poly(const Shape &shape, Fill fill) {
    const size_t n = size_t(1) << chain_.log_n, n_rows = mzv_basis_size(shape.basis);
    const size_t stride = n_rows * n + shape.gap;
    std::vector<uint64_t> values(shape.batch * stride, ~uint64_t(0));
    for (uint32_t b = 0; b < shape.batch; b++)
        for (uint32_t i = 0; i < n_rows; i++)
            for (size_t k = 0; k < n; k++) values[b * stride + i * n + k] = word(fill, prime(shape.basis, i));
    return { { place(cpu, values), stride, shape.batch, shape.basis },
             { place(cuda, values), stride, shape.batch, shape.basis } };
}

uint64_t *Pair::words(const std::vector<uint64_t> &values, uint64_t **on_cuda) {
    *on_cuda = place(cuda, values);
    return place(cpu, values);
}

std::vector<uint64_t> Pair::constants(mzv_basis basis, Fill fill) {
    std::vector<uint64_t> c;
    for (uint32_t i = 0; i < mzv_basis_size(basis); i++) c.push_back(word(fill, prime(basis, i)));
    return c;
}

std::vector<uint64_t> Pair::download(mzv_stream *s, mzv_poly r) {
    std::vector<uint64_t> words(r.batch * r.stride);
    EXPECT_EQ(s->ops->download(s, words.data(), r.base, words.size()), MZV_OK) << mzv_last_error();
    EXPECT_EQ(s->ops->synchronize(s), MZV_OK) << mzv_last_error();
    return words;
}

void Pair::expect_equal(const Poly &r, const Operation &operation) {
    kernels_ran_since_last();
    ASSERT_EQ(operation(cpu, false), MZV_OK) << mzv_last_error();
    ASSERT_EQ(operation(cuda, true), MZV_OK) << mzv_last_error();
    const std::vector<uint64_t> expected = download(cpu, r.cpu), found = download(cuda, r.cuda);
    ASSERT_TRUE(kernels_ran_since_last()) << "no kernel ran";
    size_t n_wrong = 0, first = 0;
    for (size_t i = expected.size(); i-- > 0;)
        if (expected[i] != found[i]) n_wrong++, first = i;
    EXPECT_EQ(n_wrong, 0u) << "of " << expected.size() << " words; the first is word " << first << ", "
                           << found[first] << " instead of " << expected[first];
}

} // namespace cuda_on_cpu
