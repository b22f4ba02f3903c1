/* Faults on demand: lets a test make the n-th allocation, read, write ... fail. Nothing is ever armed outside
 * tests, and the names are not exported from the library. */
#ifndef MZV_FAULT_H
#define MZV_FAULT_H
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

typedef enum mzv_fault_point {
    MZV_FAULT_ALLOC,
    MZV_FAULT_RANDOM,
    MZV_FAULT_OPEN,
    MZV_FAULT_READ,
    MZV_FAULT_WRITE,
    MZV_FAULT_SYNC,
    MZV_FAULT_RENAME,
    MZV_FAULT_POINTS
} mzv_fault_point;

#define MZV_FAULT_SHORT (-1) /* not an errno: the call transfers one byte and succeeds */

/* Zero, or the errno (or MZV_FAULT_SHORT) with which this pass of `point` has to fail. */
int mzv_fault(mzv_fault_point point);

/* The pass after the next n of them fails, once; n < 0 disarms. Not for use by several threads at a time. */
void mzv_test_fail_after(mzv_fault_point point, int64_t n, int error);
void mzv_test_fail_alloc_after(int64_t n);
/* Passes of `point` since the last mzv_test_fail_after on it. */
int64_t mzv_test_passes(mzv_fault_point point);

#ifdef __cplusplus
}
#endif
#endif
