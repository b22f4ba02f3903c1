// mzv devices, and what --device-memory takes. With the stand-in for a GPU: tests/cuda_scheme.
#include <gtest/gtest.h>
#include <jansson.h>

#include "cli/process.h"

namespace {

const std::string model = MZV_SOURCE_DIR "/models/gpt2-shakespeare-char";

// Exit code 5 and a line that says why, or rows of what there is: which of them is the machine's doing.
TEST(Devices, ListsGpusOrSaysThatThereAreNone) {
    const Outcome found = run_mzv({ "devices", "-o", "json" });
    if (found.code != 0) {
        EXPECT_REFUSED(found, 5, "E-no-device");
        EXPECT_NE(found.err.find("cpu"), std::string::npos) << found.err; // the next step
        return;
    }
    json_t *result = json_loads(found.out.c_str(), JSON_REJECT_DUPLICATES, nullptr);
    ASSERT_NE(result, nullptr) << found.out;
    const json_t *rows = json_object_get(result, "rows");
    EXPECT_GE(json_array_size(rows), 1u);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        EXPECT_EQ(json_integer_value(json_object_get(row, "index")), static_cast<json_int_t>(i));
        EXPECT_GT(json_integer_value(json_object_get(row, "memory_bytes")), 0);
        EXPECT_LE(json_integer_value(json_object_get(row, "free_bytes")),
                  json_integer_value(json_object_get(row, "memory_bytes")));
    }
    json_decref(result);
}

TEST(Devices, OperandsAndUnknownOptionsAreUsage) {
    EXPECT_REFUSED(run_mzv({ "devices", "0" }), 64, "E-usage");
    EXPECT_REFUSED(run_mzv({ "devices", "--threads", "2" }), 64, "E-usage");
}

TEST(Devices, MemoryLimitIsASize) {
    const std::vector<std::string> plan = { "plan", "--model", model, "--encrypt", "h.0.attn.head.0" };
    for (const char *bad : { "much", "-1", "3X", "" }) {
        std::vector<std::string> words = plan;
        words.insert(words.end(), { "--device-memory", bad });
        EXPECT_REFUSED(run_mzv(words), 64, "E-usage");
    }
}

} // namespace
