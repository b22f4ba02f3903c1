/* Reading containers: fields by name, sections as a stream of verified chunks. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/try.h"
#include "ckks/container_format.h"

static mzv_status load_header(mzv_container_in *c, const mzv_schema *schema, const mzv_expect *expect) {
    MZV_TRY(mzv_container_check_prefix(c));
    MZV_TRY(mzv_alloc((void **)&c->header, c->header_bytes, 1, "container header"));
    MZV_TRY(mzv_file_read_at(&c->file, 0, c->header, c->header_bytes));
    MZV_TRY(MZV_NEW(&c->sections, c->n_sections, "section table"));
    c->current = c->n_sections;
    return mzv_container_check_header(c, schema, expect);
}

mzv_status mzv_container_open(mzv_container_in **out, const char *path, const mzv_schema *schema,
                              const mzv_expect *expect) {
    mzv_container_in *c = NULL;
    mzv_status status = MZV_OK;
    MZV_TRY(MZV_NEW(&c, 1, "container"));
    MZV_TRY_GOTO(mzv_file_open(&c->file, path), failed);
    MZV_TRY_GOTO(load_header(c, schema, expect), failed);
    *out = c;
    return MZV_OK;
failed:
    mzv_container_close(c);
    return status;
}

/* The chunk may hold a secret. */
void mzv_container_close(mzv_container_in *c) {
    if (!c) return;
    if (c->chunk) mzv_wipe(c->chunk, c->chunk_capacity);
    mzv_free(c->chunk);
    mzv_free(c->sections);
    mzv_free(c->header);
    mzv_file_close(&c->file);
    mzv_free(c);
}

const mzv_container_head *mzv_container_head_of(const mzv_container_in *c) { return &c->head; }
const uint8_t *mzv_container_id(const mzv_container_in *c) { return c->id; }
const char *mzv_container_path(const mzv_container_in *c) { return c->file.path; }

/* ---- fields ---- */

static const uint8_t *find_field(const mzv_container_in *c, const char *name) {
    for (uint32_t i = 0; i < c->n_fields; i++) {
        const uint8_t *e = mzv_container_field_entry(c, i);
        if (strcmp((const char *)e, name) == 0) return e;
    }
    return NULL;
}

bool mzv_container_has(const mzv_container_in *c, const char *name) { return find_field(c, name) != NULL; }

/* The value of a field that must be there, of that type and length. */
static mzv_status field_value(const mzv_container_in *c, const uint8_t **out, const char *name,
                              mzv_field_type type, uint32_t n) {
    const uint8_t *e = find_field(c, name);
    if (!e) return mzv_container_fail(c, 18, "field %s: expected, found none", name);
    const uint32_t type_found = mzv_load_le32(e + FIELD_AT_TYPE), n_found = mzv_load_le32(e + FIELD_AT_BYTES);
    if (type_found != (uint32_t)type || n_found != n)
        return mzv_container_fail(c, 19,
                                  "field %s, offset %zu: expected type %d of %u bytes, found type %u of %u",
                                  name, (size_t)(e - c->header), (int)type, n, type_found, n_found);
    *out = e + FIELD_AT_VALUE;
    return MZV_OK;
}

mzv_status mzv_container_get_u64(const mzv_container_in *c, const char *name, uint64_t low, uint64_t high,
                                 uint64_t *out) {
    const uint8_t *value = NULL;
    MZV_TRY(field_value(c, &value, name, MZV_FIELD_U64, 8));
    const uint64_t found = mzv_load_le64(value);
    if (found < low || found > high)
        return mzv_container_fail(c, 40,
                                  "field %s, offset %zu: expected %" PRIu64 " to %" PRIu64 ", found %" PRIu64,
                                  name, (size_t)(value - c->header), low, high, found);
    *out = found;
    return MZV_OK;
}

mzv_status mzv_container_get_u32(const mzv_container_in *c, const char *name, uint32_t low, uint32_t high,
                                 uint32_t *out) {
    uint64_t value = 0;
    MZV_TRY(mzv_container_get_u64(c, name, low, high, &value));
    *out = (uint32_t)value;
    return MZV_OK;
}

mzv_status mzv_container_get_f64(const mzv_container_in *c, const char *name, double low, double high,
                                 double *out) {
    const uint8_t *value = NULL;
    double found = 0;
    MZV_TRY(field_value(c, &value, name, MZV_FIELD_F64, 8));
    memcpy(&found, value, sizeof found);
    if (!(isfinite(found) && found >= low && found <= high))
        return mzv_container_fail(c, 47, "field %s, offset %zu: expected %g to %g, found %g", name,
                                  (size_t)(value - c->header), low, high, found);
    *out = found;
    return MZV_OK;
}

mzv_status mzv_container_get_bytes(const mzv_container_in *c, const char *name, void *out, uint32_t n) {
    const uint8_t *value = NULL;
    MZV_TRY(field_value(c, &value, name, MZV_FIELD_BYTES, n));
    memcpy(out, value, n);
    return MZV_OK;
}

bool mzv_container_field_at(const mzv_container_in *c, uint32_t i, mzv_field *out) {
    if (i >= c->n_fields) return false;
    const uint8_t *e = mzv_container_field_entry(c, i);
    memcpy(out->name, e, NAME_BYTES);
    out->type = (mzv_field_type)mzv_load_le32(e + FIELD_AT_TYPE);
    out->n_bytes = mzv_load_le32(e + FIELD_AT_BYTES);
    memcpy(out->value, e + FIELD_AT_VALUE, MZV_FIELD_BYTES_MAX);
    return true;
}

/* ---- sections ---- */

bool mzv_container_section_at(const mzv_container_in *c, uint32_t i, mzv_section *out) {
    if (i >= c->n_sections) return false;
    *out = c->sections[i];
    return true;
}

uint32_t mzv_container_count(const mzv_container_in *c, const char *name) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->n_sections; i++) n += strcmp(c->sections[i].name, name) == 0;
    return n;
}

mzv_status mzv_container_section(mzv_container_in *c, const char *name, uint32_t index, uint64_t n_bytes) {
    for (uint32_t i = 0; i < c->n_sections; i++) {
        const mzv_section *s = &c->sections[i];
        if (strcmp(s->name, name) != 0 || s->index != index) continue;
        if (s->n_bytes != n_bytes)
            return mzv_container_fail(
                c, 52, "section %s[%u], offset %" PRIu64 ": expected %" PRIu64 " bytes, found %" PRIu64, name,
                index, s->offset, n_bytes, s->n_bytes);
        c->current = i;
        c->at = 0;
        c->chunk_loaded = false;
        return MZV_OK;
    }
    return mzv_container_fail(c, 18, "section %s[%u]: expected, found none", name, index);
}

static uint64_t min_u64(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* One buffer serves all sections: a chunk, or the largest section where that is smaller. */
static mzv_status reserve_chunk(mzv_container_in *c) {
    uint64_t largest = 0;
    if (c->chunk) return MZV_OK;
    for (uint32_t i = 0; i < c->n_sections; i++)
        if (c->sections[i].n_bytes > largest) largest = c->sections[i].n_bytes;
    c->chunk_capacity = (size_t)min_u64(largest, MZV_CHUNK_BYTES);
    return mzv_alloc((void **)&c->chunk, c->chunk_capacity, 1, "container chunk");
}

/* Reads and verifies the chunk of the current section that holds byte c->at. */
static mzv_status load_chunk(mzv_container_in *c) {
    const mzv_section *s = &c->sections[c->current];
    const uint8_t *entry = mzv_container_section_entry(c, c->current);
    const uint64_t number = c->at / MZV_CHUNK_BYTES, first = number * MZV_CHUNK_BYTES;
    const size_t n = (size_t)min_u64(MZV_CHUNK_BYTES, s->n_bytes - first);
    const uint64_t sum_number = mzv_load_le64(entry + SECTION_AT_CHUNK) + number;
    const uint8_t *expected = mzv_container_section_entry(c, c->n_sections) + sum_number * MZV_SHA256_BYTES;
    uint8_t found[MZV_SHA256_BYTES] = { 0 };
    c->chunk_loaded = false;
    MZV_TRY(reserve_chunk(c));
    MZV_TRY(mzv_file_read_at(&c->file, s->offset + first, c->chunk, n));
    MZV_TRY(mzv_sha256(found, c->chunk, n));
    if (memcmp(found, expected, sizeof found) != 0) {
        char a[2 * MZV_ID_BYTES + 1], b[2 * MZV_ID_BYTES + 1];
        mzv_hex(a, expected, MZV_ID_BYTES);
        mzv_hex(b, found, MZV_ID_BYTES);
        return mzv_container_fail(c, 20,
                                  "section %s[%u], offset %" PRIu64 ": expected checksum %s..., found %s...",
                                  s->name, s->index, s->offset + first, a, b);
    }
    c->chunk_loaded = true;
    return MZV_OK;
}

mzv_status mzv_container_read(mzv_container_in *c, void *out, size_t n) {
    if (c->current >= c->n_sections)
        return mzv_fail(MZV_ERR_ARGUMENT, "%s: read before a section is chosen", c->file.path);
    const mzv_section *s = &c->sections[c->current];
    if (n > s->n_bytes - c->at)
        return mzv_fail(MZV_ERR_ARGUMENT, "%s: section %s[%u]: %zu bytes wanted, %" PRIu64 " left",
                        c->file.path, s->name, s->index, n, s->n_bytes - c->at);
    for (size_t done = 0; done < n;) {
        const size_t in_chunk = (size_t)(c->at % MZV_CHUNK_BYTES);
        const size_t room = (size_t)min_u64(MZV_CHUNK_BYTES - in_chunk, s->n_bytes - c->at);
        const size_t piece = (size_t)min_u64(room, n - done);
        if (!c->chunk_loaded || in_chunk == 0) MZV_TRY(load_chunk(c));
        memcpy((uint8_t *)out + done, c->chunk + in_chunk, piece);
        done += piece;
        c->at += piece;
    }
    return MZV_OK;
}

mzv_status mzv_container_read_words(mzv_container_in *c, uint64_t *out, size_t n) {
    size_t n_bytes = 0;
    if (!mzv_size_mul(&n_bytes, n, sizeof *out))
        return mzv_fail(MZV_ERR_ARGUMENT, "%s: %zu words", c->file.path, n);
    return mzv_container_read(c, out, n_bytes);
}

mzv_status mzv_container_read_row(mzv_container_in *c, uint64_t *out, size_t n, uint64_t prime) {
    MZV_TRY(mzv_container_read_words(c, out, n));
    for (size_t i = 0; i < n; i++) {
        if (out[i] < prime) continue;
        const mzv_section *s = &c->sections[c->current];
        return mzv_container_fail(
            c, 55, "section %s[%u], offset %" PRIu64 ": expected a residue below %" PRIu64 ", found %" PRIu64,
            s->name, s->index, s->offset + c->at - 8 * (n - i), prime, out[i]);
    }
    return MZV_OK;
}

mzv_status mzv_container_need(const mzv_container_in *c, uint64_t bytes) {
    uint64_t available = 0;
    MZV_TRY(mzv_memory_available(&available));
    if (bytes <= available) return MZV_OK;
    return mzv_container_fail(c, 26, "host memory: needs %" PRIu64 " bytes, %" PRIu64 " are available", bytes,
                              available);
}

mzv_status mzv_container_verify(mzv_container_in *c) {
    for (c->current = 0; c->current < c->n_sections; c->current++)
        for (c->at = 0; c->at < c->sections[c->current].n_bytes; c->at += MZV_CHUNK_BYTES)
            MZV_TRY(load_chunk(c));
    c->chunk_loaded = false;
    return MZV_OK;
}
