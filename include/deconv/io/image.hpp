#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "deconv/core/error.hpp"
#include "deconv/core/shape.hpp"
#include "deconv/io/atomic_file.hpp"
#include "deconv/io/file.hpp"
#include "deconv/io/image_checks.hpp"
#include "deconv/io/jpeg_checks.hpp"
#include "deconv/io/stb_decoder.hpp"
#include "deconv/io/stb_encoder.hpp"

namespace deconv::io {

/// A rectangle of pixels: columns [left, left + width), rows [top, top + height).
struct Box {
  Index left = 0;
  Index top = 0;
  Index width = 0;
  Index height = 0;
  friend bool operator==(const Box&, const Box&) = default;
};

/// The most pixels that a picture may have, read or made: bounds the memory that one picture takes to about
/// 1.6 GB while it is read. 20000 x 13000 fits.
inline constexpr Index max_image_pixels = Index{1} << 28;

/// A picture: 8 bits a channel, rows from the top, the channels of a pixel together. Three channels are RGB.
class Image {
 public:
  Image() = default;
  /// A picture whose every channel is `value`. Throws ShapeError unless the extents are positive, there are 1
  /// to 4 channels and at most max_image_pixels pixels.
  Image(Index width, Index height, Index channels = 3, std::uint8_t value = 0)
      : width_(width), height_(height), channels_(channels) {
    require<ShapeError>(width > 0 && height > 0 && channels >= 1 && channels <= 4, "a picture of ", width,
                        "x", height, " pixels with ", channels, " channels");
    require<ShapeError>(height <= max_image_pixels / width, "a picture has at most ", max_image_pixels,
                        " pixels, met ", width, "x", height);
    pixels_.assign(static_cast<std::size_t>(width * height * channels), value);
  }

  [[nodiscard]] Index width() const noexcept { return width_; }
  [[nodiscard]] Index height() const noexcept { return height_; }
  [[nodiscard]] Index channels() const noexcept { return channels_; }
  [[nodiscard]] bool empty() const noexcept { return pixels_.empty(); }
  [[nodiscard]] std::span<std::uint8_t> pixels() noexcept { return pixels_; }
  [[nodiscard]] std::span<const std::uint8_t> pixels() const noexcept { return pixels_; }
  /// First byte of row y; unchecked.
  [[nodiscard]] std::uint8_t* row(Index y) noexcept { return pixels_.data() + y * width_ * channels_; }
  [[nodiscard]] const std::uint8_t* row(Index y) const noexcept {
    return pixels_.data() + y * width_ * channels_;
  }
  /// Channel c of the pixel in column x of row y; unchecked.
  [[nodiscard]] std::uint8_t& operator()(Index y, Index x, Index c) noexcept {
    return row(y)[x * channels_ + c];
  }
  [[nodiscard]] std::uint8_t operator()(Index y, Index x, Index c) const noexcept {
    return row(y)[x * channels_ + c];
  }

  friend bool operator==(const Image&, const Image&) = default;

 private:
  Index width_ = 0;
  Index height_ = 0;
  Index channels_ = 0;
  std::vector<std::uint8_t> pixels_;
};

namespace detail {

/// The decoder's block limit for as long as this lives.
class DecoderBudget {
 public:
  explicit DecoderBudget(std::size_t bytes) : before_(std::exchange(decoder_block_limit, bytes)) {}
  ~DecoderBudget() { decoder_block_limit = before_; }
  DecoderBudget(const DecoderBudget&) = delete;
  DecoderBudget& operator=(const DecoderBudget&) = delete;

 private:
  std::size_t before_;
};

/// RGBA pixels laid over white.
inline void lay_over_white(const std::uint8_t* rgba, std::uint8_t* rgb, Index count) {
  for (Index i = 0; i < count; ++i, rgba += 4, rgb += 3)
    for (int c = 0; c < 3; ++c) {
      const unsigned mixed = rgba[c] * unsigned{rgba[3]} + 255u * (255u - rgba[3]);
      rgb[c] = static_cast<std::uint8_t>((mixed + 127u) / 255u);
    }
}

}  // namespace detail

/// The picture in a JPEG (baseline, progressive, grey, CMYK), PNG (any depth, palette, alpha) or BMP file's
/// bytes, as three RGB channels: grey is repeated, transparency is laid over white, 16 bits are cut to 8.
/// EXIF orientation and colour profiles are not applied. `name` is what messages call it. Throws FormatError
/// for anything else, for a cut or (as far as the format can tell) damaged file, for more than
/// max_image_pixels pixels, and for a header that promises more pixels than the file's bytes can hold.
/// Memory: at most about eight bytes a pixel while decoding.
[[nodiscard]] inline Image decode_image(std::span<const std::uint8_t> bytes, const std::string& name) {
  require<FormatError>(bytes.size() <= static_cast<std::size_t>(INT_MAX), name,
                       ": a picture's file has at most ", INT_MAX, " bytes, met ", bytes.size());
  const auto kind = detail::picture_kind(bytes, name);
  if (kind == detail::PictureKind::jpeg) detail::JpegCheck(bytes, name).run();
  if (kind == detail::PictureKind::png) detail::check_png(bytes, name);

  const int length = static_cast<int>(bytes.size());
  int width = 0, height = 0, channels = 0;
  const auto reason = [] {
    const char* text = detail::decoder_reason();
    return std::string(text == nullptr ? "unknown reason" : text);
  };
  // The header alone may want a few tables; nothing that depends on the picture's size.
  const detail::DecoderBudget header_budget(std::size_t{1} << 20);
  try {
    if (detail::decoder_info(bytes.data(), length, &width, &height, &channels) == 0)
      raise<FormatError>("its header cannot be read (", reason(), ")");
    require<FormatError>(width > 0 && height > 0, "a picture of ", width, "x", height, " pixels");
    const Index pixels = Index{width} * height;
    require<FormatError>(pixels <= max_image_pixels, "a picture of ", width, "x", height, " pixels; at most ",
                         max_image_pixels, " in all are read");
    // A JPEG block of 64 pixels takes a bit at least; PNG's deflate shrinks 1032 times at best, eight pixels
    // a byte.
    const Index at_best = kind == detail::PictureKind::jpeg  ? 1024
                          : kind == detail::PictureKind::png ? 8 * 1032
                                                             : 8;
    require<FormatError>(pixels / at_best <= static_cast<Index>(bytes.size()), "its header promises ", width,
                         "x", height, " pixels, more than its ", bytes.size(), " bytes can hold");
  } catch (const FormatError& problem) {
    raise<FormatError>(name, ": ", problem.what());
  }
  if (kind == detail::PictureKind::bmp)
    detail::check_bmp(bytes, name, static_cast<std::uint64_t>(width), static_cast<std::uint64_t>(height));

  const Index pixels = Index{width} * height;
  const int wanted = channels == 2 || channels == 4 ? 4 : 3;
  // The largest block: sixteen-bit RGBA rows with their filter bytes, doubled by the decoder's growth steps,
  // or a progressive JPEG's coefficients of a component padded to whole blocks.
  const detail::DecoderBudget budget(static_cast<std::size_t>(pixels) * 16 +
                                     static_cast<std::size_t>(width + height) * 512 + (std::size_t{1} << 20) +
                                     bytes.size() * 2);
  int decoded_width = 0, decoded_height = 0;
  std::unique_ptr<std::uint8_t, decltype(&std::free)> decoded(nullptr, &std::free);
  try {
    decoded.reset(
        detail::decoder_load(bytes.data(), length, &decoded_width, &decoded_height, &channels, wanted));
  } catch (const FormatError& problem) {
    raise<FormatError>(name, ": ", problem.what());
  }
  require<FormatError>(decoded != nullptr && decoded_width == width && decoded_height == height, name,
                       ": the picture cannot be decoded (", reason(), ")");
  Image image(width, height);
  if (wanted == 4)
    detail::lay_over_white(decoded.get(), image.pixels().data(), pixels);
  else
    std::copy_n(decoded.get(), pixels * 3, image.pixels().data());
  return image;
}

/// The picture in a file, as decode_image. Throws IoError when the file cannot be read.
[[nodiscard]] inline Image read_image(const std::filesystem::path& path) {
  return decode_image(read_file(path, std::uint64_t{1} << 31), path.string());
}

/// The bytes of a PNG file of the picture (grey, grey and alpha, RGB or RGBA by its number of channels).
[[nodiscard]] inline Bytes encode_png(const Image& image) {
  require<ArgumentError>(!image.empty(), "a picture without pixels cannot be written");
  int length = 0;
  const std::unique_ptr<unsigned char, decltype(&std::free)> png(
      stb_encoder::stbi_write_png_to_mem(image.pixels().data(),
                                         static_cast<int>(image.width() * image.channels()),
                                         static_cast<int>(image.width()), static_cast<int>(image.height()),
                                         static_cast<int>(image.channels()), &length),
      &std::free);
  require<IoError>(png != nullptr, "a picture of ", image.width(), "x", image.height(),
                   " pixels cannot be encoded");
  return {png.get(), png.get() + length};
}

/// Writes a PNG file, whole or not at all. Throws IoError.
inline void write_png(const std::filesystem::path& path, const Image& image) {
  write_file(path, encode_png(image));
}

/// A part of a picture. Throws ShapeError unless the box lies inside it and holds a pixel.
[[nodiscard]] inline Image crop(const Image& image, const Box& box) {
  require<ShapeError>(box.width > 0 && box.height > 0 && box.left >= 0 && box.top >= 0 &&
                          box.left <= image.width() - box.width && box.top <= image.height() - box.height,
                      "crop of ", box.width, "x", box.height, " at (", box.left, ", ", box.top,
                      ") from a picture of ", image.width(), "x", image.height());
  Image part(box.width, box.height, image.channels());
  for (Index y = 0; y < box.height; ++y)
    std::copy_n(image.row(box.top + y) + box.left * image.channels(), box.width * image.channels(),
                part.row(y));
  return part;
}

/// The picture with left and right exchanged.
[[nodiscard]] inline Image flip_horizontally(const Image& image) {
  Image flipped = image;
  for (Index y = 0; y < image.height(); ++y)
    for (Index x = 0; x < image.width(); ++x)
      std::copy_n(image.row(y) + x * image.channels(), image.channels(),
                  flipped.row(y) + (image.width() - 1 - x) * image.channels());
  return flipped;
}

}  // namespace deconv::io
