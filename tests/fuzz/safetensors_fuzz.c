/* libFuzzer: any bytes as a safetensors file. Opens, reads every float tensor. */
#define _GNU_SOURCE /* memfd_create */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(const mzv_safetensors *st) {
    for (uint32_t i = 0; i < mzv_safetensors_count(st); i++) {
        const mzv_tensor *t = mzv_safetensors_tensor(st, i);
        float *values =
            malloc((size_t)t->n_items * sizeof *values); /* bounded by the input: it is all in the file */
        const mzv_status status = values ? mzv_safetensors_read(st, t, values) : MZV_OK;
        if (status != MZV_OK && mzv_last_error()[0] == '\0') abort(); /* a failure without a message */
        free(values);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[32];
    mzv_safetensors *st = NULL;
    const int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (mzv_safetensors_open(&st, path) == MZV_OK) read_all(st);
    mzv_safetensors_close(st);
    close(fd);
    return 0;
}
