#include "deconv/ops/max_pool2d.hpp"

#include <limits>

#include "deconv/ops/reference/max_pool2d.hpp"
#include "support/each_device.hpp"
#include "support/op_test.hpp"
#include "support/pool_shapes.hpp"
#include "support/shifted.hpp"

namespace deconv::test {
namespace {

/// Outputs the maxima and, as numbers, the switches.
struct MaxPoolForward {
  Shape shape;
  Window2d window;
  Tolerance tolerance = tolerance::exact;
  [[nodiscard]] std::string name() const { return message("max_pool2d_forward ", shape, " ", window); }
  [[nodiscard]] Shape pooled() const { return pool2d_output_shape(shape, window); }
  [[nodiscard]] std::vector<Operand> inputs() const { return {{shape}}; }
  [[nodiscard]] std::vector<Operand> outputs() const { return {{pooled()}, {pooled()}}; }
  template <class T>
  void reference(const In<T, Cpu>& in, const Out<T, Cpu>& out) const {
    auto switches = Switches<Cpu>::make(pooled(), Layout::nchw, window.taps(), host_workspace());
    reference::max_pool2d_forward<T>(in[0], {window}, out[0], switches);
    switches_as_numbers(Context<Cpu>(1), switches, out[1]);
  }
  template <class T, Device D>
  void run(const Context<D>& context, const In<T, D>& in, const Out<T, D>& out) const {
    auto switches = Switches<D>::make(pooled(), out[0].layout(), window.taps(), context.workspace());
    max_pool2d_forward<T>(context, in[0], {window}, out[0], switches);
    switches_as_numbers(context, switches, out[1]);
    // Without switches the maxima must be the same.
    auto again = context.template make<T>(pooled(), out[0].layout());
    max_pool2d_forward<T>(context, in[0], {window}, again.view());
    CHECK(same_bits(context, again.view(), out[0]));
  }
};

TEST_CASE("max pooling agrees with the naive reference") {
  for (const auto& [shape, window] : pool_shapes()) check_op(MaxPoolForward{shape, window}, 0.05);
}

TEST_CASE("windows of more than 65536 taps have four-byte switches") {
  for (const Index channels : {2, 8})
    check_op(MaxPoolForward{{1, channels, 257, 256}, {257, 256, 1, 1, 1, 1, {}, Rounding::floor}});
}

TEST_CASE("max pooling takes tensors that begin anywhere") {
  for (const Window2d& window : {Window2d::square(3, 2), Window2d::square(2, 2), Window2d::square(2, 1)})
    check_op(OnShifted(MaxPoolForward{{2, 16, 7, 9}, window}));
}

TEST_CASE("the first of equal taps wins") {
  const auto src = Tensor<float, Cpu>::filled({1, 20, 4, 4}, 1.0f, Layout::nhwc);
  const Context<Cpu> context(1);
  Tensor<float, Cpu> dst({1, 20, 2, 2}, Layout::nhwc);
  auto switches = Switches<Cpu>::make(dst.shape(), dst.layout(), 4, context.workspace());
  max_pool2d_forward(context, src, {Window2d::square(2, 2)}, dst.view(), switches);
  for (Index c = 0; c < 20; ++c) CHECK(switches.view().at(0, c, 1, 1) == 0);
}

/// A max pooling of host tensors on any device.
struct Pooled {
  Tensor<float, Cpu> maxima;
  Tensor<std::uint8_t, Cpu> taps;
  Tensor<std::int64_t, Cpu> rows, columns;
};
template <Device D>
Pooled pool_on(const Context<D>& context, const Tensor<float, Cpu>& src, const MaxPool2dParams& params) {
  const auto there = to_device(context, src.view());
  const Shape pooled = pool2d_output_shape(src.shape(), params.window);
  auto dst = context.template make<float>(pooled, src.layout());
  auto switches = Switches<D>::make(pooled, src.layout(), params.window.taps(), context.workspace());
  max_pool2d_forward(context, there, params, dst.view(), switches);
  const auto rows = switches_to_indices(context, switches, params, src.shape());
  const auto columns = switches_to_indices(context, switches, params, src.shape(), true);
  const TensorView<const std::uint8_t, D> taps(reinterpret_cast<const std::uint8_t*>(switches.view().data()),
                                               pooled, src.layout());
  return {to_host(context, dst.view()), to_host(context, taps), to_host(context, rows.view()),
          to_host(context, columns.view())};
}

TEST_CASE("the first NaN wins its window and is kept; minus infinity is a value like another") {
  const float nan = std::numeric_limits<float>::quiet_NaN(), low = -std::numeric_limits<float>::infinity();
  each_device([&](const auto& context) {
    for (const Layout layout : {Layout::nchw, Layout::nhwc})
      for (const Index channels : {19, 20})
        for (const Index kernel : {2, 3, 4}) {
          auto src = Tensor<float, Cpu>::filled({1, channels, kernel, kernel}, low, layout);
          for (Index c = 0; c < 18; ++c) {
            src(0, c, 0, 0) = 5;
            src(0, c, 0, 1) = nan;
            src(0, c, 1, 0) = nan;
            src(0, c, 1, 1) = 7;
          }
          const Pooled met = pool_on(context, src, {Window2d::square(kernel, 2)});
          for (Index c = 0; c < 18; ++c) {
            CHECK(std::isnan(met.maxima(0, c, 0, 0)));
            CHECK(met.taps(0, c, 0, 0) == 1);
          }
          CHECK(met.maxima(0, 18, 0, 0) == low);
          CHECK(met.taps(0, 18, 0, 0) == 0);
        }
  });
}

TEST_CASE("padding never wins, and a window without a tap in the image gives minus infinity") {
  const float low = -std::numeric_limits<float>::infinity();
  each_device([&](const auto& context) {
    for (const Layout layout : {Layout::nchw, Layout::nhwc})
      for (const Index channels : {3, 4}) {
        const auto src = Tensor<float, Cpu>::filled({1, channels, 2, 2}, -4.0f, layout);
        const Pooled single = pool_on(context, src, {Window2d::square(1, 1, 1)});
        CHECK(single.maxima(0, 2, 0, 0) == low);
        CHECK(single.maxima(0, 2, 1, 1) == -4.0f);
        CHECK(single.rows(0, 2, 0, 0) == -1);
        CHECK(single.rows(0, 2, 2, 1) == 10);
        // Windows that begin three pixels before the image, and one wholly before it.
        for (const Index side : {2, 3}) {
          const Pooled met = pool_on(context, src, {Window2d::square(side, 2, 3)});
          CHECK(met.maxima(0, 1, 0, 1) == low);
          CHECK(met.taps(0, 1, 0, 0) == 0);
          CHECK(met.maxima(0, 1, 1, 1) == -4.0f);
          CHECK(met.taps(0, 1, 1, 1) == side + 1);
        }
      }
  });
}

TEST_CASE("switches widen with the window") {
  CHECK(Switches<Cpu>::width_for(1) == 1);
  CHECK(Switches<Cpu>::width_for(256) == 1);
  CHECK(Switches<Cpu>::width_for(257) == 2);
  CHECK(Switches<Cpu>::width_for(65537) == 4);
  CHECK_THROWS_AS(Switches<Cpu>::width_for(0), ShapeError);
}

TEST_CASE("switches turn into flat indices in both storage orders") {
  each_device([&](const auto& context) {
    for (const Layout layout : {Layout::nchw, Layout::nhwc}) {
      const Shape shape{2, 5, 7, 9};
      const auto src = in_layout<float>(make_input<float>({shape}, false, 3), layout);
      const MaxPool2dParams params{{3, 2, 2, 1, 1, 2, {1, 0, 0, 1}, Rounding::ceil}};
      const Pooled met = pool_on(context, src, params);
      const Shape& pooled = met.maxima.shape();
      for (Index n = 0; n < pooled[0]; ++n)
        for (Index c = 0; c < pooled[1]; ++c)
          for (Index p = 0; p < pooled[2]; ++p)
            for (Index q = 0; q < pooled[3]; ++q) {
              const Index plane = (n * 5 + c) * 63, a = met.rows(n, c, p, q) - plane,
                          b = met.columns(n, c, p, q) - plane;
              REQUIRE((a >= 0 && a < 63 && b >= 0 && b < 63));
              CHECK(src(n, c, a / 9, a % 9) == met.maxima(n, c, p, q));
              CHECK((b % 7 == a / 9 && b / 7 == a % 9));
            }
    }
  });
}

TEST_CASE("max pooling names what does not fit") {
  const Context<Cpu> context(1);
  Tensor<float, Cpu> src({1, 2, 4, 4}), dst({1, 2, 2, 2}), other({1, 2, 3, 2}),
      woven({1, 2, 2, 2}, Layout::nhwc);
  const MaxPool2dParams params{Window2d::square(2, 2)};
  CHECK_THROWS_AS(max_pool2d_forward(context, src, params, other.view()), ShapeError);
  CHECK_THROWS_AS(max_pool2d_forward(context, src, params, woven.view()), ShapeError);
  CHECK_THROWS_AS(max_pool2d_forward(context, src, {Window2d::square(5)}, dst.view()), ShapeError);
  auto wide = Switches<Cpu>::make(dst.shape(), Layout::nchw, 300, context.workspace());
  CHECK_THROWS_AS(max_pool2d_forward(context, src, params, dst.view(), wide), ShapeError);
  auto larger = Switches<Cpu>::make(src.shape(), Layout::nchw, 4, context.workspace());
  CHECK_THROWS_AS(max_pool2d_forward(context, src, params, dst.view(), larger), ShapeError);
}

}  // namespace
}  // namespace deconv::test
