/* How a hybrid session is planned: from a module and its calibration to circuit, ring and memory. runtime/ only. */
#ifndef MZV_RUNTIME_HYBRID_PLAN_H
#define MZV_RUNTIME_HYBRID_PLAN_H
#include "nn/attention.h"
#include "runtime/hybrid.h"
#ifdef __cplusplus
extern "C" {
#endif

/* The specification of a module's circuit on one ring; `shift` is owned by it. */
typedef struct mzv_hybrid_spec {
    mzv_attention_spec attention;
    mzv_head_shift *shift;
} mzv_hybrid_spec;

mzv_status mzv_hybrid_spec_make(mzv_hybrid_spec *out, const mzv_checkpoint *cp, const mzv_calibration *cal,
                                const mzv_module_name *module, uint32_t n_slots, uint32_t n_tokens,
                                double target_error) MZV_MUST_CHECK;
void mzv_hybrid_spec_clear(mzv_hybrid_spec *spec);

/* What one pass needs, from a run on a `count` evaluator. request may be NULL. */
mzv_status mzv_hybrid_count(mzv_counts *counts, mzv_key_request *request, const mzv_attention_spec *spec,
                            const mzv_params *params, uint32_t level) MZV_MUST_CHECK;

/* |a - b| / |b| over n values, in l2. */
double mzv_relative_l2(const float *a, const float *b, size_t n);
/* The module in float; out as in mzv_hybrid_call. */
mzv_status mzv_hybrid_reference(float *out, const mzv_float_attention *weights, int32_t head, const float *x,
                                uint32_t n_tokens, uint32_t first_row) MZV_MUST_CHECK;

/* Defaults filled in and bounds checked. */
mzv_status mzv_hybrid_defaults(mzv_hybrid_options *out, const mzv_hybrid_options *options,
                               const mzv_checkpoint *cp) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
