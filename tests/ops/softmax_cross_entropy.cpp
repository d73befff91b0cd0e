#include "deconv/ops/softmax_cross_entropy.hpp"

#include "deconv/ops/reference/softmax_cross_entropy.hpp"
#include "support/each_device.hpp"
#include "support/op_test.hpp"
#include "support/shifted.hpp"

namespace deconv::test {
namespace {

/// Any label for each image, the first and the last among them.
Tensor<std::int64_t, Cpu> some_labels(Index images, Index classes) {
  Tensor<std::int64_t, Cpu> labels({images});
  for (Index n = 0; n < images; ++n) labels.data()[n] = n == 0 ? classes - 1 : n == 1 ? 0 : n * 37 % classes;
  return labels;
}

auto cross_entropy_forward(const Shape& shape, const Tensor<std::int64_t, Cpu>& labels) {
  return declare_op(
      message("softmax_cross_entropy_forward ", shape), {{shape}}, {{{shape[0]}}}, tolerance::exponentials,
      OnIntegers::within_tolerance,
      [&](const auto& in, const auto& out) {
        reference::softmax_cross_entropy_forward(in[0], labels.view(), out[0]);
      },
      [&](const auto& context, const auto& in, const auto& out) {
        const auto there = to_device(context, labels.view());
        softmax_cross_entropy_forward(context, in[0], there, out[0]);
      });
}

auto cross_entropy_reverse(const Shape& shape, const Tensor<std::int64_t, Cpu>& labels) {
  return declare_op(
      message("softmax_cross_entropy_reverse ", shape), {{shape}, {{shape[0]}}}, {{shape}},
      tolerance::exponentials, OnIntegers::within_tolerance,
      [&](const auto& in, const auto& out) {
        reference::softmax_cross_entropy_reverse(in[0], labels.view(), in[1], out[0]);
      },
      [&](const auto& context, const auto& in, const auto& out) {
        const auto there = to_device(context, labels.view());
        softmax_cross_entropy_reverse(context, in[0], there, in[1], out[0]);
      });
}

TEST_CASE("softmax cross-entropy and its gradient agree with the naive reference") {
  for (const Shape& shape :
       {Shape{3, 10}, Shape{5, 1000}, Shape{4, 129, 1, 1}, Shape{1, 2}, Shape{70, 37}, Shape{2, 2111}}) {
    const auto labels = some_labels(shape[0], shape[1]);
    check_op(cross_entropy_forward(shape, labels));
    check_op(cross_entropy_reverse(shape, labels));
  }
  const auto labels = some_labels(6, 130);
  check_op(OnShifted(cross_entropy_forward({6, 130}, labels)));
  check_op(OnShifted(cross_entropy_reverse({6, 130}, labels)));
}

TEST_CASE("the gradient of softmax cross-entropy agrees with finite differences") {
  const Shape shape{4, 7};
  const auto labels = some_labels(4, 7);
  check_gradient(
      "softmax_cross_entropy", {shape}, {4},
      [&](const Context<Cpu>& context, TensorView<const double, Cpu> x, TensorView<double, Cpu> y) {
        softmax_cross_entropy_forward(context, x, labels, y);
      },
      [&](TensorView<const double, Cpu> x) -> Pass {
        return
            [&, x](const Context<Cpu>& context, TensorView<const double, Cpu> y, TensorView<double, Cpu> dx) {
              softmax_cross_entropy_reverse(context, x, labels, y, dx);
            };
      });
}

/// Losses and gradients (for diff_loss 1) of host logits on any device.
template <Device D>
std::pair<Tensor<float, Cpu>, Tensor<float, Cpu>> losses_on(const Context<D>& context,
                                                            const Tensor<float, Cpu>& logits,
                                                            const Tensor<std::int64_t, Cpu>& labels) {
  const auto there = to_device(context, logits.view());
  const auto names = to_device(context, labels.view());
  const auto ones = Tensor<float, Cpu>::filled({logits[0]}, 1.0f);
  const auto signal = to_device(context, ones.view());
  auto loss = context.template make<float>({logits[0]});
  auto diff = context.template make<float>(logits.shape());
  softmax_cross_entropy_forward(context, there, names, loss.view());
  softmax_cross_entropy_reverse(context, there, names, signal, diff.view());
  return {to_host(context, loss.view()), to_host(context, diff.view())};
}

TEST_CASE("losses neither overflow nor vanish, and gradients of an image add up to nothing") {
  const auto logits =
      Tensor<float, Cpu>::from({3, 3}, std::vector<float>{1000, 1000, 1000, -1e30f, 0, 1e30f, 0, 9, 0});
  const auto labels = Tensor<std::int64_t, Cpu>::from({3}, std::vector<std::int64_t>{1, 2, 1});
  each_device([&](const auto& context) {
    const auto [loss, diff] = losses_on(context, logits, labels);
    CHECK(std::abs(loss.data()[0] - 1.0986123f) < 1e-6f);
    CHECK(loss.data()[1] == 0.0f);
    CHECK(std::abs(loss.data()[2] - 2.467892e-4f) < 1e-7f);
    for (Index n = 0; n < 3; ++n) {
      float sum = 0;
      for (Index c = 0; c < 3; ++c) sum += diff.data()[n * 3 + c];
      CHECK(std::abs(sum) < 1e-6f);
      CHECK(diff.data()[n * 3 + labels.data()[n]] <= 0.0f);
    }
  });
}

TEST_CASE("a label that names no class is an error on the host, and NaN for its image alone on a GPU") {
  const auto logits = Tensor<float, Cpu>::filled({3, 4}, 1.0f);
  for (const std::int64_t wrong :
       {std::int64_t{-1}, std::int64_t{4}, std::numeric_limits<std::int64_t>::min()}) {
    const auto labels = Tensor<std::int64_t, Cpu>::from({3}, std::vector<std::int64_t>{0, wrong, 3});
    const Context<Cpu> context(2);
    CHECK_THROWS_AS(losses_on(context, logits, labels), ArgumentError);
    auto diff = Tensor<float, Cpu>::filled({3, 4}, 5.0f);
    const auto signal = Tensor<float, Cpu>::filled({3}, 1.0f);
    CHECK_THROWS_AS(softmax_cross_entropy_reverse(context, logits, labels, signal, diff.view()),
                    ArgumentError);
    CHECK(std::count(diff.begin(), diff.end(), 5.0f) == 12);  // nothing was written
#if defined(DECONV_TEST_CUDA)
    if (!cuda_context()) continue;
    const auto [loss, gradient] = losses_on(*cuda_context(), logits, labels);
    for (Index n = 0; n < 3; ++n) {
      CHECK(std::isnan(loss.data()[n]) == (n == 1));
      for (Index c = 0; c < 4; ++c) CHECK(std::isnan(gradient.data()[n * 4 + c]) == (n == 1));
    }
#endif
  }
}

TEST_CASE("softmax cross-entropy names what does not fit") {
  const Context<Cpu> context(1);
  Tensor<float, Cpu> logits({2, 3}), planes({2, 3, 2, 1}), loss({2}), three({3}), none({2, 0});
  Tensor<std::int64_t, Cpu> labels({2}), many({3});
  CHECK_THROWS_AS(softmax_cross_entropy_forward(context, planes, labels, loss.view()), ShapeError);
  CHECK_THROWS_AS(softmax_cross_entropy_forward(context, none, labels, loss.view()), ShapeError);
  CHECK_THROWS_AS(softmax_cross_entropy_forward(context, logits, many, loss.view()), ShapeError);
  CHECK_THROWS_AS(softmax_cross_entropy_forward(context, logits, labels, three.view()), ShapeError);
  CHECK_THROWS_AS(softmax_cross_entropy_reverse(context, logits, labels, loss, planes.view()), ShapeError);
}

}  // namespace
}  // namespace deconv::test
