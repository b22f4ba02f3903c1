/* The public operations: operands are checked here, once for all kinds, then the table of the kind works.
 *
 * Failure. Everything that can be wrong with operands, keys or scratch is tested before the first word of an
 * output is written; kinds test keys and scratch at the head of each operation. After that only a fault of
 * the device can fail, and what an output then holds has no meaning.
 *
 * Counts are per ciphertext: an operation on a batch of three counts three. */
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/try.h"
#include "ckks/columns.h"
#include "ckks/eval_kind.h"
#include "ckks/recording.h"
#include "ckks/security.h"

#define SCALE_TOLERANCE 1e-9 /* relative; scales of one level are equal but for rounding of doubles */

/* Checks */

static mzv_status check_scale(const char *op, double scale, double expected) {
    if (!(fabs(scale - expected) <= SCALE_TOLERANCE * expected))
        return mzv_fail(MZV_ERR_SCALE, "%s: scale 2^%.12f, need 2^%.12f; rescale or mzv_drop first", op,
                        log2(scale), log2(expected));
    return MZV_OK;
}

/* Ciphertexts of ckks have a context, those of clear have words, those of count neither. */
static mzv_status check_kind(const mzv_evaluator *ev, const char *op, const mzv_cipher *ct) {
    const bool has_words = ev->ctx != NULL || ev->arena.base != NULL;
    if ((ev->ctx != NULL) != (ct->ctx != NULL) || (has_words && ct->words == NULL))
        return mzv_fail(MZV_ERR_ARGUMENT, "%s: an operand is of another kind of evaluator than %s", op,
                        ev->ops->kind);
    return MZV_OK;
}

/* `a` holds a value of this evaluator's parameters, at its level's scale. */
static mzv_status check_value(const mzv_evaluator *ev, const char *op, const mzv_cipher *a) {
    if (ev == NULL || a == NULL) return mzv_fail(MZV_ERR_ARGUMENT, "%s: evaluator or operand is NULL", op);
    if (!(a->scale > 0)) return mzv_fail(MZV_ERR_ARGUMENT, "%s: an operand holds no value yet", op);
    if (memcmp(a->params_id, ev->facts.id, MZV_ID_BYTES) != 0)
        return mzv_fail(MZV_ERR_MISMATCH, "%s: an operand was made under other parameters", op);
    MZV_TRY(check_kind(ev, op, a));
    MZV_TRY(mzv_recording_check(ev, op, a));
    if (a->level > ev->max_level)
        return mzv_fail(MZV_ERR_LEVEL, "%s: level %u, the parameters have %u", op, a->level, ev->max_level);
    return check_scale(op, a->scale, ev->facts.scale[a->level]);
}

static mzv_status check_same_key(const char *op, const mzv_cipher *a, const mzv_cipher *b) {
    if (memcmp(a->key_id, b->key_id, MZV_ID_BYTES) != 0)
        return mzv_fail(MZV_ERR_MISMATCH, "%s: operands are encrypted under different keys", op);
    return MZV_OK;
}

static mzv_status check_pair(const mzv_evaluator *ev, const char *op, const mzv_cipher *a,
                             const mzv_cipher *b) {
    MZV_TRY(check_value(ev, op, a));
    MZV_TRY(check_value(ev, op, b));
    if (a->level != b->level)
        return mzv_fail(MZV_ERR_LEVEL, "%s: levels %u and %u differ; mzv_drop the higher one", op, a->level,
                        b->level);
    if (a->batch != b->batch)
        return mzv_fail(MZV_ERR_ARGUMENT, "%s: batches %u and %u differ", op, a->batch, b->batch);
    return check_same_key(op, a, b);
}

static mzv_status check_room(const mzv_evaluator *ev, const char *op, const mzv_cipher *out, uint32_t level,
                             uint32_t batch) {
    if (out == NULL) return mzv_fail(MZV_ERR_ARGUMENT, "%s: out is NULL", op);
    MZV_TRY(check_kind(ev, op, out));
    MZV_TRY(mzv_recording_check_result(ev, op, out, level));
    if (out->capacity <= level)
        return mzv_fail(MZV_ERR_ARGUMENT, "%s: out has room for %u limbs, need %u", op, out->capacity,
                        level + 1);
    if (out->batch != batch)
        return mzv_fail(MZV_ERR_ARGUMENT, "%s: out has batch %u, need %u", op, out->batch, batch);
    return MZV_OK;
}

/* One level can be spent. */
static mzv_status check_spend(const char *op, uint32_t level) {
    if (level == 0) return mzv_fail(MZV_ERR_LEVEL, "%s: level 0, need at least 1; bootstrap first", op);
    return MZV_OK;
}

/* One operand to one result `spend` levels lower. */
static mzv_status check_unary(const mzv_evaluator *ev, const char *op, const mzv_cipher *out,
                              const mzv_cipher *a, uint32_t spend) {
    MZV_TRY(check_value(ev, op, a));
    if (spend != 0) MZV_TRY(check_spend(op, a->level));
    return check_room(ev, op, out, a->level - spend, a->batch);
}

static mzv_status check_plain(const mzv_evaluator *ev, const char *op, const mzv_cipher *a,
                              const mzv_plain *p) {
    if (p == NULL) return mzv_fail(MZV_ERR_ARGUMENT, "%s: the plaintext is NULL", op);
    if (memcmp(p->params_id, ev->facts.id, MZV_ID_BYTES) != 0 || p->ev->ctx != ev->ctx ||
        strcmp(p->kind, ev->ops->kind) != 0)
        return mzv_fail(MZV_ERR_MISMATCH, "%s: the plaintext is of other parameters, another context or kind",
                        op);
    if (p->level != a->level)
        return mzv_fail(MZV_ERR_LEVEL, "%s: the plaintext is for level %u, the ciphertext at %u", op,
                        p->level, a->level);
    return MZV_OK;
}

static mzv_status check_terms(const char *op, const void *a, const void *b, uint32_t n) {
    if (a == NULL || b == NULL || n == 0)
        return mzv_fail(MZV_ERR_ARGUMENT, "%s: %u terms, need at least 1 and arrays for them", op, n);
    return MZV_OK;
}

double mzv_factor_scale(const mzv_evaluator *ev, uint32_t level) {
    const mzv_param_facts *f = &ev->facts;
    return (double)f->primes[ev->params.n_special + level] * (f->scale[level - 1] / f->scale[level]);
}

/* Results */

static void set_result(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, uint32_t level) {
    out->level = level;
    out->scale = ev->facts.scale[level];
    out->public_seeded = false;
    out->insecure = ev->params.insecure_toy || a->insecure;
    memmove(out->params_id, a->params_id, MZV_ID_BYTES);
    memmove(out->key_id, a->key_id, MZV_ID_BYTES);
    if (level < ev->counts.min_level) ev->counts.min_level = level;
}

/* A handle with its own memory is complete when the call returns; temporaries of circuits need not be, and a
 * stream that records computes nothing. */
static mzv_status finish(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, uint32_t level) {
    set_result(ev, out, a, level);
    if (ev->stream != NULL && out->owner != NULL && !ev->stream->records)
        return ev->stream->ops->synchronize(ev->stream);
    return MZV_OK;
}

/* Evaluator */

void mzv_evaluator_destroy(mzv_evaluator *ev) {
    if (ev != NULL) ev->ops->destroy(ev);
}

uint32_t mzv_evaluator_slots(const mzv_evaluator *ev) { return ev->n_slots; }
uint32_t mzv_evaluator_max_level(const mzv_evaluator *ev) { return ev->max_level; }
const char *mzv_evaluator_kind(const mzv_evaluator *ev) { return ev->ops->kind; }
const mzv_counts *mzv_evaluator_counts(const mzv_evaluator *ev) { return &ev->counts; }

void mzv_evaluator_counts_reset(mzv_evaluator *ev) {
    const mzv_counts none = { .min_level = ev->max_level,
                              .peak_bytes = 8 * mzv_ev_temporaries(ev)->used,
                              .plain_bytes = ev->plain_alive };
    ev->counts = none;
}

mzv_status mzv_evaluator_init(mzv_evaluator *ev, const mzv_evaluator_ops *ops, const mzv_params *params) {
    ev->ops = ops;
    ev->params = *params;
    MZV_TRY(mzv_params_check(params, &ev->facts));
    ev->log_n = params->log_n;
    ev->n_slots = 1u << (params->log_n - 1);
    ev->max_level = params->n_levels;
    mzv_evaluator_counts_reset(ev);
    return MZV_OK;
}

void mzv_evaluator_peak(mzv_evaluator *ev, size_t n_words) {
    const size_t bytes = 8 * (mzv_ev_temporaries(ev)->used + n_words);
    if (bytes > ev->counts.peak_bytes) ev->counts.peak_bytes = bytes;
}

void mzv_evaluator_plain_bytes(mzv_evaluator *ev, size_t n_bytes) {
    ev->plain_alive += n_bytes;
    if (ev->plain_alive > ev->counts.plain_bytes) ev->counts.plain_bytes = ev->plain_alive;
}

size_t mzv_ev_mark(const mzv_evaluator *ev) {
    return ev->stream != NULL ? ev->stream->scratch.used : ev->arena.used;
}

void mzv_ev_release(mzv_evaluator *ev, size_t mark) { mzv_ev_temporaries(ev)->used = mark; }

/* On count the arena has no memory and no end. */
static mzv_status take_host(mzv_evaluator *ev, uint64_t **out, size_t n_words) {
    mzv_scratch *arena = &ev->arena;
    if (arena->n_words - arena->used < n_words)
        return mzv_fail(MZV_ERR_MEMORY,
                        "%s evaluator: %zu bytes wanted, %zu of %zu left; create it with more scratch_bytes",
                        ev->ops->kind, 8 * n_words, 8 * (arena->n_words - arena->used), 8 * arena->n_words);
    *out = arena->base == NULL ? NULL : arena->base + arena->used;
    arena->used += n_words;
    return MZV_OK;
}

mzv_status mzv_ev_take_words(mzv_evaluator *ev, uint64_t **out, size_t n_words) {
    if (ev->stream != NULL) {
        MZV_TRY(mzv_take_words(ev->stream, out, n_words));
    } else {
        MZV_TRY(take_host(ev, out, n_words));
    }
    mzv_evaluator_peak(ev, 0);
    return MZV_OK;
}

mzv_status mzv_ev_take(mzv_evaluator *ev, mzv_cipher *out, uint32_t level, uint32_t batch) {
    mzv_cipher fresh = { .level = level, .batch = batch, .capacity = level + 1, .ctx = ev->ctx };
    if (level > ev->max_level || batch == 0)
        return mzv_fail(MZV_ERR_ARGUMENT, "take: level %u of %u, batch %u, need at least 1", level,
                        ev->max_level, batch);
    MZV_TRY(mzv_ev_take_words(ev, &fresh.words, batch * ev->ops->cipher_words(ev, level)));
    *out = fresh;
    return MZV_OK;
}

/* Of clear, with words, or of count, without. */
static mzv_status host_cipher(mzv_cipher **out, const mzv_evaluator *ev, uint32_t level, uint32_t batch) {
    mzv_cipher *ct = NULL;
    MZV_TRY(MZV_NEW(&ct, 1, "cipher"));
    ct->level = level;
    ct->batch = batch;
    ct->capacity = level + 1;
    if (ev->arena.base != NULL) {
        const mzv_status status = MZV_NEW(&ct->words, batch * ev->ops->cipher_words(ev, level), "slots");
        if (status != MZV_OK) {
            mzv_free(ct);
            return status;
        }
    }
    *out = ct;
    return MZV_OK;
}

mzv_status mzv_evaluator_cipher(mzv_cipher **out, mzv_evaluator *ev, uint32_t level, uint32_t batch) {
    if (out == NULL || ev == NULL || level > ev->max_level || batch == 0)
        return mzv_fail(MZV_ERR_ARGUMENT, "cipher: level %u of %u, batch %u, need at least 1", level,
                        ev == NULL ? 0 : ev->max_level, batch);
    if (ev->ops->cipher_create != NULL) return ev->ops->cipher_create(out, ev, level, batch);
    return host_cipher(out, ev, level, batch);
}

mzv_status mzv_clear_set(mzv_evaluator *ev, mzv_cipher *out, const mzv_complex *slots, uint32_t level) {
    if (ev == NULL || out == NULL) return mzv_fail(MZV_ERR_ARGUMENT, "clear_set: evaluator or out is NULL");
    if (ev->ops->set == NULL)
        return mzv_fail(MZV_ERR_ARGUMENT, "clear_set: a %s evaluator encrypts with mzv_encrypt",
                        ev->ops->kind);
    if (level > ev->max_level)
        return mzv_fail(MZV_ERR_LEVEL, "clear_set: level %u, the parameters have %u", level, ev->max_level);
    MZV_TRY(check_room(ev, "clear_set", out, level, out->batch));
    MZV_TRY(ev->ops->set(ev, out, slots, level));
    mzv_cipher origin = { .level = level };
    memcpy(origin.params_id, ev->facts.id, MZV_ID_BYTES);
    set_result(ev, out, &origin, level);
    return MZV_OK;
}

mzv_status mzv_clear_get(mzv_evaluator *ev, mzv_complex *slots, const mzv_cipher *ct) {
    MZV_TRY(check_value(ev, "clear_get", ct));
    if (ev->ops->get == NULL)
        return mzv_fail(MZV_ERR_ARGUMENT, "clear_get: a %s evaluator decrypts with mzv_decrypt",
                        ev->ops->kind);
    return ev->ops->get(ev, slots, ct);
}

/* Plaintexts */

mzv_status mzv_plain_create(mzv_plain **out, mzv_evaluator *ev, const mzv_complex *slots, uint32_t level,
                            mzv_plain_use use) {
    if (out == NULL || ev == NULL) return mzv_fail(MZV_ERR_ARGUMENT, "plain: evaluator or out is NULL");
    if (level > ev->max_level)
        return mzv_fail(MZV_ERR_LEVEL, "plain: level %u, the parameters have %u", level, ev->max_level);
    if (use == MZV_PLAIN_MUL) MZV_TRY(check_spend("plain", level));
    return ev->ops->plain_create(out, ev, slots, level,
                                 use == MZV_PLAIN_MUL ? mzv_factor_scale(ev, level) : ev->facts.scale[level]);
}

/* Operations without a level */

mzv_status mzv_copy(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a) {
    MZV_TRY(check_unary(ev, "copy", out, a, 0));
    if (out != a) MZV_TRY(ev->ops->copy(ev, out, a, 0));
    return finish(ev, out, a, a->level);
}

mzv_status mzv_slice(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, uint32_t first) {
    MZV_TRY(check_value(ev, "slice", a));
    if (out == NULL || out == a) return mzv_fail(MZV_ERR_ARGUMENT, "slice: out is NULL or the operand");
    MZV_TRY(check_room(ev, "slice", out, a->level, out->batch));
    if (first > a->batch || out->batch > a->batch - first)
        return mzv_fail(MZV_ERR_ARGUMENT, "slice: %u entries from %u on, the operand has %u", out->batch,
                        first, a->batch);
    MZV_TRY(ev->ops->copy(ev, out, a, first));
    return finish(ev, out, a, a->level);
}

mzv_status mzv_add(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_cipher *b) {
    MZV_TRY(check_pair(ev, "add", a, b));
    MZV_TRY(check_room(ev, "add", out, a->level, a->batch));
    MZV_TRY(ev->ops->add(ev, out, a, b));
    ev->counts.n_add += a->batch;
    return finish(ev, out, a, a->level);
}

mzv_status mzv_sub(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_cipher *b) {
    MZV_TRY(check_pair(ev, "sub", a, b));
    MZV_TRY(check_room(ev, "sub", out, a->level, a->batch));
    MZV_TRY(ev->ops->sub(ev, out, a, b));
    ev->counts.n_add += a->batch;
    return finish(ev, out, a, a->level);
}

mzv_status mzv_add_const(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, mzv_complex c) {
    MZV_TRY(check_unary(ev, "add_const", out, a, 0));
    if (!isfinite(__real__ c) || !isfinite(__imag__ c))
        return mzv_fail(MZV_ERR_RANGE, "add_const: %g + %gi is not finite", __real__ c, __imag__ c);
    MZV_TRY(ev->ops->add_const(ev, out, a, c));
    ev->counts.n_add += a->batch;
    return finish(ev, out, a, a->level);
}

mzv_status mzv_add_plain(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_plain *p) {
    MZV_TRY(check_unary(ev, "add_plain", out, a, 0));
    MZV_TRY(check_plain(ev, "add_plain", a, p));
    MZV_TRY(check_scale("add_plain", p->scale, a->scale));
    MZV_TRY(ev->ops->add_plain(ev, out, a, p));
    ev->counts.n_add += a->batch;
    return finish(ev, out, a, a->level);
}

static mzv_status times_integer(mzv_evaluator *ev, const char *op, mzv_cipher *out, const mzv_cipher *a,
                                int64_t k) {
    MZV_TRY(check_unary(ev, op, out, a, 0));
    MZV_TRY(ev->ops->mul_integer(ev, out, a, k));
    ev->counts.n_mul_const += a->batch;
    return finish(ev, out, a, a->level);
}

mzv_status mzv_negate(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a) {
    return times_integer(ev, "negate", out, a, -1);
}

mzv_status mzv_mul_integer(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, int64_t k) {
    return times_integer(ev, "mul_integer", out, a, k);
}

mzv_status mzv_mul_monomial(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, uint32_t k) {
    MZV_TRY(check_unary(ev, "mul_monomial", out, a, 0));
    if (k >= 4 * ev->n_slots)
        return mzv_fail(MZV_ERR_ARGUMENT, "mul_monomial: X^%u, need less than 2N = %u", k, 4 * ev->n_slots);
    MZV_TRY(ev->ops->mul_monomial(ev, out, a, k));
    ev->counts.n_mul_const += a->batch;
    return finish(ev, out, a, a->level);
}

mzv_status mzv_mul_i(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a) {
    if (ev == NULL) return mzv_fail(MZV_ERR_ARGUMENT, "mul_i: evaluator is NULL");
    return mzv_mul_monomial(ev, out, a, ev->n_slots); /* X^(N/2) is i in every slot */
}

/* Operations that spend levels */

mzv_status mzv_mul_plain(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_plain *p) {
    MZV_TRY(check_unary(ev, "mul_plain", out, a, 1));
    MZV_TRY(check_plain(ev, "mul_plain", a, p));
    MZV_TRY(check_scale("mul_plain", p->scale, mzv_factor_scale(ev, a->level)));
    MZV_TRY(ev->ops->mul_plain(ev, out, a, p));
    ev->counts.n_mul_plain += a->batch;
    ev->counts.n_rescale += a->batch;
    return finish(ev, out, a, a->level - 1);
}

static mzv_status check_columns(const mzv_evaluator *ev, const mzv_cipher *out, const mzv_cipher *a,
                                const mzv_columns *columns) {
    MZV_TRY(check_value(ev, "mul_columns", a));
    if (columns == NULL) return mzv_fail(MZV_ERR_ARGUMENT, "mul_columns: the matrix is NULL");
    if (columns->ev->ops != ev->ops || columns->ev->ctx != ev->ctx ||
        memcmp(columns->ev->facts.id, ev->facts.id, MZV_ID_BYTES) != 0)
        return mzv_fail(MZV_ERR_MISMATCH, "mul_columns: the matrix is of another context or another kind");
    if (columns->level != a->level)
        return mzv_fail(MZV_ERR_LEVEL, "mul_columns: the matrix is for level %u, the ciphertext at %u",
                        columns->level, a->level);
    if (a->batch != columns->matrix.n_in)
        return mzv_fail(MZV_ERR_ARGUMENT, "mul_columns: %u columns, the matrix takes %u", a->batch,
                        columns->matrix.n_in);
    if (out == a) return mzv_fail(MZV_ERR_ARGUMENT, "mul_columns: out is the operand");
    return check_room(ev, "mul_columns", out, a->level - 1, columns->matrix.n_out);
}

mzv_status mzv_mul_columns(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a,
                           const mzv_columns *columns) {
    MZV_TRY(check_columns(ev, out, a, columns));
    MZV_TRY(ev->ops->mul_columns(ev, out, a, columns));
    ev->counts.n_mul_const += (uint64_t)columns->matrix.n_out * columns->matrix.n_in;
    ev->counts.n_rescale += columns->matrix.n_out;
    return finish(ev, out, a, a->level - 1);
}

static mzv_status check_combine(const mzv_evaluator *ev, const mzv_cipher *const *a, const double *c,
                                uint32_t n, double constant) {
    MZV_TRY(check_terms("combine", a, c, n));
    for (uint32_t i = 0; i < n; i++) {
        MZV_TRY(check_value(ev, "combine", a[i]));
        MZV_TRY(check_same_key("combine", a[0], a[i]));
        if (a[i]->batch != a[0]->batch)
            return mzv_fail(MZV_ERR_ARGUMENT, "combine: batches %u and %u differ", a[0]->batch, a[i]->batch);
        if (!isfinite(c[i])) return mzv_fail(MZV_ERR_RANGE, "combine: constant %u is %g", i, c[i]);
    }
    if (!isfinite(constant)) return mzv_fail(MZV_ERR_RANGE, "combine: the added constant is %g", constant);
    return MZV_OK;
}

uint32_t mzv_lowest_level(const mzv_cipher *const *a, uint32_t n) {
    uint32_t level = a[0]->level;
    for (uint32_t i = 1; i < n; i++) level = a[i]->level < level ? a[i]->level : level;
    return level;
}

mzv_status mzv_combine(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *a, const double *c,
                       uint32_t n, double constant) {
    MZV_TRY(check_combine(ev, a, c, n, constant));
    const uint32_t level = mzv_lowest_level(a, n);
    MZV_TRY(check_spend("combine", level));
    MZV_TRY(check_room(ev, "combine", out, level - 1, a[0]->batch));
    MZV_TRY(ev->ops->combine(ev, out, a, c, n, constant));
    ev->counts.n_mul_const += (uint64_t)n * a[0]->batch;
    ev->counts.n_rescale += a[0]->batch;
    return finish(ev, out, a[0], level - 1);
}

mzv_status mzv_mul_const(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, double c) {
    return mzv_combine(ev, out, &a, &c, 1, 0.0);
}

/* Scales of levels that CoeffToSlot and the bridge take do not follow from squares. */
static mzv_status check_multiplies(const mzv_evaluator *ev, const char *op, uint32_t level) {
    const double scale = ev->facts.scale[level];
    const double q = (double)ev->facts.primes[ev->params.n_special + level];
    if (fabs(scale * scale / q / ev->facts.scale[level - 1] - 1) <= SCALE_TOLERANCE) return MZV_OK;
    return mzv_fail(MZV_ERR_LEVEL, "%s: level %u is for linear operations only; mzv_drop to level %u", op,
                    level, level - 1);
}

static mzv_status multiply(mzv_evaluator *ev, const char *op, mzv_cipher *out, const mzv_cipher *const *a,
                           const mzv_cipher *const *b, uint32_t n) {
    MZV_TRY(check_terms(op, a, b, n));
    for (uint32_t i = 0; i < n; i++) {
        MZV_TRY(check_pair(ev, op, a[i], b[i]));
        MZV_TRY(check_pair(ev, op, a[0], a[i]));
    }
    const uint32_t level = a[0]->level, batch = a[0]->batch;
    MZV_TRY(check_spend(op, level));
    MZV_TRY(check_multiplies(ev, op, level));
    MZV_TRY(check_room(ev, op, out, level - 1, batch));
    MZV_TRY(ev->ops->dot(ev, out, a, b, n));
    ev->counts.n_mul += (uint64_t)n * batch;
    ev->counts.n_key_switch += batch;
    ev->counts.n_mod_up += batch;
    ev->counts.n_rescale += batch;
    return finish(ev, out, a[0], level - 1);
}

mzv_status mzv_mul(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_cipher *b) {
    return multiply(ev, "mul", out, &a, &b, 1);
}

mzv_status mzv_dot(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *a, const mzv_cipher *const *b,
                   uint32_t n) {
    return multiply(ev, "dot", out, a, b, n);
}

mzv_status mzv_drop(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, uint32_t level) {
    MZV_TRY(check_value(ev, "drop", a));
    if (level > a->level) return mzv_fail(MZV_ERR_LEVEL, "drop: from level %u up to %u", a->level, level);
    MZV_TRY(check_room(ev, "drop", out, level, a->batch));
    if (level == a->level) return mzv_copy(ev, out, a);
    MZV_TRY(ev->ops->drop(ev, out, a, level));
    ev->counts.n_mul_const += a->batch;
    ev->counts.n_rescale += a->batch;
    return finish(ev, out, a, level);
}

/* Rotations */

/* How many of the steps move anything. */
static uint32_t moving(const mzv_evaluator *ev, const int32_t *steps, uint32_t n) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < n; i++) count += mzv_steps_reduced(ev->n_slots, steps[i]) != 0;
    return count;
}

static void count_rotations(mzv_evaluator *ev, uint32_t n_moving, uint32_t batch) {
    ev->counts.n_rotate += (uint64_t)n_moving * batch;
    ev->counts.n_key_switch += (uint64_t)n_moving * batch;
    ev->counts.n_mod_up += n_moving != 0 ? batch : 0;
}

mzv_status mzv_rotate(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, int32_t steps) {
    MZV_TRY(check_unary(ev, "rotate", out, a, 0));
    const uint32_t n_moving = moving(ev, &steps, 1);
    if (n_moving == 0) return mzv_copy(ev, out, a);
    MZV_TRY(ev->ops->rotate_many(ev, &out, a, &steps, 1));
    count_rotations(ev, n_moving, a->batch);
    return finish(ev, out, a, a->level);
}

static mzv_status check_outputs(const mzv_evaluator *ev, mzv_cipher *const *out, const mzv_cipher *a,
                                uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        MZV_TRY(check_unary(ev, "rotate_many", out[i], a, 0));
        for (uint32_t j = 0; j < i; j++) {
            if (out[j] == out[i])
                return mzv_fail(MZV_ERR_ARGUMENT, "rotate_many: outputs %u and %u are the same", j, i);
        }
        if (out[i] == a) return mzv_fail(MZV_ERR_ARGUMENT, "rotate_many: output %u is the operand", i);
    }
    return MZV_OK;
}

mzv_status mzv_rotate_many(mzv_evaluator *ev, mzv_cipher *const *out, const mzv_cipher *a,
                           const int32_t *steps, uint32_t n) {
    MZV_TRY(check_terms("rotate_many", (const void *)out, steps, n));
    MZV_TRY(check_outputs(ev, out, a, n));
    MZV_TRY(ev->ops->rotate_many(ev, out, a, steps, n));
    count_rotations(ev, moving(ev, steps, n), a->batch);
    for (uint32_t i = 0; i < n; i++) MZV_TRY(finish(ev, out[i], a, a->level));
    return MZV_OK;
}

mzv_status mzv_rotate_sum(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const int32_t *steps,
                          uint32_t n) {
    MZV_TRY(check_terms("rotate_sum", steps, steps, n));
    MZV_TRY(check_unary(ev, "rotate_sum", out, a, 0));
    MZV_TRY(ev->ops->rotate_sum(ev, out, a, steps, n));
    count_rotations(ev, moving(ev, steps, n), a->batch);
    ev->counts.n_add += (uint64_t)n * a->batch;
    return finish(ev, out, a, a->level);
}

mzv_status mzv_conjugate(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a) {
    MZV_TRY(check_unary(ev, "conjugate", out, a, 0));
    MZV_TRY(ev->ops->conjugate(ev, out, a));
    ev->counts.n_conjugate += a->batch;
    ev->counts.n_key_switch += a->batch;
    ev->counts.n_mod_up += a->batch;
    return finish(ev, out, a, a->level);
}

/* Linear transforms */

/* `batch`: that out has to have. */
static mzv_status check_linear(const mzv_evaluator *ev, const mzv_cipher *out, const mzv_cipher *a,
                               const mzv_bsgs *t, uint32_t batch) {
    MZV_TRY(check_value(ev, "linear", a));
    if (t == NULL || t->diagonal == NULL || mzv_bsgs_giants(t) == 0)
        return mzv_fail(MZV_ERR_ARGUMENT, "linear: the transform has no diagonal, need at least 1");
    if (a->level < t->level)
        return mzv_fail(MZV_ERR_LEVEL, "linear: level %u, the transform is for %u", a->level, t->level);
    MZV_TRY(check_spend("linear", t->level));
    MZV_TRY(check_room(ev, "linear", out, t->level - 1, batch));
    const mzv_cipher at = { .level = t->level };
    for (uint32_t i = 0; i < t->n_baby * t->n_giant; i++) {
        if (t->diagonal[i] == NULL) continue;
        MZV_TRY(check_plain(ev, "linear", &at, t->diagonal[i]));
        MZV_TRY(check_scale("linear", t->diagonal[i]->scale, mzv_factor_scale(ev, t->level)));
    }
    return MZV_OK;
}

static void count_linear(mzv_evaluator *ev, const mzv_bsgs *t, uint32_t batch) {
    uint32_t n_baby = 0;
    for (uint32_t b = 0; b < t->n_baby; b++)
        n_baby += mzv_bsgs_has_baby(t, b) && mzv_bsgs_baby_steps(ev, t, b) != 0;
    const uint32_t n_giant = mzv_steps_reduced(ev->n_slots, t->giant_step) == 0 ? 0 : mzv_bsgs_giants(t) - 1;
    ev->counts.n_linear += batch;
    ev->counts.n_rescale += batch;
    ev->counts.n_key_switch += (uint64_t)batch * (n_baby + n_giant);
    ev->counts.n_mod_up += (uint64_t)batch * ((n_baby != 0) + n_giant);
}

/* *a, or `cut` with a at the transform's level. */
static mzv_status cut_to_transform(mzv_evaluator *ev, const mzv_cipher **a, mzv_cipher *cut,
                                   const mzv_bsgs *t) {
    if ((*a)->level == t->level) return MZV_OK;
    MZV_TRY(mzv_ev_take(ev, cut, t->level, (*a)->batch));
    MZV_TRY(mzv_drop(ev, cut, *a, t->level));
    *a = cut;
    return MZV_OK;
}

mzv_status mzv_linear(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_bsgs *t) {
    const size_t mark = ev == NULL ? 0 : mzv_ev_mark(ev);
    mzv_status status = MZV_OK;
    mzv_cipher cut;
    MZV_TRY(check_linear(ev, out, a, t, a == NULL ? 0 : a->batch));
    MZV_TRY_GOTO(cut_to_transform(ev, &a, &cut, t), done);
    MZV_TRY_GOTO(ev->ops->linear(ev, out, a, t), done);
    count_linear(ev, t, a->batch);
    MZV_TRY_GOTO(finish(ev, out, a, t->level - 1), done);
done:
    mzv_ev_release(ev, mark);
    return status;
}

mzv_status mzv_linear_split(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_bsgs *t) {
    const size_t mark = ev == NULL ? 0 : mzv_ev_mark(ev);
    const bool both = out != NULL && a != NULL && out->batch == 2 * a->batch;
    mzv_status status = MZV_OK;
    mzv_cipher cut;
    MZV_TRY(check_linear(ev, out, a, t, both ? out->batch : a == NULL ? 0 : a->batch));
    if (out == a) return mzv_fail(MZV_ERR_ARGUMENT, "linear_split: out is the operand");
    MZV_TRY_GOTO(cut_to_transform(ev, &a, &cut, t), done);
    MZV_TRY_GOTO(ev->ops->linear_split(ev, out, a, t), done);
    count_linear(ev, t, a->batch);
    ev->counts.n_conjugate += a->batch;
    ev->counts.n_key_switch += a->batch;
    ev->counts.n_mod_up += a->batch;
    ev->counts.n_rescale += both ? a->batch : 0;
    MZV_TRY_GOTO(finish(ev, out, a, t->level - 1), done);
done:
    mzv_ev_release(ev, mark);
    return status;
}

mzv_status mzv_mod_raise(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a) {
    MZV_TRY(check_value(ev, "mod_raise", a));
    if (!mzv_params_boots(&ev->params))
        return mzv_fail(MZV_ERR_PARAMS, "mod_raise: the parameters have no levels for bootstrapping");
    if (a->level != 0)
        return mzv_fail(MZV_ERR_LEVEL, "mod_raise: level %u, need 0; mzv_drop first", a->level);
    if (out == a) return mzv_fail(MZV_ERR_ARGUMENT, "mod_raise: out is the operand");
    MZV_TRY(check_room(ev, "mod_raise", out, ev->max_level, a->batch));
    MZV_TRY(ev->ops->mod_raise(ev, out, a));
    ev->counts.n_key_switch += 2 * (uint64_t)a->batch;
    ev->counts.n_mod_up += 2 * (uint64_t)a->batch;
    return finish(ev, out, a, ev->max_level);
}
