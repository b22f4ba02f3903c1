#include <gtest/gtest.h>

#include "cli/process.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <dirent.h>
#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace {

void remove_tree(const std::string &path) {
    struct stat info;
    if (lstat(path.c_str(), &info) != 0) return;
    if (S_ISDIR(info.st_mode)) {
        DIR *folder = opendir(path.c_str());
        while (dirent *entry = readdir(folder)) {
            const std::string name = entry->d_name;
            if (name != "." && name != "..") remove_tree(path + "/" + name);
        }
        closedir(folder);
        rmdir(path.c_str());
    } else {
        unlink(path.c_str());
    }
}

[[noreturn]] void child(const std::vector<std::string> &arguments, const RunOptions &options,
                        const std::string &out, const std::string &err) {
    const int out_fd = open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    const int err_fd = open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    const int in_fd = open("/dev/null", O_RDONLY);
    dup2(in_fd, 0);
    dup2(out_fd, 1);
    dup2(err_fd, 2);
    if (options.address_space_bytes > 0) {
        const rlimit limit = { options.address_space_bytes, options.address_space_bytes };
        setrlimit(RLIMIT_AS, &limit);
    }
    for (const std::string &setting : options.environment) putenv(const_cast<char *>(setting.c_str()));
    std::vector<char *> argv = { const_cast<char *>("mzv") };
    for (const std::string &argument : arguments) argv.push_back(const_cast<char *>(argument.c_str()));
    argv.push_back(nullptr);
    execv(MZV_COMMAND, argv.data());
    _exit(127);
}

int wait_for(pid_t pid, const RunOptions &options) {
    using clock = std::chrono::steady_clock;
    const auto begin = clock::now();
    bool interrupted = options.signal_after_ms == 0;
    int status = 0;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        const auto spent = clock::now() - begin;
        if (!interrupted && spent > std::chrono::milliseconds(options.signal_after_ms)) {
            kill(pid, SIGINT);
            interrupted = true;
        }
        if (spent > std::chrono::seconds(options.seconds)) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            return 124;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

} // namespace

Outcome run_mzv(const std::vector<std::string> &arguments, const RunOptions &options) {
    const Scratch scratch;
    Outcome run;
    const std::string out = options.stdout_path.empty() ? scratch.at("out") : options.stdout_path;
    const pid_t pid = fork();
    if (pid == 0) child(arguments, options, out, scratch.at("err"));
    run.code = wait_for(pid, options);
    if (options.stdout_path.empty()) run.out = read_all(out);
    run.err = read_all(scratch.at("err"));
    return run;
}

Scratch::Scratch() {
    char name[] = "/tmp/mzv-cli-XXXXXX";
    path = mkdtemp(name);
}

Scratch::~Scratch() { remove_tree(path); }

std::vector<std::string> Scratch::names() const {
    std::vector<std::string> found;
    DIR *folder = opendir(path.c_str());
    while (dirent *entry = readdir(folder)) {
        const std::string name = entry->d_name;
        if (name != "." && name != "..") found.push_back(name);
    }
    closedir(folder);
    std::sort(found.begin(), found.end());
    return found;
}

std::string read_all(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

void write_all(const std::string &path, const std::string &bytes) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

bool exists(const std::string &path) {
    struct stat info;
    return stat(path.c_str(), &info) == 0;
}

std::string shared_folder() {
    const char *given = getenv("MZV_SHARED");
    const std::string path = given != nullptr ? given : MZV_SOURCE_DIR "/../shared";
    return exists(path + "/checkpoints") ? path : "";
}

TEST(Process, ResultAndErrorsAreApart) {
    const Outcome version = run_mzv({ "version" });
    EXPECT_EQ(version.code, 0) << version.err;
    EXPECT_EQ(version.out.rfind("mzv ", 0), 0u) << version.out;
    EXPECT_EQ(version.err, "");
    EXPECT_REFUSED(run_mzv({ "vresion" }), 64, "E-usage");
}

TEST(Process, ScratchIsEmptyAndGoesAway) {
    std::string path;
    {
        const Scratch scratch;
        path = scratch.path;
        EXPECT_TRUE(scratch.names().empty());
        write_all(scratch.at("b"), "x");
        write_all(scratch.at("a"), "y");
        EXPECT_EQ(scratch.names(), (std::vector<std::string> { "a", "b" }));
    }
    EXPECT_FALSE(exists(path));
}
