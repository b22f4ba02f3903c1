/* See cpu_conversion.h. */
#include "cpu/cpu_conversion.h"

#include <omp.h>

#include "base/try.h"

int32_t mzv_cpu_row_of(const mzv_chain *chain, mzv_basis b, uint32_t prime) {
    if (prime < chain->n_p) return prime < b.n_p ? (int32_t)prime : -1;
    const uint32_t q = prime - chain->n_p;
    return q >= b.q_first && q - b.q_first < b.n_q ? (int32_t)(b.n_p + q - b.q_first) : -1;
}

void mzv_cpu_collect(mzv_cpu_primes *out, const mzv_chain *chain, mzv_basis all, const mzv_basis *without) {
    out->n = 0;
    for (uint32_t i = 0; i < mzv_basis_size(all); i++) {
        const uint32_t prime = mzv_prime_index(chain, all, i);
        if (without != NULL && mzv_cpu_row_of(chain, *without, prime) >= 0) continue;
        out->prime[out->n] = prime;
        out->row[out->n++] = i;
    }
}

static void fill_constants(mzv_cpu_conversion *c, const mzv_backend *backend) {
    for (uint32_t i = 0; i < c->source.n; i++) {
        const uint32_t f = c->source.prime[i];
        c->digit_factor[i] = 1;
        for (uint32_t j = 0; j < c->source.n; j++)
            if (j != i)
                c->digit_factor[i] = mzv_mod_mul(c->digit_factor[i], backend->inverse[c->source.prime[j]][f],
                                                 backend->primes[f].mod);
    }
    for (uint32_t k = 0; k < c->target.n; k++) {
        const uint32_t t = c->target.prime[k];
        const mzv_modulus mod = backend->primes[t].mod;
        uint64_t product = 1, inverse = 1;
        for (uint32_t i = 0; i < c->source.n; i++) {
            product = mzv_mod_mul(product, backend->residue[c->source.prime[i]][t], mod);
            inverse = mzv_mod_mul(inverse, backend->inverse[c->source.prime[i]][t], mod);
        }
        c->product_inverse[k] = inverse;
        for (uint32_t i = 0; i < c->source.n; i++)
            c->constant[k][i] = mzv_mod_mul(product, backend->inverse[c->source.prime[i]][t], mod);
    }
}

/* finish_row computes NTT(conv') + a / F, so the constants of a division take a factor -1/F. */
static void fill_for_tiles(mzv_cpu_conversion *c, const mzv_backend *backend, bool divides) {
    for (uint32_t k = 0; k < c->target.n; k++) {
        const mzv_modulus mod = backend->primes[c->target.prime[k]].mod;
        const uint64_t factor = divides ? mzv_mod_neg(c->product_inverse[k], mod.p) : 1;
        uint64_t shifts = 0;
        for (uint32_t i = 0; i < c->source.n; i++) {
            const uint64_t constant = mzv_mod_mul(c->constant[k][i], factor, mod);
            const uint64_t half = mzv_mod_reduce(backend->primes[c->source.prime[i]].mod.p / 2, mod);
            shifts = mzv_mod_add(shifts, mzv_mod_mul(half, constant, mod), mod.p);
            c->constant[k][i] = constant;
            c->balanced[k][i] = mzv_cpu_balanced(constant, mod.p);
        }
        c->start[k] = mzv_mod_neg(shifts, mod.p);
    }
}

/* The vector kernels that all primes have, or NULL: digits of larger primes do not fit a double. */
static const mzv_cpu_kernels *common_kernels(const mzv_cpu_conversion *c, const mzv_backend *backend) {
    const mzv_cpu_kernels *kernels = c->source.n == 0 ? NULL : backend->primes[c->source.prime[0]].kernels;
    for (uint32_t i = 0; kernels != NULL && i < c->source.n; i++)
        if (backend->primes[c->source.prime[i]].kernels != kernels) return NULL;
    for (uint32_t k = 0; kernels != NULL && k < c->target.n; k++)
        if (backend->primes[c->target.prime[k]].kernels != kernels) return NULL;
    return kernels == NULL || kernels->convert_tile == NULL ? NULL : kernels;
}

void mzv_cpu_conversion_fill(mzv_cpu_conversion *c, const mzv_backend *backend, bool divides) {
    c->kernels = common_kernels(c, backend);
    fill_constants(c, backend);
    if (c->kernels != NULL) fill_for_tiles(c, backend, divides);
}

size_t mzv_cpu_digit_words(uint32_t log_n) { return mzv_cpu_tiles(log_n) * mzv_cpu_tile_words(log_n); }

size_t mzv_cpu_tile_buffer_words(uint32_t log_n) {
    return mzv_cpu_tile_bits(log_n) == 0 ? 0 : mzv_cpu_buffer_words(log_n);
}

void mzv_cpu_make_tile_row(const mzv_stream *s, const mzv_cpu_conversion *c, uint64_t *tiles, uint32_t b,
                           uint32_t i, const uint64_t *row, uint64_t *buffer) {
    const size_t tile_words = mzv_cpu_tile_words(s->log_n);
    uint64_t *to = tiles + (size_t)b * c->source.n * mzv_cpu_digit_words(s->log_n) + i * tile_words;
    c->kernels->digit_tiles(to, c->source.n * tile_words, row, c->digit_factor[i], buffer,
                            &s->backend->primes[c->source.prime[i]]);
}

/* Each thread goes by way of a buffer of its own. */
mzv_status mzv_cpu_make_tiles(mzv_stream *s, const mzv_cpu_conversion *c, uint64_t *tiles, mzv_cpoly a) {
    const uint32_t n_rows = c->source.n * a.batch;
    const size_t each = mzv_cpu_tile_buffer_words(s->log_n), mark = mzv_mark(s);
    const bool worth = mzv_cpu_worth(s, a.batch, c->source.n, MZV_CPU_HEAVY);
    const uint32_t most = worth ? (uint32_t)omp_get_max_threads() : 1,
                   n_threads = most < n_rows ? most : n_rows;
    uint64_t *buffers = NULL;
    MZV_TRY(mzv_take_words(s, &buffers, n_threads * each));
#pragma omp parallel for collapse(2) schedule(dynamic) num_threads(n_threads)
    for (uint32_t i = 0; i < c->source.n; i++)
        for (uint32_t b = 0; b < a.batch; b++)
            mzv_cpu_make_tile_row(s, c, tiles, b, i, mzv_cpu_crow(a, b, c->source.row[i], s->log_n),
                                  buffers + (uint32_t)omp_get_thread_num() * each);
    mzv_release(s, mark);
    return MZV_OK;
}

/* One tile of all target rows of polynomial b. */
static void convert_tile(const mzv_stream *s, const mzv_cpu_conversion *c, mzv_poly r, uint32_t b,
                         const uint64_t *digits, size_t tile) {
    mzv_cpu_target target[MZV_MAX_PRIMES];
    for (uint32_t k = 0; k < c->target.n; k++) {
        const mzv_cpu_target one = { mzv_cpu_row(r, b, c->target.row[k], s->log_n), c->constant[k],
                                     c->balanced[k], c->start[k], &s->backend->primes[c->target.prime[k]] };
        target[k] = one;
    }
    c->kernels->convert_tile(target, c->target.n, digits + tile * c->source.n * mzv_cpu_tile_words(s->log_n),
                             c->source.n, tile * MZV_CPU_TILE);
}

void mzv_cpu_convert_tiles(const mzv_stream *s, const mzv_cpu_conversion *c, mzv_poly r,
                           const uint64_t *tiles, uint32_t n_polys) {
    const size_t words = c->source.n * mzv_cpu_digit_words(s->log_n), n_tiles = mzv_cpu_tiles(s->log_n);
#pragma omp parallel for collapse(2)                                                                         \
    schedule(dynamic) if (mzv_cpu_worth(s, r.batch, c->target.n, MZV_CPU_HEAVY))
    for (uint32_t b = 0; b < r.batch; b++)
        for (size_t tile = 0; tile < n_tiles; tile++)
            convert_tile(s, c, r, b, tiles + (n_polys == 1 ? 0 : b) * words, tile);
}
