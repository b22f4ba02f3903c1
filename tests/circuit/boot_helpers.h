/* What tests of bootstrapping share: a machine with a boot and the keys that its measurement asked for,
 * messages, errors in bits. */
#ifndef MZV_TEST_BOOT_HELPERS_H
#define MZV_TEST_BOOT_HELPERS_H
#include "circuit/boot.h"
#include "circuit/circuit_fixture.h"

namespace boot_test {

using circuit_test::Machine;
using circuit_test::Slots;

inline mzv_params named(const char *name) {
    mzv_params p = {};
    EXPECT_EQ(mzv_params_named(&p, name), MZV_OK) << mzv_last_error();
    return p;
}

inline mzv_param_facts facts_of(const mzv_params &p) {
    mzv_param_facts f = {};
    EXPECT_EQ(mzv_params_check(&p, &f), MZV_OK) << mzv_last_error();
    return f;
}

inline mzv_boot_spec coeffs_first(bool spread = false, uint32_t n_slots = 0) {
    mzv_boot_spec s = {};
    s.order = MZV_BOOT_COEFFS_FIRST;
    s.spread = spread;
    s.n_slots = n_slots;
    return s;
}

inline mzv_boot_spec slots_first(uint32_t n_slots = 0) {
    mzv_boot_spec s = {};
    s.order = MZV_BOOT_SLOTS_FIRST;
    s.n_slots = n_slots;
    return s;
}

/* A name for a message of a failed test. */
inline std::string name_of(const mzv_boot_spec &s) {
    std::string text = s.order == MZV_BOOT_SLOTS_FIRST ? "slots_first" : s.spread ? "spread" : "coeffs_first";
    text += ", " + std::to_string(s.n_slots) + " slots, magnitude " + std::to_string(s.magnitude);
    return text + ", " + std::to_string(s.iterations) + " iterations";
}

/* An evaluator with a boot on it. ckks: exactly the keys and the scratch of mzv_boot_measure. */
struct Boots {
    Machine m;
    mzv_boot *boot = nullptr;
    mzv_circuit_cost cost = {};

    Boots() = default;
    Boots(const Boots &) = delete;
    Boots &operator=(const Boots &) = delete;
    ~Boots() { mzv_boot_destroy(boot); }

    void ckks(const mzv_params &params, const mzv_boot_spec &spec, uint32_t batch = 1, size_t more = 0) {
        mzv_key_request *request = nullptr;
        ASSERT_EQ(mzv_key_request_create(&request), MZV_OK);
        ASSERT_EQ(mzv_boot_measure(&cost, request, &params, &spec), MZV_OK) << mzv_last_error();
        m.ckks(params, request, batch * cost.counts.peak_bytes + more);
        mzv_key_request_destroy(request);
        ASSERT_EQ(mzv_boot_create(&boot, m.ev, &spec), MZV_OK) << mzv_last_error();
    }
    /* seed 0: exact but for EvalMod's bend. */
    void clear(const mzv_params &params, const mzv_boot_spec &spec, uint64_t seed, uint32_t batch = 1) {
        m.clear(params, seed, (size_t)batch * 64 * 16 << (params.log_n - 1));
        ASSERT_EQ(mzv_boot_create(&boot, m.ev, &spec), MZV_OK) << mzv_last_error();
    }
    const mzv_boot_facts &facts() const { return *mzv_boot_about(boot); }

    mzv_status run(mzv_cipher *out, const mzv_cipher *a) { return mzv_boot_run(m.ev, out, a, boot); }
    /* The message after one bootstrap from `level`, or the lowest. */
    Slots refreshed(const Slots &message, uint32_t level = UINT32_MAX) {
        const mzv_cipher *a = m.put(message, level == UINT32_MAX ? facts().in_level : level);
        mzv_cipher *out = m.empty(facts().out_level, mzv_cipher_batch(a));
        EXPECT_EQ(run(out, a), MZV_OK) << mzv_last_error();
        EXPECT_EQ(mzv_cipher_level(out), facts().out_level);
        return m.get(out);
    }
};

struct Error {
    double mean = 0, worst = 0;     /* |error| of a slot */
    double deviation = 0, part = 0; /* root mean square of one part; the largest part */
    double mean_bits() const { return -std::log2(mean); }
    double worst_bits() const { return -std::log2(worst); }
};

inline Error compare(const Slots &got, const Slots &expected) {
    Error e;
    double squares = 0;
    for (size_t i = 0; i < expected.size(); i++) {
        const std::complex<double> d = got[i] - expected[i];
        e.mean += std::abs(d) / (double)expected.size();
        e.worst = std::fmax(e.worst, std::abs(d));
        e.part = std::fmax(e.part, std::fmax(std::fabs(d.real()), std::fabs(d.imag())));
        squares += std::norm(d);
    }
    e.deviation = std::sqrt(squares / (2 * (double)expected.size()));
    return e;
}

/* `n` slots of period m, parts uniform in [-magnitude, magnitude]. */
inline Slots complex_slots(size_t n, size_t m, double magnitude, uint32_t seed) {
    std::mt19937_64 engine(seed);
    std::uniform_real_distribution<double> part(-magnitude, magnitude);
    Slots z(n);
    for (size_t i = 0; i < m; i++) {
        const double re = part(engine), im = part(engine);
        z[i] = { re, im };
    }
    for (size_t i = m; i < n; i++) z[i] = z[i - m];
    return z;
}

inline Slots real_slots(size_t n, size_t m, double magnitude, uint32_t seed) {
    Slots z = complex_slots(n, m, magnitude, seed);
    for (auto &slot : z) slot = slot.real();
    return z;
}

/* The prediction for `n_messages` messages: for few slots that of as many draws, for many one stands for all.
 */
inline mzv_boot_precision predicted(const mzv_params &params, const mzv_boot_spec &spec,
                                    uint32_t n_messages) {
    double mean = 0, worst_bits = INFINITY;
    const uint32_t n_draws = n_messages > 2 ? n_messages : 1;
    for (uint32_t i = 0; i < n_draws; i++) {
        mzv_boot_precision p = {};
        EXPECT_EQ(mzv_boot_predict(&p, &params, &spec, 7 + i), MZV_OK) << mzv_last_error();
        mean += std::exp2(-p.mean_bits) / n_draws;
        worst_bits = std::fmin(worst_bits, p.worst_bits);
    }
    return { -std::log2(mean), worst_bits };
}

/* Slots first, a coefficient with I = 6 has the noise of 500 divisions against 43
 * (docs/bootstrapping.md), 3.5 bits: by chance few slots have one, in the run or in the prediction. One of
 * 2000 is such. */
inline double worst_tolerance(const mzv_boot_spec &s, uint32_t n_slots) {
    return s.order == MZV_BOOT_SLOTS_FIRST && s.iterations < 2 && n_slots < 4000 ? 2 + 3.5 : 2;
}

/* Within two bits each way of what mzv_boot_predict says. n_slots: different ones, of all messages. */
inline void expect_predicted(const Error &e, const mzv_params &params, const mzv_boot_spec &spec,
                             uint32_t n_messages = 1, uint32_t n_slots = UINT32_MAX) {
    const mzv_boot_precision p = predicted(params, spec, n_messages);
    EXPECT_NEAR(e.mean_bits(), p.mean_bits, 2) << name_of(spec);
    EXPECT_NEAR(e.worst_bits(), p.worst_bits, worst_tolerance(spec, n_slots)) << name_of(spec);
    printf("    %s: mean %.2f bits (predicted %.2f), worst %.2f (%.2f)\n", name_of(spec).c_str(),
           e.mean_bits(), p.mean_bits, e.worst_bits(), p.worst_bits);
}

} // namespace boot_test
#endif
