/* Products with matrices of small integers, a few words of all polynomials at a time: the halves of these
 * residues, as doubles, stay in the second-level cache while every row of the matrix takes its sum. */
#include <omp.h>

#include "base/try.h"
#include "cpu/cpu_backend.h"

static uint32_t smaller(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* Threads for one row; each has its own halves, all of them two rows a term. */
static uint32_t threads_for(const mzv_stream *s, uint32_t n_in, uint32_t n_tiles) {
    return mzv_cpu_worth(s, n_in, 1, MZV_CPU_HEAVY) ? smaller((uint32_t)omp_get_max_threads(), n_tiles) : 1;
}

/* Terms first .. of row i. */
static void add_terms(const mzv_stream *s, mzv_poly r, mzv_cpoly a, const mzv_matrix *w, uint32_t i,
                      uint32_t first, double *halves) {
    const mzv_cpu_prime *prime = mzv_cpu_prime_of(s, r.basis, i);
    const size_t row = (size_t)i << s->log_n, n = (size_t)1 << s->log_n;
    const uint32_t n_words = n < MZV_CPU_MATMUL_WORDS ? (uint32_t)n : MZV_CPU_MATMUL_WORDS;
    const uint32_t n_tiles = (uint32_t)(n / n_words), n_terms = smaller(w->n_in - first, MZV_MATRIX_TERMS);
    const size_t each = (size_t)2 * n_words * n_terms;
    const double *weights = (const double *)w->doubles + first;
#pragma omp parallel for num_threads(threads_for(s, n_terms, n_tiles))
    for (uint32_t tile = 0; tile < n_tiles; tile++) {
        const size_t at = row + (size_t)tile * n_words;
        const mzv_cpu_matmul_tile of = { .r = r.base + at,
                                         .a = a.base + first * a.stride + at,
                                         .r_stride = r.stride,
                                         .a_stride = a.stride,
                                         .w = weights,
                                         .w_stride = w->n_in,
                                         .halves = halves + (size_t)omp_get_thread_num() * each,
                                         .n_out = w->n_out,
                                         .n_terms = n_terms,
                                         .n_words = n_words,
                                         .accumulate = first > 0 };
        prime->kernels->matmul(&of, prime);
    }
}

mzv_status mzv_cpu_matmul(mzv_stream *s, mzv_poly r, mzv_cpoly a, const mzv_matrix *w) {
    const size_t mark = mzv_mark(s);
    uint64_t *words = NULL;
    MZV_TRY(mzv_take_words(s, &words, (size_t)2 * smaller(w->n_in, MZV_MATRIX_TERMS) << s->log_n));
    for (uint32_t i = 0; i < mzv_basis_size(r.basis); i++)
        for (uint32_t first = 0; first < w->n_in; first += MZV_MATRIX_TERMS)
            add_terms(s, r, a, w, i, first, (double *)words);
    mzv_release(s, mark);
    return MZV_OK;
}
