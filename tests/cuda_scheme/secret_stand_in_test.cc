// No secret reaches the device: every upload of a whole session, key generation to decryption, is searched
// for the rows and the coefficients of the secret key.
#include <unistd.h>

#include "circuit/polynomial.h"
#include "ckks/secret.h"
#include "cuda_scheme/sides.h"
#include "fake_device.h"

namespace cuda_scheme {
namespace {

// Counts the places of uploads that hold `kRun` words (or bytes) of the secret at a place that is a multiple
// of kRun.
class Watch {
  public:
    static const size_t kRun = 64;
    size_t n_bytes = 0, n_found = 0;

    explicit Watch(const mzv_secret *secret) {
        const mzv_context *ctx = secret->ctx;
        const size_t n = size_t(1) << ctx->params.log_n;
        add_rows(secret->values, ctx->facts.n_primes * n);
        bytes_.assign(secret->coeff, secret->coeff + n);
        std::vector<uint64_t> words(n);
        for (size_t k = 0; k < n; k++) words[k] = static_cast<uint64_t>(int64_t(secret->coeff[k]));
        add_rows(words.data(), n); // as lift takes them
        for (uint32_t i = 0; i < ctx->facts.n_primes; i++) {
            for (size_t k = 0; k < n; k++)
                words[k] = secret->coeff[k] < 0 ? ctx->facts.primes[i] - 1 : uint64_t(secret->coeff[k]);
            add_rows(words.data(), n); // before the transform
        }
    }
    void look(const void *from, size_t n) {
        const unsigned char *at = static_cast<const unsigned char *>(from);
        n_bytes += n;
        for (size_t k = 0; k + 8 * kRun <= n; k += 8) {
            uint64_t first;
            memcpy(&first, at + k, 8);
            for (const auto &run : runs_) // few: compared only where the first word is the same
                if (run[0] == first && memcmp(run.data(), at + k, 8 * kRun) == 0) n_found++;
        }
        for (size_t i = 0; i + kRun <= bytes_.size(); i += kRun)
            n_found += memmem(at, n, bytes_.data() + i, kRun) != nullptr;
    }

  private:
    // One run of every row is enough: what would be uploaded is whole rows.
    void add_rows(const uint64_t *words, size_t n) {
        for (size_t k = 0; k + kRun <= n; k += 1024) runs_.emplace_back(words + k, words + k + kRun);
    }
    std::vector<std::vector<uint64_t>> runs_;
    std::vector<int8_t> bytes_;
};

mzv_status session(mzv_evaluator *ev, const mzv_secret *secret, const mzv_context *ctx) {
    mzv_cipher *a = nullptr;
    Slots slots(mzv_context_slots(ctx), { 0.5, -0.25 });
    mzv_status status = mzv_cipher_create(&a, ctx, 3, 1);
    const mzv_test::Cipher owned(a);
    if (status == MZV_OK) status = mzv_encrypt(a, secret, mzv_test::raw(slots), 3);
    if (status == MZV_OK) status = mzv_mul(ev, a, a, a);
    if (status == MZV_OK) status = mzv_decrypt(mzv_test::raw(slots), secret, a);
    EXPECT_NEAR(slots[5].real(), 0.1875, 1e-4); // (0.5 - 0.25 i)^2
    EXPECT_NEAR(slots[5].imag(), -0.25, 1e-4);
    return status;
}

TEST(CudaSecret, NoUploadHoldsTheSecret) {
    cuda_on_cpu::reset();
    const mzv_test::Context ctx = open(mzv_test::toy(10, 3, 2), "cuda");
    const mzv_test::Secret secret = mzv_test::make_secret(ctx);
    Watch watch(secret.get());
    cuda_on_cpu::device().on_upload = [&watch](const void *from, size_t n) { watch.look(from, n); };
    mzv_key_request *request = nullptr;
    mzv_keys *keys = nullptr;
    mzv_evaluator *ev = nullptr;
    MZV_OKAY(mzv_key_request_create(&request));
    const mzv_test::Request owned_request(request);
    MZV_OKAY(mzv_request_relinearize(request, 3));
    MZV_OKAY(mzv_request_rotate(request, 1, 3));
    MZV_OKAY(mzv_keys_create(&keys, secret.get(), request));
    const mzv_test::Keys owned_keys(keys);
    MZV_OKAY(mzv_evaluator_create(&ev, ctx.get(), keys, 0));
    const Evaluator owned_ev(ev);
    MZV_OKAY(session(ev, secret.get(), ctx.get()));
    EXPECT_GE(watch.n_bytes, mzv_keys_bytes(keys)); // it saw the keys go up
    EXPECT_EQ(watch.n_found, 0u);
    cuda_on_cpu::device().on_upload = nullptr;
}

// The same search finds the secret where somebody does upload it, in each of its forms.
TEST(CudaSecret, TheSearchFindsWhatItLooksFor) {
    cuda_on_cpu::reset();
    const mzv_test::Context ctx = open(mzv_test::toy(10, 3, 2), "cuda");
    const mzv_test::Secret secret = mzv_test::make_secret(ctx);
    const size_t n = 1024;
    std::vector<uint64_t> signed_words(n), residues(n);
    for (size_t k = 0; k < n; k++) {
        signed_words[k] = static_cast<uint64_t>(int64_t(secret->coeff[k]));
        residues[k] = secret->coeff[k] < 0 ? ctx->facts.primes[2] - 1 : uint64_t(secret->coeff[k]);
    }
    mzv_stream *s = nullptr;
    uint64_t *words = nullptr;
    MZV_OKAY(ctx->ops->stream_open(&s, ctx->backend));
    MZV_OKAY(ctx->ops->alloc(s, &words, n));
    const uint64_t *const coefficients = reinterpret_cast<const uint64_t *>(secret->coeff);
    const uint64_t *const values = secret->values + n;
    for (const uint64_t *leak : { values, const_cast<const uint64_t *>(signed_words.data()),
                                  const_cast<const uint64_t *>(residues.data()), coefficients }) {
        Watch watch(secret.get());
        cuda_on_cpu::device().on_upload = [&watch](const void *from, size_t bytes) {
            watch.look(from, bytes);
        };
        MZV_OKAY(ctx->ops->upload(s, words, leak, leak == coefficients ? n / 8 : n));
        MZV_OKAY(ctx->ops->synchronize(s));
        EXPECT_GE(watch.n_found, 1u);
    }
    cuda_on_cpu::device().on_upload = nullptr;
    ctx->ops->free(s, words);
    ctx->ops->stream_close(s);
}

} // namespace
} // namespace cuda_scheme
