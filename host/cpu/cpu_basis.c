/* Level 3: changes of basis. [HPS18, 2.2], [CHKKS18b, 3.1]
 *
 * conv_{F -> t}(a) = sum over f in F of d_f (F/f) mod t, with digits d_f = [a (F/f)^-1]_f centred. Both
 * operations compute the digits of the source primes once, then one row for each target prime. */
#include <string.h>

#include "base/try.h"
#include "cpu/cpu_backend.h"

/* A set of primes by their index in the chain, and where their rows lie in the view they come from. */
typedef struct prime_set {
    uint32_t n;
    uint32_t prime[MZV_MAX_PRIMES];
    uint32_t row[MZV_MAX_PRIMES];
} prime_set;

typedef struct plan {
    prime_set source, target;                               /* rows of a; rows of r */
    uint64_t digit_factor[MZV_MAX_PRIMES];                  /* (F/f)^-1 mod f */
    uint64_t constant[MZV_MAX_PRIMES][MZV_MAX_PRIMES];      /* [target][source]: F/f mod t */
    uint64_t product_inverse[MZV_MAX_PRIMES];               /* F^-1 mod t */
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
#pragma omp parallel for collapse(2) schedule(dynamic)
    for (uint32_t b = 0; b < a.batch; b++)
        for (uint32_t i = 0; i < n_source; i++) {
            const mzv_cpu_prime *prime = &s->backend->primes[p->source.prime[i]];
            int64_t *row = (int64_t *)words + ((size_t)(b * n_source + i) << s->log_n);
            prime->kernels->intt_digit(row, mzv_cpu_crow(a, b, p->source.row[i], s->log_n), p->digit_factor[i],
                                       prime);
            digit[b * n_source + i] = row;
        }
    *out = digit;
    return MZV_OK;
}

/* r = NTT(conv), or (a - NTT(conv)) / F if `down`. */
static void convert_rows(mzv_stream *s, mzv_poly r, mzv_cpoly a, const plan *p, const int64_t **digit,
                         bool down) {
    const size_t n = (size_t)1 << s->log_n;
#pragma omp parallel for collapse(2) schedule(dynamic)
    for (uint32_t b = 0; b < r.batch; b++)
        for (uint32_t k = 0; k < p->target.n; k++) {
            const uint32_t t = p->target.prime[k];
            const mzv_cpu_prime *prime = &s->backend->primes[t];
            const mzv_cpu_conversion conversion = { digit + (a.batch == 1 ? 0 : b) * p->source.n,
                                                    p->constant[k], p->source.n };
            uint64_t *row = mzv_cpu_row(r, b, p->target.row[k], s->log_n);
            prime->kernels->convert(row, &conversion, prime);
            if (down) {
                const uint32_t from = (uint32_t)row_of(s->chain, a.basis, t);
                prime->kernels->sub_from_scale(row, mzv_cpu_crow(a, b, from, s->log_n), p->product_inverse[k],
                                               n, prime);
            }
        }
}

static mzv_status change_basis(mzv_stream *s, mzv_poly r, mzv_cpoly a, const plan *p, bool down) {
    const size_t mark = mzv_mark(s);
    const int64_t **digit = NULL;
    mzv_status status;
    MZV_TRY_GOTO(make_digits(s, &digit, a, p), done);
    convert_rows(s, r, a, p, digit, down);
done:
    mzv_release(s, mark);
    return status;
}

mzv_status mzv_cpu_mod_up(mzv_stream *s, mzv_poly r, mzv_cpoly a) {
    plan p;
    collect(s->chain, &p.source, a.basis, NULL);
    collect(s->chain, &p.target, r.basis, &a.basis);
    fill_constants(s->backend, &p);
    MZV_TRY(change_basis(s, r, a, &p, false));
    for (uint32_t b = 0; b < r.batch; b++)
        for (uint32_t i = 0; i < p.source.n; i++) {
            const int32_t row = row_of(s->chain, r.basis, p.source.prime[i]);
            memcpy(mzv_cpu_row(r, b, (uint32_t)row, s->log_n), mzv_cpu_crow(a, b, i, s->log_n),
                   sizeof(uint64_t) << s->log_n);
        }
    return MZV_OK;
}

mzv_status mzv_cpu_mod_down(mzv_stream *s, mzv_poly r, mzv_cpoly a) {
    plan p;
    collect(s->chain, &p.source, a.basis, &r.basis);
    collect(s->chain, &p.target, r.basis, NULL);
    fill_constants(s->backend, &p);
    return change_basis(s, r, a, &p, true);
}
