/* What the commands share: the parsed line, the result, the progress, and the exit code of a run that was no
 * failure (2: outside the precision, 130: stopped). */
#ifndef MZV_CLI_H
#define MZV_CLI_H
#include "cli/args.h"
#include "cli/error.h"
#include "cli/output.h"
#include "cli/progress.h"
#ifdef __cplusplus
extern "C" {
#endif

struct mzv_cli {
    const mzv_command *command;
    mzv_args args;
    mzv_output out;
    mzv_progress progress;
    mzv_exit exit;
};

/* The commands, ended by a NULL name; in main.c. */
extern const mzv_command mzv_commands[];
const mzv_command *mzv_command_find(const char *name); /* NULL if there is none */
mzv_status mzv_command_unknown(const char *name);      /* MZV_ERR_ARGUMENT with the nearest name */

mzv_status mzv_cmd_run(mzv_cli *cli) MZV_MUST_CHECK;
mzv_status mzv_cmd_generate(mzv_cli *cli) MZV_MUST_CHECK;
mzv_status mzv_cmd_calibrate(mzv_cli *cli) MZV_MUST_CHECK;
mzv_status mzv_cmd_plan(mzv_cli *cli) MZV_MUST_CHECK;
mzv_status mzv_cmd_inspect(mzv_cli *cli) MZV_MUST_CHECK;
mzv_status mzv_cmd_params(mzv_cli *cli) MZV_MUST_CHECK;
mzv_status mzv_cmd_devices(mzv_cli *cli) MZV_MUST_CHECK;
mzv_status mzv_cmd_doctor(mzv_cli *cli) MZV_MUST_CHECK;
mzv_status mzv_cmd_version(mzv_cli *cli) MZV_MUST_CHECK;
mzv_status mzv_cmd_bench(mzv_cli *cli) MZV_MUST_CHECK;
mzv_status mzv_cmd_help(mzv_cli *cli) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
