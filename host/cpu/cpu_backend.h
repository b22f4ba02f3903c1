/* Inside the CPU backend: its objects, and the kernels that its variants provide.
 *
 * An operation (cpu_pointwise.c, cpu_ntt.c, ...) splits its views into rows, spreads them over OpenMP
 * threads and calls a kernel for each. The kernels come from the table of the row's prime: the variant
 * that was opened where the prime is small enough for it, the scalar one otherwise. */
#ifndef MZV_CPU_BACKEND_H
#define MZV_CPU_BACKEND_H
#include <stdbool.h>

#include "backend/backend.h"
#include "math/modarith.h"
#ifdef __cplusplus
extern "C" {
#endif

#define MZV_CPU_MIN_LOG_N 3 /* a cache line a row; automorphisms move whole lines */
#define MZV_CPU_MAX_LOG_N 17
#define MZV_CPU_LINE 8 /* words */
/* Words of a row that a fused operation treats at a time, so that they stay in the second-level cache
 * and the prefetchers see runs of several pages. */
#define MZV_CPU_BLOCK 2048
/* Base conversions and the first pass of transforms go by tiles: 32 columns of 2^bits rows, the rows N /
 * 2^bits words apart. */
#define MZV_CPU_TILE 32
static inline uint32_t mzv_cpu_tile_bits(uint32_t log_n) {
    return log_n <= 12 ? 0 : log_n == 13 ? 2 : log_n - 12;
}
/* Words of a tile. The line between two of them puts the same place of each into another set of the cache. */
static inline size_t mzv_cpu_tile_words(uint32_t log_n) {
    return ((size_t)MZV_CPU_TILE << mzv_cpu_tile_bits(log_n)) + MZV_CPU_LINE;
}
/* Words of a row whose 2^bits parts lie a line further apart. */
static inline size_t mzv_cpu_buffer_words(uint32_t log_n) {
    return ((size_t)1 << log_n) + ((size_t)MZV_CPU_LINE << mzv_cpu_tile_bits(log_n));
}
static inline size_t mzv_cpu_tiles(uint32_t log_n) {
    return (size_t)1 << (log_n - mzv_cpu_tile_bits(log_n)) >> 5;
}

typedef struct mzv_cpu_kernels mzv_cpu_kernels;

/* One prime and its tables. Only the tables that `kernels` reads are present. */
typedef struct mzv_cpu_prime {
    const mzv_cpu_kernels *kernels;
    mzv_modulus mod;
    uint32_t log_n;
    uint64_t n_inverse;        /* N^-1 */
    mzv_factor *roots;         /* psi^rev(k), k < N */
    mzv_factor *inverse_roots; /* psi^-rev(k) */
    double *fp_roots;          /* psi^rev(k), in (-p/2, p/2) */
    double *fp_inverse_roots;  /* psi^-rev(k) */
} mzv_cpu_prime;

/* One or two sums with a common factor: r[t] = sum over i < n_terms of a[t][i] . b[i], added to r[t] if
 * `accumulate`. */
typedef struct mzv_cpu_products {
    uint64_t *r[2];
    const uint64_t *const *a[2];
    const uint64_t *const *b;
    uint32_t n_terms, n_sums;
    bool accumulate;
} mzv_cpu_products;

/* One row of a base conversion: r = sum over the digits j of digit_j constant[j]; `balanced`: the same
 * constants. A variant whose digits are shifted, digit_j + (f_j - 1)/2 in place of digit_j, starts at
 * start = -sum (f_j - 1)/2 constant[j]. */
typedef struct mzv_cpu_target {
    uint64_t *r;
    const uint64_t *constant;
    const double *balanced;
    uint64_t start;
    const mzv_cpu_prime *prime;
} mzv_cpu_target;

/* Words of every polynomial that a product with a matrix treats at a time. */
#define MZV_CPU_MATMUL_WORDS 32

/* r[o] = sum over i < n_terms of w[o][i] a[i], or r[o] += that, n_words of one row of each polynomial.
 * Weights are integers below 2^18, at most 1024 terms. */
typedef struct mzv_cpu_matmul_tile {
    uint64_t *r;
    const uint64_t *a;
    size_t r_stride, a_stride; /* from one polynomial to the next */
    const double *w;
    size_t w_stride; /* from one row of the matrix to the next */
    double *halves;  /* room for 2 n_words n_terms */
    uint32_t n_out, n_terms, n_words;
    bool accumulate;
} mzv_cpu_matmul_tile;

/* Where the words of an automorphism come from: line k of the result is line source[k] / 8 of the
 * argument, its words in the order order[source[k] % 8]. */
typedef struct mzv_cpu_permutation {
    const uint32_t *source;
    uint8_t order[MZV_CPU_LINE][MZV_CPU_LINE];
} mzv_cpu_permutation;

/* The streaming forms write past the caches, for operands that do not fit there. */
enum {
    MZV_CPU_ADD,
    MZV_CPU_SUB,
    MZV_CPU_MUL,
    MZV_CPU_MUL_ADD,
    MZV_CPU_ADD_STREAM,
    MZV_CPU_SUB_STREAM,
    MZV_CPU_N_BINARY
};
enum { MZV_CPU_MUL_CONST, MZV_CPU_MUL_CONST_ADD, MZV_CPU_ADD_CONST, MZV_CPU_N_WITH_CONST };

typedef void mzv_cpu_binary(uint64_t *r, const uint64_t *a, const uint64_t *b, size_t n,
                            const mzv_cpu_prime *prime);
typedef void mzv_cpu_with_const(uint64_t *r, const uint64_t *a, uint64_t c, size_t n,
                                const mzv_cpu_prime *prime);

/* Lines `first` .. of a row, n of them, of which an automorphism takes the words from lines `origin` .. of
 * another: r begins at line `first`, a at line `origin`. */
typedef struct mzv_cpu_lines {
    size_t first, n, origin;
} mzv_cpu_lines;

/* Rows of n words, n a multiple of 8; ntt, intt_* and lift take a whole row. Row pointers are
 * 64-byte aligned. Inputs and outputs are canonical. */
struct mzv_cpu_kernels {
    const char *name;
    uint32_t min_log_n; /* smaller rings take the scalar kernels */
    bool fp64;          /* only primes that mzv_cpu_fp64_fits */
    mzv_cpu_binary *binary[MZV_CPU_N_BINARY];
    mzv_cpu_with_const *with_const[MZV_CPU_N_WITH_CONST];
    void (*ntt)(uint64_t *row, const mzv_cpu_prime *prime);
    /* row = INTT(row) */
    void (*intt)(uint64_t *row, const mzv_cpu_prime *prime);
    /* r = NTT(v mod p), |v| < 2^62 */
    void (*lift)(uint64_t *r, const int64_t *v, const mzv_cpu_prime *prime);
    /* r = (a - r) c */
    void (*sub_from_scale)(uint64_t *r, const uint64_t *a, uint64_t c, size_t n, const mzv_cpu_prime *prime);
    void (*sum_products)(const mzv_cpu_products *products, size_t n, const mzv_cpu_prime *prime);
    void (*matmul)(const mzv_cpu_matmul_tile *of, const mzv_cpu_prime *prime);
    /* r = permuted a, or r += permuted a */
    void (*permute)(uint64_t *r, const uint64_t *a, const mzv_cpu_permutation *permutation,
                    mzv_cpu_lines lines, bool accumulate, const mzv_cpu_prime *prime);
    /* r[k] = a[k >> log_repeat], n words. */
    void (*repeat)(uint64_t *r, const uint64_t *a, uint32_t log_repeat, size_t n);
    /* Base conversion by tiles; NULL: row by row. First digit = [INTT(a) c] centred, in a form of the
     * variant's own, a tile at every `stride`; `buffer`: mzv_cpu_buffer_words, to be kept in the second-level
     * cache. Then the sums of a tile for several targets, which leaves rows that finish_row completes, in
     * place or to another row: r = NTT(conversion), plus a c if `a` is not NULL. */
    void (*digit_tiles)(uint64_t *digit, size_t stride, const uint64_t *a, uint64_t c, uint64_t *buffer,
                        const mzv_cpu_prime *prime);
    void (*convert_tile)(const mzv_cpu_target *target, uint32_t n_targets, const uint64_t *digits,
                         uint32_t n_digits, size_t column);
    void (*finish_row)(uint64_t *r, const uint64_t *from, const uint64_t *a, uint64_t c,
                       const mzv_cpu_prime *prime);
};

extern const mzv_cpu_kernels mzv_cpu_scalar, mzv_cpu_avx2, mzv_cpu_avx512, mzv_cpu_avx512ifma;

/* cpu_bound.c: the FP64 kernels are exact for this prime and ring. */
bool mzv_cpu_fp64_fits(uint64_t p, uint32_t log_n);

struct mzv_backend {
    mzv_chain chain; /* primes: `prime_values` */
    uint64_t prime_values[MZV_MAX_PRIMES];
    mzv_cpu_prime primes[MZV_MAX_PRIMES];
    /* residue[i][j] = prime i mod prime j; inverse[i][j] = (prime i)^-1 mod prime j, for i != j. */
    uint64_t residue[MZV_MAX_PRIMES][MZV_MAX_PRIMES];
    uint64_t inverse[MZV_MAX_PRIMES][MZV_MAX_PRIMES];
    struct mzv_cpu_pool *pool;
    char description[16];
};

/* Row i of polynomial b; a batch of 1 serves every b. */
static inline uint64_t *mzv_cpu_row(mzv_poly r, uint32_t b, uint32_t i, uint32_t log_n) {
    return r.base + b * r.stride + ((size_t)i << log_n);
}
static inline const uint64_t *mzv_cpu_crow(mzv_cpoly a, uint32_t b, uint32_t i, uint32_t log_n) {
    return a.base + (a.batch == 1 ? 0 : b) * a.stride + ((size_t)i << log_n);
}
/* The prime of row i of a basis. */
static inline const mzv_cpu_prime *mzv_cpu_prime_of(const mzv_stream *s, mzv_basis basis, uint32_t i) {
    return &s->backend->primes[mzv_prime_index(s->chain, basis, i)];
}

/* A residue as a double in (-p/2, p/2). */
static inline double mzv_cpu_balanced(uint64_t c, uint64_t p) {
    return c > p / 2 ? -(double)(p - c) : (double)c;
}

/* Words from which threads are worth waking: for a product or less a word, and for more. */
enum { MZV_CPU_LIGHT = 1 << 16, MZV_CPU_HEAVY = 1 << 14 };
static inline bool mzv_cpu_worth(const mzv_stream *s, uint32_t batch, uint32_t n_rows, size_t n_words) {
    return ((size_t)batch * n_rows << s->log_n) >= n_words;
}

/* cpu_tables.c */
mzv_status mzv_cpu_prime_open(mzv_cpu_prime *out, uint64_t p, uint32_t log_n,
                              const mzv_cpu_kernels *variant) MZV_MUST_CHECK;
void mzv_cpu_prime_close(mzv_cpu_prime *prime);

/* cpu_variant.c: the kernels called `name`, NULL for MZV_CPU in the environment or else the best. */
mzv_status mzv_cpu_variant_find(const mzv_cpu_kernels **out, const char *name) MZV_MUST_CHECK;

/* cpu_memory.c: 64-byte aligned blocks (2 MiB aligned and on huge pages if large), touched once and
 * reused. Safe to share between threads. */
typedef struct mzv_cpu_pool mzv_cpu_pool;
mzv_status mzv_cpu_pool_open(mzv_cpu_pool **out) MZV_MUST_CHECK;
void mzv_cpu_pool_close(mzv_cpu_pool *pool);
mzv_status mzv_cpu_pool_take(mzv_cpu_pool *pool, void **out, size_t n_bytes) MZV_MUST_CHECK;
void mzv_cpu_pool_give(mzv_cpu_pool *pool, void *block);

/* cpu_automorphism.c: takes N/16 words of scratch. An aligned block of 2^k lines comes from one such block,
 * whichever k. */
mzv_status mzv_cpu_permutation_make(mzv_stream *s, mzv_cpu_permutation *out, uint32_t galois) MZV_MUST_CHECK;
static inline mzv_cpu_lines mzv_cpu_all_lines(uint32_t log_n) {
    const mzv_cpu_lines lines = { 0, (size_t)1 << log_n >> 3, 0 };
    return lines;
}

/* `open` with kernels of the caller's choice. */
mzv_status mzv_cpu_open_with(mzv_backend **out, const mzv_chain *chain,
                             const mzv_cpu_kernels *kernels) MZV_MUST_CHECK;

/* The entries of the table; see backend.h. */
mzv_status mzv_cpu_open(mzv_backend **out, const mzv_chain *chain, int device, const char *variant);
void mzv_cpu_close(mzv_backend *backend);
const char *mzv_cpu_describe(const mzv_backend *backend);
mzv_status mzv_cpu_stream_open(mzv_stream **out, mzv_backend *backend);
void mzv_cpu_stream_close(mzv_stream *s);
mzv_status mzv_cpu_stream_wait(mzv_stream *s, mzv_stream *earlier);
mzv_status mzv_cpu_synchronize(mzv_stream *s);
mzv_status mzv_cpu_alloc(mzv_stream *s, uint64_t **out, size_t n_words);
void mzv_cpu_free(mzv_stream *s, uint64_t *words);
mzv_status mzv_cpu_upload(mzv_stream *s, uint64_t *dst, const uint64_t *host_src, size_t n_words);
mzv_status mzv_cpu_download(mzv_stream *s, uint64_t *host_dst, const uint64_t *src, size_t n_words);
mzv_status mzv_cpu_copy(mzv_stream *s, mzv_poly r, mzv_cpoly a);
mzv_status mzv_cpu_add(mzv_stream *s, mzv_poly r, mzv_cpoly a, mzv_cpoly b);
mzv_status mzv_cpu_sub(mzv_stream *s, mzv_poly r, mzv_cpoly a, mzv_cpoly b);
mzv_status mzv_cpu_mul(mzv_stream *s, mzv_poly r, mzv_cpoly a, mzv_cpoly b);
mzv_status mzv_cpu_mul_add(mzv_stream *s, mzv_poly r, mzv_cpoly a, mzv_cpoly b);
mzv_status mzv_cpu_mul_const(mzv_stream *s, mzv_poly r, mzv_cpoly a, const uint64_t *c);
mzv_status mzv_cpu_mul_const_add(mzv_stream *s, mzv_poly r, mzv_cpoly a, const uint64_t *c);
mzv_status mzv_cpu_add_const(mzv_stream *s, mzv_poly r, mzv_cpoly a, const uint64_t *c);
mzv_status mzv_cpu_ntt(mzv_stream *s, mzv_poly r);
mzv_status mzv_cpu_intt(mzv_stream *s, mzv_poly r);
mzv_status mzv_cpu_automorphism(mzv_stream *s, mzv_poly r, mzv_cpoly a, uint32_t galois);
mzv_status mzv_cpu_lift(mzv_stream *s, mzv_poly r, const int64_t *v, size_t stride);
mzv_status mzv_cpu_mod_up(mzv_stream *s, mzv_poly r, mzv_cpoly a);
mzv_status mzv_cpu_mod_down(mzv_stream *s, mzv_poly r, mzv_cpoly a);
mzv_status mzv_cpu_tensor(mzv_stream *s, mzv_poly d[3], const mzv_cpoly a[2], const mzv_cpoly b[2]);
mzv_status mzv_cpu_dot(mzv_stream *s, mzv_poly r, const mzv_cpoly *a, const mzv_cpoly *w, uint32_t n);
mzv_status mzv_cpu_key_product(mzv_stream *s, mzv_poly r[2], const mzv_cpoly *d, const mzv_cpoly *key,
                               uint32_t n);
mzv_status mzv_cpu_fold(mzv_stream *s, mzv_poly r[2], const mzv_cpoly *d, const mzv_cpoly *const *key,
                        const uint32_t *galois, uint32_t n_digits, uint32_t n_rotations);
mzv_status mzv_cpu_key_switch(mzv_stream *s, mzv_poly r[2], mzv_cpoly d, const mzv_switch *with);
mzv_status mzv_cpu_rotation_sums(mzv_stream *s, mzv_poly *r, const mzv_rotations *of);
mzv_status mzv_cpu_matmul(mzv_stream *s, mzv_poly r, mzv_cpoly a, const mzv_matrix *w);

#ifdef __cplusplus
}
#endif
#endif
