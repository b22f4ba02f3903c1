/* Bootstrapping on the toy set: what comes out against what went in, the prediction, levels, keys, scratch,
 * refusals. Messages are the oracle of their own bootstrap. */
#include "base/temporary.h"
#include "circuit/boot_helpers.h"
#include "circuit/deep_helpers.h"
#include "ckks/context.h"

using namespace boot_test;

namespace {

const uint32_t n = 1024; // slots of toy-boot

std::vector<mzv_boot_spec> all_specs(std::initializer_list<uint32_t> n_slots) {
    std::vector<mzv_boot_spec> specs;
    for (const uint32_t m : n_slots)
        for (const auto &s : { coeffs_first(false, m), coeffs_first(true, m), slots_first(m) })
            specs.push_back(s);
    return specs;
}

uint32_t period(const mzv_boot_spec &s) { return s.n_slots == 0 ? n : s.n_slots; }

double magnitude(const mzv_boot_spec &s) { return s.magnitude == 0 ? 1 : s.magnitude; }

/* `batch` random messages, the last ones real where `real` of them are. */
Slots messages(const mzv_boot_spec &s, uint32_t batch, uint32_t seed) {
    Slots all;
    for (uint32_t b = 0; b < batch; b++) {
        const Slots z = b + 1 == batch && batch > 1 ? real_slots(n, period(s), magnitude(s), seed + b)
                                                    : complex_slots(n, period(s), magnitude(s), seed + b);
        all.insert(all.end(), z.begin(), z.end());
    }
    return all;
}

// Complex messages and a real one, each entry of a batch its own. Slots first, the worst slot is one with I =
// 6 (eval_mod.c), one coefficient of 2000: enough messages that there are some.
void expect_as_predicted(const mzv_boot_spec &s, uint32_t batch) {
    if (s.order == MZV_BOOT_SLOTS_FIRST && s.iterations < 2 && period(s) >= 256) batch = 8 * n / period(s);
    const mzv_params p = named("toy-boot");
    Boots b;
    b.ckks(p, s, batch);
    ASSERT_NE(b.boot, nullptr) << name_of(s);
    const Slots z = messages(s, batch, 3);
    expect_predicted(compare(b.refreshed(z), z), p, s, batch, batch * period(s));
}

TEST(Boot, FullSlotsAsPredicted) {
    for (const mzv_boot_spec &s : all_specs({ 0 })) expect_as_predicted(s, 2);
}

TEST(Boot, HundredsOfSlotsAsPredicted) {
    for (const mzv_boot_spec &s : all_specs({ 256 })) expect_as_predicted(s, 2);
}

// So few that the mean over them wanders: more messages.
TEST(Boot, FewSlotsAsPredicted) {
    for (const mzv_boot_spec &s : all_specs({ 32, 4, 2 })) expect_as_predicted(s, 8);
}

TEST(Boot, MagnitudesAsPredicted) {
    for (const double m : { 1.0 / 64, 20.0 })
        for (mzv_boot_spec s : all_specs({ 0, 256 })) {
            s.magnitude = m;
            s.coefficient = s.order == MZV_BOOT_COEFFS_FIRST && !s.spread ? 0.25 : 0;
            expect_as_predicted(s, 2);
        }
}

TEST(Boot, TwoIterationsAsPredicted) {
    for (mzv_boot_spec s : all_specs({ 0, 8 })) {
        s.iterations = 2;
        expect_as_predicted(s, s.n_slots == 8 ? 8 : 2);
    }
}

TEST(Boot, SecondIterationAddsBitsAndTakesALevel) {
    const mzv_params p = named("toy-boot");
    for (mzv_boot_spec s : all_specs({ 0 })) {
        mzv_boot_precision once, twice;
        Boots a, b;
        a.clear(p, s, 0);
        ASSERT_EQ(mzv_boot_predict(&once, &p, &s, 5), MZV_OK);
        s.iterations = 2;
        b.clear(p, s, 0);
        ASSERT_EQ(mzv_boot_predict(&twice, &p, &s, 5), MZV_OK);
        EXPECT_EQ(b.facts().in_level, a.facts().in_level + 1);
        EXPECT_EQ(b.facts().out_level, a.facts().out_level - 1);
        EXPECT_GT(twice.mean_bits, once.mean_bits + 5) << name_of(s);
    }
}

// facts.noise: the deviation of a part, where the sine's bend does not show (small random messages).
TEST(Boot, NoiseIsTheFactsNoise) {
    const mzv_params p = named("toy-boot");
    for (const mzv_boot_spec &s : all_specs({ 0, 256 })) {
        Boots b;
        b.ckks(p, s, 8);
        const Slots z = complex_slots(8 * n, period(s), 0.25, 8);
        EXPECT_NEAR(compare(b.refreshed(z), z).deviation / b.facts().noise, 1, 0.3) << name_of(s);
    }
}

// Two real vectors x + i y take one bootstrap; the parts stay apart.
TEST(Boot, TwoRealVectorsInOne) {
    const mzv_params p = named("toy-boot");
    for (const mzv_boot_spec &s : { coeffs_first(true), slots_first() }) {
        Boots b;
        b.ckks(p, s);
        const std::vector<double> x = circuit_test::uniform(n, -1, 1, 1), y = circuit_test::grid(n, -1, 1);
        Slots z(n);
        for (uint32_t i = 0; i < n; i++) z[i] = { x[i], y[i] };
        const Slots got = b.refreshed(z);
        const double limit = std::exp2(2 - predicted(p, s, 8).worst_bits);
        for (uint32_t i = 0; i < n; i++) {
            ASSERT_NEAR(got[i].real(), x[i], limit) << i;
            ASSERT_NEAR(got[i].imag(), y[i], limit) << i;
        }
    }
}

/* Messages of the largest magnitude whose coefficients are as uneven as can be. */
std::vector<std::pair<std::string, Slots>> structured(uint32_t m, double size) {
    std::vector<std::pair<std::string, Slots>> all;
    const auto add = [&](const char *name, const std::function<std::complex<double>(uint32_t)> &slot) {
        Slots z(n);
        for (uint32_t i = 0; i < n; i++) z[i] = size * slot(i % m);
        all.push_back({ name, z });
    };
    add("zero", [](uint32_t) { return 0; });
    add("one", [](uint32_t) { return 1; });
    add("1 + i", [](uint32_t) { return std::complex<double>(1, 1); });
    add("-1 - i", [](uint32_t) { return std::complex<double>(-1, -1); });
    add("alternating", [](uint32_t i) { return i % 2 ? -1 : 1; });
    add("halves", [m](uint32_t i) { return i < m / 2 ? -1 : 1; });
    add("a single slot", [](uint32_t i) { return i == 3 ? std::complex<double>(1, -1) : 0; });
    uint64_t power = 1;
    std::vector<std::complex<double>> roots; // of the monomial Y^3: xi^(3 5^j)
    for (uint32_t j = 0; j < m; j++, power = power * 5 % (4 * m))
        roots.push_back(std::polar(1.0, 2 * M_PI * (double)(3 * power % (4 * m)) / (4 * m)));
    add("a monomial", [roots](uint32_t i) { return roots[i]; });
    return all;
}

/* Deviation that the bend of the sine leaves on a slot of a spread message with |slots| = sqrt(2) magnitude:
 * normal coefficients of deviation magnitude / sqrt(m), E x^10 = 945; facts.sine_error is that of 7.5
 * deviations. */
// Deviations of one message are allowed a bit: a coefficient with I = 6, of which there may be a few, counts
// as 135 others.
double spread_bend(const mzv_boot_facts &f) {
    return std::sqrt(945.0 * f.n_slots) * f.sine_error / std::pow(std::fmin(7.5, std::sqrt(f.n_slots)), 5);
}

TEST(Boot, StructuredMessagesKeepTheirPrecision) {
    const mzv_params p = named("toy-boot");
    for (const double size : { 1.0, 8.0 })
        for (mzv_boot_spec s :
             { coeffs_first(true), coeffs_first(true, 256), slots_first(), slots_first(256) }) {
            s.magnitude = size;
            Boots b;
            b.ckks(p, s);
            for (const auto &[name, z] : structured(period(s), size)) {
                const Error e = compare(b.refreshed(z), z);
                const mzv_boot_facts &f = b.facts();
                const double bend = s.spread ? spread_bend(f) : f.sine_error;
                EXPECT_LE(e.deviation, 2 * std::hypot(f.noise, bend)) << name_of(s) << ": " << name;
                // Slots first: where I = 6 the deviation of a slot is 500 divisions (eval_mod.c), 12 times
                // facts.noise.
                EXPECT_LE(e.part, s.spread ? 8 * std::hypot(bend, f.noise) : bend + 8 * 12 * f.noise)
                    << name_of(s) << ": " << name;
            }
        }
}

// Not spread: a constant is one coefficient, at the bound; its bend is facts.sine_error and no more.
TEST(Boot, CoefficientsAtTheirBound) {
    const mzv_params p = named("toy-boot");
    for (mzv_boot_spec s : { coeffs_first(), coeffs_first(false, 256) }) {
        s.magnitude = 16; // q_0 / 2^5 scales: 1/32 of a turn
        Boots b;
        b.ckks(p, s);
        for (const auto &[name, z] : structured(period(s), 16)) {
            if (name != "one" && name != "1 + i" && name != "a monomial") continue;
            const Error e = compare(b.refreshed(z), z);
            EXPECT_LE(e.part, std::sqrt(2) * b.facts().sine_error + 8 * b.facts().noise) << name;
            EXPECT_GE(e.part, 0.5 * b.facts().sine_error) << name << ": the bend is where theory has it";
        }
    }
}

TEST(Boot, InputsAtHigherLevels) {
    const mzv_params p = named("toy-boot");
    const mzv_param_facts facts = facts_of(p);
    for (const mzv_boot_spec &s : { coeffs_first(), coeffs_first(true), slots_first() }) {
        Boots b;
        b.ckks(p, s);
        const Slots z = complex_slots(n, n, 1, 2);
        for (uint32_t level = b.facts().in_level; level <= facts.message_levels; level += 4) {
            const Error e = compare(b.refreshed(z, level), z);
            const double bend = s.spread ? spread_bend(b.facts()) : b.facts().sine_error;
            EXPECT_LE(e.deviation, 2 * std::hypot(b.facts().noise, bend))
                << name_of(s) << ", level " << level;
        }
    }
}

TEST(Boot, LevelsAreThoseOfTheSet) {
    const mzv_params p = named("toy-boot");
    const uint32_t top = facts_of(p).message_levels; // 15
    EXPECT_EQ(top, 15u);
    const struct {
        mzv_boot_spec spec;
        uint32_t in, out;
    } cases[] = { { coeffs_first(), 0, top - 2 },
                  { coeffs_first(true), 1, top - 2 },
                  { slots_first(), 3, top },
                  { coeffs_first(false, 4), 0, top - 1 } };
    for (const auto &c : cases) {
        Boots b;
        b.clear(p, c.spec, 0);
        EXPECT_EQ(b.facts().in_level, c.in) << name_of(c.spec);
        EXPECT_EQ(b.facts().out_level, c.out) << name_of(c.spec);
        EXPECT_EQ(b.facts().k, 16u);
        const mzv_refresh *r = mzv_boot_refresh(b.boot);
        EXPECT_EQ(r->in_level, c.in);
        EXPECT_EQ(r->out_level, c.out);
        EXPECT_EQ(r->magnitude, 1);
    }
}

TEST(Boot, SameBytesOnTheSecondRun) {
    const mzv_params p = named("toy-boot");
    Boots b;
    Temporary dir;
    b.ckks(p, coeffs_first(true));
    const mzv_cipher *a = b.m.put(complex_slots(n, n, 1, 2), 1);
    Bytes bytes[2];
    for (uint32_t i = 0; i < 2; i++) {
        mzv_cipher *out = b.m.empty(b.facts().out_level);
        ASSERT_EQ(b.run(out, a), MZV_OK) << mzv_last_error();
        ASSERT_EQ(mzv_cipher_save(out, b.m.ctx, dir.path("out").c_str()), MZV_OK) << mzv_last_error();
        bytes[i] = slurp(dir.path("out"));
    }
    EXPECT_EQ(bytes[0], bytes[1]);
}

// Kept diagonals save transforms, not meaning.
TEST(Boot, KeptDiagonalsGiveTheSame) {
    const mzv_params p = named("toy-boot");
    mzv_boot_spec keep = coeffs_first(true);
    Boots b;
    b.ckks(p, keep);
    keep.keep = true;
    mzv_boot *kept = nullptr;
    ASSERT_EQ(mzv_boot_create(&kept, b.m.ev, &keep), MZV_OK) << mzv_last_error();
    const mzv_cipher *a = b.m.put(complex_slots(n, n, 1, 2), 1);
    mzv_cipher *plain = b.m.empty(b.facts().out_level), *fast = b.m.empty(b.facts().out_level);
    ASSERT_EQ(b.run(plain, a), MZV_OK) << mzv_last_error();
    ASSERT_EQ(mzv_boot_run(b.m.ev, fast, a, kept), MZV_OK) << mzv_last_error();
    EXPECT_EQ(b.m.get(plain), b.m.get(fast));
    mzv_boot_destroy(kept);
}

/* out = 0.75 - a^2, rotated by one: keeps [-1, 1], and neighbours near 1/2 do not drift. One level. */
mzv_status step(mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *a) {
    mzv_status status = mzv_mul(ev, out, a, a);
    if (status == MZV_OK) status = mzv_negate(ev, out, out);
    if (status == MZV_OK) status = mzv_add_const(ev, out, out, 0.75);
    return status == MZV_OK ? mzv_rotate(ev, out, out, 1) : status;
}

Slots stepped(Slots z) {
    for (auto &slot : z) slot = 0.75 - slot * slot;
    for (size_t b = 0; b < z.size(); b += n) std::rotate(z.begin() + b, z.begin() + b + 1, z.begin() + b + n);
    return z;
}

/* `rounds` times: bootstrap, then ten levels of steps. Keys and scratch of the same run on count, whose
 * output is x. */
mzv_status chain(mzv_evaluator *ev, mzv_cipher *x, const mzv_cipher *a, const mzv_boot *boot,
                 uint32_t rounds) {
    mzv_cipher *low = nullptr, *fresh = nullptr;
    const uint32_t batch = mzv_cipher_batch(a);
    mzv_status status = mzv_evaluator_cipher(&low, ev, mzv_boot_about(boot)->out_level, batch);
    if (status == MZV_OK) status = mzv_evaluator_cipher(&fresh, ev, mzv_boot_about(boot)->out_level, batch);
    if (status == MZV_OK) status = mzv_copy(ev, low, a);
    for (uint32_t r = 0; r < rounds && status == MZV_OK; r++) {
        status = mzv_boot_run(ev, fresh, low, boot);
        for (uint32_t i = 0; i < 10 && status == MZV_OK; i++) status = step(ev, i == 9 ? low : fresh, fresh);
    }
    if (status == MZV_OK) status = mzv_copy(ev, x, low);
    mzv_cipher_destroy(low);
    mzv_cipher_destroy(fresh);
    return status;
}

/* The chain as a circuit of its own, its boot made on whatever evaluator it runs on. */
struct Chain {
    mzv_boot_spec spec;
    uint32_t rounds;
    static mzv_status run(void *user, mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *in) {
        const Chain *c = static_cast<const Chain *>(user);
        mzv_boot *boot = nullptr;
        mzv_status status = mzv_boot_create(&boot, ev, &c->spec);
        if (status == MZV_OK) status = chain(ev, out, in[0], boot, c->rounds);
        mzv_boot_destroy(boot);
        return status;
    }
};

Slots chained(Machine *m, Chain c, const Slots &z) {
    const mzv_cipher *a = m->put(z, 4);
    mzv_cipher *out = m->empty(15, mzv_cipher_batch(a));
    EXPECT_EQ(Chain::run(&c, m->ev, out, &a), MZV_OK) << mzv_last_error();
    return m->get(out);
}

TEST(Boot, FiveBootstrapsWithTenLevelsBetween) {
    const mzv_params p = named("toy-boot");
    for (const mzv_boot_spec &s : { coeffs_first(true), slots_first() }) {
        Chain c = { s, 5 };
        mzv_circuit_call call = { Chain::run, &c, 1, { 4 } };
        mzv_circuit_cost cost;
        mzv_key_request *request = nullptr;
        ASSERT_EQ(mzv_key_request_create(&request), MZV_OK);
        ASSERT_EQ(mzv_circuit_measure(&cost, request, &p, &call), MZV_OK) << mzv_last_error();
        Machine encrypted, noisy;
        const uint32_t batch = 4;
        encrypted.ckks(p, request, batch * cost.counts.peak_bytes);
        mzv_key_request_destroy(request);
        noisy.clear(p, 5, (size_t)batch * 64 * 16 * n);
        Slots expected = real_slots((size_t)batch * n, (size_t)batch * n, 1, 6);
        const Slots found = chained(&encrypted, c, expected), predicted = chained(&noisy, c, expected);
        for (uint32_t i = 0; i < 50; i++) expected = stepped(expected);
        const Error e = compare(found, expected), q = compare(predicted, expected);
        printf("    chain, %s: mean %.2f bits (predicted %.2f), worst %.2f (%.2f)\n", name_of(s).c_str(),
               e.mean_bits(), q.mean_bits(), e.worst_bits(), q.worst_bits());
        EXPECT_NEAR(e.mean_bits(), q.mean_bits(), 2);
        EXPECT_NEAR(e.worst_bits(), q.worst_bits(), 2);
        EXPECT_GT(e.mean_bits(), 17);
    }
}

/* 25 steps, refreshed wherever no level is left. */
mzv_status deep(void *, mzv_evaluator *ev, mzv_cipher *out, const mzv_cipher *const *in) {
    const mzv_cipher *x = in[0];
    mzv_status status = MZV_OK;
    for (uint32_t i = 0; i < 25 && status == MZV_OK; i++) {
        const size_t mark = mzv_ev_mark(ev);
        mzv_cipher room;
        status = mzv_circuit_fresh(ev, &x, &room, x, ev->refresh->in_level + 1);
        if (status == MZV_OK) status = step(ev, out, x);
        mzv_ev_release(ev, mark);
        x = out;
    }
    return status;
}

TEST(Boot, RefresherInACircuitDeeperThanTheChain) {
    const mzv_params p = named("toy-boot");
    const mzv_boot_spec s = slots_first();
    mzv_evaluator *count = nullptr;
    mzv_boot *plan = nullptr;
    mzv_key_request *request = nullptr;
    mzv_circuit_cost cost;
    const mzv_circuit_call call = { deep, nullptr, 1, { 9 } };
    ASSERT_EQ(mzv_evaluator_create_count(&count, &p), MZV_OK);
    ASSERT_EQ(mzv_boot_create(&plan, count, &s), MZV_OK) << mzv_last_error();
    ASSERT_EQ(mzv_key_request_create(&request), MZV_OK);
    ASSERT_EQ(mzv_circuit_measure_refreshed(&cost, request, &p, &call, mzv_boot_refresh(plan)), MZV_OK)
        << mzv_last_error();
    mzv_boot_destroy(plan);
    mzv_evaluator_destroy(count);

    Boots b;
    b.m.ckks(p, request, cost.counts.peak_bytes);
    mzv_key_request_destroy(request);
    ASSERT_EQ(mzv_boot_create(&b.boot, b.m.ev, &s), MZV_OK) << mzv_last_error();
    Slots z = real_slots(n, n, 1, 6);
    const mzv_cipher *a = b.m.put(z, 9);
    mzv_cipher *out = b.m.empty(15);
    ASSERT_EQ(mzv_circuit_fresh(b.m.ev, &a, nullptr, a, 10), MZV_ERR_LEVEL) << "none attached";
    b.m.ev->refresh = mzv_boot_refresh(b.boot);
    ASSERT_EQ(deep(nullptr, b.m.ev, out, &a), MZV_OK) << mzv_last_error();
    for (uint32_t i = 0; i < 25; i++) z = stepped(z);
    EXPECT_GT(compare(b.m.get(out), z).mean_bits(), 20);
}

/* Levels lowered by one: the run must miss the key, and name it. */
TEST(Boot, MeasuredKeysAreExactlyEnough) {
    const mzv_params p = named("toy-boot");
    for (const mzv_boot_spec &s : { coeffs_first(true), slots_first(64) }) {
        Boots b;
        b.ckks(p, s); // passes with only those
        const mzv_cipher *a = b.m.put(complex_slots(n, period(s), 1, 2), b.facts().in_level);
        mzv_cipher *out = b.m.empty(b.facts().out_level);
        ASSERT_EQ(b.run(out, a), MZV_OK) << mzv_last_error();
        for (uint32_t i = 0; i < b.m.keys->n; i++) {
            mzv_ksk *key = &b.m.keys->key[i];
            if (key->level == 0) continue; // to the sparse secret: there is no lower one
            key->level--;
            EXPECT_EQ(b.run(out, a), MZV_ERR_KEY) << "galois " << key->galois;
            EXPECT_NE(strstr(mzv_last_error(), std::to_string(key->galois).c_str()), nullptr)
                << mzv_last_error();
            key->level++;
        }
    }
}

TEST(Boot, KeysOfAnotherPlanAreRefused) {
    const mzv_params p = named("toy-boot");
    mzv_key_request *request = nullptr;
    ASSERT_EQ(mzv_key_request_create(&request), MZV_OK);
    ASSERT_EQ(mzv_request_sparse(request, p.n_levels), MZV_OK);
    Boots b;
    const mzv_boot_spec s = coeffs_first();
    ASSERT_EQ(mzv_boot_measure(&b.cost, nullptr, &p, &s), MZV_OK);
    b.m.ckks(p, request, b.cost.counts.peak_bytes);
    mzv_key_request_destroy(request);
    ASSERT_EQ(mzv_boot_create(&b.boot, b.m.ev, &s), MZV_OK);
    mzv_cipher *out = b.m.empty(13);
    EXPECT_EQ(b.run(out, b.m.put(complex_slots(n, n, 1, 2), 0)), MZV_ERR_KEY);
    EXPECT_NE(strstr(mzv_last_error(), "galois"), nullptr) << mzv_last_error();
}

TEST(Boot, TooLittleScratchIsAnErrorAndLeavesTheOutput) {
    const mzv_params p = named("toy-boot");
    const mzv_boot_spec s = coeffs_first(true);
    mzv_key_request *request = nullptr;
    ASSERT_EQ(mzv_key_request_create(&request), MZV_OK);
    Boots b;
    ASSERT_EQ(mzv_boot_measure(&b.cost, request, &p, &s), MZV_OK);
    b.m.ckks(p, request, b.cost.counts.peak_bytes - 4096);
    mzv_key_request_destroy(request);
    ASSERT_EQ(mzv_boot_create(&b.boot, b.m.ev, &s), MZV_OK);
    const Slots z = complex_slots(n, n, 1, 2), before = complex_slots(n, n, 1, 3);
    mzv_cipher *out = b.m.put(before, b.facts().out_level);
    const Slots held = b.m.get(out);
    const size_t mark = mzv_ev_mark(b.m.ev);
    EXPECT_EQ(b.run(out, b.m.put(z, 1)), MZV_ERR_MEMORY);
    EXPECT_NE(strstr(mzv_last_error(), "scratch"), nullptr) << mzv_last_error();
    EXPECT_EQ(mzv_ev_mark(b.m.ev), mark);
    EXPECT_EQ(b.m.get(out), held);
}

TEST(Boot, RunsRefuse) {
    const mzv_params p = named("toy-boot");
    Boots b;
    b.ckks(p, slots_first());
    mzv_cipher *a = b.m.put(complex_slots(n, n, 1, 2), b.facts().in_level),
               *low = b.m.put(complex_slots(n, n, 1, 2), b.facts().in_level - 1);
    mzv_cipher *out = b.m.empty(b.facts().out_level), *small = b.m.empty(b.facts().out_level - 1);
    EXPECT_EQ(b.run(out, low), MZV_ERR_LEVEL);
    EXPECT_EQ(b.run(a, a), MZV_ERR_ARGUMENT);
    EXPECT_NE(b.run(small, a), MZV_OK) << "no room for the result's level";
    EXPECT_EQ(b.run(out, a), MZV_OK) << mzv_last_error();
}

TEST(Boot, PlansRefuse) {
    const struct {
        const char *params;
        std::function<void(mzv_boot_spec *)> spoil;
        mzv_status status;
        const char *message;
    } cases[] = {
        { "n13-leveled", [](mzv_boot_spec *) {}, MZV_ERR_PARAMS, "n16-boot" },
        { "toy-boot", [](mzv_boot_spec *s) { s->order = MZV_BOOT_SLOTS_FIRST, s->spread = true; },
          MZV_ERR_ARGUMENT, "signs" },
        { "toy-boot", [](mzv_boot_spec *s) { s->magnitude = -1; }, MZV_ERR_ARGUMENT, "magnitude -1" },
        { "toy-boot", [](mzv_boot_spec *s) { s->magnitude = NAN; }, MZV_ERR_ARGUMENT, "magnitude nan" },
        { "toy-boot", [](mzv_boot_spec *s) { s->magnitude = 0x1p21; }, MZV_ERR_ARGUMENT, "need 0 to 2^20" },
        { "toy-boot", [](mzv_boot_spec *s) { s->magnitude = 1000; }, MZV_ERR_PARAMS,
          "coefficients up to 1000" },
        { "toy-boot", [](mzv_boot_spec *s) { s->coefficient = 1.5; }, MZV_ERR_ARGUMENT, "coefficient 1.5" },
        { "toy-boot", [](mzv_boot_spec *s) { s->iterations = 3; }, MZV_ERR_ARGUMENT, "3 iterations" },
        { "toy-boot", [](mzv_boot_spec *s) { s->n_slots = 3; }, MZV_ERR_ARGUMENT, "3 slots" },
        { "toy-boot", [](mzv_boot_spec *s) { s->n_slots = 1; }, MZV_ERR_ARGUMENT, "1 slots" },
        { "toy-boot", [](mzv_boot_spec *s) { s->n_slots = 2 * n; }, MZV_ERR_ARGUMENT, "2048 slots" },
        { "toy-boot", [](mzv_boot_spec *s) { s->n_slot_to_coeff = 16; }, MZV_ERR_LEVEL, "SlotToCoeff" },
        { "toy-boot", [](mzv_boot_spec *s) { s->n_slots = 4, s->n_slot_to_coeff = 3; }, MZV_ERR_ARGUMENT,
          "3 groups" },
    };
    for (const auto &c : cases) {
        Machine m;
        m.clear(named(c.params), 0, 0);
        const int64_t live = mzv_alloc_live();
        mzv_boot_spec s = {};
        mzv_boot *boot = nullptr;
        c.spoil(&s);
        EXPECT_EQ(mzv_boot_create(&boot, m.ev, &s), c.status) << c.message << ": " << mzv_last_error();
        EXPECT_NE(strstr(mzv_last_error(), c.message), nullptr) << c.message << ": " << mzv_last_error();
        EXPECT_EQ(boot, nullptr);
        EXPECT_EQ(mzv_alloc_live(), live);
    }
    mzv_boot_destroy(nullptr);
}

TEST(Boot, FailedAllocationsLeaveNothing) {
    const mzv_params p = named("toy-boot");
    Machine m;
    m.clear(p, 0, 0);
    for (const mzv_boot_spec &s : { coeffs_first(true, 8), slots_first(8) })
        circuit_test::fail_allocations([&] {
            mzv_boot *boot = nullptr;
            const mzv_status status = mzv_boot_create(&boot, m.ev, &s);
            EXPECT_EQ(boot != nullptr, status == MZV_OK);
            mzv_boot_destroy(boot);
            return status;
        });
    circuit_test::fail_allocations([&] {
        mzv_boot_precision out = { -1, -1 };
        const mzv_boot_spec s = slots_first(8);
        const mzv_status status = mzv_boot_predict(&out, &p, &s, 1);
        EXPECT_EQ(out.mean_bits == -1, status != MZV_OK);
        return status;
    });
}

} // namespace
