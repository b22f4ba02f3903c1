// Every formula of noise.h against measurement: within one bit.
#include "ckks/noise.h"

#include "ckks/encode.h"
#include "ckks/sample.h"
#include "lib/ckks_handles.h"

using namespace mzv_test;

namespace {

TEST(Noise, ConstantsAreTheSamplers) {
    const mzv_params params = toy(10);
    mzv_param_facts facts;
    MZV_OKAY(mzv_params_check(&params, &facts));
    // fresh^2 - encode^2 is the noise alone: V N/2 / S^2.
    const double encode = mzv_noise_encode(&params, facts.scale[1]),
                 fresh = mzv_noise_fresh(&params, &facts, 1);
    const double variance = (fresh * fresh - encode * encode) * facts.scale[1] * facts.scale[1] / 512;
    EXPECT_NEAR(variance, MZV_NOISE_VARIANCE, 1e-9);
}

// Ring and digits: K limbs a digit.
struct Shape {
    uint32_t log_n, n_levels, n_special;
};

class Measured : public testing::TestWithParam<Shape> {
  protected:
    void SetUp() override {
        const Shape shape = GetParam();
        ctx = make_context(toy(shape.log_n, shape.n_levels, shape.n_special));
        top = shape.n_levels;
        secret = make_secret(ctx);
        const Request request = make_request();
        MZV_OKAY(mzv_request_relinearize(request.get(), top));
        MZV_OKAY(mzv_request_conjugate(request.get(), top));
        MZV_OKAY(mzv_request_rotate(request.get(), 5, top));
        mzv_keys *made = nullptr;
        MZV_OKAY(mzv_keys_create(&made, secret.get(), request.get()));
        keys.reset(made);
        mzv_evaluator *opened = nullptr;
        MZV_OKAY(mzv_evaluator_create(&opened, ctx.get(), keys.get(), 0));
        ev.reset(opened);
        values = random_slots(mzv_context_slots(ctx.get()), 77);
    }

    Cipher encrypt(const Slots &slots, uint32_t level) {
        Cipher ct = make_cipher(ctx, level);
        EXPECT_EQ(mzv_encrypt(ct.get(), secret.get(), raw(slots), level), MZV_OK) << mzv_last_error();
        return ct;
    }

    Slots decrypt(const Cipher &ct) {
        Slots out(values.size());
        EXPECT_EQ(mzv_decrypt(raw(out), secret.get(), ct.get()), MZV_OK) << mzv_last_error();
        return out;
    }

    static void expect_within_one_bit(double measured, double predicted, const char *what, uint32_t level) {
        EXPECT_LE(std::fabs(std::log2(measured / predicted)), 1)
            << what << " at level " << level << ": measured " << measured << ", predicted " << predicted;
    }

    Context ctx;
    Secret secret;
    Keys keys;
    Handle<mzv_evaluator, mzv_evaluator_destroy> ev;
    Slots values;
    uint32_t top = 0;
};

TEST_P(Measured, Encode) {
    const double scale = 0x1p20;
    const size_t n = 2 * values.size();
    std::vector<int64_t> coeff(n);
    Slots work(n / 2), back(n / 2);
    MZV_OKAY(mzv_encode(ctx->embedding, coeff.data(), raw(values), scale, raw(work)));
    const std::vector<double> exact(coeff.begin(), coeff.end());
    mzv_decode(ctx->embedding, raw(back), exact.data(), scale, raw(work));
    expect_within_one_bit(part_deviation(back, values), mzv_noise_encode(&ctx->params, scale), "encode", 0);
}

TEST_P(Measured, FreshByBothKeys) {
    mzv_public *made = nullptr;
    MZV_OKAY(mzv_public_create(&made, secret.get()));
    const Public key(made);
    for (uint32_t level = 0; level <= top; level++) {
        const Cipher ct = encrypt(values, level);
        expect_within_one_bit(part_deviation(decrypt(ct), values),
                              mzv_noise_fresh(&ctx->params, &ctx->facts, level), "fresh", level);
        MZV_OKAY(mzv_encrypt_public(ct.get(), key.get(), raw(values), level));
        expect_within_one_bit(part_deviation(decrypt(ct), values),
                              mzv_noise_fresh_public(&ctx->params, &ctx->facts, level), "fresh public",
                              level);
    }
}

// The difference of the slots before and after, so that only the operation's own error is measured.
TEST_P(Measured, Rescale) {
    for (uint32_t level = 1; level <= top; level++) {
        const Cipher ct = encrypt(values, level);
        Slots before = decrypt(ct);
        mzv_stream *s = nullptr;
        MZV_OKAY(mzv_cpu_ops.stream_open(&s, ctx->host));
        MZV_OKAY(mzv_scratch_reserve(s, (size_t)8 * ctx->facts.n_primes << ctx->params.log_n));
        const Cipher lower = make_cipher(ctx, level - 1);
        for (uint32_t t = 0; t < 2; t++) {
            MZV_OKAY(mzv_poly_mod_down(s, mzv_cipher_part(lower.get(), s->log_n, t),
                                       mzv_view(mzv_cipher_part(ct.get(), s->log_n, t))));
        }
        mzv_cpu_ops.stream_close(s);
        std::copy(ct->key_id, ct->key_id + MZV_ID_BYTES, lower->key_id);
        lower->scale = ct->scale / (double)ctx->facts.primes[ctx->params.n_special + level];
        const double measured = part_deviation(decrypt(lower), before);
        expect_within_one_bit(measured, mzv_noise_mod_down(&ctx->params, 1, lower->scale), "rescale", level);
    }
    EXPECT_EQ(mzv_noise_rescale(&ctx->params, &ctx->facts, 0),
              mzv_noise_mod_down(&ctx->params, 1, ctx->facts.scale[0]));
}

TEST_P(Measured, KeySwitch) {
    for (uint32_t level = 0; level <= top; level++) {
        const Cipher ct = encrypt(values, level), out = make_cipher(ctx, level);
        const double predicted = mzv_noise_key_switch(&ctx->params, &ctx->facts, level);
        Slots before = decrypt(ct);
        MZV_OKAY(mzv_conjugate(ev.get(), out.get(), ct.get()));
        for (auto &z : before) z = std::conj(z);
        expect_within_one_bit(part_deviation(decrypt(out), before), predicted, "conjugate", level);
        for (auto &z : before) z = std::conj(z);
        MZV_OKAY(mzv_rotate(ev.get(), out.get(), ct.get(), 5));
        std::rotate(before.begin(), before.begin() + 5, before.end());
        expect_within_one_bit(part_deviation(decrypt(out), before), predicted, "rotate", level);
    }
}

TEST_P(Measured, Multiply) {
    const Slots other = random_slots(values.size(), 78);
    for (uint32_t level = 1; level <= top; level++) {
        const Cipher a = encrypt(values, level), b = encrypt(other, level), out = make_cipher(ctx, level);
        Slots exact = decrypt(a);
        const Slots factor = decrypt(b);
        for (size_t j = 0; j < exact.size(); j++) exact[j] *= factor[j];
        MZV_OKAY(mzv_mul(ev.get(), out.get(), a.get(), b.get()));
        expect_within_one_bit(part_deviation(decrypt(out), exact),
                              mzv_noise_mul(&ctx->params, &ctx->facts, level), "multiply", level);
    }
}

INSTANTIATE_TEST_SUITE_P(Noise, Measured,
                         testing::Values(Shape { 10, 4, 1 }, Shape { 11, 5, 2 }, Shape { 12, 5, 3 },
                                         Shape { 13, 3, 4 }));

} // namespace
