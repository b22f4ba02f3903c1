// Every operation of every variant against the scalar kernels, byte for byte.
#include <gtest/gtest.h>
#include <omp.h>

#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "cpu/cpu_backend.h"
#include "math/primes.h"

#ifdef MZV_TEST_SIMDE
extern "C" const mzv_cpu_kernels mzv_cpu_avx512_simde, mzv_cpu_avx512ifma_simde;
#endif

namespace {

enum Values { kRandom, kLargest, kMiddle };

// Memory of one run: views are cut from it in the order of the calls, filled from a seed.
class Arena {
  public:
    Arena(const mzv_chain &chain, size_t n_words, Values values)
        : chain_(chain), values_(values), words_(n_words + 8) {}

    void restart() {
        used_ = 0;
        random_.seed(7);
        std::fill(words_.begin(), words_.end(), UINT64_C(0xdeadbeefdeadbeef));
    }
    mzv_poly out(uint32_t batch, mzv_basis basis) {
        const size_t stride = static_cast<size_t>(mzv_basis_size(basis)) << chain_.log_n;
        return mzv_poly { take(batch * stride), stride, batch, basis };
    }
    mzv_poly in(uint32_t batch, mzv_basis basis) {
        const mzv_poly r = out(batch, basis);
        const size_t n = size_t { 1 } << chain_.log_n;
        for (uint32_t b = 0; b < batch; b++)
            for (uint32_t i = 0; i < mzv_basis_size(basis); i++)
                for (size_t k = 0; k < n; k++)
                    r.base[b * r.stride + i * n + k] =
                        value(chain_.primes[mzv_prime_index(&chain_, basis, i)]);
        return r;
    }
    mzv_cpoly cin(uint32_t batch, mzv_basis basis) { return mzv_view(in(batch, basis)); }
    const int64_t *integers(size_t n) {
        auto *v = reinterpret_cast<int64_t *>(take(n));
        const int64_t top = (INT64_C(1) << 62) - 1;
        for (size_t k = 0; k < n; k++)
            v[k] = values_ == kRandom ? static_cast<int64_t>(random_()) >> 1 >> (k % 40) : k % 2 ? top : -top;
        return v;
    }
    std::vector<uint64_t> constants(mzv_basis basis) {
        std::vector<uint64_t> c;
        for (uint32_t i = 0; i < mzv_basis_size(basis); i++)
            c.push_back(value(chain_.primes[mzv_prime_index(&chain_, basis, i)]));
        return c;
    }
    const std::vector<uint64_t> &words() const { return words_; }
    size_t used() const { return used_; }

  private:
    uint64_t value(uint64_t p) {
        if (values_ == kRandom) return random_() % p;
        if (values_ == kLargest) return p - 1;
        return p / 2 + random_() % 2;
    }
    uint64_t *take(size_t n) {
        uint64_t *aligned = words_.data() + (64 - reinterpret_cast<uintptr_t>(words_.data()) % 64) / 8 % 8;
        uint64_t *r = aligned + used_;
        used_ += n;
        if (used_ + 8 > words_.size()) throw std::runtime_error("arena of the test is too small");
        return r;
    }
    const mzv_chain chain_;
    const Values values_;
    std::vector<uint64_t> words_;
    std::mt19937_64 random_;
    size_t used_ = 0;
};

class Device {
  public:
    Device(const mzv_chain &chain, const mzv_cpu_kernels *kernels) {
        if (mzv_cpu_open_with(&backend_, &chain, kernels) != MZV_OK ||
            mzv_cpu_stream_open(&stream, backend_) != MZV_OK ||
            mzv_scratch_reserve(stream, (size_t { 200 } << chain.log_n) + 100000) != MZV_OK)
            throw std::runtime_error(mzv_last_error());
    }
    ~Device() {
        mzv_cpu_stream_close(stream);
        mzv_cpu_close(backend_);
    }
    mzv_stream *stream = nullptr;

  private:
    mzv_backend *backend_ = nullptr;
};

using Operation = std::function<mzv_status(mzv_stream *, Arena &)>;
struct Named {
    std::string name;
    Operation run;
};

void add_pointwise(std::vector<Named> *list, mzv_basis basis, uint32_t batch, uint32_t other) {
    using Binary = mzv_status (*)(mzv_stream *, mzv_poly, mzv_cpoly, mzv_cpoly);
    const std::vector<std::pair<std::string, Binary>> binary = { { "add", mzv_poly_add },
                                                                 { "sub", mzv_poly_sub },
                                                                 { "mul", mzv_poly_mul },
                                                                 { "mul_add", mzv_poly_mul_add } };
    for (const auto &[name, op] : binary) {
        const Binary f = op;
        list->push_back({ name, [=](mzv_stream *s, Arena &m) {
                             const mzv_poly r = m.in(batch, basis);
                             const mzv_cpoly a = m.cin(other, basis);
                             return f(s, r, a, m.cin(batch, basis));
                         } });
        list->push_back({ name + " in place", [=](mzv_stream *s, Arena &m) {
                             const mzv_poly r = m.in(batch, basis);
                             return f(s, r, mzv_view(r), m.cin(other, basis));
                         } });
    }
    using WithConst = mzv_status (*)(mzv_stream *, mzv_poly, mzv_cpoly, const uint64_t *);
    const std::vector<std::pair<std::string, WithConst>> with_const = { { "mul_const", mzv_poly_mul_const },
                                                                        { "mul_const_add",
                                                                          mzv_poly_mul_const_add },
                                                                        { "add_const", mzv_poly_add_const } };
    for (const auto &[name, op] : with_const) {
        const WithConst f = op;
        list->push_back({ name, [=](mzv_stream *s, Arena &m) {
                             const mzv_poly r = m.in(batch, basis);
                             const mzv_cpoly a = m.cin(other, basis);
                             return f(s, r, a, m.constants(basis).data());
                         } });
        list->push_back({ name + " in place", [=](mzv_stream *s, Arena &m) {
                             const mzv_poly r = m.in(batch, basis);
                             return f(s, r, mzv_view(r), m.constants(basis).data());
                         } });
    }
    list->push_back({ "copy", [=](mzv_stream *s, Arena &m) {
                         const mzv_poly r = m.out(batch, basis);
                         return mzv_poly_copy(s, r, m.cin(other, basis));
                     } });
}

void add_rowwise(std::vector<Named> *list, mzv_basis basis, uint32_t batch, uint32_t other) {
    list->push_back({ "ntt", [=](mzv_stream *s, Arena &m) { return mzv_poly_ntt(s, m.in(batch, basis)); } });
    list->push_back(
        { "intt", [=](mzv_stream *s, Arena &m) { return mzv_poly_intt(s, m.in(batch, basis)); } });
    for (const uint32_t galois : { 1u, 5u, 625u, 0u })
        list->push_back({ "automorphism", [=](mzv_stream *s, Arena &m) {
                             const mzv_poly r = m.out(batch, basis);
                             const uint32_t g = galois == 0 ? (2u << s->log_n) - 1 : galois;
                             return mzv_poly_automorphism(s, r, m.cin(other, basis), g);
                         } });
    list->push_back({ "lift", [=](mzv_stream *s, Arena &m) {
                         const size_t n = size_t { 1 } << s->log_n;
                         const mzv_poly r = m.out(batch, basis);
                         return mzv_poly_lift(s, r, m.integers(n * other), other == 1 ? 0 : n);
                     } });
}

void add_change(std::vector<Named> *list, mzv_basis small, mzv_basis large, uint32_t batch, uint32_t other) {
    list->push_back({ "mod_up", [=](mzv_stream *s, Arena &m) {
                         const mzv_poly r = m.out(batch, large);
                         return mzv_poly_mod_up(s, r, m.cin(other, small));
                     } });
    list->push_back({ "mod_down", [=](mzv_stream *s, Arena &m) {
                         const mzv_poly r = m.out(batch, small);
                         return mzv_poly_mod_down(s, r, m.cin(other, large));
                     } });
}

mzv_status run_fold(mzv_stream *s, Arena &m, mzv_basis basis, uint32_t batch, uint32_t n_digits) {
    const uint32_t galois[3] = { 5, 1, (2u << s->log_n) - 1 };
    mzv_poly r[2] = { m.out(batch, basis), m.out(batch, basis) };
    std::vector<mzv_cpoly> d, keys[3];
    for (uint32_t j = 0; j < n_digits; j++) d.push_back(m.cin(batch, basis));
    for (auto &key : keys)
        for (uint32_t j = 0; j < 2 * n_digits; j++) key.push_back(m.cin(1, basis));
    const mzv_cpoly *key[3] = { keys[0].data(), keys[1].data(), keys[2].data() };
    return mzv_poly_fold(s, r, d.data(), key, galois, n_digits, 3);
}

// Three rotations, one of them without a key, and two sums with weights of both kinds.
mzv_status run_rotation_sums(mzv_stream *s, Arena &m, mzv_basis basis, uint32_t batch) {
    const uint32_t galois[3] = { 5, 1, (2u << s->log_n) - 1 };
    const mzv_basis q = { 0, basis.q_first, basis.n_q };
    mzv_poly r[4] = { m.out(batch, basis), m.out(batch, basis), m.out(batch, basis), m.out(batch, basis) };
    const mzv_cpoly d[2] = { m.cin(batch, basis), m.cin(batch, basis) };
    const mzv_cpoly a[2] = { m.cin(batch, q), m.cin(batch, q) };
    const std::vector<uint64_t> c = m.constants(q);
    std::vector<mzv_cpoly> keys[2];
    for (auto &key : keys)
        for (uint32_t j = 0; j < 4; j++) key.push_back(m.cin(1, basis));
    const mzv_cpoly *key[3] = { keys[0].data(), nullptr, keys[1].data() };
    const mzv_diagonal w[6] = { { m.cin(1, basis).base, nullptr, 0 },
                                { m.cin(1, basis).base, nullptr, 0 },
                                { nullptr, m.integers(size_t { 1 } << s->log_n), 0 },
                                { nullptr, nullptr, 0 },
                                { nullptr, nullptr, 0 },
                                { m.cin(1, basis).base, nullptr, 0 } };
    const mzv_rotations of = { d, a, c.data(), key, galois, w, 2, 3, 2, false };
    return mzv_poly_rotation_sums(s, r, &of);
}

// Weights of the largest size and both signs, and small ones between.
std::vector<int32_t> weights_of(uint32_t n_out, uint32_t n_in) {
    const int32_t top = (1 << 18) - 1;
    std::vector<int32_t> w;
    for (uint32_t o = 0; o < n_out; o++)
        for (uint32_t i = 0; i < n_in; i++)
            w.push_back(o % 3 == 0   ? top
                        : o % 3 == 1 ? -top
                                     : static_cast<int32_t>(7919 * i + 31 * o) % 262143 - 131071);
    return w;
}

// `composed`: from multiplications by constants.
mzv_status run_matmul(mzv_stream *s, Arena &m, mzv_basis basis, uint32_t n_out, uint32_t n_in,
                      bool composed = false) {
    const std::vector<int32_t> w = weights_of(n_out, n_in);
    const std::vector<double> doubles(w.begin(), w.end());
    const mzv_poly r = m.out(n_out, basis);
    const mzv_cpoly a = m.cin(n_in, basis);
    const mzv_matrix matrix = { n_out, n_in, w.data(), reinterpret_cast<const uint64_t *>(doubles.data()) };
    return composed ? mzv_matmul_composed(s, r, a, &matrix) : mzv_poly_matmul(s, r, a, &matrix);
}

// A key switch of `level` limbs by three special primes to r without the last `drop` primes, or modulo all
// primes of the key. `adds`: nothing, to both halves in the basis of d, to the first one alone, modulo the
// key's basis.
struct Switch {
    uint16_t level, drop;
    bool extended, kept_digits;
    uint32_t galois;
    enum { kNothing, kBoth, kFirst, kExtended } adds;
    bool accumulates = false;
};

mzv_status run_key_switch(mzv_stream *s, Arena &m, const Switch &c, uint32_t batch, uint32_t other) {
    const uint16_t n_digits = (c.level + 2) / 3, left = c.level - c.drop;
    const mzv_basis key_basis = { 3, 0, c.level }, q = { 0, 0, c.level }, low = { 0, 0, left };
    const mzv_basis to = c.extended ? key_basis : low, added = c.adds == Switch::kExtended ? key_basis : q;
    mzv_poly r[2] = { m.in(batch, to), m.in(batch, to) };
    const mzv_cpoly d = m.cin(other, q);
    std::vector<mzv_cpoly> key, digits, add;
    for (uint32_t j = 0; j < 2u * n_digits; j++) key.push_back(m.cin(1, key_basis));
    for (uint32_t j = 0; c.kept_digits && j < n_digits; j++) digits.push_back(m.cin(batch, key_basis));
    for (uint32_t t = 0; t < 2; t++) add.push_back(m.cin(batch, added));
    if (c.adds == Switch::kFirst) add[1].base = nullptr;
    const mzv_switch with = { key.data(),
                              n_digits,
                              c.kept_digits ? digits.data() : nullptr,
                              c.adds == Switch::kNothing ? nullptr : add.data(),
                              c.galois,
                              c.accumulates };
    return mzv_poly_key_switch(s, r, d, &with);
}

void add_key_switches(std::vector<Named> *list, uint16_t level, uint32_t batch, uint32_t other) {
    const Switch all[] = { { level, 0, false, false, 1, Switch::kNothing },
                           { level, 0, false, false, 5, Switch::kFirst },
                           { level, 1, false, false, 1, Switch::kBoth },
                           { level, 2, false, true, 3, Switch::kExtended },
                           { level, 0, true, false, 5, Switch::kExtended },
                           { level, 0, true, true, 1, Switch::kBoth },
                           { level, 0, true, false, 3, Switch::kFirst, true },
                           { level, 0, true, false, 1, Switch::kNothing, true },
                           { level, 1, false, false, 5, Switch::kBoth, true },
                           { level, 0, false, false, 1, Switch::kFirst, true } };
    for (const Switch &c : all)
        if (c.drop < level)
            list->push_back({ "key_switch", [=](mzv_stream *s, Arena &m) {
                                 return run_key_switch(s, m, c, batch, other);
                             } });
}

void add_fused(std::vector<Named> *list, mzv_basis basis, uint32_t batch, uint32_t other,
               uint32_t most_terms) {
    list->push_back({ "tensor", [=](mzv_stream *s, Arena &m) {
                         mzv_poly d[3] = { m.out(batch, basis), m.out(batch, basis), m.out(batch, basis) };
                         const mzv_cpoly a[2] = { m.cin(batch, basis), m.cin(batch, basis) };
                         const mzv_cpoly b[2] = { m.cin(other, basis), m.cin(other, basis) };
                         return mzv_poly_tensor(s, d, a, b);
                     } });
    for (const uint32_t n : { 1u, 7u, 9u, most_terms })
        list->push_back({ "dot of " + std::to_string(n), [=](mzv_stream *s, Arena &m) {
                             const mzv_poly r = m.out(batch, basis);
                             std::vector<mzv_cpoly> a, w;
                             for (uint32_t i = 0; i < n; i++) {
                                 a.push_back(m.cin(i % 2 ? batch : other, basis));
                                 w.push_back(m.cin(1, basis));
                             }
                             return mzv_poly_dot(s, r, a.data(), w.data(), n);
                         } });
    for (const uint32_t n : { 1u, 3u })
        list->push_back({ "key_product of " + std::to_string(n), [=](mzv_stream *s, Arena &m) {
                             mzv_poly r[2] = { m.out(batch, basis), m.out(batch, basis) };
                             std::vector<mzv_cpoly> d, key;
                             for (uint32_t j = 0; j < n; j++) d.push_back(m.cin(batch, basis));
                             for (uint32_t j = 0; j < 2 * n; j++) key.push_back(m.cin(1, basis));
                             return mzv_poly_key_product(s, r, d.data(), key.data(), n);
                         } });
    list->push_back(
        { "rotation_sums", [=](mzv_stream *s, Arena &m) { return run_rotation_sums(s, m, basis, batch); } });
    for (const auto &[n_out, n_in] :
         std::vector<std::pair<uint32_t, uint32_t>> { { 1, 1 }, { 6, 5 }, { 3, 12 }, { 8, 2 } })
        list->push_back({ "matmul", [=, rows = n_out, terms = n_in](mzv_stream *s, Arena &m) {
                             return run_matmul(s, m, basis, rows, terms);
                         } });
    list->push_back({ "fold", [=](mzv_stream *s, Arena &m) { return run_fold(s, m, basis, batch, 2); } });
}

// At most two primes of 60 bits among those below the limit of the FP64 kernels.
std::vector<uint64_t> primes_of(uint32_t log_n, uint32_t n, const std::string &kind) {
    const uint64_t two_n = UINT64_C(2) << log_n;
    uint64_t limit = log_n == 17 ? UINT64_C(354360000000000) : UINT64_C(375300000000000);
    std::vector<uint64_t> primes(n);
    for (auto &p : primes) {
        EXPECT_EQ(mzv_prime_below(&p, limit, two_n), MZV_OK);
        EXPECT_TRUE(mzv_cpu_fp64_fits(p, log_n));
        limit = p;
    }
    if (kind == "mixed") {
        EXPECT_EQ(mzv_prime_below(&primes[1], UINT64_C(1) << 61, two_n), MZV_OK);
        EXPECT_EQ(mzv_prime_below(&primes[n - 2], UINT64_C(1) << 60, two_n), MZV_OK);
        EXPECT_EQ(mzv_prime_below(&primes[n - 1], UINT64_C(1) << 30, two_n), MZV_OK);
    }
    return primes;
}

// All operations over bases of up to 3 + n_q primes. At large N: one polynomial, and few terms.
std::vector<Named> operations_of(uint32_t n_q, bool large) {
    std::vector<Named> list;
    const auto q_of = [](uint32_t n) { return static_cast<uint16_t>(n); };
    const mzv_basis all = { 3, 0, q_of(n_q) }, few = { 1, 1, 2 }, top = { 0, 0, 1 }, digit = { 0, 1, 2 };
    for (const auto &[batch, other] :
         std::vector<std::pair<uint32_t, uint32_t>> { { 1, 1 }, { 3, 1 }, { 3, 3 } }) {
        if (large && batch > 1) continue;
        add_pointwise(&list, large ? all : few, batch, other);
        add_rowwise(&list, all, batch, other);
        add_fused(&list, few, batch, other, large ? 9 : 35);
        for (uint32_t level = 1; level <= n_q; level++) { // every level, with and without special primes
            const mzv_basis pq = { 3, 0, q_of(level) };
            add_change(&list, { 0, 0, q_of(level) }, pq, batch, other);
            add_change(&list, top, pq, batch, other);
            if (level > 1) add_change(&list, { 0, 0, q_of(level - 1) }, pq, batch, other);
        }
        for (uint32_t level = large ? n_q : 1; level <= n_q; level++)
            add_key_switches(&list, q_of(level), batch, other);
        add_change(&list, digit, all, batch, other);
        add_change(&list, digit, { 2, 0, 3 }, batch, other);
        add_change(&list, all, all, batch, other);
        add_change(&list, { 1, 0, 0 }, { 3, 2, 1 }, batch, other);
    }
    return list;
}

struct Shape {
    std::string variant, kind;
    uint32_t log_n;
    Values values;
    int threads;
};
void PrintTo(const Shape &s, std::ostream *out) { *out << s.variant << " " << s.kind << " 2^" << s.log_n; }

const mzv_cpu_kernels *kernels_of(const std::string &variant) {
#ifdef MZV_TEST_SIMDE
    if (variant == "simde") return &mzv_cpu_avx512_simde;
    if (variant == "ifma-simde") return &mzv_cpu_avx512ifma_simde;
#endif
    const mzv_cpu_kernels *kernels = nullptr;
    return mzv_cpu_variant_find(&kernels, variant.c_str()) == MZV_OK ? kernels : nullptr;
}

class Parity : public ::testing::TestWithParam<Shape> {};

void compare(const Named &operation, Device &reference, Device &device, Arena *expected, Arena *found) {
    expected->restart();
    found->restart();
    ASSERT_EQ(operation.run(reference.stream, *expected), MZV_OK)
        << operation.name << ": " << mzv_last_error();
    ASSERT_EQ(operation.run(device.stream, *found), MZV_OK) << operation.name << ": " << mzv_last_error();
    ASSERT_EQ(expected->used(), found->used());
    size_t offset_e = (64 - reinterpret_cast<uintptr_t>(expected->words().data()) % 64) / 8 % 8;
    size_t offset_f = (64 - reinterpret_cast<uintptr_t>(found->words().data()) % 64) / 8 % 8;
    for (size_t k = 0; k < expected->used(); k++)
        ASSERT_EQ(expected->words()[offset_e + k], found->words()[offset_f + k])
            << operation.name << ": word " << k;
}

TEST_P(Parity, EveryOperation) {
    const Shape &shape = GetParam();
    const mzv_cpu_kernels *kernels = kernels_of(shape.variant);
    if (kernels == nullptr) GTEST_SKIP() << "this machine has no " << shape.variant;
    const bool large = shape.log_n >= 15;
    const uint32_t n_p = 3, n_q = large ? 3 : 5;
    const std::vector<uint64_t> primes = primes_of(shape.log_n, n_p + n_q, shape.kind);
    const mzv_chain chain = { shape.log_n, n_p, n_q, primes.data() };
    Device reference(chain, &mzv_cpu_scalar), device(chain, kernels);

    const std::vector<Named> operations = operations_of(n_q, large);
    omp_set_num_threads(shape.threads);
    Arena expected(chain, size_t { large ? 120u : 510u } << shape.log_n, shape.values);
    Arena found(chain, size_t { large ? 120u : 510u } << shape.log_n, shape.values);
    for (const Named &operation : operations) {
        compare(operation, reference, device, &expected, &found);
        if (HasFatalFailure()) return;
    }
    omp_set_num_threads(1);
}

// More terms than one sum takes, all operands at their largest: against products by constants, which the
// scalar kernels do in integers.
TEST(Matmul, MoreTermsThanOneSumTakes) {
    for (const char *variant : { "scalar", "avx2", "avx512", "avx512ifma", "simde", "ifma-simde" }) {
        const mzv_cpu_kernels *kernels = kernels_of(variant);
        if (kernels == nullptr) continue; // the scalar ones are everywhere
        SCOPED_TRACE(variant);
        const uint32_t log_n = 10, n_in = 2050;
        const std::vector<uint64_t> primes = primes_of(log_n, 1, "fp64");
        const mzv_chain chain = { log_n, 0, 1, primes.data() };
        const mzv_basis basis = { 0, 0, 1 };
        Device reference(chain, &mzv_cpu_scalar), device(chain, kernels);
        ASSERT_EQ(mzv_scratch_reserve(device.stream, size_t { 2048 } << log_n), MZV_OK);
        const Named matmul = { "matmul", [&](mzv_stream *stream, Arena &m) {
                                  return run_matmul(stream, m, basis, 5, n_in, stream == reference.stream);
                              } };
        for (const Values values : { kLargest, kRandom }) {
            Arena expected(chain, (n_in + 6) << log_n, values), found(chain, (n_in + 6) << log_n, values);
            compare(matmul, reference, device, &expected, &found);
        }
    }
}

std::vector<Shape> shapes() {
    std::vector<Shape> list;
    for (const char *variant : { "avx2", "avx512", "avx512ifma", "simde", "ifma-simde" }) {
        for (const uint32_t log_n : { 10u, 11u, 12u })
            list.push_back({ variant, "fp64", log_n, kRandom, log_n == 11 ? 2 : 1 });
        list.push_back({ variant, "fp64", 10, kLargest, 1 });
        list.push_back({ variant, "fp64", 10, kMiddle, 1 });
        list.push_back({ variant, "mixed", 10, kRandom, 1 });
        list.push_back({ variant, "mixed", 10, kLargest, 1 });
        list.push_back({ variant, "fp64", 9, kRandom, 1 }); // below what the vector kernels take
        list.push_back({ variant, "fp64", 13, kRandom, 1 });
    }
    list.push_back({ "avx2", "fp64", 16, kLargest, 2 });
    list.push_back({ "avx2", "fp64", 17, kRandom, 1 });
    list.push_back({ "avx512", "fp64", 16, kLargest, 2 });
    list.push_back({ "avx512ifma", "fp64", 16, kLargest, 2 });
    list.push_back({ "avx512ifma", "fp64", 17, kRandom, 1 });
    return list;
}
INSTANTIATE_TEST_SUITE_P(Cpu, Parity, ::testing::ValuesIn(shapes()));

} // namespace
