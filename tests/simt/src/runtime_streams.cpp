// Streams, events, capture and graphs.

#include <algorithm>
#include <set>

#include "runtime.hpp"

namespace simt {
namespace {

struct Registry {
  std::recursive_mutex mutex;
  Stream default_stream;
  std::set<Stream*> streams;
  std::set<Event*> events;
  std::vector<Capture*> captures;  // under way
};
Registry& registry() {
  static Registry* instance = new Registry;  // streams of static storage may outlive it otherwise
  return *instance;
}

thread_local cudaStreamCaptureMode thread_mode = cudaStreamCaptureModeGlobal;

bool is_default(cudaStream_t handle) {
  return handle == nullptr || handle == cudaStreamLegacy || handle == cudaStreamPerThread;
}

// Waiting for a stream that is being captured spoils the capture.
cudaError_t waited_for(Stream* stream) {
  if (!stream) return noted(cudaErrorInvalidResourceHandle);
  if (!stream->capture) return cudaSuccess;
  stream->capture->invalid = true;
  return noted(cudaErrorStreamCaptureUnsupported);
}

}  // namespace

std::recursive_mutex& runtime_mutex() { return registry().mutex; }

Stream* stream_of(cudaStream_t handle) {
  if (is_default(handle)) return &registry().default_stream;
  return registry().streams.count(handle) ? handle : nullptr;
}

cudaError_t capture_allows_unsafe_call() {
  const std::lock_guard lock(runtime_mutex());
  if (thread_mode == cudaStreamCaptureModeRelaxed) return cudaSuccess;
  for (Capture* capture : registry().captures) {
    if (capture->mode == cudaStreamCaptureModeRelaxed) continue;
    if (capture->mode == cudaStreamCaptureModeThreadLocal && capture->thread != std::this_thread::get_id())
      continue;
    capture->invalid = true;
    return cudaErrorStreamCaptureUnsupported;
  }
  return cudaSuccess;
}

cudaError_t enqueue(cudaStream_t handle, Work work) {
  Stream* keeper = nullptr;
  {
    const std::lock_guard lock(runtime_mutex());
    Stream* stream = stream_of(handle);
    if (!stream) return noted(cudaErrorInvalidResourceHandle);
    if (is_default(handle) && handle != cudaStreamPerThread) {
      // The legacy stream waits for all blocking streams, hence may not be used beside their capture.
      for (Capture* capture : registry().captures) {
        if (capture->mode != cudaStreamCaptureModeRelaxed &&
            !(capture->origin->flags & cudaStreamNonBlocking)) {
          capture->invalid = true;
          return noted(cudaErrorStreamCaptureImplicit);
        }
      }
    }
    if (stream->capture) {
      if (stream->capture->invalid) return noted(cudaErrorStreamCaptureInvalidated);
      stream->capture->graph.nodes.push_back({std::move(work)});
      return cudaSuccess;
    }
    keeper = stream;
  }
  if (streams_shuffled()) {
    if (!is_default(handle)) {
      put(*keeper, {std::move(work), nullptr, nullptr});
      return cudaSuccess;
    }
    finish_all();
  }
  work();
  return cudaSuccess;
}

bool captured(cudaStream_t handle) {
  const std::lock_guard lock(runtime_mutex());
  const Stream* stream = stream_of(handle);
  return stream && stream->capture;
}

}  // namespace simt

using simt::noted;
using simt::registry;
using simt::runtime_mutex;

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  SIMT_REQUIRE_DEVICE;
  if (!stream || flags > cudaStreamNonBlocking) return noted(cudaErrorInvalidValue);
  const std::lock_guard lock(runtime_mutex());
  *stream = new simt::Stream;
  (*stream)->flags = flags;
  registry().streams.insert(*stream);
  return cudaSuccess;
}
cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return cudaStreamCreateWithFlags(stream, cudaStreamDefault);
}
cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int) {
  return cudaStreamCreateWithFlags(stream, flags);  // nothing runs at the same time
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  SIMT_REQUIRE_DEVICE;
  simt::finish(stream);
  const std::lock_guard lock(runtime_mutex());
  if (registry().streams.erase(stream) == 0) return noted(cudaErrorInvalidResourceHandle);
  if (stream->capture) {
    stream->capture->invalid = true;
    std::erase(stream->capture->members, stream);
    if (stream->capture->origin == stream) std::erase(registry().captures, stream->capture.get());
  }
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  SIMT_REQUIRE_DEVICE;
  if (simt::is_default(stream))
    simt::finish_all();
  else
    simt::finish(stream);
  const std::lock_guard lock(runtime_mutex());
  return simt::waited_for(simt::stream_of(stream));
}
cudaError_t cudaStreamQuery(cudaStream_t stream) { return cudaStreamSynchronize(stream); }

cudaError_t cudaDeviceSynchronize() {
  SIMT_REQUIRE_DEVICE;
  simt::finish_all();
  const std::lock_guard lock(runtime_mutex());
  for (simt::Capture* capture : registry().captures) {
    capture->invalid = true;
    return noted(cudaErrorStreamCaptureUnsupported);
  }
  return cudaSuccess;
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, void (*function)(void*), void* data) {
  SIMT_REQUIRE_DEVICE;
  if (!function) return noted(cudaErrorInvalidValue);
  return simt::enqueue(stream, [=] { function(data); });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  SIMT_REQUIRE_DEVICE;
  if (!event) return noted(cudaErrorInvalidValue);
  const std::lock_guard lock(runtime_mutex());
  *event = new simt::Event;
  (*event)->flags = flags;
  registry().events.insert(*event);
  return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  SIMT_REQUIRE_DEVICE;
  const std::lock_guard lock(runtime_mutex());
  if (registry().events.erase(event) == 0) return noted(cudaErrorInvalidResourceHandle);
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t handle) {
  SIMT_REQUIRE_DEVICE;
  const std::lock_guard lock(runtime_mutex());
  simt::Stream* stream = simt::stream_of(handle);
  if (!stream || !registry().events.count(event)) return noted(cudaErrorInvalidResourceHandle);
  event->capture = stream->capture;
  event->recorded = !stream->capture;
  event->mark.reset();
  if (event->recorded && simt::streams_shuffled() && !simt::is_default(handle)) {
    event->mark = std::make_shared<simt::Mark>();
    simt::put(*stream, {{}, nullptr, event->mark});
  }
  event->time = std::chrono::steady_clock::now();
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  SIMT_REQUIRE_DEVICE;
  const std::lock_guard lock(runtime_mutex());
  if (!registry().events.count(event)) return noted(cudaErrorInvalidResourceHandle);
  if (const auto capture = event->capture.lock()) {
    capture->invalid = true;
    return noted(cudaErrorCapturedEvent);
  }
  if (event->mark) simt::finish(*event->mark);
  return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t event) { return cudaEventSynchronize(event); }

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t stop) {
  SIMT_REQUIRE_DEVICE;
  const std::lock_guard lock(runtime_mutex());
  if (!milliseconds || !registry().events.count(start) || !registry().events.count(stop) ||
      !start->recorded || !stop->recorded || ((start->flags | stop->flags) & cudaEventDisableTiming)) {
    return noted(cudaErrorInvalidResourceHandle);
  }
  for (const cudaEvent_t event : {start, stop})
    if (event->mark) simt::finish(*event->mark);
  *milliseconds = std::chrono::duration<float, std::milli>(stop->time - start->time).count();
  return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event, unsigned) {
  SIMT_REQUIRE_DEVICE;
  const std::lock_guard lock(runtime_mutex());
  simt::Stream* stream = simt::stream_of(handle);
  if (!stream || !registry().events.count(event)) return noted(cudaErrorInvalidResourceHandle);
  const auto capture = event->capture.lock();
  if (!capture) {
    if (event->mark && !stream->capture && !simt::is_default(handle))
      simt::put(*stream, {{}, event->mark, nullptr});
    else if (event->mark && !stream->capture)
      simt::finish(*event->mark);
    if (!stream->capture || !event->recorded) return cudaSuccess;
    stream->capture->invalid = true;
    return noted(cudaErrorStreamCaptureIsolation);
  }
  if (stream->capture && stream->capture != capture) return noted(cudaErrorStreamCaptureMerge);
  if (!stream->capture) {  // it joins the capture that the event belongs to
    stream->capture = capture;
    capture->members.push_back(stream);
  }
  return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
  SIMT_REQUIRE_DEVICE;
  const std::lock_guard lock(runtime_mutex());
  const simt::Stream* stream = simt::stream_of(handle);
  if (!stream || !status) return noted(cudaErrorInvalidResourceHandle);
  *status = !stream->capture           ? cudaStreamCaptureStatusNone
            : stream->capture->invalid ? cudaStreamCaptureStatusInvalidated
                                       : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
  SIMT_REQUIRE_DEVICE;
  const std::lock_guard lock(runtime_mutex());
  simt::Stream* stream = simt::stream_of(handle);
  if (!stream) return noted(cudaErrorInvalidResourceHandle);
  if (simt::is_default(handle)) return noted(cudaErrorStreamCaptureUnsupported);
  if (stream->capture) return noted(cudaErrorInvalidValue);
  auto capture = std::make_shared<simt::Capture>();
  capture->origin = stream;
  capture->mode = mode;
  capture->thread = std::this_thread::get_id();
  capture->members.push_back(stream);
  registry().captures.push_back(capture.get());
  stream->capture = std::move(capture);
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* graph) {
  SIMT_REQUIRE_DEVICE;
  const std::lock_guard lock(runtime_mutex());
  simt::Stream* stream = simt::stream_of(handle);
  if (!stream || !graph) return noted(cudaErrorInvalidResourceHandle);
  *graph = nullptr;
  const auto capture = stream->capture;
  if (!capture) return noted(cudaErrorInvalidValue);
  if (capture->origin != stream) return noted(cudaErrorStreamCaptureUnmatched);
  if (capture->mode != cudaStreamCaptureModeRelaxed && capture->thread != std::this_thread::get_id()) {
    return noted(cudaErrorStreamCaptureWrongThread);
  }
  for (simt::Stream* member : capture->members) member->capture.reset();
  std::erase(registry().captures, capture.get());
  if (capture->invalid) return noted(cudaErrorStreamCaptureInvalidated);
  *graph = new simt::Graph(std::move(capture->graph));
  return cudaSuccess;
}

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  SIMT_REQUIRE_DEVICE;
  std::swap(*mode, simt::thread_mode);
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  SIMT_REQUIRE_DEVICE;
  if (!executable || !graph) return noted(cudaErrorInvalidValue);
  *executable = new simt::ExecutableGraph{graph->nodes};
  return cudaSuccess;
}
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, std::size_t* count) {
  SIMT_REQUIRE_DEVICE;
  if (!graph || !count) return noted(cudaErrorInvalidValue);
  if (nodes) {
    *count = std::min(*count, graph->nodes.size());
    for (std::size_t i = 0; i < *count; ++i) nodes[i] = &graph->nodes[i];
  } else {
    *count = graph->nodes.size();
  }
  return cudaSuccess;
}
cudaError_t cudaGraphUpload(cudaGraphExec_t executable, cudaStream_t) {
  SIMT_REQUIRE_DEVICE;
  return executable ? cudaSuccess : noted(cudaErrorInvalidValue);
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  SIMT_REQUIRE_DEVICE;
  if (!executable) return noted(cudaErrorInvalidValue);
  return simt::enqueue(stream, [nodes = executable->nodes] {
    for (const simt::GraphNode& node : nodes) node.work();
  });
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return graph ? cudaSuccess : noted(cudaErrorInvalidValue);
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return executable ? cudaSuccess : noted(cudaErrorInvalidValue);
}
