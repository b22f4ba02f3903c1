/* LayerNorm and RMSNorm: known answers (mpmath), layouts with masks, circuits on every kind, refreshed runs;
 * their section of the page. */
#include "circuit/norm.h"

#include <fstream>
#include <memory>

#include "circuit/deep_helpers.h"
#include "circuit/functions_table.h"

using namespace circuit_test;

namespace {

const uint32_t any = MZV_INVERSE_ROOT_AUTO;
const mzv_inverse_root_recipe best = MZV_INVERSE_ROOT_BEST, nexus = MZV_INVERSE_ROOT_NEXUS;

/* Tokens in slots: `used` channels `stride` apart in groups of `group` positions, stride tokens interleaved
 * in each group; every group that fits, but for the tokens left out. */
struct Layout {
    uint32_t stride, used, group, n_slots;
    bool cyclic;

    mzv_fold fold() const {
        mzv_fold f = {};
        EXPECT_EQ(cyclic ? mzv_fold_cyclic(&f, stride, group, MZV_FOLD_CHEAPEST)
                         : mzv_fold_window(&f, stride, used, group, MZV_FOLD_CHEAPEST),
                  MZV_OK)
            << mzv_last_error();
        return f;
    }
    uint32_t n_tokens() const { return n_slots / group; }
    uint32_t slot(uint32_t token, uint32_t c) const {
        return token / stride * stride * group + token % stride + c * stride;
    }
    std::vector<double> mask() const {
        std::vector<double> m(n_slots);
        for (uint32_t t = 0; t < n_tokens(); t++)
            for (uint32_t c = 0; c < used; c++) m[slot(t, c)] = 1;
        return m;
    }
    /* v[c] for every token */
    std::vector<double> channels(const std::vector<double> &v) const {
        std::vector<double> slots(n_slots);
        for (uint32_t t = 0; t < n_tokens(); t++)
            for (uint32_t c = 0; c < used; c++) slots[slot(t, c)] = v[c];
        return slots;
    }
};

/* Random tokens whose variances fill [lo, hi], the first two at its ends. */
std::vector<double> tokens(const Layout &l, double lo, double hi, double mean, uint32_t seed) {
    std::vector<double> x(l.n_slots);
    for (uint32_t t = 0; t < l.n_tokens(); t++) {
        std::vector<double> v = uniform(l.used, -1, 1, seed + t);
        double sum = 0, squares = 0;
        for (double y : v) sum += y / l.used;
        for (double y : v) squares += (y - sum) * (y - sum) / l.used;
        const double share = t < 2 ? t : (double)(t % 97) / 96;
        const double size = std::sqrt(std::exp(std::log(lo) + share * std::log(hi / lo)) / squares);
        for (uint32_t c = 0; c < l.used; c++)
            x[l.slot(t, c)] = (v[c] - sum) * size + (t % 3 == 0 ? mean : -mean);
    }
    return x;
}

/* By the definition, in long double; zero beside the data. */
std::vector<double> expected(const Layout &l, const std::vector<double> &x, const mzv_norm_spec &s) {
    std::vector<double> y(l.n_slots);
    for (uint32_t t = 0; t < l.n_tokens(); t++) {
        long double mean = 0, variance = 0;
        for (uint32_t c = 0; c < l.used; c++) mean += (long double)x[l.slot(t, c)] / l.used;
        if (s.kind == MZV_NORM_RMS) mean = 0;
        for (uint32_t c = 0; c < l.used; c++) {
            const long double d = x[l.slot(t, c)] - mean;
            variance += d * d / l.used;
        }
        for (uint32_t c = 0; c < l.used; c++) {
            const uint32_t i = l.slot(t, c);
            const long double z = (x[i] - mean) / std::sqrt(variance + (long double)s.epsilon);
            y[i] = (double)((s.gamma ? s.gamma[i] : 1) * z + (s.beta ? s.beta[i] : 0));
        }
    }
    return y;
}

struct Norm {
    mzv_norm *norm = nullptr;
    Norm(mzv_evaluator *ev, uint32_t level, const mzv_norm_spec &s) {
        EXPECT_EQ(mzv_norm_create(&norm, ev, level, &s), MZV_OK) << mzv_last_error();
    }
    ~Norm() { mzv_norm_destroy(norm); }
    const mzv_norm_facts &facts() const { return *mzv_norm_about(norm); }
};

/* A norm with its layout, patterns and input. */
struct Case {
    Layout layout;
    mzv_norm_spec spec;
    std::vector<double> mask, gamma, beta, x;

    Case(const Layout &l, mzv_norm_kind kind, double lo, double hi, double target, double mean = 0.3)
        : layout(l), spec {} {
        spec.kind = kind;
        spec.n_channels = l.used;
        spec.fold = l.fold();
        spec.n_pattern = l.n_slots;
        spec.epsilon = 1e-5;
        spec.lo = lo;
        spec.hi = hi;
        spec.target = target;
        spec.input_gain = 1;
        spec.steps = any;
        spec.recipe = best;
        /* the mean of squares has the mean's too */
        x = tokens(l, lo * 1.001, hi * 0.999 - (kind == MZV_NORM_RMS ? mean * mean : 0), mean, 5);
    }
    void with_patterns() {
        mask = layout.mask();
        gamma = layout.channels(uniform(layout.used, 0.5, 2, 1));
        beta = layout.channels(uniform(layout.used, -1, 1, 2));
        spec.mask = mask.data();
        spec.gamma = gamma.data();
        spec.beta = beta.data();
    }
    std::vector<double> answer() const { return expected(layout, x, spec); }
    /* Made where it runs: patterns are encoded for an evaluator. */
    Job job(const mzv_params &params, uint32_t level) const {
        Job j;
        const mzv_norm_spec s = spec;
        std::vector<double> in = x;
        for (double &v : in) v *= spec.input_gain;
        j.params = params;
        j.add_input(in, level);
        j.run = [s, level](mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *c) {
            mzv_norm *norm = nullptr;
            mzv_status status = mzv_norm_create(&norm, ev, level, &s);
            if (status == MZV_OK) status = mzv_norm_run(ev, out, c[0], norm);
            mzv_norm_destroy(norm);
            return status;
        };
        j.request = [s, params, level](mzv_key_request *r) {
            Machine m;
            mzv_norm *norm = nullptr;
            mzv_status status = mzv_evaluator_create_count(&m.ev, &params);
            if (status == MZV_OK) status = mzv_norm_create(&norm, m.ev, level, &s);
            if (status == MZV_OK) status = mzv_norm_request(norm, r);
            mzv_norm_destroy(norm);
            return status;
        };
        return j;
    }
};

uint32_t levels_of(const mzv_norm_spec &s, const mzv_params &params = toy(30)) {
    Machine m;
    EXPECT_EQ(mzv_evaluator_create_count(&m.ev, &params), MZV_OK);
    const Norm norm(m.ev, params.n_levels, s);
    EXPECT_EQ(norm.facts().level - norm.facts().end, norm.facts().levels);
    return norm.facts().levels;
}

const uint32_t n_slots = slots_of(toy(1));
const Layout whole = { 1, 1024, 1024, n_slots, true };    /* one token in all slots */
const Layout strided = { 64, 16, 16, n_slots, true };     /* 64 tokens interleaved, 16 channels each */
const Layout window = { 1, 48, 128, n_slots, false };     /* 8 tokens, room beside */
const Layout interleaved = { 4, 12, 32, n_slots, false }; /* 32 tokens: 4 interleaved, 8 groups */

TEST(Norm, MeetsKnownAnswers) {
    std::ifstream in(MZV_SOURCE_DIR "/tests/vectors/circuit_norm.txt");
    std::string kind;
    uint32_t channels, n_tokens, cases = 0;
    double epsilon;
    Machine m;
    const mzv_params params = toy(20);
    m.clear(params, 0, 0);
    while (in >> kind >> channels >> epsilon >> n_tokens) {
        mzv_norm_spec s = {};
        s.kind = kind == "rms" ? MZV_NORM_RMS : MZV_NORM_LAYER;
        s.n_channels = channels;
        s.epsilon = epsilon;
        s.lo = channels == 1 && s.kind == MZV_NORM_LAYER ? 0 : 1e-2;
        s.hi = 20;
        s.target = 1e-5;
        s.input_gain = 1;
        s.steps = any;
        const Norm norm(m.ev, 20, s);
        for (uint32_t t = 0; t < n_tokens; t++) {
            std::vector<long double> x(channels), y(channels), found(channels);
            for (auto &v : x) in >> v;
            for (auto &v : y) in >> v;
            mzv_norm_value(norm.norm, found.data(), x.data());
            for (uint32_t c = 0; c < channels; c++)
                ASSERT_NEAR((double)found[c], (double)y[c], 1.0001e-5 * std::fabs((double)y[c]) + 1e-12)
                    << kind << channels;
        }
        cases++;
    }
    EXPECT_EQ(cases, 8u);
}

void expect_answers(const Case &c, double slack) {
    const uint32_t level = levels_of(c.spec);
    const Slots y = run_clear(c.job(toy(level), level));
    const std::vector<double> answer = c.answer();
    double worst_beside = 0;
    for (size_t i = 0; i < y.size(); i++) {
        const double z = std::fabs(answer[i] - (c.spec.beta ? c.beta[i] : 0));
        ASSERT_NEAR(y[i].real(), answer[i], c.spec.target * 1.0001 * z + slack) << "slot " << i;
        if (c.spec.mask && c.mask[i] == 0) worst_beside = std::fmax(worst_beside, std::abs(y[i]));
    }
    EXPECT_EQ(worst_beside, 0);
}

TEST(Norm, EveryLayoutKindAndRecipe) {
    for (const Layout &l : { whole, strided, window, interleaved })
        for (const mzv_norm_kind kind : { MZV_NORM_LAYER, MZV_NORM_RMS })
            for (const auto recipe : { best, nexus }) {
                Case c(l, kind, 0.5, 8, 1e-4);
                c.spec.recipe = recipe;
                c.with_patterns();
                expect_answers(c, 1e-11);
            }
}

TEST(Norm, WithoutPatternsWhereEverySlotIsData) {
    for (const Layout &l : { whole, strided })
        for (const mzv_norm_kind kind : { MZV_NORM_LAYER, MZV_NORM_RMS }) {
            const Case c(l, kind, 0.1, 40, 1e-3);
            expect_answers(c, 1e-11);
        }
}

/* Each pattern alone. */
TEST(Norm, PatternsAreOptional) {
    for (uint32_t which = 0; which < 3; which++) {
        Case c(strided, MZV_NORM_LAYER, 0.5, 8, 1e-3);
        c.with_patterns();
        if (which != 0) c.spec.mask = nullptr;
        if (which != 1) c.spec.gamma = nullptr;
        if (which != 2) c.spec.beta = nullptr;
        expect_answers(c, 1e-11);
    }
}

/* Tokens that the client left out are zero: beta without a mask, and nothing explodes. */
TEST(Norm, AbsentTokensGiveBeta) {
    Case c(strided, MZV_NORM_LAYER, 0.5, 8, 1e-3);
    c.with_patterns();
    for (uint32_t ch = 0; ch < 16; ch++)
        for (uint32_t t = 40; t < 64; t++) c.x[c.layout.slot(t, ch)] = 0;
    const uint32_t level = levels_of(c.spec);
    const Slots y = run_clear(c.job(toy(level), level), 77);
    for (uint32_t ch = 0; ch < 16; ch++)
        for (uint32_t t = 40; t < 64; t++) {
            const uint32_t i = c.layout.slot(t, ch);
            ASSERT_NEAR(y[i].real(), c.beta[i], 1e-4);
        }
}

TEST(Norm, FreeGainSavesALevel) {
    Case plain(strided, MZV_NORM_RMS, 0.5, 8, 1e-3), gained = plain;
    ASSERT_EQ(mzv_norm_free_gain(&gained.spec.input_gain, &gained.spec), MZV_OK);
    EXPECT_EQ(levels_of(gained.spec) + 1, levels_of(plain.spec));
    expect_answers(gained, 1e-11);
    gained.spec.kind = MZV_NORM_LAYER; /* the mean needs the level */
    EXPECT_EQ(levels_of(gained.spec), levels_of(plain.spec));
}

TEST(Norm, KeysAreThoseOfTheRun) {
    for (const Layout &l : { strided, window }) {
        Case c(l, MZV_NORM_LAYER, 0.5, 8, 1e-3);
        c.with_patterns();
        const uint32_t level = levels_of(c.spec);
        const Job job = c.job(toy(level), level);
        const mzv_circuit_call call = job.call();
        mzv_circuit_cost cost = {};
        mzv_key_request *used = nullptr, *asked = nullptr;
        ASSERT_EQ(mzv_key_request_create(&used), MZV_OK);
        ASSERT_EQ(mzv_key_request_create(&asked), MZV_OK);
        ASSERT_EQ(mzv_circuit_measure(&cost, used, &job.params, &call), MZV_OK) << mzv_last_error();
        ASSERT_EQ(job.request(asked), MZV_OK);
        EXPECT_EQ(used->n, asked->n);
        EXPECT_EQ(cost.levels, level);
        mzv_key_request_destroy(used);
        mzv_key_request_destroy(asked);
    }
}

TEST(Norm, EncryptedNoiseIsPredicted) {
    /* many tokens: all slots of one share the error of its variance */
    for (const Layout &l : { strided, interleaved })
        for (const mzv_norm_kind kind : { MZV_NORM_LAYER, MZV_NORM_RMS }) {
            Case c(l, kind, 0.5, 8, 1e-3);
            c.with_patterns();
            const uint32_t level = levels_of(c.spec);
            expect_predicted(c.job(toy(level, 45), level));
        }
    Case steps(strided, MZV_NORM_LAYER, 0.5, 8, 1e-3);
    steps.spec.recipe = nexus;
    const uint32_t level = levels_of(steps.spec);
    expect_predicted(steps.job(toy(level, 45), level));
}

/* As bootstrapping is: what it encoded is of one kind of evaluator. */
mzv_status refresh_clear(const mzv_refresh *self, mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a) {
    if (std::string(mzv_evaluator_kind(ev)) != "clear") return MZV_ERR_MISMATCH;
    return ClearRefresher::run(self, ev, out, a);
}

/* Slots and result of a run on a chain that is too short, with a refresher. */
void expect_refreshed(const Case &c, uint32_t in_level, uint32_t chain) {
    ClearRefresher refresher(in_level, chain);
    refresher.refresh.run = refresh_clear;
    Machine m;
    const mzv_params params = toy(chain);
    m.clear(params, 0, size_t(64) << 20);
    m.ev->refresh = &refresher.refresh;
    const Norm norm(m.ev, chain, c.spec);
    ASSERT_NE(norm.norm, nullptr);
    ASSERT_GT(norm.facts().levels, chain);
    EXPECT_LE(norm.facts().needs, chain);
    EXPECT_GE(norm.facts().needs, in_level);
    mzv_cipher *x = m.put(Slots(c.x.begin(), c.x.end()), chain);
    refresher.n_runs = 0;
    ASSERT_EQ(mzv_norm_run(m.ev, x, x, norm.norm), MZV_OK) << mzv_last_error();
    EXPECT_EQ(mzv_ev_mark(m.ev), 0u);
    EXPECT_GE(refresher.n_runs, 1u);
    EXPECT_LE(refresher.largest, 1 + 1e-9) << chain;
    EXPECT_EQ(mzv_cipher_level(x), norm.facts().end);
    const Slots y = m.get(x);
    const std::vector<double> answer = c.answer();
    for (size_t i = 0; i < y.size(); i++)
        ASSERT_NEAR(y[i].real(), answer[i],
                    c.spec.target * 1.0001 * std::fabs(answer[i] - (c.spec.beta ? c.beta[i] : 0)) + 1e-11);
}

TEST(Norm, RunsOnRefreshes) {
    Case a(window, MZV_NORM_LAYER, 0.25, 16, 1e-4);
    a.with_patterns();
    expect_refreshed(a, 0, 7);
    Case b(strided, MZV_NORM_RMS, 0.25, 64, 1e-3);
    b.spec.recipe = nexus;
    expect_refreshed(b, 0, 7);
    expect_refreshed(b, 3, 9);
    Case deep(window, MZV_NORM_LAYER, 0x1p-4, 16, 1e-4);
    deep.with_patterns();
    deep.spec.steps = 2;
    expect_refreshed(deep, 0, 6);
    expect_refreshed(deep, 3, 8);
}

TEST(Norm, RejectsWhatItCannotDo) {
    Machine m;
    const mzv_params params = toy(12);
    m.clear(params, 0, 0);
    Case good(window, MZV_NORM_LAYER, 0.5, 8, 1e-3);
    good.with_patterns();
    std::vector<double> halves(n_slots, 0.5);
    const auto bad = [&](const std::function<void(mzv_norm_spec &)> &change, mzv_status status,
                         const char *says, uint32_t level = 12) {
        mzv_norm_spec s = good.spec;
        mzv_norm *norm = nullptr;
        change(s);
        EXPECT_EQ(mzv_norm_create(&norm, m.ev, level, &s), status) << says;
        EXPECT_NE(std::string(mzv_last_error()).find(says), std::string::npos) << mzv_last_error();
        EXPECT_EQ(norm, nullptr);
    };
    bad([](mzv_norm_spec &s) { s.kind = (mzv_norm_kind)2; }, MZV_ERR_ARGUMENT, "kind 2");
    bad([](mzv_norm_spec &s) { s.n_channels = 0; }, MZV_ERR_ARGUMENT, "0 channels");
    bad([](mzv_norm_spec &s) { s.epsilon = -1; }, MZV_ERR_ARGUMENT, "epsilon -1");
    bad([](mzv_norm_spec &s) { s.lo = s.epsilon = 0; }, MZV_ERR_ARGUMENT, "lo + epsilon > 0");
    bad([](mzv_norm_spec &s) { s.hi = s.lo; }, MZV_ERR_ARGUMENT, "lo < hi");
    bad([](mzv_norm_spec &s) { s.input_gain = 0; }, MZV_ERR_ARGUMENT, "input gain 0");
    bad([](mzv_norm_spec &s) { s.n_pattern = 48; }, MZV_ERR_ARGUMENT, "patterns of 48 slots");
    bad([](mzv_norm_spec &s) { s.n_pattern = 0; }, MZV_ERR_ARGUMENT, "patterns of 0 slots");
    bad([&](mzv_norm_spec &s) { s.mask = halves.data(); }, MZV_ERR_ARGUMENT, "mask 0.5 at slot 0");
    bad([](mzv_norm_spec &s) { s.target = 2; }, MZV_ERR_ARGUMENT, "target 2");
    bad([](mzv_norm_spec &s) { s.target = 1e-13; }, MZV_ERR_PRECISION, "target");
    bad([](mzv_norm_spec &) {}, MZV_ERR_LEVEL, "norm: level 4, need", 4);
    const Norm norm(m.ev, 12, good.spec);
    mzv_cipher *x = m.put(Slots(n_slots), 11);
    EXPECT_EQ(mzv_norm_run(m.ev, x, x, norm.norm), MZV_ERR_LEVEL);
    EXPECT_EQ(mzv_cipher_level(x), 11u);
    double gain = 7;
    mzv_norm_spec empty = good.spec;
    empty.n_channels = 0;
    EXPECT_EQ(mzv_norm_free_gain(&gain, &empty), MZV_ERR_ARGUMENT);
    EXPECT_EQ(gain, 7);
}

TEST(Norm, PlansSurviveEveryFailedAllocation) {
    Machine m;
    m.clear(toy(12), 0, 0);
    Case c(window, MZV_NORM_LAYER, 0.5, 2, 1e-2);
    c.with_patterns();
    fail_allocations([&] {
        mzv_norm *norm = nullptr;
        const mzv_status status = mzv_norm_create(&norm, m.ev, 12, &c.spec);
        EXPECT_EQ(norm == nullptr, status != MZV_OK);
        mzv_norm_destroy(norm);
        return status;
    });
}

/* 128 bits, N = 2^15: LayerNorm of BERT-tiny's 128 channels, 64 tokens in a ciphertext with room beside. */
TEST(SlowNorm, At128Bits) {
    mzv_params params;
    ASSERT_EQ(mzv_params_named(&params, "n15-leveled"), MZV_OK);
    const Layout bert = { 64, 128, 256, slots_of(params), false };
    Case c(bert, MZV_NORM_LAYER, 0.25, 16, 1e-3);
    c.with_patterns();
    ASSERT_LE(levels_of(c.spec, params), params.n_levels);
    expect_predicted(c.job(params, params.n_levels));
}

/* RMSNorm, and LayerNorm by NEXUS's steps. */
TEST(SlowNorm, OthersAt128Bits) {
    for (const mzv_norm_kind kind : { MZV_NORM_RMS, MZV_NORM_LAYER }) {
        mzv_params params;
        ASSERT_EQ(mzv_params_named(&params, "n15-leveled"), MZV_OK);
        const Layout bert = { 64, 128, 256, slots_of(params), false };
        Case c(bert, kind, 0.5, 8, 1e-3);
        c.with_patterns();
        c.spec.recipe = kind == MZV_NORM_RMS ? best : nexus;
        params.n_levels = levels_of(c.spec, params);
        expect_predicted(c.job(params, params.n_levels));
    }
}

std::string section() {
    std::string text =
        "`mzv_norm_run`, 128 channels in groups of 256 (window fold) with mask, gamma and beta, or 1024 that "
        "close on\n"
        "themselves without. From x itself to the result: levels and key switches are all. The error is that "
        "of the inverse\n"
        "root, largest relative one of y - beta. \"free gain\": x comes scaled by `mzv_norm_free_gain`.\n\n"
        "| norm | variance | target | recipe | layout | degree | steps | levels | key switches | max error "
        "|\n"
        "|---|---|---|---|---|---|---|---|---|---|\n";
    struct Row {
        mzv_norm_kind kind;
        double lo, hi, target;
        mzv_inverse_root_recipe recipe;
        bool masked, gained;
    };
    const Row rows[] = {
        { MZV_NORM_LAYER, 0.5, 8, 1e-3, best, true, false },
        { MZV_NORM_LAYER, 0.5, 8, 1e-5, best, true, false },
        { MZV_NORM_LAYER, 0.1, 100, 1e-3, best, true, false },
        { MZV_NORM_LAYER, 0.1, 400, 1e-3, best, true, false },
        { MZV_NORM_LAYER, 0.5, 8, 1e-3, nexus, true, false },
        { MZV_NORM_LAYER, 0.1, 100, 1e-3, nexus, true, false },
        { MZV_NORM_LAYER, 0.5, 8, 1e-3, best, false, false },
        { MZV_NORM_RMS, 0.5, 8, 1e-3, best, true, false },
        { MZV_NORM_RMS, 0.5, 8, 1e-3, best, false, false },
        { MZV_NORM_RMS, 0.5, 8, 1e-3, best, false, true },
    };
    for (const Row &r : rows) {
        const Layout masked = { 4, 128, 256, n_slots, false };
        Case c(r.masked ? masked : whole, r.kind, r.lo, r.hi, r.target);
        c.spec.recipe = r.recipe;
        if (r.masked) c.with_patterns();
        if (r.gained) {
            EXPECT_EQ(mzv_norm_free_gain(&c.spec.input_gain, &c.spec), MZV_OK);
        }
        const uint32_t level = levels_of(c.spec);
        const mzv_circuit_cost cost = measure(c.job(toy(level), level));
        Machine m;
        m.clear(toy(level), 0, 0);
        const Norm norm(m.ev, level, c.spec);
        const mzv_inverse_root_facts &f = norm.facts().root;
        text += functions_table::print("| %s | [%g, %g] | %.0e | %s | %s | %u | %u | %u | %u | %.2e |\n",
                                       r.kind == MZV_NORM_LAYER ? "LayerNorm" : "RMSNorm", r.lo, r.hi,
                                       r.target, r.recipe == best ? "cubic" : "NEXUS",
                                       r.masked   ? "128 of 256"
                                       : r.gained ? "1024, free gain"
                                                  : "1024",
                                       f.degree, f.steps + f.goldschmidt, level,
                                       (uint32_t)cost.counts.n_key_switch, f.error);
    }
    return text;
}

const functions_table::Entry entry(540, "LayerNorm, RMSNorm", section);

} // namespace
