/* The rules of backend.h as tests. */
#include "backend/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/try.h"

#define ALIGN_BYTES 64

typedef struct basis_text {
    char text[48];
} basis_text;

static basis_text describe(mzv_basis b) {
    basis_text t;
    snprintf(t.text, sizeof t.text, "[%u p, q%u + %u]", b.n_p, b.q_first, b.n_q);
    return t;
}

bool mzv_basis_equal(mzv_basis a, mzv_basis b) {
    return a.n_p == b.n_p && a.n_q == b.n_q && (a.n_q == 0 || a.q_first == b.q_first);
}

bool mzv_basis_inside(mzv_basis inner, mzv_basis outer) {
    if (inner.n_p > outer.n_p) return false;
    return inner.n_q == 0 ||
           (inner.q_first >= outer.q_first && inner.q_first + inner.n_q <= outer.q_first + outer.n_q);
}

static size_t words_of_one(const mzv_stream *s, mzv_cpoly a) {
    return (size_t)mzv_basis_size(a.basis) << s->log_n;
}

static mzv_status check_basis(const mzv_stream *s, const char *op, const char *name, mzv_basis b) {
    const mzv_chain *chain = s->chain;
    if (mzv_basis_size(b) == 0) return mzv_fail(MZV_ERR_ARGUMENT, "%s: the basis of %s is empty", op, name);
    if (b.n_p > chain->n_p || (b.n_q != 0 && (uint32_t)b.q_first + b.n_q > chain->n_q))
        return mzv_fail(MZV_ERR_ARGUMENT, "%s: the basis of %s is %s, the chain has %u p and %u q", op, name,
                        describe(b).text, chain->n_p, chain->n_q);
    return MZV_OK;
}

mzv_status mzv_check_view(const mzv_stream *s, const char *op, const char *name, mzv_cpoly a) {
    const size_t words = words_of_one(s, a);
    MZV_TRY(check_basis(s, op, name, a.basis));
    if (a.base == NULL) return mzv_fail(MZV_ERR_ARGUMENT, "%s: %s has no memory (NULL)", op, name);
    if ((uintptr_t)a.base % ALIGN_BYTES != 0 || (a.batch > 1 && a.stride % (ALIGN_BYTES / 8) != 0))
        return mzv_fail(MZV_ERR_ARGUMENT, "%s: %s at %p, stride %zu, need rows aligned to %d bytes", op, name,
                        (const void *)a.base, a.stride, ALIGN_BYTES);
    if (a.batch == 0) return mzv_fail(MZV_ERR_ARGUMENT, "%s: the batch of %s is 0, need 1 or more", op, name);
    if (a.batch > 1 && a.stride < words)
        return mzv_fail(MZV_ERR_ARGUMENT, "%s: the stride of %s is %zu words, need %zu", op, name, a.stride,
                        words);
    return MZV_OK;
}

/* Two runs of polynomials at growing addresses: walk both, always on from the one that ends first. */
static bool overlap(const mzv_stream *s, mzv_cpoly a, mzv_cpoly b) {
    const size_t a_words = words_of_one(s, a), b_words = words_of_one(s, b);
    uint32_t i = 0, j = 0;
    while (i < a.batch && j < b.batch) {
        const uintptr_t a_start = (uintptr_t)(a.base + i * a.stride), a_end = a_start + 8 * a_words;
        const uintptr_t b_start = (uintptr_t)(b.base + j * b.stride), b_end = b_start + 8 * b_words;
        if (a_start < b_end && b_start < a_end) return true;
        if (a_end <= b_start) {
            i++;
        } else {
            j++;
        }
    }
    return false;
}

mzv_status mzv_check_apart(const mzv_stream *s, const char *op, const char *name, mzv_cpoly r, mzv_cpoly a) {
    if (overlap(s, r, a))
        return mzv_fail(MZV_ERR_ARGUMENT, "%s: the output at %p overlaps %s at %p", op, (const void *)r.base,
                        name, (const void *)a.base);
    return MZV_OK;
}

mzv_status mzv_check_batch(const char *op, const char *name, mzv_poly r, mzv_cpoly a) {
    if (a.batch != r.batch && a.batch != 1)
        return mzv_fail(MZV_ERR_ARGUMENT, "%s: the batch of %s is %u, need 1 or %u", op, name, a.batch,
                        r.batch);
    return MZV_OK;
}

mzv_status mzv_check_input(const mzv_stream *s, const char *op, const char *name, mzv_poly r, mzv_cpoly a) {
    MZV_TRY(mzv_check_view(s, op, name, a));
    if (!mzv_basis_equal(a.basis, r.basis))
        return mzv_fail(MZV_ERR_ARGUMENT, "%s: the basis of %s is %s, need %s", op, name,
                        describe(a.basis).text, describe(r.basis).text);
    MZV_TRY(mzv_check_batch(op, name, r, a));
    const bool same = a.base == r.base && a.batch == r.batch && (r.batch == 1 || a.stride == r.stride);
    return same ? MZV_OK : mzv_check_apart(s, op, name, mzv_view(r), a);
}

mzv_status mzv_check_constants(const mzv_stream *s, const char *op, mzv_basis basis, const uint64_t *c) {
    for (uint32_t i = 0; i < mzv_basis_size(basis); i++) {
        const uint64_t prime = s->chain->primes[mzv_prime_index(s->chain, basis, i)];
        if (c[i] >= prime)
            return mzv_fail(MZV_ERR_ARGUMENT, "%s: constant %u is %llu, need less than its prime %llu", op, i,
                            (unsigned long long)c[i], (unsigned long long)prime);
    }
    return MZV_OK;
}

static mzv_status check_row(const char *op, const char *name, const uint64_t *row, size_t n, uint64_t prime) {
    for (size_t k = 0; k < n; k++) {
        if (row[k] >= prime)
            return mzv_fail(MZV_ERR_INTERNAL, "%s: word %zu of a row of %s is %llu, its prime %llu", op, k,
                            name, (unsigned long long)row[k], (unsigned long long)prime);
    }
    return MZV_OK;
}

mzv_status mzv_check_canonical(mzv_stream *s, const char *op, const char *name, mzv_cpoly a) {
    const size_t n = (size_t)1 << s->log_n;
    const uint32_t n_rows = mzv_basis_size(a.basis);
    mzv_status status = MZV_OK;
    uint64_t *row = malloc(n * sizeof *row);
    if (row == NULL) return mzv_fail(MZV_ERR_MEMORY, "%s: no %zu words to check %s", op, n, name);
    for (uint32_t i = 0; i < a.batch * n_rows; i++) {
        const uint64_t *src = a.base + i / n_rows * a.stride + i % n_rows * n;
        const uint64_t prime = s->chain->primes[mzv_prime_index(s->chain, a.basis, i % n_rows)];
        MZV_TRY_GOTO(s->ops->download(s, row, src, n), done);
        MZV_TRY_GOTO(s->ops->synchronize(s), done);
        MZV_TRY_GOTO(check_row(op, name, row, n, prime), done);
    }
done:
    free(row);
    return status;
}
