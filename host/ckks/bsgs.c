/* Which diagonals a transform has, and the rotations they take. */
#include "ckks/eval_kind.h"

bool mzv_bsgs_has(const mzv_bsgs *t, uint32_t giant, uint32_t baby) {
    return t->diagonal[(size_t)giant * t->n_baby + baby] != NULL;
}

bool mzv_bsgs_has_baby(const mzv_bsgs *t, uint32_t baby) {
    for (uint32_t g = 0; g < t->n_giant; g++) {
        if (mzv_bsgs_has(t, g, baby)) return true;
    }
    return false;
}

uint32_t mzv_bsgs_babies(const mzv_bsgs *t) {
    uint32_t n = 0;
    for (uint32_t b = 0; b < t->n_baby; b++) n += mzv_bsgs_has_baby(t, b);
    return n;
}

uint32_t mzv_bsgs_giants(const mzv_bsgs *t) {
    for (uint32_t g = t->n_giant; g > 0; g--) {
        for (uint32_t b = 0; b < t->n_baby; b++) {
            if (mzv_bsgs_has(t, g - 1, b)) return g;
        }
    }
    return 0;
}

int32_t mzv_bsgs_baby_steps(const mzv_evaluator *ev, const mzv_bsgs *t, uint32_t baby) {
    return (int32_t)mzv_steps_reduced(ev->n_slots, ((int64_t)t->first + baby) * t->baby_step);
}
