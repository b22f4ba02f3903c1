/* mzv doctor: what this machine offers, each line ok or warn. */
#define _GNU_SOURCE /* sched_getaffinity */
#include <omp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mzv/mzv.h"
#include "backend/backend.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/try.h"
#include "cli/cli.h"

typedef struct finding {
    bool ok;
    char value[200];
    const char *next; /* what to do about a warning, or NULL */
} finding;

static void look_at_cpu(finding *f, const mzv_args *args) {
    (void)args;
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
    snprintf(f->value, sizeof f->value, "x86-64%s%s%s", avx2 ? ", AVX2 and FMA" : "",
             avx512 ? ", AVX-512" : "", __builtin_cpu_supports("avx512ifma") ? ", IFMA" : "");
    f->ok = avx2;
    f->next = "without AVX2 the scalar kernels run, several times slower";
#else
    snprintf(f->value, sizeof f->value, "not x86-64");
    f->next = "the scalar kernels run, several times slower";
#endif
}

/* Opens the smallest set there is: the backend names the kernels it chose. */
static void look_at_backend(finding *f, const mzv_args *args) {
    const mzv_options options = { .backend = args->backend, .n_threads = args->threads };
    mzv_context *ctx = NULL;
    mzv_params params;
    f->ok = mzv_params_named(&params, "toy-leveled") == MZV_OK &&
            mzv_context_create(&ctx, &params, &options) == MZV_OK;
    snprintf(f->value, sizeof f->value, "%s", f->ok ? mzv_context_backend(ctx) : mzv_last_error());
    f->next = "try --backend cpu";
    mzv_context_destroy(ctx);
}

static void look_at_threads(finding *f, const mzv_args *args) {
    cpu_set_t set;
    const int n_allowed =
        sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : (int)sysconf(_SC_NPROCESSORS_ONLN);
    const int n_threads = args->threads > 0 ? (int)args->threads : omp_get_max_threads();
    snprintf(f->value, sizeof f->value, "%d threads on %d CPUs", n_threads, n_allowed);
    f->ok = n_threads == n_allowed;
    f->next = n_threads > n_allowed
                  ? "more threads than CPUs wait for each other: see OMP_NUM_THREADS, --threads"
                  : "fewer threads than CPUs: see OMP_NUM_THREADS, --threads";
}

static void look_at_memory(finding *f, const mzv_args *args) {
    (void)args;
    uint64_t bytes = 0;
    char text[32];
    const bool known = mzv_memory_available(&bytes) == MZV_OK;
    snprintf(f->value, sizeof f->value, "%s available",
             known ? mzv_size_text(text, sizeof text, (double)bytes) : "unknown amount");
    f->ok = known && bytes >= (uint64_t)4 << 30;
    f->next = "an attention module of a small model takes 1 to 4 GiB: see `mzv plan`";
}

static void look_at_cuda(finding *f, const mzv_args *args) {
    const bool driver = access("/dev/nvidiactl", F_OK) == 0;
#ifdef MZV_WITH_CUDA
    const mzv_backend_ops *ops = NULL;
    mzv_device_facts d;
    char bytes_free[32], bytes_total[32];
    int n = 0;
    f->ok = mzv_backend_find(&ops, "cuda") == MZV_OK && ops->look(&d, &n, (int)args->device) == MZV_OK;
    if (f->ok)
        snprintf(f->value, sizeof f->value, "device %u of %d: %.60s, %s, %s arithmetic, %s of %s free",
                 args->device, n, d.name, d.architecture, d.arithmetic,
                 mzv_size_text(bytes_free, sizeof bytes_free, (double)d.free_bytes),
                 mzv_size_text(bytes_total, sizeof bytes_total, (double)d.total_bytes));
    else
        snprintf(f->value, sizeof f->value, "%s", mzv_last_error());
    f->next = driver || n > 0 ? "see nvidia-smi: driver and device must work"
                              : "no GPU: ciphertexts are computed on the CPU";
    if (!f->ok || strcmp(d.arithmetic, "none") != 0) return;
    f->ok = false;
    f->next = "compute capability 8.0 or later is needed; ciphertexts are computed on the CPU";
#else
    (void)args;
    f->ok = !driver;
    snprintf(f->value, sizeof f->value, "not in this build%s",
             driver ? ", though there is a GPU" : "; no GPU here");
    f->next = "install nvcc and build again to use the GPU";
#endif
}

static void look_at_huge_pages(finding *f, const mzv_args *args) {
    (void)args;
    char text[100] = "";
    FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "re");
    if (file != NULL) {
        if (fgets(text, sizeof text, file) == NULL) text[0] = '\0';
        fclose(file);
    }
    text[strcspn(text, "\n")] = '\0';
    f->ok = strstr(text, "[always]") != NULL || strstr(text, "[madvise]") != NULL;
    snprintf(f->value, sizeof f->value, "%s", text[0] != '\0' ? text : "unknown");
    f->next = "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled";
}

static void look_at_randomness(finding *f, const mzv_args *args) {
    (void)args;
    uint8_t bytes[16];
    f->ok = mzv_random_bytes(bytes, sizeof bytes) == MZV_OK;
    snprintf(f->value, sizeof f->value, "%s", f->ok ? "getrandom(2) works" : mzv_last_error());
    f->next = "no keys can be made here";
}

static const struct {
    const char *name;
    void (*look)(finding *f, const mzv_args *args);
} checks[] = {
    { "cpu", look_at_cpu },
    { "backend", look_at_backend },
    { "threads", look_at_threads },
    { "memory", look_at_memory },
    { "cuda", look_at_cuda },
    { "huge pages", look_at_huge_pages },
    { "randomness", look_at_randomness },
};

static mzv_status fill(const mzv_args *args, json_t *rows) {
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        finding f = { .ok = false };
        json_t *row = json_object();
        checks[i].look(&f, args);
        MZV_TRY(mzv_json_push(rows, row));
        MZV_TRY(mzv_json_set(row, "check", json_string(checks[i].name)));
        MZV_TRY(mzv_json_set(row, "status", json_string(f.ok ? "ok" : "warn")));
        MZV_TRY(mzv_json_set(row, "found", mzv_json_text(f.value, strlen(f.value))));
        MZV_TRY(mzv_json_set(row, "next", json_string(f.ok || f.next == NULL ? "" : f.next)));
    }
    return MZV_OK;
}

mzv_status mzv_cmd_doctor(mzv_cli *cli) {
    json_t *head = NULL;
    MZV_TRY(mzv_json_new(&head, "doctor"));
    json_t *rows = json_array();
    mzv_status status = fill(&cli->args, rows);
    if (status == MZV_OK) status = mzv_output_table(&cli->out, head, rows);
    json_decref(rows);
    json_decref(head);
    return status;
}
