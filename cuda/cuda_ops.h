/* What the CUDA sources export to the table in cuda_backend.c. Contracts: backend/backend.h. */
#ifndef MZV_CUDA_OPS_H
#define MZV_CUDA_OPS_H
#include "backend/backend.h"
#ifdef __cplusplus
extern "C" {
#endif

/* device.cu */
mzv_status mzv_cuda_probe(int device);
mzv_status mzv_cuda_look(mzv_device_facts *out, int *n_devices, int device);
mzv_status mzv_cuda_open(mzv_backend **out, const mzv_chain *chain, int device, const char *variant);
void mzv_cuda_close(mzv_backend *backend);
const char *mzv_cuda_describe(const mzv_backend *backend);
mzv_status mzv_cuda_stream_open(mzv_stream **out, mzv_backend *backend);
void mzv_cuda_stream_close(mzv_stream *s);
mzv_status mzv_cuda_stream_wait(mzv_stream *s, mzv_stream *earlier);
mzv_status mzv_cuda_synchronize(mzv_stream *s);
mzv_status mzv_cuda_upload(mzv_stream *s, uint64_t *dst, const uint64_t *host_src, size_t n_words);
mzv_status mzv_cuda_download(mzv_stream *s, uint64_t *host_dst, const uint64_t *src, size_t n_words);

/* memory.cu */
mzv_status mzv_cuda_limit(mzv_backend *backend, uint64_t n_bytes);
mzv_status mzv_cuda_memory(mzv_device_memory *out, const mzv_backend *backend);
mzv_status mzv_cuda_alloc(mzv_stream *s, uint64_t **out, size_t n_words);
void mzv_cuda_free(mzv_stream *s, uint64_t *words);
mzv_status mzv_cuda_alloc_pinned(mzv_stream *s, uint64_t **out, size_t n_words);
void mzv_cuda_free_pinned(mzv_stream *s, uint64_t *words, size_t n_words);

/* graph.cu */
mzv_status mzv_cuda_record_begin(mzv_stream *s);
mzv_status mzv_cuda_record_end(mzv_stream *s, mzv_graph **out);
mzv_status mzv_cuda_replay(mzv_stream *s, const mzv_graph *graph);
void mzv_cuda_graph_close(mzv_stream *s, mzv_graph *graph);

/* tables.cu */
uint64_t mzv_cuda_table_bytes(const mzv_chain *chain);

/* pointwise.cu */
mzv_status mzv_cuda_copy(mzv_stream *s, mzv_poly r, mzv_cpoly a);
mzv_status mzv_cuda_add(mzv_stream *s, mzv_poly r, mzv_cpoly a, mzv_cpoly b);
mzv_status mzv_cuda_sub(mzv_stream *s, mzv_poly r, mzv_cpoly a, mzv_cpoly b);
mzv_status mzv_cuda_mul(mzv_stream *s, mzv_poly r, mzv_cpoly a, mzv_cpoly b);
mzv_status mzv_cuda_mul_add(mzv_stream *s, mzv_poly r, mzv_cpoly a, mzv_cpoly b);
mzv_status mzv_cuda_mul_const(mzv_stream *s, mzv_poly r, mzv_cpoly a, const uint64_t *c);
mzv_status mzv_cuda_mul_const_add(mzv_stream *s, mzv_poly r, mzv_cpoly a, const uint64_t *c);
mzv_status mzv_cuda_add_const(mzv_stream *s, mzv_poly r, mzv_cpoly a, const uint64_t *c);

/* ntt.cu */
mzv_status mzv_cuda_ntt(mzv_stream *s, mzv_poly r);
mzv_status mzv_cuda_intt(mzv_stream *s, mzv_poly r);
mzv_status mzv_cuda_lift(mzv_stream *s, mzv_poly r, const int64_t *v, size_t stride);

/* automorphism.cu */
mzv_status mzv_cuda_automorphism(mzv_stream *s, mzv_poly r, mzv_cpoly a, uint32_t galois);

/* basis.cu */
mzv_status mzv_cuda_mod_up(mzv_stream *s, mzv_poly r, mzv_cpoly a);
mzv_status mzv_cuda_mod_down(mzv_stream *s, mzv_poly r, mzv_cpoly a);

/* products.cu */
mzv_status mzv_cuda_tensor(mzv_stream *s, mzv_poly d[3], const mzv_cpoly a[2], const mzv_cpoly b[2]);
mzv_status mzv_cuda_dot(mzv_stream *s, mzv_poly r, const mzv_cpoly *a, const mzv_cpoly *w, uint32_t n);
mzv_status mzv_cuda_key_product(mzv_stream *s, mzv_poly r[2], const mzv_cpoly *d, const mzv_cpoly *key,
                                uint32_t n);
mzv_status mzv_cuda_fold(mzv_stream *s, mzv_poly r[2], const mzv_cpoly *d, const mzv_cpoly *const *key,
                         const uint32_t *galois, uint32_t n_digits, uint32_t n_rotations);

/* rotations.cu */
mzv_status mzv_cuda_rotation_sums(mzv_stream *s, mzv_poly *r, const mzv_rotations *of);

/* matmul.cu */
mzv_status mzv_cuda_matmul(mzv_stream *s, mzv_poly r, mzv_cpoly a, const mzv_matrix *w);

/* keyswitch.cu */
mzv_status mzv_cuda_key_switch(mzv_stream *s, mzv_poly r[2], mzv_cpoly d, const mzv_switch *with);

#ifdef __cplusplus
}
#endif
#endif
