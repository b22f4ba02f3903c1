/* Text to token ids and back. A vocabulary of single characters (vocab.json: one character -> id);
 * checkpoints with subword vocabularies take ids. */
#ifndef MZV_RUNTIME_TOKENIZER_H
#define MZV_RUNTIME_TOKENIZER_H
#include <stddef.h>
#include <stdint.h>
#include "mzv/status.h"
#ifdef __cplusplus
extern "C" {
#endif

typedef struct mzv_tokenizer mzv_tokenizer;

/* Reads a vocabulary for a model of `vocab_size` ids. *out is NULL if an entry is longer than one character:
 * then it is a subword vocabulary. Ids without a character may remain. MZV_ERR_FORMAT: an id outside the
 * model or given twice. */
mzv_status mzv_tokenizer_load(mzv_tokenizer **out, const char *path, uint32_t vocab_size) MZV_MUST_CHECK;
/* The same from text; `path` is for messages. */
mzv_status mzv_tokenizer_parse(mzv_tokenizer **out, const char *path, const char *text, size_t n,
                               uint32_t vocab_size) MZV_MUST_CHECK;
void mzv_tokenizer_destroy(mzv_tokenizer *tokenizer); /* NULL is allowed */

/* Number of characters in the vocabulary. */
uint32_t mzv_tokenizer_count(const mzv_tokenizer *tokenizer);

/* The ids of text[0 .. n-1], UTF-8; ids has room for `capacity`. MZV_ERR_FORMAT: invalid UTF-8 (its byte
 * offset). MZV_ERR_ARGUMENT: a character that is not in the vocabulary (it is shown), or more than `capacity`
 * of them. On failure nothing is written to *n_ids. */
mzv_status mzv_tokenizer_encode(const mzv_tokenizer *tokenizer, const char *text, size_t n, uint32_t *ids,
                                uint32_t capacity, uint32_t *n_ids) MZV_MUST_CHECK;

/* The character of one id as UTF-8 with a zero after it. MZV_ERR_ARGUMENT: an id that has none. */
mzv_status mzv_tokenizer_decode(const mzv_tokenizer *tokenizer, uint32_t id, char out[5]) MZV_MUST_CHECK;

/* "1,2,3" (spaces allowed around numbers) to ids below `vocab_size`. MZV_ERR_ARGUMENT names the position. */
mzv_status mzv_ids_parse(const char *text, uint32_t vocab_size, uint32_t *ids, uint32_t capacity,
                         uint32_t *n_ids) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
