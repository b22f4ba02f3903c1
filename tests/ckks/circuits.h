// Small circuits that the kinds of evaluator run alike: outputs at out->level, temporaries from the arena.
#pragma once
#include "ckks/eval_fixture.h"
#include "base/try.h"

namespace eval {

struct Circuit {
    std::string name;
    std::function<mzv_status(mzv_evaluator *, mzv_cipher *out, const mzv_cipher *a, const mzv_cipher *b)> run;
};

// Releases what a circuit took, whichever way it ends.
struct Mark {
    mzv_evaluator *ev;
    size_t mark;
    explicit Mark(mzv_evaluator *e) : ev(e), mark(mzv_ev_mark(e)) {}
    ~Mark() { mzv_ev_release(ev, mark); }
};

// ((a b) rotated + conj(a)) squared - a, all at falling levels.
inline mzv_status products(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_cipher *b) {
    const Mark mark(ev);
    const uint32_t level = a->level;
    mzv_cipher x, y;
    MZV_TRY(mzv_ev_take(ev, &x, level - 1, a->batch));
    MZV_TRY(mzv_mul(ev, &x, a, b));
    MZV_TRY(mzv_rotate(ev, &x, &x, 3));
    MZV_TRY(mzv_ev_take(ev, &y, level, a->batch));
    MZV_TRY(mzv_conjugate(ev, &y, a));
    MZV_TRY(mzv_drop(ev, &y, &y, level - 1));
    MZV_TRY(mzv_add(ev, &x, &x, &y));
    MZV_TRY(mzv_mul(ev, &x, &x, &x));
    MZV_TRY(mzv_drop(ev, &y, a, level - 2));
    return mzv_sub(ev, out, &x, &y);
}

// Sums of rotations, plaintexts, combinations and the imaginary unit.
inline mzv_status sums(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_cipher *b) {
    const Mark mark(ev);
    const std::vector<int32_t> few = { 1, 2, -5, 0 }, many = many_steps();
    mzv_cipher x, y, z;
    MZV_TRY(mzv_ev_take(ev, &x, a->level, a->batch));
    MZV_TRY(mzv_ev_take(ev, &y, a->level, a->batch));
    MZV_TRY(mzv_ev_take(ev, &z, a->level, a->batch));
    MZV_TRY(mzv_rotate_sum(ev, &x, a, few.data(), static_cast<uint32_t>(few.size())));
    MZV_TRY(mzv_rotate_sum(ev, &y, b, many.data(), static_cast<uint32_t>(many.size())));
    MZV_TRY(with_plain(ev, &x, &x, MZV_PLAIN_MUL, false));
    MZV_TRY(with_plain(ev, &y, &y, MZV_PLAIN_MUL, true));
    MZV_TRY(with_plain(ev, &y, &y, MZV_PLAIN_ADD, false));
    MZV_TRY(mzv_mul_i(ev, &y, &y));
    const mzv_cipher *const terms[] = { &x, &y, b };
    const double c[] = { 0.5, 0.25, -1 };
    MZV_TRY(mzv_combine(ev, &z, terms, c, 3, 0.125));
    return mzv_add_const(ev, out, &z, as_c(Slot(0.5, 0.25)));
}

// Hoisted rotations multiplied together.
inline mzv_status rotations(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_cipher *b) {
    const Mark mark(ev);
    const int32_t steps[] = { 1, 2, 3, 0 };
    mzv_cipher x[4], *px[4];
    for (int i = 0; i < 4; i++) {
        MZV_TRY(mzv_ev_take(ev, &x[i], a->level, a->batch));
        px[i] = &x[i];
    }
    MZV_TRY(mzv_rotate_many(ev, px, a, steps, 4));
    const mzv_cipher *const y[] = { b, a, &x[0], b };
    MZV_TRY(mzv_dot(ev, &x[0], px, y, 4));
    MZV_TRY(mzv_mul_integer(ev, &x[0], &x[0], 3));
    MZV_TRY(mzv_negate(ev, &x[0], &x[0]));
    return mzv_mul_const(ev, out, &x[0], 0.1);
}

// A transform; `n_baby`, `n_giant` decide which way it keeps its sums.
inline mzv_status transform(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, uint32_t n_baby,
                            uint32_t n_giant) {
    const Mark mark(ev);
    std::vector<mzv_plain *> plain(n_baby * n_giant, nullptr);
    mzv_bsgs t = { a->level - 1, n_baby, n_giant, 1, 2, 0, plain.data() };
    mzv_status status = MZV_OK;
    for (uint32_t i = 0; i < plain.size() && status == MZV_OK; i++) {
        const Slots w = random_slots(mzv_evaluator_slots(ev), 200 + i);
        if (i % 3 != 1) status = mzv_plain_create(&plain[i], ev, as_c(w), t.level, MZV_PLAIN_MUL);
    }
    mzv_cipher x;
    if (status == MZV_OK) status = mzv_ev_take(ev, &x, a->level, a->batch);
    if (status == MZV_OK) status = mzv_linear(ev, &x, a, &t);
    if (status == MZV_OK) status = mzv_copy(ev, out, &x);
    for (auto *p : plain) mzv_plain_destroy(p);
    return status;
}

inline std::vector<Circuit> circuits() {
    std::vector<Circuit> all = { { "products", products }, { "sums", sums }, { "rotations", rotations } };
    for (const auto &shape : { std::pair<uint32_t, uint32_t> { 2, 4 }, { 3, 2 }, { 1, 3 }, { 3, 1 } })
        all.push_back({ "linear " + std::to_string(shape.first) + " x " + std::to_string(shape.second),
                        [shape](mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_cipher *) {
                            return transform(ev, out, a, shape.first, shape.second);
                        } });
    return all;
}

} // namespace eval
