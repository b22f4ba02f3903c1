/* The rules of backend.h as tests: what dispatch.c asks before it calls a backend. Every function names
 * the operation in its message and returns MZV_ERR_ARGUMENT. */
#ifndef MZV_CHECK_H
#define MZV_CHECK_H
#include <stdbool.h>

#include "backend/backend.h"
#ifdef __cplusplus
extern "C" {
#endif

/* A view: rows of the chain, aligned, not overlapping each other. */
mzv_status mzv_check_view(const mzv_stream *s, const char *op, const char *name, mzv_cpoly a) MZV_MUST_CHECK;

/* Input `a` of output `r`: the same basis; batch that of r or 1; r is `a` itself or apart from it. */
mzv_status mzv_check_input(const mzv_stream *s, const char *op, const char *name, mzv_poly r,
                           mzv_cpoly a) MZV_MUST_CHECK;

/* `a` and `b` share no word; batch of `a` is that of r or 1. The basis is not looked at. */
mzv_status mzv_check_apart(const mzv_stream *s, const char *op, const char *name, mzv_cpoly r,
                           mzv_cpoly a) MZV_MUST_CHECK;
mzv_status mzv_check_batch(const char *op, const char *name, mzv_poly r, mzv_cpoly a) MZV_MUST_CHECK;

/* One constant per limb, below its prime. */
mzv_status mzv_check_constants(const mzv_stream *s, const char *op, mzv_basis basis,
                               const uint64_t *c) MZV_MUST_CHECK;

/* Every word of every row is below its prime. Downloads them: MZV_VERIFY builds only. */
mzv_status mzv_check_canonical(mzv_stream *s, const char *op, const char *name, mzv_cpoly a) MZV_MUST_CHECK;

bool mzv_basis_equal(mzv_basis a, mzv_basis b);
bool mzv_basis_inside(mzv_basis inner, mzv_basis outer);

#ifdef __cplusplus
}
#endif
#endif
