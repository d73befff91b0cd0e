// Maps of tensors: which shapes fit, what the driver refuses, and what is said then.

#include <cuda.h>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "common/tensor_map.cuh"
#include "primitives.cuh"
#include "simt/emulator.hpp"
#include "support/catch.hpp"

using namespace deconv::cuda;
using deconv::DeviceError;
using deconv::test::Contains;

namespace {

void* const somewhere = reinterpret_cast<void*>(std::uintptr_t{1} << 20);

TiledShape right_box() {
  TiledShape shape;
  shape.base = somewhere;
  shape.rank = 3;
  shape.extents[0] = 50;
  shape.extents[1] = 20;
  shape.extents[2] = 10;
  shape.strides[0] = 208;
  shape.strides[1] = 208 * 20;
  shape.box[0] = 32;
  shape.box[1] = 16;
  shape.box[2] = 4;
  shape.swizzle = Swizzle::span128;
  return shape;
}

Im2colShape right_pixels() {
  Im2colShape shape;
  shape.element = MapElement::half;
  shape.base = somewhere;
  shape.channels = 96;
  shape.width = shape.height = 27;
  shape.images = 5;
  shape.pixel_stride = 192;
  shape.row_stride = 192 * 27;
  shape.image_stride = 192 * 27 * 27;
  shape.lower_w = shape.lower_h = -2;
  shape.upper_w = shape.upper_h = -2;
  shape.largest_offset_w = shape.largest_offset_h = 4;
  shape.channels_per_pixel = 64;
  shape.pixels = 128;
  shape.swizzle = Swizzle::span128;
  return shape;
}

// What the driver says of the shape, whatever we think of it.
CUresult driver_on(const TiledShape& shape) {
  alignas(128) CUtensorMap map;
  cuuint64_t extents[5] = {}, strides[5] = {};
  cuuint32_t box[5] = {}, steps[5] = {1, 1, 1, 1, 1};
  for (unsigned i = 0; i < 4; ++i) {
    extents[i] = shape.extents[i];
    box[i] = shape.box[i];
    steps[i] = shape.steps[i];
    if (i < 3) strides[i] = shape.strides[i];
  }
  return cuTensorMapEncodeTiled(&map, map_driver::type_of(shape.element), shape.rank,
                                const_cast<void*>(shape.base), extents, strides, box, steps,
                                CU_TENSOR_MAP_INTERLEAVE_NONE, map_driver::swizzle_of(shape.swizzle),
                                CU_TENSOR_MAP_L2_PROMOTION_NONE, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
}

CUresult driver_on(const Im2colShape& shape) {
  alignas(128) CUtensorMap map;
  const cuuint64_t extents[] = {shape.channels, shape.width, shape.height, shape.images};
  const cuuint64_t strides[] = {shape.pixel_stride, shape.row_stride, shape.image_stride};
  const int lower[] = {shape.lower_w, shape.lower_h}, upper[] = {shape.upper_w, shape.upper_h};
  const cuuint32_t steps[] = {1, shape.step_w, shape.step_h, 1};
  return cuTensorMapEncodeIm2col(&map, map_driver::type_of(shape.element), 4, const_cast<void*>(shape.base),
                                 extents, strides, lower, upper, shape.channels_per_pixel, shape.pixels,
                                 steps, CU_TENSOR_MAP_INTERLEAVE_NONE, map_driver::swizzle_of(shape.swizzle),
                                 CU_TENSOR_MAP_L2_PROMOTION_NONE, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
}

// The shape is refused, by us in those words and, unless the limit is ours alone, by the driver.
void check_refused(const TiledShape& shape, const char* wanted, bool by_driver = true) {
  CAPTURE(wanted);
  CHECK_FALSE(fits_tiled(shape));
  CHECK_THROWS_AS(make_tiled_map(shape), DeviceError);
  CHECK_THROWS_WITH(make_tiled_map(shape), Contains(std::string("wanted ") + wanted));
  CHECK_FALSE(find_tiled_map(shape));
  if (by_driver) CHECK(driver_on(shape) == CUDA_ERROR_INVALID_VALUE);
}
void check_refused(const Im2colShape& shape, const char* wanted, bool by_driver = true) {
  CAPTURE(wanted);
  CHECK_FALSE(fits_im2col(shape));
  CHECK_THROWS_AS(make_im2col_map(shape), DeviceError);
  CHECK_THROWS_WITH(make_im2col_map(shape), Contains(std::string("wanted ") + wanted));
  if (by_driver) CHECK(driver_on(shape) == CUDA_ERROR_INVALID_VALUE);
}

template <class Shape, class Change>
Shape changed(Shape shape, Change change) {
  change(shape);
  return shape;
}

}  // namespace

TEST_CASE("maps of boxes keep to the driver's limits") {
  const TiledShape right = right_box();
  CHECK(fits_tiled(right));
  CHECK(driver_on(right) == CUDA_SUCCESS);
  CHECK_NOTHROW(make_tiled_map(right));
  CHECK(find_tiled_map(right));
  const auto with = [&](auto change) { return changed(right, change); };
  const auto fits = [&](auto change) {
    const TiledShape shape = with(change);
    return fits_tiled(shape) && driver_on(shape) == CUDA_SUCCESS;
  };
  CHECK(fits([](TiledShape& s) { s.extents[1] = std::uint64_t{1} << 32; }));
  CHECK(fits([](TiledShape& s) { s.strides[1] = (std::uint64_t{1} << 40) - 16; }));
  CHECK(fits([](TiledShape& s) { s.box[1] = 256; }));
  CHECK(fits([](TiledShape& s) { s.swizzle = Swizzle::none, s.box[0] = 256; }));
  CHECK(fits([](TiledShape& s) { s.swizzle = Swizzle::span32, s.box[0] = 8; }));
  CHECK(fits([](TiledShape& s) { s.element = MapElement::bfloat16, s.box[0] = 64; }));
  CHECK(fits([](TiledShape& s) { s.steps[1] = 8, s.steps[2] = 3; }));
  CHECK(fits([](TiledShape& s) { s.steps[3] = 9; }));  // past its rank

  check_refused(with([](TiledShape& s) { s.rank = 5; }), "a rank of 2 to 4", false);
  check_refused(with([](TiledShape& s) { s.rank = 0; }), "a rank of 2 to 4");
  check_refused(with([](TiledShape& s) { s.base = static_cast<char*>(somewhere) + 8; }), "a base");
  check_refused(with([](TiledShape& s) { s.base = nullptr; }), "a base");
  check_refused(with([](TiledShape& s) { s.extents[2] = 0; }), "extents");
  check_refused(with([](TiledShape& s) { s.extents[0] = (std::uint64_t{1} << 32) + 1; }), "extents");
  check_refused(with([](TiledShape& s) { s.strides[0] = 200; }), "strides");
  check_refused(with([](TiledShape& s) { s.strides[1] = std::uint64_t{1} << 40; }), "strides");
  check_refused(with([](TiledShape& s) { s.strides[1] = 0; }), "strides", false);
  check_refused(with([](TiledShape& s) { s.box[2] = 257; }), "box extents");
  check_refused(with([](TiledShape& s) { s.box[1] = 0; }), "box extents");
  check_refused(with([](TiledShape& s) { s.steps[1] = 9; }), "steps");
  check_refused(with([](TiledShape& s) { s.steps[2] = 0; }), "steps");
  check_refused(with([](TiledShape& s) { s.steps[0] = 2; }), "steps", false);
  check_refused(with([](TiledShape& s) { s.box[0] = 36; }), "a box whose rows");
  check_refused(with([](TiledShape& s) { s.swizzle = Swizzle::span64; }), "a box whose rows");
  check_refused(with([](TiledShape& s) { s.swizzle = Swizzle::none, s.box[0] = 30; }), "a box whose rows");
  check_refused(with([](TiledShape& s) { s.box[0] = 16; }), "a box whose rows", false);
}

TEST_CASE("maps of pixels keep to the driver's limits") {
  const Im2colShape right = right_pixels();
  CHECK(fits_im2col(right));
  CHECK(driver_on(right) == CUDA_SUCCESS);
  CHECK_NOTHROW(make_im2col_map(right));
  const auto with = [&](auto change) { return changed(right, change); };
  const auto fits = [&](auto change) {
    const Im2colShape shape = with(change);
    return fits_im2col(shape) && driver_on(shape) == CUDA_SUCCESS;
  };
  CHECK(fits([](Im2colShape& s) { s.lower_w = -128, s.upper_h = 127; }));
  CHECK(fits([](Im2colShape& s) { s.step_w = 8, s.pixels = 1024; }));
  CHECK(fits([](Im2colShape& s) { s.largest_offset_h = 255; }));
  CHECK(fits([](Im2colShape& s) { s.upper_w = -28; }));  // one pixel is left

  check_refused(with([](Im2colShape& s) { s.base = static_cast<char*>(somewhere) + 4; }), "a base");
  check_refused(with([](Im2colShape& s) { s.images = 0; }), "extents");
  check_refused(with([](Im2colShape& s) { s.pixel_stride = 6; }), "strides");
  check_refused(with([](Im2colShape& s) { s.lower_h = -129; }), "corners of");
  check_refused(with([](Im2colShape& s) { s.upper_w = 128; }), "corners of");
  check_refused(with([](Im2colShape& s) { s.upper_w = -29; }), "corners between which");
  check_refused(with([](Im2colShape& s) { s.step_w = 9; }), "steps");
  check_refused(with([](Im2colShape& s) { s.step_h = 0; }), "steps");
  check_refused(with([](Im2colShape& s) { s.largest_offset_w = 256; }), "offsets", false);
  check_refused(with([](Im2colShape& s) { s.pixels = 1025; }), "1 to 1024 pixels");
  check_refused(with([](Im2colShape& s) { s.channels_per_pixel = 66; }), "up to 256 channels");
  check_refused(with([](Im2colShape& s) { s.swizzle = Swizzle::none, s.channels_per_pixel = 264; }),
                "up to 256 channels");
}

TEST_CASE("a driver that knows no maps is named") {
  using Encode = decltype(&cuTensorMapEncodeTiled);
  CHECK(map_driver::entry<Encode>("cuTensorMapEncodeTiled") == &cuTensorMapEncodeTiled);
  CHECK_THROWS_WITH(map_driver::entry<Encode>("cuTensorMapFold"), Contains("which has cuTensorMapFold"));
  simt::set_fault(simt::Fault::no_driver);
  CHECK_THROWS_AS(map_driver::entry<Encode>("cuTensorMapEncodeTiled"), DeviceError);
  simt::set_fault(simt::Fault::none);
  cudaGetLastError();
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSuccess;
  REQUIRE(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 11080, cudaEnableDefault,
                                           &found) == cudaSuccess);
  CHECK(found != cudaDriverEntryPointSuccess);
  CHECK(function == nullptr);
}
