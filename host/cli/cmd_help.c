/* mzv help: the commands, or one of them. */
#include <stdlib.h>

#include "base/try.h"
#include "cli/cli.h"

static mzv_status one_command(mzv_output *out, const mzv_command *command) {
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    if (f == NULL) return mzv_fail(MZV_ERR_MEMORY, "help: no memory for its text");
    mzv_args_help(f, command);
    mzv_status status = fclose(f) == 0 ? mzv_output_bytes(out, text, n)
                                       : mzv_fail(MZV_ERR_MEMORY, "help: no memory for its text");
    free(text);
    return status;
}

mzv_status mzv_cmd_help(mzv_cli *cli) {
    if (cli->args.n_positional == 1) {
        const mzv_command *c = mzv_command_find(cli->args.positional[0]);
        return c != NULL ? one_command(&cli->out, c) : mzv_command_unknown(cli->args.positional[0]);
    }
    MZV_TRY(mzv_output_print(&cli->out, "usage: mzv COMMAND [OPTION]...\n\n"
                                        "Transformers on encrypted data (CKKS). Commands:\n"));
    for (const mzv_command *c = mzv_commands; c->name != NULL; c++)
        MZV_TRY(mzv_output_print(&cli->out, "  %-10s %s\n", c->name, c->summary));
    return mzv_output_print(
        &cli->out, "%s",
        "\n`mzv COMMAND --help` lists the options with their defaults.\n"
        "Results go to stdout, everything else to stderr. Exit codes: 0 ok, 1 failure, 2 result outside its\n"
        "certified precision, 3 bad input file, 4 not enough memory, 5 no device, 64 usage, 70 bug in mzv,\n"
        "130 interrupted.\n");
}
