#include "matrix_packing.cuh"

#include <numeric>

#include "matrix_launch.cuh"
#include "tuning/matrix.hpp"

namespace deconv::cuda {

template <class T>
Tensor<T, Cuda> packed_pixels(const Context<Cuda>& context, TensorView<const T, Cuda> src, int left,
                              int width, int wide) {
  auto packed = context.make<T>({src[0], wide, src[2], width}, Layout::nhwc);
  const PixelPacking<T> p{src.data(),
                          packed.data(),
                          src[0] * src[2],
                          kernel_count(src[3], "a plane's columns"),
                          kernel_count(src[1], "channels"),
                          width,
                          wide,
                          left};
  launch(context, &pack_pixels<T>, grid_for(packed.count() / chunk_of<T>, 256), 256, 0, p);
  return packed;
}

template <class T>
PixelSource<T> pixels_in_place(TensorView<const T, Cuda> src, int groups) {
  PixelSource<T> pixels;
  pixels.data = src.data();
  pixels.height = kernel_count(src[2], "rows");
  pixels.width = kernel_count(src[3], "columns of pixels");
  pixels.pitch = kernel_count(src[1], "channels");
  pixels.group = pixels.pitch / groups;
  pixels.chunks = pixels.group / chunk_of<T>;
  return pixels;
}

namespace {

/// The elements to widen a pixel to, so that windows of whole rows begin at multiples of 16 bytes.
template <class T>
int widened(Index channels, int stride) {
  Index wide = channels;
  while (wide * stride % chunk_of<T> != 0) ++wide;
  return static_cast<int>(wide);
}

/// What both passes know of dst.
template <class T>
void set_target(MatrixCorrelation<T>& c, TensorView<T, Cuda> dst, const T* bias, const Conv2dParams& params) {
  c.images = dst[0];
  c.dst_height = kernel_count(dst[2], "rows");
  c.dst_width = kernel_count(dst[3], "columns of pixels");
  c.dst_channels = kernel_count(dst[1], "maps");
  c.groups = static_cast<int>(params.groups);
  c.columns = c.dst_channels / c.groups;
  c.target.dst = dst.data();
  c.target.count = dst.count();
  c.target.bias = bias;
  c.target.channels = c.dst_channels;
  c.target.vectors = in_chunks(dst.data(), c.columns);
}

/// Copies filters into rows of whole chunks and lets the correlation read them.
template <class T>
Tensor<T, Cuda> pack_forward(const Context<Cuda>& context, MatrixCorrelation<T>& c,
                             TensorView<const T, Cuda> weights, Index rows, int taps, int wide, int depth,
                             int rows_a_filter) {
  auto packed = context.make<T>({rows, depth});
  const ForwardFilterPacking<T> p{weights.data(), packed.data(), rows, taps, static_cast<int>(weights[1]),
                                  wide,           depth};
  launch(context, &pack_filters_forward<T>, grid_for(packed.count(), 256), 256, 0, p);
  c.filters = packed.data();
  c.filter_pitch = Index{1} * rows_a_filter * depth;
  c.filter_group = c.filter_pitch * c.columns;
  return packed;
}

}  // namespace

template <class T>
std::optional<WindowSource<T>> window_source(const Context<Cuda>& context, TensorView<const T, Cuda> src,
                                             const CorrelationAxis& x, int groups) {
  const Index group_channels = src[1] / groups;
  WindowSource<T> source;
  if (in_chunks(src.data(), group_channels)) {
    source.pixels = pixels_in_place(src, groups);
    source.wide = static_cast<int>(group_channels);
    return source;
  }
  if (groups != 1) return {};
  source.taps_merged = x.dilation == 1;
  if (source.taps_merged) {
    // A row of taps is one run of elements of the widened pixels: one tap of many channels.
    source.wide = widened<T>(group_channels, x.stride);
    const Index reach = (x.write - 1) * Index{1} * x.stride + x.kernel;
    const int width = kernel_count(rounded_up(reach, chunk_of<T> / std::gcd(source.wide, chunk_of<T>)),
                                   "a plane's columns");
    source.packed = packed_pixels(context, src, x.pad, width, source.wide);
    source.pixels = pixels_in_place(TensorView<const T, Cuda>(source.packed), 1);
    const int elements = kernel_count(Index{1} * x.kernel * source.wide, "a row of taps");
    source.pixels.chunks = parts_of(elements, chunk_of<T>);
    source.pixels.last_bytes =
        (elements - (source.pixels.chunks - 1) * chunk_of<T>)*static_cast<int>(sizeof(T));
  } else {
    source.wide = static_cast<int>(rounded_up(group_channels, chunk_of<T>));
    source.packed = packed_pixels(context, src, 0, kernel_count(src[3], "a plane's columns"), source.wide);
    source.pixels = pixels_in_place(TensorView<const T, Cuda>(source.packed), 1);
  }
  return source;
}

template <class T>
Index forward_depth(const Shape& weights, const Conv2dParams& params) {
  const Window2d& w = params.window;
  if (weights[1] % chunk_of<T> == 0) return weights[1] * w.taps();
  if (w.dilation_x != 1) return rounded_up(weights[1], chunk_of<T>) * w.taps();
  const int wide = widened<T>(weights[1], kernel_count(w.stride_x, "a stride"));
  return rounded_up(w.kernel_x * wide, chunk_of<T>) * w.kernel_y;
}

template <class T>
std::optional<ForwardCorrelation<T>> forward_correlation(const Context<Cuda>& context,
                                                         TensorView<const T, Cuda> src,
                                                         TensorView<const T, Cuda> weights, const T* bias,
                                                         const Conv2dParams& params, TensorView<T, Cuda> dst,
                                                         std::optional<float> negative_slope) {
  ForwardCorrelation<T> made;
  MatrixCorrelation<T>& c = made.c;
  set_target(c, dst, bias, params);
  c.target.rectified = negative_slope.has_value();
  c.target.negative_slope = negative_slope.value_or(0.0f);
  std::tie(c.y, c.x) = correlation_axes(params, src.shape(), dst.shape());
  c.only_y = forward_axis(c.y);
  c.only_x = forward_axis(c.x);
  auto source = window_source(context, src, c.x, c.groups);
  if (!source) return {};
  c.src = source->pixels;
  int rows = c.y.kernel * c.x.kernel, taps = 1;  // of a filter, and of a row
  if (source->taps_merged) {
    c.only_x.origin = 0;
    c.only_x.taps = 1;
    rows = c.y.kernel;
    taps = c.x.kernel;
  }
  if (source->packed.empty() && sixteen_aligned(weights.data())) {
    c.filters = weights.data();
    c.filter_pitch = Index{1} * rows * source->wide;
    c.filter_group = c.filter_pitch * c.columns;
  } else {
    made.filters = pack_forward(context, c, weights, weights[0] * rows, taps, source->wide,
                                c.src.chunks * chunk_of<T>, rows);
  }
  made.pixels = std::move(source->packed);
  return made;
}

template <class T>
bool matrix_forward(const Context<Cuda>& context, TensorView<const T, Cuda> src,
                    TensorView<const T, Cuda> weights, const T* bias, const Conv2dParams& params,
                    TensorView<T, Cuda> dst, std::optional<float> negative_slope, TileChoice choice) {
  const auto made = forward_correlation(context, src, weights, bias, params, dst, negative_slope);
  if (!made) return false;
  run_matrix_correlation(context, made->c, choice);
  return true;
}

namespace {

/// The places of merged pixels along one axis, and the taps that reach any of a block's pixels.
inline PhaseAxis merged_axis(const CorrelationAxis& axis, int side) {
  const auto floored = [&](int value) {
    return value >= 0 ? value / axis.stride : -((-value + axis.stride - 1) / axis.stride);
  };
  PhaseAxis merged{};
  merged.rows = parts_of(axis.write, side);
  merged.pixel_step = side;
  merged.origin = floored(axis.pad - (axis.kernel - 1) + axis.stride - 1);
  merged.origin_step = side / axis.stride;
  merged.taps = floored(side - 1 + axis.pad) - merged.origin + 1;
  merged.read_step = 1;
  return merged;
}

/// Side after side that blocks of merged pixels can have, from the smallest on: none where channels fill a
/// tile's columns by themselves. A block takes every tap that reaches any of its pixels, so that larger ones
/// fill more columns and multiply more zeros.
template <class Visit>
void each_merged_side(const CorrelationAxis& y, const CorrelationAxis& x, Index channels, int groups,
                      Visit&& visit) {
  constexpr Index enough = 12, most = 128;
  if (groups != 1 || y.stride != x.stride || y.dilation != 1 || x.dilation != 1 || channels >= enough) return;
  for (int side = y.stride; channels * side * side <= most; side += y.stride)
    if (channels * side * side >= enough) visit(side);
}

/// The side of the blocks, or 0 where pixels are not merged.
template <class T>
int merged_side(const MatrixCorrelation<T>& c, MergedBlocks blocks) {
  int best = 0;
  double least = 0;
  each_merged_side(c.y, c.x, c.columns, c.groups, [&](int side) {
    if (blocks == MergedBlocks::smallest && best != 0) return;
    const PhaseAxis y = merged_axis(c.y, side), x = merged_axis(c.x, side);
    tuning::MatrixProduct product;
    product.rows = c.images * y.rows * x.rows;
    product.columns = Index{1} * c.columns * side * side;
    product.depth = Index{1} * y.taps * x.taps * c.src.chunks * chunk_of<T>;
    product.outputs = c.target.count;
    product.element_bytes = sizeof(T);
    product.most_splits = most_splits(c.target.count);
    const double cycles = tuning::choose_matrix(product, {}).cycles;
    if (best != 0 && cycles >= least) return;
    best = side;
    least = cycles;
  });
  return best;
}

}  // namespace

template <class T>
MatrixCorrelation<T> reverse_geometry(const Shape& diff_dst, const T* bias, const Conv2dParams& params,
                                      TensorView<T, Cuda> diff_src, MergedBlocks blocks) {
  MatrixCorrelation<T> c;
  set_target(c, diff_src, bias, params);
  std::tie(c.y, c.x) = correlation_axes(params, diff_dst, diff_src.shape());
  const int channels = c.columns;
  c.src.chunks = parts_of(kernel_count(diff_dst[1] / c.groups, "maps"), chunk_of<T>);
  c.merged = merged_side(c, blocks);
  if (c.merged != 0) {
    c.only_y = merged_axis(c.y, c.merged);
    c.only_x = merged_axis(c.x, c.merged);
    c.columns = channels * c.merged * c.merged;
    c.target.vectors = false;
    c.target.strip = channels * c.merged;
    c.target.line_pitch = Index{1} * c.dst_width * channels;
  } else {
    c.phases =
        static_cast<unsigned>(kernel_count(Index{1} * phases_of(c.y) * phases_of(c.x), "a number of phases"));
    c.only_y = reverse_axis(c.y, 0);
    c.only_x = reverse_axis(c.x, 0);
  }
  return c;
}

template <class T>
std::optional<ReverseCorrelation<T>> reverse_correlation(const Context<Cuda>& context,
                                                         TensorView<const T, Cuda> diff_dst,
                                                         TensorView<const T, Cuda> weights, const T* bias,
                                                         const Conv2dParams& params,
                                                         TensorView<T, Cuda> diff_src, MergedBlocks blocks) {
  const Index group_maps = diff_dst[1] / params.groups;
  const bool in_place = in_chunks(diff_dst.data(), group_maps);
  if (!in_place && params.groups != 1) return {};
  ReverseCorrelation<T> made;
  made.c = reverse_geometry(diff_dst.shape(), bias, params, diff_src, blocks);
  MatrixCorrelation<T>& c = made.c;
  if (in_place) {
    c.src = pixels_in_place(diff_dst, c.groups);
  } else {
    made.pixels = packed_pixels(context, diff_dst, 0, kernel_count(diff_dst[3], "a plane's columns"),
                                static_cast<int>(rounded_up(group_maps, chunk_of<T>)));
    c.src = pixels_in_place(TensorView<const T, Cuda>(made.pixels), 1);
  }
  // The filters of all phases, each as long as the longest.
  Index taps = 0;
  for (int phase = 0; phase < static_cast<int>(c.phases); ++phase)
    taps = std::max(taps, Index{1} * c.phase_y(phase).taps * c.phase_x(phase).taps);
  ReverseFilterPacking<T> p{};
  p.depth = c.src.chunks * chunk_of<T>;
  c.filter_pitch = taps * p.depth;
  c.filter_group = c.filter_pitch * c.columns;
  c.filter_phase = c.filter_group * c.groups;
  p.count = c.filter_phase * c.phases;
  made.filters = context.make<T>({std::max<Index>(1, p.count)});
  c.filters = made.filters.data();
  p.c = c;
  p.weights = weights.data();
  p.packed = made.filters.data();
  p.kernel_y = c.y.kernel;
  p.kernel_x = c.x.kernel;
  p.stride_y = c.y.stride;
  p.stride_x = c.x.stride;
  p.dilation_y = c.y.dilation;
  p.dilation_x = c.x.dilation;
  p.pad_y = c.y.pad;
  p.pad_x = c.x.pad;
  p.channels = c.dst_channels / c.groups;
  p.maps = static_cast<int>(group_maps);
  if (p.count > 0) launch(context, &pack_filters_reverse<T>, grid_for(p.count / chunk_of<T>, 256), 256, 0, p);
  return made;
}

template <class T>
bool matrix_reverse_data(const Context<Cuda>& context, TensorView<const T, Cuda> diff_dst,
                         TensorView<const T, Cuda> weights, const T* bias, const Conv2dParams& params,
                         TensorView<T, Cuda> diff_src, TileChoice choice) {
  const auto made =
      reverse_correlation(context, diff_dst, weights, bias, params, diff_src, MergedBlocks::fastest);
  if (!made) return false;
  run_matrix_correlation(context, made->c, choice);
  return true;
}

#define DECONV_INSTANCE(T)                                                                                   \
  template PixelSource<T> pixels_in_place<T>(TensorView<const T, Cuda>, int);                                \
  template std::optional<WindowSource<T>> window_source<T>(const Context<Cuda>&, TensorView<const T, Cuda>,  \
                                                           const CorrelationAxis&, int);                     \
  template Tensor<T, Cuda> packed_pixels<T>(const Context<Cuda>&, TensorView<const T, Cuda>, int, int, int); \
  template Index forward_depth<T>(const Shape&, const Conv2dParams&);                                        \
  template std::optional<ForwardCorrelation<T>> forward_correlation<T>(                                      \
      const Context<Cuda>&, TensorView<const T, Cuda>, TensorView<const T, Cuda>, const T*,                  \
      const Conv2dParams&, TensorView<T, Cuda>, std::optional<float>);                                       \
  template bool matrix_forward<T>(const Context<Cuda>&, TensorView<const T, Cuda>,                           \
                                  TensorView<const T, Cuda>, const T*, const Conv2dParams&,                  \
                                  TensorView<T, Cuda>, std::optional<float>, TileChoice);                    \
  template MatrixCorrelation<T> reverse_geometry<T>(const Shape&, const T*, const Conv2dParams&,             \
                                                    TensorView<T, Cuda>, MergedBlocks);                      \
  template std::optional<ReverseCorrelation<T>> reverse_correlation<T>(                                      \
      const Context<Cuda>&, TensorView<const T, Cuda>, TensorView<const T, Cuda>, const T*,                  \
      const Conv2dParams&, TensorView<T, Cuda>, MergedBlocks);                                               \
  template bool matrix_reverse_data<T>(const Context<Cuda>&, TensorView<const T, Cuda>,                      \
                                       TensorView<const T, Cuda>, const T*, const Conv2dParams&,             \
                                       TensorView<T, Cuda>, TileChoice);
DECONV_INSTANCE(float)
DECONV_INSTANCE(half)
DECONV_INSTANCE(bfloat16)
#undef DECONV_INSTANCE

}  // namespace deconv::cuda
