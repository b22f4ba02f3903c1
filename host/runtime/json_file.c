/* Strict JSON by jansson, behind a measure of depth and size that refuses a bomb before anything is built. */
#include "runtime/json_file.h"

#include <stdio.h>
#include "base/arena.h"
#include "base/file.h"
#include "base/try.h"

enum { NAME_BYTES = 80 };

mzv_printable mzv_printable_name(const char *name) {
    mzv_printable out = { "" };
    size_t to = 0;
    for (size_t i = 0; name[i] != '\0'; i++) {
        const unsigned char c = (unsigned char)name[i];
        if (to > NAME_BYTES) {
            snprintf(out.text + to, sizeof out.text - to, "...");
            break;
        }
        if (c < 0x20 || c >= 0x7f) {
            to += (size_t)snprintf(out.text + to, sizeof out.text - to, "\\x%02x", c);
        } else {
            out.text[to++] = (char)c;
        }
    }
    return out;
}

/* Depth and number of values: brackets and commas outside strings. Broken syntax is left to the parser. */
static mzv_status measure(const char *path, const char *text, size_t n) {
    uint32_t depth = 0, values = 0;
    bool in_string = false;
    for (size_t i = 0; i < n; i++) {
        const char c = text[i];
        if (in_string) {
            if (c == '\\') i++;
            in_string = c != '"';
            continue;
        }
        in_string = c == '"';
        if (c == '{' || c == '[') depth++;
        if ((c == '}' || c == ']') && depth > 0) depth--;
        if (c == '{' || c == '[' || c == ',') values++;
        if (depth > MZV_JSON_DEPTH) {
            return mzv_fail(MZV_ERR_FORMAT,
                            "%s: rule 71: JSON byte %zu: nesting: expected at most %d, found %u", path, i,
                            MZV_JSON_DEPTH, depth);
        }
        if (values > MZV_JSON_VALUES) {
            return mzv_fail(MZV_ERR_FORMAT,
                            "%s: rule 71: JSON byte %zu: expected at most %d values, found more", path, i,
                            MZV_JSON_VALUES);
        }
    }
    return MZV_OK;
}

mzv_status mzv_json_parse(json_t **out, const char *path, const char *text, size_t n) {
    json_error_t error;
    MZV_TRY(measure(path, text, n));
    json_t *root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &error);
    if (!root) {
        return mzv_fail(MZV_ERR_FORMAT, "%s: rule 71: JSON line %d column %d: %s", path, error.line,
                        error.column, mzv_printable_name(error.text).text);
    }
    if (!json_is_object(root)) {
        json_decref(root);
        return mzv_fail(MZV_ERR_FORMAT, "%s: rule 71: JSON byte 0: expected an object, found an array", path);
    }
    *out = root;
    return MZV_OK;
}

mzv_status mzv_json_load(json_t **out, const char *path, size_t cap) {
    uint8_t *text = NULL;
    size_t n = 0;
    MZV_TRY(mzv_file_read(&text, &n, path, cap));
    const mzv_status status =
        n > 0 ? mzv_json_parse(out, path, (const char *)text, n)
              : mzv_fail(MZV_ERR_FORMAT, "%s: rule 1: expected a JSON object, found an empty file", path);
    mzv_free(text);
    return status;
}
