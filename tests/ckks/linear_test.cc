// Linear transforms against their O(n^2) definition, for many shapes, with diagonals left out.
#include <algorithm>

#include "ckks/eval_fixture.h"

namespace eval {

struct Shape {
    uint32_t n_baby, n_giant;
    int32_t baby_step, giant_step;
    std::vector<uint32_t> missing; // indices g * n_baby + b
    int32_t first = 0;
};

// A transform of one evaluator, and the diagonals it was made from.
struct Transform {
    mzv_bsgs t = {};
    std::vector<mzv_plain *> plain;
    std::vector<Slots> diagonal;
    ~Transform() {
        for (auto *p : plain) mzv_plain_destroy(p);
    }

    void make(mzv_evaluator *ev, const Shape &shape, uint32_t level, bool keep) {
        const uint32_t count = shape.n_baby * shape.n_giant;
        plain.assign(count, nullptr);
        diagonal.assign(count, {});
        for (uint32_t i = 0; i < count; i++) {
            if (std::find(shape.missing.begin(), shape.missing.end(), i) != shape.missing.end()) continue;
            diagonal[i] = random_slots(mzv_evaluator_slots(ev), 1000 + i);
            EVAL_OK(mzv_plain_create(&plain[i], ev, as_c(diagonal[i]), level, MZV_PLAIN_MUL));
            if (!keep || i % 2 == 1) continue;
            EVAL_OK(mzv_plain_keep(plain[i], true));
        }
        t = {
            level, shape.n_baby, shape.n_giant, shape.baby_step, shape.giant_step, shape.first, plain.data()
        };
    }

    // Row by row of the matrix: out_i = sum over terms of the entry at column i + steps.
    Slots applied(const Slots &a) const {
        const int64_t n = static_cast<int64_t>(a.size());
        Slots out(a.size());
        for (uint32_t g = 0; g < t.n_giant; g++)
            for (uint32_t b = 0; b < t.n_baby; b++) {
                const Slots &d = diagonal[g * t.n_baby + b];
                for (int64_t i = 0; i < n && !d.empty(); i++) {
                    const int64_t row = ((i + int64_t { g } * t.giant_step) % n + n) % n;
                    const int64_t column = ((row + (int64_t { t.first } + b) * t.baby_step) % n + n) % n;
                    out[i] += d[row] * a[column];
                }
            }
        return out;
    }

    size_t terms() const {
        size_t count = 0;
        for (const auto *p : plain) count += p != nullptr;
        return count;
    }
};

class Linear : public Ckks {
  protected:
    static std::vector<Shape> shapes() {
        return { { 1, 1, 1, 1, {} },
                 { 4, 4, 1, 4, {} },
                 { 8, 2, 1, 8, { 3, 11, 5 } },
                 { 2, 8, 1, 2, { 0, 7 } },
                 { 1, 5, 1, 3, {} },
                 { 5, 1, 2, 7, { 0 } },
                 { 4, 4, 1, 4, { 12, 13, 14, 15, 4, 5, 6, 7 } },
                 { 3, 3, -2, -6, { 4 } },
                 { 4, 2, 1, 4, { 1, 2, 3, 5, 6, 7 } },
                 { 3, 2, 0, 5, {} },
                 { 2, 3, 1, 0, {} },
                 { 7, 3, 5, 35, { 0, 7, 14 }, 0 },
                 { 4, 2, 3, 12, { 5 }, -4 },
                 { 3, 5, 2, 6, {}, -7 },
                 { 2, 2, 1, 2, {}, 1 } };
    }

    // Fresh noise and that of the rotations grow with the terms, that of the giant steps with their number.
    double deviation(const Transform &t, uint32_t level) const {
        const Noise e = noise(level);
        const mzv_param_facts &f = *mzv_context_facts(ctx);
        const double scale = f.scale[level] * f.scale[level]; // to 2^-8: q_l S_{l-1} = S_l^2
        const double giant = std::hypot(mzv_noise_key_product(&params, &f, level, scale),
                                        mzv_noise_mod_down(&params, params.n_special, scale));
        const double each_term = std::hypot(std::hypot(e.fresh(), e.key_product()), e.encode());
        return std::hypot(std::hypot(std::sqrt(t.terms()) * each_term, std::sqrt(t.t.n_giant) * giant),
                          mzv_noise_mod_down(&params, params.n_special + 1, f.scale[level - 1])) +
               rounding();
    }

    mzv_keys *keys_for(const mzv_bsgs &t, uint32_t level) {
        mzv_key_request *ask = nullptr;
        mzv_keys *made = nullptr;
        EXPECT_EQ(mzv_key_request_create(&ask), MZV_OK);
        for (uint32_t b = 0; b <= t.n_baby; b++) {
            const int32_t steps =
                b == t.n_baby ? t.giant_step : (t.first + static_cast<int32_t>(b)) * t.baby_step;
            if (steps == 0) continue;
            EXPECT_EQ(mzv_request_rotate(ask, steps, level), MZV_OK);
        }
        EXPECT_EQ(mzv_request_conjugate(ask, level), MZV_OK);
        EXPECT_EQ(mzv_keys_create(&made, secret, ask), MZV_OK) << mzv_last_error();
        mzv_key_request_destroy(ask);
        return made;
    }

    void check(const Shape &shape, uint32_t level, uint32_t batch, bool keep) {
        const std::string what = std::to_string(shape.n_baby) + " x " + std::to_string(shape.n_giant) +
                                 " at level " + std::to_string(level) + ", batch " + std::to_string(batch);
        mzv_evaluator *own = nullptr;
        const mzv_bsgs bare = { level,       shape.n_baby, shape.n_giant, shape.baby_step, shape.giant_step,
                                shape.first, nullptr };
        mzv_keys *own_keys = keys_for(bare, level);
        EVAL_OK(mzv_evaluator_create(&own, ctx, own_keys, 0));
        {
            Transform t;
            t.make(own, shape, level, keep);
            const Slots x = random_slots(batch * n, 3);
            const auto a = encrypted(x, level), out = cipher(level, batch);
            EVAL_OK(mzv_linear(own, out.get(), a.get(), &t.t)) << what;
            ASSERT_EQ(mzv_cipher_level(out.get()), level - 1);
            expect_near(decrypted(out.get()),
                        each(x, x, n, [&](const Slots &v, const Slots &) { return t.applied(v); }),
                        deviation(t, level), what);
            const std::vector<uint64_t> expected = words(out.get());
            EVAL_OK(mzv_linear(own, a.get(), a.get(), &t.t)) << what;
            EXPECT_EQ(words(a.get()), expected) << what << ", in place";
        }
        mzv_evaluator_destroy(own);
        mzv_keys_destroy(own_keys);
    }
};

TEST_F(Linear, EveryShape) {
    for (const Shape &shape : shapes()) check(shape, 3, 1, false);
}

TEST_F(Linear, EveryLevel) {
    for (uint32_t level = 1; level <= params.n_levels; level++) {
        check({ 4, 3, 1, 4, { 6 } }, level, 1, false);
        check({ 3, 4, 1, 3, { 6 } }, level, 1, true);
    }
}

TEST_F(Linear, Batches) {
    for (const Shape &shape : { Shape { 4, 2, 1, 4, { 2 } }, Shape { 2, 4, 1, 2, { 2 } } })
        for (const bool keep : { false, true }) check(shape, 4, 3, keep);
}

/* Diagonals of period 8: their values, each kept once, give the same bytes as lifting. */
TEST_F(Linear, ValuesThatRepeatAreKeptOnce) {
    const uint32_t level = 4, period = 8;
    for (const bool first_only : { false, true }) {
        mzv_bsgs bare = { level, 4, 2, 1, 4, -2, nullptr };
        mzv_keys *own_keys = keys_for(bare, level);
        mzv_evaluator *own = nullptr;
        EVAL_OK(mzv_evaluator_create(&own, ctx, own_keys, 0));
        std::vector<mzv_plain *> plain(8, nullptr);
        for (uint32_t i = 0; i < 8; i++) {
            Slots d = random_slots(n, 500 + i);
            for (uint32_t k = period; k < n; k++) d[k] = d[k - period];
            EVAL_OK(mzv_plain_create(&plain[i], own, as_c(d), level, MZV_PLAIN_MUL));
            EXPECT_EQ(plain[i]->log_repeat, (uint32_t)__builtin_ctz(n / period));
        }
        bare.diagonal = plain.data();
        const auto a = encrypted(random_slots(n, 3), level), lifted = cipher(level, 1),
                   kept = cipher(level, 1);
        EVAL_OK(mzv_linear(own, lifted.get(), a.get(), &bare));
        const size_t before = mzv_evaluator_counts(own)->plain_bytes;
        for (uint32_t i = 0; i < 8; i += first_only ? 8 : 1) EVAL_OK(mzv_plain_keep_compact(plain[i]));
        EXPECT_GT(mzv_evaluator_counts(own)->plain_bytes, before);
        EXPECT_NE(plain[0]->compact, nullptr);
        EVAL_OK(mzv_linear(own, kept.get(), a.get(), &bare));
        EXPECT_EQ(words(kept.get()), words(lifted.get()));
        for (mzv_plain *p : plain) mzv_plain_destroy(p);
        mzv_evaluator_destroy(own);
        mzv_keys_destroy(own_keys);
    }
}

/* T + conj(T) and -i (T - conj(T)). */
TEST_F(Linear, SplitsRealAndImaginaryParts) {
    for (const Shape &shape :
         { Shape { 4, 2, 1, 4, { 2 }, -3 }, Shape { 2, 4, 1, 2, {}, 0 }, Shape { 1, 1, 1, 1, {}, 0 } }) {
        for (const uint32_t batch : { 1u, 2u }) {
            const uint32_t level = 4;
            const mzv_bsgs bare = { level,           shape.n_baby,     shape.n_giant,
                                    shape.baby_step, shape.giant_step, shape.first,
                                    nullptr };
            mzv_keys *own_keys = keys_for(bare, level);
            mzv_evaluator *own = nullptr;
            EVAL_OK(mzv_evaluator_create(&own, ctx, own_keys, 0));
            {
                Transform t;
                t.make(own, shape, level, false);
                const Slots x = random_slots(batch * n, 3);
                const auto a = encrypted(x, level), re = cipher(level, batch), im = cipher(level, batch),
                           alone = cipher(level, batch), out = cipher(level, 2 * batch);
                EVAL_OK(mzv_linear_split(own, out.get(), a.get(), &t.t));
                EVAL_OK(mzv_linear_split(own, alone.get(), a.get(), &t.t)); // real parts
                EVAL_OK(mzv_slice(own, re.get(), out.get(), 0));
                EVAL_OK(mzv_slice(own, im.get(), out.get(), batch));
                EXPECT_EQ(decrypted(alone.get()), decrypted(re.get()));
                Slots whole = each(x, x, n, [&](const Slots &v, const Slots &) { return t.applied(v); });
                Slots real(whole.size()), imaginary(whole.size());
                for (size_t i = 0; i < whole.size(); i++) {
                    real[i] = 2 * whole[i].real();
                    imaginary[i] = 2 * whole[i].imag();
                }
                expect_near(decrypted(re.get()), real, 2 * deviation(t, level), "real parts");
                expect_near(decrypted(im.get()), imaginary, 2 * deviation(t, level), "imaginary parts");
                EXPECT_EQ(mzv_linear_split(own, out.get(), re.get(), &t.t), MZV_ERR_LEVEL);
                EXPECT_EQ(mzv_linear_split(own, a.get(), a.get(), &t.t), MZV_ERR_ARGUMENT);
                const auto three = cipher(level, 3 * batch);
                EXPECT_EQ(mzv_linear_split(own, three.get(), a.get(), &t.t), MZV_ERR_ARGUMENT);
                EXPECT_EQ(mzv_slice(own, re.get(), out.get(), batch + 1), MZV_ERR_ARGUMENT);
                EXPECT_EQ(mzv_slice(own, out.get(), out.get(), 0), MZV_ERR_ARGUMENT);
            }
            mzv_evaluator_destroy(own);
            mzv_keys_destroy(own_keys);
        }
    }
}

TEST_F(Linear, HigherOperandIsDroppedFirst) {
    Transform t;
    const Shape shape = { 2, 1, 1, 2, {} };
    t.make(ev, shape, 2, false);
    const Slots x = random_slots(n, 3);
    const auto a = encrypted(x, 5), out = cipher(5, 1);
    mzv_evaluator *roomy = nullptr;
    EVAL_OK(mzv_evaluator_create(&roomy, ctx, keys, size_t { 8 } * 200 << params.log_n));
    EVAL_OK(mzv_linear(roomy, out.get(), a.get(), &t.t));
    EXPECT_EQ(mzv_cipher_level(out.get()), 1u);
    expect_near(decrypted(out.get()), t.applied(x),
                std::hypot(deviation(t, 2), std::sqrt(2) * noise(3).rescale()), "cut");
    mzv_evaluator_destroy(roomy);
}

TEST_F(Linear, Refusals) {
    Transform t;
    t.make(ev, { 2, 1, 1, 2, {} }, 3, false);
    const auto low = encrypted(random_slots(n, 3), 2), a = encrypted(random_slots(n, 3), 3),
               out = cipher(5, 1);
    EXPECT_EQ(mzv_linear(ev, out.get(), low.get(), &t.t), MZV_ERR_LEVEL);
    EXPECT_STREQ(mzv_last_error(), "linear: level 2, the transform is for 3");
    mzv_bsgs wrong = t.t;
    wrong.level = 2;
    EXPECT_EQ(mzv_linear(ev, out.get(), a.get(), &wrong), MZV_ERR_LEVEL);
    mzv_plain *none[2] = { nullptr, nullptr };
    wrong = t.t;
    wrong.diagonal = none;
    EXPECT_EQ(mzv_linear(ev, out.get(), a.get(), &wrong), MZV_ERR_ARGUMENT);
    wrong = t.t;
    wrong.baby_step = 6; // no such key
    EXPECT_EQ(mzv_linear(ev, out.get(), a.get(), &wrong), MZV_ERR_KEY);
}

} // namespace eval
