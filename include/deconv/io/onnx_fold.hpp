#pragma once
/// Nodes whose inputs are all known when the file is read: the arithmetic on shapes that exporters leave in a
/// graph, and constants in other clothes. They are computed here and leave no node behind.

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <span>
#include <vector>

#include "deconv/io/onnx_call.hpp"
#include "deconv/io/onnx_tensor.hpp"
#include "deconv/nn/graph.hpp"

namespace deconv::io::onnx {

using Constant = std::shared_ptr<OnnxTensor>;

/// Elements that reading may make beyond those that stand in the file: a few bytes can ask for any number of
/// them.
class Budget {
 public:
  explicit Budget(Index elements) : whole_(elements), left_(elements) {}
  void spend(Index elements, const std::string& label) {
    require<FormatError>(elements <= left_, label, ": the file makes more than ", whole_,
                         " elements that it does not hold");
    left_ -= elements;
  }

 private:
  Index whole_, left_;
};

[[nodiscard]] inline Constant make_constant(Tensor<std::int64_t, Cpu> values) {
  return std::make_shared<OnnxTensor>(OnnxTensor{{}, std::move(values)});
}
[[nodiscard]] inline Constant make_constant(Tensor<float, Cpu> values) {
  return std::make_shared<OnnxTensor>(OnnxTensor{{}, std::move(values)});
}
[[nodiscard]] inline Constant make_constant(const std::vector<Index>& values) {
  return make_constant(Tensor<std::int64_t, Cpu>::from({static_cast<Index>(values.size())}, values));
}
/// The elements of an integer constant.
[[nodiscard]] inline std::vector<Index> list_of(const OnnxTensor& tensor) {
  const auto& values = tensor.integers();
  require<FormatError>(values.rank() <= 1, "tensor ", quoted(tensor.name),
                       ": a list of integers wanted, met shape ", values.shape());
  return {values.begin(), values.end()};
}

/// The shape that Reshape asks for; 0 copies, -1 is what remains. Throws ShapeError.
[[nodiscard]] inline Shape reshape_target(const Shape& src, const std::vector<Index>& extents,
                                          const std::string& label) {
  return deconv::detail::reshaped(src, extents, label);
}
/// `src` without the axes given, which must have extent 1; without all such axes when none is given.
[[nodiscard]] inline Shape squeezed(const Shape& src, const std::vector<Index>& axes,
                                    const std::string& label) {
  std::array<bool, Shape::max_rank> drop{};
  for (const Index axis : axes) {
    const std::size_t at = src.normal_axis(axis);
    require<ShapeError>(src[at] == 1, label, ": squeezes axis ", axis, " of shape ", src);
    drop[at] = true;
  }
  std::vector<Index> extents;
  for (std::size_t i = 0; i < src.rank(); ++i)
    if (axes.empty() ? src[i] != 1 : !drop[i]) extents.push_back(src[i]);
  return Shape(extents);
}
/// `src` with axes of extent 1 put in; `axes` count in the result.
[[nodiscard]] inline Shape unsqueezed(const Shape& src, const std::vector<Index>& axes,
                                      const std::string& label) {
  const std::size_t rank = src.rank() + axes.size();
  require<ShapeError>(rank <= Shape::max_rank, label, ": a rank of ", rank, " is too large");
  std::vector<Index> extents(rank, -1);
  for (const Index axis : axes) {
    const Index at = axis < 0 ? axis + static_cast<Index>(rank) : axis;
    require<ShapeError>(
        at >= 0 && at < static_cast<Index>(rank) && extents[static_cast<std::size_t>(at)] == -1, label,
        ": axis ", axis, " of a shape of rank ", rank);
    extents[static_cast<std::size_t>(at)] = 1;
  }
  std::size_t next = 0;
  for (Index& extent : extents)
    if (extent == -1) extent = src[next++];
  return Shape(extents);
}
/// The order of axes that Transpose asks for: reversed when it says nothing. Throws ShapeError.
[[nodiscard]] inline std::vector<std::size_t> permutation_of(Call& call, std::size_t rank) {
  std::vector<std::size_t> order(rank);
  const std::vector<Index> given = call.integers("perm");
  for (std::size_t i = 0; i < rank; ++i) order[i] = rank - 1 - i;
  if (!call.has("perm")) return order;
  require<ShapeError>(given.size() == rank, call.label(), ": perm of ", given.size(),
                      " axes for an input of rank ", rank);
  std::vector<bool> met(rank, false);
  for (std::size_t i = 0; i < rank; ++i) {
    require<ShapeError>(
        given[i] >= 0 && given[i] < static_cast<Index>(rank) && !met[static_cast<std::size_t>(given[i])],
        call.label(), ": perm is no order of ", rank, " axes");
    order[i] = static_cast<std::size_t>(given[i]);
    met[order[i]] = true;
  }
  return order;
}
/// The axes of Squeeze, Unsqueeze and ReduceMean: an attribute in older opsets, an input in later ones.
[[nodiscard]] inline std::vector<Index> axes_of(Call& call, const Constant& input) {
  return input != nullptr ? list_of(*input) : call.integers("axes");
}

namespace detail {

using Strides = std::array<Index, Shape::max_rank>;

[[nodiscard]] inline Strides strides_of(const Shape& shape) {
  Strides strides{};
  Index step = 1;
  for (std::size_t i = shape.rank(); i-- > 0;) {
    strides[i] = step;
    step *= shape[i];
  }
  return strides;
}

/// dst, row by row, from src[base + sum of index * stride].
template <class T>
void copy_strided(const T* src, Index base, const Strides& strides, Tensor<T, Cpu>& dst) {
  if (dst.count() == 0) return;
  const std::size_t rank = dst.rank();
  const Index inner = rank == 0 ? 1 : dst[rank - 1];
  const Index step = rank == 0 ? 0 : strides[rank - 1];
  Strides at{};
  T* to = dst.data();
  for (Index from = base;;) {
    for (Index i = 0; i < inner; ++i) *to++ = src[from + i * step];
    std::size_t axis = rank == 0 ? 0 : rank - 1;
    for (;;) {
      if (axis == 0) return;
      --axis;
      from += strides[axis];
      if (++at[axis] < dst[axis]) break;
      from -= strides[axis] * dst[axis];
      at[axis] = 0;
    }
  }
}

/// Applies `make(tensor)`, generic in the element type, and keeps the type.
template <class Make>
[[nodiscard]] Constant mapped(const OnnxTensor& src, const Make& make) {
  return std::visit([&](const auto& tensor) { return make_constant(make(tensor)); }, src.values);
}

[[nodiscard]] inline Constant with_shape(const OnnxTensor& src, const Shape& shape) {
  return mapped(src, [&](const auto& tensor) { return tensor.clone().reshaped(shape); });
}

/// A copy of `src` in which axes are repeated up to `shape`, aligned at the back as numpy does.
template <class T>
[[nodiscard]] Tensor<T, Cpu> broadcast(const Tensor<T, Cpu>& src, const Shape& shape,
                                       const std::string& label) {
  require<ShapeError>(src.rank() <= shape.rank(), label, ": shape ", src.shape(), " does not stretch to ",
                      shape);
  const Strides own = strides_of(src.shape());
  Strides strides{};
  const std::size_t lead = shape.rank() - src.rank();
  for (std::size_t i = 0; i < src.rank(); ++i) {
    require<ShapeError>(src[i] == shape[lead + i] || src[i] == 1, label, ": shape ", src.shape(),
                        " does not stretch to ", shape);
    strides[lead + i] = src[i] == 1 ? 0 : own[i];
  }
  Tensor<T, Cpu> dst(shape);
  copy_strided(src.data(), 0, strides, dst);
  return dst;
}

[[nodiscard]] inline Shape common_shape(const Shape& a, const Shape& b, const std::string& label) {
  const Shape& longer = a.rank() >= b.rank() ? a : b;
  const Shape& shorter = a.rank() >= b.rank() ? b : a;
  std::vector<Index> extents(longer.begin(), longer.end());
  for (std::size_t i = 0; i < shorter.rank(); ++i) {
    Index& extent = extents[longer.rank() - shorter.rank() + i];
    require<ShapeError>(extent == shorter[i] || extent == 1 || shorter[i] == 1, label, ": shapes ", a,
                        " and ", b, " do not fit");
    if (extent == 1) extent = shorter[i];
  }
  return Shape(extents);
}

[[nodiscard]] inline float combine(std::string_view op, float a, float b, const std::string&) {
  return op == "Add" ? a + b : op == "Sub" ? a - b : op == "Mul" ? a * b : a / b;
}
[[nodiscard]] inline std::int64_t combine(std::string_view op, std::int64_t a, std::int64_t b,
                                          const std::string& label) {
  std::int64_t result = 0;
  bool wraps = false;
  if (op == "Add") wraps = __builtin_add_overflow(a, b, &result);
  if (op == "Sub") wraps = __builtin_sub_overflow(a, b, &result);
  if (op == "Mul") wraps = __builtin_mul_overflow(a, b, &result);
  if (op == "Div") {
    wraps = b == 0 || (b == -1 && a == std::numeric_limits<std::int64_t>::min());
    if (!wraps) result = a / b;
  }
  require<FormatError>(!wraps, label, ": integer arithmetic on ", a, " and ", b, " has no result");
  return result;
}

[[nodiscard]] inline Constant fold_arithmetic(Call& call, const OnnxTensor& a, const OnnxTensor& b,
                                              Budget& budget) {
  call.allow({"consumed_inputs"});
  require<FormatError>(!call.has("axis") && !call.has("broadcast"), call.label(),
                       ": the broadcasting of opset 6 and older is not supported for constants");
  require<FormatError>(a.is_float() == b.is_float(), call.label(), ": floats and integers do not mix");
  const Shape shape = common_shape(a.shape(), b.shape(), call.label());
  budget.spend(shape.count() * 2, call.label());
  return mapped(a, [&](const auto& first) {
    auto dst = broadcast(first, shape, call.label());
    const auto second =
        broadcast(std::get<std::remove_cvref_t<decltype(first)>>(b.values), shape, call.label());
    for (Index i = 0; i < dst.count(); ++i)
      dst.data()[i] = combine(call.op(), dst.data()[i], second.data()[i], call.label());
    return dst;
  });
}

[[nodiscard]] inline Constant fold_concat(Call& call, std::span<const Constant> inputs, Budget& budget) {
  // Opset 1 had a default.
  require<FormatError>(call.has("axis") || call.opset() < 4, call.label(), ": attribute axis is missing");
  const Index given = call.integer("axis", 1);
  const Shape& first = inputs[0]->shape();
  const std::size_t axis = first.normal_axis(given);
  Index total = 0;
  for (const Constant& input : inputs) {
    const Shape& shape = input->shape();
    require<ShapeError>(shape.rank() == first.rank() && shape.with(given, 0) == first.with(given, 0),
                        call.label(), ": shapes ", first, " and ", shape, " do not join along axis ", given);
    require<FormatError>(input->is_float() == inputs[0]->is_float(), call.label(),
                         ": floats and integers do not mix");
    total = deconv::detail::saturating_sum(total, shape[axis]);
  }
  const Shape shape = first.with(given, total);
  budget.spend(shape.count(), call.label());
  const Index blocks = std::accumulate(first.begin(), first.begin() + axis, Index{1}, std::multiplies<>());
  return mapped(*inputs[0], [&](const auto& sample) {
    using Whole = std::remove_cvref_t<decltype(sample)>;
    Whole dst(shape);
    if (shape.count() == 0) return dst;
    auto* to = dst.data();
    for (Index block = 0; block < blocks; ++block) {
      for (const Constant& input : inputs) {
        const auto& part = std::get<Whole>(input->values);
        const Index run = part.count() / blocks;
        to = std::copy_n(part.data() + block * run, run, to);
      }
    }
    return dst;
  });
}

[[nodiscard]] inline Constant fold_gather(Call& call, const OnnxTensor& src, const OnnxTensor& indices,
                                          Budget& budget) {
  const std::size_t axis = src.shape().normal_axis(call.integer("axis", 0));
  std::vector<Index> extents(src.shape().begin(), src.shape().begin() + axis);
  extents.insert(extents.end(), indices.shape().begin(), indices.shape().end());
  extents.insert(extents.end(), src.shape().begin() + axis + 1, src.shape().end());
  const Shape shape{std::span<const Index>(extents)};
  budget.spend(std::max(shape.count(), indices.shape().count()), call.label());
  const Index extent = src.shape()[axis];
  for (const Index index : indices.integers())
    require<ShapeError>(index >= -extent && index < extent, call.label(), ": index ", index,
                        " of an axis of ", extent);
  const Index run =
      std::accumulate(src.shape().begin() + axis + 1, src.shape().end(), Index{1}, std::multiplies<>());
  return mapped(src, [&](const auto& from) {
    std::remove_cvref_t<decltype(from)> dst(shape);
    if (shape.count() == 0) return dst;
    auto* to = dst.data();
    const Index blocks = from.count() / (extent * run);
    for (Index block = 0; block < blocks; ++block)
      for (const Index index : indices.integers())
        to =
            std::copy_n(from.data() + (block * extent + (index < 0 ? index + extent : index)) * run, run, to);
    return dst;
  });
}

[[nodiscard]] inline Constant fold_slice(Call& call, std::span<const Constant> inputs, Budget& budget) {
  const auto list = [&](std::size_t i, const char* attribute) {
    if (call.opset() < 10) return call.integers(attribute);
    return i < inputs.size() && inputs[i] != nullptr ? list_of(*inputs[i]) : std::vector<Index>{};
  };
  const std::vector<Index> starts = list(1, "starts"), ends = list(2, "ends");
  std::vector<Index> axes = list(3, "axes"), steps = call.opset() < 10 ? std::vector<Index>{} : list(4, "");
  const Shape& src = inputs[0]->shape();
  require<ShapeError>(starts.size() == ends.size() && starts.size() <= src.rank(), call.label(), ": ",
                      starts.size(), " starts and ", ends.size(), " ends for shape ", src);
  if (axes.empty())
    for (std::size_t i = 0; i < starts.size(); ++i) axes.push_back(static_cast<Index>(i));
  if (steps.empty()) steps.assign(starts.size(), 1);
  require<ShapeError>(axes.size() == starts.size() && steps.size() == starts.size(), call.label(),
                      ": as many axes and steps as starts wanted");
  Strides strides = strides_of(src);
  std::vector<Index> extents(src.begin(), src.end());
  Index base = 0;
  std::array<bool, Shape::max_rank> met{};
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const std::size_t axis = src.normal_axis(axes[i]);
    const Index extent = src[axis], step = steps[i];
    require<ShapeError>(!met[axis], call.label(), ": slices axis ", axis, " twice");
    met[axis] = true;
    require<ShapeError>(
        step != 0 && step > -deconv::detail::extent_limit && step < deconv::detail::extent_limit,
        call.label(), ": a step of ", step);
    const auto place = [&](Index at, Index lowest, Index highest) {
      return std::clamp(at < 0 ? at + extent : at, lowest, std::max(lowest, highest));
    };
    const Index start = step > 0 ? place(starts[i], 0, extent) : place(starts[i], 0, extent - 1);
    const Index end = step > 0 ? place(ends[i], 0, extent) : place(ends[i], -1, extent - 1);
    const Index way = extent == 0 ? 0 : step > 0 ? end - start : start - end;
    const Index pace = step > 0 ? step : -step;
    extents[axis] = way <= 0 ? 0 : (way + pace - 1) / pace;
    base += start * strides[axis];
    // A lone element needs no stride, and a long step might overflow.
    strides[axis] = extents[axis] <= 1 ? 0 : strides[axis] * step;
  }
  const Shape shape{std::span<const Index>(extents)};
  budget.spend(shape.count(), call.label());
  return mapped(*inputs[0], [&](const auto& from) {
    std::remove_cvref_t<decltype(from)> dst(shape);
    copy_strided(from.data(), base, strides, dst);
    return dst;
  });
}

[[nodiscard]] inline Constant fold_transpose(Call& call, const OnnxTensor& src, Budget& budget) {
  const std::vector<std::size_t> order = permutation_of(call, src.shape().rank());
  const Strides own = strides_of(src.shape());
  Strides strides{};
  std::vector<Index> extents;
  for (std::size_t i = 0; i < order.size(); ++i) {
    strides[i] = own[order[i]];
    extents.push_back(src.shape()[order[i]]);
  }
  budget.spend(src.shape().count(), call.label());
  return mapped(src, [&](const auto& from) {
    std::remove_cvref_t<decltype(from)> dst{Shape(extents)};
    copy_strided(from.data(), 0, strides, dst);
    return dst;
  });
}

[[nodiscard]] inline Constant fold_cast(Call& call, const OnnxTensor& src, Budget& budget) {
  const auto to = static_cast<ElementType>(call.integer("to", 0));
  call.allow({"saturate"});
  const bool whole = to == ElementType::int64 || to == ElementType::int32 || to == ElementType::boolean;
  require<FormatError>(is_float(to) || whole, call.label(), ": a cast to element type ", static_cast<int>(to),
                       " is not supported");
  budget.spend(src.shape().count(), call.label());
  const double limit = to == ElementType::int32 ? 0x1p31 : 0x1p63;
  return std::visit(
      [&](const auto& from) {
        if (is_float(to)) {
          Tensor<float, Cpu> dst(from.shape());
          std::ranges::transform(from, dst.begin(), [](auto value) { return static_cast<float>(value); });
          return make_constant(std::move(dst));
        }
        Tensor<std::int64_t, Cpu> dst(from.shape());
        std::ranges::transform(from, dst.begin(), [&](auto value) -> std::int64_t {
          if (to == ElementType::boolean) return value != 0;
          const auto wide = static_cast<double>(value);
          const bool exact = std::is_integral_v<decltype(value)> && to == ElementType::int64;
          require<FormatError>(exact || (wide >= -limit && wide < limit), call.label(), ": ", value,
                               " does not fit");
          return static_cast<std::int64_t>(value);
        });
        return make_constant(std::move(dst));
      },
      src.values);
}

[[nodiscard]] inline Constant fold_filled(Call& call, const OnnxTensor& extents, Budget& budget) {
  const Shape shape{std::span<const Index>(list_of(extents))};
  budget.spend(shape.count(), call.label());
  const TensorProto* proto = call.tensor("value");
  if (proto == nullptr) return make_constant(Tensor<float, Cpu>::filled(shape, 0.0f));
  const OnnxTensor value = decode(*proto, {});
  require<FormatError>(value.shape().count() == 1, call.label(), ": one value wanted, met shape ",
                       value.shape());
  return mapped(value, [&](const auto& one) {
    return std::remove_cvref_t<decltype(one)>::filled(shape, *one.begin());
  });
}

}  // namespace detail

/// The constant that a Constant node states. Throws FormatError for kinds of values that are not read.
[[nodiscard]] inline Constant stated_constant(Call& call, const std::filesystem::path& folder) {
  if (const TensorProto* proto = call.tensor("value"))
    return std::make_shared<OnnxTensor>(decode(*proto, folder));
  if (call.has("value_int"))
    return make_constant(Tensor<std::int64_t, Cpu>::filled({}, call.integer("value_int", 0)));
  if (call.has("value_ints")) return make_constant(call.integers("value_ints"));
  if (call.has("value_float"))
    return make_constant(Tensor<float, Cpu>::filled({}, call.real("value_float", 0)));
  if (call.has("value_floats")) {
    const std::vector<float> values = call.reals("value_floats");
    return make_constant(Tensor<float, Cpu>::from({static_cast<Index>(values.size())}, values));
  }
  raise<FormatError>(call.label(), ": a value of numbers wanted");
}

/// What the node computes from constants (null where an input is left out), or null where its operator is
/// none of those that are folded. Throws FormatError and ShapeError naming the node.
[[nodiscard]] inline Constant fold(Call& call, std::span<const Constant> inputs, Budget& budget) {
  const std::string_view op = call.op();
  const auto need = [&](std::size_t least, std::size_t most) {
    call.want_inputs(least, most);
    for (std::size_t i = 0; i < least; ++i)
      require<FormatError>(inputs[i] != nullptr, call.label(), ": input ", i, " is missing");
  };
  const auto reshaped = [&](const Shape& shape) {
    budget.spend(shape.count(), call.label());
    return detail::with_shape(*inputs[0], shape);
  };
  if (op == "Identity") {
    need(1, 1);
    return inputs[0];
  }
  if (op == "Cast" || op == "ConstantOfShape" || op == "Transpose") {
    need(1, 1);
    return op == "Cast"        ? detail::fold_cast(call, *inputs[0], budget)
           : op == "Transpose" ? detail::fold_transpose(call, *inputs[0], budget)
                               : detail::fold_filled(call, *inputs[0], budget);
  }
  if (op == "Gather") {
    need(2, 2);
    return detail::fold_gather(call, *inputs[0], *inputs[1], budget);
  }
  if (op == "Slice") {
    need(1, 5);
    return detail::fold_slice(call, inputs, budget);
  }
  if (op == "Add" || op == "Sub" || op == "Mul" || op == "Div") {
    need(2, 2);
    return detail::fold_arithmetic(call, *inputs[0], *inputs[1], budget);
  }
  if (op == "Concat") {
    need(inputs.size(), inputs.size());
    return detail::fold_concat(call, inputs, budget);
  }
  if (op == "Reshape") {
    need(1, 2);
    call.allow({"consumed_inputs"});
    require<FormatError>(!call.flag("allowzero"), call.label(), ": allowzero is not supported");
    return reshaped(reshape_target(
        inputs[0]->shape(), inputs.size() > 1 ? list_of(*inputs[1]) : call.integers("shape"), call.label()));
  }
  if (op == "Squeeze" || op == "Unsqueeze") {
    need(1, 2);
    const std::vector<Index> axes = axes_of(call, inputs.size() > 1 ? inputs[1] : nullptr);
    return reshaped(op == "Squeeze" ? squeezed(inputs[0]->shape(), axes, call.label())
                                    : unsqueezed(inputs[0]->shape(), axes, call.label()));
  }
  return nullptr;
}

}  // namespace deconv::io::onnx
