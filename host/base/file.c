/* Files by pread and pwrite. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/fault.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/try.h"

#define PIECE_BYTES ((size_t)1 << 30) /* Linux transfers less than 2 GiB per call */

static mzv_status io_error(const char *path, const char *what) {
    return mzv_fail(MZV_ERR_IO, "%s: %s: %s", path, what, strerror(errno));
}

/* True, with errno set, where a test wants this pass of `point` to fail; a short transfer cuts *n. */
static bool fails(mzv_fault_point point, size_t *n) {
    const int fault = mzv_fault(point);
    if (fault == MZV_FAULT_SHORT && n) *n = 1;
    if (fault <= 0) return false;
    errno = fault;
    return true;
}

static mzv_status copy_text(char **out, const char *text, const char *suffix) {
    const size_t n = strlen(text) + strlen(suffix) + 1;
    char *copy = NULL;
    MZV_TRY(MZV_NEW(&copy, n, "path"));
    snprintf(copy, n, "%s%s", text, suffix);
    *out = copy;
    return MZV_OK;
}

static const char *type_name(mode_t mode) {
    if (S_ISDIR(mode)) return "a directory";
    if (S_ISFIFO(mode)) return "a FIFO";
    if (S_ISSOCK(mode)) return "a socket";
    return S_ISCHR(mode) || S_ISBLK(mode) ? "a device" : "a special file";
}

/* ---- reading ---- */

/* O_NONBLOCK: a FIFO without writer does not hold us. Regular files ignore it. */
static mzv_status open_regular(int *fd, uint64_t *n_bytes, const char *path) {
    struct stat st;
    const int handle =
        fails(MZV_FAULT_OPEN, NULL) ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (handle < 0 && errno == ENXIO)
        return mzv_fail(MZV_ERR_FORMAT, "%s: rule 23: expected a regular file, found a socket or device",
                        path);
    if (handle < 0) return io_error(path, "open");
    if (fstat(handle, &st) != 0) {
        const mzv_status status = io_error(path, "fstat");
        close(handle);
        return status;
    }
    if (!S_ISREG(st.st_mode)) {
        close(handle);
        return mzv_fail(MZV_ERR_FORMAT, "%s: rule 23: expected a regular file, found %s", path,
                        type_name(st.st_mode));
    }
    *fd = handle;
    *n_bytes = (uint64_t)st.st_size;
    return MZV_OK;
}

mzv_status mzv_file_open(mzv_file_in *in, const char *path) {
    mzv_file_in opened = { .fd = -1 };
    MZV_TRY(copy_text(&opened.path, path, ""));
    const mzv_status status = open_regular(&opened.fd, &opened.n_bytes, path);
    if (status != MZV_OK) {
        mzv_free(opened.path);
        return status;
    }
    *in = opened;
    return MZV_OK;
}

mzv_status mzv_file_read_at(const mzv_file_in *in, uint64_t offset, void *out, size_t n) {
    uint64_t end = 0;
    if (__builtin_add_overflow(offset, n, &end) || end > INT64_MAX)
        return mzv_fail(MZV_ERR_FORMAT, "%s: offset %llu: %zu bytes end beyond any file", in->path,
                        (unsigned long long)offset, n);
    for (size_t done = 0; done < n;) {
        size_t want = n - done < PIECE_BYTES ? n - done : PIECE_BYTES;
        const ssize_t got = fails(MZV_FAULT_READ, &want)
                                ? -1
                                : pread(in->fd, (uint8_t *)out + done, want, (off_t)(offset + done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return io_error(in->path, "read");
        if (got == 0)
            return mzv_fail(MZV_ERR_FORMAT, "%s: rule 24: offset %llu: expected %zu bytes, found %zu",
                            in->path, (unsigned long long)offset, n, done);
        done += (size_t)got;
    }
    return MZV_OK;
}

void mzv_file_close(mzv_file_in *in) {
    if (!in->path) return;
    close(in->fd);
    mzv_free(in->path);
    *in = (mzv_file_in) { .fd = -1 };
}

static mzv_status read_whole(uint8_t **out, const mzv_file_in *in, size_t cap) {
    uint8_t *bytes = NULL;
    if (in->n_bytes > cap)
        return mzv_fail(MZV_ERR_FORMAT, "%s: expected at most %zu bytes, found %llu", in->path, cap,
                        (unsigned long long)in->n_bytes);
    MZV_TRY(mzv_memory_check(in->path, in->n_bytes));
    MZV_TRY(mzv_alloc((void **)&bytes, (size_t)in->n_bytes + 1, 1, in->path));
    const mzv_status status = mzv_file_read_at(in, 0, bytes, (size_t)in->n_bytes);
    if (status != MZV_OK) {
        mzv_free(bytes);
        return status;
    }
    *out = bytes;
    return MZV_OK;
}

mzv_status mzv_file_read(uint8_t **out, size_t *n_bytes, const char *path, size_t cap) {
    mzv_file_in in = { .fd = -1 };
    MZV_TRY(mzv_file_open(&in, path));
    const mzv_status status = read_whole(out, &in, cap < SIZE_MAX ? cap : SIZE_MAX - 1);
    if (status == MZV_OK) *n_bytes = (size_t)in.n_bytes;
    mzv_file_close(&in);
    return status;
}

/* ---- writing ---- */

/* "PATH.XXXXXXXXXXXXXXXX.tmp": a random name in the same directory, so that rename stays on one file system.
 */
static mzv_status temporary_name(char **out, const char *path) {
    uint8_t bytes[8];
    char suffix[32];
    MZV_TRY(mzv_random_bytes(bytes, sizeof bytes));
    snprintf(suffix, sizeof suffix, ".%016llx.tmp", (unsigned long long)mzv_load_le64(bytes));
    return copy_text(out, path, suffix);
}

mzv_status mzv_file_create(mzv_file_out *out, const char *path, bool secret) {
    mzv_file_out made = { .fd = -1 };
    mzv_status status = MZV_OK;
    MZV_TRY_GOTO(copy_text(&made.path, path, ""), failed);
    MZV_TRY_GOTO(temporary_name(&made.temporary, path), failed);
    if (!fails(MZV_FAULT_OPEN, NULL))
        made.fd =
            open(made.temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, secret ? 0600 : 0666);
    if (made.fd < 0) {
        status = io_error(path, "create");
        goto failed;
    }
    *out = made;
    return MZV_OK;
failed:
    mzv_free(made.path);
    mzv_free(made.temporary);
    return status;
}

mzv_status mzv_file_patch(mzv_file_out *out, uint64_t offset, const void *bytes, size_t n) {
    for (size_t done = 0; done < n;) {
        size_t want = n - done < PIECE_BYTES ? n - done : PIECE_BYTES;
        const ssize_t put = fails(MZV_FAULT_WRITE, &want) ? -1
                                                          : pwrite(out->fd, (const uint8_t *)bytes + done,
                                                                   want, (off_t)(offset + done));
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return io_error(out->path, "write");
        done += (size_t)put;
    }
    return MZV_OK;
}

mzv_status mzv_file_append(mzv_file_out *out, const void *bytes, size_t n) {
    MZV_TRY(mzv_file_patch(out, out->at, bytes, n));
    out->at += n;
    return MZV_OK;
}

/* So that the new name survives a crash; some file systems cannot, and say EINVAL. */
static mzv_status sync_directory(const char *path) {
    char directory[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const size_t n = slash ? (size_t)(slash - path) + (slash == path) : 1;
    if (n >= sizeof directory) return mzv_fail(MZV_ERR_IO, "%s: path of %zu bytes is too long", path, n);
    memcpy(directory, slash ? path : ".", n);
    directory[n] = '\0';
    const int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return io_error(path, "open directory");
    const bool bad = fsync(fd) != 0 && errno != EINVAL;
    const mzv_status status = bad ? io_error(path, "fsync of directory") : MZV_OK;
    close(fd);
    return status;
}

mzv_status mzv_file_commit(mzv_file_out *out) {
    mzv_status status = MZV_OK;
    if (fails(MZV_FAULT_SYNC, NULL) || fsync(out->fd) != 0) {
        status = io_error(out->path, "fsync");
        goto done;
    }
    const int fd = out->fd;
    out->fd = -1;
    if (close(fd) != 0) {
        status = io_error(out->path, "close");
        goto done;
    }
    if (fails(MZV_FAULT_RENAME, NULL) || rename(out->temporary, out->path) != 0) {
        status = io_error(out->path, "rename");
        goto done;
    }
    mzv_free(out->temporary);
    out->temporary = NULL;
    status = sync_directory(out->path);
done:
    mzv_file_discard(out);
    return status;
}

void mzv_file_discard(mzv_file_out *out) {
    if (!out->path) return;
    const int error = errno;
    if (out->fd >= 0) close(out->fd);
    if (out->temporary) unlink(out->temporary);
    mzv_free(out->temporary);
    mzv_free(out->path);
    *out = (mzv_file_out) { .fd = -1 };
    errno = error;
}

mzv_status mzv_file_write(const char *path, const void *bytes, size_t n) {
    mzv_file_out out = { .fd = -1 };
    mzv_status status = MZV_OK;
    MZV_TRY(mzv_file_create(&out, path, false));
    MZV_TRY_GOTO(mzv_file_append(&out, bytes, n), failed);
    return mzv_file_commit(&out);
failed:
    mzv_file_discard(&out);
    return status;
}
