/* SHA-256 by libcrypto's EVP interface. */
#include "base/sha256.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/try.h"

static mzv_status refused(const char *call) {
    return mzv_fail(MZV_ERR_INTERNAL, "sha256: libcrypto refused %s", call);
}

mzv_status mzv_sha256(uint8_t out[MZV_SHA256_BYTES], const void *bytes, size_t n) {
    uint8_t digest[EVP_MAX_MD_SIZE];
    if (!EVP_Digest(bytes, n, digest, NULL, EVP_sha256(), NULL)) return refused("EVP_Digest");
    memcpy(out, digest, MZV_SHA256_BYTES);
    return MZV_OK;
}

mzv_status mzv_sha256_id(uint8_t id[MZV_ID_BYTES], const void *bytes, size_t n) {
    uint8_t digest[MZV_SHA256_BYTES] = { 0 };
    MZV_TRY(mzv_sha256(digest, bytes, n));
    memcpy(id, digest, MZV_ID_BYTES);
    return MZV_OK;
}

mzv_status mzv_sha256_open(mzv_sha256_stream *h) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (!context) return mzv_fail(MZV_ERR_MEMORY, "sha256: libcrypto gave no context");
    if (!EVP_DigestInit_ex(context, EVP_sha256(), NULL)) {
        EVP_MD_CTX_free(context);
        return refused("EVP_DigestInit_ex");
    }
    h->context = context;
    return MZV_OK;
}

mzv_status mzv_sha256_update(mzv_sha256_stream *h, const void *bytes, size_t n) {
    return EVP_DigestUpdate(h->context, bytes, n) ? MZV_OK : refused("EVP_DigestUpdate");
}

mzv_status mzv_sha256_finish(mzv_sha256_stream *h, uint8_t out[MZV_SHA256_BYTES]) {
    uint8_t digest[EVP_MAX_MD_SIZE];
    const int good = EVP_DigestFinal_ex(h->context, digest, NULL);
    mzv_sha256_close(h);
    if (!good) return refused("EVP_DigestFinal_ex");
    memcpy(out, digest, MZV_SHA256_BYTES);
    return MZV_OK;
}

void mzv_sha256_close(mzv_sha256_stream *h) {
    EVP_MD_CTX_free(h->context);
    h->context = NULL;
}

void mzv_hex(char *out, const uint8_t *bytes, size_t n) {
    static const char digit[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digit[bytes[i] >> 4];
        out[2 * i + 1] = digit[bytes[i] & 15];
    }
    out[2 * n] = '\0';
}
