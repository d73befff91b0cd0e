#pragma once
/// The Cuda device that tests run on: a GPU where the real kernels are linked, else the emulated one.

#include <iostream>
#include <memory>

#include "deconv/core/context.hpp"

#if defined(DECONV_TEST_CUDA)
namespace deconv::test {

/// Null, and a line that says why, where there is no device. Its workspace keeps no block and rounds no size.
inline const std::unique_ptr<Context<Cuda>>& cuda_context() {
  static const std::unique_ptr<Context<Cuda>> context = []() -> std::unique_ptr<Context<Cuda>> {
    try {
      return std::make_unique<Context<Cuda>>(
          Context<Cuda>(0).with(Workspace<Cuda>::make(0, Workspace<Cuda>::Keep::no)));
    } catch (const DeviceError& error) {
      std::cerr << "the Cuda device is not tested: " << error.what() << '\n';
      return nullptr;
    }
  }();
  return context;
}

}  // namespace deconv::test
#endif
