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

/// Elements of a tap.
template <class T>
[[nodiscard]] Index tap_elements(const PixelSource<T>& src) {
  return Index{src.chunks - 1} * chunk_of<T> + src.last_bytes / static_cast<int>(sizeof(T));
}

/// Whether windows of a single tap, such as a row of merged ones, are read as pixels of their own, of which a
/// map then has no more than there are: each lies within a row of the source.
template <class T>
[[nodiscard]] bool windows_are_pixels(const PixelSource<T>& src, const PhaseAxis& x) {
  return x.taps == 1 && x.origin == 0 && x.rows > 0 &&
         (Index{x.rows} - 1) * x.origin_step * src.pitch + tap_elements(src) <= Index{src.width} * src.pitch;
}

/// The pixels that a correlation's maps count: a source's own, or each window of merged taps.
struct MappedPixels {
  std::uint64_t channels = 0;
  Index pitch = 0, row = 0;  ///< elements from one pixel, and one row, to the next
  int width = 0;             ///< pixels of a row
};
template <class T>
[[nodiscard]] MappedPixels mapped_pixels(const PixelSource<T>& src, const PhaseAxis& x) {
  MappedPixels pixels{static_cast<std::uint64_t>(tap_elements(src)), src.pitch,
                      Index{1} * src.pitch * src.width, src.width};
  if (windows_are_pixels(src, x)) {
    pixels.pitch *= x.origin_step;
    pixels.width = x.rows;
  }
  return pixels;
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
  const MappedPixels seen = mapped_pixels(src, x);
  if (windows_are_pixels(src, x)) x.origin_step = 1;
  const BoxAxis down(y), across(x);
  Im2colShape shape;
  shape.element = map_element<T>;
  shape.base = src.data;
  shape.channels = seen.channels;
  shape.width = static_cast<std::uint64_t>(seen.width);
  shape.height = static_cast<std::uint64_t>(src.height);
  shape.images = static_cast<std::uint64_t>(images);
  shape.pixel_stride = bytes(seen.pitch);
  shape.row_stride = bytes(seen.row);
  shape.image_stride = bytes(seen.row * src.height);
  shape.lower_w = across.first;
  shape.lower_h = down.first;
  shape.upper_w = upper(across, x.rows, seen.width);
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

/// The boxes of filters: channels of a tap, taps, columns, phases.
template <class T>
[[nodiscard]] TiledShape filters_of(const MatrixCorrelation<T>& c, Index taps, int columns, int line) {
  const Index depth = c.src.chunks * chunk_of<T>;
  TiledShape shape;
  shape.element = map_element<T>;
  shape.base = c.filters;
  shape.rank = 4;
  const Index extents[4] = {depth, taps, c.columns, static_cast<Index>(c.phases)};
  const Index strides[3] = {depth, c.filter_pitch,
                            c.phases == 1 ? c.filter_pitch * c.columns : c.filter_phase};
  for (int i = 0; i < 4; ++i) shape.extents[i] = static_cast<std::uint64_t>(extents[i]);
  for (int i = 0; i < 3; ++i) shape.strides[i] = static_cast<std::uint64_t>(strides[i]) * sizeof(T);
  shape.box[0] = elements_of<T>(line);
  shape.box[2] = static_cast<unsigned>(columns);
  shape.swizzle = swizzle_of_line(line);
  return shape;
}

/// Patches of height x width pixels under a tap of a forward correlation: channels, pixels of a row, rows,
/// images.
template <class T>
[[nodiscard]] TiledShape patches_of(const PixelSource<T>& src, Index images, const PhaseAxis& y,
                                    const PhaseAxis& x, int line, int height, int width) {
  const MappedPixels seen = mapped_pixels(src, x);
  const auto narrow = [](Index value) { return static_cast<unsigned>(value); };
  TiledShape shape;
  shape.element = map_element<T>;
  shape.base = src.data;
  shape.rank = 4;
  shape.extents[0] = seen.channels;
  shape.extents[1] = static_cast<std::uint64_t>(seen.width);
  shape.extents[2] = static_cast<std::uint64_t>(src.height);
  shape.extents[3] = static_cast<std::uint64_t>(images);
  const Index strides[3] = {seen.pitch, seen.row, seen.row * src.height};
  for (int i = 0; i < 3; ++i) shape.strides[i] = static_cast<std::uint64_t>(strides[i]) * sizeof(T);
  shape.steps[1] = windows_are_pixels(src, x) ? 1 : narrow(x.origin_step);
  shape.steps[2] = narrow(y.origin_step);
  shape.box[0] = elements_of<T>(line);
  shape.box[1] = narrow(width) * shape.steps[1];
  shape.box[2] = narrow(height) * shape.steps[2];
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
