#pragma once

#include <algorithm>

#include "conv2d_correlation.cuh"
#include "conv2d_launch.cuh"
#include "ordered_sums.hpp"

namespace deconv::cuda {

/// Everything about a correlation that does not depend on the tile.
template <class T>
[[nodiscard]] Correlation<T> make_correlation(TensorView<const T, Cuda> src,
                                              TensorView<const T, Cuda> weights, const T* bias,
                                              const Conv2dParams& params, TensorView<T, Cuda> dst) {
  Correlation<T> c{};
  c.src = src.data();
  c.weights = weights.data();
  c.target.bias = bias;
  c.target.dst = dst.data();
  std::tie(c.y, c.x) = correlation_axes(params, src.shape(), dst.shape());
  c.images = dst[0];
  c.target.count = dst.count();
  c.src_channels = kernel_count(src[1], "channels");
  c.dst_channels = kernel_count(dst[1], "maps");
  c.groups = static_cast<int>(params.groups);
  c.src_group = c.src_channels / c.groups;
  c.dst_group = c.dst_channels / c.groups;
  c.target.fours = vector_aligned<4>(dst.data(), c.dst_group);
  return c;
}

/// Of a correlation's phases the largest: its taps, and its rows in all images. And how its operands are
/// read.
struct CorrelationSize {
  Index taps = 0, rows = 0;
  tuning::Fours fours = tuning::Fours::none;
};

template <class T, bool Reverse>
[[nodiscard]] CorrelationSize size_of(const Correlation<T>& c) {
  CorrelationSize size;
  Index down = c.y.write, across = c.x.write;
  size.taps = Index{1} * c.y.kernel * c.x.kernel;
  const bool columns_in_fours = vector_aligned<4>(c.weights, Reverse ? c.dst_group : 0);
  // Forward the columns' fours run along the depth too, so that it is both operands or neither.
  if (vector_aligned<4>(c.src, c.src_group))
    size.fours = columns_in_fours ? tuning::Fours::both : Reverse ? tuning::Fours::rows : tuning::Fours::none;
  if (Reverse) {
    size.taps = parts_of<Index>(c.y.kernel, c.y.tap_step) * parts_of<Index>(c.x.kernel, c.x.tap_step);
    down = parts_of<Index>(down, c.y.stride);
    across = parts_of<Index>(across, c.x.stride);
  }
  size.rows = c.images * down * across;
  // The images that a block's rows touch, whose pixels it counts in 32 bits.
  const Index touched = std::min<Index>(c.images, 256 / std::max<Index>(1, down * across) + 2);
  kernel_count(touched * c.y.read * c.x.read, "pixels of neighbouring images");
  return size;
}

/// Launches the kernel of one tile of the tuning table.
template <class T, bool Reverse>
struct StartCorrelation {
  const Context<Cuda>& context;
  Correlation<T>& c;
  const CorrelationSize& size;

  template <int Entry>
  void run() const {
    using Block = TileOf<Entry>;
    const Index row_tiles = parts_of<Index>(size.rows, Block::rows);
    c.column_tiles = static_cast<unsigned>(parts_of<Index>(c.dst_group, Block::columns));
    const dim3 grid = blocks_of(c.column_tiles, row_tiles, c.groups, c.phases, c.splits);
    c.row_tiles = static_cast<unsigned>(row_tiles);
    constexpr tuning::Fours wants = tuning::conv2d_tiles[Entry].wants;
    if (size.fours < wants)
      raise<ArgumentError>("conv2d: tile ", Entry, " of the tuning table wants channels in fours");
    if (size.fours == tuning::Fours::both)
      return launch(context, &correlate<T, Block, Reverse, 4, 4>, grid, Block::threads, 0, c);
    if constexpr (Reverse && wants != tuning::Fours::both)
      if (size.fours == tuning::Fours::rows)
        return launch(context, &correlate<T, Block, true, 4, 1>, grid, Block::threads, 0, c);
    if constexpr (wants == tuning::Fours::none)
      launch(context, &correlate<T, Block, Reverse, 1, 1>, grid, Block::threads, 0, c);
  }
};

/// Chooses a tile, launches, and adds the splits' sums.
template <class T, bool Reverse>
void run_correlation(const Context<Cuda>& context, Correlation<T> c, TileChoice wanted) {
  const CorrelationSize size = size_of<T, Reverse>(c);
  c.phases = Reverse ? static_cast<unsigned>(
                           kernel_count(Index{1} * phases_of(c.y) * phases_of(c.x), "a number of phases"))
                     : 1;
  tuning::Product product;
  product.rows = size.rows;
  product.columns = c.dst_group;
  product.depth = kernel_count(size.taps * c.src_group, "a sum");
  product.products = c.groups * Index{c.phases};
  product.outputs = c.target.count;
  product.of_float = std::is_same_v<T, float>;
  product.fours = size.fours;
  product.most_splits = most_splits(c.target.count);
  const TileChoice choice = tuning::choose(product, wanted);
  c.splits = static_cast<unsigned>(choice.splits);
  Tensor<float, Cuda> parts;
  if (choice.splits > 1) {
    parts = context.make<float>({choice.splits, c.target.count});
    c.target.parts = parts.data();
  }
  with_tile<T, false>(choice.tile, StartCorrelation<T, Reverse>{context, c, size});
  if (choice.splits == 1) return;
  SumsTarget<T> sums;
  sums.dst = c.target.dst;
  sums.bias = c.target.bias;
  sums.channels = c.dst_channels;
  sums.rectified = c.target.rectified;
  sums.negative_slope = c.target.negative_slope;
  add_parts<T>(context, parts.data(), choice.splits, c.target.count, sums);
}

}  // namespace deconv::cuda
