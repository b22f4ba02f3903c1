/* Bootstrapping: a ciphertext at a low level comes back at a high one [CHKKS18a], with sparse-secret
 * encapsulation [BTH22] and homomorphic transforms in radix steps with double hoisting [BMTH21].
 *
 *   COEFFS_FIRST  ModRaise, CoeffToSlot, EvalMod, SlotToCoeff: from level 0 (1 where spread).
 *   SLOTS_FIRST   SlotToCoeff at the bottom, where it is cheap, then ModRaise, CoeffToSlot, EvalMod. What
 * EvalMod sees are the slots themselves: the errors are those of single slots, for any message.
 *
 * What EvalMod computes is sin(2 pi e) / (2 pi) for e = (coefficient) / ratio, off by (2 pi e)^2 / 6 of its
 * value (by 3 (2 pi e)^4 / 40 where the parameters have the 10 levels for the correction), plus noise that
 * grows with the ratio. The ratio that balances the two is chosen from the bounds below.
 *
 * COEFFS_FIRST wants small coefficients, which slots of no structure have (|slots|_2 / sqrt(2) m or so) and
 * constant ones have not. `spread` multiplies the slots by public random signs first, at one level, and
 * undoes it in SlotToCoeff at no cost: then all messages have small coefficients but for a probability below
 * 2^-40. */
#ifndef MZV_CIRCUIT_BOOT_H
#define MZV_CIRCUIT_BOOT_H
#include "circuit/boot_transform.h"
#include "circuit/eval_mod.h"
#include "circuit/fold.h"
#ifdef __cplusplus
extern "C" {
#endif

#define MZV_BOOT_K 16 /* |I| <= K but for a probability that mzv_security_boot checks */

typedef struct mzv_boot mzv_boot;

typedef enum mzv_boot_order { MZV_BOOT_COEFFS_FIRST, MZV_BOOT_SLOTS_FIRST } mzv_boot_order;

typedef struct mzv_boot_spec {
    mzv_boot_order order;
    uint32_t n_slots;   /* m: a power of two, the message repeats with this period; 0: all slots */
    double magnitude;   /* largest |real|, |imaginary part| of a slot; 0: 1 */
    bool spread;        /* COEFFS_FIRST only */
    double coefficient; /* COEFFS_FIRST without spread: largest |coefficient| of the message, in units of the
                           magnitude; 0: 1, which holds for every message */
    uint32_t n_slot_to_coeff; /* radix steps of SlotToCoeff; 0: 3, or log2(n_slots) where that is less */
    uint32_t iterations;      /* 1, or 2: what the first left over is bootstrapped again [BCC+22]; 0: 1 */
    bool together; /* EvalMod on real and imaginary parts as one batch: keys are read once for both, for twice
                      the room of its temporaries. On CPUs it is slower (2 to 10 %) */
    bool keep;     /* keep the values of all diagonals, not only of those that repeat: a little faster,
                      a GiB more on n16-boot */
} mzv_boot_spec;

typedef struct mzv_boot_facts {
    uint32_t n_slots;
    uint32_t in_level, out_level; /* takes this level or above, gives that one */
    uint32_t k, degree, doublings;
    double log2_failure; /* log2 Pr[some |I| > K], all slots of one bootstrap */
    double ratio;        /* q_0 over the scale of what EvalMod sees */
    double sine_error;   /* largest error of a slot (COEFFS_FIRST: of a coefficient) by the sine's bend, by
                            theory */
    double noise;        /* standard deviation of a slot's part after one iteration, by theory */
    uint32_t log2_gain;  /* of the second iteration: the rest is multiplied by 2^it */
} mzv_boot_facts;

/* Makes and encodes the transforms on ev's kind, whose parameters have a bootstrapping segment.
 * MZV_ERR_ARGUMENT, MZV_ERR_PARAMS (failure probability above 2^-128, no segment), MZV_ERR_PRECISION,
 * MZV_ERR_LEVEL. */
mzv_status mzv_boot_create(mzv_boot **out, mzv_evaluator *ev, const mzv_boot_spec *spec) MZV_MUST_CHECK;
void mzv_boot_destroy(mzv_boot *boot); /* NULL is allowed; before the evaluator */
const mzv_boot_facts *mzv_boot_about(const mzv_boot *boot);

/* out = a at facts.out_level; a at facts.in_level or above, out is not a. */
mzv_status mzv_boot_run(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a,
                        const mzv_boot *boot) MZV_MUST_CHECK;
/* The part after ModRaise: a, at the highest level, holds message and multiples of q_0. For tests that force
 * I. */
mzv_status mzv_boot_run_raised(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a,
                               const mzv_boot *boot) MZV_MUST_CHECK;

/* For ev->refresh: valid as long as the boot. */
const mzv_refresh *mzv_boot_refresh(const mzv_boot *boot);

/* What one run takes (scratch, keys, operations), from a run on `count`; request: NULL is allowed. */
mzv_status mzv_boot_measure(mzv_circuit_cost *cost, mzv_key_request *request, const mzv_params *params,
                            const mzv_boot_spec *spec) MZV_MUST_CHECK;

/* Bits of precision, -log2 of the mean and of the largest |error| over all slots of a message of random
 * complex slots, from one run on `clear` with its noise model. */
typedef struct mzv_boot_precision {
    double mean_bits, worst_bits;
} mzv_boot_precision;
mzv_status mzv_boot_predict(mzv_boot_precision *out, const mzv_params *params, const mzv_boot_spec *spec,
                            uint64_t seed) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
