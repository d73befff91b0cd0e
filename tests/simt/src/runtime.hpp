#pragma once

// What the files of the runtime API share.

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "simt/emulator.hpp"
#include "simt/launch.hpp"

namespace simt {

/// A recorded piece of work.
using Work = std::function<void()>;

struct Capture;

/// A place in a stream's work, that events stand for.
struct Mark {
  CUstream_st* stream = nullptr;
  bool reached = false;
};
/// Work that a stream keeps for later (simt/stream_order.hpp): before it what it waits for, after it its
/// mark.
struct Pending {
  Work work;
  std::shared_ptr<Mark> awaited, reached;
};

}  // namespace simt

// CUDA's own names for what its handles point to.
struct CUgraphNode_st {
  simt::Work work;
};
struct CUgraph_st {
  std::vector<CUgraphNode_st> nodes;  // in the order of the calls, which satisfies every dependency
};
struct CUgraphExec_st {
  std::vector<CUgraphNode_st> nodes;
};
struct CUstream_st {
  unsigned flags = 0;
  std::shared_ptr<simt::Capture> capture;
  std::deque<simt::Pending> pending;
};
struct CUevent_st {
  unsigned flags = 0;
  bool recorded = false;
  std::chrono::steady_clock::time_point time;
  std::weak_ptr<simt::Capture> capture;  // recorded inside it
  std::shared_ptr<simt::Mark> mark;      // null where work is done at once
};

namespace simt {

using Stream = CUstream_st;
using Event = CUevent_st;
using Graph = CUgraph_st;
using GraphNode = CUgraphNode_st;
using ExecutableGraph = CUgraphExec_st;

/// A capture under way: the stream it began on and those that have joined through events.
struct Capture {
  Graph graph;
  Stream* origin = nullptr;
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  std::vector<Stream*> members;
  std::thread::id thread;
  bool invalid = false;
};

/// Guards streams, events and captures.
std::recursive_mutex& runtime_mutex();

/// Remembers an error for cudaGetLastError and returns it.
cudaError_t noted(cudaError_t error);
/// cudaSuccess, or what the pretended fault says.
cudaError_t device_present();
bool architecture_is_old();
/// An error where a capture forbids a call that is not on a stream, or that waits.
cudaError_t capture_allows_unsafe_call();

/// Null for what is no live stream; the default streams have one Stream.
Stream* stream_of(cudaStream_t handle);

/// Whether streams keep their work for later, and what then puts it there and does it (stream_order.cpp).
bool streams_shuffled();
void put(Stream& stream, Pending pending);
void finish(Stream* stream);  // any pointer: what is no stream has no work
void finish(const Mark& mark);
void finish_all();
/// Whether work on the stream is being recorded.
bool captured(cudaStream_t stream);

/// Runs the work at once, records it where the stream is being captured, or keeps it where streams are
/// shuffled.
cudaError_t enqueue(cudaStream_t stream, Work work);

#define SIMT_REQUIRE_DEVICE \
  if (const cudaError_t present_ = ::simt::device_present(); present_ != cudaSuccess) return present_

}  // namespace simt
