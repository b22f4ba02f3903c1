// Runs the built `mzv` and keeps what it wrote: stdout, stderr, exit code. Each run has a time limit.
#ifndef MZV_TESTS_CLI_PROCESS_H
#define MZV_TESTS_CLI_PROCESS_H
#include <cstdint>
#include <string>
#include <vector>

struct Outcome {
    int code = -1; // exit code; 128 + n after signal n; 124 when the time was up
    std::string out, err;
};

struct RunOptions {
    std::vector<std::string> environment; // "NAME=value", added
    uint64_t address_space_bytes = 0;     // RLIMIT_AS; 0: as it is
    std::string stdout_path;              // instead of being kept
    int signal_after_ms = 0;              // SIGINT then; 0: none
    int seconds = 120;
};

Outcome run_mzv(const std::vector<std::string> &arguments, const RunOptions &options = {});

// A folder of its own for one test, removed with all that is in it.
struct Scratch {
    std::string path;
    Scratch();
    ~Scratch();
    Scratch(const Scratch &) = delete;
    Scratch &operator=(const Scratch &) = delete;
    std::string at(const std::string &name) const { return path + "/" + name; }
    std::vector<std::string> names() const; // sorted
};

std::string read_all(const std::string &path);
void write_all(const std::string &path, const std::string &bytes);
bool exists(const std::string &path);

// The folder of shared checkpoints, or "" where there is none.
std::string shared_folder();

// One line on stderr that begins with `mzv: error[id]: `, nothing on stdout, exit code `code`.
#define EXPECT_REFUSED(run, wanted_code, id)                                                                 \
    do {                                                                                                     \
        const Outcome &r_ = (run);                                                                           \
        EXPECT_EQ(r_.code, (wanted_code)) << r_.err;                                                         \
        EXPECT_EQ(r_.out, "");                                                                               \
        EXPECT_EQ(r_.err.rfind(std::string("mzv: error[") + (id) + "]: ", 0), 0u) << r_.err;                 \
        EXPECT_EQ(r_.err.find('\n'), r_.err.size() - 1) << r_.err;                                           \
    } while (0)

#endif
