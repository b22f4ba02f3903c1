/* Loading folders: what is accepted, and one test per way in which config.json, tensors and vocabulary can
 * disagree. */
#include "runtime/checkpoint.h"

#include <gtest/gtest.h>
#include <unistd.h>
#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "base/arena.h"
#include "base/fault.h"
#include "base/memory.h"
#include "lib/forge.h"

namespace {

using Tensors = std::vector<forge::Tensor>;

const char gpt2_config[] =
    "{\"model_type\": \"gpt2\", \"architectures\": [\"GPT2LMHeadModel\"], \"n_layer\": 2, \"n_head\": 2, "
    "\"n_embd\": 4, \"n_inner\": 6, \"n_positions\": 5, \"vocab_size\": 3}";

/* Values that are exact in F16 and BF16, different for every tensor. */
forge::Tensor ramp(const std::string &name, const std::vector<uint64_t> &shape) {
    uint64_t n = 1;
    for (const uint64_t d : shape) n *= d;
    std::vector<float> values(n);
    for (uint64_t i = 0; i < n; i++)
        values[i] = static_cast<float>(int((i * 7 + name.size() * 3) % 31) - 15) / 16;
    return forge::f32(name, shape, values);
}

void add_layer(Tensors *out, const std::string &p, bool mlp) {
    out->push_back(ramp(p + "ln_1.weight", { 4 }));
    out->push_back(ramp(p + "ln_1.bias", { 4 }));
    out->push_back(ramp(p + "attn.c_attn.weight", { 4, 12 }));
    out->push_back(ramp(p + "attn.c_attn.bias", { 12 }));
    out->push_back(ramp(p + "attn.c_proj.weight", { 4, 4 }));
    out->push_back(ramp(p + "attn.c_proj.bias", { 4 }));
    if (!mlp) return;
    out->push_back(ramp(p + "ln_2.weight", { 4 }));
    out->push_back(ramp(p + "ln_2.bias", { 4 }));
    out->push_back(ramp(p + "mlp.c_fc.weight", { 4, 6 }));
    out->push_back(ramp(p + "mlp.c_fc.bias", { 6 }));
    out->push_back(ramp(p + "mlp.c_proj.weight", { 6, 4 }));
    out->push_back(ramp(p + "mlp.c_proj.bias", { 4 }));
}

Tensors gpt2_tensors() {
    Tensors out = { ramp("wte.weight", { 3, 4 }), ramp("wpe.weight", { 5, 4 }) };
    add_layer(&out, "h.0.", true);
    add_layer(&out, "h.1.", true);
    out.push_back(ramp("ln_f.weight", { 4 }));
    out.push_back(ramp("ln_f.bias", { 4 }));
    return out;
}

forge::Tensor *named(Tensors *tensors, const std::string &name) {
    for (forge::Tensor &t : *tensors) {
        if (t.name == name) return &t;
    }
    return nullptr;
}

void drop(Tensors *tensors, const std::string &name) {
    tensors->erase(std::remove_if(tensors->begin(), tensors->end(),
                                  [&](const forge::Tensor &t) { return t.name == name; }),
                   tensors->end());
}

struct Loaded {
    forge::Folder folder;
    mzv_checkpoint *c = nullptr;
    mzv_status status;
    std::string message;
    Loaded(const std::string &config, const Tensors &tensors, const std::string &vocabulary = "") {
        if (!config.empty()) folder.write("config.json", config);
        if (!tensors.empty()) folder.write("model.safetensors", forge::safetensors(tensors));
        if (!vocabulary.empty()) folder.write("vocab.json", vocabulary);
        load();
    }
    void load() {
        const int64_t live = mzv_alloc_live();
        status = mzv_checkpoint_load(&c, folder.path().c_str());
        message = status == MZV_OK ? "" : mzv_last_error();
        if (status != MZV_OK) {
            EXPECT_EQ(c, nullptr);
            EXPECT_EQ(mzv_alloc_live(), live);
        }
    }
    ~Loaded() { mzv_checkpoint_destroy(c); }
    std::string id() const { return std::string(reinterpret_cast<const char *>(c->id), sizeof c->id); }
};

void expect_refused(const Loaded &l, int rule, const std::string &part) {
    EXPECT_EQ(l.status, MZV_ERR_FORMAT) << l.message;
    EXPECT_NE(l.message.find(": rule " + std::to_string(rule) + ": "), std::string::npos) << l.message;
    EXPECT_NE(l.message.find(part), std::string::npos) << l.message;
}

TEST(Checkpoint, LoadsWeightsWhereTheyBelong) {
    Tensors tensors = gpt2_tensors();
    const Loaded l(gpt2_config, tensors);
    ASSERT_EQ(l.status, MZV_OK) << l.message;
    uint64_t n = 0;
    for (const forge::Tensor &t : tensors) n += t.bytes.size() / 4;
    EXPECT_EQ(l.c->n_weights, n);
    EXPECT_EQ(l.c->gpt2.head, l.c->gpt2.wte);
    const auto same = [&](const float *at, const char *name) {
        const std::string &bytes = named(&tensors, name)->bytes;
        EXPECT_EQ(std::string(reinterpret_cast<const char *>(at), bytes.size()), bytes) << name;
        EXPECT_EQ(reinterpret_cast<uintptr_t>(at) % 64, 0u);
    };
    same(l.c->gpt2.wte, "wte.weight");
    same(l.c->gpt2.layers[1].attention_weight, "h.1.attn.c_attn.weight");
    same(l.c->gpt2.layers[0].down_weight, "h.0.mlp.c_proj.weight");
    same(l.c->gpt2.norm_bias, "ln_f.bias");
    EXPECT_EQ(l.c->tokenizer, nullptr);
}

TEST(Checkpoint, PrefixDtypeOrderAndSpacingDoNotChangeTheIdentity) {
    const Loaded plain(gpt2_config, gpt2_tensors());
    ASSERT_EQ(plain.status, MZV_OK) << plain.message;
    Tensors changed = gpt2_tensors();
    std::reverse(changed.begin(), changed.end());
    for (forge::Tensor &t : changed) {
        t.name = "transformer." + t.name;
        t.dtype = "BF16"; /* the upper halves */
        std::string halves;
        for (size_t i = 0; i < t.bytes.size(); i += 4) halves += t.bytes.substr(i + 2, 2);
        t.bytes = halves;
    }
    const Loaded other(std::string(gpt2_config) + "\n  ", changed);
    ASSERT_EQ(other.status, MZV_OK) << other.message;
    EXPECT_EQ(plain.id(), other.id());
    Tensors different = gpt2_tensors();
    different[5].bytes[0] ^= 1;
    EXPECT_NE(Loaded(gpt2_config, different).id(), plain.id());
    std::string config = gpt2_config;
    config.insert(1, "\"activation_function\": \"gelu\", ");
    EXPECT_NE(Loaded(config, gpt2_tensors()).id(), plain.id());
}

TEST(Checkpoint, BuffersAreIgnoredByName) {
    Tensors tensors = gpt2_tensors();
    tensors.push_back(ramp("h.0.attn.bias", { 1, 1, 5, 5 }));
    tensors.push_back({ "transformer.h.1.attn.bias", "BOOL", { 1, 1, 5, 5 }, std::string(25, '\1') });
    tensors.push_back(ramp("h.1.attn.masked_bias", {}));
    const Loaded l(gpt2_config, tensors);
    EXPECT_EQ(l.status, MZV_OK) << l.message;
    for (const char *name : { "h.2.attn.bias", "h.00000001.attn.bias", "h..attn.bias", "attn.bias",
                              "h.0.attn.bias2", "embeddings.position_ids" }) {
        Tensors more = gpt2_tensors();
        more.push_back(ramp(name, { 1 }));
        expect_refused(Loaded(gpt2_config, more), 76,
                       std::string("tensor '") + name + "': expected no such tensor");
    }
}

TEST(Checkpoint, Rule76Missing) {
    for (const forge::Tensor &t : gpt2_tensors()) {
        Tensors tensors = gpt2_tensors();
        drop(&tensors, t.name);
        expect_refused(Loaded(gpt2_config, tensors), 76,
                       "tensor '" + t.name + "': expected by config.json, found none");
    }
}

TEST(Checkpoint, Rule76Extra) {
    Tensors tensors = gpt2_tensors();
    add_layer(&tensors, "h.2.", true);
    expect_refused(Loaded(gpt2_config, tensors), 76,
                   "'h.2.ln_1.weight': expected no such tensor by config.json (gpt2, 2 layers)");
    tensors = gpt2_tensors();
    tensors.push_back(ramp("transformer.wte.weight", { 3, 4 })); /* beside wte.weight */
    expect_refused(Loaded(gpt2_config, tensors), 76, "'wte.weight'");
}

TEST(Checkpoint, Rule76WrongShape) {
    const std::vector<std::vector<uint64_t>> shapes = { { 12, 4 }, { 48 }, { 4, 12, 1 }, { 4, 11 }, {} };
    for (const auto &shape : shapes) {
        Tensors tensors = gpt2_tensors();
        *named(&tensors, "h.1.attn.c_attn.weight") = ramp("h.1.attn.c_attn.weight", shape);
        expect_refused(Loaded(gpt2_config, tensors), 76,
                       "'h.1.attn.c_attn.weight': expected shape [4, 12] by config.json, found [");
    }
    std::string config = gpt2_config; /* a vocabulary larger than the embedding */
    config.replace(config.find("\"vocab_size\": 3"), 15, "\"vocab_size\": 4");
    expect_refused(Loaded(config, gpt2_tensors()), 76,
                   "'wte.weight': expected shape [4, 4] by config.json, found [3, 4]");
}

TEST(Checkpoint, Rule72DtypeOfAWeight) {
    Tensors tensors = gpt2_tensors();
    named(&tensors, "ln_f.bias")->dtype = "I32";
    expect_refused(Loaded(gpt2_config, tensors), 72,
                   "'ln_f.bias': dtype: expected F32, F16 or BF16, found I32");
}

TEST(Checkpoint, Rule77NotFinite) {
    Tensors tensors = gpt2_tensors();
    named(&tensors, "h.1.ln_2.bias")->bytes.replace(8, 4, std::string("\0\0\xc0\x7f", 4));
    expect_refused(Loaded(gpt2_config, tensors), 77,
                   "'h.1.ln_2.bias': value 2: expected a finite number, found NaN");
}

TEST(Checkpoint, AStoredTiedHeadMustBeTheEmbedding) {
    Tensors tensors = gpt2_tensors();
    tensors.push_back(ramp("wte.weight", { 3, 4 }));
    tensors.back().name = "lm_head.weight";
    const Loaded same(gpt2_config, tensors);
    ASSERT_EQ(same.status, MZV_OK) << same.message;
    EXPECT_EQ(same.id(), Loaded(gpt2_config, gpt2_tensors()).id());
    tensors.back().bytes[46] ^= 1;
    expect_refused(Loaded(gpt2_config, tensors), 76, "'lm_head.weight': value 11: expected");
    tensors.back() = ramp("lm_head.weight", { 4, 4 });
    expect_refused(Loaded(gpt2_config, tensors), 76, "expected shape [3, 4]");
    std::string untied = gpt2_config;
    untied.insert(1, "\"tie_word_embeddings\": false, ");
    tensors.back() = ramp("lm_head.weight", { 3, 4 });
    const Loaded own(untied, tensors);
    ASSERT_EQ(own.status, MZV_OK) << own.message;
    EXPECT_NE(own.c->gpt2.head, own.c->gpt2.wte);
    expect_refused(Loaded(untied, gpt2_tensors()), 76,
                   "'lm_head.weight': expected by config.json, found none");
}

TEST(Checkpoint, ModulesAlone) {
    const char config[] =
        "{\"model_type\": \"gpt2\", \"architectures\": [\"GPT2Attention\"], \"n_layer\": 3, \"n_head\": 2, "
        "\"n_embd\": 4, \"n_positions\": 5}";
    Tensors tensors;
    add_layer(&tensors, "h.1.", false);
    const Loaded l(config, tensors);
    ASSERT_EQ(l.status, MZV_OK) << l.message;
    EXPECT_TRUE(l.c->config.module_only);
    EXPECT_EQ(l.c->gpt2.wpe, nullptr);
    mzv_float_attention m;
    mzv_float_norm norm;
    EXPECT_EQ(mzv_gpt2_attention(&m, &l.c->gpt2, 1), MZV_OK);
    EXPECT_EQ(mzv_gpt2_norm1(&norm, &l.c->gpt2, 1), MZV_OK);
    EXPECT_EQ(mzv_gpt2_attention(&m, &l.c->gpt2, 0), MZV_ERR_ARGUMENT);
    EXPECT_NE(std::string(mzv_last_error()).find("layer 0 is not in this checkpoint"), std::string::npos);

    Tensors positions = tensors;
    positions.push_back(ramp("wpe.weight", { 5, 4 }));
    EXPECT_EQ(Loaded(config, positions).status, MZV_OK);
    expect_refused(Loaded(config, { ramp("wpe.weight", { 5, 4 }) }), 76,
                   "at least one of 3 layers, found none");
    Tensors partial = tensors;
    drop(&partial, "h.1.attn.c_proj.bias");
    expect_refused(Loaded(config, partial), 76,
                   "'h.1.attn.c_proj.bias': expected by config.json, found none");
    partial = tensors;
    drop(&partial, "h.1.ln_1.weight");
    expect_refused(Loaded(config, partial), 76, "not the ones of the same module before it");
    partial = tensors;
    partial.push_back(ramp("h.1.ln_2.weight", { 4 }));
    expect_refused(Loaded(config, partial), 76, "no such tensor");
}

TEST(Checkpoint, Rule26NeededAgainstAvailable) {
    /* 4 TiB of embedding in a sparse file: refused before anything of that size is allocated. */
    std::string config = gpt2_config;
    config.replace(config.find("\"vocab_size\": 3"), 15, "\"vocab_size\": 16777216");
    config.replace(config.find("\"n_embd\": 4"), 11, "\"n_embd\": 65536");
    const Loaded l(config, gpt2_tensors());
    const auto [head, end] = [] {
        std::string out = "{";
        uint64_t at = 0;
        const auto add = [&](const std::string &name, const std::vector<uint64_t> &shape) {
            uint64_t n = 4;
            for (const uint64_t d : shape) n *= d;
            out += (out.size() > 1 ? "," : "") + forge::entry(name, "F32", forge::shape_text(shape),
                                                              std::to_string(at), std::to_string(at + n));
            at += n;
        };
        const uint64_t c = 65536;
        add("wte.weight", { 16777216, c });
        add("wpe.weight", { 5, c });
        for (const std::string p : { "h.0.", "h.1." }) {
            for (const char *name : { "ln_1.weight", "ln_1.bias", "ln_2.weight", "ln_2.bias",
                                      "attn.c_proj.bias", "mlp.c_proj.bias" })
                add(p + name, { c });
            add(p + "attn.c_attn.weight", { c, 3 * c });
            add(p + "attn.c_attn.bias", { 3 * c });
            add(p + "attn.c_proj.weight", { c, c });
            add(p + "mlp.c_fc.weight", { c, 6 });
            add(p + "mlp.c_fc.bias", { 6 });
            add(p + "mlp.c_proj.weight", { 6, c });
        }
        add("ln_f.weight", { c });
        add("ln_f.bias", { c });
        return std::make_pair(out + "}", at);
    }();
    const std::string path = l.folder.write("model.safetensors", forge::file(head, ""));
    if (truncate(path.c_str(), static_cast<off_t>(8 + head.size() + end)) != 0) {
        GTEST_SKIP() << "the file system of /tmp does not take a sparse file of " << end << " bytes";
    }
    const uint64_t before = mzv_memory_peak();
    mzv_checkpoint *c = nullptr;
    EXPECT_EQ(mzv_checkpoint_load(&c, l.folder.path().c_str()), MZV_ERR_MEMORY) << mzv_last_error();
    EXPECT_NE(std::string(mzv_last_error()).find("needs 45"), std::string::npos) << mzv_last_error();
    EXPECT_EQ(c, nullptr);
    EXPECT_LT(mzv_memory_peak() - before, 64u << 20);
}

TEST(Checkpoint, Rule78ShardsAndPickles) {
    Loaded l(gpt2_config, {});
    EXPECT_EQ(l.status, MZV_ERR_IO);
    EXPECT_NE(l.message.find("model.safetensors"), std::string::npos) << l.message;
    l.folder.write("pytorch_model.bin", "PK");
    l.load();
    expect_refused(l, 4, "pickles are never read");
    l.folder.write("model.safetensors.index.json",
                   "{\"weight_map\": {\"wte.weight\": \"../../etc/passwd\"}}");
    l.load();
    expect_refused(l, 78, "sharded checkpoints are not read");
}

TEST(Checkpoint, Rule79ConfigComesFirst) {
    const Loaded none("", gpt2_tensors());
    EXPECT_EQ(none.status, MZV_ERR_IO);
    EXPECT_NE(none.message.find("config.json"), std::string::npos) << none.message;
    expect_refused(Loaded("{\"model_type\": \"llama\"}", gpt2_tensors()), 79, "found llama");
}

TEST(Checkpoint, Rule28PathTooLong) {
    mzv_checkpoint *c = nullptr;
    EXPECT_EQ(mzv_checkpoint_load(&c, std::string(5000, 'x').c_str()), MZV_ERR_ARGUMENT);
    EXPECT_NE(std::string(mzv_last_error()).find("rule 28"), std::string::npos) << mzv_last_error();
}

TEST(Checkpoint, Vocabulary) {
    uint32_t ids[8], n = 0;
    const Loaded with(gpt2_config, gpt2_tensors(), "{\"x\": 0, \"y\": 1, \"z\": 2}");
    ASSERT_EQ(with.status, MZV_OK) << with.message;
    ASSERT_EQ(mzv_checkpoint_encode(with.c, "zxy", 3, ids, 8, &n), MZV_OK);
    EXPECT_EQ(std::vector<uint32_t>(ids, ids + n), (std::vector<uint32_t> { 2, 0, 1 }));
    EXPECT_EQ(mzv_checkpoint_encode(with.c, "xxxxxx", 6, ids, 8, &n), MZV_ERR_ARGUMENT); /* 5 positions */
    EXPECT_NE(std::string(mzv_last_error()).find("at most 5 characters"), std::string::npos)
        << mzv_last_error();

    const Loaded without(gpt2_config, gpt2_tensors()), subwords(gpt2_config, gpt2_tensors(), "{\"the\": 0}");
    EXPECT_EQ(mzv_checkpoint_encode(without.c, "x", 1, ids, 8, &n), MZV_ERR_ARGUMENT);
    EXPECT_NE(
        std::string(mzv_last_error()).find("there is no vocab.json); give token ids, such as --ids 1,2,3"),
        std::string::npos)
        << mzv_last_error();
    ASSERT_EQ(subwords.status, MZV_OK) << subwords.message;
    EXPECT_EQ(mzv_checkpoint_encode(subwords.c, "x", 1, ids, 8, &n), MZV_ERR_ARGUMENT);
    EXPECT_NE(std::string(mzv_last_error()).find("holds subwords"), std::string::npos) << mzv_last_error();
    expect_refused(Loaded(gpt2_config, gpt2_tensors(), "{\"x\": 3}"), 80, "below 3, found 3");
    expect_refused(Loaded(gpt2_config, gpt2_tensors(), "["), 71, "vocab.json");
}

TEST(Checkpoint, EveryFailedAllocationAndReadIsReportedAndLeaksNothing) {
    Loaded l(gpt2_config, gpt2_tensors(), "{\"x\": 0}");
    ASSERT_EQ(l.status, MZV_OK);
    const int64_t live = mzv_alloc_live();
    for (const mzv_fault_point point : { MZV_FAULT_ALLOC, MZV_FAULT_READ, MZV_FAULT_OPEN }) {
        int failures = 0;
        for (;; failures++) {
            mzv_checkpoint *c = nullptr;
            mzv_test_fail_after(point, failures, point == MZV_FAULT_ALLOC ? ENOMEM : EIO);
            const mzv_status status = mzv_checkpoint_load(&c, l.folder.path().c_str());
            mzv_test_fail_after(point, -1, 0);
            if (status == MZV_OK) {
                mzv_checkpoint_destroy(c);
                break;
            }
            EXPECT_EQ(status, point == MZV_FAULT_ALLOC ? MZV_ERR_MEMORY : MZV_ERR_IO) << mzv_last_error();
            EXPECT_EQ(c, nullptr);
            EXPECT_EQ(mzv_alloc_live(), live);
        }
        EXPECT_GE(failures, point == MZV_FAULT_OPEN ? 3 : 10);
    }
}

} // namespace
