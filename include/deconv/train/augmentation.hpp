#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "deconv/core/error.hpp"
#include "deconv/core/tensor.hpp"
#include "deconv/io/crops.hpp"
#include "deconv/io/preprocess.hpp"
#include "deconv/train/random_streams.hpp"

namespace deconv::train {

/// Which crop of the preprocessing's frame training sees. `centre`: the middle. `ten`: one of the four
/// corners and the middle, mirrored or not, all ten alike (the paper). `random`: any place.
enum class Crops : std::uint8_t { centre, ten, random };

/// What stands beyond the edge of a padded frame. `zero`: 0 in the network's input, which is the mean.
/// `reflect`: the frame mirrored at its outermost pixels, which are not repeated.
enum class Padding : std::uint8_t { zero, reflect };

[[nodiscard]] inline const char* name_of(Crops crops) noexcept {
  return crops == Crops::centre ? "centre" : crops == Crops::ten ? "ten" : "random";
}
[[nodiscard]] inline const char* name_of(Padding padding) noexcept {
  return padding == Padding::zero ? "zero" : "reflect";
}
/// The value of that name, or nothing.
[[nodiscard]] inline std::optional<Crops> parse_crops(std::string_view name) noexcept {
  for (const Crops crops : {Crops::centre, Crops::ten, Crops::random})
    if (name == name_of(crops)) return crops;
  return std::nullopt;
}
[[nodiscard]] inline std::optional<Padding> parse_padding(std::string_view name) noexcept {
  for (const Padding padding : {Padding::zero, Padding::reflect})
    if (name == name_of(padding)) return padding;
  return std::nullopt;
}

/// How the pictures of training are varied. The size of the input is the preprocessing's crop, taken out of
/// its frame (io::Preprocess): shorter side 256, frame 256, crop 224 is the paper's. The choice for a picture
/// is a pure function of the seed, the epoch and the picture's number. Testing takes the same preprocessing
/// and no augmentation.
struct Augmentation {
  Crops crops = Crops::centre;
  bool flip = false;  ///< Mirrors half of the pictures; `ten` does so by itself.
  Index padding = 0;  ///< Pixels by which the frame is extended on each side; with `random` only.
  Padding padding_rule = Padding::zero;

  /// Throws ArgumentError, naming the field, when the fields contradict each other or the preprocessing:
  /// inputs of one size known beforehand are wanted.
  void check(const io::Preprocess& preprocess) const {
    preprocess.check();
    require<ArgumentError>(preprocess.output_shape().has_value(),
                           "training wants inputs of one size: a preprocessing with a crop, a frame or an "
                           "exact size");
    require<ArgumentError>(padding >= 0 && padding <= 4096, "augmentation: padding: 0 to 4096 wanted, met ",
                           padding);
    require<ArgumentError>(padding == 0 || crops == Crops::random,
                           "augmentation: padding belongs to crops: random, met ", name_of(crops));
    require<ArgumentError>(crops != Crops::ten || preprocess.crop.has_value(),
                           "augmentation: crops: ten wants a preprocessing with a crop that is smaller than "
                           "its frame");
  }

  /// The crop of one picture in one epoch. With padding the corner may lie up to `padding` pixels outside the
  /// frame. Throws ShapeError when the frame is smaller than the crop.
  [[nodiscard]] io::CropPlace place(std::uint64_t seed, Index epoch, Index picture, const io::Extent& frame,
                                    const io::Extent& crop) const {
    const Random random = random_for(seed, Draw::view, static_cast<std::uint64_t>(epoch));
    // Four blocks of numbers a picture: what is chosen, and the two directions.
    const auto draw = [&](std::uint64_t which, Index bound) {
      return static_cast<Index>(
          random.below(static_cast<std::uint64_t>(picture) * 4 + which, static_cast<std::uint64_t>(bound)));
    };
    const io::Offset middle = io::middle_corner(frame, crop);
    if (crops == Crops::ten) {
      const Index choice = draw(0, 10);
      return {io::five_corners(frame, crop)[static_cast<std::size_t>(choice % 5)], choice >= 5};
    }
    const bool flipped = flip && draw(0, 2) == 1;
    if (crops == Crops::centre) return {middle, flipped};
    return {{draw(1, frame.width - crop.width + 2 * padding + 1) - padding,
             draw(2, frame.height - crop.height + 2 * padding + 1) - padding},
            flipped};
  }

  /// The input that training sees of a picture, [C, H, W] into `dst`. The mean image is subtracted at the
  /// crop's own place and mirrored with it. Throws ShapeError when the picture is too small, or `dst` has
  /// another shape than the preprocessing gives. Cost: a padded frame is normalised whole.
  void apply(const io::Preprocess& preprocess, const io::Image& image, std::uint64_t seed, Index epoch,
             Index picture, TensorView<float, Cpu> dst) const {
    const io::Extent frame = io::frame_extent(preprocess, image.width(), image.height());
    const io::Extent crop = preprocess.crop.value_or(frame);
    const io::CropPlace chosen = place(seed, epoch, picture, frame, crop);
    if (padding == 0) return io::apply_crop(preprocess, image, chosen, dst);
    require<ShapeError>(padding_rule == Padding::zero || padding < std::min(frame.height, frame.width),
                        "augmentation: reflected padding of ", padding, " pixels wants a larger frame than ",
                        frame.width, "x", frame.height);
    const Shape wanted{preprocess.channels(), crop.height, crop.width};
    require<ShapeError>(dst.shape() == wanted, "augmentation: the input is ", wanted, ", the place for it ",
                        dst.shape());
    // A worker's own memory, kept from picture to picture.
    thread_local std::vector<float> scratch;
    scratch.resize(static_cast<std::size_t>(wanted[0] * frame.height * frame.width));
    const TensorView<float, Cpu> whole(scratch.data(), Shape{wanted[0], frame.height, frame.width});
    preprocess.normalise(preprocess.frame_view(image), whole);
    copy_padded(whole, chosen.corner, dst);
    if (chosen.flipped) io::detail::mirror_rows(dst);
  }

 private:
  /// dst = the part of the padded planes whose upper left corner lies at `corner` of the planes.
  void copy_padded(TensorView<const float, Cpu> planes, const io::Offset& corner,
                   TensorView<float, Cpu> dst) const {
    const Index height = planes.shape()[1], width = planes.shape()[2];
    const auto source = [&](Index i, Index extent) {
      if (i >= 0 && i < extent) return i;
      if (padding_rule == Padding::zero) return Index{-1};
      return i < 0 ? -i : 2 * (extent - 1) - i;
    };
    const Index columns = dst.shape()[2];
    const Index inside = std::clamp<Index>(-corner.left, 0, columns);
    const Index inside_end = std::clamp<Index>(width - corner.left, inside, columns);
    float* out = dst.data();
    for (Index c = 0; c < dst.shape()[0]; ++c)
      for (Index y = 0; y < dst.shape()[1]; ++y, out += columns) {
        const Index from = source(corner.top + y, height);
        if (from < 0) {
          std::fill_n(out, columns, 0.0f);
          continue;
        }
        const float* row = planes.data() + (c * height + from) * width;
        const auto edge = [&](Index begin, Index end) {
          for (Index x = begin; x < end; ++x) {
            const Index column = source(corner.left + x, width);
            out[x] = column < 0 ? 0.0f : row[column];
          }
        };
        edge(0, inside);
        std::copy_n(row + corner.left + inside, inside_end - inside, out + inside);
        edge(inside_end, columns);
      }
  }
};

}  // namespace deconv::train
