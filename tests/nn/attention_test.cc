// The encrypted attention against its definition in double: exactly on slots, with noise on toy ciphertexts.
#include "nn/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace {

constexpr uint32_t n_channels = 6, n_heads = 2, head_dim = 3; // none of them a power of two but n_heads

// A random module, random tokens, and a shift that is not the best but not zero.
struct Module {
    std::vector<float> w[4], b[4], x, bilinear[n_heads], linear[n_heads];
    mzv_float_attention weights = {};
    mzv_head_shift shift[n_heads];
    uint32_t n_tokens;
    Module(uint32_t tokens, bool causal, double width) : n_tokens(tokens) {
        std::minstd_rand rng(11);
        std::normal_distribution<float> normal;
        mzv_float_linear *const linears[4] = {&weights.q, &weights.k, &weights.v, &weights.o};
        for (int i = 0; i < 4; i++) {
            w[i].resize(n_channels * n_channels), b[i].resize(n_channels);
            for (float &v : w[i]) v = normal(rng) * (i < 2 ? static_cast<float>(width) : 0.5f);
            for (float &v : b[i]) v = normal(rng);
            // Conv1D and Linear layouts both.
            *linears[i] = {w[i].data(), b[i].data(), n_channels, n_channels, i % 2 ? 1u : n_channels,
                           i % 2 ? n_channels : 1u};
        }
        weights.n_embd = n_channels, weights.n_head = n_heads, weights.causal = causal;
        x.resize(tokens * n_channels);
        for (float &v : x) v = normal(rng);
        for (uint32_t h = 0; h < n_heads; h++) {
            bilinear[h].resize(head_dim * n_channels), linear[h].resize(head_dim);
            for (float &v : bilinear[h]) v = 0.05f * normal(rng);
            for (float &v : linear[h]) v = 0.1f * normal(rng);
            shift[h] = {bilinear[h].data(), linear[h].data(), 0.7 - h};
        }
    }
    double project(int i, uint32_t token, uint32_t out) const {
        const mzv_float_linear *l[4] = {&weights.q, &weights.k, &weights.v, &weights.o};
        double s = b[i][out];
        for (uint32_t c = 0; c < n_channels; c++)
            s += double(x[token * n_channels + c]) * l[i]->w[c * l[i]->in_stride + out * l[i]->out_stride];
        return s;
    }
    double score(uint32_t h, uint32_t i, uint32_t j) const {
        double s = 0;
        for (uint32_t e = 0; e < head_dim; e++) s += project(0, i, h * head_dim + e) * project(1, j, h * head_dim + e);
        return s / std::sqrt(double(head_dim));
    }
    double shifted(uint32_t h, uint32_t i, uint32_t j) const {
        double s = score(h, i, j) - shift[h].constant;
        for (uint32_t e = 0; e < head_dim; e++) {
            double m = linear[h][e];
            for (uint32_t c = 0; c < n_channels; c++) m += double(bilinear[h][e * n_channels + c]) * x[i * n_channels + c];
            s -= project(0, i, h * head_dim + e) * m;
        }
        return s;
    }
    bool alive(uint32_t i, uint32_t j) const { return !weights.causal || j <= i; }
    // One head's output, by definition.
    std::vector<double> head(uint32_t h, uint32_t i) const {
        std::vector<double> out(head_dim);
        double sum = 0;
        for (uint32_t j = 0; j < n_tokens; j++) {
            if (!alive(i, j)) continue;
            const double p = std::exp(score(h, i, j));
            sum += p;
            for (uint32_t e = 0; e < head_dim; e++) out[e] += p * project(2, j, h * head_dim + e);
        }
        for (double &o : out) o /= sum;
        return out;
    }
    std::vector<double> whole(uint32_t i) const {
        std::vector<double> heads, out(n_channels);
        for (uint32_t h = 0; h < n_heads; h++)
            for (double o : head(h, i)) heads.push_back(o);
        for (uint32_t c = 0; c < n_channels; c++) {
            out[c] = b[3][c];
            for (uint32_t k = 0; k < n_channels; k++)
                out[c] += heads[k] * weights.o.w[k * weights.o.in_stride + c * weights.o.out_stride];
        }
        return out;
    }
    // The tightest ranges, a little widened.
    mzv_attention_range range(int head) const {
        mzv_attention_range r = {INFINITY, 0, INFINITY, -INFINITY, 0, 0};
        for (uint32_t h = head < 0 ? 0 : uint32_t(head); h < (head < 0 ? n_heads : uint32_t(head) + 1); h++)
            for (uint32_t i = 0; i < n_tokens; i++) {
                double sum = 0;
                for (uint32_t j = 0; j < n_tokens; j++) {
                    if (!alive(i, j)) continue;
                    const double s = shifted(h, i, j);
                    r.score_low = std::min(r.score_low, s - 1);
                    sum += std::exp(s);
                    for (uint32_t e = 0; e < head_dim; e++)
                        r.value_max = std::max(r.value_max, std::abs(project(2, j, h * head_dim + e)));
                }
                r.lse_low = std::min(r.lse_low, std::log(sum) - 0.05);
                r.lse_high = std::max(r.lse_high, std::log(sum) + 0.01); // neighbours in the zero half reach twice that
            }
        for (uint32_t i = 0; i < n_tokens; i++)
            for (double o : whole(i)) r.output_max = std::max(r.output_max, std::abs(o));
        r.score_high = r.lse_high;
        return r;
    }
    mzv_attention_spec spec(int head, uint32_t n_slots, double target) {
        mzv_attention_spec s = {};
        s.weights = weights, s.head = head, s.shift = head < 0 ? shift : shift + head;
        s.range = range(head), s.target_error = target;
        EXPECT_EQ(mzv_pair_layout_make(&s.layout, n_slots, n_channels, head < 0 ? n_heads : 1, head_dim, n_tokens), MZV_OK);
        return s;
    }
};

mzv_params toy(uint32_t n_levels) {
    mzv_params p = {};
    p.log_n = 10, p.n_levels = n_levels, p.log_q0 = 46, p.log_scale = 40, p.n_special = 4, p.log_special = 46;
    p.insecure_toy = true;
    return p;
}

// Everything one run needs, on any kind of evaluator.
struct Session {
    mzv_context *ctx = nullptr;
    mzv_secret *secret = nullptr;
    mzv_keys *keys = nullptr;
    mzv_evaluator *ev = nullptr;
    mzv_attention *attention = nullptr;
    mzv_cipher *in[2] = {}, *out = nullptr;
    ~Session() {
        for (mzv_cipher *c : {in[0], in[1], out}) mzv_cipher_destroy(c);
        mzv_attention_destroy(attention);
        mzv_evaluator_destroy(ev);
        mzv_keys_destroy(keys);
        mzv_secret_destroy(secret);
        mzv_context_destroy(ctx);
    }
};

// Runs on `s.ev` and gives the rows of the span.
std::vector<float> run(Session &s, Module &m, const mzv_attention_spec &spec, const mzv_pair_span &span, uint32_t level) {
    std::vector<float> out;
    std::vector<mzv_complex> q(spec.layout.n_slots), k(spec.layout.n_slots);
    EXPECT_EQ(mzv_attention_create(&s.attention, s.ev, &spec, level), MZV_OK) << mzv_last_error();
    if (!s.attention) return out;
    for (mzv_cipher **c : {&s.in[0], &s.in[1], &s.out}) EXPECT_EQ(mzv_evaluator_cipher(c, s.ev, level, 1), MZV_OK);
    mzv_pair_pack(q.data(), k.data(), &spec.layout, &span, m.x.data(), n_channels, 1);
    EXPECT_EQ(s.secret ? mzv_encrypt(s.in[0], s.secret, k.data(), level) : mzv_clear_set(s.ev, s.in[0], k.data(), level), MZV_OK);
    EXPECT_EQ(s.secret ? mzv_encrypt(s.in[1], s.secret, q.data(), level) : mzv_clear_set(s.ev, s.in[1], q.data(), level), MZV_OK);
    mzv_attention_mask *mask = nullptr;
    EXPECT_EQ(mzv_attention_mask_create(&mask, s.ev, s.attention, &span), MZV_OK) << mzv_last_error();
    EXPECT_EQ(mzv_attention_run(s.ev, s.out, s.in[0], s.in[1], s.attention, mask, nullptr), MZV_OK) << mzv_last_error();
    mzv_attention_mask_destroy(mask);
    EXPECT_EQ(mzv_cipher_level(s.out), level - mzv_attention_get_facts(s.attention)->levels);
    if (std::string(mzv_evaluator_kind(s.ev)) == "count") return out; // no data to read
    EXPECT_EQ(s.secret ? mzv_decrypt(q.data(), s.secret, s.out) : mzv_clear_get(s.ev, q.data(), s.out), MZV_OK) << mzv_last_error();
    std::vector<uint32_t> channel(mzv_attention_outputs(s.attention));
    for (uint32_t c = 0; c < channel.size(); c++) channel[c] = mzv_attention_channel(s.attention, c);
    out.resize(span.n_rows * channel.size());
    mzv_pair_unpack(out.data(), &spec.layout, span.n_rows, q.data(), uint32_t(channel.size()), channel.data(),
                    mzv_attention_scale(s.attention));
    return out;
}

// Largest difference to the definition, relative to the largest value.
double error(const Module &m, const mzv_pair_span &span, int head, const std::vector<float> &got) {
    double worst = 0, size = 0;
    size_t at = 0;
    for (uint32_t i = 0; i < span.n_rows; i++)
        for (double want : head < 0 ? m.whole(span.first_row + i) : m.head(uint32_t(head), span.first_row + i)) {
            worst = std::max(worst, std::abs(want - got.at(at++)));
            size = std::max(size, std::abs(want));
        }
    return worst / size;
}

struct Case {
    bool causal;
    int head;
    uint32_t first_row, n_rows;
    double width;
};

class Attention : public testing::TestWithParam<Case> {};

TEST_P(Attention, EqualsItsDefinitionOnSlots) {
    const Case c = GetParam();
    Module m(4, c.causal, c.width);
    const double target = 1e-5;
    const mzv_attention_spec spec = m.spec(c.head, 512, target);
    mzv_attention_facts facts;
    ASSERT_EQ(mzv_attention_about(&facts, &spec), MZV_OK) << mzv_last_error();
    const mzv_params params = toy(facts.levels + 2);
    const mzv_pair_span span = {4, c.first_row, c.n_rows, c.causal};
    Session s;
    ASSERT_EQ(mzv_evaluator_create_clear(&s.ev, &params, 0, 0), MZV_OK) << mzv_last_error();
    const std::vector<float> got = run(s, m, spec, span, facts.levels + 1);
    // exp's error counts once for each key, and the weights of W_O spread a head's error over the channels
    EXPECT_LT(error(m, span, c.head, got), 20 * target);
}

TEST_P(Attention, HoldsOnCiphertextsWithTheKeysThatCountingAskedFor) {
    const Case c = GetParam();
    Module m(4, c.causal, c.width);
    const mzv_attention_spec spec = m.spec(c.head, 512, 1e-5);
    mzv_attention_facts facts;
    ASSERT_EQ(mzv_attention_about(&facts, &spec), MZV_OK);
    const mzv_params params = toy(facts.levels);
    const mzv_pair_span span = {4, c.first_row, c.n_rows, c.causal};
    mzv_key_request *request = nullptr;
    size_t scratch;
    ASSERT_EQ(mzv_key_request_create(&request), MZV_OK);
    {
        Session count;
        ASSERT_EQ(mzv_evaluator_create_count(&count.ev, &params), MZV_OK);
        run(count, m, spec, span, facts.levels);
        ASSERT_EQ(mzv_evaluator_request(count.ev, request), MZV_OK);
        scratch = mzv_evaluator_counts(count.ev)->peak_bytes;
    }
    Session s;
    ASSERT_EQ(mzv_context_create(&s.ctx, &params, nullptr), MZV_OK) << mzv_last_error();
    ASSERT_EQ(mzv_secret_create(&s.secret, s.ctx), MZV_OK);
    ASSERT_EQ(mzv_keys_create(&s.keys, s.secret, request), MZV_OK);
    mzv_key_request_destroy(request);
    ASSERT_EQ(mzv_evaluator_create(&s.ev, s.ctx, s.keys, scratch), MZV_OK) << mzv_last_error();
    const std::vector<float> got = run(s, m, spec, span, facts.levels);
    // 2^-40 scale at N = 2^10 leaves about 2^-30 in a slot; the quotient's ratio of up to e^12 amplifies it
    EXPECT_LT(error(m, span, c.head, got), 1e-3);
    EXPECT_EQ(mzv_evaluator_counts(s.ev)->peak_bytes, scratch);
}

INSTANTIATE_TEST_SUITE_P(Modules, Attention,
                         testing::Values(Case{true, -1, 0, 4, 0.5}, Case{false, -1, 0, 4, 0.5}, Case{true, -1, 3, 1, 0.5},
                                         Case{true, 1, 0, 4, 0.5}, Case{false, 0, 2, 2, 0.5}, Case{true, -1, 1, 3, 0.8}));

TEST(AttentionErrors, SayWhatIsWrong) {
    Module m(4, true, 0.5);
    mzv_attention_facts facts;
    mzv_attention_spec spec = m.spec(-1, 512, 1e-4);
    spec.head = 2;
    EXPECT_EQ(mzv_attention_about(&facts, &spec), MZV_ERR_ARGUMENT);
    EXPECT_NE(std::string(mzv_last_error()).find("head 2, the module has 2"), std::string::npos);
    spec.head = -1;
    ASSERT_EQ(mzv_attention_about(&facts, &spec), MZV_OK);
    const mzv_params params = toy(facts.levels);
    Session s;
    ASSERT_EQ(mzv_evaluator_create_clear(&s.ev, &params, 0, 0), MZV_OK);
    EXPECT_EQ(mzv_attention_create(&s.attention, s.ev, &spec, facts.levels - 1), MZV_ERR_LEVEL);
    ASSERT_EQ(mzv_attention_create(&s.attention, s.ev, &spec, facts.levels), MZV_OK) << mzv_last_error();
    mzv_attention_mask *mask = nullptr;
    const mzv_pair_span five = {5, 0, 5, true};
    EXPECT_EQ(mzv_attention_mask_create(&mask, s.ev, s.attention, &five), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mask, nullptr);
    spec.range.lse_high = spec.range.lse_low;
    EXPECT_EQ(mzv_attention_about(&facts, &spec), MZV_ERR_ARGUMENT);
}

TEST(AttentionWatch, CanStopARun) {
    Module m(4, true, 0.5);
    const mzv_attention_spec spec = m.spec(-1, 512, 1e-4);
    mzv_attention_facts facts;
    ASSERT_EQ(mzv_attention_about(&facts, &spec), MZV_OK);
    const mzv_params params = toy(facts.levels);
    Session s;
    ASSERT_EQ(mzv_evaluator_create_clear(&s.ev, &params, 0, 0), MZV_OK);
    const mzv_pair_span span = {4, 0, 4, true};
    run(s, m, spec, span, facts.levels);
    std::vector<std::string> parts;
    const mzv_attention_watch watch = {[](void *user, const char *part, uint32_t, uint32_t) {
                                           auto *p = static_cast<std::vector<std::string> *>(user);
                                           p->push_back(part);
                                           return p->size() < 3;
                                       },
                                       &parts};
    mzv_attention_mask *mask = nullptr;
    ASSERT_EQ(mzv_attention_mask_create(&mask, s.ev, s.attention, &span), MZV_OK);
    EXPECT_EQ(mzv_attention_run(s.ev, s.out, s.in[0], s.in[1], s.attention, mask, &watch), MZV_ERR_CANCELLED);
    EXPECT_EQ(parts, (std::vector<std::string>{"projections", "scores", "softmax"}));
    mzv_attention_mask_destroy(mask);
}

} // namespace
