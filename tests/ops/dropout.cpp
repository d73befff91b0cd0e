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
  const std::vector<std::pair<Shape, Index>> cases = {{{2, 5, 3, 4}, 0},   {{4, 48, 19, 17}, 0},
                                                      {{3, 41, 1, 1}, 0},  {{2, 5, 3, 4}, 120},
                                                      {{2, 5, 3, 4}, 45},  {{4, 48, 19, 17}, 31'008 + 3},
                                                      {{3, 41, 1, 1}, 82}, {{3, 41, 1, 1}, Index{1} << 40}};
  for (const auto& [shape_of_case, first_of_case] : cases) {
    const Shape shape = shape_of_case;
    const Index first = first_of_case;
    check_op(declare_op(
        message("dropout_forward ", shape, " from ", first), {{shape}}, {{shape}, {shape}},
        tolerance::few_roundings, OnIntegers::within_tolerance,
        [=](const auto& in, const auto& out) {
          Tensor<std::uint8_t, Cpu> mask(shape);
          reference::dropout_forward(in[0], 0.3f, random, first, out[0], mask.view());
          masks_as_numbers(Context<Cpu>(1), mask.view(), out[1]);
        },
        [=](const auto& context, const auto& in, const auto& out) {
          auto mask = context.template make<std::uint8_t>(shape, out[0].layout());
          dropout_forward(context, in[0], 0.3f, random, first, out[0], mask.view());
          masks_as_numbers(context, mask.view(), out[1]);
        }));
  }
}

TEST_CASE("parts of a batch draw what the whole batch would, with or without a mask") {
  each_device([](const auto& context) {
    using D = DeviceOf<decltype(context)>;
    const Random random(11, 4);
    const Shape whole{7, 19};
    const auto values = make_input<float>({whole}, false, 8);
    const auto src = to_device(context, values.view());
    auto dst = context.template make<float>(whole);
    dropout_forward(context, src, 0.5f, random, 0, dst.view());
    const auto wanted = to_host(context, dst.view());
    CHECK(std::count(wanted.begin(), wanted.end(), 0.0f) > 20);
    for (const Index split : {1, 3, 4}) {
      auto met = context.template make<float>(whole);
      for (const auto& [begin, end] : {std::pair<Index, Index>{0, split}, {split, whole[0]}}) {
        const Shape part{end - begin, whole[1]};
        const TensorView<const float, D> from(src.view().data() + begin * whole[1], part);
        const TensorView<float, D> to(met.view().data() + begin * whole[1], part);
        dropout_forward(context, from, 0.5f, random, begin * whole[1], to);
      }
      CHECK(same_bits(context, dst.view(), met.view()));
    }
  });
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
        dropout_forward(context, src.view(), 0.4f, random, 0, dst.view(), mask.view());
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
  dropout_forward(context, ones, 0.25f, Random(1), 0, dst.view(), mask.view());
  const auto kept = std::count(mask.begin(), mask.end(), 1);
  CHECK(std::abs(static_cast<double>(kept) - 30000) < 350);  // four standard deviations
  CHECK(std::count(dst.begin(), dst.end(), 1 / 0.75f) == kept);
  CHECK(std::count(dst.begin(), dst.end(), 0.0f) == 40000 - kept);
  dropout_reverse(context, ones, mask, 0.25f, back.view());
  CHECK(std::equal(back.begin(), back.end(), dst.begin()));
  reference::dropout_reverse<float>(ones, mask.view(), 0.25f, dst.view());
  CHECK(std::equal(back.begin(), back.end(), dst.begin()));
  dropout_forward(context, ones, 0.25f, Random(2), 0, back.view(), mask.view());
  CHECK_FALSE(std::equal(back.begin(), back.end(), dst.begin()));
  dropout_forward(context, ones, 0, Random(2), 0, back.view(), mask.view());
  CHECK(std::equal(back.begin(), back.end(), ones.begin()));
}

TEST_CASE("dropout names what does not fit") {
  const Context<Cpu> context(1);
  Tensor<float, Cpu> a({2, 3});
  Tensor<std::uint8_t, Cpu> mask({2, 3}), other({3, 2});
  for (const float ratio : {1.0f, -0.1f, std::nanf("")})
    CHECK_THROWS_AS(dropout_forward(context, a, ratio, Random(1), 0, a.view(), mask.view()), ArgumentError);
  CHECK_THROWS_AS(dropout_forward(context, a, 0.5f, Random(1), -1, a.view(), mask.view()), ArgumentError);
  CHECK_THROWS_AS(dropout_forward(context, a, 0.5f, Random(1), 0, a.view(), other.view()), ShapeError);
  CHECK_THROWS_AS(dropout_reverse(context, a, other, 0.5f, a.view()), ShapeError);
}

}  // namespace
}  // namespace deconv::test
