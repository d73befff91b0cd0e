#pragma once

#include <memory>

#include "deconv/core/device.hpp"
#include "deconv/core/error.hpp"
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

}  // namespace deconv
