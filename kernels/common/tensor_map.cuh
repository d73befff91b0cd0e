#pragma once

#include <cuda.h>
#include <cuda_runtime.h>

#include <cstdint>
#include <optional>

#include "common/bulk_copy.cuh"
#include "common/launch.cuh"

// The host's side of bulk copies: maps of tensors for bulk_load, bulk_load_im2col and bulk_store. The driver
// makes them; it is asked for by way of the runtime, so that no program links against the driver itself.
//
// The limits here are the documented ones of cuTensorMapEncodeTiled and cuTensorMapEncodeIm2col, and one of
// ours: a swizzled box is exactly as wide as its span. Narrower ones are allowed, but nowhere is it written
// how their rows lie in shared memory.
namespace deconv::cuda {

/// What a map's elements are. Loads as tf32 read floats and round them to 10 bits of mantissa; the others are
/// moved as they are.
enum class MapElement { float32, tf32, half, bfloat16 };

[[nodiscard]] constexpr unsigned bytes_of(MapElement element) noexcept {
  return element == MapElement::float32 || element == MapElement::tf32 ? 4 : 2;
}

/// How the 16-byte chunks of a row of a box are permuted in shared memory, for rows of 32, 64 or 128 bytes:
/// with the address counted in chunks, its lowest 1, 2 or 3 bits are combined by exclusive or with as many of
/// the bits from the third on.
enum class Swizzle { none, span32, span64, span128 };

[[nodiscard]] constexpr unsigned span_of(Swizzle swizzle) noexcept {
  return swizzle == Swizzle::none ? 0 : 16u << static_cast<unsigned>(swizzle);
}

/// What make_tiled_map describes: a tensor of rank 2, 3 or 4 and a box of it, axis 0 contiguous.
struct TiledShape {
  MapElement element = MapElement::float32;
  const void* base = nullptr;  ///< on the device, aligned to 16 bytes
  unsigned rank = 2;
  std::uint64_t extents[4] = {};   ///< in elements, 1 to 2^32
  std::uint64_t strides[3] = {};   ///< of the axes 1, 2, 3 in bytes: multiples of 16, below 2^40
  unsigned box[4] = {1, 1, 1, 1};  ///< in elements, 1 to 256; a row of it has a multiple of 16 bytes
  /// From one element of an axis to the next that is loaded, 1 to 8, of axis 0 always 1: a box of N * step
  /// elements brings N. Not for stores.
  unsigned steps[4] = {1, 1, 1, 1};
  Swizzle swizzle = Swizzle::none;
};

/// What make_im2col_map describes: an nhwc tensor and a column of pixels of it. The first pixel, before its
/// offset is added, walks through the box w = lower_w, lower_w + step_w, ... <= width - 1 + upper_w, and h
/// likewise. For a convolution of size s, dilation d and padding p, lower is -p, upper p - (s - 1) d, and the
/// offsets of tap t are t d.
struct Im2colShape {
  MapElement element = MapElement::float32;
  const void* base = nullptr;                                        ///< on the device, aligned to 16 bytes
  std::uint64_t channels = 0, width = 0, height = 0, images = 0;     ///< 1 to 2^32
  std::uint64_t pixel_stride = 0, row_stride = 0, image_stride = 0;  ///< bytes: multiples of 16, below 2^40
  int lower_w = 0, lower_h = 0, upper_w = 0, upper_h = 0;            ///< -128 to 127
  unsigned step_w = 1, step_h = 1;                                   ///< 1 to 8
  unsigned largest_offset_w = 0, largest_offset_h = 0;               ///< that loads will give, at most 255
  unsigned channels_per_pixel = 0;                                   ///< up to 256, a multiple of 16 bytes
  unsigned pixels = 0;                                               ///< of a column, 1 to 1024
  Swizzle swizzle = Swizzle::none;
};

namespace map_limits {

inline constexpr std::uint64_t largest_extent = std::uint64_t{1} << 32, stride_end = std::uint64_t{1} << 40;

[[nodiscard]] inline bool aligned(const void* base) noexcept {
  return base && reinterpret_cast<std::uintptr_t>(base) % 16 == 0;
}
[[nodiscard]] constexpr bool extent(std::uint64_t value) noexcept {
  return value >= 1 && value <= largest_extent;
}
[[nodiscard]] constexpr bool stride(std::uint64_t value) noexcept {
  return value > 0 && value % 16 == 0 && value < stride_end;
}
[[nodiscard]] constexpr bool row(unsigned elements, MapElement element, Swizzle swizzle) noexcept {
  const unsigned bytes = elements * bytes_of(element);
  return elements >= 1 && elements <= 256 && bytes % 16 == 0 &&
         (swizzle == Swizzle::none || bytes == span_of(swizzle));
}
[[nodiscard]] constexpr bool corner(int value) noexcept { return value >= -128 && value <= 127; }
// Whether one axis of an im2col box is not empty.
[[nodiscard]] constexpr bool holds_pixels(std::uint64_t size, int lower, int upper) noexcept {
  return static_cast<std::int64_t>(size) + upper > lower;
}

}  // namespace map_limits

/// Which limit the shape breaks, in words, or null where a map of it can be made.
[[nodiscard]] inline const char* obstacle_to(const TiledShape& shape) noexcept {
  if (shape.rank < 2 || shape.rank > 4) return "a rank of 2 to 4";
  if (!map_limits::aligned(shape.base)) return "a base that is aligned to 16 bytes";
  for (unsigned axis = 0; axis < shape.rank; ++axis) {
    if (!map_limits::extent(shape.extents[axis])) return "extents of 1 to 2^32";
    if (shape.box[axis] < 1 || shape.box[axis] > 256) return "box extents of 1 to 256";
    if (axis > 0 && !map_limits::stride(shape.strides[axis - 1]))
      return "strides that are multiples of 16 bytes below 2^40";
    if (shape.steps[axis] < 1 || shape.steps[axis] > (axis == 0 ? 1 : 8))
      return "steps of 1 to 8, of 1 along axis 0";
  }
  if (!map_limits::row(shape.box[0], shape.element, shape.swizzle))
    return "a box whose rows are multiples of 16 bytes, and as wide as the swizzle's span";
  return nullptr;
}

/// As above.
[[nodiscard]] inline const char* obstacle_to(const Im2colShape& shape) noexcept {
  if (!map_limits::aligned(shape.base)) return "a base that is aligned to 16 bytes";
  for (const std::uint64_t size : {shape.channels, shape.width, shape.height, shape.images}) {
    if (!map_limits::extent(size)) return "extents of 1 to 2^32";
  }
  for (const std::uint64_t stride : {shape.pixel_stride, shape.row_stride, shape.image_stride}) {
    if (!map_limits::stride(stride)) return "strides that are multiples of 16 bytes below 2^40";
  }
  for (const int corner : {shape.lower_w, shape.lower_h, shape.upper_w, shape.upper_h}) {
    if (!map_limits::corner(corner)) return "corners of -128 to 127";
  }
  if (!map_limits::holds_pixels(shape.width, shape.lower_w, shape.upper_w) ||
      !map_limits::holds_pixels(shape.height, shape.lower_h, shape.upper_h))
    return "corners between which there are pixels";
  if (shape.step_w < 1 || shape.step_w > 8 || shape.step_h < 1 || shape.step_h > 8) return "steps of 1 to 8";
  if (shape.largest_offset_w > 255 || shape.largest_offset_h > 255) return "offsets up to 255";
  if (shape.pixels < 1 || shape.pixels > 1024) return "1 to 1024 pixels";
  if (!map_limits::row(shape.channels_per_pixel, shape.element, shape.swizzle))
    return "up to 256 channels a pixel, multiples of 16 bytes and as wide as the swizzle's span";
  return nullptr;
}

/// Whether make_tiled_map takes the shape.
[[nodiscard]] inline bool fits_tiled(const TiledShape& shape) noexcept { return !obstacle_to(shape); }
/// Whether make_im2col_map takes the shape.
[[nodiscard]] inline bool fits_im2col(const Im2colShape& shape) noexcept { return !obstacle_to(shape); }

namespace map_driver {

template <class Function>
[[nodiscard]] Function entry(const char* name) {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSymbolNotFound;
  check(cudaGetDriverEntryPointByVersion(name, &function, 12000, cudaEnableDefault, &found),
        "asking the driver for tensor maps");
  if (found != cudaDriverEntryPointSuccess || !function)
    raise<DeviceError>("tensor maps want a driver of CUDA 12.0 or later, which has ", name,
                       "; this one does not");
  return reinterpret_cast<Function>(function);
}

[[nodiscard]] constexpr CUtensorMapDataType type_of(MapElement element) noexcept {
  switch (element) {
    case MapElement::float32:
      return CU_TENSOR_MAP_DATA_TYPE_FLOAT32;
    case MapElement::tf32:
      return CU_TENSOR_MAP_DATA_TYPE_TFLOAT32;
    case MapElement::half:
      return CU_TENSOR_MAP_DATA_TYPE_FLOAT16;
    case MapElement::bfloat16:
      break;
  }
  return CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;
}

[[nodiscard]] constexpr CUtensorMapSwizzle swizzle_of(Swizzle swizzle) noexcept {
  switch (swizzle) {
    case Swizzle::none:
      return CU_TENSOR_MAP_SWIZZLE_NONE;
    case Swizzle::span32:
      return CU_TENSOR_MAP_SWIZZLE_32B;
    case Swizzle::span64:
      return CU_TENSOR_MAP_SWIZZLE_64B;
    case Swizzle::span128:
      break;
  }
  return CU_TENSOR_MAP_SWIZZLE_128B;
}

static_assert(sizeof(TensorMap) == sizeof(CUtensorMap) && alignof(TensorMap) >= alignof(CUtensorMap));

}  // namespace map_driver

namespace map_driver {

/// Asks the driver for a map, of a shape without obstacles.
[[nodiscard]] inline CUresult encode(const TiledShape& shape, TensorMap& map) {
  static const auto ask = entry<decltype(&cuTensorMapEncodeTiled)>("cuTensorMapEncodeTiled");
  cuuint64_t extents[4], strides[3];
  cuuint32_t box[4], steps[4];
  for (unsigned axis = 0; axis < 4; ++axis) {
    extents[axis] = shape.extents[axis];
    box[axis] = shape.box[axis];
    steps[axis] = shape.steps[axis];
    if (axis > 0) strides[axis - 1] = shape.strides[axis - 1];
  }
  return ask(reinterpret_cast<CUtensorMap*>(&map), type_of(shape.element), shape.rank,
             const_cast<void*>(shape.base), extents, strides, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE,
             swizzle_of(shape.swizzle), CU_TENSOR_MAP_L2_PROMOTION_L2_128B,
             CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
}

}  // namespace map_driver

/// As make_tiled_map, and empty where the shape breaks a limit or the driver refuses it: what is documented
/// of elements that overlap is not enough to know beforehand.
[[nodiscard]] inline std::optional<TensorMap> find_tiled_map(const TiledShape& shape) {
  TensorMap map{};
  if (!fits_tiled(shape) || map_driver::encode(shape, map) != CUDA_SUCCESS) return {};
  return map;
}

/// A map of boxes of a tensor, for bulk_load and bulk_store; zeros stand for what lies outside. Throws
/// DeviceError where the shape breaks a limit or the driver refuses it.
[[nodiscard]] inline TensorMap make_tiled_map(const TiledShape& shape) {
  const auto refuse = [&](const auto&... why) {
    raise<DeviceError>("a tensor map of rank ", shape.rank, ", extents ", shape.extents[0], " x ",
                       shape.extents[1], " x ", shape.extents[2], " x ", shape.extents[3], ", strides ",
                       shape.strides[0], ", ", shape.strides[1], ", ", shape.strides[2], " bytes, box ",
                       shape.box[0], " x ", shape.box[1], " x ", shape.box[2], " x ", shape.box[3],
                       " in steps of ", shape.steps[0], ", ", shape.steps[1], ", ", shape.steps[2], ", ",
                       shape.steps[3], " of ", bytes_of(shape.element), " bytes, swizzled over ",
                       span_of(shape.swizzle), " at ", shape.base, ": ", why...);
  };
  if (const char* wanted = obstacle_to(shape)) refuse("wanted ", wanted);
  TensorMap map{};
  const CUresult result = map_driver::encode(shape, map);
  if (result != CUDA_SUCCESS) refuse("the driver refuses it with error ", static_cast<int>(result));
  return map;
}

namespace map_driver {

/// Asks the driver for a map, of a shape without obstacles.
[[nodiscard]] inline CUresult encode(const Im2colShape& shape, TensorMap& map) {
  static const auto ask = map_driver::entry<decltype(&cuTensorMapEncodeIm2col)>("cuTensorMapEncodeIm2col");
  const cuuint64_t extents[4] = {shape.channels, shape.width, shape.height, shape.images};
  const cuuint64_t strides[3] = {shape.pixel_stride, shape.row_stride, shape.image_stride};
  const int lower[2] = {shape.lower_w, shape.lower_h}, upper[2] = {shape.upper_w, shape.upper_h};
  const cuuint32_t steps[4] = {1, shape.step_w, shape.step_h, 1};
  return ask(reinterpret_cast<CUtensorMap*>(&map), map_driver::type_of(shape.element), 4,
             const_cast<void*>(shape.base), extents, strides, lower, upper, shape.channels_per_pixel,
             shape.pixels, steps, CU_TENSOR_MAP_INTERLEAVE_NONE, map_driver::swizzle_of(shape.swizzle),
             CU_TENSOR_MAP_L2_PROMOTION_L2_128B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
}

}  // namespace map_driver

/// As make_im2col_map, and empty where the shape breaks a limit or the driver refuses it: what is documented
/// of pixels that overlap is not enough to know beforehand.
[[nodiscard]] inline std::optional<TensorMap> find_im2col_map(const Im2colShape& shape) {
  TensorMap map{};
  if (!fits_im2col(shape) || map_driver::encode(shape, map) != CUDA_SUCCESS) return {};
  return map;
}

/// A map of columns of pixels, for bulk_load_im2col; zeros stand for what lies outside. Throws DeviceError
/// where the shape breaks a limit or the driver refuses it.
[[nodiscard]] inline TensorMap make_im2col_map(const Im2colShape& shape) {
  const auto refuse = [&](const auto&... why) {
    raise<DeviceError>("an im2col map of ", shape.images, " x ", shape.height, " x ", shape.width, " x ",
                       shape.channels, " elements of ", bytes_of(shape.element), " bytes, strides ",
                       shape.image_stride, ", ", shape.row_stride, ", ", shape.pixel_stride,
                       " bytes, corners (", shape.lower_h, ", ", shape.lower_w, ") and (", shape.upper_h,
                       ", ", shape.upper_w, "), steps (", shape.step_h, ", ", shape.step_w,
                       "), offsets up to (", shape.largest_offset_h, ", ", shape.largest_offset_w, "), ",
                       shape.pixels, " pixels of ", shape.channels_per_pixel, " channels, swizzled over ",
                       span_of(shape.swizzle), " at ", shape.base, ": ", why...);
  };
  if (const char* wanted = obstacle_to(shape)) refuse("wanted ", wanted);
  TensorMap map{};
  const CUresult result = map_driver::encode(shape, map);
  if (result != CUDA_SUCCESS) refuse("the driver refuses it with error ", static_cast<int>(result));
  return map;
}

}  // namespace deconv::cuda
