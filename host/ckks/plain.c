/* Encoded vectors of slots: making, keeping values, destroying. */
#include "ckks/plain.h"

#include <string.h>

#include "base/arena.h"
#include "base/try.h"
#include "ckks/keyswitch.h"

static void count_bytes(mzv_plain *p, size_t n_bytes) {
    mzv_evaluator *ev = p->ev;
    p->n_bytes += n_bytes;
    ev->plain_alive += n_bytes;
    if (ev->plain_alive > ev->counts.plain_bytes) ev->counts.plain_bytes = ev->plain_alive;
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

void mzv_plain_destroy(mzv_plain *p) {
    if (p == NULL) return;
    mzv_stream *s = p->ev->stream;
    p->ev->plain_alive -= p->n_bytes;
    if (s != NULL) {
        s->ops->free(s, p->rows);
        s->ops->free(s, p->words);
    } else {
        mzv_free(p->words);
    }
    mzv_free(p);
}
