#include "base/random.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <set>
#include <string>

#include "base/fault.h"
#include "base/temporary.h"

static std::string rng_text(const Bytes &seed, const std::string &label, uint64_t index, size_t offset,
                            size_t n) {
    mzv_rng rng;
    mzv_rng_init(&rng, seed.data(), label.c_str(), index);
    Bytes out(offset + n);
    mzv_rng_bytes(&rng, out.data(), out.size());
    return hex(out.data() + offset, n);
}

/* [RFC8439, 2.3.2]: key 00 .. 1f, counter 1, nonce 000000090000004a00000000. */
TEST(Random, BlockOfRfc8439) {
    uint32_t state[16] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574, 0x03020100, 0x07060504,
                           0x0b0a0908, 0x0f0e0d0c, 0x13121110, 0x17161514, 0x1b1a1918, 0x1f1e1d1c,
                           1,          0x09000000, 0x4a000000, 0 };
    uint8_t out[64];
    mzv_chacha20(state, out, 1);
    EXPECT_EQ(hex(out, 64), "10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e"
                            "d2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e");
    EXPECT_EQ(state[12], 2u);
}

/* [draft-irtf-cfrg-xchacha, 2.2.1]. */
TEST(Random, HChaCha20OfTheDraft) {
    Bytes key(32), out(32);
    for (size_t i = 0; i < 32; i++) key[i] = (uint8_t)i;
    const Bytes input = unhex("000000090000004a0000000031415927");
    mzv_hchacha20(out.data(), key.data(), input.data());
    EXPECT_EQ(hex(out.data(), 32), "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc");
    mzv_hchacha20(key.data(), key.data(), input.data());
    EXPECT_EQ(key, out);
}

static Bytes openssl_chacha20(const Bytes &key, const Bytes &iv, size_t n) {
    Bytes zeros(n), out(n);
    int written = 0;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    EVP_EncryptInit_ex(ctx, EVP_chacha20(), nullptr, key.data(), iv.data());
    EVP_EncryptUpdate(ctx, out.data(), &written, zeros.data(), (int)n);
    EVP_CIPHER_CTX_free(ctx);
    return out;
}

/* Every count of blocks from 1 to 40, so every split between eight at a time and one at a time; counters that
 * carry within the eight lanes. */
TEST(Random, BlocksAgreeWithOpenSsl) {
    for (uint32_t start : { 0u, 1u, 77u, 0xFFFFFF00u }) {
        for (size_t n = 1; n <= 40; n++) {
            Bytes key(32), iv(16), out(64 * n), portable(64 * n);
            for (size_t i = 0; i < 32; i++) key[i] = (uint8_t)(3 * i + n);
            uint32_t state[16] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 }, same[16];
            memcpy(state + 4, key.data(), 32);
            state[12] = start;
            memcpy(iv.data(), state + 12, 16);
            memcpy(same, state, sizeof same);
            mzv_chacha20(state, out.data(), n);
            mzv_chacha20_portable(same, portable.data(), n);
            EXPECT_EQ(out, openssl_chacha20(key, iv, 64 * n)) << n;
            EXPECT_EQ(out, portable);
            EXPECT_EQ(memcmp(state, same, sizeof same), 0);
        }
    }
}

/* The counter has 64 bits: lanes on both sides of 2^32 differ in word 13. */
TEST(Random, CounterCarriesIntoItsHighWord) {
    uint32_t state[16] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 }, single[16];
    state[12] = 0xFFFFFFFD;
    memcpy(single, state, sizeof single);
    uint8_t out[8 * 64], block[64];
    mzv_chacha20(state, out, 8);
    for (int i = 0; i < 8; i++) {
        mzv_chacha20_portable(single, block, 1);
        EXPECT_EQ(memcmp(block, out + 64 * i, 64), 0) << i;
    }
    EXPECT_EQ(state[12], 5u);
    EXPECT_EQ(state[13], 1u);
}

TEST(Random, StreamsAgreeWithLibsodium) {
    std::ifstream file(MZV_SOURCE_DIR "/tests/vectors/rng.txt");
    std::string seed, label, bytes;
    uint64_t index = 0;
    size_t offset = 0, n = 0;
    while (file >> seed >> label >> index >> offset >> bytes) {
        const Bytes text = label == "-" ? Bytes() : unhex(label);
        EXPECT_EQ(rng_text(unhex(seed), std::string(text.begin(), text.end()), index, offset, 64), bytes)
            << label;
        n++;
    }
    EXPECT_EQ(n, 40u);
}

TEST(Random, SplitIntoCallsDoesNotMatter) {
    const Bytes seed(32, 9);
    const size_t n = 5000;
    Bytes whole(n), pieces(n);
    mzv_rng rng;
    mzv_rng_init(&rng, seed.data(), "split", 3);
    mzv_rng_bytes(&rng, whole.data(), n);
    for (size_t step : { 1, 7, 64, 511, 512, 513, 1500 }) {
        mzv_rng_init(&rng, seed.data(), "split", 3);
        for (size_t at = 0; at < n; at += step)
            mzv_rng_bytes(&rng, pieces.data() + at, std::min(step, n - at));
        EXPECT_EQ(pieces, whole) << step;
    }
    mzv_rng_init(&rng, seed.data(), "split", 3);
    uint64_t word = 0;
    memcpy(&word, whole.data(), 8);
    EXPECT_EQ(mzv_rng_u64(&rng), word);
    mzv_rng_bytes(&rng, nullptr, 0);
    memcpy(&word, whole.data() + 8, 8);
    EXPECT_EQ(mzv_rng_u64(&rng), word);
}

/* Seed, label, index, and how a label continues: all change the stream. */
TEST(Random, StreamsAreSeparated) {
    const Bytes zero(32, 0), one(32, 1);
    std::set<std::string> seen;
    size_t n = 0;
    for (const Bytes &seed : { zero, one }) {
        for (const std::string &label :
             { std::string(), std::string("a"), std::string(16, 'a'), std::string(17, 'a'),
               std::string(32, 'a'), std::string("noise"), std::string("secret") }) {
            for (uint64_t index : { UINT64_C(0), UINT64_C(1), UINT64_C(1) << 32, UINT64_MAX }) {
                seen.insert(rng_text(seed, label, index, 0, 32));
                n++;
            }
        }
    }
    EXPECT_EQ(seen.size(), n);
}

TEST(Random, WipeClears) {
    mzv_rng rng;
    const Bytes seed(32, 5);
    mzv_rng_init(&rng, seed.data(), "x", 0);
    mzv_rng_u64(&rng);
    mzv_rng_wipe(&rng);
    const Bytes zeros(sizeof rng, 0);
    EXPECT_EQ(memcmp(&rng, zeros.data(), sizeof rng), 0);
    mzv_wipe(nullptr, 0);
}

TEST(Random, SystemBytesDiffer) {
    Bytes a(4096), b(4096);
    ASSERT_EQ(mzv_random_bytes(a.data(), a.size()), MZV_OK);
    ASSERT_EQ(mzv_random_bytes(b.data(), b.size()), MZV_OK);
    EXPECT_NE(a, b);
    EXPECT_LT(std::count(a.begin(), a.end(), 0), 100); /* mean 16, sd 4 */
}

TEST(Random, InterruptionsAndShortReadsAreResumed) {
    for (int error : { EINTR, MZV_FAULT_SHORT }) {
        Bytes a(64, 0);
        mzv_test_fail_after(MZV_FAULT_RANDOM, 0, error);
        EXPECT_EQ(mzv_random_bytes(a.data(), a.size()), MZV_OK);
        EXPECT_EQ(mzv_test_passes(MZV_FAULT_RANDOM), 2);
        EXPECT_LT(std::count(a.begin(), a.end(), 0), 16);
    }
    mzv_test_fail_after(MZV_FAULT_RANDOM, -1, 0);
}

TEST(Random, FailureGivesNothing) {
    Bytes a(64, 1);
    mzv_test_fail_after(MZV_FAULT_RANDOM, 0, ENOSYS);
    EXPECT_EQ(mzv_random_bytes(a.data(), a.size()), MZV_ERR_RANDOM);
    EXPECT_EQ(a, Bytes(64, 0));
    EXPECT_NE(std::string(mzv_last_error()).find("0 of 64 bytes"), std::string::npos) << mzv_last_error();
    mzv_test_fail_after(MZV_FAULT_RANDOM, -1, 0);
}
