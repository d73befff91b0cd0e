/// Every tile of the CUDA kernels' tuning table in every pass that it serves, with whole and split sums.

#include "support/convolution_passes.hpp"

#if defined(DECONV_TEST_CUDA)

#include "../kernels/tuning/conv2d.hpp"

namespace deconv::test {
namespace {

/// Shapes that leave every tile with ragged edges in several blocks: with all channels in fours, only those
/// along the sums, and none.
std::vector<Convolution> ragged_shapes(Direction direction) {
  const Conv2dParams params{{3, 2, 2, 1, 1, 2, {1, 2, 1, 1}, Rounding::floor}, 1};
  const Conv2dParams grouped{{2, 2, 1, 2, 2, 1, {1, 0, 0, 1}, Rounding::floor}, 2};
  switch (direction) {
    case Direction::forward:
      return {{{3, 12, 17, 9}, 132, params}, {{2, 8, 9, 11}, 24, grouped}, {{2, 5, 17, 9}, 9, params}};
    case Direction::reverse_data:
      return {{{2, 132, 11, 13}, 12, params}, {{2, 10, 9, 11}, 24, grouped}, {{2, 9, 9, 9}, 5, params}};
    case Direction::reverse_weights:
      return {{{3, 24, 7, 7}, 132, params}, {{2, 10, 9, 11}, 24, grouped}, {{2, 5, 9, 9}, 9, params}};
  }
  return {};
}

/// Whether an operand's channels come in fours, as the launchers ask before they choose a kernel.
cuda::tuning::Fours fours_of(const Convolution& c, Direction direction) {
  using cuda::tuning::Fours;
  const bool in = c.src[1] / c.params.groups % 4 == 0, out = c.out_channels / c.params.groups % 4 == 0;
  const bool rows = direction == Direction::forward ? in : out;
  const bool columns = direction == Direction::reverse_data ? in : rows && in;
  return rows ? columns ? Fours::both : Fours::rows : Fours::none;
}

/// Returns how many combinations of tile and shape there were.
template <class T>
int check_tiles(Direction direction) {
  int checked = 0;
  for (const Convolution& c : ragged_shapes(direction)) {
    const bool to_weights = direction == Direction::reverse_weights;
    const auto [first, second, wanted] = operands_of(c, direction);
    const auto expected = expected_of(c, direction);
    const auto narrow_a = make_input<T>({first}, true, 61), narrow_b = make_input<T>({second}, true, 62);
    for (std::size_t tile = 0; tile < cuda::tuning::conv2d_tiles.size(); ++tile) {
      const cuda::tuning::Conv2dTile& entry = cuda::tuning::conv2d_tiles[tile];
      for (const int splits : {1, 3}) {
        const cuda::TileChoice choice{static_cast<int>(tile), splits, cuda::Units::multiply_add};
        INFO(c.name("in tiles") << ", direction " << static_cast<int>(direction) << ", tile " << tile
                                << " in " << splits << " splits, " << name_of(dtype_of<T>));
        if (!entry.serves(to_weights, std::is_same_v<T, float>) || entry.wants > fours_of(c, direction)) {
          CHECK_THROWS_AS(run_tile<T>(c, direction, choice, narrow_a, narrow_b, wanted), ArgumentError);
          continue;
        }
        const auto met = run_tile<T>(c, direction, choice, narrow_a, narrow_b, wanted);
        CHECK(different(met, expected) == 0);
        ++checked;
      }
    }
    CHECK(share_of_nonzero(expected) > 0.2);
  }
  return checked;
}

TEST_CASE("every tile of the tuning table computes convolutions") {
  if (!cuda_context()) return;
  // Of the seven tiles all serve the passes to pixels, four the one to weights; less what wants fours.
  CHECK(check_tiles<float>(Direction::forward) == 2 * (7 + 7 + 4));
  CHECK(check_tiles<float>(Direction::reverse_data) == 2 * (7 + 5 + 4));
  CHECK(check_tiles<float>(Direction::reverse_weights) == 2 * (4 + 3 + 3));
  CHECK(check_tiles<half>(Direction::forward) == 2 * (4 + 4 + 1));
  CHECK(check_tiles<bfloat16>(Direction::reverse_data) == 2 * (4 + 2 + 1));
  CHECK(check_tiles<half>(Direction::reverse_weights) == 2 * (2 + 1 + 1));
}

TEST_CASE("a tile that is not in the tuning table is refused") {
  if (!cuda_context()) return;
  const Convolution c{{1, 4, 3, 3}, 4, {Window2d::square(3), 1}};
  const auto a = make_input<float>({c.src}, true, 1), b = make_input<float>({c.weights()}, true, 2);
  CHECK_THROWS_AS(run_tile<float>(c, Direction::forward, {99, 1, cuda::Units::multiply_add}, a, b, c.dst()),
                  ArgumentError);
  // Nor is one whose operands are not aligned as it wants them.
  const Context<Cuda>& context = *cuda_context();
  auto src = to_device(context, in_layout<float>(a, Layout::nhwc).view());
  ShiftedTensor<float, Cuda> weights(context, in_layout<float>(b, Layout::nhwc).view(), 1);
  auto dst = context.make<float>(c.dst(), Layout::nhwc);
  CHECK_THROWS_AS(cuda::conv2d_forward<float>(context, src, weights.view(), nullptr, c.params, dst.view(), {},
                                              {5, 1, cuda::Units::multiply_add}),
                  ArgumentError);
}

TEST_CASE("convolutions take memory that is not aligned to 16 bytes, operand by operand") {
  if (!cuda_context()) return;
  const Context<Cuda>& context = *cuda_context();
  for (const Index maps : {4, 40}) {
    const Convolution c{{2, 8, 6, 7}, maps, {Window2d::square(3, 2, 1), 1}};
    const auto src = make_input<float>({c.src}, true, 71),
               weights = make_input<float>({c.weights()}, true, 72),
               dst = make_input<float>({c.dst()}, true, 73);
    Tensor<float, Cpu> forward(c.dst()), data(c.src), gradient(c.weights());
    reference::conv2d_forward<float>(src, weights, {}, c.params, forward.view());
    reference::conv2d_reverse_data<float>(dst, weights, c.params, data.view());
    reference::conv2d_reverse_weights<float>(src, dst, c.params, gradient.view(), {});
    const auto same = [&](const Tensor<float, Cpu>& wanted, TensorView<const float, Cuda> met) {
      const auto host = to_host(context, met);
      const auto turned = in_layout<float>(host.view(), Layout::nchw);
      return std::equal(wanted.begin(), wanted.end(), turned.begin());
    };
    for (int odd = 0; odd < 8; ++odd) {
      // Each operand of a pass by turns aligned or not.
      const auto place = [&](const Tensor<float, Cpu>& tensor, int bit) {
        return ShiftedTensor<float, Cuda>(context, in_layout<float>(tensor.view(), Layout::nhwc).view(),
                                          (odd & bit) != 0 ? 1 : 4);
      };
      auto x = place(src, 1), w = place(weights, 2), y = place(dst, 4), dx = place(src, 4),
           dw = place(weights, 2), dy = place(dst, 1);
      INFO("maps " << maps << ", misaligned operands " << odd);
      conv2d_forward<float>(context, x.view(), w.view(), {}, c.params, y.view());
      CHECK(same(forward, y.view()));
      conv2d_reverse_data<float>(context, dy.view(), w.view(), c.params, dx.view());
      CHECK(same(data, dx.view()));
      conv2d_reverse_weights<float>(context, x.view(), dy.view(), c.params, dw.view(), {});
      CHECK(same(gradient, dw.view()));
    }
  }
}

TEST_CASE("the choice of a tile follows the shape of the product") {
  using cuda::tuning::choose;
  using cuda::tuning::Fours;
  cuda::tuning::Product product{128 * 13 * 13, 384,  9 * 256,     1, 128 * 13 * 13 * 384,
                                false,         true, Fours::both, 1};
  CHECK(choose(product, {}).tile == 0);  // a middle layer fills the largest tiles
  product.columns = 3;
  CHECK(choose(product, {}).tile == 5);  // down to pixels
  product = {1, 4096, 9216, 1, 4096, false, true, Fours::both, 128};
  CHECK(choose(product, {}).tile == 6);  // one image through a linear layer
  CHECK(choose(product, {}).splits > 1);
  product = {96, 147, 128 * 110 * 110, 1, 96 * 147, true, true, Fours::rows, 128};
  CHECK(choose(product, {}).splits >= 32);  // a small gradient of many pixels
  product.of_float = false;
  CHECK(cuda::tuning::conv2d_tiles[static_cast<std::size_t>(choose(product, {}).tile)].half_types);
  CHECK(choose(product, {2, 5}).tile == 2);
  CHECK(choose(product, {2, 5}).splits == 5);
}

}  // namespace
}  // namespace deconv::test

#else

TEST_CASE("every tile of the tuning table") {
  WARN("this build has no Cuda device, not even an emulated one");
}

#endif
