#include "base/arena.h"

#include <gtest/gtest.h>
#include <string>

#include "base/fault.h"

static bool all_zero(const void *p, size_t n) {
    const auto *b = static_cast<const unsigned char *>(p);
    for (size_t i = 0; i < n; i++)
        if (b[i]) return false;
    return true;
}

TEST(Arena, AllocGivesAlignedZeros) {
    const int64_t live = mzv_alloc_live();
    for (size_t n : { (size_t)0, (size_t)1, (size_t)64, (size_t)1000, (size_t)5 << 20 }) {
        for (int round = 0; round < 2; round++) { /* the second round finds dirty memory */
            unsigned char *p = nullptr;
            ASSERT_EQ(MZV_NEW(&p, n, "test"), MZV_OK);
            EXPECT_EQ((uintptr_t)p % (n >= (size_t)4 << 20 ? (size_t)2 << 20 : 64), 0u);
            EXPECT_TRUE(all_zero(p, n));
            for (size_t i = 0; i < n; i++) p[i] = 0xFF;
            mzv_free(p);
        }
    }
    mzv_free(nullptr);
    EXPECT_EQ(mzv_alloc_live(), live);
}

TEST(Arena, AllocRefusesOverflow) {
    void *p = &p;
    for (size_t count : { SIZE_MAX, SIZE_MAX / 8 + 1, SIZE_MAX / 8 }) {
        EXPECT_EQ(mzv_alloc(&p, count, 8, "rows"), MZV_ERR_MEMORY);
        EXPECT_EQ(p, &p);
        EXPECT_NE(std::string(mzv_last_error()).find("rows"), std::string::npos);
    }
    mzv_arena arena = {};
    EXPECT_EQ(mzv_arena_take(&arena, &p, SIZE_MAX, 2), MZV_ERR_MEMORY);
    EXPECT_EQ(mzv_arena_take(&arena, &p, SIZE_MAX - 100, 1), MZV_ERR_MEMORY);
    EXPECT_EQ(arena.blocks, nullptr);
}

TEST(Arena, PiecesAreDisjointAndAligned) {
    mzv_arena arena = {};
    const int64_t live = mzv_alloc_live();
    unsigned char *piece[300];
    for (size_t i = 0; i < 300; i++) {
        ASSERT_EQ(MZV_TAKE(&arena, &piece[i], i * 7 % 1000), MZV_OK);
        EXPECT_EQ((uintptr_t)piece[i] % 64, 0u);
        EXPECT_TRUE(all_zero(piece[i], i * 7 % 1000));
        for (size_t j = 0; j < i * 7 % 1000; j++) piece[i][j] = (unsigned char)i;
    }
    for (size_t i = 0; i < 300; i++)
        for (size_t j = 0; j < i * 7 % 1000; j++) ASSERT_EQ(piece[i][j], (unsigned char)i);
    char *text = nullptr;
    ASSERT_EQ(mzv_arena_text(&arena, &text, "hello"), MZV_OK);
    EXPECT_STREQ(text, "hello");
    unsigned char *large = nullptr;
    ASSERT_EQ(MZV_TAKE(&arena, &large, 1 << 20), MZV_OK);
    EXPECT_TRUE(all_zero(large, 1 << 20));
    mzv_arena_clear(&arena);
    EXPECT_EQ(arena.blocks, nullptr);
    EXPECT_EQ(mzv_alloc_live(), live);
    mzv_arena_clear(&arena);
}

TEST(Arena, EachAllocationCanFail) {
    for (int64_t n = 0; n < 3; n++) {
        mzv_arena arena = {};
        const int64_t live = mzv_alloc_live();
        mzv_test_fail_alloc_after(n);
        mzv_status status = MZV_OK;
        char *p = nullptr;
        int64_t taken = 0;
        for (; status == MZV_OK && taken < 5; taken++) status = MZV_TAKE(&arena, &p, 100000);
        EXPECT_EQ(status, MZV_ERR_MEMORY);
        EXPECT_EQ(taken, n + 1);
        EXPECT_EQ(mzv_alloc_live(), live + n);
        EXPECT_EQ(MZV_TAKE(&arena, &p, 100000), MZV_OK) << "only one allocation fails";
        mzv_arena_clear(&arena);
        EXPECT_EQ(mzv_alloc_live(), live);
    }
    mzv_test_fail_alloc_after(-1);
}
