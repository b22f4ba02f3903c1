// What the evaluator tests share: toy parameters, slots, a table of operations with their meaning in plain
// complex arithmetic and their noise, and the three kinds of evaluator behind one interface.
#pragma once
#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "ckks/context.h"
#include "ckks/evaluator.h"
#include "ckks/noise.h"
#include "ckks/plain.h"
#include "mzv/mzv.h"

namespace eval {

using Slot = std::complex<double>;
using Slots = std::vector<Slot>;

#define EVAL_OK(call) ASSERT_EQ(call, MZV_OK) << mzv_last_error()

// How far one slot may be out. Most noise is e(zeta) s(zeta), e an error and s the secret: a product of two
// complex Gaussians, whose real part is Laplace, P(|x| > k deviations) = exp(-sqrt(2) k). 20 of them: 2^-40.
constexpr double kDeviations = 20;
// How far the root mean square of 1024 values or more may be out: that of Laplace values has a relative
// deviation of sqrt(5 / 1024) / 2 = 0.035; seven of them.
constexpr double kSpread = 1.25;

// Insecure: ten times more levels and digits than slots would allow.
inline mzv_params toy(uint32_t log_n = 10) {
    mzv_params p = {};
    p.log_n = log_n;
    p.n_levels = 5;
    p.log_q0 = 48;
    p.log_scale = 40;
    p.n_special = 2;
    p.log_special = 48;
    p.insecure_toy = true;
    return p;
}

template <typename T> using Owned = std::unique_ptr<T, void (*)(T *)>;

inline mzv_complex as_c(Slot x) {
    mzv_complex r;
    __real__ r = x.real();
    __imag__ r = x.imag();
    return r;
}
inline const mzv_complex *as_c(const Slots &x) { return reinterpret_cast<const mzv_complex *>(x.data()); }
inline mzv_complex *as_c(Slots &x) { return reinterpret_cast<mzv_complex *>(x.data()); }

// Uniform in the disc of radius 1: products stay within it.
inline Slots random_slots(size_t n, uint32_t seed) {
    std::mt19937_64 rng(seed);
    std::uniform_real_distribution<double> unit(0, 1);
    Slots x(n);
    for (auto &v : x) v = std::polar(std::sqrt(unit(rng)), 6.283185307179586 * unit(rng));
    return x;
}

// Entry b of a batch, for functions that know one vector.
inline Slots each(const Slots &a, const Slots &b, size_t n,
                  const std::function<Slots(const Slots &, const Slots &)> &f) {
    Slots out;
    for (size_t at = 0; at < a.size(); at += n) {
        const Slots r =
            f(Slots(a.begin() + at, a.begin() + at + n), Slots(b.begin() + at, b.begin() + at + n));
        out.insert(out.end(), r.begin(), r.end());
    }
    return out;
}

inline Slots rotated(const Slots &a, int64_t steps) {
    const int64_t n = static_cast<int64_t>(a.size());
    Slots r(a.size());
    for (int64_t i = 0; i < n; i++) r[i] = a[((i + steps) % n + n) % n];
    return r;
}

struct Noise {
    const mzv_params &p;
    const mzv_param_facts &f;
    uint32_t level;
    double fresh() const { return mzv_noise_fresh(&p, &f, level); }
    double rescale() const { return mzv_noise_rescale(&p, &f, level - 1); }
    double key_switch() const { return mzv_noise_key_switch(&p, &f, level); }
    double key_product() const { return mzv_noise_key_product(&p, &f, level, f.scale[level]); }
    double mod_down() const { return mzv_noise_mod_down(&p, p.n_special, f.scale[level]); }
    double mul() const { return mzv_noise_mul(&p, &f, level); }
    double encode() const { return mzv_noise_encode(&p, f.scale[level]); }
};

// An operation of two operands, its meaning, and the deviation of its result: gain times that of a fresh
// ciphertext, and what it adds itself.
struct Operation {
    std::string name;
    uint32_t spend;
    std::function<mzv_status(mzv_evaluator *, mzv_cipher *, const mzv_cipher *, const mzv_cipher *)> run;
    std::function<Slots(const Slots &, const Slots &)> meaning;
    double gain;
    std::function<double(const Noise &)> added;
};

inline Slots mapped(const Slots &a, const Slots &b, const std::function<Slot(Slot, Slot)> &f) {
    Slots r(a.size());
    for (size_t i = 0; i < a.size(); i++) r[i] = f(a[i], b[i]);
    return r;
}

inline Operation
slotwise(const std::string &name, uint32_t spend,
         std::function<mzv_status(mzv_evaluator *, mzv_cipher *, const mzv_cipher *, const mzv_cipher *)> run,
         std::function<Slot(Slot, Slot)> f, double gain, std::function<double(const Noise &)> added) {
    return { name,           spend,
             std::move(run), [f](const Slots &a, const Slots &b) { return mapped(a, b, f); },
             gain,           std::move(added) };
}

inline Slots weights(size_t n) { return random_slots(n, 77); }

inline mzv_status with_plain(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, mzv_plain_use use,
                             bool keep) {
    const Slots w = weights(mzv_evaluator_slots(ev));
    mzv_plain *p = nullptr;
    mzv_status status = mzv_plain_create(&p, ev, as_c(w), mzv_cipher_level(a), use);
    if (status == MZV_OK && keep) status = mzv_plain_keep(p, false);
    if (status == MZV_OK)
        status = use == MZV_PLAIN_ADD ? mzv_add_plain(ev, out, a, p) : mzv_mul_plain(ev, out, a, p);
    mzv_plain_destroy(p);
    return status;
}

inline std::vector<int32_t> many_steps() {
    std::vector<int32_t> steps;
    for (int32_t i = 1; i <= 20; i++) steps.push_back(i * 7 - 70); // 20 of them, one of which is 0
    return steps;
}

inline Slots rotation_sum(const Slots &a, const std::vector<int32_t> &steps) {
    Slots sum = a;
    for (const int32_t s : steps) {
        const Slots r = rotated(a, s);
        for (size_t i = 0; i < sum.size(); i++) sum[i] += r[i];
    }
    return sum;
}

inline void add_linear_operations(std::vector<Operation> &ops) {
    using E = mzv_evaluator;
    using C = mzv_cipher;
    const auto none = [](const Noise &) { return 0.0; };
    ops.push_back(slotwise(
        "copy", 0, [](E *e, C *o, const C *a, const C *) { return mzv_copy(e, o, a); },
        [](Slot a, Slot) { return a; }, 1, none));
    ops.push_back(slotwise(
        "add", 0, [](E *e, C *o, const C *a, const C *b) { return mzv_add(e, o, a, b); },
        [](Slot a, Slot b) { return a + b; }, std::sqrt(2), none));
    ops.push_back(slotwise(
        "sub", 0, [](E *e, C *o, const C *a, const C *b) { return mzv_sub(e, o, a, b); },
        [](Slot a, Slot b) { return a - b; }, std::sqrt(2), none));
    ops.push_back(slotwise(
        "negate", 0, [](E *e, C *o, const C *a, const C *) { return mzv_negate(e, o, a); },
        [](Slot a, Slot) { return -a; }, 1, none));
    ops.push_back(slotwise(
        "add_const", 0,
        [](E *e, C *o, const C *a, const C *) { return mzv_add_const(e, o, a, as_c(Slot(0.3, -0.7))); },
        [](Slot a, Slot) { return a + Slot(0.3, -0.7); }, 1, none));
    ops.push_back(slotwise(
        "mul_integer", 0, [](E *e, C *o, const C *a, const C *) { return mzv_mul_integer(e, o, a, -3); },
        [](Slot a, Slot) { return -3.0 * a; }, 3, none));
    for (const uint32_t quarter : { 0u, 1u, 2u, 3u }) {
        const Slot factor = std::pow(Slot(0, 1), static_cast<int>(quarter));
        ops.push_back(slotwise(
            "mul_monomial " + std::to_string(quarter), 0,
            [quarter](E *e, C *o, const C *a, const C *) {
                return mzv_mul_monomial(e, o, a, quarter * mzv_evaluator_slots(e));
            },
            [factor](Slot a, Slot) { return factor * a; }, 1, none));
    }
    ops.push_back(
        { "add_plain", 0,
          [](E *e, C *o, const C *a, const C *) { return with_plain(e, o, a, MZV_PLAIN_ADD, false); },
          [](const Slots &a, const Slots &) {
              return mapped(a, weights(a.size()), [](Slot x, Slot w) { return x + w; });
          },
          1, [](const Noise &n) { return n.encode(); } });
}

inline void add_products(std::vector<Operation> &ops) {
    using E = mzv_evaluator;
    using C = mzv_cipher;
    for (const bool keep : { false, true })
        ops.push_back(
            { keep ? "mul_plain kept" : "mul_plain", 1,
              [keep](E *e, C *o, const C *a, const C *) { return with_plain(e, o, a, MZV_PLAIN_MUL, keep); },
              [](const Slots &a, const Slots &) {
                  return mapped(a, weights(a.size()), [](Slot x, Slot w) { return x * w; });
              },
              1, [](const Noise &n) { return std::hypot(n.encode(), n.rescale()); } });
    ops.push_back(slotwise(
        "mul_const", 1, [](E *e, C *o, const C *a, const C *) { return mzv_mul_const(e, o, a, -1.7); },
        [](Slot a, Slot) { return -1.7 * a; }, 1.7, [](const Noise &n) { return n.rescale(); }));
    ops.push_back(slotwise(
        "combine", 1,
        [](E *e, C *o, const C *a, const C *b) {
            const C *const terms[] = { a, b };
            const double c[] = { 0.5, -2 };
            return mzv_combine(e, o, terms, c, 2, 0.25);
        },
        [](Slot a, Slot b) { return 0.5 * a - 2.0 * b + 0.25; }, std::hypot(0.5, 2),
        [](const Noise &n) { return n.rescale(); }));
    ops.push_back(slotwise(
        "mul", 1, [](E *e, C *o, const C *a, const C *b) { return mzv_mul(e, o, a, b); },
        [](Slot a, Slot b) { return a * b; }, std::sqrt(2), [](const Noise &n) { return n.mul(); }));
    ops.push_back(slotwise(
        "square", 1, [](E *e, C *o, const C *a, const C *) { return mzv_mul(e, o, a, a); },
        [](Slot a, Slot) { return a * a; }, 2, [](const Noise &n) { return n.mul(); }));
    ops.push_back(slotwise(
        "dot", 1,
        [](E *e, C *o, const C *a, const C *b) {
            const C *const x[] = { a, b }, *const y[] = { b, b };
            return mzv_dot(e, o, x, y, 2);
        },
        [](Slot a, Slot b) { return a * b + b * b; }, std::sqrt(10), // |b|^2 + |a + 2b|^2
        [](const Noise &n) { return n.mul(); }));
    ops.push_back(slotwise(
        "drop", 1,
        [](E *e, C *o, const C *a, const C *) { return mzv_drop(e, o, a, mzv_cipher_level(a) - 1); },
        [](Slot a, Slot) { return a; }, 1, [](const Noise &n) { return n.rescale(); }));
}

inline void add_rotations(std::vector<Operation> &ops) {
    using E = mzv_evaluator;
    using C = mzv_cipher;
    for (const int32_t steps : { 3, -1, 0 })
        ops.push_back({ "rotate " + std::to_string(steps), 0,
                        [steps](E *e, C *o, const C *a, const C *) { return mzv_rotate(e, o, a, steps); },
                        [steps](const Slots &a, const Slots &) { return rotated(a, steps); }, 1,
                        [](const Noise &n) { return n.key_switch(); } });
    ops.push_back(slotwise(
        "conjugate", 0, [](E *e, C *o, const C *a, const C *) { return mzv_conjugate(e, o, a); },
        [](Slot a, Slot) { return std::conj(a); }, 1, [](const Noise &n) { return n.key_switch(); }));
    for (const std::vector<int32_t> &steps : { std::vector<int32_t> { 1, 2, -5 }, many_steps(), { 0 } })
        ops.push_back({ "rotate_sum of " + std::to_string(steps.size()), 0,
                        [steps](E *e, C *o, const C *a, const C *) {
                            return mzv_rotate_sum(e, o, a, steps.data(), static_cast<uint32_t>(steps.size()));
                        },
                        [steps](const Slots &a, const Slots &) { return rotation_sum(a, steps); },
                        std::sqrt(steps.size() + 3), // one slot may come twice
                        [steps](const Noise &n) {
                            return std::hypot(std::sqrt(steps.size()) * n.key_product(), n.mod_down());
                        } });
}

// Every operation that is a function of slots.
inline std::vector<Operation> operations() {
    std::vector<Operation> ops;
    add_linear_operations(ops);
    add_products(ops);
    add_rotations(ops);
    return ops;
}

// A context with a secret and the keys of all operations() at every level.
class Ckks : public ::testing::Test {
  protected:
    explicit Ckks(const mzv_params &p = toy()) : params(p) {}

    void SetUp() override {
        mzv_options options = {};
        options.n_threads = params.log_n < 12 ? 1 : 0; // rows this short gain nothing from threads
        EVAL_OK(mzv_context_create(&ctx, &params, &options));
        EVAL_OK(mzv_secret_create(&secret, ctx));
        EVAL_OK(mzv_key_request_create(&request));
        ask_keys();
        EVAL_OK(mzv_keys_create(&keys, secret, request));
        EVAL_OK(mzv_evaluator_create(&ev, ctx, keys, 0));
        n = mzv_context_slots(ctx);
    }

    void ask_keys() {
        const uint32_t top = params.n_levels;
        EVAL_OK(mzv_request_relinearize(request, top));
        EVAL_OK(mzv_request_conjugate(request, top));
        for (const int32_t s : { 3, -1, 1, 2, -5 }) EVAL_OK(mzv_request_rotate(request, s, top));
        for (const int32_t s : many_steps()) {
            if (s == 0) continue;
            EVAL_OK(mzv_request_rotate(request, s, top));
        }
    }

    void TearDown() override {
        mzv_evaluator_destroy(ev);
        mzv_keys_destroy(keys);
        mzv_key_request_destroy(request);
        mzv_secret_destroy(secret);
        mzv_context_destroy(ctx);
    }

    Owned<mzv_cipher> cipher(uint32_t level, uint32_t batch) {
        mzv_cipher *ct = nullptr;
        EXPECT_EQ(mzv_evaluator_cipher(&ct, ev, level, batch), MZV_OK) << mzv_last_error();
        return { ct, mzv_cipher_destroy };
    }

    Owned<mzv_cipher> encrypted(const Slots &slots, uint32_t level) {
        auto ct = cipher(level, static_cast<uint32_t>(slots.size() / n));
        EXPECT_EQ(mzv_encrypt(ct.get(), secret, as_c(slots), level), MZV_OK) << mzv_last_error();
        return ct;
    }

    Slots decrypted(const mzv_cipher *ct) {
        Slots slots(n * mzv_cipher_batch(ct));
        EXPECT_EQ(mzv_decrypt(as_c(slots), secret, ct), MZV_OK) << mzv_last_error();
        return slots;
    }

    // All words in use.
    std::vector<uint64_t> words(const mzv_cipher *ct) {
        const size_t part = (size_t { ct->level } + 1) << params.log_n;
        std::vector<uint64_t> all(2 * ct->batch * part);
        for (uint32_t t = 0; t < 2; t++)
            for (uint32_t b = 0; b < ct->batch; b++)
                EXPECT_EQ(mzv_cipher_read(ct, all.data() + (t * ct->batch + b) * part, t, b), MZV_OK);
        return all;
    }

    void expect_near(const Slots &found, const Slots &expected, double deviation, const std::string &what) {
        ASSERT_EQ(found.size(), expected.size());
        double worst = 0, squares = 0;
        for (size_t i = 0; i < found.size(); i++) {
            const Slot d = found[i] - expected[i];
            squares += std::norm(d);
            worst = std::max(worst, std::max(std::fabs(d.real()), std::fabs(d.imag())));
        }
        const double spread = std::sqrt(squares / 2 / static_cast<double>(found.size()));
        EXPECT_LE(worst, kDeviations * deviation) << what << ": " << worst / deviation << " deviations";
        EXPECT_LE(spread, kSpread * deviation) << what;
    }

    Noise noise(uint32_t level) const { return { params, *mzv_context_facts(ctx), level }; }
    // Rounding of constants, of the slots' doubles and of decoding, for results below 32.
    double rounding() const { return 0x1p-39; }

    mzv_params params;
    mzv_context *ctx = nullptr;
    mzv_secret *secret = nullptr;
    mzv_key_request *request = nullptr;
    mzv_keys *keys = nullptr;
    mzv_evaluator *ev = nullptr;
    size_t n = 0;
};

} // namespace eval
