/* Encoded vectors of slots: making, keeping values, destroying. */
#include "ckks/plain.h"

#include <string.h>

#include "base/arena.h"
#include "base/try.h"
#include "ckks/eval_kind.h"
#include "ckks/keyswitch.h"

#define COMPACT_FROM 3 /* log_repeat: below, an eighth and more of all words would be kept */

static void count_bytes(mzv_plain *p, size_t n_bytes) {
    p->n_bytes += n_bytes;
    mzv_evaluator_plain_bytes(p->ev, n_bytes);
}

mzv_status mzv_plain_new(mzv_plain **out, mzv_evaluator *ev, uint32_t level, double scale) {
    mzv_plain *p = NULL;
    MZV_TRY(MZV_NEW(&p, 1, "plaintext"));
    p->ev = ev;
    p->kind = ev->ops->kind;
    memcpy(p->params_id, ev->facts.id, MZV_ID_BYTES);
    p->level = level;
    p->scale = scale;
    count_bytes(p, (size_t)8 << ev->log_n);
    *out = p;
    return MZV_OK;
}

mzv_status mzv_plain_keep(mzv_plain *p, bool special) {
    mzv_evaluator *ev = p->ev;
    mzv_stream *s = ev->stream;
    const mzv_basis basis = mzv_basis_qp(special ? ev->params.n_special : 0, p->level);
    const size_t n_words = (size_t)mzv_basis_size(basis) << ev->log_n;
    if (p->rows_basis.n_q != 0) return mzv_fail(MZV_ERR_ARGUMENT, "plain_keep: the values are kept already");
    if (s != NULL) {
        uint64_t *words = NULL;
        MZV_TRY(s->ops->alloc(s, &words, n_words));
        const mzv_poly rows = { words, n_words, 1, basis };
        const mzv_status status = mzv_poly_lift(s, rows, (const int64_t *)p->words, 0);
        if (status != MZV_OK) {
            s->ops->free(s, words);
            return status;
        }
        p->rows = words;
    }
    p->rows_basis = basis;
    count_bytes(p, 8 * n_words);
    return MZV_OK;
}

/* The first of every 2^log_repeat words, which are equal. In host memory. */
static void gather(uint64_t *words, size_t n, uint32_t log_repeat) {
    for (size_t k = 0; k < n >> log_repeat; k++) words[k] = words[k << log_repeat];
}

/* Values modulo `basis` on the host, by way of backend memory; then each once. */
static mzv_status fetch_compact(const mzv_plain *p, uint64_t *host, mzv_basis basis) {
    mzv_stream *s = p->ev->stream;
    const size_t n_words = (size_t)mzv_basis_size(basis) << p->ev->log_n;
    uint64_t *words = NULL;
    mzv_status status;
    MZV_TRY(s->ops->alloc(s, &words, n_words));
    const mzv_poly rows = { words, n_words, 1, basis };
    MZV_TRY_GOTO(mzv_poly_lift(s, rows, (const int64_t *)p->words, 0), done);
    MZV_TRY_GOTO(s->ops->download(s, host, words, n_words), done);
    MZV_TRY_GOTO(s->ops->synchronize(s), done);
    gather(host, n_words, p->log_repeat);
done:
    s->ops->free(s, words);
    return status;
}

mzv_status mzv_plain_keep_compact(mzv_plain *p) {
    mzv_evaluator *ev = p->ev;
    mzv_stream *s = ev->stream;
    const mzv_basis basis = mzv_basis_qp(ev->params.n_special, p->level);
    const size_t n_words = (size_t)mzv_basis_size(basis) << ev->log_n, n_kept = n_words >> p->log_repeat;
    mzv_status status = MZV_OK;
    uint64_t *host = NULL, *words = NULL;
    if (s == NULL || p->log_repeat < COMPACT_FROM || p->compact != NULL) return MZV_OK;
    MZV_TRY(MZV_NEW(&host, n_words, "values of a plaintext"));
    MZV_TRY_GOTO(fetch_compact(p, host, basis), done);
    MZV_TRY_GOTO(s->ops->alloc(s, &words, n_kept), done);
    p->compact = words;
    p->compact_basis = basis;
    count_bytes(p, 8 * n_kept);
    MZV_TRY_GOTO(s->ops->upload(s, words, host, n_kept), done);
    MZV_TRY_GOTO(s->ops->synchronize(s), done);
done:
    mzv_free(host);
    return status;
}

void mzv_plain_destroy(mzv_plain *p) {
    if (p == NULL) return;
    mzv_stream *s = p->ev->stream;
    p->ev->plain_alive -= p->n_bytes;
    if (s != NULL) {
        s->ops->free(s, p->rows);
        s->ops->free(s, p->compact);
        s->ops->free(s, p->words);
    } else {
        mzv_free(p->words);
    }
    mzv_free(p);
}
