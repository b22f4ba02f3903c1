#include "base/bytes.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <string>

TEST(Bytes, SizeArithmeticRefusesOverflowAndKeepsTheOutput) {
    size_t out = 7;
    EXPECT_TRUE(mzv_size_add(&out, SIZE_MAX - 1, 1));
    EXPECT_EQ(out, SIZE_MAX);
    EXPECT_FALSE(mzv_size_add(&out, SIZE_MAX, 1));
    EXPECT_EQ(out, SIZE_MAX);
    EXPECT_TRUE(mzv_size_mul(&out, (size_t)1 << 32, ((size_t)1 << 32) - 1));
    EXPECT_EQ(out, 0xFFFFFFFF00000000u);
    EXPECT_FALSE(mzv_size_mul(&out, (size_t)1 << 32, (size_t)1 << 32));
    EXPECT_EQ(out, 0xFFFFFFFF00000000u);
    EXPECT_TRUE(mzv_size_mul(&out, 0, SIZE_MAX));
    EXPECT_EQ(out, 0u);
}

TEST(Bytes, RoundUp) {
    const size_t cases[][2] = {
        { 0, 0 }, { 1, 64 }, { 64, 64 }, { 65, 128 }, { SIZE_MAX - 63, SIZE_MAX - 63 }
    };
    for (const auto &c : cases) {
        size_t out = 1;
        EXPECT_TRUE(mzv_size_round_up(&out, c[0], 64));
        EXPECT_EQ(out, c[1]);
    }
    size_t out = 5;
    EXPECT_FALSE(mzv_size_round_up(&out, SIZE_MAX - 62, 64));
    EXPECT_EQ(out, 5u);
}

TEST(Bytes, WritesLittleEndian) {
    uint8_t buffer[23];
    mzv_writer w = { buffer, sizeof buffer, 0 };
    ASSERT_EQ(mzv_write_u8(&w, 0xAB), MZV_OK);
    ASSERT_EQ(mzv_write_u16(&w, 0x0102), MZV_OK);
    ASSERT_EQ(mzv_write_u32(&w, 0x03040506), MZV_OK);
    ASSERT_EQ(mzv_write_u64(&w, 0x0708090A0B0C0D0Eu), MZV_OK);
    ASSERT_EQ(mzv_write_f64(&w, -2.0), MZV_OK);
    const uint8_t expected[23] = { 0xAB, 2, 1, 6, 5, 4, 3, 0x0E, 0x0D, 0x0C, 0x0B, 0x0A,
                                   9,    8, 7, 0, 0, 0, 0, 0,    0,    0,    0xC0 };
    EXPECT_EQ(memcmp(buffer, expected, sizeof buffer), 0);
}

TEST(Bytes, ReaderGivesBackWhatTheWriterWrote) {
    uint8_t buffer[64], text[3];
    mzv_writer w = { buffer, sizeof buffer, 0 };
    ASSERT_EQ(mzv_write_bytes(&w, "abc", 3), MZV_OK);
    ASSERT_EQ(mzv_write_zeros(&w, 5), MZV_OK);
    ASSERT_EQ(mzv_write_u16(&w, 65535), MZV_OK);
    ASSERT_EQ(mzv_write_u32(&w, UINT32_MAX), MZV_OK);
    ASSERT_EQ(mzv_write_u64(&w, UINT64_MAX - 1), MZV_OK);
    ASSERT_EQ(mzv_write_f64(&w, 0x1.23456789ABCDEp-1000), MZV_OK);
    mzv_reader r = { buffer, w.at, 0, "test" };
    uint16_t a = 0;
    uint32_t b = 0;
    uint64_t c = 0;
    double d = 0;
    ASSERT_EQ(mzv_read_bytes(&r, text, 3), MZV_OK);
    ASSERT_EQ(mzv_read_skip(&r, 5), MZV_OK);
    ASSERT_EQ(mzv_read_u16(&r, &a), MZV_OK);
    ASSERT_EQ(mzv_read_u32(&r, &b), MZV_OK);
    ASSERT_EQ(mzv_read_u64(&r, &c), MZV_OK);
    ASSERT_EQ(mzv_read_f64(&r, &d), MZV_OK);
    EXPECT_EQ(std::string((char *)text, 3), "abc");
    EXPECT_EQ(a, 65535);
    EXPECT_EQ(b, UINT32_MAX);
    EXPECT_EQ(c, UINT64_MAX - 1);
    EXPECT_EQ(d, 0x1.23456789ABCDEp-1000);
    EXPECT_EQ(r.at, r.n_bytes);
}

/* Each read needs one byte more than there is: nothing moves, and the message has the numbers. */
TEST(Bytes, ReadingPastTheEndIsAnError) {
    const uint8_t buffer[9] = { 0 };
    uint8_t bytes[9], u8 = 1;
    uint16_t u16 = 1;
    uint32_t u32 = 1;
    uint64_t u64 = 1;
    double f64 = 1;
    mzv_reader r = { buffer, 9, 9, "header" };
    EXPECT_EQ(mzv_read_u8(&r, &u8), MZV_ERR_FORMAT);
    EXPECT_STREQ(mzv_last_error(), "header: offset 9: expected 1 bytes, found 0");
    r.at = 8;
    EXPECT_EQ(mzv_read_u16(&r, &u16), MZV_ERR_FORMAT);
    r.at = 6;
    EXPECT_EQ(mzv_read_u32(&r, &u32), MZV_ERR_FORMAT);
    r.at = 2;
    EXPECT_EQ(mzv_read_u64(&r, &u64), MZV_ERR_FORMAT);
    EXPECT_EQ(mzv_read_f64(&r, &f64), MZV_ERR_FORMAT);
    EXPECT_EQ(mzv_read_bytes(&r, bytes, 8), MZV_ERR_FORMAT);
    EXPECT_EQ(mzv_read_bytes(&r, bytes, SIZE_MAX), MZV_ERR_FORMAT);
    EXPECT_EQ(mzv_read_skip(&r, SIZE_MAX), MZV_ERR_FORMAT);
    EXPECT_EQ(r.at, 2u);
    EXPECT_EQ(u8 + u16 + u32 + u64 + f64, 5);
}

TEST(Bytes, WritingPastTheEndIsAnErrorAndWritesNothing) {
    uint8_t buffer[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };
    mzv_writer w = { buffer, 7, 0 };
    EXPECT_EQ(mzv_write_u64(&w, 0), MZV_ERR_INTERNAL);
    EXPECT_EQ(mzv_write_zeros(&w, SIZE_MAX), MZV_ERR_INTERNAL);
    EXPECT_EQ(mzv_write_bytes(&w, "12345678", 8), MZV_ERR_INTERNAL);
    EXPECT_EQ(w.at, 0u);
    for (uint8_t byte : buffer) EXPECT_EQ(byte, 1);
    EXPECT_EQ(mzv_write_zeros(&w, 7), MZV_OK);
    EXPECT_EQ(buffer[7], 1);
}
