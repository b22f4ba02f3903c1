/* The inside of a context and of the handles that hang on it. Only ckks/ includes this header. */
#ifndef MZV_CKKS_CONTEXT_H
#define MZV_CKKS_CONTEXT_H
#include "mzv/eval.h"
#include "backend/backend.h"
#include "ckks/encode.h"
#ifdef __cplusplus
extern "C" {
#endif

struct mzv_context {
    mzv_params params;
    mzv_param_facts facts;
    mzv_options options;
    mzv_chain chain; /* primes points into facts */
    const mzv_backend_ops *ops;
    mzv_backend *backend; /* evaluation; secrets never go there unless it is the host's */
    mzv_backend *host;    /* the CPU backend, for client work; may be the same object */
    mzv_embedding *embedding;
    char backend_name[32];
};

/* A batch of ciphertexts. Words are laid out [part][batch][limb < capacity][N] in the memory of the
 * evaluator's kind: residues of the context's backend on ckks, slots as (re, im) doubles on clear
 * ([batch][n_slots], one part), nothing on count. Circuits keep these by value, taken from an evaluator's
 * arena; handles of the public API own their words. */
struct mzv_cipher {
    uint32_t level; /* level + 1 limbs are in use */
    uint32_t batch;
    uint32_t capacity; /* limbs there is room for */
    double scale;
    uint64_t *words;
    bool public_seeded; /* part 1 is the expansion of `seed`: fresh, by secret key */
    bool insecure;      /* made under a set marked insecure_toy */
    uint8_t seed[32];
    uint8_t params_id[MZV_ID_BYTES], key_id[MZV_ID_BYTES];
    mzv_stream *owner;      /* the handle's own stream, closed with it; NULL: words are of an arena, or
                               (clear handles) of mzv_alloc */
    const mzv_context *ctx; /* NULL on clear and count */
};

/* Part t (0, 1) of a ckks ciphertext as a polynomial view over its limbs in use. */
mzv_poly mzv_cipher_part(const mzv_cipher *ct, uint32_t log_n, uint32_t t);
/* Limbs in use of part t of ciphertext b, from and to host memory: (level + 1) N words. They wait. */
mzv_status mzv_cipher_read(const mzv_cipher *ct, uint64_t *host, uint32_t t, uint32_t b) MZV_MUST_CHECK;
mzv_status mzv_cipher_write(mzv_cipher *ct, const uint64_t *host, uint32_t t, uint32_t b) MZV_MUST_CHECK;
/* MZV_ERR_ARGUMENT, MZV_ERR_MISMATCH: `op` cannot use ct under ctx (no value, other parameters). */
mzv_status mzv_cipher_check(const mzv_cipher *ct, const mzv_context *ctx, const char *op) MZV_MUST_CHECK;

/* One switching key. A Galois key of g takes s to sigma_g^-1(s): the product with the digits is made first,
 * sigma_g is applied after it, so that hoisted rotations share their digits [HS18; BMTH21].
 *     b_j + a_j s_to = P g_j s_from + e_j,  g_j = 1 modulo the primes of digit j and 0 modulo the others.
 * relinearisation: s_from = s^2, s_to = s. Galois: s_from = s, s_to = sigma_g^-1(s).
 *
 * Sparse-secret encapsulation [BTH22]: s' ternary of weight 32, made for one set of keys and forgotten. The
 * key from s to s' exists modulo q_0 p_0 only (P is p_0 in the equation). The key from s' to s is used on
 * numbers below q_0: one digit, g_0 = 1 modulo every prime. */
#define MZV_KEY_TO_SPARSE 2 /* in the place of a Galois element, which is odd */
#define MZV_KEY_FROM_SPARSE 4
typedef struct mzv_ksk {
    uint32_t galois;   /* 1: relinearisation; or one of the two above */
    uint32_t level;    /* rows are p_0 .. p_{K-1}, q_0 .. q_level; p_0, q_0 to the sparse one */
    uint32_t n_digits; /* ceil((level + 1) / K); 1 to and from the sparse one */
    mzv_cpoly pair[2 * MZV_MAX_DIGITS]; /* b_0, a_0, b_1, a_1, ... */
    uint8_t seed[32];                   /* of all a_j */
} mzv_ksk;

struct mzv_keys {
    const mzv_context *ctx; /* borrowed */
    uint8_t key_id[MZV_ID_BYTES];
    uint32_t n;
    mzv_ksk *key; /* sorted by galois */
    mzv_stream *stream;
    uint64_t *words; /* of the backend, */
    size_t n_words;
    uint64_t *pinned; /* and of the host, for keys beyond what the device may hold */
    size_t n_pinned;
};

/* The key of `galois` good for `level`, or MZV_ERR_KEY naming what is missing. */
mzv_status mzv_keys_find(const mzv_ksk **out, const mzv_keys *keys, uint32_t galois,
                         uint32_t level) MZV_MUST_CHECK;

/* Requests, sorted by kind, then steps, each once; level is the highest asked for. Steps are as asked: they
 * are taken modulo N/2 when the ring is known. */
typedef enum mzv_need_kind {
    MZV_NEED_RELINEARIZE,
    MZV_NEED_ROTATE,
    MZV_NEED_CONJUGATE,
    MZV_NEED_SPARSE /* both keys of the encapsulation; level: that of the raised ciphertext */
} mzv_need_kind;
typedef struct mzv_key_need {
    mzv_need_kind kind;
    int32_t steps; /* of a rotation */
    uint32_t level;
    uint64_t n_uses; /* how often it was asked for */
} mzv_key_need;
struct mzv_key_request {
    mzv_key_need *need;
    uint32_t n, capacity;
};

/* One need, or one more use of a need that is there. */
mzv_status mzv_request_need(mzv_key_request *request, mzv_key_need need) MZV_MUST_CHECK;

/* 5^steps mod 2N, steps taken modulo N/2; 2N - 1 is conjugation. */
uint32_t mzv_galois_of(uint32_t log_n, int32_t steps);

#ifdef __cplusplus
}
#endif
#endif
