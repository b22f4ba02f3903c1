/* What a device must provide to run CKKS.
 *
 * Everything above this header (ckks, circuit, nn) is portable C that calls the mzv_poly_* functions
 * below; everything beneath it (host/cpu, cuda) fills the table.
 *
 * Data. The only data type is a batch of RNS polynomials: rows of N 64-bit words, one row per limb,
 * each word a residue in [0, prime). At every boundary in this header rows are canonical and, except
 * for ntt, intt and lift, in NTT form. Lazy or coefficient-form values exist only inside one
 * operation. Hence two backends agree when their rows are equal byte for byte.
 *
 * Order of limbs. Special primes first, then the chain: p_0 .. p_{K-1}, q_0 .. q_L. Dropping a level
 * is dropping a suffix of rows; a key made at the top serves every lower level as a prefix.
 *
 * Order of values. Word k of a row is a(psi^(2 rev(k) + 1)), psi a primitive 2N-th root of unity
 * (the smallest one found by the rule in math/primes.h), rev the reversal of log_n bits, as
 * Cooley-Tukey leaves it [LN16]. X -> X^g is therefore a permutation of words, the same for all rows.
 *
 * Time. Operations are queued on a stream and run in order; they may return before the work is done.
 * Memory passed to a queued operation must live until the stream has passed it; `free` waits its turn,
 * so freeing early is correct. A late fault is reported by the next call on the stream, at the latest
 * by `synchronize`. A stream belongs to one thread at a time; a backend is shared freely.
 *
 * Temporaries come from the stream's scratch arena, at most twice as many rows as its operands have, and
 * are given back before the operation returns. No operation allocates. */
#ifndef MZV_BACKEND_H
#define MZV_BACKEND_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "mzv/params.h"
#ifdef __cplusplus
extern "C" {
#endif

typedef struct mzv_backend mzv_backend; /* one device and its tables for one chain */
typedef struct mzv_backend_ops mzv_backend_ops;
typedef struct mzv_graph mzv_graph; /* what a stream was given while it recorded */

/* A bump arena over backend memory. Entry points mark and release; code within takes. */
typedef struct mzv_scratch {
    uint64_t *base;
    size_t n_words, used, peak;
} mzv_scratch;

/* First member of every backend's own stream type. */
typedef struct mzv_stream {
    const mzv_backend_ops *ops;
    mzv_backend *backend;
    const struct mzv_chain *chain; /* the backend's own copy */
    uint32_t log_n;
    mzv_scratch scratch;
    bool records; /* between record_begin and record_end: operations are noted, not done */
} mzv_stream;

/* The ring and its primes: distinct, below 2^61, = 1 mod 2N. */
typedef struct mzv_chain {
    uint32_t log_n;
    uint32_t n_p, n_q;
    const uint64_t *primes; /* p_0 .. p_{K-1}, q_0 .. q_L */
} mzv_chain;

/* Which primes a polynomial is taken modulo: p_0 .. p_{n_p-1}, then q_{q_first} .. q_{q_first+n_q-1}. */
typedef struct mzv_basis {
    uint16_t n_p, q_first, n_q;
} mzv_basis;

/* A view of `batch` polynomials; it owns nothing. Row i of polynomial b starts at
 * base + b*stride + i*N. `base` is a backend address: the host never reads it. Rows are 64-byte
 * aligned: so is base, and stride is a multiple of 8 words.
 * An input with batch 1 serves every polynomial of the output's batch (keys, weights). */
typedef struct mzv_poly {
    uint64_t *base;
    size_t stride; /* in words */
    uint32_t batch;
    mzv_basis basis;
} mzv_poly;

/* The same, read-only. */
typedef struct mzv_cpoly {
    const uint64_t *base;
    size_t stride;
    uint32_t batch;
    mzv_basis basis;
} mzv_cpoly;

/* A key switch: the key, and what may go with it. */
typedef struct mzv_switch {
    const mzv_cpoly *key;    /* 2 n_digits: [2 j + t], modulo P and the primes of d */
    uint32_t n_digits;       /* of as many limbs as P has primes, the last one maybe fewer */
    const mzv_cpoly *digits; /* those of d, lifted by mod_up, where they are kept (hoisting); or NULL */
    const mzv_cpoly *add;    /* 2, in the basis of d or of the key; without a base: zero; or NULL */
    uint32_t galois;         /* the automorphism that comes last; 1: none */
    bool accumulate;         /* the result is added to what is in r */
} mzv_switch;

/* Rows of N words that a key switch may take of the scratch for its threads, beside what its composition
 * takes. */
#define MZV_SWITCH_ROWS 128

/* A factor of sums of rotations: rows over the basis of the sums, or N signed coefficients, |v| < 2^62, to be
 * lifted to it as by lift; both NULL: zero. A polynomial in X^(2^log_repeat) has values that come
 * 2^log_repeat times in turn: then rows, which hold each once, are N >> log_repeat words long, and the
 * integers are given too. */
typedef struct mzv_diagonal {
    const uint64_t *rows;
    const int64_t *integers;
    uint32_t log_repeat;
} mzv_diagonal;

/* Hoisted rotations of one polynomial pair and weighted sums of them, the baby steps of BSGS:
 *     u_i[t] = sigma_i(sum_{j < n_digits} d[j] . key[i][2*j+t] + [t = 0] c a[0]), sigma_i: X -> X^galois[i],
 * or c a[t] where key[i] is NULL; it is 0 modulo the special primes, over which `a` is not given. */
typedef struct mzv_rotations {
    const mzv_cpoly *d;          /* n_digits, over the basis of the sums */
    const mzv_cpoly *a;          /* 2, over its limbs q */
    const uint64_t *c;           /* one for each limb of a */
    const mzv_cpoly *const *key; /* n_rotations times 2 n_digits */
    const uint32_t *galois;      /* n_rotations */
    const mzv_diagonal *w;       /* n_sums times n_rotations */
    uint32_t n_digits, n_rotations, n_sums;
    bool accumulate; /* the sums are added to what is there */
} mzv_rotations;

/* Weights of matrices lie below the bound, and backends sum at most so many terms at once: 18 bits, the 25 of
 * half a residue, and 10 are the 53 of a double. */
#define MZV_MATRIX_BOUND (1 << 18)
#define MZV_MATRIX_TERMS 1024

/* Integers w[o * n_in + i], |w| < 2^18: a linear layer over ciphertexts that hold one column each. */
typedef struct mzv_matrix {
    uint32_t n_out, n_in;
    const int32_t *w;        /* host memory, read before the call returns */
    const uint64_t *doubles; /* the same as doubles in backend memory, from mzv_matrix_upload */
} mzv_matrix;

/* A device as `mzv devices` shows it. */
typedef struct mzv_device_facts {
    char name[128], architecture[16]; /* "NVIDIA H100 80GB HBM3", "sm_90" */
    const char *arithmetic;           /* what open chooses for chains that allow it: "fp64", "integer" */
    uint64_t total_bytes, free_bytes;
    double fp64_per_s; /* FP64 instructions (an FMA is one) at the highest clock; 0 where FP64 is slow */
} mzv_device_facts;

/* Device memory of one backend object, tables included, and pinned memory of the host. */
typedef struct mzv_device_memory {
    uint64_t used_bytes, peak_bytes;
    uint64_t max_bytes; /* 0: no limit was set */
    uint64_t pinned_bytes;
} mzv_device_memory;

/* Outputs come first. `r` may be the same view as an input of the same basis, and must not overlap it
 * in any other way. */
struct mzv_backend_ops {
    const char *name;
    /* MZV_OK or MZV_ERR_NO_DEVICE; NULL: every machine has one. What "auto" asks. */
    mzv_status (*probe)(int device);
    /* How many devices there are, and what number `device` is; out may be NULL. MZV_ERR_NO_DEVICE. NULL: the
     * host. */
    mzv_status (*look)(mzv_device_facts *out, int *n_devices, int device);

    /* Device memory that the tables of a chain take, in the faster arithmetic; no device is asked. NULL: not
     * counted. */
    uint64_t (*table_bytes)(const mzv_chain *chain);
    /* `variant` is the arithmetic ("scalar", "avx2", "avx512", "avx512ifma"; NULL: the best this machine
     * has). */
    mzv_status (*open)(mzv_backend **out, const mzv_chain *chain, int device, const char *variant);
    void (*close)(mzv_backend *backend);
    const char *(*describe)(const mzv_backend *backend); /* "cpu/avx2", "cuda/sm_90" */
    /* From now on tables and allocations take at most n_bytes; 0: what the device has. MZV_ERR_MEMORY if they
     * take more already. NULL, for both: the host's memory, which is not counted here. */
    mzv_status (*limit)(mzv_backend *backend, uint64_t n_bytes);
    mzv_status (*memory)(mzv_device_memory *out, const mzv_backend *backend);

    mzv_status (*stream_open)(mzv_stream **out, mzv_backend *backend);
    void (*stream_close)(mzv_stream *s);
    mzv_status (*stream_wait)(mzv_stream *s, mzv_stream *earlier);
    mzv_status (*synchronize)(mzv_stream *s);

    /* 64-byte aligned (or better) backend memory, for every stream as soon as the call returns: it may wait.
     */
    mzv_status (*alloc)(mzv_stream *s, uint64_t **out, size_t n_words);
    void (*free)(mzv_stream *s, uint64_t *words);
    /* Pinned memory of the host that operations read in place, over the bus: for operands that are more than
     * the device holds. NULL, for both: the backend's memory is the host's. free_pinned waits for the stream.
     */
    mzv_status (*alloc_pinned)(mzv_stream *s, uint64_t **out, size_t n_words);
    void (*free_pinned)(mzv_stream *s, uint64_t *words, size_t n_words);
    /* To and from either. */
    mzv_status (*upload)(mzv_stream *s, uint64_t *dst, const uint64_t *host_src, size_t n_words);
    mzv_status (*download)(mzv_stream *s, uint64_t *host_dst, const uint64_t *src, size_t n_words);

    /* Operations of levels 1 to 4 that a stream is given between begin and end are noted, with their
     * addresses and constants, and done by each `replay` on that stream, in one call. NULL, for all four:
     * calls are repeated instead. Whatever else concerns the stream, and its first matmul, cannot be
     * recorded: MZV_ERR_ARGUMENT names it; what follows, record_end included, is refused with the same. */
    mzv_status (*record_begin)(mzv_stream *s);
    /* out NULL: what was noted is dropped. Ends the recording whatever it returns. */
    mzv_status (*record_end)(mzv_stream *s, mzv_graph **out);
    mzv_status (*replay)(mzv_stream *s, const mzv_graph *graph);
    void (*graph_close)(mzv_stream *s, mzv_graph *graph);

    /* Level 1, word by word. Constants: one per limb of r, below its prime, read before the call returns. */
    mzv_status (*copy)(mzv_stream *s, mzv_poly r, mzv_cpoly a);                             /* r  = a */
    mzv_status (*add)(mzv_stream *s, mzv_poly r, mzv_cpoly a, mzv_cpoly b);                 /* r  = a + b */
    mzv_status (*sub)(mzv_stream *s, mzv_poly r, mzv_cpoly a, mzv_cpoly b);                 /* r  = a - b */
    mzv_status (*mul)(mzv_stream *s, mzv_poly r, mzv_cpoly a, mzv_cpoly b);                 /* r  = a . b */
    mzv_status (*mul_add)(mzv_stream *s, mzv_poly r, mzv_cpoly a, mzv_cpoly b);             /* r += a . b */
    mzv_status (*mul_const)(mzv_stream *s, mzv_poly r, mzv_cpoly a, const uint64_t *c);     /* r  = c a */
    mzv_status (*mul_const_add)(mzv_stream *s, mzv_poly r, mzv_cpoly a, const uint64_t *c); /* r += c a */
    mzv_status (*add_const)(mzv_stream *s, mzv_poly r, mzv_cpoly a, const uint64_t *c); /* r = a + c X^0 */

    /* Level 2, row by row. */
    mzv_status (*ntt)(mzv_stream *s, mzv_poly r);  /* coefficients -> values, in place */
    mzv_status (*intt)(mzv_stream *s, mzv_poly r); /* values -> coefficients, in place */
    /* r(X) = a(X^galois), galois odd, below 2N; r must not overlap a. */
    mzv_status (*automorphism)(mzv_stream *s, mzv_poly r, mzv_cpoly a, uint32_t galois);
    /* r = NTT(v mod prime) for signed coefficients v, |v| < 2^62: N words of backend memory that serve
     * every row, polynomial b at v + b*stride (stride 0: one for all). */
    mzv_status (*lift)(mzv_stream *s, mzv_poly r, const int64_t *v, size_t stride);

    /* Level 3, change of basis. F is the basis of `a`, T that of `r`.
     *
     * mod_up, F inside T: rows of F are copied, every other row t is
     *     r = sum_{f in F} [a (F/f)^-1]_f (F/f)  mod t,   [.]_f centred in (-f/2, f/2).
     * mod_down, T inside F, D the product of the dropped primes F \ T:
     *     r = (a - conv_{D -> t}(a)) D^-1  mod t,   that is, a / D rounded, conv as in mod_up.
     * [HPS18, 2.2], [CHKKS18b, 3.1]. Key-switching ModUp and bootstrapping's ModRaise are mod_up;
     * ModDown, Rescale and the two merged are mod_down. r must not overlap a. */
    mzv_status (*mod_up)(mzv_stream *s, mzv_poly r, mzv_cpoly a);
    mzv_status (*mod_down)(mzv_stream *s, mzv_poly r, mzv_cpoly a);

    /* Level 4, fused for speed. NULL means backend/fused.c composes it from the levels above, with the
     * same bytes. Outputs must not overlap inputs. */

    /* d[0] = a[0] b[0], d[1] = a[0] b[1] + a[1] b[0], d[2] = a[1] b[1]. */
    mzv_status (*tensor)(mzv_stream *s, mzv_poly d[3], const mzv_cpoly a[2], const mzv_cpoly b[2]);
    /* r = sum_{i<n} a[i] . w[i]: the inner sum of BSGS. */
    mzv_status (*dot)(mzv_stream *s, mzv_poly r, const mzv_cpoly *a, const mzv_cpoly *w, uint32_t n);
    /* r[t] = sum_{j<n} d[j] . key[2*j+t]: the inner product of key switching. */
    mzv_status (*key_product)(mzv_stream *s, mzv_poly r[2], const mzv_cpoly *d, const mzv_cpoly *key,
                              uint32_t n);
    /* r[t] = sum_i sigma_i(sum_j d[j] . key[i][2*j+t]), sigma_i: X -> X^galois[i]: hoisted
     * rotate-and-sum, the fused slot folding. */
    mzv_status (*fold)(mzv_stream *s, mzv_poly r[2], const mzv_cpoly *d, const mzv_cpoly *const *key,
                       const uint32_t *galois, uint32_t n_digits, uint32_t n_rotations);
    /* r[t] = (or +=) sigma((sum_j up(d_j) . key[2*j+t] + A[t]) / D), d_j the digits of d, sigma: X ->
     * X^galois, D the product of the primes of the key that r lacks, which has all special ones or none; A[t]
     * = P add[t], or add[t] itself where it has the special primes: ModUp, the inner product and ModDown in
     * one [HK20], or the first two where r has all primes. */
    mzv_status (*key_switch)(mzv_stream *s, mzv_poly r[2], mzv_cpoly d, const mzv_switch *with);
    /* r[2*g+t] = (or +=) sum_i w[g*n_rotations+i] . u_i[t], u_i as in mzv_rotations. Temporaries: those of
     * its composition, or as many, and N/16 words for each rotation. */
    mzv_status (*rotation_sums)(mzv_stream *s, mzv_poly *r, const mzv_rotations *of);
    /* r_o = sum_i w[o][i] a_i: the batch of `a` is n_in, that of r n_out. */
    mzv_status (*matmul)(mzv_stream *s, mzv_poly r, mzv_cpoly a, const mzv_matrix *w);
};

/* Checked dispatch: what the layers above call. Bases, batches and overlaps are tested once here for all
 * backends; MZV_VERIFY builds also test that rows are canonical. */
mzv_status mzv_poly_copy(mzv_stream *s, mzv_poly r, mzv_cpoly a) MZV_MUST_CHECK;
mzv_status mzv_poly_add(mzv_stream *s, mzv_poly r, mzv_cpoly a, mzv_cpoly b) MZV_MUST_CHECK;
mzv_status mzv_poly_sub(mzv_stream *s, mzv_poly r, mzv_cpoly a, mzv_cpoly b) MZV_MUST_CHECK;
mzv_status mzv_poly_mul(mzv_stream *s, mzv_poly r, mzv_cpoly a, mzv_cpoly b) MZV_MUST_CHECK;
mzv_status mzv_poly_mul_add(mzv_stream *s, mzv_poly r, mzv_cpoly a, mzv_cpoly b) MZV_MUST_CHECK;
mzv_status mzv_poly_mul_const(mzv_stream *s, mzv_poly r, mzv_cpoly a, const uint64_t *c) MZV_MUST_CHECK;
mzv_status mzv_poly_mul_const_add(mzv_stream *s, mzv_poly r, mzv_cpoly a, const uint64_t *c) MZV_MUST_CHECK;
mzv_status mzv_poly_add_const(mzv_stream *s, mzv_poly r, mzv_cpoly a, const uint64_t *c) MZV_MUST_CHECK;
mzv_status mzv_poly_ntt(mzv_stream *s, mzv_poly r) MZV_MUST_CHECK;
mzv_status mzv_poly_intt(mzv_stream *s, mzv_poly r) MZV_MUST_CHECK;
mzv_status mzv_poly_automorphism(mzv_stream *s, mzv_poly r, mzv_cpoly a, uint32_t galois) MZV_MUST_CHECK;
mzv_status mzv_poly_lift(mzv_stream *s, mzv_poly r, const int64_t *v, size_t stride) MZV_MUST_CHECK;
mzv_status mzv_poly_mod_up(mzv_stream *s, mzv_poly r, mzv_cpoly a) MZV_MUST_CHECK;
mzv_status mzv_poly_mod_down(mzv_stream *s, mzv_poly r, mzv_cpoly a) MZV_MUST_CHECK;
mzv_status mzv_poly_tensor(mzv_stream *s, mzv_poly d[3], const mzv_cpoly a[2],
                           const mzv_cpoly b[2]) MZV_MUST_CHECK;
mzv_status mzv_poly_dot(mzv_stream *s, mzv_poly r, const mzv_cpoly *a, const mzv_cpoly *w,
                        uint32_t n) MZV_MUST_CHECK;
mzv_status mzv_poly_key_product(mzv_stream *s, mzv_poly r[2], const mzv_cpoly *d, const mzv_cpoly *key,
                                uint32_t n) MZV_MUST_CHECK;
mzv_status mzv_poly_fold(mzv_stream *s, mzv_poly r[2], const mzv_cpoly *d, const mzv_cpoly *const *key,
                         const uint32_t *galois, uint32_t n_digits, uint32_t n_rotations) MZV_MUST_CHECK;
mzv_status mzv_poly_key_switch(mzv_stream *s, mzv_poly r[2], mzv_cpoly d,
                               const mzv_switch *with) MZV_MUST_CHECK;
mzv_status mzv_poly_rotation_sums(mzv_stream *s, mzv_poly *r, const mzv_rotations *of) MZV_MUST_CHECK;
mzv_status mzv_poly_matmul(mzv_stream *s, mzv_poly r, mzv_cpoly a, const mzv_matrix *w) MZV_MUST_CHECK;

/* The same from level 1, without w->doubles. */
mzv_status mzv_matmul_composed(mzv_stream *s, mzv_poly r, mzv_cpoly a, const mzv_matrix *w) MZV_MUST_CHECK;
/* w->doubles, made from w->w; to be freed by the backend's `free`. Waits. */
mzv_status mzv_matrix_upload(mzv_stream *s, mzv_matrix *w) MZV_MUST_CHECK;

/* Scratch: `take` gives a fresh polynomial; `mark` and `release` bracket a call. */
mzv_status mzv_take(mzv_stream *s, mzv_poly *out, uint32_t batch, mzv_basis basis) MZV_MUST_CHECK;
mzv_status mzv_take_words(mzv_stream *s, uint64_t **out, size_t n_words) MZV_MUST_CHECK;
static inline size_t mzv_mark(const mzv_stream *s) { return s->scratch.used; }
static inline void mzv_release(mzv_stream *s, size_t mark) { s->scratch.used = mark; }
/* One allocation of `n_words`, made once; replaces a smaller arena that is not in use. */
mzv_status mzv_scratch_reserve(mzv_stream *s, size_t n_words) MZV_MUST_CHECK;

/* registry.c: the backends of this build, best first. NULL and "auto" pick the best one with a device. */
mzv_status mzv_backend_find(const mzv_backend_ops **out, const char *name) MZV_MUST_CHECK;
extern const mzv_backend_ops mzv_cpu_ops;
extern const mzv_backend_ops mzv_cuda_ops; /* present only when built with CUDA (MZV_WITH_CUDA) */

static inline uint32_t mzv_basis_size(mzv_basis b) { return (uint32_t)b.n_p + b.n_q; }
static inline mzv_cpoly mzv_view(mzv_poly a) {
    const mzv_cpoly v = { a.base, a.stride, a.batch, a.basis };
    return v;
}
/* Index in the chain of row i of basis b. */
static inline uint32_t mzv_prime_index(const mzv_chain *chain, mzv_basis b, uint32_t i) {
    return i < b.n_p ? i : chain->n_p + b.q_first + (i - b.n_p);
}

#ifdef __cplusplus
}
#endif
#endif
