/* Level 3: changes of basis. Digits of the source primes once, then one row for each target prime: tile by
 * tile (cpu_conversion.h), or row by row where primes differ in their kernels. */
#include <string.h>

#include "base/try.h"
#include "cpu/cpu_conversion.h"
#include "cpu/cpu_scalar.h"

/* Everything a change of basis knows about one call. */
typedef struct change {
    mzv_stream *s;
    mzv_poly r;
    mzv_cpoly a;
    const mzv_cpu_conversion *c;
    bool down;
} change;

static const mzv_cpu_prime *target_prime(const change *x, uint32_t k) {
    return &x->s->backend->primes[x->c->target.prime[k]];
}

static uint64_t *target_row(const change *x, uint32_t b, uint32_t k) {
    return mzv_cpu_row(x->r, b, x->c->target.row[k], x->s->log_n);
}

/* The row of a that belongs to target k. */
static const uint64_t *minuend(const change *x, uint32_t b, uint32_t k) {
    const int32_t row = mzv_cpu_row_of(x->s->chain, x->a.basis, x->c->target.prime[k]);
    return mzv_cpu_crow(x->a, b, (uint32_t)row, x->s->log_n);
}

static void digit_row(const change *x, uint64_t *row, uint32_t b, uint32_t i) {
    const mzv_cpu_prime *prime = &x->s->backend->primes[x->c->source.prime[i]];
    const size_t n = (size_t)1 << x->s->log_n;
    memcpy(row, mzv_cpu_crow(x->a, b, x->c->source.row[i], x->s->log_n), n * sizeof *row);
    prime->kernels->intt(row, prime);
    prime->kernels->with_const[MZV_CPU_MUL_CONST](row, row, x->c->digit_factor[i], n, prime);
    for (size_t k = 0; k < n; k++) row[k] -= row[k] > prime->mod.p / 2 ? prime->mod.p : 0;
}

/* r = NTT(conv), or (a - NTT(conv)) / F. */
static void convert_row(const change *x, const uint64_t *digits, uint32_t b, uint32_t k) {
    const mzv_cpu_prime *prime = target_prime(x, k);
    const size_t n = (size_t)1 << x->s->log_n;
    const int64_t *digit[MZV_MAX_PRIMES];
    uint64_t *row = target_row(x, b, k);
    for (uint32_t i = 0; i < x->c->source.n; i++) digit[i] = (const int64_t *)digits + i * n;
    mzv_cpu_scalar_convert(row, digit, x->c->constant[k], x->c->source.n, prime);
    prime->kernels->ntt(row, prime);
    if (x->down) prime->kernels->sub_from_scale(row, minuend(x, b, k), x->c->product_inverse[k], n, prime);
}

static mzv_status convert_by_rows(const change *x) {
    const uint32_t n_source = x->c->source.n, n_target = x->c->target.n, batch = x->a.batch;
    const size_t n = (size_t)1 << x->s->log_n;
    uint64_t *digits = NULL; /* [batch][source][N] integers */
    MZV_TRY(mzv_take_words(x->s, &digits, (size_t)batch * n_source * n));
#pragma omp parallel if (mzv_cpu_worth(x->s, x->r.batch, n_source + n_target, MZV_CPU_HEAVY))
    {
#pragma omp for collapse(2) schedule(dynamic)
        for (uint32_t i = 0; i < n_source; i++)
            for (uint32_t b = 0; b < batch; b++) digit_row(x, digits + ((size_t)b * n_source + i) * n, b, i);
#pragma omp for collapse(2) schedule(dynamic)
        for (uint32_t k = 0; k < n_target; k++)
            for (uint32_t b = 0; b < x->r.batch; b++)
                convert_row(x, digits + (batch == 1 ? 0 : (size_t)b * n_source) * n, b, k);
    }
    return MZV_OK;
}

static mzv_status convert_by_tiles(const change *x) {
    const mzv_cpu_conversion *c = x->c;
    uint64_t *tiles = NULL;
    MZV_TRY(
        mzv_take_words(x->s, &tiles, (size_t)x->a.batch * c->source.n * mzv_cpu_digit_words(x->s->log_n)));
    MZV_TRY(mzv_cpu_make_tiles(x->s, c, tiles, x->a));
    mzv_cpu_convert_tiles(x->s, c, x->r, tiles, x->a.batch);
#pragma omp parallel for collapse(2)                                                                         \
    schedule(dynamic) if (mzv_cpu_worth(x->s, x->r.batch, c->target.n, MZV_CPU_HEAVY))
    for (uint32_t k = 0; k < c->target.n; k++)
        for (uint32_t b = 0; b < x->r.batch; b++) {
            uint64_t *row = target_row(x, b, k);
            c->kernels->finish_row(row, row, x->down ? minuend(x, b, k) : NULL, c->product_inverse[k],
                                   target_prime(x, k));
        }
    return MZV_OK;
}

static mzv_status change_basis(mzv_stream *s, mzv_poly r, mzv_cpoly a, mzv_cpu_conversion *c, bool down) {
    const size_t mark = mzv_mark(s);
    const change x = { s, r, a, c, down };
    mzv_cpu_conversion_fill(c, s->backend, down);
    const mzv_status status = c->kernels != NULL ? convert_by_tiles(&x) : convert_by_rows(&x);
    mzv_release(s, mark);
    return status;
}

/* The rows that mod_up keeps. */
static void copy_rows(mzv_stream *s, mzv_poly r, mzv_cpoly a) {
    const uint32_t n_rows = mzv_basis_size(a.basis);
#pragma omp parallel for collapse(2) if (mzv_cpu_worth(s, r.batch, n_rows, MZV_CPU_LIGHT))
    for (uint32_t b = 0; b < r.batch; b++)
        for (uint32_t i = 0; i < n_rows; i++) {
            const int32_t row = mzv_cpu_row_of(s->chain, r.basis, mzv_prime_index(s->chain, a.basis, i));
            memcpy(mzv_cpu_row(r, b, (uint32_t)row, s->log_n), mzv_cpu_crow(a, b, i, s->log_n),
                   sizeof(uint64_t) << s->log_n);
        }
}

mzv_status mzv_cpu_mod_up(mzv_stream *s, mzv_poly r, mzv_cpoly a) {
    mzv_cpu_conversion c;
    mzv_cpu_collect(&c.source, s->chain, a.basis, NULL);
    mzv_cpu_collect(&c.target, s->chain, r.basis, &a.basis);
    MZV_TRY(change_basis(s, r, a, &c, false));
    copy_rows(s, r, a);
    return MZV_OK;
}

mzv_status mzv_cpu_mod_down(mzv_stream *s, mzv_poly r, mzv_cpoly a) {
    mzv_cpu_conversion c;
    mzv_cpu_collect(&c.source, s->chain, a.basis, &r.basis);
    mzv_cpu_collect(&c.target, s->chain, r.basis, NULL);
    return change_basis(s, r, a, &c, true);
}
