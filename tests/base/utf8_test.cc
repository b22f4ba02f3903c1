#include "base/utf8.h"

#include <cstring>
#include <gtest/gtest.h>
#include <string>

/* Every code point, against the definition of [RFC3629, 3]. */
TEST(Utf8, EveryCodePointRoundTrips) {
    for (uint32_t code = 0; code <= 0x110010; code++) {
        uint8_t bytes[4] = { 0 };
        const size_t n = mzv_utf8_put(bytes, code);
        const bool scalar = code <= 0x10FFFF && !(code >= 0xD800 && code <= 0xDFFF);
        if (!scalar) {
            ASSERT_EQ(n, 0u) << code;
            continue;
        }
        ASSERT_EQ(n, code < 0x80 ? 1u : code < 0x800 ? 2u : code < 0x10000 ? 3u : 4u);
        uint32_t back = 0;
        ASSERT_EQ(mzv_utf8_next(bytes, n, &back), n);
        ASSERT_EQ(back, code);
        ASSERT_EQ(mzv_utf8_next(bytes, n - 1, &back), 0u) << "cut";
    }
}

/* All two-byte starts and all three-byte strings: valid exactly where re-encoding the value gives the bytes
 * back. */
TEST(Utf8, AcceptsNothingElse) {
    size_t n_valid[4] = { 0 };
    for (uint32_t word = 0; word < (1u << 24); word += 1) {
        const uint8_t p[3] = { (uint8_t)(word >> 16), (uint8_t)(word >> 8), (uint8_t)word };
        uint32_t code = 0;
        const size_t n = mzv_utf8_next(p, 3, &code);
        ASSERT_LE(n, 3u);
        if (n == 3) {
            uint8_t back[4];
            ASSERT_EQ(mzv_utf8_put(back, code), 3u);
            ASSERT_EQ(memcmp(back, p, 3), 0);
        }
        if (p[2] == 0 || n == 3) n_valid[n]++;
    }
    EXPECT_EQ(n_valid[1], 128u * 256);
    EXPECT_EQ(n_valid[2], 0x800u - 0x80);
    EXPECT_EQ(n_valid[3], 0x10000u - 0x800 - 0x800);
}

TEST(Utf8, FourByteLimits) {
    uint32_t code = 0;
    EXPECT_EQ(mzv_utf8_next((const uint8_t *)"\xF0\x8F\xBF\xBF", 4, &code), 0u) << "overlong";
    EXPECT_EQ(mzv_utf8_next((const uint8_t *)"\xF4\x90\x80\x80", 4, &code), 0u) << "above U+10FFFF";
    EXPECT_EQ(mzv_utf8_next((const uint8_t *)"\xF5\x80\x80\x80", 4, &code), 0u);
    EXPECT_EQ(mzv_utf8_next((const uint8_t *)"\xF0\x90\x80\xC0", 4, &code), 0u);
    EXPECT_EQ(mzv_utf8_next((const uint8_t *)"", 0, &code), 0u);
}

TEST(Utf8, ValidSaysWhere) {
    const std::string good = "na\xC3\xAFve \xE2\x82\xAC \xF0\x9F\x98\x80";
    size_t at = 99;
    EXPECT_TRUE(mzv_utf8_valid(good.data(), good.size(), &at));
    EXPECT_EQ(at, 99u);
    const std::string bad = good + "\xED\xA0\x80x";
    EXPECT_FALSE(mzv_utf8_valid(bad.data(), bad.size(), &at));
    EXPECT_EQ(at, good.size());
    EXPECT_FALSE(mzv_utf8_valid(good.data(), good.size() - 1, &at));
    EXPECT_EQ(at, good.size() - 4);
    EXPECT_FALSE(mzv_utf8_valid("\xFF", 1, nullptr));
    EXPECT_TRUE(mzv_utf8_valid("", 0, nullptr));
}
