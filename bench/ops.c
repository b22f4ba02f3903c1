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

static const struct bench_set {
    const char *name;
    uint32_t log_n, n_p, n_q, bits;
} sets[] = {
    { "n16", 16, 9, 26, 48 }, /* dnum 3 */
    { "n15", 15, 5, 15, 43 },
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
    for (uint32_t j = 0; j < N_DIGITS; j++) MZV_TRY(mod_up(w, j));
    MZV_TRY(run_key_product(arg));
    for (int t = 0; t < 2; t++) MZV_TRY(mzv_poly_mod_down(w->s, q_part(w, w->b[t]), mzv_view(w->r[t])));
    return MZV_OK;
}

/* rows_q, rows_all: rows read and written, those over q and those over all primes. */
static const struct {
    const char *name;
    mzv_status (*run)(void *);
    bool per_limb;
    uint32_t rows_q, rows_all;
} cases[] = {
    { "ntt", run_ntt, true, 2, 0 },
    { "intt", run_intt, true, 2, 0 },
    { "add, both halves", run_add, false, 6, 0 },
    { "mul", run_mul, false, 3, 0 },
    { "tensor", run_tensor, false, 7, 0 },
    { "automorphism", run_automorphism, false, 2, 0 },
    { "mod_up, one digit", run_mod_up, false, 0, 1 },
    { "key_product", run_key_product, false, 0, 3 * N_DIGITS + 2 },
    { "mod_down", run_mod_down, false, 1, 1 },
    { "mod_down with rescale", run_mod_down_rescale, false, 1, 1 },
    { "key switch", run_key_switch, false, 2, 6 * N_DIGITS + 4 },
};

static mzv_status make_primes(workshop *w) {
    uint64_t limit = (uint64_t)1 << w->set->bits;
    for (uint32_t i = 0; i < w->set->n_p + w->set->n_q; i++) {
        MZV_TRY(mzv_prime_below(&w->primes[i], limit, (uint64_t)2 << w->set->log_n));
        limit = w->primes[i];
    }
    return MZV_OK;
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

static mzv_status set_up(workshop *w) {
    MZV_TRY(make_primes(w));
    const mzv_chain chain = { w->set->log_n, w->set->n_p, w->set->n_q, w->primes };
    MZV_TRY(mzv_backend_find(&w->ops, NULL));
    MZV_TRY(w->ops->open(&w->backend, &chain, 0, NULL));
    MZV_TRY(w->ops->stream_open(&w->s, w->backend));
    MZV_TRY(mzv_scratch_reserve(w->s, (size_t)2 * MAX_LIMBS << w->set->log_n));
    return make_polys(w);
}

static void tear_down(workshop *w) {
    if (w->s != NULL) {
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
} waited;

/* A queued operation is done when the stream is. */
static mzv_status run_and_wait(void *arg) {
    const waited *c = arg;
    MZV_TRY(c->run((void *)c->w));
    return c->w->ops->synchronize(c->w->s);
}

static mzv_status run_cases(const workshop *w, const char *only, uint32_t n_threads) {
    const struct bench_set *set = w->set;
    omp_set_num_threads((int)n_threads);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        waited arg = { w, cases[i].run };
        const uint32_t count = cases[i].per_limb ? set->n_q : 1;
        const uint64_t rows = cases[i].rows_q * set->n_q + cases[i].rows_all * (set->n_p + set->n_q);
        const mzv_bench_case c = { .name = cases[i].name,
                                   .backend = w->ops->describe(w->backend),
                                   .log_n = set->log_n,
                                   .n_limbs = set->n_q,
                                   .n_threads = n_threads,
                                   .repetitions = 21,
                                   .count = count,
                                   .run = run_and_wait,
                                   .arg = &arg,
                                   .bytes = (rows * sizeof(uint64_t) << set->log_n) / count };
        if (strncmp(cases[i].name, only, strlen(only)) == 0) MZV_TRY(mzv_bench_run(&c));
    }
    return MZV_OK;
}

static mzv_status bench_set(const struct bench_set *set, const char *only) {
    workshop w = { .set = set };
    mzv_status status;
    MZV_TRY_GOTO(set_up(&w), done);
    for (uint32_t n_threads = 1; n_threads <= 2; n_threads++)
        MZV_TRY_GOTO(run_cases(&w, only, n_threads), done);
done:
    tear_down(&w);
    return status;
}

/* Arguments: a set ("n16", "n15"; all of them without) and the beginning of a case's name. */
int mzv_bench_ops(int argc, char **argv) {
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        if (argc > 1 && strcmp(argv[1], sets[i].name) != 0 && strcmp(argv[1], "all") != 0) continue;
        if (bench_set(&sets[i], argc > 2 ? argv[2] : "") != MZV_OK) {
            fprintf(stderr, "bench ops: %s\n", mzv_last_error());
            return 1;
        }
    }
    return 0;
}
