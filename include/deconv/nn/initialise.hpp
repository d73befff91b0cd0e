#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "deconv/core/parallel.hpp"
#include "deconv/core/random.hpp"
#include "deconv/nn/graph.hpp"

namespace deconv {

/// How weights start. Biases are 0 unless said otherwise; batch normalisations start as the identity.
enum class Initialisation : std::uint8_t {
  /// N(0, 0.01^2): "weights initialised to 1e-2" (Zeiler and Fergus 2013, section 3; Krizhevsky et al. 2012,
  /// section 5).
  paper,
  /// N(0, 2 / fan_in), fan_in the numbers that one output sums (He et al. 2015, section 2.2).
  he,
  /// U(-b, b) with b = 1 / sqrt(fan_in) for weights and biases alike: what PyTorch's Conv2d and Linear start
  /// with (LeCun et al. 1998, "Efficient BackProp", section 4.6, up to a constant).
  torch,
};

namespace detail {

/// Numbers that one output of a layer with this weight sums.
[[nodiscard]] inline double fan_in_of(const Shape& weight) {
  return static_cast<double>(weight.count()) / static_cast<double>(weight[0]);
}

/// 64-bit FNV-1a.
[[nodiscard]] constexpr std::uint64_t name_hash(std::string_view name) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

}  // namespace detail

/// Gives every weight that the model's graph wants a starting value, replacing what is there. The numbers
/// depend on the seed and the weight's name alone: neither on the order of the nodes nor on the number of
/// threads.
inline void initialise(Model& model, Initialisation scheme, std::uint64_t seed,
                       const Context<Cpu>& context = Context<Cpu>()) {
  model.weights.clear();
  const auto shapes = weight_shapes(model.graph);
  for (const auto& [name, shape] : shapes) {
    Tensor<float, Cpu> weight(shape);
    const Random random(seed, detail::name_hash(name));
    const auto fill = [&](auto value_of) {
      parallel_ranges(context, weight.count(), 4096, [&](Index begin, Index end) {
        for (Index i = begin; i < end; ++i) weight.data()[i] = value_of(static_cast<std::uint64_t>(i));
      });
    };
    const auto uniform_for = [&](double fan_in) {
      const auto bound = static_cast<float>(1.0 / std::sqrt(fan_in));
      fill([&](std::uint64_t i) { return bound * (2.0f * random.uniform(i) - 1.0f); });
    };
    if (name.ends_with(".weight") && scheme == Initialisation::torch) {
      uniform_for(detail::fan_in_of(shape));
    } else if (name.ends_with(".weight")) {
      const float deviation = scheme == Initialisation::paper
                                  ? 0.01f
                                  : static_cast<float>(std::sqrt(2.0 / detail::fan_in_of(shape)));
      fill([&](std::uint64_t i) { return deviation * random.normal(i); });
    } else {
      // A bias beside a weight; batch normalisations have none.
      const auto beside =
          name.ends_with(".bias") ? shapes.find(name.substr(0, name.size() - 4) + "weight") : shapes.end();
      if (scheme == Initialisation::torch && beside != shapes.end()) {
        uniform_for(detail::fan_in_of(beside->second));
      } else {
        const bool one = name.ends_with(".scale") || name.ends_with(".variance");
        std::fill(weight.begin(), weight.end(), one ? 1.0f : 0.0f);
      }
    }
    model.weights.emplace(name, std::move(weight));
  }
}

}  // namespace deconv
