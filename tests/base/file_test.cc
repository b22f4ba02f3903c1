#include "base/file.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fault.h"
#include "base/temporary.h"

static bool message_has(const std::string &text) {
    return std::string(mzv_last_error()).find(text) != std::string::npos;
}

static const Bytes sample = { 'm', 'e', 'z', 'z', 'a', 0, 'v', 'o', 'c', 'e' };

static mzv_status write_sample(const std::string &path) {
    return mzv_file_write(path.c_str(), sample.data(), sample.size());
}

TEST(File, WriteThenRead) {
    Temporary dir;
    uint8_t *bytes = nullptr;
    size_t n = 0;
    ASSERT_EQ(write_sample(dir.path("a")), MZV_OK);
    ASSERT_EQ(mzv_file_read(&bytes, &n, dir.path("a").c_str(), 10), MZV_OK);
    EXPECT_EQ(Bytes(bytes, bytes + n), sample);
    EXPECT_EQ(bytes[n], 0);
    mzv_free(bytes);
    EXPECT_EQ(dir.entries(), 1u);
    ASSERT_EQ(mzv_file_write(dir.path("a").c_str(), "", 0), MZV_OK) << "replaces";
    EXPECT_EQ(slurp(dir.path("a")).size(), 0u);
}

TEST(File, CapIsChecked) {
    Temporary dir;
    uint8_t *bytes = nullptr;
    size_t n = 77;
    spit(dir.path("a"), sample);
    EXPECT_EQ(mzv_file_read(&bytes, &n, dir.path("a").c_str(), 9), MZV_ERR_FORMAT);
    EXPECT_TRUE(message_has("at most 9 bytes, found 10")) << mzv_last_error();
    EXPECT_EQ(bytes, nullptr);
    EXPECT_EQ(n, 77u);
}

/* A file may claim any size; nothing is allocated for it. */
TEST(File, HugeSparseFileCostsNothing) {
    Temporary dir;
    uint8_t *bytes = nullptr;
    size_t n = 0;
    spit(dir.path("a"), sample);
    ASSERT_EQ(truncate(dir.path("a").c_str(), (off_t)1 << 42), 0);
    EXPECT_EQ(mzv_file_read(&bytes, &n, dir.path("a").c_str(), SIZE_MAX), MZV_ERR_MEMORY);
    EXPECT_EQ(bytes, nullptr);
}

TEST(File, RefusesWhatIsNotARegularFile) {
    Temporary dir;
    mzv_file_in in = {};
    EXPECT_EQ(mzv_file_open(&in, dir.dir().c_str()), MZV_ERR_FORMAT);
    EXPECT_TRUE(message_has("found a directory"));
    ASSERT_EQ(mkfifo(dir.path("fifo").c_str(), 0600), 0);
    EXPECT_EQ(mzv_file_open(&in, dir.path("fifo").c_str()), MZV_ERR_FORMAT);
    EXPECT_TRUE(message_has("found a FIFO"));
    EXPECT_EQ(mzv_file_open(&in, "/dev/zero"), MZV_ERR_FORMAT);
    EXPECT_TRUE(message_has("found a device"));
    struct sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    snprintf(address.sun_path, sizeof address.sun_path, "%s", dir.path("socket").c_str());
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ASSERT_EQ(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    EXPECT_EQ(mzv_file_open(&in, dir.path("socket").c_str()), MZV_ERR_FORMAT);
    EXPECT_TRUE(message_has("socket"));
    close(fd);
    EXPECT_EQ(in.path, nullptr);
}

TEST(File, MissingFileNamesPathAndReason) {
    Temporary dir;
    mzv_file_in in = {};
    EXPECT_EQ(mzv_file_open(&in, dir.path("none").c_str()), MZV_ERR_IO);
    EXPECT_TRUE(message_has(dir.path("none"))) << mzv_last_error();
    EXPECT_TRUE(message_has("No such file or directory"));
    mzv_file_close(&in);
}

TEST(File, ReadsAtOffsetsAndStopsAtTheEnd) {
    Temporary dir;
    mzv_file_in in = {};
    char text[8] = "";
    spit(dir.path("a"), sample);
    ASSERT_EQ(mzv_file_open(&in, dir.path("a").c_str()), MZV_OK);
    EXPECT_EQ(in.n_bytes, 10u);
    ASSERT_EQ(mzv_file_read_at(&in, 6, text, 4), MZV_OK);
    EXPECT_STREQ(text, "voce");
    EXPECT_EQ(mzv_file_read_at(&in, 6, text, 5), MZV_ERR_FORMAT);
    EXPECT_TRUE(message_has("expected 5 bytes, found 4")) << mzv_last_error();
    EXPECT_EQ(mzv_file_read_at(&in, UINT64_MAX, text, 2), MZV_ERR_FORMAT);
    EXPECT_EQ(mzv_file_read_at(&in, UINT64_C(1) << 63, text, 2), MZV_ERR_FORMAT);
    EXPECT_EQ(mzv_file_read_at(&in, 10, text, 0), MZV_OK);
    /* The file shrinks while it is open: an error, not a signal. */
    ASSERT_EQ(truncate(dir.path("a").c_str(), 3), 0);
    EXPECT_EQ(mzv_file_read_at(&in, 0, text, 8), MZV_ERR_FORMAT);
    EXPECT_TRUE(message_has("rule 24"));
    mzv_file_close(&in);
    mzv_file_close(&in);
}

TEST(File, InterruptedAndShortTransfersAreResumed) {
    Temporary dir;
    for (int error : { EINTR, MZV_FAULT_SHORT }) {
        uint8_t *bytes = nullptr;
        size_t n = 0;
        mzv_test_fail_after(MZV_FAULT_WRITE, 0, error);
        ASSERT_EQ(write_sample(dir.path("a")), MZV_OK);
        EXPECT_EQ(mzv_test_passes(MZV_FAULT_WRITE), 2);
        mzv_test_fail_after(MZV_FAULT_READ, 0, error);
        ASSERT_EQ(mzv_file_read(&bytes, &n, dir.path("a").c_str(), 100), MZV_OK);
        EXPECT_EQ(mzv_test_passes(MZV_FAULT_READ), 2);
        EXPECT_EQ(Bytes(bytes, bytes + n), sample);
        mzv_free(bytes);
    }
    mzv_test_fail_after(MZV_FAULT_WRITE, -1, 0);
    mzv_test_fail_after(MZV_FAULT_READ, -1, 0);
}

TEST(File, ReadErrorIsReported) {
    Temporary dir;
    uint8_t *bytes = nullptr;
    size_t n = 0;
    spit(dir.path("a"), sample);
    const int64_t live = mzv_alloc_live();
    mzv_test_fail_after(MZV_FAULT_READ, 0, EIO);
    EXPECT_EQ(mzv_file_read(&bytes, &n, dir.path("a").c_str(), 100), MZV_ERR_IO);
    EXPECT_TRUE(message_has("Input/output error"));
    mzv_test_fail_after(MZV_FAULT_READ, -1, 0);
    EXPECT_EQ(mzv_alloc_live(), live);
}

/* Whatever step fails, the old file is untouched, nothing else is left, and the message says why. */
TEST(File, FailedWriteLeavesTheOldFileAndNothingElse) {
    const struct {
        mzv_fault_point point;
        int error;
        const char *text;
    } cases[] = {
        { MZV_FAULT_OPEN, EACCES, "Permission denied" },
        { MZV_FAULT_WRITE, ENOSPC, "No space left on device" },
        { MZV_FAULT_SYNC, EIO, "Input/output error" },
        { MZV_FAULT_RENAME, EXDEV, "Invalid cross-device link" },
    };
    for (const auto &c : cases) {
        Temporary dir;
        const int64_t live = mzv_alloc_live();
        spit(dir.path("a"), { 'o', 'l', 'd' });
        mzv_test_fail_after(c.point, 0, c.error);
        EXPECT_EQ(write_sample(dir.path("a")), MZV_ERR_IO);
        mzv_test_fail_after(c.point, -1, 0);
        EXPECT_TRUE(message_has(dir.path("a")) && message_has(c.text)) << mzv_last_error();
        EXPECT_EQ(slurp(dir.path("a")), Bytes({ 'o', 'l', 'd' }));
        EXPECT_EQ(dir.entries(), 1u);
        EXPECT_EQ(mzv_alloc_live(), live);
    }
}

TEST(File, EachAllocationMayFail) {
    Temporary dir;
    int64_t n = 0;
    mzv_status status = MZV_ERR_MEMORY;
    for (; status == MZV_ERR_MEMORY; n++) {
        const int64_t live = mzv_alloc_live();
        mzv_test_fail_alloc_after(n);
        status = write_sample(dir.path("a"));
        EXPECT_EQ(mzv_alloc_live(), live);
        EXPECT_EQ(dir.entries(), status == MZV_OK ? 1u : 0u);
    }
    mzv_test_fail_alloc_after(-1);
    EXPECT_EQ(status, MZV_OK);
    EXPECT_EQ(n, 3) << "two paths, then success";
}

/* The kernel's own refusal: no file may grow beyond 4 KiB. */
TEST(File, FileSizeLimitOfTheSystem) {
    Temporary dir;
    struct rlimit old = {}, tight = {};
    ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
    tight = { 4096, old.rlim_max };
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
    const Bytes large(10000, 1);
    const mzv_status status = mzv_file_write(dir.path("a").c_str(), large.data(), large.size());
    const std::string message = mzv_last_error();
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, handler);
    EXPECT_EQ(status, MZV_ERR_IO);
    EXPECT_NE(message.find("File too large"), std::string::npos) << message;
    EXPECT_EQ(dir.entries(), 0u);
}

TEST(File, DirectoryThatCannotBeWritten) {
    Temporary dir;
    EXPECT_EQ(write_sample(dir.path("missing/a")), MZV_ERR_IO);
    EXPECT_TRUE(message_has("missing/a") && message_has("No such file or directory"));
    spit(dir.path("plain"), sample);
    EXPECT_EQ(write_sample(dir.path("plain/a")), MZV_ERR_IO);
    EXPECT_TRUE(message_has("Not a directory"));
    EXPECT_EQ(write_sample("/proc/mzv-test"), MZV_ERR_IO);
    if (geteuid() != 0) {
        ASSERT_EQ(chmod(dir.dir().c_str(), 0500), 0);
        EXPECT_EQ(write_sample(dir.path("a")), MZV_ERR_IO);
        EXPECT_TRUE(message_has("Permission denied"));
        ASSERT_EQ(chmod(dir.dir().c_str(), 0700), 0);
    }
    EXPECT_EQ(dir.entries(), 1u);
}

TEST(File, StreamWithPatch) {
    Temporary dir;
    mzv_file_out out = {};
    ASSERT_EQ(mzv_file_create(&out, dir.path("a").c_str(), false), MZV_OK);
    ASSERT_EQ(mzv_file_append(&out, "....", 4), MZV_OK);
    ASSERT_EQ(mzv_file_append(&out, "body", 4), MZV_OK);
    ASSERT_EQ(mzv_file_patch(&out, 0, "head", 4), MZV_OK);
    EXPECT_EQ(out.at, 8u);
    EXPECT_FALSE(std::filesystem::exists(dir.path("a"))) << "not before it is complete";
    ASSERT_EQ(mzv_file_commit(&out), MZV_OK);
    const Bytes bytes = slurp(dir.path("a"));
    EXPECT_EQ(std::string(bytes.begin(), bytes.end()), "headbody");
    EXPECT_EQ(out.path, nullptr);
    mzv_file_discard(&out);
    EXPECT_EQ(dir.entries(), 1u);
}

TEST(File, DiscardRemovesTheTemporaryFile) {
    Temporary dir;
    mzv_file_out out = {};
    ASSERT_EQ(mzv_file_create(&out, dir.path("a").c_str(), false), MZV_OK);
    ASSERT_EQ(mzv_file_append(&out, "x", 1), MZV_OK);
    EXPECT_EQ(dir.entries(), 1u);
    mzv_file_discard(&out);
    EXPECT_EQ(dir.entries(), 0u);
    mzv_file_discard(&out);
}

TEST(File, SecretsAreForTheOwner) {
    Temporary dir;
    mzv_file_out out = {};
    struct stat st = {};
    const mode_t mask = umask(0);
    const mzv_status status = mzv_file_create(&out, dir.path("a").c_str(), true);
    umask(mask);
    ASSERT_EQ(status, MZV_OK);
    ASSERT_EQ(mzv_file_commit(&out), MZV_OK);
    ASSERT_EQ(stat(dir.path("a").c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 0777, 0600u);
}
