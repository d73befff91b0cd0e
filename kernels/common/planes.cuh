#pragma once

#include <cuda_runtime.h>

#include <algorithm>

#include "common/divide.cuh"
#include "common/element.cuh"
#include "deconv/core/error.hpp"
#include "deconv/core/shape.hpp"

// Rank-4 tensors as planes of pixels, and threads spread over them.
namespace deconv::cuda {

/// A rank-4 tensor of either layout: element (plane, y, x, i) lies at ((plane * H + y) * W + x) * inner + i.
/// nhwc has N planes whose pixels hold C elements, nchw N * C planes of single elements.
struct Planes {
  Index count, inner;
  Planes(const Shape& shape, Layout layout)
      : count(layout == Layout::nhwc ? shape[0] : shape[0] * shape[1]),
        inner(layout == Layout::nhwc ? shape[1] : 1) {}
};

/// One piece of work a thread, in a box of planes x rows x columns x vectors; vectors run fastest, so that
/// neighbouring threads touch neighbouring memory.
struct Box {
  Divider vectors, columns, rows;
  std::uint32_t count;

  struct Place {
    int vector, column, row;
    Index plane;
  };
  __device__ Place place(std::uint32_t item) const {
    const auto pixel = vectors(item), line = columns(pixel.quotient), plane = rows(line.quotient);
    return {static_cast<int>(pixel.remainder), static_cast<int>(line.remainder),
            static_cast<int>(plane.remainder), static_cast<Index>(plane.quotient)};
  }
};

/// This thread's piece; past `box.count` in the last block.
__device__ inline std::uint32_t item_of_thread() { return blockIdx.x * blockDim.x + threadIdx.x; }

inline constexpr unsigned box_threads = 256;

[[nodiscard]] inline dim3 grid_of(const Box& box) noexcept {
  return dim3((box.count + box_threads - 1) / box_threads);
}

/// Calls body(first plane, box) for as many planes at once as 31 bits can count the pieces of: a single time
/// but for tensors beyond 2^31 pieces. Throws ShapeError where one plane has more.
template <class Body>
void over_planes(Index planes, Index rows, Index columns, Index vectors, const Body& body) {
  constexpr Index limit = divider_limit - box_threads;
  const Index each = rows * columns * vectors;
  if (planes == 0 || each == 0) return;
  require<ShapeError>(each <= limit, "planes of ", rows, " x ", columns, " pixels of ", vectors,
                      " vectors are too large for this op on a GPU");
  for (Index first = 0, here; first < planes; first += here) {
    here = std::min(planes - first, limit / each);
    body(first,
         Box{Divider(vectors), Divider(columns), Divider(rows), static_cast<std::uint32_t>(here * each)});
  }
}

}  // namespace deconv::cuda
