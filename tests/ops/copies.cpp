// Layout conversion, windows cut from planes, padding.
#include "deconv/ops/copy_layout.hpp"
#include "deconv/ops/pad2d.hpp"
#include "deconv/ops/reference/copy_layout.hpp"
#include "deconv/ops/reference/pad2d.hpp"
#include "deconv/ops/reference/window_copy.hpp"
#include "deconv/ops/window_copy.hpp"
#include "support/each_device.hpp"
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

/// Element i of a pattern that no two neighbours share.
template <class T>
T pattern(Index i) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<T>(i * 0x1234567 + (i >> 7));
  else
    return static_cast<T>(static_cast<float>(i % 2039) - 1000.0f);
}

template <class T>
void check_layouts_of() {
  each_device([](const auto& context) {
    using D = DeviceOf<decltype(context)>;
    for (const Shape& shape :
         {Shape{2, 3, 7, 9}, Shape{1, 80, 13, 11}, Shape{2, 130, 8, 8}, Shape{3, 48, 2, 2},
          Shape{1, 2, 50, 64}, Shape{2, 0, 3, 3}, Shape{1, 5, 1, 1}, Shape{2, 64, 16, 16}})
      for (const Index shift : {0, 1, 4})
        for (const Layout layout : {Layout::nchw, Layout::nhwc}) {
          Tensor<T, Cpu> src(shape, layout);
          for (Index i = 0; i < src.count(); ++i) src.data()[i] = pattern<T>(i);
          const Layout other = layout == Layout::nchw ? Layout::nhwc : Layout::nchw;
          const auto poison = Tensor<T, Cpu>::filled(shape, pattern<T>(-1), other);
          ShiftedTensor<T, D> from(context, src, shift), to(context, poison, shift / 2);
          copy_layout(context, from.view(), to.view());
          const auto met = to_host(context, to.view());
          Index wrong = 0;
          for (Index n = 0; n < shape[0]; ++n)
            for (Index c = 0; c < shape[1]; ++c)
              for (Index y = 0; y < shape[2]; ++y)
                for (Index x = 0; x < shape[3]; ++x)
                  wrong += std::memcmp(&met(n, c, y, x), &src(n, c, y, x), sizeof(T)) != 0;
          INFO(D::name << ' ' << name_of(dtype_of<T>) << ' ' << shape << " from " << name_of(layout)
                       << ", shift " << shift);
          CHECK(wrong == 0);
        }
  });
}

TEST_CASE("tensors of every element type convert, wherever their memory begins") {
  check_layouts_of<float>();
  check_layouts_of<double>();
  check_layouts_of<half>();
  check_layouts_of<bfloat16>();
  check_layouts_of<std::int64_t>();
  check_layouts_of<std::int32_t>();
  check_layouts_of<std::uint8_t>();
  check_layouts_of<std::uint16_t>();
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
  each_device([](const auto& context) {
    using D = DeviceOf<decltype(context)>;
    for (const Layout layout : {Layout::nchw, Layout::nhwc})
      for (const Index taps : {9, 300, 70000}) {
        auto plane = Switches<D>::make({2, 3, 4, 5}, layout, taps, context.workspace());
        auto window = Switches<D>::make({1, 3, 3, 3}, layout, taps, context.workspace());
        plane.view().visit([&]<class T>(TensorView<T, D> view) {
          Tensor<T, Cpu> values(view.shape(), layout);
          for (Index i = 0; i < values.count(); ++i)
            values.data()[i] = static_cast<T>(std::min(taps - 1, Index{100} * i) % taps);
          copy_from_host(context, values, view);
          gather_window(context, plane, 1, -1, 3, window);
          const auto met = to_host(
              context, TensorView<T, D>(reinterpret_cast<T*>(window.view().data()), window.shape(), layout));
          const T beyond = std::numeric_limits<T>::max();
          for (Index c = 0; c < 3; ++c) {
            CHECK(met(0, c, 0, 0) == beyond);
            CHECK(met(0, c, 2, 1) == values(1, c, 1, 4));
            CHECK(met(0, c, 1, 2) == beyond);
          }
        });
        auto other = Switches<D>::make({1, 3, 3, 3}, layout, taps == 9 ? 300 : 9, context.workspace());
        CHECK_THROWS_AS(gather_window(context, plane, 1, 0, 0, other), ShapeError);
      }
  });
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
                 copy_layout(context, in[0], out[0]);
                 zero_outside(context, out[0], tops, lefts, 9, 8);
               }),
           0.1);
  // More windows than one launch takes, of odd and of vectored rows.
  for (const Index channels : {3, 16}) {
    const Shape many{401, channels, 3, 4};
    std::vector<Index> down, right;
    for (Index i = 0; i < many[0]; ++i) {
      down.push_back(i % 12 - 4);
      right.push_back(i % 13 - 5);
    }
    check_op(declare_op(
                 message("zero_outside of ", many), {{many}}, {{many}}, tolerance::exact, OnIntegers::exact,
                 [&](const auto& in, const auto& out) {
                   std::copy(in[0].begin(), in[0].end(), out[0].begin());
                   reference::zero_outside(out[0], down, right, 6, 5);
                 },
                 [&](const auto& context, const auto& in, const auto& out) {
                   copy_layout(context, in[0], out[0]);
                   zero_outside(context, out[0], down, right, 6, 5);
                 }),
             0.1);
  }
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
  // Whole vectors inside and around, in both layouts.
  const Shape even{2, 16, 8, 16};
  const Pad2dParams eights{3, 8, 2, 16, 0.5f};
  const Shape wide = pad2d_output_shape(even, eights);
  check_op(declare_op(
      message("pad2d_forward to ", wide), {{even}}, {{wide}}, tolerance::exact, OnIntegers::exact,
      [&](const auto& in, const auto& out) { reference::pad2d_forward(in[0], eights, out[0]); },
      [&](const auto& context, const auto& in, const auto& out) {
        pad2d_forward(context, in[0], eights, out[0]);
      }));
  CHECK_THROWS_AS(pad2d_output_shape(shape, {-3, 0, -3, 0, 0}), ShapeError);
  CHECK_THROWS_AS(pad2d_output_shape({2, 3}, {}), ShapeError);
}

}  // namespace
}  // namespace deconv::test
