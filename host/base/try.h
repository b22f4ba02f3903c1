/* Error plumbing for library code. A function that owns nothing says MZV_TRY; a function that owns
 * something keeps `status` and jumps to its single label. */
#ifndef MZV_TRY_H
#define MZV_TRY_H
#include "mzv/status.h"
#ifdef __cplusplus
extern "C" {
#endif

/* Records a message for mzv_last_error() and returns `status`. */
mzv_status mzv_fail(mzv_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define MZV_TRY(call)                               \
    do {                                            \
        const mzv_status mzv_try_ = (call);         \
        if (mzv_try_ != MZV_OK) return mzv_try_;    \
    } while (0)

#define MZV_TRY_GOTO(call, label)                   \
    do {                                            \
        status = (call);                            \
        if (status != MZV_OK) goto label;           \
    } while (0)

#ifdef __cplusplus
}
#endif
#endif
