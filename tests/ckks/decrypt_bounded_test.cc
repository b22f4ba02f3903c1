// Decryption with the client's knowledge of what may come out.
#include <cstring>

#include "lib/ckks_handles.h"

using namespace mzv_test;

namespace {

bool message_has(const char *part) { return strstr(mzv_last_error(), part) != nullptr; }

class Bounded : public testing::Test {
  protected:
    const Context ctx = make_context(toy(10));
    const Secret secret = make_secret(ctx);
    const uint32_t n = mzv_context_slots(ctx.get());
    const Cipher ct = make_cipher(ctx, 1, 2);
    Slots in = random_slots(2 * (size_t)n, 1), out = Slots(in.size());

    mzv_status check(double magnitude, double imaginary) {
        const mzv_decrypt_check limits = { magnitude, imaginary };
        std::fill(out.begin(), out.end(), 0);
        EXPECT_EQ(mzv_encrypt(ct.get(), secret.get(), raw(in), 1), MZV_OK) << mzv_last_error();
        return mzv_decrypt_bounded(raw(out), secret.get(), ct.get(), &limits);
    }
    double largest_difference() const {
        double d = 0;
        for (size_t i = 0; i < in.size(); i++) d = std::fmax(d, std::abs(in[i] - out[i]));
        return d;
    }
};

TEST_F(Bounded, SlotsWithinTheLimitPass) {
    EXPECT_EQ(check(1.01, 0), MZV_OK) << mzv_last_error();
    EXPECT_LT(largest_difference(), 1e-6);
    EXPECT_EQ(check(0, 0), MZV_OK) << "nothing is checked";
}

TEST_F(Bounded, OneSlotBeyondIsNamedWithItsSizeAndWritten) {
    in[n + 7] = { 0.5, -3.25 };
    in[n + 9] = { 6, 0 };
    EXPECT_EQ(check(1.01, 0), MZV_ERR_RANGE);
    EXPECT_TRUE(message_has("slot 7 of ciphertext 1 is 0.5-3.25i")) << mzv_last_error();
    EXPECT_TRUE(message_has("2 in all")) << mzv_last_error();
    EXPECT_LT(largest_difference(), 1e-6);
    EXPECT_EQ(check(6.01, 0), MZV_OK) << mzv_last_error();
}

TEST_F(Bounded, RealMessagesHaveSmallImaginaryParts) {
    for (auto &z : in) z = z.real();
    EXPECT_EQ(check(1.01, 1e-5), MZV_OK) << mzv_last_error();
    in[3] += std::complex<double>(0, 1e-3);
    EXPECT_EQ(check(1.01, 1e-5), MZV_ERR_RANGE);
    EXPECT_TRUE(message_has("slot 3 of ciphertext 0")) << mzv_last_error();
    EXPECT_EQ(check(0, 1e-5), MZV_ERR_RANGE) << "the imaginary limit holds alone";
}

TEST_F(Bounded, Refusals) {
    EXPECT_EQ(check(-1, 0), MZV_ERR_ARGUMENT);
    EXPECT_EQ(check(1, NAN), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_decrypt_bounded(raw(out), secret.get(), ct.get(), nullptr), MZV_ERR_ARGUMENT);
    const mzv_decrypt_check limits = { 1, 0 };
    EXPECT_EQ(mzv_decrypt_bounded(raw(out), nullptr, ct.get(), &limits), MZV_ERR_ARGUMENT);
    const Secret other = make_secret(ctx);
    EXPECT_EQ(mzv_decrypt_bounded(raw(out), other.get(), ct.get(), &limits), MZV_ERR_MISMATCH);
}

} // namespace
