/* What a program that links libmzv writes: encrypt 1.5 and -0.25 in every slot, let the server multiply them, decrypt
 * and compare. Usage: client FOLDER SERVER, where SERVER is the program of server.c. */
#include <mzv/mzv.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const double left = 1.5, right = -0.25;
/* docs/noise.md: toy-leveled (N = 2^11, scale 2^40, K = 5) adds sqrt((K + 1)/12 (1 + 2N/3) N/2) / 2^40 = 7.6e-10 to each
 * part of a slot in a product, fresh encryptions a quarter of it. 20 deviations hold but once in 2^40; two parts. */
static const double tolerance = 2.2e-8;

static int check(mzv_status status, const char *what) {
    if (status != MZV_OK) fprintf(stderr, "%s: %s: %s\n", what, mzv_status_name(status), mzv_last_error());
    return status == MZV_OK;
}
#define REQUIRE(call)                      \
    do {                                   \
        if (!check((call), #call)) exit(1); \
    } while (0)

static void path_in(char *out, size_t size, const char *folder, const char *name) {
    const int n = snprintf(out, size, "%s/%s", folder, name);
    if (n < 0 || (size_t)n >= size) exit(1);
}

/* Encrypts `value` in every slot and saves the ciphertext as folder/name. */
static void encrypt(const mzv_context *ctx, const mzv_secret *secret, double value, const char *folder,
                    const char *name) {
    const uint32_t level = mzv_context_params(ctx)->n_levels, n_slots = mzv_context_slots(ctx);
    mzv_complex *slots = (mzv_complex *)calloc(n_slots, sizeof *slots);
    mzv_cipher *ct = NULL;
    char path[1024];
    if (slots == NULL) exit(1);
    for (uint32_t i = 0; i < n_slots; i++) __real__ slots[i] = value;
    REQUIRE(mzv_cipher_create(&ct, ctx, level, 1));
    REQUIRE(mzv_encrypt(ct, secret, slots, level));
    path_in(path, sizeof path, folder, name);
    REQUIRE(mzv_cipher_save(ct, ctx, path));
    mzv_cipher_destroy(ct);
    free(slots);
}

/* Largest distance between the slots of folder/name and `expected`. */
static double worst_error(const mzv_context *ctx, const mzv_secret *secret, double expected, const char *folder,
                          const char *name) {
    const uint32_t n_slots = mzv_context_slots(ctx);
    mzv_complex *slots = (mzv_complex *)calloc(n_slots, sizeof *slots);
    mzv_cipher *ct = NULL;
    char path[1024];
    double worst = 0;
    if (slots == NULL) exit(1);
    path_in(path, sizeof path, folder, name);
    REQUIRE(mzv_cipher_load(&ct, ctx, path));
    REQUIRE(mzv_decrypt(slots, secret, ct));
    for (uint32_t i = 0; i < n_slots; i++) {
        const double error = hypot(__real__ slots[i] - expected, __imag__ slots[i]);
        if (!(error <= worst)) worst = error; /* takes a NaN too */
    }
    mzv_cipher_destroy(ct);
    free(slots);
    return worst;
}

static void save_keys(const mzv_params *params, const mzv_secret *secret, const char *folder) {
    mzv_key_request *request = NULL;
    mzv_keys *keys = NULL;
    char path[1024];
    REQUIRE(mzv_key_request_create(&request));
    REQUIRE(mzv_request_relinearize(request, params->n_levels));
    REQUIRE(mzv_keys_create(&keys, secret, request));
    path_in(path, sizeof path, folder, "keys.mzv");
    REQUIRE(mzv_keys_save(keys, path));
    path_in(path, sizeof path, folder, "params.mzv");
    REQUIRE(mzv_params_save(params, path));
    mzv_keys_destroy(keys);
    mzv_key_request_destroy(request);
}

int main(int argc, char **argv) {
    mzv_params params;
    mzv_context *ctx = NULL;
    mzv_secret *secret = NULL;
    char command[2048];
    double error;
    int n;

    if (argc != 3) return 64;
    REQUIRE(mzv_params_named(&params, "toy-leveled")); /* insecure: a test of packaging */
    REQUIRE(mzv_context_create(&ctx, &params, NULL));
    REQUIRE(mzv_secret_create(&secret, ctx));
    save_keys(&params, secret, argv[1]);
    encrypt(ctx, secret, left, argv[1], "left.mzv");
    encrypt(ctx, secret, right, argv[1], "right.mzv");

    n = snprintf(command, sizeof command, "'%s' '%s'", argv[2], argv[1]);
    if (n < 0 || (size_t)n >= sizeof command || system(command) != 0) return 1;

    error = worst_error(ctx, secret, left * right, argv[1], "product.mzv");
    printf("worst slot off by %.1e, allowed %.1e\n", error, tolerance);
    mzv_secret_destroy(secret);
    mzv_context_destroy(ctx);
    return error <= tolerance ? 0 : 1;
}
