#pragma once

#include <cstdlib>
#include <limits>
#include <numeric>
#include <optional>
#include <type_traits>
#include <utility>

#include "common/element.cuh"
#include "common/launch.cuh"
#include "common/tile.cuh"
#include "conv2d_geometry.cuh"
#include "deconv/core/error.hpp"
#include "deconv/ops/cuda/conv2d.hpp"
#include "tuning/conv2d.hpp"

// What the launchers of the convolutions' passes share.
namespace deconv::cuda {

/// A count that the kernels keep in 32 bits, with room for a step further. Throws ShapeError.
inline int kernel_count(Index value, const char* what) {
  constexpr Index limit = Index{1} << 30;
  require<ShapeError>(value > -limit && value < limit, "conv2d on a GPU: ", what, " of ", value,
                      " is too large");
  return static_cast<int>(value);
}

/// Throws ShapeError where a pixel's position might not fit 32 bits.
[[nodiscard]] inline CorrelationAxis correlation_axis(Index kernel, Index stride, Index dilation, Index pad,
                                                      Index read, Index write) {
  kernel_count(std::abs(pad) + read + write * stride + kernel * dilation, "a window's reach");
  const Index common = std::gcd(stride, dilation);
  const auto narrow = [](Index value) { return static_cast<int>(value); };
  return {narrow(kernel), narrow(stride), narrow(dilation),        narrow(pad),
          narrow(read),   narrow(write),  narrow(stride / common), narrow(dilation / common)};
}

/// The rows' and columns' axes of a pass that reads planes of `read` and writes those of `write`.
[[nodiscard]] inline std::pair<CorrelationAxis, CorrelationAxis> correlation_axes(const Conv2dParams& params,
                                                                                  const Shape& read,
                                                                                  const Shape& write) {
  const Window2d& w = params.window;
  require<ShapeError>(read[2] * read[3] < (Index{1} << 31) && write[2] * write[3] < (Index{1} << 31),
                      "conv2d on a GPU: planes of ", read, " or ", write, " are too large");
  return {correlation_axis(w.kernel_y, w.stride_y, w.dilation_y, w.padding.top, read[2], write[2]),
          correlation_axis(w.kernel_x, w.stride_x, w.dilation_x, w.padding.left, read[3], write[3])};
}

/// The number of blocks of a grid. Throws ShapeError past what a grid takes.
[[nodiscard]] inline dim3 blocks_of(Index column_tiles, Index row_tiles, Index groups, Index phases,
                                    Index splits) {
  constexpr Index limit = std::numeric_limits<int>::max();
  Index blocks = 1;
  for (const Index factor : {column_tiles, row_tiles, groups, phases, splits}) {
    require<ShapeError>(factor <= limit && blocks * factor <= limit, "conv2d on a GPU: an output of ",
                        row_tiles, " x ", column_tiles, " tiles in ", groups, " groups is too large");
    blocks *= factor;
  }
  return dim3(static_cast<unsigned>(blocks));
}

/// Splits whose partial sums stay within 64 MiB.
[[nodiscard]] inline int most_splits(Index count) {
  const Index fitting = (Index{16} << 20) / (count < 1 ? 1 : count);
  return static_cast<int>(fitting < 1 ? 1 : fitting > 128 ? 128 : fitting);
}

/// An entry of the tuning table.
template <int Entry, tuning::TileShape S = tuning::conv2d_tiles[Entry].shape>
using TileOf = Tile<S.rows, S.columns, S.depth, S.thread_rows, S.thread_columns, S.lane_rows, S.resident>;

/// Calls start.run<tile>() for an entry of the tuning table that is compiled for this pass and type. Throws
/// ArgumentError for others.
template <class T, bool ToWeights, class Start, int Entry = 0>
void with_tile(int tile, const Start& start) {
  if constexpr (Entry < static_cast<int>(tuning::conv2d_tiles.size())) {
    if constexpr (tuning::conv2d_tiles[Entry].serves(ToWeights, std::is_same_v<T, float>))
      if (tile == Entry) return start.template run<Entry>();
    with_tile<T, ToWeights, Start, Entry + 1>(tile, start);
  } else {
    raise<ArgumentError>("conv2d: tile ", tile, " of the tuning table does not serve this pass");
  }
}

}  // namespace deconv::cuda
