// Bulk copies of boxes and of columns of pixels, against plain loops.

#include <cstdint>
#include <vector>

#include "common/bulk_copy.cuh"
#include "primitives_bulk.hpp"
#include "support/catch.hpp"

using namespace primitives;
using namespace deconv::cuda;

namespace {

struct Corner {
  int c[4];
};

// Shared memory as the load leaves it.
template <int Rank>
__global__ void box_as_loaded(std::uint32_t* out, const __grid_constant__ TensorMap map, Corner corner,
                              unsigned bytes) {
  auto* const box = swizzled_shared<std::uint32_t>();
  __shared__ Mbarrier loaded;
  if (threadIdx.x == 0) {
    prefetch_map(&map);
    mbarrier_init(&loaded, 1);
    publish_mbarriers();
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    mbarrier_arrive_expecting(&loaded, bytes);
    const int* const c = corner.c;
    if constexpr (Rank == 2) bulk_load(box, &map, &loaded, c[0], c[1]);
    if constexpr (Rank == 3) bulk_load(box, &map, &loaded, c[0], c[1], c[2]);
    if constexpr (Rank == 4) bulk_load(box, &map, &loaded, c[0], c[1], c[2], c[3]);
  }
  mbarrier_wait(&loaded, 0);
  for (unsigned i = threadIdx.x; i < bytes / 4; i += blockDim.x) out[i] = box[i];
}

__global__ void pixels_as_loaded(std::uint32_t* out, const __grid_constant__ TensorMap map, Corner corner,
                                 std::uint16_t offset_w, std::uint16_t offset_h, unsigned bytes) {
  auto* const box = swizzled_shared<std::uint32_t>();
  __shared__ Mbarrier loaded;
  if (threadIdx.x == 0) {
    mbarrier_init(&loaded, 1);
    publish_mbarriers();
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    mbarrier_arrive_expecting(&loaded, bytes);
    bulk_load_im2col(box, &map, &loaded, corner.c[0], corner.c[1], corner.c[2], corner.c[3], offset_w,
                     offset_h);
  }
  mbarrier_wait(&loaded, 0);
  for (unsigned i = threadIdx.x; i < bytes / 4; i += blockDim.x) out[i] = box[i];
}

// Words of `image` go to shared memory as they are and from there, as a box, to the tensor; twice, with a box
// between that goes where it leaves no trace.
__global__ void store_boxes(const std::uint32_t* image, const __grid_constant__ TensorMap map, Corner corner,
                            Corner outside, unsigned bytes) {
  auto* const box = swizzled_shared<std::uint32_t>();
  for (unsigned i = threadIdx.x; i < bytes / 4; i += blockDim.x) box[i] = ~image[i];
  publish_to_bulk();
  __syncthreads();
  if (threadIdx.x == 0) {
    bulk_store(&map, box, outside.c[0], outside.c[1]);
    close_bulk_group();
    wait_for_bulk_reads<0>();
  }
  __syncthreads();
  for (unsigned i = threadIdx.x; i < bytes / 4; i += blockDim.x) box[i] = image[i];
  publish_to_bulk();
  __syncthreads();
  if (threadIdx.x == 0) {
    bulk_store(&map, box, corner.c[0], corner.c[1]);
    close_bulk_group();
    wait_for_bulk_groups<0>();
  }
}

std::uint32_t element_of(const std::vector<std::uint32_t>& words, std::size_t byte, MapElement element) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, reinterpret_cast<const char*>(words.data()) + byte, bytes_of(element));
  return bits;
}

TiledShape shape_of(const NumberedTensor& tensor, const void* base, std::vector<unsigned> box,
                    Swizzle swizzle) {
  TiledShape shape;
  shape.element = tensor.element;
  shape.base = base;
  shape.rank = static_cast<unsigned>(box.size());
  shape.swizzle = swizzle;
  for (std::size_t axis = 0; axis < box.size(); ++axis) {
    shape.extents[axis] = tensor.extents[axis];
    shape.box[axis] = box[axis];
    if (axis > 0) shape.strides[axis - 1] = tensor.strides[axis - 1];
  }
  return shape;
}

/// `box` counts what is loaded, `steps` elements apart.
template <int Rank>
void check_box(const NumberedTensor& tensor, std::vector<unsigned> box, Swizzle swizzle,
               const std::vector<std::vector<int>>& corners,
               const std::vector<unsigned>& steps = {1, 1, 1, 1}) {
  Array<std::uint8_t> memory(tensor.bytes);
  TiledShape shape = shape_of(tensor, memory, box, swizzle);
  for (std::size_t axis = 0; axis < box.size(); ++axis) {
    shape.steps[axis] = steps[axis];
    shape.box[axis] *= steps[axis];
  }
  const TensorMap map = make_tiled_map(shape);
  const unsigned width = bytes_of(tensor.element);
  std::size_t rows = 1;
  for (std::size_t axis = 1; axis < box.size(); ++axis) rows *= box[axis];
  const auto bytes = static_cast<unsigned>(rows * box[0] * width);
  Array<std::uint32_t> out(bytes / 4);
  check(cudaFuncSetAttribute(box_as_loaded<Rank>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             static_cast<int>(bytes + 1024)));
  for (const std::vector<int>& corner : corners) {
    Corner at{};
    for (std::size_t axis = 0; axis < corner.size(); ++axis) at.c[axis] = corner[axis];
    run(box_as_loaded<Rank>, 1, 64, bytes + 1024, static_cast<std::uint32_t*>(out), map, at, bytes);
    const std::vector<std::uint32_t> words = out.host();
    std::size_t right = 0;
    for (std::size_t row = 0; row < rows; ++row) {
      std::vector<std::int64_t> place(corner.begin(), corner.end());
      std::size_t rest = row;
      for (std::size_t axis = 1; axis < box.size(); rest /= box[axis++])
        place[axis] += static_cast<std::int64_t>(rest % box[axis] * steps[axis]);
      for (std::size_t x = 0; x < box[0]; ++x) {
        place[0] = corner[0] + static_cast<std::int64_t>(x);
        const std::size_t byte = place_in_box(swizzle, box[0] * width, row, x * width);
        right += element_of(words, byte, tensor.element) == tensor.bits(place);
      }
    }
    CAPTURE(corner[0], corner[1], static_cast<int>(swizzle), static_cast<int>(tensor.element));
    REQUIRE(right == rows * box[0]);
  }
}

struct Convolution {
  std::int64_t images, height, width, channels, size, stride, dilation, pad_before, pad_after;
  [[nodiscard]] std::int64_t out(std::int64_t in) const {
    return (in + pad_before + pad_after - (size - 1) * dilation - 1) / stride + 1;
  }
};

// Each tap of the convolution, from each of the first pixels, in panels of some channels.
void check_pixels(MapElement element, const Convolution& c, unsigned pixels, unsigned channels,
                  Swizzle swizzle, const std::vector<std::int64_t>& first_pixels,
                  const std::vector<int>& first_channels) {
  const auto size = [](std::int64_t n) { return static_cast<std::uint64_t>(n); };
  const NumberedTensor tensor(element, {size(c.channels), size(c.width), size(c.height), size(c.images)}, 16);
  Array<std::uint8_t> memory(tensor.bytes);
  Im2colShape shape;
  shape.element = element;
  shape.base = memory;
  shape.channels = size(c.channels);
  shape.width = size(c.width);
  shape.height = size(c.height);
  shape.images = size(c.images);
  shape.pixel_stride = tensor.strides[0];
  shape.row_stride = tensor.strides[1];
  shape.image_stride = tensor.strides[2];
  shape.lower_w = shape.lower_h = static_cast<int>(-c.pad_before);
  shape.upper_w = shape.upper_h = static_cast<int>(c.pad_after - (c.size - 1) * c.dilation);
  shape.step_w = shape.step_h = static_cast<unsigned>(c.stride);
  shape.largest_offset_w = shape.largest_offset_h = static_cast<unsigned>((c.size - 1) * c.dilation);
  shape.channels_per_pixel = channels;
  shape.pixels = pixels;
  shape.swizzle = swizzle;
  REQUIRE(fits_im2col(shape));
  const TensorMap map = make_im2col_map(shape);
  const unsigned element_bytes = bytes_of(element), bytes = pixels * channels * element_bytes;
  const std::int64_t out_w = c.out(c.width), out_h = c.out(c.height);
  Array<std::uint32_t> out(bytes / 4);
  check(cudaFuncSetAttribute(pixels_as_loaded, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             static_cast<int>(bytes + 1024)));
  for (const std::int64_t first : first_pixels) {
    for (const int channel : first_channels) {
      for (std::int64_t tap = 0; tap < c.size * c.size; ++tap) {
        const auto offset_w = static_cast<std::uint16_t>(tap % c.size * c.dilation);
        const auto offset_h = static_cast<std::uint16_t>(tap / c.size * c.dilation);
        const Corner corner{{channel, static_cast<int>(first % out_w * c.stride - c.pad_before),
                             static_cast<int>(first / out_w % out_h * c.stride - c.pad_before),
                             static_cast<int>(first / out_w / out_h)}};
        run(pixels_as_loaded, 1, 64, bytes + 1024, static_cast<std::uint32_t*>(out), map, corner, offset_w,
            offset_h, bytes);
        const std::vector<std::uint32_t> words = out.host();
        unsigned right = 0;
        for (unsigned i = 0; i < pixels; ++i) {
          const std::int64_t pixel = first + i;
          const std::int64_t w = pixel % out_w * c.stride - c.pad_before + offset_w;
          const std::int64_t h = pixel / out_w % out_h * c.stride - c.pad_before + offset_h;
          for (unsigned x = 0; x < channels; ++x) {
            const std::uint32_t wanted =
                tensor.bits({channel + static_cast<int>(x), w, h, pixel / out_w / out_h});
            const std::size_t byte = place_in_box(swizzle, channels * element_bytes, i, x * element_bytes);
            right += element_of(words, byte, element) == wanted;
          }
        }
        CAPTURE(first, channel, tap, static_cast<int>(swizzle), static_cast<int>(element));
        REQUIRE(right == pixels * channels);
      }
    }
  }
}

void check_store(MapElement element, std::vector<unsigned> box, Swizzle swizzle, Corner corner) {
  const NumberedTensor tensor(element, {75, 21}, 32);
  Array<std::uint8_t> memory(tensor.bytes);
  const TensorMap map = make_tiled_map(shape_of(tensor, memory, box, swizzle));
  const unsigned width = bytes_of(element), bytes = box[0] * box[1] * width;
  std::vector<std::uint32_t> image(bytes / 4);
  std::vector<std::uint8_t> wanted = tensor.bytes;
  for (unsigned row = 0; row < box[1]; ++row) {
    for (unsigned x = 0; x < box[0]; ++x) {
      const std::uint32_t bits = numbered_bits(element, 5000 + row * box[0] + x);
      std::memcpy(
          reinterpret_cast<char*>(image.data()) + place_in_box(swizzle, box[0] * width, row, x * width),
          &bits, width);
      const std::vector<std::int64_t> at = {corner.c[0] + static_cast<int>(x),
                                            corner.c[1] + static_cast<int>(row)};
      if (tensor.inside(at)) put_element(wanted, tensor.offset(at), element, bits);
    }
  }
  Array<std::uint32_t> source(image);
  run(store_boxes, 1, 96, bytes + 1024, static_cast<const std::uint32_t*>(source), map, corner,
      Corner{{80, -300}}, bytes);
  CHECK(memory.host() == wanted);
}

constexpr Swizzle swizzles[] = {Swizzle::none, Swizzle::span32, Swizzle::span64, Swizzle::span128};
unsigned row_elements(Swizzle swizzle, MapElement element, unsigned otherwise) {
  return swizzle == Swizzle::none ? otherwise : span_of(swizzle) / bytes_of(element);
}

}  // namespace

TEST_CASE("boxes of a tensor come with zeros outside it, in every swizzle") {
  if (!has_bulk_copies()) return;
  for (const Swizzle swizzle : swizzles) {
    for (const MapElement element : {MapElement::float32, MapElement::half, MapElement::bfloat16}) {
      const unsigned row = row_elements(swizzle, element, 24);
      check_box<2>(NumberedTensor(element, {100, 50}, 0), {row, 40}, swizzle,
                   {{0, 0}, {3, 7}, {-5, -9}, {90, 30}, {100, 0}, {0, 50}, {-300, 4}, {17, -40}});
      check_box<3>(NumberedTensor(element, {37, 9, 6}, 16), {row, 5, 4}, swizzle,
                   {{0, 0, 0}, {4, -2, 3}, {-3, 6, -1}, {30, 0, 5}});
      check_box<4>(NumberedTensor(element, {35, 6, 5, 3}, 48), {row, 3, 4, 2}, swizzle,
                   {{0, 0, 0, 0}, {1, 4, -2, 2}, {-2, -1, 3, -1}, {32, 5, 4, 2}});
    }
  }
  check_box<2>(NumberedTensor(MapElement::float32, {300, 300}, 0), {256, 64}, Swizzle::none, {{20, 250}});
  check_box<2>(NumberedTensor(MapElement::half, {70, 300}, 0), {64, 256}, Swizzle::span128, {{3, 100}});
}

TEST_CASE("boxes in steps bring what lies at the steps") {
  if (!has_bulk_copies()) return;
  for (const Swizzle swizzle : swizzles) {
    for (const MapElement element : {MapElement::float32, MapElement::half}) {
      const unsigned row = row_elements(swizzle, element, 24);
      check_box<3>(NumberedTensor(element, {37, 19, 16}, 16), {row, 5, 3}, swizzle,
                   {{0, 0, 0}, {4, -3, 1}, {-3, 6, -5}, {30, 17, 11}}, {1, 2, 4});
      check_box<4>(NumberedTensor(element, {35, 23, 25, 3}, 48), {row, 11, 7, 1}, swizzle,
                   {{0, 0, 0, 0}, {1, -1, -1, 2}, {-2, 3, 22, 1}, {32, -40, 4, 2}}, {1, 2, 3, 1});
    }
  }
  check_box<4>(NumberedTensor(MapElement::bfloat16, {64, 30, 40, 2}, 0), {64, 3, 5, 1}, Swizzle::span128,
               {{0, 1, -8, 1}}, {1, 8, 8, 1});
}

TEST_CASE("columns of pixels walk over rows and images as a convolution does") {
  if (!has_bulk_copies()) return;
  // images, height, width, channels, size, stride, dilation, padding before and after
  const Convolution plain{2, 6, 7, 16, 1, 1, 1, 0, 0}, padded{3, 6, 7, 20, 3, 1, 1, 1, 1},
      strided{2, 9, 11, 24, 3, 2, 1, 1, 1}, dilated{2, 10, 9, 8, 3, 1, 2, 2, 2},
      large{2, 23, 27, 8, 11, 4, 1, 2, 1}, uneven{1, 8, 12, 40, 2, 3, 3, 0, 3},
      widely{1, 40, 33, 8, 2, 8, 5, 4, 4};
  for (const Swizzle swizzle : swizzles) {
    for (const MapElement element : {MapElement::float32, MapElement::half}) {
      const unsigned channels = row_elements(swizzle, element, 24);
      const int last = static_cast<int>(channels) * 3 / 4;
      check_pixels(element, plain, 64, channels, swizzle, {0, 5, 40, 60}, {0, 12});
      check_pixels(element, padded, 50, channels, swizzle, {0, 41, 90, 125}, {0, last, -4});
      check_pixels(element, strided, 32, channels, swizzle, {0, 7, 59}, {0, last});
      check_pixels(element, dilated, 128, channels, swizzle, {0, 100, 300}, {0});
    }
  }
  check_pixels(MapElement::bfloat16, large, 64, 64, Swizzle::span128, {0, 30, 70}, {0});
  check_pixels(MapElement::float32, uneven, 16, 32, Swizzle::span128, {0, 3}, {0, 32});
  check_pixels(MapElement::half, widely, 24, 16, Swizzle::span32, {0, 11}, {0});
}

TEST_CASE("boxes are stored where they lie inside the tensor") {
  if (!has_bulk_copies()) return;
  for (const Swizzle swizzle : swizzles) {
    for (const MapElement element : {MapElement::float32, MapElement::half}) {
      const unsigned row = row_elements(swizzle, element, 48);
      for (const Corner corner : {Corner{{0, 0}}, Corner{{8, 5}}, Corner{{-7, -3}}, Corner{{60, 15}}})
        check_store(element, {row, 16}, swizzle, corner);
    }
  }
}

TEST_CASE("loads as tf32 round to ten bits of mantissa") {
  if (!has_bulk_copies()) return;
  std::vector<float> values(64);
  for (std::size_t i = 0; i < 64; ++i)  // no ties
    values[i] = (i % 2 == 1 ? -1.0f : 1.0f) * (1.0f + static_cast<float>(100 * i + 3) / 8388608.0f);
  Array<float> memory(values);
  TiledShape shape;
  shape.element = MapElement::tf32;
  shape.base = memory;
  shape.extents[0] = 16;
  shape.extents[1] = 4;
  shape.strides[0] = 64;
  shape.box[0] = 16;
  shape.box[1] = 4;
  Array<std::uint32_t> out(64);
  run(box_as_loaded<2>, 1, 64, 256 + 1024, static_cast<std::uint32_t*>(out), make_tiled_map(shape), Corner{},
      256u);
  const std::vector<std::uint32_t> words = out.host();
  for (std::size_t i = 0; i < 64; ++i) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &values[i], 4);
    REQUIRE((words[i] & 0xffffe000u) == ((bits + 0x1000u) & 0xffffe000u));
  }
}
