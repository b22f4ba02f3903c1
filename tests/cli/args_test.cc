// The reader of command lines: values, sources of values, and every way to be refused.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "cli/args.h"

namespace {

const mzv_command generate = { "generate", MZV_CMD_GENERATE, "PROMPT", 1, 1, "text|json|jsonl", "", nullptr };

struct Parsed {
    std::vector<std::string> words; // what args point into
    mzv_status status;
    mzv_args args;
    std::string error;
};

Parsed parse(std::vector<std::string> words, const mzv_command &command = generate) {
    Parsed p = {};
    p.words = std::move(words);
    std::vector<char *> argv = { const_cast<char *>("mzv"), const_cast<char *>(command.name) };
    for (std::string &word : p.words) argv.push_back(word.data());
    p.status = mzv_args_parse(&p.args, &command, static_cast<int>(argv.size()), argv.data());
    if (p.status != MZV_OK) p.error = mzv_last_error();
    return p;
}

TEST(Args, DefaultsAreThoseOfTheHelp) {
    const Parsed p = parse({ "hello" });
    ASSERT_EQ(p.status, MZV_OK) << p.error;
    EXPECT_EQ(p.args.tokens, 32u);
    EXPECT_STREQ(p.args.backend, "auto");
    EXPECT_STREQ(p.args.mode, "execute");
    EXPECT_STREQ(p.args.output, "text");
    EXPECT_DOUBLE_EQ(p.args.target_error, 3e-4);
    EXPECT_DOUBLE_EQ(p.args.max_error, 1e-3);
    EXPECT_EQ(p.args.model, nullptr);
    EXPECT_FALSE(p.args.timings);
    EXPECT_STREQ(p.args.positional[0], "hello");
    EXPECT_EQ(p.args.given, 0u);
}

TEST(Args, EverySpellingOfAValue) {
    for (const std::vector<std::string> &words :
         std::vector<std::vector<std::string>> { { "--tokens", "7", "x" },
                                                 { "--tokens=7", "x" },
                                                 { "-n", "7", "x" },
                                                 { "-n7", "x" },
                                                 { "x", "-n", "7" } }) {
        const Parsed p = parse(words);
        ASSERT_EQ(p.status, MZV_OK) << p.error;
        EXPECT_EQ(p.args.tokens, 7u);
        EXPECT_TRUE(mzv_args_given(&p.args, "tokens"));
        EXPECT_FALSE(mzv_args_given(&p.args, "seed"));
    }
}

TEST(Args, TwoDashesEndTheOptions) {
    const Parsed p = parse({ "--", "--tokens" });
    ASSERT_EQ(p.status, MZV_OK) << p.error;
    EXPECT_STREQ(p.args.positional[0], "--tokens");
}

TEST(Args, AnEmptyOperandIsAnOperand) {
    const Parsed p = parse({ "" });
    ASSERT_EQ(p.status, MZV_OK) << p.error;
    EXPECT_EQ(p.args.n_positional, 1u);
}

struct Refused {
    std::vector<std::string> words;
    const char *says;
};

TEST(Args, Refusals) {
    const Refused cases[] = {
        { { "x", "--tokns", "3" }, "did you mean --tokens?" },
        { { "x", "--tokens" }, "--tokens: no value, need N" },
        { { "x", "--tokens", "" }, "--tokens: found ''" },
        { { "x", "--tokens", "0" }, "from 1 to" },
        { { "x", "--tokens", "3x" }, "found '3x'" },
        { { "x", "--tokens", "-3" }, "found '-3'" },
        { { "x", "--tokens", " 3" }, "found ' 3'" },
        { { "x", "--tokens", "99999999999999999999" }, "found '99999999999999999999'" },
        { { "x", "--tokens", "3", "-n", "3" }, "given twice" },
        { { "x", "--timings=1" }, "takes no value" },
        { { "x", "--mode", "fast" }, "need one of execute|simulate|clear" },
        { { "x", "--mode", "exec" }, "found 'exec'" },
        { { "x", "--mode", "" }, "found ''" },
        { { "x", "-o", "csv" }, "need one of text|json|jsonl" },
        { { "x", "--temperature", "nan" }, "found 'nan'" },
        { { "x", "--temperature", "0x10" }, "found '0x10'" },
        { { "x", "--memory-max", "1Q" }, "found '1Q'" },
        { { "x", "--model", "" }, "--model: empty" },
        { { "x", "-z" }, "unknown option -z" },
        { { "x", "y" }, "one too many" },
        { {}, "found 0 operands, need PROMPT" },
        { { "x", "--insecure-toy" }, "unknown option --insecure-toy" },
    };
    for (const Refused &c : cases) {
        const Parsed p = parse(c.words);
        EXPECT_EQ(p.status, MZV_ERR_ARGUMENT) << c.says;
        EXPECT_NE(p.error.find(c.says), std::string::npos) << p.error;
    }
}

TEST(Args, FlagsGoOverTheEnvironmentAndThatOverDefaults) {
    setenv("MZV_TARGET_ERROR", "0.01", 1);
    setenv("MZV_TIMINGS", "1", 1);
    const Parsed from_environment = parse({ "x" });
    const Parsed from_flag = parse({ "x", "--target-error", "0.02" });
    setenv("MZV_TARGET_ERROR", "much", 1);
    const Parsed bad = parse({ "x" });
    unsetenv("MZV_TARGET_ERROR");
    setenv("MZV_TIMINGS", "yes", 1);
    const Parsed bad_flag = parse({ "x" });
    unsetenv("MZV_TIMINGS");

    ASSERT_EQ(from_environment.status, MZV_OK) << from_environment.error;
    EXPECT_DOUBLE_EQ(from_environment.args.target_error, 0.01);
    EXPECT_TRUE(from_environment.args.timings);
    EXPECT_TRUE(mzv_args_given(&from_environment.args, "target-error"));
    ASSERT_EQ(from_flag.status, MZV_OK) << from_flag.error;
    EXPECT_DOUBLE_EQ(from_flag.args.target_error, 0.02);
    EXPECT_EQ(bad.status, MZV_ERR_ARGUMENT);
    EXPECT_EQ(bad.error.rfind("MZV_TARGET_ERROR: found 'much'", 0), 0u) << bad.error;
    EXPECT_EQ(bad_flag.status, MZV_ERR_ARGUMENT);
}

TEST(Args, SizesArePowersOf1024) {
    uint64_t n = 0;
    EXPECT_TRUE(mzv_args_bytes(&n, "100M"));
    EXPECT_EQ(n, 104857600u);
    EXPECT_TRUE(mzv_args_bytes(&n, "7"));
    EXPECT_EQ(n, 7u);
    EXPECT_TRUE(mzv_args_bytes(&n, "16777215T"));
    EXPECT_EQ(n, 16777215ull << 40);
    EXPECT_FALSE(mzv_args_bytes(&n, "16777216T")); // 2^64
    EXPECT_FALSE(mzv_args_bytes(&n, "M"));
    EXPECT_FALSE(mzv_args_bytes(&n, "1.5G"));
    EXPECT_EQ(n, 16777215ull << 40); // refused values leave the output
}

TEST(Args, HelpShowsEveryDefault) {
    char *text = nullptr;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    mzv_args_help(f, &generate);
    fclose(f);
    const std::string help(text, n);
    free(text);
    for (const char *part :
         { "--tokens N", "[32]", "[3e-4]", "[1e-3]", "[execute]", "[auto]", "text|json|jsonl", "[off]",
           "[DIR/calibration.safetensors]", "usage: mzv generate" })
        EXPECT_NE(help.find(part), std::string::npos) << part;
    EXPECT_EQ(help.find("csv"), std::string::npos) << "formats that this command does not have";
}

const char *word_at(const void *user, size_t i) {
    const std::vector<const char *> &words = *static_cast<const std::vector<const char *> *>(user);
    return i < words.size() ? words[i] : nullptr;
}

TEST(Args, NearestNameIsTheOneMeant) {
    const std::vector<const char *> words = { "run", "generate", "calibrate", "plan" };
    EXPECT_STREQ(mzv_args_nearest("genrate", word_at, &words), "generate");
    EXPECT_STREQ(mzv_args_nearest("plna", word_at, &words), "plan");
    EXPECT_EQ(mzv_args_nearest("xyzzy", word_at, &words), nullptr);
    EXPECT_EQ(mzv_args_nearest("", word_at, &words), nullptr);
}

} // namespace
