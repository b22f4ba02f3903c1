// Takes a file apart, lets a test change what it says, and writes it again with checksums that hold.
#pragma once
#include <string.h>

#include "base/temporary.h"
#include "ckks/container.h"
#include "lib/ckks_handles.h"

namespace mzv_test {

struct Part {
    std::string name;
    uint32_t index;
    Bytes bytes;

    uint64_t word(size_t i) const {
        uint64_t v;
        memcpy(&v, bytes.data() + 8 * i, 8);
        return v;
    }
    void set_word(size_t i, uint64_t v) { memcpy(bytes.data() + 8 * i, &v, 8); }
    uint32_t half(size_t i) const {
        uint32_t v;
        memcpy(&v, bytes.data() + 4 * i, 4);
        return v;
    }
    void set_half(size_t i, uint32_t v) { memcpy(bytes.data() + 4 * i, &v, 4); }
};

class Forge {
  public:
    explicit Forge(const std::string &path) {
        mzv_container_in *c = nullptr;
        mzv_expect expect = {};
        expect.allow_insecure = true;
        EXPECT_EQ(mzv_container_open(&c, path.c_str(), nullptr, &expect), MZV_OK) << mzv_last_error();
        if (c == nullptr) return;
        head = *mzv_container_head_of(c);
        mzv_field field;
        for (uint32_t i = 0; mzv_container_field_at(c, i, &field); i++) fields.push_back(field);
        mzv_section section;
        for (uint32_t i = 0; mzv_container_section_at(c, i, &section); i++) {
            Part part { section.name, section.index, Bytes(section.n_bytes) };
            EXPECT_EQ(mzv_container_section(c, section.name, section.index, section.n_bytes), MZV_OK);
            EXPECT_EQ(mzv_container_read(c, part.bytes.data(), part.bytes.size()), MZV_OK);
            parts.push_back(part);
        }
        mzv_container_close(c);
    }

    Part &part(const std::string &name, uint32_t index = 0) {
        for (auto &p : parts) {
            if (p.name == name && p.index == index) return p;
        }
        ADD_FAILURE() << "no section " << name;
        return parts.at(0);
    }
    mzv_field &field(const std::string &name) {
        for (auto &f : fields) {
            if (f.name == name) return f;
        }
        ADD_FAILURE() << "no field " << name;
        return fields.at(0);
    }
    void set_u64(const std::string &name, uint64_t v) { memcpy(field(name).value, &v, 8); }
    void set_f64(const std::string &name, double v) { memcpy(field(name).value, &v, 8); }
    void drop_part(const std::string &name, uint32_t index = 0) {
        std::vector<Part> kept;
        for (const auto &p : parts) {
            if (p.name != name || p.index != index) kept.push_back(p);
        }
        parts = kept;
    }

    void write(const std::string &path) const {
        mzv_container_out *c = nullptr;
        ASSERT_EQ(mzv_container_create(&c, path.c_str(), &head), MZV_OK) << mzv_last_error();
        for (const auto &f : fields) {
            uint64_t u;
            double d;
            memcpy(&u, f.value, 8);
            memcpy(&d, f.value, 8);
            ASSERT_EQ(f.type == MZV_FIELD_U64   ? mzv_container_put_u64(c, f.name, u)
                      : f.type == MZV_FIELD_F64 ? mzv_container_put_f64(c, f.name, d)
                                                : mzv_container_put_bytes(c, f.name, f.value, f.n_bytes),
                      MZV_OK)
                << mzv_last_error();
        }
        for (const auto &p : parts) {
            ASSERT_EQ(mzv_container_add(c, p.name.c_str(), p.index, p.bytes.size()), MZV_OK)
                << mzv_last_error();
        }
        for (const auto &p : parts) {
            ASSERT_EQ(mzv_container_write(c, p.bytes.data(), p.bytes.size()), MZV_OK) << mzv_last_error();
        }
        ASSERT_EQ(mzv_container_commit(c), MZV_OK) << mzv_last_error();
    }

    mzv_container_head head = {};
    std::vector<mzv_field> fields;
    std::vector<Part> parts;
};

} // namespace mzv_test
