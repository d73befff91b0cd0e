#include "deconv/core/transfer.hpp"
#include "engine_on.hpp"
#include "occlusion.hpp"

namespace deconv::tool {

Occlusion<float> occlusion_of(const Engine& engine, Engine::Images image, const OcclusionOptions& options,
                              OcclusionMethod method, Engine::Images picture) {
  return on_device(engine, [&]<class T, Device D>(const Network<T, D>& network, const Context<D>& context) {
    const auto run = [&](TensorView<const T, D> src, TensorView<const T, D> filling) {
      return method == OcclusionMethod::windows
                 ? occlude<T, D>(network, context, src, options, filling)
                 : occlude_by_brute_force<T, D>(network, context, src, options, filling);
    };
    if constexpr (std::same_as<D, Cpu>) {
      return run(image, picture);
    } else {
      const auto src = to_device(context, image);
      Tensor<T, D> filling;
      if (!picture.empty()) filling = to_device(context, picture);
      return run(src.view(), filling.view());
    }
  });
}

OcclusionCost occlusion_cost_of(const Engine& engine, const Shape& image, const OcclusionOptions& options,
                                OcclusionMethod method) {
  return on_device(engine, [&]<class T, Device D>(const Network<T, D>& network, const Context<D>&) {
    return occlusion_cost(network, image, options, method);
  });
}

}  // namespace deconv::tool
