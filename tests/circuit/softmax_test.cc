/* Softmax: plans against long double, circuits on count, clear (exact, noisy, refreshed) and ckks. */
#include "circuit/softmax.h"

#include <memory>

#include "base/arena.h"
#include "base/fault.h"
#include "ckks/noise.h"
#include "circuit/circuit_fixture.h"
#include "circuit/functions_table.h"

using namespace circuit_test;

namespace {

struct Softmax {
    mzv_softmax_spec spec;
    mzv_softmax *s = nullptr;
    explicit Softmax(const mzv_softmax_spec &of) : spec(of) {
        EXPECT_EQ(mzv_softmax_create(&s, &spec), MZV_OK) << mzv_last_error();
    }
    Softmax(const Softmax &) = delete;
    ~Softmax() { mzv_softmax_destroy(s); }
    const mzv_softmax_facts &facts() const { return *mzv_softmax_about(s); }
};

constexpr uint32_t kSlots = 1024; /* of the toy ring */

mzv_softmax_spec make(mzv_softmax_method method, double lo, double hi, uint32_t stride, uint32_t count,
                      uint32_t group, mzv_softmax_mask_kind mask = MZV_SOFTMAX_ALL, double target = 1e-3) {
    mzv_softmax_spec s = {};
    s.lo = lo;
    s.hi = hi;
    s.n_slots = kSlots;
    s.stride = stride;
    s.count = count;
    s.group = group;
    s.target = target;
    s.noise = 0x1p-28;
    s.method = method;
    s.mask = mask;
    return s;
}

/* Cyclic, window and selected sums; every method; every kind of mask. */
std::vector<mzv_softmax_spec> all_specs() {
    std::vector<mzv_softmax_spec> specs;
    for (mzv_softmax_method method : { MZV_SOFTMAX_DEFAULT, MZV_SOFTMAX_SQUARE, MZV_SOFTMAX_NEXUS })
        for (mzv_softmax_mask_kind mask : { MZV_SOFTMAX_ALL, MZV_SOFTMAX_CLEAR, MZV_SOFTMAX_HIDDEN }) {
            specs.push_back(make(method, -6, 10, 64, 16, 16, mask));
            specs.push_back(make(method, -2, 3, 4, 5, 16, mask));
            specs.push_back(make(method, -64, 64, 2, 16, 16, mask));
            specs.push_back(make(method, -8, 0, 1, 12, 16, mask));
        }
    for (mzv_softmax_mask_kind mask : { MZV_SOFTMAX_ALL, MZV_SOFTMAX_CLEAR, MZV_SOFTMAX_HIDDEN })
        specs.push_back(make(MZV_SOFTMAX_NEXUS, -2, 2, 64, 2, mask == MZV_SOFTMAX_ALL ? 2 : 8, mask, 5e-3));
    specs.push_back(make(MZV_SOFTMAX_DEFAULT, -64, 64, 8, 128, 128));
    specs.push_back(make(MZV_SOFTMAX_DEFAULT, -64, 64, 8, 128, 128, MZV_SOFTMAX_HIDDEN, 1e-4));
    specs.push_back(make(MZV_SOFTMAX_SQUARE, -64, 64, 8, 128, 128, MZV_SOFTMAX_ALL, 1e-4));
    return specs;
}

/* Made once: planning takes tenths of a second. */
const std::vector<std::unique_ptr<Softmax>> &all() {
    static const std::vector<std::unique_ptr<Softmax>> made = [] {
        std::vector<std::unique_ptr<Softmax>> v;
        for (const mzv_softmax_spec &spec : all_specs()) v.emplace_back(new Softmax(spec));
        return v;
    }();
    return made;
}

std::vector<long double> softmax_of(const std::vector<double> &x, const std::vector<char> &alive) {
    long double top = -INFINITY, sum = 0;
    std::vector<long double> p(x.size(), 0);
    for (size_t j = 0; j < x.size(); j++)
        if (alive[j]) top = std::fmax(top, (long double)x[j]);
    for (size_t j = 0; j < x.size(); j++) {
        if (alive[j]) p[j] = std::exp((long double)x[j] - top);
        sum += p[j];
    }
    for (long double &v : p) v = sum > 0 ? v / sum : 0;
    return p;
}

/* Row number r of a group: all equal (at the bottom, the middle, the top), one very large, all at the bottom
 * but two, equal steps of 1, and random ones, over all of the interval or close together. */
constexpr uint32_t kRows = 10;
std::vector<double> row(const mzv_softmax_spec &s, uint32_t r) {
    const double lo = s.lo, hi = s.hi, mid = (lo + hi) / 2;
    std::vector<double> x(s.count, r == 0 ? lo : r == 1 ? mid : r == 2 ? hi : lo);
    if (r == 3) x[s.count / 2] = hi;
    if (r == 4) x[0] = x[1] = lo + 1;
    if (r == 5)
        for (uint32_t j = 0; j < s.count; j++) x[j] = std::fmax(lo, hi - j);
    if (r >= 6) {
        const double width = r == 6 ? hi - lo : std::fmin(hi - lo, r - 6), from = r % 2 ? lo : hi - width;
        x = uniform(s.count, from, from + width, 100 + r);
    }
    return x;
}

/* Which of the row's positions are data: all but where the spec masks. */
std::vector<char> row_alive(const mzv_softmax_spec &s, uint32_t g) {
    std::vector<char> alive(s.count, 1);
    if (s.mask == MZV_SOFTMAX_ALL) return alive;
    const uint32_t kept = g % 4 == 0 ? s.count : g % 4 == 1 ? 1 : g % 4 == 2 ? s.count / 2 : 0;
    for (uint32_t j = kept; j < s.count; j++) alive[j] = 0;
    return alive;
}

/* One ciphertext full of rows; x in dead positions is any score. */
struct Slotted {
    std::vector<double> x, p, alive;
    std::unique_ptr<bool[]> flags;
    explicit Slotted(const mzv_softmax_spec &s)
        : x(s.n_slots), p(s.n_slots), alive(s.n_slots), flags(new bool[s.n_slots]) {
        const std::vector<double> noise = uniform(s.n_slots, s.lo, s.hi, 5);
        const uint32_t n_groups = s.n_slots / (s.stride * s.group);
        for (uint32_t i = 0; i < s.n_slots; i++) x[i] = noise[i];
        for (uint32_t g = 0; g < n_groups; g++)
            for (uint32_t lane = 0; lane < s.stride; lane++) fill(s, g, lane, g * s.stride + lane);
        for (uint32_t i = 0; i < s.n_slots; i++) flags[i] = alive[i] != 0;
    }
    void fill(const mzv_softmax_spec &s, uint32_t g, uint32_t lane, uint32_t number) {
        const std::vector<double> scores = row(s, number % kRows);
        const std::vector<char> live = row_alive(s, number / kRows);
        const std::vector<long double> q = softmax_of(scores, live);
        for (uint32_t j = 0; j < s.count; j++) {
            const size_t slot = (g * s.group + j) * s.stride + lane;
            if (live[j]) x[slot] = scores[j];
            alive[slot] = live[j];
            p[slot] = (double)q[j];
        }
    }
};

Job job_of(const Softmax &s, const Slotted &slots, const mzv_params &params) {
    Job job;
    const uint32_t level = params.n_levels;
    job.params = params;
    job.add_input(slots.x, level);
    if (s.spec.mask == MZV_SOFTMAX_HIDDEN) job.add_input(slots.alive, level);
    job.run = [&s, &slots](mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *in) {
        const mzv_softmax_mask mask = { slots.flags.get(),
                                        s.spec.mask == MZV_SOFTMAX_HIDDEN ? in[1] : nullptr };
        return mzv_softmax_run(ev, out, in[0], &mask, s.s);
    };
    job.request = [&s, level](mzv_key_request *r) { return mzv_softmax_request(s.s, r, level); };
    return job;
}

double worst_error(const Slots &found, const Slotted &slots) {
    double worst = 0;
    for (size_t i = 0; i < found.size(); i++) worst = std::fmax(worst, std::abs(found[i] - slots.p[i]));
    return worst;
}

double noise_of(const mzv_params &params) {
    mzv_param_facts facts;
    EXPECT_EQ(mzv_params_check(&params, &facts), MZV_OK) << mzv_last_error();
    return mzv_noise_mul(&params, &facts, 1);
}

/* Deep chains of a toy ring: as many digits as there may be. */
mzv_params chain(uint32_t n_levels) {
    mzv_params p = toy(n_levels);
    while ((n_levels + 1 + p.n_special - 1) / p.n_special > MZV_MAX_DIGITS) p.n_special++;
    return p;
}

bool fits_a_chain(const Softmax &s) {
    return s.facts().levels + 1 + chain(s.facts().levels).n_special <= MZV_MAX_PRIMES;
}

std::string text_of(const mzv_softmax_spec &s) {
    return functions_table::print("method %d mask %d [%g, %g] stride %u count %u group %u", (int)s.method,
                                  (int)s.mask, s.lo, s.hi, s.stride, s.count, s.group);
}

TEST(Softmax, ErrorIsWithinTheTargetOnHardRows) {
    for (const auto &made : all()) {
        const Softmax &s = *made;
        const mzv_softmax_spec &spec = s.spec;
        EXPECT_LE(s.facts().error, spec.target);
        EXPECT_GT(s.facts().error, 0);
        for (uint32_t r = 0; r < kRows; r++)
            for (uint32_t g = 0; g < (spec.mask == MZV_SOFTMAX_ALL ? 1u : 3u); g++) {
                const std::vector<double> x = row(spec, r);
                const std::vector<char> live = row_alive(spec, g);
                const std::unique_ptr<bool[]> flags(new bool[spec.count]);
                for (uint32_t j = 0; j < spec.count; j++) flags[j] = live[j];
                std::vector<long double> p(spec.count);
                mzv_softmax_value(s.s, p.data(), x.data(), flags.get());
                const std::vector<long double> q = softmax_of(x, live);
                for (uint32_t j = 0; j < spec.count; j++)
                    ASSERT_LE(std::fabs(p[j] - q[j]), spec.target) << text_of(spec) << " row " << r;
            }
    }
}

TEST(Softmax, CircuitHasTheLevelsAndCountsItSays) {
    for (const auto &made : all()) {
        const Softmax &s = *made;
        const mzv_softmax_spec &spec = s.spec;
        if (!fits_a_chain(s)) continue;
        const Slotted slots(spec);
        const mzv_circuit_cost cost = measure(job_of(s, slots, chain(s.facts().levels)));
        EXPECT_EQ(cost.levels, s.facts().levels) << text_of(spec);
        EXPECT_EQ(cost.levels, mzv_softmax_levels(s.s));
        EXPECT_EQ(cost.counts.n_key_switch, s.facts().n_key_switch) << text_of(spec);
    }
}

/* Every slot: probabilities in those with data, 0 in all others, whatever scores stand there. */
TEST(Softmax, ClearIsWithinTheTarget) {
    for (const auto &made : all()) {
        const Softmax &s = *made;
        const mzv_softmax_spec &spec = s.spec;
        if (!fits_a_chain(s)) continue;
        const Slotted slots(spec);
        const Slots y = run_clear(job_of(s, slots, chain(s.facts().levels)));
        /* Doubles: noise_gain says what an error of 2^-52 in each slot comes to. */
        EXPECT_LE(worst_error(y, slots), spec.target + s.facts().noise_gain * 0x1p-48) << text_of(spec);
    }
}

/* The error by noise is the one that plans are chosen by. */
TEST(Softmax, NoiseIsWhatThePlanSays) {
    for (const auto &made : all()) {
        const Softmax &s = *made;
        const mzv_softmax_spec &spec = s.spec;
        if (!fits_a_chain(s)) continue;
        const Slotted slots(spec);
        const mzv_params params = chain(s.facts().levels);
        const Job job = job_of(s, slots, params);
        const double found = worst(run_clear(job, 7), run_clear(job));
        EXPECT_LE(found, 8 * s.facts().noise_gain * noise_of(params)) << text_of(spec);
        EXPECT_GE(found, noise_of(params));
    }
}

/* Reads the slots and sets them again, at most 1 in size. */
struct Reader {
    mzv_refresh refresh = {};
    uint32_t n_runs = 0;
    double largest = 0;
    Reader(uint32_t in_level, uint32_t out_level) {
        refresh.run = [](const mzv_refresh *self, mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a) {
            /* `refresh` is the first member. */
            Reader *const reader = reinterpret_cast<Reader *>(const_cast<mzv_refresh *>(self));
            std::vector<mzv_complex> slots(mzv_evaluator_slots(ev));
            reader->n_runs++;
            if (std::string(mzv_evaluator_kind(ev)) == "count")
                return mzv_clear_set(ev, out, nullptr, self->out_level);
            const mzv_status status = mzv_clear_get(ev, slots.data(), a);
            if (status != MZV_OK) return status;
            for (const mzv_complex &z : slots)
                reader->largest =
                    std::fmax(reader->largest, std::abs(*reinterpret_cast<const std::complex<double> *>(&z)));
            return mzv_clear_set(ev, out, slots.data(), self->out_level);
        };
        refresh.in_level = in_level;
        refresh.out_level = out_level;
        refresh.magnitude = 1;
    }
};

void expect_refreshed(const Softmax &s, const Slotted &slots, uint32_t start, Reader &reader) {
    const Job job = job_of(s, slots, toy(reader.refresh.out_level));
    Machine m;
    m.clear(job.params, 0, 64u << 20);
    std::vector<const mzv_cipher *> in;
    for (const Slots &x : job.in) in.push_back(m.put(x, start));
    mzv_cipher *out = m.empty(job.params.n_levels);
    if (s.facts().levels > start) {
        EXPECT_EQ(job.run(m.ev, out, in.data()), MZV_ERR_LEVEL);
        EXPECT_EQ(mzv_cipher_level(out), job.params.n_levels);
    }
    m.ev->refresh = &reader.refresh;
    ASSERT_EQ(job.run(m.ev, out, in.data()), MZV_OK) << mzv_last_error();
    EXPECT_EQ(reader.n_runs > 0, s.facts().levels > start);
    EXPECT_LE(reader.largest, 1 + 1e-6);
    EXPECT_LE(worst_error(m.get(out), slots), s.spec.target + s.facts().noise_gain * 0x1p-48);
}

TEST(Softmax, AnyDepthWithRefreshing) {
    for (const auto &made : all()) {
        const Slotted slots(made->spec);
        for (uint32_t in_level : { 0u, 3u }) {
            const uint32_t top = std::max(11u, made->facts().deepest) + in_level;
            for (uint32_t start : { top, 2 + in_level }) {
                SCOPED_TRACE(text_of(made->spec) + " refreshing from " + std::to_string(in_level));
                Reader reader(in_level, top);
                expect_refreshed(*made, slots, start, reader);
            }
        }
    }
}

TEST(Softmax, EncryptedNoiseIsPredicted) {
    for (const mzv_softmax_spec &spec :
         { make(MZV_SOFTMAX_DEFAULT, -6, 10, 64, 16, 16),
           make(MZV_SOFTMAX_DEFAULT, -2, 3, 4, 5, 16, MZV_SOFTMAX_HIDDEN),
           make(MZV_SOFTMAX_DEFAULT, -8, 0, 1, 12, 16, MZV_SOFTMAX_CLEAR),
           make(MZV_SOFTMAX_SQUARE, -6, 10, 64, 16, 16), make(MZV_SOFTMAX_NEXUS, -6, 10, 512, 2, 2) }) {
        const Softmax s(spec);
        ASSERT_TRUE(fits_a_chain(s)) << text_of(spec);
        const Slotted slots(spec);
        SCOPED_TRACE(text_of(spec));
        expect_predicted(job_of(s, slots, chain(s.facts().levels)));
    }
}

/* Slot by slot at the widest interval: 128 scores in [-64, 64]. */
TEST(Softmax, EncryptedAtTheWidestInterval) {
    const mzv_softmax_spec spec = make(MZV_SOFTMAX_DEFAULT, -64, 64, 8, 128, 128);
    const Softmax s(spec);
    const Slotted slots(spec);
    const mzv_params params = chain(s.facts().levels);
    const Slots y = run_ckks(job_of(s, slots, params));
    EXPECT_LE(worst_error(y, slots), spec.target + 8 * s.facts().noise_gain * noise_of(params));
}

TEST(Softmax, DefaultTakesTheFewestLevels) {
    for (double half : { 4, 16, 64, 128 })
        for (uint32_t count : { 16u, 128u }) {
            const Softmax ours(make(MZV_SOFTMAX_DEFAULT, -half, half, kSlots / count, count, count));
            const Softmax square(make(MZV_SOFTMAX_SQUARE, -half, half, kSlots / count, count, count));
            const Softmax nexus(make(MZV_SOFTMAX_NEXUS, -half, half, kSlots / count, count, count));
            EXPECT_LT(ours.facts().levels, square.facts().levels);
            EXPECT_LT(ours.facts().levels, nexus.facts().levels);
        }
}

TEST(Softmax, PartsAreNoDeeperThanAsked) {
    mzv_softmax_spec spec = make(MZV_SOFTMAX_DEFAULT, -64, 64, 8, 128, 128, MZV_SOFTMAX_CLEAR);
    const uint32_t free_depth = Softmax(spec).facts().deepest;
    spec.part_levels = 8;
    const Softmax s(spec);
    EXPECT_GT(free_depth, 8u);
    EXPECT_LE(s.facts().deepest, 8u);
    EXPECT_LE(s.facts().error, spec.target);
}

/* The power of NEXUS is right below -64 too, where (1 + x / 64)^64 comes up again. */
TEST(Softmax, NexusPowerReachesTheWholeInterval) {
    const Softmax narrow(make(MZV_SOFTMAX_NEXUS, -8, 8, 64, 16, 16, MZV_SOFTMAX_ALL, 0.05));
    EXPECT_EQ(narrow.facts().squarings, 6u);
    const Softmax wide(make(MZV_SOFTMAX_NEXUS, -64, 64, 64, 16, 16, MZV_SOFTMAX_ALL, 0.05));
    EXPECT_GE(wide.facts().squarings, 8u);
    EXPECT_LE(wide.facts().error, 0.05);
}

TEST(Softmax, RejectsWhatItCannotDo) {
    const mzv_softmax_spec good = make(MZV_SOFTMAX_DEFAULT, -2, 2, 64, 16, 16);
    mzv_softmax *out = nullptr;
    const auto rejected = [&](void (*change)(mzv_softmax_spec *), mzv_status status) {
        mzv_softmax_spec spec = good;
        change(&spec);
        EXPECT_EQ(mzv_softmax_create(&out, &spec), status) << mzv_last_error();
        EXPECT_EQ(out, nullptr);
    };
    rejected([](mzv_softmax_spec *s) { s->hi = s->lo; }, MZV_ERR_ARGUMENT);
    rejected([](mzv_softmax_spec *s) { s->hi = NAN; }, MZV_ERR_ARGUMENT);
    rejected([](mzv_softmax_spec *s) { s->hi = s->lo + 513; }, MZV_ERR_ARGUMENT);
    rejected([](mzv_softmax_spec *s) { s->count = 1; }, MZV_ERR_ARGUMENT);
    rejected([](mzv_softmax_spec *s) { s->count = 17; }, MZV_ERR_ARGUMENT);
    rejected([](mzv_softmax_spec *s) { s->stride = 0; }, MZV_ERR_ARGUMENT);
    rejected([](mzv_softmax_spec *s) { s->stride = 3; }, MZV_ERR_ARGUMENT);
    rejected([](mzv_softmax_spec *s) { s->target = 0; }, MZV_ERR_ARGUMENT);
    rejected([](mzv_softmax_spec *s) { s->target = 0.5; }, MZV_ERR_ARGUMENT);
    rejected([](mzv_softmax_spec *s) { s->noise = -1; }, MZV_ERR_ARGUMENT);
    rejected([](mzv_softmax_spec *s) { s->method = (mzv_softmax_method)3; }, MZV_ERR_ARGUMENT);
    rejected([](mzv_softmax_spec *s) { s->mask = (mzv_softmax_mask_kind)3; }, MZV_ERR_ARGUMENT);
    mzv_softmax_destroy(nullptr);
}

/* Two ciphertexts in one batch, the result written over the scores. */
TEST(Softmax, BatchesAndInPlace) {
    for (mzv_softmax_mask_kind mask : { MZV_SOFTMAX_ALL, MZV_SOFTMAX_CLEAR, MZV_SOFTMAX_HIDDEN }) {
        const Softmax s(make(MZV_SOFTMAX_DEFAULT, -2, 3, 4, 5, 16, mask));
        const Slotted slots(s.spec);
        const mzv_params params = chain(s.facts().levels);
        Machine m;
        m.clear(params, 0, 64u << 20);
        Slots x(slots.x.begin(), slots.x.end()), live(slots.alive.begin(), slots.alive.end());
        x.insert(x.end(), slots.x.begin(), slots.x.end());
        live.insert(live.end(), slots.alive.begin(), slots.alive.end());
        for (uint32_t i = 0; i < kSlots; i++) x[kSlots + i] /= 2; /* another row, the same mask */
        mzv_cipher *const c = m.put(x, params.n_levels), *const hidden = m.put(live, params.n_levels);
        const mzv_softmax_mask with = { slots.flags.get(), hidden };
        ASSERT_EQ(mzv_softmax_run(m.ev, c, c, &with, s.s), MZV_OK) << mzv_last_error();
        const Slots y = m.get(c);
        EXPECT_LE(worst_error(Slots(y.begin(), y.begin() + kSlots), slots), s.spec.target);
        for (uint32_t i = 0; i < kSlots; i++) { /* rows start in positions 0: slots 0 .. 3 of every 64 */
            if (i % 64 >= 4) continue;
            std::vector<double> row;
            std::vector<char> row_live;
            for (uint32_t j = 0; j < 5; j++) {
                row.push_back(x[kSlots + i + 4 * j].real());
                row_live.push_back((char)slots.flags[i + 4 * j]);
            }
            const std::vector<long double> q = softmax_of(row, row_live);
            for (uint32_t j = 0; j < 5; j++)
                ASSERT_NEAR(y[kSlots + i + 4 * j].real(), (double)q[j], s.spec.target) << i;
        }
    }
}

TEST(Softmax, PlansSurviveEveryFailedAllocation) {
    for (mzv_softmax_method method : { MZV_SOFTMAX_DEFAULT, MZV_SOFTMAX_SQUARE, MZV_SOFTMAX_NEXUS }) {
        const mzv_softmax_spec spec = make(method, -1, 1, 512, 2, 2, MZV_SOFTMAX_ALL, 0.1);
        const int64_t live = mzv_alloc_live();
        mzv_status status = MZV_ERR_MEMORY;
        uint32_t n = 0;
        for (; status != MZV_OK && n < 2000; n++) {
            mzv_softmax *s = nullptr;
            mzv_test_fail_alloc_after(n);
            status = mzv_softmax_create(&s, &spec);
            mzv_test_fail_alloc_after(-1);
            EXPECT_EQ(s == nullptr, status != MZV_OK);
            mzv_softmax_destroy(s);
            ASSERT_TRUE(status == MZV_OK || status == MZV_ERR_MEMORY) << mzv_last_error();
            ASSERT_EQ(mzv_alloc_live(), live) << "after failure of allocation " << n;
        }
        EXPECT_EQ(status, MZV_OK);
        EXPECT_GT(n, 10u);
    }
}

/* Masks and selectors are encoded while it runs. */
TEST(Softmax, RunsSurviveEveryFailedAllocation) {
    const Softmax s(make(MZV_SOFTMAX_DEFAULT, -8, 0, 1, 12, 16, MZV_SOFTMAX_CLEAR));
    const Slotted slots(s.spec);
    Machine m;
    m.clear(chain(s.facts().levels), 0, 64u << 20);
    mzv_cipher *const x = m.put(Slots(slots.x.begin(), slots.x.end()), s.facts().levels);
    mzv_cipher *const out = m.put(Slots(kSlots, 7), s.facts().levels);
    const mzv_softmax_mask mask = { slots.flags.get(), nullptr };
    const int64_t live = mzv_alloc_live();
    mzv_status status = MZV_ERR_MEMORY;
    uint32_t n = 0;
    for (; status != MZV_OK && n < 200; n++) {
        mzv_test_fail_alloc_after(n);
        status = mzv_softmax_run(m.ev, out, x, &mask, s.s);
        mzv_test_fail_alloc_after(-1);
        ASSERT_EQ(mzv_alloc_live(), live) << "after failure of allocation " << n;
        if (status == MZV_OK) break;
        ASSERT_EQ(status, MZV_ERR_MEMORY) << mzv_last_error();
        ASSERT_EQ(m.get(out), Slots(kSlots, 7)) << "after failure of allocation " << n;
    }
    EXPECT_EQ(status, MZV_OK);
    EXPECT_GT(n, 5u);
    EXPECT_LE(worst_error(m.get(out), slots), s.spec.target);
}

TEST(Softmax, RunRefusesWhatDoesNotFit) {
    const Softmax hidden(make(MZV_SOFTMAX_DEFAULT, -2, 2, 64, 16, 16, MZV_SOFTMAX_HIDDEN));
    mzv_softmax_spec other = make(MZV_SOFTMAX_DEFAULT, -2, 2, 64, 16, 16);
    other.n_slots = 2048;
    other.stride = 128;
    const Softmax large(other), masked(make(MZV_SOFTMAX_DEFAULT, -2, 2, 64, 16, 16, MZV_SOFTMAX_CLEAR));
    Machine m;
    m.clear(toy(14), 0, 16u << 20);
    mzv_cipher *const x = m.put(Slots(kSlots), 14), *const low = m.put(Slots(kSlots), 13),
                      *const out = m.empty(14);
    const mzv_softmax_mask nothing = { nullptr, nullptr }, below = { nullptr, low };
    EXPECT_EQ(mzv_softmax_run(m.ev, out, x, nullptr, large.s), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_softmax_run(m.ev, out, x, nullptr, masked.s), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_softmax_run(m.ev, out, x, &nothing, masked.s), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_softmax_run(m.ev, out, x, &nothing, hidden.s), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_softmax_run(m.ev, out, x, &below, hidden.s), MZV_ERR_LEVEL);
    EXPECT_EQ(mzv_cipher_level(out), 14u);
}

/* ---- docs/functions.md ---- */

std::string line_of(const char *method, const mzv_softmax_spec &spec) {
    const Softmax s(spec);
    const mzv_softmax_facts &f = s.facts();
    std::string divisions;
    for (uint32_t i = 0; i < f.n_divisions; i++) divisions += (i ? "," : "") + std::to_string(f.doublings[i]);
    return functions_table::print(
        "| %s | [%g, %g] | %u | %s | %.0e | %u | %u | %u | %s | %u | %u | %.2e |\n", method, spec.lo, spec.hi,
        spec.count, spec.mask == MZV_SOFTMAX_ALL ? "no" : "yes", spec.target, f.rounds, f.exp_degree,
        f.squarings, divisions.c_str(), f.levels, f.n_key_switch, f.error);
}

std::string table() {
    std::string text =
        "`mzv_softmax_run` over a dimension that fills the slots (sums by cyclic folds; they are counted). "
        "Levels and "
        "key switches count\n"
        "from the scores themselves. \"mask\": in the clear, down to a single position. \"squarings\": of "
        "the "
        "exponential, r of NEXUS.\n"
        "\"rounds\": j, exponents halved j times and squared as often; of QuickMax. \"1/S\": degree 2^k - 1 "
        "of each "
        "division's polynomial,\n"
        "k steps of Goldschmidt. The error is the largest of a probability over rows chosen to be hard.\n\n"
        "| method | scores | count | mask | target | rounds | degree | squarings | 1/S | levels | key "
        "switches | max "
        "error |\n"
        "|---|---|---|---|---|---|---|---|---|---|---|---|\n";
    const mzv_softmax_method methods[] = { MZV_SOFTMAX_DEFAULT, MZV_SOFTMAX_SQUARE, MZV_SOFTMAX_NEXUS };
    const char *const names[] = { "default", "square", "nexus" };
    for (uint32_t i = 0; i < 3; i++) {
        text += line_of(names[i], make(methods[i], -4, 4, 8, 128, 128));
        text += line_of(names[i], make(methods[i], -16, 16, 64, 16, 16));
        text += line_of(names[i], make(methods[i], -16, 16, 8, 128, 128));
        text += line_of(names[i], make(methods[i], -64, 64, 8, 128, 128));
        text += line_of(names[i], make(methods[i], -64, 64, 8, 128, 128, MZV_SOFTMAX_CLEAR));
        text += line_of(names[i], make(methods[i], -64, 64, 8, 128, 128, MZV_SOFTMAX_ALL, 1e-4));
        text += line_of(names[i], make(methods[i], -128, 128, 4, 256, 256));
    }
    return text;
}

const functions_table::Entry entry(800, "Softmax", table);

/* ---- 128 bits ---- */

void at_128_bits(const char *set, mzv_softmax_spec spec) {
    mzv_params params;
    ASSERT_EQ(mzv_params_named(&params, set), MZV_OK);
    spec.n_slots = slots_of(params);
    spec.stride = spec.n_slots / spec.group;
    spec.noise = noise_of(params);
    const Softmax s(spec);
    ASSERT_LE(s.facts().levels, params.n_levels) << text_of(spec);
    const Slotted slots(spec);
    const Slots y = run_ckks(job_of(s, slots, params));
    const double bound = spec.target + 8 * s.facts().noise_gain * spec.noise;
    EXPECT_LE(bound, 0.011);
    EXPECT_LE(worst_error(y, slots), bound);
}

TEST(SlowSoftmax, DefaultAt128Bits) {
    at_128_bits("n15-leveled", make(MZV_SOFTMAX_DEFAULT, -4, 4, 1, 128, 128));
}

TEST(SlowSoftmax, SquareAt128Bits) { at_128_bits("n16-leveled", make(MZV_SOFTMAX_SQUARE, -8, 8, 1, 16, 16)); }

TEST(SlowSoftmax, NexusAt128Bits) {
    at_128_bits("n16-leveled", make(MZV_SOFTMAX_NEXUS, -2, 2, 1, 2, 2, MZV_SOFTMAX_ALL, 0.01));
}

} // namespace
