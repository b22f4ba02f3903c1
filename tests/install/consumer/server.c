/* The server's half: multiplies two ciphertexts of a folder without any secret. Usage: server FOLDER. */
#include <mzv/mzv.h>

#include <stdio.h>
#include <stdlib.h>

#define REQUIRE(call)                                          \
    do {                                                       \
        if ((call) != MZV_OK) {                                \
            fprintf(stderr, "server: %s\n", mzv_last_error()); \
            exit(1);                                           \
        }                                                      \
    } while (0)

static const char *path_in(char *out, size_t size, const char *folder, const char *name) {
    const int n = snprintf(out, size, "%s/%s", folder, name);
    if (n < 0 || (size_t)n >= size) exit(1);
    return out;
}

int main(int argc, char **argv) {
    char path[1024];
    mzv_params params;
    mzv_context *ctx = NULL;
    mzv_keys *keys = NULL;
    mzv_evaluator *ev = NULL;
    mzv_cipher *left = NULL, *right = NULL;

    if (argc != 2) return 64;
    REQUIRE(mzv_params_load(&params, path_in(path, sizeof path, argv[1], "params.mzv"), true));
    REQUIRE(mzv_context_create(&ctx, &params, NULL));
    REQUIRE(mzv_keys_load(&keys, ctx, path_in(path, sizeof path, argv[1], "keys.mzv")));
    REQUIRE(mzv_evaluator_create(&ev, ctx, keys, 0));
    REQUIRE(mzv_cipher_load(&left, ctx, path_in(path, sizeof path, argv[1], "left.mzv")));
    REQUIRE(mzv_cipher_load(&right, ctx, path_in(path, sizeof path, argv[1], "right.mzv")));
    REQUIRE(mzv_mul(ev, left, left, right));
    REQUIRE(mzv_cipher_save(left, ctx, path_in(path, sizeof path, argv[1], "product.mzv")));
    mzv_cipher_destroy(right);
    mzv_cipher_destroy(left);
    mzv_evaluator_destroy(ev);
    mzv_keys_destroy(keys);
    mzv_context_destroy(ctx);
    return 0;
}
