#include "deconv/analysis/activation_maximisation.hpp"
#include "engine_on.hpp"
#include "maximise.hpp"

namespace deconv::tool {

std::vector<MaximisedInput<float>> maximised(const Engine& engine, const std::string& layer,
                                             std::span<const Index> maps, const MaximisationOptions& options,
                                             TensorView<const float, Cpu> start,
                                             const MaximisationWatcher<float>& watch) {
  return on_device(engine, [&]<class T, Device D>(const Network<T, D>& network, const Context<D>& context) {
    return maximise_activations<T, D>(network, context, layer, maps, options, start, watch);
  });
}

std::size_t maximised_bytes(const Engine& engine, const std::string& layer, Index units,
                            const MaximisationOptions& options, const Shape& start) {
  return on_device(engine, [&]<class T, Device D>(const Network<T, D>& network, const Context<D>&) {
    return maximisation_bytes(network, layer, units, options, start);
  });
}

}  // namespace deconv::tool
