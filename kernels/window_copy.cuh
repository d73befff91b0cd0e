#pragma once

#include "common/divide.cuh"
#include "common/element.cuh"
#include "common/in_flight.cuh"

// Windows cut from planes, and padding, which is a window larger than its plane. Both are seen as rows of
// elements: an nhwc row has width * C of them, an nchw row `width`.
//
//      src +-----------+          dst row:   outside | inside | outside
//          |      +------+               0 .. first ... last .. row
//          |      | dst  |
//          +------|----+ |        Bytes: what is inside is read once, dst written once; no flops.
//                 +------+
namespace deconv::cuda {

/// Rows of dst and where they come from, all in units: elements, or pieces of 16 bytes where everything is a
/// multiple of them. Row and column numbers are below 2^31.
struct WindowRows {
  Divider by_row;     ///< units of a row of dst
  Divider by_height;  ///< rows of a plane of dst
  std::uint32_t units = 0;
  std::uint32_t first = 0, last = 0;  ///< the units of a row that lie inside
  Index top = 0, height = 0;          ///< of dst's first row in src; rows of a plane of src
  Index row = 0, left = 0;            ///< units of a row of src, and to dst's first unit from its start
};

/// U: an unsigned number as large as an element, or uint4, which the compiler moves as one.
template <class U>
__global__ void __launch_bounds__(256)
    copy_window_rows(const U* __restrict__ src, U outside, U* __restrict__ dst, WindowRows rows) {
  with_loads_in_flight<loads_in_flight>(
      rows.units,
      [&](std::uint32_t u) {
        const auto at = rows.by_row(u), line = rows.by_height(at.quotient);
        const Index y = line.remainder + rows.top;
        if (y >= 0 && y < rows.height && at.remainder >= rows.first && at.remainder < rows.last)
          return src[(line.quotient * rows.height + y) * rows.row + rows.left + at.remainder];
        return outside;
      },
      [&](std::uint32_t u, const U& value) { dst[u] = value; });
}

/// The places of many windows of one size: where each one's image begins, its first row there, and units from
/// the start of a row there to its first unit.
struct WindowPlaces {
  static constexpr int most = 224;
  struct {
    const void* image;
    std::int32_t top, left;
  } at[most];
};

/// What all windows of a launch share; Dividers as in WindowRows, by_planes for the planes of a window.
struct WindowGrid {
  Divider by_row, by_height, by_planes;
  std::uint32_t units = 0;
  std::int32_t height = 0, row = 0;  ///< of a source plane: rows, and units of a row
};

/// One launch for all windows: as copy_window_rows, with a place of each window's own.
template <class U>
__global__ void __launch_bounds__(256) gather_window_rows(const __grid_constant__ WindowPlaces places,
                                                          U outside, U* __restrict__ dst, WindowGrid grid) {
  with_loads_in_flight<loads_in_flight>(
      grid.units,
      [&](std::uint32_t u) {
        const auto at = grid.by_row(u), line = grid.by_height(at.quotient),
                   plane = grid.by_planes(line.quotient);
        const auto& place = places.at[plane.quotient];
        const std::int32_t y = static_cast<std::int32_t>(line.remainder) + place.top;
        const std::int32_t x = static_cast<std::int32_t>(at.remainder) + place.left;
        if (y >= 0 && y < grid.height && x >= 0 && x < grid.row)
          return static_cast<const U*>(
              place.image)[(static_cast<Index>(plane.remainder) * grid.height + y) * grid.row + x];
        return outside;
      },
      [&](std::uint32_t u, const U& value) { dst[u] = value; });
}

/// The part of each window that lies inside its plane: rows [top, bottom), units [left, right) of a row.
struct WindowInsides {
  static constexpr int most = 192;
  struct {
    std::uint32_t top, bottom, left, right;
  } at[most];
};

/// Clears what is outside. Bytes: what is outside, once. Units as above; windows have `by_planes` planes
/// each.
template <class B, int N>
__global__ void __launch_bounds__(256)
    clear_outside(B* windows, const __grid_constant__ WindowInsides insides, Divider by_row,
                  Divider by_height, Divider by_planes, std::uint32_t units) {
  const std::uint32_t step = gridDim.x * blockDim.x;
  for (std::uint32_t u = blockIdx.x * blockDim.x + threadIdx.x; u < units; u += step) {
    const auto at = by_row(u), line = by_height(at.quotient);
    const auto& inside = insides.at[by_planes(line.quotient).quotient];
    if (line.remainder >= inside.top && line.remainder < inside.bottom && at.remainder >= inside.left &&
        at.remainder < inside.right)
      continue;
    store_vector<N>(windows + static_cast<Index>(u) * N, Vector<B, N>{});
  }
}

}  // namespace deconv::cuda
