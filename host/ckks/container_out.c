/* Writing containers: declarations first, then the sections as one stream; the header, whose checksums are
 * known last, is written over its place at the end. */
#include <string.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/try.h"
#include "ckks/container_format.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are written as they lie in memory");

struct mzv_container_out {
    mzv_file_out file;
    mzv_container_head head;
    mzv_field fields[FIELDS_MAX];
    mzv_section sections[SECTIONS_MAX];
    uint32_t n_fields, n_sections;
    uint8_t *header; /* made by the first write */
    size_t header_bytes;
    uint32_t current;  /* section being written */
    uint64_t at;       /* bytes of it written */
    uint8_t *checksum; /* where that of the current chunk goes */
    mzv_sha256_stream sha;
};

bool mzv_container_name_valid(const char name[NAME_BYTES]) {
    uint32_t n = 0;
    while (n < NAME_BYTES &&
           ((name[n] >= 'a' && name[n] <= 'z') || (name[n] >= '0' && name[n] <= '9') || name[n] == '_'))
        n++;
    if (n == 0 || n == NAME_BYTES) return false;
    while (n < NAME_BYTES && name[n] == '\0') n++;
    return n == NAME_BYTES;
}

bool mzv_container_header_bytes(size_t *out, uint64_t n_fields, uint64_t n_sections, uint64_t n_chunks) {
    if (n_fields > FIELDS_MAX || n_sections > SECTIONS_MAX || n_chunks > HEADER_BYTES_MAX / MZV_SHA256_BYTES)
        return false;
    size_t n =
        PREFIX_BYTES + (size_t)(n_fields + n_sections) * ENTRY_BYTES + (size_t)n_chunks * MZV_SHA256_BYTES;
    n = (n + MZV_SHA256_BYTES + MZV_SECTION_ALIGN - 1) / MZV_SECTION_ALIGN * MZV_SECTION_ALIGN;
    if (n > HEADER_BYTES_MAX) return false;
    *out = n;
    return true;
}

const char *mzv_kind_name(mzv_kind kind) {
    static const char *const names[MZV_KIND_END] = {
        [MZV_KIND_PARAMS] = "parameters",        [MZV_KIND_SECRET] = "secret key",
        [MZV_KIND_PUBLIC] = "public key",        [MZV_KIND_KEYS] = "evaluation keys",
        [MZV_KIND_CIPHER] = "ciphertext",        [MZV_KIND_PLAN] = "plan",
        [MZV_KIND_RANGES] = "calibrated ranges",
    };
    return (unsigned)kind < MZV_KIND_END ? names[kind] : NULL;
}

mzv_status mzv_container_create(mzv_container_out **out, const char *path, const mzv_container_head *head) {
    mzv_container_out *c = NULL;
    if (!mzv_kind_name(head->kind))
        return mzv_fail(MZV_ERR_ARGUMENT, "container: kind %d is unknown", (int)head->kind);
    MZV_TRY(MZV_NEW(&c, 1, "container"));
    const mzv_status status = mzv_file_create(&c->file, path, head->kind == MZV_KIND_SECRET);
    if (status != MZV_OK) {
        mzv_free(c);
        return status;
    }
    c->head = *head;
    *out = c;
    return MZV_OK;
}

static mzv_status copy_name(mzv_container_out *c, char out[NAME_BYTES], const char *name) {
    char copy[NAME_BYTES] = { 0 };
    const size_t n = strlen(name);
    if (n < NAME_BYTES) memcpy(copy, name, n);
    if (!mzv_container_name_valid(copy))
        return mzv_fail(MZV_ERR_ARGUMENT, "container: name \"%s\": need 1 to 15 of a-z 0-9 _", name);
    if (c->header)
        return mzv_fail(MZV_ERR_ARGUMENT, "container: \"%s\" declared after the first write", name);
    memcpy(out, copy, NAME_BYTES);
    return MZV_OK;
}

static mzv_status put(mzv_container_out *c, const char *name, mzv_field_type type, const void *value,
                      uint32_t n) {
    mzv_field field = { .type = type, .n_bytes = n };
    MZV_TRY(copy_name(c, field.name, name));
    if (c->n_fields == FIELDS_MAX || n == 0 || n > MZV_FIELD_BYTES_MAX)
        return mzv_fail(MZV_ERR_ARGUMENT,
                        "container: field %u \"%s\" of %u bytes: need at most %u fields of 1 to %u",
                        c->n_fields, name, n, FIELDS_MAX, MZV_FIELD_BYTES_MAX);
    for (uint32_t i = 0; i < c->n_fields; i++)
        if (strcmp(c->fields[i].name, name) == 0)
            return mzv_fail(MZV_ERR_ARGUMENT, "container: field \"%s\" twice", name);
    memcpy(field.value, value, n);
    c->fields[c->n_fields++] = field;
    return MZV_OK;
}

mzv_status mzv_container_put_u64(mzv_container_out *c, const char *name, uint64_t value) {
    return put(c, name, MZV_FIELD_U64, &value, sizeof value);
}

mzv_status mzv_container_put_f64(mzv_container_out *c, const char *name, double value) {
    return put(c, name, MZV_FIELD_F64, &value, sizeof value);
}

mzv_status mzv_container_put_bytes(mzv_container_out *c, const char *name, const void *bytes, uint32_t n) {
    return put(c, name, MZV_FIELD_BYTES, bytes, n);
}

mzv_status mzv_container_add(mzv_container_out *c, const char *name, uint32_t index, uint64_t n_bytes) {
    mzv_section section = { .index = index, .n_bytes = n_bytes };
    MZV_TRY(copy_name(c, section.name, name));
    if (c->n_sections == SECTIONS_MAX || n_bytes == 0)
        return mzv_fail(MZV_ERR_ARGUMENT,
                        "container: section %u \"%s\" of %llu bytes: need at most %u sections, none empty",
                        c->n_sections, name, (unsigned long long)n_bytes, SECTIONS_MAX);
    c->sections[c->n_sections++] = section;
    return MZV_OK;
}

/* ---- layout ---- */

/* Places the sections; says how many chunks they have and where the file ends. */
static mzv_status lay_out(mzv_container_out *c, uint64_t *n_chunks, uint64_t *file_bytes) {
    uint64_t chunks = 0;
    for (uint32_t i = 0; i < c->n_sections; i++) chunks += mzv_container_chunks(c->sections[i].n_bytes);
    if (!mzv_container_header_bytes(&c->header_bytes, c->n_fields, c->n_sections, chunks))
        return mzv_fail(MZV_ERR_ARGUMENT,
                        "container: a header of %u fields, %u sections, %llu chunks is above %zu bytes",
                        c->n_fields, c->n_sections, (unsigned long long)chunks, HEADER_BYTES_MAX);
    size_t at = c->header_bytes;
    for (uint32_t i = 0; i < c->n_sections; i++) {
        if (!mzv_size_round_up(&at, at, MZV_SECTION_ALIGN))
            return mzv_fail(MZV_ERR_ARGUMENT, "container: 2^64 bytes");
        c->sections[i].offset = at;
        if (!mzv_size_add(&at, at, c->sections[i].n_bytes))
            return mzv_fail(MZV_ERR_ARGUMENT, "container: 2^64 bytes");
    }
    *n_chunks = chunks;
    *file_bytes = at;
    return MZV_OK;
}

static void fill_prefix(mzv_container_out *c, uint64_t n_chunks, uint64_t file_bytes) {
    uint8_t *h = c->header;
    memcpy(h, MAGIC, MAGIC_BYTES);
    mzv_store_le16(h + AT_MAJOR, VERSION_MAJOR);
    mzv_store_le16(h + AT_MINOR, VERSION_MINOR);
    mzv_store_le32(h + AT_ENDIAN, ENDIAN_TAG);
    mzv_store_le64(h + AT_HEADER_BYTES, c->header_bytes);
    mzv_store_le64(h + AT_FILE_BYTES, file_bytes);
    mzv_store_le32(h + AT_KIND, (uint32_t)c->head.kind);
    mzv_store_le32(h + AT_FLAGS, c->head.insecure_toy ? FLAG_INSECURE : 0);
    memcpy(h + AT_PARAMS_ID, c->head.params_id, MZV_ID_BYTES);
    memcpy(h + AT_KEY_ID, c->head.key_id, MZV_ID_BYTES);
    memcpy(h + AT_MODEL_ID, c->head.model_id, MZV_ID_BYTES);
    mzv_store_le32(h + AT_N_FIELDS, c->n_fields);
    mzv_store_le32(h + AT_N_SECTIONS, c->n_sections);
    mzv_store_le64(h + AT_N_CHUNKS, n_chunks);
    mzv_store_le64(h + AT_CHUNK_BYTES, MZV_CHUNK_BYTES);
}

static void fill_entries(mzv_container_out *c) {
    uint8_t *e = c->header + PREFIX_BYTES;
    uint64_t chunk = 0;
    for (uint32_t i = 0; i < c->n_fields; i++, e += ENTRY_BYTES) {
        memcpy(e, c->fields[i].name, NAME_BYTES);
        mzv_store_le32(e + FIELD_AT_TYPE, (uint32_t)c->fields[i].type);
        mzv_store_le32(e + FIELD_AT_BYTES, c->fields[i].n_bytes);
        memcpy(e + FIELD_AT_VALUE, c->fields[i].value, MZV_FIELD_BYTES_MAX);
    }
    for (uint32_t i = 0; i < c->n_sections; i++, e += ENTRY_BYTES) {
        memcpy(e, c->sections[i].name, NAME_BYTES);
        mzv_store_le32(e + SECTION_AT_INDEX, c->sections[i].index);
        mzv_store_le64(e + SECTION_AT_OFFSET, c->sections[i].offset);
        mzv_store_le64(e + SECTION_AT_BYTES, c->sections[i].n_bytes);
        mzv_store_le64(e + SECTION_AT_CHUNK, chunk);
        chunk += mzv_container_chunks(c->sections[i].n_bytes);
    }
    c->checksum = e;
}

/* Fixes the layout and keeps room for the header in the file. */
static mzv_status freeze(mzv_container_out *c) {
    uint64_t n_chunks = 0, file_bytes = 0;
    MZV_TRY(lay_out(c, &n_chunks, &file_bytes));
    MZV_TRY(mzv_alloc((void **)&c->header, c->header_bytes, 1, "container header"));
    MZV_TRY(mzv_file_append(&c->file, c->header, c->header_bytes));
    fill_prefix(c, n_chunks, file_bytes);
    fill_entries(c);
    return MZV_OK;
}

/* ---- the stream ---- */

static mzv_status pad_to(mzv_container_out *c, uint64_t offset) {
    static const uint8_t zeros[MZV_SECTION_ALIGN];
    return mzv_file_append(&c->file, zeros, (size_t)(offset - c->file.at));
}

/* n bytes that lie within one chunk of the current section. */
static mzv_status write_piece(mzv_container_out *c, const void *bytes, size_t n) {
    const mzv_section *section = &c->sections[c->current];
    if (c->at == 0) MZV_TRY(pad_to(c, section->offset));
    if (!c->sha.context) MZV_TRY(mzv_sha256_open(&c->sha));
    MZV_TRY(mzv_sha256_update(&c->sha, bytes, n));
    MZV_TRY(mzv_file_append(&c->file, bytes, n));
    c->at += n;
    if (c->at % MZV_CHUNK_BYTES == 0 || c->at == section->n_bytes) {
        MZV_TRY(mzv_sha256_finish(&c->sha, c->checksum));
        c->checksum += MZV_SHA256_BYTES;
    }
    if (c->at == section->n_bytes) {
        c->current++;
        c->at = 0;
    }
    return MZV_OK;
}

mzv_status mzv_container_write(mzv_container_out *c, const void *bytes, size_t n) {
    if (!c->header) MZV_TRY(freeze(c));
    const uint64_t left = c->current < c->n_sections ? c->sections[c->current].n_bytes - c->at : 0;
    if (n > left)
        return mzv_fail(MZV_ERR_ARGUMENT,
                        "container: %zu bytes for section %u of %u, which has room for %llu", n, c->current,
                        c->n_sections, (unsigned long long)left);
    for (size_t done = 0; done < n;) {
        const size_t room = MZV_CHUNK_BYTES - (size_t)(c->at % MZV_CHUNK_BYTES);
        const size_t piece = n - done < room ? n - done : room;
        MZV_TRY(write_piece(c, (const uint8_t *)bytes + done, piece));
        done += piece;
    }
    return MZV_OK;
}

mzv_status mzv_container_write_words(mzv_container_out *c, const uint64_t *words, size_t n) {
    size_t n_bytes = 0;
    if (!mzv_size_mul(&n_bytes, n, sizeof *words))
        return mzv_fail(MZV_ERR_ARGUMENT, "container: %zu words", n);
    return mzv_container_write(c, words, n_bytes);
}

static mzv_status finish(mzv_container_out *c) {
    if (!c->header) MZV_TRY(freeze(c));
    if (c->current != c->n_sections)
        return mzv_fail(MZV_ERR_ARGUMENT, "container: %u of %u sections are full", c->current, c->n_sections);
    uint8_t *checksum = c->header + c->header_bytes - MZV_SHA256_BYTES;
    MZV_TRY(mzv_sha256(checksum, c->header, c->header_bytes - MZV_SHA256_BYTES));
    MZV_TRY(mzv_file_patch(&c->file, 0, c->header, c->header_bytes));
    return mzv_file_commit(&c->file);
}

mzv_status mzv_container_commit(mzv_container_out *c) {
    const mzv_status status = finish(c);
    mzv_container_discard(c);
    return status;
}

void mzv_container_discard(mzv_container_out *c) {
    if (!c) return;
    mzv_file_discard(&c->file);
    mzv_sha256_close(&c->sha);
    mzv_free(c->header);
    mzv_free(c);
}
