// Centred composition against Python's integers.
#include "ckks/crt.h"

#include <fstream>
#include <sstream>

#include "lib/ckks_handles.h"

using namespace mzv_test;

namespace {

using Crt = Handle<mzv_crt, mzv_crt_destroy>;

TEST(Crt, StoredAnswers) {
    std::ifstream file(vector_path("ckks_crt.txt"));
    std::string line, word;
    std::vector<uint64_t> primes;
    Crt crt;
    size_t checked = 0;
    while (std::getline(file, line)) {
        std::istringstream in(line);
        if (line.rfind("set", 0) == 0) {
            uint32_t n = 0;
            in >> word >> n;
            primes.resize(n);
            for (auto &p : primes) in >> p;
            mzv_crt *made = nullptr;
            MZV_OKAY(mzv_crt_create(&made, primes.data(), n));
            crt.reset(made);
            continue;
        }
        std::vector<uint64_t> residues(primes.size());
        for (auto &r : residues) in >> r;
        in >> word;
        const double want = std::strtod(word.c_str(), nullptr);
        double got = 0;
        mzv_crt_centre(crt.get(), &got, residues.data(), 1);
        ASSERT_LE(std::fabs(got - want), std::fabs(want) * 0x1p-52) << primes.size() << " primes: " << line;
        checked++;
    }
    EXPECT_GT(checked, 100u);
}

// Rows side by side: coefficient k is read from word k of each row.
TEST(Crt, RowsOfSeveralCoefficients) {
    const uint64_t primes[3] = { 1099511627689, 274877906857, 1125899906842597 }; // of 40, 38 and 50 bits
    const int64_t values[4] = { 5, -7, 1ll << 60, -(1ll << 61) };
    std::vector<uint64_t> rows(12);
    for (size_t i = 0; i < 3; i++) {
        for (size_t k = 0; k < 4; k++) {
            const __int128 p = primes[i];
            rows[4 * i + k] = (uint64_t)(((__int128)values[k] % p + p) % p);
        }
    }
    mzv_crt *made = nullptr;
    MZV_OKAY(mzv_crt_create(&made, primes, 3));
    const Crt crt(made);
    std::vector<double> got(4);
    mzv_crt_centre(crt.get(), got.data(), rows.data(), 4);
    for (size_t k = 0; k < 4; k++) EXPECT_EQ(got[k], (double)values[k]);
}

TEST(Crt, RefusesOtherCounts) {
    const uint64_t prime = 65537;
    mzv_crt *crt = nullptr;
    EXPECT_EQ(mzv_crt_create(&crt, &prime, 0), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_crt_create(&crt, &prime, MZV_MAX_PRIMES + 1), MZV_ERR_ARGUMENT);
    EXPECT_EQ(crt, nullptr);
}

} // namespace
