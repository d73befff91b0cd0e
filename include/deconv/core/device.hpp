#pragma once

#include <concepts>

namespace deconv {

/// The host's cores and memory.
struct Cpu {
  static constexpr const char* name = "cpu";
};

/// An NVIDIA GPU. The type exists in every build; its tensors and kernels only where CUDA was found.
struct Cuda {
  static constexpr const char* name = "cuda";
};

template <class D>
concept Device = std::same_as<D, Cpu> || std::same_as<D, Cuda>;

}  // namespace deconv
