/* ChaCha20 [RFC8439, 2.3], one block at a time and eight side by side. Vectors are the compiler's (gcc and
 * clang); the AVX2 form is compiled for AVX2 and chosen at run time. */
#include <string.h>

#include "base/bytes.h"
#include "base/random.h"

#define N_DOUBLE_ROUNDS 10
#define ROTATE(x, n) ((x) << (n) | (x) >> (32 - (n)))

/* [RFC8439, 2.1] */
#define QUARTER_ROUND(a, b, c, d)                                                                            \
    do {                                                                                                     \
        (a) += (b), (d) ^= (a), (d) = ROTATE(d, 16), (c) += (d);                                             \
        (b) ^= (c), (b) = ROTATE(b, 12), (a) += (b), (d) ^= (a);                                             \
        (d) = ROTATE(d, 8), (c) += (d), (b) ^= (c), (b) = ROTATE(b, 7);                                      \
    } while (0)

#define DOUBLE_ROUND(x)                                                                                      \
    do {                                                                                                     \
        QUARTER_ROUND(x[0], x[4], x[8], x[12]);                                                              \
        QUARTER_ROUND(x[1], x[5], x[9], x[13]);                                                              \
        QUARTER_ROUND(x[2], x[6], x[10], x[14]);                                                             \
        QUARTER_ROUND(x[3], x[7], x[11], x[15]);                                                             \
        QUARTER_ROUND(x[0], x[5], x[10], x[15]);                                                             \
        QUARTER_ROUND(x[1], x[6], x[11], x[12]);                                                             \
        QUARTER_ROUND(x[2], x[7], x[8], x[13]);                                                              \
        QUARTER_ROUND(x[3], x[4], x[9], x[14]);                                                              \
    } while (0)

static void count(uint32_t state[16], uint64_t n_blocks) {
    const uint64_t counter = (state[12] | (uint64_t)state[13] << 32) + n_blocks;
    state[12] = (uint32_t)counter;
    state[13] = (uint32_t)(counter >> 32);
}

static void one_block(uint32_t state[16], uint8_t *out) {
    uint32_t x[16];
    memcpy(x, state, sizeof x);
    for (int i = 0; i < N_DOUBLE_ROUNDS; i++) DOUBLE_ROUND(x);
    for (int i = 0; i < 16; i++) mzv_store_le32(out + 4 * i, x[i] + state[i]);
    count(state, 1);
    mzv_wipe(x, sizeof x);
}

void mzv_chacha20_portable(uint32_t state[16], uint8_t *out, size_t n_blocks) {
    for (size_t i = 0; i < n_blocks; i++) one_block(state, out + i * MZV_CHACHA_BLOCK_BYTES);
}

void mzv_hchacha20(uint8_t out[32], const uint8_t key[32], const uint8_t input[16]) {
    uint32_t x[16] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 }; /* "expand 32-byte k" */
    for (int i = 0; i < 8; i++) x[4 + i] = mzv_load_le32(key + 4 * i);
    for (int i = 0; i < 4; i++) x[12 + i] = mzv_load_le32(input + 4 * i);
    for (int i = 0; i < N_DOUBLE_ROUNDS; i++) DOUBLE_ROUND(x);
    for (int i = 0; i < 4; i++) {
        mzv_store_le32(out + 4 * i, x[i]);
        mzv_store_le32(out + 16 + 4 * i, x[12 + i]);
    }
    mzv_wipe(x, sizeof x);
}

#if defined(__x86_64__) && defined(__GNUC__)

typedef uint32_t v8u32 __attribute__((vector_size(32)));
typedef uint64_t v4u64 __attribute__((vector_size(32)));
typedef uint8_t v32u8 __attribute__((vector_size(32)));
typedef v8u32 v8u32_any __attribute__((aligned(1), may_alias));

/* Rotations by whole bytes are one shuffle. */
#define BYTES_BY_16(b) (b) + 2, (b) + 3, (b), (b) + 1
#define BYTES_BY_8(b) (b) + 3, (b), (b) + 1, (b) + 2
#define SHUFFLE_WORDS(x, f)                                                                                  \
    ((v8u32)__builtin_shufflevector((v32u8)(x), (v32u8)(x), f(0), f(4), f(8), f(12), f(16), f(20), f(24),    \
                                    f(28)))
#define VECTOR_QUARTER_ROUND(a, b, c, d)                                                                     \
    do {                                                                                                     \
        (a) += (b), (d) ^= (a), (d) = SHUFFLE_WORDS(d, BYTES_BY_16), (c) += (d), (b) ^= (c);                 \
        (b) = ROTATE(b, 12), (a) += (b), (d) ^= (a), (d) = SHUFFLE_WORDS(d, BYTES_BY_8);                     \
        (c) += (d), (b) ^= (c), (b) = ROTATE(b, 7);                                                          \
    } while (0)

/* Rows of word i of eight blocks -> eight words of one block per row. */
__attribute__((target("avx2"))) static inline void transpose8(v8u32 r[8]) {
    v8u32 t[8];
    v4u64 u[8];
    for (int i = 0; i < 8; i += 2) {
        t[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        t[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
    for (int i = 0; i < 8; i += 4) {
        for (int j = 0; j < 2; j++) {
            u[i + 2 * j] = __builtin_shufflevector((v4u64)t[i + j], (v4u64)t[i + j + 2], 0, 4, 2, 6);
            u[i + 2 * j + 1] = __builtin_shufflevector((v4u64)t[i + j], (v4u64)t[i + j + 2], 1, 5, 3, 7);
        }
    }
    for (int i = 0; i < 4; i++) {
        r[i] = (v8u32)__builtin_shufflevector(u[i], u[i + 4], 0, 1, 4, 5);
        r[i + 4] = (v8u32)__builtin_shufflevector(u[i], u[i + 4], 2, 3, 6, 7);
    }
}

__attribute__((target("avx2"))) static void eight_blocks_avx2(const uint32_t state[16], uint8_t *out) {
    v8u32 x[16], start[16];
    const uint64_t counter = state[12] | (uint64_t)state[13] << 32;
    for (int i = 0; i < 16; i++) start[i] = (v8u32) { 0 } + state[i];
    for (uint32_t lane = 0; lane < 8; lane++) {
        start[12][lane] = (uint32_t)(counter + lane);
        start[13][lane] = (uint32_t)((counter + lane) >> 32);
    }
    for (int i = 0; i < 16; i++) x[i] = start[i];
    for (int i = 0; i < N_DOUBLE_ROUNDS; i++) {
        for (int j = 0; j < 4; j++) VECTOR_QUARTER_ROUND(x[j], x[4 + j], x[8 + j], x[12 + j]);
        for (int j = 0; j < 4; j++) {
            VECTOR_QUARTER_ROUND(x[j], x[4 + (j + 1) % 4], x[8 + (j + 2) % 4], x[12 + (j + 3) % 4]);
        }
    }
    for (int i = 0; i < 16; i++) x[i] += start[i];
    transpose8(x);
    transpose8(x + 8);
    for (int lane = 0; lane < 8; lane++) {
        *(v8u32_any *)(void *)(out + 64 * lane) = x[lane];
        *(v8u32_any *)(void *)(out + 64 * lane + 32) = x[8 + lane];
    }
}

void mzv_chacha20(uint32_t state[16], uint8_t *out, size_t n_blocks) {
    if (__builtin_cpu_supports("avx2")) {
        for (; n_blocks >= MZV_CHACHA_LANES; n_blocks -= MZV_CHACHA_LANES) {
            eight_blocks_avx2(state, out);
            count(state, MZV_CHACHA_LANES);
            out += MZV_CHACHA_LANES * MZV_CHACHA_BLOCK_BYTES;
        }
    }
    mzv_chacha20_portable(state, out, n_blocks);
}

#else

void mzv_chacha20(uint32_t state[16], uint8_t *out, size_t n_blocks) {
    mzv_chacha20_portable(state, out, n_blocks);
}

#endif
