/* Options as a table, and the reader of it. */
#include "cli/args.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/try.h"

typedef enum option_type { FLAG, TEXT, CHOICE, U32, U64, BYTES, F64 } option_type;

typedef struct option {
    const char *name;
    char letter; /* or 0 */
    option_type type;
    size_t offset;
    const char *value;    /* what help calls it; for CHOICE the words, separated by | */
    const char *fallback; /* the default as one would type it, or NULL: not set */
    double low, high;     /* numbers, inclusive */
    uint32_t commands;
    const char *help;
} option;

#define AT(member) offsetof(mzv_args, member)
#define INFERENCE (MZV_CMD_RUN | MZV_CMD_GENERATE)
#define PLANNED (INFERENCE | MZV_CMD_PLAN)
#define ALL 0xffffffffu
#define U32_TOP 4294967295.0
#define U64_TOP 18446744073709549568.0 /* largest double below 2^64 */

/* clang-format off */
static const option options[] = {
    { "model", 'm', TEXT, AT(model), "DIR", NULL, 0, 0, PLANNED | MZV_CMD_CALIBRATE | MZV_CMD_INSPECT,
      "checkpoint: config.json, model.safetensors, tokenizer files" },
    { "encrypt", 'e', TEXT, AT(encrypt), "MODULE", NULL, 0, 0, PLANNED,
      "module to compute on ciphertexts, such as h.0.attn or h.0.attn.head.0 [none: all in float]" },
    { "tokens", 'n', U32, AT(tokens), "N", "32", 1, 1048576, MZV_CMD_GENERATE,
      "how many tokens to generate" },
    { "tokens", 'n', U32, AT(tokens), "N", "0", 0, 1048576, MZV_CMD_PLAN,
      "longest context; 0: the model's n_positions" },
    { "top-k", 'k', U32, AT(top_k), "K", "0", 0, 1048576, MZV_CMD_GENERATE,
      "sample among the K likeliest tokens; 0: all" },
    { "temperature", 't', F64, AT(temperature), "X", NULL, 0, 1000, MZV_CMD_GENERATE,
      "0: always the likeliest token [0, or 1 with --top-k]" },
    { "seed", 's', U64, AT(seed), "S", "1", 0, U64_TOP, MZV_CMD_GENERATE, "of the sampling" },
    { "ids", 'i', TEXT, AT(ids), "LIST", NULL, 0, 0, INFERENCE,
      "token ids in place of a text, such as 101,2023,102 [none]" },
    { "text", 0, TEXT, AT(text), "FILE", NULL, 0, 0, MZV_CMD_CALIBRATE,
      "text to calibrate on, UTF-8, of the kind that will be encrypted" },
    { "ids-file", 0, TEXT, AT(ids_file), "FILE", NULL, 0, 0, MZV_CMD_CALIBRATE,
      "the same as token ids, separated by commas and line ends" },
    { "window", 'w', U32, AT(window), "N", "0", 0, 1048576, MZV_CMD_CALIBRATE,
      "tokens seen at once; 0: the model's n_positions" },
    { "calibration", 'c', TEXT, AT(calibration), "FILE", NULL, 0, 0, PLANNED | MZV_CMD_CALIBRATE,
      "ranges of the checkpoint [DIR/calibration.safetensors]" },
    { "mode", 0, CHOICE, AT(mode), "execute|simulate|clear", "execute", 0, 0, PLANNED,
      "ciphertexts; slots with CKKS's noise; slots without" },
    { "target-error", 0, F64, AT(target_error), "X", "3e-4", 1e-12, 1, PLANNED,
      "relative error of the module to plan for" },
    { "max-error", 0, F64, AT(max_error), "X", "1e-3", 0, 1e6, INFERENCE,
      "relative error of the module above which the exit code is 2" },
    { "noise-seed", 0, U64, AT(noise_seed), "S", "1", 1, U64_TOP, PLANNED,
      "of the noise of --mode simulate" },
    { "memory-max", 0, BYTES, AT(memory_max), "SIZE", "0", 0, U64_TOP, PLANNED,
      "refuse to need more memory, such as 4G; 0: what is available" },
    { "backend", 'b', CHOICE, AT(backend), "auto|cpu|cuda", "auto", 0, 0,
      PLANNED | MZV_CMD_DOCTOR | MZV_CMD_BENCH, "where ciphertexts are computed" },
    { "device", 0, U32, AT(device), "N", "0", 0, 1023, PLANNED | MZV_CMD_DOCTOR,
      "which GPU, of those that `mzv devices` lists" },
    { "device-memory", 0, BYTES, AT(device_memory), "SIZE", "0", 0, U64_TOP, PLANNED,
      "of the GPU to take at most, such as 20G; 0: what is free" },
    { "threads", 'j', U32, AT(threads), "N", "0", 0, 4096,
      PLANNED | MZV_CMD_CALIBRATE | MZV_CMD_DOCTOR | MZV_CMD_BENCH,
      "of the CPU; 0: one per core" },
    { "set", 0, TEXT, AT(set), "NAME", NULL, 0, 0, MZV_CMD_BENCH,
      "parameters of the circuits, of those that `mzv params` lists [n15-leveled]" },
    { "only", 0, TEXT, AT(only), "NAME", NULL, 0, 0, MZV_CMD_BENCH,
      "circuits whose names begin so [all]" },
    { "reps", 0, U32, AT(repetitions), "N", "5", 5, 101, MZV_CMD_BENCH, "how often each circuit is timed" },
    { "record", 0, FLAG, AT(record), NULL, NULL, 0, 0, MZV_CMD_BENCH,
      "time replays of a recording of each circuit: one launch of a graph on a GPU" },
    { "insecure-toy", 0, FLAG, AT(insecure_toy), NULL, NULL, 0, 0,
      MZV_CMD_INSPECT | MZV_CMD_PARAMS | MZV_CMD_BENCH,
      "accept parameters below 128 bits of security" },
    { "expect-params", 0, TEXT, AT(expect_params), "NAME|FILE", NULL, 0, 0, MZV_CMD_INSPECT,
      "refuse files of other parameters than this set or file [any]" },
    { "save", 0, TEXT, AT(save), "FILE", NULL, 0, 0, MZV_CMD_PARAMS, "write the set to FILE [not written]" },
    { "timings", 0, FLAG, AT(timings), NULL, NULL, 0, 0, INFERENCE, "print where the time went, on stderr" },
    { "output", 'o', CHOICE, AT(output), "text|json|jsonl|csv|md", "text", 0, 0, ALL, "form of the result" },
    { "output-file", 'O', TEXT, AT(output_file), "FILE", NULL, 0, 0, ALL,
      "write the result to FILE, whole or not at all [stdout]" },
    { "progress", 0, CHOICE, AT(progress), "auto|always|never|json", "auto", 0, 0, ALL,
      "on stderr; auto: a bar on a terminal, else a line every 30 s" },
    { "help", 'h', FLAG, AT(help), NULL, NULL, 0, 0, ALL, "print this" },
};
/* clang-format on */

enum { N_OPTIONS = sizeof options / sizeof options[0] };
_Static_assert(N_OPTIONS <= 64, "mzv_args.given has 64 bits");

/* Numbers */

bool mzv_args_u64(uint64_t *out, const char *text) {
    char *end = NULL;
    if (!isdigit((unsigned char)text[0])) return false; /* strtoull would take spaces and signs */
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0') return false;
    *out = value;
    return true;
}

bool mzv_args_bytes(uint64_t *out, const char *text) {
    static const char units[] = "KMGT";
    char digits[24];
    const size_t n = strlen(text);
    uint64_t value = 0;
    if (n == 0 || n >= sizeof digits) return false;
    memcpy(digits, text, n + 1);
    const char *unit = strchr(units, digits[n - 1]);
    const int shift = unit != NULL ? 10 * (int)(unit - units + 1) : 0;
    if (unit != NULL) digits[n - 1] = '\0';
    if (!mzv_args_u64(&value, digits) || value > UINT64_MAX >> shift) return false;
    *out = value << shift;
    return true;
}

bool mzv_args_f64(double *out, const char *text) {
    char *end = NULL;
    if (!isdigit((unsigned char)text[0]) && text[0] != '.' && text[0] != '-') return false;
    if (strpbrk(text, "xX") != NULL) return false; /* no hexadecimal */
    const double value = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(value)) return false;
    *out = value;
    return true;
}

/* Nearest name */

/* Edits (insert, delete, replace) from a to b, words of at most 63 characters. */
static size_t edits(const char *a, const char *b) {
    size_t row[64];
    const size_t n = strlen(b);
    if (n > 63) return SIZE_MAX;
    for (size_t j = 0; j <= n; j++) row[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            const size_t above = row[j];
            const size_t replace = diagonal + (a[i - 1] != b[j - 1]);
            const size_t shift = (above < row[j - 1] ? above : row[j - 1]) + 1;
            row[j] = replace < shift ? replace : shift;
            diagonal = above;
        }
    }
    return row[n];
}

const char *mzv_args_nearest(const char *word, mzv_candidate candidate, const void *user) {
    const char *best = NULL;
    size_t best_edits = strlen(word) / 2 + 1; /* more edits than that: not meant */
    for (size_t i = 0; candidate(user, i) != NULL; i++) {
        const size_t n = edits(word, candidate(user, i));
        if (n < best_edits) {
            best_edits = n;
            best = candidate(user, i);
        }
    }
    return best;
}

/* Names of the options of one command, for mzv_args_nearest. */
static const char *option_name(const void *user, size_t i) {
    const mzv_command *command = user;
    for (size_t k = 0; k < N_OPTIONS; k++) {
        if ((options[k].commands & command->bit) == 0) continue;
        if (i-- == 0) return options[k].name;
    }
    return NULL;
}

/* Setting one value */

static bool is_choice(const char *choices, const char *word) {
    const size_t n = strlen(word);
    for (const char *p = choices; p != NULL; p = strchr(p, '|')) {
        if (*p == '|') p++;
        if (strncmp(p, word, n) == 0 && (p[n] == '|' || p[n] == '\0') && n > 0) return true;
    }
    return false;
}

static const char *choices_of(const option *o, const mzv_command *command) {
    return o->offset == AT(output) ? command->formats : o->value;
}

static bool read_number(const option *o, const char *text, double *shown, void *at) {
    uint64_t whole = 0;
    double real = 0;
    const bool ok = o->type == F64     ? mzv_args_f64(&real, text)
                    : o->type == BYTES ? mzv_args_bytes(&whole, text)
                                       : mzv_args_u64(&whole, text);
    *shown = o->type == F64 ? real : (double)whole;
    if (!ok || *shown < o->low || *shown > o->high) return false;
    if (o->type == F64) memcpy(at, &real, sizeof real);
    if (o->type == U64 || o->type == BYTES) memcpy(at, &whole, sizeof whole);
    if (o->type == U32) memcpy(at, &(uint32_t) { (uint32_t)whole }, sizeof(uint32_t));
    return true;
}

/* `where` is how the user spelt it: "--tokens" or "MZV_TOKENS". */
static mzv_status set_value(mzv_args *args, const mzv_command *command, const option *o, const char *where,
                            const char *text) {
    void *at = (char *)args + o->offset;
    double shown = 0;
    switch (o->type) {
    case FLAG:
        memcpy(at, &(bool) { true }, sizeof(bool));
        return MZV_OK;
    case TEXT:
        if (text[0] == '\0') return mzv_fail(MZV_ERR_ARGUMENT, "%s: empty, need %s", where, o->value);
        memcpy(at, &text, sizeof text);
        return MZV_OK;
    case CHOICE:
        if (!is_choice(choices_of(o, command), text))
            return mzv_fail(MZV_ERR_ARGUMENT, "%s: found '%s', need one of %s", where, text,
                            choices_of(o, command));
        memcpy(at, &text, sizeof text);
        return MZV_OK;
    default:
        if (!read_number(o, text, &shown, at))
            return mzv_fail(MZV_ERR_ARGUMENT, "%s: found '%s', need a%s from %g to %g", where, text,
                            o->type == F64     ? " number"
                            : o->type == BYTES ? " size such as 512M"
                                               : "n integer",
                            o->low, o->high);
        return MZV_OK;
    }
}

/* Defaults, then the environment; flags come after. */

static void environment_name(char *out, size_t n, const char *name) {
    snprintf(out, n, "MZV_%s", name);
    for (char *p = out; *p != '\0'; p++) *p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
}

static mzv_status set_from_environment(mzv_args *args, const mzv_command *command, size_t i) {
    char name[64];
    environment_name(name, sizeof name, options[i].name);
    const char *text = getenv(name);
    if (text == NULL || text[0] == '\0') return MZV_OK;
    if (options[i].type == FLAG && strcmp(text, "0") == 0) return MZV_OK;
    if (options[i].type == FLAG && strcmp(text, "1") != 0)
        return mzv_fail(MZV_ERR_ARGUMENT, "%s: found '%s', need 0 or 1", name, text);
    MZV_TRY(set_value(args, command, &options[i], name, text));
    args->given |= (uint64_t)1 << i;
    return MZV_OK;
}

static mzv_status set_defaults(mzv_args *args, const mzv_command *command) {
    memset(args, 0, sizeof *args);
    for (size_t i = 0; i < N_OPTIONS; i++) {
        const option *o = &options[i];
        if ((o->commands & command->bit) == 0) continue;
        if (o->fallback != NULL) MZV_TRY(set_value(args, command, o, o->name, o->fallback));
        if (o->offset != AT(help)) MZV_TRY(set_from_environment(args, command, i));
    }
    return MZV_OK;
}

/* Reading argv */

static mzv_status find_long(size_t *out, const mzv_command *command, const char *word) {
    const size_t n = strcspn(word, "=");
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)(n < 63 ? n : 63), word);
    for (size_t i = 0; i < N_OPTIONS; i++) {
        if ((options[i].commands & command->bit) == 0 || strcmp(options[i].name, name) != 0) continue;
        *out = i;
        return MZV_OK;
    }
    const char *near = mzv_args_nearest(name, option_name, command);
    if (near == NULL)
        return mzv_fail(MZV_ERR_ARGUMENT, "unknown option --%s; `mzv %s --help` lists them", name,
                        command->name);
    return mzv_fail(MZV_ERR_ARGUMENT, "unknown option --%s of `mzv %s`; did you mean --%s?", name,
                    command->name, near);
}

static mzv_status find_letter(size_t *out, const mzv_command *command, char letter) {
    for (size_t i = 0; i < N_OPTIONS; i++) {
        if ((options[i].commands & command->bit) == 0 || options[i].letter != letter || letter == 0) continue;
        *out = i;
        return MZV_OK;
    }
    return mzv_fail(MZV_ERR_ARGUMENT, "unknown option -%c; `mzv %s --help` lists them", letter,
                    command->name);
}

/* One option at argv[*at], with its value there or in the next word; *at moves to the last word used. */
static mzv_status read_option(mzv_args *args, const mzv_command *command, int argc, char *const *argv,
                              int *at, uint64_t *seen) {
    const char *word = argv[*at];
    const bool is_long = word[1] == '-';
    char where[80];
    size_t i = 0;
    if (is_long)
        MZV_TRY(find_long(&i, command, word + 2));
    else
        MZV_TRY(find_letter(&i, command, word[1]));
    const option *o = &options[i];
    snprintf(where, sizeof where, "--%s", o->name);
    if ((*seen >> i & 1) != 0) return mzv_fail(MZV_ERR_ARGUMENT, "%s: given twice, need it once", where);
    *seen |= (uint64_t)1 << i;

    const char *value = is_long ? strchr(word, '=') : word[2] != '\0' ? word + 1 : NULL;
    if (o->type == FLAG) {
        if (value != NULL)
            return mzv_fail(MZV_ERR_ARGUMENT, "%s: takes no value, found '%s'", where, value + 1);
    } else if (value != NULL) {
        value++;
    } else if (*at + 1 < argc) {
        value = argv[++*at];
    } else {
        return mzv_fail(MZV_ERR_ARGUMENT, "%s: no value, need %s", where, choices_of(o, command));
    }
    args->given |= (uint64_t)1 << i;
    return set_value(args, command, o, where, value);
}

static mzv_status read_operand(mzv_args *args, const mzv_command *command, const char *word) {
    if (args->n_positional >= command->n_max)
        return mzv_fail(MZV_ERR_ARGUMENT,
                        "`mzv %s`: operand '%s' is one too many, need at most %u; quote a text of "
                        "several words",
                        command->name, word, command->n_max);
    args->positional[args->n_positional++] = word;
    return MZV_OK;
}

mzv_status mzv_args_parse(mzv_args *out, const mzv_command *command, int argc, char *const *argv) {
    mzv_args args;
    uint64_t seen = 0;
    bool operands_only = false;
    MZV_TRY(set_defaults(&args, command));
    for (int at = 2; at < argc; at++) {
        const char *word = argv[at];
        if (!operands_only && strcmp(word, "--") == 0)
            operands_only = true;
        else if (operands_only || word[0] != '-' || word[1] == '\0')
            MZV_TRY(read_operand(&args, command, word));
        else
            MZV_TRY(read_option(&args, command, argc, argv, &at, &seen));
    }
    if (!args.help && args.n_positional < command->n_min)
        return mzv_fail(MZV_ERR_ARGUMENT, "`mzv %s`: found %u operands, need %s", command->name,
                        args.n_positional, command->operands);
    *out = args;
    return MZV_OK;
}

bool mzv_args_given(const mzv_args *args, const char *name) {
    for (size_t i = 0; i < N_OPTIONS; i++)
        if (strcmp(options[i].name, name) == 0 && (args->given >> i & 1) != 0) return true;
    return false;
}

/* Help */

static void help_option(FILE *f, const mzv_command *command, const option *o) {
    char left[96];
    const char letter[4] = { '-', o->letter, ',', '\0' };
    snprintf(left, sizeof left, "%3s --%s%s%s", o->letter != 0 ? letter : "", o->name,
             o->type == FLAG ? "" : " ", o->type == FLAG ? "" : choices_of(o, command));
    fprintf(f, "  %-34s %s%s", left, strlen(left) > 34 ? "\n                                     " : "",
            o->help);
    if (o->type == FLAG && o->offset != AT(help)) fputs(" [off]", f);
    if (o->fallback != NULL) fprintf(f, " [%s]", o->fallback);
    fputc('\n', f);
}

void mzv_args_help(FILE *f, const mzv_command *command) {
    fprintf(f, "usage: mzv %s [OPTION]...%s%s\n%s\n\noptions [default]:\n", command->name,
            command->operands[0] != '\0' ? " " : "", command->operands, command->summary);
    for (size_t i = 0; i < N_OPTIONS; i++)
        if ((options[i].commands & command->bit) != 0) help_option(f, command, &options[i]);
    fputs("\nEach option may also be set in the environment: --target-error as MZV_TARGET_ERROR.\n", f);
}
