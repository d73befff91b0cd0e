// Maps of tensors, and the driver's functions that make them.

#include "tensor_map.hpp"

#include <cstring>
#include <string_view>

#include "runtime.hpp"

namespace simt {
namespace {

unsigned bytes_of(CUtensorMapDataType type) {
  switch (type) {
    case CU_TENSOR_MAP_DATA_TYPE_UINT8:
      return 1;
    case CU_TENSOR_MAP_DATA_TYPE_UINT16:
    case CU_TENSOR_MAP_DATA_TYPE_FLOAT16:
    case CU_TENSOR_MAP_DATA_TYPE_BFLOAT16:
      return 2;
    case CU_TENSOR_MAP_DATA_TYPE_UINT32:
    case CU_TENSOR_MAP_DATA_TYPE_INT32:
    case CU_TENSOR_MAP_DATA_TYPE_FLOAT32:
    case CU_TENSOR_MAP_DATA_TYPE_FLOAT32_FTZ:
    case CU_TENSOR_MAP_DATA_TYPE_TFLOAT32:
    case CU_TENSOR_MAP_DATA_TYPE_TFLOAT32_FTZ:
      return 4;
    case CU_TENSOR_MAP_DATA_TYPE_UINT64:
    case CU_TENSOR_MAP_DATA_TYPE_INT64:
    case CU_TENSOR_MAP_DATA_TYPE_FLOAT64:
      return 8;
  }
  return 0;
}

// What tiled and im2col maps have in common. False where the driver would refuse.
bool fill_common(EncodedMap& encoded, const CUtensorMap* map, CUtensorMapDataType type, cuuint32_t rank,
                 const void* base, const cuuint64_t* extents, const cuuint64_t* strides,
                 const cuuint32_t* steps, cuuint64_t row_elements, CUtensorMapSwizzle swizzle) {
  const unsigned element = bytes_of(type);
  if (!map || !extents || !strides || !steps || element == 0) return false;
  if (reinterpret_cast<std::uintptr_t>(map) % 64 != 0) return false;
  const auto address = reinterpret_cast<std::uintptr_t>(base);
  if (address == 0 || address % 16 != 0) return false;
  if (swizzle < CU_TENSOR_MAP_SWIZZLE_NONE || swizzle > CU_TENSOR_MAP_SWIZZLE_128B) return false;
  if (row_elements == 0 || row_elements > 256 || row_elements * element % 16 != 0) return false;
  encoded.mark = EncodedMap::made_here;
  encoded.rank = static_cast<std::uint8_t>(rank);
  encoded.type = static_cast<std::uint8_t>(type);
  encoded.span = static_cast<std::uint8_t>(16u << swizzle);
  if (encoded.span > 16 && row_elements * element > encoded.span) return false;
  encoded.base = address;
  encoded.strides[0] = element;
  for (unsigned axis = 0; axis < rank; ++axis) {
    if (extents[axis] == 0 || extents[axis] > std::uint64_t{1} << 32) return false;
    encoded.extents_less_1[axis] = static_cast<std::uint32_t>(extents[axis] - 1);
    if (steps[axis] == 0 || steps[axis] > 8) return false;
    encoded.steps[axis] = static_cast<std::uint8_t>(axis == 0 ? 1 : steps[axis]);
    if (axis == 0) continue;
    if (strides[axis - 1] % 16 != 0 || strides[axis - 1] >= std::uint64_t{1} << 40) return false;
    encoded.strides[axis] = strides[axis - 1];
  }
  return true;
}

CUresult put_into(CUtensorMap* map, const EncodedMap& encoded, CUtensorMapInterleave interleave,
                  CUtensorMapL2promotion promotion, CUtensorMapFloatOOBfill fill) {
  if (promotion < CU_TENSOR_MAP_L2_PROMOTION_NONE || promotion > CU_TENSOR_MAP_L2_PROMOTION_L2_256B)
    return CUDA_ERROR_INVALID_VALUE;
  // What a device has, and this one has not; and boxes whose rows lie in a way that nobody has written down.
  if (interleave != CU_TENSOR_MAP_INTERLEAVE_NONE || fill != CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE ||
      (encoded.span > 16 && encoded.row_bytes() != encoded.span))
    return CUDA_ERROR_NOT_SUPPORTED;
  *map = {};
  std::memcpy(map, &encoded, sizeof encoded);
  return CUDA_SUCCESS;
}

}  // namespace

unsigned EncodedMap::rows() const noexcept {
  if (mode == Mode::im2col) return box[1];
  unsigned product = 1;
  for (unsigned axis = 1; axis < rank; ++axis) product *= count(axis);
  return product;
}

BoxRows::BoxRows(const EncodedMap& map, const int* coordinates, const std::uint16_t* offsets) : map_(map) {
  for (unsigned axis = 0; axis < map.rank; ++axis) first_[axis] = at_[axis] = coordinates[axis];
  if (offsets) {
    for (unsigned i = 0; i + 2 < map.rank; ++i) offsets_[i] = offsets[i];
  }
}

std::uintptr_t BoxRows::start() const noexcept {
  std::uintptr_t address = map_.base;
  for (unsigned axis = 1; axis < map_.rank; ++axis) {
    const bool offset = map_.mode == EncodedMap::Mode::im2col && axis + 1 < map_.rank;
    const std::int64_t coordinate = at_[axis] + (offset ? offsets_[axis - 1] : 0);
    if (!map_.inside(axis, coordinate)) return 0;
    address += static_cast<std::uint64_t>(coordinate) * map_.strides[axis];
  }
  return address;
}

void BoxRows::next() noexcept {
  if (map_.mode == EncodedMap::Mode::tiled) {
    for (unsigned axis = 1; axis < map_.rank; ++axis) {
      at_[axis] += map_.steps[axis];
      if (++index_[axis] < map_.count(axis)) return;
      index_[axis] = 0;
      at_[axis] = first_[axis];
    }
    return;
  }
  for (unsigned axis = 1; axis + 1 < map_.rank; ++axis) {
    at_[axis] += map_.steps[axis];
    if (at_[axis] < map_.extent(axis) + map_.upper[axis - 1]) return;
    at_[axis] = map_.lower[axis - 1];
  }
  ++at_[map_.rank - 1u];
}

bool BoxRows::begins_in_box() const noexcept {
  for (unsigned axis = 1; axis + 1 < map_.rank; ++axis) {
    if (first_[axis] < map_.lower[axis - 1] || first_[axis] >= map_.extent(axis) + map_.upper[axis - 1])
      return false;
  }
  return true;
}

}  // namespace simt

using simt::EncodedMap;

// NOLINTBEGIN: the driver's names
CUresult cuTensorMapEncodeTiled(CUtensorMap* map, CUtensorMapDataType type, cuuint32_t rank, void* base,
                                const cuuint64_t* extents, const cuuint64_t* strides, const cuuint32_t* box,
                                const cuuint32_t* steps, CUtensorMapInterleave interleave,
                                CUtensorMapSwizzle swizzle, CUtensorMapL2promotion promotion,
                                CUtensorMapFloatOOBfill fill) {
  EncodedMap encoded;
  if (rank < 1 || rank > 5 || !box) return CUDA_ERROR_INVALID_VALUE;
  if (!simt::fill_common(encoded, map, type, rank, base, extents, strides, steps, box[0], swizzle))
    return CUDA_ERROR_INVALID_VALUE;
  encoded.mode = EncodedMap::Mode::tiled;
  for (unsigned axis = 0; axis < rank; ++axis) {
    if (box[axis] == 0 || box[axis] > 256) return CUDA_ERROR_INVALID_VALUE;
    encoded.box[axis] = static_cast<std::uint16_t>(box[axis]);
  }
  return simt::put_into(map, encoded, interleave, promotion, fill);
}

CUresult cuTensorMapEncodeIm2col(CUtensorMap* map, CUtensorMapDataType type, cuuint32_t rank, void* base,
                                 const cuuint64_t* extents, const cuuint64_t* strides, const int* lower,
                                 const int* upper, cuuint32_t channels_per_pixel, cuuint32_t pixels,
                                 const cuuint32_t* steps, CUtensorMapInterleave interleave,
                                 CUtensorMapSwizzle swizzle, CUtensorMapL2promotion promotion,
                                 CUtensorMapFloatOOBfill fill) {
  EncodedMap encoded;
  if (rank < 3 || rank > 5 || !lower || !upper || pixels == 0 || pixels > 1024)
    return CUDA_ERROR_INVALID_VALUE;
  if (!simt::fill_common(encoded, map, type, rank, base, extents, strides, steps, channels_per_pixel,
                         swizzle))
    return CUDA_ERROR_INVALID_VALUE;
  encoded.mode = EncodedMap::Mode::im2col;
  encoded.box[0] = static_cast<std::uint16_t>(channels_per_pixel);
  encoded.box[1] = static_cast<std::uint16_t>(pixels);
  const int end = rank == 3 ? 1 << 15 : rank == 4 ? 1 << 7 : 1 << 4;
  for (unsigned i = 0; i + 2 < rank; ++i) {
    if (lower[i] < -end || lower[i] >= end || upper[i] < -end || upper[i] >= end ||
        encoded.extent(i + 1) + upper[i] <= lower[i])
      return CUDA_ERROR_INVALID_VALUE;
    encoded.lower[i] = static_cast<std::int16_t>(lower[i]);
    encoded.upper[i] = static_cast<std::int16_t>(upper[i]);
  }
  return simt::put_into(map, encoded, interleave, promotion, fill);
}

cudaError_t cudaGetDriverEntryPointByVersion(const char* name, void** function, unsigned version,
                                             unsigned long long flags,
                                             cudaDriverEntryPointQueryResult* found) {
  SIMT_REQUIRE_DEVICE;
  if (!name || !function || flags != cudaEnableDefault) return simt::noted(cudaErrorInvalidValue);
  *function = nullptr;
  const std::string_view wanted = name;
  if (wanted == "cuTensorMapEncodeTiled") *function = reinterpret_cast<void*>(&cuTensorMapEncodeTiled);
  if (wanted == "cuTensorMapEncodeIm2col") *function = reinterpret_cast<void*>(&cuTensorMapEncodeIm2col);
  if (*function && version < 12000) *function = nullptr;  // when they came
  if (found) *found = *function ? cudaDriverEntryPointSuccess : cudaDriverEntryPointSymbolNotFound;
  return cudaSuccess;
}
// NOLINTEND
