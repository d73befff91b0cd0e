#include "deconv/ops/lrn.hpp"

#include "deconv/ops/reference/lrn.hpp"
#include "support/each_device.hpp"
#include "support/op_test.hpp"
#include "support/shifted.hpp"

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
  // AlexNet's and ZFNet's, with few pixels, and channels that end within a piece.
  const LrnParams alexnet{LrnRegion::across_channels, AlphaConvention::per_region, 5, 1e-4f, 0.75f, 1.0f};
  for (const Shape& shape : {Shape{1, 96, 7, 9}, Shape{1, 256, 4, 3}, Shape{1, 50, 5, 5}}) {
    check_op(LrnForward{shape, alexnet});
    check_op(LrnReverse(shape, alexnet));
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

/// The forward pass of host tensors on any device, and the reverse one of a signal of ones.
template <Device D>
std::pair<Tensor<float, Cpu>, Tensor<float, Cpu>> normalised_on(const Context<D>& context,
                                                                const Tensor<float, Cpu>& src,
                                                                const LrnParams& params) {
  const auto ones = Tensor<float, Cpu>::filled(src.shape(), 1.0f, src.layout());
  const auto there = to_device(context, src.view()), signal = to_device(context, ones.view());
  auto dst = context.template make<float>(src.shape(), src.layout());
  auto diff = context.template make<float>(src.shape(), src.layout());
  lrn_forward(context, there, params, dst.view());
  lrn_reverse(context, there, signal, params, diff.view());
  return {to_host(context, dst.view()), to_host(context, diff.view())};
}

TEST_CASE("contrast normalisation at the edges of the numbers") {
  const LrnParams params{LrnRegion::across_channels, AlphaConvention::plain, 1, 1.0f, 0.75f, 0.0f};
  const float infinity = std::numeric_limits<float>::infinity();
  each_device([&](const auto& context) {
    for (const Layout layout : {Layout::nchw, Layout::nhwc}) {
      const auto src = in_layout<float>(
          Tensor<float, Cpu>::from({1, 5, 1, 1},
                                   std::vector<float>{1e18f, 1e-18f, 4.0f, infinity, std::nanf("")}),
          layout);
      const auto dst = normalised_on(context, src, params).first;
      // x / (x^2)^(3/4) = 1 / sqrt(x)
      CHECK(nearly_equal(dst.data()[0], 1e-9f));
      CHECK(nearly_equal(dst.data()[1], 1e9f));
      CHECK(nearly_equal(dst.data()[2], 0.5f));
      CHECK(std::isnan(dst.data()[3]));  // infinity times 0, as in the formula
      CHECK(std::isnan(dst.data()[4]));
    }
  });
}

TEST_CASE("what lies beside an infinite value becomes 0, and a gradient stays finite beside zeros") {
  each_device([&](const auto& context) {
    for (const Layout layout : {Layout::nchw, Layout::nhwc})
      for (const Index channels : {8, 11})
        for (const float beta : {0.75f, 0.5f, 1.0f, 0.6f}) {
          LrnParams params{LrnRegion::across_channels, AlphaConvention::plain, 3, 1.0f, beta, 1.0f};
          auto src = Tensor<float, Cpu>::filled({1, channels, 1, 1}, 1.0f, layout);
          src.data()[5] = std::numeric_limits<float>::infinity();
          const auto forward = normalised_on(context, src, params).first;
          CHECK(forward.data()[3] > 0.0f);
          CHECK(forward.data()[4] == 0.0f);
          CHECK(std::isnan(forward.data()[5]));
          CHECK(forward.data()[6] == 0.0f);
          // Without k a region of zeros alone would divide by nothing; none of these is one.
          params.k = 0.0f;
          src.data()[5] = 2.0f;
          src.data()[0] = 0.0f;
          src.data()[channels - 1] = 0.0f;
          const auto reverse = normalised_on(context, src, params).second;
          for (const float value : reverse.span()) CHECK(std::isfinite(value));
        }
  });
}

TEST_CASE("contrast normalisation takes tensors that begin anywhere") {
  for (const LrnRegion region : {LrnRegion::across_channels, LrnRegion::within_channel}) {
    const LrnParams params{region, AlphaConvention::per_region, 5, 0.4f, 0.75f, 2.0f};
    check_op(OnShifted(LrnForward{{2, 24, 3, 5}, params}));
    check_op(OnShifted(LrnReverse({2, 24, 3, 5}, params)));
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
