#include "deconv/ops/one_vs_rest_loss.hpp"

#include "deconv/ops/reference/one_vs_rest_loss.hpp"
#include "support/each_device.hpp"
#include "support/op_test.hpp"
#include "support/shifted.hpp"

namespace deconv::test {
namespace {

template <class T>
using ElementOf = typename std::decay_t<T>::value_type;

constexpr OneVsRestLoss both_kinds[] = {OneVsRestLoss::squared_hinge, OneVsRestLoss::sigmoid};

const char* name_of_kind(OneVsRestLoss kind) {
  return kind == OneVsRestLoss::squared_hinge ? "squared hinge" : "sigmoid";
}

/// 1, 0 and -1 in turns that do not follow the classes.
template <class T>
Tensor<T, Cpu> some_targets(Index images, Index classes) {
  Tensor<T, Cpu> targets({images, classes});
  const Random random(7);
  for (Index i = 0; i < targets.count(); ++i)
    targets.data()[i] =
        static_cast<T>(static_cast<float>(random.below(static_cast<std::uint64_t>(i), 5) % 3) - 1.0f);
  return targets;
}

auto loss_forward(OneVsRestLoss kind, const Shape& shape) {
  const bool exact = kind == OneVsRestLoss::squared_hinge;
  return declare_op(
      message("one_vs_rest_loss_forward, ", name_of_kind(kind), " ", shape), {{shape}}, {{{shape[0]}}},
      exact ? tolerance::short_sums : tolerance::exponentials,
      exact ? OnIntegers::exact : OnIntegers::within_tolerance,
      [=](const auto& in, const auto& out) {
        const auto targets = some_targets<ElementOf<decltype(out[0])>>(shape[0], shape[1]);
        reference::one_vs_rest_loss_forward(kind, in[0], targets.view(), out[0]);
      },
      [=](const auto& context, const auto& in, const auto& out) {
        const auto targets = some_targets<ElementOf<decltype(out[0])>>(shape[0], shape[1]);
        const auto there = to_device(context, targets.view());
        one_vs_rest_loss_forward(context, kind, in[0], there, out[0]);
      });
}

auto loss_reverse(OneVsRestLoss kind, const Shape& shape) {
  const bool exact = kind == OneVsRestLoss::squared_hinge;
  return declare_op(
      message("one_vs_rest_loss_reverse, ", name_of_kind(kind), " ", shape), {{shape}, {{shape[0]}}},
      {{shape}}, exact ? tolerance::few_roundings : tolerance::exponentials,
      exact ? OnIntegers::exact : OnIntegers::within_tolerance,
      [=](const auto& in, const auto& out) {
        const auto targets = some_targets<ElementOf<decltype(out[0])>>(shape[0], shape[1]);
        reference::one_vs_rest_loss_reverse(kind, in[0], targets.view(), in[1], out[0]);
      },
      [=](const auto& context, const auto& in, const auto& out) {
        const auto targets = some_targets<ElementOf<decltype(out[0])>>(shape[0], shape[1]);
        const auto there = to_device(context, targets.view());
        one_vs_rest_loss_reverse(context, kind, in[0], there, in[1], out[0]);
      });
}

TEST_CASE("one-vs-rest losses and their gradients agree with the naive reference") {
  for (const OneVsRestLoss kind : both_kinds) {
    for (const Shape& shape :
         {Shape{3, 20}, Shape{5, 10}, Shape{4, 129, 1, 1}, Shape{1, 9}, Shape{70, 37}, Shape{2, 1001}}) {
      check_op(loss_forward(kind, shape));
      check_op(loss_reverse(kind, shape), 0.15);
    }
    check_op(OnShifted(loss_forward(kind, {6, 130})));
    check_op(OnShifted(loss_reverse(kind, {6, 130})), 0.15);
  }
}

TEST_CASE("the gradients of one-vs-rest losses agree with finite differences") {
  const Shape shape{4, 7};
  const auto targets = some_targets<double>(4, 7);
  for (const OneVsRestLoss kind : both_kinds)
    check_gradient(
        message("one_vs_rest_loss, ", name_of_kind(kind)), {shape}, {4},
        [&](const Context<Cpu>& context, TensorView<const double, Cpu> x, TensorView<double, Cpu> y) {
          one_vs_rest_loss_forward(context, kind, x, targets, y);
        },
        [&](TensorView<const double, Cpu> x) -> Pass {
          return [&, x](const Context<Cpu>& context, TensorView<const double, Cpu> y,
                        TensorView<double, Cpu> dx) {
            one_vs_rest_loss_reverse(context, kind, x, targets, y, dx);
          };
        });
}

/// Losses and gradients (for diff_loss 1) of host logits on any device.
template <Device D>
std::pair<Tensor<float, Cpu>, Tensor<float, Cpu>> losses_on(const Context<D>& context, OneVsRestLoss kind,
                                                            const Tensor<float, Cpu>& logits,
                                                            const Tensor<float, Cpu>& targets) {
  const auto there = to_device(context, logits.view()), wanted = to_device(context, targets.view());
  const auto ones = Tensor<float, Cpu>::filled({logits[0]}, 1.0f);
  const auto signal = to_device(context, ones.view());
  auto loss = context.template make<float>({logits[0]});
  auto diff = context.template make<float>(logits.shape());
  one_vs_rest_loss_forward(context, kind, there, wanted, loss.view());
  one_vs_rest_loss_reverse(context, kind, there, wanted, signal, diff.view());
  return {to_host(context, loss.view()), to_host(context, diff.view())};
}

TEST_CASE("sigmoid losses neither overflow nor vanish") {
  const auto logits = Tensor<float, Cpu>::from({6, 1}, std::vector<float>{1000, -1000, 1000, -1000, 20, -20});
  const auto targets = Tensor<float, Cpu>::from({6, 1}, std::vector<float>{1, 1, 0, 0, 1, 1});
  each_device([&](const auto& context) {
    const auto [loss, diff] = losses_on(context, OneVsRestLoss::sigmoid, logits, targets);
    CHECK(loss.data()[0] == 0.0f);
    CHECK(loss.data()[1] == 1000.0f);
    CHECK(loss.data()[2] == 1000.0f);
    CHECK(loss.data()[3] == 0.0f);
    CHECK(loss.data()[4] == Approx(2.0611536e-9f).epsilon(1e-6));
    CHECK(loss.data()[5] == 20.0f);
    CHECK(diff.data()[0] == 0.0f);
    CHECK(diff.data()[1] == -1.0f);
    CHECK(diff.data()[2] == 1.0f);
    CHECK(diff.data()[3] == 0.0f);
    CHECK(diff.data()[4] == Approx(-2.0611536e-9f).epsilon(1e-6));
    CHECK(diff.data()[5] == -1.0f);
  });
}

TEST_CASE("what is on the right side of its margin costs nothing, and what is not counted does not count") {
  const float none = std::nanf("");
  const auto logits =
      Tensor<float, Cpu>::from({3, 3}, std::vector<float>{1, -1, 0.5f, 2, none, -3, none, 1, 1});
  const auto targets = Tensor<float, Cpu>::from({3, 3}, std::vector<float>{1, 0, 1, 0, -1, -1, 1, -1, -1});
  each_device([&](const auto& context) {
    const auto [loss, diff] = losses_on(context, OneVsRestLoss::squared_hinge, logits, targets);
    CHECK(loss.data()[0] == 0.25f);
    CHECK(loss.data()[1] == 9.0f);
    const std::vector<float> wanted = {0, 0, -1, 6, 0, 0};
    CHECK(std::equal(wanted.begin(), wanted.end(), diff.data()));
    for (const OneVsRestLoss kind : both_kinds) {
      const auto [losses, slopes] = losses_on(context, kind, logits, targets);
      CHECK_FALSE(std::isnan(losses.data()[1]));
      CHECK(std::isnan(losses.data()[2]));  // a class that counts
      CHECK(std::isnan(slopes.data()[6]));
      CHECK(slopes.data()[7] == 0.0f);
    }
  });
}

TEST_CASE("a target that is none is an error on the host, and NaN in its place alone on a GPU") {
  const auto logits = Tensor<float, Cpu>::filled({3, 4}, 0.5f);
  for (const float wrong : {2.0f, -2.0f, 0.5f, std::nanf("")})
    for (const OneVsRestLoss kind : both_kinds) {
      auto targets = Tensor<float, Cpu>::filled({3, 4}, 1.0f);
      targets.data()[6] = wrong;
      const Context<Cpu> context(2);
      CHECK_THROWS_AS(losses_on(context, kind, logits, targets), ArgumentError);
      auto diff = Tensor<float, Cpu>::filled({3, 4}, 5.0f);
      const auto signal = Tensor<float, Cpu>::filled({3}, 1.0f);
      CHECK_THROWS_AS(one_vs_rest_loss_reverse(context, kind, logits, targets, signal, diff.view()),
                      ArgumentError);
      CHECK(std::count(diff.begin(), diff.end(), 5.0f) == 12);  // nothing was written
#if defined(DECONV_TEST_CUDA)
      if (!cuda_context()) continue;
      const auto [loss, gradient] = losses_on(*cuda_context(), kind, logits, targets);
      for (Index n = 0; n < 3; ++n) CHECK(std::isnan(loss.data()[n]) == (n == 1));
      for (Index i = 0; i < 12; ++i) CHECK(std::isnan(gradient.data()[i]) == (i == 6));
#endif
    }
}

TEST_CASE("one-vs-rest losses name what does not fit") {
  const Context<Cpu> context(1);
  const OneVsRestLoss kind = OneVsRestLoss::sigmoid;
  const Shape shape{2, 3};
  const auto targets = Tensor<float, Cpu>::filled(shape, 1.0f),
             few = Tensor<float, Cpu>::filled({2, 2}, 1.0f);
  auto logits = Tensor<float, Cpu>::filled(shape, 1.0f),
       column = Tensor<float, Cpu>::filled({2, 3, 1, 1}, 1.0f);
  Tensor<float, Cpu> planes({2, 3, 2, 1}), loss({2}), three({3}), none({2, 0});
  CHECK_NOTHROW(one_vs_rest_loss_forward(context, kind, column, targets, loss.view()));
  CHECK_NOTHROW(one_vs_rest_loss_forward(context, kind, column, column, loss.view()));
  CHECK_THROWS_AS(one_vs_rest_loss_forward(context, kind, planes, targets, loss.view()), ShapeError);
  CHECK_THROWS_AS(one_vs_rest_loss_forward(context, kind, none, none, loss.view()), ShapeError);
  CHECK_THROWS_AS(one_vs_rest_loss_forward(context, kind, logits, few, loss.view()), ShapeError);
  CHECK_THROWS_AS(one_vs_rest_loss_forward(context, kind, logits, targets, three.view()), ShapeError);
  CHECK_THROWS_AS(one_vs_rest_loss_reverse(context, kind, logits, targets, loss, planes.view()), ShapeError);
}

}  // namespace
}  // namespace deconv::test
