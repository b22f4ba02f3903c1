/* CoeffToSlot and SlotToCoeff against the canonical embedding by its definition:
 *     z_j = sum_k w_k xi^(5^j k), k < m, w_k = c_k + i c_(k+m), xi = exp(2 pi i / 4m)
 * for the polynomial sum_k c_k Y^k, k < 2m, in the ring of m slots: xi^(5^j m) = i. */
#include "circuit/boot_helpers.h"
#include "circuit/deep_helpers.h"

using namespace boot_test;

namespace {

const uint32_t n = 1024; // slots of toy-boot

typedef std::complex<long double> wide;

uint32_t log2_of(uint32_t m) {
    uint32_t k = 0;
    while (1u << k < m) k++;
    return k;
}

uint32_t reversed(uint32_t i, uint32_t m) {
    uint32_t r = 0;
    for (uint32_t bit = 1; bit < m; bit *= 2) r = 2 * r + ((i & bit) != 0);
    return r;
}

/* m slots of the coefficients. */
std::vector<wide> embed(const std::vector<wide> &w) {
    const uint32_t m = (uint32_t)w.size();
    std::vector<wide> root(4 * (size_t)m), z(m);
    for (uint32_t k = 0; k < 4 * m; k++) root[k] = std::polar(1.0L, 2 * std::acos(-1.0L) * k / (4.0L * m));
    for (uint64_t j = 0, power = 1; j < m; j++, power = power * 5 % (4 * m))
        for (uint32_t k = 0; k < m; k++) z[j] += w[k] * root[power * k % (4 * m)];
    return z;
}

/* Slots and coefficients in the order of bits reversed, both with period m over all n slots. */
struct Pair {
    Slots slots, coeffs;
    explicit Pair(uint32_t m) : slots(n), coeffs(n) {
        const Slots random = complex_slots(m, m, 1, m);
        std::vector<wide> w(random.begin(), random.end());
        const std::vector<wide> z = embed(w);
        for (uint32_t i = 0; i < n; i++) {
            slots[i] = std::complex<double>(z[i % m]);
            coeffs[i] = random[reversed(i % m, m)];
        }
    }
};

double norm(const Slots &z) { return std::sqrt((double)z.size()) * circuit_test::rms(z, Slots(z.size())); }

/* A fast transform of log2(m) stages in doubles [Hig02, theorem 24.2]; joined in groups each entry of which
 * is a sum of 2^g roundings, g stages; `more`: what the test itself adds. */
void expect_same(const Slots &got, const Slots &expected, uint32_t m, uint32_t n_groups, uint32_t more = 0) {
    const double roundings =
        more + n_groups * std::ldexp(1, (int)((log2_of(m) + n_groups - 1) / n_groups)) + 8 * log2_of(m);
    EXPECT_GT(norm(expected), 0);
    EXPECT_LE(std::sqrt((double)n) * circuit_test::rms(got, expected), roundings * 0x1p-53 * norm(expected))
        << m << " slots, " << n_groups << " groups";
}

/* A transform on an exact evaluator. */
struct OnClear {
    Machine m;
    mzv_boot_transform t = {};
    mzv_boot_transform_spec spec;

    explicit OnClear(const mzv_boot_transform_spec &s) : spec(s) {
        m.clear(named("toy-boot"), 0, (size_t)16 * 16 * n);
        EXPECT_EQ(mzv_boot_transform_create(&t, m.ev, &spec), MZV_OK) << mzv_last_error();
    }
    ~OnClear() { mzv_boot_transform_destroy(&t); }
    Slots run(const Slots &z) {
        mzv_cipher *out = m.empty(spec.level);
        EXPECT_EQ(mzv_boot_transform_run(m.ev, out, m.put(z, spec.level), &t), MZV_OK) << mzv_last_error();
        EXPECT_EQ(mzv_cipher_level(out), spec.level - spec.n_groups);
        return m.get(out);
    }
};

mzv_boot_transform_spec spec_of(mzv_boot_direction direction, uint32_t m, uint32_t n_groups) {
    mzv_boot_transform_spec s = {};
    s.direction = direction;
    s.n_slots = m;
    s.n_groups = n_groups;
    s.level = n_groups;
    s.factor = 1;
    return s;
}

template <class Body> void for_all_shapes(Body body) {
    for (uint32_t m = 2; m <= n; m *= 2)
        for (uint32_t n_groups = 1; n_groups <= 4 && n_groups <= log2_of(m); n_groups++)
            if (n_groups > 1 || m <= MZV_BOOT_MAX_RADIX) body(m, n_groups);
}

Slots scaled(const Slots &z, std::complex<double> c) {
    Slots r = z;
    for (auto &slot : r) slot *= c;
    return r;
}

TEST(BootTransform, CoeffToSlotGivesCoefficients) {
    for_all_shapes([](uint32_t m, uint32_t n_groups) {
        const Pair pair(m);
        auto spec = spec_of(MZV_COEFF_TO_SLOT, m, n_groups);
        spec.factor = 0.375;
        expect_same(OnClear(spec).run(pair.slots), scaled(pair.coeffs, 0.375), m, n_groups);
    });
}

TEST(BootTransform, SlotToCoeffIsTheEmbedding) {
    for_all_shapes([](uint32_t m, uint32_t n_groups) {
        const Pair pair(m);
        auto spec = spec_of(MZV_SLOT_TO_COEFF, m, n_groups);
        spec.factor = 12.5;
        expect_same(OnClear(spec).run(pair.coeffs), scaled(pair.slots, 12.5), m, n_groups);
    });
}

TEST(BootTransform, ThereAndBack) {
    for (const uint32_t m : { 4u, 64u, n })
        for (uint32_t n_groups = m == n ? 2 : 1; n_groups <= 2; n_groups++) {
            const Slots z = complex_slots(n, m, 1, 9);
            OnClear there(spec_of(MZV_COEFF_TO_SLOT, m, n_groups)),
                back(spec_of(MZV_SLOT_TO_COEFF, m, n_groups));
            expect_same(back.run(there.run(z)), z, m, 2 * n_groups);
        }
}

// The integer polynomial 1 + 2 Y + 3 Y^2 + ... : slot i holds c_r and c_(r + m), r = i with its bits
// reversed.
TEST(BootTransform, SlotsOfAKnownPolynomial) {
    const uint32_t m = 8;
    std::vector<wide> w(m);
    for (uint32_t k = 0; k < m; k++) w[k] = wide(1 + k, 1 + k + m);
    const std::vector<wide> z = embed(w);
    Slots slots(n);
    for (uint32_t i = 0; i < n; i++) slots[i] = std::complex<double>(z[i % m]);
    const Slots got = OnClear(spec_of(MZV_COEFF_TO_SLOT, m, 3)).run(slots);
    const uint32_t order[] = { 0, 4, 2, 6, 1, 5, 3, 7 };
    for (uint32_t i = 0; i < n; i++) {
        EXPECT_NEAR(got[i].real(), 1 + order[i % m], 1e-13) << i;
        EXPECT_NEAR(got[i].imag(), 1 + order[i % m] + m, 1e-13) << i;
    }
}

TEST(BootTransform, FactorsOfTheResult) {
    for (const uint32_t m : { 4u, 128u, n })
        for (const mzv_boot_direction direction : { MZV_COEFF_TO_SLOT, MZV_SLOT_TO_COEFF }) {
            const Pair pair(m);
            const uint32_t period = 2 * m < n ? 2 * m : n;
            const Slots after = complex_slots(n, period, 1, 4);
            auto spec = spec_of(direction, m, 2);
            spec.after = reinterpret_cast<const mzv_complex *>(after.data());
            Slots expected = direction == MZV_COEFF_TO_SLOT ? pair.coeffs : pair.slots;
            for (uint32_t i = 0; i < n; i++) expected[i] *= after[i];
            expect_same(OnClear(spec).run(direction == MZV_COEFF_TO_SLOT ? pair.slots : pair.coeffs),
                        expected, m, 2);
        }
}

// Blocks of m slots that differ: the sum of the results is the result of the sum, whatever block a wrap
// reads.
TEST(BootTransform, FactorsOfTheInput) {
    for (const uint32_t m : { 4u, 128u, n }) {
        const Pair pair(m);
        const uint32_t period = 2 * m < n ? 2 * m : n, n_blocks = n / m;
        Slots before = complex_slots(n, period, 1, 4), x = pair.coeffs;
        for (auto &slot : before) slot += 2; // none near zero
        for (uint32_t i = 0; i < n; i++) x[i] /= before[i] * (double)n_blocks;
        auto spec = spec_of(MZV_SLOT_TO_COEFF, m, 2);
        spec.before = reinterpret_cast<const mzv_complex *>(before.data());
        const Slots got = OnClear(spec).run(x);
        Slots sums(n);
        for (uint32_t i = 0; i < n; i++)
            for (uint32_t b = 0; b < n_blocks; b++) sums[i] += got[(i + b * m) % n];
        expect_same(sums, pair.slots, m, 2, n_blocks);
    }
}

TEST(BootTransform, SplitGivesTwiceBothParts) {
    const Pair pair(n);
    OnClear machine(spec_of(MZV_COEFF_TO_SLOT, n, 3));
    mzv_cipher *const out = machine.m.empty(3, 2), *const real = machine.m.empty(3);
    ASSERT_EQ(mzv_boot_transform_split(machine.m.ev, out, machine.m.put(pair.slots, 3), &machine.t), MZV_OK);
    ASSERT_EQ(mzv_boot_transform_split(machine.m.ev, real, machine.m.put(pair.slots, 3), &machine.t), MZV_OK);
    Slots re(n), im(n);
    for (uint32_t i = 0; i < n; i++) {
        re[i] = 2 * pair.coeffs[i].real();
        im[i] = 2 * pair.coeffs[i].imag();
    }
    const Slots both = machine.m.get(out);
    expect_same(Slots(both.begin(), both.begin() + n), re, n, 3);
    expect_same(Slots(both.begin() + n, both.end()), im, n, 3);
    expect_same(machine.m.get(real), re, n, 3);
}

// One transform on ckks as its noise model says.
TEST(BootTransform, EncryptedAsPredicted) {
    for (const mzv_boot_direction direction : { MZV_COEFF_TO_SLOT, MZV_SLOT_TO_COEFF })
        for (const uint32_t m : { 64u, n }) {
            circuit_test::Job job;
            job.params = named("toy-boot");
            job.in.push_back(direction == MZV_COEFF_TO_SLOT ? Pair(m).slots : Pair(m).coeffs);
            job.level.push_back(3);
            job.run = [=](mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *x) {
                auto spec = spec_of(direction, m, 3);
                mzv_boot_transform t = {};
                mzv_status status = mzv_boot_transform_create(&t, ev, &spec);
                if (status == MZV_OK) status = mzv_boot_transform_run(ev, out, x[0], &t);
                mzv_boot_transform_destroy(&t);
                return status;
            };
            job.request = [&](mzv_key_request *request) {
                mzv_circuit_cost cost;
                const mzv_circuit_call call = job.call();
                return mzv_circuit_measure(&cost, request, &job.params, &call);
            };
            circuit_test::expect_predicted(job);
        }
}

TEST(BootTransform, Refusals) {
    Machine m;
    m.clear(named("toy-boot"), 0, 0);
    const struct {
        uint32_t n_slots, n_groups, level;
        mzv_status status;
    } cases[] = {
        { 0, 1, 9, MZV_ERR_ARGUMENT },       { 1, 1, 9, MZV_ERR_ARGUMENT }, { 3, 1, 9, MZV_ERR_ARGUMENT },
        { 2 * n, 1, 9, MZV_ERR_ARGUMENT },   { 8, 0, 9, MZV_ERR_ARGUMENT }, { 8, 4, 9, MZV_ERR_ARGUMENT },
        { n, 9, 9, MZV_ERR_ARGUMENT },       { n, 3, 2, MZV_ERR_LEVEL },    { n, 3, 30, MZV_ERR_LEVEL },
        { n, 2, UINT32_MAX, MZV_ERR_LEVEL }, { 8, 1, 0, MZV_ERR_LEVEL },    { n, 1, 9, MZV_ERR_ARGUMENT },
    };
    const int64_t live = mzv_alloc_live();
    for (const auto &c : cases) {
        auto spec = spec_of(MZV_COEFF_TO_SLOT, c.n_slots, c.n_groups);
        mzv_boot_transform t = {};
        spec.level = c.level;
        EXPECT_EQ(mzv_boot_transform_create(&t, m.ev, &spec), c.status)
            << c.n_slots << " " << c.n_groups << " " << c.level;
        mzv_boot_transform_destroy(&t);
        EXPECT_EQ(mzv_alloc_live(), live);
    }
}

TEST(BootTransform, FailedAllocationsLeaveNothing) {
    Machine m;
    m.clear(named("toy-boot"), 0, 0);
    circuit_test::fail_allocations([&] {
        mzv_boot_transform t = {};
        const auto spec = spec_of(MZV_SLOT_TO_COEFF, 32, 2);
        const mzv_status status = mzv_boot_transform_create(&t, m.ev, &spec);
        mzv_boot_transform_destroy(&t);
        return status;
    });
}

} // namespace
