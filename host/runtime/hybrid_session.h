/* The two ends of a hybrid session. They share public things only: context (ring and tables), layout, level. */
#ifndef MZV_RUNTIME_HYBRID_SESSION_H
#define MZV_RUNTIME_HYBRID_SESSION_H
#include "nn/attention.h"
#include "runtime/hybrid.h"
#ifdef __cplusplus
extern "C" {
#endif

/* The server: weights of one module and evaluation keys; no secret. In clear and simulate modes its evaluator holds
 * slots instead. */
typedef struct mzv_hybrid_server {
    mzv_evaluator *ev;
    mzv_attention *attention;
    uint32_t level; /* of the inputs */
} mzv_hybrid_server;

/* Borrows ctx and keys (both NULL unless mode is execute). */
mzv_status mzv_hybrid_server_open(mzv_hybrid_server *out, const mzv_attention_spec *spec, const mzv_context *ctx,
                                  const mzv_keys *keys, const mzv_hybrid_plan *plan,
                                  const mzv_hybrid_options *options) MZV_MUST_CHECK;
void mzv_hybrid_server_close(mzv_hybrid_server *server); /* all zero is allowed */
/* out: level of the inputs less the circuit's. */
mzv_status mzv_hybrid_server_run(mzv_hybrid_server *server, mzv_cipher *out, const mzv_cipher *keys,
                                 const mzv_cipher *queries, const mzv_pair_span *span,
                                 const mzv_attention_watch *watch) MZV_MUST_CHECK;

/* The client: the secret, and buffers of slots. */
typedef struct mzv_hybrid_client {
    mzv_secret *secret;  /* execute only */
    mzv_evaluator *slots_ev; /* clear and simulate: borrowed, stands for encryption */
    mzv_pair_layout layout;
    uint32_t n_channels, level;
    mzv_complex *slots; /* queries, keys: 2 n_slots */
} mzv_hybrid_client;

mzv_status mzv_hybrid_client_open(mzv_hybrid_client *out, const mzv_context *ctx, mzv_evaluator *slots_ev,
                                  const mzv_attention_spec *spec, uint32_t level) MZV_MUST_CHECK;
void mzv_hybrid_client_close(mzv_hybrid_client *client); /* wipes */
mzv_status mzv_hybrid_client_send(mzv_hybrid_client *client, mzv_cipher *keys, mzv_cipher *queries,
                                  const float *x, const mzv_pair_span *span) MZV_MUST_CHECK;
/* The values of the rows; MZV_ERR_RANGE where they cannot be a result: imaginary parts, or beyond the bound. */
mzv_status mzv_hybrid_client_receive(mzv_hybrid_client *client, float *out, const mzv_cipher *result,
                                     const mzv_attention *shape, uint32_t n_rows) MZV_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
