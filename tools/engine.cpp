#include "engine_on.hpp"

namespace deconv::tool {

std::unique_ptr<Engine> make_engine(const CommonOptions& options, Model model) {
  check_device(options);
#if defined(DECONV_WITH_CUDA)
  if (options.device == Cuda::name) return std::make_unique<EngineOn<Cuda>>(options.gpu(), std::move(model));
#endif
  return std::make_unique<EngineOn<Cpu>>(options.host(), std::move(model));
}

void check_device(const CommonOptions& options) {
  if (options.device == Cpu::name) return;
#if defined(DECONV_WITH_CUDA)
  try {
    cuda::check_device(0);
  } catch (const DeviceError& problem) {
    raise<DeviceError>("--device cuda: ", problem.what(), "; --device cpu wanted");
  }
#else
  raise<DeviceError>("--device cuda: this build of deconv has no CUDA support; --device cpu wanted");
#endif
}

}  // namespace deconv::tool
