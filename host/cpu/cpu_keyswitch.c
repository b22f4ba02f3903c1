/* Level 4: hybrid key switching [HK20, 3.2], fused so that what is made of a row is used while it is close.
 *   1. digits to tiles, lifted to the other primes of the key as far as the outer pass of their transforms;
 *   2. row by row: the inner pass, the products with the key, plus A; the rows that are dropped go straight
 * on to tiles;
 *   3. the division, and the automorphism, row by row.
 * Where primes differ in their kernels it is composed (backend/fused.c). */
#include <omp.h>

#include "backend/fused.h"
#include "base/try.h"
#include "cpu/cpu_conversion.h"

/* What all rows share. */
typedef struct key_switch {
    mzv_stream *s;
    const mzv_poly *r;
    mzv_cpoly d;
    const mzv_switch *with;
    mzv_basis extended;
    uint32_t batch, n_threads;
    mzv_cpu_conversion *division;    /* from what is dropped; no source: nothing is */
    mzv_cpu_permutation permutation; /* if galois is not 1 */
    mzv_poly lifted;                 /* polynomial j * batch + b: digit j */
    mzv_poly kept;                   /* polynomial t * batch + b: the sums modulo the primes of r */
    uint64_t *tiles;                 /* of polynomial t * batch + b: the dropped rows */
    uint64_t *rooms;
    size_t room_words;
    uint64_t special[MZV_MAX_PRIMES]; /* P modulo the primes of d */
} key_switch;

/* A thread's scratch: two rows, and a buffer for tiles. */
typedef struct room {
    uint64_t *row[2], *buffer;
} room;

static size_t row_words(const key_switch *k) { return (size_t)1 << k->s->log_n; }

static room room_of(const key_switch *k) {
    uint64_t *own = k->rooms + (size_t)omp_get_thread_num() * k->room_words;
    const room m = { { own, own + row_words(k) }, own + 2 * row_words(k) };
    return m;
}

static const mzv_cpu_prime *prime_of(const key_switch *k, uint32_t row) {
    return mzv_cpu_prime_of(k->s, k->extended, row);
}

/* Whether digit j is what `row` of the key's basis belongs to: then it is d's own row. */
static bool is_own(const key_switch *k, uint32_t j, uint32_t row) {
    const uint32_t n_p = k->extended.n_p;
    return row >= n_p && (row - n_p) / n_p == j;
}

/* Digit j modulo the prime of `row`. */
static const uint64_t *digit_row(const key_switch *k, uint32_t j, uint32_t row, uint32_t b) {
    const uint32_t log_n = k->s->log_n;
    if (k->with->digits != NULL) return mzv_cpu_crow(k->with->digits[j], b, row, log_n);
    if (is_own(k, j, row)) return mzv_cpu_crow(k->d, b, row - k->extended.n_p, log_n);
    uint64_t *lifted = mzv_cpu_row(k->lifted, j * k->batch + b, row, log_n);
    prime_of(k, row)->kernels->finish_row(lifted, lifted, NULL, 1, prime_of(k, row));
    return lifted;
}

/* sum[t] += A[t], n words from `at` on. */
static void add_to(const key_switch *k, uint64_t *const sum[2], uint32_t row, uint32_t b, size_t at,
                   size_t n) {
    const mzv_cpu_prime *prime = prime_of(k, row);
    const uint32_t n_p = k->extended.n_p;
    for (uint32_t t = 0; k->with->add != NULL && t < 2; t++) {
        const mzv_cpoly add = k->with->add[t];
        if (add.base == NULL) continue;
        if (add.basis.n_p != 0)
            prime->kernels->binary[MZV_CPU_ADD](sum[t], sum[t], mzv_cpu_crow(add, b, row, k->s->log_n) + at,
                                                n, prime);
        else if (row >= n_p)
            prime->kernels->with_const[MZV_CPU_MUL_CONST_ADD](
                sum[t], mzv_cpu_crow(add, b, row - n_p, k->s->log_n) + at, k->special[row - n_p], n, prime);
    }
}

/* to[t] = sum_j d_j . key[2j+t] + A[t], one row. */
static void multiply_row(const key_switch *k, uint64_t *const to[2], uint32_t row, uint32_t b) {
    const mzv_cpu_prime *prime = prime_of(k, row);
    const size_t n = row_words(k), block = n < MZV_CPU_BLOCK ? n : MZV_CPU_BLOCK;
    const uint64_t *digit[MZV_MAX_DIGITS], *d[MZV_MAX_DIGITS], *key[2][MZV_MAX_DIGITS];
    for (uint32_t j = 0; j < k->with->n_digits; j++) digit[j] = digit_row(k, j, row, b);
    for (size_t at = 0; at < n; at += block) {
        uint64_t *const sum[2] = { to[0] + at, to[1] + at };
        for (uint32_t j = 0; j < k->with->n_digits; j++) {
            d[j] = digit[j] + at;
            for (uint32_t t = 0; t < 2; t++)
                key[t][j] = mzv_cpu_crow(k->with->key[2 * j + t], b, row, k->s->log_n) + at;
        }
        const mzv_cpu_products products = {
            { sum[0], sum[1] }, { key[0], key[1] }, d, k->with->n_digits, 2, false
        };
        prime->kernels->sum_products(&products, block, prime);
        add_to(k, sum, row, b, at, block);
    }
}

/* Whether results go to memory by way of a row of scratch: where they are turned or added. */
static bool by_way(const key_switch *k) { return k->with->galois != 1 || k->with->accumulate; }

/* r = (or +=) sigma(a), one row. */
static void turn(const key_switch *k, uint64_t *r, const uint64_t *a, const mzv_cpu_prime *prime) {
    if (k->with->galois == 1)
        prime->kernels->binary[MZV_CPU_ADD](r, r, a, row_words(k), prime);
    else
        prime->kernels->permute(r, a, &k->permutation, mzv_cpu_all_lines(k->s->log_n), k->with->accumulate,
                                prime);
}

/* Where the row lies among those that are dropped, or -1. */
static int32_t find_dropped(const key_switch *k, uint32_t row) {
    for (uint32_t i = 0; i < k->division->source.n; i++)
        if (k->division->source.row[i] == row) return (int32_t)i;
    return -1;
}

/* Step 2 for one row of polynomial b, both halves. */
static void sum_row(const key_switch *k, uint32_t row, uint32_t b) {
    const room m = room_of(k);
    const uint32_t log_n = k->s->log_n;
    const int32_t dropped = find_dropped(k, row);
    uint64_t *to[2] = { m.row[0], m.row[1] };
    if (dropped < 0) {
        const uint32_t prime = mzv_prime_index(k->s->chain, k->extended, row);
        const uint32_t at = (uint32_t)mzv_cpu_row_of(k->s->chain, k->r[0].basis, prime);
        const bool divides = k->division->source.n != 0;
        for (uint32_t t = 0; t < 2 && (divides || !by_way(k)); t++)
            to[t] = divides ? mzv_cpu_row(k->kept, t * k->batch + b, at, log_n)
                            : mzv_cpu_row(k->r[t], b, at, log_n);
    }
    multiply_row(k, to, row, b);
    for (uint32_t t = 0; t < 2; t++) {
        if (dropped >= 0)
            mzv_cpu_make_tile_row(k->s, k->division, k->tiles, t * k->batch + b, (uint32_t)dropped, to[t],
                                  m.buffer);
        else if (to[t] == m.row[t])
            turn(k, mzv_cpu_row(k->r[t], b, row, log_n), to[t], prime_of(k, row));
    }
}

/* Step 3 for target i of polynomial t * batch + b, converted to `x`. */
static void divide_row(const key_switch *k, mzv_poly x, uint32_t i, uint32_t t, uint32_t b) {
    const mzv_cpu_conversion *c = k->division;
    const mzv_cpu_prime *prime = &k->s->backend->primes[c->target.prime[i]];
    const uint32_t log_n = k->s->log_n, row = c->target.row[i], number = t * k->batch + b;
    const uint64_t *kept = mzv_cpu_row(k->kept, number, row, log_n);
    uint64_t *from = mzv_cpu_row(x, number, row, log_n), *r = mzv_cpu_row(k->r[t], b, row, log_n);
    if (!by_way(k)) {
        prime->kernels->finish_row(r, from, kept, c->product_inverse[i], prime);
        return;
    }
    prime->kernels->finish_row(from, from, kept, c->product_inverse[i], prime);
    turn(k, r, from, prime);
}

static mzv_status divide(const key_switch *k) {
    mzv_poly x;
    MZV_TRY(mzv_take(k->s, &x, 2 * k->batch, k->r[0].basis));
    mzv_cpu_convert_tiles(k->s, k->division, x, k->tiles, 2 * k->batch);
#pragma omp parallel for collapse(3) schedule(dynamic) if (mzv_cpu_worth(k->s, k->batch, 2, MZV_CPU_HEAVY))
    for (uint32_t i = 0; i < k->division->target.n; i++)
        for (uint32_t t = 0; t < 2; t++)
            for (uint32_t b = 0; b < k->batch; b++) divide_row(k, x, i, t, b);
    return MZV_OK;
}

/* Step 1; c: room for the constants of one digit at a time. */
static mzv_status lift_digits(key_switch *k, mzv_cpu_conversion *c) {
    mzv_stream *s = k->s;
    MZV_TRY(mzv_take(s, &k->lifted, k->with->n_digits * k->batch, k->extended));
    const size_t mark = mzv_mark(s);
    for (uint32_t j = 0; j < k->with->n_digits; j++) {
        const mzv_cpoly digit = mzv_fused_digit(k->d, j, k->extended.n_p, s->log_n);
        mzv_poly to = k->lifted;
        uint64_t *tiles = NULL;
        to.base += (size_t)j * k->batch * to.stride;
        to.batch = k->batch;
        mzv_cpu_collect(&c->source, s->chain, digit.basis, NULL);
        mzv_cpu_collect(&c->target, s->chain, k->extended, &digit.basis);
        mzv_cpu_conversion_fill(c, s->backend, false);
        MZV_TRY(mzv_take_words(s, &tiles, (size_t)digit.batch * c->source.n * mzv_cpu_digit_words(s->log_n)));
        MZV_TRY(mzv_cpu_make_tiles(s, c, tiles, digit));
        mzv_cpu_convert_tiles(s, c, to, tiles, digit.batch);
        mzv_release(s, mark);
    }
    return MZV_OK;
}

static mzv_status sum_rows(key_switch *k) {
    const size_t mark = mzv_mark(k->s);
    const uint32_t n_rows = mzv_basis_size(k->extended);
    MZV_TRY(mzv_take_words(k->s, &k->rooms, k->n_threads * k->room_words));
#pragma omp parallel for schedule(dynamic) num_threads(k->n_threads)
    for (uint32_t row = 0; row < n_rows; row++)
        for (uint32_t b = 0; b < k->batch; b++)
            sum_row(k, row, b); /* the key's rows are close to the next b */
    mzv_release(k->s, mark);
    return MZV_OK;
}

static mzv_status run(key_switch *k, mzv_cpu_conversion *c) {
    mzv_stream *s = k->s;
    const bool divides = k->division->source.n != 0;
    if (k->with->galois != 1) MZV_TRY(mzv_cpu_permutation_make(s, &k->permutation, k->with->galois));
    if (divides) {
        MZV_TRY(mzv_take(s, &k->kept, 2 * k->batch, k->r[0].basis));
        MZV_TRY(mzv_take_words(s, &k->tiles,
                               2 * (size_t)k->batch * k->division->source.n * mzv_cpu_digit_words(s->log_n)));
    }
    const size_t mark = mzv_mark(s);
    if (k->with->digits == NULL) MZV_TRY(lift_digits(k, c));
    MZV_TRY(sum_rows(k));
    mzv_release(s, mark);
    return divides ? divide(k) : MZV_OK;
}

static void fill_special(key_switch *k) {
    for (uint32_t i = 0; i < k->d.basis.n_q; i++) {
        const mzv_modulus m = mzv_cpu_prime_of(k->s, k->d.basis, i)->mod;
        k->special[i] = 1;
        for (uint32_t p = 0; p < k->extended.n_p; p++)
            k->special[i] = mzv_mod_mul(k->special[i], mzv_mod_reduce(k->s->chain->primes[p], m), m);
    }
}

/* Whether all primes of the key go by the same tiles. */
static bool has_tiles(const key_switch *k) {
    const mzv_cpu_kernels *kernels = prime_of(k, 0)->kernels;
    for (uint32_t i = 0; i < mzv_basis_size(k->extended); i++)
        if (prime_of(k, i)->kernels != kernels) return false;
    return kernels->convert_tile != NULL;
}

/* Threads that the rows of step 2 are worth, and for which there is scratch beside what is taken. */
static void plan_threads(key_switch *k) {
    const uint32_t n_rows = mzv_basis_size(k->extended);
    uint32_t n = mzv_cpu_worth(k->s, k->batch, n_rows, MZV_CPU_HEAVY) ? (uint32_t)omp_get_max_threads() : 1;
    if (n > n_rows) n = n_rows;
    k->n_threads = n < MZV_SWITCH_ROWS / 4 ? n : MZV_SWITCH_ROWS / 4; /* of three rows each and a little */
    k->room_words = 2 * row_words(k) + mzv_cpu_tile_buffer_words(k->s->log_n);
}

mzv_status mzv_cpu_key_switch(mzv_stream *s, mzv_poly r[2], mzv_cpoly d, const mzv_switch *with) {
    const size_t mark = mzv_mark(s);
    mzv_cpu_conversion division, digit;
    key_switch k = { .s = s,
                     .r = r,
                     .d = d,
                     .with = with,
                     .extended = with->key[0].basis,
                     .batch = r[0].batch,
                     .division = &division };
    if (!has_tiles(&k)) return mzv_fused_key_switch(s, r, d, with);
    mzv_cpu_collect(&division.source, s->chain, k.extended, &r[0].basis);
    mzv_cpu_collect(&division.target, s->chain, r[0].basis, NULL);
    mzv_cpu_conversion_fill(&division, s->backend, true);
    fill_special(&k);
    plan_threads(&k);
    const mzv_status status = run(&k, &digit);
    mzv_release(s, mark);
    return status;
}
