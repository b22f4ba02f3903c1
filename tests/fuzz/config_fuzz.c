/* libFuzzer: any text as config.json and as vocab.json; what is accepted keeps its promises. */
#include <stdint.h>
#include <stdlib.h>

#include "runtime/config.h"
#include "runtime/tokenizer.h"

enum { VOCABULARY = 256 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_vocabulary(const char *text, size_t size) {
    mzv_tokenizer *tokenizer = NULL;
    uint32_t ids[64], n = 0;
    char character[5];
    if (mzv_tokenizer_parse(&tokenizer, "vocab.json", text, size, VOCABULARY) != MZV_OK || !tokenizer) return;
    if (mzv_tokenizer_encode(tokenizer, text, size, ids, 64, &n) == MZV_OK) {
        for (uint32_t i = 0; i < n; i++) {
            if (ids[i] >= VOCABULARY || mzv_tokenizer_decode(tokenizer, ids[i], character) != MZV_OK) abort();
        }
    }
    mzv_tokenizer_destroy(tokenizer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = (const char *)data;
    mzv_model_config c;
    if (mzv_config_parse(&c, "config.json", text, size) == MZV_OK) {
        if (c.n_layer == 0 || c.n_head == 0 || c.n_embd % c.n_head != 0 || c.n_positions == 0) abort();
    }
    try_vocabulary(text, size);
    return 0;
}
