#include "deconv/ops/update_weights.hpp"

#include "deconv/ops/fill.hpp"
#include "deconv/ops/reference/linear.hpp"
#include "deconv/ops/reference/sgd_update.hpp"
#include "support/each_device.hpp"
#include "support/op_test.hpp"

namespace deconv::test {
namespace {

/// What a step changes, on a device.
template <class T, Device D>
struct Trained {
  ShiftedTensor<float, D> velocity, weights;
  Tensor<T, D> rounded;
  Tensor<T, D> bias;

  Trained(const Context<D>& context, const Shape& shape, Layout layout, Index shift)
      : velocity(context, start(shape, layout, 5), shift), weights(context, start(shape, layout, 6), shift) {
    if constexpr (!std::is_same_v<T, float>) {
      rounded = context.template make<T>(shape, layout);
      fill<T>(context, rounded.view(), static_cast<T>(77.0f));
    }
    bias = context.template make<T>({shape[0]});
    fill<T>(context, bias.view(), static_cast<T>(77.0f));
  }
  static Tensor<float, Cpu> start(const Shape& shape, Layout layout, std::uint64_t seed) {
    const auto values = make_input<float>({shape}, false, seed);
    return shape.rank() == 4 ? in_layout<float>(values, layout) : values.clone();
  }
  [[nodiscard]] WeightStep<T, D> step(const SgdParams& sgd) {
    return {sgd, velocity.view(), weights.view(), rounded.view()};
  }
  void check_same(const Context<D>& context, Trained& other) {
    CHECK(same_bits<float>(context, velocity.view(), other.velocity.view()));
    CHECK(same_bits<float>(context, weights.view(), other.weights.view()));
    CHECK(same_bits<T>(context, bias.view(), other.bias.view()));
    if constexpr (!std::is_same_v<T, float>)
      CHECK(same_bits<T>(context, rounded.view(), other.rounded.view()));
  }
};

const std::vector<SgdParams> steps{
    {0.25f, 0.9f, 5e-4f, 0, 1.0f / 128}, {0.1f, 0.5f, 0, 0.3f}, {0.3f, 0.9f, 0.007f, 100, 0.125f}};

template <class T, Device D>
Tensor<T, D> given(const Context<D>& context, const Shape& shape, Layout layout, std::uint64_t seed) {
  const auto values = make_input<T>({shape}, false, seed);
  if (shape.rank() == 2) return to_device(context, values.view());
  return to_device(context, in_layout<T>(values, layout).view());
}

template <class T, Device D>
void check_convolution(const Context<D>& context, const Shape& src, Index maps, const Conv2dParams& params,
                       Layout layout, Index shift) {
  const Shape filters{maps, src[1] / params.groups, params.window.kernel_y, params.window.kernel_x};
  const Shape dst = conv2d_output_shape(src, maps, params);
  const auto x = given<T>(context, src, layout, 1), signal = given<T>(context, dst, layout, 2);
  for (const SgdParams& sgd : steps) {
    INFO("convolution of " << src << " to " << maps << ' ' << name_of(layout) << ' ' << name_of(dtype_of<T>)
                           << ", largest rms " << sgd.largest_rms);
    Trained<T, D> two(context, filters, layout, shift), one(context, filters, layout, shift);
    auto gradient = context.template make<T>(filters, layout);
    conv2d_reverse_weights<T>(context, x, signal, params, gradient.view(), two.bias.view());
    take_step<T>(context, gradient.view(), two.step(sgd));
    conv2d_update_weights<T>(context, x, signal, params, one.step(sgd), one.bias.view());
    two.check_same(context, one);
    Trained<T, D> before(context, filters, layout, shift);
    CHECK_FALSE(same_bits<float>(context, before.weights.view(), one.weights.view()));
  }
}

template <class T, Device D>
void check_linear(const Context<D>& context, Index images, Index features, Index outputs, Index shift) {
  const auto x = given<T>(context, {images, features}, Layout::nchw, 1),
             signal = given<T>(context, {images, outputs}, Layout::nchw, 2);
  for (const SgdParams& sgd : steps) {
    INFO("linear " << images << " x " << features << " to " << outputs << ' ' << name_of(dtype_of<T>)
                   << ", largest rms " << sgd.largest_rms);
    Trained<T, D> two(context, {outputs, features}, Layout::nchw, shift),
        one(context, {outputs, features}, Layout::nchw, shift);
    auto gradient = context.template make<T>({outputs, features});
    linear_reverse_weights<T>(context, x, signal, gradient.view(), two.bias.view());
    take_step<T>(context, gradient.view(), two.step(sgd));
    linear_update_weights<T>(context, x, signal, one.step(sgd), one.bias.view());
    two.check_same(context, one);
  }
}

template <class T, Device D>
void check_all(const Context<D>& context) {
  for (const Layout layout : {Layout::nchw, Layout::nhwc}) {
    check_convolution<T>(context, {2, 8, 9, 11}, 12, {Window2d::square(3, 1, 1)}, layout, 0);
    // Filters of 27 and of 50 weights, which do not come in fours; groups; a stride.
    check_convolution<T>(context, {3, 3, 12, 10}, 5, {Window2d::square(3, 2, 1)}, layout, 1);
    check_convolution<T>(context, {1, 4, 13, 9}, 6, {Window2d::square(5, 2, 0), 2}, layout, 0);
  }
  check_linear<T>(context, 20, 24, 36, 0);
  check_linear<T>(context, 300, 17, 5, 0);  // sums in several parts
  check_linear<T>(context, 1, 40, 8, 3);
}

TEST_CASE("weights updated at once have the bits of gradient and step") {
  each_device([](const auto& context) {
    check_all<float>(context);
    if constexpr (std::same_as<DeviceOf<decltype(context)>, Cuda>) {
      check_all<half>(context);
      check_all<bfloat16>(context);
    }
  });
}

TEST_CASE("weights updated at once agree with the naive reference") {
  each_device([](const auto& context) {
    using D = DeviceOf<decltype(context)>;
    const Index images = 70, features = 9, outputs = 14;
    const SgdParams sgd{0.25f, 0.5f, 0.25f, 0, 0.125f};
    const auto value = [](const Shape& shape, std::uint64_t seed) {
      return make_input<double>({shape}, true, seed);
    };
    const auto narrow = [&](const Tensor<double, Cpu>& wide) {
      Tensor<float, Cpu> result(wide.shape());
      std::transform(wide.begin(), wide.end(), result.begin(),
                     [](double v) { return static_cast<float>(v); });
      return to_device(context, result.view());
    };
    const Shape shape{outputs, features};
    const auto src = value({images, features}, 1), signal = value({images, outputs}, 2);
    auto velocity = value(shape, 3), weights = value(shape, 4);
    auto v = narrow(velocity), w = narrow(weights);
    linear_update_weights<float>(context, narrow(src), narrow(signal),
                                 WeightStep<float, D>{sgd, v.view(), w.view(), {}}, {});
    Tensor<double, Cpu> gradient(shape);
    reference::linear_reverse_weights<double>(src, signal, gradient.view(), {});
    reference::sgd_update<double>(sgd, gradient, velocity.view(), weights.view());
    // Small binary fractions: exact.
    CHECK(error_against<float>(to_host(context, w.view()), weights) == 0);
    CHECK(error_against<float>(to_host(context, v.view()), velocity) == 0);
  });
}

TEST_CASE("updates of weights name what does not fit") {
  const Context<Cpu> context(1);
  Tensor<float, Cpu> src({2, 3}), signal({2, 4}), weights({4, 3}), other({3, 4}), bias({4});
  const auto step = [&](Tensor<float, Cpu>& velocity, Tensor<float, Cpu>& values, float rate) {
    return WeightStep<float, Cpu>{{rate, 0.9f, 0, 0}, velocity.view(), values.view(), {}};
  };
  CHECK_NOTHROW(linear_update_weights<float>(context, src, signal, step(weights, weights, 0), bias.view()));
  CHECK_THROWS_AS(linear_update_weights<float>(context, src, signal, step(other, weights, 0), {}),
                  ShapeError);
  CHECK_THROWS_AS(linear_update_weights<float>(context, src, signal, step(other, other, 0), {}), ShapeError);
  CHECK_THROWS_AS(linear_update_weights<float>(context, src, signal, step(weights, weights, 0), src.view()),
                  ShapeError);
  CHECK_THROWS_AS(linear_update_weights<float>(context, src, signal, step(weights, weights, -1), {}),
                  ArgumentError);
}

}  // namespace
}  // namespace deconv::test
