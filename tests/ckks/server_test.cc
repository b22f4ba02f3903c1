// What a program that only serves would link: from the symbols it calls, along undefined symbols, over the
// object files of this build. No object that sees a secret may be among them.
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

struct Object {
    std::set<std::string> defined, undefined;
};

std::string run(const std::string &command) {
    std::string out;
    char buffer[4096];
    FILE *pipe = popen(command.c_str(), "r");
    if (pipe == nullptr) return out;
    for (size_t n; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) out.append(buffer, n);
    return pclose(pipe) == 0 ? out : std::string();
}

// Object files below `root`, by layer and name. nm -A -P: "path: symbol type value size" a line.
std::map<std::string, Object> read_objects(const std::filesystem::path &root) {
    std::map<std::string, Object> objects;
    std::istringstream lines(
        run("find '" + root.string() + "' -path '*/host/*' -name '*.o' -exec nm -A -P -g {} +"));
    std::string line;
    while (std::getline(lines, line)) {
        std::istringstream words(line);
        std::string path, symbol, type;
        words >> path >> symbol >> type;
        Object &object = objects[path.substr(path.find("/host/") + 6)];
        (type == "U" ? object.undefined : object.defined).insert(symbol);
    }
    return objects;
}

class Server : public testing::Test {
  protected:
    void SetUp() override {
        if (run("nm --version").empty()) GTEST_SKIP() << "nm is not installed";
        const auto root = std::filesystem::canonical("/proc/self/exe").parent_path();
        objects = read_objects(root);
        for (const auto &[name, object] : objects) {
            for (const auto &symbol : object.defined) owner[symbol] = name;
        }
        ASSERT_GT(objects.size(), 20u) << "object files below " << root;
    }

    // Object files that a link of `symbols` takes from an archive.
    std::set<std::string> closure(std::vector<std::string> symbols) const {
        std::set<std::string> taken;
        while (!symbols.empty()) {
            const auto at = owner.find(symbols.back());
            symbols.pop_back();
            if (at == owner.end() || !taken.insert(at->second).second) continue;
            for (const auto &symbol : objects.at(at->second).undefined) symbols.push_back(symbol);
        }
        return taken;
    }

    std::map<std::string, Object> objects;
    std::map<std::string, std::string> owner;
};

bool sees_secrets(const std::string &object) {
    for (const char *file : { "secret", "sample", "client", "public" }) {
        if (object.rfind(std::string("ckks/") + file, 0) == 0) return true;
    }
    return false;
}

TEST_F(Server, LinksNoSecrets) {
    const std::vector<std::string> called = {
        "mzv_context_create",   "mzv_params_load",
        "mzv_cipher_load",      "mzv_cipher_save",
        "mzv_cipher_create",    "mzv_keys_load",
        "mzv_keys_save",        "mzv_keys_find",
        "mzv_evaluator_create", "mzv_mul",
        "mzv_rotate_many",      "mzv_rotate_sum",
        "mzv_conjugate",        "mzv_linear",
        "mzv_plain_create",     "mzv_request_rotate",
        "mzv_keys_destroy",     "mzv_evaluator_create_clear",
    };
    for (const auto &symbol : called) ASSERT_TRUE(owner.count(symbol)) << symbol;
    const auto taken = closure(called);
    EXPECT_GT(taken.size(), 20u);
    for (const auto &object : taken) EXPECT_FALSE(sees_secrets(object)) << object << " is linked by a server";
}

// The test above can fail: a client does link them.
TEST_F(Server, ClientLinksThem) {
    for (const char *symbol : { "mzv_decrypt", "mzv_keys_create", "mzv_secret_load", "mzv_public_create" }) {
        const auto taken = closure({ symbol });
        bool any = false;
        for (const auto &object : taken) any = any || sees_secrets(object);
        EXPECT_TRUE(any) << symbol;
    }
}

} // namespace
