/* Which kernels this machine runs. */
#include <stdlib.h>
#include <string.h>

#include "base/try.h"
#include "cpu/cpu_backend.h"

mzv_status mzv_cpu_variant_find(const mzv_cpu_kernels **out, const char *name) {
    if (name == NULL) name = getenv("MZV_CPU");
    if (name == NULL || strcmp(name, mzv_cpu_scalar.name) == 0) {
        *out = &mzv_cpu_scalar;
        return MZV_OK;
    }
    return mzv_fail(MZV_ERR_ARGUMENT, "cpu: variant \"%s\" is unknown, this machine has scalar", name);
}
