#include "engine_on.hpp"
#include "invariance.hpp"

namespace deconv::tool {

Invariance invariance_of(const Engine& engine, Engine::Images image, std::span<const Sweep> sweeps,
                         const InvarianceOptions& options) {
  return on_device(engine, [&]<class T, Device D>(const Network<T, D>& network, const Context<D>& context) {
    return invariance<T, D>(network, context, image, sweeps, options);
  });
}

std::size_t invariance_bytes_of(const Engine& engine, const Shape& image, const InvarianceOptions& options) {
  return on_device(engine, [&]<class T, Device D>(const Network<T, D>& network, const Context<D>&) {
    return invariance_bytes(network, image, options);
  });
}

}  // namespace deconv::tool
