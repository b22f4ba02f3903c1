#include "base/log.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/try.h"

static void collect(void *user, mzv_log_level level, const char *message) {
    static_cast<std::vector<std::string> *>(user)->push_back(std::to_string(level) + message);
}

TEST(Log, PassesOnWhatTheLevelAllows) {
    std::vector<std::string> lines;
    const mzv_log log = { collect, &lines, MZV_LOG_INFO };
    mzv_log_print(&log, MZV_LOG_WARN, "a %d", 1);
    mzv_log_print(&log, MZV_LOG_INFO, "b");
    mzv_log_print(&log, MZV_LOG_DEBUG, "c");
    EXPECT_EQ(lines, (std::vector<std::string> { "0a 1", "1b" }));
}

TEST(Log, CutsLongLines) {
    std::vector<std::string> lines;
    const mzv_log log = { collect, &lines, MZV_LOG_WARN };
    mzv_log_print(&log, MZV_LOG_WARN, "%s", std::string(5000, 'x').c_str());
    ASSERT_EQ(lines.size(), 1u);
    EXPECT_EQ(lines[0], "0" + std::string(1023, 'x'));
}

TEST(Log, SilentWithoutFunction) {
    std::vector<std::string> lines;
    mzv_log log = { nullptr, &lines, MZV_LOG_DEBUG };
    mzv_log_print(&log, MZV_LOG_WARN, "nobody hears %d", 1);
    mzv_log_print(nullptr, MZV_LOG_WARN, "nobody hears %d", 1);
    EXPECT_TRUE(lines.empty());
    log.write = collect;
    mzv_log_print(&log, MZV_LOG_DEBUG, "heard");
    EXPECT_EQ(lines, (std::vector<std::string> { "2heard" }));
}

TEST(Clock, DoesNotGoBack) {
    const uint64_t a = mzv_clock_ns(), b = mzv_clock_ns();
    EXPECT_LE(a, b);
    EXPECT_GT(a, 0u);
}

TEST(Status, NamesTextsAndMessages) {
    EXPECT_STREQ(mzv_status_name(MZV_ERR_LEVEL), "MZV_ERR_LEVEL");
    EXPECT_STREQ(mzv_status_text(MZV_ERR_RANDOM), "the operating system gave no randomness");
    EXPECT_EQ(mzv_fail(MZV_ERR_SCALE, "found %d", 7), MZV_ERR_SCALE);
    EXPECT_STREQ(mzv_last_error(), "found 7");
    EXPECT_EQ(mzv_fail(MZV_ERR_SCALE, "then %s", mzv_last_error()), MZV_ERR_SCALE);
    EXPECT_STREQ(mzv_last_error(), "then found 7");
    EXPECT_STREQ(mzv_status_name((mzv_status)999), "MZV_?");
}
