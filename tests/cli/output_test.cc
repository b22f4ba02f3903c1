// Results: what stands on stdout or in a file, byte for byte.
#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "cli/error.h"
#include "cli/output.h"
#include "cli/process.h"

namespace {

std::string collected(const mzv_output &out) {
    return std::string(out.bytes != nullptr ? out.bytes : "", out.n_bytes);
}

json_t *sample_rows() {
    return json_pack("[{s:s,s:i,s:f},{s:s,s:i,s:f}]", "name", "a,\"b\"", "size_bytes", 12, "time_s", 0.25,
                     "name", "caf\xc3\xa9", "size_bytes", 3456, "time_s", 1.0 / 3);
}

std::string table_in(const char *format) {
    mzv_output out;
    json_t *head = json_pack("{s:s}", "schema", "mzv/1");
    json_t *rows = sample_rows();
    EXPECT_EQ(mzv_output_open(&out, format, nullptr), MZV_OK);
    EXPECT_EQ(mzv_output_table(&out, head, rows), MZV_OK);
    const std::string text = collected(out);
    mzv_output_close(&out);
    json_decref(head);
    json_decref(rows);
    return text;
}

TEST(Output, TextTableIsAligned) {
    EXPECT_EQ(table_in("text"), "name   size_bytes    time_s\n"
                                "a,\"b\"          12      0.25\n"
                                "caf\xc3\xa9         3456  0.333333\n");
}

TEST(Output, CsvQuotesWhatNeedsIt) {
    EXPECT_EQ(table_in("csv"),
              "name,size_bytes,time_s\n\"a,\"\"b\"\"\",12,0.25\ncaf\xc3\xa9,3456,0.333333\n");
}

TEST(Output, MarkdownTable) {
    EXPECT_EQ(table_in("md"),
              "| name  | size_bytes |   time_s |\n| --- | ---: | ---: |\n"
              "| a,\"b\" |         12 |     0.25 |\n| caf\xc3\xa9  |       3456 | 0.333333 |\n");
}

TEST(Output, JsonLinesAreOneObjectEach) {
    EXPECT_EQ(table_in("jsonl"), "{\"name\":\"a,\\\"b\\\"\",\"size_bytes\":12,\"time_s\":0.25}\n"
                                 "{\"name\":\"caf\xc3\xa9\",\"size_bytes\":3456,\"time_s\":0.333333333}\n");
}

TEST(Output, JsonIsOneObjectWithTheRows) {
    json_error_t error;
    json_t *whole = json_loads(table_in("json").c_str(), JSON_REJECT_DUPLICATES, &error);
    ASSERT_NE(whole, nullptr) << error.text;
    EXPECT_STREQ(json_string_value(json_object_get(whole, "schema")), "mzv/1");
    EXPECT_EQ(json_array_size(json_object_get(whole, "rows")), 2u);
    json_decref(whole);
}

TEST(Output, NumbersThatAreNotFiniteAreNull) {
    json_t *value = mzv_json_number(0.0 / 0.0);
    EXPECT_TRUE(json_is_null(value));
    json_decref(value);
    value = mzv_json_number(0.5);
    EXPECT_DOUBLE_EQ(json_real_value(value), 0.5);
    json_decref(value);
}

TEST(Output, BrokenTextBecomesValidUtf8) {
    json_t *value = mzv_json_text("a\xff"
                                  "b\xe2\x82",
                                  5);
    ASSERT_NE(value, nullptr);
    EXPECT_STREQ(json_string_value(value), "a\xef\xbf\xbd"
                                           "b\xef\xbf\xbd\xef\xbf\xbd");
    json_decref(value);
}

TEST(Output, FileIsWrittenWholeAtCommit) {
    const Scratch scratch;
    mzv_output out;
    const std::string path = scratch.at("r");
    write_all(path, "old");
    ASSERT_EQ(mzv_output_open(&out, "text", path.c_str()), MZV_OK) << mzv_last_error();
    ASSERT_EQ(mzv_output_stream(&out, "new ", 4), MZV_OK);
    ASSERT_EQ(mzv_output_print(&out, "%s %d\n", "result", 7), MZV_OK);
    EXPECT_EQ(read_all(path), "old");
    ASSERT_EQ(mzv_output_commit(&out), MZV_OK) << mzv_last_error();
    EXPECT_EQ(read_all(path), "new result 7\n");
    EXPECT_EQ(scratch.names(), std::vector<std::string> { "r" });
    mzv_output_close(&out);
}

TEST(Output, PlacesThatCannotBeWrittenAreRefusedAtOnce) {
    const Scratch scratch;
    const std::string missing = scratch.at("missing/r");
    mzv_output out;
    EXPECT_EQ(mzv_output_open(&out, "text", missing.c_str()), MZV_ERR_IO);
    EXPECT_TRUE(out.failed);
    EXPECT_EQ(mzv_output_open(&out, "text", scratch.path.c_str()), MZV_ERR_IO);
    EXPECT_EQ(mzv_output_open(&out, "text", "/dev/null"), MZV_ERR_IO);
    EXPECT_TRUE(scratch.names().empty());
}

TEST(Output, SizesForReaders) {
    char text[32];
    EXPECT_STREQ(mzv_size_text(text, sizeof text, 1023), "1023 B");
    EXPECT_STREQ(mzv_size_text(text, sizeof text, 1536), "1.50 KiB");
    EXPECT_STREQ(mzv_size_text(text, sizeof text, 3.0 * 1024 * 1024 * 1024), "3.00 GiB");
}

TEST(ErrorMap, EveryStatusHasACodeAndAnId) {
    const struct {
        mzv_status status;
        int code;
        const char *id;
    } wanted[] = {
        { MZV_OK, 0, "E-none" },
        { MZV_ERR_ARGUMENT, 64, "E-usage" },
        { MZV_ERR_PARAMS, 3, "E-params" },
        { MZV_ERR_LEVEL, 70, "E-level" },
        { MZV_ERR_SCALE, 70, "E-scale" },
        { MZV_ERR_KEY, 70, "E-key" },
        { MZV_ERR_FORMAT, 3, "E-format" },
        { MZV_ERR_MISMATCH, 3, "E-mismatch" },
        { MZV_ERR_PRECISION, 2, "E-precision" },
        { MZV_ERR_RANGE, 2, "E-range" },
        { MZV_ERR_MEMORY, 4, "E-memory" },
        { MZV_ERR_IO, 3, "E-file" },
        { MZV_ERR_RANDOM, 1, "E-random" },
        { MZV_ERR_NO_DEVICE, 5, "E-no-device" },
        { MZV_ERR_DEVICE, 1, "E-device" },
        { MZV_ERR_CANCELLED, 130, "E-interrupted" },
        { MZV_ERR_INTERNAL, 70, "E-internal" },
    };
    EXPECT_EQ(sizeof wanted / sizeof wanted[0], static_cast<size_t>(MZV_ERR_INTERNAL) + 1);
    for (const auto &w : wanted) {
        EXPECT_EQ(static_cast<int>(mzv_exit_of(w.status)), w.code) << mzv_status_name(w.status);
        EXPECT_STREQ(mzv_error_id(w.status), w.id);
    }
}

TEST(ErrorMap, LinesHoldNoControlCharacters) {
    char text[] = "a\nb\033[2Jc\x7f";
    mzv_plain_line(text);
    EXPECT_STREQ(text, "a?b?[2Jc?");
}

} // namespace
