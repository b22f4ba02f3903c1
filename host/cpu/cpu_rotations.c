/* Level 4: weighted sums of hoisted rotations, a block of a row at a time.
 *
 * An automorphism moves aligned blocks as a whole (cpu_automorphism.c): block B of rotation i comes from one
 * block of the digits and of the key. So a block of every rotation is made from what is read of the key once,
 * turned in the first-level cache, and given to every sum before the next block; rotations are never stored
 * whole. Weights that exist as integers only are lifted for a row beforehand. */
#include <omp.h>
#include <string.h>

#include "base/try.h"
#include "cpu/cpu_backend.h"

#define MAX_KEPT 8 /* rotations of a block kept at a time */
/* Blocks that are read side by side, all at multiples of a large power of two, would share the lines of one
 * set of the caches: those of scratch lie PAD_WORDS further apart. */
#define PAD_WORDS 40
/* Words of a block that all sums take together: those of eight rotations fit the first-level cache. */
#define SLICE 256

/* What all rows share. */
typedef struct sums {
    mzv_stream *s;
    mzv_poly *r;
    const mzv_rotations *of;
    uint32_t batch;
    size_t block;                     /* words */
    uint32_t n_kept, n_grouped;       /* rotations and sums taken at a time */
    uint32_t n_lifted;                /* rows that the weights of such a part may need */
    mzv_cpu_permutation *permutation; /* n_rotations */
} sums;

/* A part of the operation: some rotations into some sums. */
typedef struct part {
    uint32_t first_rotation, n_rotations, first_sum, n_sums;
} part;

/* One thread's scratch. */
typedef struct room {
    uint64_t *product[2]; /* a block each */
    uint64_t *rotated;    /* [n_kept][batch][2] blocks */
    uint64_t *repeated;   /* n_kept blocks */
    uint64_t *lifted;     /* n_lifted rows */
    bool *started;        /* of each sum: it has a term */
} room;

static size_t slice_words(const sums *c) { return c->block < SLICE ? c->block : SLICE; }
static size_t row_words(const sums *c) { return (size_t)1 << c->s->log_n; }
static size_t padding(const sums *c) { return c->block < MZV_CPU_BLOCK ? 0 : PAD_WORDS; }
static size_t block_pitch(const sums *c) { return c->block + padding(c); }
static size_t row_pitch(const sums *c) { return row_words(c) + padding(c); }

static uint64_t *rotated_block(const sums *c, const room *m, uint32_t k, uint32_t b, uint32_t t) {
    return m->rotated + ((size_t)(k * c->batch + b) * 2 + t) * block_pitch(c);
}

/* The weight of rotation i in sum g. */
static const mzv_diagonal *weight_of(const sums *c, uint32_t g, uint32_t i) {
    return &c->of->w[(size_t)g * c->of->n_rotations + i];
}

static bool is_lifted(const mzv_diagonal *w) { return w->rows == NULL && w->integers != NULL; }

/* Whether it adds anything to `row`: an unmoved operand is 0 modulo the special primes. */
static bool counts(const sums *c, const mzv_diagonal *w, uint32_t i, uint32_t row) {
    return (w->rows != NULL || w->integers != NULL) && (c->of->key[i] != NULL || row >= c->r[0].basis.n_p);
}

/* Word `at` of the row of a[t] that belongs to `row`, which is behind the special ones. */
static const uint64_t *operand(const sums *c, uint32_t row, uint32_t b, uint32_t t, size_t at) {
    return mzv_cpu_crow(c->of->a[t], b, row - c->r[0].basis.n_p, c->s->log_n) + at;
}

/* m->product[t] = sum_j d[j] . key[i][2*j+t], from word `at` on. */
static void key_sums(const sums *c, const room *m, uint32_t i, uint32_t row, uint32_t b, size_t at) {
    const mzv_cpu_prime *prime = mzv_cpu_prime_of(c->s, c->r[0].basis, row);
    const uint64_t *d[MZV_MAX_DIGITS], *key[2][MZV_MAX_DIGITS];
    for (uint32_t first = 0; first < c->of->n_digits; first += MZV_MAX_DIGITS) {
        const uint32_t left = c->of->n_digits - first, n = left < MZV_MAX_DIGITS ? left : MZV_MAX_DIGITS;
        for (uint32_t j = 0; j < n; j++) {
            d[j] = mzv_cpu_crow(c->of->d[first + j], b, row, c->s->log_n) + at;
            for (uint32_t t = 0; t < 2; t++)
                key[t][j] = mzv_cpu_crow(c->of->key[i][2 * (first + j) + t], b, row, c->s->log_n) + at;
        }
        const mzv_cpu_products products = {
            { m->product[0], m->product[1] }, { key[0], key[1] }, d, n, 2, first > 0
        };
        prime->kernels->sum_products(&products, c->block, prime);
    }
}

/* The block of u_i that starts at word `at`, both parts. */
static void rotate_block(const sums *c, const room *m, uint64_t *const u[2], uint32_t i, uint32_t row,
                         uint32_t b, size_t at) {
    const mzv_cpu_prime *prime = mzv_cpu_prime_of(c->s, c->r[0].basis, row);
    const mzv_cpu_kernels *kernels = prime->kernels;
    const mzv_cpu_permutation *permutation = &c->permutation[i];
    const uint32_t n_p = c->r[0].basis.n_p;
    const uint64_t constant = row < n_p ? 0 : c->of->c[row - n_p];
    if (c->of->key[i] == NULL) {
        for (uint32_t t = 0; t < 2 && row >= n_p; t++)
            kernels->with_const[MZV_CPU_MUL_CONST](u[t], operand(c, row, b, t, at), constant, c->block,
                                                   prime);
        return;
    }
    const size_t from = permutation->source[at / MZV_CPU_LINE] & ~(c->block - 1);
    const mzv_cpu_lines lines = { at / MZV_CPU_LINE, c->block / MZV_CPU_LINE, from / MZV_CPU_LINE };
    key_sums(c, m, i, row, b, from);
    if (row >= n_p)
        kernels->with_const[MZV_CPU_MUL_CONST_ADD](m->product[0], operand(c, row, b, 0, from), constant,
                                                   c->block, prime);
    for (uint32_t t = 0; t < 2; t++) kernels->permute(u[t], m->product[t], permutation, lines, false, prime);
}

/* The weights of a part that are integers, over one row: sum by sum, rotation by rotation. */
static void lift_weights(const sums *c, const room *m, const part *p, uint32_t row) {
    const mzv_cpu_prime *prime = mzv_cpu_prime_of(c->s, c->r[0].basis, row);
    uint64_t *to = m->lifted;
    for (uint32_t g = p->first_sum; g < p->first_sum + p->n_sums; g++)
        for (uint32_t i = p->first_rotation; i < p->first_rotation + p->n_rotations; i++) {
            const mzv_diagonal *w = weight_of(c, g, i);
            if (!counts(c, w, i, row) || !is_lifted(w)) continue;
            prime->kernels->lift(to, w->integers, prime);
            to += row_pitch(c);
        }
}

/* Sum g of one block takes its weighted rotations. *lifted: the row of the sum's first lifted weight; after
 * it that of the next sum's. */
static void add_to_sum(const sums *c, const room *m, const part *p, uint32_t g, uint32_t row, size_t at,
                       const uint64_t **lifted) {
    const mzv_cpu_prime *prime = mzv_cpu_prime_of(c->s, c->r[0].basis, row);
    const uint64_t *w[MAX_KEPT], *u[2][MAX_KEPT];
    uint32_t rotation[MAX_KEPT], n_terms = 0;
    for (uint32_t k = 0; k < p->n_rotations; k++) {
        const mzv_diagonal *weight = weight_of(c, g, p->first_rotation + k);
        if (!counts(c, weight, p->first_rotation + k, row)) continue;
        uint64_t *repeated = m->repeated + k * block_pitch(c);
        if (is_lifted(weight)) {
            w[n_terms] = *lifted + at;
            *lifted += row_pitch(c);
        } else if (weight->log_repeat == 0) {
            w[n_terms] = weight->rows + row * row_words(c) + at;
        } else {
            prime->kernels->repeat(repeated, weight->rows + ((row * row_words(c) + at) >> weight->log_repeat),
                                   weight->log_repeat, slice_words(c));
            w[n_terms] = repeated;
        }
        rotation[n_terms++] = k;
    }
    for (uint32_t b = 0; n_terms != 0 && b < c->batch; b++) {
        mzv_cpu_products products = {
            .a = { u[0], u[1] }, .b = w, .n_terms = n_terms, .n_sums = 2, .accumulate = m->started[g]
        };
        for (uint32_t t = 0; t < 2; t++) {
            products.r[t] = mzv_cpu_row(c->r[2 * (size_t)g + t], b, row, c->s->log_n) + at;
            for (uint32_t i = 0; i < n_terms; i++)
                u[t][i] = rotated_block(c, m, rotation[i], b, t) + (at & (c->block - 1));
        }
        prime->kernels->sum_products(&products, slice_words(c), prime);
    }
}

/* One part of one row. */
static void run_part(const sums *c, room *m, const part *p, uint32_t row) {
    lift_weights(c, m, p, row);
    for (size_t at = 0; at < row_words(c); at += c->block) {
        for (uint32_t k = 0; k < p->n_rotations; k++)
            for (uint32_t b = 0; b < c->batch; b++) {
                uint64_t *const u[2] = { rotated_block(c, m, k, b, 0), rotated_block(c, m, k, b, 1) };
                rotate_block(c, m, u, p->first_rotation + k, row, b, at);
            }
        for (size_t slice = at; slice < at + c->block; slice += slice_words(c)) {
            const uint64_t *lifted = m->lifted;
            for (uint32_t g = p->first_sum; g < p->first_sum + p->n_sums; g++)
                add_to_sum(c, m, p, g, row, slice, &lifted);
        }
    }
    for (uint32_t g = p->first_sum; g < p->first_sum + p->n_sums; g++)
        for (uint32_t i = p->first_rotation; i < p->first_rotation + p->n_rotations; i++)
            m->started[g] |= counts(c, weight_of(c, g, i), i, row);
}

static void clear(const sums *c, uint32_t g, uint32_t row) {
    for (uint32_t k = 0; k < 2 * c->batch; k++)
        memset(mzv_cpu_row(c->r[2 * (size_t)g + k % 2], k / 2, row, c->s->log_n), 0,
               row_words(c) * sizeof(uint64_t));
}

static uint32_t smaller(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* One row of all sums. */
static void run_row(const sums *c, room *m, uint32_t row) {
    const uint32_t n_sums = c->of->n_sums, n_rotations = c->of->n_rotations;
    for (uint32_t g = 0; g < n_sums; g++) m->started[g] = c->of->accumulate;
    for (uint32_t i = 0; i < n_rotations; i += c->n_kept)
        for (uint32_t g = 0; g < n_sums; g += c->n_grouped) {
            const part p = { i, smaller(c->n_kept, n_rotations - i), g, smaller(c->n_grouped, n_sums - g) };
            run_part(c, m, &p, row);
        }
    for (uint32_t g = 0; g < n_sums; g++)
        if (!m->started[g]) clear(c, g, row);
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

/* Rows that the weights of one part need at most. */
static uint32_t most_lifted(const sums *c) {
    uint32_t most = 0;
    for (uint32_t first = 0; first < c->of->n_rotations; first += c->n_kept)
        for (uint32_t begin = 0; begin < c->of->n_sums; begin += c->n_grouped) {
            uint32_t n = 0;
            for (uint32_t g = begin; g < c->of->n_sums && g < begin + c->n_grouped; g++)
                for (uint32_t i = first; i < c->of->n_rotations && i < first + c->n_kept; i++)
                    n += is_lifted(weight_of(c, g, i));
            if (n > most) most = n;
        }
    return most;
}

static size_t room_words(const sums *c) {
    const size_t flags =
        (c->of->n_sums + sizeof(uint64_t) * MZV_CPU_LINE - 1) / (sizeof(uint64_t) * MZV_CPU_LINE);
    const size_t n_blocks = 2 + (size_t)c->n_kept * (2 * c->batch + 1);
    return n_blocks * block_pitch(c) + c->n_lifted * row_pitch(c) + flags * MZV_CPU_LINE;
}

/* Threads, and how much they take at a time, so that they take no more than the composition does: all
 * rotations and sums if that fits, else fewer rotations, then fewer sums, whose rotations are then made anew,
 * then fewer threads. */
static uint32_t plan(sums *c) {
    const uint32_t n_rows = mzv_basis_size(c->r[0].basis);
    const size_t allowed = (4 * c->batch + 1) * ((size_t)n_rows << c->s->log_n);
    uint32_t n_threads = smaller((uint32_t)omp_get_max_threads(), n_rows);
    if (!mzv_cpu_worth(c->s, c->batch, n_rows, MZV_CPU_HEAVY)) n_threads = 1;
    c->block = row_words(c) / 4;
    if (c->block < MZV_CPU_LINE) c->block = MZV_CPU_LINE;
    if (c->block > MZV_CPU_BLOCK) c->block = MZV_CPU_BLOCK;
    c->n_kept = smaller(MAX_KEPT, c->of->n_rotations);
    c->n_grouped = c->of->n_sums;
    for (;;) {
        c->n_lifted = most_lifted(c);
        if (n_threads * room_words(c) <= allowed) return n_threads;
        if (c->n_kept > 1) {
            c->n_kept--;
        } else if (c->n_grouped > 1) {
            c->n_grouped--;
        } else if (n_threads > 1) {
            n_threads--;
        } else {
            return 1; /* as much as there must be: the stream says if it is too much */
        }
    }
}

/* A thread's part of `words`. */
static room room_of(const sums *c, uint64_t *words, uint32_t thread) {
    uint64_t *own = words + thread * room_words(c);
    room m = { .product = { own, own + block_pitch(c) }, .rotated = own + 2 * block_pitch(c) };
    m.repeated = m.rotated + 2 * (size_t)c->n_kept * c->batch * block_pitch(c);
    m.lifted = m.repeated + c->n_kept * block_pitch(c);
    m.started = (bool *)(m.lifted + c->n_lifted * row_pitch(c));
    return m;
}

mzv_status mzv_cpu_rotation_sums(mzv_stream *s, mzv_poly *r, const mzv_rotations *of) {
    const size_t mark = mzv_mark(s);
    const uint32_t n_rows = mzv_basis_size(r[0].basis);
    sums c = { .s = s, .r = r, .of = of, .batch = r[0].batch };
    const uint32_t n_threads = plan(&c);
    uint64_t *words = NULL;
    mzv_status status;
    MZV_TRY_GOTO(make_permutations(&c), done);
    MZV_TRY_GOTO(mzv_take_words(s, &words, n_threads * room_words(&c)), done);
#pragma omp parallel for schedule(dynamic) num_threads(n_threads)
    for (uint32_t row = 0; row < n_rows; row++) {
        room m = room_of(&c, words, (uint32_t)omp_get_thread_num());
        run_row(&c, &m, row);
    }
done:
    mzv_release(s, mark);
    return status;
}
