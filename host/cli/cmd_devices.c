/* mzv devices: the GPUs that ciphertexts can be computed on, one a row. */
#include <string.h>

#include "backend/backend.h"
#include "base/try.h"
#include "cli/cli.h"

static mzv_status fill_row(json_t *row, int index, const mzv_device_facts *d) {
    MZV_TRY(mzv_json_set(row, "index", json_integer(index)));
    MZV_TRY(mzv_json_set(row, "backend", json_string("cuda")));
    MZV_TRY(mzv_json_set(row, "name", mzv_json_text(d->name, strlen(d->name))));
    MZV_TRY(mzv_json_set(row, "architecture", json_string(d->architecture)));
    MZV_TRY(mzv_json_set(row, "memory_bytes", json_integer((json_int_t)d->total_bytes)));
    MZV_TRY(mzv_json_set(row, "free_bytes", json_integer((json_int_t)d->free_bytes)));
    return mzv_json_set(row, "arithmetic", json_string(d->arithmetic));
}

static mzv_status fill(json_t *rows, const mzv_backend_ops *ops) {
    int n_devices = 1;
    for (int i = 0; i < n_devices; i++) {
        mzv_device_facts facts;
        json_t *row = json_object();
        MZV_TRY(mzv_json_push(rows, row));
        MZV_TRY(ops->look(&facts, &n_devices, i));
        MZV_TRY(fill_row(row, i, &facts));
    }
    return MZV_OK;
}

static mzv_status find(const mzv_backend_ops **out) {
#ifdef MZV_WITH_CUDA
    return mzv_backend_find(out, "cuda");
#else
    (void)out;
    return mzv_fail(MZV_ERR_NO_DEVICE,
                    "devices: this build has no CUDA backend, so it sees no GPU; install nvcc and "
                    "build again, or use --backend cpu");
#endif
}

mzv_status mzv_cmd_devices(mzv_cli *cli) {
    const mzv_backend_ops *ops = NULL;
    json_t *head = NULL;
    MZV_TRY(find(&ops));
    MZV_TRY(mzv_json_new(&head, "devices"));
    json_t *rows = json_array();
    mzv_status status = fill(rows, ops);
    if (status == MZV_OK) status = mzv_output_table(&cli->out, head, rows);
    json_decref(rows);
    json_decref(head);
    return status;
}
