/* Builds checkpoint files byte by byte, right or wrong, in a folder that goes away with the test. */
#ifndef MZV_TESTS_FORGE_H
#define MZV_TESTS_FORGE_H
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace forge {

inline std::string le64(uint64_t x) {
    std::string out;
    for (int i = 0; i < 8; i++) out.push_back(static_cast<char>(x >> (8 * i)));
    return out;
}

inline std::string floats(const std::vector<float> &values) {
    return std::string(reinterpret_cast<const char *>(values.data()), values.size() * sizeof(float));
}

struct Tensor {
    std::string name, dtype;
    std::vector<uint64_t> shape;
    std::string bytes;
};

inline Tensor f32(const std::string &name, const std::vector<uint64_t> &shape,
                  const std::vector<float> &values) {
    return { name, "F32", shape, floats(values) };
}

/* "name":{"dtype":...,"shape":[...],"data_offsets":[begin,end]} */
inline std::string entry(const std::string &name, const std::string &dtype, const std::string &shape,
                         const std::string &begin, const std::string &end) {
    return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":[" +
           begin + "," + end + "]}";
}

inline std::string shape_text(const std::vector<uint64_t> &shape) {
    std::string out = "[";
    for (size_t i = 0; i < shape.size(); i++) out += (i ? "," : "") + std::to_string(shape[i]);
    return out + "]";
}

inline std::string header(const std::vector<Tensor> &tensors) {
    std::string out = "{";
    uint64_t at = 0;
    for (const Tensor &t : tensors) {
        if (at || out.size() > 1) out += ",";
        out += entry(t.name, t.dtype, shape_text(t.shape), std::to_string(at),
                     std::to_string(at + t.bytes.size()));
        at += t.bytes.size();
    }
    return out + "}";
}

inline std::string data(const std::vector<Tensor> &tensors) {
    std::string out;
    for (const Tensor &t : tensors) out += t.bytes;
    return out;
}

inline std::string file(const std::string &head, const std::string &body) {
    return le64(head.size()) + head + body;
}

inline std::string safetensors(const std::vector<Tensor> &tensors) {
    return file(header(tensors), data(tensors));
}

inline std::string slurp(const std::string &path) {
    std::ifstream in(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
}

class Folder {
  public:
    Folder() {
        char name[] = "/tmp/mzv-test-XXXXXX";
        path_ = mkdtemp(name);
    }
    ~Folder() { std::filesystem::remove_all(path_); }
    Folder(const Folder &) = delete;
    Folder &operator=(const Folder &) = delete;

    std::string path(const std::string &name) const { return path_ + "/" + name; }
    const std::string &path() const { return path_; }
    std::string write(const std::string &name, const std::string &bytes) const {
        std::ofstream out(path(name), std::ios::binary | std::ios::trunc);
        out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
        return path(name);
    }

  private:
    std::string path_;
};

/* Where shared checkpoints lie: $MZV_SHARED, else ../shared beside the sources. */
inline std::string shared(const std::string &relative) {
    const char *root = std::getenv("MZV_SHARED");
    return (root ? std::string(root) : std::string(MZV_SOURCE_DIR) + "/../shared") + "/" + relative;
}

} // namespace forge
#endif
