/* Encryption by the secret key, and decryption. */
#include <math.h>
#include <string.h>

#include "base/random.h"
#include "base/try.h"
#include "ckks/crt.h"
#include "ckks/expand.h"
#include "ckks/sample.h"
#include "ckks/secret.h"

/* c0 = v - a s, c1 = a, a uniform from the seed; v holds message and noise. */
static mzv_status encrypt_one(mzv_stream *s, const mzv_secret *secret, mzv_cipher *out, const int64_t *v,
                              uint32_t b, uint32_t level, const uint8_t *seed) {
    const mzv_basis basis = { 0, 0, (uint16_t)(level + 1) };
    mzv_poly c0, c1, product;
    MZV_TRY(mzv_take(s, &c0, 1, basis));
    MZV_TRY(mzv_take(s, &c1, 1, basis));
    MZV_TRY(mzv_take(s, &product, 1, basis));
    mzv_expand(c1, &secret->ctx->chain, seed, MZV_LABEL_CIPHER, b);
    MZV_TRY(mzv_poly_mul(s, product, mzv_view(c1), mzv_secret_view(secret, basis)));
    MZV_TRY(mzv_poly_lift(s, c0, v, 0));
    MZV_TRY(mzv_poly_sub(s, c0, mzv_view(c0), mzv_view(product)));
    MZV_TRY(mzv_cipher_write(out, c0.base, 0, b));
    return mzv_cipher_write(out, c1.base, 1, b);
}

/* All that can go wrong with the caller's values happens before `out` is touched. */
static mzv_status encrypt_batch(mzv_stream *s, const mzv_secret *secret, mzv_cipher *out,
                                const mzv_complex *slots, uint32_t level) {
    const size_t n = (size_t)1 << secret->ctx->params.log_n;
    uint64_t *v = NULL, *work = NULL;
    uint8_t seed[MZV_SEED_BYTES];
    mzv_rng rng;
    MZV_TRY(mzv_take_words(s, &v, out->batch * n));
    MZV_TRY(mzv_take_words(s, &work, out->batch * n));
    MZV_TRY(mzv_encode_batch(secret->ctx, (int64_t *)v, (mzv_complex *)work, slots, out->batch, level));
    MZV_TRY(mzv_random_bytes(seed, sizeof seed));
    MZV_TRY(mzv_sample_open(&rng, MZV_LABEL_NOISE));
    mzv_sample_noise_add(&rng, (int64_t *)v, out->batch * n);
    mzv_rng_wipe(&rng);
    out->level = level;
    for (uint32_t b = 0; b < out->batch; b++) {
        const size_t mark = mzv_mark(s);
        MZV_TRY(encrypt_one(s, secret, out, (const int64_t *)v + b * n, b, level, seed));
        mzv_release(s, mark);
    }
    mzv_cipher_stamp(out, level, secret->key_id, seed);
    return MZV_OK;
}

mzv_status mzv_encrypt(mzv_cipher *out, const mzv_secret *secret, const mzv_complex *slots, uint32_t level) {
    mzv_stream *s = NULL;
    if (secret == NULL) return mzv_fail(MZV_ERR_ARGUMENT, "encrypt: the secret is NULL");
    MZV_TRY(mzv_encrypt_check(out, secret->ctx, slots, level));
    const size_t n = (size_t)1 << secret->ctx->params.log_n;
    MZV_TRY(mzv_host_open(&s, secret->ctx, n * (2 * out->batch + 3 * ((size_t)level + 1))));
    const mzv_status status = encrypt_batch(s, secret, out, slots, level);
    mzv_host_close(s);
    return status;
}

/* coeff = centred coefficients of c0 + c1 s. */
static mzv_status phase(mzv_stream *s, double *coeff, const mzv_secret *secret, const mzv_crt *crt,
                        const mzv_cipher *ct, uint32_t b) {
    const mzv_basis basis = { 0, 0, (uint16_t)(ct->level + 1) };
    const size_t n = (size_t)1 << s->log_n;
    mzv_poly c0, c1;
    MZV_TRY(mzv_take(s, &c0, 1, basis));
    MZV_TRY(mzv_take(s, &c1, 1, basis));
    MZV_TRY(mzv_cipher_read(ct, c0.base, 0, b));
    MZV_TRY(mzv_cipher_read(ct, c1.base, 1, b));
    MZV_TRY(mzv_poly_mul_add(s, c0, mzv_view(c1), mzv_secret_view(secret, basis)));
    MZV_TRY(mzv_poly_intt(s, c0));
    mzv_crt_centre(crt, coeff, c0.base, n);
    return MZV_OK;
}

static mzv_status check_finite(const mzv_complex *slots, size_t n, uint32_t b) {
    for (size_t j = 0; j < n; j++) {
        if (!isfinite(__real__ slots[j]) || !isfinite(__imag__ slots[j])) {
            return mzv_fail(MZV_ERR_RANGE,
                            "decrypt: slot %zu of ciphertext %u is not a number below 2^1023; "
                            "the message has overflowed its modulus",
                            j, b);
        }
    }
    return MZV_OK;
}

static mzv_status decrypt_batch(mzv_stream *s, mzv_complex *slots, const mzv_secret *secret,
                                const mzv_crt *crt, const mzv_cipher *ct) {
    const size_t n = (size_t)1 << s->log_n, n_slots = n / 2;
    uint64_t *all = NULL, *coeff = NULL, *work = NULL;
    MZV_TRY(mzv_take_words(s, &all, ct->batch * n));
    MZV_TRY(mzv_take_words(s, &coeff, n));
    MZV_TRY(mzv_take_words(s, &work, n));
    mzv_complex *decoded = (mzv_complex *)all;
    for (uint32_t b = 0; b < ct->batch; b++) {
        const size_t mark = mzv_mark(s);
        MZV_TRY(phase(s, (double *)coeff, secret, crt, ct, b));
        mzv_release(s, mark);
        mzv_decode(secret->ctx->embedding, decoded + b * n_slots, (const double *)coeff, ct->scale,
                   (mzv_complex *)work);
        MZV_TRY(check_finite(decoded + b * n_slots, n_slots, b));
    }
    memcpy(slots, decoded, ct->batch * n_slots * sizeof *slots);
    return MZV_OK;
}

mzv_status mzv_decrypt(mzv_complex *slots, const mzv_secret *secret, const mzv_cipher *ct) {
    mzv_status status = MZV_OK;
    mzv_stream *s = NULL;
    mzv_crt *crt = NULL;
    if (slots == NULL || secret == NULL)
        return mzv_fail(MZV_ERR_ARGUMENT, "decrypt: slots or secret are NULL");
    const mzv_context *ctx = secret->ctx;
    MZV_TRY(mzv_cipher_check(ct, ctx, "decrypt"));
    if (memcmp(ct->key_id, secret->key_id, sizeof ct->key_id) != 0) {
        return mzv_fail(MZV_ERR_MISMATCH, "decrypt: the ciphertext was encrypted for another secret key");
    }
    const size_t n = (size_t)1 << ctx->params.log_n;
    MZV_TRY(mzv_crt_create(&crt, ctx->facts.primes + ctx->params.n_special, ct->level + 1));
    MZV_TRY_GOTO(mzv_host_open(&s, ctx, n * (ct->batch + 2 + 2 * ((size_t)ct->level + 1))), done);
    status = decrypt_batch(s, slots, secret, crt, ct);
done:
    mzv_host_close(s);
    mzv_crt_destroy(crt);
    return status;
}

/* Not `>`: NaN is beyond every limit. */
static bool beyond(double value, double limit) { return limit > 0 && !(fabs(value) <= limit); }

static mzv_status check_slots(const mzv_complex *slots, size_t n, size_t n_slots,
                              const mzv_decrypt_check *check) {
    const double imaginary = check->imaginary > 0 ? check->imaginary : check->magnitude;
    size_t first = n, n_beyond = 0;
    for (size_t i = 0; i < n; i++) {
        if (!beyond(__real__ slots[i], check->magnitude) && !beyond(__imag__ slots[i], imaginary)) continue;
        if (n_beyond++ == 0) first = i;
    }
    if (n_beyond == 0) return MZV_OK;
    return mzv_fail(
        MZV_ERR_RANGE,
        "decrypt: slot %zu of ciphertext %zu is %.6g%+.6gi, beyond %g and %gi, as are %zu in all: the "
        "computation left its range; run it again, on smaller inputs if this repeats",
        first % n_slots, first / n_slots, __real__ slots[first], __imag__ slots[first], check->magnitude,
        imaginary, n_beyond);
}

mzv_status mzv_decrypt_bounded(mzv_complex *slots, const mzv_secret *secret, const mzv_cipher *ct,
                               const mzv_decrypt_check *check) {
    if (check == NULL) return mzv_fail(MZV_ERR_ARGUMENT, "decrypt: the check is NULL");
    if (!(check->magnitude >= 0) || !(check->imaginary >= 0))
        return mzv_fail(MZV_ERR_ARGUMENT, "decrypt: limits of %g and %gi, need 0 or more", check->magnitude,
                        check->imaginary);
    MZV_TRY(mzv_decrypt(slots, secret, ct));
    const size_t n_slots = (size_t)1 << (secret->ctx->params.log_n - 1);
    return check_slots(slots, ct->batch * n_slots, n_slots, check);
}
