/* Base conversion, which changes of basis and key switching share. [HPS18, 2.2], [CHKKS18b, 3.1]
 *
 * conv_{F -> t}(a) = sum over f in F of d_f (F/f) mod t, with digits d_f = [a (F/f)^-1]_f centred. Where all
 * primes go by the same vector kernels it is computed tile by tile: digits of all source rows as tiles, then
 * the rows of all targets as they are before finish_row (see mzv_cpu_kernels). */
#ifndef MZV_CPU_CONVERSION_H
#define MZV_CPU_CONVERSION_H
#include "cpu/cpu_backend.h"
#ifdef __cplusplus
extern "C" {
#endif

/* A set of primes by their index in the chain, and the rows of the view they come from. */
typedef struct mzv_cpu_primes {
    uint32_t n;
    uint32_t prime[MZV_MAX_PRIMES];
    uint32_t row[MZV_MAX_PRIMES];
} mzv_cpu_primes;

/* The row of chain prime `prime` in basis b, or -1. */
int32_t mzv_cpu_row_of(const mzv_chain *chain, mzv_basis b, uint32_t prime);
/* The primes of `all`, those of `without` left out (NULL: none). */
void mzv_cpu_collect(mzv_cpu_primes *out, const mzv_chain *chain, mzv_basis all, const mzv_basis *without);

typedef struct mzv_cpu_conversion {
    mzv_cpu_primes source, target;
    const mzv_cpu_kernels *kernels;                    /* of the tiles; NULL: row by row */
    uint64_t digit_factor[MZV_MAX_PRIMES];             /* (F/f)^-1 mod f */
    uint64_t constant[MZV_MAX_PRIMES][MZV_MAX_PRIMES]; /* [target][source]: F/f mod t; tiles: times -1/F where
                                                          the conversion is for a division */
    uint64_t product_inverse[MZV_MAX_PRIMES];          /* F^-1 mod t */
    double balanced[MZV_MAX_PRIMES][MZV_MAX_PRIMES];   /* `constant` for tiles */
    uint64_t start[MZV_MAX_PRIMES];                    /* as in mzv_cpu_target */
} mzv_cpu_conversion;

/* All else, from source and target. divides: for (a - conv) / F. */
void mzv_cpu_conversion_fill(mzv_cpu_conversion *c, const mzv_backend *backend, bool divides);

/* Words of the tiles of one source row; those of a polynomial are as many for each source, and tile k of
 * source i starts at (k n_sources + i) mzv_cpu_tile_words. */
size_t mzv_cpu_digit_words(uint32_t log_n);
/* Words of the buffer of a thread that makes tiles. */
size_t mzv_cpu_tile_buffer_words(uint32_t log_n);

/* tiles = the digits of a, whose rows are source.row. Takes buffers from scratch. */
mzv_status mzv_cpu_make_tiles(mzv_stream *s, const mzv_cpu_conversion *c, uint64_t *tiles,
                              mzv_cpoly a) MZV_MUST_CHECK;
/* The digits of source i of polynomial b from one row of values. */
void mzv_cpu_make_tile_row(const mzv_stream *s, const mzv_cpu_conversion *c, uint64_t *tiles, uint32_t b,
                           uint32_t i, const uint64_t *row, uint64_t *buffer);
/* Rows target.row of r, before finish_row. n_polys: 1 serves the whole batch of r. */
void mzv_cpu_convert_tiles(const mzv_stream *s, const mzv_cpu_conversion *c, mzv_poly r,
                           const uint64_t *tiles, uint32_t n_polys);

#ifdef __cplusplus
}
#endif
#endif
