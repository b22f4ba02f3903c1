/* How much memory there is, and how much was used. */
#ifndef MZV_MEMORY_H
#define MZV_MEMORY_H
#include <stdint.h>
#include "mzv/status.h"
#ifdef __cplusplus
extern "C" {
#endif

/* Bytes that this process may still take: MemAvailable of /proc/meminfo, and less where a control group
 * (v2 or v1), its own or one above, leaves less. MZV_ERR_IO where /proc cannot be read. */
mzv_status mzv_memory_available(uint64_t *bytes) MZV_MUST_CHECK;
/* The same below another root directory ("" is the real one). */
mzv_status mzv_memory_available_at(uint64_t *bytes, const char *root) MZV_MUST_CHECK;
/* MZV_ERR_MEMORY with both numbers where `bytes` is more than is available. */
mzv_status mzv_memory_check(const char *what, uint64_t bytes) MZV_MUST_CHECK;
/* Largest resident set so far, in bytes. */
uint64_t mzv_memory_peak(void);

#ifdef __cplusplus
}
#endif
#endif
