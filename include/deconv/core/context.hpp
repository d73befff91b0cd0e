#pragma once

#include <memory>
#include <utility>

#include "deconv/core/cuda/runtime.hpp"
#include "deconv/core/device.hpp"
#include "deconv/core/error.hpp"
#include "deconv/core/maths.hpp"
#include "deconv/core/tensor.hpp"
#include "deconv/core/workspace.hpp"

#if defined(_OPENMP)
#include <omp.h>
#endif

namespace deconv {

/// Cores that OpenMP would use by default; 1 without OpenMP.
[[nodiscard]] inline int default_threads() noexcept {
#if defined(_OPENMP)
  return omp_get_max_threads();
#else
  return 1;
#endif
}

template <Device D>
class Context;

/// Where and how work runs on the host: the number of threads and the workspace that results and scratch
/// memory come from. Cheap to copy; copies share the workspace. Results have the same bits for every number
/// of threads.
template <>
class Context<Cpu> {
 public:
  /// Throws ArgumentError unless 1 <= threads <= 1024.
  explicit Context(int threads = default_threads()) : threads_(threads), workspace_(Workspace<Cpu>::make()) {
    require<ArgumentError>(threads >= 1 && threads <= 1024, "number of threads must be 1 to 1024, met ",
                           threads);
  }

  /// The same workspace with one thread: for what runs inside a thread's part of the work.
  [[nodiscard]] Context alone() const {
    Context one = *this;
    one.threads_ = 1;
    return one;
  }

  [[nodiscard]] int threads() const noexcept { return threads_; }
  [[nodiscard]] const std::shared_ptr<Workspace<Cpu>>& workspace() const noexcept { return workspace_; }

  /// An uninitialised tensor from the workspace.
  template <class T>
  [[nodiscard]] Tensor<T, Cpu> make(const Shape& shape, Layout layout = Layout::nchw) const {
    return Tensor<T, Cpu>(shape, layout, workspace_);
  }

 private:
  int threads_;
  std::shared_ptr<Workspace<Cpu>> workspace_;
};

/// Where work runs on a GPU: a stream of its own and the workspace that results and scratch memory come from.
/// Cheap to copy; copies share stream and workspace. Ops only put work on the stream: nothing waits but
/// synchronise() and copies to the host (core/transfer.hpp). Reruns give the same bits on the same GPU, and
/// with Maths::float32 on every GPU.
template <>
class Context<Cuda> {
 public:
  /// A stream of its own on GPU `device`. Throws DeviceError where there is no driver, no such GPU, or one
  /// whose architecture the kernels were not built for.
  explicit Context(int device = 0) : device_(device) {
    cuda::check_device(device);
    stream_ = {cuda::create_stream(device),
               [device](cuda::Stream stream) { cuda::destroy_stream(device, stream); }};
    workspace_ = Workspace<Cuda>::make(device);
  }
  /// On a stream of the program's own, which must outlive the context and everything made in it. Throws
  /// DeviceError.
  Context(int device, cuda::Stream stream) : device_(device) {
    cuda::check_device(device);
    stream_ = {stream, [](cuda::Stream) {}};
    workspace_ = Workspace<Cuda>::make(device);
  }
  /// The same stream with another workspace on the same device.
  [[nodiscard]] Context with(std::shared_ptr<Workspace<Cuda>> workspace) const {
    Context other = *this;
    other.workspace_ = std::move(workspace);
    return other;
  }
  /// The same stream and workspace with another way to multiply floats.
  [[nodiscard]] Context with(Maths maths) const {
    Context other = *this;
    other.maths_ = maths;
    return other;
  }

  [[nodiscard]] Maths maths() const noexcept { return maths_; }
  [[nodiscard]] int device() const noexcept { return device_; }
  [[nodiscard]] cuda::Stream stream() const noexcept { return stream_.get(); }
  [[nodiscard]] const std::shared_ptr<Workspace<Cuda>>& workspace() const noexcept { return workspace_; }
  /// Waits for all work put on the stream. Throws DeviceError for what went wrong in it.
  void synchronise() const { cuda::synchronise(device_, stream()); }

  /// An uninitialised tensor from the workspace.
  template <class T>
  [[nodiscard]] Tensor<T, Cuda> make(const Shape& shape, Layout layout = Layout::nchw) const {
    return Tensor<T, Cuda>(shape, layout, workspace_);
  }

 private:
  int device_;
  Maths maths_ = Maths::float32;
  std::shared_ptr<CUstream_st> stream_;
  std::shared_ptr<Workspace<Cuda>> workspace_;
};

}  // namespace deconv
