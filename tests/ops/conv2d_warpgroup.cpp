/// Convolutions on warpgroups' tensor cores, fed by tensor copies: every tile, and what they refuse.

#include "support/convolution_passes.hpp"

#if defined(DECONV_TEST_CUDA)

#include "../kernels/tuning/warpgroup.hpp"
#include "support/relative_error.hpp"

namespace deconv::test {
namespace {

Convolution square(Shape src, Index maps, Index kernel, Index stride, Index pad) {
  return {std::move(src), maps, {Window2d::square(kernel, stride, pad), 1}};
}

/// Channels that fill lines of 128 bytes, of 64, or neither; several images, phases, dilations, paddings on
/// one side, windows that overhang, merged taps and merged pixels.
std::vector<Convolution> shapes() {
  const Conv2dParams lopsided{{3, 2, 2, 1, 1, 2, {1, 2, 1, 1}, Rounding::floor}, 1};
  const Conv2dParams dilated{{3, 3, 1, 1, 2, 3, {2, 2, 3, 3}, Rounding::floor}, 1};
  const Conv2dParams overhanging{{3, 3, 2, 2, 1, 1, {0, 0, 0, 0}, Rounding::ceil}, 1};
  return {{{3, 16, 17, 9}, 136, lopsided},      {{2, 24, 9, 8}, 20, dilated},
          {{3, 8, 8, 7}, 16, overhanging},      square({3, 64, 7, 7}, 264, 3, 1, 1),
          square({2, 96, 9, 9}, 24, 5, 2, 0),   square({2, 3, 23, 21}, 96, 7, 2, 1),  // ZFNet's first layer
          square({1, 3, 27, 31}, 24, 11, 4, 2),                                       // AlexNet's
          square({2, 3, 9, 10}, 16, 3, 1, 1),                                         // VGG's
          square({130, 48, 1, 1}, 70, 1, 1, 0)};                                      // a linear layer
}

template <class T>
int check_tiles(Direction direction, Maths maths) {
  return check_tiles<T>(shapes(), cuda::tuning::warpgroup_tiles, cuda::Units::warpgroup, direction, maths);
}

TEST_CASE("every tile of the warpgroups computes convolutions forward") {
  if (!cuda_context()) return;
  CHECK(check_tiles<float>(Direction::forward, Maths::tf32) == 9 * 5 * 2);
  CHECK(check_tiles<half>(Direction::forward, Maths::float32) == 9 * 5 * 2);
  CHECK(check_tiles<bfloat16>(Direction::forward, Maths::float32) == 9 * 5 * 2);
}

TEST_CASE("every tile of the warpgroups computes convolutions back to the data") {
  if (!cuda_context()) return;
  CHECK(check_tiles<float>(Direction::reverse_data, Maths::tf32) == 9 * 5 * 2);
  CHECK(check_tiles<half>(Direction::reverse_data, Maths::float32) == 9 * 5 * 2);
  CHECK(check_tiles<bfloat16>(Direction::reverse_data, Maths::float32) == 9 * 5 * 2);
}

TEST_CASE("every tile of the warpgroups computes gradients of weights") {
  if (!cuda_context()) return;
  CHECK(check_tiles<half>(Direction::reverse_weights, Maths::float32) == 9 * 3 * 2);
  CHECK(check_tiles<bfloat16>(Direction::reverse_weights, Maths::float32) == 9 * 3 * 2);
}

TEST_CASE("warpgroups' products round floats to TF32") {
  if (!cuda_context()) return;
  const Convolution c = square({2, 64, 9, 9}, 48, 3, 1, 1);
  const auto a = make_input<float>({c.src}, false, 61), b = make_input<float>({c.weights()}, false, 62);
  const auto expected = expected_of(c, Direction::forward, false);
  const auto met =
      run_tile<float>(c, Direction::forward, {-1, 1, cuda::Units::warpgroup}, a, b, c.dst(), Maths::tf32);
  const double error = relative_error(met, expected);
  CHECK(error < 0x1p-11);
  CHECK(error > 0x1p-15);
}

TEST_CASE("warpgroups asked for by name are refused where they do not serve") {
  if (!cuda_context()) return;
  const auto refused = [](const Convolution& c, Maths maths, int tile) {
    const auto a = make_input<float>({c.src}, true, 1), b = make_input<float>({c.weights()}, true, 2);
    CHECK_THROWS_AS(
        run_tile<float>(c, Direction::forward, {tile, 1, cuda::Units::warpgroup}, a, b, c.dst(), maths),
        ArgumentError);
  };
  const Convolution plain = square({1, 8, 5, 5}, 8, 3, 1, 1);
  refused(plain, Maths::tf32x3, -1);                                            // three products
  refused(plain, Maths::tf32, 99);                                              // no such tile
  refused({{1, 8, 5, 5}, 8, {Window2d::square(3, 1, 1), 2}}, Maths::tf32, -1);  // groups
  refused(square({1, 8, 5, 40}, 8, 5, 9, 0), Maths::tf32, -1);  // steps that tensor copies do not take
  // Gradients of weights in 32 bits, whose operands lie across.
  const auto [first, second, wanted] = operands_of(plain, Direction::reverse_weights);
  const auto a = make_input<float>({first}, true, 1), b = make_input<float>({second}, true, 2);
  CHECK_THROWS_AS(run_tile<float>(plain, Direction::reverse_weights, {-1, 1, cuda::Units::warpgroup}, a, b,
                                  wanted, Maths::tf32),
                  ArgumentError);
}

}  // namespace
}  // namespace deconv::test

#else

TEST_CASE("convolutions on warpgroups") { WARN("this build has no Cuda device, not even an emulated one"); }

#endif
