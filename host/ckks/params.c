/* Parameter sets: the rules a literal must pass, the primes and scales that follow from it, its identity. */
#include "mzv/params.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/sha256.h"
#include "base/try.h"
#include "ckks/security.h"
#include "math/primes.h"

#define LOG_N_MIN 10
#define LOG_N_MAX 17
#define PRIME_BITS_MIN 20
/* Of primes below a power of two; message primes may lie just above 2^log_scale. */
#define PRIME_BITS_MAX 61
/* Of EvalMod's primes, in units of its scale: 2^48.33 stays on the hot path. */
#define LARGEST_EVAL_MOD 1.25
#define SCALE_SPREAD 0x1p-8   /* largest |scale[l] / 2^log_scale - 1| */

static mzv_status check_range(const char *name, uint32_t value, uint32_t low, uint32_t high) {
    if (value >= low && value <= high) return MZV_OK;
    return mzv_fail(MZV_ERR_PARAMS, "params: %s is %u, need %u to %u", name, value, low, high);
}

/* The bootstrapping segment: all of it or nothing. */
static mzv_status check_boot(const mzv_params *p) {
    if (!mzv_params_boots(p)) {
        if (p->log_eval_mod == 0 && p->log_coeff_to_slot == 0 && p->log_bridge == 0 &&
            p->n_eval_mod_low == 0 && p->log_eval_mod_low == 0)
            return MZV_OK;
        return mzv_fail(MZV_ERR_PARAMS, "params: sizes of bootstrapping primes without levels of them");
    }
    MZV_TRY(check_range("n_eval_mod", p->n_eval_mod, 1, MZV_MAX_PRIMES - 1));
    MZV_TRY(check_range("n_coeff_to_slot", p->n_coeff_to_slot, 1, p->log_n - 1));
    MZV_TRY(check_range("log_eval_mod", p->log_eval_mod, PRIME_BITS_MIN, PRIME_BITS_MAX - 1));
    MZV_TRY(check_range("log_coeff_to_slot", p->log_coeff_to_slot, PRIME_BITS_MIN, PRIME_BITS_MAX));
    MZV_TRY(check_range("log_bridge", p->log_bridge, PRIME_BITS_MIN, PRIME_BITS_MAX));
    MZV_TRY(check_range("n_eval_mod_low", p->n_eval_mod_low, 0, p->n_eval_mod - 1));
    if (p->n_eval_mod_low == 0)
        MZV_TRY(check_range("log_eval_mod_low", p->log_eval_mod_low, 0, 0));
    else
        MZV_TRY(check_range("log_eval_mod_low", p->log_eval_mod_low, PRIME_BITS_MIN, p->log_eval_mod));
    if (p->n_eval_mod + p->n_coeff_to_slot >= p->n_levels)
        return mzv_fail(MZV_ERR_PARAMS,
                        "params: %u levels, EvalMod and CoeffToSlot take %u + %u and the bridge 1",
                        p->n_levels, p->n_eval_mod, p->n_coeff_to_slot);
    return MZV_OK;
}

static mzv_status check_literal(const mzv_params *p) {
    MZV_TRY(check_range("log_n", p->log_n, LOG_N_MIN, LOG_N_MAX));
    MZV_TRY(check_range("log_q0", p->log_q0, PRIME_BITS_MIN, PRIME_BITS_MAX));
    MZV_TRY(check_range("log_scale", p->log_scale, PRIME_BITS_MIN, PRIME_BITS_MAX - 1));
    MZV_TRY(check_range("log_special", p->log_special, PRIME_BITS_MIN, PRIME_BITS_MAX));
    MZV_TRY(check_range("n_special", p->n_special, 1, MZV_MAX_PRIMES - 1));
    MZV_TRY(check_range("n_levels", p->n_levels, 0, MZV_MAX_PRIMES - 1 - p->n_special));
    const uint32_t dnum = (p->n_levels + p->n_special) / p->n_special;
    if (dnum > MZV_MAX_DIGITS)
        return mzv_fail(MZV_ERR_PARAMS,
                        "params: %u limbs by n_special %u are %u digits, need at most %u: raise n_special",
                        p->n_levels + 1, p->n_special, dnum, MZV_MAX_DIGITS);
    if (p->log_q0 <= p->log_scale)
        return mzv_fail(MZV_ERR_PARAMS,
                        "params: q_0 of %u bits leaves no room for a message of scale 2^%u: need at least %u",
                        p->log_q0, p->log_scale, p->log_scale + 1);
    return check_boot(p);
}

/* The largest prime below 2^bits that is not among those already chosen. */
static mzv_status largest_free(mzv_param_facts *f, uint64_t *out, uint32_t bits, uint64_t two_n) {
    uint64_t limit = UINT64_C(1) << bits;
    for (;;) {
        bool taken = false;
        MZV_TRY(mzv_prime_below(&limit, limit, two_n));
        for (uint32_t i = 0; i < f->n_primes; i++) taken = taken || f->primes[i] == limit;
        if (!taken) break;
    }
    *out = limit;
    f->primes[f->n_primes++] = limit;
    return MZV_OK;
}

/* Levels first + n - 1 down to first, towards the scales target[0 .. n] of levels first - 1 .. first + n - 1.
 * q_l is the free prime nearest to s_l^2 / D, D the target below, so s_(l-1) = s_l^2 / q_l is D (1 - d) with
 * d the relative distance of q_l to that quotient: distances of earlier levels do not add up. Scales are IEEE
 * doubles by definition, the square rounded, then the quotient, so that every machine finds the same chain.
 */
static mzv_status choose_multiplying(mzv_param_facts *f, uint64_t *q, const mzv_params *p,
                                     const double *target, uint32_t first, uint32_t n) {
    f->scale[first + n - 1] = target[n];
    for (uint32_t l = first + n - 1; l >= first; l--) {
        const double square = f->scale[l] * f->scale[l], nominal = target[l - first];
        MZV_TRY(mzv_primes_near(&q[l], (uint64_t)llrint(square / nominal), UINT64_C(2) << p->log_n, f->primes,
                                f->n_primes));
        f->primes[f->n_primes++] = q[l];
        f->scale[l - 1] = square / (double)q[l];
        if (!(fabs(f->scale[l - 1] / nominal - 1) <= SCALE_SPREAD))
            return mzv_fail(MZV_ERR_PARAMS,
                            "params: primes = 1 mod 2^%u near 2^%.0f are too sparse: the scale of level %u "
                            "would be off by a factor of %g, need within 2^-8; take a larger log_scale or smaller log_n",
                            p->log_n + 1, log2((double)q[l]), l - 1, f->scale[l - 1] / nominal);
    }
    return MZV_OK;
}

/* From the bottom: n_low levels at the low scale, then as fast up to the high one as primes allow. */
static void eval_mod_targets(double *target, const mzv_params *p) {
    const double high = (double)(UINT64_C(1) << p->log_eval_mod), largest = LARGEST_EVAL_MOD * high;
    const double low = p->n_eval_mod_low == 0 ? high : (double)(UINT64_C(1) << p->log_eval_mod_low);
    for (uint32_t i = 0; i <= p->n_eval_mod; i++)
        target[i] = i <= p->n_eval_mod_low ? low : fmin(high, sqrt(largest * target[i - 1]));
}

/* CoeffToSlot, EvalMod, the bridge: from the top. Linear levels keep the scale they come with. */
static mzv_status choose_boot_primes(mzv_param_facts *f, uint64_t *q, const mzv_params *p) {
    const uint64_t two_n = UINT64_C(2) << p->log_n;
    double target[MZV_MAX_PRIMES];
    const uint32_t bridge = f->message_levels + 1;
    for (uint32_t l = p->n_levels; l > bridge + p->n_eval_mod; l--) {
        f->scale[l] = (double)(UINT64_C(1) << p->log_eval_mod);
        MZV_TRY(largest_free(f, &q[l], p->log_coeff_to_slot, two_n));
    }
    eval_mod_targets(target, p);
    if (target[p->n_eval_mod] != (double)(UINT64_C(1) << p->log_eval_mod))
        return mzv_fail(MZV_ERR_PARAMS, "params: %u levels do not lead from scale 2^%u up to 2^%u",
                        p->n_eval_mod - p->n_eval_mod_low, p->log_eval_mod_low, p->log_eval_mod);
    MZV_TRY(choose_multiplying(f, q, p, target, bridge + 1, p->n_eval_mod));
    return largest_free(f, &q[bridge], p->log_bridge, two_n);
}

static mzv_status choose_chain(mzv_param_facts *f, uint64_t *q, const mzv_params *p) {
    double target[MZV_MAX_PRIMES];
    if (mzv_params_boots(p)) MZV_TRY(choose_boot_primes(f, q, p));
    for (uint32_t l = 0; l <= f->message_levels; l++) target[l] = (double)(UINT64_C(1) << p->log_scale);
    f->scale[f->message_levels] = target[0];
    return f->message_levels == 0 ? MZV_OK : choose_multiplying(f, q, p, target, 1, f->message_levels);
}

bool mzv_params_boots(const mzv_params *p) { return p->n_eval_mod + p->n_coeff_to_slot > 0; }

/* P, then q_0, then q_L .. q_1; in memory q_0 .. q_L follow P. */
static mzv_status choose_primes(mzv_param_facts *f, const mzv_params *p) {
    const uint64_t two_n = UINT64_C(2) << p->log_n;
    uint64_t prime = 0, q[MZV_MAX_PRIMES];
    for (uint32_t i = 0; i < p->n_special; i++) MZV_TRY(largest_free(f, &prime, p->log_special, two_n));
    MZV_TRY(largest_free(f, &q[0], p->log_q0, two_n));
    MZV_TRY(choose_chain(f, q, p));
    memcpy(f->primes + p->n_special, q, (p->n_levels + 1) * sizeof q[0]);
    return MZV_OK;
}

static double log2_product(const uint64_t *primes, uint32_t n) {
    long double sum = 0;
    for (uint32_t i = 0; i < n; i++) sum += log2l((long double)primes[i]);
    return (double)sum;
}

/* Key switching adds noise of about dnum sigma N (digit / P): P may fall short of a digit by one bit at most.
 */
static mzv_status check_digits(const mzv_param_facts *f, const mzv_params *p) {
    const uint64_t *q = f->primes + p->n_special;
    const double log2_p = log2_product(f->primes, p->n_special);
    for (uint32_t j = 0; j < f->dnum; j++) {
        const uint32_t first = j * p->n_special;
        const uint32_t left = p->n_levels + 1 - first;
        const double log2_digit = log2_product(q + first, left < p->n_special ? left : p->n_special);
        if (log2_p < log2_digit - 1)
            return mzv_fail(
                MZV_ERR_PARAMS,
                "params: P has %.2f bits, digit %u has %.2f: need P at least as large but for one bit; raise "
                "log_special",
                log2_p, j, log2_digit);
    }
    return MZV_OK;
}

/* SHA-256 over: "mzv params 1" and four zeros; log_n, n_special, n_levels, log_scale, insecure_toy as u32;
 * with bootstrapping n_eval_mod, log_eval_mod, n_eval_mod_low, log_eval_mod_low, n_coeff_to_slot as u32; all
 * primes as u64; little-endian. */
static mzv_status identify(mzv_param_facts *f, const mzv_params *p) {
    uint8_t bytes[16 + 10 * 4 + 8 * MZV_MAX_PRIMES];
    mzv_writer w = { bytes, sizeof bytes, 0 };
    const uint32_t words[] = { p->log_n,          p->n_special,      p->n_levels,
                               p->log_scale,      p->insecure_toy,   p->n_eval_mod,
                               p->log_eval_mod,   p->n_eval_mod_low, p->log_eval_mod_low,
                               p->n_coeff_to_slot };
    const size_t n_words = mzv_params_boots(p) ? 10 : 5;
    MZV_TRY(mzv_write_bytes(&w, "mzv params 1\0\0\0\0", 16));
    for (size_t i = 0; i < n_words; i++) MZV_TRY(mzv_write_u32(&w, words[i]));
    for (uint32_t i = 0; i < f->n_primes; i++) MZV_TRY(mzv_write_u64(&w, f->primes[i]));
    return mzv_sha256_id(f->id, bytes, w.at);
}

mzv_status mzv_params_check(const mzv_params *params, mzv_param_facts *facts) {
    mzv_param_facts f = { 0 };
    mzv_security security = { 0 };
    MZV_TRY(check_literal(params));
    f.message_levels =
        params->n_levels - params->n_eval_mod - params->n_coeff_to_slot - (mzv_params_boots(params) ? 1 : 0);
    MZV_TRY(choose_primes(&f, params));
    f.dnum = (params->n_levels + params->n_special) / params->n_special;
    MZV_TRY(check_digits(&f, params));
    MZV_TRY(mzv_security_gate(&security, params->log_n, f.primes, f.n_primes, params->insecure_toy));
    f.log2_qp = security.log2_qp;
    f.log2_qp_cap = security.cap;
    f.security_bits = security.bits;
    if (mzv_params_boots(params))
        MZV_TRY(mzv_security_sparse(params->log_n, MZV_SPARSE_WEIGHT,
                                    log2((double)f.primes[0]) + log2((double)f.primes[params->n_special]),
                                    params->insecure_toy));
    MZV_TRY(identify(&f, params));
    *facts = f;
    return MZV_OK;
}

/* ---- named sets ---- */

static const struct {
    const char *name;
    mzv_params params; /* log_n, L, log_q0, log_scale, K, log_special, toy; EvalMod, its low part,
                          CoeffToSlot, bridge */
} named[] = {
    { "n13-leveled", { 13, 3, 48, 38, 1, 48, false, 0, 0, 0, 0, 0, 0, 0 } },   /* 210 of 214 bits, dnum 4 */
    { "n14-leveled", { 14, 7, 48, 40, 2, 48, false, 0, 0, 0, 0, 0, 0, 0 } },   /* 424 of 430 bits, dnum 4 */
    { "n15-leveled", { 15, 14, 48, 40, 5, 48, false, 0, 0, 0, 0, 0, 0, 0 } },  /* 848 of 868 bits, dnum 3 */
    { "n16-leveled", { 16, 29, 48, 40, 10, 48, false, 0, 0, 0, 0, 0, 0, 0 } }, /* 1688 of 1747 bits, dnum 3 */
    /* 1743 and 1740 of 1747 bits, dnum 3 */
    { "n16-boot", { 16, 29, 48, 39, 10, 47, false, 10, 48, 4, 44, 3, 45, 40 } },
    { "n16-fine", { 16, 27, 48, 44, 10, 48, false, 10, 48, 4, 44, 3, 45, 40 } },
    { "toy-leveled", { 11, 14, 48, 40, 5, 48, true, 0, 0, 0, 0, 0, 0, 0 } }, /* n15-leveled on a small ring */
    { "toy-boot", { 11, 29, 48, 39, 10, 47, true, 10, 48, 4, 44, 3, 45, 40 } }, /* n16-boot on a small ring */
};
#define N_NAMED (sizeof named / sizeof named[0])

const char *mzv_params_name(size_t i) { return i < N_NAMED ? named[i].name : NULL; }

mzv_status mzv_params_named(mzv_params *out, const char *name) {
    char list[256] = "";
    for (size_t i = 0; i < N_NAMED; i++) {
        if (name && strcmp(name, named[i].name) == 0) {
            *out = named[i].params;
            return MZV_OK;
        }
        const size_t n = strlen(list);
        snprintf(list + n, sizeof list - n, "%s%s", i ? ", " : "", named[i].name);
    }
    return mzv_fail(MZV_ERR_ARGUMENT, "params: no set is called \"%s\"; there are %s", name ? name : "(null)",
                    list);
}
