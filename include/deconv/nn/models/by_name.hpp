#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "deconv/core/quoted.hpp"
#include "deconv/nn/models/alexnet.hpp"
#include "deconv/nn/models/lenet.hpp"
#include "deconv/nn/models/squeezenet.hpp"
#include "deconv/nn/models/vgg.hpp"
#include "deconv/nn/models/zfnet.hpp"
#include "deconv/nn/models/zfnet_small.hpp"

namespace deconv::models {

/// What model_by_name knows.
[[nodiscard]] inline const std::vector<std::string_view>& model_names() {
  static const std::vector<std::string_view> names = {
      "zfnet",      "zfnet-wide", "zfnet-pad1", "zfnet-small", "zfnet-64", "alexnet",       "alexnet-dense",
      "alexnet-64", "lenet",      "lenet32",    "vgg16",       "vgg19",    "squeezenet1.0", "squeezenet1.1"};
  return names;
}

/// The model of that name, with `options` as the model's own function takes them. Throws ArgumentError that
/// lists the names when it is unknown.
[[nodiscard]] inline Model model_by_name(std::string_view name, const Options& options) {
  if (name == "zfnet") return zfnet(options);
  if (name == "zfnet-wide") return zfnet(options, ZfnetVariant::wide);
  if (name == "zfnet-pad1") return zfnet(options, ZfnetVariant::pad1);
  if (name == "zfnet-small") return zfnet_small(options);
  if (name == "zfnet-64") return zfnet_64(options);
  if (name == "alexnet") return alexnet(options);
  if (name == "alexnet-dense") return alexnet(options, AlexnetConnections::dense);
  if (name == "alexnet-64") return alexnet_64(options);
  if (name == "lenet") return lenet(options);
  if (name == "lenet32") return lenet32(options);
  if (name == "vgg16") return vgg16(options);
  if (name == "vgg19") return vgg19(options);
  if (name == "squeezenet1.0") return squeezenet1_0(options);
  if (name == "squeezenet1.1") return squeezenet1_1(options);
  std::string known;
  for (const std::string_view each : model_names()) known += message(known.empty() ? "" : ", ", each);
  raise<ArgumentError>("unknown network ", quoted(name), ", known are ", known);
}

/// The number of classes that a model of that name has when nobody says: 10 for lenet, lenet32,
/// zfnet-small, zfnet-64 and alexnet-64, 1000 for the others.
[[nodiscard]] inline Index usual_classes(std::string_view name) {
  const bool small = name == "lenet" || name == "lenet32" || name == "zfnet-small" || name == "zfnet-64" ||
                     name == "alexnet-64";
  return small ? 10 : 1000;
}

/// The same with the model's usual number of classes.
[[nodiscard]] inline Model model_by_name(std::string_view name) {
  return model_by_name(name, Options{.classes = usual_classes(name)});
}

}  // namespace deconv::models
