/* A checkpoint: a Hugging Face folder (config.json, model.safetensors, optional vocab.json), checked and in
 * memory as float32. Immutable after loading; any number of threads may use it. */
#ifndef MZV_RUNTIME_CHECKPOINT_H
#define MZV_RUNTIME_CHECKPOINT_H
#include "models/bert.h"
#include "models/gpt2.h"
#include "mzv/params.h"
#include "runtime/tokenizer.h"
#ifdef __cplusplus
extern "C" {
#endif

typedef struct mzv_checkpoint {
    mzv_model_config config; /* config.kind says which of the two below */
    mzv_gpt2 gpt2;
    mzv_bert bert;
    /* First 16 bytes of SHA-256 over the configuration and every weight as float32, in the order of the
     * model's list: what is computed, not how the file is written (dtype, prefix, order, white space). */
    uint8_t id[MZV_ID_BYTES];
    mzv_tokenizer *tokenizer; /* NULL: the checkpoint takes ids */
    bool subwords;            /* why: vocab.json is there, but its entries are longer than a character */
    uint64_t n_weights;       /* values */
    float *weights;           /* one block: every weight pointer of the models lies here */
    void *layers;             /* of gpt2 or bert */
} mzv_checkpoint;

/* Loads a folder. Accepts names with or without "transformer." (gpt2) or "bert." (bert) in front, and ignores
 * the buffers attn.bias, attn.masked_bias (gpt2), embeddings.position_ids, embeddings.token_type_ids (bert);
 * every other tensor must be one the configuration asks for, in its shape. MZV_ERR_FORMAT, MZV_ERR_IO,
 * MZV_ERR_MEMORY (needed and available bytes). */
mzv_status mzv_checkpoint_load(mzv_checkpoint **out, const char *folder) MZV_MUST_CHECK;
void mzv_checkpoint_destroy(mzv_checkpoint *checkpoint); /* NULL is allowed */

/* mzv_tokenizer_encode up to n_positions; without a character vocabulary MZV_ERR_ARGUMENT asks for ids. */
mzv_status mzv_checkpoint_encode(const mzv_checkpoint *checkpoint, const char *text, size_t n, uint32_t *ids,
                                 uint32_t capacity, uint32_t *n_ids) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
