// Owners of the library's handles, toy parameter sets and random slots: what tests of ckks and above share.
#pragma once
#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "ckks/context.h"

namespace mzv_test {

template <typename T, void (*Destroy)(T *)> struct Deleter {
    void operator()(T *p) const { Destroy(p); }
};
template <typename T, void (*Destroy)(T *)> using Handle = std::unique_ptr<T, Deleter<T, Destroy>>;
using Context = Handle<mzv_context, mzv_context_destroy>;
using Secret = Handle<mzv_secret, mzv_secret_destroy>;
using Public = Handle<mzv_public, mzv_public_destroy>;
using Keys = Handle<mzv_keys, mzv_keys_destroy>;
using Request = Handle<mzv_key_request, mzv_key_request_destroy>;
using Cipher = Handle<mzv_cipher, mzv_cipher_destroy>;
using Slots = std::vector<std::complex<double>>;

inline const mzv_complex *raw(const Slots &slots) {
    return reinterpret_cast<const mzv_complex *>(slots.data());
}
inline mzv_complex *raw(Slots &slots) { return reinterpret_cast<mzv_complex *>(slots.data()); }

#define MZV_OKAY(call) ASSERT_EQ(call, MZV_OK) << mzv_last_error()

// Not secure: for tests only.
inline mzv_params toy(uint32_t log_n, uint32_t n_levels = 3, uint32_t n_special = 2) {
    mzv_params p = {};
    p.log_n = log_n;
    p.n_levels = n_levels;
    p.log_q0 = 48;
    p.log_scale = 38;
    p.n_special = n_special;
    p.log_special = 48;
    p.insecure_toy = true;
    return p;
}

inline Context make_context(const mzv_params &params) {
    mzv_context *ctx = nullptr;
    mzv_options options = {};
    options.backend = "cpu";
    EXPECT_EQ(mzv_context_create(&ctx, &params, &options), MZV_OK) << mzv_last_error();
    return Context(ctx);
}

inline Secret make_secret(const Context &ctx) {
    mzv_secret *secret = nullptr;
    EXPECT_EQ(mzv_secret_create(&secret, ctx.get()), MZV_OK) << mzv_last_error();
    return Secret(secret);
}

inline Cipher make_cipher(const Context &ctx, uint32_t level, uint32_t batch = 1) {
    mzv_cipher *ct = nullptr;
    EXPECT_EQ(mzv_cipher_create(&ct, ctx.get(), level, batch), MZV_OK) << mzv_last_error();
    return Cipher(ct);
}

inline Request make_request() {
    mzv_key_request *request = nullptr;
    EXPECT_EQ(mzv_key_request_create(&request), MZV_OK) << mzv_last_error();
    return Request(request);
}

// Real and imaginary parts uniform on [-1, 1].
inline Slots random_slots(size_t n, uint64_t seed) {
    std::mt19937_64 rng(seed);
    std::uniform_real_distribution<double> part(-1, 1);
    Slots slots(n);
    for (auto &z : slots) z = { part(rng), part(rng) };
    return slots;
}

// Root mean square over real and imaginary parts of a - b: what noise.h speaks of.
inline double part_deviation(const Slots &a, const Slots &b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); i++) sum += std::norm(a[i] - b[i]);
    return std::sqrt(sum / (2.0 * (double)a.size()));
}

inline double largest_part(const Slots &a, const Slots &b) {
    double worst = 0;
    for (size_t i = 0; i < a.size(); i++) {
        worst =
            std::max({ worst, std::fabs(a[i].real() - b[i].real()), std::fabs(a[i].imag() - b[i].imag()) });
    }
    return worst;
}

inline std::string vector_path(const char *name) {
    return std::string(MZV_SOURCE_DIR "/tests/vectors/") + name;
}

} // namespace mzv_test
