#pragma once
/// Preprocessing as JSON: a file that users write, and the text that a model file carries. Fields, all
/// optional:
///   size           224 or [height, width]
///   resize         "shorter_side", "exact" or "none" (default: exact with a size, none without)
///   frame          256 or [height, width]: the middle part that crops are taken from (default: all)
///   crop           224 or [height, width]
///   channel_order  "rgb" (default), "bgr" or "grey"
///   scale          number (default 1)
///   mean           number, one number a channel, the path of a .npy or .binaryproto image (relative to the
///   JSON
///                  file), or {"tensor": name} inside a model file
///   std            number, or one a channel (default 1)

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "deconv/core/quoted.hpp"
#include "deconv/io/file.hpp"
#include "deconv/io/json.hpp"
#include "deconv/io/npy.hpp"
#include "deconv/io/preprocess.hpp"

namespace deconv::io {

/// Where a mean image that the JSON only names comes from.
struct MeanSources {
  /// Folder that paths are relative to.
  std::filesystem::path folder;
  /// Reads a .binaryproto mean: [C,H,W] or [1,C,H,W].
  std::function<Tensor<float, Cpu>(const std::filesystem::path&)> binaryproto;
  /// Gives the tensor of this name from the model file that carries the JSON.
  std::function<Tensor<float, Cpu>(const std::string&)> tensor;
};

namespace detail {

[[nodiscard]] inline Extent json_extent(const Json& value, const std::string& what) {
  constexpr Index largest = 1 << 16;
  if (value.is_array()) {
    require<FormatError>(value.size() == 2, what, ": a number or [height, width] wanted, met ",
                         json_excerpt(value));
    return {json_integer(value[0], what, 1, largest), json_integer(value[1], what, 1, largest)};
  }
  const Index side = json_integer(value, what, 1, largest);
  return {side, side};
}

[[nodiscard]] inline std::vector<double> json_numbers(const Json& value, const std::string& what) {
  if (!value.is_array()) return {json_number(value, what)};
  require<FormatError>(value.size() >= 1 && value.size() <= 4, what, ": one number a channel wanted, met ",
                       json_excerpt(value));
  std::vector<double> numbers;
  for (const Json& number : value) numbers.push_back(json_number(number, what));
  return numbers;
}

/// Puts a mean array into the preprocessing: [C] and [C,1,1] are values, [C,H,W] an image; a leading 1 is
/// dropped.
inline void set_mean(Preprocess& preprocess, Tensor<float, Cpu> mean, const std::string& what) {
  Shape shape = mean.shape();
  if (shape.rank() == 4 && shape[0] == 1) shape = Shape{shape[1], shape[2], shape[3]};
  const bool values = shape.rank() <= 1 || (shape.rank() == 3 && shape[1] == 1 && shape[2] == 1);
  require<FormatError>(shape.count() > 0 && (values ? shape.count() <= 4 : shape.rank() == 3), what,
                       ": a mean of shape [C] or [C,H,W] wanted, met ", shape);
  for (const float value : mean.span())
    require<FormatError>(std::isfinite(value), what, ": finite values wanted");
  if (values) {
    preprocess.mean.assign(mean.begin(), mean.end());
  } else {
    preprocess.mean_image = std::make_shared<const Tensor<float, Cpu>>(std::move(mean).reshaped(shape));
  }
}

inline void read_mean(Preprocess& preprocess, const Json& value, const std::string& what,
                      const MeanSources& sources) {
  if (value.is_object()) {
    require<FormatError>(value.size() == 1 && value.contains("tensor"), what,
                         ": {\"tensor\": name} wanted, met ", json_excerpt(value));
    require<FormatError>(sources.tensor != nullptr, what,
                         ": a tensor is named, which only a model file can carry");
    return set_mean(preprocess, sources.tensor(json_string(value["tensor"], what)), what);
  }
  if (!value.is_string()) {
    preprocess.mean = json_numbers(value, what);
    return;
  }
  const std::filesystem::path path = sources.folder / std::filesystem::path(value.get<std::string>());
  if (path.extension() == ".npy") return set_mean(preprocess, read_npy<float>(path), what);
  if (path.extension() == ".binaryproto") {
    require<FormatError>(sources.binaryproto != nullptr, what,
                         ": no reader for .binaryproto files was given");
    return set_mean(preprocess, sources.binaryproto(path), what);
  }
  raise<FormatError>(what, ": numbers, or a .npy or .binaryproto file wanted, met ", json_excerpt(value));
}

}  // namespace detail

/// Preprocessing from a JSON value. Throws FormatError that names the field, what was wanted and what was
/// met; unknown fields are errors. `name` is what messages call the document.
[[nodiscard]] inline Preprocess preprocess_from_json(const Json& document, const std::string& name,
                                                     const MeanSources& sources = {}) {
  require<FormatError>(document.is_object(), name, ": a JSON object wanted, met ", json_excerpt(document));
  Preprocess made;
  bool rule_given = false, size_given = false;
  for (const auto& [key, value] : document.items()) {
    const std::string what = name + ": " + quoted(key);
    if (key == "size") {
      made.size = detail::json_extent(value, what);
      size_given = true;
    } else if (key == "resize") {
      const std::string rule = json_string(value, what);
      require<FormatError>(rule == "shorter_side" || rule == "exact" || rule == "none", what,
                           ": shorter_side, exact or none wanted, met ", json_excerpt(value));
      made.resize = rule == "shorter_side" ? ResizeRule::shorter_side
                    : rule == "exact"      ? ResizeRule::exact
                                           : ResizeRule::none;
      rule_given = true;
    } else if (key == "frame") {
      if (!value.is_null()) made.frame = detail::json_extent(value, what);
    } else if (key == "crop") {
      if (!value.is_null()) made.crop = detail::json_extent(value, what);
    } else if (key == "channel_order") {
      const std::string order = json_string(value, what);
      require<FormatError>(order == "rgb" || order == "bgr" || order == "grey" || order == "gray", what,
                           ": rgb, bgr or grey wanted, met ", json_excerpt(value));
      made.order = order == "rgb"   ? ChannelOrder::rgb
                   : order == "bgr" ? ChannelOrder::bgr
                                    : ChannelOrder::grey;
    } else if (key == "scale") {
      made.scale = json_number(value, what);
    } else if (key == "mean") {
      detail::read_mean(made, value, what, sources);
    } else if (key == "std") {
      made.std = detail::json_numbers(value, what);
    } else {
      raise<FormatError>(what,
                         ": unknown; size, resize, frame, crop, channel_order, scale, mean or std wanted");
    }
  }
  if (!rule_given && size_given) made.resize = ResizeRule::exact;
  require<FormatError>(made.resize == ResizeRule::none || size_given, name, ": resize ", name_of(made.resize),
                       " wants a size");
  require<FormatError>(made.resize != ResizeRule::none || !size_given, name,
                       ": a size is given, but resize is none (did you mean crop?)");
  if (made.resize == ResizeRule::shorter_side)
    require<FormatError>(made.size.height == made.size.width, name,
                         ": size: one number wanted for shorter_side, met ", made.size.height, "x",
                         made.size.width);
  try {
    made.check();
  } catch (const FormatError& problem) {
    raise<FormatError>(name, ": ", problem.what());
  }
  return made;
}

/// Preprocessing from JSON text; as above.
[[nodiscard]] inline Preprocess parse_preprocess(std::string_view text, const std::string& name,
                                                 const MeanSources& sources = {}) {
  return preprocess_from_json(parse_json(text, name), name, sources);
}

/// Preprocessing by built-in name, or from a JSON file. Throws FormatError; IoError when there is neither.
[[nodiscard]] inline Preprocess load_preprocess(const std::string& name_or_path, MeanSources sources = {}) {
  if (auto built_in = built_in_preprocess(name_or_path)) return *std::move(built_in);
  const std::filesystem::path path(name_or_path);
  std::error_code ignored;
  require<IoError>(std::filesystem::exists(path, ignored), "preprocessing '", name_or_path,
                   "': imagenet-torch, imagenet-caffe, unit or a JSON file wanted, there is no such file");
  if (sources.folder.empty()) sources.folder = path.parent_path();
  return parse_preprocess(read_text(path, std::uint64_t{1} << 24), path.string(), sources);
}

/// The preprocessing as JSON that preprocess_from_json reads back to the same values. A mean image is only
/// named, as
/// {"tensor": mean_tensor}: the caller stores `mean_image` under that name.
[[nodiscard]] inline Json preprocess_to_json(const Preprocess& preprocess,
                                             const std::string& mean_tensor = "preprocess.mean") {
  const auto extent = [](const Extent& e) { return Json::array({e.height, e.width}); };
  const auto numbers = [](const std::vector<double>& v) { return v.size() == 1 ? Json(v[0]) : Json(v); };
  Json document = {{"resize", name_of(preprocess.resize)},
                   {"channel_order", name_of(preprocess.order)},
                   {"scale", preprocess.scale},
                   {"mean", numbers(preprocess.mean)},
                   {"std", numbers(preprocess.std)}};
  if (preprocess.resize == ResizeRule::shorter_side) document["size"] = preprocess.size.height;
  if (preprocess.resize == ResizeRule::exact) document["size"] = extent(preprocess.size);
  if (preprocess.frame) document["frame"] = extent(*preprocess.frame);
  if (preprocess.crop) document["crop"] = extent(*preprocess.crop);
  if (preprocess.mean_image) document["mean"] = Json{{"tensor", mean_tensor}};
  return document;
}

}  // namespace deconv::io
