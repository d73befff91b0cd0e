#include "deconv/ops/max_pool2d.hpp"

#include <limits>

#include "deconv/ops/reference/max_pool2d.hpp"
#include "support/op_test.hpp"
#include "support/pool_shapes.hpp"

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
    switches_as_numbers(switches, out[1]);
  }
  template <class T, Device D>
  void run(const Context<D>& context, const In<T, D>& in, const Out<T, D>& out) const {
    auto switches = Switches<D>::make(pooled(), out[0].layout(), window.taps(), context.workspace());
    max_pool2d_forward<T>(context, in[0], {window}, out[0], switches);
    switches_as_numbers(switches, out[1]);
    // Without switches the maxima must be the same.
    auto again = context.template make<T>(pooled(), out[0].layout());
    max_pool2d_forward<T>(context, in[0], {window}, again.view());
    CHECK(std::equal(again.begin(), again.end(), out[0].begin()));
  }
};

TEST_CASE("max pooling agrees with the naive reference") {
  for (const auto& [shape, window] : pool_shapes()) check_op(MaxPoolForward{shape, window}, 0.05);
}

TEST_CASE("the first of equal taps wins") {
  const auto src = Tensor<float, Cpu>::filled({1, 20, 4, 4}, 1.0f, Layout::nhwc);
  const Context<Cpu> context(1);
  Tensor<float, Cpu> dst({1, 20, 2, 2}, Layout::nhwc);
  auto switches = Switches<Cpu>::make(dst.shape(), dst.layout(), 4, context.workspace());
  max_pool2d_forward(context, src, {Window2d::square(2, 2)}, dst.view(), switches);
  for (Index c = 0; c < 20; ++c) CHECK(switches.view().at(0, c, 1, 1) == 0);
}

TEST_CASE("the first NaN wins its window and is kept; minus infinity is a value like another") {
  const float nan = std::numeric_limits<float>::quiet_NaN(), low = -std::numeric_limits<float>::infinity();
  const Context<Cpu> context(1);
  for (const Layout layout : {Layout::nchw, Layout::nhwc})
    for (const Index kernel : {2, 3, 4}) {
      auto src = Tensor<float, Cpu>::filled({1, 19, kernel, kernel}, low, layout);
      for (Index c = 0; c < 18; ++c) {
        src(0, c, 0, 0) = 5;
        src(0, c, 0, 1) = nan;
        src(0, c, 1, 0) = nan;
        src(0, c, 1, 1) = 7;
      }
      Tensor<float, Cpu> dst({1, 19, 1, 1}, layout);
      auto switches = Switches<Cpu>::make(dst.shape(), layout, kernel * kernel, context.workspace());
      max_pool2d_forward(context, src, {Window2d::square(kernel, kernel)}, dst.view(), switches);
      for (Index c = 0; c < 18; ++c) {
        CHECK(std::isnan(dst(0, c, 0, 0)));
        CHECK(switches.view().at(0, c, 0, 0) == 1);
      }
      CHECK(dst(0, 18, 0, 0) == low);
      CHECK(switches.view().at(0, 18, 0, 0) == 0);
    }
}

TEST_CASE("padding never wins, and a window without a tap in the image gives minus infinity") {
  const Context<Cpu> context(1);
  for (const Layout layout : {Layout::nchw, Layout::nhwc}) {
    const auto src = Tensor<float, Cpu>::filled({1, 3, 2, 2}, -4.0f, layout);
    Window2d window = Window2d::square(1, 1, 1);
    Tensor<float, Cpu> dst({1, 3, 4, 4}, layout);
    auto switches = Switches<Cpu>::make(dst.shape(), layout, 1, context.workspace());
    max_pool2d_forward(context, src, {window}, dst.view(), switches);
    CHECK(dst(0, 2, 0, 0) == -std::numeric_limits<float>::infinity());
    CHECK(dst(0, 2, 1, 1) == -4.0f);
    const auto indices = switches_to_indices(context, switches, {window}, src.shape());
    CHECK(indices(0, 2, 0, 0) == -1);
    CHECK(indices(0, 2, 2, 1) == 10);
  }
}

TEST_CASE("switches widen with the window") {
  CHECK(Switches<Cpu>::width_for(1) == 1);
  CHECK(Switches<Cpu>::width_for(256) == 1);
  CHECK(Switches<Cpu>::width_for(257) == 2);
  CHECK(Switches<Cpu>::width_for(65537) == 4);
  CHECK_THROWS_AS(Switches<Cpu>::width_for(0), ShapeError);
}

TEST_CASE("switches turn into flat indices in both storage orders") {
  const Context<Cpu> context(2);
  for (const Layout layout : {Layout::nchw, Layout::nhwc}) {
    const Shape shape{2, 5, 7, 9};
    const auto src = in_layout<float>(make_input<float>({shape}, false, 3), layout);
    const MaxPool2dParams params{{3, 2, 2, 1, 1, 2, {1, 0, 0, 1}, Rounding::ceil}};
    const Shape pooled = pool2d_output_shape(shape, params.window);
    Tensor<float, Cpu> dst(pooled, layout);
    auto switches = Switches<Cpu>::make(pooled, layout, params.window.taps(), context.workspace());
    max_pool2d_forward(context, src, params, dst.view(), switches);
    const auto rows = switches_to_indices(context, switches, params, shape);
    const auto columns = switches_to_indices(context, switches, params, shape, true);
    for (Index n = 0; n < pooled[0]; ++n)
      for (Index c = 0; c < pooled[1]; ++c)
        for (Index p = 0; p < pooled[2]; ++p)
          for (Index q = 0; q < pooled[3]; ++q) {
            const Index plane = (n * 5 + c) * 63, a = rows(n, c, p, q) - plane,
                        b = columns(n, c, p, q) - plane;
            REQUIRE((a >= 0 && a < 63 && b >= 0 && b < 63));
            CHECK(src(n, c, a / 9, a % 9) == dst(n, c, p, q));
            CHECK((b % 7 == a / 9 && b / 7 == a % 9));
          }
  }
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
