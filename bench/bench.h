/* One harness for all benchmarks: warm-up, repetitions, one JSON line for each result. */
#ifndef MZV_BENCH_H
#define MZV_BENCH_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "mzv/status.h"
#ifdef __cplusplus
extern "C" {
#endif

/* What is measured: `run` once is `count` operations (the time is divided by it). */
typedef struct mzv_bench_case {
    const char *name, *backend;
    uint32_t log_n, n_limbs, n_threads;
    uint32_t repetitions; /* at least 5 */
    uint32_t count;
    mzv_status (*run)(void *arg);
    void *arg;
    uint64_t bytes; /* an operation must read and write at least; 0: not counted */
} mzv_bench_case;

typedef struct mzv_bench_times {
    double median_s, min_s;
} mzv_bench_times;

/* Runs once to warm up, then `repetitions` times: of `c`, name, repetitions, count, run and arg are read. */
mzv_status mzv_bench_time(const mzv_bench_case *c, mzv_bench_times *out) MZV_MUST_CHECK;

/* The same, and prints one line: runs once to warm up, then `repetitions` times, and prints
 * {"name", "log_n", "n_limbs", "threads", "median_s", "min_s", "repetitions", "backend"} to standard output,
 * with "bytes" where they are counted.
 */
mzv_status mzv_bench_run(const mzv_bench_case *c) MZV_MUST_CHECK;

/* Entry points; 0 on success. */
int mzv_bench_ckks(int argc, char **argv);
int mzv_bench_ops(int argc, char **argv);

/* `mzv bench circuit`: one line for each case of bench/circuit_cases.c whose name begins with `only`. */
typedef struct mzv_bench_options {
    const char *set; /* of mzv_params_named */
    const char *only, *backend;
    uint32_t repetitions, threads;
    bool insecure_toy; /* accept a set below 128 bits */
    bool record;       /* time replays of a recording instead of calls */
} mzv_bench_options;

/* MZV_ERR_ARGUMENT: no such set, or an insecure one. Cases deeper than the set are named on stderr, and so
 * are those that fail, *n_failed of them. */
mzv_status mzv_bench_circuit(const mzv_bench_options *o, uint32_t *n_failed) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
