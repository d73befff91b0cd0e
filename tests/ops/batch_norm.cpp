#include "deconv/ops/batch_norm.hpp"

#include "deconv/ops/reference/batch_norm.hpp"
#include "support/each_device.hpp"
#include "support/op_test.hpp"

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
}

}  // namespace
}  // namespace deconv::test
