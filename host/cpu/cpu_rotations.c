/* Level 4: weighted sums of hoisted rotations, one row at a time. A few rotations of a row, both parts, stay
 * in the third-level cache while every sum takes its share of them; what comes from memory is each key and
 * each weight once. */
#include <omp.h>
#include <string.h>

#include "base/try.h"
#include "cpu/cpu_backend.h"

/* Rotations kept at a time: 4 MiB for N = 2^16. Rows read side by side, all at multiples of a large power of
 * two, share the eight lines of one set of the caches, so few weights go together, and rows of scratch lie
 * PAD_WORDS further apart. */
#define MAX_KEPT 4
#define PAD_WORDS 40

/* What all rows share. */
typedef struct sums {
    mzv_stream *s;
    mzv_poly *r;
    const mzv_rotations *of;
    uint32_t batch, n_kept;
    bool copies;                      /* of the digits' rows, among those of scratch */
    mzv_cpu_permutation *permutation; /* n_rotations */
} sums;

/* One thread's rows of scratch. */
typedef struct room {
    uint64_t *digit;                  /* [n_digits][batch] */
    uint64_t *product[2];             /* a row each */
    uint64_t *rotated;                /* [n_kept][batch][2] rows */
    uint64_t *lifted;                 /* n_kept rows */
    const uint64_t *weight[MAX_KEPT]; /* those of one sum */
    uint32_t rotation[MAX_KEPT];      /* and the places of their rotations in `rotated` */
} room;

static size_t row_words(const sums *c) { return (size_t)1 << c->s->log_n; }

/* From one row of scratch to the next. Of very few rows all that is allowed may be needed. */
static size_t pitch(const sums *c) {
    const bool pads = c->s->log_n >= 12 && mzv_basis_size(c->r[0].basis) >= 4;
    return row_words(c) + (pads ? PAD_WORDS : 0);
}

static uint64_t *rotated_row(const sums *c, const room *m, uint32_t k, uint32_t b, uint32_t t) {
    return m->rotated + ((size_t)(k * c->batch + b) * 2 + t) * pitch(c);
}

static bool has_weight(mzv_diagonal w) { return w.rows != NULL || w.integers != NULL; }

/* The row of a[t] that belongs to `row`, which is behind the special ones. */
static const uint64_t *operand_row(const sums *c, uint32_t row, uint32_t b, uint32_t t) {
    return mzv_cpu_crow(c->of->a[t], b, row - c->r[0].basis.n_p, c->s->log_n);
}

static const uint64_t *digit_row(const sums *c, const room *m, uint32_t j, uint32_t row, uint32_t b) {
    return c->copies ? m->digit + ((size_t)j * c->batch + b) * pitch(c)
                     : mzv_cpu_crow(c->of->d[j], b, row, c->s->log_n);
}

/* m->product[t] = sum_j d[j] . key[i][2*j+t], one row. */
static void key_sums(const sums *c, const room *m, uint32_t i, uint32_t row, uint32_t b) {
    const mzv_cpu_prime *prime = mzv_cpu_prime_of(c->s, c->r[0].basis, row);
    const size_t n_words = row_words(c), block = n_words < MZV_CPU_BLOCK ? n_words : MZV_CPU_BLOCK;
    const uint64_t *d[MZV_MAX_DIGITS], *key[2][MZV_MAX_DIGITS];
    for (uint32_t first = 0; first < c->of->n_digits; first += MZV_MAX_DIGITS) {
        const uint32_t left = c->of->n_digits - first, n = left < MZV_MAX_DIGITS ? left : MZV_MAX_DIGITS;
        for (size_t at = 0; at < n_words; at += block) {
            for (uint32_t j = 0; j < n; j++) {
                d[j] = digit_row(c, m, first + j, row, b) + at;
                for (uint32_t t = 0; t < 2; t++)
                    key[t][j] = mzv_cpu_crow(c->of->key[i][2 * (first + j) + t], b, row, c->s->log_n) + at;
            }
            const mzv_cpu_products products = {
                { m->product[0] + at, m->product[1] + at }, { key[0], key[1] }, d, n, 2, first > 0
            };
            prime->kernels->sum_products(&products, block, prime);
        }
    }
}

/* u_i, one row of both parts. */
static void rotate_row(const sums *c, const room *m, uint64_t *const r[2], uint32_t i, uint32_t row,
                       uint32_t b) {
    const mzv_cpu_prime *prime = mzv_cpu_prime_of(c->s, c->r[0].basis, row);
    const mzv_cpu_kernels *kernels = prime->kernels;
    const uint32_t n_p = c->r[0].basis.n_p;
    const uint64_t constant = row < n_p ? 0 : c->of->c[row - n_p];
    for (uint32_t t = 0; t < 2 && c->of->key[i] == NULL && row >= n_p; t++)
        kernels->with_const[MZV_CPU_MUL_CONST](r[t], operand_row(c, row, b, t), constant, row_words(c),
                                               prime);
    if (c->of->key[i] == NULL) return;
    key_sums(c, m, i, row, b);
    if (row >= n_p)
        kernels->with_const[MZV_CPU_MUL_CONST_ADD](m->product[0], operand_row(c, row, b, 0), constant,
                                                   row_words(c), prime);
    for (uint32_t t = 0; t < 2; t++) kernels->permute(r[t], m->product[t], &c->permutation[i], false, prime);
}

/* Rotations `first` .. of one row into m->rotated. */
static void rotate(const sums *c, const room *m, uint32_t first, uint32_t n, uint32_t row) {
    for (uint32_t k = 0; k < n; k++)
        for (uint32_t b = 0; b < c->batch; b++) {
            uint64_t *const r[2] = { rotated_row(c, m, k, b, 0), rotated_row(c, m, k, b, 1) };
            rotate_row(c, m, r, first + k, row, b);
        }
}

/* Every word 2^log_repeat times. */
static void spread(uint64_t *r, const uint64_t *a, uint32_t log_repeat, size_t n) {
    const size_t each = (size_t)1 << log_repeat;
    for (size_t k = 0; k < n >> log_repeat; k++)
        for (size_t i = 0; i < each; i++) r[k * each + i] = a[k];
}

/* The weights of sum g for rotations `first` ..: how many there are. */
static uint32_t collect(const sums *c, room *m, uint32_t g, uint32_t first, uint32_t n, uint32_t row) {
    const mzv_cpu_prime *prime = mzv_cpu_prime_of(c->s, c->r[0].basis, row);
    uint32_t n_terms = 0;
    for (uint32_t k = 0; k < n; k++) {
        const mzv_diagonal w = c->of->w[(size_t)g * c->of->n_rotations + first + k];
        uint64_t *lifted = m->lifted + k * pitch(c);
        if (!has_weight(w) || (c->of->key[first + k] == NULL && row < c->r[0].basis.n_p)) continue;
        const bool whole = w.rows != NULL && w.log_repeat == 0;
        if (w.rows == NULL) prime->kernels->lift(lifted, w.integers, prime);
        if (w.rows != NULL && !whole)
            spread(lifted, w.rows + row * (row_words(c) >> w.log_repeat), w.log_repeat, row_words(c));
        m->weight[n_terms] = whole ? w.rows + row * row_words(c) : lifted;
        m->rotation[n_terms++] = k;
    }
    return n_terms;
}

/* Sum g of one row takes n_terms weighted rotations; both parts of all polynomials a few pages at a time. */
static void accumulate(const sums *c, const room *m, uint32_t g, uint32_t n_terms, bool more, uint32_t row) {
    const mzv_cpu_prime *prime = mzv_cpu_prime_of(c->s, c->r[0].basis, row);
    const size_t n = row_words(c), block = n < MZV_CPU_BLOCK ? n : MZV_CPU_BLOCK;
    const uint64_t *u[2][MAX_KEPT], *w[MAX_KEPT];
    for (size_t at = 0; at < n; at += block)
        for (uint32_t b = 0; b < c->batch; b++) {
            mzv_cpu_products products = {
                .a = { u[0], u[1] }, .b = w, .n_terms = n_terms, .n_sums = 2, .accumulate = more
            };
            for (uint32_t i = 0; i < n_terms; i++) w[i] = m->weight[i] + at;
            for (uint32_t t = 0; t < 2; t++) {
                products.r[t] = mzv_cpu_row(c->r[2 * (size_t)g + t], b, row, c->s->log_n) + at;
                for (uint32_t i = 0; i < n_terms; i++) u[t][i] = rotated_row(c, m, m->rotation[i], b, t) + at;
            }
            prime->kernels->sum_products(&products, block, prime);
        }
}

static void clear(const sums *c, uint32_t g, uint32_t row) {
    for (uint32_t k = 0; k < 2 * c->batch; k++)
        memset(mzv_cpu_row(c->r[2 * (size_t)g + k % 2], k / 2, row, c->s->log_n), 0,
               row_words(c) * sizeof(uint64_t));
}

static void copy_digits(const sums *c, const room *m, uint32_t row) {
    for (uint32_t j = 0; j < c->of->n_digits; j++)
        for (uint32_t b = 0; b < c->batch; b++)
            memcpy(m->digit + ((size_t)j * c->batch + b) * pitch(c),
                   mzv_cpu_crow(c->of->d[j], b, row, c->s->log_n), row_words(c) * sizeof(uint64_t));
}

/* One row of all sums. started[g]: sum g has a term already. */
static void run_row(const sums *c, room *m, uint32_t row, bool *started) {
    const uint32_t n_rotations = c->of->n_rotations;
    if (c->copies) copy_digits(c, m, row);
    for (uint32_t g = 0; g < c->of->n_sums; g++) started[g] = c->of->accumulate;
    for (uint32_t first = 0; first < n_rotations; first += c->n_kept) {
        const uint32_t left = n_rotations - first, n = left < c->n_kept ? left : c->n_kept;
        rotate(c, m, first, n, row);
        for (uint32_t g = 0; g < c->of->n_sums; g++) {
            const uint32_t n_terms = collect(c, m, g, first, n, row);
            if (n_terms == 0) continue;
            accumulate(c, m, g, n_terms, started[g], row);
            started[g] = true;
        }
    }
    for (uint32_t g = 0; g < c->of->n_sums; g++)
        if (!started[g]) clear(c, g, row);
}

static mzv_status make_permutations(sums *c) {
    uint64_t *words = NULL;
    MZV_TRY(mzv_take_words(c->s, &words, (c->of->n_rotations * sizeof *c->permutation + 7) / 8));
    c->permutation = (mzv_cpu_permutation *)words;
    for (uint32_t i = 0; i < c->of->n_rotations; i++)
        if (c->of->key[i] != NULL)
            MZV_TRY(mzv_cpu_permutation_make(c->s, &c->permutation[i], c->of->galois[i]));
    return MZV_OK;
}

/* Rows of a thread beside those of kept rotations. */
static uint32_t fixed_rows(const sums *c) { return 2 + (c->copies ? c->of->n_digits * c->batch : 0); }

/* Threads, copies, and rotations kept, so that their rows are no more than the composition takes. */
static uint32_t plan_threads(sums *c) {
    const uint32_t n_rows = mzv_basis_size(c->r[0].basis), each = 2 * c->batch + 1;
    const uint32_t n_allowed = (uint32_t)((4 * c->batch + 1) * ((size_t)n_rows << c->s->log_n) / pitch(c));
    uint32_t n_threads = (uint32_t)omp_get_max_threads();
    if (n_threads > n_rows) n_threads = n_rows;
    if (!mzv_cpu_worth(c->s, c->batch, n_rows, MZV_CPU_HEAVY)) n_threads = 1;
    c->copies = true;
    c->copies = n_allowed >= n_threads * (fixed_rows(c) + each);
    if (n_threads > n_allowed / (fixed_rows(c) + each)) n_threads = n_allowed / (fixed_rows(c) + each);
    c->n_kept = (n_allowed / n_threads - fixed_rows(c)) / each;
    if (c->n_kept > MAX_KEPT) c->n_kept = MAX_KEPT;
    if (c->n_kept > c->of->n_rotations) c->n_kept = c->of->n_rotations;
    return n_threads;
}

mzv_status mzv_cpu_rotation_sums(mzv_stream *s, mzv_poly *r, const mzv_rotations *of) {
    const size_t mark = mzv_mark(s);
    const uint32_t n_rows = mzv_basis_size(r[0].basis);
    sums c = { .s = s, .r = r, .of = of, .batch = r[0].batch };
    const uint32_t n_threads = plan_threads(&c);
    const size_t n = pitch(&c);
    const size_t rows_each = fixed_rows(&c) + (size_t)c.n_kept * (2 * c.batch + 1);
    uint64_t *words = NULL, *flags = NULL;
    mzv_status status;
    MZV_TRY_GOTO(make_permutations(&c), done);
    MZV_TRY_GOTO(mzv_take_words(s, &words, n_threads * rows_each * n), done);
    MZV_TRY_GOTO(mzv_take_words(s, &flags, (n_threads * (size_t)of->n_sums + 7) / 8), done);
#pragma omp parallel for schedule(dynamic) num_threads(n_threads)
    for (uint32_t row = 0; row < n_rows; row++) {
        uint64_t *own = words + (size_t)omp_get_thread_num() * rows_each * n;
        room m = { .product = { own, own + n }, .digit = own + 2 * n, .rotated = own + fixed_rows(&c) * n };
        m.lifted = m.rotated + 2 * (size_t)c.n_kept * c.batch * n;
        run_row(&c, &m, row, (bool *)flags + (size_t)omp_get_thread_num() * of->n_sums);
    }
done:
    mzv_release(s, mark);
    return status;
}
