#pragma once
/// Runs a check on every device.

#include "deconv/core/context.hpp"
#include "support/cuda_context.hpp"

namespace deconv::test {

/// Calls visit(context) with two host threads and, where there is one, with the Cuda device.
template <class Visit>
void each_device(const Visit& visit) {
  visit(Context<Cpu>(2));
#if defined(DECONV_TEST_CUDA)
  if (cuda_context()) visit(*cuda_context());
#endif
}

}  // namespace deconv::test
