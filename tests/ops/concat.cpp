#include "deconv/ops/concat.hpp"

#include "deconv/ops/add.hpp"
#include "deconv/ops/copy_layout.hpp"
#include "deconv/ops/reference/add.hpp"
#include "deconv/ops/reference/concat.hpp"
#include "support/each_device.hpp"
#include "support/op_test.hpp"

namespace deconv::test {
namespace {

struct Joined {
  std::vector<Shape> parts;
  Index axis;
};

std::vector<Joined> joins() {
  return {{{{2, 3, 4, 5}, {2, 1, 4, 5}, {2, 7, 4, 5}}, 1},
          {{{2, 3, 4, 5}, {1, 3, 4, 5}}, 0},
          {{{2, 3, 4, 5}, {2, 3, 4, 1}}, -1},
          {{{2, 3, 1, 5}, {2, 3, 6, 5}}, 2},
          {{{2, 3, 4, 5}}, 1},
          {{{2, 0, 4, 5}, {2, 3, 4, 5}}, 1},
          {{{4, 3}, {4, 8}}, 1},
          {{{3}, {5}, {1}}, 0},
          {{{2, 32, 3, 3}, {2, 0, 3, 3}, {2, 5, 3, 3}, {2, 64, 3, 3}}, 1},
          {{{4, 64, 27, 25}, {4, 64, 27, 25}}, 1}};
}

TEST_CASE("concat agrees with the naive reference") {
  for (const Joined& join : joins()) {
    const Shape whole = concat_output_shape(join.parts, join.axis);
    std::vector<Operand> inputs;
    for (const Shape& part : join.parts) inputs.push_back({part});
    check_op(declare_op(
        message("concat_forward to ", whole, " along ", join.axis), inputs, {{whole}}, tolerance::exact,
        OnIntegers::exact,
        [&](const auto& in, const auto& out) { reference::concat_forward(in, join.axis, out[0]); },
        [&](const auto& context, const auto& in, const auto& out) {
          concat_forward(context, in, join.axis, out[0]);
        }));
    Index offset = 0;
    for (const Shape& part : join.parts) {
      check_op(declare_op(
          message("concat_reverse of ", whole, " at ", offset, " along ", join.axis), {{whole}}, {{part}},
          tolerance::exact, OnIntegers::exact,
          [&](const auto& in, const auto& out) {
            reference::concat_reverse(in[0], join.axis, offset, out[0]);
          },
          [&](const auto& context, const auto& in, const auto& out) {
            concat_reverse(context, in[0], join.axis, offset, out[0]);
          }));
      offset += part.extent(join.axis);
    }
  }
}

TEST_CASE("concat names what does not fit") {
  const Context<Cpu> context(1);
  Tensor<float, Cpu> a({1, 2, 3, 3}), b({1, 2, 3, 4}), whole({1, 4, 3, 3}), woven({1, 2, 3, 3}, Layout::nhwc);
  const auto join = [&](std::vector<TensorView<const float, Cpu>> parts, Index axis) {
    concat_forward(context, parts, axis, whole.view());
  };
  CHECK_NOTHROW(join({a.view(), a.view()}, 1));
  CHECK_THROWS_AS(join({a.view(), b.view()}, 1), ShapeError);
  CHECK_THROWS_AS(join({a.view()}, 1), ShapeError);
  CHECK_THROWS_AS(join({}, 1), ShapeError);
  CHECK_THROWS_AS(join({a.view(), a.view()}, 4), ShapeError);
  CHECK_THROWS_AS(join({a.view(), woven.view()}, 1), ShapeError);
  CHECK_THROWS_AS(concat_reverse(context, whole, 1, 3, a.view()), ShapeError);
  CHECK_THROWS_AS(concat_reverse(context, whole, 1, -1, a.view()), ShapeError);
}

TEST_CASE("sums of tensors agree with the naive reference") {
  for (const Shape& shape : {Shape{2, 3, 5, 7}, Shape{1}, Shape{4, 48, 27, 25}})
    for (const std::size_t count : {1u, 2u, 5u})
      check_op(
          declare_op(
              message("add_forward ", shape, " of ", count), std::vector<Operand>(count, {shape}), {{shape}},
              tolerance::few_roundings, OnIntegers::exact,
              [](const auto& in, const auto& out) { reference::add_forward(in, out[0]); },
              [](const auto& context, const auto& in, const auto& out) { add_forward(context, in, out[0]); }),
          shape.count() == 1 ? 0 : 0.3);
  for (const Shape& shape : {Shape{2, 3, 5, 7}, Shape{4, 48, 27, 25}})
    check_op(declare_op(
        message("accumulate ", shape), {{shape}, {shape}}, {{shape}}, tolerance::few_roundings,
        OnIntegers::exact,
        [](const auto& in, const auto& out) {
          std::copy(in[0].begin(), in[0].end(), out[0].begin());
          reference::accumulate(in[1], out[0]);
        },
        [](const auto& context, const auto& in, const auto& out) {
          copy_layout(context, in[0], out[0]);
          accumulate(context, in[1], out[0]);
        }));
}

TEST_CASE("sums of very many terms are rounded once") {
  const Shape shape{3, 5};
  check_op(declare_op(
      "add_forward of 150", std::vector<Operand>(150, {shape}), {{shape}}, tolerance::short_sums,
      OnIntegers::exact, [](const auto& in, const auto& out) { reference::add_forward(in, out[0]); },
      [](const auto& context, const auto& in, const auto& out) { add_forward(context, in, out[0]); }));
}

TEST_CASE("a sum may be written over any of its terms") {
  each_device([](const auto& here) {
    using D = DeviceOf<decltype(here)>;
    for (const Index shift : {0, 1}) {
      ShiftedTensor<float, D> a(here, Tensor<float, Cpu>::filled({40000}, 1.0f), shift);
      ShiftedTensor<float, D> b(here, Tensor<float, Cpu>::filled({40000}, 2.0f), 0);
      add_forward(here, std::vector<TensorView<const float, D>>{a.view(), b.view(), b.view()}, b.view());
      const auto sum = to_host(here, b.view());
      CHECK(std::count(sum.begin(), sum.end(), 5.0f) == 40000);
    }
  });
  const Context<Cpu> context(2);
  Tensor<float, Cpu> a({40000}), other({40001});
  CHECK_THROWS_AS(accumulate(context, other, a.view()), ShapeError);
  CHECK_THROWS_AS(add_forward(context, {}, a.view()), ShapeError);
}

}  // namespace
}  // namespace deconv::test
