// Layout conversion, windows cut from planes, padding.
#include "deconv/ops/copy_layout.hpp"
#include "deconv/ops/pad2d.hpp"
#include "deconv/ops/reference/copy_layout.hpp"
#include "deconv/ops/reference/pad2d.hpp"
#include "deconv/ops/reference/window_copy.hpp"
#include "deconv/ops/window_copy.hpp"
#include "support/op_test.hpp"

namespace deconv::test {
namespace {

TEST_CASE("layouts convert into each other") {
  for (const Index channels : {1, 2, 3, 4, 15, 16, 17, 96})
    for (const auto& [height, width] : {std::pair<Index, Index>{1, 1}, {5, 7}, {29, 31}})
      for (const bool from_rows : {true, false}) {
        const Shape shape{2, channels, height, width};
        // One side keeps the row-major layout, the other follows the backend.
        check_op(declare_op(
            message("copy_layout ", shape, from_rows ? " from nchw" : " to nchw"),
            {{shape, Fill::any, from_rows}}, {{shape, Fill::any, !from_rows}}, tolerance::exact,
            OnIntegers::exact, [](const auto& in, const auto& out) { reference::copy_layout(in[0], out[0]); },
            [](const auto& context, const auto& in, const auto& out) {
              copy_layout(context, in[0], out[0]);
            }));
      }
  const Context<Cpu> context(1);
  Tensor<float, Cpu> a({2, 3}), b({3, 2}), c({2, 3});
  std::fill(a.begin(), a.end(), 4.0f);
  copy_layout(context, a, c.view());
  CHECK(std::count(c.begin(), c.end(), 4.0f) == 6);
  CHECK_THROWS_AS(copy_layout(context, a, b.view()), ShapeError);
}

TEST_CASE("windows may overhang their plane on every side, or miss it") {
  const Shape plane{3, 20, 9, 8};
  for (const std::array<Index, 4>& place : {std::array<Index, 4>{2, 3, 4, 5},
                                            {-3, -2, 5, 6},
                                            {5, 6, 7, 7},
                                            {-2, -2, 14, 13},
                                            {0, 0, 9, 8},
                                            {4, -5, 1, 6}}) {
    const Index top = place[0], left = place[1], height = place[2], width = place[3];
    check_op(
        declare_op(
            message("gather_window ", height, "x", width, " at ", top, ",", left), {{plane}},
            {{{1, 20, height, width}}}, tolerance::exact, OnIntegers::exact,
            [=](const auto& in, const auto& out) { reference::gather_window(in[0], 1, top, left, out[0]); },
            [=](const auto& context, const auto& in, const auto& out) {
              gather_window(context, in[0], 1, top, left, out[0]);
            }),
        0.1);
  }
  const Context<Cpu> context(1);
  Tensor<float, Cpu> src({2, 3, 4, 4}), dst({1, 3, 2, 2}), two({1, 2, 2, 2}),
      woven({1, 3, 2, 2}, Layout::nhwc);
  std::fill(src.begin(), src.end(), 1.0f);
  gather_window(context, src, 1, 100, -50, dst.view());
  CHECK(std::count(dst.begin(), dst.end(), 0.0f) == 12);
  CHECK_THROWS_AS(gather_window(context, src, 2, 0, 0, dst.view()), ShapeError);
  CHECK_THROWS_AS(gather_window(context, src, 0, 0, 0, two.view()), ShapeError);
  CHECK_THROWS_AS(gather_window(context, src, 0, 0, 0, woven.view()), ShapeError);
}

TEST_CASE("windows of switches keep their width") {
  const Context<Cpu> context(1);
  for (const Layout layout : {Layout::nchw, Layout::nhwc})
    for (const Index taps : {9, 300, 70000}) {
      auto plane = Switches<Cpu>::make({2, 3, 4, 5}, layout, taps, context.workspace());
      plane.view().visit([&](auto view) {
        for (Index i = 0; i < view.count(); ++i)
          view.data()[i] =
              static_cast<typename decltype(view)::value_type>(std::min(taps - 1, Index{100} * i) % taps);
      });
      auto window = Switches<Cpu>::make({1, 3, 3, 3}, layout, taps, context.workspace());
      gather_window(context, plane, 1, -1, 3, window);
      for (Index c = 0; c < 3; ++c) {
        const Index beyond = taps == 9 ? 255 : taps == 300 ? 65535 : (Index{1} << 32) - 1;
        CHECK(window.view().at(0, c, 0, 0) == beyond);
        CHECK(window.view().at(0, c, 2, 1) == plane.view().at(1, c, 1, 4));
        CHECK(window.view().at(0, c, 1, 2) == beyond);
      }
      auto other = Switches<Cpu>::make({1, 3, 3, 3}, layout, taps == 9 ? 300 : 9, context.workspace());
      CHECK_THROWS_AS(gather_window(context, plane, 1, 0, 0, other), ShapeError);
    }
}

TEST_CASE("what lies outside its plane is cleared, and nothing else") {
  const Shape shape{4, 19, 6, 7};
  const std::vector<Index> tops{-2, 0, 5, -10}, lefts{3, -4, 7, 1};
  check_op(declare_op(
               "zero_outside", {{shape}}, {{shape}}, tolerance::exact, OnIntegers::exact,
               [&](const auto& in, const auto& out) {
                 std::copy(in[0].begin(), in[0].end(), out[0].begin());
                 reference::zero_outside(out[0], tops, lefts, 9, 8);
               },
               [&](const auto& context, const auto& in, const auto& out) {
                 std::copy(in[0].begin(), in[0].end(), out[0].begin());
                 zero_outside(context, out[0], tops, lefts, 9, 8);
               }),
           0.1);
  const Context<Cpu> context(1);
  Tensor<float, Cpu> windows(shape);
  CHECK_THROWS_AS(zero_outside(context, windows.view(), std::vector<Index>{1}, lefts, 9, 8), ShapeError);
}

TEST_CASE("padding, cropping and their adjoint") {
  const Shape shape{2, 18, 6, 7};
  for (const Pad2dParams& params :
       {Pad2dParams{1, 2, 3, 4, 0}, Pad2dParams{-1, -2, 0, -3, 0}, Pad2dParams{2, -3, -1, 5, 1.5f},
        Pad2dParams{0, 0, 0, 0, 7}, Pad2dParams{-5, 6, 0, -6, -2}}) {
    const Shape padded = pad2d_output_shape(shape, params);
    check_op(
        declare_op(
            message("pad2d_forward to ", padded), {{shape}}, {{padded}}, tolerance::exact, OnIntegers::exact,
            [&](const auto& in, const auto& out) { reference::pad2d_forward(in[0], params, out[0]); },
            [&](const auto& context, const auto& in, const auto& out) {
              pad2d_forward(context, in[0], params, out[0]);
            }),
        0.1);
    check_op(declare_op(
                 message("pad2d_reverse from ", padded), {{padded}}, {{shape}}, tolerance::exact,
                 OnIntegers::exact,
                 [&](const auto& in, const auto& out) { reference::pad2d_reverse(in[0], params, out[0]); },
                 [&](const auto& context, const auto& in, const auto& out) {
                   pad2d_reverse(context, in[0], params, out[0]);
                 }),
             0.01);
    Pad2dParams linear = params;
    linear.value = 0;
    check_adjoint(
        "pad2d", shape, padded,
        [=](const auto& context, auto x, auto y) { pad2d_forward(context, x, linear, y); },
        [=](const auto& context, auto y, auto x) { pad2d_reverse(context, y, linear, x); });
  }
  CHECK_THROWS_AS(pad2d_output_shape(shape, {-3, 0, -3, 0, 0}), ShapeError);
  CHECK_THROWS_AS(pad2d_output_shape({2, 3}, {}), ShapeError);
}

}  // namespace
}  // namespace deconv::test
