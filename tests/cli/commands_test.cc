// What the commands print when all is well.
#include <gtest/gtest.h>
#include <jansson.h>

#include <cmath>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "cli/process.h"

namespace {

const std::string model = MZV_SOURCE_DIR "/models/gpt2-shakespeare-char";

struct Json {
    json_t *value;
    explicit Json(const std::string &text) {
        json_error_t error;
        value = json_loads(text.c_str(), JSON_REJECT_DUPLICATES, &error); // refuses text after the object
        EXPECT_NE(value, nullptr) << error.text << "\n" << text;
    }
    ~Json() { json_decref(value); }
    Json(const Json &) = delete;
    Json &operator=(const Json &) = delete;
    json_t *operator[](const char *key) const { return json_object_get(value, key); }
    std::string text(const char *key) const {
        const char *found = json_string_value((*this)[key]);
        return found != nullptr ? found : "(none)";
    }
    double number(const char *key) const { return json_number_value((*this)[key]); }
};

TEST(Commands, HelpOfEachCommand) {
    const Outcome all = run_mzv({ "help" });
    EXPECT_EQ(all.code, 0);
    EXPECT_EQ(all.err, "");
    for (const char *name : { "run", "generate", "calibrate", "plan", "inspect", "params", "bench", "devices",
                              "doctor", "version", "help" }) {
        EXPECT_NE(all.out.find(std::string("\n  ") + name + " "), std::string::npos) << name;
        const Outcome one = run_mzv({ name, "--help" });
        EXPECT_EQ(one.code, 0) << one.err;
        EXPECT_EQ(one.out.rfind(std::string("usage: mzv ") + name, 0), 0u) << one.out;
        EXPECT_EQ(run_mzv({ "help", name }).out, one.out);
    }
}

TEST(Commands, ParamsListsEverySetInEveryForm) {
    const Json json(run_mzv({ "params", "-o", "json" }).out);
    EXPECT_EQ(json.text("schema"), "mzv/1");
    const size_t n = json_array_size(json["rows"]);
    EXPECT_GE(n, 5u);
    size_t i;
    json_t *row;
    json_array_foreach(json["rows"], i, row) {
        const bool toy = json_is_true(json_object_get(row, "insecure_toy"));
        const double margin = json_number_value(json_object_get(row, "margin"));
        EXPECT_EQ(toy, margin < 0) << json_string_value(json_object_get(row, "name"));
        EXPECT_EQ(toy ? 0 : 128, json_integer_value(json_object_get(row, "security_bits")));
    }
    for (const char *format : { "text", "csv", "md", "jsonl" }) {
        const Outcome run = run_mzv({ "params", "-o", format });
        EXPECT_EQ(run.code, 0) << run.err;
        std::istringstream lines(run.out);
        std::string line;
        size_t n_lines = 0;
        while (std::getline(lines, line)) n_lines++;
        const size_t head = std::string(format) == "md" ? 2 : std::string(format) == "jsonl" ? 0 : 1;
        EXPECT_EQ(n_lines, n + head) << run.out;
    }
}

TEST(Commands, ParamsShowsPrimesThatMakeTheModulus) {
    const Json json(run_mzv({ "params", "n13-leveled", "-o", "json" }).out);
    double log2_qp = 0;
    size_t i;
    json_t *prime;
    std::set<json_int_t> seen;
    json_array_foreach(json["primes"], i, prime) {
        const json_int_t p = json_integer_value(prime);
        log2_qp += std::log2(static_cast<double>(p));
        EXPECT_EQ(p % (2 << 13), 1) << p;
        EXPECT_TRUE(seen.insert(p).second) << p;
    }
    EXPECT_NEAR(log2_qp, json.number("log2_qp"), 1e-6);
    EXPECT_LE(log2_qp, json.number("log2_qp_cap"));
}

TEST(Commands, DoctorLooksAtEverything) {
    const Json json(run_mzv({ "doctor", "-o", "json" }).out);
    std::set<std::string> names;
    size_t i;
    json_t *row;
    json_array_foreach(json["rows"], i, row) {
        names.insert(json_string_value(json_object_get(row, "check")));
        const std::string status = json_string_value(json_object_get(row, "status"));
        EXPECT_TRUE(status == "ok" || status == "warn") << status;
        EXPECT_STRNE(json_string_value(json_object_get(row, "found")), "");
        EXPECT_EQ(status == "ok", std::string(json_string_value(json_object_get(row, "next"))).empty());
    }
    EXPECT_EQ(names, (std::set<std::string> { "cpu", "backend", "threads", "memory", "cuda", "huge pages",
                                              "randomness" }));
}

TEST(Commands, InspectKnowsACheckpointAndItsCalibration) {
    const Json json(run_mzv({ "inspect", "-o", "json", model }).out);
    EXPECT_EQ(json.text("kind"), "checkpoint");
    EXPECT_EQ(json.text("architecture"), "gpt2");
    EXPECT_EQ(json.number("layers"), 4);
    EXPECT_EQ(json.number("weights"), 818048);
    EXPECT_TRUE(json_is_true(json["calibrated"]));
    const Json calibration(run_mzv({ "inspect", "-o", "json", model + "/calibration.safetensors" }).out);
    EXPECT_EQ(calibration.text("kind"), "calibration");
    EXPECT_EQ(calibration.text("model_id"), json.text("model_id"));
    EXPECT_EQ(calibration.number("heads"), 4);
}

// The greedy text stands in the checkpoint's README: NumPy in double precision made it.
TEST(Commands, GenerateInFloatGivesTheTextOfTheReadme) {
    const std::string wanted = "ROMEO:\nI will not so shall be so much a base a brother,\n"
                               "And there the state of the state of the world.\n\nKI";
    const Outcome text = run_mzv({ "generate", "--model", model, "--tokens", "100", "ROMEO:" });
    EXPECT_EQ(text.code, 0) << text.err;
    EXPECT_EQ(text.out.substr(0, 100), wanted.substr(0, 100));

    const Json json(run_mzv({ "generate", "--model", model, "--tokens", "20", "-o", "json", "ROMEO:" }).out);
    EXPECT_EQ(json.text("schema"), "mzv/1");
    EXPECT_EQ(json.text("prompt"), "ROMEO:");
    EXPECT_EQ(json.text("generated"), wanted.substr(6, 20));
    EXPECT_EQ(json.text("text"), wanted.substr(0, 26));
    EXPECT_EQ(json_array_size(json["generated_ids"]), 20u);
    for (const char *key : { "module", "relative_error", "log_n", "log2_qp", "security_bits", "levels",
                             "keys_bytes", "upload_bytes_per_token", "download_bytes_per_token" })
        EXPECT_TRUE(json_is_null(json[key])) << key;
    EXPECT_EQ(json.text("mode"), "float");
    EXPECT_GT(json.number("seconds_per_token"), 0);
    EXPECT_GT(json.number("peak_rss_bytes"), 1e6);
}

TEST(Commands, SamplingDependsOnTheSeedOnly) {
    const auto sample = [](const char *seed) {
        return run_mzv({ "generate", "--model", model, "--tokens", "40", "--top-k", "10", "--seed", seed,
                         "ROMEO:" })
            .out;
    };
    EXPECT_EQ(sample("1"), sample("1"));
    EXPECT_NE(sample("1"), sample("2"));
    EXPECT_NE(sample("1"), run_mzv({ "generate", "--model", model, "--tokens", "40", "ROMEO:" }).out);
    EXPECT_EQ(
        run_mzv({ "generate", "--model", model, "--tokens", "40", "--top-k", "1", "ROMEO:" }).out,
        run_mzv({ "generate", "--model", model, "--tokens", "40", "--temperature", "0", "ROMEO:" }).out);
}

TEST(Commands, AResultInAFileIsTheSameAsOnStdout) {
    const Scratch scratch;
    const Outcome direct = run_mzv({ "generate", "--model", model, "--tokens", "20", "ROMEO:" });
    const Outcome file =
        run_mzv({ "generate", "--model", model, "--tokens", "20", "-O", scratch.at("r"), "ROMEO:" });
    EXPECT_EQ(file.code, 0) << file.err;
    EXPECT_EQ(file.out, "");
    EXPECT_EQ(read_all(scratch.at("r")), direct.out);
}

TEST(Commands, RunShowsTheLikeliestNextTokens) {
    const Json json(run_mzv({ "run", "--model", model, "-o", "json", "ROMEO:" }).out);
    ASSERT_EQ(json_array_size(json["top"]), 5u);
    EXPECT_EQ(json.text("result"), "\n");
    EXPECT_TRUE(json_is_true(json["agrees_with_float"]));
    EXPECT_EQ(json.number("logit_error"), 0);
    double last = 1;
    size_t i;
    json_t *row;
    json_array_foreach(json["top"], i, row) {
        const double p = json_number_value(json_object_get(row, "probability"));
        EXPECT_LE(p, last);
        EXPECT_GT(p, 0);
        last = p;
    }
}

TEST(Commands, RunClassifies) {
    if (shared_folder().empty()) GTEST_SKIP() << "no shared checkpoints; set MZV_SHARED";
    const std::string bert = shared_folder() + "/checkpoints/bert-tiny-sst2";
    // "a good film", "a bad film" in BERT's vocabulary
    const Json good(run_mzv({ "run", "--model", bert, "-o", "json", "--ids", "101,1037,2204,2143,102" }).out);
    const Json bad(run_mzv({ "run", "--model", bert, "-o", "json", "--ids", "101,1037,2919,2143,102" }).out);
    EXPECT_EQ(good.text("result"), "positive");
    EXPECT_EQ(bad.text("result"), "negative");
}

TEST(Commands, PlanFitsASecureRing) {
    const Outcome run =
        run_mzv({ "plan", "--model", model, "--encrypt", "h.0.attn.head.0", "--tokens", "16", "-o", "json" });
    ASSERT_EQ(run.code, 0) << run.err;
    const Json json(run.out);
    EXPECT_EQ(json.text("module"), "h.0.attn.head.0");
    EXPECT_GE(json.number("security_bits"), 128);
    EXPECT_LE(json.number("log2_qp"), json.number("log2_qp_cap"));
    EXPECT_GT(json.number("keys_bytes"), 0);
    EXPECT_GT(json.number("memory_bytes"), json.number("keys_bytes"));
    EXPECT_LE(json.number("predicted_error"), 3e-4);
    EXPECT_EQ(json.number("tokens_max"), 16);
}

TEST(Commands, BenchRowsComeInEveryForm) {
    const Outcome table = run_mzv({ "bench", "ckks", "n15", "add", "-o", "csv" });
    EXPECT_EQ(table.code, 0) << table.err;
    EXPECT_EQ(table.out.rfind("name,log_n,", 0), 0u) << table.out;
    const Json json(run_mzv({ "bench", "ckks", "n15", "add", "-o", "json" }).out);
    ASSERT_GE(json_array_size(json["rows"]), 1u);
    const json_t *row = json_array_get(json["rows"], 0);
    EXPECT_EQ(json_integer_value(json_object_get(row, "log_n")), 15);
    EXPECT_GT(json_number_value(json_object_get(row, "median_s")), 0);
    EXPECT_REFUSED(run_mzv({ "bench", "ckks", "n15", "nosuch" }), 64, "E-usage");
    EXPECT_REFUSED(run_mzv({ "bench", "nosuch" }), 64, "E-usage");
}

TEST(Commands, BenchCircuitTimesAndChecks) {
    const std::vector<std::string> toy = { "bench", "circuit", "--set", "toy-leveled", "--insecure-toy" };
    const auto with = [&](std::vector<std::string> more) {
        more.insert(more.begin(), toy.begin(), toy.end());
        return run_mzv(more);
    };
    const Json json(with({ "--only", "exp", "--threads", "1", "-o", "json" }).out);
    EXPECT_EQ(json.text("suite"), "circuit");
    ASSERT_EQ(json_array_size(json["rows"]), 1u);
    const json_t *row = json_array_get(json["rows"], 0);
    const auto number = [&](const char *key) { return json_number_value(json_object_get(row, key)); };
    EXPECT_EQ(number("log_n"), 11);
    EXPECT_EQ(number("n_slots"), 1024);
    EXPECT_EQ(number("threads"), 1);
    EXPECT_EQ(number("repetitions"), 5);
    EXPECT_EQ(number("levels") + number("levels_left"), 14); // of toy-leveled
    EXPECT_GT(number("median_s"), 0);
    EXPECT_GE(number("median_s"), number("min_s"));
    EXPECT_GT(number("worst_bits"), 19); // planned for 1e-6
    EXPECT_GT(number("mean_bits"), number("worst_bits"));
    EXPECT_GT(number("peak_rss_bytes"), 1e6);
    EXPECT_EQ(json_object_get(row, "recorded"), nullptr);
    const Json replays(with({ "--only", "exp", "--record", "--threads", "1", "-o", "json" }).out);
    row = json_array_get(replays["rows"], 0);
    EXPECT_TRUE(json_is_true(json_object_get(row, "recorded")));
    EXPECT_GT(number("worst_bits"), 19);
    // One that fits and one that is too deep.
    const Outcome lines = with({ "--only", "softmax [-", "--reps", "5", "-o", "jsonl" });
    EXPECT_EQ(lines.code, 0) << lines.err;
    EXPECT_EQ(lines.out.rfind("{\"name\": \"softmax [-4, 4] of 128\"", 0), 0u) << lines.out;
    EXPECT_EQ(lines.out.find("[-64, 64]"), std::string::npos) << lines.out;
    EXPECT_NE(lines.err.find("softmax [-64, 64] of 128 passed over on toy-leveled"), std::string::npos)
        << lines.err;
}

// Deeper than the chain: with bootstrapping.
TEST(Commands, BenchCircuitBootstraps) {
    const Json json(run_mzv({ "bench", "circuit", "--set", "toy-boot", "--insecure-toy", "--only",
                              "softmax [-16, 16]", "--threads", "1", "-o", "json" })
                        .out);
    ASSERT_EQ(json_array_size(json["rows"]), 1u);
    const json_t *row = json_array_get(json["rows"], 0);
    EXPECT_GE(json_integer_value(json_object_get(row, "bootstraps")), 1);
    EXPECT_GT(json_number_value(json_object_get(row, "worst_bits")), 9); // planned for 1e-3
}

TEST(Commands, BenchCircuitRefusals) {
    EXPECT_REFUSED(run_mzv({ "bench", "circuit", "--set", "toy-leveled" }), 64, "E-usage");
    EXPECT_REFUSED(run_mzv({ "bench", "circuit", "--set", "nosuch" }), 64, "E-usage");
    EXPECT_REFUSED(run_mzv({ "bench", "circuit", "n15-leveled" }), 64, "E-usage");
    EXPECT_REFUSED(run_mzv({ "bench", "circuit", "--reps", "4" }), 64, "E-usage");
    EXPECT_REFUSED(run_mzv({ "bench", "ckks", "--set", "n15-leveled" }), 64, "E-usage");
    EXPECT_REFUSED(run_mzv({ "bench", "ops", "--record" }), 64, "E-usage");
    EXPECT_REFUSED(run_mzv({ "bench", "circuit", "--only", "nosuch", "-o", "json" }), 64, "E-usage");
}

// The circuit on slots, with the noise of CKKS: the same text as in float.
TEST(Commands, GenerateSimulated) {
    const Outcome run = run_mzv({ "generate", "--model", model, "--encrypt", "h.0.attn.head.0", "--mode",
                                  "simulate", "--tokens", "4", "-o", "json", "ROMEO:" });
    ASSERT_EQ(run.code, 0) << run.err;
    const Json json(run.out);
    EXPECT_EQ(json.text("generated"), "\nI w");
    EXPECT_EQ(json.text("mode"), "simulate");
    EXPECT_GT(json.number("relative_error"), 0);
    EXPECT_LE(json.number("relative_error"), 1e-3);
}

TEST(Commands, AnErrorAboveTheLimitIsExitCode2) {
    const Outcome run = run_mzv({ "generate", "--model", model, "--encrypt", "h.0.attn.head.0", "--mode",
                                  "simulate", "--tokens", "1", "--max-error", "0", "-o", "json", "ROMEO:" });
    EXPECT_EQ(run.code, 2) << run.err;
    EXPECT_NE(run.err.find("mzv: warning: relative error"), std::string::npos) << run.err;
    const Json json(run.out); // the result is there all the same
    EXPECT_EQ(json.text("generated"), "\n");
}

TEST(SlowCommands, GenerateOnCiphertexts) {
    RunOptions options;
    options.seconds = 1200;
    const Outcome run = run_mzv({ "generate", "--model", model, "--encrypt", "h.0.attn.head.0", "--tokens",
                                  "3", "--timings", "-o", "json", "ROMEO:" },
                                options);
    ASSERT_EQ(run.code, 0) << run.err;
    const Json json(run.out);
    EXPECT_EQ(json.text("generated"), "\nI ");
    EXPECT_EQ(json.text("module"), "h.0.attn.head.0");
    EXPECT_EQ(json.text("mode"), "execute");
    EXPECT_EQ(json.text("backend").rfind("cpu/", 0) == 0 || json.text("backend").rfind("cuda/", 0) == 0,
              true);
    EXPECT_GT(json.number("relative_error"), 0);
    EXPECT_LE(json.number("relative_error"), 1e-3);
    EXPECT_GE(json.number("security_bits"), 128);
    EXPECT_GT(json.number("upload_bytes_per_token"), 0);
    EXPECT_GT(json_number_value(json_object_get(json["timings"], "keygen_s")), 0);
    EXPECT_NE(run.err.find("keygen_s"), std::string::npos);
}

TEST(SlowCommands, InterruptedGenerationKeepsWhatIsKnown) {
    RunOptions options;
    options.seconds = 1200;
    options.signal_after_ms = 60000;
    const Outcome run = run_mzv({ "generate", "--model", model, "--encrypt", "h.0.attn.head.0", "--tokens",
                                  "120", "-o", "json", "ROMEO:" },
                                options);
    EXPECT_EQ(run.code, 130) << run.err;
    if (run.out.empty()) {
        EXPECT_NE(run.err.find("E-interrupted"), std::string::npos) << run.err; // before the first token
        return;
    }
    const Json json(run.out);
    EXPECT_TRUE(json_is_true(json["interrupted"]));
    EXPECT_LT(json_array_size(json["generated_ids"]), 120u);
    EXPECT_EQ(json.text("text"), json.text("prompt") + json.text("generated"));
}

} // namespace
