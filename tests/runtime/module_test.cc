// Names of modules: canonical spelling, prefixes, and refusals that say what there is.
#include "runtime/module.h"

#include <gtest/gtest.h>

#include <string>

namespace {

mzv_checkpoint shape(mzv_model_kind kind) {
    mzv_checkpoint cp = {};
    cp.config.kind = kind, cp.config.n_layer = 12, cp.config.n_head = 4;
    return cp;
}

struct Name {
    mzv_model_kind kind;
    const char *text, *canonical;
    uint32_t layer;
    int32_t head;
};

class ModuleName : public testing::TestWithParam<Name> {};

TEST_P(ModuleName, IsUnderstood) {
    const Name want = GetParam();
    const mzv_checkpoint cp = shape(want.kind);
    mzv_module_name got;
    ASSERT_EQ(mzv_module_parse(&got, &cp, want.text), MZV_OK) << mzv_last_error();
    EXPECT_STREQ(got.text, want.canonical);
    EXPECT_EQ(got.layer, want.layer);
    EXPECT_EQ(got.head, want.head);
}

INSTANTIATE_TEST_SUITE_P(
    Both, ModuleName,
    testing::Values(Name{MZV_MODEL_GPT2, "h.0.attn", "h.0.attn", 0, -1},
                    Name{MZV_MODEL_GPT2, "transformer.h.11.attn.head.3", "h.11.attn.head.3", 11, 3},
                    Name{MZV_MODEL_BERT, "layer.1.attention", "layer.1.attention", 1, -1},
                    Name{MZV_MODEL_BERT, "encoder.layer.0.attention.head.2", "layer.0.attention.head.2", 0, 2},
                    Name{MZV_MODEL_BERT, "bert.encoder.layer.3.attention", "layer.3.attention", 3, -1}));

TEST(ModuleNames, ThatAreNotThereAreRefused) {
    const mzv_checkpoint gpt2 = shape(MZV_MODEL_GPT2), bert = shape(MZV_MODEL_BERT);
    for (const char *text : {"", "h", "h.0", "h.0.mlp", "h.12.attn", "h.-1.attn", "h.01.attn", "h.0.attn.head.4", "h.0.attn.head.",
                             "h.0.attn.head.0.x", "h.99999999999999999999.attn", "layer.0.attention"}) {
        mzv_module_name name = {7, 7, "untouched"};
        EXPECT_EQ(mzv_module_parse(&name, &gpt2, text), MZV_ERR_ARGUMENT) << text;
        EXPECT_STREQ(name.text, "untouched");
        EXPECT_NE(std::string(mzv_last_error()).find("h.N.attn.head.M with N = 0..11, M = 0..3"), std::string::npos)
            << mzv_last_error();
    }
    mzv_module_name name;
    EXPECT_EQ(mzv_module_parse(&name, &bert, "h.0.attn"), MZV_ERR_ARGUMENT);
}

} // namespace
