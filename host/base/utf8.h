/* UTF-8 [RFC3629]: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef MZV_UTF8_H
#define MZV_UTF8_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

/* Length in bytes, 1 to 4, of the code point that starts at p, and the code point; 0 where it is invalid or
 * cut. */
size_t mzv_utf8_next(const uint8_t *p, size_t n, uint32_t *code);
/* Whether all n bytes are valid; where not, *bad_at (may be NULL) is the offset of the first code point that
 * is not. */
bool mzv_utf8_valid(const void *text, size_t n, size_t *bad_at);
/* Writes 1 to 4 bytes; 0 where `code` is a surrogate or above U+10FFFF. */
size_t mzv_utf8_put(uint8_t out[4], uint32_t code);

#ifdef __cplusplus
}
#endif
#endif
