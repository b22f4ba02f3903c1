/* Memory of this machine and of the control groups that this process is in. */
#include "base/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/try.h"

#define LINE_BYTES 512
#define PATH_BYTES 4608

/* The number in the first line of a file that starts with `key` (any line where key is ""). False where there
 * is no such file, no such line or no number ("max"). */
static bool number_in(const char *path, const char *key, uint64_t *out) {
    char line[LINE_BYTES];
    bool found = false;
    FILE *file = fopen(path, "re");
    if (!file) return false;
    while (!found && fgets(line, sizeof line, file)) {
        const size_t n = strlen(key);
        if (strncmp(line, key, n) != 0) continue;
        char *end = NULL;
        errno = 0;
        const unsigned long long value = strtoull(line + n, &end, 10);
        if (end == line + n || errno != 0) break;
        *out = value;
        found = true;
    }
    fclose(file);
    return found;
}

/* What is left in one group: limit - usage, where both files exist. */
static void tighten(uint64_t *bytes, const char *directory, const char *limit_name, const char *usage_name) {
    char path[PATH_BYTES + 64];
    uint64_t limit = 0, usage = 0;
    snprintf(path, sizeof path, "%s/%s", directory, limit_name);
    if (!number_in(path, "", &limit)) return;
    snprintf(path, sizeof path, "%s/%s", directory, usage_name);
    if (!number_in(path, "", &usage)) return;
    const uint64_t left = limit > usage ? limit - usage : 0;
    if (left < *bytes) *bytes = left;
}

/* A group and all above it, up to the mount point at directory[..n_mount]. */
static void tighten_upwards(uint64_t *bytes, char *directory, size_t n_mount, bool v2) {
    for (;;) {
        tighten(bytes, directory, v2 ? "memory.max" : "memory.limit_in_bytes",
                v2 ? "memory.current" : "memory.usage_in_bytes");
        char *slash = strrchr(directory, '/');
        if (!slash || (size_t)(slash - directory) < n_mount) return;
        *slash = '\0';
    }
}

/* Lines of /proc/self/cgroup are "id:controllers:path"; v2 is "0::path". */
static void tighten_by_groups(uint64_t *bytes, const char *root) {
    char line[PATH_BYTES / 2], path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
    if (!file) return;
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group) continue;
        *group++ = '\0';
        const bool v2 = controllers[1] == '\0';
        if (!v2 && !strstr(controllers + 1, "memory")) continue;
        const char *mount = v2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
        snprintf(path, sizeof path, "%s%s%s", root, mount, strcmp(group, "/") == 0 ? "" : group);
        tighten_upwards(bytes, path, strlen(root) + strlen(mount), v2);
    }
    fclose(file);
}

mzv_status mzv_memory_available_at(uint64_t *bytes, const char *root) {
    char path[PATH_BYTES];
    uint64_t kilobytes = 0;
    snprintf(path, sizeof path, "%s/proc/meminfo", root);
    if (!number_in(path, "MemAvailable:", &kilobytes) || kilobytes > UINT64_MAX / 1024)
        return mzv_fail(MZV_ERR_IO, "%s: no line \"MemAvailable: N kB\"", path);
    uint64_t left = kilobytes * 1024;
    tighten_by_groups(&left, root);
    *bytes = left;
    return MZV_OK;
}

mzv_status mzv_memory_available(uint64_t *bytes) { return mzv_memory_available_at(bytes, ""); }

mzv_status mzv_memory_check(const char *what, uint64_t bytes) {
    uint64_t available = 0;
    MZV_TRY(mzv_memory_available(&available));
    if (bytes <= available) return MZV_OK;
    return mzv_fail(MZV_ERR_MEMORY, "%s: needs %" PRIu64 " bytes of host memory, %" PRIu64 " are available",
                    what, bytes, available);
}

uint64_t mzv_memory_peak(void) {
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}
