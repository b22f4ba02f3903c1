/* Level 2: X -> X^g as a permutation of values.
 *
 * Word k of the result is a(psi^(g (2 rev(k) + 1))), so it comes from the word k' with
 * 2 rev(k') + 1 = g (2 rev(k) + 1) mod 2N. The low three bits of k are the top three of rev(k): changing
 * them adds a multiple of N/8 to rev(k) and of g N/8 to rev(k'), which again touches only the top three
 * bits. Hence whole lines of eight words move, and the order within a line depends only on the top three
 * bits of rev(k') for its first word: eight orders for one g. */
#include "base/try.h"
#include "cpu/cpu_backend.h"

static uint32_t reverse_bits(uint32_t x, uint32_t n_bits) {
    x = (x >> 1 & 0x55555555u) | (x & 0x55555555u) << 1;
    x = (x >> 2 & 0x33333333u) | (x & 0x33333333u) << 2;
    x = (x >> 4 & 0x0f0f0f0fu) | (x & 0x0f0f0f0fu) << 4;
    return n_bits == 0 ? 0 : __builtin_bswap32(x) >> (32 - n_bits);
}

mzv_status mzv_cpu_permutation_make(mzv_stream *s, mzv_cpu_permutation *out, uint32_t galois) {
    const uint32_t log_lines = s->log_n - 3, n = 1u << s->log_n;
    uint64_t *words = NULL;
    MZV_TRY(mzv_take_words(s, &words, ((size_t)1 << log_lines) / 2 + 1));
    uint32_t *source = (uint32_t *)words;
    for (uint32_t line = 0; line < 1u << log_lines; line++) {
        const uint32_t exponent = galois * (2 * reverse_bits(line, log_lines) + 1);
        const uint32_t reversed = exponent / 2 % n; /* rev of the source of the first word */
        source[line] = reverse_bits(reversed, log_lines) << 3 | reversed >> log_lines;
    }
    for (uint32_t top = 0; top < MZV_CPU_LINE; top++)
        for (uint32_t k = 0; k < MZV_CPU_LINE; k++)
            out->order[top][k] = (uint8_t)reverse_bits((top + galois * reverse_bits(k, 3)) % 8, 3);
    out->source = source;
    return MZV_OK;
}

mzv_status mzv_cpu_automorphism(mzv_stream *s, mzv_poly r, mzv_cpoly a, uint32_t galois) {
    const size_t mark = mzv_mark(s);
    const uint32_t n_rows = mzv_basis_size(r.basis);
    mzv_cpu_permutation permutation;
    MZV_TRY(mzv_cpu_permutation_make(s, &permutation, galois));
#pragma omp parallel for collapse(2) if (mzv_cpu_worth(s, r.batch, n_rows, MZV_CPU_LIGHT))
    for (uint32_t b = 0; b < r.batch; b++)
        for (uint32_t i = 0; i < n_rows; i++) {
            const mzv_cpu_prime *prime = mzv_cpu_prime_of(s, r.basis, i);
            prime->kernels->permute(mzv_cpu_row(r, b, i, s->log_n), mzv_cpu_crow(a, b, i, s->log_n),
                                    &permutation, mzv_cpu_all_lines(s->log_n), false, prime);
        }
    mzv_release(s, mark);
    return MZV_OK;
}
