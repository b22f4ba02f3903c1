/* The scalar kernels: the reference of every other variant, and the path of primes up to 2^61. */
#include "cpu/cpu_scalar.h"

static void add(uint64_t *r, const uint64_t *a, const uint64_t *b, size_t n, const mzv_cpu_prime *prime) {
    for (size_t k = 0; k < n; k++) r[k] = mzv_mod_add(a[k], b[k], prime->mod.p);
}

static void sub(uint64_t *r, const uint64_t *a, const uint64_t *b, size_t n, const mzv_cpu_prime *prime) {
    for (size_t k = 0; k < n; k++) r[k] = mzv_mod_sub(a[k], b[k], prime->mod.p);
}

static void mul(uint64_t *r, const uint64_t *a, const uint64_t *b, size_t n, const mzv_cpu_prime *prime) {
    const mzv_modulus mod = prime->mod;
    for (size_t k = 0; k < n; k++) r[k] = mzv_mod_mul(a[k], b[k], mod);
}

static void mul_add(uint64_t *r, const uint64_t *a, const uint64_t *b, size_t n, const mzv_cpu_prime *prime) {
    const mzv_modulus mod = prime->mod;
    for (size_t k = 0; k < n; k++) r[k] = mzv_mod_reduce((mzv_u128)a[k] * b[k] + r[k], mod);
}

static void mul_const(uint64_t *r, const uint64_t *a, uint64_t c, size_t n, const mzv_cpu_prime *prime) {
    const mzv_factor factor = mzv_factor_make(c, prime->mod);
    for (size_t k = 0; k < n; k++) r[k] = mzv_mod_mul_factor(a[k], factor, prime->mod.p);
}

static void mul_const_add(uint64_t *r, const uint64_t *a, uint64_t c, size_t n, const mzv_cpu_prime *prime) {
    const mzv_factor factor = mzv_factor_make(c, prime->mod);
    const uint64_t p = prime->mod.p;
    for (size_t k = 0; k < n; k++) r[k] = mzv_mod_add(r[k], mzv_mod_mul_factor(a[k], factor, p), p);
}

static void add_const(uint64_t *r, const uint64_t *a, uint64_t c, size_t n, const mzv_cpu_prime *prime) {
    for (size_t k = 0; k < n; k++) r[k] = mzv_mod_add(a[k], c, prime->mod.p);
}

static void sub_from_scale(uint64_t *r, const uint64_t *a, uint64_t c, size_t n, const mzv_cpu_prime *prime) {
    const mzv_factor factor = mzv_factor_make(c, prime->mod);
    const uint64_t p = prime->mod.p;
    for (size_t k = 0; k < n; k++) r[k] = mzv_mod_mul_factor(mzv_mod_sub(a[k], r[k], p), factor, p);
}

static void lift(uint64_t *r, const int64_t *v, const mzv_cpu_prime *prime) {
    const mzv_modulus mod = prime->mod;
    for (size_t k = 0; k < (size_t)1 << prime->log_n; k++) r[k] = mzv_mod_signed(v[k], mod);
    mzv_cpu_scalar_ntt(r, prime);
}

/* Terms between two reductions: |digit constant| < 2^60 2^k for a prime of k bits, mzv_mod_reduce takes
 * 2^(k+63). */
#define TERMS_PER_REDUCTION 8

static uint64_t reduce_signed(mzv_i128 x, mzv_modulus mod) {
    const uint64_t r = mzv_mod_reduce(x < 0 ? -(mzv_u128)x : (mzv_u128)x, mod);
    return x < 0 ? mzv_mod_neg(r, mod.p) : r;
}

void mzv_cpu_scalar_convert(uint64_t *r, const int64_t *const *digit, const uint64_t *constant,
                            uint32_t n_digits, const mzv_cpu_prime *prime) {
    const mzv_modulus mod = prime->mod;
    for (size_t k = 0; k < (size_t)1 << prime->log_n; k++) {
        r[k] = 0;
        for (uint32_t i = 0; i < n_digits; i += TERMS_PER_REDUCTION) {
            mzv_i128 partial = 0; /* |partial| < 8 2^60 2^k */
            for (uint32_t j = i; j < i + TERMS_PER_REDUCTION && j < n_digits; j++)
                partial += (mzv_i128)digit[j][k] * (int64_t)constant[j];
            r[k] = mzv_mod_add(r[k], reduce_signed(partial, mod), mod.p);
        }
    }
}

/* Products below 2^(2k) between two reductions, of which mzv_mod_reduce takes 2^(63-k) together with a
 * residue: three of 61 bits. */
#define PRODUCTS_PER_REDUCTION 3

static uint64_t sum_products_word(const mzv_cpu_products *products, uint32_t t, size_t k, mzv_modulus mod) {
    uint64_t sum = products->accumulate ? products->r[t][k] : 0;
    for (uint32_t i = 0; i < products->n_terms; i += PRODUCTS_PER_REDUCTION) {
        mzv_u128 partial = sum;
        for (uint32_t j = i; j < i + PRODUCTS_PER_REDUCTION && j < products->n_terms; j++)
            partial += (mzv_u128)products->a[t][j][k] * products->b[j][k];
        sum = mzv_mod_reduce(partial, mod);
    }
    return sum;
}

static void sum_products(const mzv_cpu_products *products, size_t n, const mzv_cpu_prime *prime) {
    const mzv_modulus mod = prime->mod;
    for (uint32_t t = 0; t < products->n_sums; t++)
        for (size_t k = 0; k < n; k++) products->r[t][k] = sum_products_word(products, t, k, mod);
}

/* |sum| < 2^10 2^18 2^k for a prime of k bits, mzv_mod_reduce takes 2^(k+63). */
static void matmul(const mzv_cpu_matmul_tile *of, const mzv_cpu_prime *prime) {
    const mzv_modulus mod = prime->mod;
    for (uint32_t o = 0; o < of->n_out; o++)
        for (uint32_t k = 0; k < of->n_words; k++) {
            uint64_t *r = of->r + o * of->r_stride + k;
            mzv_i128 sum = of->accumulate ? *r : 0;
            for (uint32_t i = 0; i < of->n_terms; i++)
                sum += (mzv_i128)of->a[i * of->a_stride + k] * (int64_t)of->w[o * of->w_stride + i];
            *r = reduce_signed(sum, mod);
        }
}

static void repeat(uint64_t *r, const uint64_t *a, uint32_t log_repeat, size_t n) {
    for (size_t k = 0; k < n; k++) r[k] = a[k >> log_repeat];
}

static void permute(uint64_t *r, const uint64_t *a, const mzv_cpu_permutation *permutation,
                    mzv_cpu_lines lines, bool accumulate, const mzv_cpu_prime *prime) {
    for (size_t line = 0; line < lines.n; line++) {
        const uint32_t source = permutation->source[lines.first + line];
        const uint8_t *order = permutation->order[source % MZV_CPU_LINE];
        const uint64_t *from = a + (source / MZV_CPU_LINE - lines.origin) * MZV_CPU_LINE;
        uint64_t *to = r + line * MZV_CPU_LINE;
        for (uint32_t k = 0; k < MZV_CPU_LINE; k++)
            to[k] = accumulate ? mzv_mod_add(to[k], from[order[k]], prime->mod.p) : from[order[k]];
    }
}

static void intt(uint64_t *row, const mzv_cpu_prime *prime) {
    mzv_cpu_scalar_intt(row, mzv_factor_make(prime->n_inverse, prime->mod), prime);
}

const mzv_cpu_kernels mzv_cpu_scalar = {
    .name = "scalar",
    .binary = { [MZV_CPU_ADD] = add,
                [MZV_CPU_SUB] = sub,
                [MZV_CPU_MUL] = mul,
                [MZV_CPU_MUL_ADD] = mul_add,
                [MZV_CPU_ADD_STREAM] = add,
                [MZV_CPU_SUB_STREAM] = sub },
    .with_const = { [MZV_CPU_MUL_CONST] = mul_const,
                    [MZV_CPU_MUL_CONST_ADD] = mul_const_add,
                    [MZV_CPU_ADD_CONST] = add_const },
    .ntt = mzv_cpu_scalar_ntt,
    .intt = intt,
    .lift = lift,
    .sub_from_scale = sub_from_scale,
    .sum_products = sum_products,
    .matmul = matmul,
    .permute = permute,
    .repeat = repeat,
};
