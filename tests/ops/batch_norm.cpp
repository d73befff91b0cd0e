#include "deconv/ops/batch_norm.hpp"

#include "deconv/ops/reference/batch_norm.hpp"
#include "support/each_device.hpp"
#include "support/op_test.hpp"
#include "support/shifted.hpp"

namespace deconv::test {
namespace {

TEST_CASE("batch normalisation and its reverse agree with the naive reference") {
  for (const Shape& shape :
       {Shape{2, 3, 5, 7}, Shape{1, 1, 1, 1}, Shape{4, 64, 27, 25}, Shape{3, 20, 4, 6}, Shape{5, 37, 1, 1}}) {
    const Operand values{{shape[1]}}, variance{{shape[1]}, Fill::positive};
    check_op(declare_op(
        message("batch_norm_forward ", shape), {{shape}, values, values, values, variance}, {{shape}},
        tolerance::differences, OnIntegers::within_tolerance,
        [](const auto& in, const auto& out) {
          reference::batch_norm_forward(in[0], in[1], in[2], in[3], in[4], 1e-3f, out[0]);
        },
        [](const auto& context, const auto& in, const auto& out) {
          batch_norm_forward(context, in[0], in[1], in[2], in[3], in[4], 1e-3f, out[0]);
        }));
    check_op(declare_op(
        message("batch_norm_reverse ", shape), {{shape}, values, variance}, {{shape}},
        tolerance::few_roundings, OnIntegers::within_tolerance,
        [](const auto& in, const auto& out) {
          reference::batch_norm_reverse(in[0], in[1], in[2], 1e-3f, out[0]);
        },
        [](const auto& context, const auto& in, const auto& out) {
          batch_norm_reverse(context, in[0], in[1], in[2], 1e-3f, out[0]);
        }));
  }
}

TEST_CASE("gradients of scale and bias agree with the naive reference") {
  for (const Shape& shape : {Shape{2, 3, 5, 7}, Shape{1, 1, 1, 1}, Shape{4, 64, 27, 25}, Shape{3, 20, 4, 6},
                             Shape{600, 37, 1, 1}, Shape{3, 2, 90, 90}}) {
    const Operand mean{{shape[1]}}, variance{{shape[1]}, Fill::positive};
    const auto op = declare_op(
        message("batch_norm_reverse_parameters ", shape), {{shape}, {shape}, mean, variance},
        {{{shape[1]}}, {{shape[1]}}}, tolerance::differences, OnIntegers::within_tolerance,
        [](const auto& in, const auto& out) {
          reference::batch_norm_reverse_parameters(in[0], in[1], in[2], in[3], 1e-3f, out[0], out[1]);
        },
        [](const auto& context, const auto& in, const auto& out) {
          batch_norm_reverse_parameters(context, in[0], in[1], in[2], in[3], 1e-3f, out[0], out[1]);
        });
    check_op(op);
    check_op(OnShifted(op));
  }
}

TEST_CASE("gradients of scale and bias are sums of integers, and of nothing 0") {
  each_device([](const auto& context) {
    for (const Layout layout : {Layout::nchw, Layout::nhwc}) {
      const Shape shape{3, 5, 33, 20};
      const auto x = in_layout<float>(make_input<float>({shape}, true, 1), layout),
                 y = in_layout<float>(make_input<float>({shape}, true, 2), layout);
      const auto src = to_device(context, x.view()), signal = to_device(context, y.view());
      const auto ones = Tensor<float, Cpu>::filled({5}, 1.0f),
                 quarters = Tensor<float, Cpu>::filled({5}, 0.25f);
      const auto mean = to_device(context, ones.view()), variance = to_device(context, quarters.view());
      auto scale = context.template make<float>({5}), bias = context.template make<float>({5});
      batch_norm_reverse_parameters(context, src, signal, mean, variance, 0, scale.view(), bias.view());
      const auto met_scale = to_host(context, scale.view()), met_bias = to_host(context, bias.view());
      for (Index c = 0; c < 5; ++c) {
        float wanted_scale = 0, wanted_bias = 0;
        for (Index n = 0; n < 3; ++n)
          for (Index i = 0; i < 660; ++i) {
            wanted_scale += y(n, c, i / 20, i % 20) * (x(n, c, i / 20, i % 20) - 1) * 2;
            wanted_bias += y(n, c, i / 20, i % 20);
          }
        CHECK(met_scale.data()[c] == wanted_scale);
        CHECK(met_bias.data()[c] == wanted_bias);
      }
      const auto none = context.template make<float>({0, 5, 33, 20}, layout);
      batch_norm_reverse_parameters(context, none, none, mean, variance, 0, scale.view(), bias.view());
      for (const auto& sums : {to_host(context, scale.view()), to_host(context, bias.view())})
        CHECK(std::count(sums.begin(), sums.end(), 0.0f) == 5);
    }
  });
}

TEST_CASE("gradients of scale and bias agree with finite differences") {
  const Shape shape{3, 4, 2, 5};
  const auto src = make_input<double>({shape}, false, 1), values = make_input<double>({{4}}, false, 2),
             mean = make_input<double>({{4}}, false, 3),
             variance = make_input<double>({{4}, Fill::positive}, false, 4);
  for (const bool of_scale : {true, false})
    check_gradient(
        of_scale ? "batch_norm scale" : "batch_norm bias", {{4}}, shape,
        [&](const Context<Cpu>& context, TensorView<const double, Cpu> x, TensorView<double, Cpu> y) {
          batch_norm_forward(context, src, of_scale ? x : values, of_scale ? values : x, mean, variance,
                             1e-3f, y);
        },
        [&](TensorView<const double, Cpu>) -> Pass {
          return
              [&](const Context<Cpu>& context, TensorView<const double, Cpu> y, TensorView<double, Cpu> dx) {
                Tensor<double, Cpu> other({4});
                batch_norm_reverse_parameters(context, src, y, mean, variance, 1e-3f,
                                              of_scale ? dx : other.view(), of_scale ? other.view() : dx);
              };
        });
}

TEST_CASE("the reverse of batch normalisation is its adjoint") {
  const Shape shape{2, 19, 4, 5};
  const auto scale = make_input<double>({{19}}, false, 1),
             variance = make_input<double>({{19}, Fill::positive}, false, 2);
  const auto zero = Tensor<double, Cpu>::filled({19}, 0.0);
  check_adjoint(
      "batch_norm", shape, shape,
      [&](const auto& context, auto x, auto y) {
        batch_norm_forward(context, x, scale, zero, zero, variance, 1e-5f, y);
      },
      [&](const auto& context, auto y, auto x) {
        batch_norm_reverse(context, y, scale, variance, 1e-5f, x);
      });
}

TEST_CASE("channels stand in axis 1 of any rank") {
  each_device([](const auto& context) {
    const auto there = [&](const Shape& shape, std::vector<float> values) {
      return to_device(context, Tensor<float, Cpu>::from(shape, values).view());
    };
    const auto src = there({2, 3}, {1, 2, 3, 4, 5, 6});
    const auto ones = there({3}, {1, 1, 1}), scale = there({3}, {1, 10, 100});
    auto dst = context.template make<float>({2, 3});
    batch_norm_forward(context, src, scale, ones, ones, ones, 0, dst.view());
    const auto met = to_host(context, dst.view());
    CHECK(std::vector<float>(met.begin(), met.end()) == std::vector<float>{1, 11, 201, 4, 41, 501});
    // In place.
    batch_norm_reverse(context, dst, scale, ones, 0, dst.view());
    const auto back = to_host(context, dst.view());
    CHECK(std::vector<float>(back.begin(), back.end()) == std::vector<float>{1, 110, 20100, 4, 410, 50100});
  });
}

TEST_CASE("batch normalisation names what does not fit") {
  const Context<Cpu> context(1);
  Tensor<float, Cpu> src({1, 2, 3, 3}), two({2}), three({3}), flat({4});
  CHECK_THROWS_AS(batch_norm_forward(context, src, two, two, two, three, 0, src.view()), ShapeError);
  CHECK_THROWS_AS(batch_norm_forward(context, src, two, {}, two, two, 0, src.view()), ShapeError);
  CHECK_THROWS_AS(batch_norm_forward(context, flat, two, two, two, two, 0, flat.view()), ShapeError);
  CHECK_THROWS_AS(batch_norm_reverse(context, src, three, two, 0, src.view()), ShapeError);
  Tensor<float, Cpu> other({1, 2, 3, 2}), pair({2});
  CHECK_THROWS_AS(batch_norm_reverse_parameters(context, src, other, two, two, 0, two.view(), pair.view()),
                  ShapeError);
  CHECK_THROWS_AS(batch_norm_reverse_parameters(context, src, src, three, two, 0, two.view(), pair.view()),
                  ShapeError);
  CHECK_THROWS_AS(batch_norm_reverse_parameters(context, src, src, two, two, 0, three.view(), pair.view()),
                  ShapeError);
}

}  // namespace
}  // namespace deconv::test
