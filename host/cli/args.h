/* The command line: one table of options, read strictly. A value comes from the flag, else from the
 * environment (MZV_ and the name in capitals: MZV_TARGET_ERROR), else from the default that help shows. */
#ifndef MZV_CLI_ARGS_H
#define MZV_CLI_ARGS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "mzv/status.h"
#ifdef __cplusplus
extern "C" {
#endif

#define MZV_MAX_POSITIONAL 4

/* Which commands take an option. */
enum {
    MZV_CMD_RUN = 1u << 0,
    MZV_CMD_GENERATE = 1u << 1,
    MZV_CMD_CALIBRATE = 1u << 2,
    MZV_CMD_PLAN = 1u << 3,
    MZV_CMD_INSPECT = 1u << 4,
    MZV_CMD_PARAMS = 1u << 5,
    MZV_CMD_DOCTOR = 1u << 6,
    MZV_CMD_VERSION = 1u << 7,
    MZV_CMD_BENCH = 1u << 8,
    MZV_CMD_HELP = 1u << 9,
    MZV_CMD_DEVICES = 1u << 10
};

/* Every value an option can set. Texts point into argv or the environment. */
typedef struct mzv_args {
    const char *model, *encrypt, *calibration, *ids, *ids_file, *text;
    const char *mode, *backend, *output, *output_file, *progress;
    const char *expect_params, *save, *set, *only;
    uint32_t tokens, top_k, threads, window, repetitions, device;
    uint64_t seed, noise_seed, memory_max, device_memory;
    double temperature, target_error, max_error;
    bool help, timings, insecure_toy, record;
    uint32_t n_positional;
    const char *positional[MZV_MAX_POSITIONAL];
    uint64_t given; /* bit i: row i of the table was set by flag or environment */
} mzv_args;

typedef struct mzv_cli mzv_cli;

typedef struct mzv_command {
    const char *name;
    uint32_t bit;
    const char *operands;  /* as the usage line shows them */
    uint32_t n_min, n_max; /* of them */
    const char *formats;   /* what -o takes: "text|json" */
    const char *summary;
    mzv_status (*run)(mzv_cli *cli);
} mzv_command;

/* Reads argv[2 ...] for `command`. MZV_ERR_ARGUMENT names the option, what was found and what is allowed; an
 * unknown option comes with the nearest known one. With --help, operands are not counted. */
mzv_status mzv_args_parse(mzv_args *out, const mzv_command *command, int argc,
                          char *const *argv) MZV_MUST_CHECK;
/* Whether flag or environment set the option `name` (without dashes). */
bool mzv_args_given(const mzv_args *args, const char *name);

/* Usage, operands and each option of the command with its default. */
void mzv_args_help(FILE *f, const mzv_command *command);

/* The candidate with the fewest edits to `word`, or NULL where none is near enough to be meant. */
typedef const char *(*mzv_candidate)(const void *user, size_t i); /* NULL past the last */
const char *mzv_args_nearest(const char *word, mzv_candidate candidate, const void *user);

/* Numbers as options take them, the whole text or nothing. Sizes: 1048576, 512K, 100M, 2G (powers of 1024).
 */
bool mzv_args_u64(uint64_t *out, const char *text);
bool mzv_args_bytes(uint64_t *out, const char *text);
bool mzv_args_f64(double *out, const char *text);

#ifdef __cplusplus
}
#endif
#endif
