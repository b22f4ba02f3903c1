/* Circuits one by one on encrypted random inputs: time, levels, precision, memory. */
#include "bench/circuit.h"

#include <inttypes.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/try.h"
#include "bench/bench.h"

/* Linux: the largest resident set from here on. Where that is refused, it stays that of the whole process. */
static void reset_peak(void) {
    FILE *file = fopen("/proc/self/clear_refs", "w");
    if (!file) return;
    fputs("5", file);
    fclose(file);
}

static void print_bits(const char *key, double error) {
    if (error > 0 && isfinite(error))
        printf(", \"%s\": %.4g", key, -log2(error));
    else
        printf(", \"%s\": null", key);
}

static void print_row(const mzv_circuit_case *c, const mzv_bench_options *o, const mzv_circuit_report *report,
                      const mzv_bench_times *times) {
    printf("{\"name\": \"%s\", \"set\": \"%s\", \"log_n\": %u, \"n_slots\": %u, \"threads\": %u, "
           "\"median_s\": %.6g, "
           "\"min_s\": %.6g, \"repetitions\": %u, \"backend\": \"%s\", \"levels\": %u, \"levels_left\": %u, "
           "\"bootstraps\": %u",
           c->name, o->set, report->log_n, report->n_slots, o->threads, times->median_s, times->min_s,
           o->repetitions, report->backend, report->levels, report->levels_left, report->n_bootstraps);
    print_bits("mean_bits", report->mean_error);
    print_bits("worst_bits", report->worst_error);
    if (report->predicted_mean_bits > 0)
        printf(", \"predicted_mean_bits\": %.4g, \"predicted_worst_bits\": %.4g", report->predicted_mean_bits,
               report->predicted_worst_bits);
    if (report->n_keys > 0)
        printf(", \"n_keys\": %u, \"key_bytes\": %zu, \"keys_s\": %.4g", report->n_keys, report->key_bytes,
               report->keys_s);
    if (o->record) printf(", \"recorded\": true");
    printf(", \"peak_rss_bytes\": %" PRIu64 "}\n", (uint64_t)mzv_memory_peak());
    fflush(stdout);
}

/* A case whose runs are replays. */
typedef struct replayed {
    const mzv_circuit_case *c;
    void *state;
    mzv_recording *recording;
} replayed;

static mzv_status call_case(mzv_evaluator *ev, void *arg) {
    const replayed *r = arg;
    (void)ev; /* that of the state */
    return r->c->run(r->state);
}

static mzv_status run_replay(void *arg) { return mzv_recording_run(((const replayed *)arg)->recording); }

static mzv_status time_replays(mzv_bench_case timed, const mzv_circuit_case *c, mzv_bench_times *times) {
    const mzv_circuit_handles h = c->handles(timed.arg);
    replayed r = { c, timed.arg, NULL };
    const mzv_call call = { call_case, &r, h.in, &h.out, h.n_in, 1 };
    MZV_TRY(mzv_recording_create(&r.recording, h.ev, &call));
    timed.run = run_replay;
    timed.arg = &r;
    const mzv_status status = mzv_bench_time(&timed, times);
    mzv_recording_destroy(r.recording);
    return status;
}

static mzv_status time_and_verify(const mzv_circuit_case *c, const mzv_bench_options *o, void *state) {
    const mzv_bench_case timed = {
        .name = c->name, .repetitions = o->repetitions, .count = 1, .run = c->run, .arg = state
    };
    mzv_circuit_report report = { 0 };
    mzv_bench_times times;
    MZV_TRY(o->record ? time_replays(timed, c, &times) : mzv_bench_time(&timed, &times));
    MZV_TRY(c->verify(state, &report));
    print_row(c, o, &report, &times);
    return MZV_OK;
}

static mzv_status run_case(const mzv_circuit_case *c, const mzv_bench_options *o,
                           const mzv_circuit_site *site) {
    void *state = NULL;
    reset_peak();
    mzv_status status = c->open(&state, c, site);
    if (status == MZV_OK) status = time_and_verify(c, o, state);
    if (state) c->close(state);
    return status;
}

static mzv_status find_set(mzv_params *out, const mzv_bench_options *o) {
    MZV_TRY(mzv_params_named(out, o->set));
    if (out->insecure_toy && !o->insecure_toy)
        return mzv_fail(MZV_ERR_ARGUMENT,
                        "bench circuit: %s is insecure, for tests only, with --insecure-toy", o->set);
    return MZV_OK;
}

/* Every case whose name begins with `only`; those that give no row are named on stderr. Returns how many
 * failed. */
static uint32_t run_cases(const mzv_circuit_case *cases, const mzv_bench_options *o,
                          const mzv_circuit_site *site) {
    uint32_t n_failed = 0;
    for (const mzv_circuit_case *c = cases; c->name; c++) {
        if (strncmp(c->name, o->only, strlen(o->only)) != 0) continue;
        const mzv_status status = run_case(c, o, site);
        if (status == MZV_OK) continue;
        const bool deeper = status == MZV_ERR_LEVEL;
        if (!deeper) n_failed++;
        fprintf(stderr, "mzv: %s %s on %s: %s\n", c->name, deeper ? "passed over" : "failed", o->set,
                mzv_last_error());
    }
    return n_failed;
}

mzv_status mzv_bench_circuit(const mzv_bench_options *o, uint32_t *n_failed) {
    mzv_circuit_site site = { .backend = o->backend };
    MZV_TRY(find_set(&site.params, o));
    omp_set_num_threads((int)o->threads);
    *n_failed = run_cases(mzv_circuit_cases, o, &site);
    *n_failed += run_cases(mzv_columns_cases, o, &site);
    *n_failed += run_cases(mzv_boot_cases, o, &site);
    return MZV_OK;
}
