/* Ranges of a checkpoint from text: what the circuits of an encrypted attention need to know.
 *
 * Softmax does not change when a row of scores is shifted, so the server may subtract from every score of
 * query i any function of that token. The calibration fits the log-sum-exp of a row by a bilinear form of its
 * query and its hidden state,
 *     L_i ~ q_i' (M x_i + m) + c,
 * which costs no level on ciphertexts: k_j becomes k_j - M x_i - m before the one product with q_i. It stores
 * the interval of the shifted scores and of their shifted log-sum-exp over the text, with a margin. Scores of
 * -80 .. 64 become sums within a few units of 1, whatever the row.
 */
#ifndef MZV_RUNTIME_CALIBRATE_H
#define MZV_RUNTIME_CALIBRATE_H
#include <stdbool.h>
#include <stddef.h>
#include "mzv/params.h"
#include "base/arena.h"
#include "runtime/checkpoint.h"
#ifdef __cplusplus
extern "C" {
#endif

typedef struct mzv_head_range {
    double score_low, score_high;     /* shifted scores, natural logarithm units, with margin */
    double lse_low, lse_high;         /* shifted log-sum-exp of a row, with margin */
    double raw_low, raw_high;         /* unshifted scores seen: for reports */
    double value_max;                 /* largest |v|, which bounds this head's output, with margin */
    double constant;                  /* c */
    float *linear;                    /* m [head_dim], against q as the model computes it */
    float *bilinear;                  /* M [head_dim x n_channels], against the module's input rows */
} mzv_head_range;

typedef struct mzv_layer_range {
    mzv_head_range *head;  /* n_heads */
    double input_max;      /* largest |hidden state| that enters the module, with margin */
    double output_max;     /* largest |value| of the module's output, with margin */
    float *sample;         /* [n_sample x n_channels]: hidden states of consecutive tokens, for predictions */
} mzv_layer_range;

typedef struct mzv_calibration {
    uint8_t model_id[MZV_ID_BYTES];
    uint32_t n_layers, n_heads, head_dim, n_channels;
    uint32_t n_rows;   /* queries seen per layer */
    uint32_t n_sample; /* tokens of each layer's sample */
    mzv_layer_range *layer;
    mzv_arena arena; /* of everything above */
} mzv_calibration;

/* Runs the float model over `ids` in windows of at most n_window tokens; for bert a window begins at each
 * occurrence of the first id. Deterministic. A fifth of the windows is held out from the fit, chooses how long it
 * runs, and widens the intervals. MZV_ERR_ARGUMENT when the text is too short (says how
 * much is needed). `progress` as in hybrid.h, may be NULL. */
mzv_status mzv_calibrate(mzv_calibration **out, const mzv_checkpoint *cp, const uint32_t *ids, size_t n_ids,
                         uint32_t n_window, bool (*progress)(void *, const char *, uint32_t, uint32_t),
                         void *user) MZV_MUST_CHECK;
/* An empty one of the checkpoint's shape: what mzv_calibrate and the loader fill. */
mzv_status mzv_calibration_create(mzv_calibration **out, const mzv_checkpoint *cp, uint32_t n_sample) MZV_MUST_CHECK;
void mzv_calibration_destroy(mzv_calibration *cal);

/* A safetensors file, named calibration.safetensors beside the model. Written whole or not at all; loading checks
 * the model id (MZV_ERR_MISMATCH), every shape, that numbers are finite and that intervals are intervals. */
#define MZV_CALIBRATION_FILE "calibration.safetensors"
mzv_status mzv_calibration_save(const mzv_calibration *cal, const char *path) MZV_MUST_CHECK;
mzv_status mzv_calibration_load(mzv_calibration **out, const mzv_checkpoint *cp, const char *path) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
