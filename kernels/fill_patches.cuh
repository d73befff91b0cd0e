#pragma once

#include "common/divide.cuh"
#include "common/element.cuh"
#include "common/in_flight.cuh"
#include "deconv/ops/patch_grid.hpp"

// Copies of one image, each with a patch of constants at another place of a grid. Bytes: dst once; src comes
// from the caches; a few integer operations a vector.
namespace deconv::cuda {

/// Both tensors as rows of elements: an nhwc row has width * C of them (`inner` = C, one plane), an nchw row
/// `width` (`inner` = 1, C planes).
struct PatchRows {
  Divider by_row, by_height, by_planes;  ///< units of a row; rows; planes of an image
  Divider by_columns;                    ///< columns of the grid
  Divider by_inner;
  std::uint32_t units = 0, image_units = 0,
                first = 0;  ///< of dst here, of one image; place of its first image
  std::int32_t inner = 1;
};

/// A unit is `N` elements; all lie in one row.
template <class T, int N>
__global__ void __launch_bounds__(256)
    copy_with_patches(const T* __restrict__ src, const T* __restrict__ values,
                      const __grid_constant__ PatchGrid grid, T* __restrict__ dst,
                      const __grid_constant__ PatchRows rows) {
  with_loads_in_flight<2>(
      rows.units,
      [&](std::uint32_t u) {
        const auto at = rows.by_row(u), line = rows.by_height(at.quotient),
                   plane = rows.by_planes(line.quotient);
        const std::uint32_t in_image = u - plane.quotient * rows.image_units;
        Vector<T, N> value = load_vector<N>(src + static_cast<Index>(in_image) * N);
        const auto place = rows.by_columns(rows.first + plane.quotient);
        const Index top = grid.top + static_cast<Index>(place.quotient) * grid.step_y;
        if (line.remainder < top || line.remainder >= top + grid.height) return value;
        const Index left = (grid.left + static_cast<Index>(place.remainder) * grid.step_x) * rows.inner;
        const Index right = left + grid.width * rows.inner;
        const Index first = static_cast<Index>(at.remainder) * N;
        if (first + N <= left || first >= right) return value;
#pragma unroll
        for (int i = 0; i < N; ++i)
          if (first + i >= left && first + i < right)
            value.at[i] =
                values[plane.remainder + rows.by_inner(static_cast<std::uint32_t>(first + i)).remainder];
        return value;
      },
      [&](std::uint32_t u, const Vector<T, N>& value) {
        store_vector<N>(dst + static_cast<Index>(u) * N, value);
      });
}

}  // namespace deconv::cuda
