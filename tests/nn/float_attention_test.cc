/* Float attention against its definition in long double, [VSP+17, 3.2]. */
#include "nn/float_attention.h"

#include <gtest/gtest.h>
#include <cmath>
#include <random>
#include <vector>

#include "base/arena.h"
#include "base/fault.h"

namespace {

using Matrix = std::vector<std::vector<long double>>;

/* A module with random weights, out x in. */
struct Module {
    uint32_t n_embd, n_head;
    bool causal;
    std::vector<float> w[4], bias[4];
    mzv_float_attention m;

    Module(uint32_t embd, uint32_t head, bool is_causal) : n_embd(embd), n_head(head), causal(is_causal) {
        std::mt19937 generator(embd * 100 + head);
        std::normal_distribution<float> draw(0.0f, 0.6f);
        mzv_float_linear layer[4];
        for (int i = 0; i < 4; i++) {
            w[i].resize(size_t(embd) * embd);
            bias[i].resize(embd);
            for (float &v : w[i]) v = draw(generator);
            for (float &v : bias[i]) v = draw(generator);
            layer[i] = { w[i].data(), bias[i].data(), embd, embd, 1, embd };
        }
        m = { layer[0], layer[1], layer[2], layer[3], n_embd, n_head, causal };
    }

    Matrix project(const Matrix &x, int which) const {
        Matrix out(x.size(), std::vector<long double>(n_embd));
        for (size_t t = 0; t < x.size(); t++) {
            for (uint32_t j = 0; j < n_embd; j++) {
                out[t][j] = bias[which][j];
                for (uint32_t i = 0; i < n_embd; i++) out[t][j] += x[t][i] * w[which][j * n_embd + i];
            }
        }
        return out;
    }

    /* Heads side by side, before o; scores of `head` into *scores. */
    Matrix heads(const Matrix &x, uint32_t head = 0, Matrix *scores = nullptr) const {
        const Matrix q = project(x, 0), k = project(x, 1), v = project(x, 2);
        const size_t n = x.size(), d = n_embd / n_head;
        Matrix out(n, std::vector<long double>(n_embd));
        for (uint32_t h = 0; h < n_head; h++) {
            for (size_t t = 0; t < n; t++) {
                const size_t seen = causal ? t + 1 : n;
                std::vector<long double> p(seen);
                long double total = 0;
                for (size_t s = 0; s < seen; s++) {
                    for (size_t i = h * d; i < (h + 1) * d; i++) p[s] += q[t][i] * k[s][i];
                    p[s] /= std::sqrt(static_cast<long double>(d));
                }
                if (scores && h == head) scores->push_back(p);
                for (long double &e : p) total += e = std::exp(e);
                for (size_t i = h * d; i < (h + 1) * d; i++) {
                    for (size_t s = 0; s < seen; s++) out[t][i] += p[s] / total * v[s][i];
                }
            }
        }
        return out;
    }
};

std::vector<float> rows(uint32_t n, uint32_t width) {
    std::mt19937 generator(n);
    std::normal_distribution<float> draw;
    std::vector<float> x(size_t(n) * width);
    for (float &v : x) v = draw(generator);
    return x;
}

Matrix wide(const std::vector<float> &x, uint32_t width) {
    Matrix out(x.size() / width);
    for (size_t t = 0; t < out.size(); t++) out[t].assign(x.begin() + t * width, x.begin() + (t + 1) * width);
    return out;
}

struct Case {
    uint32_t n_embd, n_head, n_tokens;
    bool causal;
};

class FloatAttention : public testing::TestWithParam<Case> {};

/* q, k and v are rounded to float once each: scores of size s err by about 3 x 2^-24 s, so outputs stay
 * within a few 1e-6 of values of size 1 to 10. */
constexpr double tolerance = 2e-5;

TEST_P(FloatAttention, ModuleAndHeadsMatchTheDefinition) {
    const Case c = GetParam();
    const Module module(c.n_embd, c.n_head, c.causal);
    const std::vector<float> x = rows(c.n_tokens, c.n_embd);
    const Matrix heads = module.heads(wide(x, c.n_embd)), whole = module.project(heads, 3);
    const uint32_t d = c.n_embd / c.n_head;
    std::vector<float> out(x.size()), one(size_t(c.n_tokens) * d);
    ASSERT_EQ(mzv_float_attention_run(&module.m, x.data(), c.n_tokens, 0, nullptr, out.data()), MZV_OK);
    for (size_t i = 0; i < out.size(); i++) {
        EXPECT_NEAR(out[i], static_cast<double>(whole[i / c.n_embd][i % c.n_embd]), tolerance) << i;
    }
    for (uint32_t h = 0; h < c.n_head; h++) {
        ASSERT_EQ(mzv_float_attention_head(&module.m, h, x.data(), c.n_tokens, 0, one.data()), MZV_OK);
        for (size_t i = 0; i < one.size(); i++) {
            EXPECT_NEAR(one[i], static_cast<double>(heads[i / d][h * d + i % d]), tolerance) << h << " " << i;
        }
    }
}

TEST_P(FloatAttention, LastRowsAloneGiveTheSameBits) {
    const Case c = GetParam();
    const Module module(c.n_embd, c.n_head, c.causal);
    const std::vector<float> x = rows(c.n_tokens, c.n_embd);
    const uint32_t first = c.n_tokens - 1, d = c.n_embd / c.n_head;
    std::vector<float> all(x.size()), last(c.n_embd), head_all(size_t(c.n_tokens) * d), head_last(d);
    ASSERT_EQ(mzv_float_attention_run(&module.m, x.data(), c.n_tokens, 0, nullptr, all.data()), MZV_OK);
    ASSERT_EQ(mzv_float_attention_run(&module.m, x.data(), c.n_tokens, first, nullptr, last.data()), MZV_OK);
    ASSERT_EQ(mzv_float_attention_head(&module.m, c.n_head - 1, x.data(), c.n_tokens, 0, head_all.data()),
              MZV_OK);
    ASSERT_EQ(
        mzv_float_attention_head(&module.m, c.n_head - 1, x.data(), c.n_tokens, first, head_last.data()),
        MZV_OK);
    for (uint32_t i = 0; i < c.n_embd; i++) EXPECT_EQ(last[i], all[size_t(first) * c.n_embd + i]);
    for (uint32_t i = 0; i < d; i++) EXPECT_EQ(head_last[i], head_all[size_t(first) * d + i]);
}

TEST_P(FloatAttention, KeysAndValuesAddedOneByOneGiveTheSameBits) {
    const Case c = GetParam();
    const Module module(c.n_embd, c.n_head, true);
    const std::vector<float> x = rows(c.n_tokens, c.n_embd);
    std::vector<float> k(x.size()), v(x.size()), k1(x.size()), v1(x.size()), all(x.size()), one(x.size());
    mzv_float_kv whole = { k.data(), v.data(), 0 }, grown = { k1.data(), v1.data(), 0 };
    ASSERT_EQ(mzv_float_attention_heads(&module.m, x.data(), c.n_tokens, 0, &whole, nullptr, all.data()),
              MZV_OK);
    for (uint32_t t = 0; t < c.n_tokens; t++) {
        ASSERT_EQ(mzv_float_attention_heads(&module.m, x.data(), t + 1, t, &grown, nullptr,
                                            one.data() + t * c.n_embd),
                  MZV_OK);
        EXPECT_EQ(grown.n_rows, t + 1);
    }
    EXPECT_EQ(k, k1);
    EXPECT_EQ(v, v1);
    EXPECT_EQ(all, one);
}

TEST_P(FloatAttention, ObserverSeesQueriesKeysAndScoresOfEveryHead) {
    const Case c = GetParam();
    const Module module(c.n_embd, c.n_head, c.causal);
    const std::vector<float> x = rows(c.n_tokens, c.n_embd);
    const uint32_t first = c.n_tokens / 2;
    struct Seen {
        const Module *module;
        Matrix x;
        uint32_t first, n_calls;
        bool causal;
    } seen = { &module, wide(x, c.n_embd), first, 0, c.causal };
    const mzv_float_observer observer = {
        [](void *user, const mzv_float_attention_view *view) {
            Seen *s = static_cast<Seen *>(user);
            const uint32_t d = s->module->n_embd / s->module->n_head;
            EXPECT_EQ(view->layer, 7u);
            EXPECT_EQ(view->head, s->n_calls++);
            EXPECT_EQ(view->head_dim, d);
            EXPECT_EQ(view->first_row, s->first);
            Matrix scores;
            s->module->heads(s->x, view->head, &scores);
            const Matrix q = s->module->project(s->x, 0), k = s->module->project(s->x, 1),
                         v = s->module->project(s->x, 2);
            for (uint32_t r = 0; r < view->n_tokens - view->first_row; r++) {
                const uint32_t t = view->first_row + r;
                for (uint32_t i = 0; i < d; i++) {
                    EXPECT_NEAR(view->q[r * view->row_stride + i],
                                static_cast<double>(q[t][view->head * d + i]), tolerance);
                }
                for (uint32_t i = 0; i < view->n_tokens; i++) {
                    const float score = view->scores[size_t(r) * view->n_tokens + i];
                    if (s->causal && i > t) {
                        EXPECT_EQ(score, -INFINITY);
                    } else {
                        EXPECT_NEAR(score, static_cast<double>(scores[t][i]), tolerance);
                    }
                }
            }
            for (uint32_t i = 0; i < view->n_tokens * d; i++) {
                const uint32_t t = i / d, j = i % d;
                EXPECT_NEAR(view->k[t * view->row_stride + j], static_cast<double>(k[t][view->head * d + j]),
                            tolerance);
                EXPECT_NEAR(view->v[t * view->row_stride + j], static_cast<double>(v[t][view->head * d + j]),
                            tolerance);
            }
        },
        &seen, 7
    };
    std::vector<float> out((c.n_tokens - first) * c.n_embd);
    ASSERT_EQ(mzv_float_attention_run(&module.m, x.data(), c.n_tokens, first, &observer, out.data()), MZV_OK);
    EXPECT_EQ(seen.n_calls, c.n_head);
}

INSTANTIATE_TEST_SUITE_P(Shapes, FloatAttention,
                         testing::Values(Case { 6, 2, 5, true }, Case { 6, 2, 5, false },
                                         Case { 15, 5, 1, true }, Case { 12, 1, 9, false },
                                         Case { 21, 3, 16, true }, Case { 160, 1, 4, true }));

TEST(FloatAttentionErrors, AreReported) {
    Module module(6, 2, true);
    const std::vector<float> x = rows(3, 6);
    std::vector<float> out(18, 42.0f);
    EXPECT_EQ(mzv_float_attention_run(&module.m, x.data(), 3, 3, nullptr, out.data()), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_float_attention_run(&module.m, x.data(), 0, 0, nullptr, out.data()), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_float_attention_head(&module.m, 2, x.data(), 3, 0, out.data()), MZV_ERR_ARGUMENT);
    EXPECT_NE(std::string(mzv_last_error()).find("head 2 of 2"), std::string::npos);
    module.m.n_head = 4;
    EXPECT_EQ(mzv_float_attention_run(&module.m, x.data(), 3, 0, nullptr, out.data()), MZV_ERR_ARGUMENT);
    module.m.n_head = 2;
    const int64_t live = mzv_alloc_live();
    for (int64_t i = 0; i < 2; i++) {
        mzv_test_fail_alloc_after(i);
        EXPECT_EQ(mzv_float_attention_run(&module.m, x.data(), 3, 0, nullptr, out.data()), MZV_ERR_MEMORY);
    }
    mzv_test_fail_alloc_after(0);
    EXPECT_EQ(mzv_float_attention_head(&module.m, 0, x.data(), 3, 0, out.data()), MZV_ERR_MEMORY);
    mzv_test_fail_alloc_after(-1);
    EXPECT_EQ(mzv_alloc_live(), live);
    EXPECT_EQ(out, std::vector<float>(18, 42.0f));
}

} // namespace
