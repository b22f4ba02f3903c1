/* The reader of safetensors files. The caps on JSON bound what a header can make us allocate to its own size
 * plus 64 MiB; larger headers occur in no checkpoint of the supported architectures. */
#include "runtime/safetensors.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/arena.h"
#include "base/bytes.h"
#include "base/file.h"
#include "base/try.h"
#include "runtime/json_file.h"

enum { LENGTH_BYTES = 8, CHUNK_BYTES = 1 << 16, MESSAGE_BYTES = 256 };

/* A number in JSON is exact in every reader up to here. */
static const json_int_t max_number = (json_int_t)1 << 53;

struct mzv_safetensors {
    mzv_file_in file;
    json_t *header; /* owns the tensors' names */
    uint64_t data_begin, data_bytes;
    uint32_t n_tensors;
    mzv_tensor *tensors; /* by begin */
};

/* clang-format off */
static const struct dtype { const char *name; uint32_t bytes; } dtypes[] = {
    { "F32", 4 }, { "F16", 2 }, { "BF16", 2 }, { "F64", 8 }, { "F8_E5M2", 1 }, { "F8_E4M3", 1 }, { "BOOL", 1 },
    { "I64", 8 }, { "U64", 8 }, { "I32", 4 }, { "U32", 4 }, { "I16", 2 }, { "U16", 2 }, { "I8", 1 }, { "U8", 1 },
};

/* First bytes of other files. */
static const struct magic { const char *bytes; size_t n; const char *what; } magics[] = {
    { "version ", 8, "a Git LFS pointer; fetch the file it stands for" },
    { "\x1f\x8b", 2, "gzip; unpack it first" },
    { "PK\x03\x04", 4, "a zip archive, such as PyTorch writes; convert it to safetensors" },
    { "\x80\x02", 2, "a Python pickle, which is never read; convert it to safetensors" },
    { "\x80\x04", 2, "a Python pickle, which is never read; convert it to safetensors" },
    { "GGUF", 4, "GGUF; convert it to safetensors" },
    { "\x89HDF", 4, "HDF5; convert it to safetensors" },
    { "<", 1, "HTML or XML; fetch the file itself" },
    { "{", 1, "JSON text without a header length" },
};
/* clang-format on */

/* "PATH: rule N: tensor 'NAME': ..." */
__attribute__((format(printf, 4, 5))) static mzv_status
fail_tensor(const mzv_safetensors *st, const char *name, int rule, const char *format, ...) {
    char text[MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return mzv_fail(MZV_ERR_FORMAT, "%s: rule %d: tensor '%s': %s", st->file.path, rule,
                    mzv_printable_name(name).text, text);
}

/* What the first bytes are, if they are known not to be a header length. */
static const char *looks_like(const uint8_t *bytes) {
    for (size_t i = 0; i < sizeof magics / sizeof magics[0]; i++) {
        if (memcmp(bytes, magics[i].bytes, magics[i].n) == 0) return magics[i].what;
    }
    return NULL;
}

static mzv_status read_length(uint64_t *n_header, const mzv_file_in *f) {
    uint8_t bytes[LENGTH_BYTES];
    if (f->n_bytes == 0)
        return mzv_fail(MZV_ERR_FORMAT, "%s: rule 1: expected safetensors, found an empty file", f->path);
    if (f->n_bytes < LENGTH_BYTES) {
        return mzv_fail(MZV_ERR_FORMAT, "%s: rule 2: expected %d bytes of header length, found %llu", f->path,
                        LENGTH_BYTES, (unsigned long long)f->n_bytes);
    }
    MZV_TRY(mzv_file_read_at(f, 0, bytes, sizeof bytes));
    const unsigned long long n = mzv_load_le64(bytes), rest = f->n_bytes - LENGTH_BYTES;
    const char *other = looks_like(bytes);
    if (other && n > MZV_JSON_BYTES) {
        return mzv_fail(MZV_ERR_FORMAT, "%s: rule 4: byte 0: expected a safetensors header length, found %s",
                        f->path, other);
    }
    if (n < 2 || n > MZV_JSON_BYTES) {
        return mzv_fail(MZV_ERR_FORMAT, "%s: rule 9: byte 0: header length: expected 2 to %d, found %llu",
                        f->path, MZV_JSON_BYTES, n);
    }
    if (n > rest) {
        return mzv_fail(MZV_ERR_FORMAT,
                        "%s: rule 9: byte 0: header length: expected at most the %llu bytes left, "
                        "found %llu",
                        f->path, rest, n);
    }
    *n_header = n;
    return MZV_OK;
}

static mzv_status read_header(mzv_safetensors *st) {
    uint64_t n = 0;
    char *text = NULL;
    mzv_status status;
    MZV_TRY(read_length(&n, &st->file));
    MZV_TRY(MZV_NEW(&text, n, st->file.path));
    MZV_TRY_GOTO(mzv_file_read_at(&st->file, LENGTH_BYTES, text, (size_t)n), done);
    if (text[0] != '{') {
        status = mzv_fail(MZV_ERR_FORMAT, "%s: rule 71: byte %d: expected '{', found 0x%02x", st->file.path,
                          LENGTH_BYTES, (unsigned char)text[0]);
        goto done;
    }
    MZV_TRY_GOTO(mzv_json_parse(&st->header, st->file.path, text, (size_t)n), done);
    st->data_begin = LENGTH_BYTES + n;
    st->data_bytes = st->file.n_bytes - st->data_begin;
done:
    mzv_free(text);
    return status;
}

static mzv_status check_name(const mzv_safetensors *st, const char *name) {
    const size_t n = strlen(name);
    bool control = false;
    for (size_t i = 0; i < n; i++) control |= (unsigned char)name[i] < 0x20 || name[i] == 0x7f;
    if (n >= 1 && n <= MZV_TENSOR_NAME && !control) return MZV_OK;
    return fail_tensor(st, name, 29, "name: expected 1 to %d bytes without control characters, found %zu%s",
                       MZV_TENSOR_NAME, n, control ? " with some" : "");
}

/* *out = element i of `array`: an integer from `least` to 2^53, written in digits only. */
static mzv_status number(uint64_t *out, const mzv_safetensors *st, const char *name, const json_t *array,
                         size_t i, json_int_t least) {
    const json_t *value = json_array_get(array, i);
    if (!json_is_integer(value)) {
        return fail_tensor(st, name, 71, "number %zu: expected an integer in digits, found another type", i);
    }
    const json_int_t x = json_integer_value(value);
    if (x < least || x > max_number) {
        return fail_tensor(st, name, x == 0 ? 73 : 71, "number %zu: expected %lld to 2^53, found %lld", i,
                           (long long)least, (long long)x);
    }
    *out = (uint64_t)x;
    return MZV_OK;
}

static mzv_status read_dtype(mzv_tensor *t, const mzv_safetensors *st, const char *name,
                             const json_t *entry) {
    const char *found = json_string_value(json_object_get(entry, "dtype"));
    for (size_t i = 0; found && i < sizeof dtypes / sizeof dtypes[0]; i++) {
        if (strcmp(found, dtypes[i].name) != 0) continue;
        t->dtype = dtypes[i].name;
        t->item_bytes = dtypes[i].bytes;
        return MZV_OK;
    }
    return fail_tensor(st, name, 72, "dtype: expected one of the format such as F32, F16, BF16, found '%s'",
                       found ? mzv_printable_name(found).text : "no string");
}

static mzv_status read_shape(mzv_tensor *t, const mzv_safetensors *st, const char *name,
                             const json_t *entry) {
    const json_t *shape = json_object_get(entry, "shape");
    if (!json_is_array(shape)) return fail_tensor(st, name, 73, "shape: expected an array");
    if (json_array_size(shape) > MZV_TENSOR_RANK) {
        return fail_tensor(st, name, 73, "shape: expected at most %d dimensions, found %zu", MZV_TENSOR_RANK,
                           json_array_size(shape));
    }
    t->rank = (uint32_t)json_array_size(shape);
    t->n_items = 1;
    for (uint32_t i = 0; i < t->rank; i++) {
        MZV_TRY(number(&t->shape[i], st, name, shape, i, 1));
        if (__builtin_mul_overflow(t->n_items, t->shape[i], &t->n_items)) {
            return fail_tensor(st, name, 73,
                               "shape: expected a product below 2^64, found more at dimension %u", i);
        }
    }
    return MZV_OK;
}

static mzv_status read_offsets(mzv_tensor *t, const mzv_safetensors *st, const char *name,
                               const json_t *entry) {
    const json_t *offsets = json_object_get(entry, "data_offsets");
    uint64_t begin = 0, end = 0, n_bytes = 0;
    if (!json_is_array(offsets) || json_array_size(offsets) != 2) {
        return fail_tensor(st, name, 74, "data_offsets: expected an array of 2 numbers");
    }
    MZV_TRY(number(&begin, st, name, offsets, 0, 0));
    MZV_TRY(number(&end, st, name, offsets, 1, 0));
    if (begin > end || end > st->data_bytes) {
        return fail_tensor(st, name, 74, "data_offsets: expected begin <= end <= %llu, found %llu and %llu",
                           (unsigned long long)st->data_bytes, (unsigned long long)begin,
                           (unsigned long long)end);
    }
    if (__builtin_mul_overflow(t->n_items, t->item_bytes, &n_bytes) || n_bytes != end - begin) {
        return fail_tensor(st, name, 75,
                           "data_offsets: expected room for %llu values of %u bytes, found %llu bytes",
                           (unsigned long long)t->n_items, t->item_bytes, (unsigned long long)(end - begin));
    }
    t->begin = st->data_begin + begin;
    return MZV_OK;
}

static mzv_status read_entry(mzv_tensor *t, const mzv_safetensors *st, const char *name,
                             const json_t *entry) {
    MZV_TRY(check_name(st, name));
    if (!json_is_object(entry) || json_object_size(entry) != 3) {
        return fail_tensor(st, name, 71,
                           "expected an object of dtype, shape and data_offsets, found %zu fields",
                           json_object_size(entry));
    }
    t->name = name;
    MZV_TRY(read_dtype(t, st, name, entry));
    MZV_TRY(read_shape(t, st, name, entry));
    return read_offsets(t, st, name, entry);
}

static mzv_status check_metadata(const mzv_safetensors *st, json_t *metadata) {
    const char *key;
    json_t *value;
    if (!json_is_object(metadata)) {
        return mzv_fail(MZV_ERR_FORMAT, "%s: rule 71: __metadata__: expected an object of strings",
                        st->file.path);
    }
    json_object_foreach(metadata, key, value) {
        if (json_is_string(value)) continue;
        return mzv_fail(MZV_ERR_FORMAT, "%s: rule 71: __metadata__: '%s': expected a string", st->file.path,
                        mzv_printable_name(key).text);
    }
    return MZV_OK;
}

static int by_begin(const void *a, const void *b) {
    const mzv_tensor *x = a, *y = b;
    return (x->begin > y->begin) - (x->begin < y->begin);
}

/* The tensors, sorted, cover the data exactly. The sum cannot overflow: each step equals an offset in the
 * file. */
static mzv_status check_cover(const mzv_safetensors *st) {
    uint64_t at = st->data_begin;
    for (uint32_t i = 0; i < st->n_tensors; i++) {
        const mzv_tensor *t = &st->tensors[i];
        if (t->begin != at) {
            return fail_tensor(st, t->name, 74, "data_offsets: expected to begin at %llu, found %llu: %s",
                               (unsigned long long)(at - st->data_begin),
                               (unsigned long long)(t->begin - st->data_begin),
                               t->begin < at ? "overlap" : "hole");
        }
        at += t->n_items * t->item_bytes;
    }
    if (at == st->file.n_bytes) return MZV_OK;
    return mzv_fail(MZV_ERR_FORMAT,
                    "%s: rule 74: expected the last tensor to end with the file at byte %llu, found %llu",
                    st->file.path, (unsigned long long)st->file.n_bytes, (unsigned long long)at);
}

static mzv_status read_tensors(mzv_safetensors *st) {
    const char *name;
    json_t *entry;
    MZV_TRY(MZV_NEW(&st->tensors, json_object_size(st->header), "list of tensors"));
    json_object_foreach(st->header, name, entry) {
        if (strcmp(name, "__metadata__") == 0) {
            MZV_TRY(check_metadata(st, entry));
        } else {
            MZV_TRY(read_entry(&st->tensors[st->n_tensors], st, name, entry));
            st->n_tensors++;
        }
    }
    qsort(st->tensors, st->n_tensors, sizeof *st->tensors, by_begin);
    return check_cover(st);
}

mzv_status mzv_safetensors_open(mzv_safetensors **out, const char *path) {
    mzv_safetensors *st = NULL;
    mzv_status status;
    MZV_TRY(MZV_NEW(&st, 1, "safetensors"));
    MZV_TRY_GOTO(mzv_file_open(&st->file, path), failed);
    MZV_TRY_GOTO(read_header(st), failed);
    MZV_TRY_GOTO(read_tensors(st), failed);
    *out = st;
    return MZV_OK;
failed:
    mzv_safetensors_close(st);
    return status;
}

void mzv_safetensors_close(mzv_safetensors *file) {
    if (!file) return;
    mzv_file_close(&file->file);
    json_decref(file->header);
    mzv_free(file->tensors);
    mzv_free(file);
}

const char *mzv_safetensors_path(const mzv_safetensors *file) { return file->file.path; }

uint32_t mzv_safetensors_count(const mzv_safetensors *file) { return file->n_tensors; }

const mzv_tensor *mzv_safetensors_tensor(const mzv_safetensors *file, uint32_t i) {
    return &file->tensors[i];
}

const mzv_tensor *mzv_safetensors_find(const mzv_safetensors *file, const char *name) {
    for (uint32_t i = 0; i < file->n_tensors; i++) {
        if (strcmp(file->tensors[i].name, name) == 0) return &file->tensors[i];
    }
    return NULL;
}

bool mzv_tensor_is_float(const mzv_tensor *tensor) {
    return strcmp(tensor->dtype, "F32") == 0 || strcmp(tensor->dtype, "F16") == 0 ||
           strcmp(tensor->dtype, "BF16") == 0;
}

/* IEEE binary16: 1 sign, 5 exponent (bias 15), 10 fraction bits. */
static float widen_f16(uint16_t h) {
    const int exponent = (h >> 10) & 31, fraction = h & 1023;
    const float sign = h & 0x8000 ? -1.0f : 1.0f;
    if (exponent == 31) return fraction ? NAN : sign * INFINITY;
    if (exponent == 0) return sign * ldexpf((float)fraction, -24);
    return sign * ldexpf((float)(fraction + 1024), exponent - 25);
}

static float float_of_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void widen(float *out, const uint8_t *bytes, size_t n, const mzv_tensor *t) {
    const bool f16 = strcmp(t->dtype, "F16") == 0;
    for (size_t i = 0; i < n; i++) {
        if (t->item_bytes == 4) {
            out[i] = float_of_bits(mzv_load_le32(bytes + 4 * i));
        } else if (f16) {
            out[i] = widen_f16(mzv_load_le16(bytes + 2 * i));
        } else { /* BF16 is the upper half of a float32 */
            out[i] = float_of_bits((uint32_t)mzv_load_le16(bytes + 2 * i) << 16);
        }
    }
}

mzv_status mzv_safetensors_read(const mzv_safetensors *file, const mzv_tensor *tensor, float *out) {
    uint8_t bytes[CHUNK_BYTES];
    if (!mzv_tensor_is_float(tensor)) {
        return fail_tensor(file, tensor->name, 72, "dtype: expected F32, F16 or BF16, found %s",
                           tensor->dtype);
    }
    const uint64_t per_chunk = CHUNK_BYTES / tensor->item_bytes;
    for (uint64_t at = 0; at < tensor->n_items; at += per_chunk) {
        const size_t n = (size_t)(tensor->n_items - at < per_chunk ? tensor->n_items - at : per_chunk);
        MZV_TRY(mzv_file_read_at(&file->file, tensor->begin + at * tensor->item_bytes, bytes,
                                 n * tensor->item_bytes));
        widen(out + at, bytes, n, tensor);
        for (size_t i = 0; i < n; i++) {
            if (isfinite(out[at + i])) continue;
            return fail_tensor(file, tensor->name, 77, "value %llu: expected a finite number, found %s",
                               (unsigned long long)(at + i), isnan(out[at + i]) ? "NaN" : "infinity");
        }
    }
    return MZV_OK;
}

mzv_status mzv_safetensors_read_raw(const mzv_safetensors *file, const mzv_tensor *tensor, void *out) {
    return mzv_file_read_at(&file->file, tensor->begin, out, (size_t)(tensor->n_items * tensor->item_bytes));
}
