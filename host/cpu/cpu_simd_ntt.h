/* Transforms on vectors: N = C x 256 words, C = 4 .. 512, in two passes over memory.
 *
 * Forward: the column pass takes strips of 8 columns (a cache line wide, C rows) through a buffer in the
 * first-level cache and does the first log2(C) stages; the row pass does the last eight, 256 words at a
 * time. Between the passes a row holds raw doubles. The inverse runs the other way. Stages go three or two
 * at a time in registers. [LN16]
 *
 * Forward, nothing is reduced on the way: X grows from 1 by at most 1/2 + X p 2^-53 a stage. Inverse, sums
 * double: of every eight words the two that were added at two or three stages running are normalised,
 * which keeps X <= 1 + 8 X p 2^-53 between steps and 8 X inside them. mzv_cpu_fp64_fits has the limits. */
#ifndef MZV_CPU_SIMD_NTT_H
#define MZV_CPU_SIMD_NTT_H
#include "cpu/cpu_simd_arith.h"

#define ROW 256        /* words of a row pass */
#define STRIP 8        /* columns of a strip */
#define MAX_COLUMN 512 /* rows of a strip */
#define MIN_LOG_N 10
#define MAX_STEPS 4

/* What to do with doubles on their way in or out of a step. */
enum { RAW, WORDS_IN };
enum { OUT_WORDS, OUT_CENTRED };

VEC_INLINE void forward(vd *x, vd *y, double root, const field *f) {
    const vd r = mul_mod(*y, vd_set(root), f);
    *y = vd_sub(*x, r);
    *x = vd_add(*x, r);
}

VEC_INLINE void inverse(vd *x, vd *y, double root, const field *f) {
    const vd difference = vd_sub(*x, *y);
    *x = vd_add(*x, *y);
    *y = mul_mod(difference, vd_set(root), f);
}

/* Three stages on v[0..7]; r: the root of the first stage at this group, its place in the table is `at`:
 * the next stages read roots[2 at ..] and roots[4 at ..]. */
VEC_INLINE void forward8(vd v[8], const double *roots, size_t at, const field *f) {
    for (int i = 0; i < 4; i++) forward(&v[i], &v[i + 4], roots[at], f);
    for (int i = 0; i < 2; i++) forward(&v[i], &v[i + 2], roots[2 * at], f);
    for (int i = 4; i < 6; i++) forward(&v[i], &v[i + 2], roots[2 * at + 1], f);
    for (int i = 0; i < 4; i++) forward(&v[2 * i], &v[2 * i + 1], roots[4 * at + i], f);
}

VEC_INLINE void forward4(vd v[4], const double *roots, size_t at, const field *f) {
    for (int i = 0; i < 2; i++) forward(&v[i], &v[i + 2], roots[at], f);
    for (int i = 0; i < 2; i++) forward(&v[2 * i], &v[2 * i + 1], roots[2 * at + i], f);
}

/* The same stages backwards, with X <= 1 + 8 X p 2^-53 after them. */
VEC_INLINE void inverse8(vd v[8], const double *roots, size_t at, const field *f) {
    for (int i = 0; i < 4; i++) inverse(&v[2 * i], &v[2 * i + 1], roots[4 * at + i], f); /* 2X */
    for (int i = 0; i < 2; i++) inverse(&v[i], &v[i + 2], roots[2 * at], f);             /* 4X */
    for (int i = 4; i < 6; i++) inverse(&v[i], &v[i + 2], roots[2 * at + 1], f);
    for (int i = 0; i < 4; i++) inverse(&v[i], &v[i + 4], roots[at], f); /* 8X */
    v[0] = normalise(v[0], f);
    v[1] = normalise(v[1], f);
}

VEC_INLINE void inverse4(vd v[4], const double *roots, size_t at, const field *f) {
    for (int i = 0; i < 2; i++) inverse(&v[2 * i], &v[2 * i + 1], roots[2 * at + i], f); /* 2X */
    for (int i = 0; i < 2; i++) inverse(&v[i], &v[i + 2], roots[at], f);                 /* 4X */
    v[0] = normalise(v[0], f);
}

VEC_INLINE vd take(const double *x, int in) {
    return in == WORDS_IN ? from_words(vd_bits(vd_load(x))) : vd_load(x);
}

/* A step of `radix` = 8 or 4: n_groups groups, each of radix x n_blocks elements; an element is `width`
 * doubles at a stride of its own in source and destination. */
typedef struct step {
    int radix;
    size_t n_groups, n_blocks;
} step;

typedef struct strided {
    double *x;
    size_t stride;
} strided;

VEC_INLINE void forward_step(strided to, strided from, step st, size_t first_root, int width, int in,
                             const double *roots, const field *f) {
    for (size_t g = 0; g < st.n_groups; g++)
        for (size_t b = 0; b < st.n_blocks; b++)
            for (int k = 0; k < width; k += LANES) {
                const size_t at = g * st.n_blocks * st.radix + b;
                vd v[8];
                for (int i = 0; i < st.radix; i++)
                    v[i] = take(from.x + (at + i * st.n_blocks) * from.stride + k, in);
                if (st.radix == 8) {
                    forward8(v, roots, first_root + g, f);
                } else {
                    forward4(v, roots, first_root + g, f);
                }
                for (int i = 0; i < st.radix; i++)
                    vd_store(to.x + (at + i * st.n_blocks) * to.stride + k, v[i]);
            }
}

VEC_INLINE void inverse_step(strided to, strided from, step st, size_t first_root, int width,
                             const double *roots, const field *f) {
    for (size_t g = 0; g < st.n_groups; g++)
        for (size_t b = 0; b < st.n_blocks; b++)
            for (int k = 0; k < width; k += LANES) {
                const size_t at = g * st.n_blocks * st.radix + b;
                vd v[8];
                for (int i = 0; i < st.radix; i++)
                    v[i] = vd_load(from.x + (at + i * st.n_blocks) * from.stride + k);
                if (st.radix == 8) {
                    inverse8(v, roots, first_root + g, f);
                } else {
                    inverse4(v, roots, first_root + g, f);
                }
                for (int i = 0; i < st.radix; i++)
                    vd_store(to.x + (at + i * st.n_blocks) * to.stride + k, v[i]);
            }
}

/* log2 of the radices of a column pass, first stages first: threes, then one or two twos. */
static int column_steps(int radix_bits[MAX_STEPS], uint32_t log_rows) {
    int n = 0;
    for (uint32_t left = log_rows; left > 0; left -= (uint32_t)radix_bits[n++])
        radix_bits[n] = left == 2 || left == 4 ? 2 : 3;
    return n;
}

/* The column pass of one strip. `from`: C rows, words or doubles; `to`: C rows, doubles; they may be the
 * same. `buffer`: C x 8 doubles; may be `from`. */
static void forward_strip(strided to, strided from, double *buffer, int in, const mzv_cpu_prime *prime) {
    const field f = field_of(prime);
    const double *roots = prime->fp_roots;
    const uint32_t log_rows = prime->log_n - 8;
    int radix_bits[MAX_STEPS];
    const int n_steps = column_steps(radix_bits, log_rows);
    const strided middle = { buffer, STRIP };
    for (int k = 0, done = 0; k < n_steps; done += radix_bits[k++]) {
        const size_t n_groups = (size_t)1 << done;
        const step st = { 1 << radix_bits[k], n_groups, (size_t)1 << (log_rows - (uint32_t)(done + radix_bits[k])) };
        const strided s = k == 0 ? from : middle, d = k == n_steps - 1 ? to : middle;
        if (st.radix == 4) {
            if (k == 0 && in == WORDS_IN) {
                forward_step(d, s, (step){ 4, 1, st.n_blocks }, 1, STRIP, WORDS_IN, roots, &f);
            } else {
                forward_step(d, s, (step){ 4, n_groups, st.n_blocks }, n_groups, STRIP, RAW, roots, &f);
            }
        } else if (k == 0 && in == WORDS_IN) {
            forward_step(d, s, (step){ 8, 1, st.n_blocks }, 1, STRIP, WORDS_IN, roots, &f);
        } else {
            forward_step(d, s, (step){ 8, n_groups, st.n_blocks }, n_groups, STRIP, RAW, roots, &f);
        }
    }
}

/* The last log2(2 LANES) - 1 stages of 2 LANES neighbouring words, within two vectors. `at`: offset of
 * the first of them in the row. */
VEC_INLINE void forward_tail(vd *x, vd *y, const mzv_cpu_prime *prime, size_t at, const field *f) {
    const size_t n = (size_t)1 << prime->log_n;
    for (int k = LANES / 2; k >= 1; k /= 2) {
        const vd root = vd_load_repeated(k, prime->fp_roots + (n + at) / (2 * (size_t)k));
        vd_exchange(k, x, y);
        const vd r = mul_mod(*y, root, f);
        *y = vd_sub(*x, r);
        *x = vd_add(*x, r);
    }
    for (int k = 1; k <= LANES / 2; k *= 2) vd_exchange(k, x, y);
}

VEC_INLINE void inverse_tail(vd *x, vd *y, const mzv_cpu_prime *prime, size_t at, const field *f) {
    const size_t n = (size_t)1 << prime->log_n;
    for (int k = LANES / 2; k >= 1; k /= 2) vd_exchange(k, x, y);
    for (int k = 1; k <= LANES / 2; k *= 2) {
        const vd root = vd_load_repeated(k, prime->fp_inverse_roots + (n + at) / (2 * (size_t)k));
        const vd difference = vd_sub(*x, *y);
        *x = vd_add(*x, *y);
        *y = mul_mod(difference, root, f);
        if (k == LANES / 2) *x = normalise(*x, f); /* 2 LANES / 2 X at most 8 */
        vd_exchange(k, x, y);
    }
}

/* Stages over whole vectors of a row of 256, roots from `first`. */
VEC_INLINE void forward_row_steps(double *x, size_t first, const double *roots, const field *f) {
    const strided at = { x, LANES };
    if (LANES == 4) {
        forward_step(at, at, (step){ 8, 1, 8 }, first, LANES, RAW, roots, f);
        forward_step(at, at, (step){ 8, 8, 1 }, 8 * first, LANES, RAW, roots, f);
    } else {
        forward_step(at, at, (step){ 8, 1, 4 }, first, LANES, RAW, roots, f);
        forward_step(at, at, (step){ 4, 8, 1 }, 8 * first, LANES, RAW, roots, f);
    }
}

VEC_INLINE void inverse_row_steps(double *x, size_t first, const double *roots, const field *f) {
    const strided at = { x, LANES };
    if (LANES == 4) {
        inverse_step(at, at, (step){ 8, 8, 1 }, 8 * first, LANES, roots, f);
        inverse_step(at, at, (step){ 8, 1, 8 }, first, LANES, roots, f);
    } else {
        inverse_step(at, at, (step){ 4, 8, 1 }, 8 * first, LANES, roots, f);
        inverse_step(at, at, (step){ 8, 1, 4 }, first, LANES, roots, f);
    }
}

/* The row pass: raw doubles to canonical words, or to canonical words of x + a c if `a` is not NULL. */
static void forward_rows(uint64_t *row, const uint64_t *a, uint64_t c, const mzv_cpu_prime *prime) {
    const field f = field_of(prime);
    const size_t n = (size_t)1 << prime->log_n;
    const vd factor = vd_set(balanced(c, prime->mod.p));
    for (size_t first = 0; first < n; first += ROW) {
        double *x = (double *)row + first;
        forward_row_steps(x, (n + first) / ROW, prime->fp_roots, &f);
        for (size_t k = 0; k < ROW; k += 2 * LANES) {
            vd u = vd_load(x + k), v = vd_load(x + k + LANES);
            forward_tail(&u, &v, prime, first + k, &f);
            if (a != NULL) {
                u = vd_add(u, mul_mod(load_words(a + first + k), factor, &f));
                v = vd_add(v, mul_mod(load_words(a + first + k + LANES), factor, &f));
            }
            vu_store(row + first + k, to_words_lazy(u, &f));
            vu_store(row + first + k + LANES, to_words_lazy(v, &f));
        }
    }
}

/* Canonical words to raw doubles, X <= 1 + 8 X p 2^-53. */
static void inverse_rows(double *to, const uint64_t *from, const mzv_cpu_prime *prime) {
    const field f = field_of(prime);
    const size_t n = (size_t)1 << prime->log_n;
    for (size_t first = 0; first < n; first += ROW) {
        double *x = to + first;
        for (size_t k = 0; k < ROW; k += 2 * LANES) {
            vd u = load_words(from + first + k), v = load_words(from + first + k + LANES);
            inverse_tail(&u, &v, prime, first + k, &f);
            vd_store(x + k, u);
            vd_store(x + k + LANES, v);
        }
        inverse_row_steps(x, (n + first) / ROW, prime->fp_inverse_roots, &f);
    }
}

/* The column pass of one strip in place, times `factor`, to canonical or centred words. */
static void inverse_strip(uint64_t *words, double *buffer, double factor, int out,
                          const mzv_cpu_prime *prime) {
    const field f = field_of(prime);
    const uint32_t log_rows = prime->log_n - 8;
    const size_t n_rows = (size_t)1 << log_rows;
    const vd scale = vd_set(factor), half = vd_set((double)(prime->mod.p / 2));
    int radix_bits[MAX_STEPS];
    int k = column_steps(radix_bits, log_rows);
    const strided memory = { (double *)words, ROW }, middle = { buffer, STRIP };
    strided from = memory;
    for (uint32_t left = log_rows; k-- > 0; from = middle) {
        left -= (uint32_t)radix_bits[k];
        const size_t n_groups = (size_t)1 << left;
        const size_t n_blocks = n_rows >> left >> radix_bits[k];
        if (radix_bits[k] == 3) {
            inverse_step(middle, from, (step){ 8, n_groups, n_blocks }, n_groups, STRIP,
                         prime->fp_inverse_roots, &f);
        } else {
            inverse_step(middle, from, (step){ 4, n_groups, n_blocks }, n_groups, STRIP,
                         prime->fp_inverse_roots, &f);
        }
    }
    for (size_t i = 0; i < n_rows; i++)
        for (int j = 0; j < STRIP; j += LANES) {
            const vd x = mul_mod(vd_load(buffer + i * STRIP + j), scale, &f);
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
static void inverse_all(uint64_t *row, const uint64_t *from, uint64_t c, int out, const mzv_cpu_prime *prime) {
    _Alignas(64) double buffer[MAX_COLUMN * STRIP];
    const double factor = balanced(c, prime->mod.p);
    inverse_rows((double *)row, from, prime);
    for (size_t column = 0; column < ROW; column += STRIP)
        inverse_strip(row + column, buffer, factor, out, prime);
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
