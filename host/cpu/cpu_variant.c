/* Which kernels this machine runs. */
#include <stdlib.h>
#include <string.h>

#include "base/try.h"
#include "cpu/cpu_backend.h"

#if defined(__x86_64__)
static bool has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
static bool has_avx512(void) {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
}
static bool has_ifma(void) { return has_avx512() && __builtin_cpu_supports("avx512ifma"); }
#endif
static bool always(void) { return true; }

/* Best first. */
static const struct {
    const mzv_cpu_kernels *kernels;
    bool (*present)(void);
} variants[] = {
#if defined(__x86_64__)
    { &mzv_cpu_avx512ifma, has_ifma },
    { &mzv_cpu_avx512, has_avx512 },
    { &mzv_cpu_avx2, has_avx2 },
#endif
    { &mzv_cpu_scalar, always },
};
#define N_VARIANTS (sizeof variants / sizeof variants[0])

/* " scalar avx2", what this machine has. */
static void list_present(char *text, size_t n_bytes) {
    text[0] = '\0';
    for (size_t i = N_VARIANTS; i-- > 0;) {
        if (!variants[i].present()) continue;
        strncat(text, " ", n_bytes - strlen(text) - 1);
        strncat(text, variants[i].kernels->name, n_bytes - strlen(text) - 1);
    }
}

mzv_status mzv_cpu_variant_find(const mzv_cpu_kernels **out, const char *name) {
    char present[64];
    if (name == NULL) name = getenv("MZV_CPU");
    for (size_t i = 0; i < N_VARIANTS; i++) {
        const bool wanted = name == NULL || strcmp(name, variants[i].kernels->name) == 0;
        if (wanted && variants[i].present()) {
            *out = variants[i].kernels;
            return MZV_OK;
        }
    }
    list_present(present, sizeof present);
    return mzv_fail(MZV_ERR_ARGUMENT, "cpu: variant \"%s\" is not available, this machine has%s", name,
                    present);
}
