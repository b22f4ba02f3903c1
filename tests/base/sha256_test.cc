#include "base/sha256.h"

#include <algorithm>
#include <cstring>
#include <gtest/gtest.h>
#include <string>
#include <vector>

static std::string digest(const std::string &text) {
    uint8_t out[MZV_SHA256_BYTES];
    char hex[2 * MZV_SHA256_BYTES + 1];
    EXPECT_EQ(mzv_sha256(out, text.data(), text.size()), MZV_OK);
    mzv_hex(hex, out, sizeof out);
    return hex;
}

/* FIPS 180-4 examples. */
TEST(Sha256, KnownAnswers) {
    EXPECT_EQ(digest(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_EQ(digest("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
              "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    EXPECT_EQ(digest(std::string(1000000, 'a')),
              "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, IdIsTheFirstHalf) {
    uint8_t id[MZV_ID_BYTES];
    char hex[2 * MZV_ID_BYTES + 1];
    ASSERT_EQ(mzv_sha256_id(id, "abc", 3), MZV_OK);
    mzv_hex(hex, id, sizeof id);
    EXPECT_STREQ(hex, "ba7816bf8f01cfea414140de5dae2223");
}

TEST(Sha256, PiecesGiveTheSame) {
    const std::string text(100001, 'x');
    for (size_t step : { 1000u, 63u, 100001u }) {
        mzv_sha256_stream h = {};
        uint8_t out[MZV_SHA256_BYTES], expected[MZV_SHA256_BYTES];
        ASSERT_EQ(mzv_sha256_open(&h), MZV_OK);
        for (size_t at = 0; at < text.size(); at += step)
            ASSERT_EQ(mzv_sha256_update(&h, text.data() + at, std::min(step, text.size() - at)), MZV_OK);
        ASSERT_EQ(mzv_sha256_finish(&h, out), MZV_OK);
        EXPECT_EQ(h.context, nullptr);
        ASSERT_EQ(mzv_sha256(expected, text.data(), text.size()), MZV_OK);
        EXPECT_EQ(memcmp(out, expected, sizeof out), 0);
    }
    mzv_sha256_stream unused = {};
    mzv_sha256_close(&unused);
    EXPECT_EQ(unused.context, nullptr);
}
