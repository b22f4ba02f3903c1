/* Vocabularies of single characters. */
#include "runtime/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/arena.h"
#include "base/try.h"
#include "base/utf8.h"
#include "runtime/json_file.h"

typedef struct entry {
    uint32_t code, id;
} entry;

struct mzv_tokenizer {
    uint32_t n_ids; /* of the model */
    uint32_t n_chars;
    entry *by_code; /* n_chars, sorted */
    uint32_t *code; /* n_ids; NO_CHARACTER where an id has none */
};

#define NO_CHARACTER UINT32_MAX

static int compare_codes(const void *a, const void *b) {
    const entry *x = a, *y = b;
    return (x->code > y->code) - (x->code < y->code);
}

/* The code point of a key that is one character; NO_CHARACTER if it is more. jansson checked the UTF-8. */
static uint32_t only_character(const char *key) {
    uint32_t code = 0;
    const size_t n = strlen(key), used = mzv_utf8_next((const uint8_t *)key, n, &code);
    return used == n && n > 0 ? code : NO_CHARACTER;
}

static mzv_status add(mzv_tokenizer *t, const char *path, const char *key, const json_t *value) {
    const json_int_t id = json_is_integer(value) ? json_integer_value(value) : -1;
    const uint32_t code = only_character(key);
    const mzv_printable name = mzv_printable_name(key);
    if (id < 0 || id >= (json_int_t)t->n_ids) {
        return mzv_fail(MZV_ERR_FORMAT, "%s: rule 80: '%s': expected an integer id below %u, found %lld%s",
                        path, name.text, t->n_ids, (long long)id,
                        json_is_integer(value) ? "" : " (another type)");
    }
    if (t->code[id] != NO_CHARACTER) {
        return mzv_fail(MZV_ERR_FORMAT,
                        "%s: rule 80: '%s': expected an id of its own, found %lld a second time", path,
                        name.text, (long long)id);
    }
    t->code[id] = code;
    t->by_code[t->n_chars++] = (entry) { code, (uint32_t)id };
    return MZV_OK;
}

static bool all_single(json_t *root) {
    const char *key;
    json_t *value;
    json_object_foreach(root, key, value) {
        if (only_character(key) == NO_CHARACTER) return false;
    }
    return true;
}

static mzv_status fill(mzv_tokenizer *t, const char *path, json_t *root) {
    const char *key;
    json_t *value;
    MZV_TRY(MZV_NEW(&t->by_code, json_object_size(root), "vocabulary"));
    MZV_TRY(MZV_NEW(&t->code, t->n_ids, "vocabulary"));
    for (uint32_t i = 0; i < t->n_ids; i++) t->code[i] = NO_CHARACTER;
    json_object_foreach(root, key, value) MZV_TRY(add(t, path, key, value));
    qsort(t->by_code, t->n_chars, sizeof *t->by_code, compare_codes);
    return MZV_OK;
}

/* Takes over `root`. */
static mzv_status build(mzv_tokenizer **out, const char *path, json_t *root, uint32_t vocab_size) {
    mzv_tokenizer *t = NULL;
    mzv_status status = MZV_OK;
    if (json_object_size(root) == 0) {
        status =
            mzv_fail(MZV_ERR_FORMAT, "%s: rule 80: expected 1 to %u entries, found none", path, vocab_size);
        goto done;
    }
    if (!all_single(root)) {
        *out = NULL;
        goto done;
    }
    MZV_TRY_GOTO(MZV_NEW(&t, 1, "vocabulary"), done);
    t->n_ids = vocab_size;
    MZV_TRY_GOTO(fill(t, path, root), done);
    *out = t;
    t = NULL;
done:
    json_decref(root);
    mzv_tokenizer_destroy(t);
    return status;
}

mzv_status mzv_tokenizer_parse(mzv_tokenizer **out, const char *path, const char *text, size_t n,
                               uint32_t vocab_size) {
    json_t *root = NULL;
    MZV_TRY(mzv_json_parse(&root, path, text, n));
    return build(out, path, root, vocab_size);
}

mzv_status mzv_tokenizer_load(mzv_tokenizer **out, const char *path, uint32_t vocab_size) {
    json_t *root = NULL;
    MZV_TRY(mzv_json_load(&root, path, MZV_JSON_BYTES));
    return build(out, path, root, vocab_size);
}

void mzv_tokenizer_destroy(mzv_tokenizer *tokenizer) {
    if (!tokenizer) return;
    mzv_free(tokenizer->by_code);
    mzv_free(tokenizer->code);
    mzv_free(tokenizer);
}

uint32_t mzv_tokenizer_count(const mzv_tokenizer *tokenizer) { return tokenizer->n_chars; }

/* The character itself, or its number alone where it would disturb a terminal. */
static mzv_status fail_unknown(const mzv_tokenizer *t, const uint8_t *at, size_t used, uint32_t code,
                               size_t offset) {
    const bool shown = code >= 0x20 && (code < 0x7f || code >= 0xa0);
    return mzv_fail(MZV_ERR_ARGUMENT,
                    "text: byte %zu: character %s%.*s%sU+%04X is not among the %u of the vocabulary", offset,
                    shown ? "'" : "", shown ? (int)used : 0, (const char *)at, shown ? "' " : "",
                    (unsigned)code, t->n_chars);
}

mzv_status mzv_tokenizer_encode(const mzv_tokenizer *tokenizer, const char *text, size_t n, uint32_t *ids,
                                uint32_t capacity, uint32_t *n_ids) {
    const uint8_t *bytes = (const uint8_t *)text;
    uint32_t count = 0;
    for (size_t at = 0; at < n;) {
        entry key = { 0, 0 };
        const size_t used = mzv_utf8_next(bytes + at, n - at, &key.code);
        if (used == 0) {
            return mzv_fail(MZV_ERR_FORMAT, "text: byte %zu: expected UTF-8, found 0x%02x", at, bytes[at]);
        }
        const entry *found = bsearch(&key, tokenizer->by_code, tokenizer->n_chars, sizeof key, compare_codes);
        if (!found) return fail_unknown(tokenizer, bytes + at, used, key.code, at);
        if (count == capacity) {
            return mzv_fail(MZV_ERR_ARGUMENT,
                            "text: rule 80: expected at most %u characters, found more in %zu bytes",
                            capacity, n);
        }
        ids[count++] = found->id;
        at += used;
    }
    *n_ids = count;
    return MZV_OK;
}

mzv_status mzv_tokenizer_decode(const mzv_tokenizer *tokenizer, uint32_t id, char out[5]) {
    if (id >= tokenizer->n_ids || tokenizer->code[id] == NO_CHARACTER) {
        return mzv_fail(MZV_ERR_ARGUMENT, "id %u: no character in the vocabulary of %u", id,
                        tokenizer->n_chars);
    }
    uint8_t bytes[4];
    const size_t n = mzv_utf8_put(bytes, tokenizer->code[id]);
    memcpy(out, bytes, n);
    out[n] = '\0';
    return MZV_OK;
}

mzv_status mzv_ids_parse(const char *text, uint32_t vocab_size, uint32_t *ids, uint32_t capacity,
                         uint32_t *n_ids) {
    uint32_t count = 0;
    for (const char *at = text;; at++) {
        at += strspn(at, " ");
        const size_t n_digits = strspn(at, "0123456789");
        const unsigned long id = n_digits > 0 && n_digits < 10 ? strtoul(at, NULL, 10) : UINT32_MAX;
        if (id >= vocab_size) {
            return mzv_fail(MZV_ERR_ARGUMENT,
                            "ids: number %u at byte %zu: expected an id below %u, found '%.20s'", count,
                            (size_t)(at - text), vocab_size, mzv_printable_name(at).text);
        }
        if (count == capacity) {
            return mzv_fail(MZV_ERR_ARGUMENT, "ids: rule 80: expected at most %u, found more", capacity);
        }
        ids[count++] = (uint32_t)id;
        at += n_digits;
        at += strspn(at, " ");
        if (*at == '\0') break;
        if (*at != ',') {
            return mzv_fail(MZV_ERR_ARGUMENT, "ids: byte %zu: expected ',', found '%.20s'",
                            (size_t)(at - text), mzv_printable_name(at).text);
        }
    }
    *n_ids = count;
    return MZV_OK;
}
