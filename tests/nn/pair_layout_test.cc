// Slots of an encrypted attention: sizes, what a client packs, what it reads back.
#include "nn/pair_layout.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace {

using Slots = std::vector<mzv_complex>;

TEST(PairLayout, PadsToPowersOfTwo) {
    mzv_pair_layout l;
    ASSERT_EQ(mzv_pair_layout_make(&l, 1u << 13, 48, 3, 16, 5), MZV_OK) << mzv_last_error();
    EXPECT_EQ(l.channels, 64u);
    EXPECT_EQ(l.heads, 4u);
    EXPECT_EQ(l.dim, 16u);
    EXPECT_EQ(l.copies, 1u);
    EXPECT_EQ(l.pairs, 128u);
    EXPECT_EQ(l.tokens, 8u);
    EXPECT_EQ(l.group, 16u);
    EXPECT_EQ(l.rows, 8u);
}

TEST(PairLayout, OneHeadFillsTheChannelsWithCopies) {
    mzv_pair_layout l;
    ASSERT_EQ(mzv_pair_layout_make(&l, 1u << 14, 128, 1, 32, 8), MZV_OK);
    EXPECT_EQ(l.channels, 128u);
    EXPECT_EQ(l.copies, 4u);
    std::set<uint32_t> seen;
    for (uint32_t k = 0; k < l.copies; k++)
        for (uint32_t e = 0; e < l.dim; e++) seen.insert(mzv_pair_channel(&l, k, e, 0));
    EXPECT_EQ(seen.size(), 128u);
    EXPECT_EQ(*seen.rbegin(), 127u);
}

TEST(PairLayout, TooManyTokensSayHowManySlots) {
    mzv_pair_layout l;
    EXPECT_EQ(mzv_pair_layout_make(&l, 1u << 14, 128, 4, 32, 65), MZV_ERR_ARGUMENT);
    EXPECT_NE(std::string(mzv_last_error()).find("32768 slots, the ring has 16384"), std::string::npos)
        << mzv_last_error();
    EXPECT_EQ(mzv_pair_layout_make(&l, 1u << 14, 128, 4, 32, 64), MZV_OK);
    EXPECT_EQ(mzv_pair_layout_make(&l, 1u << 14, 128, 4, 32, 0), MZV_ERR_ARGUMENT);
}

// The definition, slot by slot: channel slowest, then query row, then key.
TEST(PairLayout, PacksEveryAlivePairAndNothingElse) {
    const uint32_t n_channels = 6, n_tokens = 5;
    mzv_pair_layout l;
    ASSERT_EQ(mzv_pair_layout_make(&l, 1u << 10, n_channels, 2, 3, n_tokens), MZV_OK);
    std::vector<float> x(n_tokens * n_channels);
    for (size_t i = 0; i < x.size(); i++) x[i] = 1.0f + static_cast<float>(i);
    for (bool causal : {false, true}) {
        const mzv_pair_span span = {n_tokens, 2, 3, causal};
        Slots q(l.n_slots), k(l.n_slots);
        mzv_pair_pack(q.data(), k.data(), &l, &span, x.data(), n_channels, 2.0);
        for (uint32_t c = 0; c < l.channels; c++)
            for (uint32_t i = 0; i < l.rows; i++)
                for (uint32_t j = 0; j < l.group; j++) {
                    const bool alive = c < n_channels && i < 3 && j < n_tokens && (!causal || j <= i + 2);
                    const size_t slot = c * l.pairs + i * l.group + j;
                    EXPECT_EQ(__real__ q[slot], alive ? x[(i + 2) * n_channels + c] / 2.0 : 0) << c << " " << i << " " << j;
                    EXPECT_EQ(__real__ k[slot], alive ? x[j * n_channels + c] / 2.0 : 0);
                    EXPECT_EQ(__imag__ q[slot], 0);
                }
    }
}

TEST(PairLayout, UnpacksPositionZeroOfEachRow) {
    mzv_pair_layout l;
    ASSERT_EQ(mzv_pair_layout_make(&l, 1u << 10, 8, 2, 4, 4), MZV_OK);
    Slots slots(l.n_slots);
    for (size_t s = 0; s < slots.size(); s++) slots[s] = static_cast<double>(s);
    const uint32_t channel[] = {5, 1};
    std::vector<float> out(2 * 3);
    mzv_pair_unpack(out.data(), &l, 3, slots.data(), 2, channel, 10);
    for (uint32_t i = 0; i < 3; i++)
        for (uint32_t o = 0; o < 2; o++)
            EXPECT_EQ(out[i * 2 + o], 10.0f * static_cast<float>(channel[o] * l.pairs + i * l.group));
}

} // namespace
