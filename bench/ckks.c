/* CKKS operations one by one, at the sizes that other libraries publish. */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/try.h"
#include "bench/bench.h"
#include "ckks/eval_kind.h"

#define N_HOISTED 8

static const struct bench_set {
    const char *name;
    mzv_params params;
} sets[] = {
    { "n16", /* 26 limbs, dnum 3 */
      { .log_n = 16, .n_levels = 25, .log_q0 = 48, .log_scale = 47, .n_special = 9, .log_special = 48 } },
    { "n15", /* 15 limbs, dnum 3 */
      { .log_n = 15, .n_levels = 14, .log_q0 = 43, .log_scale = 42, .n_special = 5, .log_special = 43 } },
};

/* Everything one set needs. Nothing is allocated while time is taken. */
typedef struct workshop {
    mzv_params params;
    mzv_context *ctx;
    mzv_secret *secret;
    mzv_keys *keys;
    mzv_evaluator *ev;
    mzv_cipher *a, *b, *out[N_HOISTED];
    mzv_plain *plain, *ready; /* lifted at every use; values kept */
} workshop;

static mzv_status run_ntt(void *arg) {
    const workshop *w = arg;
    mzv_stream *s = w->ev->stream;
    return mzv_poly_ntt(s, mzv_cipher_part(w->out[0], w->params.log_n, 0));
}

static mzv_status run_intt(void *arg) {
    const workshop *w = arg;
    mzv_stream *s = w->ev->stream;
    return mzv_poly_intt(s, mzv_cipher_part(w->out[0], w->params.log_n, 0));
}

static mzv_status run_add(void *arg) {
    const workshop *w = arg;
    return mzv_add(w->ev, w->out[0], w->a, w->b);
}

/* The product alone, both parts with values that are ready: what OpenFHE times as PMult. */
static mzv_status run_product(void *arg) {
    const workshop *w = arg;
    const mzv_cpoly values = { w->ready->rows, 0, 1, w->ready->rows_basis };
    for (uint32_t t = 0; t < 2; t++)
        MZV_TRY(mzv_poly_mul(w->ev->stream, mzv_cipher_part(w->out[0], w->params.log_n, t),
                             mzv_view(mzv_cipher_part(w->a, w->params.log_n, t)), values));
    return MZV_OK;
}

static mzv_status run_mul_plain_ready(void *arg) {
    const workshop *w = arg;
    return mzv_mul_plain(w->ev, w->out[1], w->a, w->ready);
}

static mzv_status run_mul_plain(void *arg) {
    const workshop *w = arg;
    return mzv_mul_plain(w->ev, w->out[1], w->a, w->plain);
}

static mzv_status run_mul(void *arg) {
    const workshop *w = arg;
    return mzv_mul(w->ev, w->out[1], w->a, w->b);
}

static mzv_status run_rotate(void *arg) {
    const workshop *w = arg;
    return mzv_rotate(w->ev, w->out[1], w->a, 1);
}

static mzv_status run_hoisted(void *arg) {
    const workshop *w = arg;
    int32_t steps[N_HOISTED];
    for (int i = 0; i < N_HOISTED; i++) steps[i] = 1 + i % 2; /* two keys, each far larger than a cache */
    return mzv_rotate_many(w->ev, w->out, w->a, steps, N_HOISTED);
}

static mzv_status run_rescale(void *arg) {
    const workshop *w = arg;
    return mzv_mul_const(w->ev, w->out[1], w->a, 0.5);
}

static const struct {
    const char *name;
    mzv_status (*run)(void *arg);
    bool per_limb;
    uint32_t count;
} cases[] = {
    { "ntt", run_ntt, true, 1 },
    { "intt", run_intt, true, 1 },
    { "add", run_add, false, 1 },
    { "mul_plain product only", run_product, false, 1 },
    { "mul_plain rows ready, rescale", run_mul_plain_ready, false, 1 },
    { "mul_plain lifted, rescale", run_mul_plain, false, 1 },
    { "mul_const, rescale", run_rescale, false, 1 },
    { "mul, relinearise, rescale", run_mul, false, 1 },
    { "rotate", run_rotate, false, 1 },
    { "rotate hoisted 8, each", run_hoisted, false, N_HOISTED },
};

static mzv_status make_keys(workshop *w) {
    mzv_key_request *request = NULL;
    mzv_status status;
    MZV_TRY(mzv_key_request_create(&request));
    MZV_TRY_GOTO(mzv_request_relinearize(request, w->params.n_levels), done);
    MZV_TRY_GOTO(mzv_request_rotate(request, 1, w->params.n_levels), done);
    MZV_TRY_GOTO(mzv_request_rotate(request, 2, w->params.n_levels), done);
    status = mzv_keys_create(&w->keys, w->secret, request);
done:
    mzv_key_request_destroy(request);
    return status;
}

static mzv_status fill(workshop *w, const mzv_complex *slots) {
    const uint32_t top = w->params.n_levels;
    MZV_TRY(mzv_evaluator_create(&w->ev, w->ctx, w->keys, 0));
    MZV_TRY(mzv_cipher_create(&w->a, w->ctx, top, 1));
    MZV_TRY(mzv_cipher_create(&w->b, w->ctx, top, 1));
    for (int i = 0; i < N_HOISTED; i++) MZV_TRY(mzv_cipher_create(&w->out[i], w->ctx, top, 1));
    MZV_TRY(mzv_encrypt(w->a, w->secret, slots, top));
    MZV_TRY(mzv_encrypt(w->b, w->secret, slots, top));
    MZV_TRY(mzv_plain_create(&w->plain, w->ev, slots, top, MZV_PLAIN_MUL));
    MZV_TRY(mzv_plain_create(&w->ready, w->ev, slots, top, MZV_PLAIN_MUL));
    return mzv_plain_keep(w->ready, false);
}

static mzv_status set_up(workshop *w) {
    mzv_complex *slots = NULL;
    const size_t n_slots = (size_t)1 << (w->params.log_n - 1);
    MZV_TRY(mzv_context_create(&w->ctx, &w->params, NULL));
    MZV_TRY(mzv_secret_create(&w->secret, w->ctx));
    MZV_TRY(make_keys(w));
    MZV_TRY(MZV_NEW(&slots, n_slots, "slots"));
    for (size_t i = 0; i < n_slots; i++) slots[i] = (double)(i % 17) / 17;
    const mzv_status status = fill(w, slots);
    mzv_free(slots);
    return status;
}

static void tear_down(workshop *w) {
    mzv_plain_destroy(w->ready);
    mzv_plain_destroy(w->plain);
    for (int i = 0; i < N_HOISTED; i++) mzv_cipher_destroy(w->out[i]);
    mzv_cipher_destroy(w->b);
    mzv_cipher_destroy(w->a);
    mzv_evaluator_destroy(w->ev);
    mzv_keys_destroy(w->keys);
    mzv_secret_destroy(w->secret);
    mzv_context_destroy(w->ctx);
}

/* Every case whose name begins with `only`. */
static mzv_status run_cases(workshop *w, const char *only, uint32_t n_threads) {
    omp_set_num_threads((int)n_threads);
    MZV_TRY(mzv_copy(w->ev, w->out[0], w->a)); /* rows for the transforms */
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const uint32_t n_limbs = w->params.n_levels + 1;
        const mzv_bench_case c = { cases[i].name,
                                   mzv_context_backend(w->ctx),
                                   w->params.log_n,
                                   n_limbs,
                                   n_threads,
                                   11,
                                   cases[i].per_limb ? n_limbs : cases[i].count,
                                   cases[i].run,
                                   w,
                                   0 };
        if (strncmp(cases[i].name, only, strlen(only)) == 0) MZV_TRY(mzv_bench_run(&c));
    }
    return MZV_OK;
}

static mzv_status bench_set(const struct bench_set *set, const char *only) {
    workshop w = { .params = set->params };
    mzv_status status;
    MZV_TRY_GOTO(set_up(&w), done);
    for (uint32_t n_threads = 1; n_threads <= 2; n_threads++)
        MZV_TRY_GOTO(run_cases(&w, only, n_threads), done);
done:
    tear_down(&w);
    return status;
}

/* Arguments: a set ("n16", "n15"; all of them without) and the beginning of a case's name. */
int mzv_bench_ckks(int argc, char **argv) {
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        if (argc > 1 && strcmp(argv[1], sets[i].name) != 0 && strcmp(argv[1], "all") != 0) continue;
        if (bench_set(&sets[i], argc > 2 ? argv[2] : "") != MZV_OK) {
            fprintf(stderr, "bench ckks: %s\n", mzv_last_error());
            return 1;
        }
    }
    return 0;
}
