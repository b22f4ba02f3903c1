/* Backend operations one by one, with the shapes of key switching. */
#include <omp.h>
#include <stdio.h>
#include <string.h>

#include "backend/backend.h"
#include "base/arena.h"
#include "base/try.h"
#include "bench/bench.h"
#include "math/primes.h"

#define MAX_LIMBS 35
#define N_DIGITS 3
#define N_REPETITIONS 21

static const struct bench_set {
    const char *name;
    uint32_t log_n, n_p, n_q, bits;
    uint32_t copied; /* polynomials of the copy that others are compared with: more than caches hold */
    uint32_t n_runs; /* of a case on a device, queued one behind the other before the stream is waited for */
} sets[] = {
    { "n16", 16, 9, 26, 48, 16, 10 }, /* dnum 3 */
    { "n15", 15, 5, 15, 43, 48, 10 },
    { "toy", 11, 5, 15, 43, 2, 1 }, /* only where it is named */
};

/* Operands over all primes; the cases take prefixes and suffixes of their rows. Nothing is allocated while
 * time is taken. */
typedef struct workshop {
    const struct bench_set *set;
    const mzv_backend_ops *ops;
    mzv_backend *backend;
    mzv_stream *s;
    uint64_t primes[MAX_LIMBS];
    mzv_poly a[2], b[2], r[3], digit[N_DIGITS], key[2 * N_DIGITS];
    mzv_poly from, to;       /* of the copy */
    double copy_bytes_per_s; /* read and written */
    double fp64_per_s;       /* as mzv_device_facts */
} workshop;

/* The part of a polynomial over q_first .. q_{first + n - 1}. */
static mzv_poly part(const workshop *w, mzv_poly a, uint32_t first, uint32_t n) {
    a.base += (size_t)(w->set->n_p + first) << w->set->log_n;
    a.basis = (mzv_basis) { 0, (uint16_t)first, (uint16_t)n };
    return a;
}

static mzv_poly q_part(const workshop *w, mzv_poly a) { return part(w, a, 0, w->set->n_q); }

static mzv_status run_ntt(void *arg) {
    const workshop *w = arg;
    return mzv_poly_ntt(w->s, q_part(w, w->r[0]));
}

static mzv_status run_intt(void *arg) {
    const workshop *w = arg;
    return mzv_poly_intt(w->s, q_part(w, w->r[0]));
}

/* Both halves of a ciphertext. */
static mzv_status run_add(void *arg) {
    const workshop *w = arg;
    for (int t = 0; t < 2; t++)
        MZV_TRY(mzv_poly_add(w->s, q_part(w, w->r[t]), mzv_view(q_part(w, w->a[t])),
                             mzv_view(q_part(w, w->b[t]))));
    return MZV_OK;
}

static mzv_status run_mul(void *arg) {
    const workshop *w = arg;
    return mzv_poly_mul(w->s, q_part(w, w->r[0]), mzv_view(q_part(w, w->a[0])), mzv_view(q_part(w, w->b[0])));
}

static mzv_status run_tensor(void *arg) {
    const workshop *w = arg;
    mzv_poly d[3];
    mzv_cpoly a[2], b[2];
    for (int i = 0; i < 3; i++) d[i] = q_part(w, w->r[i]);
    for (int t = 0; t < 2; t++) {
        a[t] = mzv_view(q_part(w, w->a[t]));
        b[t] = mzv_view(q_part(w, w->b[t]));
    }
    return mzv_poly_tensor(w->s, d, a, b);
}

static mzv_status run_automorphism(void *arg) {
    const workshop *w = arg;
    return mzv_poly_automorphism(w->s, q_part(w, w->r[0]), mzv_view(q_part(w, w->a[0])), 5);
}

static mzv_status mod_up(const workshop *w, uint32_t j) {
    const uint32_t n = w->set->n_p, first = j * n, left = w->set->n_q - first;
    return mzv_poly_mod_up(w->s, w->digit[j], mzv_view(part(w, w->a[0], first, left < n ? left : n)));
}

static mzv_status run_mod_up(void *arg) { return mod_up(arg, 0); }

static mzv_status run_key_product(void *arg) {
    const workshop *w = arg;
    mzv_cpoly d[N_DIGITS], key[2 * N_DIGITS];
    mzv_poly r[2] = { w->r[0], w->r[1] };
    for (int j = 0; j < N_DIGITS; j++) d[j] = mzv_view(w->digit[j]);
    for (int j = 0; j < 2 * N_DIGITS; j++) key[j] = mzv_view(w->key[j]);
    return mzv_poly_key_product(w->s, r, d, key, N_DIGITS);
}

static mzv_status run_mod_down(void *arg) {
    const workshop *w = arg;
    return mzv_poly_mod_down(w->s, q_part(w, w->b[0]), mzv_view(w->r[0]));
}

static mzv_status run_mod_down_rescale(void *arg) {
    const workshop *w = arg;
    return mzv_poly_mod_down(w->s, part(w, w->b[0], 0, w->set->n_q - 1), mzv_view(w->r[0]));
}

static mzv_status run_key_switch(void *arg) {
    const workshop *w = arg;
    mzv_cpoly key[2 * N_DIGITS];
    mzv_poly r[2] = { q_part(w, w->b[0]), q_part(w, w->b[1]) };
    for (int j = 0; j < 2 * N_DIGITS; j++) key[j] = mzv_view(w->key[j]);
    const mzv_switch with = { .key = key, .n_digits = N_DIGITS, .galois = 5 };
    return mzv_poly_key_switch(w->s, r, mzv_view(q_part(w, w->a[0])), &with);
}

static mzv_status run_copy(void *arg) {
    const workshop *w = arg;
    return mzv_poly_copy(w->s, w->to, mzv_view(w->from));
}

/* What an operation must do at least. Rows read and written, transforms of rows, and terms (a word of one row
 * times a constant into another) for each special limb p, each limb q, and p q. */
typedef struct work {
    uint32_t rows_p, rows_q, transforms_p, transforms_q, terms_pq, products_q, products_p;
} work;

#define D N_DIGITS
static const struct bench_op {
    const char *name;
    mzv_status (*run)(void *);
    bool per_limb;
    work least;
} cases[] = {
    { "ntt", run_ntt, true, { .rows_q = 2, .transforms_q = 1 } },
    { "intt", run_intt, true, { .rows_q = 2, .transforms_q = 1 } },
    { "add, both halves", run_add, false, { .rows_q = 6 } },
    { "mul", run_mul, false, { .rows_q = 3, .products_q = 1 } },
    { "tensor", run_tensor, false, { .rows_q = 7, .products_q = 4 } },
    { "automorphism", run_automorphism, false, { .rows_q = 2 } },
    { "mod_up, one digit",
      run_mod_up,
      false,
      { .rows_p = 2, .rows_q = 1, .transforms_p = 1, .transforms_q = 1, .terms_pq = 1 } },
    { "key_product",
      run_key_product,
      false,
      { .rows_p = 3 * D + 2, .rows_q = 3 * D + 2, .products_p = 2 * D, .products_q = 2 * D } },
    { "mod_down",
      run_mod_down,
      false,
      { .rows_p = 1, .rows_q = 2, .transforms_p = 1, .transforms_q = 1, .terms_pq = 1 } },
    { "mod_down with rescale",
      run_mod_down_rescale,
      false,
      { .rows_p = 1, .rows_q = 2, .transforms_p = 1, .transforms_q = 1, .terms_pq = 1 } },
    { "key_switch",
      run_key_switch,
      false,
      { .rows_p = 2 * D,
        .rows_q = 2 * D + 3,
        .transforms_p = D + 2,
        .transforms_q = D + 2,
        .terms_pq = D + 2,
        .products_p = 2 * D,
        .products_q = 2 * D } },
};
#undef D

static double bytes_of(const struct bench_set *set, const work *w) {
    return (double)(w->rows_p * set->n_p + w->rows_q * set->n_q) * (double)(sizeof(uint64_t) << set->log_n);
}

/* Instructions of the FP64 arithmetic: 8 a butterfly, 4 a term of a conversion, 8 a product of residues. */
static double fp64_of(const struct bench_set *set, const work *w) {
    const double transforms = w->transforms_p * set->n_p + w->transforms_q * set->n_q;
    const double terms = (double)w->terms_pq * set->n_p * set->n_q;
    const double products = w->products_p * set->n_p + w->products_q * set->n_q;
    return (double)(1u << set->log_n) * (4.0 * set->log_n * transforms + 4.0 * terms + 8.0 * products);
}

static mzv_status make_primes(workshop *w) {
    uint64_t limit = (uint64_t)1 << w->set->bits;
    for (uint32_t i = 0; i < w->set->n_p + w->set->n_q; i++) {
        MZV_TRY(mzv_prime_below(&w->primes[i], limit, (uint64_t)2 << w->set->log_n));
        limit = w->primes[i];
    }
    return MZV_OK;
}

/* The operands of the copy: zeros will do. */
static mzv_status make_copied(workshop *w, mzv_poly *out) {
    const mzv_basis all = { (uint16_t)w->set->n_p, 0, (uint16_t)w->set->n_q };
    const size_t stride = (size_t)mzv_basis_size(all) << w->set->log_n;
    uint64_t *base = NULL, *host = NULL;
    MZV_TRY(w->ops->alloc(w->s, &base, stride * w->set->copied));
    *out = (mzv_poly) { base, stride, w->set->copied, all };
    MZV_TRY(MZV_NEW(&host, stride, "copied"));
    mzv_status status = MZV_OK;
    for (uint32_t b = 0; b < w->set->copied && status == MZV_OK; b++)
        status = w->ops->upload(w->s, base + b * stride, host, stride);
    const mzv_status done = w->ops->synchronize(w->s); /* `host` is read until then */
    mzv_free(host);
    return status != MZV_OK ? status : done;
}

/* A polynomial over all primes, filled with residues that have no pattern. */
static mzv_status make_poly(workshop *w, mzv_poly *out, uint64_t *host) {
    const mzv_basis all = { (uint16_t)w->set->n_p, 0, (uint16_t)w->set->n_q };
    const size_t n = (size_t)1 << w->set->log_n, words = mzv_basis_size(all) * n;
    uint64_t *base = NULL;
    MZV_TRY(w->ops->alloc(w->s, &base, words));
    *out = (mzv_poly) { base, words, 1, all };
    for (size_t k = 0; k < words; k++) host[k] = k * 0x9e3779b97f4a7c15u % w->primes[k / n];
    MZV_TRY(w->ops->upload(w->s, base, host, words));
    return w->ops->synchronize(w->s);
}

static mzv_status make_polys(workshop *w) {
    const size_t words = (size_t)(w->set->n_p + w->set->n_q) << w->set->log_n;
    uint64_t *host = NULL;
    mzv_status status;
    MZV_TRY(MZV_NEW(&host, words, "operands"));
    for (int i = 0; i < 2; i++) MZV_TRY_GOTO(make_poly(w, &w->a[i], host), done);
    for (int i = 0; i < 2; i++) MZV_TRY_GOTO(make_poly(w, &w->b[i], host), done);
    for (int i = 0; i < 3; i++) MZV_TRY_GOTO(make_poly(w, &w->r[i], host), done);
    for (int i = 0; i < N_DIGITS; i++) MZV_TRY_GOTO(make_poly(w, &w->digit[i], host), done);
    for (int i = 0; i < 2 * N_DIGITS; i++) MZV_TRY_GOTO(make_poly(w, &w->key[i], host), done);
done:
    mzv_free(host);
    return status;
}

static mzv_status look_at_device(workshop *w) {
    mzv_device_facts facts;
    int n = 0;
    if (w->ops->look == NULL) return MZV_OK;
    MZV_TRY(w->ops->look(&facts, &n, 0));
    w->fp64_per_s = facts.fp64_per_s;
    return MZV_OK;
}

static mzv_status set_up(workshop *w, const char *backend) {
    MZV_TRY(make_primes(w));
    const mzv_chain chain = { w->set->log_n, w->set->n_p, w->set->n_q, w->primes };
    MZV_TRY(mzv_backend_find(&w->ops, backend));
    MZV_TRY(w->ops->open(&w->backend, &chain, 0, NULL));
    MZV_TRY(w->ops->stream_open(&w->s, w->backend));
    MZV_TRY(mzv_scratch_reserve(w->s, (size_t)(N_DIGITS + 4) * MAX_LIMBS << w->set->log_n));
    MZV_TRY(look_at_device(w));
    MZV_TRY(make_copied(w, &w->from));
    MZV_TRY(make_copied(w, &w->to));
    return make_polys(w);
}

static void tear_down(workshop *w) {
    if (w->s != NULL) {
        w->ops->free(w->s, w->from.base);
        w->ops->free(w->s, w->to.base);
        for (int i = 0; i < 2; i++) w->ops->free(w->s, w->a[i].base);
        for (int i = 0; i < 2; i++) w->ops->free(w->s, w->b[i].base);
        for (int i = 0; i < 3; i++) w->ops->free(w->s, w->r[i].base);
        for (int i = 0; i < N_DIGITS; i++) w->ops->free(w->s, w->digit[i].base);
        for (int i = 0; i < 2 * N_DIGITS; i++) w->ops->free(w->s, w->key[i].base);
        w->ops->stream_close(w->s);
    }
    if (w->backend != NULL) w->ops->close(w->backend);
}

typedef struct waited {
    const workshop *w;
    mzv_status (*run)(void *);
    uint32_t n_runs;
} waited;

/* A queued operation is done when the stream is. */
static mzv_status run_and_wait(void *arg) {
    const waited *c = arg;
    for (uint32_t i = 0; i < c->n_runs; i++) MZV_TRY(c->run((void *)c->w));
    return c->w->ops->synchronize(c->w->s);
}

/* Several runs in a row where operations are queued, so that the wait is shared. */
static uint32_t runs_of(const workshop *w) { return w->ops == &mzv_cpu_ops ? 1 : w->set->n_runs; }

static mzv_status time_case(const workshop *w, const char *name, mzv_status (*run)(void *), uint32_t count,
                            mzv_bench_times *out) {
    waited arg = { w, run, runs_of(w) };
    const mzv_bench_case c = { .name = name,
                               .repetitions = N_REPETITIONS,
                               .count = count * arg.n_runs,
                               .run = run_and_wait,
                               .arg = &arg };
    return mzv_bench_time(&c, out);
}

/* NULL in JSON where it is not known. */
static void print_number(const char *key, double value) {
    if (value > 0)
        printf(", \"%s\": %.6g", key, value);
    else
        printf(", \"%s\": null", key);
}

/* The floor is the longer of two times: of the bytes at the speed of the copy, and of the FP64 instructions,
 * where the device's rate is known. */
static void print_row(const workshop *w, const char *name, uint32_t n_threads, const mzv_bench_times *t,
                      double bytes, double fp64) {
    const double by_memory = bytes / w->copy_bytes_per_s;
    const double by_arithmetic = w->fp64_per_s > 0 ? fp64 / w->fp64_per_s : 0;
    printf("{\"name\": \"%s\", \"log_n\": %u, \"n_limbs\": %u, \"threads\": %u, \"median_s\": %.6g, "
           "\"min_s\": %.6g, "
           "\"repetitions\": %d, \"backend\": \"%s\", \"bytes\": %.0f",
           name, w->set->log_n, w->set->n_q, n_threads, t->median_s, t->min_s, N_REPETITIONS,
           w->ops->describe(w->backend), bytes);
    print_number("bytes_per_s", bytes / t->median_s);
    print_number("copy_share", bytes / t->median_s / w->copy_bytes_per_s);
    print_number("memory_floor_s", by_memory);
    print_number("arithmetic_floor_s", by_arithmetic);
    print_number("over_floor", t->median_s / (by_memory > by_arithmetic ? by_memory : by_arithmetic));
    printf("}\n");
    fflush(stdout);
}

/* The first row of every run: what the others are compared with. */
static mzv_status run_the_copy(workshop *w, uint32_t n_threads) {
    const double bytes =
        2.0 * w->set->copied * (w->set->n_p + w->set->n_q) * (double)(sizeof(uint64_t) << w->set->log_n);
    mzv_bench_times times;
    MZV_TRY(time_case(w, "copy", run_copy, 1, &times));
    w->copy_bytes_per_s = bytes / times.median_s;
    print_row(w, "copy", n_threads, &times, bytes, 0);
    return MZV_OK;
}

static mzv_status run_cases(workshop *w, const char *only, uint32_t n_threads) {
    const struct bench_set *set = w->set;
    omp_set_num_threads((int)n_threads);
    MZV_TRY(run_the_copy(w, n_threads));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct bench_op *op = &cases[i];
        const uint32_t count = op->per_limb ? set->n_q : 1;
        mzv_bench_times times;
        if (strncmp(op->name, only, strlen(only)) != 0) continue;
        MZV_TRY(time_case(w, op->name, op->run, count, &times));
        print_row(w, op->name, n_threads, &times, bytes_of(set, &op->least) / count,
                  fp64_of(set, &op->least) / count);
    }
    return MZV_OK;
}

static mzv_status bench_set(const struct bench_set *set, const char *only, const char *backend) {
    workshop w = { .set = set };
    mzv_status status;
    MZV_TRY_GOTO(set_up(&w, backend), done);
    for (uint32_t n_threads = 1; n_threads <= (w.ops == &mzv_cpu_ops ? 2u : 1u); n_threads++)
        MZV_TRY_GOTO(run_cases(&w, only, n_threads), done);
done:
    tear_down(&w);
    return status;
}

static bool wanted(const struct bench_set *set, const char *name) {
    return strcmp(name, set->name) == 0 || (strcmp(name, "all") == 0 && strcmp(set->name, "toy") != 0);
}

/* Arguments: a set ("all" of them), the beginning of a case's name, a backend. */
int mzv_bench_ops(int argc, char **argv) {
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        if (!wanted(&sets[i], argc > 1 ? argv[1] : "all")) continue;
        if (bench_set(&sets[i], argc > 2 ? argv[2] : "", argc > 3 ? argv[3] : NULL) != MZV_OK) {
            fprintf(stderr, "bench ops: %s\n", mzv_last_error());
            return 1;
        }
    }
    return 0;
}
