/* The harness: times a case and prints one line of JSON. */
#include "bench/bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/try.h"

#define MAX_REPETITIONS 101

static int by_size(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

mzv_status mzv_bench_time(const mzv_bench_case *c, mzv_bench_times *out) {
    double seconds[MAX_REPETITIONS];
    if (c->repetitions < 5 || c->repetitions > MAX_REPETITIONS || c->count == 0)
        return mzv_fail(MZV_ERR_ARGUMENT, "bench %s: %u repetitions of %u, need 5 to %d of 1 or more",
                        c->name, c->repetitions, c->count, MAX_REPETITIONS);
    MZV_TRY(c->run(c->arg));
    for (uint32_t i = 0; i < c->repetitions; i++) {
        const uint64_t start = mzv_clock_ns();
        MZV_TRY(c->run(c->arg));
        seconds[i] = (double)(mzv_clock_ns() - start) * 1e-9 / c->count;
    }
    qsort(seconds, c->repetitions, sizeof seconds[0], by_size);
    out->median_s = seconds[c->repetitions / 2];
    out->min_s = seconds[0];
    return MZV_OK;
}

mzv_status mzv_bench_run(const mzv_bench_case *c) {
    mzv_bench_times times;
    MZV_TRY(mzv_bench_time(c, &times));
    printf("{\"name\": \"%s\", \"log_n\": %u, \"n_limbs\": %u, \"threads\": %u, \"median_s\": %.6g, "
           "\"min_s\": %.6g, \"repetitions\": %u, \"backend\": \"%s\"",
           c->name, c->log_n, c->n_limbs, c->n_threads, times.median_s, times.min_s, c->repetitions,
           c->backend);
    if (c->bytes != 0) printf(", \"bytes\": %" PRIu64, c->bytes);
    printf("}\n");
    fflush(stdout);
    return MZV_OK;
}
