/* Host memory: every allocation of the library outside the backends goes through here. */
#ifndef MZV_ARENA_H
#define MZV_ARENA_H
#include <stddef.h>
#include <stdint.h>
#include "mzv/status.h"
#ifdef __cplusplus
extern "C" {
#endif

/* count * size zeroed bytes, 64-byte aligned (2 MiB aligned and advised to use huge pages from 4 MiB on).
 * MZV_ERR_MEMORY says `what` was wanted and how many bytes. A count of zero gives a pointer to free. */
mzv_status mzv_alloc(void **out, size_t count, size_t size, const char *what) MZV_MUST_CHECK;
void mzv_free(void *p); /* NULL is allowed */

/* mzv_alloc for a typed pointer: MZV_NEW(&p, n, "rows") */
#define MZV_NEW(out, count, what) mzv_alloc((void **)(out), (count), sizeof **(out), (what))

/* Blocks not yet freed. A test of a failing allocation compares it before and after. */
int64_t mzv_alloc_live(void);

/* Many pieces that live and die together: the memory of one long-lived object. All zero is an empty arena. */
typedef struct mzv_arena {
    struct mzv_arena_block *blocks; /* newest first */
} mzv_arena;

/* count * size zeroed bytes, 64-byte aligned, valid until mzv_arena_clear. */
mzv_status mzv_arena_take(mzv_arena *arena, void **out, size_t count, size_t size) MZV_MUST_CHECK;
mzv_status mzv_arena_text(mzv_arena *arena, char **out, const char *text) MZV_MUST_CHECK; /* a copy */
void mzv_arena_clear(mzv_arena *arena);

#define MZV_TAKE(arena, out, count) mzv_arena_take((arena), (void **)(out), (count), sizeof **(out))

#ifdef __cplusplus
}
#endif
#endif
