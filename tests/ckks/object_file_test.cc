// Files of secrets, keys and ciphertexts: round trips, and one test a rule that their loaders enforce.
#include <sys/stat.h>

#include <functional>

#include "base/arena.h"
#include "base/fault.h"
#include "base/sha256.h"
#include "ckks/client.h"
#include "ckks/object_forge.h"
#include "ckks/secret.h"

using namespace mzv_test;

namespace {

bool same_id(const uint8_t *a, const uint8_t *b) { return memcmp(a, b, MZV_ID_BYTES) == 0; }

class ObjectFile : public testing::Test {
  protected:
    void SetUp() override {
        ctx = make_context(toy(10));
        secret = make_secret(ctx);
        mzv_public *made = nullptr;
        MZV_OKAY(mzv_public_create(&made, secret.get()));
        key.reset(made);
        const Request request = make_request();
        MZV_OKAY(mzv_request_relinearize(request.get(), 3));
        MZV_OKAY(mzv_request_rotate(request.get(), 1, 1));
        MZV_OKAY(mzv_request_conjugate(request.get(), 2));
        mzv_keys *all = nullptr;
        MZV_OKAY(mzv_keys_create(&all, secret.get(), request.get()));
        keys.reset(all);
        slots = random_slots(2 * 512, 6);
        fresh = make_cipher(ctx, 3, 2); // room for more than level 2
        MZV_OKAY(mzv_encrypt(fresh.get(), secret.get(), raw(slots), 2));
        full = make_cipher(ctx, 1, 2);
        MZV_OKAY(mzv_encrypt_public(full.get(), key.get(), raw(slots), 1));
        MZV_OKAY(mzv_secret_save(secret.get(), path("secret").c_str()));
        MZV_OKAY(mzv_public_save(key.get(), path("public").c_str()));
        MZV_OKAY(mzv_keys_save(keys.get(), path("keys").c_str()));
        MZV_OKAY(mzv_cipher_save(fresh.get(), ctx.get(), path("fresh").c_str()));
        MZV_OKAY(mzv_cipher_save(full.get(), ctx.get(), path("full").c_str()));
    }

    std::string path(const std::string &name) const { return folder.path(name); }

    // Loads `file` as what `name` is; nothing may come out of a refusal.
    mzv_status load(const std::string &name, const std::string &file, const mzv_context *with) {
        mzv_status status = MZV_ERR_INTERNAL;
        if (name == "secret") status = load_as(mzv_secret_load, mzv_secret_destroy, file, with);
        if (name == "public") status = load_as(mzv_public_load, mzv_public_destroy, file, with);
        if (name == "keys") status = load_as(mzv_keys_load, mzv_keys_destroy, file, with);
        if (name == "fresh" || name == "full")
            status = load_as(mzv_cipher_load, mzv_cipher_destroy, file, with);
        return status;
    }

    template <typename T>
    mzv_status load_as(mzv_status (*loader)(T **, const mzv_context *, const char *), void (*destroy)(T *),
                       const std::string &file, const mzv_context *with) {
        T *object = nullptr;
        const int64_t live = mzv_alloc_live();
        const mzv_status status = loader(&object, with, file.c_str());
        EXPECT_EQ(object != nullptr, status == MZV_OK);
        if (status == MZV_OK) {
            destroy(object);
        } else {
            EXPECT_NE(std::string(mzv_last_error()).find(file), std::string::npos) << mzv_last_error();
        }
        EXPECT_EQ(mzv_alloc_live(), live);
        return status;
    }

    void refused(const std::string &name, uint32_t rule, const std::function<void(Forge &)> &edit,
                 mzv_status status = MZV_ERR_FORMAT) {
        Forge forge(path(name));
        edit(forge);
        forge.write(path("forged"));
        EXPECT_EQ(load(name, path("forged"), ctx.get()), status) << name << ": " << mzv_last_error();
        const std::string text = "rule " + std::to_string(rule) + ":";
        EXPECT_NE(std::string(mzv_last_error()).find(text), std::string::npos)
            << text << " " << mzv_last_error();
    }

    Temporary folder;
    Context ctx;
    Secret secret;
    Public key;
    Keys keys;
    Cipher fresh, full;
    Slots slots;
    const std::vector<std::string> names = { "secret", "public", "keys", "fresh", "full" };
};

TEST_F(ObjectFile, CipherComesBack) {
    for (const bool seeded : { true, false }) {
        const Cipher &ct = seeded ? fresh : full;
        mzv_cipher *loaded = nullptr;
        MZV_OKAY(mzv_cipher_load(&loaded, ctx.get(), path(seeded ? "fresh" : "full").c_str()));
        const Cipher back(loaded);
        EXPECT_EQ(back->level, ct->level);
        EXPECT_EQ(back->batch, 2u);
        EXPECT_EQ(back->scale, ct->scale);
        EXPECT_EQ(back->public_seeded, seeded);
        EXPECT_TRUE(back->insecure);
        EXPECT_TRUE(same_id(back->key_id, secret->key_id));
        const size_t n_words = (ct->level + 1) * 1024;
        std::vector<uint64_t> before(n_words), after(n_words);
        for (uint32_t t = 0; t < 2; t++) {
            for (uint32_t b = 0; b < 2; b++) {
                MZV_OKAY(mzv_cipher_read(ct.get(), before.data(), t, b));
                MZV_OKAY(mzv_cipher_read(back.get(), after.data(), t, b));
                EXPECT_EQ(before, after);
            }
        }
        Slots out(slots.size());
        MZV_OKAY(mzv_decrypt(raw(out), secret.get(), back.get()));
        EXPECT_LT(largest_part(out, slots), 1e-5);
    }
    EXPECT_LT(slurp(path("fresh")).size(), 2 * 3 * 1024 * 8 + 4096u); // a seed in place of the second half
}

TEST_F(ObjectFile, SecretComesBackAndIsPrivate) {
    struct stat st;
    ASSERT_EQ(stat(path("secret").c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 0777, 0600u);
    mzv_secret *loaded = nullptr;
    MZV_OKAY(mzv_secret_load(&loaded, ctx.get(), path("secret").c_str()));
    const Secret back(loaded);
    EXPECT_EQ(memcmp(back->coeff, secret->coeff, 1024), 0);
    EXPECT_EQ(memcmp(back->values, secret->values, 6 * 8192), 0);
    EXPECT_TRUE(same_id(back->key_id, secret->key_id));
}

TEST_F(ObjectFile, PublicKeyComesBack) {
    mzv_public *loaded = nullptr;
    MZV_OKAY(mzv_public_load(&loaded, ctx.get(), path("public").c_str()));
    const Public back(loaded);
    EXPECT_EQ(memcmp(back->b.base, key->b.base, 4 * 8192), 0);
    EXPECT_EQ(memcmp(back->a.base, key->a.base, 4 * 8192), 0);
    EXPECT_TRUE(same_id(back->key_id, secret->key_id));
}

TEST_F(ObjectFile, KeysComeBack) {
    mzv_keys *loaded = nullptr;
    MZV_OKAY(mzv_keys_load(&loaded, ctx.get(), path("keys").c_str()));
    const Keys back(loaded);
    ASSERT_EQ(back->n, 3u);
    EXPECT_EQ(back->n_words, keys->n_words);
    EXPECT_EQ(memcmp(back->words, keys->words, 8 * keys->n_words), 0);
    EXPECT_TRUE(same_id(back->key_id, secret->key_id));
    for (uint32_t i = 0; i < 3; i++) {
        EXPECT_EQ(back->key[i].galois, keys->key[i].galois);
        EXPECT_EQ(back->key[i].level, keys->key[i].level);
        EXPECT_EQ(back->key[i].n_digits, keys->key[i].n_digits);
    }
    EXPECT_LT(slurp(path("keys")).size(), 8 * keys->n_words / 2 + 8192); // halves only
}

TEST_F(ObjectFile, NoKeysAtAll) {
    const Request nothing = make_request();
    mzv_keys *none = nullptr, *loaded = nullptr;
    MZV_OKAY(mzv_keys_create(&none, secret.get(), nothing.get()));
    const Keys empty(none);
    MZV_OKAY(mzv_keys_save(empty.get(), path("none").c_str()));
    MZV_OKAY(mzv_keys_load(&loaded, ctx.get(), path("none").c_str()));
    const Keys back(loaded);
    EXPECT_EQ(mzv_keys_count(back.get()), 0u);
}

TEST_F(ObjectFile, ForgeWithoutChangeLoads) {
    for (const auto &name : names) {
        Forge(path(name)).write(path("forged"));
        EXPECT_EQ(load(name, path("forged"), ctx.get()), MZV_OK) << name << ": " << mzv_last_error();
    }
}

TEST_F(ObjectFile, Rule11TruncatedAnywhere) {
    for (const auto &name : names) {
        const Bytes all = slurp(path(name));
        for (size_t n = 0; n < all.size(); n += n < 1024 ? 37 : all.size() / 15) {
            spit(path("cut"), Bytes(all.begin(), all.begin() + (long)n));
            EXPECT_EQ(load(name, path("cut"), ctx.get()), MZV_ERR_FORMAT) << name << " cut to " << n;
        }
        Bytes longer = all;
        longer.push_back(0);
        spit(path("cut"), longer);
        EXPECT_EQ(load(name, path("cut"), ctx.get()), MZV_ERR_FORMAT) << name << " with a byte more";
    }
}

TEST_F(ObjectFile, EveryByteCounts) {
    for (const auto &name : names) {
        const Bytes all = slurp(path(name));
        for (size_t at = 0; at < all.size(); at += at < 1024 ? 29 : all.size() / 12) {
            Bytes bad = all;
            bad[at] ^= 0x10;
            spit(path("bad"), bad);
            EXPECT_NE(load(name, path("bad"), ctx.get()), MZV_OK) << name << " byte " << at;
        }
    }
}

TEST_F(ObjectFile, Rules30And31WrongKind) {
    for (const auto &file : names) {
        for (const auto &as : names) {
            if (file == as || (file[0] == 'f' && as[0] == 'f')) continue;
            EXPECT_EQ(load(as, path(file), ctx.get()), MZV_ERR_FORMAT);
            const bool is_secret = file == "secret" || as == "secret"; // a secret has a rule of its own
            const std::string text = mzv_last_error();
            EXPECT_TRUE(text.find("rule 30:") != std::string::npos ||
                        (is_secret && text.find("rule 31:") != std::string::npos))
                << text;
        }
    }
}

TEST_F(ObjectFile, Rule32InsecureUnderASecureContext) {
    mzv_params params;
    MZV_OKAY(mzv_params_named(&params, "n13-leveled"));
    const Context safe = make_context(params);
    for (const auto &name : names) {
        Forge forge(path(name));
        memcpy(forge.head.params_id, safe->facts.id, MZV_ID_BYTES);
        forge.write(path("forged"));
        EXPECT_EQ(load(name, path("forged"), safe.get()), MZV_ERR_PARAMS) << mzv_last_error();
        EXPECT_NE(std::string(mzv_last_error()).find("rule 32:"), std::string::npos) << mzv_last_error();
    }
}

TEST_F(ObjectFile, Rule33OtherParameters) {
    const Context other = make_context(toy(10, 2));
    for (const auto &name : names) {
        EXPECT_EQ(load(name, path(name), other.get()), MZV_ERR_MISMATCH) << mzv_last_error();
        EXPECT_NE(std::string(mzv_last_error()).find("rule 33:"), std::string::npos) << mzv_last_error();
    }
}

TEST_F(ObjectFile, Rule34NoKeyNamed) {
    for (const auto &name : names) {
        refused(
            name, 34, [](Forge &f) { memset(f.head.key_id, 0, MZV_ID_BYTES); }, MZV_ERR_MISMATCH);
    }
}

TEST_F(ObjectFile, Rule54OtherRing) {
    for (const auto &name : names) refused(name, 54, [](Forge &f) { f.set_u64("log_n", 11); });
}

TEST_F(ObjectFile, Rule43SecretIsTernary) {
    for (const uint8_t bad : { 2, 0xfe, 0x80, 0x7f }) {
        for (const size_t at : { 0u, 511u, 1023u })
            refused("secret", 43, [=](Forge &f) { f.part("s").bytes[at] = bad; });
    }
    refused("secret", 43, [](Forge &f) { std::fill(f.part("s").bytes.begin(), f.part("s").bytes.end(), 0); });
}

TEST_F(ObjectFile, Rule47Scale) {
    for (const double scale :
         { 0.0, -1.0, 1.0, 0x1p38 * 1.01, 0x1p100, 0x1p-1060, (double)INFINITY, std::nan("") }) {
        refused("full", 47, [=](Forge &f) { f.set_f64("scale", scale); });
    }
}

TEST_F(ObjectFile, Rule51Level) {
    for (const uint32_t level : { 4u, 63u, 0x7fffffffu, 0xffffffffu }) {
        refused("full", 51, [=](Forge &f) { f.set_u64("level", level); });
    }
}

// Level and limbs disagree: the section is as long as another level would have it.
TEST_F(ObjectFile, Rule52Limbs) {
    for (const uint32_t level : { 0u, 2u, 3u }) {
        Forge forge(path("full"));
        forge.set_u64("level", level);
        forge.set_f64("scale", ctx->facts.scale[level]);
        forge.write(path("forged"));
        EXPECT_EQ(load("full", path("forged"), ctx.get()), MZV_ERR_FORMAT);
        EXPECT_NE(std::string(mzv_last_error()).find("section c"), std::string::npos) << mzv_last_error();
    }
}

TEST_F(ObjectFile, Rule53Parts) {
    for (const uint32_t parts : { 0u, 1u, 3u, 0xffffffffu }) {
        refused("full", 53, [=](Forge &f) { f.set_u64("parts", parts); });
    }
}

// First and last word of every limb, of every polynomial.
TEST_F(ObjectFile, Rule55Residues) {
    for (const uint32_t limb : { 0u, 1u }) {
        const uint64_t prime = ctx->facts.primes[2 + limb];
        for (const char *section : { "c0", "c1" }) {
            for (const uint32_t b : { 0u, 1u }) {
                for (const size_t k : { 0u, 1023u }) {
                    const size_t word = (b * 2 + limb) * 1024 + k;
                    for (const uint64_t bad : { prime, UINT64_MAX }) {
                        refused("full", 55, [&](Forge &f) { f.part(section).set_word(word, bad); });
                    }
                }
            }
        }
    }
    for (uint32_t limb = 0; limb < 4; limb++) {
        const uint64_t prime = ctx->facts.primes[2 + limb];
        refused("public", 55, [&](Forge &f) { f.part("b").set_word(limb * 1024 + 1023, prime); });
    }
    for (uint32_t i = 0; i < 3; i++) {
        const mzv_ksk &ksk = keys->key[i];
        const uint32_t n_rows = mzv_basis_size(ksk.pair[0].basis);
        for (uint32_t row = 0; row < ksk.n_digits * n_rows; row++) {
            const uint64_t prime = ctx->facts.primes[row % n_rows];
            refused("keys", 55, [&](Forge &f) { f.part("b", i).set_word(row * 1024, prime); });
        }
    }
}

TEST_F(ObjectFile, Rule57SeedOrSecondHalf) {
    refused("full", 57, [](Forge &f) { f.drop_part("c1"); });
    refused("fresh", 57, [](Forge &f) { f.drop_part("seed"); });
    refused("fresh", 57, [](Forge &f) { f.parts.push_back(Part { "c1", 0, f.part("c0").bytes }); });
    for (const uint32_t n : { 1u, 16u, 31u, 33u }) {
        Forge forge(path("fresh"));
        forge.part("seed").bytes.resize(n);
        forge.write(path("forged"));
        EXPECT_EQ(load("fresh", path("forged"), ctx.get()), MZV_ERR_FORMAT);
        EXPECT_NE(std::string(mzv_last_error()).find("seed"), std::string::npos) << mzv_last_error();
    }
}

TEST_F(ObjectFile, Rule58Transparent) {
    refused("full", 58, [](Forge &f) { std::fill(f.part("c1").bytes.begin(), f.part("c1").bytes.end(), 0); });
    // One limb of one ciphertext of the batch.
    refused("full", 58, [](Forge &f) { std::fill_n(f.part("c1").bytes.begin() + 3 * 8192, 8192, 0); });
}

TEST_F(ObjectFile, Rule62Batch) {
    for (const uint32_t batch : { 0u, (1u << 20) + 1, 0x80000000u, 0xffffffffu }) {
        refused("full", 62, [=](Forge &f) { f.set_u64("batch", batch); });
    }
    for (const uint64_t batch : { UINT64_C(1) << 32, UINT64_C(1) << 63, UINT64_MAX }) { // not of 32 bits
        refused("full", 40, [=](Forge &f) { f.set_u64("batch", batch); });
    }
    Forge forge(path("full")); // a batch that the file does not hold, refused before it is allocated
    forge.set_u64("batch", 1 << 20);
    forge.write(path("forged"));
    EXPECT_EQ(load("full", path("forged"), ctx.get()), MZV_ERR_FORMAT);
}

// A record of the table is 12 words of 32 bits: galois, level, digits, 0, seed.
TEST_F(ObjectFile, Rule63GaloisElements) {
    for (const uint32_t bad : { 0u, 2u, 2046u, 2048u, 2049u, 0xffffffffu }) {
        refused("keys", 63, [=](Forge &f) { f.part("table").set_half(12, bad); });
    }
    refused("keys", 63, [](Forge &f) { f.part("table").set_half(12, 1); }); // relinearisation twice
    refused("keys", 63,
            [](Forge &f) { f.part("table").set_half(12, 2047); }); // out of order, conjugation twice
}

TEST_F(ObjectFile, Rule65Digits) {
    for (const uint32_t bad : { 0u, 1u, 3u, 16u, 0xffffffffu }) {
        refused("keys", 65, [=](Forge &f) { f.part("table").set_half(2, bad); });
    }
}

TEST_F(ObjectFile, Rule66KeyLevels) {
    for (const uint32_t bad : { 4u, 64u, 0xffffffffu }) {
        refused("keys", 66, [=](Forge &f) { f.part("table").set_half(1, bad); });
    }
    // A lower level that leaves the digits alike but not the bytes.
    Forge forge(path("keys"));
    forge.part("table").set_half(1, 2);
    forge.write(path("forged"));
    EXPECT_EQ(load("keys", path("forged"), ctx.get()), MZV_ERR_FORMAT);
    EXPECT_NE(std::string(mzv_last_error()).find("section b[0]"), std::string::npos) << mzv_last_error();
}

TEST_F(ObjectFile, Rule70KeysMissing) {
    refused("keys", 70, [](Forge &f) { f.drop_part("b", 2); });
    refused("keys", 70, [](Forge &f) { f.set_u64("n_keys", 2); });
    refused("keys", 70, [](Forge &f) { f.set_u64("n_keys", 4000); });
    refused("keys", 8, [](Forge &f) { f.part("table").set_half(3, 1); });
    for (const size_t n : { 1u, 47u, 96u, 143u }) {
        Forge forge(path("keys"));
        forge.part("table").bytes.resize(n);
        forge.write(path("forged"));
        EXPECT_EQ(load("keys", path("forged"), ctx.get()), MZV_ERR_FORMAT);
        EXPECT_NE(std::string(mzv_last_error()).find("section table[0]"), std::string::npos)
            << mzv_last_error();
    }
}

TEST_F(ObjectFile, RefusesArguments) {
    mzv_cipher *ct = nullptr;
    const Cipher empty = make_cipher(ctx, 1);
    const Context other = make_context(toy(10, 2));
    EXPECT_EQ(mzv_cipher_save(empty.get(), ctx.get(), path("x").c_str()), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_cipher_save(full.get(), other.get(), path("x").c_str()), MZV_ERR_MISMATCH);
    EXPECT_EQ(mzv_cipher_save(full.get(), ctx.get(), nullptr), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_cipher_save(full.get(), ctx.get(), path("no/such/folder").c_str()), MZV_ERR_IO);
    EXPECT_EQ(mzv_cipher_load(&ct, ctx.get(), path("absent").c_str()), MZV_ERR_IO);
    EXPECT_EQ(mzv_cipher_load(nullptr, ctx.get(), path("full").c_str()), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_keys_save(nullptr, path("x").c_str()), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_secret_save(nullptr, path("x").c_str()), MZV_ERR_ARGUMENT);
    EXPECT_EQ(mzv_public_save(nullptr, path("x").c_str()), MZV_ERR_ARGUMENT);
    EXPECT_EQ(folder.entries(), names.size());
}

// Each allocation and each write in turn: an error, nothing leaked, no file left.
TEST_F(ObjectFile, FailuresLeaveNothing) {
    for (const mzv_fault_point point :
         { MZV_FAULT_ALLOC, MZV_FAULT_WRITE, MZV_FAULT_SYNC, MZV_FAULT_RENAME }) {
        for (const auto &name : names) {
            mzv_status status = MZV_ERR_INTERNAL;
            const std::string file = path("new");
            for (int64_t i = 0; i < 200 && status != MZV_OK; i++) {
                const int64_t live = mzv_alloc_live();
                mzv_test_fail_after(point, i, 5);
                if (name == "secret") status = mzv_secret_save(secret.get(), file.c_str());
                if (name == "public") status = mzv_public_save(key.get(), file.c_str());
                if (name == "keys") status = mzv_keys_save(keys.get(), file.c_str());
                if (name == "fresh") status = mzv_cipher_save(fresh.get(), ctx.get(), file.c_str());
                if (name == "full") status = mzv_cipher_save(full.get(), ctx.get(), file.c_str());
                mzv_test_fail_after(point, -1, 0);
                EXPECT_EQ(mzv_alloc_live(), live);
                if (status != MZV_OK) {
                    EXPECT_EQ(folder.entries(), names.size()) << name << " " << i;
                }
            }
            EXPECT_EQ(status, MZV_OK) << name;
            std::filesystem::remove(file);
        }
    }
    for (const auto &name : names) {
        mzv_status status = MZV_ERR_INTERNAL;
        for (int64_t i = 0; i < 200 && status != MZV_OK; i++) {
            mzv_test_fail_alloc_after(i);
            mzv_secret *s = nullptr;
            mzv_public *p = nullptr;
            mzv_keys *k = nullptr;
            mzv_cipher *c = nullptr;
            const int64_t live = mzv_alloc_live();
            if (name == "secret") status = mzv_secret_load(&s, ctx.get(), path(name).c_str());
            if (name == "public") status = mzv_public_load(&p, ctx.get(), path(name).c_str());
            if (name == "keys") status = mzv_keys_load(&k, ctx.get(), path(name).c_str());
            if (name[0] == 'f') status = mzv_cipher_load(&c, ctx.get(), path(name).c_str());
            mzv_test_fail_alloc_after(-1);
            mzv_secret_destroy(s);
            mzv_public_destroy(p);
            mzv_keys_destroy(k);
            mzv_cipher_destroy(c);
            EXPECT_EQ(mzv_alloc_live(), live) << name << " " << i;
        }
        EXPECT_EQ(status, MZV_OK) << name;
    }
}

// The bytes of a ciphertext file of fixed words, ids and seed.
TEST_F(ObjectFile, Golden) {
    const Cipher ct = make_cipher(ctx, 1, 1);
    std::vector<uint64_t> rows(2048);
    uint64_t word = 1;
    for (size_t k = 0; k < 2048; k++)
        rows[k] = (word = word * 6364136223846793005u + 1442695040888963407u) >> 28;
    MZV_OKAY(mzv_cipher_write(ct.get(), rows.data(), 0, 0));
    for (size_t i = 0; i < MZV_ID_BYTES; i++) ct->key_id[i] = (uint8_t)(i + 1);
    for (size_t i = 0; i < 32; i++) ct->seed[i] = (uint8_t)(3 * i);
    ct->public_seeded = true;
    ct->scale = ctx->facts.scale[1];
    MZV_OKAY(mzv_cipher_save(ct.get(), ctx.get(), path("golden").c_str()));
    const Bytes bytes = slurp(path("golden"));
    uint8_t digest[MZV_ID_BYTES];
    MZV_OKAY(mzv_sha256_id(digest, bytes.data(), bytes.size()));
    EXPECT_EQ(hex(digest, sizeof digest), "51dd8a7bacc7367b54c78697d80cca9d");
    EXPECT_EQ(load("fresh", path("golden"), ctx.get()), MZV_OK) << mzv_last_error();
}

} // namespace
