/* Host side of addressing: which rows of which primes a kernel works on, and constants for them. */
#ifndef MZV_CUDA_ROWS_CUH
#define MZV_CUDA_ROWS_CUH
#include "cuda_tables.h"

namespace mzv_cuda {

/* Which rows a kernel works on: blockIdx.y is the entry, src and dst the rows, prime the index in the chain.
 */
struct Rows {
    uint32_t n;
    uint8_t src[MZV_MAX_PRIMES], dst[MZV_MAX_PRIMES], prime[MZV_MAX_PRIMES];
};

/* A set of primes, up to three runs of the chain, and the rows that hold them. */
struct Ranges {
    uint32_t n, n_rows;                /* runs; primes in all */
    uint8_t begin[3], size[3], row[3]; /* first prime, number of primes, row of the first */
};

/* One word pair per entry of a Rows: constants travel as kernel parameters. */
struct Factors {
    mzv_factor f[MZV_MAX_PRIMES];
};

inline void append_row(Rows &rows, uint32_t src, uint32_t dst, uint32_t prime) {
    rows.src[rows.n] = static_cast<uint8_t>(src);
    rows.dst[rows.n] = static_cast<uint8_t>(dst);
    rows.prime[rows.n] = static_cast<uint8_t>(prime);
    rows.n++;
}

/* Index in the chain of row i of basis b. */
inline uint32_t prime_of(const mzv_cuda_tables &tables, mzv_basis b, uint32_t i) {
    return i < b.n_p ? i : tables.n_p + b.q_first + (i - b.n_p);
}

inline Rows rows_of(const mzv_cuda_tables &tables, mzv_basis b) {
    Rows rows = {};
    for (uint32_t i = 0; i < mzv_basis_size(b); i++) append_row(rows, i, i, prime_of(tables, b, i));
    return rows;
}

/* The same entries, in place in the destination. */
inline Rows in_place(const Rows &rows) {
    Rows out = rows;
    for (uint32_t i = 0; i < rows.n; i++) out.src[i] = rows.dst[i];
    return out;
}

/* Row of basis b that holds prime t, or the size of b. */
inline uint32_t find_row(const mzv_cuda_tables &tables, mzv_basis b, uint32_t t) {
    uint32_t i = 0;
    while (i < mzv_basis_size(b) && prime_of(tables, b, i) != t) i++;
    return i;
}

/* Rows of `wide` in both bases (src: row in narrow, dst: row in wide), and those in `wide` only (src = dst =
 * row in wide). */
inline void split_rows(const mzv_cuda_tables &tables, mzv_basis wide, mzv_basis narrow, Rows *both,
                       Rows *rest) {
    *both = *rest = Rows();
    for (uint32_t i = 0; i < mzv_basis_size(wide); i++) {
        const uint32_t t = prime_of(tables, wide, i);
        const uint32_t row = find_row(tables, narrow, t);
        if (row < mzv_basis_size(narrow))
            append_row(*both, row, i, t);
        else
            append_row(*rest, i, i, t);
    }
}

/* The same entries, with rows numbered 0, 1, ... in the destination. */
inline Rows packed(const Rows &rows) {
    Rows out = rows;
    for (uint32_t i = 0; i < rows.n; i++) out.dst[i] = static_cast<uint8_t>(i);
    return out;
}

/* The entries in runs of neighbours; at most three, since a basis is two. */
inline Ranges runs_of(const Rows &rows) {
    Ranges runs = {};
    for (uint32_t i = 0; i < rows.n; i++) {
        if (i == 0 || rows.prime[i] != rows.prime[i - 1] + 1 || rows.dst[i] != rows.dst[i - 1] + 1) {
            runs.begin[runs.n] = rows.prime[i];
            runs.row[runs.n++] = rows.dst[i];
        }
        runs.size[runs.n - 1]++;
    }
    runs.n_rows = rows.n;
    return runs;
}

using RangeFunction = uint64_t (*)(const mzv_cuda_tables *, uint32_t, uint32_t, uint32_t);

/* `start` times the product of f over all ranges, modulo prime t. */
inline mzv_factor product(const mzv_cuda_tables &tables, uint32_t t, const Ranges &ranges, RangeFunction f,
                          uint64_t start) {
    const mzv_modulus m = tables.modulus[t];
    for (uint32_t i = 0; i < ranges.n; i++)
        start = mzv_mod_mul(start, f(&tables, t, ranges.begin[i], ranges.begin[i] + ranges.size[i]), m);
    return mzv_factor_make(start, m);
}

inline Factors products(const mzv_cuda_tables &tables, const Rows &rows, const Ranges &ranges,
                        RangeFunction f) {
    Factors out = {};
    for (uint32_t i = 0; i < rows.n; i++) out.f[i] = product(tables, rows.prime[i], ranges, f, 1);
    return out;
}

} // namespace mzv_cuda
#endif
