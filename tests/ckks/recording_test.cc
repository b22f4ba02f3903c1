// Recordings of calls where the backend does not record: the same results, counts and refusals as everywhere.
#include "base/arena.h"
#include "base/fault.h"
#include "base/try.h"
#include "ckks/circuits.h"

namespace eval {

using Body = std::function<mzv_status(mzv_evaluator *)>;
using Recording = Owned<mzv_recording>;

class Record : public Ckks {
  protected:
    using Ins = std::vector<const mzv_cipher *>;
    using Outs = std::vector<mzv_cipher *>;

    // Only the status; *out is made where it is MZV_OK. `run` lives as long as the recording.
    static mzv_status create(Recording *out, mzv_evaluator *on, const Body &run, const Ins &in,
                             const Outs &to) {
        mzv_recording *rec = nullptr;
        mzv_call call = {};
        call.run = [](mzv_evaluator *e, void *arg) { return (*static_cast<const Body *>(arg))(e); };
        call.arg = const_cast<Body *>(&run);
        call.in = in.data();
        call.out = to.data();
        call.n_in = static_cast<uint32_t>(in.size());
        call.n_out = static_cast<uint32_t>(to.size());
        const mzv_status status = mzv_recording_create(&rec, on, &call);
        EXPECT_EQ(rec != nullptr, status == MZV_OK);
        out->reset(rec);
        return status;
    }
    static Recording none() { return { nullptr, mzv_recording_destroy }; }

    void expect_refused(mzv_status expected, const std::string &text, const Body &run, const Ins &in,
                        const Outs &to) {
        Recording rec = none();
        EXPECT_EQ(create(&rec, ev, run, in, to), expected);
        EXPECT_NE(std::string(mzv_last_error()).find(text), std::string::npos) << mzv_last_error();
        EXPECT_EQ(ev->recording, nullptr);
    }
    static void expect_mismatch(mzv_recording *rec, const std::string &text) {
        EXPECT_EQ(mzv_recording_run(rec), MZV_ERR_MISMATCH);
        EXPECT_NE(std::string(mzv_last_error()).find(text), std::string::npos) << mzv_last_error();
    }
    Owned<mzv_evaluator> with_scratch(size_t scratch_bytes) {
        mzv_evaluator *made = nullptr;
        EXPECT_EQ(mzv_evaluator_create(&made, ctx, keys, scratch_bytes), MZV_OK) << mzv_last_error();
        return { made, mzv_evaluator_destroy };
    }
    void encrypt(mzv_cipher *ct, uint32_t seed, uint32_t level) {
        EVAL_OK(mzv_encrypt(ct, secret, as_c(random_slots(n * ct->batch, seed)), level));
    }
};

TEST_F(Record, RunsAgainOnOtherValues) {
    const auto a = encrypted(random_slots(n, 1), 5), b = encrypted(random_slots(n, 2), 5);
    const auto out = cipher(5, 1), expected = cipher(5, 1);
    const auto owned = with_scratch(8 << 20);
    mzv_evaluator *const on = owned.get();
    mzv_counts once = {};
    mzv_evaluator_counts_reset(on);
    EVAL_OK(products(on, expected.get(), a.get(), b.get()));
    once = *mzv_evaluator_counts(on);
    mzv_evaluator_counts_reset(on);
    const Body run = [&](mzv_evaluator *e) { return products(e, out.get(), a.get(), b.get()); };
    Recording rec = none();
    EVAL_OK(create(&rec, on, run, { a.get(), b.get() }, { out.get() }));
    EXPECT_EQ(words(out.get()), words(expected.get())) << "creating is a call";
    EXPECT_EQ(memcmp(&once, mzv_evaluator_counts(on), sizeof once), 0) << "of which one is counted";
    for (uint32_t i = 0; i < 3; i++) {
        encrypt(a.get(), 10 + i, 5);
        encrypt(b.get(), 20 + i, 5);
        EVAL_OK(products(on, expected.get(), a.get(), b.get()));
        out->level = 1; // whatever was done with it since
        mzv_evaluator_counts_reset(on);
        EVAL_OK(mzv_recording_run(rec.get()));
        EXPECT_EQ(memcmp(&once, mzv_evaluator_counts(on), sizeof once), 0);
        EXPECT_EQ(out->level, expected->level);
        EXPECT_EQ(words(out.get()), words(expected.get()));
    }
}

// A call that has changed since it was recorded meets the rules in a replay too.
TEST_F(Record, ReplaysKeepTheRules) {
    const auto a = encrypted(random_slots(n, 1), 5), out = cipher(5, 1), stray = cipher(5, 1);
    mzv_cipher *to = out.get();
    double factor = 0;
    const Body run = [&](mzv_evaluator *e) {
        return factor == 0 ? mzv_copy(e, to, a.get()) : mzv_mul_const(e, to, a.get(), factor);
    };
    Recording rec = none();
    EVAL_OK(create(&rec, ev, run, { a.get() }, { out.get() }));
    to = stray.get();
    EXPECT_EQ(mzv_recording_run(rec.get()), MZV_ERR_ARGUMENT);
    EXPECT_NE(std::string(mzv_last_error()).find("does not name"), std::string::npos) << mzv_last_error();
    EXPECT_EQ(stray->scale, 0);
    EXPECT_EQ(out->level, 5u) << "as it was";
    to = out.get();
    factor = 0.5;
    EXPECT_EQ(mzv_recording_run(rec.get()), MZV_ERR_ARGUMENT);
    EXPECT_NE(std::string(mzv_last_error()).find("level 4 instead of 5"), std::string::npos)
        << mzv_last_error();
    factor = 0;
    EVAL_OK(mzv_recording_run(rec.get()));
    EXPECT_EQ(words(out.get()), words(a.get()));
}

TEST_F(Record, ClearAndCount) {
    mzv_evaluator *clear = nullptr, *count = nullptr;
    EVAL_OK(mzv_evaluator_create_clear(&clear, &params, 0, 0));
    EVAL_OK(mzv_evaluator_create_count(&count, &params));
    for (mzv_evaluator *on : { clear, count }) {
        mzv_cipher *a = nullptr, *out = nullptr;
        EVAL_OK(mzv_evaluator_cipher(&a, on, 5, 1));
        EVAL_OK(mzv_evaluator_cipher(&out, on, 5, 1));
        EVAL_OK(mzv_clear_set(on, a, as_c(random_slots(n, 1)), 5));
        const Body run = [&](mzv_evaluator *e) { return products(e, out, a, a); };
        Recording rec = none();
        EVAL_OK(create(&rec, on, run, { a }, { out }));
        EVAL_OK(mzv_clear_set(on, a, as_c(random_slots(n, 2)), 5));
        EVAL_OK(mzv_recording_run(rec.get()));
        EXPECT_EQ(mzv_evaluator_counts(on)->n_mul, 4u); // twice two
        if (on == clear) {
            Slots found(n), expected(n);
            EVAL_OK(mzv_clear_get(on, as_c(found), out));
            EVAL_OK(run(on));
            EVAL_OK(mzv_clear_get(on, as_c(expected), out));
            EXPECT_EQ(found, expected);
            mzv_cipher *other = nullptr;
            EVAL_OK(mzv_evaluator_cipher(&other, on, 5, 1));
            const Body stray = [&](mzv_evaluator *e) { return mzv_copy(e, other, a); };
            Recording refused = none();
            EXPECT_EQ(create(&refused, on, stray, { a }, { out }), MZV_ERR_ARGUMENT);
            mzv_cipher_destroy(other);
        }
        EVAL_OK(mzv_clear_set(on, a, as_c(random_slots(n, 2)), 4));
        expect_mismatch(rec.get(), "input 0 has level 4 instead of 5");
        rec.reset();
        mzv_cipher_destroy(a);
        mzv_cipher_destroy(out);
    }
    mzv_evaluator_destroy(clear);
    mzv_evaluator_destroy(count);
}

// A result in place at the same level is a call that can be repeated.
TEST_F(Record, SumInPlace) {
    const auto a = encrypted(random_slots(n, 1), 3), b = encrypted(random_slots(n, 2), 3);
    const auto expected = cipher(3, 1);
    EVAL_OK(mzv_copy(ev, expected.get(), a.get()));
    const Body run = [&](mzv_evaluator *e) { return mzv_add(e, a.get(), a.get(), b.get()); };
    Recording rec = none();
    EVAL_OK(create(&rec, ev, run, { a.get(), b.get() }, { a.get() }));
    EVAL_OK(mzv_recording_run(rec.get()));
    for (int i = 0; i < 2; i++) EVAL_OK(mzv_add(ev, expected.get(), expected.get(), b.get()));
    EXPECT_EQ(words(a.get()), words(expected.get()));
}

TEST_F(Record, InPlaceAtAnotherLevelIsRefusedBeforeItIsDone) {
    const auto a = encrypted(random_slots(n, 1), 3), out = cipher(3, 1);
    const auto before = words(a.get());
    const char *const text = "mul: an input of the recording would go from level 3 to 2";
    const Body square = [&](mzv_evaluator *e) { return mzv_mul(e, a.get(), a.get(), a.get()); };
    expect_refused(MZV_ERR_ARGUMENT, text, square, { a.get() }, { a.get() });
    const Body then_copy = [&](mzv_evaluator *e) {
        MZV_TRY(mzv_copy(e, out.get(), a.get()));
        return square(e);
    };
    expect_refused(MZV_ERR_ARGUMENT, text, then_copy, { a.get() }, { out.get() });
    EXPECT_EQ(words(a.get()), before);
    EXPECT_EQ(words(out.get()), before);
    EXPECT_EQ(a->level, 3u);
}

TEST_F(Record, InputWhoseScaleChanges) {
    const auto a = encrypted(random_slots(n, 1), 3);
    a->scale *= 1 + 1e-12; // within what operations allow
    const Body run = [&](mzv_evaluator *e) { return mzv_negate(e, a.get(), a.get()); };
    expect_refused(MZV_ERR_ARGUMENT, "the call left input 0 with scale 2^", run, { a.get() }, { a.get() });
}

TEST_F(Record, HandlesThatAreNotNamed) {
    const auto a = encrypted(random_slots(n, 1), 3), b = encrypted(random_slots(n, 2), 3), out = cipher(3, 1);
    const char *const text = "add: a ciphertext that the recording does not name";
    const Body sum = [&](mzv_evaluator *e) { return mzv_add(e, out.get(), a.get(), b.get()); };
    expect_refused(MZV_ERR_ARGUMENT, text, sum, { a.get() }, { out.get() });
    expect_refused(MZV_ERR_ARGUMENT, text, sum, { a.get(), b.get() }, { b.get() });
    const Body own = [&](mzv_evaluator *e) { // one that would be gone when it is repeated
        const auto x = cipher(3, 1);
        MZV_TRY(mzv_negate(e, x.get(), a.get()));
        return mzv_copy(e, out.get(), x.get());
    };
    expect_refused(MZV_ERR_ARGUMENT, "negate: a ciphertext that", own, { a.get() }, { out.get() });
}

// They hold no value until the call writes them, whatever they held before; if it does not, that is back.
TEST_F(Record, OutputsAreWrittenBeforeTheyAreRead) {
    const auto a = encrypted(random_slots(n, 1), 3), out = encrypted(random_slots(n, 2), 3);
    const auto before = words(out.get());
    const Body product = [&](mzv_evaluator *e) { return mzv_mul(e, out.get(), out.get(), a.get()); };
    expect_refused(MZV_ERR_ARGUMENT, "mul: an operand holds no value yet", product, { a.get() },
                   { out.get() });
    EXPECT_EQ(words(out.get()), before);
    EXPECT_EQ(out->level, 3u);
    EXPECT_GT(out->scale, 0);
    const Body nothing = [](mzv_evaluator *) { return MZV_OK; };
    expect_refused(MZV_ERR_ARGUMENT, "does not write output 0", nothing, { a.get() },
                   { out.get(), out.get() });
    EXPECT_GT(out->scale, 0);
    EXPECT_EQ(decrypted(out.get()).size(), n);
    const Body in_turn = [&](mzv_evaluator *e) {
        MZV_TRY(mzv_negate(e, out.get(), a.get()));
        return mzv_mul(e, out.get(), out.get(), a.get());
    };
    Recording rec = none();
    EVAL_OK(create(&rec, ev, in_turn, { a.get() }, { out.get() }));
    EVAL_OK(mzv_recording_run(rec.get()));
    EXPECT_EQ(out->level, 2u);
}

TEST_F(Record, WhatChangedIsNamedAndNothingDone) {
    const auto a = encrypted(random_slots(n, 1), 4), b = encrypted(random_slots(n, 2), 4), out = cipher(4, 1);
    const Body run = [&](mzv_evaluator *e) { return mzv_mul(e, out.get(), a.get(), b.get()); };
    Recording rec = none();
    EVAL_OK(create(&rec, ev, run, { a.get(), b.get() }, { out.get() }));
    const auto before = words(out.get());
    mzv_evaluator_counts_reset(ev);
    encrypt(b.get(), 3, 3);
    expect_mismatch(rec.get(), "input 1 has level 3 instead of 4");
    encrypt(b.get(), 3, 4);
    const mzv_cipher good = *b, good_out = *out;
    b->scale *= 1 + 1e-12;
    expect_mismatch(rec.get(), "input 1 has scale 2^");
    *b = good;
    b->key_id[0] ^= 1;
    expect_mismatch(rec.get(), "input 1 has another key");
    *b = good;
    b->params_id[0] ^= 1;
    expect_mismatch(rec.get(), "input 1 has other parameters");
    *b = good;
    b->words = a->words;
    expect_mismatch(rec.get(), "input 1 has other memory");
    *b = good;
    out->batch = 2;
    expect_mismatch(rec.get(), "output 0 has other memory or another batch");
    *out = good_out;
    const size_t mark = mzv_ev_mark(ev);
    mzv_cipher taken;
    EVAL_OK(mzv_ev_take(ev, &taken, 1, 1));
    expect_mismatch(rec.get(), "of scratch are taken, recorded with 0");
    mzv_ev_release(ev, mark);
    EXPECT_EQ(words(out.get()), before);
    EXPECT_EQ(mzv_evaluator_counts(ev)->n_mul, 0u);
    EVAL_OK(mzv_recording_run(rec.get()));
    EXPECT_NE(words(out.get()), before);
}

// The fixture's evaluator replaces its scratch when an operation needs more.
TEST_F(Record, ScratchThatWasReplaced) {
    const auto a = encrypted(random_slots(n, 1), 2), out = cipher(2, 1);
    const Body run = [&](mzv_evaluator *e) { return mzv_negate(e, out.get(), a.get()); };
    Recording rec = none();
    EVAL_OK(create(&rec, ev, run, { a.get() }, { out.get() }));
    const auto many = encrypted(random_slots(4 * n, 2), 5), product = cipher(5, 4);
    EVAL_OK(mzv_mul(ev, product.get(), many.get(), many.get()));
    expect_mismatch(rec.get(), "scratch was replaced");
    EVAL_OK(create(&rec, ev, run, { a.get() }, { out.get() }));
    EVAL_OK(mzv_recording_run(rec.get()));
}

TEST_F(Record, CallsThatFail) {
    const auto a = encrypted(random_slots(n, 1), 0), out = encrypted(random_slots(n, 2), 0);
    const auto before = words(out.get());
    const Body run = [&](mzv_evaluator *e) { return mzv_mul(e, out.get(), a.get(), a.get()); };
    expect_refused(MZV_ERR_LEVEL, "mul: level 0", run, { a.get() }, { out.get() });
    EXPECT_EQ(words(out.get()), before);
    EXPECT_GT(out->scale, 0);
}

TEST_F(Record, OneWithinAnother) {
    const auto a = encrypted(random_slots(n, 1), 2), out = cipher(2, 1);
    const Body negate = [&](mzv_evaluator *e) { return mzv_negate(e, out.get(), a.get()); };
    Recording rec = none(), inner = none();
    EVAL_OK(create(&rec, ev, negate, { a.get() }, { out.get() }));
    const Body makes = [&](mzv_evaluator *e) {
        return create(&inner, e, negate, { a.get() }, { out.get() });
    };
    expect_refused(MZV_ERR_ARGUMENT, "made within the call of another", makes, { a.get() }, { out.get() });
    const Body runs = [&](mzv_evaluator *) { return mzv_recording_run(rec.get()); };
    expect_refused(MZV_ERR_ARGUMENT, "run within the call of another", runs, { a.get() }, { out.get() });
}

TEST_F(Record, Arguments) {
    const auto a = encrypted(random_slots(n, 1), 2), out = cipher(2, 1);
    const mzv_cipher *const in[] = { a.get(), nullptr };
    mzv_cipher *const to[] = { out.get(), nullptr };
    const auto run = [](mzv_evaluator *, void *) { return MZV_OK; };
    mzv_recording *rec = nullptr;
    const auto refused = [&](mzv_call call) {
        return mzv_recording_create(&rec, ev, &call) == MZV_ERR_ARGUMENT;
    };
    EXPECT_TRUE(refused({ nullptr, nullptr, in, to, 1, 1 }));
    EXPECT_TRUE(refused({ run, nullptr, nullptr, to, 1, 1 }));
    EXPECT_TRUE(refused({ run, nullptr, in, nullptr, 1, 1 }));
    EXPECT_TRUE(refused({ run, nullptr, in, to, 1, 0 }));
    EXPECT_TRUE(refused({ run, nullptr, in, to, 2, 1 }));
    EXPECT_TRUE(refused({ run, nullptr, in, to, 1, 2 }));
    const mzv_call good = { run, nullptr, in, to, 1, 1 };
    EXPECT_EQ(mzv_recording_create(nullptr, ev, &good), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_recording_create(&rec, nullptr, &good), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_recording_create(&rec, ev, nullptr), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_recording_run(nullptr), MZV_ERR_ARGUMENT);
    mzv_recording_destroy(nullptr);
    EXPECT_EQ(rec, nullptr);
}

TEST_F(Record, EveryHostAllocationMadeToFailInTurn) {
    const auto a = encrypted(random_slots(n, 1), 2), out = cipher(2, 1);
    const Body run = [&](mzv_evaluator *e) { return mzv_negate(e, out.get(), a.get()); };
    const int64_t live = mzv_alloc_live();
    for (int64_t i = 0; i < 3; i++) {
        Recording rec = none();
        mzv_test_fail_alloc_after(i);
        EXPECT_EQ(create(&rec, ev, run, { a.get() }, { out.get() }), MZV_ERR_MEMORY) << i;
        mzv_test_fail_alloc_after(-1);
        EXPECT_EQ(mzv_alloc_live(), live);
    }
}

} // namespace eval
