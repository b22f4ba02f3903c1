/* The container: golden files, every rule of docs/container.md, every truncation, every length field. */
#include "ckks/container.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <openssl/sha.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include "base/arena.h"
#include "base/fault.h"
#include "base/temporary.h"
#include "mzv/keys.h"

static bool message_has(const std::string &text) {
    return std::string(mzv_last_error()).find(text) != std::string::npos;
}

static std::string sha_hex(const Bytes &bytes) {
    unsigned char out[32];
    SHA256(bytes.data(), bytes.size(), out);
    return hex(out, 32);
}

/* ---- a file to spoil: 2 fields, sections row[0] of 1000 bytes, row[1] of 65, tail[0] of 24 ---- */

static const size_t field0 = 128, field1 = 192, section0 = 256, section1 = 320, section2 = 384, sums = 448;
static const size_t header_bytes = 576, file_bytes = 1752; /* 576 + 1000 -> 1600; + 65 -> 1728; + 24 */

static mzv_container_head sample_head() {
    mzv_container_head head = {};
    head.kind = MZV_KIND_CIPHER;
    for (int i = 0; i < MZV_ID_BYTES; i++) {
        head.params_id[i] = (uint8_t)i;
        head.key_id[i] = (uint8_t)(16 + i);
        head.model_id[i] = (uint8_t)(32 + i);
    }
    return head;
}

static const char *const sample_fields[] = { "level", "scale", nullptr };
static const mzv_section_rule sample_sections[] = { { "row", 1, 2 }, { "tail", 1, 1 }, { nullptr, 0, 0 } };
static const mzv_schema sample_schema = { MZV_KIND_CIPHER, sample_fields, sample_sections };

static mzv_status fill_sample(mzv_container_out *c) {
    std::vector<uint8_t> row(1000, 7);
    const uint64_t words[3] = { 1, 2, 3 };
    mzv_status status = mzv_container_put_u64(c, "level", 3);
    if (status == MZV_OK) status = mzv_container_put_f64(c, "scale", 0x1p40);
    if (status == MZV_OK) status = mzv_container_add(c, "row", 0, 1000);
    if (status == MZV_OK) status = mzv_container_add(c, "row", 1, 65);
    if (status == MZV_OK) status = mzv_container_add(c, "tail", 0, 24);
    if (status == MZV_OK) status = mzv_container_write(c, row.data(), 999);
    if (status == MZV_OK) status = mzv_container_write(c, row.data(), 1);
    if (status == MZV_OK) status = mzv_container_write(c, row.data(), 65);
    if (status == MZV_OK) status = mzv_container_write_words(c, words, 3);
    return status;
}

static mzv_status write_sample(const std::string &path) {
    const mzv_container_head head = sample_head();
    mzv_container_out *c = nullptr;
    mzv_status status = mzv_container_create(&c, path.c_str(), &head);
    if (status != MZV_OK) return status;
    status = fill_sample(c);
    if (status == MZV_OK) return mzv_container_commit(c);
    mzv_container_discard(c);
    return status;
}

/* Written once: each write waits for the disk. */
static Bytes sample() {
    static const Bytes bytes = [] {
        Temporary dir;
        EXPECT_EQ(write_sample(dir.path("a")), MZV_OK) << mzv_last_error();
        return slurp(dir.path("a"));
    }();
    return bytes;
}

static void put64(Bytes &b, size_t at, uint64_t value) {
    for (size_t i = 0; i < 8; i++) b[at + i] = (uint8_t)(value >> (8 * i));
}

static void put32(Bytes &b, size_t at, uint32_t value) {
    for (size_t i = 0; i < 4; i++) b[at + i] = (uint8_t)(value >> (8 * i));
}

/* Makes the header checksum right again, so that the rule behind it is reached. */
static void seal(Bytes &b) { SHA256(b.data(), header_bytes - 32, b.data() + header_bytes - 32); }

/* Opens `bytes` as a file; reads all sections where that works. Nothing may leak or be left. */
static mzv_status load(const Bytes &bytes, const mzv_schema *schema = &sample_schema,
                       const mzv_expect *expect = nullptr) {
    static const Temporary dir;
    const int64_t live = mzv_alloc_live();
    mzv_container_in *c = nullptr;
    std::filesystem::remove(dir.path("a")); /* some file systems sync a file that is overwritten */
    spit(dir.path("a"), bytes);
    mzv_status status = mzv_container_open(&c, dir.path("a").c_str(), schema, expect);
    if (status == MZV_OK)
        status = mzv_container_verify(c);
    else
        EXPECT_EQ(c, nullptr);
    mzv_container_close(c);
    EXPECT_EQ(mzv_alloc_live(), live);
    return status;
}

static void expect_rule(const Bytes &bytes, int rule, const std::string &words,
                        mzv_status status = MZV_ERR_FORMAT) {
    EXPECT_EQ(load(bytes), status) << "rule " << rule;
    EXPECT_TRUE(message_has("/a: rule " + std::to_string(rule) + ": "))
        << rule << " wanted; " << mzv_last_error();
    EXPECT_TRUE(message_has(words)) << words << " wanted; " << mzv_last_error();
    EXPECT_EQ(std::string(mzv_last_error()).find('\n'), std::string::npos) << "one line";
}

/* Spoils a sealed sample and expects a rule. */
static void expect_spoiled(int rule, const std::string &words, const std::function<void(Bytes &)> &spoil) {
    Bytes b = sample();
    spoil(b);
    seal(b);
    expect_rule(b, rule, words);
}

/* ---- what is right ---- */

static std::map<std::string, std::string> golden() {
    std::ifstream file(MZV_SOURCE_DIR "/tests/vectors/container.txt");
    std::map<std::string, std::string> map;
    std::string name, sum;
    while (file >> name >> sum) map[name] = sum;
    return map;
}

static Bytes golden_row(int r, size_t n) {
    Bytes row(n);
    for (size_t i = 0; i < n; i++) row[i] = (uint8_t)(i * 7 + i / 255 + (size_t)r);
    return row;
}

static std::string write_large(const Temporary &dir) {
    mzv_container_head head = sample_head();
    mzv_container_out *c = nullptr;
    Bytes seed(32);
    const Bytes rows[3] = { golden_row(0, MZV_CHUNK_BYTES + 8), golden_row(1, MZV_CHUNK_BYTES),
                            golden_row(2, 24) };
    for (size_t i = 0; i < 32; i++) seed[i] = (uint8_t)(100 + i);
    head.kind = MZV_KIND_KEYS;
    EXPECT_EQ(mzv_container_create(&c, dir.path("large").c_str(), &head), MZV_OK);
    EXPECT_EQ(mzv_container_put_u64(c, "level", 3), MZV_OK);
    EXPECT_EQ(mzv_container_put_f64(c, "scale", 0x1p40), MZV_OK);
    EXPECT_EQ(mzv_container_put_bytes(c, "seed", seed.data(), 32), MZV_OK);
    for (uint32_t i = 0; i < 3; i++)
        EXPECT_EQ(mzv_container_add(c, i < 2 ? "row" : "tail", i % 2, rows[i].size()), MZV_OK);
    for (const Bytes &row : rows) /* in pieces that straddle the chunks */
        for (size_t at = 0; at < row.size(); at += 1000000)
            EXPECT_EQ(mzv_container_write(c, row.data() + at, std::min((size_t)1000000, row.size() - at)),
                      MZV_OK);
    EXPECT_EQ(mzv_container_commit(c), MZV_OK) << mzv_last_error();
    return dir.path("large");
}

TEST(Container, GoldenLargeFile) {
    Temporary dir;
    EXPECT_EQ(sha_hex(slurp(write_large(dir))), golden()["large"]);
    EXPECT_EQ(dir.entries(), 1u);
}

TEST(Container, ReadsWhatWasWrittenInAnyPieces) {
    Temporary dir;
    const std::string path = write_large(dir);
    static const char *const fields[] = { "level", "scale", "seed", nullptr };
    const mzv_schema schema = { MZV_KIND_KEYS, fields, sample_sections };
    mzv_container_in *c = nullptr;
    ASSERT_EQ(mzv_container_open(&c, path.c_str(), &schema, nullptr), MZV_OK) << mzv_last_error();
    uint64_t level = 0;
    uint32_t level32 = 0;
    double scale = 0;
    uint8_t seed[32];
    EXPECT_EQ(mzv_container_get_u64(c, "level", 0, 3, &level), MZV_OK);
    EXPECT_EQ(mzv_container_get_u32(c, "level", 3, 3, &level32), MZV_OK);
    EXPECT_EQ(mzv_container_get_f64(c, "scale", 1, 0x1p40, &scale), MZV_OK);
    EXPECT_EQ(mzv_container_get_bytes(c, "seed", seed, 32), MZV_OK);
    EXPECT_EQ(level + level32, 6u);
    EXPECT_EQ(scale, 0x1p40);
    EXPECT_EQ(seed[31], 131);
    EXPECT_EQ(mzv_container_count(c, "row"), 2u);
    EXPECT_EQ(mzv_container_count(c, "none"), 0u);
    for (size_t step : { (size_t)24, (size_t)1 << 20, (size_t)5 << 20 }) {
        for (uint32_t i : { 2u, 0u, 1u }) { /* in any order */
            const Bytes expected = golden_row((int)i, i == 0   ? MZV_CHUNK_BYTES + 8
                                                      : i == 1 ? MZV_CHUNK_BYTES
                                                               : 24);
            Bytes found(expected.size());
            ASSERT_EQ(mzv_container_section(c, i < 2 ? "row" : "tail", i % 2, expected.size()), MZV_OK);
            for (size_t at = 0; at < found.size(); at += step)
                ASSERT_EQ(mzv_container_read(c, found.data() + at, std::min(step, found.size() - at)),
                          MZV_OK);
            EXPECT_EQ(found, expected);
            EXPECT_EQ(mzv_container_read(c, seed, 1), MZV_ERR_ARGUMENT) << "nothing is left";
        }
    }
    EXPECT_EQ(mzv_container_verify(c), MZV_OK);
    EXPECT_EQ(mzv_container_head_of(c)->kind, MZV_KIND_KEYS);
    EXPECT_EQ(memcmp(mzv_container_head_of(c)->key_id, sample_head().key_id, MZV_ID_BYTES), 0);
    EXPECT_EQ(mzv_container_path(c), path);
    mzv_container_close(c);
}

TEST(Container, GoldenParameterFiles) {
    Temporary dir;
    for (const char *name : { "n13-leveled", "toy-leveled", "n16-boot" }) {
        mzv_params p, back;
        ASSERT_EQ(mzv_params_named(&p, name), MZV_OK);
        ASSERT_EQ(mzv_params_save(&p, dir.path("p").c_str()), MZV_OK) << mzv_last_error();
        EXPECT_EQ(sha_hex(slurp(dir.path("p"))), golden()[name]);
        ASSERT_EQ(mzv_params_load(&back, dir.path("p").c_str(), p.insecure_toy), MZV_OK) << mzv_last_error();
        EXPECT_EQ(back.log_n, p.log_n);
        EXPECT_EQ(back.n_levels, p.n_levels);
        EXPECT_EQ(back.log_q0, p.log_q0);
        EXPECT_EQ(back.log_scale, p.log_scale);
        EXPECT_EQ(back.n_special, p.n_special);
        EXPECT_EQ(back.log_special, p.log_special);
        EXPECT_EQ(back.insecure_toy, p.insecure_toy);
    }
}

TEST(Container, SampleHasTheLayoutTheseTestsAssume) {
    const Bytes b = sample();
    ASSERT_EQ(b.size(), file_bytes);
    EXPECT_EQ(b[16] + 256 * b[17], (int)header_bytes);
    EXPECT_EQ(load(b), MZV_OK) << mzv_last_error();
    EXPECT_EQ(load(b, nullptr), MZV_OK) << "without schema";
    Bytes sealed = b;
    seal(sealed);
    EXPECT_EQ(sealed, b);
}

TEST(Container, ListsFieldsAndSections) {
    Temporary dir;
    mzv_container_in *c = nullptr;
    mzv_field field;
    mzv_section section;
    ASSERT_EQ(write_sample(dir.path("a")), MZV_OK);
    ASSERT_EQ(mzv_container_open(&c, dir.path("a").c_str(), nullptr, nullptr), MZV_OK);
    ASSERT_TRUE(mzv_container_field_at(c, 1, &field));
    EXPECT_STREQ(field.name, "scale");
    EXPECT_EQ(field.type, MZV_FIELD_F64);
    EXPECT_FALSE(mzv_container_field_at(c, 2, &field));
    ASSERT_TRUE(mzv_container_section_at(c, 2, &section));
    EXPECT_STREQ(section.name, "tail");
    EXPECT_EQ(section.n_bytes, 24u);
    EXPECT_EQ(section.offset, file_bytes - 24);
    EXPECT_FALSE(mzv_container_section_at(c, 3, &section));
    EXPECT_EQ(memcmp(mzv_container_id(c), slurp(dir.path("a")).data() + header_bytes - 32, MZV_ID_BYTES), 0);
    mzv_container_close(c);
    for (int kind = MZV_KIND_PARAMS; kind < MZV_KIND_END; kind++)
        EXPECT_NE(mzv_kind_name((mzv_kind)kind), nullptr) << kind;
    EXPECT_EQ(mzv_kind_name((mzv_kind)0), nullptr);
    EXPECT_EQ(mzv_kind_name(MZV_KIND_END), nullptr);
}

/* ---- one test per rule ---- */

TEST(ContainerRule, R01_Empty) { expect_rule({}, 1, "empty"); }

TEST(ContainerRule, R02_ShorterThanAPrefix) {
    Bytes b = sample();
    b.resize(127);
    expect_rule(b, 2, "expected 128 bytes or more, found 127");
}

TEST(ContainerRule, R03_WrongMagic) {
    Bytes b = sample();
    b[0] = 0x88;
    expect_rule(b, 3, "expected 894d5a560d0a1a0a, found 884d5a560d0a1a0a");
    b = sample();
    b.erase(b.begin() + 4); /* a transfer that turned CR LF into LF */
    expect_rule(b, 3, "found 894d5a560a1a0a");
}

TEST(ContainerRule, R04_OtherFormatsByName) {
    const std::pair<std::string, const char *> cases[] = {
        { "version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "a Git LFS pointer" },
        { std::string("\x1f\x8b\x08\0", 4), "gzip" },
        { std::string("PK\x03\x04\x14\0", 6), "a zip archive" },
        { std::string("\x80\x02}q\0", 5), "a Python pickle" },
        { std::string("\x80\x04\x95\0", 4), "a Python pickle" },
        { "\x28\xb5\x2f\xfd", "zstd" },
        { "\xfd"
          "7zXZ",
          "xz" },
        { "\x7f"
          "ELF\x02",
          "an ELF binary" },
        { "\x89PNG\r\n\x1a\n", "a PNG image" },
        { "<!DOCTYPE html><html>", "HTML" },
        { "<html>", "HTML" },
        { "{\"a\": 1}\n", "text" },
        { "hello", "text" },
        { std::string("\x40\0\0\0\0\0\0\0{\"w\":{", 14), "safetensors" },
    };
    for (const auto &c : cases)
        expect_rule(Bytes(c.first.begin(), c.first.end()), 4, std::string("found ") + c.second);
}

TEST(ContainerRule, R05_NewerMajorVersion) {
    expect_spoiled(5, "expected 1, found 2: made by a newer", [](Bytes &b) { b[8] = 2; });
    expect_spoiled(5, "expected 1, found 0", [](Bytes &b) { b[8] = 0; });
}

TEST(ContainerRule, MinorVersionMayBeNewer) {
    Bytes b = sample();
    b[10] = 9;
    seal(b);
    EXPECT_EQ(load(b), MZV_OK) << mzv_last_error();
}

TEST(ContainerRule, R06_UnknownFeature) {
    for (uint32_t bit = 1; bit < 32; bit++)
        expect_spoiled(6, "features, offset 36", [bit](Bytes &b) { put32(b, 36, UINT32_C(1) << bit); });
}

TEST(ContainerRule, R07_ForeignByteOrder) {
    expect_spoiled(7, "expected 01020304, found 04030201",
                   [](Bytes &b) { std::reverse(b.begin() + 12, b.begin() + 16); });
}

TEST(ContainerRule, R08_ReservedBytes) {
    for (size_t at : { (size_t)112, (size_t)127, field0 + 28, field0 + 31, field0 + 40, field0 + 63,
                       section1 + 48, section2 + 63 })
        expect_spoiled(8, "zeros", [at](Bytes &b) { b[at] = 1; });
    for (uint32_t flags : { 2u, 3u, 0x80000000u }) {
        expect_spoiled(8, "field level", [=](Bytes &b) { put32(b, field0 + 24, flags); });
        expect_spoiled(8, "section row[0]", [=](Bytes &b) { put32(b, section0 + 20, flags); });
    }
    expect_spoiled(8, "chunk length", [](Bytes &b) { put64(b, 104, 1 << 20); });
}

TEST(ContainerRule, R09_HeaderLength) {
    for (uint64_t n : { (uint64_t)0, (uint64_t)1, (uint64_t)header_bytes - 64, (uint64_t)header_bytes + 64,
                        UINT64_C(1) << 31, UINT64_C(1) << 32, UINT64_C(1) << 63, UINT64_MAX })
        expect_spoiled(9, "header length, offset 16: expected 576", [n](Bytes &b) { put64(b, 16, n); });
    for (uint64_t n : { UINT64_C(32769), UINT64_C(32768), UINT64_C(1) << 31, UINT64_C(1) << 32,
                        UINT64_C(1) << 59, UINT64_MAX })
        expect_spoiled(9, "chunk count, offset 96", [n](Bytes &b) { put64(b, 96, n); });
    expect_spoiled(9, "expected 640", [](Bytes &b) { put32(b, 88, 3); });
}

TEST(ContainerRule, R09_HeaderBeyondTheFile) {
    Bytes b = sample();
    b.resize(200);
    put64(b, 24, 200);
    expect_rule(b, 9, "expected at most the file's 200, found 576");
}

TEST(ContainerRule, R09_LengthOfAField) {
    for (uint32_t n : { 0u, 1u, 7u, 9u, 32u, UINT32_C(1) << 31, UINT32_MAX })
        expect_spoiled(9, "field level, offset 148: expected 8 bytes",
                       [n](Bytes &b) { put32(b, field0 + 20, n); });
    for (uint32_t n : { 0u, 33u, UINT32_C(1) << 31, UINT32_MAX })
        expect_spoiled(9, "expected 1 to 32 bytes",
                       [n](Bytes &b) { put32(b, field1 + 16, 3), put32(b, field1 + 20, n); });
}

TEST(ContainerRule, R10_AnySpoiledHeaderByte) {
    const Bytes good = sample();
    for (size_t at = 0; at < header_bytes; at++) {
        for (uint8_t bit : { 1, 128 }) {
            Bytes b = good;
            b[at] ^= bit;
            EXPECT_NE(load(b), MZV_OK) << at;
        }
    }
    Bytes b = good;
    b[40] ^= 1; /* an id: nothing but the checksum knows */
    expect_rule(b, 10, "header checksum, offset 544");
}

TEST(ContainerRule, R11_EveryTruncation) {
    const Bytes good = sample();
    for (size_t n = 1; n < good.size(); n++) {
        const Bytes b(good.begin(), good.begin() + (long)n);
        const int rule = n < 128 ? 2 : 11;
        if (n < header_bytes + 64 || n % 97 == 0 || n > good.size() - 30)
            expect_rule(b, rule, n < 128 ? "found" : "truncated");
    }
}

TEST(ContainerRule, R11_TrailingBytes) {
    Bytes b = sample();
    const Bytes good = b;
    b.push_back(0);
    expect_rule(b, 11, "header says 1752, found 1753 bytes: trailing");
    b.insert(b.end() - 1, good.begin(), good.end());
    b.pop_back();
    expect_rule(b, 11, "found 3504 bytes: trailing");
    b = good;
    b.resize(file_bytes + 64);
    put64(b, 24, b.size());
    seal(b);
    expect_rule(b, 11, "end of sections: expected 1752, found 1816");
}

TEST(ContainerRule, R11_DeclaredLength) {
    for (uint64_t n : { (uint64_t)0, (uint64_t)1, (uint64_t)file_bytes - 1, UINT64_C(1) << 31,
                        UINT64_C(1) << 32, UINT64_C(1) << 63, UINT64_MAX })
        expect_spoiled(11, "file length, offset 24", [n](Bytes &b) { put64(b, 24, n); });
}

TEST(ContainerRule, R12_Counts) {
    for (uint32_t n : { 65u, UINT32_C(1) << 31, UINT32_MAX })
        expect_spoiled(12, "field count, offset 88: expected at most 64", [n](Bytes &b) { put32(b, 88, n); });
    for (uint32_t n : { 4097u, UINT32_C(1) << 31, UINT32_MAX })
        expect_spoiled(12, "section count, offset 92: expected at most 4096",
                       [n](Bytes &b) { put32(b, 92, n); });
    for (uint32_t n : { 0u, 1u }) {
        expect_spoiled(9, "header length", [n](Bytes &b) { put32(b, 88, n); });
        expect_spoiled(9, "header length", [n](Bytes &b) { put32(b, 92, n); });
    }
}

TEST(ContainerRule, R12_MoreThanTheKindHas) {
    static const mzv_section_rule one[] = { { "row", 1, 1 }, { "tail", 1, 1 }, { nullptr, 0, 0 } };
    const mzv_schema schema = { MZV_KIND_CIPHER, sample_fields, one };
    EXPECT_EQ(load(sample(), &schema), MZV_ERR_FORMAT);
    EXPECT_TRUE(message_has("rule 12: section row: expected at most 1, found 2")) << mzv_last_error();
}

TEST(ContainerRule, R13_EndOverflows) {
    expect_spoiled(13, "section row[1]", [](Bytes &b) { put64(b, section1 + 24, UINT64_MAX - 10); });
    expect_spoiled(13, "section row[1]", [](Bytes &b) { put64(b, section1 + 32, UINT64_MAX - 10); });
}

TEST(ContainerRule, R14_BeyondTheFile) {
    for (uint64_t n : { UINT64_C(1) << 31, UINT64_C(1) << 32, UINT64_C(1) << 63 }) {
        expect_spoiled(14, "section row[0]", [n](Bytes &b) { put64(b, section0 + 32, n); });
        expect_spoiled(14, "section tail[0]", [n](Bytes &b) { put64(b, section2 + 24, n); });
    }
    expect_spoiled(14, "found 1753", [](Bytes &b) { put64(b, section2 + 32, 25); });
}

TEST(ContainerRule, R15_Overlap) {
    expect_spoiled(15, "section row[1]", [](Bytes &b) { put64(b, section1 + 24, 1536); });
    expect_spoiled(15, "section row[0]", [](Bytes &b) { put64(b, section0 + 24, 0); });
    expect_spoiled(15, "section row[1]", [](Bytes &b) { put64(b, section0 + 32, 1100); });
}

TEST(ContainerRule, R16_HolesAndAlignment) {
    expect_spoiled(16, "expected a start at 1600, found 1601",
                   [](Bytes &b) { put64(b, section1 + 24, 1601); });
    expect_spoiled(16, "found 1664", [](Bytes &b) { put64(b, section1 + 24, 1664); });
    expect_spoiled(16, "section row[1], offset 1575: expected zeros",
                   [](Bytes &b) { put64(b, section0 + 32, 999); });
    Bytes b = sample();
    b[1590] = 1;
    expect_rule(b, 16, "before section row[1], offset 1576: expected zeros");
}

TEST(ContainerRule, R17_Duplicates) {
    expect_spoiled(17, "field level, offset 192: a duplicate",
                   [](Bytes &b) { std::copy_n(b.begin() + field0, 16, b.begin() + field1); });
    expect_spoiled(17, "section row[0], table entry 1: a duplicate of entry 0",
                   [](Bytes &b) { put32(b, section1 + 16, 0); });
}

TEST(ContainerRule, R18_Missing) {
    static const char *const more_fields[] = { "level", "scale", "seed", nullptr };
    static const mzv_section_rule more[] = { { "row", 3, 5 }, { "tail", 1, 1 }, { nullptr, 0, 0 } };
    const mzv_schema schema_fields = { MZV_KIND_CIPHER, more_fields, sample_sections };
    const mzv_schema schema_sections = { MZV_KIND_CIPHER, sample_fields, more };
    EXPECT_EQ(load(sample(), &schema_fields), MZV_ERR_FORMAT);
    EXPECT_TRUE(message_has("rule 18: field seed: expected, found none")) << mzv_last_error();
    EXPECT_EQ(load(sample(), &schema_sections), MZV_ERR_FORMAT);
    EXPECT_TRUE(message_has("rule 18: section row: expected 3 or more, found 2")) << mzv_last_error();
    for (uint32_t index : { 2u, UINT32_C(1) << 31, UINT32_MAX })
        expect_spoiled(18, "expected index 1", [index](Bytes &b) { put32(b, section1 + 16, index); });
}

TEST(ContainerRule, R19_Unknown) {
    expect_spoiled(19, "field levex: expected no such field in a file of ciphertext",
                   [](Bytes &b) { b[field0 + 4] = 'x'; });
    expect_spoiled(19, "section taix", [](Bytes &b) { b[section2 + 3] = 'x'; });
    for (uint32_t type : { 0u, 4u, UINT32_MAX })
        expect_spoiled(19, "field level, offset 144: expected type 1 to 3",
                       [type](Bytes &b) { put32(b, field0 + 16, type); });
}

TEST(ContainerRule, OptionalUnknownEntriesArePassedOver) {
    static const char *const fields[] = { "scale", nullptr };
    static const mzv_section_rule rows[] = { { "row", 1, 2 }, { nullptr, 0, 0 } };
    const mzv_schema schema = { MZV_KIND_CIPHER, fields, rows };
    Bytes b = sample();
    put32(b, field0 + 24, 1);
    put32(b, section2 + 20, 1);
    seal(b);
    EXPECT_EQ(load(b, &schema), MZV_OK) << mzv_last_error();
}

TEST(ContainerRule, R20_AnySpoiledPayloadByte) {
    const Bytes good = sample();
    for (size_t at :
         { (size_t)576, (size_t)1575, (size_t)1600, (size_t)1663, (size_t)1728, file_bytes - 1 }) {
        Bytes b = good;
        b[at] ^= 0x10;
        expect_rule(b, 20, "expected checksum");
    }
    expect_spoiled(20, "section row[0], offset 576", [](Bytes &b) { b[sums] ^= 1; });
    for (uint64_t n : { (uint64_t)0, (uint64_t)2, UINT64_C(1) << 63, UINT64_MAX })
        expect_spoiled(20, "section row[1], offset 360: expected 1 checksums from 1 on",
                       [n](Bytes &b) { put64(b, section1 + 40, n); });
}

TEST(ContainerRule, R20_ChunksAreVerifiedBeforeTheyAreHandedOut) {
    Temporary dir;
    const std::string path = write_large(dir);
    Bytes b = slurp(path), row(MZV_CHUNK_BYTES + 8, 0xEE);
    mzv_container_in *c = nullptr;
    const size_t h = b[16] + 256u * b[17];
    b[h + MZV_CHUNK_BYTES - 1] ^= 1; /* the last byte of the first chunk */
    spit(path, b);
    ASSERT_EQ(mzv_container_open(&c, path.c_str(), nullptr, nullptr), MZV_OK);
    ASSERT_EQ(mzv_container_section(c, "row", 0, row.size()), MZV_OK);
    EXPECT_EQ(mzv_container_read(c, row.data(), 1), MZV_ERR_FORMAT);
    EXPECT_TRUE(message_has("rule 20: section row[0], offset " + std::to_string(h))) << mzv_last_error();
    EXPECT_EQ(row[0], 0xEE);
    ASSERT_EQ(mzv_container_section(c, "row", 1, MZV_CHUNK_BYTES), MZV_OK);
    EXPECT_EQ(mzv_container_read(c, row.data(), MZV_CHUNK_BYTES), MZV_OK) << "other chunks are good";
    mzv_container_close(c);
}

TEST(ContainerRule, R21_EmptySection) {
    expect_spoiled(21, "section row[0], offset 288: expected bytes, found length 0",
                   [](Bytes &b) { put64(b, section0 + 32, 0); });
}

TEST(ContainerRule, LengthOneMeansAnotherLayout) {
    expect_spoiled(16, "section row[1]", [](Bytes &b) { put64(b, section0 + 32, 1); });
}

TEST(ContainerRule, R23_NotARegularFile) {
    Temporary dir;
    mzv_container_in *c = nullptr;
    ASSERT_EQ(mkfifo(dir.path("fifo").c_str(), 0600), 0);
    for (const std::string &path :
         { dir.dir(), dir.path("fifo"), std::string("/dev/zero"), std::string("/dev/null") }) {
        EXPECT_EQ(mzv_container_open(&c, path.c_str(), nullptr, nullptr), MZV_ERR_FORMAT) << path;
        EXPECT_TRUE(message_has("rule 23: expected a regular file")) << mzv_last_error();
    }
    EXPECT_EQ(mzv_container_open(&c, dir.path("none").c_str(), nullptr, nullptr), MZV_ERR_IO);
    EXPECT_EQ(c, nullptr);
}

TEST(ContainerRule, R24_FileShrinksWhileItIsOpen) {
    Temporary dir;
    mzv_container_in *c = nullptr;
    uint8_t byte = 0;
    ASSERT_EQ(write_sample(dir.path("a")), MZV_OK);
    ASSERT_EQ(mzv_container_open(&c, dir.path("a").c_str(), &sample_schema, nullptr), MZV_OK);
    ASSERT_EQ(truncate(dir.path("a").c_str(), 700), 0);
    ASSERT_EQ(mzv_container_section(c, "row", 0, 1000), MZV_OK);
    EXPECT_EQ(mzv_container_read(c, &byte, 1), MZV_ERR_FORMAT);
    EXPECT_TRUE(message_has("rule 24")) << mzv_last_error();
    mzv_container_close(c);
}

/* A terabyte of nothing: refused by its header, at once. */
TEST(ContainerRule, R25_HugeSparseFile) {
    Temporary dir;
    mzv_container_in *c = nullptr;
    spit(dir.path("a"), sample());
    ASSERT_EQ(truncate(dir.path("a").c_str(), (off_t)1 << 40), 0);
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(mzv_container_open(&c, dir.path("a").c_str(), &sample_schema, nullptr), MZV_ERR_FORMAT);
    EXPECT_TRUE(message_has("rule 11"));
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(1))
        << "the promise of the loader";
    /* The header may agree with the size and declare one huge section: nothing is allocated for it. */
    Bytes b = sample();
    put64(b, 24, UINT64_C(1) << 33);
    put64(b, section2 + 32, (UINT64_C(1) << 33) - 1728);
    seal(b);
    spit(dir.path("a"), b);
    ASSERT_EQ(truncate(dir.path("a").c_str(), (off_t)1 << 33), 0);
    EXPECT_EQ(mzv_container_open(&c, dir.path("a").c_str(), &sample_schema, nullptr), MZV_ERR_FORMAT);
    EXPECT_TRUE(message_has("rule 20")) << "it has one checksum: " << mzv_last_error();
}

TEST(ContainerRule, R26_MemoryIsAskedForFirst) {
    Temporary dir;
    mzv_container_in *c = nullptr;
    ASSERT_EQ(write_sample(dir.path("a")), MZV_OK);
    ASSERT_EQ(mzv_container_open(&c, dir.path("a").c_str(), &sample_schema, nullptr), MZV_OK);
    EXPECT_EQ(mzv_container_need(c, 1000), MZV_OK);
    EXPECT_EQ(mzv_container_need(c, UINT64_MAX), MZV_ERR_MEMORY);
    EXPECT_TRUE(message_has("rule 26: host memory: needs 18446744073709551615 bytes")) << mzv_last_error();
    mzv_container_close(c);
}

TEST(ContainerRule, R27_ReadErrors) {
    Temporary dir;
    mzv_container_in *c = nullptr;
    ASSERT_EQ(write_sample(dir.path("a")), MZV_OK);
    for (int64_t n = 0; n < 4; n++) { /* prefix, header, two gaps */
        const int64_t live = mzv_alloc_live();
        mzv_test_fail_after(MZV_FAULT_READ, n, EIO);
        EXPECT_EQ(mzv_container_open(&c, dir.path("a").c_str(), &sample_schema, nullptr), MZV_ERR_IO) << n;
        EXPECT_EQ(mzv_alloc_live(), live);
    }
    mzv_test_fail_after(MZV_FAULT_READ, 1, EINTR);
    ASSERT_EQ(mzv_container_open(&c, dir.path("a").c_str(), &sample_schema, nullptr), MZV_OK);
    mzv_test_fail_after(MZV_FAULT_READ, 0, MZV_FAULT_SHORT);
    EXPECT_EQ(mzv_container_verify(c), MZV_OK);
    mzv_test_fail_after(MZV_FAULT_READ, -1, 0);
    mzv_container_close(c);
}

TEST(ContainerRule, R29_Names) {
    for (const std::string &name :
         { std::string(16, '\0'), std::string(16, 'a'), std::string("Row"), std::string("a/b"),
           std::string("../a"), std::string("a b"), std::string("\x1b[2J"), std::string("\xff"),
           std::string("a\0b", 3), std::string("a\n") }) {
        for (size_t at : { field1, section1 }) {
            expect_spoiled(29, at == field1 ? "field 1, offset 192" : "section 1, offset 320", [&](Bytes &b) {
                std::fill_n(b.begin() + (long)at, 16, 0);
                std::copy(name.begin(), name.end(), b.begin() + (long)at);
            });
        }
    }
}

TEST(ContainerRule, R30_WrongKind) {
    for (uint32_t kind : { 0u, (uint32_t)MZV_KIND_END, UINT32_C(1) << 31, UINT32_MAX })
        expect_spoiled(30, "kind, offset 32: expected 1 to 7", [kind](Bytes &b) { put32(b, 32, kind); });
    expect_spoiled(30, "expected ciphertext, found evaluation keys",
                   [](Bytes &b) { put32(b, 32, MZV_KIND_KEYS); });
}

TEST(ContainerRule, R31_SecretWhereItDoesNotBelong) {
    expect_spoiled(31, "expected ciphertext, found a secret key: never give it away",
                   [](Bytes &b) { put32(b, 32, MZV_KIND_SECRET); });
}

TEST(ContainerRule, R32_InsecureToy) {
    Bytes b = sample();
    put32(b, 36, 1);
    seal(b);
    mzv_expect expect = {};
    EXPECT_EQ(load(b, &sample_schema, &expect), MZV_ERR_PARAMS);
    EXPECT_TRUE(message_has("rule 32") && message_has("--insecure-toy")) << mzv_last_error();
    expect.allow_insecure = true;
    EXPECT_EQ(load(b, &sample_schema, &expect), MZV_OK);
}

TEST(ContainerRule, R33_34_35_OtherOwners) {
    const mzv_container_head head = sample_head();
    const uint8_t other[MZV_ID_BYTES] = { 0xAB };
    mzv_expect expect = { head.params_id, head.key_id, head.model_id, false };
    EXPECT_EQ(load(sample(), &sample_schema, &expect), MZV_OK) << mzv_last_error();
    expect.params_id = other;
    EXPECT_EQ(load(sample(), &sample_schema, &expect), MZV_ERR_MISMATCH);
    EXPECT_TRUE(message_has("rule 33: id of the parameters: expected ab000000000000000000000000000000, found "
                            "000102030405060708090a0b0c0d0e0f"))
        << mzv_last_error();
    expect = { head.params_id, other, head.model_id, false };
    EXPECT_EQ(load(sample(), &sample_schema, &expect), MZV_ERR_MISMATCH);
    EXPECT_TRUE(message_has("rule 34: id of the key"));
    expect = { head.params_id, head.key_id, other, false };
    EXPECT_EQ(load(sample(), &sample_schema, &expect), MZV_ERR_MISMATCH);
    EXPECT_TRUE(message_has("rule 35: id of the model"));
}

/* ---- what callers check through the reader ---- */

class ContainerReader : public ::testing::Test {
  protected:
    void SetUp() override {
        spit(dir.path("a"), sample());
        ASSERT_EQ(mzv_container_open(&c, dir.path("a").c_str(), &sample_schema, nullptr), MZV_OK);
    }
    void TearDown() override { mzv_container_close(c); }
    Temporary dir;
    mzv_container_in *c = nullptr;
};

TEST_F(ContainerReader, FieldsAreCheckedForTypeAndRange) {
    uint64_t u = 77;
    uint32_t u32 = 77;
    double d = 77;
    uint8_t bytes[8] = { 77 };
    EXPECT_EQ(mzv_container_get_u64(c, "level", 4, 9, &u), MZV_ERR_FORMAT);
    EXPECT_TRUE(message_has("rule 40: field level, offset 160: expected 4 to 9, found 3"))
        << mzv_last_error();
    EXPECT_EQ(mzv_container_get_u32(c, "level", 0, 2, &u32), MZV_ERR_FORMAT);
    EXPECT_EQ(mzv_container_get_f64(c, "scale", 0, 1, &d), MZV_ERR_FORMAT);
    EXPECT_TRUE(message_has("rule 47: field scale")) << mzv_last_error();
    EXPECT_EQ(mzv_container_get_u64(c, "scale", 0, UINT64_MAX, &u), MZV_ERR_FORMAT);
    EXPECT_TRUE(message_has("rule 19")) << mzv_last_error();
    EXPECT_EQ(mzv_container_get_bytes(c, "level", bytes, 8), MZV_ERR_FORMAT);
    EXPECT_EQ(mzv_container_get_u64(c, "none", 0, 1, &u), MZV_ERR_FORMAT);
    EXPECT_TRUE(message_has("rule 18"));
    EXPECT_EQ(u + u32, 154u);
    EXPECT_EQ(d, 77);
    EXPECT_EQ(bytes[0], 77);
    EXPECT_TRUE(mzv_container_has(c, "level"));
    EXPECT_FALSE(mzv_container_has(c, "leve"));
}

TEST_F(ContainerReader, SectionsHaveTheLengthAsked) {
    uint64_t words[3];
    EXPECT_EQ(mzv_container_read(c, words, 8), MZV_ERR_ARGUMENT) << "no section yet";
    EXPECT_EQ(mzv_container_section(c, "tail", 0, 16), MZV_ERR_FORMAT);
    EXPECT_TRUE(message_has("rule 52: section tail[0], offset 1728: expected 16 bytes, found 24"))
        << mzv_last_error();
    EXPECT_EQ(mzv_container_section(c, "tail", 1, 24), MZV_ERR_FORMAT);
    EXPECT_TRUE(message_has("rule 18: section tail[1]"));
    ASSERT_EQ(mzv_container_section(c, "tail", 0, 24), MZV_OK);
    EXPECT_EQ(mzv_container_read_words(c, words, SIZE_MAX), MZV_ERR_ARGUMENT);
    ASSERT_EQ(mzv_container_read_words(c, words, 3), MZV_OK);
    EXPECT_EQ(words[0] + 10 * words[1] + 100 * words[2], 321u);
}

TEST_F(ContainerReader, ResiduesAreBelowTheirPrime) {
    uint64_t words[3];
    ASSERT_EQ(mzv_container_section(c, "tail", 0, 24), MZV_OK);
    EXPECT_EQ(mzv_container_read_row(c, words, 3, 4), MZV_OK);
    ASSERT_EQ(mzv_container_section(c, "tail", 0, 24), MZV_OK);
    EXPECT_EQ(mzv_container_read_row(c, words, 3, 3), MZV_ERR_FORMAT);
    EXPECT_TRUE(message_has("rule 55: section tail[0], offset 1744: expected a residue below 3, found 3"))
        << mzv_last_error();
}

TEST_F(ContainerReader, CallersRefuseInTheWordsOfTheFile) {
    EXPECT_EQ(mzv_container_fail(c, 58, "section %s: found zeros", "row"), MZV_ERR_FORMAT);
    EXPECT_STREQ(mzv_last_error(), (dir.path("a") + ": rule 58: section row: found zeros").c_str());
    EXPECT_EQ(mzv_container_fail(c, 36, "x"), MZV_ERR_MISMATCH);
}

/* ---- the writer ---- */

TEST(ContainerWriter, RefusesMisuse) {
    Temporary dir;
    mzv_container_out *c = nullptr;
    mzv_container_head head = sample_head();
    const Bytes bytes(64, 1);
    head.kind = (mzv_kind)0;
    EXPECT_EQ(mzv_container_create(&c, dir.path("a").c_str(), &head), MZV_ERR_ARGUMENT);
    head.kind = MZV_KIND_PLAN;
    ASSERT_EQ(mzv_container_create(&c, dir.path("a").c_str(), &head), MZV_OK);
    EXPECT_EQ(mzv_container_put_u64(c, "", 1), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_container_put_u64(c, "sixteen_letters_", 1), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_container_put_u64(c, "Big", 1), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_container_put_bytes(c, "seed", bytes.data(), 33), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_container_put_bytes(c, "seed", bytes.data(), 0), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_container_put_u64(c, "a", 1), MZV_OK);
    EXPECT_EQ(mzv_container_put_u64(c, "a", 1), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_container_add(c, "row", 0, 0), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_container_add(c, "row", 0, 64), MZV_OK);
    EXPECT_EQ(mzv_container_write(c, bytes.data(), 65), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_container_write(c, bytes.data(), 63), MZV_OK);
    EXPECT_EQ(mzv_container_add(c, "late", 0, 64), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_container_write_words(c, nullptr, SIZE_MAX), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_container_commit(c), MZV_ERR_ARGUMENT);
    EXPECT_TRUE(message_has("0 of 1 sections are full")) << mzv_last_error();
    EXPECT_EQ(dir.entries(), 0u);
    mzv_container_discard(nullptr);
}

TEST(ContainerWriter, HeaderHasACap) {
    Temporary dir;
    mzv_container_out *c = nullptr;
    const mzv_container_head head = sample_head();
    uint8_t byte = 0;
    ASSERT_EQ(mzv_container_create(&c, dir.path("a").c_str(), &head), MZV_OK);
    ASSERT_EQ(mzv_container_add(c, "row", 0, UINT64_C(1) << 38), MZV_OK);
    EXPECT_EQ(mzv_container_write(c, &byte, 1), MZV_ERR_ARGUMENT);
    EXPECT_TRUE(message_has("65536 chunks")) << mzv_last_error();
    mzv_container_discard(c);
    ASSERT_EQ(mzv_container_create(&c, dir.path("a").c_str(), &head), MZV_OK);
    for (uint32_t i = 0; i < 4096; i++) ASSERT_EQ(mzv_container_add(c, "row", i, 8), MZV_OK);
    EXPECT_EQ(mzv_container_add(c, "row", 4096, 8), MZV_ERR_ARGUMENT);
    for (uint64_t i = 0; i < 4096; i++) ASSERT_EQ(mzv_container_write_words(c, &i, 1), MZV_OK);
    ASSERT_EQ(mzv_container_commit(c), MZV_OK) << mzv_last_error();
    static const char *const fields[] = { nullptr };
    static const mzv_section_rule rows[] = { { "row", 4096, 4096 }, { nullptr, 0, 0 } };
    const mzv_schema schema = { MZV_KIND_CIPHER, fields, rows };
    EXPECT_EQ(load(slurp(dir.path("a")), &schema), MZV_OK) << mzv_last_error();
}

TEST(ContainerWriter, WithoutSections) {
    Temporary dir;
    mzv_container_out *c = nullptr;
    const mzv_container_head head = sample_head();
    static const mzv_section_rule none[] = { { nullptr, 0, 0 } };
    static const char *const fields[] = { "a", nullptr };
    const mzv_schema schema = { MZV_KIND_CIPHER, fields, none };
    ASSERT_EQ(mzv_container_create(&c, dir.path("a").c_str(), &head), MZV_OK);
    ASSERT_EQ(mzv_container_put_u64(c, "a", 1), MZV_OK);
    ASSERT_EQ(mzv_container_commit(c), MZV_OK) << mzv_last_error();
    const Bytes b = slurp(dir.path("a"));
    EXPECT_EQ(b.size(), 256u);
    EXPECT_EQ(load(b, &schema), MZV_OK) << mzv_last_error();
}

TEST(ContainerWriter, EveryFailureLeavesNothing) {
    const mzv_fault_point points[] = { MZV_FAULT_ALLOC, MZV_FAULT_RANDOM, MZV_FAULT_OPEN,
                                       MZV_FAULT_WRITE, MZV_FAULT_SYNC,   MZV_FAULT_RENAME };
    for (mzv_fault_point point : points) {
        mzv_status status = MZV_ERR_IO;
        int64_t n = 0;
        for (; status != MZV_OK && n < 50; n++) {
            Temporary dir;
            const int64_t live = mzv_alloc_live();
            mzv_test_fail_after(point, n, ENOSPC);
            status = write_sample(dir.path("a"));
            EXPECT_EQ(mzv_alloc_live(), live);
            EXPECT_EQ(dir.entries(), status == MZV_OK ? 1u : 0u);
        }
        mzv_test_fail_after(point, -1, 0);
        EXPECT_EQ(status, MZV_OK);
        EXPECT_GT(n, 1) << "fault point " << point << " was reached";
    }
}

TEST(ContainerWriter, EveryAllocationOfAReaderMayFail) {
    Temporary dir;
    ASSERT_EQ(write_sample(dir.path("a")), MZV_OK);
    mzv_status status = MZV_ERR_MEMORY;
    int64_t n = 0;
    for (; status == MZV_ERR_MEMORY; n++) {
        const int64_t live = mzv_alloc_live();
        mzv_container_in *c = nullptr;
        mzv_test_fail_alloc_after(n);
        status = mzv_container_open(&c, dir.path("a").c_str(), &sample_schema, nullptr);
        if (status == MZV_OK) status = mzv_container_verify(c);
        mzv_container_close(c);
        EXPECT_EQ(mzv_alloc_live(), live);
    }
    mzv_test_fail_alloc_after(-1);
    EXPECT_EQ(status, MZV_OK);
    EXPECT_EQ(n, 6) << "reader, path, header, sections, chunk, then success";
}

TEST(ContainerWriter, SecretKeysAreForTheOwner) {
    Temporary dir;
    mzv_container_out *c = nullptr;
    mzv_container_head head = sample_head();
    struct stat st = {};
    head.kind = MZV_KIND_SECRET;
    const mode_t mask = umask(0);
    const mzv_status status = mzv_container_create(&c, dir.path("a").c_str(), &head);
    umask(mask);
    ASSERT_EQ(status, MZV_OK);
    ASSERT_EQ(mzv_container_commit(c), MZV_OK);
    ASSERT_EQ(stat(dir.path("a").c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 0777, 0600u);
}
