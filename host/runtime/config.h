/* config.json of a Hugging Face folder: which architecture, and its sizes. */
#ifndef MZV_RUNTIME_CONFIG_H
#define MZV_RUNTIME_CONFIG_H
#include "models/model_config.h"
#include "mzv/status.h"
#ifdef __cplusplus
extern "C" {
#endif

/* Reads and checks the file. Sizes must be stated, but for n_inner (gpt2: 4 n_embd). Options that change what
 * the model computes and that this runtime does not have are refused, never skipped. MZV_ERR_FORMAT names the
 * field, what was expected and what was found; an architecture that is not supported is named with those that
 * are. */
mzv_status mzv_config_load(mzv_model_config *out, const char *path) MZV_MUST_CHECK;

/* The same from text; `path` is for messages. */
mzv_status mzv_config_parse(mzv_model_config *out, const char *path, const char *text,
                            size_t n) MZV_MUST_CHECK;

/* "gpt2", "bert" */
const char *mzv_model_kind_name(mzv_model_kind kind);
/* "gelu", "gelu_new", "relu": the first name of each */
const char *mzv_activation_name(mzv_activation activation);

#ifdef __cplusplus
}
#endif
#endif
