/// Convolutions on the emulated (or real) tensor cores, a warp at a time: every tile, the packed and merged
/// operands of layers with few channels, and the errors of each maths mode.

#include "support/convolution_passes.hpp"

#if defined(DECONV_TEST_CUDA)

#include "../kernels/tuning/matrix.hpp"
#include "support/relative_error.hpp"

namespace deconv::test {
namespace {

Convolution square(Shape src, Index maps, Index kernel, Index stride, Index pad, Index groups = 1) {
  return {std::move(src), maps, {Window2d::square(kernel, stride, pad), groups}};
}

/// What the tensor cores' paths distinguish: channels in whole chunks or not, taps merged or not, strides
/// with phases, merged pixels, groups, paddings on one side, dilations, ceil rounding.
std::vector<Convolution> shapes() {
  const Conv2dParams lopsided{{3, 2, 2, 1, 1, 2, {1, 2, 1, 1}, Rounding::floor}, 1};
  const Conv2dParams grouped{{2, 2, 1, 2, 2, 1, {1, 0, 0, 1}, Rounding::floor}, 2};
  const Conv2dParams dilated{{3, 3, 1, 1, 2, 3, {2, 2, 3, 3}, Rounding::floor}, 1};
  const Conv2dParams overhanging{{3, 3, 2, 2, 1, 1, {0, 0, 0, 0}, Rounding::ceil}, 1};
  return {{{3, 16, 17, 9}, 136, lopsided},      {{2, 16, 9, 11}, 32, grouped},
          {{2, 24, 9, 8}, 20, dilated},         {{2, 5, 9, 8}, 20, dilated},
          {{3, 8, 8, 7}, 16, overhanging},      square({2, 64, 7, 7}, 40, 3, 1, 1),
          square({2, 96, 6, 6}, 24, 5, 2, 0),   square({2, 3, 23, 21}, 96, 7, 2, 1),   // ZFNet's first layer
          square({1, 3, 27, 31}, 24, 11, 4, 2),                                        // AlexNet's
          square({2, 3, 9, 10}, 16, 3, 1, 1),                                          // VGG's
          square({3, 1, 8, 8}, 9, 5, 1, 0),                                            // LeNet's
          square({2, 37, 5, 6}, 11, 3, 2, 1),   square({40, 48, 1, 1}, 70, 1, 1, 0)};  // a linear layer
}

template <class T>
int check_tiles(Direction direction, Maths maths) {
  return check_tiles<T>(shapes(), cuda::tuning::matrix_tiles, cuda::Units::matrix, direction, maths);
}

TEST_CASE("every tile of the matrix units computes convolutions forward") {
  if (!cuda_context()) return;
  CHECK(check_tiles<float>(Direction::forward, Maths::tf32) == 13 * 6 * 2);
  CHECK(check_tiles<float>(Direction::forward, Maths::tf32x3) == 13 * 6 * 2);
  CHECK(check_tiles<half>(Direction::forward, Maths::float32) == 13 * 6 * 2);
  CHECK(check_tiles<bfloat16>(Direction::forward, Maths::float32) == 13 * 6 * 2);
}

TEST_CASE("every tile of the matrix units computes convolutions back to the data") {
  if (!cuda_context()) return;
  CHECK(check_tiles<float>(Direction::reverse_data, Maths::tf32) == 13 * 6 * 2);
  CHECK(check_tiles<float>(Direction::reverse_data, Maths::tf32x3) == 13 * 6 * 2);
  CHECK(check_tiles<half>(Direction::reverse_data, Maths::float32) == 13 * 6 * 2);
  CHECK(check_tiles<bfloat16>(Direction::reverse_data, Maths::float32) == 13 * 6 * 2);
}

TEST_CASE("every tile of the matrix units computes gradients of weights") {
  if (!cuda_context()) return;
  CHECK(check_tiles<float>(Direction::reverse_weights, Maths::tf32) == 13 * 2 * 2);
  CHECK(check_tiles<float>(Direction::reverse_weights, Maths::tf32x3) == 13 * 2 * 2);
  CHECK(check_tiles<half>(Direction::reverse_weights, Maths::float32) == 13 * 2 * 2);
  CHECK(check_tiles<bfloat16>(Direction::reverse_weights, Maths::float32) == 13 * 2 * 2);
}

/// The relative error of a pass on random numbers against the reference in double.
template <class T>
double error_of(const Convolution& c, Direction direction, Maths maths, cuda::Units units) {
  const auto [first, second, wanted] = operands_of(c, direction);
  const auto a = make_input<T>({first}, false, 61), b = make_input<T>({second}, false, 62);
  // The reference sees the numbers as T has them.
  Tensor<double, Cpu> wide_a(first), wide_b(second), expected(wanted);
  for (Index i = 0; i < a.count(); ++i) wide_a.data()[i] = number(a.data()[i]);
  for (Index i = 0; i < b.count(); ++i) wide_b.data()[i] = number(b.data()[i]);
  if (direction == Direction::forward) {
    reference::conv2d_forward<double>(wide_a, wide_b, {}, c.params, expected.view());
    reference::relu_forward<double>(expected, pass_slope, expected.view());
  } else if (direction == Direction::reverse_data) {
    reference::conv2d_reverse_data<double>(wide_a, wide_b, c.params, expected.view());
  } else {
    reference::conv2d_reverse_weights<double>(wide_a, wide_b, c.params, expected.view(), {});
  }
  const auto met = run_tile<T>(c, direction, {-1, 1, units}, a, b, wanted, maths);
  Tensor<double, Cpu> wide(wanted);
  for (Index i = 0; i < met.count(); ++i) wide.data()[i] = number(met.data()[i]);
  return relative_error(wide, expected);
}

/// The directions whose passes run on tensor cores.
constexpr Direction directions[] = {Direction::forward, Direction::reverse_data, Direction::reverse_weights};

TEST_CASE("the maths modes err as their formats do") {
  if (!cuda_context()) return;
  const Convolution c = square({2, 64, 9, 9}, 48, 3, 1, 1);
  for (const Direction direction : directions) {
    INFO("direction " << static_cast<int>(direction));
    const double exact = error_of<float>(c, direction, Maths::float32, cuda::Units::multiply_add);
    const double three = error_of<float>(c, direction, Maths::tf32x3, cuda::Units::matrix);
    const double one = error_of<float>(c, direction, Maths::tf32, cuda::Units::matrix);
    // A rounded factor is off by 2^-12 on average and in quadrature, a product by root 2 of that.
    CHECK(exact < 1e-6);
    CHECK(three <= exact * 1.5);
    CHECK(one < 0x1p-11);
    CHECK(one > 0x1p-15);  // it is not the float path
    CHECK(error_of<half>(c, direction, Maths::float32, cuda::Units::matrix) < 0x1p-11);
    CHECK(error_of<bfloat16>(c, direction, Maths::float32, cuda::Units::matrix) < 0x1p-8);
  }
}

TEST_CASE("a context's maths chooses the units, and float32 is the default") {
  if (!cuda_context()) return;
  const Convolution c = square({2, 64, 9, 9}, 48, 3, 1, 1);
  for (const Direction direction : directions) {
    CHECK(error_of<float>(c, direction, Maths::float32, cuda::Units::by_maths) < 1e-6);
    CHECK(error_of<float>(c, direction, Maths::tf32, cuda::Units::by_maths) > 0x1p-15);
    CHECK(error_of<float>(c, direction, Maths::tf32x3, cuda::Units::by_maths) < 1e-6);
  }
  CHECK(cuda_context()->maths() == Maths::float32);
}

TEST_CASE("tensor cores asked for by name are refused where channels do not fit") {
  if (!cuda_context()) return;
  const Convolution depthwise = square({1, 6, 5, 5}, 6, 3, 1, 1, 6);
  for (const Direction direction : directions) {
    const auto [first, second, wanted] = operands_of(depthwise, direction);
    const auto a = make_input<float>({first}, true, 1), b = make_input<float>({second}, true, 2);
    CHECK_THROWS_AS(run_tile<float>(depthwise, direction, {-1, 0, cuda::Units::matrix}, a, b, wanted),
                    ArgumentError);
    CHECK_THROWS_AS(
        run_tile<float>(
            square({1, 8, 5, 5}, 8, 3, 1, 1), direction, {99, 1, cuda::Units::matrix},
            make_input<float>({{1, 8, 5, 5}}, true, 1),
            make_input<float>(
                {direction == Direction::reverse_weights ? Shape{1, 8, 5, 5} : Shape{8, 8, 3, 3}}, true, 1),
            direction == Direction::reverse_weights ? Shape{8, 8, 3, 3} : Shape{1, 8, 5, 5}),
        ArgumentError);
    // By the context's maths it is multiply-adds that do it.
    const auto met = run_tile<float>(depthwise, direction, {}, make_input<float>({first}, true, 61),
                                     make_input<float>({second}, true, 62), wanted, Maths::tf32);
    CHECK(different(met, expected_of(depthwise, direction)) == 0);
  }
}

}  // namespace
}  // namespace deconv::test

#else

TEST_CASE("convolutions on tensor cores") { WARN("this build has no Cuda device, not even an emulated one"); }

#endif
