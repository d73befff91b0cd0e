#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "deconv/core/parallel.hpp"
#include "deconv/core/random.hpp"
#include "deconv/nn/graph.hpp"

namespace deconv {

/// How weights start. Biases are 0 in each; batch normalisations start as the identity.
enum class Initialisation : std::uint8_t {
  /// N(0, 0.01^2): "weights initialised to 1e-2" (Zeiler and Fergus 2013, section 3; Krizhevsky et al. 2012,
  /// section 5).
  paper,
  /// N(0, 2 / fan_in), fan_in the numbers that one output sums (He et al. 2015, section 2.2).
  he,
};

/// Gives every weight that the model's graph wants a starting value, replacing what is there. The numbers
/// depend on the seed and the weight's name alone: neither on the order of the nodes nor on the number of
/// threads.
inline void initialise(Model& model, Initialisation scheme, std::uint64_t seed,
                       const Context<Cpu>& context = Context<Cpu>()) {
  model.weights.clear();
  for (const auto& [name, shape] : weight_shapes(model.graph)) {
    Tensor<float, Cpu> weight(shape);
    if (name.ends_with(".weight")) {
      const double fan_in = static_cast<double>(shape.count()) / static_cast<double>(shape[0]);
      const float deviation =
          scheme == Initialisation::paper ? 0.01f : static_cast<float>(std::sqrt(2.0 / fan_in));
      std::uint64_t stream = 0xcbf29ce484222325u;  // FNV-1a of the name
      for (const char c : name) stream = (stream ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
      const Random random(seed, stream);
      parallel_ranges(context, weight.count(), 4096, [&](Index begin, Index end) {
        for (Index i = begin; i < end; ++i)
          weight.data()[i] = deviation * random.normal(static_cast<std::uint64_t>(i));
      });
    } else {
      const bool one = name.ends_with(".scale") || name.ends_with(".variance");
      std::fill(weight.begin(), weight.end(), one ? 1.0f : 0.0f);
    }
    model.weights.emplace(name, std::move(weight));
  }
}

}  // namespace deconv
