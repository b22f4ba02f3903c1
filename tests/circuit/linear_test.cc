/* Linear transforms against the sum that defines them, on clear and on ckks. */
#include "circuit/linear.h"

#include <set>

#include "circuit/circuit_fixture.h"

using namespace circuit_test;

namespace {

/* Diagonals as a table; an empty one is zero. */
struct Diagonals {
    std::vector<Slots> d;
    int32_t step = 1;
    uint32_t calls = 0;

    static mzv_status give(void *user, mzv_complex *slots, uint32_t d) {
        auto *self = static_cast<Diagonals *>(user);
        self->calls++;
        for (size_t i = 0; i < self->d[d].size(); i++)
            slots[i] = reinterpret_cast<const mzv_complex &>(self->d[d][i]);
        return MZV_OK;
    }
    mzv_transform_spec spec(uint32_t n_baby = 0) {
        mzv_transform_spec s = {};
        s.diagonal = give;
        s.user = this;
        s.n_diagonals = (uint32_t)d.size();
        s.step = step;
        s.n_baby = n_baby;
        return s;
    }
    Slots apply(const Slots &a) const {
        const int64_t n = (int64_t)a.size();
        Slots out(a.size());
        for (size_t k = 0; k < d.size(); k++)
            for (int64_t i = 0; i < n && !d[k].empty(); i++)
                out[(size_t)i] += d[k][(size_t)i] * a[(size_t)(((i + (int64_t)k * step) % n + n) % n)];
        return out;
    }
};

Slots random_slots(size_t n, uint32_t seed) {
    const std::vector<double> x = uniform(2 * n, -1, 1, seed);
    Slots s(n);
    for (size_t i = 0; i < n; i++) s[i] = { x[2 * i], x[2 * i + 1] };
    return s;
}

Diagonals random_diagonals(uint32_t n, int32_t step, const mzv_params &params) {
    Diagonals m;
    m.step = step;
    for (uint32_t d = 0; d < n; d++) m.d.push_back(random_slots(slots_of(params), 100 + d));
    return m;
}

/* A transform on its evaluator. */
struct Transform {
    mzv_transform *t = nullptr;
    Transform(mzv_evaluator *ev, uint32_t level, const mzv_transform_spec &spec) {
        EXPECT_EQ(mzv_transform_create(&t, ev, level, &spec), MZV_OK) << mzv_last_error();
    }
    ~Transform() { mzv_transform_destroy(t); }
    const mzv_transform_facts &facts() const { return *mzv_transform_about(t); }
};

Job job_of(Diagonals &m, const mzv_params &params, uint32_t level, uint32_t at, uint32_t n_baby) {
    Job job;
    job.params = params;
    job.in.push_back(random_slots(slots_of(params), 9));
    job.level.push_back(level);
    job.run = [&m, at, n_baby](mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *x) {
        const Transform t(ev, at, m.spec(n_baby));
        return mzv_transform_run(ev, out, x[0], t.t);
    };
    job.request = [&m, params, at, n_baby](mzv_key_request *r) {
        mzv_evaluator *ev = nullptr;
        EXPECT_EQ(mzv_evaluator_create_count(&ev, &params), MZV_OK);
        mzv_status status;
        {
            const Transform t(ev, at, m.spec(n_baby));
            status = mzv_transform_request(t.t, r);
        }
        mzv_evaluator_destroy(ev);
        return status;
    };
    return job;
}

void expect_transform(Diagonals &m, const mzv_params &params, uint32_t n_baby) {
    const Job job = job_of(m, params, 2, 2, n_baby);
    /* n terms of size up to 2, each with a few roundings of complex doubles */
    EXPECT_LE(worst(run_clear(job), m.apply(job.in[0])), (double)m.d.size() * 16 * 0x1p-53)
        << m.d.size() << " diagonals, step " << m.step << ", " << n_baby << " baby steps";
}

TEST(Linear, AgreesWithItsDefinition) {
    const mzv_params params = toy(2);
    const struct {
        uint32_t n;
        int32_t step;
    } shapes[] = {
        { 1, 1 }, { 2, 1 }, { 3, -1 }, { 16, 64 }, { 32, -32 }, { 48, 16 }, { 64, 16 }, { 100, 3 }
    };
    for (const auto &shape : shapes) {
        Diagonals m = random_diagonals(shape.n, shape.step, params);
        for (uint32_t n_baby : { 0u, 1u, 4u, 8u, 128u }) expect_transform(m, params, n_baby);
    }
}

TEST(Linear, AWholeMatrix) {
    const mzv_params params = toy(2);
    Diagonals m = random_diagonals(slots_of(params), 1, params);
    expect_transform(m, params, 0);
}

TEST(Linear, ZeroDiagonalsAreLeftOut) {
    const mzv_params params = toy(2);
    Diagonals m = random_diagonals(64, 4, params);
    for (uint32_t d = 0; d < 64; d++)
        if (d % 8 > 1 || d >= 40) m.d[d].clear(); /* two of eight, up to 33 */
    expect_transform(m, params, 0);
    expect_transform(m, params, 8);
    Machine machine;
    machine.clear(params, 0, 0);
    const Transform t(machine.ev, 2, m.spec(8));
    EXPECT_EQ(t.facts().n_diagonals, 10u);
    EXPECT_EQ(t.facts().n_rotations, 1u);
    EXPECT_EQ(t.facts().n_giant, 5u);
    EXPECT_EQ(t.facts().n_keys, 2u);
    EXPECT_DOUBLE_EQ(t.facts().cost, 0.3 + 4);
}

/* The choice is the cheapest of all powers of two. */
TEST(Linear, BabyStepsAreChosenByCost) {
    const mzv_params params = toy(2);
    Machine machine;
    machine.clear(params, 0, 0);
    for (uint32_t n : { 1u, 2u, 5u, 16u, 64u, 128u, 200u }) {
        Diagonals m = random_diagonals(n, 1, params);
        const Transform best(machine.ev, 2, m.spec());
        for (uint32_t b = 1; b <= 256; b *= 2) {
            const Transform t(machine.ev, 2, m.spec(b));
            EXPECT_LE(best.facts().cost, t.facts().cost) << n << " diagonals, " << b << " baby steps";
        }
        EXPECT_EQ(best.facts().level, 2u);
    }
}

TEST(Linear, CostsWhatItSays) {
    const mzv_params params = toy(2);
    Diagonals m = random_diagonals(64, 4, params);
    const mzv_circuit_cost cost = measure(job_of(m, params, 2, 2, 16));
    EXPECT_EQ(cost.counts.n_linear, 1u);
    EXPECT_EQ(cost.counts.n_key_switch, 15u + 3u);
    EXPECT_EQ(cost.counts.n_mod_up, 1u + 3u);
    EXPECT_EQ(cost.levels, 1u);
}

/* Its request is what a run on count asks for. */
TEST(Linear, RequestsTheKeysThatItUses) {
    const mzv_params params = toy(3);
    Diagonals m = random_diagonals(40, -8, params);
    m.d[3].clear();
    const Job job = job_of(m, params, 3, 2, 8);
    mzv_key_request *said = nullptr, *used = nullptr;
    ASSERT_EQ(mzv_key_request_create(&said), MZV_OK);
    ASSERT_EQ(mzv_key_request_create(&used), MZV_OK);
    mzv_circuit_cost cost = {};
    const mzv_circuit_call call = job.call();
    ASSERT_EQ(mzv_circuit_measure(&cost, used, &params, &call), MZV_OK);
    ASSERT_EQ(job.request(said), MZV_OK);
    const auto keys = [&params](const mzv_key_request *r) {
        std::set<std::pair<uint32_t, uint32_t>> s;
        for (uint32_t i = 0; i < r->n; i++)
            s.insert({ (uint32_t)r->need[i].steps & (slots_of(params) - 1), r->need[i].level });
        return s;
    };
    EXPECT_EQ(keys(said), keys(used));
    EXPECT_EQ(keys(said).size(), 8u);
    mzv_key_request_destroy(said);
    mzv_key_request_destroy(used);
}

TEST(Linear, EncryptedNoiseIsPredicted) {
    const mzv_params params = toy(3);
    for (uint32_t n : { 1u, 7u, 64u }) {
        SCOPED_TRACE(n);
        Diagonals m = random_diagonals(n, n == 7 ? -3 : 16, params);
        expect_predicted(job_of(m, params, 3, n == 7 ? 2 : 3, 0));
    }
}

TEST(Linear, RejectsWhatItCannotDo) {
    const mzv_params params = toy(2);
    Machine machine;
    machine.clear(params, 0, 0);
    Diagonals m = random_diagonals(4, 1, params);
    mzv_transform *t = nullptr;
    const auto create = [&](const mzv_transform_spec &spec, uint32_t level) {
        return mzv_transform_create(&t, machine.ev, level, &spec);
    };
    EXPECT_EQ(create(m.spec(), 0), MZV_ERR_LEVEL);
    EXPECT_EQ(create(m.spec(), 3), MZV_ERR_LEVEL);
    EXPECT_EQ(create(m.spec(3), 2), MZV_ERR_ARGUMENT);
    m.step = 0;
    EXPECT_EQ(create(m.spec(), 2), MZV_ERR_ARGUMENT);
    m.step = 512;
    EXPECT_EQ(create(m.spec(), 2), MZV_ERR_ARGUMENT);
    m.step = 1;
    for (Slots &d : m.d) d.clear();
    EXPECT_EQ(create(m.spec(), 2), MZV_ERR_ARGUMENT);
    EXPECT_NE(std::string(mzv_last_error()).find("all 4 diagonals are zero"), std::string::npos);
    mzv_transform_spec failing = m.spec();
    failing.diagonal = [](void *, mzv_complex *, uint32_t d) { return d == 2 ? MZV_ERR_IO : MZV_OK; };
    EXPECT_EQ(create(failing, 2), MZV_ERR_IO);
    EXPECT_EQ(t, nullptr);
    mzv_transform_destroy(t);
}

} // namespace
