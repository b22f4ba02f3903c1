/* Faults on demand. The counters are the only mutable globals of the library. */
#include "base/fault.h"

#include <errno.h>
#include <stdatomic.h>

typedef struct fault_state {
    _Atomic int64_t fail_at; /* the pass that fails; -1: none */
    _Atomic int64_t passes;
    _Atomic int error;
} fault_state;

static fault_state faults[MZV_FAULT_POINTS] = {
    { -1, 0, 0 }, { -1, 0, 0 }, { -1, 0, 0 }, { -1, 0, 0 }, { -1, 0, 0 }, { -1, 0, 0 }, { -1, 0, 0 },
};
_Static_assert(MZV_FAULT_POINTS == 7, "one initialiser per fault point");

int mzv_fault(mzv_fault_point point) {
    fault_state *f = &faults[point];
    const int64_t pass = atomic_fetch_add_explicit(&f->passes, 1, memory_order_relaxed);
    return pass == atomic_load_explicit(&f->fail_at, memory_order_relaxed) ? f->error : 0;
}

void mzv_test_fail_after(mzv_fault_point point, int64_t n, int error) {
    fault_state *f = &faults[point];
    atomic_store(&f->passes, 0);
    atomic_store(&f->error, error);
    atomic_store(&f->fail_at, n < 0 ? -1 : n);
}

void mzv_test_fail_alloc_after(int64_t n) { mzv_test_fail_after(MZV_FAULT_ALLOC, n, ENOMEM); }

int64_t mzv_test_passes(mzv_fault_point point) { return atomic_load(&faults[point].passes); }
