#include "deconv/ops/linear.hpp"

#include "deconv/ops/reference/linear.hpp"
#include "deconv/ops/reference/relu.hpp"
#include "support/op_test.hpp"

namespace deconv::test {
namespace {

struct Product {
  Index images, features, outputs;
  [[nodiscard]] std::string name(std::string_view pass) const {
    return message("linear ", pass, " ", images, " x ", features, " to ", outputs);
  }
};

const std::vector<Product> products{{1, 1, 1},     {3, 7, 5},     {1, 300, 40}, {16, 129, 33},
                                    {40, 64, 100}, {8, 260, 132}, {140, 24, 12}};

template <class T>
using ElementOf = typename std::decay_t<T>::value_type;

TEST_CASE("linear and its reverse passes agree with the naive reference") {
  for (const Product& p : products) {
    const Operand src{{p.images, p.features}}, weights{{p.outputs, p.features}}, bias{{p.outputs}},
        dst{{p.images, p.outputs}};
    for (const bool biased : {true, false}) {
      std::vector<Operand> inputs{src, weights};
      if (biased) inputs.push_back(bias);
      check_op(declare_op(
          p.name(biased ? "forward with bias" : "forward"), inputs, {dst}, tolerance::long_sums,
          OnIntegers::exact,
          [&](const auto& in, const auto& out) {
            reference::linear_forward(in[0], in[1], biased ? in[2] : std::decay_t<decltype(in[0])>{}, out[0]);
          },
          [&](const auto& context, const auto& in, const auto& out) {
            linear_forward<ElementOf<decltype(out[0])>>(
                context, in[0], in[1], biased ? in[2] : std::decay_t<decltype(in[0])>{}, out[0]);
          }));
    }
    check_op(declare_op(
        p.name("reverse to data"), {dst, weights}, {src}, tolerance::long_sums, OnIntegers::exact,
        [](const auto& in, const auto& out) { reference::linear_reverse_data(in[0], in[1], out[0]); },
        [](const auto& context, const auto& in, const auto& out) {
          linear_reverse_data<ElementOf<decltype(out[0])>>(context, in[0], in[1], out[0]);
        }));
    check_op(declare_op(
                 p.name("reverse to weights"), {src, dst}, {weights, bias}, tolerance::long_sums,
                 OnIntegers::exact,
                 [](const auto& in, const auto& out) {
                   reference::linear_reverse_weights(in[0], in[1], out[0], out[1]);
                 },
                 [](const auto& context, const auto& in, const auto& out) {
                   linear_reverse_weights<ElementOf<decltype(out[0])>>(context, in[0], in[1], out[0], out[1]);
                 }),
             0.2);
    const auto filters = make_input<double>(weights, false, 31);
    check_adjoint(
        p.name("data"), src.shape, dst.shape,
        [&](const auto& context, auto x, auto y) { linear_forward<double>(context, x, filters, {}, y); },
        [&](const auto& context, auto y, auto x) { linear_reverse_data<double>(context, y, filters, x); });
  }
}

TEST_CASE("linear may rectify its result, whatever its sums are split into") {
  for (const Product& p : products)
    for (const float slope : {0.0f, 0.25f})
      check_op(declare_op(
                   p.name("rectified"), {{{p.images, p.features}}, {{p.outputs, p.features}}, {{p.outputs}}},
                   {{{p.images, p.outputs}}}, tolerance::long_sums, OnIntegers::exact,
                   [=](const auto& in, const auto& out) {
                     reference::linear_forward(in[0], in[1], in[2], out[0]);
                     reference::relu_forward<ElementOf<decltype(out[0])>>(out[0], slope, out[0]);
                   },
                   [=](const auto& context, const auto& in, const auto& out) {
                     linear_forward<ElementOf<decltype(out[0])>>(context, in[0], in[1], in[2], out[0], slope);
                   }),
               p.images * p.outputs == 1 ? 0 : 0.2);
}

TEST_CASE("linear names what does not fit") {
  const Context<Cpu> context(1);
  Tensor<float, Cpu> src({2, 3}), weights({4, 3}), dst({2, 4}), other({4, 2}), five({5});
  CHECK_THROWS_AS(linear_forward<float>(context, src, other, {}, dst.view()), ShapeError);
  CHECK_THROWS_AS(linear_forward<float>(context, src, weights, five, dst.view()), ShapeError);
  CHECK_THROWS_AS(linear_forward<float>(context, src, weights, {}, other.view()), ShapeError);
  CHECK_THROWS_AS(linear_reverse_data<float>(context, dst, other, src.view()), ShapeError);
}

}  // namespace
}  // namespace deconv::test
