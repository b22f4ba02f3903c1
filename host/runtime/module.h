/* Names of the modules that can be computed elsewhere, and their weights. */
#ifndef MZV_RUNTIME_MODULE_H
#define MZV_RUNTIME_MODULE_H
#include "nn/float_attention.h"
#include "runtime/checkpoint.h"
#ifdef __cplusplus
extern "C" {
#endif

/* "h.0.attn", "h.3.attn.head.1" for gpt2; "layer.0.attention", "layer.1.attention.head.0" for bert. The prefixes
 * transformer., bert.encoder. and encoder. are accepted. */
typedef struct mzv_module_name {
    uint32_t layer;
    int32_t head;  /* -1: the whole multi-head attention with its output projection */
    char text[64]; /* canonical spelling */
} mzv_module_name;

/* MZV_ERR_ARGUMENT names what is wrong and says which modules the checkpoint has. */
mzv_status mzv_module_parse(mzv_module_name *out, const mzv_checkpoint *cp, const char *text) MZV_MUST_CHECK;

/* The attention of a layer, whatever the architecture; borrows the checkpoint. */
mzv_status mzv_module_attention(mzv_float_attention *out, const mzv_checkpoint *cp, uint32_t layer) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
