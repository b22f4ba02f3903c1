/* The float models against PyTorch and against the golden tensors of real checkpoints: within 1e-4
 * everywhere. tests/vectors/models.py made the former; the latter lie beside the checkpoints. */
#include <gtest/gtest.h>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "lib/forge.h"
#include "lib/golden.h"
#include "runtime/checkpoint.h"
#include "runtime/sample.h"

namespace {

constexpr double tolerance = 1e-4;

struct Model {
    mzv_checkpoint *c = nullptr;
    explicit Model(const std::string &folder) {
        EXPECT_EQ(mzv_checkpoint_load(&c, folder.c_str()), MZV_OK) << mzv_last_error();
    }
    ~Model() { mzv_checkpoint_destroy(c); }
    Model(const Model &) = delete;
    Model &operator=(const Model &) = delete;
};

/* Every stage of a run, by (stage, layer). */
struct Stages {
    std::map<std::pair<int, uint32_t>, std::vector<float>> seen;
    mzv_float_hooks hooks = {};
    Stages() {
        hooks.user = this;
        hooks.stage = [](void *user, mzv_stage stage, uint32_t layer, const float *x, uint32_t rows,
                         uint32_t columns) {
            static_cast<Stages *>(user)->seen[{ stage, layer }].assign(x, x + size_t(rows) * columns);
        };
    }
    const std::vector<float> &at(mzv_stage stage, uint32_t layer) { return seen[{ stage, layer }]; }
};

std::string vectors(const std::string &name) {
    return std::string(MZV_SOURCE_DIR) + "/tests/vectors/models/" + name;
}

bool have(const std::string &folder) { return std::filesystem::exists(folder + "/model.safetensors"); }

#define NEED_SHARED(name)                                                                                    \
    const std::string folder = forge::shared("checkpoints/" name);                                           \
    if (!have(folder))                                                                                       \
    GTEST_SKIP() << folder << " is absent; set MZV_SHARED to the folder that holds checkpoints/"

class Gpt2Vectors : public testing::TestWithParam<const char *> {};

TEST_P(Gpt2Vectors, MatchPyTorch) {
    const Model model(vectors(GetParam()));
    const Golden golden(vectors(GetParam()) + "/expected.safetensors");
    ASSERT_NE(model.c, nullptr);
    const std::vector<uint32_t> ids = golden.ids("ids");
    std::vector<float> logits(ids.size() * model.c->config.vocab_size);
    Stages stages;
    ASSERT_EQ(
        mzv_gpt2_forward(&model.c->gpt2, ids.data(), uint32_t(ids.size()), &stages.hooks, logits.data()),
        MZV_OK)
        << mzv_last_error();
    EXPECT_LT(largest_difference(logits, golden.floats("logits")), tolerance);
    for (uint32_t i = 0; i < model.c->config.n_layer; i++) {
        const std::string n = std::to_string(i);
        EXPECT_LT(largest_difference(stages.at(MZV_STAGE_NORM1_IN, i), golden.floats("hidden." + n)),
                  tolerance)
            << i;
        EXPECT_LT(largest_difference(stages.at(MZV_STAGE_ATTENTION, i), golden.floats("attention." + n)),
                  tolerance)
            << i;
    }
}

INSTANTIATE_TEST_SUITE_P(Small, Gpt2Vectors,
                         testing::Values("gpt2-untied", "gpt2-f16", "gpt2-bf16", "gpt2-buffers"));

class BertVectors : public testing::TestWithParam<const char *> {};

TEST_P(BertVectors, MatchPyTorch) {
    const Model model(vectors(GetParam()));
    const Golden golden(vectors(GetParam()) + "/expected.safetensors");
    ASSERT_NE(model.c, nullptr);
    const mzv_model_config &c = model.c->config;
    const std::vector<uint32_t> ids = golden.ids("ids"), types = golden.ids("types");
    std::vector<float> hidden(ids.size() * c.n_embd), pooled(c.n_embd), logits(c.n_labels);
    const bool has_pooler = golden.has("pooled"), has_logits = golden.has("logits");
    EXPECT_EQ(model.c->bert.pooler_weight != nullptr, has_pooler);
    EXPECT_EQ(c.classifier, has_logits);
    const mzv_bert_outputs out = { hidden.data(), has_pooler ? pooled.data() : nullptr,
                                   has_logits ? logits.data() : nullptr };
    Stages stages;
    ASSERT_EQ(
        mzv_bert_forward(&model.c->bert, ids.data(), types.data(), uint32_t(ids.size()), &stages.hooks, &out),
        MZV_OK)
        << mzv_last_error();
    EXPECT_LT(largest_difference(stages.at(MZV_STAGE_EMBEDDING, 0), golden.floats("hidden.0")), tolerance);
    for (uint32_t i = 0; i < c.n_layer; i++) {
        EXPECT_LT(largest_difference(stages.at(MZV_STAGE_ATTENTION, i),
                                     golden.floats("attention." + std::to_string(i))),
                  tolerance)
            << i;
        EXPECT_LT(largest_difference(stages.at(MZV_STAGE_NORM2, i),
                                     golden.floats("hidden." + std::to_string(i + 1))),
                  tolerance)
            << i;
    }
    EXPECT_LT(largest_difference(hidden, golden.floats("hidden." + std::to_string(c.n_layer))), tolerance);
    if (has_pooler) {
        EXPECT_LT(largest_difference(pooled, golden.floats("pooled")), tolerance);
    }
    if (has_logits) {
        EXPECT_LT(largest_difference(logits, golden.floats("logits")), tolerance);
    }
}

INSTANTIATE_TEST_SUITE_P(Small, BertVectors,
                         testing::Values("bert-classifier", "bert-f16", "bert-bf16", "bert-bare"));

std::string shakespeare() { return std::string(MZV_SOURCE_DIR) + "/models/gpt2-shakespeare-char"; }

TEST(ShippedCheckpoint, MatchesPyTorchAndItsGoldenTensors) {
    const Model model(shakespeare());
    ASSERT_NE(model.c, nullptr);
    for (const std::string &file :
         { vectors("gpt2-shakespeare-char/expected.safetensors"), shakespeare() + "/golden.safetensors" }) {
        const Golden golden(file);
        const std::vector<uint32_t> ids = golden.ids(golden.has("ids") ? "ids" : "input_ids");
        std::vector<float> logits(ids.size() * 65);
        Stages stages;
        ASSERT_EQ(
            mzv_gpt2_forward(&model.c->gpt2, ids.data(), uint32_t(ids.size()), &stages.hooks, logits.data()),
            MZV_OK);
        EXPECT_LT(largest_difference(logits, golden.floats("logits")), tolerance) << file;
        if (!golden.has("block0")) continue;
        EXPECT_LT(largest_difference(stages.at(MZV_STAGE_EMBEDDING, 0), golden.floats("embeddings")),
                  tolerance);
        for (uint32_t i = 0; i < 4; i++) {
            EXPECT_LT(
                largest_difference(stages.at(MZV_STAGE_BLOCK, i), golden.floats("block" + std::to_string(i))),
                tolerance)
                << i;
        }
    }
}

TEST(ShippedCheckpoint, WritesWhatItWroteInTraining) {
    const Model model(shakespeare());
    ASSERT_NE(model.c, nullptr);
    std::string text = "ROMEO:\n";
    std::vector<uint32_t> ids(128);
    std::vector<float> logits(65);
    uint32_t n = 0;
    ASSERT_EQ(mzv_checkpoint_encode(model.c, text.data(), text.size(), ids.data(), 128, &n), MZV_OK)
        << mzv_last_error();
    mzv_gpt2_state *state = nullptr;
    ASSERT_EQ(mzv_gpt2_state_create(&state, &model.c->gpt2, 128), MZV_OK);
    for (uint32_t i = 0; i < n; i++) ASSERT_EQ(mzv_gpt2_step(state, ids[i], nullptr, logits.data()), MZV_OK);
    mzv_sampler greedy = { 0.0, 0, 0 };
    while (mzv_gpt2_state_tokens(state) < 128) {
        uint32_t id = 0;
        char c[5];
        ASSERT_EQ(mzv_sample(&greedy, logits.data(), 65, &id), MZV_OK);
        ASSERT_EQ(mzv_tokenizer_decode(model.c->tokenizer, id, c), MZV_OK);
        text += c;
        ASSERT_EQ(mzv_gpt2_step(state, id, nullptr, logits.data()), MZV_OK);
    }
    mzv_gpt2_state_destroy(state);
    /* greedy_from_ROMEO of golden.safetensors, by NumPy when the model was trained */
    const std::string expected = "ROMEO:\nI will not so shall be so much a base a brother,\nAnd there the "
                                 "state of the state of the world.\n\n"
                                 "KING RICHARD III:\nWhat ";
    EXPECT_EQ(text.substr(0, expected.size()), expected);
}

TEST(ShippedCheckpoint, GreedyTextMatchesPyTorch) {
    const Model model(shakespeare());
    const Golden golden(vectors("gpt2-shakespeare-char/expected.safetensors"));
    ASSERT_NE(model.c, nullptr);
    const std::vector<uint32_t> expected = golden.ids("greedy");
    std::vector<uint32_t> ids = golden.ids("ids");
    std::vector<float> logits(ids.size() * 65);
    mzv_gpt2_state *state = nullptr;
    ASSERT_EQ(mzv_gpt2_state_create(&state, &model.c->gpt2, 128), MZV_OK);
    ASSERT_EQ(mzv_gpt2_extend(state, ids.data(), uint32_t(ids.size()), nullptr, logits.data()), MZV_OK);
    const float *last = logits.data() + (ids.size() - 1) * 65;
    while (ids.size() < expected.size()) {
        mzv_sampler greedy = { 0.0, 0, 0 };
        uint32_t id = 0;
        ASSERT_EQ(mzv_sample(&greedy, last, 65, &id), MZV_OK);
        ids.push_back(id);
        ASSERT_EQ(mzv_gpt2_step(state, id, nullptr, logits.data()), MZV_OK);
        last = logits.data();
    }
    mzv_gpt2_state_destroy(state);
    EXPECT_EQ(ids, expected);
}

TEST(SharedCheckpoint, GptNanoSort) {
    NEED_SHARED("gpt-nano-sort");
    const Model model(folder);
    const Golden golden(folder + "/golden.safetensors");
    ASSERT_NE(model.c, nullptr);
    const std::vector<uint32_t> ids = golden.ids("idx");
    const std::vector<float> expected = golden.floats("lm_head"), qkv = golden.floats("q"),
                             projected = golden.floats("yProj"), fc = golden.floats("fc"),
                             block2 = golden.floats("block2");
    const auto part = [](const std::vector<float> &x, size_t b) {
        const size_t n = x.size() / 3;
        return std::vector<float>(x.begin() + b * n, x.begin() + (b + 1) * n);
    };
    for (size_t b = 0; b < 3; b++) { /* batch of 3 texts of 11 tokens */
        std::vector<float> logits(11 * 3);
        Stages stages;
        ASSERT_EQ(mzv_gpt2_forward(&model.c->gpt2, ids.data() + 11 * b, 11, &stages.hooks, logits.data()),
                  MZV_OK);
        EXPECT_LT(largest_difference(logits, part(expected, b)), tolerance);
        EXPECT_LT(largest_difference(stages.at(MZV_STAGE_ATTENTION, 0), part(projected, b)), tolerance);
        EXPECT_LT(largest_difference(stages.at(MZV_STAGE_ACTIVATION, 0), part(fc, b)), tolerance);
        EXPECT_LT(largest_difference(stages.at(MZV_STAGE_BLOCK, 2), part(block2, b)), tolerance);
    }
    ASSERT_NE(model.c->tokenizer, nullptr);
    EXPECT_EQ(mzv_tokenizer_count(model.c->tokenizer), 3u);
}

TEST(SharedCheckpoint, GptNanoSortSortsEveryInput) {
    NEED_SHARED("gpt-nano-sort");
    const Model model(folder);
    ASSERT_NE(model.c, nullptr);
    uint32_t n_sorted = 0;
    mzv_gpt2_state *state = nullptr;
    ASSERT_EQ(mzv_gpt2_state_create(&state, &model.c->gpt2, 11), MZV_OK);
    for (uint32_t input = 0; input < 729; input++) {
        std::vector<uint32_t> ids, out;
        for (uint32_t i = 0, rest = input; i < 6; i++, rest /= 3) ids.push_back(rest % 3);
        std::vector<float> logits(6 * 3);
        mzv_gpt2_state_rewind(state, 0);
        ASSERT_EQ(mzv_gpt2_extend(state, ids.data(), 6, nullptr, logits.data()), MZV_OK);
        const float *last = logits.data() + 15;
        for (uint32_t i = 0; i < 6; i++) {
            mzv_sampler greedy = { 0.0, 0, 0 };
            uint32_t id = 0;
            ASSERT_EQ(mzv_sample(&greedy, last, 3, &id), MZV_OK);
            out.push_back(id);
            if (i == 5) break;
            ASSERT_EQ(mzv_gpt2_step(state, id, nullptr, logits.data()), MZV_OK);
            last = logits.data();
        }
        std::sort(ids.begin(), ids.end());
        n_sorted += out == ids;
    }
    mzv_gpt2_state_destroy(state);
    EXPECT_EQ(n_sorted, 729u);
}

TEST(SharedCheckpoint, BertTinySst2) {
    NEED_SHARED("bert-tiny-sst2");
    const Model model(folder);
    const Golden golden(folder + "/golden.safetensors");
    ASSERT_NE(model.c, nullptr);
    for (int s = 0; s < 5; s++) {
        const std::string p = std::to_string(s) + ".";
        const std::vector<uint32_t> ids = golden.ids(p + "input_ids");
        std::vector<float> hidden(ids.size() * 128), logits(2), embedded(ids.size() * 128);
        const mzv_bert_outputs out = { hidden.data(), nullptr, logits.data() };
        ASSERT_EQ(mzv_bert_embed(&model.c->bert, ids.data(), nullptr, uint32_t(ids.size()), embedded.data()),
                  MZV_OK);
        ASSERT_EQ(mzv_bert_forward(&model.c->bert, ids.data(), nullptr, uint32_t(ids.size()), nullptr, &out),
                  MZV_OK);
        EXPECT_LT(largest_difference(embedded, golden.floats(p + "embeddings")), tolerance) << s;
        EXPECT_LT(largest_difference(hidden, golden.floats(p + "encoder_out")), tolerance) << s;
        EXPECT_LT(largest_difference(logits, golden.floats(p + "logits")), tolerance) << s;
    }
    uint32_t n = 0, id = 0;
    EXPECT_EQ(mzv_checkpoint_encode(model.c, "a", 1, &id, 1, &n), MZV_ERR_ARGUMENT);
    EXPECT_NE(std::string(mzv_last_error()).find("--ids"), std::string::npos);
}

TEST(SharedCheckpoint, Gpt2SmallAttentionOfLayer0) {
    NEED_SHARED("gpt2-layer0-attn");
    const Model model(folder);
    const Golden golden(folder + "/golden.safetensors");
    ASSERT_NE(model.c, nullptr);
    EXPECT_TRUE(model.c->config.module_only);
    mzv_float_attention m;
    mzv_float_norm norm;
    ASSERT_EQ(mzv_gpt2_attention(&m, &model.c->gpt2, 0), MZV_OK);
    ASSERT_EQ(mzv_gpt2_norm1(&norm, &model.c->gpt2, 0), MZV_OK);
    for (const uint32_t n : { 6u, 8u, 16u }) {
        const std::string p = "T" + std::to_string(n) + ".";
        const std::vector<float> x = golden.floats(p + "hidden"), heads = golden.floats(p + "heads");
        std::vector<float> normed(x.size()), out(x.size()), head(n * 64);
        mzv_float_norm_run(normed.data(), x.data(), n, &norm);
        EXPECT_LT(largest_difference(normed, golden.floats(p + "ln_1")), tolerance);
        ASSERT_EQ(mzv_float_attention_run(&m, normed.data(), n, 0, nullptr, out.data()), MZV_OK);
        EXPECT_LT(largest_difference(out, golden.floats(p + "attn")), tolerance);
        for (uint32_t h = 0; h < 12; h++) {
            ASSERT_EQ(mzv_float_attention_head(&m, h, normed.data(), n, 0, head.data()), MZV_OK);
            std::vector<float> expected;
            for (uint32_t t = 0; t < n; t++) {
                expected.insert(expected.end(), heads.begin() + t * 768 + h * 64,
                                heads.begin() + t * 768 + (h + 1) * 64);
            }
            EXPECT_LT(largest_difference(head, expected), tolerance) << h;
        }
    }
}

TEST(SharedCheckpoint, LlamaIsNamedAndRefused) {
    NEED_SHARED("stories260K");
    mzv_checkpoint *c = nullptr;
    EXPECT_EQ(mzv_checkpoint_load(&c, folder.c_str()), MZV_ERR_FORMAT);
    EXPECT_NE(std::string(mzv_last_error()).find("found llama"), std::string::npos) << mzv_last_error();
}

} // namespace
