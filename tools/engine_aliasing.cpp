#include "aliasing.hpp"
#include "engine_on.hpp"

namespace deconv::tool {

AliasingReport aliasing_of(const Engine& engine, const AliasingOptions& options,
                           const std::function<const ImageBatch<float>*()>& next) {
  return on_device(engine, [&]<class T, Device D>(const Network<T, D>& network, const Context<D>& context) {
    AliasingMeasure<T, D> measure(network, options);
    while (const ImageBatch<T>* batch = next()) measure.add(context, batch->images);
    return measure.report();
  });
}

}  // namespace deconv::tool
