/* The allocator: libc's, zeroed, aligned and counted. Blocks of megabytes are aligned to huge pages and
 * advised to use them before the first touch: on virtual machines a touch of a 4 KiB page costs microseconds.
 */
#include "base/arena.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bytes.h"
#include "base/fault.h"
#include "base/try.h"

#define ALIGN 64u
#define HUGE_ALIGN ((size_t)2 << 20)
#define HUGE_FROM ((size_t)4 << 20)
#define BLOCK_BYTES ((size_t)64 << 10) /* of an arena, unless a piece is larger */

static _Atomic int64_t n_live;

int64_t mzv_alloc_live(void) { return atomic_load(&n_live); }

/* `bytes` is a multiple of ALIGN. The advice may be refused; the memory is as good. */
static void *take_zeroed(size_t bytes) {
    const size_t align = bytes >= HUGE_FROM ? HUGE_ALIGN : ALIGN;
    void *p = NULL;
    if (mzv_fault(MZV_FAULT_ALLOC) || posix_memalign(&p, align, bytes)) return NULL;
    if (bytes >= HUGE_FROM) (void)madvise(p, bytes & ~(HUGE_ALIGN - 1), MADV_HUGEPAGE);
    memset(p, 0, bytes);
    atomic_fetch_add(&n_live, 1);
    return p;
}

mzv_status mzv_alloc(void **out, size_t count, size_t size, const char *what) {
    size_t bytes = 0;
    if (!mzv_size_mul(&bytes, count, size) || !mzv_size_round_up(&bytes, bytes ? bytes : 1, ALIGN))
        return mzv_fail(MZV_ERR_MEMORY, "%s: %zu x %zu bytes do not fit in an address", what, count, size);
    void *p = take_zeroed(bytes);
    if (!p) return mzv_fail(MZV_ERR_MEMORY, "%s: no host memory for %zu bytes", what, bytes);
    *out = p;
    return MZV_OK;
}

void mzv_free(void *p) {
    if (!p) return;
    atomic_fetch_sub(&n_live, 1);
    free(p);
}

/* A block: this header, then its pieces.
 *   | next, n_bytes, used, padding to 64 | piece | piece | ... | free | */
typedef struct mzv_arena_block {
    struct mzv_arena_block *next;
    size_t n_bytes, used;
    uint8_t padding[ALIGN - sizeof(void *) - 2 * sizeof(size_t)];
} mzv_arena_block;
_Static_assert(sizeof(mzv_arena_block) == ALIGN, "pieces start aligned");

static mzv_status add_block(mzv_arena *arena, size_t n_bytes) {
    size_t total = 0;
    mzv_arena_block *block = NULL;
    if (!mzv_size_add(&total, n_bytes > BLOCK_BYTES ? n_bytes : BLOCK_BYTES, sizeof *block))
        return mzv_fail(MZV_ERR_MEMORY, "arena: %zu bytes do not fit in an address", n_bytes);
    MZV_TRY(mzv_alloc((void **)&block, total, 1, "arena"));
    block->n_bytes = total;
    block->used = sizeof *block;
    block->next = arena->blocks;
    arena->blocks = block;
    return MZV_OK;
}

mzv_status mzv_arena_take(mzv_arena *arena, void **out, size_t count, size_t size) {
    size_t bytes = 0;
    if (!mzv_size_mul(&bytes, count, size) || !mzv_size_round_up(&bytes, bytes ? bytes : 1, ALIGN))
        return mzv_fail(MZV_ERR_MEMORY, "arena: %zu x %zu bytes do not fit in an address", count, size);
    if (!arena->blocks || bytes > arena->blocks->n_bytes - arena->blocks->used)
        MZV_TRY(add_block(arena, bytes));
    *out = (uint8_t *)arena->blocks + arena->blocks->used;
    arena->blocks->used += bytes;
    return MZV_OK;
}

mzv_status mzv_arena_text(mzv_arena *arena, char **out, const char *text) {
    const size_t n = strlen(text) + 1;
    char *copy = NULL;
    MZV_TRY(MZV_TAKE(arena, &copy, n));
    memcpy(copy, text, n);
    *out = copy;
    return MZV_OK;
}

void mzv_arena_clear(mzv_arena *arena) {
    while (arena->blocks) {
        mzv_arena_block *next = arena->blocks->next;
        mzv_free(arena->blocks);
        arena->blocks = next;
    }
}
