#pragma once

#include <algorithm>
#include <atomic>
#include <exception>

#include "deconv/core/context.hpp"
#include "deconv/core/shape.hpp"

namespace deconv {

/// Calls `body(begin, end)` on contiguous parts of [0, count), one part a thread of the context. Each index
/// is visited once, so results do not depend on the number of threads as long as `body` treats indices
/// independently. `grain` is the least number of indices worth a thread. The first exception (in part order)
/// is thrown on.
template <class Body>
void parallel_ranges(const Context<Cpu>& context, Index count, Index grain, const Body& body) {
  if (count <= 0) return;
  const Index parts = std::clamp<Index>(count / std::max<Index>(grain, 1), 1, context.threads());
  if (parts == 1) {
    body(Index{0}, count);
    return;
  }
  std::exception_ptr failure;
  Index failed_part = parts;
#pragma omp parallel for num_threads(static_cast <int>(parts)) schedule(static, 1)
  for (Index part = 0; part < parts; ++part) {
    try {
      body(count * part / parts, count * (part + 1) / parts);
    } catch (...) {
#pragma omp critical(deconv_parallel_failure)
      if (part < failed_part) {
        failed_part = part;
        failure = std::current_exception();
      }
    }
  }
  if (failure) std::rethrow_exception(failure);
}

/// Calls `body(i)` for every i of [0, count). As parallel_ranges.
template <class Body>
void parallel_for(const Context<Cpu>& context, Index count, const Body& body, Index grain = 1) {
  parallel_ranges(context, count, grain, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) body(i);
  });
}

}  // namespace deconv
