/* What a container must satisfy before anything is allocated for its sections. Rule numbers are those of
 * docs/container.md. */
#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/try.h"
#include "ckks/container_format.h"

#define TRY_RULE(condition, ...)                                                                             \
    do {                                                                                                     \
        if (!(condition)) return mzv_container_fail(__VA_ARGS__);                                            \
    } while (0)

static mzv_status status_of(uint32_t rule) {
    if (rule == 26) return MZV_ERR_MEMORY;
    if (rule == 32 || rule == 42) return MZV_ERR_PARAMS;
    return rule >= 33 && rule <= 36 ? MZV_ERR_MISMATCH : MZV_ERR_FORMAT;
}

mzv_status mzv_container_fail(const mzv_container_in *c, uint32_t rule, const char *format, ...) {
    char text[768];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return mzv_fail(status_of(rule), "%s: rule %u: %s", c->file.path, rule, text);
}

const uint8_t *mzv_container_field_entry(const mzv_container_in *c, uint32_t i) {
    return c->header + PREFIX_BYTES + (size_t)i * ENTRY_BYTES;
}

const uint8_t *mzv_container_section_entry(const mzv_container_in *c, uint32_t i) {
    return mzv_container_field_entry(c, c->n_fields + i);
}

/* ---- the prefix ---- */

/* What a file is that is not ours, by its first bytes; NULL where that cannot be said. */
static const char *foreign_format(const uint8_t *p, size_t n) {
    static const struct {
        const char *magic;
        size_t n;
        const char *name;
    } known[] = {
        { "version https://git-lfs", 23, "a Git LFS pointer: fetch the file itself" },
        { "\x1f\x8b", 2, "gzip" },
        { "PK\x03\x04", 4, "a zip archive (PyTorch checkpoint?)" },
        { "\x28\xb5\x2f\xfd", 4, "zstd" },
        { "\xfd"
          "7zXZ",
          5, "xz" },
        { "\x7f"
          "ELF",
          4, "an ELF binary" },
        { "\x89PNG", 4, "a PNG image" },
        { "\x80\x02", 2, "a Python pickle" },
        { "\x80\x03", 2, "a Python pickle" },
        { "\x80\x04", 2, "a Python pickle" },
        { "\x80\x05", 2, "a Python pickle" },
        { "<!DOCTYPE", 9, "HTML" },
        { "<!doctype", 9, "HTML" },
        { "<html", 5, "HTML" },
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (n >= known[i].n && memcmp(p, known[i].magic, known[i].n) == 0) return known[i].name;
    if (n > 8 && p[8] == '{') return "safetensors";
    for (size_t i = 0; i < n; i++)
        if (!isprint(p[i]) && !isspace(p[i])) return NULL;
    return "text";
}

static mzv_status check_magic(const mzv_container_in *c, const uint8_t *p, size_t n) {
    char found[2 * MAGIC_BYTES + 1];
    const size_t n_magic = n < MAGIC_BYTES ? n : MAGIC_BYTES;
    if (memcmp(p, MAGIC, n_magic) != 0) {
        const char *foreign = foreign_format(p, n);
        TRY_RULE(!foreign, c, 4, "magic, offset 0: expected a Mezzavoce container, found %s", foreign);
        mzv_hex(found, p, n_magic);
        return mzv_container_fail(c, 3, "magic, offset 0: expected 894d5a560d0a1a0a, found %s", found);
    }
    TRY_RULE(n >= PREFIX_BYTES, c, 2, "header, offset 0: expected %u bytes or more, found %zu", PREFIX_BYTES,
             n);
    return MZV_OK;
}

static mzv_status check_version(const mzv_container_in *c, const uint8_t *p) {
    const uint32_t endian = mzv_load_le32(p + AT_ENDIAN);
    const uint16_t major = mzv_load_le16(p + AT_MAJOR);
    TRY_RULE(endian == ENDIAN_TAG, c, 7, "byte order, offset %u: expected %08x, found %08x", AT_ENDIAN,
             ENDIAN_TAG, endian);
    TRY_RULE(major == VERSION_MAJOR, c, 5, "major version, offset %u: expected %u, found %u%s", AT_MAJOR,
             VERSION_MAJOR, major, major > VERSION_MAJOR ? ": made by a newer Mezzavoce" : "");
    return MZV_OK;
}

/* The counts decide the length of the header, which decides how much is read next. */
static mzv_status check_lengths(mzv_container_in *c, const uint8_t *p) {
    const uint64_t header_bytes = mzv_load_le64(p + AT_HEADER_BYTES),
                   file_bytes = mzv_load_le64(p + AT_FILE_BYTES);
    const uint32_t n_fields = mzv_load_le32(p + AT_N_FIELDS), n_sections = mzv_load_le32(p + AT_N_SECTIONS);
    const uint64_t n_chunks = mzv_load_le64(p + AT_N_CHUNKS), chunk_bytes = mzv_load_le64(p + AT_CHUNK_BYTES);
    size_t expected = 0;
    TRY_RULE(n_fields <= FIELDS_MAX, c, 12, "field count, offset %u: expected at most %u, found %u",
             AT_N_FIELDS, FIELDS_MAX, n_fields);
    TRY_RULE(n_sections <= SECTIONS_MAX, c, 12, "section count, offset %u: expected at most %u, found %u",
             AT_N_SECTIONS, SECTIONS_MAX, n_sections);
    TRY_RULE(mzv_container_header_bytes(&expected, n_fields, n_sections, n_chunks), c, 9,
             "chunk count, offset %u: expected a header of at most %zu bytes, found %" PRIu64 " chunks",
             AT_N_CHUNKS, HEADER_BYTES_MAX, n_chunks);
    TRY_RULE(header_bytes == expected, c, 9, "header length, offset %u: expected %zu, found %" PRIu64,
             AT_HEADER_BYTES, expected, header_bytes);
    TRY_RULE(file_bytes == c->file.n_bytes, c, 11,
             "file length, offset %u: header says %" PRIu64 ", found %" PRIu64 " bytes%s", AT_FILE_BYTES,
             file_bytes, c->file.n_bytes, c->file.n_bytes < file_bytes ? ": truncated" : ": trailing bytes");
    TRY_RULE(header_bytes <= file_bytes, c, 9,
             "header length, offset %u: expected at most the file's %" PRIu64 ", found %" PRIu64,
             AT_HEADER_BYTES, file_bytes, header_bytes);
    TRY_RULE(chunk_bytes == MZV_CHUNK_BYTES, c, 8, "chunk length, offset %u: expected %zu, found %" PRIu64,
             AT_CHUNK_BYTES, MZV_CHUNK_BYTES, chunk_bytes);
    c->header_bytes = expected;
    c->n_fields = n_fields;
    c->n_sections = n_sections;
    c->n_chunks = n_chunks;
    return MZV_OK;
}

mzv_status mzv_container_check_prefix(mzv_container_in *c) {
    uint8_t p[PREFIX_BYTES] = { 0 };
    const size_t n = c->file.n_bytes < PREFIX_BYTES ? (size_t)c->file.n_bytes : PREFIX_BYTES;
    TRY_RULE(n > 0, c, 1, "expected a Mezzavoce container, found an empty file");
    MZV_TRY(mzv_file_read_at(&c->file, 0, p, n));
    MZV_TRY(check_magic(c, p, n));
    MZV_TRY(check_version(c, p));
    return check_lengths(c, p);
}

/* ---- the header ---- */

static bool all_zero(const uint8_t *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (p[i]) return false;
    return true;
}

static mzv_status check_sum(mzv_container_in *c) {
    const size_t n = c->header_bytes - MZV_SHA256_BYTES;
    uint8_t sum[MZV_SHA256_BYTES] = { 0 };
    char expected[2 * MZV_ID_BYTES + 1], found[2 * MZV_ID_BYTES + 1];
    MZV_TRY(mzv_sha256(sum, c->header, n));
    mzv_hex(expected, c->header + n, MZV_ID_BYTES);
    mzv_hex(found, sum, MZV_ID_BYTES);
    TRY_RULE(memcmp(sum, c->header + n, sizeof sum) == 0, c, 10,
             "header checksum, offset %zu: expected %s..., found %s...", n, expected, found);
    memcpy(c->id, sum, MZV_ID_BYTES);
    return MZV_OK;
}

static mzv_status check_flags(mzv_container_in *c) {
    const uint8_t *h = c->header;
    const uint32_t flags = mzv_load_le32(h + AT_FLAGS);
    const size_t used = PREFIX_BYTES + (size_t)(c->n_fields + c->n_sections) * ENTRY_BYTES +
                        (size_t)c->n_chunks * MZV_SHA256_BYTES;
    TRY_RULE((flags & ~FLAG_INSECURE) == 0, c, 6,
             "features, offset %u: expected none beyond 00000001, found %08x", AT_FLAGS, flags);
    TRY_RULE(all_zero(h + AT_RESERVED, PREFIX_BYTES - AT_RESERVED), c, 8,
             "reserved bytes, offset %u: expected zeros", AT_RESERVED);
    TRY_RULE(all_zero(h + used, c->header_bytes - MZV_SHA256_BYTES - used), c, 8,
             "reserved bytes, offset %zu: expected zeros", used);
    c->head.insecure_toy = (flags & FLAG_INSECURE) != 0;
    memcpy(c->head.params_id, h + AT_PARAMS_ID, MZV_ID_BYTES);
    memcpy(c->head.key_id, h + AT_KEY_ID, MZV_ID_BYTES);
    memcpy(c->head.model_id, h + AT_MODEL_ID, MZV_ID_BYTES);
    return MZV_OK;
}

static mzv_status check_kind(mzv_container_in *c, const mzv_schema *schema) {
    const uint32_t kind = mzv_load_le32(c->header + AT_KIND);
    const char *name = kind < MZV_KIND_END ? mzv_kind_name((mzv_kind)kind) : NULL;
    TRY_RULE(name, c, 30, "kind, offset %u: expected 1 to %u, found %u", AT_KIND, MZV_KIND_END - 1, kind);
    c->head.kind = (mzv_kind)kind;
    if (!schema || schema->kind == c->head.kind) return MZV_OK;
    const char *wanted = mzv_kind_name(schema->kind);
    TRY_RULE(c->head.kind != MZV_KIND_SECRET, c, 31,
             "kind, offset %u: expected %s, found a secret key: never give it away", AT_KIND, wanted);
    return mzv_container_fail(c, 30, "kind, offset %u: expected %s, found %s", AT_KIND, wanted, name);
}

/* The name of entry i of fields or sections, once it is known to be one. */
static mzv_status check_name(const mzv_container_in *c, const uint8_t *entry, const char *what, uint32_t i) {
    return mzv_container_name_valid((const char *)entry)
               ? MZV_OK
               : mzv_container_fail(c, 29, "%s %u, offset %zu: expected a name of 1 to 15 of a-z 0-9 _", what,
                                    i, (size_t)(entry - c->header));
}

static mzv_status check_field(const mzv_container_in *c, uint32_t i) {
    const uint8_t *e = mzv_container_field_entry(c, i);
    const size_t at = (size_t)(e - c->header);
    MZV_TRY(check_name(c, e, "field", i));
    const char *name = (const char *)e;
    const uint32_t type = mzv_load_le32(e + FIELD_AT_TYPE), n = mzv_load_le32(e + FIELD_AT_BYTES);
    const uint32_t flags = mzv_load_le32(e + FIELD_AT_FLAGS);
    TRY_RULE(type >= MZV_FIELD_U64 && type <= MZV_FIELD_BYTES, c, 19,
             "field %s, offset %zu: expected type 1 to 3, found %u", name, at + FIELD_AT_TYPE, type);
    const bool fits = type == MZV_FIELD_BYTES ? n >= 1 && n <= MZV_FIELD_BYTES_MAX : n == 8;
    TRY_RULE(fits, c, 9, "field %s, offset %zu: expected %s bytes, found %u", name, at + FIELD_AT_BYTES,
             type == MZV_FIELD_BYTES ? "1 to 32" : "8", n);
    TRY_RULE((flags & ~ENTRY_OPTIONAL) == 0, c, 8, "field %s, offset %zu: expected flags 0 or 1, found %08x",
             name, at + FIELD_AT_FLAGS, flags);
    TRY_RULE(all_zero(e + FIELD_AT_RESERVED, 4) && all_zero(e + FIELD_AT_VALUE + n, MZV_FIELD_BYTES_MAX - n),
             c, 8, "field %s, offset %zu: expected zeros in reserved bytes", name, at);
    for (uint32_t j = 0; j < i; j++)
        TRY_RULE(memcmp(mzv_container_field_entry(c, j), e, NAME_BYTES) != 0, c, 17,
                 "field %s, offset %zu: a duplicate", name, at);
    return MZV_OK;
}

/* Sections lie in the order of the table, each where the one before ends, rounded up. */
static mzv_status check_place(const mzv_container_in *c, const mzv_section *s, size_t at,
                              uint64_t previous_end) {
    size_t expected = 0, end = 0;
    TRY_RULE(s->n_bytes > 0, c, 21, "section %s[%u], offset %zu: expected bytes, found length 0", s->name,
             s->index, at + SECTION_AT_BYTES);
    TRY_RULE(mzv_size_add(&end, s->offset, s->n_bytes), c, 13,
             "section %s[%u], offset %zu: expected an end below 2^64, found %" PRIu64 " + %" PRIu64, s->name,
             s->index, at + SECTION_AT_OFFSET, s->offset, s->n_bytes);
    TRY_RULE(end <= c->file.n_bytes, c, 14,
             "section %s[%u], offset %zu: expected an end within %" PRIu64 " bytes, found %zu", s->name,
             s->index, at + SECTION_AT_OFFSET, c->file.n_bytes, end);
    TRY_RULE(s->offset >= previous_end, c, 15,
             "section %s[%u], offset %zu: expected a start from %" PRIu64 " on, found %" PRIu64 ": overlap",
             s->name, s->index, at + SECTION_AT_OFFSET, previous_end, s->offset);
    const bool placed =
        mzv_size_round_up(&expected, (size_t)previous_end, MZV_SECTION_ALIGN) && s->offset == expected;
    TRY_RULE(placed, c, 16,
             "section %s[%u], offset %zu: expected a start at %zu, found %" PRIu64 ": hole or misaligned",
             s->name, s->index, at + SECTION_AT_OFFSET, expected, s->offset);
    return MZV_OK;
}

static mzv_status check_gap(const mzv_container_in *c, const mzv_section *s, uint64_t from) {
    uint8_t gap[MZV_SECTION_ALIGN] = { 0 };
    MZV_TRY(mzv_file_read_at(&c->file, from, gap, (size_t)(s->offset - from)));
    TRY_RULE(all_zero(gap, (size_t)(s->offset - from)), c, 16,
             "before section %s[%u], offset %" PRIu64 ": expected zeros", s->name, s->index, from);
    return MZV_OK;
}

static mzv_status check_section(mzv_container_in *c, uint32_t i, uint64_t previous_end,
                                uint64_t first_chunk) {
    const uint8_t *e = mzv_container_section_entry(c, i);
    const size_t at = (size_t)(e - c->header);
    mzv_section *s = &c->sections[i];
    MZV_TRY(check_name(c, e, "section", i));
    memcpy(s->name, e, NAME_BYTES);
    s->index = mzv_load_le32(e + SECTION_AT_INDEX);
    s->offset = mzv_load_le64(e + SECTION_AT_OFFSET);
    s->n_bytes = mzv_load_le64(e + SECTION_AT_BYTES);
    const uint32_t flags = mzv_load_le32(e + SECTION_AT_FLAGS);
    const uint64_t chunk = mzv_load_le64(e + SECTION_AT_CHUNK);
    TRY_RULE((flags & ~ENTRY_OPTIONAL) == 0 &&
                 all_zero(e + SECTION_AT_RESERVED, ENTRY_BYTES - SECTION_AT_RESERVED),
             c, 8, "section %s[%u], offset %zu: expected zeros in reserved bytes and flags", s->name,
             s->index, at);
    MZV_TRY(check_place(c, s, at, previous_end));
    TRY_RULE(chunk == first_chunk && mzv_container_chunks(s->n_bytes) <= c->n_chunks - chunk, c, 20,
             "section %s[%u], offset %zu: expected %" PRIu64 " checksums from %" PRIu64 " on, found %" PRIu64
             " of %" PRIu64,
             s->name, s->index, at + SECTION_AT_CHUNK, mzv_container_chunks(s->n_bytes), first_chunk, chunk,
             c->n_chunks);
    return check_gap(c, s, previous_end);
}

/* Sections of one name stand together and are numbered 0, 1, 2 ... */
static mzv_status check_number(const mzv_container_in *c, uint32_t i) {
    const mzv_section *s = &c->sections[i];
    uint32_t n_before = 0;
    for (uint32_t j = 0; j < i; j++) {
        if (strcmp(c->sections[j].name, s->name) != 0) continue;
        TRY_RULE(c->sections[j].index != s->index, c, 17,
                 "section %s[%u], table entry %u: a duplicate of entry %u", s->name, s->index, i, j);
        n_before++;
    }
    TRY_RULE(s->index == n_before, c, 18, "section %s, table entry %u: expected index %u, found %u", s->name,
             i, n_before, s->index);
    return MZV_OK;
}

static mzv_status check_sections(mzv_container_in *c) {
    uint64_t end = c->header_bytes, chunk = 0;
    for (uint32_t i = 0; i < c->n_sections; i++) {
        MZV_TRY(check_section(c, i, end, chunk));
        MZV_TRY(check_number(c, i));
        end = c->sections[i].offset + c->sections[i].n_bytes;
        chunk += mzv_container_chunks(c->sections[i].n_bytes);
    }
    TRY_RULE(end == c->file.n_bytes, c, 11,
             "end of sections: expected %" PRIu64 ", found %" PRIu64 " bytes: trailing bytes", end,
             c->file.n_bytes);
    TRY_RULE(chunk == c->n_chunks, c, 20, "chunk count, offset %u: expected %" PRIu64 ", found %" PRIu64,
             AT_N_CHUNKS, chunk, c->n_chunks);
    return MZV_OK;
}

/* ---- against the schema and the session ---- */

static bool in_list(const char *const *list, const char *name) {
    while (*list && strcmp(*list, name) != 0) list++;
    return *list != NULL;
}

static mzv_status check_schema(const mzv_container_in *c, const mzv_schema *schema) {
    for (uint32_t i = 0; i < c->n_fields; i++) {
        const uint8_t *e = mzv_container_field_entry(c, i);
        const bool known =
            (mzv_load_le32(e + FIELD_AT_FLAGS) & ENTRY_OPTIONAL) || in_list(schema->fields, (const char *)e);
        TRY_RULE(known, c, 19, "field %s: expected no such field in a file of %s", (const char *)e,
                 mzv_kind_name(schema->kind));
    }
    for (const char *const *name = schema->fields; *name; name++)
        TRY_RULE(mzv_container_has(c, *name), c, 18, "field %s: expected, found none", *name);
    for (uint32_t i = 0; i < c->n_sections; i++) {
        const mzv_section_rule *rule = schema->sections;
        while (rule->name && strcmp(rule->name, c->sections[i].name) != 0) rule++;
        const bool optional =
            mzv_load_le32(mzv_container_section_entry(c, i) + SECTION_AT_FLAGS) & ENTRY_OPTIONAL;
        TRY_RULE(rule->name || optional, c, 19, "section %s: expected no such section in a file of %s",
                 c->sections[i].name, mzv_kind_name(schema->kind));
    }
    for (const mzv_section_rule *rule = schema->sections; rule->name; rule++) {
        const uint32_t n = mzv_container_count(c, rule->name);
        TRY_RULE(n >= rule->n_min, c, 18, "section %s: expected %u or more, found %u", rule->name,
                 rule->n_min, n);
        TRY_RULE(n <= rule->n_max, c, 12, "section %s: expected at most %u, found %u", rule->name,
                 rule->n_max, n);
    }
    return MZV_OK;
}

static mzv_status check_id(const mzv_container_in *c, uint32_t rule, const char *what,
                           const uint8_t *expected, const uint8_t *found) {
    char a[2 * MZV_ID_BYTES + 1], b[2 * MZV_ID_BYTES + 1];
    if (!expected || memcmp(expected, found, MZV_ID_BYTES) == 0) return MZV_OK;
    mzv_hex(a, expected, MZV_ID_BYTES);
    mzv_hex(b, found, MZV_ID_BYTES);
    return mzv_container_fail(c, rule, "id of %s: expected %s, found %s", what, a, b);
}

static mzv_status check_expected(const mzv_container_in *c, const mzv_expect *expect) {
    const mzv_container_head *head = &c->head;
    TRY_RULE(expect->allow_insecure || !head->insecure_toy, c, 32,
             "features, offset %u: made under an insecure toy set; pass --insecure-toy to accept it",
             AT_FLAGS);
    MZV_TRY(check_id(c, 33, "the parameters", expect->params_id, head->params_id));
    MZV_TRY(check_id(c, 34, "the key", expect->key_id, head->key_id));
    return check_id(c, 35, "the model", expect->model_id, head->model_id);
}

mzv_status mzv_container_check_header(mzv_container_in *c, const mzv_schema *schema,
                                      const mzv_expect *expect) {
    MZV_TRY(check_sum(c));
    MZV_TRY(check_flags(c));
    MZV_TRY(check_kind(c, schema));
    for (uint32_t i = 0; i < c->n_fields; i++) MZV_TRY(check_field(c, i));
    MZV_TRY(check_sections(c));
    if (schema) MZV_TRY(check_schema(c, schema));
    return expect ? check_expected(c, expect) : MZV_OK;
}
