/* Level 4: products summed before they are reduced, a few pages at a time so that operands used twice stay
 * in the caches of the core. */
#include "base/try.h"
#include "cpu/cpu_backend.h"

#define MAX_TERMS 32 /* terms of one kernel call; longer sums take several */

/* Words first .. first + n - 1 of row i of polynomial b. */
typedef struct place {
    uint32_t b, i;
    size_t first, n;
} place;

/* The sum over j < n of a[j] . w[w_step j], and for key products of a[j] . w[w_step j + 1]. */
typedef struct terms {
    const mzv_cpoly *a, *w;
    uint32_t n, w_step, n_sums;
} terms;

static const uint64_t *words_at(const mzv_stream *s, mzv_cpoly a, place at) {
    return mzv_cpu_crow(a, at.b, at.i, s->log_n) + at.first;
}

static size_t block_words(const mzv_stream *s) {
    const size_t n = (size_t)1 << s->log_n;
    return n < MZV_CPU_BLOCK ? n : MZV_CPU_BLOCK;
}

/* r[t] = the sums at one place; r[t]: at.n words. */
static void sum_block(const mzv_stream *s, uint64_t *const r[2], const terms *sum, place at,
                      const mzv_cpu_prime *prime) {
    const uint64_t *a[MAX_TERMS], *w[2][MAX_TERMS];
    for (uint32_t done = 0; done < sum->n; done += MAX_TERMS) {
        const uint32_t n_terms = sum->n - done < MAX_TERMS ? sum->n - done : MAX_TERMS;
        for (uint32_t j = 0; j < n_terms; j++) {
            a[j] = words_at(s, sum->a[done + j], at);
            for (uint32_t t = 0; t < sum->n_sums; t++)
                w[t][j] = words_at(s, sum->w[(size_t)sum->w_step * (done + j) + t], at);
        }
        const mzv_cpu_products products = {
            { r[0], r[1] }, { w[0], w[1] }, a, n_terms, sum->n_sums, done > 0
        };
        prime->kernels->sum_products(&products, at.n, prime);
    }
}

static void tensor_block(const mzv_stream *s, mzv_poly d[3], const mzv_cpoly a[2], const mzv_cpoly b[2],
                         place at) {
    const mzv_cpu_prime *prime = mzv_cpu_prime_of(s, d[0].basis, at.i);
    const mzv_cpu_kernels *kernels = prime->kernels;
    const uint64_t *x[2] = { words_at(s, a[0], at), words_at(s, a[1], at) };
    const uint64_t *y[2] = { words_at(s, b[0], at), words_at(s, b[1], at) };
    const uint64_t *crossed[2] = { y[1], y[0] };
    uint64_t *r[3];
    for (uint32_t k = 0; k < 3; k++) r[k] = mzv_cpu_row(d[k], at.b, at.i, s->log_n) + at.first;
    const mzv_cpu_products middle = { { r[1], NULL }, { x, NULL }, crossed, 2, 1, false };
    kernels->binary[MZV_CPU_MUL](r[0], x[0], y[0], at.n, prime);
    kernels->sum_products(&middle, at.n, prime);
    kernels->binary[MZV_CPU_MUL](r[2], x[1], y[1], at.n, prime);
}

mzv_status mzv_cpu_tensor(mzv_stream *s, mzv_poly d[3], const mzv_cpoly a[2], const mzv_cpoly b[2]) {
    const uint32_t n_rows = mzv_basis_size(d[0].basis);
    const size_t block = block_words(s);
#pragma omp parallel for collapse(2) if (mzv_cpu_worth(s, d[0].batch, n_rows, MZV_CPU_HEAVY))
    for (uint32_t k = 0; k < d[0].batch; k++)
        for (uint32_t i = 0; i < n_rows; i++)
            for (size_t first = 0; first < (size_t)1 << s->log_n; first += block)
                tensor_block(s, d, a, b, (place) { k, i, first, block });
    return MZV_OK;
}

mzv_status mzv_cpu_dot(mzv_stream *s, mzv_poly r, const mzv_cpoly *a, const mzv_cpoly *w, uint32_t n) {
    const uint32_t n_rows = mzv_basis_size(r.basis);
    const size_t block = block_words(s);
    const terms sum = { a, w, n, 1, 1 };
#pragma omp parallel for collapse(2) if (mzv_cpu_worth(s, r.batch, n_rows, MZV_CPU_HEAVY))
    for (uint32_t k = 0; k < r.batch; k++)
        for (uint32_t i = 0; i < n_rows; i++)
            for (size_t first = 0; first < (size_t)1 << s->log_n; first += block) {
                uint64_t *const at[2] = { mzv_cpu_row(r, k, i, s->log_n) + first, NULL };
                sum_block(s, at, &sum, (place) { k, i, first, block }, mzv_cpu_prime_of(s, r.basis, i));
            }
    return MZV_OK;
}

mzv_status mzv_cpu_key_product(mzv_stream *s, mzv_poly r[2], const mzv_cpoly *d, const mzv_cpoly *key,
                               uint32_t n) {
    const uint32_t n_rows = mzv_basis_size(r[0].basis);
    const size_t block = block_words(s);
    const terms sums = { d, key, n, 2, 2 };
#pragma omp parallel for collapse(2) if (mzv_cpu_worth(s, r[0].batch, n_rows, MZV_CPU_HEAVY))
    for (uint32_t k = 0; k < r[0].batch; k++)
        for (uint32_t i = 0; i < n_rows; i++)
            for (size_t first = 0; first < (size_t)1 << s->log_n; first += block) {
                uint64_t *const at[2] = { mzv_cpu_row(r[0], k, i, s->log_n) + first,
                                          mzv_cpu_row(r[1], k, i, s->log_n) + first };
                sum_block(s, at, &sums, (place) { k, i, first, block }, mzv_cpu_prime_of(s, r[0].basis, i));
            }
    return MZV_OK;
}

typedef struct fold_plan {
    const mzv_cpoly *d;
    const mzv_cpoly *const *key;
    uint32_t n_digits, n_rotations;
    mzv_cpu_permutation *permutation;
} fold_plan;

/* One row of r[t]; `sum`: a row of scratch. */
static void fold_row(const mzv_stream *s, uint64_t *r, uint64_t *sum, const fold_plan *fold, uint32_t t,
                     place at) {
    const mzv_cpu_prime *prime = &s->backend->primes[mzv_prime_index(s->chain, fold->d[0].basis, at.i)];
    for (uint32_t k = 0; k < fold->n_rotations; k++) {
        const terms inner = { fold->d, fold->key[k] + t, fold->n_digits, 2, 1 };
        sum_block(s, (uint64_t *[2]) { sum, NULL }, &inner, at, prime);
        prime->kernels->permute(r, sum, &fold->permutation[k], mzv_cpu_all_lines(s->log_n), k > 0, prime);
    }
}

static mzv_status make_permutations(mzv_stream *s, fold_plan *fold, const uint32_t *galois) {
    uint64_t *words = NULL;
    MZV_TRY(mzv_take_words(s, &words, (fold->n_rotations * sizeof *fold->permutation + 7) / 8));
    fold->permutation = (mzv_cpu_permutation *)words;
    for (uint32_t k = 0; k < fold->n_rotations; k++)
        MZV_TRY(mzv_cpu_permutation_make(s, &fold->permutation[k], galois[k]));
    return MZV_OK;
}

mzv_status mzv_cpu_fold(mzv_stream *s, mzv_poly r[2], const mzv_cpoly *d, const mzv_cpoly *const *key,
                        const uint32_t *galois, uint32_t n_digits, uint32_t n_rotations) {
    const size_t mark = mzv_mark(s), n = (size_t)1 << s->log_n;
    const uint32_t n_rows = mzv_basis_size(r[0].basis);
    fold_plan fold = { d, key, n_digits, n_rotations, NULL };
    mzv_poly sum;
    mzv_status status;
    MZV_TRY_GOTO(make_permutations(s, &fold, galois), done);
    MZV_TRY_GOTO(mzv_take(s, &sum, r[0].batch, r[0].basis), done);
#pragma omp parallel for collapse(2) if (mzv_cpu_worth(s, r[0].batch, n_rows, MZV_CPU_HEAVY))
    for (uint32_t b = 0; b < r[0].batch; b++)
        for (uint32_t i = 0; i < n_rows; i++)
            for (uint32_t t = 0; t < 2; t++)
                fold_row(s, mzv_cpu_row(r[t], b, i, s->log_n), mzv_cpu_row(sum, b, i, s->log_n), &fold, t,
                         (place) { b, i, 0, n });
done:
    mzv_release(s, mark);
    return status;
}
