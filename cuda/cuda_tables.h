/* Per-prime constants and twiddles of the CUDA backend, computed on the host. */
#ifndef MZV_CUDA_TABLES_H
#define MZV_CUDA_TABLES_H
#include <stdbool.h>
#include "backend/backend.h"
#include "math/modarith.h"
#ifdef __cplusplus
extern "C" {
#endif

#define MZV_CUDA_MIN_LOG_N 10
#define MZV_CUDA_MAX_LOG_N 17
/* A chain of primes of this many bits may take the FP64 arithmetic of arith.cuh, where the bounds are
 * derived. */
#define MZV_CUDA_FP64_MIN_BITS 28
#define MZV_CUDA_FP64_MAX_BITS 49
/* FP64 weights are stored times 2^998, to meet digits that are denormal numbers. */
#define MZV_CUDA_FP64_WEIGHT_SCALE 0x1p998

/* What kernels know of one prime, p of k bits. */
typedef struct mzv_cuda_prime {
    uint64_t p;
    uint64_t mu;      /* floor(2^(k+62) / p), for products of two residues; see mul_mod in modarith.cuh */
    uint32_t shift;   /* k - 2 */
    mzv_factor one;   /* 1, to reduce any word */
    mzv_factor carry; /* 2^64 mod p, to reduce two words */
    mzv_factor n_inv; /* N^-1 */
    double p_fp, p_fp_inv; /* p and 1/p rounded */
    const void *forward;   /* device: psi^rev(i), i < N */
    const void *inverse;   /* device: psi^-rev(i) */
} mzv_cuda_prime;

/* The chain as the host side of the operations needs it. */
typedef struct mzv_cuda_tables {
    mzv_chain chain; /* of `primes` below */
    uint64_t primes[MZV_MAX_PRIMES];
    uint32_t log_n, n_p, n_primes;
    bool fp64; /* the arithmetic: twiddles are centred doubles, else mzv_factor pairs */
    mzv_cuda_prime prime[MZV_MAX_PRIMES];
    mzv_modulus modulus[MZV_MAX_PRIMES];
    /* inverse[f * n_primes + t] = p_f^-1 mod p_t, 0 where f = t. */
    uint64_t inverse[MZV_MAX_PRIMES * MZV_MAX_PRIMES];
    /* prefix[i][t]: product of the first i primes, p_t left out, mod p_t; and its inverse. */
    uint64_t prefix[MZV_MAX_PRIMES + 1][MZV_MAX_PRIMES];
    uint64_t prefix_inverse[MZV_MAX_PRIMES + 1][MZV_MAX_PRIMES];
} mzv_cuda_tables;

/* Checks the chain (MZV_ERR_ARGUMENT) and fills everything but the device addresses. `fp64`: use FP64
 * arithmetic if all primes allow it. */
mzv_status mzv_cuda_tables_fill(mzv_cuda_tables *out, const mzv_chain *chain, bool fp64) MZV_MUST_CHECK;

/* Whether all primes allow the FP64 arithmetic. */
bool mzv_cuda_fp64_fits(const mzv_chain *chain);
/* Bytes of one of the two twiddle tables of a prime. */
size_t mzv_cuda_twiddle_bytes(const mzv_cuda_tables *tables);
/* Writes both tables of prime t to host memory, in the form `fp64` says. */
void mzv_cuda_twiddles(const mzv_cuda_tables *tables, uint32_t t, void *forward, void *inverse);

/* FP64 halves of `inverse`, centred: out[2 (f * n_primes + t)] 2^25 + out[2 (f * n_primes + t) + 1], both
 * times MZV_CUDA_FP64_WEIGHT_SCALE. */
void mzv_cuda_weights(const mzv_cuda_tables *tables, double *out);

/* Product of the primes number begin .. end-1 of the chain, p_t left out, modulo p_t; or its inverse. */
uint64_t mzv_cuda_range_product(const mzv_cuda_tables *tables, uint32_t t, uint32_t begin, uint32_t end);
uint64_t mzv_cuda_range_inverse(const mzv_cuda_tables *tables, uint32_t t, uint32_t begin, uint32_t end);

#ifdef __cplusplus
}
#endif
#endif
