#include "attribution.hpp"
#include "deconv/core/transfer.hpp"
#include "engine_on.hpp"

namespace deconv::tool {

std::vector<Attribution<float>> attributions_of(const Engine& engine, Engine::Images images,
                                                AttributionMethod method, const AttributionOptions& options) {
  return on_device(engine, [&]<class T, Device D>(const Network<T, D>& network, const Context<D>& context) {
    if constexpr (std::same_as<D, Cpu>)
      return attribute<T, D>(network, context, images, method, options);
    else
      return attribute<T, D>(network, context, to_device(context, images), method, options);
  });
}

std::size_t gradient_bytes_of(const Engine& engine, const Shape& images, Index rows) {
  return on_device(engine, [&]<class T, Device D>(const Network<T, D>& network, const Context<D>&) {
    return gradient_bytes<T, D>(network, images, rows);
  });
}

PerturbationCurve perturbation_curve_of(const Engine& engine, Engine::Images image, Index class_index,
                                        Engine::Images attribution, const PerturbationOptions& options,
                                        bool insertion) {
  return on_device(engine, [&]<class T, Device D>(const Network<T, D>& network, const Context<D>& context) {
    return insertion ? insertion_curve<T, D>(network, context, image, class_index, attribution, options)
                     : deletion_curve<T, D>(network, context, image, class_index, attribution, options);
  });
}

Curvature<float> curvature_of(const Engine& engine, Engine::Images image, const CurvatureOptions& options) {
  return on_device(engine, [&]<class T, Device D>(const Network<T, D>& network, const Context<D>& context) {
    return curvature<T, D>(network, context, image, options);
  });
}

std::size_t curvature_bytes_of(const Engine& engine, const Shape& image, const CurvatureOptions& options) {
  return on_device(engine, [&]<class T, Device D>(const Network<T, D>& network, const Context<D>&) {
    return curvature_bytes<T, D>(network, image, options);
  });
}

}  // namespace deconv::tool
