#pragma once
/// ONNX's operators beside those with windows: node by node into the network.

#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "deconv/io/onnx_import.hpp"

namespace deconv::io::onnx {

namespace detail {

/// Reshape's extents for a result of shape `dst`. Where the first extent is the batch's, it is copied, so
/// that the network takes batches of any size.
[[nodiscard]] inline node::Reshape reshape_to(const Shape& src, const Shape& dst) {
  node::Reshape layer{{dst.begin(), dst.end()}};
  if (src.rank() > 0 && dst.rank() > 0 && src[0] == dst[0]) layer.extents[0] = 0;
  return layer;
}

inline void emit_identity(Import& import, Call& call) {
  import.emit(call, node::Identity{}, {call.input(0)});
}

[[nodiscard]] inline Tensor<float, Cpu> transposed(const Tensor<float, Cpu>& src) {
  Tensor<float, Cpu> dst({src[1], src[0]});
  constexpr Index block = 32;  // keeps both sides' lines in the cache
  const Index rows = src[0], columns = src[1];
  for (Index y0 = 0; y0 < rows; y0 += block)
    for (Index x0 = 0; x0 < columns; x0 += block)
      for (Index y = y0; y < std::min(y0 + block, rows); ++y)
        for (Index x = x0; x < std::min(x0 + block, columns); ++x)
          dst.data()[x * rows + y] = src.data()[y * columns + x];
  return dst;
}

/// The values of a constant that differs along the channels (axis 1) only, one a channel. `axis` is where its
/// first extent stands in opset 6 and older, or -1 for the alignment at the back of later ones.
[[nodiscard]] inline Tensor<float, Cpu> channel_values(const Call& call, const Shape& src,
                                                       const Tensor<float, Cpu>& given, Index axis) {
  const Index lead = axis >= 0 ? axis : static_cast<Index>(src.rank()) - static_cast<Index>(given.rank());
  bool fits = lead >= 0 && lead + static_cast<Index>(given.rank()) <= static_cast<Index>(src.rank()) &&
              src.rank() >= 2;
  for (std::size_t i = 0; fits && i < given.rank(); ++i)
    fits = given[i] == 1 || (lead + static_cast<Index>(i) == 1 && given[i] == src[1]);
  require<FormatError>(fits, call.label(), ": a constant of shape ", given.shape(),
                       " beside an input of shape ", src, "; only one value, or one a channel, is supported");
  Tensor<float, Cpu> values({src[1]});
  for (Index c = 0; c < src[1]; ++c) values.data()[c] = given.data()[given.count() == 1 ? 0 : c];
  return values;
}

/// x * scale + bias a channel, as a batch normalisation.
inline void emit_affine(Import& import, Call& call, const std::string& src, Tensor<float, Cpu> scale,
                        Tensor<float, Cpu> bias) {
  const Shape shape = scale.shape();
  Weights weights;
  weights.emplace("scale", std::move(scale));
  weights.emplace("bias", std::move(bias));
  weights.emplace("mean", Tensor<float, Cpu>::filled(shape, 0.0f));
  weights.emplace("variance", Tensor<float, Cpu>::filled(shape, 1.0f));
  import.emit(call, node::BatchNorm{0.0f}, {src}, std::move(weights));
}

/// Adds `values` to the bias of the layer that makes `src`, where that is a convolution or a linear layer
/// whose output only the node at hand reads. False where it is not.
[[nodiscard]] inline bool add_to_bias(Import& import, const Call& call, const std::string& src,
                                      const Tensor<float, Cpu>& values) {
  Node* const maker = import.sole_producer(src);
  if (maker == nullptr) return false;
  bool* const has_bias = std::visit(
      [](auto& layer) -> bool* {
        if constexpr (requires { layer.bias; })
          return &layer.bias;
        else
          return nullptr;
      },
      maker->params);
  if (has_bias == nullptr) return false;
  Tensor<float, Cpu>& bias = import.model.weights[maker->name + ".bias"];
  if (*has_bias) {
    for (Index i = 0; i < values.count(); ++i) bias.data()[i] += values.data()[i];
  } else {
    bias = values.clone();
  }
  *has_bias = true;
  import.rename_output(call, *maker);
  return true;
}

}  // namespace detail

/// Add, Sub, Mul and Div of a computed tensor and a constant that differs by channel; Add of two computed
/// ones.
inline void import_arithmetic(Import& import, Call& call) {
  call.want_inputs(2, 2);
  call.allow({"consumed_inputs"});
  const std::string_view op = call.op();
  const bool first = import.find_computed(call.input(0)) != nullptr;
  const bool second = import.find_computed(call.input(1)) != nullptr;
  const Index axis = call.opset() < 7 && call.flag("broadcast") ? call.integer("axis", -1) : -1;
  if (first == second) {
    const Shape& a = import.shape(call, 0);
    const Shape& b = import.shape(call, 1);
    require<FormatError>(op == "Add", call.label(), ": of two computed tensors only the sum is supported");
    require<ShapeError>(a == b, call.label(), ": two computed tensors of shapes ", a, " and ", b,
                        "; stretching one is not supported");
    import.emit(call, node::Add{}, {call.input(0), call.input(1)});
    return;
  }
  const std::size_t moving = first ? 0 : 1;
  const Shape src = import.shape(call, moving);
  require<FormatError>(op != "Div" || first, call.label(),
                       ": division by a computed tensor is not supported");
  const Constant given = import.constant(call, 1 - moving);
  import.budget().spend(src.rank() >= 2 ? deconv::detail::saturating_product(src[1], 4) : 0, call.label());
  Tensor<float, Cpu> values = detail::channel_values(call, src, given->floats(), axis);
  const std::string name = call.input(moving);
  if (op == "Mul" || op == "Div") {
    if (op == "Div")
      for (float& value : values.span()) value = 1.0f / value;
    Tensor<float, Cpu> zeros = Tensor<float, Cpu>::filled(values.shape(), 0.0f);
    detail::emit_affine(import, call, name, std::move(values), std::move(zeros));
    return;
  }
  if (op == "Sub" && first)
    for (float& value : values.span()) value = -value;
  if ((op == "Add" || first) && detail::add_to_bias(import, call, name, values)) return;
  Tensor<float, Cpu> signs = Tensor<float, Cpu>::filled(values.shape(), op == "Sub" && !first ? -1.0f : 1.0f);
  detail::emit_affine(import, call, name, std::move(signs), std::move(values));
}

inline void import_sum(Import& import, Call& call) {
  call.allow({"consumed_inputs"});
  std::vector<std::string> inputs;
  for (std::size_t i = 0; i < call.input_count(); ++i) {
    const Shape& shape = import.shape(call, i);
    require<ShapeError>(shape == import.shape(call, 0), call.label(), ": wants inputs of one shape, met ",
                        import.shape(call, 0), " and ", shape);
    inputs.push_back(call.input(i));
  }
  if (inputs.size() == 1) return detail::emit_identity(import, call);
  import.emit(call, node::Add{}, std::move(inputs));
}

inline void import_relu(Import& import, Call& call) {
  call.want_inputs(1, 1);
  call.allow({"consumed_inputs"});
  static_cast<void>(import.shape(call, 0));
  import.emit(call, node::Relu{call.op() == "LeakyRelu" ? call.real("alpha", 0.01f) : 0.0f}, {call.input(0)});
}

inline void import_lrn(Import& import, Call& call) {
  call.want_inputs(1, 1);
  static_cast<void>(import.image_shape(call, 0));
  node::Lrn layer;
  require<FormatError>(call.has("size"), call.label(), ": attribute size is missing");
  layer.params.size = call.integer("size", 0);
  layer.params.alpha = call.real("alpha", 1e-4f);
  layer.params.beta = call.real("beta", 0.75f);
  layer.params.k = call.real("bias", 1.0f);
  import.emit(call, layer, {call.input(0)});
}

namespace detail {

/// Gemm whose first matrix is computed and transposed. No layer transposes, so the matrix K x M becomes one
/// row, and a linear layer with the weights in the places that matter makes all M x N elements of the product
/// from it.
inline void import_gemm_transposed(Import& import, Call& call, const Shape& src) {
  const float alpha = call.real("alpha", 1.0f), beta = call.real("beta", 1.0f);
  const bool transposed = call.flag("transB");
  call.allow({"broadcast"});
  const Constant given = import.constant(call, 1);
  const Tensor<float, Cpu>& factor = given->floats();
  require<ShapeError>(factor.rank() == 2 && factor[transposed ? 1 : 0] == src[0], call.label(),
                      ": weights of shape ", factor.shape(), transposed ? " (transposed)" : "",
                      " do not fit a transposed input of shape ", src);
  const Index depth = src[0], rows = src[1], columns = factor[transposed ? 0 : 1];
  const Shape whole{deconv::detail::saturating_product(rows, columns), src.count()};
  import.budget().spend(whole.count(), call.label());
  Tensor<float, Cpu> weight = Tensor<float, Cpu>::filled(whole, 0.0f);
  for (Index m = 0; m < rows; ++m)
    for (Index n = 0; n < columns; ++n)
      for (Index k = 0; k < depth; ++k)
        weight.data()[(m * columns + n) * src.count() + k * rows + m] =
            alpha * factor.data()[transposed ? n * depth + k : k * columns + n];
  node::Linear layer{whole[0], false};
  Weights weights;
  weights.emplace("weight", std::move(weight));
  if (const Constant sum = import.optional_constant(call, 2)) {
    Tensor<float, Cpu> bias = broadcast(sum->floats(), {rows, columns}, call.label()).reshaped({whole[0]});
    for (float& value : bias.span()) value *= beta;
    weights.emplace("bias", std::move(bias));
    layer.bias = true;
  }
  const std::string row = import.emit_extra(call, "/row", node::Reshape{{1, -1}}, {call.input(0)});
  const std::string product = import.emit_extra(call, "/product", layer, {row}, std::move(weights));
  import.emit(call, node::Reshape{{ rows, columns }}, {product});
}

}  // namespace detail

/// Gemm with constant weights: alpha, beta and both transpositions go into the weights and the bias.
inline void import_gemm(Import& import, Call& call) {
  call.want_inputs(2, 3);
  const Shape src = import.shape(call, 0);
  require<FormatError>(src.rank() == 2, call.label(), ": wants a matrix, met shape ", src);
  if (call.flag("transA")) return detail::import_gemm_transposed(import, call, src);
  const float alpha = call.real("alpha", 1.0f), beta = call.real("beta", 1.0f);
  const bool transposed = call.flag("transB");
  call.allow({"broadcast"});
  Tensor<float, Cpu> weight = import.take(call, 1);
  require<ShapeError>(weight.rank() == 2 && weight[transposed ? 1 : 0] == src[1], call.label(),
                      ": weights of shape ", weight.shape(), transposed ? " (transposed)" : "",
                      " do not fit an input of shape ", src);
  if (!transposed) weight = detail::transposed(weight);
  if (alpha != 1.0f)
    for (float& value : weight.span()) value *= alpha;
  node::Linear layer{weight[0], false};
  Weights weights;
  weights.emplace("weight", std::move(weight));
  if (call.has_input(2) && !import.is_constant(call.input(2))) {
    // A sum with another tensor: only without a factor and of the very shape.
    const Shape dst{src[0], layer.out_features};
    require<FormatError>(beta == 1.0f && import.shape(call, 2) == dst, call.label(),
                         ": a computed C wants beta 1 and shape ", dst, ", met beta ", beta, " and ",
                         import.shape(call, 2));
    const std::string product =
        import.emit_extra(call, "/product", layer, {call.input(0)}, std::move(weights));
    import.emit(call, node::Add{}, {product, call.input(2)});
    return;
  }
  if (call.has_input(2)) {
    const Constant given = import.constant(call, 2);
    Tensor<float, Cpu> bias = detail::channel_values(call, {src[0], layer.out_features}, given->floats(), -1);
    for (float& value : bias.span()) value *= beta;
    weights.emplace("bias", std::move(bias));
    layer.bias = true;
  }
  import.emit(call, layer, {call.input(0)}, std::move(weights));
}

/// MatMul with a constant matrix on the right; a left side of higher rank is many rows.
inline void import_matmul(Import& import, Call& call) {
  call.want_inputs(2, 2);
  const Shape src = import.shape(call, 0);
  require<FormatError>(import.is_constant(call.input(1)), call.label(),
                       ": of two computed tensors no product is supported");
  const Constant right = import.constant(call, 1);
  require<FormatError>(src.rank() >= 2 && right->shape().rank() == 2, call.label(),
                       ": wants a constant matrix, met shapes ", src, " and ", right->shape());
  require<ShapeError>(src[src.rank() - 1] == right->shape()[0], call.label(), ": shapes ", src, " and ",
                      right->shape(), " do not fit");
  import.budget().spend(right->shape().count(), call.label());
  Weights weights;
  weights.emplace("weight", detail::transposed(right->floats()));
  const node::Linear layer{right->shape()[1], false};
  if (src.rank() == 2) {
    import.emit(call, layer, {call.input(0)}, std::move(weights));
    return;
  }
  std::vector<Index> extents(src.begin(), src.end());
  extents.front() = -1;
  extents.back() = layer.out_features;
  const std::string rows =
      import.emit_extra(call, "/rows", node::Reshape{{-1, right->shape()[0]}}, {call.input(0)});
  const std::string product = import.emit_extra(call, "/product", layer, {rows}, std::move(weights));
  import.emit(call, node::Reshape{std::move(extents)}, {product});
}

/// Softmax and LogSoftmax. Before opset 13 all axes from `axis` on count as one.
template <class Layer>
void import_softmax(Import& import, Call& call) {
  call.want_inputs(1, 1);
  const Shape src = import.shape(call, 0);
  const bool flattens = call.opset() < 13;
  const auto axis = static_cast<Index>(src.normal_axis(call.integer("axis", flattens ? 1 : -1)));
  bool alone = true;
  for (std::size_t i = static_cast<std::size_t>(axis) + 1; i < src.rank(); ++i) alone = alone && src[i] == 1;
  if (!flattens || alone) {
    import.emit(call, Layer{axis}, {call.input(0)});
    return;
  }
  const std::string rows = import.emit_extra(call, "/rows", node::Flatten{axis}, {call.input(0)});
  const std::string soft = import.emit_extra(call, "/rows_normalised", Layer{1}, {rows});
  // With the batch among the rows' extents it is what remains.
  std::vector<Index> extents(src.begin(), src.end());
  extents.front() = -1;
  import.emit(call, node::Reshape{std::move(extents)}, {soft});
}

/// The identity in inference; the mask has no meaning there.
inline void import_dropout(Import& import, Call& call) {
  call.want_inputs(1, 3);
  static_cast<void>(import.shape(call, 0));
  call.allow({"seed", "is_test", "consumed_inputs"});
  float ratio = call.real("ratio", 0.5f);
  if (const Constant given = import.optional_constant(call, 1)) {
    require<ShapeError>(given->shape().count() == 1, call.label(), ": one ratio wanted, met shape ",
                        given->shape());
    ratio = *given->floats().begin();
  }
  if (const Constant training = import.optional_constant(call, 2))
    require<FormatError>(training->shape().count() == 1 && *training->integers().begin() == 0, call.label(),
                         ": training mode is not supported");
  require<FormatError>(ratio >= 0.0f && ratio <= 1.0f, call.label(), ": a ratio of ", ratio);
  if (call.has_output(1))
    require<FormatError>(!import.is_used(call.output(1)), call.label(), ": the mask output is not supported");
  import.emit(call, node::Dropout{ratio}, {call.input(0)});
}

inline void import_batch_norm(Import& import, Call& call) {
  call.want_inputs(5, 5);
  const Shape src = import.shape(call, 0);
  require<FormatError>(src.rank() == 2 || src.rank() == 4, call.label(),
                       ": only two-dimensional images N,C,H,W are supported, met shape ", src);
  call.allow({"momentum", "consumed_inputs"});
  const bool trains = call.opset() < 7 ? !call.flag("is_test") : call.flag("training_mode");
  bool more_outputs = false;
  for (std::size_t i = 1; i < call.proto().outputs.size(); ++i)
    more_outputs = more_outputs || (call.has_output(i) && import.is_used(call.output(i)));
  require<FormatError>(!trains && !more_outputs, call.label(), ": training mode is not supported");
  require<FormatError>(call.integer("spatial", 1) == 1, call.label(), ": spatial 0 is not supported");
  Weights weights;
  std::size_t input = 1;
  for (const char* name : {"scale", "bias", "mean", "variance"}) {
    Tensor<float, Cpu> values = import.take(call, input++);
    require<ShapeError>(values.shape() == Shape{src[1]}, call.label(), ": ", name, " wants shape [", src[1],
                        "], met ", values.shape());
    weights.emplace(name, std::move(values));
  }
  import.emit(call, node::BatchNorm{call.real("epsilon", 1e-5f)}, {call.input(0)}, std::move(weights));
}

inline void import_concat(Import& import, Call& call) {
  // Opset 1 had a default.
  require<FormatError>(call.has("axis") || call.opset() < 4, call.label(), ": attribute axis is missing");
  const Index given = call.integer("axis", 1);
  std::vector<std::string> inputs;
  for (std::size_t i = 0; i < call.input_count(); ++i) {
    static_cast<void>(import.shape(call, i));
    inputs.push_back(call.input(i));
  }
  import.emit(call, node::Concat{static_cast<Index>(import.shape(call, 0).normal_axis(given))},
              std::move(inputs));
}

inline void import_flatten(Import& import, Call& call) {
  call.want_inputs(1, 1);
  const Shape& src = import.shape(call, 0);
  const Index axis = call.integer("axis", 1), rank = static_cast<Index>(src.rank());
  require<ShapeError>(axis >= -rank && axis <= rank, call.label(), ": axis ", axis, " of shape ", src);
  import.emit(call, node::Flatten{axis < 0 ? axis + rank : axis}, {call.input(0)});
}

inline void import_reshape(Import& import, Call& call) {
  call.want_inputs(1, 2);
  const Shape src = import.shape(call, 0);
  call.allow({"consumed_inputs"});
  require<FormatError>(!call.flag("allowzero"), call.label(), ": allowzero is not supported");
  std::vector<Index> extents =
      call.has_input(1) ? list_of(*import.constant(call, 1)) : call.integers("shape");
  const Shape dst = reshape_target(src, extents, call.label());
  // An extent to be found out serves any batch already.
  const bool open = !extents.empty() && extents[0] == -1;
  if (!open && !extents.empty() && dst[0] == src[0]) extents[0] = 0;
  import.emit(call, node::Reshape{std::move(extents)}, {call.input(0)});
}

inline void import_squeeze(Import& import, Call& call) {
  call.want_inputs(1, 2);
  const Shape src = import.shape(call, 0);
  const std::vector<Index> axes = axes_of(call, import.optional_constant(call, 1));
  if (call.op() == "Unsqueeze") {
    import.emit(call, detail::reshape_to(src, unsqueezed(src, axes, call.label())), {call.input(0)});
    return;
  }
  require<FormatError>(!axes.empty() || src.rank() == 0 || src[0] != 1, call.label(),
                       ": names no axes, so the batch would be squeezed too");
  import.emit(call, detail::reshape_to(src, squeezed(src, axes, call.label())), {call.input(0)});
}

/// Only an order that leaves the elements where they are: axes of extent 1 may move among the others.
inline void import_transpose(Import& import, Call& call) {
  call.want_inputs(1, 1);
  const Shape src = import.shape(call, 0);
  const std::vector<std::size_t> order = permutation_of(call, src.rank());
  std::vector<Index> extents;
  std::size_t last = 0;
  bool stays = src.rank() > 0 && order[0] == 0;
  for (const std::size_t axis : order) {
    extents.push_back(src[axis]);
    if (src[axis] == 1) continue;
    stays = stays && axis >= last;
    last = axis;
  }
  require<FormatError>(stays, call.label(), ": transposing a computed tensor is not supported");
  import.emit(call, detail::reshape_to(src, Shape(extents)), {call.input(0)});
}

/// The mean over rows and columns, which is how some exporters write a global average pool.
inline void import_reduce_mean(Import& import, Call& call) {
  call.want_inputs(1, 2);
  const Shape src = import.image_shape(call, 0);
  call.allow({"noop_with_empty_axes"});
  std::vector<Index> axes = axes_of(call, import.optional_constant(call, 1));
  for (Index& axis : axes) axis = static_cast<Index>(src.normal_axis(axis));
  std::ranges::sort(axes);
  require<FormatError>(axes == std::vector<Index>{2, 3}, call.label(),
                       ": only the mean over rows and columns is supported");
  if (call.integer("keepdims", 1) != 0) {
    import.emit(call, node::GlobalAveragePool{}, {call.input(0)});
    return;
  }
  const std::string mean = import.emit_extra(call, "/mean", node::GlobalAveragePool{}, {call.input(0)});
  import.emit(call, node::Flatten{1}, {mean});
}

inline void import_identity(Import& import, Call& call) {
  call.want_inputs(1, 1);
  static_cast<void>(import.shape(call, 0));
  if (call.op() == "Cast") {
    const auto to = static_cast<ElementType>(call.integer("to", 0));
    call.allow({"saturate"});
    require<FormatError>(is_float(to), call.label(), ": a cast of floats to element type ",
                         static_cast<int>(to), " is not supported");
  }
  detail::emit_identity(import, call);
}

}  // namespace deconv::io::onnx
