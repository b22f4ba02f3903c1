/* Level 3: changes of basis. [HPS18, 2.2], [CHKKS18b, 3.1]
 *
 * conv_{F -> t}(a) = sum over f in F of d_f (F/f) mod t, with digits d_f = [a (F/f)^-1]_f centred. Both
 * operations compute the digits of the source primes once, then one row for each target prime: where all
 * primes go by the same vector kernels tile by tile, else row by row. */
#include <omp.h>
#include <string.h>

#include "base/try.h"
#include "cpu/cpu_scalar.h"

/* A set of primes by their index in the chain, and where their rows lie in the view they come from. */
typedef struct prime_set {
    uint32_t n;
    uint32_t prime[MZV_MAX_PRIMES];
    uint32_t row[MZV_MAX_PRIMES];
} prime_set;

typedef struct plan {
    prime_set source, target;                          /* rows of a; rows of r */
    uint64_t digit_factor[MZV_MAX_PRIMES];             /* (F/f)^-1 mod f */
    uint64_t constant[MZV_MAX_PRIMES][MZV_MAX_PRIMES]; /* [target][source]: F/f mod t; tiles: see below */
    uint64_t product_inverse[MZV_MAX_PRIMES];          /* F^-1 mod t */
    double balanced[MZV_MAX_PRIMES][MZV_MAX_PRIMES];   /* the same, for tiles */
    uint64_t start[MZV_MAX_PRIMES];                    /* as in mzv_cpu_target */
} plan;

/* The row of chain prime `prime` in basis b, or -1. */
static int32_t row_of(const mzv_chain *chain, mzv_basis b, uint32_t prime) {
    if (prime < chain->n_p) return prime < b.n_p ? (int32_t)prime : -1;
    const uint32_t q = prime - chain->n_p;
    return q >= b.q_first && q - b.q_first < b.n_q ? (int32_t)(b.n_p + q - b.q_first) : -1;
}

/* The primes of `all`, those of `without` left out. */
static void collect(const mzv_chain *chain, prime_set *out, mzv_basis all, const mzv_basis *without) {
    out->n = 0;
    for (uint32_t i = 0; i < mzv_basis_size(all); i++) {
        const uint32_t prime = mzv_prime_index(chain, all, i);
        if (without != NULL && row_of(chain, *without, prime) >= 0) continue;
        out->prime[out->n] = prime;
        out->row[out->n++] = i;
    }
}

static void fill_constants(const mzv_backend *backend, plan *p) {
    for (uint32_t i = 0; i < p->source.n; i++) {
        const uint32_t f = p->source.prime[i];
        p->digit_factor[i] = 1;
        for (uint32_t j = 0; j < p->source.n; j++)
            if (j != i)
                p->digit_factor[i] = mzv_mod_mul(p->digit_factor[i], backend->inverse[p->source.prime[j]][f],
                                                 backend->primes[f].mod);
    }
    for (uint32_t k = 0; k < p->target.n; k++) {
        const uint32_t t = p->target.prime[k];
        const mzv_modulus mod = backend->primes[t].mod;
        uint64_t product = 1, inverse = 1;
        for (uint32_t i = 0; i < p->source.n; i++) {
            product = mzv_mod_mul(product, backend->residue[p->source.prime[i]][t], mod);
            inverse = mzv_mod_mul(inverse, backend->inverse[p->source.prime[i]][t], mod);
        }
        p->product_inverse[k] = inverse;
        for (uint32_t i = 0; i < p->source.n; i++)
            p->constant[k][i] = mzv_mod_mul(product, backend->inverse[p->source.prime[i]][t], mod);
    }
}

/* Everything a change of basis knows about one call. */
typedef struct change {
    mzv_stream *s;
    mzv_poly r;
    mzv_cpoly a;
    const plan *p;
    uint64_t *digits; /* [batch of a][source][N] integers, or [batch of a][tile][source] tiles */
    bool down;
} change;

static const mzv_cpu_prime *source_prime(const change *c, uint32_t i) {
    return &c->s->backend->primes[c->p->source.prime[i]];
}

static const mzv_cpu_prime *target_prime(const change *c, uint32_t k) {
    return &c->s->backend->primes[c->p->target.prime[k]];
}

static uint64_t *target_row(const change *c, uint32_t b, uint32_t k) {
    return mzv_cpu_row(c->r, b, c->p->target.row[k], c->s->log_n);
}

/* The row of a that belongs to target k. */
static const uint64_t *minuend(const change *c, uint32_t b, uint32_t k) {
    const int32_t row = row_of(c->s->chain, c->a.basis, c->p->target.prime[k]);
    return mzv_cpu_crow(c->a, b, (uint32_t)row, c->s->log_n);
}

/* Words of the digits of one polynomial, if a digit takes `digit_words`; where those of polynomial b lie. */
static mzv_status take_digits(change *c, size_t digit_words) {
    return mzv_take_words(c->s, &c->digits, (size_t)c->a.batch * c->p->source.n * digit_words);
}

static uint64_t *digits_of(const change *c, uint32_t b, size_t digit_words) {
    return c->digits + (c->a.batch == 1 ? 0 : b) * c->p->source.n * digit_words;
}

/* Row by row. */

static void digit_row(const change *c, uint32_t b, uint32_t i) {
    const mzv_cpu_prime *prime = source_prime(c, i);
    const size_t n = (size_t)1 << c->s->log_n;
    uint64_t *row = digits_of(c, b, n) + i * n;
    memcpy(row, mzv_cpu_crow(c->a, b, c->p->source.row[i], c->s->log_n), n * sizeof *row);
    prime->kernels->intt(row, prime);
    prime->kernels->with_const[MZV_CPU_MUL_CONST](row, row, c->p->digit_factor[i], n, prime);
    for (size_t k = 0; k < n; k++) row[k] -= row[k] > prime->mod.p / 2 ? prime->mod.p : 0;
}

/* r = NTT(conv), or (a - NTT(conv)) / F. */
static void convert_row(const change *c, uint32_t b, uint32_t k) {
    const mzv_cpu_prime *prime = target_prime(c, k);
    const size_t n = (size_t)1 << c->s->log_n;
    const int64_t *digit[MZV_MAX_PRIMES];
    uint64_t *row = target_row(c, b, k);
    for (uint32_t i = 0; i < c->p->source.n; i++) digit[i] = (const int64_t *)digits_of(c, b, n) + i * n;
    mzv_cpu_scalar_convert(row, digit, c->p->constant[k], c->p->source.n, prime);
    prime->kernels->ntt(row, prime);
    if (c->down) prime->kernels->sub_from_scale(row, minuend(c, b, k), c->p->product_inverse[k], n, prime);
}

static mzv_status convert_by_rows(change *c) {
    const uint32_t n_source = c->p->source.n, n_target = c->p->target.n;
    MZV_TRY(take_digits(c, (size_t)1 << c->s->log_n));
#pragma omp parallel if (mzv_cpu_worth(c->s, c->r.batch, n_source + n_target, MZV_CPU_HEAVY))
    {
#pragma omp for collapse(2) schedule(dynamic)
        for (uint32_t i = 0; i < n_source; i++)
            for (uint32_t b = 0; b < c->a.batch; b++) digit_row(c, b, i);
#pragma omp for collapse(2) schedule(dynamic)
        for (uint32_t k = 0; k < n_target; k++)
            for (uint32_t b = 0; b < c->r.batch; b++) convert_row(c, b, k);
    }
    return MZV_OK;
}

/* Tile by tile. */

/* The vector kernels that all primes of the call have, or NULL: digits of larger primes do not fit a
 * double. */
static const mzv_cpu_kernels *tile_kernels(const change *c) {
    const mzv_cpu_kernels *kernels = c->p->source.n == 0 ? NULL : source_prime(c, 0)->kernels;
    for (uint32_t i = 0; kernels != NULL && i < c->p->source.n; i++)
        if (source_prime(c, i)->kernels != kernels) return NULL;
    for (uint32_t k = 0; kernels != NULL && k < c->p->target.n; k++)
        if (target_prime(c, k)->kernels != kernels) return NULL;
    return kernels == NULL || kernels->convert_tile == NULL ? NULL : kernels;
}

/* finish_row computes NTT(conv') + a / F, so the constants take a factor -1/F in mod_down. */
static void fill_for_tiles(const mzv_backend *backend, plan *p, bool down) {
    for (uint32_t k = 0; k < p->target.n; k++) {
        const mzv_modulus mod = backend->primes[p->target.prime[k]].mod;
        const uint64_t factor = down ? mzv_mod_neg(p->product_inverse[k], mod.p) : 1;
        uint64_t shifts = 0;
        for (uint32_t i = 0; i < p->source.n; i++) {
            const uint64_t constant = mzv_mod_mul(p->constant[k][i], factor, mod);
            const uint64_t half = mzv_mod_reduce(backend->primes[p->source.prime[i]].mod.p / 2, mod);
            shifts = mzv_mod_add(shifts, mzv_mod_mul(half, constant, mod), mod.p);
            p->constant[k][i] = constant;
            p->balanced[k][i] = mzv_cpu_balanced(constant, mod.p);
        }
        p->start[k] = mzv_mod_neg(shifts, mod.p);
    }
}

/* One tile of all target rows. */
static void convert_tile(const change *c, uint32_t b, size_t tile, const mzv_cpu_kernels *kernels) {
    const plan *p = c->p;
    const size_t tile_words = mzv_cpu_tile_words(c->s->log_n), n_tiles = mzv_cpu_tiles(c->s->log_n);
    const uint64_t *digits = digits_of(c, b, n_tiles * tile_words) + tile * p->source.n * tile_words;
    mzv_cpu_target target[MZV_MAX_PRIMES];
    for (uint32_t k = 0; k < p->target.n; k++) {
        const mzv_cpu_target one = { target_row(c, b, k), p->constant[k], p->balanced[k], p->start[k],
                                     target_prime(c, k) };
        target[k] = one;
    }
    kernels->convert_tile(target, p->target.n, digits, p->source.n, tile * MZV_CPU_TILE);
}

/* The digits of all source rows; each thread goes by way of a buffer of its own. */
static mzv_status make_tiles(const change *c, const mzv_cpu_kernels *kernels) {
    const plan *p = c->p;
    const uint32_t log_n = c->s->log_n, n_rows = p->source.n * c->a.batch;
    const size_t tile_words = mzv_cpu_tile_words(log_n), n_tiles = mzv_cpu_tiles(log_n);
    const size_t each = mzv_cpu_tile_bits(log_n) == 0 ? 0 : mzv_cpu_buffer_words(log_n);
    const bool worth = mzv_cpu_worth(c->s, c->a.batch, p->source.n, MZV_CPU_HEAVY);
    const uint32_t most = worth ? (uint32_t)omp_get_max_threads() : 1,
                   n_threads = most < n_rows ? most : n_rows;
    uint64_t *buffers = NULL;
    MZV_TRY(mzv_take_words(c->s, &buffers, n_threads * each));
#pragma omp parallel for collapse(2) schedule(dynamic) num_threads(n_threads)
    for (uint32_t i = 0; i < p->source.n; i++)
        for (uint32_t b = 0; b < c->a.batch; b++)
            kernels->digit_tiles(digits_of(c, b, n_tiles * tile_words) + i * tile_words,
                                 p->source.n * tile_words, mzv_cpu_crow(c->a, b, p->source.row[i], log_n),
                                 p->digit_factor[i], buffers + (uint32_t)omp_get_thread_num() * each,
                                 source_prime(c, i));
    return MZV_OK;
}

static mzv_status convert_by_tiles(change *c, const mzv_cpu_kernels *kernels) {
    const plan *p = c->p;
    const size_t tile_words = mzv_cpu_tile_words(c->s->log_n), n_tiles = mzv_cpu_tiles(c->s->log_n);
    MZV_TRY(take_digits(c, n_tiles * tile_words));
    MZV_TRY(make_tiles(c, kernels));
#pragma omp parallel if (mzv_cpu_worth(c->s, c->r.batch, p->source.n + p->target.n, MZV_CPU_HEAVY))
    {
#pragma omp for collapse(2) schedule(dynamic)
        for (uint32_t b = 0; b < c->r.batch; b++)
            for (size_t tile = 0; tile < n_tiles; tile++) convert_tile(c, b, tile, kernels);
#pragma omp for collapse(2) schedule(dynamic)
        for (uint32_t k = 0; k < p->target.n; k++)
            for (uint32_t b = 0; b < c->r.batch; b++)
                kernels->finish_row(target_row(c, b, k), c->down ? minuend(c, b, k) : NULL,
                                    p->product_inverse[k], target_prime(c, k));
    }
    return MZV_OK;
}

static mzv_status change_basis(mzv_stream *s, mzv_poly r, mzv_cpoly a, plan *p, bool down) {
    const size_t mark = mzv_mark(s);
    change c = { s, r, a, p, NULL, down };
    const mzv_cpu_kernels *kernels = tile_kernels(&c);
    fill_constants(s->backend, p);
    if (kernels != NULL) fill_for_tiles(s->backend, p, down);
    const mzv_status status = kernels != NULL ? convert_by_tiles(&c, kernels) : convert_by_rows(&c);
    mzv_release(s, mark);
    return status;
}

/* The rows that mod_up keeps. */
static void copy_rows(mzv_stream *s, mzv_poly r, mzv_cpoly a) {
    const uint32_t n_rows = mzv_basis_size(a.basis);
#pragma omp parallel for collapse(2) if (mzv_cpu_worth(s, r.batch, n_rows, MZV_CPU_LIGHT))
    for (uint32_t b = 0; b < r.batch; b++)
        for (uint32_t i = 0; i < n_rows; i++) {
            const int32_t row = row_of(s->chain, r.basis, mzv_prime_index(s->chain, a.basis, i));
            memcpy(mzv_cpu_row(r, b, (uint32_t)row, s->log_n), mzv_cpu_crow(a, b, i, s->log_n),
                   sizeof(uint64_t) << s->log_n);
        }
}

mzv_status mzv_cpu_mod_up(mzv_stream *s, mzv_poly r, mzv_cpoly a) {
    plan p;
    collect(s->chain, &p.source, a.basis, NULL);
    collect(s->chain, &p.target, r.basis, &a.basis);
    MZV_TRY(change_basis(s, r, a, &p, false));
    copy_rows(s, r, a);
    return MZV_OK;
}

mzv_status mzv_cpu_mod_down(mzv_stream *s, mzv_poly r, mzv_cpoly a) {
    plan p;
    collect(s->chain, &p.source, a.basis, &r.basis);
    collect(s->chain, &p.target, r.basis, NULL);
    return change_basis(s, r, a, &p, true);
}
