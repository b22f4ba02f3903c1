/* mzv COMMAND: finds the command, reads the line, runs, reports. */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "base/try.h"

/* clang-format off */
const mzv_command mzv_commands[] = {
    { "run", MZV_CMD_RUN, "(TEXT | --ids LIST)", 0, 1, "text|json|jsonl",
      "One inference with a module encrypted, compared with float: BERT's label, GPT-2's next tokens.",
      mzv_cmd_run },
    { "generate", MZV_CMD_GENERATE, "(PROMPT | --ids LIST)", 0, 1, "text|json|jsonl",
      "Text from a GPT-2 checkpoint, with a module encrypted inside the token loop.", mzv_cmd_generate },
    { "calibrate", MZV_CMD_CALIBRATE, "", 0, 0, "text|json|jsonl|csv|md",
      "Ranges of a checkpoint from text, written to its calibration file; prints those of each head.",
      mzv_cmd_calibrate },
    { "plan", MZV_CMD_PLAN, "", 0, 0, "text|json|jsonl",
      "Ring, levels, operations, bytes and predicted error of an encrypted module. No keys are made.",
      mzv_cmd_plan },
    { "inspect", MZV_CMD_INSPECT, "PATH", 1, 1, "text|json|jsonl",
      "What a checkpoint folder, a calibration, or a file of keys, ciphertexts or parameters holds; all "
      "of it is checked.", mzv_cmd_inspect },
    { "params", MZV_CMD_PARAMS, "[NAME]", 0, 1, "text|json|jsonl|csv|md",
      "The named parameter sets with their security, or one of them in full.", mzv_cmd_params },
    { "bench", MZV_CMD_BENCH, "(ckks|ops [SET [CASE]] | circuit)", 1, 3, "text|json|jsonl|csv|md",
      "Times: of the operations on ciphertexts, of all sets or of one and the cases that begin so; of whole "
      "circuits with their precision, which take the options.",
      mzv_cmd_bench },
    { "devices", MZV_CMD_DEVICES, "", 0, 0, "text|json|jsonl|csv|md",
      "The GPUs here: name, architecture, memory, arithmetic. Without one: exit code 5.", mzv_cmd_devices },
    { "doctor", MZV_CMD_DOCTOR, "", 0, 0, "text|json|jsonl|csv|md",
      "What this machine offers, and what would make mzv slow here.", mzv_cmd_doctor },
    { "version", MZV_CMD_VERSION, "", 0, 0, "text|json|jsonl", "Version, commit and backends of this build.",
      mzv_cmd_version },
    { "help", MZV_CMD_HELP, "[COMMAND]", 0, 1, "text", "The commands, or the options of one.", mzv_cmd_help },
    { NULL, 0, "", 0, 0, "", "", NULL },
};
/* clang-format on */

const mzv_command *mzv_command_find(const char *name) {
    for (const mzv_command *c = mzv_commands; c->name != NULL; c++)
        if (strcmp(c->name, name) == 0) return c;
    return NULL;
}

static const char *command_name(const void *user, size_t i) {
    (void)user;
    return mzv_commands[i].name;
}

mzv_status mzv_command_unknown(const char *name) {
    const char *near = mzv_args_nearest(name, command_name, NULL);
    if (near == NULL) return mzv_fail(MZV_ERR_ARGUMENT, "unknown command '%s'; `mzv help` lists them", name);
    return mzv_fail(MZV_ERR_ARGUMENT, "unknown command '%s'; did you mean '%s'?", name, near);
}

/* Runs and writes the result. A result that could not be written is told apart by cli->out.failed. */
static mzv_status run(mzv_cli *cli) {
    const bool streams = strcmp(cli->args.output, "text") == 0 && cli->args.output_file == NULL;
    MZV_TRY(mzv_output_open(&cli->out, cli->args.output, cli->args.output_file));
    mzv_progress_open(&cli->progress, cli->args.progress, streams && isatty(STDOUT_FILENO) == 1);
    mzv_status status = cli->command->run(cli);
    mzv_progress_clear(&cli->progress);
    if (status == MZV_OK) status = mzv_output_commit(&cli->out);
    return status;
}

static mzv_exit main_of(int argc, char **argv) {
    mzv_cli cli;
    memset(&cli, 0, sizeof cli);
    if (argc < 2) {
        (void)mzv_fail(MZV_ERR_ARGUMENT, "no command; `mzv help` lists them");
        return mzv_report_error(MZV_ERR_ARGUMENT);
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) name = "help";
    if (strcmp(name, "--version") == 0) name = "version";
    cli.command = mzv_command_find(name);
    mzv_status status =
        cli.command == NULL ? mzv_command_unknown(name) : mzv_args_parse(&cli.args, cli.command, argc, argv);
    if (status == MZV_OK && cli.args.help) {
        mzv_args_help(stdout, cli.command);
        return MZV_EXIT_OK;
    }
    if (status == MZV_OK) status = run(&cli);
    mzv_exit code = cli.exit;
    if (status != MZV_OK) code = cli.out.failed ? mzv_report_output_error() : mzv_report_error(status);
    mzv_output_close(&cli.out);
    return code;
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN); /* a closed stdout is an error of writing, reported as one */
    mzv_interrupt_catch();
    return (int)main_of(argc, argv);
}
