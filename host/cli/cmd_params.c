/* mzv params: the named sets, and one of them in full. */
#include <stdio.h>
#include <string.h>

#include "mzv/mzv.h"
#include "base/sha256.h"
#include "base/try.h"
#include "ckks/security.h"
#include "cli/cli.h"

static mzv_status fill_facts(json_t *o, const char *name, const mzv_params *p, const mzv_param_facts *f) {
    char id[2 * MZV_ID_BYTES + 1];
    mzv_hex(id, f->id, MZV_ID_BYTES);
    MZV_TRY(mzv_json_set(o, "name", json_string(name)));
    MZV_TRY(mzv_json_set(o, "log_n", json_integer(p->log_n)));
    MZV_TRY(mzv_json_set(o, "levels", json_integer(p->n_levels)));
    MZV_TRY(mzv_json_set(o, "message_levels", json_integer(f->message_levels)));
    MZV_TRY(mzv_json_set(o, "bootstraps", json_boolean(mzv_params_boots(p))));
    MZV_TRY(mzv_json_set(o, "log_scale", json_integer(p->log_scale)));
    MZV_TRY(mzv_json_set(o, "special", json_integer(p->n_special)));
    MZV_TRY(mzv_json_set(o, "digits", json_integer(f->dnum)));
    MZV_TRY(mzv_json_set(o, "log2_qp", mzv_json_number(f->log2_qp)));
    MZV_TRY(mzv_json_set(o, "log2_qp_cap", mzv_json_number(f->log2_qp_cap)));
    MZV_TRY(mzv_json_set(o, "margin", mzv_json_number(f->log2_qp_cap - f->log2_qp)));
    MZV_TRY(mzv_json_set(o, "security_bits", json_integer(f->security_bits)));
    MZV_TRY(mzv_json_set(o, "insecure_toy", json_boolean(p->insecure_toy)));
    return mzv_json_set(o, "id", json_string(id));
}

static mzv_status list(mzv_cli *cli, json_t *head, json_t *rows) {
    for (size_t i = 0; mzv_params_name(i) != NULL; i++) {
        mzv_params p;
        mzv_param_facts f;
        json_t *row = json_object();
        MZV_TRY(mzv_json_push(rows, row));
        MZV_TRY(mzv_params_named(&p, mzv_params_name(i)));
        MZV_TRY(mzv_params_check(&p, &f));
        MZV_TRY(fill_facts(row, mzv_params_name(i), &p, &f));
    }
    return mzv_output_table(&cli->out, head, rows);
}

static mzv_status put_text(mzv_output *out, const char *name, const mzv_params *p, const mzv_param_facts *f) {
    mzv_security security;
    char text[160];
    char id[2 * MZV_ID_BYTES + 1];
    MZV_TRY(mzv_security_gate(&security, p->log_n, f->primes, f->n_primes, p->insecure_toy));
    mzv_security_text(text, sizeof text, &security);
    mzv_hex(id, f->id, MZV_ID_BYTES);
    MZV_TRY(mzv_output_print(out, "%s: %s\n", name, text));
    MZV_TRY(mzv_output_print(out, "N = 2^%u, %u slots, %u levels, scale 2^%u, %u special primes, %u digits\n",
                             p->log_n, 1u << (p->log_n - 1), p->n_levels, p->log_scale, p->n_special,
                             f->dnum));
    if (mzv_params_boots(p))
        MZV_TRY(mzv_output_print(out,
                                 "bootstrapping: %u levels for messages, a bridge, %u for EvalMod at 2^%u, %u for "
                                 "CoeffToSlot\n",
                                 f->message_levels, p->n_eval_mod, p->log_eval_mod, p->n_coeff_to_slot));
    MZV_TRY(mzv_output_print(out, "id %s\n", id));
    for (uint32_t i = 0; i < f->n_primes; i++) {
        const bool special = i < p->n_special;
        MZV_TRY(mzv_output_print(out, "%s_%-2u %llu\n", special ? "p" : "q", special ? i : i - p->n_special,
                                 (unsigned long long)f->primes[i]));
    }
    return MZV_OK;
}

static mzv_status put_object(mzv_output *out, json_t *o, const char *name, const mzv_params *p,
                             const mzv_param_facts *f) {
    json_t *primes = json_array();
    MZV_TRY(mzv_json_set(o, "primes", primes));
    for (uint32_t i = 0; i < f->n_primes; i++)
        MZV_TRY(mzv_json_push(primes, json_integer((json_int_t)f->primes[i])));
    MZV_TRY(fill_facts(o, name, p, f));
    return mzv_output_object(out, o);
}

static mzv_status show(mzv_cli *cli, json_t *head, json_t *rows) {
    const char *name = cli->args.positional[0];
    mzv_params p;
    mzv_param_facts f;
    MZV_TRY(mzv_params_named(&p, name));
    MZV_TRY(mzv_params_check(&p, &f));
    if (p.insecure_toy && !cli->args.insecure_toy)
        return mzv_fail(MZV_ERR_PARAMS,
                        "params: %s is below 128 bits of security (log2(QP) %.2f, cap %.0f at N = 2^%u);"
                        " for tests only, with --insecure-toy",
                        name, f.log2_qp, f.log2_qp_cap, p.log_n);
    if (cli->args.save != NULL) {
        const mzv_status status = mzv_params_save(&p, cli->args.save);
        cli->out.failed = status != MZV_OK;
        MZV_TRY(status);
    }
    if (cli->out.format == MZV_FORMAT_TEXT) return put_text(&cli->out, name, &p, &f);
    if (cli->out.format == MZV_FORMAT_JSON || cli->out.format == MZV_FORMAT_JSONL)
        return put_object(&cli->out, head, name, &p, &f);
    json_t *row = json_object();
    MZV_TRY(mzv_json_push(rows, row));
    MZV_TRY(fill_facts(row, name, &p, &f));
    return mzv_output_table(&cli->out, head, rows);
}

mzv_status mzv_cmd_params(mzv_cli *cli) {
    json_t *head = NULL;
    MZV_TRY(mzv_json_new(&head, "params"));
    json_t *rows = json_array();
    mzv_status status = MZV_OK;
    if (cli->args.n_positional == 1)
        status = show(cli, head, rows);
    else if (cli->args.save != NULL)
        status = mzv_fail(MZV_ERR_ARGUMENT, "--save: which set? `mzv params NAME --save FILE`");
    else
        status = list(cli, head, rows);
    json_decref(rows);
    json_decref(head);
    return status;
}
