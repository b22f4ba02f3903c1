/* Level 3: changes of basis. [HPS18, 2.2], [CHKKS18b, 3.1]
 *
 * conv_{F -> t}(a) = sum over f in F of d_f (F/f) mod t, with digits d_f = [a (F/f)^-1]_f centred. Both
 * operations compute the digits of the source primes once, then one row for each target prime. */
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
    uint64_t constant[MZV_MAX_PRIMES][MZV_MAX_PRIMES]; /* [target][source]: F/f mod t */
    uint64_t product_inverse[MZV_MAX_PRIMES];          /* F^-1 mod t */
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

/* Scratch: digits, [batch of a][source][N], and the pointers to their rows. */
static mzv_status make_digits(mzv_stream *s, const int64_t ***out, mzv_cpoly a, const plan *p) {
    const uint32_t n_source = p->source.n;
    uint64_t *words = NULL, *pointers = NULL;
    MZV_TRY(mzv_take_words(s, &words, (size_t)a.batch * n_source << s->log_n));
    MZV_TRY(mzv_take_words(s, &pointers, (size_t)a.batch * n_source));
    const int64_t **digit = (const int64_t **)pointers;
#pragma omp parallel for collapse(2) schedule(dynamic) if (mzv_cpu_worth(s, a.batch, n_source, MZV_CPU_HEAVY))
    for (uint32_t b = 0; b < a.batch; b++)
        for (uint32_t i = 0; i < n_source; i++) {
            const mzv_cpu_prime *prime = &s->backend->primes[p->source.prime[i]];
            int64_t *row = (int64_t *)words + ((size_t)(b * n_source + i) << s->log_n);
            prime->kernels->intt_digit(row, mzv_cpu_crow(a, b, p->source.row[i], s->log_n),
                                       p->digit_factor[i], prime);
            digit[b * n_source + i] = row;
        }
    *out = digit;
    return MZV_OK;
}

/* Everything a change of basis knows about one call. */
typedef struct change {
    mzv_stream *s;
    mzv_poly r;
    mzv_cpoly a;
    const plan *p;
    const int64_t **digit;
    bool down;
} change;

static const int64_t *const *digits_of(const change *c, uint32_t b) {
    return c->digit + (c->a.batch == 1 ? 0 : b) * c->p->source.n;
}

/* The row of a that belongs to target k. */
static const uint64_t *minuend(const change *c, uint32_t b, uint32_t k) {
    const int32_t row = row_of(c->s->chain, c->a.basis, c->p->target.prime[k]);
    return mzv_cpu_crow(c->a, b, (uint32_t)row, c->s->log_n);
}

/* One target row at a time: r = NTT(conv), or (a - NTT(conv)) / F. */
static void convert_row(const change *c, uint32_t b, uint32_t k) {
    const mzv_cpu_prime *prime = &c->s->backend->primes[c->p->target.prime[k]];
    uint64_t *row = mzv_cpu_row(c->r, b, c->p->target.row[k], c->s->log_n);
    mzv_cpu_scalar_convert(row, digits_of(c, b), c->p->constant[k], c->p->source.n, prime);
    prime->kernels->ntt(row, prime);
    if (c->down)
        prime->kernels->sub_from_scale(row, minuend(c, b, k), c->p->product_inverse[k],
                                       (size_t)1 << c->s->log_n, prime);
}

/* One strip of all target rows that go by strips. */
static void convert_strips(const change *c, uint32_t b, size_t column, double *work,
                           const mzv_cpu_kernels *kernels) {
    const plan *p = c->p;
    kernels->load_strip(work, digits_of(c, b), p->source.n, column, c->s->log_n);
    for (uint32_t k = 0; k < p->target.n; k++) {
        const mzv_cpu_prime *prime = &c->s->backend->primes[p->target.prime[k]];
        if (prime->kernels == kernels)
            kernels->convert_strip(mzv_cpu_row(c->r, b, p->target.row[k], c->s->log_n), work, p->constant[k],
                                   p->source.n, column, prime);
    }
}

static void finish_row(const change *c, uint32_t b, uint32_t k, const mzv_cpu_prime *prime) {
    uint64_t *row = mzv_cpu_row(c->r, b, c->p->target.row[k], c->s->log_n);
    prime->kernels->finish_row(row, c->down ? minuend(c, b, k) : NULL, c->p->product_inverse[k], prime);
}

/* The kernels that convert by strips, if all source primes have them: digits of larger primes do not fit
 * a double. */
static const mzv_cpu_kernels *strip_kernels(const mzv_stream *s, const plan *p) {
    const mzv_cpu_kernels *kernels = NULL;
    for (uint32_t i = 0; i < p->source.n; i++) {
        kernels = s->backend->primes[p->source.prime[i]].kernels;
        if (kernels->convert_strip == NULL) return NULL;
    }
    return kernels;
}

/* The first half of the rows that go by strips. Scratch: n_digits + 1 strips for each thread. */
static mzv_status run_strips(const change *c, const mzv_cpu_kernels *kernels) {
    mzv_stream *s = c->s;
    const size_t work_words = (c->p->source.n + 1) * MZV_CPU_STRIP_WORDS(s->log_n);
    uint64_t *work = NULL;
    MZV_TRY(mzv_take_words(s, &work, work_words * (size_t)omp_get_max_threads()));
#pragma omp parallel for collapse(2)                                                                         \
    schedule(dynamic) if (mzv_cpu_worth(s, c->r.batch, c->p->target.n, MZV_CPU_HEAVY))
    for (uint32_t b = 0; b < c->r.batch; b++)
        for (size_t column = 0; column < MZV_CPU_ROW; column += MZV_CPU_STRIP)
            convert_strips(c, b, column, (double *)work + work_words * (size_t)omp_get_thread_num(), kernels);
    return MZV_OK;
}

static mzv_status convert_rows(const change *c) {
    const plan *p = c->p;
    const mzv_cpu_kernels *kernels = strip_kernels(c->s, p);
    if (kernels != NULL) MZV_TRY(run_strips(c, kernels));
#pragma omp parallel for collapse(2)                                                                         \
    schedule(dynamic) if (mzv_cpu_worth(c->s, c->r.batch, p->target.n, MZV_CPU_HEAVY))
    for (uint32_t b = 0; b < c->r.batch; b++)
        for (uint32_t k = 0; k < p->target.n; k++) {
            const mzv_cpu_prime *prime = &c->s->backend->primes[p->target.prime[k]];
            if (prime->kernels == kernels) {
                finish_row(c, b, k, prime);
            } else {
                convert_row(c, b, k);
            }
        }
    return MZV_OK;
}

/* finish_row computes NTT(conv') + a / F, so its constants take a factor -1/F in mod_down. */
static void fold_product(const mzv_backend *backend, plan *p, const mzv_cpu_kernels *kernels) {
    for (uint32_t k = 0; k < p->target.n; k++) {
        const mzv_cpu_prime *prime = &backend->primes[p->target.prime[k]];
        const uint64_t factor = mzv_mod_neg(p->product_inverse[k], prime->mod.p);
        if (prime->kernels != kernels) continue;
        for (uint32_t i = 0; i < p->source.n; i++)
            p->constant[k][i] = mzv_mod_mul(p->constant[k][i], factor, prime->mod);
    }
}

static mzv_status change_basis(mzv_stream *s, mzv_poly r, mzv_cpoly a, plan *p, bool down) {
    const size_t mark = mzv_mark(s);
    change c = { s, r, a, p, NULL, down };
    mzv_status status;
    fill_constants(s->backend, p);
    if (down) fold_product(s->backend, p, strip_kernels(s, p));
    MZV_TRY_GOTO(make_digits(s, &c.digit, a, p), done);
    MZV_TRY_GOTO(convert_rows(&c), done);
done:
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
