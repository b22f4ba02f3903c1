/* Stored tensors for tests: the floats and ids of a safetensors file, and differences from them. */
#ifndef MZV_TESTS_GOLDEN_H
#define MZV_TESTS_GOLDEN_H
#include <gtest/gtest.h>
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>
#include "runtime/safetensors.h"

class Golden {
  public:
    explicit Golden(const std::string &path) {
        EXPECT_EQ(mzv_safetensors_open(&st_, path.c_str()), MZV_OK) << mzv_last_error();
    }
    ~Golden() { mzv_safetensors_close(st_); }
    Golden(const Golden &) = delete;
    Golden &operator=(const Golden &) = delete;

    bool has(const std::string &name) const { return mzv_safetensors_find(st_, name.c_str()) != nullptr; }
    std::vector<float> floats(const std::string &name) const {
        const mzv_tensor *t = mzv_safetensors_find(st_, name.c_str());
        if (!t) {
            ADD_FAILURE() << name << " is not stored";
            return {};
        }
        std::vector<float> out(t->n_items);
        EXPECT_EQ(mzv_safetensors_read(st_, t, out.data()), MZV_OK) << mzv_last_error();
        return out;
    }
    std::vector<uint32_t> ids(const std::string &name) const {
        const mzv_tensor *t = mzv_safetensors_find(st_, name.c_str());
        if (!t || t->item_bytes != 4) {
            ADD_FAILURE() << name << " is not stored as I32";
            return {};
        }
        std::vector<uint32_t> out(t->n_items);
        EXPECT_EQ(mzv_safetensors_read_raw(st_, t, out.data()), MZV_OK) << mzv_last_error();
        return out;
    }

  private:
    mzv_safetensors *st_ = nullptr;
};

inline double largest_difference(const std::vector<float> &a, const std::vector<float> &b) {
    EXPECT_EQ(a.size(), b.size());
    double out = 0;
    for (size_t i = 0; i < std::min(a.size(), b.size()); i++)
        out = std::max(out, std::fabs(double(a[i]) - double(b[i])));
    return out;
}

#endif
