#include "correspondence.hpp"
#include "engine_on.hpp"

namespace deconv::tool {

Correspondence correspondence_of(const Engine& engine, Engine::Images images,
                                 std::span<const MaskedPart> parts, const CorrespondenceOptions& options) {
  return on_device(engine, [&]<class T, Device D>(const Network<T, D>& network, const Context<D>& context) {
    return correspondence<T, D>(network, context, images, parts, options);
  });
}

std::size_t correspondence_bytes_of(const Engine& engine, const Shape& images,
                                    const CorrespondenceOptions& options) {
  return on_device(engine, [&]<class T, Device D>(const Network<T, D>& network, const Context<D>&) {
    return correspondence_bytes(network, images, options);
  });
}

}  // namespace deconv::tool
