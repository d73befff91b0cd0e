#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "deconv/core/tensor.hpp"
#include "deconv/io/image.hpp"
#include "deconv/io/resize.hpp"

namespace deconv::io {

/// How a picture gets its size before the crop. `shorter_side`: its shorter side becomes `size`, the longer
/// one keeps the proportion (rounded down). `exact`: both sides, whatever the proportion. `none`: it stays as
/// it is.
enum class ResizeRule : std::uint8_t { shorter_side, exact, none };

/// The channels that a network wants: red first, blue first, or one channel of luma (ITU-R BT.601).
enum class ChannelOrder : std::uint8_t { rgb, bgr, grey };

[[nodiscard]] inline const char* name_of(ResizeRule rule) noexcept {
  return rule == ResizeRule::shorter_side ? "shorter_side" : rule == ResizeRule::exact ? "exact" : "none";
}
[[nodiscard]] inline const char* name_of(ChannelOrder order) noexcept {
  return order == ChannelOrder::rgb ? "rgb" : order == ChannelOrder::bgr ? "bgr" : "grey";
}

/// Height and width, in pixels.
struct Extent {
  Index height = 0;
  Index width = 0;
  friend bool operator==(const Extent&, const Extent&) = default;
};

/// A rectangle of a picture in fractions of pixels; pixel (0, 0) covers [0, 1) x [0, 1).
struct RealBox {
  double left = 0.0;
  double top = 0.0;
  double right = 0.0;
  double bottom = 0.0;
};

/// How far to the right and below something lies, in pixels.
struct Offset {
  Index left = 0;
  Index top = 0;
  friend bool operator==(const Offset&, const Offset&) = default;
};

/// How a picture becomes a network's input: resized, cropped in the middle, its channels put in order, and
/// each value made (pixel * scale - mean) / std. A plain value; io/preprocess_json.hpp reads and writes it.
struct Preprocess {
  ResizeRule resize = ResizeRule::none;
  Extent size;  ///< Target of `exact`; its height is the target of `shorter_side`. Unused for `none`.
  /// Middle part of the resized picture that crops are taken from, those of training and of ten-crop testing
  /// too; all of it where absent.
  std::optional<Extent> frame = std::nullopt;
  std::optional<Extent> crop;  ///< Middle part of the frame that is kept; all of it where absent.
  ChannelOrder order = ChannelOrder::rgb;
  double scale = 1.0;
  std::vector<double> mean{0.0};  ///< One for all channels, or one a channel in `order`.
  std::vector<double> std{1.0};   ///< Likewise; none is 0.
  /// Instead of `mean` where set: [C, H, W] in `order`, after scaling. Larger than the input: its middle is
  /// used.
  std::shared_ptr<const Tensor<float, Cpu>> mean_image;

  /// The middle height x width pixels of the picture as it is, instead of the rule and crop that stand here.
  /// For pictures that are already near the network's input size.
  [[nodiscard]] Preprocess without_resize(Index height, Index width) const {
    Preprocess changed = *this;
    changed.resize = ResizeRule::none;
    changed.frame.reset();
    changed.crop = Extent{height, width};
    return changed;
  }
  /// The whole picture resized to exactly height x width.
  [[nodiscard]] Preprocess resized_to(Index height, Index width) const {
    Preprocess changed = *this;
    changed.resize = ResizeRule::exact;
    changed.size = {height, width};
    changed.frame.reset();
    changed.crop.reset();
    return changed;
  }

  /// The same for a network whose input is height x width: the crop becomes that (and a shorter side that
  /// cannot hold it grows in proportion, 256 to 224); without resizing or crop, the whole picture is resized
  /// to it.
  [[nodiscard]] Preprocess for_input(Index height, Index width) const {
    if (resize == ResizeRule::exact && !crop && !frame) return resized_to(height, width);
    if (resize == ResizeRule::none && !crop && !frame) return resized_to(height, width);
    Preprocess changed = *this;
    changed.crop = Extent{height, width};
    const Index longer = std::max(height, width);
    const auto grow = [&](Index& side) {
      if (side < longer) side = (longer * 256 + 223) / 224;
    };
    if (resize == ResizeRule::shorter_side) grow(changed.size.height), grow(changed.size.width);
    if (frame) grow(changed.frame->height), grow(changed.frame->width);
    if (resize == ResizeRule::exact && (size.height < height || size.width < width))
      return resized_to(height, width);
    return changed;
  }

  /// Channels of the input: 1 or 3.
  [[nodiscard]] Index channels() const noexcept { return order == ChannelOrder::grey ? 1 : 3; }
  /// [C, H, W] of every input, or nothing where that depends on the picture.
  [[nodiscard]] std::optional<Shape> output_shape() const {
    if (crop) return Shape{channels(), crop->height, crop->width};
    if (frame) return Shape{channels(), frame->height, frame->width};
    if (resize == ResizeRule::exact) return Shape{channels(), size.height, size.width};
    return std::nullopt;
  }

  /// Throws FormatError, naming the field, when the fields contradict each other.
  void check() const {
    const auto extent = [](const Extent& e, const char* field) {
      constexpr Index largest = 1 << 16;
      require<FormatError>(e.height >= 1 && e.width >= 1 && e.height <= largest && e.width <= largest,
                           "preprocessing: ", field, ": extents from 1 to ", largest, " wanted, met ",
                           e.height, "x", e.width);
    };
    if (resize != ResizeRule::none) extent(size, "size");
    if (frame) extent(*frame, "frame");
    if (crop) extent(*crop, "crop");
    const auto inside = [](const std::optional<Extent>& part, const char* field, const Extent& all,
                           const char* of) {
      if (part)
        require<FormatError>(part->height <= all.height && part->width <= all.width, "preprocessing: ", field,
                             ": at most ", of, " (", all.height, "x", all.width, ") wanted, met ",
                             part->height, "x", part->width);
    };
    if (resize == ResizeRule::exact) inside(frame, "frame", size, "size");
    if (frame)
      inside(crop, "crop", *frame, "frame");
    else if (resize == ResizeRule::exact)
      inside(crop, "crop", size, "size");
    const auto values = [&](const std::vector<double>& v, const char* field) {
      require<FormatError>(v.size() == 1 || static_cast<Index>(v.size()) == channels(),
                           "preprocessing: ", field, ": one value or ", channels(), " wanted, met ",
                           v.size());
      for (const double value : v)
        require<FormatError>(std::isfinite(value), "preprocessing: ", field, ": finite values wanted");
    };
    values(mean, "mean");
    values(std, "std");
    for (const double value : std)
      require<FormatError>(value != 0.0, "preprocessing: std: a value other than 0 wanted");
    require<FormatError>(std::isfinite(scale), "preprocessing: scale: a finite number wanted");
    if (!mean_image) return;
    const Shape& shape = mean_image->shape();
    require<FormatError>(shape.rank() == 3 && shape[0] == channels() && shape.count() > 0,
                         "preprocessing: mean: an image of [", channels(), ",H,W] wanted, met ", shape);
    if (const auto output = output_shape())
      require<FormatError>(shape[1] >= (*output)[1] && shape[2] >= (*output)[2],
                           "preprocessing: mean: an image at least as large as the input ", *output,
                           " wanted, met ", shape);
  }

  /// What the resize rule makes of a picture of this size. Throws ShapeError when that is out of bounds.
  [[nodiscard]] Extent resized_extent(Index width, Index height) const {
    require<ShapeError>(width > 0 && height > 0, "preprocessing of a picture of ", width, "x", height);
    if (resize == ResizeRule::none) return {height, width};
    if (resize == ResizeRule::exact) return size;
    const Index shorter = std::min(width, height), longer = std::max(width, height);
    const Index scaled = size.height * longer / shorter;
    return width <= height ? Extent{scaled, size.height} : Extent{size.height, scaled};
  }
  /// Where the frame lies in the resized picture. Throws ShapeError when the picture is too small for it.
  [[nodiscard]] Box frame_box(Index width, Index height) const {
    const Extent whole = resized_extent(width, height);
    if (!frame) return {0, 0, whole.width, whole.height};
    return centre_box(whole.width, whole.height, frame->width, frame->height);
  }
  /// Where the crop lies in the resized picture. Throws ShapeError when the picture is too small for it.
  [[nodiscard]] Box crop_box(Index width, Index height) const {
    const Box all = frame_box(width, height);
    if (!crop) return all;
    Box middle = centre_box(all.width, all.height, crop->width, crop->height);
    middle.left += all.left;
    middle.top += all.top;
    return middle;
  }

  /// The part of a width x height source picture that lies under a box of the input (a unit's receptive
  /// field, for example). The box may reach over the input's edge.
  [[nodiscard]] RealBox source_box(Index width, Index height, const Box& box) const {
    const Extent whole = resized_extent(width, height);
    const Box window = crop_box(width, height);
    const double across = static_cast<double>(width) / static_cast<double>(whole.width);
    const double down = static_cast<double>(height) / static_cast<double>(whole.height);
    return {static_cast<double>(window.left + box.left) * across,
            static_cast<double>(window.top + box.top) * down,
            static_cast<double>(window.left + box.left + box.width) * across,
            static_cast<double>(window.top + box.top + box.height) * down};
  }

  /// What the network sees, as a picture: resized and cropped, before channels and values change. Throws
  /// ShapeError when the picture is too small for the crop.
  [[nodiscard]] Image view(const Image& image) const {
    const Extent whole = resized_extent(image.width(), image.height());
    return resize_window(image, whole.width, whole.height, crop_box(image.width(), image.height()));
  }

  /// The frame as a picture: what view() and all other crops are parts of. Throws ShapeError when the picture
  /// is too small for it.
  [[nodiscard]] Image frame_view(const Image& image) const {
    const Extent whole = resized_extent(image.width(), image.height());
    return resize_window(image, whole.width, whole.height, frame_box(image.width(), image.height()));
  }

  /// The input made of a view: [C, H, W] into `dst`. `from_middle`: how far the view lies from the frame's
  /// middle; the mean image is subtracted at the view's own place, as far as it reaches (one that is no
  /// larger than the view: as it is). Throws ShapeError when the shape of `dst` is another.
  void normalise(const Image& seen, TensorView<float, Cpu> dst, Offset from_middle = {}) const;

  /// The picture's input, [C, H, W], into a slot of a batch. Throws ShapeError when the slot's shape is
  /// another or the picture is too small for the crop.
  void apply(const Image& image, TensorView<float, Cpu> dst) const { normalise(view(image), dst); }
  /// The picture's input, [C, H, W].
  [[nodiscard]] Tensor<float, Cpu> apply(const Image& image) const {
    const Image seen = view(image);
    Tensor<float, Cpu> input(Shape{channels(), seen.height(), seen.width()});
    normalise(seen, input);
    return input;
  }
};

namespace detail {

/// Source channel of each input channel.
[[nodiscard]] inline Index channel_of(ChannelOrder order, Index c) noexcept {
  return order == ChannelOrder::bgr ? 2 - c : c;
}

/// BT.601 luma in sixteen-bit fixed point; grey stays what it is.
[[nodiscard]] inline std::uint8_t luma(const std::uint8_t* rgb) noexcept {
  return static_cast<std::uint8_t>((19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 0x8000u) >> 16);
}

}  // namespace detail

inline void Preprocess::normalise(const Image& seen, TensorView<float, Cpu> dst, Offset from_middle) const {
  const Shape wanted{channels(), seen.height(), seen.width()};
  require<ShapeError>(dst.shape() == wanted, "preprocessing: the input is ", wanted, ", the place for it ",
                      dst.shape());
  require<ShapeError>(seen.channels() == 3, "preprocessing: a picture of three channels wanted, met ",
                      seen.channels());
  const auto per_channel = [](const std::vector<double>& values, Index c) {
    return values.size() == 1 ? values[0] : values[static_cast<std::size_t>(c)];
  };
  const Index plane = seen.width() * seen.height();
  const std::uint8_t* pixels = seen.pixels().data();
  for (Index c = 0; c < channels(); ++c) {
    // 256 possible bytes: each is converted once, in double.
    std::array<float, 256> value;
    const double divisor = per_channel(std, c);
    for (int byte = 0; byte < 256; ++byte) {
      const double shifted = byte * scale - (mean_image ? 0.0 : per_channel(mean, c));
      value[static_cast<std::size_t>(byte)] = static_cast<float>(mean_image ? shifted : shifted / divisor);
    }
    float* out = dst.data() + c * plane;
    if (order == ChannelOrder::grey) {
      for (Index i = 0; i < plane; ++i) out[i] = value[detail::luma(pixels + 3 * i)];
    } else {
      const std::uint8_t* src = pixels + detail::channel_of(order, c);
      for (Index i = 0; i < plane; ++i) out[i] = value[src[3 * i]];
    }
    if (!mean_image) continue;
    const Shape& shape = mean_image->shape();
    const Box middle = centre_box(shape[2], shape[1], seen.width(), seen.height());
    const Index left = std::clamp<Index>(middle.left + from_middle.left, 0, shape[2] - seen.width());
    const Index top = std::clamp<Index>(middle.top + from_middle.top, 0, shape[1] - seen.height());
    for (Index y = 0; y < seen.height(); ++y) {
      const float* average = mean_image->data() + (c * shape[1] + top + y) * shape[2] + left;
      float* row = out + y * seen.width();
      for (Index x = 0; x < seen.width(); ++x)
        row[x] =
            static_cast<float>((static_cast<double>(row[x]) - static_cast<double>(average[x])) / divisor);
    }
  }
}

/// A preprocessing by its built-in name, or nothing where there is none of that name. `imagenet-torch`: RGB,
/// shorter side 256, centre crop 224, / 255, minus .485 .456 .406, divided by .229 .224 .225.
/// `imagenet-caffe`: BGR, shorter side 256, centre crop 224, minus 104 117 123 (B, G, R). `unit`: RGB / 255,
/// size as it comes. `for_input` fits them to a network of another size.
[[nodiscard]] inline std::optional<Preprocess> built_in_preprocess(const std::string& name) {
  Preprocess made;
  if (name == "imagenet-torch") {
    made.resize = ResizeRule::shorter_side;
    made.size = {256, 256};
    made.crop = Extent{224, 224};
    made.scale = 1.0 / 255.0;
    made.mean = {0.485, 0.456, 0.406};
    made.std = {0.229, 0.224, 0.225};
    return made;
  }
  if (name == "imagenet-caffe") {
    made.resize = ResizeRule::shorter_side;
    made.size = {256, 256};
    made.crop = Extent{224, 224};
    made.order = ChannelOrder::bgr;
    made.mean = {104.0, 117.0, 123.0};
    return made;
  }
  if (name == "unit") {
    made.scale = 1.0 / 255.0;
    return made;
  }
  return std::nullopt;
}

}  // namespace deconv::io
