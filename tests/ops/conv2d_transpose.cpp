#include "deconv/ops/conv2d_transpose.hpp"

#include "deconv/ops/reference/conv2d_transpose.hpp"
#include "support/op_test.hpp"

namespace deconv::test {
namespace {

struct Transposed {
  Shape src;
  Index out_channels;
  Conv2dTransposeParams params;
  [[nodiscard]] Shape dst() const { return conv2d_transpose_output_shape(src, out_channels, params); }
  [[nodiscard]] Shape weights() const {
    return {src[1], out_channels / params.groups, params.window.kernel_y, params.window.kernel_x};
  }
  [[nodiscard]] std::string name(std::string_view pass) const {
    return message("conv2d_transpose ", pass, " ", src, " to ", out_channels, " maps, ", params.window, ", ",
                   params.groups, " groups, extra ", params.extra_y, ",", params.extra_x);
  }
};

std::vector<Transposed> transposed_convolutions() {
  return {
      {{2, 3, 5, 6}, 4, {Window2d::square(3, 1, 1), 1, 0, 0}},
      {{2, 3, 5, 6}, 4, {Window2d::square(3, 2, 1), 1, 1, 0}},
      {{1, 2, 1, 1}, 3, {Window2d::square(4), 1, 0, 0}},                                // one pixel
      {{1, 4, 4, 5}, 6, {{2, 3, 3, 2, 1, 2, {0, 1, 1, 0}, Rounding::floor}, 2, 2, 1}},  // groups, dilated
      {{2, 6, 5, 4}, 6, {Window2d::square(3, 2), 6, 0, 0}},                             // depthwise
      {{1, 3, 4, 4}, 2, {Window2d::square(2, 4), 1, 1, 1}},        // gaps that get only bias
      {{2, 32, 12, 13}, 3, {Window2d::square(7, 2, 1), 1, 1, 1}},  // to pixels
      {{2, 24, 9, 8}, 20, {Window2d::square(5, 1, 2), 1, 0, 0}},
  };
}

template <class T>
using ElementOf = typename std::decay_t<T>::value_type;

TEST_CASE("transposed convolution and its reverse passes agree with the naive reference") {
  for (const Transposed& t : transposed_convolutions()) {
    const Operand weights{t.weights(), Fill::any, true}, bias{{t.out_channels}};
    check_op(
        declare_op(
            t.name("forward"), {{t.src}, weights, bias}, {{t.dst()}}, tolerance::long_sums, OnIntegers::exact,
            [&](const auto& in, const auto& out) {
              reference::conv2d_transpose_forward(in[0], in[1], in[2], t.params, out[0]);
            },
            [&](const auto& context, const auto& in, const auto& out) {
              conv2d_transpose_forward<ElementOf<decltype(out[0])>>(context, in[0], in[1], in[2], t.params,
                                                                    out[0]);
            }),
        0.2);
    check_op(declare_op(
                 t.name("reverse to data"), {{t.dst()}, weights}, {{t.src}}, tolerance::long_sums,
                 OnIntegers::exact,
                 [&](const auto& in, const auto& out) {
                   reference::conv2d_transpose_reverse_data(in[0], in[1], t.params, out[0]);
                 },
                 [&](const auto& context, const auto& in, const auto& out) {
                   conv2d_transpose_reverse_data<ElementOf<decltype(out[0])>>(context, in[0], in[1], t.params,
                                                                              out[0]);
                 }),
             0.2);
    check_op(declare_op(
                 t.name("reverse to weights"), {{t.src}, {t.dst()}}, {weights, bias}, tolerance::long_sums,
                 OnIntegers::exact,
                 [&](const auto& in, const auto& out) {
                   reference::conv2d_transpose_reverse_weights(in[0], in[1], t.params, out[0], out[1]);
                 },
                 [&](const auto& context, const auto& in, const auto& out) {
                   conv2d_transpose_reverse_weights<ElementOf<decltype(out[0])>>(context, in[0], in[1],
                                                                                 t.params, out[0], out[1]);
                 }),
             0.1);
    const auto filters = make_input<double>({t.weights()}, false, 31);
    check_adjoint(
        t.name("data"), t.src, t.dst(),
        [&](const auto& context, auto x, auto y) {
          conv2d_transpose_forward<double>(context, x, filters, {}, t.params, y);
        },
        [&](const auto& context, auto y, auto x) {
          conv2d_transpose_reverse_data<double>(context, y, filters, t.params, x);
        });
  }
}

TEST_CASE("transposed convolution names what does not fit") {
  const Context<Cpu> context(1);
  Tensor<float, Cpu> src({1, 3, 5, 5}), weights({3, 4, 3, 3}), dst({1, 4, 7, 7}), five({5}),
      deep({2, 4, 3, 3});
  const Conv2dTransposeParams params{Window2d::square(3), 1, 0, 0};
  CHECK_THROWS_AS(conv2d_transpose_forward<float>(context, src, deep, {}, params, dst.view()), ShapeError);
  CHECK_THROWS_AS(conv2d_transpose_forward<float>(context, src, weights, five, params, dst.view()),
                  ShapeError);
  CHECK_THROWS_AS(conv2d_transpose_forward<float>(context, src, weights, {}, params, src.view()), ShapeError);
  CHECK_THROWS_AS(conv2d_transpose_output_shape({1, 3, 1, 1}, 4, {Window2d::square(3, 1, 2), 1, 0, 0}),
                  ShapeError);
}

}  // namespace
}  // namespace deconv::test
