/* The file container of every object (docs/container.md): a header of small typed fields and a table of
 * sections, then the sections. Written as a stream under a temporary name; read as a stream, every byte
 * checked before it is handed out, every declared size before anything is allocated for it.
 *
 * Every refusal is one line "PATH: rule NN: section ..., offset ..., expected ..., found ...",
 * MZV_ERR_FORMAT; MZV_ERR_MISMATCH for objects of other parameters, keys or models; MZV_ERR_PARAMS for
 * insecure ones. */
#ifndef MZV_CONTAINER_H
#define MZV_CONTAINER_H
#include "mzv/params.h"
#ifdef __cplusplus
extern "C" {
#endif

#define MZV_CHUNK_BYTES ((size_t)4 << 20) /* unit of the section checksums */
#define MZV_SECTION_ALIGN 64
#define MZV_FIELD_BYTES_MAX 32

typedef enum mzv_kind {
    MZV_KIND_PARAMS = 1,
    MZV_KIND_SECRET,
    MZV_KIND_PUBLIC,
    MZV_KIND_KEYS,
    MZV_KIND_CIPHER,
    MZV_KIND_PLAN,
    MZV_KIND_RANGES,
    MZV_KIND_END
} mzv_kind;

const char *mzv_kind_name(mzv_kind kind); /* "ciphertext", ...; NULL outside the list */

/* What a file is and what it belongs to. An id of zeros: does not apply. */
typedef struct mzv_container_head {
    mzv_kind kind;
    bool insecure_toy;
    uint8_t params_id[MZV_ID_BYTES], key_id[MZV_ID_BYTES], model_id[MZV_ID_BYTES];
} mzv_container_head;

/* Writing: create; put fields and declare sections, in any order; write the bytes of all sections in the
 * order of their declaration; commit. Names: 1 to 15 of a-z 0-9 _. Files of kind SECRET are readable by their
 * owner only. On any error the caller discards; nothing is left behind. */
typedef struct mzv_container_out mzv_container_out;

mzv_status mzv_container_create(mzv_container_out **out, const char *path,
                                const mzv_container_head *head) MZV_MUST_CHECK;
mzv_status mzv_container_put_u64(mzv_container_out *c, const char *name, uint64_t value) MZV_MUST_CHECK;
mzv_status mzv_container_put_f64(mzv_container_out *c, const char *name, double value) MZV_MUST_CHECK;
mzv_status mzv_container_put_bytes(mzv_container_out *c, const char *name, const void *bytes,
                                   uint32_t n) MZV_MUST_CHECK; /* n <= 32: ids, seeds */
/* Section `index` (0, 1, ... within a name) of n_bytes > 0. */
mzv_status mzv_container_add(mzv_container_out *c, const char *name, uint32_t index,
                             uint64_t n_bytes) MZV_MUST_CHECK;
/* The next bytes (or little-endian words) of the current section; the next section begins when it is full. */
mzv_status mzv_container_write(mzv_container_out *c, const void *bytes, size_t n) MZV_MUST_CHECK;
mzv_status mzv_container_write_words(mzv_container_out *c, const uint64_t *words, size_t n) MZV_MUST_CHECK;
/* Fails unless every section is full. Destroys c whether it succeeds or not. */
mzv_status mzv_container_commit(mzv_container_out *c) MZV_MUST_CHECK;
void mzv_container_discard(mzv_container_out *c); /* NULL is allowed */

/* What a reader accepts: one kind, these fields, these sections. */
typedef struct mzv_section_rule {
    const char *name;
    uint32_t n_min, n_max; /* how many sections of that name */
} mzv_section_rule;

typedef struct mzv_schema {
    mzv_kind kind;
    const char *const *fields;        /* ends with NULL */
    const mzv_section_rule *sections; /* ends with name NULL */
} mzv_schema;

/* What the session holds: NULL ids are not compared. */
typedef struct mzv_expect {
    const uint8_t *params_id, *key_id, *model_id;
    bool allow_insecure;
} mzv_expect;

typedef struct mzv_container_in mzv_container_in;

/* Checks the whole header against the file, the schema and `expect`. A NULL schema accepts any kind (for
 * `inspect`). */
mzv_status mzv_container_open(mzv_container_in **out, const char *path, const mzv_schema *schema,
                              const mzv_expect *expect) MZV_MUST_CHECK;
void mzv_container_close(mzv_container_in *c); /* NULL is allowed */

const mzv_container_head *mzv_container_head_of(const mzv_container_in *c);
/* SHA-256 over the header, hence over everything the file says; first 16 bytes. */
const uint8_t *mzv_container_id(const mzv_container_in *c);
const char *mzv_container_path(const mzv_container_in *c);

/* Fields. Missing, of another type, or outside [low, high]: MZV_ERR_FORMAT. f64 must be finite. */
mzv_status mzv_container_get_u64(const mzv_container_in *c, const char *name, uint64_t low, uint64_t high,
                                 uint64_t *out) MZV_MUST_CHECK;
mzv_status mzv_container_get_u32(const mzv_container_in *c, const char *name, uint32_t low, uint32_t high,
                                 uint32_t *out) MZV_MUST_CHECK;
mzv_status mzv_container_get_f64(const mzv_container_in *c, const char *name, double low, double high,
                                 double *out) MZV_MUST_CHECK;
mzv_status mzv_container_get_bytes(const mzv_container_in *c, const char *name, void *out,
                                   uint32_t n) MZV_MUST_CHECK;
bool mzv_container_has(const mzv_container_in *c, const char *name); /* a field of that name */

/* Sections. */
uint32_t mzv_container_count(const mzv_container_in *c, const char *name);
/* Goes to the start of a section, which must have exactly n_bytes. Call it before allocating for the section.
 */
mzv_status mzv_container_section(mzv_container_in *c, const char *name, uint32_t index,
                                 uint64_t n_bytes) MZV_MUST_CHECK;
/* The next n bytes (or words) of that section, verified. */
mzv_status mzv_container_read(mzv_container_in *c, void *out, size_t n) MZV_MUST_CHECK;
mzv_status mzv_container_read_words(mzv_container_in *c, uint64_t *out, size_t n) MZV_MUST_CHECK;
/* The next n words, each below `prime`: one row of a polynomial. Rule 55 otherwise. */
mzv_status mzv_container_read_row(mzv_container_in *c, uint64_t *out, size_t n,
                                  uint64_t prime) MZV_MUST_CHECK;
/* MZV_ERR_MEMORY (rule 26) where `bytes` is more than the machine has left. */
mzv_status mzv_container_need(const mzv_container_in *c, uint64_t bytes) MZV_MUST_CHECK;
/* Reads and verifies every section to the end (for `inspect` and `doctor`). */
mzv_status mzv_container_verify(mzv_container_in *c) MZV_MUST_CHECK;
/* A refusal in the words of this file, for rules that the caller checks: mzv_container_fail(c, 58, ...). */
mzv_status mzv_container_fail(const mzv_container_in *c, uint32_t rule, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What stands in the file, for `inspect`: entry i, false past the last. */
typedef enum mzv_field_type { MZV_FIELD_U64 = 1, MZV_FIELD_F64, MZV_FIELD_BYTES } mzv_field_type;

typedef struct mzv_field {
    char name[16];
    mzv_field_type type;
    uint32_t n_bytes;
    uint8_t value[MZV_FIELD_BYTES_MAX]; /* little-endian */
} mzv_field;

typedef struct mzv_section {
    char name[16];
    uint32_t index;
    uint64_t offset, n_bytes;
} mzv_section;

bool mzv_container_field_at(const mzv_container_in *c, uint32_t i, mzv_field *out);
bool mzv_container_section_at(const mzv_container_in *c, uint32_t i, mzv_section *out);

#ifdef __cplusplus
}
#endif
#endif
