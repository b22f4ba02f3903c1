/* Results: buffer, JSON, tables. */
#include "cli/output.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/try.h"
#include "base/utf8.h"

/* Where the result goes */

static mzv_status output_failed(mzv_output *out, mzv_status status) {
    out->failed = true;
    return status;
}

static mzv_status check_place(mzv_output *out, const char *path) {
    char folder[4096];
    struct stat info;
    const char *slash = strrchr(path, '/');
    const size_t n = slash == NULL ? 0 : (size_t)(slash - path);
    if (n >= sizeof folder)
        return output_failed(out, mzv_fail(MZV_ERR_IO, "result: path of %zu bytes is too long", n));
    snprintf(folder, sizeof folder, "%.*s", (int)(n > 0 ? n : 1), slash == NULL ? "." : path);
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
        return output_failed(out, mzv_fail(MZV_ERR_IO, "result: %s exists and is not a regular file", path));
    if (access(folder, W_OK | X_OK) != 0)
        return output_failed(out, mzv_fail(MZV_ERR_IO, "result: cannot write %s: folder %s: %s", path, folder,
                                           strerror(errno)));
    return MZV_OK;
}

mzv_status mzv_output_open(mzv_output *out, const char *format, const char *path) {
    static const char *const names[] = { "text", "json", "jsonl", "csv", "md" };
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(format, names[i]) == 0) out->format = (mzv_format)i;
    out->path = path;
    return path != NULL ? check_place(out, path) : MZV_OK;
}

void mzv_output_close(mzv_output *out) {
    mzv_free(out->bytes);
    memset(out, 0, sizeof *out);
}

static mzv_status to_stdout(mzv_output *out, const void *bytes, size_t n) {
    if (fwrite(bytes, 1, n, stdout) == n && fflush(stdout) == 0) return MZV_OK;
    return output_failed(
        out, mzv_fail(MZV_ERR_IO, "result: stdout took less than %zu bytes: %s", n, strerror(errno)));
}

mzv_status mzv_output_commit(mzv_output *out) {
    if (out->path == NULL) return out->n_bytes > 0 ? to_stdout(out, out->bytes, out->n_bytes) : MZV_OK;
    const mzv_status status = mzv_file_write(out->path, out->n_bytes > 0 ? out->bytes : "", out->n_bytes);
    return status != MZV_OK ? output_failed(out, status) : MZV_OK;
}

/* Collecting */

static mzv_status reserve(mzv_output *out, size_t n) {
    char *bytes = NULL;
    if (n <= out->capacity - out->n_bytes) return MZV_OK;
    const size_t capacity = 2 * (out->n_bytes + n) + 4096;
    MZV_TRY(MZV_NEW(&bytes, capacity, "result"));
    if (out->n_bytes > 0) memcpy(bytes, out->bytes, out->n_bytes);
    mzv_free(out->bytes);
    out->bytes = bytes;
    out->capacity = capacity;
    return MZV_OK;
}

mzv_status mzv_output_bytes(mzv_output *out, const void *bytes, size_t n) {
    if (n == 0) return MZV_OK;
    MZV_TRY(reserve(out, n));
    memcpy(out->bytes + out->n_bytes, bytes, n);
    out->n_bytes += n;
    return MZV_OK;
}

mzv_status mzv_output_print(mzv_output *out, const char *format, ...) {
    va_list args;
    va_list again;
    va_start(args, format);
    va_copy(again, args);
    const int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    mzv_status status = n < 0 ? mzv_fail(MZV_ERR_INTERNAL, "result: format '%s' failed", format)
                              : reserve(out, (size_t)n + 1);
    if (status == MZV_OK)
        out->n_bytes += (size_t)vsnprintf(out->bytes + out->n_bytes, (size_t)n + 1, format, again);
    va_end(again);
    return status;
}

mzv_status mzv_output_stream(mzv_output *out, const void *bytes, size_t n) {
    if (out->path != NULL) return mzv_output_bytes(out, bytes, n);
    return to_stdout(out, bytes, n);
}

mzv_status mzv_output_object(mzv_output *out, const json_t *object) {
    const size_t layout = out->format == MZV_FORMAT_JSONL ? JSON_COMPACT : JSON_INDENT(2);
    char *text = json_dumps(object, layout | JSON_REAL_PRECISION(9));
    if (text == NULL) return mzv_fail(MZV_ERR_MEMORY, "result: no memory for its JSON");
    mzv_status status = mzv_output_bytes(out, text, strlen(text));
    if (status == MZV_OK) status = mzv_output_bytes(out, "\n", 1);
    free(text);
    return status;
}

/* Tables */

/* A cell as text; strings as they are, numbers short. */
static void cell_text(char *text, size_t n, const json_t *value) {
    if (json_is_string(value))
        snprintf(text, n, "%s", json_string_value(value));
    else if (json_is_integer(value))
        snprintf(text, n, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_real(value))
        snprintf(text, n, "%.6g", json_real_value(value));
    else if (json_is_boolean(value))
        snprintf(text, n, "%s", json_is_true(value) ? "yes" : "no");
    else
        snprintf(text, n, "%s", "");
}

static size_t columns_of(const char *text) { /* code points; enough for what stands in our tables */
    size_t n = 0;
    for (; *text != '\0'; text++) n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

enum { CELL = 512, COLUMNS = 32 };

typedef struct table {
    const json_t *rows;
    const char *key[COLUMNS];
    size_t width[COLUMNS];
    bool number[COLUMNS];
    size_t n;
} table;

static mzv_status measure(table *t, const json_t *rows) {
    size_t i;
    json_t *row;
    const char *key;
    json_t *value;
    char text[CELL];
    memset(t, 0, sizeof *t);
    t->rows = rows;
    json_object_foreach(json_array_get(rows, 0), key, value) {
        if (t->n == COLUMNS) return mzv_fail(MZV_ERR_INTERNAL, "table: more than %d columns", COLUMNS);
        t->key[t->n] = key;
        t->number[t->n] = json_is_number(value);
        t->width[t->n++] = strlen(key);
    }
    json_array_foreach(rows, i, row) {
        for (size_t c = 0; c < t->n; c++) {
            cell_text(text, sizeof text, json_object_get(row, t->key[c]));
            if (columns_of(text) > t->width[c]) t->width[c] = columns_of(text);
        }
    }
    return MZV_OK;
}

/* One cell in its format, padded: numbers to the right. */
static mzv_status put_cell(mzv_output *out, const table *t, size_t c, const char *text) {
    const int pad = (int)(t->width[c] - columns_of(text));
    if (out->format == MZV_FORMAT_CSV && strpbrk(text, ",\"\r\n") != NULL) { /* [RFC4180, 2.6] */
        MZV_TRY(mzv_output_bytes(out, "\"", 1));
        for (; *text != '\0'; text++) MZV_TRY(mzv_output_print(out, *text == '"' ? "\"\"" : "%c", *text));
        return mzv_output_bytes(out, "\"", 1);
    }
    if (out->format == MZV_FORMAT_CSV) return mzv_output_print(out, "%s", text);
    if (t->number[c]) return mzv_output_print(out, "%*s%s", pad, "", text);
    return mzv_output_print(out, "%s%*s", text, pad, "");
}

static const char *edge(mzv_format format, bool first, bool last) {
    if (format == MZV_FORMAT_CSV) return first || last ? "" : ",";
    if (format == MZV_FORMAT_TEXT) return first || last ? "" : "  ";
    return first ? "| " : last ? " |" : " | ";
}

static void trim_line(mzv_output *out) {
    while (out->n_bytes > 0 && out->bytes[out->n_bytes - 1] == ' ') out->n_bytes--;
}

/* Row i of the table; row -1 is the head. */
static mzv_status put_row(mzv_output *out, const table *t, int64_t i) {
    char text[CELL];
    for (size_t c = 0; c < t->n; c++) {
        if (i < 0)
            snprintf(text, sizeof text, "%s", t->key[c]);
        else
            cell_text(text, sizeof text, json_object_get(json_array_get(t->rows, (size_t)i), t->key[c]));
        MZV_TRY(mzv_output_print(out, "%s", edge(out->format, c == 0, false)));
        MZV_TRY(put_cell(out, t, c, text));
    }
    if (out->format == MZV_FORMAT_TEXT) trim_line(out);
    return mzv_output_print(out, "%s\n", edge(out->format, false, true));
}

static mzv_status put_rule(mzv_output *out, const table *t) { /* Markdown's line below the head */
    for (size_t c = 0; c < t->n; c++)
        MZV_TRY(mzv_output_print(out, "%s", t->number[c] ? "| ---: " : "| --- "));
    return mzv_output_print(out, "|\n");
}

static mzv_status put_table(mzv_output *out, const json_t *rows) {
    table t;
    if (json_array_size(rows) == 0) return MZV_OK;
    MZV_TRY(measure(&t, rows));
    MZV_TRY(put_row(out, &t, -1));
    if (out->format == MZV_FORMAT_MD) MZV_TRY(put_rule(out, &t));
    for (size_t i = 0; i < json_array_size(rows); i++) MZV_TRY(put_row(out, &t, (int64_t)i));
    return MZV_OK;
}

mzv_status mzv_output_table(mzv_output *out, const json_t *head, const json_t *rows) {
    size_t i;
    json_t *row;
    if (out->format == MZV_FORMAT_JSON) {
        json_t *whole = json_copy((json_t *)head);
        mzv_status status = mzv_json_set(whole, "rows", json_incref((json_t *)rows));
        if (status == MZV_OK) status = mzv_output_object(out, whole);
        json_decref(whole);
        return status;
    }
    if (out->format != MZV_FORMAT_JSONL) return put_table(out, rows);
    json_array_foreach(rows, i, row) MZV_TRY(mzv_output_object(out, row));
    return MZV_OK;
}

mzv_status mzv_output_table_stderr(const json_t *rows) {
    mzv_output lines = { .format = MZV_FORMAT_TEXT };
    const mzv_status status = put_table(&lines, rows);
    if (status == MZV_OK && lines.n_bytes > 0) fwrite(lines.bytes, 1, lines.n_bytes, stderr);
    mzv_output_close(&lines);
    return status;
}

/* Objects */

mzv_status mzv_json_set(json_t *object, const char *key, json_t *value) {
    if (json_object_set_new(object, key, value) == 0) return MZV_OK;
    return mzv_fail(MZV_ERR_MEMORY, "result: no memory for '%s'", key);
}

mzv_status mzv_json_push(json_t *array, json_t *value) {
    if (json_array_append_new(array, value) == 0) return MZV_OK;
    return mzv_fail(MZV_ERR_MEMORY, "result: no memory for entry %zu", json_array_size(array));
}

mzv_status mzv_json_new(json_t **out, const char *command) {
    json_t *object = json_object();
    mzv_status status = mzv_json_set(object, "schema", json_string(MZV_OUTPUT_SCHEMA));
    if (status == MZV_OK) status = mzv_json_set(object, "command", json_string(command));
    if (status == MZV_OK)
        *out = object;
    else
        json_decref(object);
    return status;
}

json_t *mzv_json_number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

json_t *mzv_json_text(const void *bytes, size_t n) {
    const uint8_t *p = bytes;
    char *text = NULL;
    size_t m = 0;
    uint32_t code;
    if (MZV_NEW(&text, 3 * n + 1, "text") != MZV_OK) return NULL;
    for (size_t i = 0; i < n;) {
        const size_t step = mzv_utf8_next(p + i, n - i, &code);
        m += mzv_utf8_put((uint8_t *)text + m, step > 0 ? code : 0xfffd);
        i += step > 0 ? step : 1;
    }
    json_t *value = json_stringn(text, m);
    mzv_free(text);
    return value;
}

const char *mzv_size_text(char *text, size_t n, double bytes) {
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    size_t u = 0;
    for (; bytes >= 1024 && u + 1 < sizeof units / sizeof units[0]; u++) bytes /= 1024;
    snprintf(text, n, u == 0 ? "%.0f %s" : "%.2f %s", bytes, units[u]);
    return text;
}
