#include "patch_options.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <tuple>
#include <utility>

namespace deconv::tool {

namespace {

/// "N" or "H,W".
std::pair<Index, Index> parse_extents(const std::string& option, const std::string& text) {
  const std::vector<Index> values = parse_indices(option, text);
  require<UsageError>((values.size() == 1 || values.size() == 2) && values.front() >= 1 && values.back() >= 1,
                      option, ": N or H,W from 1 on wanted, met ", text);
  return {values.front(), values.back()};
}

/// The number of --fill, where it is one.
std::optional<float> parse_value(const std::string& text) {
  float value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

/// What the network makes of a picture of one level, 1 x C x H x W.
Tensor<float, Cpu> level_image(const io::Preprocess& preprocess, const Shape& shape, float level) {
  io::Image picture(shape[3], shape[2]);
  std::fill_n(picture.pixels().data(), shape[2] * shape[3] * 3,
              static_cast<std::uint8_t>(std::lround(level)));
  Tensor<float, Cpu> image(shape);
  preprocess.normalise(picture, {image.data(), Shape{shape[1], shape[2], shape[3]}});
  return image;
}

}  // namespace

void add_patch_options(CLI::App& command, PatchOptions& options) {
  command.add_option("--size", options.size, "of the patch, in pixels of the network's input")
      ->capture_default_str()
      ->type_name("N|H,W");
  command.add_option("--stride", options.stride, "pixels from one position to the next")
      ->capture_default_str()
      ->type_name("N|H,W");
  command
      .add_option("--fill", options.fill,
                  "of the patch: zero (0 after preprocessing), grey (level 128), mean (the picture's own "
                  "colour) or a level from 0 to 255; with --input a value as the network takes it")
      ->capture_default_str()
      ->type_name("zero|grey|mean|VALUE");
}

void apply_patch(const PatchOptions& options, bool is_array, OcclusionOptions& how) {
  std::tie(how.height, how.width) = parse_extents("--size", options.size);
  std::tie(how.stride_y, how.stride_x) = parse_extents("--stride", options.stride);
  const bool named = options.fill == "zero" || options.fill == "grey" || options.fill == "mean";
  const auto value = parse_value(options.fill);
  require<UsageError>(named || value, "--fill: zero, grey, mean or a number wanted, met ", options.fill);
  require<UsageError>(named || is_array || (*value >= 0 && *value <= 255), "--fill ", options.fill,
                      ": a picture's level from 0 to 255 wanted");
}

void check_patch(const PatchOptions& options, const Shape& images, const OcclusionOptions& how) {
  try {
    static_cast<void>(occlusion_grid(images[2], images[3], how));
  } catch (const ArgumentError& problem) {
    raise<UsageError>("--size ", options.size, ": ", problem.what());
  }
}

Tensor<float, Cpu> choose_fill(const PatchOptions& options, bool is_array, const LoadedModel& model,
                               TensorView<const float, Cpu> image, OcclusionOptions& how) {
  how.fill.clear();
  if (options.fill == "zero") return {};
  if (options.fill == "mean") {
    const Index pixels = image[2] * image[3];
    for (Index c = 0; c < image[1]; ++c) {
      double sum = 0;
      for (Index i = 0; i < pixels; ++i) sum += static_cast<double>(image.data()[c * pixels + i]);
      how.fill.push_back(static_cast<float>(sum / static_cast<double>(pixels)));
    }
    return {};
  }
  const auto value = parse_value(options.fill);
  if (is_array && value) {
    how.fill.assign(static_cast<std::size_t>(image[1]), *value);
    return {};
  }
  require<UsageError>(model.preprocess && (image[1] == 3 || image[1] == 1), "--fill ", options.fill,
                      ": the model does not say what a picture's grey is to it; zero, mean or, with --input, "
                      "a value wanted");
  return level_image(*model.preprocess, image.shape(), value.value_or(128));
}

}  // namespace deconv::tool
