/* mzv bench: a suite of bench/, whose JSON lines become a result like any other. */
#include <errno.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/try.h"
#include "bench/bench.h"
#include "cli/cli.h"

static const struct suite {
    const char *name;
    int (*run)(int argc, char **argv); /* NULL: mzv_bench_circuit, which takes options */
} suites[] = {
    { "ckks", mzv_bench_ckks },
    { "ops", mzv_bench_ops },
    { "circuit", NULL },
};

static const struct suite *find(const char *name) {
    for (size_t i = 0; i < sizeof suites / sizeof suites[0]; i++)
        if (strcmp(suites[i].name, name) == 0) return &suites[i];
    return NULL;
}

static mzv_status check(const struct suite *suite, const mzv_args *args) {
    static const char *const names[] = {
        "set", "only", "reps", "threads", "backend", "insecure-toy", "record"
    };
    if (suite->run == NULL && args->n_positional > 1)
        return mzv_fail(MZV_ERR_ARGUMENT, "bench circuit: found operand '%s', need --set and --only",
                        args->positional[1]);
    for (size_t i = 0; suite->run != NULL && i < sizeof names / sizeof names[0]; i++)
        if (mzv_args_given(args, names[i]) &&
            (suite->run != mzv_bench_ops || strcmp(names[i], "backend") != 0))
            return mzv_fail(MZV_ERR_ARGUMENT, "bench %s: --%s is for `mzv bench circuit`", suite->name,
                            names[i]);
    return MZV_OK;
}

static mzv_status call_circuit(const mzv_args *args, int *code) {
    uint32_t n_failed = 0;
    const mzv_bench_options o = { .set = args->set ? args->set : "n15-leveled",
                                  .only = args->only ? args->only : "",
                                  .backend = strcmp(args->backend, "auto") == 0 ? NULL : args->backend,
                                  .repetitions = args->repetitions,
                                  .threads = args->threads ? args->threads : (uint32_t)omp_get_max_threads(),
                                  .insecure_toy = args->insecure_toy,
                                  .record = args->record };
    MZV_TRY(mzv_bench_circuit(&o, &n_failed));
    *code = n_failed > 0 ? 1 : 0;
    return MZV_OK;
}

/* Suites take "all" for what is not named: their operands are a set, the beginning of a case's name, the
 * backend. */
static mzv_status call(const struct suite *suite, const mzv_args *args, int *code) {
    char *argv[] = { (char *)suite->name, (char *)"all", (char *)"", (char *)args->backend, NULL };
    if (suite->run == NULL) return call_circuit(args, code);
    for (uint32_t i = 1; i < args->n_positional; i++) argv[i] = (char *)args->positional[i];
    *code = suite->run(4, argv);
    return MZV_OK;
}

/* Runs with stdout going to `file`. */
static mzv_status capture(FILE *file, const struct suite *suite, const mzv_args *args, int *code) {
    fflush(stdout);
    const int kept = dup(STDOUT_FILENO);
    if (kept < 0 || dup2(fileno(file), STDOUT_FILENO) < 0)
        return mzv_fail(MZV_ERR_IO, "bench: stdout cannot be kept aside: %s", strerror(errno));
    const mzv_status status = call(suite, args, code);
    fflush(stdout);
    const bool back = dup2(kept, STDOUT_FILENO) >= 0;
    close(kept);
    MZV_TRY(status);
    return back ? MZV_OK : mzv_fail(MZV_ERR_IO, "bench: stdout did not come back: %s", strerror(errno));
}

static mzv_status read_rows(json_t *rows, FILE *file) {
    char *line = NULL;
    size_t capacity = 0;
    mzv_status status = MZV_OK;
    rewind(file);
    while (status == MZV_OK && getline(&line, &capacity, file) > 0) {
        json_t *row = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        status = row != NULL ? mzv_json_push(rows, row)
                             : mzv_fail(MZV_ERR_INTERNAL, "bench: not a JSON object: %.60s", line);
    }
    free(line);
    return status;
}

static mzv_status collect(mzv_cli *cli, const struct suite *suite, FILE *file, json_t *head, json_t *rows) {
    int code = 0;
    MZV_TRY(capture(file, suite, &cli->args, &code));
    MZV_TRY(read_rows(rows, file));
    if (code != 0) cli->exit = MZV_EXIT_FAILURE; /* the suite said why; what it measured is shown */
    if (code == 0 && json_array_size(rows) == 0)
        return mzv_fail(MZV_ERR_ARGUMENT, "bench %s: no case of that name", suite->name);
    MZV_TRY(mzv_json_set(head, "suite", json_string(suite->name)));
    return mzv_output_table(&cli->out, head, rows);
}

mzv_status mzv_cmd_bench(mzv_cli *cli) {
    const struct suite *suite = find(cli->args.positional[0]);
    json_t *head = NULL;
    if (suite == NULL)
        return mzv_fail(MZV_ERR_ARGUMENT, "bench: found '%s', need %s", cli->args.positional[0],
                        cli->command->operands);
    MZV_TRY(check(suite, &cli->args));
    if (cli->out.format == MZV_FORMAT_JSONL && cli->out.path == NULL) { /* lines as they come */
        int code = 0;
        MZV_TRY(call(suite, &cli->args, &code));
        cli->exit = code == 0 ? MZV_EXIT_OK : MZV_EXIT_FAILURE;
        return MZV_OK;
    }
    FILE *file = tmpfile();
    if (file == NULL) return mzv_fail(MZV_ERR_IO, "bench: no temporary file: %s", strerror(errno));
    mzv_status status = mzv_json_new(&head, "bench");
    json_t *rows = json_array();
    if (status == MZV_OK) status = collect(cli, suite, file, head, rows);
    fclose(file);
    json_decref(rows);
    json_decref(head);
    return status;
}
