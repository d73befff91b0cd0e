#include "deconv/ops/average_pool2d.hpp"

#include "deconv/ops/reference/average_pool2d.hpp"
#include "support/op_test.hpp"
#include "support/pool_shapes.hpp"
#include "support/shifted.hpp"

namespace deconv::test {
namespace {

TEST_CASE("average pooling and its reverse agree with the naive reference") {
  for (const auto& one : pool_shapes())
    for (const bool count_padding : {false, true}) {
      const AveragePool2dParams params{one.second, count_padding};
      const Shape& shape = one.first;
      const Shape pooled = pool2d_output_shape(shape, params.window);
      const std::string what = message(shape, " ", params.window, count_padding ? " padding counts" : "");
      check_op(declare_op(
          "average_pool2d_forward " + what, {{shape}}, {{pooled}}, tolerance::short_sums,
          OnIntegers::within_tolerance,
          [&](const auto& in, const auto& out) { reference::average_pool2d_forward(in[0], params, out[0]); },
          [&](const auto& context, const auto& in, const auto& out) {
            average_pool2d_forward(context, in[0], params, out[0]);
          }));
      check_op(declare_op(
          "average_pool2d_reverse " + what, {{pooled}}, {{shape}}, tolerance::short_sums,
          OnIntegers::within_tolerance,
          [&](const auto& in, const auto& out) { reference::average_pool2d_reverse(in[0], params, out[0]); },
          [&](const auto& context, const auto& in, const auto& out) {
            average_pool2d_reverse(context, in[0], params, out[0]);
          }));
      check_adjoint(
          "average_pool2d " + what, shape, pooled,
          [&](const auto& context, auto x, auto y) { average_pool2d_forward(context, x, params, y); },
          [&](const auto& context, auto y, auto x) { average_pool2d_reverse(context, y, params, x); });
    }
}

TEST_CASE("Caffe's and ONNX's divisors at the border") {
  const Context<Cpu> context(1);
  const auto src = Tensor<float, Cpu>::filled({1, 1, 4, 4}, 36.0f);
  Tensor<float, Cpu> dst({1, 1, 3, 3});
  // 3x3 windows, stride 2, pad 1, ceil: the last ones reach one pixel beyond the padding.
  const Window2d window = Window2d::square(3, 2, 1, Rounding::ceil);
  average_pool2d_forward(context, src, {window, true}, dst.view());
  CHECK(dst(0, 0, 0, 0) == 16.0f);             // 4 of 9
  CHECK(dst(0, 0, 1, 1) == 36.0f);             // 9 of 9
  CHECK(nearly_equal(dst(0, 0, 2, 2), 9.0f));  // 1 of 4: what lies beyond the padding is not counted
  average_pool2d_forward(context, src, {window, false}, dst.view());
  for (const float value : dst.span()) CHECK(nearly_equal(value, 36.0f));
}

TEST_CASE("the reverse of a window cut from a larger plane uses the whole plane's divisors") {
  const Context<Cpu> context(2);
  for (const Layout layout : {Layout::nchw, Layout::nhwc})
    for (const bool count_padding : {false, true}) {
      const AveragePool2dParams params{Window2d::square(3, 2, 1, Rounding::ceil), count_padding};
      const Shape shape{1, 18, 10, 10};
      const Shape pooled = pool2d_output_shape(shape, params.window);
      const auto signal = in_layout<double>(make_input<double>({pooled}, false, 5), layout);
      Tensor<double, Cpu> whole(shape, layout);
      average_pool2d_reverse(context, signal, params, whole.view());
      // Two windows of 3 x 4 outputs, at (0, 0) and (3, 1), as one batch; of input rows and columns from (2p
      // - 1, 2q - 1) on.
      const std::vector<Index> tops{0, 3}, lefts{0, 1};
      Tensor<double, Cpu> cut({2, 18, 3, 4}, layout), back({2, 18, 7, 9}, layout);
      for (Index unit = 0; unit < 2; ++unit)
        for (Index c = 0; c < 18; ++c)
          for (Index p = 0; p < 3; ++p)
            for (Index q = 0; q < 4; ++q) {
              const auto at = static_cast<std::size_t>(unit);
              cut(unit, c, p, q) = signal(0, c, tops[at] + p, lefts[at] + q);
            }
      AveragePool2dParams shifted = params;
      shifted.window.padding = {0, 0, 0, 0};
      const OutputOrigins origins{tops, lefts, 10, 10, params.window.padding};
      average_pool2d_reverse(context, cut, shifted, back.view(), &origins);
      // Pixels that only these windows reach have the whole pass's values.
      for (Index c = 0; c < 18; ++c) {
        CHECK(std::abs(back(0, c, 3, 4) - whole(0, c, 2, 3)) <= 1e-12);
        CHECK(std::abs(back(0, c, 1, 1) - whole(0, c, 0, 0)) <= 1e-12);
        CHECK(std::abs(back(1, c, 4, 3) - whole(0, c, 9, 4)) <= 1e-12);
      }
    }
}

TEST_CASE("windows cut from larger planes agree with the naive reference, for any number of images") {
  for (const Index images : {2, 131}) {
    std::vector<Index> tops, lefts;
    for (Index n = 0; n < images; ++n) {
      tops.push_back(n % 5 - 1);
      lefts.push_back(n % 3);
    }
    for (const bool count_padding : {false, true}) {
      AveragePool2dParams params{Window2d::square(3, 2, 1, Rounding::ceil), count_padding};
      const OutputOrigins origins{tops, lefts, 10, 9, params.window.padding};
      params.window.padding = {0, -1, 0, 0};
      const Shape pooled{images, 8, 3, 4}, plane{images, 8, 7, 9};
      check_op(declare_op(
          message("average_pool2d_reverse of windows ", plane), {{pooled}}, {{plane}}, tolerance::short_sums,
          OnIntegers::within_tolerance,
          [&](const auto& in, const auto& out) {
            reference::average_pool2d_reverse(in[0], params, out[0], &origins);
          },
          [&](const auto& context, const auto& in, const auto& out) {
            average_pool2d_reverse(context, in[0], params, out[0], &origins);
          }));
    }
  }
}

TEST_CASE("average pools take tensors that begin anywhere") {
  const Shape shape{2, 16, 7, 9}, pooled{2, 16, 3, 4}, pixel{2, 16, 1, 1};
  const AveragePool2dParams params{Window2d::square(3, 2)};
  check_op(OnShifted(declare_op(
      "average_pool2d_forward", {{shape}}, {{pooled}}, tolerance::short_sums, OnIntegers::within_tolerance,
      [&](const auto& in, const auto& out) { reference::average_pool2d_forward(in[0], params, out[0]); },
      [&](const auto& context, const auto& in, const auto& out) {
        average_pool2d_forward(context, in[0], params, out[0]);
      })));
  check_op(OnShifted(declare_op(
      "average_pool2d_reverse", {{pooled}}, {{shape}}, tolerance::short_sums, OnIntegers::within_tolerance,
      [&](const auto& in, const auto& out) { reference::average_pool2d_reverse(in[0], params, out[0]); },
      [&](const auto& context, const auto& in, const auto& out) {
        average_pool2d_reverse(context, in[0], params, out[0]);
      })));
  check_op(OnShifted(declare_op(
      "global_average_pool_forward", {{shape}}, {{pixel}}, tolerance::long_sums, OnIntegers::within_tolerance,
      [](const auto& in, const auto& out) { reference::global_average_pool_forward(in[0], out[0]); },
      [](const auto& context, const auto& in, const auto& out) {
        global_average_pool_forward(context, in[0], out[0]);
      })));
  check_op(OnShifted(declare_op(
      "global_average_pool_reverse", {{pixel}}, {{shape}}, tolerance::few_roundings,
      OnIntegers::within_tolerance,
      [](const auto& in, const auto& out) { reference::global_average_pool_reverse(in[0], out[0]); },
      [](const auto& context, const auto& in, const auto& out) {
        global_average_pool_reverse(context, in[0], out[0]);
      })));
}

TEST_CASE("global average pooling and its reverse agree with the naive reference") {
  for (const Shape& shape : {Shape{2, 3, 5, 7}, Shape{1, 1, 1, 1}, Shape{2, 100, 13, 13},
                             Shape{4, 70, 27, 25}, Shape{2, 136, 8, 8}}) {
    const Shape pooled{shape[0], shape[1], 1, 1};
    check_op(declare_op(
        message("global_average_pool_forward ", shape), {{shape}}, {{pooled}}, tolerance::long_sums,
        OnIntegers::within_tolerance,
        [](const auto& in, const auto& out) { reference::global_average_pool_forward(in[0], out[0]); },
        [](const auto& context, const auto& in, const auto& out) {
          global_average_pool_forward(context, in[0], out[0]);
        }));
    check_op(declare_op(
        message("global_average_pool_reverse ", shape), {{pooled}}, {{shape}}, tolerance::few_roundings,
        OnIntegers::within_tolerance,
        [](const auto& in, const auto& out) { reference::global_average_pool_reverse(in[0], out[0]); },
        [](const auto& context, const auto& in, const auto& out) {
          global_average_pool_reverse(context, in[0], out[0]);
        }));
    check_adjoint(
        "global_average_pool", shape, pooled,
        [](const auto& context, auto x, auto y) { global_average_pool_forward(context, x, y); },
        [](const auto& context, auto y, auto x) { global_average_pool_reverse(context, y, x); });
  }
}

TEST_CASE("average pools name what does not fit") {
  const Context<Cpu> context(1);
  Tensor<float, Cpu> src({1, 2, 4, 4}), dst({1, 2, 2, 2}), pixel({1, 2, 1, 1}),
      woven({1, 2, 2, 2}, Layout::nhwc);
  const AveragePool2dParams params{Window2d::square(3, 2)};
  CHECK_THROWS_AS(average_pool2d_forward(context, src, params, dst.view()), ShapeError);
  CHECK_THROWS_AS(average_pool2d_forward(context, src, {Window2d::square(2, 2)}, woven.view()), ShapeError);
  CHECK_THROWS_AS(average_pool2d_reverse(context, woven, params, src.view()), ShapeError);
  CHECK_THROWS_AS(global_average_pool_forward(context, src, dst.view()), ShapeError);
  CHECK_THROWS_AS(global_average_pool_reverse(context, dst, src.view()), ShapeError);
  const OutputOrigins none{};
  CHECK_THROWS_AS(average_pool2d_reverse(context, dst, params, src.view(), &none), ShapeError);
}

}  // namespace
}  // namespace deconv::test
