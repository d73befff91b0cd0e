#include "conv2d_reverse_weights.cuh"

#include "conv2d_launch.cuh"
#include "deconv/ops/cuda/update_weights.hpp"
#include "matrix_launch.cuh"
#include "ordered_sums.hpp"

namespace deconv::cuda {

namespace {

/// Launches the kernel of one tile of the tuning table.
template <class T>
struct StartWeightGradient {
  const Context<Cuda>& context;
  WeightGradient<T>& g;
  Index columns;
  tuning::Fours fours;

  template <int Entry>
  void run() const {
    using Block = TileOf<Entry>;
    const Index row_tiles = parts_of<Index>(g.dst_group, Block::rows);
    const Index column_tiles = parts_of<Index>(columns, Block::columns);
    const dim3 grid = blocks_of(column_tiles, row_tiles, g.groups, 1, g.splits);
    g.column_tiles = static_cast<unsigned>(column_tiles);
    g.row_tiles = static_cast<unsigned>(row_tiles);
    constexpr tuning::Fours wants = tuning::conv2d_tiles[Entry].wants;
    if (fours < wants)
      raise<ArgumentError>("conv2d: tile ", Entry, " of the tuning table wants channels in fours");
    if (fours == tuning::Fours::both)
      return launch(context, &correlate_weights<T, Block, 4, 4>, grid, Block::threads, 0, g);
    if constexpr (wants != tuning::Fours::both)
      if (fours == tuning::Fours::rows)
        return launch(context, &correlate_weights<T, Block, 4, 1>, grid, Block::threads, 0, g);
    if constexpr (wants == tuning::Fours::none)
      launch(context, &correlate_weights<T, Block, 1, 1>, grid, Block::threads, 0, g);
  }
};

/// Whether the sums of parts, which are filters in nhwc, are turned where nchw is wanted.
template <class T>
bool turned(TensorView<T, Cuda> diff_weights, const Conv2dParams& params) {
  return diff_weights.layout() == Layout::nchw && params.window.taps() > 1 && diff_weights[1] > 1;
}

/// Adds the parts up into the gradient, or for a step.
template <class T>
void finish(const Context<Cuda>& context, const Tensor<float, Cuda>& parts, int splits,
            const Conv2dParams& params, TensorView<T, Cuda> diff_weights, const WeightStep<T, Cuda>* step) {
  if (step != nullptr) return add_parts_and_step<T>(context, parts.data(), splits, *step);
  SumsTarget<T> sums;
  sums.dst = diff_weights.data();
  if (turned(diff_weights, params)) {
    sums.taps = static_cast<int>(params.window.taps());
    sums.filter_channels = static_cast<int>(diff_weights[1]);
  }
  add_parts<T>(context, parts.data(), splits, diff_weights.count(), sums);
}

/// The gradient to `diff_weights`, or, without memory for it, the sums' parts to a step.
template <class T>
void weights_gradient(const Context<Cuda>& context, TensorView<const T, Cuda> src,
                      TensorView<const T, Cuda> diff_dst, const Conv2dParams& params,
                      TensorView<T, Cuda> diff_weights, TileChoice wanted, const WeightStep<T, Cuda>* step) {
  if (diff_weights.count() == 0) return;
  if (calls_for_matrix_units<T>(context, wanted.units)) {
    const WeightParts<T> parts =
        matrix_weight_parts<T>(context, src, diff_dst, params, diff_weights.count(), wanted);
    if (parts.splits > 0) return finish(context, parts.sums, parts.splits, params, diff_weights, step);
    if (wanted.units != Units::by_maths) refuse_matrix_units("reverse to weights");
  }
  WeightGradient<T> g{};
  g.src = src.data();
  g.diff_dst = diff_dst.data();
  g.target.dst = diff_weights.data();
  std::tie(g.y, g.x) = correlation_axes(params, src.shape(), diff_dst.shape());
  g.pixels = diff_dst[0] * diff_dst[2] * diff_dst[3];
  g.target.count = diff_weights.count();
  g.images = kernel_count(diff_dst[0], "images");
  g.src_channels = kernel_count(src[1], "channels");
  g.dst_channels = kernel_count(diff_dst[1], "maps");
  g.groups = static_cast<int>(params.groups);
  g.src_group = g.src_channels / g.groups;
  g.dst_group = g.dst_channels / g.groups;
  const Index columns = kernel_count(params.window.taps() * g.src_group, "a filter");

  tuning::Fours fours = tuning::Fours::none;
  if (vector_aligned<4>(diff_dst.data(), g.dst_group))
    fours = vector_aligned<4>(src.data(), g.src_group) ? tuning::Fours::both : tuning::Fours::rows;
  tuning::Product product;
  product.rows = g.dst_group;
  product.columns = columns;
  product.depth = g.pixels;
  product.products = g.groups;
  product.outputs = g.target.count;
  product.to_weights = true;
  product.of_float = std::is_same_v<T, float>;
  product.fours = fours;
  product.most_splits = most_splits(g.target.count);
  const TileChoice choice = tuning::choose(product, wanted);
  g.splits = static_cast<unsigned>(choice.splits);
  // Pixels are counted in 32 bits: those of a split in diff_dst, all of them in src.
  kernel_count(g.pixels / choice.splits + 256, "a sum");
  kernel_count(src[0] * src[2] * src[3], "a batch of pixels");
  Tensor<float, Cuda> parts;
  if (choice.splits > 1 || turned(diff_weights, params) || step != nullptr) {
    parts = context.make<float>({choice.splits, g.target.count});
    g.target.parts = parts.data();
  }
  g.target.fours = vector_aligned<4>(diff_weights.data(), columns);
  with_tile<T, true>(choice.tile, StartWeightGradient<T>{context, g, columns, fours});
  if (g.target.parts != nullptr) finish(context, parts, choice.splits, params, diff_weights, step);
}

}  // namespace

template <class T>
void conv2d_reverse_weights(const Context<Cuda>& context, TensorView<const T, Cuda> src,
                            TensorView<const T, Cuda> diff_dst, const Conv2dParams& params,
                            TensorView<T, Cuda> diff_weights, TileChoice wanted) {
  weights_gradient<T>(context, src, diff_dst, params, diff_weights, wanted, nullptr);
}

template <class T>
void conv2d_update_weights(const Context<Cuda>& context, TensorView<const T, Cuda> src,
                           TensorView<const T, Cuda> diff_dst, const Conv2dParams& params,
                           const WeightStep<T, Cuda>& step, TileChoice wanted) {
  const TensorView<T, Cuda> nowhere(nullptr, step.weights.shape(), Layout::nhwc);
  weights_gradient<T>(context, src, diff_dst, params, nowhere, wanted, &step);
}

#define DECONV_INSTANCE(T)                                                                 \
  template void conv2d_reverse_weights<T>(const Context<Cuda>&, TensorView<const T, Cuda>, \
                                          TensorView<const T, Cuda>, const Conv2dParams&,  \
                                          TensorView<T, Cuda>, TileChoice);                \
  template void conv2d_update_weights<T>(const Context<Cuda>&, TensorView<const T, Cuda>,  \
                                         TensorView<const T, Cuda>, const Conv2dParams&,   \
                                         const WeightStep<T, Cuda>&, TileChoice);
DECONV_INSTANCE(float)
DECONV_INSTANCE(half)
DECONV_INSTANCE(bfloat16)
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
