#include "deconv/ops/unpool2d.hpp"

#include "deconv/ops/reference/max_pool2d.hpp"
#include "support/op_test.hpp"
#include "support/pool_shapes.hpp"
#include "support/shifted.hpp"

namespace deconv::test {
namespace {

/// Reads the pool's input, which decides the switches, and the signal; writes the unpooled signal. `window`
/// may differ from the pool's in padding and `plane` from the pool's input, as for windows cut from larger
/// planes.
struct Unpool {
  Shape shape;
  Window2d pool, window;
  Shape plane;
  OverlapRule overlap;
  Tolerance tolerance = tolerance::few_roundings;
  Unpool(const Shape& shape_, const Window2d& pool_, OverlapRule overlap_)
      : shape(shape_), pool(pool_), window(pool_), plane(shape_), overlap(overlap_) {}
  [[nodiscard]] std::string name() const {
    return message("unpool2d ", overlap == OverlapRule::sum ? "sum " : "last ", plane, " ", window);
  }
  [[nodiscard]] Shape pooled() const { return pool2d_output_shape(shape, pool); }
  [[nodiscard]] std::vector<Operand> inputs() const { return {{shape}, {pooled()}}; }
  [[nodiscard]] std::vector<Operand> outputs() const { return {{plane}}; }
  template <class T>
  void reference(const In<T, Cpu>& in, const Out<T, Cpu>& out) const {
    auto switches = Switches<Cpu>::make(pooled(), Layout::nchw, pool.taps(), host_workspace());
    Tensor<T, Cpu> maxima(pooled());
    reference::max_pool2d_forward<T>(in[0], {pool}, maxima.view(), switches);
    reference::unpool2d<T>(in[1], switches, {window}, overlap, out[0]);
  }
  template <class T, Device D>
  void run(const Context<D>& context, const In<T, D>& in, const Out<T, D>& out) const {
    auto switches = Switches<D>::make(pooled(), in[1].layout(), pool.taps(), context.workspace());
    auto maxima = context.template make<T>(pooled(), in[1].layout());
    max_pool2d_forward<T>(context, in[0], {pool}, maxima.view(), switches);
    unpool2d<T>(context, in[1], switches, {window}, overlap, out[0]);
  }
};

TEST_CASE("unpooling agrees with a scatter, by sum and by last") {
  for (const auto& [shape, window] : pool_shapes())
    for (const OverlapRule overlap : {OverlapRule::sum, OverlapRule::last})
      check_op(Unpool(shape, window, overlap), 0.003);  // a global pool keeps one pixel of 306
}

TEST_CASE("unpooling takes tensors that begin anywhere") {
  for (const Window2d& window : {Window2d::square(3, 2), Window2d::square(2, 2), Window2d::square(3, 1)})
    check_op(OnShifted(Unpool({2, 16, 7, 9}, window, OverlapRule::sum)), 0.05);
}

TEST_CASE("unpooling takes windows of larger planes: negative padding and any extents") {
  for (const OverlapRule overlap : {OverlapRule::sum, OverlapRule::last}) {
    Unpool op({2, 20, 9, 9}, Window2d::square(3, 2), overlap);
    op.window.padding = {-3, -1, 0, 0};
    op.plane = {2, 20, 14, 12};
    check_op(op, 0.05);
    op.window.padding = {2, 3, 0, 0};
    op.plane = {2, 20, 4, 5};
    check_op(op, 0.05);
  }
}

TEST_CASE("the sum of overlapping signals is the adjoint and the gradient of max pooling") {
  for (const auto& pool : pool_shapes()) {
    const Shape& shape = pool.first;
    const Window2d& window = pool.second;
    if (shape.count() > 2000) continue;
    const MaxPool2dParams params{window};
    const Shape pooled = pool2d_output_shape(shape, window);
    const Pass forward = [&](const Context<Cpu>& context, TensorView<const double, Cpu> x,
                             TensorView<double, Cpu> y) { max_pool2d_forward(context, x, params, y); };
    check_gradient(message("unpool2d ", shape, " ", window), {shape}, pooled, forward,
                   [&](TensorView<const double, Cpu> x) {
                     return [&, x](const Context<Cpu>& context, TensorView<const double, Cpu> y,
                                   TensorView<double, Cpu> dx) {
                       auto switches =
                           Switches<Cpu>::make(pooled, x.layout(), window.taps(), context.workspace());
                       auto maxima = context.make<double>(pooled, x.layout());
                       max_pool2d_forward(context, x, params, maxima.view(), switches);
                       unpool2d(context, y, switches, params, OverlapRule::sum, dx);
                     };
                   });
  }
}

TEST_CASE("where a pixel won several windows, sum adds and last takes the last in raster order") {
  const Context<Cpu> context(1);
  for (const Layout layout : {Layout::nchw, Layout::nhwc}) {
    auto src = Tensor<float, Cpu>::filled({1, 1, 5, 5}, 0.0f, layout);
    src(0, 0, 2, 2) = 9;  // the centre wins all four windows
    const MaxPool2dParams params{Window2d::square(3, 2)};
    Tensor<float, Cpu> maxima({1, 1, 2, 2}, layout), back(src.shape(), layout);
    auto switches = Switches<Cpu>::make(maxima.shape(), layout, 9, context.workspace());
    max_pool2d_forward(context, src, params, maxima.view(), switches);
    auto signal = Tensor<float, Cpu>::from({1, 1, 2, 2}, std::vector<float>{1, 10, 100, 1000});
    const auto there = in_layout<float>(signal, layout);
    unpool2d(context, there, switches, params, OverlapRule::sum, back.view());
    CHECK(back(0, 0, 2, 2) == 1111.0f);
    unpool2d(context, there, switches, params, OverlapRule::last, back.view());
    CHECK(back(0, 0, 2, 2) == 1000.0f);
    CHECK(std::count(back.begin(), back.end(), 0.0f) == 24);
  }
}

TEST_CASE("a batch too large for the caches is unpooled like its images one by one") {
  const Context<Cpu> context(2);
  const Shape shape{16, 64, 81, 81};  // 27 MB
  const MaxPool2dParams params{Window2d::square(3, 2)};
  const Shape pooled = pool2d_output_shape(shape, params.window);
  const auto src = make_input<float>({shape}, true, 1), signal = make_input<float>({pooled}, false, 2);
  Tensor<float, Cpu> woven(shape, Layout::nhwc), woven_signal(pooled, Layout::nhwc),
      maxima(pooled, Layout::nhwc);
  std::copy(src.begin(), src.end(), woven.begin());
  std::copy(signal.begin(), signal.end(), woven_signal.begin());
  auto switches = Switches<Cpu>::make(pooled, Layout::nhwc, 9, context.workspace());
  max_pool2d_forward(context, woven, params, maxima.view(), switches);
  auto all = Tensor<float, Cpu>::filled(shape, std::nanf(""), Layout::nhwc);
  unpool2d(context, woven_signal, switches, params, OverlapRule::sum, all.view());
  Tensor<float, Cpu> one({1, 64, 81, 81}, Layout::nhwc);
  for (Index n = 0; n < 16; ++n) {
    unpool2d(context, woven_signal.view().slice(n, 1), switches.view().slice(n, 1), params, OverlapRule::sum,
             one.view());
    CHECK(std::equal(one.begin(), one.end(), all.view().slice(n, 1).begin()));
  }
  CHECK(std::count(one.begin(), one.end(), 0.0f) < one.count() * 9 / 10);
}

TEST_CASE("unpooling names what does not fit") {
  const Context<Cpu> context(1);
  Tensor<float, Cpu> dst({1, 2, 2, 2}), src({1, 2, 4, 4}), woven({1, 2, 4, 4}, Layout::nhwc),
      three({1, 3, 4, 4});
  const MaxPool2dParams params{Window2d::square(2, 2)};
  auto switches = Switches<Cpu>::make(dst.shape(), Layout::nchw, 4, context.workspace());
  std::fill_n(switches.view().data(), switches.bytes(), std::byte{0});
  CHECK_THROWS_AS(unpool2d(context, dst, switches, params, OverlapRule::sum, woven.view()), ShapeError);
  CHECK_THROWS_AS(unpool2d(context, dst, switches, params, OverlapRule::sum, three.view()), ShapeError);
  CHECK_THROWS_AS(unpool2d(context, src, switches, params, OverlapRule::sum, src.view()), ShapeError);
  CHECK_THROWS_AS(unpool2d(context, dst, {}, params, OverlapRule::sum, src.view()), ShapeError);
  CHECK_THROWS_AS(unpool2d(context, dst, switches, {Window2d::square(17)}, OverlapRule::sum, src.view()),
                  ShapeError);
}

}  // namespace
}  // namespace deconv::test
