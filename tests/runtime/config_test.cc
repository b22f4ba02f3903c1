/* config.json: what is read, and one test per thing that is refused. */
#include "runtime/config.h"

#include <gtest/gtest.h>
#include <map>
#include <string>

#include "lib/forge.h"

namespace {

using Fields = std::map<std::string, std::string>;

const Fields gpt2 = { { "model_type", "\"gpt2\"" }, { "architectures", "[\"GPT2LMHeadModel\"]" },
                      { "n_layer", "2" },           { "n_head", "3" },
                      { "n_embd", "12" },           { "n_positions", "7" },
                      { "vocab_size", "5" } };
const Fields bert = { { "model_type", "\"bert\"" },
                      { "architectures", "[\"BertForSequenceClassification\"]" },
                      { "num_hidden_layers", "2" },
                      { "num_attention_heads", "2" },
                      { "hidden_size", "8" },
                      { "intermediate_size", "9" },
                      { "max_position_embeddings", "7" },
                      { "vocab_size", "5" },
                      { "type_vocab_size", "2" } };

/* `fields` with some replaced; an empty value removes the field. */
std::string text(Fields fields, const Fields &changes = {}) {
    for (const auto &[key, value] : changes) {
        fields[key] = value;
        if (value.empty()) fields.erase(key);
    }
    std::string out = "{";
    for (const auto &[key, value] : fields) out += (out.size() > 1 ? ", \"" : "\"") + key + "\": " + value;
    return out + "}";
}

mzv_status parse(mzv_model_config *out, const std::string &t) {
    return mzv_config_parse(out, "config.json", t.data(), t.size());
}

void expect_refused(const std::string &t, int rule, const std::string &part) {
    mzv_model_config c = {};
    c.n_layer = 77;
    EXPECT_EQ(parse(&c, t), MZV_ERR_FORMAT) << t;
    const std::string message = mzv_last_error();
    EXPECT_NE(message.find("config.json: rule " + std::to_string(rule) + ": "), std::string::npos) << message;
    EXPECT_NE(message.find(part), std::string::npos) << message;
    EXPECT_EQ(c.n_layer, 77u); /* as it was */
}

TEST(Config, Gpt2AndItsDefaults) {
    mzv_model_config c;
    ASSERT_EQ(parse(&c, text(gpt2)), MZV_OK) << mzv_last_error();
    EXPECT_EQ(c.kind, MZV_MODEL_GPT2);
    EXPECT_FALSE(c.module_only);
    EXPECT_TRUE(c.tied);
    EXPECT_EQ(c.n_layer, 2u);
    EXPECT_EQ(c.n_head, 3u);
    EXPECT_EQ(c.n_embd, 12u);
    EXPECT_EQ(c.n_inner, 48u);
    EXPECT_EQ(c.n_positions, 7u);
    EXPECT_EQ(c.vocab_size, 5u);
    EXPECT_EQ(c.eps, 1e-5);
    EXPECT_EQ(c.activation, MZV_ACTIVATION_GELU_TANH);
    ASSERT_EQ(parse(&c, text(gpt2, { { "n_inner", "null" }, { "architectures", "" } })), MZV_OK);
    EXPECT_EQ(c.n_inner, 48u);
    ASSERT_EQ(parse(&c, text(gpt2, { { "n_inner", "20" },
                                     { "tie_word_embeddings", "false" },
                                     { "layer_norm_epsilon", "0.25" },
                                     { "activation_function", "\"relu\"" },
                                     { "scale_attn_weights", "true" } })),
              MZV_OK);
    EXPECT_EQ(c.n_inner, 20u);
    EXPECT_FALSE(c.tied);
    EXPECT_EQ(c.eps, 0.25);
    EXPECT_EQ(c.activation, MZV_ACTIVATION_RELU);
}

TEST(Config, Gpt2AttentionNeedsNoVocabulary) {
    mzv_model_config c;
    ASSERT_EQ(parse(&c, text(gpt2, { { "architectures", "[\"GPT2Attention\"]" }, { "vocab_size", "" } })),
              MZV_OK)
        << mzv_last_error();
    EXPECT_TRUE(c.module_only);
    EXPECT_FALSE(c.tied);
    EXPECT_EQ(c.vocab_size, 0u);
    EXPECT_EQ(c.n_inner, 0u);
}

TEST(Config, BertAndItsDefaults) {
    mzv_model_config c;
    ASSERT_EQ(parse(&c, text(bert)), MZV_OK) << mzv_last_error();
    EXPECT_EQ(c.kind, MZV_MODEL_BERT);
    EXPECT_TRUE(c.classifier);
    EXPECT_EQ(c.n_labels, 2u);
    EXPECT_EQ(c.n_types, 2u);
    EXPECT_EQ(c.eps, 1e-12);
    EXPECT_EQ(c.activation, MZV_ACTIVATION_GELU);
    ASSERT_EQ(parse(&c, text(bert, { { "id2label", "{\"0\": \"a\", \"1\": \"b\", \"2\": \"c\"}" } })),
              MZV_OK);
    EXPECT_EQ(c.n_labels, 3u);
    ASSERT_EQ(parse(&c, text(bert, { { "num_labels", "4" } })), MZV_OK);
    EXPECT_EQ(c.n_labels, 4u);
    ASSERT_EQ(parse(&c, text(bert, { { "architectures", "[\"BertModel\"]" },
                                     { "position_embedding_type", "\"absolute\"" } })),
              MZV_OK);
    EXPECT_FALSE(c.classifier);
    EXPECT_EQ(c.n_labels, 0u);
}

TEST(Config, Rule79UnknownArchitecture) {
    expect_refused(text(gpt2, { { "model_type", "\"llama\"" } }), 79, "found llama");
    expect_refused(text(gpt2, { { "model_type", "\"llama\"" } }), 79,
                   "gpt2 (GPT2LMHeadModel, GPT2Attention) or bert");
    expect_refused(text(gpt2, { { "model_type", "" } }), 79, "found nothing");
    expect_refused(text(gpt2, { { "model_type", "1" } }), 79, "found 1");
    expect_refused(text(gpt2, { { "architectures", "[\"GPT2Model\"]" } }), 79, "found GPT2Model");
    expect_refused(text(gpt2, { { "architectures", "[]" } }), 79, "architectures");
    expect_refused(text(gpt2, { { "architectures", "\"GPT2LMHeadModel\"" } }), 79, "architectures");
    expect_refused(text(bert, { { "architectures", "[\"GPT2LMHeadModel\"]" } }), 79, "found GPT2LMHeadModel");
    expect_refused(text(gpt2, { { "model_type", "\"\\u001b[2J\"" } }), 79, "found \\x1b[2J");
}

TEST(Config, Rule79Sizes) {
    for (const Fields &fields : { gpt2, bert }) {
        for (const auto &[key, unused] : fields) {
            if (key == "model_type" || key == "architectures") continue;
            for (const char *bad : { "0", "-1", "2147483648", "4294967296", "9223372036854775807", "1.0",
                                     "1e3", "\"2\"", "null", "[2]", "true" }) {
                expect_refused(text(fields, { { key, bad } }), 79, key + ": expected an integer from 1 to ");
            }
            expect_refused(text(fields, { { key, "" } }), 79, "found nothing");
            expect_refused(text(fields, { { key, "9223372036854775808" } }), 71, "JSON");
        }
    }
    expect_refused(text(gpt2, { { "n_inner", "0" } }), 79, "n_inner");
    expect_refused(text(bert, { { "num_labels", "0" } }), 79, "num_labels");
    expect_refused(text(bert, { { "id2label", "{}" } }), 79, "id2label");
    expect_refused(text(bert, { { "id2label", "[1]" } }), 79, "id2label");
}

TEST(Config, Rule79HeadsDivideTheWidth) {
    expect_refused(text(gpt2, { { "n_head", "5" } }), 79, "divides the 12 channels, found 5");
    expect_refused(text(gpt2, { { "n_head", "13" } }), 79, "found 13");
    expect_refused(text(bert, { { "num_attention_heads", "3" } }), 79, "divides the 8 channels, found 3");
}

TEST(Config, Rule79WhatTheModelWouldComputeOtherwise) {
    expect_refused(text(gpt2, { { "activation_function", "\"silu\"" } }), 79, "found silu");
    expect_refused(text(bert, { { "hidden_act", "3" } }), 79, "found 3");
    expect_refused(text(gpt2, { { "scale_attn_weights", "false" } }), 79, "found false");
    expect_refused(text(gpt2, { { "scale_attn_by_inverse_layer_idx", "true" } }), 79, "found true");
    expect_refused(text(gpt2, { { "add_cross_attention", "true" } }), 79, "add_cross_attention");
    expect_refused(text(gpt2, { { "tie_word_embeddings", "1" } }), 79, "true or false, found 1");
    expect_refused(text(bert, { { "is_decoder", "true" } }), 79, "is_decoder");
    expect_refused(text(bert, { { "position_embedding_type", "\"relative_key\"" } }), 79,
                   "found relative_key");
}

TEST(Config, Rule79Epsilon) {
    for (const char *bad : { "0", "-1e-5", "1", "2", "\"1e-5\"", "null" }) {
        expect_refused(text(gpt2, { { "layer_norm_epsilon", bad } }), 79, "layer_norm_epsilon");
        expect_refused(text(bert, { { "layer_norm_eps", bad } }), 79, "layer_norm_eps");
    }
}

TEST(Config, Rule71Json) {
    const std::string good = text(gpt2);
    for (size_t n = 1; n < good.size(); n++) expect_refused(good.substr(0, n), 71, "JSON");
    expect_refused(good + "x", 71, "JSON");
    expect_refused("\xef\xbb\xbf" + good, 71, "JSON");
    expect_refused("[]", 71, "expected an object");
    expect_refused(good.substr(0, good.size() - 1) + ", \"n_layer\": 2}", 71, "duplicate");
    expect_refused("{\"a\":" + std::string(9, '[') + std::string(9, ']') + "}", 71, "nesting");
}

TEST(Config, FilesAreBounded) {
    const forge::Folder folder;
    mzv_model_config c;
    EXPECT_EQ(mzv_config_load(&c, folder.path("none").c_str()), MZV_ERR_IO);
    EXPECT_EQ(mzv_config_load(&c, folder.write("empty", "").c_str()), MZV_ERR_FORMAT);
    EXPECT_NE(std::string(mzv_last_error()).find("rule 1:"), std::string::npos);
    EXPECT_EQ(mzv_config_load(&c, folder.write("long", text(gpt2) + std::string(1 << 20, ' ')).c_str()),
              MZV_ERR_FORMAT);
    EXPECT_NE(std::string(mzv_last_error()).find("at most 1048576 bytes"), std::string::npos)
        << mzv_last_error();
    EXPECT_EQ(mzv_config_load(&c, folder.write("good", text(gpt2) + "\n").c_str()), MZV_OK);
}

TEST(Config, Names) {
    EXPECT_STREQ(mzv_model_kind_name(MZV_MODEL_BERT), "bert");
    EXPECT_STREQ(mzv_activation_name(MZV_ACTIVATION_GELU_TANH), "gelu_new");
    EXPECT_STREQ(mzv_activation_name(MZV_ACTIVATION_RELU), "relu");
}

} // namespace
