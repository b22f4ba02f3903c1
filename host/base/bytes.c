/* Little-endian readers and writers. Words go byte by byte: gcc and clang make one move of it. */
#include "base/bytes.h"

#include <string.h>

#include "base/try.h"

void mzv_store_le16(uint8_t *p, uint16_t value) {
    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
}

void mzv_store_le32(uint8_t *p, uint32_t value) {
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(value >> (8 * i));
}

void mzv_store_le64(uint8_t *p, uint64_t value) {
    for (int i = 0; i < 8; i++) p[i] = (uint8_t)(value >> (8 * i));
}

uint16_t mzv_load_le16(const uint8_t *p) { return (uint16_t)(p[0] | (uint32_t)p[1] << 8); }

uint32_t mzv_load_le32(const uint8_t *p) {
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) value |= (uint32_t)p[i] << (8 * i);
    return value;
}

uint64_t mzv_load_le64(const uint8_t *p) {
    uint64_t value = 0;
    for (int i = 0; i < 8; i++) value |= (uint64_t)p[i] << (8 * i);
    return value;
}

/* Moves the cursor over the next n bytes and returns where they start; NULL where there are fewer. */
static const uint8_t *claim(mzv_reader *r, size_t n) {
    if (n > r->n_bytes - r->at) return NULL;
    const uint8_t *p = r->base + r->at;
    r->at += n;
    return p;
}

static mzv_status cut(const mzv_reader *r, size_t n) {
    return mzv_fail(MZV_ERR_FORMAT, "%s: offset %zu: expected %zu bytes, found %zu",
                    r->name ? r->name : "reader", r->at, n, r->n_bytes - r->at);
}

mzv_status mzv_read_bytes(mzv_reader *r, void *out, size_t n) {
    const uint8_t *p = claim(r, n);
    if (!p) return cut(r, n);
    if (n) memcpy(out, p, n);
    return MZV_OK;
}

mzv_status mzv_read_skip(mzv_reader *r, size_t n) { return claim(r, n) ? MZV_OK : cut(r, n); }

mzv_status mzv_read_u8(mzv_reader *r, uint8_t *out) { return mzv_read_bytes(r, out, 1); }

mzv_status mzv_read_u16(mzv_reader *r, uint16_t *out) {
    const uint8_t *p = claim(r, 2);
    if (!p) return cut(r, 2);
    *out = mzv_load_le16(p);
    return MZV_OK;
}

mzv_status mzv_read_u32(mzv_reader *r, uint32_t *out) {
    const uint8_t *p = claim(r, 4);
    if (!p) return cut(r, 4);
    *out = mzv_load_le32(p);
    return MZV_OK;
}

mzv_status mzv_read_u64(mzv_reader *r, uint64_t *out) {
    const uint8_t *p = claim(r, 8);
    if (!p) return cut(r, 8);
    *out = mzv_load_le64(p);
    return MZV_OK;
}

mzv_status mzv_read_f64(mzv_reader *r, double *out) {
    uint64_t word = 0;
    MZV_TRY(mzv_read_u64(r, &word));
    memcpy(out, &word, sizeof word);
    return MZV_OK;
}

/* The next n bytes to fill; NULL where the buffer is full. */
static uint8_t *extend(mzv_writer *w, size_t n) {
    if (n > w->n_bytes - w->at) return NULL;
    uint8_t *p = w->base + w->at;
    w->at += n;
    return p;
}

static mzv_status full(const mzv_writer *w, size_t n) {
    return mzv_fail(MZV_ERR_INTERNAL, "writer: offset %zu: %zu bytes to write, room for %zu", w->at, n,
                    w->n_bytes - w->at);
}

mzv_status mzv_write_bytes(mzv_writer *w, const void *bytes, size_t n) {
    uint8_t *p = extend(w, n);
    if (!p) return full(w, n);
    if (n) memcpy(p, bytes, n);
    return MZV_OK;
}

mzv_status mzv_write_zeros(mzv_writer *w, size_t n) {
    uint8_t *p = extend(w, n);
    if (!p) return full(w, n);
    if (n) memset(p, 0, n);
    return MZV_OK;
}

mzv_status mzv_write_u8(mzv_writer *w, uint8_t value) { return mzv_write_bytes(w, &value, 1); }

mzv_status mzv_write_u16(mzv_writer *w, uint16_t value) {
    uint8_t bytes[2];
    mzv_store_le16(bytes, value);
    return mzv_write_bytes(w, bytes, sizeof bytes);
}

mzv_status mzv_write_u32(mzv_writer *w, uint32_t value) {
    uint8_t bytes[4];
    mzv_store_le32(bytes, value);
    return mzv_write_bytes(w, bytes, sizeof bytes);
}

mzv_status mzv_write_u64(mzv_writer *w, uint64_t value) {
    uint8_t bytes[8];
    mzv_store_le64(bytes, value);
    return mzv_write_bytes(w, bytes, sizeof bytes);
}

mzv_status mzv_write_f64(mzv_writer *w, double value) {
    uint64_t word = 0;
    memcpy(&word, &value, sizeof word);
    return mzv_write_u64(w, word);
}
