/* getrandom(2), and streams of ChaCha20 [RFC8439]. */
#include "base/random.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/bytes.h"
#include "base/fault.h"
#include "base/try.h"

/* getrandom, or what a test wants it to do. */
static ssize_t system_random(void *out, size_t n) {
    const int fault = mzv_fault(MZV_FAULT_RANDOM);
    if (fault > 0) {
        errno = fault;
        return -1;
    }
    return getrandom(out, fault == MZV_FAULT_SHORT ? 1 : n, 0);
}

mzv_status mzv_random_bytes(void *out, size_t n) {
    uint8_t *p = out;
    for (size_t done = 0; done < n;) {
        const ssize_t got = system_random(p + done, n - done);
        if (got > 0) {
            done += (size_t)got;
        } else if (got == 0 || errno != EINTR) {
            const int error = got == 0 ? 0 : errno;
            mzv_wipe(out, n);
            return mzv_fail(MZV_ERR_RANDOM, "getrandom: %zu of %zu bytes, then %s", done, n,
                            error ? strerror(error) : "nothing");
        }
    }
    return MZV_OK;
}

void mzv_wipe(void *p, size_t n) {
    if (n) memset(p, 0, n);
    __asm__ volatile("" : : "r"(p) : "memory"); /* p's bytes are observed here, so memset stays */
}

static void set_constants(uint32_t state[16]) {
    state[0] = 0x61707865; /* "expa" */
    state[1] = 0x3320646e; /* "nd 3" */
    state[2] = 0x79622d32; /* "2-by" */
    state[3] = 0x6b206574; /* "te k" */
}

/* k_0 = seed, k_(i+1) = HChaCha20(k_i, block i), blocks: (index, length, "mzv1"), then the label, zero
 * padded. The length comes first, so no input of the cascade is a prefix of another. */
static void derive_key(uint8_t key[32], const uint8_t seed[32], const char *label, uint64_t index) {
    const size_t length = strlen(label);
    uint8_t block[16];
    mzv_store_le64(block, index);
    mzv_store_le32(block + 8, (uint32_t)length);
    memcpy(block + 12, "mzv1", 4);
    mzv_hchacha20(key, seed, block);
    for (size_t at = 0; at < length; at += sizeof block) {
        memset(block, 0, sizeof block);
        memcpy(block, label + at, length - at < sizeof block ? length - at : sizeof block);
        mzv_hchacha20(key, key, block);
    }
}

void mzv_rng_init(mzv_rng *rng, const uint8_t seed[MZV_SEED_BYTES], const char *label, uint64_t index) {
    uint8_t key[32];
    derive_key(key, seed, label, index);
    memset(rng, 0, sizeof *rng);
    set_constants(rng->state);
    for (int i = 0; i < 8; i++) rng->state[4 + i] = mzv_load_le32(key + 4 * i);
    mzv_wipe(key, sizeof key);
}

/* Moves up to n buffered bytes to `out`; says how many. */
static size_t drain(mzv_rng *rng, uint8_t *out, size_t n) {
    const size_t take = n < rng->n_left ? n : rng->n_left;
    uint8_t *from = rng->buffer + sizeof rng->buffer - rng->n_left;
    if (take) memcpy(out, from, take);
    mzv_wipe(from, take);
    rng->n_left -= take;
    return take;
}

void mzv_rng_bytes(mzv_rng *rng, void *out, size_t n) {
    uint8_t *p = out;
    size_t done = drain(rng, p, n);
    const size_t whole = (n - done) / sizeof rng->buffer * sizeof rng->buffer;
    if (whole) mzv_chacha20(rng->state, p + done, whole / MZV_CHACHA_BLOCK_BYTES);
    done += whole;
    if (done == n) return;
    mzv_chacha20(rng->state, rng->buffer, MZV_CHACHA_LANES);
    rng->n_left = sizeof rng->buffer;
    drain(rng, p + done, n - done);
}

uint64_t mzv_rng_u64(mzv_rng *rng) {
    uint8_t bytes[8];
    mzv_rng_bytes(rng, bytes, sizeof bytes);
    return mzv_load_le64(bytes);
}

void mzv_rng_wipe(mzv_rng *rng) { mzv_wipe(rng, sizeof *rng); }
