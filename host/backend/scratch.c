/* The bump arena of a stream: one allocation, made once. */
#include "backend/backend.h"
#include "base/try.h"

#define ALIGN_WORDS 8 /* 64 bytes */

mzv_status mzv_take_words(mzv_stream *s, uint64_t **out, size_t n_words) {
    mzv_scratch *scratch = &s->scratch;
    const size_t left = scratch->n_words - scratch->used;
    if (n_words > left)
        return mzv_fail(MZV_ERR_MEMORY, "scratch: %zu words wanted, %zu of %zu left; reserve more", n_words,
                        left, scratch->n_words);
    const size_t rounded = (n_words + ALIGN_WORDS - 1) / ALIGN_WORDS * ALIGN_WORDS;
    *out = scratch->base + scratch->used;
    scratch->used += rounded < left ? rounded : left;
    if (scratch->used > scratch->peak) scratch->peak = scratch->used;
    return MZV_OK;
}

mzv_status mzv_take(mzv_stream *s, mzv_poly *out, uint32_t batch, mzv_basis basis) {
    const size_t stride = (size_t)mzv_basis_size(basis) << s->log_n;
    uint64_t *base = NULL;
    MZV_TRY(mzv_take_words(s, &base, batch * stride));
    const mzv_poly poly = { base, stride, batch, basis };
    *out = poly;
    return MZV_OK;
}

mzv_status mzv_scratch_reserve(mzv_stream *s, size_t n_words) {
    mzv_scratch *scratch = &s->scratch;
    uint64_t *base = NULL;
    if (n_words <= scratch->n_words) return MZV_OK;
    if (scratch->used != 0)
        return mzv_fail(MZV_ERR_ARGUMENT, "scratch: %zu words are in use; reserve before taking",
                        scratch->used);
    MZV_TRY(s->ops->alloc(s, &base, n_words));
    s->ops->free(s, scratch->base);
    scratch->base = base;
    scratch->n_words = n_words;
    return MZV_OK;
}
