#include "base/memory.h"

#include <filesystem>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "base/temporary.h"

static void file_at(const Temporary &root, const std::string &path, const std::string &text) {
    std::filesystem::create_directories(std::filesystem::path(root.path(path)).parent_path());
    spit(root.path(path), Bytes(text.begin(), text.end()));
}

static uint64_t available(const Temporary &root) {
    uint64_t bytes = 1;
    EXPECT_EQ(mzv_memory_available_at(&bytes, root.dir().c_str()), MZV_OK) << mzv_last_error();
    return bytes;
}

static const char meminfo[] =
    "MemTotal:       16000000 kB\nMemFree:         1000000 kB\nMemAvailable:    8000000 kB\n";

TEST(Memory, WithoutGroupsItIsMemAvailable) {
    Temporary root;
    file_at(root, "proc/meminfo", meminfo);
    EXPECT_EQ(available(root), UINT64_C(8000000) * 1024);
}

TEST(Memory, UnlimitedGroupChangesNothing) {
    Temporary root;
    file_at(root, "proc/meminfo", meminfo);
    file_at(root, "proc/self/cgroup", "0::/a\n");
    file_at(root, "sys/fs/cgroup/a/memory.max", "max\n");
    file_at(root, "sys/fs/cgroup/a/memory.current", "1000\n");
    EXPECT_EQ(available(root), UINT64_C(8000000) * 1024);
}

TEST(Memory, TheTightestGroupAboveCounts) {
    Temporary root;
    file_at(root, "proc/meminfo", meminfo);
    file_at(root, "proc/self/cgroup", "0::/a/b\n");
    file_at(root, "sys/fs/cgroup/a/memory.max", "5000000\n");
    file_at(root, "sys/fs/cgroup/a/memory.current", "1000000\n");
    file_at(root, "sys/fs/cgroup/a/b/memory.max", "9000000\n");
    file_at(root, "sys/fs/cgroup/a/b/memory.current", "1000000\n");
    EXPECT_EQ(available(root), 4000000u);
    file_at(root, "sys/fs/cgroup/a/b/memory.max", "1000500\n");
    EXPECT_EQ(available(root), 500u);
    file_at(root, "sys/fs/cgroup/a/b/memory.max", "10\n");
    EXPECT_EQ(available(root), 0u);
    file_at(root, "sys/fs/cgroup/a/b/memory.max", "max\n");
    file_at(root, "sys/fs/cgroup/a/memory.max", "max\n");
    file_at(root, "sys/fs/cgroup/memory.max", "3000000\n");
    file_at(root, "sys/fs/cgroup/memory.current", "0\n");
    EXPECT_EQ(available(root), 3000000u) << "the root of a container";
}

TEST(Memory, VersionOneGroups) {
    Temporary root;
    file_at(root, "proc/meminfo", meminfo);
    file_at(root, "proc/self/cgroup", "12:cpu,cpuacct:/x\n5:memory:/job\n");
    file_at(root, "sys/fs/cgroup/memory/job/memory.limit_in_bytes", "2000000\n");
    file_at(root, "sys/fs/cgroup/memory/job/memory.usage_in_bytes", "500000\n");
    EXPECT_EQ(available(root), 1500000u);
}

TEST(Memory, NoMeminfoIsAnError) {
    Temporary root;
    uint64_t bytes = 7;
    EXPECT_EQ(mzv_memory_available_at(&bytes, root.dir().c_str()), MZV_ERR_IO);
    file_at(root, "proc/meminfo", "MemTotal: 5 kB\n");
    EXPECT_EQ(mzv_memory_available_at(&bytes, root.dir().c_str()), MZV_ERR_IO);
    file_at(root, "proc/meminfo", "MemAvailable: 99999999999999999999 kB\n");
    EXPECT_EQ(mzv_memory_available_at(&bytes, root.dir().c_str()), MZV_ERR_IO);
    EXPECT_EQ(bytes, 7u);
}

TEST(Memory, ThisMachine) {
    uint64_t bytes = 0;
    ASSERT_EQ(mzv_memory_available(&bytes), MZV_OK);
    EXPECT_GT(bytes, UINT64_C(1) << 20);
    EXPECT_EQ(mzv_memory_check("keys", 1), MZV_OK);
    EXPECT_EQ(mzv_memory_check("keys", UINT64_MAX), MZV_ERR_MEMORY);
    EXPECT_EQ(std::string(mzv_last_error()).find("keys: needs 18446744073709551615 bytes"), 0u);
}

TEST(Memory, PeakGrowsWithUse) {
    const uint64_t before = mzv_memory_peak();
    std::vector<char> touched(before + ((size_t)64 << 20), 1);
    EXPECT_GE(mzv_memory_peak(), before + ((size_t)32 << 20));
    EXPECT_EQ(touched.back(), 1);
}
