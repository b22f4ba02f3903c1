// What a user can get wrong: one line on stderr, the right exit code, nothing on stdout, nothing written.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "cli/process.h"
#include "mzv/mzv.h"

namespace {

const std::string model = MZV_SOURCE_DIR "/models/gpt2-shakespeare-char";

// A copy of the model that a test may damage.
struct Copy {
    Scratch scratch;
    Copy() {
        for (const char *name : { "config.json", "model.safetensors", "vocab.json" })
            write_all(scratch.at(name), read_all(model + "/" + name));
    }
    std::string read(const char *name) const { return read_all(scratch.at(name)); }
    void write(const char *name, const std::string &bytes) const { write_all(scratch.at(name), bytes); }
    void replace(const char *name, const std::string &from, const std::string &to) const {
        std::string text = read(name);
        const size_t at = text.find(from);
        ASSERT_NE(at, std::string::npos) << from;
        write(name, text.replace(at, from.size(), to));
    }
    Outcome generate() const {
        return run_mzv({ "generate", "--model", scratch.path, "--tokens", "2", "ROMEO:" });
    }
};

TEST(BadInput, TheUndamagedCopyRuns) {
    const Copy copy;
    const Outcome run = copy.generate();
    EXPECT_EQ(run.code, 0) << run.err;
    EXPECT_EQ(run.out, "ROMEO:\nI\n");
    EXPECT_EQ(run.err, "");
}

TEST(BadInput, MissingFolderAndFiles) {
    EXPECT_REFUSED(run_mzv({ "generate", "--model", "/nonexistent", "ROMEO:" }), 3, "E-file");
    for (const char *name : { "config.json", "model.safetensors" }) {
        const Copy copy;
        remove(copy.scratch.at(name).c_str());
        EXPECT_REFUSED(copy.generate(), 3, "E-file");
    }
    EXPECT_REFUSED(run_mzv({ "inspect", "/nonexistent" }), 3, "E-file");
}

TEST(BadInput, TruncatedWeights) {
    const Copy copy;
    const std::string whole = copy.read("model.safetensors");
    for (const size_t n :
         { size_t { 0 }, size_t { 7 }, size_t { 8 }, size_t { 100 }, whole.size() / 2, whole.size() - 1 }) {
        copy.write("model.safetensors", whole.substr(0, n));
        EXPECT_REFUSED(copy.generate(), 3, "E-format");
    }
    copy.write("model.safetensors", whole + "x");
    EXPECT_REFUSED(copy.generate(), 3, "E-format");
}

TEST(BadInput, ForgedWeights) {
    const Copy copy;
    const std::string whole = copy.read("model.safetensors");
    std::string forged = whole;
    memset(&forged[0], 0xff, 8); // header of 2^64 - 1 bytes
    copy.write("model.safetensors", forged);
    EXPECT_REFUSED(copy.generate(), 3, "E-format");

    forged = whole;
    const size_t at = forged.find("\"data_offsets\":[0,");
    ASSERT_NE(at, std::string::npos);
    forged[at + 16] = '8'; // a hole of 8 bytes before the first tensor
    copy.write("model.safetensors", forged);
    EXPECT_REFUSED(copy.generate(), 3, "E-format");

    forged = whole;
    const float nan = __builtin_nanf("");
    memcpy(&forged[forged.size() - 400], &nan, sizeof nan);
    copy.write("model.safetensors", forged);
    EXPECT_REFUSED(copy.generate(), 3, "E-format");

    copy.write("model.safetensors", "\x80\x04\x95" + std::string(1000, 'p')); // a pickle
    EXPECT_REFUSED(copy.generate(), 3, "E-format");
}

TEST(BadInput, ShapesThatContradictTheConfig) {
    const std::vector<std::vector<std::string>> edits = {
        { "\"n_embd\": 128", "\"n_embd\": 64" },
        { "\"n_layer\": 4", "\"n_layer\": 5" },
        { "\"n_layer\": 4", "\"n_layer\": 3" },
        { "\"vocab_size\": 65", "\"vocab_size\": 66" },
        { "\"n_positions\": 128", "\"n_positions\": 64" },
    };
    for (const std::vector<std::string> &edit : edits) {
        const Copy copy;
        copy.replace("config.json", edit[0], edit[1]);
        EXPECT_REFUSED(copy.generate(), 3, "E-format");
    }
}

TEST(BadInput, UnknownArchitectureIsNamed) {
    const Copy copy;
    copy.replace("config.json", "GPT2LMHeadModel", "LlamaForCausalLM");
    copy.replace("config.json", "\"gpt2\"", "\"llama\"");
    const Outcome run = copy.generate();
    EXPECT_REFUSED(run, 3, "E-format");
    EXPECT_NE(run.err.find("lama"), std::string::npos) << run.err;
}

TEST(BadInput, Prompts) {
    const auto with = [](const char *prompt) {
        return run_mzv({ "generate", "--model", model, "--tokens", "2", "--", prompt });
    };
    Outcome run = with("ROM\xff"
                       "EO");
    EXPECT_REFUSED(run, 64, "E-usage");
    EXPECT_NE(run.err.find("byte 3 is not UTF-8"), std::string::npos) << run.err;
    run = with("caf\xc3\xa9");
    EXPECT_REFUSED(run, 64, "E-usage");
    EXPECT_REFUSED(with(""), 64, "E-usage");
    EXPECT_REFUSED(run_mzv({ "generate", "--model", model }), 64, "E-usage");
    EXPECT_REFUSED(run_mzv({ "generate", "--model", model, "--ids", "1,65" }), 64, "E-usage");
    EXPECT_REFUSED(run_mzv({ "generate", "--model", model, "--ids", "1,,2" }), 64, "E-usage");
    EXPECT_REFUSED(run_mzv({ "generate", "--model", model, "--ids", "1", "x" }), 64, "E-usage");
}

TEST(BadInput, TooManyTokens) {
    const Outcome run = run_mzv({ "generate", "--model", model, "--tokens", "123", "ROMEO:" });
    EXPECT_REFUSED(run, 64, "E-usage");
    EXPECT_NE(run.err.find("too many tokens: prompt 6 + tokens 123 > n_positions 128"), std::string::npos)
        << run.err;
    const Outcome fits = run_mzv({ "generate", "--model", model, "--tokens", "122", "ROMEO:" });
    EXPECT_EQ(fits.code, 0) << fits.err;
    EXPECT_EQ(fits.out.size(), 129u);
    EXPECT_REFUSED(run_mzv({ "run", "--model", model, std::string(129, 'a') }), 64, "E-usage");
}

TEST(BadInput, CommandLines) {
    EXPECT_REFUSED(run_mzv({}), 64, "E-usage");
    EXPECT_REFUSED(run_mzv({ "generate", "x" }), 64, "E-usage");
    EXPECT_REFUSED(run_mzv({ "generate", "--modle", model, "x" }), 64, "E-usage");
    EXPECT_REFUSED(run_mzv({ "plan", "--model", model }), 64, "E-usage");
    EXPECT_REFUSED(run_mzv({ "params", "n99" }), 64, "E-usage");
    EXPECT_REFUSED(run_mzv({ "help", "me" }), 64, "E-usage");
    EXPECT_REFUSED(run_mzv({ "generate", "--model", model, "--encrypt", "h.9.attn", "x" }), 64, "E-usage");
    EXPECT_REFUSED(run_mzv({ "generate", "--model", model, "--top-k", "66", "x" }), 64, "E-usage");
}

TEST(BadInput, ControlCharactersDoNotReachTheTerminal) {
    const Outcome run = run_mzv({ "inspect", "/non\nexistent\033[2J" });
    EXPECT_REFUSED(run, 3, "E-file");
    EXPECT_EQ(run.err.find('\033'), std::string::npos);
}

TEST(BadInput, CalibrationMissingOrOfAnotherModel) {
    const Copy copy;
    const Outcome run =
        run_mzv({ "generate", "--model", copy.scratch.path, "--encrypt", "h.0.attn", "ROMEO:" });
    EXPECT_REFUSED(run, 3, "E-file");
    EXPECT_NE(run.err.find("mzv calibrate --model " + copy.scratch.path), std::string::npos) << run.err;

    std::string weights = copy.read("model.safetensors");
    weights[weights.size() - 400] ^= 1; // another model: one bit
    copy.write("model.safetensors", weights);
    copy.write("calibration.safetensors", read_all(model + "/calibration.safetensors"));
    EXPECT_REFUSED(run_mzv({ "plan", "--model", copy.scratch.path, "--encrypt", "h.0.attn" }), 3,
                   "E-mismatch");
    copy.write("calibration.safetensors", "not one");
    EXPECT_REFUSED(run_mzv({ "plan", "--model", copy.scratch.path, "--encrypt", "h.0.attn" }), 3, "E-format");
}

TEST(BadInput, CalibratingOnTooLittleLeavesNoFile) {
    const Copy copy;
    write_all(copy.scratch.at("text"), "ROMEO:\n");
    const std::vector<std::string> before = copy.scratch.names();
    EXPECT_REFUSED(run_mzv({ "calibrate", "--model", copy.scratch.path, "--text", copy.scratch.at("text") }),
                   64, "E-usage");
    EXPECT_REFUSED(run_mzv({ "calibrate", "--model", copy.scratch.path, "--text", "/nonexistent" }), 3,
                   "E-file");
    EXPECT_REFUSED(run_mzv({ "calibrate", "--model", copy.scratch.path }), 64, "E-usage");
    EXPECT_EQ(copy.scratch.names(), before);
}

// Files of keys and ciphertexts under a named set, made with the library.
struct Objects {
    mzv_context *ctx = nullptr;
    mzv_secret *secret = nullptr;
    mzv_cipher *cipher = nullptr;
    explicit Objects(const char *set) {
        mzv_params params;
        EXPECT_EQ(mzv_params_named(&params, set), MZV_OK);
        EXPECT_EQ(mzv_context_create(&ctx, &params, nullptr), MZV_OK) << mzv_last_error();
        EXPECT_EQ(mzv_secret_create(&secret, ctx), MZV_OK);
        EXPECT_EQ(mzv_cipher_create(&cipher, ctx, 1, 1), MZV_OK);
        const std::vector<mzv_complex> slots(mzv_context_slots(ctx));
        EXPECT_EQ(mzv_encrypt(cipher, secret, slots.data(), 1), MZV_OK) << mzv_last_error();
    }
    ~Objects() {
        mzv_cipher_destroy(cipher);
        mzv_secret_destroy(secret);
        mzv_context_destroy(ctx);
    }
    void save(const std::string &key_path, const std::string &cipher_path) const {
        EXPECT_EQ(mzv_secret_save(secret, key_path.c_str()), MZV_OK) << mzv_last_error();
        EXPECT_EQ(mzv_cipher_save(cipher, ctx, cipher_path.c_str()), MZV_OK) << mzv_last_error();
    }
};

TEST(BadInput, ObjectsOfOtherParameters) {
    const Scratch scratch;
    Objects("n13-leveled").save(scratch.at("key"), scratch.at("ct"));
    for (const char *name : { "key", "ct" }) {
        const Outcome right = run_mzv({ "inspect", "--expect-params", "n13-leveled", scratch.at(name) });
        EXPECT_EQ(right.code, 0) << right.err;
        EXPECT_REFUSED(run_mzv({ "inspect", "--expect-params", "n14-leveled", scratch.at(name) }), 3,
                       "E-mismatch");
    }
    const Outcome saved = run_mzv({ "params", "n14-leveled", "--save", scratch.at("n14") });
    EXPECT_EQ(saved.code, 0) << saved.err;
    EXPECT_REFUSED(run_mzv({ "inspect", "--expect-params", scratch.at("n14"), scratch.at("key") }), 3,
                   "E-mismatch");
    EXPECT_REFUSED(run_mzv({ "inspect", "--expect-params", "n99", scratch.at("key") }), 64, "E-usage");
}

TEST(BadInput, DamagedObjects) {
    const Scratch scratch;
    Objects("n13-leveled").save(scratch.at("key"), scratch.at("ct"));
    const std::string whole = read_all(scratch.at("ct"));
    for (const size_t n : { size_t { 0 }, size_t { 16 }, whole.size() - 1 }) {
        write_all(scratch.at("cut"), whole.substr(0, n));
        EXPECT_REFUSED(run_mzv({ "inspect", scratch.at("cut") }), 3, "E-format");
    }
    for (const size_t at : { size_t { 0 }, size_t { 40 }, whole.size() / 2, whole.size() - 1 }) {
        std::string flipped = whole;
        flipped[at] ^= 4;
        write_all(scratch.at("flipped"), flipped);
        EXPECT_REFUSED(run_mzv({ "inspect", scratch.at("flipped") }), 3, "E-format");
    }
}

TEST(BadInput, InsecureParametersNeedTheFlag) {
    const Scratch scratch;
    EXPECT_REFUSED(run_mzv({ "params", "toy-leveled" }), 3, "E-params");
    EXPECT_REFUSED(run_mzv({ "params", "toy-leveled", "--save", scratch.at("p") }), 3, "E-params");
    EXPECT_FALSE(exists(scratch.at("p")));
    EXPECT_EQ(run_mzv({ "params", "toy-leveled", "--insecure-toy", "--save", scratch.at("p") }).code, 0);
    Objects("toy-leveled").save(scratch.at("key"), scratch.at("ct"));
    for (const char *name : { "p", "key", "ct" }) {
        EXPECT_REFUSED(run_mzv({ "inspect", scratch.at(name) }), 3, "E-params");
        const Outcome accepted = run_mzv({ "inspect", "--insecure-toy", scratch.at(name) });
        EXPECT_EQ(accepted.code, 0) << accepted.err;
        EXPECT_NE(accepted.out.find("insecure toy"), std::string::npos) << accepted.out;
    }
}

TEST(BadInput, ResultsThatCannotBeWritten) {
    const Scratch scratch;
    const std::vector<std::string> places = { scratch.at("missing/result"), scratch.path, "/dev/null",
                                              "/proc/result" };
    for (const std::string &place : places)
        EXPECT_REFUSED(run_mzv({ "generate", "--model", model, "--tokens", "2", "-O", place, "ROMEO:" }), 1,
                       "E-output");
    EXPECT_REFUSED(run_mzv({ "params", "n13-leveled", "--save", scratch.at("missing/p") }), 1, "E-output");
    EXPECT_TRUE(scratch.names().empty());

    RunOptions full;
    full.stdout_path = "/dev/full";
    EXPECT_REFUSED(run_mzv({ "params", "-o", "json" }, full), 1, "E-output");
}

TEST(BadInput, AFailureLeavesAnOlderResultAlone) {
    const Scratch scratch;
    write_all(scratch.at("result"), "older");
    EXPECT_REFUSED(run_mzv({ "generate", "--model", "/nonexistent", "-O", scratch.at("result"), "x" }), 3,
                   "E-file");
    EXPECT_EQ(read_all(scratch.at("result")), "older");
    EXPECT_EQ(scratch.names(), std::vector<std::string> { "result" });
}

TEST(BadInput, TooLittleMemory) {
    const Scratch scratch;
    const Outcome run = run_mzv({ "generate", "--model", model, "--encrypt", "h.0.attn", "--tokens", "2",
                                  "--memory-max", "100M", "-O", scratch.at("result"), "ROMEO:" });
    EXPECT_REFUSED(run, 4, "E-memory");
    for (const char *part : { "needs ", "had 100 MiB", "; " })
        EXPECT_NE(run.err.find(part), std::string::npos) << run.err;
    EXPECT_TRUE(scratch.names().empty());
}

#ifndef __SANITIZE_ADDRESS__ // whose shadow memory alone is larger than any limit
TEST(BadInput, TooLittleAddressSpace) {
    RunOptions tight; // enough to load the model, too little for the keys
    tight.address_space_bytes = uint64_t { 400 } << 20;
    tight.environment = { "OMP_NUM_THREADS=1" };
    EXPECT_REFUSED(run_mzv({ "generate", "--model", model, "--encrypt", "h.0.attn", "--tokens", "2",
                             "--progress", "never", "ROMEO:" },
                           tight),
                   4, "E-memory");
}
#endif

TEST(BadInput, AMissingDeviceIsToldApart) {
    const Outcome doctor = run_mzv({ "doctor", "--backend", "cuda", "-o", "csv" });
    if (doctor.out.find("cuda/sm_") != std::string::npos) GTEST_SKIP() << "this machine has a GPU";
    EXPECT_REFUSED(
        run_mzv({ "generate", "--model", model, "--backend", "cuda", "--encrypt", "h.0.attn", "ROMEO:" }), 5,
        "E-no-device");
}

TEST(BadInput, InterruptingACalibrationLeavesNoFile) {
    const Copy copy;
    std::string text;
    for (int i = 0; i < 3000; i++) text += "ROMEO:\nI will not so shall be so much a base a brother,\n";
    write_all(copy.scratch.at("text"), text);
    const std::vector<std::string> before = copy.scratch.names();
    RunOptions options;
    options.signal_after_ms = 500;
    EXPECT_REFUSED(run_mzv({ "calibrate", "--model", copy.scratch.path, "--text", copy.scratch.at("text"),
                             "--progress", "never" },
                           options),
                   130, "E-interrupted");
    EXPECT_EQ(copy.scratch.names(), before);
}

} // namespace
