/* Recordings as CUDA graphs. What a stream is given while CUDA captures it becomes the nodes of a graph, each
 * kernel with its arguments, which is launched whole. What cannot be recorded ends the capture at once, so
 * that the stream does again what it is told; operations are then refused until record_end. */
#include "device.cuh"
#include "base/arena.h"

struct mzv_graph {
    cudaGraphExec_t exec;
};

namespace mzv_cuda {

namespace {

/* Also ends a capture that CUDA has declared invalid; *graph is then NULL. */
cudaError_t end_capture(Stream *stream, cudaGraph_t *graph) {
    stream->captures = false;
    return cleared(cudaStreamEndCapture(stream->queue, graph));
}

void drop_capture(Stream *stream) {
    cudaGraph_t graph = nullptr;
    if (!stream->captures) return;
    drop(end_capture(stream, &graph));
    if (graph != nullptr) drop(cudaGraphDestroy(graph));
}

mzv_status instantiate(mzv_graph *out, cudaGraph_t graph) {
    const cudaError_t made = cleared(cudaGraphInstantiateWithFlags(&out->exec, graph, 0));
    const cudaError_t destroyed = cleared(cudaGraphDestroy(graph)); /* the executable one is complete */
    if (made != cudaSuccess) return fail("cudaGraphInstantiate", made);
    return destroyed == cudaSuccess ? MZV_OK : fail("cudaGraphDestroy", destroyed);
}

mzv_status make_graph(mzv_graph **out, cudaGraph_t graph) {
    mzv_graph *made = nullptr;
    mzv_status status = MZV_NEW(&made, 1, "cuda: recording");
    if (status != MZV_OK) {
        drop(cudaGraphDestroy(graph));
        return status;
    }
    status = instantiate(made, graph);
    if (status != MZV_OK) {
        if (made->exec != nullptr) drop(cudaGraphExecDestroy(made->exec));
        mzv_free(made);
        return status;
    }
    *out = made;
    return MZV_OK;
}

} // namespace

mzv_status fail_recording(const char *op) {
    return mzv_fail(MZV_ERR_ARGUMENT,
                    "cuda: %s inside a recording; do it before, or leave it out of what is recorded", op);
}

void break_recording(mzv_stream *s, const char *op) {
    Stream *stream = stream_of(s);
    if (!s->records || stream->refused != nullptr) return;
    drop_capture(stream);
    stream->refused = op;
}

mzv_status refuse_recording(mzv_stream *s, const char *op) {
    if (!s->records) return MZV_OK;
    break_recording(s, op);
    return fail_recording(stream_of(s)->refused);
}

} // namespace mzv_cuda

using namespace mzv_cuda;

/* Thread-local: what other threads do meanwhile, with streams of their own, is none of the capture's
 * business.
 */
mzv_status mzv_cuda_record_begin(mzv_stream *s) {
    MZV_TRY(refuse_recording(s, "record_begin"));
    MZV_TRY(enter(s));
    const cudaError_t error =
        cleared(cudaStreamBeginCapture(stream_of(s)->queue, cudaStreamCaptureModeThreadLocal));
    if (error != cudaSuccess) return fail("cudaStreamBeginCapture", error);
    stream_of(s)->captures = s->records = true;
    return MZV_OK;
}

mzv_status mzv_cuda_record_end(mzv_stream *s, mzv_graph **out) {
    Stream *stream = stream_of(s);
    const char *const refused = stream->refused;
    if (!s->records) return mzv_fail(MZV_ERR_ARGUMENT, "cuda: record_end without record_begin");
    s->records = false;
    stream->refused = nullptr;
    if (out == nullptr || refused != nullptr) {
        drop_capture(stream);
        return out == nullptr ? MZV_OK : fail_recording(refused);
    }
    cudaGraph_t graph = nullptr;
    const cudaError_t error = end_capture(stream, &graph);
    return error == cudaSuccess ? make_graph(out, graph) : fail("cudaStreamEndCapture", error);
}

mzv_status mzv_cuda_replay(mzv_stream *s, const mzv_graph *graph) {
    MZV_TRY(refuse_recording(s, "replay"));
    MZV_TRY(enter(s));
    const cudaError_t error = cleared(cudaGraphLaunch(graph->exec, stream_of(s)->queue));
    return error == cudaSuccess ? MZV_OK : fail("cudaGraphLaunch", error);
}

/* A graph that still runs is unmade when it has ended. */
void mzv_cuda_graph_close(mzv_stream *s, mzv_graph *graph) {
    if (graph == nullptr) return;
    break_recording(s, "graph_close");
    const cudaError_t selected = cudaSetDevice(backend_of(s)->device);
    const cudaError_t destroyed = cleared(cudaGraphExecDestroy(graph->exec)); /* whatever came before */
    const cudaError_t error = selected != cudaSuccess ? selected : destroyed;
    if (cleared(error) != cudaSuccess) stream_of(s)->late = error;
    mzv_free(graph);
}
