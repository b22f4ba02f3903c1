/* UTF-8. The ranges of the second byte are those of [RFC3629, 4]; they exclude overlong forms, surrogates and
 * what lies above U+10FFFF. */
#include "base/utf8.h"

static bool continues(uint8_t byte, uint8_t low, uint8_t high) { return byte >= low && byte <= high; }

/* Of a code point above U+007F that starts with `first`; 0 where none does. */
static size_t length_of(uint8_t first) {
    if (first >= 0xC2 && first <= 0xDF) return 2;
    if (first >= 0xE0 && first <= 0xEF) return 3;
    return first >= 0xF0 && first <= 0xF4 ? 4 : 0;
}

size_t mzv_utf8_next(const uint8_t *p, size_t n, uint32_t *code) {
    if (n == 0) return 0;
    if (p[0] < 0x80) {
        *code = p[0];
        return 1;
    }
    const size_t length = length_of(p[0]);
    if (length == 0 || n < length) return 0;
    const uint8_t low = p[0] == 0xE0 ? 0xA0 : p[0] == 0xF0 ? 0x90 : 0x80;
    const uint8_t high = p[0] == 0xED ? 0x9F : p[0] == 0xF4 ? 0x8F : 0xBF;
    if (!continues(p[1], low, high)) return 0;
    uint32_t value = ((uint32_t)p[0] & (0x7Fu >> length)) << 6 | (p[1] & 0x3Fu);
    for (size_t i = 2; i < length; i++) {
        if (!continues(p[i], 0x80, 0xBF)) return 0;
        value = value << 6 | (p[i] & 0x3Fu);
    }
    *code = value;
    return length;
}

bool mzv_utf8_valid(const void *text, size_t n, size_t *bad_at) {
    const uint8_t *p = text;
    for (size_t at = 0; at < n;) {
        uint32_t code = 0;
        const size_t length = mzv_utf8_next(p + at, n - at, &code);
        if (length == 0) {
            if (bad_at) *bad_at = at;
            return false;
        }
        at += length;
    }
    return true;
}

size_t mzv_utf8_put(uint8_t out[4], uint32_t code) {
    if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return 0;
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    const size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--) {
        out[i] = (uint8_t)(0x80 | (code & 0x3F));
        code >>= 6;
    }
    out[0] = (uint8_t)((0xF00u >> length) | code); /* 110xxxxx, 1110xxxx, 11110xxx */
    return length;
}
