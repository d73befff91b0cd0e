#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "deconv/io/image.hpp"

namespace deconv::io {

/// How a resized pixel is made. `triangle`: the mean of the source pixels under a triangle that widens with
/// the reduction, so that reducing does not alias (what Pillow calls BILINEAR). `nearest`: the source pixel
/// under the centre.
enum class ResizeFilter : std::uint8_t { triangle, nearest };

namespace detail {

/// The weights of one axis in fixed point with 22 bits after the point: for each output, its first source and
/// the weights from there. 22 bits leave room for a sum of bytes in 32 bits.
struct ResampleTable {
  static constexpr int bits = 22;
  Index taps = 0;                    ///< Room for this many weights an output.
  std::vector<Index> first, length;  ///< An output.
  std::vector<std::int32_t> weight;  ///< taps an output.
};

/// The table for outputs [begin, begin + count) of an axis whose `source` pixels become `target`.
[[nodiscard]] inline ResampleTable triangle_table(Index source, Index target, Index begin, Index count) {
  const double scale = static_cast<double>(source) / static_cast<double>(target);
  const double radius = std::max(scale, 1.0);
  ResampleTable table;
  table.taps = static_cast<Index>(std::ceil(radius)) * 2 + 1;
  table.first.resize(static_cast<std::size_t>(count));
  table.length.resize(static_cast<std::size_t>(count));
  table.weight.assign(static_cast<std::size_t>(count * table.taps), 0);
  std::vector<double> exact(static_cast<std::size_t>(table.taps));
  for (Index i = 0; i < count; ++i) {
    const double centre = (static_cast<double>(begin + i) + 0.5) * scale;
    const Index low = std::clamp<Index>(static_cast<Index>(centre - radius + 0.5), 0, source - 1);
    const Index high = std::clamp<Index>(static_cast<Index>(centre + radius + 0.5), low + 1, source);
    double sum = 0.0;
    for (Index k = 0; k < high - low; ++k) {
      const double distance = std::abs((static_cast<double>(low + k) + 0.5 - centre) / radius);
      exact[static_cast<std::size_t>(k)] = std::max(1.0 - distance, 0.0);
      sum += exact[static_cast<std::size_t>(k)];
    }
    table.first[static_cast<std::size_t>(i)] = low;
    table.length[static_cast<std::size_t>(i)] = high - low;
    for (Index k = 0; k < high - low; ++k)
      table.weight[static_cast<std::size_t>(i * table.taps + k)] = static_cast<std::int32_t>(std::lround(
          exact[static_cast<std::size_t>(k)] / sum * static_cast<double>(1 << ResampleTable::bits)));
  }
  return table;
}

[[nodiscard]] inline std::uint8_t from_fixed(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> ResampleTable::bits, 0, 255));
}

/// One row across: dst has table.first.size() pixels of C channels.
template <Index C>
void resample_row(const std::uint8_t* src, std::uint8_t* dst, const ResampleTable& table) {
  for (std::size_t i = 0; i < table.first.size(); ++i) {
    const std::uint8_t* pixel = src + table.first[i] * C;
    const std::int32_t* weight = table.weight.data() + static_cast<Index>(i) * table.taps;
    std::array<std::int32_t, static_cast<std::size_t>(C)> sum;
    sum.fill(1 << (ResampleTable::bits - 1));
    for (Index k = 0; k < table.length[i]; ++k, pixel += C)
      for (std::size_t c = 0; c < sum.size(); ++c) sum[c] += weight[k] * pixel[c];
    for (const std::int32_t total : sum) *dst++ = from_fixed(total);
  }
}

inline void resample_row(const std::uint8_t* src, std::uint8_t* dst, const ResampleTable& table,
                         Index channels) {
  switch (channels) {
    case 1:
      return resample_row<1>(src, dst, table);
    case 2:
      return resample_row<2>(src, dst, table);
    case 3:
      return resample_row<3>(src, dst, table);
    default:
      return resample_row<4>(src, dst, table);
  }
}

}  // namespace detail

/// The part `window` of the picture resized to width x height, without making the rest: time and memory are
/// bounded by the source's rows under the window and the window itself. Throws ShapeError when an extent is
/// not positive or the window does not lie inside.
[[nodiscard]] inline Image resize_window(const Image& image, Index width, Index height, const Box& window,
                                         ResizeFilter filter = ResizeFilter::triangle) {
  require<ShapeError>(!image.empty() && width > 0 && height > 0, "resize of a picture of ", image.width(),
                      "x", image.height(), " to ", width, "x", height);
  require<ShapeError>(window.width > 0 && window.height > 0 && window.left >= 0 && window.top >= 0 &&
                          window.left <= width - window.width && window.top <= height - window.height,
                      "window of ", window.width, "x", window.height, " at (", window.left, ", ", window.top,
                      ") in a picture resized to ", width, "x", height);
  if (width == image.width() && height == image.height()) return crop(image, window);
  const Index channels = image.channels();
  Image result(window.width, window.height, channels);
  if (filter == ResizeFilter::nearest) {
    const auto source = [](Index i, Index from, Index to) {
      const double centre =
          (static_cast<double>(i) + 0.5) * static_cast<double>(from) / static_cast<double>(to);
      return std::min(static_cast<Index>(centre), from - 1);
    };
    std::vector<Index> column(static_cast<std::size_t>(window.width));
    for (Index x = 0; x < window.width; ++x)
      column[static_cast<std::size_t>(x)] = source(window.left + x, image.width(), width) * channels;
    for (Index y = 0; y < window.height; ++y) {
      const std::uint8_t* src = image.row(source(window.top + y, image.height(), height));
      std::uint8_t* dst = result.row(y);
      for (const Index offset : column) dst = std::copy_n(src + offset, channels, dst);
    }
    return result;
  }

  // Rows are resampled across as they come under the triangle of an output row, and kept in a ring of as many
  // rows as the tallest triangle needs.
  const auto across = detail::triangle_table(image.width(), width, window.left, window.width);
  const auto down = detail::triangle_table(image.height(), height, window.top, window.height);
  const Index row_bytes = window.width * channels;
  require<ShapeError>(row_bytes <= (Index{1} << 31) / down.taps, "resize of a picture of ", image.width(),
                      "x", image.height(), " to ", width, "x", height, ": too much reduction in height");
  std::vector<std::uint8_t> ring(static_cast<std::size_t>(down.taps * row_bytes));
  std::vector<std::int32_t> sum(static_cast<std::size_t>(row_bytes));
  const auto slot = [&](Index row) { return ring.data() + row % down.taps * row_bytes; };
  Index ready = down.first.front();
  for (Index y = 0; y < window.height; ++y) {
    const Index first = down.first[static_cast<std::size_t>(y)];
    const Index length = down.length[static_cast<std::size_t>(y)];
    for (ready = std::max(ready, first); ready < first + length; ++ready) {
      if (width == image.width())
        std::copy_n(image.row(ready) + window.left * channels, row_bytes, slot(ready));
      else
        detail::resample_row(image.row(ready), slot(ready), across, channels);
    }
    std::fill(sum.begin(), sum.end(), 1 << (detail::ResampleTable::bits - 1));
    for (Index k = 0; k < length; ++k) {
      const std::int32_t weight = down.weight[static_cast<std::size_t>(y * down.taps + k)];
      const std::uint8_t* src = slot(first + k);
      std::int32_t* const total = sum.data();
      for (Index i = 0; i < row_bytes; ++i) total[i] += weight * src[i];
    }
    std::uint8_t* dst = result.row(y);
    for (Index i = 0; i < row_bytes; ++i) dst[i] = detail::from_fixed(sum[static_cast<std::size_t>(i)]);
  }
  return result;
}

/// The picture resized to exactly width x height. Throws ShapeError as resize_window.
[[nodiscard]] inline Image resize(const Image& image, Index width, Index height,
                                  ResizeFilter filter = ResizeFilter::triangle) {
  return resize_window(image, width, height, {0, 0, width, height}, filter);
}

/// The box of width x height in the middle of a picture; odd margins are split to the even side, as Python's
/// round does it, which the published accuracies of most networks assume. Throws ShapeError when the picture
/// is smaller.
[[nodiscard]] inline Box centre_box(Index picture_width, Index picture_height, Index width, Index height) {
  require<ShapeError>(width > 0 && height > 0 && width <= picture_width && height <= picture_height,
                      "a crop of ", width, "x", height, " pixels does not fit a picture of ", picture_width,
                      "x", picture_height);
  const auto half_to_even = [](Index margin) { return margin / 2 + (margin % 4 == 3 ? 1 : 0); };
  return {half_to_even(picture_width - width), half_to_even(picture_height - height), width, height};
}

/// The middle width x height pixels. Throws ShapeError when the picture is smaller.
[[nodiscard]] inline Image centre_crop(const Image& image, Index width, Index height) {
  return crop(image, centre_box(image.width(), image.height(), width, height));
}

}  // namespace deconv::io
