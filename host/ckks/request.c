/* The keys that a circuit asks for: one entry a use, at the highest level asked for. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/try.h"
#include "ckks/keys.h"
#include "ckks/security.h"

mzv_status mzv_key_request_create(mzv_key_request **out) { return MZV_NEW(out, 1, "key request"); }

void mzv_key_request_destroy(mzv_key_request *request) {
    if (request == NULL) return;
    mzv_free(request->need);
    mzv_free(request);
}

static bool before(mzv_key_need a, mzv_key_need b) {
    return a.kind != b.kind ? a.kind < b.kind : a.steps < b.steps;
}

static mzv_status grow(mzv_key_request *request) {
    const uint32_t capacity = request->capacity == 0 ? 32 : 2 * request->capacity;
    mzv_key_need *need = NULL;
    if (request->n < request->capacity) return MZV_OK;
    MZV_TRY(MZV_NEW(&need, capacity, "key request"));
    if (request->n > 0) memcpy(need, request->need, request->n * sizeof *need);
    mzv_free(request->need);
    request->need = need;
    request->capacity = capacity;
    return MZV_OK;
}

mzv_status mzv_request_need(mzv_key_request *request, mzv_key_need need) {
    uint32_t at = 0;
    if (request == NULL) return mzv_fail(MZV_ERR_ARGUMENT, "key request: NULL");
    while (at < request->n && before(request->need[at], need)) at++;
    if (at < request->n && !before(need, request->need[at])) {
        if (need.level > request->need[at].level) request->need[at].level = need.level;
        request->need[at].n_uses += need.n_uses;
        return MZV_OK;
    }
    MZV_TRY(grow(request));
    memmove(request->need + at + 1, request->need + at, (request->n - at) * sizeof need);
    request->need[at] = need;
    request->n++;
    return MZV_OK;
}

mzv_status mzv_request_relinearize(mzv_key_request *request, uint32_t level) {
    return mzv_request_need(request, (mzv_key_need) { MZV_NEED_RELINEARIZE, 0, level, 1 });
}

mzv_status mzv_request_rotate(mzv_key_request *request, int32_t steps, uint32_t level) {
    return mzv_request_need(request, (mzv_key_need) { MZV_NEED_ROTATE, steps, level, 1 });
}

mzv_status mzv_request_conjugate(mzv_key_request *request, uint32_t level) {
    return mzv_request_need(request, (mzv_key_need) { MZV_NEED_CONJUGATE, 0, level, 1 });
}

mzv_status mzv_request_sparse(mzv_key_request *request, uint32_t level) {
    return mzv_request_need(request, (mzv_key_need) { MZV_NEED_SPARSE, 0, level, 1 });
}

static uint32_t galois_of_need(uint32_t log_n, mzv_key_need need) {
    if (need.kind == MZV_NEED_RELINEARIZE) return 1;
    if (need.kind == MZV_NEED_SPARSE) return MZV_KEY_FROM_SPARSE;
    return need.kind == MZV_NEED_CONJUGATE ? (2u << log_n) - 1 : mzv_galois_of(log_n, need.steps);
}

static int by_galois(const void *x, const void *y) {
    const mzv_key_shape *a = (const mzv_key_shape *)x, *b = (const mzv_key_shape *)y;
    return (a->galois > b->galois) - (a->galois < b->galois);
}

static mzv_status check_need(const mzv_params *params, mzv_key_need need) {
    if (need.kind == MZV_NEED_SPARSE && !mzv_params_boots(params))
        return mzv_fail(MZV_ERR_PARAMS,
                        "keys: a sparse secret is requested, the parameters have no bootstrapping");
    if (need.level > params->n_levels)
        return mzv_fail(MZV_ERR_LEVEL, "keys: a key at level %u is requested, the chain has %u", need.level,
                        params->n_levels);
    return MZV_OK;
}

mzv_status mzv_key_shapes(mzv_key_shape **out, uint32_t *n, const mzv_params *params,
                          const mzv_key_request *request) {
    uint32_t used = 0, kept = 0;
    mzv_key_shape *shapes = NULL;
    for (uint32_t i = 0; i < request->n; i++) MZV_TRY(check_need(params, request->need[i]));
    MZV_TRY(MZV_NEW(&shapes, 2 * (size_t)request->n + 1, "key request"));
    for (uint32_t i = 0; i < request->n; i++) {
        const mzv_key_need need = request->need[i];
        const mzv_key_shape shape = { galois_of_need(params->log_n, need), need.level, need.n_uses };
        if (need.kind != MZV_NEED_ROTATE || shape.galois != 1) shapes[used++] = shape;
        if (need.kind == MZV_NEED_SPARSE)
            shapes[used++] = (mzv_key_shape) { MZV_KEY_TO_SPARSE, 0, need.n_uses };
    }
    if (used > 0) qsort(shapes, used, sizeof *shapes, by_galois);
    for (uint32_t i = 0; i < used; i++) {
        mzv_key_shape *last = kept == 0 ? NULL : &shapes[kept - 1];
        if (last == NULL || last->galois != shapes[i].galois) {
            shapes[kept++] = shapes[i];
            continue;
        }
        if (shapes[i].level > last->level) last->level = shapes[i].level;
        last->n_uses += shapes[i].n_uses;
    }
    *n = kept;
    *out = shapes;
    return MZV_OK;
}
