#pragma once
/// Convolutions as ops under test: their shapes, and their passes against the naive reference on every
/// device.

#include "deconv/ops/conv2d.hpp"
#include "deconv/ops/reference/conv2d.hpp"
#include "deconv/ops/reference/relu.hpp"
#include "support/op_test.hpp"

namespace deconv::test {

struct Convolution {
  Shape src;
  Index out_channels;
  Conv2dParams params;
  [[nodiscard]] Shape dst() const { return conv2d_output_shape(src, out_channels, params); }
  [[nodiscard]] Shape weights() const {
    return {out_channels, src[1] / params.groups, params.window.kernel_y, params.window.kernel_x};
  }
  [[nodiscard]] std::string name(std::string_view pass) const {
    return message("conv2d ", pass, " ", src, " to ", out_channels, " maps, ", params.window, ", ",
                   params.groups, " groups");
  }
};

template <class T>
using ElementOf = typename std::decay_t<T>::value_type;

/// How the weights lie: always row-major, or in the layout of the backend.
enum class Weights { row_major, as_backend };

inline Operand weights_of(const Convolution& c, Weights weights) {
  return {c.weights(), Fill::any, weights == Weights::row_major};
}

/// The forward pass, with a rectifier where `negative_slope` is given.
inline void check_convolution(const Convolution& c, bool bias, Weights weights = Weights::row_major,
                              std::optional<float> negative_slope = {}) {
  std::vector<Operand> inputs{{c.src}, weights_of(c, weights)};
  if (bias) inputs.push_back({{c.out_channels}});
  check_op(declare_op(
               c.name(bias ? "forward with bias" : "forward"), inputs, {{c.dst()}}, tolerance::long_sums,
               OnIntegers::exact,
               [&](const auto& in, const auto& out) {
                 using T = ElementOf<decltype(out[0])>;
                 reference::conv2d_forward(in[0], in[1], bias ? in[2] : std::decay_t<decltype(in[0])>{},
                                           c.params, out[0]);
                 if (negative_slope) reference::relu_forward<T>(out[0], *negative_slope, out[0]);
               },
               [&](const auto& context, const auto& in, const auto& out) {
                 conv2d_forward<ElementOf<decltype(out[0])>>(context, in[0], in[1],
                                                             bias ? in[2] : std::decay_t<decltype(in[0])>{},
                                                             c.params, out[0], negative_slope);
               }),
           0.2);
}

inline void check_reverse_data(const Convolution& c, Weights weights = Weights::row_major) {
  check_op(declare_op(
               c.name("reverse to data"), {{c.dst()}, weights_of(c, weights)}, {{c.src}},
               tolerance::long_sums, OnIntegers::exact,
               [&](const auto& in, const auto& out) {
                 reference::conv2d_reverse_data(in[0], in[1], c.params, out[0]);
               },
               [&](const auto& context, const auto& in, const auto& out) {
                 conv2d_reverse_data<ElementOf<decltype(out[0])>>(context, in[0], in[1], c.params, out[0]);
               }),
           0.2);
}

inline void check_reverse_weights(const Convolution& c, Weights weights = Weights::row_major) {
  check_op(declare_op(
               c.name("reverse to weights"), {{c.src}, {c.dst()}},
               {weights_of(c, weights), {{c.out_channels}}}, tolerance::long_sums, OnIntegers::exact,
               [&](const auto& in, const auto& out) {
                 reference::conv2d_reverse_weights(in[0], in[1], c.params, out[0], out[1]);
               },
               [&](const auto& context, const auto& in, const auto& out) {
                 conv2d_reverse_weights<ElementOf<decltype(out[0])>>(context, in[0], in[1], c.params, out[0],
                                                                     out[1]);
               }),
           0.1);
}

}  // namespace deconv::test
