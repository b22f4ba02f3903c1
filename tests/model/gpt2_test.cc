/* GPT-2 in float: cutting a text into calls, hooks, errors. Its numbers are compared with PyTorch's in
 * tests/runtime/checkpoint_golden_test.cc. */
#include "models/gpt2.h"

#include <gtest/gtest.h>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "base/arena.h"
#include "base/fault.h"
#include "base/try.h"
#include "lib/random_weights.h"

namespace {

constexpr uint32_t embd = 12, head = 3, layers = 3, positions = 11, vocabulary = 9, dim = embd / head;

class Gpt2 : public testing::Test {
  protected:
    RandomWeights weights;
    std::vector<mzv_gpt2_layer> layer { layers };
    mzv_gpt2 model = {};
    const std::vector<uint32_t> ids = { 3, 1, 4, 1, 5, 8, 2, 6, 5, 3, 5 };
    std::vector<float> logits;

    void SetUp() override {
        model.config = {};
        model.config.kind = MZV_MODEL_GPT2;
        model.config.n_layer = layers;
        model.config.n_head = head;
        model.config.n_embd = embd;
        model.config.n_inner = 20;
        model.config.n_positions = positions;
        model.config.vocab_size = vocabulary;
        model.config.eps = 1e-5;
        model.config.activation = MZV_ACTIVATION_GELU_TANH;
        model.layers = layer.data();
        ASSERT_EQ(mzv_gpt2_weights(&model, RandomWeights::visit, &weights), MZV_OK);
        logits.resize(ids.size() * vocabulary);
        ASSERT_EQ(mzv_gpt2_forward(&model, ids.data(), positions, nullptr, logits.data()), MZV_OK);
    }

    /* The text in pieces, each piece with its hooks. */
    std::vector<float> in_pieces(const std::vector<uint32_t> &pieces,
                                 const std::vector<const mzv_float_hooks *> &hooks) {
        mzv_gpt2_state *state = nullptr;
        std::vector<float> out(logits.size());
        EXPECT_EQ(mzv_gpt2_state_create(&state, &model, positions), MZV_OK);
        uint32_t at = 0;
        for (size_t i = 0; i < pieces.size(); i++) {
            EXPECT_EQ(mzv_gpt2_extend(state, ids.data() + at, pieces[i], hooks[i % hooks.size()],
                                      out.data() + size_t(at) * vocabulary),
                      MZV_OK)
                << mzv_last_error();
            at += pieces[i];
            EXPECT_EQ(mzv_gpt2_state_tokens(state), at);
        }
        mzv_gpt2_state_destroy(state);
        return out;
    }
};

/* Computes modules by the float reference, from what the hook is given. */
struct Replacement {
    const mzv_gpt2 *model;
    std::set<std::pair<uint32_t, int32_t>> selected, called;
    uint32_t n_calls = 0;
    float factor = 1.0f;

    static mzv_status attention(void *user, uint32_t layer, const float *x, uint32_t n_tokens,
                                uint32_t first_row, float *out) {
        Replacement *self = static_cast<Replacement *>(user);
        mzv_float_attention m;
        self->called.insert({ layer, -1 });
        self->n_calls++;
        MZV_TRY(mzv_gpt2_attention(&m, self->model, layer));
        MZV_TRY(mzv_float_attention_run(&m, x, n_tokens, first_row, nullptr, out));
        for (size_t i = 0; i < size_t(n_tokens - first_row) * embd; i++) out[i] *= self->factor;
        return MZV_OK;
    }
    static mzv_status one_head(void *user, uint32_t layer, uint32_t h, const float *x, uint32_t n_tokens,
                               uint32_t first_row, float *out) {
        Replacement *self = static_cast<Replacement *>(user);
        mzv_float_attention m;
        self->called.insert({ layer, static_cast<int32_t>(h) });
        self->n_calls++;
        MZV_TRY(mzv_gpt2_attention(&m, self->model, layer));
        MZV_TRY(mzv_float_attention_head(&m, h, x, n_tokens, first_row, out));
        for (size_t i = 0; i < size_t(n_tokens - first_row) * dim; i++) out[i] *= self->factor;
        return MZV_OK;
    }
    static bool selects(void *user, uint32_t layer, int32_t h) {
        return static_cast<Replacement *>(user)->selected.count({ layer, h }) > 0;
    }
    mzv_float_hooks hooks(bool whole, bool heads) {
        mzv_float_hooks out = {};
        out.user = this;
        if (whole) out.attention = attention;
        if (heads) out.head = one_head;
        out.selects = selects;
        return out;
    }
};

TEST_F(Gpt2, TokenByTokenEqualsTheWholeTextBitForBit) {
    EXPECT_EQ(in_pieces(std::vector<uint32_t>(positions, 1), { nullptr }), logits);
    EXPECT_EQ(in_pieces({ 4, 1, 6 }, { nullptr }), logits);
    std::vector<float> step(vocabulary);
    mzv_gpt2_state *state = nullptr;
    ASSERT_EQ(mzv_gpt2_state_create(&state, &model, positions), MZV_OK);
    for (uint32_t t = 0; t < positions; t++) {
        ASSERT_EQ(mzv_gpt2_step(state, ids[t], nullptr, t == 4 ? nullptr : step.data()), MZV_OK);
        if (t == 4) continue; /* logits not wanted */
        EXPECT_EQ(step,
                  std::vector<float>(logits.begin() + t * vocabulary, logits.begin() + (t + 1) * vocabulary));
    }
    mzv_gpt2_state_destroy(state);
}

TEST_F(Gpt2, LaterTokensDoNotChangeEarlierLogits) {
    std::vector<float> shorter(5 * vocabulary);
    ASSERT_EQ(mzv_gpt2_forward(&model, ids.data(), 5, nullptr, shorter.data()), MZV_OK);
    EXPECT_EQ(shorter, std::vector<float>(logits.begin(), logits.begin() + 5 * vocabulary));
}

TEST_F(Gpt2, RewindGoesBack) {
    mzv_gpt2_state *state = nullptr;
    std::vector<float> out(vocabulary);
    ASSERT_EQ(mzv_gpt2_state_create(&state, &model, positions), MZV_OK);
    ASSERT_EQ(mzv_gpt2_extend(state, ids.data(), 3, nullptr, nullptr), MZV_OK);
    const uint32_t other[2] = { 0, 7 };
    ASSERT_EQ(mzv_gpt2_extend(state, other, 2, nullptr, nullptr), MZV_OK);
    mzv_gpt2_state_rewind(state, 9);
    EXPECT_EQ(mzv_gpt2_state_tokens(state), 5u);
    mzv_gpt2_state_rewind(state, 3);
    ASSERT_EQ(mzv_gpt2_step(state, ids[3], nullptr, out.data()), MZV_OK);
    EXPECT_EQ(out, std::vector<float>(logits.begin() + 3 * vocabulary, logits.begin() + 4 * vocabulary));
    mzv_gpt2_state_destroy(state);
}

TEST_F(Gpt2, AModuleReplacedByItselfChangesNothing) {
    Replacement r { &model, { { 1, -1 } }, {} };
    const mzv_float_hooks hooks = r.hooks(true, false);
    EXPECT_EQ(in_pieces({ positions }, { &hooks }), logits);
    EXPECT_EQ(r.called, r.selected);
    EXPECT_EQ(in_pieces(std::vector<uint32_t>(positions, 1), { &hooks }), logits);
    EXPECT_EQ(r.n_calls, 1u + positions);
}

TEST_F(Gpt2, AHeadReplacedByItselfChangesNothing) {
    Replacement r { &model, { { 0, 2 }, { 2, 0 } }, {} };
    const mzv_float_hooks hooks = r.hooks(false, true);
    EXPECT_EQ(in_pieces({ 5, 1, 5 }, { &hooks }), logits);
    EXPECT_EQ(r.called, r.selected);
}

TEST_F(Gpt2, ALayerCatchesUpAfterAHook) {
    Replacement r { &model, { { 0, -1 }, { 2, -1 } }, {} };
    const mzv_float_hooks hooks = r.hooks(true, false);
    EXPECT_EQ(in_pieces({ 3, 2, 1, 1, 4 }, { &hooks, nullptr }), logits);
}

TEST_F(Gpt2, AReplacementIsWhatTheModelUses) {
    Replacement whole { &model, { { 1, -1 } }, {} }, single { &model, { { 1, 1 } }, {} };
    whole.factor = single.factor = 0.5f;
    const mzv_float_hooks hooks[2] = { whole.hooks(true, false), single.hooks(false, true) };
    for (const mzv_float_hooks &h : hooks) {
        const std::vector<float> changed = in_pieces({ positions }, { &h });
        double largest = 0;
        for (size_t i = 0; i < logits.size(); i++)
            largest = std::max(largest, std::fabs(double(changed[i]) - logits[i]));
        EXPECT_GT(largest, 1e-3);
    }
    /* Halving the one head by hand: the module with that head's value weights and bias halved. */
    std::vector<float> w(layer[1].attention_weight, layer[1].attention_weight + embd * 3 * embd);
    std::vector<float> bias(layer[1].attention_bias, layer[1].attention_bias + 3 * embd);
    for (uint32_t j = 2 * embd + dim; j < 2 * embd + 2 * dim; j++) {
        bias[j] *= 0.5f;
        for (uint32_t i = 0; i < embd; i++) w[i * 3 * embd + j] *= 0.5f;
    }
    const mzv_gpt2_layer original = layer[1];
    layer[1].attention_weight = w.data();
    layer[1].attention_bias = bias.data();
    std::vector<float> expected(logits.size());
    ASSERT_EQ(mzv_gpt2_forward(&model, ids.data(), positions, nullptr, expected.data()), MZV_OK);
    layer[1] = original;
    const std::vector<float> changed = in_pieces({ positions }, { &hooks[1] });
    for (size_t i = 0; i < expected.size(); i++)
        EXPECT_EQ(changed[i], expected[i]) << i; /* halving is exact */
}

TEST_F(Gpt2, HooksSeeEveryStageAndEveryHead) {
    struct Seen {
        std::vector<int> stages;
        std::vector<uint32_t> heads;
        uint32_t rows;
    } seen = { {}, {}, 4 };
    mzv_float_hooks hooks = {};
    hooks.user = &seen;
    hooks.see = [](void *user, const mzv_float_attention_view *v) {
        static_cast<Seen *>(user)->heads.push_back(v->layer * 10 + v->head);
    };
    hooks.stage = [](void *user, mzv_stage stage, uint32_t layer_index, const float *x, uint32_t n_rows,
                     uint32_t columns) {
        Seen *s = static_cast<Seen *>(user);
        s->stages.push_back(static_cast<int>(layer_index) * 100 + stage);
        EXPECT_EQ(n_rows, s->rows);
        EXPECT_EQ(columns, stage == MZV_STAGE_ACTIVATION ? 20u : embd);
        EXPECT_TRUE(std::isfinite(x[size_t(n_rows) * columns - 1]));
    };
    ASSERT_EQ(mzv_gpt2_forward(&model, ids.data(), 4, &hooks, nullptr), MZV_OK);
    std::vector<int> expected = { MZV_STAGE_EMBEDDING };
    for (int i = 0; i < int(layers); i++) {
        for (int s = MZV_STAGE_NORM1_IN; s <= MZV_STAGE_BLOCK; s++) expected.push_back(100 * i + s);
    }
    expected.push_back(100 * layers + MZV_STAGE_FINAL_IN);
    EXPECT_EQ(seen.stages, expected);
    EXPECT_EQ(seen.heads, (std::vector<uint32_t> { 0, 1, 2, 10, 11, 12, 20, 21, 22 }));
}

TEST_F(Gpt2, AFailedHookLeavesTheStateAsItWas) {
    mzv_float_hooks failing = {};
    failing.attention = [](void *, uint32_t layer_index, const float *, uint32_t, uint32_t, float *) {
        return mzv_fail(MZV_ERR_DEVICE, "layer %u", layer_index);
    };
    failing.selects = [](void *, uint32_t layer_index, int32_t) { return layer_index == 2; };
    mzv_gpt2_state *state = nullptr;
    std::vector<float> out(logits.size(), 42.0f);
    ASSERT_EQ(mzv_gpt2_state_create(&state, &model, positions), MZV_OK);
    ASSERT_EQ(mzv_gpt2_extend(state, ids.data(), 4, nullptr, nullptr), MZV_OK);
    EXPECT_EQ(mzv_gpt2_extend(state, ids.data() + 6, 3, &failing, out.data()), MZV_ERR_DEVICE);
    EXPECT_STREQ(mzv_last_error(), "layer 2");
    EXPECT_EQ(out, std::vector<float>(logits.size(), 42.0f));
    EXPECT_EQ(mzv_gpt2_state_tokens(state), 4u);
    ASSERT_EQ(mzv_gpt2_extend(state, ids.data() + 4, 7, nullptr, out.data()), MZV_OK);
    for (size_t i = 0; i < 7 * vocabulary; i++) EXPECT_EQ(out[i], logits[4 * vocabulary + i]);
    mzv_gpt2_state_destroy(state);
}

TEST_F(Gpt2, ArgumentsAreChecked) {
    mzv_gpt2_state *state = nullptr;
    EXPECT_EQ(mzv_gpt2_state_create(&state, &model, 0), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_gpt2_state_create(&state, &model, positions + 1), MZV_ERR_ARGUMENT);
    EXPECT_NE(std::string(mzv_last_error()).find("12 tokens asked, the model has 1 to 11"), std::string::npos)
        << mzv_last_error();
    ASSERT_EQ(mzv_gpt2_state_create(&state, &model, 4), MZV_OK);
    const uint32_t bad[2] = { 1, vocabulary };
    EXPECT_EQ(mzv_gpt2_extend(state, bad, 2, nullptr, nullptr), MZV_ERR_ARGUMENT);
    EXPECT_NE(std::string(mzv_last_error()).find("id 9, the vocabulary has 9"), std::string::npos)
        << mzv_last_error();
    EXPECT_EQ(mzv_gpt2_extend(state, ids.data(), 5, nullptr, nullptr), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_gpt2_extend(state, ids.data(), 0, nullptr, nullptr), MZV_ERR_ARGUMENT);
    ASSERT_EQ(mzv_gpt2_extend(state, ids.data(), 4, nullptr, nullptr), MZV_OK);
    EXPECT_EQ(mzv_gpt2_step(state, 0, nullptr, nullptr), MZV_ERR_ARGUMENT);
    mzv_gpt2_state_destroy(state);
    mzv_float_attention m;
    EXPECT_EQ(mzv_gpt2_attention(&m, &model, layers), MZV_ERR_ARGUMENT);
    model.config.module_only = true;
    EXPECT_EQ(mzv_gpt2_forward(&model, ids.data(), 2, nullptr, nullptr), MZV_ERR_ARGUMENT);
    EXPECT_NE(std::string(mzv_last_error()).find("modules only"), std::string::npos);
}

TEST_F(Gpt2, EveryFailedAllocationIsReportedAndLeaksNothing) {
    const int64_t live = mzv_alloc_live();
    std::vector<float> out(logits.size(), 42.0f);
    Replacement r { &model, { { 0, 1 } }, {} };
    const mzv_float_hooks hooks = r.hooks(false, true);
    int failures = 0;
    for (mzv_status status = MZV_ERR_MEMORY; status != MZV_OK; failures++) {
        mzv_test_fail_alloc_after(failures);
        status = mzv_gpt2_forward(&model, ids.data(), positions, &hooks, out.data());
        mzv_test_fail_alloc_after(-1);
        if (status == MZV_OK) break;
        ASSERT_EQ(status, MZV_ERR_MEMORY);
        EXPECT_EQ(out, std::vector<float>(logits.size(), 42.0f));
        EXPECT_EQ(mzv_alloc_live(), live);
    }
    EXPECT_GE(failures, 8);
    EXPECT_EQ(out, logits);
    EXPECT_EQ(mzv_alloc_live(), live);
}

TEST_F(Gpt2, WeightListFollowsTheConfiguration) {
    EXPECT_EQ(weights.names.size(), 2u + 12 * layers + 3);
    RandomWeights tied, modules;
    model.config.tied = true;
    ASSERT_EQ(mzv_gpt2_weights(&model, RandomWeights::visit, &tied), MZV_OK);
    EXPECT_EQ(tied.names.size(), 2u + 12 * layers + 2);
    EXPECT_EQ(tied.names.back(), "ln_f.bias");
    model.config.module_only = true;
    ASSERT_EQ(mzv_gpt2_weights(&model, RandomWeights::visit, &modules), MZV_OK);
    EXPECT_EQ(modules.names.size(), 1u + 6 * layers);
    EXPECT_EQ(modules.names[6], "h.0.attn.c_proj.bias");
}

} // namespace
