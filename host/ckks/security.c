/* The security gate, and the search for the smallest set that passes it. */
#include "ckks/security.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/try.h"

#define TABLE_LOG_N_MIN 11
#define TABLE_LOG_N_MAX 17
#define BOOT_WEIGHT_MAX 1024

/* Largest log2(QP) for ternary secrets and sigma >= 3.19, classical [BCC+24, table 5.2]; 596 and 1865 stand
 * one lower than published, where the lattice estimator of June 2026 missed 0.03 bit. */
static const uint16_t caps[TABLE_LOG_N_MAX - TABLE_LOG_N_MIN + 1][3] = {
    { 53, 36, 27 },    { 106, 73, 56 },     { 214, 147, 114 },    { 430, 297, 230 },
    { 868, 596, 462 }, { 1747, 1199, 929 }, { 3523, 2411, 1865 },
};

double mzv_params_cap(uint32_t log_n, uint32_t security_bits) {
    if (log_n < TABLE_LOG_N_MIN || log_n > TABLE_LOG_N_MAX) return 0;
    for (uint32_t i = 0; i < 3; i++)
        if (security_bits == 128 + 64 * i) return caps[log_n - TABLE_LOG_N_MIN][i];
    return 0;
}

static uint32_t bits_of(uint32_t log_n, double log2_qp) {
    for (uint32_t bits = 256; bits >= MZV_SECURITY_BITS; bits -= 64)
        if (log2_qp <= mzv_params_cap(log_n, bits)) return bits;
    return 0;
}

static double sum_of_logs(const uint64_t *primes, uint32_t n_primes) {
    long double sum = 0;
    for (uint32_t i = 0; i < n_primes; i++) sum += log2l((long double)primes[i]);
    return (double)sum;
}

/* The next step for a chain of `log2_qp` bits: the first ring that takes it. */
static mzv_status refuse(const mzv_security *s) {
    uint32_t log_n = TABLE_LOG_N_MIN;
    while (log_n <= TABLE_LOG_N_MAX && mzv_params_cap(log_n, MZV_SECURITY_BITS) < s->log2_qp) log_n++;
    char next[64] = "no ring in the table takes it";
    if (log_n <= TABLE_LOG_N_MAX) snprintf(next, sizeof next, "take log_n %u", log_n);
    if (s->cap == 0)
        return mzv_fail(MZV_ERR_PARAMS, "security: no parameters at N = 2^%u are 128-bit secure; %s",
                        s->log_n, next);
    return mzv_fail(
        MZV_ERR_PARAMS,
        "security: log2(QP) is %.2f, the cap for 128 bits at N = 2^%u is %g: drop %.2f bits of primes, or %s",
        s->log2_qp, s->log_n, s->cap, -s->margin, next);
}

mzv_status mzv_security_gate(mzv_security *out, uint32_t log_n, const uint64_t *primes, uint32_t n_primes,
                             bool insecure_toy) {
    mzv_security s = { .log_n = log_n, .insecure_toy = insecure_toy };
    s.log2_qp = sum_of_logs(primes, n_primes);
    s.cap = mzv_params_cap(log_n, MZV_SECURITY_BITS);
    s.margin = s.cap - s.log2_qp;
    s.bits = bits_of(log_n, s.log2_qp);
    if (s.bits < MZV_SECURITY_BITS && !insecure_toy) return refuse(&s);
    *out = s;
    return MZV_OK;
}

void mzv_security_text(char *text, size_t n, const mzv_security *s) {
    const char *mark = s->insecure_toy ? "INSECURE TOY SET, " : "";
    if (s->bits)
        snprintf(text, n, "%s%u-bit secure: log2(QP) %.2f of %g at N = 2^%u, margin %.2f", mark, s->bits,
                 s->log2_qp, s->cap, s->log_n, s->margin);
    else
        snprintf(text, n, "%sbelow 128 bits: log2(QP) %.2f, cap %g at N = 2^%u, margin %.2f", mark,
                 s->log2_qp, s->cap, s->log_n, s->margin);
}

mzv_status mzv_security_sparse(uint32_t log_n, uint32_t weight, double log2_q0p0, bool insecure_toy) {
    if (weight != MZV_SPARSE_WEIGHT)
        return mzv_fail(MZV_ERR_PARAMS, "security: sparse secret of weight %u, need %u", weight,
                        MZV_SPARSE_WEIGHT);
    if (insecure_toy) return MZV_OK;
    if (log_n < MZV_SPARSE_LOG_N_MIN)
        return mzv_fail(MZV_ERR_PARAMS, "security: sparse secret at N = 2^%u, need N >= 2^%u", log_n,
                        MZV_SPARSE_LOG_N_MIN);
    if (!(log2_q0p0 <= MZV_SPARSE_LOG2_CAP))
        return mzv_fail(MZV_ERR_PARAMS,
                        "security: sparse secret under log2(q_0 p_0) = %.2f, cap %u: take smaller log_q0 or "
                        "log_special",
                        log2_q0p0, MZV_SPARSE_LOG2_CAP);
    return MZV_OK;
}

/* The density f_n of a sum of n uniforms on [0, 1] is the B-spline
 *     f_n(y) = (y f_(n-1)(y) + (n - y) f_(n-1)(y - 1)) / (n - 1),
 * and Pr[sum of n < x] = sum_(j >= 0) f_(n+1)(x - j). Every term is positive: no cancellation, unlike the
 * closed form of Irwin and Hall. By symmetry the two tails beyond k weigh twice Pr[sum < n/2 - k]. */
double mzv_security_boot_failure(uint32_t log_n, uint32_t weight, uint32_t k) {
    long double spline[BOOT_WEIGHT_MAX / 2 + 2] = { 0 }; /* f_m(x - j) */
    const uint32_t n = weight + 1;
    const long double x = n / 2.0L - k;
    if (weight > BOOT_WEIGHT_MAX) return 0;
    if (x <= 0) return -INFINITY;
    const uint32_t n_terms = (uint32_t)ceill(x);
    spline[n_terms - 1] = 1; /* f_1 is 1 on (0, 1] */
    for (uint32_t m = 2; m <= n + 1; m++) {
        for (uint32_t j = 0; j < n_terms; j++) {
            const long double y = x - j;
            spline[j] = y < m ? (y * spline[j] + (m - y) * spline[j + 1]) / (m - 1) : 0;
        }
    }
    long double tail = 0;
    for (uint32_t j = 0; j < n_terms; j++) tail += spline[j];
    return (double)fminl(0, log2l(2 * tail) + log_n);
}

mzv_status mzv_security_boot(uint32_t log_n, uint32_t weight, uint32_t k, bool insecure_toy) {
    const double failure = mzv_security_boot_failure(log_n, weight, k);
    if (insecure_toy || failure <= MZV_BOOT_LOG2_FAILURE_MAX) return MZV_OK;
    return mzv_fail(
        MZV_ERR_PARAMS,
        "security: bootstrapping fails with probability 2^%.1f at h = %u, K = %u, N = 2^%u, need 2^%g: "
        "take a larger K",
        failure, weight, k, log_n, MZV_BOOT_LOG2_FAILURE_MAX);
}

/* ---- the smallest set ---- */

static double bits_needed(const mzv_params *p) {
    return p->log_q0 + (double)p->n_levels * p->log_scale + (double)p->n_special * p->log_special;
}

/* Fewest digits first. The nominal size decides which sets are worth building: exact primes are within a bit.
 */
static mzv_status try_ring(mzv_params *p, bool *found) {
    mzv_param_facts facts;
    mzv_status status = MZV_OK;
    const uint32_t n_q = p->n_levels + 1;
    *found = false;
    for (uint32_t dnum = 1; dnum <= MZV_MAX_DIGITS && dnum <= n_q; dnum++) {
        p->n_special = (n_q + dnum - 1) / dnum;
        if (bits_needed(p) > mzv_params_cap(p->log_n, MZV_SECURITY_BITS) + 1) continue;
        status = mzv_params_check(p, &facts);
        *found = status == MZV_OK;
        if (*found) return MZV_OK;
    }
    return status; /* MZV_OK: nothing was near the cap */
}

static mzv_status check_need(const mzv_params_need *need) {
    if (need->n_levels >= MZV_MAX_PRIMES - 1)
        return mzv_fail(MZV_ERR_ARGUMENT, "smallest: %u levels, need at most %u", need->n_levels,
                        MZV_MAX_PRIMES - 2);
    if (need->log_scale > 60 || need->log_q0 > 61 || need->log_special > 61)
        return mzv_fail(MZV_ERR_ARGUMENT,
                        "smallest: scale, q_0, special of %u, %u, %u bits, need at most 60, 61, 61",
                        need->log_scale, need->log_q0, need->log_special);
    if (need->n_slots > UINT32_C(1) << (TABLE_LOG_N_MAX - 1))
        return mzv_fail(MZV_ERR_ARGUMENT, "smallest: %u slots, need at most 2^%u", need->n_slots,
                        TABLE_LOG_N_MAX - 1);
    return MZV_OK;
}

mzv_status mzv_params_smallest(mzv_params *out, const mzv_params_need *need) {
    mzv_params p = { .n_levels = need->n_levels,
                     .log_q0 = need->log_q0,
                     .log_scale = need->log_scale,
                     .log_special = need->log_special };
    mzv_status status = MZV_OK;
    MZV_TRY(check_need(need));
    for (p.log_n = TABLE_LOG_N_MIN; p.log_n <= TABLE_LOG_N_MAX; p.log_n++) {
        bool found = false;
        if (need->n_slots > UINT32_C(1) << (p.log_n - 1)) continue;
        status = try_ring(&p, &found);
        if (found) {
            *out = p;
            return MZV_OK;
        }
    }
    if (status != MZV_OK)
        return status; /* the largest ring has room, and its message says what else is wrong */
    p.log_n = TABLE_LOG_N_MAX;
    const double cap = mzv_params_cap(p.log_n, MZV_SECURITY_BITS);
    return mzv_fail(
        MZV_ERR_PARAMS,
        "smallest: %u levels of %u bits need log2(QP) = %.0f with %u special primes, the cap at N = 2^%u "
        "is %g: %.0f bits too many; take fewer levels (bootstrapping) or a smaller scale",
        p.n_levels, p.log_scale, bits_needed(&p), p.n_special, p.log_n, cap, bits_needed(&p) - cap);
}
