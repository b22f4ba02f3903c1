/* Transforms on vectors: N = C x 256 words, C = 4 .. 512, in two passes over memory.
 *
 * Forward: the outer pass does the stages whose partners lie 4096 words or more apart, on tiles of up to 32
 * rows and 32 columns, by way of a buffer in the first-level cache. The inner pass does all others block by
 * block: a block of up to 4096 words fits the first-level cache, is one run of memory, and does its longer
 * stages over columns, the last eight on rows of 256. Runs of 256 bytes or more are what lets the caches
 * keep up; lines 2 KiB apart, one at a time, cost as much as the arithmetic. Between the passes a row holds
 * raw doubles. The inverse runs the other way. Stages go two or three at a time in registers. [LN16]
 *
 * Forward, nothing is reduced on the way: X grows from 1 by at most 1/2 + X p 2^-53 a stage. Inverse, sums
 * double: of every eight words the two that were added at two or three stages running are normalised,
 * which keeps X <= 1 + 8 X p 2^-53 between steps and 8 X inside them. mzv_cpu_fp64_fits has the limits. */
#ifndef MZV_CPU_SIMD_NTT_H
#define MZV_CPU_SIMD_NTT_H
#include <string.h>

#ifdef MZV_VEC_IFMA
#include "cpu/cpu_simd_words_ifma.h"
#else
#include "cpu/cpu_simd_words_fp64.h"
#endif

#define ROW 256           /* words of a row of a block */
#define TILE MZV_CPU_TILE /* columns of a tile */
#define MAX_OUTER 5       /* stages of the outer pass */
#define MIN_LOG_N 10

/* What doubles are on their way into a step, and on their way out. */
enum { RAW, WORDS_IN, INTEGERS_IN };
enum { OUT_WORDS, OUT_DIGITS };
enum { FORWARD, INVERSE };

/* log2 of the rows of a block; the outer pass has mzv_cpu_tile_bits, the rows of 256 have the other 8. */
VEC_INLINE uint32_t inner_bits(uint32_t log_n) { return log_n - 8 - mzv_cpu_tile_bits(log_n); }

VEC_INLINE void forward(vd *x, vd *y, multiplier root, const field *f) {
    const vd r = mul_by(*y, root, f);
    *y = vd_sub(*x, r);
    *x = vd_add(*x, r);
}

VEC_INLINE void inverse(vd *x, vd *y, multiplier root, const field *f) {
    const vd difference = vd_sub(*x, *y);
    *x = vd_add(*x, *y);
    *y = mul_by(difference, root, f);
}

/* Two or three stages on v; root[0] is that of the first stage, root[1 ..] those of the second, and so on:
 * a heap. */
VEC_INLINE void forward4(vd *v, const multiplier *root, const field *f) {
    for (int i = 0; i < 2; i++) forward(&v[i], &v[i + 2], root[0], f);
    for (int g = 0; g < 2; g++) forward(&v[2 * g], &v[2 * g + 1], root[1 + g], f);
}

VEC_INLINE void forward8(vd *v, const multiplier *root, const field *f) {
    for (int i = 0; i < 4; i++) forward(&v[i], &v[i + 4], root[0], f);
    for (int i = 0; i < 2; i++) forward(&v[i], &v[i + 2], root[1], f);
    for (int i = 4; i < 6; i++) forward(&v[i], &v[i + 2], root[2], f);
    for (int g = 0; g < 4; g++) forward(&v[2 * g], &v[2 * g + 1], root[3 + g], f);
}

/* The same stages backwards, with X <= 1 + 8 X p 2^-53 after them: sums of two products stay, sums of
 * more are normalised. */
VEC_INLINE void inverse4(vd *v, const multiplier *root, const field *f) {
    for (int g = 0; g < 2; g++) inverse(&v[2 * g], &v[2 * g + 1], root[1 + g], f); /* 2X */
    for (int i = 0; i < 2; i++) inverse(&v[i], &v[i + 2], root[0], f);             /* 4X */
    v[0] = normalise(v[0], f);
}

VEC_INLINE void inverse8(vd *v, const multiplier *root, const field *f) {
    for (int g = 0; g < 4; g++) inverse(&v[2 * g], &v[2 * g + 1], root[3 + g], f); /* 2X */
    for (int i = 0; i < 2; i++) inverse(&v[i], &v[i + 2], root[1], f);             /* 4X */
    for (int i = 4; i < 6; i++) inverse(&v[i], &v[i + 2], root[2], f);
    for (int i = 0; i < 4; i++) inverse(&v[i], &v[i + 4], root[0], f); /* 8X */
    v[0] = normalise(v[0], f);
    v[1] = normalise(v[1], f);
}

VEC_INLINE void run_stages(vd *v, int radix, int way, const multiplier *root, const field *f) {
    if (way == FORWARD) {
        if (radix == 8) {
            forward8(v, root, f);
        } else {
            forward4(v, root, f);
        }
    } else if (radix == 8) {
        inverse8(v, root, f);
    } else {
        inverse4(v, root, f);
    }
}

/* The heap of roots for the group whose first root is roots[at]. */
VEC_INLINE void load_roots(multiplier *root, int radix, const double *roots, size_t at, const field *f) {
    root[0] = multiplier_of(vd_set(roots[at]), f);
    for (size_t g = 0; g < 2; g++) root[1 + g] = multiplier_of(vd_set(roots[2 * at + g]), f);
    if (radix == 8)
        for (size_t g = 0; g < 4; g++) root[3 + g] = multiplier_of(vd_set(roots[4 * at + g]), f);
}

/* |v| < 2^62 = high 2^32 + low, 0 <= low < 2^32, with one product: X <= 1. */
VEC_INLINE vd from_integers(vu x, const field *f) {
    const vu flipped = vu_shift_right_32(vu_xor(x, vu_set(UINT64_C(1) << 63))); /* high + 2^31 */
    const vd high = vd_sub(vu_as_double(vu_or(flipped, vu_set(WORD_BITS))), vd_set(0x1p52 + 0x1p31));
    return vd_add(mul_mod(high, f->two_32, f), from_words(vu_and(x, vu_set(UINT32_MAX))));
}

VEC_INLINE vd take(const double *x, int in, const field *f) {
    if (in == WORDS_IN) return from_words(vd_bits(vd_load(x)));
    if (in == INTEGERS_IN) return from_integers(vd_bits(vd_load(x)), f);
    return vd_load(x);
}

/* A step of `radix` = 8 or 4: n_groups groups, each of radix x n_blocks elements. */
typedef struct step {
    int radix;
    size_t n_groups, n_blocks;
} step;

/* An element is `width` doubles, at a stride of its own in source and destination. */
typedef struct strided {
    double *x;
    size_t stride;
} strided;

/* Roots from roots[first_root] on. Everything but the addresses is known when this is compiled. */
VEC_INLINE void run_step(strided to, strided from, step st, size_t first_root, int width, int in, int way,
                         const double *roots, const field *f) {
    for (size_t g = 0; g < st.n_groups; g++) {
        multiplier root[7];
        load_roots(root, st.radix, roots, first_root + g, f);
        for (size_t b = 0; b < st.n_blocks; b++)
            for (int k = 0; k < width; k += LANES) {
                const size_t at = g * st.n_blocks * (size_t)st.radix + b;
                vd v[8];
                for (int i = 0; i < st.radix; i++)
                    v[i] = take(from.x + (at + (size_t)i * st.n_blocks) * from.stride + k, in, f);
                run_stages(v, st.radix, way, root, f);
                for (int i = 0; i < st.radix; i++)
                    vd_store(to.x + (at + (size_t)i * st.n_blocks) * to.stride + k, v[i]);
            }
    }
}

/* Asks for the lines of `n_rows` rows of a tile before they are written: they lie in short runs far apart,
 * which the hardware does not foresee, and a store that misses waits for memory (0.22 ms a row of 2^16 words
 * become 0.11 where the row is in no cache). */
VEC_INLINE void prefetch_tile(strided to, size_t n_rows) {
    for (size_t i = 0; i < n_rows; i++)
        for (size_t k = 0; k < TILE; k += MZV_CPU_LINE) __builtin_prefetch(to.x + i * to.stride + k, 1);
}

/* All stages over 2^bits rows of a tile, by way of `middle`; small radices keep the chain of dependent
 * operations short, which matters more than the loads. */
VEC_INLINE void forward_columns(strided to, strided from, strided middle, uint32_t bits, size_t first, int in,
                                const mzv_cpu_prime *prime, const field *f) {
    const double *roots = prime->fp_roots;
    if (bits == 2) {
        run_step(to, from, (step) { 4, 1, 1 }, first, TILE, in, FORWARD, roots, f);
    } else if (bits == 3) {
        run_step(to, from, (step) { 8, 1, 1 }, first, TILE, in, FORWARD, roots, f);
    } else if (bits == 4) {
        run_step(middle, from, (step) { 4, 1, 4 }, first, TILE, in, FORWARD, roots, f);
        run_step(to, middle, (step) { 4, 4, 1 }, 4 * first, TILE, RAW, FORWARD, roots, f);
    } else {
        run_step(middle, from, (step) { 8, 1, 4 }, first, TILE, in, FORWARD, roots, f);
        run_step(to, middle, (step) { 4, 8, 1 }, 8 * first, TILE, RAW, FORWARD, roots, f);
    }
}

/* What the last step of the inverse multiplies by, and what it makes of the results. */
typedef struct ending {
    multiplier scale, root; /* the factor; the factor times the root of the last stage */
    vd half;                /* (p - 1) / 2 */
    int out;
} ending;

VEC_INLINE ending ending_of(uint64_t c, int out, const mzv_cpu_prime *prime, const field *f) {
    const uint64_t p = prime->mod.p, root = residue_of(prime->fp_inverse_roots[1], p);
    const ending e = { multiplier_of(vd_set(balanced(c, p)), f),
                       multiplier_of(vd_set(balanced(mzv_mod_mul(c, root, prime->mod), p)), f),
                       vd_set((double)(p / 2)), out };
    return e;
}

/* The last two or three stages, and a factor: sums of 8 X at most become products. */
VEC_INLINE void end_stages(vd *v, int radix, const multiplier *root, const ending *e, const field *f) {
    const int half = radix / 2;
    for (int g = 0; g < half; g++) inverse(&v[2 * g], &v[2 * g + 1], root[half - 1 + g], f);
    if (radix == 8) {
        for (int i = 0; i < 2; i++) inverse(&v[i], &v[i + 2], root[1], f);
        for (int i = 4; i < 6; i++) inverse(&v[i], &v[i + 2], root[2], f);
    }
    for (int i = 0; i < half; i++) {
        const vd sum = vd_add(v[i], v[i + half]), difference = vd_sub(v[i], v[i + half]);
        v[i] = mul_by(sum, e->scale, f);
        v[i + half] = mul_by(difference, e->root, f);
    }
}

/* The last step, over all rows: to canonical words, or to digits. */
VEC_INLINE void end_step(strided to, strided from, int radix, size_t n_blocks, const ending *e,
                         const double *roots, const field *f) {
    multiplier root[7];
    load_roots(root, radix, roots, 1, f);
    for (size_t b = 0; b < n_blocks; b++)
        for (int k = 0; k < TILE; k += LANES) {
            vd v[8];
            for (int i = 0; i < radix; i++)
                v[i] = vd_load(from.x + (b + (size_t)i * n_blocks) * from.stride + k);
            end_stages(v, radix, root, e, f);
            for (int i = 0; i < radix; i++) {
                double *at = to.x + (b + (size_t)i * n_blocks) * to.stride + k;
                if (e->out == OUT_WORDS) {
                    vu_store((uint64_t *)at, to_words(v[i], f));
                } else {
                    vd_store(at, to_digit(v[i], e->half, f));
                }
            }
        }
}

/* Backwards; with `e`, these are the last stages of all. */
VEC_INLINE void inverse_columns(strided to, strided from, strided middle, uint32_t bits, size_t first,
                                const ending *e, const mzv_cpu_prime *prime, const field *f) {
    const double *roots = prime->fp_inverse_roots;
    const strided last = bits < 4 ? from : middle;
    if (bits == 4) run_step(middle, from, (step) { 4, 4, 1 }, 4 * first, TILE, RAW, INVERSE, roots, f);
    if (bits == 5) run_step(middle, from, (step) { 4, 8, 1 }, 8 * first, TILE, RAW, INVERSE, roots, f);
    if (bits % 2 == 0) {
        const size_t n_blocks = bits == 2 ? 1 : 4;
        if (e != NULL) {
            end_step(to, last, 4, n_blocks, e, roots, f);
        } else {
            run_step(to, last, (step) { 4, 1, n_blocks }, first, TILE, RAW, INVERSE, roots, f);
        }
    } else {
        const size_t n_blocks = bits == 3 ? 1 : 4;
        if (e != NULL) {
            end_step(to, last, 8, n_blocks, e, roots, f);
        } else {
            run_step(to, last, (step) { 8, 1, n_blocks }, first, TILE, RAW, INVERSE, roots, f);
        }
    }
}

/* Stages over whole vectors of a row of 256, roots from `first`: lengths 128 to LANES. */
VEC_INLINE void forward_row_steps(double *x, size_t first, const double *roots, const field *f) {
    const strided at = { x, LANES };
    run_step(at, at, (step) { 4, 1, 64 / LANES }, first, LANES, RAW, FORWARD, roots, f);
    if (LANES == 4) {
        run_step(at, at, (step) { 4, 4, 4 }, 4 * first, LANES, RAW, FORWARD, roots, f);
        run_step(at, at, (step) { 4, 16, 1 }, 16 * first, LANES, RAW, FORWARD, roots, f);
    } else {
        run_step(at, at, (step) { 8, 4, 1 }, 4 * first, LANES, RAW, FORWARD, roots, f);
    }
}

VEC_INLINE void inverse_row_steps(double *x, size_t first, const double *roots, const field *f) {
    const strided at = { x, LANES };
    if (LANES == 4) {
        run_step(at, at, (step) { 4, 16, 1 }, 16 * first, LANES, RAW, INVERSE, roots, f);
        run_step(at, at, (step) { 4, 4, 4 }, 4 * first, LANES, RAW, INVERSE, roots, f);
    } else {
        run_step(at, at, (step) { 8, 4, 1 }, 4 * first, LANES, RAW, INVERSE, roots, f);
    }
    run_step(at, at, (step) { 4, 1, 64 / LANES }, first, LANES, RAW, INVERSE, roots, f);
}

/* The stages of lengths below LANES, one loop for each, between pairs of vectors: exchanging lanes puts
 * the partners of a stage into the same lane of two vectors. `at`: where the row of 256 starts in the
 * polynomial; roots of length k: those from (N + at) / 2k. */
VEC_INLINE void forward_tail(double *x, size_t at, int k, const mzv_cpu_prime *prime, const field *f) {
    const double *roots = prime->fp_roots + ((((size_t)1 << prime->log_n) + at) >> 1) / (size_t)k;
    for (size_t i = 0; i < ROW; i += 2 * LANES) {
        vd u = vd_load(x + i), v = vd_load(x + i + LANES);
        vd_exchange(k, &u, &v);
        forward(&u, &v, multiplier_of(vd_load_repeated(k, roots + i / (2 * (size_t)k)), f), f);
        if (k == 1)
            for (int j = 1; j < LANES; j *= 2) vd_exchange(j, &u, &v);
        vd_store(x + i, u);
        vd_store(x + i + LANES, v);
    }
}

/* Backwards; the first, k = 1, reads words. X is doubled each time; the last normalises. */
VEC_INLINE void inverse_tail(double *x, const double *from, size_t at, int k, const mzv_cpu_prime *prime,
                             const field *f) {
    const int in = k == 1 ? WORDS_IN : RAW;
    const double *roots = prime->fp_inverse_roots + ((((size_t)1 << prime->log_n) + at) >> 1) / (size_t)k;
    for (size_t i = 0; i < ROW; i += 2 * LANES) {
        vd u = take(from + i, in, f), v = take(from + i + LANES, in, f);
        if (k == 1)
            for (int j = LANES / 2; j >= 1; j /= 2) vd_exchange(j, &u, &v);
        inverse(&u, &v, multiplier_of(vd_load_repeated(k, roots + i / (2 * (size_t)k)), f), f);
        if (k == LANES / 2) u = normalise(u, f);
        vd_exchange(k, &u, &v);
        vd_store(x + i, u);
        vd_store(x + i + LANES, v);
    }
}

/* Raw doubles to canonical words, of x + a c if `a` is not NULL. */
VEC_INLINE void write_row(uint64_t *row, const uint64_t *a, multiplier c, const field *f) {
    for (size_t k = 0; k < ROW; k += LANES) {
        const vd x = vd_load((const double *)row + k);
        const vd sum = a == NULL ? x : vd_add(x, mul_by(load_words(a + k), c, f));
        vu_store(row + k, to_words_lazy(sum, f));
    }
}

/* Asks for n doubles ahead of their use. */
VEC_INLINE void prefetch(const void *x, size_t n) {
    for (size_t i = 0; i < n; i += MZV_CPU_LINE) __builtin_prefetch((const double *)x + i);
}

/* The last eight stages on the row of 256 that starts at word `at`. */
VEC_INLINE void forward_row(uint64_t *row, const uint64_t *a, multiplier c, size_t at,
                            const mzv_cpu_prime *prime, const field *f) {
    double *x = (double *)row;
    forward_row_steps(x, (((size_t)1 << prime->log_n) + at) / ROW, prime->fp_roots, f);
    if (LANES == 8) forward_tail(x, at, 4, prime, f);
    forward_tail(x, at, 2, prime, f);
    forward_tail(x, at, 1, prime, f);
    write_row(row, a, c, f);
}

/* The inner pass: to canonical words, or to canonical words of x + a c if `a` is not NULL. */
VEC_INLINE void forward_inner(uint64_t *row, const double *from, const uint64_t *a, uint64_t c, int in,
                              const mzv_cpu_prime *prime) {
    const field f = field_of(prime);
    const uint32_t bits = inner_bits(prime->log_n);
    const size_t n = (size_t)1 << prime->log_n, block = (size_t)ROW << bits;
    const multiplier by = multiplier_of(vd_set(balanced(c, prime->mod.p)), &f);
    for (size_t first = 0; first < n; first += block) {
        for (size_t column = 0; column < ROW; column += TILE) {
            const strided to = { (double *)row + first + column, ROW };
            const strided source = { (double *)(uintptr_t)from + first + column, ROW };
            forward_columns(to, source, to, bits, (n + first) / block, in, prime, &f);
        }
        for (size_t i = first; i < first + block; i += ROW) {
            prefetch(row + i + block, ROW); /* of the next block */
            if (a == NULL) {
                forward_row(row + i, NULL, by, i, prime, &f);
            } else {
                forward_row(row + i, a + i, by, i, prime, &f);
            }
        }
    }
}

/* The outer pass on one tile of 32 columns. */
VEC_INLINE void forward_outer(uint64_t *row, strided from, size_t column, int in, const mzv_cpu_prime *prime,
                              const field *f) {
    _Alignas(64) double buffer[TILE << MAX_OUTER];
    const uint32_t bits = mzv_cpu_tile_bits(prime->log_n);
    const strided to = { (double *)row + column, (size_t)1 << prime->log_n >> bits };
    forward_columns(to, from, (strided) { buffer, TILE }, bits, 1, in, prime, f);
}

VEC_INLINE void forward_all(uint64_t *row, const double *from, int in, const mzv_cpu_prime *prime) {
    const field f = field_of(prime);
    const uint32_t bits = mzv_cpu_tile_bits(prime->log_n);
    const size_t n_columns = (size_t)1 << prime->log_n >> bits;
    if (bits == 0) {
        forward_inner(row, from, NULL, 0, in, prime);
        return;
    }
    for (size_t column = 0; column < n_columns; column += TILE) {
        const strided source = { (double *)(uintptr_t)from + column, n_columns };
        forward_outer(row, source, column, in, prime, &f);
    }
    forward_inner(row, (double *)row, NULL, 0, RAW, prime);
}

static void finish_row(uint64_t *r, const uint64_t *from, const uint64_t *a, uint64_t c,
                       const mzv_cpu_prime *prime) {
    forward_inner(r, (const double *)from, a, c, RAW, prime);
}

static void ntt(uint64_t *row, const mzv_cpu_prime *prime) {
    forward_all(row, (double *)row, WORDS_IN, prime);
}

static void lift(uint64_t *r, const int64_t *v, const mzv_cpu_prime *prime) {
    forward_all(r, (const double *)v, INTEGERS_IN, prime);
}

/* Where the words of a polynomial go: word w of block b is at x + b block_stride + w / 32 tile_stride +
 * w % 32. */
typedef struct layout {
    double *x;
    size_t block_stride, tile_stride;
} layout;

/* The first eight stages of the inverse on the row of 256 that starts at word `at`: canonical words to raw
 * doubles. */
VEC_INLINE void inverse_row(double *x, const uint64_t *from, size_t at, const mzv_cpu_prime *prime,
                            const field *f) {
    inverse_tail(x, (const double *)from, at, 1, prime, f);
    inverse_tail(x, x, at, 2, prime, f);
    if (LANES == 8) inverse_tail(x, x, at, 4, prime, f);
    inverse_row_steps(x, (((size_t)1 << prime->log_n) + at) / ROW, prime->fp_inverse_roots, f);
}

/* The inner pass backwards. */
VEC_INLINE void inverse_inner(layout to, const uint64_t *from, const ending *e, const mzv_cpu_prime *prime,
                              const field *f) {
    _Alignas(64) double buffer[ROW << 4];
    const uint32_t bits = inner_bits(prime->log_n);
    const size_t n = (size_t)1 << prime->log_n, block = (size_t)ROW << bits;
    for (size_t first = 0, b = 0; first < n; first += block, b++) {
        for (size_t i = 0; i < block; i += ROW) {
            prefetch(from + first + i + ROW, ROW);
            inverse_row(buffer + i, from + first + i, first + i, prime, f);
        }
        for (size_t column = 0; column < ROW; column += TILE) {
            const strided source = { buffer + column, ROW };
            const strided target = { to.x + b * to.block_stride + column / TILE * to.tile_stride,
                                     ROW / TILE * to.tile_stride };
            inverse_columns(target, source, source, bits, (n + first) / block, e, prime, f);
        }
    }
}

/* row = INTT(row), in canonical words. */
static void intt(uint64_t *row, const mzv_cpu_prime *prime) {
    _Alignas(64) double buffer[TILE << MAX_OUTER];
    const field f = field_of(prime);
    const uint32_t bits = mzv_cpu_tile_bits(prime->log_n);
    const size_t n_columns = (size_t)1 << prime->log_n >> bits;
    const ending e = ending_of(prime->n_inverse, OUT_WORDS, prime, &f);
    const layout natural = { (double *)row, n_columns, TILE };
    if (bits == 0) {
        inverse_inner(natural, row, &e, prime, &f);
        return;
    }
    inverse_inner(natural, row, NULL, prime, &f);
    for (size_t column = 0; column < n_columns; column += TILE) {
        const strided tile = { (double *)row + column, n_columns };
        inverse_columns(tile, tile, (strided) { buffer, TILE }, bits, 1, &e, prime, &f);
    }
}

/* Tiles of the digits [INTT(a) c]. */
static void digit_tiles(uint64_t *digit, size_t tile_stride, const uint64_t *a, uint64_t c, uint64_t *buffer,
                        const mzv_cpu_prime *prime) {
    double *to = (double *)digit;
    const field f = field_of(prime);
    const uint32_t bits = mzv_cpu_tile_bits(prime->log_n);
    const size_t n_columns = (size_t)1 << prime->log_n >> bits, pitch = n_columns + MZV_CPU_LINE;
    const ending e = ending_of(mzv_mod_mul(c, prime->n_inverse, prime->mod), OUT_DIGITS, prime, &f);
    if (bits == 0) {
        inverse_inner((layout) { to, TILE, tile_stride }, a, &e, prime, &f);
        return;
    }
    inverse_inner((layout) { (double *)buffer, pitch, TILE }, a, NULL, prime, &f);
    for (size_t column = 0; column < n_columns; column += TILE) {
        const strided tile = { to + column / TILE * tile_stride, TILE };
        const strided next = { tile.x + (column + 2 * TILE < n_columns ? 2 * tile_stride : 0), TILE };
        prefetch_tile(next, (size_t)1 << bits);
        inverse_columns(tile, (strided) { (double *)buffer + column, pitch }, tile, bits, 1, &e, prime, &f);
    }
}

#endif
