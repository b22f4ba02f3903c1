/* Uniform polynomials from a public 32-byte seed: the halves of fresh ciphertexts and of keys that travel as
 * a seed. Public data only; servers expand too. */
#ifndef MZV_CKKS_EXPAND_H
#define MZV_CKKS_EXPAND_H
#include "backend/backend.h"
#include "base/random.h"
#ifdef __cplusplus
extern "C" {
#endif

/* Purposes of a seed: one label each, so that equal seeds would still give independent polynomials. */
#define MZV_LABEL_CIPHER "mzv uniform half of a ciphertext"
#define MZV_LABEL_KEY "mzv uniform half of a switching key"
#define MZV_LABEL_PUBLIC "mzv uniform half of a public key"

/* row[0..n-1]: uniform modulo `prime`, from stream (polynomial 2^32 + prime_index) of `label` under `seed`.
 * With v_0, v_1, ... the 64-bit words of that stream, word k is floor(v_k prime / 2^64); v_k whose
 * (v_k prime mod 2^64) is below (2^64 mod prime) are replaced by v_n, v_{n+1}, ... in order of k [Lem19]. */
void mzv_expand_row(uint64_t *row, size_t n, uint64_t prime, const uint8_t seed[MZV_SEED_BYTES],
                    const char *label, uint64_t stream);

/* r = that of every prime of its basis, in host memory, in parallel over rows; read as values (NTT form).
 * A polynomial over fewer primes is a subset of its rows. */
void mzv_expand(mzv_poly r, const mzv_chain *chain, const uint8_t seed[MZV_SEED_BYTES], const char *label,
                uint32_t polynomial);

#ifdef __cplusplus
}
#endif
#endif
