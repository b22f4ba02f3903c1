// Progress lines and bars, with a clock that the test turns.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "cli/progress.h"

namespace {

uint64_t clock_ns;
uint64_t test_clock() { return clock_ns; }

struct Fixture {
    mzv_progress p;
    char *text = nullptr;
    size_t n = 0;
    explicit Fixture(mzv_progress_kind kind, bool shares_line = false) {
        clock_ns = 1000000000u;
        mzv_progress_open(&p, "never", shares_line);
        p.kind = kind;
        p.file = open_memstream(&text, &n);
        p.now_ns = test_clock;
        p.width = 80;
        p.start_ns = p.drawn_ns = clock_ns;
    }
    ~Fixture() {
        fclose(p.file);
        free(text);
    }
    std::string written() {
        fflush(p.file);
        return std::string(text, n);
    }
};

TEST(Progress, LinesComeEvery30Seconds) {
    Fixture f(MZV_PROGRESS_LINES);
    for (int i = 0; i <= 65; i++) {
        EXPECT_TRUE(mzv_progress_step(&f.p, "keys", static_cast<uint32_t>(i), 100));
        clock_ns += 1000000000u;
    }
    EXPECT_EQ(f.written(), "mzv: keys 30/100, 30 s\nmzv: keys 60/100, 60 s\n");
}

TEST(Progress, TheEstimateComesFromItemsDone) {
    Fixture f(MZV_PROGRESS_LINES);
    mzv_progress_item(&f.p, "token", 0, 10);
    EXPECT_LT(mzv_progress_left_s(&f.p, clock_ns), 0) << "nothing is known before the first item is done";
    clock_ns += 8000000000u;
    mzv_progress_item(&f.p, "token", 4, 10);
    EXPECT_DOUBLE_EQ(mzv_progress_left_s(&f.p, clock_ns), 12.0); // 2 s each, 6 to go
    char line[100];
    mzv_progress_line(line, sizeof line, &f.p, "softmax", 3, 7, clock_ns);
    EXPECT_STREQ(line, "token 5/10, softmax 3/7, 8 s, about 12 s left");
}

TEST(Progress, BarIsRedrawnAndTakenAway) {
    Fixture f(MZV_PROGRESS_BAR);
    clock_ns += 1000000000u;
    mzv_progress_step(&f.p, "keys", 5, 10);
    mzv_progress_clear(&f.p);
    mzv_progress_clear(&f.p);
    EXPECT_EQ(f.written(), "\r[##########..........] keys 5/10, 1 s\r\033[K");
}

TEST(Progress, BarStandsBehindStreamedText) {
    Fixture f(MZV_PROGRESS_BAR, true);
    mzv_progress_text(&f.p, "ROMEO:\nI will", 13);
    EXPECT_EQ(f.p.text_column, 6u);
    clock_ns += 1000000000u;
    mzv_progress_step(&f.p, "keys", 0, 10);
    mzv_progress_clear(&f.p);
    EXPECT_EQ(f.written(), " [....................] keys 0/10, 1 s\033[38D\033[K");
    f.p.text_column = 75; // no room left: nothing is drawn
    clock_ns += 1000000000u;
    mzv_progress_step(&f.p, "keys", 1, 10);
    EXPECT_EQ(f.p.drawn_columns, 0u);
}

TEST(Progress, JsonLines) {
    Fixture f(MZV_PROGRESS_JSON);
    clock_ns += 1500000000u;
    mzv_progress_step(&f.p, "encrypt", 1, 4);
    EXPECT_EQ(f.written(),
              "{\"progress\": {\"stage\": \"encrypt\", \"step\": 1, \"n_steps\": 4, \"item\": 0, "
              "\"n_items\": 0, \"elapsed_s\": 1.500}}\n");
}

TEST(Progress, NeverIsSilent) {
    Fixture f(MZV_PROGRESS_NEVER);
    clock_ns += 100000000000u;
    EXPECT_TRUE(mzv_progress_step(&f.p, "keys", 1, 4));
    EXPECT_EQ(f.written(), "");
}

} // namespace
