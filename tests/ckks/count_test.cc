// What count predicts against what ckks does: levels, operations, scratch and keys.
#include "ckks/circuits.h"

namespace eval {

class Count : public Ckks {
  protected:
    void SetUp() override {
        Ckks::SetUp();
        EVAL_OK(mzv_evaluator_create_count(&count, &params));
    }
    void TearDown() override {
        mzv_evaluator_destroy(count);
        Ckks::TearDown();
    }

    // Runs on count; `level` is that of the result.
    void predict(const Circuit &circuit, uint32_t batch, uint32_t *level) {
        mzv_cipher *ct[3] = {};
        for (auto &c : ct) EVAL_OK(mzv_evaluator_cipher(&c, count, params.n_levels, batch));
        for (int i = 0; i < 2; i++) EVAL_OK(mzv_clear_set(count, ct[i], nullptr, params.n_levels));
        mzv_evaluator_counts_reset(count);
        EVAL_OK(circuit.run(count, ct[2], ct[0], ct[1])) << circuit.name;
        *level = mzv_cipher_level(ct[2]);
        for (auto *c : ct) mzv_cipher_destroy(c);
    }

    mzv_status run(mzv_evaluator *on, const Circuit &circuit, uint32_t batch, uint32_t *level = nullptr) {
        const auto a = encrypted(random_slots(batch * n, 1), params.n_levels);
        const auto b = encrypted(random_slots(batch * n, 2), params.n_levels);
        const auto out = cipher(params.n_levels, batch);
        const mzv_status status = circuit.run(on, out.get(), a.get(), b.get());
        if (level != nullptr) *level = mzv_cipher_level(out.get());
        return status;
    }

    void expect_equal(const mzv_counts &x, const mzv_counts &y, const std::string &what) {
        EXPECT_EQ(x.n_add, y.n_add) << what;
        EXPECT_EQ(x.n_mul_plain, y.n_mul_plain) << what;
        EXPECT_EQ(x.n_mul_const, y.n_mul_const) << what;
        EXPECT_EQ(x.n_mul, y.n_mul) << what;
        EXPECT_EQ(x.n_rotate, y.n_rotate) << what;
        EXPECT_EQ(x.n_conjugate, y.n_conjugate) << what;
        EXPECT_EQ(x.n_linear, y.n_linear) << what;
        EXPECT_EQ(x.n_rescale, y.n_rescale) << what;
        EXPECT_EQ(x.n_key_switch, y.n_key_switch) << what;
        EXPECT_EQ(x.n_mod_up, y.n_mod_up) << what;
        EXPECT_EQ(x.min_level, y.min_level) << what;
        EXPECT_EQ(x.plain_bytes, y.plain_bytes) << what;
    }

    mzv_evaluator *count = nullptr;
};

TEST_F(Count, PredictsWhatCkksDoes) {
    for (const Circuit &circuit : circuits()) {
        for (const uint32_t batch : { 1u, 3u }) {
            uint32_t predicted_level = 0, level = 0;
            predict(circuit, batch, &predicted_level);
            const mzv_counts predicted = *mzv_evaluator_counts(count);
            mzv_evaluator *exact = nullptr;
            EVAL_OK(mzv_evaluator_create(&exact, ctx, keys, predicted.peak_bytes));
            EVAL_OK(run(exact, circuit, batch, &level)) << circuit.name;
            EXPECT_EQ(level, predicted_level) << circuit.name;
            expect_equal(*mzv_evaluator_counts(exact), predicted, circuit.name);
            EXPECT_EQ(mzv_evaluator_counts(exact)->peak_bytes, predicted.peak_bytes) << circuit.name;
            // What was taken in truth is less by no more than what one backend operation is allowed: that of
            // rotation_sums, or the threads' rows of a key switch.
            const size_t taken = 8 * exact->stream->scratch.peak, row = size_t { 8 } << params.log_n;
            const size_t n_rows = params.n_levels + 1 + params.n_special;
            const size_t allowed = (4 * batch * n_rows + n_rows + 2 + MZV_SWITCH_ROWS) * row;
            EXPECT_LE(taken, predicted.peak_bytes) << circuit.name;
            EXPECT_GE(taken + allowed, predicted.peak_bytes) << circuit.name;
            mzv_evaluator_destroy(exact);
        }
    }
}

TEST_F(Count, OneRowLessIsNotEnough) {
    for (const Circuit &circuit : circuits()) {
        uint32_t level = 0;
        predict(circuit, 1, &level);
        const size_t peak = mzv_evaluator_counts(count)->peak_bytes;
        mzv_evaluator *small = nullptr;
        EVAL_OK(mzv_evaluator_create(&small, ctx, keys, peak - (size_t { 8 } << params.log_n)));
        EXPECT_EQ(run(small, circuit, 1), MZV_ERR_MEMORY) << circuit.name;
        EXPECT_EQ(small->stream->scratch.used, 0u) << circuit.name << ": scratch was not given back";
        EXPECT_NE(std::string(mzv_last_error())
                      .find("create the evaluator with scratch_bytes of at least " + std::to_string(peak)),
                  std::string::npos)
            << mzv_last_error();
        mzv_evaluator_destroy(small);
    }
}

// Powers of X are made in the scratch: X^77 by an automorphism of X, X^96 of its 32nd power.
TEST_F(Count, PredictsWhatMonomialsTake) {
    for (const uint32_t k : { 77u, 96u }) {
        const Circuit circuit = { "mul_monomial",
                                  [k](mzv_evaluator *e, mzv_cipher *out, const mzv_cipher *a,
                                      const mzv_cipher *) { return mzv_mul_monomial(e, out, a, k); } };
        uint32_t level = 0;
        predict(circuit, 1, &level);
        const size_t row = size_t { 8 } << params.log_n;
        const size_t peak = mzv_evaluator_counts(count)->peak_bytes;
        EXPECT_EQ(peak, (2 * (params.n_levels + 1) + 1) * row);
        mzv_evaluator *exact = nullptr;
        EVAL_OK(mzv_evaluator_create(&exact, ctx, keys, peak));
        EVAL_OK(run(exact, circuit, 1));
        EXPECT_EQ(mzv_evaluator_counts(exact)->peak_bytes, peak);
        EXPECT_GE(8 * exact->stream->scratch.peak + row, peak);
        mzv_evaluator_destroy(exact);
    }
}

TEST_F(Count, RequestedKeysAreEnoughAndEachIsNeeded) {
    for (const Circuit &circuit : circuits()) {
        uint32_t level = 0;
        mzv_evaluator *fresh = nullptr;
        EVAL_OK(mzv_evaluator_create_count(&fresh, &params));
        std::swap(count, fresh);
        predict(circuit, 1, &level);
        std::swap(count, fresh);
        mzv_key_request *asked = nullptr;
        EVAL_OK(mzv_key_request_create(&asked));
        EVAL_OK(mzv_evaluator_request(fresh, asked));
        ASSERT_GT(asked->n, 0u);
        // skip == n: nothing is left out; n .. 2n: one level too low.
        for (uint32_t skip = 0; skip <= 2 * asked->n; skip++) {
            mzv_key_request *part = nullptr;
            EVAL_OK(mzv_key_request_create(&part));
            for (uint32_t i = 0; i < asked->n; i++) {
                const mzv_key_need need = asked->need[i];
                if (i == skip) continue;
                const bool low = skip == asked->n + 1 + i;
                if (low && need.level == 0) continue;
                const uint32_t at = need.level - (low ? 1 : 0);
                EVAL_OK(need.kind == MZV_NEED_RELINEARIZE ? mzv_request_relinearize(part, at)
                        : need.kind == MZV_NEED_ROTATE    ? mzv_request_rotate(part, need.steps, at)
                                                          : mzv_request_conjugate(part, at));
            }
            mzv_keys *made = nullptr;
            mzv_evaluator *with = nullptr;
            if (part->n > 0) {
                EVAL_OK(mzv_keys_create(&made, secret, part));
            }
            EVAL_OK(mzv_evaluator_create(&with, ctx, made, mzv_evaluator_counts(fresh)->peak_bytes));
            EXPECT_EQ(run(with, circuit, 1), skip == asked->n ? MZV_OK : MZV_ERR_KEY)
                << circuit.name << ", key " << skip << " of " << asked->n << ": " << mzv_last_error();
            mzv_evaluator_destroy(with);
            mzv_keys_destroy(made);
            mzv_key_request_destroy(part);
        }
        mzv_key_request_destroy(asked);
        mzv_evaluator_destroy(fresh);
    }
}

// The giant step's key is used once for each giant but the first, a baby's once.
TEST_F(Count, UsesOfKeysOfATransform) {
    mzv_cipher *a = nullptr, *out = nullptr;
    EVAL_OK(mzv_evaluator_cipher(&a, count, params.n_levels, 1));
    EVAL_OK(mzv_evaluator_cipher(&out, count, params.n_levels, 1));
    EVAL_OK(mzv_clear_set(count, a, nullptr, params.n_levels));
    std::vector<mzv_plain *> plain(2 * 5);
    mzv_bsgs t = { params.n_levels, 2, 5, 1, 16, 0, plain.data() };
    for (auto &p : plain) EVAL_OK(mzv_plain_create(&p, count, as_c(weights(n)), t.level, MZV_PLAIN_MUL));
    EVAL_OK(mzv_linear(count, out, a, &t));
    mzv_key_request *asked = nullptr;
    EVAL_OK(mzv_key_request_create(&asked));
    EVAL_OK(mzv_evaluator_request(count, asked));
    ASSERT_EQ(asked->n, 2u);
    for (uint32_t i = 0; i < asked->n; i++)
        EXPECT_EQ(asked->need[i].n_uses, asked->need[i].steps == 16 ? 4u : 1u) << asked->need[i].steps;
    mzv_key_request_destroy(asked);
    for (auto *p : plain) mzv_plain_destroy(p);
    mzv_cipher_destroy(a);
    mzv_cipher_destroy(out);
}

TEST_F(Count, MissingKeyIsNamed) {
    const auto a = encrypted(random_slots(n, 1), 4), out = cipher(4, 1);
    EXPECT_EQ(mzv_rotate(ev, out.get(), a.get(), 100), MZV_ERR_KEY);
    const std::string galois = std::to_string(mzv_galois_of(params.log_n, 100));
    EXPECT_NE(std::string(mzv_last_error()).find(galois), std::string::npos) << mzv_last_error();
    mzv_evaluator *bare = nullptr;
    EVAL_OK(mzv_evaluator_create(&bare, ctx, nullptr, 0));
    EXPECT_EQ(mzv_mul(bare, out.get(), a.get(), a.get()), MZV_ERR_KEY);
    EXPECT_EQ(mzv_conjugate(bare, out.get(), a.get()), MZV_ERR_KEY);
    EXPECT_EQ(mzv_add(bare, out.get(), a.get(), a.get()), MZV_OK);
    mzv_evaluator_destroy(bare);
}

TEST_F(Count, PeaksAndPlaintextsAreMaxima) {
    const size_t plain = size_t { 8 } << params.log_n;
    mzv_plain *p[3] = {};
    for (auto &x : p) EVAL_OK(mzv_plain_create(&x, count, nullptr, 2, MZV_PLAIN_MUL));
    mzv_plain_destroy(p[0]);
    EXPECT_EQ(mzv_evaluator_counts(count)->plain_bytes, 3 * plain);
    mzv_evaluator_counts_reset(count);
    EXPECT_EQ(mzv_evaluator_counts(count)->plain_bytes, 2 * plain);
    mzv_plain_destroy(p[1]);
    mzv_plain_destroy(p[2]);
    mzv_cipher x;
    const size_t mark = mzv_ev_mark(count);
    EVAL_OK(mzv_ev_take(count, &x, 2, 3));
    EXPECT_EQ(mzv_evaluator_counts(count)->peak_bytes, size_t { 2 } * 3 * 3 * plain);
    mzv_ev_release(count, mark);
    EXPECT_EQ(mzv_evaluator_counts(count)->peak_bytes, size_t { 2 } * 3 * 3 * plain);
    mzv_evaluator_counts_reset(count);
    EXPECT_EQ(mzv_evaluator_counts(count)->peak_bytes, 0u);
    EXPECT_EQ(mzv_evaluator_counts(count)->min_level, params.n_levels);
}

TEST_F(Count, OnlyCountRecordsKeys) {
    mzv_key_request *asked = nullptr;
    EVAL_OK(mzv_key_request_create(&asked));
    EXPECT_EQ(mzv_evaluator_request(ev, asked), MZV_ERR_ARGUMENT);
    EXPECT_STREQ(mzv_last_error(), "request: a ckks evaluator records no keys, run on count");
    mzv_key_request_destroy(asked);
}

} // namespace eval
