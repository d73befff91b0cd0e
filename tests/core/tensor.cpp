#include "deconv/core/tensor.hpp"

#include <cstdint>
#include <numeric>
#include <type_traits>
#include <utility>
#include <vector>

#include "deconv/core/context.hpp"
#include "support/catch.hpp"

using namespace deconv;

// A read-only view is not to become a writable one, and copies are spelled out.
static_assert(std::is_convertible_v<TensorView<float, Cpu>, TensorView<const float, Cpu>>);
static_assert(!std::is_convertible_v<TensorView<const float, Cpu>, TensorView<float, Cpu>>);
static_assert(!std::is_copy_constructible_v<Tensor<float, Cpu>>);
static_assert(std::is_nothrow_move_constructible_v<Tensor<float, Cpu>>);

TEST_CASE("elements lie where the layout says") {
  Tensor<float, Cpu> planes({2, 3, 4, 5});
  std::iota(planes.begin(), planes.end(), 0.0F);
  CHECK(planes(0, 0, 0, 1) == 1.0F);
  CHECK(planes(1, 2, 3, 4) == 119.0F);
  CHECK(planes(1, 0, 2, 3) == 60.0F + 13.0F);

  Tensor<float, Cpu> pixels({2, 3, 4, 5}, Layout::nhwc);
  std::iota(pixels.begin(), pixels.end(), 0.0F);
  CHECK(pixels(0, 1, 0, 0) == 1.0F);
  CHECK(pixels(0, 0, 0, 1) == 3.0F);
  CHECK(pixels(1, 2, 3, 4) == 119.0F);
  CHECK(pixels(1, 0, 2, 3) == 60.0F + 39.0F);
}

TEST_CASE("nhwc is for four extents") {
  CHECK_THROWS_AS((Tensor<float, Cpu>({2, 3}, Layout::nhwc)), ShapeError);
  CHECK_FALSE((Tensor<float, Cpu>({1, 2, 2, 2}, Layout::nhwc)).view().row_major());
  CHECK((Tensor<float, Cpu>({4, 1, 2, 2}, Layout::nhwc)).view().row_major());
  CHECK((Tensor<float, Cpu>({4, 7, 1, 1}, Layout::nhwc)).view().row_major());
}

TEST_CASE("a tensor takes as many values as its shape holds") {
  const std::vector<std::int32_t> values{1, 2, 3, 4, 5, 6};
  const auto tensor = Tensor<std::int32_t, Cpu>::from({2, 3}, values);
  CHECK(std::vector<std::int32_t>(tensor.begin(), tensor.end()) == values);
  CHECK(tensor.bytes() == 24);
  CHECK_THROWS_AS((Tensor<std::int32_t, Cpu>::from({2, 2}, values)), ShapeError);
}

TEST_CASE("moving leaves nothing behind, cloning shares nothing") {
  auto first = Tensor<float, Cpu>::filled({2, 2}, 3.0F);
  const float* where = first.data();
  auto second = std::move(first);
  CHECK(second.data() == where);
  CHECK(first.empty());  // NOLINT(bugprone-use-after-move): what a moved-from tensor is, is the question
  auto third = second.clone();
  third.data()[0] = 5.0F;
  CHECK(second.data()[0] == 3.0F);
  CHECK(third.shape() == second.shape());
  CHECK((Tensor<float, Cpu>().clone()).empty());
}

TEST_CASE("slices and other shapes refer to the same memory") {
  Tensor<float, Cpu> tensor({4, 2, 3, 3});
  std::iota(tensor.begin(), tensor.end(), 0.0F);
  const auto middle = tensor.view().slice(1, 2);
  CHECK(middle.shape() == Shape{2, 2, 3, 3});
  CHECK(middle.data() == tensor.data() + 18);
  CHECK(tensor.view().slice(4, 0).count() == 0);
  CHECK_THROWS_AS(tensor.view().slice(3, 2), ShapeError);
  CHECK_THROWS_AS(tensor.view().slice(-1, 1), ShapeError);
  CHECK(tensor.view().reshaped({8, 9}).data() == tensor.data());
  CHECK_THROWS_AS(tensor.view().reshaped({8, 8}), ShapeError);
  CHECK_THROWS_AS((Tensor<float, Cpu>({1, 2, 2, 2}, Layout::nhwc)).view().reshaped({8}), ShapeError);
}

TEST_CASE("a workspace hands the same block out again") {
  const Context<Cpu> context(1);
  const float* where = nullptr;
  {
    const auto tensor = context.make<float>({1000, 1000});
    where = tensor.data();
    CHECK(reinterpret_cast<std::uintptr_t>(where) % 64 == 0);
    CHECK(context.workspace()->bytes_in_use() >= 4000000);
  }
  CHECK(context.workspace()->bytes_in_use() == 0);
  CHECK(context.workspace()->peak_bytes() >= 4000000);
  CHECK(context.make<float>({1000, 999}).data() == where);  // nearly equal sizes share
}

TEST_CASE("a tensor may outlive its context") {
  Tensor<float, Cpu> tensor;
  {
    const Context<Cpu> context(1);
    tensor = context.make<float>({16});
  }
  std::fill(tensor.begin(), tensor.end(), 1.0F);
  CHECK(std::accumulate(tensor.begin(), tensor.end(), 0.0F) == 16.0F);
}

TEST_CASE("memory that no machine has is an error with the number in it") {
  const Context<Cpu> context(1);
  CHECK_THROWS_AS(context.make<float>({Index{1} << 50}), DeviceError);
  CHECK_THROWS_WITH(context.make<float>({Index{1} << 50}), test::Contains("4503599627370496"));
}
