/* Common steps of saving and loading objects of a context. */
#include "ckks/object_file.h"

#include <string.h>

#include "base/try.h"

mzv_status mzv_object_create(mzv_container_out **out, const char *path, const mzv_context *ctx, mzv_kind kind,
                             const uint8_t key_id[MZV_ID_BYTES]) {
    mzv_container_head head = { .kind = kind, .insecure_toy = ctx->params.insecure_toy };
    mzv_container_out *c = NULL;
    memcpy(head.params_id, ctx->facts.id, sizeof head.params_id);
    memcpy(head.key_id, key_id, sizeof head.key_id);
    MZV_TRY(mzv_container_create(&c, path, &head));
    const mzv_status status = mzv_container_put_u64(c, "log_n", ctx->params.log_n);
    if (status != MZV_OK) {
        mzv_container_discard(c);
        return status;
    }
    *out = c;
    return MZV_OK;
}

mzv_status mzv_object_finish(mzv_container_out *c, mzv_status status) {
    if (status == MZV_OK) return mzv_container_commit(c);
    mzv_container_discard(c);
    return status;
}

static mzv_status check_owner(const mzv_container_in *c, const mzv_context *ctx) {
    static const uint8_t none[MZV_ID_BYTES];
    uint32_t log_n = 0;
    MZV_TRY(mzv_container_get_u32(c, "log_n", 10, 17, &log_n));
    if (log_n != ctx->params.log_n) {
        return mzv_container_fail(c, 54, "field log_n: expected %u, found %u", ctx->params.log_n, log_n);
    }
    if (memcmp(mzv_container_head_of(c)->key_id, none, sizeof none) == 0) {
        return mzv_container_fail(c, 34, "key id: expected the id of a key, found zeros");
    }
    return MZV_OK;
}

mzv_status mzv_object_open(mzv_container_in **out, const char *path, const mzv_context *ctx,
                           const mzv_schema *schema) {
    const mzv_expect expect = { .params_id = ctx->facts.id, .allow_insecure = ctx->params.insecure_toy };
    mzv_container_in *c = NULL;
    MZV_TRY(mzv_container_open(&c, path, schema, &expect));
    const mzv_status status = check_owner(c, ctx);
    if (status != MZV_OK) {
        mzv_container_close(c);
        return status;
    }
    *out = c;
    return MZV_OK;
}

mzv_status mzv_object_write_rows(mzv_container_out *c, const uint64_t *rows, const mzv_chain *chain,
                                 mzv_basis basis) {
    return mzv_container_write_words(c, rows, (size_t)mzv_basis_size(basis) << chain->log_n);
}

mzv_status mzv_object_read_rows(mzv_container_in *c, uint64_t *rows, const mzv_chain *chain,
                                mzv_basis basis) {
    const size_t n = (size_t)1 << chain->log_n;
    for (uint32_t i = 0; i < mzv_basis_size(basis); i++) {
        MZV_TRY(mzv_container_read_row(c, rows + i * n, n, chain->primes[mzv_prime_index(chain, basis, i)]));
    }
    return MZV_OK;
}
