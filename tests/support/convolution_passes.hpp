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

/// Every entry of a tuning table that serves the direction, in one split and in three, on integers against
/// the reference; how many there were. Tiles have `correlation` and `reverse_weights`.
template <class T, class Tiles>
int check_tiles(const std::vector<Convolution>& shapes, const Tiles& tiles, cuda::Units units,
                Direction direction, Maths maths) {
  int checked = 0;
  for (const Convolution& c : shapes) {
    const auto [first, second, wanted] = operands_of(c, direction);
    const auto expected = expected_of(c, direction);
    const auto a = make_input<T>({first}, true, 61), b = make_input<T>({second}, true, 62);
    const bool to_weights = direction == Direction::reverse_weights;
    for (std::size_t tile = 0; tile < tiles.size(); ++tile) {
      if (!(to_weights ? tiles[tile].reverse_weights : tiles[tile].correlation)) continue;
      for (const int splits : {1, 3}) {
        INFO(c.name("on tensor cores") << ", units " << static_cast<int>(units) << ", direction "
                                       << static_cast<int>(direction) << ", tile " << tile << " in " << splits
                                       << " splits, " << name_of(dtype_of<T>) << ", " << name_of(maths));
        const auto met =
            run_tile<T>(c, direction, {static_cast<int>(tile), splits, units}, a, b, wanted, maths);
        CHECK(different(met, expected) == 0);
        ++checked;
      }
    }
    CHECK(share_of_nonzero(expected) > 0.2);
  }
  return checked;
}

}  // namespace deconv::test

#endif
