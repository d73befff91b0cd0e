#include "deconv/analysis/curvature.hpp"

#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "deconv/nn/models/by_name.hpp"
#include "nn/small_networks.hpp"
#include "support/catch.hpp"
#include "support/each_device.hpp"
#include "support/relative_error.hpp"

using namespace deconv;
using test::random_tensor;
using test::relative_error;

namespace {

/// Each element squared.
class Square final : public Layer<double, Cpu> {
 public:
  void forward(const ForwardPass<double, Cpu>& pass) const override {
    for (Index i = 0; i < pass.dst[0].count(); ++i)
      pass.dst[0].data()[i] = pass.src[0].data()[i] * pass.src[0].data()[i];
  }
  void reverse(const ReversePass<double, Cpu>& pass) const override {
    for (Index i = 0; i < pass.diff_dst.count(); ++i)
      pass.diff_src[0].data()[i] = 2 * pass.src[0].data()[i] * pass.diff_dst.data()[i];
  }
};

constexpr Index side = 4, pixels = side * side;

/// f(x) = sum of strength_k (w_k x)^2 with orthonormal rows w_k: its Hessian has the eigenvalues
/// 2 * strength_k along w_k, and zero elsewhere.
Network<double, Cpu> quadratic(const std::vector<float>& strengths, std::vector<std::vector<double>>& rows) {
  GraphBuilder net("x", {1, 1, side, side});
  const auto count = static_cast<Index>(strengths.size());
  net.add("along", node::Linear{count});
  net.add("square", node::Custom{[](const std::vector<Shape>& inputs) { return inputs[0]; }});
  net.add("sum", node::Linear{1});
  Model model{"quadratic", std::move(net).finish(), {}};
  initialise(model, Initialisation::he, 1);
  for (auto& [name, values] : model.weights) std::fill(values.begin(), values.end(), 0.0f);
  // Rows of a Hadamard matrix of 16, which float holds exactly.
  for (Index k = 0; k < count; ++k) {
    rows.emplace_back();
    for (Index i = 0; i < pixels; ++i) {
      const int sign = __builtin_popcountll(static_cast<unsigned long long>((k + 1) & i)) % 2 == 0 ? 1 : -1;
      model.weights.at("along.weight").data()[k * pixels + i] = 0.25f * static_cast<float>(sign);
      rows.back().push_back(0.25 * sign);
    }
    model.weights.at("sum.weight").data()[k] = strengths[static_cast<std::size_t>(k)];
  }
  std::map<std::string, std::unique_ptr<Layer<double, Cpu>>> own;
  own.emplace("square", std::make_unique<Square>());
  return Network<double, Cpu>(std::move(model), std::move(own));
}

double alignment(const Tensor<double, Cpu>& direction, const std::vector<double>& row) {
  double sum = 0;
  for (Index i = 0; i < pixels; ++i) sum += direction.data()[i] * row[static_cast<std::size_t>(i)];
  return std::abs(sum);
}

}  // namespace

TEST_CASE("of a quadratic form the eigenvalues and directions are its own, at any radius") {
  std::vector<std::vector<double>> rows;
  const auto network = quadratic({3, -2, 1, -0.5f, 0.25f}, rows);
  const Context<Cpu> context(1);
  const auto image = random_tensor<double>({1, 1, side, side}, 5);
  CurvatureOptions options;
  options.directions = 2;
  options.iterations = 12;
  for (const double radius : {0.01, 0.5}) {
    options.radius = radius;
    const auto met = curvature<double>(network, context, image.view(), options);
    REQUIRE(met.highest.size() == 2);
    REQUIRE(met.lowest.size() == 2);
    CHECK(!(std::abs(met.highest[0].eigenvalue - 6) > 1e-9));
    CHECK(!(std::abs(met.highest[1].eigenvalue - 2) > 1e-9));
    CHECK(!(std::abs(met.lowest[0].eigenvalue + 4) > 1e-9));
    CHECK(!(std::abs(met.lowest[1].eigenvalue + 1) > 1e-9));
    CHECK(!(std::abs(alignment(met.highest[0].direction, rows[0]) - 1) > 1e-9));
    CHECK(!(std::abs(alignment(met.lowest[0].direction, rows[1]) - 1) > 1e-9));
    CHECK(!(met.asymmetry > 1e-9));
    for (const auto& one : met.highest) {
      CHECK(!(one.residual > 1e-8));
      // The second difference of the unit itself is the same curvature.
      const double second = (one.forward + one.backward - 2 * met.activation) / (met.radius * met.radius);
      CHECK(!(std::abs(second - one.eigenvalue) > 1e-6));
    }
  }
}

TEST_CASE("few eigenvalues are each listed once") {
  std::vector<std::vector<double>> rows;
  const auto network = quadratic({2, -1, 0.5f}, rows);
  const auto image = random_tensor<double>({1, 1, side, side}, 6);
  const auto met = curvature<double>(network, Context<Cpu>(1), image.view());
  REQUIRE(met.highest.size() == 2);
  REQUIRE(met.lowest.size() == 1);
  CHECK(!(std::abs(met.highest[0].eigenvalue - 4) > 1e-8));
  CHECK(!(std::abs(met.highest[1].eigenvalue - 1) > 1e-8));
  CHECK(!(std::abs(met.lowest[0].eigenvalue + 2) > 1e-8));
}

TEST_CASE("a product is the matrix's, in any length and linear in it") {
  std::vector<std::vector<double>> rows;
  const std::vector<float> strengths{3, -2, 1};
  const auto network = quadratic(strengths, rows);
  const Context<Cpu> context(1);
  const auto image = random_tensor<double>({1, 1, side, side}, 7),
             v = random_tensor<double>({1, 1, side, side}, 8);
  const auto met = hessian_vector_product<double>(network, context, image.view(), v.view());
  std::vector<double> wanted(static_cast<std::size_t>(pixels));
  for (std::size_t k = 0; k < rows.size(); ++k) {
    const double share =
        2 * static_cast<double>(strengths[k]) * detail::inner(rows[k], std::span<const double>(v.span()));
    detail::add_scaled(wanted, share, rows[k]);
  }
  CHECK(!(relative_error(met.span(), std::span<const double>(wanted)) > 1e-10));
}

TEST_CASE("on the sphere curvature is that of the form less the sphere's own, and directions keep the norm") {
  std::vector<std::vector<double>> rows;
  const auto network = quadratic({3, -2, 1}, rows);
  // At an eigenvector w of eigenvalue a the tangent curvatures are the other eigenvalues less a.
  const auto image = Tensor<double, Cpu>::from({1, 1, side, side}, rows[0]);
  CurvatureOptions options;
  options.on_sphere = true;
  options.directions = 1;
  options.iterations = 8;
  const auto met = curvature<double>(network, Context<Cpu>(1), image.view(), options);
  REQUIRE(met.highest.size() == 1);
  CHECK(!(std::abs(met.highest[0].eigenvalue - (2 - 6)) > 1e-8));
  CHECK(!(std::abs(met.lowest[0].eigenvalue - (-4 - 6)) > 1e-8));
  CHECK(!(alignment(met.lowest[0].direction, rows[0]) > 1e-9));
  CHECK(!(std::abs(alignment(met.lowest[0].direction, rows[1]) - 1) > 1e-8));
}

TEST_CASE("contrast normalisation's Hessian is the second difference of its gradient in single pixels") {
  GraphBuilder net("x", {1, 3, 2, 2});
  net.add("lrn", node::Lrn{{LrnRegion::across_channels, AlphaConvention::plain, 3, 0.8f, 0.75f, 1.0f}});
  const Network<double, Cpu> network(test::with_random_weights("lrn", std::move(net).finish()));
  const Context<Cpu> context(1);
  const auto image = random_tensor<double>({1, 3, 2, 2}, 9);
  CurvatureOptions options;
  options.target = {"lrn", {1}, std::pair<Index, Index>{0, 1}};
  options.radius = 1e-4;
  // f = x1 * (1 + 0.8 (x0^2 + x1^2 + x2^2))^-0.75 of the pixel's three channels.
  const double x0 = image(0, 0, 0, 1), x1 = image(0, 1, 0, 1), x2 = image(0, 2, 0, 1);
  const double base = 1 + 0.8 * (x0 * x0 + x1 * x1 + x2 * x2);
  const auto a = static_cast<double>(0.8f);
  auto along = Tensor<double, Cpu>::filled(image.shape(), 0.0);
  along(0, 0, 0, 1) = 1;
  const auto met = hessian_vector_product<double>(network, context, image.view(), along.view(), options);
  const double wanted = x1 * (-0.75 * 2 * a * std::pow(base, -1.75) +
                              0.75 * 1.75 * 4 * a * a * x0 * x0 * std::pow(base, -2.75));
  CHECK(!(std::abs(met(0, 0, 0, 1) - wanted) > 1e-5 * std::abs(wanted)));
  CHECK(met(0, 0, 1, 1) == 0);
  CHECK(met(0, 1, 0, 0) == 0);
}

TEST_CASE("a rectifier on its kink is as curved as the Gaussian that smooths it says") {
  GraphBuilder net("x", {1, 1, side, side});
  net.add("along", node::Linear{1});
  net.add("relu", node::Relu{});
  Model model{"kink", std::move(net).finish(), {}};
  initialise(model, Initialisation::he, 1);
  const auto image = random_tensor<double>({1, 1, side, side}, 5);
  double at = 0, squares = 0;
  for (Index i = 0; i < pixels; ++i) {
    const auto weight = static_cast<double>(model.weights.at("along.weight").data()[i]);
    at += weight * image.data()[i];
    squares += weight * weight;
  }
  model.weights.at("along.bias").data()[0] = static_cast<float>(-at);
  const Network<double, Cpu> network(std::move(model));
  CurvatureOptions options;
  options.directions = 1;
  options.iterations = 2;
  options.samples = 1000;
  options.batch = 500;
  const auto smooth = curvature<double>(network, Context<Cpu>(1), image.view(), options);
  REQUIRE(smooth.highest.size() == 1);
  // The share of the points within one deviation of the kink, over the two radii of the difference.
  const double wanted = std::sqrt(squares) * std::erf(std::sqrt(0.5)) / (2 * smooth.radius);
  CHECK(!(std::abs(smooth.highest[0].eigenvalue - wanted) > 0.05 * wanted));
  CHECK(!(std::abs(smooth.gradient_norm - std::sqrt(squares) / 2) > 0.05 * std::sqrt(squares)));
  CHECK(!(smooth.highest[0].residual > 1e-9));
  options.samples = 0;
  const auto sharp = curvature<double>(network, Context<Cpu>(1), image.view(), options);
  CHECK(!(std::abs(sharp.highest[0].eigenvalue - std::sqrt(squares) / (2 * sharp.radius)) > 1e-9));
}

TEST_CASE("a rectifying network shows curvature over a radius, the same on every device and thread count") {
  auto model = [] {
    return models::model_by_name("lenet",
                                 models::Options{.classes = 10, .initialisation = Initialisation::he});
  };
  Tensor<float, Cpu> image({1, 1, 28, 28});
  fill_normal<float>(image, Random(3), 0, 1);
  CurvatureOptions options;
  options.target = {"conv2", {3}, std::nullopt};
  options.radius = 0.05;
  options.samples = 2;
  options.directions = 1;
  options.iterations = 3;
  std::vector<Curvature<float>> all;
  test::each_device([&](const auto& context) {
    using D = test::DeviceOf<decltype(context)>;
    const Network<float, D> network(context, model());
    all.push_back(curvature<float, D>(network, context, image.view(), options));
  });
  REQUIRE(all.size() >= 2);
  CHECK(all[0].highest[0].eigenvalue != 0);
  CHECK(all[0].layer == "conv2");
  CHECK(all[0].unit.map == 3);
  for (const auto& one : all) {
    CHECK(one.unit.y == all[0].unit.y);
    CHECK(!(std::abs(one.lowest[0].eigenvalue - all[0].lowest[0].eigenvalue) >
            1e-3 * std::abs(all[0].lowest[0].eigenvalue)));
  }
}

TEST_CASE("curvatures that cannot be are refused") {
  std::vector<std::vector<double>> rows;
  const auto network = quadratic({1}, rows);
  const Context<Cpu> context(1);
  const auto image = random_tensor<double>({1, 1, side, side}, 5),
             two = random_tensor<double>({2, 1, side, side}, 5);
  const auto attempt = [&](const auto& change) {
    CurvatureOptions options;
    change(options);
    static_cast<void>(curvature<double>(network, context, image.view(), options));
  };
  CHECK_THROWS_AS(attempt([](auto& o) { o.radius = 0; }), ArgumentError);
  CHECK_THROWS_AS(attempt([](auto& o) { o.directions = 0; }), ArgumentError);
  CHECK_THROWS_AS(attempt([](auto& o) { o.iterations = 7; }), ArgumentError);
  CHECK_THROWS_AS(attempt([](auto& o) { o.target.maps = {1}; }), ArgumentError);
  CHECK_THROWS_AS(curvature<double>(network, context, two.view()), ShapeError);
  CHECK_THROWS_AS(hessian_vector_product<double>(network, context, image.view(), two.view()), ShapeError);
  const auto black = Tensor<double, Cpu>::filled(image.shape(), 0.0);
  CurvatureOptions sphere;
  sphere.on_sphere = true;
  CHECK_THROWS_AS(curvature<double>(network, context, black.view(), sphere), ArgumentError);
}
