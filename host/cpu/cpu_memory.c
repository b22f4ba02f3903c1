/* Memory of the CPU backend. On virtual machines the first touch of a 4 KiB page costs 13 to 17 us, 0.24
 * to 0.5 us with huge pages; so large blocks are mapped with advice, touched once when they are made,
 * and kept for the next one who asks. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/arena.h"
#include "base/fault.h"
#include "base/try.h"
#include "cpu/cpu_backend.h"

#define SMALL_ALIGN ((size_t)64)
#define HUGE_PAGE ((size_t)2 << 20)
#define PAGE ((size_t)4096)
/* Bytes that may lie idle; beyond them a block goes back to the system. */
#define MAX_IDLE ((size_t)1 << 30)

/* Sits just below the words it describes. */
typedef struct block {
    struct block *next;
    void *mapping;        /* what munmap or free takes */
    size_t mapping_bytes; /* 0: from aligned_alloc */
    size_t n_bytes;       /* what a user may write */
} block;

struct mzv_cpu_pool {
    pthread_mutex_t lock;
    block *idle;
    size_t idle_bytes;
};

static block *header(void *words) { return (block *)((char *)words - SMALL_ALIGN); }
static void *words_of(block *b) { return (char *)b + SMALL_ALIGN; }

static void release(block *b) {
    if (b->mapping_bytes == 0) {
        free(b->mapping);
    } else {
        munmap(b->mapping, b->mapping_bytes);
    }
}

static block *map_large(size_t n_bytes) {
    const size_t mapping_bytes = n_bytes + 2 * HUGE_PAGE; /* room to align, and for the header below */
    char *mapping = mmap(NULL, mapping_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED) return NULL;
    char *words = (char *)(((uintptr_t)mapping + 2 * HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE);
    (void)madvise(words, n_bytes, MADV_HUGEPAGE); /* advice: without it only speed is lost */
    for (size_t i = 0; i < n_bytes; i += PAGE) ((volatile char *)words)[i] = 0;
    block *b = header(words);
    b->mapping = mapping;
    b->mapping_bytes = mapping_bytes;
    b->n_bytes = n_bytes;
    return b;
}

static block *allocate_small(size_t n_bytes) {
    block *b = aligned_alloc(SMALL_ALIGN, SMALL_ALIGN + n_bytes);
    if (b == NULL) return NULL;
    b->mapping = b;
    b->mapping_bytes = 0;
    b->n_bytes = n_bytes;
    return b;
}

static block *make(size_t n_bytes) {
    return n_bytes >= HUGE_PAGE ? map_large(n_bytes) : allocate_small(n_bytes);
}

/* The smallest idle block that holds n_bytes and is at most a quarter larger. */
static block *reuse(mzv_cpu_pool *pool, size_t n_bytes) {
    block **best = NULL;
    for (block **link = &pool->idle; *link != NULL; link = &(*link)->next) {
        const size_t have = (*link)->n_bytes;
        if (have >= n_bytes && have - n_bytes <= n_bytes / 4 && (best == NULL || have < (*best)->n_bytes))
            best = link;
    }
    if (best == NULL) return NULL;
    block *b = *best;
    *best = b->next;
    pool->idle_bytes -= b->n_bytes;
    return b;
}

static void drop_idle(mzv_cpu_pool *pool) {
    while (pool->idle != NULL) {
        block *b = pool->idle;
        pool->idle = b->next;
        release(b);
    }
    pool->idle_bytes = 0;
}

mzv_status mzv_cpu_pool_open(mzv_cpu_pool **out) {
    mzv_cpu_pool *pool = NULL;
    MZV_TRY(MZV_NEW(&pool, 1, "the memory pool"));
    if (pthread_mutex_init(&pool->lock, NULL) != 0) {
        mzv_free(pool);
        return mzv_fail(MZV_ERR_MEMORY, "cpu: no lock for the pool");
    }
    *out = pool;
    return MZV_OK;
}

void mzv_cpu_pool_close(mzv_cpu_pool *pool) {
    if (pool == NULL) return;
    drop_idle(pool);
    pthread_mutex_destroy(&pool->lock);
    mzv_free(pool);
}

mzv_status mzv_cpu_pool_take(mzv_cpu_pool *pool, void **out, size_t n_bytes) {
    const size_t unit = n_bytes < HUGE_PAGE ? SMALL_ALIGN : HUGE_PAGE;
    const size_t rounded = (n_bytes + unit - 1) / unit * unit;
    if (mzv_fault(MZV_FAULT_ALLOC) != 0) return mzv_fail(MZV_ERR_MEMORY, "cpu: no %zu bytes", n_bytes);
    pthread_mutex_lock(&pool->lock);
    block *b = reuse(pool, rounded);
    if (b == NULL) b = make(rounded);
    if (b == NULL) { /* what lies idle may be what is missing */
        drop_idle(pool);
        b = make(rounded);
    }
    pthread_mutex_unlock(&pool->lock);
    if (b == NULL) return mzv_fail(MZV_ERR_MEMORY, "cpu: no %zu bytes", n_bytes);
    *out = words_of(b);
    return MZV_OK;
}

void mzv_cpu_pool_give(mzv_cpu_pool *pool, void *words) {
    if (words == NULL) return;
    block *b = header(words);
    pthread_mutex_lock(&pool->lock);
    if (pool->idle_bytes + b->n_bytes > MAX_IDLE) {
        release(b);
    } else {
        b->next = pool->idle;
        pool->idle = b;
        pool->idle_bytes += b->n_bytes;
    }
    pthread_mutex_unlock(&pool->lock);
}
