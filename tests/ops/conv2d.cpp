#include "support/convolutions.hpp"

namespace deconv::test {
namespace {

/// The common geometries and the odd ones.
std::vector<Convolution> convolutions() {
  return {
      {{2, 3, 7, 9}, 4, {Window2d::square(3, 1, 1), 1}},
      {{2, 5, 6, 5}, 7, {Window2d::square(1), 1}},
      {{1, 3, 1, 1}, 2, {Window2d::square(1), 1}},                                // one pixel
      {{1, 3, 1, 1}, 5, {Window2d::square(3, 1, 1), 1}},                          // kernel over image
      {{2, 4, 9, 9}, 6, {Window2d::square(2, 3), 1}},                             // stride over kernel
      {{1, 4, 5, 5}, 6, {Window2d::square(3, 9), 1}},                             // stride over image
      {{1, 4, 8, 7}, 6, {{3, 2, 2, 1, 1, 1, {1, 0, 2, 1}, Rounding::floor}, 2}},  // asymmetric, groups
      {{2, 6, 7, 7}, 6, {Window2d::square(3, 1, 1), 6}},                          // depthwise
      {{2, 6, 7, 7}, 12, {Window2d::square(3, 2, 1), 6}},                         // depthwise, two maps each
      {{1, 3, 11, 12}, 4, {{3, 3, 1, 2, 2, 3, {2, 1, 2, 3}, Rounding::floor}, 1}},  // dilated
      {{1, 3, 6, 6}, 4, {Window2d::square(3, 2, 0, Rounding::ceil), 1}},            // overhanging last window
      {{2, 3, 31, 29}, 16, {Window2d::square(7, 2, 1), 1}},                         // the step to pixels
      {{2, 1, 23, 23}, 20, {Window2d::square(5), 1}},
      {{1, 3, 39, 39}, 16, {Window2d::square(11, 4), 1}},
      {{2, 32, 13, 13}, 48, {Window2d::square(3, 1, 1), 2}},
      {{2, 24, 14, 11}, 40, {Window2d::square(5, 2, 2), 1}},
  };
}

TEST_CASE("convolution agrees with the naive reference, with and without bias") {
  for (const Convolution& c : convolutions())
    for (const bool bias : {true, false}) check_convolution(c, bias);
}

TEST_CASE("the reverse passes of convolution agree with the naive reference") {
  for (const Convolution& c : convolutions()) {
    check_reverse_data(c);
    check_reverse_weights(c);
  }
}

TEST_CASE("reverse to data takes windows of larger planes: negative padding and any extents") {
  for (const auto& [kernel, stride] : {std::pair<Index, Index>{7, 2}, {5, 2}, {3, 1}, {11, 4}})
    for (const Index channels : {3, 8})
      for (const Index shift : {-3, -1, 0, 2, 5}) {
        if (channels == 8 && shift != -3 && shift != 2) continue;
        Conv2dParams params{Window2d::square(kernel, stride), 1};
        params.window.padding = {shift, 1 - shift, 0, 0};
        const Shape dst{1, 12, 4, 5}, src{1, channels, 13, 11}, weights{12, channels, kernel, kernel};
        check_op(declare_op(
                     message("conv2d window reverse to ", src, " ", params.window),
                     {{dst}, {weights, Fill::any, true}}, {{src}}, tolerance::long_sums, OnIntegers::exact,
                     [&](const auto& in, const auto& out) {
                       reference::conv2d_reverse_data(in[0], in[1], params, out[0]);
                     },
                     [&](const auto& context, const auto& in, const auto& out) {
                       conv2d_reverse_data<ElementOf<decltype(out[0])>>(context, in[0], in[1], params,
                                                                        out[0]);
                     }),
                 0.02);
      }
}

TEST_CASE("the passes of convolution are adjoints of each other") {
  for (const Convolution& c : convolutions()) {
    const auto weights = make_input<double>({c.weights()}, false, 31);
    check_adjoint(
        c.name("data"), c.src, c.dst(),
        [&](const auto& context, auto x, auto y) {
          conv2d_forward<double>(context, x, weights, {}, c.params, y);
        },
        [&](const auto& context, auto y, auto x) {
          conv2d_reverse_data<double>(context, y, weights, c.params, x);
        });
    const Context<Cpu> context(2);
    const auto x = make_input<double>({c.src}, false, 32), y = make_input<double>({c.dst()}, false, 33);
    Tensor<double, Cpu> forward(c.dst()), diff_weights(c.weights()), diff_bias({c.out_channels});
    conv2d_forward<double>(context, x, weights, {}, c.params, forward.view());
    conv2d_reverse_weights<double>(context, x, y, c.params, diff_weights.view(), diff_bias.view());
    const double there = inner_product(forward, y), back = inner_product(weights, diff_weights);
    INFO(c.name("weights") << ": " << there << " against " << back);
    CHECK_FALSE(!(std::abs(there - back) <=
                  tolerance::adjoint * std::sqrt(inner_product(forward, forward) * inner_product(y, y))));
  }
}

TEST_CASE("the reverse pass of convolution agrees with finite differences") {
  const Convolution c{{2, 4, 5, 6}, 6, {{3, 2, 2, 1, 1, 2, {1, 0, 2, 1}, Rounding::floor}, 2}};
  const auto weights = make_input<double>({c.weights()}, false, 41);
  check_gradient(
      c.name("gradient"), {c.src}, c.dst(),
      [&](const Context<Cpu>& context, TensorView<const double, Cpu> x, TensorView<double, Cpu> y) {
        conv2d_forward<double>(context, x, weights, {}, c.params, y);
      },
      [&](TensorView<const double, Cpu>) -> Pass {
        return [&](const Context<Cpu>& context, TensorView<const double, Cpu> y, TensorView<double, Cpu> dx) {
          conv2d_reverse_data<double>(context, y, weights, c.params, dx);
        };
      });
}

TEST_CASE("a convolution may rectify its result, and share what it made of its weights") {
  const Context<Cpu> context(2);
  Conv2dCache<float, Cpu> cache;
  for (const Convolution& c : convolutions())
    for (const Layout layout : {Layout::nchw, Layout::nhwc})
      for (const float slope : {0.0f, 0.25f}) {
        const auto x = in_layout<float>(make_input<float>({c.src}, true, 51), layout);
        const auto weights = make_input<float>({c.weights()}, true, 52),
                   bias = make_input<float>({{c.out_channels}}, true, 53);
        Tensor<float, Cpu> wanted(c.dst(), layout), met(c.dst(), layout), again(c.dst(), layout);
        reference::conv2d_forward<float>(x, weights, bias, c.params, wanted.view());
        reference::relu_forward<float>(wanted, slope, wanted.view());
        Conv2dCache<float, Cpu> own;
        conv2d_forward<float>(context, x, weights, bias, c.params, met.view(), slope, &own);
        conv2d_forward<float>(context, x, weights, bias, c.params, again.view(), slope, &own);
        INFO(c.name("rectified") << " slope " << slope);
        CHECK(std::equal(met.begin(), met.end(), wanted.begin()));
        CHECK(std::equal(again.begin(), again.end(), wanted.begin()));
      }
}

TEST_CASE("convolution names what does not fit") {
  const Context<Cpu> context(1);
  Tensor<float, Cpu> src({1, 3, 5, 5}), weights({4, 3, 3, 3}), dst({1, 4, 3, 3}), five({5}),
      deep({4, 2, 3, 3});
  const Conv2dParams params{Window2d::square(3), 1};
  CHECK_THROWS_AS(conv2d_forward<float>(context, src, deep, {}, params, dst.view()), ShapeError);
  CHECK_THROWS_AS(conv2d_forward<float>(context, src, weights, five, params, dst.view()), ShapeError);
  CHECK_THROWS_AS(conv2d_forward<float>(context, src, weights, {}, {Window2d::square(3, 2), 1}, dst.view()),
                  ShapeError);
  CHECK_THROWS_AS(conv2d_forward<float>(context, src, weights, {}, {Window2d::square(5), 1}, dst.view()),
                  ShapeError);
  CHECK_THROWS_AS(conv2d_forward<float>(context, src, weights, {}, {Window2d::square(3), 2}, dst.view()),
                  ShapeError);
  CHECK_THROWS_AS(conv2d_reverse_data<float>(context, dst, deep, params, src.view()), ShapeError);
}

}  // namespace
}  // namespace deconv::test
