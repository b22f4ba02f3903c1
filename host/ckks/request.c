/* The keys that a circuit asks for: one entry a use, at the highest level asked for. */
#include <string.h>

#include "base/arena.h"
#include "base/try.h"
#include "ckks/context.h"

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

static mzv_status insert(mzv_key_request *request, mzv_key_need need) {
    uint32_t at = 0;
    if (request == NULL) return mzv_fail(MZV_ERR_ARGUMENT, "key request: NULL");
    while (at < request->n && before(request->need[at], need)) at++;
    if (at < request->n && !before(need, request->need[at])) {
        if (need.level > request->need[at].level) request->need[at].level = need.level;
        return MZV_OK;
    }
    MZV_TRY(grow(request));
    memmove(request->need + at + 1, request->need + at, (request->n - at) * sizeof need);
    request->need[at] = need;
    request->n++;
    return MZV_OK;
}

mzv_status mzv_request_relinearize(mzv_key_request *request, uint32_t level) {
    return insert(request, (mzv_key_need) { MZV_NEED_RELINEARIZE, 0, level });
}

mzv_status mzv_request_rotate(mzv_key_request *request, int32_t steps, uint32_t level) {
    return insert(request, (mzv_key_need) { MZV_NEED_ROTATE, steps, level });
}

mzv_status mzv_request_conjugate(mzv_key_request *request, uint32_t level) {
    return insert(request, (mzv_key_need) { MZV_NEED_CONJUGATE, 0, level });
}

mzv_status mzv_request_sparse(mzv_key_request *request, uint32_t level) {
    return insert(request, (mzv_key_need) { MZV_NEED_SPARSE, 0, level });
}
