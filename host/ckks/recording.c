/* Recordings of a call. A replay equals a call if all that operations read from the host is as it was: the
 * state of handles (levels, scales, ids), addresses, and the arena. Inputs and arena are compared before each
 * replay. All else a call could depend on is refused while it is recorded: handles that are not named,
 * outputs that are read before they are written (they hold no value until then), inputs whose state it
 * changes. */
#include "ckks/recording.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/try.h"
#include "ckks/eval_kind.h"

#define DIFFERENCE_CHARS 96

typedef struct named {
    mzv_cipher *ct;
    mzv_cipher state; /* recorded: of an input before the call, of an output after it */
    mzv_cipher kept;  /* of an output, before `run` is called */
} named;

struct mzv_recording {
    mzv_evaluator *ev;
    mzv_call call; /* without its arrays, which are the caller's */
    named *in, *out;
    mzv_scratch scratch; /* as it was between two calls */
    mzv_counts counts;   /* of one call */
    mzv_graph *graph;    /* NULL: `run` is called again */
};

/* ---- rules for the operations of a call ---- */

static const named *find(const named *list, uint32_t n, const mzv_cipher *ct) {
    for (uint32_t i = 0; i < n; i++)
        if (list[i].ct == ct) return &list[i];
    return NULL;
}

static const named *input(const mzv_recording *rec, const mzv_cipher *ct) {
    return find(rec->in, rec->call.n_in, ct);
}

/* On count nothing has words, and every handle passes. */
static bool is_temporary(const mzv_evaluator *ev, const mzv_cipher *ct) {
    const mzv_scratch *arena = ev->stream != NULL ? &ev->stream->scratch : &ev->arena;
    return ct->words == NULL || (ct->words >= arena->base && ct->words < arena->base + arena->n_words);
}

mzv_status mzv_recording_check(const mzv_evaluator *ev, const char *op, const mzv_cipher *ct) {
    const mzv_recording *rec = ev->recording;
    if (rec == NULL || is_temporary(ev, ct) || input(rec, ct) != NULL) return MZV_OK;
    if (find(rec->out, rec->call.n_out, ct) != NULL) return MZV_OK;
    return mzv_fail(MZV_ERR_ARGUMENT,
                    "%s: a ciphertext that the recording does not name; name it as an input or an output",
                    op);
}

mzv_status mzv_recording_check_result(const mzv_evaluator *ev, const char *op, const mzv_cipher *out,
                                      uint32_t level) {
    const named *in = ev->recording == NULL ? NULL : input(ev->recording, out);
    MZV_TRY(mzv_recording_check(ev, op, out));
    if (in != NULL && in->state.level != level)
        return mzv_fail(MZV_ERR_ARGUMENT,
                        "%s: an input of the recording would go from level %u to %u, and a call could not be "
                        "repeated; put the result into another ciphertext",
                        op, in->state.level, level);
    return MZV_OK;
}

/* ---- states ---- */

static bool moved(const mzv_cipher *now, const mzv_cipher *then) {
    return now->words != then->words || now->capacity != then->capacity || now->batch != then->batch;
}

/* What is not as it was, in words; false: nothing. */
static bool differs(char text[DIFFERENCE_CHARS], const mzv_cipher *now, const mzv_cipher *then) {
    if (moved(now, then))
        snprintf(text, DIFFERENCE_CHARS, "other memory, or batch %u instead of %u", now->batch, then->batch);
    else if (now->level != then->level)
        snprintf(text, DIFFERENCE_CHARS, "level %u instead of %u", now->level, then->level);
    else if (now->scale != then->scale)
        snprintf(text, DIFFERENCE_CHARS, "scale 2^%.15g instead of 2^%.15g", log2(now->scale),
                 log2(then->scale));
    else if (memcmp(now->key_id, then->key_id, MZV_ID_BYTES) != 0)
        snprintf(text, DIFFERENCE_CHARS, "another key");
    else if (memcmp(now->params_id, then->params_id, MZV_ID_BYTES) != 0 || now->insecure != then->insecure)
        snprintf(text, DIFFERENCE_CHARS, "other parameters");
    else
        return false;
    return true;
}

static mzv_status check_inputs(const mzv_recording *rec) {
    char text[DIFFERENCE_CHARS];
    for (uint32_t i = 0; i < rec->call.n_in; i++)
        if (differs(text, rec->in[i].ct, &rec->in[i].state))
            return mzv_fail(MZV_ERR_MISMATCH, "recording: input %u has %s; record the call again", i, text);
    return MZV_OK;
}

static mzv_status check_outputs(const mzv_recording *rec) {
    for (uint32_t i = 0; i < rec->call.n_out; i++)
        if (moved(rec->out[i].ct, &rec->out[i].state))
            return mzv_fail(MZV_ERR_MISMATCH,
                            "recording: output %u has other memory or another batch; record the call again",
                            i);
    return MZV_OK;
}

static mzv_status check_scratch(const mzv_recording *rec) {
    const mzv_scratch *now = mzv_ev_temporaries(rec->ev), *then = &rec->scratch;
    if (now->base != then->base || now->n_words != then->n_words)
        return mzv_fail(
            MZV_ERR_MISMATCH,
            "recording: the evaluator's scratch was replaced by %zu bytes; record the call again, or "
            "create the evaluator with scratch_bytes",
            8 * now->n_words);
    if (now->used != then->used)
        return mzv_fail(MZV_ERR_MISMATCH, "recording: %zu bytes of scratch are taken, recorded with %zu",
                        8 * now->used, 8 * then->used);
    return MZV_OK;
}

/* ---- calls ---- */

static void add_counts(mzv_counts *sum, const mzv_counts *c) {
    sum->n_add += c->n_add;
    sum->n_mul_plain += c->n_mul_plain;
    sum->n_mul_const += c->n_mul_const;
    sum->n_mul += c->n_mul;
    sum->n_rotate += c->n_rotate;
    sum->n_conjugate += c->n_conjugate;
    sum->n_linear += c->n_linear;
    sum->n_rescale += c->n_rescale;
    sum->n_key_switch += c->n_key_switch;
    sum->n_mod_up += c->n_mod_up;
    if (c->min_level < sum->min_level) sum->min_level = c->min_level;
    if (c->peak_bytes > sum->peak_bytes) sum->peak_bytes = c->peak_bytes;
    if (c->plain_bytes > sum->plain_bytes) sum->plain_bytes = c->plain_bytes;
}

/* Outputs that are no inputs hold no value until the call writes them. */
static void empty_outputs(const mzv_recording *rec) {
    for (uint32_t i = 0; i < rec->call.n_out; i++) rec->out[i].kept = *rec->out[i].ct;
    for (uint32_t i = 0; i < rec->call.n_out; i++)
        if (input(rec, rec->out[i].ct) == NULL) rec->out[i].ct->scale = 0;
}

/* Those still without one get back what they had. The first such output, or how many outputs there are. */
static uint32_t restore_unwritten(const mzv_recording *rec) {
    uint32_t first = rec->call.n_out;
    for (uint32_t i = 0; i < rec->call.n_out; i++) {
        if (rec->out[i].ct->scale > 0) continue;
        *rec->out[i].ct = rec->out[i].kept;
        first = first < i ? first : i;
    }
    return first;
}

/* Calls `run` under the rules; what it counts goes to rec->counts alone. */
static mzv_status call_run(mzv_recording *rec) {
    mzv_evaluator *ev = rec->ev;
    const mzv_counts before = ev->counts;
    empty_outputs(rec);
    mzv_evaluator_counts_reset(ev);
    ev->recording = rec;
    const mzv_status status = rec->call.run(ev, rec->call.arg);
    ev->recording = NULL;
    rec->counts = ev->counts;
    ev->counts = before;
    const uint32_t unwritten = restore_unwritten(rec);
    if (status == MZV_OK && unwritten < rec->call.n_out)
        return mzv_fail(MZV_ERR_ARGUMENT, "recording: the call does not write output %u", unwritten);
    return status;
}

/* The call that computes, and what replays will find. */
static mzv_status call_first(mzv_recording *rec) {
    char text[DIFFERENCE_CHARS];
    const mzv_status status = call_run(rec);
    add_counts(&rec->ev->counts, &rec->counts);
    MZV_TRY(status);
    for (uint32_t i = 0; i < rec->call.n_in; i++)
        if (differs(text, rec->in[i].ct, &rec->in[i].state))
            return mzv_fail(
                MZV_ERR_ARGUMENT,
                "recording: the call left input %u with %s; put the result into another ciphertext", i, text);
    for (uint32_t i = 0; i < rec->call.n_out; i++) rec->out[i].state = *rec->out[i].ct;
    rec->scratch = *mzv_ev_temporaries(rec->ev);
    return MZV_OK;
}

static mzv_status check_repeated(const mzv_recording *rec) {
    char text[DIFFERENCE_CHARS];
    for (uint32_t i = 0; i < rec->call.n_out; i++)
        if (differs(text, rec->out[i].ct, &rec->out[i].state))
            return mzv_fail(MZV_ERR_ARGUMENT,
                            "recording: the call gives output %u %s the second time; it has to do the same "
                            "each time",
                            i, text);
    return MZV_OK;
}

static void set_outputs(const mzv_recording *rec) {
    for (uint32_t i = 0; i < rec->call.n_out; i++) *rec->out[i].ct = rec->out[i].state;
}

/* The call that is recorded. Words of outputs are those of the first; so is their state, however it ends. */
static mzv_status record(mzv_recording *rec) {
    mzv_stream *s = rec->ev->stream;
    if (s == NULL || s->ops->record_begin == NULL) return MZV_OK;
    MZV_TRY(s->ops->record_begin(s));
    mzv_status status = call_run(rec);
    if (status == MZV_OK) status = check_repeated(rec);
    if (status == MZV_OK)
        status = s->ops->record_end(s, &rec->graph);
    else
        (void)s->ops->record_end(s, NULL);
    set_outputs(rec);
    return status;
}

/* ---- making, running ---- */

static mzv_status name_all(mzv_recording *rec, const mzv_call *call) {
    MZV_TRY(MZV_NEW(&rec->in, (size_t)call->n_in + 1, "recording"));
    MZV_TRY(MZV_NEW(&rec->out, call->n_out, "recording"));
    for (uint32_t i = 0; i < call->n_in; i++) {
        if (call->in[i] == NULL) return mzv_fail(MZV_ERR_ARGUMENT, "recording: input %u is NULL", i);
        rec->in[i].ct = (mzv_cipher *)call->in[i];
        rec->in[i].state = *call->in[i];
    }
    for (uint32_t i = 0; i < call->n_out; i++) {
        if (call->out[i] == NULL) return mzv_fail(MZV_ERR_ARGUMENT, "recording: output %u is NULL", i);
        rec->out[i].ct = call->out[i];
    }
    return MZV_OK;
}

static mzv_status check_call(const mzv_evaluator *ev, const mzv_call *call) {
    if (ev == NULL || call == NULL || call->run == NULL)
        return mzv_fail(MZV_ERR_ARGUMENT, "recording: evaluator, call or its function is NULL");
    if ((call->n_in != 0 && call->in == NULL) || call->n_out == 0 || call->out == NULL)
        return mzv_fail(MZV_ERR_ARGUMENT,
                        "recording: %u inputs, %u outputs; need at least 1 output, and arrays", call->n_in,
                        call->n_out);
    if (ev->recording != NULL)
        return mzv_fail(MZV_ERR_ARGUMENT, "recording: made within the call of another recording");
    return MZV_OK;
}

mzv_status mzv_recording_create(mzv_recording **out, mzv_evaluator *ev, const mzv_call *call) {
    mzv_recording *rec = NULL;
    mzv_status status;
    if (out == NULL) return mzv_fail(MZV_ERR_ARGUMENT, "recording: out is NULL");
    MZV_TRY(check_call(ev, call));
    MZV_TRY(MZV_NEW(&rec, 1, "recording"));
    rec->ev = ev;
    rec->call = *call;
    rec->call.in = NULL;
    rec->call.out = NULL;
    MZV_TRY_GOTO(name_all(rec, call), done);
    MZV_TRY_GOTO(call_first(rec), done);
    MZV_TRY_GOTO(record(rec), done);
    *out = rec;
    rec = NULL;
done:
    mzv_recording_destroy(rec);
    return status;
}

/* Where there is no graph: the call, under the rules under which it would be recorded. */
static mzv_status call_again(mzv_recording *rec) {
    const mzv_status status = call_run(rec);
    add_counts(&rec->ev->counts, &rec->counts);
    MZV_TRY(status);
    return check_repeated(rec);
}

mzv_status mzv_recording_run(mzv_recording *rec) {
    if (rec == NULL) return mzv_fail(MZV_ERR_ARGUMENT, "recording: it is NULL");
    mzv_stream *s = rec->ev->stream;
    if (rec->ev->recording != NULL)
        return mzv_fail(MZV_ERR_ARGUMENT, "recording: run within the call of another recording");
    MZV_TRY(check_inputs(rec));
    MZV_TRY(check_outputs(rec));
    MZV_TRY(check_scratch(rec));
    if (rec->graph == NULL) return call_again(rec);
    MZV_TRY(s->ops->replay(s, rec->graph));
    MZV_TRY(s->ops->synchronize(s)); /* handles are complete when a call returns */
    set_outputs(rec);
    add_counts(&rec->ev->counts, &rec->counts);
    return MZV_OK;
}

void mzv_recording_destroy(mzv_recording *rec) {
    if (rec == NULL) return;
    if (rec->graph != NULL) rec->ev->stream->ops->graph_close(rec->ev->stream, rec->graph);
    mzv_free(rec->in);
    mzv_free(rec->out);
    mzv_free(rec);
}
