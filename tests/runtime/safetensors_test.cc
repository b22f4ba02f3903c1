/* The safetensors reader against files that are right, wrong, cut, and hostile: one test per rule. */
#include "runtime/safetensors.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmath>
#include <limits>

#include "base/arena.h"
#include "base/fault.h"
#include "base/memory.h"
#include "lib/forge.h"

namespace {

using forge::entry;
using forge::file;

const std::string four_bytes(4, '\0');

/* Opens `bytes` as a file; on failure nothing was allocated and the message is kept. */
struct Opened {
    forge::Folder folder;
    mzv_safetensors *st = nullptr;
    mzv_status status;
    std::string message;
    explicit Opened(const std::string &bytes) {
        const std::string path = folder.write("x.safetensors", bytes);
        const int64_t live = mzv_alloc_live();
        status = mzv_safetensors_open(&st, path.c_str());
        if (status != MZV_OK) {
            message = mzv_last_error();
            EXPECT_EQ(st, nullptr);
            EXPECT_EQ(mzv_alloc_live(), live);
            EXPECT_NE(message.find("x.safetensors: "), std::string::npos) << message;
        }
    }
    ~Opened() { mzv_safetensors_close(st); }
};

void expect_refused(const std::string &bytes, int rule, const std::string &part) {
    const Opened o(bytes);
    EXPECT_EQ(o.status, MZV_ERR_FORMAT) << o.message;
    EXPECT_NE(o.message.find("rule " + std::to_string(rule) + ":"), std::string::npos) << o.message;
    EXPECT_NE(o.message.find(part), std::string::npos) << o.message;
}

/* One F32 tensor "a" with one value, with its fields replaced. */
std::string one(const std::string &dtype, const std::string &shape, const std::string &begin,
                const std::string &end, const std::string &body = four_bytes) {
    return file("{" + entry("a", dtype, shape, begin, end) + "}", body);
}

TEST(Safetensors, ReadsTensorsInTheOrderOfTheData) {
    const Opened o(forge::safetensors({ forge::f32("b", { 2, 1 }, { 1.5f, -2.0f }),
                                        forge::f32("a", { 3 }, { 4, 5, 6 }),
                                        { "scalar", "I64", {}, std::string(8, '\x7') } }));
    ASSERT_EQ(o.status, MZV_OK) << o.message;
    ASSERT_EQ(mzv_safetensors_count(o.st), 3u);
    EXPECT_STREQ(mzv_safetensors_tensor(o.st, 0)->name, "b");
    const mzv_tensor *a = mzv_safetensors_find(o.st, "a");
    ASSERT_NE(a, nullptr);
    EXPECT_EQ(a->n_items, 3u);
    float values[3] = {};
    ASSERT_EQ(mzv_safetensors_read(o.st, a, values), MZV_OK);
    EXPECT_EQ(values[2], 6.0f);
    EXPECT_EQ(mzv_safetensors_find(o.st, "c"), nullptr);
    int64_t raw = 0;
    ASSERT_EQ(mzv_safetensors_read_raw(o.st, mzv_safetensors_find(o.st, "scalar"), &raw), MZV_OK);
    EXPECT_EQ(raw, 0x0707070707070707);
}

TEST(Safetensors, TakesMetadataPaddingAndNoTensors) {
    EXPECT_EQ(Opened(file("{\"__metadata__\":{\"k\":\"v\"}," + entry("a", "F32", "[1]", "0", "4") + "}   ",
                          four_bytes))
                  .status,
              MZV_OK);
    EXPECT_EQ(Opened(file("{}", "")).status, MZV_OK);
}

/* Expected values by IEEE 754: written here as hexadecimal constants, not computed. */
TEST(Safetensors, WidensHalfPrecisionExactly) {
    const uint16_t half[] = { 0x0000, 0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x83ff, 0x3555, 0x8000 };
    const float as_f16[] = { 0.0f,     1.0f,          -2.0f,       65504.0f, 0x1p-14f,
                             0x1p-24f, -0x1.ff8p-15f, 0x1.554p-2f, -0.0f };
    const float as_bf16[] = { 0.0f,      0x1p-7f,       -2.0f,       0x1.fep+120f, 0x1p-119f,
                              0x1p-133f, -0x1.fep-120f, 0x1.aap-21f, -0.0f };
    const std::string bytes(reinterpret_cast<const char *>(half), sizeof half);
    const Opened o(forge::safetensors({ { "h", "F16", { 9 }, bytes }, { "b", "BF16", { 9 }, bytes } }));
    ASSERT_EQ(o.status, MZV_OK) << o.message;
    float h[9], b[9];
    ASSERT_EQ(mzv_safetensors_read(o.st, mzv_safetensors_find(o.st, "h"), h), MZV_OK);
    ASSERT_EQ(mzv_safetensors_read(o.st, mzv_safetensors_find(o.st, "b"), b), MZV_OK);
    for (int i = 0; i < 9; i++) {
        EXPECT_EQ(h[i], as_f16[i]) << i;
        EXPECT_EQ(b[i], as_bf16[i]) << i;
        EXPECT_EQ(std::signbit(h[i]), std::signbit(as_f16[i])) << i;
    }
}

TEST(Safetensors, Rule1Empty) { expect_refused("", 1, "empty"); }

TEST(Safetensors, Rule2ShorterThanTheLength) {
    for (size_t n = 1; n < 8; n++) expect_refused(std::string(n, 'x'), 2, "found " + std::to_string(n));
}

TEST(Safetensors, Rule4OtherFormats) {
    const std::string rest(64, 'x');
    expect_refused("version https://git-lfs.github.com/spec/v1\n", 4, "Git LFS");
    expect_refused("\x1f\x8b\x08" + rest, 4, "gzip");
    expect_refused("PK\x03\x04" + rest, 4, "zip");
    expect_refused("\x80\x02" + rest, 4, "pickle");
    expect_refused("GGUF" + rest, 4, "GGUF");
    expect_refused("<!DOCTYPE html>" + rest, 4, "HTML");
    expect_refused("{\"dtype\": 1}" + rest, 4, "JSON");
}

TEST(Safetensors, Rule9HeaderLengthField) {
    const std::string good = one("F32", "[1]", "0", "4");
    const uint64_t n = good.size() - 12;
    for (const uint64_t length : { uint64_t(0), uint64_t(1), uint64_t(1) << 31, uint64_t(1) << 32,
                                   uint64_t(1) << 63, UINT64_MAX, uint64_t(16 << 20) + 1 }) {
        expect_refused(forge::le64(length) + good.substr(8), 9, "found " + std::to_string(length));
    }
    expect_refused(forge::le64(n + 5) + good.substr(8), 9, "found " + std::to_string(n + 5));
    expect_refused(forge::le64(n + 4) + good.substr(8), 71, "JSON");
    expect_refused(forge::le64(n - 1) + good.substr(8), 71, "JSON");
}

TEST(Safetensors, TruncatedAtEveryByteIsRefused) {
    const std::string good =
        forge::safetensors({ forge::f32("a", { 2, 2 }, { 1, 2, 3, 4 }), forge::f32("b", { 1 }, { 5 }) });
    ASSERT_EQ(Opened(good).status, MZV_OK);
    for (size_t n = 0; n < good.size(); n++) {
        const Opened o(good.substr(0, n));
        EXPECT_EQ(o.status, MZV_ERR_FORMAT) << n << ": " << o.message;
    }
}

/* Every single-byte change either is refused or leaves a file that is consistent in itself: no crash, no
 * leak. */
TEST(Safetensors, FlippedBytesNeverCrash) {
    const std::string good =
        forge::safetensors({ forge::f32("a", { 2, 2 }, { 1, 2, 3, 4 }), forge::f32("b", { 1 }, { 5 }) });
    for (size_t i = 0; i < good.size(); i++) {
        for (const int mask : { 0x01, 0x10, 0x80, 0xff }) {
            std::string bad = good;
            bad[i] = static_cast<char>(bad[i] ^ mask);
            const Opened o(bad);
            if (o.status != MZV_OK) continue;
            uint64_t n_bytes = 0;
            for (uint32_t t = 0; t < mzv_safetensors_count(o.st); t++) {
                const mzv_tensor *tensor = mzv_safetensors_tensor(o.st, t);
                n_bytes += tensor->n_items * tensor->item_bytes;
            }
            EXPECT_EQ(n_bytes, 20u) << i;
        }
    }
}

TEST(Safetensors, Rule11TrailingBytesAndConcatenation) {
    const std::string good = one("F32", "[1]", "0", "4");
    expect_refused(good + "x", 74, "end with the file");
    expect_refused(good + good, 74, "end with the file");
}

TEST(Safetensors, Rule23NotARegularFile) {
    forge::Folder folder;
    mzv_safetensors *st = nullptr;
    EXPECT_EQ(mzv_safetensors_open(&st, folder.path().c_str()), MZV_ERR_FORMAT);
    EXPECT_NE(std::string(mzv_last_error()).find("rule 23"), std::string::npos) << mzv_last_error();
    ASSERT_EQ(mkfifo(folder.path("fifo").c_str(), 0600), 0);
    EXPECT_EQ(mzv_safetensors_open(&st, folder.path("fifo").c_str()), MZV_ERR_FORMAT);
    EXPECT_EQ(mzv_safetensors_open(&st, "/dev/zero"), MZV_ERR_FORMAT);
    EXPECT_EQ(mzv_safetensors_open(&st, folder.path("none").c_str()), MZV_ERR_IO);
    EXPECT_EQ(st, nullptr);
}

TEST(Safetensors, Rule24FileShrinksWhileOpen) {
    const Opened o(forge::safetensors({ forge::f32("a", { 4 }, { 1, 2, 3, 4 }) }));
    ASSERT_EQ(o.status, MZV_OK);
    const mzv_tensor *a = mzv_safetensors_find(o.st, "a");
    ASSERT_EQ(truncate(mzv_safetensors_path(o.st), static_cast<off_t>(a->begin + 8)), 0);
    float values[4];
    EXPECT_EQ(mzv_safetensors_read(o.st, a, values), MZV_ERR_FORMAT);
    EXPECT_NE(std::string(mzv_last_error()).find("found 8"), std::string::npos) << mzv_last_error();
}

TEST(Safetensors, Rule27ReadErrorsAndShortReads) {
    const forge::Folder folder;
    const std::string path =
        folder.write("a", forge::safetensors({ forge::f32("a", { 4 }, { 1, 2, 3, 4 }) }));
    mzv_safetensors *st = nullptr;
    for (int64_t i = 0; i < 2; i++) {
        mzv_test_fail_after(MZV_FAULT_READ, i, EIO);
        EXPECT_EQ(mzv_safetensors_open(&st, path.c_str()), MZV_ERR_IO) << i;
        EXPECT_EQ(st, nullptr);
    }
    for (const int error : { EINTR, MZV_FAULT_SHORT }) {
        mzv_test_fail_after(MZV_FAULT_READ, 1, error);
        ASSERT_EQ(mzv_safetensors_open(&st, path.c_str()), MZV_OK) << error << mzv_last_error();
        mzv_safetensors_close(st);
        st = nullptr;
    }
    mzv_test_fail_after(MZV_FAULT_READ, -1, 0);
}

TEST(Safetensors, EveryFailedAllocationIsReportedAndLeaksNothing) {
    const forge::Folder folder;
    const std::string path =
        folder.write("a", forge::safetensors({ forge::f32("a", { 4 }, { 1, 2, 3, 4 }) }));
    const int64_t live = mzv_alloc_live();
    int failures = 0;
    for (int64_t i = 0; i < 64; i++) {
        mzv_safetensors *st = nullptr;
        mzv_test_fail_alloc_after(i);
        const mzv_status status = mzv_safetensors_open(&st, path.c_str());
        mzv_test_fail_alloc_after(-1);
        if (status == MZV_OK) {
            mzv_safetensors_close(st);
            break;
        }
        EXPECT_EQ(status, MZV_ERR_MEMORY) << i;
        EXPECT_EQ(st, nullptr);
        EXPECT_EQ(mzv_alloc_live(), live) << i;
        failures++;
    }
    EXPECT_EQ(failures, 4); /* the handle, the path, the header's text, the list of tensors */
}

TEST(Safetensors, Rule25SparseFile) {
    const forge::Folder folder;
    const std::string path = folder.write("a", one("F32", "[1]", "0", "4"));
    ASSERT_EQ(truncate(path.c_str(), off_t(1) << 42), 0);
    mzv_safetensors *st = nullptr;
    EXPECT_EQ(mzv_safetensors_open(&st, path.c_str()), MZV_ERR_FORMAT);
    EXPECT_NE(std::string(mzv_last_error()).find("rule 74"), std::string::npos) << mzv_last_error();
}

TEST(Safetensors, Rule29Names) {
    const auto named = [](const std::string &name) {
        return file("{" + entry(name, "F32", "[1]", "0", "4") + "}", four_bytes);
    };
    EXPECT_EQ(Opened(named(std::string(255, 'n'))).status, MZV_OK);
    expect_refused(named(std::string(256, 'n')), 29, "found 256");
    expect_refused(named(""), 29, "found 0");
    expect_refused(named("a\\u001b[31m"), 29, "\\x1b[31m");
    expect_refused(named("a\\u007f"), 29, "control");
    expect_refused(named("a\\u0000b"), 71, "JSON");
    expect_refused(named("a\xff"), 71, "JSON");
    expect_refused(named("a\xc0\x80"), 71, "JSON");
    /* No raw control byte of a file reaches a terminal by way of a message. */
    for (const char c : Opened(named("a\\u001b[31m")).message) EXPECT_GE(static_cast<unsigned char>(c), 0x20);
}

TEST(Safetensors, Rule71NotAHeader) {
    expect_refused(file("[1]", ""), 71, "expected '{'");
    expect_refused(file(" {}", ""), 71, "expected '{'");
    expect_refused(file("\xef\xbb\xbf{}", ""), 71, "found 0xef");
    expect_refused(file("{", " "), 9, "2");
    expect_refused(file("{]", ""), 71, "JSON");
    expect_refused(file("{}x", ""), 71, "JSON");
    expect_refused(file("{}{}", ""), 71, "JSON");
    expect_refused(file(std::string("{}\0", 3), ""), 71, "JSON");
    expect_refused(
        file("{" + entry("a", "F32", "[1]", "0", "4") + "," + entry("a", "F32", "[1]", "0", "4") + "}",
             four_bytes),
        71, "duplicate");
    expect_refused(file("{\"a\":1}", ""), 71, "expected an object");
    expect_refused(file("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", ""), 71, "found 2 fields");
    expect_refused(
        file("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}", four_bytes), 71,
        "found 4");
    expect_refused(file("{\"__metadata__\":1}", ""), 71, "__metadata__");
    expect_refused(file("{\"__metadata__\":{\"a\":1}}", ""), 71, "'a'");
}

TEST(Safetensors, Rule71Depth) {
    expect_refused(file("{\"a\":" + std::string(8, '[') + std::string(8, ']') + "}", ""), 71,
                   "nesting: expected at most 8, found 9");
    expect_refused(file("{\"a\":" + std::string(1 << 20, '[') + "}", ""), 71, "nesting");
    EXPECT_NE(Opened(file("{\"a\":" + std::string(7, '[') + std::string(7, ']') + "}", ""))
                  .message.find("expected an object"),
              std::string::npos);
}

TEST(Safetensors, Rule71NumberFormats) {
    for (const char *number : { "1e0", "1.0", "true", "\"1\"", "null", "[1]", "{}" }) {
        expect_refused(one("F32", std::string("[") + number + "]", "0", "4"), 71, "integer");
    }
    for (const char *number : { "-1", "9007199254740993", "9223372036854775807" }) {
        expect_refused(one("F32", std::string("[") + number + "]", "0", "4"), 71,
                       std::string("found ") + number);
        expect_refused(one("F32", "[1]", number, "4"), 71, std::string("found ") + number);
        expect_refused(one("F32", "[1]", "0", number), 71, std::string("found ") + number);
    }
    for (const char *number :
         { "01", "+1", "0x1", "9223372036854775808", "18446744073709551616", "1e400", "NaN" }) {
        expect_refused(one("F32", std::string("[") + number + "]", "0", "4"), 71, "JSON");
    }
}

TEST(Safetensors, Rule71TooManyValuesTakeLittleMemory) {
    std::string bomb = "{\"a\":[{}";
    while (bomb.size() < (15 << 20)) bomb += ",{}";
    const std::string bytes = file(bomb + "]}", "");
    const Opened warm(file("{}", ""));
    const uint64_t before = mzv_memory_peak();
    expect_refused(bytes, 71, "expected at most 131072 values");
    std::string most = "{\"a\":[{}";
    for (int i = 0; i < 65000; i++) most += ",{}";
    expect_refused(file(most + "]}", ""), 71, "expected an object");
    EXPECT_LT(mzv_memory_peak() - before,
              4 * bytes.size() + (64u << 20)); /* the test itself holds three copies */
}

TEST(Safetensors, Rule72Dtype) {
    expect_refused(one("F31", "[1]", "0", "4"), 72, "found 'F31'");
    expect_refused(one("f32", "[1]", "0", "4"), 72, "found 'f32'");
    expect_refused(one("", "[1]", "0", "4"), 72, "found ''");
    expect_refused(file("{\"a\":{\"dtype\":1,\"shape\":[1],\"data_offsets\":[0,4]}}", four_bytes), 72,
                   "no string");
    const Opened o(one("I32", "[1]", "0", "4"));
    float value;
    ASSERT_EQ(o.status, MZV_OK);
    EXPECT_FALSE(mzv_tensor_is_float(mzv_safetensors_tensor(o.st, 0)));
    EXPECT_EQ(mzv_safetensors_read(o.st, mzv_safetensors_tensor(o.st, 0), &value), MZV_ERR_FORMAT);
    EXPECT_NE(std::string(mzv_last_error()).find("found I32"), std::string::npos);
}

TEST(Safetensors, Rule73Shape) {
    EXPECT_EQ(Opened(one("F32", "[1,1,1,1,1,1,1,1]", "0", "4")).status, MZV_OK);
    expect_refused(one("F32", "[1,1,1,1,1,1,1,1,1]", "0", "4"), 73, "found 9");
    expect_refused(one("F32", "[0]", "0", "0", ""), 73, "found 0");
    expect_refused(one("F32", "[4,0]", "0", "0", ""), 73, "found 0");
    expect_refused(one("F32", "1", "0", "4"), 73, "expected an array");
    expect_refused(one("F32", "[4294967296,4294967296]", "0", "4"), 73, "product");
    expect_refused(one("F32", "[9007199254740992,9007199254740992]", "0", "4"), 73, "product");
}

TEST(Safetensors, Rule74Offsets) {
    expect_refused(one("F32", "[1]", "4", "0"), 74, "found 4 and 0");
    expect_refused(one("F32", "[2]", "0", "8"), 74, "end <= 4");
    expect_refused(one("F32", "[1]", "4", "8"), 74, "found 4 and 8");
    for (const char *end : { "2147483648", "4294967296", "9007199254740992" }) {
        expect_refused(one("F32", "[1]", "0", end), 74, end);
    }
    expect_refused(file("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", four_bytes), 74,
                   "2 numbers");
    const auto two = [](const char *b1, const char *e1, const char *b2, const char *e2, size_t n) {
        return file("{" + entry("a", "F32", "[1]", b1, e1) + "," + entry("b", "F32", "[1]", b2, e2) + "}",
                    std::string(n, '\0'));
    };
    EXPECT_EQ(Opened(two("4", "8", "0", "4", 8)).status, MZV_OK);
    expect_refused(two("0", "4", "2", "6", 6), 74, "overlap");
    expect_refused(two("0", "4", "0", "4", 4), 74, "overlap");
    expect_refused(two("0", "4", "6", "10", 10), 74, "hole");
    expect_refused(two("2", "6", "6", "10", 10), 74, "hole");
}

TEST(Safetensors, Rule75ShapeAgainstRange) {
    expect_refused(one("F32", "[2]", "0", "4"), 75, "2 values of 4 bytes, found 4 bytes");
    expect_refused(one("F16", "[1]", "0", "4"), 75, "found 4 bytes");
    expect_refused(one("F32", "[1]", "0", "0", ""), 75, "found 0 bytes");
    expect_refused(one("F64", "[9007199254740992,1024]", "0", "4"), 75,
                   "found 4 bytes"); /* items * 8 overflows */
}

TEST(Safetensors, Rule77NotFinite) {
    const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
    std::vector<float> values(40000, 1.0f); /* more than one piece of reading */
    for (const float bad : { inf, -inf, nan }) {
        for (const size_t at : { size_t(0), size_t(16384), values.size() - 1 }) {
            std::vector<float> changed = values;
            changed[at] = bad;
            const Opened o(forge::safetensors({ forge::f32("a", { 200, 200 }, changed) }));
            ASSERT_EQ(o.status, MZV_OK);
            EXPECT_EQ(mzv_safetensors_read(o.st, mzv_safetensors_tensor(o.st, 0), values.data()),
                      MZV_ERR_FORMAT);
            const std::string message = mzv_last_error();
            EXPECT_NE(message.find("rule 77: tensor 'a': value " + std::to_string(at) + ":"),
                      std::string::npos)
                << message;
            EXPECT_NE(message.find(std::isnan(bad) ? "NaN" : "infinity"), std::string::npos) << message;
            values.assign(40000, 1.0f);
        }
    }
    const Opened half(forge::safetensors(
        { { "h", "F16", { 1 }, std::string("\x00\x7c", 2) }, { "b", "BF16", { 1 }, "\xc0\x7f" } }));
    ASSERT_EQ(half.status, MZV_OK);
    EXPECT_EQ(mzv_safetensors_read(half.st, mzv_safetensors_find(half.st, "h"), values.data()),
              MZV_ERR_FORMAT);
    EXPECT_EQ(mzv_safetensors_read(half.st, mzv_safetensors_find(half.st, "b"), values.data()),
              MZV_ERR_FORMAT);
}

} // namespace
