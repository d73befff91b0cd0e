#pragma once

#include <algorithm>

#include "common/tensor_map.cuh"
#include "conv2d_launch.cuh"
#include "warpgroup_correlation.cuh"

// The host's maps of a convolution's operands, of which warpgroups' producers order boxes.
namespace deconv::cuda {

template <class T>
inline constexpr MapElement map_element = std::is_same_v<T, float>  ? MapElement::tf32
                                          : std::is_same_v<T, half> ? MapElement::half
                                                                    : MapElement::bfloat16;

[[nodiscard]] constexpr Swizzle swizzle_of_line(int line) {
  return line == 128 ? Swizzle::span128 : Swizzle::span64;
}
template <class T>
[[nodiscard]] constexpr unsigned elements_of(int line) {
  return static_cast<unsigned>(line) / static_cast<unsigned>(sizeof(T));
}

/// Bytes of a tap's channels, filled up to whole lines.
template <class T>
[[nodiscard]] int filled_bytes(const PixelSource<T>& src, int line) {
  return parts_of(src.chunks * chunk_bytes, line) * line;
}
/// The line, of 128 or 64 bytes, whose boxes waste less.
template <class T>
[[nodiscard]] int line_for(const PixelSource<T>& src) {
  return filled_bytes(src, 64) < filled_bytes(src, 128) ? 64 : 128;
}

/// Whether windows of merged taps are read as pixels of their own, wherever they begin.
[[nodiscard]] inline bool windows_are_pixels(const PhaseAxis& x) {
  return x.taps == 1 && x.origin == 0 && x.origin_step > 1;
}

/// Columns of `pixels` pixels that a correlation reads, from planes of y.rows x x.rows places.
template <class T>
[[nodiscard]] Im2colShape im2col_shape(const PixelSource<T>& src, Index images, const PhaseAxis& y,
                                       PhaseAxis x, int line, int pixels) {
  const auto bytes = [](Index elements) { return static_cast<std::uint64_t>(elements) * sizeof(T); };
  // The upper corner of a box in which the places of an axis lie.
  const auto upper = [](const BoxAxis& axis, int places, int extent) {
    return axis.first + (places - 1) * axis.step - (extent - 1);
  };
  int pitch = src.pitch, width = src.width;
  const Index row = Index{1} * pitch * width;
  if (windows_are_pixels(x)) {
    pitch *= x.origin_step;
    width = x.rows;
    x.origin_step = 1;
  }
  const BoxAxis down(y), across(x);
  Im2colShape shape;
  shape.element = map_element<T>;
  shape.base = src.data;
  const int chunk_elements = chunk_of<T>;
  shape.channels = static_cast<std::uint64_t>((src.chunks - 1) * chunk_elements +
                                              src.last_bytes / static_cast<int>(sizeof(T)));
  shape.width = static_cast<std::uint64_t>(width);
  shape.height = static_cast<std::uint64_t>(src.height);
  shape.images = static_cast<std::uint64_t>(images);
  shape.pixel_stride = bytes(pitch);
  shape.row_stride = bytes(row);
  shape.image_stride = bytes(row * src.height);
  shape.lower_w = across.first;
  shape.lower_h = down.first;
  shape.upper_w = upper(across, x.rows, width);
  shape.upper_h = upper(down, y.rows, src.height);
  shape.step_w = static_cast<unsigned>(across.step);
  shape.step_h = static_cast<unsigned>(down.step);
  shape.largest_offset_w = static_cast<unsigned>((std::max(x.taps, 1) - 1) * across.tap_step);
  shape.largest_offset_h = static_cast<unsigned>((std::max(y.taps, 1) - 1) * down.tap_step);
  shape.channels_per_pixel = elements_of<T>(line);
  shape.pixels = static_cast<unsigned>(pixels);
  shape.swizzle = swizzle_of_line(line);
  return shape;
}

/// The GPU's multiprocessors, each of which keeps one block; no more blocks than tiles.
[[nodiscard]] inline unsigned staying_blocks(const Context<Cuda>& context, unsigned tiles) {
  int processors = 0;
  check(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, context.device()),
        "asking for the number of multiprocessors");
  return std::min(tiles, static_cast<unsigned>(processors));
}

}  // namespace deconv::cuda
