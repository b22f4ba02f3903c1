/* A checkpoint with one attention module on ciphertexts inside its float model: what run, generate and plan
 * share. */
#ifndef MZV_CLI_ENCRYPTED_H
#define MZV_CLI_ENCRYPTED_H
#include "cli/cli.h"
#include "models/float_hooks.h"
#include "runtime/checkpoint.h"
#include "runtime/hybrid.h"
#ifdef __cplusplus
extern "C" {
#endif

/* All zero: nothing loaded, and without --encrypt no module: hooks are then empty, the model is plain float.
 */
typedef struct mzv_encrypted {
    mzv_checkpoint *checkpoint;
    double load_s; /* of the checkpoint */
    bool on;       /* --encrypt was given */
    mzv_module_name module;
    mzv_calibration *calibration;
    mzv_hybrid_options options;
    mzv_hybrid *hybrid;
    mzv_float_hooks hooks;
} mzv_encrypted;

/* --model; MZV_ERR_ARGUMENT without it. */
mzv_status mzv_encrypted_load(mzv_encrypted *e, mzv_cli *cli) MZV_MUST_CHECK;
/* --encrypt, its calibration, and the options for contexts of n_tokens_max. No keys yet. */
mzv_status mzv_encrypted_prepare(mzv_encrypted *e, mzv_cli *cli, uint32_t n_tokens_max) MZV_MUST_CHECK;
/* Keys and weights, and the hooks that put the module into the float model. */
mzv_status mzv_encrypted_start(mzv_encrypted *e) MZV_MUST_CHECK;
/* No secure ring reaches the target error: that is about precision (exit 2), not about a parameter file. */
mzv_status mzv_plan_status(mzv_status status);
void mzv_encrypted_close(mzv_encrypted *e);

/* "module", "mode", "relative_error", ring, security, bytes, backend, threads; null where nothing is
 * encrypted. n_tokens: what bytes per token are counted by. */
mzv_status mzv_encrypted_facts(const mzv_encrypted *e, json_t *object, const mzv_args *args,
                               uint32_t n_tokens) MZV_MUST_CHECK;
/* "timings": an object of seconds and counts. */
mzv_status mzv_encrypted_timings(const mzv_encrypted *e, json_t *object, double total_s) MZV_MUST_CHECK;
/* That object as a table on stderr. */
mzv_status mzv_timings_print(const json_t *object) MZV_MUST_CHECK;
/* The facts as lines on stderr, for those who read text. */
void mzv_encrypted_summary(const mzv_encrypted *e);
/* Warns and sets exit code 2 where the module's error is above --max-error. */
void mzv_encrypted_judge(const mzv_encrypted *e, mzv_cli *cli);

/* Ids of the operand or of --ids; *ids is for mzv_free. MZV_ERR_ARGUMENT: none or both given, invalid UTF-8,
 * a character or id that the model does not know. */
mzv_status mzv_prompt_ids(uint32_t **ids, uint32_t *n_ids, const mzv_checkpoint *cp,
                          const mzv_args *args) MZV_MUST_CHECK;
/* The text of one token: of a character vocabulary, or "17," where there is none. */
const char *mzv_token_text(char *text, size_t n, const mzv_checkpoint *cp, uint32_t id);

#ifdef __cplusplus
}
#endif
#endif
