/* Bootstrapping: the plan, its constants, and the run. */
#include "circuit/boot.h"

#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/random.h"
#include "base/try.h"
#include "ckks/noise.h"
#include "ckks/security.h"

#define SERIES_SHARE 0.25     /* of EvalMod's noise, for the error of its series */
#define MAX_AVERAGE 16        /* beyond, the series is not asked to follow the average of few slots' blocks */
#define SPREAD_DEVIATIONS 7.5 /* of a coefficient: exceeded with probability 2^-43 by one of 2^16 */
#define MAX_REACH 0.06        /* of e: beyond, the sine bends by more than 2 % */
#define CORRECTED_LEVELS 10   /* of EvalMod, from which it is corrected */
#define EVAL_MOD_DIVISIONS                                                                                   \
    43 /* noise of e in units of one division's: 22.3 (the width) and EvalMod's 37, squares added */
#define GAIN_MARGIN 2.0

struct mzv_boot {
    mzv_boot_spec spec;
    mzv_boot_facts facts;
    mzv_refresh refresh;
    mzv_boot_transform to_slots, to_coeffs;
    mzv_eval_mod *eval_mod;
    mzv_plain *before, *after; /* NULL, or: signs at the bottom; parts of SLOTS_FIRST with few slots */
    mzv_fold trace;            /* onto the subring of few slots */
    mzv_fold average,
        join; /* few slots' blocks: those of one part, before a division at the message's scale; then both */
    double shrink;  /* 1, or what the trace multiplies is divided by it on a spare level: small factors of few
                       diagonals would be rounded too coarsely, alike in all blocks */
    int64_t lift;   /* COEFFS_FIRST, not spread: the message times this at level 0 */
    bool corrected; /* EvalMod: s + s^3 / 6 */
    uint32_t bridge; /* level that EvalMod ends on */
    double result; /* EvalMod's result, its real part doubled and blocks joined, times this is the message */
};

static bool few_slots(const mzv_boot *b, const mzv_evaluator *ev) { return b->spec.n_slots < ev->n_slots; }
static bool slots_first(const mzv_boot *b) { return b->spec.order == MZV_BOOT_SLOTS_FIRST; }

/* ---- the plan ---- */

/* `n` radix steps, or as many as there are stages. */
static uint32_t groups_for(const mzv_boot_spec *s, uint32_t n) {
    uint32_t log_m = 0;
    while (s->n_slots >> (log_m + 1) != 0) log_m++;
    return log_m < n ? log_m : n;
}

static mzv_status check_spec(mzv_boot_spec *s, const mzv_evaluator *ev) {
    if (!mzv_params_boots(&ev->params))
        return mzv_fail(MZV_ERR_PARAMS, "bootstrapping: the parameters have no levels for it; take n16-boot");
    if (s->n_slots == 0) s->n_slots = ev->n_slots;
    if (s->n_slots < 2 || (s->n_slots & (s->n_slots - 1)) != 0 || s->n_slots > ev->n_slots)
        return mzv_fail(MZV_ERR_ARGUMENT, "bootstrapping: %u slots, need a power of two, 2 to %u", s->n_slots,
                        ev->n_slots);
    if (s->magnitude == 0) s->magnitude = 1;
    if (s->coefficient == 0) s->coefficient = 1;
    if (s->n_slot_to_coeff == 0) s->n_slot_to_coeff = groups_for(s, 3);
    if (s->iterations == 0) s->iterations = 1;
    if (!(s->magnitude > 0 && s->magnitude <= 0x1p20))
        return mzv_fail(MZV_ERR_ARGUMENT, "bootstrapping: magnitude %g, need 0 to 2^20", s->magnitude);
    if (!(s->coefficient > 0 && s->coefficient <= 1))
        return mzv_fail(MZV_ERR_ARGUMENT, "bootstrapping: coefficient %g, need 0 to 1", s->coefficient);
    if (s->spread && s->order == MZV_BOOT_SLOTS_FIRST)
        return mzv_fail(MZV_ERR_ARGUMENT, "bootstrapping: signs have no use where SlotToCoeff comes first");
    if (s->iterations > 2)
        return mzv_fail(MZV_ERR_ARGUMENT, "bootstrapping: %u iterations, need 1 or 2", s->iterations);
    return MZV_OK;
}

/* Deviation of e's noise: that of the division at CoeffToSlot's end, at |t| <= 1, magnified by the width, and
 * EvalMod's own (see eval_mod.c), its last four levels at a scale of 2^44 against 2^48. */
static double noise_of_e(const mzv_evaluator *ev) {
    const double scale = ev->facts.scale[ev->max_level - ev->params.n_coeff_to_slot];
    return EVAL_MOD_DIVISIONS * mzv_noise_mod_down(&ev->params, ev->params.n_special + 1, scale);
}

/* The same after the blocks of few slots are joined, each part from every other block. */
static double noise_joined(const mzv_boot *b, const mzv_evaluator *ev) {
    return noise_of_e(ev) * (few_slots(b, ev) ? sqrt(2.0 * b->spec.n_slots / ev->n_slots) : 1);
}

/* What is left of e's own shape: bend e^power; the sine's third order, or the fifth where that is corrected.
 */
static double bend_of(const mzv_boot *b, double *power) {
    const double turn = 2 * M_PI;
    *power = b->corrected ? 5 : 3;
    return b->corrected ? 3 * pow(turn, 4) / 40 : turn * turn / 6;
}

/* The ratio r for which noise and bend are least together: A c^p / r^(p-1) + r noise for coefficients c.
 * Spread: both as deviations of normal c, E c^2p = (2p - 1)!!. Else: the largest bend against four deviations
 * of noise. */
static double balance(const mzv_boot *b, double noise) {
    const mzv_boot_spec *s = &b->spec;
    double power = 0, bend = bend_of(b, &power);
    double c = s->magnitude * (s->order == MZV_BOOT_SLOTS_FIRST ? 1 : s->coefficient);
    if (s->spread) {
        c = s->magnitude / sqrt(s->n_slots);
        bend *= sqrt(b->corrected ? 945 : 15);
    } else {
        bend /= 4;
    }
    return c * pow((power - 1) * bend / noise, 1 / power);
}

/* Largest coefficient that EvalMod may see. */
static double bound_of(const mzv_boot_spec *s) {
    if (s->order == MZV_BOOT_SLOTS_FIRST) return s->magnitude;
    if (!s->spread) return s->magnitude * s->coefficient;
    return fmin(1, SPREAD_DEVIATIONS / sqrt(s->n_slots)) * s->magnitude;
}

static mzv_status choose_ratio(mzv_boot *b, const mzv_evaluator *ev) {
    const mzv_boot_spec *s = &b->spec;
    const double q0 = (double)ev->facts.primes[ev->params.n_special], whole = q0 / ev->facts.scale[0];
    const double bound = bound_of(s), noise = noise_joined(b, ev);
    double power = 0, ratio = fmax(balance(b, noise), bound / MAX_REACH);
    const double bend = bend_of(b, &power);
    b->lift = 1;
    if (s->order == MZV_BOOT_COEFFS_FIRST && !s->spread) {
        if (whole < bound / MAX_REACH)
            return mzv_fail(MZV_ERR_PARAMS,
                            "bootstrapping: q_0 is 2^%.1f scales, coefficients up to %g need 2^%.1f",
                            log2(whole), bound, log2(bound / MAX_REACH));
        b->lift = (int64_t)fmax(1, floor(whole / ratio));
        ratio = whole / (double)b->lift;
    }
    b->facts.ratio = ratio;
    b->facts.sine_error = ratio * bend * pow(bound / ratio, power);
    b->facts.noise = ratio * noise * (slots_first(b) ? 1 : sqrt(s->n_slots));
    return MZV_OK;
}

static mzv_status choose_eval_mod(mzv_boot *b, const mzv_evaluator *ev) {
    const mzv_eval_mod_spec spec = { .k = MZV_BOOT_K,
                                     .reach = bound_of(&b->spec) / b->facts.ratio,
                                     .target = SERIES_SHARE * 2 * M_PI *
                                               fmax(noise_joined(b, ev), noise_of_e(ev) / MAX_AVERAGE),
                                     .levels = ev->params.n_eval_mod,
                                     .corrected = b->corrected };
    MZV_TRY(mzv_eval_mod_create(&b->eval_mod, &spec));
    b->facts.degree = mzv_eval_mod_about(b->eval_mod)->degree;
    b->facts.doublings = mzv_eval_mod_about(b->eval_mod)->doublings;
    return MZV_OK;
}

static mzv_status choose_levels(mzv_boot *b, const mzv_evaluator *ev) {
    const uint32_t stc = b->spec.n_slot_to_coeff, again = b->spec.iterations - 1;
    b->bridge = ev->facts.message_levels + 1;
    if (stc >= b->bridge)
        return mzv_fail(MZV_ERR_LEVEL, "bootstrapping: SlotToCoeff takes %u of %u levels", stc, b->bridge);
    b->facts.in_level = (slots_first(b) ? stc : b->spec.spread ? 1 : 0) + again;
    b->facts.out_level = (slots_first(b) ? b->bridge - 1 : b->bridge - stc) - again;
    return MZV_OK;
}

static mzv_status plan_folds(mzv_boot *b, const mzv_evaluator *ev) {
    const uint32_t m = b->spec.n_slots, n_blocks = ev->n_slots / m;
    MZV_TRY(mzv_fold_cyclic(&b->trace, m, n_blocks, MZV_FOLD_CHEAPEST));
    MZV_TRY(mzv_fold_cyclic(&b->join, m, 2, MZV_FOLD_CHEAPEST));
    return n_blocks == 2 ? MZV_OK : mzv_fold_cyclic(&b->average, 2 * m, n_blocks / 2, MZV_FOLD_CHEAPEST);
}

static mzv_status plan(mzv_boot *b, const mzv_evaluator *ev) {
    const mzv_params *p = &ev->params;
    MZV_TRY(check_spec(&b->spec, ev));
    MZV_TRY(mzv_security_boot(p->log_n, MZV_SPARSE_WEIGHT, MZV_BOOT_K, p->insecure_toy));
    b->facts.log2_failure = mzv_security_boot_failure(p->log_n, MZV_SPARSE_WEIGHT, MZV_BOOT_K);
    b->facts.k = MZV_BOOT_K;
    b->facts.n_slots = b->spec.n_slots;
    b->corrected = p->n_eval_mod >= CORRECTED_LEVELS;
    MZV_TRY(choose_ratio(b, ev));
    MZV_TRY(choose_eval_mod(b, ev));
    MZV_TRY(choose_levels(b, ev));
    if (few_slots(b, ev)) MZV_TRY(plan_folds(b, ev));
    const double rest =
        b->facts.sine_error * (slots_first(b) ? 1 : sqrt(b->spec.n_slots)) + 8 * b->facts.noise;
    b->facts.log2_gain = (uint32_t)fmax(0, floor(log2(b->spec.magnitude / (GAIN_MARGIN * rest))));
    return MZV_OK;
}

/* ---- the constants ---- */

/* Public signs, the same on every machine. */
static void fill_signs(mzv_complex *slots, uint32_t n, uint32_t period) {
    const uint8_t seed[MZV_SEED_BYTES] = { 0 };
    mzv_rng rng;
    mzv_rng_init(&rng, seed, "mzv bootstrapping signs", 0);
    for (uint32_t i = 0; i < period; i++) slots[i] = (double)(1 - 2 * (int)(mzv_rng_u64(&rng) & 1));
    for (uint32_t i = period; i < n; i++) slots[i] = slots[i - period];
}

/* For few slots the real and the imaginary part travel in alternating blocks of m slots: `turn` on the odd
 * ones. */
static void fill_blocks(mzv_complex *slots, uint32_t n, uint32_t m, mzv_complex turn) {
    for (uint32_t i = 0; i < n; i++) slots[i] = i / m % 2 == 0 ? 1 : turn;
}

static mzv_complex imaginary(double y) {
    mzv_complex z = 0;
    __imag__ z = y;
    return z;
}

static mzv_status make_to_slots(mzv_boot *b, mzv_evaluator *ev, mzv_complex *work) {
    const double q0 = (double)ev->facts.primes[ev->params.n_special];
    const double width = mzv_eval_mod_about(b->eval_mod)->width;
    const uint32_t n_groups =
        groups_for(&b->spec, ev->params.n_coeff_to_slot); /* the last ones of these levels */
    mzv_boot_transform_spec spec = { .direction = MZV_COEFF_TO_SLOT,
                                     .n_slots = b->spec.n_slots,
                                     .level = ev->max_level - ev->params.n_coeff_to_slot + n_groups,
                                     .n_groups = n_groups,
                                     .factor = ev->facts.scale[ev->max_level] / q0 / (2 * width) };
    if (few_slots(b, ev)) {
        fill_blocks(work, ev->n_slots, b->spec.n_slots, imaginary(-1));
        spec.after = work;
        *(n_groups < ev->params.n_coeff_to_slot ? &b->shrink : &spec.factor) *=
            (double)b->spec.n_slots / ev->n_slots;
    }
    return mzv_boot_transform_create(&b->to_slots, ev, &spec);
}

/* COEFFS_FIRST: from EvalMod's result, both parts in one, to slots. SLOTS_FIRST: from slots to coefficients
 * that are e times q_0. */
static mzv_status make_to_coeffs(mzv_boot *b, mzv_evaluator *ev, mzv_complex *work) {
    const double q0 = (double)ev->facts.primes[ev->params.n_special];
    mzv_boot_transform_spec spec = { .direction = MZV_SLOT_TO_COEFF,
                                     .n_slots = b->spec.n_slots,
                                     .n_groups = b->spec.n_slot_to_coeff };
    spec.level = slots_first(b) ? b->spec.n_slot_to_coeff : b->bridge;
    b->result = b->facts.ratio / (2 * mzv_eval_mod_about(b->eval_mod)->slope);
    if (few_slots(b, ev)) b->result *= 2.0 * b->spec.n_slots / ev->n_slots;
    spec.factor = slots_first(b) ? q0 / (ev->facts.scale[0] * b->facts.ratio) : b->result;
    if (!slots_first(b) && few_slots(b, ev)) {
        fill_blocks(work, ev->n_slots, b->spec.n_slots, imaginary(1));
        spec.before = work;
    }
    if (b->spec.spread) {
        fill_signs(work + ev->n_slots, ev->n_slots, b->spec.n_slots);
        spec.after = work + ev->n_slots;
    }
    return mzv_boot_transform_create(&b->to_coeffs, ev, &spec);
}

static mzv_status make_plains(mzv_boot *b, mzv_evaluator *ev, mzv_complex *work) {
    const double q0 = (double)ev->facts.primes[ev->params.n_special];
    if (b->spec.spread) {
        fill_signs(work, ev->n_slots, b->spec.n_slots);
        for (uint32_t i = 0; i < ev->n_slots; i++) work[i] *= q0 / (ev->facts.scale[0] * b->facts.ratio);
        MZV_TRY(mzv_plain_create(&b->before, ev, work, 1, MZV_PLAIN_MUL));
    }
    if (slots_first(b) && few_slots(b, ev)) {
        fill_blocks(work, ev->n_slots, b->spec.n_slots, imaginary(1));
        for (uint32_t i = 0; i < ev->n_slots; i++) work[i] *= b->result;
        MZV_TRY(mzv_plain_create(&b->after, ev, work, b->bridge, MZV_PLAIN_MUL));
    }
    return MZV_OK;
}

static mzv_status make(mzv_boot *b, mzv_evaluator *ev, mzv_complex *work) {
    b->shrink = 1;
    MZV_TRY(make_to_slots(b, ev, work));
    MZV_TRY(make_to_coeffs(b, ev, work));
    MZV_TRY(make_plains(b, ev, work));
    MZV_TRY(b->spec.keep ? mzv_boot_transform_keep(&b->to_slots)
                         : mzv_boot_transform_keep_compact(&b->to_slots));
    return b->spec.keep ? mzv_boot_transform_keep(&b->to_coeffs)
                        : mzv_boot_transform_keep_compact(&b->to_coeffs);
}

void mzv_boot_destroy(mzv_boot *b) {
    if (b == NULL) return;
    mzv_boot_transform_destroy(&b->to_slots);
    mzv_boot_transform_destroy(&b->to_coeffs);
    mzv_eval_mod_destroy(b->eval_mod);
    mzv_plain_destroy(b->before);
    mzv_plain_destroy(b->after);
    mzv_free(b);
}

static mzv_status refresh_run(const mzv_refresh *self, mzv_evaluator *ev, mzv_cipher *out,
                              const mzv_cipher *a) {
    const mzv_boot *b = (const mzv_boot *)((const char *)self - offsetof(mzv_boot, refresh));
    return mzv_boot_run(ev, out, a, b);
}

mzv_status mzv_boot_create(mzv_boot **out, mzv_evaluator *ev, const mzv_boot_spec *spec) {
    mzv_status status = MZV_OK;
    mzv_complex *work = NULL;
    mzv_boot *b = NULL;
    MZV_TRY(MZV_NEW(&b, 1, "bootstrapping"));
    b->spec = *spec;
    MZV_TRY_GOTO(plan(b, ev), done);
    MZV_TRY_GOTO(MZV_NEW(&work, 2 * (size_t)ev->n_slots, "bootstrapping's factors"), done);
    MZV_TRY_GOTO(make(b, ev, work), done);
    const mzv_refresh refresh = { refresh_run, b->facts.in_level, b->facts.out_level, b->spec.magnitude };
    b->refresh = refresh;
    *out = b;
    b = NULL;
done:
    mzv_free(work);
    mzv_boot_destroy(b);
    return status;
}

const mzv_boot_facts *mzv_boot_about(const mzv_boot *b) { return &b->facts; }
const mzv_refresh *mzv_boot_refresh(const mzv_boot *b) { return &b->refresh; }

/* ---- the run ---- */

static mzv_status eval_mod_part(mzv_evaluator *ev, mzv_cipher *part, const mzv_boot *b) {
    const mzv_eval_mod_facts *f = mzv_eval_mod_about(b->eval_mod);
    MZV_TRY(mzv_add_const(ev, part, part, -f->shift / f->width));
    MZV_TRY(mzv_eval_mod_run(ev, part, part, b->eval_mod));
    return mzv_circuit_lower(ev, part, part, b->bridge);
}

/* x = twice the real parts of EvalMod's results: re + i im, or one ciphertext of alternating blocks; at the
 * bridge. The imaginary parts are noise. As re + i im and the conjugate of re - i im it takes one key switch.
 * `parts`: re and im one behind the other. */
static mzv_status eval_mod(mzv_evaluator *ev, mzv_cipher *x, mzv_cipher *parts, const mzv_boot *b) {
    mzv_cipher part[2];
    if (parts->batch == x->batch) {
        MZV_TRY(eval_mod_part(ev, parts, b));
        MZV_TRY(mzv_conjugate(ev, x, parts));
        return mzv_add(ev, x, x, parts);
    }
    if (b->spec.together) MZV_TRY(eval_mod_part(ev, parts, b));
    for (uint32_t i = 0; i < 2; i++) {
        MZV_TRY(mzv_ev_take(ev, &part[i], parts->level, x->batch));
        MZV_TRY(mzv_slice(ev, &part[i], parts, i * x->batch));
        if (!b->spec.together) MZV_TRY(eval_mod_part(ev, &part[i], b));
    }
    MZV_TRY(mzv_mul_i(ev, &part[1], &part[1]));
    MZV_TRY(mzv_sub(ev, x, &part[0], &part[1]));
    MZV_TRY(mzv_conjugate(ev, x, x));
    MZV_TRY(mzv_add(ev, x, x, &part[0]));
    return mzv_add(ev, x, x, &part[1]);
}

/* From the raised ciphertext to EvalMod's result. */
static mzv_status raised_to_sine(mzv_evaluator *ev, mzv_cipher *x, const mzv_cipher *raised,
                                 const mzv_boot *b) {
    const uint32_t level = ev->max_level - ev->params.n_coeff_to_slot, n_parts = few_slots(b, ev) ? 1 : 2;
    mzv_cipher parts, projected;
    MZV_TRY(mzv_ev_take(ev, &parts, level, n_parts * raised->batch));
    const size_t mark = mzv_ev_mark(ev);
    if (few_slots(b, ev)) {
        MZV_TRY(mzv_ev_take(ev, &projected, ev->max_level, raised->batch));
        MZV_TRY(mzv_fold_run(ev, &projected, raised, &b->trace));
        if (b->shrink != 1) MZV_TRY(mzv_mul_const(ev, &projected, &projected, b->shrink));
        raised = &projected;
    }
    MZV_TRY(mzv_boot_transform_split(ev, &parts, raised, &b->to_slots));
    mzv_ev_release(ev, mark);
    return eval_mod(ev, x, &parts, b);
}

static mzv_status sine_to_message(mzv_evaluator *ev, mzv_cipher *out, mzv_cipher *x, const mzv_boot *b) {
    if (b->average.n_rounds != 0) MZV_TRY(mzv_fold_run(ev, x, x, &b->average));
    if (!slots_first(b))
        MZV_TRY(mzv_boot_transform_run(ev, out, x, &b->to_coeffs));
    else if (b->after != NULL)
        MZV_TRY(mzv_mul_plain(ev, out, x, b->after));
    else
        MZV_TRY(mzv_mul_const(ev, out, x, b->result));
    return few_slots(b, ev) ? mzv_fold_run(ev, out, out, &b->join) : MZV_OK;
}

mzv_status mzv_boot_run_raised(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_boot *b) {
    const size_t mark = mzv_ev_mark(ev);
    mzv_status status = MZV_OK;
    mzv_cipher x;
    MZV_TRY_GOTO(mzv_ev_take(ev, &x, b->bridge, a->batch), done);
    MZV_TRY_GOTO(raised_to_sine(ev, &x, a, b), done);
    status = sine_to_message(ev, out, &x, b);
done:
    mzv_ev_release(ev, mark);
    return status;
}

/* low = what ModRaise takes, at level 0. */
static mzv_status to_level_0(mzv_evaluator *ev, mzv_cipher *low, const mzv_cipher *a, const mzv_boot *b) {
    mzv_cipher at_1;
    if (slots_first(b)) return mzv_boot_transform_run(ev, low, a, &b->to_coeffs);
    if (b->before != NULL) {
        MZV_TRY(mzv_ev_take(ev, &at_1, 1, a->batch));
        MZV_TRY(mzv_circuit_lower(ev, &at_1, a, 1));
        return mzv_mul_plain(ev, low, &at_1, b->before);
    }
    MZV_TRY(mzv_circuit_lower(ev, low, a, 0));
    return b->lift == 1 ? MZV_OK : mzv_mul_integer(ev, low, low, b->lift);
}

static mzv_status run_once(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_boot *b) {
    mzv_cipher low, raised;
    MZV_TRY(mzv_ev_take(ev, &low, 0, a->batch));
    MZV_TRY(mzv_ev_take(ev, &raised, ev->max_level, a->batch));
    const size_t mark = mzv_ev_mark(ev);
    MZV_TRY(to_level_0(ev, &low, a, b));
    mzv_ev_release(ev, mark);
    MZV_TRY(mzv_mod_raise(ev, &raised, &low));
    return mzv_boot_run_raised(ev, out, &raised, b);
}

/* First pass y, rest 2^g (a - y), second pass of that, y + 2^-g of it [BCC+22, 3]. */
static mzv_status run_twice(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_boot *b) {
    const uint32_t level = b->facts.out_level + 1;
    const double gain = ldexp(1, (int)b->facts.log2_gain);
    const double rest_of[2] = { gain, -gain }, sum_of[2] = { 1, 1 / gain };
    mzv_cipher first, second, rest, at;
    MZV_TRY(mzv_ev_take(ev, &first, level, a->batch));
    MZV_TRY(mzv_ev_take(ev, &second, level, a->batch));
    MZV_TRY(mzv_ev_take(ev, &rest, b->facts.in_level - 1, a->batch));
    MZV_TRY(mzv_ev_take(ev, &at, b->facts.in_level, a->batch));
    const size_t mark = mzv_ev_mark(ev);
    MZV_TRY(run_once(ev, &first, a, b));
    mzv_ev_release(ev, mark);
    MZV_TRY(mzv_circuit_lower(ev, &at, a, b->facts.in_level));
    const mzv_cipher *const difference[2] = { &at, &first }, *const sum[2] = { &first, &second };
    MZV_TRY(mzv_combine(ev, &rest, difference, rest_of, 2, 0));
    MZV_TRY(run_once(ev, &second, &rest, b));
    mzv_ev_release(ev, mark);
    return mzv_combine(ev, out, sum, sum_of, 2, 0);
}

mzv_status mzv_boot_run(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a, const mzv_boot *b) {
    const size_t mark = mzv_ev_mark(ev);
    MZV_TRY(mzv_circuit_need("bootstrapping", a, b->facts.in_level));
    if (out == a) return mzv_fail(MZV_ERR_ARGUMENT, "bootstrapping: out is the operand");
    const mzv_status status = b->spec.iterations == 2 ? run_twice(ev, out, a, b) : run_once(ev, out, a, b);
    mzv_ev_release(ev, mark);
    return status;
}
