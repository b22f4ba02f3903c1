/* Checked dispatch: the rules of backend.h are tested here, once for all backends, before any word is
 * written. MZV_VERIFY builds also read every operand and every result back and test that it is
 * canonical. */
#include "backend/backend.h"
#include "backend/check.h"
#include "backend/fused.h"
#include "base/try.h"

static const char *const digit_names[] = { "d[0]", "d[1]", "d[2]" };
static const char *const pair_names[] = { "r[0]", "r[1]" };

static mzv_status verify(mzv_stream *s, const char *op, const char *name, mzv_cpoly a) {
#ifdef MZV_VERIFY
    if (s->records) return MZV_OK; /* there is nothing to read yet */
    return mzv_check_canonical(s, op, name, a);
#else
    (void)s, (void)op, (void)name, (void)a;
    return MZV_OK;
#endif
}

static mzv_status verify_r(mzv_stream *s, const char *op, mzv_poly r) {
    return verify(s, op, "r", mzv_view(r));
}

static mzv_status check_output(mzv_stream *s, const char *op, mzv_poly r) {
    return mzv_check_view(s, op, "r", mzv_view(r));
}

/* An output that is read as well. */
static mzv_status check_inout(mzv_stream *s, const char *op, mzv_poly r) {
    MZV_TRY(check_output(s, op, r));
    return verify_r(s, op, r);
}

static mzv_status check_input(mzv_stream *s, const char *op, const char *name, mzv_poly r, mzv_cpoly a) {
    MZV_TRY(mzv_check_input(s, op, name, r, a));
    return verify(s, op, name, a);
}

/* An input that may not even be r itself. */
static mzv_status check_input_apart(mzv_stream *s, const char *op, const char *name, mzv_poly r,
                                    mzv_cpoly a) {
    MZV_TRY(check_input(s, op, name, r, a));
    return mzv_check_apart(s, op, name, mzv_view(r), a);
}

static mzv_status check_unary(mzv_stream *s, const char *op, mzv_poly r, mzv_cpoly a) {
    MZV_TRY(check_output(s, op, r));
    return check_input(s, op, "a", r, a);
}

static mzv_status check_binary(mzv_stream *s, const char *op, mzv_poly r, mzv_cpoly a, mzv_cpoly b) {
    MZV_TRY(check_unary(s, op, r, a));
    return check_input(s, op, "b", r, b);
}

static mzv_status check_scaled(mzv_stream *s, const char *op, mzv_poly r, mzv_cpoly a, const uint64_t *c) {
    MZV_TRY(check_unary(s, op, r, a));
    return mzv_check_constants(s, op, r.basis, c);
}

static mzv_status check_galois(const mzv_stream *s, const char *op, uint32_t galois) {
    if (galois % 2 == 0) return mzv_fail(MZV_ERR_ARGUMENT, "%s: galois %u is even, need odd", op, galois);
    if (galois >> (s->log_n + 1) != 0)
        return mzv_fail(MZV_ERR_ARGUMENT, "%s: galois %u, need less than 2N = %u", op, galois,
                        2u << s->log_n);
    return MZV_OK;
}

static mzv_status check_count(const char *op, const char *what, uint32_t n) {
    if (n == 0) return mzv_fail(MZV_ERR_ARGUMENT, "%s: no %s, need 1 or more", op, what);
    return MZV_OK;
}

/* Two or three outputs of one shape, apart from each other. */
static mzv_status check_outputs(mzv_stream *s, const char *op, const char *const *names, const mzv_poly *r,
                                uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        MZV_TRY(mzv_check_view(s, op, names[i], mzv_view(r[i])));
        if (!mzv_basis_equal(r[i].basis, r[0].basis) || r[i].batch != r[0].batch)
            return mzv_fail(MZV_ERR_ARGUMENT, "%s: basis and batch of %s differ from those of %s", op,
                            names[i], names[0]);
        for (uint32_t j = 0; j < i; j++)
            MZV_TRY(mzv_check_apart(s, op, names[j], mzv_view(r[i]), mzv_view(r[j])));
    }
    return MZV_OK;
}

mzv_status mzv_poly_copy(mzv_stream *s, mzv_poly r, mzv_cpoly a) {
    MZV_TRY(check_unary(s, "copy", r, a));
    return s->ops->copy(s, r, a);
}

mzv_status mzv_poly_add(mzv_stream *s, mzv_poly r, mzv_cpoly a, mzv_cpoly b) {
    MZV_TRY(check_binary(s, "add", r, a, b));
    MZV_TRY(s->ops->add(s, r, a, b));
    return verify_r(s, "add", r);
}

mzv_status mzv_poly_sub(mzv_stream *s, mzv_poly r, mzv_cpoly a, mzv_cpoly b) {
    MZV_TRY(check_binary(s, "sub", r, a, b));
    MZV_TRY(s->ops->sub(s, r, a, b));
    return verify_r(s, "sub", r);
}

mzv_status mzv_poly_mul(mzv_stream *s, mzv_poly r, mzv_cpoly a, mzv_cpoly b) {
    MZV_TRY(check_binary(s, "mul", r, a, b));
    MZV_TRY(s->ops->mul(s, r, a, b));
    return verify_r(s, "mul", r);
}

mzv_status mzv_poly_mul_add(mzv_stream *s, mzv_poly r, mzv_cpoly a, mzv_cpoly b) {
    MZV_TRY(check_inout(s, "mul_add", r));
    MZV_TRY(check_binary(s, "mul_add", r, a, b));
    MZV_TRY(s->ops->mul_add(s, r, a, b));
    return verify_r(s, "mul_add", r);
}

mzv_status mzv_poly_mul_const(mzv_stream *s, mzv_poly r, mzv_cpoly a, const uint64_t *c) {
    MZV_TRY(check_scaled(s, "mul_const", r, a, c));
    MZV_TRY(s->ops->mul_const(s, r, a, c));
    return verify_r(s, "mul_const", r);
}

mzv_status mzv_poly_mul_const_add(mzv_stream *s, mzv_poly r, mzv_cpoly a, const uint64_t *c) {
    MZV_TRY(check_inout(s, "mul_const_add", r));
    MZV_TRY(check_scaled(s, "mul_const_add", r, a, c));
    MZV_TRY(s->ops->mul_const_add(s, r, a, c));
    return verify_r(s, "mul_const_add", r);
}

mzv_status mzv_poly_add_const(mzv_stream *s, mzv_poly r, mzv_cpoly a, const uint64_t *c) {
    MZV_TRY(check_scaled(s, "add_const", r, a, c));
    MZV_TRY(s->ops->add_const(s, r, a, c));
    return verify_r(s, "add_const", r);
}

mzv_status mzv_poly_ntt(mzv_stream *s, mzv_poly r) {
    MZV_TRY(check_inout(s, "ntt", r));
    MZV_TRY(s->ops->ntt(s, r));
    return verify_r(s, "ntt", r);
}

mzv_status mzv_poly_intt(mzv_stream *s, mzv_poly r) {
    MZV_TRY(check_inout(s, "intt", r));
    MZV_TRY(s->ops->intt(s, r));
    return verify_r(s, "intt", r);
}

mzv_status mzv_poly_automorphism(mzv_stream *s, mzv_poly r, mzv_cpoly a, uint32_t galois) {
    MZV_TRY(check_output(s, "automorphism", r));
    MZV_TRY(check_input_apart(s, "automorphism", "a", r, a));
    MZV_TRY(check_galois(s, "automorphism", galois));
    MZV_TRY(s->ops->automorphism(s, r, a, galois));
    return verify_r(s, "automorphism", r);
}

static mzv_status check_integers(mzv_stream *s, const char *op, mzv_poly r, const int64_t *v, size_t stride) {
    const size_t n = (size_t)1 << s->log_n;
    const mzv_basis one = { 0, 0, 1 }; /* v has the shape of a polynomial of one row */
    const mzv_cpoly words = { (const uint64_t *)v, stride, stride == 0 ? 1 : r.batch, one };
    if (v == NULL) return mzv_fail(MZV_ERR_ARGUMENT, "%s: v has no memory (NULL)", op);
    if ((uintptr_t)v % 64 != 0 || stride % 8 != 0 || (stride != 0 && stride < n))
        return mzv_fail(MZV_ERR_ARGUMENT,
                        "%s: v at %p, stride %zu, need 64-byte alignment and 0 or %zu words", op,
                        (const void *)v, stride, n);
    return mzv_check_apart(s, op, "v", mzv_view(r), words);
}

mzv_status mzv_poly_lift(mzv_stream *s, mzv_poly r, const int64_t *v, size_t stride) {
    MZV_TRY(check_output(s, "lift", r));
    MZV_TRY(check_integers(s, "lift", r, v, stride));
    MZV_TRY(s->ops->lift(s, r, v, stride));
    return verify_r(s, "lift", r);
}

/* One basis inside the other; r and a apart. */
static mzv_status check_change(mzv_stream *s, const char *op, mzv_poly r, mzv_cpoly a, bool up) {
    MZV_TRY(check_output(s, op, r));
    MZV_TRY(mzv_check_view(s, op, "a", a));
    MZV_TRY(mzv_check_batch(op, "a", r, a));
    if (!(up ? mzv_basis_inside(a.basis, r.basis) : mzv_basis_inside(r.basis, a.basis)))
        return mzv_fail(MZV_ERR_ARGUMENT,
                        "%s: a has %u p and q%u + %u, r has %u p and q%u + %u, need that of %s inside", op,
                        a.basis.n_p, a.basis.q_first, a.basis.n_q, r.basis.n_p, r.basis.q_first, r.basis.n_q,
                        up ? "a" : "r");
    MZV_TRY(mzv_check_apart(s, op, "a", mzv_view(r), a));
    return verify(s, op, "a", a);
}

mzv_status mzv_poly_mod_up(mzv_stream *s, mzv_poly r, mzv_cpoly a) {
    MZV_TRY(check_change(s, "mod_up", r, a, true));
    MZV_TRY(s->ops->mod_up(s, r, a));
    return verify_r(s, "mod_up", r);
}

mzv_status mzv_poly_mod_down(mzv_stream *s, mzv_poly r, mzv_cpoly a) {
    MZV_TRY(check_change(s, "mod_down", r, a, false));
    MZV_TRY(s->ops->mod_down(s, r, a));
    return verify_r(s, "mod_down", r);
}

mzv_status mzv_poly_tensor(mzv_stream *s, mzv_poly d[3], const mzv_cpoly a[2], const mzv_cpoly b[2]) {
    MZV_TRY(check_outputs(s, "tensor", digit_names, d, 3));
    for (uint32_t i = 0; i < 3; i++) {
        for (uint32_t t = 0; t < 2; t++) {
            MZV_TRY(check_input_apart(s, "tensor", "a", d[i], a[t]));
            MZV_TRY(check_input_apart(s, "tensor", "b", d[i], b[t]));
        }
    }
    MZV_TRY(s->ops->tensor != NULL ? s->ops->tensor(s, d, a, b) : mzv_fused_tensor(s, d, a, b));
    for (uint32_t i = 0; i < 3; i++) MZV_TRY(verify_r(s, "tensor", d[i]));
    return MZV_OK;
}

mzv_status mzv_poly_dot(mzv_stream *s, mzv_poly r, const mzv_cpoly *a, const mzv_cpoly *w, uint32_t n) {
    MZV_TRY(check_count("dot", "terms", n));
    MZV_TRY(check_output(s, "dot", r));
    for (uint32_t i = 0; i < n; i++) {
        MZV_TRY(check_input_apart(s, "dot", "a", r, a[i]));
        MZV_TRY(check_input_apart(s, "dot", "w", r, w[i]));
    }
    MZV_TRY(s->ops->dot != NULL ? s->ops->dot(s, r, a, w, n) : mzv_fused_dot(s, r, a, w, n));
    return verify_r(s, "dot", r);
}

/* Digits against both outputs, and one key. */
static mzv_status check_digits(mzv_stream *s, const char *op, mzv_poly r[2], const mzv_cpoly *d, uint32_t n) {
    MZV_TRY(check_count(op, "digits", n));
    MZV_TRY(check_outputs(s, op, pair_names, r, 2));
    for (uint32_t j = 0; j < n; j++) {
        MZV_TRY(check_input_apart(s, op, "d", r[0], d[j]));
        MZV_TRY(mzv_check_apart(s, op, "d", mzv_view(r[1]), d[j]));
    }
    return MZV_OK;
}

static mzv_status check_key(mzv_stream *s, const char *op, mzv_poly r[2], const mzv_cpoly *key, uint32_t n) {
    for (uint32_t j = 0; j < 2 * n; j++) {
        MZV_TRY(check_input_apart(s, op, "key", r[0], key[j]));
        MZV_TRY(mzv_check_apart(s, op, "key", mzv_view(r[1]), key[j]));
    }
    return MZV_OK;
}

mzv_status mzv_poly_key_product(mzv_stream *s, mzv_poly r[2], const mzv_cpoly *d, const mzv_cpoly *key,
                                uint32_t n) {
    MZV_TRY(check_digits(s, "key_product", r, d, n));
    MZV_TRY(check_key(s, "key_product", r, key, n));
    MZV_TRY(s->ops->key_product != NULL ? s->ops->key_product(s, r, d, key, n)
                                        : mzv_fused_key_product(s, r, d, key, n));
    for (uint32_t t = 0; t < 2; t++) MZV_TRY(verify_r(s, "key_product", r[t]));
    return MZV_OK;
}

mzv_status mzv_poly_fold(mzv_stream *s, mzv_poly r[2], const mzv_cpoly *d, const mzv_cpoly *const *key,
                         const uint32_t *galois, uint32_t n_digits, uint32_t n_rotations) {
    MZV_TRY(check_count("fold", "rotations", n_rotations));
    MZV_TRY(check_digits(s, "fold", r, d, n_digits));
    for (uint32_t i = 0; i < n_rotations; i++) {
        MZV_TRY(check_galois(s, "fold", galois[i]));
        MZV_TRY(check_key(s, "fold", r, key[i], n_digits));
    }
    MZV_TRY(s->ops->fold != NULL ? s->ops->fold(s, r, d, key, galois, n_digits, n_rotations)
                                 : mzv_fused_fold(s, r, d, key, galois, n_digits, n_rotations));
    for (uint32_t t = 0; t < 2; t++) MZV_TRY(verify_r(s, "fold", r[t]));
    return MZV_OK;
}

/* n inputs of one basis, of the batch of r or of 1. */
static mzv_status check_inputs_in(mzv_stream *s, const char *name, mzv_poly r, mzv_basis basis,
                                  const mzv_cpoly *a, uint32_t first, uint32_t n) {
    for (uint32_t i = first; i < first + n; i++) {
        MZV_TRY(mzv_check_view(s, "key_switch", name, a[i]));
        MZV_TRY(mzv_check_batch("key_switch", name, r, a[i]));
        if (!mzv_basis_equal(a[i].basis, basis))
            return mzv_fail(
                MZV_ERR_ARGUMENT, "key_switch: %s %u has %u p and q%u + %u, need %u p and q%u + %u", name, i,
                a[i].basis.n_p, a[i].basis.q_first, a[i].basis.n_q, basis.n_p, basis.q_first, basis.n_q);
        MZV_TRY(mzv_check_apart(s, "key_switch", name, mzv_view(r), a[i]));
        MZV_TRY(verify(s, "key_switch", name, a[i]));
    }
    return MZV_OK;
}

/* How d is cut: by the special primes of the key. */
static mzv_status check_cut(mzv_cpoly d, const mzv_switch *with) {
    const uint32_t n_special = with->key[0].basis.n_p;
    if (d.basis.n_p != 0 || n_special == 0)
        return mzv_fail(MZV_ERR_ARGUMENT, "key_switch: d has %u special primes and key %u, need 0 and some",
                        d.basis.n_p, n_special);
    const uint32_t n = (d.basis.n_q + n_special - 1) / n_special;
    if (with->n_digits != n || n > MZV_MAX_DIGITS)
        return mzv_fail(MZV_ERR_ARGUMENT, "key_switch: %u digits, need %u for %u limbs by %u, at most %d",
                        with->n_digits, n, d.basis.n_q, n_special, MZV_MAX_DIGITS);
    return MZV_OK;
}

/* d against an output: which has limbs of d, or all limbs of the key. */
static mzv_status check_switched(mzv_stream *s, mzv_poly r, mzv_cpoly d, mzv_basis extended) {
    if (!mzv_basis_equal(r.basis, extended)) return check_change(s, "key_switch", r, d, false);
    MZV_TRY(mzv_check_view(s, "key_switch", "d", d));
    MZV_TRY(mzv_check_batch("key_switch", "d", r, d));
    MZV_TRY(mzv_check_apart(s, "key_switch", "d", mzv_view(r), d));
    return verify(s, "key_switch", "d", d);
}

static mzv_status check_switch(mzv_stream *s, mzv_poly r, mzv_cpoly d, const mzv_switch *with) {
    const mzv_basis extended = { with->key[0].basis.n_p, d.basis.q_first, d.basis.n_q };
    MZV_TRY(check_switched(s, r, d, extended));
    if (with->accumulate) MZV_TRY(check_inout(s, "key_switch", r));
    MZV_TRY(check_inputs_in(s, "key", r, extended, with->key, 0, 2 * with->n_digits));
    if (with->digits != NULL)
        MZV_TRY(check_inputs_in(s, "digit", r, extended, with->digits, 0, with->n_digits));
    for (uint32_t t = 0; with->add != NULL && t < 2; t++) {
        const mzv_basis basis = with->add[t].basis.n_p == 0 ? d.basis : extended;
        if (with->add[t].base != NULL) MZV_TRY(check_inputs_in(s, "add", r, basis, with->add, t, 1));
    }
    return MZV_OK;
}

mzv_status mzv_poly_key_switch(mzv_stream *s, mzv_poly r[2], mzv_cpoly d, const mzv_switch *with) {
    MZV_TRY(check_count("key_switch", "digits", with->n_digits));
    MZV_TRY(check_outputs(s, "key_switch", pair_names, r, 2));
    MZV_TRY(check_galois(s, "key_switch", with->galois));
    MZV_TRY(check_cut(d, with));
    for (uint32_t t = 0; t < 2; t++) MZV_TRY(check_switch(s, r[t], d, with));
    MZV_TRY(s->ops->key_switch != NULL ? s->ops->key_switch(s, r, d, with)
                                       : mzv_fused_key_switch(s, r, d, with));
    for (uint32_t t = 0; t < 2; t++) MZV_TRY(verify_r(s, "key_switch", r[t]));
    return MZV_OK;
}

/* The pairs of sums, apart from each other, all of one shape. */
static mzv_status check_pairs(mzv_stream *s, const char *op, mzv_poly *r, uint32_t n) {
    for (uint32_t g = 0; g < n; g++) {
        mzv_poly *pair = r + 2 * (size_t)g;
        MZV_TRY(check_outputs(s, op, pair_names, pair, 2));
        if (!mzv_basis_equal(pair[0].basis, r[0].basis) || pair[0].batch != r[0].batch)
            return mzv_fail(MZV_ERR_ARGUMENT, "%s: basis and batch of sum %u differ from those of sum 0", op,
                            g);
        for (uint32_t k = 0; k < 4 * g; k++)
            MZV_TRY(mzv_check_apart(s, op, pair_names[k % 2], mzv_view(pair[k % 2]), mzv_view(r[k / 2])));
    }
    return MZV_OK;
}

/* The operand of the rotations against one pair of sums. */
static mzv_status check_operand(mzv_stream *s, const char *op, mzv_poly pair[2], const mzv_rotations *of) {
    const mzv_basis chain = { 0, pair[0].basis.q_first, pair[0].basis.n_q };
    mzv_poly q = pair[0]; /* the basis and batch that a has to have */
    q.basis = chain;
    MZV_TRY(check_digits(s, op, pair, of->d, of->n_digits));
    for (uint32_t t = 0; t < 2; t++) {
        MZV_TRY(mzv_check_view(s, op, "a", of->a[t]));
        MZV_TRY(mzv_check_batch(op, "a", q, of->a[t]));
        if (!mzv_basis_equal(of->a[t].basis, chain))
            return mzv_fail(MZV_ERR_ARGUMENT, "%s: a has %u p and q%u + %u, need 0 p and q%u + %u", op,
                            of->a[t].basis.n_p, of->a[t].basis.q_first, of->a[t].basis.n_q, chain.q_first,
                            chain.n_q);
        for (uint32_t k = 0; k < 2; k++) MZV_TRY(mzv_check_apart(s, op, "a", mzv_view(pair[k]), of->a[t]));
        MZV_TRY(verify(s, op, "a", of->a[t]));
    }
    return mzv_check_constants(s, op, chain, of->c);
}

/* Rows of values that are kept once are no polynomial: their length and the integers beside them are all that
 * can be tested, and that they lie apart from the sums. */
static mzv_status check_compact(mzv_stream *s, const char *op, mzv_poly r, mzv_diagonal w) {
    const size_t n_words = (size_t)mzv_basis_size(r.basis) << s->log_n >> w.log_repeat;
    const uint64_t *end = w.rows + n_words;
    const uint64_t *r_end = r.base + (r.batch - 1) * r.stride + ((size_t)mzv_basis_size(r.basis) << s->log_n);
    if (w.log_repeat > s->log_n || w.integers == NULL)
        return mzv_fail(MZV_ERR_ARGUMENT, "%s: w repeats 2^%u times, need at most 2^%u, and its integers", op,
                        w.log_repeat, s->log_n);
    if (w.rows < r_end && r.base < end) return mzv_fail(MZV_ERR_ARGUMENT, "%s: w overlaps a sum", op);
    return MZV_OK;
}

/* Keys and weights against sum g. */
static mzv_status check_rotations(mzv_stream *s, const char *op, mzv_poly pair[2], const mzv_rotations *of,
                                  uint32_t g) {
    for (uint32_t i = 0; i < of->n_rotations; i++) {
        const mzv_diagonal w = of->w[(size_t)g * of->n_rotations + i];
        const mzv_cpoly rows = { w.rows, 0, 1, pair[0].basis };
        if (of->key[i] != NULL) {
            MZV_TRY(check_galois(s, op, of->galois[i]));
            MZV_TRY(check_key(s, op, pair, of->key[i], of->n_digits));
        }
        for (uint32_t t = 0; t < 2; t++) {
            if (w.rows != NULL)
                MZV_TRY(w.log_repeat > 0 ? check_compact(s, op, pair[t], w)
                                         : check_input_apart(s, op, "w", pair[t], rows));
            if (w.integers != NULL) MZV_TRY(check_integers(s, op, pair[t], w.integers, 0));
        }
    }
    return MZV_OK;
}

mzv_status mzv_poly_rotation_sums(mzv_stream *s, mzv_poly *r, const mzv_rotations *of) {
    const char *op = "rotation_sums";
    MZV_TRY(check_count(op, "rotations", of->n_rotations));
    MZV_TRY(check_count(op, "sums", of->n_sums));
    MZV_TRY(check_pairs(s, op, r, of->n_sums));
    for (uint32_t k = 0; of->accumulate && k < 2 * of->n_sums; k++) MZV_TRY(verify_r(s, op, r[k]));
    for (uint32_t g = 0; g < of->n_sums; g++) {
        MZV_TRY(check_operand(s, op, r + 2 * (size_t)g, of));
        MZV_TRY(check_rotations(s, op, r + 2 * (size_t)g, of, g));
    }
    MZV_TRY(s->ops->rotation_sums != NULL ? s->ops->rotation_sums(s, r, of)
                                          : mzv_fused_rotation_sums(s, r, of));
    for (uint32_t k = 0; k < 2 * of->n_sums; k++) MZV_TRY(verify_r(s, op, r[k]));
    return MZV_OK;
}
