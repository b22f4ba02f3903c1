/* BERT in float: hooks, outputs, errors. Its numbers are compared with PyTorch's in
 * tests/runtime/checkpoint_golden_test.cc. */
#include "models/bert.h"

#include <gtest/gtest.h>
#include <cmath>
#include <string>
#include <vector>

#include "base/arena.h"
#include "base/fault.h"
#include "base/try.h"
#include "lib/random_weights.h"

namespace {

constexpr uint32_t embd = 10, head = 2, layers = 2, positions = 7, vocabulary = 9, labels = 3, inner = 14;

class Bert : public testing::Test {
  protected:
    RandomWeights weights;
    std::vector<mzv_bert_layer> layer { layers };
    mzv_bert model = {};
    const std::vector<uint32_t> ids = { 3, 1, 4, 1, 5, 8 }, types = { 0, 0, 1, 1, 0, 1 };
    const uint32_t n = 6;
    std::vector<float> hidden = std::vector<float>(6 * embd), pooled = std::vector<float>(embd),
                       logits = std::vector<float>(labels);

    void SetUp() override {
        model.config = {};
        model.config.kind = MZV_MODEL_BERT;
        model.config.classifier = true;
        model.config.n_layer = layers;
        model.config.n_head = head;
        model.config.n_embd = embd;
        model.config.n_inner = inner;
        model.config.n_positions = positions;
        model.config.vocab_size = vocabulary;
        model.config.n_types = 2;
        model.config.n_labels = labels;
        model.config.eps = 1e-12;
        model.layers = layer.data();
        ASSERT_EQ(mzv_bert_weights(&model, RandomWeights::visit, &weights), MZV_OK);
        const mzv_bert_outputs out = { hidden.data(), pooled.data(), logits.data() };
        ASSERT_EQ(mzv_bert_forward(&model, ids.data(), types.data(), n, nullptr, &out), MZV_OK);
    }
    std::vector<float> hidden_with(const mzv_float_hooks *hooks) {
        std::vector<float> h(6 * embd);
        const mzv_bert_outputs out = { h.data(), nullptr, nullptr };
        EXPECT_EQ(mzv_bert_forward(&model, ids.data(), types.data(), n, hooks, &out), MZV_OK)
            << mzv_last_error();
        return h;
    }
};

const mzv_bert *replaced_model;

TEST_F(Bert, ModulesAndHeadsReplacedByThemselvesChangeNothing) {
    replaced_model = &model;
    mzv_float_hooks hooks = {};
    hooks.attention = [](void *, uint32_t l, const float *x, uint32_t n_tokens, uint32_t first_row,
                         float *out) {
        mzv_float_attention m;
        MZV_TRY(mzv_bert_attention(&m, replaced_model, l));
        return mzv_float_attention_run(&m, x, n_tokens, first_row, nullptr, out);
    };
    EXPECT_EQ(hidden_with(&hooks), hidden);
    hooks.attention = nullptr;
    hooks.head = [](void *, uint32_t l, uint32_t h, const float *x, uint32_t n_tokens, uint32_t first_row,
                    float *out) {
        mzv_float_attention m;
        MZV_TRY(mzv_bert_attention(&m, replaced_model, l));
        return mzv_float_attention_head(&m, h, x, n_tokens, first_row, out);
    };
    EXPECT_EQ(hidden_with(&hooks), hidden);
    hooks.head = [](void *, uint32_t, uint32_t, const float *, uint32_t n_tokens, uint32_t, float *out) {
        for (uint32_t i = 0; i < n_tokens * embd / head; i++) out[i] = 0.0f;
        return MZV_OK;
    };
    EXPECT_NE(hidden_with(&hooks), hidden);
}

TEST_F(Bert, OutputsFollowFromEachOther) {
    /* pooled and logits by their definitions from the hidden state of the first token */
    for (uint32_t j = 0; j < embd; j++) {
        double sum = model.pooler_bias[j];
        for (uint32_t i = 0; i < embd; i++) sum += double(hidden[i]) * model.pooler_weight[j * embd + i];
        EXPECT_NEAR(pooled[j], std::tanh(sum), 1e-6);
    }
    for (uint32_t j = 0; j < labels; j++) {
        double sum = model.classifier_bias[j];
        for (uint32_t i = 0; i < embd; i++) sum += double(pooled[i]) * model.classifier_weight[j * embd + i];
        EXPECT_NEAR(logits[j], sum, 1e-6);
    }
}

TEST_F(Bert, TypesDefaultToZero) {
    const std::vector<uint32_t> zeros(n, 0);
    std::vector<float> a(n * embd), b(n * embd);
    ASSERT_EQ(mzv_bert_embed(&model, ids.data(), nullptr, n, a.data()), MZV_OK);
    ASSERT_EQ(mzv_bert_embed(&model, ids.data(), zeros.data(), n, b.data()), MZV_OK);
    EXPECT_EQ(a, b);
    ASSERT_EQ(mzv_bert_embed(&model, ids.data(), types.data(), n, b.data()), MZV_OK);
    EXPECT_NE(a, b);
}

TEST_F(Bert, HooksSeeStagesInOrder) {
    std::vector<int> seen;
    mzv_float_hooks hooks = {};
    hooks.user = &seen;
    hooks.stage = [](void *user, mzv_stage stage, uint32_t l, const float *, uint32_t rows,
                     uint32_t columns) {
        static_cast<std::vector<int> *>(user)->push_back(static_cast<int>(l) * 100 + stage);
        EXPECT_EQ(rows, stage == MZV_STAGE_POOLER ? 1u : 6u);
        EXPECT_EQ(columns, stage == MZV_STAGE_ACTIVATION ? inner : embd);
    };
    std::vector<float> l(labels);
    const mzv_bert_outputs out = { nullptr, nullptr, l.data() };
    ASSERT_EQ(mzv_bert_forward(&model, ids.data(), types.data(), n, &hooks, &out), MZV_OK);
    EXPECT_EQ(l, logits);
    std::vector<int> expected = { MZV_STAGE_EMBEDDING };
    for (int i = 0; i < int(layers); i++) {
        for (const int s : { MZV_STAGE_ATTENTION, MZV_STAGE_NORM1_IN, MZV_STAGE_NORM1, MZV_STAGE_ACTIVATION,
                             MZV_STAGE_NORM2_IN, MZV_STAGE_NORM2 })
            expected.push_back(100 * i + s);
    }
    expected.push_back(100 * layers + MZV_STAGE_POOLER);
    EXPECT_EQ(seen, expected);
}

TEST_F(Bert, ArgumentsAreChecked) {
    const mzv_bert_outputs out = { hidden.data(), nullptr, nullptr };
    const std::vector<float> before = hidden;
    const std::vector<uint32_t> long_text(positions + 1, 0), bad_id = { 0, vocabulary }, bad_type = { 0, 2 };
    EXPECT_EQ(mzv_bert_forward(&model, ids.data(), nullptr, 0, nullptr, &out), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_bert_forward(&model, long_text.data(), nullptr, positions + 1, nullptr, &out),
              MZV_ERR_ARGUMENT);
    EXPECT_NE(std::string(mzv_last_error()).find("8 tokens, the model has 1 to 7"), std::string::npos)
        << mzv_last_error();
    EXPECT_EQ(mzv_bert_forward(&model, bad_id.data(), nullptr, 2, nullptr, &out), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_bert_forward(&model, ids.data(), bad_type.data(), 2, nullptr, &out), MZV_ERR_ARGUMENT);
    EXPECT_NE(std::string(mzv_last_error()).find("type 2, the model has 2"), std::string::npos)
        << mzv_last_error();
    mzv_float_attention m;
    EXPECT_EQ(mzv_bert_attention(&m, &model, layers), MZV_ERR_ARGUMENT);
    model.classifier_weight = nullptr;
    const mzv_bert_outputs no_classifier = { nullptr, nullptr, logits.data() },
                           no_pooler = { nullptr, pooled.data(), nullptr };
    EXPECT_EQ(mzv_bert_forward(&model, ids.data(), nullptr, n, nullptr, &no_classifier), MZV_ERR_ARGUMENT);
    model.pooler_weight = nullptr;
    EXPECT_EQ(mzv_bert_forward(&model, ids.data(), nullptr, n, nullptr, &no_pooler), MZV_ERR_ARGUMENT);
    EXPECT_EQ(hidden, before);
}

TEST_F(Bert, EveryFailedAllocationIsReportedAndLeaksNothing) {
    const int64_t live = mzv_alloc_live();
    std::vector<float> h(n * embd, 42.0f);
    const mzv_bert_outputs out = { h.data(), nullptr, nullptr };
    int failures = 0;
    for (;; failures++) {
        mzv_test_fail_alloc_after(failures);
        const mzv_status status = mzv_bert_forward(&model, ids.data(), types.data(), n, nullptr, &out);
        mzv_test_fail_alloc_after(-1);
        if (status == MZV_OK) break;
        ASSERT_EQ(status, MZV_ERR_MEMORY);
        EXPECT_EQ(h, std::vector<float>(n * embd, 42.0f));
        EXPECT_EQ(mzv_alloc_live(), live);
    }
    EXPECT_EQ(failures, 1 + int(layers)); /* the workspace, and one attention per layer */
    EXPECT_EQ(h, hidden);
}

} // namespace
