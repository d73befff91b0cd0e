#include "deconv/ops/softmax.hpp"

#include "deconv/ops/reference/softmax.hpp"
#include "support/op_test.hpp"

namespace deconv::test {
namespace {

const std::vector<std::pair<Shape, Index>> cases{
    {{3, 10}, 1},        {{3, 10}, 0}, {{2, 5, 3, 4}, 1}, {{2, 5, 3, 4}, -1},   {{2, 5, 3, 4}, 2},
    {{2, 5, 3, 4}, 0},   {{7}, 0},     {{2, 1}, 1},       {{2, 3, 4, 2, 3}, 3}, {{40, 1000}, 1},
    {{4, 50, 17, 19}, 1}};

TEST_CASE("softmax and log-softmax agree with the naive reference") {
  for (const auto& one : cases) {
    const Shape& shape = one.first;
    const Index axis = one.second;
    check_op(declare_op(
        message("softmax_forward ", shape, " axis ", axis), {{shape}}, {{shape}}, tolerance::exponentials,
        OnIntegers::within_tolerance,
        [=](const auto& in, const auto& out) { reference::softmax_forward(in[0], axis, out[0]); },
        [=](const auto& context, const auto& in, const auto& out) {
          softmax_forward(context, in[0], axis, out[0]);
        }));
    check_op(
        declare_op(
            message("log_softmax_forward ", shape, " axis ", axis), {{shape}}, {{shape}},
            tolerance::exponentials, OnIntegers::within_tolerance,
            [=](const auto& in, const auto& out) { reference::log_softmax_forward(in[0], axis, out[0]); },
            [=](const auto& context, const auto& in, const auto& out) {
              log_softmax_forward(context, in[0], axis, out[0]);
            }),
        shape.extent(axis) == 1 ? 0 : 0.3);
    check_op(
        declare_op(
            message("softmax_reverse ", shape, " axis ", axis), {{shape}, {shape}}, {{shape}},
            tolerance::exponentials, OnIntegers::within_tolerance,
            [=](const auto& in, const auto& out) { reference::softmax_reverse(in[0], in[1], axis, out[0]); },
            [=](const auto& context, const auto& in, const auto& out) {
              softmax_reverse(context, in[0], in[1], axis, out[0]);
            }),
        0.1);
    check_op(declare_op(
        message("log_softmax_reverse ", shape, " axis ", axis), {{shape}, {shape}}, {{shape}},
        tolerance::exponentials, OnIntegers::within_tolerance,
        [=](const auto& in, const auto& out) { reference::log_softmax_reverse(in[0], in[1], axis, out[0]); },
        [=](const auto& context, const auto& in, const auto& out) {
          log_softmax_reverse(context, in[0], in[1], axis, out[0]);
        }));
  }
}

TEST_CASE("the gradients of softmax and log-softmax agree with finite differences") {
  for (const auto& one : cases) {
    const Shape& shape = one.first;
    const Index axis = one.second;
    if (shape.count() > 200 || shape.extent(axis) == 1) continue;
    for (const bool logarithm : {false, true}) {
      const Pass forward = [=](const Context<Cpu>& context, TensorView<const double, Cpu> x,
                               TensorView<double, Cpu> y) {
        logarithm ? log_softmax_forward(context, x, axis, y) : softmax_forward(context, x, axis, y);
      };
      check_gradient(message(logarithm ? "log_" : "", "softmax ", shape, " axis ", axis), {shape}, shape,
                     forward, [=](TensorView<const double, Cpu> x) -> Pass {
                       return [=](const Context<Cpu>& context, TensorView<const double, Cpu> y,
                                  TensorView<double, Cpu> dx) {
                         auto result = context.make<double>(x.shape(), x.layout());
                         forward(context, x, result.view());
                         logarithm ? log_softmax_reverse(context, result, y, axis, dx)
                                   : softmax_reverse(context, result, y, axis, dx);
                       };
                     });
    }
  }
}

TEST_CASE("softmax is stable and sums to one") {
  const Context<Cpu> context(1);
  auto values = Tensor<float, Cpu>::from({2, 3}, std::vector<float>{1000, 1000, 999, -1e30f, 0, 1e30f});
  Tensor<float, Cpu> shares({2, 3}), logs({2, 3});
  softmax_forward(context, values, 1, shares.view());
  log_softmax_forward(context, values, 1, logs.view());
  CHECK(std::abs(shares.data()[0] - 0.4223188f) < 1e-6f);
  CHECK(std::abs(shares.data()[2] - 0.1553624f) < 1e-6f);
  CHECK(shares.data()[3] == 0.0f);
  CHECK(shares.data()[5] == 1.0f);
  CHECK(std::abs(logs.data()[0] + 0.8619949f) < 1e-6f);
  CHECK(logs.data()[5] == 0.0f);
  softmax_forward(context, values, 1, values.view());  // in place
  CHECK(std::equal(values.begin(), values.end(), shares.begin()));
}

TEST_CASE("softmax names what does not fit") {
  const Context<Cpu> context(1);
  Tensor<float, Cpu> a({2, 3}), b({3, 2});
  CHECK_THROWS_AS(softmax_forward(context, a, 2, a.view()), ShapeError);
  CHECK_THROWS_AS(softmax_forward(context, a, 1, b.view()), ShapeError);
  CHECK_THROWS_AS(softmax_reverse(context, b, a, 1, a.view()), ShapeError);
}

}  // namespace
}  // namespace deconv::test
