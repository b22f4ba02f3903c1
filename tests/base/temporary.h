/* A directory that lives as long as the test, and small helpers on files. */
#ifndef MZV_TESTS_TEMPORARY_H
#define MZV_TESTS_TEMPORARY_H
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <stdlib.h>
#include <string>
#include <vector>

class Temporary {
  public:
    Temporary() {
        std::string name = (std::filesystem::temp_directory_path() / "mzv-test-XXXXXX").string();
        if (!mkdtemp(name.data())) throw std::runtime_error("mkdtemp");
        root = name;
    }
    ~Temporary() {
        std::error_code ignored;
        std::filesystem::remove_all(root, ignored);
    }
    Temporary(const Temporary &) = delete;
    Temporary &operator=(const Temporary &) = delete;

    std::string path(const std::string &name) const { return (root / name).string(); }
    std::string dir() const { return root.string(); }
    /* Number of entries: 0 says that nothing was left behind. */
    size_t entries() const {
        return (size_t)std::distance(std::filesystem::directory_iterator(root),
                                     std::filesystem::directory_iterator());
    }

  private:
    std::filesystem::path root;
};

using Bytes = std::vector<unsigned char>;

inline Bytes slurp(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error("cannot read " + path);
    return Bytes(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

inline void spit(const std::string &path, const Bytes &bytes) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(reinterpret_cast<const char *>(bytes.data()), (std::streamsize)bytes.size());
    if (!file) throw std::runtime_error("cannot write " + path);
}

inline std::string hex(const unsigned char *bytes, size_t n) {
    static const char digit[] = "0123456789abcdef";
    std::string text;
    for (size_t i = 0; i < n; i++) {
        text += digit[bytes[i] >> 4];
        text += digit[bytes[i] & 15];
    }
    return text;
}

inline Bytes unhex(const std::string &text) {
    Bytes bytes;
    for (size_t i = 0; i + 1 < text.size(); i += 2)
        bytes.push_back((unsigned char)std::stoul(text.substr(i, 2), nullptr, 16));
    return bytes;
}

#endif
