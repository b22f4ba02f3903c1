/* Transforms on vectors: N = C x 256 words, C = 4 .. 512, in two passes over memory.
 *
 * Forward: the column pass takes strips of 8 columns (a cache line wide, C rows) through a buffer in the
 * first-level cache and does the first log2(C) stages; the row pass does the last eight, 256 words at a
 * time. Between the passes a row holds raw doubles. The inverse runs the other way. Stages go two or
 * three at a time in registers. [LN16]
 *
 * Forward, nothing is reduced on the way: X grows from 1 by at most 1/2 + X p 2^-53 a stage. Inverse, sums
 * double: of every eight words the two that were added at two or three stages running are normalised,
 * which keeps X <= 1 + 8 X p 2^-53 between steps and 8 X inside them. mzv_cpu_fp64_fits has the limits. */
#ifndef MZV_CPU_SIMD_NTT_H
#define MZV_CPU_SIMD_NTT_H
#include <string.h>

#include "cpu/cpu_simd_arith.h"

#define ROW 256        /* words of a row pass */
#define STRIP 8        /* columns of a strip */
#define MAX_COLUMN 512 /* rows of a strip */
#define MIN_LOG_N 10
#define MAX_STEPS 4

/* What to do with doubles on their way in or out of a step. */
enum { RAW, WORDS_IN };
enum { OUT_WORDS, OUT_CENTRED };
enum { FORWARD, INVERSE };

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

VEC_INLINE vd take(const double *x, int in) {
    return in == WORDS_IN ? from_words(vd_bits(vd_load(x))) : vd_load(x);
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
                    v[i] = take(from.x + (at + (size_t)i * st.n_blocks) * from.stride + k, in);
                run_stages(v, st.radix, way, root, f);
                for (int i = 0; i < st.radix; i++)
                    vd_store(to.x + (at + (size_t)i * st.n_blocks) * to.stride + k, v[i]);
            }
    }
}

/* log2 of the radices of a column pass, first stages first: twos, after a three if the number is odd.
 * Small radices keep the chain of dependent operations short, which matters more than the loads. */
static int column_steps(int radix_bits[MAX_STEPS], uint32_t log_rows) {
    int n = 0;
    for (uint32_t left = log_rows; left > 0; left -= (uint32_t)radix_bits[n++])
        radix_bits[n] = left % 2 == 0 ? 2 : 3;
    return n;
}

/* Step k of a column pass, after `done` stages. */
VEC_INLINE void column_step(strided to, strided from, int bits, uint32_t done, uint32_t log_rows, int way,
                            const mzv_cpu_prime *prime, const field *f) {
    const size_t n_groups = (size_t)1 << done, n_blocks = (size_t)1 << (log_rows - done - (uint32_t)bits);
    const double *roots = way == FORWARD ? prime->fp_roots : prime->fp_inverse_roots;
    if (bits == 2) {
        run_step(to, from, (step) { 4, n_groups, n_blocks }, n_groups, STRIP, RAW, way, roots, f);
    } else {
        run_step(to, from, (step) { 8, n_groups, n_blocks }, n_groups, STRIP, RAW, way, roots, f);
    }
}

/* The first step, from words. */
VEC_INLINE void column_step_words(strided to, strided from, int bits, uint32_t log_rows,
                                  const mzv_cpu_prime *prime, const field *f) {
    const size_t n_blocks = (size_t)1 << (log_rows - (uint32_t)bits);
    if (bits == 2) {
        run_step(to, from, (step) { 4, 1, n_blocks }, 1, STRIP, WORDS_IN, FORWARD, prime->fp_roots, f);
    } else {
        run_step(to, from, (step) { 8, 1, n_blocks }, 1, STRIP, WORDS_IN, FORWARD, prime->fp_roots, f);
    }
}

/* The column pass of one strip. `from`: C rows, words or doubles; `to`: C rows, doubles; they may be the
 * same. `buffer`: C x 8 doubles; may be `from`. */
static void forward_strip(strided to, strided from, double *buffer, int in, const mzv_cpu_prime *prime) {
    const field f = field_of(prime);
    const uint32_t log_rows = prime->log_n - 8;
    const strided middle = { buffer, STRIP };
    int bits[MAX_STEPS];
    const int n_steps = column_steps(bits, log_rows);
    uint32_t done = 0;
    for (int k = 0; k < n_steps; done += (uint32_t)bits[k++]) {
        const strided s = k == 0 ? from : middle, d = k == n_steps - 1 ? to : middle;
        if (k == 0 && in == WORDS_IN) {
            column_step_words(d, s, bits[k], log_rows, prime, &f);
        } else {
            column_step(d, s, bits[k], done, log_rows, FORWARD, prime, &f);
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
VEC_INLINE void inverse_tail(double *x, size_t at, int k, int in, const mzv_cpu_prime *prime,
                             const field *f) {
    const double *roots = prime->fp_inverse_roots + ((((size_t)1 << prime->log_n) + at) >> 1) / (size_t)k;
    for (size_t i = 0; i < ROW; i += 2 * LANES) {
        vd u = take(x + i, in), v = take(x + i + LANES, in);
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

/* The row pass: raw doubles to canonical words, or to canonical words of x + a c if `a` is not NULL. */
static void forward_rows(uint64_t *row, const uint64_t *a, uint64_t c, const mzv_cpu_prime *prime) {
    const field f = field_of(prime);
    const size_t n = (size_t)1 << prime->log_n;
    const multiplier by = multiplier_of(vd_set(balanced(c, prime->mod.p)), &f);
    for (size_t first = 0; first < n; first += ROW) {
        double *x = (double *)row + first;
        forward_row_steps(x, (n + first) / ROW, prime->fp_roots, &f);
        if (LANES == 8) forward_tail(x, first, 4, prime, &f);
        forward_tail(x, first, 2, prime, &f);
        forward_tail(x, first, 1, prime, &f);
        if (a == NULL) {
            write_row(row + first, NULL, by, &f);
        } else {
            write_row(row + first, a + first, by, &f);
        }
    }
}

/* Canonical words to raw doubles, X <= 1 + 8 X p 2^-53. */
static void inverse_rows(double *to, const uint64_t *from, const mzv_cpu_prime *prime) {
    const field f = field_of(prime);
    const size_t n = (size_t)1 << prime->log_n;
    for (size_t first = 0; first < n; first += ROW) {
        double *x = to + first;
        if (x != (const double *)from + first) memcpy(x, from + first, ROW * sizeof *x);
        inverse_tail(x, first, 1, WORDS_IN, prime, &f);
        inverse_tail(x, first, 2, RAW, prime, &f);
        if (LANES == 8) inverse_tail(x, first, 4, RAW, prime, &f);
        inverse_row_steps(x, (n + first) / ROW, prime->fp_inverse_roots, &f);
    }
}

/* The column pass of one strip in place, times `factor`, to canonical or centred words. */
static void inverse_strip(uint64_t *words, double *buffer, double scale, int out,
                          const mzv_cpu_prime *prime) {
    const field f = field_of(prime);
    const uint32_t log_rows = prime->log_n - 8;
    const vd half = vd_set((double)(prime->mod.p / 2));
    const multiplier by = multiplier_of(vd_set(scale), &f);
    const strided memory = { (double *)words, ROW }, middle = { buffer, STRIP };
    int bits[MAX_STEPS];
    const int n_steps = column_steps(bits, log_rows);
    uint32_t left = log_rows;
    for (int k = n_steps - 1; k >= 0; k--) {
        left -= (uint32_t)bits[k];
        column_step(middle, k == n_steps - 1 ? memory : middle, bits[k], left, log_rows, INVERSE, prime, &f);
    }
    for (size_t i = 0; i < (size_t)1 << log_rows; i++)
        for (size_t j = 0; j < STRIP; j += LANES) {
            const vd x = mul_by(vd_load(buffer + i * STRIP + j), by, &f);
            vu_store(words + i * ROW + j, out == OUT_WORDS ? to_words(x, &f) : to_centred(x, half, &f));
        }
}

static void ntt(uint64_t *row, const mzv_cpu_prime *prime) {
    _Alignas(64) double buffer[MAX_COLUMN * STRIP];
    for (size_t column = 0; column < ROW; column += STRIP) {
        const strided memory = { (double *)row + column, ROW };
        forward_strip(memory, memory, buffer, WORDS_IN, prime);
    }
    forward_rows(row, NULL, 0, prime);
}

/* row = N INTT(from) c, canonical or centred. */
static void inverse_all(uint64_t *row, const uint64_t *from, uint64_t c, int out,
                        const mzv_cpu_prime *prime) {
    _Alignas(64) double buffer[MAX_COLUMN * STRIP];
    const double scale = balanced(c, prime->mod.p);
    inverse_rows((double *)row, from, prime);
    for (size_t column = 0; column < ROW; column += STRIP)
        inverse_strip(row + column, buffer, scale, out, prime);
}

static void intt(uint64_t *row, const mzv_cpu_prime *prime) {
    inverse_all(row, row, prime->n_inverse, OUT_WORDS, prime);
}

static void intt_digit(int64_t *digit, const uint64_t *a, uint64_t c, const mzv_cpu_prime *prime) {
    inverse_all((uint64_t *)digit, a, mzv_mod_mul(c, prime->n_inverse, prime->mod), OUT_CENTRED, prime);
}

/* |v| < 2^62 = high 2^32 + low, 0 <= low < 2^32, with one product. */
static void lift(uint64_t *r, const int64_t *v, const mzv_cpu_prime *prime) {
    const field f = field_of(prime);
    const vd factor = vd_set(balanced(mzv_mod_reduce(UINT64_C(1) << 32, prime->mod), prime->mod.p));
    const vd offset = vd_set(0x1p52 + 0x1p31);
    for (size_t k = 0; k < (size_t)1 << prime->log_n; k += LANES) {
        const vu x = vu_load((const uint64_t *)v + k);
        const vu flipped = vu_shift_right_32(vu_xor(x, vu_set(UINT64_C(1) << 63))); /* high + 2^31 */
        const vd high = vd_sub(vu_as_double(vu_or(flipped, vu_set(WORD_BITS))), offset);
        const vd low = from_words(vu_and(x, vu_set(UINT32_MAX)));
        vu_store(r + k, to_words_lazy(vd_add(mul_mod(high, factor, &f), low), &f));
    }
    ntt(r, prime);
}

#endif
