// Number types into each other, and one value everywhere.
#include "deconv/ops/convert.hpp"

#include "deconv/ops/fill.hpp"
#include "deconv/ops/reference/convert.hpp"
#include "deconv/ops/reference/fill.hpp"
#include "support/each_device.hpp"
#include "support/op_test.hpp"

namespace deconv::test {
namespace {

/// Every kind of number: all patterns of a 16-bit type; for float, their neighbours and halfway points too.
template <class A>
Tensor<A, Cpu> every_kind() {
  const auto of_bits = [](Index i) {
    return std::bit_cast<A>(static_cast<std::conditional_t<sizeof(A) == 2, std::uint16_t, std::uint32_t>>(i));
  };
  if constexpr (sizeof(A) == 2) {
    Tensor<A, Cpu> all({65536});
    for (Index i = 0; i < all.count(); ++i) all.data()[i] = of_bits(i);
    return all;
  } else {
    Tensor<A, Cpu> all({4, 65536});
    for (Index i = 0; i < 65536; ++i) {
      all.data()[i] = of_bits(i << 16);                      // bfloat16 exactly
      all.data()[65536 + i] = of_bits((i << 16) + 0x8000);   // halfway between two
      all.data()[131072 + i] = of_bits((i << 16) + 0x8001);  // just past
      const half middle(0x1p-12f * static_cast<float>(i));
      // Neighbours of halves and of the middles between them, subnormal ones too.
      all.data()[196608 + i] =
          std::nextafter(static_cast<float>(middle) * (1 + 0x1p-11f) * (i % 3 == 0 ? 0x1p-14f : 1),
                         i % 2 == 0 ? 0.0f : 1e9f);
    }
    return all;
  }
}

template <class A, class B>
void check_conversion() {
  const auto src = every_kind<A>();
  Tensor<double, Cpu> wanted(src.shape());
  reference::convert<B>(src.view(), wanted.view());
  each_device([&](const auto& context) {
    using D = DeviceOf<decltype(context)>;
    for (const Index shift : {0, 3}) {
      ShiftedTensor<A, D> from(context, src, shift);
      auto to = context.template make<B>(src.shape());
      convert(context, from.view(), to.view());
      const auto met = to_host(context, to.view());
      Index wrong = 0;
      for (Index i = 0; i < met.count(); ++i) {
        const double a = number(met.data()[i]), b = wanted.data()[i];
        wrong += std::isnan(b) ? !std::isnan(a) : a != b || std::signbit(a) != std::signbit(b);
      }
      INFO(D::name << ": " << name_of(dtype_of<A>) << " to " << name_of(dtype_of<B>) << ", shift " << shift);
      CHECK(wrong == 0);
    }
  });
}

TEST_CASE("float, half and bfloat16 convert to the nearest number, ties to even") {
  check_conversion<float, float>();
  check_conversion<float, half>();
  check_conversion<float, bfloat16>();
  check_conversion<half, float>();
  check_conversion<half, half>();
  check_conversion<half, bfloat16>();
  check_conversion<bfloat16, float>();
  check_conversion<bfloat16, half>();
  check_conversion<bfloat16, bfloat16>();
}

TEST_CASE("the host converts double too, and what does not fit is named") {
  const Context<Cpu> context(1);
  const auto src = Tensor<double, Cpu>::from({3}, std::vector<double>{0.1, 70000, -2});
  Tensor<float, Cpu> single({3}), other({4});
  Tensor<half, Cpu> narrow({3});
  convert(context, src.view(), single.view());
  CHECK(single.data()[0] == 0.1f);
  convert(context, src.view(), narrow.view());
  CHECK(number(narrow.data()[1]) == std::numeric_limits<double>::infinity());
  CHECK(number(narrow.data()[2]) == -2);
  CHECK_THROWS_AS(convert(context, src.view(), other.view()), ShapeError);
  Tensor<float, Cpu> planes({1, 2, 3, 4}), woven({1, 2, 3, 4}, Layout::nhwc);
  CHECK_THROWS_AS(convert(context, planes.view(), woven.view()), ShapeError);
}

template <class T>
void check_fill(T value) {
  each_device([&](const auto& context) {
    using D = DeviceOf<decltype(context)>;
    for (const Index count : {0, 1, 5, 64, 1003, 70001})
      for (const Index shift : {0, 1}) {
        // What lies before and behind must stay.
        const auto before = Tensor<T, Cpu>::filled({count + 4}, T{});
        auto wanted = Tensor<T, Cpu>::filled({count + 4}, T{});
        reference::fill(TensorView<T, Cpu>(wanted.data() + shift, {count}), value);
        auto memory = to_device(context, before.view());
        fill(context, TensorView<T, D>(memory.data() + shift, {count}), value);
        INFO(D::name << ' ' << name_of(dtype_of<T>) << ' ' << count << " from " << shift);
        CHECK(std::memcmp(to_host(context, memory.view()).data(), wanted.data(), wanted.bytes()) == 0);
      }
  });
}

TEST_CASE("fill sets what it is given and nothing else") {
  check_fill<float>(-1.5f);
  check_fill<double>(0.1);
  check_fill<half>(half(3.0f));
  check_fill<bfloat16>(bfloat16(-2.0f));
  check_fill<std::int64_t>(-7);
  check_fill<std::int32_t>(123456789);
  check_fill<std::uint8_t>(201);
  check_fill<std::uint16_t>(54321);
}

}  // namespace
}  // namespace deconv::test
