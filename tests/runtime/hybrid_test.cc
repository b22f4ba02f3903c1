// Hybrid sessions on the shipped checkpoint and, where they are present, on the shared ones.
#include "runtime/hybrid.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "lib/forge.h"
#include "lib/golden.h"
#include "runtime/sample.h"

namespace {

const std::string shipped = std::string(MZV_SOURCE_DIR) + "/models/gpt2-shakespeare-char";

// A checkpoint, its calibration, and one module.
struct Subject {
    mzv_checkpoint *cp = nullptr;
    mzv_calibration *cal = nullptr;
    mzv_module_name module = {};
    Subject(const std::string &folder, const char *name) {
        EXPECT_EQ(mzv_checkpoint_load(&cp, folder.c_str()), MZV_OK) << mzv_last_error();
        EXPECT_EQ(mzv_module_parse(&module, cp, name), MZV_OK) << mzv_last_error();
    }
    void load_calibration(const std::string &path) {
        EXPECT_EQ(mzv_calibration_load(&cal, cp, path.c_str()), MZV_OK) << mzv_last_error();
    }
    void calibrate(const std::vector<uint32_t> &ids, uint32_t window) {
        EXPECT_EQ(mzv_calibrate(&cal, cp, ids.data(), ids.size(), window, nullptr, nullptr), MZV_OK) << mzv_last_error();
    }
    ~Subject() {
        mzv_calibration_destroy(cal);
        mzv_checkpoint_destroy(cp);
    }
};

struct Session {
    mzv_hybrid *h = nullptr;
    mzv_status status;
    Session(const Subject &s, const mzv_hybrid_options &o) : status(mzv_hybrid_create(&h, s.cp, s.cal, &s.module, &o)) {}
    ~Session() { mzv_hybrid_destroy(h); }
};

mzv_hybrid_options options(mzv_mode mode, uint32_t n_tokens) {
    mzv_hybrid_options o = {};
    o.mode = mode, o.n_tokens_max = n_tokens;
    return o;
}

// Greedy text of `n` tokens with the module computed by the session; the worst error of a step goes to *worst.
std::string generate(const Subject &s, mzv_hybrid *h, const std::string &prompt, uint32_t n, double *worst) {
    std::vector<uint32_t> ids(s.cp->config.n_positions);
    uint32_t n_ids = 0;
    EXPECT_EQ(mzv_checkpoint_encode(s.cp, prompt.data(), prompt.size(), ids.data(), uint32_t(ids.size()), &n_ids), MZV_OK);
    mzv_gpt2_state *state = nullptr;
    EXPECT_EQ(mzv_gpt2_state_create(&state, &s.cp->gpt2, n_ids + n), MZV_OK);
    struct User {
        mzv_hybrid *h;
        mzv_module_name module;
    } user = {h, s.module};
    mzv_float_hooks hooks = {};
    hooks.user = &user;
    hooks.selects = [](void *u, uint32_t layer, int32_t head) {
        return layer == static_cast<User *>(u)->module.layer && head == static_cast<User *>(u)->module.head;
    };
    hooks.attention = [](void *u, uint32_t, const float *x, uint32_t n_tokens, uint32_t first, float *out) {
        return mzv_hybrid_call(static_cast<User *>(u)->h, x, n_tokens, first, out);
    };
    hooks.head = [](void *u, uint32_t, uint32_t, const float *x, uint32_t n_tokens, uint32_t first, float *out) {
        return mzv_hybrid_call(static_cast<User *>(u)->h, x, n_tokens, first, out);
    };
    std::vector<float> logits(size_t(n_ids) * s.cp->config.vocab_size);
    const size_t last = size_t(n_ids - 1) * s.cp->config.vocab_size;
    const mzv_float_hooks *use = h ? &hooks : nullptr;
    EXPECT_EQ(mzv_gpt2_extend(state, ids.data(), n_ids, use, logits.data()), MZV_OK) << mzv_last_error();
    std::string text = prompt;
    *worst = h ? mzv_hybrid_last_error(h) : 0;
    mzv_sampler sampler = {};
    for (uint32_t i = 0; i < n; i++) {
        uint32_t id;
        char c[5];
        EXPECT_EQ(mzv_sample(&sampler, logits.data() + (i ? 0 : last), s.cp->config.vocab_size, &id), MZV_OK);
        EXPECT_EQ(mzv_tokenizer_decode(s.cp->tokenizer, id, c), MZV_OK);
        text += c;
        if (i + 1 == n) break;
        EXPECT_EQ(mzv_gpt2_step(state, id, use, logits.data()), MZV_OK) << mzv_last_error();
        if (h) *worst = std::max(*worst, mzv_hybrid_last_error(h));
    }
    mzv_gpt2_state_destroy(state);
    return text;
}

// The smallest secure ring, levels that the circuit uses up, a prediction below the target.
TEST(HybridPlan, ChoosesTheSmallestSecureRing) {
    Subject s(shipped, "h.0.attn");
    s.load_calibration(shipped + "/" MZV_CALIBRATION_FILE);
    mzv_hybrid_plan plan, longer;
    const mzv_hybrid_options o = options(MZV_MODE_EXECUTE, 40), all = options(MZV_MODE_EXECUTE, 128);
    ASSERT_EQ(mzv_hybrid_plan_make(&plan, s.cp, s.cal, &s.module, &o), MZV_OK) << mzv_last_error();
    mzv_param_facts facts;
    ASSERT_EQ(mzv_params_check(&plan.params, &facts), MZV_OK) << mzv_last_error();
    EXPECT_GE(facts.security_bits, 128u);
    EXPECT_EQ(plan.params.log_n, 15u);
    EXPECT_EQ(plan.params.n_levels, plan.levels);
    EXPECT_LT(plan.predicted_error, 3e-4);
    EXPECT_GT(plan.predicted_error, 0);
    // 128 tokens of 128 channels take 2^15 slots.
    ASSERT_EQ(mzv_hybrid_plan_make(&longer, s.cp, s.cal, &s.module, &all), MZV_OK) << mzv_last_error();
    EXPECT_EQ(longer.params.log_n, 16u);
    EXPECT_EQ(longer.rows_per_pass, 1u);
}

TEST(HybridPlan, SaysWhatDoesNotFit) {
    Subject s(shipped, "h.0.attn");
    s.load_calibration(shipped + "/" MZV_CALIBRATION_FILE);
    mzv_hybrid_plan plan = {};
    mzv_hybrid_options o = options(MZV_MODE_EXECUTE, 129);
    EXPECT_EQ(mzv_hybrid_plan_make(&plan, s.cp, s.cal, &s.module, &o), MZV_ERR_ARGUMENT);
    EXPECT_NE(std::string(mzv_last_error()).find("too many tokens: 129, the model has 128"), std::string::npos);
    o = options(MZV_MODE_EXECUTE, 40);
    o.target_error = 1e-8;
    EXPECT_EQ(mzv_hybrid_plan_make(&plan, s.cp, s.cal, &s.module, &o), MZV_ERR_PARAMS);
    o = options(MZV_MODE_EXECUTE, 40);
    o.memory_bytes_max = 100 << 20;
    EXPECT_EQ(mzv_hybrid_plan_make(&plan, s.cp, s.cal, &s.module, &o), MZV_ERR_MEMORY);
    EXPECT_NE(std::string(mzv_last_error()).find("had 100 MiB"), std::string::npos) << mzv_last_error();
    EXPECT_EQ(plan.levels, 0u);
}

// On slots without noise only the approximations are left; the widest layer as well as the narrowest.
TEST(HybridClear, EqualsFloatInEveryLayer) {
    for (const char *name : {"h.0.attn", "h.1.attn", "h.2.attn.head.1"}) {
        Subject s(shipped, name);
        s.load_calibration(shipped + "/" MZV_CALIBRATION_FILE);
        Session session(s, options(MZV_MODE_CLEAR, 16));
        ASSERT_EQ(session.status, MZV_OK) << name << ": " << mzv_last_error();
        double worst;
        generate(s, session.h, "ROMEO:\nWhat ", 4, &worst);
        EXPECT_LT(worst, 3e-4) << name;
        EXPECT_GT(worst, 0) << name;
        EXPECT_EQ(mzv_hybrid_get_timings(session.h)->n_calls, 4u);
    }
}

TEST(HybridCall, RefusesMoreThanTheSessionHolds) {
    Subject s(shipped, "h.0.attn.head.0");
    s.load_calibration(shipped + "/" MZV_CALIBRATION_FILE);
    Session session(s, options(MZV_MODE_CLEAR, 8));
    ASSERT_EQ(session.status, MZV_OK) << mzv_last_error();
    std::vector<float> x(9 * 128), out(9 * 32, -7);
    EXPECT_EQ(mzv_hybrid_call(session.h, x.data(), 9, 0, out.data()), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_hybrid_call(session.h, x.data(), 8, 8, out.data()), MZV_ERR_ARGUMENT);
    EXPECT_EQ(out[0], -7);
}

// Hidden states far outside the calibrated text must not pass for a result.
TEST(HybridCall, NoticesValuesOutsideTheCalibratedRange) {
    Subject s(shipped, "h.0.attn");
    s.load_calibration(shipped + "/" MZV_CALIBRATION_FILE);
    Session session(s, options(MZV_MODE_SIMULATE, 8));
    ASSERT_EQ(session.status, MZV_OK) << mzv_last_error();
    std::vector<float> x(8 * 128), out(8 * 128);
    std::minstd_rand rng(3);
    for (float &v : x) v = 40.0f * (float(rng() % 2000) / 1000 - 1);
    EXPECT_EQ(mzv_hybrid_call(session.h, x.data(), 8, 0, out.data()), MZV_ERR_RANGE);
    EXPECT_NE(std::string(mzv_last_error()).find("calibrated range"), std::string::npos) << mzv_last_error();
}

// The first main job: 32 tokens with the whole multi-head attention on ciphertexts at 128 bits. The same text in all
// three modes and without encryption, and every step within 1e-3 of float.
TEST(SlowHybrid, WritesTheSameTextInEveryMode) {
    Subject s(shipped, "h.0.attn");
    s.load_calibration(shipped + "/" MZV_CALIBRATION_FILE);
    double worst;
    const std::string want = generate(s, nullptr, "ROMEO:", 32, &worst);
    for (mzv_mode mode : {MZV_MODE_CLEAR, MZV_MODE_SIMULATE, MZV_MODE_EXECUTE}) {
        Session session(s, options(mode, 38));
        ASSERT_EQ(session.status, MZV_OK) << mzv_last_error();
        EXPECT_EQ(generate(s, session.h, "ROMEO:", 32, &worst), want) << "mode " << mode;
        EXPECT_LT(worst, 1e-3) << "mode " << mode;
        EXPECT_GE(mzv_hybrid_facts(session.h)->security_bits, 128u);
    }
}

// Scores from -76 to 62: the layer with the widest softmax, and noise as predicted within 2 bits.
TEST(SlowHybrid, HoldsOnTheWidestScores) {
    Subject s(shipped, "h.1.attn");
    s.load_calibration(shipped + "/" MZV_CALIBRATION_FILE);
    Session session(s, options(MZV_MODE_EXECUTE, 16));
    ASSERT_EQ(session.status, MZV_OK) << mzv_last_error();
    double worst, plain;
    const std::string text = generate(s, session.h, "ROMEO:\nWhat ", 2, &worst);
    EXPECT_EQ(text, generate(s, nullptr, "ROMEO:\nWhat ", 2, &plain));
    EXPECT_LT(worst, 1e-3);
}

#define NEED_SHARED(name)                                          \
    const std::string folder = forge::shared("checkpoints/" name); \
    if (!std::filesystem::exists(folder + "/model.safetensors"))   \
    GTEST_SKIP() << folder << " is absent; set MZV_SHARED to the folder that holds checkpoints/"

// BERT: both directions, post-LayerNorm, head dimension 64. The sentences stored with the checkpoint, and shuffles of
// their words for the calibration.
TEST(SlowHybrid, ComputesABertLayer) {
    NEED_SHARED("bert-tiny-sst2");
    Subject s(folder, "layer.1.attention");
    const Golden golden(folder + "/golden.safetensors");
    std::vector<uint32_t> words, text;
    for (int i = 0; i < 5; i++)
        for (uint32_t id : golden.ids(std::to_string(i) + ".input_ids"))
            if (id != 101 && id != 102) words.push_back(id);
    std::minstd_rand rng(5);
    for (int i = 0; i < 60; i++) {
        const std::vector<uint32_t> real = golden.ids(std::to_string(i % 5) + ".input_ids");
        text.push_back(101);
        for (size_t k = 1; k + 1 < real.size(); k++) text.push_back(i < 5 ? real[k] : words[rng() % words.size()]);
        text.push_back(102);
    }
    s.calibrate(text, 32);
    const std::vector<uint32_t> ids = golden.ids("4.input_ids"); // 8 tokens
    Session session(s, options(MZV_MODE_EXECUTE, uint32_t(ids.size())));
    ASSERT_EQ(session.status, MZV_OK) << mzv_last_error();
    mzv_float_hooks hooks = {};
    hooks.user = session.h;
    hooks.selects = [](void *, uint32_t layer, int32_t head) { return layer == 1 && head < 0; };
    hooks.attention = [](void *u, uint32_t, const float *x, uint32_t n, uint32_t first, float *out) {
        return mzv_hybrid_call(static_cast<mzv_hybrid *>(u), x, n, first, out);
    };
    float logits[2];
    mzv_bert_outputs out = {};
    out.logits = logits;
    ASSERT_EQ(mzv_bert_forward(&s.cp->bert, ids.data(), nullptr, uint32_t(ids.size()), &hooks, &out), MZV_OK)
        << mzv_last_error();
    EXPECT_LT(mzv_hybrid_worst_error(session.h), 1e-3);
    const std::vector<float> want = golden.floats("4.logits");
    for (int i = 0; i < 2; i++) EXPECT_NEAR(logits[i], want[size_t(i)], 5e-3);
}

} // namespace
