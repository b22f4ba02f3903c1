/* The ckks evaluator: making it, room, constants, and its table. */
#include "ckks/eval_ckks.h"

#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/try.h"

mzv_status mzv_ckks_room(mzv_ckks *ck, const char *op, size_t n_words) {
    mzv_scratch *scratch = &ck->ev.stream->scratch;
    if (n_words > scratch->n_words - scratch->used) {
        if (!ck->grows || scratch->used != 0)
            return mzv_fail(MZV_ERR_MEMORY,
                            "%s: %zu bytes of scratch wanted, %zu of %zu left; create the evaluator with "
                            "scratch_bytes of at least %zu",
                            op, 8 * n_words, 8 * (scratch->n_words - scratch->used), 8 * scratch->n_words,
                            8 * (scratch->used + n_words));
        MZV_TRY(mzv_scratch_reserve(ck->ev.stream, n_words));
    }
    mzv_evaluator_peak(&ck->ev, n_words);
    return MZV_OK;
}

mzv_poly mzv_ckks_part(const mzv_ckks *ck, const mzv_cipher *ct, uint32_t t, uint32_t level) {
    const size_t stride = (size_t)ct->capacity << ck->ev.log_n;
    const mzv_poly part = { ct->words + (size_t)t * ct->batch * stride, stride, ct->batch,
                            mzv_basis_q(level) };
    return part;
}

mzv_status mzv_ckks_key(const mzv_ckks *ck, const mzv_ksk **out, const mzv_cipher *ct, uint32_t galois) {
    if (ck->keys == NULL)
        return mzv_fail(MZV_ERR_KEY, "galois element %u: the evaluator was created without keys", galois);
    if (memcmp(ck->keys->key_id, ct->key_id, MZV_ID_BYTES) != 0)
        return mzv_fail(MZV_ERR_MISMATCH,
                        "the ciphertext and the evaluation keys belong to different secrets");
    return mzv_keys_find(out, ck->keys, galois, ct->level);
}

/* |x| = mantissa 2^exponent, exact from 2^64 on. */
static uint64_t residue(long double x, mzv_modulus m) {
    int exponent = 0;
    const long double size = roundl(fabsl(x));
    uint64_t r;
    if (size < 0x1p63L) {
        r = mzv_mod_reduce((uint64_t)size, m);
    } else {
        const uint64_t mantissa = (uint64_t)ldexpl(frexpl(size, &exponent), 63);
        const uint64_t power = mzv_mod_pow(2, (uint64_t)(exponent - 63), m);
        r = mzv_mod_mul(mzv_mod_reduce(mantissa, m), power, m);
    }
    return x < 0 ? mzv_mod_neg(r, m.p) : r;
}

void mzv_ckks_residues(const mzv_ckks *ck, uint64_t *c, uint32_t level, long double x) {
    for (uint32_t i = 0; i <= level; i++) c[i] = residue(x, ck->modulus[i]);
}

mzv_status mzv_ckks_values(mzv_ckks *ck, mzv_cpoly *out, const mzv_plain *p, mzv_basis basis) {
    mzv_stream *s = ck->ev.stream;
    if (p->rows_basis.n_q >= basis.n_q && p->rows_basis.n_p >= basis.n_p) {
        const uint32_t skipped = basis.n_p == 0 ? p->rows_basis.n_p : 0; /* n_p is 0 or all special primes */
        const mzv_cpoly kept = { p->rows + ((size_t)skipped << ck->ev.log_n), 0, 1, basis };
        *out = kept;
        return MZV_OK;
    }
    mzv_poly rows;
    MZV_TRY(mzv_take(s, &rows, 1, basis));
    MZV_TRY(mzv_poly_lift(s, rows, (const int64_t *)p->words, 0));
    *out = mzv_view(rows);
    return MZV_OK;
}

/* The largest r <= log2(n) for which all indices of coefficients that are not zero are multiples of 2^r. */
static uint32_t common_zeros(const int64_t *coefficient, size_t n) {
    size_t all = n;
    for (size_t k = 1; k < n; k++)
        if (coefficient[k] != 0) all |= k;
    return (uint32_t)__builtin_ctzll(all);
}

/* Coefficients of slots, on the backend. */
static mzv_status upload_coefficients(mzv_ckks *ck, mzv_plain *p, const mzv_complex *slots) {
    mzv_stream *s = ck->ev.stream;
    const size_t n = (size_t)1 << ck->ev.log_n;
    int64_t *coefficient = NULL;
    mzv_complex *work = NULL;
    mzv_status status;
    MZV_TRY_GOTO(MZV_NEW(&coefficient, n, "coefficients"), done);
    MZV_TRY_GOTO(MZV_NEW(&work, n / 2, "encoding"), done);
    MZV_TRY_GOTO(mzv_encode(ck->ev.ctx->embedding, coefficient, slots, p->scale, work), done);
    p->log_repeat = common_zeros(coefficient, n);
    MZV_TRY_GOTO(s->ops->alloc(s, &p->words, n), done);
    MZV_TRY_GOTO(s->ops->upload(s, p->words, (const uint64_t *)coefficient, n), done);
    MZV_TRY_GOTO(s->ops->synchronize(s), done);
done:
    mzv_free(work);
    mzv_free(coefficient);
    return status;
}

static mzv_status plain_create(mzv_plain **out, mzv_evaluator *ev, const mzv_complex *slots, uint32_t level,
                               double scale) {
    mzv_plain *p = NULL;
    MZV_TRY(mzv_plain_new(&p, ev, level, scale));
    const mzv_status status = upload_coefficients((mzv_ckks *)ev, p, slots);
    if (status != MZV_OK) {
        mzv_plain_destroy(p);
        return status;
    }
    *out = p;
    return MZV_OK;
}

static mzv_status cipher_create(mzv_cipher **out, mzv_evaluator *ev, uint32_t level, uint32_t batch) {
    return mzv_cipher_create(out, ev->ctx, level, batch);
}

static size_t cipher_words(const mzv_evaluator *ev, uint32_t level) {
    const mzv_shape shape = mzv_shape_of(ev, level, 1);
    return mzv_words_cipher(&shape);
}

static void destroy(mzv_evaluator *ev) {
    mzv_ckks *ck = (mzv_ckks *)ev;
    if (ev->stream != NULL) {
        ev->stream->ops->free(ev->stream, ck->imaginary);
        ev->stream->ops->free(ev->stream, ck->monomial);
        ev->stream->ops->stream_close(ev->stream);
    }
    mzv_free(ck);
}

static const mzv_evaluator_ops ckks_ops = {
    .kind = "ckks",
    .destroy = destroy,
    .cipher_create = cipher_create,
    .cipher_words = cipher_words,
    .plain_create = plain_create,
    .copy = mzv_ckks_copy,
    .add = mzv_ckks_add,
    .sub = mzv_ckks_sub,
    .add_const = mzv_ckks_add_const,
    .add_plain = mzv_ckks_add_plain,
    .mul_plain = mzv_ckks_mul_plain,
    .combine = mzv_ckks_combine,
    .mul_integer = mzv_ckks_mul_integer,
    .mul_monomial = mzv_ckks_mul_monomial,
    .dot = mzv_ckks_dot,
    .drop = mzv_ckks_drop,
    .rotate_many = mzv_ckks_rotate_many,
    .rotate_sum = mzv_ckks_rotate_sum,
    .conjugate = mzv_ckks_conjugate,
    .mul_columns = mzv_ckks_mul_columns,
    .linear = mzv_ckks_linear,
    .linear_split = mzv_ckks_linear_split,
    .mod_raise = mzv_ckks_mod_raise,
};

static void fill_constants(mzv_ckks *ck) {
    const uint64_t *prime = ck->ev.ctx->facts.primes;
    const uint32_t n_special = ck->ev.ctx->params.n_special;
    for (uint32_t i = 0; i <= ck->ev.max_level; i++) {
        const mzv_modulus m = mzv_modulus_make(prime[n_special + i]);
        ck->modulus[i] = m;
        ck->special[i] = 1;
        for (uint32_t k = 0; k < n_special; k++)
            ck->special[i] = mzv_mod_mul(ck->special[i], mzv_mod_reduce(prime[k], m), m);
    }
}

static mzv_status upload_monomial(mzv_ckks *ck) {
    mzv_stream *s = ck->ev.stream;
    const size_t n = (size_t)1 << ck->ev.log_n;
    uint64_t *host = NULL;
    mzv_status status;
    MZV_TRY_GOTO(MZV_NEW(&host, n, "monomial"), done);
    host[1] = 1;
    MZV_TRY_GOTO(s->ops->alloc(s, &ck->monomial, n), done);
    MZV_TRY_GOTO(s->ops->upload(s, ck->monomial, host, n), done);
    MZV_TRY_GOTO(s->ops->synchronize(s), done);
done:
    mzv_free(host);
    return status;
}

mzv_status mzv_ckks_power_of_x(const mzv_ckks *ck, mzv_poly rows, uint32_t log_power) {
    mzv_stream *s = ck->ev.stream;
    MZV_TRY(mzv_poly_lift(s, rows, (const int64_t *)ck->monomial, 0));
    for (uint32_t i = 0; i < log_power; i++) MZV_TRY(mzv_poly_mul(s, rows, mzv_view(rows), mzv_view(rows)));
    return MZV_OK;
}

/* Powers of X are made on the backend, from X: an operation that uploads could not be recorded. */
static mzv_status fill_powers(mzv_ckks *ck) {
    mzv_stream *s = ck->ev.stream;
    const size_t n_words = (size_t)(ck->ev.max_level + 1) << ck->ev.log_n;
    MZV_TRY(upload_monomial(ck));
    MZV_TRY(s->ops->alloc(s, &ck->imaginary, n_words));
    const mzv_poly rows = { ck->imaginary, n_words, 1, mzv_basis_q(ck->ev.max_level) };
    MZV_TRY(mzv_ckks_power_of_x(ck, rows, ck->ev.log_n - 1));
    return s->ops->synchronize(s);
}

static mzv_status open_ckks(mzv_ckks *ck, size_t scratch_bytes) {
    const mzv_shape top = mzv_shape_of(&ck->ev, ck->ev.max_level, 1);
    const size_t n_words = scratch_bytes == 0 ? mzv_words_dot(&top) : (scratch_bytes + 7) / 8;
    fill_constants(ck);
    MZV_TRY(ck->ev.ctx->ops->stream_open(&ck->ev.stream, ck->ev.ctx->backend));
    MZV_TRY(mzv_scratch_reserve(ck->ev.stream, n_words));
    return fill_powers(ck);
}

mzv_status mzv_evaluator_create(mzv_evaluator **out, const mzv_context *ctx, const mzv_keys *keys,
                                size_t scratch_bytes) {
    mzv_ckks *ck = NULL;
    mzv_status status;
    if (out == NULL || ctx == NULL) return mzv_fail(MZV_ERR_ARGUMENT, "evaluator: context or out is NULL");
    if (keys != NULL && memcmp(keys->ctx->facts.id, ctx->facts.id, MZV_ID_BYTES) != 0)
        return mzv_fail(MZV_ERR_MISMATCH, "evaluator: the keys belong to other parameters");
    MZV_TRY(MZV_NEW(&ck, 1, "evaluator"));
    ck->ev.ctx = ctx;
    ck->keys = keys;
    ck->grows = scratch_bytes == 0;
    MZV_TRY_GOTO(mzv_evaluator_init(&ck->ev, &ckks_ops, &ctx->params), fail);
    MZV_TRY_GOTO(open_ckks(ck, scratch_bytes), fail);
    *out = &ck->ev;
    return MZV_OK;
fail:
    ck->ev.ops = &ckks_ops;
    destroy(&ck->ev);
    return status;
}
