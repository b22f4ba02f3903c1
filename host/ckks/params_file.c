/* Parameter sets as files: the literal, and the primes that must follow from it. */
#include <string.h>

#include "base/try.h"
#include "ckks/container.h"
#include "mzv/keys.h"

static const char *const fields[] = { "log_n",      "n_levels",      "log_q0",     "log_scale",
                                      "n_special",  "log_special",   "n_eval_mod", "log_eval_mod",
                                      "n_mod_low",  "log_mod_low",   "n_cts",      "log_cts",
                                      "log_bridge", "security_bits", NULL };
static const mzv_section_rule sections[] = { { "primes", 1, 1 }, { NULL, 0, 0 } };
static const mzv_schema schema = { MZV_KIND_PARAMS, fields, sections };

static mzv_status write_params(mzv_container_out *c, const mzv_params *p, const mzv_param_facts *facts) {
    MZV_TRY(mzv_container_put_u64(c, "log_n", p->log_n));
    MZV_TRY(mzv_container_put_u64(c, "n_levels", p->n_levels));
    MZV_TRY(mzv_container_put_u64(c, "log_q0", p->log_q0));
    MZV_TRY(mzv_container_put_u64(c, "log_scale", p->log_scale));
    MZV_TRY(mzv_container_put_u64(c, "n_special", p->n_special));
    MZV_TRY(mzv_container_put_u64(c, "log_special", p->log_special));
    MZV_TRY(mzv_container_put_u64(c, "n_eval_mod", p->n_eval_mod));
    MZV_TRY(mzv_container_put_u64(c, "log_eval_mod", p->log_eval_mod));
    MZV_TRY(mzv_container_put_u64(c, "n_mod_low", p->n_eval_mod_low));
    MZV_TRY(mzv_container_put_u64(c, "log_mod_low", p->log_eval_mod_low));
    MZV_TRY(mzv_container_put_u64(c, "n_cts", p->n_coeff_to_slot));
    MZV_TRY(mzv_container_put_u64(c, "log_cts", p->log_coeff_to_slot));
    MZV_TRY(mzv_container_put_u64(c, "log_bridge", p->log_bridge));
    MZV_TRY(mzv_container_put_u64(c, "security_bits", facts->security_bits));
    MZV_TRY(mzv_container_add(c, "primes", 0, 8 * (uint64_t)facts->n_primes));
    return mzv_container_write_words(c, facts->primes, facts->n_primes);
}

mzv_status mzv_params_save(const mzv_params *params, const char *path) {
    mzv_param_facts facts;
    mzv_container_out *c = NULL;
    mzv_container_head head = { .kind = MZV_KIND_PARAMS, .insecure_toy = params->insecure_toy };
    MZV_TRY(mzv_params_check(params, &facts));
    memcpy(head.params_id, facts.id, MZV_ID_BYTES);
    MZV_TRY(mzv_container_create(&c, path, &head));
    const mzv_status status = write_params(c, params, &facts);
    if (status == MZV_OK) return mzv_container_commit(c);
    mzv_container_discard(c);
    return status;
}

/* Rules 39 to 42 and 47: mzv_params_check says which number it is. */
static mzv_status read_literal(const mzv_container_in *c, mzv_params *p, mzv_param_facts *facts) {
    MZV_TRY(mzv_container_get_u32(c, "log_n", 10, 17, &p->log_n));
    MZV_TRY(mzv_container_get_u32(c, "n_levels", 0, MZV_MAX_PRIMES - 2, &p->n_levels));
    MZV_TRY(mzv_container_get_u32(c, "log_q0", 20, 61, &p->log_q0));
    MZV_TRY(mzv_container_get_u32(c, "log_scale", 20, 60, &p->log_scale));
    MZV_TRY(mzv_container_get_u32(c, "n_special", 1, MZV_MAX_PRIMES - 1, &p->n_special));
    MZV_TRY(mzv_container_get_u32(c, "log_special", 20, 61, &p->log_special));
    MZV_TRY(mzv_container_get_u32(c, "n_eval_mod", 0, MZV_MAX_PRIMES - 1, &p->n_eval_mod));
    MZV_TRY(mzv_container_get_u32(c, "log_eval_mod", 0, 60, &p->log_eval_mod));
    MZV_TRY(mzv_container_get_u32(c, "n_mod_low", 0, MZV_MAX_PRIMES - 1, &p->n_eval_mod_low));
    MZV_TRY(mzv_container_get_u32(c, "log_mod_low", 0, 60, &p->log_eval_mod_low));
    MZV_TRY(mzv_container_get_u32(c, "n_cts", 0, MZV_MAX_PRIMES - 1, &p->n_coeff_to_slot));
    MZV_TRY(mzv_container_get_u32(c, "log_cts", 0, 61, &p->log_coeff_to_slot));
    MZV_TRY(mzv_container_get_u32(c, "log_bridge", 0, 61, &p->log_bridge));
    p->insecure_toy = mzv_container_head_of(c)->insecure_toy;
    return mzv_params_check(p, facts) == MZV_OK ? MZV_OK : mzv_container_fail(c, 42, "%s", mzv_last_error());
}

static mzv_status check_derived(mzv_container_in *c, const mzv_param_facts *facts) {
    uint64_t primes[MZV_MAX_PRIMES], bits = 0;
    MZV_TRY(mzv_container_section(c, "primes", 0, 8 * (uint64_t)facts->n_primes));
    MZV_TRY(mzv_container_read_words(c, primes, facts->n_primes));
    for (uint32_t i = 0; i < facts->n_primes; i++)
        if (primes[i] != facts->primes[i])
            return mzv_container_fail(c, 41, "section primes[0], prime %u: expected %llu, found %llu", i,
                                      (unsigned long long)facts->primes[i], (unsigned long long)primes[i]);
    if (memcmp(facts->id, mzv_container_head_of(c)->params_id, MZV_ID_BYTES) != 0)
        return mzv_container_fail(c, 33, "id of the parameters: not that of these parameters");
    MZV_TRY(mzv_container_get_u64(c, "security_bits", 0, 256, &bits));
    if (bits != facts->security_bits)
        return mzv_container_fail(c, 50, "field security_bits: expected %u, found %llu", facts->security_bits,
                                  (unsigned long long)bits);
    return MZV_OK;
}

mzv_status mzv_params_load(mzv_params *out, const char *path, bool allow_insecure) {
    const mzv_expect expect = { .allow_insecure = allow_insecure };
    mzv_container_in *c = NULL;
    mzv_params p = { 0 };
    mzv_param_facts facts;
    MZV_TRY(mzv_container_open(&c, path, &schema, &expect));
    mzv_status status = read_literal(c, &p, &facts);
    if (status == MZV_OK) status = check_derived(c, &facts);
    if (status == MZV_OK) *out = p;
    mzv_container_close(c);
    return status;
}
