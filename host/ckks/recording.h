/* What the operations of an evaluator have to ask while a recording is made. */
#ifndef MZV_CKKS_RECORDING_H
#define MZV_CKKS_RECORDING_H
#include "ckks/evaluator.h"
#ifdef __cplusplus
extern "C" {
#endif

/* The call that runs may use ct: it is named, or a temporary. MZV_ERR_ARGUMENT; MZV_OK where no recording is
 * made. */
mzv_status mzv_recording_check(const mzv_evaluator *ev, const char *op, const mzv_cipher *ct) MZV_MUST_CHECK;
/* The same of a result: an input stays at its level. */
mzv_status mzv_recording_check_result(const mzv_evaluator *ev, const char *op, const mzv_cipher *out,
                                      uint32_t level) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
