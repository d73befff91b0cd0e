#include "deconv/ops/softmax.hpp"

#include "deconv/ops/reference/softmax.hpp"
#include "support/each_device.hpp"
#include "support/op_test.hpp"
#include "support/shifted.hpp"

namespace deconv::test {
namespace {

const std::vector<std::pair<Shape, Index>> cases{
    {{3, 10}, 1},         {{3, 10}, 0}, {{2, 5, 3, 4}, 1}, {{2, 5, 3, 4}, -1},   {{2, 5, 3, 4}, 2},
    {{2, 5, 3, 4}, 0},    {{7}, 0},     {{2, 1}, 1},       {{2, 3, 4, 2, 3}, 3}, {{40, 1000}, 1},
    {{4, 50, 17, 19}, 1}, {{5, 64}, 1}, {{3, 333}, 1},     {{2, 1096}, 1},       {{2, 1031}, 1},
    {{2, 130, 1, 1}, 1}};

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
  const auto logits = Tensor<float, Cpu>::from({2, 3}, std::vector<float>{1000, 1000, 999, -1e30f, 0, 1e30f});
  each_device([&](const auto& context) {
    auto values = to_device(context, logits.view());
    auto there = context.template make<float>({2, 3}), log_there = context.template make<float>({2, 3});
    softmax_forward(context, values, 1, there.view());
    log_softmax_forward(context, values, 1, log_there.view());
    const auto shares = to_host(context, there.view()), logs = to_host(context, log_there.view());
    CHECK(std::abs(shares.data()[0] - 0.4223188f) < 1e-6f);
    CHECK(std::abs(shares.data()[2] - 0.1553624f) < 1e-6f);
    CHECK(shares.data()[3] == 0.0f);
    CHECK(shares.data()[5] == 1.0f);
    CHECK(std::abs(logs.data()[0] + 0.8619949f) < 1e-6f);
    CHECK(logs.data()[5] == 0.0f);
    softmax_forward(context, values, 1, values.view());  // in place
    CHECK(same_bits(context, there.view(), values.view()));
  });
}

TEST_CASE("softmax works in place along any axis, and a line with NaN is NaN throughout") {
  each_device([&](const auto& context) {
    for (const auto& [shape, axis] : cases) {
      auto src = make_input<float>({shape}, false, 6);
      const auto there = to_device(context, src.view());
      auto values = to_device(context, src.view());
      auto wanted = context.template make<float>(shape);
      softmax_forward(context, there, axis, wanted.view());
      softmax_forward(context, values, axis, values.view());
      CHECK(same_bits(context, wanted.view(), values.view()));
    }
    for (const Index classes : {5, 300, 1500}) {
      auto src = make_input<float>({{2, classes}}, false, 7);
      src.data()[classes / 2] = std::nanf("");
      const auto there = to_device(context, src.view());
      auto dst = context.template make<float>(src.shape());
      softmax_forward(context, there, 1, dst.view());
      const auto met = to_host(context, dst.view());
      CHECK(std::count_if(met.begin(), met.end(), [](float value) { return std::isnan(value); }) == classes);
    }
  });
}

TEST_CASE("softmax takes tensors that begin anywhere") {
  for (const Shape& shape : {Shape{3, 64}, Shape{2, 6, 3, 4}, Shape{2, 1096}}) {
    check_op(OnShifted(declare_op(
        message("softmax_forward ", shape), {{shape}}, {{shape}}, tolerance::exponentials,
        OnIntegers::within_tolerance,
        [](const auto& in, const auto& out) { reference::softmax_forward(in[0], 1, out[0]); },
        [](const auto& context, const auto& in, const auto& out) {
          softmax_forward(context, in[0], 1, out[0]);
        })));
    check_op(OnShifted(declare_op(
                 message("softmax_reverse ", shape), {{shape}, {shape}}, {{shape}}, tolerance::exponentials,
                 OnIntegers::within_tolerance,
                 [](const auto& in, const auto& out) { reference::softmax_reverse(in[0], in[1], 1, out[0]); },
                 [](const auto& context, const auto& in, const auto& out) {
                   softmax_reverse(context, in[0], in[1], 1, out[0]);
                 })),
             0.1);
  }
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
