#pragma once

#include "conv2d_launch.cuh"
#include "matrix_correlation.cuh"

// What the launchers of the products on the matrix units share.
namespace deconv::cuda {

/// Times that each product of a type is made.
template <class T>
[[nodiscard]] int products_of(const Context<Cuda>& context) {
  return std::is_same_v<T, float> && context.maths() == Maths::tf32x3 ? 3 : 1;
}

/// Whether tensor cores are called for: by name, or by the type and the context's maths.
template <class T>
[[nodiscard]] bool calls_for_matrix_units(const Context<Cuda>& context, Units units) {
  if (units != Units::by_maths) return units != Units::multiply_add;
  return !std::is_same_v<T, float> || context.maths() != Maths::float32;
}

template <class T>
[[nodiscard]] bool sixteen_aligned(const T* data) noexcept {
  return reinterpret_cast<std::uintptr_t>(data) % chunk_bytes == 0;
}

/// Whether channels of a group can be copied 16 bytes at a time.
template <class T>
[[nodiscard]] bool in_chunks(const T* data, Index group_channels) noexcept {
  return group_channels % chunk_of<T> == 0 && sixteen_aligned(data);
}

/// `count` to the next multiple.
[[nodiscard]] constexpr Index rounded_up(Index count, Index multiple) noexcept {
  return (count + multiple - 1) / multiple * multiple;
}

/// Chooses a tile, launches, and adds the splits' sums. Throws ArgumentError where `wanted` names a tile that
/// there is not, ShapeError where counts pass 32 bits. Defined in matrix_correlation.cu.
template <class T>
void run_matrix_correlation(const Context<Cuda>& context, MatrixCorrelation<T> c, TileChoice wanted);

/// Pixels packed for the matrix units: `left` more of them at the left, `width` in all, each `wide` elements.
template <class T>
[[nodiscard]] Tensor<T, Cuda> packed_pixels(const Context<Cuda>& context, TensorView<const T, Cuda> src,
                                            int left, int width, int wide);

/// The pixels of a tensor whose groups' channels come in chunks.
template <class T>
[[nodiscard]] PixelSource<T> pixels_in_place(TensorView<const T, Cuda> src, int groups);

/// What the windows of a forward pass (or of its weights' gradient) are read from: the tensor itself, or,
/// where its channels do not come in chunks, a copy with wider pixels, if possible one in which a row of taps
/// is a single tap of `wide` times as many channels.
template <class T>
struct WindowSource {
  PixelSource<T> pixels;
  int wide = 0;              ///< elements of a tap
  bool taps_merged = false;  ///< then the copy begins at the first window: taps_x is 1, the origin 0
  Tensor<T, Cuda> packed;    ///< empty, or what `pixels` refers to
};
/// Empty where groups' channels do not come in chunks of 16 bytes.
template <class T>
[[nodiscard]] std::optional<WindowSource<T>> window_source(const Context<Cuda>& context,
                                                           TensorView<const T, Cuda> src,
                                                           const CorrelationAxis& x, int groups);

/// The weights' gradient's parts on tensor cores, laid out like the gradient in nhwc, `choice.splits` of
/// them; false, and nothing done, where the shape is not for them.
template <class T>
struct WeightParts {
  Tensor<float, Cuda> sums;
  int splits = 0;  ///< 0: the shape is not for tensor cores
};
template <class T>
[[nodiscard]] WeightParts<T> matrix_weight_parts(const Context<Cuda>& context, TensorView<const T, Cuda> src,
                                                 TensorView<const T, Cuda> diff_dst,
                                                 const Conv2dParams& params, Index count, TileChoice choice);

/// A forward pass for the matrix units, ready to be launched, and the memory that it reads besides src and
/// weights.
template <class T>
struct ForwardCorrelation {
  MatrixCorrelation<T> c;
  Tensor<T, Cuda> pixels, filters;
};
/// Packs what must be packed. Empty where groups' channels do not come in chunks of 16 bytes.
template <class T>
[[nodiscard]] std::optional<ForwardCorrelation<T>> forward_correlation(
    const Context<Cuda>& context, TensorView<const T, Cuda> src, TensorView<const T, Cuda> weights,
    const T* bias, const Conv2dParams& params, TensorView<T, Cuda> dst, std::optional<float> negative_slope);

/// The elements that each of its sums then runs over, where tensors begin at multiples of 16 bytes.
template <class T>
[[nodiscard]] Index forward_depth(const Shape& weights, const Conv2dParams& params);

/// The forward pass on tensor cores; false, and nothing done, where the shape is not for them: grouped
/// convolutions whose groups' channels do not come in 16 bytes.
template <class T>
[[nodiscard]] bool matrix_forward(const Context<Cuda>& context, TensorView<const T, Cuda> src,
                                  TensorView<const T, Cuda> weights, const T* bias,
                                  const Conv2dParams& params, TensorView<T, Cuda> dst,
                                  std::optional<float> negative_slope, TileChoice choice);

/// The blocks of pixels that are merged into places where there are few channels: those with the fewest taps,
/// or those that take the least time by the tuning table.
enum class MergedBlocks { smallest, fastest };

/// A pass back to the data, of which shapes alone are known: its places, phases and target.
template <class T>
[[nodiscard]] MatrixCorrelation<T> reverse_geometry(const Shape& diff_dst, const T* bias,
                                                    const Conv2dParams& params, TensorView<T, Cuda> diff_src,
                                                    MergedBlocks blocks);

/// A pass back to the data, ready to be launched.
template <class T>
struct ReverseCorrelation {
  MatrixCorrelation<T> c;
  Tensor<T, Cuda> pixels, filters;
};
/// As forward_correlation. diff_dst need have no memory where its maps come in chunks.
template <class T>
[[nodiscard]] std::optional<ReverseCorrelation<T>> reverse_correlation(
    const Context<Cuda>& context, TensorView<const T, Cuda> diff_dst, TensorView<const T, Cuda> weights,
    const T* bias, const Conv2dParams& params, TensorView<T, Cuda> diff_src, MergedBlocks blocks);

/// The pass back to the data on tensor cores, where `bias` is of diff_src's channels.
template <class T>
[[nodiscard]] bool matrix_reverse_data(const Context<Cuda>& context, TensorView<const T, Cuda> diff_dst,
                                       TensorView<const T, Cuda> weights, const T* bias,
                                       const Conv2dParams& params, TensorView<T, Cuda> diff_src,
                                       TileChoice choice);

/// A correlation's operands as warpgroups' tensor copies want them (warpgroup_correlation.cuh).
template <class T>
struct WarpgroupCorrelation;
/// Makes the maps of the pixels that a correlation reads, whose largest phase has `taps`; false where
/// warpgroups do not serve: several groups, more than 16 phases, boxes beyond the limits of tensor copies.
template <class T>
[[nodiscard]] bool map_pixels(const MatrixCorrelation<T>& c, Index taps, WarpgroupCorrelation<T>& w);
/// Launches a correlation of at most `rows` places a phase on warpgroups, after map_pixels. Throws
/// DeviceError.
template <class T>
void start_warpgroup_correlation(const Context<Cuda>& context, WarpgroupCorrelation<T>& w,
                                 const MatrixCorrelation<T>& c, Index rows, Index taps, int tile);

/// The same for the gradients of 16-bit weights (warpgroup_weights.cuh).
template <class T>
struct WarpgroupWeightGradient;
template <class T>
struct MatrixWeightGradient;
template <class T>
[[nodiscard]] bool map_pixels(const MatrixWeightGradient<T>& g, WarpgroupWeightGradient<T>& w);
template <class T>
void start_warpgroup_gradient(const Context<Cuda>& context, WarpgroupWeightGradient<T>& w,
                              const MatrixWeightGradient<T>& g, int tile);

/// Where a named choice of units cannot be kept.
[[noreturn]] inline void refuse_matrix_units(const char* pass) {
  raise<ArgumentError>("conv2d ", pass,
                       ": tensor cores were asked for, but each group's channels must be a multiple of 16 "
                       "bytes and aligned to as many");
}

}  // namespace deconv::cuda
