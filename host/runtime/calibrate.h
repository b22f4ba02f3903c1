/* Ranges of a checkpoint from text: what the circuits of an encrypted attention need to know.
 *
 * Softmax does not change when a row of scores is shifted, so the server may subtract from every score of
 * query i any function of q_i. The calibration fits the log-sum-exp of a row by a quadratic form of its query,
 *     L_i ~ q_i' M q_i + m . q_i + c,
 * which costs no level on ciphertexts (k_j becomes k_j - M q_i - m before the one product with q_i), and stores
 * the interval of the shifted scores and of their shifted log-sum-exp over the text, with a margin. Scores of
 * -80 .. 64 become sums within a few units of 1, whatever the row. */
#ifndef MZV_RUNTIME_CALIBRATE_H
#define MZV_RUNTIME_CALIBRATE_H
#include <stdbool.h>
#include <stddef.h>
#include "mzv/params.h"
#include "runtime/checkpoint.h"
#ifdef __cplusplus
extern "C" {
#endif

typedef struct mzv_head_range {
    double score_low, score_high;     /* shifted scores, natural logarithm units, with margin */
    double lse_low, lse_high;         /* shifted log-sum-exp of a row, with margin */
    double raw_low, raw_high;         /* unshifted scores seen: for reports */
    double output_max;                /* largest |output| of this head, with margin */
    double constant;                  /* c */
    double *linear;                   /* m [head_dim], against q as the model computes it */
    double *quadratic;                /* M [head_dim x head_dim], symmetric */
} mzv_head_range;

typedef struct mzv_layer_range {
    mzv_head_range *head;  /* n_heads */
    double input_max;      /* largest |hidden state| that enters the module, with margin */
    double output_max;     /* largest |value| of the module's output, with margin */
} mzv_layer_range;

typedef struct mzv_calibration {
    uint8_t model_id[MZV_ID_BYTES];
    uint32_t n_layers, n_heads, head_dim, n_rows; /* n_rows: queries seen per layer */
    mzv_layer_range *layer;
    void *memory;
} mzv_calibration;

/* Runs the float model over `ids` in windows of at most n_window tokens. Deterministic. A fifth of the windows is
 * held out from the fit and only widens the intervals. MZV_ERR_ARGUMENT when the text is too short (says how
 * much is needed). `progress` as in hybrid.h, may be NULL. */
mzv_status mzv_calibrate(mzv_calibration **out, const mzv_checkpoint *cp, const uint32_t *ids, size_t n_ids,
                         uint32_t n_window, bool (*progress)(void *, const char *, uint32_t, uint32_t),
                         void *user) MZV_MUST_CHECK;
void mzv_calibration_destroy(mzv_calibration *cal);

/* JSON. Loading checks the model id (MZV_ERR_MISMATCH), every shape and that numbers are finite. */
mzv_status mzv_calibration_save(const mzv_calibration *cal, const char *path) MZV_MUST_CHECK;
mzv_status mzv_calibration_load(mzv_calibration **out, const mzv_checkpoint *cp, const char *path) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
