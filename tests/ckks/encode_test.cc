// Encoding against its definition: stored answers of 60-digit arithmetic, and sums in long double.
#include "ckks/encode.h"

#include <fstream>
#include <sstream>

#include "lib/ckks_handles.h"

using namespace mzv_test;

namespace {

using Embedding = Handle<mzv_embedding, mzv_embedding_destroy>;

Embedding make_embedding(uint32_t log_n) {
    mzv_embedding *e = nullptr;
    EXPECT_EQ(mzv_embedding_create(&e, log_n), MZV_OK) << mzv_last_error();
    return Embedding(e);
}

double norm2(const Slots &z) {
    double sum = 0;
    for (const auto &v : z) sum += std::norm(v);
    return std::sqrt(sum);
}

// The bound of encode.h for the FFT, on |w|_2.
double fft_bound(uint32_t log_n, double w) { return 7.0 * (log_n - 1) * std::ldexp(w, -53); }

// z_j = sum_k m_k zeta^(5^j k), the definition, in long double.
Slots evaluate(const std::vector<double> &m, double scale) {
    const size_t n = m.size();
    std::vector<std::complex<long double>> zeta(2 * n);
    for (size_t k = 0; k < 2 * n; k++) zeta[k] = std::polar(1.0L, 3.14159265358979323846264338L * k / n);
    Slots slots(n / 2);
    size_t power = 1;
    for (size_t j = 0; j < n / 2; j++, power = 5 * power % (2 * n)) {
        std::complex<long double> sum = 0;
        for (size_t k = 0; k < n; k++) sum += (long double)m[k] * zeta[power * k % (2 * n)];
        slots[j] = std::complex<double>(sum / (long double)scale);
    }
    return slots;
}

TEST(Encode, StoredAnswers) {
    std::ifstream file(vector_path("ckks_encode.txt"));
    std::string word, scale_text;
    uint32_t log_n = 0, rings = 0;
    while (file >> word >> log_n >> scale_text) {
        ASSERT_EQ(word, "ring");
        const size_t n = (size_t)1 << log_n;
        const double scale = std::strtod(scale_text.c_str(), nullptr);
        Slots slots(n / 2), work(n / 2);
        for (auto &z : slots) {
            std::string re, im;
            file >> re >> im;
            z = { std::strtod(re.c_str(), nullptr), std::strtod(im.c_str(), nullptr) };
        }
        const Embedding e = make_embedding(log_n);
        std::vector<int64_t> coeff(n);
        MZV_OKAY(mzv_encode(e.get(), coeff.data(), raw(slots), scale, raw(work)));
        const double allowed = 0.5 + fft_bound(log_n, scale * norm2(slots) / std::sqrt(n / 2.0));
        for (size_t k = 0; k < n; k++) {
            std::string want;
            file >> want;
            ASSERT_LE(std::fabs((double)((long double)coeff[k] - std::strtold(want.c_str(), nullptr))),
                      allowed)
                << "log_n " << log_n << " coefficient " << k;
        }
        rings++;
    }
    EXPECT_EQ(rings, 3u);
}

TEST(Encode, DecodeIsTheDefinition) {
    std::mt19937_64 rng(5);
    for (uint32_t log_n = 2; log_n <= 11; log_n++) {
        const size_t n = (size_t)1 << log_n;
        const Embedding e = make_embedding(log_n);
        std::vector<double> m(n);
        for (auto &c : m) c = std::ldexp((double)(int64_t)rng(), -13);
        Slots got(n / 2), work(n / 2);
        mzv_decode(e.get(), raw(got), m.data(), 0x1p40, raw(work));
        const Slots want = evaluate(m, 0x1p40);
        Slots error(n / 2);
        for (size_t j = 0; j < n / 2; j++) error[j] = got[j] - want[j];
        EXPECT_LE(norm2(error), fft_bound(log_n, norm2(want)) + 0x1p-52 * norm2(want)) << "log_n " << log_n;
    }
}

TEST(Encode, RoundTripWithinRounding) {
    for (uint32_t log_n = 2; log_n <= 17; log_n++) {
        const size_t n = (size_t)1 << log_n;
        const Embedding e = make_embedding(log_n);
        const Slots slots = random_slots(n / 2, log_n);
        const double scale = 0x1p38;
        Slots work(n / 2), back(n / 2);
        std::vector<int64_t> coeff(n);
        MZV_OKAY(mzv_encode(e.get(), coeff.data(), raw(slots), scale, raw(work)));
        const std::vector<double> exact(coeff.begin(), coeff.end());
        mzv_decode(e.get(), raw(back), exact.data(), scale, raw(work));
        // Rounding: variance 1/12 a coefficient, so N/24 a part; 7 deviations are exceeded once in 10^11.
        const double deviation = std::sqrt(n / 24.0) / scale;
        EXPECT_LE(largest_part(back, slots), std::min(7 * deviation, n / 2.0 / scale)) << "log_n " << log_n;
        if (log_n >= 8) { // a slot's parts are near independent: the mean square of 2^log_n of them
            EXPECT_NEAR(part_deviation(back, slots) / deviation, 1, 6 / std::sqrt(2.0 * (double)n));
        }
    }
}

TEST(Encode, ConstantsAndI) {
    const Embedding e = make_embedding(6);
    Slots slots(32, { 3, 0 }), work(32);
    std::vector<int64_t> coeff(64);
    MZV_OKAY(mzv_encode(e.get(), coeff.data(), raw(slots), 1024, raw(work)));
    for (size_t k = 0; k < 64; k++) EXPECT_EQ(coeff[k], k == 0 ? 3072 : 0);
    std::fill(slots.begin(), slots.end(), std::complex<double>(0, -2)); // i is X^(N/2)
    MZV_OKAY(mzv_encode(e.get(), coeff.data(), raw(slots), 1024, raw(work)));
    for (size_t k = 0; k < 64; k++) EXPECT_EQ(coeff[k], k == 32 ? -2048 : 0);
}

TEST(Encode, RefusesWhatDoesNotFit) {
    const Embedding e = make_embedding(4);
    Slots slots(8, { 1, 0 }), work(8);
    std::vector<int64_t> coeff(16);
    MZV_OKAY(mzv_encode(e.get(), coeff.data(), raw(slots), 0x1.fffp60, raw(work)));
    EXPECT_EQ(mzv_encode(e.get(), coeff.data(), raw(slots), 0x1p61, raw(work)), MZV_ERR_RANGE);
    EXPECT_NE(std::string(mzv_last_error()).find("2^61"), std::string::npos) << mzv_last_error();
    for (const double scale : { 0.0, -1.0, std::nan(""), (double)INFINITY }) {
        EXPECT_EQ(mzv_encode(e.get(), coeff.data(), raw(slots), scale, raw(work)), MZV_ERR_ARGUMENT) << scale;
    }
    for (const double bad : { std::nan(""), (double)INFINITY, -(double)INFINITY }) {
        for (const size_t at : { 0, 3, 7 }) {
            Slots one = slots;
            one[at] = { 0, bad };
            EXPECT_EQ(mzv_encode(e.get(), coeff.data(), raw(one), 1024, raw(work)), MZV_ERR_RANGE);
            EXPECT_NE(std::string(mzv_last_error()).find("slot " + std::to_string(at)), std::string::npos);
        }
    }
}

TEST(Encode, RefusesOtherRings) {
    mzv_embedding *e = nullptr;
    EXPECT_EQ(mzv_embedding_create(&e, 1), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_embedding_create(&e, 18), MZV_ERR_ARGUMENT);
    EXPECT_EQ(e, nullptr);
}

} // namespace
