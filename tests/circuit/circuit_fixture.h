/* Runs circuits on every kind of evaluator: clear (exact, or noisy from a seed) and ckks with keys that the
 * circuit itself asked for. */
#ifndef MZV_TEST_CIRCUIT_FIXTURE_H
#define MZV_TEST_CIRCUIT_FIXTURE_H
#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <complex>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "circuit/circuit.h"

namespace circuit_test {

typedef std::vector<std::complex<double>> Slots; /* batch * n_slots */

inline mzv_params toy(uint32_t n_levels, uint32_t log_scale = 40) {
    mzv_params p = {};
    p.log_n = 11;
    p.n_levels = n_levels;
    p.log_q0 = log_scale + 10;
    p.log_scale = log_scale;
    p.n_special = 5;
    p.log_special = log_scale + 3;
    p.insecure_toy = true;
    return p;
}

inline uint32_t slots_of(const mzv_params &p) { return 1u << (p.log_n - 1); }

/* A circuit with its inputs. `run` writes out; in[i] starts at level[i]. */
struct Job {
    mzv_params params;
    std::vector<Slots> in;
    std::vector<uint32_t> level;
    std::function<mzv_status(mzv_evaluator *, mzv_cipher *, const mzv_cipher *const *)> run;
    std::function<mzv_status(mzv_key_request *)> request;

    mzv_circuit_call call() const {
        mzv_circuit_call c = {};
        c.run = [](void *user, mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *x) {
            return static_cast<const Job *>(user)->run(ev, out, x);
        };
        c.user = const_cast<Job *>(this);
        c.n_in = (uint32_t)level.size();
        for (uint32_t i = 0; i < c.n_in; i++) c.in_level[i] = level[i];
        return c;
    }
    uint32_t batch() const { return (uint32_t)(in[0].size() / slots_of(params)); }
    /* Real inputs in every slot. */
    void add_input(const std::vector<double> &x, uint32_t at) {
        Slots s(slots_of(params));
        for (size_t i = 0; i < s.size(); i++) s[i] = x[i % x.size()];
        in.push_back(s);
        level.push_back(at);
    }
};

inline mzv_circuit_cost measure(const Job &job) {
    mzv_circuit_cost cost = {};
    const mzv_circuit_call call = job.call();
    EXPECT_EQ(mzv_circuit_measure(&cost, nullptr, &job.params, &call), MZV_OK) << mzv_last_error();
    return cost;
}

/* Everything that lives as long as one evaluator. Made by the functions below; frees what it holds. */
struct Machine {
    mzv_context *ctx = nullptr;
    mzv_secret *secret = nullptr;
    mzv_keys *keys = nullptr;
    mzv_evaluator *ev = nullptr;
    std::vector<mzv_cipher *> ciphers;

    /* Rings this small gain nothing from threads, and lose much where other tests keep the cores busy. */
    Machine() { omp_set_num_threads(1); }
    Machine(const Machine &) = delete;
    Machine &operator=(const Machine &) = delete;
    ~Machine() {
        for (mzv_cipher *c : ciphers) mzv_cipher_destroy(c);
        mzv_evaluator_destroy(ev);
        mzv_keys_destroy(keys);
        mzv_secret_destroy(secret);
        mzv_context_destroy(ctx);
    }
    void clear(const mzv_params &params, uint64_t seed, size_t scratch) {
        ASSERT_EQ(ev, nullptr) << "one evaluator a machine";
        ASSERT_EQ(mzv_evaluator_create_clear(&ev, &params, seed, scratch), MZV_OK) << mzv_last_error();
    }
    void ckks(const mzv_params &params, const mzv_key_request *request, size_t scratch) {
        ASSERT_EQ(ev, nullptr) << "one evaluator a machine";
        mzv_options options = {};
        options.backend = "cpu";
        ASSERT_EQ(mzv_context_create(&ctx, &params, &options), MZV_OK) << mzv_last_error();
        ASSERT_EQ(mzv_secret_create(&secret, ctx), MZV_OK) << mzv_last_error();
        ASSERT_EQ(mzv_keys_create(&keys, secret, request), MZV_OK) << mzv_last_error();
        ASSERT_EQ(mzv_evaluator_create(&ev, ctx, keys, scratch), MZV_OK) << mzv_last_error();
    }
    mzv_cipher *empty(uint32_t level, uint32_t batch = 1) {
        mzv_cipher *c = nullptr;
        EXPECT_EQ(mzv_evaluator_cipher(&c, ev, level, batch), MZV_OK) << mzv_last_error();
        ciphers.push_back(c);
        return c;
    }
    mzv_cipher *put(const Slots &slots, uint32_t level) {
        mzv_cipher *c = empty(level, (uint32_t)(slots.size() / mzv_evaluator_slots(ev)));
        const auto *z = reinterpret_cast<const mzv_complex *>(slots.data());
        EXPECT_EQ(secret ? mzv_encrypt(c, secret, z, level) : mzv_clear_set(ev, c, z, level), MZV_OK)
            << mzv_last_error();
        return c;
    }
    Slots get(const mzv_cipher *c) {
        Slots slots((size_t)mzv_evaluator_slots(ev) * mzv_cipher_batch(c));
        auto *z = reinterpret_cast<mzv_complex *>(slots.data());
        EXPECT_EQ(secret ? mzv_decrypt(z, secret, c) : mzv_clear_get(ev, z, c), MZV_OK) << mzv_last_error();
        return slots;
    }
};

inline Slots run_on(Machine &m, const Job &job) {
    std::vector<const mzv_cipher *> x;
    for (size_t i = 0; i < job.in.size(); i++) x.push_back(m.put(job.in[i], job.level[i]));
    mzv_cipher *out = m.empty(mzv_evaluator_max_level(m.ev), job.batch());
    const size_t mark = mzv_ev_mark(m.ev);
    EXPECT_EQ(job.run(m.ev, out, x.data()), MZV_OK) << mzv_last_error();
    EXPECT_EQ(mzv_ev_mark(m.ev), mark) << "temporaries are left behind";
    return m.get(out);
}

/* seed 0: exact. Scratch is what count measured. */
inline Slots run_clear(const Job &job, uint64_t seed = 0) {
    Machine m;
    m.clear(job.params, seed, job.batch() * measure(job).counts.peak_bytes + 8);
    return m.ev ? run_on(m, job) : Slots();
}

inline Slots run_ckks(const Job &job) {
    Machine m;
    mzv_key_request *request = nullptr;
    EXPECT_EQ(mzv_key_request_create(&request), MZV_OK);
    EXPECT_EQ(job.request(request), MZV_OK) << mzv_last_error();
    m.ckks(job.params, request, job.batch() * measure(job).counts.peak_bytes + 8);
    mzv_key_request_destroy(request);
    return m.ev ? run_on(m, job) : Slots();
}

inline double rms(const Slots &a, const Slots &b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); i++) sum += std::norm(a[i] - b[i]);
    return std::sqrt(sum / (double)a.size());
}

inline double worst(const Slots &a, const Slots &b) {
    double w = 0;
    for (size_t i = 0; i < a.size(); i++) w = std::fmax(w, std::abs(a[i] - b[i]));
    return w;
}

/* Encrypted against exact, judged by the noise model: the root mean square error that the noisy clear
 * evaluator predicts is to hold within 2 bits both ways, and no slot to be off by more than 2 bits over 8
 * deviations (for 2^11 Gaussian slots one beyond 8 happens once in 2^37 runs). */
inline void expect_predicted(const Job &job) {
    const Slots exact = run_clear(job), noisy = run_clear(job, 20231), encrypted = run_ckks(job);
    ASSERT_EQ(exact.size(), encrypted.size());
    const double predicted = rms(noisy, exact), found = rms(encrypted, exact);
    EXPECT_GT(predicted, 0);
    EXPECT_LE(found, 4 * predicted);
    EXPECT_GE(found, predicted / 4);
    EXPECT_LE(worst(encrypted, exact), 4 * std::fmax(8 * predicted, worst(noisy, exact)));
}

inline std::vector<double> uniform(size_t n, double a, double b, uint32_t seed) {
    std::mt19937_64 engine(seed);
    std::uniform_real_distribution<double> distribution(a, b);
    std::vector<double> x(n);
    for (double &v : x) v = distribution(engine);
    return x;
}

/* Both ends and equal steps between. */
inline std::vector<double> grid(size_t n, double a, double b) {
    std::vector<double> x(n);
    for (size_t i = 0; i < n; i++) x[i] = a + (b - a) * (double)i / (double)(n - 1);
    return x;
}

} // namespace circuit_test
#endif
