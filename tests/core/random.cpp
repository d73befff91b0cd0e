#include "deconv/core/random.hpp"

#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "deconv/core/tensor.hpp"
#include "support/catch.hpp"

using namespace deconv;

TEST_CASE("philox gives its published answers") {
  // The known-answer vectors of the authors' Random123 library for philox4x32-10.
  using Words = std::array<std::uint32_t, 4>;
  CHECK(philox({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}) == Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("numbers depend on seed, stream and index alone") {
  const Random random(7), again(7), other_seed(8), other_stream(7, 1);
  int same_seed = 0, same_stream = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    REQUIRE(random.uniform(i) == again.uniform(i));
    same_seed += random.uniform(i) == other_seed.uniform(i);
    same_stream += random.uniform(i) == other_stream.uniform(i);
  }
  CHECK(same_seed < 3);
  CHECK(same_stream < 3);
}

TEST_CASE("words side by side are those one after another") {
  const Random random(0x123456789abcdefu, 0xfedcba987654321u);
  for (const std::uint64_t first : {std::uint64_t{0}, std::uint64_t{5}, (std::uint64_t{1} << 32) - 3}) {
    const auto words = random.words_of<8>(first);
    for (std::size_t i = 0; i < 8; ++i)
      for (std::size_t w = 0; w < 4; ++w) CHECK(words[w][i] == random.words(first + i)[w]);
  }
}

TEST_CASE("uniform numbers fill [0, 1) evenly") {
  const Random random(1);
  std::array<int, 16> bins{};
  constexpr int count = 160000;
  for (std::uint64_t i = 0; i < count; ++i) {
    const float value = random.uniform(i);
    REQUIRE((value >= 0.0F && value < 1.0F));
    ++bins[static_cast<std::size_t>(value * 16)];
  }
  double chi_squared = 0;
  for (const int bin : bins) chi_squared += std::pow(bin - count / 16.0, 2) / (count / 16.0);
  CHECK(chi_squared < 37.7);  // 15 degrees of freedom: one seed in a thousand would fail, this one does not
}

TEST_CASE("normal numbers have the moments of a normal distribution") {
  const Random random(2);
  double sum = 0, squares = 0, fourths = 0;
  constexpr int count = 100000;
  for (std::uint64_t i = 0; i < count; ++i) {
    const double value = random.normal(i);
    sum += value;
    squares += value * value;
    fourths += value * value * value * value;
  }
  // Four standard errors of each mean: 1, sqrt(2) and sqrt(96) over sqrt(count).
  CHECK(std::abs(sum / count) <= 4 / std::sqrt(count));
  CHECK(std::abs(squares / count - 1) <= 4 * std::sqrt(2.0 / count));
  CHECK(std::abs(fourths / count - 3) <= 4 * std::sqrt(96.0 / count));
}

TEST_CASE("integers stay below their bound and reach all below it") {
  const Random random(3);
  std::vector<int> seen(7, 0);
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const std::uint64_t value = random.below(i, 7);
    REQUIRE(value < 7);
    ++seen[value];
  }
  for (const int times : seen) CHECK(times > 90);
  const std::uint64_t huge = (std::uint64_t{1} << 63) + 12345;
  bool upper = false;
  for (std::uint64_t i = 0; i < 100; ++i) {
    REQUIRE(random.below(i, huge) < huge);
    upper |= random.below(i, huge) > huge / 2;
  }
  CHECK(upper);
  CHECK(random.below(5, 1) == 0);
}

TEST_CASE("filling puts number i into element i") {
  auto tensor = Tensor<float, Cpu>::filled({2, 3, 4, 5}, -9.0F);
  fill_uniform<float>(tensor, Random(4), -1.0F, 3.0F);
  CHECK(tensor.data()[119] == -1.0F + 4.0F * Random(4).uniform(119));
  for (const float value : tensor) REQUIRE((value >= -1.0F && value <= 3.0F));
  fill_normal<float>(tensor, Random(4), 10.0F, 0.5F);
  CHECK(tensor.data()[7] == 10.0F + 0.5F * Random(4).normal(7));
}
