#include "deconv/ops/dropout.hpp"

#include "deconv/ops/reference/dropout.hpp"
#include "support/each_device.hpp"
#include "support/op_test.hpp"

namespace deconv::test {
namespace {

template <class T, Device D>
void masks_as_numbers(const Context<D>& context, std::type_identity_t<TensorView<std::uint8_t, D>> mask,
                      TensorView<T, D> numbers) {
  const auto bytes = to_host(context, mask);
  Tensor<T, Cpu> values(numbers.shape(), numbers.layout());
  for (Index i = 0; i < values.count(); ++i)
    values.data()[i] = static_cast<T>(static_cast<float>(bytes.data()[i]));
  copy_from_host(context, values, numbers);
}

TEST_CASE("dropout depends on the seed and the element's place alone") {
  const Random random(77, 3);
  for (const Shape& shape : {Shape{2, 5, 3, 4}, Shape{4, 48, 19, 17}, Shape{3, 41, 1, 1}})
    check_op(declare_op(
        message("dropout_forward ", shape), {{shape}}, {{shape}, {shape}}, tolerance::few_roundings,
        OnIntegers::within_tolerance,
        [=](const auto& in, const auto& out) {
          Tensor<std::uint8_t, Cpu> mask(shape);
          reference::dropout_forward(in[0], 0.3f, random, out[0], mask.view());
          masks_as_numbers(Context<Cpu>(1), mask.view(), out[1]);
        },
        [=](const auto& context, const auto& in, const auto& out) {
          auto mask = context.template make<std::uint8_t>(shape, out[0].layout());
          dropout_forward(context, in[0], 0.3f, random, out[0], mask.view());
          masks_as_numbers(context, mask.view(), out[1]);
        }));
}

TEST_CASE("what dropout kept passes back, in any place of memory") {
  each_device([](const auto& context) {
    using D = DeviceOf<decltype(context)>;
    const Random random(5);
    for (const Shape& shape : {Shape{0, 7}, Shape{1, 1}, Shape{3, 37}, Shape{2, 512}})
      for (const Index shift : {0, 1, 4}) {
        const auto values = make_input<float>({shape}, false, 3);
        ShiftedTensor<float, D> src(context, values, shift);
        ShiftedTensor<std::uint8_t, D> mask(context, Tensor<std::uint8_t, Cpu>::filled(shape, 9), shift);
        auto dst = context.template make<float>(shape), back = context.template make<float>(shape);
        dropout_forward(context, src.view(), 0.4f, random, dst.view(), mask.view());
        dropout_reverse(context, src.view(), mask.view(), 0.4f, back.view());
        CHECK(same_bits(context, dst.view(), back.view()));
        const auto kept = to_host(context, mask.view());
        for (Index i = 0; i < shape.count(); ++i)
          CHECK(kept.data()[i] == (random.uniform(static_cast<std::uint64_t>(i)) >= 0.4f));
      }
  });
}

TEST_CASE("dropout keeps the share it is told, scales it, and passes the same elements back") {
  const Context<Cpu> context(2);
  const Shape shape{40, 1000};
  const auto ones = Tensor<float, Cpu>::filled(shape, 1.0f);
  Tensor<float, Cpu> dst(shape), back(shape);
  Tensor<std::uint8_t, Cpu> mask(shape);
  dropout_forward(context, ones, 0.25f, Random(1), dst.view(), mask.view());
  const auto kept = std::count(mask.begin(), mask.end(), 1);
  CHECK(std::abs(static_cast<double>(kept) - 30000) < 350);  // four standard deviations
  CHECK(std::count(dst.begin(), dst.end(), 1 / 0.75f) == kept);
  CHECK(std::count(dst.begin(), dst.end(), 0.0f) == 40000 - kept);
  dropout_reverse(context, ones, mask, 0.25f, back.view());
  CHECK(std::equal(back.begin(), back.end(), dst.begin()));
  reference::dropout_reverse<float>(ones, mask.view(), 0.25f, dst.view());
  CHECK(std::equal(back.begin(), back.end(), dst.begin()));
  dropout_forward(context, ones, 0.25f, Random(2), back.view(), mask.view());
  CHECK_FALSE(std::equal(back.begin(), back.end(), dst.begin()));
  dropout_forward(context, ones, 0, Random(2), back.view(), mask.view());
  CHECK(std::equal(back.begin(), back.end(), ones.begin()));
}

TEST_CASE("dropout names what does not fit") {
  const Context<Cpu> context(1);
  Tensor<float, Cpu> a({2, 3});
  Tensor<std::uint8_t, Cpu> mask({2, 3}), other({3, 2});
  for (const float ratio : {1.0f, -0.1f, std::nanf("")})
    CHECK_THROWS_AS(dropout_forward(context, a, ratio, Random(1), a.view(), mask.view()), ArgumentError);
  CHECK_THROWS_AS(dropout_forward(context, a, 0.5f, Random(1), a.view(), other.view()), ShapeError);
  CHECK_THROWS_AS(dropout_reverse(context, a, other, 0.5f, a.view()), ShapeError);
}

}  // namespace
}  // namespace deconv::test
