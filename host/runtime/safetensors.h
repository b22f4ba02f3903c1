/* safetensors: an 8-byte little-endian header length, a JSON header, then the tensors' bytes with no hole.
 * Everything the header says is checked against the file before any tensor is read. */
#ifndef MZV_RUNTIME_SAFETENSORS_H
#define MZV_RUNTIME_SAFETENSORS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "mzv/status.h"
#ifdef __cplusplus
extern "C" {
#endif

enum { MZV_TENSOR_RANK = 8, MZV_TENSOR_NAME = 255 };

typedef struct mzv_tensor {
    const char *name;  /* at most MZV_TENSOR_NAME bytes of UTF-8, no control characters */
    const char *dtype; /* "F32", "BF16", ... */
    uint32_t item_bytes;
    uint32_t rank;
    uint64_t shape[MZV_TENSOR_RANK]; /* no zero */
    uint64_t n_items;                /* product of the shape, 1 at rank 0 */
    uint64_t begin;                  /* offset in the file */
} mzv_tensor;

typedef struct mzv_safetensors mzv_safetensors;

/* Opens and checks. `path` is copied. MZV_ERR_IO, MZV_ERR_FORMAT (file, tensor, expected, found),
 * MZV_ERR_MEMORY. */
mzv_status mzv_safetensors_open(mzv_safetensors **out, const char *path) MZV_MUST_CHECK;
void mzv_safetensors_close(mzv_safetensors *file); /* NULL is allowed */

const char *mzv_safetensors_path(const mzv_safetensors *file);
uint32_t mzv_safetensors_count(const mzv_safetensors *file);
/* Tensor i in the order of the data; lives as long as the file. */
const mzv_tensor *mzv_safetensors_tensor(const mzv_safetensors *file, uint32_t i);
/* NULL if there is none of that name. */
const mzv_tensor *mzv_safetensors_find(const mzv_safetensors *file, const char *name);

/* Whether mzv_safetensors_read takes this tensor: F32, F16 or BF16. */
bool mzv_tensor_is_float(const mzv_tensor *tensor);
/* out[0 .. n_items-1] as float32; F16 and BF16 are widened exactly. MZV_ERR_FORMAT: another dtype, or a value
 * that is not finite (its index is named). MZV_ERR_IO. On failure `out` may be partly written. */
mzv_status mzv_safetensors_read(const mzv_safetensors *file, const mzv_tensor *tensor,
                                float *out) MZV_MUST_CHECK;
/* The tensor's bytes as they lie in the file, n_items * item_bytes of them. */
mzv_status mzv_safetensors_read_raw(const mzv_safetensors *file, const mzv_tensor *tensor,
                                    void *out) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
