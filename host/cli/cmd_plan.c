/* mzv plan: what an encrypted module will take, before any key is made. */
#include "base/try.h"
#include "cli/encrypted.h"

static mzv_status fill_ring(json_t *o, const mzv_hybrid_plan *p, const mzv_param_facts *f) {
    MZV_TRY(mzv_json_set(o, "module", json_string(p->module.text)));
    MZV_TRY(mzv_json_set(o, "log_n", json_integer(p->params.log_n)));
    MZV_TRY(mzv_json_set(o, "log2_qp", mzv_json_number(f->log2_qp)));
    MZV_TRY(mzv_json_set(o, "log2_qp_cap", mzv_json_number(f->log2_qp_cap)));
    MZV_TRY(mzv_json_set(o, "security_bits", json_integer(f->security_bits)));
    MZV_TRY(mzv_json_set(o, "levels", json_integer(p->levels)));
    MZV_TRY(mzv_json_set(o, "log_scale", json_integer(p->params.log_scale)));
    MZV_TRY(mzv_json_set(o, "slots", json_integer(p->n_slots)));
    MZV_TRY(mzv_json_set(o, "channels", json_integer(p->n_channels)));
    MZV_TRY(mzv_json_set(o, "tokens_max", json_integer(p->n_tokens_max)));
    return mzv_json_set(o, "rows_per_pass", json_integer(p->rows_per_pass));
}

static mzv_status fill_functions(json_t *o, const mzv_hybrid_plan *p) {
    MZV_TRY(mzv_json_set(o, "exp_low", mzv_json_number(p->exp_low)));
    MZV_TRY(mzv_json_set(o, "exp_high", mzv_json_number(p->exp_high)));
    MZV_TRY(mzv_json_set(o, "exp_degree", json_integer(p->exp_degree)));
    MZV_TRY(mzv_json_set(o, "exp_squarings", json_integer(p->exp_squarings)));
    MZV_TRY(mzv_json_set(o, "sum_low", mzv_json_number(p->sum_low)));
    MZV_TRY(mzv_json_set(o, "sum_high", mzv_json_number(p->sum_high)));
    MZV_TRY(mzv_json_set(o, "inverse_doublings", json_integer(p->inverse_doublings)));
    return mzv_json_set(o, "predicted_error", mzv_json_number(p->predicted_error));
}

static mzv_status fill_counts(json_t *o, const mzv_counts *c) {
    const struct {
        const char *key;
        uint64_t n;
    } rows[] = {
        { "additions", c->n_add },
        { "plain_products", c->n_mul_plain },
        { "constant_products", c->n_mul_const },
        { "products", c->n_mul },
        { "rotations", c->n_rotate },
        { "conjugations", c->n_conjugate },
        { "linear_transforms", c->n_linear },
        { "rescales", c->n_rescale },
        { "key_switches", c->n_key_switch },
        { "digit_decompositions", c->n_mod_up },
    };
    json_t *counts = json_object();
    MZV_TRY(mzv_json_set(o, "operations_per_pass", counts));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        MZV_TRY(mzv_json_set(counts, rows[i].key, json_integer((json_int_t)rows[i].n)));
    return MZV_OK;
}

static mzv_status fill_bytes(json_t *o, const mzv_hybrid_plan *p) {
    MZV_TRY(mzv_json_set(o, "keys_bytes", json_integer((json_int_t)p->keys_bytes)));
    MZV_TRY(mzv_json_set(o, "upload_bytes_per_pass", json_integer((json_int_t)p->upload_bytes)));
    MZV_TRY(mzv_json_set(o, "download_bytes_per_pass", json_integer((json_int_t)p->download_bytes)));
    MZV_TRY(mzv_json_set(o, "memory_bytes", json_integer((json_int_t)p->memory_bytes)));
    MZV_TRY(mzv_json_set(o, "device_bytes",
                         p->device_bytes > 0 ? json_integer((json_int_t)p->device_bytes) : json_null()));
    return mzv_json_set(o, "pinned_bytes", json_integer((json_int_t)p->pinned_bytes));
}

static mzv_status put_object(mzv_output *out, const mzv_hybrid_plan *p, const mzv_param_facts *f) {
    json_t *o = NULL;
    MZV_TRY(mzv_json_new(&o, "plan"));
    mzv_status status = fill_ring(o, p, f);
    if (status == MZV_OK) status = fill_functions(o, p);
    if (status == MZV_OK) status = fill_counts(o, &p->counts);
    if (status == MZV_OK) status = fill_bytes(o, p);
    if (status == MZV_OK) status = mzv_output_object(out, o);
    json_decref(o);
    return status;
}

static mzv_status put_text(mzv_output *out, const mzv_hybrid_plan *p, const mzv_param_facts *f) {
    char keys[32];
    char up[32];
    char down[32];
    char memory[32];
    MZV_TRY(mzv_output_print(out, "%s, contexts of up to %u tokens\n", p->module.text, p->n_tokens_max));
    MZV_TRY(mzv_output_print(
        out, "ring        N = 2^%u (%u slots), log2(QP) = %.2f of %.0f allowed, %u-bit secure\n",
        p->params.log_n, p->n_slots, f->log2_qp, f->log2_qp_cap, f->security_bits));
    MZV_TRY(mzv_output_print(out, "levels      %u, scale 2^%u\n", p->levels, p->params.log_scale));
    MZV_TRY(mzv_output_print(out, "pass        %u rows of %u channels\n", p->rows_per_pass, p->n_channels));
    MZV_TRY(mzv_output_print(out, "exp         degree %u on [%.4g, %.4g], %u squarings\n", p->exp_degree,
                             p->exp_low, p->exp_high, p->exp_squarings));
    MZV_TRY(mzv_output_print(out, "1/sum       on [%.4g, %.4g], %u doublings of precision\n", p->sum_low,
                             p->sum_high, p->inverse_doublings));
    MZV_TRY(mzv_output_print(
        out, "operations  %llu key switches, %llu products, %llu plain products, %llu rescales\n",
        (unsigned long long)p->counts.n_key_switch, (unsigned long long)p->counts.n_mul,
        (unsigned long long)p->counts.n_mul_plain, (unsigned long long)p->counts.n_rescale));
    MZV_TRY(mzv_output_print(out, "bytes       keys %s, up %s, down %s a pass\n",
                             mzv_size_text(keys, sizeof keys, (double)p->keys_bytes),
                             mzv_size_text(up, sizeof up, (double)p->upload_bytes),
                             mzv_size_text(down, sizeof down, (double)p->download_bytes)));
    MZV_TRY(mzv_output_print(out, "memory      %s\n",
                             mzv_size_text(memory, sizeof memory, (double)p->memory_bytes)));
    if (p->device_bytes > 0)
        MZV_TRY(mzv_output_print(out, "GPU         %s of its memory\n",
                                 mzv_size_text(memory, sizeof memory, (double)p->device_bytes)));
    if (p->pinned_bytes > 0)
        MZV_TRY(mzv_output_print(out, "GPU keys    %s of them in pinned memory of the host\n",
                                 mzv_size_text(keys, sizeof keys, (double)p->pinned_bytes)));
    return mzv_output_print(out, "error       %.3g predicted, relative to float\n", p->predicted_error);
}

static mzv_status plan(mzv_cli *cli, mzv_encrypted *e) {
    mzv_hybrid_plan p;
    mzv_param_facts facts;
    if (cli->args.encrypt == NULL)
        return mzv_fail(MZV_ERR_ARGUMENT, "`mzv plan`: no module; name it with --encrypt MODULE");
    MZV_TRY(mzv_encrypted_load(e, cli));
    MZV_TRY(mzv_encrypted_prepare(e, cli, cli->args.tokens));
    MZV_TRY(
        mzv_plan_status(mzv_hybrid_plan_make(&p, e->checkpoint, e->calibration, &e->module, &e->options)));
    MZV_TRY(mzv_params_check(&p.params, &facts));
    return cli->out.format == MZV_FORMAT_TEXT ? put_text(&cli->out, &p, &facts)
                                              : put_object(&cli->out, &p, &facts);
}

mzv_status mzv_cmd_plan(mzv_cli *cli) {
    mzv_encrypted e = { .on = false };
    const mzv_status status = plan(cli, &e);
    mzv_encrypted_close(&e);
    return status;
}
