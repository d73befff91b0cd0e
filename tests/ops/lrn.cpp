#include "deconv/ops/lrn.hpp"

#include "deconv/ops/reference/lrn.hpp"
#include "support/op_test.hpp"

namespace deconv::test {
namespace {

std::string describe(const LrnParams& params) {
  return message(params.region == LrnRegion::across_channels ? "across" : "within",
                 params.convention == AlphaConvention::plain ? " plain" : " per region", " size ",
                 params.size, " alpha ", params.alpha, " beta ", params.beta, " k ", params.k);
}

struct LrnForward {
  static constexpr bool exact_integers = false;
  Shape shape;
  LrnParams params;
  Tolerance tolerance = tolerance::powers;
  [[nodiscard]] std::string name() const { return message("lrn_forward ", shape, " ", describe(params)); }
  [[nodiscard]] std::vector<Operand> inputs() const { return {{shape}}; }
  [[nodiscard]] std::vector<Operand> outputs() const { return {{shape}}; }
  template <class T>
  void reference(const In<T, Cpu>& in, const Out<T, Cpu>& out) const {
    reference::lrn_forward<T>(in[0], params, out[0]);
  }
  template <class T, Device D>
  void run(const Context<D>& context, const In<T, D>& in, const Out<T, D>& out) const {
    lrn_forward<T>(context, in[0], params, out[0]);
  }
};

struct LrnReverse : LrnForward {
  LrnReverse(const Shape& shape_, const LrnParams& params_)
      : LrnForward{shape_, params_, tolerance::differences} {}
  [[nodiscard]] std::string name() const { return message("lrn_reverse ", shape, " ", describe(params)); }
  [[nodiscard]] std::vector<Operand> inputs() const { return {{shape}, {shape}}; }
  template <class T>
  void reference(const In<T, Cpu>& in, const Out<T, Cpu>& out) const {
    reference::lrn_reverse<T>(in[0], in[1], params, out[0]);
  }
  template <class T, Device D>
  void run(const Context<D>& context, const In<T, D>& in, const Out<T, D>& out) const {
    lrn_reverse<T>(context, in[0], in[1], params, out[0]);
  }
};

/// Both regions and conventions; odd, even, tiny and huge sizes; powers with and without a way of their own.
std::vector<LrnParams> variants() {
  std::vector<LrnParams> all;
  for (const LrnRegion region : {LrnRegion::across_channels, LrnRegion::within_channel})
    for (const AlphaConvention convention : {AlphaConvention::per_region, AlphaConvention::plain})
      for (const Index size : {1, 2, 3, 5, 200}) all.push_back({region, convention, size, 0.4f, 0.75f, 2.0f});
  for (const float beta : {0.5f, 1.0f, 0.6f})
    all.push_back({LrnRegion::across_channels, {}, 5, 0.3f, beta, 1.0f});
  all.push_back({LrnRegion::within_channel, {}, 3, 5e-5f, 0.75f, 1.0f});
  return all;
}

TEST_CASE("contrast normalisation agrees with the naive reference") {
  for (const LrnParams& params : variants())
    for (const Shape& shape : {Shape{2, 7, 5, 6}, Shape{1, 1, 1, 1}, Shape{1, 3, 1, 9}, Shape{2, 40, 3, 3}}) {
      check_op(LrnForward{shape, params});
      check_op(LrnReverse(shape, params));
    }
  const LrnParams common;
  check_op(LrnForward{{2, 96, 27, 23}, common});
  check_op(LrnReverse({2, 96, 27, 23}, common));
}

TEST_CASE("the gradient of contrast normalisation agrees with finite differences") {
  for (const LrnParams& params : variants()) {
    const Shape shape{2, 6, 3, 4};
    check_gradient(
        "lrn_reverse " + describe(params), {shape}, shape,
        [&](const Context<Cpu>& context, TensorView<const double, Cpu> x, TensorView<double, Cpu> y) {
          lrn_forward(context, x, params, y);
        },
        [&](TensorView<const double, Cpu> x) -> Pass {
          return [&params, x](const Context<Cpu>& context, TensorView<const double, Cpu> y,
                              TensorView<double, Cpu> dx) { lrn_reverse(context, x, y, params, dx); };
        });
  }
}

TEST_CASE("contrast normalisation at the edges of the numbers") {
  const Context<Cpu> context(1);
  const LrnParams params{LrnRegion::across_channels, AlphaConvention::plain, 1, 1.0f, 0.75f, 0.0f};
  const float infinity = std::numeric_limits<float>::infinity();
  for (const Layout layout : {Layout::nchw, Layout::nhwc}) {
    const auto src =
        in_layout<float>(Tensor<float, Cpu>::from(
                             {1, 5, 1, 1}, std::vector<float>{1e18f, 1e-18f, 4.0f, infinity, std::nanf("")}),
                         layout);
    Tensor<float, Cpu> dst(src.shape(), layout);
    lrn_forward(context, src, params, dst.view());
    // x / (x^2)^(3/4) = 1 / sqrt(x)
    CHECK(nearly_equal(dst.data()[0], 1e-9f));
    CHECK(nearly_equal(dst.data()[1], 1e9f));
    CHECK(nearly_equal(dst.data()[2], 0.5f));
    CHECK(std::isnan(dst.data()[3]));  // infinity times 0, as in the formula
    CHECK(std::isnan(dst.data()[4]));
  }
}

TEST_CASE("contrast normalisation names what does not fit") {
  const Context<Cpu> context(1);
  Tensor<float, Cpu> src({1, 2, 4, 4}), other({1, 2, 4, 3}), woven({1, 2, 4, 4}, Layout::nhwc), flat({2, 16});
  CHECK_THROWS_AS(lrn_forward(context, src, {}, other.view()), ShapeError);
  CHECK_THROWS_AS(lrn_forward(context, src, {}, woven.view()), ShapeError);
  CHECK_THROWS_AS(lrn_forward(context, flat, {}, flat.view()), ShapeError);
  LrnParams params;
  params.size = 0;
  CHECK_THROWS_AS(lrn_forward(context, src, params, src.view()), ShapeError);
  CHECK_THROWS_AS(lrn_reverse(context, src, other, {}, src.view()), ShapeError);
}

}  // namespace
}  // namespace deconv::test
