/* mzv version: what this build is. */
#include "cli/cli.h"
#include "base/try.h"

#ifndef MZV_COMMIT
#define MZV_COMMIT "" /* not told at build time */
#endif
#ifdef MZV_WITH_CUDA
#define BACKENDS "cpu, cuda"
#else
#define BACKENDS "cpu"
#endif

static mzv_status fill(json_t *o) {
    MZV_TRY(mzv_json_set(o, "version", json_string(MZV_VERSION)));
    MZV_TRY(mzv_json_set(o, "commit", MZV_COMMIT[0] != '\0' ? json_string(MZV_COMMIT) : json_null()));
    MZV_TRY(mzv_json_set(o, "backends", json_string(BACKENDS)));
    return mzv_json_set(o, "compiler", json_string(__VERSION__));
}

mzv_status mzv_cmd_version(mzv_cli *cli) {
    json_t *o = NULL;
    if (cli->out.format == MZV_FORMAT_TEXT)
        return mzv_output_print(&cli->out, "mzv %s%s%s, backends: %s, compiler: %s\n", MZV_VERSION,
                                MZV_COMMIT[0] != '\0' ? ", commit " : "", MZV_COMMIT, BACKENDS, __VERSION__);
    MZV_TRY(mzv_json_new(&o, "version"));
    mzv_status status = fill(o);
    if (status == MZV_OK) status = mzv_output_object(&cli->out, o);
    json_decref(o);
    return status;
}
