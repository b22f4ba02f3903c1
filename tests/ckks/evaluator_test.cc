// What the public operations refuse, and that they then leave their outputs alone.
#include "ckks/circuits.h"

namespace eval {

class Evaluator : public Ckks {
  protected:
    // `op` fails with `status` and `message`, and `out` keeps words, level and scale.
    void refused(mzv_status status, const std::string &message, mzv_cipher *out,
                 const std::function<mzv_status()> &op) {
        const std::vector<uint64_t> before = words(out);
        const mzv_cipher held = *out;
        EXPECT_EQ(op(), status) << message;
        EXPECT_NE(std::string(mzv_last_error()).find(message), std::string::npos)
            << "\"" << mzv_last_error() << "\" has no \"" << message << "\"";
        EXPECT_EQ(words(out), before);
        EXPECT_EQ(out->level, held.level);
        EXPECT_EQ(out->scale, held.scale);
    }
};

TEST_F(Evaluator, LevelsExhausted) {
    const auto a = encrypted(random_slots(n, 1), 0), out = encrypted(random_slots(n, 2), 2);
    const mzv_cipher *const terms[] = { a.get() };
    const double c[] = { 2 };
    mzv_plain *p = nullptr;
    refused(MZV_ERR_LEVEL, "mul: level 0, need at least 1", out.get(),
            [&] { return mzv_mul(ev, out.get(), a.get(), a.get()); });
    refused(MZV_ERR_LEVEL, "combine: level 0", out.get(),
            [&] { return mzv_combine(ev, out.get(), terms, c, 1, 0); });
    refused(MZV_ERR_LEVEL, "drop: from level 0 up to 1", out.get(),
            [&] { return mzv_drop(ev, out.get(), a.get(), 1); });
    EXPECT_EQ(mzv_plain_create(&p, ev, as_c(random_slots(n, 1)), 0, MZV_PLAIN_MUL), MZV_ERR_LEVEL);
    EXPECT_EQ(mzv_plain_create(&p, ev, as_c(random_slots(n, 1)), 6, MZV_PLAIN_ADD), MZV_ERR_LEVEL);
    EXPECT_EQ(p, nullptr);
}

TEST_F(Evaluator, OperandsThatDoNotFit) {
    const auto a = encrypted(random_slots(n, 1), 3), low = encrypted(random_slots(n, 2), 2);
    const auto out = encrypted(random_slots(n, 3), 3), three = encrypted(random_slots(3 * n, 4), 3);
    const auto small = encrypted(random_slots(n, 5), 1), empty = cipher(3, 1);
    refused(MZV_ERR_LEVEL, "add: levels 3 and 2 differ", out.get(),
            [&] { return mzv_add(ev, out.get(), a.get(), low.get()); });
    refused(MZV_ERR_ARGUMENT, "sub: batches 1 and 3 differ", out.get(),
            [&] { return mzv_sub(ev, out.get(), a.get(), three.get()); });
    refused(MZV_ERR_ARGUMENT, "add: out has room for 2 limbs, need 4", small.get(),
            [&] { return mzv_add(ev, small.get(), a.get(), a.get()); });
    refused(MZV_ERR_ARGUMENT, "negate: out has batch 3, need 1", three.get(),
            [&] { return mzv_negate(ev, three.get(), a.get()); });
    refused(MZV_ERR_ARGUMENT, "holds no value yet", out.get(),
            [&] { return mzv_copy(ev, out.get(), empty.get()); });
    refused(MZV_ERR_ARGUMENT, "dot: 0 terms", out.get(),
            [&] { return mzv_dot(ev, out.get(), nullptr, nullptr, 0); });
    refused(MZV_ERR_ARGUMENT, "mul_monomial: X^2048, need less than 2N = 2048", out.get(),
            [&] { return mzv_mul_monomial(ev, out.get(), a.get(), 2048); });
    refused(MZV_ERR_RANGE, "not finite", out.get(),
            [&] { return mzv_add_const(ev, out.get(), a.get(), as_c(Slot(INFINITY, 0))); });
    refused(MZV_ERR_RANGE, "constant 0 is nan", out.get(),
            [&] { return mzv_mul_const(ev, out.get(), a.get(), NAN); });
}

TEST_F(Evaluator, ScalesHaveToBeExact) {
    const auto a = encrypted(random_slots(n, 1), 3), b = encrypted(random_slots(n, 2), 3);
    const auto out = encrypted(random_slots(n, 3), 3);
    a->scale *= 1 + 1e-8;
    refused(MZV_ERR_SCALE, "mul: scale 2^", out.get(),
            [&] { return mzv_mul(ev, out.get(), b.get(), a.get()); });
    refused(MZV_ERR_SCALE, "rotate: scale 2^", out.get(),
            [&] { return mzv_rotate(ev, out.get(), a.get(), 1); });
    a->scale = NAN;
    refused(MZV_ERR_ARGUMENT, "holds no value", out.get(),
            [&] { return mzv_add(ev, out.get(), b.get(), a.get()); });
    a->scale = b->scale * (1 + 1e-11);
    EXPECT_EQ(mzv_add(ev, out.get(), b.get(), a.get()), MZV_OK);
    mzv_plain *p = nullptr;
    EVAL_OK(mzv_plain_create(&p, ev, as_c(random_slots(n, 1)), 3, MZV_PLAIN_MUL));
    p->scale *= 1.01;
    refused(MZV_ERR_SCALE, "mul_plain: scale 2^", out.get(),
            [&] { return mzv_mul_plain(ev, out.get(), b.get(), p); });
    refused(MZV_ERR_SCALE, "add_plain: scale 2^", out.get(),
            [&] { return mzv_add_plain(ev, out.get(), b.get(), p); });
    p->level = 2;
    refused(MZV_ERR_LEVEL, "the plaintext is for level 2, the ciphertext at 3", out.get(),
            [&] { return mzv_mul_plain(ev, out.get(), b.get(), p); });
    mzv_plain_destroy(p);
}

TEST_F(Evaluator, ObjectsOfOthers) {
    const auto a = encrypted(random_slots(n, 1), 3), b = encrypted(random_slots(n, 2), 3);
    const auto out = encrypted(random_slots(n, 3), 3);
    b->params_id[0] ^= 1;
    refused(MZV_ERR_MISMATCH, "other parameters", out.get(),
            [&] { return mzv_add(ev, out.get(), a.get(), b.get()); });
    b->params_id[0] ^= 1;
    b->key_id[3] ^= 1;
    refused(MZV_ERR_MISMATCH, "different keys", out.get(),
            [&] { return mzv_add(ev, out.get(), a.get(), b.get()); });
    refused(MZV_ERR_MISMATCH, "different secrets", out.get(),
            [&] { return mzv_rotate(ev, out.get(), b.get(), 1); });
    mzv_evaluator *clear = nullptr;
    mzv_cipher *slots = nullptr;
    EVAL_OK(mzv_evaluator_create_clear(&clear, &params, 0, 0));
    EVAL_OK(mzv_evaluator_cipher(&slots, clear, 3, 1));
    EVAL_OK(mzv_clear_set(clear, slots, as_c(random_slots(n, 1)), 3));
    refused(MZV_ERR_ARGUMENT, "another kind of evaluator than ckks", out.get(),
            [&] { return mzv_add(ev, out.get(), slots, slots); });
    EXPECT_EQ(mzv_add(clear, slots, a.get(), a.get()), MZV_ERR_ARGUMENT);
    mzv_plain *p = nullptr;
    EVAL_OK(mzv_plain_create(&p, clear, as_c(random_slots(n, 1)), 3, MZV_PLAIN_MUL));
    refused(MZV_ERR_MISMATCH, "another context or kind", out.get(),
            [&] { return mzv_mul_plain(ev, out.get(), a.get(), p); });
    EXPECT_EQ(mzv_clear_set(ev, out.get(), as_c(random_slots(n, 1)), 3), MZV_ERR_ARGUMENT);
    mzv_plain_destroy(p);
    mzv_cipher_destroy(slots);
    mzv_evaluator_destroy(clear);
}

// Every operation with one byte of scratch: a refusal with numbers or, where it takes none, the right result.
TEST_F(Evaluator, TooLittleScratch) {
    mzv_evaluator *tiny = nullptr;
    EVAL_OK(mzv_evaluator_create(&tiny, ctx, keys, 8));
    uint32_t n_refused = 0;
    for (const Operation &op : operations()) {
        const auto a = encrypted(random_slots(n, 1), 3), b = encrypted(random_slots(n, 2), 3);
        const auto out = encrypted(random_slots(n, 3), 3), expected = cipher(3, 1);
        const std::vector<uint64_t> before = words(out.get());
        const mzv_status status = op.run(tiny, out.get(), a.get(), b.get());
        if (status == MZV_OK) {
            EVAL_OK(op.run(ev, expected.get(), a.get(), b.get()));
            EXPECT_EQ(words(out.get()), words(expected.get())) << op.name;
            continue;
        }
        EXPECT_EQ(status, MZV_ERR_MEMORY) << op.name;
        EXPECT_NE(std::string(mzv_last_error()).find("create the evaluator with scratch_bytes of at least"),
                  std::string::npos)
            << mzv_last_error();
        EXPECT_EQ(words(out.get()), before) << op.name;
        EXPECT_EQ(mzv_ev_mark(tiny), 0u);
        n_refused++;
    }
    EXPECT_GE(n_refused, 12u); // products, rotations, sums of rotations
    mzv_evaluator_destroy(tiny);
}

TEST_F(Evaluator, TemporariesAreGivenBack) {
    mzv_cipher x;
    const size_t mark = mzv_ev_mark(ev);
    EVAL_OK(mzv_ev_take(ev, &x, 2, 1));
    EXPECT_EQ(mzv_ev_mark(ev), mark + (size_t { 2 } * 3 << params.log_n));
    EXPECT_EQ(mzv_copy(ev, &x, &x), MZV_ERR_ARGUMENT); // no value yet
    mzv_ev_release(ev, mark);
    EXPECT_EQ(mzv_ev_take(ev, &x, params.n_levels + 1, 1), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_ev_take(ev, &x, 0, 0), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_ev_take(ev, &x, params.n_levels, 1000), MZV_ERR_MEMORY);
    EXPECT_EQ(mzv_ev_mark(ev), mark);
}

TEST_F(Evaluator, ResultsCarryIdsAndTheMarkOfToySets) {
    const auto a = encrypted(random_slots(n, 1), 3), out = cipher(3, 1);
    EXPECT_TRUE(a->public_seeded);
    EVAL_OK(mzv_mul(ev, out.get(), a.get(), a.get()));
    EXPECT_FALSE(out->public_seeded);
    EXPECT_TRUE(out->insecure);
    EXPECT_EQ(memcmp(out->params_id, a->params_id, MZV_ID_BYTES), 0);
    EXPECT_EQ(memcmp(out->key_id, a->key_id, MZV_ID_BYTES), 0);
    EXPECT_STREQ(mzv_evaluator_kind(ev), "ckks");
    EXPECT_EQ(mzv_evaluator_max_level(ev), params.n_levels);
    EXPECT_EQ(mzv_evaluator_slots(ev), n);
}

TEST_F(Evaluator, CreationRefusals) {
    mzv_evaluator *made = nullptr;
    mzv_params other = params;
    mzv_context *other_ctx = nullptr;
    EXPECT_EQ(mzv_evaluator_create(&made, nullptr, nullptr, 0), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_evaluator_create_clear(&made, nullptr, 0, 0), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_evaluator_create_count(nullptr, &params), MZV_ERR_ARGUMENT);
    other.n_levels = 4;
    EVAL_OK(mzv_context_create(&other_ctx, &other, nullptr));
    EXPECT_EQ(mzv_evaluator_create(&made, other_ctx, keys, 0), MZV_ERR_MISMATCH);
    mzv_context_destroy(other_ctx);
    other.log_n = 99;
    EXPECT_EQ(mzv_evaluator_create_clear(&made, &other, 0, 0), MZV_ERR_PARAMS);
    EXPECT_EQ(mzv_evaluator_create_count(&made, &other), MZV_ERR_PARAMS);
    EXPECT_EQ(made, nullptr);
    mzv_evaluator_destroy(nullptr);
    mzv_plain_destroy(nullptr);
}

} // namespace eval
