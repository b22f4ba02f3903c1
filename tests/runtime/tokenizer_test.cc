/* Character vocabularies and lists of ids. */
#include "runtime/tokenizer.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "base/arena.h"
#include "base/fault.h"
#include "lib/forge.h"

namespace {

const char vocabulary[] =
    "{\"a\": 0, \"\\n\": 1, \"\xc3\xa9\": 2, \"\xe2\x82\xac\": 4, \"\xf0\x9f\x98\x80\": 5}"; /* a, newline, e
                                                                                                acute, euro,
                                                                                                face */

struct Tokenizer {
    mzv_tokenizer *t = nullptr;
    mzv_status status;
    explicit Tokenizer(const std::string &text, uint32_t vocab_size = 6) {
        status = mzv_tokenizer_parse(&t, "vocab.json", text.data(), text.size(), vocab_size);
    }
    ~Tokenizer() { mzv_tokenizer_destroy(t); }
};

mzv_status encode(const mzv_tokenizer *t, const std::string &text, std::vector<uint32_t> *ids,
                  uint32_t capacity = 16) {
    uint32_t n = 1000;
    std::vector<uint32_t> out(capacity);
    const mzv_status status = mzv_tokenizer_encode(t, text.data(), text.size(), out.data(), capacity, &n);
    EXPECT_EQ(status != MZV_OK, n == 1000);
    out.resize(status == MZV_OK ? n : 0);
    *ids = out;
    return status;
}

TEST(Tokenizer, EncodesAndDecodesEveryWidth) {
    const Tokenizer v(vocabulary);
    ASSERT_EQ(v.status, MZV_OK) << mzv_last_error();
    EXPECT_EQ(mzv_tokenizer_count(v.t), 5u);
    std::vector<uint32_t> ids;
    const std::string text = "\xf0\x9f\x98\x80"
                             "a\n\xe2\x82\xac\xc3\xa9";
    ASSERT_EQ(encode(v.t, text, &ids), MZV_OK) << mzv_last_error();
    EXPECT_EQ(ids, (std::vector<uint32_t> { 5, 0, 1, 4, 2 }));
    std::string back;
    for (const uint32_t id : ids) {
        char one[5];
        ASSERT_EQ(mzv_tokenizer_decode(v.t, id, one), MZV_OK);
        back += one;
    }
    EXPECT_EQ(back, text);
    ASSERT_EQ(encode(v.t, "", &ids), MZV_OK);
    EXPECT_TRUE(ids.empty());
}

TEST(Tokenizer, InvalidUtf8NamesItsByte) {
    const Tokenizer v(vocabulary);
    std::vector<uint32_t> ids;
    for (const std::string bad :
         { "\xff", "\x80", "\xc3", "\xc0\x80", "\xe2\x82", "\xed\xa0\x80", "\xf5\x80\x80\x80" }) {
        EXPECT_EQ(encode(v.t, "aa\n" + bad, &ids), MZV_ERR_FORMAT);
        EXPECT_NE(std::string(mzv_last_error()).find("byte 3: expected UTF-8"), std::string::npos)
            << mzv_last_error();
    }
}

TEST(Tokenizer, AnUnknownCharacterIsShown) {
    const Tokenizer v(vocabulary);
    std::vector<uint32_t> ids;
    EXPECT_EQ(encode(v.t, "a\xc3\xa8", &ids), MZV_ERR_ARGUMENT);
    EXPECT_NE(std::string(mzv_last_error()).find("byte 1: character '\xc3\xa8' U+00E8 is not among the 5"),
              std::string::npos)
        << mzv_last_error();
    EXPECT_EQ(encode(v.t, "a\x1b", &ids), MZV_ERR_ARGUMENT);
    EXPECT_NE(std::string(mzv_last_error()).find("character U+001B"), std::string::npos) << mzv_last_error();
    EXPECT_EQ(encode(v.t, std::string("\0", 1), &ids), MZV_ERR_ARGUMENT);
}

TEST(Tokenizer, Rule80TooLong) {
    const Tokenizer v(vocabulary);
    std::vector<uint32_t> ids;
    EXPECT_EQ(encode(v.t, "aaaa", &ids, 4), MZV_OK);
    EXPECT_EQ(encode(v.t, "aaaaa", &ids, 4), MZV_ERR_ARGUMENT);
    EXPECT_NE(std::string(mzv_last_error()).find("rule 80: expected at most 4 characters"), std::string::npos)
        << mzv_last_error();
}

TEST(Tokenizer, Rule80Ids) {
    const struct {
        const char *text, *part;
    } bad[] = {
        { "{\"a\": 6}", "'a': expected an integer id below 6, found 6" },
        { "{\"a\": -1}", "found -1" },
        { "{\"a\": 4294967296}", "found 4294967296" },
        { "{\"a\": 1.0}", "another type" },
        { "{\"a\": \"1\"}", "another type" },
        { "{\"a\": 1, \"b\": 1}", "found 1 a second time" },
        { "{}", "found none" },
    };
    for (const auto &[text, part] : bad) {
        const Tokenizer v(text);
        EXPECT_EQ(v.status, MZV_ERR_FORMAT) << text;
        EXPECT_NE(std::string(mzv_last_error()).find("vocab.json: rule 80: "), std::string::npos)
            << mzv_last_error();
        EXPECT_NE(std::string(mzv_last_error()).find(part), std::string::npos) << mzv_last_error();
        EXPECT_EQ(v.t, nullptr);
    }
    EXPECT_EQ(Tokenizer("{\"a\": 1, \"a\": 2}").status, MZV_ERR_FORMAT);
    EXPECT_EQ(Tokenizer("{\"\\ud800\": 1}").status, MZV_ERR_FORMAT);
}

TEST(Tokenizer, SubwordsAreNotCharacters) {
    const Tokenizer v("{\"a\": 0, \"ab\": 1}");
    EXPECT_EQ(v.status, MZV_OK);
    EXPECT_EQ(v.t, nullptr);
}

TEST(Tokenizer, AnIdWithoutCharacterDoesNotDecode) {
    const Tokenizer v(vocabulary);
    char out[5] = "x";
    for (const uint32_t id : { 3u, 6u, UINT32_MAX }) {
        EXPECT_EQ(mzv_tokenizer_decode(v.t, id, out), MZV_ERR_ARGUMENT);
        EXPECT_STREQ(out, "x");
    }
}

TEST(Tokenizer, EveryFailedAllocationIsReportedAndLeaksNothing) {
    const int64_t live = mzv_alloc_live();
    for (int64_t i = 0; i < 3; i++) {
        mzv_test_fail_alloc_after(i);
        const Tokenizer v(vocabulary);
        mzv_test_fail_alloc_after(-1);
        EXPECT_EQ(v.status, MZV_ERR_MEMORY);
        EXPECT_EQ(mzv_alloc_live(), live);
    }
}

TEST(Ids, Parse) {
    uint32_t ids[4] = {}, n = 77;
    ASSERT_EQ(mzv_ids_parse("1,2, 30 ,4", 31, ids, 4, &n), MZV_OK) << mzv_last_error();
    EXPECT_EQ(n, 4u);
    EXPECT_EQ(ids[2], 30u);
    n = 77;
    for (const char *bad : { "", ",", "1,", ",1", "1,,2", "1;2", "a", "-1", "+1", "31", "1 2", "0x1", "1.0",
                             "99999999999999999999", "1,2,3,4,5", "4294967297" }) {
        EXPECT_EQ(mzv_ids_parse(bad, 31, ids, 4, &n), MZV_ERR_ARGUMENT) << bad;
        EXPECT_EQ(n, 77u);
    }
    EXPECT_EQ(mzv_ids_parse("1,31", 31, ids, 4, &n), MZV_ERR_ARGUMENT);
    EXPECT_STREQ(mzv_last_error(), "ids: number 1 at byte 2: expected an id below 31, found '31'");
}

} // namespace
