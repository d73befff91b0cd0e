#include "deconv/ops/relu.hpp"

#include "deconv/ops/reference/relu.hpp"
#include "support/op_test.hpp"

namespace deconv::test {
namespace {

const std::vector<Shape> shapes{{2, 3, 5, 7}, {1, 1, 1, 1}, {4, 40, 31, 33}, {70}, {3, 50}};

TEST_CASE("rectifiers agree with the naive reference") {
  for (const Shape& shape : shapes)
    for (const float slope : {0.0f, 0.25f})
      check_op(declare_op(
                   message("relu_forward ", shape, " slope ", slope), {{shape}}, {{shape}}, tolerance::exact,
                   OnIntegers::exact,
                   [=](const auto& in, const auto& out) { reference::relu_forward(in[0], slope, out[0]); },
                   [=](const auto& context, const auto& in, const auto& out) {
                     relu_forward(context, in[0], slope, out[0]);
                   }),
               shape.count() == 1 ? 0 : 0.3);
}

TEST_CASE("the three reverse rules agree with the naive reference") {
  for (const Shape& shape : shapes)
    for (const float slope : {0.0f, 0.25f})
      for (const RectifierRule rule :
           {RectifierRule::deconvnet, RectifierRule::guided, RectifierRule::gradient})
        check_op(declare_op(
                     message("relu_reverse ", shape, " rule ", static_cast<int>(rule), " slope ", slope),
                     {{shape}, {shape}}, {{shape}}, tolerance::exact, OnIntegers::exact,
                     [=](const auto& in, const auto& out) {
                       reference::relu_reverse(rule, in[0], in[1], slope, out[0]);
                     },
                     [=](const auto& context, const auto& in, const auto& out) {
                       relu_reverse(context, rule, in[0], in[1], slope, out[0]);
                     }),
                 shape.count() == 1 ? 0 : 0.15);
}

TEST_CASE("each rule holds back what the papers say") {
  const Context<Cpu> context(1);
  const auto forward = Tensor<float, Cpu>::from({6}, std::vector<float>{-2, -1, 0, 0, 3, 4});
  const auto signal = Tensor<float, Cpu>::from({6}, std::vector<float>{-5, 5, -5, 5, -5, 5});
  Tensor<float, Cpu> back({6});
  const auto values = [&] { return std::vector<float>(back.begin(), back.end()); };
  relu_reverse(context, RectifierRule::deconvnet, signal, {}, 0, back.view());
  CHECK(values() == std::vector<float>{0, 5, 0, 5, 0, 5});
  relu_reverse(context, RectifierRule::gradient, signal, forward, 0, back.view());
  CHECK(values() == std::vector<float>{0, 0, 0, 0, -5, 5});
  relu_reverse(context, RectifierRule::guided, signal, forward, 0, back.view());
  CHECK(values() == std::vector<float>{0, 0, 0, 0, 0, 5});
  relu_reverse(context, RectifierRule::gradient, signal, forward, 0.5f, back.view());
  CHECK(values() == std::vector<float>{-2.5f, 2.5f, -2.5f, 2.5f, -5, 5});
  relu_reverse(context, RectifierRule::guided, signal, forward, 0.5f, back.view());
  CHECK(values() == std::vector<float>{-1.25f, 2.5f, -1.25f, 2.5f, -2.5f, 5});
}

TEST_CASE("rectifiers keep NaN, and what they hold back is plus zero even where the signal is NaN") {
  const Context<Cpu> context(1);
  const float nan = std::nanf("");
  auto values = Tensor<float, Cpu>::from({3}, std::vector<float>{nan, -0.0f, -3});
  relu_forward(context, values, 0, values.view());  // in place
  CHECK(std::isnan(values.data()[0]));
  CHECK_FALSE(std::signbit(values.data()[1]));
  CHECK_FALSE(std::signbit(values.data()[2]));
  const auto forward = Tensor<float, Cpu>::from({2}, std::vector<float>{-1, 1});
  auto signal = Tensor<float, Cpu>::from({2}, std::vector<float>{nan, nan});
  relu_reverse(context, RectifierRule::gradient, signal, forward, 0, signal.view());
  CHECK(signal.data()[0] == 0.0f);
  CHECK(std::isnan(signal.data()[1]));
}

TEST_CASE("the gradient rule agrees with finite differences") {
  for (const float slope : {0.0f, 0.1f})
    check_gradient(
        "relu", {{2, 3, 4, 5}}, {2, 3, 4, 5},
        [=](const Context<Cpu>& context, TensorView<const double, Cpu> x, TensorView<double, Cpu> y) {
          relu_forward(context, x, slope, y);
        },
        [=](TensorView<const double, Cpu> x) -> Pass {
          return
              [=](const Context<Cpu>& context, TensorView<const double, Cpu> y, TensorView<double, Cpu> dx) {
                relu_reverse(context, RectifierRule::gradient, y, x, slope, dx);
              };
        });
}

TEST_CASE("rectifiers name what does not fit") {
  const Context<Cpu> context(1);
  Tensor<float, Cpu> a({1, 2, 3, 4}), b({1, 2, 4, 3}), woven({1, 2, 3, 4}, Layout::nhwc);
  CHECK_THROWS_AS(relu_forward(context, a, 0, b.view()), ShapeError);
  CHECK_THROWS_AS(relu_forward(context, a, 0, woven.view()), ShapeError);
  CHECK_THROWS_AS(relu_reverse(context, RectifierRule::gradient, a, {}, 0, a.view()), ShapeError);
  CHECK_THROWS_AS(relu_reverse(context, RectifierRule::guided, a, b, 0, a.view()), ShapeError);
}

}  // namespace
}  // namespace deconv::test
