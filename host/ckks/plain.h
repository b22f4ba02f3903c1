/* Encoded vectors of slots. */
#ifndef MZV_PLAIN_H
#define MZV_PLAIN_H
#include "ckks/evaluator.h"
#ifdef __cplusplus
extern "C" {
#endif

/* Belongs to the evaluator that made it, which outlives it; any evaluator of the same kind and context, on
 * clear and count of the same parameters, may read it. On ckks `words` are N signed coefficients on the
 * backend, lifted to the primes at every use: 8N bytes, where values would take 8N per limb. On clear they
 * are n_slots complex numbers, on count there are none. */
struct mzv_plain {
    mzv_evaluator *ev;
    const char *kind;
    uint8_t params_id[MZV_ID_BYTES];
    uint32_t level;
    double scale;
    size_t n_bytes; /* as ckks takes them */
    uint64_t *words;
    uint64_t *rows; /* values modulo `rows_basis` where kept (mzv_plain_keep), else NULL */
    mzv_basis rows_basis;
    uint32_t log_repeat; /* the coefficients are those of X^(k 2^log_repeat): slots of period N / 2 >>
                            log_repeat */
    uint64_t *compact;   /* values modulo `compact_basis`, each once: N >> log_repeat words a row; or NULL */
    mzv_basis compact_basis;
};

/* A plaintext of `ev` without words; counts its bytes. The kinds begin with it. */
mzv_status mzv_plain_new(mzv_plain **out, mzv_evaluator *ev, uint32_t level, double scale) MZV_MUST_CHECK;

/* Keeps the values of p modulo q_0 .. q_level, and modulo P too where `special`: later products skip the
 * transforms, for 8N bytes per limb. For use in linear, `special` has to be set. Does nothing on clear. */
mzv_status mzv_plain_keep(mzv_plain *p, bool special) MZV_MUST_CHECK;

/* The same for slots that repeat, N >> log_repeat words a row, for use in linear; nothing where they do not
 * (log_repeat below 3). Does nothing on clear and count. */
mzv_status mzv_plain_keep_compact(mzv_plain *p) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
