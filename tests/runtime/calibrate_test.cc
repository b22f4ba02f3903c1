// Calibration on the shipped model: intervals hold for the rows they came from and for new ones; files are strict.
#include "runtime/calibrate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "lib/forge.h"

namespace {

const std::string folder = std::string(MZV_SOURCE_DIR) + "/models/gpt2-shakespeare-char";

struct Fixture : testing::Test {
    mzv_checkpoint *cp = nullptr;
    std::vector<uint32_t> ids;
    void SetUp() override {
        ASSERT_EQ(mzv_checkpoint_load(&cp, folder.c_str()), MZV_OK) << mzv_last_error();
        const std::string text = forge::slurp(folder + "/calibration.txt");
        uint32_t n = 0;
        ids.resize(text.size());
        ASSERT_EQ(mzv_tokenizer_encode(cp->tokenizer, text.data(), text.size(), ids.data(), uint32_t(ids.size()), &n), MZV_OK);
        ids.resize(n);
    }
    void TearDown() override { mzv_checkpoint_destroy(cp); }
};

struct Shifted { // worst shifted log-sum-exp and score of one layer, by definition
    const mzv_calibration *cal;
    std::vector<float> x;
    uint32_t outside = 0, rows = 0;
    static void see(void *user, const mzv_float_attention_view *v) {
        Shifted *s = static_cast<Shifted *>(user);
        const mzv_head_range &r = s->cal->layer[v->layer].head[v->head];
        for (uint32_t i = 0; i < v->n_tokens; i++) {
            double shift = r.constant, sum = 0, low = INFINITY;
            const float *q = v->q + i * v->row_stride, *x = s->x.data() + i * s->cal->n_channels;
            for (uint32_t e = 0; e < v->head_dim; e++) {
                double m = r.linear[e];
                for (uint32_t c = 0; c < s->cal->n_channels; c++) m += double(r.bilinear[e * s->cal->n_channels + c]) * x[c];
                shift += q[e] * m;
            }
            for (uint32_t j = 0; j <= i; j++) {
                const double score = v->scores[i * v->n_tokens + j] - shift;
                sum += std::exp(score);
                low = std::min(low, score);
            }
            const double lse = std::log(sum);
            s->outside += lse < r.lse_low || lse > r.lse_high || low < r.score_low;
            s->rows++;
        }
    }
    static void stage(void *user, mzv_stage stage, uint32_t, const float *x, uint32_t rows, uint32_t columns) {
        if (stage == MZV_STAGE_NORM1) static_cast<Shifted *>(user)->x.assign(x, x + size_t(rows) * columns);
    }
};

// Rows outside the calibrated intervals, over `n` windows that start at multiples of `step`.
uint32_t outside(const mzv_checkpoint *cp, const mzv_calibration *cal, const std::vector<uint32_t> &ids, uint32_t n,
                 size_t step, uint32_t window, uint32_t *rows) {
    Shifted s = {cal, {}};
    mzv_float_hooks hooks = {};
    hooks.user = &s, hooks.see = Shifted::see, hooks.stage = Shifted::stage;
    for (uint32_t i = 0; i < n; i++)
        EXPECT_EQ(mzv_gpt2_forward(&cp->gpt2, ids.data() + i * step, window, &hooks, nullptr), MZV_OK) << mzv_last_error();
    *rows = s.rows;
    return s.outside;
}

TEST_F(Fixture, IntervalsHoldForTheRowsTheyCameFrom) {
    mzv_calibration *cal = nullptr;
    const std::vector<uint32_t> some(ids.begin(), ids.begin() + 12 * 64);
    ASSERT_EQ(mzv_calibrate(&cal, cp, some.data(), some.size(), 64, nullptr, nullptr), MZV_OK) << mzv_last_error();
    EXPECT_EQ(cal->n_rows, 12u * 64);
    uint32_t rows;
    EXPECT_EQ(outside(cp, cal, some, 12, 64, 64, &rows), 0u);
    EXPECT_EQ(rows, 12u * 64 * 16);
    const mzv_head_range &wide = cal->layer[1].head[0];
    EXPECT_LT(wide.lse_high - wide.lse_low, (wide.raw_high - wide.raw_low) / 4); // the shift is worth having
    mzv_calibration_destroy(cal);
}

// The calibration that is shipped, on text that no one calibrated on.
TEST_F(Fixture, ShippedIntervalsHoldOnOtherText) {
    const std::string path = forge::shared("data/text/tinyshakespeare.txt");
    const std::string text = forge::slurp(path);
    if (text.empty()) GTEST_SKIP() << path << " is absent; set MZV_SHARED to the folder that holds data/";
    mzv_calibration *cal = nullptr;
    ASSERT_EQ(mzv_calibration_load(&cal, cp, (folder + "/" MZV_CALIBRATION_FILE).c_str()), MZV_OK) << mzv_last_error();
    std::vector<uint32_t> other(text.size());
    uint32_t n = 0, rows;
    ASSERT_EQ(mzv_tokenizer_encode(cp->tokenizer, text.data(), text.size(), other.data(), uint32_t(other.size()), &n), MZV_OK);
    const uint32_t windows = 24;
    const uint32_t bad = outside(cp, cal, other, windows, (n - 128) / windows, 128, &rows);
    EXPECT_LE(bad, rows / 2000) << bad << " of " << rows; // 49,152 rows: an interval of extremes misses a few in ten thousand
    mzv_calibration_destroy(cal);
}

TEST_F(Fixture, AFileComesBackAsItWas) {
    mzv_calibration *cal = nullptr, *back = nullptr;
    ASSERT_EQ(mzv_calibrate(&cal, cp, ids.data(), 10 * 16, 16, nullptr, nullptr), MZV_OK) << mzv_last_error();
    const forge::Folder temporary;
    const std::string path = temporary.path("c.safetensors");
    ASSERT_EQ(mzv_calibration_save(cal, path.c_str()), MZV_OK) << mzv_last_error();
    ASSERT_EQ(mzv_calibration_load(&back, cp, path.c_str()), MZV_OK) << mzv_last_error();
    EXPECT_EQ(back->n_rows, cal->n_rows);
    EXPECT_EQ(back->n_sample, cal->n_sample);
    for (uint32_t l = 0; l < cal->n_layers; l++) {
        EXPECT_FLOAT_EQ(float(back->layer[l].output_max), float(cal->layer[l].output_max));
        for (uint32_t i = 0; i < cal->n_sample * cal->n_channels; i++)
            ASSERT_EQ(back->layer[l].sample[i], cal->layer[l].sample[i]);
        for (uint32_t h = 0; h < cal->n_heads; h++) {
            const mzv_head_range &a = cal->layer[l].head[h], &b = back->layer[l].head[h];
            EXPECT_EQ(float(a.score_low), float(b.score_low));
            EXPECT_EQ(float(a.lse_high), float(b.lse_high));
            EXPECT_EQ(float(a.constant), float(b.constant));
            for (uint32_t i = 0; i < cal->head_dim * cal->n_channels; i++) ASSERT_EQ(a.bilinear[i], b.bilinear[i]);
            for (uint32_t i = 0; i < cal->head_dim; i++) ASSERT_EQ(a.linear[i], b.linear[i]);
        }
    }
    mzv_calibration_destroy(cal);
    mzv_calibration_destroy(back);
}

TEST_F(Fixture, BadFilesAreRefused) {
    const std::string good = forge::slurp(folder + "/" MZV_CALIBRATION_FILE);
    const forge::Folder temporary;
    const std::string path = temporary.path("bad.safetensors");
    mzv_calibration *cal = nullptr;
    const auto load = [&](const std::string &bytes) {
        std::ofstream(path, std::ios::binary) << bytes;
        return mzv_calibration_load(&cal, cp, path.c_str());
    };
    uint64_t head = 0;
    for (int i = 7; i >= 0; i--) head = head << 8 | uint8_t(good[size_t(i)]);
    const std::string data = good.substr(8 + head);
    for (size_t cut : {size_t(0), size_t(5), size_t(8), size_t(8 + head - 1), size_t(8 + head), good.size() - 1})
        EXPECT_EQ(load(good.substr(0, cut)), MZV_ERR_FORMAT) << cut;
    std::string other = good;
    other[8 + head] = char(other[8 + head] ^ 1); // model_id comes first
    EXPECT_EQ(load(other), MZV_ERR_MISMATCH);
    std::string renamed = good;
    renamed.replace(renamed.find("layer.2.linear"), 14, "layer.2.linarr");
    EXPECT_EQ(load(renamed), MZV_ERR_FORMAT);
    EXPECT_NE(std::string(mzv_last_error()).find("layer.2.linear is missing"), std::string::npos) << mzv_last_error();
    std::string empty = good; // ranges of layer 0, head 0: score_low = score_high
    const size_t ranges = 8 + head + 16 + 4 + (4 * 32 * 128 + 4 * 32) * 4;
    empty.replace(ranges, 4, empty, ranges + 4, 4);
    EXPECT_EQ(load(empty), MZV_ERR_FORMAT);
    EXPECT_NE(std::string(mzv_last_error()).find("layer 0 head 0"), std::string::npos) << mzv_last_error();
    EXPECT_EQ(cal, nullptr);
    EXPECT_EQ(mzv_calibration_load(&cal, cp, "/nonexistent/c.safetensors"), MZV_ERR_IO);
}

TEST_F(Fixture, ShortTextsAreRefused) {
    mzv_calibration *cal = nullptr;
    EXPECT_EQ(mzv_calibrate(&cal, cp, ids.data(), 9 * 128, 128, nullptr, nullptr), MZV_ERR_ARGUMENT);
    EXPECT_NE(std::string(mzv_last_error()).find("9 windows of up to 128 tokens, need 10"), std::string::npos) << mzv_last_error();
    EXPECT_EQ(mzv_calibrate(&cal, cp, ids.data(), 0, 128, nullptr, nullptr), MZV_ERR_ARGUMENT);
    EXPECT_EQ(cal, nullptr);
}

TEST_F(Fixture, CanBeStopped) {
    mzv_calibration *cal = nullptr;
    uint32_t calls = 0;
    const auto stop = [](void *user, const char *, uint32_t, uint32_t) { return ++*static_cast<uint32_t *>(user) < 3; };
    EXPECT_EQ(mzv_calibrate(&cal, cp, ids.data(), 10 * 16, 16, stop, &calls), MZV_ERR_CANCELLED);
    EXPECT_EQ(calls, 3u);
    EXPECT_EQ(cal, nullptr);
}

} // namespace
