// The same plaintexts as another library computed with (tests/vectors/ckks_seal.py): add, multiply, rotate,
// conjugate and a chain of them agree within the noise of both.
#include <fstream>
#include <map>

#include "ckks/noise.h"
#include "lib/ckks_handles.h"

using namespace mzv_test;

namespace {

struct Answer {
    double deviation; // of the other library
    Slots slots;
};

class Seal : public testing::Test {
  protected:
    static constexpr uint32_t top = 3;

    void SetUp() override {
        std::ifstream file(vector_path("ckks_seal.txt"));
        a.resize(512);
        b.resize(512);
        for (size_t j = 0; j < 512; j++) {
            double v[4];
            for (double &part : v) file >> part;
            a[j] = { v[0] * 0x1p-20, v[1] * 0x1p-20 };
            b[j] = { v[2] * 0x1p-20, v[3] * 0x1p-20 };
        }
        std::string word, name;
        while (file >> word >> name) {
            ASSERT_EQ(word, "op");
            Answer &answer = answers[name];
            file >> answer.deviation;
            answer.slots.resize(512);
            for (auto &z : answer.slots) {
                double re = 0, im = 0;
                file >> re >> im;
                z = { re, im };
            }
        }
        ASSERT_EQ(answers.size(), 6u);
        ctx = make_context(toy(10));
        secret = make_secret(ctx);
        const Request request = make_request();
        MZV_OKAY(mzv_request_relinearize(request.get(), top));
        MZV_OKAY(mzv_request_conjugate(request.get(), top));
        for (const int32_t steps : { 7, -130, 1 }) MZV_OKAY(mzv_request_rotate(request.get(), steps, top));
        mzv_keys *made = nullptr;
        MZV_OKAY(mzv_keys_create(&made, secret.get(), request.get()));
        keys.reset(made);
        mzv_evaluator *opened = nullptr;
        MZV_OKAY(mzv_evaluator_create(&opened, ctx.get(), keys.get(), 0));
        ev.reset(opened);
        x = make_cipher(ctx, top);
        y = make_cipher(ctx, top);
        out = make_cipher(ctx, top);
        MZV_OKAY(mzv_encrypt(x.get(), secret.get(), raw(a), top));
        MZV_OKAY(mzv_encrypt(y.get(), secret.get(), raw(b), top));
        fresh = mzv_noise_fresh(&ctx->params, &ctx->facts, top);
        rotated = std::hypot(fresh, mzv_noise_key_switch(&ctx->params, &ctx->facts, top));
        product = mzv_noise_mul(&ctx->params, &ctx->facts, top);
    }

    // `ours`: predicted deviation. Errors of one slot are sums of products of two near normals at worst,
    // whose parts exceed t deviations with probability exp(-sqrt(2) t): 20 of them once in 10^12.
    void compare(const char *name, double ours) {
        const Answer &answer = answers.at(name);
        const double both = std::hypot(ours, answer.deviation);
        Slots got(512);
        MZV_OKAY(mzv_decrypt(raw(got), secret.get(), out.get()));
        EXPECT_LE(part_deviation(got, answer.slots), 1.5 * both) << name;
        EXPECT_LE(largest_part(got, answer.slots), 20 * both) << name;
    }

    Slots a, b;
    std::map<std::string, Answer> answers;
    Context ctx;
    Secret secret;
    Keys keys;
    Handle<mzv_evaluator, mzv_evaluator_destroy> ev;
    Cipher x, y, out;
    double fresh = 0, rotated = 0, product = 0;
};

TEST_F(Seal, Add) {
    MZV_OKAY(mzv_add(ev.get(), out.get(), x.get(), y.get()));
    compare("add", std::hypot(fresh, fresh));
}

TEST_F(Seal, Multiply) {
    MZV_OKAY(mzv_mul(ev.get(), out.get(), x.get(), y.get()));
    compare("mul", std::hypot(2 * fresh, product)); // |a|, |b| <= sqrt(2)
}

TEST_F(Seal, Rotate) {
    MZV_OKAY(mzv_rotate(ev.get(), out.get(), x.get(), 7));
    compare("rotate", rotated);
    MZV_OKAY(mzv_rotate(ev.get(), out.get(), x.get(), -130));
    compare("rotate_back", rotated);
}

TEST_F(Seal, Conjugate) {
    MZV_OKAY(mzv_conjugate(ev.get(), out.get(), x.get()));
    compare("conjugate", rotated);
}

TEST_F(Seal, Chain) { // (rot(a, 1) + b) conj(b)
    MZV_OKAY(mzv_rotate(ev.get(), out.get(), x.get(), 1));
    MZV_OKAY(mzv_add(ev.get(), out.get(), out.get(), y.get()));
    MZV_OKAY(mzv_conjugate(ev.get(), y.get(), y.get()));
    MZV_OKAY(mzv_mul(ev.get(), out.get(), out.get(), y.get()));
    const double sum = std::hypot(rotated, fresh); // |conj(b)| <= sqrt(2), |rot(a) + b| <= 2 sqrt(2)
    compare("chain", std::sqrt(2 * sum * sum + 8 * rotated * rotated + product * product));
}

} // namespace
