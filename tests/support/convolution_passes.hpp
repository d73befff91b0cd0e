#pragma once
/// The three passes of a convolution on the Cuda device by a kernel of the tester's choice.

#include "support/convolutions.hpp"

#if defined(DECONV_TEST_CUDA)

#include <limits>

#include "support/each_device.hpp"

namespace deconv::test {

enum class Direction { forward, reverse_data, reverse_weights };

/// Shapes of a pass's two operands and of its result.
struct PassShapes {
  Shape first, second, wanted;
};
inline PassShapes operands_of(const Convolution& c, Direction direction) {
  switch (direction) {
    case Direction::forward:
      return {c.src, c.weights(), c.dst()};
    case Direction::reverse_data:
      return {c.dst(), c.weights(), c.src};
    default:
      return {c.src, c.dst(), c.weights()};
  }
}

inline constexpr float pass_slope = 0.25f;  ///< of the forward passes' rectifier

/// The pass by the naive reference in double on make_input's numbers with seeds 61 and 62.
inline Tensor<double, Cpu> expected_of(const Convolution& c, Direction direction, bool integers = true) {
  const auto [first, second, wanted] = operands_of(c, direction);
  const auto a = make_input<double>({first}, integers, 61), b = make_input<double>({second}, integers, 62);
  Tensor<double, Cpu> expected(wanted);
  if (direction == Direction::forward) {
    reference::conv2d_forward<double>(a, b, {}, c.params, expected.view());
    reference::relu_forward<double>(expected, pass_slope, expected.view());
  } else if (direction == Direction::reverse_weights) {
    reference::conv2d_reverse_weights<double>(a, b, c.params, expected.view(), {});
  } else {
    reference::conv2d_reverse_data<double>(a, b, c.params, expected.view());
  }
  return expected;
}

/// The pass on the Cuda device with one tile and split, in nhwc; what it does not write stays NaN.
template <class T>
Tensor<T, Cpu> run_tile(const Convolution& c, Direction direction, cuda::TileChoice choice,
                        TensorView<const T, Cpu> a, TensorView<const T, Cpu> b, const Shape& wanted,
                        Maths maths = Maths::float32) {
  const Context<Cuda> context = cuda_context()->with(maths);
  const auto nan = static_cast<T>(std::numeric_limits<float>::quiet_NaN());
  auto result = to_device(context, Tensor<T, Cpu>::filled(wanted, nan, Layout::nhwc).view());
  const auto left = to_device(context, in_layout<T>(a, Layout::nhwc).view());
  const auto right = to_device(context, in_layout<T>(b, Layout::nhwc).view());
  switch (direction) {
    case Direction::forward:
      cuda::conv2d_forward<T>(context, left, right, nullptr, c.params, result.view(), pass_slope, choice);
      break;
    case Direction::reverse_data:
      cuda::conv2d_reverse_data<T>(context, left, right, nullptr, c.params, result.view(), choice);
      break;
    case Direction::reverse_weights:
      cuda::conv2d_reverse_weights<T>(context, left, right, c.params, result.view(), choice);
      break;
  }
  return in_layout<T>(to_host(context, result.view()).view(), Layout::nchw);
}

/// Elements that are not what was expected, rounded to T.
template <class T>
Index different(const Tensor<T, Cpu>& met, const Tensor<double, Cpu>& expected) {
  Index wrong = 0;
  for (Index i = 0; i < met.count(); ++i)
    wrong += number(met.data()[i]) != number(static_cast<T>(static_cast<float>(expected.data()[i])));
  return wrong;
}

}  // namespace deconv::test

#endif
