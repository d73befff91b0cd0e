#pragma once
/// Declares an op once and runs it everywhere.
///
/// An op under test is a struct that says what it reads and writes, how the naive reference computes it and
/// how the library does:
///
///   struct LrnForward {
///     Shape shape;
///     LrnParams params;
///     Tolerance tolerance = tolerance::powers;
///     std::string name() const;
///     std::vector<Operand> inputs() const;   // and outputs()
///     template <class T> void reference(const In<T, Cpu>& in, const Out<T, Cpu>& out) const;
///     template <class T, Device D> void run(const Context<D>& context, const In<T, D>& in, const Out<T, D>&
///     out) const;
///   };
///
/// check_op() then compares reference and every backend with the reference in double, first on small integers
/// and then on normally distributed numbers; outputs are poisoned with NaN before each run. With
/// `exact_integers` (the default where the member is missing) the results on integers must match to the last
/// bit.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "deconv/core/context.hpp"
#include "deconv/core/random.hpp"
#include "deconv/core/tensor.hpp"
#include "deconv/core/transfer.hpp"
#include "deconv/ops/switches.hpp"
#include "support/catch.hpp"
#include "support/cuda_context.hpp"
#include "support/tolerances.hpp"

namespace deconv::test {

enum class Fill { any, positive };

/// One tensor that an op reads or writes. Rank-4 operands take the backend's layout unless `row_major`.
struct Operand {
  Shape shape;
  Fill fill = Fill::any;
  bool row_major = false;
};

template <class T, Device D>
using In = std::vector<TensorView<const T, D>>;
template <class T, Device D>
using Out = std::vector<TensorView<T, D>>;
template <class T>
using Tensors = std::vector<Tensor<T, Cpu>>;

/// Small integers without 0, or normally distributed numbers rounded to float; the same for every element
/// type.
template <class T>
Tensor<T, Cpu> make_input(const Operand& operand, bool integers, std::uint64_t seed) {
  Tensor<T, Cpu> tensor(operand.shape);
  const Random random(seed);
  for (Index i = 0; i < tensor.count(); ++i) {
    const auto at = static_cast<std::uint64_t>(i);
    float value;
    if (integers) {
      value = static_cast<float>(random.below(at, 3) + 1);
      if (operand.fill == Fill::any && random.below(at + (std::uint64_t{1} << 40), 2) == 0) value = -value;
    } else {
      value = random.normal(at);
      if (operand.fill == Fill::positive) value = std::abs(value) + 0.5f;
    }
    tensor.data()[i] = static_cast<T>(value);
  }
  return tensor;
}

/// The tensor in another layout, element by element and independently of the library's own conversion.
template <class T>
Tensor<T, Cpu> in_layout(TensorView<const T, Cpu> src, Layout layout) {
  Tensor<T, Cpu> dst(src.shape(), layout);
  if (src.layout() == layout) {
    std::copy(src.begin(), src.end(), dst.begin());
    return dst;
  }
  for (Index n = 0; n < src[0]; ++n)
    for (Index c = 0; c < src[1]; ++c)
      for (Index y = 0; y < src[2]; ++y)
        for (Index x = 0; x < src[3]; ++x) dst(n, c, y, x) = src(n, c, y, x);
  return dst;
}

template <class T, class A>
std::vector<TensorView<T, Cpu>> views_of(A& tensors) {
  std::vector<TensorView<T, Cpu>> views;
  for (auto& tensor : tensors) views.push_back(tensor.view());
  return views;
}

template <class T>
Tensors<T> poisoned(const std::vector<Operand>& operands, Layout layout) {
  Tensors<T> tensors;
  for (const Operand& operand : operands) {
    const bool follows = operand.shape.rank() == 4 && !operand.row_major;
    tensors.push_back(Tensor<T, Cpu>::filled(operand.shape, std::numeric_limits<T>::quiet_NaN(),
                                             follows ? layout : Layout::nchw));
  }
  return tensors;
}

/// The reference in T, as a backend.
struct ReferenceBackend {
  [[nodiscard]] std::string name() const { return "reference"; }
  template <class T, class Op>
  Tensors<T> run(const Op& op, const Tensors<T>& inputs) const {
    auto outputs = poisoned<T>(op.outputs(), Layout::nchw);
    op.template reference<T>(views_of<const T>(inputs), views_of<T>(outputs));
    return outputs;
  }
};

/// The host's cores in one layout, with some number of threads.
struct CpuBackend {
  Layout layout;
  int threads;
  [[nodiscard]] std::string name() const {
    return message("cpu ", name_of(layout), ", ", threads, " threads");
  }
  template <class T, class Op>
  Tensors<T> run(const Op& op, const Tensors<T>& inputs) const {
    const Context<Cpu> context(threads);
    Tensors<T> there;
    const auto operands = op.inputs();
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const bool follows = operands[i].shape.rank() == 4 && !operands[i].row_major;
      there.push_back(in_layout<T>(inputs[i], follows ? layout : Layout::nchw));
    }
    auto outputs = poisoned<T>(op.outputs(), layout);
    op.template run<T, Cpu>(context, views_of<const T>(there), views_of<T>(outputs));
    Tensors<T> back;
    for (auto& output : outputs) back.push_back(in_layout<T>(output.view(), Layout::nchw));
    return back;
  }
};

#if defined(DECONV_TEST_CUDA)
/// A GPU, or the emulated one, in one layout. Blocks of memory are as large as asked for, so that what
/// watches over accesses sees the first byte too far.
struct CudaBackend {
  Layout layout;
  [[nodiscard]] std::string name() const { return message("cuda ", name_of(layout)); }
  template <class T, class Op>
  Tensors<T> run(const Op& op, const Tensors<T>& inputs) const {
    const Context<Cuda>& context = *cuda_context();
    std::vector<Tensor<T, Cuda>> there, results;
    std::vector<TensorView<const T, Cuda>> in;
    std::vector<TensorView<T, Cuda>> out;
    const auto operands = op.inputs();
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const bool follows = operands[i].shape.rank() == 4 && !operands[i].row_major;
      const auto laid_out = in_layout<T>(inputs[i], follows ? layout : Layout::nchw);
      there.push_back(to_device(context, laid_out.view()));
    }
    for (auto& tensor : there) in.push_back(tensor.view());
    const auto outputs = poisoned<T>(op.outputs(), layout);
    for (const auto& output : outputs) results.push_back(to_device(context, output.view()));
    for (auto& tensor : results) out.push_back(tensor.view());
    op.template run<T, Cuda>(context, in, out);
    Tensors<T> back;
    for (auto& result : results) {
      const auto host = to_host(context, result.view());
      back.push_back(in_layout<T>(host.view(), Layout::nchw));
    }
    return back;
  }
};
#endif

/// Calls visit(backend) for every way of running an op on the host.
template <class Visit>
void each_backend(const Visit& visit) {
  visit(ReferenceBackend{});
  for (const Layout layout : {Layout::nchw, Layout::nhwc})
    for (const int threads : {1, 2}) visit(CpuBackend{layout, threads});
}

/// An element as a double.
template <class T>
double number(T value) {
  if constexpr (std::is_same_v<T, half> || std::is_same_v<T, bfloat16>)
    return static_cast<double>(static_cast<float>(value));
  else
    return static_cast<double>(value);
}

/// ||met - wanted|| / ||wanted||; NaN where anything is NaN. With `rounded` what is wanted is first rounded
/// to T.
template <class T>
double error_against(TensorView<const T, Cpu> met, TensorView<const double, Cpu> wanted,
                     bool rounded = false) {
  double difference = 0, size = 0;
  for (Index i = 0; i < wanted.count(); ++i) {
    const double target =
        rounded ? number(static_cast<T>(static_cast<float>(wanted.data()[i]))) : wanted.data()[i];
    const double d = number(met.data()[i]) - target;
    difference += d * d;
    size += wanted.data()[i] * wanted.data()[i];
  }
  return difference == 0 ? 0 : std::sqrt(difference / size);
}

/// Whether two numbers differ by at most a millionth of the larger; false for NaN.
inline bool nearly_equal(double met, double wanted) {
  return std::abs(met - wanted) <= 1e-6 * std::max(std::abs(met), std::abs(wanted));
}

/// Elements that are not 0, of all.
inline double share_of_nonzero(TensorView<const double, Cpu> view) {
  Index nonzero = 0;
  for (const double value : view.span()) nonzero += value != 0;
  return view.count() == 0 ? 1 : static_cast<double>(nonzero) / static_cast<double>(view.count());
}

template <class Op>
bool wants_exact_integers(const Op& op) {
  if constexpr (requires { op.exact_integers; })
    return op.exact_integers;
  else
    return true;
}

/// An op under test made of two generic functions: reference(in, out) and run(context, in, out), which find
/// the element type in their arguments.
template <class Reference, class Run>
struct DeclaredOp {
  std::string name_;
  std::vector<Operand> inputs_, outputs_;
  Tolerance tolerance;
  bool exact_integers;
  Reference reference_;
  Run run_;
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::vector<Operand>& inputs() const { return inputs_; }
  [[nodiscard]] const std::vector<Operand>& outputs() const { return outputs_; }
  template <class T>
  void reference(const In<T, Cpu>& in, const Out<T, Cpu>& out) const {
    reference_(in, out);
  }
  template <class T, Device D>
  void run(const Context<D>& context, const In<T, D>& in, const Out<T, D>& out) const {
    run_(context, in, out);
  }
};

/// Whether results on small integers must match to the last bit.
enum class OnIntegers { exact, within_tolerance };

template <class Reference, class Run>
DeclaredOp<Reference, Run> declare_op(std::string name, std::vector<Operand> inputs,
                                      std::vector<Operand> outputs, Tolerance tolerance,
                                      OnIntegers on_integers, Reference reference, Run run) {
  return {std::move(name),
          std::move(inputs),
          std::move(outputs),
          tolerance,
          on_integers == OnIntegers::exact,
          std::move(reference),
          std::move(run)};
}

/// Compares one backend's outputs with those of the reference in double.
template <class T, class Op>
void compare_outputs(const Op& op, const std::string& where, bool integers, const Tensors<T>& met,
                     const Tensors<double>& wanted) {
  const double allowed = integers && wants_exact_integers(op) ? 0 : op.tolerance.template of<T>();
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const bool rounded = allowed == 0 && sizeof(T) == 2;
    const double error = error_against<T>(met[i], wanted[i], rounded);
    INFO(op.name() << ", " << where << ", " << (integers ? "integers" : "random") << ", output " << i << ", "
                   << name_of(dtype_of<T>) << ": error " << error << ", allowed " << allowed);
    CHECK_FALSE(!(error <= allowed));
  }
}

template <class T, class Op>
void check_op_in(const Op& op, bool integers, const Tensors<double>& wanted) {
  Tensors<T> inputs;
  std::uint64_t seed = 1;
  for (const Operand& operand : op.inputs()) inputs.push_back(make_input<T>(operand, integers, seed++));
  std::vector<std::pair<Layout, Tensors<T>>> by_layout;
  each_backend([&](const auto& backend) {
    auto met = backend.template run<T>(op, inputs);
    compare_outputs<T>(op, backend.name(), integers, met, wanted);
    if constexpr (requires { backend.threads; }) {
      // Bits must not depend on the number of threads.
      if (backend.threads == 1) {
        by_layout.emplace_back(backend.layout, std::move(met));
        return;
      }
      const Tensors<T>& one = by_layout.back().second;
      REQUIRE(by_layout.back().first == backend.layout);
      for (std::size_t i = 0; i < met.size(); ++i) {
        INFO(op.name() << ", output " << i << ": " << backend.name() << " against one");
        CHECK((met[i].bytes() == 0 || std::memcmp(met[i].data(), one[i].data(), met[i].bytes()) == 0));
      }
    }
  });
}

#if defined(DECONV_TEST_CUDA)
/// Runs an op on the Cuda device in T, against the reference in double on the same (rounded) inputs; twice,
/// for the same bits.
template <class T, class Op>
void check_op_on_cuda(const Op& op, bool integers) {
  Tensors<T> inputs;
  Tensors<double> same;
  std::uint64_t seed = 1;
  for (const Operand& operand : op.inputs()) {
    inputs.push_back(make_input<T>(operand, integers, seed++));
    same.emplace_back(operand.shape);
    for (Index i = 0; i < same.back().count(); ++i) same.back().data()[i] = number(inputs.back().data()[i]);
  }
  const Tensors<double> wanted = ReferenceBackend{}.run<double>(op, same);
  for (const Layout layout : {Layout::nchw, Layout::nhwc}) {
    const CudaBackend backend{layout};
    const auto met = backend.run<T>(op, inputs);
    compare_outputs<T>(op, backend.name(), integers, met, wanted);
    const auto again = backend.run<T>(op, inputs);
    for (std::size_t i = 0; i < met.size(); ++i) {
      INFO(op.name() << ", output " << i << ": " << backend.name() << " run again, " << name_of(dtype_of<T>));
      CHECK((met[i].bytes() == 0 || std::memcmp(met[i].data(), again[i].data(), met[i].bytes()) == 0));
    }
  }
}
#endif

/// Runs an op on every backend, in float and in double (on the Cuda device in float, half and bfloat16), on
/// integers and on random numbers. `nonzero` is the least share of the outputs that must not be 0 for the
/// test to say anything.
template <class Op>
void check_op(const Op& op, double nonzero = 0.3) {
  for (const bool integers : {true, false}) {
    Tensors<double> inputs;
    std::uint64_t seed = 1;
    for (const Operand& operand : op.inputs())
      inputs.push_back(make_input<double>(operand, integers, seed++));
    const Tensors<double> wanted = ReferenceBackend{}.run<double>(op, inputs);
    for (const auto& output : wanted) {
      INFO(op.name() << ": a share of " << share_of_nonzero(output) << " is not 0");
      CHECK(share_of_nonzero(output) >= nonzero);
    }
    check_op_in<float>(op, integers, wanted);
    check_op_in<double>(op, integers, wanted);
#if defined(DECONV_TEST_CUDA)
    if (!cuda_context()) continue;
    check_op_on_cuda<float>(op, integers);
    check_op_on_cuda<half>(op, integers);
    check_op_on_cuda<bfloat16>(op, integers);
#endif
  }
}

inline double inner_product(TensorView<const double, Cpu> a, TensorView<const double, Cpu> b) {
  double sum = 0;
  for (Index i = 0; i < a.count(); ++i) sum += a.data()[i] * b.data()[i];
  return sum;
}

/// A pass of an op in double, in one layout: what it writes from what it reads.
using Pass = std::function<void(const Context<Cpu>&, TensorView<const double, Cpu>, TensorView<double, Cpu>)>;

/// <forward(x), y> = <x, reverse(y)> for random x and y, in both layouts. For passes that are linear.
inline void check_adjoint(const std::string& name, const Shape& x_shape, const Shape& y_shape,
                          const Pass& forward, const Pass& reverse) {
  const Context<Cpu> context(2);
  for (const Layout layout : {Layout::nchw, Layout::nhwc}) {
    if (layout == Layout::nhwc && (x_shape.rank() != 4 || y_shape.rank() != 4)) continue;
    const auto x = in_layout<double>(make_input<double>({x_shape}, false, 11), layout);
    const auto y = in_layout<double>(make_input<double>({y_shape}, false, 12), layout);
    Tensor<double, Cpu> forward_x(y_shape, layout), reverse_y(x_shape, layout);
    forward(context, x, forward_x.view());
    reverse(context, y, reverse_y.view());
    const double there = inner_product(forward_x, y), back = inner_product(x, reverse_y);
    const double size = std::sqrt(inner_product(forward_x, forward_x) * inner_product(y, y));
    INFO(name << " " << name_of(layout) << ": " << there << " against " << back);
    CHECK(size > 0);
    CHECK_FALSE(!(std::abs(there - back) <= tolerance::adjoint * size));
  }
}

/// reverse(y) against central differences of <forward(x), y> in every element of x, in both layouts.
/// `reverse` receives y and may capture x, which `make_reverse` is given.
inline void check_gradient(const std::string& name, const Operand& x_operand, const Shape& y_shape,
                           const Pass& forward,
                           const std::function<Pass(TensorView<const double, Cpu>)>& make_reverse) {
  const Context<Cpu> context(2);
  const Shape& x_shape = x_operand.shape;
  for (const Layout layout : {Layout::nchw, Layout::nhwc}) {
    if (layout == Layout::nhwc && (x_shape.rank() != 4 || y_shape.rank() != 4)) continue;
    auto x = in_layout<double>(make_input<double>(x_operand, false, 21), layout);
    const auto y = in_layout<double>(make_input<double>({y_shape}, false, 22), layout);
    Tensor<double, Cpu> met(x_shape, layout), wanted(x_shape, layout), result(y_shape, layout);
    make_reverse(x)(context, y, met.view());
    const double step = 1e-5;
    for (Index i = 0; i < x.count(); ++i) {
      const double here = x.data()[i];
      x.data()[i] = here + step;
      forward(context, x, result.view());
      const double above = inner_product(result, y);
      x.data()[i] = here - step;
      forward(context, x, result.view());
      wanted.data()[i] = (above - inner_product(result, y)) / (2 * step);
      x.data()[i] = here;
    }
    const double error = error_against<double>(met, wanted);
    INFO(name << " " << name_of(layout) << ": error " << error << " against finite differences");
    CHECK(share_of_nonzero(met) > 0);
    CHECK_FALSE(!(error <= tolerance::finite_differences));
  }
}

/// dst = a host tensor of its shape and layout.
template <class T, Device D>
void copy_from_host(const Context<D>& context, const Tensor<T, Cpu>& src, TensorView<T, D> dst) {
  if constexpr (std::same_as<D, Cpu>)
    std::copy(src.begin(), src.end(), dst.begin());
  else
    transfer(context, src, dst);
}

/// The switches as numbers in their own layout, for comparing them like any output; counted from 1, so that
/// tap 0 is not mistaken for nothing.
template <class T, Device D>
void switches_as_numbers(const Context<D>& context, const Switches<D>& switches, TensorView<T, D> numbers) {
  switches.view().visit([&](auto view) {
    const auto taps = to_host(context, view);
    Tensor<T, Cpu> values(numbers.shape(), numbers.layout());
    REQUIRE(taps.layout() == values.layout());
    for (Index i = 0; i < values.count(); ++i)
      values.data()[i] = static_cast<T>(static_cast<float>(taps.data()[i]) + 1);
    copy_from_host(context, values, numbers);
  });
}

/// Whether two tensors hold the same bits.
template <class T, Device D>
bool same_bits(const Context<D>& context, std::type_identity_t<TensorView<const T, D>> a,
               TensorView<T, D> b) {
  const auto left = to_host(context, a), right = to_host(context, TensorView<const T, D>(b));
  return left.bytes() == right.bytes() &&
         (left.bytes() == 0 || std::memcmp(left.data(), right.data(), left.bytes()) == 0);
}

}  // namespace deconv::test
