/* Checked sizes, and little-endian readers and writers over a bounded buffer: what every parser of the
 * library is made of. */
#ifndef MZV_BYTES_H
#define MZV_BYTES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "mzv/status.h"
#ifdef __cplusplus
extern "C" {
#endif

/* *out = a + b, a * b, or a rounded up to a multiple of `unit` (a power of two). False, and *out as it was,
 * where the result needs more than 64 bits. */
static inline bool mzv_size_add(size_t *out, size_t a, size_t b) {
    size_t sum = 0;
    if (__builtin_add_overflow(a, b, &sum)) return false;
    *out = sum;
    return true;
}

static inline bool mzv_size_mul(size_t *out, size_t a, size_t b) {
    size_t product = 0;
    if (__builtin_mul_overflow(a, b, &product)) return false;
    *out = product;
    return true;
}

static inline bool mzv_size_round_up(size_t *out, size_t a, size_t unit) {
    size_t padded = 0;
    if (!mzv_size_add(&padded, a, unit - 1)) return false;
    *out = padded & ~(unit - 1);
    return true;
}

/* Little-endian words at any alignment. */
void mzv_store_le16(uint8_t *p, uint16_t value);
void mzv_store_le32(uint8_t *p, uint32_t value);
void mzv_store_le64(uint8_t *p, uint64_t value);
uint16_t mzv_load_le16(const uint8_t *p);
uint32_t mzv_load_le32(const uint8_t *p);
uint64_t mzv_load_le64(const uint8_t *p);

/* A cursor over bytes that somebody else owns. `name` stands in messages. Reading past the end is
 * MZV_ERR_FORMAT naming the offset, what was needed and what was left; the cursor stays. */
typedef struct mzv_reader {
    const uint8_t *base;
    size_t n_bytes, at;
    const char *name;
} mzv_reader;

mzv_status mzv_read_bytes(mzv_reader *r, void *out, size_t n) MZV_MUST_CHECK;
mzv_status mzv_read_skip(mzv_reader *r, size_t n) MZV_MUST_CHECK;
mzv_status mzv_read_u8(mzv_reader *r, uint8_t *out) MZV_MUST_CHECK;
mzv_status mzv_read_u16(mzv_reader *r, uint16_t *out) MZV_MUST_CHECK;
mzv_status mzv_read_u32(mzv_reader *r, uint32_t *out) MZV_MUST_CHECK;
mzv_status mzv_read_u64(mzv_reader *r, uint64_t *out) MZV_MUST_CHECK;
mzv_status mzv_read_f64(mzv_reader *r, double *out) MZV_MUST_CHECK;

/* The same for writing. A full buffer is MZV_ERR_INTERNAL: the caller computed its size. */
typedef struct mzv_writer {
    uint8_t *base;
    size_t n_bytes, at;
} mzv_writer;

mzv_status mzv_write_bytes(mzv_writer *w, const void *bytes, size_t n) MZV_MUST_CHECK;
mzv_status mzv_write_zeros(mzv_writer *w, size_t n) MZV_MUST_CHECK;
mzv_status mzv_write_u8(mzv_writer *w, uint8_t value) MZV_MUST_CHECK;
mzv_status mzv_write_u16(mzv_writer *w, uint16_t value) MZV_MUST_CHECK;
mzv_status mzv_write_u32(mzv_writer *w, uint32_t value) MZV_MUST_CHECK;
mzv_status mzv_write_u64(mzv_writer *w, uint64_t value) MZV_MUST_CHECK;
mzv_status mzv_write_f64(mzv_writer *w, double value) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
