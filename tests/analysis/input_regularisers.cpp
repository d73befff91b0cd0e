// What keeps made inputs near to pictures: closed forms of each operation.

#include "deconv/analysis/input_regularisers.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "nn/small_networks.hpp"
#include "support/catch.hpp"

using namespace deconv;
using test::random_tensor;

TEST_CASE("a blur spreads a point as a Gaussian and leaves what is even", "[analysis][maximise]") {
  auto planes = Tensor<double, Cpu>::filled({2, 15, 21}, 0);
  planes.data()[7 * 21 + 10] = 1;
  std::fill(planes.begin() + 315, planes.end(), 3.5);
  gaussian_blur<double>(planes, 1.2);
  const auto at = [&](Index y, Index x) { return planes.data()[y * 21 + x]; };
  CHECK(at(7, 11) / at(7, 10) == Approx(std::exp(-0.5 / 1.44)));
  CHECK(at(9, 10) / at(7, 10) == Approx(std::exp(-2 / 1.44)));
  CHECK(at(8, 11) == Approx(at(7, 11) * at(8, 10) / at(7, 10)));
  double sum = 0;
  for (Index i = 0; i < 315; ++i) sum += planes.data()[i];
  CHECK(sum == Approx(1));
  CHECK(at(7, 15) == 0);  // beyond three deviations
  for (Index i = 315; i < 630; ++i) CHECK(planes.data()[i] == Approx(3.5));
  const auto before = random_tensor<double>({1, 4, 3}, 1);
  auto same = before.clone();
  gaussian_blur<double>(same, 0);
  CHECK(std::equal(same.begin(), same.end(), before.begin()));
  gaussian_blur<double>(same, 30);  // far wider than the planes
  CHECK(std::isfinite(same.data()[0]));
}

TEST_CASE("total variation has the gradient it says", "[analysis][maximise]") {
  auto planes = random_tensor<double>({2, 5, 4}, 3);
  const auto gradient = total_variation_gradient<double>(planes);
  for (Index i = 0; i < planes.count(); ++i) {
    const double middle = planes.data()[i], step = 1e-6;
    planes.data()[i] = middle + step;
    const double above = total_variation<double>(planes);
    planes.data()[i] = middle - step;
    const double below = total_variation<double>(planes);
    planes.data()[i] = middle;
    CHECK(gradient.data()[i] == Approx((above - below) / (2 * step)).margin(1e-7));
  }
  const auto even = Tensor<double, Cpu>::filled({1, 4, 4}, 2);
  CHECK(total_variation<double>(even) == 0);
  // One step of height 3 across a plane of four rows.
  auto edge = Tensor<double, Cpu>::filled({1, 4, 4}, 0);
  for (Index y = 0; y < 4; ++y) edge.data()[y * 4 + 2] = edge.data()[y * 4 + 3] = 3;
  CHECK(total_variation<double>(edge) == Approx(12).margin(0.05));
}

TEST_CASE("clipping takes the pixels that say least", "[analysis][maximise]") {
  // Norms 5, 1, 2, 3; contributions 0, 1, 8, 9.
  const std::vector<double> values{3, 1, 0, 0, 4, 0, 2, -3}, slopes{4, 1, 5, 5, -3, 7, 4, 3};
  auto planes = Tensor<double, Cpu>::from({2, 2, 2}, values);
  const auto gradient = Tensor<double, Cpu>::from({2, 2, 2}, slopes);
  clip_small_norms<double>(planes, 0);
  CHECK(std::equal(planes.begin(), planes.end(), values.begin()));
  clip_small_norms<double>(planes, 50);
  CHECK(std::vector<double>(planes.begin(), planes.end()) == std::vector<double>{3, 0, 0, 0, 4, 0, 0, -3});
  planes = Tensor<double, Cpu>::from({2, 2, 2}, values);
  clip_small_contributions<double>(planes, gradient, 25);
  CHECK(std::vector<double>(planes.begin(), planes.end()) == std::vector<double>{0, 1, 0, 0, 0, 0, 2, -3});
  CHECK_THROWS_AS(clip_small_norms<double>(planes, 100), ArgumentError);
  CHECK_THROWS_AS(clip_small_norms<double>(planes, std::nan("")), ArgumentError);
  CHECK_THROWS_AS(clip_small_contributions<double>(planes, Tensor<double, Cpu>({2, 2, 1}), 10), ShapeError);
}

TEST_CASE("rolling comes round and back", "[analysis][maximise]") {
  const auto planes = Tensor<double, Cpu>::from({1, 2, 3}, std::vector<double>{1, 2, 3, 4, 5, 6});
  const auto moved = rolled<double>(planes, 1, 1);
  CHECK(std::vector<double>(moved.begin(), moved.end()) == std::vector<double>{6, 4, 5, 3, 1, 2});
  const auto back = rolled<double>(moved, -1, -4);
  CHECK(std::equal(back.begin(), back.end(), planes.begin()));
  CHECK_THROWS_AS(rolled<double>(Tensor<double, Cpu>({2, 3}), 1, 1), ShapeError);
}
