/* A context: one ring, its modulus chain, and the tables of one backend. */
#ifndef MZV_CONTEXT_H
#define MZV_CONTEXT_H
#include "mzv/params.h"
#ifdef __cplusplus
extern "C" {
#endif

typedef struct mzv_context mzv_context;

typedef enum mzv_log_level { MZV_LOG_WARN, MZV_LOG_INFO, MZV_LOG_DEBUG } mzv_log_level;

/* All zero means the defaults. */
typedef struct mzv_options {
    const char *backend;     /* "cpu", "cuda"; NULL or "auto" picks the best present */
    int device;              /* index within the backend */
    uint32_t n_threads;      /* 0: as many as OpenMP gives */
    size_t device_bytes_max; /* memory of a GPU this context may take; 0: all that is free */
    void (*log)(void *user, mzv_log_level level, const char *message);
    void *log_user;
    size_t device_bytes_keys; /* memory of a GPU that evaluation keys may take; those beyond it, the least
                                 used ones, stay in pinned memory of the host and are read over the bus. 0:
                                 all on the GPU */
} mzv_options;

/* Checks `params`, builds tables. `options` may be NULL. Immutable afterwards and shared by any
 * number of threads. MZV_ERR_PARAMS, MZV_ERR_NO_DEVICE, MZV_ERR_MEMORY. */
MZV_API mzv_status mzv_context_create(mzv_context **out, const mzv_params *params,
                                      const mzv_options *options) MZV_MUST_CHECK;
MZV_API void mzv_context_destroy(mzv_context *ctx); /* NULL is allowed */

MZV_API const mzv_params *mzv_context_params(const mzv_context *ctx);
MZV_API const mzv_param_facts *mzv_context_facts(const mzv_context *ctx);
MZV_API uint32_t mzv_context_slots(const mzv_context *ctx);      /* N/2 */
MZV_API const char *mzv_context_backend(const mzv_context *ctx); /* "cpu/avx2", "cuda/sm_90", ... */

#ifdef __cplusplus
}
#endif
#endif
