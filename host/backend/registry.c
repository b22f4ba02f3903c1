/* The backends of this build, best first. */
#include <string.h>

#include "backend/backend.h"
#include "base/try.h"

static const mzv_backend_ops *const backends[] = {
#ifdef MZV_WITH_CUDA
    &mzv_cuda_ops,
#endif
    &mzv_cpu_ops,
};
#define N_BACKENDS (sizeof backends / sizeof backends[0])

static mzv_status find_best(const mzv_backend_ops **out) {
    for (size_t i = 0; i < N_BACKENDS; i++) {
        if (backends[i]->probe == NULL || backends[i]->probe(0) == MZV_OK) {
            *out = backends[i];
            return MZV_OK;
        }
    }
    return mzv_fail(MZV_ERR_NO_DEVICE, "backend: none of the %zu of this build has a device", N_BACKENDS);
}

mzv_status mzv_backend_find(const mzv_backend_ops **out, const char *name) {
    if (name == NULL || strcmp(name, "auto") == 0) return find_best(out);
    for (size_t i = 0; i < N_BACKENDS; i++) {
        if (strcmp(backends[i]->name, name) == 0) {
            *out = backends[i];
            return MZV_OK;
        }
    }
#ifdef MZV_WITH_CUDA
    return mzv_fail(MZV_ERR_ARGUMENT, "backend: \"%s\" is unknown, need auto, cuda or cpu", name);
#else
    return mzv_fail(MZV_ERR_ARGUMENT, "backend: \"%s\" is not in this build, need auto or cpu", name);
#endif
}
