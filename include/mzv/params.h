/* Parameter sets: the literal a user writes, what follows from it, and how secure it is. */
#ifndef MZV_PARAMS_H
#define MZV_PARAMS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "mzv/status.h"
#ifdef __cplusplus
extern "C" {
#endif

#define MZV_MAX_PRIMES 64 /* special and ciphertext primes of one chain */
#define MZV_MAX_DIGITS 16 /* digits of hybrid key switching */
#define MZV_ID_BYTES 16   /* identity of parameters, keys and models */

/* A parameter set as written by hand: plain data, all sizes in bits.
 * The chain is p_0 .. p_{n_special-1}, q_0 .. q_{n_levels}. Message primes q_1 .. q_M are chosen
 * one by one, from the top, so that the scale of every level stays at 2^log_scale.
 *
 * Without bootstrapping M = L and the last seven are 0. With it the chain goes on above q_M:
 *     q_{M+1}                  the bridge from the scale of EvalMod to that of messages: linear operations only;
 *     n_eval_mod primes        EvalMod, at scale 2^log_eval_mod; the scale of the last n_eval_mod_low levels, whose
 *                              noise matters less, is 2^log_eval_mod_low, and descends to that by primes of
 *                              up to 1.25 2^log_eval_mod;
 *     n_coeff_to_slot primes   CoeffToSlot, at scale 2^log_eval_mod: linear operations only. */
typedef struct mzv_params {
    uint32_t log_n;       /* ring degree N = 2^log_n, 10 .. 17; N/2 slots */
    uint32_t n_levels;    /* L, of the whole chain */
    uint32_t log_q0;      /* bits of q_0 */
    uint32_t log_scale;   /* bits of the scale of messages and of q_1 .. q_M */
    uint32_t n_special;   /* K, also the limbs of one digit (alpha) */
    uint32_t log_special; /* bits of p_0 .. p_{K-1} */
    bool insecure_toy;    /* tests only: accept less than 128 bits, and mark every object made */
    uint32_t n_eval_mod, log_eval_mod;         /* n_eval_mod: all of them, the low ones included */
    uint32_t n_eval_mod_low, log_eval_mod_low; /* n_eval_mod_low < n_eval_mod; 0, 0: all at one scale */
    uint32_t n_coeff_to_slot, log_coeff_to_slot;
    uint32_t log_bridge;
} mzv_params;

/* What follows from a literal that passed every check. */
typedef struct mzv_param_facts {
    uint32_t n_primes;              /* n_special + n_levels + 1 */
    uint64_t primes[MZV_MAX_PRIMES]; /* p_0 .. p_{K-1}, q_0 .. q_L */
    double scale[MZV_MAX_PRIMES];   /* scale[l]: the one scale of ciphertexts at level l */
    uint32_t message_levels;        /* M: the highest level for messages */
    uint32_t dnum;                  /* digits at the top level */
    double log2_qp;                 /* sum of exact log2 of all primes */
    double log2_qp_cap;             /* largest allowed at 128 bits for this N */
    uint32_t security_bits;         /* 256, 192, 128, or 0: below 128 */
    uint8_t id[MZV_ID_BYTES];       /* identity of the set */
} mzv_param_facts;

/* Checks `params` and derives its facts. MZV_ERR_PARAMS names the rule that failed; below 128 bits
 * of security fails unless params->insecure_toy. [BCC+24, table 5.2] */
MZV_API mzv_status mzv_params_check(const mzv_params *params, mzv_param_facts *facts) MZV_MUST_CHECK;

/* Largest log2(QP) for ring degree 2^log_n at 128, 192 or 256 bits; 0 where the table has no row. */
MZV_API double mzv_params_cap(uint32_t log_n, uint32_t security_bits);

/* A named set ("n13-leveled", "n14-leveled", "n15-leveled", "n16-leveled", "n16-boot", "n16-fine",
 * "toy-leveled", "toy-boot").
 * MZV_ERR_ARGUMENT lists the names. */
MZV_API mzv_status mzv_params_named(mzv_params *out, const char *name) MZV_MUST_CHECK;
/* Name number i of the sets above, NULL past the last. */
MZV_API const char *mzv_params_name(size_t i);

#ifdef __cplusplus
}
#endif
#endif
