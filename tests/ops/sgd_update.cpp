#include "deconv/ops/sgd_update.hpp"

#include "deconv/ops/copy_layout.hpp"
#include "deconv/ops/reference/sgd_update.hpp"
#include "support/each_device.hpp"
#include "support/op_test.hpp"

namespace deconv::test {
namespace {

TEST_CASE("a step of gradient descent agrees with the naive reference") {
  for (const Shape& shape :
       {Shape{8, 3, 7, 7}, Shape{5, 16, 3, 3}, Shape{1, 1, 1, 1}, Shape{37}, Shape{3, 1100}})
    for (const SgdParams& params :
         {SgdParams{0.5f, 0.5f, 0.25f, 0}, SgdParams{0.5f, 0.75f, 0, 0}, SgdParams{0.5f, 0.5f, 0.25f, 1.5f},
          SgdParams{0.25f, 0.9f, 5e-4f, 0.1f}, SgdParams{0.25f, 0.5f, 0, 100},
          SgdParams{0.5f, 0.5f, 0.25f, 0, 0.125f}, SgdParams{0.25f, 0.9f, 5e-4f, 0.1f, 1.0f / 128},
          SgdParams{0.5f, 0.5f, 0, 100, 0.25f}}) {
      // Small binary fractions are exact; a root is not.
      const bool exact = params.largest_rms == 0 || params.largest_rms == 100;
      check_op(declare_op(
                   message("sgd_update ", shape, ", momentum ", params.momentum, ", decay ", params.decay,
                           ", largest rms ", params.largest_rms, ", gradient scale ", params.gradient_scale),
                   {{shape}, {shape}, {shape}}, {{shape}, {shape}}, tolerance::differences,
                   exact ? OnIntegers::exact : OnIntegers::within_tolerance,
                   [=](const auto& in, const auto& out) {
                     std::copy(in[1].begin(), in[1].end(), out[0].begin());
                     std::copy(in[2].begin(), in[2].end(), out[1].begin());
                     reference::sgd_update(params, in[0], out[0], out[1]);
                   },
                   [=](const auto& context, const auto& in, const auto& out) {
                     copy_layout(context, in[1], out[0]);
                     copy_layout(context, in[2], out[1]);
                     sgd_update(context, params, in[0], out[0], out[1]);
                   }),
               shape.count() == 1 ? 0 : 0.3);
    }
}

TEST_CASE("only filters beyond the radius are scaled back, and exactly to it") {
  each_device([](const auto& context) {
    // Filters whose root mean square is 0.05 * (k + 1).
    const Index filter = 147;
    for (const Index shift : {0, 1}) {
      using D = DeviceOf<decltype(context)>;
      Tensor<float, Cpu> start({4, 3, 7, 7});
      for (Index i = 0; i < start.count(); ++i)
        start.data()[i] = (i % 2 == 0 ? 0.05f : -0.05f) * static_cast<float>(i / filter + 1);
      const auto zero = Tensor<float, Cpu>::filled(start.shape(), 0.0f);
      ShiftedTensor<float, D> weights(context, start, shift), velocity(context, zero, shift),
          gradient(context, zero, 0);
      sgd_update(context, {0.01f, 0.9f, 0, 0.1f}, gradient.view(), velocity.view(), weights.view());
      const auto met = to_host(context, weights.view());
      for (Index k = 0; k < 4; ++k) {
        double squares = 0;
        for (Index i = 0; i < filter; ++i)
          squares += static_cast<double>(met.data()[k * filter + i]) * met.data()[k * filter + i];
        CHECK(std::sqrt(squares / static_cast<double>(filter)) == Approx(k == 0 ? 0.05 : 0.1).epsilon(1e-6));
      }
      CHECK(met.data()[5] == start.data()[5]);
    }
  });
}

TEST_CASE("momentum carries on and the decay pulls towards 0") {
  each_device([](const auto& context) {
    const auto at = [&](float value) {
      return to_device(context, Tensor<float, Cpu>::filled({1, 1}, value).view());
    };
    auto weights = at(1), velocity = at(0);
    const auto gradient = at(2), none = at(0);
    const SgdParams params{0.125f, 0.5f, 0.5f, 0};
    sgd_update(context, params, gradient, velocity.view(), weights.view());
    CHECK(to_host(context, velocity.view()).data()[0] == -0.3125f);  // -0.125 * (2 + 0.5)
    CHECK(to_host(context, weights.view()).data()[0] == 0.6875f);
    sgd_update(context, params, none, velocity.view(), weights.view());
    CHECK(to_host(context, velocity.view()).data()[0] == -0.15625f - 0.125f * 0.34375f);
  });
}

TEST_CASE("a gradient scale of 1 leaves the bits, and a power of two equals a scaled gradient") {
  each_device([](const auto& context) {
    const Shape shape{9, 5, 3, 3};
    const auto start = make_input<float>({shape}, false, 1), slope = make_input<float>({shape}, false, 2),
               momentum = make_input<float>({shape}, false, 3);
    for (const float radius : {0.0f, 0.5f}) {
      const auto step = [&](float scale, float factor) {
        auto scaled = make_input<float>({shape}, false, 2);
        for (float& g : scaled.span()) g *= factor;
        const auto gradient = to_device(context, scaled.view());
        auto velocity = to_device(context, momentum.view()), weights = to_device(context, start.view());
        sgd_update(context, {0.3f, 0.9f, 0.007f, radius, scale}, gradient, velocity.view(), weights.view());
        return to_host(context, weights.view());
      };
      const auto quarter = step(0.25f, 1), before = step(1, 0.25f);
      CHECK(std::equal(quarter.begin(), quarter.end(), before.begin()));
      const auto once = step(1, 1);
      CHECK_FALSE(std::equal(quarter.begin(), quarter.end(), once.begin()));
      // A scale of 0 leaves momentum and decay alone, whatever the gradient.
      const auto none = step(0, 1), of_nothing = step(1, 0);
      CHECK(std::equal(none.begin(), none.end(), of_nothing.begin()));
    }
  });
}

TEST_CASE("sgd_update names what does not fit") {
  const Context<Cpu> context(1);
  Tensor<float, Cpu> a({2, 3}), b({3, 2}), empty({0, 3}), none({0, 3});
  CHECK_NOTHROW(sgd_update(context, {}, empty, none.view(), empty.view()));
  CHECK_THROWS_AS(sgd_update(context, {}, b, a.view(), a.view()), ShapeError);
  CHECK_THROWS_AS(sgd_update(context, {}, a, b.view(), a.view()), ShapeError);
  for (const SgdParams& params :
       {SgdParams{-1, 0, 0, 0}, SgdParams{1, std::nanf(""), 0, 0}, SgdParams{1, 0, -1, 0},
        SgdParams{1, 0, 0, -0.1f}, SgdParams{1, 0, 0, 0, -1}, SgdParams{1, 0, 0, 0, std::nanf("")}})
    CHECK_THROWS_AS(sgd_update(context, params, a, a.view(), a.view()), ArgumentError);
}

}  // namespace
}  // namespace deconv::test
