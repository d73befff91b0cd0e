#pragma once
/// ONNX's operators that slide a window over images, and Pad: node by node into the network.

#include <string>
#include <utility>
#include <vector>

#include "deconv/io/onnx_import.hpp"

namespace deconv::io::onnx {

namespace detail {

/// Two numbers, y then x. Throws FormatError naming the number of dimensions where there are not two.
[[nodiscard]] inline std::pair<Index, Index> pair_of(const Call& call, const std::vector<Index>& values,
                                                     const char* name, Index fallback) {
  if (values.empty()) return {fallback, fallback};
  require<FormatError>(values.size() == 2, call.label(), ": only two-dimensional windows are supported, met ",
                       values.size(), " numbers in ", name);
  return {values[0], values[1]};
}

/// Splits rows or columns of padding over the two sides; what is odd goes behind with SAME_UPPER, else
/// before.
struct Sides {
  Index before = 0, behind = 0;
};
[[nodiscard]] constexpr Sides split(Index total, bool upper) noexcept {
  const Index half = total / 2;
  return upper ? Sides{half, total - half} : Sides{total - half, half};
}

enum class AutoPad { none, upper, lower, valid };

[[nodiscard]] inline AutoPad auto_pad_of(Call& call) {
  const std::string text = call.text("auto_pad", "NOTSET");
  if (text == "SAME_UPPER") return AutoPad::upper;
  if (text == "SAME_LOWER") return AutoPad::lower;
  if (text == "VALID") return AutoPad::valid;
  require<FormatError>(text == "NOTSET" || text.empty(), call.label(), ": auto_pad ", quoted(text),
                       " is not known");
  return AutoPad::none;
}

/// kernel_shape, strides, dilations and pads; `kernel` is what the weights say, or zeros. auto_pad is left to
/// the caller.
[[nodiscard]] inline Window2d window_of(Call& call, std::pair<Index, Index> kernel) {
  Window2d window;
  const std::vector<Index> given = call.integers("kernel_shape");
  require<FormatError>(!given.empty() || kernel.first > 0, call.label(),
                       ": attribute kernel_shape is missing");
  const auto stated = pair_of(call, given, "kernel_shape", 0);
  if (kernel.first == 0) kernel = stated;
  require<ShapeError>(given.empty() || kernel == stated, call.label(), ": kernel_shape says ", stated.first,
                      'x', stated.second, ", the weights are ", kernel.first, 'x', kernel.second);
  std::tie(window.kernel_y, window.kernel_x) = kernel;
  std::tie(window.stride_y, window.stride_x) = pair_of(call, call.integers("strides"), "strides", 1);
  std::tie(window.dilation_y, window.dilation_x) = pair_of(call, call.integers("dilations"), "dilations", 1);
  const std::vector<Index> pads = call.integers("pads");
  require<FormatError>(pads.empty() || pads.size() == 4, call.label(),
                       ": only two-dimensional windows are supported, met ", pads.size(), " numbers in pads");
  if (!pads.empty()) window.padding = {pads[0], pads[1], pads[2], pads[3]};
  window.check(call.label());
  return window;
}

/// Settles auto_pad for a window that slides over an image of the given shape.
inline void apply_auto_pad(Call& call, Window2d& window, const Shape& src) {
  const AutoPad mode = auto_pad_of(call);
  if (mode == AutoPad::none) return;
  require<FormatError>(window.padding == Padding{}, call.label(), ": pads and auto_pad exclude each other");
  if (mode == AutoPad::valid) return;
  const auto sides = [&](Index extent, Index reach, Index stride) {
    const Index count = (extent + stride - 1) / stride;
    return split(std::max<Index>((count - 1) * stride + reach - extent, 0), mode == AutoPad::upper);
  };
  const Sides y = sides(src[2], window.reach_y(), window.stride_y);
  const Sides x = sides(src[3], window.reach_x(), window.stride_x);
  window.padding = {y.before, x.before, y.behind, x.behind};
}

/// The weights of a convolution, input 1. Throws unless they are filters for two-dimensional images.
[[nodiscard]] inline Tensor<float, Cpu> take_filters(Import& import, const Call& call) {
  Tensor<float, Cpu> weight = import.take(call, 1);
  require<FormatError>(weight.rank() == 4, call.label(),
                       ": only two-dimensional filters are supported, met shape ", weight.shape());
  require<ShapeError>(weight.count() > 0, call.label(), ": the weights are empty, shape ", weight.shape());
  return weight;
}

/// The bias, input 2, where there is one.
[[nodiscard]] inline bool take_bias(Import& import, const Call& call, Weights& weights, Index channels) {
  if (!call.has_input(2)) return false;
  Tensor<float, Cpu> bias = import.take(call, 2);
  require<ShapeError>(bias.shape() == Shape{channels}, call.label(), ": bias wants shape [", channels,
                      "], met ", bias.shape());
  weights.emplace("bias", std::move(bias));
  return true;
}

[[nodiscard]] inline Index groups_of(Call& call) {
  const Index groups = call.integer("group", 1);
  require<ShapeError>(groups >= 1 && groups <= deconv::detail::extent_limit, call.label(),
                      ": group must be at least 1, met ", groups);
  return groups;
}

}  // namespace detail

inline void import_conv(Import& import, Call& call) {
  call.want_inputs(2, 3);
  const Shape src = import.image_shape(call, 0);
  Weights weights;
  Tensor<float, Cpu> weight = detail::take_filters(import, call);
  node::Conv2d layer;
  layer.out_channels = weight[0];
  layer.params.window = detail::window_of(call, {weight[2], weight[3]});
  layer.params.groups = detail::groups_of(call);
  detail::apply_auto_pad(call, layer.params.window, src);
  require<ShapeError>(src[1] % layer.params.groups == 0 && weight[1] == src[1] / layer.params.groups,
                      call.label(), ": weights of shape ", weight.shape(), " in ", layer.params.groups,
                      " group(s) do not fit an input of ", src[1], " channels");
  layer.bias = detail::take_bias(import, call, weights, layer.out_channels);
  weights.emplace("weight", std::move(weight));
  import.emit(call, layer, {call.input(0)}, std::move(weights));
}

inline void import_conv_transpose(Import& import, Call& call) {
  call.want_inputs(2, 3);
  const Shape src = import.image_shape(call, 0);
  Weights weights;
  Tensor<float, Cpu> weight = detail::take_filters(import, call);
  node::Conv2dTranspose layer;
  Window2d& window = layer.params.window;
  window = detail::window_of(call, {weight[2], weight[3]});
  layer.params.groups = detail::groups_of(call);
  require<ShapeError>(weight[0] == src[1] && src[1] % layer.params.groups == 0, call.label(),
                      ": weights of shape ", weight.shape(), " in ", layer.params.groups,
                      " group(s) do not fit an input of ", src[1], " channels");
  layer.out_channels = deconv::detail::saturating_product(weight[1], layer.params.groups);
  std::tie(layer.params.extra_y, layer.params.extra_x) =
      detail::pair_of(call, call.integers("output_padding"), "output_padding", 0);
  for (const Index extra : {layer.params.extra_y, layer.params.extra_x})
    require<ShapeError>(extra >= 0 && extra <= deconv::detail::extent_limit, call.label(),
                        ": output_padding must not be negative or huge, met ", extra);

  const detail::AutoPad mode = detail::auto_pad_of(call);
  const bool same = mode == detail::AutoPad::upper || mode == detail::AutoPad::lower;
  auto [height, width] = detail::pair_of(call, call.integers("output_shape"), "output_shape", 0);
  if (same && height == 0) {
    height = deconv::detail::saturating_product(src[2], window.stride_y);
    width = deconv::detail::saturating_product(src[3], window.stride_x);
  }
  if (call.has("output_shape") || same) {
    // The output's size is given; what the window makes beyond it is cut off as padding, what it lacks is
    // added behind.
    require<ShapeError>(height >= 1 && width >= 1 && height <= deconv::detail::extent_limit &&
                            width <= deconv::detail::extent_limit,
                        call.label(), ": an output of ", height, 'x', width);
    const auto settle = [&](Index extent, Index stride, Index reach, Index wanted, Index& extra,
                            detail::Sides& sides) {
      const Index total = (extent - 1) * stride + reach + extra - wanted;
      if (total < 0) extra -= total;
      sides = detail::split(std::max<Index>(total, 0), mode == detail::AutoPad::upper);
    };
    detail::Sides y, x;
    settle(src[2], window.stride_y, window.reach_y(), height, layer.params.extra_y, y);
    settle(src[3], window.stride_x, window.reach_x(), width, layer.params.extra_x, x);
    window.padding = {y.before, x.before, y.behind, x.behind};
  } else if (mode == detail::AutoPad::valid) {
    require<FormatError>(window.padding == Padding{}, call.label(), ": pads and auto_pad exclude each other");
  }
  layer.bias = detail::take_bias(import, call, weights, layer.out_channels);
  weights.emplace("weight", std::move(weight));
  import.emit(call, layer, {call.input(0)}, std::move(weights));
}

inline void import_max_pool(Import& import, Call& call) {
  call.want_inputs(1, 1);
  const Shape src = import.image_shape(call, 0);
  node::MaxPool2d layer;
  Window2d& window = layer.params.window;
  window = detail::window_of(call, {0, 0});
  if (call.flag("ceil_mode")) window.rounding = Rounding::ceil;
  detail::apply_auto_pad(call, window, src);
  layer.column_major = call.flag("storage_order");
  std::vector<std::string> outputs{call.output(0)};
  if (call.has_output(1) && import.is_used(call.output(1))) outputs.push_back(call.output(1));
  import.emit(call, layer, {call.input(0)}, std::move(outputs));
}

inline void import_average_pool(Import& import, Call& call) {
  call.want_inputs(1, 1);
  const Shape src = import.image_shape(call, 0);
  node::AveragePool2d layer;
  Window2d& window = layer.params.window;
  window = detail::window_of(call, {0, 0});
  if (call.flag("ceil_mode")) window.rounding = Rounding::ceil;
  detail::apply_auto_pad(call, window, src);
  layer.params.count_padding = call.flag("count_include_pad");
  import.emit(call, layer, {call.input(0)});
}

/// GlobalAveragePool and GlobalMaxPool.
template <class Layer>
void import_global_pool(Import& import, Call& call) {
  call.want_inputs(1, 1);
  static_cast<void>(import.image_shape(call, 0));
  import.emit(call, Layer{}, {call.input(0)});
}

/// Indices count in the plane that the window implies; where output_shape asks for another, that plane stands
/// in its top left corner.
inline void import_max_unpool(Import& import, Call& call) {
  call.want_inputs(2, 3);
  const Shape src = import.image_shape(call, 0);
  require<FormatError>(import.computed(call, 1).integers, call.label(), ": the indices must be integers");
  node::MaxUnpool2d layer;
  layer.window = detail::window_of(call, {0, 0});
  const Constant asked = import.optional_constant(call, 2);
  if (asked == nullptr) {
    import.emit(call, layer, {call.input(0), call.input(1)});
    return;
  }
  const std::vector<Index> shape = list_of(*asked);
  require<ShapeError>(shape.size() == 4 && shape[0] == src[0] && shape[1] == src[1], call.label(),
                      ": output_shape wants four extents, the first two as in ", src);
  for (const Index extent : shape)
    require<ShapeError>(extent >= 1 && extent <= deconv::detail::extent_limit, call.label(),
                        ": an output extent of ", extent);
  const std::string plane = import.emit_extra(call, "/plane", layer, {call.input(0), call.input(1)});
  const Shape whole = import.find_computed(plane)->shape;
  node::Pad2d pad;
  pad.params.bottom = shape[2] - whole[2];
  pad.params.right = shape[3] - whole[3];
  import.emit(call, pad, {plane});
}

/// Constant padding of rows and columns.
inline void import_pad(Import& import, Call& call) {
  const Shape src = import.image_shape(call, 0);
  const std::string mode = call.text("mode", "constant");
  require<FormatError>(mode == "constant", call.label(), ": mode ", quoted(mode), " is not supported");
  std::vector<Index> pads;
  node::Pad2d layer;
  std::vector<Index> axes{0, 1, 2, 3};
  if (call.opset() < 11) {
    call.want_inputs(1, 1);
    pads = call.integers(call.opset() < 2 ? "paddings" : "pads");
    layer.params.value = call.real("value", 0);
  } else {
    call.want_inputs(2, 4);
    pads = list_of(*import.constant(call, 1));
    if (const Constant value = import.optional_constant(call, 2)) {
      require<ShapeError>(value->shape().count() == 1, call.label(), ": one value wanted, met shape ",
                          value->shape());
      layer.params.value = *value->floats().begin();
    }
    if (const Constant some = import.optional_constant(call, 3)) axes = list_of(*some);
  }
  require<ShapeError>(axes.size() <= 4 && pads.size() == 2 * axes.size(), call.label(), ": ", pads.size(),
                      " pads for ", axes.size(), " axes");
  Index before[4] = {}, behind[4] = {};
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const std::size_t axis = src.normal_axis(axes[i]);
    before[axis] = pads[i];
    behind[axis] = pads[axes.size() + i];
  }
  require<FormatError>(before[0] == 0 && before[1] == 0 && behind[0] == 0 && behind[1] == 0, call.label(),
                       ": only rows and columns can be padded");
  layer.params.top = before[2];
  layer.params.left = before[3];
  layer.params.bottom = behind[2];
  layer.params.right = behind[3];
  import.emit(call, layer, {call.input(0)});
}

}  // namespace deconv::io::onnx
