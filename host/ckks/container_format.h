/* Numbers of the container format, version 1 (docs/container.md). Only container_*.c include this.
 *
 *   | prefix 128 | fields, 64 each | section table, 64 each | chunk checksums, 32 each | zeros | SHA-256 |
 *   | section 0 | zeros to 64 | section 1 | ... | section n-1 |
 */
#ifndef MZV_CONTAINER_FORMAT_H
#define MZV_CONTAINER_FORMAT_H
#include "ckks/container.h"
#include "base/file.h"
#include "base/sha256.h"

#define MAGIC "\x89MZV\r\n\x1a\n" /* a transfer in text mode spoils it */
#define MAGIC_BYTES 8
#define VERSION_MAJOR 1
#define VERSION_MINOR 0
#define ENDIAN_TAG UINT32_C(0x01020304)
#define FLAG_INSECURE UINT32_C(1)
#define ENTRY_OPTIONAL UINT32_C(1) /* a reader that does not know the name may pass over it */
#define NAME_BYTES 16
#define PREFIX_BYTES 128
#define ENTRY_BYTES 64
#define HEADER_BYTES_MAX ((size_t)1 << 20)
#define FIELDS_MAX 64
#define SECTIONS_MAX 4096

/* Offsets in the prefix. */
enum {
    AT_MAJOR = 8,
    AT_MINOR = 10,
    AT_ENDIAN = 12,
    AT_HEADER_BYTES = 16,
    AT_FILE_BYTES = 24,
    AT_KIND = 32,
    AT_FLAGS = 36,
    AT_PARAMS_ID = 40,
    AT_KEY_ID = 56,
    AT_MODEL_ID = 72,
    AT_N_FIELDS = 88,
    AT_N_SECTIONS = 92,
    AT_N_CHUNKS = 96,
    AT_CHUNK_BYTES = 104,
    AT_RESERVED = 112
};

/* Offsets in an entry; the name comes first. */
enum {
    FIELD_AT_TYPE = 16,
    FIELD_AT_BYTES = 20,
    FIELD_AT_FLAGS = 24,
    FIELD_AT_RESERVED = 28,
    FIELD_AT_VALUE = 32,
    SECTION_AT_INDEX = 16,
    SECTION_AT_FLAGS = 20,
    SECTION_AT_OFFSET = 24,
    SECTION_AT_BYTES = 32,
    SECTION_AT_CHUNK = 40,
    SECTION_AT_RESERVED = 48
};

/* 1 to 15 of a-z 0-9 _, then zeros to 16. */
bool mzv_container_name_valid(const char name[NAME_BYTES]);
/* Bytes of a header; false where they do not fit in the cap. */
bool mzv_container_header_bytes(size_t *out, uint64_t n_fields, uint64_t n_sections, uint64_t n_chunks);
static inline uint64_t mzv_container_chunks(uint64_t n_bytes) {
    return n_bytes / MZV_CHUNK_BYTES + (n_bytes % MZV_CHUNK_BYTES != 0);
}

/* The inside of a reader. */
struct mzv_container_in {
    mzv_file_in file;
    mzv_container_head head;
    uint8_t id[MZV_ID_BYTES];
    uint8_t *header;
    size_t header_bytes;
    uint32_t n_fields, n_sections;
    uint64_t n_chunks;
    mzv_section *sections; /* as in the table, checked */
    uint32_t current;      /* section being read; n_sections: none */
    uint64_t at;           /* bytes of it handed out */
    uint8_t *chunk;        /* the verified chunk that holds byte `at`, once chunk_loaded */
    size_t chunk_capacity;
    bool chunk_loaded;
};

/* container_check.c: the rules for the header, in the order of docs/container.md. */
mzv_status mzv_container_check_prefix(mzv_container_in *c) MZV_MUST_CHECK;
mzv_status mzv_container_check_header(mzv_container_in *c, const mzv_schema *schema,
                                      const mzv_expect *expect) MZV_MUST_CHECK;
const uint8_t *mzv_container_field_entry(const mzv_container_in *c, uint32_t i);
const uint8_t *mzv_container_section_entry(const mzv_container_in *c, uint32_t i);

#endif
